"""Where to cut a run's probabilities of arm so that masks are as large as people's, and how unsure that leaves them.

A network draws masks of another size than those that it learnt from, and their light is wrong by as much. A galaxy of
known arms has a threshold of its own, above which its mask has just as many pixels as the true one. Of galaxies held
out for validation, the median of these thresholds makes masks too large as often as too small; masks from the 16th and
84th percentile are one sigma too generous and too strict.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Num

from flaxgal.survey.atomic import replaced_when_whole

__all__ = [
    "DEFAULT_THRESHOLD",
    "MaskThresholds",
    "find_mask_thresholds",
    "read_mask_thresholds",
    "size_matching_threshold",
    "write_mask_thresholds",
]

DEFAULT_THRESHOLD = 0.5
"""Where nothing better is known."""
FILE = "mask_thresholds.json"
PERCENTILES = (15.87, 50.0, 84.13)
LEAST_GALAXIES = 30
"""With fewer galaxies of known arms, the median of their thresholds is no better known than that 0.5 is right."""
LIMITS = (0.01, 0.99)
"""Probabilities in float32 pile up beyond."""


@dataclass(frozen=True)
class MaskThresholds:
    """Thresholds that galaxies of known arms ask for."""

    threshold: float
    """The median: of masks that are too large as often as too small."""
    generous: float
    """Of masks one sigma too large."""
    strict: float
    """Of masks one sigma too small."""
    galaxies: int
    """That they were found with."""

    def range_about(self, threshold: float) -> tuple[float, float]:
        """The thresholds (generous, strict) about another one, at the same distances in log-odds."""
        shift = _log_odds(threshold) - _log_odds(self.threshold)
        generous, strict = (1 / (1 + np.exp(-_log_odds(end) - shift)) for end in (self.generous, self.strict))
        return float(generous), float(strict)


def size_matching_threshold(
    probability: Float[np.ndarray, "y x"], truth: Bool[np.ndarray, "y x"], weight: Num[np.ndarray, "y x"] | None = None
) -> float:
    """The threshold above which a galaxy's mask has as many pixels as its true one; NaN where that has none.

    Half-way between the probabilities of the last pixel that is to be arm and the first that is not. Pixels count by
    their weight: not at all where it is 0.
    """
    weight = np.ones(truth.shape) if weight is None else weight.astype(np.float64)
    wanted = float(weight[truth].sum())
    if wanted == 0:
        return float("nan")
    counted = weight > 0
    order = np.argsort(-probability[counted], kind="stable")
    falling = np.concatenate([[1.0], probability[counted][order].astype(np.float64), [0.0]])
    within = int(np.searchsorted(np.cumsum(weight[counted][order]), wanted * (1 + 1e-9), side="right"))
    return float(falling[within : within + 2].mean())


def find_mask_thresholds(
    probability: Float[np.ndarray, "n y x"], truth: Bool[np.ndarray, "n y x"], weight: Num[np.ndarray, "n y x"]
) -> MaskThresholds | None:
    """What the galaxies that have arms ask for; None if they are too few to tell (`LEAST_GALAXIES`)."""
    each = np.array([size_matching_threshold(*one) for one in zip(probability, truth, weight, strict=True)])
    known = each[np.isfinite(each)]
    if len(known) < LEAST_GALAXIES:
        return None
    generous, threshold, strict = np.clip(np.percentile(known, PERCENTILES), *LIMITS).tolist()
    return MaskThresholds(threshold=threshold, generous=generous, strict=strict, galaxies=len(known))


def write_mask_thresholds(run_folder: Path, step: int, found: MaskThresholds | None) -> None:
    """Keep in the run folder what was found with the weights of a step, or that it could not be."""
    values: dict[str, Any] = {"step": step} | (asdict(found) if found else {})
    with replaced_when_whole(run_folder / FILE) as temporary:
        temporary.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")


def read_mask_thresholds(run_folder: Path, step: int) -> MaskThresholds | None:
    """What was found with the weights of this step; None if nothing was, or with those of another step.

    Raises
    ------
    ValueError
        If the file is damaged.
    """
    path = run_folder / FILE
    if not path.exists():
        return None
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        if values.pop("step") != step or not values:
            return None
        found = MaskThresholds(**values)
        if not 0 < found.generous <= found.threshold <= found.strict < 1:
            raise ValueError(f"generous {found.generous}, threshold {found.threshold}, strict {found.strict}")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f"{path}: damaged ({error}); remove it, and resume the run to have it made again (flaxgal train --resume)"
        ) from error
    return found


def _log_odds(probability: float) -> float:
    return float(np.log(probability / (1 - probability)))
