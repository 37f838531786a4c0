"""HSC-SSP coadd files: image, mask and variance in one FITS file, one file a band.

HDU 1 is the image, 2 the mask (bits named by `MP_*` cards), 3 the variance; each says so in its EXTTYPE card (EXTNAME
in pipeline files). FILTER and FLUXMAG0 stand in the primary header.
"""

from pathlib import Path

import numpy as np
from astropy.io import fits
from jaxtyping import Float32

from flaxgal.survey.opening import image_hdus, kind_of, opened_fits, pixels_of

__all__ = ["coadd_parts", "read_psf"]


def coadd_parts(hdus: fits.HDUList) -> dict[str, int] | None:
    """HDU numbers of "IMAGE", "MASK" and "VARIANCE", or None if this is no coadd file of HSC."""
    parts: dict[str, int] = {}
    for number, hdu in enumerate(hdus[:8]):
        kind = str(hdu.header.get("EXTTYPE", hdu.header.get("EXTNAME", ""))).strip().upper()
        if kind in ("IMAGE", "MASK", "VARIANCE"):
            parts.setdefault(kind, number)
    if not parts and len(hdus) >= 4 and any(key.startswith("MP_") for key in hdus[2].header):
        parts = {"IMAGE": 1, "MASK": 2, "VARIANCE": 3}
    return parts if "IMAGE" in parts and "MASK" in parts else None


def read_psf(path: str | Path) -> Float32[np.ndarray, "y x"]:
    """The point-spread function in a file of HSC's PSF service, or in any FITS file with one image, summing to one.

    Raises
    ------
    ValueError
        If the file is no FITS file with one image, or the image has no light.
    """
    path = Path(path)
    if kind_of(path) != "FITS":
        raise ValueError(f"{path.name}: found a picture; wanted a FITS file with a point-spread function")
    with opened_fits(path) as hdus:
        numbers = image_hdus(hdus)
        image = np.squeeze(pixels_of(hdus[numbers[0]], path.name).astype(np.float64)) if numbers else np.zeros(0)
    if image.ndim != 2 or not np.isfinite(image).all() or not image.sum() > 0:
        raise ValueError(f"{path.name}: found no point-spread function; wanted one image (y, x) with light in it")
    return (image / image.sum()).astype(np.float32)
