"""How well a run tells apart galaxies that it has not been trained on, and whether its probabilities come true."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from astropy.table import Table
from jaxtyping import Float64

from flaxgal.calibration import calibration_of
from flaxgal.checkpoint import ClassifierRun, load_classifier
from flaxgal.class_summary import broad_class, calibration, class_numbers, probability_columns, summarise_classes
from flaxgal.classify import expected_number, oriented_logits, probabilities
from flaxgal.datasets.builders import open_snapshot
from flaxgal.datasets.loader import load_classes
from flaxgal.datasets.stacked import ClassExamples
from flaxgal.evaluate import check_held_out, chosen_on, digest_of, write_evaluation
from flaxgal.survey.schemas import LabelSchema

__all__ = ["ClassEvaluation", "evaluate_classes", "score_classes"]


@dataclass(frozen=True, eq=False)
class ClassEvaluation:
    """Scores of one classifier on one split."""

    galaxies: Table
    """One row a galaxy."""
    summary: dict[str, Any]
    """Scores of all galaxies, by survey and where known exactly by S/N and inclination; as the JSON file holds it."""
    examples: ClassExamples
    """The galaxies themselves, in the order of the table."""
    schema: LabelSchema
    uncalibrated: Float64[np.ndarray, "n class"]
    """Probabilities without temperature scaling; the table's are with it."""
    path: Path
    """The table on disk, NAME-VERSION-DIGEST-SPLIT-orientations-N.ecsv; the summary is the JSON file beside."""


def evaluate_classes(
    run_folder: Path | str,
    snapshot: Path | str,
    split: str = "test",
    *,
    orientations: int = 1,
    batch_size: int = 64,
    seed: int = 0,
    out: Path | None = None,
) -> ClassEvaluation:
    """Score a classifier on a split of a snapshot; table and summary go to the run folder's evaluation/, or to `out`.

    Galaxies whose class is not known are left out and counted. What was scored is in the files' names: other galaxies,
    though of a snapshot of the same name, and other orientations leave them as they are.

    Parameters
    ----------
    orientations
        How many of each picture's eight quarter turns and mirror images are averaged: 1, 2, 4 or 8.

    Raises
    ------
    ValueError
        If the run is no classifier or has no checkpoint, or the snapshot other bands or size, or no galaxy of known
        class in the split, or if the run was trained on galaxies of the split (unless it is train, which asks for
        them), or answers with what is no number.
    """
    run, about = load_classifier(run_folder), open_snapshot(snapshot)
    schema, model = run.schema, run.config.model
    not_compared = check_held_out(run_folder, about.folder, split)
    galaxies = load_classes(about.folder, split, schema=schema.name, bands=model.bands, image_size=model.image_size)
    known = calibration_of(run_folder, run.step)
    temperature = None if known is None else known.temperature_of(orientations)
    logits = _logits(run, galaxies, orientations, batch_size)
    before, after = (probabilities(logits, schema, temperature=one) for one in (1.0, temperature or 1.0))
    table = score_classes(galaxies, after, schema)
    truth, _ = class_numbers(table, schema)
    summary = {
        "run": run.name,
        "step": run.step,
        "task": schema.name,
        "snapshot": f"{about.name}/{about.version}",
        "digest": digest_of(galaxies.object_id.astype(str), galaxies.image, galaxies.label(schema.name).astype(str)),
        "split": split,
        "orientations": orientations,
        "not_compared": not_compared,
        "chosen_on": chosen_on(run_folder, about.folder, split, table["object_id"].tolist()),
        "left_out": about.sizes[split] - len(galaxies),
        **summarise_classes(table, schema, seed=seed),
        "calibration": calibration(truth, before, after, temperature=temperature, seed=seed),
    }
    name = f"{about.name}-{about.version}-{summary['digest']}-{split}-orientations-{orientations}"
    path = write_evaluation(out or Path(run_folder) / "evaluation", name, table, summary)
    return ClassEvaluation(
        galaxies=table, summary=summary, examples=galaxies, schema=schema, uncalibrated=before, path=path
    )


def score_classes(galaxies: ClassExamples, probability: Float64[np.ndarray, "n class"], schema: LabelSchema) -> Table:
    """One row a galaxy: its true class, the one that is found, how sure that is, and what is known exactly of it."""
    names = np.asarray(schema.classes)
    table = Table({"object_id": galaxies.object_id.astype(str), "survey": galaxies.survey.astype(str)})
    table["truth"] = galaxies.label(schema.name)
    if schema.ordered:
        _add_numbers(table, probability, schema)
    else:
        table["found"] = names[probability.argmax(axis=1)]
        table["right"] = np.asarray(table["truth"] == table["found"])
        table["confidence"] = probability.max(axis=1)
    for column, values in zip(probability_columns(schema), probability.T, strict=True):
        table[column] = values
        table[column].info.description = "probability of the class, after temperature scaling"
    for name, values in galaxies.truth.items():
        if name not in table.colnames:
            table[name] = values
            table[name].info.description = "known exactly of a mock galaxy"
    for name in set(_DESCRIPTIONS) & set(table.colnames):
        table[name].info.description = _DESCRIPTIONS[name]
    return table


_DESCRIPTIONS = {
    "truth": "class that the snapshot's labels say",
    "found": "class of the highest probability; of T-types the nearest to t_type_found",
    "confidence": "probability of the class found",
    "t_type_found": "mean of the T-types by their probability",
    "difference": "t_type_found - t_type_true",
}


def _add_numbers(table: Table, probability: np.ndarray, schema: LabelSchema) -> None:
    """What is found of ordered classes: a number, the class nearest to it, and the broad class."""
    numbers = np.asarray(schema.numbers)
    found = expected_number(probability, schema)
    truth = numbers[[schema.classes.index(name) for name in table["truth"].tolist()]]
    table["found"] = np.asarray(schema.classes)[np.abs(found[:, None] - numbers).argmin(axis=1)]
    table["t_type_true"], table["t_type_found"], table["difference"] = truth, found, found - truth
    table["broad_truth"] = [broad_class(number) for number in truth.tolist()]
    table["broad_found"] = [broad_class(number) for number in found.tolist()]


def _logits(run: ClassifierRun, galaxies: ClassExamples, orientations: int, batch_size: int) -> np.ndarray:
    """What the network answers, if all of it is numbers."""
    logits = oriented_logits(run.model, galaxies.image, run.schema, orientations=orientations, batch_size=batch_size)
    broken = ~np.isfinite(logits).all(axis=(0, 2))
    if broken.any():
        raise ValueError(
            f"run {run.name}: answers with no number to {broken.sum()} of {len(galaxies)} galaxies, such as "
            f"{galaxies.object_id[broken.argmax()]}: training went astray; train again with a lower learning rate"
        )
    return logits
