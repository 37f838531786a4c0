"""Galaxies unrolled: logarithmic spirals become straight lines, whichever way and however large they are."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.ndimage import map_coordinates

from flaxgal.models.log_polar import log_polar as unrolled_with
from flaxgal.models.log_polar import ring_measures, ring_number

ROWS, TURN, OVERLAP, COLUMNS = 24, 64, 16, 80


def log_polar(image, *, rows):
    return unrolled_with(image, rows=rows, azimuths=TURN)


def spiral(pitch_deg: float, chirality: int, *, side: int = 96, start: float = 0.0, zoom: float = 1.0) -> np.ndarray:
    """Two logarithmic arms on a round disc as seen on the sky, first row on top; Z-wise for chirality +1."""
    y, x = np.indices((side, side)) - (side - 1) / 2
    r, azimuth = np.hypot(x, y) / zoom, np.arctan2(-y, x)
    phase = azimuth - start - chirality * np.log(np.maximum(r, 0.5)) / math.tan(math.radians(pitch_deg))
    light = np.exp(-r / 25) * (0.4 + 0.5 * np.cos(2 * phase))
    return light[None, ..., None].astype(np.float32)


def slope_of(unrolled: np.ndarray) -> float:
    """Columns that the pattern moves to the right from one row to the next outer one: phases of its second mode."""
    mode = np.fft.fft(unrolled[0, 6:20, :TURN, -2], axis=1)[:, 2]
    steps = np.angle(mode[1:] / mode[:-1])
    return float(np.median(-steps / 2) * TURN / (2 * np.pi))


@pytest.mark.parametrize("pitch_deg", [12.0, 20.0, 35.0])
@pytest.mark.parametrize("chirality", [1, -1])
def test_the_slope_is_the_cotangent_of_the_pitch_angle_and_its_sign_the_chirality(pitch_deg, chirality):
    found = slope_of(np.asarray(log_polar(jnp.asarray(spiral(pitch_deg, chirality)), rows=ROWS)))
    assert found == pytest.approx(chirality / math.tan(math.radians(pitch_deg)), rel=0.08)


def test_turning_a_galaxy_moves_the_picture_sideways():
    still, turned = (
        log_polar(jnp.asarray(spiral(20.0, 1, start=angle)), rows=ROWS) for angle in (0.0, 8 * 2 * np.pi / TURN)
    )
    expected = np.roll(np.asarray(still)[:, :, :TURN], 8, axis=2)
    inner = np.s_[:, 4:20]
    assert np.abs(np.asarray(turned)[:, :, :TURN] - expected)[inner].max() < 0.15
    assert np.abs(np.asarray(turned) - np.asarray(still))[inner].max() > 0.5


def test_a_mirror_image_of_the_sky_is_a_mirror_image_here():
    image = np.random.default_rng(0).random((2, 64, 64, 3), np.float32)
    mirrored = np.asarray(log_polar(jnp.asarray(image[:, :, ::-1]), rows=ROWS))[:, :, :TURN]
    whole = np.asarray(log_polar(jnp.asarray(image), rows=ROWS))[:, :, :TURN]
    # Azimuth a becomes half a turn less a.
    back = whole[:, :, (TURN // 2 - np.arange(TURN)) % TURN]
    np.testing.assert_allclose(mirrored, back, atol=2e-5)


def test_light_is_interpolated_as_scipy_does():
    image = np.random.default_rng(1).random((1, 50, 64, 2), np.float32)
    radius = 24 * np.exp((np.arange(ROWS) - (ROWS - 1)) * 2 * np.pi / TURN)
    azimuth = np.arange(TURN) * 2 * np.pi / TURN
    y, x = 24.5 - radius[:, None] * np.sin(azimuth), 31.5 + radius[:, None] * np.cos(azimuth)
    found = np.asarray(log_polar(jnp.asarray(image), rows=ROWS))[0, :, :TURN, :2] / 2
    for band in range(2):
        np.testing.assert_allclose(found[..., band], map_coordinates(image[0, ..., band], [y, x], order=1), atol=1e-5)


def test_the_turn_goes_on_where_it_ends():
    whole = np.asarray(log_polar(jnp.asarray(spiral(20.0, 1)), rows=ROWS))
    assert whole.shape == (1, ROWS, COLUMNS, 3)
    np.testing.assert_array_equal(whole[:, :, TURN:], whole[:, :, :OVERLAP])


def test_a_finer_view_shows_the_same_galaxy_between_the_places_of_a_coarser_one():
    image = jnp.asarray(spiral(20.0, 1))
    coarse = np.asarray(unrolled_with(image, rows=24, azimuths=64))
    fine = np.asarray(unrolled_with(image, rows=47, azimuths=128))
    assert fine.shape == (1, 47, 160, 3)
    np.testing.assert_allclose(fine[:, ::2, ::2, :2], coarse[..., :2], atol=0.02)


@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (64, 48)])
def test_black_pictures_and_tiny_ones_give_numbers_and_gradients(shape):
    image = jnp.zeros((1, *shape, 1))
    assert np.isfinite(np.asarray(log_polar(image, rows=ROWS))).all()
    assert np.isfinite(np.asarray(jax.grad(lambda x: log_polar(x, rows=ROWS).sum())(image))).all()


def test_measures_of_rings_stay_when_a_galaxy_is_turned_or_mirrored_and_change_with_its_profile():
    image = jnp.asarray(np.random.default_rng(2).random((2, 64, 64, 3), np.float32))
    round_disc = np.hypot(*(np.indices((64, 64)) - 31.5))[None, ..., None]
    found, turned, mirrored = (
        np.asarray(ring_measures(log_polar(jnp.asarray(one), rows=40)))
        for one in (image, jnp.rot90(image, axes=(1, 2)), image[:, :, ::-1])
    )
    assert found.shape == (2, ring_number(40, 5))
    np.testing.assert_allclose(turned, found, atol=2e-3)
    np.testing.assert_allclose(mirrored, found, atol=2e-3)
    steep, flat = (np.asarray(ring_measures(log_polar(jnp.asarray(np.exp(-round_disc / r)), rows=40))) for r in (4, 9))
    assert np.abs(steep - flat).max() > 1


def test_measures_of_rings_are_the_mean_its_steps_the_scatter_and_the_fourier_amplitudes():
    unrolled = np.random.default_rng(3).random((1, 3, COLUMNS, 2), np.float32)
    ring = unrolled[0, :, :TURN].astype(float)
    mean, amplitude = ring.mean(1), np.abs(np.fft.fft(ring, axis=1))[:, 1:5] / TURN
    uneven = [ring.var(1), *(amplitude[:, order] ** 2 for order in range(4))]
    typical = (-1.85, -2.6, -3.7, -4.4, -4.5)
    logs = [np.log(one + 0.005**2) / 2 - usual for one, usual in zip(uneven, typical, strict=True)]
    expected = np.concatenate([part.ravel() for part in (mean - 0.6, 10 * np.diff(mean, axis=0), *logs)])
    np.testing.assert_allclose(np.asarray(ring_measures(jnp.asarray(unrolled)))[0], expected, atol=2e-3)
