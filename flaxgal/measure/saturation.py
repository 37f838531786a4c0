"""Pixels with one number instead of light that no mask plane tells of: a core that was cut off, a dead patch."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float
from scipy import ndimage

__all__ = ["dead_pixels", "is_clipped"]

LEAST_PIXELS = 5
"""Of a plateau or a dead patch. A galaxy drawn without noise has up to four equal brightest pixels, around a corner of
the grid; in whole counts three in a thousand bright galaxies have four in a hollow of their noise."""
CLIFF = 1.3
"""How much farther it falls off next to the plateau than a smooth top that was rounded to the image's numbers: a
parabola that falls by one step within r pixels has fallen by (1 + 1 / r)² steps at r + 1."""
WHITE = 255
SQUARE = np.ones((3, 3), bool)
LEAST_DEPTH = 4.0
"""Of a dead patch below half of the pixels around it, in deviations of the noise, and below each of them in steps of
the image's numbers: a smooth hollow with so many equal pixels on its ground is less than four steps deep."""


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
    labels, _ = ndimage.label(highest, SQUARE)
    sizes = np.bincount(labels.ravel())[1:]
    plateau = labels == int(sizes.argmax()) + 1
    around = ndimage.binary_dilation(plateau, SQUARE) & ~highest & np.isfinite(light)
    if sizes.max() < LEAST_PIXELS or not around.any():
        return False
    steps = np.diff(np.unique(light[np.isfinite(light)]))
    return bool(top - np.median(light[around]) > CLIFF * (1 + 1 / _semi_minor_axis(plateau)) ** 2 * steps.min())


def dead_pixels(
    image: Float[np.ndarray, "y x"], usable: Bool[np.ndarray, "y x"], deviation: float
) -> Bool[np.ndarray, "y x"]:
    """True on patches of at least five touching pixels, equal in every digit, deep below all around them.

    Some pipelines write such a number, often 0, where a detector saw nothing. A patch in the sky, or at the edge of
    the frame, is not noticed. `deviation` is the noise of a pixel.
    """
    from skimage.morphology import local_minima

    dead = np.zeros(image.shape, bool)
    if min(image.shape) < 3 or not _has_touching_equals(np.where(usable, image, np.nan)):
        return dead
    light = np.where(usable, image, image.min(where=usable, initial=np.inf))
    step = np.diff(np.unique(light)).min(initial=np.inf)
    labels, _ = ndimage.label(local_minima(light, connectivity=2, allow_borders=False), SQUARE)
    sizes = np.bincount(labels.ravel())
    for label in np.flatnonzero(sizes[1:] >= LEAST_PIXELS) + 1:
        patch = labels == label
        rise = light[ndimage.binary_dilation(patch, SQUARE) & ~patch] - light[patch].min()
        if np.median(rise) > LEAST_DEPTH * deviation and rise.min() > LEAST_DEPTH * step:
            dead |= patch
    return dead


def _has_touching_equals(light: Float[np.ndarray, "y x"]) -> bool:
    """Whether any two pixels next to each other, or corner to corner, are equal: without noise or in whole counts."""
    beside = (
        (light[:, 1:], light[:, :-1]),
        (light[1:], light[:-1]),
        (light[1:, 1:], light[:-1, :-1]),
        (light[1:, :-1], light[:-1, 1:]),
    )
    return any(bool((one == other).any()) for one, other in beside)


def _semi_minor_axis(plateau: Bool[np.ndarray, "y x"]) -> float:
    """Of the ellipse with the second moments of these pixels, each a square of width 1."""
    return 2.0 * float(np.sqrt(np.linalg.eigvalsh(np.cov(np.nonzero(plateau), bias=True))[0] + 1 / 12))
