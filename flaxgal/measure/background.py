"""The level of the local sky, and how well it is known.

A frame of 64 × 64 pixels is often filled by its galaxy, and the darkest corner is still galaxy. The sky is therefore
what remains when an exponential disc is taken out of the outer light profile (Freeman 1970, ApJ 160, 811), with
the disc's scale length averaged over all values the profile allows. Where the galaxy is small that is the plain mean of
the sky; where it fills the frame the error says how little is known.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from flaxgal.measure.geometry import Profile

__all__ = [
    "BAD_PLANES",
    "Sky",
    "border_sky",
    "fit_sky",
    "noise_correlation",
    "pixel_noise",
    "surface_brightness_limit",
    "usable_pixels",
]

BAD_PLANES = ("BAD", "NO_DATA", "EDGE", "UNMASKEDNAN", "SAT")
"""Mask planes whose pixels carry no light to be trusted. CR and INTRP pixels were interpolated and stay."""

BORDER_SHARE = 0.1
FIT_FROM = (2.0, 2.8)
"""The profile is fitted beyond this many half-light radii."""
SCALES = np.geomspace(0.35, 1.5, 14)
"""Scale lengths tried, in half-light radii; a pure exponential disc has 0.6."""


LEAST_SKY_PIXELS = 400
"""Fewer pixels of sky tell nothing of how its noise hangs together."""
NJY_ZERO_POINT = 31.4
"""AB magnitude of 1 nJy."""
LIMIT_SIDE_ARCSEC = 10.0


@dataclass(frozen=True)
class Sky:
    """The sky of one band, per pixel, in the image's unit."""

    level: float
    error: float
    """Standard error of the level, with what the galaxy's own outskirts leave undecided."""


def usable_pixels(
    flux: Float[np.ndarray, "band y x"], mask_planes: Mapping[str, np.ndarray]
) -> Bool[np.ndarray, "band y x"]:
    """True where a pixel has a number and no plane of `BAD_PLANES` speaks against it."""
    usable = np.isfinite(flux)
    for name in BAD_PLANES:
        if name in mask_planes:
            usable &= ~mask_planes[name]
    return usable


def _median(values: np.ndarray) -> float:
    """The median of some numbers, none of them NaN: looking for NaN takes numpy's own a fifth more time, or worse."""
    middle = values.size // 2
    parted = np.partition(values, middle)
    return float(parted[middle] if values.size % 2 else 0.5 * (parted[:middle].max() + parted[middle]))


def pixel_noise(image: Float[np.ndarray, "y x"], usable: Bool[np.ndarray, "y x"]) -> float:
    """Standard deviation of the noise of one pixel, from differences of neighbours (robust; blind to gradients).

    0 for an image without noise, NaN for one without two usable pixels side by side.
    """
    with np.errstate(invalid="ignore"):
        along_x = (image[:, 1:] - image[:, :-1])[usable[:, 1:] & usable[:, :-1]]
        along_y = (image[1:] - image[:-1])[usable[1:] & usable[:-1]]
    steps = np.abs(np.concatenate([along_x, along_y])).astype(np.float32)  # as images have it; half the time to order
    if steps.size == 0:
        return float("nan")
    return float(_median(steps) / (0.6744897501960817 * np.sqrt(2.0)))


def noise_correlation(image: Float[np.ndarray, "y x"], sky: Bool[np.ndarray, "y x"]) -> float:
    """Variance of a sum over many pixels ÷ what it would be if their noise were independent; at least 1.

    1 + Σ ρ over the eight pixels around, ρ the correlation of pixels that both are sky. Resampling to a coadd's grid
    makes it 1.2 to 1.4 on HSC's images, and variance planes do not tell. 1 where less than 400 pixels of sky are seen.
    """
    seen = image[sky]
    if seen.size < LEAST_SKY_PIXELS:
        return 1.0
    middle = _median(seen)
    spread = 1.4826 * _median(np.abs(seen - middle))
    if not spread > 0:
        return 1.0
    # Clipped, as one faint galaxy left in the sky would be taken for noise that hangs together.
    seen = np.clip((seen - middle) / spread, -3.0, 3.0)
    value = np.zeros(image.shape)
    value[sky] = seen - seen.mean()
    total = 0.0
    for first, second in (
        (np.s_[:, 1:], np.s_[:, :-1]),
        (np.s_[1:], np.s_[:-1]),
        (np.s_[1:, 1:], np.s_[:-1, :-1]),
        (np.s_[1:, :-1], np.s_[:-1, 1:]),
    ):
        pairs = np.count_nonzero(sky[first] & sky[second])
        total += float(np.einsum("yx,yx", value[first], value[second])) / max(1, pairs)
    return max(1.0, 1.0 + 2.0 * total / float(seen.var()))


def surface_brightness_limit(noise: float, pixel_scale_arcsec: float) -> float:
    """3 σ of the sky's noise averaged over 10 × 10 arcseconds, in AB mag / arcsec² (Román et al. 2020, A&A 644, A42).

    `noise` is the standard deviation of one pixel in nJy. NaN where it is not known.
    """
    if not (np.isfinite(noise) and noise > 0):
        return float("nan")
    return float(NJY_ZERO_POINT - 2.5 * np.log10(3.0 * noise / (pixel_scale_arcsec * LIMIT_SIDE_ARCSEC)))


def border_sky(image: Float[np.ndarray, "y x"], usable: Bool[np.ndarray, "y x"]) -> float:
    """A first guess at the sky: the sigma-clipped median of a frame's border, tilted to its fainter side.

    NaN when the border has no usable pixel.
    """
    width = max(2, round(BORDER_SHARE * min(image.shape)))
    border = np.ones(image.shape, bool)
    border[width:-width, width:-width] = False
    values = np.sort(image[border & usable])
    for _ in range(5):
        if values.size == 0:
            return float("nan")
        half = values.size // 2
        middle = values[half]
        # Sources only ever add light, so the width is taken from the faint half.
        spread = 1.4826 * (middle - _middle(values[: half + 1]))
        kept = values[np.abs(values - middle) <= 3.0 * spread]
        if kept.size == values.size or spread == 0:
            break
        values = kept
    return _middle(values)


def _middle(values: np.ndarray) -> float:
    """The median of numbers in order."""
    return float(0.5 * (values[(values.size - 1) // 2] + values[values.size // 2]))


def fit_sky(profile: Profile, half_light_radius: float) -> Sky:
    """The constant under the outer light profile of a galaxy, which itself is taken to fall off exponentially.

    For each of a range of scale lengths h the model s + a·exp(−r / h) with a ≥ 0 is fitted to the rings beyond
    two half-light radii by weighted least squares; the sky is the mean of s over h, weighted by likelihood. Its
    error holds the errors of the fits, their disagreement, and by how much the sky moves when the rings
    begin farther out (2.8 half-light radii), which shows a galaxy that is no exponential.
    """
    usable = (profile.pixels >= 4) & np.isfinite(profile.mean)
    radius = np.arange(profile.mean.size, dtype=float)
    outside = [usable & (radius >= share * half_light_radius) for share in FIT_FROM]
    outside = [rings for rings in outside if rings.sum() >= 4] or [usable]
    if outside[0].sum() < 2:
        return Sky(float("nan"), float("nan"))
    fits = [_mean_over_scales(profile, rings, half_light_radius) for rings in outside]
    # Two fits that share rings differ by chance alone by the difference of their variances.
    near, far = fits[0], fits[-1]
    moved = max(0.0, (far.level - near.level) ** 2 - max(0.0, far.error**2 - near.error**2))
    return Sky(near.level, float(np.sqrt(near.error**2 + moved)))


def _mean_over_scales(profile: Profile, rings: np.ndarray, half_light_radius: float) -> Sky:
    """The sky under an exponential of unknown scale length, from some rings of a profile."""
    mean, pixels, radius = profile.mean[rings], profile.pixels[rings], np.flatnonzero(rings).astype(float)
    scatter = profile.scatter[rings]
    floor = max(_median(scatter), 1e-12 * float(np.abs(mean).max()), 1e-30)
    error = np.maximum(scatter, floor) / np.sqrt(pixels)
    level, variance, chi_square = _constants_and_discs(radius, mean, error, half_light_radius * SCALES)
    # Arms, neighbours' wings and discs that are no exponentials disturb whole rings: errors grow until the fit is fair.
    unfair = max(1.0, chi_square.min() / max(1, mean.size - 3))
    share = np.exp(-0.5 * (chi_square - chi_square.min()) / unfair)
    share /= share.sum()
    best = float(share @ level)
    return Sky(best, float(np.sqrt(share @ (unfair * variance + np.square(level - best)))))


def _constants_and_discs(
    radius: np.ndarray, mean: np.ndarray, error: np.ndarray, scales: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(constant, its variance, chi-square) of the best s + a·exp(−r / scale), a ≥ 0, for each scale."""
    weight = 1.0 / np.square(error)
    disc = np.exp(-(radius - radius[0]) / scales[:, None])
    s0, s1, s2 = weight.sum(), disc @ weight, np.square(disc) @ weight
    y0, y1 = weight @ mean, disc @ (weight * mean)
    determinant = s0 * s2 - np.square(s1)
    solvable = determinant > 1e-12 * s0 * s2
    amplitude = np.divide(s0 * y1 - s1 * y0, determinant, out=np.zeros_like(s1), where=solvable)
    amplitude = np.maximum(amplitude, 0.0)
    level = (y0 - amplitude * s1) / s0
    variance = np.where(amplitude > 0, np.divide(s2, determinant, out=np.zeros_like(s1), where=solvable), 1.0 / s0)
    residual = mean - level[:, None] - amplitude[:, None] * disc
    return level, variance, np.square(residual) @ weight
