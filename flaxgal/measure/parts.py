"""The catalogue as a folder of plain Parquet files, as LSDB and HATS import them: the survey's own way to large tables.

Every file has the same columns; `ra_deg` and `dec_deg` are degrees as 64-bit floats and never missing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from flaxgal.measure.formats import write_pieces
from flaxgal.survey.atomic import replaced_when_whole

if TYPE_CHECKING:
    from astropy.table import Table

__all__ = ["check_parts", "write_parts"]

ROWS = 20_000
"""Rows of a file, about."""


def check_parts(folder: Path) -> None:
    """Refuse a folder that holds anything but parts, before the work.

    Raises
    ------
    ValueError
        If `folder` is a file, or holds other files.
    """
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{folder}: found a file; wanted a folder for the parts of the catalogue")
    others = sorted(path.name for path in folder.glob("*") if not path.match("part-*.parquet"))
    if others:
        raise ValueError(f"{folder}: holds {others[0]}; wanted an empty folder for the parts of the catalogue")


def write_parts(pieces: Iterable[Table], empty: Table, folder: Path) -> int:
    """Write a catalogue to FOLDER/part-00000.parquet and so on; how many rows were left out for lack of a position."""
    left_out = 0

    def on_the_sky() -> Iterator[Table]:
        nonlocal left_out
        for piece in pieces:
            known = np.isfinite(piece["ra_deg"]) & np.isfinite(piece["dec_deg"])
            left_out += int((~known).sum())
            yield piece[known]

    written = set()
    for number, some in enumerate(_groups(on_the_sky())):
        path = folder / f"part-{number:05d}.parquet"
        with replaced_when_whole(path) as temporary:
            write_pieces(empty, some, temporary)
        written.add(path)
    for old in set(folder.glob("part-*.parquet")) - written:
        old.unlink()
    return left_out


def _groups(pieces: Iterable[Table]) -> Iterator[list[Table]]:
    """Pieces together, until they have enough rows for a file."""
    group, rows = [], 0
    for piece in pieces:
        if len(piece):
            group.append(piece)
            rows += len(piece)
        if rows >= ROWS:
            yield group
            group, rows = [], 0
    if group:
        yield group
