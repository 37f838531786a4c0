"""Columns of a published table beside our own, galaxy by galaxy: redshifts, masses, star-formation rates.

Galaxies are the same when their ids are, as text. −99 and its like become NaN, and so do galaxies that the table lacks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from flaxgal.measure.formats import fits_text
from flaxgal.survey.catalog import MISSING, id_column_of, object_ids, read_table

if TYPE_CHECKING:
    from astropy.table import Column, Table

__all__ = ["Joined", "kept_columns", "read_joined"]


@dataclass(frozen=True, eq=False)
class Joined:
    """A table whose columns are added to the catalogue's."""

    name: str
    """Of its file."""
    columns: dict[str, Column]
    """Numbers with NaN where they are missing, and text."""
    rows: dict[str, int]
    """Which row a galaxy has, by id."""
    left_out: dict[str, str]
    """Columns that hold something else, and what."""

    def beside(self, table: Table) -> Table:
        """Part of the catalogue with these columns added to it; a name that is taken already gets joined_ in front."""
        from astropy.table import Table

        at = np.array([self.rows.get(str(one), -1) for one in table["object_id"]], dtype=np.int64)
        added, taken = [], set(table.colnames)
        for name, column in self.columns.items():
            while name in taken:
                name = f"joined_{name}"
            taken.add(name)
            values = np.full(len(at), "" if column.dtype.kind == "U" else np.nan, dtype=column.dtype)
            values[at >= 0] = np.asarray(column)[at[at >= 0]]
            added.append(_described(column, values, name))
        return Table([*table.itercols(), *added], meta=table.meta | {"joined": self.name}, copy=False)

    @property
    def an_id(self) -> str:
        """One of the table's ids, to compare with others by eye."""
        return next(iter(self.rows), "nothing")

    def lacking(self, object_ids: Iterable[str]) -> Iterator[str]:
        """What a catalogue of some galaxies lacks of the table, in sentences: columns, and rows of galaxies."""
        for name, reason in self.left_out.items():
            yield f"{self.name}: the column {name} holds {reason} and is left out"
        if unknown := [object_id for object_id in object_ids if object_id not in self.rows]:
            such = f"such as {unknown[0]}; its ids are like {self.an_id}"
            yield f"{len(unknown)} galaxies have no row in {self.name}, {such}"


def read_joined(path: Path, *, id_column: str = "") -> Joined:
    """The columns of a table of galaxies, in any format astropy reads, by the galaxies' ids.

    `id_column` holds these where its name does not say so, in any case of letters. The column that holds them is not
    among the others: the catalogue has it as object_id.

    Raises
    ------
    ValueError
        If it is no table, has no ids as text or whole numbers, or has an id twice.
    """
    table = read_table(path, id_column=id_column)
    ids_in = id_column_of(table, id_column, name=path.name)
    ids = object_ids(table, ids_in, name=path.name)
    rows: dict[str, int] = {}
    for row, object_id in enumerate(ids):
        if object_id and rows.setdefault(object_id, row) != row:
            raise ValueError(f"{path.name}: the id {object_id} comes twice; keep one row a galaxy")
    others = [name for name in table.colnames if name != ids_in]
    left_out = {name: reason for name in others if (reason := _oddity(table[name]))}
    columns = {name: _plain(table[name]) for name in others if name not in left_out}
    return Joined(path.name, columns, rows, left_out)


def kept_columns(table: Any, *, name: str) -> list[Column]:
    """Every column of a table as it is, for a table that gets further ones; where a number is missing, it is NaN.

    Whole numbers among which some are missing become floats, or text if floats would lose their last digits.

    Raises
    ------
    ValueError
        If a column holds what not every format of `flaxgal.measure.formats` can: lists, times, complex numbers.
    """
    return [_kept(table[column], column, name) for column in table.colnames]


def _kept(column: Any, called: str, name: str) -> Column:
    if _oddity(column) or (column.dtype.kind == "O" and not _are_texts(column)):
        raise ValueError(
            f"{name}: column {called} holds neither numbers nor text, one a row; leave it out, or make several of it"
        )
    kind = column.dtype.kind
    data, gone = np.ma.getdata(np.ma.asarray(column)), np.ma.getmaskarray(np.ma.asarray(column))
    if kind in "SUO":
        return _described(column, _texts(data, gone))
    if kind == "f":
        return _described(column, np.where(gone, np.nan, data).astype(data.dtype))
    if not gone.any():
        return _described(column, data)
    if bool((np.abs(data[~gone].astype(np.float64)) > 2**53).any()):
        return _described(column, _texts(data.astype(str), gone))
    return _described(column, np.where(gone, np.nan, data.astype(np.float64)))


def _are_texts(column: Any) -> bool:
    values = np.ma.asarray(column)
    return all(isinstance(value, str | bytes) for value in values[~np.ma.getmaskarray(values)].tolist())


def _oddity(column: Any) -> str:
    """What a column holds if it is neither numbers nor text, one a row; else nothing."""
    kind = getattr(getattr(column, "dtype", None), "kind", "")
    if kind and column.ndim != 1:
        return "several numbers a galaxy"
    if kind == "c":
        return "complex numbers"
    return "" if kind and kind in "SUOiufb" else "neither numbers nor text"


def _plain(column: Any) -> Column:
    """A column as numbers or text, missing ones as NaN or empty."""
    data, gone = np.ma.getdata(np.ma.asarray(column)), np.ma.getmaskarray(np.ma.asarray(column))
    if data.dtype.kind in "SUO":
        return _described(column, _texts(data, gone))
    if data.dtype.kind in "iu" and bool((np.abs(data[~gone].astype(np.float64)) > 2**53).any()):
        return _described(column, _texts(data.astype(str), gone))  # an id: floats would lose its last digits
    kind = np.float32 if data.dtype == np.float32 else np.float64
    values = data.astype(kind)
    return _described(
        column, np.where(gone | np.isin(values, MISSING) | ~np.isfinite(values), np.nan, values).astype(kind)
    )


def _texts(data: np.ndarray, gone: np.ndarray) -> np.ndarray:
    """Text as wide as FITS writes it."""
    texts = [value.decode() if isinstance(value, bytes) else str(value) for value in data.tolist()]
    texts = ["" if missing else text.strip() for text, missing in zip(texts, gone.tolist(), strict=True)]
    return np.array(texts, dtype=f"U{max((len(fits_text(text)) for text in texts), default=1) or 1}")


def _described(column: Any, values: np.ndarray, name: str = "") -> Column:
    """Values with the name, the unit and the description of a column."""
    from astropy.table import Column

    return Column(values, name=name or column.name, unit=column.unit, description=column.description or "")
