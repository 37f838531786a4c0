"""flaxgal's own FITS file of one cutout. What `write` puts in, `read` gives back to the last bit.

    primary   no data; FLAXGAL (format version), OBJECT, SURVEY, RA, DEC, PIXSCALE, FIRSTROW, NBANDS, BAND0...
    IMAGE     float32 (band, y, x), BUNIT, WCS
    VARIANCE  float32 (band, y, x)                       if known
    MASK      int32 (band, y, x), one MP_<name> card a plane gives its bit, as HSC does; 31 planes an HDU (EXTVER)
    PSF       float32 (y, x), BAND; one HDU a band (EXTVER)

Text that is not ASCII is kept as Python's unicode escapes; a float card has as many digits as the number needs.
"""

import math
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS

from flaxgal.survey.atomic import replaced_when_whole, sync
from flaxgal.survey.cutout import Cutout
from flaxgal.survey.masks import PLANES_AN_HDU, bits_of, planes_of
from flaxgal.survey.opening import pixels_of

__all__ = ["is_flaxgal", "read", "to_hdus", "write"]

FORMAT_VERSION = 1


def write(cutout: Cutout, path: Path) -> None:
    """Write the cutout, atomically."""
    hdus = to_hdus(cutout)
    with replaced_when_whole(path) as temporary:
        hdus.writeto(temporary, output_verify="ignore")  # our own cards; verifying takes longer than writing
        sync(temporary)


def to_hdus(cutout: Cutout) -> fits.HDUList:
    """The cutout as FITS HDUs in memory."""
    primary = fits.PrimaryHDU()
    _put(primary.header, "FLAXGAL", FORMAT_VERSION, "version of flaxgal's cutout file")
    _put(primary.header, "OBJECT", cutout.object_id)
    _put(primary.header, "SURVEY", cutout.survey)
    _put(primary.header, "RA", cutout.ra_deg, "[deg] right ascension of the galaxy")
    _put(primary.header, "DEC", cutout.dec_deg, "[deg] declination of the galaxy")
    _put(primary.header, "PIXSCALE", cutout.pixel_scale_arcsec, "[arcsec] side of a pixel")
    _put(primary.header, "FIRSTROW", cutout.first_row)
    _put(primary.header, "NBANDS", len(cutout.bands))
    for number, band in enumerate(cutout.bands):
        _put(primary.header, f"BAND{number}", band)
    image = fits.ImageHDU(cutout.flux, wcs_header(cutout.wcs), name="IMAGE")
    _put(image.header, "BUNIT", cutout.unit)
    hdus = [primary, image]
    if cutout.variance is not None:
        hdus.append(fits.ImageHDU(cutout.variance, name="VARIANCE"))
    names = list(cutout.mask_planes)
    for start in range(0, len(names), PLANES_AN_HDU):
        some = names[start : start + PLANES_AN_HDU]
        bits = bits_of([cutout.mask_planes[name] for name in some])
        hdu = fits.ImageHDU(bits, name="MASK", ver=start // PLANES_AN_HDU + 1)
        for bit, name in enumerate(some):
            hdu.header[f"HIERARCH MP_{name}"] = bit
        hdus.append(hdu)
    for number, (band, psf) in enumerate(cutout.psf.items()):
        hdu = fits.ImageHDU(psf, name="PSF", ver=number + 1)
        _put(hdu.header, "BAND", band)
        hdus.append(hdu)
    return fits.HDUList(hdus)


def is_flaxgal(hdus: fits.HDUList) -> bool:
    """Whether an open FITS file is a cutout that `write` made."""
    return isinstance(hdus[0].header.get("FLAXGAL"), int) and len(hdus) > 1 and hdus[1].name == "IMAGE"


def read(hdus: fits.HDUList, name: str, overrides: dict[str, Any]) -> Cutout:
    """The cutout in an open file; `name` of the file is for error messages, `overrides` take the place of its cards."""
    try:
        return _read(hdus, name, overrides)
    except KeyError as error:
        raise ValueError(f"{name}: a flaxgal cutout without {error}; it was changed by hand: write it again") from None


def _read(hdus: fits.HDUList, name: str, overrides: dict[str, Any]) -> Cutout:
    header = hdus[0].header
    if header["FLAXGAL"] != FORMAT_VERSION:
        raise ValueError(
            f"{name}: a flaxgal cutout of format {header['FLAXGAL']}, but this version reads {FORMAT_VERSION}; "
            f"update flaxgal"
        )
    found: dict[str, Any] = {
        "object_id": _text(header["OBJECT"]),
        "survey": _text(header["SURVEY"]),
        "bands": tuple(_text(header[f"BAND{number}"]) for number in range(header["NBANDS"])),
        "pixel_scale_arcsec": header.get("PIXSCALE"),
    }
    found |= {key: value for key, value in overrides.items() if value is not None}
    planes: dict[str, np.ndarray] = {}
    psf = {}
    for hdu in hdus[2:]:
        if hdu.name == "MASK":
            planes |= planes_of(pixels_of(hdu, name), hdu.header)
        elif hdu.name == "PSF":
            psf[_text(hdu.header["BAND"])] = pixels_of(hdu, name)
    unit = hdus["IMAGE"].header["BUNIT"]
    return Cutout(
        flux=pixels_of(hdus["IMAGE"], name),
        unit=unit,
        variance=pixels_of(hdus["VARIANCE"], name) if "VARIANCE" in hdus else None,
        mask_planes=planes,
        wcs=_wcs(hdus["IMAGE"].header),
        psf=psf,
        ra_deg=header.get("RA"),
        dec_deg=header.get("DEC"),
        first_row=header.get("FIRSTROW", "top" if unit == "picture" else "bottom"),  # files up to 0.1 lack the card
        **found,
    )


def wcs_header(wcs: WCS | None) -> fits.Header:
    """FITS cards of a WCS, every number exact (astropy's own `to_header` rounds to 15 digits)."""
    if wcs is None:
        return fits.Header()
    celestial = wcs.celestial
    header = celestial.to_header(relax=True)
    inner = celestial.wcs
    matrix, step = (inner.pc, inner.cdelt) if not inner.has_cd() else (inner.cd, (1.0, 1.0))
    for axis in (1, 2):
        _put(header, f"CRPIX{axis}", float(inner.crpix[axis - 1]))
        _put(header, f"CRVAL{axis}", float(inner.crval[axis - 1]))
        _put(header, f"CDELT{axis}", float(step[axis - 1]))
        for other in (1, 2):
            _put(header, f"PC{axis}_{other}", float(matrix[axis - 1, other - 1]))
    for key, value in (("LONPOLE", inner.lonpole), ("LATPOLE", inner.latpole)):
        if math.isfinite(value):
            _put(header, key, float(value))
    for axis, number, value in inner.get_pv():
        _put(header, f"PV{axis}_{number}", float(value))
    for key, value in _sip_numbers(celestial).items():
        _put(header, key, value)
    return header


def _sip_numbers(wcs: WCS) -> dict[str, float]:
    """Coefficients of a SIP distortion (Shupe et al. 2005) by FITS keyword."""
    if wcs.sip is None:
        return {}
    numbers = {}
    for name in ("a", "b", "ap", "bp"):
        coefficients = getattr(wcs.sip, name)
        if coefficients is None:
            continue
        for (p, q), value in np.ndenumerate(coefficients):
            if value != 0:
                numbers[f"{name.upper()}_{p}_{q}"] = float(value)
    return numbers


def _wcs(header: fits.Header) -> WCS | None:
    return WCS(header, naxis=2) if "CTYPE1" in header else None


def _put(header: fits.Header, key: str, value: Any, comment: str = "") -> None:
    """Set a card so that the value survives exactly; None leaves the card out."""
    if value is None:
        return
    if isinstance(value, str):
        header[key] = value.encode("unicode_escape").decode("ascii")  # no comment: long text needs the room
    elif isinstance(value, float):
        # astropy cuts a number to 20 characters; FITS itself allows as many as the card holds.
        card = fits.Card.fromstring(f"{key:8}= {repr(value).upper():>20}{' / ' + comment if comment else ''}")
        header.remove(key, ignore_missing=True)
        header.append(card)
    else:
        header[key] = (value, comment)


def _text(value: str) -> str:
    return value.encode("ascii").decode("unicode_escape")
