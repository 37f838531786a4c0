"""Train, validation or test: decided by where a galaxy is on the sky, so that adding data moves nobody.

The sky is cut into cells of about 6 by 6 arcmin and each cell goes to one split by a hash of its number. Two surveys'
positions of one galaxy, and galaxies so close that their cutouts overlap, then land on one side, unless a cell edge
runs between them. For positions d apart that happens with probability 4 d / (π · 6 arcmin), and in a third of those
cases the neighbouring cell belongs to another split: 1 pair in 840 for d = 1 arcsec.
"""

import hashlib
import math
from typing import Literal, get_args

__all__ = ["CELL_ARCMIN", "SPLITS", "Split", "sky_cell", "split_of"]

Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = get_args(Split)

CELL_ARCMIN = 6.0
"""Height of a cell, and its width as near as a whole number of cells in a circle of declination allows."""
_TRAIN, _VALIDATION = 0.8, 0.1
_SCHEME = "flaxgal split 1"


def split_of(object_id: str, ra_deg: float | None = None, dec_deg: float | None = None) -> Split:
    """The split of a galaxy: 80 % train, 10 % validation, 10 % test.

    Decided by the cell of sky that holds it, or by its id where the position is unknown (None or NaN). The answer
    depends on nothing else, and is the same on every machine and in every version of Python.
    """
    if ra_deg is None or dec_deg is None or math.isnan(ra_deg) or math.isnan(dec_deg):
        key = f"{_SCHEME} id {object_id}"
    else:
        row, column = sky_cell(ra_deg, dec_deg)
        key = f"{_SCHEME} cell {row} {column}"
    share = int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big") / 2**64
    if share < _TRAIN:
        return "train"
    return "validation" if share < _TRAIN + _VALIDATION else "test"


def sky_cell(ra_deg: float, dec_deg: float) -> tuple[int, int]:
    """Row (in declination, from the south pole) and column (in right ascension) of the cell that holds a position.

    Raises
    ------
    ValueError
        If the declination is beyond a pole.
    """
    if not -90 <= dec_deg <= 90:
        raise ValueError(
            f"declination {dec_deg:g} deg, expected -90 to 90; are right ascension and declination swapped?"
        )
    height_deg = CELL_ARCMIN / 60
    rows = round(180 / height_deg)
    row = min(int((dec_deg + 90) / height_deg), rows - 1)
    middle_deg = (row + 0.5) * height_deg - 90
    columns = max(1, round(360 * math.cos(math.radians(middle_deg)) / height_deg))
    return row, min(int(ra_deg % 360 / 360 * columns), columns - 1)
