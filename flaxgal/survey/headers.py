"""What FITS header cards of many surveys say about an image: band, flux unit, zero point, sky position, survey."""

import math
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS

__all__ = [
    "band_in_header",
    "band_in_name",
    "bands_of_cube",
    "celestial_wcs",
    "check_planes",
    "flux_scale",
    "galaxy_position",
    "name_without_band",
    "survey_in_header",
]

AB_ZERO_NJY = 3631e9
"""Flux of an object of AB magnitude 0 (Oke & Gunn 1983)."""

NJY_PER_UNIT = {
    "njy": 1.0,
    "ujy": 1e3,
    "microjy": 1e3,
    "jy": 1e9,
    "nanomaggy": 3631.0,
    "nanomaggies": 3631.0,
    "nmgy": 3631.0,
    "maggy": AB_ZERO_NJY,
    "maggies": AB_ZERO_NJY,
}
"""nJy in each unit that a BUNIT card may name, in lower case without a trailing "/pixel"."""

NJY_PER_PREFIXED_JY = {"m": 1e6, "M": 1e15}
"""mJy is milli-, MJy megajansky: the one unit of these whose case says how much it is."""

ZERO_POINT_CARDS = ("MAGZERO", "MAGZPT", "MAGZP", "ZEROPNT", "ZEROPT", "PHOTZP", "ZP", "ZPT")
"""Cards that give the AB magnitude of one count."""

_HSC_BAND = re.compile(r"HSC-([GRIZY])2?(?![A-Z0-9])", re.IGNORECASE)
_WORD_BAND = re.compile(r"(?:^|[-_. ])([ugrizy])[-_. ]?band(?![a-z])", re.IGNORECASE)
_PER_STERADIAN = re.compile(r"(\s*/\s*|\s+per\s+)sr$|[\s.*]*sr(\^|\*\*)?\(?-1\)?$", re.IGNORECASE)
_EDGE_BAND = re.compile(r"^([ugrizy])[-_.]|[-_.]([ugrizy])$", re.IGNORECASE)


def band_in_name(name: str) -> str | None:
    """Band that a file's name tells: HSC-R, calexp-HSC-I-9813, r-band, g_ngc1300, ngc1300-r; None if it tells none."""
    stem = stem_of(name)
    for pattern in (_HSC_BAND, _WORD_BAND, _EDGE_BAND):
        if found := pattern.search(stem):
            return next(group for group in found.groups() if group).lower()
    return None


def name_without_band(name: str) -> str:
    """The part of a file's name that is the same for all bands of a galaxy; may be empty."""
    stem = stem_of(name)
    for pattern in (_HSC_BAND, _WORD_BAND, _EDGE_BAND):
        if pattern.search(stem):
            return re.sub(r"[-_. ]{2,}", "-", pattern.sub("", stem, count=1)).strip("-_. ")
    return stem


def stem_of(name: str) -> str:
    """A file's name without the endings that say its format."""
    return re.sub(r"(\.(fits|fit|fts|png|jpe?g|tiff?))?(\.(gz|fz|bz2))?$", "", Path(name).name, flags=re.IGNORECASE)


def band_in_header(headers: Iterable[fits.Header]) -> str | None:
    """Band by the FILTER card of the first header that has one: "r2", "HSC-R", "r DECam SDSS c0002" are all r."""
    for header in headers:
        for key in ("FILTER", "BAND", "FILTNAM1", "FILTER1"):
            text = _text(header, key)
            if not text:
                continue
            word = text.split()[0].replace(",", "")
            if found := re.fullmatch(r"(?:HSC-)?([ugrizy])2?", word, re.IGNORECASE):
                return found.group(1).lower()
            return word
        if found := re.fullmatch(r"SDSS-?([ugriz])\b.*", _text(header, "SURVEY")):
            return found.group(1)  # SkyView: SURVEY = 'SDSS-r  DR7'
    return None


def bands_of_cube(header: fits.Header, number: int) -> tuple[str, ...]:
    """Names of a cube's planes: cards BAND0, BAND1... or FILTER0..., or BANDS = 'grz'; else band0, band1..."""
    for stem in ("BAND", "FILTER"):
        for first in (0, 1):
            keys = [f"{stem}{first + plane}" for plane in range(number)]
            names = tuple(_text(header, key) for key in keys)
            if all(names) and len(set(names)) == number:
                return names
    for key in ("BANDS", "FILTERS", "FILTER"):
        text = _text(header, key)
        for names in (tuple(re.split(r"[\s,;]+", text)), tuple(text)):
            if len(names) == number and len(set(names)) == number and all(re.fullmatch(r"[\w-]+", n) for n in names):
                return names
    return tuple(f"band{plane}" for plane in range(number))


def flux_scale(headers: Iterable[fits.Header], pixel_scale_arcsec: float | None) -> tuple[float, str]:
    """What to multiply pixels by, and the unit they have then: (nJy per count, "nJy"), or (1, "count").

    In this order: the unit in BUNIT; FLUXMAG0, the counts of an object of AB magnitude 0 (HSC); a zero point in
    magnitudes (AB is assumed); the layout of the Legacy Surveys' cutout service, which gives nanomaggies without
    saying so. Surface brightness per steradian becomes flux by the area of a pixel; where that is not known, counts.
    """
    for header in headers:
        unit = re.sub(r"\s*(/|per )\s*pix(el)?$", "", _text(header, "BUNIT"), flags=re.IGNORECASE)
        flux_unit = _PER_STERADIAN.sub("", unit)
        factor = _njy_per(flux_unit)
        if factor is not None and flux_unit == unit:
            return factor, "nJy"
        if factor is not None:
            if pixel_scale_arcsec is None:
                return 1.0, "count"
            return factor * math.radians(pixel_scale_arcsec / 3600) ** 2, "nJy"
        if _number(header, "FLUXMAG0", 1e-300, math.inf):
            return AB_ZERO_NJY / float(header["FLUXMAG0"]), "nJy"
        for key in ZERO_POINT_CARDS:
            if _number(header, key, 5, 45):
                return AB_ZERO_NJY * 10 ** (-0.4 * float(header[key])), "nJy"
        if "IMAGEW" in header and "BAND0" in header and "BANDS" in header:
            return NJY_PER_UNIT["nanomaggy"], "nJy"
    return 1.0, "count"


def _njy_per(unit: str) -> float | None:
    """How many nJy a unit of flux is; None if it is none that we know."""
    if unit.lower() == "mjy":
        return NJY_PER_PREFIXED_JY[unit[0]]
    return NJY_PER_UNIT.get(unit.lower())


def celestial_wcs(header: fits.Header, name: object) -> WCS | None:
    """The sky coordinates of an image, or None when its header has none.

    Raises
    ------
    ValueError
        If the header's coordinates contradict themselves.
    """
    if "CTYPE1" not in header or "CTYPE2" not in header:
        return None
    try:
        wcs = WCS(header, naxis=2)
        # A linear or pixel system is no sky position; nor is one whose matrix cannot be inverted.
        if not wcs.has_celestial or np.linalg.det(wcs.pixel_scale_matrix) == 0:
            return None
        wcs.celestial.wcs_world2pix(
            wcs.celestial.wcs_pix2world([[1.0, 1.0]], 0), 0
        )  # wcslib looks at the rest only now
        return wcs
    except Exception as error:  # wcslib raises many kinds
        reason = str(error).strip().splitlines()[-1:] or [type(error).__name__]
        raise ValueError(
            f"{name}: its sky coordinates (WCS) cannot be read ({reason[0]}); repair the cards CTYPE, CRVAL, CRPIX and "
            f"CD, or remove them"
        ) from error


def check_planes(header: fits.Header, name: object) -> None:
    """Refuse a mask whose `MP_*` cards give no bits of an integer.

    Raises
    ------
    ValueError
        If one does.
    """
    for key in header:
        if key.startswith("MP_") and not _number(header, key, 0, 62):
            raise ValueError(
                f"{name}: its card {key} is {header[key]!r}; wanted the number of a bit, 0 to 62: fetch it again"
            )


def galaxy_position(
    headers: Iterable[fits.Header], wcs: WCS | None, image_shape: tuple[int, int]
) -> tuple[float, float] | None:
    """Right ascension and declination in degrees by the header's cards, if they are numbers that lie in the frame.

    RA and DEC are often where the telescope pointed, so they are believed only inside the frame (y, x).
    """
    for header in headers:
        for keys in (("RA_OBJ", "DEC_OBJ"), ("OBJRA", "OBJDEC"), ("RA_TARG", "DEC_TARG"), ("RA", "DEC")):
            if _number(header, keys[0], -360, 360) and _number(header, keys[1], -90, 90):
                ra, dec = float(header[keys[0]]), float(header[keys[1]])
                if wcs is None or _inside(wcs, ra, dec, image_shape):
                    return ra, dec
    return None


def survey_in_header(headers: Iterable[fits.Header]) -> str:
    """Name of the survey: the SURVEY card up to a band ("SDSS-r  DR7" is SDSS), else the TELESCOP card, else ""."""
    headers = list(headers)
    for key in ("SURVEY", "TELESCOP"):
        for header in headers:
            text = _text(header, key)
            if text and text.isprintable():
                return re.sub(r"-[ugrizy]\b.*$", "", text).strip()
    return ""


def _text(header: fits.Header, key: str) -> str:
    """What a card says; "" where there is none, or it has no value."""
    value: Any = header.get(key, "")
    return "" if isinstance(value, fits.card.Undefined) else str(value).strip()


def _number(header: fits.Header, key: str, low: float | int, high: float | int) -> bool:
    value: Any = header.get(key)
    return isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high


def _inside(wcs: WCS, ra: float, dec: float, image_shape: tuple[int, int]) -> bool:
    x, y = wcs.wcs_world2pix(ra, dec, 0)
    return bool(-0.5 <= x <= image_shape[1] - 0.5 and -0.5 <= y <= image_shape[0] - 0.5)
