"""Weights on disk, and back: Orbax, a flat dictionary of arrays named by their path, nothing that only this code reads.

    RUN/checkpoints/last/000600    everything that training goes on from
    RUN/checkpoints/best/000500    the averaged weights of the look with the best validation score

A checkpoint is written under a temporary name, renamed when it is whole, and only then are older ones removed: a run
that dies while it saves leaves the one before. `best` never runs ahead of what `last` can go on from (`prune`).
"""

from __future__ import annotations

import logging
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import jax
import numpy as np
from flax import nnx

from flaxgal.config import ClassifyConfig, RunConfig, TrainConfig
from flaxgal.models.classifier import Classifier
from flaxgal.models.networks import new_network
from flaxgal.models.unet import UNet
from flaxgal.runlog import CHECKPOINTS, read_arms_config, read_class_config, read_config, read_schema
from flaxgal.survey.mask_thresholds import DEFAULT_THRESHOLD, MaskThresholds, read_mask_thresholds
from flaxgal.survey.schemas import LabelSchema, schema_named

__all__ = [
    "ClassifierRun",
    "Run",
    "leaves_by_path",
    "load_classifier",
    "load_run",
    "load_weights",
    "prune",
    "read_arrays",
    "restore",
    "save",
    "steps_saved",
    "with_encoder",
]

Tree = TypeVar("Tree")
Network = TypeVar("Network", bound=nnx.Module)


@dataclass(frozen=True, eq=False)
class Run:
    """A run that learnt arms, ready to be applied."""

    name: str
    """Name of its folder."""
    config: TrainConfig
    model: UNet
    """With the averaged weights."""
    step: int
    """Training steps behind these weights."""
    mask_thresholds: MaskThresholds | None = None
    """What validation galaxies asked for; None when not known."""

    @property
    def threshold(self) -> float:
        """A pixel is arm where its probability is above this, unless somebody asks for another."""
        if self.config.threshold is not None:
            return self.config.threshold
        return DEFAULT_THRESHOLD if self.mask_thresholds is None else self.mask_thresholds.threshold

    def threshold_range(self, threshold: float) -> tuple[float, float] | None:
        """Thresholds of masks one sigma more generous and one stricter than those of `threshold`; None if not known."""
        return None if self.mask_thresholds is None else self.mask_thresholds.range_about(threshold)


@dataclass(frozen=True, eq=False)
class ClassifierRun:
    """A run that learnt classes, ready to be applied."""

    name: str
    """Name of its folder."""
    config: ClassifyConfig
    schema: LabelSchema
    """What its outputs stand for."""
    model: Classifier
    """With the averaged weights."""
    step: int
    """Training steps behind these weights."""


def load_run(folder: Path | str) -> Run:
    """The run on arms in `folder`, with the averaged weights of its best look, or of its last when it never looked.

    Raises
    ------
    ValueError
        If the folder is no run folder, or one of classes; has no checkpoint, or its checkpoint does not fit its config.
    """
    folder = Path(folder)
    config = read_arms_config(folder)
    model, step = _filled(folder, jax.eval_shape(lambda: UNet(config.model, nnx.Rngs(params=0))))
    found = read_mask_thresholds(folder, step)
    return Run(name=folder.resolve().name, config=config, model=model, step=step, mask_thresholds=found)


def load_classifier(folder: Path | str) -> ClassifierRun:
    """The run on classes in `folder`, with the averaged weights of its best look, or of its last.

    `flaxgal.runlog.read_config` tells which kind of run a folder holds.

    Raises
    ------
    ValueError
        If the folder is no run folder, or one of arms; has no checkpoint, or its checkpoint does not fit its config.
    """
    folder = Path(folder)
    config, schema = read_class_config(folder), read_schema(folder)
    like = jax.eval_shape(lambda: Classifier(config.model, schema.outputs, nnx.Rngs(params=0)))
    model, step = _filled(folder, like)
    return ClassifierRun(name=folder.resolve().name, config=config, schema=schema, model=model, step=step)


def load_weights(folder: Path | str, config: RunConfig) -> tuple[UNet | Classifier, int]:
    """The averaged weights of a run's best look, or of its last, in the network of another config; and their step.

    Raises
    ------
    ValueError
        If the folder is no run folder, or that of a run with other outputs; if it has no checkpoint, or one of another
        network.
    """
    folder = Path(folder)
    there, here = (_outputs(one) for one in (read_config(folder), config))
    if there != here:
        raise ValueError(
            f"{folder}: that run's network answers with {there}, the one to train with {here}, so it cannot start from "
            f"all of its weights; take its way down alone, by --encoder-from {folder} in place of --start-from"
        )
    return _filled(folder, jax.eval_shape(lambda: new_network(config, nnx.Rngs(params=0))))


def with_encoder(model: Network, folder: Path | str) -> Network:
    """A network whose way down, all weights below `down/`, is that of a run or of what `flaxgal convert` wrote.

    Raises
    ------
    ValueError
        If the folder has no checkpoint, or its way down is not made as the network's.
    """
    folder = Path(folder)
    found, step = read_arrays(folder, _best_or_last(folder))
    path = f"{folder} (step {step})"
    start = "average/"
    encoder = {name.removeprefix(start): array for name, array in found.items() if name.startswith(f"{start}down/")}
    wanted = {name: leaf.shape for name, leaf in leaves_by_path(model).items() if name.startswith("down/")}
    if not encoder:
        raise ValueError(f"{path}: holds no way down to take (no down/...); give a run or what flaxgal convert wrote")
    for name in sorted(wanted.keys() | encoder.keys()):
        here, there = wanted.get(name), encoder[name].shape if name in encoder else None
        if here != there:
            raise ValueError(
                f"{path}: the way down there has {_said(name, there)}, that of the network to train has "
                f"{_said(name, here)}; choose the same bands, kind of blocks, --model.widths, --model.blocks and "
                f"--model.stem for both, and for a classifier --model.view sky unless the other has log_polar, too"
            )
    return jax.tree_util.tree_map_with_path(lambda path, leaf: jax.numpy.asarray(encoder.get(_name(path), leaf)), model)


def save(folder: Path, kind: str, step: int, tree: Any) -> Path:
    """Write the arrays of `tree` as the checkpoint `kind` ("best" or "last") of a step; whole on disk on return."""
    path = _home(folder, kind) / f"{step:06d}"
    # NumPy arrays, as arrays of JAX would be restored onto the devices they were saved from, and no others.
    arrays = {name: np.asarray(leaf) for name, leaf in leaves_by_path(tree).items()}
    _checkpointer().save(path.resolve(), arrays, force=True)
    return path


def restore(folder: Path, kind: str, like: Tree) -> tuple[Tree, int]:
    """The newest checkpoint `kind`, in the structure of `like` (arrays, or `jax.eval_shape` of them), and its step.

    Arrays of the checkpoint that `like` has not are passed over: averaged weights can be had from a full checkpoint.

    Raises
    ------
    ValueError
        If there is none, it is damaged, or an array is missing or of another shape.
    """
    found, step = read_arrays(folder, kind)
    return _fill(like, found, _home(folder, kind) / f"{step:06d}"), step


def read_arrays(folder: Path, kind: str) -> tuple[dict[str, np.ndarray], int]:
    """All arrays of the newest checkpoint `kind` by their path, and its step.

    Raises
    ------
    ValueError
        If there is none, or it is damaged.
    """
    steps = steps_saved(folder, kind)
    if not steps:
        raise ValueError(
            f"{folder} has no checkpoint ({CHECKPOINTS}/{kind} is empty): the run never got to its first save; "
            f"train it (flaxgal train --resume) or give another run"
        )
    path = _home(folder, kind) / f"{steps[-1]:06d}"
    try:
        found = _checkpointer().restore(path.resolve())
        return {name: np.asarray(value) for name, value in found.items()}, steps[-1]
    except Exception as error:  # Orbax and TensorStore raise whatever they like for damaged files
        raise ValueError(
            f"{path}: not a readable checkpoint ({type(error).__name__}); remove it to use an older one, or train again"
        ) from error


def steps_saved(folder: Path, kind: str) -> list[int]:
    """Steps of the checkpoints of a kind that are whole, oldest first."""
    home = _home(folder, kind)
    return sorted(int(entry.name) for entry in home.iterdir() if entry.name.isdigit()) if home.is_dir() else []


def prune(folder: Path, kind: str, *, keep: int | None = None, beyond: int | None = None) -> None:
    """Remove the checkpoints of a kind but the newest `keep`, or those of steps beyond a step, and unfinished ones."""
    home = _home(folder, kind)
    steps = steps_saved(folder, kind)
    for entry in home.iterdir() if home.is_dir() else ():
        stale = not entry.name.isdigit()
        old = keep is not None and not stale and int(entry.name) not in steps[-keep:]
        ahead = beyond is not None and not stale and int(entry.name) > beyond
        if stale or old or ahead:
            shutil.rmtree(entry, ignore_errors=True)


def leaves_by_path(tree: Any) -> dict[str, jax.Array]:
    """The arrays of a pytree under names such as `model/down/0/convolution/kernel/value`."""
    return {_name(path): leaf for path, leaf in jax.tree_util.tree_leaves_with_path(tree)}


def _filled(folder: Path, network: Network) -> tuple[Network, int]:
    """The averaged weights of the best look, or of the last, in the structure of a network; and their step."""
    tree, step = restore(folder, _best_or_last(folder), {"average": network})
    return jax.device_put(tree["average"]), step


def _outputs(config: RunConfig) -> str:
    """What a run's network answers with, in words."""
    if isinstance(config, TrainConfig):
        return f"maps of {' and '.join(config.model.classes)}"
    if isinstance(config, ClassifyConfig):
        return f"{schema_named(config.task).outputs} numbers a galaxy"
    raise TypeError(f"no network for a {type(config).__name__}")


def _best_or_last(folder: Path) -> str:
    return "best" if steps_saved(folder, "best") else "last"


def _said(name: str, shape: tuple[int, ...] | None) -> str:
    return f"no {name}" if shape is None else f"{name} of shape {shape}"


def _fill(like: Tree, found: dict[str, np.ndarray], path: Path) -> Tree:
    """`like` with the arrays that were found, checked one by one."""

    def leaf(key_path: Any, wanted: Any) -> np.ndarray:
        name = _name(key_path)
        if name not in found:
            raise ValueError(f"{path}: holds no {name}, which the run's config asks for; it is of another network")
        array = found[name]
        if array.shape != wanted.shape:
            raise ValueError(
                f"{path}: {name} has shape {array.shape}, the run's config asks for {wanted.shape}; give the "
                f"config.json that it was trained with, or train again"
            )
        return array.astype(wanted.dtype, copy=False)

    return jax.tree_util.tree_map_with_path(leaf, like)


def _name(path: Any) -> str:
    return jax.tree_util.keystr(path, simple=True, separator="/")


def _home(folder: Path, kind: str) -> Path:
    return Path(folder) / CHECKPOINTS / kind


def _checkpointer() -> Any:
    """Orbax, imported when first needed (it takes seconds) and told to keep its diary to itself."""
    import orbax.checkpoint

    logging.getLogger("absl").setLevel(logging.ERROR)
    return orbax.checkpoint.PyTreeCheckpointer()
