"""How well predicted arm masks agree with the truth: counts of pixels for each galaxy, and scores made of them (NumPy).

A galaxy's pixels are counted as true positive (arm in both), false positive (arm in the prediction alone) and false
negative (arm in the truth alone). Background that both agree on never counts: a score that averages it in looks good
on any galaxy whose arms are small. Where neither mask has an arm, every score is 1: nothing was wrong.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Num

__all__ = ["Confusion", "bootstrap_interval", "confusion", "dice", "iou", "precision", "recall"]

DRAWN_AT_ONCE = 2**22
"""Galaxies that the bootstrap draws before it goes on to the next resamples: bounds the memory, changes no result."""


@dataclass(frozen=True, eq=False)
class Confusion:
    """Counts of pixels, one number a galaxy (or a galaxy and class); float64, as soft weights count by their weight."""

    true_positive: np.ndarray
    """Arm in the prediction and in the truth."""
    false_positive: np.ndarray
    """Arm in the prediction alone."""
    false_negative: np.ndarray
    """Arm in the truth alone."""

    def pooled(self) -> Confusion:
        """The counts of all galaxies together, as of one galaxy: a sky with every galaxy on it."""
        return Confusion(*(counts.sum(axis=0, keepdims=True) for counts in self._counts()))

    def of(self, chosen: np.ndarray) -> Confusion:
        """The counts of the chosen galaxies (indices, or a boolean for each)."""
        return Confusion(*(counts[chosen] for counts in self._counts()))

    @property
    def truth(self) -> np.ndarray:
        """Arm pixels in the truth."""
        return self.true_positive + self.false_negative

    @property
    def predicted(self) -> np.ndarray:
        """Arm pixels in the prediction."""
        return self.true_positive + self.false_positive

    def _counts(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return self.true_positive, self.false_positive, self.false_negative


def confusion(
    predicted: Bool[np.ndarray, "n y x"],
    truth: Bool[np.ndarray, "n y x"],
    weight: Num[np.ndarray, "n y x"] | None = None,
) -> Confusion:
    """Counts for each galaxy; pixels of weight 0 do not count, and are read from neither mask."""
    weight = np.ones(truth.shape) if weight is None else weight.astype(np.float64)
    return Confusion(
        true_positive=np.where(predicted & truth, weight, 0.0).sum(axis=(1, 2)),
        false_positive=np.where(predicted & ~truth, weight, 0.0).sum(axis=(1, 2)),
        false_negative=np.where(~predicted & truth, weight, 0.0).sum(axis=(1, 2)),
    )


def dice(counts: Confusion) -> np.ndarray:
    """2 TP / (2 TP + FP + FN) (Dice 1945), the harmonic mean of precision and recall; 1 where both masks are empty."""
    return _ratio(2 * counts.true_positive, 2 * counts.true_positive + counts.false_positive + counts.false_negative)


def iou(counts: Confusion) -> np.ndarray:
    """TP / (TP + FP + FN) (Jaccard 1912), intersection over union; 1 where both masks are empty."""
    return _ratio(counts.true_positive, counts.true_positive + counts.false_positive + counts.false_negative)


def precision(counts: Confusion) -> np.ndarray:
    """TP / (TP + FP), how much of the prediction is arm; 1 where nothing was predicted and there is no arm, else 0."""
    return _ratio(counts.true_positive, counts.predicted, empty=counts.truth == 0)


def recall(counts: Confusion) -> np.ndarray:
    """TP / (TP + FN), how much of the arms was found; 1 where there is no arm and none was predicted, else 0."""
    return _ratio(counts.true_positive, counts.truth, empty=counts.predicted == 0)


def bootstrap_interval(
    values: Float[np.ndarray, " n"],
    *,
    seed: int = 0,
    level: float = 0.95,
    resamples: int = 2000,
    statistic: Callable[..., np.ndarray] = np.mean,
) -> tuple[float, float]:
    """The interval that holds `level` of the statistic over galaxies drawn again with replacement (Efron 1979).

    Percentile bootstrap; the galaxies are the unit, as pixels of one galaxy are not independent. NaN values are left
    out. Both ends are NaN without a galaxy, and equal for one galaxy.
    """
    values = values[np.isfinite(values)]
    if not len(values):
        return float("nan"), float("nan")
    random, size = np.random.default_rng(seed), len(values)
    at_once = max(1, DRAWN_AT_ONCE // size)
    found = [
        statistic(values[random.integers(size, size=(min(at_once, resamples - first), size))], axis=1)
        for first in range(0, resamples, at_once)
    ]
    low, high = np.quantile(np.concatenate(found), [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _ratio(part: np.ndarray, whole: np.ndarray, empty: np.ndarray | bool = True) -> np.ndarray:
    """The share of part in whole; where whole is 0, 1 if `empty` says so, else 0."""
    return np.where(whole > 0, part / np.where(whole > 0, whole, 1.0), np.where(empty, 1.0, 0.0))
