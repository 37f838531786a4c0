"""Arms against the disc they lie in: what is bulge, how bright the disc is between arms, what arms add to it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import ndimage
from scipy.optimize import nnls

from flaxgal.measure.aperture import Aperture

__all__ = ["Bulge", "find_bulge", "interarm_region", "interarm_weights"]

NAN = float("nan")
BULGE_RADII = (0.0, 0.15)
"""Half-light radii of bulges, in those of their galaxies: nuclei, and those of most spirals, whose bulges have 0.22
scale lengths of the disc (MacArthur, Courteau & Holtzman 2003, ApJ 582, 689)."""
BULGE_SERSIC = 2.0
DISC_SCALES = (0.8, 1.5, 3.0)
"""Scale lengths of the discs that are mixed, in half-light radii. A pure exponential disc has 0.6, but most are flatter
inside; with 0.6 in the mixture it took a third of the bulge. The cusp of a disc that is exponential to the centre
counts as bulge: 0.07 of the light."""
FITTED_TO = 1.0
"""Half-light radii up to which the profile is fitted."""
PROFILE_ERROR = 0.05
"""Relative error of the profile: what rings, bars and arms do to it."""
SEEING = ((0.75, 1.0), (0.25, 2.4))
"""A Moffat function of β = 3 as two Gaussians: share of the light, and width over that of the Gaussian of its FWHM."""
UNKNOWN_SEEING_PIXELS = 4.0
"""FWHM of the seeing where no PSF came with the image: 0.67 arcsec in HSC's pixels."""
BULGE_SCATTER = 0.06
"""Error of the bulge's flux in units of the total: the scatter on mock galaxies, whose bulges and discs are of many
shapes, none of them told from the other below the seeing."""
SIGMA_OF_FWHM = 0.4247
LEAST_RINGS = 3
RADIUS_OF_RING_0 = 0.35
"""Pixels; of the disc of half a pixel that is the innermost ring."""
GUARD_PIXELS = 1
"""The wings of arms, which the seeing spreads over the edge of the mask, do not count as disc between arms."""
LEAST_INTERARM = 3


@dataclass(frozen=True, eq=False)
class Bulge:
    """The light in the centre that rises above the disc."""

    profile: Float[np.ndarray, " ring"]
    """Light a pixel on each ring."""
    flux: float = NAN
    error: float = NAN
    radius: float = NAN
    """Of the outermost ring on which the bulge is brighter than the disc; 0 without a bulge."""


def find_bulge(light: Float[np.ndarray, "y x"], aperture: Aperture, *, seeing_fwhm_pixels: float = 0.0) -> Bulge:
    """The bulge and nucleus of a galaxy, from the profile of its inner light.

    Two bulges and three exponential discs, all seen through the seeing, are mixed with amplitudes of at least 0 to fit
    the median of each ring, which bars, knots and narrow arms hardly move. NaN with fewer than three rings with light.
    `seeing_fwhm_pixels` is 0 where it is not known.
    """
    half_light, sigma = aperture.half_light_radius, SIGMA_OF_FWHM * (seeing_fwhm_pixels or UNKNOWN_SEEING_PIXELS)
    median = _ring_medians(light, aperture.inside, aperture)
    radius = np.arange(aperture.rings, dtype=float)
    with np.errstate(invalid="ignore"):
        fitted = (radius <= FITTED_TO * half_light + 1) & (median > 0)
    if fitted.sum() < LEAST_RINGS:
        return Bulge(np.zeros(aperture.rings))
    near = np.maximum(radius, RADIUS_OF_RING_0)
    bulges = [_bulge_profile(near, share * half_light, aperture.axis_ratio, sigma) for share in BULGE_RADII]
    discs = [np.exp(-np.sqrt(np.square(near) + 0.5 * sigma**2) / (scale * half_light)) for scale in DISC_SCALES]
    shapes = np.stack([*bulges, *discs])
    weight = 1.0 / (PROFILE_ERROR * median[fitted])
    amplitude, _ = nnls((shapes[:, fitted] * weight).T, np.ones(weight.size) / PROFILE_ERROR)
    bulge = amplitude[: len(bulges)] @ shapes[: len(bulges)]
    brighter = np.flatnonzero(bulge > amplitude[len(bulges) :] @ shapes[len(bulges) :])
    return Bulge(
        profile=bulge,
        flux=float(amplitude[: len(bulges)].sum()),
        error=BULGE_SCATTER * float(light[aperture.inside].sum()),
        radius=float(brighter[-1] + 0.5) if brighter.size else 0.0,
    )


def _bulge_profile(
    radius: Float[np.ndarray, " ring"], half_light_radius: float, axis_ratio: float, sigma: float
) -> Float[np.ndarray, " ring"]:
    """Light a pixel of a round bulge of flux 1 through the seeing, averaged over rings of the galaxy's shape."""
    angle = np.linspace(0, np.pi / 2, 7)[:-1] + np.pi / 24
    square = np.square(radius)[:, None] * (np.cos(angle) ** 2 + np.square(axis_ratio * np.sin(angle)))
    parts = _gaussians_of_sersic() if half_light_radius > 0 else ((1.0, 0.0),)
    profile = np.zeros_like(radius)
    for share, wider in SEEING:
        for amplitude, width in parts:
            variance = (wider * sigma) ** 2 + (width * half_light_radius) ** 2
            profile += share * amplitude * np.exp(-0.5 * square / variance).mean(axis=1) / (2 * np.pi * variance)
    return profile


@cache
def _gaussians_of_sersic() -> tuple[tuple[float, float], ...]:
    """(flux, standard deviation) of round Gaussians that add up to a Sérsic bulge of flux and half-light radius 1."""
    radius = np.geomspace(0.005, 12.0, 160)
    light = np.exp(-(2 * BULGE_SERSIC - 1 / 3) * (radius ** (1 / BULGE_SERSIC) - 1)) * np.square(radius)
    width = np.geomspace(0.03, 6.0, 7)
    gaussians = np.exp(-0.5 * np.square(radius[:, None] / width)) * np.square(radius)[:, None] / np.square(width)
    flux, _ = nnls(gaussians, light)
    return tuple((float(one), float(size)) for one, size in zip(flux / flux.sum(), width, strict=True) if one > 0)


def _ring_medians(light: np.ndarray, chosen: np.ndarray, aperture: Aperture) -> Float[np.ndarray, " ring"]:
    """Median of the chosen pixels on each ring out to twice the half-light radius; NaN on rings without any."""
    near = chosen & (aperture.ring <= 2.0 * aperture.half_light_radius + 2)
    ring, value = aperture.ring[near], light[near]
    order = np.lexsort((value, ring))
    value, number = value[order], np.bincount(ring, minlength=aperture.rings)
    start = np.cumsum(number) - number
    median = np.full(aperture.rings, NAN)
    some = number > 0
    lower, upper = start[some] + (number[some] - 1) // 2, start[some] + number[some] // 2
    median[some] = 0.5 * (value[lower] + value[upper])
    return median


def interarm_region(arm: Bool[np.ndarray, "y x"], seen: Bool[np.ndarray, "y x"]) -> Bool[np.ndarray, "y x"]:
    """Pixels of the disc that are seen and stand clear of all arms."""
    if not arm.any():
        return seen
    return seen & ~ndimage.binary_dilation(arm, np.ones((3, 3), bool), iterations=GUARD_PIXELS)


def interarm_weights(
    arm: Bool[np.ndarray, "y x"], between: Bool[np.ndarray, "y x"], ring: Int[np.ndarray, "y x"]
) -> Float[np.ndarray, " ring"] | None:
    """Weights w of the pixels `between`, ring by ring, for which Σ w·light is what their disc has where the arms are.

    Ring by ring: arm pixels of a ring times the mean of its pixels between arms; a ring that has fewer than three of
    those gets its mean from the rings around it. None where no ring, or no ring near the arms, has any.
    """
    rings = int(ring.max()) + 1
    of_arm = np.bincount(ring[arm], minlength=rings)
    of_disc = np.bincount(ring[between], minlength=rings)
    known = np.flatnonzero(of_disc >= LEAST_INTERARM)
    armed = np.flatnonzero(of_arm)
    if known.size == 0 or armed.size == 0 or of_arm[known[0] : known[-1] + 1].sum() < 0.8 * of_arm.sum():
        return None
    right = np.clip(np.searchsorted(known, armed), 0, known.size - 1)
    left = np.where(known[right] > armed, np.maximum(right - 1, 0), right)
    gap = known[right] - known[left]
    share = np.where(gap > 0, (armed - known[left]) / np.maximum(gap, 1), 0.0).clip(0.0, 1.0)
    taken = np.bincount(known[left], weights=of_arm[armed] * (1 - share), minlength=rings)
    taken += np.bincount(known[right], weights=of_arm[armed] * share, minlength=rings)
    return taken / np.maximum(of_disc, 1)
