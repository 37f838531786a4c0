"""Opening files that may be anything: what kind a file is, and whether all of it is there."""

import bz2
import contextlib
import functools
import gzip
import io
import math
import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits

__all__ = ["IMAGE_KINDS", "STORE_FILE", "image_hdus", "kind_of", "naming_damage", "opened_fits", "pixels_of"]

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

IMAGE_KINDS = (fits.PrimaryHDU, fits.ImageHDU, fits.CompImageHDU)

_BLOCK = 2880
"""FITS headers and data come in blocks of this many bytes; a header card has 80."""
_MOST_BLOCKS = 4000
"""Headers longer than this (144,000 cards) are none: somebody's pixels are being read as cards."""
_MOST_AXES = 8
_BITPIX = (8, 16, 32, 64, -32, -64)


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
    except Exception as error:  # the unpackers raise many kinds
        raise ValueError(
            f"{path}: cannot be opened ({error}); check that you may read it and that it is whole"
        ) from error
    for signature, kind in _SIGNATURES.items():
        if start.startswith(signature):
            return kind
    if not start:
        raise ValueError(f"{path}: found an empty file; fetch it again")
    other = next((what for signature, what in _OTHERS.items() if start.lstrip().startswith(signature)), None)
    found = other or f"no FITS file and no picture (it starts with {start[:8].decode('latin-1')!r})"
    raise ValueError(
        f"{path}: found {found}; wanted a FITS image or a PNG, JPEG or TIFF picture: save it as one of these"
    )


def _first_bytes(path: Path) -> bytes:
    with _unpacked(path) as stream:
        return stream.read(16)


def _unpacked(path: Path) -> io.BufferedIOBase:
    """The bytes of a file, unpacked if it was packed with gzip or bzip2."""
    with path.open("rb") as stream:
        start = stream.read(3)
    if start.startswith(b"\x1f\x8b"):
        return gzip.open(path)
    return bz2.open(path) if start == b"BZh" else path.open("rb")


@contextlib.contextmanager
def opened_fits(path: Path) -> Iterator[fits.HDUList]:
    """An open FITS file that is all there; a damaged one is reported in one sentence.

    astropy's warnings about unusual cards are left out: headers of real surveys are full of them.

    Raises
    ------
    ValueError
        If the file cannot be read as FITS, ends too early, or has bytes after its last HDU.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with _opened(path, _check_whole(path)) as hdus:
            try:
                yield hdus
            except fits.VerifyError as error:  # astropy parses a card when it is asked for
                raise _damaged(path, error) from error


@contextlib.contextmanager
def naming_damage(path: Path) -> Iterator[None]:
    """Whatever is raised within, while tables of an open file are read, is one sentence that names the file.

    astropy looks at the cards of a table when it is asked for a column, and raises KeyError, TypeError, a ValueError
    about "field names" ... where they are damaged.

    Raises
    ------
    ValueError
        If anything is raised; as it is, if it is a ValueError that names the file already.
    """
    try:
        yield
    except Exception as error:
        if isinstance(error, ValueError) and str(path) in str(error):
            raise
        raise _damaged(path, error) from error


def pixels_of(hdu: Any, name: object) -> np.ndarray:
    """The image in an HDU of the file called `name`.

    Raises
    ------
    ValueError
        If its bytes make no image.
    """
    try:
        image = np.asarray(hdu.data)
    except Exception as error:  # astropy raises many kinds for cards that contradict the bytes
        raise _damaged(name, error) from error
    if image.dtype.kind not in "biuf":
        raise _damaged(name, f"a table or nothing where the image {hdu.name} should be")
    return image


def image_hdus(hdus: fits.HDUList) -> list[int]:
    """Numbers of the HDUs that hold an image of at least two axes longer than one pixel."""
    return [
        number
        for number, hdu in enumerate(hdus)
        if isinstance(hdu, IMAGE_KINDS) and len([length for length in (hdu.shape or ()) if length > 1]) >= 2
    ]


def _opened(path: Path, places: list[tuple[int, int]]) -> fits.HDUList:
    """The file's HDUs, which must lie where the walk through its headers found them.

    astropy is asked for as many as there are, not for all: a damaged one can send it back to the same place for ever.
    """
    hdus = None
    try:
        hdus = fits.open(path, memmap=False)
        infos = [hdus[number].fileinfo() for number in range(len(places))]
        found = [(info["datLoc"], info["datLoc"] + info["datSpan"]) for info in infos]
        _ = [hdu.shape for hdu in hdus[: len(places)] if isinstance(hdu, IMAGE_KINDS)]
    except Exception as error:  # astropy raises KeyError, TypeError, AttributeError ... for damaged headers
        if hdus is not None:
            hdus.close()
        raise _damaged(path, error) from error
    if found != places:
        hdus.close()
        raise _damaged(path, f"the headers of its {len(places)} HDUs contradict themselves")
    return hdus


def _check_whole(path: Path) -> list[tuple[int, int]]:
    """Where the data of each HDU begin and end with their filling, by the headers alone; all of them are there.

    astropy only warns of a file that ends too early, reads a header that is cut off as if it were none, and believes
    any number of axes. So this walks the blocks itself, to the end of a packed file, too, whose checksum is there.
    """
    try:
        opened = _unpacked(path)
    except OSError as error:
        raise _damaged(path, error) from error
    places: list[tuple[int, int]] = []
    with opened as stream:
        while True:
            number = len(places)
            block = _read(path, stream, _BLOCK)
            if not block.strip(b"\0 "):
                if not block:
                    break
                continue  # tapes and some programs fill files up with zeros
            start = b"XTENSION=" if number else b"SIMPLE  ="
            if not block.startswith(start):
                raise _damaged(path, f"bytes that are no header after {number} HDUs")
            cards = _cards(path, stream, block, number)
            size = _data_size(path, cards, number)
            places.append((stream.tell(), stream.tell() + size + -size % _BLOCK))
            _skip(path, stream, size, number)
    return places


def _cards(path: Path, stream: io.BufferedIOBase, block: bytes, number: int) -> dict[str, bytes]:
    """The header that begins with this block: keyword to the text after it, up to the END card."""
    cards: dict[str, bytes] = {}
    for _ in range(_MOST_BLOCKS):
        for start in range(0, len(block), 80):
            keyword = block[start : start + 8].rstrip()
            if keyword == b"END":
                return cards
            cards.setdefault(keyword.decode("latin-1"), block[start + 8 : start + 80])
        block = _read(path, stream, _BLOCK)
        if not block:
            break
    raise _damaged(path, f"the header of HDU {number} has no end")


def _data_size(path: Path, cards: dict[str, bytes], number: int) -> int:
    """Bytes of an HDU's data without filling (FITS standard 4.0, eq. 2)."""
    whole_number = functools.partial(_whole_number, path, cards, number)
    bitpix, axes = whole_number("BITPIX"), whole_number("NAXIS")
    if bitpix not in _BITPIX:
        raise _damaged(path, f"HDU {number} has BITPIX = {bitpix}")
    for keyword, count in (("NAXIS", axes), ("ZNAXIS", whole_number("ZNAXIS", 0))):
        if not 0 <= count <= _MOST_AXES:
            raise _damaged(
                path, f"HDU {number} has {keyword} = {count}, more than {_MOST_AXES} axes or fewer than none"
            )
    lengths = [whole_number(f"NAXIS{axis + 1}") for axis in range(axes)]
    for axis in range(whole_number("ZNAXIS", 0)):
        whole_number(f"ZNAXIS{axis + 1}")
    if lengths and lengths[0] == 0 and "GROUPS" in cards:
        lengths = lengths[1:]
    group, groups = whole_number("PCOUNT", 0), whole_number("GCOUNT", 1)
    if min([*lengths, group, groups]) < 0:
        raise _damaged(path, f"HDU {number} has an axis shorter than nothing")
    return abs(bitpix) // 8 * groups * (group + math.prod(lengths)) if lengths else 0


def _whole_number(path: Path, cards: dict[str, bytes], number: int, keyword: str, default: int | None = None) -> int:
    """The value of a card of HDU `number`; `default` where there is no such card."""
    if keyword not in cards and default is not None:
        return default
    text = cards.get(keyword, b"").split(b"/")[0].strip(b"= ").decode("latin-1")
    if not re.fullmatch(r"[+-]?\d{1,18}", text):
        raise _damaged(path, f"HDU {number} has {keyword} = {text or 'nothing'} where a whole number should be")
    return int(text)


def _skip(path: Path, stream: io.BufferedIOBase, size: int, number: int) -> None:
    """Pass over data and the filling after it, which a file's end may lack: nothing is lost then."""
    left = size
    if isinstance(stream, io.BufferedReader):  # a plain file
        here, end = stream.tell(), path.stat().st_size
        left = max(0, size - (end - here))
        stream.seek(min(here + size, end))
    else:
        while left and (chunk := _read(path, stream, min(left, 2**20))):
            left -= len(chunk)
    if left:
        raise _damaged(path, f"{left} bytes are missing from the data of HDU {number}")
    _read(path, stream, -size % _BLOCK)


def _read(path: Path, stream: io.BufferedIOBase, size: int) -> bytes:
    try:
        return stream.read(size)
    except Exception as error:  # the unpackers raise many kinds
        raise _damaged(path, error) from error


def _damaged(name: object, error: Exception | str) -> ValueError:
    reason = (str(error).strip().splitlines() or [""])[0] or type(error).__name__
    return ValueError(f"{name}: damaged or cut short, cannot be read as FITS ({reason}); fetch it again")
