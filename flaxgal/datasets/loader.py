"""From snapshots to batches: batch k is a pure function of (snapshots, seed, k), so resuming needs no state."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic

import numpy as np

from flaxgal.datasets.batches import balanced_batches, index_batches
from flaxgal.datasets.builders import Snapshot, open_snapshot, read_examples
from flaxgal.datasets.examples import Example
from flaxgal.datasets.morphology import ClassExample, labels_of_split, read_class_examples
from flaxgal.datasets.stacked import (
    READ_AT_ONCE,
    ClassExamples,
    Examples,
    Stacked,
    concatenate,
    read_stacked,
    read_stacked_classes,
    taken,
)
from flaxgal.survey.schemas import schema_named

__all__ = [
    "Galaxies",
    "galaxies_with_classes",
    "galaxies_with_masks",
    "iterate_class_examples",
    "iterate_examples",
    "load_classes",
    "load_split",
    "stream_batches",
]


@dataclass(frozen=True, eq=False)
class Galaxies(Generic[Stacked]):
    """Galaxies of a split of a snapshot, on disk until they are asked for."""

    snapshot: Snapshot
    split: str
    numbers: np.ndarray
    """Their places in the split."""
    classes: np.ndarray
    """The number of each one's class, in the order of `numbers`; empty where none was asked for."""
    read: Callable[[Snapshot, str, np.ndarray], Stacked]

    def __len__(self) -> int:
        return len(self.numbers)

    def load(self) -> Stacked:
        """All of them in memory."""
        return self.read(self.snapshot, self.split, self.numbers)


def galaxies_with_masks(
    folder: Path | str,
    split: str,
    *,
    bands: Sequence[str] | None = None,
    classes: Sequence[str] | None = None,
    image_size: int | None = None,
) -> Galaxies[Examples]:
    """The galaxies of a split. Bands, classes of the masks and size are checked where they are given.

    Raises
    ------
    ValueError
        If the folder holds no snapshot, the split is empty, or the snapshot holds other pictures than wanted.
    """
    snapshot = open_snapshot(folder)
    if snapshot.schemas:
        raise ValueError(
            f"{snapshot.folder}: holds classes of galaxies, and no masks of their arms; train a classifier on it "
            f"(flaxgal train morphology), or build a snapshot of masks"
        )
    _must_have(snapshot, split)
    _must_be(snapshot, bands, classes, image_size)
    everyone = np.arange(snapshot.sizes[split])
    return Galaxies(snapshot, split, everyone, np.empty(0, np.int32), read_stacked)


def galaxies_with_classes(
    folder: Path | str,
    split: str,
    *,
    schema: str = "",
    bands: Sequence[str] | None = None,
    image_size: int | None = None,
) -> Galaxies[ClassExamples]:
    """The galaxies of a split whose class in a schema is known; without a schema all of them.

    `flaxgal.datasets.morphology.class_balance` counts those that are left out.

    Raises
    ------
    ValueError
        If the folder holds no snapshot with classes, the split has no such galaxy, or the snapshot holds other
        pictures than wanted.
    """
    snapshot = open_snapshot(folder)
    if not snapshot.schemas:
        raise ValueError(
            f"{snapshot.folder}: holds masks of arms, and no classes of galaxies; build one with classes: flaxgal "
            f"build STORE --morphology TABLE, or flaxgal mock OUT --task classes"
        )
    _must_have(snapshot, split)
    _must_be(snapshot, bands, None, image_size)
    if not schema:
        everyone = np.arange(snapshot.sizes[split])
        return Galaxies(snapshot, split, everyone, np.empty(0, np.int32), read_stacked_classes)
    named = schema_named(schema)
    labels = labels_of_split(snapshot, split, named)
    numbers = np.flatnonzero([label != "" for label in labels])
    if not len(numbers):
        raise ValueError(
            f"{snapshot.folder}: no galaxy in split {split} has a known {schema}; build from a table that tells it"
        )
    kinds = np.array([named.classes.index(label) for label in labels if label], np.int32)
    return Galaxies(snapshot, split, numbers, kinds, read_stacked_classes)


def load_split(folder: Path | str, split: str, **wanted: Any) -> Examples:
    """A whole split in memory, for data sets that fit; arguments and errors as of `galaxies_with_masks`."""
    return galaxies_with_masks(folder, split, **wanted).load()


def load_classes(folder: Path | str, split: str, **wanted: Any) -> ClassExamples:
    """Galaxies with classes in memory; arguments and errors as of `galaxies_with_classes`."""
    return galaxies_with_classes(folder, split, **wanted).load()


def iterate_class_examples(folder: Path | str, split: str | None = None) -> Iterator[ClassExample]:
    """Every galaxy of a split of a snapshot with classes, or of all splits, one at a time."""
    yield from _iterate(open_snapshot(folder), split, read_class_examples)


def iterate_examples(folder: Path | str, split: str | None = None) -> Iterator[Example]:
    """Every example of a split, or of all splits, one at a time."""
    yield from _iterate(open_snapshot(folder), split, read_examples)


def stream_batches(
    sources: Sequence[Galaxies[Stacked]],
    batch_size: int,
    *,
    seed: int,
    balance: bool = False,
    first_step: int = 0,
    steps: int | None = None,
    shares: Sequence[float] = (),
    process_index: int = 0,
    process_count: int = 1,
    threads: int = 4,
    read_ahead: int = 8,
) -> Iterator[Stacked]:
    """Batches first_step, first_step + 1, … read ahead by grain's threads; endless unless `steps` is given.

    The batches are those of `index_batches`, or of `balanced_batches`. Of several hosts, each passes its
    `process_index` and gets its own slice of every batch.

    Parameters
    ----------
    balance
        Whether every class is to come equally often; of galaxies with classes.

    Raises
    ------
    ValueError
        If the batch does not divide among the hosts.
    """
    import grain

    def rows(step: int) -> np.ndarray:
        order: dict[str, Any] = {"shares": shares, "seed": seed, "first_step": step, "steps": 1}
        if balance:
            return balanced_batches([source.classes for source in sources], batch_size, **order)[0]
        return index_batches([len(source) for source in sources], batch_size, **order)[0]

    batches = _Batches(tuple(sources), rows, _slice_of(batch_size, process_index, process_count), first_step, steps)
    options = grain.ReadOptions(num_threads=threads, prefetch_buffer_size=read_ahead)
    return iter(grain.MapDataset.source(batches).to_iter_dataset(options))


@dataclass(frozen=True, eq=False)
class _Batches(Generic[Stacked]):
    """Batches as grain wants a source: item i is batch first_step + i, read when it is asked for."""

    sources: tuple[Galaxies[Stacked], ...]
    rows: Callable[[int], np.ndarray]
    """Which galaxies make up a batch, counted through all sources."""
    mine: slice
    first_step: int
    steps: int | None

    def __len__(self) -> int:
        return self.steps if self.steps is not None else 2**31 - 1 - self.first_step

    def __getitem__(self, item: int) -> Stacked:
        return self._read(self.rows(self.first_step + int(item))[self.mine])

    def _read(self, batch: np.ndarray) -> Stacked:
        offsets = np.concatenate([[0], np.cumsum([len(source) for source in self.sources])])
        owner = np.searchsorted(offsets, batch, side="right") - 1
        order, parts = [], []
        for number in np.unique(owner):
            here, source = np.flatnonzero(owner == number), self.sources[number]
            parts.append(source.read(source.snapshot, source.split, source.numbers[batch[here] - offsets[number]]))
            order.append(here)
        return taken(concatenate(parts), np.argsort(np.concatenate(order)))


def _slice_of(batch_size: int, process_index: int, process_count: int) -> slice:
    """A host's part of every batch."""
    if batch_size % process_count:
        raise ValueError(f"batch of {batch_size} for {process_count} hosts; take a multiple of {process_count}")
    mine = batch_size // process_count
    return slice(process_index * mine, (process_index + 1) * mine)


def _iterate(
    snapshot: Snapshot, split: str | None, read: Callable[[Snapshot, str, Sequence[int]], Iterator[Any]]
) -> Iterator[Any]:
    for name in snapshot.sizes if split is None else [split]:
        _must_have(snapshot, name)
        for start in range(0, snapshot.sizes[name], READ_AT_ONCE):
            yield from read(snapshot, name, range(start, min(start + READ_AT_ONCE, snapshot.sizes[name])))


def _must_have(snapshot: Snapshot, split: str) -> None:
    """Refuse a snapshot without galaxies in a split."""
    if split not in snapshot.sizes:
        raise ValueError(
            f"{snapshot.folder}: no galaxies in split {split!r}, found {', '.join(snapshot.sizes)}; build from more "
            f"galaxies, or choose their splits by hand"
        )


def _must_be(
    snapshot: Snapshot, bands: Sequence[str] | None, classes: Sequence[str] | None, image_size: int | None
) -> None:
    """Refuse a snapshot of other pictures or masks than wanted, where something is."""
    found = _pictures(snapshot.bands, snapshot.classes, snapshot.image_size)
    wanted = _pictures(
        snapshot.bands if bands is None else bands,
        snapshot.classes if classes is None else classes,
        snapshot.image_size if image_size is None else image_size,
    )
    if found != wanted:
        options = [f"--model.{name} {value}" for name, value in found.items() if value != wanted[name]]
        raise ValueError(
            f"{snapshot.folder}: {_in_words(found)}, but wanted are {_in_words(wanted)}; build the snapshot again with "
            f"these, or train on what it holds, by {' '.join(options)}"
        )


def _pictures(bands: Sequence[str], classes: Sequence[str], image_size: int) -> dict[str, str]:
    """What pictures and masks are, by the options of a network that takes them."""
    return {"bands": " ".join(bands), "classes": " ".join(classes), "image-size": str(image_size)}


def _in_words(pictures: Mapping[str, str]) -> str:
    of_masks = f"classes {pictures['classes']}, " if pictures["classes"] else ""
    return f"bands {pictures['bands']}, {of_masks}{pictures['image-size']} pixels"
