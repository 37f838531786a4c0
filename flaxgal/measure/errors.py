"""What is not known about a sum of light: noise of pixels, level of the sky, light guessed under neighbours, the mask.

Everything measured is a weighted sum of pixels, Σ w·light, or a ratio of two. Its variance is

    Σ w² σ² · c + (Σ w)² σ_sky² + v_filled

with σ² the variance plane, c what the correlation of neighbouring pixels adds to the variance of a sum, and v_filled
that of the light filled in where other objects or gaps hide the galaxy.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

__all__ = ["Noise", "coherent_pixels", "mask_thresholds", "pixel_variance", "standard_error"]

COHERENCE = 0.35
"""Radius, in half-light radii, of a patch that differs from the mean of its ring as a whole: about half of what lies
between two arms. Light guessed from the ring is wrong patch by patch, not pixel by pixel."""
MOST_UNKNOWN = 0.03
"""Share of the galaxy's pixels whose noise is taken to be that of the others."""
ONE_SIGMA = 1.6583
"""Log-odds of 84 %: a mask drawn one sigma too generously."""


@dataclass(frozen=True, eq=False)
class Noise:
    """The noise of one band's pixels, and of its sky."""

    pixel: Float[np.ndarray, "y x"]
    """Variance; 0 where the light was filled in."""
    filled: Float[np.ndarray, "y x"]
    """Variance of a single filled-in pixel; 0 where the light was seen."""
    sky_error: float
    correlation: float = 1.0
    """Variance of a sum of many pixels over that of as many independent ones."""
    coherent: float = 1.0
    """Pixels of the galaxy that are brighter or fainter than the mean of their ring together."""


def standard_error(weight: Float[np.ndarray, "y x"], noise: Noise) -> float:
    """Standard error of Σ weight · light."""
    square = np.square(weight)
    # Not np.vdot: BLAS shares so short a sum out to threads, which on a busy machine wait for each other.
    seen = noise.correlation * float(np.einsum("yx,yx", square, noise.pixel))
    hidden = noise.coherent * float(np.einsum("yx,yx", square, noise.filled))
    return float(np.sqrt(seen + hidden + (float(weight.sum()) * noise.sky_error) ** 2))


def pixel_variance(
    variance: Float[np.ndarray, "y x"] | None, good: Bool[np.ndarray, "y x"], inside: Bool[np.ndarray, "y x"]
) -> Float[np.ndarray, "y x"] | None:
    """The variance plane where it can be trusted, 0 on pixels that are not `good`; None where no noise is known.

    A few pixels of unknown noise, at most 3 % of the good ones `inside` the galaxy's aperture, get the typical noise of
    the rest; with more the noise is not known.
    """
    if variance is None:
        return None
    known, own = np.isfinite(variance) & (variance > 0), good & inside
    if np.count_nonzero(known & own) < (1 - MOST_UNKNOWN) * np.count_nonzero(own):
        return None
    if not known[good].all():
        variance = np.where(known, variance, np.median(variance[known & own]))
    return np.where(good, variance, 0.0)


def coherent_pixels(half_light_radius: float) -> float:
    """Pixels of a patch of a galaxy that is brighter or fainter than its ring as a whole; see `COHERENCE`."""
    return float(max(1.0, np.pi * (COHERENCE * half_light_radius) ** 2))


def mask_thresholds(threshold: float) -> tuple[float, float]:
    """The thresholds of masks drawn one sigma too generously and one too strictly.

    A probability p is taken as the share of people who would call the pixel arm, and people as strict or generous all
    over the picture; then the mask of the person at quantile u is p > 1 − u. About a threshold of 0.5 the central 68 %
    of people draw masks from p > 0.84 to p > 0.16; another threshold moves both by its log-odds.
    """
    middle = np.log(threshold / (1 - threshold)) if 0 < threshold < 1 else np.sign(threshold - 0.5) * 20.0
    low, high = (1 / (1 + np.exp(-(middle + step))) for step in (-ONE_SIGMA, ONE_SIGMA))
    return float(low), float(high)
