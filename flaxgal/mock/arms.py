r"""Spiral arms in the plane of a disc: where they run, how bright they are, and what of them a person would draw.

Arm k has its crest where, in the disc plane (R along the major axis, θ from it),

.. math:: θ = θ_k + χ [ψ(s) + δ_k s + w_k(s)], \qquad s = \ln(R / R_{in}), \qquad
          ψ(s) = s \cot p + c\, s (s / s_{max} - 1)

with χ = +1 for Z-wise and −1 for S-wise arms as the array (x right, y up) shows them; p is the pitch angle, at the
middle of the arm in ln R exactly and on average from end to end; c bends the spiral; δ_k and w_k are the arm's own.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from flaxgal.mock.population import Arms, Disc

__all__ = ["across_arms", "arm_brightness", "arm_ridge", "clump_positions", "disc_plane", "dust_depth", "sky_plane"]

Grid = Float[Array, "y x"]

_TINY = 1e-6


def disc_plane(disc: Disc, x: Grid, y: Grid) -> tuple[Grid, Grid]:
    """Radius (pixels) and angle (radians) in the plane of the disc of points at (x, y) from its centre on the sky."""
    cos, sin = jnp.cos(disc.angle), jnp.sin(disc.angle)
    along, across = x * cos + y * sin, y * cos - x * sin
    reach = along / (2 * disc.effective_radius)
    across = (across - disc.bend * disc.effective_radius * jnp.clip(reach, -1.5, 1.5) ** 3) / disc.axis_ratio
    radius = jnp.sqrt(along**2 + across**2 + _TINY)
    angle = jnp.arctan2(across, along + _TINY)
    return radius / (1 + disc.lopsidedness * jnp.cos(angle - disc.lopsided_angle)), angle


def sky_plane(disc: Disc, radius: Float[Array, "*s"], angle: Float[Array, "*s"]) -> tuple[Array, Array]:
    """Where points of the disc plane are seen: x and y from the centre, the inverse of `disc_plane`."""
    radius = radius * (1 + disc.lopsidedness * jnp.cos(angle - disc.lopsided_angle))
    along, across = radius * jnp.cos(angle), radius * jnp.sin(angle) * disc.axis_ratio
    reach = along / (2 * disc.effective_radius)
    across = across + disc.bend * disc.effective_radius * jnp.clip(reach, -1.5, 1.5) ** 3
    cos, sin = jnp.cos(disc.angle), jnp.sin(disc.angle)
    return along * cos - across * sin, along * sin + across * cos


def _log_length(arms: Arms) -> Float[Array, ""]:
    return jnp.log(arms.outer_radius / arms.inner_radius)


def _turn(arms: Arms, s: Float[Array, "*s"]) -> Float[Array, "*s"]:
    """The winding common to all arms, in radians."""
    waves = arms.wave[0] * jnp.sin(2.5 * s + arms.wave_angle[0]) + arms.wave[1] * jnp.sin(5 * s + arms.wave_angle[1])
    return s / jnp.tan(arms.pitch) + arms.curvature * s * (s / _log_length(arms) - 1) + 0.5 * waves


def _own_turn(arms: Arms, s: Float[Array, "*s"], k: int) -> Float[Array, "*s"]:
    """What one arm adds to the common winding, in radians."""
    wave = arms.wave[2] * jnp.sin(4 * s + arms.wave_phase[k, 0])
    return arms.unwinding[k] * s + wave


def _middle_radius(arms: Arms) -> Float[Array, ""]:
    return jnp.sqrt(arms.inner_radius * arms.outer_radius)


def _width(arms: Arms, radius: Grid) -> Grid:
    """Standard deviation across an arm, in the disc plane, in pixels."""
    middle = _middle_radius(arms)
    spacing = 2 * jnp.pi * middle * jnp.sin(arms.pitch) / jnp.maximum(arms.count, 2)
    return arms.width * spacing * (radius / middle + 0.05) ** arms.width_growth


def across_arms(arms: Arms, radius: Grid, angle: Grid) -> list[Grid]:
    """Signed distance from each arm's crest in units of its width; positive on the inner (concave) side."""
    s = jnp.log(radius / arms.inner_radius)
    common = angle - arms.chirality * _turn(arms, s)
    scale = arms.chirality * radius * jnp.sin(arms.pitch) / _width(arms, radius)
    distances = []
    for k in range(arms.angle.shape[-1]):
        offset = common - arms.angle[k] - arms.chirality * _own_turn(arms, s, k)
        distances.append(scale * (offset - 2 * jnp.pi * jnp.round(offset / (2 * jnp.pi))))
    return distances


def _crest(arms: Arms, radius: Grid, k: int) -> Grid:
    """Brightness of the crest of one arm over that of the disc below it: tapered at both ends, patchy between."""
    s = jnp.log(radius / arms.inner_radius)
    end = _log_length(arms) * arms.length[k]
    taper = jax.nn.sigmoid(14 * s) * jax.nn.sigmoid(12 * (end - s))
    patches = jnp.cos(3.5 * s + arms.patch_phase[k, 0]) + 0.7 * jnp.cos(8 * s + arms.patch_phase[k, 1])
    growth = (radius / _middle_radius(arms)) ** arms.contrast_growth
    return arms.contrast * arms.strength[k] * growth * taper * jnp.exp(arms.patchiness * (patches - 0.4))


def arm_brightness(arms: Arms, radius: Grid, distances: list[Grid]) -> Grid:
    """Surface brightness of the arms over that of the disc below them."""
    total = jnp.zeros_like(radius)
    for k, distance in enumerate(distances):
        edge = 1 - arms.skew * jnp.tanh(distance)
        total = total + _crest(arms, radius, k) * jnp.exp(-0.5 * (distance / edge) ** 2)
    return total


def dust_depth(arms: Arms, radius: Grid, distances: list[Grid]) -> Grid:
    """Optical depth, in r, of the lanes along the inner edges of the arms."""
    total = jnp.zeros_like(radius)
    for k, distance in enumerate(distances):
        present = jnp.tanh(_crest(arms, radius, k))
        total = total + present * jnp.exp(-2 * (distance - arms.dust_offset) ** 2)
    return arms.dust * total


def clump_positions(arms: Arms, disc: Disc) -> tuple[Float[Array, "clump"], Float[Array, "clump"]]:
    """Where the star-forming clumps are on the sky, from the centre: scattered about the arms' crests."""
    clump = jnp.arange(arms.clump_place.shape[-1])
    k = clump % jnp.maximum(arms.count, 1)
    s = arms.clump_place * _log_length(arms) * arms.length[k]
    radius = arms.inner_radius * jnp.exp(s)
    own = arms.unwinding[k] * s + arms.wave[2] * jnp.sin(4 * s + arms.wave_phase[k, 0])
    scatter = arms.clump_scatter * _width(arms, radius) / (radius * jnp.sin(arms.pitch))
    angle = arms.angle[k] + arms.chirality * (_turn(arms, s) + own + scatter)
    return sky_plane(disc, radius, angle)


def arm_ridge(
    arms: Arms, disc: Disc, x: Grid, y: Grid, *, seeing: Float[Array, ""], width: float
) -> Bool[Array, "y x"]:
    """Pixels within `width` × FWHM / 2 of the crest of any arm, as seen on the sky through the seeing.

    An arm's width on the sky is 1/|∇u|, u being the distance across it in units of its width; the seeing, a Gaussian of
    standard deviation `seeing`, is added in quadrature.
    """
    radius, angle = disc_plane(disc, x, y)
    s = jnp.log(radius / arms.inner_radius)
    phase = angle - arms.chirality * _turn(arms, s)
    slope = radius * jnp.sin(arms.pitch) / _width(arms, radius) * _phase_gradient(phase)
    width_on_sky = 1 / (slope + _TINY)
    reach = width * 1.1775 * jnp.sqrt(width_on_sky**2 + seeing**2) / width_on_sky
    ridge = jnp.zeros(radius.shape, bool)
    for k, distance in enumerate(across_arms(arms, radius, angle)):
        end = _log_length(arms) * arms.length[k]
        ridge |= (arms.strength[k] > 0) & (jnp.abs(distance) <= reach) & (s > -0.1) & (s < end + 0.1)
    return ridge


def _phase_gradient(phase: Grid) -> Grid:
    """|∇ phase| in radians a pixel, by central differences of exp(i phase), which does not jump at ±π."""
    cos, sin = jnp.cos(phase), jnp.sin(phase)
    down, right = (cos * jnp.gradient(sin, axis=axis) - sin * jnp.gradient(cos, axis=axis) for axis in (0, 1))
    return jnp.sqrt(down**2 + right**2 + _TINY)
