"""Rendering: the same galaxy for the same key, noise as the variance says, truth that adds up."""

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from flaxgal.config import MockConfig, from_json, to_json
from flaxgal.mock import galaxy as galaxy_module
from flaxgal.mock.galaxy import render
from flaxgal.mock.painting import paint
from flaxgal.mock.population import Galaxy, draw_galaxy

CONFIG = MockConfig()


@pytest.fixture(scope="module")
def eight():
    return render(CONFIG, jax.random.key(3), 8)


def test_a_mock_is_the_same_whatever_the_first_and_the_number(eight):
    five = render(CONFIG, jax.random.key(3), 5, first=3)
    for name in ("arm_mask", "chirality", "arm_count", "kind"):
        np.testing.assert_array_equal(getattr(five, name), getattr(eight, name)[3:], err_msg=name)
    for name in ("flux", "variance", "pitch_angle_deg"):  # another number is another program, which may round otherwise
        np.testing.assert_allclose(getattr(five, name), getattr(eight, name)[3:], rtol=1e-5, atol=1e-5, err_msg=name)


@pytest.mark.long
def test_a_mock_is_the_same_whatever_the_chunk(eight, monkeypatch):
    monkeypatch.setattr(galaxy_module, "CHUNK", 4)
    chunked = render(CONFIG, jax.random.key(3), 7)
    np.testing.assert_allclose(chunked.flux, eight.flux[:7], rtol=1e-3, atol=1e-2 * float(eight.variance.min()) ** 0.5)
    assert np.mean(np.asarray(chunked.arm_mask != eight.arm_mask[:7])) < 1e-3


def test_another_key_makes_other_galaxies(eight):
    other = render(CONFIG, jax.random.key(4), 8)
    assert not np.intersect1d(other.signal_to_noise, eight.signal_to_noise).size


@pytest.mark.parametrize(("number", "first", "bands"), [(0, 0, ("r",)), (1, -1, ("r",)), (1, 0, ("u",)), (1, 0, ())])
def test_impossible_requests_are_refused(number, first, bands):
    with pytest.raises(ValueError, match=r"number must be|choose from"):
        render(MockConfig(bands=bands), jax.random.key(0), number, first=first)


def test_shapes_and_dtypes_are_as_documented(eight):
    assert eight.flux.shape == eight.variance.shape == (8, 3, 64, 64)
    assert eight.arm_mask.shape == eight.bar_mask.shape == (8, 64, 64)
    assert eight.arm_mask.dtype == bool
    assert eight.flux.dtype == eight.variance.dtype == jnp.float32
    assert eight.flux_ratio.shape == (8, 3)
    assert np.isfinite(np.asarray(eight.flux)).all()


def test_noise_scatters_as_the_variance_plane_says(observe, galaxies):
    one, two = observe(galaxies, 1), observe(galaxies, 2)
    chi = np.asarray((one.flux - two.flux) / jnp.sqrt(2 * one.variance))
    np.testing.assert_allclose(chi.var((0, 2, 3)), 1.0, atol=0.02)
    bright = np.asarray(one.variance) > 2 * np.asarray(one.variance).min((2, 3), keepdims=True)
    assert chi[bright].var() == pytest.approx(1.0, abs=0.05)
    assert chi.mean() == pytest.approx(0.0, abs=0.01)


def test_arm_flux_is_the_galaxys_light_inside_the_mask(observe, galaxies):
    lonely = replace(galaxies, neighbours=replace(galaxies.neighbours, share=jnp.zeros_like(galaxies.neighbours.share)))
    mocks = observe(lonely)
    mask = mocks.arm_mask[:, None]
    error = np.sqrt(np.asarray(jnp.sum(mocks.variance * mask, (2, 3)))) + 1e-3
    pull = np.asarray(jnp.sum(mocks.flux * mask, (2, 3)) - mocks.arm_flux) / error
    assert np.abs(pull).max() < 5
    assert (np.asarray(mocks.arm_flux) <= np.asarray(mocks.total_flux)).all()


@pytest.mark.parametrize("size", [64, 65])
def test_a_smooth_galaxy_is_centred_and_symmetric_in_pictures_of_even_and_odd_size(size):
    config = replace(CONFIG, image_size=size, bands=("r",), class_fractions=(1.0, 0.0, 0.0), neighbour_rate=0.0)
    galaxy = replace(draw_galaxy(config, jax.random.key(1)), offset_x=jnp.asarray(0.0), offset_y=jnp.asarray(0.0))
    light = np.asarray(galaxy_module._light_in_frame(config, galaxy))[0, 0]
    assert light.shape == (size, size)
    y, x = np.indices(light.shape) - (size - 1) / 2
    assert (light * x).sum() / light.sum() == pytest.approx(0.0, abs=0.02)
    assert (light * y).sum() / light.sum() == pytest.approx(0.0, abs=0.02)
    np.testing.assert_allclose(light, light[::-1, ::-1], atol=0.01 * light.max())


def test_neighbours_do_not_enter_the_truth(observe, galaxies):
    crowded = replace(galaxies, neighbours=replace(galaxies.neighbours, share=galaxies.neighbours.share + 0.3))
    alone, together = observe(galaxies), observe(crowded)
    np.testing.assert_allclose(together.total_flux, alone.total_flux, rtol=1e-5)
    np.testing.assert_array_equal(together.arm_mask, alone.arm_mask)
    assert (np.asarray(together.flux).sum((1, 2, 3)) > 1.05 * np.asarray(alone.flux).sum((1, 2, 3))).mean() > 0.9


def test_a_brighter_galaxy_has_the_same_shares_of_light(observe, galaxies):
    faint, bright = observe(galaxies), observe(replace(galaxies, signal_to_noise=3 * galaxies.signal_to_noise))
    growth = np.asarray(bright.total_flux / faint.total_flux)
    assert (growth > 2.9).all()
    np.testing.assert_allclose(growth, growth[:, :1] * np.ones((1, 3)), rtol=1e-4)
    np.testing.assert_allclose(
        bright.arm_excess_flux / bright.total_flux, faint.arm_excess_flux / faint.total_flux, rtol=1e-3, atol=1e-6
    )


def test_arms_are_bluer_than_the_rest(observe, spirals):
    mocks = observe(spirals)
    arm = np.asarray(mocks.arm_excess_flux)
    rest = np.asarray(mocks.total_flux) - arm
    assert (arm[:, 0] / arm[:, 2] > rest[:, 0] / rest[:, 2]).mean() > 0.9


def mirror(galaxy: Galaxy) -> Galaxy:
    """The galaxy seen in a mirror: x becomes −x, so that Z-wise arms become S-wise and nothing else changes."""
    disc, bar, arms, neighbours = galaxy.disc, galaxy.bar, galaxy.arms, galaxy.neighbours
    turn = partial(jnp.subtract, jnp.pi)
    return replace(
        galaxy,
        disc=replace(disc, angle=-disc.angle, bend=-disc.bend, lopsided_angle=turn(disc.lopsided_angle)),
        bar=replace(bar, angle=turn(bar.angle)),
        arms=replace(arms, angle=turn(arms.angle), chirality=-arms.chirality),
        neighbours=replace(neighbours, x=-neighbours.x, angle=-neighbours.angle),
        offset_x=-galaxy.offset_x,
    )


def test_a_mirror_reverses_the_picture_and_the_chirality_and_nothing_else(observe, galaxies):
    straight, mirrored = observe(galaxies), observe(mirror(galaxies))
    np.testing.assert_array_equal(mirrored.chirality, -straight.chirality)
    np.testing.assert_allclose(mirrored.total_flux, straight.total_flux, rtol=1e-4)
    np.testing.assert_allclose(mirrored.variance[..., ::-1], straight.variance, rtol=2e-2)
    assert np.mean(np.asarray(mirrored.arm_mask[..., ::-1] != straight.arm_mask)) < 2e-3
    assert np.mean(np.asarray(mirrored.bar_mask[..., ::-1] != straight.bar_mask)) < 1e-3


def test_turning_the_disc_turns_the_light(galaxies):
    one = jax.tree.map(lambda leaf: leaf[1], galaxies)
    turned = replace(one, disc=replace(one.disc, angle=one.disc.angle + jnp.pi / 2))
    light_of = jax.jit(partial(paint, CONFIG))
    light, turned_light = (np.asarray(light_of(g).galaxy)[:, 1:, 1:] for g in (one, turned))
    np.testing.assert_allclose(turned_light, np.rot90(light, -1, (1, 2)), rtol=1e-2, atol=1e-4 * light.max())


@pytest.mark.long
def test_light_has_finite_gradients_in_the_galaxys_shape(galaxies):
    one = jax.tree.map(lambda leaf: leaf[1], galaxies)

    def brightness(shape):
        disc = replace(one.disc, effective_radius=shape[0], angle=shape[1], axis_ratio=shape[2])
        arms = replace(one.arms, pitch=shape[3], contrast=shape[4])
        return jnp.sum(paint(CONFIG, replace(one, disc=disc, arms=arms)).arms ** 2)

    gradient = jax.jit(jax.grad(brightness))(jnp.asarray([9.0, 0.3, 0.7, 0.4, 1.5]))
    assert np.isfinite(np.asarray(gradient)).all()


def test_a_population_survives_json():
    assert from_json(MockConfig, to_json(CONFIG)) == CONFIG
