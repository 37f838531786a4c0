"""Tables of galaxies: ids, positions and sizes from whatever a catalogue calls them, in any format astropy reads.

Ids are text: as floats 64-bit ids lose their last digits, as numbers they lose leading zeros. −99 (any number of 9s
that surveys write), masked, NaN and infinite all mean that a number is missing.
"""

from __future__ import annotations

import math
import re
import warnings
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float64

from flaxgal.survey.cutout import Unreadable

__all__ = [
    "MISSING",
    "Place",
    "Size",
    "id_column_of",
    "numbers_in",
    "object_ids",
    "places",
    "positions_deg",
    "read_table",
    "texts_of",
    "values_of",
]

MISSING = (-99, -999, -9999)
"""What catalogues write for a number they do not have."""

ID_NAMES = ("object_id", "objid", "id", "name", "objname", "source_id", "hsc", "sdss", "galaxy", "pgcname")
RA_NAMES = ("ra", "ra_deg", "raj2000", "ra_icrs", "radeg", "_ra", "_raj2000", "i_ra", "ra2000", "alpha_j2000")
DEC_NAMES = ("dec", "dec_deg", "dej2000", "de_icrs", "dedeg", "_de", "_dej2000", "i_dec", "dec2000", "delta_j2000")
"""Names of columns in lower case, the first that a table has counts. Tadaki et al. (2020): object_id, ra, dec."""

BINARY_ENDINGS = (".fits", ".fit", ".parquet", ".vot", ".votable", ".xml", ".h5", ".hdf5", ".ecsv")
_FLOATS = "holds floats, which lose the last digits of 64-bit ids; save that column as text or as integers"
LARGEST_ARCSEC = 1800.0
"""No galaxy outside the Local Group is larger: a size beyond it was given in other units."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """A galaxy to fetch: its id, where it is, and how large a piece of sky around it is wanted."""

    object_id: str
    ra_deg: float
    dec_deg: float
    size_arcsec: float
    """Side of a square around the position."""


@dataclass(frozen=True, kw_only=True)
class Size:
    """How large a cutout is to be: the same for all, or some times each galaxy's radius."""

    arcsec: float = 60.0
    """Side of the square; where `column` is given, of those galaxies whose radius is missing (0: they are refused)."""
    column: str = ""
    """Column with each galaxy's radius; in arcsec unless the table says otherwise."""
    radii: float = 8.0
    """Side of the square in these radii: 8 shows four on each side of the centre."""
    smallest_arcsec: float = 10.0
    largest_arcsec: float = 300.0
    """Where `column` gives less or more, it is this."""

    def __post_init__(self) -> None:
        for name in ("arcsec", "radii", "smallest_arcsec", "largest_arcsec"):
            value = getattr(self, name)
            least = 0 if name == "arcsec" and self.column else 1e-3
            if not least <= value <= LARGEST_ARCSEC:
                raise ValueError(f"size: {name} is {value}; wanted a number from {least:g} to {LARGEST_ARCSEC:g}")
        if self.smallest_arcsec > self.largest_arcsec:
            raise ValueError(f"size: the smallest, {self.smallest_arcsec}, is above the largest, {self.largest_arcsec}")


def read_table(path: Path | str, *, id_column: str = "") -> Any:
    """A table in any format astropy reads (FITS, VOTable, ECSV, Parquet, CSV, other text), its ids as written there.

    Raises
    ------
    ValueError
        If there is no such file, or no table in it.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"{path}: no such file; wanted a table of galaxies")
    ending = Path(re.sub(r"\.(gz|bz2|xz)$", "", path.name.lower())).suffix
    if ending in BINARY_ENDINGS:
        table = _read(path)
    else:
        text = {"format": "ascii.csv" if ending == ".csv" else "ascii"}
        table = _read(path, **text)
        ids = _known(table, [id_column.lower()] if id_column else ID_NAMES)
        if ids is not None and table[ids].dtype.kind in "iuf":  # as a number an id loses zeros and digits
            table = _read(path, **text, converters={ids: str})
    if not table.colnames or not len(table):
        raise ValueError(f"{path.name}: found a table without rows; wanted one row a galaxy")
    return table


def id_column_of(table: Any, column: str = "", *, name: str = "the table", option: str = "--id-column") -> str:
    """The table's own name of its column of ids, whatever the case of `column`; `option` as in `object_ids`.

    Raises
    ------
    ValueError
        If there is no such column.
    """
    return _column(table, column, ID_NAMES, "ids", name, option)


def object_ids(table: Any, column: str = "", *, name: str = "the table", option: str = "--id-column") -> list[str]:
    """The galaxies' ids as text, in the order of the rows.

    `option` is what names the column on the command line, for the error; empty where nothing does.

    Raises
    ------
    ValueError
        If there is no such column, or it holds floats that are no whole numbers that floats can hold.
    """
    found = id_column_of(table, column, name=name, option=option)
    values = table[found]
    missing = np.broadcast_to(np.ma.getmaskarray(np.ma.asarray(values)), len(table))
    if values.dtype.kind == "f":
        numbers = np.ma.filled(np.ma.asarray(values), 0).astype(np.float64)
        if not (np.isfinite(numbers) & (np.abs(numbers) < 2**53) & (numbers == np.round(numbers))).all():
            raise ValueError(f"{name}: {found} {_FLOATS}")
        values = numbers.astype(np.int64)
    texts = _texts(values, missing)
    if _written_as_floats(texts):
        raise ValueError(f"{name}: {found} {_FLOATS}")
    return texts


def _written_as_floats(ids: Sequence[str]) -> bool:
    """Whether a column of text is one of numbers, and one of them has lost digits: 4.0e16, or 40158992189641001.0."""
    ids = [text for text in ids if text]
    if not all(re.fullmatch(r"[+-]?\d+\.?\d*([eE][+-]?\d+)?", text) for text in ids):
        return False
    return any(re.search("[eE]", text) or ("." in text and abs(float(text)) >= 2**53) for text in ids)


def positions_deg(
    table: Any,
    ra: str = "",
    dec: str = "",
    *,
    name: str = "the table",
    options: tuple[str, str] = ("--ra-column", "--dec-column"),
) -> Float64[np.ndarray, "n 2"]:
    """Right ascension and declination (ICRS) in degrees, NaN where they are missing or impossible.

    Columns of text (01:59:39.4 −03:10:47) and of hours are understood. `options` as in `object_ids`.

    Raises
    ------
    ValueError
        If there are no such columns, or all rows lack a position.
    """
    columns = [
        table[_column(table, ra, RA_NAMES, "right ascensions", name, options[0])],
        table[_column(table, dec, DEC_NAMES, "declinations", name, options[1])],
    ]
    if any(column.dtype.kind in "USO" for column in columns):
        position = np.array([_from_text(*pair) for pair in zip(*columns, strict=True)]).reshape(-1, 2)
    else:
        position = np.stack([_in_unit(column, "deg") for column in columns], axis=1)
    right, up = position.T
    good = (right >= -360) & (right <= 360) & (np.abs(up) <= 90)
    if not good.any():
        raise ValueError(
            f"{name}: no row has a position in {' and '.join(column.name for column in columns)}; wanted degrees, or "
            f"the columns named that have them"
        )
    return np.where(good[:, None], np.stack([right % 360, up], axis=1), np.nan)


def values_of(
    table: Any, column: str, unit: str = "", *, name: str = "the table", option: str = ""
) -> Float64[np.ndarray, " n"]:
    """The numbers of a column, NaN where they are missing, converted to `unit` where the table knows its own.

    `option` as in `object_ids`.

    Raises
    ------
    ValueError
        If there is no such column, or it holds no numbers, or its unit is of another kind.
    """
    found = _column(table, column, (), column, name, option)
    if table[found].dtype.kind not in "iufb":
        raise ValueError(f"{name}: {found} holds text; wanted numbers")
    try:
        return _in_unit(table[found], unit)
    except Exception:  # units that astropy cannot convert, or does not know
        raise ValueError(f"{name}: {found} is in {table[found].unit}; wanted something that becomes {unit}") from None


def numbers_in(table: Any, column: str, *, name: str = "the table", option: str = "") -> list[float | str]:
    """The cells of a column, NaN where they are missing; a cell that is no number (N/A, unknown) stays text.

    `option` as in `object_ids`.

    Raises
    ------
    ValueError
        If there is no such column, or none of its cells is a number.
    """
    found = _column(table, column, (), column, name, option)
    if table[found].dtype.kind in "iufb":
        return values_of(table, found, name=name).tolist()
    cells = [_number_in(text) for text in texts_of(table, found, name=name)]
    if all(isinstance(cell, str) for cell in cells):
        some = ", ".join([str(cell) for cell in dict.fromkeys(cells) if cell][:3])
        raise ValueError(f"{name}: {found} holds text, such as {some or 'nothing'}; wanted numbers")
    return cells


def _number_in(text: str) -> float | str:
    try:
        number = float(text)
    except ValueError:
        return text
    return number if math.isfinite(number) and number not in MISSING else math.nan


def texts_of(table: Any, column: str, *, name: str = "the table", option: str = "") -> list[str]:
    """A column as text, without spaces at its ends; empty where it is missing.

    `option` as in `object_ids`.

    Raises
    ------
    ValueError
        If there is no such column.
    """
    values = np.ma.asarray(table[_column(table, column, (), column, name, option)])
    return _texts(values, np.broadcast_to(np.ma.getmaskarray(values), len(table)))


def _texts(values: Any, missing: np.ndarray) -> list[str]:
    texts = [value.decode() if isinstance(value, bytes) else str(value) for value in np.ma.getdata(values).tolist()]
    return ["" if gone else text.strip() for text, gone in zip(texts, missing, strict=True)]


def places(
    table: Any, size: Size, *, id_column: str = "", ra: str = "", dec: str = "", name: str = "the table"
) -> list[Place | Unreadable]:
    """Every row as a galaxy to fetch, or with the reason why it cannot be.

    Raises
    ------
    ValueError
        If a column is missing or cannot be understood as a whole.
    """
    ids = object_ids(table, id_column, name=name)
    positions = positions_deg(table, ra, dec, name=name)
    sides = _sides(table, size, name)
    times = Counter(ids)
    seen: set[str] = set()
    rows: list[Place | Unreadable] = []
    for row, (object_id, (right, up), side) in enumerate(zip(ids, positions.tolist(), sides.tolist(), strict=True)):
        reason = _fault(object_id, right, side, size)
        if times[object_id] > 1 and not reason:
            if object_id in seen:
                reason = f"the id comes {times[object_id]} times, and the first row counts; keep one row a galaxy"
            seen.add(object_id)
        who = object_id or f"row {row + 1}"
        rows.append(
            Unreadable(who, f"{who}: {reason}")
            if reason
            else Place(object_id=object_id, ra_deg=right, dec_deg=up, size_arcsec=side)
        )
    return rows


def _fault(object_id: str, ra_deg: float, side: float, size: Size) -> str:
    if not object_id:
        return "the row has no id; wanted one"
    if not object_id.isprintable() or re.search(r"[/\\]", object_id) or object_id in (".", ".."):
        return "the id holds a slash or an unprintable character; wanted text that can be a file's name"
    if math.isnan(ra_deg):
        return "the row has no position in degrees; wanted a right ascension and a declination"
    if math.isnan(side):
        return f"{size.column} is missing; give a size in arcsec for such galaxies"
    return ""


def _sides(table: Any, size: Size, name: str) -> np.ndarray:
    if not size.column:
        return np.full(len(table), size.arcsec)
    radii = values_of(table, size.column, "arcsec", name=name, option="--radius-column")
    radii = np.where(radii > 0, radii, np.nan)
    sides = np.clip(radii * size.radii, size.smallest_arcsec, size.largest_arcsec)
    return np.where(np.isnan(sides), size.arcsec or np.nan, sides)


def _column(table: Any, wanted: str, names: Sequence[str], what: str, name: str, option: str) -> str:
    """The name of a column: the one that is wanted, or the first of the names, whatever their case."""
    found = wanted if wanted in table.colnames else _known(table, [wanted.lower()] if wanted else names)
    if found is None:
        listed = ", ".join(table.colnames[:12]) + (" …" if len(table.colnames) > 12 else "")
        rename = f"rename the one that holds them to {names[0]}" if names else "check its name"
        remedy = f"name one of them by {option}" if option else rename
        raise ValueError(f"{name}: no column {wanted or f'of {what}'} among {listed}; {remedy}")
    return found


def _known(table: Any, names: Iterable[str]) -> str | None:
    """The table's own name of the first of these columns that it has."""
    by_lower = {column.lower(): column for column in reversed(table.colnames)}
    return next((by_lower[one] for one in names if one in by_lower), None)


def _read(path: Path, **way: Any) -> Any:
    from astropy.table import Table

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # VOTables of archives have many small faults that astropy reads past
            return Table.read(path, **way)
    except Exception as error:  # each reader of astropy's raises its own kinds
        reason = str(error).strip().partition("\n")[0][:200]
        raise ValueError(f"{path.name}: no table that astropy reads ({reason}); save it as ECSV, FITS or CSV") from None


def _in_unit(column: Any, unit: str) -> np.ndarray:
    values = np.ma.filled(np.ma.asarray(getattr(column, "value", column)).astype(np.float64), np.nan)
    values = np.where(np.isfinite(values) & ~np.isin(values, MISSING), values, np.nan)
    own = getattr(column, "unit", None)
    if unit and own is not None and str(own) not in ("", unit):
        from astropy import units

        values = (values * units.Unit(own)).to_value(units.Unit(unit))
    return values


def _from_text(ra: Any, dec: Any) -> tuple[float, float]:
    """Degrees as text, or hours and degrees with minutes and seconds."""
    from astropy.coordinates import Angle

    texts = [(one.decode() if isinstance(one, bytes) else str(one)).strip().replace("−", "-") for one in (ra, dec)]
    try:
        numbers = [float(text) for text in texts]
        return (math.nan, math.nan) if any(number in MISSING for number in numbers) else (numbers[0], numbers[1])
    except ValueError:
        pass
    try:
        return float(Angle(texts[0], "hourangle").deg), float(Angle(texts[1], "deg").deg)
    except ValueError:  # what Angle raises is a kind of it
        return math.nan, math.nan
