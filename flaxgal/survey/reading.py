"""Finding cutouts among files and folders, and reading each with the reader that its content asks for."""

import itertools
import math
import os
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from flaxgal.survey import fits_format
from flaxgal.survey import headers as cards
from flaxgal.survey.cutout import Cutout, PathLike, Unreadable, wcs_centre_deg
from flaxgal.survey.gz3d import is_gz3d, understood_gz3d
from flaxgal.survey.hsc import read_psf
from flaxgal.survey.images import check_light, read_image
from flaxgal.survey.merge import merged, position_name
from flaxgal.survey.opening import STORE_FILE, image_hdus, kind_of, naming_damage, opened_fits
from flaxgal.survey.pictures import read_picture
from flaxgal.survey.places import SAME_ARCSEC

__all__ = ["find", "passed_over", "read_many", "read_one"]

IMAGE_ENDINGS = re.compile(r"\.(fits|fit|fts)(\.(gz|fz|bz2))?$|\.(png|jpe?g|tiff?)$", re.IGNORECASE)
NOT_CUTOUTS = re.compile(r"^\.|\.arms\.fits$", re.IGNORECASE)
"""Names in a folder that are never those of cutouts: hidden files, predictions."""
COMPANIONS = re.compile(r"^psf[-_]|^masks?[-_.]|[-_.]masks?\.", re.IGNORECASE)
"""Names in a folder that are passed over as those of point-spread functions and masks beside a cutout."""

SAME_PLACE_DEG = SAME_ARCSEC / 3600
"""Frames of several bands whose centres are closer than this are taken for one galaxy."""


def read_one(
    path: PathLike | Sequence[PathLike],
    *,
    object_id: str | None = None,
    survey: str | None = None,
    bands: Sequence[str] | None = None,
    pixel_scale_arcsec: float | None = None,
    psf: PathLike | Mapping[str, PathLike] | None = None,
) -> Cutout:
    """See `flaxgal.survey.cutout.read_cutout`."""
    paths = [Path(path)] if isinstance(path, str | Path) else [Path(one) for one in path]
    if not paths:
        raise ValueError("no file was given; wanted one file, or one for each band of a galaxy")
    names = None if bands is None else tuple(bands)
    given: dict[str, Any] = {"survey": survey, "pixel_scale_arcsec": pixel_scale_arcsec}
    if len(paths) == 1:
        cutout = _read_file(paths[0], object_id=object_id, bands=names, **given)
    else:
        if names is not None and len(names) != len(paths):
            raise ValueError(f"{paths[0]}: found {len(paths)} files, but {len(names)} band names; give one a file")
        each = [None] * len(paths) if names is None else [(name,) for name in names]
        parts = [_read_file(one, object_id=None, bands=band, **given) for one, band in zip(paths, each, strict=True)]
        cutout = merged(parts, object_id=object_id or _common_name(paths, parts[0]))
    return cutout if psf is None else replace(cutout, psf=_read_psfs(psf, cutout.bands))


def find(inputs: Sequence[PathLike] | PathLike) -> list[tuple[Path, ...]]:
    """Files that may hold cutouts, one tuple a galaxy: first those that are named themselves, then folder by folder.

    Files and folders keep their order among `inputs`; within a folder files come in the order of their names.

    Folders are walked with all folders in them; in them only names that end as images count, and predictions
    (`*.arms.fits`), point-spread functions (`psf-*`) and masks (`mask_*`, `*_mask.*`, a folder `masks`) are passed
    over, and so are label stores. A file that is named itself is always taken. A folder without any image stands for
    itself, and reading it says so.

    FITS files in one folder belong to one galaxy if their names differ only in the band (g-band.fits, r-band.fits;
    HSC-G-9813.fits, HSC-R-9813.fits). Files that name a band but have no such partner are matched by the position of
    their frame's centre, for which their headers are read; nothing else is opened.
    """
    inputs = [inputs] if isinstance(inputs, str | Path) else inputs
    groups: list[tuple[Path, ...]] = []
    loose: list[Path] = []
    for path in map(Path, inputs):
        if not path.is_dir():
            loose.append(path)
            continue
        found = [group for files in _walk(path) for group in _grouped(files)]
        groups += found or [(path,)]
    return _grouped(loose) + groups


def passed_over(inputs: Sequence[PathLike] | PathLike) -> list[Path]:
    """Files in folders among `inputs` that `find` leaves out as their names are those of masks or PSFs.

    Predictions and hidden files are not among them: nobody gives a galaxy such a name.
    """
    inputs = [inputs] if isinstance(inputs, str | Path) else inputs
    return [
        Path(here, name)
        for path in map(Path, inputs)
        for here, names in _folders(path)
        for name in names
        if COMPANIONS.search(name)
    ]


def read_many(inputs: Sequence[PathLike] | PathLike, **overrides: Any) -> Iterator[Cutout | Unreadable]:
    """See `flaxgal.survey.cutout.read_cutouts`."""
    taken: dict[str, Path] = {}
    for paths in find(inputs):
        try:
            cutout = read_one(paths, **overrides)
        except ValueError as error:
            yield Unreadable(str(paths[0]), str(error))
            continue
        if cutout.object_id in taken:
            yield Unreadable(
                str(paths[0]),
                f"{paths[0]}: found a second galaxy of the id {cutout.object_id} after {taken[cutout.object_id]}; "
                f"wanted one id a galaxy: rename one of the files",
            )
            continue
        taken[cutout.object_id] = paths[0]
        yield cutout


def _read_file(path: Path, **given: Any) -> Cutout:
    try:
        return _read_content(path, **given)
    except ValueError as error:
        if str(error).startswith(f"{path}:"):
            raise
        raise ValueError(f"{path}: {error}") from error  # the record's own checks know the galaxy, not its file


def _read_content(path: Path, **given: Any) -> Cutout:
    if kind_of(path) == "picture":
        return read_picture(path, **given)
    with opened_fits(path) as hdus:
        if hdus[0].header.get("FLAXGAL") == "revision":
            raise ValueError(
                f"{path}: found a mask of a label store; wanted the image that it was drawn on: name the store"
            )
        if fits_format.is_flaxgal(hdus):
            cutout = fits_format.read(hdus, path, given)
            check_light(path, cutout.flux)
            return cutout
        if "PROB" in hdus and "FLAXGAL" in hdus[0].header:
            raise ValueError(f"{path}: found a prediction of flaxgal; wanted the image that it was made from")
        with naming_damage(path):
            galaxy = understood_gz3d(hdus, path) if is_gz3d(hdus) else None
        if galaxy is not None:
            return replace(galaxy.cutout, **{name: value for name, value in given.items() if value is not None})
        return read_image(hdus, path, **given)


def _read_psfs(psf: PathLike | Mapping[str, PathLike], bands: tuple[str, ...]) -> dict[str, np.ndarray]:
    if isinstance(psf, Mapping):
        return {band: read_psf(path) for band, path in psf.items()}
    if len(bands) != 1:
        raise ValueError(
            f"{psf}: found one point-spread function for the bands {' '.join(bands)}; give one for each band"
        )
    return {bands[0]: read_psf(psf)}


def _common_name(paths: Sequence[Path], first: Cutout) -> str:
    """What the files' names share apart from the band; else the place on the sky; else the folder's name."""
    names = {cards.name_without_band(path.name) for path in paths}
    if len(names) == 1 and (name := names.pop()):
        return name
    if first.ra_deg is not None and first.dec_deg is not None:
        return position_name(first.ra_deg, first.dec_deg)
    return paths[0].resolve().parent.name


def _walk(folder: Path) -> Iterator[list[Path]]:
    """The cutouts' files of each folder at and below `folder`."""
    for here, names in _folders(folder):
        if images := [Path(here, name) for name in names if not COMPANIONS.search(name)]:
            yield images


def _folders(folder: Path) -> Iterator[tuple[str, list[str]]]:
    """Each folder at and below `folder`, with the names in it that end as images."""
    for here, below, files in os.walk(folder):
        if STORE_FILE in files:
            below.clear()
            continue
        below[:] = sorted(name for name in below if not name.startswith(".") and name.lower() != "masks")
        yield here, [name for name in sorted(files) if IMAGE_ENDINGS.search(name) and not NOT_CUTOUTS.search(name)]


def _grouped(files: Sequence[Path]) -> list[tuple[Path, ...]]:
    """Files of one galaxy in several bands side by side; each group at the place of its first file."""
    by_name: dict[tuple[Path, str], list[Path]] = defaultdict(list)
    bands: dict[Path, str] = {}
    for path in files:
        band = cards.band_in_name(path.name) if re.search(r"\.(fits|fit|fts)(\.|$)", path.name.lower()) else None
        if band is not None:
            bands[path] = band
            by_name[path.parent, cards.name_without_band(path.name)].append(path)
    groups: dict[Path, tuple[Path, ...]] = {path: (path,) for path in files}
    for some in by_name.values():
        if len({bands[path] for path in some}) == len(some) > 1:
            groups.update(dict.fromkeys(some[1:], ()) | {some[0]: tuple(some)})
    alone = [path for path in bands if groups[path] == (path,)]
    if len({bands[path] for path in alone}) > 1:
        for some in _by_place(alone):
            if len({bands[path] for path in some}) == len(some) > 1:
                groups.update(dict.fromkeys(some[1:], ()) | {some[0]: tuple(some)})
    return [group for group in groups.values() if group]


def _by_place(files: Sequence[Path]) -> list[list[Path]]:
    """Files of one folder whose frames have the same centre."""
    places: list[tuple[float, float, Path]] = []
    for path in files:
        centre = _frame_centre(path)
        if centre is not None:
            places.append((centre[1], centre[0], path))
    groups: list[list[tuple[float, float, Path]]] = []
    for dec, ra, path in sorted(places):
        place = (dec, ra, path)
        # Groups begin in the order of declination, so only the last few can be near.
        near = itertools.takewhile(lambda group, dec=dec: dec - group[0][0] < SAME_PLACE_DEG, reversed(groups))
        mine = next((group for group in near if _beside(group[0], place)), None)
        if mine is None:
            groups.append([place])
        else:
            mine.append(place)
    return [sorted(path for _, _, path in group) for group in groups]


def _beside(one: tuple[float, float, Path], other: tuple[float, float, Path]) -> bool:
    apart = (one[1] - other[1] + 180) % 360 - 180
    return abs(apart) * math.cos(math.radians(one[0])) < SAME_PLACE_DEG and one[2].parent == other[2].parent


def _frame_centre(path: Path) -> tuple[float, float] | None:
    """Right ascension and declination by a file's header; None if it has none (reading the file will say why)."""
    try:
        with opened_fits(path) as hdus:
            for number in image_hdus(hdus):
                wcs = cards.celestial_wcs(hdus[number].header, path)
                if wcs is not None:
                    return wcs_centre_deg(wcs, hdus[number].shape[-2:])
    except ValueError:
        return None
    return None
