"""The arm tracer: a few clicks along an arm make a smooth band of a width that one handle sets."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float
from scipy import interpolate

__all__ = ["Trace"]

LEAST_WIDTH = 1.0
STEP = 0.25
"""Pixels between samples of the curve that the area is measured from; more where the band is wide."""


@dataclass(frozen=True, eq=False)
class Trace:
    """An arm being traced, editable until it is committed: points, width, and the class it will be painted as."""

    points: Float[np.ndarray, "n 2"]
    """(y, x) in pixels, in order along the arm; the first pixel's centre is (0, 0)."""
    width_pixels: float | int = 5.0
    class_code: int = 1
    """Value painted: 1 arm, 2 bar, 255 uncertain."""

    def __post_init__(self) -> None:
        points = np.asarray(self.points, float).reshape(-1, 2)
        if not np.isfinite(points).all():
            raise ValueError("a traced arm has a point that is not a number; wanted (y, x) in pixels for each point")
        object.__setattr__(self, "points", points)
        object.__setattr__(self, "width_pixels", max(LEAST_WIDTH, float(self.width_pixels)))

    def path(self) -> Float[np.ndarray, "m 2"]:
        """The smooth curve through the points, (y, x) about every quarter of a pixel.

        A cubic spline in the square root of the distance between points (centripetal: Lee 1989), which makes no loops
        where clicks are unevenly spaced. Two points give a straight line, one gives itself.
        """
        return _curve(self.points, STEP)

    def mask(self, shape: tuple[int, int]) -> Bool[np.ndarray, "y x"]:
        """True on pixels whose centres lie within half the width of the curve."""
        covered = np.zeros(shape, bool)
        curve = _curve(self.points, max(STEP, min(1.0, 0.1 * self.width_pixels)))
        if not len(curve):
            return covered
        reach = self.width_pixels / 2
        nearest = np.rint(curve).astype(int)
        span = np.arange(-int(reach + 1), int(reach + 1) + 1)
        for dy in span:  # a row of the brush at a time: no large array however wide the arm
            rows = nearest[:, :1] + dy
            columns = nearest[:, 1:] + span
            close = np.square(rows - curve[:, :1]) + np.square(columns - curve[:, 1:]) <= reach**2
            rows = np.broadcast_to(rows, columns.shape)
            inside = close & (rows >= 0) & (columns >= 0) & (rows < shape[0]) & (columns < shape[1])
            covered[rows[inside], columns[inside]] = True
        return covered

    def width_handle(self) -> tuple[float, float]:
        """(y, x) of the handle that sets the width: on the arm's edge, half way along it.

        Raises
        ------
        ValueError
            If there is no point yet.
        """
        middle, normal = self._middle()
        y, x = middle + normal * self.width_pixels / 2
        return float(y), float(x)

    def with_width_handle(self, point: Sequence[float] | Float[np.ndarray, 2]) -> Trace:
        """The same arm, as wide as a handle dragged to a point says; dragging along the arm changes nothing."""
        middle, normal = self._middle()
        return replace(self, width_pixels=2 * abs(float((np.asarray(point, float) - middle) @ normal)))

    def _middle(self) -> tuple[Float[np.ndarray, 2], Float[np.ndarray, 2]]:
        """Half way along the curve, and the direction across it there."""
        curve = self.path()
        if not len(curve):
            raise ValueError("a traced arm without points has no width handle; click along the arm first")
        length = _lengths(curve)
        number = int(np.searchsorted(length, length[-1] / 2))
        before, after = curve[max(0, number - 1)], curve[min(len(curve) - 1, number + 1)]
        dy, dx = after - before
        size = np.hypot(dy, dx)
        normal = np.array([-dx, dy]) / size if size > 0 else np.array([-1.0, 0.0])
        return curve[number], normal


def _lengths(points: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, " n"]:
    """Distance along a chain of points from its first."""
    return np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(points, axis=0).T))])


def _curve(points: Float[np.ndarray, "n 2"], step: float) -> Float[np.ndarray, "m 2"]:
    """The spline through the points, sampled evenly, `step` pixels apart or a little less."""
    chord = np.hypot(*np.diff(points, axis=0).T)
    points = points[np.concatenate([[True], chord > 1e-6])] if len(points) else points  # a double click is one point
    if len(points) < 2:
        return points
    knots = np.concatenate([[0.0], np.cumsum(np.sqrt(np.hypot(*np.diff(points, axis=0).T)))])
    if len(points) == 2:
        fine = np.linspace(points[0], points[1], 2)
    else:
        spline = interpolate.CubicSpline(knots, points, bc_type="natural")
        parts = [np.linspace(a, b, 33)[:-1] for a, b in itertools.pairwise(knots)]
        fine = spline(np.concatenate([*parts, knots[-1:]]))
    length = _lengths(fine)
    at = np.linspace(0.0, length[-1], max(2, int(np.ceil(length[-1] / step)) + 1))
    return np.stack([np.interp(at, length, fine[:, axis]) for axis in (0, 1)], axis=1)
