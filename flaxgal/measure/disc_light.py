"""Arms against the disc they lie in: what is bulge, how bright the disc is between arms, what arms add to it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from scipy import ndimage

from flaxgal.measure.aperture import Aperture

__all__ = ["Bulge", "find_bulge", "interarm_light", "interarm_region"]

NAN = float("nan")
DISC_RANGES = ((0.6, 1.4), (0.8, 1.7))
"""Half-light radii between which an exponential is fitted to the disc: twice, and the difference is the error."""
LEAST_RINGS = 4
GUARD_PIXELS = 2
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


def find_bulge(light: Float[np.ndarray, "y x"], between: Bool[np.ndarray, "y x"], aperture: Aperture) -> Bulge:
    """What is left in the centre when an exponential disc, fitted to the middle radii, is drawn on inwards.

    The profile is the median of the pixels between the arms on each ring, which arms, bars and knots hardly move. It is
    the mean of two fits over different radii; their difference counts as the error. Without a disc to fit (fewer than
    four rings with light) all numbers are NaN.
    """
    median = _ring_medians(light, between & aperture.inside, aperture)
    fits = [_above_disc(median, aperture.half_light_radius, low, high) for low, high in DISC_RANGES]
    fits = [fit for fit in fits if fit is not None]
    if not fits:
        return Bulge(np.zeros(aperture.rings))
    pixels = np.bincount(aperture.ring[aperture.inside], minlength=aperture.rings)
    fluxes = [float(excess @ pixels) for excess, _ in fits]
    brighter = np.flatnonzero(fits[0][0] > fits[0][1])
    return Bulge(
        profile=np.mean([excess for excess, _ in fits], axis=0),
        flux=float(np.mean(fluxes)),
        error=float(np.ptp(fluxes) / 2),
        radius=float(brighter[-1] + 0.5) if brighter.size else 0.0,
    )


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


def _above_disc(median: np.ndarray, half_light_radius: float, low: float, high: float) -> tuple | None:
    """The profile above an exponential disc within the fitted radii, and the disc; None where no disc can be fitted."""
    radius = np.arange(median.size, dtype=float)
    with np.errstate(invalid="ignore"):
        fitted = (radius >= low * half_light_radius) & (radius <= high * half_light_radius + 1) & (median > 0)
    if fitted.sum() < LEAST_RINGS:
        return None
    slope, level = np.polyfit(radius[fitted], np.log(median[fitted]), 1, w=np.sqrt(radius[fitted] * median[fitted]))
    # A disc that is brighter outside is none; it is taken as flat.
    disc = np.exp(level + min(slope, 0.0) * radius)
    # Inwards from where the profile first meets the disc: beyond, what rises above it are arms and rings.
    above = np.nan_to_num(median - disc)
    meets = np.flatnonzero((above <= 0.05 * disc) | (radius >= low * half_light_radius))
    return np.where(radius < meets[0], np.maximum(above, 0.0), 0.0), disc


def interarm_region(arm: Bool[np.ndarray, "y x"], seen: Bool[np.ndarray, "y x"]) -> Bool[np.ndarray, "y x"]:
    """Pixels of the disc that are seen and stand clear of all arms."""
    if not arm.any():
        return seen
    return seen & ~ndimage.binary_dilation(arm, np.ones((3, 3), bool), iterations=GUARD_PIXELS)


def interarm_light(
    arm: Bool[np.ndarray, "y x"], between: Bool[np.ndarray, "y x"], aperture: Aperture
) -> Float[np.ndarray, "y x"] | None:
    """Weights w for which Σ w·light is the light that the disc between the arms has on the area of the arms.

    Ring by ring: arm pixels of a ring times the mean of its pixels between arms; a ring that has fewer than three of
    those gets its mean from the rings around it. None where no ring, or no ring near the arms, has any.
    """
    rings = aperture.rings
    of_arm = np.bincount(aperture.ring[arm], minlength=rings)
    of_disc = np.bincount(aperture.ring[between], minlength=rings)
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
    return np.where(between, (taken / np.maximum(of_disc, 1))[aperture.ring], 0.0)
