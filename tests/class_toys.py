"""The strokes of an S, of a Z, and round spots on a noisy sky: galaxies for a tiny network to tell apart.

Turned by a right angle an S would be a Z, so these are not to be rotated.
"""

from pathlib import Path

import numpy as np

from flaxgal.config import AugmentConfig, ClassifierConfig, ClassifyConfig, DataConfig, OptimizerConfig
from flaxgal.datasets.morphology import ClassExample, build_class_snapshot
from flaxgal.survey.schemas import Labels

SIZE = 16
SPLITS = ("train", "train", "train", "validation", "test")
WINDINGS = ("S", "Z", "none")


def letter(winding: str, random: np.random.Generator, *, size: int = SIZE) -> np.ndarray:
    """A picture as seen on the sky (the first row is the top): the slanted stroke of an S or a Z, or a round spot."""
    y, x = np.mgrid[:size, :size] - (size - 1) / 2 + random.uniform(-1, 1, (2, 1, 1))
    slant = {"S": x - y, "Z": x + y, "none": np.full_like(x, np.inf)}[winding]
    light = (np.abs(slant) < size / 8) & (np.hypot(x, y) < size / 2.2) | (np.hypot(x, y) < size / 5)
    return np.clip(150 * light + random.normal(25, 8, (size, size)), 0, 255).astype(np.uint8)[..., None]


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
        image=letter(winding or "none", np.random.default_rng([3, number])),
        labels=labels,
        split=SPLITS[number % len(SPLITS)],
    )


def class_snapshot(out: Path, number: int = 90, *, windings=None, name: str = "letters") -> Path:
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
        "augment": AugmentConfig(rotate=False, zoom=(0.9, 1.1), shift=0.02, noise=0.0, blur_pixels=0.0),
        "optimizer": OptimizerConfig(learning_rate=1e-2, warmup_steps=2, average_decay=0.9),
    }
    return ClassifyConfig(**{**choices, **changes})
