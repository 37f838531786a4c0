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
from pathlib import Path

from flaxgal.distribute import in_processes, on_cluster, processes
from flaxgal.inputs import Files, Source, sources_from
from flaxgal.masks import Masks, masks_from
from flaxgal.measure.catalogue import arms_path, check_format, check_joined, write_rows
from flaxgal.measure.flux import measure_cutout
from flaxgal.measure.joining import Joined, read_joined
from flaxgal.measure.journal import Line, MeasureJournal, to_json
from flaxgal.measure.parts import check_parts
from flaxgal.measure.record import Measurement
from flaxgal.row_by_row import Done, Item, Kept, in_batches, taken, to_do
from flaxgal.survey.cutout import Cutout, Unreadable

__all__ = ["Written", "measure", "measure_galaxies"]

BATCH = 8
"""Galaxies that go to another process at a time."""


@dataclass(frozen=True)
class Written:
    """The catalogue is on disk."""

    paths: tuple[Path, ...]
    arms_paths: tuple[Path, ...]
    galaxies: int
    arms: int
    lacking: tuple[str, ...]
    """What of the joined table is not in the catalogue, in sentences."""
    off_the_sky: int
    """Galaxies that are not in the parts, as they have no position."""


def measure(
    inputs: Sequence[Path],
    masks: Path,
    outs: Sequence[Path],
    *,
    labels: str = "",
    workers: int | None = None,
    dask: str = "",
    join: Path | None = None,
    id_column: str = "",
    parts: Path | None = None,
) -> Iterator[Done | Kept | Unreadable | Written]:
    """Measure every galaxy of `inputs`, say what became of each, and write the catalogue when all are done.

    The same call goes on where it was stopped: a galaxy whose image and map are the files that they were is kept.

    Parameters
    ----------
    masks : the folder that flaxgal predict wrote, a label store, or a folder of masks in files.
    labels : whose masks of a label store count; see `flaxgal.datasets.policies`.
    outs : tables to write; the first one's name decides where the journal is.
    workers : processes; as many as there are cores when not given.
    dask : address of a Dask scheduler, whose workers then measure.
    join : a table whose columns are added, by the galaxies' ids.
    id_column : the column of ids in it, where its name does not say so.
    parts : a folder to write the catalogue to once more, as plain Parquet files.

    Raises
    ------
    ValueError
        If there are no workers, a table cannot be written under its name, the one to join has none of the galaxies,
        the journal is of other choices, or the cluster cannot be used.
    """
    workers = processes(workers)
    for path in outs:
        check_format(path)
        if path.is_dir():
            raise ValueError(f"{path}: found a folder; wanted the name of a table")
    named = f"{masks} ({labels})" if labels else str(masks)
    if dask:
        inputs, masks = [path.absolute() for path in inputs], masks.absolute()
    found = masks_from(masks, labels)
    if parts is not None:
        check_parts(parts)
    if (joined := None if join is None else read_joined(join, id_column=id_column)) is not None:
        check_joined(joined, outs)
        _check_shared(inputs, joined)
    elif id_column:
        raise ValueError(f"--id-column {id_column} is of a table to join; give that table by --join, or leave it out")
    stem = outs[0] if len(outs) == 1 else outs[0].with_suffix("")
    with closing(MeasureJournal(stem, masks=masks)) as journal:
        task = partial(_measure_batch, masks=found)
        waiting = to_do(sources_from(inputs), journal, holds=partial(_map_is_same, masks=found))
        batches = in_batches(waiting, BATCH)
        if dask:
            done = on_cluster(task, batches, address=dask, folders=[*inputs, masks])
        else:
            done = in_processes(task, batches, workers=workers)
        yield from taken(done, journal)
        if len(journal):
            yield _write(journal, outs, named, joined, parts)
        journal.remove()


def _check_shared(inputs: Sequence[Path], joined: Joined) -> None:
    """Refuse a table that has none of the galaxies; where it has no image's name, images are read until it has one."""
    if any(source.expected_id in joined.rows for source in sources_from(inputs)):
        return
    other = ""
    for cutout in (source.read() for source in sources_from(inputs)):
        if isinstance(cutout, Unreadable):
            continue
        if cutout.object_id in joined.rows:
            return
        other = cutout.object_id
    if other:
        raise ValueError(
            f"{joined.name}: has none of the galaxies: its ids are like {joined.an_id}, those of the images like "
            f"{other}; name its column of such ids by --id-column, or give another table"
        )


def measure_galaxies(cutouts: Iterable[Cutout | Unreadable], masks: Masks) -> Iterator[Measurement | Unreadable]:
    """Measure each cutout, one at a time; what cannot be comes as `Unreadable`."""
    for cutout in cutouts:
        yield cutout if isinstance(cutout, Unreadable) else _measured(cutout, masks)


def _measured(cutout: Cutout, masks: Masks, image: Path | None = None) -> Measurement | Unreadable:
    try:
        drawn = masks.of(cutout, image)
    except ValueError as error:
        return Unreadable(cutout.object_id, str(error))
    return measure_cutout(
        cutout, drawn.arms, threshold=drawn.threshold, threshold_range=drawn.threshold_range, run=drawn.by
    )


def _map_is_same(line: Line, *, masks: Masks) -> bool:
    return line.map_stamp == masks.stamp(line.object_id)


def _measure_batch(items: list[Item], *, masks: Masks) -> list[Line | Unreadable | str]:
    """The lines of some galaxies, in order; the stamp of one that need not be measured passes through."""
    return [stamp if source is None else _measure_one(source, stamp, masks) for source, stamp in items]


def _measure_one(source: Source, stamp: str, masks: Masks) -> Line | Unreadable:
    """Read a galaxy and measure it."""
    cutout = source.read()
    if isinstance(cutout, Unreadable):
        return cutout
    map_stamp = masks.stamp(cutout.object_id)
    row = _measured(cutout, masks, source.paths[0] if isinstance(source, Files) else None)
    if isinstance(row, Unreadable):
        return row
    return Line(cutout.object_id, source.name, stamp, map_stamp, to_json(row))


def _write(
    journal: MeasureJournal, outs: Sequence[Path], masks: str, joined: Joined | None, parts: Path | None
) -> Written:
    contents, off_the_sky = write_rows(journal.rows, outs, masks=masks, joined=joined, parts=parts)
    lacking = () if joined is None else tuple(joined.lacking(journal.object_ids()))
    arms = tuple(map(arms_path, outs))
    return Written(tuple(outs), arms, contents.galaxies, contents.arms, lacking, off_the_sky)
