"""Whether probabilities mean what they say: of the galaxies called spiral with 80 %, are 80 % spirals? (NumPy)

A galaxy's confidence is the probability of the class it is found to be of. Numbers of no galaxy are NaN.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float64, Int, Int64

__all__ = [
    "Reliability",
    "brier_score",
    "calibration_error",
    "errors_by_chance",
    "log_loss",
    "reliability",
]

BINS = 15
"""As Guo et al. 2017 have them."""

Truth = Int[np.ndarray, " n"]
Probability = Float[np.ndarray, "n class"]


@dataclass(frozen=True, eq=False)
class Reliability:
    """Galaxies in bins of equal width of the confidence, each bin without its lower edge."""

    edges: Float64[np.ndarray, " edge"]
    galaxies: Int64[np.ndarray, " bin"]
    confidence: Float64[np.ndarray, " bin"]
    """Mean of the bin's galaxies; NaN in an empty bin."""
    accuracy: Float64[np.ndarray, " bin"]
    """The share of them that is right; NaN in an empty bin."""


def reliability(truth: Truth, probability: Probability, *, bins: int = BINS) -> Reliability:
    """How often galaxies of each confidence are right."""
    confidence, right = probability.max(axis=1), probability.argmax(axis=1) == truth
    edges = np.linspace(0.0, 1.0, bins + 1)
    place = np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, bins - 1)
    galaxies = np.bincount(place, minlength=bins).astype(np.int64)
    many = np.where(galaxies > 0, galaxies, np.nan)
    return Reliability(
        edges=edges,
        galaxies=galaxies,
        confidence=np.bincount(place, weights=confidence, minlength=bins) / many,
        accuracy=np.bincount(place, weights=right, minlength=bins) / many,
    )


def calibration_error(found: Reliability) -> float:
    """The expected calibration error: |accuracy − confidence|, averaged over galaxies (Guo et al. 2017, eq. 3)."""
    total = found.galaxies.sum()
    gaps = np.nan_to_num(np.abs(found.accuracy - found.confidence))
    return float((found.galaxies * gaps).sum() / total) if total else float("nan")


def errors_by_chance(
    probability: Probability, *, seed: int = 0, draws: int = 400, bins: int = BINS
) -> Float64[np.ndarray, " draw"]:
    """The calibration errors that perfectly calibrated probabilities would have on so many galaxies, drawn by chance.

    The error is a sum of moduli, so that chance alone keeps it above 0; an error among these says nothing against the
    probabilities. They stand in place of a bootstrap interval, which would count chance twice.
    """
    if not len(probability):
        return np.full(draws, np.nan)
    random, rising = np.random.default_rng(seed), np.cumsum(probability, axis=1)
    errors = []
    for _ in range(draws):
        drawn = (random.random((len(rising), 1)) * rising[:, -1:] > rising).sum(axis=1)
        errors.append(calibration_error(reliability(drawn, probability, bins=bins)))
    return np.array(errors)


def brier_score(truth: Truth, probability: Probability) -> float:
    """The squared difference from the truth, summed over classes and averaged over galaxies (Brier 1950)."""
    if not len(truth):
        return float("nan")
    return float(((probability - np.eye(probability.shape[1])[truth]) ** 2).sum(axis=1).mean())


def log_loss(truth: Truth, probability: Probability) -> float:
    """−ln of the probability of the true class, averaged over galaxies; inf where a true class was ruled out."""
    if not len(truth):
        return float("nan")
    told = probability[np.arange(len(truth)), truth].astype(np.float64)
    with np.errstate(divide="ignore"):
        return float(-np.log(told).mean())
