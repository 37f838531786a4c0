"""Several runs as one result: every galaxy tested once for each seed, by the run that was not trained on it (NumPy).

Folds of one seed share out the galaxies, so that together they say something of all of them; other seeds say how much
of it was luck in training. Galaxies are what an interval is over: the runs of a fold share most of their training
galaxies, so that the scatter from run to run understates what other galaxies would have given (Bengio & Grandvalet
2004), and is given beside.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from astropy.table import Table
from jaxtyping import Float64, Int64

from flaxgal.class_metrics import SCORES, Interval, class_confusion, wider, wilson_intervals
from flaxgal.class_summary import class_numbers
from flaxgal.metrics import DRAWN_AT_ONCE
from flaxgal.survey.schemas import LabelSchema

__all__ = ["cross_validated"]

WHOLE = ("accuracy", "balanced_accuracy", "macro_f1")


def cross_validated(
    folds: Sequence[Sequence[Table]],
    schema: LabelSchema,
    *,
    seed: int = 0,
    level: float = 0.95,
    resamples: int = 2000,
) -> dict[str, Any]:
    """Accuracy, balanced accuracy and macro F1 of all galaxies, means over seeds of training.

    Returns `galaxies`, `seeds`, `folds`, the `confusion` matrix added up over seeds, and for each score `value` (the
    mean over seeds of the score of all galaxies), its interval over galaxies `low`, `high`, `by_seed`,
    `by_run` (seed, fold) and `run_scatter`, the standard deviation of these.

    Parameters
    ----------
    folds
        `folds[seed][fold]` is the table of a run's test galaxies (`flaxgal.evaluate_classes`, or read from its ECSV).

    Raises
    ------
    ValueError
        If there is no table, a galaxy is tested twice with one seed, or seeds do not test the same galaxies.
    """
    names = _same_galaxies(folds)
    cells = np.stack([_cells(tables, names, schema) for tables in folds])
    by_run = [[class_confusion(*class_numbers(table, schema), len(schema.classes)) for table in one] for one in folds]
    by_seed = np.array([np.sum(one, axis=0) for one in by_run])
    found: dict[str, Any] = {
        "galaxies": len(names),
        "seeds": len(folds),
        "folds": len(folds[0]),
        "interval_level": level,
        "confusion": {"classes": list(schema.classes), "counts": by_seed.sum(axis=0).tolist()},
    }
    wilson = wilson_intervals(by_seed.mean(axis=0), level)
    drawn = _drawn_again(cells, len(schema.classes), seed, resamples)
    for name in WHOLE:
        each = np.array([[SCORES[name](matrix) for matrix in one] for one in by_run])
        seeds = np.asarray(SCORES[name](by_seed))
        resampled = np.asarray(SCORES[name](drawn)).mean(axis=1)
        low, high = wider(_ends(resampled, level), wilson[name]) if np.isfinite(seeds).all() else (np.nan, np.nan)
        found[name] = {
            "value": _plain(seeds.mean()),
            "low": _plain(low),
            "high": _plain(high),
            "by_seed": list(map(_plain, seeds)),
            "by_run": [list(map(_plain, one)) for one in each],
            "run_scatter": _plain(each.std(ddof=1)) if each.size > 1 else None,
        }
    return found


def _same_galaxies(folds: Sequence[Sequence[Table]]) -> list[str]:
    """The ids of the galaxies, if every seed tests each of them once."""
    if not folds or not all(len(tables) == len(folds[0]) > 0 for tables in folds):
        raise ValueError("cross-validation: wanted for each seed the tables of all folds, at least one of each")
    tested = [[str(name) for table in tables for name in table["object_id"]] for tables in folds]
    for number, names in enumerate(tested):
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise ValueError(
                f"cross-validation: {twice} is tested twice with seed number {number}; folds must not meet"
            )
        if other := sorted(set(names) ^ set(tested[0])):
            raise ValueError(
                f"cross-validation: {other[0]} and {len(other) - 1} others are tested with one of the seeds numbers 0 "
                f"and {number} only; take the same folds for every seed"
            )
    return sorted(tested[0])


def _cells(tables: Sequence[Table], names: Sequence[str], schema: LabelSchema) -> Int64[np.ndarray, " n"]:
    """For each galaxy in the order of the names, its cell of the confusion matrix, counted row by row."""
    cell = {}
    for table in tables:
        truth, found = class_numbers(table, schema)
        cell |= zip(map(str, table["object_id"]), (truth * len(schema.classes) + found).tolist(), strict=True)
    return np.array([cell[name] for name in names], np.int64)


def _drawn_again(
    cells: Int64[np.ndarray, "seed n"], classes: int, seed: int, resamples: int
) -> Float64[np.ndarray, "draw seed truth found"]:
    """Confusion matrices of the galaxies drawn again with replacement, the same ones for all seeds of training."""
    seeds, size = cells.shape
    member = (cells[..., None] == np.arange(classes**2)).astype(np.float64)  # (seed, n, cell)
    random, at_once, found = np.random.default_rng(seed), max(1, DRAWN_AT_ONCE // size), []
    for first in range(0, resamples, at_once):
        times = random.multinomial(size, np.full(size, 1 / size), size=min(at_once, resamples - first))
        found.append(np.einsum("dn,snc->dsc", times.astype(np.float64), member, optimize=True))
    return np.concatenate(found).reshape(-1, seeds, classes, classes)


def _ends(drawn: np.ndarray, level: float) -> Interval:
    """The percentiles that hold `level` of what was drawn; draws that lack a class are left out."""
    low, high = np.quantile(drawn[np.isfinite(drawn)], [(1 - level) / 2, (1 + level) / 2])
    return low, high


def _plain(number: Any) -> float | None:
    """A float; None, as JSON knows no NaN, where it cannot be told."""
    return float(number) if np.isfinite(number) else None
