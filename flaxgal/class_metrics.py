"""How well galaxies are told apart: confusion matrices, the scores made of them, and ROC curves (NumPy).

`matrix[truth, found]` counts the galaxies of a true class that were found to be of a class; leading axes are several
such countings. What cannot be told is NaN, never a number that looks fine: the recall of a class without a galaxy, the
precision of a class that was never found, an area without galaxies on either side, and every mean over such classes.

Intervals hold `level` of what other galaxies of the same kind would have given. They are the percentile bootstrap over
galaxies (Efron 1979), which knows of no mistake that it has not seen: twenty right out of twenty would be certainly
right. Scores that are shares of galaxies, or follow from such shares, have their interval widened to Wilson's (1927)
where that reaches further, and the mean of them over classes to Zou & Donner's (2008).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from jaxtyping import Bool, Float, Float64, Int, Int64, Num

from flaxgal.metrics import DRAWN_AT_ONCE

__all__ = [
    "SCORES",
    "Curve",
    "Interval",
    "Score",
    "accuracy",
    "area_interval",
    "balanced_accuracy",
    "class_confusion",
    "f1_by_class",
    "intervals",
    "macro_f1",
    "mean_interval",
    "precision_by_class",
    "recall_by_class",
    "roc_curve",
    "row_normalised",
    "share_interval",
    "wider",
    "wilson_intervals",
]

Matrix = Num[np.ndarray, "*counting truth found"]
Score = np.ndarray | np.number
"""One number, or one of each counting or class."""
Interval = tuple[Score, Score]
"""Lower and upper end."""


def class_confusion(
    truth: Int[np.ndarray, " n"], found: Int[np.ndarray, " n"], classes: int
) -> Int64[np.ndarray, "truth found"]:
    """How many galaxies of each true class were found to be of each class.

    Raises
    ------
    ValueError
        If a number is of no class.
    """
    for name, numbers in (("truth", truth), ("found", found)):
        if len(numbers) and not (numbers.min() >= 0 and numbers.max() < classes):
            raise ValueError(
                f"{name}: class numbers from {numbers.min()} to {numbers.max()}, expected 0 to {classes - 1}; leave "
                f"out galaxies of unknown class"
            )
    return np.bincount(truth * classes + found, minlength=classes**2).reshape(classes, classes).astype(np.int64)


def row_normalised(matrix: Matrix) -> Float64[np.ndarray, "*counting truth found"]:
    """The share of each true class that was found to be of each class; a row of NaN for a class without a galaxy."""
    return _share(matrix, matrix.sum(axis=-1, keepdims=True))


def accuracy(matrix: Matrix) -> Score:
    """The share of all galaxies that is right."""
    return _share(_right(matrix).sum(axis=-1), matrix.sum(axis=(-2, -1)))


def recall_by_class(matrix: Matrix) -> Float[np.ndarray, "*counting class"]:
    """How many of the galaxies of each class were found to be of it (completeness)."""
    return _share(_right(matrix), matrix.sum(axis=-1))


def precision_by_class(matrix: Matrix) -> Float[np.ndarray, "*counting class"]:
    """How many of the galaxies found to be of each class are of it (purity)."""
    return _share(_right(matrix), matrix.sum(axis=-2))


def f1_by_class(matrix: Matrix) -> Float[np.ndarray, "*counting class"]:
    """2 TP / (2 TP + FP + FN), the harmonic mean of precision and recall; NaN for a class without a galaxy."""
    truth, found = matrix.sum(axis=-1), matrix.sum(axis=-2)
    return np.where(truth > 0, _share(2 * _right(matrix), truth + found), np.nan)


def balanced_accuracy(matrix: Matrix) -> Score:
    """The mean of the recalls of all classes: accuracy as it would be if every class had as many galaxies."""
    return recall_by_class(matrix).mean(axis=-1)


def macro_f1(matrix: Matrix) -> Score:
    """The mean of F1 over classes."""
    return f1_by_class(matrix).mean(axis=-1)


SCORES: dict[str, Callable[[np.ndarray], Score]] = {
    "accuracy": accuracy,
    "balanced_accuracy": balanced_accuracy,
    "macro_f1": macro_f1,
    "precision": precision_by_class,
    "recall": recall_by_class,
    "f1": f1_by_class,
}
"""Every score of a matrix by its name; the last three of each class."""


def intervals(
    matrix: Int[np.ndarray, "truth found"], *, seed: int = 0, level: float = 0.95, resamples: int = 2000
) -> dict[str, Interval]:
    """The interval of each of `SCORES`, of every class where it is of classes; NaN where the score is.

    Galaxies drawn again with replacement are counts drawn from a multinomial distribution, which makes no difference
    but in time. Draws in which a score is NaN, as they lack a class, are left out.
    """
    total = int(matrix.sum())
    shares = matrix.ravel() / max(total, 1) if total else np.eye(1, matrix.size)[0]
    drawn = np.random.default_rng(seed).multinomial(total, shares, size=resamples).reshape(-1, *matrix.shape)
    wilson = wilson_intervals(matrix, level)
    return {
        name: wider(_percentiles(score(drawn), score(matrix), level), wilson[name]) for name, score in SCORES.items()
    }


def wilson_intervals(matrix: Matrix, level: float) -> dict[str, Interval]:
    """Wilson's intervals of those scores that are shares of galaxies, and what follows from them for the others."""
    right, truth, found = _right(matrix), matrix.sum(axis=-1), matrix.sum(axis=-2)
    recall = share_interval(right, truth, level=level)
    overlap = share_interval(right, truth + found - right, level=level)
    told = np.where(truth > 0, 1.0, np.nan)
    f1 = told * 2 * overlap[0] / (1 + overlap[0]), told * 2 * overlap[1] / (1 + overlap[1])  # F1 = 2 J / (1 + J)
    return {
        "accuracy": share_interval(right.sum(axis=-1), matrix.sum(axis=(-2, -1)), level=level),
        "balanced_accuracy": mean_interval(recall_by_class(matrix), recall),
        "macro_f1": mean_interval(f1_by_class(matrix), f1),
        "precision": share_interval(right, found, level=level),
        "recall": recall,
        "f1": f1,
    }


def share_interval(part: Score, whole: Score, *, level: float = 0.95) -> Interval:
    """Wilson's score interval (1927) of the share of `part` in `whole` galaxies; NaN where there are none."""
    z = NormalDist().inv_cdf((1 + level) / 2)
    share, many = _share(part, whole), np.where(whole > 0, whole, 1)
    centre = (share + z**2 / (2 * many)) / (1 + z**2 / many)
    reach = z / (1 + z**2 / many) * np.sqrt(share * (1 - share) / many + z**2 / (4 * many**2))
    return np.maximum(centre - reach, 0.0), np.minimum(centre + reach, 1.0)


def mean_interval(shares: Float[np.ndarray, " share"], interval: Interval) -> Interval:
    """The interval of the mean of independent shares from the interval of each (Zou & Donner 2008)."""
    low, high = (np.sqrt(((shares - end) ** 2).sum()) / len(shares) for end in interval)
    return shares.mean() - low, shares.mean() + high


@dataclass(frozen=True, eq=False)
class Curve:
    """A receiver operating characteristic: what is gained and what is risked as the threshold falls."""

    false_positive_rate: Float64[np.ndarray, " point"]
    """Of the galaxies that are not of the class, the share whose score is at least the threshold; from 0 to 1."""
    true_positive_rate: Float64[np.ndarray, " point"]
    """Of the galaxies of the class; from 0 to 1."""
    threshold: Float64[np.ndarray, " point"]
    """Of each point: inf, then every score that occurs, falling."""
    area: float
    """Below the curve: the chance that a galaxy of the class has a higher score than one that is not, ties half."""


def roc_curve(score: Float[np.ndarray, " n"], positive: Bool[np.ndarray, " n"]) -> Curve | None:
    """The curve of a score that should be higher where `positive`; None unless there are galaxies on both sides.

    Galaxies of equal score pass the threshold together, so that the trapezoids below the curve are exact.

    Raises
    ------
    ValueError
        If a score is NaN.
    """
    counted = _Ranked.of(score, positive)
    if positive.all() or not positive.any():
        return None
    true, false = counted.rates(np.ones((1, len(score))))
    return Curve(false[0], true[0], counted.threshold, float(np.trapezoid(true[0], false[0])))


def area_interval(
    score: Float[np.ndarray, " n"],
    positive: Bool[np.ndarray, " n"],
    *,
    seed: int = 0,
    level: float = 0.95,
    resamples: int = 2000,
) -> Interval:
    """The bootstrap interval of the area below the ROC curve; NaN unless there are galaxies on both sides.

    Of a class that is told apart without a mistake it has no width, however few galaxies that was seen on.
    """
    counted, size = _Ranked.of(score, positive), len(score)
    if positive.all() or not positive.any():
        return np.float64(np.nan), np.float64(np.nan)
    random, at_once, found = np.random.default_rng(seed), max(1, DRAWN_AT_ONCE // size), []
    for first in range(0, resamples, at_once):
        drawn = random.multinomial(size, np.full(size, 1 / size), size=min(at_once, resamples - first))
        true, false = counted.rates(drawn)
        found.append(np.trapezoid(true, false, axis=-1))
    return _percentiles(np.concatenate(found), np.float64(0), level)


@dataclass(frozen=True, eq=False)
class _Ranked:
    """Galaxies by falling score: what any weighting of them needs to become a curve."""

    order: np.ndarray
    positive: np.ndarray
    """In that order."""
    last: np.ndarray
    """Place in that order of the last galaxy of each score."""
    threshold: np.ndarray

    @classmethod
    def of(cls, score: np.ndarray, positive: np.ndarray) -> _Ranked:
        if np.isnan(score).any():
            raise ValueError(f"{np.isnan(score).sum()} of {len(score)} scores are NaN: leave those galaxies out")
        order = np.argsort(-score, kind="stable")
        ranked = score[order].astype(np.float64)
        last = (
            np.append(np.flatnonzero(ranked[1:] != ranked[:-1]), len(ranked) - 1) if len(ranked) else np.empty(0, int)
        )
        return cls(order, positive[order], last, np.concatenate([[np.inf], ranked[last]]))

    def rates(self, weight: Num[np.ndarray, "draw n"]) -> tuple[np.ndarray, np.ndarray]:
        """True and false positive rate at each threshold (draw, point), of galaxies that count several times or not."""
        weight = weight[:, self.order]
        return self._rate(weight * self.positive), self._rate(weight * ~self.positive)

    def _rate(self, weight: np.ndarray) -> np.ndarray:
        passed = np.cumsum(weight, axis=-1)[:, self.last]
        return np.pad(_share(passed, passed[:, -1:]), ((0, 0), (1, 0)))


def _right(matrix: np.ndarray) -> np.ndarray:
    return np.diagonal(matrix, axis1=-2, axis2=-1)


def _share(part: Score, whole: Score) -> np.ndarray:
    """Part ÷ whole; NaN where whole is 0."""
    return np.where(whole > 0, part / np.where(whole > 0, whole, 1.0), np.nan)


def _percentiles(drawn: Score, value: Score, level: float) -> Interval:
    """The ends that hold `level` of what was drawn, NaN where the value is; draws of NaN are left out."""
    told = np.isfinite(drawn).any(axis=0) & np.isfinite(value)
    ends = np.nanquantile(np.where(told, drawn, 0.0), [(1 - level) / 2, (1 + level) / 2], axis=0)
    low, high = np.where(told, ends, np.nan)
    return low, high


def wider(one: Interval, other: Interval) -> Interval:
    """From the lower of two lower ends to the higher of two upper ends."""
    return np.minimum(one[0], other[0]), np.maximum(one[1], other[1])
