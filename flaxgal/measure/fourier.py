"""What azimuthal Fourier analysis says about a galaxy's arms without any mask: a second opinion.

The light is laid out in the plane of the disc on axes (u = ln r, azimuth θ) and divided by its mean at each radius.
The azimuthal amplitudes follow Rix & Zaritsky (1995, ApJ 447, 82), the spirals the two-dimensional transform

    A(p, m) = Σ I(u, θ) exp(−i (m θ + p u)),

whose maximum over p is a logarithmic spiral of m arms with tan(pitch) = −m / p (Considère & Athanassoula 1988, A&AS 76,
365; Puerari & Dottori 1992, A&AS 93, 469; Davis et al. 2012, ApJS 199, 33).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Complex128, Float, Float64
from scipy import ndimage

from flaxgal.measure.arms import Chirality
from flaxgal.measure.geometry import Ellipse, image_plane, turn_on_sky
from flaxgal.survey.cutout import FirstRow

__all__ = ["Fourier", "measure_fourier"]

NAN = float("nan")
MODES = 6
RADII, AZIMUTHS = 48, 128
NOISE_MODES = slice(24, 48)
"""Modes so high that no arm has them: their power is the noise's."""
PADDED = 512
LEAST_PITCH_DEG, LARGEST_PITCH_DEG = 4.0, 65.0
"""A bar is a spiral of 90 degrees and is kept out."""
DECIDED = 1.15
"""The strongest spiral one way must be this much stronger than the strongest the other way."""
LEAST_SEEN = 0.6
"""Share of the polar picture that must be seen."""


@dataclass(frozen=True)
class Fourier:
    """Azimuthal Fourier amplitudes of a deprojected galaxy, and the logarithmic spiral that fits it best."""

    amplitudes: tuple[float, ...] = (NAN,) * MODES
    """A1 to A6 relative to the mean light (A0) at the same radius, averaged over the disc with the light's weight."""
    arm_number: int = 0
    """Mode with the strongest logarithmic spiral; 0 when there is no light, or too little of the disc is seen."""
    pitch_angle_deg: float = NAN
    """Of that mode; NaN where it may wind either way, as it is then 34 degrees off in the median (36 mock spirals)."""
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

    An amplitude is the root of the mean square over radius, each radius weighted by its light squared, less what the
    noise adds; it is 0 where the noise explains all. Nothing is measured where less than 60 % of the disc is seen, or
    where the mean light at some radius is not above zero.

    Parameters
    ----------
    light : sky-subtracted image, any unit.
    good : True where `light` is the galaxy's own: no gaps, no neighbours.
    """
    span = (inner_radius_pixels, outer_radius_pixels)
    if not (np.isfinite(ellipse.centre).all() and np.isfinite(span).all() and 0 < span[0] < span[1]):
        return Fourier()
    radius = np.geomspace(*span, RADII)
    polar = _polar(np.where(good, light, 0.0), good, ellipse, radius)
    if polar is None:
        return Fourier()
    waves = np.fft.fft(polar, axis=1) / AZIMUTHS
    mean = waves[:, 0].real
    if not (mean > 0).all():
        return Fourier()
    weight = np.square(mean * radius)
    power = np.square(2 * np.abs(waves) / mean[:, None])
    noise = power[:, NOISE_MODES].mean(axis=1)
    square = np.average(power[:, 1 : MODES + 1] - noise[:, None], axis=0, weights=weight)
    number, pitch, turns = _strongest_spiral(waves[:, 1 : MODES + 1] / mean[:, None], radius)
    sense = turn_on_sky(first_row, wcs)
    return Fourier(
        amplitudes=tuple(np.sqrt(np.maximum(square, 0.0)).tolist()),
        arm_number=number,
        pitch_angle_deg=pitch if turns else NAN,
        chirality="-" if turns == 0 else "Z" if turns * sense > 0 else "S",
    )


def _polar(
    light: np.ndarray, good: np.ndarray, ellipse: Ellipse, radius: np.ndarray
) -> Float64[np.ndarray, "radius azimuth"] | None:
    """Light along circles of the disc; gaps hold the mean of their circle. None where too little is seen."""
    azimuth = np.arange(AZIMUTHS) * (2 * np.pi / AZIMUTHS)
    places = image_plane(ellipse, *np.meshgrid(radius, azimuth, indexing="ij"))
    # Pixels without light of the galaxy's own are shared out of every mean, as astropy's convolution does.
    seen = ndimage.map_coordinates(good.astype(float), places, order=1, cval=0.0)
    value = ndimage.map_coordinates(light.astype(float), places, order=1, cval=0.0)
    there = seen > 0.5
    number = there.sum(axis=1)
    if there.mean() < LEAST_SEEN or (number < AZIMUTHS / 4).any():
        return None
    value = np.where(there, value / np.maximum(seen, 0.5), 0.0)
    return np.where(there, value, (value.sum(axis=1) / number)[:, None])


def _strongest_spiral(waves: Complex128[np.ndarray, "radius mode"], radius: np.ndarray) -> tuple[int, float, int]:
    """(arms, pitch angle in degrees, +1 where the azimuth grows outwards, −1 where it falls, 0 undecided)."""
    step = float(np.log(radius[1] / radius[0]))
    window = np.hanning(radius.size + 2)[1:-1, None]
    spectrum = np.abs(np.fft.fft(waves * window, n=PADDED, axis=0))
    frequency = np.fft.fftfreq(PADDED, step) * 2 * np.pi
    mode = np.arange(1, MODES + 1)
    winding = -frequency[:, None] / mode[None]
    steepest, loosest = 1 / np.tan(np.radians([LEAST_PITCH_DEG, LARGEST_PITCH_DEG]))
    spiral = np.where((np.abs(winding) >= loosest) & (np.abs(winding) <= steepest), spectrum, 0.0)
    if not spiral.max() > 0:
        return 0, NAN, 0
    row, column = np.unravel_index(int(spiral.argmax()), spiral.shape)
    best = float(winding[row, column])
    other_way = np.where(winding[:, column] * best < 0, spiral[:, column], 0.0).max()
    decided = spiral[row, column] >= DECIDED * other_way
    return int(mode[column]), float(np.degrees(np.arctan(1 / abs(best)))), int(np.sign(best)) if decided else 0
