"""One image of a galaxy for the drawing tools: all bands added, in units of the sky's noise, and how its disc lies.

The shape that undoes a disc's inclination is not that of its brightest light, which bulge, bar and two open arms all
stretch. It is the one that leaves no oval in the outer disc: no part of the light goes as cos 2θ with the same phase at
every radius (as Grosbøl 1985, A&AS 60, 261). The cos 2θ of two arms turns with radius, as exp(2i cot(pitch) ln r), and
is fitted beside the oval.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float32
from scipy import ndimage, optimize

from flaxgal.measure.background import border_sky, pixel_noise, usable_pixels
from flaxgal.measure.geometry import Ellipse, elliptical_radius, moment_ellipse, radial_profile
from flaxgal.measure.sources import detection_image, find_sources
from flaxgal.survey.cutout import Cutout
from flaxgal.survey.display import grey

Harmonic = tuple[np.ndarray, np.ndarray]
"""A complex number a ring, and how much it can be trusted, 0 to 1."""

__all__ = ["GalaxyLight", "galaxy_light", "nested_radius"]

LEAST_GREY_NOISE = 1.0
"""A picture's sky is often cut to black: its noise is then taken as one step of 256."""
CENTRE_SIGMA, CENTRE_REACH = 2.0, 2.0
"""Width in pixels of the window the centre is weighed in, and how far the centre may lie from the brightest pixel."""
OUTER_DISC, INNER_GALAXY = (0.35, 0.95), (0.05, 0.3)
"""Where the shapes of the disc and of what lies in its middle are measured, in units of the disc's extent."""
VISIBLE_SIGMA = 1.0
"""A galaxy ends where the mean light on its rings sinks below this many times a pixel's noise."""
RINGS, AZIMUTHS = 32, 72
ROUNDS = 2
SPIRALS = np.concatenate([-np.linspace(2.5, 14.0, 40), np.linspace(2.5, 14.0, 40)])
"""Two-armed logarithmic spirals told from the disc's oval: 2 cot(pitch angle), from 39° to 8°, both ways."""
MOST_ELLIPTICITY = 0.74
"""(1 - q) / (1 + q) of an axis ratio of 0.15, the thinnest disc measured."""
TRUST_IN_START = 0.01
"""How weakly the shape is held to the light's second moments, where the outer disc says nothing."""
PASSAGE = 0.25
"""Share of the extent over which the shape of the middle goes over into that of the disc."""
KNOT = 3.0
"""Light on a ring counts up to this many times the ring's median: knots are not the disc's shape."""


@dataclass(frozen=True, eq=False)
class GalaxyLight:
    """A galaxy's light in one image, with what the drawing tools need to know of its place and shape."""

    image: Float32[np.ndarray, "y x"]
    """Mean of the bands weighted by noise, sky taken off, in units of its own sky noise; NaN where no band has data."""
    own: Bool[np.ndarray, "y x"]
    """True where a pixel has data and no other object's light."""
    disc: Ellipse
    """Centre, to a fraction of a pixel, and shape of the outer disc."""
    middle: Ellipse
    """Shape of bulge or bar: rounder than an inclined disc, or longer."""
    extent: float
    """Major semi-axis, in pixels, of the ellipse that holds the galaxy as far as it is detected."""
    found: bool
    """False where there is no galaxy near the middle: the ellipse is then a circle about the middle of the frame."""


@functools.lru_cache(maxsize=4)  # a galaxy's residual, polar view and ridges all begin here
def galaxy_light(cutout: Cutout) -> GalaxyLight:
    """The image that residual, polar view and ridges are made from. Pictures without linear flux work too."""
    image = _linear_image(cutout) if cutout.has_linear_flux else _picture_image(cutout)
    known = np.isfinite(image)
    filled = np.where(known, image, 0.0).astype(float)
    sources = find_sources(filled, np.zeros(image.shape, bool))
    own = known & ~sources.others
    if not sources.found:
        circle = Ellipse(((image.shape[0] - 1) / 2, (image.shape[1] - 1) / 2), 1.0, 0.0)
        return GalaxyLight(image, own, circle, circle, 0.5 * min(image.shape), False)
    centre = _centre(np.where(own, filled, 0.0), sources.peak)
    first = moment_ellipse(filled, sources.galaxy, centre)
    disc = _shape_without_oval(filled, own, first, OUTER_DISC, _extent(filled, own, first))
    extent = _extent(filled, own, disc)
    middle = _shape_without_oval(filled, own, Ellipse(centre, 1.0, 0.0), INNER_GALAXY, extent)
    return GalaxyLight(image, own, disc, middle, extent, True)


def _linear_image(cutout: Cutout) -> Float32[np.ndarray, "y x"]:
    flux, usable = cutout.flux.astype(float), usable_pixels(cutout.flux, cutout.mask_planes)
    noise = np.array([pixel_noise(image, good) for image, good in zip(flux, usable, strict=True)])
    sky = np.array([border_sky(image, good) for image, good in zip(flux, usable, strict=True)])
    seen = np.isfinite(noise) & np.isfinite(sky)
    if not seen.any():
        return np.full(cutout.image_shape, np.nan, np.float32)
    # An image without any noise (a model) is given a little.
    least = 1e-6 * np.nanmax(np.abs(np.where(usable, flux, np.nan)), axis=(1, 2), initial=1e-30)
    together = detection_image(flux[seen] - sky[seen, None, None], np.maximum(noise, least)[seen], usable[seen])
    return np.where(usable[seen].any(axis=0), together, np.nan).astype(np.float32)


def _picture_image(cutout: Cutout) -> Float32[np.ndarray, "y x"]:
    picture = grey(cutout).astype(float)
    every = np.ones(picture.shape, bool)
    noise = max(pixel_noise(picture, every), LEAST_GREY_NOISE)
    return ((picture - border_sky(picture, every)) / noise).astype(np.float32)


def _extent(light: Float[np.ndarray, "y x"], own: Bool[np.ndarray, "y x"], ellipse: Ellipse) -> float:
    """Where the mean light on the galaxy's rings is first lost in the noise of a single pixel."""
    ring = np.rint(elliptical_radius(ellipse, light.shape)).astype(int)
    mean = radial_profile(light, ring, own, int(ring.max()) + 1).mean
    lost = np.flatnonzero(ndimage.uniform_filter1d(np.nan_to_num(mean), 3) < VISIBLE_SIGMA)
    return float(max(3.0, lost[0] if lost.size else len(mean) - 1))


def _centre(light: Float[np.ndarray, "y x"], peak: tuple[float, float]) -> tuple[float, float]:
    """The centroid of the light in a small round window that follows it."""
    y, x = np.indices(light.shape, dtype=float)
    near = np.hypot(y - peak[0], x - peak[1]) <= CENTRE_REACH + 3 * CENTRE_SIGMA
    y, x, light = y[near], x[near], np.maximum(light[near], 0.0)
    centre = np.array(peak)
    for _ in range(30):
        weight = light * np.exp(-0.5 * (np.square(y - centre[0]) + np.square(x - centre[1])) / CENTRE_SIGMA**2)
        if not weight.sum() > 0:
            return peak
        moved = np.array([weight @ y, weight @ x]) / weight.sum()
        step, centre = np.hypot(*(moved - centre)), moved
        if step < 1e-3:
            break
    return (float(centre[0]), float(centre[1])) if np.hypot(*(centre - peak)) <= CENTRE_REACH else peak


def _shape_without_oval(
    light: Float[np.ndarray, "y x"],
    own: Bool[np.ndarray, "y x"],
    start: Ellipse,
    between: tuple[float, float],
    extent: float,
) -> Ellipse:
    """The ellipse under which a range of radii has no oval left in it; `start` where it is too small to tell."""
    if extent < 8.0:
        return start
    radius = np.geomspace(max(1.0, between[0] * extent), between[1] * extent, RINGS)
    first = _components(start)
    shape = np.clip(first, -0.7, 0.7)
    for _ in range(ROUNDS):
        spiral = _best_spiral(_second_harmonic(light, own, _ellipse(start.centre, shape), radius), radius)

        def oval(shape: np.ndarray, spiral: np.ndarray = spiral) -> np.ndarray:
            second = _second_harmonic(light, own, _ellipse(start.centre, shape), radius)
            constant = _oval_beside(second, spiral)[0]
            return np.concatenate([[constant.real, constant.imag], TRUST_IN_START * (shape - first)])

        bound = MOST_ELLIPTICITY
        shape = optimize.least_squares(oval, np.clip(shape, -0.7, 0.7), bounds=(-bound, bound), diff_step=0.02).x
    return _ellipse(start.centre, shape)


def _best_spiral(second: Harmonic, radius: np.ndarray) -> np.ndarray:
    """exp(i k ln r) of the logarithmic spiral that, with a constant oval, leaves the least of the harmonic."""
    spirals = np.exp(1j * SPIRALS[:, None] * np.log(radius / radius[0]))
    return min(spirals, key=lambda spiral: _oval_beside(second, spiral)[1])


def _oval_beside(second: Harmonic, spiral: np.ndarray) -> tuple[complex, float]:
    """The constant c of c + a exp(i k ln r) fitted to the harmonic by least squares, and what the fit leaves."""
    value, weight = second
    basis = np.stack([np.ones_like(spiral), spiral], axis=1) * weight[:, None]
    # A little damping of the spiral keeps the two apart where too few rings tell them apart.
    normal = basis.conj().T @ basis + np.diag([1e-9, 0.02 * np.square(weight).sum() + 1e-9])
    amplitudes = np.linalg.solve(normal, basis.conj().T @ (value * weight))
    return complex(amplitudes[0]), float(np.square(np.abs(basis @ amplitudes - value * weight)).sum())


def nested_radius(disc: Ellipse, middle: Ellipse, extent: float, shape: tuple[int, int]) -> Float[np.ndarray, "y x"]:
    """For each pixel the major semi-axis of the ellipse through it, of ellipses that pass from `middle` to `disc`.

    Their ellipticity goes over as exp(-(radius / (`PASSAGE` extent))²).
    """
    inner, outer = _components(middle), _components(disc)
    y, x = np.indices(shape, dtype=float)
    dy, dx = y - disc.centre[0], x - disc.centre[1]
    flat, cross, size = np.square(dx) - np.square(dy), 2 * dx * dy, np.square(dx) + np.square(dy)
    radius = elliptical_radius(disc, shape)
    for _ in range(8):  # each radius depends on the shape there; a few rounds settle it
        share = np.exp(-np.square(radius / (PASSAGE * extent)))
        along, skew = (outer[k] + share * (inner[k] - outer[k]) for k in (0, 1))
        squared = np.square(along) + np.square(skew)
        # Of (x cos + y sin)² + (y cos - x sin)² / q², with q = (1 - e) / (1 + e), by the components of e.
        new = (size * (1 + squared) - 2 * (along * flat + skew * cross)) / np.square(1 - np.sqrt(squared))
        radius = 0.5 * (radius + np.sqrt(np.maximum(new, 0.0)))
    return radius


def _components(ellipse: Ellipse) -> np.ndarray:
    """Ellipticity as a vector without the jump of an angle: (1 - q)/(1 + q) times cos and sin of twice the angle."""
    size, twice = (1 - ellipse.axis_ratio) / (1 + ellipse.axis_ratio), np.radians(2 * ellipse.position_angle_deg)
    return size * np.array([np.cos(twice), np.sin(twice)])


def _ellipse(centre: tuple[float, float], components: np.ndarray) -> Ellipse:
    size = min(float(np.hypot(*components)), MOST_ELLIPTICITY)
    angle = np.degrees(0.5 * np.arctan2(components[1], components[0])) % 180.0
    return Ellipse(centre, (1 - size) / (1 + size), float(angle))


def _second_harmonic(
    light: Float[np.ndarray, "y x"], own: Bool[np.ndarray, "y x"], ellipse: Ellipse, radius: np.ndarray
) -> Harmonic:
    """On each ring in the plane of the disc the light's part that goes as cos 2θ and sin 2θ, over its mean."""
    azimuth = np.arange(AZIMUTHS) * 2 * np.pi / AZIMUTHS
    along, across = radius[:, None] * np.cos(azimuth), radius[:, None] * np.sin(azimuth) * ellipse.axis_ratio
    angle = np.radians(ellipse.position_angle_deg)
    y = ellipse.centre[0] + along * np.sin(angle) + across * np.cos(angle)
    x = ellipse.centre[1] + along * np.cos(angle) - across * np.sin(angle)
    value = ndimage.map_coordinates(light, [y, x], order=1, mode="nearest")
    inside = (y >= 0) & (x >= 0) & (y <= light.shape[0] - 1) & (x <= light.shape[1] - 1)
    at = np.rint(np.clip(y, 0, light.shape[0] - 1)).astype(int), np.rint(np.clip(x, 0, light.shape[1] - 1)).astype(int)
    value = np.where(inside & own[at], value, np.nan)
    # What another object hides is taken from the other side of the galaxy.
    value = np.where(np.isnan(value), np.roll(value, AZIMUTHS // 2, axis=1), value)
    told = np.isfinite(value).mean(axis=1) > 0.8
    value = np.where(told[:, None], value, 0.0)
    middle = np.nanmedian(value, axis=1, keepdims=True)
    value = np.where(np.isnan(value), middle, np.minimum(value, KNOT * np.maximum(middle, 1.0)))
    mean = value.mean(axis=1)
    seen = np.square(np.clip(mean, 0.0, None))
    weight = told * seen / (seen + 1.0)  # rings lost in the noise say nothing
    return 2 * (value @ np.exp(-2j * azimuth)) / AZIMUTHS / np.maximum(mean, 0.3), weight
