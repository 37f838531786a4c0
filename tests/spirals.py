"""Masks of logarithmic spirals drawn by formula: what the measurement of arms is held against."""

from __future__ import annotations

import numpy as np

from flaxgal.measure.geometry import Ellipse, disc_plane


def spiral_mask(
    pitch_angle_deg: float,
    *,
    arms: int = 2,
    sense: int = 1,
    size: int = 128,
    ellipse: Ellipse | None = None,
    radii: tuple[float, float] = (8.0, 48.0),
    width: float = 4.0,
    turn_deg: float = 20.0,
) -> np.ndarray:
    """True within half a `width` (pixels, across, in the disc) of `arms` spirals; sense +1: Z-wise, first row below.

    The ends are cut half-way between square to the arm and along circles, as the measurement takes them to be.
    """
    middle = (size - 1) / 2
    ellipse = ellipse or Ellipse((middle, middle), 1.0, 0.0)
    y, x = np.indices((size, size), dtype=float)
    radius, azimuth = disc_plane(ellipse, y, x)
    winding = sense / np.tan(np.radians(pitch_angle_deg))
    mask = np.zeros((size, size), bool)
    for arm in range(arms):
        phase = azimuth - np.radians(turn_deg) - 2 * np.pi * arm / arms - winding * np.log(np.maximum(radius, 0.1))
        off = (phase + np.pi) % (2 * np.pi) - np.pi
        across = off / np.hypot(1, winding)
        along = np.log(np.maximum(radius, 0.1)) + 0.5 * off * winding / (1 + winding**2)
        inside = (along > np.log(radii[0])) & (along < np.log(radii[1]))
        mask |= (np.abs(across) * radius < width / 2) & inside
    return mask


def pieces(mask: np.ndarray, *, gap: tuple[float, float]) -> np.ndarray:
    """A mask with a gap between two radii around the frame's middle."""
    y, x = np.indices(mask.shape) - (np.array(mask.shape)[:, None, None] - 1) / 2
    radius = np.hypot(y, x)
    return mask & ~((radius > gap[0]) & (radius < gap[1]))
