"""Arms of mock galaxies of HSC's depth and seeing, measured from images and true masks, against the truth."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from flaxgal.config import MockConfig
from flaxgal.measure.flux import measure_cutout
from flaxgal.mock.cutouts import mock_cutouts
from flaxgal.mock.galaxy import drawn, render
from flaxgal.mock.truth import nearest_arm

SPIRALS = MockConfig(image_size=96, class_fractions=(0.0, 0.0, 1.0), max_inclination_deg=60.0)
KEY = jax.random.key(11)


@pytest.fixture(scope="module")
def measured():
    """(mocks, row of each mock that has an arm mask)."""
    mocks = jax.device_get(render(SPIRALS, KEY, 128))
    cutouts = list(mock_cutouts(SPIRALS, mocks))
    return mocks, {k: measure_cutout(cutouts[k], mocks.arm_mask[k]) for k in np.flatnonzero(mocks.arm_mask.any((1, 2)))}


def test_the_chirality_is_right_for_49_of_50_galaxies_that_are_given_one(measured):
    mocks, rows = measured
    given = {k: row.chirality for k, row in rows.items() if row.chirality != "-"}
    right = [way == ("Z" if mocks.chirality[k] > 0 else "S") for k, way in given.items()]
    assert len(given) > 0.75 * len(rows)
    assert np.mean(right) > 0.98


def test_pitch_angles_are_right_to_3_degrees_and_so_are_their_errors(measured):
    mocks, rows = measured
    given = [k for k, row in rows.items() if np.isfinite(row.pitch_angle_deg)]
    off = np.array([rows[k].pitch_angle_deg - mocks.pitch_angle_deg[k] for k in given])
    error = np.array([rows[k].pitch_angle_error_deg for k in given])
    assert np.median(np.abs(off)) < 3.0
    assert abs(np.median(off)) < 1.0
    assert 0.5 < np.mean(np.abs(off) < error) < 0.85


@jax.jit
def nearest_crest(index: jax.Array) -> jax.Array:
    return nearest_arm(SPIRALS, drawn(SPIRALS, KEY, index))


def visible_arms(mask: np.ndarray, nearest: np.ndarray) -> int:
    """Arms with at least 10 pixels and a tenth of the mask."""
    pixels = np.bincount(nearest[mask])
    return int(((pixels >= 10) & (pixels >= 0.1 * mask.sum())).sum())


def test_three_of_four_galaxies_have_as_many_arms_as_the_mask_shows_be_their_winding_decided_or_not(measured):
    mocks, rows = measured
    right = [
        row.number_of_arms == visible_arms(mocks.arm_mask[k], np.asarray(nearest_crest(k))) for k, row in rows.items()
    ]
    assert np.mean(right) > 0.75


def test_inclinations_are_right_to_4_degrees(measured):
    mocks, rows = measured
    inclined = [k for k in rows if mocks.inclination_deg[k] > 30.0]
    off = [rows[k].inclination_deg - mocks.inclination_deg[k] for k in inclined]
    assert np.median(np.abs(off)) < 4.0


def test_without_a_mask_nine_of_ten_chiralities_that_fourier_gives_are_right(measured):
    mocks, rows = measured
    given = {k: row.fourier.chirality for k, row in rows.items() if row.fourier.chirality != "-"}
    assert len(given) > 0.5 * len(rows)
    assert np.mean([way == ("Z" if mocks.chirality[k] > 0 else "S") for k, way in given.items()]) > 0.9
