"""What a table of galaxies with their true and found classes comes to: scores of all of them and of groups (NumPy).

Every score is a record {"value", "low", "high"}, the ends being those of its interval; None is what cannot be told.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from astropy.table import Table
from jaxtyping import Float, Int, Int64

from flaxgal.class_metrics import SCORES, area_interval, class_confusion, intervals, roc_curve, row_normalised
from flaxgal.reliability import brier_score, calibration_error, errors_by_chance, log_loss, reliability
from flaxgal.survey.schemas import SCHEMAS, LabelSchema
from flaxgal.t_type_metrics import t_type_scores

__all__ = [
    "BROAD",
    "broad_class",
    "calibration",
    "class_numbers",
    "class_scores",
    "groups_of",
    "ordered_scores",
    "probability_columns",
    "summarise_classes",
    "worst_first",
]

Record = dict[str, Any]

BROAD = ("E", "S0", "Sp, Irr")
"""What T-types are told apart into."""


@dataclass(frozen=True)
class _Binned:
    """A column that is known exactly of mocks, and how galaxies are grouped by it."""

    column: str
    edges: tuple[float, ...]
    unit: str

    def group(self, values: np.ndarray) -> np.ndarray:
        """The name of each galaxy's group; none of one without a value, as an elliptical has no inclination."""
        names = np.array([*self._names(), "none"])
        return names[np.where(np.isnan(values), len(names) - 1, np.digitize(values, self.edges))]

    def _names(self) -> list[str]:
        inner = [f"{low:g}-{high:g}{self.unit}" for low, high in zip(self.edges[:-1], self.edges[1:], strict=True)]
        return [f"under {self.edges[0]:g}{self.unit}", *inner, f"over {self.edges[-1]:g}{self.unit}"]

    def order(self) -> list[str]:
        return [*self._names(), "none"]


BINNED = {
    "signal_to_noise": _Binned("signal_to_noise", (50.0, 100.0, 200.0, 400.0, 800.0, 1600.0), ""),
    "inclination": _Binned("inclination_deg", (30.0, 45.0, 60.0, 75.0), " deg"),
}


def summarise_classes(table: Table, schema: LabelSchema, *, seed: int = 0, level: float = 0.95) -> Record:
    """Scores of all galaxies, by survey, and where it is known exactly by S/N and inclination.

    Parameters
    ----------
    table
        A galaxy a row, as `flaxgal.evaluate_classes.evaluate_classes` makes it: `truth` and `found`, `p_...` of each
        class, `survey`, and the columns of `BINNED` if it has them; of ordered classes `difference` and broad classes.
    """

    def scores(part: Table) -> Record:
        if schema.ordered:
            return ordered_scores(part, seed=seed, level=level)
        return class_scores(part, schema, seed=seed, level=level)

    groups = {f"by_{division}": {name: scores(part) for name, part in parts} for division, parts in groups_of(table)}
    areas = {} if schema.ordered else {"area": _areas(table, schema, seed, level)}
    return {"interval_level": level, "all": scores(table) | areas, **groups}


def groups_of(table: Table) -> Iterator[tuple[str, list[tuple[str, Table]]]]:
    """Ways of dividing the galaxies, and the groups of each that have any."""
    survey = np.asarray(table["survey"]).astype(str)
    yield "survey", [(name or "unknown", table[survey == name]) for name in sorted(set(survey.tolist()))]
    for division, binned in BINNED.items():
        if binned.column in table.colnames:
            group = binned.group(np.asarray(table[binned.column], np.float64))
            yield division, [(name, table[group == name]) for name in binned.order() if (group == name).any()]


def class_scores(table: Table, schema: LabelSchema, *, seed: int = 0, level: float = 0.95) -> Record:
    """Accuracies and F1, all over and of each class, and the confusion matrix that they are made of."""
    matrix = class_confusion(*class_numbers(table, schema), len(schema.classes))
    return _matrix_scores(matrix, schema.classes, seed, level)


def ordered_scores(table: Table, *, seed: int = 0, level: float = 0.95) -> Record:
    """How far T-types are from the true ones, and how well broad classes are told apart by them."""
    difference = np.asarray(table["difference"], np.float64)
    found: Record = {"galaxies": len(table)}
    found |= {name: _record(*values) for name, values in t_type_scores(difference, seed=seed, level=level).items()}
    truth, taken = (np.asarray(table[name]).astype(str) for name in ("broad_truth", "broad_found"))
    matrix = class_confusion(_numbers(truth, BROAD), _numbers(taken, BROAD), len(BROAD))
    return found | {"broad": _matrix_scores(matrix, BROAD, seed, level)}


def calibration(
    truth: Int[np.ndarray, " n"],
    before: Float[np.ndarray, "n class"],
    after: Float[np.ndarray, "n class"],
    *,
    temperature: float | None,
    seed: int = 0,
    level: float = 0.95,
) -> Record:
    """Whether probabilities mean what they say, without temperature scaling and with it, and the bins after it.

    The temperature is None where none was fitted, and nothing scaled.
    """
    bins, by_chance = reliability(truth, after), errors_by_chance(after, seed=seed)
    parts = {
        name: {
            "calibration_error": _plain(calibration_error(reliability(truth, probability))),
            "brier_score": _plain(brier_score(truth, probability)),
            "log_loss": _plain(log_loss(truth, probability)),
        }
        for name, probability in (("before", before), ("after", after))
    }
    return {
        "temperature": temperature,
        **parts,
        "error_by_chance": _record(by_chance.mean(), *np.quantile(by_chance, [(1 - level) / 2, (1 + level) / 2])),
        "bins": {
            "edges": bins.edges.tolist(),
            "galaxies": bins.galaxies.tolist(),
            "confidence": list(map(_plain, bins.confidence)),
            "accuracy": list(map(_plain, bins.accuracy)),
        },
    }


def class_numbers(table: Table, schema: LabelSchema) -> tuple[Int64[np.ndarray, " n"], Int64[np.ndarray, " n"]]:
    """The number of each galaxy's true class, and of the one that was found."""
    return _numbers(table["truth"], schema.classes), _numbers(table["found"], schema.classes)


def probability_columns(schema: LabelSchema) -> tuple[str, ...]:
    """The names of the columns that hold the probability of each class, in every table."""
    return tuple(f"p_{name.replace(' ', '_')}" for name in schema.classes)


def broad_class(t_type: float) -> str:
    """The class of `BROAD` that a T-type is in."""
    known = SCHEMAS["morphology"].class_of(t_type, "t_type")
    return known if known in BROAD else BROAD[-1]


def worst_first(table: Table, schema: LabelSchema) -> Int64[np.ndarray, " mistake"]:
    """Rows of the galaxies that were taken for something else, the surest mistake first; T-types by how far off."""
    if schema.ordered:
        off = np.abs(np.asarray(table["difference"], np.float64))
        wrong = np.flatnonzero(np.rint(off) >= 1)
        return wrong[np.argsort(-off[wrong], kind="stable")].astype(np.int64)
    columns = np.stack([np.asarray(table[name], np.float64) for name in probability_columns(schema)], axis=1)
    truth, found = class_numbers(table, schema)
    rows = np.arange(len(table))
    surer = columns[rows, found] - columns[rows, truth]
    wrong = np.flatnonzero(truth != found)
    return wrong[np.argsort(-surer[wrong], kind="stable")].astype(np.int64)


def _matrix_scores(matrix: np.ndarray, classes: Sequence[str], seed: int, level: float) -> Record:
    ends = intervals(matrix, seed=seed, level=level)
    told = {name: np.stack([np.asarray(score(matrix)), *map(np.asarray, ends[name])]) for name, score in SCORES.items()}
    whole = {name: _record(*values) for name, values in told.items() if values.ndim == 1}
    by_class = {
        label: {"galaxies": int(matrix[k].sum()), "found": int(matrix[:, k].sum())}
        | {name: _record(*values[:, k]) for name, values in told.items() if values.ndim == 2}
        for k, label in enumerate(classes)
    }
    shares = [list(map(_plain, row)) for row in row_normalised(matrix)]
    return {
        "galaxies": int(matrix.sum()),
        **whole,
        "by_class": by_class,
        "confusion": {"classes": list(classes), "counts": matrix.tolist(), "row_normalised": shares},
    }


def _numbers(names: Any, classes: Sequence[str]) -> Int64[np.ndarray, " n"]:
    """The place of each name among the classes."""
    places = {name: number for number, name in enumerate(classes)}
    return np.array([places[name] for name in np.asarray(names).astype(str).tolist()], np.int64)


def _areas(table: Table, schema: LabelSchema, seed: int, level: float) -> Mapping[str, Record]:
    """The area below each class's ROC curve, that class against the rest."""
    truth, _ = class_numbers(table, schema)
    found = {}
    for number, (name, column) in enumerate(zip(schema.classes, probability_columns(schema), strict=True)):
        score, positive = np.asarray(table[column], np.float64), truth == number
        curve = roc_curve(score, positive)
        area = math.nan if curve is None else curve.area
        found[name] = _record(area, *area_interval(score, positive, seed=seed, level=level))
    return found


def _record(value: Any, low: Any, high: Any) -> Record:
    return {"value": _plain(value), "low": _plain(low), "high": _plain(high)}


def _plain(number: Any) -> float | None:
    """A float, None if it is not finite: JSON knows no others."""
    return float(number) if math.isfinite(number) else None
