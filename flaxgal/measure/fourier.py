"""What azimuthal Fourier analysis says about a galaxy's arms without any mask: a second opinion.

The light is laid out in the plane of the disc on axes (u = ln r, azimuth θ) and divided by its mean at each radius.
The azimuthal amplitudes follow Rix & Zaritsky (1995, ApJ 447, 82), the spirals the two-dimensional transform

    A(p, m) = Σ I(u, θ) exp(−i (m θ + p u)),

whose maximum over p is a logarithmic spiral of m arms with tan(pitch) = −m / p (Considère & Athanassoula 1988, A&AS 76,
365; Puerari & Dottori 1992, A&AS 93, 469; Davis et al. 2012, ApJS 199, 33). A bar does not wind, nor does what is left
when the axis ratio of the disc is slightly wrong: peaks at p = 0, so wide over the factor of four in radius in which a
disc is seen that they pull open spirals to them. So each spiral is fitted together with a part that does not wind, as
the generalised Lomb–Scargle periodogram fits each wave together with a constant (Zechmeister & Kürster 2009, A&A 496,
577).
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
PITCH_ANGLES_DEG = np.arange(4.0, 65.5, 0.5)
"""Tried, either way."""
CLUMPS = 0.05
"""Of the mean light: by so much the waves of every circle stray from any spiral, besides noise."""
STRAIGHT = 0.03
"""How unwilling the part that does not wind is to change with radius (ridge regression). Left free it takes the place
of open spirals, and twice as many mock spirals may wind either way; held constant, bars still pull pitch angles."""
LEAST_LEFT = 0.001
"""Share of a spiral that is left without what might be a part that does not wind: the rest tells too little."""
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
    """Of that mode; NaN where it may wind either way."""
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
    number, pitch, turns = _strongest_spiral(waves[:, 1 : MODES + 1] / mean[:, None], noise, radius)
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


def _strongest_spiral(
    waves: Complex128[np.ndarray, "radius mode"], noise: Float[np.ndarray, " radius"], radius: np.ndarray
) -> tuple[int, float, int]:
    """(arms, pitch angle in degrees, +1 where the azimuth grows outwards, −1 where it falls, 0 undecided).

    The spiral that takes most of the waves' square away, each circle weighted by its length and by how well its waves
    are known, beside a part that does not wind and may change with ln r as a straight line does.
    """
    root = np.sqrt(radius / (noise + CLUMPS**2))
    root /= np.linalg.norm(root)
    along = np.log(radius / np.sqrt(radius[0] * radius[-1]))
    still = root[:, None] * np.stack([np.ones_like(along), along], axis=1)
    normal = still.T @ still
    normal[1, 1] *= 1 + STRAIGHT
    to_still = np.linalg.solve(normal, still.T)
    one_arm = np.exp(-1j * along[:, None] / np.tan(np.radians(PITCH_ANGLES_DEG)))
    spirals = root[:, None].astype(complex)
    taken = np.zeros((MODES, 2, PITCH_ANGLES_DEG.size))
    for column in range(MODES):
        spirals = spirals * one_arm
        left = root * waves[:, column]
        left = left - still @ (to_still @ left)
        # The other way round every spiral is the conjugate, of which as much is left.
        power = np.square(np.abs([left @ spirals.conj(), left @ spirals]))
        square = 1 - ((still.T @ spirals).conj() * (to_still @ spirals)).real.sum(axis=0)
        taken[column] = np.where(square > LEAST_LEFT, power / np.maximum(square, LEAST_LEFT), 0.0)
    if not taken.max() > 0:
        return 0, NAN, 0
    column, way, at = np.unravel_index(int(taken.argmax()), taken.shape)
    decided = taken[column, way, at] >= DECIDED**2 * taken[column, 1 - way].max()
    return int(column) + 1, float(PITCH_ANGLES_DEG[at]), (1 - 2 * int(way)) if decided else 0
