"""PNG, JPEG and TIFF pictures as a `Cutout` without linear flux. The first row is the top of the picture."""

import warnings
from pathlib import Path

import numpy as np
from jaxtyping import Float32
from PIL import Image

from flaxgal.survey.cutout import Cutout
from flaxgal.survey.headers import stem_of
from flaxgal.survey.images import check_light

__all__ = ["read_picture"]

COLOURS = ("red", "green", "blue")
FORMATS = ("PNG", "JPEG", "TIFF")


def read_picture(
    path: Path,
    *,
    object_id: str | None = None,
    survey: str | None = None,
    bands: tuple[str, ...] | None = None,
    pixel_scale_arcsec: float | None = None,
) -> Cutout:
    """A picture's pixels as they are, 0 to 255: band "grey", or bands "red", "green", "blue".

    Palettes are expanded, transparency is dropped, 16-bit pixels are scaled to 0..255 without rounding.

    Raises
    ------
    ValueError
        If the file is no whole picture, is black all over, or has pixels without a defined white (floating point).
    """
    planes = _planes(path)
    names = bands or (COLOURS if len(planes) == 3 else ("grey",))
    if len(names) != len(planes):
        raise ValueError(
            f"{path}: found {len(planes)} bands, but {len(names)} names ({' '.join(names)}); give {len(planes)} names"
        )
    check_light(path, planes)
    return Cutout(
        object_id=object_id if object_id is not None else stem_of(path.name),
        flux=planes,
        bands=names,
        unit="picture",
        survey=survey or "",
        pixel_scale_arcsec=pixel_scale_arcsec,
        first_row="top",
    )


def _planes(path: Path) -> Float32[np.ndarray, "band y x"]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            with Image.open(path, formats=FORMATS) as picture:
                number = getattr(picture, "n_frames", 1)
                picture.load()
        except Exception as error:  # Pillow raises many kinds for damaged files
            raise _damaged(path, error) from error
    if number > 1:
        raise ValueError(f"{path}: found several pictures in a file; wanted one: save them apart")
    if picture.mode == "F":
        raise ValueError(
            f"{path}: found a picture of floating point numbers, which says nothing about black and white; "
            f"save flux as FITS, or a picture with 8 bits"
        )
    is_deep = picture.mode == "I" or picture.mode.startswith("I;16")
    try:
        pixels = np.asarray(picture if is_deep else _eight_bits(picture), np.float32)
    except Exception as error:
        raise _damaged(path, error) from error
    if is_deep:
        if pixels.min() < 0 or pixels.max() > 65535:
            raise ValueError(f"{path}: found a picture of 32-bit integers; wanted 8 or 16 bits: save flux as FITS")
        pixels = pixels / np.float32(257)
    return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)


def _eight_bits(picture: Image.Image) -> Image.Image:
    """The picture in grey or in red, green and blue, without palette and transparency."""
    if picture.mode in ("P", "PA"):
        colours = np.asarray(picture.convert("RGBA").convert("RGB"))
        is_grey = (colours[..., 0] == colours[..., 1]).all() and (colours[..., 1] == colours[..., 2]).all()
        return picture.convert("RGB").convert("L" if is_grey else "RGB")
    return picture.convert("L" if picture.mode in ("1", "L", "LA", "La") else "RGB")


def _damaged(path: Path, error: Exception) -> ValueError:
    reason = (str(error).strip().splitlines() or [""])[0] or type(error).__name__
    return ValueError(
        f"{path}: damaged, cut short or too large, cannot be read as a picture ({reason}); fetch it again"
    )
