"""What a classifier says of galaxies, as a table: a row a galaxy, or columns beside those of a given catalogue.

The columns are those of `flaxgal.class_answers`.
"""

from __future__ import annotations

import contextlib
import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Bool

from flaxgal.class_answers import DOUBT_MEANINGS, DOUBTS, ClassRow, Tally, Terms, class_columns, galaxy_columns
from flaxgal.class_summary import probability_columns
from flaxgal.measure.formats import check_format, empty_like, fits_text, read_whole, write_pieces
from flaxgal.measure.joining import kept_columns
from flaxgal.survey.atomic import replaced_when_whole
from flaxgal.survey.catalog import object_ids, read_table
from flaxgal.survey.schemas import SCHEMAS, LabelSchema

if TYPE_CHECKING:
    from astropy.table import Column, Table

__all__ = ["UNMATCHED", "Catalogue", "finished_tally", "read_given", "spiral_classes", "spirals_in", "write_classes"]

PIECE = 1000
"""Rows that are made a table at a time."""
UNMATCHED = "unmatched_galaxies"
"""Where a table's metadata says how many galaxies were classified that the given catalogue has no row for."""


@dataclass(frozen=True, eq=False)
class Catalogue:
    """A given table that answers are put beside: all its columns and rows stay."""

    name: str
    table: Table
    object_ids: list[str]
    """Of each row; empty where it has none."""
    id_column: str

    @property
    def is_first(self) -> Bool[np.ndarray, " row"]:
        """Whether a row is the first of its galaxy; what galaxies rows without id are of, nobody knows."""
        places = {object_id: row for row, object_id in reversed(list(enumerate(self.object_ids)))}
        return np.array([not one or places[one] == row for row, one in enumerate(self.object_ids)], bool)


def read_given(path: Path, *, id_column: str = "") -> Catalogue:
    """A catalogue in any format astropy reads.

    Raises
    ------
    ValueError
        If it is no table, has no ids as text or whole numbers, or a column that no table of ours can hold.
    """
    from astropy.table import Table

    table = _ours(path)
    if table is None:
        table = read_table(path, id_column=id_column)
    ids = object_ids(table, id_column, name=path.name)
    plain = Table(kept_columns(table, name=path.name), copy=False)
    plain.meta.update({name: value for name, value in table.meta.items() if _is_plain(value)})
    return Catalogue(path.name, plain, ids, id_column)


def write_classes(
    path: Path,
    terms: Terms,
    rows: Callable[[], Iterable[ClassRow]],
    row_of: Callable[[str], ClassRow | None],
    *,
    catalogue: Catalogue | None = None,
    about: Mapping[str, Any],
) -> Tally:
    """Write the answers, by the file's ending, whole or not at all, in the memory of a piece.

    Parameters
    ----------
    rows : all of them, again and again.
    row_of : one of them, by the galaxy's id; for a catalogue.
    catalogue : a table that gets the answers beside its own columns.
    about : further metadata.
    """
    tally = Tally(unmatched=about.get(UNMATCHED, 0))
    pieces = _pieces(rows, terms) if catalogue is None else _joined_pieces(catalogue, row_of, terms)
    empty, tables = pieces
    prefix, firsts = empty.meta.get("prefix", ""), _firsts(catalogue)

    def counted() -> Iterator[Table]:
        for table in tables:
            _count(tally, table, prefix, firsts)
            yield table

    _keep_aside(empty.meta, {**terms.said(), **about})
    empty.meta |= {"created_utc": datetime.now(UTC).isoformat(timespec="seconds"), **terms.said(), **about}
    empty.meta["trust_flags"] = {int(doubt): f"{DOUBTS[doubt]}: {DOUBT_MEANINGS[doubt]}" for doubt in DOUBTS}
    with replaced_when_whole(path) as temporary:
        write_pieces(empty, counted(), temporary)
    return tally


def finished_tally(
    path: Path, terms: Terms, about: Mapping[str, Any], catalogue: Catalogue | None = None
) -> Tally | None:
    """What is in a table that an earlier call finished; None if it is not there, or of other galaxies.

    Raises
    ------
    ValueError
        If the file is something else, or holds answers of another run or by other choices.
    """
    check_format(path)
    if not path.exists():
        return None
    try:
        table = read_whole(path)
    except Exception:  # each reader of astropy's raises its own kinds
        table = None
    if table is None or "weights_sha256" not in table.meta:
        raise ValueError(f"{path}: is there, and no table that flaxgal predict wrote; choose another --out")
    wanted = terms.said()
    different = [name for name in wanted if table.meta.get(name) != wanted[name]]
    if different:
        found, asked = ({name: said.get(name) for name in different} for said in (table.meta, wanted))
        raise ValueError(f"{path}: holds classes told with {found}, wanted are {asked}; choose another --out")
    if any(table.meta.get(name) != value for name, value in about.items()):
        return None
    tally = Tally(unmatched=table.meta.get(UNMATCHED, 0))
    _count(tally, table, table.meta.get("prefix", ""), _firsts(catalogue))
    return tally


def spiral_classes(schema: LabelSchema) -> tuple[str, ...]:
    """The classes of a schema whose galaxies are spirals: Sp; spiral; S and Z; T-types 1 to 9."""
    if schema.name == "spiral":
        return ("spiral",)
    return tuple(name for name in schema.classes if SCHEMAS["spiral"].class_of(name, schema.name) == "spiral")


def spirals_in(path: Path, schema: LabelSchema, *, id_column: str = "", least_probability: float | None) -> set[str]:
    """The ids of a table's galaxies that are spirals: by their class, or by how likely they are of any such class.

    Parameters
    ----------
    least_probability : of being a spiral; None goes by the class.
    """
    table, spirals = read_whole(path), spiral_classes(schema)
    prefix = table.meta.get("prefix", "")
    names = dict(zip(schema.classes, probability_columns(schema), strict=True))
    if least_probability is None:
        chosen = np.isin(np.asarray(table[f"{prefix}class"]), spirals)
    else:
        chances = [np.asarray(table[f"{prefix}{names[name]}"], np.float64) for name in spirals]
        chosen = np.sum(chances, axis=0) >= least_probability
    ids = object_ids(table, id_column)
    return {object_id for object_id, taken in zip(ids, chosen.tolist(), strict=True) if taken and object_id}


def _ours(path: Path) -> Table | None:
    """A table that flaxgal wrote in a format in which only flaxgal reads all that it says of itself."""
    if path.suffix in (".fits", ".vot"):
        with contextlib.suppress(Exception):  # each reader of astropy's raises its own kinds
            table = read_whole(path)
            return table if str(table.meta.get("software", "")).startswith("flaxgal ") else None
    return None


def _firsts(catalogue: Catalogue | None) -> Iterator[bool]:
    """Of each row of a table, whether its galaxy has not come before."""
    return itertools.repeat(True) if catalogue is None else iter(catalogue.is_first.tolist())


def _count(tally: Tally, table: Table, prefix: str, firsts: Iterator[bool]) -> None:
    """Add the galaxies of a table, or of a piece of one, to the tally."""
    first = np.array(list(itertools.islice(firsts, len(table))), bool)
    classes, flags = (np.asarray(table[f"{prefix}{name}"])[first] for name in ("class", "trust_flags"))
    tally.add(classes.tolist(), flags)


def _pieces(rows: Callable[[], Iterable[ClassRow]], terms: Terms) -> tuple[Table, Iterator[Table]]:
    """A table of answers alone: its columns, and its rows piece by piece."""
    widths: Counter[str] = Counter()
    for row in rows():
        for name in ("object_id", "survey"):
            widths[name] = max(widths[name], len(fits_text(getattr(row, name))))

    def table(some: Sequence[ClassRow]) -> Table:
        return _table({**galaxy_columns(some, widths), **class_columns(some, terms)})

    return table([]), (table(some) for some in _several(rows()))


def _joined_pieces(
    catalogue: Catalogue, row_of: Callable[[str], ClassRow | None], terms: Terms
) -> tuple[Table, Iterator[Table]]:
    given = catalogue.table
    prefix = _free_prefix(set(given.colnames), set(class_columns([], terms)), terms.run)

    def table(part: Table, ids: Sequence[str]) -> Table:
        answers = class_columns([row_of(object_id) if object_id else None for object_id in ids], terms)
        named = {f"{prefix}{name}": column for name, column in answers.items()}
        return _table({**{name: part[name] for name in part.colnames}, **named})

    empty = table(empty_like(given), [])
    empty.meta.update(given.meta)
    _keep_aside(empty.meta, ("prefix", "created_utc", "trust_flags"))
    empty.meta["prefix"] = prefix
    starts = range(0, len(given), PIECE)
    return empty, (table(given[k : k + PIECE], catalogue.object_ids[k : k + PIECE]) for k in starts)


def _free_prefix(taken: set[str], names: set[str], run: str) -> str:
    """What to put before our columns' names, so that none is one of the catalogue's: nothing, if that will do."""
    for prefix in itertools.chain(("", f"{run}_"), (f"{run}_{number}_" for number in itertools.count(2))):
        if not taken & {f"{prefix}{name}" for name in names}:
            return prefix
    raise AssertionError("there is no end of numbers")


def _keep_aside(meta: dict[str, Any], names: Iterable[str]) -> None:
    """Give what a catalogue says of itself under a name that ours has, too, another name."""
    for name in set(names) & set(meta):
        free = next(other for k in itertools.count(1) if (other := f"catalogue_{k}_{name}") not in meta)
        meta[free] = meta.pop(name)


def _table(columns: Mapping[str, Column]) -> Table:
    from astropy.table import Table

    return Table(list(columns.values()), names=list(columns), copy=False)


def _several(rows: Iterable[ClassRow]) -> Iterator[list[ClassRow]]:
    rows = iter(rows)
    while some := list(itertools.islice(rows, PIECE)):
        yield some


def _is_plain(value: Any) -> bool:
    """Whether every format can keep a piece of metadata."""
    if isinstance(value, dict):
        return all(_is_plain(part) for part in (*value, *value.values()))
    if isinstance(value, list | tuple):
        return all(map(_is_plain, value))
    return isinstance(value, str | int | float)
