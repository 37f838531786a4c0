"""Rows on disk while a long call makes a table, so that a call that is killed loses no galaxy that it had done.

OUT.partial.jsonl beside the table OUT: a first line that says what is being done, then a line a galaxy: its id, where
it was read, stamps of its files, and its row as JSON. It lives until the table is written.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["Line", "RowJournal"]


@dataclass(frozen=True)
class Line:
    """One galaxy of the journal."""

    object_id: str
    source: str
    """Where its image was read, for a sentence."""
    image_stamp: str
    """What changes when the image changes."""
    map_stamp: str
    """What changes when the prediction does that it was measured with; empty without one."""
    row: str
    """Its row of the table, as JSON."""


class RowJournal:
    """The rows done so far towards one table, on disk; in memory there is a number or two for each.

    A last line that was cut short, and anything after a damaged one, is dropped and done again.

    Parameters
    ----------
    path : the table that is to be written; the journal lies beside it, as PATH.partial.jsonl.
    origin : what rows must have in common to stand in one table; as JSON can hold it.
    check : raises a ValueError for a row that is not whole.
    command : what writes such tables, as in `flaxgal measure`.

    Raises
    ------
    ValueError
        If the journal that is there has rows of another origin, or is in use.
    """

    def __init__(self, path: Path, *, origin: Mapping[str, Any], check: Callable[[str], Any], command: str) -> None:
        self._check, self._command = check, command
        self.path = path.with_name(f"{path.name}.partial.jsonl")
        self._earlier: dict[str, int] = {}
        """Where in the file the row of an image stands, by its stamp."""
        self._places: dict[str, int] = {}
        """Where the rows of this call stand, by id, in the order of this call."""
        first = json.dumps(origin).encode() + b"\n"
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._file = self.path.open("ab", buffering=0)
        try:
            self._be_alone()
            self._end = self._read(first)
            self._file.truncate(self._end)
            if not self._end:
                self._append(first)
            self._reader = self.path.open("rb")
        except BaseException:
            self._file.close()
            raise

    def __contains__(self, image_stamp: str) -> bool:
        """Whether an earlier call measured an image."""
        return image_stamp in self._earlier

    def earlier(self, image_stamp: str) -> Line:
        """The line of an image that an earlier call measured."""
        return self._line(self._earlier[image_stamp])

    def keep(self, line: Line) -> None:
        """Take the line of an earlier call into this call's catalogue."""
        self._places[line.object_id] = self._earlier[line.image_stamp]

    def add(self, line: Line) -> None:
        """One more row: it is in the file when this returns."""
        self._places[line.object_id] = self._append(_line_bytes(line))

    def taken(self, object_id: str) -> Line | None:
        """The line of a galaxy that is in this call's catalogue."""
        return self._line(self._places[object_id]) if object_id in self._places else None

    def lines(self) -> Iterator[Line]:
        """The lines of this call, in its order."""
        yield from map(self._line, self._places.values())

    def object_ids(self) -> Iterator[str]:
        """The galaxies of this call, in its order."""
        return iter(self._places)

    def __len__(self) -> int:
        """How many rows this call has."""
        return len(self._places)

    def close(self) -> None:
        """Let go of the file, which stays for the next call."""
        self._file.close()
        self._reader.close()

    def remove(self) -> None:
        """Delete the file: the catalogue is written."""
        self.path.unlink(missing_ok=True)
        self.close()

    def _append(self, content: bytes) -> int:
        """Write at the end of the file, whole; where that begins."""
        place, left = self._end, memoryview(content)
        try:
            while left:
                left = left[self._file.write(left) :]
        except OSError as error:
            with contextlib.suppress(OSError):
                self._file.truncate(place)  # of what a part was written
            raise OSError(
                error.errno,
                f"{self.path}: cannot be written ({error.strerror}); the {len(self)} galaxies in it are kept: make "
                f"room and run the same command again",
            ) from None
        self._end += len(content)
        return place

    def _line(self, place: int) -> Line:
        self._reader.seek(place)
        return _line_in(self._reader.readline())

    def _be_alone(self) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ValueError(
                f"{self.path}: another {self._command} is writing it; wait for it, or give another --out"
            ) from None
        except OSError:
            pass  # some network disks have no locks

    def _read(self, wanted: bytes) -> int:
        """Find the rows up to the first line that is not whole; how many bytes they fill."""
        with self.path.open("rb") as file:
            first = file.readline()
            if not first.endswith(b"\n"):
                return 0  # nothing yet, or a first line that was cut short
            if first != wanted:
                self._refuse(first, wanted, row=file.readline())
                return 0
            size = len(first)
            for content in file:
                try:
                    line = _line_in(content)
                    self._check(line.row)
                except ValueError:
                    break
                self._earlier[line.image_stamp] = size
                size += len(content)
        return size

    def _refuse(self, first: bytes, wanted: bytes, *, row: bytes) -> None:
        """Refuse what is no journal, and one that was begun with another first line unless it has no row yet.

        One line of JSON may be anybody's: it is a journal without rows only if it says what ours say.
        """
        has_rows = row.endswith(b"\n")
        try:
            found, asked = json.loads(first), json.loads(wanted)
            ours = has_rows or found.keys() == asked.keys()
            different = [name for name in asked if found.get(name) != asked[name]] if ours else []
        except (ValueError, AttributeError):
            different = []
        if not different:
            reason = f"is no journal of {self._command}, and would be written over"
        elif has_rows:
            reason = f"holds rows that were {self._in_words(different[0], found, asked)}"
        else:
            return
        raise ValueError(f"{self.path}: {reason}; finish that call, delete the file, or give another --out")

    def _in_words(self, name: str, found: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
        return f"made with {name} {found.get(name)}, now it is {wanted[name]}"


def _line_bytes(line: Line) -> bytes:
    return json.dumps(dataclasses.astuple(line)[:-1]).encode() + b"\t" + line.row.encode() + b"\n"


def _line_in(content: bytes) -> Line:
    head, tab, row = content.decode().partition("\t")
    if not tab or not row.endswith("\n"):
        raise ValueError(f"found no line of a journal in {content[:80]!r}")
    try:
        return Line(*json.loads(head), row=row[:-1])
    except TypeError:
        raise ValueError(f"found no line of a journal in {content[:80]!r}") from None
