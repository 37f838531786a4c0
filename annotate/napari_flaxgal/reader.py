"""Opens galaxy cutouts and predictions in napari: File > Open, drag and drop, or `napari --plugin flaxgal FILE`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from flaxgal.survey.cutout import read_cutout
from flaxgal.survey.prediction import ENDING, read_prediction
from napari_flaxgal.layers import LayerData, cutout_layers, prediction_layers

__all__ = ["get_reader"]

Paths = str | Sequence[str]


def get_reader(path: Paths) -> Callable[[Paths], list[LayerData]]:
    """The function that reads a file: a prediction, or a galaxy, whose bands may be in a list of several files."""
    return read_prediction_layers if isinstance(path, str) and path.endswith(ENDING) else read_cutout_layers


def read_cutout_layers(path: Paths) -> list[LayerData]:
    """One galaxy from one file, or from several with one band each."""
    return cutout_layers(read_cutout(path))


def read_prediction_layers(path: Paths) -> list[LayerData]:
    """What `flaxgal predict` wrote for one galaxy."""
    return prediction_layers(read_prediction(Path(str(path))))
