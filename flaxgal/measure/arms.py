"""The spiral arms of a mask, told apart and measured: how many, how tightly wound, which way, how long and how wide.

The chirality is that of the sky as we see it, north up and east to the left: outwards along a Z-wise arm one turns
counter-clockwise, along an S-wise arm clockwise, as the letters' own strokes do.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from jaxtyping import Bool, Float, Int

from flaxgal.measure.flags import Flag
from flaxgal.measure.geometry import Ellipse
from flaxgal.survey.cutout import FirstRow

__all__ = ["Arm", "ArmSet", "Chirality", "measure_arms"]

NAN = float("nan")

Chirality = Literal["S", "Z", "-"]
"""-: no arms, or as much light winds one way as the other."""


@dataclass(frozen=True)
class Arm:
    """One arm: a logarithmic spiral ln r = a + tan(pitch) · azimuth in the plane of the disc. Lengths are in pixels."""

    pitch_angle_deg: float = NAN
    """From 0, a circle, to 90, a spoke; never negative: which way the arm winds stands in `chirality`."""
    pitch_angle_error_deg: float = NAN
    chirality: Chirality = "-"
    inner_radius_pixels: float = NAN
    outer_radius_pixels: float = NAN
    winding_angle_deg: float = NAN
    """Azimuth from the inner to the outer end along the fitted spiral."""
    length_pixels: float = NAN
    """Along the fitted spiral in the plane of the disc."""
    width_pixels: float = NAN
    """Mean width across the arm in the plane of the disc, seeing and all."""
    widths_pixels: tuple[float, ...] = ()
    """Width at equal steps in ln r from the inner to the outer end, at the middle of each of 5 parts."""
    azimuth_deg: float = NAN
    """Of the fitted spiral at the inner radius: from the major axis, towards +y as +x towards +y, in the disc plane."""
    area_pixels: int = 0
    """Pixels of the mask that are this arm's."""
    flux_share: float = NAN
    """Of the galaxy's light, all bands added with noise weights; filled in by `measure_cutout`."""


@dataclass(frozen=True, eq=False)
class ArmSet:
    """All arms of a galaxy, longest first, and what they say together."""

    labels: Int[np.ndarray, "y x"]
    """0: no arm; k: pixel of `arms[k - 1]`."""
    arms: tuple[Arm, ...] = ()
    chirality: Chirality = "-"
    """Of most of the arms' length."""
    pitch_angle_deg: float = NAN
    """Mean of the arms that wind the way most do, weighted by length."""
    pitch_angle_error_deg: float = NAN
    flags: Flag = Flag(0)

    @property
    def number_of_arms(self) -> int:
        """How many arms were told apart."""
        return len(self.arms)


def measure_arms(
    arm_mask: Bool[np.ndarray, "y x"],
    light: Float[np.ndarray, "y x"],
    ellipse: Ellipse,
    *,
    first_row: FirstRow = "bottom",
    wcs: Any = None,
) -> ArmSet:
    """Tell the arms of a mask apart and measure each in the plane of the disc.

    Parameters
    ----------
    arm_mask : True = arm.
    light : sky-subtracted image; weighs nothing yet.
    ellipse : centre and outline of the disc.
    first_row, wcs : the cutout's; they say whether the array shows the sky or its mirror image. A WCS goes first.
    """
    return ArmSet(labels=np.zeros(arm_mask.shape, int))
