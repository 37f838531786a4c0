"""Who annotates what, what changed, and what commit means: everything of an annotation session but the window.

No napari and no Qt. A session opens one galaxy at a time. Every stroke handed to `record` is on the disk when it
returns; going to another galaxy leaves the drawing open, and coming back brings it back, also after a crash and on
another day. `commit` makes it a revision in the store. All sentences in errors are meant to be shown.
"""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice

import numpy as np
from jaxtyping import Bool, UInt8

from flaxgal.labels.drawing import Drawing, OpenTrace, Proposal, decided_by_hand, mask_of
from flaxgal.labels.journal import DrawingJournal, NotJournalled, open_drawings
from flaxgal.labels.notes import Note
from flaxgal.labels.queue import Order, Queue, make_queue
from flaxgal.labels.ranking import newest_ranking
from flaxgal.labels.revisions import Revision
from flaxgal.labels.store import Store
from flaxgal.survey.cutout import Cutout
from napari_flaxgal.ahead import LoadedAhead, LoadedCutout
from napari_flaxgal.standing import Place, Progress, progress, read_place, write_place
from napari_flaxgal.tools import Trace

__all__ = ["IDLE_SECONDS", "EndOfQueue", "NotJournalled", "Opened", "Proposal", "Session"]

IDLE_SECONDS = 30.0
"""A pause longer than this is no work."""
AHEAD = 3
"""Galaxies loaded before they are asked for."""


class EndOfQueue(Exception):  # noqa: N818 - no error: the work is done
    """There is no further galaxy in this direction; the sentence says of what."""


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
        if not 0 <= repeats <= 1:
            raise ValueError(f"repeats {repeats}, expected a probability from 0 to 1")
        self.store, self.annotator, self.catalogue = store, annotator.strip(), catalogue
        self.repeats, self.classes = repeats, classes
        self.queue: Queue = self._make_queue(order, show)
        self.recovered = False
        self.is_flagged = False
        """Whether the open galaxy is marked for a second look, by anybody."""
        self._clock, self._last_act = clock, clock()
        self._dice = np.random.default_rng()
        self._ahead = LoadedAhead(lambda object_id: store.cutout(object_id))
        self._discs: dict[str, bool] = {}
        self._loaded: LoadedCutout | None = None
        self._drawing: Drawing | None = None
        self._journal: DrawingJournal | None = None
        self._cursor = ""
        self._trail: list[str] = []
        self._served: dict[str, str] = {}
        self._blind: set[str] = set()
        self._trouble, self._told = "", False

    # What is open

    @property
    def object_id(self) -> str:
        """The open galaxy; empty when none is."""
        return self._drawing.object_id if self._drawing else ""

    @property
    def cutout(self) -> Cutout:
        """Images of the open galaxy. ValueError when none is open, here and below."""
        if self._loaded is None:
            raise ValueError("no galaxy is open; choose one from the queue, or another order")
        return self._loaded.cutout

    @property
    def mask(self) -> UInt8[np.ndarray, "y x"]:
        """What is drawn, as a copy: 0 background, 1 arm, 2 bar, 255 uncertain."""
        return self._open_drawing.mask.copy()

    @property
    def by_hand(self) -> Bool[np.ndarray, "y x"]:
        """Pixels that a person decided, now or in the revision it started from: no proposal changes them. A copy."""
        return self._open_drawing.by_hand.copy()

    @property
    def parent(self) -> str:
        """The revision that the open drawing started from; empty when it started from nothing."""
        return self._open_drawing.parent

    @property
    def blind_repeat(self) -> bool:
        """Whether the annotator draws this galaxy again without being shown the first time."""
        return self._open_drawing.blind_repeat

    @property
    def proposal(self) -> Proposal | None:
        """The proposal in the mask, with the pixels that are still its own."""
        drawing = self._open_drawing
        return drawing.proposal and dataclasses.replace(drawing.proposal, pixels=~drawing.by_hand)

    @property
    def trace(self) -> Trace | None:
        """The arm being traced."""
        trace = self._open_drawing.trace
        return trace and Trace(np.array(trace.points, float), trace.width_pixels, trace.class_code)

    @property
    def is_changed(self) -> bool:
        """Whether something is drawn, proposed or being traced that is not committed."""
        return self._drawing is not None and self._drawing.is_changed

    @property
    def active_seconds(self) -> float:
        """Work on the open drawing so far, pauses left out."""
        return self._open_drawing.active_seconds

    @property
    def trouble(self) -> str:
        """Why strokes are in memory only, as a sentence to show while it is so; empty when all are on the disk."""
        return self._trouble

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
        place = read_place(self.store.path, self.annotator)
        if place is None or place.object_id not in self.store.galaxies():
            return self._serve(self.queue.after, "")
        there, sentences = place.object_id, []
        is_open = bool(open_drawings(self.store.path, self.annotator, there))
        if is_open or (self.queue.position(there) is not None and not self._is_done(there)):
            try:
                return self._open(there, self._ahead.get(there), place.served_by)
            except ValueError as error:
                sentences.append(str(error))
        try:
            return self._serve(self.queue.after, there, sentences)
        except EndOfQueue:
            return self._serve(self.queue.after, "", sentences)

    def open(self, object_id: str) -> Opened:
        """Open a galaxy by its id, also one that the queue does not show.

        Raises
        ------
        ValueError
            If the store has no such galaxy, or its cutout is damaged. The galaxy before stays open.
        NotJournalled
            If strokes on the galaxy that is open would be lost. It stays open; commit or discard it.
        """
        loaded = self._ahead.get(object_id)
        return self._walk_to(object_id, loaded, self._served.get(object_id, "jump"))

    def next(self) -> Opened:
        """Open the next galaxy of the queue, or by chance a blind repeat. A damaged one is passed over.

        Raises
        ------
        EndOfQueue
            If there is none. The galaxy stays open.
        NotJournalled
            As `open`.
        """
        if self.repeats and self._dice.random() < self.repeats:
            again = self._to_repeat()
            if again:
                self._blind.add(again)
                return self._walk_to(again, self._ahead.get(again), "blind repeat")
        return self._serve(self.queue.after, self._cursor)

    def previous(self) -> Opened:
        """Go back to the galaxy that was open before, else to the one before in the queue. Raises as `next`."""
        sentences: list[str] = []
        while self._trail:
            there = self._trail[-1]
            if there != self.object_id:
                try:
                    loaded = self._ahead.get(there)
                except (ValueError, OSError) as error:
                    sentences.append(str(error))
                else:
                    opened = self._open(there, loaded, self._served.get(there, "jump"), sentences)
                    self._trail.pop()
                    return opened
            self._trail.pop()
        opened = self._serve(self.queue.before, self._cursor, sentences)
        self._trail.clear()
        return opened

    def skip(self) -> Opened:
        """Note that this galaxy was skipped, where the store can be written to, and go on. Raises as `next`."""
        with contextlib.suppress(OSError):
            self._note("skipped")
        return self.next()

    def flag(self, reason: str = "") -> None:
        """Mark the galaxy for a second look. OSError if the store cannot be written to."""
        self._note("flagged", **({"reason": reason} if reason else {}))
        self.is_flagged = True

    def unflag(self) -> None:
        """Take the mark away, whoever made it. OSError if the store cannot be written to."""
        self._note("unflagged")
        self.is_flagged = False

    def set_queue(self, order: Order | None = None, show: str | None = None) -> Queue:
        """Another order, other galaxies; the open galaxy stays open.

        Raises
        ------
        ValueError
            If the order needs something that is not there. The queue stays as it was.
        """
        self.queue = self._make_queue(order or self.queue.order, show or self.queue.show)
        if self._has_a_place(self.object_id):
            self._cursor = self.object_id
        self._prepare()
        return self.queue

    def refresh(self) -> None:
        """Look what other people added to the store. The open drawing stays, and its parent with it."""
        with self._ahead.reading:
            self.store.refresh()
        self.set_queue()

    # Drawing

    def touch(self) -> None:
        """The annotator did something (key, mouse): seconds of work run from act to act, pauses left out."""
        now = self._clock()
        pause, self._last_act = now - self._last_act, now
        if self._drawing is not None and 0 < pause <= IDLE_SECONDS:
            self._drawing.active_seconds += pause

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
        changed = self._open_drawing.draw(mask, tool, touched=touched)
        self._keep(tool)
        if self._trouble and not self._told:
            self._told = True
            raise NotJournalled(self._trouble)
        return changed

    def undo(self) -> UInt8[np.ndarray, "y x"]:
        """Take back the last stroke or proposal, also after a crash. The mask is returned, the same if there is none."""
        return self._after(self._open_drawing.undo(), "undo")

    def redo(self) -> UInt8[np.ndarray, "y x"]:
        """Do again what was taken back; the mask is returned."""
        return self._after(self._open_drawing.redo(), "redo")

    def propose(self, class_map: np.ndarray, run: str, threshold: float) -> UInt8[np.ndarray, "y x"]:
        """Fill all pixels that nobody decided by hand with a model's mask; the mask is returned.

        Another proposal, say at another threshold, takes the place of the one before. Classes that are not looked for
        are left out.

        Raises
        ------
        ValueError
            If the map has another shape or values that mean nothing. Nothing changes.
        """
        return self._after(self._open_drawing.propose(class_map, run, threshold), "propose")

    def discard_proposal(self) -> UInt8[np.ndarray, "y x"]:
        """Give the proposal's pixels back to what the galaxy was opened with, and return the mask."""
        return self._after(self._open_drawing.discard_proposal(), "discard proposal")

    def set_trace(self, trace: Trace | None) -> None:
        """The arm being traced, kept on the disk; None when it was laid into the mask, or given up."""
        self.touch()
        kept = None
        if trace is not None:
            points = tuple((float(y), float(x)) for y, x in trace.points)
            kept = OpenTrace(points, float(trace.width_pixels), int(trace.class_code))
        self._open_drawing.trace = kept
        self._keep("")

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
        OSError
            If the store cannot be written to. The drawing stays open and its journal stays.
        """
        drawing = self._open_drawing
        if drawing.trace is not None:
            raise ValueError(
                f"{drawing.object_id}: an arm is being traced; lay it into the mask or give it up, then commit"
            )
        self.touch()
        revision = self._committed(drawing) or self._into_the_store(self._as_revision(drawing, verdict))
        self._close_journal(discard=True)
        self._blind.discard(drawing.object_id)
        self._begin(_going_on(drawing, revision))
        return revision

    def discard(self) -> UInt8[np.ndarray, "y x"]:
        """Throw the drawing away, its journal too; what the galaxy was opened with is returned. Cannot be undone."""
        drawing = self._open_drawing
        self._close_journal(discard=True)
        about = {name: getattr(drawing, name) for name in _KEPT_ABOUT}
        self._begin(Drawing(**about, start_mask=drawing.start_mask, start_hand=drawing.start_hand))
        return self.mask

    def progress(self) -> Progress:
        """How far the store is labelled, and by whom."""
        return progress(self.store, self.annotator)

    def close(self, *, even_if_lost: bool = False) -> None:
        """End the session; the open drawing is there the next time.

        Raises
        ------
        NotJournalled
            If strokes are in memory only and still cannot be written: the session stays open, unless `even_if_lost`.
        """
        if not even_if_lost:
            self._flush()
        self._close_journal()
        self._drawing = self._loaded = None
        self._ahead.close()

    # Inside: galaxies

    def _make_queue(self, order: Order, show: str) -> Queue:
        ranking = newest_ranking(self.store) if order.name in ("usefulness", "discs") else None
        return make_queue(self.store, order, show, annotator=self.annotator, catalogue=self.catalogue, ranking=ranking)

    def _serve(self, step: Callable[..., str | None], at: str, sentences: list[str] | None = None) -> Opened:
        """Open the first galaxy from a place on that can be opened."""
        sentences = [] if sentences is None else sentences
        while True:
            found = step(at, self._shows_disc)
            if found is None:
                raise EndOfQueue(" ".join([*sentences, self._end_of_queue()]))
            at = found
            if self._is_done(at):
                continue
            try:
                loaded = self._ahead.get(at)
            except (ValueError, OSError) as error:
                sentences.append(str(error))
                continue
            return self._walk_to(at, loaded, self.queue.served_by, sentences)

    def _walk_to(
        self, object_id: str, loaded: LoadedCutout, served_by: str, sentences: list[str] | None = None
    ) -> Opened:
        """Open a galaxy, so that `previous` comes back to this one."""
        before = self.object_id
        opened = self._open(object_id, loaded, served_by, sentences)
        if before:
            self._trail.append(before)
        return opened

    def _open(self, object_id: str, loaded: LoadedCutout, served_by: str, sentences: list[str] | None = None) -> Opened:
        said = [] if sentences is None else sentences
        fresh = self._fresh_drawing(object_id, loaded, served_by, said)
        self._flush()
        self._close_journal()
        self._loaded, self._last_act = loaded, self._clock()
        self._trouble, self._told = "", False
        recovered = self._recovered(object_id, loaded.sha256, said)
        self._journal, drawing = recovered or (None, fresh)
        self._begin(drawing)
        self.recovered = recovered is not None
        self._served[object_id] = drawing.served_by
        self.is_flagged = any(note.kind == "flagged" for note in self._flags(object_id)[-1:])
        if not drawing.blind_repeat and self._has_a_place(object_id):
            self._cursor = object_id
        with contextlib.suppress(OSError):
            write_place(self.store.path, self.annotator, Place(object_id, drawing.served_by))
        self._prepare()
        return Opened(
            object_id=object_id,
            cutout=loaded.cutout,
            mask=self.mask,
            parent=drawing.parent,
            recovered=self.recovered,
            blind_repeat=drawing.blind_repeat,
            sentences=tuple(said),
        )

    def _fresh_drawing(self, object_id: str, loaded: LoadedCutout, served_by: str, said: list[str]) -> Drawing:
        """A new drawing on a galaxy's latest revision, or on nothing."""
        blind = object_id in self._blind
        latest = None if blind else self._latest(object_id, said)
        shape = loaded.cutout.image_shape
        return Drawing(
            object_id=object_id,
            annotator=self.annotator,
            cutout_sha256=loaded.sha256,
            classes=self.classes,
            parent=latest.revision_id if latest else "",
            served_by=served_by,
            blind_repeat=blind,
            start_mask=mask_of(latest) if latest else np.zeros(shape, np.uint8),
            start_hand=decided_by_hand(latest) if latest else np.zeros(shape, bool),
        )

    def _latest(self, object_id: str, said: list[str]) -> Revision | None:
        """The latest revision that can be read."""
        for line in reversed(self.store.history(object_id)):
            try:
                return self.store.revision(line.revision_id)
            except ValueError as error:
                said.append(str(error))
        return None

    def _recovered(self, object_id: str, sha256: str, said: list[str]) -> tuple[DrawingJournal, Drawing] | None:
        """The drawing that this annotator left open on a galaxy, if its pixels are still those of the galaxy."""
        for about in open_drawings(self.store.path, self.annotator, object_id):
            begun = f"{object_id}: a drawing of yours, begun {about.started_utc[:16].replace('T', ' ')} UTC,"
            try:
                journal, drawing = DrawingJournal.resume(about.path)
            except BlockingIOError:
                said.append(f"{begun} is open in another window; what you draw here is another drawing")
                continue
            except FileNotFoundError:
                continue
            except (ValueError, OSError) as error:
                said.append(f"{begun} cannot be opened: {error}")
                continue
            if self._committed(drawing) is not None:
                with contextlib.suppress(OSError):
                    journal.discard()
                continue
            if drawing.cutout_sha256 != sha256:
                said.append(f"{begun} was made on other pixels than the store has now; {_set_aside(journal)}")
                continue
            if journal.damaged_lines:
                said.append(f"{begun} is back, but {journal.damaged_lines} of its strokes could not be read")
            newer = self.store.history(object_id)[-1:]
            if newer and newer[0].revision_id != drawing.parent and not drawing.blind_repeat:
                said.append(
                    f"{begun} is older than the latest revision, by {newer[0].provenance.annotator}; both are kept"
                )
            return journal, drawing
        return None

    def _to_repeat(self) -> str | None:
        """A galaxy that this annotator committed in an earlier session; first those never repeated."""
        mine = [line.provenance for line in self.store.history() if line.provenance.annotator == self.annotator]
        known = {about.object_id for about in mine} - self._served.keys()
        fresh = known - {about.object_id for about in mine if about.blind_repeat}
        candidates = sorted(fresh or known)
        return candidates[self._dice.integers(len(candidates))] if candidates else None

    def _shows_disc(self, object_id: str) -> bool:
        from flaxgal.measure.disc import has_visible_disc

        if object_id not in self._discs:
            try:
                self._discs[object_id] = bool(has_visible_disc(self._ahead.get(object_id).cutout))
            except (ValueError, OSError):
                return True  # opening it will say what is the matter
        return self._discs[object_id]

    def _is_done(self, object_id: str) -> bool:
        """Whether a galaxy was labelled since the queue of unlabelled ones was made."""
        return self.queue.show == "unlabelled" and bool(self.store.history(object_id))

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
        """Have the galaxies that come next loaded."""
        queue, begin = self.queue, self._cursor

        def coming() -> Iterator[str]:
            at: str | None = begin
            while (at := queue.after(at, self._shows_disc)) is not None:
                if not self._is_done(at):
                    yield at

        self._ahead.prepare(lambda: islice(coming(), AHEAD))

    def _flags(self, object_id: str) -> list[Note]:
        return [note for note in self.store.notes(object_id) if note.kind in ("flagged", "unflagged")]

    def _note(self, kind: str, **details: str) -> None:
        about = self._open_drawing
        self.store.note(Note(object_id=about.object_id, annotator=self.annotator, kind=kind, details=details))

    # Inside: the drawing

    @property
    def _open_drawing(self) -> Drawing:
        if self._drawing is None:
            raise ValueError("no galaxy is open; choose one from the queue, or another order")
        return self._drawing

    def _begin(self, drawing: Drawing) -> None:
        self._drawing, self._trouble, self._told = drawing, "", False

    def _after(self, changed: bool, tool: str) -> UInt8[np.ndarray, "y x"]:
        self.touch()
        if changed:
            self._keep(tool)
        return self.mask

    def _keep(self, tool: str) -> None:
        """Have on the disk all that is drawn; what cannot be is tried again the next time."""
        drawing = self._open_drawing
        try:
            if self._journal is not None:
                self._journal.write(drawing, tool)
            elif drawing.tool_counts or drawing.trace:
                self._journal = DrawingJournal.start(self.store.path, drawing, tool)
        except NotJournalled as error:
            self._trouble = str(error)
        else:
            self._trouble, self._told = "", False

    def _flush(self) -> None:
        """Write what is in memory only, or refuse to leave it."""
        drawing = self._drawing
        if drawing is None or (self._journal is None and not drawing.is_changed):
            return
        self._keep("")
        if self._trouble and drawing.is_changed and (self._journal is None or self._journal.lacks(drawing)):
            self._told = True
            raise NotJournalled(
                f"{self._trouble}. Before you leave {drawing.object_id}, commit the drawing or throw it away"
            )

    def _close_journal(self, *, discard: bool = False) -> None:
        """Leave the journal for another day; one that is committed, unwanted or without any marks is removed."""
        journal, self._journal = self._journal, None
        if journal is None:
            return
        if discard or not self.is_changed:
            with contextlib.suppress(OSError):  # a committed drawing is known by its id when it is found again
                journal.discard()
        journal.close()

    def _committed(self, drawing: Drawing) -> Revision | None:
        """The revision that a drawing has become already; None while it holds anything that is not in the store."""
        for line in self.store.history(drawing.object_id):
            if line.provenance.drawing == drawing.drawing:
                revision = self.store.revision(line.revision_id)
                if revision.mask is not None and np.array_equal(revision.mask, drawing.mask) and drawing.trace is None:
                    return revision
        return None

    def _into_the_store(self, revision: Revision) -> Revision:
        try:
            return self.store.commit(revision)
        except OSError as error:
            kept = "in this window's memory only" if self._trouble else "kept, every stroke of it"
            raise OSError(
                f"{revision.object_id}: not saved ({error.strerror or error}); the drawing stays open and is {kept}: "
                f"make room in the store, or make it writable, and commit again"
            ) from error

    def _as_revision(self, drawing: Drawing, verdict: str) -> Revision:
        proposal = drawing.proposal
        return Revision(
            object_id=drawing.object_id,
            annotator=self.annotator,
            origin=drawing.origin,
            cutout_sha256=drawing.cutout_sha256,
            classes=drawing.classes_marked,
            parent=drawing.parent,
            active_seconds=round(drawing.active_seconds, 1),
            tool_counts=dict(drawing.tool_counts),
            model_run=proposal.run if proposal else "",
            model_threshold=proposal.threshold if proposal else None,
            served_by=drawing.served_by,
            blind_repeat=drawing.blind_repeat,
            drawing=drawing.drawing,
            details={"verdict": verdict} if verdict else {},
            mask=drawing.mask.copy(),
        )


_KEPT_ABOUT = ("object_id", "annotator", "cutout_sha256", "classes", "parent", "served_by", "blind_repeat")


def _going_on(drawing: Drawing, revision: Revision) -> Drawing:
    """What is drawn on a galaxy after its drawing was committed."""
    about = {name: getattr(drawing, name) for name in _KEPT_ABOUT}
    about |= {"parent": revision.revision_id, "blind_repeat": False}
    return Drawing(**about, start_mask=drawing.mask.copy(), start_hand=decided_by_hand(revision))


def _set_aside(journal: DrawingJournal) -> str:
    try:
        return f"it is kept as {journal.set_aside()}"
    except OSError:
        journal.close()
        return f"it stays in {journal.path}"
