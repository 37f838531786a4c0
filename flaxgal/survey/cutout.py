"""A cutout: the images of one galaxy in one or more bands, and how it enters and leaves flaxgal.

`Cutout` is the record that every other room receives. FITS axis order, HDU order and zero points stop here and in the
readers beside this file (`fits_format`, `hsc`, `images`, `pictures`, `merge`), which `read_cutout` chooses by a file's
content, never by its name.

Orientation
-----------
Arrays keep the row order of their file: a FITS image's first row is the bottom of the sky picture, a PNG's or JPEG's
first row is its top. `Cutout.first_row` says which. Nothing is flipped on the way in or out, so a mask drawn on `flux`
always fits `flux`. Only what shows an image to a person draws row 0 where `first_row` says.

Missing data
------------
A NaN in `flux` is a pixel without data; it stays NaN in the record and on disk. The rooms that compute skip it.
A variance that is NaN, infinite or not positive means that the noise of the pixel is unknown.
"""

import hashlib
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import numpy as np

__all__ = [
    "FIRST_ROWS",
    "UNITS",
    "Cutout",
    "FirstRow",
    "Unreadable",
    "find_cutouts",
    "missing_bands",
    "read_cutout",
    "read_cutouts",
    "write_cutout",
]

UNITS = ("nJy", "count", "picture")
"""nJy: calibrated linear flux; count: linear flux of unknown zero point; picture: 8-bit pixels, no linear flux."""

FirstRow = Literal["bottom", "top"]
FIRST_ROWS: tuple[FirstRow, ...] = ("bottom", "top")

PathLike = str | Path


@dataclass(frozen=True, eq=False, kw_only=True)
class Cutout:
    """The images of one galaxy on one pixel grid. Arrays are read-only; values are checked when it is made.

    Parameters
    ----------
    object_id
        The galaxy's name in its survey. Text: 64-bit ids lose digits as floats. It becomes part of file names, so it
        holds no slash, backslash or unprintable character.
    flux
        (band, y, x) float32, in `unit` per pixel; other number types are converted. NaN: no data.
    bands
        One name a plane of `flux`, all different, in its order.
    unit
        One of `UNITS`.
    variance
        (band, y, x) float32, in `unit` squared, or None when unknown.
    mask_planes
        Name to (band, y, x) bool; True means that the plane's condition (SAT, CR, ...) holds at the pixel. Names are
        upper case letters, digits and underscores, as in HSC's `MP_*` cards.
    wcs
        Celestial coordinates of the pixels, or None.
    pixel_scale_arcsec
        Side of a pixel. Taken from the WCS when left out; None when unknown.
    psf
        Band to (y, x) image of the point-spread function, on the cutout's pixel scale. Empty when unknown.
    survey
        Free text: "HSC", "GZ3D", "mock", ... Empty when unknown.
    ra_deg, dec_deg
        Position of the galaxy (ICRS). Taken from the WCS at the frame's centre when left out; None when unknown.
    first_row
        Where the first row of every array lies in the picture as people look at it: "bottom", as in FITS, or "top", as
        in PNG and JPEG.

    Raises
    ------
    ValueError
        If shapes disagree, a band is named twice, the id is no proper text, or a value is out of its range.
    """

    object_id: str
    flux: np.ndarray
    bands: tuple[str, ...]
    unit: str
    variance: np.ndarray | None = None
    mask_planes: Mapping[str, np.ndarray] = field(default_factory=dict)
    wcs: Any = None
    pixel_scale_arcsec: float | None = None
    psf: Mapping[str, np.ndarray] = field(default_factory=dict)
    survey: str = ""
    ra_deg: float | None = None
    dec_deg: float | None = None
    first_row: FirstRow = "bottom"

    def __post_init__(self) -> None:
        who = _checked_id(self.object_id)
        put = lambda name, value: object.__setattr__(self, name, value)  # noqa: E731  (the record is frozen)
        put("bands", tuple(self.bands))
        put("flux", _read_only(self.flux, np.float32))
        if self.flux.ndim != 3 or 0 in self.flux.shape:
            raise ValueError(f"{who}: flux has shape {self.flux.shape}; wanted (band, y, x) with at least one pixel")
        _check_bands(who, self.bands, self.flux.shape[0])
        if self.unit not in UNITS:
            raise ValueError(f"{who}: unit is {self.unit!r}; wanted one of {', '.join(UNITS)}")
        if self.first_row not in FIRST_ROWS:
            raise ValueError(f"{who}: first_row is {self.first_row!r}; wanted one of {', '.join(FIRST_ROWS)}")
        if self.variance is not None:
            put("variance", _read_only(self.variance, np.float32))
            _check_shape(who, "variance", self.variance.shape, self.flux.shape)
        planes = {name: _read_only(plane) for name, plane in self.mask_planes.items()}
        for name, plane in planes.items():
            _check_plane(who, name, plane, self.flux.shape)
        put("mask_planes", MappingProxyType(planes))
        psf = {band: _read_only(image, np.float32) for band, image in self.psf.items()}
        for band, image in psf.items():
            if band not in self.bands or image.ndim != 2:
                raise ValueError(
                    f"{who}: psf {band!r} has shape {image.shape}; wanted one image (y, x) for a band of {self.bands}"
                )
        put("psf", MappingProxyType(psf))
        if self.survey != self.survey.strip() or not (self.survey.isprintable()):
            raise ValueError(f"{who}: survey is {self.survey!r}; wanted printable text without spaces at its ends")
        self._place_on_the_sky(who, put)

    def _place_on_the_sky(self, who: str, put: Any) -> None:
        """Fill pixel scale and position from the WCS where they were left out, and check them."""
        if self.wcs is not None:
            if self.pixel_scale_arcsec is None:
                put("pixel_scale_arcsec", wcs_pixel_scale_arcsec(self.wcs))
            if self.ra_deg is None and self.dec_deg is None:
                ra, dec = wcs_centre_deg(self.wcs, self.image_shape)
                put("ra_deg", ra)
                put("dec_deg", dec)
        for name, low, high in (("pixel_scale_arcsec", 0, math.inf), ("ra_deg", -360, 360), ("dec_deg", -90, 90)):
            value = getattr(self, name)
            if value is None:
                continue
            put(name, float(value))
            positive_enough = value > low if name == "pixel_scale_arcsec" else value >= low
            if not (math.isfinite(value) and positive_enough and value <= high):
                raise ValueError(f"{who}: {name} is {value}; wanted a number from {low} to {high}, or None")
        if (self.ra_deg is None) != (self.dec_deg is None):
            raise ValueError(f"{who}: one of ra_deg and dec_deg is missing; give both or neither")

    @property
    def has_linear_flux(self) -> bool:
        """Whether pixel values add up as light does; False for 8-bit pictures."""
        return self.unit != "picture"

    @property
    def image_shape(self) -> tuple[int, int]:
        """(y, x) in pixels."""
        return self.flux.shape[1], self.flux.shape[2]

    def select(self, bands: Sequence[str]) -> "Cutout":
        """The same galaxy in the named bands only, in the order given.

        Raises
        ------
        ValueError
            If the cutout lacks one of them.
        """
        wanted = tuple(bands)
        if any(band not in self.bands for band in wanted) or not wanted:
            raise ValueError(f"{self.object_id}: {missing_bands(self.bands, wanted)}")
        planes = [self.bands.index(band) for band in wanted]
        return replace(
            self,
            flux=self.flux[planes],
            bands=wanted,
            variance=None if self.variance is None else self.variance[planes],
            mask_planes={name: plane[planes] for name, plane in self.mask_planes.items()},
            psf={band: self.psf[band] for band in wanted if band in self.psf},
        )

    @property
    def sha256(self) -> str:
        """Hash of everything measured: pixels, variance, planes, PSF, bands, unit. Names and places do not enter."""
        digest = hashlib.sha256(repr((self.bands, self.unit, self.flux.shape)).encode())
        digest.update(np.ascontiguousarray(self.flux).tobytes())
        digest.update(b"" if self.variance is None else b"variance" + np.ascontiguousarray(self.variance).tobytes())
        for kind, images in (("plane", self.mask_planes), ("psf", self.psf)):
            for name in sorted(images):
                digest.update(repr((kind, name, images[name].shape)).encode())
                digest.update(np.ascontiguousarray(images[name]).tobytes())
        return digest.hexdigest()


@dataclass(frozen=True)
class Unreadable:
    """A galaxy that could not be read, and why."""

    name: str
    """Its file, or its id where it has no file of its own."""
    reason: str
    """One sentence for the person who sent it."""

    @property
    def reason_alone(self) -> str:
        """The sentence without the galaxy's name before it: what it may have in common with others."""
        return self.reason.removeprefix(f"{self.name}: ")


def read_cutout(
    path: PathLike | Sequence[PathLike],
    *,
    object_id: str | None = None,
    survey: str | None = None,
    bands: Sequence[str] | None = None,
    pixel_scale_arcsec: float | None = None,
    psf: PathLike | Mapping[str, PathLike] | None = None,
) -> Cutout:
    """One galaxy from a file, or from several files that hold one band each.

    The content decides how a file is read: flaxgal's own FITS, an HSC coadd (IMAGE, MASK, VARIANCE), any other FITS
    image or cube, or a picture (PNG, JPEG, TIFF).

    Parameters
    ----------
    path
        One file, or a list with one file a band, which are merged by sky position.
    object_id, survey
        Override what the file says; without either the id is the file's name without its endings.
    bands
        Override the names of the bands, in the file's order.
    pixel_scale_arcsec
        Overrides the pixel scale of the header.
    psf
        FITS file with the point-spread function, as HSC's PSF service gives it; a mapping from band to file for more
        bands than one.

    Raises
    ------
    ValueError
        If a file is missing, truncated, of an unknown kind, or holds no image with light in it. One sentence says
        which file, what was found, what was wanted and what to do.
    """
    from flaxgal.survey import reading

    return reading.read_one(
        path, object_id=object_id, survey=survey, bands=bands, pixel_scale_arcsec=pixel_scale_arcsec, psf=psf
    )


def write_cutout(cutout: Cutout, path: PathLike) -> None:
    """Write everything that a cutout holds as flaxgal's own FITS file; `read_cutout` gives it all back.

    The file appears under its name whole or not at all.
    """
    from flaxgal.survey import fits_format

    fits_format.write(cutout, Path(path))


def find_cutouts(inputs: Sequence[PathLike] | PathLike) -> list[tuple[Path, ...]]:
    """Files that may hold cutouts, one tuple a galaxy; folders are walked. See `flaxgal.survey.reading`."""
    from flaxgal.survey import reading

    return reading.find(inputs)


def read_cutouts(inputs: Sequence[PathLike] | PathLike, **overrides: Any) -> Iterator[Cutout | Unreadable]:
    """Every cutout among files and folders, one at a time; what cannot be read comes as `Unreadable`.

    A second galaxy of the same id is `Unreadable` too: outputs are named by id.
    """
    from flaxgal.survey import reading

    return reading.read_many(inputs, **overrides)


def missing_bands(found: Sequence[str], wanted: Sequence[str]) -> str:
    """A sentence on an image that lacks bands, and on what can be done about it."""
    has = " ".join(found)
    fitting = has if has == "grey" else f"{has} or grey"
    return (
        f"bands found are {has}, wanted {' '.join(wanted) or 'none'}; build with --bands {fitting}, use a run trained "
        f"on these, or give the files of all bands"
    )


def wcs_pixel_scale_arcsec(wcs: Any) -> float:
    """Side of a square pixel of the same area as the WCS's pixels at its reference point, in arcsec."""
    from astropy.wcs.utils import proj_plane_pixel_area

    return float(math.sqrt(proj_plane_pixel_area(wcs.celestial)) * 3600)


def wcs_centre_deg(wcs: Any, image_shape: tuple[int, int]) -> tuple[float, float]:
    """Right ascension and declination, in degrees, of the middle of a frame (y, x)."""
    y, x = image_shape
    celestial = wcs.celestial
    world = celestial.wcs_pix2world((x - 1) / 2, (y - 1) / 2, 0)
    return float(world[celestial.wcs.lng]), float(world[celestial.wcs.lat])  # some files have declination first


def _read_only(values: Any, dtype: Any = None) -> np.ndarray:
    """The array in the computer's own byte order, as a view that cannot be written through."""
    array = np.asarray(values, dtype)
    view = array.astype(array.dtype.newbyteorder("="), copy=False).view()
    view.flags.writeable = False
    return view


def _checked_id(object_id: Any) -> str:
    if not isinstance(object_id, str):
        raise ValueError(
            f"object_id is {object_id!r} of type {type(object_id).__name__}; wanted text, e.g. '{object_id}'"
        )
    clean = object_id.isprintable() and object_id == object_id.strip() and not re.search(r"[/\\]", object_id)
    if not object_id or not clean or object_id in (".", ".."):
        raise ValueError(f"object_id is {object_id!r}; wanted printable text without slashes or spaces at its ends")
    return object_id


def _check_bands(who: str, bands: tuple[str, ...], number: int) -> None:
    if len(bands) != number or len(set(bands)) != number:
        raise ValueError(f"{who}: bands are {bands} for {number} images; wanted one different name for each image")
    if not all(isinstance(band, str) and re.fullmatch(r"[^\s,]+", band) and band.isprintable() for band in bands):
        raise ValueError(f"{who}: bands are {bands}; wanted names without spaces or commas")


def _check_shape(who: str, what: str, found: tuple[int, ...], wanted: tuple[int, ...]) -> None:
    if found != wanted:
        raise ValueError(f"{who}: {what} has shape {found}; wanted {wanted}, the shape of flux")


def _check_plane(who: str, name: str, plane: np.ndarray, shape: tuple[int, ...]) -> None:
    if not re.fullmatch(r"[A-Z0-9_]{1,40}", name):
        raise ValueError(f"{who}: mask plane {name!r}; wanted a name of upper case letters, digits and underscores")
    if plane.dtype != np.bool_:
        raise ValueError(f"{who}: mask plane {name} holds {plane.dtype}; wanted True and False")
    _check_shape(who, f"mask plane {name}", plane.shape, shape)
