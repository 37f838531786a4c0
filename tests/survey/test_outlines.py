"""Which pixels an outline encloses: known shapes, and a slow twin that adds up angles."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flaxgal.survey.outlines import enclosed, winding_number

SHAPE = (12, 14)


def turns(outline, y, x):
    """Winding number by the angle that the outline sweeps as seen from a point: the definition itself."""
    angle = 0.0
    for (x0, y0), (x1, y1) in zip(outline, [*outline[1:], outline[0]], strict=True):
        step = math.atan2(y1 - y, x1 - x) - math.atan2(y0 - y, x0 - x)
        angle += (step + math.pi) % (2 * math.pi) - math.pi
    return round(angle / (2 * math.pi))


def away_from_edges(outline, y, x):
    for (x0, y0), (x1, y1) in zip(outline, [*outline[1:], outline[0]], strict=True):
        along = np.clip(
            ((x - x0) * (x1 - x0) + (y - y0) * (y1 - y0)) / max(math.dist((x0, y0), (x1, y1)) ** 2, 1e-12), 0, 1
        )
        if math.hypot(x0 + along * (x1 - x0) - x, y0 + along * (y1 - y0) - y) < 1e-6:
            return False
    return True


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.floats(-4, 18, width=16), st.floats(-4, 16, width=16)), min_size=3, max_size=12))
def test_the_winding_number_is_that_of_a_slow_twin_for_any_outline(outline):
    found = winding_number(outline, SHAPE)
    for y in range(SHAPE[0]):
        for x in range(SHAPE[1]):
            if away_from_edges(outline, y, x):
                assert found[y, x] == -turns(outline, y, x) or found[y, x] == turns(outline, y, x)


def test_a_square_encloses_exactly_its_pixels():
    found = enclosed([[[2.5, 3.5], [6.5, 3.5], [6.5, 5.5], [2.5, 5.5]]], SHAPE)
    wanted = np.zeros(SHAPE, bool)
    wanted[4:6, 3:7] = True
    np.testing.assert_array_equal(found, wanted)


def test_both_loops_of_a_figure_of_eight_are_enclosed():
    found = enclosed([[[0.5, 1.5], [10.5, 9.5], [10.5, 1.5], [0.5, 9.5]]], SHAPE)
    assert found[5, 2]
    assert found[5, 9]
    assert not found[2, 5]
    assert not found[8, 5]


def test_an_area_that_a_hand_went_round_twice_is_enclosed():
    once = [[1.5, 1.5], [9.5, 1.5], [9.5, 9.5], [1.5, 9.5]]
    assert winding_number(once + once, SHAPE)[5, 5] in (2, -2)
    np.testing.assert_array_equal(enclosed([once + once], SHAPE), enclosed([once], SHAPE))


def test_a_ring_drawn_there_and_back_keeps_its_hole():
    outer = [[0.5, 0.5], [11.5, 0.5], [11.5, 11.5], [0.5, 11.5], [0.5, 0.5]]
    inner = [[4.5, 4.5], [4.5, 7.5], [7.5, 7.5], [7.5, 4.5], [4.5, 4.5]]
    found = enclosed([outer + inner], SHAPE)
    assert not found[6, 6]
    assert found[2, 6]
    assert found[10, 6]


def test_overlapping_outlines_of_one_person_count_once():
    one = [[1.5, 1.5], [7.5, 1.5], [7.5, 7.5], [1.5, 7.5]]
    other = [[5.5, 1.5], [11.5, 1.5], [11.5, 7.5], [5.5, 7.5]]
    assert enclosed([one, other], SHAPE).sum() == 60
    assert enclosed([one, one[::-1]], SHAPE).sum() == 36  # the second the other way round takes nothing away


@pytest.mark.parametrize("outline", [[], [[3, 3]], [[3, 3], [8, 8]], [[3, 3], [3, 3], [3, 3]]])
def test_clicks_and_strokes_without_area_enclose_nothing(outline):
    assert not enclosed([outline], SHAPE).any()


def test_an_outline_that_leaves_the_picture_encloses_what_is_inside_it():
    found = enclosed([[[-50, -50], [5.5, -50], [5.5, 300], [-50, 300]]], SHAPE)
    np.testing.assert_array_equal(found, np.broadcast_to(np.arange(14) < 6, SHAPE))
    assert not enclosed([[[-50, -50], [-5, -50], [-5, 300]]], SHAPE).any()
    assert enclosed([[[-50, -50], [500, -50], [500, 500], [-50, 500]]], SHAPE).all()
