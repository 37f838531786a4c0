r"""Mock galaxies rendered in batches on the device, with the exact truth about their arms.

Each galaxy is painted without noise on a grid wider than the picture, its light in every band convolved with a Moffat
point-spread function and moved to its place by fast Fourier transform, and given Gaussian noise of exactly the variance
that comes with it: sky, and photons of the galaxy and its neighbours.

**The arm mask** is what a person would draw: a ridge of constant relative width along each arm, wherever the arm stands
out. With E the light of the arm component after seeing, G all light of the galaxy, both added over bands with weights
1/sky variance, and ⟨⟩ the mean under a Gaussian about twice as wide as the arm, a pixel is arm where

1. it lies within `mask_width` × FWHM / 2 of a crest, the FWHM being that of the arm's Gaussian cross-section on the
   sky broadened by the seeing, and between the arm's ends (they fade over ± 0.1 in ln R),
2. (E − ⟨E⟩) / (G − E + ⟨E⟩) ≥ `mask_contrast`, and
3. (E − ⟨E⟩) ≥ `mask_signal_to_noise` × the noise of the pixel from the sky,

and the outline of the result is smoothed as a brush of about 2 pixels would.
"""

from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Complex, Float, Int, PRNGKeyArray

from flaxgal.config import MockConfig
from flaxgal.mock.arms import across_arms, arm_brightness, arm_ridge, clump_positions, disc_plane, dust_depth
from flaxgal.mock.population import Galaxy, draw_galaxy
from flaxgal.mock.profiles import moffat_pixels, sersic_pixels

__all__ = ["Light", "Mocks", "paint", "render", "see"]

MARGIN = 16
"""Pixels painted beyond each edge of the picture, whose light the seeing brings in."""
PSF_PIXELS = 33
CHUNK = 125
"""Galaxies rendered by one call: bounds the memory, changes no result."""
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
class Mocks:
    """A batch of mock galaxies and the truth about them; light is in nJy, and x runs right and y up."""

    flux: Float[Array, "n band y x"]
    """With noise."""
    variance: Float[Array, "n band y x"]
    """Of the noise, in nJy²."""
    arm_mask: Bool[Array, "n y x"]
    """True = arm, as the module's docstring defines it."""
    bar_mask: Bool[Array, "n y x"]
    """True = within the bar's half-brightness ellipse."""
    arm_flux: Float[Array, "n band"]
    """Light of the galaxy itself (no neighbours, no noise, after seeing) inside `arm_mask`."""
    total_flux: Float[Array, "n band"]
    """The same light in the whole picture."""
    arm_excess_flux: Float[Array, "n band"]
    """Light of the arm component alone in the whole picture: what the arms add to the disc below them."""
    pitch_angle_deg: Float[Array, "n"]
    """In the plane of the disc, averaged over ln R from end to end; NaN without arms."""
    arm_count: Int[Array, "n"]
    chirality: Int[Array, "n"]
    """+1 Z-wise: θ grows outwards along an arm, x right and y up. −1 S-wise. 0 without arms."""
    kind: Int[Array, "n"]
    """0 E, 1 S0, 2 Sp."""
    inclination_deg: Float[Array, "n"]
    """Of the disc: 0 face-on; NaN for E."""
    position_angle_deg: Float[Array, "n"]
    """Of the major axis, from +y (north) towards −x (east), 0 to 180."""
    effective_radius_pixels: Float[Array, "n"]
    """Of the disc along its major axis, or of the whole galaxy for E."""
    signal_to_noise: Float[Array, "n"]
    """Of the light within the half-light ellipse in the last band but one."""
    psf: Float[Array, "n py px"]
    """Light of a star in each pixel, centred; sums to just under 1."""

    @property
    def flux_ratio(self) -> Float[Array, "n band"]:
        """Share of the galaxy's light that lies inside the arm mask."""
        return self.arm_flux / self.total_flux


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Light:
    """Noise-free light of one galaxy in nJy a pixel."""

    galaxy: Bands
    arms: Bands
    """The arm component alone; part of `galaxy`."""


def render(config: MockConfig, key: PRNGKeyArray, number: int, *, first: int = 0) -> Mocks:
    """Mock galaxies `first` to `first + number - 1` of the endless population that `config` and `key` name.

    Galaxy k is the same whatever `first` and `number` are. Memory holds the result and one chunk of 125.

    Raises
    ------
    ValueError
        If `number` is below 1, `first` below 0, or a band is unknown.
    """
    if number < 1 or first < 0:
        raise ValueError(
            f"mocks {first} to {first + number - 1} asked for: number must be at least 1, first at least 0"
        )
    unknown = [band for band in config.bands if band not in SKY_NOISE_NJY]
    if unknown or not config.bands:
        raise ValueError(f"mock bands {config.bands}: choose from {', '.join(SKY_NOISE_NJY)}")
    chunks = []
    for start in range(0, number, CHUNK):
        length = min(CHUNK, number - start)
        padded = length if number < CHUNK else CHUNK
        index = first + start + jnp.arange(padded)
        chunk = _render_chunk(config, key, index)
        chunks.append(jax.tree.map(lambda leaf: leaf[:length], chunk))  # noqa: B023
    return chunks[0] if len(chunks) == 1 else jax.tree.map(lambda *leaves: jnp.concatenate(leaves), *chunks)


@partial(jax.jit, static_argnums=0)
def _render_chunk(config: MockConfig, key: PRNGKeyArray, index: Int[Array, "n"]) -> Mocks:
    return jax.vmap(lambda k: _render_one(config, jax.random.fold_in(key, k)))(index)


def _render_one(config: MockConfig, key: PRNGKeyArray) -> Mocks:
    """One galaxy of the population, with its noise; no leading axis."""
    shape_key, noise_key = jax.random.split(key)
    return see(config, draw_galaxy(config, shape_key), noise_key)


def see(config: MockConfig, galaxy: Galaxy, noise_key: PRNGKeyArray) -> Mocks:
    """One galaxy as the telescope sees it, with the truth about it; no leading axis."""
    light = paint(config, galaxy)
    kernel = _seeing(config, galaxy)
    spectrum = jnp.fft.rfft2(jnp.stack([light.galaxy, light.arms]))
    around = _neighbours(config, galaxy, jnp.sum(light.galaxy, (1, 2)))
    scene = jnp.concatenate([spectrum * _shift(config, galaxy), around[None]]) * kernel
    galaxy_light, arm_light, neighbour_light = _frame(config, jnp.fft.irfft2(scene))
    sky = jnp.asarray([SKY_NOISE_NJY[band] for band in config.bands])[:, None, None]
    variance = sky**2 + ELECTRON_NJY * jnp.maximum(galaxy_light + neighbour_light, 0)
    noise = jnp.sqrt(variance) * jax.random.normal(noise_key, variance.shape)
    spiral = galaxy.arms.count > 0
    disc_x, disc_y = _disc_coordinates(config, galaxy)
    arm_mask = spiral & _arm_mask(config, galaxy, galaxy_light / sky**2, arm_light / sky**2, sky)
    return Mocks(
        flux=galaxy_light + neighbour_light + noise,
        variance=variance,
        arm_mask=arm_mask,
        bar_mask=(galaxy.bar.share > 0) & (_bar_radius(galaxy, *disc_plane(galaxy.disc, disc_x, disc_y)) < 1),
        arm_flux=jnp.sum(galaxy_light * arm_mask, (1, 2)),
        total_flux=jnp.sum(galaxy_light, (1, 2)),
        arm_excess_flux=jnp.sum(arm_light, (1, 2)),
        pitch_angle_deg=jnp.where(spiral, jnp.rad2deg(galaxy.arms.pitch), jnp.nan),
        arm_count=galaxy.arms.count,
        chirality=galaxy.arms.chirality.astype(jnp.int32),
        kind=galaxy.kind,
        inclination_deg=jnp.where(galaxy.kind == 0, jnp.nan, galaxy.disc.inclination_deg),
        position_angle_deg=(jnp.rad2deg(galaxy.disc.angle) - 90) % 180,
        effective_radius_pixels=jnp.where(
            galaxy.kind == 0, galaxy.bulge.effective_radius, galaxy.disc.effective_radius
        ),
        signal_to_noise=galaxy.signal_to_noise,
        psf=moffat_pixels(PSF_PIXELS, fwhm=galaxy.fwhm, beta=galaxy.moffat_beta),
    )


# --- painting, in the plane of the sky, centred on pixel (size // 2, size // 2) of the wide grid ---


def paint(config: MockConfig, galaxy: Galaxy) -> Light:
    """Light of the galaxy before seeing, on a grid 16 pixels wider than the picture on each side."""
    size = config.image_size + 2 * MARGIN
    axis = jnp.arange(size, dtype=jnp.float32) - size // 2
    x, y = jnp.broadcast_to(axis, (size, size)), jnp.broadcast_to(axis[:, None], (size, size))
    disc, arms = galaxy.disc, galaxy.arms
    radius, angle = disc_plane(disc, x, y)
    exponential = (1 - galaxy.bulge.share) * sersic_pixels(
        size, effective_radius=disc.effective_radius, n=1.0, axis_ratio=disc.axis_ratio, angle=disc.angle
    )
    distances = across_arms(arms, radius, angle)
    arm = exponential * arm_brightness(arms, radius, distances) + _clumps(galaxy, axis)
    bulge = galaxy.bulge.share * sersic_pixels(
        size,
        effective_radius=galaxy.bulge.effective_radius,
        n=galaxy.bulge.n,
        axis_ratio=galaxy.bulge.axis_ratio,
        angle=disc.angle,
    )
    bulge = bulge.at[size // 2, size // 2].add(galaxy.nucleus)
    bar = jnp.exp(-jnp.log(2.0) * _bar_radius(galaxy, radius, angle) ** 3)
    bar = bar * galaxy.bar.share * (1 - galaxy.bulge.share) / jnp.maximum(jnp.sum(bar), 1.0)
    smooth = exponential * _disc_modulation(galaxy, radius, angle)
    depth = dust_depth(arms, radius, distances)
    layers = []
    for band in config.bands:
        screen = jnp.exp(-DUST[band] * depth)
        arm_light = arm * screen * _colour(galaxy, arms.age, band)
        rest = (bulge + bar) * _colour(galaxy, galaxy.bulge.age, band) + smooth * _colour(galaxy, disc.age, band)
        layers.append((rest * screen + arm_light, arm_light))
    whole, arm_bands = (jnp.stack(layer) for layer in zip(*layers, strict=True))
    scale = _reference_flux(config, galaxy) / jnp.sum(whole[_reference_band(config)])
    return Light(galaxy=whole * scale, arms=arm_bands * scale)


def _disc_modulation(galaxy: Galaxy, radius: Grid, angle: Grid) -> Grid:
    """What the disc's exponential is multiplied by: break, ring and mottling."""
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


def _bar_radius(galaxy: Galaxy, radius: Grid, angle: Grid) -> Grid:
    """Generalised-ellipse radius of the bar: 1 at its half-brightness outline."""
    along = radius * jnp.cos(angle - galaxy.bar.angle) / galaxy.bar.length
    across = radius * jnp.sin(angle - galaxy.bar.angle) / (galaxy.bar.length * galaxy.bar.axis_ratio)
    return ((along**2 + 1e-8) ** 1.25 + (across**2 + 1e-8) ** 1.25) ** 0.4


def _clumps(galaxy: Galaxy, axis: Float[Array, "size"]) -> Grid:
    """Star-forming clumps along the arms: round Gaussians."""
    arms = galaxy.arms
    x, y = clump_positions(arms, galaxy.disc)
    width = arms.clump_size[:, None]
    row = jnp.exp(-0.5 * ((axis - x[:, None]) / width) ** 2)
    column = jnp.exp(-0.5 * ((axis - y[:, None]) / width) ** 2)
    share = arms.clump_share * (1 - galaxy.bulge.share) / (2 * jnp.pi * arms.clump_size**2)
    return jnp.einsum("c,cy,cx->yx", share, column, row)


def _colour(galaxy: Galaxy, age, band: str):
    """Flux in a band over that in r."""
    magnitude = YOUNG_COLOUR[band] + age * (OLD_COLOUR[band] - YOUNG_COLOUR[band])
    return 10 ** (-0.4 * (magnitude + galaxy.reddening * REDDENING[band]))


def _reference_band(config: MockConfig) -> int:
    return max(len(config.bands) - 2, 0)


def _reference_flux(config: MockConfig, galaxy: Galaxy) -> Float[Array, ""]:
    """Flux in the reference band, in nJy, of a galaxy with the wanted signal-to-noise ratio.

    Half the flux F over its noise: S = (F/2) / sqrt(A σ² + e F/2), A the area of the half-light ellipse (at least that
    of the seeing disc), σ the sky's noise in a pixel, e the flux of one electron.
    """
    radius = jnp.where(galaxy.kind == 0, galaxy.bulge.effective_radius, galaxy.disc.effective_radius)
    ratio = jnp.where(galaxy.kind == 0, galaxy.bulge.axis_ratio, galaxy.disc.axis_ratio)
    area = jnp.pi * (radius**2 * ratio + (galaxy.fwhm / 2) ** 2)
    sky = area * SKY_NOISE_NJY[config.bands[_reference_band(config)]] ** 2
    photons = galaxy.signal_to_noise**2 * ELECTRON_NJY
    return photons + jnp.sqrt(photons**2 + 4 * galaxy.signal_to_noise**2 * sky)


# --- seeing and place, by Fourier transform of the wide grid ---


def _frequencies(size: int) -> tuple[Float[Array, "1 kx"], Float[Array, "ky 1"]]:
    """Angular frequencies in radians a pixel, as `jnp.fft.rfft2` orders them."""
    return (
        2 * jnp.pi * jnp.asarray(np.fft.rfftfreq(size), jnp.float32)[None, :],
        2 * jnp.pi * jnp.asarray(np.fft.fftfreq(size), jnp.float32)[:, None],
    )


def _seeing(config: MockConfig, galaxy: Galaxy) -> Complex[Array, "ky kx"]:
    """Transform of the point-spread function, integrated over pixels."""
    size = config.image_size + 2 * MARGIN
    star = moffat_pixels(size, fwhm=galaxy.fwhm, beta=galaxy.moffat_beta)
    return jnp.fft.rfft2(jnp.fft.ifftshift(star))


def _phase(size: int, x, y) -> Complex[Array, "ky kx"]:
    """Moves an image by x, y pixels."""
    kx, ky = _frequencies(size)
    return jnp.exp(-1j * kx * x) * jnp.exp(-1j * ky * y)


def _shift(config: MockConfig, galaxy: Galaxy) -> Complex[Array, "ky kx"]:
    """Moves the middle of the grid's central pixel to the galaxy's place about the middle of the picture."""
    half = (config.image_size - 1) / 2 - config.image_size // 2
    return _phase(config.image_size + 2 * MARGIN, galaxy.offset_x + half, galaxy.offset_y + half)


def _neighbours(config: MockConfig, galaxy: Galaxy, total: Float[Array, "band"]) -> Complex[Array, "band ky kx"]:
    """Transform of the neighbours: an inclined exponential disc of scale h is (1 + h² k²)^(−3/2), a star is 1."""
    size, near = config.image_size + 2 * MARGIN, galaxy.neighbours
    kx, ky = _frequencies(size)
    middle = (config.image_size - 1) / 2 + MARGIN
    reference = total[_reference_band(config)]
    bands = [jnp.zeros((size, size // 2 + 1), jnp.complex64) for _ in config.bands]
    for j in range(near.x.shape[-1]):
        cos, sin = jnp.cos(near.angle[j]), jnp.sin(near.angle[j])
        along, across = kx * cos + ky * sin, (ky * cos - kx * sin) * near.axis_ratio[j]
        profile = (1 + near.scale[j] ** 2 * (along**2 + across**2)) ** -1.5
        image = reference * near.share[j] * profile * _phase(size, middle + near.x[j], middle + near.y[j])
        for b, band in enumerate(config.bands):
            bands[b] = bands[b] + image * _colour(galaxy, near.age[j], band)
    return jnp.stack(bands)


def _frame(config: MockConfig, image: Float[Array, "*n wide wide"]) -> Float[Array, "*n y x"]:
    inside = slice(MARGIN, MARGIN + config.image_size)
    return image[..., inside, inside]


# --- masks ---


def _disc_coordinates(config: MockConfig, galaxy: Galaxy) -> tuple[Grid, Grid]:
    """x and y of the picture's pixels from the galaxy's centre."""
    axis = jnp.arange(config.image_size, dtype=jnp.float32) - (config.image_size - 1) / 2
    shape = (config.image_size, config.image_size)
    return jnp.broadcast_to(axis - galaxy.offset_x, shape), jnp.broadcast_to((axis - galaxy.offset_y)[:, None], shape)


def _arm_mask(config: MockConfig, galaxy: Galaxy, whole: Bands, arms: Bands, sky: Float[Array, "band 1 1"]):
    """The arm mask as the module's docstring defines it; `whole` and `arms` are divided by the sky's variance."""
    whole, arms = jnp.sum(whole, 0), jnp.sum(arms, 0)
    noise = jnp.sqrt(jnp.sum(1 / sky**2))
    spread = 1.2 * jnp.sqrt((galaxy.fwhm / 2.355) ** 2 + (0.08 * galaxy.disc.effective_radius) ** 2) + 1.0
    around = _blur(arms, spread)
    height = arms - around
    stands_out = (height >= config.mask_contrast * (whole - arms + around)) & (
        height >= config.mask_signal_to_noise * noise
    )
    ridge = arm_ridge(
        galaxy.arms,
        galaxy.disc,
        *_disc_coordinates(config, galaxy),
        seeing=galaxy.fwhm / 2.355,
        width=config.mask_width,
    )
    return _blur((ridge & stands_out).astype(jnp.float32), 0.8) > 0.5


def _blur(image: Grid, sigma) -> Grid:
    """Gaussian mean around each pixel; outside the picture counts as zero, and wraps at most faintly."""
    size = image.shape[-1]
    kx, ky = _frequencies(2 * size)
    wide = jnp.pad(image, ((0, size), (0, size)))
    return jnp.fft.irfft2(jnp.fft.rfft2(wide) * jnp.exp(-0.5 * sigma**2 * (kx**2 + ky**2)))[:size, :size]
