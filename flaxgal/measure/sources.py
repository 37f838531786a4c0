"""Which light is the galaxy's and which is somebody else's: detection of the central object, its neighbours and stars.

Everything is found once, on one image: all bands added with noise weights. Small frames are the rule (76,635 cutouts
of 64 × 64), so detection is a smoothing, a threshold and a labelling; a star on top of the galaxy is told from a spiral
arm by its shape: it falls off in every direction, an arm goes on in two.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from scipy import ndimage

__all__ = ["Sources", "detection_image", "find_sources"]

SMOOTHING_PIXELS = 1.5
DETECTION_SIGMA = 2.0
SIGNIFICANT_SIGMA = 5.0
PEAK_SIGMA = 8.0
RINGS = ((4.0, 2.2), (7.0, 2.6), (11.0, 3.0))
"""(radius in pixels, how many times brighter than nine tenths of that ring a peak must be to be foreign)."""
RING_QUANTILE = 0.9
KNOT_FACTOR = 1.6
GROWTH_PIXELS = 3.0


@dataclass(frozen=True, eq=False)
class Sources:
    """The central galaxy and everything else in a frame."""

    galaxy: Bool[np.ndarray, "y x"]
    """True where the central galaxy is detected; all False when there is none."""
    others: Bool[np.ndarray, "y x"]
    """True where another object's light dominates or disturbs."""
    peak: tuple[float, float]
    """(y, x) of the galaxy's brightest point, in pixels; NaN without a galaxy."""

    @property
    def found(self) -> bool:
        """Whether there is a galaxy near the centre."""
        return bool(self.galaxy.any())


def detection_image(
    flux: Float[np.ndarray, "band y x"], noise: Float[np.ndarray, " band"], usable: Bool[np.ndarray, "band y x"]
) -> Float[np.ndarray, "y x"]:
    """All bands in one, in units of its own noise; 0 where no band has data.

    Each band is weighted by the inverse of its variance: the best sum for an object of equal flux in all bands.
    """
    weight = usable / np.square(noise)[:, None, None]
    total = weight.sum(axis=0)
    signal = (np.where(usable, flux, 0.0) * weight).sum(axis=0)
    return np.divide(signal, np.sqrt(total), out=np.zeros_like(signal), where=total > 0)


def find_sources(detection: Float[np.ndarray, "y x"], arm_mask: Bool[np.ndarray, "y x"]) -> Sources:
    """The object at the centre of a sky-subtracted image in units of its noise, and the pixels of all others.

    A star and a bright knot of young stars look alike in one image. A peak inside the arm mask is given the benefit of
    the doubt: it must stand out `KNOT_FACTOR` times more to be held for a star.
    """
    smooth = ndimage.gaussian_filter(detection, SMOOTHING_PIXELS, mode="nearest")
    noise = 1.0 / (2.0 * np.sqrt(np.pi) * SMOOTHING_PIXELS)
    labels, number = ndimage.label(smooth > DETECTION_SIGMA * noise)
    labels = np.where(_significant(smooth, labels, number, noise), labels, 0)
    central = _central_label(smooth, labels, number)
    if central == 0:
        nobody = np.zeros(detection.shape, bool)
        return Sources(galaxy=nobody, others=_grown(labels > 0), peak=(np.nan, np.nan))
    galaxy = labels == central
    peak = _peak(smooth, galaxy)
    others = _grown((labels > 0) & ~galaxy)
    for y, x in _foreign_peaks(smooth, galaxy, arm_mask, peak, noise):
        others |= _footprint(smooth, y, x, noise)
    return Sources(galaxy=galaxy & ~others, others=others, peak=peak)


def _central_label(smooth: np.ndarray, labels: np.ndarray, number: int) -> int:
    """The label of the detected object nearest the centre, within a fifth of the frame; 0 when there is none.

    Among objects at about the same distance the brighter one is taken.
    """
    if number == 0:
        return 0
    y, x = np.indices(labels.shape)
    middle = (np.array(labels.shape) - 1) / 2
    distance = np.hypot(y - middle[0], x - middle[1])
    nearest = np.full(number + 1, np.inf)
    np.minimum.at(nearest, labels.ravel(), distance.ravel())
    light = np.bincount(labels.ravel(), weights=smooth.ravel(), minlength=number + 1)
    reach = 0.2 * min(labels.shape)
    worth = np.where(nearest <= reach, light * np.exp(-0.5 * np.square(nearest / (0.1 * min(labels.shape)))), 0.0)
    worth[0] = 0.0
    best = int(worth.argmax())
    return best if worth[best] > 0 else 0


def _peak(smooth: np.ndarray, galaxy: np.ndarray) -> tuple[float, float]:
    """The brightest point of the galaxy, with points far from the frame's centre held less likely to be its nucleus."""
    y, x = np.indices(galaxy.shape)
    middle = (np.array(galaxy.shape) - 1) / 2
    near = np.exp(-0.5 * ((y - middle[0]) ** 2 + (x - middle[1]) ** 2) / (0.08 * min(galaxy.shape)) ** 2)
    found = np.unravel_index(np.argmax(np.where(galaxy, smooth * near, -np.inf)), galaxy.shape)
    return float(found[0]), float(found[1])


def _significant(smooth: np.ndarray, labels: np.ndarray, number: int, noise: float) -> np.ndarray:
    """True on detected objects that are more than a ripple of the noise."""
    brightest = np.zeros(number + 1)
    np.maximum.at(brightest, labels.ravel(), smooth.ravel())
    return (brightest > SIGNIFICANT_SIGMA * noise)[labels]


def _grown(mask: np.ndarray) -> np.ndarray:
    """A mask and everything within `GROWTH_PIXELS` of it: the wings below the threshold."""
    if not mask.any():
        return mask
    return ndimage.distance_transform_edt(~mask) <= GROWTH_PIXELS


def _ring(radius: float) -> np.ndarray:
    """True on a ring one pixel wide."""
    reach = int(np.ceil(radius))
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    return np.abs(np.hypot(y, x) - radius) < 0.6


def _foreign_peaks(
    smooth: np.ndarray, galaxy: np.ndarray, arm_mask: np.ndarray, peak: tuple[float, float], noise: float
) -> list[tuple[int, int]]:
    """Peaks on the galaxy that stand far above nine tenths of a ring around them: stars and small galaxies.

    The nucleus does so too and is spared. An arm, or a knot in it, is not much brighter than the arm's own next piece.
    """
    top = (smooth == ndimage.maximum_filter(smooth, size=5)) & galaxy & (smooth > PEAK_SIGMA * noise)
    found = []
    for y, x in np.argwhere(top).tolist():
        if np.hypot(y - peak[0], x - peak[1]) <= 3.0:
            continue
        height = smooth[y, x] / (KNOT_FACTOR if arm_mask[y, x] else 1.0)
        if any(height > factor * _ring_quantile(smooth, y, x, radius) for radius, factor in RINGS):
            found.append((y, x))
    return found


_RING_OFFSETS = {radius: np.argwhere(_ring(radius)) - int(np.ceil(radius)) for radius, _ in RINGS}


def _ring_quantile(smooth: np.ndarray, y: int, x: int, radius: float) -> float:
    """What only the brightest tenth of a ring around a pixel exceeds, as far as the ring lies in the frame."""
    at = _RING_OFFSETS[radius] + (y, x)
    inside = ((at >= 0) & (at < smooth.shape)).all(axis=1)
    return float(np.quantile(smooth[at[inside, 0], at[inside, 1]], RING_QUANTILE))


def _footprint(smooth: np.ndarray, y: int, x: int, noise: float) -> np.ndarray:
    """A disc around a foreign peak, out to where its light has sunk into what surrounds it."""
    reach = max(6, min(smooth.shape) // 4)
    rows, columns = np.indices(smooth.shape)
    distance = np.hypot(rows - y, columns - x)
    ring = np.rint(distance).astype(int)
    near = ring <= reach
    mean = np.bincount(ring[near], weights=smooth[near]) / np.maximum(np.bincount(ring[near]), 1)
    fall = mean[:-1] - mean[1:]
    settled = np.flatnonzero((fall < np.maximum(0.1 * np.abs(mean[:-1]), 0.5 * noise)) & (np.arange(fall.size) >= 2))
    radius = (settled[0] if settled.size else reach) + 1
    return distance <= radius
