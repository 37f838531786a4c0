"""One program that turns galaxies into pictures, compiled once for all tests of mock galaxies."""

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import pytest

from flaxgal.config import MockConfig
from flaxgal.mock.galaxy import see
from flaxgal.mock.population import draw_galaxy

CONFIG = MockConfig()
GRAND_DESIGN = MockConfig(
    class_fractions=(0.0, 0.0, 1.0),
    arm_count_fractions=(0.0, 1.0, 0.0, 0.0),
    pitch_angle_deg=(12.0, 30.0),
    flocculence=(0.0, 0.0),
    arm_contrast=(1.5, 3.0),
    effective_radius_pixels=(11.0, 14.0),
    seeing_fwhm_arcsec=(0.35, 0.45),
    signal_to_noise=(1500.0, 3000.0),
    max_inclination_deg=50.0,
    neighbour_rate=0.0,
)
NUMBER = 24


def draw(config: MockConfig, number: int = NUMBER):
    return jax.jit(jax.vmap(partial(draw_galaxy, config)))(jax.random.split(jax.random.key(7), number))


@pytest.fixture(scope="session")
def observe():
    """Galaxies (leading axis) and a seed to `Mocks`."""
    program = jax.jit(jax.vmap(partial(see, CONFIG)))
    return lambda galaxies, seed=0: program(galaxies, jax.random.split(jax.random.key(seed), NUMBER))


@pytest.fixture(scope="session")
def galaxies():
    """A sample of the standard population."""
    return draw(CONFIG)


@pytest.fixture(scope="session")
def spirals():
    """Two-armed grand-design spirals whose disc is a plain inclined circle."""
    drawn = draw(GRAND_DESIGN)
    zero = jnp.zeros(NUMBER)
    plain = replace(drawn.disc, lopsidedness=zero, bend=zero)
    arms = replace(drawn.arms, unwinding=jnp.zeros((NUMBER, 4)), curvature=zero)
    return replace(drawn, disc=plain, arms=arms)
