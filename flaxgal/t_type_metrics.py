"""How near T-types come to those that experts gave: differences on an ordered scale (NumPy)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Float

from flaxgal.class_metrics import share_interval
from flaxgal.metrics import bootstrap_interval

__all__ = ["t_type_scores"]

WITHIN = (1, 2)
"""Steps of the scale; experts agree with each other to about one (Nair & Abraham 2010)."""


def t_type_scores(difference: Float[np.ndarray, " n"], *, seed: int = 0, level: float = 0.95) -> dict[str, list[float]]:
    """Mean absolute error, bias, scatter and the share within 1 and 2 steps, each with its interval (value, low, high).

    Parameters
    ----------
    difference
        T-type found less true T-type; NaN is left out.

    The scatter is the standard deviation of the difference, NaN of a single galaxy. The shares are of differences
    rounded to whole steps, as the true ones are whole.
    """
    difference = difference[np.isfinite(difference)].astype(np.float64)
    size = np.abs(difference)
    found = {"mae": _scored(size, np.mean, seed, level), "bias": _scored(difference, np.mean, seed, level)}
    found["scatter"] = _scored(difference, np.std, seed, level) if len(difference) > 1 else [float("nan")] * 3
    for steps in WITHIN:
        near = (np.rint(size) <= steps).astype(np.float64)
        value, low, high = _scored(near, np.mean, seed, level)
        wilson = share_interval(near.sum(), np.int64(len(near)), level=level)
        found[f"within_{steps}"] = [value, float(np.fmin(low, wilson[0])), float(np.fmax(high, wilson[1]))]
    return found


def _scored(values: np.ndarray, statistic: Callable[..., np.ndarray], seed: int, level: float) -> list[float]:
    """The statistic of the values and its bootstrap interval; NaN without a galaxy."""
    if not len(values):
        return [float("nan")] * 3
    return [float(statistic(values)), *bootstrap_interval(values, seed=seed, level=level, statistic=statistic)]
