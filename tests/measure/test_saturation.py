"""Cores cut off at one number, without a mask plane that says so, and tops that only look alike."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from flaxgal.measure.flags import Flag
from flaxgal.measure.flux import measure_cutout
from flaxgal.measure.saturation import is_clipped


def core(height: float, *, width: float = 3.0, size: int = 41, offset: float = 0.0) -> np.ndarray:
    y, x = np.indices((size, size)) - (size - 1) / 2 - offset
    return height * np.exp(-0.5 * (y**2 + x**2) / width**2)


EVERYWHERE = np.ones((41, 41), bool)


@pytest.mark.parametrize("share", [0.5, 0.8])
@pytest.mark.parametrize("rounded", [False, True])
def test_a_core_cut_off_at_one_number_is_noticed(share, rounded):
    light = core(60000.0) + np.random.default_rng(0).normal(0, 5, (41, 41))
    light = np.minimum(np.rint(light) if rounded else light, share * 60000)
    assert is_clipped(light, EVERYWHERE)


@pytest.mark.parametrize("offset", [0.0, 0.3, 0.5])
@pytest.mark.parametrize("width", [1.0, 3.0, 9.0])
def test_a_smooth_top_without_noise_is_no_cut(offset, width):
    """At 0.5 the top lies at the corner of four pixels, which are equal."""
    assert not is_clipped(core(1000.0, width=width, offset=offset), EVERYWHERE)


@pytest.mark.parametrize("height", [2, 5, 12, 40, 120, 250])
@pytest.mark.parametrize("noise", [0.0, 0.5, 2.0])
def test_a_top_rounded_to_whole_numbers_is_no_cut(height, noise):
    for seed in range(20):
        light = core(height, width=5.0) + np.random.default_rng(seed).normal(0, noise, (41, 41))
        assert not is_clipped(np.rint(light), EVERYWHERE)


def test_in_a_picture_only_white_is_a_cut():
    light = np.minimum(np.rint(core(400.0)), 255)
    assert is_clipped(light, EVERYWHERE, picture=True)
    assert not is_clipped(np.minimum(light, 200), EVERYWHERE, picture=True)
    assert not is_clipped(np.rint(core(254.0, width=8.0)), EVERYWHERE, picture=True)


@pytest.mark.parametrize("width", [9.0, 25.0, 60.0, 100.0])
@pytest.mark.parametrize("axis_ratio", [0.15, 0.4, 1.0])
def test_a_picture_scaled_to_white_is_no_cut_however_flat_its_top(width, axis_ratio):
    y, x = np.indices((121, 121)) - 60.3
    top = np.exp(-0.5 * (x**2 + (y / axis_ratio) ** 2) / width**2)
    for height in (254.6, 255.0, 255.3):
        picture = np.rint(height * top).clip(0, 255)
        assert not is_clipped(picture, np.ones(picture.shape, bool), picture=True)


def test_a_flat_white_core_is_a_cut_though_it_falls_off_by_few_levels():
    """A Gaussian must be four times as wide to have as wide a top by rounding alone."""
    picture = np.rint(core(262.0, width=15.0)).clip(0, 255)
    assert (picture == 255).sum() > 30
    assert 255 - picture[(picture < 255) & (picture > 245)].max() <= 2
    assert is_clipped(picture, EVERYWHERE, picture=True)


def test_equal_peaks_in_different_places_are_no_cut():
    light = core(60000.0, width=1.0) + np.random.default_rng(0).normal(0, 5, (41, 41))
    light[[8, 8, 30, 30, 30, 20], [5, 6, 30, 31, 32, 20]] = 70000.0
    assert not is_clipped(light, EVERYWHERE)


def test_a_cut_core_is_noticed_beside_missing_pixels_and_one_that_is_nearly_as_bright():
    light = np.minimum(core(60000.0) + np.random.default_rng(0).normal(0, 5, (41, 41)), 48000.0)
    light[:, 5] = np.nan
    light[20, int(np.flatnonzero(light[20] == 48000).max()) + 1] = 47999.999
    assert is_clipped(light, EVERYWHERE)


@pytest.mark.parametrize("half", [2, 6, 12, 40])
def test_a_core_that_is_saturated_is_said_so_however_much_of_the_galaxy_it_hides(spiral, half):
    drawn = spiral(3, size=80)
    saturated = np.zeros(drawn.cutout.flux.shape, bool)
    saturated[:, 40 - half : 40 + half, 40 - half : 40 + half] = True
    row = measure_cutout(dataclasses.replace(drawn.cutout, mask_planes={"SAT": saturated}), drawn.arm_mask)
    assert Flag.SATURATED in row.flags
    assert all(np.isnan(light.flux_ratio) for light in row.bands.values())


@pytest.mark.parametrize("image", [np.zeros((41, 41)), np.full((41, 41), np.nan), np.full((41, 41), 7.0)])
def test_an_image_of_one_number_or_none_has_no_core_to_cut(image):
    assert not is_clipped(image, EVERYWHERE)
    assert not is_clipped(core(9.0), ~EVERYWHERE)


def test_a_galaxy_with_a_core_cut_off_in_one_band_is_flagged_without_a_mask_plane(spiral):
    drawn = spiral(6, size=80)
    flux = drawn.cutout.flux.copy()
    flux[1] = np.minimum(flux[1], np.sort(flux[1].ravel())[-12])
    clipped = dataclasses.replace(drawn.cutout, flux=flux)
    assert Flag.SATURATED in measure_cutout(clipped, drawn.arm_mask).flags
    assert Flag.SATURATED not in measure_cutout(drawn.cutout, drawn.arm_mask).flags


def test_a_star_cut_off_beside_the_galaxy_does_not_flag_the_galaxy(spiral):
    drawn = spiral(6, size=80)
    y, x = np.indices((80, 80)) - 8.0
    star = np.minimum(
        50 * drawn.cutout.flux.max() * np.exp(-0.5 * (y**2 + x**2) / 1.5**2), 10 * drawn.cutout.flux.max()
    )
    beside = dataclasses.replace(drawn.cutout, flux=np.where(star > 100, star, drawn.cutout.flux).astype(np.float32))
    assert Flag.SATURATED not in measure_cutout(beside, drawn.arm_mask).flags
