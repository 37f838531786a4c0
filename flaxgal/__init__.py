"""Find the spiral arms of galaxies in telescope images, and measure the light in them.

The names below are imported when they are first used, so that ``import flaxgal`` costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flaxgal.config import MockConfig, TrainConfig, UNetConfig
    from flaxgal.labels.revisions import Revision
    from flaxgal.labels.store import Store
    from flaxgal.models.unet import UNet
    from flaxgal.survey.cutout import Cutout, read_cutout, write_cutout

__all__ = [
    "Cutout",
    "MockConfig",
    "Revision",
    "Store",
    "TrainConfig",
    "UNet",
    "UNetConfig",
    "read_cutout",
    "write_cutout",
]
__version__ = "0.1.0"

_HOME = {
    "Cutout": "survey.cutout",
    "MockConfig": "config",
    "Revision": "labels.revisions",
    "Store": "labels.store",
    "TrainConfig": "config",
    "UNet": "models.unet",
    "UNetConfig": "config",
    "read_cutout": "survey.cutout",
    "write_cutout": "survey.cutout",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'flaxgal' has no attribute {name!r}")
    value = getattr(import_module(f"flaxgal.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
