"""Where the ridges of arms run, and the annotator's clicks moved on to them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Float32
from scipy import ndimage

from flaxgal.measure.geometry import elliptical_radius
from flaxgal.survey.cutout import Cutout
from napari_flaxgal.tools.light import galaxy_light
from napari_flaxgal.tools.residual import arm_contrast

__all__ = ["ridge_path", "ridge_strength", "snap"]

BEYOND = 1.4
"""There are no ridges of the galaxy farther out than this many times its extent."""
WIDTHS = (0.025, 0.045, 0.08)
"""Half-widths of arms looked for, as shares of the galaxy's extent; none below `LEAST_WIDTH` pixels."""
LEAST_WIDTH = 1.2
BLOB = 0.7
"""How much of a bump's curvature along the ridge counts against it: a star is no ridge, a knot in an arm still is."""
RIDGE_REACH = 10
"""Pixels beside the clicks within which a path between them may run, on top of a quarter of their distance."""


def ridge_strength(cutout: Cutout) -> Float32[np.ndarray, "y x"]:
    """How much each pixel is the crest of something long and bright on the galaxy's smooth light: 0 to 1.

    `arm_contrast`, in which faint outer arms count as much as bright inner ones, is smoothed over three widths; a crest
    is where it bends down steeply across (the smaller eigenvalue of its Hessian) and not along (Sato et al. 1998, Med.
    Image Anal. 2, 143). 1 is the strength that one pixel in a thousand exceeds.
    """
    light, contrast = galaxy_light(cutout), arm_contrast(cutout)
    contrast = np.where(light.own, np.clip(contrast, -2.0, 2.0), 0.0).astype(float)
    radius = elliptical_radius(light.disc, contrast.shape)
    strength = np.zeros(contrast.shape)
    for width in sorted({max(LEAST_WIDTH, share * light.extent) for share in WIDTHS}):
        np.maximum(strength, bent_across(contrast, width), out=strength)
    strength *= radius <= BEYOND * light.extent
    reference = float(np.quantile(strength, 0.999))
    return np.clip(strength / max(reference, 1e-9), 0.0, 1.0).astype(np.float32)


def bent_across(image: Float[np.ndarray, "y x"], width: float) -> Float[np.ndarray, "y x"]:
    """Downward curvature across the steepest direction, less that along it, at one scale."""
    yy, yx, xx = _hessian(image, width)
    mean, spread = (yy + xx) / 2, np.hypot((yy - xx) / 2, yx)
    across, along = mean - spread, mean + spread
    return width**2 * np.maximum(0.0, -across - BLOB * np.maximum(0.0, -along))


def _hessian(image: Float[np.ndarray, "y x"], width: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return tuple(  # type: ignore[return-value]
        ndimage.gaussian_filter(image, width, order=order, mode="nearest", truncate=3.0)
        for order in ((2, 0), (1, 1), (0, 2))
    )


def snap(
    point: Sequence[float] | Float[np.ndarray, 2], ridge: Float[np.ndarray, "y x"], radius_pixels: float | int
) -> tuple[float, float]:
    """A click (y, x) moved on to the ridge beside it, to a fraction of a pixel; where there is none it stays.

    Among the ridges within the radius a near one is preferred to a strong one. The click moves across the ridge, not
    along it to its brightest knot.
    """
    y, x = float(point[0]), float(point[1])
    reach = int(np.ceil(radius_pixels))
    at_y, at_x = round(y), round(x)
    if not (0 <= at_y < ridge.shape[0] and 0 <= at_x < ridge.shape[1]):
        return y, x
    rows = np.arange(max(0, at_y - reach), min(ridge.shape[0], at_y + reach + 1))
    columns = np.arange(max(0, at_x - reach), min(ridge.shape[1], at_x + reach + 1))
    distance = np.hypot(rows[:, None] - y, columns[None] - x)
    window = ridge[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].astype(float)
    worth = np.where(distance <= radius_pixels, window * np.exp(-0.5 * np.square(distance / (0.5 * radius_pixels))), 0)
    if not worth.max() > 0.02:
        return y, x
    row, column = np.unravel_index(worth.argmax(), worth.shape)
    return _up_across(ridge, (float(rows[row]), float(columns[column])), radius_pixels)


def _up_across(ridge: np.ndarray, start: tuple[float, float], radius_pixels: float | int) -> tuple[float, float]:
    """From a point on a ridge's side up to its crest, across the ridge, by at most half the radius."""
    y, x = start
    reach = int(np.ceil(radius_pixels)) + 4
    top, left = max(0, int(y) - reach), max(0, int(x) - reach)
    around = ridge[top : int(y) + reach + 1, left : int(x) + reach + 1].astype(float)
    yy, yx, xx = (part[int(y) - top, int(x) - left] for part in _hessian(around, 1.5))
    _, axes = np.linalg.eigh([[yy, yx], [yx, xx]])
    normal = axes[:, 0]  # of the most negative curvature
    steps = np.arange(-radius_pixels / 2, radius_pixels / 2 + 0.05, 0.1)
    smooth = ndimage.gaussian_filter(around, 0.7)
    heights = ndimage.map_coordinates(
        smooth, [y - top + steps * normal[0], x - left + steps * normal[1]], order=3, mode="nearest"
    )
    best = int(np.argmin(np.abs(steps)))
    while 0 < best < len(steps) - 1 and max(heights[best - 1], heights[best + 1]) > heights[best]:
        best += 1 if heights[best + 1] > heights[best - 1] else -1
    step = steps[best]
    return (
        float(np.clip(y + step * normal[0], 0, ridge.shape[0] - 1)),
        float(np.clip(x + step * normal[1], 0, ridge.shape[1] - 1)),
    )


def ridge_path(
    points: Float[np.ndarray, "n 2"], ridge: Float[np.ndarray, "y x"], *, spacing_pixels: float | int = 8.0
) -> Float[np.ndarray, "m 2"]:
    """Points of an arm that runs through every click and along the ridge between them, ready to be a `Trace`'s.

    Between two clicks the path of least cost is taken, a step costing the less the stronger the ridge; of it one point
    about every `spacing_pixels` is kept, so that each can be dragged. The clicks stay where they are.
    """
    from skimage.graph import route_through_array

    inside = np.clip(points, 0, np.array(ridge.shape) - 1)
    kept = [np.asarray(points[:1], float)]
    for start, end, exact in zip(inside[:-1], inside[1:], points[1:], strict=True):
        away = float(np.hypot(*(end - start)))
        margin = RIDGE_REACH + 0.25 * away
        top, left = np.maximum(0, np.floor(np.minimum(start, end) - margin)).astype(int)
        bottom, right = np.ceil(np.maximum(start, end) + margin).astype(int) + 1
        cost = 1.0 / (0.05 + np.clip(ridge[top:bottom, left:right], 0.0, 1.0))
        offset = np.array([top, left])
        first, last = (np.rint(place - offset).astype(int).tolist() for place in (start, end))
        route = np.array(route_through_array(cost, first, last, geometric=True)[0], float) + offset
        route = ndimage.gaussian_filter1d(route, 1.5, axis=0, mode="nearest")  # a route turns by 45° at a time
        pieces = max(1, round(len(route) / spacing_pixels))
        between = np.linspace(0, len(route) - 1, pieces + 1)[1:-1]
        kept += [route[np.rint(between).astype(int)], np.asarray(exact, float)[None]]
    return np.concatenate(kept)
