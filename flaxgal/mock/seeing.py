"""Seeing and place: images convolved and moved by fast Fourier transform, on a grid wider than the picture."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Float

from flaxgal.mock.population import Neighbours
from flaxgal.mock.profiles import moffat

__all__ = ["MARGIN", "blur", "frame", "neighbour_spectra", "psf_spectrum", "shift_spectrum", "wide_axis"]

MARGIN = 16
"""Pixels painted beyond each edge of the picture, whose light the seeing brings in."""

Spectrum = Complex[Array, "ky kx"]
Scalar = Float[Array, ""] | float


def wide_axis(image_size: int) -> Float[Array, " wide"]:
    """Coordinates of the wide grid's pixels; 0 is the middle of pixel number size // 2."""
    size = image_size + 2 * MARGIN
    return jnp.arange(size, dtype=jnp.float32) - size // 2


def frame(wide: Float[Array, "*n wide wide"], image_size: int) -> Float[Array, "*n y x"]:
    """The picture within a wide grid."""
    inside = slice(MARGIN, MARGIN + image_size)
    return wide[..., inside, inside]


def _frequencies(size: int) -> tuple[Float[Array, "1 kx"], Float[Array, "ky 1"]]:
    """Angular frequencies in radians a pixel, as `jnp.fft.rfft2` orders them."""
    return (
        jnp.asarray(2 * np.pi * np.fft.rfftfreq(size), jnp.float32)[None, :],
        jnp.asarray(2 * np.pi * np.fft.fftfreq(size), jnp.float32)[:, None],
    )


def psf_spectrum(image_size: int, *, fwhm: Scalar, beta: Scalar) -> Spectrum:
    """What a wide grid's transform is multiplied by to be seen through a Moffat function.

    The function is sampled, not integrated over pixels, because the wide grid holds light already added up in pixels.
    """
    axis = wide_axis(image_size)
    star = moffat(axis[None, :], axis[:, None], fwhm=fwhm, beta=beta)
    return jnp.fft.rfft2(jnp.fft.ifftshift(star))


def shift_spectrum(image_size: int, x: Scalar, y: Scalar) -> Spectrum:
    """What a wide grid's transform is multiplied by to move what is at its 0, 0 to x, y from the picture's middle."""
    half = (image_size - 1) / 2 - image_size // 2
    return _phase(image_size + 2 * MARGIN, x + half, y + half)


def _phase(size: int, x: Scalar, y: Scalar) -> Spectrum:
    kx, ky = _frequencies(size)
    return jnp.exp(-1j * kx * x) * jnp.exp(-1j * ky * y)


def neighbour_spectra(neighbours: Neighbours, image_size: int) -> Complex[Array, "neighbour ky kx"]:
    """Transform of each neighbour's light in pixels, in its place, for unit flux.

    (1 + h² k²)^(−3/2) for an inclined exponential disc of scale length h, which is 1 for a star; times that of a pixel.
    """
    size = image_size + 2 * MARGIN
    kx, ky = _frequencies(size)
    angle, ratio, scale = (leaf[:, None, None] for leaf in (neighbours.angle, neighbours.axis_ratio, neighbours.scale))
    kx, ky = kx[None], ky[None]
    along = kx * jnp.cos(angle) + ky * jnp.sin(angle)
    across = (ky * jnp.cos(angle) - kx * jnp.sin(angle)) * ratio
    middle = (image_size - 1) / 2 + MARGIN
    place_x = jnp.exp(-1j * kx * (middle + neighbours.x[:, None, None]))
    place_y = jnp.exp(-1j * ky * (middle + neighbours.y[:, None, None]))
    pixel = jnp.sinc(kx / (2 * jnp.pi)) * jnp.sinc(ky / (2 * jnp.pi))
    return (1 + scale**2 * (along**2 + across**2)) ** -1.5 * (place_x * place_y * pixel)


def blur(images: Float[Array, "*n y x"], sigma: Scalar) -> Float[Array, "*n y x"]:
    """Mean under a Gaussian around each pixel; what lies outside the picture counts as zero."""
    size = images.shape[-1]
    axis = jnp.arange(size, dtype=jnp.float32)
    weight = jnp.exp(-0.5 * ((axis[:, None] - axis[None]) / sigma) ** 2) / (jnp.sqrt(2 * jnp.pi) * sigma)
    return jnp.einsum("ij,...jk,lk->...il", weight, images, weight)
