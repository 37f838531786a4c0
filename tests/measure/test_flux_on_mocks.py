"""The issue's own yardstick: flux ratios of mock galaxies with the true mask."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from flaxgal.config import MockConfig
from flaxgal.measure.disc_light import interarm_region, interarm_weights
from flaxgal.measure.flux import measure_cutout
from flaxgal.measure.geometry import Ellipse, elliptical_radius
from flaxgal.measure.record import Measurement
from flaxgal.mock.cutouts import mock_cutouts
from flaxgal.mock.galaxy import Mocks, drawn, render, see
from flaxgal.mock.population import Galaxy

KEY = jax.random.key(2024)


@dataclass(frozen=True)
class Measured:
    """Mocks, and the rows of those that have arms, with the true mask, by their numbers."""

    config: MockConfig
    mocks: Mocks
    rows: dict[int, Measurement]


@pytest.fixture(scope="module", params=[(64, 400), (128, 140)], ids=lambda of: f"{of[1]} mocks of {of[0]} pixels")
def measured(request: pytest.FixtureRequest) -> Measured:
    """About 290 and 100 mocks with arms in three bands, neighbours and stars among them, at the default depth."""
    size, number = request.param
    config = MockConfig(image_size=size)
    mocks = render(config, KEY, number)
    masks = np.asarray(mocks.arm_mask)
    cutouts = enumerate(mock_cutouts(config, mocks))
    rows = {galaxy: measure_cutout(cutout, masks[galaxy]) for galaxy, cutout in cutouts if masks[galaxy].any()}
    return Measured(config, mocks, rows)


@pytest.mark.long
def test_with_the_true_mask_the_ratio_of_mocks_has_little_bias_little_scatter_and_fair_errors(measured):
    ratios = np.array([[band.flux_ratio for band in row.bands.values()] for row in measured.rows.values()])
    errors = np.array([[band.flux_ratio_error for band in row.bands.values()] for row in measured.rows.values()])
    difference = ratios - np.asarray(measured.mocks.flux_ratio)[list(measured.rows)]
    assert abs(np.median(difference)) < 0.003
    assert difference.std() < 0.015
    assert 0.60 < (np.abs(difference) < errors).mean() < 0.76
    # Not the 0.95 of a Gaussian: 0.83 was found at 128 pixels. Unseen neighbours and light outside make tails.
    assert (np.abs(difference) < 2 * errors).mean() > 0.80


@pytest.mark.long
def test_bulges_of_mock_spirals_follow_the_truth_and_between_55_and_80_percent_lie_within_their_errors(measured):
    """Wider than for ratios: the error is one share of the total for all, and 290 and 100 spirals leave 3 to 5 %."""
    mocks, band = measured.mocks, measured.config.bands.index("r")
    share = np.asarray(mocks.bulge_share)[:, None] * (1 - np.asarray(mocks.arm_excess_flux / mocks.total_flux))
    off, errors, wanted = [], [], []
    for galaxy, row in measured.rows.items():
        light = row.bands["r"]
        if np.isfinite(light.bulge_flux_error):
            wanted.append(share[galaxy, band])
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
def test_between_60_and_76_percent_of_contrasts_and_excesses_of_mocks_lie_within_their_errors(measured):
    config, masks = measured.config, np.asarray(measured.mocks.arm_mask)
    galaxies = jax.vmap(lambda index: drawn(config, KEY, index))(jnp.arange(len(masks)))
    alone = dataclasses.replace(
        galaxies,
        signal_to_noise=1e5 + 0 * galaxies.signal_to_noise,
        neighbours=dataclasses.replace(galaxies.neighbours, share=0 * galaxies.neighbours.share),
    )
    clean = jax.device_get(jax.jit(jax.vmap(lambda galaxy: see(config, galaxy, KEY)))(alone))
    hits = []
    for number, row in measured.rows.items():
        galaxy = jax.tree.map(lambda leaf, number=number: np.asarray(leaf[number]), galaxies)
        for band, light in zip(row.bands.values(), clean.flux[number], strict=True):
            found = np.array([band.arm_contrast, band.arm_excess_ratio])
            off = np.abs(found - against_the_disc(light, masks[number], galaxy))
            hits.append(off / [band.arm_contrast_error, band.arm_excess_ratio_error])
    off = np.array(hits)
    off = off[np.isfinite(off).all(axis=1)]
    assert len(off) > 200
    assert ((off < 1).mean(axis=0) > 0.60).all()
    assert ((off < 1).mean(axis=0) < 0.76).all()
    assert ((off < 2).mean(axis=0) > 0.80).all()
