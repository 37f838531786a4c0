"""The issue's own yardstick: flux ratios of mock galaxies with the true mask."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from flaxgal.config import MockConfig
from flaxgal.measure.flux import measure_cutout
from flaxgal.mock.galaxy import render
from flaxgal.survey.cutout import Cutout


@pytest.mark.long
def test_with_the_true_mask_the_ratio_of_mocks_has_little_bias_little_scatter_and_fair_errors():
    """125 mocks (about 95 with arms), three bands, neighbours and stars among them, at the default depth."""
    config = MockConfig()
    mocks = render(config, jax.random.key(2024), 125)
    flux, variance, masks = (np.asarray(array) for array in (mocks.flux, mocks.variance, mocks.arm_mask))
    truth = np.asarray(mocks.flux_ratio)
    armed = masks.any(axis=(1, 2))
    measured, errors = [], []
    for number in np.flatnonzero(armed):
        cutout = Cutout(
            object_id=f"mock-{number}", flux=flux[number], variance=variance[number], bands=config.bands, unit="nJy"
        )
        row = measure_cutout(cutout, masks[number])
        measured.append([band.flux_ratio for band in row.bands.values()])
        errors.append([band.flux_ratio_error for band in row.bands.values()])
    difference = np.array(measured) - truth[armed]
    assert abs(np.median(difference)) < 0.005
    assert difference.std() < 0.03
    assert 0.5 < (np.abs(difference) < np.array(errors)).mean() < 0.8
