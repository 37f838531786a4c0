"""Figures of classes: they say what the numbers say, also of classes without a galaxy."""

from __future__ import annotations

import numpy as np
import pytest
from test_figures import words

from flaxgal import figures
from flaxgal.class_metrics import roc_curve
from flaxgal.figures import classes
from flaxgal.reliability import reliability

MATRIX = np.array([[8, 1, 1], [2, 5, 3], [0, 0, 0]])


def test_the_confusion_matrix_shows_shares_and_counts_row_by_row(tmp_path):
    figure = classes.confusion_panel(MATRIX, ("E", "S0", "Sp"))
    said = words(figure)
    for expected in ("80.0 %\n8", "30.0 %\n3", "–", "20 galaxies, 65.0 % right", "true class"):
        assert expected in said
    np.testing.assert_allclose(figure.axes[0].images[0].get_array()[:2], [[0.8, 0.1, 0.1], [0.2, 0.5, 0.3]])
    assert figures.save(figure, tmp_path / "confusion.png").stat().st_size > 1000


def test_the_confusion_matrix_of_many_classes_or_of_no_galaxy_is_drawn(tmp_path):
    many = classes.confusion_panel(np.eye(16, dtype=int), [str(k) for k in range(16)])
    assert "%\n" not in words(many)
    figures.save(many, tmp_path / "many.png")
    figures.save(classes.confusion_panel(np.zeros((2, 2), int), ("E", "Sp")), tmp_path / "none.png")
    with pytest.raises(ValueError, match=r"shape \(3, 3\) for 2 classes"):
        classes.confusion_panel(MATRIX, ("E", "Sp"))


def test_roc_curves_say_their_areas_and_which_class_has_none(tmp_path):
    positive = np.arange(10) % 2 == 0
    curves = {"E": roc_curve(positive.astype(float), positive), "S0": None}
    figure = classes.roc_curves(curves, {"E": (1.0, 0.9, 1.0)})
    said = " ".join(line.get_label() for line in figure.axes[0].lines)
    assert "E: area 1.0000 [0.9000, 1.0000]" in said
    assert "S0: not told" in said
    figures.save(figure, tmp_path / "roc.png")


def test_the_reliability_diagram_says_the_error_and_what_chance_makes(tmp_path):
    probability = np.tile([0.9, 0.1], (20, 1))
    bins = reliability(np.repeat([0, 1], 10), probability)
    figure = classes.reliability_diagram({"before": bins, "after": bins}, by_chance=0.05)
    said = words(figure)
    for expected in ("before", "after", "calibration error 0.400", "chance alone would make 0.050"):
        assert expected in said
    figures.save(figure, tmp_path / "reliability.png")
    assert not any(panel.texts for panel in figure.axes)  # the curve may pass anywhere within the axes
    nothing = reliability(np.empty(0, int), np.empty((0, 2)))
    figures.save(classes.reliability_diagram({"before": nothing}), tmp_path / "nothing.png")


def test_t_types_are_compared_and_missing_ones_counted(tmp_path):
    figure = classes.t_type_scatter(np.array([1.0, 5.0, np.nan]), np.array([1.5, 4.5, 2.0]))
    said = words(figure)
    for expected in ("2 galaxies", "mean |difference| 0.50", "1 without a T-type"):
        assert expected in said
    figures.save(figure, tmp_path / "t.png")
    with pytest.raises(ValueError, match="no galaxy with both"):
        classes.t_type_scatter(np.array([np.nan]), np.array([1.0]))


def test_groups_stand_side_by_side_and_one_without_a_score_stays_empty(tmp_path):
    told = {"galaxies": 30, "accuracy": {"value": 0.9, "low": 0.8, "high": 0.95}}
    untold = {"galaxies": 0, "accuracy": {"value": None, "low": None, "high": None}}
    groups = {"survey": {"hsc": told}, "S/N": {"under 100": untold, "over 100": told}}
    figure = classes.scores_by_group(groups, score="accuracy", label="accuracy")
    assert "under 100\n0" in words(figure)
    assert [len(panel.containers) for panel in figure.axes] == [1, 1]
    figures.save(figure, tmp_path / "groups.png")


@pytest.mark.parametrize("bands", [1, 2, 3, 5])
def test_mistakes_are_shown_in_the_order_given_with_their_notes(tmp_path, bands):
    pictures = np.random.default_rng(0).integers(0, 255, (7, 8, 8, bands), dtype=np.uint8)
    notes = [f"E, not Sp\n{k} %" for k in range(7)]
    figure = classes.worst_mistakes(pictures, names=list("abcdefg"), notes=notes, columns=3)
    assert [panel.get_xlabel() for panel in figure.axes if panel.images] == notes
    assert figure.axes[0].images[0].origin == "upper"
    figures.save(figure, tmp_path / "worst.png")
    with pytest.raises(ValueError, match="at least one galaxy"):
        classes.worst_mistakes(pictures[:0], names=[], notes=[])
