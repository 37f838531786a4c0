"""From snapshots to batches: batch k is a pure function of (snapshots, seed, k), so resuming needs no state."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from jaxtyping import Float64, UInt8

from flaxgal.datasets.batches import balanced_batches, index_batches
from flaxgal.datasets.builders import Snapshot, open_snapshot, read_examples
from flaxgal.datasets.examples import Example
from flaxgal.datasets.morphology import ClassExample, labels_of_split, read_class_examples
from flaxgal.survey.schemas import Labels, LabelSchema, schema_named

__all__ = [
    "ClassExamples",
    "Examples",
    "balanced_batches",
    "concatenate",
    "index_batches",
    "iterate_class_examples",
    "iterate_examples",
    "load_classes",
    "load_split",
    "stream_batches",
    "stream_classes",
    "taken",
]

_READ_AT_ONCE = 1024


@dataclass(frozen=True, kw_only=True, eq=False)
class Examples:
    """Many examples as stacked arrays. `weight` is 255 where a pixel counts in full, 0 where it is left out."""

    object_id: np.ndarray
    survey: np.ndarray
    image: UInt8[np.ndarray, "n y x band"]
    target: UInt8[np.ndarray, "n y x class"]
    weight: UInt8[np.ndarray, "n y x"]
    ra_deg: Float64[np.ndarray, " n"]
    dec_deg: Float64[np.ndarray, " n"]
    revision: np.ndarray
    truth: Mapping[str, Float64[np.ndarray, " n"]] = field(default_factory=dict)
    """Columns known exactly (mocks); NaN for galaxies of a snapshot that has not the column."""

    def __len__(self) -> int:
        return len(self.object_id)


@dataclass(frozen=True, kw_only=True, eq=False)
class ClassExamples:
    """Many galaxies with their classes as stacked arrays; pictures are as seen on the sky."""

    object_id: np.ndarray
    survey: np.ndarray
    image: UInt8[np.ndarray, "n y x band"]
    morphology: np.ndarray
    winding: np.ndarray
    """Text; empty where it is not known."""
    t_type: Float64[np.ndarray, " n"]
    """NaN where it is not known."""
    ra_deg: Float64[np.ndarray, " n"]
    dec_deg: Float64[np.ndarray, " n"]
    truth: Mapping[str, Float64[np.ndarray, " n"]] = field(default_factory=dict)
    """Columns known exactly (mocks); NaN for galaxies of a snapshot that has not the column."""

    def __len__(self) -> int:
        return len(self.object_id)

    def label(self, schema: str) -> np.ndarray:
        """Each galaxy's class in a schema, as text; empty where it is not known."""
        rows = zip(self.morphology.tolist(), self.winding.tolist(), self.t_type.tolist(), strict=True)
        labels = [Labels(morphology=name, winding=sense, t_type=number) for name, sense, number in rows]
        return np.array([one.label(schema) for one in labels], str)

    def target(self, schema: LabelSchema) -> UInt8[np.ndarray, "n output"]:
        """What a network should answer to each galaxy, 255 for 1; 0 throughout where the class is not known."""
        answers = {name: np.uint8(255) * schema.target(name).astype(np.uint8) for name in schema.classes}
        nothing = np.zeros(schema.outputs, np.uint8)
        rows = [answers.get(name, nothing) for name in self.label(schema.name).tolist()]
        return np.stack(rows) if rows else np.empty((0, schema.outputs), np.uint8)

    def weight(self, schema: LabelSchema) -> UInt8[np.ndarray, " n"]:
        """255 for each galaxy that counts, 0 where the class is not known."""
        return np.where(self.label(schema.name) != "", 255, 0).astype(np.uint8)


Stacked = TypeVar("Stacked", Examples, ClassExamples)


def load_split(
    folder: Path | str,
    split: str,
    *,
    bands: Sequence[str] | None = None,
    classes: Sequence[str] | None = None,
    image_size: int | None = None,
) -> Examples:
    """A whole split in memory, for data sets that fit. Bands, classes and size are checked where they are given.

    For galaxies with classes in place of masks see `flaxgal.datasets.class_loader`.

    Raises
    ------
    ValueError
        If the folder holds no snapshot, the split is empty, or the snapshot holds other pictures than wanted.
    """
    snapshot = _checked(folder, split, bands, classes, image_size)
    return _stacked(snapshot, split, np.arange(snapshot.sizes[split]))


def load_classes(
    folder: Path | str,
    split: str,
    *,
    schema: str = "",
    bands: Sequence[str] | None = None,
    image_size: int | None = None,
) -> ClassExamples:
    """The galaxies of a split whose class in a schema is known, in memory; without a schema all of them.

    `flaxgal.datasets.morphology.class_balance` counts those that are left out.

    Raises
    ------
    ValueError
        If the folder holds no snapshot with classes, the split has no such galaxy, or the snapshot holds other
        pictures than wanted.
    """
    snapshot = _checked_classes(folder, split, bands, image_size)
    return _stacked_classes(snapshot, split, _known(snapshot, split, schema))


def iterate_class_examples(folder: Path | str, split: str | None = None) -> Iterator[ClassExample]:
    """Every galaxy of a split of a snapshot with classes, or of all splits, one at a time."""
    yield from _iterate(open_snapshot(folder), split, read_class_examples)


def iterate_examples(folder: Path | str, split: str | None = None) -> Iterator[Example]:
    """Every example of a split, or of all splits, one at a time."""
    yield from _iterate(open_snapshot(folder), split, read_examples)


def concatenate(parts: Sequence[Stacked]) -> Stacked:
    """Several sets of examples as one, in the order given: the order that `index_batches` counts in."""
    names = sorted({name for part in parts for name in part.truth})
    columns = set(parts[0].__dataclass_fields__) - {"truth"}
    joined = {column: np.concatenate([getattr(part, column) for part in parts]) for column in columns}
    truth = {name: np.concatenate([_column(part, name) for part in parts]) for name in names}
    return type(parts[0])(**joined, truth=truth)


def taken(examples: Stacked, order: np.ndarray) -> Stacked:
    """Some of the examples, or all in another order."""
    columns = {name: getattr(examples, name)[order] for name in examples.__dataclass_fields__ if name != "truth"}
    return type(examples)(**columns, truth={name: values[order] for name, values in examples.truth.items()})


def stream_batches(
    folders: Path | str | Sequence[Path | str],
    split: str,
    batch_size: int,
    *,
    seed: int,
    first_step: int = 0,
    steps: int | None = None,
    shares: Sequence[float] = (),
    process_index: int = 0,
    process_count: int = 1,
    threads: int = 4,
    read_ahead: int = 8,
    bands: Sequence[str] | None = None,
    classes: Sequence[str] | None = None,
    image_size: int | None = None,
) -> Iterator[Examples]:
    """Batches first_step, first_step + 1, … read ahead by grain's threads; endless unless `steps` is given.

    The batches are those of `index_batches`. Of several hosts, each passes its `process_index` and gets its own slice
    of every batch.

    Raises
    ------
    ValueError
        If the batch does not divide among the hosts, or a snapshot does not fit (see `load_split`).
    """
    snapshots = [_checked(folder, split, bands, classes, image_size) for folder in _several(folders)]
    sizes = [snapshot.sizes[split] for snapshot in snapshots]

    def rows(step: int) -> np.ndarray:
        return index_batches(sizes, batch_size, shares=shares, seed=seed, first_step=step, steps=1)[0]

    sources = [_Source(snapshot, split, np.arange(snapshot.sizes[split]), _stacked) for snapshot in snapshots]
    batches = _Batches(tuple(sources), rows, _slice_of(batch_size, process_index, process_count), first_step, steps)
    return _read_ahead(batches, threads, read_ahead)


def stream_classes(
    folders: Path | str | Sequence[Path | str],
    split: str,
    batch_size: int,
    *,
    schema: str,
    balance: bool = False,
    seed: int,
    first_step: int = 0,
    steps: int | None = None,
    shares: Sequence[float] = (),
    process_index: int = 0,
    process_count: int = 1,
    threads: int = 4,
    read_ahead: int = 8,
    bands: Sequence[str] | None = None,
    image_size: int | None = None,
) -> Iterator[ClassExamples]:
    """`stream_batches` of galaxies whose class in a schema is known; balanced: of every class equally many."""
    snapshots = [_checked_classes(folder, split, bands, image_size) for folder in _several(folders)]
    numbers = [_known(snapshot, split, schema) for snapshot in snapshots]
    names = schema_named(schema).classes
    kinds = [
        np.array(
            [names.index(name) for name in labels_of_split(snapshot, split, schema_named(schema)) if name], np.int32
        )
        for snapshot in snapshots
    ]

    def rows(step: int) -> np.ndarray:
        way = {"shares": shares, "seed": seed, "first_step": step, "steps": 1}
        if balance:
            return balanced_batches(kinds, batch_size, **way)[0]
        return index_batches([len(one) for one in numbers], batch_size, **way)[0]

    sources = [_Source(one, split, known, _stacked_classes) for one, known in zip(snapshots, numbers, strict=True)]
    batches = _Batches(tuple(sources), rows, _slice_of(batch_size, process_index, process_count), first_step, steps)
    return _read_ahead(batches, threads, read_ahead)


def _read_ahead(batches: "_Batches", threads: int, read_ahead: int) -> Iterator[Any]:
    import grain

    options = grain.ReadOptions(num_threads=threads, prefetch_buffer_size=read_ahead)
    return iter(grain.MapDataset.source(batches).to_iter_dataset(options))


def _several(folders: Path | str | Sequence[Path | str]) -> list[Path | str]:
    return [folders] if isinstance(folders, str | Path) else list(folders)


def _slice_of(batch_size: int, process_index: int, process_count: int) -> slice:
    """A host's part of every batch."""
    if batch_size % process_count:
        raise ValueError(f"batch of {batch_size} for {process_count} hosts; take a multiple of {process_count}")
    mine = batch_size // process_count
    return slice(process_index * mine, (process_index + 1) * mine)


@dataclass(frozen=True, eq=False)
class _Source:
    """The galaxies of one snapshot that batches are drawn from, and how they are read."""

    snapshot: Snapshot
    split: str
    numbers: np.ndarray
    read: Callable[[Snapshot, str, np.ndarray], Any]


@dataclass(frozen=True, eq=False)
class _Batches:
    """Batches as grain wants a source: item i is batch first_step + i, read when it is asked for."""

    sources: tuple[_Source, ...]
    rows: Callable[[int], np.ndarray]
    """Which galaxies make up a batch, counted through all sources."""
    mine: slice
    first_step: int
    steps: int | None

    def __len__(self) -> int:
        return self.steps if self.steps is not None else 2**31 - 1 - self.first_step

    def __getitem__(self, item: int) -> Any:
        return self._read(self.rows(self.first_step + int(item))[self.mine])

    def _read(self, batch: np.ndarray) -> Any:
        offsets = np.concatenate([[0], np.cumsum([len(source.numbers) for source in self.sources])])
        owner = np.searchsorted(offsets, batch, side="right") - 1
        order, parts = [], []
        for number in np.unique(owner):
            here, source = np.flatnonzero(owner == number), self.sources[number]
            parts.append(source.read(source.snapshot, source.split, source.numbers[batch[here] - offsets[number]]))
            order.append(here)
        return taken(concatenate(parts), np.argsort(np.concatenate(order)))


def _checked(
    folder: Path | str,
    split: str,
    bands: Sequence[str] | None,
    classes: Sequence[str] | None,
    image_size: int | None,
) -> Snapshot:
    """The snapshot in a folder, if it is what is wanted."""
    snapshot = open_snapshot(folder)
    if snapshot.schemas:
        raise ValueError(
            f"{snapshot.folder}: holds classes of galaxies, and no masks of their arms; train a classifier on it "
            f"(flaxgal train morphology), or build a snapshot of masks"
        )
    _must_have(snapshot, split)
    found = (snapshot.bands, snapshot.classes, snapshot.image_size)
    wanted = (
        snapshot.bands if bands is None else tuple(bands),
        snapshot.classes if classes is None else tuple(classes),
        snapshot.image_size if image_size is None else image_size,
    )
    if found != wanted:
        raise ValueError(
            f"{snapshot.folder}: bands {' '.join(found[0])}, classes {' '.join(found[1])}, {found[2]} pixels, but "
            f"wanted are bands {' '.join(wanted[0])}, classes {' '.join(wanted[1])}, {wanted[2]} pixels; build the "
            f"snapshot again with these, or train on what it holds"
        )
    return snapshot


def _checked_classes(folder: Path | str, split: str, bands: Sequence[str] | None, image_size: int | None) -> Snapshot:
    """The snapshot with classes in a folder, if it is what is wanted."""
    snapshot = open_snapshot(folder)
    if not snapshot.schemas:
        raise ValueError(
            f"{snapshot.folder}: holds masks of arms, and no classes of galaxies; build one with classes: flaxgal "
            f"build STORE --morphology TABLE, or flaxgal mock OUT --task classes"
        )
    _must_have(snapshot, split)
    found = (snapshot.bands, snapshot.image_size)
    wanted = (
        snapshot.bands if bands is None else tuple(bands),
        snapshot.image_size if image_size is None else image_size,
    )
    if found != wanted:
        raise ValueError(
            f"{snapshot.folder}: bands {' '.join(found[0])}, {found[1]} pixels, but wanted are bands "
            f"{' '.join(wanted[0])}, {wanted[1]} pixels; build the snapshot again with these, or train on what it holds"
        )
    return snapshot


def _known(snapshot: Snapshot, split: str, schema: str) -> np.ndarray:
    """Numbers of the galaxies of a split whose class in a schema is known; without a schema of all."""
    if not schema:
        return np.arange(snapshot.sizes[split])
    numbers = np.flatnonzero([label != "" for label in labels_of_split(snapshot, split, schema_named(schema))])
    if not len(numbers):
        raise ValueError(
            f"{snapshot.folder}: no galaxy in split {split} has a known {schema}; build from a table that tells it"
        )
    return numbers


def _iterate(
    snapshot: Snapshot, split: str | None, read: Callable[[Snapshot, str, Sequence[int]], Iterator[Any]]
) -> Iterator[Any]:
    for name in snapshot.sizes if split is None else [split]:
        _must_have(snapshot, name)
        for start in range(0, snapshot.sizes[name], _READ_AT_ONCE):
            yield from read(snapshot, name, range(start, min(start + _READ_AT_ONCE, snapshot.sizes[name])))


def _must_have(snapshot: Snapshot, split: str) -> None:
    if split not in snapshot.sizes:
        raise ValueError(
            f"{snapshot.folder}: no galaxies in split {split!r}, found {', '.join(snapshot.sizes)}; build from more "
            f"galaxies, or choose their splits by hand"
        )


def _stacked(snapshot: Snapshot, split: str, numbers: np.ndarray) -> Examples:
    """Examples of a split, by number, as stacked arrays."""
    total, size = len(numbers), snapshot.image_size
    image = np.empty((total, size, size, len(snapshot.bands)), np.uint8)
    target = np.empty((total, size, size, len(snapshot.classes)), np.uint8)
    weight = np.empty((total, size, size), np.uint8)
    rest: list[Example] = []
    for start in range(0, total, _READ_AT_ONCE):
        for example in read_examples(snapshot, split, numbers[start : start + _READ_AT_ONCE].tolist()):
            place = len(rest)
            image[place], target[place], weight[place] = example.image, example.target, example.weight
            rest.append(example)
    names = sorted({name for example in rest for name in example.truth})
    return Examples(
        object_id=np.array([example.object_id for example in rest]),
        survey=np.array([example.survey for example in rest]),
        image=image,
        target=target,
        weight=weight,
        ra_deg=np.array([example.ra_deg for example in rest], np.float64),
        dec_deg=np.array([example.dec_deg for example in rest], np.float64),
        revision=np.array([example.revision for example in rest]),
        truth={name: np.array([example.truth.get(name, math.nan) for example in rest], np.float64) for name in names},
    )


def _stacked_classes(snapshot: Snapshot, split: str, numbers: np.ndarray) -> ClassExamples:
    """Galaxies of a split, by number, as stacked arrays."""
    image = np.empty((len(numbers), snapshot.image_size, snapshot.image_size, len(snapshot.bands)), np.uint8)
    rest: list[ClassExample] = []
    for start in range(0, len(numbers), _READ_AT_ONCE):
        for example in read_class_examples(snapshot, split, numbers[start : start + _READ_AT_ONCE].tolist()):
            image[len(rest)] = example.image
            rest.append(replace(example, image=image[len(rest)]))  # so that one copy of the pictures is kept, not two
    names = sorted({name for example in rest for name in example.truth})
    return ClassExamples(
        object_id=np.array([example.object_id for example in rest]),
        survey=np.array([example.survey for example in rest]),
        image=image,
        morphology=np.array([example.labels.morphology for example in rest], str),
        winding=np.array([example.labels.winding for example in rest], str),
        t_type=np.array([example.labels.t_type for example in rest], np.float64),
        ra_deg=np.array([example.ra_deg for example in rest], np.float64),
        dec_deg=np.array([example.dec_deg for example in rest], np.float64),
        truth={name: np.array([example.truth.get(name, math.nan) for example in rest], np.float64) for name in names},
    )


def _column(part: Examples | ClassExamples, name: str) -> np.ndarray:
    return part.truth.get(name, np.full(len(part), math.nan))
