"""Files appear whole or not at all: a run that dies never leaves half a file under its real name."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

__all__ = ["make_folder", "replaced_when_whole", "sync", "sync_folder", "write_durably"]


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


def sync_folder(path: str | os.PathLike[str]) -> None:
    """Have the names in a folder on the disk itself, where the file system can be asked for that."""
    try:
        sync(path)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.ENOSYS):  # some network disks: no such request
            raise


def make_folder(path: Path) -> None:
    """Make a folder and those above it; a power cut does not lose them.

    A new folder lets in whom the folder around it lets in, whatever the umask: on a disk that several people share,
    each writes into folders that another made.
    """
    if path.is_dir():
        return
    make_folder(path.parent)
    path.mkdir(exist_ok=True)
    _let_in(path, path.parent, 0o777)
    sync_folder(path.parent)


def write_durably(path: Path, content: bytes, *, check: Callable[[Path], object] | None = None) -> None:
    """Write a file that is whole or absent, also after a power cut; who may read the folder may read the file.

    The bytes are read back from the disk and compared before the file gets its name.

    Parameters
    ----------
    check
        Called with the file before it gets its name. When it raises, there will be no file.

    Raises
    ------
    OSError
        If the file cannot be written (no space, no permission …), or the disk gives back other bytes than it was given.
    """
    make_folder(path.parent)
    with replaced_when_whole(path) as temporary:
        temporary.write_bytes(content)
        _let_in(temporary, path.parent, 0o666)
        sync(temporary)
        if _from_the_disk(temporary) != content:
            raise OSError(f"{path}: what was read back differs from what was written; is the disk failing?")
        if check is not None:
            check(temporary)
    sync_folder(path.parent)


def _from_the_disk(path: Path) -> bytes:
    """The content of a file that was synced, not as the system remembers it but as the disk does."""
    with path.open("rb", buffering=0) as file:
        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        return file.read()


def _let_in(path: Path, like: Path, most: int) -> None:
    """Give a file or folder the permissions of the folder it is in, where the file system has any."""
    wanted = stat.S_IMODE(like.stat().st_mode) & (most | stat.S_ISGID if most & 0o111 else most)
    if stat.S_IMODE(path.stat().st_mode) != wanted:
        with contextlib.suppress(OSError):
            path.chmod(wanted)
