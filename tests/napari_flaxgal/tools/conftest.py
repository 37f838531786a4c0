"""Mock galaxies whose arms are known exactly: what the drawing tools are held against."""

from dataclasses import dataclass, replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from flaxgal.config import MockConfig
from flaxgal.mock.arms import log_length, sky_plane, winding
from flaxgal.mock.cutouts import mock_cutouts
from flaxgal.mock.galaxy import see
from flaxgal.mock.population import Galaxy, draw_galaxy
from flaxgal.survey.cutout import Cutout

NUMBER = 8
GRAND_DESIGN = MockConfig(
    image_size=128,
    class_fractions=(0.0, 0.0, 1.0),
    arm_count_fractions=(0.0, 1.0, 0.0, 0.0),
    pitch_angle_deg=(14.0, 28.0),
    flocculence=(0.0, 0.0),
    arm_contrast=(1.5, 3.0),
    effective_radius_pixels=(20.0, 26.0),
    seeing_fwhm_arcsec=(0.35, 0.45),
    signal_to_noise=(2500.0, 3000.0),
    max_inclination_deg=55.0,
    bar_fraction=0.0,
    neighbour_rate=0.0,
)


@dataclass(frozen=True)
class KnownSpiral:
    """A mock spiral and the truth about it."""

    cutout: Cutout
    arm_mask: np.ndarray
    pitch_angle_deg: float
    chirality: int
    axis_ratio: float
    position_angle_deg: float
    centre: tuple[float, float]
    crests: tuple[np.ndarray, ...]
    """(y, x) along the middle of each arm."""


@pytest.fixture(scope="session")
def galaxies() -> Galaxy:
    """Two-armed grand-design spirals in a plain inclined circle; no dust or skew moves an arm's ridge off its crest."""
    drawn = jax.jit(jax.vmap(partial(draw_galaxy, GRAND_DESIGN)))(jax.random.split(jax.random.key(3), NUMBER))
    zero, zeros = jnp.zeros(NUMBER), jnp.zeros((NUMBER, 4))
    disc = replace(drawn.disc, lopsidedness=zero, bend=zero, ring=zero, texture=zero)
    arms = replace(drawn.arms, unwinding=zeros, curvature=zero, dust=zero, skew=zero)
    arms = replace(arms, wave=jnp.zeros_like(arms.wave))
    return replace(drawn, disc=disc, arms=arms)


@pytest.fixture(scope="session")
def observe():
    """Galaxies (leading axis) to `Mocks`."""
    program = jax.jit(jax.vmap(partial(see, GRAND_DESIGN)))
    return lambda galaxies: jax.device_get(program(galaxies, jax.random.split(jax.random.key(0), NUMBER)))


@pytest.fixture(scope="session")
def spirals(galaxies, observe) -> list[KnownSpiral]:
    """Grand-design spirals with exact truth."""
    mocks = observe(galaxies)
    return [
        KnownSpiral(
            cutout=cutout,
            arm_mask=np.asarray(mocks.arm_mask[k]),
            pitch_angle_deg=float(mocks.pitch_angle_deg[k]),
            chirality=int(mocks.chirality[k]),
            axis_ratio=float(galaxies.disc.axis_ratio[k]),
            position_angle_deg=float(np.degrees(galaxies.disc.angle[k]) % 180),
            centre=(63.5 + float(galaxies.offset_y[k]), 63.5 + float(galaxies.offset_x[k])),
            crests=_crests(jax.tree.map(lambda leaf, k=k: leaf[k], galaxies)),
        )
        for k, cutout in enumerate(mock_cutouts(GRAND_DESIGN, mocks, population="tools"))
    ]


@pytest.fixture(scope="session")
def armless(galaxies, observe) -> list[Cutout]:
    """The same galaxies without their arms, and without clumps and dust, which go with them."""
    arms = galaxies.arms
    none = {name: jnp.zeros_like(getattr(arms, name)) for name in ("contrast", "strength", "dust", "clump_share")}
    bare = replace(arms, **none)
    return list(mock_cutouts(GRAND_DESIGN, observe(replace(galaxies, arms=bare)), population="armless"))


def _crests(galaxy: Galaxy) -> tuple[np.ndarray, ...]:
    arms = galaxy.arms
    s = jnp.linspace(0.15, 0.85, 60) * log_length(arms)
    crests = []
    for k in range(int(arms.count)):
        x, y = sky_plane(galaxy.disc, arms.inner_radius * jnp.exp(s), arms.angle[k] + arms.chirality * winding(arms, s))
        place = [63.5 + galaxy.offset_y + y, 63.5 + galaxy.offset_x + x]
        crests.append(np.stack([np.asarray(axis) for axis in place], axis=1).astype(float))
    return tuple(crests)
