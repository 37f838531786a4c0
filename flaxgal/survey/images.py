"""Any FITS image of a galaxy as a `Cutout`: one band or a cube, with or without WCS, mask and variance."""

from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits

from flaxgal.survey import headers as cards
from flaxgal.survey.cutout import Cutout, wcs_pixel_scale_arcsec
from flaxgal.survey.hsc import coadd_parts
from flaxgal.survey.masks import planes_of
from flaxgal.survey.opening import image_hdus, pixels_of

__all__ = ["check_light", "read_image"]

_NOISE_HDUS = {
    "VARIANCE": lambda image: image,
    "VAR": lambda image: image,
    "ERR": np.square,
    "SIGMA": np.square,
    "IVAR": np.reciprocal,
    "INVVAR": np.reciprocal,
}
"""How images of these names become variances."""

_NAMES_OF_IMAGES = ("", "PRIMARY", "SCI", "IMAGE", "COMPRESSED_IMAGE")


def read_image(
    hdus: fits.HDUList,
    path: Path,
    *,
    object_id: str | None = None,
    survey: str | None = None,
    bands: tuple[str, ...] | None = None,
    pixel_scale_arcsec: float | None = None,
) -> Cutout:
    """The first image with light in an open FITS file; mask and variance if it is an HSC coadd or has HDUs so named.

    Axes: a cube is (band, y, x); 8-bit (y, x, 3) is a colour picture. Axes of one pixel are dropped.

    Raises
    ------
    ValueError
        If there is no image, it has no light, or its parts disagree.
    """
    parts = coadd_parts(hdus, path)
    numbers = image_hdus(hdus)
    if not numbers:
        kinds = ", ".join(sorted({type(hdu).__name__ for hdu in hdus})) or "nothing"
        raise ValueError(
            f"{path}: found no image among its {len(hdus)} HDUs ({kinds}); wanted one with two or more axes"
        )
    hdu = hdus[parts["IMAGE"]] if parts else _first_with_light(hdus, numbers, path)
    both = [hdu.header, hdus[0].header]
    pixels, is_picture = _planes(hdu, path)
    wcs = cards.celestial_wcs(hdu.header, path)
    if pixel_scale_arcsec is None and wcs is not None:
        pixel_scale_arcsec = wcs_pixel_scale_arcsec(wcs)
    scale, unit = (1.0, "picture") if is_picture else cards.flux_scale(both, pixel_scale_arcsec)
    check_light(path, pixels)
    variance = _variance(hdus, parts, pixels.shape, path)
    position = cards.galaxy_position(both, wcs, pixels.shape[1:])
    return Cutout(
        object_id=object_id if object_id is not None else cards.stem_of(path.name),
        flux=pixels * scale,
        bands=_band_names(both, path, len(pixels), is_picture, bands),
        unit=unit,
        variance=None if variance is None else variance * scale**2,
        mask_planes=_mask_planes(hdus, parts, pixels.shape, path),
        wcs=wcs,
        pixel_scale_arcsec=pixel_scale_arcsec,
        survey=survey if survey is not None else cards.survey_in_header(both) or ("HSC" if parts else ""),
        ra_deg=position[0] if position else None,
        dec_deg=position[1] if position else None,
    )


def _first_with_light(hdus: fits.HDUList, numbers: list[int], name: object) -> Any:
    """The first image; the next one where that is empty, as GALFIT writes it: an empty HDU, then the galaxy.

    Only an HDU without a name of another meaning (mask, variance ...) can take an empty image's place.
    """
    others = [number for number in numbers[1:] if hdus[number].name in _NAMES_OF_IMAGES]
    for number in (numbers[0], *others):
        pixels = pixels_of(hdus[number], name)
        if (np.isfinite(pixels) & (pixels != 0)).any():
            return hdus[number]
    return hdus[numbers[0]]


def check_light(name: object, pixels: np.ndarray) -> None:
    """Refuse images (band, y, x) in which no pixel of any band holds light.

    Raises
    ------
    ValueError
        If all pixels are NaN or zero.
    """
    finite = np.isfinite(pixels)
    if not finite.any():
        raise ValueError(
            f"{name}: every pixel is NaN; wanted an image with light in it: fetch it again or leave it out"
        )
    if not pixels[finite].any():
        raise ValueError(
            f"{name}: every pixel is zero; wanted an image with light in it: fetch it again or leave it out"
        )


def _planes(hdu: Any, name: object) -> tuple[np.ndarray, bool]:
    """(band, y, x) and whether it is a picture, not flux."""
    pixels = np.squeeze(pixels_of(hdu, name))
    if pixels.ndim == 3 and pixels.dtype == np.uint8 and pixels.shape[-1] in (3, 4):
        return pixels[..., :3].transpose(2, 0, 1).astype(np.float64), True
    if pixels.ndim not in (2, 3):
        raise ValueError(
            f"{name}: found an image with axes {hdu.shape}; wanted (y, x) or (band, y, x): save one image or one cube "
            f"of bands as a file of its own"
        )
    planes = pixels if pixels.ndim == 3 else pixels[None]
    return planes.astype(np.float64), False


def _band_names(
    both: list[fits.Header], name: object, number: int, is_picture: bool, given: tuple[str, ...] | None
) -> tuple[str, ...]:
    if given is not None:
        if len(given) != number:
            raise ValueError(
                f"{name}: found {number} bands, but {len(given)} names ({' '.join(given)}); give {number} names"
            )
        return given
    if is_picture:
        return ("red", "green", "blue")
    if number > 1:
        return cards.bands_of_cube(both[0], number)
    return (cards.band_in_header(both) or cards.band_in_name(str(name)) or "band0",)


def _variance(
    hdus: fits.HDUList, parts: dict[str, int] | None, shape: tuple[int, ...], name: object
) -> np.ndarray | None:
    if parts:
        if "VARIANCE" not in parts:
            return None
        return _same_shape(pixels_of(hdus[parts["VARIANCE"]], name), shape, name, "variance").astype(np.float64)
    for hdu in hdus[1:]:
        if hdu.name in _NOISE_HDUS and hdu.is_image and hdu.shape:
            image = _same_shape(pixels_of(hdu, name), shape, name, hdu.name).astype(np.float64)
            with np.errstate(divide="ignore"):  # an inverse variance of zero means: not known
                return _NOISE_HDUS[hdu.name](image)
    return None


def _mask_planes(
    hdus: fits.HDUList, parts: dict[str, int] | None, shape: tuple[int, ...], name: object
) -> dict[str, np.ndarray]:
    if not parts:
        return {}
    hdu = hdus[parts["MASK"]]
    cards.check_planes(hdu.header, name)
    bits = _same_shape(pixels_of(hdu, name), shape, name, "mask")
    if not np.array_equal(bits, np.rint(bits), equal_nan=bits.dtype.kind == "f"):
        raise ValueError(f"{name}: found a mask of fractions; wanted integers whose bits are mask planes")
    return {plane.upper(): on for plane, on in planes_of(bits, hdu.header).items()}


def _same_shape(image: np.ndarray, shape: tuple[int, ...], name: object, what: str) -> np.ndarray:
    if image.size != np.prod(shape) or image.shape[-2:] != shape[-2:]:
        raise ValueError(
            f"{name}: found a {what} of {image.shape} pixels for an image of {shape[-2:]}; wanted both of one size: "
            f"fetch the file again"
        )
    return image.reshape(shape)
