"""The commands around the annotation tool: open it, and train on what was drawn in it."""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from pathlib import Path
from typing import Annotated

from tyro.conf import arg

from flaxgal.cli_words import StoreFolder
from flaxgal.labels.annotating import AnnotateConfig
from flaxgal.progress import bars, silent

__all__ = ["annotate", "retrain"]

OPENED = AnnotateConfig()


def annotate(store: StoreFolder, *, config: Annotated[AnnotateConfig, arg(name="")] = OPENED) -> int:
    """Draw and correct arm masks in napari: opens a window on a label store, ready to work.

    Example: flaxgal annotate labels/ --model runs/arms --annotator anna

    Args:
        store: The label store's folder.
        config: How it is opened.
    """
    # flaxgal itself knows nothing of the plugin, which knows flaxgal: the window is another program in its place.
    if importlib.util.find_spec("napari_flaxgal") is None:
        raise ValueError(
            "the napari plugin is not installed in this Python; install it with: pip install 'flaxgal[annotate]'"
        )
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-m", "napari_flaxgal", str(store), *config.arguments()])


def retrain(
    store: StoreFolder,
    *,
    model: Path | None = None,
    steps: int = 500,
    labels: str = "latest",
    as_json: Annotated[bool, arg(name="json")] = False,
) -> int:
    """Train on the labels of a store as they are now, and score the new run beside the one before it.

    Example: flaxgal retrain labels/ --model runs/arms

    Args:
        store: The label store's folder; snapshot, run and score are kept in its folder training.
        model: Run to go on from; what was retrained last on this store when not given, or else a new network.
        steps: Training steps.
        labels: Whose marks count, as for `flaxgal build`.
        as_json: Print how it stands as one JSON object a line, for programs.
    """
    from flaxgal.retrain import retrain as train_again

    progress, phase = None, ""
    with bars() as show:
        for progress in train_again(store, start_from=model, steps=steps, labels=labels):
            show("retraining", round(1000 * progress.fraction), 1000, f"{progress.phase}  {progress.note}")
            if as_json:
                run = None if progress.run is None else str(progress.run)
                line = {"phase": progress.phase, "fraction": progress.fraction, "note": progress.note, "run": run}
                print(json.dumps(line), flush=True)
            elif show is silent and progress.phase != phase:
                print(f"{progress.phase}: {progress.note}", flush=True)
            phase = progress.phase
    if progress is None or progress.run is None:
        return 1
    for reason in progress.left_out:
        print(f"left out: {reason}", file=sys.stderr)
    if not as_json:
        if show is not silent:
            print(progress.note)
        print(progress.run)
    return 0
