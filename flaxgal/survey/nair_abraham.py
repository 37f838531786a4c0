"""Nair & Abraham 2010 (ApJS 186, 427): T-types of 14,034 galaxies in SDSS by one expert's eye, and the classes of them.

Their T-types: -5 E; -3 S0-; -2 S0, S0+; 0 S0/a; 1 Sa ... 9 Sm; 10 Im; 99 unknown. Classes: E, S0 (-3 to 0), Sp (1 to
9); irregular and unknown galaxies belong to none. Catalogues with numbers in between (RC3, EFIGI, HyperLeda) are read,
too: -6 (cE) and -4 (cD) are E, and a class reaches half a step beyond its last number.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from flaxgal.survey.atomic import replaced_when_whole, sync
from flaxgal.survey.catalog import object_ids, positions_deg, read_table, values_of
from flaxgal.survey.download import Download
from flaxgal.survey.schemas import SCHEMAS
from flaxgal.survey.sdss import Field, field_in_objid

__all__ = [
    "CATALOGUE",
    "CLASSES",
    "T_NAMES",
    "Morphology",
    "catalogue_download",
    "morphology_class",
    "read_morphologies",
    "write_classes",
    "write_morphologies",
]

SERVICE = "https://vizier.cds.unistra.fr/viz-bin/votable"
CATALOGUE = "J/ApJS/186/427/table2"
CLASSES = SCHEMAS["morphology"].classes
UNKNOWN = 99
T_NAMES = ("t_type", "ttype", "tt", "t-type", "t")
"""What tables call the T-type, in lower case."""
_FIELD_NAMES = ("run", "camcol", "field")
_OBJID_NAMES = ("objid", "dr8objid", "dr17objid", "photoobjid", "bestobjid")
_MOST_BYTES = 500_000_000
_DESCRIPTIONS = {
    "object_id": "name of the galaxy",
    "ra_deg": "right ascension (ICRS)",
    "dec_deg": "declination (ICRS)",
    "t_type": "T-type; NaN: not told",
    "morphology": "E, S0 (T -3 to 0) or Sp (T 1 to 9); empty: irregular or not told",
}
_NOTHING: dict[str, Any] = {"ra_deg": math.nan, "dec_deg": math.nan, "t_type": math.nan, "morphology": ""}
"""What stands where a table does not tell."""
_ROUNDED = 3e-4
"""Positions (1″) and T-types that differ by less say the same."""


@dataclass(frozen=True, kw_only=True)
class Morphology:
    """What an expert calls a galaxy."""

    object_id: str
    ra_deg: float
    dec_deg: float
    t_type: float
    """NaN where the expert could not tell."""
    field: Field | None = None
    """The SDSS field that holds it, where the catalogue says."""

    @property
    def morphology(self) -> str:
        """E, S0, Sp, or nothing."""
        return morphology_class(self.t_type)


def morphology_class(t_type: float | int) -> str:
    """E, S0 or Sp by the T-type; empty for irregular and unknown galaxies, and those without a type."""
    return SCHEMAS["morphology"].class_of(t_type, "t_type")


def catalogue_download(folder: Path, service: str = SERVICE) -> Download:
    """The catalogue as CDS serves it, a VOTable with all its columns and rows, and positions in degrees (ICRS)."""
    return Download(
        url=service,
        params={"-source": CATALOGUE, "-out": "**", "-out.add": "_RAJ,_DEJ", "-out.max": "unlimited"},
        path=folder / "nair_abraham_2010.vot",
        accept=_accept,
        most_bytes=_MOST_BYTES,
    )


def read_morphologies(path: Path | str) -> list[Morphology]:
    """Galaxies with their T-types from a catalogue in any format astropy reads; CDS's VOTable and FITS, for example.

    Columns are known by name: the T-type by `t_type`, `TType`, `TT` ...; ids and positions as `survey.catalog` knows
    them. `run`, `camcol` and `field`, or an objID of DR8 or later, tell the field. Rows without a position are left
    out, and so is a galaxy's second row.

    Raises
    ------
    ValueError
        If a column is missing or cannot be understood.
    """
    path = Path(path)
    table = read_table(path)
    by_lower = {str(name).lower(): str(name) for name in table.colnames}
    t_column = next((by_lower[name] for name in T_NAMES if name in by_lower), None)
    if t_column is None:
        listed = ", ".join(table.colnames[:12])
        raise ValueError(f"{path.name}: found no T-type among the columns {listed}; rename its column to t_type")
    types = values_of(table, t_column, name=path.name)
    types = np.where(np.abs(types) < UNKNOWN, types, np.nan)
    ids = object_ids(table, name=path.name, option="")
    places = positions_deg(table, name=path.name, options=("", ""))
    fields = _fields(table, by_lower, path.name)
    galaxies: dict[str, Morphology] = {}
    for object_id, (ra, dec), t_type, field in zip(ids, places.tolist(), types.tolist(), fields, strict=True):
        if object_id and math.isfinite(ra) and math.isfinite(dec):
            galaxies.setdefault(
                object_id, Morphology(object_id=object_id, ra_deg=ra, dec_deg=dec, t_type=t_type, field=field)
            )
    return list(galaxies.values())


def write_morphologies(galaxies: Sequence[Morphology], path: Path) -> None:
    """Write ids, positions, T-types and classes as an ECSV table; `read_morphologies` reads it. See `write_classes`."""
    names = ("ra_deg", "dec_deg", "t_type", "morphology")
    _write_into(path, {galaxy.object_id: {name: getattr(galaxy, name) for name in names} for galaxy in galaxies})


def write_classes(classes: Mapping[str, str], path: Path) -> None:
    """Write ids and classes as an ECSV table, where neither positions nor T-types are known.

    What a table of this name holds already stays in it; what it lacks of a galaxy is filled in.

    Raises
    ------
    ValueError
        If the file is no table, or says otherwise of a galaxy; it stays as it is.
    """
    _write_into(path, {object_id: {"morphology": name} for object_id, name in classes.items()})


def _write_into(path: Path, rows: Mapping[str, Mapping[str, Any]]) -> None:
    from astropy.table import Table, vstack

    if not rows:
        return
    old = read_table(path) if path.is_file() else Table({"object_id": np.array([], str)})
    if "object_id" not in old.colnames:
        raise ValueError(f"{path.name}: a table without a column object_id; write into another table")
    ids = object_ids(old, "object_id", name=path.name)
    old["object_id"] = np.array(ids, str)
    number_of = {object_id: number for number, object_id in reversed(list(enumerate(ids)))}
    new = [object_id for object_id in rows if object_id not in number_of]
    number_of |= {object_id: len(ids) + number for number, object_id in enumerate(new)}
    table = vstack([old, Table({"object_id": np.array(new, str)})]) if new else old
    for name, nothing in _NOTHING.items():
        if name not in old.colnames and not any(name in row for row in rows.values()):
            continue
        values = _filled(old, name) + [nothing] * len(new)
        for object_id, row in rows.items():
            number = number_of[object_id]
            here = row.get(name, nothing)
            values[number] = _agreed(values[number], here, f"{path.name}: {object_id} has {name}")
        table[name] = values
        table[name].unit = "deg" if name.endswith("_deg") else None
    for name in set(_DESCRIPTIONS) & set(table.colnames):
        table[name].description = _DESCRIPTIONS[name]
    with replaced_when_whole(path) as temporary:
        table.write(temporary, format="ascii.ecsv")
        sync(temporary)


def _filled(table: Any, name: str) -> list[Any]:
    """The values of a column, those that are missing as `_NOTHING` has them."""
    nothing = _NOTHING[name]
    if name not in table.colnames:
        return [nothing] * len(table)
    column = np.ma.asarray(getattr(table[name], "value", table[name]))
    return np.ma.filled(column.astype(str if nothing == "" else np.float64), nothing).tolist()


def _agreed(there: Any, here: Any, what: str) -> Any:
    """What a table says and what is to be written into it, either of which may be nothing."""
    if isinstance(there, str):
        tells, says, same = there != "", here != "", here == there
    else:
        tells, says, same = not math.isnan(there), not math.isnan(here), abs(here - there) < _ROUNDED
    if not tells:
        return here
    if says and not same:
        raise ValueError(f"{what} {there} there and {here} here; correct it there, or write into another table")
    return there


def _accept(path: Path) -> None:
    """A whole VOTable of the catalogue: CDS tells of errors and of rows left out inside tables that look right."""
    start = path.read_bytes()[:200_000]
    if b"<VOTABLE" not in start:
        raise ValueError(f"{path}: found no VOTable; wanted the catalogue {CATALOGUE} from CDS")
    whole = path.read_bytes()
    if b"OVERFLOW" in whole or b'name="Error"' in whole:
        raise ValueError(f"{path}: CDS tells of an error or left rows out; ask again, or give a file of your own")
    read_morphologies(path)


def _fields(table: Any, by_lower: dict[str, str], name: str) -> list[Field | None]:
    if all(column in by_lower for column in _FIELD_NAMES):
        columns = [values_of(table, by_lower[column], name=name) for column in _FIELD_NAMES]
        return [_field(*map(int, row)) if np.isfinite(row).all() else None for row in zip(*columns, strict=True)]
    column = next((by_lower[one] for one in _OBJID_NAMES if one in by_lower), None)
    if column is None:
        return [None] * len(table)
    return [_field_of(objid) for objid in object_ids(table, column, name=name)]


def _field(run: int, camcol: int, field: int) -> Field | None:
    try:
        return Field(run=run, camcol=camcol, field=field)
    except ValueError:
        return None


def _field_of(objid: str) -> Field | None:
    """None for ids of before DR8, which name fields of other reruns, and for what is no objID."""
    try:
        field = field_in_objid(objid)
    except ValueError:
        return None
    return field if field.rerun >= 301 else None
