"""What a training run has done and how it stands, while it goes on."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from flaxgal.runlog import append_record

__all__ = ["DICE", "Journal", "Measure", "Progress"]


@dataclass(frozen=True)
class Measure:
    """The one score of a look at the validation split that tells a good look from a bad one."""

    name: str
    """In metrics.jsonl."""
    word: str
    """For people."""
    rises: bool = True
    """Whether more is better."""

    def best(self, scores: Sequence[float]) -> int:
        """Which of the scores is the best; the first of equal ones."""
        return int(np.argmax(scores) if self.rises else np.argmin(scores))


DICE = Measure("validation_dice", "Dice")
"""Mean Dice of the arm class over validation galaxies."""


@dataclass(frozen=True)
class Progress:
    """How a training run stands."""

    step: int
    steps: int
    loss: float | None
    """Training loss, averaged over the steps since the last record; None before the first step."""
    score: float | None
    """Of the validation galaxies at the last look, by the run's measure; None before it or without galaxies."""
    best_score: float | None
    """The best look's."""
    images_per_second: float | None
    """Since the last record, looks left out. None until it can be told: the first step compiles."""
    seconds_left: float | None
    """Looks included."""
    looked: bool = False
    """Whether this step ended with a look at the validation split, and a checkpoint."""
    stopped_early: bool = False
    measure: Measure = DICE
    """What the scores are."""

    @property
    def validation_dice(self) -> float | None:
        """The score of a run that learns arms; None of another."""
        return self.score if self.measure == DICE else None

    @property
    def best_dice(self) -> float | None:
        """The best score of a run that learns arms; None of another."""
        return self.best_score if self.measure == DICE else None


class Journal:
    """What a run has done since the last line of metrics.jsonl, and how fast.

    Reports of the device are read one dispatch late, so that it never waits for this computer to look at them.
    """

    def __init__(
        self,
        folder: Path,
        *,
        records: Sequence[Mapping[str, Any]],
        step: int,
        steps: int,
        batch_size: int,
        measure: Measure = DICE,
    ) -> None:
        self.folder, self.step, self.steps, self.batch_size, self.measure = folder, step, steps, batch_size, measure
        self._records = list(records)
        self._waiting: list[tuple[int, Mapping[str, Any]]] = []
        self._losses: list[float] = []
        self._last: dict[str, float] = {}
        self._images_per_second: float | None = None
        self._began: tuple[int, float] | None = None
        self._clock = step, time.perf_counter()

    @property
    def steps_since_record(self) -> int:
        """Steps whose loss is in no line yet."""
        return len(self._losses)

    def add(self, step: int, report: Mapping[str, Any], *, at_once: bool = False) -> None:
        """Note a dispatch that ended with `step` steps done; `at_once` waits for its result.

        Raises
        ------
        ValueError
            If loss or gradient stopped being numbers.
        """
        self._waiting.append((step, report))
        while len(self._waiting) > (0 if at_once else 1):
            self._read(*self._waiting.pop(0))

    def close_record(self, scores: Mapping[str, float] | None = None) -> None:
        """Write a line with the mean loss since the last one, and the scores of a look if there was one."""
        record = {"step": self.step, "loss": float(np.mean(self._losses)), **self._last}
        record |= {"images_per_second": self._images_per_second, **(scores or {})}
        append_record(self.folder, record)
        self._records.append(record)
        self._losses = []
        self.restart_clock()

    def restart_clock(self) -> None:
        """Measure speed from here on."""
        self._clock = self.step, time.perf_counter()

    def scores(self) -> list[float]:
        """The measure's score at each look so far."""
        name = self.measure.name
        return [record[name] for record in self._records if record.get(name) is not None]

    def looks_without_gain(self) -> int:
        """How many looks ago the best one was; 0 before any look."""
        scores = self.scores()
        return len(scores) - 1 - self.measure.best(scores) if scores else 0

    def progress(self, *, looked: bool = False, stopped_early: bool = False) -> Progress:
        """How the run stands."""
        scores = self.scores()
        losses = self._losses or [record["loss"] for record in self._records[-1:]]
        return Progress(
            step=self.step,
            steps=self.steps,
            loss=float(np.mean(losses)) if losses else None,
            score=scores[-1] if scores else None,
            best_score=scores[self.measure.best(scores)] if scores else None,
            images_per_second=self._images_per_second,
            seconds_left=self._seconds_left(),
            looked=looked,
            stopped_early=stopped_early,
            measure=self.measure,
        )

    def _read(self, step: int, report: Mapping[str, Any]) -> None:
        values = {name: np.asarray(value, np.float64) for name, value in report.items()}
        good = np.isfinite(values["loss"]) & np.isfinite(values["gradient_norm"])
        if not good.all():
            bad = step - len(good) + 1 + int(np.argmin(good))
            raise ValueError(
                f"{self.folder}: the loss or its gradient stopped being a number at step {bad}; "
                f"checkpoints of earlier looks are kept. Train under another name with a smaller "
                f"--optimizer.learning-rate or --optimizer.clip-norm"
            )
        self.step = step
        self._losses.extend(values.pop("loss").tolist())
        self._last = {name: float(value[-1]) for name, value in values.items()}
        if self._began is None:  # the first dispatch compiled, which says nothing about speed
            self._began = step, time.perf_counter()
            self.restart_clock()
        elif step > self._clock[0]:
            seconds = time.perf_counter() - self._clock[1]
            self._images_per_second = (step - self._clock[0]) * self.batch_size / max(seconds, 1e-9)

    def _seconds_left(self) -> float | None:
        if self._began is None or self.step == self._began[0]:
            return None
        a_step = (time.perf_counter() - self._began[1]) / (self.step - self._began[0])
        return a_step * (self.steps - self.step)
