"""HSC-SSP coadd files: image, mask and variance in one FITS file, one file a band.

HDU 1 is the image, 2 the mask (bits named by `MP_*` cards), 3 the variance; each says so in its EXTTYPE card (EXTNAME
in pipeline files). FILTER and FLUXMAG0 stand in the primary header.
"""

from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from jaxtyping import Float32

from flaxgal.survey.opening import IMAGE_KINDS, image_hdus, kind_of, opened_fits, pixels_of

__all__ = ["coadd_parts", "read_psf"]


def coadd_parts(hdus: fits.HDUList, name: object) -> dict[str, int] | None:
    """HDU numbers of "IMAGE", "MASK" and "VARIANCE", or None if the file called `name` is no coadd of HSC.

    Raises
    ------
    ValueError
        If it is one, by its EXTTYPE card or the cards of its mask, and lacks the image, the mask or the variance.
    """
    parts: dict[str, int] = {}
    for number, hdu in enumerate(hdus[:8]):
        kind = str(hdu.header.get("EXTTYPE", hdu.header.get("EXTNAME", ""))).strip().upper()
        if kind in ("IMAGE", "MASK", "VARIANCE") and isinstance(hdu, IMAGE_KINDS):
            parts.setdefault(kind, number)
    if not parts and len(hdus) >= 3 and _names_planes(hdus[2]):
        parts = dict(zip(("IMAGE", "MASK", "VARIANCE"), range(1, len(hdus)), strict=False))
    # A lone image may keep its EXTTYPE card, as the primary HDU; a coadd's HDUs are extensions.
    is_coadd = any(number > 0 and "EXTTYPE" in hdus[number].header for number in parts.values()) or (
        "MASK" in parts and _names_planes(hdus[parts["MASK"]])
    )
    missing = [kind for kind in ("IMAGE", "MASK", "VARIANCE") if kind not in parts]
    if missing and is_coadd:
        raise ValueError(
            f"{name}: found an HSC coadd without its {' and '.join(missing)}; the file may have been cut short: fetch "
            f"it again with image, mask and variance, or save the image alone as the primary HDU"
        )
    return parts if "IMAGE" in parts and "MASK" in parts else None


def _names_planes(hdu: Any) -> bool:
    return any(key.startswith("MP_") for key in hdu.header)


def read_psf(path: str | Path) -> Float32[np.ndarray, "y x"]:
    """The point-spread function in a file of HSC's PSF service, or in any FITS file with one image, summing to one.

    Raises
    ------
    ValueError
        If the file is no FITS file with one image, or the image has no light.
    """
    path = Path(path)
    if kind_of(path) != "FITS":
        raise ValueError(f"{path}: found a picture; wanted a FITS file with a point-spread function")
    with opened_fits(path) as hdus:
        numbers = image_hdus(hdus)
        image = np.squeeze(pixels_of(hdus[numbers[0]], path).astype(np.float64)) if numbers else np.zeros(0)
    if image.ndim != 2 or not np.isfinite(image).all() or not image.sum() > 0:
        raise ValueError(f"{path}: found no point-spread function; wanted one image (y, x) with light in it")
    return (image / image.sum()).astype(np.float32)
