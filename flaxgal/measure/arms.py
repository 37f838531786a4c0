"""The spiral arms of a mask, told apart and measured: how many, how tightly wound, which way, how long and how wide.

The mask's pixels are laid out in the plane of the disc on axes (ln r, azimuth), where spiral arms are straight lines
(`pitch`). Unwound by the right angle, all pixels of one arm have one phase: the winding is the one that piles the
phases up highest, and every pile is an arm. So an arm broken in pieces stays one, and arms that touch at the bar or the
bulge stay apart. Each pixel then goes to the nearest arm, and each arm finds its own spiral. Where two ways of winding
pile the phases up as high, arms are still counted, but neither chirality nor pitch angles are given.

The chirality is that of the sky as we see it, north up and east to the left: outwards along a Z-wise arm one turns
counter-clockwise, along an S-wise arm clockwise, as the letters' own strokes do.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from jaxtyping import Bool, Float, Int

from flaxgal.measure.flags import Flag
from flaxgal.measure.geometry import Ellipse, disc_plane, image_plane, turn_on_sky
from flaxgal.measure.pitch import (
    PHASE_BINS,
    TURN,
    Points,
    Spiral,
    fit_spiral,
    phase_histograms,
    pitch_angle_deg,
    rough_spiral,
    spiral_error_deg,
)
from flaxgal.survey.cutout import FirstRow

__all__ = ["Arm", "ArmSet", "Chirality", "arm_crest", "measure_arms"]

NAN = float("nan")
LEAST_PIXELS = 10
"""A mask, or an arm, with fewer is not measured."""
LEAST_SHARE = 0.1
"""An arm has at least this share of the mask's pixels."""
LEAST_RADIUS_PIXELS = 1.5
EDGE_ON_RATIO = 0.26
"""Axis ratio below which a disc is within 10 degrees of edge-on."""
WINDINGS = np.arange(0.36, 14.3, 0.25)
"""Tried, either way: pitch angles of 70 to 4 degrees."""
DECIDED = 1.1
"""The best winding one way must pile phases up this much higher than the best the other way. Of mock galaxies that
pass, 99 % wind as they should; of those that do not, about 65 %."""
FLAT = 0.4
"""Where even the least phase has this share of the highest pile, a mask that may wind either way is shapeless."""
RING = 3.0
"""A mask that may wind either way, and best by more than this (a pitch angle of 18 degrees), may be a ring that is not
quite round or whole: nothing is counted."""
VALLEY = 0.9
"""Two piles are two arms where between them the phases sink below this share of the lower pile."""
PILE = 0.12
"""A pile is at least this high, over the highest."""
ROUNDS = 4
PARTS = 5
NUDGE = 0.5
"""How much of its error the shape of the disc is changed by to learn how the pitch follows."""

Chirality = Literal["S", "Z", "-"]
"""-: no arms, or arms that may wind either way."""


@dataclass(frozen=True)
class Arm:
    """One arm: a logarithmic spiral ln r = a + tan(pitch) · azimuth in the plane of the disc. Lengths are in pixels."""

    pitch_angle_deg: float = NAN
    """From 0, a circle, to 90, a spoke; never negative: which way the arm winds stands in `chirality`."""
    pitch_angle_error_deg: float = NAN
    """With the errors of the disc's axis ratio and position angle, which move opposite arms alike."""
    chirality: Chirality = "-"
    inner_radius_pixels: float = NAN
    outer_radius_pixels: float = NAN
    winding_angle_deg: float = NAN
    """Azimuth from the inner to the outer end along the fitted spiral."""
    length_pixels: float = NAN
    """Along the fitted spiral in the plane of the disc."""
    width_pixels: float = NAN
    """Mean width across the arm in the plane of the disc, seeing and all: area over length."""
    widths_pixels: tuple[float, ...] = ()
    """Width in each of 5 parts of the arm, equal in ln r, from the inner to the outer end; 0 in a gap."""
    azimuth_deg: float = NAN
    """Of the fitted spiral at the inner radius: from the major axis, the way from +x to +y, in the disc plane."""
    area_pixels: int = 0
    """Pixels of the mask that are this arm's."""
    flux_share: float = NAN
    """Of the galaxy's light, all bands added with noise weights; filled in by `measure_cutout`."""


@dataclass(frozen=True, eq=False)
class ArmSet:
    """All arms of a galaxy, longest first (largest first if none is known to wind), and what they say together."""

    labels: Int[np.ndarray, "y x"]
    """0: no arm; k: pixel of `arms[k - 1]`."""
    arms: tuple[Arm, ...] = ()
    chirality: Chirality = "-"
    """Of most of the arms' length."""
    pitch_angle_deg: float = NAN
    """Mean of the arms that wind the way most do, weighted by length."""
    pitch_angle_error_deg: float = NAN
    flags: Flag = Flag(0)  # noqa: RUF009  (an enum's member, never changed)

    @property
    def number_of_arms(self) -> int:
        """How many arms were told apart."""
        return len(self.arms)


def measure_arms(
    arm_mask: Bool[np.ndarray, "y x"],
    ellipse: Ellipse,
    *,
    first_row: FirstRow = "bottom",
    wcs: Any = None,
) -> ArmSet:
    """Tell the arms of a mask apart and measure each in the plane of the disc.

    A mask that does not say which way it winds gets a flag. Where it has parts that lie at different azimuths, they are
    counted and have their radii and pixels, but neither chirality nor pitch angle; rings, shapeless patches and masks
    of too few pixels have no arms. Nor has a disc within about ten degrees of edge-on, which has its own flag.

    Parameters
    ----------
    arm_mask : True = arm.
    ellipse : centre and outline of the disc; its errors enter those of the pitch angles.
    first_row, wcs : the cutout's; they say whether the array shows the sky or its mirror image. A WCS goes first.
    """
    nothing = ArmSet(labels=np.zeros(arm_mask.shape, int))
    y, x = np.nonzero(arm_mask)
    if y.size == 0 or not np.isfinite(ellipse.centre).all():
        return nothing
    if ellipse.axis_ratio < EDGE_ON_RATIO:
        return replace(nothing, flags=Flag.EDGE_ON)
    points = _in_disc(ellipse, y, x)
    far = points.log_radius > np.log(LEAST_RADIUS_PIXELS)
    y, x, points = y[far], x[far], points[far]
    spirals, winds = _told_apart(points)
    if not spirals:
        return replace(nothing, flags=Flag.WINDING_UNCERTAIN)
    owner = np.argmin([spiral.distance(points) for spiral in spirals], axis=0)
    sense = turn_on_sky(first_row, wcs)
    found = []
    for number, spiral in enumerate(spirals):
        own = owner == number
        if own.sum() >= max(LEAST_PIXELS, LEAST_SHARE * own.size):
            found.append((_arm(ellipse, y[own], x[own], spiral, sense) if winds else _part(points[own]), own))
    found.sort(key=lambda one: -(one[0].length_pixels if winds else one[0].area_pixels))
    labels = nothing.labels
    for number, (_, own) in enumerate(found, start=1):
        labels[y[own], x[own]] = number
    return _together(labels, tuple(arm for arm, _ in found))


def arm_crest(
    arm: Arm, ellipse: Ellipse, *, first_row: FirstRow = "bottom", wcs: Any = None, number: int = 60
) -> tuple[Float[np.ndarray, " point"], Float[np.ndarray, " point"]]:
    """The fitted spiral on the image, from the inner to the outer end: (y, x) in pixels; NaN without a pitch."""
    radius = np.geomspace(arm.inner_radius_pixels, arm.outer_radius_pixels, number)
    sense = turn_on_sky(first_row, wcs) * (-1 if arm.chirality == "S" else 1)
    turned = np.log(radius / radius[0]) / np.tan(np.radians(arm.pitch_angle_deg))
    return image_plane(ellipse, radius, np.radians(arm.azimuth_deg) + sense * turned)


def _in_disc(ellipse: Ellipse, y: np.ndarray, x: np.ndarray) -> Points:
    radius, azimuth = disc_plane(ellipse, y.astype(float), x.astype(float))
    return Points(np.log(np.maximum(radius, 1e-3)), azimuth)


def _told_apart(points: Points) -> tuple[list[Spiral], bool]:
    """A spiral for every arm, and whether the pixels say which way they wind; none when they lie all round."""
    if points.log_radius.size < LEAST_PIXELS:
        return [], False
    windings = np.concatenate([-WINDINGS, WINDINGS])
    piles = phase_histograms(points, windings)
    height = np.square(piles).sum(axis=1)
    one_way, other_way = height[: WINDINGS.size].max(), height[WINDINGS.size :].max()
    winds = bool(max(one_way, other_way) >= DECIDED * min(one_way, other_way))
    best = int(height.argmax())
    if not winds and (abs(windings[best]) > RING or piles[best].min() > FLAT * piles[best].max()):
        return [], False
    spirals = [Spiral(float(windings[best]), (at + 0.5) * TURN / PHASE_BINS) for at in _piles(piles[best])]
    for _ in range(ROUNDS):
        owner = np.argmin([spiral.distance(points) for spiral in spirals], axis=0)
        spirals = [
            rough_spiral(points[owner == number], spiral)
            for number, spiral in enumerate(spirals)
            if (owner == number).sum() >= LEAST_PIXELS
        ]
        if not spirals:
            return [], False
    return spirals, winds


def _piles(heights: Float[np.ndarray, " phase"]) -> list[int]:
    """Where the phases pile up: maxima on the circle that are parted by valleys."""
    bins = heights.size
    before, after = np.roll(heights, 1), np.roll(heights, -1)
    tops = np.flatnonzero((heights >= before) & (heights > after) & (heights > PILE * heights.max())).tolist()
    while len(tops) > 1:
        parted = [
            heights[np.arange(top, following if following > top else following + bins) % bins].min()
            / min(heights[top], heights[following])
            for top, following in zip(tops, tops[1:] + tops[:1], strict=True)
        ]
        least = int(np.argmax(parted))
        if parted[least] < VALLEY:
            break
        pair = (tops[least], tops[(least + 1) % len(tops)])
        tops.remove(min(pair, key=lambda top: heights[top]))
    return tops


def _arm(ellipse: Ellipse, y: np.ndarray, x: np.ndarray, spiral: Spiral, sense: int) -> Arm:
    """What is measured of one arm."""
    points = _in_disc(ellipse, y, x)
    spiral = fit_spiral(points, spiral)
    along = spiral.along(points)
    inner, outer = (float(np.exp(end)) for end in np.quantile(along, [0.02, 0.98]))
    stretch = float(np.hypot(1.0, spiral.winding))
    edges = np.geomspace(inner, outer, PARTS + 1)
    # Light from beyond the 2 % ends belongs to the first and the last part.
    part = np.clip(np.searchsorted(np.log(edges), along) - 1, 0, PARTS - 1)
    area = np.bincount(part, minlength=PARTS) / ellipse.axis_ratio
    lengths = np.maximum(np.diff(edges) * stretch, 1e-6)
    error = np.hypot(spiral_error_deg(points, spiral), _shape_error_deg(ellipse, y, x, spiral))
    return Arm(
        pitch_angle_deg=pitch_angle_deg(spiral.winding),
        pitch_angle_error_deg=float(error),
        chirality="Z" if sense * spiral.winding > 0 else "S",
        inner_radius_pixels=inner,
        outer_radius_pixels=outer,
        winding_angle_deg=float(np.degrees(abs(spiral.winding) * np.log(outer / inner))),
        length_pixels=(outer - inner) * stretch,
        width_pixels=float(area.sum() / lengths.sum()),
        widths_pixels=tuple((area / lengths).tolist()),
        azimuth_deg=float(np.degrees(spiral.azimuth + spiral.winding * np.log(inner)) % 360.0),
        area_pixels=int(y.size),
    )


def _part(points: Points) -> Arm:
    """What is measured of a part of a mask that may wind either way."""
    inner, outer = np.quantile(points.radius, [0.02, 0.98])
    return Arm(inner_radius_pixels=float(inner), outer_radius_pixels=float(outer), area_pixels=points.radius.size)


def _shape_error_deg(ellipse: Ellipse, y: np.ndarray, x: np.ndarray, spiral: Spiral) -> float:
    """By how much an arm's pitch angle is uncertain because the shape of its disc is.

    The two ways to bend an ellipse, along its axes and at 45 degrees to them, count each with the axis ratio's error.
    """
    if ellipse.axis_ratio_error <= 0:
        return 0.0
    pitch = np.degrees(np.arctan2(1.0, spiral.winding))
    moved = []
    for bent in _bent(ellipse):
        points = _in_disc(bent, y, x)
        # The azimuth's zero turns with the ellipse.
        zero = np.radians(ellipse.position_angle_deg - bent.position_angle_deg)
        other = fit_spiral(points, Spiral(spiral.winding, spiral.azimuth + float(zero)))
        moved.append((np.degrees(np.arctan2(1.0, other.winding)) - pitch) / NUDGE)
    return float(min(45.0, np.hypot(*moved)))


def _bent(ellipse: Ellipse) -> tuple[Ellipse, Ellipse]:
    """The ellipse changed by a part of its error along its axes, and at 45 degrees to them."""
    step = NUDGE * ellipse.axis_ratio_error
    flat = 1.0 - ellipse.axis_ratio
    thinner = replace(ellipse, axis_ratio=max(ellipse.axis_ratio - step, 0.1))
    turned = replace(
        ellipse,
        axis_ratio=max(1.0 - float(np.hypot(flat, step)), 0.1),
        position_angle_deg=ellipse.position_angle_deg + float(np.degrees(0.5 * np.arctan2(step, flat))),
    )
    return thinner, turned


def _together(labels: np.ndarray, arms: tuple[Arm, ...]) -> ArmSet:
    """What the arms of a galaxy say together."""
    if not arms or arms[0].chirality == "-":
        return ArmSet(labels, arms, flags=Flag.WINDING_UNCERTAIN)
    length = np.array([arm.length_pixels for arm in arms])
    way = np.array([1 if arm.chirality == "Z" else -1 for arm in arms])
    main = 1 if (way * length).sum() > 0 else -1
    share = length[way == main] / length[way == main].sum()
    pitch = np.array([arm.pitch_angle_deg for arm in arms])[way == main]
    error = np.array([arm.pitch_angle_error_deg for arm in arms])[way == main]
    mean = float(share @ pitch)
    # An error of the disc's shape is common to all arms, and they share their ends' shape: no gain from their number.
    return ArmSet(labels, arms, "Z" if main > 0 else "S", mean, float(share @ error))
