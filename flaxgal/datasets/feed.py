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

from flaxgal.config import RunConfig, TrainConfig
from flaxgal.datasets.builders import Snapshot, open_snapshot
from flaxgal.datasets.loader import Examples, concatenate, index_batches, load_split, stream_batches
from flaxgal.datasets.placing import check_apart

__all__ = [
    "Feed",
    "Pixels",
    "open_snapshots",
    "padded_batches",
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
    """(…, y, x, class) uint8."""
    weight: Any
    """(…, y, x) uint8."""


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

    def _rows(self, first_step: int, steps: int) -> np.ndarray:
        """Which resident galaxies make up each batch, (step, n)."""
        data, seed = self.config.data, self.config.seed
        return index_batches(
            _sizes(self.snapshots), data.batch_size, shares=data.shares, seed=seed, first_step=first_step, steps=steps
        )

    def _streamed(self, first_step: int) -> Iterator[Pixels]:
        data = self.config.data
        batches = stream_batches(
            [snapshot.folder for snapshot in self.snapshots],  # not by the config's paths: a newer version may be there
            "train",
            data.batch_size,
            seed=self.config.seed,
            first_step=first_step,
            steps=max(self.config.steps - first_step, 0),
            shares=data.shares,
            **_wanted(self.config),
        )
        return map(pixels_of, batches)


def training_feed(config: RunConfig, snapshots: Sequence[Snapshot], mesh: Mesh) -> Feed:
    """The training split of all snapshots: on the device if it is small enough, else streamed from disk.

    Raises
    ------
    ValueError
        If a snapshot has no training galaxies, or other bands, classes or size than the network.
    """
    resident = None
    if sum(_sizes(snapshots)) * _bytes_a_galaxy(config) <= config.data.resident_gigabytes * 1e9:
        pixels = pixels_of(_read(config, snapshots, "train"))
        resident = jax.device_put(pixels, NamedSharding(mesh, PartitionSpec()))
    return Feed(config=config, mesh=mesh, snapshots=tuple(snapshots), resident=resident)


def read_validation(config: RunConfig, snapshots: Sequence[Snapshot]) -> Examples | None:
    """The validation galaxies of all snapshots that have any, in memory; None when no snapshot has."""
    having = [snapshot for snapshot in snapshots if "validation" in snapshot.sizes]
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
    """The arrays of examples that a device is sent."""
    return Pixels(image=examples.image, target=examples.target, weight=examples.weight)


def unpack(batch: Pixels) -> tuple[Float[Array, "n y x band"], Float[Array, "n y x class"], Float[Array, "n y x"]]:
    """Image, target and weight as float32 in 0..1."""
    image, target, weight = (jnp.asarray(array).astype(jnp.float32) / 255.0 for array in batch)
    return image, target, weight


def _read(config: RunConfig, snapshots: Sequence[Snapshot], split: str) -> Examples:
    """A split of several snapshots in memory, in their order."""
    return concatenate([load_split(snapshot.folder, split, **_wanted(config)) for snapshot in snapshots])


def _wanted(config: RunConfig) -> dict[str, Any]:
    """What the pictures must be for the network to take them, and what must be known of them."""
    wanted: dict[str, Any] = {"bands": config.model.bands, "image_size": config.model.image_size}
    return wanted | ({"classes": config.model.classes} if isinstance(config, TrainConfig) else {})


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
