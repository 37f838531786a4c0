"""Measure the galaxies of any inputs into a catalogue: over the cores of this machine, or over a Dask cluster.

Rows go to a journal as they come, so memory does not grow with the galaxies and a call that is killed loses none; the
catalogue is written from the journal at the end. Its rows are in the order of the inputs, however many processes there
are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path

from flaxgal.distribute import cores, in_processes, on_cluster
from flaxgal.inputs import Source, a_second, sources_from, stamp_of
from flaxgal.measure.catalogue import arms_path, check_format, check_masks, measure_galaxy, write_rows
from flaxgal.measure.joining import Joined, read_joined
from flaxgal.measure.journal import Line, MeasureJournal, to_json
from flaxgal.measure.parts import check_parts
from flaxgal.survey.cutout import Unreadable
from flaxgal.survey.prediction import prediction_path

__all__ = ["Kept", "Measured", "Written", "measure"]

BATCH = 8
"""Galaxies that go to another process at a time."""


Item = tuple[Source | None, str]
"""A galaxy to measure and its stamp; without a source one that was measured in an earlier call."""


@dataclass(frozen=True)
class Measured:
    """A galaxy whose row is in the journal."""

    object_id: str


@dataclass(frozen=True)
class Kept:
    """A galaxy whose row was in the journal already, from a call that was stopped."""

    object_id: str


@dataclass(frozen=True)
class Written:
    """The catalogue is on disk."""

    paths: tuple[Path, ...]
    arms_paths: tuple[Path, ...]
    galaxies: int
    arms: int
    unmatched: int
    """Galaxies that the joined table has no row for."""
    off_the_sky: int
    """Galaxies that are not in the parts, as they have no position."""


def measure(
    inputs: Sequence[Path],
    masks: Path,
    outs: Sequence[Path],
    *,
    workers: int | None = None,
    dask: str = "",
    join: Path | None = None,
    parts: Path | None = None,
) -> Iterator[Measured | Kept | Unreadable | Written]:
    """Measure every galaxy of `inputs`, say what became of each, and write the catalogue when all are done.

    The same call goes on where it was stopped: a galaxy whose image and map are the files that they were is kept.

    Parameters
    ----------
    masks : the folder that flaxgal predict wrote.
    outs : tables to write; the first one's name decides where the journal is.
    workers : processes; as many as there are cores when not given.
    dask : address of a Dask scheduler, whose workers then measure.
    join : a table whose columns are added, by object_id.
    parts : a folder to write the catalogue to once more, as plain Parquet files.

    Raises
    ------
    ValueError
        If a table cannot be written under its name, the journal is of other choices, or the cluster cannot be used.
    """
    for path in outs:
        check_format(path)
        if path.is_dir():
            raise ValueError(f"{path}: found a folder; wanted the name of a table")
    check_masks(masks)
    if parts is not None:
        check_parts(parts)
    joined = None if join is None else read_joined(join)
    stem = outs[0] if len(outs) == 1 else outs[0].with_suffix("")
    with closing(MeasureJournal(stem, masks=masks)) as journal:
        if dask:
            inputs, masks = [path.absolute() for path in inputs], masks.absolute()
        task = partial(_measure_batch, masks=masks)
        batches = _batches(_to_measure(sources_from(inputs), journal, masks))
        if dask:
            done = on_cluster(task, batches, address=dask, folders=[*inputs, masks])
        else:
            done = in_processes(task, batches, workers=workers or cores())
        for item in (item for batch in done for item in batch):
            yield _taken(item, journal)
        if len(journal):
            yield _write(journal, outs, joined, parts)
        journal.remove()


def _to_measure(sources: Iterable[Source], journal: MeasureJournal, masks: Path) -> Iterator[Item]:
    """For each galaxy its stamp, and where to read it unless the journal's row of it still holds."""
    for source in sources:
        stamp = source.stamp
        yield (None if stamp in journal and _map_is_same(journal.earlier(stamp), masks) else source), stamp


def _map_is_same(line: Line, masks: Path) -> bool:
    return line.map_stamp == stamp_of(prediction_path(line.object_id, masks))


def _batches(items: Iterable[Item]) -> Iterator[list[Item]]:
    items = iter(items)
    while batch := list(islice(items, BATCH)):
        yield batch


def _measure_batch(items: list[Item], *, masks: Path) -> list[Line | Unreadable | str]:
    """The lines of some galaxies, in order; the stamp of one that need not be measured passes through."""
    return [stamp if source is None else _measure_one(source, stamp, masks) for source, stamp in items]


def _measure_one(source: Source, stamp: str, masks: Path) -> Line | Unreadable:
    """Read a galaxy and measure it."""
    cutout = source.read()
    if isinstance(cutout, Unreadable):
        return cutout
    map_stamp = stamp_of(prediction_path(cutout.object_id, masks))
    try:
        row = measure_galaxy(cutout, masks)
    except ValueError as error:
        return Unreadable(cutout.object_id, str(error))
    return Line(cutout.object_id, source.name, stamp, map_stamp, to_json(row))


def _taken(item: Line | Unreadable | str, journal: MeasureJournal) -> Measured | Kept | Unreadable:
    """Have a galaxy's line in this call's catalogue, and say what became of the galaxy."""
    if isinstance(item, Unreadable):
        return item
    line = item if isinstance(item, Line) else journal.earlier(item)
    before = journal.taken(line.object_id)
    if before is not None:
        return a_second(line.object_id, line.source, before.source)
    if isinstance(item, str):
        journal.keep(line)
        return Kept(line.object_id)
    journal.add(line)
    return Measured(line.object_id)


def _write(journal: MeasureJournal, outs: Sequence[Path], joined: Joined | None, parts: Path | None) -> Written:
    contents, off_the_sky = write_rows(journal.rows, outs, joined=joined, parts=parts)
    unmatched = 0 if joined is None else sum(joined.lacks(object_id) for object_id in journal.object_ids())
    arms = tuple(map(arms_path, outs))
    return Written(tuple(outs), arms, contents.galaxies, contents.arms, unmatched, off_the_sky)
