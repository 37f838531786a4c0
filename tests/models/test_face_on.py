"""Tilted galaxies made round and centred: the truth is the round galaxy that was tilted."""

import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from flaxgal.config import ClassifierConfig
from flaxgal.models.classifier import Classifier
from flaxgal.models.face_on import face_on, outline

SIDE = 96


def disc(axis_ratio=1.0, angle_deg=0.0, offset=(0.0, 0.0), *, arms=0.0, side=SIDE, sky=0.0):
    """An exponential disc, its area kept when it is tilted; with two arms that are round as the disc is."""
    y, x = np.indices((side, side)) - (side - 1) / 2
    dy, dx = y - offset[0], x - offset[1]
    angle = math.radians(angle_deg)
    along, across = dx * math.cos(angle) + dy * math.sin(angle), dy * math.cos(angle) - dx * math.sin(angle)
    along, across = along * math.sqrt(axis_ratio), across / math.sqrt(axis_ratio)
    radius = np.hypot(along, across)
    phase = 2 * (np.arctan2(across, along) + math.radians(angle_deg)) - 5 * np.log(np.maximum(radius, 1.0))
    light = sky + 0.9 * np.exp(-radius / 8) * (1 + arms * np.cos(phase) * np.clip(radius / 4, 0, 1))
    return jnp.asarray(light[None, ..., None], jnp.float32)


def inner(image):
    """The disc without its nucleus, whose cusp no interpolation keeps, and without the corners."""
    y, x = np.indices((SIDE, SIDE)) - (SIDE - 1) / 2
    radius = np.hypot(y, x)
    return np.asarray(image)[0, (radius > 4) & (radius < 30), 0]


@pytest.mark.parametrize("axis_ratio", [0.9, 0.6, 0.35])
@pytest.mark.parametrize("angle_deg", [0.0, 25.0, 90.0, 140.0])
def test_a_tilted_disc_becomes_the_round_centred_one(axis_ratio, angle_deg):
    tilted = disc(axis_ratio, angle_deg, offset=(2.5, -3.5), sky=0.03)
    error = inner(face_on(tilted)) - inner(disc(sky=0.03))
    assert np.abs(error).max() < 0.04
    if axis_ratio < 0.9:
        assert np.abs(inner(tilted) - inner(disc(sky=0.03))).max() > 0.2


@pytest.mark.parametrize("axis_ratio", [0.8, 0.5])
def test_the_outline_has_the_axis_ratio_and_position_angle_of_the_disc(axis_ratio):
    centre, stretch = outline(disc(axis_ratio, 30.0, offset=(1.5, -2.5))[..., 0])
    np.testing.assert_allclose(centre[0], [(SIDE - 1) / 2 + 1.5, (SIDE - 1) / 2 - 2.5], atol=0.51)
    small, large = np.linalg.eigvalsh(stretch[0])
    _, axes = np.linalg.eigh(stretch[0])
    assert small * large == pytest.approx(1.0, abs=1e-4)
    assert small / large == pytest.approx(axis_ratio, abs=0.03)
    assert math.degrees(math.atan2(axes[0, 1], axes[1, 1])) % 180 == pytest.approx(30.0, abs=2.0)


def test_the_arms_of_a_tilted_disc_are_those_of_the_round_one_and_wind_as_they_did():
    seen, truth = inner(face_on(disc(0.5, 40.0, arms=0.3))), inner(disc(arms=0.3))
    smooth = inner(disc())
    alike = np.corrcoef((seen - smooth) / smooth, (truth - smooth) / smooth)[0, 1]
    mirrored = np.corrcoef((seen - smooth) / smooth, (inner(disc(arms=0.3)[:, :, ::-1]) - smooth) / smooth)[0, 1]
    assert alike > 0.9
    assert mirrored < 0.4


def test_a_mirror_image_and_a_quarter_turn_of_the_sky_are_made_round_as_the_galaxy_was():
    noise = np.random.default_rng(0).uniform(0, 0.02, (1, SIDE, SIDE, 3))
    image = jnp.asarray(np.asarray(disc(0.5, 25.0, offset=(2.0, 1.0), arms=0.3)) + noise, jnp.float32)
    whole = np.asarray(face_on(image))
    np.testing.assert_allclose(face_on(image[:, :, ::-1]), whole[:, :, ::-1], atol=2e-4)
    np.testing.assert_allclose(face_on(jnp.rot90(image, axes=(1, 2))), np.rot90(whole, axes=(1, 2)), atol=2e-4)


def test_every_galaxy_of_a_batch_is_stretched_by_itself_and_all_its_bands_alike():
    one, other = disc(0.5, 10.0), disc(0.7, 100.0, offset=(-2.0, 3.0))
    batch = jnp.concatenate([jnp.concatenate([one, 0.5 * one], axis=-1), jnp.concatenate([other, other], axis=-1)])
    found = np.asarray(face_on(batch))
    np.testing.assert_allclose(found[0, ..., 1], 0.5 * found[0, ..., 0], atol=1e-5)
    np.testing.assert_allclose(found[1:, ..., :1], face_on(other), atol=1e-4)


@pytest.mark.parametrize(("height", "width"), [(64, 64), (33, 47), (4, 4), (1, 1)])
def test_pictures_without_light_stay_as_they_are(height, width):
    for level in (0.0, 0.7):
        np.testing.assert_allclose(face_on(jnp.full((1, height, width, 2), level)), level, atol=1e-6)
    centre, stretch = outline(jnp.zeros((1, height, width)))
    np.testing.assert_allclose(centre[0], [(height - 1) / 2, (width - 1) / 2])
    np.testing.assert_allclose(stretch[0], np.eye(2), atol=1e-6)


def test_strange_pictures_and_their_gradients_stay_finite():
    random = np.random.default_rng(1)
    point, line = np.zeros((2, 32, 32, 1), np.float32)
    point[16, 17], line[16] = 1.0, 1.0
    for picture in (point, line, random.random((32, 32, 1)), np.ones((32, 32, 1))):
        image = jnp.asarray(picture[None], jnp.float32)
        assert np.isfinite(np.asarray(face_on(image))).all()
        assert np.isfinite(np.asarray(jax.grad(lambda x: face_on(x).sum())(image))).all()


@pytest.mark.parametrize("view", ["sky", "log_polar"])
def test_a_face_on_network_is_the_same_network_shown_galaxies_made_round(view):
    config = ClassifierConfig(image_size=SIDE, view=view, widths=(4, 8), blocks=(1,), stem=4, dropout=(0.0,))
    image = disc(0.5, 25.0, offset=(2.0, 1.0), arms=0.3)
    plain = Classifier(config, 3, nnx.Rngs(params=0))
    rounding = Classifier(dataclasses.replace(config, face_on=True), 3, nnx.Rngs(params=0))
    np.testing.assert_allclose(rounding.features(image), plain.features(face_on(image)), atol=1e-4)
    assert np.abs(np.asarray(rounding.features(image)) - np.asarray(plain.features(image))).max() > 1e-3
