"""A table made galaxy by galaxy through a journal: what an earlier call did is kept, the rest goes out in batches."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

from flaxgal.inputs import Source, a_second
from flaxgal.measure.row_journal import Line, RowJournal
from flaxgal.survey.cutout import Unreadable

__all__ = ["Done", "Item", "Kept", "in_batches", "taken", "to_do"]

Item = tuple[Source | None, str]
"""A galaxy to do and its stamp; without a source one that an earlier call did."""


@dataclass(frozen=True)
class Done:
    """A galaxy whose row is in the journal."""

    object_id: str


@dataclass(frozen=True)
class Kept:
    """A galaxy whose row was in the journal already, from a call that was stopped."""

    object_id: str


def to_do(
    sources: Iterable[Source], journal: RowJournal, *, holds: Callable[[Line], bool] | None = None
) -> Iterator[Item]:
    """For each galaxy its stamp, and where to read it unless the journal has a row of it, which `holds`."""
    for source in sources:
        stamp = source.stamp
        kept = stamp in journal and (holds is None or holds(journal.earlier(stamp)))
        yield None if kept else source, stamp


def in_batches(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """The items in lists of `size`; the last may be shorter."""
    items = iter(items)
    while batch := list(islice(items, size)):
        yield batch


def taken(
    batches: Iterable[Iterable[Line | Unreadable | str]], journal: RowJournal
) -> Iterator[Done | Kept | Unreadable]:
    """Have the lines of galaxies in this call's table, and say what became of each galaxy.

    A galaxy comes as its new line, as the reason why it has none, or as the stamp of the line that is kept. A second
    galaxy of an id is `Unreadable`.
    """
    for item in (item for batch in batches for item in batch):
        if isinstance(item, Unreadable):
            yield item
            continue
        line = journal.earlier(item) if isinstance(item, str) else item
        before = journal.taken(line.object_id)
        if before is not None:
            yield a_second(line.object_id, line.source, before.source)
        elif isinstance(item, str):
            journal.keep(line)
            yield Kept(line.object_id)
        else:
            journal.add(line)
            yield Done(line.object_id)
