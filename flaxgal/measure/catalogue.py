"""The catalogue: one row a galaxy and one row an arm, with units, descriptions and where they come from.

`to_table` makes a table of rows that are in memory, `write_rows` writes any number of rows from the disk, and
`read_catalogue` reads what was written: ECSV, Parquet, FITS or VOTable, by the file's ending.
"""

from __future__ import annotations

import itertools
import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from flaxgal.measure.columns import Contents, arms_table, galaxies_table
from flaxgal.measure.formats import FORMATS, MOST_COLUMNS, check_format, empty_like, read_whole, write_pieces
from flaxgal.measure.joining import Joined
from flaxgal.measure.record import Measurement
from flaxgal.survey.atomic import replaced_when_whole

if TYPE_CHECKING:
    from astropy.table import Column, Table

__all__ = [
    "FORMATS",
    "arms_path",
    "check_format",
    "check_joined",
    "read_catalogue",
    "to_arms_table",
    "to_table",
    "write_catalogue",
    "write_rows",
]

PIECE = 1000
"""Rows that are made a table at a time."""

BANDS = "ugrizy"
"""Joined columns leave room for the catalogue's own of a galaxy in this many bands."""

Rows = Callable[[], Iterable[Measurement]]
"""Gives all rows of a catalogue, again and again, in the same order: from memory or from the disk."""


def to_table(measurements: Iterable[Measurement]) -> Table:
    """The catalogue as an astropy table: units and descriptions on each column, origin and flags in its metadata.

    Flux columns are named by band (`flux_ratio_r`); a galaxy that lacks a band has NaN there. Their unit is nJy
    only if all galaxies with linear flux are calibrated; otherwise the column `unit` says which is which.
    """
    rows = list(measurements)
    return galaxies_table(rows, Contents.of(rows))


def to_arms_table(measurements: Iterable[Measurement]) -> Table:
    """A row for each arm, with the galaxy's id and the arm's number from 1, the longest first."""
    rows = list(measurements)
    return arms_table(rows, Contents.of(rows))


def write_catalogue(table: Table, path: str | os.PathLike[str]) -> Path:
    """Write a catalogue that is in memory, by the file's ending, whole or not at all.

    Raises
    ------
    ValueError
        If the ending is none of `FORMATS`.
    """
    path = Path(path)
    check_format(path)
    with replaced_when_whole(path) as temporary:
        write_pieces(empty_like(table), [table], temporary)
    return path


def write_rows(
    rows: Rows, paths: Sequence[Path], *, masks: str = "", joined: Joined | None = None, parts: Path | None = None
) -> tuple[Contents, int]:
    """Write the catalogue to each of `paths` and its arms beside it, in the memory of a piece of either.

    Parameters
    ----------
    rows : called for every file anew.
    masks : where the arm masks are from, for the metadata.
    joined : columns of another table to add to each galaxy.
    parts : a folder for the catalogue once more, as plain Parquet files; see `flaxgal.measure.parts`.

    Returns
    -------
    What the rows have together, and how many of them are not in `parts`, as they have no place on the sky.
    """
    contents = Contents.of(rows(), masks=masks)

    def galaxies(some: Sequence[Measurement]) -> Table:
        table = galaxies_table(some, contents)
        return table if joined is None else joined.beside(table)

    for path in paths:
        _write(lambda: map(galaxies, _in_pieces(rows())), galaxies([]), path)
        _write(
            lambda: (arms_table(some, contents) for some in _in_pieces(rows())),
            arms_table([], contents),
            arms_path(path),
        )
    if parts is None:
        return contents, 0
    from flaxgal.measure.parts import write_parts

    return contents, write_parts(map(galaxies, _in_pieces(rows())), galaxies([]), parts)


def check_joined(joined: Joined, paths: Sequence[Path]) -> None:
    """Refuse columns that a catalogue cannot have in the formats of `paths`, before the work and not after it.

    The catalogue's own columns go by the galaxies' bands, which no one knows yet: `BANDS` stand for them.

    Raises
    ------
    ValueError
        If a column's name does not come back from a file of such a format as it was, or there are too many of them.
    OSError
        If there is no room to try.
    """
    with TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for path in (Path(folder, f"columns{path.suffix}") for path in paths):
            _check_number(joined, path.suffix)
            if fault := _fault(joined.columns, path):
                bad = [name for name, column in joined.columns.items() if _fault({name: column}, path)]
                alone, together = f"columns of the names {bad}; rename them", f"its columns ({fault}); leave some out"
                raise ValueError(
                    f"{joined.name}: a {path.suffix} file cannot have {alone if bad else together} there, or give an "
                    f"--out of another ending"
                )


def _check_number(joined: Joined, ending: str) -> None:
    """Refuse more columns than there is room for beside the catalogue's own."""
    if ending not in MOST_COLUMNS:
        return
    six = Contents(bands=dict.fromkeys(BANDS), pairs=dict.fromkeys(map("-".join, itertools.pairwise(BANDS))))
    room = MOST_COLUMNS[ending] - len(galaxies_table([], six).colnames)
    if len(joined.columns) > room:
        raise ValueError(
            f"{joined.name}: has {len(joined.columns)} columns to join, and a {ending} file has room for {room} beside "
            f"the catalogue's own; leave some out there, or give an --out of another ending"
        )


def _fault(columns: Mapping[str, Column], path: Path) -> str:
    """Why a file does not have columns under their own names when it is read again; nothing if it does."""
    from astropy.table import Table

    try:
        write_pieces(Table({name: column[:0] for name, column in columns.items()}), [], path)
        return "" if read_whole(path).colnames == list(columns) else "they come back under other names"
    except OSError:  # no room on the disk says nothing of names
        raise
    except Exception as error:  # each format's own
        return str(error).strip().partition("\n")[0] or type(error).__name__


def _write(pieces: Callable[[], Iterable[Table]], empty: Table, path: Path) -> None:
    with replaced_when_whole(path) as temporary:
        write_pieces(empty, pieces(), temporary)


def _in_pieces(rows: Iterable[Measurement]) -> Iterator[list[Measurement]]:
    rows = iter(rows)
    while piece := list(itertools.islice(rows, PIECE)):
        yield piece


def arms_path(path: Path) -> Path:
    """Where the table of arms of a catalogue is: arms.parquet has its arms in arms-arms.parquet."""
    return path.with_name(f"{path.stem}-arms{path.suffix}")


def read_catalogue(path: str | os.PathLike[str]) -> Table:
    """A catalogue that `write_catalogue` or `write_rows` wrote, with its units, descriptions and metadata.

    Raises
    ------
    ValueError
        If the file is missing, of another format, or damaged.
    """
    path = Path(path)
    check_format(path)
    if not path.exists():
        raise ValueError(f"{path}: no such file; expected a catalogue written by flaxgal measure")
    try:
        return read_whole(path)
    except Exception as error:
        raise ValueError(f"{path}: found no catalogue in it ({error}); run flaxgal measure again") from None
