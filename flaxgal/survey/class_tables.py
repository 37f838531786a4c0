"""Tables of what galaxies are called: ids and classes, T-types or senses of winding, in any format astropy reads.

Columns are known by name: `morphology` (E, S0, Sp), `winding` (S, Z, none), the T-type by `t_type`, `TType`, `TT`, `T`
..., and EFIGI's `Arm_Rotation`. Another one is named together with its vocabulary (`flaxgal.survey.schemas`), such as
the column of Galaxy Zoo's words.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flaxgal.survey.catalog import object_ids, positions_deg, read_table, texts_of, values_of
from flaxgal.survey.nair_abraham import T_NAMES
from flaxgal.survey.schemas import VOCABULARIES, Labels, labels_from

__all__ = ["ClassTable", "read_class_table"]

_COLUMNS = {
    "morphology": ("morphology",),
    "winding": ("winding",),
    "t_type": T_NAMES,
    "efigi_rotation": ("arm_rotation",),
}
"""Names of columns in lower case that are known to be in a vocabulary."""
_NUMBERS = ("t_type", "efigi_rotation")


@dataclass(frozen=True, kw_only=True)
class ClassTable:
    """What a table says of galaxies."""

    name: str
    vocabularies: tuple[str, ...]
    labels: Mapping[str, Labels]
    """By id; only galaxies of which something is known."""
    positions: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """Right ascension and declination in degrees, by id, where the table tells them."""
    untold: Mapping[str, int] = field(default_factory=dict)
    """Galaxies by the code that told nothing of them: T-type 99, don't know ..."""


def read_class_table(
    path: Path | str,
    *,
    column: str = "",
    vocabulary: str = "",
    id_column: str = "",
    leave_out: Sequence[str] = (),
) -> ClassTable:
    """The classes of the galaxies in a table, read once.

    Galaxies of which nothing is known are counted by their codes; so are those whose rows contradict each other.

    Parameters
    ----------
    column, vocabulary
        A column, and in whose words it is; without them columns are known by their names.
    leave_out
        Codes whose galaxies are left out, such as Spiral_Edge; one that the table does not hold is counted as 0.

    Raises
    ------
    ValueError
        If there is no such column or vocabulary, or the table tells no class of any galaxy.
    """
    path = Path(path)
    table = read_table(path, id_column=id_column)
    columns = _columns(table, column, vocabulary, path.name)
    ids = object_ids(table, id_column, name=path.name)
    values = [
        values_of(table, found, name=path.name).tolist() if one in _NUMBERS else texts_of(table, found, name=path.name)
        for one, found in columns.items()
    ]
    without, met = {str(code) for code in leave_out}, set[str]()
    labels: dict[str, Labels] = {}
    untold: Counter[str] = Counter()
    contradicted: set[str] = set()
    for object_id, *codes in zip(ids, *values, strict=True):
        said = " ".join(_said(code) for code in codes)
        told = labels_from(dict(zip(columns, codes, strict=True)))
        unwanted = without & {said, *map(str, codes)}
        met |= unwanted
        if not object_id or unwanted or not _tells(told):
            untold[said] += 1
        elif _same(labels.setdefault(object_id, told), told):
            continue
        else:
            contradicted.add(object_id)
    for object_id in contradicted:
        del labels[object_id]
    if contradicted:
        untold["rows that contradict each other"] = len(contradicted)
    if not labels:
        raise ValueError(
            f"{path.name}: tells the class of no galaxy; column {' and '.join(columns.values())} holds "
            f"{', '.join(list(untold)[:5])}, in vocabulary {' and '.join(columns)}; name another by --column and "
            f"--vocabulary (one of {', '.join(VOCABULARIES)})"
        )
    untold.update(dict.fromkeys(sorted(without - met), 0))  # a misspelt one shows
    places = _positions(table, ids, path.name)
    return ClassTable(name=path.name, vocabularies=tuple(columns), labels=labels, positions=places, untold=untold)


def _columns(table: Any, column: str, vocabulary: str, name: str) -> dict[str, str]:
    """The columns to read, by vocabulary."""
    if vocabulary and vocabulary not in VOCABULARIES:
        raise ValueError(f"vocabulary {vocabulary!r}; wanted one of {', '.join(VOCABULARIES)}")
    if bool(column) != bool(vocabulary):
        given, other = ("column", "vocabulary") if column else ("vocabulary", "column")
        raise ValueError(f"{name}: a {given} is named, but no {other}; name both, or neither")
    if column:
        return {vocabulary: column}
    by_lower = {str(one).lower(): str(one) for one in reversed(table.colnames)}
    found = {
        one: next(by_lower[spelt] for spelt in names if spelt in by_lower)
        for one, names in _COLUMNS.items()
        if set(names) & set(by_lower)
    }
    if not found:
        listed = ", ".join(table.colnames[:12])
        raise ValueError(
            f"{name}: found no classes among the columns {listed}; name the column and its vocabulary: --column NAME "
            f"--vocabulary {' or '.join(VOCABULARIES)}"
        )
    return found


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


def _said(code: str | float | int) -> str:
    if not isinstance(code, str):
        code = "" if math.isnan(code) else f"{code:g}"
    return code or "nothing"
