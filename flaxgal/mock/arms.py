r"""Spiral arms in the plane of a disc: where they run and how bright they are.

Arm k has its crest where, in the disc plane (R along the major axis, θ from it),

.. math:: θ = θ_k + χ [ψ(s) + δ_k s + w_k(s)], \qquad s = \ln(R / R_{in}), \qquad
          ψ(s) = s \cot p + c\, s (s / s_{max} - 1) + w(s)

with χ = +1 for Z-wise and −1 for S-wise arms as the array (x right, y up) shows them; p is the pitch angle, at the
middle of the arm in ln R and on average from end to end; c bends the spiral; δ_k and the waves w, w_k (zero in a grand
design) make arms that differ.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from flaxgal.mock.population import Arms, Disc

__all__ = [
    "across_arms",
    "arm_brightness",
    "arm_width",
    "clump_positions",
    "crests",
    "disc_plane",
    "dust_depth",
    "log_length",
    "sky_plane",
    "winding",
]

Grid = Float[Array, "y x"]
ArmGrid = Float[Array, "arm y x"]
Clump = Float[Array, " clump"]

_TINY = 1e-6


def disc_plane(disc: Disc, x: Grid, y: Grid) -> tuple[Grid, Grid]:
    """Radius (pixels) and angle (radians) in the plane of the disc of points at (x, y) from its centre on the sky."""
    cos, sin = jnp.cos(disc.angle), jnp.sin(disc.angle)
    along, across = x * cos + y * sin, y * cos - x * sin
    across = (across - _bend(disc, along)) / disc.axis_ratio
    radius = jnp.sqrt(along**2 + across**2 + _TINY)
    angle = jnp.arctan2(across, along + _TINY)
    return radius / (1 + disc.lopsidedness * jnp.cos(angle - disc.lopsided_angle)), angle


def sky_plane(disc: Disc, radius: Clump, angle: Clump) -> tuple[Clump, Clump]:
    """Where points of the disc plane are seen: x and y from the centre, the inverse of `disc_plane`."""
    radius = radius * (1 + disc.lopsidedness * jnp.cos(angle - disc.lopsided_angle))
    along = radius * jnp.cos(angle)
    across = radius * jnp.sin(angle) * disc.axis_ratio + _bend(disc, along)
    cos, sin = jnp.cos(disc.angle), jnp.sin(disc.angle)
    return along * cos - across * sin, along * sin + across * cos


def _bend(disc: Disc, along: Float[Array, "*s"]) -> Float[Array, "*s"]:
    """How far the warp moves a point along the minor axis, in pixels."""
    reach = jnp.clip(along / (2 * disc.effective_radius), -1.5, 1.5)
    return disc.bend * disc.effective_radius * reach**3


def log_length(arms: Arms) -> Float[Array, ""]:
    """The arms' length in ln R."""
    return jnp.log(arms.outer_radius / arms.inner_radius)


def winding(arms: Arms, s: Float[Array, "*s"]) -> Float[Array, "*s"]:
    """ψ(s): the winding common to all arms, in radians."""
    waves = arms.wave[0] * jnp.sin(2.5 * s + arms.wave_angle[0]) + arms.wave[1] * jnp.sin(5 * s + arms.wave_angle[1])
    return s / jnp.tan(arms.pitch) + arms.curvature * s * (s / log_length(arms) - 1) + 0.5 * waves


def _middle_radius(arms: Arms) -> Float[Array, ""]:
    return jnp.sqrt(arms.inner_radius * arms.outer_radius)


def arm_width(arms: Arms, radius: Float[Array, "*s"]) -> Float[Array, "*s"]:
    """Standard deviation across an arm, in the disc plane, in pixels."""
    middle = _middle_radius(arms)
    spacing = 2 * jnp.pi * middle * jnp.sin(arms.pitch) / jnp.maximum(arms.count, 2)
    return arms.width * spacing * (radius / middle + 0.05) ** arms.width_growth


def across_arms(arms: Arms, radius: Grid, angle: Grid) -> ArmGrid:
    """Signed distance from each arm's crest in units of the arm's width; positive on the inner (concave) side."""
    s = jnp.log(radius / arms.inner_radius)
    common = arms.chirality * angle - winding(arms, s)
    own = _each(arms.unwinding) * s[None] + arms.wave[2] * jnp.sin(4 * s[None] + _each(arms.wave_phase[:, 0]))
    offset = common[None] - arms.chirality * _each(arms.angle) - own
    offset = offset - 2 * jnp.pi * jnp.round(offset / (2 * jnp.pi))
    return offset * (radius * jnp.sin(arms.pitch) / arm_width(arms, radius))[None]


def _each(values: Float[Array, " arm"]) -> Float[Array, "arm 1 1"]:
    return values[:, None, None]


def crests(arms: Arms, radius: Grid) -> ArmGrid:
    """Brightness of each arm's crest over that of the disc below it: tapered at both ends, patchy between."""
    s = jnp.log(radius / arms.inner_radius)[None]
    end = log_length(arms) * _each(arms.length)
    taper = jax.nn.sigmoid(14 * s) * jax.nn.sigmoid(12 * (end - s))
    phase = arms.patch_phase
    patches = jnp.cos(3.5 * s + _each(phase[:, 0])) + 0.7 * jnp.cos(8 * s + _each(phase[:, 1])) - 0.4
    growth = jnp.minimum(radius[None] / _middle_radius(arms), 3.0) ** arms.contrast_growth
    return arms.contrast * growth * _each(arms.strength) * taper * jnp.exp(arms.patchiness * patches)


def arm_brightness(arms: Arms, crest: ArmGrid, across: ArmGrid) -> Grid:
    """Surface brightness of the arms over that of the disc below them."""
    edge = 1 - arms.skew * jnp.tanh(across)
    return jnp.sum(crest * jnp.exp(-0.5 * (across / edge) ** 2), 0)


def dust_depth(arms: Arms, crest: ArmGrid, across: ArmGrid) -> Grid:
    """Optical depth, in r, of the lanes along the inner edges of the arms."""
    return arms.dust * jnp.sum(jnp.tanh(crest) * jnp.exp(-2 * (across - arms.dust_offset) ** 2), 0)


def clump_positions(arms: Arms, disc: Disc) -> tuple[Clump, Clump]:
    """Where the star-forming clumps are on the sky, from the centre: scattered about the arms' crests."""
    k = jnp.arange(arms.clump_place.shape[-1]) % jnp.maximum(arms.count, 1)
    s = arms.clump_place * log_length(arms) * arms.length[k]
    radius = arms.inner_radius * jnp.exp(s)
    own = arms.unwinding[k] * s + arms.wave[2] * jnp.sin(4 * s + arms.wave_phase[k, 0])
    scatter = arms.clump_scatter * arm_width(arms, radius) / (radius * jnp.sin(arms.pitch))
    return sky_plane(disc, radius, arms.angle[k] + arms.chirality * (winding(arms, s) + own + scatter))
