"""Two masks of one galaxy side by side: page through revisions and pick one, or judge pairs without knowing whose.

Judgements are kept in the store as notes of the kind "compared"; they merge with it and are counted by `preferences`.
"""

from __future__ import annotations

import hashlib
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np
from napari.layers import Image, Labels

from flaxgal.labels.drawing import mask_of
from flaxgal.labels.notes import Note
from flaxgal.labels.records import StoredRevision
from flaxgal.labels.revisions import Provenance, Revision, utc_now
from flaxgal.labels.store import Store
from napari_flaxgal.colours import class_colormap
from napari_flaxgal.session import Session
from napari_flaxgal.views import Looks, View

__all__ = ["Pair", "Review", "pairs_of_galaxy", "pairs_to_judge", "preferences"]

GAP = 0.04
"""Between the two pictures, as a share of their width."""


@dataclass(frozen=True)
class Pair:
    """Two revisions of one galaxy; the right one is empty when there is only one, beside its bare picture then."""

    object_id: str
    left: str
    right: str


class Review:
    """A walk through pairs. Its layers are its own and go with `take_away`."""

    def __init__(self, session: Session, pairs: Sequence[Pair], *, blind: bool) -> None:
        self.store, self.annotator, self.is_blind = session.store, session.annotator, blind
        self.session, self.pairs, self.number = session, list(pairs), 0
        self.is_over = False
        self._layers: list[Any] = []

    @classmethod
    def of_galaxy(cls, session: Session) -> Review:
        """The revisions of the galaxy that is open, the newest against each older one.

        Raises
        ------
        ValueError
            If nobody has committed one.
        """
        pairs = pairs_of_galaxy(session.store, session.object_id)
        if not pairs:
            raise ValueError(f"{session.object_id}: no revision to look at yet; commit one first")
        return cls(session, pairs, blind=False)

    @classmethod
    def blind(cls, session: Session) -> Review:
        """Pairs of masks in a random order and on random sides, that this annotator has not judged.

        Raises
        ------
        ValueError
            If there is none.
        """
        pairs = pairs_to_judge(session.store, session.annotator)
        if not pairs:
            raise ValueError("no galaxy has two masks by different people that you have not judged: nothing to compare")
        return cls(session, pairs, blind=True)

    @property
    def pair(self) -> Pair:
        """What is shown."""
        return self.pairs[self.number]

    @property
    def words(self) -> str:
        """What is shown, for people; in a blind comparison no names."""
        standing = f"{self.number + 1} of {len(self.pairs)}"
        if self.is_blind:
            return f"Which mask is better?   {standing}"
        left, right = (self._about(revision) for revision in (self.pair.left, self.pair.right))
        return f"{left}   |   {right}   ({standing})"

    def page(self, step: int) -> None:
        """Go to another pair; the first comes after the last."""
        self.number = (self.number + step) % len(self.pairs)

    def judge(self, which: str) -> str:
        """Keep a judgement: "left", "right" or "neither"; what was kept is returned in words.

        Picking a mask that is not the galaxy's latest commits it anew, as accepted by this annotator: it is the latest
        then, and the next snapshot has it. A blind judgement changes no label.

        Raises
        ------
        ValueError
            If there is nothing to choose from.
        OSError
            If the store cannot be written to.
        """
        pair = self.pair
        if not pair.right:
            raise ValueError(f"{pair.object_id}: only one revision; there is nothing to choose from")
        better, worse = {"left": (pair.left, pair.right), "right": (pair.right, pair.left)}.get(which, ("", ""))
        details = {"better": better, "worse": worse, "shown": [pair.left, pair.right], "blind": self.is_blind}
        self.store.note(Note(object_id=pair.object_id, annotator=self.annotator, kind="compared", details=details))
        if self.is_blind:
            self.pairs.pop(self.number)
            self.is_over = not self.pairs
            self.number = self.number % len(self.pairs) if self.pairs else 0
            return f"Judgement on {pair.object_id} kept; {len(self.pairs)} pairs to go"
        latest = self.store.history(pair.object_id)[-1].revision_id
        if better and better != latest:
            self.store.commit(_accepted(self.store.revision(better), self.annotator))
            self.session.open(pair.object_id)
        self.is_over = True
        return f"{pair.object_id}: {'your choice is the latest revision now' if better else 'kept as equally good'}"

    def show(self, viewer: Any, looks: Looks) -> None:
        """Put the pair into a viewer, left and right."""
        self.take_away(viewer)
        cutout = self.store.cutout(self.pair.object_id)
        view, looks = View(cutout), replace(looks, polar=False)
        picture, (rise, run) = view.picture(looks), view.scale(looks)
        units = (view.unit(looks),) * 2
        for side, revision_id in enumerate((self.pair.left, self.pair.right)):
            place = (0.0, side * cutout.image_shape[1] * (1 + GAP) * run)
            options = {"scale": (rise, run), "translate": place, "units": units}
            self._add(viewer, Image(picture, rgb=True, name=f"{'AB'[side]} galaxy", **options))
            if revision_id:
                mask = mask_of(self.store.revision(revision_id))
                layer = Labels(mask, name=f"{'AB'[side]} mask", opacity=0.45, colormap=class_colormap(), **options)
                layer.editable = False
                self._add(viewer, layer)
        viewer.canvas.overlays.text.text = self.words

    def take_away(self, viewer: Any) -> None:
        """Remove the pair's layers."""
        for layer in self._layers:
            if layer in viewer.layers:
                viewer.layers.remove(layer)
        self._layers.clear()

    def _add(self, viewer: Any, layer: Any) -> None:
        viewer.add_layer(layer)
        self._layers.append(layer)

    def _about(self, revision_id: str) -> str:
        if not revision_id:
            return "no other revision"
        history = self.store.history(self.pair.object_id)
        said = next(line.provenance for line in history if line.revision_id == revision_id)
        return f"{said.annotator}, {said.origin}, {said.created_utc[:16].replace('T', ' ')}"


def pairs_of_galaxy(store: Store, object_id: str) -> list[Pair]:
    """The newest revision against each older one, newest first; a single revision against nothing."""
    newest, *older = [line.revision_id for line in reversed(store.history(object_id))] or [""]
    if not newest:
        return []
    return [Pair(object_id, newest, other) for other in older] or [Pair(object_id, newest, "")]


def pairs_to_judge(store: Store, annotator: str, *, seed: int = 0) -> list[Pair]:
    """All pairs of masks of one galaxy that differ and that an annotator has not judged blindly yet.

    Of each annotator the newest revision counts. Order and sides are random but settled by the seed, the annotator and
    the revisions, so that asking again on the next day goes on in the same order.
    """
    judged = {
        frozenset(note.details["shown"])
        for note in store.notes(kind="compared")
        if note.annotator == annotator and note.details.get("blind")
    }
    pairs = []
    for object_id in dict.fromkeys(line.provenance.object_id for line in store.history()):
        newest = {line.provenance.annotator: line for line in store.history(object_id)}
        for one, other in combinations(newest.values(), 2):
            sides = [one.revision_id, other.revision_id]
            if frozenset(sides) in judged or _same_mask(store, one, other):
                continue
            _dice(seed, annotator, *sorted(sides)).shuffle(sides)
            pairs.append(Pair(object_id, *sides))
    return sorted(pairs, key=lambda pair: _dice(seed, annotator, pair.object_id, pair.left, pair.right).random())


def _same_mask(store: Store, one: StoredRevision, other: StoredRevision) -> bool:
    """Whether two masks leave nothing to choose; the files are opened only where as many pixels are marked."""
    if one.marked_pixels != other.marked_pixels:
        return False
    if one.marked_pixels == 0:  # "no arms", twice: what somebody left undecided there is no mask to judge
        return True
    first, second = (mask_of(store.revision(line.revision_id)) for line in (one, other))
    return np.array_equal(first, second)


def preferences(store: Store) -> dict[str, tuple[int, int, int]]:
    """(better, worse, equal) in blinded comparisons of each annotator, and of each model whose guess was taken."""
    notes = [note for note in store.notes(kind="compared") if note.details.get("blind")]
    compared = {note.object_id for note in notes if note.object_id in store}  # not all 76,635: this is asked often
    makers = {line.revision_id: _maker(line.provenance) for name in compared for line in store.history(name)}
    better, worse, equal = Counter[str](), Counter[str](), Counter[str]()
    for note in notes:
        shown = [makers.get(revision_id, "unknown") for revision_id in note.details["shown"]]
        if note.details["better"]:
            better[makers.get(note.details["better"], "unknown")] += 1
            worse[makers.get(note.details["worse"], "unknown")] += 1
        else:
            equal.update(shown)
    return {name: (better[name], worse[name], equal[name]) for name in sorted({*better, *worse, *equal})}


def _maker(provenance: Provenance) -> str:
    """Who a mask is by: a person, or the model when its guess was accepted unchanged."""
    return f"model {provenance.model_run}" if provenance.is_models_own else provenance.annotator


def _accepted(revision: Revision, annotator: str) -> Revision:
    """Somebody's revision, as another accepts it: a model's own stays one, what people had a hand in is theirs."""
    return replace(
        revision,
        annotator=annotator,
        origin="accepted",
        parent=revision.revision_id,
        model_run=revision.model_run if revision.is_models_own else "",
        model_threshold=revision.model_threshold if revision.is_models_own else None,
        created_utc=utc_now(),
        revision_id="",
        active_seconds=0.0,
        tool_counts={},
        served_by="review",
        blind_repeat=False,
        drawing="",
    )


def _dice(*parts: Any) -> random.Random:
    """A random number generator that is settled by words."""
    return random.Random(hashlib.sha256("\n".join(map(str, parts)).encode()).digest())
