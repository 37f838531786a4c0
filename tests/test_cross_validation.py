"""Folds and seeds are put together so that every galaxy counts as often as every other."""

import json

import numpy as np
import pytest
from astropy.table import Table

from flaxgal.class_metrics import SCORES, class_confusion
from flaxgal.cross_validation import cross_validated
from flaxgal.survey.schemas import SCHEMAS

SPIRAL, MORPHOLOGY = SCHEMAS["spiral"], SCHEMAS["morphology"]


def runs(seeds, folds, number, *, share=0.9, schema=SPIRAL, start=0):
    """Tables of the test galaxies of runs that are right so often, at random."""
    truth = np.random.default_rng(start).integers(len(schema.classes), size=number)
    made = []
    for one in range(seeds):
        random = np.random.default_rng([start, one])
        wrong = (truth + 1) % len(schema.classes)
        found = np.where(random.random(number) < share, truth, wrong)
        rows = np.arange(number)
        made.append([table_of(rows[rows % folds == k], truth, found, schema) for k in range(folds)])
    return made


def table_of(rows, truth, found, schema=SPIRAL):
    names = np.asarray(schema.classes)
    ids = [f"g{k}" for k in rows]
    return Table({"object_id": ids, "truth": names[truth[rows]], "found": names[found[rows]]})


def test_the_value_is_the_mean_over_seeds_of_all_galaxies_at_once():
    made = runs(3, 5, 203, schema=MORPHOLOGY)
    found = cross_validated(made, MORPHOLOGY)
    for name in ("accuracy", "balanced_accuracy", "macro_f1"):
        by_hand = []
        for tables in made:
            truth, taken = (
                np.array([MORPHOLOGY.classes.index(row[column]) for table in tables for row in table])
                for column in ("truth", "found")
            )
            by_hand.append(float(SCORES[name](class_confusion(truth, taken, 3))))
        assert found[name]["by_seed"] == pytest.approx(by_hand)
        assert found[name]["value"] == pytest.approx(np.mean(by_hand))
        assert found[name]["low"] < found[name]["value"] < found[name]["high"]
        assert np.shape(found[name]["by_run"]) == (3, 5)
    assert (found["galaxies"], found["seeds"], found["folds"]) == (203, 3, 5)
    assert np.sum(found["confusion"]["counts"]) == 3 * 203
    json.dumps(found, allow_nan=False)


def test_the_interval_of_one_seed_is_that_of_its_galaxies():
    found = cross_validated(runs(1, 4, 400), SPIRAL)["accuracy"]
    share = found["value"]
    assert found["high"] - found["low"] == pytest.approx(2 * 1.96 * np.sqrt(share * (1 - share) / 400), rel=0.1)


def test_seeds_that_say_the_same_make_nothing_surer():
    one = runs(1, 2, 100)
    single, threefold = cross_validated(one, SPIRAL), cross_validated(one * 3, SPIRAL)
    for name in ("value", "low", "high"):
        assert threefold["accuracy"][name] == pytest.approx(single["accuracy"][name])


def test_the_order_of_rows_and_folds_does_not_matter():
    made = runs(2, 3, 60)
    turned = [[table[::-1] for table in reversed(tables)] for tables in made]
    one, other = cross_validated(made, SPIRAL), cross_validated(turned, SPIRAL)
    for name in ("value", "low", "high", "by_seed"):
        assert one["balanced_accuracy"][name] == pytest.approx(other["balanced_accuracy"][name])


def test_one_class_alone_gets_no_balanced_accuracy():
    ones = np.ones(10, int)
    found = cross_validated([[table_of(np.arange(10), ones, ones)]], SPIRAL)
    assert (found["accuracy"]["value"], found["accuracy"]["high"]) == (1, 1)
    assert found["accuracy"]["low"] < 0.75  # ten right of ten do not say that all will be
    assert found["balanced_accuracy"]["value"] is None
    assert found["balanced_accuracy"]["low"] is None
    assert found["accuracy"]["run_scatter"] is None


def test_folds_that_meet_and_seeds_with_other_galaxies_are_refused():
    made = runs(2, 2, 20)
    with pytest.raises(ValueError, match="g0 is tested twice with seed number 0"):
        cross_validated([[made[0][0], made[0][0]]], SPIRAL)
    with pytest.raises(ValueError, match=r"g19 and 0 others are tested with one of the seeds numbers 0 and 1 only"):
        cross_validated([made[0], [made[1][0], made[1][1][:-1]]], SPIRAL)
    for nothing in ([], [[]], [made[0], made[1][:1]]):
        with pytest.raises(ValueError, match="tables of all folds"):
            cross_validated(nothing, SPIRAL)
