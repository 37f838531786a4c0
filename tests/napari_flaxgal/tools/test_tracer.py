"""A few clicks make a smooth arm of the width that was set."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from napari_flaxgal.tools import Trace

SPIRAL = np.array([[40, 44], [52, 50], [50, 66], [32, 72], [18, 54], [28, 24], [58, 18]], float)


def test_the_curve_runs_through_every_click_in_order_and_turns_smoothly():
    path = Trace(SPIRAL).path()
    distance = np.hypot(*(path[None] - SPIRAL[:, None]).T).T
    assert distance.min(1).max() < 0.15
    assert (np.diff(distance.argmin(1)) > 0).all()
    np.testing.assert_allclose(path[[0, -1]], SPIRAL[[0, -1]])
    steps = np.diff(path, axis=0)
    turn = np.degrees(np.abs(np.diff(np.unwrap(np.arctan2(*steps.T)))))
    assert turn.max() < 6


def test_unevenly_spaced_clicks_make_no_loop():
    path = Trace(np.array([[10, 10], [10, 12], [30, 40], [31, 42], [60, 50]], float)).path()
    assert (np.diff(path[:, 0]) > -0.25).all()
    assert (np.diff(path[:, 1]) > -0.25).all()


def test_two_clicks_make_a_straight_line_and_one_a_dot():
    path = Trace(np.array([[3.0, 4.0], [9.0, 12.0]])).path()
    np.testing.assert_allclose(path[:, 1] - 4.0, (path[:, 0] - 3.0) * 8 / 6, atol=1e-9)
    dot = Trace(np.array([[8.0, 9.0]]), width_pixels=5.0).mask((20, 20))
    y, x = np.indices((20, 20))
    np.testing.assert_array_equal(dot, np.hypot(y - 8, x - 9) <= 2.5)


def test_a_double_click_is_one_point():
    twice = np.repeat(SPIRAL, 2, axis=0)
    np.testing.assert_allclose(Trace(twice).path(), Trace(SPIRAL).path())


@pytest.mark.parametrize("width", [1.0, 3.0, 7.5, 24.0])
def test_the_area_is_every_pixel_within_half_the_width_of_the_curve(width):
    """Against the slow way: the distance of every pixel to every sample of a fine curve."""
    trace = Trace(SPIRAL, width_pixels=width)
    y, x = np.indices((80, 90))
    fine = trace.path()
    distance = np.min([np.hypot(y - a, x - b) for a, b in fine], axis=0)
    mask = trace.mask((80, 90))
    assert mask[distance <= width / 2 - 0.1].all()
    assert not mask[distance > width / 2 + 0.01].any()
    assert ndimage.label(mask, np.ones((3, 3)))[1] == 1


def test_an_arm_may_leave_the_frame():
    trace = Trace(np.array([[-20.0, 5.0], [10.0, 10.0], [50.0, 90.0]]), width_pixels=6)
    mask = trace.mask((30, 40))
    assert mask[0].any()
    assert mask[:, -1].any()
    assert not Trace(SPIRAL + 500).mask((30, 40)).any()


def test_no_point_yet_is_an_empty_arm():
    trace = Trace(np.zeros((0, 2)))
    assert trace.path().shape == (0, 2)
    assert not trace.mask((9, 9)).any()
    with pytest.raises(ValueError, match="click along the arm first"):
        trace.width_handle()


@settings(max_examples=50, deadline=None)
@given(
    points=st.lists(st.tuples(st.floats(0, 80), st.floats(0, 80)), min_size=1, max_size=8),
    width=st.floats(1.0, 30.0),
)
def test_the_width_handle_lies_on_the_edge_and_gives_its_width_back(points, width):
    trace = Trace(np.array(points), width_pixels=width)
    handle = trace.width_handle()
    assert np.hypot(*(trace.path() - handle).T).min() <= width / 2 + 1e-6
    assert trace.with_width_handle(handle).width_pixels == pytest.approx(width)


def test_dragging_the_handle_outwards_widens_the_arm_and_moves_no_point():
    trace = Trace(SPIRAL, width_pixels=4.0, class_code=2)
    curve = trace.path()
    middle = curve[len(curve) // 2]
    outwards = np.asarray(trace.width_handle()) - middle
    wide = trace.with_width_handle(tuple((middle + 3 * outwards).tolist()))
    assert wide.width_pixels == pytest.approx(12.0, abs=0.3)
    assert wide.class_code == 2
    np.testing.assert_array_equal(wide.points, trace.points)
    assert trace.with_width_handle(tuple(middle.tolist())).width_pixels == 1.0


def test_a_point_that_is_no_number_is_refused():
    with pytest.raises(ValueError, match="not a number"):
        Trace(np.array([[1.0, np.nan]]))
