"""Mock galaxies rendered in batches on the device, with the exact truth about their arms.

Each galaxy is drawn from a population (`population.py`), painted without noise on a grid wider than the picture
(`painting.py`, `arms.py`), convolved with a Moffat point-spread function and moved to its place together with its
neighbours (`seeing.py`), and given Gaussian noise of exactly the variance that comes with it: sky, and photons of the
galaxy and its neighbours. What counts as arm is defined in `truth.py`.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key, PRNGKeyArray

from flaxgal.config import MockConfig
from flaxgal.mock.painting import ELECTRON_NJY, SKY_NOISE_NJY, colour, paint, reference_band
from flaxgal.mock.population import Galaxy, draw_galaxy
from flaxgal.mock.profiles import moffat_pixels
from flaxgal.mock.seeing import frame, neighbour_spectra, psf_spectrum, shift_spectrum
from flaxgal.mock.truth import arm_mask, bar_mask

__all__ = ["Mocks", "drawn", "render", "see"]

PSF_PIXELS = 33
CHUNK = 128
"""Galaxies rendered by one call: bounds the memory, changes no result."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Mocks:
    """A batch of mock galaxies and the truth about them; light is in nJy, and x runs right and y up.

    From `render` the leading axis n counts galaxies; `see` makes one, without it.
    """

    flux: Float[Any, "*n band y x"]
    """With noise."""
    variance: Float[Any, "*n band y x"]
    """Of the noise, in nJy²."""
    arm_mask: Bool[Any, "*n y x"]
    """True = arm, as the module's docstring defines it."""
    bar_mask: Bool[Any, "*n y x"]
    """True = within the bar's half-brightness ellipse."""
    arm_flux: Float[Any, "*n band"]
    """Light of the galaxy itself (no neighbours, no noise, after seeing) inside `arm_mask`."""
    total_flux: Float[Any, "*n band"]
    """The same light in the whole picture."""
    arm_excess_flux: Float[Any, "*n band"]
    """Light of the arm component alone in the whole picture: what the arms add to the disc below them."""
    pitch_angle_deg: Float[Any, "*n"]
    """In the plane of the disc, averaged over ln R from end to end; NaN without arms."""
    arm_count: Int[Any, "*n"]
    chirality: Int[Any, "*n"]
    """+1 Z-wise: θ grows outwards along an arm, x right and y up. −1 S-wise. 0 without arms."""
    kind: Int[Any, "*n"]
    """0 E, 1 S0, 2 Sp."""
    bulge_share: Float[Any, "*n"]
    """Of the light of bulge and disc together; 1 for E."""
    inclination_deg: Float[Any, "*n"]
    """Of the disc: 0 face-on; NaN for E."""
    position_angle_deg: Float[Any, "*n"]
    """Of the major axis, from +y (north) towards −x (east), 0 to 180."""
    effective_radius_pixels: Float[Any, "*n"]
    """Of the disc along its major axis, or of the whole galaxy for E."""
    signal_to_noise: Float[Any, "*n"]
    """Of the light within the half-light ellipse in the last band but one."""
    psf: Float[Any, "*n py px"]
    """Light of a star in each pixel, centred; sums to just under 1."""

    @property
    def flux_ratio(self) -> Float[Any, "*n band"]:
        """Share of the galaxy's light that lies inside the arm mask."""
        return self.arm_flux / self.total_flux


def render(config: MockConfig, key: PRNGKeyArray, number: int, *, first: int = 0) -> Mocks:
    """Mock galaxies `first` to `first + number - 1` of the endless population that `config` and `key` name.

    Galaxy k is the same whatever `first` and `number` are. Memory holds the result and one chunk of 128 galaxies.

    Raises
    ------
    ValueError
        If `number` is below 1, `first` below 0, or a band is unknown.
    """
    if number < 1 or first < 0:
        raise ValueError(f"{number} mocks from number {first} on: number must be at least 1 and first at least 0")
    unknown = [band for band in config.bands if band not in SKY_NOISE_NJY]
    if unknown or not config.bands:
        raise ValueError(f"mock bands {list(config.bands)}: choose from {', '.join(SKY_NOISE_NJY)}")
    size = min(CHUNK, 1 << (number - 1).bit_length())  # few sizes, so that few programs are compiled
    starts = range(0, number, size)
    chunks = [_render_chunk(config, key, first + start + jnp.arange(size)) for start in starts]
    chunks[-1] = jax.tree.map(lambda leaf: leaf[: number - starts[-1]], chunks[-1])
    return chunks[0] if len(chunks) == 1 else jax.tree.map(lambda *leaves: jnp.concatenate(leaves), *chunks)


@partial(jax.jit, static_argnums=0)
def _render_chunk(config: MockConfig, key: PRNGKeyArray, index: Int[Array, " n"]) -> Mocks:
    return jax.vmap(lambda k: see(config, drawn(config, key, k), _keys(key, k)[1]))(index)


def drawn(config: MockConfig, key: PRNGKeyArray, index: Int[Array, ""] | int) -> Galaxy:
    """Galaxy number `index` of the population that `config` and `key` name, as `render` draws it."""
    return draw_galaxy(config, _keys(key, index)[0])


def _keys(key: PRNGKeyArray, index: Int[Array, ""] | int) -> Key[Array, " 2"]:
    """Of a galaxy's shape and of its noise."""
    return jax.random.split(jax.random.fold_in(key, index))


def see(config: MockConfig, galaxy: Galaxy, noise_key: PRNGKeyArray) -> Mocks:
    """One galaxy as the telescope sees it, and the truth about it; the result has no leading axis."""
    galaxy_light, arm_light, neighbour_light = _light_in_frame(config, galaxy)
    sky = jnp.asarray([SKY_NOISE_NJY[band] for band in config.bands])
    variance = sky[:, None, None] ** 2 + ELECTRON_NJY * jnp.maximum(galaxy_light + neighbour_light, 0)
    noise = jnp.sqrt(variance) * jax.random.normal(noise_key, variance.shape)
    mask = arm_mask(config, galaxy, galaxy_light, arm_light, sky)
    elliptical, spiral = galaxy.kind == 0, galaxy.arms.count > 0
    return Mocks(
        flux=galaxy_light + neighbour_light + noise,
        variance=variance,
        arm_mask=mask,
        bar_mask=bar_mask(config, galaxy),
        arm_flux=jnp.sum(galaxy_light * mask[None], (1, 2)),
        total_flux=jnp.sum(galaxy_light, (1, 2)),
        arm_excess_flux=jnp.sum(arm_light, (1, 2)),
        pitch_angle_deg=jnp.where(spiral, jnp.rad2deg(galaxy.arms.pitch), jnp.nan),
        arm_count=galaxy.arms.count,
        chirality=galaxy.arms.chirality.astype(jnp.int32),
        kind=galaxy.kind,
        bulge_share=galaxy.bulge.share,
        inclination_deg=jnp.where(elliptical, jnp.nan, galaxy.disc.inclination_deg),
        position_angle_deg=(jnp.rad2deg(galaxy.disc.angle) - 90) % 180,
        effective_radius_pixels=jnp.where(elliptical, galaxy.bulge.effective_radius, galaxy.disc.effective_radius),
        signal_to_noise=galaxy.signal_to_noise,
        psf=moffat_pixels(PSF_PIXELS, fwhm=galaxy.fwhm, beta=galaxy.moffat_beta),
    )


def _light_in_frame(config: MockConfig, galaxy: Galaxy) -> Float[Array, "3 band y x"]:
    """Light after seeing, without noise: the galaxy's, of that its arm component's alone, and the neighbours'."""
    size = config.image_size
    light = paint(config, galaxy)
    shift = shift_spectrum(size, galaxy.offset_x, galaxy.offset_y)
    own = jnp.fft.rfft2(jnp.stack([light.galaxy, light.arms])) * shift[None, None]
    near = galaxy.neighbours
    reference = jnp.sum(light.galaxy[reference_band(config)])
    share = jnp.stack([near.share * colour(galaxy, near.age, band) for band in config.bands])
    around = reference * jnp.einsum("bn,nyx->byx", share, neighbour_spectra(near, size))
    seeing = psf_spectrum(size, fwhm=galaxy.fwhm, beta=galaxy.moffat_beta)
    shape = light.galaxy.shape[-2:]  # said, as an odd number of columns cannot be told from the spectrum
    wide = jnp.fft.irfft2(jnp.concatenate([own, around[None]]) * seeing[None, None], s=shape)
    return frame(wide, size)
