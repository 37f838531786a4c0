"""Every stroke on the disk at once: a drawing survives a crash, a kill and a full disk but for its last stroke.

    STORE/open/<annotator>/<galaxy>.<drawing id>.journal

A line a stroke (`journal_lines`), written and synced before the next stroke begins. A line that is torn or damaged is
passed over. The file is locked while somebody draws and is removed when the drawing is a revision in the store: what
lies here is work in progress.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import fcntl
import hashlib
import os
import re
import uuid
from dataclasses import dataclass
from pathlib import Path

from flaxgal.labels.drawing import Drawing
from flaxgal.labels.files import quoted
from flaxgal.labels.journal_lines import Written, as_line, begun, difference, header, replayed, understood
from flaxgal.survey.atomic import sync

__all__ = ["DrawingJournal", "NotJournalled", "OpenDrawing", "annotator_folder", "open_drawings"]

_ENDING = ".journal"
_SET_ASIDE = "aside"
_fdatasync = getattr(os, "fdatasync", os.fsync)  # macOS has no fdatasync


class NotJournalled(OSError):  # noqa: N818 - what happened, in a word that people can read
    """A stroke is not on the disk: it is in memory only, until a later stroke can be written again."""

    def __str__(self) -> str:
        return self.strerror or super().__str__()  # the sentence without its number


@dataclass(frozen=True, kw_only=True)
class OpenDrawing:
    """A journal by its first line: a drawing that somebody began and did not commit."""

    path: Path
    object_id: str
    annotator: str
    drawing: str
    started_utc: str
    cutout_sha256: str
    parent: str


class DrawingJournal:
    """The owner of one drawing's file. `start` a new one, or `resume` one that was left behind.

    Attributes
    ----------
    path : the file.
    damaged_lines : how many lines of a resumed journal could not be read; their strokes are lost.
    """

    def __init__(self, path: Path, descriptor: int, *, end: int, drawing: Drawing, damaged_lines: int = 0) -> None:
        self.path = path
        self.damaged_lines = damaged_lines
        self._descriptor: int | None = descriptor
        self._end = end
        self._written = Written(drawing)

    @classmethod
    def start(cls, store: Path, drawing: Drawing, tool: str = "") -> DrawingJournal:
        """A journal for a drawing, in a store's folder, with all that is drawn so far.

        Raises
        ------
        NotJournalled
            If it cannot be written: the disk is full, the folder read-only. Nothing is left behind.
        """
        folder = annotator_folder(store, drawing.annotator)
        path = folder / f"{_readable(drawing.object_id)}.{drawing.drawing}{_ENDING}"
        temporary = folder / f".starting-{uuid.uuid4().hex}{_ENDING}"  # so that nobody sees it before it is locked
        descriptor = None
        try:
            _make_folder(folder)
            descriptor = os.open(temporary, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_EXCL, 0o666)
            _lock(descriptor, path)
            journal = cls(path, descriptor, end=0, drawing=drawing)
            entry = difference(drawing, Written(begun(drawing)), tool)
            journal._append(as_line(header(drawing)) + (b"" if entry is None else as_line(entry)))
            temporary.replace(path)
            sync(folder)
        except OSError as error:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
            if descriptor is not None:
                os.close(descriptor)
            raise _not_journalled(drawing.object_id, error) from error
        return journal

    @classmethod
    def resume(cls, path: Path) -> tuple[DrawingJournal, Drawing]:
        """A journal that was left behind, locked for going on, and the drawing in it.

        Raises
        ------
        BlockingIOError
            If another window draws in it at this moment.
        FileNotFoundError
            If it was committed or discarded meanwhile.
        ValueError
            If its first line is damaged, or of a newer flaxgal.
        """
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_APPEND)
        except OSError as error:
            if error.errno not in (errno.EROFS, errno.EACCES, errno.EPERM):
                raise
            descriptor = os.open(path, os.O_RDONLY)  # to look at; writing to it will say what is the matter
        try:
            _lock(descriptor, path)
            if not os.fstat(descriptor).st_nlink:
                raise FileNotFoundError(errno.ENOENT, "no longer there", str(path))
            drawing, end, damaged = replayed(_content(descriptor), path)
        except BaseException:
            os.close(descriptor)
            raise
        return cls(path, descriptor, end=end, drawing=drawing, damaged_lines=damaged), drawing

    def write(self, drawing: Drawing, tool: str = "") -> bool:
        """Add all that differs from what the file holds; it is on the disk when this returns. False if nothing does.

        Raises
        ------
        NotJournalled
            If it cannot be written. The file then ends with its last whole line, and the next call writes all that
            is missing.
        """
        entry = difference(drawing, self._written, tool)
        if entry is None:
            return False
        try:
            self._append(as_line(entry))
        except OSError as error:
            raise _not_journalled(drawing.object_id, error) from error
        self._written = Written(drawing)
        return True

    def lacks(self, drawing: Drawing) -> bool:
        """Whether anything that was drawn, proposed or traced is not in the file."""
        entry = difference(drawing, self._written, "")
        return entry is not None and bool(entry.keys() & {"pixels", "proposal", "trace"})

    def close(self) -> None:
        """Leave the file for another day and unlock it."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def discard(self) -> None:
        """Remove the file: its drawing is committed, or not wanted. An error leaves it in place, unlocked."""
        try:
            self.path.unlink(missing_ok=True)
            sync(self.path.parent)
        finally:
            self.close()

    def set_aside(self) -> Path:
        """Move the file where no drawing is looked for, and close it; its new place is returned."""
        try:
            return set_aside(self.path)
        finally:
            self.close()

    def _append(self, line: bytes) -> None:
        """Write one line at the end of what is whole, or nothing."""
        if self._descriptor is None:
            raise OSError(errno.EBADF, "the journal is closed", str(self.path))
        self._writable()
        if os.fstat(self._descriptor).st_size != self._end:  # a torn line of a process that died, or of a full disk
            os.ftruncate(self._descriptor, self._end)
        try:
            rest = line
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
            _fdatasync(self._descriptor)
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(self._descriptor, self._end)
            raise
        self._end += len(line)

    def _writable(self) -> None:
        """Open the file for writing if that was not possible when it was resumed."""
        if self._descriptor is None or fcntl.fcntl(self._descriptor, fcntl.F_GETFL) & os.O_ACCMODE != os.O_RDONLY:
            return
        descriptor = os.open(self.path, os.O_RDWR | os.O_APPEND)
        os.close(self._descriptor)
        self._descriptor = descriptor
        _lock(descriptor, self.path)


def annotator_folder(store: Path, annotator: str) -> Path:
    """Where an annotator's open drawings lie, and where he stopped."""
    return store / "open" / _readable(annotator)


def open_drawings(store: Path, annotator: str, object_id: str | None = None) -> list[OpenDrawing]:
    """The drawings that an annotator began and did not commit, of one galaxy or of all, the youngest stroke first.

    Journals without a readable first line are left out; nothing is locked or changed.
    """
    folder = annotator_folder(store, annotator)
    pattern = "*" if object_id is None else f"{_glob_free(_readable(object_id))}.*"
    found = []
    for path in folder.glob(f"{pattern}{_ENDING}"):
        if path.name.startswith("."):
            continue
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            with path.open("rb") as file:
                said = understood(file.readline()) or {}
            about = OpenDrawing(
                path=path, **{item.name: said[item.name] for item in dataclasses.fields(OpenDrawing)[1:]}
            )
            if about.annotator == annotator and object_id in (None, about.object_id):
                found.append((path.stat().st_mtime_ns, about))
    return [about for _, about in sorted(found, key=lambda item: (-item[0], item[1].drawing))]


def set_aside(path: Path) -> Path:
    """Move a journal that cannot be gone on with into the folder `aside` beside it; its new place is returned."""
    folder = path.parent / _SET_ASIDE
    folder.mkdir(exist_ok=True)
    kept = folder / path.name
    path.rename(kept)
    sync(folder)
    sync(path.parent)
    return kept


def _make_folder(folder: Path) -> None:
    """Make a folder, its name being on the disk when this returns."""
    missing = [place for place in (folder, *folder.parents) if not place.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for place in missing:
        sync(place.parent)


def _readable(name: str) -> str:
    """An id or a name of a person as part of a file name; a long one is cut and closed with its hash."""
    readable = quoted(name)
    return readable if len(readable) <= 80 else f"{readable[:60]}-{hashlib.sha256(name.encode()).hexdigest()[:16]}"


def _glob_free(name: str) -> str:
    return re.sub(r"([\[\]*?])", r"[\1]", name)


def _lock(descriptor: int, path: Path) -> None:
    """Keep other windows out of a journal, where the file system can do that."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise BlockingIOError(errno.EWOULDBLOCK, "another window draws in this journal", str(path)) from None
    except OSError as error:
        if error.errno not in (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL):
            raise


def _not_journalled(object_id: str, error: OSError) -> NotJournalled:
    reason = error.strerror or str(error)
    return NotJournalled(
        error.errno,
        f"{object_id}: what you draw cannot be kept on the disk ({reason}); it is in this window's memory only: "
        f"make room in the store, or make it writable, and draw on",
    )


def _content(descriptor: int) -> bytes:
    parts = []
    os.lseek(descriptor, 0, os.SEEK_SET)
    while part := os.read(descriptor, 1 << 24):
        parts.append(part)
    return b"".join(parts)
