"""Cores cut off at one number and dead patches, without a mask plane that says so, and what only looks alike."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from flaxgal.measure.background import pixel_noise
from flaxgal.measure.flags import Flag
from flaxgal.measure.flux import measure_cutout
from flaxgal.measure.saturation import dead_pixels, is_clipped


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


def with_patch(image: np.ndarray, at: tuple[float, float], radius: float = 3.0, number: float = 0.0) -> np.ndarray:
    y, x = np.indices(image.shape[-2:])
    return np.where(np.hypot(y - at[0], x - at[1]) < radius, number, image).astype(image.dtype)


@pytest.mark.parametrize("number", [0.0, -999.0])
@pytest.mark.parametrize("rounded", [False, True])
def test_a_dead_patch_in_a_galaxy_is_noticed_pixel_for_pixel(rounded, number):
    light = core(60000.0, width=8.0) + np.random.default_rng(0).normal(0, 50, (41, 41))
    whole = np.rint(light) if rounded else light
    light = with_patch(whole, (22, 17), number=number)
    found = dead_pixels(light, EVERYWHERE, 50.0)
    assert np.array_equal(found, light != whole)
    assert not dead_pixels(whole, EVERYWHERE, 50.0).any()


@pytest.mark.parametrize("counts", [0.3, 1.0, 3.0, 10.0])
def test_no_pixel_of_a_spiral_in_whole_counts_is_dead(spiral, counts):
    """`counts` are those of the noise of a pixel."""
    for seed in range(10):
        for image in spiral(seed, neighbours=seed % 3, stars=seed % 2).cutout.flux.astype(float):
            noise = pixel_noise(image, np.ones(image.shape, bool))
            whole = np.rint(1000 + counts * image / noise)
            assert not dead_pixels(
                whole, np.ones(image.shape, bool), pixel_noise(whole, np.ones(image.shape, bool))
            ).any()


@pytest.mark.parametrize("levels", [20, 100, 1000])
def test_hollows_between_arms_drawn_without_noise_are_not_dead(spiral, levels):
    for seed in range(5):
        for image in spiral(seed, signal_to_noise=None, neighbours=2).cutout.flux.astype(float):
            assert not dead_pixels(np.rint(levels * image / image.max()), np.ones(image.shape, bool), 0.0).any()


@pytest.mark.parametrize("image", [np.zeros((41, 41)), np.full((41, 41), np.nan), np.zeros((1, 9)), np.ones((2, 2))])
def test_an_image_of_one_number_or_none_has_no_dead_pixels(image):
    assert not dead_pixels(image, np.isfinite(image), 0.0).any()


def test_the_sky_within_a_frame_of_missing_pixels_is_not_dead():
    light = np.rint(core(60.0, width=4.0))
    light[:3], light[-3:], light[:, :3], light[:, -3:] = (np.nan,) * 4
    assert not dead_pixels(light, np.isfinite(light), 0.0).any()


def test_a_band_with_a_dead_core_has_no_numbers_and_a_flag(spiral):
    """Taken for light, its zeros gave 0.205 ± 0.0075 for a ratio of 0.166."""
    drawn = spiral(0, size=80)
    flux = drawn.cutout.flux.copy()
    flux[1] = with_patch(flux[1], (39.5, 39.5))
    row = measure_cutout(dataclasses.replace(drawn.cutout, flux=flux), drawn.arm_mask)
    assert Flag.MISSING_BAND in row.flags
    assert [np.isnan(light.flux_ratio) for light in row.bands.values()] == [False, True, False]


def test_a_dead_patch_beside_the_core_is_filled_in(spiral):
    drawn = spiral(0, size=80, scale_length=4.0, signal_to_noise=500.0)
    dead = dataclasses.replace(drawn.cutout, flux=with_patch(drawn.cutout.flux, (36, 46), radius=4.5))
    row, whole = (measure_cutout(cutout, drawn.arm_mask) for cutout in (dead, drawn.cutout))
    assert Flag.MISSING_PIXELS in row.flags
    for band, light in row.bands.items():
        assert light.flux_ratio == pytest.approx(whole.bands[band].flux_ratio, abs=0.006)
        assert light.flux_ratio_error > whole.bands[band].flux_ratio_error
