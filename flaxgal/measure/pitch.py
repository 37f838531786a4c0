"""Logarithmic spirals through the pixels of an arm mask, in the plane of the disc.

On axes (ln r, azimuth) the arm azimuth = azimuth₀ + κ ln r is a straight line, with |κ| the cotangent of the pitch
angle; κ is called the winding, positive where the azimuth grows outwards. These axes keep shapes as the disc does (the
map is conformal), so a distance across the line times r is a distance in pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from scipy import ndimage

__all__ = [
    "Points",
    "Spiral",
    "fit_spiral",
    "phase_histograms",
    "pitch_angle_deg",
    "rough_spiral",
    "spiral_error_deg",
    "wrapped",
]

TURN = 2 * np.pi
PHASE_BINS = 120
SMOOTHING_BINS = 4.0
LARGEST_WINDING = 57.0
"""Cotangent of 1 degree: a ring, for all that pixels tell."""
SQUARE, CLEAR = 0.4, 0.3
"""Weights of the lines of `fit_spiral`, found on mock galaxies: pitch angles are as often too small as too large."""
END = 0.25
"""What is cut off either end of an arm, in widths of the arm; as much as a width has to be left."""
LEAST_CLEAR = 10
WAVES_DEG = 1.0
"""Arms wave and bend more than a spiral fitted to what is seen of them tells, however sharp they are: with this, as
many pitch angles of mock galaxies lie within small errors as within large ones."""


@dataclass(frozen=True, eq=False)
class Points:
    """Pixels of an arm mask in the plane of the disc."""

    log_radius: Float[np.ndarray, " pixel"]
    azimuth: Float[np.ndarray, " pixel"]
    """In radians, from the major axis."""

    @property
    def radius(self) -> Float[np.ndarray, " pixel"]:
        """In pixels."""
        return np.exp(self.log_radius)

    def __getitem__(self, chosen: np.ndarray) -> Points:
        return Points(self.log_radius[chosen], self.azimuth[chosen])


@dataclass(frozen=True)
class Spiral:
    """azimuth = azimuth + winding · ln r, in radians and pixels."""

    winding: float
    azimuth: float

    def offset(self, points: Points) -> Float[np.ndarray, " pixel"]:
        """Azimuth of points from the spiral's at their radius, between −π and π."""
        return wrapped(points.azimuth - self.azimuth - self.winding * points.log_radius)

    def distance(self, points: Points) -> Float[np.ndarray, " pixel"]:
        """How far points lie from the spiral, as a share of their radius."""
        return np.abs(self.offset(points)) / np.hypot(1.0, self.winding)

    def along(self, points: Points) -> Float[np.ndarray, " pixel"]:
        """The logarithm of the radius of the place on the spiral that is nearest to each point."""
        return points.log_radius + self.offset(points) * self.winding / (1.0 + self.winding**2)


def wrapped(angle: Float[np.ndarray, "*n"]) -> Float[np.ndarray, "*n"]:
    """An angle in radians, between −π and π."""
    return (angle + np.pi) % TURN - np.pi


def pitch_angle_deg(winding: float) -> float:
    """From 0, a circle, to 90, a spoke."""
    return float(np.degrees(np.arctan2(1.0, abs(winding))))


def phase_histograms(points: Points, windings: Float[np.ndarray, " winding"]) -> Float[np.ndarray, "winding phase"]:
    """How the points' azimuths spread when the galaxy is unwound by each of some windings, smoothed by 12 degrees.

    Pixels count by their radius: a pixel near the centre says little about azimuth.
    """
    phase = points.azimuth[None] - windings[:, None] * points.log_radius[None]
    place = np.floor(phase * (PHASE_BINS / TURN)).astype(int) % PHASE_BINS
    place += (np.arange(windings.size) * PHASE_BINS)[:, None]
    weight = np.broadcast_to(points.radius, place.shape)
    counts = np.bincount(place.ravel(), weight.ravel(), windings.size * PHASE_BINS)
    return ndimage.gaussian_filter1d(counts.reshape(-1, PHASE_BINS), SMOOTHING_BINS, axis=1, mode="wrap")


def fit_spiral(points: Points, near: Spiral) -> Spiral:
    """The logarithmic spiral through the pixels of one arm, found from a spiral close by.

    Three straight lines are fitted: one by distances across the line, which is right for an arm whose ends are cut
    square to it; one by distances in azimuth, which is right for ends cut along circles; and one by distances across
    through what is left when the ends are cut off square, which needs an arm longer than wide. Real ends lie between;
    so does the answer, at the weighted mean of the angles. With one line alone the pitch of short, wide arms comes out
    2 to 5 degrees too small or too large.
    """
    first = rough_spiral(points, near)
    clear = _clear_of_ends(points, first)
    if clear.sum() < LEAST_CLEAR:
        return first
    angle = float(np.arctan(first.winding))
    square, _, middle, azimuth = _two_angles(points[clear], first)
    return _through(angle + CLEAR * _between(angle, square), middle, azimuth)


def rough_spiral(points: Points, near: Spiral) -> Spiral:
    """What `fit_spiral` finds by its first two lines: good enough, and steadier, while pixels still change arms."""
    square, circular, middle, azimuth = _two_angles(points, near)
    return _through(circular + SQUARE * _between(circular, square), middle, azimuth)


def spiral_error_deg(points: Points, spiral: Spiral) -> float:
    """Standard error of an arm's pitch angle, from the arm itself: its ends, its waves, its width.

    Half the disagreement of the first two lines of `fit_spiral`, the scatter of the arm's ridge about the spiral over
    its extent along it, and `WAVES_DEG`; pieces of the ridge closer than an arm's width are not counted as independent.
    """
    square, circular, middle, _ = _two_angles(points, spiral)
    along, across = _straightened(points, spiral)
    along -= middle * np.hypot(1.0, spiral.winding)
    weight = points.radius
    extent = np.sqrt(np.average(np.square(along), weights=weight))
    width = _width(across, weight)
    piece = np.floor(along / max(width, 1e-6)).astype(int)
    piece -= piece.min()
    filled = np.bincount(piece, weight)
    ridge = np.bincount(piece, weight * across)[filled > 0] / filled[filled > 0]
    wave = np.sqrt(np.average(np.square(ridge), weights=filled[filled > 0]))
    error = np.hypot(abs(_between(circular, square)) / 2, wave / (extent * np.sqrt(max(1, ridge.size - 2))))
    return float(min(45.0, np.hypot(np.degrees(error), WAVES_DEG)))


def _straightened(points: Points, spiral: Spiral) -> tuple[Float[np.ndarray, " pixel"], Float[np.ndarray, " pixel"]]:
    """Places along the spiral and across it, as shares of the radius."""
    stretch = np.hypot(1.0, spiral.winding)
    return spiral.along(points) * stretch, spiral.offset(points) / stretch


def _width(across: Float[np.ndarray, " pixel"], weight: Float[np.ndarray, " pixel"]) -> float:
    """Of the even band with the spread of these places."""
    return float(np.sqrt(12 * np.average(np.square(across), weights=weight)))


def _clear_of_ends(points: Points, spiral: Spiral) -> Bool[np.ndarray, " pixel"]:
    """Pixels of an arm away from its ends; none of an arm that is too short."""
    along, across = _straightened(points, spiral)
    width = _width(across, points.radius)
    inner, outer = np.quantile(along, [0.01, 0.99]) + np.array([END, -END]) * width
    return (along > inner) & (along < outer) & (outer - inner > width)


def _through(angle: float, middle: float, azimuth: float) -> Spiral:
    """The spiral at an angle to the axis ln r, through the point (ln r, azimuth)."""
    winding = float(np.clip(np.tan(angle), -LARGEST_WINDING, LARGEST_WINDING))
    return Spiral(winding, azimuth - winding * middle)


def _between(angle: float, other: float) -> float:
    """From a line's angle to another's, the short way."""
    return (other - angle + np.pi / 2) % np.pi - np.pi / 2


def _two_angles(points: Points, near: Spiral) -> tuple[float, float, float, float]:
    """Angles of the two lines on axes (ln r, azimuth), and the point (ln r, azimuth) through which both go."""
    azimuth = near.azimuth + near.winding * points.log_radius + near.offset(points)
    weight = np.sqrt(points.radius)
    weight /= weight.sum()
    middle_x, middle_y = float(weight @ points.log_radius), float(weight @ azimuth)
    x, y = points.log_radius - middle_x, azimuth - middle_y
    xx, yy, xy = float(weight @ (x * x)), float(weight @ (y * y)), float(weight @ (x * y))
    square, circular = 0.5 * np.arctan2(2 * xy, xx - yy), np.arctan2(xy, max(xx, 1e-12))
    return float(square), float(circular), middle_x, middle_y
