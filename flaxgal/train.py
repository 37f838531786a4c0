"""Training: one jitted step over a mesh of devices, and the loop that feeds it, looks, saves and goes on.

Every random choice of step k is a function of (seed, k) alone, so a run that was killed goes on bit for bit as if it
had not been.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, Float, Int

from flaxgal import checkpoint, runlog
from flaxgal.config import RunConfig
from flaxgal.datasets.feed import (
    Pixels,
    about_snapshot,
    open_snapshots,
    padded_batches,
    pixels_for,
    read_validation,
    training_feed,
    unpack,
)
from flaxgal.datasets.stacked import ClassExamples, Examples
from flaxgal.models.networks import new_network
from flaxgal.segmenting import arm_class
from flaxgal.tasks import task_of
from flaxgal.training_journal import Journal, Progress

__all__ = ["State", "arm_class", "device_mesh", "eval_step", "new_state", "score", "train", "train_step"]

RECORD_EVERY = 10
"""Steps between lines in metrics.jsonl, beside one at each look."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True, eq=False)
class State:
    """All that a training step changes. The same on every device of the mesh."""

    model: nnx.Module
    optimizer: Any
    """Optax's state."""
    average: nnx.Module
    """Moving average of the weights: what is evaluated, saved and used."""
    step: Any
    """int32 scalar: steps done."""
    key: Any
    """The run's key; a step folds its number in."""


@partial(jax.jit, static_argnames=("config", "mesh"), donate_argnames="state")
def train_step(
    state: State, resident: Pixels | None, picks: Any, *, config: RunConfig, mesh: Mesh
) -> tuple[State, dict[str, Float[Array, " step"]]]:
    """The state some steps on, and loss and gradient norm of each step.

    Parameters
    ----------
    state
        Given up: its memory is used for the new one.
    resident
        A training set that lives on the device, or None.
    picks
        Galaxies of each step: int32 (step, n), rows of `resident`; or, without it, the `Pixels` themselves with the
        leading axes (step, n). n is split over the mesh.
    """

    def step(state: State, pick: Any) -> tuple[State, dict[str, jax.Array]]:
        batch = pick if resident is None else jax.tree.map(lambda array: array[pick], resident)
        batch = jax.lax.with_sharding_constraint(batch, NamedSharding(mesh, PartitionSpec("data")))
        state, report = _update(state, batch, config)
        return jax.lax.with_sharding_constraint(state, NamedSharding(mesh, PartitionSpec())), report

    if len(jax.tree.leaves(picks)[0]) > 1:
        return jax.lax.scan(step, state, picks)
    # Not a scan of length one: XLA's loops on a CPU run convolutions without their fast path, 25 times slower.
    state, report = step(state, jax.tree.map(lambda array: array[0], picks))
    return state, jax.tree.map(lambda value: value[None], report)


@partial(jax.jit, static_argnames="config")
def eval_step(model: nnx.Module, batch: Pixels, *, config: RunConfig) -> dict[str, Float[Array, " n"]]:
    """What the task's `look` finds of each galaxy: its loss, and what its scores are made of."""
    image, target, weight = unpack(batch)
    return task_of(config).look(model(image), target, weight)


def _update(state: State, batch: Pixels, config: RunConfig) -> tuple[State, dict[str, jax.Array]]:
    """One step of optimisation."""
    task = task_of(config)
    augment_key, dropout_key = jax.random.split(jax.random.fold_in(state.key, state.step))
    image, target, weight = task.augment(augment_key, *unpack(batch))

    def loss_of(model: Any) -> jax.Array:
        return task.loss(model(image, key=dropout_key), target, weight)

    loss, gradient = jax.value_and_grad(loss_of)(state.model)
    change, optimizer = make_optimizer(config).update(gradient, state.optimizer, state.model)
    model = optax.apply_updates(state.model, change)
    average = moving_average(state.average, model, state.step, config.optimizer.average_decay)
    report = {
        "loss": loss,
        "gradient_norm": optax.tree.norm(gradient),
        "learning_rate": jnp.asarray(learning_rate(config)(state.step), jnp.float32),
    }
    return State(model=model, optimizer=optimizer, average=average, step=state.step + 1, key=state.key), report


def moving_average(average: Any, weights: Any, step: Int[Array, ""], decay: float) -> Any:
    """The exponential average of the weights after each step (pytrees), after `step` + 1 steps, without bias.

    Weights w_1 … w_t are averaged with shares proportional to decay^(t-i), which sum to 1 from the first step on
    (the bias correction of Kingma & Ba 2015, sec. 3, carried along).
    """
    done = step.astype(jnp.float32)
    old = decay * (1 - decay**done) / (1 - decay ** (done + 1))
    return jax.tree.map(lambda a, w: old * a + (1 - old) * w, average, weights)


def make_optimizer(config: RunConfig) -> optax.GradientTransformation:
    """AdamW on clipped gradients; kernels decay, biases and scales do not."""
    chosen = config.optimizer
    return optax.chain(
        optax.clip_by_global_norm(chosen.clip_norm),
        optax.adamw(
            learning_rate(config),
            weight_decay=chosen.weight_decay,
            mask=lambda model: jax.tree.map(lambda leaf: leaf.ndim > 1, model),
        ),
    )


def learning_rate(config: RunConfig) -> optax.Schedule:
    """Linear warm-up, at most half of the run, then half a cosine down to 0 at the last step."""
    peak = config.optimizer.learning_rate
    warmup = min(config.optimizer.warmup_steps, config.steps // 2)
    return optax.warmup_cosine_decay_schedule(
        init_value=peak / (warmup + 1), peak_value=peak, warmup_steps=warmup, decay_steps=max(config.steps, 1)
    )


def new_state(config: RunConfig, mesh: Mesh) -> State:
    """The state before the first step, on every device."""
    if config.start_from:
        model, _ = checkpoint.load_weights(config.start_from, config)
    else:
        # XLA's own generator, once: the default one takes twice as long to compile for all the shapes of a network.
        model = new_network(config, nnx.Rngs(params=jax.random.key(config.seed, impl="rbg")))
    if config.encoder_from:
        model = checkpoint.with_encoder(model, config.encoder_from)
    return jax.device_put(_state_of(model, config), NamedSharding(mesh, PartitionSpec()))


def restored_state(config: RunConfig, folder: Path, mesh: Mesh) -> State:
    """The state of the last checkpoint in a run folder, on every device; nothing is computed for it."""
    model = jax.eval_shape(lambda: new_network(config, nnx.Rngs(params=0)))
    like = jax.eval_shape(partial(_state_of, config=config), model)
    saved, step = checkpoint.restore(folder, "last", _kept(like))
    state = State(**saved, step=jnp.asarray(step, jnp.int32), key=jax.random.key(config.seed))
    return jax.device_put(state, NamedSharding(mesh, PartitionSpec()))


def _state_of(model: nnx.Module, config: RunConfig) -> State:
    return State(
        model=model,
        optimizer=make_optimizer(config).init(model),
        average=jax.tree.map(jnp.copy, model),  # its own memory: the step gives up both
        step=jnp.zeros((), jnp.int32),
        key=jax.random.key(config.seed),
    )


def device_mesh(batch_size: int) -> Mesh:
    """All devices in one row named "data", over which each batch is split.

    Raises
    ------
    ValueError
        If the batch cannot be split evenly.
    """
    devices = jax.device_count()
    if batch_size % devices:
        raise ValueError(
            f"data.batch_size {batch_size} cannot be split evenly over {devices} devices: give a multiple of {devices}"
        )
    # Axes are made Explicit by default in newer JAX, and then a step compiles twice.
    return jax.make_mesh((devices,), ("data",), axis_types=(AxisType.Auto,))


def train(config: RunConfig, run_folder: Path | str, *, resume: bool = False) -> Iterator[Progress]:
    """Train a network, and yield how it stands after every call of the step.

    Leaves in the run folder what `flaxgal.runlog` lists. Where it looks (each `evaluate_every` steps and at the end)
    the averaged weights are scored on the validation split of all snapshots, and checkpoints are saved.

    Runs on all devices of one host. The learning rate is planned over `config.steps`: a finished run that is resumed
    with more steps jumps from rate 0 back to the middle of the longer cosine.

    Parameters
    ----------
    run_folder
        A folder that is not there yet, or with `resume` that of a run that was stopped.

    Raises
    ------
    ValueError
        If the run folder holds a run, or on resuming one of other choices or data; if data and config do not fit, or
        the loss stops being a number.
    """
    folder, mesh = Path(run_folder), device_mesh(config.data.batch_size)
    runlog.check_run(folder, config, resume=resume)  # before anything that takes time
    snapshots = open_snapshots(config)
    seen = [about_snapshot(config, snapshot) for snapshot in snapshots]
    runlog.check_same_data(folder, config, seen)
    feed, validation = training_feed(config, snapshots, mesh), read_validation(config, snapshots)
    task = task_of(config)
    settled, stops_early = task.settled(feed), False
    if config.patience and validation is None:
        raise ValueError("patience needs validation galaxies, and the snapshots have none: set it to 0")
    resumes = bool(checkpoint.steps_saved(folder, "last"))
    state = restored_state(config, folder, mesh) if resumes else new_state(config, mesh)
    runlog.open_run(folder, config, resume=resume, snapshots=seen)
    journal = _journal_from(folder, config, state)
    yield journal.progress()  # before the first step, which compiles

    for step, picks in feed.dispatches(journal.step):
        if stops_early := journal.looks_without_gain() >= config.patience > 0:
            break
        state, report = train_step(state, feed.resident, picks, config=settled, mesh=mesh)
        looks = step % config.evaluate_every == 0 or step == config.steps
        journal.add(step, report, at_once=looks)
        if looks:
            journal.close_record(score(state.average, validation, settled, mesh))
            _save(folder, state, journal)
            journal.restart_clock()
        elif journal.steps_since_record >= RECORD_EVERY:
            journal.close_record()
        yield journal.progress(looked=looks)
    task.conclude(folder, feed, validation)
    if stops_early:
        yield journal.progress(stopped_early=True)


def score(
    model: nnx.Module, galaxies: Examples | ClassExamples | None, config: RunConfig, mesh: Mesh
) -> dict[str, float]:
    """The task's scores of validation galaxies; empty without any."""
    if galaxies is None:
        return {}
    parts = []
    for batch, real in padded_batches(pixels_for(config, galaxies), config.data.batch_size):
        batch = jax.device_put(batch, NamedSharding(mesh, PartitionSpec("data")))
        parts.append({name: value[:real] for name, value in eval_step(model, batch, config=config).items()})
    looked = {name: np.concatenate([np.asarray(part[name], np.float64) for part in parts]) for name in parts[0]}
    return task_of(config).scores(looked)


def _journal_from(folder: Path, config: RunConfig, state: State) -> Journal:
    """The log of the run, cut to what the state knows of, as are the checkpoints."""
    step = int(state.step)
    checkpoint.prune(folder, "last")
    checkpoint.prune(folder, "best", beyond=step)
    return Journal(
        folder,
        records=runlog.forget_after(folder, step),
        step=step,
        steps=config.steps,
        batch_size=config.data.batch_size,
        measure=task_of(config).measure,
    )


def _save(folder: Path, state: State, journal: Journal) -> None:
    """Checkpoints of this look. The one before is removed last, so that a run can die at any moment."""
    if journal.scores() and not journal.looks_without_gain():
        checkpoint.save(folder, "best", journal.step, {"average": state.average})
    checkpoint.save(folder, "last", journal.step, _kept(state))
    checkpoint.prune(folder, "best", keep=1)
    checkpoint.prune(folder, "last", keep=1)


def _kept(state: State) -> dict[str, Any]:
    """What a checkpoint holds; step and key follow from its name and the config."""
    return {"model": state.model, "optimizer": state.optimizer, "average": state.average}
