"""What a mock galaxy is made of, and how a population of them is drawn at random.

Lengths are in pixels; angles in radians unless named `_deg`. Angles in the sky plane run from +x (right) towards +y
(up); angles in the disc plane run from the disc's major axis, the same way round. Shares are fractions of light.
"""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray

from flaxgal.config import MockConfig

__all__ = ["MAX_ARMS", "Arms", "Bar", "Bulge", "Disc", "Galaxy", "Neighbours", "draw_galaxy"]

Scalar = Float[Any, "*n"]

MAX_ARMS = 4
CLUMPS = 12
NEIGHBOURS = 4
WAVES = 3
ELLIPTICAL, LENTICULAR, SPIRAL = 0, 1, 2

pytree = jax.tree_util.register_dataclass


@pytree
@dataclass(frozen=True)
class Bulge:
    """A Sérsic spheroid; the whole galaxy if its kind is E."""

    share: Scalar
    """Of bulge and disc together."""
    effective_radius: Scalar
    n: Scalar
    axis_ratio: Scalar
    age: Scalar
    """Colour: 1 as red as an old population, 0 as blue as a young one."""


@pytree
@dataclass(frozen=True)
class Disc:
    """A Sérsic disc, near exponential, that may be broken, lopsided, bent, ringed and mottled."""

    effective_radius: Scalar
    n: Scalar
    angle: Scalar
    inclination_deg: Scalar
    axis_ratio: Scalar
    lopsidedness: Scalar
    """The disc's circles are stretched by 1 + lopsidedness · cos(θ − lopsided_angle)."""
    lopsided_angle: Scalar
    bend: Scalar
    """An integral-sign warp: displacement along the minor axis at 2 effective radii, in effective radii."""
    break_radius: Scalar
    outer_scale: Scalar
    """Scale length beyond the break over that within: below 1 truncated, above 1 anti-truncated."""
    texture: Scalar
    texture_phase: Float[Any, "*n waves"]
    ring: Scalar
    """Ring's surface brightness over the disc's."""
    ring_radius: Scalar
    ring_width: Scalar
    age: Scalar


@pytree
@dataclass(frozen=True)
class Bar:
    """A flat-topped generalised ellipse in the plane of the disc."""

    share: Scalar
    """Of the disc's light; 0 without a bar."""
    length: Scalar
    """Semi-major axis."""
    axis_ratio: Scalar
    angle: Scalar
    """In the disc plane."""


@pytree
@dataclass(frozen=True)
class Arms:
    """Up to four spiral arms, with their dust lanes and star-forming clumps; see `flaxgal.mock.arms`."""

    count: Int[Any, "*n"]
    chirality: Scalar
    """+1: Z-wise, the arms turn towards +θ outwards; −1: S-wise; 0: no arms."""
    pitch: Scalar
    contrast: Scalar
    contrast_growth: Scalar
    inner_radius: Scalar
    outer_radius: Scalar
    angle: Float[Any, "*n arm"]
    """Of each arm at the inner radius."""
    unwinding: Float[Any, "*n arm"]
    """Each arm's own difference in cot(pitch)."""
    strength: Float[Any, "*n arm"]
    length: Float[Any, "*n arm"]
    """Of each arm, as a share of the way from the inner to the outer radius in ln R."""
    curvature: Scalar
    """Change of cot(pitch) over the length of the arms: they are not perfect logarithmic spirals."""
    wave: Float[Any, "*n waves"]
    wave_phase: Float[Any, "*n arm waves"]
    wave_angle: Float[Any, "*n waves"]
    width: Scalar
    """Standard deviation across the arm, as a share of the spacing between arms, at the middle radius."""
    width_growth: Scalar
    skew: Scalar
    """Above 0: sharper on the inner (concave) edge."""
    patchiness: Scalar
    patch_phase: Float[Any, "*n arm waves"]
    age: Scalar
    dust: Scalar
    """Optical depth in r of the lane along the inner edge."""
    dust_offset: Scalar
    """In units of the arm's width."""
    clump_share: Float[Any, "*n clump"]
    """Of the disc's light, at the inner end of the arm; it falls as R^-1.2 from there."""
    clump_place: Float[Any, "*n clump"]
    """Along the arm, 0 inner end, 1 outer end."""
    clump_scatter: Float[Any, "*n clump"]
    clump_size: Float[Any, "*n clump"]


@pytree
@dataclass(frozen=True)
class Neighbours:
    """Stars (`scale` 0) and small discs around the galaxy."""

    x: Float[Any, "*n neighbour"]
    y: Float[Any, "*n neighbour"]
    share: Float[Any, "*n neighbour"]
    """Of the galaxy's light; 0 for a neighbour that is not there."""
    scale: Float[Any, "*n neighbour"]
    axis_ratio: Float[Any, "*n neighbour"]
    angle: Float[Any, "*n neighbour"]
    age: Float[Any, "*n neighbour"]


@pytree
@dataclass(frozen=True)
class Galaxy:
    """Everything that the picture of a mock galaxy depends on, except its noise."""

    kind: Int[Any, "*n"]
    """0 E, 1 S0, 2 Sp."""
    bulge: Bulge
    disc: Disc
    bar: Bar
    arms: Arms
    neighbours: Neighbours
    offset_x: Scalar
    """Of the galaxy's centre from the middle of the picture."""
    offset_y: Scalar
    nucleus: Scalar
    """A point source's share of the galaxy's light."""
    fwhm: Scalar
    moffat_beta: Scalar
    signal_to_noise: Scalar
    reddening: Scalar
    """0 for the colours of z = 0; 1 for about z = 0.3."""


class Lots:
    """Random numbers handed out one after another from one draw, which compiles far faster than a key for each."""

    def __init__(self, key: PRNGKeyArray, number: int):
        # Without the barrier XLA draws them anew for every one that is used, and takes seconds more to compile.
        self._numbers = jax.lax.optimization_barrier(jax.random.uniform(key, (number,), minval=1e-6, maxval=1 - 1e-6))
        self._next = 0

    def uniform(
        self, low: Array | float = 0.0, high: Array | float = 1.0, shape: tuple[int, ...] = ()
    ) -> Float[Array, "..."]:
        number = 1
        for length in shape:
            number *= length
        if self._next + number > self._numbers.size:
            raise ValueError(
                f"{self._numbers.size} random numbers asked for at the start, more were used: ask for more"
            )
        drawn = self._numbers[self._next : self._next + number].reshape(shape)
        self._next += number
        return low + (high - low) * drawn

    def log_uniform(self, low, high, shape: tuple[int, ...] = ()) -> Float[Array, "..."]:
        return jnp.exp(self.uniform(jnp.log(low), jnp.log(high), shape))

    def normal(self, scale, shape: tuple[int, ...] = ()) -> Float[Array, "..."]:
        return scale * jax.scipy.special.ndtri(self.uniform(0.0, 1.0, shape))

    def angle(self, shape: tuple[int, ...] = ()) -> Float[Array, "..."]:
        return self.uniform(0.0, 2 * jnp.pi, shape)

    def chance(self, probability, shape: tuple[int, ...] = ()) -> Float[Array, "..."]:
        return (self.uniform(0.0, 1.0, shape) < probability).astype(jnp.float32)

    def choice(self, shares) -> Int[Array, ""]:
        edges = jnp.cumsum(jnp.asarray(shares, jnp.float32)) / sum(shares)
        return jnp.sum(self.uniform() > edges[:-1]).astype(jnp.int32)


def draw_galaxy(config: MockConfig, key: PRNGKeyArray) -> Galaxy:
    """One galaxy of the population, with a given key always the same one."""
    lots = Lots(key, 256)
    kind = lots.choice(config.class_fractions)
    disc = _draw_disc(lots, config, kind)
    bulge = _draw_bulge(lots, kind, disc)
    bar = _draw_bar(lots, config, kind, disc)
    fwhm = lots.uniform(*config.seeing_fwhm_arcsec) / config.pixel_scale_arcsec
    return Galaxy(
        kind=kind,
        bulge=bulge,
        disc=disc,
        bar=bar,
        arms=_draw_arms(lots, config, kind, disc, bulge, bar),
        neighbours=_draw_neighbours(lots, config),
        offset_x=lots.uniform(-1.0, 1.0) * config.max_offset_pixels,
        offset_y=lots.uniform(-1.0, 1.0) * config.max_offset_pixels,
        nucleus=lots.chance(0.3) * lots.uniform(0.0, 0.06),
        fwhm=fwhm,
        moffat_beta=lots.uniform(*config.moffat_beta),
        signal_to_noise=lots.log_uniform(*config.signal_to_noise),
        reddening=lots.uniform(0.0, 1.2),
    )


def _draw_disc(lots: Lots, config: MockConfig, kind: Int[Array, ""]) -> Disc:
    radius = lots.log_uniform(*config.effective_radius_pixels)
    cos_limit = jnp.cos(jnp.deg2rad(config.max_inclination_deg))
    cos_inclination = 1 - (1 - cos_limit) * lots.uniform() ** 1.6  # more face-on than chance: arms must be seen
    thickness = lots.uniform(0.08, 0.25)
    spiral = (kind == SPIRAL).astype(jnp.float32)
    ring = lots.chance(0.2) * lots.uniform(0.1, 0.6)
    return Disc(
        effective_radius=radius,
        n=lots.uniform(0.7, 1.3),
        angle=lots.angle() / 2,
        inclination_deg=jnp.rad2deg(jnp.arccos(cos_inclination)),
        axis_ratio=jnp.sqrt(thickness**2 + (1 - thickness**2) * cos_inclination**2),
        lopsidedness=jnp.minimum(jnp.abs(lots.normal(0.05)), 0.2) * spiral,
        lopsided_angle=lots.angle(),
        bend=jnp.clip(lots.normal(0.06), -0.2, 0.2),
        break_radius=lots.uniform(1.1, 2.6) * radius,
        outer_scale=lots.log_uniform(0.25, 1.5),
        texture=lots.uniform(0.0, 0.1) * spiral,
        texture_phase=lots.angle((WAVES,)),
        ring=ring * (kind != ELLIPTICAL),
        ring_radius=lots.uniform(0.5, 1.4) * radius,
        ring_width=lots.uniform(0.08, 0.2) * radius,
        age=lots.uniform(0.4, 0.8) + 0.2 * (1 - spiral),
    )


def _draw_bulge(lots: Lots, kind: Int[Array, ""], disc: Disc) -> Bulge:
    elliptical = kind == ELLIPTICAL
    share = jnp.where(kind == LENTICULAR, lots.uniform(0.2, 0.6), lots.log_uniform(0.07, 0.45))
    size = jnp.where(elliptical, lots.uniform(0.5, 1.0), lots.uniform(0.03, 0.16)) * disc.effective_radius
    share, n = jnp.where(elliptical, 1.0, share), lots.uniform(0.8, 4.2)
    return Bulge(
        share=share,
        effective_radius=jnp.maximum(size, 0.5),
        n=jnp.where(elliptical, jnp.maximum(n, 2.0) + 0.5, n),
        axis_ratio=jnp.maximum(lots.uniform(0.55, 1.0), disc.axis_ratio),
        age=lots.uniform(0.8, 1.1),
    )


def _draw_bar(lots: Lots, config: MockConfig, kind: Int[Array, ""], disc: Disc) -> Bar:
    barred = lots.chance(config.bar_fraction) * (kind != ELLIPTICAL)
    return Bar(
        share=barred * lots.log_uniform(0.05, 0.35),
        length=jnp.maximum(lots.uniform(0.35, 0.95) * disc.effective_radius, 2.0),
        axis_ratio=lots.uniform(0.2, 0.5),
        angle=lots.angle() / 2,
    )


def _draw_arms(lots: Lots, config: MockConfig, kind, disc: Disc, bulge: Bulge, bar: Bar) -> Arms:
    spiral = (kind == SPIRAL).astype(jnp.float32)
    count = lots.choice(config.arm_count_fractions) + 1
    flocculence = lots.uniform(*config.flocculence) ** 1.5
    low, high = config.pitch_angle_deg
    pitch = jnp.deg2rad(low + (high - low) * lots.uniform() ** 1.3)
    arm = jnp.arange(MAX_ARMS)
    inner = jnp.maximum(lots.uniform(0.2, 0.7) * disc.effective_radius, 1.2 * bulge.effective_radius)
    inner = jnp.where(bar.share > 0, bar.length * lots.uniform(0.85, 1.05), inner)
    inner = jnp.maximum(inner, 1.5)
    outer = jnp.maximum(lots.uniform(1.1, 2.4) * disc.effective_radius, inner * jnp.exp(2.2 * jnp.tan(pitch)))
    from_bar = (bar.share > 0) & (count <= 2)
    start = jnp.where(from_bar, bar.angle + lots.normal(0.15), lots.angle())
    uneven = lots.normal(0.08 + 0.3 * flocculence, (MAX_ARMS,))
    share = lots.log_uniform(0.02, 0.3) * spiral * lots.chance(0.7)
    clumps = -jnp.log(lots.uniform(0.0, 1.0, (CLUMPS,))) * lots.chance(0.7, (CLUMPS,))
    return Arms(
        count=count * (kind == SPIRAL),
        chirality=jnp.where(lots.chance(0.5) > 0, 1.0, -1.0) * spiral,
        pitch=pitch,
        contrast=spiral * lots.log_uniform(*config.arm_contrast),
        contrast_growth=lots.uniform(-0.3, 2.0),
        inner_radius=inner,
        outer_radius=outer,
        angle=start + 2 * jnp.pi * arm / count + uneven * (arm > 0),
        unwinding=lots.normal(0.05 + 0.15 * flocculence, (MAX_ARMS,)) / jnp.tan(pitch),
        strength=jnp.exp(lots.normal(0.15 + 0.45 * flocculence, (MAX_ARMS,))) * (arm < count),
        length=lots.uniform(0.75 - 0.35 * flocculence, 1.0, (MAX_ARMS,)),
        curvature=lots.normal(0.25) / jnp.tan(pitch) * jnp.minimum(flocculence * 3, 1.0),
        wave=flocculence * lots.uniform(0.0, 0.3, (WAVES,)),
        wave_angle=lots.angle((WAVES,)),
        wave_phase=lots.angle((MAX_ARMS, WAVES)),
        width=lots.uniform(0.06, 0.15),
        width_growth=lots.uniform(0.0, 1.0),
        skew=lots.uniform(0.0, 0.35),
        patchiness=0.05 + flocculence * lots.uniform(0.1, 0.7),
        patch_phase=lots.angle((MAX_ARMS, WAVES)),
        age=disc.age - lots.uniform(0.1, 0.6),
        dust=lots.chance(0.6) * lots.uniform(0.0, 0.7) * spiral,
        dust_offset=lots.uniform(0.8, 1.8),
        clump_share=share * clumps / jnp.maximum(jnp.sum(clumps), 1.0),
        clump_place=lots.uniform(0.1, 0.95, (CLUMPS,)),
        clump_scatter=lots.normal(0.5, (CLUMPS,)),
        clump_size=lots.log_uniform(0.35, 1.3, (CLUMPS,)),
    )


def _draw_neighbours(lots: Lots, config: MockConfig) -> Neighbours:
    shape = (NEIGHBOURS,)
    half = config.image_size / 2
    distance = half * lots.uniform(0.25, 1.3, shape) ** 0.6
    angle = lots.angle(shape)
    is_galaxy = lots.chance(0.6, shape)
    return Neighbours(
        x=distance * jnp.cos(angle),
        y=distance * jnp.sin(angle),
        share=lots.chance(config.neighbour_rate, shape) * lots.log_uniform(0.002, 0.5, shape),
        scale=is_galaxy * lots.log_uniform(0.5, 2.5, shape),
        axis_ratio=lots.uniform(0.3, 1.0, shape),
        angle=lots.angle(shape),
        age=lots.uniform(-0.2, 1.2, shape),
    )
