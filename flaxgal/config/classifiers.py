"""What `flaxgal train TASK` starts from."""

from __future__ import annotations

import dataclasses

from flaxgal.config.networks import SEED_CLASSIFIER, ClassifierConfig
from flaxgal.config.training import AugmentConfig, ClassifyConfig, ClassLossConfig, DataConfig, OptimizerConfig

_UNROLLED = ClassifierConfig(
    view="log_polar", widths=(24, 48, 96), blocks=(1,), stem=2, dropout=(0.0,), head_dropout=0.3
)
_WITH_RINGS = dataclasses.replace(_UNROLLED, rows=40, rings=(128, 64))
_LIGHTLY = AugmentConfig(zoom=(0.85, 1.18), shift=0.02, gamma=(1.0, 1.0), noise=0.0, blur_pixels=0.0)
_HARDLY = dataclasses.replace(_LIGHTLY, brightness=(0.9, 1.1), sky=0.01)  # profiles are to stay what they are
_FAST = OptimizerConfig(learning_rate=3e-3, weight_decay=1e-2)
_PROFILES = ClassifyConfig(
    task="morphology",
    name="morphology",
    steps=9000,
    evaluate_every=500,
    model=_WITH_RINGS,
    augment=_HARDLY,
    optimizer=_FAST,
)
CLASSIFIERS = {
    "morphology": _PROFILES,
    "spiral": dataclasses.replace(_PROFILES, task="spiral", name="spiral"),
    "winding": ClassifyConfig(
        task="winding",
        name="winding",
        steps=1400,
        evaluate_every=350,
        model=_UNROLLED,
        augment=_LIGHTLY,
        optimizer=dataclasses.replace(_FAST, average_decay=0.995),
    ),
    "t_type": dataclasses.replace(_PROFILES, task="t_type", name="t_type", loss=ClassLossConfig(class_weights="none")),
}
"""What `flaxgal train TASK` starts from: morphology as in experiments/morphology.py, winding as in experiments/gz1.py
but for `face_on`, which helped on real pictures and not on mocks; spiral and t_type like morphology, tried on mocks
only (docs/classifying-galaxies.md)."""
SEED_CLASSIFIERS = {
    f"c2-{task}": dataclasses.replace(
        config,
        name=f"c2-{task}",
        model=SEED_CLASSIFIER,
        optimizer=OptimizerConfig(learning_rate=1e-4, weight_decay=0.0),
        data=DataConfig(batch_size=25),
    )
    for task, config in CLASSIFIERS.items()
}
"""What `flaxgal train c2-TASK` starts from, for comparison: the seed's network, learning rate and batches (Cavanagh,
Bekki & Groves 2021, MNRAS 506, 659), and all else as in `CLASSIFIERS`."""
