"""An annotator's way through a queue: which galaxy is next, which was before, and where he stopped yesterday."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, islice

import numpy as np

from flaxgal.labels.journal import open_drawings
from flaxgal.labels.queue import Order, Queue, make_queue
from flaxgal.labels.ranking import newest_ranking
from flaxgal.labels.store import Store
from napari_flaxgal.ahead import LoadedAhead, LoadedCutout
from napari_flaxgal.standing import Place, read_place, write_place
from napari_flaxgal.views import Looks

__all__ = ["EndOfQueue", "Served", "Walk"]

AHEAD = 3
"""Galaxies loaded and drawn before they are asked for."""


class EndOfQueue(Exception):  # noqa: N818 - no error: the work is done
    """There is no further galaxy in this direction; the sentence says of what."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Served:
    """A galaxy that can be opened, and how it came up."""

    object_id: str
    loaded: LoadedCutout
    by: str
    """The order that served it, as revisions record it."""
    blind: bool = False
    """Whether what was drawn on it before is not to be shown."""
    sentences: tuple[str, ...] = ()
    """On galaxies that were passed over because they are damaged."""
    trail: tuple[str, ...] = ()
    """Galaxies to go back to from there, the last one first to be gone to."""


class Walk:
    """Where an annotator is in a queue. `start`, `to`, `next` and `previous` find a galaxy; `arrive` goes there.

    Until `arrive` is called nothing has changed, so that a galaxy which cannot be left stays the open one.
    """

    def __init__(
        self,
        store: Store,
        annotator: str,
        *,
        order: Order,
        show: str,
        catalogue: Mapping[str, Mapping[str, float]] | None,
        repeats: float,
    ) -> None:
        if not 0 <= repeats <= 1:
            raise ValueError(f"repeats {repeats}, expected a probability from 0 to 1")
        self._store, self._annotator, self._catalogue, self._repeats = store, annotator, catalogue, repeats
        self.queue: Queue = self._make_queue(order, show)
        self._ahead = LoadedAhead(lambda object_id: store.cutout(object_id))
        self._dice = np.random.default_rng()
        self._discs: dict[str, bool] = {}
        self._cursor = ""
        """The galaxy from which the queue goes on: the open one, unless it came from outside of the queue."""
        self._here = ""
        self._trail: tuple[str, ...] = ()
        self._came: dict[str, tuple[str, bool]] = {}
        """How each galaxy of this session came up: by which order, and whether as a blind repeat."""

    def start(self) -> Served:
        """The galaxy where this annotator stopped, or the first after it that is still in the queue."""
        place = read_place(self._store.path, self._annotator)
        if place is None or place.object_id not in self._store.galaxies():
            return self._along(self.queue.after, "")
        there, sentences = place.object_id, []
        is_open = bool(open_drawings(self._store.path, self._annotator, there))
        if is_open or (self.queue.position(there) is not None and not self._is_done(there)):
            try:
                return Served(object_id=there, loaded=self._load(there), by=place.served_by)
            except (ValueError, OSError) as error:
                sentences.append(str(error))
        try:
            return self._along(self.queue.after, there, sentences)
        except EndOfQueue:
            return self._along(self.queue.after, "", sentences)

    def to(self, object_id: str) -> Served:
        """A galaxy by its id. ValueError if there is none, or its cutout is damaged."""
        return self._known(object_id, trail=self._trail_from_here())

    def next(self) -> Served:
        """The next galaxy of the queue, or by chance one to repeat; damaged ones are passed over. Or EndOfQueue."""
        if self._repeats and self._dice.random() < self._repeats:
            again = self._to_repeat()
            if again:
                trail = self._trail_from_here()
                return Served(object_id=again, loaded=self._load(again), by="blind repeat", blind=True, trail=trail)
        return self._along(self.queue.after, self._cursor)

    def previous(self) -> Served:
        """The galaxy that was open before, else the one before in the queue. Or EndOfQueue."""
        trail, sentences = list(self._trail), []
        while trail:
            there = trail.pop()
            if there == self._here:
                continue
            try:
                return self._known(there, trail=tuple(trail), sentences=tuple(sentences))
            except (ValueError, OSError) as error:
                sentences.append(str(error))
        return self._along(self.queue.before, self._cursor, sentences, trail=())

    def arrive(self, served: Served) -> None:
        """A galaxy was opened: it is where `next` goes on and where `start` comes back to."""
        self._here, self._trail = served.object_id, served.trail
        self._came[served.object_id] = (served.by, served.blind)
        if not served.blind and self._has_a_place(served.object_id):
            self._cursor = served.object_id
        with contextlib.suppress(OSError):
            write_place(self._store.path, self._annotator, Place(served.object_id, served.by))
        self._prepare()

    def seen(self, object_id: str) -> None:
        """A galaxy was committed: if it was a blind repeat, its earlier masks may be shown again."""
        if object_id in self._came:
            self._came[object_id] = (self._came[object_id][0], False)

    def set_queue(self, order: Order | None = None, show: str | None = None) -> Queue:
        """Another order, other galaxies. ValueError, and the same queue, if the order needs what is not there."""
        self.queue = self._make_queue(order or self.queue.order, show or self.queue.show)
        if self._here and self._has_a_place(self._here):
            self._cursor = self._here
        self._prepare()
        return self.queue

    def refresh(self) -> None:
        """Look what other people added to the store, and make the queue anew."""
        self._store.refresh()
        self.set_queue()

    def look_ahead(self, looks: Looks) -> None:
        """Have the galaxies that come next drawn like this, too."""
        self._ahead.looks = looks
        self._prepare()

    def close(self) -> None:
        """Load nothing more."""
        self._ahead.close()

    def _make_queue(self, order: Order, show: str) -> Queue:
        ranking = newest_ranking(self._store) if order.name in ("usefulness", "discs") else None
        return make_queue(
            self._store, order, show, annotator=self._annotator, catalogue=self._catalogue, ranking=ranking
        )

    def _load(self, object_id: str) -> LoadedCutout:
        """A galaxy's cutout as the store has it now, also if another was put in its place since it was loaded."""
        loaded = self._ahead.get(object_id)
        if loaded.sha256 != self._store.galaxy(object_id).cutout_sha256:
            self._ahead.forget(object_id)
            loaded = self._ahead.get(object_id)
        return loaded

    def _trail_from_here(self) -> tuple[str, ...]:
        return (*self._trail, self._here) if self._here else self._trail

    def _known(self, object_id: str, *, trail: tuple[str, ...], sentences: tuple[str, ...] = ()) -> Served:
        """A galaxy that the queue does not serve now, as it was served before in this session."""
        by, blind = self._came.get(object_id, ("jump", False))
        loaded = self._load(object_id)
        return Served(object_id=object_id, loaded=loaded, by=by, blind=blind, sentences=sentences, trail=trail)

    def _along(
        self,
        step: Callable[..., str | None],
        at: str,
        sentences: list[str] | None = None,
        *,
        trail: tuple[str, ...] | None = None,
    ) -> Served:
        """The first galaxy behind a place that can be opened."""
        said = [] if sentences is None else sentences
        while True:
            found = step(at, self._shows_disc)
            if found is None:
                raise EndOfQueue(" ".join(dict.fromkeys([*said, self._end_of_queue()])))
            at = found
            if self._is_done(at):
                continue
            try:
                loaded = self._load(at)
            except (ValueError, OSError) as error:
                said.append(str(error))
                continue
            trail = self._trail_from_here() if trail is None else trail
            return Served(
                object_id=at, loaded=loaded, by=self.queue.served_by, sentences=tuple(dict.fromkeys(said)), trail=trail
            )

    def _to_repeat(self) -> str | None:
        """A galaxy that this annotator committed in an earlier session; first those never repeated."""
        mine = [line.provenance for line in self._store.history() if line.provenance.annotator == self._annotator]
        known = {about.object_id for about in mine} - self._came.keys()
        fresh = known - {about.object_id for about in mine if about.blind_repeat}
        candidates = sorted(fresh or known)
        return candidates[self._dice.integers(len(candidates))] if candidates else None

    def _shows_disc(self, object_id: str) -> bool:
        from flaxgal.measure.disc import has_visible_disc

        if object_id not in self._discs:
            try:
                self._discs[object_id] = bool(has_visible_disc(self._load(object_id).cutout))
            except (ValueError, OSError):
                return True  # opening it will say what is the matter
        return self._discs[object_id]

    def _is_done(self, object_id: str) -> bool:
        """Whether a galaxy was labelled since the queue of unlabelled ones was made."""
        return self.queue.show == "unlabelled" and bool(self._store.history(object_id))

    def _has_a_place(self, object_id: str) -> bool:
        """Whether the queue knows a galaxy, shown or not; it does not know one that was added after it was made."""
        try:
            self.queue.position(object_id)
        except ValueError:
            return False
        return True

    def _end_of_queue(self) -> str:
        asked = f"{self.queue.show} galaxies, order {self.queue.order.label}"
        return f"The queue ends here ({asked}); choose another order, or show other galaxies"

    def _prepare(self) -> None:
        """Have this galaxy and those that come next loaded and drawn, after a look at what other people added."""
        queue, begin, here = self.queue, self._cursor, self._here

        def coming() -> Iterator[str]:
            self._store.refresh()
            at: str | None = begin
            while (at := queue.after(at, self._shows_disc)) is not None:
                if not self._is_done(at):
                    yield at

        self._ahead.prepare(lambda: chain([here] if here else [], islice(coming(), AHEAD)))
