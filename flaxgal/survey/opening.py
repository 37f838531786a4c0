"""Opening files that may be anything: what kind a file is, and whether all of it is there."""

import contextlib
import gzip
import warnings
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits

__all__ = ["STORE_FILE", "image_hdus", "kind_of", "opened_fits", "pixels_of"]

STORE_FILE = "store.json"
"""A folder with this file in it is a label store; `flaxgal.labels.store` reads it, and nothing here walks into it."""

_SIGNATURES = {
    b"SIMPLE  =": "FITS",
    b"\x89PNG": "picture",
    b"\xff\xd8\xff": "picture",
    b"II*\x00": "picture",
    b"MM\x00*": "picture",
}
_OTHERS = {
    b"PK\x03\x04": "a zip or npz archive",
    b"%PDF": "a PDF document",
    b"GIF8": "a GIF picture",
    b"RIFF": "a WebP picture",
    b"<": "a web page or XML",
    b"\x89HDF": "an HDF5 file",
}


def kind_of(path: Path) -> str:
    """What a file is by its first bytes: "FITS" or "picture".

    Raises
    ------
    ValueError
        If the file is missing, empty, or neither.
    """
    if not path.exists():
        raise ValueError(f"{path}: found no such file; check the name and the folder")
    if path.is_dir() and (path / STORE_FILE).exists():
        raise ValueError(f"{path}: found a label store; wanted images: name its folder {path / 'galaxies'}")
    if path.is_dir():
        raise ValueError(
            f"{path}: found a folder without any FITS file or picture (.fits, .fits.gz, .fits.fz, .png, .jpg, .tif); "
            f"name the folder that holds the images"
        )
    try:
        start = _first_bytes(path)
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(
            f"{path.name}: cannot be opened ({error}); check that you may read it and that it is whole"
        ) from None
    for signature, kind in _SIGNATURES.items():
        if start.startswith(signature):
            return kind
    if not start:
        raise ValueError(f"{path.name}: found an empty file; fetch it again")
    other = next(
        (what for signature, what in _OTHERS.items() if start.lstrip().startswith(signature)), "something else"
    )
    raise ValueError(
        f"{path.name}: found {other}; wanted a FITS image or a PNG, JPEG or TIFF picture: save it as one of these"
    )


def _first_bytes(path: Path) -> bytes:
    with path.open("rb") as stream:
        start = stream.read(16)
    if start.startswith(b"\x1f\x8b"):
        with gzip.open(path) as stream:
            start = stream.read(16)
    elif start.startswith(b"BZh"):
        import bz2

        with bz2.open(path) as stream:
            start = stream.read(16)
    return start


@contextlib.contextmanager
def opened_fits(path: Path) -> Iterator[fits.HDUList]:
    """An open FITS file that is all there; a damaged one is reported in one sentence.

    astropy's warnings about unusual cards are left out: headers of real surveys are full of them.

    Raises
    ------
    ValueError
        If the file cannot be read as FITS, or ends too early.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with fits.open(path, memmap=False) as hdus:
                _check_whole(path, hdus)
                yield hdus
        except (OSError, EOFError, zlib.error, fits.VerifyError) as error:
            raise _damaged(path.name, error) from None


def pixels_of(hdu: Any, name: str) -> np.ndarray:
    """The image in an HDU of the file called `name`.

    Raises
    ------
    ValueError
        If its bytes make no image.
    """
    try:
        return np.asarray(hdu.data)
    except (ValueError, TypeError) as error:  # a buffer that is too small, by astropy's version
        raise _damaged(name, error) from None


def image_hdus(hdus: fits.HDUList) -> list[int]:
    """Numbers of the HDUs that hold an image of at least two axes longer than one pixel."""
    return [
        number
        for number, hdu in enumerate(hdus)
        if hdu.is_image and len([length for length in (hdu.shape or ()) if length > 1]) >= 2
    ]


def _check_whole(path: Path, hdus: fits.HDUList) -> None:
    """Refuse a file that ends before its last HDU does; astropy only warns, and only when the data are used."""
    number = len(hdus)  # reads every header, to the end of a compressed file
    with path.open("rb") as stream:
        if stream.read(2) in (b"\x1f\x8b", b"BZ"):
            return
    size = path.stat().st_size
    ends = [info["datLoc"] + info["datSpan"] for hdu in hdus if (info := hdu.fileinfo())]
    # Zeros that fill the last block may be missing: nothing is lost then.
    if number == 0 or size < max(ends, default=0) - 2879:
        raise OSError(f"{size} bytes where its headers promise {max(ends, default=0)}")


def _damaged(name: str, error: Exception) -> ValueError:
    reason = (str(error).strip().splitlines() or [""])[0] or type(error).__name__
    return ValueError(f"{name}: damaged or cut short, cannot be read as FITS ({reason}); fetch it again")
