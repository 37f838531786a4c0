"""What marks look like: one colour a class and a mask plane, apart from each other for colour-blind eyes, too.

Classes are blue-green, orange and violet after Okabe & Ito (2008), apart from the yellow and blue of galaxies.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import UInt8
from napari.utils.colormaps import DirectLabelColormap

from flaxgal.labels.revisions import UNCERTAIN
from flaxgal.survey.cutout import Cutout
from flaxgal.survey.prediction import CLASS_CODES

__all__ = ["BAD_PLANES", "CLASS_COLOURS", "bad_pixel_colormap", "bad_pixel_name", "bad_pixels", "class_colormap"]

CLASS_COLOURS = {CLASS_CODES["arm"]: "#00c8a0", CLASS_CODES["bar"]: "#ff9f1c", UNCERTAIN: "#cc79e7"}
BAD_PLANES = {
    "NO_DATA": "#5a5a5a",
    "BAD": "#8c2d04",
    "SAT": "#ff3b3b",
    "BRIGHT_OBJECT": "#ff8c69",
    "CR": "#3b7bff",
    "EDGE": "#9e9e9e",
    "INTRP": "#d8b365",
    "SUSPECT": "#b58cff",
    "CROSSTALK": "#66c2a5",
    "UNMASKEDNAN": "#404040",
    "CLIPPED": "#e0e000",
}
"""Mask planes that are shown, those that matter most first, and their colours."""


def class_colormap() -> DirectLabelColormap:
    """Of a drawing's layer."""
    return _colormap(CLASS_COLOURS)


def bad_pixel_colormap() -> DirectLabelColormap:
    """Of the layer that `bad_pixels` fills."""
    return _colormap(dict(enumerate(BAD_PLANES.values(), start=1)))


def bad_pixels(cutout: Cutout) -> UInt8[np.ndarray, "y x"]:
    """Which plane of `BAD_PLANES` holds at each pixel, in any band: its number from 1; 0 is a good pixel."""
    shown = np.zeros(cutout.image_shape, np.uint8)
    for number, name in reversed(list(enumerate(BAD_PLANES, start=1))):
        if name in cutout.mask_planes:
            shown[cutout.mask_planes[name].any(axis=0)] = number
    shown[~np.isfinite(cutout.flux).any(axis=0)] = 1
    return shown


def bad_pixel_name(number: int) -> str:
    """The plane that a number of `bad_pixels` stands for."""
    return list(BAD_PLANES)[number - 1]


def _colormap(colours: dict[int, str]) -> DirectLabelColormap:
    transparent: dict[Any, Any] = {None: "transparent", 0: "transparent"}
    return DirectLabelColormap(color_dict=transparent | colours)
