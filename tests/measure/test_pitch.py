"""Logarithmic spirals fitted to points, against points whose spiral is known."""

from __future__ import annotations

import numpy as np
import pytest

from flaxgal.measure.pitch import (
    WAVES_DEG,
    Points,
    Spiral,
    fit_spiral,
    phase_histograms,
    pitch_angle_deg,
    rough_spiral,
    spiral_error_deg,
)


def band(pitch_deg: float, *, sense: int = 1, length: float = 1.2, waves: float = 0.0, seed: int = 0) -> Points:
    """Points spread evenly over an arm 0.1 radii wide, whose crest may wave."""
    rng = np.random.default_rng(seed)
    log_radius = np.log(10.0) + rng.uniform(0, length, 4000)
    winding = sense / np.tan(np.radians(pitch_deg))
    across = rng.uniform(-0.05, 0.05, 4000) + waves * np.sin(9 * log_radius)
    return Points(log_radius, 0.7 + winding * log_radius + across * np.hypot(1, winding))


@pytest.mark.parametrize("pitch", [6.0, 15.0, 30.0, 50.0])
@pytest.mark.parametrize("sense", [1, -1])
def test_a_spiral_is_found_from_a_poor_guess(pitch, sense):
    truth = sense / np.tan(np.radians(pitch))
    points = band(pitch, sense=sense)
    middle = points.log_radius.mean()
    guess = Spiral(1.1 * truth, 0.7 + truth * middle - 1.1 * truth * middle)
    assert pitch_angle_deg(fit_spiral(points, guess).winding) == pytest.approx(pitch, rel=0.03)
    assert np.sign(fit_spiral(points, guess).winding) == sense


def test_the_answer_lies_between_ends_cut_square_and_ends_cut_along_circles():
    pitch, winding = 20.0, 1 / np.tan(np.radians(20.0))
    rng = np.random.default_rng(1)
    along, across = rng.uniform(0, 1.5, 20_000), rng.uniform(-0.15, 0.15, 20_000)
    angle = np.arctan(winding)
    square = Points(2 + along * np.cos(angle) - across * np.sin(angle), along * np.sin(angle) + across * np.cos(angle))
    circles = Points(2 + 0.5 * along, winding * 0.5 * along + across / np.cos(angle))
    low = pitch_angle_deg(fit_spiral(circles, Spiral(winding, -2 * winding)).winding)
    high = pitch_angle_deg(fit_spiral(square, Spiral(winding, -2 * winding)).winding)
    assert low < pitch < high
    for points in (circles, square):
        spiral = fit_spiral(points, Spiral(winding, -2 * winding))
        error = spiral_error_deg(points, spiral)
        assert abs(pitch_angle_deg(spiral.winding) - pitch) < 1.5 * error < 8.0


def test_a_hook_at_an_end_bends_the_spiral_less_than_it_bends_one_line():
    straight, winding = band(20.0), 1 / np.tan(np.radians(20.0))
    end = straight.log_radius > np.log(10.0) + 1.1
    hook = Points(straight.log_radius[end], straight.azimuth[end] + 0.5)
    both = Points(*(np.concatenate([getattr(p, axis) for p in (straight, hook)]) for axis in ("log_radius", "azimuth")))
    rough, fine = (pitch_angle_deg(fit(both, Spiral(winding, 0.7)).winding) for fit in (rough_spiral, fit_spiral))
    assert rough < fine < 20.0


def test_of_an_arm_shorter_than_wide_the_ends_stay():
    blob = Points(*(np.random.default_rng(4).normal([[2.0], [0.5]], 0.1, (2, 500))))
    assert fit_spiral(blob, Spiral(1.0, -1.5)) == rough_spiral(blob, Spiral(1.0, -1.5))


def test_no_error_is_smaller_than_the_waves_of_arms():
    truth = Spiral(1 / np.tan(np.radians(20.0)), 0.7)
    assert WAVES_DEG <= spiral_error_deg(band(20.0, length=3.0), truth) < 1.5 * WAVES_DEG


def test_a_wavy_arm_has_a_larger_error_than_a_straight_one():
    truth = Spiral(1 / np.tan(np.radians(20.0)), 0.7)
    errors = [spiral_error_deg(points, fit_spiral(points, truth)) for points in (band(20.0), band(20.0, waves=0.3))]
    assert errors[1] > 2 * errors[0]


def test_a_spoke_has_a_pitch_angle_of_90_degrees_and_that_of_a_ring_is_unknown():
    turn = np.linspace(-1, 1, 200)
    spoke = fit_spiral(Points(1 + turn, np.full(200, 0.3)), Spiral(0.5, 0.0))
    assert pitch_angle_deg(spoke.winding) == pytest.approx(90.0)
    ring = Points(np.full(200, 2.0), turn)
    assert spiral_error_deg(ring, fit_spiral(ring, Spiral(5.0, -10.0))) == pytest.approx(45.0)


def test_unwound_by_its_own_winding_an_arm_piles_up_at_one_phase():
    points = band(15.0)
    windings = np.array([-1.0, 0.5, 1.0, 1.5]) / np.tan(np.radians(15.0))
    piles = phase_histograms(points, windings)
    assert np.square(piles).sum(axis=1).argmax() == 2
    np.testing.assert_allclose(piles.sum(axis=1), points.radius.sum())


def test_offsets_run_round_the_circle():
    spiral = Spiral(2.0, 0.0)
    np.testing.assert_allclose(
        spiral.offset(Points(np.zeros(3), np.array([0.1, 2 * np.pi - 0.1, 4 * np.pi]))), [0.1, -0.1, 0.0], atol=1e-12
    )
