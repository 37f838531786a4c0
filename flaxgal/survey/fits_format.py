"""flaxgal's own FITS file of one cutout. What `write` puts in, `read` gives back to the last bit.

    primary   no data; FLAXGAL (format version), OBJECT, SURVEY, RA, DEC, PIXSCALE, FIRSTROW, NBANDS, BAND0..., NHDUS
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
from flaxgal.survey.headers import celestial_wcs, check_planes
from flaxgal.survey.masks import PLANES_AN_HDU, bits_of, planes_of
from flaxgal.survey.opening import pixels_of

__all__ = ["is_flaxgal", "put_card", "read", "to_hdus", "write"]

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
    put_card(primary.header, "FLAXGAL", FORMAT_VERSION, "version of flaxgal's cutout file")
    put_card(primary.header, "OBJECT", cutout.object_id)
    put_card(primary.header, "SURVEY", cutout.survey)
    put_card(primary.header, "RA", cutout.ra_deg, "[deg] right ascension of the galaxy")
    put_card(primary.header, "DEC", cutout.dec_deg, "[deg] declination of the galaxy")
    put_card(primary.header, "PIXSCALE", cutout.pixel_scale_arcsec, "[arcsec] side of a pixel")
    put_card(primary.header, "FIRSTROW", cutout.first_row)
    put_card(primary.header, "NBANDS", len(cutout.bands))
    for number, band in enumerate(cutout.bands):
        put_card(primary.header, f"BAND{number}", band)
    image = fits.ImageHDU(cutout.flux, wcs_header(cutout.wcs), name="IMAGE")
    put_card(image.header, "BUNIT", cutout.unit)
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
        put_card(hdu.header, "BAND", band)
        hdus.append(hdu)
    put_card(primary.header, "NHDUS", len(hdus), "number of HDUs; fewer: the file was cut short")
    return fits.HDUList(hdus)


def is_flaxgal(hdus: fits.HDUList) -> bool:
    """Whether an open FITS file is a cutout that `write` made."""
    return isinstance(hdus[0].header.get("FLAXGAL"), int) and len(hdus) > 1 and hdus[1].name == "IMAGE"


def read(hdus: fits.HDUList, name: object, overrides: dict[str, Any]) -> Cutout:
    """The cutout in an open file; `name` of the file is for error messages, `overrides` take the place of its cards."""
    header = hdus[0].header
    if header["FLAXGAL"] != FORMAT_VERSION:
        raise ValueError(
            f"{name}: a flaxgal cutout of format {header['FLAXGAL']}, but this version reads {FORMAT_VERSION}; "
            f"update flaxgal"
        )
    # Files up to 0.1 lack the card.
    if (number := _card(header, "NHDUS", int, name, len(hdus))) != len(hdus):
        raise ValueError(
            f"{name}: a flaxgal cutout with {len(hdus)} of its {number} HDUs; it was cut short: fetch or write it again"
        )
    number_of_bands = _card(header, "NBANDS", int, name)
    found: dict[str, Any] = {
        "object_id": _text(header, "OBJECT", name),
        "survey": _text(header, "SURVEY", name),
        "bands": tuple(_text(header, f"BAND{number}", name) for number in range(number_of_bands)),
        "pixel_scale_arcsec": _card(header, "PIXSCALE", float, name, None),
    }
    found |= {key: value for key, value in overrides.items() if value is not None}
    planes: dict[str, np.ndarray] = {}
    psf = {}
    for hdu in hdus[2:]:
        if hdu.name == "MASK":
            check_planes(hdu.header, name)
            planes |= planes_of(pixels_of(hdu, name), hdu.header)
        elif hdu.name == "PSF":
            psf[_text(hdu.header, "BAND", name)] = pixels_of(hdu, name)
    image = hdus["IMAGE"].header
    unit = _card(image, "BUNIT", str, name)
    return Cutout(
        flux=pixels_of(hdus["IMAGE"], name),
        unit=unit,
        variance=pixels_of(hdus["VARIANCE"], name) if "VARIANCE" in hdus else None,
        mask_planes=planes,
        wcs=celestial_wcs(image, name),
        psf=psf,
        ra_deg=_card(header, "RA", float, name, None),
        dec_deg=_card(header, "DEC", float, name, None),
        # Files up to 0.1 lack the card.
        first_row=_card(header, "FIRSTROW", str, name, "top" if unit == "picture" else "bottom"),
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
        put_card(header, f"CRPIX{axis}", float(inner.crpix[axis - 1]))
        put_card(header, f"CRVAL{axis}", float(inner.crval[axis - 1]))
        put_card(header, f"CDELT{axis}", float(step[axis - 1]))
        for other in (1, 2):
            put_card(header, f"PC{axis}_{other}", float(matrix[axis - 1, other - 1]))
    for key, value in (("LONPOLE", inner.lonpole), ("LATPOLE", inner.latpole)):
        if math.isfinite(value):
            put_card(header, key, float(value))
    for axis, number, value in inner.get_pv():
        put_card(header, f"PV{axis}_{number}", float(value))
    for key, value in _sip_numbers(celestial).items():
        put_card(header, key, value)
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


def put_card(header: fits.Header, key: str, value: Any, comment: str = "") -> None:
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


def _card(header: fits.Header, key: str, kind: type, name: object, *default: Any) -> Any:
    """The value of a card of the type wanted; the default, if there is one, where the card is missing."""
    if key not in header and default:
        return default[0]
    value: Any = header.get(key)
    if not isinstance(value, (int, float) if kind is float else kind) or isinstance(value, bool):
        found = "without" if key not in header else f"with the value {value!r} in"
        raise ValueError(f"{name}: a flaxgal cutout {found} its card {key}; it was changed by hand: write it again")
    return float(value) if kind is float else value


def _text(header: fits.Header, key: str, name: object) -> str:
    text = _card(header, key, str, name)
    try:
        return text.encode("ascii").decode("unicode_escape")
    except UnicodeError as error:
        raise ValueError(f"{name}: its card {key} is {text!r}, which flaxgal did not write; write it again") from error
