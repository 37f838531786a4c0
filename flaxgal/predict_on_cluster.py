"""Segment galaxies on a Dask cluster: its workers read the inputs and write the maps, on a disk that all share."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache, partial
from itertools import islice
from pathlib import Path

from flaxgal.checkpoint import Run, load_run
from flaxgal.config import PredictConfig
from flaxgal.distribute import on_cluster
from flaxgal.inputs import Source, a_second, read_once, sources_from
from flaxgal.predict import Kept, Predicted, claim, predict_into
from flaxgal.survey.cutout import Unreadable

__all__ = ["predict_on_cluster"]

Outcome = Predicted | Kept | Unreadable


def predict_on_cluster(
    run_folder: Path, inputs: Sequence[Path], out: Path, *, address: str, config: PredictConfig | None = None
) -> Iterator[Outcome]:
    """What `flaxgal.predict.predict` does, with the same files in the end, by the workers of a Dask cluster.

    Raises
    ------
    ValueError
        As `predict` does; and if the cluster cannot be used.
    """
    config = config or PredictConfig()
    run_folder, out = run_folder.absolute(), out.absolute()
    claim(out, load_run(run_folder), config)
    inputs = [path.absolute() for path in inputs]
    task = partial(_predict_batch, run_folder=run_folder, out=out, config=config)
    batches = _batches(sources_from(inputs), config.batch_size)
    taken: dict[str, Source] = {}
    again: list[Source] = []
    for outcomes, read in on_cluster(task, batches, address=address, folders=[*inputs, run_folder, out]):
        for outcome in outcomes:
            object_id = "" if isinstance(outcome, Unreadable) else outcome.object_id
            if object_id in taken:
                again.append(taken[object_id])
                yield a_second(object_id, read[object_id].name, taken[object_id].name)
            else:
                yield outcome
        taken = read | taken
    task(again)  # a second galaxy of an id may have put its map in the place of the first's


def _batches(sources: Iterable[Source], number: int) -> Iterator[list[Source]]:
    sources = iter(sources)
    while batch := list(islice(sources, number)):
        yield batch


def _predict_batch(
    sources: list[Source], *, run_folder: Path, out: Path, config: PredictConfig
) -> tuple[list[Outcome], dict[str, Source]]:
    """What became of each galaxy of a batch, and where those that could be read were."""
    read: dict[str, Source] = {}
    outcomes = list(predict_into(out, _loaded(run_folder), read_once(sources, read), config=config)) if sources else []
    return outcomes, read


@lru_cache(maxsize=1)
def _loaded(run_folder: Path) -> Run:
    """A run, loaded once in each process."""
    return load_run(run_folder)
