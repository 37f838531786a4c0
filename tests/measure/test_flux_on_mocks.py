"""The issue's own yardstick: flux ratios of mock galaxies with the true mask."""

from __future__ import annotations

import dataclasses

import jax
import numpy as np
import pytest

from flaxgal.config import MockConfig
from flaxgal.measure.disc_light import interarm_region, interarm_weights
from flaxgal.measure.flux import measure_cutout
from flaxgal.measure.geometry import Ellipse, elliptical_radius
from flaxgal.mock.cutouts import mock_cutouts
from flaxgal.mock.galaxy import render, see
from flaxgal.mock.population import Galaxy, draw_galaxy


@pytest.mark.long
@pytest.mark.parametrize(("size", "number"), [(64, 400), (128, 110)])
def test_with_the_true_mask_the_ratio_of_mocks_has_little_bias_little_scatter_and_fair_errors(size, number):
    """About 290 and 80 mocks with arms in three bands, neighbours and stars among them, at the default depth."""
    config = MockConfig(image_size=size)
    mocks = render(config, jax.random.key(2024), number)
    masks, truth = np.asarray(mocks.arm_mask), np.asarray(mocks.flux_ratio)
    measured, errors, wanted = [], [], []
    for galaxy, cutout in enumerate(mock_cutouts(config, mocks)):
        if masks[galaxy].any():
            row = measure_cutout(cutout, masks[galaxy])
            measured.append([band.flux_ratio for band in row.bands.values()])
            errors.append([band.flux_ratio_error for band in row.bands.values()])
            wanted.append(truth[galaxy])
    difference, errors = np.array(measured) - np.array(wanted), np.array(errors)
    assert abs(np.median(difference)) < 0.003
    assert difference.std() < 0.015
    assert 0.60 < (np.abs(difference) < errors).mean() < 0.76
    # Not the 0.95 of a Gaussian: 0.83 was found at 128 pixels. Unseen neighbours and light outside make tails.
    assert (np.abs(difference) < 2 * errors).mean() > 0.80


@pytest.mark.long
@pytest.mark.parametrize(("size", "number"), [(64, 300), (128, 140)])
def test_bulges_of_mock_spirals_follow_the_truth_and_between_55_and_80_percent_lie_within_their_errors(size, number):
    """Wider than for ratios: the error is one share of the total for all, and 220 and 100 spirals leave 3 to 5 %."""
    config = MockConfig(image_size=size)
    mocks = render(config, jax.random.key(2025), number)
    masks = np.asarray(mocks.arm_mask)
    share = np.asarray(mocks.bulge_share)[:, None] * (1 - np.asarray(mocks.arm_excess_flux / mocks.total_flux))
    off, errors, wanted = [], [], []
    for galaxy, cutout in enumerate(mock_cutouts(config, mocks)):
        light = measure_cutout(cutout, masks[galaxy]).bands["r"] if masks[galaxy].any() else None
        if light is not None and np.isfinite(light.bulge_flux_error):
            wanted.append(share[galaxy, config.bands.index("r")])
            off.append(light.bulge_flux / light.total_flux - wanted[-1])
            errors.append(light.bulge_flux_error / light.total_flux)
    off, errors = np.array(off), np.array(errors)
    assert np.corrcoef(off + wanted, wanted)[0, 1] > 0.7
    assert abs(np.median(off)) < 0.045
    assert off.std() < 0.08
    assert 0.55 < (np.abs(off) < errors).mean() < 0.80


def against_the_disc(light: np.ndarray, arm: np.ndarray, galaxy: Galaxy) -> np.ndarray:
    """Contrast and excess ÷ total of an image without noise, on rings of the shape that the galaxy was drawn with."""
    middle = (np.array(arm.shape) - 1) / 2
    centre = (float(middle[0] + galaxy.offset_y), float(middle[1] + galaxy.offset_x))
    shape = Ellipse(centre, float(galaxy.disc.axis_ratio), float(np.degrees(galaxy.disc.angle)))
    ring = np.rint(elliptical_radius(shape, arm.shape)).astype(int)
    clear = interarm_region(arm, np.ones(arm.shape, bool))
    weights = interarm_weights(arm, clear, ring)
    if weights is None:
        return np.full(2, np.nan)
    below = float(weights @ np.bincount(ring[clear], light[clear], minlength=weights.size))
    return np.array([light[arm].sum() / below, (light[arm].sum() - below) / light.sum()])


@pytest.mark.long
@pytest.mark.parametrize(("size", "number"), [(64, 260), (128, 100)])
def test_between_60_and_76_percent_of_contrasts_and_excesses_of_mocks_lie_within_their_errors(size, number):
    config = MockConfig(image_size=size)
    keys = jax.random.split(jax.random.key(19), number)
    galaxies = jax.vmap(lambda key: draw_galaxy(config, key))(keys)
    alone = dataclasses.replace(
        galaxies,
        signal_to_noise=1e5 + 0 * galaxies.signal_to_noise,
        neighbours=dataclasses.replace(galaxies.neighbours, share=0 * galaxies.neighbours.share),
    )
    look = jax.jit(jax.vmap(lambda galaxy, key: see(config, galaxy, key)))
    mocks, clean = look(galaxies, keys), jax.device_get(look(alone, keys))
    masks = np.asarray(mocks.arm_mask)
    hits = []
    for number, cutout in enumerate(mock_cutouts(config, mocks)):
        if not masks[number].any():
            continue
        galaxy = jax.tree.map(lambda leaf, number=number: np.asarray(leaf[number]), galaxies)
        for band, light in zip(measure_cutout(cutout, masks[number]).bands.values(), clean.flux[number], strict=True):
            found = np.array([band.arm_contrast, band.arm_excess_ratio])
            off = np.abs(found - against_the_disc(light, masks[number], galaxy))
            hits.append(off / [band.arm_contrast_error, band.arm_excess_ratio_error])
    off = np.array(hits)
    off = off[np.isfinite(off).all(axis=1)]
    assert len(off) > 200
    assert ((off < 1).mean(axis=0) > 0.60).all()
    assert ((off < 1).mean(axis=0) < 0.76).all()
    assert ((off < 2).mean(axis=0) > 0.80).all()
