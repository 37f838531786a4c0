"""Mock galaxies painted without noise or seeing: every component's light in every band."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from flaxgal.config import MockConfig
from flaxgal.mock.arms import across_arms, arm_brightness, clump_positions, crests, disc_plane, dust_depth, log_length
from flaxgal.mock.population import Bar, Galaxy
from flaxgal.mock.profiles import sersic_pixels
from flaxgal.mock.seeing import wide_axis

__all__ = ["ELECTRON_NJY", "SKY_NOISE_NJY", "Light", "bar_radius", "colour", "paint", "reference_band"]

SKY_NOISE_NJY = {"g": 2.7, "r": 3.0, "i": 3.6, "z": 8.0, "y": 18.0}
"""Standard deviation of the sky in one 0.168″ pixel, about that of HSC's Wide layer."""
ELECTRON_NJY = 0.023
"""Flux of one photo-electron, about that of HSC's Wide layer in i."""
OLD_COLOUR = {"g": 0.85, "r": 0.0, "i": -0.40, "z": -0.68, "y": -0.85}
YOUNG_COLOUR = {"g": 0.20, "r": 0.0, "i": -0.08, "z": -0.12, "y": -0.15}
REDDENING = {"g": 0.50, "r": 0.0, "i": -0.15, "z": -0.25, "y": -0.30}
"""AB magnitudes relative to r of an old and a young population, and what a redshift of about 0.3 adds."""
DUST = {"g": 1.25, "r": 1.0, "i": 0.75, "z": 0.57, "y": 0.47}
"""Extinction relative to r (Cardelli, Clayton & Mathis 1989, rounded)."""

Grid = Float[Array, "y x"]
Bands = Float[Array, "band y x"]


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Light:
    """Noise-free light of one galaxy in nJy a pixel."""

    galaxy: Float[Any, "band y x"]
    arms: Float[Any, "band y x"]
    """The arm component alone; part of `galaxy`."""


def paint(config: MockConfig, galaxy: Galaxy) -> Light:
    """Light of the galaxy before seeing, on a grid 16 pixels wider than the picture on each side."""
    axis = wide_axis(config.image_size)
    size = axis.size
    x, y = jnp.broadcast_to(axis, (size, size)), jnp.broadcast_to(axis[:, None], (size, size))
    disc, arms = galaxy.disc, galaxy.arms
    radius, angle = disc_plane(disc, x, y)
    smooth_disc = (1 - galaxy.bulge.share) * sersic_pixels(
        size, effective_radius=disc.effective_radius, n=disc.n, axis_ratio=disc.axis_ratio, angle=disc.angle
    )
    across, crest = jax.lax.optimization_barrier((across_arms(arms, radius, angle), crests(arms, radius)))
    arm = smooth_disc * arm_brightness(arms, crest, across) + _clumps(galaxy, axis)
    bulge = galaxy.bulge.share * sersic_pixels(
        size,
        effective_radius=galaxy.bulge.effective_radius,
        n=galaxy.bulge.n,
        axis_ratio=galaxy.bulge.axis_ratio,
        angle=disc.angle,
    )
    bulge = bulge.at[size // 2, size // 2].add(galaxy.nucleus)
    bar = jnp.exp(-jnp.log(2.0) * bar_radius(galaxy.bar, radius, angle) ** 3)
    bar = bar * galaxy.bar.share * (1 - galaxy.bulge.share) / jnp.maximum(jnp.sum(bar), 1.0)
    smooth = smooth_disc * _disc_modulation(galaxy, radius, angle)
    depth = dust_depth(arms, crest, across)
    # Without the barrier XLA computes every component anew for each band: three times the work.
    arm, bulge, bar, smooth, depth = jax.lax.optimization_barrier((arm, bulge, bar, smooth, depth))
    layers = []
    for band in config.bands:
        screen = jnp.exp(-DUST[band] * depth)
        arm_light = arm * screen * colour(galaxy, arms.age, band)
        rest = (bulge + bar) * colour(galaxy, galaxy.bulge.age, band) + smooth * colour(galaxy, disc.age, band)
        layers.append((rest * screen + arm_light, arm_light))
    whole, arm_bands = (jnp.stack(layer) for layer in zip(*layers, strict=True))
    scale = _reference_flux(config, galaxy) / jnp.sum(whole[reference_band(config)])
    return Light(galaxy=whole * scale, arms=arm_bands * scale)


def _disc_modulation(galaxy: Galaxy, radius: Grid, angle: Grid) -> Grid:
    """What the disc's Sérsic profile is multiplied by: break, ring and mottling."""
    disc, arms = galaxy.disc, galaxy.arms
    scale = disc.effective_radius / 1.678
    steep = 4 / scale
    fall = (1 / disc.outer_scale - 1) / scale * jax.nn.softplus(steep * (radius - disc.break_radius)) / steep
    ring = disc.ring * jnp.exp(-0.5 * ((radius - disc.ring_radius) / disc.ring_width) ** 2)
    s = jnp.log(radius / disc.effective_radius)
    sheared = arms.chirality * angle - s / jnp.tan(arms.pitch)
    mottling = sum(
        jnp.cos((4 + 2 * j) * sheared + disc.texture_phase[j] + 2 * j * s) for j in range(disc.texture_phase.shape[-1])
    )
    return jnp.exp(-fall) * (1 + ring) * jnp.exp(disc.texture * mottling)


def bar_radius(bar: Bar, radius: Grid, angle: Grid) -> Grid:
    """Generalised-ellipse radius of the bar: 1 at its half-brightness outline."""
    along = radius * jnp.cos(angle - bar.angle) / bar.length
    across = radius * jnp.sin(angle - bar.angle) / (bar.length * bar.axis_ratio)
    return ((along**2 + 1e-8) ** 1.25 + (across**2 + 1e-8) ** 1.25) ** 0.4


def _clumps(galaxy: Galaxy, axis: Float[Array, "size"]) -> Grid:
    """Star-forming clumps along the arms: round Gaussians."""
    arms = galaxy.arms
    x, y = clump_positions(arms, galaxy.disc)
    width = arms.clump_size[:, None]
    row = jnp.exp(-0.5 * ((axis[None] - x[:, None]) / width) ** 2)
    column = jnp.exp(-0.5 * ((axis[None] - y[:, None]) / width) ** 2)
    faint = jnp.exp(-arms.clump_place * log_length(arms) * 1.2)  # as the disc is, farther out
    share = arms.clump_share * faint * (1 - galaxy.bulge.share) / (2 * jnp.pi * arms.clump_size**2)
    return jnp.einsum("c,cy,cx->yx", share, column, row)


def colour(galaxy: Galaxy, age, band: str):
    """Flux in a band over that in r."""
    magnitude = YOUNG_COLOUR[band] + age * (OLD_COLOUR[band] - YOUNG_COLOUR[band])
    return 10 ** (-0.4 * (magnitude + galaxy.reddening * REDDENING[band]))


def reference_band(config: MockConfig) -> int:
    """Number of the band whose light sets the signal-to-noise ratio: the last but one."""
    return max(len(config.bands) - 2, 0)


def _reference_flux(config: MockConfig, galaxy: Galaxy) -> Float[Array, ""]:
    """Flux in the reference band, in nJy, of a galaxy with the wanted signal-to-noise ratio.

    Half the flux F over its noise: S = (F/2) / sqrt(A σ² + e F/2), A the area of the half-light ellipse (at least that
    of the seeing disc), σ the sky's noise in a pixel, e the flux of one electron.
    """
    radius = jnp.where(galaxy.kind == 0, galaxy.bulge.effective_radius, galaxy.disc.effective_radius)
    ratio = jnp.where(galaxy.kind == 0, galaxy.bulge.axis_ratio, galaxy.disc.axis_ratio)
    area = jnp.pi * (radius**2 * ratio + (galaxy.fwhm / 2) ** 2)
    sky = area * SKY_NOISE_NJY[config.bands[reference_band(config)]] ** 2
    photons = galaxy.signal_to_noise**2 * ELECTRON_NJY
    return photons + jnp.sqrt(photons**2 + 4 * galaxy.signal_to_noise**2 * sky)
