"""SDSS frames: calibrated, sky-subtracted images of a piece of a drift scan, one file a band, and cutouts from them.

    HDU 0  image, 2048 by 1489 pixels of 0.396 arcsec, in nanomaggies, with a TAN WCS; sky and flat field taken care of
    HDU 1  calibration vector: nanomaggies a count, one number a column
    HDU 2  the sky that was subtracted, in counts, on a coarse grid (ALLSKY), and where columns and rows lie on it
           (XINTERP, YINTERP)

Source: the data model of `frame`, SDSS DR8 and later (Blanton et al. 2011, AJ 142, 31). A pixel's noise is that of its
electrons, sky included, and of the amplifier: variance = calibration² (counts / gain + dark variance), counts being
image / calibration + sky. Neighbouring fields and the point-spread function (psField files) are not read.
"""

import bz2
import io
import math
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from jaxtyping import Float32, Float64

from flaxgal.survey.cutout import Cutout
from flaxgal.survey.headers import NJY_PER_UNIT, celestial_wcs

__all__ = ["ARCHIVE", "BANDS", "Field", "Frame", "cutout_from_frames", "field_in_objid", "frame_url", "read_frame"]

ARCHIVE = "https://data.sdss.org/sas/dr17/eboss/photoObj/frames/"
BANDS = "ugriz"
PIXEL_ARCSEC = 0.396
NJY_PER_NANOMAGGY = NJY_PER_UNIT["nanomaggy"]

_GAIN = {
    1: (1.62, 3.32, 4.71, 5.165, 4.745),
    2: (1.825, 3.855, 4.6, 6.565, 5.155),
    3: (1.59, 3.845, 4.72, 4.86, 4.885),
    4: (1.6, 3.995, 4.76, 4.885, 4.775),
    5: (1.47, 4.05, 4.725, 4.64, 3.48),
    6: (2.17, 4.035, 4.895, 4.76, 4.69),
}
"""Electrons a count in u g r i z, by column of the camera (data model of `frame`)."""
_EARLY_GAIN = {(2, "u"): 1.595}
"""In runs before 1100."""
_DARK_VARIANCE = {
    1: (9.61, 15.6025, 1.8225, 7.84, 0.81),
    2: (12.6025, 1.44, 1.0, 6.25, 1.0),
    3: (8.7025, 1.3225, 1.3225, 4.6225, 1.0),
    4: (12.6025, 1.96, 1.3225, 7.5625, 12.6025),
    5: (9.3025, 1.1025, 0.81, 7.84, 2.1025),
    6: (7.0225, 1.8225, 0.9025, 5.0625, 1.21),
}
"""Counts squared, of reading out and dark current."""
_EARLY_DARK_VARIANCE = {(2, "i"): 5.76, (4, "i"): 6.25, (4, "z"): 9.61, (5, "z"): 1.8225}
"""In runs before 1500."""
_FIELD_CARDS = ("RUN", "CAMCOL", "FRAME", "FILTER")
_MOST_BYTES = 50_000_000
"""Of an unpacked frame, which has 12 million; a small damaged file may unpack to any number."""
_MARGIN = 8
"""Pixels around a cutout that a band is shifted with: splines feel no edge from so far."""


@dataclass(frozen=True, kw_only=True)
class Field:
    """A piece of a scan: all its bands have one number."""

    run: int
    camcol: int
    field: int
    rerun: int = 301

    def __post_init__(self) -> None:
        if not (1 <= self.camcol <= 6 and 0 < self.run < 2**16 and 0 <= self.field < 2**12 and 0 <= self.rerun < 2**11):
            raise ValueError(f"{self}: no field of SDSS; wanted a run, a camera column from 1 to 6 and a field")


@dataclass(frozen=True, kw_only=True, eq=False)
class Frame:
    """One band of a field."""

    band: str
    field: Field
    image: Float32[np.ndarray, "y x"]
    """Nanomaggies."""
    calibration: Float32[np.ndarray, " x"]
    """Nanomaggies a count."""
    sky: Float32[np.ndarray, "v u"]
    """Counts, on a coarse grid."""
    sky_columns: Float64[np.ndarray, " x"]
    """Where the image's columns lie on that grid, and its rows:"""
    sky_rows: Float64[np.ndarray, " y"]
    wcs: Any

    def variance(self, rows: slice, columns: slice) -> Float64[np.ndarray, "y x"]:
        """Noise of some pixels, in nanomaggies squared."""
        from scipy.ndimage import map_coordinates

        grid = np.meshgrid(self.sky_rows[rows], self.sky_columns[columns], indexing="ij")
        sky = map_coordinates(self.sky.astype(np.float64), grid, order=1, mode="nearest")
        calibration = self.calibration[columns].astype(np.float64)
        counts = np.maximum(self.image[rows, columns] / calibration + sky, 0)
        gain, dark = _electronics(self.field, self.band)
        return calibration**2 * (counts / gain + dark)


def field_in_objid(objid: int | str) -> Field:
    """The field in a 64-bit objID of DR8 or later.

    Bits, from the highest: 1 unused, 4 sky version, 11 rerun, 16 run, 3 camera column, 1 first field, 12 field, 16
    object.
    """
    number = int(objid)
    return Field(
        rerun=number >> 48 & 0x7FF, run=number >> 32 & 0xFFFF, camcol=number >> 29 & 0x7, field=number >> 16 & 0xFFF
    )


def frame_url(field: Field, band: str, archive: str = ARCHIVE) -> str:
    """Where the archive has a frame."""
    folder = f"{archive.rstrip('/')}/{field.rerun}/{field.run}/{field.camcol}"
    return f"{folder}/{frame_name(field, band)}"


def frame_name(field: Field, band: str) -> str:
    """What a frame's file is called."""
    return f"frame-{band}-{field.run:06d}-{field.camcol}-{field.field:04d}.fits.bz2"


def read_frame(path: Path | str, field: Field, band: str) -> Frame:
    """A frame from its file, packed with bzip2 or not, which must be the one that is wanted.

    Raises
    ------
    ValueError
        If the file is damaged, no frame, or the frame of another field or band.
    """
    path = Path(path)
    content = path.read_bytes()
    try:
        content = _unpacked(content) if content.startswith(b"BZh") else content
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # astropy only warns of a file that ends too early
            with fits.open(io.BytesIO(content), memmap=False) as hdus:
                header, image, calibration = hdus[0].header, np.asarray(hdus[0].data), np.asarray(hdus[1].data)
                sky = hdus[2].data[0]
                _ = [header.get(card) for card in _FIELD_CARDS]  # astropy parses a card when it is asked for
                allsky, columns, rows = (np.asarray(sky[name]) for name in ("ALLSKY", "XINTERP", "YINTERP"))
    except Exception as error:  # bz2, astropy and numpy raise many kinds
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ValueError(f"{path}: no whole frame of SDSS ({reason}); fetch it again") from error
    shapes = (image.shape[1:], image.shape[:1])
    if image.ndim != 2 or (calibration.shape, columns.shape, rows.shape) != (shapes[0], *shapes) or allsky.ndim != 2:
        raise ValueError(
            f"{path}: its image {image.shape}, calibration {calibration.shape} and sky {allsky.shape} do not fit "
            f"together as in a frame of SDSS; fetch it again"
        )
    _check_field(header, field, band, path)
    wcs = celestial_wcs(header, path)
    if wcs is None:
        raise ValueError(f"{path}: a frame without sky coordinates; fetch it again")
    return Frame(
        band=band,
        field=field,
        image=image.astype(np.float32),
        calibration=calibration.astype(np.float32),
        sky=allsky.astype(np.float32),
        sky_columns=columns.astype(np.float64),
        sky_rows=rows.astype(np.float64),
        wcs=wcs,
    )


def cutout_from_frames(
    frames: Mapping[str, Frame], *, object_id: str, ra_deg: float, dec_deg: float, size_arcsec: float
) -> Cutout:
    """The galaxy at a position, in the bands of `frames` in their order.

    The pixels are those of the middle band (r of u g r i z), untouched; the other bands, which lie a fraction of a
    pixel beside it and are turned by less than 0.1 degree, are shifted onto them with a cubic spline. Their noise is
    kept as that of single pixels, although shifting makes neighbours' noise alike. Beyond the field pixels are NaN and
    marked NO_DATA.

    Raises
    ------
    ValueError
        If the position lies outside the field.
    """
    bands = tuple(frames)
    main = frames[bands[len(bands) // 2]]
    side = max(1, round(size_arcsec / PIXEL_ARCSEC))
    x, y = (float(value) for value in main.wcs.all_world2pix(ra_deg, dec_deg, 0))
    height, width = main.image.shape
    if not (-0.5 <= x < width - 0.5 and -0.5 <= y < height - 0.5):
        raise ValueError(
            f"{object_id}: ({ra_deg:.5f}, {dec_deg:.5f}) lies outside the frame of run {main.field.run}, camera column "
            f"{main.field.camcol}, field {main.field.field}; wanted the field that holds the galaxy"
        )
    left, bottom = (math.floor(place - (side - 1) / 2 + 0.5) for place in (x, y))
    rows, columns = np.arange(bottom, bottom + side), np.arange(left, left + side)
    pairs = [_on_grid(frame, main, rows, columns) for frame in frames.values()]
    flux, variance = (np.stack(images) for images in zip(*pairs, strict=True))
    wcs = main.wcs.deepcopy()
    wcs.wcs.crpix = wcs.wcs.crpix - [left, bottom]
    return Cutout(
        object_id=object_id,
        flux=(flux * NJY_PER_NANOMAGGY).astype(np.float32),
        variance=(variance * NJY_PER_NANOMAGGY**2).astype(np.float32),
        bands=bands,
        unit="nJy",
        mask_planes={"NO_DATA": np.isnan(flux)},
        wcs=wcs,
        survey="SDSS",
        ra_deg=ra_deg,
        dec_deg=dec_deg,
    )


def _on_grid(
    frame: Frame, main: Frame, rows: np.ndarray, columns: np.ndarray
) -> tuple[Float64[np.ndarray, "y x"], Float64[np.ndarray, "y x"]]:
    """Image and variance of a frame at pixels of the main one; NaN outside the frame."""
    from scipy.ndimage import map_coordinates

    y, x = np.meshgrid(rows, columns, indexing="ij")
    if frame is not main:
        x, y = frame.wcs.all_world2pix(*main.wcs.all_pix2world(x, y, 0), 0)
    height, width = frame.image.shape
    outside = (x < -0.5) | (y < -0.5) | (x >= width - 0.5) | (y >= height - 0.5)
    low_y, low_x = (max(0, math.floor(place.min()) - _MARGIN) for place in (y, x))
    some_rows = slice(low_y, min(height, math.ceil(y.max()) + _MARGIN + 1))
    some_columns = slice(low_x, min(width, math.ceil(x.max()) + _MARGIN + 1))
    image = frame.image[some_rows, some_columns].astype(np.float64)
    variance = frame.variance(some_rows, some_columns)
    places = np.stack([y - low_y, x - low_x])
    if frame is main:  # whole pixels: nothing to shift
        values = [map_coordinates(values, places, order=0, mode="nearest") for values in (image, variance)]
    else:
        values = [
            map_coordinates(image, places, order=3, mode="nearest"),
            map_coordinates(variance, places, order=1, mode="nearest"),
        ]
    flux, noise = (np.where(outside, np.nan, one) for one in values)
    return flux, noise


def _electronics(field: Field, band: str) -> tuple[float, float]:
    """Gain and dark variance of a band's chip."""
    number = BANDS.index(band)
    gain, dark = _GAIN[field.camcol][number], _DARK_VARIANCE[field.camcol][number]
    if field.run < 1100:
        gain = _EARLY_GAIN.get((field.camcol, band), gain)
    if field.run < 1500:
        dark = _EARLY_DARK_VARIANCE.get((field.camcol, band), dark)
    return gain, dark


def _unpacked(content: bytes) -> bytes:
    with bz2.BZ2File(io.BytesIO(content)) as file:
        whole = file.read(_MOST_BYTES + 1)
    if len(whole) > _MOST_BYTES:
        raise ValueError(f"it unpacks to more than {_MOST_BYTES} bytes")
    return whole


def _check_field(header: fits.Header, field: Field, band: str, path: Path) -> None:
    for card, value in zip(_FIELD_CARDS, (field.run, field.camcol, field.field, band), strict=True):
        found = header.get(card, value)
        if str(found).strip() != str(value):
            raise ValueError(f"{path}: found a frame with {card} {found}; wanted {value}")
