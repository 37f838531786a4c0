"""How far a classifier's answers can be trusted: what makes its probabilities true, and what it has seen (NumPy).

Written into the run folder when training ends, of the weights that the run is applied with:

    calibration.json    the temperatures of its probabilities, fitted on validation galaxies
    trust.npz           where its training galaxies lie among its features, and how far from them validation galaxies do
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import Float, Float64, Int
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp

from flaxgal.survey.atomic import replaced_when_whole

__all__ = [
    "Calibration",
    "Familiar",
    "calibration_of",
    "familiar_features",
    "fit_temperature",
    "mean_loss",
    "read_calibration",
    "write_calibration",
]

CALIBRATION, TRUST = "calibration.json", "trust.npz"
COLDEST, HOTTEST = 0.02, 50.0
"""Temperatures that are looked between. Beyond, the validation galaxies put no end to it."""
OUTLIER_QUANTILE = 0.995
"""Of the validation galaxies, this share is nearer to the training galaxies than the outlier threshold."""


@dataclass(frozen=True, eq=False)
class Familiar:
    """Where the training galaxies lie among a network's features: a Gaussian for each class, all of one shape."""

    means: Float64[np.ndarray, "class feature"]
    """Of the classes that have galaxies."""
    precision: Float64[np.ndarray, "feature feature"]
    """Inverse of the covariance about the classes' means."""

    def distance(self, features: Float[np.ndarray, "n feature"]) -> Float64[np.ndarray, " n"]:
        """The Mahalanobis distance of each galaxy from the nearest class's mean (Lee et al. 2018, NeurIPS, eq. 2).

        In units of standard deviations: not squared. NaN where a feature is.
        """
        offset = features.astype(np.float64)[:, None] - self.means
        squared = np.einsum("ncf,fg,ncg->nc", offset, self.precision, offset, optimize=True)
        return np.sqrt(np.maximum(squared, 0.0).min(axis=1))


@dataclass(frozen=True, eq=False)
class Calibration:
    """What a run's folder says of how far its answers can be trusted."""

    step: int
    """Training steps behind the weights that this was found with."""
    temperature: float
    """What logits are divided by, for probabilities that come true as often as they say; 1 changes nothing."""
    familiar: Familiar
    validation_distance: Float64[np.ndarray, " n"]
    """Of the validation galaxies from the training galaxies, rising."""
    averaged: Mapping[int, float] = field(default_factory=dict)
    """The temperature where probabilities are averaged over so many orientations; none in runs of an older flaxgal."""

    def temperature_of(self, orientations: int) -> float:
        """What to divide logits by whose probabilities are averaged over so many orientations."""
        return self.averaged.get(orientations, self.temperature)

    @property
    def outlier_threshold(self) -> float:
        """The distance beyond which a galaxy is unlike those that the network was trained on."""
        return float(np.quantile(self.validation_distance, OUTLIER_QUANTILE))


def fit_temperature(
    logits: Float[np.ndarray, "*orientation n output"], target: Float[np.ndarray, "n output"], *, ordered: bool = False
) -> float:
    """The temperature that makes what galaxies are most likely, given their logits (Guo et al. 2017, ICML, sec. 4.2).

    1 where the likelihood has no maximum: where every galaxy is right, all confidence is too little, and where the
    logits tell nothing, any is too much.

    Parameters
    ----------
    logits
        With a leading axis those of several orientations, whose probabilities are averaged: an average is less sure
        than each, so its temperature is another.
    target
        Of each galaxy, from `LabelSchema.target`.
    ordered
        Whether outputs are the steps of ordered classes, each a chance of its own, and not classes.
    """

    def loss(log_temperature: float) -> float:
        return mean_loss(logits / np.exp(log_temperature), target, ordered=ordered)

    ends = np.log(COLDEST), np.log(HOTTEST)
    found = minimize_scalar(loss, bounds=ends, method="bounded", options={"xatol": 1e-6})
    has_maximum = found.fun < min(map(loss, ends)) - 1e-6
    return float(np.exp(found.x)) if has_maximum else 1.0


def mean_loss(
    logits: Float[np.ndarray, "*orientation n output"], target: Float[np.ndarray, "n output"], *, ordered: bool = False
) -> float:
    """Negative logarithm of the likelihood of a galaxy (of ordered classes: of a step), in nats, on average.

    The probabilities are the means over the orientations, where there are several.
    """
    logits = logits.astype(np.float64).reshape(-1, *target.shape)
    if ordered:
        passed, not_passed = (_log_mean(-np.logaddexp(0, sign * logits)) for sign in (-1, 1))
        return float(-(target * passed + (1 - target) * not_passed).mean())
    each = logits - logsumexp(logits, axis=-1, keepdims=True)
    return float(-(target * _log_mean(each)).sum(axis=1).mean())


def familiar_features(features: Float[np.ndarray, "n feature"], labels: Int[np.ndarray, " n"]) -> Familiar:
    """The training galaxies' means by class and their common covariance, which is drawn towards a round one.

    How much so is Ledoit & Wolf's estimate (2004, J. Multivariate Anal. 88, 365): with fewer galaxies than features,
    or features that never vary, the covariance alone could not be inverted.

    Parameters
    ----------
    labels
        The number of each galaxy's class.
    """
    features = features.astype(np.float64)
    kinds, label = np.unique(labels, return_inverse=True)
    means = np.stack([features[label == kind].mean(axis=0) for kind in range(len(kinds))])
    offset = features - means[label]
    number, width = offset.shape
    covariance = offset.T @ offset / number
    round_one = np.eye(width) * max(np.trace(covariance) / width, 1e-12)
    apart = ((covariance - round_one) ** 2).sum()
    noise = ((offset**2).sum(axis=1) ** 2).sum() / number**2 - (covariance**2).sum() / number
    share = float(np.clip(noise / apart, 1e-6, 1.0)) if apart > 0 else 1.0
    return Familiar(means=means, precision=np.linalg.inv((1 - share) * covariance + share * round_one))


def write_calibration(run_folder: Path, calibration: Calibration) -> None:
    """Keep it in the run folder, each file whole or not at all."""
    with replaced_when_whole(run_folder / TRUST) as temporary, temporary.open("wb") as file:
        np.savez(
            file,
            step=calibration.step,
            means=calibration.familiar.means,
            precision=calibration.familiar.precision,
            validation_distance=calibration.validation_distance,
        )
    said = {
        "step": calibration.step,
        "temperature": calibration.temperature,
        "averaged_temperatures": {str(number): value for number, value in calibration.averaged.items()},
        "outlier_threshold": calibration.outlier_threshold,
        "validation_galaxies": len(calibration.validation_distance),
    }
    with replaced_when_whole(run_folder / CALIBRATION) as temporary:
        temporary.write_text(json.dumps(said, indent=2) + "\n", encoding="utf-8")


def read_calibration(run_folder: Path | str) -> Calibration | None:
    """What `write_calibration` wrote; None if nothing is there: the run had no validation galaxies, or did not end.

    Raises
    ------
    ValueError
        If a file is damaged, or the two are not of the same weights.
    """
    told, trust = Path(run_folder) / CALIBRATION, Path(run_folder) / TRUST
    if not told.exists() or not trust.exists():
        return None
    try:
        said = json.loads(told.read_text(encoding="utf-8"))
        averaged = said.get("averaged_temperatures", {})
        with np.load(trust) as arrays:
            found = Calibration(
                step=int(said["step"]),
                temperature=float(said["temperature"]),
                familiar=Familiar(means=arrays["means"], precision=arrays["precision"]),
                validation_distance=arrays["validation_distance"],
                averaged={int(number): float(value) for number, value in averaged.items()},
            )
            same = int(arrays["step"]) == found.step
    except Exception as error:  # NumPy and zipfile raise whatever they like for damaged files
        raise ValueError(
            f"{run_folder}: {CALIBRATION} or {TRUST} is damaged ({error}); remove both, and resume the run to have "
            f"them made again (flaxgal train --resume)"
        ) from error
    if not same:
        raise ValueError(
            f"{run_folder}: {CALIBRATION} and {TRUST} are of different steps; remove both, and resume the run to have "
            f"them made again (flaxgal train --resume)"
        )
    return found


def calibration_of(run_folder: Path | str, step: int) -> Calibration | None:
    """What was found with the weights of this step; None if nothing was, or with those of another step.

    A run that was resumed and stopped again holds newer weights than its calibration is of. Errors as those of
    `read_calibration`.
    """
    found = read_calibration(run_folder)
    return found if found is not None and found.step == step else None


def _log_mean(logarithms: Float[np.ndarray, "orientation n output"]) -> Float[np.ndarray, "n output"]:
    """The logarithm of the mean over orientations."""
    return logsumexp(logarithms, axis=0) - np.log(len(logarithms))
