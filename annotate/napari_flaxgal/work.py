"""The drawing on the open galaxy with its journal: how it begins, how it comes back, how it becomes a revision."""

from __future__ import annotations

import contextlib

import numpy as np

from flaxgal.labels.drawing import Drawing, decided_by_hand, mask_of
from flaxgal.labels.journal import DrawingJournal, NotJournalled, open_drawings
from flaxgal.labels.revisions import Revision
from flaxgal.labels.store import Store
from napari_flaxgal.walk import Served

__all__ = ["Work", "as_revision", "committed", "fresh_drawing", "going_on", "recovered_work"]


class Work:
    """The owner of an open drawing and of its journal, which begins with the first stroke.

    Attributes
    ----------
    trouble : why strokes are in memory only, as a sentence; empty while all are on the disk.
    """

    def __init__(self, store: Store, drawing: Drawing, journal: DrawingJournal | None = None) -> None:
        self.drawing, self.trouble = drawing, ""
        self._store, self._journal, self._told = store, journal, False

    def keep(self, tool: str = "") -> None:
        """Have on the disk all that is drawn; what cannot be written is tried again the next time."""
        try:
            if self._journal is not None:
                self._journal.write(self.drawing, tool)
            elif self.drawing.tool_counts or self.drawing.trace:
                self._journal = DrawingJournal.start(self._store.path, self.drawing, tool)
        except NotJournalled as error:
            self.trouble = str(error)
        else:
            self.trouble, self._told = "", False

    def tell(self) -> None:
        """Raise NotJournalled when something is in memory only, once until all is on the disk again."""
        if self.trouble and not self._told:
            self._told = True
            raise NotJournalled(self.trouble)

    def flush(self) -> None:
        """Write what is in memory only before the galaxy is left. NotJournalled if that is not possible."""
        if self._journal is None and not self.drawing.is_changed:
            return
        self.keep()
        if self.trouble and self.drawing.is_changed and (self._journal is None or self._journal.lacks(self.drawing)):
            self._told = True
            raise NotJournalled(
                f"{self.trouble}. Before you leave {self.drawing.object_id}, commit the drawing or throw it away"
            )

    def leave(self) -> None:
        """Close the journal for another day, or remove it if there is nothing in it that is not in its parent."""
        if not self.drawing.is_changed:
            self.end()
        elif self._journal is not None:
            self._journal.close()
            self._journal = None

    def end(self) -> None:
        """Remove the journal: the drawing is committed, or unwanted."""
        journal, self._journal = self._journal, None
        if journal is not None:
            with contextlib.suppress(OSError):  # a committed drawing is known by its id when it is found again
                journal.discard()


def fresh_drawing(
    store: Store, served: Served, *, annotator: str, classes: tuple[str, ...]
) -> tuple[Drawing, list[str]]:
    """A new drawing on a galaxy's latest revision that can be read, else on nothing; and what was not readable."""
    sentences: list[str] = []
    latest = None if served.blind else _latest(store, served.object_id, sentences)
    shape = served.loaded.cutout.image_shape
    drawing = Drawing(
        object_id=served.object_id,
        annotator=annotator,
        cutout_sha256=served.loaded.sha256,
        classes=classes,
        parent=latest.revision_id if latest else "",
        served_by=served.by,
        blind_repeat=served.blind,
        start_mask=mask_of(latest) if latest else np.zeros(shape, np.uint8),
        start_hand=decided_by_hand(latest) if latest else np.zeros(shape, bool),
    )
    return drawing, sentences


def recovered_work(store: Store, annotator: str, served: Served) -> tuple[Work | None, list[str]]:
    """The drawing that an annotator left open on a galaxy, if it fits its pixels; and what he should be told."""
    sentences: list[str] = []
    for about in open_drawings(store.path, annotator, served.object_id):
        begun = f"{about.object_id}: a drawing of yours, begun {about.started_utc[:16].replace('T', ' ')} UTC,"
        try:
            journal, drawing = DrawingJournal.resume(about.path)
        except BlockingIOError:
            sentences.append(f"{begun} is open in another window; what you draw here is another drawing")
            continue
        except FileNotFoundError:
            continue
        except (ValueError, OSError) as error:
            sentences.append(f"{begun} cannot be opened: {error}")
            continue
        if committed(store, drawing) is not None:
            with contextlib.suppress(OSError):
                journal.discard()
        elif drawing.cutout_sha256 != served.loaded.sha256:
            sentences.append(f"{begun} was made on other pixels than the store has now; {_set_aside(journal)}")
        else:
            if journal.damaged_lines:
                sentences.append(f"{begun} is back, but {journal.damaged_lines} of its strokes could not be read")
            newest = store.history(about.object_id)[-1:]
            if newest and newest[0].revision_id != drawing.parent and not drawing.blind_repeat:
                sentences.append(
                    f"{begun} is older than the latest revision, by {newest[0].provenance.annotator}; both are kept"
                )
            return Work(store, drawing, journal), sentences
    return None, sentences


def committed(store: Store, drawing: Drawing) -> Revision | None:
    """The revision that a drawing has become already; None while it holds anything that is not in the store."""
    for line in store.history(drawing.object_id):
        if line.provenance.drawing == drawing.drawing and drawing.trace is None:
            try:
                revision = store.revision(line.revision_id)
            except ValueError:  # its file is damaged: what is in the journal is all there is
                continue
            if revision.mask is not None and np.array_equal(revision.mask, drawing.mask):
                return revision
    return None


def as_revision(drawing: Drawing, *, verdict: str) -> Revision:
    """A drawing as its annotator leaves it."""
    proposal = drawing.proposal
    return Revision(
        object_id=drawing.object_id,
        annotator=drawing.annotator,
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


def going_on(drawing: Drawing, revision: Revision) -> Drawing:
    """What is drawn on a galaxy after its drawing was committed."""
    return Drawing(
        object_id=drawing.object_id,
        annotator=drawing.annotator,
        cutout_sha256=drawing.cutout_sha256,
        classes=drawing.classes,
        parent=revision.revision_id,
        served_by=drawing.served_by,
        start_mask=drawing.mask.copy(),
        start_hand=decided_by_hand(revision),
    )


def _latest(store: Store, object_id: str, sentences: list[str]) -> Revision | None:
    for line in reversed(store.history(object_id)):
        try:
            return store.revision(line.revision_id)
        except ValueError as error:
            sentences.append(str(error))
    return None


def _set_aside(journal: DrawingJournal) -> str:
    try:
        return f"it is kept as {journal.set_aside()}"
    except OSError:
        return f"it stays in {journal.path}"
