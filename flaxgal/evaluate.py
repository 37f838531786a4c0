"""How good a run is on galaxies it has not been trained on: scores of the arm class, galaxy by galaxy and together."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from astropy.table import Table
from jaxtyping import Bool, Float32

from flaxgal.checkpoint import load_run
from flaxgal.datasets.builders import open_snapshot
from flaxgal.datasets.loader import load_split
from flaxgal.datasets.placing import check_unseen, in_validation
from flaxgal.datasets.stacked import Examples
from flaxgal.metrics import Confusion, bootstrap_interval, confusion, dice, iou, precision, recall
from flaxgal.runlog import read_config, trained_on
from flaxgal.segmenting import arm_class, predict_arms
from flaxgal.survey.atomic import replaced_when_whole

__all__ = [
    "SCORES",
    "Evaluation",
    "check_held_out",
    "chosen_on",
    "digest_of",
    "evaluate",
    "score_galaxies",
    "summarise",
    "write_evaluation",
]

SCORES = {"dice": dice, "iou": iou, "precision": precision, "recall": recall}

SIZE_EDGES = (0.05, 0.1, 0.2)
SIZES = ("no arms", "under 5 %", "5-10 %", "10-20 %", "over 20 %")
"""Bins of size: the share of a picture's counted pixels that is arm in the truth. The same for every data set."""


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Scores of one run on one split."""

    galaxies: Table
    """One row a galaxy."""
    summary: dict[str, Any]
    """Means with intervals, pooled scores, and both by survey and by size; as the JSON file holds it."""
    examples: Examples
    """The galaxies themselves, in the order of the table."""
    truth: Bool[np.ndarray, "n y x"]
    """Where at least half of the people marked an arm."""
    probability: Float32[np.ndarray, "n y x"]
    """Of arm, at each of their pixels."""
    path: Path
    """The table on disk, NAME-VERSION-DIGEST-SPLIT.ecsv; the summary is the JSON file beside."""


def evaluate(
    run_folder: Path | str,
    snapshot: Path | str,
    split: str = "test",
    *,
    batch_size: int = 64,
    threshold: float | None = None,
    seed: int = 0,
    out: Path | None = None,
) -> Evaluation:
    """Score a run on a split of a snapshot, and keep table and summary in the run folder's evaluation/, or in `out`.

    Truth is arm where at least half of the people marked a pixel; the prediction is arm above the run's threshold.
    What was scored is in the files' names: other galaxies of a snapshot of the same name leave them as they are.

    Raises
    ------
    ValueError
        If the run has no checkpoint, or the snapshot other bands, classes or size, or no galaxies in the split, or if
        the run was trained on galaxies of the split.
    """
    run = load_run(run_folder)
    model, about = run.config.model, open_snapshot(snapshot)
    not_compared = check_held_out(run_folder, about.folder, split)
    galaxies = load_split(about.folder, split, bands=model.bands, classes=model.classes, image_size=model.image_size)
    threshold = run.threshold if threshold is None else threshold
    probability = predict_arms(run, galaxies, batch_size)
    table = score_galaxies(galaxies, probability, model.classes, threshold)
    summary = {
        "run": run.name,
        "step": run.step,
        "snapshot": f"{about.name}/{about.version}",
        "digest": digest_of(galaxies.object_id.astype(str), galaxies.image, galaxies.target, galaxies.weight),
        "split": split,
        "threshold": threshold,
        "not_compared": not_compared,
        "chosen_on": chosen_on(run_folder, about.folder, split, table["object_id"].tolist()),
        **summarise(table, seed=seed),
    }
    name = f"{about.name}-{about.version}-{summary['digest']}-{split}"
    path = write_evaluation(out or Path(run_folder) / "evaluation", name, table, summary)
    return Evaluation(
        galaxies=table,
        summary=summary,
        examples=galaxies,
        truth=galaxies.target[..., arm_class(model.classes)] >= 127.5,
        probability=probability,
        path=path,
    )


def check_held_out(run_folder: Path | str, snapshot: Path, split: str) -> list[str]:
    """Refuse galaxies that a run was trained on, or a run that it started from, also in another snapshot.

    Returns names of the snapshots trained on that cannot be compared with this one: their folders are gone, or do not
    list their galaxies.

    Raises
    ------
    ValueError
        If a galaxy of the split is in the training split of one of the others.
    """
    learnt = trained_on(Path(run_folder))
    unknown = check_unseen(snapshot, split, [folder for _, folder in learnt if folder is not None])
    return [name for name, folder in learnt if folder is None or folder in unknown]


def chosen_on(run_folder: Path | str, snapshot: Path, split: str, ids: Sequence[str]) -> int | None:
    """How many of these galaxies of a split are validation galaxies of the run: its checkpoint was chosen on them.

    On them, too, the temperature and the outlier threshold of a classifier were, and where masks of arms are cut.
    None where it cannot be told: another snapshot of the run is gone, or does not list its galaxies, or this does not.
    """
    folder = Path(run_folder)
    learnt = trained_on(folder)[: len(read_config(folder).data.snapshots)]  # and not what runs that it began with did
    own = {place and place.resolve() for _, place in learnt}
    if split == "validation" and snapshot.resolve() in own:
        return len(ids)
    others = own - {snapshot.resolve()}  # no galaxy is in two splits of one snapshot
    known = [place for place in others if place is not None]
    validated = in_validation(snapshot, split, known) if len(known) == len(others) else None
    return None if validated is None else sum(one in validated for one in ids)


def score_galaxies(
    galaxies: Examples, probability: Float32[np.ndarray, "n y x"], classes: Sequence[str], threshold: float
) -> Table:
    """One row a galaxy: its scores, how many pixels are arm in the truth and in the prediction, and its size bin."""
    truth = galaxies.target[..., arm_class(classes)] >= 127.5
    counts = confusion(probability > threshold, truth, galaxies.weight / 255)
    counted = np.maximum((galaxies.weight / 255).sum(axis=(1, 2)), 1e-9)
    table = Table({"object_id": galaxies.object_id.astype(str), "survey": galaxies.survey.astype(str)})
    for name, score in SCORES.items():
        table[name] = score(counts)
    table["arm_pixels_truth"], table["arm_pixels_predicted"] = counts.truth, counts.predicted
    table["arm_pixels_both"] = counts.true_positive
    bins = np.where(counts.truth == 0, 0, 1 + np.digitize(counts.truth / counted, SIZE_EDGES))
    table["size"] = np.asarray(SIZES)[bins]
    for name, description in _DESCRIPTIONS.items():
        table[name].info.description = description
    return table


def summarise(table: Table, *, seed: int = 0, level: float = 0.95) -> dict[str, Any]:
    """Mean scores with bootstrap intervals over galaxies, and pooled ones: of all, by survey, by size of the arms."""
    size_order = [size for size in SIZES if size in set(table["size"])]
    return {
        "interval_level": level,
        "all": _scores(table, seed, level),
        "by_survey": {str(name): _scores(table[table["survey"] == name], seed, level) for name in _names(table)},
        "by_size": {name: _scores(table[table["size"] == name], seed, level) for name in size_order},
    }


_DESCRIPTIONS = {
    "dice": "2 TP / (2 TP + FP + FN) of arm pixels; 1 where neither has any",
    "iou": "TP / (TP + FP + FN) of arm pixels; 1 where neither has any",
    "precision": "TP / (TP + FP) of arm pixels",
    "recall": "TP / (TP + FN) of arm pixels",
    "arm_pixels_truth": "pixels that at least half of the people marked as arm",
    "arm_pixels_predicted": "pixels above the threshold",
    "arm_pixels_both": "pixels that are arm in both",
    "size": "share of the picture that is arm in the truth",
}


def _scores(table: Table, seed: int, level: float) -> dict[str, Any]:
    """Mean, interval and pooled value of each score over the galaxies of a table."""
    both = np.asarray(table["arm_pixels_both"])
    counts = Confusion(
        true_positive=both,
        false_positive=np.asarray(table["arm_pixels_predicted"]) - both,
        false_negative=np.asarray(table["arm_pixels_truth"]) - both,
    ).pooled()
    found: dict[str, Any] = {"galaxies": len(table)}
    for name, score in SCORES.items():
        values = np.asarray(table[name], np.float64)
        low, high = bootstrap_interval(values, seed=seed, level=level)
        found[name] = {"mean": float(values.mean()), "low": low, "high": high, "pooled": float(score(counts)[0])}
    return found


def _names(table: Table) -> list[str]:
    return sorted(set(table["survey"]))


def digest_of(*arrays: np.ndarray) -> str:
    """What is another where anything in the arrays is, and no secret: eight letters do."""
    digest = hashlib.blake2b(digest_size=4)
    for array in arrays:
        digest.update(np.ascontiguousarray(array).data)  # without a copy: the images of a survey are a gigabyte
    return digest.hexdigest()


def write_evaluation(folder: Path, name: str, table: Table, summary: dict[str, Any]) -> Path:
    """NAME.ecsv and NAME.json, each whole or not at all; the path of the first."""
    table = table.copy()
    table.meta |= {key: value for key, value in summary.items() if not isinstance(value, dict | list)}
    with replaced_when_whole(folder / f"{name}.ecsv") as temporary:
        table.write(temporary, format="ascii.ecsv")
    with replaced_when_whole(folder / f"{name}.json") as temporary:
        temporary.write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
    return folder / f"{name}.ecsv"
