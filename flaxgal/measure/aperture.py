"""How far a galaxy's light is counted: Petrosian and Kron apertures, and whether light goes on beyond."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float, Int

from flaxgal.measure.background import fit_sky
from flaxgal.measure.flags import Flag
from flaxgal.measure.geometry import (
    Ellipse,
    Profile,
    elliptical_radius,
    half_light_radius,
    petrosian_radius,
    radial_profile,
    ring_area,
)
from flaxgal.measure.sources import Sources

__all__ = ["Aperture", "find_aperture", "growth", "kron_radius"]

APERTURE_PETROSIANS = 2.0
"""Twice the Petrosian radius holds 99 % of an exponential disc (Graham et al. 2005, AJ 130, 1535, table 1)."""
APERTURE_KRONS = 2.5
"""Bertin & Arnouts 1996, A&AS 117, 393; they hold 96 % of an exponential disc, and 90 % of a de Vaucouleurs profile."""
GROWTH_RING = 1.25
"""Outer radius of the ring in which the curve of growth is looked at, in units of the aperture's."""
NUCLEUS_PIXELS = 1.5
"""Radius of a circle that holds four pixels at least, wherever between them its centre is."""
UNKNOWN_SHAPE = (0.1, 20.0)
"""Errors of the axis ratio and of the position angle, in degrees, of a shape that came without."""
EDGE_ON = 0.27
"""Axis ratio of a disc that is a fifth as thick as wide at an inclination of 80 degrees: arms lie behind each other."""


@dataclass(frozen=True, eq=False)
class Aperture:
    """Which pixels count: the galaxy's, and those not disturbed by other objects; all along ellipses of one shape."""

    inside: Bool[np.ndarray, "y x"]
    """Within twice the Petrosian radius; the whole frame where that is not known."""
    kron: Bool[np.ndarray, "y x"]
    """Within 2.5 Kron radii."""
    core: Bool[np.ndarray, "y x"]
    """Within the Petrosian radius: where colours are taken."""
    nucleus: Bool[np.ndarray, "y x"]
    """Next to the centre as the image shows it: an inclined galaxy's innermost ellipses may pass between pixels."""
    alone: Bool[np.ndarray, "y x"]
    ring: Int[np.ndarray, "y x"]
    """Ring number: the elliptical radius, rounded."""
    axis_ratio: float
    half_light_radius: float
    petrosian_radius: float
    kron_radius: float
    other_rings: tuple[Int[np.ndarray, "y x"], ...] = ()
    """`ring`, had the galaxy's shape an axis ratio one sigma larger, and a position angle one sigma larger."""

    @cached_property
    def rings(self) -> int:
        """Number of rings in the frame."""
        return int(self.ring.max()) + 1

    @property
    def edge(self) -> float:
        """Semi-major axis of the aperture in pixels; NaN where it is the whole frame."""
        return APERTURE_PETROSIANS * self.petrosian_radius


def find_aperture(
    together: Float[np.ndarray, "y x"],
    usable: Bool[np.ndarray, "y x"],
    sources: Sources,
    ellipse: Ellipse,
    arm: Bool[np.ndarray, "y x"],
) -> tuple[Aperture, Flag]:
    """The aperture of a galaxy, from all bands together, and what is odd about it and about the arm mask in it."""
    radius = elliptical_radius(ellipse, together.shape)
    ring = np.rint(radius).astype(int)
    rings = int(ring.max()) + 1
    alone = ~sources.others
    profile = radial_profile(together, ring, usable & alone, rings)
    half_light = half_light_radius(profile, ellipse.axis_ratio)
    sky = fit_sky(profile, half_light)
    profile = radial_profile(together - sky.level, ring, usable & alone, rings)
    half_light = half_light_radius(profile, ellipse.axis_ratio)
    petrosian = petrosian_radius(profile, ellipse.axis_ratio, within=2.0 * float(radius[sources.galaxy].max()))
    known = np.isfinite(petrosian)
    inside = radius <= APERTURE_PETROSIANS * petrosian if known else np.ones(ring.shape, bool)
    core = radius <= petrosian if known else inside
    kron = kron_radius(profile, ellipse.axis_ratio, within=APERTURE_PETROSIANS * petrosian if known else float(rings))
    aperture = Aperture(
        inside=inside,
        kron=radius <= APERTURE_KRONS * kron,
        core=core,
        nucleus=elliptical_radius(replace(ellipse, axis_ratio=1.0), ring.shape) <= NUCLEUS_PIXELS,
        alone=alone,
        ring=ring,
        axis_ratio=ellipse.axis_ratio,
        half_light_radius=half_light,
        petrosian_radius=petrosian,
        kron_radius=kron,
        other_rings=tuple(
            np.rint(elliptical_radius(other, ring.shape)).astype(int) for other in _other_shapes(ellipse)
        ),
    )
    flags = _oddities(aperture, radius, ellipse, arm)
    return aperture, flags | (Flag.OFF_CENTRE if sources.off_centre else Flag(0))


def _oddities(aperture: Aperture, radius: np.ndarray, ellipse: Ellipse, arm: np.ndarray) -> Flag:
    """What is odd about a galaxy's place, its outline, and the arm mask within it."""
    flags = Flag(0)
    edge = min(radius[0].min(), radius[-1].min(), radius[:, 0].min(), radius[:, -1].min())
    middle = (np.array(radius.shape) - 1) / 2
    if not aperture.petrosian_radius < edge:
        flags |= Flag.CUT_BY_EDGE
    if np.hypot(*(np.array(ellipse.centre) - middle)) > 0.25 * min(radius.shape):
        flags |= Flag.OFF_CENTRE
    if (arm & ~aperture.inside).sum() > 0.1 * arm.sum():
        flags |= Flag.MASK_OUTSIDE_GALAXY
    if (arm & aperture.core).sum() > 0.9 * aperture.core.sum():
        flags |= Flag.MASK_EVERYTHING
    if ellipse.axis_ratio < EDGE_ON:
        flags |= Flag.EDGE_ON
    return flags


def _other_shapes(ellipse: Ellipse) -> tuple[Ellipse, Ellipse]:
    """Ellipses that the errors of a galaxy's shape allow as well: one with another axis ratio, and one turned."""
    ratio = ellipse.axis_ratio + (ellipse.axis_ratio_error or UNKNOWN_SHAPE[0])
    turned = ellipse.position_angle_deg + (ellipse.position_angle_error_deg or UNKNOWN_SHAPE[1])
    if ratio > 1:
        ratio = 2 * ellipse.axis_ratio - ratio
    return replace(ellipse, axis_ratio=max(ratio, 0.1)), replace(ellipse, position_angle_deg=turned)


def kron_radius(profile: Profile, axis_ratio: float, *, within: float) -> float:
    """First moment of the light along the major axis: Σ r I / Σ I over rings up to `within` (Kron 1980, eq. 1).

    At least one pixel; NaN where there is no light.
    """
    radius = np.arange(profile.mean.size, dtype=float)
    light = np.nan_to_num(profile.mean) * ring_area(profile.mean.size, axis_ratio) * (radius <= within)
    if not light.sum() > 0:
        return float("nan")
    # The light of ring 0, a disc of half a pixel, is a third of a pixel from the centre on average.
    radius[0] = 1 / 3
    return float(max(1.0, light @ radius / light.sum()))


def growth(profile: Profile, aperture: Aperture) -> tuple[float, float]:
    """Light in the ring just outside the aperture, and how many pixels that ring has; NaN where no pixel shows it."""
    radius = np.arange(profile.mean.size)
    ring = (radius > aperture.edge) & (radius <= GROWTH_RING * aperture.edge) & (profile.pixels > 0)
    if not ring.any():
        return float("nan"), float("nan")
    area = ring_area(profile.mean.size, aperture.axis_ratio)[ring]
    return float(area @ profile.mean[ring]), float(area.sum())
