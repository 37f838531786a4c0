"""Galaxy Zoo: 3D: pictures of MaNGA's galaxies, and the outlines of arms and bars that volunteers drew on them.

Source: Masters et al. 2021, MNRAS 507, 3923; SDSS DR17 value-added catalogue. One gzipped FITS file a galaxy, its HDUs
without names: 0 picture; 1 centre, 2 star, 3 spiral, 4 bar as counts; 5 metadata; 6, 7 clusters of points; 8 points,
9 spiral outlines, 10 bar outlines as they were drawn, one row a person who looked.

The counts of HDU 3 and 4 are not used: they count outlines, not people (two strokes of one person count twice), and
leave out outlines that cross themselves. Votes are made anew from the rows: of the people who looked at a galaxy, the
share that enclosed a pixel. Who looked and drew nothing, or only clicked, is one of those who looked.

Outlines are in pixels of the picture with (0, 0) the centre of its first pixel, as in the survey's own masks; on the
volunteers' screens the first pixel's corner was (0, 0). The half pixel (0.05 arcsec) is far below a hand's accuracy.
"""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from jaxtyping import Bool, Float32, UInt8

from flaxgal.survey.cutout import Cutout
from flaxgal.survey.headers import celestial_wcs, stem_of
from flaxgal.survey.hexagon import filled_in, find_hexagon
from flaxgal.survey.images import check_light
from flaxgal.survey.opening import kind_of, naming_damage, opened_fits, pixels_of
from flaxgal.survey.outlines import Outline, enclosed

__all__ = ["Drawing", "Gz3dGalaxy", "is_gz3d", "object_id_in", "read_gz3d", "understood_gz3d"]

_TABLES = {"arm": (9, "spiral_paths"), "bar": (10, "bar_paths")}
"""HDU and column of each class's outlines."""
_ABOUT, _POINTS = 5, 8
_COLOURS = ("red", "green", "blue")


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """What one person drew of one class on one galaxy."""

    classification_id: str
    """Names the person's visit: user names are not published, so one person who came twice counts as two."""
    created_utc: str
    """When, as revisions write it; empty if the file does not say."""
    outlines: tuple[Outline, ...]
    """None for a person who looked and saw none."""

    def pixels(self, image_shape: tuple[int, int]) -> Bool[np.ndarray, "y x"]:
        """What the person marked: the union of the outlines, so that no pixel has two votes of one person."""
        return enclosed(self.outlines, image_shape)


@dataclass(frozen=True, kw_only=True, eq=False)
class Gz3dGalaxy:
    """A galaxy of Galaxy Zoo: 3D with everything that people marked on it."""

    cutout: Cutout
    """The picture without the hexagon. Planes: HEXAGON, where its light is filled in; STAR and CENTRE, where at least
    three people marked a foreground star or the galaxy's centre."""
    picture: UInt8[np.ndarray, "colour y x"]
    """The picture as people saw it."""
    drawings: Mapping[str, tuple[Drawing, ...]]
    """Class to everybody who was asked about it; a class that nobody was asked about is not there."""
    centre_share: Float32[np.ndarray, "y x"] | None
    """Share of people whose mark of the centre belongs to a cluster of marks here; None if nobody was asked."""
    star_share: Float32[np.ndarray, "y x"] | None
    """The same of foreground stars."""
    manga_id: str
    left_out: tuple[str, ...] = ()
    """A sentence for each row that could not be read; its person is not counted at all."""

    @property
    def object_id(self) -> str:
        """MaNGA's name of the galaxy, its fibre bundle, and the number of the picture: `1-304336_127_14724446`."""
        return self.cutout.object_id

    @property
    def classes(self) -> tuple[str, ...]:
        """What people were asked about: arm, bar, both or nothing."""
        return tuple(self.drawings)

    def people(self, name: str) -> int:
        """How many people were asked about a class: the number that a share is of."""
        return len(self.drawings[name])

    def share(self, name: str) -> Float32[np.ndarray, "y x"]:
        """Of the people who were asked about a class, the share that enclosed each pixel."""
        votes = np.zeros(self.cutout.image_shape, np.int32)
        for drawing in self.drawings[name]:
            votes += drawing.pixels(self.cutout.image_shape)
        return (votes / self.people(name)).astype(np.float32)


def read_gz3d(path: Path | str, *, object_id: str | None = None) -> Gz3dGalaxy:
    """A galaxy from its file, whose name gives the galaxy its id unless one is given.

    Raises
    ------
    ValueError
        If the file is damaged or none of Galaxy Zoo: 3D's.
    """
    path = Path(path)
    none = ValueError(
        f"{path}: found no file of Galaxy Zoo: 3D; wanted 11 HDUs, a picture first and a table with spiral_paths last "
        f"but one: fetch it again"
    )
    if kind_of(path) != "FITS":
        raise none
    with opened_fits(path) as hdus, naming_damage(path):
        if not is_gz3d(hdus):
            raise none
        return understood_gz3d(hdus, path, object_id=object_id)


def is_gz3d(hdus: fits.HDUList) -> bool:
    """Whether an open FITS file has the survey's layout."""
    if len(hdus) < 11:
        return False
    tables = [isinstance(hdus[number], fits.BinTableHDU) for number in range(5, 11)]
    return all(tables) and _TABLES["arm"][1] in hdus[_TABLES["arm"][0]].columns.names


def understood_gz3d(hdus: fits.HDUList, path: Path, *, object_id: str | None = None) -> Gz3dGalaxy:
    """The galaxy in an open file that `is_gz3d`; `path` is named in errors and gives the galaxy its id by default."""
    picture = pixels_of(hdus[0], path)
    if picture.ndim != 3 or picture.shape[-1] != 3 or picture.dtype != np.uint8:
        raise ValueError(
            f"{path}: found a picture of shape {picture.shape} and type {picture.dtype}; wanted 8-bit red, green and "
            f"blue (y, x, 3): fetch it again"
        )
    picture = np.ascontiguousarray(picture.transpose(2, 0, 1))
    check_light(path, picture)
    shape = picture.shape[1:]
    _check_columns(hdus, path)
    about = hdus[_ABOUT].data[0] if len(hdus[_ABOUT].data) else None
    left_out: list[str] = []
    drawings = {name: _drawings(hdus[hdu].data, column, path, left_out) for name, (hdu, column) in _TABLES.items()}
    asked = len(hdus[_POINTS].data)
    centre, star = (_points_share(pixels_of(hdus[number], path), asked, shape, path) for number in (1, 2))
    manga_id = "" if about is None else str(about["MANGAID"]).strip()
    return Gz3dGalaxy(
        cutout=_cutout(hdus, picture, about, centre, star, object_id or object_id_in(path.name, manga_id), path),
        picture=picture,
        drawings={name: people for name, people in drawings.items() if people},
        centre_share=centre,
        star_share=star,
        manga_id=manga_id,
        left_out=tuple(left_out),
    )


def object_id_in(file_name: str, manga_id: str = "") -> str:
    """The galaxy's id by the name of its file, `gz3d_1-304336_127_14724446.fits.gz`."""
    found = re.search(r"\d+-\d+_\d+_\d+", file_name)
    return found.group() if found else manga_id or stem_of(file_name)


def _check_columns(hdus: fits.HDUList, path: Path) -> None:
    """Refuse a file without the columns that are read; a table of nobody may lack them, as some of the survey do."""
    drawn = {hdu: ("classification_id", "time_stamp", column) for hdu, column in _TABLES.values()}
    for number, wanted in {_ABOUT: ("ra", "dec", "MANGAID"), **drawn}.items():
        table = hdus[number]
        there = {name.lower() for name in table.columns.names}
        if len(table.data) and (missing := [name for name in wanted if name.lower() not in there]):
            raise ValueError(
                f"{path}: found no column {', '.join(missing)} in HDU {number}; wanted a file of Galaxy Zoo: 3D: fetch "
                f"it again"
            )


def _cutout(
    hdus: fits.HDUList,
    picture: UInt8[np.ndarray, "colour y x"],
    about: Any,
    centre: np.ndarray | None,
    star: np.ndarray | None,
    object_id: str,
    path: Path,
) -> Cutout:
    wcs = celestial_wcs(hdus[0].header, path)
    shape = picture.shape[1:]
    hexagon = find_hexagon(picture)
    drawn_over = np.zeros(shape, bool) if hexagon is None else hexagon.pixels(shape)
    planes = {"HEXAGON": drawn_over}
    planes |= {name: share > 0 for name, share in (("STAR", star), ("CENTRE", centre)) if share is not None}
    ra, dec = (None, None) if about is None else (float(about["ra"]), float(about["dec"]))
    return Cutout(
        object_id=object_id,
        flux=filled_in(picture.astype(np.float32), drawn_over),
        bands=_COLOURS,
        unit="picture",
        mask_planes={name: np.broadcast_to(plane, picture.shape) for name, plane in planes.items()},
        wcs=wcs,
        survey="GZ3D",
        ra_deg=ra,
        dec_deg=dec,
        first_row="bottom" if wcs is not None and wcs.celestial.pixel_scale_matrix[1, 1] > 0 else "top",
    )


def _points_share(
    counts: np.ndarray, asked: int, shape: tuple[int, ...], path: Path
) -> Float32[np.ndarray, "y x"] | None:
    """Marks in the clusters at each pixel, per person who was asked; a person who marks a place twice counts once."""
    if counts.shape != shape:
        raise ValueError(f"{path}: found a mask of {counts.shape} for a picture of {shape}: fetch it again")
    return np.clip(counts / asked, 0, 1).astype(np.float32) if asked else None


def _drawings(rows: Any, column: str, path: Path, left_out: list[str]) -> tuple[Drawing, ...]:
    """One drawing a person, in the order of the rows; rows of one classification are one person's."""
    people: dict[str, Drawing] = {}
    for row in rows:
        who = str(row["classification_id"])
        try:
            outlines = _outlines(str(row[column]))
        except (ValueError, TypeError, KeyError) as error:
            left_out.append(f"{path.name}: what classification {who} drew cannot be read ({error}); it is left out")
            continue
        before = people.get(who)
        if before is not None:
            outlines = before.outlines + outlines
        people[who] = Drawing(classification_id=who, created_utc=_utc(str(row["time_stamp"])), outlines=outlines)
    return tuple(people.values())


def _outlines(text: str) -> tuple[Outline, ...]:
    """Outlines in a cell of JSON: a list of lists of [x, y]. Corners without numbers (null, NaN) are passed over."""
    listed = json.loads(text or "[]")
    if not isinstance(listed, list):
        raise ValueError(f"{type(listed).__name__} where a list of outlines should be")
    corners = [[tuple(map(_number, point[:2])) for point in outline] for outline in listed]
    return tuple(tuple(point for point in outline if all(map(math.isfinite, point))) for outline in corners)


def _number(value: Any) -> float:
    return math.nan if value is None else float(value)


def _utc(time_stamp: str) -> str:
    """`2018-02-03 04:05:36 UTC` as revisions write times; empty if it is none."""
    found = re.match(r"(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d)", time_stamp)
    return f"{found.group(1)}T{found.group(2)}.000000" if found else ""
