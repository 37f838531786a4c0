"""From snapshots to batches: batch k is a pure function of (snapshots, seed, k), so resuming needs no state."""

import functools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import Float64, Int32, UInt8

from flaxgal.datasets.builders import Snapshot, open_snapshot, read_examples
from flaxgal.datasets.examples import Example

__all__ = ["Examples", "concatenate", "index_batches", "iterate_examples", "load_split", "stream_batches"]

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


def load_split(
    folder: Path | str,
    split: str,
    *,
    bands: Sequence[str] | None = None,
    classes: Sequence[str] | None = None,
    image_size: int | None = None,
) -> Examples:
    """A whole split in memory, for data sets that fit. Bands, classes and size are checked where they are given.

    Raises
    ------
    ValueError
        If the folder holds no snapshot, the split is empty, or the snapshot holds other pictures than wanted.
    """
    snapshot = _checked(folder, split, bands, classes, image_size)
    return _stacked(snapshot, split, np.arange(snapshot.sizes[split]))


def iterate_examples(folder: Path | str, split: str | None = None) -> Iterator[Example]:
    """Every example of a split, or of all splits, one at a time."""
    snapshot = open_snapshot(folder)
    for name in snapshot.sizes if split is None else [split]:
        _must_have(snapshot, name)
        for start in range(0, snapshot.sizes[name], _READ_AT_ONCE):
            yield from read_examples(snapshot, name, range(start, min(start + _READ_AT_ONCE, snapshot.sizes[name])))


def concatenate(parts: Sequence[Examples]) -> Examples:
    """Several sets of examples as one, in the order given: the order that `index_batches` counts in."""
    names = sorted({name for part in parts for name in part.truth})
    columns = ("object_id", "survey", "image", "target", "weight", "ra_deg", "dec_deg", "revision")
    joined = {column: np.concatenate([getattr(part, column) for part in parts]) for column in columns}
    truth = {name: np.concatenate([_column(part, name) for part in parts]) for name in names}
    return Examples(**joined, truth=truth)


def index_batches(
    sizes: Sequence[int],
    batch_size: int,
    *,
    shares: Sequence[float] = (),
    seed: int,
    first_step: int,
    steps: int,
) -> Int32[np.ndarray, "step batch"]:
    """Which examples make up batches first_step … first_step + steps − 1, as numbers into the concatenated snapshots.

    Without shares, all snapshots are one pile, shuffled anew each epoch: every example comes once before any comes
    twice. With shares, each snapshot is such a pile of its own, and batch k takes its share from each, exact to less
    than one example a batch and exact in the long run.

    Parameters
    ----------
    sizes
        Examples in each snapshot.
    shares
        Share of each snapshot in every batch, summing to 1.

    Raises
    ------
    ValueError
        If shares are not one positive-or-zero number a snapshot summing to 1, or a share is of an empty snapshot.
    """
    if not shares:
        return _rows([(sum(sizes), 0)], np.full((steps, 1), batch_size), np.array([first_step * batch_size]), seed)
    _check_shares(sizes, shares)
    counts = _counts(shares, batch_size, first_step + steps)
    offsets = np.concatenate([[0], np.cumsum(sizes)])[:-1]
    piles = list(zip(sizes, offsets.tolist(), strict=True))
    return _rows(piles, counts[first_step:], counts[:first_step].sum(axis=0), seed)


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
    import grain

    if batch_size % process_count:
        raise ValueError(f"batch of {batch_size} for {process_count} hosts; take a multiple of {process_count}")
    several = [folders] if isinstance(folders, str | Path) else list(folders)
    snapshots = [_checked(folder, split, bands, classes, image_size) for folder in several]
    source = _Batches(
        tuple(snapshots), split, batch_size, tuple(shares), seed, first_step, steps, process_index, process_count
    )
    options = grain.ReadOptions(num_threads=threads, prefetch_buffer_size=read_ahead)
    return iter(grain.MapDataset.source(source).to_iter_dataset(options))


@dataclass(frozen=True)
class _Batches:
    """Batches as grain wants a source: item i is batch first_step + i, read when it is asked for."""

    snapshots: tuple[Snapshot, ...]
    split: str
    batch_size: int
    shares: tuple[float, ...]
    seed: int
    first_step: int
    steps: int | None
    process_index: int
    process_count: int

    def __len__(self) -> int:
        return self.steps if self.steps is not None else 2**31 - 1 - self.first_step

    def __getitem__(self, item: int) -> Examples:
        sizes = [snapshot.sizes[self.split] for snapshot in self.snapshots]
        step = self.first_step + int(item)
        batch = index_batches(sizes, self.batch_size, shares=self.shares, seed=self.seed, first_step=step, steps=1)[0]
        mine = self.batch_size // self.process_count
        batch = batch[self.process_index * mine : (self.process_index + 1) * mine]
        return self._read(batch, np.concatenate([[0], np.cumsum(sizes)]))

    def _read(self, batch: np.ndarray, offsets: np.ndarray) -> Examples:
        owner = np.searchsorted(offsets, batch, side="right") - 1
        order, parts = [], []
        for number in np.unique(owner):
            here = np.flatnonzero(owner == number)
            parts.append(_stacked(self.snapshots[number], self.split, batch[here] - offsets[number]))
            order.append(here)
        return _taken(concatenate(parts), np.argsort(np.concatenate(order)))


def _rows(
    piles: Sequence[tuple[int, int]], counts: np.ndarray, taken_before: np.ndarray, seed: int
) -> Int32[np.ndarray, "step batch"]:
    """Batches that take counts[step, pile] examples from each endless shuffled pile (size, offset)."""
    rows = np.empty((len(counts), int(counts[0].sum()) if len(counts) else 0), np.int32)
    ends = np.cumsum(counts, axis=1)
    for pile, (size, offset) in enumerate(piles):
        drawn = _draw(size, seed, pile, int(taken_before[pile]), int(counts[:, pile].sum())) + offset
        step = np.repeat(np.arange(len(counts)), counts[:, pile])
        first = np.cumsum(counts[:, pile]) - counts[:, pile]
        column = np.arange(len(drawn)) - first[step] + (ends[:, pile] - counts[:, pile])[step]
        rows[step, column] = drawn
    return rows


def _draw(size: int, seed: int, pile: int, start: int, number: int) -> Int32[np.ndarray, " number"]:
    """Examples start … start + number − 1 of a pile that is shuffled anew each epoch."""
    if number == 0:
        return np.empty(0, np.int32)
    epochs = range(start // size, (start + number - 1) // size + 1)
    drawn = np.concatenate([_epoch(size, seed, pile, epoch) for epoch in epochs])
    return drawn[start - epochs[0] * size :][:number]


@functools.lru_cache(maxsize=16)
def _epoch(size: int, seed: int, pile: int, epoch: int) -> Int32[np.ndarray, " size"]:
    """The order of a pile in an epoch."""
    order = np.random.default_rng([seed, pile, epoch]).permutation(size).astype(np.int32)
    order.flags.writeable = False
    return order


def _counts(shares: Sequence[float], batch_size: int, steps: int) -> np.ndarray:
    """Examples from each snapshot in batches 0 … steps − 1 (step, snapshot): floor or ceiling of share × batch size.

    The places left over by the floors go round by systematic sampling: the fractions are laid end to end on a circle,
    and marks one apart, turned by the golden section from batch to batch, pick who gets one more.
    """
    wanted = np.asarray(shares, np.float64) / math.fsum(shares) * batch_size
    wanted = np.where(np.abs(wanted - np.rint(wanted)) < 1e-9 * batch_size, np.rint(wanted), wanted)
    floors = np.floor(wanted).astype(np.int64)
    left_over = batch_size - int(floors.sum())
    counts = np.tile(floors, (steps, 1))
    if left_over:
        edges = np.cumsum(wanted - floors)
        edges *= left_over / edges[-1]
        turn = (np.arange(steps, dtype=np.uint64) * np.uint64(2654435769) % np.uint64(2**32)) / 2**32
        marks = turn[:, None] + np.arange(left_over)
        chosen = np.minimum(np.searchsorted(edges, marks, side="right"), len(floors) - 1)
        np.add.at(counts, (np.arange(steps)[:, None], chosen), 1)
    return counts


def _check_shares(sizes: Sequence[int], shares: Sequence[float]) -> None:
    if len(shares) != len(sizes) or min(shares) < 0 or abs(sum(shares) - 1) > 1e-6:
        raise ValueError(f"shares {tuple(shares)} for {len(sizes)} snapshots; give one a snapshot, summing to 1")
    if any(share > 0 and size == 0 for share, size in zip(shares, sizes, strict=True)):
        raise ValueError(f"shares {tuple(shares)} of snapshots with {tuple(sizes)} galaxies; one of them is empty")


def _checked(
    folder: Path | str,
    split: str,
    bands: Sequence[str] | None,
    classes: Sequence[str] | None,
    image_size: int | None,
) -> Snapshot:
    """The snapshot in a folder, if it is what is wanted."""
    snapshot = open_snapshot(folder)
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


def _column(part: Examples, name: str) -> np.ndarray:
    return part.truth.get(name, np.full(len(part), math.nan))


def _taken(examples: Examples, order: np.ndarray) -> Examples:
    """The examples in another order."""
    columns = {name: getattr(examples, name)[order] for name in examples.__dataclass_fields__ if name != "truth"}
    return Examples(**columns, truth={name: values[order] for name, values in examples.truth.items()})
