"""One image of a galaxy for the drawing tools: its bands added, in units of the sky's noise; where the galaxy is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float32
from scipy import ndimage

from flaxgal.measure.background import border_sky, pixel_noise, usable_pixels
from flaxgal.measure.geometry import Ellipse, elliptical_radius, moment_ellipse, radial_profile
from flaxgal.measure.sources import Sources, detection_image, find_sources
from flaxgal.survey.cutout import Cutout
from flaxgal.survey.display import grey
from flaxgal.survey.remembered import remembered
from napari_flaxgal.tools.shape import disc_shape, middle_shape

__all__ = ["GalaxyLight", "galaxy_light"]

LEAST_GREY_NOISE = 2.0
"""A picture's sky is often cut to black: its noise is then taken as two steps of 256."""
CENTRE_SIGMA, CENTRE_REACH = 2.0, 2.0
"""Width in pixels of the window the centre is weighed in, and how far the centre may lie from the brightest pixel."""
VISIBLE_SIGMA = 1.0
"""A galaxy ends where the mean light on its rings sinks below this many times the sky's scatter."""
BODY = 2.0
"""The isophote whose shape is the first guess at the disc's, in units of the faintest that is visible."""
SEARCH_PIXELS = 160


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


@remembered(6)  # a galaxy's residual, polar view and ridges all begin here
def galaxy_light(cutout: Cutout) -> GalaxyLight:
    """The image that residual, polar view and ridges are made from. Pictures without linear flux work too."""
    image = _linear_image(cutout) if cutout.has_linear_flux else _picture_image(cutout)
    known = np.isfinite(image)
    filled = np.where(known, image, 0.0).astype(float)
    sources = _sources(filled)
    own = known & ~sources.others
    if not sources.found:
        circle = Ellipse(((image.shape[0] - 1) / 2, (image.shape[1] - 1) / 2), 1.0, 0.0)
        return GalaxyLight(image, own, circle, circle, 0.5 * min(image.shape), False)
    centre = _centre(np.where(own, filled, 0.0), sources.peak)
    visible = _visible(image)
    first = moment_ellipse(filled, _body(np.where(own, filled, 0.0), centre, BODY * visible), centre)
    disc = disc_shape(filled, own, first, _extent(filled, own, first, visible))
    extent = _extent(filled, own, disc, visible)
    middle = middle_shape(filled, own, disc, extent)
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


def _sources(light: Float[np.ndarray, "y x"]) -> Sources:
    """The galaxy and everything else, found on a frame of at most `SEARCH_PIXELS` on a side.

    Stars are told by their size in pixels, as survey cutouts have it; large pictures have often been enlarged. It also
    bounds the time. Nobody has drawn arms yet: what stands out of the disc is given the benefit of the doubt.
    """
    step = -(-max(light.shape) // SEARCH_PIXELS)
    if step == 1:
        return find_sources(light, np.ones(light.shape, bool))
    height, width = light.shape
    padded = np.pad(light, ((0, -height % step), (0, -width % step)), mode="edge")
    rows, columns = padded.shape[0] // step, padded.shape[1] // step
    small = padded.reshape(rows, step, columns, step).mean(axis=(1, 3))
    # In units of its own noise again, which falls less than by the step where neighbouring pixels share their noise.
    found = find_sources(small / max(pixel_noise(small, np.ones(small.shape, bool)), 1e-9), np.ones(small.shape, bool))
    galaxy, others = (
        np.kron(mask, np.ones((step, step), bool))[:height, :width] for mask in (found.galaxy, found.others)
    )
    if not found.found:
        return Sources(galaxy, others, found.peak)
    top, left = (int(place) * step for place in found.peak)
    block = ndimage.gaussian_filter(light[top : top + step, left : left + step], 1.0, mode="nearest")
    y, x = np.unravel_index(block.argmax(), block.shape)
    return Sources(galaxy, others, (float(top + y), float(left + x)))


def _visible(image: Float[np.ndarray, "y x"]) -> float:
    """How bright the mean light on a ring must be to be seen: the scatter of the sky, also where noise is smooth."""
    width = max(2, round(0.1 * min(image.shape)))
    border = np.isfinite(image)
    border[width:-width, width:-width] = False
    values = image[border]
    if not values.size:
        return VISIBLE_SIGMA
    middle = float(np.median(values))
    # Sources only ever add light, so the width is taken from the faint half.
    return VISIBLE_SIGMA * max(1.0, 1.4826 * float(np.median(middle - values[values <= middle])))


def _body(light: Float[np.ndarray, "y x"], centre: tuple[float, float], level: float) -> Bool[np.ndarray, "y x"]:
    """The galaxy inside one isophote: what hangs together with its centre, without a detection's ragged rim."""
    labels, _ = ndimage.label(ndimage.gaussian_filter(light, 1.5, mode="nearest") > level)
    label = labels[round(centre[0]), round(centre[1])]
    return (labels == label) & (label > 0)


def _extent(light: Float[np.ndarray, "y x"], own: Bool[np.ndarray, "y x"], ellipse: Ellipse, visible: float) -> float:
    """Where the mean light on the galaxy's rings is first lost in the sky."""
    ring = np.rint(elliptical_radius(ellipse, light.shape)).astype(int)
    mean = radial_profile(light, ring, own, int(ring.max()) + 1).mean
    lost = np.flatnonzero(ndimage.uniform_filter1d(np.nan_to_num(mean), 3) < visible)
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
