import math
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flaxgal.datasets.splits import SPLITS, fold_rule, sky_cell, split_of


def positions(number, seed=0):
    rng = np.random.default_rng(seed)
    return rng.uniform(0, 360, number), np.degrees(np.arcsin(rng.uniform(-1, 1, number)))


def test_four_fifths_of_the_sky_train_and_a_tenth_each_validate_and_test():
    ra, dec = positions(8_000)
    share = Counter(split_of("", r, d) for r, d in zip(ra.tolist(), dec.tolist(), strict=True))
    assert [round(share[split] / 8_000, 2) for split in SPLITS] == pytest.approx([0.8, 0.1, 0.1], abs=0.011)


def test_galaxies_without_a_position_are_split_by_id_in_the_same_shares():
    share = Counter(split_of(f"galaxy-{number}") for number in range(8_000))
    assert [share[split] / 8_000 for split in SPLITS] == pytest.approx([0.8, 0.1, 0.1], abs=0.012)


def test_splits_never_move_between_versions():
    """Golden values: a change here moves galaxies of published data sets from one side to the other."""
    known = [("", 150.1, 2.2), ("", 0.0, -90.0), ("", 359.999, 89.999), ("", 10.0, 41.0), ("NGC 1232", None, None)]
    assert [split_of(*galaxy) for galaxy in known] == ["train", "train", "train", "test", "train"]
    assert [split_of(f"galaxy-{number}") for number in (6, 7, 8, 9)] == ["train", "test", "validation", "train"]


def test_the_split_does_not_depend_on_pythons_hash_seed():
    code = "from flaxgal.datasets.splits import split_of; print([split_of(str(n), n, n / 9) for n in range(50)])"
    answers = {
        subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout
        for seed in ("1", "2")
    }
    assert len(answers) == 1


def test_the_same_galaxy_seen_by_two_surveys_an_arcsecond_apart_lands_on_one_side():
    """The docstring's rare failure at cell edges, measured: 1 pair in 840."""
    ra, dec = positions(8_000, seed=1)
    angle = np.random.default_rng(2).uniform(0, 2 * np.pi, len(ra))
    second_dec = np.clip(dec + np.sin(angle) / 3600, -90, 90)
    second_ra = ra + np.cos(angle) / 3600 / np.cos(np.radians(dec))
    pairs = zip(ra.tolist(), dec.tolist(), second_ra.tolist(), second_dec.tolist(), strict=True)
    torn = sum(split_of("a", r, d) != split_of("b", r2, d2) for r, d, r2, d2 in pairs)
    assert torn / len(ra) < 2 / 840


def test_right_ascension_is_taken_around_the_circle():
    assert sky_cell(-0.5, 10.0) == sky_cell(359.5, 10.0) == sky_cell(719.5, 10.0)
    assert sky_cell(-1e-18, 10.0)[1] < 3600


def test_cells_are_as_wide_near_the_poles_as_at_the_equator():
    assert [sky_cell(359.999, dec)[1] + 1 for dec in (0.0, 60.0, -60.0)] == pytest.approx([3600, 1800, 1800], rel=0.01)


def test_nan_means_an_unknown_position():
    assert split_of("x", math.nan, math.nan) == split_of("x")


@given(ra=st.floats(-720, 720), dec=st.floats(-90, 90))
def test_every_position_has_a_cell(ra, dec):
    row, column = sky_cell(ra, dec)
    assert 0 <= row < 1800
    assert 0 <= column < 3600


def test_swapped_coordinates_are_refused():
    with pytest.raises(ValueError, match="swapped"):
        split_of("x", 2.2, 150.1)


def test_folds_test_each_galaxy_once_and_never_leave_a_split_empty():
    names = [f"galaxy-{number}" for number in range(600)]
    tested = {name: [] for name in names}
    for fold in range(5):
        rule = fold_rule(fold, 5)
        splits = {name: rule(name, None, None) for name in names}
        for name, split in splits.items():
            if split == "test":
                tested[name].append(fold)
        counts = Counter(splits.values())
        assert 80 < counts["test"] < 160
        assert 30 < counts["validation"] < 90
    assert all(len(folds) == 1 for folds in tested.values())


def test_a_fold_goes_by_the_cell_of_sky_and_impossible_folds_are_refused():
    rule = fold_rule(0, 3)
    assert all(rule("a", ra, 3.03) == rule("b", ra + 1e-4, 3.03) for ra in (150.03, 151.03, 152.03))
    for fold, folds in ((0, 1), (5, 5), (-1, 5)):
        with pytest.raises(ValueError, match="wanted two folds or more, and one of them, counted from 0"):
            fold_rule(fold, folds)
