"""Figures: they say what the arrays say, open as files, and disturb nobody."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from flaxgal import figures

RNG = np.random.default_rng(0)


def galaxies(number: int, size: int = 32) -> tuple[list[np.ndarray], list[np.ndarray], list[np.ndarray]]:
    """Pictures, probabilities and true masks; every probability is 0.9 in the mask's upper half."""
    pictures = [RNG.integers(0, 255, (size, size), dtype=np.uint8) for _ in range(number)]
    masks = [np.zeros((size, size), bool) for _ in range(number)]
    for mask in masks:
        mask[8:16, 8:24] = True
    probability = [np.where(np.indices(mask.shape)[0] < 12, mask * 0.9, 0.1).astype(np.float32) for mask in masks]
    return pictures, probability, masks


def words(figure) -> str:
    """Everything written in a figure."""
    from matplotlib.text import Text

    return " | ".join(text.get_text() for text in figure.findobj(Text) if text.get_text())


def test_panels_show_dice_notes_and_a_scale_bar():
    pictures, probability, masks = galaxies(2)
    figure = figures.prediction_panels(
        pictures, probability, threshold=0.5, truth=masks, names=["NGC 1", "NGC 2"],
        notes=["arms 10 %", "arms 20 %"], dice=[0.614, np.nan], pixel_scale_arcsec=[0.168, None],
    )  # fmt: skip
    said = words(figure)
    assert len(figure.axes) == 6
    for expected in ("NGC 1", "NGC 2", "Dice 0.61\narms 10 %", "arms 20 %", "1″", "true arms", "probability > 0.5"):
        assert expected in said
    assert said.count("″") == 1
    assert said.count("Dice") == 1


def test_panels_without_truth_have_no_truth_column_and_no_dice():
    pictures, probability, _ = galaxies(1)
    figure = figures.prediction_panels(pictures, probability, threshold=0.5)
    assert len(figure.axes) == 2
    assert "Dice" not in words(figure)
    assert "true" not in words(figure)


def test_masks_lie_on_the_picture_the_right_way_up_for_fits_and_for_pictures():
    pictures, probability, masks = galaxies(1)
    for row_zero_at, origin in (("bottom", "lower"), ("top", "upper")):
        figure = figures.prediction_panels(pictures, probability, threshold=0.5, truth=masks, row_zero_at=row_zero_at)
        assert {image.origin for panel in figure.axes for image in panel.images} == {origin}
        limits = figure.axes[0].get_ylim()
        assert (limits[0] < limits[1]) == (row_zero_at == "bottom")
        assert all(panel.get_ylim() == limits for panel in figure.axes)


@pytest.mark.parametrize("colour", [(32, 32), (32, 32, 1), (32, 32, 3)])
@pytest.mark.parametrize("mask", [np.zeros((32, 32), bool), np.ones((32, 32), bool)], ids=["empty", "full"])
@pytest.mark.filterwarnings("error")
def test_grey_and_colour_pictures_with_empty_and_full_masks_are_drawn(tmp_path, colour, mask):
    picture = np.zeros(colour, np.uint8)
    probability = mask.astype(np.float32)
    probability[0] = np.nan
    for figure in (
        figures.prediction_panels([picture], [probability], threshold=0.5, truth=[mask]),
        figures.prediction_panels([picture], [probability], threshold=0.5, truth=[None]),
        figures.arms_found([picture], [mask], truth=[mask], notes=["x"], pixel_scale_arcsec=0.2),
    ):
        assert figures.save(figure, tmp_path / "new" / "panel.png").stat().st_size > 1000


def test_learning_curves_mark_the_best_look_and_skip_gaps(tmp_path):
    records = [
        {"step": 10, "loss": 1.0, "validation_dice": None},
        {"step": 20, "loss": None},
        {"step": 30, "loss": 0.8, "validation_dice": 0.61, "validation_loss": 0.9},
        {"step": 40, "loss": 0.7, "validation_dice": 0.55, "validation_loss": 0.95},
    ]
    figure = figures.learning_curves(records, title="runs/arms")
    assert "best: 0.610 at step 30" in words(figure)
    np.testing.assert_array_equal(figure.axes[0].lines[0].get_xdata(), [10, 30, 40])
    assert figures.save(figure, tmp_path / "curves.pdf").read_bytes().startswith(b"%PDF")


def test_learning_curves_of_classifiers_mark_the_best_of_their_own_score():
    errors = [{"step": step, "loss": 1.0, "validation_mean_error": error} for step, error in ((1, 2.5), (2, 1.25))]
    figure = figures.learning_curves(errors)
    assert "best: 1.250 at step 2" in words(figure)
    low, high = figure.axes[1].get_ylim()
    assert low == 0
    assert high > 2.5
    shares = [{"step": 1, "loss": 1.0, "validation_balanced_accuracy": 0.75}]
    assert "validation balanced accuracy" in words(figures.learning_curves(shares))


def test_learning_curves_of_a_run_that_has_not_looked_say_so():
    assert "no look at the validation split yet" in words(figures.learning_curves([{"step": 1, "loss": 1.0}]))


def test_learning_curves_of_nothing_are_refused():
    with pytest.raises(ValueError, match="found no loss"):
        figures.learning_curves([])


def test_the_ratio_scatter_counts_bias_spread_and_missing():
    true = np.array([0.1, 0.2, 0.3, 0.4, np.nan])
    figure = figures.ratio_scatter(true, true + 0.02, error=np.full(5, 0.01), band="i")
    said = words(figure)
    assert "4 galaxies" in said
    assert "median difference +0.020" in said
    assert "1 without a ratio" in said
    assert "i band" in said


@pytest.mark.filterwarnings("error")
def test_the_ratio_scatter_of_one_galaxy_at_nought_is_drawn(tmp_path):
    figures.save(figures.ratio_scatter(np.zeros(1), np.zeros(1)), tmp_path / "one.png")
    with pytest.raises(ValueError, match="no galaxy with both"):
        figures.ratio_scatter(np.full(3, np.nan), np.zeros(3))


def test_lists_of_different_lengths_are_refused():
    pictures, probability, masks = galaxies(2)
    with pytest.raises(ValueError, match="one entry a galaxy"):
        figures.prediction_panels(pictures, probability, threshold=0.5, truth=masks[:1])
    with pytest.raises(ValueError, match="at least one galaxy"):
        figures.arms_found([], [])


def test_drawing_changes_no_setting_of_the_caller(monkeypatch):
    import matplotlib as mpl

    monkeypatch.setitem(mpl.rcParams, "font.size", 31.0)
    before = mpl.rcParams.copy()
    figure = figures.learning_curves([{"step": 1, "loss": 1.0}])
    assert dict(mpl.rcParams) == dict(before)
    assert figure.axes[0].yaxis.label.get_fontsize() < 20


def test_a_figure_that_cannot_be_written_leaves_nothing(tmp_path):
    with pytest.raises(ValueError, match="not supported"):
        figures.save(figures.learning_curves([{"step": 1, "loss": 1.0}]), tmp_path / "curves.xyz")
    assert list(tmp_path.iterdir()) == []


def test_importing_figures_imports_no_matplotlib():
    code = "import flaxgal.figures, sys; assert not {'matplotlib', 'jax', 'scipy'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_panels_go_from_the_best_galaxy_to_the_worst():
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 255, (5, 8, 8, 1)).astype(np.uint8)
    truth = np.zeros((5, 8, 8), bool)
    truth[:, 2:4, 2:6] = True
    figure = figures.from_best_to_worst(
        pictures, truth * 0.9, truth, dice=[0.2, 0.9, 0.5, 0.1, 0.7], names=list("abcde"), threshold=0.5, number=3
    )
    said = " ".join(axes.get_xlabel() for axes in figure.axes).split()
    assert [word for word in said if word in "abcde"] == ["b", "c", "d"]
    assert [word for word in said if word.startswith("0.")] == ["0.90", "0.50", "0.10"]


def test_the_axis_of_a_relation_names_the_columns_that_it_is_from():
    from astropy.table import Table

    from flaxgal.figures.catalogue import relation_figure
    from flaxgal.measure.relations import QUANTITIES, relate

    table = Table({"flux_ratio_i": RNG.random(30), "sfr": RNG.random(30), "mass": RNG.uniform(9, 11, 30)})
    quantity = next(one for one in QUANTITIES if one.name == "log_ssfr")
    relation = relate(table, "flux_ratio_i", quantity, resamples=5)
    assert relation is not None
    said = words(relation_figure(relation, name="arms"))
    assert "log specific star-formation rate (1 / yr), from sfr and 10^mass" in said
    assert "5 without arms left out" in words(relation_figure(relation, name="arms", notes=["5 without arms left out"]))
    few = relate(table[:5], "flux_ratio_i", quantity, resamples=5)
    assert few is not None
    assert "too few for a correlation (10)" in words(relation_figure(few, name="arms"))


def test_a_distribution_says_who_is_among_it():
    from flaxgal.figures.catalogue import distribution

    assert "\n5 without arms" in words(distribution(RNG.random(30), name="arms", notes=["5 without arms"]))
