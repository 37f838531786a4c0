"""How well people agree on a galaxy: Dice and Cohen's kappa of every two annotators, and of an annotator with himself.

Pixels that either of the two was uncertain about do not count. Each annotator is heard by his latest revision. A pair
is *independent* when neither mask was made from the other, nor both from a third or from a model's proposal: masks
that were corrected from one another agree better than two people do.
"""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import json
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool

from flaxgal.labels.consensus import UNDECIDED, votes_of
from flaxgal.labels.revisions import Provenance, Revision
from flaxgal.survey.cutout import Unreadable
from flaxgal.survey.prediction import CLASS_CODES

if TYPE_CHECKING:
    from astropy.table import Table

    from flaxgal.labels.store import Store

__all__ = [
    "DISPUTED_BELOW",
    "AnnotatorSummary",
    "GalaxySummary",
    "Pair",
    "Similarity",
    "agreement",
    "agreement_table",
    "by_annotator",
    "by_galaxy",
    "compare",
    "disputed",
    "similarity",
]

DISPUTED_BELOW = 0.7
"""Two masks of one galaxy with a Dice below this are no accident of where an edge was drawn."""

_MEMORY = "index/agreement.jsonl"


@dataclass(frozen=True, kw_only=True)
class Similarity:
    """How alike two masks of one class are."""

    dice: float
    """Twice the pixels that both marked over the sum of what each marked; 1 when neither marked any."""
    kappa: float
    """Cohen's kappa: agreement beyond chance, 1 at most; NaN where chance alone explains it all, as for two masks
    without a marked pixel."""
    pixels: int
    """Pixels that both decided about."""


@dataclass(frozen=True, kw_only=True)
class Pair(Similarity):
    """Two revisions of one galaxy, compared in one class."""

    object_id: str
    class_name: str
    annotators: tuple[str, str]
    """Twice the same name for a blind repeat."""
    revisions: tuple[str, str]
    independent: bool
    """False when one was made from the other, or both from a third mask or from a model's proposal."""

    @property
    def is_repeat(self) -> bool:
        """Whether an annotator is compared with himself."""
        return self.annotators[0] == self.annotators[1]


@dataclass(frozen=True, kw_only=True)
class GalaxySummary:
    """How well people agree on one galaxy: means over pairs of annotators (not over repeats) and classes."""

    object_id: str
    annotators: int
    pairs: int
    dice: float
    lowest_dice: float
    kappa: float
    """NaN where it is so for every pair."""


@dataclass(frozen=True, kw_only=True)
class AnnotatorSummary:
    """How well one annotator agrees with others, and with himself; NaN where there is nothing to compare."""

    annotator: str
    galaxies: int
    """Galaxies that he shares with others."""
    pairs: int
    dice: float
    kappa: float
    independent_pairs: int
    independent_dice: float
    """Mean over independent pairs only."""
    repeats: int
    """Galaxies and classes that he drew a second time without being shown the first."""
    self_dice: float
    self_kappa: float


def similarity(one: Bool[np.ndarray, "*pixels"], other: Bool[np.ndarray, "*pixels"]) -> Similarity:
    """Dice and Cohen's kappa of two masks.

    With p_o the share of pixels on which they agree and p_e = a b + (1 − a)(1 − b) what two people who mark shares a
    and b at random would reach, kappa = (p_o − p_e) / (1 − p_e) (Cohen 1960, Educational and Psychological
    Measurement 20, 37).
    """
    number = one.size
    both, first, second = int((one & other).sum()), int(one.sum()), int(other.sum())
    dice = 2 * both / (first + second) if first + second else 1.0
    if number == 0:
        return Similarity(dice=math.nan, kappa=math.nan, pixels=0)
    observed = (number - first - second + 2 * both) / number
    chance = (first * second + (number - first) * (number - second)) / number**2
    kappa = (observed - chance) / (1 - chance) if chance < 1 else math.nan
    return Similarity(dice=dice, kappa=kappa, pixels=number)


def compare(one: Revision, other: Revision, class_name: str) -> Similarity:
    """How alike two revisions of a galaxy are in a class, over the pixels that both decided about."""
    votes, others = votes_of(one, class_name), votes_of(other, class_name)
    decided = (votes != UNDECIDED) & (others != UNDECIDED)
    return similarity(votes[decided] == 1, others[decided] == 1)


def agreement(store: Store) -> Iterator[Pair | Unreadable]:
    """Every two revisions worth comparing, galaxy by galaxy; one that cannot be read comes as `Unreadable`.

    These are the latest revisions of two annotators, and an annotator's blind repeat with his revision before it, in
    every class that both looked for. What was compared once is remembered in the store's index by the revisions' ids.
    """
    known = _remembered(store)
    for object_id, history in _histories(store):
        new: dict[str, Similarity] = {}
        lineage = _lineages(history)
        read: dict[str, Revision] = {}
        try:
            for one, other in _worth_comparing(history):
                for name in (name for name in CLASS_CODES if name in one.classes and name in other.classes):
                    ids = (one.revision_id, other.revision_id)
                    key = " ".join((*ids, name))
                    if key not in known:
                        read |= {each: store.revision(each) for each in ids if each not in read}
                        known[key] = new[key] = compare(read[ids[0]], read[ids[1]], name)
                    yield Pair(
                        object_id=object_id,
                        class_name=name,
                        annotators=(one.annotator, other.annotator),
                        revisions=ids,
                        independent=not lineage[ids[0]] & lineage[ids[1]],
                        **dataclasses.asdict(known[key]),
                    )
        except ValueError as error:
            yield Unreadable(object_id, str(error))
        _remember(store, new)


def disputed(store: Store, threshold: float = DISPUTED_BELOW) -> dict[str, float]:
    """Galaxies on which two annotators' latest revisions have a Dice below `threshold` in any class, with the lowest.

    Galaxies whose files cannot be read are passed over: nobody can tell.
    """
    pairs = (pair for pair in agreement(store) if isinstance(pair, Pair))
    return {row.object_id: row.lowest_dice for row in by_galaxy(pairs) if row.lowest_dice < threshold}


def by_galaxy(pairs: Iterable[Pair]) -> list[GalaxySummary]:
    """How well people agree on each galaxy that two or more of them labelled."""
    of_galaxy = defaultdict(list)
    for pair in pairs:
        if not pair.is_repeat:
            of_galaxy[pair.object_id].append(pair)
    return [
        GalaxySummary(
            object_id=object_id,
            annotators=len({name for pair in found for name in pair.annotators}),
            pairs=len({pair.revisions for pair in found}),
            dice=_mean(pair.dice for pair in found),
            lowest_dice=min((pair.dice for pair in found if not math.isnan(pair.dice)), default=math.nan),
            kappa=_mean(pair.kappa for pair in found),
        )
        for object_id, found in of_galaxy.items()
    ]


def by_annotator(pairs: Iterable[Pair]) -> list[AnnotatorSummary]:
    """How well each annotator agrees with the others and with himself, by name."""
    of_annotator: dict[str, list[Pair]] = defaultdict(list)
    for pair in pairs:
        for name in sorted(set(pair.annotators)):
            of_annotator[name].append(pair)
    return [_summary(name, of_annotator[name]) for name in sorted(of_annotator)]


def agreement_table(pairs: Iterable[Pair]) -> Table:
    """Every pair as a row of an astropy table with descriptions."""
    from astropy.table import Column, Table

    from flaxgal import __version__

    rows = list(pairs)
    columns = {
        "object_id": (str, "name of the galaxy in its survey, as text", [row.object_id for row in rows]),
        "class": (str, "what was compared", [row.class_name for row in rows]),
        "annotator_1": (str, "who drew the first mask", [row.annotators[0] for row in rows]),
        "annotator_2": (str, "who drew the second; the same for a blind repeat", [row.annotators[1] for row in rows]),
        "blind_repeat": (bool, "an annotator with himself", [row.is_repeat for row in rows]),
        "independent": (
            bool,
            "neither was made from the other, nor both from a third or a model's proposal",
            [row.independent for row in rows],
        ),
        "dice": (np.float32, "2 |A and B| / (|A| + |B|); 1 when both are empty", [row.dice for row in rows]),
        "kappa": (
            np.float32,
            "Cohen's kappa; NaN where chance explains all, as for two empty masks",
            [row.kappa for row in rows],
        ),
        "pixels": (np.int32, "pixels that both decided about", [row.pixels for row in rows]),
        "revision_1": (str, "id of the first mask's revision", [row.revisions[0] for row in rows]),
        "revision_2": (str, "id of the second mask's revision", [row.revisions[1] for row in rows]),
    }
    table = Table(
        {
            name: Column(np.array(values, dtype=kind), description=meaning)
            for name, (kind, meaning, values) in columns.items()
        }
    )
    table["pixels"].unit = "pix"
    table.meta = {"software": f"flaxgal {__version__}"}
    return table


def _remembered(store: Store) -> dict[str, Similarity]:
    """What was compared before, by two revision ids and the class; lines that a dying process tore are passed over."""
    path, known = store.path / _MEMORY, {}
    for line in path.read_bytes().splitlines() if path.exists() else ():
        try:
            key, dice, kappa, pixels = json.loads(line)
            known[key] = Similarity(dice=float(dice), kappa=float(kappa), pixels=int(pixels))
        except (ValueError, TypeError):
            continue
    return known


def _remember(store: Store, new: Mapping[str, Similarity]) -> None:
    """Keep what was compared; a store that cannot be written to is compared again the next time."""
    if not new:
        return
    lines = [json.dumps([key, found.dice, found.kappa, found.pixels]) + "\n" for key, found in new.items()]
    path = store.path / _MEMORY
    with contextlib.suppress(OSError):
        path.parent.mkdir(exist_ok=True)
        with path.open("ab", buffering=0) as file:
            file.write(("\n" + "".join(lines)).encode())  # one write: two processes do not mix their lines


def _histories(store: Store) -> Iterator[tuple[str, list[Provenance]]]:
    """The revisions of each galaxy that has more than one, oldest first."""
    everything = (stored.provenance for stored in store.history())
    for object_id, history in itertools.groupby(everything, key=lambda provenance: provenance.object_id):
        revisions = list(history)
        if len(revisions) > 1:
            yield object_id, revisions


def _worth_comparing(history: Sequence[Provenance]) -> Iterator[tuple[Provenance, Provenance]]:
    """The latest of every two annotators, and every blind repeat with the same annotator's revision before it."""
    latest: dict[str, Provenance] = {}
    for revision in history:
        before = latest.get(revision.annotator)
        if revision.blind_repeat and before is not None:
            yield before, revision
        latest[revision.annotator] = revision
    yield from itertools.combinations([latest[name] for name in sorted(latest)], 2)


def _lineages(history: Sequence[Provenance]) -> dict[str, set[str]]:
    """For each revision the ids of all that it was made from, itself and models' runs among them."""
    parents = {revision.revision_id: revision for revision in history}
    lineages = {}
    for revision in history:
        line: set[str] = set()
        at: Provenance | None = revision
        while at is not None and at.revision_id not in line:
            line |= {at.revision_id, at.parent, f"run {at.model_run}" if at.model_run else ""}
            at = parents.get(at.parent)
        lineages[revision.revision_id] = line - {""}
    return lineages


def _summary(name: str, pairs: Sequence[Pair]) -> AnnotatorSummary:
    others = [pair for pair in pairs if not pair.is_repeat]
    repeats = [pair for pair in pairs if pair.is_repeat]
    independent = [pair for pair in others if pair.independent]
    return AnnotatorSummary(
        annotator=name,
        galaxies=len({pair.object_id for pair in others}),
        pairs=len(others),
        dice=_mean(pair.dice for pair in others),
        kappa=_mean(pair.kappa for pair in others),
        independent_pairs=len(independent),
        independent_dice=_mean(pair.dice for pair in independent),
        repeats=len(repeats),
        self_dice=_mean(pair.dice for pair in repeats),
        self_kappa=_mean(pair.kappa for pair in repeats),
    )


def _mean(values: Iterable[float]) -> float:
    """The mean of the values that are numbers; NaN when none is."""
    known = [value for value in values if not math.isnan(value)]
    return sum(known) / len(known) if known else math.nan
