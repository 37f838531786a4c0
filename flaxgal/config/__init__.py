"""Every choice a run can make, as frozen dataclasses that survive a round trip through JSON.

An experiment file makes one `TrainConfig` (arms) or `ClassifyConfig` (classes); the command line can override any
field of it; the run folder keeps it.
"""

from flaxgal.config.classifiers import CLASSIFIERS
from flaxgal.config.mock import MockConfig
from flaxgal.config.networks import (
    CONVNEXT_SIZES,
    DEFAULT_CLASSIFIER,
    DEFAULT_UNET,
    SEED_CLASSIFIER,
    SEED_UNET,
    ClassifierConfig,
    UNetConfig,
)
from flaxgal.config.saved import from_json, run_from_json, to_json
from flaxgal.config.training import (
    AugmentConfig,
    ClassifyConfig,
    ClassLossConfig,
    DataConfig,
    LossConfig,
    OptimizerConfig,
    PredictConfig,
    RunConfig,
    TaskName,
    TrainConfig,
)

__all__ = [
    "CLASSIFIERS",
    "CONVNEXT_SIZES",
    "DEFAULT_CLASSIFIER",
    "DEFAULT_UNET",
    "SEED_CLASSIFIER",
    "SEED_UNET",
    "AugmentConfig",
    "ClassLossConfig",
    "ClassifierConfig",
    "ClassifyConfig",
    "DataConfig",
    "LossConfig",
    "MockConfig",
    "OptimizerConfig",
    "PredictConfig",
    "RunConfig",
    "TaskName",
    "TrainConfig",
    "UNetConfig",
    "from_json",
    "run_from_json",
    "to_json",
]
