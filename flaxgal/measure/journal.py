"""Rows on disk while a long call measures, so that a call that is killed loses no galaxy it had measured.

OUT.partial.jsonl beside the catalogue OUT: a first line that says what is being measured, then a line a galaxy: its id,
where it was read, stamps of its image and of its map, and its row as JSON. It lives until the catalogue is written.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import json
import math
import os
import typing
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import IntFlag
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from flaxgal.measure.record import Measurement

__all__ = ["Line", "MeasureJournal", "from_json", "to_json"]

CLAIM = "predictions.json"
"""What `flaxgal predict` writes beside its maps: which run, with which choices, made them."""


@dataclass(frozen=True)
class Line:
    """One galaxy of the journal."""

    object_id: str
    source: str
    """Where its image was read, for a sentence."""
    image_stamp: str
    """What changes when the image changes."""
    map_stamp: str
    """What changes when the prediction changes."""
    row: str
    """Its `Measurement`, as `to_json` writes it."""


class MeasureJournal:
    """The rows measured so far towards one catalogue, on disk; in memory there is a number or two for each.

    A last line that was cut short, and anything after a damaged one, is dropped and measured again.

    Parameters
    ----------
    path : the catalogue that is to be written; the journal lies beside it, as PATH.partial.jsonl.
    masks : the folder of predictions.

    Raises
    ------
    ValueError
        If the journal that is there was begun with other masks, predictions or another flaxgal, or is in use.
    """

    def __init__(self, path: Path, *, masks: Path) -> None:
        self.path = path.with_name(f"{path.name}.partial.jsonl")
        self._earlier: dict[str, int] = {}
        """Where in the file the row of an image stands, by its stamp."""
        self._places: dict[str, int] = {}
        """Where the rows of this call stand, by id, in the order of this call."""
        origin = json.dumps(_origin(masks)).encode() + b"\n"
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._file = self.path.open("ab", buffering=0)
        try:
            self._be_alone()
            self._end = self._read(origin)
            self._file.truncate(self._end)
            if not self._end:
                self._append(origin)
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

    def rows(self) -> Iterator[Measurement]:
        """The rows of this call, in its order."""
        for place in self._places.values():
            yield from_json(self._line(place).row)

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
                f"{self.path}: another flaxgal measure is writing it; wait for it, or give another --out"
            ) from None
        except OSError:
            pass  # some network disks have no locks

    def _read(self, origin: bytes) -> int:
        """Find the rows up to the first line that is not whole; how many bytes they fill."""
        with self.path.open("rb") as file:
            first = file.readline()
            if not first.endswith(b"\n"):
                return 0  # nothing yet, or a first line that was cut short
            if first != origin:
                raise ValueError(
                    f"{self.path}: {_difference(first, origin)}; finish that call, delete the file, or give another "
                    f"--out"
                )
            size = len(first)
            for content in file:
                try:
                    line = _line_in(content)
                    from_json(line.row)
                except ValueError:
                    break
                self._earlier[line.image_stamp] = size
                size += len(content)
        return size


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


def _origin(masks: Path) -> dict[str, Any]:
    """What rows must have in common to stand in one catalogue."""
    from flaxgal import __version__

    claim = masks / CLAIM
    return {
        "software": f"flaxgal {__version__}",
        "fields": sorted(_fields_of(Measurement)),
        "masks": os.fspath(masks.resolve()),
        "predictions": claim.read_text(encoding="utf-8") if claim.exists() else None,
    }


def _difference(first: bytes, origin: bytes) -> str:
    """In what the first line of a journal differs from what is wanted, in words."""
    wanted = json.loads(origin)
    try:
        found = json.loads(first)
        different = [name for name in wanted if found.get(name) != wanted[name]]
    except (ValueError, AttributeError):
        return "is no journal of flaxgal measure, and would be written over"
    if "predictions" in different or "fields" in different:
        what = "other predictions" if "predictions" in different else "another version of flaxgal"
        return f"holds rows that were measured with {what}"
    name = different[0]
    return f"holds rows that were measured with {found.get(name)}, now it is {wanted[name]}"


def to_json(measurement: Measurement) -> str:
    """One line of JSON that holds every digit; a number that is missing is the word NaN, or left out if it may be."""
    return json.dumps(_plain(measurement))


def _plain(value: Any) -> Any:
    """Records as dictionaries, without the numbers that are missing by default."""
    if dataclasses.is_dataclass(value):
        return {
            name: _plain(part)
            for name in _defaults(type(value))
            if not _left_out(type(value), name, part := getattr(value, name))
        }
    if isinstance(value, dict):
        return {name: _plain(part) for name, part in value.items()}
    if isinstance(value, tuple):
        return [_plain(part) for part in value]
    return value


def _left_out(kind: type, name: str, value: Any) -> bool:
    return isinstance(value, float) and math.isnan(value) and _defaults(kind)[name]


@lru_cache
def _defaults(kind: type) -> dict[str, bool]:
    """The fields of a record, and whether each is NaN unless something else is said."""
    return {
        known.name: isinstance(known.default, float) and math.isnan(known.default) for known in dataclasses.fields(kind)
    }


def from_json(line: str) -> Measurement:
    """The very row that `to_json` wrote.

    Raises
    ------
    ValueError
        If the line is not whole.
    """
    said = json.loads(line)
    try:
        return _decoder(Measurement)(said)
    except (TypeError, KeyError, AttributeError) as error:
        raise ValueError(
            f"found no row of a catalogue in {line[:80]!r} ({error}); expected what to_json writes"
        ) from None


@lru_cache
def _decoder(kind: Any) -> Callable[[Any], Any]:
    """What makes a value of a type from what JSON has of it."""
    if dataclasses.is_dataclass(kind):
        parts = {name: _decoder(hint) for name, hint in typing.get_type_hints(kind).items()}
        return partial(_record, kind, parts)
    origin, inside = typing.get_origin(kind), typing.get_args(kind)
    if origin is dict:
        of = _decoder(inside[1])
        return lambda values: {name: of(value) for name, value in values.items()}
    if origin is tuple:
        of = _decoder(inside[0])
        return lambda values: tuple(map(of, values))
    if isinstance(kind, type) and issubclass(kind, IntFlag):
        return kind
    return _same


def _record(kind: Any, parts: dict[str, Callable[[Any], Any]], said: dict[str, Any]) -> Any:
    return kind(**{name: parts[name](value) for name, value in said.items()})


def _same(value: Any) -> Any:
    return value


def _fields_of(kind: Any) -> Iterator[str]:
    """The names of a record's fields and of those of the records in it: what a journal's rows are made of."""
    for name, hint in typing.get_type_hints(kind).items():
        yield f"{kind.__name__}.{name}"
        for part in (hint, *typing.get_args(hint)):
            if dataclasses.is_dataclass(part):
                yield from _fields_of(part)
