"""Arms against the disc they lie in: what is bulge, how bright the disc is between arms, what arms add to it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import ndimage

from flaxgal.measure.aperture import Aperture

__all__ = ["Bulge", "find_bulge", "interarm_region", "interarm_weights"]

NAN = float("nan")
DISC_RANGES = ((0.6, 1.4), (0.8, 1.4))
"""Half-light radii between which the disc's brightness is taken."""
DISC_SLOPE = 0.9
"""Fall of ln(brightness) of a disc per half-light radius, inwards of there. A pure exponential has 1.68, but a slope
fitted to the outer disc, which most discs break off, drew the disc so high that half of the bulge was lost."""
BULGE_SCATTER = 0.07
"""Error of the bulge's flux in units of the total: the scatter on mock galaxies, whose bulges and discs are of many
shapes, none of them told from the other below the seeing."""
LEAST_RINGS = 3
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


def find_bulge(light: Float[np.ndarray, "y x"], aperture: Aperture) -> Bulge:
    """What is left in the centre when the disc of the middle radii is drawn on inwards.

    The profile is the median of each ring, which bars, knots and narrow arms hardly move. It is the mean of two discs
    taken from different radii; half their difference adds to the error. NaN without a disc (fewer than three rings with
    light).
    """
    median = _ring_medians(light, aperture.inside, aperture)
    fits = [_above_disc(median, aperture.half_light_radius, low, high) for low, high in DISC_RANGES]
    fits = [fit for fit in fits if fit is not None]
    if not fits:
        return Bulge(np.zeros(aperture.rings))
    pixels = np.bincount(aperture.ring[aperture.inside], minlength=aperture.rings)
    fluxes = [float(excess @ pixels) for excess, _ in fits]
    scatter = BULGE_SCATTER * float(light[aperture.inside].sum())
    brighter = np.flatnonzero(fits[0][0] > fits[0][1])
    return Bulge(
        profile=np.mean([excess for excess, _ in fits], axis=0),
        flux=float(np.mean(fluxes)),
        error=float(np.hypot(np.ptp(fluxes) / 2, scatter)),
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
    """The profile above the disc inwards of where they meet, and the disc; None where there is no light to draw it."""
    radius = np.arange(median.size, dtype=float)
    with np.errstate(invalid="ignore"):
        fitted = (radius >= low * half_light_radius) & (radius <= high * half_light_radius + 1) & (median > 0)
    if fitted.sum() < LEAST_RINGS:
        return None
    fall = DISC_SLOPE * radius / half_light_radius
    disc = np.exp(np.average(np.log(median[fitted]) + fall[fitted], weights=radius[fitted]) - fall)
    above = np.nan_to_num(median - disc)
    # Beyond the first meeting what rises above the disc are arms and rings.
    meets = np.flatnonzero((above <= 0.05 * disc) | (radius >= low * half_light_radius))
    return np.where(radius < meets[0], np.maximum(above, 0.0), 0.0), disc


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
