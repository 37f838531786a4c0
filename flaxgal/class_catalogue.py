"""What a classifier says of galaxies, as a table: a row a galaxy, or columns beside those of a given catalogue.

p_CLASS            probability of each class, calibrated by the run's temperature
class              the most likely one; of T-types the one nearest to their mean
entropy            0: sure of one class; 1: all equally likely
outlier_distance   how far the galaxy is from those that the run was trained on
do_not_trust       whether anything speaks against the answer; trust_flags and trust_reasons say what
"""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import IntFlag
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float64, Int32

from flaxgal.class_summary import probability_columns
from flaxgal.measure.formats import check_format, empty_like, fits_text, read_whole, write_pieces
from flaxgal.measure.joining import kept_columns
from flaxgal.survey.atomic import replaced_when_whole
from flaxgal.survey.catalog import object_ids, read_table
from flaxgal.survey.schemas import SCHEMAS, LabelSchema

if TYPE_CHECKING:
    from astropy.table import Column, Table

__all__ = [
    "DOUBTS",
    "Catalogue",
    "ClassRow",
    "Doubt",
    "Tally",
    "Terms",
    "class_columns",
    "finished_tally",
    "read_given",
    "spiral_classes",
    "spirals_in",
    "write_classes",
]

PIECE = 1000
"""Rows that are made a table at a time."""
NAN = float("nan")


class Doubt(IntFlag):
    """What speaks against an answer, as bits."""

    UNSURE = 1
    UNLIKE = 2
    UNCALIBRATED = 4
    UNCLASSIFIED = 8


DOUBTS = {
    Doubt.UNSURE: "unsure",
    Doubt.UNLIKE: "unlike the training galaxies",
    Doubt.UNCALIBRATED: "no calibration",
    Doubt.UNCLASSIFIED: "not classified",
}
_MEANINGS = {
    Doubt.UNSURE: "the entropy is above most_entropy",
    Doubt.UNLIKE: "the outlier distance is above outlier_threshold",
    Doubt.UNCALIBRATED: "the run has no validation galaxies to calibrate its probabilities and distances by",
    Doubt.UNCLASSIFIED: "the catalogue has the galaxy, and no image of it was given or could be read",
}


@dataclass(frozen=True)
class ClassRow:
    """What a classifier says of one galaxy."""

    object_id: str
    survey: str
    ra_deg: float
    dec_deg: float
    """Position (ICRS); NaN when unknown."""
    probability: tuple[float, ...]
    """Of each class, calibrated; they sum to 1."""
    outlier_distance: float = NAN
    """From the nearest class of training galaxies, in standard deviations; NaN without calibration."""

    def to_json(self) -> str:
        """One line that holds every digit."""
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, line: str) -> ClassRow:
        """The row that `to_json` wrote.

        Raises
        ------
        ValueError
            If the line is not whole.
        """
        try:
            said = json.loads(line)
            return cls(**said | {"probability": tuple(said["probability"])})
        except (TypeError, KeyError) as error:
            raise ValueError(f"found no row of classes in {line[:80]!r} ({error})") from None


@dataclass(frozen=True)
class Terms:
    """What all rows of a table have in common: whose answers they are, and when not to trust them."""

    run: str
    step: int
    weights_sha256: str
    schema: LabelSchema
    orientations: int
    """How many quarter turns and mirror images of each picture were averaged."""
    crop: float
    """Share of each frame's side that the network saw."""
    most_entropy: float
    """Above it the run is unsure."""
    temperature: float | None
    """None without calibration."""
    outlier_threshold: float | None

    def said(self) -> dict[str, Any]:
        """As plain values, which every format keeps."""
        from flaxgal import __version__

        plain = {item.name: getattr(self, item.name) for item in dataclasses.fields(self) if item.name != "schema"}
        plain |= {"task": self.schema.name, "classes": list(self.schema.classes), "software": f"flaxgal {__version__}"}
        return {name: "none" if value is None else value for name, value in plain.items()}

    def doubts(
        self, entropy: Float64[np.ndarray, " n"], distance: Float64[np.ndarray, " n"], classified: np.ndarray
    ) -> Int32[np.ndarray, " n"]:
        """The bits of each galaxy."""
        flags = np.where(entropy > self.most_entropy, Doubt.UNSURE, 0)
        if self.outlier_threshold is None:
            flags |= Doubt.UNCALIBRATED
        else:
            flags |= np.where(distance > self.outlier_threshold, Doubt.UNLIKE, 0)
        return np.where(classified, flags, Doubt.UNCLASSIFIED).astype(np.int32)


@dataclass
class Tally:
    """How many galaxies of a table are of each class, and how many answers are not to be trusted, and why."""

    by_class: Counter[str] = field(default_factory=Counter)
    doubts: Counter[str] = field(default_factory=Counter)
    do_not_trust: int = 0
    unclassified: int = 0
    """Rows of a given catalogue without an answer."""

    @property
    def galaxies(self) -> int:
        """Those with an answer."""
        return self.by_class.total()

    def add(self, classes: Iterable[str], flags: np.ndarray) -> None:
        """Count some more rows."""
        answered = (flags & Doubt.UNCLASSIFIED) == 0
        self.by_class.update(name for name in classes if name)
        self.unclassified += int((~answered).sum())
        self.do_not_trust += int((flags[answered] != 0).sum())
        for doubt, words in DOUBTS.items():
            if number := int(((flags[answered] & doubt) != 0).sum()):
                self.doubts[words] += number


@dataclass(frozen=True, eq=False)
class Catalogue:
    """A given table that answers are put beside: all its columns and rows stay."""

    name: str
    table: Table
    object_ids: list[str]
    """Of each row; empty where it has none."""
    id_column: str


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


def class_columns(rows: Sequence[ClassRow | None], terms: Terms) -> dict[str, Column]:
    """The columns of answers by their names, with units and descriptions; of a galaxy without answer they are empty."""
    schema, classified = terms.schema, np.array([row is not None for row in rows], bool)
    none = (NAN,) * len(schema.classes)
    probability = np.array([none if row is None else row.probability for row in rows], np.float64)
    probability = probability.reshape(len(rows), len(schema.classes))
    distance = np.array([NAN if row is None else row.outlier_distance for row in rows], np.float64)
    entropy = _entropy(probability)
    flags = terms.doubts(entropy, distance, classified)
    columns = {
        name: _number(values, f"probability that the galaxy is {label}")
        for name, values, label in zip(probability_columns(schema), probability.T, schema.classes, strict=True)
    }
    columns["class"] = _text(_found(probability, classified, schema), schema.classes, _CLASS[schema.ordered])
    if schema.ordered:
        mean = probability @ np.asarray(schema.numbers)
        spread = np.sqrt((probability * (np.asarray(schema.numbers) - mean[:, None]) ** 2).sum(axis=1))
        columns[schema.name] = _number(mean, "mean of the T-types by their probability")
        columns[f"{schema.name}_spread"] = _number(spread, "standard deviation of the T-types by their probability")
    threshold = NAN if terms.outlier_threshold is None else terms.outlier_threshold
    columns["entropy"] = _number(entropy, "of the probabilities: 0 sure of one class, 1 all classes equally likely")
    columns["outlier_distance"] = _number(
        distance, "Mahalanobis distance from the nearest class of training galaxies, in standard deviations"
    )
    columns["outlier_ratio"] = _number(distance / threshold, "outlier_distance / outlier_threshold of the run")
    columns["do_not_trust"] = _column(flags != 0, "whether anything speaks against the answer")
    columns["trust_flags"] = _column(flags, "what speaks against it, as bits; their meaning is in the metadata")
    columns["trust_reasons"] = _text([_reasons(flag) for flag in flags.tolist()], _ALL_REASONS, "trust_flags in words")
    return columns


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
    tally = Tally()
    pieces = _pieces(rows, terms) if catalogue is None else _joined_pieces(catalogue, row_of, terms)
    empty, tables = pieces
    prefix = empty.meta.get("prefix", "")

    def counted() -> Iterator[Table]:
        for table in tables:
            tally.add(table[f"{prefix}class"].tolist(), np.asarray(table[f"{prefix}trust_flags"]))
            yield table

    _keep_aside(empty.meta, {**terms.said(), **about})
    empty.meta |= {"created_utc": datetime.now(UTC).isoformat(timespec="seconds"), **terms.said(), **about}
    empty.meta["trust_flags"] = {int(doubt): f"{DOUBTS[doubt]}: {_MEANINGS[doubt]}" for doubt in DOUBTS}
    with replaced_when_whole(path) as temporary:
        write_pieces(empty, counted(), temporary)
    return tally


def finished_tally(path: Path, terms: Terms, about: Mapping[str, Any]) -> Tally | None:
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
    tally, prefix = Tally(), table.meta.get("prefix", "")
    tally.add(table[f"{prefix}class"].tolist(), np.asarray(table[f"{prefix}trust_flags"]))
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


_CLASS = {False: "most likely class", True: "class nearest to the mean of the T-types; see the column t_type"}


def _ours(path: Path) -> Table | None:
    """A table that flaxgal wrote in a format in which only flaxgal reads all that it says of itself."""
    if path.suffix in (".fits", ".vot"):
        with contextlib.suppress(Exception):  # each reader of astropy's raises its own kinds
            table = read_whole(path)
            return table if str(table.meta.get("software", "")).startswith("flaxgal ") else None
    return None


def _reasons(flag: int) -> str:
    return "; ".join(words for doubt, words in DOUBTS.items() if flag & doubt)


_ALL_REASONS = (_reasons(Doubt.UNSURE | Doubt.UNLIKE), _reasons(Doubt.UNSURE | Doubt.UNCALIBRATED))


def _pieces(rows: Callable[[], Iterable[ClassRow]], terms: Terms) -> tuple[Table, Iterator[Table]]:
    """A table of answers alone: its columns, and its rows piece by piece."""
    widths: Counter[str] = Counter()
    for row in rows():
        for name in ("object_id", "survey"):
            widths[name] = max(widths[name], len(fits_text(getattr(row, name))))

    def table(some: Sequence[ClassRow]) -> Table:
        return _table({**_galaxy_columns(some, widths), **class_columns(some, terms)})

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


def _galaxy_columns(rows: Sequence[ClassRow], widths: Mapping[str, int]) -> dict[str, Column]:
    texts = {
        "object_id": "name of the galaxy in its survey, as text",
        "survey": "where the image is from",
    }
    places = {"ra_deg": "right ascension (ICRS)", "dec_deg": "declination (ICRS)"}
    columns = {
        name: _column(np.array([getattr(row, name) for row in rows], f"U{max(widths[name], 1)}"), about)
        for name, about in texts.items()
    }
    for name, about in places.items():
        columns[name] = _column(np.array([getattr(row, name) for row in rows], np.float64), about, "deg")
    return columns


def _entropy(probability: Float64[np.ndarray, "n class"]) -> Float64[np.ndarray, " n"]:
    """In units of that of equally likely classes."""
    terms = probability * np.log(np.where(probability > 0, probability, 1))
    return np.clip(-terms.sum(axis=1) / np.log(probability.shape[1]), 0, 1)


def _found(probability: np.ndarray, classified: np.ndarray, schema: LabelSchema) -> list[str]:
    if schema.ordered:
        numbers = np.asarray(schema.numbers)
        best = np.abs((probability @ numbers)[:, None] - numbers).argmin(axis=1)
    else:
        best = probability.argmax(axis=1)
    return [schema.classes[k] if known else "" for k, known in zip(best.tolist(), classified.tolist(), strict=True)]


def _number(values: np.ndarray, about: str) -> Column:
    return _column(values.astype(np.float32), about)


def _text(values: Sequence[str], all_values: Iterable[str], about: str) -> Column:
    width = max(len(fits_text(value)) for value in all_values)
    return _column(np.array(values, f"U{width}"), about)


def _column(values: np.ndarray, about: str, unit: str | None = None) -> Column:
    from astropy.table import Column

    return Column(values, unit=unit, description=about)


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
