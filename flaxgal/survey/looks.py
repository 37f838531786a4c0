"""How the pictures of a survey look: pixels, seeing, depth, size. What one survey needs to be mistaken for another."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Float64

from flaxgal.survey.cutout import Cutout
from flaxgal.survey.psf_matching import moffat_psf
from flaxgal.survey.resample import resample_flux
from flaxgal.survey.sky import sky_level

__all__ = ["GZ3D", "HSC", "LOOKS", "SDSS", "Look", "core_brightness", "look_of", "pixel_noise", "psf_on"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Look:
    """What the images of a survey have in common, in every band.

    The seeing is a Moffat function unless `psf` gives an image of it.
    """

    name: str
    pixel_scale_arcsec: float
    psf_fwhm_arcsec: float
    psf_beta: float = 3.0
    psf: Float[np.ndarray, "y x"] | None = None
    """Image of a star on the look's own pixels, in place of the Moffat function."""
    noise_njy: float | None = None
    """Standard deviation of the empty sky, a pixel. None: noise is left as it comes."""
    core_to_noise: float | None = None
    """Brightness of a galaxy's core over the sky's noise, a pixel: the depth of images without a zero point."""
    image_size: int | None = None
    """Side of the square that is cut out, in pixels. None: all that was there."""

    def __post_init__(self) -> None:
        for name in ("pixel_scale_arcsec", "psf_fwhm_arcsec", "psf_beta", "noise_njy", "core_to_noise", "image_size"):
            value: Any = getattr(self, name)
            if value is not None and not (np.isfinite(value) and value > 0):
                raise ValueError(f"look {self.name}: {name} is {value}, expected a number above 0")


HSC = Look(name="HSC", pixel_scale_arcsec=0.168, psf_fwhm_arcsec=0.6, noise_njy=3.0, core_to_noise=150.0, image_size=64)
"""HSC-SSP Wide. Median seeing in i (Aihara et al. 2019, PASJ 71, 114); noise of an r-band coadd, from its variance.

The core is that of published i-band pictures of spirals (31, of Tadaki et al. 2020): half have 120 to 210 or more.
"""

SDSS = Look(name="SDSS", pixel_scale_arcsec=0.396, psf_fwhm_arcsec=1.3, noise_njy=108.0, core_to_noise=40.0)
"""SDSS imaging. Medians of real images of spirals: 0.030 nanomaggies a pixel (6 images); core over noise (25)."""

GZ3D = Look(name="GZ3D", pixel_scale_arcsec=0.099, psf_fwhm_arcsec=1.3, core_to_noise=40.0, image_size=525)
"""SDSS pictures as Galaxy Zoo: 3D showed them: enlarged four times."""

LOOKS = {look.name: look for look in (HSC, SDSS, GZ3D)}


def look_of(cutout: Cutout, band: str | None = None) -> Look:
    """The look of a real image in one band (by default its first), to make others alike.

    Raises
    ------
    ValueError
        If the cutout has no pixel scale or no PSF in that band.
    """
    name = band or cutout.bands[0]
    chosen = cutout.select((name,))
    if chosen.pixel_scale_arcsec is None or name not in chosen.psf:
        missing = "pixel scale" if chosen.pixel_scale_arcsec is None else f"PSF in band {name}"
        raise ValueError(
            f"{cutout.object_id}: no {missing}, without which there is no look to copy; read the cutout with "
            f"pixel_scale_arcsec=… and psf=FILE"
        )
    level, _ = sky_level(chosen.flux)
    variance = None if chosen.variance is None else chosen.variance[chosen.variance > 0]
    noise = (
        pixel_noise(chosen.flux[0]) if variance is None or not variance.size else float(np.sqrt(np.median(variance)))
    )
    core = core_brightness(chosen.flux[0]) - float(level[0])
    y, x = cutout.image_shape
    return Look(
        name=cutout.object_id,
        pixel_scale_arcsec=chosen.pixel_scale_arcsec,
        psf_fwhm_arcsec=_fwhm_pixels(chosen.psf[name]) * chosen.pixel_scale_arcsec,
        psf=chosen.psf[name],
        noise_njy=noise if cutout.unit == "nJy" and noise > 0 else None,
        core_to_noise=core / noise if noise > 0 and core > 0 else None,
        image_size=y if y == x else None,
    )


def psf_on(look: Look, pixel_scale_arcsec: float) -> Float64[np.ndarray, "n n"]:
    """What a star looks like through a look's seeing on pixels of another size; sums to one."""
    if look.psf is None:
        return moffat_psf(look.psf_fwhm_arcsec / pixel_scale_arcsec, beta=look.psf_beta)
    step = pixel_scale_arcsec / look.pixel_scale_arcsec
    if step == 1:
        return look.psf / look.psf.sum(dtype=np.float64)
    side = int(max(look.psf.shape) / step) | 1
    image = resample_flux(look.psf, (side, side), step)
    return image / image.sum()


def core_brightness(image: Float[np.ndarray, "y x"]) -> float:
    """The brightest 3 × 3 pixels on average in the middle half of a frame, where the galaxy is."""
    y, x = image.shape
    filled = np.nan_to_num(image, nan=float(np.nan_to_num(np.nanmedian(image))) if np.isfinite(image).any() else 0.0)
    around = np.pad(filled, 1, mode="edge")
    mean = np.lib.stride_tricks.sliding_window_view(around, (3, 3)).mean((-2, -1))
    return float(mean[y // 4 : y - y // 4, x // 4 : x - x // 4].max())


def pixel_noise(image: Float[np.ndarray, "y x"]) -> float:
    """Standard deviation of the noise from pixel to pixel, also where a galaxy fills the frame; 0 if none is seen.

    From the median size of what the mask (1 −2 1) ⊗ (1 −2 1) leaves of an image, which no smooth light survives
    (after Immerkær 1996, Computer Vision and Image Understanding 64, 300).
    """
    rows = image[:-2].astype(np.float64) - 2 * image[1:-1] + image[2:]
    left = np.abs(rows[:, :-2] - 2 * rows[:, 1:-1] + rows[:, 2:])
    left = left[np.isfinite(left)]
    return float(1.4826 * np.median(left) / 6) if left.size else 0.0


def _fwhm_pixels(psf: np.ndarray) -> float:
    """Diameter of the circle with the area of the pixels above half of the brightest one."""
    return float(2 * np.sqrt((psf > psf.max() / 2).sum() / np.pi))
