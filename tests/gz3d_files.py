"""Made-up files of Galaxy Zoo: 3D in the survey's layout, with outlines whose votes can be counted by hand."""

import gzip
import io
import json
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.table import Table
from astropy.wcs import WCS

SIDE = 200
NAME = "1-1001_19_14700001"


def square(x: float, y: float, side: float) -> list[list[float]]:
    """An outline round the pixels from (x, y) on; the half keeps corners between centres."""
    x, y = x - 0.5, y - 0.5
    return [[x, y], [x + side, y], [x + side, y + side], [x, y + side]]


def wcs_at(ra: float, dec: float) -> WCS:
    """North up in a picture whose first row is its top."""
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval = [ra, dec]
    wcs.wcs.crpix = [SIDE / 2, SIDE / 2]
    wcs.wcs.pc = np.diag([-1, -1]) * 0.099 / 3600
    return wcs


def picture(hexagon_radius: float | None = 70.0, seed: int = 0) -> np.ndarray:
    """A yellow galaxy on a dark grey sky, with a magenta hexagon three pixels wide about the middle."""
    y, x = np.indices((SIDE, SIDE)) - (SIDE - 1) / 2
    light = 150 * np.exp(-np.hypot(y / 2, x) / 15)
    grey = np.random.default_rng(seed).normal(12, 2, (SIDE, SIDE, 3)) + light[..., None] * [1, 0.9, 0.6]
    if hexagon_radius is not None:
        apothem = np.max([abs(y * np.cos(a) + x * np.sin(a)) for a in np.deg2rad([0, 60, 120])], axis=0)
        line = abs(apothem - hexagon_radius * np.sqrt(3) / 2) <= 1.5
        grey[line] = 0.5 * grey[line] + [70, 0, 70]
    return np.clip(np.rint(grey), 0, 255).astype(np.uint8)


def rows(column: str, drawn: dict[int, list], more: dict | None = None) -> fits.BinTableHDU:
    """A table of what people drew: classification to outlines, or to a cell's very text."""
    table = Table(
        {
            "classification_id": np.array(list(drawn), np.int64),
            "time_stamp": [f"2018-02-03 04:05:{number % 60:02d} UTC" for number in range(len(drawn))],
            **(more or {}),
            column: [paths if isinstance(paths, str) else json.dumps(paths) for paths in drawn.values()],
        }
    )
    return fits.table_to_hdu(table) if drawn else empty_table(column)


def empty_table(column: str) -> fits.BinTableHDU:
    """A table of nobody."""
    names = [("classification_id", "K"), ("time_stamp", "23A"), (column, "2A")]
    return fits.BinTableHDU.from_columns([fits.Column(name, kind, array=[]) for name, kind in names])


def gz3d_hdus(
    arms: dict[int, list],
    bars: dict[int, list] | None = None,
    *,
    ra: float = 165.297,
    dec: float = 12.475,
    manga_id: str = "1-1001",
    image: np.ndarray | None = None,
    star_votes: int = 6,
    asked_for_points: int = 10,
) -> fits.HDUList:
    """The 11 HDUs of a galaxy."""
    header = wcs_at(ra, dec).to_header()
    counts = np.zeros((4, SIDE, SIDE))
    counts[0, 98:102, 98:102] = 9
    counts[1, 20:30, 30:40] = star_votes
    counts[2] = 77  # of HDU 3, which must not be believed
    about = Table(
        {
            "ra": np.array([ra], np.float32),
            "dec": np.array([dec], np.float32),
            "MANGAID": [manga_id],
            "GZ_total_classifications": np.array([40], np.int16),
            "GZ_bar_votes": np.array([5], np.int16),
            "GZ_spiral_votes": np.array([30], np.int16),
        }
    )
    points = rows("star_points", {person: [] for person in range(asked_for_points)})
    clusters = [fits.BinTableHDU.from_columns([fits.Column("x", "D", array=[])]) for _ in range(2)]
    return fits.HDUList(
        [
            fits.PrimaryHDU(picture() if image is None else image, header),
            *(fits.ImageHDU(plane, header) for plane in counts),
            fits.table_to_hdu(about),
            *clusters,
            points,
            rows("spiral_paths", arms),
            rows("bar_paths", bars or {}),
        ]
    )


def gz3d_bytes(*args, **kwargs) -> bytes:
    """A galaxy's file as the archive has it, gzipped."""
    file = io.BytesIO()
    gz3d_hdus(*args, **kwargs).writeto(file)
    return gzip.compress(file.getvalue(), compresslevel=1, mtime=0)


def write_gz3d(folder: Path, *args, name: str = NAME, **kwargs) -> Path:
    """A galaxy's file under the archive's name."""
    path = folder / f"gz3d_{name}.fits.gz"
    path.write_bytes(gz3d_bytes(*args, **kwargs))
    return path
