"""How useful a label of each unlabelled galaxy would be to a model: how little it knows about the galaxy's own light.

Usefulness is the binary predictive entropy H = −p log2 p − (1 − p) log2(1 − p) of the arm probability p, which is
averaged first over the picture's quarter turns and mirror images, in the mean over the galaxy's own pixels weighted by
their light. The sky, which every model knows, and other objects do not count; a large galaxy is not more useful for its
size.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float

from flaxgal import __version__
from flaxgal.checkpoint import load_run
from flaxgal.config import PredictConfig
from flaxgal.labels.ranking import RankedGalaxy, Ranking, keep_ranking
from flaxgal.labels.revisions import utc_now
from flaxgal.labels.store import Store
from flaxgal.measure.disc import CentralGalaxy, central_galaxy, has_visible_disc
from flaxgal.predict import predict_cutouts, weights_sha256
from flaxgal.survey.atomic import replaced_when_whole
from flaxgal.survey.cutout import Cutout, Unreadable
from flaxgal.survey.prediction import Prediction

__all__ = ["rank", "unlabelled", "usefulness"]


def rank(run_folder: Path, store: Store, *, orientations: int = 8) -> Iterator[RankedGalaxy | Unreadable | Ranking]:
    """Rank every galaxy of a store that nobody has labelled, and write the ranking into the store.

    A call that is killed loses no galaxy: the same call goes on where it stopped.

    Parameters
    ----------
    orientations
        Over how many of the picture's eight quarter turns and mirror images the probability is averaged: 1, 2, 4 or 8.

    Yields
    ------
    RankedGalaxy | Unreadable | Ranking
        Each galaxy as it is ranked, or why it could not be; last the ranking as it was kept, unless it would be empty.

    Raises
    ------
    ValueError
        If the run has no checkpoint or was not trained on arms, or there is no unlabelled galaxy.
    """
    run = load_run(run_folder)
    if "arm" not in run.config.model.classes:
        raise ValueError(f"{run_folder}: trained on {', '.join(run.config.model.classes)}; rank with a run for arms")
    wanted = unlabelled(store)
    if not wanted:
        raise ValueError(f"{store.path}: every galaxy is labelled, none is left to rank; add more galaxies")
    about = Ranking(run=run.name, weights_sha256=weights_sha256(run), orientations=orientations)
    journal = _Journal(store.path / "index", about)
    rows = {name: row for name, (row, sha256) in journal.rows.items() if wanted.get(name) == sha256}
    yield from rows.values()
    seen = _Seen(store, [name for name in wanted if name not in rows])
    for item in predict_cutouts(run, seen.cutouts(), config=PredictConfig(orientations=orientations)):
        if isinstance(item, Prediction):
            row = seen.ranked(item)
            journal.add(row, item.cutout_sha256)
            rows[row.object_id] = row
            yield row
        elif isinstance(item, Unreadable):
            seen.forget(item.name)
            yield item
    if rows:
        yield keep_ranking(store, dataclasses.replace(about, created_utc=utc_now(), rows=rows))
    journal.remove()


def unlabelled(store: Store) -> dict[str, str]:
    """Galaxies that nobody has said anything about, in the order of the ids, with the hashes of their pixels."""
    labelled = {stored.provenance.object_id for stored in store.history()}
    return {name: galaxy.cutout_sha256 for name, galaxy in store.galaxies().items() if name not in labelled}


def usefulness(probability: Float[np.ndarray, "y x"], light: Float[np.ndarray, "y x"]) -> float:
    """Mean binary entropy of a probability, in bits, weighted by light; NaN where there is no light.

    Pixels without a probability (NaN) do not count.
    """
    known = np.isfinite(probability)
    p = np.clip(np.where(known, probability, 0.5).astype(float), 1e-12, 1 - 1e-12)
    entropy = -p * np.log2(p) - (1 - p) * np.log2(1 - p)
    weight = np.where(known, light, 0.0)
    total = float(weight.sum())
    return float((weight * entropy).sum() / total) if total > 0 else math.nan


class _Seen:
    """Galaxies on their way through the network, with what was measured on them before."""

    def __init__(self, store: Store, names: Sequence[str]) -> None:
        self._store, self._names = store, names
        self._waiting: dict[str, tuple[CentralGalaxy, bool]] = {}

    def cutouts(self) -> Iterator[Cutout | Unreadable]:
        for name in self._names:
            try:
                cutout = self._store.cutout(name)
            except ValueError as error:
                yield Unreadable(name, str(error))
                continue
            light = central_galaxy(cutout)
            self._waiting[name] = light, has_visible_disc(cutout, light=light)
            yield cutout

    def ranked(self, prediction: Prediction) -> RankedGalaxy:
        light, disc = self._waiting.pop(prediction.object_id)
        return RankedGalaxy(
            object_id=prediction.object_id,
            usefulness=usefulness(prediction.arm_probability, light.light),
            visible_disc=disc,
            own_light_pixels=int((light.light > 0).sum()),
        )

    def forget(self, name: str) -> None:
        """A galaxy that the network cannot take."""
        self._waiting.pop(name, None)


class _Journal:
    """Galaxies ranked so far, kept on disk one by one; another model's, or another flaxgal's, are not read."""

    def __init__(self, folder: Path, about: Ranking) -> None:
        self.path = folder / f"ranking-{about.weights_sha256[:12]}-{about.orientations}.partial.jsonl"
        self.rows: dict[str, tuple[RankedGalaxy, str]] = {}
        """By object_id, with the hash of the pixels."""
        self._head = json.dumps({"software": f"flaxgal {__version__}", "weights_sha256": about.weights_sha256}) + "\n"
        lines = self.path.read_text().splitlines(keepends=True) if self.path.exists() else []
        for line in lines[1:] if lines[:1] == [self._head] else []:
            try:
                values = json.loads(line)
                sha256 = values.pop("cutout_sha256")
                self.rows[values["object_id"]] = RankedGalaxy(**values), sha256
            except (ValueError, KeyError, TypeError):
                continue  # torn by a process that died
        self._is_begun = False

    def add(self, row: RankedGalaxy, cutout_sha256: str) -> None:
        """Keep one more row: it is in the file when this returns."""
        if not self._is_begun:
            kept = [self._line(*earlier) for earlier in self.rows.values()]
            with replaced_when_whole(self.path) as temporary:
                temporary.write_text(self._head + "".join(kept))
            self._is_begun = True
        with self.path.open("a") as file:
            file.write(self._line(row, cutout_sha256))

    def remove(self) -> None:
        """Delete the file: the ranking is written."""
        self.path.unlink(missing_ok=True)

    def _line(self, row: RankedGalaxy, cutout_sha256: str) -> str:
        return json.dumps(dataclasses.asdict(row) | {"cutout_sha256": cutout_sha256}) + "\n"
