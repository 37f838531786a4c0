"""Errors of sums of light, against draws of the noise they describe."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy import ndimage

from flaxgal.measure.background import noise_correlation, surface_brightness_limit
from flaxgal.measure.errors import Noise, mask_thresholds, standard_error
from flaxgal.measure.flags import Flag
from flaxgal.measure.flux import measure_cutout


def test_the_error_of_a_weighted_sum_is_its_scatter():
    rng = np.random.default_rng(3)
    weight, variance = rng.normal(size=(12, 12)), rng.uniform(0.5, 2.0, (12, 12))
    sums = []
    for _ in range(4000):
        light = rng.normal(size=(12, 12)) * np.sqrt(variance) + rng.normal(0, 0.3)
        sums.append((weight * light).sum())
    error = standard_error(weight, Noise(pixel=variance, filled=np.zeros((12, 12)), sky_error=0.3))
    assert error == pytest.approx(np.std(sums), rel=0.05)


@pytest.mark.parametrize("width", [0.0, 0.5, 0.7])
def test_correlated_noise_is_noticed_and_its_effect_on_sums_is_right(width):
    """The variance of sums over 16 × 16 pixels ÷ that of independent pixels, after a filter that correlates noise."""
    rng = np.random.default_rng(4)
    images = [ndimage.gaussian_filter(rng.normal(size=(160, 160)), width, mode="wrap") for _ in range(6)]
    found = np.mean([noise_correlation(image, np.ones(image.shape, bool)) for image in images])
    blocks = np.array([image.reshape(10, 16, 10, 16).sum(axis=(1, 3)) for image in images])
    # A block's edge cuts correlated pairs off: 16 / 15 of what is found.
    truth = blocks.var() / 256 / np.var(images)
    assert found == pytest.approx(truth, rel=0.12)
    assert bool(found < 1.05) is (width == 0)


def test_too_little_sky_or_sky_without_noise_tells_of_no_correlation():
    image = ndimage.gaussian_filter(np.random.default_rng(0).normal(size=(64, 64)), 1.0)
    few = np.zeros(image.shape, bool)
    few[:10, :10] = True
    assert noise_correlation(image, few) == 1.0
    assert noise_correlation(np.zeros((64, 64)), np.ones((64, 64), bool)) == 1.0


def test_one_bright_source_in_the_sky_is_not_taken_for_correlated_noise():
    image = np.random.default_rng(0).normal(size=(64, 64))
    image[30:33, 30:33] += 1000.0
    assert noise_correlation(image, np.ones((64, 64), bool)) < 1.1


def test_the_surface_brightness_limit_is_that_of_the_formula():
    """Noise of 3 nJy in pixels of 0.168 arcsec, as in HSC's Wide layer: 3 sigma in 10 × 10 arcsec is 29.6 mag."""
    assert surface_brightness_limit(3.0, 0.168) == pytest.approx(31.4 - 2.5 * np.log10(9.0 / 1.68))
    for unknown in (0.0, -1.0, float("nan")):
        assert np.isnan(surface_brightness_limit(unknown, 0.168))


def test_the_middle_68_percent_of_people_draw_between_16_and_84_percent():
    low, high = mask_thresholds(0.5)
    assert (low, high) == (pytest.approx(0.16, abs=0.001), pytest.approx(0.84, abs=0.001))
    assert mask_thresholds(0.3)[0] < low
    for extreme in (0.0, 1.0):
        assert all(0 <= level <= 1 for level in mask_thresholds(extreme))


def soft(mask: np.ndarray, pixels: float) -> np.ndarray:
    """What people would say who draw a mask wider or narrower: their distances are normal with this sigma."""
    from scipy.special import ndtr

    inside, outside = ndimage.distance_transform_edt(mask), ndimage.distance_transform_edt(~mask)
    return ndtr((np.where(mask, inside - 0.5, 0.5 - outside)) / pixels)


def test_the_masks_own_error_is_the_scatter_between_the_people_it_stands_for(spiral):
    drawn = spiral(2, size=96, scale_length=9.0, signal_to_noise=2000.0)
    probability = soft(drawn.arm_mask, 1.0)
    rng = np.random.default_rng(5)
    ratios = [measure_cutout(drawn.cutout, probability > rng.uniform()).bands["r"].flux_ratio for _ in range(60)]
    band = measure_cutout(drawn.cutout, probability).bands["r"]
    assert band.flux_ratio_mask_error == pytest.approx(np.ptp(np.quantile(ratios, [0.16, 0.84])) / 2, rel=0.3)
    assert band.flux_ratio_error > band.flux_ratio_mask_error > 0


def test_the_masks_own_error_is_half_the_difference_between_the_masks_of_a_range(spiral):
    drawn = spiral(2, size=96, scale_length=9.0, signal_to_noise=2000.0)
    probability = soft(drawn.arm_mask, 1.0)
    of_range = measure_cutout(drawn.cutout, probability, threshold_range=(0.3, 0.9)).bands["r"]
    larger, smaller = (
        np.sum(drawn.cutout.flux[drawn.cutout.bands.index("r")] * (probability > level)) / of_range.total_flux
        for level in (0.3, 0.9)
    )
    assert of_range.flux_ratio_mask_error == pytest.approx((larger - smaller) / 2, rel=0.05)
    usual = measure_cutout(drawn.cutout, probability).bands["r"]
    assert of_range.flux_ratio == usual.flux_ratio
    assert of_range.flux_ratio_mask_error != usual.flux_ratio_mask_error


def test_a_sharper_mask_is_surer_and_a_mask_of_yes_and_no_does_not_say(spiral):
    drawn = spiral(2)
    errors = [
        measure_cutout(drawn.cutout, soft(drawn.arm_mask, width)).bands["r"].flux_ratio_mask_error
        for width in (0.2, 0.6, 1.5)
    ]
    assert errors == sorted(errors)
    assert errors[0] < 0.005
    assert np.isnan(measure_cutout(drawn.cutout, drawn.arm_mask).bands["r"].flux_ratio_mask_error)


def test_a_mask_that_says_little_is_flagged(spiral):
    drawn = spiral(2)
    vague = np.where(drawn.arm_mask, 0.55, 0.3)
    assert Flag.MASK_UNCERTAIN in measure_cutout(drawn.cutout, vague).flags
    assert Flag.MASK_UNCERTAIN not in measure_cutout(drawn.cutout, soft(drawn.arm_mask, 0.3)).flags


def test_edges_as_vague_say_enough_of_much_arm_and_too_little_of_thin_arms(spiral):
    drawn = spiral(2, arm_contrast=3.0)
    broad, thin = (
        measure_cutout(drawn.cutout, soft(mask, 0.6))
        for mask in (drawn.arm_mask, ndimage.binary_erosion(drawn.arm_mask))
    )
    assert broad.bands["r"].flux_ratio_mask_error > 0.1 > thin.bands["r"].flux_ratio_mask_error
    assert Flag.MASK_UNCERTAIN not in broad.flags
    assert Flag.MASK_UNCERTAIN in thin.flags


def test_without_variance_the_masks_own_error_is_still_known_and_the_whole_is_not(spiral):
    drawn = spiral(2)
    row = measure_cutout(dataclasses.replace(drawn.cutout, variance=None), soft(drawn.arm_mask, 1.0))
    assert row.bands["r"].flux_ratio_mask_error > 0
    assert np.isnan(row.bands["r"].flux_ratio_error)
    assert Flag.NO_VARIANCE in row.flags


@pytest.mark.parametrize(("missing", "given"), [(0.01, True), (0.06, False), (0.5, False), (0.9995, False)])
def test_errors_are_not_invented_where_much_of_the_variance_is_missing(spiral, missing, given):
    drawn = spiral(2)
    gaps = np.random.default_rng(0).random(drawn.cutout.variance.shape) < missing
    row = measure_cutout(
        dataclasses.replace(drawn.cutout, variance=np.where(gaps, np.nan, drawn.cutout.variance)), drawn.arm_mask
    )
    whole = measure_cutout(drawn.cutout, drawn.arm_mask)
    assert (Flag.NO_VARIANCE in row.flags) is not given
    for band, light in row.bands.items():
        assert light.flux_ratio == whole.bands[band].flux_ratio
        wanted = whole.bands[band].flux_ratio_error if given else np.nan
        assert light.flux_ratio_error == pytest.approx(wanted, rel=0.05, nan_ok=True)


def test_variance_missing_in_the_sky_alone_takes_no_error_away(spiral):
    drawn = spiral(2, size=96, scale_length=3.0)
    variance = drawn.cutout.variance.copy()
    variance[:, :10] = np.nan
    row = measure_cutout(dataclasses.replace(drawn.cutout, variance=variance), drawn.arm_mask)
    assert Flag.NO_VARIANCE not in row.flags
    assert row.bands["r"].flux_ratio_error > 0
