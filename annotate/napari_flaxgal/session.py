"""Who annotates what, what changed, and what commit means: everything of an annotation session but the window.

No napari and no Qt. A session opens one galaxy at a time. Every stroke handed to `record` is on the disk when it
returns; going to another galaxy leaves the drawing open, and coming back brings it back, also after a crash and on
another day. `commit` makes it a revision in the store. All sentences in errors are meant to be shown.
"""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, UInt8

from flaxgal.labels.drawing import Drawing, OpenTrace, Proposal
from flaxgal.labels.files import NotSavedError
from flaxgal.labels.journal import NotJournalled, open_drawings
from flaxgal.labels.notes import Note, flagged
from flaxgal.labels.queue import Order, Queue
from flaxgal.labels.revisions import Revision
from flaxgal.labels.store import Store
from flaxgal.survey.cutout import Cutout
from napari_flaxgal.standing import Progress, Standing
from napari_flaxgal.tools import Trace
from napari_flaxgal.views import Looks, View
from napari_flaxgal.walk import EndOfQueue, Served, Walk
from napari_flaxgal.work import (
    Work,
    as_revision,
    committed,
    fresh_drawing,
    going_on,
    recovered_work,
)

__all__ = ["IDLE_SECONDS", "EndOfQueue", "NotJournalled", "NotSavedError", "Opened", "Proposal", "Session"]

IDLE_SECONDS = 30.0
"""A pause longer than this is no work."""
NOTHING_OPEN = "no galaxy is open; choose one from the queue, or another order"


@dataclass(frozen=True, kw_only=True, eq=False)
class Opened:
    """A galaxy as it was opened."""

    object_id: str
    cutout: Cutout
    mask: UInt8[np.ndarray, "y x"]
    """What it is opened with: the open drawing, else the latest revision, else nothing."""
    parent: str
    recovered: bool
    blind_repeat: bool
    sentences: tuple[str, ...]
    """What the annotator should be told: a damaged galaxy that was passed over, a drawing kept aside …"""


class Session:
    """One annotator's work on a store. Nothing is open until `start`, `open` or `next` is called.

    Parameters
    ----------
    store
        Where galaxies come from and revisions go. A store that cannot be written to can be looked at.
    annotator
        Whose marks these are.
    order, show
        Which galaxies, in which order: `flaxgal.labels.queue`.
    catalogue
        Columns to order by (`read_catalogue_columns`).
    repeats
        Probability, 0 to 1, that `next` serves a galaxy that this annotator committed earlier, with an empty mask.
    classes
        What is looked for.
    clock
        Seconds that only go forward.

    Raises
    ------
    ValueError
        If there is no annotator, or the order needs something that is not there (a ranking, a catalogue's column).
    """

    def __init__(
        self,
        store: Store,
        annotator: str,
        *,
        order: Order = Order(),  # noqa: B008 - frozen
        show: str = "unlabelled",
        catalogue: Mapping[str, Mapping[str, float]] | None = None,
        repeats: float = 0.0,
        classes: tuple[str, ...] = ("arm", "bar"),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if not annotator.strip():
            raise ValueError("a session without an annotator; say whose marks these are (--annotator NAME)")
        self.store, self.annotator, self.catalogue, self.classes = store, annotator.strip(), catalogue, classes
        self._walk = Walk(store, self.annotator, order=order, show=show, catalogue=catalogue, repeats=repeats)
        self._standing = Standing(store, self.annotator)
        self.recovered = False
        self.is_flagged = False
        self._clock, self._last_act = clock, clock()
        self._view: View | None = None
        self._work: Work | None = None

    # What is open

    @property
    def queue(self) -> Queue:
        """The galaxies that are served, in order."""
        return self._walk.queue

    @property
    def object_id(self) -> str:
        """The open galaxy; empty when none is."""
        return self._work.drawing.object_id if self._work else ""

    @property
    def cutout(self) -> Cutout:
        """Images of the open galaxy. ValueError when none is open, here and below."""
        return self.view.cutout

    @property
    def view(self) -> View:
        """The open galaxy as it can be looked at; most of it was computed ahead."""
        if self._view is None:
            raise ValueError(NOTHING_OPEN)
        return self._view

    @property
    def mask(self) -> UInt8[np.ndarray, "y x"]:
        """What is drawn, as a copy: 0 background, 1 arm, 2 bar, 255 uncertain."""
        return self._drawing.mask.copy()

    @property
    def by_hand(self) -> Bool[np.ndarray, "y x"]:
        """Pixels that a person decided, now or in the revision it started from: no proposal changes them. A copy."""
        return self._drawing.by_hand.copy()

    @property
    def parent(self) -> str:
        """The revision that the open drawing started from; empty when it started from nothing."""
        return self._drawing.parent

    @property
    def blind_repeat(self) -> bool:
        """Whether the annotator draws this galaxy again without being shown the first time."""
        return self._drawing.blind_repeat

    @property
    def proposal(self) -> Proposal | None:
        """The proposal in the mask, with the pixels that are still its own."""
        drawing = self._drawing
        return drawing.proposal and dataclasses.replace(drawing.proposal, pixels=~drawing.by_hand)

    @property
    def trace(self) -> Trace | None:
        """The arm being traced."""
        trace = self._drawing.trace
        return trace and Trace(np.array(trace.points, float), trace.width_pixels, trace.class_code)

    @property
    def is_changed(self) -> bool:
        """Whether something is drawn, proposed or being traced that is not committed."""
        return self._work is not None and self._work.drawing.is_changed

    @property
    def active_seconds(self) -> float:
        """Work on the open drawing so far, pauses left out."""
        return self._drawing.active_seconds

    @property
    def trouble(self) -> str:
        """Why strokes are in memory only, as a sentence to show while it is so; empty when all are on the disk."""
        return self._work.trouble if self._work else ""

    @property
    def unfinished(self) -> list[str]:
        """Other galaxies on which this annotator has an open drawing."""
        found = (about.object_id for about in open_drawings(self.store.path, self.annotator))
        return [name for name in dict.fromkeys(found) if name != self.object_id]

    # Moving

    def start(self) -> Opened:
        """Open the galaxy where this annotator stopped, or the first after it that is still in the queue.

        Raises
        ------
        EndOfQueue
            If there is none.
        """
        return self._open(self._walk.start())

    def open(self, object_id: str) -> Opened:
        """Open a galaxy by its id, also one that the queue does not show.

        Raises
        ------
        ValueError
            If the store has no such galaxy, or its cutout is damaged. The galaxy before stays open.
        NotJournalled
            If strokes on the galaxy that is open would be lost. It stays open; commit or discard it.
        """
        return self._open(self._walk.to(object_id))

    def next(self) -> Opened:
        """Open the next galaxy of the queue, or by chance a blind repeat. A damaged one is passed over.

        Raises
        ------
        EndOfQueue
            If there is none. The galaxy stays open.
        NotJournalled
            As `open`.
        """
        return self._open(self._walk.next())

    def previous(self) -> Opened:
        """Go back to the galaxy that was open before, else to the one before in the queue. Raises as `next`."""
        return self._open(self._walk.previous())

    def skip(self) -> Opened:
        """Note that this galaxy was skipped, where the store can be written to, and go on. Raises as `next`."""
        with contextlib.suppress(OSError):
            self._note("skipped")
        return self.next()

    def flag(self, reason: str = "") -> None:
        """Mark the galaxy for a second look. NotSavedError if the store cannot be written to."""
        self._note("flagged", **({"reason": reason} if reason else {}))
        self.is_flagged = True

    def unflag(self) -> None:
        """Take the mark away, whoever made it. NotSavedError if the store cannot be written to."""
        self._note("unflagged")
        self.is_flagged = False

    def set_queue(self, order: Order | None = None, show: str | None = None) -> Queue:
        """Another order, other galaxies; the open galaxy stays open.

        Raises
        ------
        ValueError
            If the order needs something that is not there. The queue stays as it was.
        """
        return self._walk.set_queue(order, show)

    def refresh(self) -> None:
        """Look what other people added, and make the queue anew. The open drawing stays, and its parent with it."""
        self._walk.refresh()

    def look_ahead(self, looks: Looks) -> None:
        """Have the galaxies that come next drawn as this one is looked at, before they are opened."""
        self._walk.look_ahead(looks)

    # Drawing

    def touch(self) -> None:
        """The annotator did something (key, mouse): seconds of work run from act to act, pauses left out."""
        now = self._clock()
        pause, self._last_act = now - self._last_act, now
        if self._work is not None and 0 < pause <= IDLE_SECONDS:
            self._work.drawing.active_seconds += pause

    def record(self, mask: np.ndarray, tool: str, *, touched: np.ndarray | None = None) -> bool:
        """A tool has changed the mask: keep the stroke. True if anything is different.

        Parameters
        ----------
        mask : the whole mask after the stroke.
        tool : counted in the revision. "undo" and "redo" give back also whose the pixels were.
        touched : pixels that the tool went over, if that is known; they are by hand even where nothing changed.

        Raises
        ------
        ValueError
            If the mask has another shape or a label that means nothing. Nothing is taken: show `mask` again.
        NotJournalled
            Once, when strokes can no longer be put on the disk. This one is taken all the same, in memory, and so are
            those after it, without an error; see `trouble`. All are written as soon as that is possible again.
        """
        self.touch()
        changed = self._drawing.draw(mask, tool, touched=touched)
        self._open_work.keep(tool)
        self._open_work.tell()
        return changed

    def undo(self) -> UInt8[np.ndarray, "y x"]:
        """Take back the last stroke or proposal, also one from before a crash; the mask is returned."""
        return self._after(self._drawing.undo(), "undo")

    def redo(self) -> UInt8[np.ndarray, "y x"]:
        """Do again what was taken back; the mask is returned."""
        return self._after(self._drawing.redo(), "redo")

    def propose(self, class_map: np.ndarray, run: str, threshold: float) -> UInt8[np.ndarray, "y x"]:
        """Fill all pixels that nobody decided by hand with a model's mask; the mask is returned.

        Another proposal, say at another threshold, takes the place of the one before. Classes that are not looked for
        are left out.

        Raises
        ------
        ValueError
            If the map has another shape or values that mean nothing. Nothing changes.
        """
        return self._after(self._drawing.propose(class_map, run, threshold), "propose")

    def discard_proposal(self) -> UInt8[np.ndarray, "y x"]:
        """Give the proposal's pixels back to what the galaxy was opened with, and return the mask."""
        return self._after(self._drawing.discard_proposal(), "discard proposal")

    def set_trace(self, trace: Trace | None) -> None:
        """The arm being traced, kept on the disk; None when it was laid into the mask, or given up."""
        self.touch()
        kept = None
        if trace is not None:
            points = tuple((float(y), float(x)) for y, x in trace.points)
            kept = OpenTrace(points, float(trace.width_pixels), int(trace.class_code))
        self._drawing.trace = kept
        self._open_work.keep()

    # The end of it

    def commit(self, *, verdict: str = "") -> Revision:
        """Make the drawing a revision; it is on the disk, read back and compared, when this returns.

        The galaxy stays open, with the revision as the parent of what is drawn next. A drawing that is in the store
        already, because the process died just after it was written, is not written again.

        Parameters
        ----------
        verdict : what the annotator says of the galaxy, kept in the revision's details: "no arms" ...

        Raises
        ------
        ValueError
            If an arm is still being traced, or the galaxy's pixels in the store are others than were drawn on.
        NotSavedError
            If the store cannot be written to (an OSError). The drawing stays open and its journal stays.
        """
        drawing = self._drawing
        if drawing.trace is not None:
            raise ValueError(
                f"{drawing.object_id}: an arm is being traced; lay it into the mask or give it up, then commit"
            )
        self.touch()
        revision = committed(self.store, drawing) or self._into_the_store(as_revision(drawing, verdict=verdict))
        self._open_work.end()
        self._walk.seen(drawing.object_id)
        self._work = Work(self.store, going_on(drawing, revision))
        self._standing.changed()
        return revision

    def discard(self) -> UInt8[np.ndarray, "y x"]:
        """Go back to what the galaxy was opened with, and return it: a step that can be undone while it stays open."""
        return self._after(self._drawing.start_again(), "throw away")

    def progress(self) -> Progress:
        """How far the store is labelled, and by whom."""
        return self._standing.progress()

    def close(self, *, even_if_lost: bool = False) -> None:
        """End the session; the open drawing is there the next time.

        Raises
        ------
        NotJournalled
            If strokes are in memory only and still cannot be written: the session stays open, unless `even_if_lost`.
        """
        if self._work is not None:
            if not even_if_lost:
                self._work.flush()
            self._work.leave()
        self._work = self._view = None
        self._walk.close()

    # Inside

    @property
    def _drawing(self) -> Drawing:
        return self._open_work.drawing

    @property
    def _open_work(self) -> Work:
        if self._work is None:
            raise ValueError(NOTHING_OPEN)
        return self._work

    def _open(self, served: Served) -> Opened:
        """Leave the open galaxy and open another; if anything goes wrong, the first stays open."""
        fresh, unreadable = fresh_drawing(self.store, served, annotator=self.annotator, classes=self.classes)
        if self._work is not None:
            self._work.flush()
            self._work.leave()
        recovered, told = recovered_work(self.store, self.annotator, served)
        work = recovered or Work(self.store, fresh)
        self._work, self._view, self.recovered = work, served.loaded.view, recovered is not None
        self._last_act = self._clock()
        self.is_flagged = bool(flagged(self.store, served.object_id))
        self._walk.arrive(dataclasses.replace(served, by=work.drawing.served_by))
        return Opened(
            object_id=served.object_id,
            cutout=served.loaded.cutout,
            mask=self.mask,
            parent=work.drawing.parent,
            recovered=self.recovered,
            blind_repeat=work.drawing.blind_repeat,
            sentences=(*served.sentences, *unreadable, *told),
        )

    def _note(self, kind: str, **details: str) -> None:
        about = self._drawing
        self.store.note(Note(object_id=about.object_id, annotator=self.annotator, kind=kind, details=details))

    def _after(self, changed: bool, tool: str) -> UInt8[np.ndarray, "y x"]:
        self.touch()
        if changed:
            self._open_work.keep(tool)
        return self.mask

    def _into_the_store(self, revision: Revision) -> Revision:
        try:
            return self.store.commit(revision)
        except OSError as error:
            kept = "in this window's memory only" if self.trouble else "on the disk, every stroke of it"
            raise NotSavedError(f"{error}. The drawing stays open; it is {kept}") from error
