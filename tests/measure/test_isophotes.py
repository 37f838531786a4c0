"""The shape of discs from their isophotes, against discs whose shape is a formula."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from flaxgal.measure import isophotes
from flaxgal.measure.flux import measure_cutout
from flaxgal.measure.geometry import Ellipse, disc_plane, image_plane, inclination_deg
from flaxgal.measure.isophotes import isophote_ellipse, psf_fwhm_pixels


def disc(truth: Ellipse, *, size: int = 96, scale: float = 9.0, noise: float = 1.0, seed: int = 0) -> np.ndarray:
    """An exponential disc in units of its noise."""
    radius, _ = disc_plane(truth, *(axis.astype(float) for axis in np.indices((size, size))))
    return 150 * np.exp(-radius / scale) + noise * np.random.default_rng(seed).normal(size=(size, size))


def fitted(light: np.ndarray, **choices) -> Ellipse:
    """The isophotes' ellipse of light that was detected where it stands out, from a peak that is a pixel off."""
    middle = (light.shape[0] - 1) / 2
    member = ndimage.gaussian_filter(light, 1.5) > 2.0
    return isophote_ellipse(light, member, np.ones(light.shape, bool), (middle + 1.0, middle - 0.5), **choices)


@pytest.mark.parametrize("axis_ratio", [0.4, 0.6, 0.85])
@pytest.mark.parametrize("angle", [0.0, 37.0, 120.0])
def test_centre_axis_ratio_and_position_angle_of_a_disc_are_found(axis_ratio, angle):
    found = fitted(disc(Ellipse((47.3, 48.1), axis_ratio, angle)))
    assert found.centre == pytest.approx((47.3, 48.1), abs=0.15)
    assert found.axis_ratio == pytest.approx(axis_ratio, abs=0.02)
    off = (found.position_angle_deg - angle + 90.0) % 180.0 - 90.0
    assert abs(off) < 3.0
    assert abs(off) < 3 * found.position_angle_error_deg
    assert 0.02 < found.axis_ratio_error < 0.1


def test_arms_that_are_left_out_do_not_bend_the_disc():
    truth = Ellipse((47.5, 47.5), 0.8, 30.0)
    light = disc(truth)
    radius, azimuth = disc_plane(truth, *(axis.astype(float) for axis in np.indices(light.shape)))
    arms = (np.cos(2 * (azimuth - 2.0 * np.log(radius + 0.1))) > 0.6) & (radius > 12) & (radius < 34)
    bright = light + 1.2 * arms * (light + 3.0)
    blind, told = fitted(bright), fitted(bright, arm_mask=arms)
    assert abs(told.axis_ratio - 0.8) < 0.02 < abs(blind.axis_ratio - 0.8)


def test_a_mask_that_leaves_no_disc_is_left_in_and_the_shape_has_errors_still():
    light = disc(Ellipse((47.5, 47.5), 0.6, 70.0))
    everything = np.ones(light.shape, bool)
    assert fitted(light, arm_mask=everything) == fitted(light)
    assert fitted(light).axis_ratio_error > 0


def test_seeing_makes_an_inclined_disc_rounder_and_is_taken_off():
    truth = Ellipse((47.5, 47.5), 0.4, 60.0)
    sharp = disc(truth, noise=0.0)
    blurred = ndimage.gaussian_filter(sharp, 2.5) + np.random.default_rng(1).normal(size=sharp.shape)
    raw, corrected = fitted(blurred), fitted(blurred, seeing_fwhm_pixels=2.5 * 2.3548)
    assert raw.axis_ratio > 0.42
    assert abs(corrected.axis_ratio - 0.4) < 0.5 * abs(raw.axis_ratio - 0.4)


STRIPES = {
    "rows": (slice(52, 56), slice(None)),
    "columns": (slice(None), slice(30, 35)),
    "through the centre": (slice(46, 50), slice(None)),
    "every eighth row": (slice(3, None, 8), slice(None)),
}


@pytest.mark.parametrize("name", STRIPES)
def test_stripes_without_light_do_not_move_or_bend_the_disc(name):
    truth = Ellipse((47.3, 48.1), 0.6, 37.0)
    light = disc(truth)
    member, good = ndimage.gaussian_filter(light, 1.5) > 2.0, np.ones(light.shape, bool)
    light[STRIPES[name]], good[STRIPES[name]], member[STRIPES[name]] = np.nan, False, False
    found = isophote_ellipse(light, member, good, (46.0, 47.5))
    assert found.centre == pytest.approx(truth.centre, abs=0.3)
    assert found.axis_ratio == pytest.approx(0.6, abs=0.03)
    assert abs(found.position_angle_deg - 37.0) < max(3.0, 3 * found.position_angle_error_deg)
    assert 0.02 < found.axis_ratio_error < 0.1


@pytest.mark.parametrize("name", STRIPES)
def test_stripes_of_nan_in_a_cutout_leave_its_shape_and_its_arms(spiral, name):
    drawn = spiral(1, size=96, scale_length=9.0)
    flux = drawn.cutout.flux.copy()
    flux[(slice(None), *STRIPES[name])] = np.nan
    whole = measure_cutout(drawn.cutout, drawn.arm_mask)
    striped = measure_cutout(replace(drawn.cutout, flux=flux), drawn.arm_mask)
    assert (striped.centre_y, striped.centre_x) == pytest.approx((whole.centre_y, whole.centre_x), abs=0.5)
    assert striped.axis_ratio == pytest.approx(whole.axis_ratio, abs=0.05)
    assert (striped.number_of_arms, striped.chirality) == (whole.number_of_arms, whole.chirality) == (2, "Z")


@pytest.mark.parametrize("name", ["nothing", "one pixel", "negative", "no good pixel"])
def test_where_there_is_no_disc_the_moments_answer_and_all_is_finite(name):
    light, member = np.zeros((32, 32)), np.zeros((32, 32), bool)
    good = np.ones((32, 32), bool)
    if name == "one pixel":
        light[16, 16], member[16, 16] = 50.0, True
    if name == "negative":
        light -= 3.0
        member[10:20, 10:20] = True
    if name == "no good pixel":
        good[:] = False
    found = isophote_ellipse(light, member, good, (16.0, 16.0))
    assert found.centre == (16.0, 16.0)
    assert 0.15 <= found.axis_ratio <= 1.0
    assert np.isfinite([found.axis_ratio, found.position_angle_deg, found.axis_ratio_error]).all()


def test_inclinations_of_known_axis_ratios():
    assert inclination_deg(1.0) == 0.0
    assert inclination_deg(0.2) == inclination_deg(0.1) == 90.0
    assert inclination_deg(np.sqrt(0.04 + 0.96 * 0.25)) == pytest.approx(60.0)


def test_image_plane_is_the_inverse_of_disc_plane():
    ellipse = Ellipse((11.0, 7.0), 0.35, 77.0)
    rng = np.random.default_rng(3)
    y, x = rng.uniform(0, 20, (2, 50))
    np.testing.assert_allclose(image_plane(ellipse, *disc_plane(ellipse, y, x)), (y, x), atol=1e-9)


def test_the_width_of_a_point_spread_function_is_that_of_its_half_maximum():
    y, x = np.indices((41, 41)) - 20
    star = np.exp(-0.5 * (y**2 + x**2) / 3.0**2)
    assert psf_fwhm_pixels({"g": star, "r": star}) == pytest.approx(3.0 * 2.3548, rel=0.05)
    assert psf_fwhm_pixels({}) == 0.0


def test_light_between_rings_is_the_very_number_that_numpy_interpolates():
    rng = np.random.default_rng(4)
    radius, one, other = rng.uniform(0, 40.4, 3000), rng.normal(size=40), rng.normal(size=40)
    radius[:40] = np.arange(40)
    found = isophotes._between_rings(radius, one, other)
    assert np.array_equal(found, [np.interp(radius, np.arange(40), profile) for profile in (one, other)])
