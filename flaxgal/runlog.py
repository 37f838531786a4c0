"""The run folder: everything about a training run that somebody could ask for later, as files a person can read.

config.json         every choice of the run
schema.json         of a classifier: its label schema, what the outputs stand for
environment.json    versions, devices, commit, command line and the dataset snapshots it saw; one entry a start
metrics.jsonl       one JSON object a line: step, loss, learning rate, speed, and scores where it looked
checkpoints/        best and last (`flaxgal.checkpoint`)
calibration.json    of a classifier, with trust.npz: how far to trust its answers (`flaxgal.calibration`)
mask_thresholds.json  of a run on arms: where its probabilities are cut (`flaxgal.survey.mask_thresholds`)
evaluation/         tables (`flaxgal.evaluate`)
figures/
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from flaxgal.config import ClassifyConfig, RunConfig, TrainConfig, run_from_json, to_json
from flaxgal.environment import environment
from flaxgal.survey.atomic import replaced_when_whole
from flaxgal.survey.schemas import LabelSchema, schema_named

__all__ = [
    "CHECKPOINTS",
    "append_record",
    "check_run",
    "check_same_data",
    "forget_after",
    "open_run",
    "read_arms_config",
    "read_class_config",
    "read_config",
    "read_crop",
    "read_records",
    "read_schema",
    "snapshots_seen",
    "trained_on",
]

CONFIG, ENVIRONMENT, METRICS, CHECKPOINTS = "config.json", "environment.json", "metrics.jsonl", "checkpoints"
SCHEMA = "schema.json"

MAY_CHANGE = ("name", "steps", "evaluate_every", "patience", "steps_per_dispatch", "threshold")
"""Choices that a resumed run may make anew."""


def open_run(
    folder: Path, config: RunConfig, *, resume: bool = False, snapshots: Sequence[Mapping[str, Any]] = ()
) -> None:
    """Make the run folder, or open the one of a run that was stopped, and note what it runs on.

    With `resume`, a folder that is not there yet is made: the same command line starts a run and goes on with it, as
    job schedulers want it.

    Raises
    ------
    ValueError
        If the folder holds a run and `resume` is not asked for; if it holds anything else; if it was made with
        choices that a resumed run cannot change, or on other data.
    """
    check_run(folder, config, resume=resume)
    check_same_data(folder, config, snapshots)
    folder.mkdir(parents=True, exist_ok=True)
    _write(folder / ENVIRONMENT, json.dumps([*_starts(folder), environment(snapshots)], indent=2) + "\n")
    _write(folder / CONFIG, to_json(config))
    if isinstance(config, ClassifyConfig) and not (folder / SCHEMA).exists():
        _write(folder / SCHEMA, json.dumps(schema_named(config.task).to_dict(), indent=2) + "\n")


def check_run(folder: Path, config: RunConfig, *, resume: bool) -> None:
    """Raise the ValueError that `open_run` would, but for the data, and leave everything as it is."""
    if (folder / CONFIG).exists():
        if not resume:
            raise ValueError(
                f"{folder} already holds a run: go on with it by --resume, or choose another name by --name or --run"
            )
        _check_same_choices(folder, config)
    elif folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ValueError(f"{folder} exists and is not a run folder (no {CONFIG}): choose another name by --run")


def check_same_data(folder: Path, config: RunConfig, snapshots: Sequence[Mapping[str, Any]]) -> None:
    """Raise a ValueError if a run that was stopped would go on with other snapshots than it was last started with.

    The paths in its config may be the same: in a folder of versions, the newest is opened.
    """
    for path, before, now in zip(config.data.snapshots, snapshots_seen(folder), snapshots, strict=False):
        if all(before.get(name) == now[name] for name in ("name", "version", "sizes")):
            continue
        kept = Path(path) / str(before.get("version"))
        what = f"--data.snapshots with {kept} in place of {path}" if kept.is_dir() else "the folder of that version"
        raise ValueError(
            f"{folder} was trained on {_named(before)}, and {path} is now {_named(now)}: "
            f"give {what}, or choose another name for a new run"
        )


def read_config(folder: Path) -> TrainConfig | ClassifyConfig:
    """The choices that the run in `folder` was made with, be it one that learnt arms or one that learnt classes.

    Raises
    ------
    ValueError
        If there is no run in this folder, or its config is unreadable or of another version.
    """
    path = folder / CONFIG
    if not path.is_file():
        found = "no such folder" if not folder.exists() else f"no {CONFIG} in it"
        raise ValueError(f"{folder}: not a run folder ({found}); give a folder that `flaxgal train` made, as runs/NAME")
    try:
        return run_from_json(path.read_text())
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path}: {error}") from None


def read_arms_config(folder: Path) -> TrainConfig:
    """The choices of a run that learnt arms.

    Raises
    ------
    ValueError
        As `read_config` raises it, or if the run learnt classes.
    """
    config = read_config(folder)
    if isinstance(config, ClassifyConfig):
        raise ValueError(f"{folder}: this run tells {config.task} and finds no arms; give one that was trained on arms")
    return config


def read_class_config(folder: Path) -> ClassifyConfig:
    """The choices of a run that learnt classes.

    Raises
    ------
    ValueError
        As `read_config` raises it, or if the run learnt arms.
    """
    config = read_config(folder)
    if isinstance(config, TrainConfig):
        raise ValueError(
            f"{folder}: this run finds arms and tells no classes; give one that was trained on classes, as by "
            f"flaxgal train morphology"
        )
    return config


def read_schema(folder: Path) -> LabelSchema:
    """The label schema that a run on classes was trained with; where its folder keeps none, the task's of today.

    Raises
    ------
    ValueError
        As `read_class_config` raises it, or if the schema is damaged.
    """
    config, path = read_class_config(folder), folder / SCHEMA
    if not path.exists():
        return schema_named(config.task)
    try:
        return LabelSchema.from_dict(json.loads(path.read_text()))
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path}: damaged, no label schema ({error}); restore it from a copy") from None


def read_crop(folder: Path) -> float:
    """The share of each frame's side that the pictures show which a run on classes was trained on.

    Raises
    ------
    ValueError
        If its snapshots were not all cropped alike, or nobody wrote down how.
    """
    seen = snapshots_seen(folder)
    if any("crop" not in about for about in seen):
        raise ValueError(
            f"{folder}: was trained by an older flaxgal, which did not write down how much of each frame its pictures "
            f"showed; say so by --crop, as it was said when its snapshots were built (1 if it was not, or of mocks)"
        )
    crops = {float(about["crop"]) for about in seen} or {1.0}
    if len(crops) > 1:
        raise ValueError(
            f"{folder}: was trained on snapshots whose pictures show {', '.join(f'{one:g}' for one in sorted(crops))} "
            f"of their frames' sides; say by --crop which of them these galaxies are to be shown as"
        )
    return crops.pop()


def trained_on(folder: Path) -> list[tuple[str, Path | None]]:
    """Snapshots that a run learnt from, and those of the runs that it, or its encoder, started from.

    Of each what to call it, and its folder: None where that version, or the run, is no longer where the config names
    it, and for an encoder that was converted from elsewhere.

    Raises
    ------
    ValueError
        As `read_config` raises it of the run itself.
    """
    found: list[tuple[str, Path | None]] = []
    config, seen = read_config(folder), {folder.resolve()}
    while True:
        before = snapshots_seen(folder) or [{}] * len(config.data.snapshots)
        for path, about in zip(map(Path, config.data.snapshots), before, strict=False):
            version = str(about.get("version", path.name))
            places = [place for place in (path / version, path) if place.name == version and place.is_dir()]
            name = f"{about['name']} {version}" if about else str(path)
            found.append((name, places[0] if places else None))
        earlier = config.start_from or config.encoder_from
        if not earlier or (folder := Path(earlier)).resolve() in seen:
            return found
        seen.add(folder.resolve())
        try:
            config = read_config(folder)
        except ValueError:
            return [*found, (f"what {folder} was trained on", None)]


def snapshots_seen(folder: Path) -> list[dict[str, Any]]:
    """What the run saw when it was last started; empty for a new one."""
    starts = _starts(folder)
    return starts[-1].get("snapshots", []) if starts else []


def append_record(folder: Path, record: Mapping[str, Any]) -> None:
    """Add one line to metrics.jsonl at once, so that a killed run keeps it; numbers that are not finite become null."""
    plain = {name: _plain(value) for name, value in record.items()}
    with (folder / METRICS).open("a", encoding="utf-8") as file:
        file.write(json.dumps(plain, allow_nan=False) + "\n")


def read_records(folder: Path) -> list[dict[str, Any]]:
    """The lines of metrics.jsonl, oldest first; a last line that a dying run left unfinished is not one."""
    path = folder / METRICS
    if not path.exists():
        return []
    records = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            records.append(json.loads(line))
        except json.JSONDecodeError:
            break
    return records


def forget_after(folder: Path, step: int) -> list[dict[str, Any]]:
    """Drop the records of steps after `step`, which a resumed run makes again; returns those that stay."""
    kept = [record for record in read_records(folder) if record["step"] <= step]
    _write(folder / METRICS, "".join(json.dumps(record) + "\n" for record in kept))
    return kept


def _check_same_choices(folder: Path, config: RunConfig) -> None:
    before, now = (_flat(dataclasses.asdict(each)) for each in (read_config(folder), config))
    changed = [name for name in now if now[name] != before.get(name) and name not in MAY_CHANGE]
    if "data.snapshots" in changed and _same_folders(folder, before["data.snapshots"], now["data.snapshots"]):
        changed.remove("data.snapshots")
    if changed:
        name = changed[0]
        raise ValueError(
            f"{folder} was trained with {name} {before.get(name)}, not {now[name]}"
            + (f" (and {len(changed) - 1} other choices differ: {', '.join(changed[1:])})" if changed[1:] else "")
            + ": resume it with the choices in its config.json, or choose another name for a new run"
        )


def _same_folders(folder: Path, before: Sequence[str], now: Sequence[str]) -> bool:
    """Whether each path is the one of before, or in that folder of versions the version that the run was trained on."""
    versions = [str(snapshot.get("version")) for snapshot in snapshots_seen(folder)]
    return len(before) == len(now) == len(versions) and all(
        Path(new).resolve() in (Path(old).resolve(), Path(old, version).resolve())
        for old, new, version in zip(before, now, versions, strict=True)
    )


def _named(snapshot: Mapping[str, Any]) -> str:
    """A snapshot in words: arms 1.0.0 (30 train, 4 validation)."""
    sizes = ", ".join(f"{number} {split}" for split, number in snapshot.get("sizes", {}).items())
    return f"{snapshot.get('name')} {snapshot.get('version')} ({sizes})"


def _flat(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested choices as one level, `model.widths`."""
    flat = {}
    for name, value in tree.items():
        flat |= _flat(value, f"{prefix}{name}.") if isinstance(value, Mapping) else {f"{prefix}{name}": value}
    return flat


def _starts(folder: Path) -> list[dict[str, Any]]:
    path = folder / ENVIRONMENT
    return json.loads(path.read_text()) if path.exists() else []


def _write(path: Path, text: str) -> None:
    with replaced_when_whole(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _plain(value: Any) -> Any:
    """A NumPy or JAX scalar as Python's own number; None where it is not finite."""
    value = value.item() if hasattr(value, "item") else value
    return None if isinstance(value, float) and not math.isfinite(value) else value
