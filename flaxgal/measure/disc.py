"""Which light is the galaxy's own, and whether a disc can be seen in it: for choosing galaxies, before anybody drew.

A disc is *visible* when it is resolved, tilted so that arms in it could be seen, bright enough against the sky's
noise at its half-light radius, and falls off more like an exponential than an elliptical galaxy does. Arms themselves
play no part: a smooth disc counts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from flaxgal.measure.background import border_sky, fit_sky, pixel_noise, usable_pixels
from flaxgal.measure.geometry import (
    Profile,
    elliptical_radius,
    half_light_radius,
    moment_ellipse,
    petrosian_radius,
    radial_profile,
    ring_area,
)
from flaxgal.measure.sources import detection_image, find_sources
from flaxgal.survey.cutout import Cutout

__all__ = ["PICTURE_NOISE", "CentralGalaxy", "central_galaxy", "has_visible_disc", "linear_light"]

GAMMA = 2.2
LARGEST = 128
"""Blocks on a side of a frame: as many as the detection of sources was made for."""
PICTURE_NOISE = 0.004
"""What a person just sees on a black screen, as a share of white: pictures hide their own noise."""
LEAST_RADIUS_PIXELS = 3.5
"""A half-light radius below this is mostly seeing (HSC: 0.6 arcsec)."""
LEAST_AXIS_RATIO = 0.45
"""Of the outline. Half of the galaxies that Galaxy Zoo calls edge-on lie below, and one in twenty of the others."""
MOST_CONCENTRATED = 2.6
LEAST_SURFACE_BRIGHTNESS = 2.0
NAN = float("nan")


@dataclass(frozen=True, eq=False)
class CentralGalaxy:
    """The light of the galaxy at a cutout's centre, all bands together, and its shape in numbers."""

    light: Float[np.ndarray, "y x"]
    """In units of the noise of a pixel, sky-subtracted; 0 below the sky, on other objects and off the galaxy."""
    half_light_radius_pixels: float = NAN
    axis_ratio: float = NAN
    concentration: float = NAN
    """r90 / r50, the radii of 90 and 50 % of the light: 2.3 for an exponential disc, 2.6 divides early from late types
    (Strateva et al. 2001, AJ 122, 1861), more for an elliptical galaxy."""
    surface_brightness: float = NAN
    """Of the ring at the half-light radius, in units of the noise of a pixel."""

    @property
    def found(self) -> bool:
        """Whether there is a galaxy at all."""
        return bool(self.light.any())


def central_galaxy(cutout: Cutout) -> CentralGalaxy:
    """Find the galaxy of a cutout and measure its light; `found` is False where none is, or none can be told to be it.

    Large frames are looked at in blocks of pixels, at most `LARGEST` on a side. Pictures are taken back to something
    like light by undoing a screen's gamma.
    """
    side = -(-max(cutout.image_shape) // LARGEST)
    flux, usable = _blocks(*linear_light(cutout), side)
    noise = np.array([pixel_noise(image, good) for image, good in zip(flux, usable, strict=True)])
    sky = np.array([border_sky(image, good) for image, good in zip(flux, usable, strict=True)])
    seen = np.isfinite(noise) & np.isfinite(sky)
    nothing = CentralGalaxy(np.zeros(cutout.image_shape))
    if not seen.any():
        return nothing
    least = 1e-6 * np.nanmax(np.abs(np.where(usable, flux, np.nan)), axis=(1, 2), initial=1e-30)
    least = least if cutout.has_linear_flux else np.full(len(flux), PICTURE_NOISE)
    together = detection_image(flux[seen] - sky[seen, None, None], np.maximum(noise, least)[seen], usable[seen])
    # Nobody has drawn arms yet: every bright knot is given the benefit of the doubt that it is one of the galaxy's own.
    sources = find_sources(together, np.ones(together.shape, bool))
    if not sources.found:
        return nothing
    ellipse = moment_ellipse(sources.galaxy.astype(float), sources.galaxy, sources.peak)
    radius = elliptical_radius(ellipse, together.shape)
    ring = np.rint(radius).astype(int)
    good, rings = np.asarray(usable.any(axis=0)) & ~sources.others, int(ring.max()) + 1
    profile = radial_profile(together, ring, good, rings)
    sky_level = fit_sky(profile, half_light_radius(profile, ellipse.axis_ratio)).level
    together = together - (sky_level if np.isfinite(sky_level) else 0.0)
    profile = radial_profile(together, ring, good, rings)
    reach = petrosian_radius(profile, ellipse.axis_ratio, within=2.0 * float(radius[sources.galaxy].max()))
    edge = 2.0 * reach if np.isfinite(reach) else float(rings)
    half, most = (_radius_of(profile, ellipse.axis_ratio, share, edge) for share in (0.5, 0.9))
    at_half = profile.mean[max(0, round(0.8 * half)) : round(1.2 * half) + 1]
    light = np.where(sources.galaxy & good & (radius <= edge), np.maximum(together, 0.0), 0.0)
    height, width = cutout.image_shape
    return CentralGalaxy(
        light=light.repeat(side, axis=0).repeat(side, axis=1)[:height, :width],
        half_light_radius_pixels=half * side,
        axis_ratio=ellipse.axis_ratio,
        concentration=most / half,
        surface_brightness=float(np.nanmean(at_half)) if np.isfinite(at_half).any() else NAN,
    )


def has_visible_disc(cutout: Cutout, *, light: CentralGalaxy | None = None) -> bool:
    """Whether a disc can be seen in which arms would show, were there any; `light` if it was measured already.

    On mock galaxies of 64 pixels, half-light radii of 6.5 to 22 pixels, S/N of 20 to 3,000 and inclinations below 60
    degrees it says yes of 75 % of spirals with a visible arm mask (n = 462), of 9 % of ellipticals (448) and of 20 % of
    lenticulars (210; seeds 62 and 63); and of 30 % of discs below 3 pixels (74; seed 61). Spirals that it misses have
    bulges: nine in ten are too concentrated, the others too faint. In pictures the stretch hides the concentration, and
    elliptical galaxies pass.
    """
    found = light or central_galaxy(cutout)
    return bool(
        found.found
        and found.half_light_radius_pixels >= LEAST_RADIUS_PIXELS
        and found.axis_ratio >= LEAST_AXIS_RATIO
        and found.concentration <= MOST_CONCENTRATED
        and found.surface_brightness >= LEAST_SURFACE_BRIGHTNESS
    )


def linear_light(cutout: Cutout) -> tuple[np.ndarray, np.ndarray]:
    """The light of a cutout (band, y, x), a screen's gamma undone in pictures, and which pixels hold any."""
    flux = cutout.flux.astype(float)
    if not cutout.has_linear_flux:
        flux = np.power(np.clip(flux, 0, None) / 255, GAMMA)
    return flux, usable_pixels(cutout.flux, cutout.mask_planes)


def _blocks(flux: np.ndarray, usable: np.ndarray, side: int) -> tuple[np.ndarray, np.ndarray]:
    """Means over blocks of pixels, and which blocks are usable: those of which half is."""
    if side == 1:
        return flux, usable
    bands, *shape = flux.shape
    missing = [(0, 0), *((0, -length % side) for length in shape)]
    height, width = (-(-length // side) for length in shape)
    blocks = (bands, height, side, width, side)
    number = np.pad(usable, missing).reshape(blocks).sum(axis=(2, 4))
    total = np.pad(np.where(usable, flux, 0.0), missing).reshape(blocks).sum(axis=(2, 4))
    return total / np.maximum(number, 1), number >= side * side / 2


def _radius_of(profile: Profile, axis_ratio: float, share: float, edge: float) -> float:
    """Semi-major axis that holds a share of the light within `edge`, at least one pixel."""
    last = min(profile.mean.size, int(edge) + 1)
    light = np.cumsum(np.nan_to_num(profile.mean[:last]) * ring_area(last, axis_ratio))
    return float(max(1.0, np.interp(share * light.max(), np.maximum.accumulate(light), np.arange(last) + 0.5)))
