"""What a run learns: all in which training arms and training classes differ, so that the loop need not know."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np

from flaxgal.classifying import Classifying
from flaxgal.config import ClassifyConfig, RunConfig, TrainConfig
from flaxgal.datasets.feed import Feed
from flaxgal.segmenting import Segmenting
from flaxgal.training_journal import Measure

__all__ = ["Task", "task_of"]


@runtime_checkable
class Task(Protocol):
    """What the jitted steps and the loop ask of a task. Logits, target and weight are arrays, one row a galaxy."""

    def settled(self, feed: Feed) -> RunConfig:
        """The config that steps are compiled for: all that hangs on the training galaxies is filled in."""
        ...

    @property
    def measure(self) -> Measure:
        """The score that tells a good look from a bad one."""
        ...

    def augment(self, key: Any, image: Any, target: Any, weight: Any) -> tuple[Any, Any, Any]:
        """The same galaxies, seen otherwise, and what is true of them then."""
        ...

    def loss(self, logits: Any, target: Any, weight: Any) -> Any:
        """What training makes small."""
        ...

    def look(self, logits: Any, target: Any, weight: Any) -> dict[str, Any]:
        """Numbers of each validation galaxy."""
        ...

    def scores(self, looked: Mapping[str, np.ndarray]) -> dict[str, float]:
        """What a look at all of them gives, by the names in metrics.jsonl."""
        ...

    def conclude(self, folder: Path, feed: Feed, validation: Any) -> None:
        """What is left to find out when training ends, kept in the run folder."""
        ...


def task_of(config: RunConfig) -> Task:
    """The task of a run.

    Raises
    ------
    TypeError
        If there is no task for this kind of config.
    """
    if isinstance(config, TrainConfig):
        return Segmenting(config)
    if isinstance(config, ClassifyConfig):
        return Classifying(config)
    raise TypeError(f"no task for a {type(config).__name__}")
