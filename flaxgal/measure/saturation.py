"""Whether the brightest part of a galaxy was cut off at one number, where no mask plane says that it is saturated."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float
from scipy import ndimage

__all__ = ["is_clipped"]

LEAST_PIXELS = 5
"""A galaxy drawn without noise has up to four equal brightest pixels, around a corner of the grid."""
CLIFF = 1.3
"""How much farther it falls off next to the plateau than a smooth top that was rounded to the image's numbers: a
parabola that falls by one step within r pixels has fallen by (1 + 1 / r)² steps at r + 1."""
WHITE = 255


def is_clipped(image: Float[np.ndarray, "y x"], galaxy: Bool[np.ndarray, "y x"], *, picture: bool = False) -> bool:
    """Whether a galaxy's highest pixels are a plateau: at least five side by side, equal in every digit, and a cliff.

    Light that was cut off before noise, resampling or calibration made its pixels unequal is not noticed. In an 8-bit
    `picture` only white, 255, can be a cut.

    Parameters
    ----------
    image : one band; pixels without data are NaN or not `galaxy`.
    galaxy : True where the galaxy is seen.
    """
    light = np.where(galaxy & np.isfinite(image), image, -np.inf)
    top = float(light.max(initial=-np.inf))
    highest = light == top
    if not np.isfinite(top) or highest.sum() < LEAST_PIXELS or (picture and top < WHITE):
        return False
    labels, _ = ndimage.label(highest, np.ones((3, 3)))
    sizes = np.bincount(labels.ravel())[1:]
    plateau = labels == int(sizes.argmax()) + 1
    around = ndimage.binary_dilation(plateau, np.ones((3, 3))) & ~highest & np.isfinite(light)
    if sizes.max() < LEAST_PIXELS or not around.any():
        return False
    steps = np.diff(np.unique(light[np.isfinite(light)]))
    return bool(top - np.median(light[around]) > CLIFF * (1 + 1 / _semi_minor_axis(plateau)) ** 2 * steps.min())


def _semi_minor_axis(plateau: Bool[np.ndarray, "y x"]) -> float:
    """Of the ellipse with the second moments of these pixels, each a square of width 1."""
    return 2.0 * float(np.sqrt(np.linalg.eigvalsh(np.cov(np.nonzero(plateau), bias=True))[0] + 1 / 12))
