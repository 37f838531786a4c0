"""The residual view: what is left of a galaxy's light when a smooth, round disc is taken away."""

from __future__ import annotations

import functools
import itertools

import numpy as np
from jaxtyping import Float, Float32
from scipy import interpolate

from flaxgal.measure.geometry import elliptical_radius
from flaxgal.survey.cutout import Cutout
from napari_flaxgal.tools.light import GalaxyLight, galaxy_light
from napari_flaxgal.tools.shape import nested_radius

__all__ = ["arm_contrast", "residual", "residual_limits", "smooth_light"]

RING_GROWTH = 0.08
"""Rings are this share of their radius wide, and at least `LEAST_RING` pixels: smooth in radius, sharp in the core."""
LEAST_RING = 0.7
LEAST_PIXELS = 3
FLOOR_SIGMA, FLOOR_SHARE = 6.0, 0.6
"""Added to the smooth light where contrast over it is taken, in sky sigma and in units of the median light within the
galaxy's extent."""


def residual(cutout: Cutout) -> Float32[np.ndarray, "y x"]:
    """Light above (arms, bars, knots) and below (dust, gaps between arms) the galaxy's smooth light, in sky sigma.

    All bands are added with noise weights; the smooth light is `smooth_light`. NaN where no band has data.
    """
    light = galaxy_light(cutout)
    return (light.image - smooth_light(light)).astype(np.float32)


def arm_contrast(cutout: Cutout) -> Float32[np.ndarray, "y x"]:
    """The residual over the smooth light: faint outer arms stand out as much as bright inner ones; NaN without data.

    0.5 is half as bright again as the smooth galaxy. Some light is added to the smooth one below the division, so that
    the empty sky has no contrast.
    """
    light = galaxy_light(cutout)
    smooth = np.maximum(smooth_light(light), 0.0)
    inside = elliptical_radius(light.disc, smooth.shape) <= light.extent
    floor = FLOOR_SIGMA + FLOOR_SHARE * float(np.median(smooth[inside]))
    return ((light.image - smooth) / (smooth + floor)).astype(np.float32)


def residual_limits(residual: Float[np.ndarray, "y x"]) -> tuple[float, float]:
    """Contrast limits that show arms: symmetric about 0, wide enough for 98 of 100 pixels, never below 4 sigma."""
    known = np.abs(residual[np.isfinite(residual)])
    reach = max(4.0, float(np.quantile(known, 0.98))) if known.size else 4.0
    return -reach, reach


@functools.lru_cache(maxsize=4)  # residual, contrast and ridges all need it
def smooth_light(light: GalaxyLight) -> Float[np.ndarray, "y x"]:
    """A galaxy without arms: the median of its light on each elliptical ring, joined smoothly from ring to ring.

    The ellipses pass from the shape of the middle (a bulge is rounder than its disc) to that of the disc. Stars and
    neighbours do not count, but get their smooth light all the same.
    """
    image, own = light.image, light.own
    radius = nested_radius(light.disc, light.middle, light.extent, image.shape)
    edges = _ring_edges(float(radius.max()))
    ring = np.digitize(radius, edges) - 1
    order = np.argsort(ring[own], kind="stable")
    rings, values, radii = ring[own][order], image[own][order].astype(float), radius[own][order]
    starts = np.searchsorted(rings, np.arange(len(edges) + 1))
    middle, level = [], []
    for start, end in itertools.pairwise(starts):
        if end - start >= (LEAST_PIXELS if middle else 1):
            middle.append(radii[start:end].mean())
            level.append(np.median(values[start:end]))
    if len(middle) < 2:
        return np.full(image.shape, level[0] if level else 0.0)
    return interpolate.PchipInterpolator(middle, level)(np.clip(radius, middle[0], middle[-1]))


def _ring_edges(last: float) -> Float[np.ndarray, " ring"]:
    edges = [0.0]
    while edges[-1] < last:
        edges.append(edges[-1] + max(LEAST_RING, RING_GROWTH * edges[-1]))
    return np.array(edges)
