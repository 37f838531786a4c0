"""Clicks beside an arm move on to its ridge, and a path between two clicks follows it."""

from dataclasses import replace

import numpy as np
import pytest

from flaxgal.survey.cutout import Cutout
from napari_flaxgal.tools import Trace, ridge_path, ridge_strength, snap
from napari_flaxgal.tools.snap import bent_across


def beside(spiral, crest, distance):
    """Points across from a crest where its arm stands out, alternately on either side."""
    tangent = np.gradient(crest, axis=0)
    normal = np.stack([-tangent[:, 1], tangent[:, 0]], 1) / np.hypot(*tangent.T)[:, None]
    side = np.where(np.arange(len(crest)) % 2, 1, -1)[:, None]
    seen = spiral.arm_mask[tuple(np.rint(crest).astype(int).T)]
    return (crest + distance * side * normal)[seen][::3]


def distance_to(crest, point):
    fine = np.stack([np.interp(np.linspace(0, 59, 2000), np.arange(60), axis) for axis in crest.T], 1)
    return np.hypot(*(fine - point).T).min()


def test_a_click_beside_an_arm_snaps_to_within_a_pixel_of_its_true_ridge(spirals):
    """But for some at the faint outer ends of wide open arms, where the light's own ridge leaves the crest."""
    missed = []
    for spiral in spirals:
        ridge = ridge_strength(spiral.cutout)
        for crest in spiral.crests:
            clicks = beside(spiral, crest, 2.5)
            missed += [distance_to(crest, snap(click, ridge, 6)) for click in clicks]
    assert np.median(missed) < 0.4
    assert np.mean(np.less(missed, 1.0)) > 0.8


def test_a_click_moves_across_the_ridge_not_along_it():
    y, x = np.indices((60, 60), dtype=np.float32)
    brighter_upwards = (np.exp(-0.5 * ((x - 30.3) / 2) ** 2) * (0.2 + y / 80)).astype(np.float32)
    moved = snap((25.0, 27.0), brighter_upwards, 8.0)
    assert moved[1] == pytest.approx(30.3, abs=0.25)
    assert moved[0] == pytest.approx(25.0, abs=2.0)


def test_a_click_on_empty_sky_or_outside_the_frame_stays():
    ridge = np.zeros((40, 40), np.float32)
    assert snap((20.2, 21.7), ridge, 8.0) == (20.2, 21.7)
    assert snap((-3.0, 100.0), ridge, 8.0) == (-3.0, 100.0)


def test_a_ridge_farther_away_than_the_radius_does_not_draw_the_click():
    ridge = np.zeros((40, 40), np.float32)
    ridge[:, 30] = 1
    assert snap((20.0, 20.0), ridge, 5.0) == (20.0, 20.0)


def test_ridges_are_strong_on_arms_and_weak_elsewhere(spirals):
    for spiral in spirals:
        ridge = ridge_strength(spiral.cutout)
        crest = np.rint(np.concatenate(spiral.crests)).astype(int)
        assert np.median(ridge[tuple(crest.T)]) > 4 * np.median(ridge[~spiral.arm_mask])
        assert (ridge.min(), ridge.max()) == (0.0, 1.0)


def test_a_star_is_no_ridge(spirals):
    cutout = spirals[0].cutout
    y, x = np.indices(cutout.image_shape)
    star = 300 * np.sqrt(cutout.variance.min()) * np.exp(-0.5 * (np.hypot(y - 25, x - 40) / 1.5) ** 2)
    ridge = ridge_strength(replace(cutout, flux=(cutout.flux + star).astype(np.float32)))
    assert ridge[23:28, 38:43].max() < 0.3


def test_a_knot_is_much_less_of_a_ridge_than_an_arm_of_the_same_height():
    y, x = np.indices((60, 60)) - 30.0
    knot, arm = np.exp(-(np.hypot(y, x) ** 2) / 8), np.exp(-(x**2) / 8)
    assert bent_across(arm, 2.0)[30, 30] > 2.5 * bent_across(knot, 2.0)[30, 30]


def test_a_path_between_two_clicks_follows_the_arm(spirals):
    for spiral in spirals:
        ridge = ridge_strength(spiral.cutout)
        for crest in spiral.crests:
            clicks = crest[[8, 30, 52]]
            path = ridge_path(clicks, ridge, spacing_pixels=5)
            assert len(path) > 4
            missed = [distance_to(crest, place) for place in Trace(path).path()]
            chord = clicks[0] + np.linspace(0, 1, 50)[:, None] * (clicks[-1] - clicks[0])
            straight = [distance_to(crest, place) for place in chord]
            assert np.quantile(missed, 0.9) < 2.0
            assert np.max(missed) < np.max(straight)
            for click in clicks:
                assert (path == click).all(1).any()


def test_a_path_of_one_click_or_none_is_itself():
    ridge = np.zeros((20, 20), np.float32)
    one = np.array([[3.0, 4.0]])
    np.testing.assert_array_equal(ridge_path(one, ridge), one)
    assert ridge_path(one[:0], ridge).shape == (0, 2)


def test_clicks_outside_the_frame_are_kept():
    ridge = np.zeros((20, 20), np.float32)
    path = ridge_path(np.array([[-5.0, 3.0], [10.0, 30.0]]), ridge)
    np.testing.assert_array_equal(path[[0, -1]], [[-5.0, 3.0], [10.0, 30.0]])


@pytest.mark.parametrize("size", [(1, 1), (3, 40), (24, 24)])
def test_ridges_of_an_empty_frame_of_any_size_are_none(size):
    cutout = Cutout(object_id="empty", flux=np.zeros((1, *size), np.float32), bands=("r",), unit="count")
    assert not ridge_strength(cutout).any()
