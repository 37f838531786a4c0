"""The index of a label store: what was read from each kept file, so that opening a store opens no other file.

It is derived and may be deleted, torn or stale at any time: the names of the files in the folders are the truth. A line
is a checksum and a JSON list of the file's name and what it says. The checksum is of the line and of the names of its
fields: a line that was torn by a power cut, that two machines wrote over each other (a network disk does not append
in one piece), or that another version of flaxgal wrote with other fields is passed over, and its file opened again.
"""

import contextlib
import gc
import json
import os
import time
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flaxgal.labels.files import is_kept, is_shard
from flaxgal.survey.atomic import make_folder, replaced_when_whole

__all__ = ["Index", "Listing", "without_garbage_collection"]

SETTLED_SECONDS = 2.5
"""File systems tell the time of a change to 2 s (FAT) or better: a folder looked at sooner is looked at again."""


class Index:
    """Lines about the files of one kind, in one file that every process appends to."""

    def __init__(self, path: Path, fields: Sequence[str]) -> None:
        """The index in the file `path`, which need not exist; `fields` are what a line holds after the file's name."""
        self.path = path
        self._seed = zlib.crc32(",".join(fields).encode())
        self._read_to, self._file = 0, (0, 0)
        self._lines: dict[str, list[Any]] = {}

    def catch_up(self) -> None:
        """Read the lines: all of them at first, later only those that were appended since."""
        try:
            with self.path.open("rb") as file:
                about = os.fstat(file.fileno())
                if (about.st_dev, about.st_ino) != self._file or about.st_size < self._read_to:
                    self._read_to, self._file = 0, (about.st_dev, about.st_ino)
                file.seek(self._read_to)
                content = file.read()
        except OSError:
            return
        whole = content[: content.rfind(b"\n") + 1]
        self._read_to += len(whole)
        seed, checksum = self._seed, zlib.crc32
        lines = whole.split(b"\n")
        texts = [text for line in lines if (text := line[9:]) and line[:8] == b"%08x" % checksum(text, seed)]
        self._lines |= {line[0]: line for line in json.loads(b"[" + b",".join(texts) + b"]")}

    def pop(self, name: str) -> list[Any] | None:
        """What the index says of a file, once; None if it does not know it."""
        line = self._lines.pop(name, None)
        if line is not None:
            del line[0]
        return line

    def names(self) -> list[str]:
        """Files that lines were read of and not asked for."""
        return sorted(self._lines)

    def append(self, lines: Mapping[str, Sequence[Any]]) -> None:
        """Remember what files say. A store that cannot be written to is still read, only more slowly."""
        if not lines:
            return
        # It begins with an end of line: whatever torn line is there before, it does not swallow this one.
        content = b"\n" + b"".join(self._line(name, values) for name, values in lines.items())
        with contextlib.suppress(OSError):
            make_folder(self.path.parent)
            new = not self.path.exists()
            descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
            try:
                os.write(descriptor, content)  # one write: two processes of one machine do not mix their lines
                if new:
                    os.fchmod(descriptor, self.path.parent.stat().st_mode & 0o666)
            finally:
                os.close(descriptor)

    def replace(self, lines: Mapping[str, Sequence[Any]]) -> None:
        """Write the whole file anew. Lines that others append meanwhile are lost, and derived again when missed."""
        with replaced_when_whole(self.path) as temporary:
            temporary.write_bytes(b"".join(self._line(name, values) for name, values in lines.items()))
            temporary.chmod(self.path.parent.stat().st_mode & 0o666)

    def _line(self, name: str, values: Sequence[Any]) -> bytes:
        text = json.dumps([name, *values], separators=(",", ":")).encode()
        return b"%08x %s\n" % (zlib.crc32(text, self._seed), text)


@dataclass
class _Folder:
    """What a folder held when it was looked at last."""

    changed_ns: int
    """When it changed last, by the file system's clock."""
    since: float
    """When that time was first seen, by ours."""
    looked: float
    names: frozenset[str]

    @property
    def is_settled(self) -> bool:
        """Whether it was looked at when any later change would have changed its time."""
        return self.looked - self.since > SETTLED_SECONDS


class Listing:
    """The names of a store's files of one kind. Looking again costs one question a folder where nothing changed."""

    def __init__(self, store: Path, kind: str) -> None:
        self._path, self._kind = store / kind, kind
        self._folders: dict[str, _Folder] = {}

    def look(self, shard: str | None = None) -> tuple[set[str], set[str]]:
        """Names that are new and names that are gone since the last look, relative to the store.

        Parameters
        ----------
        shard
            Look into this folder only.
        """
        shards = set(self._shards()) | self._folders.keys() if shard is None else {shard}
        added: set[str] = set()
        gone: set[str] = set()
        for folder in shards:
            before, after = self._look_into(folder)
            if before is not after:
                added.update(f"{self._kind}/{folder}/{name}" for name in after - before)
                gone.update(f"{self._kind}/{folder}/{name}" for name in before - after)
        return added, gone

    def add(self, name: str) -> None:
        """Know a name, relative to the store, that was written just now: it is not new at the next look."""
        shard, _, file = name.removeprefix(f"{self._kind}/").rpartition("/")
        known = self._folders.get(shard) or _Folder(-1, 0.0, 0.0, frozenset())
        self._folders[shard] = _Folder(-1, known.since, known.looked, known.names | {file})

    def _shards(self) -> list[str]:
        try:
            return [name for name in os.listdir(self._path) if is_shard(name)]  # noqa: PTH208
        except (FileNotFoundError, NotADirectoryError):
            return []

    def _look_into(self, shard: str) -> tuple[frozenset[str], frozenset[str]]:
        """Names in a folder as they were at the last look, and now; the same object when nothing can have changed."""
        known = self._folders.get(shard)
        before = known.names if known else frozenset()
        path = f"{self._path}/{shard}"
        now = time.monotonic()
        try:
            changed = os.stat(path).st_mtime_ns  # noqa: PTH116 (a Path each takes longer than asking)
            if known and known.changed_ns == changed and known.is_settled:
                return before, before
            names = os.listdir(path)  # noqa: PTH208
            after = frozenset(name for name in names if is_kept(name, self._kind))
        except (FileNotFoundError, NotADirectoryError):
            self._folders.pop(shard, None)
            return before, frozenset()
        since = known.since if known and known.changed_ns == changed else now
        self._folders[shard] = _Folder(changed, since, now, before if after == before else after)
        return before, self._folders[shard].names


@contextlib.contextmanager
def without_garbage_collection() -> Iterator[None]:
    """Make many records without Python looking through all of them for cycles again and again: three times faster."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        # All of it counts as old now: else the next three collections would look through it.
        gc.freeze()
        gc.unfreeze()
        if was_on:
            gc.enable()
