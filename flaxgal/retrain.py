"""Retraining on the labels of now: snapshot, run and held-out score, one after the other, all kept beside the labels.

    STORE/training/snapshots/spiral_arms/1.0.4     what was trained on, frozen
    STORE/training/runs/retrained-2026-…           the run
    STORE/training/scores.jsonl                    how it did, and how the run before did on the same galaxies

Galaxies are held out by where they are on the sky (`datasets.splits`), so a galaxy that scores a run was in no
retraining before it either.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Generator, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from flaxgal.config import DataConfig, TrainConfig
from flaxgal.datasets.builders import Snapshot, build_snapshot, open_snapshot
from flaxgal.datasets.examples import Example, examples_from_store, store_provenance
from flaxgal.evaluate import Evaluation, check_held_out, evaluate
from flaxgal.labels.scores import append_score, last_run, runs_folder, snapshots_folder
from flaxgal.labels.store import Store
from flaxgal.metrics import bootstrap_interval
from flaxgal.progress import standing
from flaxgal.runlog import read_arms_config
from flaxgal.survey.cutout import Unreadable
from flaxgal.train import train

__all__ = ["PHASES", "Retraining", "retrain"]

PHASES = ("building", "training", "scoring", "done")
_BEGIN = {"building": 0.0, "training": 0.1, "scoring": 0.95, "done": 1.0}
"""How much of the whole is done when a phase begins."""
LOOKS = 5
"""How often the validation galaxies are looked at on the way."""


@dataclass(frozen=True)
class Retraining:
    """How a retraining stands."""

    phase: str
    """One of `PHASES`."""
    fraction: float
    """How much of the whole is done, 0 to 1."""
    note: str = ""
    """In words, for whoever waits."""
    run: Path | None = None
    """The new run's folder, when done."""
    score: Mapping[str, Any] | None = None
    """What was added to the store's scores (`labels.scores.read_scores`), when done."""
    left_out: tuple[str, ...] = ()
    """A sentence for each labelled galaxy that could not be trained on, when done."""


def retrain(
    store: Path | str, *, start_from: Path | str | None = None, steps: int = 500, labels: str = "latest"
) -> Iterator[Retraining]:
    """Train on the labels of a store as they are now, score the new run and the one before it, and say how it stands.

    Parameters
    ----------
    start_from
        The run to go on from: its weights, bands, classes and picture size. When not given, the run that was
        retrained last on this store; without one, a new network of the default kind.
    steps
        Training steps; the learning rate falls to 0 over them.
    labels
        Whose marks count: see `flaxgal.datasets.policies`.

    Raises
    ------
    ValueError
        If there is no store or no such run, or too few galaxies are labelled to train on.
    """
    opened = Store.open(store)
    previous = Path(start_from) if start_from is not None else last_run(store)
    base = TrainConfig() if previous is None else read_arms_config(previous)

    yield Retraining("building", 0.0, "reading the labels")
    left_out: list[str] = []
    snapshot = yield from _build(opened, base, labels, left_out)
    if "train" not in snapshot.sizes:
        raise ValueError(
            f"{store}: the {sum(snapshot.sizes.values())} labelled galaxies are all held out to score on, by where "
            f"they are on the sky; label some more to train on"
        )
    if previous is not None:  # now, not after the training: its weights know what it was trained on
        check_held_out(previous, snapshot.folder, _held_out(snapshot))
    run = _new_folder(runs_folder(store))
    config = dataclasses.replace(
        base,
        name=run.name,
        start_from=str(previous) if previous is not None else "",
        encoder_from="",  # if the one before had any, its weights bring it
        steps=steps,
        evaluate_every=max(1, steps // LOOKS),
        patience=0,
        data=dataclasses.replace(base.data, snapshots=(str(snapshot.folder),), shares=DataConfig().shares),
    )
    for progress in train(config, run):
        yield _at("training", progress.step / progress.steps, standing(progress))

    yield _at("scoring", 0.0, "on galaxies it was not trained on")
    score = _score(run, previous, snapshot) | {"steps": steps, "left_out": len(left_out)}
    append_score(store, score)
    yield Retraining("done", 1.0, _in_words(score), run=run, score=score, left_out=tuple(left_out))


def _build(store: Store, base: TrainConfig, labels: str, left_out: list[str]) -> Generator[Retraining, None, Snapshot]:
    """The snapshot of the labels, in the pictures that the network takes; what it leaves out is noted."""
    network = base.model
    choices: dict[str, Any] = {"bands": network.bands, "classes": network.classes, "image_size": network.image_size}
    total, taken = max(1, store.status().labelled), 0

    def examples() -> Iterator[Example | Unreadable]:
        nonlocal taken
        for item in examples_from_store(store, labels=labels, **choices):
            if isinstance(item, Unreadable):
                left_out.append(item.reason)
            taken += 1
            yield item

    # Building pulls the galaxies through in flat memory; a thread, so that it can be said meanwhile how far it is.
    with ThreadPoolExecutor(1) as builder:
        provenance = store_provenance(store, labels)
        built = builder.submit(
            build_snapshot, examples(), snapshots_folder(store.path), provenance=provenance, **choices
        )
        while not wait([built], timeout=0.2).done:
            yield _at("building", min(1.0, taken / total), f"{taken} of {total} labelled galaxies")
    return open_snapshot(built.result())


def _new_folder(runs: Path) -> Path:
    """A folder for a run that nobody else has: named by the time, to tell apart those of stores that are merged."""
    runs.mkdir(parents=True, exist_ok=True)
    name = f"retrained-{datetime.now(UTC):%Y-%m-%dT%H-%M-%S}"
    for number in range(1, 100):
        folder = runs / (name if number == 1 else f"{name}-{number}")
        try:
            folder.mkdir()
        except FileExistsError:
            continue
        return folder
    raise ValueError(f"{runs}: cannot find a free name for a run; try again")


def _held_out(snapshot: Snapshot) -> str:
    """The split to score on; "" when there is none."""
    return next((split for split in ("test", "validation") if split in snapshot.sizes), "")


def _score(run: Path, previous: Path | None, snapshot: Snapshot) -> dict[str, Any]:
    """A line of the store's scores: the new run's Dice on held-out galaxies, and the previous run's on the same.

    Held out are the test galaxies, or while there are none the validation galaxies, which have chosen among the looks
    of the new run and flatter it a little. Where neither truth nor guess has arms Dice is 1 and says little: while any
    galaxy held out has arms, those without do not count.
    """
    split = _held_out(snapshot)
    score: dict[str, Any] = {
        "run": run.name,
        "utc": datetime.now(UTC).isoformat(timespec="seconds"),
        "snapshot": f"{snapshot.name}/{snapshot.version}",
        "labels": sum(snapshot.sizes.values()),
        "train_galaxies": snapshot.sizes["train"],
        "held_out": split,
        "held_out_galaxies": snapshot.sizes.get(split, 0),
        "held_out_with_arms": 0,
        "dice": None,
        "low": None,
        "high": None,
        "previous_run": previous.resolve().name if previous is not None else "",
        "previous_dice": None,
        "gain_low": None,
        "gain_high": None,
    }
    if not split:
        return score
    scored = evaluate(run, snapshot.folder, split)
    with_arms = np.asarray(scored.galaxies["arm_pixels_truth"]) > 0
    counted = with_arms if with_arms.any() else np.ones_like(with_arms)
    new = _dices(scored)[counted]
    low, high = bootstrap_interval(new)
    score |= {"held_out_with_arms": int(with_arms.sum()), "dice": float(new.mean()), "low": low, "high": high}
    if previous is not None:
        # Not into the folder of the previous run: it may be somebody else's.
        old = _dices(evaluate(previous, snapshot.folder, split, out=run / "evaluation" / "previous_run"))[counted]
        low, high = bootstrap_interval(new - old)
        score |= {"previous_dice": float(old.mean()), "gain_low": low, "gain_high": high}
    return score


def _dices(evaluation: Evaluation) -> np.ndarray:
    """Arm Dice of each held-out galaxy."""
    return np.asarray(evaluation.galaxies["dice"], np.float64)


def _in_words(score: Mapping[str, Any]) -> str:
    """The score as a sentence."""
    if score["dice"] is None:
        return f"trained on {score['train_galaxies']} galaxies; label more to have some held out to score on"
    galaxies, with_arms = f"{score['held_out_galaxies']} galaxies held out", score["held_out_with_arms"]
    if with_arms == score["held_out_galaxies"]:
        galaxies += ", all with arms"
    else:
        galaxies = f"the {with_arms} with arms of {galaxies}" if with_arms else f"{galaxies}, none of them with arms"
    before = "" if score["previous_dice"] is None else f", {score['previous_dice']:.3f} before"
    return (
        f"Dice {score['dice']:.3f} [{score['low']:.3f}, {score['high']:.3f}]{before}, on {galaxies}; trained on "
        f"{score['train_galaxies']}"
    )


def _at(phase: str, share: float, note: str) -> Retraining:
    """A share of a phase as a share of the whole."""
    begin, end = _BEGIN[phase], _BEGIN[PHASES[PHASES.index(phase) + 1]]
    return Retraining(phase, begin + share * (end - begin), note)
