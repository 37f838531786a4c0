"""Spirals drawn by formula in NumPy, with exact truth: what the measurement is held against."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from scipy import ndimage

from flaxgal.survey.cutout import Cutout


@dataclass(frozen=True)
class Spiral:
    """A drawn spiral: what a telescope gives, and what is true."""

    cutout: Cutout
    arm_mask: np.ndarray
    arm_flux: np.ndarray
    total_flux: np.ndarray

    @property
    def flux_ratio(self) -> np.ndarray:
        return self.arm_flux / self.total_flux


def draw_spiral(
    seed: int = 0,
    *,
    size: int = 64,
    scale_length: float = 6.0,
    axis_ratio: float = 0.8,
    angle_deg: float = 30.0,
    signal_to_noise: float | None = 200.0,
    arm_contrast: float = 1.5,
    bulge_share: float = 0.2,
    neighbours: int = 0,
    stars: int = 0,
    sky: float = 0.0,
    bands: tuple[str, ...] = ("g", "r", "i"),
) -> Spiral:
    """An exponential disc with two logarithmic arms, a bulge, neighbours and stars, blurred, with noise.

    `signal_to_noise` is that of the light within twice the scale length; None draws no noise at all.
    """
    rng = np.random.default_rng([17, seed])
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    angle = np.radians(angle_deg)
    along, across = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    radius, azimuth = np.hypot(along, across / axis_ratio), np.arctan2(across / axis_ratio, along)
    disc = np.exp(-radius / scale_length)
    phase = 2 * (azimuth - np.log(np.maximum(radius, 0.5) / scale_length) / np.tan(np.radians(20.0)))
    reach = 1 / (1 + np.exp(-(radius - scale_length) / 0.7)) / (1 + np.exp((radius - 3.2 * scale_length) / 1.0))
    arms = arm_contrast * disc * reach * np.exp(-np.square(np.sin(phase / 2)) / 0.15)
    arm_mask = (arms > 0.35 * arm_contrast * disc) & (reach > 0.3)
    bulge = np.exp(-0.5 * np.square(radius / (0.25 * scale_length)))
    bulge *= bulge_share / (1 - bulge_share) * (disc.sum() + arms.sum()) / bulge.sum()
    blur = lambda image: ndimage.gaussian_filter(image, 1.5, mode="constant")  # noqa: E731
    mixes = ((0.6, 0.9, 0.3), (1.0, 1.0, 0.8), (1.3, 1.1, 1.3))
    galaxy = np.stack([blur(disc * d + arms * a + bulge * b) for d, a, b in mixes])
    galaxy = galaxy[: len(bands)] * 1000.0
    other = np.zeros_like(galaxy)
    for number in range(neighbours + stars):
        place, width = rng.uniform(0, size, 2), (0.0 if number >= neighbours else rng.uniform(1.0, 2.5))
        blob = np.exp(-0.5 * (np.hypot(*(np.indices((size, size)) - place[:, None, None])) / np.hypot(1.5, width)) ** 2)
        light = galaxy.sum(axis=(1, 2)) * 10 ** rng.uniform(-2.0, -0.7)
        other += blob / blob.sum() * light[:, None, None] * rng.uniform(0.7, 1.4, len(bands))[:, None, None]
    core = radius < 2 * scale_length
    flux, variance = galaxy + other + sky, None
    if signal_to_noise is not None:
        per_pixel = galaxy[:, core].sum(axis=1) / signal_to_noise / np.sqrt(core.sum())
        variance = np.square(per_pixel)[:, None, None] * (1 + 0.3 * (galaxy + other) / galaxy[:, core].mean())
        flux = flux + rng.normal(size=galaxy.shape) * np.sqrt(variance)
    cutout = Cutout(
        object_id=f"drawn-{seed}", flux=flux.astype(np.float32), bands=bands, unit="nJy", survey="drawn",
        variance=None if variance is None else variance.astype(np.float32), pixel_scale_arcsec=0.168,
    )  # fmt: skip
    return Spiral(cutout, arm_mask, galaxy[:, arm_mask].sum(axis=1), galaxy.sum(axis=(1, 2)))


@pytest.fixture(scope="session")
def spiral() -> Callable[..., Spiral]:
    """`draw_spiral`, for tests to call."""
    return draw_spiral
