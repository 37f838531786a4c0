"""The outline of a galaxy's disc from its outer isophotes: centre, axis ratio and position angle, with errors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from scipy import ndimage

from flaxgal.measure.geometry import LEAST_AXIS_RATIO, Ellipse, moment_ellipse

__all__ = ["isophote_ellipse", "psf_fwhm_pixels"]

ROUNDS = 6
ARM_MARGIN_PIXELS = 2
STRUCTURE = 0.5
"""What is left of arms, clumps and dust make pixels on one isophote differ by this share of their light."""
DISC_FROM, DISC_TO = 0.55, 1.4
"""The disc's shape is read between these shares of the radius of the outermost detected isophote: beyond bulge and bar,
and beyond most arms."""
CENTRE_FROM = 1.5
"""Pixels. The innermost ones show how the pixels fell, not the galaxy."""
ALIKE, SHAPE_FLOOR = 1.5, 0.03
"""Groups of rings share arms still, and discs are lopsided and warped: found on mock galaxies, where with both 68 % of
true axis ratios lie within the error."""
LEAST_PIXELS = 30
LARGEST_STEP = 0.25
SCALES_AT_FIT = 1 / 3.0
"""Scale length of a disc over the radius where its shape is read."""
GROUPS = 6
"""Rings are bundled into this many for the errors: light on neighbouring rings is alike, as an arm crosses many."""
SIGMA_OF_FWHM = 0.4247


@dataclass(frozen=True, eq=False)
class _Pixels:
    """Pixels of the galaxy seen through a trial ellipse: light less the mean of its ring, and what bears on it."""

    radius: Float[np.ndarray, " pixel"]
    cos: Float[np.ndarray, " pixel"]
    sin: Float[np.ndarray, " pixel"]
    excess: Float[np.ndarray, " pixel"]
    slope: Float[np.ndarray, " pixel"]
    """Of the light along the radius, a pixel."""
    weight: Float[np.ndarray, " pixel"]
    """Inverse variance: noise of the pixel, and structure."""
    disc: Bool[np.ndarray, " pixel"]
    """True where the disc's shape is read."""

    @property
    def moved(self) -> Float[np.ndarray, "2 pixel"]:
        """How light changes when the ellipse moves along its axes, per pixel."""
        return np.stack([self.cos, self.sin]) * self.slope

    @property
    def bent(self) -> Float[np.ndarray, "2 pixel"]:
        """How light changes when the ellipse is stretched along its axes, and at 45 degrees to them."""
        return np.stack([self.cos**2 - self.sin**2, 2 * self.sin * self.cos]) * self.slope * self.radius


def isophote_ellipse(
    light: Float[np.ndarray, "y x"],
    member: Bool[np.ndarray, "y x"],
    good: Bool[np.ndarray, "y x"],
    peak: tuple[float, float],
    *,
    arm_mask: Bool[np.ndarray, "y x"] | None = None,
    seeing_fwhm_pixels: float = 0.0,
) -> Ellipse:
    """The ellipse on which the light of a galaxy's disc varies least with azimuth.

    Where a trial ellipse of radius R is off by a few per cent, light on it varies as (dI/dR)(Δx cos θ + Δy sin θ) when
    its centre is wrong and as R (dI/dR)(e₁ cos 2θ + e₂ sin 2θ) when its shape is (Jedrzejewski 1987, MNRAS 226, 747).
    Both are fitted to all rings at once by least squares and taken out, six times; arms, whose phase turns with the
    radius, mostly cancel. Seeing makes an inclined disc look rounder; for an exponential disc of scale length h the
    axis ratio q grows by σ² (1 − q²) (1/h + 1/R) / (2 q R), which is taken off.

    Parameters
    ----------
    light : sky-subtracted image in units of its noise (`sources.detection_image`).
    member : True where the galaxy was detected.
    good : True where light can be trusted to be the galaxy's own or sky.
    peak : (y, x) of the brightest point, where the search begins.
    arm_mask : True = arm: left out with a margin of two pixels, which takes a third off the errors. A mask that leaves
        too few pixels is left in.
    seeing_fwhm_pixels : of the point-spread function; 0 leaves the seeing in.
    """
    start = moment_ellipse(light, member, peak)
    smooth = good if arm_mask is None else good & ~_with_margin(arm_mask)
    y, x = np.nonzero(smooth)
    value = light[y, x].astype(float)
    ellipse = start
    for _ in range(ROUNDS):
        reach = float(np.sqrt(member.sum() / np.pi / ellipse.axis_ratio))
        pixels = _through(ellipse, y, x, value, reach)
        if pixels is None or pixels.disc.sum() < LEAST_PIXELS:
            if arm_mask is None:
                return start
            return isophote_ellipse(light, member, good, peak, seeing_fwhm_pixels=seeing_fwhm_pixels)
        shape, _ = _least_squares(pixels.bent, pixels.excess, pixels.weight * pixels.disc)
        shift, _ = _least_squares(pixels.moved, pixels.excess, pixels.weight * (pixels.radius >= CENTRE_FROM))
        ellipse = _bent(_moved(ellipse, np.clip(-shift, -1, 1)), np.clip(shape, -LARGEST_STEP, LARGEST_STEP))
    if np.hypot(ellipse.centre[0] - peak[0], ellipse.centre[1] - peak[1]) > max(3.0, 0.5 * reach):
        return start
    error = _shape_error(pixels, reach)
    shrink = _seeing_factor(ellipse.axis_ratio, pixels, SIGMA_OF_FWHM * seeing_fwhm_pixels)
    ratio = float(np.clip(ellipse.axis_ratio * shrink, LEAST_AXIS_RATIO, 1.0))
    return Ellipse(
        ellipse.centre,
        ratio,
        ellipse.position_angle_deg,
        axis_ratio_error=error,
        # Stretching a disc by δ along its major axis, or by δ at 45 degrees to it, is equally likely.
        position_angle_error_deg=float(min(45.0, np.degrees(error / (2 * max(1.0 - ratio, error, 1e-6))))),
    )


def psf_fwhm_pixels(psf: Mapping[str, Float[np.ndarray, "_ _"]]) -> float:
    """Full width at half maximum of the point-spread functions of some bands, on average; 0 when none is known.

    It is the diameter of the disc with the area of the pixels above half of the maximum.
    """
    areas = [(image >= image.max() / 2).sum() for image in psf.values() if np.isfinite(image).all() and image.max() > 0]
    return float(np.mean(2 * np.sqrt(np.array(areas) / np.pi))) if areas else 0.0


def _with_margin(arm_mask: np.ndarray) -> np.ndarray:
    return ndimage.binary_dilation(arm_mask, np.ones((3, 3), bool), iterations=ARM_MARGIN_PIXELS)


def _through(ellipse: Ellipse, y: np.ndarray, x: np.ndarray, value: np.ndarray, reach: float) -> _Pixels | None:
    """Pixels out to the disc's end, with what a trial ellipse says of them; None for too few."""
    dy, dx = y - ellipse.centre[0], x - ellipse.centre[1]
    angle = np.radians(ellipse.position_angle_deg)
    along = dx * np.cos(angle) + dy * np.sin(angle)
    across = (dy * np.cos(angle) - dx * np.sin(angle)) / ellipse.axis_ratio
    radius = np.hypot(along, across)
    near = radius <= DISC_TO * reach + 0.5
    if near.sum() < LEAST_PIXELS:
        return None
    along, across, radius, value = along[near], across[near], radius[near], value[near]
    ring = np.rint(radius).astype(int)
    number = np.bincount(ring)
    mean = np.bincount(ring, value) / np.maximum(number, 1)
    level, slope = _between_rings(radius, mean, np.gradient(mean))
    length = np.maximum(radius, 0.5)
    weight = 1.0 / (1.0 + np.square(STRUCTURE * np.maximum(level, 0.0)))
    disc = radius >= max(2.5, DISC_FROM * reach)
    return _Pixels(radius, along / length, across / length, value - level, slope, weight, disc)


def _between_rings(radius: np.ndarray, *profiles: np.ndarray) -> list[np.ndarray]:
    """Values of profiles at any radius, by straight lines from ring to ring; beyond the last ring its own.

    The very numbers of np.interp, which searches for the ring of each pixel anew.
    """
    ring = np.minimum(radius.astype(int), profiles[0].size - 1)
    beyond = radius - ring
    return [np.diff(one, append=one[-1]).take(ring) * beyond + one.take(ring) for one in profiles]


def _least_squares(basis: np.ndarray, value: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The two coefficients that fit a value best, and the normal matrix."""
    weighed = basis * weight
    normal = weighed @ basis.T
    normal = normal + np.eye(2) * (1e-9 * np.trace(normal) + 1e-300)
    return np.linalg.solve(normal, weighed @ value), normal


def _moved(ellipse: Ellipse, shift: np.ndarray) -> Ellipse:
    """An ellipse moved by (along its major axis, along its minor axis before projection), in pixels."""
    angle = np.radians(ellipse.position_angle_deg)
    along, across = shift[0], shift[1] * ellipse.axis_ratio
    y = ellipse.centre[0] + along * np.sin(angle) + across * np.cos(angle)
    x = ellipse.centre[1] + along * np.cos(angle) - across * np.sin(angle)
    return Ellipse((float(y), float(x)), ellipse.axis_ratio, ellipse.position_angle_deg)


def _bent(ellipse: Ellipse, shape: np.ndarray) -> Ellipse:
    """An ellipse whose radius is stretched by 1 + e₁ cos 2θ + e₂ sin 2θ."""
    angle, ratio = np.radians(ellipse.position_angle_deg), ellipse.axis_ratio
    bent = np.array([[1 + 2 * shape[0], 2 * shape[1]], [2 * shape[1], 1 - 2 * shape[0]]])
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle) / ratio, np.cos(angle) / ratio]])
    (long, short), axes = np.linalg.eigh(turn.T @ bent @ turn)
    ratio = float(np.clip(np.sqrt(max(long, 0.0) / short), LEAST_AXIS_RATIO, 1.0))
    return Ellipse(ellipse.centre, ratio, float(np.degrees(np.arctan2(axes[1, 0], axes[0, 0])) % 180.0))


def _shape_error(pixels: _Pixels, reach: float) -> float:
    """Standard error of the axis ratio: how much groups of rings disagree about the shape (a sandwich estimate)."""
    weight = pixels.weight * pixels.disc
    _, normal = _least_squares(pixels.bent, pixels.excess, weight)
    share = (pixels.radius / reach - DISC_FROM) / (DISC_TO - DISC_FROM)
    group = np.clip((share * GROUPS).astype(int), 0, GROUPS - 1)
    pull = pixels.bent * weight * pixels.excess
    pulls = np.stack([np.bincount(group, row, minlength=GROUPS) for row in pull], axis=1)
    inverse = np.linalg.inv(normal)
    covariance = inverse @ (pulls.T @ pulls) @ inverse * GROUPS / (GROUPS - 2)
    # A stretch of e changes the axis ratio by 2 e.
    return float(np.hypot(ALIKE * 2.0 * np.sqrt(np.trace(covariance) / 2), SHAPE_FLOOR))


def _seeing_factor(ratio: float, pixels: _Pixels, sigma: float) -> float:
    """What the axis ratio of an exponential disc is multiplied by to undo the seeing, at the fit's mean radius."""
    weight = (pixels.weight * np.square(pixels.slope * pixels.radius))[pixels.disc]
    if not weight.sum() > 0:
        return 1.0
    radius = float(np.average(pixels.radius[pixels.disc], weights=weight))
    per_pixel = (1 / SCALES_AT_FIT + 1) / radius
    growth = sigma**2 * (1 - ratio**2) * per_pixel / (2 * ratio * radius)
    return float(np.clip(1.0 - growth / ratio, 0.7, 1.0))
