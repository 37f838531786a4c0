"""Point-spread functions: what a star looks like, and the kernel that makes one seeing look like another.

Images of a PSF hold the light in whole pixels, sum to one, and are centred by their first moments.
"""

import numpy as np
from jaxtyping import Complex, Float, Float64

__all__ = ["convolve", "convolved_psf", "matching_kernel", "misplaced_light", "moffat_psf"]

OVERSAMPLING = 7
REGULARISATION = 1e-5
"""Noise-to-signal power of a PSF image, times the roughness that it penalises: low frequencies are matched exactly."""


def moffat_psf(fwhm_pixels: float, *, beta: float = 3.0, size: int | None = None) -> Float64[np.ndarray, "n n"]:
    """A Moffat function added up over pixels: (1 + (r/a)²)^−β, cut off at `size` pixels (by default at 4 FWHM)."""
    if not (np.isfinite(fwhm_pixels) and fwhm_pixels > 0 and beta > 1):
        raise ValueError(f"a PSF of FWHM {fwhm_pixels:g} pixels and beta {beta:g}, expected above 0 and above 1")
    side = 2 * int(np.ceil(4 * fwhm_pixels)) + 1 if size is None else size
    fine = (np.arange(side * OVERSAMPLING) + 0.5) / OVERSAMPLING - side / 2
    scale = fwhm_pixels / (2 * np.sqrt(2 ** (1 / beta) - 1))
    light = (1 + (fine[:, None] ** 2 + fine**2) / scale**2) ** -beta
    pixels = light.reshape(side, OVERSAMPLING, side, OVERSAMPLING).sum((1, 3))
    return pixels / pixels.sum()


def matching_kernel(
    psf: Float[np.ndarray, "y x"], wanted: Float[np.ndarray, "v u"], *, regularisation: float = REGULARISATION
) -> Float64[np.ndarray, "n n"]:
    """What an image seen through `psf` is convolved with to look as if seen through `wanted`; sums to one.

    The regularised ratio of the transforms, T S* / (|S|² + μ |L|²) with L the Laplacian's transform, which leaves low
    frequencies alone and does not blow up those that the PSF has lost (Boucaud et al. 2016, A&A 596, A63, eq. 16).
    Where the wanted PSF is the sharper one it sharpens only as far as the regularisation allows; `misplaced_light`
    tells how well that went.
    """
    side = _odd(max(*psf.shape, *wanted.shape))
    grid = 2 * side + 1
    source, target = (_transform(_unit(image), grid) for image in (psf, wanted))
    y, x = np.fft.fftfreq(grid)[:, None], np.fft.rfftfreq(grid)
    roughness = (4 * np.sin(np.pi * y) ** 2 + 4 * np.sin(np.pi * x) ** 2) ** 2
    ratio = target * source.conj() / (np.abs(source) ** 2 + regularisation * roughness)
    kernel = np.fft.fftshift(np.fft.irfft2(ratio, (grid, grid)))
    return kernel / kernel.sum()


def convolved_psf(psf: Float[np.ndarray, "y x"], kernel: Float[np.ndarray, "n n"]) -> Float64[np.ndarray, "m m"]:
    """What a star looks like after its image is convolved with a kernel: centred, on an odd number of pixels."""
    grid = _odd(max(psf.shape) + len(kernel))
    product = _transform(_unit(psf), grid) * _transform(kernel.astype(np.float64), grid, centred=False)
    return np.fft.fftshift(np.fft.irfft2(product, (grid, grid)))


def misplaced_light(found: Float[np.ndarray, "y x"], wanted: Float[np.ndarray, "v u"]) -> float:
    """The share of a star's light that lies in other pixels than it should: half of Σ |found − wanted|."""
    grid = _odd(max(*found.shape, *wanted.shape))
    images = [np.fft.irfft2(_transform(_unit(image), grid), (grid, grid)) for image in (found, wanted)]
    return float(np.abs(images[0] - images[1]).sum() / 2)


def convolve(
    image: Float[np.ndarray, "*batch y x"], kernel: Float[np.ndarray, "n m"]
) -> Float64[np.ndarray, "*batch y x"]:
    """An image seen through a kernel; beyond its edges it goes on as its mirror image, so that no light is lost."""
    from scipy.signal import fftconvolve

    reach = [side // 2 for side in kernel.shape]
    room = [(0, 0)] * (image.ndim - 2) + [(r, r) for r in reach]
    wide = np.pad(image.astype(np.float64), room, mode="symmetric")
    return fftconvolve(wide, kernel[(None,) * (image.ndim - 2)], mode="valid", axes=(-2, -1))


def _odd(side: int) -> int:
    return side | 1


def _unit(psf: np.ndarray) -> np.ndarray:
    total = psf.astype(np.float64).sum()
    if not (np.isfinite(total) and total > 0):
        raise ValueError(f"a PSF whose light sums to {total:g}, expected an image of a star; fetch it again")
    return psf / total


def _transform(image: np.ndarray, grid: int, *, centred: bool = True) -> Complex[np.ndarray, "ky kx"]:
    """Transform of an image whose middle (its centre of light if `centred`) is the origin."""
    y, x = image.shape
    wide = np.zeros((grid, grid))
    wide[:y, :x] = image
    at = _centre_of_light(image) if centred else ((y - 1) / 2, (x - 1) / 2)
    ky, kx = np.fft.fftfreq(grid)[:, None], np.fft.rfftfreq(grid)
    return np.fft.rfft2(wide) * np.exp(2j * np.pi * (ky * at[0] + kx * at[1]))


def _centre_of_light(psf: np.ndarray) -> tuple[float, float]:
    """First moments about the brightest pixel, of pixels above a tenth of it: wings hold noise."""
    light = np.where(psf > 0.1 * psf.max(), psf, 0)
    y, x = np.indices(psf.shape)
    return float((light * y).sum() / light.sum()), float((light * x).sum() / light.sum())
