"""How far the work is: counts for the panel, and where an annotator stopped."""

from __future__ import annotations

import json
import math
import statistics
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from flaxgal.labels.journal import annotator_folder
from flaxgal.labels.store import Store
from flaxgal.survey.atomic import replaced_when_whole

__all__ = ["Place", "Progress", "Standing", "progress", "read_place", "write_place"]

QUICK_SECONDS = 0.05
"""Counts that take no longer are made anew whenever something changed."""
SHARE = 0.05
"""Slower ones may take this share of the time: a store of 76,635 labelled galaxies is counted in a second."""


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far a store is labelled, and by whom."""

    galaxies: int
    labelled: int
    """Galaxies that somebody has labelled."""
    mine: int
    """Galaxies that this annotator has labelled."""
    by_annotator: Mapping[str, int]
    """Galaxies that each has labelled, most first."""
    median_seconds: float | None
    """Of active work on a galaxy by this annotator, over everything committed; None when nothing was timed."""


@dataclass(frozen=True)
class Place:
    """Where an annotator stopped."""

    object_id: str
    served_by: str


class Standing:
    """The counts of a store for a panel that asks often."""

    def __init__(self, store: Store, annotator: str) -> None:
        self._store, self._annotator = store, annotator
        self._known: Progress | None = None
        self._counted, self._took = -math.inf, 0.0

    def changed(self) -> None:
        """Something was committed: count anew, unless that takes long."""
        if self._took <= QUICK_SECONDS:
            self._known = None

    def progress(self) -> Progress:
        """The counts of now; of a large store, of a few seconds ago."""
        started = time.monotonic()
        if self._known is None or (started - self._counted) * SHARE > self._took:
            self._known = progress(self._store, self._annotator)
            self._counted = time.monotonic()
            self._took = self._counted - started
        return self._known


def progress(store: Store, annotator: str) -> Progress:
    """The counts of now, as far as the store has looked."""
    said = [line.provenance for line in store.history()]
    by_annotator = Counter(who for who, _ in {(about.annotator, about.object_id) for about in said})
    seconds = [about.active_seconds for about in said if about.annotator == annotator and about.active_seconds > 0]
    return Progress(
        galaxies=len(store.galaxies()),
        labelled=len({about.object_id for about in said}),
        mine=by_annotator[annotator],
        by_annotator=dict(by_annotator.most_common()),
        median_seconds=statistics.median(seconds) if seconds else None,
    )


def read_place(store: Path, annotator: str) -> Place | None:
    """Where an annotator stopped; None if that is not known."""
    try:
        said = json.loads((annotator_folder(store, annotator) / "position.json").read_text(encoding="utf-8"))
        return Place(said["object_id"], said["served_by"]) if said["annotator"] == annotator else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write_place(store: Path, annotator: str, place: Place) -> None:
    """Keep where an annotator is.

    Raises
    ------
    OSError
        If the store cannot be written to.
    """
    about = {"annotator": annotator, "object_id": place.object_id, "served_by": place.served_by}
    with replaced_when_whole(annotator_folder(store, annotator) / "position.json") as temporary:
        temporary.write_text(json.dumps(about) + "\n", encoding="utf-8")
