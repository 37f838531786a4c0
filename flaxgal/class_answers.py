"""What a classifier says of galaxies, one by one and as the columns of a table, and what speaks against it.

p_CLASS            probability of each class, calibrated by the run's temperature
class              the most likely one; of T-types the one nearest to their mean
entropy            0: sure of one class; 1: all equally likely
outlier_distance   how far the galaxy is from those that the run was trained on
do_not_trust       whether anything speaks against the answer; trust_flags and trust_reasons say what
"""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntFlag
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Bool, Float64, Int32

from flaxgal.class_summary import probability_columns
from flaxgal.config.trust import TrustConfig
from flaxgal.measure.formats import fits_text
from flaxgal.survey.schemas import LabelSchema

if TYPE_CHECKING:
    from astropy.table import Column

__all__ = [
    "DOUBTS",
    "DOUBT_MEANINGS",
    "ClassRow",
    "Doubt",
    "Tally",
    "Terms",
    "class_columns",
    "galaxy_columns",
]

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
DOUBT_MEANINGS = {
    Doubt.UNSURE: (
        "the class's probability is below least_sure (of T-types: the spread is above most_spread), or the entropy is "
        "above most_entropy"
    ),
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
    trust: TrustConfig
    """When the run is unsure."""
    temperature: float | None
    """None without calibration."""
    outlier_threshold: float | None

    def said(self) -> dict[str, Any]:
        """As plain values, which every format keeps."""
        from flaxgal import __version__

        plain = dataclasses.asdict(self) | dataclasses.asdict(self.trust)
        del plain["schema"], plain["trust"]
        plain |= {"task": self.schema.name, "classes": list(self.schema.classes), "software": f"flaxgal {__version__}"}
        return {name: "none" if value is None else value for name, value in plain.items()}

    def doubts(
        self,
        probability: Float64[np.ndarray, "n class"],
        distance: Float64[np.ndarray, " n"],
        classified: Bool[np.ndarray, " n"],
    ) -> Int32[np.ndarray, " n"]:
        """The bits of each galaxy."""
        flags = np.where(self._unsure(probability), Doubt.UNSURE, 0)
        if self.outlier_threshold is None:
            flags |= Doubt.UNCALIBRATED
        else:
            flags |= np.where(distance > self.outlier_threshold, Doubt.UNLIKE, 0)
        return np.where(classified, flags, Doubt.UNCLASSIFIED).astype(np.int32)

    def _unsure(self, probability: Float64[np.ndarray, "n class"]) -> Bool[np.ndarray, " n"]:
        if self.schema.ordered:
            close_call = _mean_and_spread(probability, self.schema)[1] > self.trust.most_spread
        else:
            close_call = probability.max(axis=1) < self.trust.least_sure
        return close_call | (_entropy(probability) > self.trust.most_entropy)


@dataclass
class Tally:
    """How many galaxies of a table are of each class, and how many answers are not to be trusted, and why."""

    by_class: Counter[str] = field(default_factory=Counter)
    doubts: Counter[str] = field(default_factory=Counter)
    do_not_trust: int = 0
    unclassified: int = 0
    """Galaxies of a given catalogue without an answer."""
    unmatched: int = 0
    """Galaxies with an answer that a given catalogue has no row for: they are not in the table."""

    @property
    def galaxies(self) -> int:
        """Those in the table with an answer."""
        return self.by_class.total()

    @property
    def classified(self) -> int:
        """Those with an answer, in the table or not."""
        return self.galaxies + self.unmatched

    def add(self, classes: Iterable[str], flags: np.ndarray) -> None:
        """Count some more galaxies."""
        answered = (flags & Doubt.UNCLASSIFIED) == 0
        self.by_class.update(name for name in classes if name)
        self.unclassified += int((~answered).sum())
        self.do_not_trust += int((flags[answered] != 0).sum())
        for doubt, words in DOUBTS.items():
            if number := int(((flags[answered] & doubt) != 0).sum()):
                self.doubts[words] += number


def class_columns(rows: Sequence[ClassRow | None], terms: Terms) -> dict[str, Column]:
    """The columns of answers by their names, with units and descriptions; of a galaxy without answer they are empty."""
    schema, classified = terms.schema, np.array([row is not None for row in rows], bool)
    none = (NAN,) * len(schema.classes)
    probability = np.array([none if row is None else row.probability for row in rows], np.float64)
    probability = probability.reshape(len(rows), len(schema.classes))
    distance = np.array([NAN if row is None else row.outlier_distance for row in rows], np.float64)
    flags = terms.doubts(probability, distance, classified)
    columns = {
        name: _number(values, f"probability that the galaxy is {label}")
        for name, values, label in zip(probability_columns(schema), probability.T, schema.classes, strict=True)
    }
    columns["class"] = _text(_found(probability, classified, schema), schema.classes, _CLASS[schema.ordered])
    if schema.ordered:
        mean, spread = _mean_and_spread(probability, schema)
        columns[schema.name] = _number(mean, "mean of the T-types by their probability")
        columns[f"{schema.name}_spread"] = _number(spread, "standard deviation of the T-types by their probability")
    threshold = NAN if terms.outlier_threshold is None else terms.outlier_threshold
    columns["entropy"] = _number(
        _entropy(probability), "of the probabilities: 0 sure of one class, 1 all classes equally likely"
    )
    columns["outlier_distance"] = _number(
        distance, "Mahalanobis distance from the nearest class of training galaxies, in standard deviations"
    )
    columns["outlier_ratio"] = _number(distance / threshold, "outlier_distance / outlier_threshold of the run")
    columns["do_not_trust"] = _column(flags != 0, "whether anything speaks against the answer")
    columns["trust_flags"] = _column(flags, "what speaks against it, as bits; their meaning is in the metadata")
    columns["trust_reasons"] = _text([_reasons(flag) for flag in flags.tolist()], _ALL_REASONS, "trust_flags in words")
    return columns


def galaxy_columns(rows: Sequence[ClassRow], widths: Mapping[str, int]) -> dict[str, Column]:
    """Columns that say which galaxy it is; texts as wide as told."""
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


_CLASS = {False: "most likely class", True: "class nearest to the mean of the T-types; see the column t_type"}


def _reasons(flag: int) -> str:
    return "; ".join(words for doubt, words in DOUBTS.items() if flag & doubt)


_ALL_REASONS = (_reasons(Doubt.UNSURE | Doubt.UNLIKE), _reasons(Doubt.UNSURE | Doubt.UNCALIBRATED))


def _entropy(probability: Float64[np.ndarray, "n class"]) -> Float64[np.ndarray, " n"]:
    """In units of that of equally likely classes."""
    terms = probability * np.log(np.where(probability > 0, probability, 1))
    return np.clip(-terms.sum(axis=1) / np.log(probability.shape[1]), 0, 1)


def _mean_and_spread(
    probability: Float64[np.ndarray, "n class"], schema: LabelSchema
) -> tuple[Float64[np.ndarray, " n"], Float64[np.ndarray, " n"]]:
    """Of ordered classes: mean and standard deviation of their numbers."""
    numbers = np.asarray(schema.numbers)
    mean = probability @ numbers
    return mean, np.sqrt((probability * (numbers - mean[:, None]) ** 2).sum(axis=1))


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
