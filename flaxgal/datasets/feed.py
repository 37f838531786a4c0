"""What a training step is fed with: galaxies as bytes, resident on the device or streamed to it, split over a mesh.

Pictures stay 8-bit until the step itself makes floats of them: a quarter of the memory, and of the traffic.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, Float

from flaxgal.config import ClassifyConfig, RunConfig, TrainConfig
from flaxgal.datasets.batches import balanced_batches, index_batches
from flaxgal.datasets.builders import Snapshot, open_snapshot
from flaxgal.datasets.loader import Galaxies, galaxies_with_classes, galaxies_with_masks, stream_batches
from flaxgal.datasets.morphology import check_classes, class_balance, labels_of_split
from flaxgal.datasets.placing import check_apart
from flaxgal.datasets.stacked import ClassExamples, Examples, concatenate
from flaxgal.survey.schemas import LabelSchema, schema_named

__all__ = [
    "Feed",
    "Pixels",
    "about_snapshot",
    "open_snapshots",
    "padded_batches",
    "pixels_for",
    "pixels_of",
    "read_validation",
    "steps_per_dispatch",
    "training_feed",
    "unpack",
]


class Pixels(NamedTuple):
    """Galaxies as bytes, 255 for 1: what a snapshot holds and a device is sent."""

    image: Any
    """(…, y, x, band) uint8."""
    target: Any
    """(…, y, x, class) uint8; of a classifier (…, output)."""
    weight: Any
    """(…, y, x) uint8; of a classifier (…,)."""


@dataclass(frozen=True, eq=False)
class Feed:
    """The training split, ready for `flaxgal.train.train_step`."""

    config: RunConfig
    mesh: Mesh
    snapshots: tuple[Snapshot, ...]
    resident: Pixels | None
    """All of them on every device; None when they stream."""

    def dispatches(self, first_step: int) -> Iterator[tuple[int, Any]]:
        """For each call of the step: the number of steps done after it, and the galaxies it takes."""
        most = steps_per_dispatch(self.config)
        batches = None if self.resident else self._streamed(first_step)
        step = first_step
        while step < self.config.steps:
            count = min(most - step % most, self.config.steps - step)
            picks = self._rows(step, count) if batches is None else _stacked(next(batches) for _ in range(count))
            step += count
            yield step, jax.device_put(picks, NamedSharding(self.mesh, PartitionSpec(None, "data")))

    def class_counts(self) -> tuple[int, ...]:
        """Galaxies of each class, in the order of the schema; empty for masks."""
        if not isinstance(self.config, ClassifyConfig):
            return ()
        numbers = np.concatenate(_class_numbers(self.snapshots, schema_named(self.config.task)))
        return tuple(np.bincount(numbers, minlength=len(schema_named(self.config.task).classes)).tolist())

    def first_galaxies(self, most: int) -> Iterator[Pixels]:
        """Some of the galaxies, in batches, as they are: all of them, or about `most` that come first in training."""
        number = self.config.data.batch_size
        if self.resident is None:
            batches = self._streamed(0)
            yield from (next(batches) for _ in range(min(most // number, self.config.steps)))
            return
        for start in range(0, min(most, len(self.resident.image)), number):
            yield Pixels(*(np.asarray(array[start : start + number]) for array in self.resident))

    def _rows(self, first_step: int, steps: int) -> np.ndarray:
        """Which resident galaxies make up each batch, (step, n)."""
        config, data = self.config, self.config.data
        order: dict[str, Any] = {"shares": data.shares, "seed": config.seed, "first_step": first_step, "steps": steps}
        if not isinstance(config, ClassifyConfig):
            return index_batches(_sizes(self.snapshots), data.batch_size, **order)
        classes = _class_numbers(self.snapshots, schema_named(config.task))
        if data.balance:
            return balanced_batches(classes, data.batch_size, **order)
        return index_batches([len(one) for one in classes], data.batch_size, **order)

    def _streamed(self, first_step: int) -> Iterator[Pixels]:
        config, data = self.config, self.config.data
        batches = stream_batches(
            _galaxies(config, self.snapshots, "train"),
            data.batch_size,
            seed=config.seed,
            balance=isinstance(config, ClassifyConfig) and data.balance,
            first_step=first_step,
            steps=max(config.steps - first_step, 0),
            shares=data.shares,
        )
        return (pixels_for(config, batch) for batch in batches)


def training_feed(config: RunConfig, snapshots: Sequence[Snapshot], mesh: Mesh) -> Feed:
    """The training split of all snapshots: on the device if it is small enough, else streamed from disk.

    A classifier is fed with the galaxies whose class is known.

    Raises
    ------
    ValueError
        If a snapshot has no training galaxies, other bands or size than the network, other classes than a run that
        learns arms, or not all classes that a classifier is to tell apart.
    """
    if isinstance(config, ClassifyConfig):
        check_classes(snapshots, schema_named(config.task))
    resident = None
    if sum(_sizes(snapshots)) * _bytes_a_galaxy(config) <= config.data.resident_gigabytes * 1e9:
        pixels = pixels_for(config, _read(config, snapshots, "train"))
        resident = jax.device_put(pixels, NamedSharding(mesh, PartitionSpec()))
    return Feed(config=config, mesh=mesh, snapshots=tuple(snapshots), resident=resident)


def read_validation(config: RunConfig, snapshots: Sequence[Snapshot]) -> Examples | ClassExamples | None:
    """The validation galaxies of all snapshots that have any, in memory; None when no snapshot has.

    Of a classifier: those whose class is known.
    """
    having = [snapshot for snapshot in snapshots if _has_validation(config, snapshot)]
    return _read(config, having, "validation") if having else None


def open_snapshots(config: RunConfig) -> tuple[Snapshot, ...]:
    """The snapshots that the config names.

    Raises
    ------
    ValueError
        If it names none, one is not there, or a galaxy is in different splits of two.
    """
    folders = config.data.snapshots
    if not folders:
        raise ValueError("no data to train on: give snapshots by --data.snapshots (flaxgal build or mock makes them)")
    snapshots = tuple(open_snapshot(folder) for folder in folders)
    check_apart([snapshot.folder for snapshot in snapshots])
    return snapshots


def about_snapshot(config: RunConfig, snapshot: Snapshot) -> dict[str, Any]:
    """What the run folder says of a snapshot; of a classifier also how many galaxies of each class it saw.

    Under the class "" are those that were left out, as their class is not known.
    """
    about = {"name": snapshot.name, "version": snapshot.version, "sizes": dict(snapshot.sizes)}
    if isinstance(config, ClassifyConfig):
        about["classes"] = class_balance(snapshot, schema_named(config.task))
        about["crop"] = snapshot.crop
    return about


def steps_per_dispatch(config: RunConfig) -> int:
    """Steps that one call runs: at most as many as asked for, and so that calls end where the run looks."""
    wanted = config.steps_per_dispatch or (1 if jax.default_backend() == "cpu" else 20)
    return max(count for count in range(1, wanted + 1) if config.evaluate_every % count == 0)


def padded_batches(pixels: Pixels, batch_size: int) -> Iterator[tuple[Pixels, int]]:
    """All galaxies in batches of one shape, so that a step compiles once; and how many of each batch are real.

    The last batch is filled up with galaxies of weight 0.
    """
    for start in range(0, len(pixels.image), batch_size):
        batch = Pixels(*(array[start : start + batch_size] for array in pixels))
        real = len(batch.image)
        missing = batch_size - real
        yield Pixels(*(np.pad(array, [(0, missing)] + [(0, 0)] * (array.ndim - 1)) for array in batch)), real


def pixels_of(examples: Examples) -> Pixels:
    """The arrays of galaxies with masks that a device is sent."""
    return Pixels(image=examples.image, target=examples.target, weight=examples.weight)


def pixels_for(config: RunConfig, examples: Examples | ClassExamples) -> Pixels:
    """The arrays that a device is sent of galaxies that a run reads: with its masks, or with its task's classes."""
    if isinstance(examples, Examples):
        return pixels_of(examples)
    if not isinstance(config, ClassifyConfig):
        raise TypeError(f"galaxies with classes for a {type(config).__name__}")
    schema = schema_named(config.task)
    return Pixels(image=examples.image, target=examples.target(schema), weight=examples.weight(schema))


def unpack(batch: Pixels) -> tuple[Float[Array, "n y x band"], Float[Array, "*place output"], Float[Array, "*place"]]:
    """Image, target and weight as float32 in 0..1."""
    image, target, weight = (jnp.asarray(array).astype(jnp.float32) / 255.0 for array in batch)
    return image, target, weight


def _read(config: RunConfig, snapshots: Sequence[Snapshot], split: str) -> Examples | ClassExamples:
    """A split of several snapshots in memory, in their order."""
    return concatenate([galaxies.load() for galaxies in _galaxies(config, snapshots, split)])


def _galaxies(config: RunConfig, snapshots: Sequence[Snapshot], split: str) -> Sequence[Galaxies[Any]]:
    """What a run takes of a split of several snapshots, if their pictures are as its network takes them."""
    # Not by the config's paths: a newer version may be there.
    folders, model = [snapshot.folder for snapshot in snapshots], config.model
    wanted: dict[str, Any] = {"bands": model.bands, "image_size": model.image_size}
    if isinstance(config, ClassifyConfig):
        return [galaxies_with_classes(folder, split, schema=config.task, **wanted) for folder in folders]
    if isinstance(config, TrainConfig):
        wanted["classes"] = config.model.classes
    return [galaxies_with_masks(folder, split, **wanted) for folder in folders]


def _has_validation(config: RunConfig, snapshot: Snapshot) -> bool:
    if not isinstance(config, ClassifyConfig):
        return "validation" in snapshot.sizes
    counts = class_balance(snapshot, schema_named(config.task)).get("validation", {})
    return any(number for label, number in counts.items() if label)


def _class_numbers(snapshots: Sequence[Snapshot], schema: LabelSchema) -> list[np.ndarray]:
    """Of each snapshot, the number of each training galaxy's class, without those whose class is not known."""
    labels = [labels_of_split(snapshot, "train", schema) for snapshot in snapshots]
    return [np.array([schema.classes.index(name) for name in names if name], np.int32) for names in labels]


def _sizes(snapshots: Sequence[Snapshot]) -> tuple[int, ...]:
    """Training galaxies in each snapshot."""
    return tuple(snapshot.sizes.get("train", 0) for snapshot in snapshots)


def _bytes_a_galaxy(config: RunConfig) -> int:
    pixels = config.model.image_size**2
    maps = len(config.model.classes) + 1 if isinstance(config, TrainConfig) else 0
    return pixels * (len(config.model.bands) + maps)


def _stacked(batches: Iterator[Pixels]) -> Pixels:
    """Batches of several steps as one, (step, n, …)."""
    return Pixels(*(np.stack(arrays) for arrays in zip(*batches, strict=True)))
