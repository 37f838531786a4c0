"""flaxgal's records as napari layer data: tuples of array, options and kind of layer, without napari or Qt.

Rows stay in the order of the record, so that what is drawn on a layer fits the galaxy's arrays pixel by pixel. Images
whose `first_row` is the bottom of the picture (FITS) are turned the right way up by a negative scale along y, which
moves no pixel in its array.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Shaped

from flaxgal.survey.cutout import Cutout, FirstRow
from flaxgal.survey.display import grey, lupton_rgb, sky_level
from flaxgal.survey.prediction import Prediction

__all__ = ["LayerData", "cutout_layers", "prediction_layers"]

LayerData = tuple[Shaped[np.ndarray, "..."], dict[str, Any], str]
"""(array, options of the layer, "image" or "labels")."""

FAINTEST_SIGMA, BRIGHTEST_SIGMA = -2.0, 30.0
"""Contrast limits of a band in linear flux, in sigma of its sky: an outer disc shows, a core saturates."""


def cutout_layers(cutout: Cutout) -> list[LayerData]:
    """A galaxy as layers: the display picture and, under it and hidden, each band in linear flux.

    The picture's metadata holds the cutout itself under "cutout".
    """
    several = len(cutout.bands) > 1
    picture = lupton_rgb(cutout) if several else grey(cutout)
    shown = {
        "name": cutout.object_id,
        "rgb": several,
        "scale": _right_way_up(cutout.first_row),
        "metadata": {"cutout": cutout},
    }
    bands = [_band_layer(cutout, number) for number in range(len(cutout.bands))] if cutout.has_linear_flux else []
    return [*bands, (picture, shown, "image")]


def prediction_layers(prediction: Prediction) -> list[LayerData]:
    """A prediction as layers: the probability of each class, hidden, and the map of classes above the threshold.

    The class map's metadata holds the prediction itself under "prediction".
    """
    scale = _right_way_up(prediction.first_row)
    maps: list[LayerData] = [
        (
            probability,
            {
                "name": f"{prediction.object_id} {name} probability",
                "colormap": "magma",
                "contrast_limits": (0.0, 1.0),
                "blending": "additive",
                "visible": False,
                "scale": scale,
            },
            "image",
        )
        for name, probability in zip(prediction.classes, prediction.probability, strict=True)
    ]
    classes = {
        "name": f"{prediction.object_id} {' '.join(prediction.classes)}",
        "opacity": 0.5,
        "scale": scale,
        "metadata": {"prediction": prediction},
    }
    return [*maps, (prediction.class_map, classes, "labels")]


def _band_layer(cutout: Cutout, number: int) -> LayerData:
    flux = cutout.flux[number]
    sky, noise = map(float, sky_level(flux))
    options = {
        "name": f"{cutout.object_id} {cutout.bands[number]} ({cutout.unit})",
        "colormap": "gray",
        "contrast_limits": (sky + FAINTEST_SIGMA * noise, sky + BRIGHTEST_SIGMA * noise),
        "visible": False,
        "scale": _right_way_up(cutout.first_row),
    }
    return flux, options, "image"


def _right_way_up(first_row: FirstRow) -> tuple[float, float]:
    return (-1.0, 1.0) if first_row == "bottom" else (1.0, 1.0)
