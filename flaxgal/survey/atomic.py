"""Files appear whole or not at all: a run that dies never leaves half a file under its real name."""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Iterator
from pathlib import Path

__all__ = ["replaced_when_whole", "sync", "write_durably"]


@contextlib.contextmanager
def replaced_when_whole(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A name beside `path` to write to; it takes the place of `path` when the block ends without an error.

    The temporary name keeps the ending of `path`, as writers choose the format by it, and starts with a dot, so that
    nobody who lists the folder takes it for a result. Folders on the way are made.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    ending = "".join(path.suffixes[-1:])
    temporary = path.parent / f".writing-{uuid.uuid4().hex}{ending}"
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def sync(path: str | os.PathLike[str]) -> None:
    """Have a file, or the names in a folder, on the disk itself: a power cut does not lose them."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_durably(path: Path, content: bytes) -> None:
    """Write a file that is whole or absent, also after a power cut."""
    with replaced_when_whole(path) as temporary:
        temporary.write_bytes(content)
        sync(temporary)
    sync(path.parent)
