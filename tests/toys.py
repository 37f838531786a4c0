"""Straight bars of light on a noisy sky: a data set that a tiny network learns in seconds."""

from pathlib import Path

import numpy as np

from flaxgal.config import DataConfig, OptimizerConfig, TrainConfig, UNetConfig
from flaxgal.datasets.builders import build_snapshot
from flaxgal.datasets.examples import Example

SIZE = 16
SPLITS = ("train", "train", "train", "validation", "test")


def toy_example(number: int, *, survey: str = "toy", size: int = SIZE) -> Example:
    random = np.random.default_rng([7, number])
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    angle = random.uniform(0, np.pi)
    bar = (np.abs(np.cos(angle) * y + np.sin(angle) * x) < size / 8) & (np.hypot(y, x) < size / 2.2)
    image = np.clip(120 * bar + random.normal(20, 10, (size, size)), 0, 255).astype(np.uint8)
    return Example(
        object_id=f"{survey}-{number}",
        survey=survey,
        image=image[..., None],
        target=255 * bar.astype(np.uint8)[..., None],
        weight=np.full((size, size), 255, np.uint8),
        split=SPLITS[number % len(SPLITS)],
    )


def toy_snapshot(out: Path, number: int = 40, *, name: str = "toy", **choices) -> Path:
    examples = (toy_example(k, survey=("toy", "other")[k // 5 % 2], **choices) for k in range(number))
    return build_snapshot(
        examples, out, bands=("grey",), classes=("arm",), image_size=choices.get("size", SIZE), name=name
    )


def toy_config(snapshot: Path, **changes) -> TrainConfig:
    choices = {
        "steps": 4,
        "evaluate_every": 2,
        "data": DataConfig(snapshots=(str(snapshot),), batch_size=8),
        "model": UNetConfig(image_size=SIZE, widths=(4, 8), block="plain", blocks=(1,), dropout=(0.1,)),
        "optimizer": OptimizerConfig(learning_rate=1e-2, warmup_steps=2, average_decay=0.9),
    }
    return TrainConfig(**{**choices, **changes})
