"""How the model's score on galaxies it was not trained on moved with the labels: a line for each retraining.

STORE/training/scores.jsonl is only ever appended to; `flaxgal retrain` writes it, the annotation tool shows it.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["append_score", "last_run", "read_scores", "runs_folder", "snapshots_folder"]


def runs_folder(store: Path | str) -> Path:
    """Where the runs trained on a store's labels are."""
    return Path(store) / "training" / "runs"


def snapshots_folder(store: Path | str) -> Path:
    """Where the dataset snapshots they were trained on are."""
    return Path(store) / "training" / "snapshots"


def append_score(store: Path | str, score: Mapping[str, Any]) -> None:
    """Note how a retrained run did; on the disk when this returns."""
    path = _scores_file(store)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        torn = file.tell() > 0 and path.read_bytes()[-1:] != b"\n"  # a process died while it wrote the last line
        file.write(b"\n" * torn + json.dumps(dict(score), allow_nan=False).encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())


def read_scores(store: Path | str) -> list[dict[str, Any]]:
    """The lines of all retrainings that were scored, oldest first.

    Each has `run` (its folder's name), `utc`, `labels` (galaxies of the snapshot), `train_galaxies`,
    `held_out_galaxies`, `held_out_with_arms` of them, `dice` (mean arm Dice over those with arms, or over all while
    none has) with its 95 % interval `low`, `high`, `previous_run` and its `previous_dice` on the same galaxies.
    Retrainings that had no galaxy to be scored on are left out.
    """
    return [score for score in _lines(store) if score.get("dice") is not None]


def last_run(store: Path | str) -> Path | None:
    """The run that was trained last on a store's labels and is still there; None before the first."""
    folders = (runs_folder(store) / str(score.get("run")) for score in reversed(_lines(store)))
    return next((folder for folder in folders if (folder / "config.json").is_file()), None)


def _scores_file(store: Path | str) -> Path:
    return Path(store) / "training" / "scores.jsonl"


def _lines(store: Path | str) -> list[dict[str, Any]]:
    path = _scores_file(store)
    found = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
        try:
            score = json.loads(line)
        except json.JSONDecodeError:
            continue
        if isinstance(score, dict):
            found.append(score)
    return found
