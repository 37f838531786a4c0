"""`flaxgal evaluate`: how good a run is on galaxies it was not trained on, as tables on the terminal and figures."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from tyro.conf import Positional, arg

from flaxgal.cli_words import RunFolder, say, say_other_crop
from flaxgal.config import TrainConfig

if TYPE_CHECKING:
    from flaxgal.evaluate_classes import ClassEvaluation

__all__ = ["evaluate"]

WORST = 24
"""Mistakes in the gallery."""


def evaluate(
    run: RunFolder,
    snapshot: Annotated[Positional[Path], arg(metavar="SNAPSHOT")],
    *,
    split: str = "test",
    orientations: Literal[1, 2, 4, 8] = 1,
) -> int:
    """Score a run on a snapshot, with intervals over galaxies: how well arms are found, or galaxies told apart.

    Of arms: Dice, IoU, precision and recall. Of classes: accuracy, precision, recall and F1 of each, ROC curves, the
    confusion matrix, how far probabilities come true, and the worst mistakes.

    Example: flaxgal evaluate runs/arms snapshots/spiral_arms/1.0.0

    Args:
        run: Folder of a trained run.
        snapshot: Folder of a dataset snapshot.
        split: train, validation or test.
        orientations: How many of each picture's quarter turns and mirror images a classifier's answers are averaged of.
    """
    from flaxgal.runlog import read_config

    if isinstance(read_config(run), TrainConfig):
        if orientations != 1:
            raise ValueError(f"{run}: finds arms, and is scored on pictures as they are; leave out --orientations")
        return _evaluate_arms(run, snapshot, split)
    return _evaluate_classes(run, snapshot, split, orientations)


def _evaluate_arms(run: Path, snapshot: Path, split: str) -> int:
    from flaxgal.evaluate import evaluate as score
    from flaxgal.figures import from_best_to_worst, save

    found = score(run, snapshot, split)
    _say_not_compared(found.summary)
    _say_chosen_on(found.summary, "checkpoint, and its threshold if none was given,", "scores are")
    rows = {"all": found.summary["all"], **found.summary["by_survey"], **found.summary["by_size"]}
    print(f"{'':>12s} {'galaxies':>8s}  {'Dice (95 %)':>19s} {'IoU':>6s} {'precis.':>7s} {'recall':>6s} {'pooled':>6s}")
    for name, scores in rows.items():
        dice = "{mean:.3f} [{low:.3f}, {high:.3f}]".format(**scores["dice"])
        others = " ".join(f"{scores[score]['mean']:6.3f}" for score in ("iou", "precision", "recall"))
        print(f"{name:>12s} {scores['galaxies']:8d}  {dice} {others} {scores['dice']['pooled']:6.3f}")
    print(f"galaxy by galaxy: {found.path}")
    figure = from_best_to_worst(
        found.examples.image,
        found.probability,
        found.truth,
        dice=found.galaxies["dice"].tolist(),
        names=found.examples.object_id.tolist(),
        threshold=found.summary["threshold"],
    )
    print(f"from the best to the worst: {save(figure, run / 'figures' / f'{found.path.stem}.png')}")
    return 0


def _evaluate_classes(run: Path, snapshot: Path, split: str, orientations: int) -> int:
    from flaxgal.evaluate_classes import evaluate_classes

    found = evaluate_classes(run, snapshot, split, orientations=orientations)
    summary = found.summary
    _say_not_compared(summary)
    _say_chosen_on(summary, "checkpoint, temperature and outlier threshold", "accuracy and calibration error are")
    say_other_crop(run, snapshot)
    if summary["left_out"]:
        say(f"{summary['left_out']} galaxies of split {split} left out: their {found.schema.name} is not known")
    for line in _ordered_tables(summary) if found.schema.ordered else _class_tables(summary):
        print(line)
    print(_calibration_line(summary["calibration"]))
    print(f"galaxy by galaxy: {found.path}")
    for what, path in _draw(found, run / "figures"):
        print(f"{what}: {path}")
    return 0


def _class_tables(summary: Mapping[str, Any]) -> Iterator[str]:
    """Groups of galaxies below each other, then classes."""
    whole = summary["all"]
    yield from _accuracies("", _groups(summary))
    yield ""
    yield _heading("class", "precision (95 %)", "recall (95 %)", "F1 (95 %)", "ROC area (95 %)")
    for name, scores in whole["by_class"].items():
        yield _row(name, {**scores, "area": whole["area"][name]}, ("precision", "recall", "f1", "area"))
    if missing := [name for name, scores in whole["by_class"].items() if not scores["galaxies"]]:
        yield f"no galaxy is {' or '.join(missing)}"


def _accuracies(first: str, groups: Iterable[tuple[str, Mapping[str, Any]]]) -> Iterator[str]:
    yield _heading(first, "accuracy (95 %)", "balanced (95 %)", "macro F1 (95 %)")
    rows = [_row(name, scores, ("accuracy", "balanced_accuracy", "macro_f1")) for name, scores in groups]
    yield from rows
    if any(row.endswith(" -") for row in rows):
        yield "- where a class has no galaxy: means over classes cannot be told"


def _ordered_tables(summary: Mapping[str, Any]) -> Iterator[str]:
    columns = ("mae", "bias", "scatter", "within_1", "within_2")
    yield _heading("", "mean |diff.| (95 %)", "bias (95 %)", "scatter (95 %)", "within 1 (95 %)", "within 2 (95 %)")
    yield from (_row(name, scores, columns) for name, scores in _groups(summary))
    yield ""
    yield from _accuracies("in broad classes", ((name, scores["broad"]) for name, scores in _groups(summary)))
    yield ""
    yield _heading("broad class", "precision (95 %)", "recall (95 %)", "F1 (95 %)")
    for name, scores in summary["all"]["broad"]["by_class"].items():
        yield _row(name, scores, ("precision", "recall", "f1"))


def _groups(summary: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """All galaxies, then the groups of each division that has several, named so that one can tell what they are of."""
    yield "all", summary["all"]
    yield from summary["by_survey"].items()
    for division, prefix in (("by_signal_to_noise", "S/N"), ("by_inclination", "incl.")):
        yield from ((f"{prefix} {name}", scores) for name, scores in summary.get(division, {}).items())


def _heading(first: str, *columns: str) -> str:
    return f"{first:>20s} {'galaxies':>8s}" + "".join(f" {column:>22s}" for column in columns)


def _row(name: str, scores: Mapping[str, Any], columns: Sequence[str]) -> str:
    return f"{name:>20s} {scores['galaxies']:8d}" + "".join(f" {_score(scores[column]):>22s}" for column in columns)


def _score(record: Mapping[str, float | None]) -> str:
    """A score and its interval, or a dash where it cannot be told."""
    if record["value"] is None:
        return "-"
    return "{value:.3f}".format(**record) + (
        "" if record["low"] is None else " [{low:.3f}, {high:.3f}]".format(**record)
    )


def _calibration_line(found: Mapping[str, Any]) -> str:
    before, after = (found[when]["calibration_error"] for when in ("before", "after"))
    chance = "chance alone would make {value:.3f} (95 %: {low:.3f} to {high:.3f})".format(**found["error_by_chance"])
    if found["temperature"] is None:
        return f"calibration error {before:.3f}, no temperature was fitted; {chance}"
    return f"calibration error {before:.3f}, with the temperature {found['temperature']:.2f} {after:.3f}; {chance}"


def _draw(found: ClassEvaluation, folder: Path) -> Iterator[tuple[str, Path]]:
    """Every figure of a classifier, by what it shows."""
    import numpy as np

    from flaxgal.class_metrics import roc_curve
    from flaxgal.class_summary import class_numbers, groups_of, probability_columns, worst_first
    from flaxgal.figures import classes as draw
    from flaxgal.figures import save
    from flaxgal.reliability import reliability

    table, schema, whole, stem = found.galaxies, found.schema, found.summary["all"], found.path.stem
    truth, _ = class_numbers(table, schema)
    probability = np.stack([table[name] for name in probability_columns(schema)], axis=1)
    confusion = (whole["broad"] if schema.ordered else whole)["confusion"]
    drawn = {"confusion matrix": draw.confusion_panel(np.array(confusion["counts"]), confusion["classes"])}
    if schema.ordered:
        drawn["T-types"] = draw.t_type_scatter(np.asarray(table["t_type_true"]), np.asarray(table["t_type_found"]))
    else:
        curves = {name: roc_curve(probability[:, k], truth == k) for k, name in enumerate(schema.classes)}
        areas = {name: tuple(whole["area"][name].values()) for name, curve in curves.items() if curve is not None}
        drawn["ROC curves"] = draw.roc_curves(curves, areas)
    calibration = found.summary["calibration"]
    bins = {"as trained": reliability(truth, found.uncalibrated)}
    if calibration["temperature"] is not None:
        bins[f"temperature {calibration['temperature']:.2f}"] = reliability(truth, probability)
    drawn["reliability"] = draw.reliability_diagram(bins, by_chance=calibration["error_by_chance"]["value"])
    divisions = {division.replace("_", " "): found.summary[f"by_{division}"] for division, _ in groups_of(table)}
    score, label = ("mae", "mean |difference|") if schema.ordered else ("accuracy", "accuracy")
    drawn["by group"] = draw.scores_by_group(divisions, score=score, label=label)
    worst = worst_first(table, schema)[:WORST]
    if len(worst):
        names = table["object_id"][worst].tolist()
        drawn["worst mistakes"] = draw.worst_mistakes(
            found.examples.image[worst], names=names, notes=_notes(found, worst)
        )
    for what, figure in drawn.items():
        yield what, save(figure, folder / f"{stem}-{what.replace(' ', '-').lower()}.png")


def _notes(found: ClassEvaluation, rows: Any) -> list[str]:
    """What each galaxy is, what it was taken for, and how sure the run was of it."""
    table = found.galaxies[rows]
    if found.schema.ordered:
        return [f"is {row['truth']}, found {row['t_type_found']:.1f}" for row in table]
    return [f"is {row['truth']}, found {row['found']}\nsure by {100 * row['confidence']:.1f} %" for row in table]


def _say_not_compared(summary: Mapping[str, Any]) -> None:
    if unknown := summary["not_compared"]:
        say(f"whether it was trained on these galaxies cannot be told of {', '.join(unknown)}")


def _say_chosen_on(summary: Mapping[str, Any], choices: str, scores: str) -> None:
    if number := summary["chosen_on"]:
        say(
            f"the run's {choices} were chosen on {number} of these {summary['all']['galaxies']} galaxies, which it "
            f"validates on: {scores} optimistic; score it on a test split without them"
        )
