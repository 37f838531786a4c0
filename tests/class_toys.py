"""Two-armed curls of light and round spots on a noisy sky: S, Z and none, for a tiny network to tell apart."""

from pathlib import Path

import numpy as np

from flaxgal.config import ClassifierConfig, ClassifyConfig, DataConfig, OptimizerConfig
from flaxgal.datasets.morphology import ClassExample, build_class_snapshot
from flaxgal.survey.schemas import Labels

SIZE = 16
SPLITS = ("train", "train", "train", "validation", "test")
WINDINGS = ("S", "Z", "none")


def curl(winding: str, random: np.random.Generator, *, size: int = SIZE) -> np.ndarray:
    """A picture as seen on the sky: the first row is the top."""
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    radius, angle = np.hypot(y, x), np.arctan2(-y, x)  # anticlockwise
    turn = {"S": -1, "Z": 1, "none": 0}[winding]
    arms = np.cos(2 * (angle - turn * 0.45 * radius - random.uniform(0, np.pi))) > 0.3 if turn else radius < size / 5
    light = 150 * (arms & (radius < size / 2.2)) + random.normal(25, 8, (size, size))
    return np.clip(light, 0, 255).astype(np.uint8)[..., None]


def toy_class(number: int, *, winding: str | None = None) -> ClassExample:
    winding = WINDINGS[number // len(SPLITS) % 3] if winding is None else winding
    labels = Labels(
        morphology={"": "", "none": "E"}.get(winding, "Sp"),
        winding=winding,
        t_type={"": np.nan, "none": -5.0}.get(winding, float(1 + number // 15 % 6)),
    )
    return ClassExample(
        object_id=f"toy-{number}",
        survey="toy",
        image=curl(winding or "none", np.random.default_rng([3, number])),
        labels=labels,
        split=SPLITS[number % len(SPLITS)],
    )


def class_snapshot(out: Path, number: int = 90, *, windings=None, name: str = "curls") -> Path:
    """Galaxies of each class by turns, or of the windings given."""
    chosen = [None] * number if windings is None else windings
    examples = (toy_class(k, winding=winding) for k, winding in enumerate(chosen))
    return build_class_snapshot(examples, out, bands=("grey",), image_size=SIZE, name=name)


def class_config(snapshot: Path, **changes) -> ClassifyConfig:
    choices = {
        "task": "winding",
        "steps": 4,
        "evaluate_every": 2,
        "data": DataConfig(snapshots=(str(snapshot),), batch_size=8),
        "model": ClassifierConfig(image_size=SIZE, widths=(4, 8), blocks=(1,), dropout=(0.1,)),
        "optimizer": OptimizerConfig(learning_rate=1e-2, warmup_steps=2, average_decay=0.9),
    }
    return ClassifyConfig(**{**choices, **changes})
