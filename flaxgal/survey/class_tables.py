"""Tables of what galaxies are called: ids and classes, T-types or senses of winding, in any format astropy reads.

Columns are known by name: `morphology` (E, S0, Sp), `spiral` if it says yes or no and nothing else (people's votes bear
that name, too), `winding` (S, Z, none), the T-type by `t_type`, `TType`, `TT`, `T` ..., and EFIGI's `Arm_Rotation`.
Another one is named together with its vocabulary (`flaxgal.survey.schemas`), such as the column of Galaxy Zoo's words.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flaxgal.survey.catalog import numbers_in, object_ids, positions_deg, read_table, texts_of
from flaxgal.survey.nair_abraham import T_NAMES
from flaxgal.survey.schemas import SCHEMAS, VOCABULARIES, Labels, labels_from, spelt

__all__ = ["ClassTable", "read_class_table"]

_COLUMNS = {
    "morphology": ("morphology",),
    "spiral": ("spiral",),
    "winding": ("winding",),
    "t_type": T_NAMES,
    "efigi_rotation": ("arm_rotation",),
}
"""Names of columns in lower case that are known to be in a vocabulary."""
_NUMBERS = ("t_type", "efigi_rotation")
_WANTED = {"morphology": "E, S0 or Sp", "spiral": "yes or no", "winding": "S, Z or none"}
"""Words of a vocabulary, for who wrote others."""


@dataclass(frozen=True, kw_only=True)
class ClassTable:
    """What a table says of galaxies."""

    name: str
    vocabularies: tuple[str, ...]
    labels: Mapping[str, Labels]
    """By id; only galaxies of which something is known."""
    positions: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """Right ascension and declination in degrees, by id, where the table tells them."""
    untold: Mapping[str, str] = field(default_factory=dict)
    """Why nothing is known of the others, by id: T-type 99, don't know, rows that contradict each other ..."""
    remarks: tuple[str, ...] = ()
    """Sentences on the table itself: rows without an id, codes to leave out that it does not hold, votes not read."""


def read_class_table(
    path: Path | str,
    *,
    column: str = "",
    vocabulary: str = "",
    id_column: str = "",
    leave_out: Sequence[str] = (),
) -> ClassTable:
    """The classes of the galaxies in a table, read once.

    Of a galaxy of which nothing is known it is kept why; so it is of one whose rows, or whose columns in one row,
    contradict each other.

    Parameters
    ----------
    column, vocabulary
        A column, and in whose words it is; without them columns are known by their names.
    leave_out
        Codes whose galaxies are left out, such as Spiral_Edge; a remark says which of them the table does not hold.

    Raises
    ------
    ValueError
        If there is no such column or vocabulary, or the table tells no class of any galaxy.
    """
    path = Path(path)
    table = read_table(path, id_column=id_column)
    columns, unread = _columns(table, column, vocabulary, path.name)
    ids = object_ids(table, id_column, name=path.name)
    values = [_cells(table, one, found, path.name) for one, found in columns.items()]
    without = {str(code) for code in leave_out}
    unmet, nameless = set(without), 0
    labels: dict[str, Labels] = {}
    untold: dict[str, str] = {}
    contradicted: dict[str, str] = {}
    for object_id, *codes in zip(ids, *values, strict=True):
        unmet -= set(map(spelt, codes))
        if not object_id:
            nameless += 1
            continue
        try:
            told = _told(columns, codes, without)
        except ValueError as error:
            contradicted[object_id] = str(error)
            continue
        if isinstance(told, str):
            untold[object_id] = told
        elif not _same(labels.setdefault(object_id, told), told):
            contradicted[object_id] = "its rows contradict each other"
    known = {name: told for name, told in labels.items() if name not in contradicted}
    if not known:
        why = "; ".join(list(dict.fromkeys([*contradicted.values(), *untold.values()]))[:5])
        raise ValueError(
            f"{path.name}: tells the class of no galaxy ({why or 'no row has an id'}); read were "
            f"{' and '.join(f'column {found} as {one}' for one, found in columns.items())}: name another by --column "
            f"and --vocabulary (one of {', '.join(VOCABULARIES)})"
        )
    return ClassTable(
        name=path.name,
        vocabularies=tuple(columns),
        labels=known,
        positions=_positions(table, ids, path.name),
        untold={name: why for name, why in (untold | contradicted).items() if name not in known},
        remarks=(
            *([unread] if unread else []),
            *([f"{nameless} rows have no id"] if nameless else []),
            *(f"no galaxy is {code}, which was to be left out" for code in sorted(unmet)),
        ),
    )


def _told(columns: Mapping[str, str], codes: Sequence[str | float | int], without: set[str]) -> Labels | str:
    """What a row tells of its galaxy, or why it tells nothing; columns by vocabulary.

    Raises
    ------
    ValueError
        If the row contradicts itself.
    """
    texts = dict(zip(columns.values(), map(spelt, codes), strict=True))
    row = ", ".join(f"{name} {text}" if text else f"no {name}" for name, text in texts.items())
    if without & set(texts.values()):
        return f"to be left out: {row}"
    told = labels_from(dict(zip(columns, codes, strict=True)))
    return told if _tells(told) else f"class not known: {', '.join(map(_unknown, columns, texts, texts.values()))}"


def _unknown(vocabulary: str, column: str, text: str) -> str:
    """A cell that tells nothing, and in which words it would."""
    if not text:
        return f"no {column}"
    return f"{column} {text}" + (f" (wanted {_WANTED[vocabulary]})" if vocabulary in _WANTED else "")


def _cells(table: Any, vocabulary: str, column: str, name: str) -> Sequence[float | str]:
    """What a column says of each galaxy, in words or numbers."""
    if vocabulary in _NUMBERS:
        return numbers_in(table, column, name=name, option="--column")
    cells = texts_of(table, column, name=name, option="--column")
    doubts = next((one for one in table.colnames if one.lower() == "uncertain"), "")
    if vocabulary != "spiral" or not doubts:
        return cells
    # Galaxy Zoo 1 says SPIRAL 0 of what it is uncertain of, too (Lintott et al. 2011, MNRAS 410, 166, table 2). A share
    # of people in doubt, 0.2, is no word for certain either.
    is_doubtful = [_is_filled(text) and _is_spiral(text) != "not spiral" for text in texts_of(table, doubts, name=name)]
    return ["uncertain" if doubtful else cell for doubtful, cell in zip(is_doubtful, cells, strict=True)]


def _is_spiral(text: str) -> str:
    """What a word for yes or no says of a galaxy; empty for any other."""
    return SCHEMAS["spiral"].class_of(text, "spiral")


def _is_filled(text: str) -> bool:
    return text.lower() not in ("", "nan")  # numbers that are missing may be NaN


def _columns(table: Any, column: str, vocabulary: str, name: str) -> tuple[dict[str, str], str]:
    """The columns to read, by vocabulary, and why one called spiral is not among them."""
    if vocabulary and vocabulary not in VOCABULARIES:
        raise ValueError(f"vocabulary {vocabulary!r}; wanted one of {', '.join(VOCABULARIES)}")
    if bool(column) != bool(vocabulary):
        given, other = ("column", "vocabulary") if column else ("vocabulary", "column")
        raise ValueError(f"{name}: a {given} is named, but no {other}; name both, or neither")
    if column:
        return {vocabulary: column}, ""
    by_lower = {str(one).lower(): str(one) for one in reversed(table.colnames)}
    found = {
        one: next(by_lower[spelt] for spelt in names if spelt in by_lower)
        for one, names in _COLUMNS.items()
        if set(names) & set(by_lower)
    }
    unread = ""
    if spirals := found.get("spiral"):
        others = [text for text in texts_of(table, spirals, name=name) if _is_filled(text) and not _is_spiral(text)]
        if others:
            del found["spiral"]
            unread = (
                f"column {spirals} was not read, as it holds {others[0]} (wanted yes or no); to read it all the same: "
                f"--column {spirals} --vocabulary spiral"
            )
    if not found:
        listed = ", ".join(table.colnames[:12])
        raise ValueError(
            f"{name}: found no classes among the columns {listed}; name the column and its vocabulary: --column NAME "
            f"--vocabulary {' or '.join(VOCABULARIES)}" + (f" ({unread})" if unread else "")
        )
    return found, unread


def _positions(table: Any, ids: Sequence[str], name: str) -> dict[str, tuple[float, float]]:
    try:
        places = positions_deg(table, name=name).tolist()
    except ValueError:  # no such columns: tables of names and classes are common
        return {}
    found: dict[str, tuple[float, float]] = {}
    for object_id, (ra, dec) in zip(ids, places, strict=True):
        if math.isfinite(ra) and math.isfinite(dec):
            found.setdefault(object_id, (ra, dec))
    return found


def _tells(labels: Labels) -> bool:
    return bool(labels.morphology or labels.winding) or not math.isnan(labels.t_type)


def _same(one: Labels, other: Labels) -> bool:
    return one == other or repr(one) == repr(other)  # NaN is not equal to itself
