"""Many files from an archive into folders: a few at a time, each whole or not at all, and none twice.

    for event in download(downloads, politeness=Politeness(connections=4), login=find_login(host, "FLAXGAL_HSC")):
        match event:
            case Failed(download=download, reason=reason): print(download.name, reason)

A file gets its name only when it is complete, was accepted and is on the disk; so what is there under its name is not
asked for again, and a call that was killed goes on where it was.
"""

from __future__ import annotations

import contextlib
import os
import queue
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol, TypeVar, runtime_checkable

from flaxgal.survey.answers import CHUNK, BrokenError, Politeness, RefusedError, StoppedError
from flaxgal.survey.atomic import replaced_when_whole, sync, sync_folder
from flaxgal.survey.http import Ask, Client
from flaxgal.survey.login import Login

__all__ = [
    "Download",
    "Event",
    "Failed",
    "Fetched",
    "Kept",
    "Standing",
    "anything",
    "counted",
    "download",
    "fetch",
    "in_parallel",
    "is_there",
    "named",
    "write_accepted",
]

LEFT_BEHIND_SECONDS = 24 * 3600
"""A half-written file that is older belongs to a process that was killed."""

Item = TypeVar("Item")
Made = TypeVar("Made")


@runtime_checkable
class Readable(Protocol):
    """An open file, or an answer."""

    def read(self, number: int, /) -> bytes: ...


def anything(path: Path) -> None:
    """Accept every file that has content."""
    if path.stat().st_size == 0:
        raise ValueError(f"{path}: an empty file")


@dataclass(frozen=True, kw_only=True)
class Download:
    """A file that is wanted: where it comes from, and the name it is to have here."""

    url: str
    path: Path
    accept: Callable[[Path], object] = anything
    """Raises ValueError when the file is not what was wanted. Also asked of a file that is there already: one that is
    not accepted is fetched again, and the old one is replaced when the new one is whole."""
    params: Mapping[str, str] = field(default_factory=dict)
    """The part of the address after the question mark."""
    files: Mapping[str, bytes] = field(default_factory=dict)
    """Sent along as a form (multipart), by name."""
    most_bytes: int = 2**32
    """A longer answer is refused."""
    label: str = ""
    """What sentences call it; its name here when left out."""

    @property
    def name(self) -> str:
        """What sentences call it."""
        return self.label or self.path.name


@dataclass(frozen=True, kw_only=True)
class Standing:
    """How far a download is."""

    fetched: int = 0
    kept: int = 0
    failed: int = 0
    total: int | None = None
    """None while nobody knows how many there are."""
    size_bytes: int = 0
    """Bytes that came."""
    seconds: float = 0.0
    """Since the first question, as near as can be told: files that were there before anything came do not count."""

    @property
    def done(self) -> int:
        """Files that need nothing more in this call."""
        return self.fetched + self.kept + self.failed

    @property
    def per_second(self) -> float:
        """Files that were asked for and came, or failed, in a second; those that were there do not count."""
        return (self.fetched + self.failed) / self.seconds if self.seconds > 0 else 0.0

    @property
    def bytes_per_second(self) -> float:
        """How fast the bytes came."""
        return self.size_bytes / self.seconds if self.seconds > 0 else 0.0

    @property
    def seconds_left(self) -> float | None:
        """At the speed so far, if all that is left must be asked for; None while it cannot be told."""
        if self.total is None or not self.per_second:
            return None
        return (self.total - self.done) / self.per_second


@dataclass(frozen=True, kw_only=True)
class Fetched:
    """The file came, was accepted and is on the disk."""

    download: Any
    size_bytes: int
    standing: Standing


@dataclass(frozen=True, kw_only=True)
class Kept:
    """The file was there already; nothing was asked."""

    download: Any
    standing: Standing


@dataclass(frozen=True, kw_only=True)
class Failed:
    """The file did not come, or was not accepted; there is none of its name, unless an older one."""

    download: Any
    reason: str
    """One sentence."""
    standing: Standing


Event = Fetched | Kept | Failed


def download(
    downloads: Iterable[Download],
    *,
    politeness: Politeness | None = None,
    login: Login | None = None,
    total: int | None = None,
) -> Iterator[Event]:
    """Fetch files, a few at a time; an event for each as soon as it is there, kept or given up.

    `downloads` may be endless or made on the way: only a few are taken at a time. An iterator that is left early ends
    everything that is under way.

    Parameters
    ----------
    login
        Sent to its own host only.
    total
        How many there are, for the time left; taken from `downloads` if that has a length.

    Raises
    ------
    LoginError
        At once, when the archive refuses the login or wants one.
    StoppedError
        When so many files failed in a row that the archive must be down. What came is kept.
    OSError
        If a file cannot be written here.
    """
    with Client(politeness, login) as client:
        made = in_parallel(lambda one: fetch(client, one), downloads, threads=client.politeness.connections)
        yield from counted(made, politeness=client.politeness, total=_length(downloads) if total is None else total)


def fetch(client: Client, download: Download) -> int | None:
    """Fetch one file unless it is there; the number of bytes that came, or None if it was there and was accepted.

    Raises
    ------
    ValueError
        If it is not there (`NotThereError`), or not accepted; the sentence names the file.
    BrokenError, StoppedError
        As `Client.ask` raises them.
    """
    if is_there(download):
        return None
    _clear(download.path.parent)
    try:
        ask = Ask(
            url=download.url,
            params=download.params,
            files=download.files,
            keep_packed=download.path.suffix in (".gz", ".bz2", ".fz"),
            most_bytes=download.most_bytes,
        )
        return client.ask(ask, lambda answer: write_accepted(answer, download))
    except (RefusedError, BrokenError) as error:
        raise type(error)(f"{download.name}: {error}") from None


def named(who: str, error: Exception) -> Exception:
    """A fault as told of one of the files or galaxies that it kept from coming; `counted` counts it once for all."""
    if str(error).startswith(who) or not isinstance(error, ValueError | BrokenError):
        return error
    kind = type(error) if isinstance(error, RefusedError | BrokenError) else ValueError
    told = kind(f"{who}: {error}")
    told.__cause__ = error
    return told


def counted(
    made: Iterable[tuple[Any, Any, BaseException | None]], *, politeness: Politeness, total: int | None
) -> Iterator[Event]:
    """Events from what `in_parallel` gives of work like `fetch`; faults that end the whole download are raised."""
    standing, start, in_a_row, last = Standing(total=total), time.monotonic(), 0, None
    for item, size, error in made:
        seconds = time.monotonic() - start
        if error is None and size is None:
            standing = replace(standing, kept=standing.kept + 1)
            start = start if standing.fetched else time.monotonic()
            yield Kept(download=item, standing=standing)
            continue
        if not isinstance(error, ValueError | BrokenError | None):
            raise error
        fault = error and (error.__cause__ or error)
        in_a_row = in_a_row + (fault is not last) if isinstance(error, BrokenError) else 0
        last = fault  # one fault may be told of many files that were asked for together
        if error is None:
            standing = replace(
                standing, fetched=standing.fetched + 1, size_bytes=standing.size_bytes + size, seconds=seconds
            )
            yield Fetched(download=item, size_bytes=size, standing=standing)
            continue
        standing = replace(standing, failed=standing.failed + 1, seconds=seconds)
        yield Failed(download=item, reason=str(error), standing=standing)
        if in_a_row >= politeness.failures_in_a_row:
            raise StoppedError(
                f"{in_a_row} downloads in a row failed, the last so: {error}; what came is kept: run the command again "
                f"when the archive is up"
            )


def in_parallel(
    work: Callable[[Item], Made], items: Iterable[Item], *, threads: int
) -> Generator[tuple[Item, Made | None, BaseException | None], None, None]:
    """(item, what `work` made of it or None, what it raised or None), in the order in which they end.

    Items are taken when a thread will soon be free. The threads end with the program: who leaves early, waits for none.
    """
    asked: queue.SimpleQueue[Any] = queue.SimpleQueue()
    answered: queue.SimpleQueue[tuple[Item, Made | None, BaseException | None]] = queue.SimpleQueue()
    leave = threading.Event()

    def run() -> None:
        while not leave.is_set() and (box := asked.get()) is not None:
            try:
                made = (box[0], work(box[0]), None)
            except BaseException as error:  # it is raised, or told, where the results are taken
                made = (box[0], None, error)
            answered.put(made)

    for number in range(threads):
        threading.Thread(target=run, daemon=True, name=f"flaxgal download {number}").start()
    under_way = 0
    try:
        for item in items:
            asked.put((item,))
            under_way += 1
            if under_way >= 2 * threads:
                yield answered.get()
                under_way -= 1
        for _ in range(under_way):
            yield answered.get()
    finally:
        leave.set()
        for _ in range(threads):
            asked.put(None)


def is_there(download: Download) -> bool:
    """Whether the file is there and accepted."""
    if not download.path.is_file():
        return False
    try:
        download.accept(download.path)
    except ValueError:
        return False
    return True


def write_accepted(content: Readable, download: Download) -> int:
    """Write what is read beside its place, have it accepted, and give it its name; the number of bytes.

    Raises
    ------
    ValueError
        If it was not accepted; the sentence names the file.
    """
    size = 0
    with replaced_when_whole(download.path) as temporary:
        with temporary.open("wb") as file:
            while chunk := content.read(CHUNK):
                size += file.write(chunk)
        try:
            download.accept(temporary)
        except ValueError as error:
            # Not its name beside the place, which nobody finds later.
            reason = str(error).replace(str(temporary), download.name).replace(temporary.name, download.name)
            named = reason if reason.startswith(download.name) else f"{download.name}: {reason}"
            raise ValueError(named) from None
        sync(temporary)
    sync_folder(download.path.parent)
    return size


_cleared: set[Path] = set()


def _clear(folder: Path) -> None:
    """Delete half-written files that a killed process left, once a folder and process."""
    if folder in _cleared or not folder.is_dir():
        return
    _cleared.add(folder)
    with os.scandir(folder) as files:
        for file in files:
            if file.name.startswith(".writing-"):
                with contextlib.suppress(FileNotFoundError):  # it just got its name
                    if time.time() - file.stat().st_mtime > LEFT_BEHIND_SECONDS:
                        Path(file.path).unlink()


def _length(items: Iterable[Any]) -> int | None:
    return len(items) if hasattr(items, "__len__") else None  # pyright: ignore[reportArgumentType]
