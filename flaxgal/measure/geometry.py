"""Where a galaxy is and how it is shaped: centre, axis ratio, position angle, radii, from moments of its light."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from flaxgal.survey.cutout import FirstRow
from flaxgal.survey.seen import is_mirror_image

__all__ = [
    "Ellipse",
    "Profile",
    "disc_plane",
    "elliptical_radius",
    "half_light_radius",
    "image_plane",
    "inclination_deg",
    "moment_ellipse",
    "petrosian_radius",
    "radial_profile",
    "ring_area",
    "sky_position_angle_deg",
    "turn_on_sky",
]

LEAST_AXIS_RATIO = 0.15
THICKNESS = 0.2
"""Axis ratio of a disc seen edge-on (Hubble 1926; Holmberg 1958 and later work give 0.1 to 0.25)."""
PETROSIAN_ETA = 0.2
"""Local over mean surface brightness at the Petrosian radius (Blanton et al. 2001, AJ 121, 2358, eq. 2)."""


@dataclass(frozen=True)
class Ellipse:
    """A galaxy's outline on the pixel grid."""

    centre: tuple[float, float]
    """(y, x) in pixels; the first pixel's centre is (0, 0)."""
    axis_ratio: float
    """Minor over major axis."""
    position_angle_deg: float
    """Of the major axis, from +x towards +y on the pixel grid, in [0, 180)."""
    axis_ratio_error: float = 0.0
    position_angle_error_deg: float = 0.0


def moment_ellipse(
    light: Float[np.ndarray, "y x"], member: Bool[np.ndarray, "y x"], peak: tuple[float, float]
) -> Ellipse:
    """The ellipse with the second moments of the galaxy's light about its brightest point.

    Light below zero counts as none.
    """
    y, x = np.nonzero(member)
    weight = np.maximum(light[y, x], 0.0)
    total = weight.sum()
    dy, dx = y - peak[0], x - peak[1]
    if total <= 0:
        return Ellipse(peak, 1.0, 0.0)
    # 1/12 is the variance of a pixel of width 1: it keeps one bright pixel round instead of infinitely thin.
    xx, yy, xy = (float((weight * product).sum() / total) for product in (dx * dx, dy * dy, dx * dy))
    spread = np.array([[xx + 1 / 12, xy], [xy, yy + 1 / 12]])
    (small, large), axes = np.linalg.eigh(spread)
    angle = np.degrees(np.arctan2(axes[1, 1], axes[0, 1])) % 180.0
    return Ellipse(peak, float(np.clip(np.sqrt(small / large), LEAST_AXIS_RATIO, 1.0)), float(angle))


def inclination_deg(axis_ratio: float) -> float:
    """Inclination of a disc of this axis ratio: 0 face-on, 90 edge-on (Hubble 1926, ApJ 64, 321).

    cos² i = (q² − q₀²) / (1 − q₀²), where q₀ = `THICKNESS` is how thick a disc looks edge-on; thinner is edge-on too.
    """
    square = (axis_ratio**2 - THICKNESS**2) / (1 - THICKNESS**2)
    return float(np.degrees(np.arccos(np.sqrt(np.clip(square, 0.0, 1.0)))))


def disc_plane(
    ellipse: Ellipse, y: Float[np.ndarray, "*n"], x: Float[np.ndarray, "*n"]
) -> tuple[Float[np.ndarray, "*n"], Float[np.ndarray, "*n"]]:
    """Radius (pixels) and azimuth (radians, from the major axis, as +x to +y) of places in the plane of the disc.

    The minor axis is stretched by 1 / axis ratio, that is, the disc is taken to be thin.
    """
    angle = np.radians(ellipse.position_angle_deg)
    dy, dx = y - ellipse.centre[0], x - ellipse.centre[1]
    along = dx * np.cos(angle) + dy * np.sin(angle)
    across = (dy * np.cos(angle) - dx * np.sin(angle)) / ellipse.axis_ratio
    return np.hypot(along, across), np.arctan2(across, along)


def image_plane(
    ellipse: Ellipse, radius: Float[np.ndarray, "*n"], azimuth: Float[np.ndarray, "*n"]
) -> tuple[Float[np.ndarray, "*n"], Float[np.ndarray, "*n"]]:
    """Where places in the plane of the disc are seen: (y, x) in pixels, the inverse of `disc_plane`."""
    angle = np.radians(ellipse.position_angle_deg)
    along, across = radius * np.cos(azimuth), radius * np.sin(azimuth) * ellipse.axis_ratio
    y = ellipse.centre[0] + along * np.sin(angle) + across * np.cos(angle)
    return y, ellipse.centre[1] + along * np.cos(angle) - across * np.sin(angle)


def turn_on_sky(first_row: FirstRow = "bottom", wcs: Any = None) -> int:
    """+1 where an azimuth that grows from +x to +y grows counter-clockwise on the sky, −1 where it shrinks there."""
    return -1 if is_mirror_image(first_row, wcs) != (first_row == "top") else 1


def sky_position_angle_deg(position_angle_deg: float, centre: tuple[float, float], wcs: Any) -> float:
    """The position angle on the sky of a direction on the pixel grid: from north through east (ICRS), in [0, 180).

    Parameters
    ----------
    position_angle_deg : from +x towards +y on the pixel grid.
    centre : (y, x) in pixels from 0, where the angle is taken: north turns across a frame, fast near a pole.
    wcs : an astropy WCS with whatever rotation, mirror, axis order, projection, distortion; None and one that has no
        place on the sky there give NaN.
    """
    if wcs is None or not wcs.has_celestial:
        return float("nan")
    angle = np.radians(position_angle_deg)
    celestial = wcs if wcs.naxis == 2 else wcs.celestial
    y, x = centre[0] + np.array([0.0, 0.5]) * np.sin(angle), centre[1] + np.array([0.0, 0.5]) * np.cos(angle)
    longitude, latitude = np.radians(_equatorial(celestial, x, y))
    east = np.sin(longitude[1] - longitude[0]) * np.cos(latitude[1])
    north = np.cos(latitude[0]) * np.sin(latitude[1])
    north -= np.sin(latitude[0]) * np.cos(latitude[1]) * np.cos(longitude[1] - longitude[0])
    return float(np.degrees(np.arctan2(east, north)) % 180.0 % 180.0)  # twice: -1e-20 % 180 is 180


def _equatorial(wcs: Any, x: np.ndarray, y: np.ndarray) -> Float[np.ndarray, "2 place"]:
    """Right ascension and declination of pixels, in degrees; NaN off the sky. SkyCoord, where needed, takes 4 ms."""
    if wcs.wcs.lngtyp == "RA" and wcs.wcs.radesys in ("", "ICRS", "FK5"):
        world = wcs.all_pix2world(x, y, 0)
        return np.array([world[wcs.wcs.lng], world[wcs.wcs.lat]])
    from astropy.wcs.utils import pixel_to_skycoord

    place = pixel_to_skycoord(x, y, wcs).icrs
    return np.array([place.ra.deg, place.dec.deg])


def elliptical_radius(ellipse: Ellipse, shape: tuple[int, int]) -> Float[np.ndarray, "y x"]:
    """For each pixel the major semi-axis, in pixels, of the ellipse through it."""
    y, x = np.indices(shape, dtype=float)
    dy, dx = y - ellipse.centre[0], x - ellipse.centre[1]
    angle = np.radians(ellipse.position_angle_deg)
    along = dx * np.cos(angle) + dy * np.sin(angle)
    across = dy * np.cos(angle) - dx * np.sin(angle)
    return np.hypot(along, across / ellipse.axis_ratio)


@dataclass(frozen=True, eq=False)
class Profile:
    """Mean light on elliptical rings one pixel wide; ring k is centred on semi-major axis k."""

    mean: Float[np.ndarray, " ring"]
    """NaN on rings without a good pixel."""
    scatter: Float[np.ndarray, " ring"]
    """Standard deviation of single pixels on the ring."""
    pixels: Float[np.ndarray, " ring"]
    """Number of good pixels."""


def radial_profile(
    image: Float[np.ndarray, "y x"], ring: np.ndarray, good: Bool[np.ndarray, "y x"], rings: int
) -> Profile:
    """The mean and scatter of the good pixels of an image on each of `rings` rings.

    `ring` holds the ring number of each pixel: the elliptical radius, rounded.
    """
    number = ring[good]
    value = image[good].astype(float)
    pixels = np.bincount(number, minlength=rings).astype(float)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.bincount(number, weights=value, minlength=rings) / pixels
        square = np.bincount(number, weights=np.square(value - mean[number]), minlength=rings)
        scatter = np.sqrt(square / np.maximum(pixels - 1, 1))
    return Profile(mean, scatter, pixels)


def ring_area(rings: int, axis_ratio: float) -> Float[np.ndarray, " ring"]:
    """Pixels on each whole ring, inside the frame or not."""
    outer = np.square(np.arange(rings) + 0.5)
    return np.pi * axis_ratio * np.diff(outer, prepend=0.0)


def half_light_radius(profile: Profile, axis_ratio: float) -> float:
    """Semi-major axis that holds half of the light of a profile as far as the profile goes; at least one pixel.

    Within the ring where the half is reached the light is taken to grow evenly; ring k ends at k + 0.5.
    """
    light = np.cumsum(np.nan_to_num(profile.mean) * ring_area(profile.mean.size, axis_ratio))
    top = light.max()
    if top <= 0:
        return 1.0
    ring = int(np.argmax(light >= 0.5 * top))
    before = light[ring - 1] if ring else 0.0
    return float(max(1.0, ring - 0.5 + (0.5 * top - before) / (light[ring] - before)))


def petrosian_radius(profile: Profile, axis_ratio: float, *, within: float) -> float:
    """The outermost semi-major axis where light on the ring sinks below a fifth of the mean light within it.

    Outermost, as a bright bulge on a faint disc crosses that line twice. Rings beyond `within` pixels, or whose light
    is not above three times its own error, do not count. NaN where the light never sinks so far within the frame, or
    there is none.
    """
    area = ring_area(profile.mean.size, axis_ratio)
    mean = np.nan_to_num(profile.mean)
    inside = np.cumsum(mean * area) / np.cumsum(area)
    with np.errstate(invalid="ignore", divide="ignore"):
        eta = np.where(inside > 0, mean / inside, 0.0)
        bright = (eta >= PETROSIAN_ETA) & (mean > 3.0 * profile.scatter / np.sqrt(profile.pixels))
    bright[0] |= inside[0] > 0
    last = np.flatnonzero(bright & (np.arange(mean.size) <= within))
    if last.size == 0 or last[-1] == mean.size - 1:
        return float("nan")
    before, after = eta[last[-1]], eta[last[-1] + 1]
    step = (before - PETROSIAN_ETA) / (before - after) if before > after else 1.0
    return float(max(2.0, last[-1] + np.clip(step, 0.0, 1.0)))
