"""Which light is the galaxy's and which is somebody else's: detection of the central object, its neighbours and stars.

Everything is found once, on one image: all bands added with noise weights. Objects are what photutils detects and
deblends above the sky. A star on top of the galaxy is told from a spiral arm by its shape: it falls off in every
direction, an arm goes on in two, so that the brightness bends down both ways only under a star.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import cache

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import ndimage

__all__ = ["Sources", "detection_image", "find_sources", "near_centre"]

SMOOTHING_PIXELS = 1.5
DETECTION_SIGMA = 2.0
DETECTION_PIXELS = 5
SIGNIFICANT_SIGMA = 5.0
GROWTH_PIXELS = 3.0
AT_CENTRE, NEAR_CENTRE = 0.06, 0.1
"""How far from the frame's centre, over its shorter side, an object of its own is the target whatever lies around it,
and how far the target may lie to be where cutouts have it."""
ALONE, DOUBTFUL = 0.5, 0.8
"""An object of its own is parted from all that is brighter by a valley below this share of its height; with a valley
between the two a peak at the centre may be an object or a knot in the arm of a greater one."""
RIVAL = 0.7
"""Of two objects off the centre neither is the target if the lesser has more than this share of the other's worth."""
UNSEEN = 0.4
"""What light whose opposite place lies outside the frame counts when a nucleus is looked for: it may have a partner."""
BRIGHTEST_TOPS = 8
TOP_PIXELS = 5
DEBLEND = {"n_pixels": 10, "n_levels": 16, "contrast": 0.005}
"""How deep a saddle parts two objects; see photutils.segmentation.deblend_sources."""
STAR_PIXELS = 2.0
"""Standard deviation of the Gaussian under which stars are looked for."""
STAR_SIGMA = 6.0
STAR_SHARE = 0.4
"""Least height of a star over what surrounds it, as a share of that. At 0.5 a companion at the core of a real galaxy,
of a height of 0.64, was lost under the light of arms that passed it."""
KNOT_FACTOR = 6.0
"""How much more a peak inside the arm mask must stand out: it may be a knot of young stars."""
KNOT_SHARE = 0.3
"""Least height over its surroundings of a peak in the arm mask of which one image does not say what it is."""
CORE_PIXELS = 4.0
"""No star is looked for so near the nucleus, which looks like one."""
SUNK = 0.03
"""A star is cut out as far as its light is more than this share of what surrounds it."""


@dataclass(frozen=True, eq=False)
class Sources:
    """The central galaxy and everything else in a frame."""

    galaxy: Bool[np.ndarray, "y x"]
    """True where the central galaxy is detected; all False when there is none."""
    others: Bool[np.ndarray, "y x"]
    """True where another object's light dominates or disturbs."""
    peak: tuple[float, float]
    """(y, x) of the galaxy's nucleus, in pixels; NaN without a galaxy."""
    off_centre: bool = False
    """True where nothing lies at the frame's centre, and the galaxy is what outshines all else."""
    knot_share: float = 0.0
    """Light of the peaks in the arm mask that are stars or knots, and were left in, ÷ that of the mask."""
    uncertain: bool = False
    """True where there are objects and none can be told to be the galaxy: `galaxy` is all False."""

    @property
    def found(self) -> bool:
        """Whether there is a galaxy."""
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
    labels = _detected(smooth, DETECTION_SIGMA * _white_noise_through(SMOOTHING_PIXELS))
    number = int(labels.max())
    noise = _noise_up_to_edges(SMOOTHING_PIXELS, detection.shape)
    tops = (smooth == ndimage.maximum_filter(smooth, TOP_PIXELS)) & (smooth > SIGNIFICANT_SIGMA * noise)
    labels = np.where(np.isin(labels, labels[tops]), labels, 0)  # the others are ripples of the noise
    nobody = np.zeros(detection.shape, bool)
    if not labels.any():
        return Sources(nobody, nobody, (np.nan, np.nan))
    label, at_centre, rivalled = _target_label(smooth, labels, number)
    galaxy = labels == label
    peak = _nucleus(smooth, galaxy, tops & galaxy, rivalled=rivalled)
    if peak is None:
        return Sources(nobody, _grown(labels > 0), (np.nan, np.nan), uncertain=True)
    others = _grown((labels > 0) & ~galaxy)
    stars, knots = _stars(detection, galaxy, arm_mask, peak)
    others |= stars
    others |= _blended(smooth, galaxy, arm_mask, peak, others)
    arm_light = float(detection[arm_mask & galaxy].sum())
    knot_share = float(knots[~others].sum()) / arm_light if arm_light > 0 else 0.0
    return Sources(galaxy & ~others, others, peak, off_centre=not at_centre, knot_share=knot_share)


def _white_noise_through(sigma: float) -> float:
    """Standard deviation that white noise of 1 a pixel has left after a Gaussian filter of this width."""
    return 1.0 / (2.0 * np.sqrt(np.pi) * sigma)


def _noise_up_to_edges(sigma: float, shape: tuple[int, int]) -> Float[np.ndarray, "y x"]:
    """The same for each pixel of a frame: beyond it the filter repeats the outermost pixels, and levels less there.

    In the corners it is over twice as much as in the middle.
    """
    along_y, along_x = (_noise_along(sigma, length) for length in shape)
    return np.outer(along_y, along_x)


@cache
def _noise_along(sigma: float, length: int) -> Float[np.ndarray, " pixel"]:
    """The same of a row of pixels."""
    return np.linalg.norm(ndimage.gaussian_filter1d(np.eye(length), sigma, axis=0, mode="nearest"), axis=1)


def _detected(image: np.ndarray, threshold: float) -> Int[np.ndarray, "y x"]:
    """Label of each pixel that belongs to an object above the threshold; 0 elsewhere."""
    from photutils.segmentation import detect_sources
    from photutils.utils.exceptions import NoDetectionsWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NoDetectionsWarning)
        found = detect_sources(image, threshold, DETECTION_PIXELS)
    return np.zeros(image.shape, int) if found is None else np.asarray(found.data, int)


def _target_label(smooth: np.ndarray, labels: np.ndarray, number: int) -> tuple[int, bool, bool]:
    """The label of the detected object that a cutout was made for; whether it reaches the frame's centre; has a rival.

    Of objects at about the same distance from the centre it is the brighter one; where none reaches the centre, the one
    that outshines each other. Light counts by its root, a mean of light and area, as stars are bright but small.
    """
    distance, reach = _from_middle(labels.shape), NEAR_CENTRE * min(labels.shape)
    nearest = np.full(number + 1, np.inf)
    np.minimum.at(nearest, labels.ravel(), distance.ravel())
    nearest[0] = np.inf
    worth = np.bincount(labels.ravel(), weights=np.sqrt(np.maximum(smooth, 0.0)).ravel(), minlength=number + 1)
    at_centre = bool(nearest.min() <= reach)
    worth *= np.exp(-0.5 * np.square(nearest / reach)) if at_centre else np.isfinite(nearest)
    best = int(np.where(nearest <= reach, worth, 0.0).argmax() if at_centre else worth.argmax())
    rivalled = np.delete(worth, best).max() > RIVAL * worth[best]
    return best, at_centre, bool(rivalled)


def near_centre(shape: tuple[int, int]) -> Bool[np.ndarray, "y x"]:
    """Pixels of a frame that the galaxy it was cut out for has, if it lies where such galaxies do."""
    return _from_middle(shape) <= NEAR_CENTRE * min(shape)


def _from_middle(shape: tuple[int, int]) -> Float[np.ndarray, "y x"]:
    """Distance of each pixel from the middle of a frame."""
    y, x = np.indices(shape)
    return np.hypot(y - (shape[0] - 1) / 2, x - (shape[1] - 1) / 2)


def _nucleus(smooth: np.ndarray, galaxy: np.ndarray, tops: np.ndarray, *, rivalled: bool) -> tuple[float, float] | None:
    """The peak that is the middle of the detected galaxy; None where it lies off the centre and another may be meant.

    A galaxy looks much the same from its nucleus in opposite directions, and from an arm, a knot or a star on it does
    not: of all peaks the nucleus is the one with most light, by its root, on either side alike. An object of its own at
    the very centre of the frame goes before a greater one at the side, as cutouts are made about their target.
    `rivalled` says that another detected object is as great; two may also run together in this one.
    """
    from_middle, side = _from_middle(galaxy.shape), min(galaxy.shape)
    places = np.argwhere(tops)
    places = places[np.argsort(-smooth[tops], kind="stable")]
    far = from_middle[tuple(places.T)]
    kept = (np.arange(len(places)) < BRIGHTEST_TOPS) | (far <= NEAR_CENTRE * side)
    places, far = places[kept], far[kept]
    worth = _alike(np.sqrt(np.where(galaxy, np.maximum(smooth, 0.0), 0.0)), places)
    best = int(worth.argmax())
    if far[best] > NEAR_CENTRE * side:
        central = far <= AT_CENTRE * side
        own, perhaps = (_standing_alone(smooth, galaxy, places, share) for share in (ALONE, DOUBTFUL))
        if (own & central).any():
            best = int(np.where(own & central, worth, 0.0).argmax())
        elif rivalled or (perhaps & central).any() or (own & (worth > RIVAL * worth[best])).sum() > own[best]:
            return None
    return float(places[best][0]), float(places[best][1])


def _alike(light: Float[np.ndarray, "y x"], places: Int[np.ndarray, "place 2"]) -> Float[np.ndarray, " place"]:
    """Light that has as much on the opposite side of a place, for each place."""
    here = np.argwhere(light > 0)
    own, worth = light[tuple(here.T)], np.zeros(len(places))
    for number, place in enumerate(places):
        there = 2 * place - here
        seen = ((there >= 0) & (there < light.shape)).all(axis=1)
        worth[number] = np.minimum(own[seen], light[tuple(there[seen].T)]).sum() + UNSEEN * own[~seen].sum()
    return worth


def _standing_alone(
    smooth: np.ndarray, galaxy: np.ndarray, places: Int[np.ndarray, "place 2"], share: float
) -> Bool[np.ndarray, " place"]:
    """Whether nothing brighter hangs together with a peak above a valley of some share of its height, for each peak."""
    alone = np.zeros(len(places), bool)
    for number, (row, column) in enumerate(places):
        regions, _ = ndimage.label(galaxy & (smooth > share * smooth[row, column]))
        alone[number] = smooth[regions == regions[row, column]].max() <= smooth[row, column]
    return alone


def _grown(mask: np.ndarray) -> np.ndarray:
    """A mask and everything within `GROWTH_PIXELS` of it: the wings below the threshold."""
    if not mask.any():
        return mask
    return ndimage.distance_transform_edt(~mask) <= GROWTH_PIXELS


def _stars(
    detection: np.ndarray, galaxy: np.ndarray, arm_mask: np.ndarray, peak: tuple[float, float]
) -> tuple[Bool[np.ndarray, "y x"], Float[np.ndarray, "y x"]]:
    """Discs around the stars and small galaxies that lie on the galaxy; and the light of each knot, at its peak.

    A knot is a peak in the arm mask that may be a star and stands out too little to be held for one. A star's height is
    read off the way the image bends: under a Gaussian of its own width σ its second derivative in any direction is
    −height / (2 σ²), while along an arm or around a disc the image hardly bends.
    """
    height = _pointlike(detection)
    around = np.maximum(ndimage.gaussian_filter(detection, STAR_PIXELS, mode="nearest") - height, 0.0)
    y, x = np.indices(detection.shape)
    noise = 2.0 * _white_noise_through(STAR_PIXELS)
    threshold = np.maximum(STAR_SIGMA * noise, STAR_SHARE * around) * np.where(arm_mask, KNOT_FACTOR, 1.0)
    tops = (height == ndimage.maximum_filter(height, size=5)) & (height > STAR_SIGMA * noise) & galaxy
    tops &= np.hypot(y - peak[0], x - peak[1]) >= CORE_PIXELS
    found = np.zeros(detection.shape, bool)
    for at in np.argwhere(tops & (height > threshold)):
        top, level = height[tuple(at)], max(around[tuple(at)], 2.0 * noise)
        reach = np.sqrt(2.0) * STAR_PIXELS * np.sqrt(2.0 * np.log(max(top / (SUNK * level), 1.5)))
        found |= np.hypot(y - at[0], x - at[1]) <= reach
    undecided = tops & arm_mask & (height > KNOT_SHARE * around) & (height <= threshold)
    # Of a star as wide as the Gaussian it is seen through: variances add.
    return found, np.where(undecided, height * 4 * np.pi * STAR_PIXELS**2, 0.0)


def _pointlike(image: np.ndarray) -> Float[np.ndarray, "y x"]:
    """Height of a star of width `STAR_PIXELS`, seen through a Gaussian of that width, that bends the image as much."""
    yy, xx, xy = (
        ndimage.gaussian_filter(image, STAR_PIXELS, order=order, mode="nearest") for order in ((2, 0), (0, 2), (1, 1))
    )
    least_bent = 0.5 * (xx + yy) + np.hypot(0.5 * (xx - yy), xy)
    return np.maximum(-least_bent, 0.0) * 2.0 * STAR_PIXELS**2


def _blended(
    smooth: np.ndarray, galaxy: np.ndarray, arm_mask: np.ndarray, peak: tuple[float, float], others: np.ndarray
) -> Bool[np.ndarray, "y x"]:
    """The parts that deblending cuts off the galaxy whose brightest point was found foreign, and that hold no arm.

    Deblending alone cannot tell: it cuts a galaxy at every gap between its arms.
    """
    from photutils.segmentation import SegmentationImage, deblend_sources

    found = np.zeros(galaxy.shape, bool)
    if not (others & galaxy).any():
        return found
    parts = deblend_sources(smooth, SegmentationImage(galaxy.astype(int)), progress_bar=False, **DEBLEND).data
    own = parts[int(peak[0]), int(peak[1])]
    for part in np.unique(parts[galaxy]):
        pixels = parts == part
        top = np.argmax(np.where(pixels, smooth, -np.inf))
        if part != own and others.flat[top] and (arm_mask & pixels).sum() <= 0.02 * pixels.sum():
            found |= pixels
    return found
