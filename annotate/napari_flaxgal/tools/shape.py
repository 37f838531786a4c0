"""How a galaxy's disc lies on the sky, and the shape of what lies in its middle, told from the light around its centre.

The shape that undoes a disc's inclination is not that of its brightest light, which bulge, bar and two open arms all
stretch. It is the one that leaves no oval in the outer disc: no part of the light goes as cos 2θ with the same phase at
every radius (as Grosbøl 1985, A&AS 60, 261). The cos 2θ of two arms turns with radius, as exp(2i cot(pitch) ln r), and
is fitted beside the oval.

Ellipticity is a vector here, (1 - q) / (1 + q) times cos and sin of twice the position angle, which has no jumps.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Bool, Float
from scipy import ndimage, optimize

from flaxgal.measure.geometry import Ellipse, elliptical_radius

__all__ = ["disc_shape", "middle_shape", "nested_radius"]

Vector = Float[np.ndarray, "2"]
Harmonic = tuple[np.ndarray, np.ndarray]
"""A complex number a ring, and how much it can be trusted, 0 to 1."""

OUTER_DISC, INNER_GALAXY = (0.35, 0.95), (0.05, 0.3)
"""Where the shapes of the disc and of what lies in its middle are measured, in units of the disc's extent."""
PASSAGE = 0.25
"""Share of the extent over which the shape of the middle goes over into that of the disc."""
LEAST_EXTENT = 8.0
"""Pixels; the shape of a smaller galaxy is left as it is."""
RINGS, AZIMUTHS = 32, 72
ROUNDS = 2
SPIRALS = np.concatenate([-np.linspace(3.5, 14.0, 40), np.linspace(3.5, 14.0, 40)])
"""Two-armed logarithmic spirals told from the disc's oval: 2 cot(pitch angle), from 30° to 8°, both ways."""
SPIRAL_SHARE = 0.5
"""How much the spiral counts beside the oval: a disc of the wrong shape leaves something that looks like one, too."""
MOST_ELLIPTICITY = 0.74
"""(1 - q) / (1 + q) of an axis ratio of 0.15, the thinnest disc measured."""
TRUST_IN_START = 0.01
"""How weakly a shape is held to the first guess at it, which stays where the light says nothing."""
KNOT = 3.0
"""Light on a ring counts up to this many times the ring's median: knots are not the disc's shape."""


def disc_shape(light: Float[np.ndarray, "y x"], own: Bool[np.ndarray, "y x"], start: Ellipse, extent: float) -> Ellipse:
    """The shape of the outer disc, about the centre of `start`, of a galaxy of this extent in pixels."""
    return _without_oval(light, own, start, OUTER_DISC, extent, lambda shape, radius: np.tile(shape, (len(radius), 1)))


def middle_shape(
    light: Float[np.ndarray, "y x"], own: Bool[np.ndarray, "y x"], disc: Ellipse, extent: float
) -> Ellipse:
    """The shape of bulge or bar, which passes into that of the disc as in `nested_radius`."""
    outer = _vector(disc)
    return _without_oval(
        light, own, disc, INNER_GALAXY, extent, lambda shape, radius: _blended(shape, outer, radius / extent)
    )


def nested_radius(disc: Ellipse, middle: Ellipse, extent: float, shape: tuple[int, int]) -> Float[np.ndarray, "y x"]:
    """For each pixel the major semi-axis of the ellipse through it, of ellipses that pass from `middle` to `disc`."""
    inner, outer = _vector(middle), _vector(disc)
    y, x = np.indices(shape, dtype=float)
    dy, dx = y - disc.centre[0], x - disc.centre[1]
    flat, cross, size = np.square(dx) - np.square(dy), 2 * dx * dy, np.square(dx) + np.square(dy)
    radius = elliptical_radius(disc, shape)
    for _ in range(8):  # each radius depends on the shape there; a few rounds settle it
        share = _share_of_middle(radius / extent)
        along, skew = (to + share * (start - to) for start, to in zip(inner, outer, strict=True))
        squared = np.square(along) + np.square(skew)
        # (x cos + y sin)² + (y cos - x sin)² / q² with q = (1 - e) / (1 + e), by the components of e.
        new = (size * (1 + squared) - 2 * (along * flat + skew * cross)) / np.square(1 - np.sqrt(squared))
        radius = 0.5 * (radius + np.sqrt(np.maximum(new, 0.0)))
    return radius


def _blended(inner: Vector, outer: Vector, radius: Float[np.ndarray, "*s"]) -> Float[np.ndarray, "*s 2"]:
    """Ellipticity at a radius in units of the extent."""
    return outer + _share_of_middle(radius)[..., None] * (inner - outer)


def _share_of_middle(radius: Float[np.ndarray, "*s"]) -> Float[np.ndarray, "*s"]:
    """How much of the middle's shape is left at a radius in units of the extent."""
    return np.exp(-np.square(radius / PASSAGE))


def _without_oval(
    light: np.ndarray,
    own: np.ndarray,
    start: Ellipse,
    between: tuple[float, float],
    extent: float,
    shape_at: Callable[[np.ndarray, np.ndarray], np.ndarray],
) -> Ellipse:
    """The ellipse under which a range of radii has no oval left in it; `shape_at` spreads its shape over the radii."""
    if extent < LEAST_EXTENT:
        return start
    radius = np.geomspace(max(1.0, between[0] * extent), between[1] * extent, RINGS)
    first = _vector(start)
    shape = np.clip(first, -0.7, 0.7)

    def harmonic(shape: np.ndarray) -> Harmonic:
        return _second_harmonic(light, own, start.centre, shape_at(shape, radius), radius)

    for _ in range(ROUNDS):
        spiral = _best_spiral(harmonic(shape), radius)

        def oval(shape: np.ndarray, spiral: np.ndarray = spiral) -> np.ndarray:
            constant, turning = _oval_beside(harmonic(shape), spiral)[0]
            turning = SPIRAL_SHARE * turning
            found = [constant.real, constant.imag, turning.real, turning.imag]
            return np.concatenate([found, TRUST_IN_START * (shape - first)])

        bound = MOST_ELLIPTICITY
        shape = optimize.least_squares(oval, np.clip(shape, -0.7, 0.7), bounds=(-bound, bound), diff_step=0.02).x
    return _ellipse(start.centre, shape)


def _best_spiral(second: Harmonic, radius: np.ndarray) -> np.ndarray:
    """exp(i k ln r) of the logarithmic spiral that, with a constant oval, leaves the least of the harmonic."""
    spirals = np.exp(1j * SPIRALS[:, None] * np.log(radius / radius[0]))
    return min(spirals, key=lambda spiral: _oval_beside(second, spiral)[1])


def _oval_beside(second: Harmonic, spiral: np.ndarray) -> tuple[np.ndarray, float]:
    """The c and a of c + a exp(i k ln r) fitted to the harmonic by least squares, and what the fit leaves."""
    value, weight = second
    basis = np.stack([np.ones_like(spiral), spiral], axis=1) * weight[:, None]
    # A little damping of the spiral keeps the two apart where too few rings tell them apart.
    normal = basis.conj().T @ basis + np.diag([1e-9, 0.02 * np.square(weight).sum() + 1e-9])
    amplitudes = np.linalg.solve(normal, basis.conj().T @ (value * weight))
    return amplitudes, float(np.square(np.abs(basis @ amplitudes - value * weight)).sum())


def _vector(ellipse: Ellipse) -> np.ndarray:
    """Ellipticity as a vector without the jump of an angle: (1 - q)/(1 + q) times cos and sin of twice the angle."""
    size, twice = (1 - ellipse.axis_ratio) / (1 + ellipse.axis_ratio), np.radians(2 * ellipse.position_angle_deg)
    return size * np.array([np.cos(twice), np.sin(twice)])


def _ellipse(centre: tuple[float, float], components: np.ndarray) -> Ellipse:
    size = min(float(np.hypot(*components)), MOST_ELLIPTICITY)
    angle = np.degrees(0.5 * np.arctan2(components[1], components[0])) % 180.0
    return Ellipse(centre, (1 - size) / (1 + size), float(angle))


def _second_harmonic(
    light: np.ndarray, own: np.ndarray, centre: tuple[float, float], shapes: np.ndarray, radius: np.ndarray
) -> Harmonic:
    """On each ring, of a shape of its own, the light's part that goes as cos 2θ and sin 2θ, over its mean."""
    size = np.minimum(np.hypot(*shapes.T), MOST_ELLIPTICITY)[:, None]
    angle = 0.5 * np.arctan2(shapes[:, 1], shapes[:, 0])[:, None]
    azimuth = np.arange(AZIMUTHS) * 2 * np.pi / AZIMUTHS
    along = radius[:, None] * np.cos(azimuth)
    across = radius[:, None] * np.sin(azimuth) * (1 - size) / (1 + size)
    y = centre[0] + along * np.sin(angle) + across * np.cos(angle)
    x = centre[1] + along * np.cos(angle) - across * np.sin(angle)
    value = ndimage.map_coordinates(light, [y, x], order=1, mode="nearest")
    inside = (y >= 0) & (x >= 0) & (y <= light.shape[0] - 1) & (x <= light.shape[1] - 1)
    at = np.rint(np.clip(y, 0, light.shape[0] - 1)).astype(int), np.rint(np.clip(x, 0, light.shape[1] - 1)).astype(int)
    value = np.where(inside & own[at], value, np.nan)
    # What another object hides is taken from the other side of the galaxy.
    value = np.where(np.isnan(value), np.roll(value, AZIMUTHS // 2, axis=1), value)
    told = np.isfinite(value).mean(axis=1) > 0.8
    value = np.where(told[:, None], value, 0.0)
    middle = _median_of_known(value)
    value = np.where(np.isnan(value), middle, np.minimum(value, KNOT * np.maximum(middle, 1.0)))
    mean = value.mean(axis=1)
    seen = np.square(np.clip(mean, 0.0, None))
    weight = told * seen / (seen + 1.0)  # rings lost in the noise say nothing
    second = 2 * (value @ np.exp(-2j * azimuth)) / AZIMUTHS / np.maximum(mean, 0.3)
    return second * np.exp(-2j * angle[:, 0]), weight  # angles from +x again, which do not jump where q passes 1


def _median_of_known(value: Float[np.ndarray, "ring azimuth"]) -> Float[np.ndarray, "ring 1"]:
    """`np.nanmedian` of each row, which takes ten times as long on as few numbers as there are on a ring."""
    ordered, number = np.sort(value, axis=1), np.isfinite(value).sum(axis=1, keepdims=True)  # NaN comes last
    low, high = (np.take_along_axis(ordered, np.maximum(0, at), axis=1) for at in ((number - 1) // 2, number // 2))
    return (low + high) / 2
