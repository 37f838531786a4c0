"""The files in a tar while it comes, from an archive that nobody here controls.

Names in it are never used as paths: whoever reads says by himself where a file goes. Still a tar is refused that holds
what no honest one does: absolute names, `..`, links, devices, a name twice, files or headers larger than expected.
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

from flaxgal.survey.answers import BrokenError, RefusedError

__all__ = ["files_in_tar"]

LARGEST_HEADER = 2**16
"""Bytes of a header that goes on in a block of its own (long names): the reader keeps them in memory."""
HEADERS = (tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME)
PLAIN = (tarfile.REGTYPE, tarfile.AREGTYPE)
BLOCK = 512
NO_TAR = "what came is no tar, or one that was damaged or cut short"


def files_in_tar(stream: Any, *, most_files: int, most_bytes: int) -> Iterator[tuple[str, _File]]:
    """The name (without folders) and the content of each file of a tar, in order; read one before taking the next.

    Parameters
    ----------
    stream
        Anything with read(n); an answer's own faults pass through.
    most_files, most_bytes
        How many files there may be, and how large each.

    Raises
    ------
    RefusedError
        At the first member that has no place in an honest tar.
    BrokenError
        If this is no tar, or it ends before its end mark: its last files may be missing.
    """
    members = type("Member", (_Member,), {"most_bytes": most_bytes, "ended": False})
    names: set[str] = set()
    try:
        with tarfile.open(fileobj=stream, mode="r|", tarinfo=members) as tar:
            for number, member in enumerate(tar, start=1):
                _check(member, names, most_bytes)
                if number > 2 * most_files + 16:  # folders are members, too
                    raise RefusedError(f"the tar holds more than {number - 1} members; wanted {most_files} files")
                content = tar.extractfile(member) if member.isreg() else None
                if content is not None:
                    yield PurePosixPath(member.name).name, _File(content)
    except tarfile.TarError:
        raise BrokenError(NO_TAR) from None
    if not members.ended:  # pyright: ignore[reportAttributeAccessIssue]
        raise BrokenError("the tar was cut short")


class _File:
    """The content of a member; a tar that ends in it raises what a tar that ends between two does."""

    def __init__(self, content: Any) -> None:
        self._content = content

    def read(self, number: int = -1) -> bytes:
        try:
            return self._content.read(number)
        except tarfile.TarError:
            raise BrokenError(NO_TAR) from None


class _Member(tarfile.TarInfo):
    """A member whose header is judged before anything of the member is read."""

    most_bytes = 0
    ended = False

    @classmethod
    def frombuf(cls, buf: bytes, encoding: Any, errors: str) -> _Member:
        if buf == bytes(BLOCK):
            cls.ended = True  # tarfile itself takes a tar for ended wherever its bytes end
        member = super().frombuf(buf, encoding, errors)
        if member.type in HEADERS:
            if member.size > LARGEST_HEADER:
                raise RefusedError(f"the tar has a header of {member.size} bytes; wanted at most {LARGEST_HEADER}")
        elif member.type not in (*PLAIN, tarfile.DIRTYPE):
            raise RefusedError("the tar holds a link, a device or something else that is no file; wanted files alone")
        elif member.size > cls.most_bytes:
            raise RefusedError(f"the tar holds a file of {member.size} bytes; wanted at most {cls.most_bytes}")
        return member


def _check(member: tarfile.TarInfo, names: set[str], most_bytes: int) -> None:
    """Judge a member whose long name and size may have come in a header of their own."""
    path = PurePosixPath(member.name)
    if path.is_absolute() or ".." in path.parts or not member.name.isprintable() or "\\" in member.name:
        raise RefusedError("the tar holds a file whose name leads out of its folder; wanted plain names")
    if member.size < 0 or member.size > most_bytes or member.issparse():
        raise RefusedError(f"the tar holds a file of {member.size} bytes; wanted at most {most_bytes}")
    if str(path) in names and member.isreg():
        raise RefusedError("the tar holds one name twice; wanted each file once")
    names.add(str(path))
