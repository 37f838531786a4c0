"""One survey's galaxies made to look like another's: pixel scale, seeing, angular size, depth, and masks with them.

Order of work: what shows no sky is filled in, the seeing is matched on the old pixels, light is resampled, noise is
added. Light inside the new frame is conserved.

A galaxy that is seen `shrink` times smaller, as if it stood so many times further away, brings its seeing down with
it: that is how a nearby galaxy under SDSS's seeing comes to look like a distant one under HSC's. Light stays the same
in sum; what distance does to its spectrum is left out.
"""

import functools
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Float32, Float64

from flaxgal.survey.cutout import Cutout
from flaxgal.survey.looks import Look, core_brightness, pixel_noise, psf_on
from flaxgal.survey.picture_light import Stretch, light_of_picture
from flaxgal.survey.psf_matching import convolve, convolved_psf, matching_kernel, misplaced_light
from flaxgal.survey.resample import pixel_response, pixels_that_fit, resample_flux, resample_share
from flaxgal.survey.sky import sky_level

__all__ = ["NOT_SKY", "Homogenised", "homogenise", "shrink_to"]

NOT_SKY = ("BAD", "NO_DATA", "UNMASKEDNAN", "HEXAGON")
"""Mask planes of pixels whose values are no light: filled in before the seeing is matched, left out of a loss."""

MISPLACED = 0.05
"""How much of a star's light may end up in other pixels than the look has it."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Homogenised:
    """A galaxy in the look of another survey, and how well that went."""

    cutout: Cutout
    fraction: Float32[np.ndarray, "class y x"] | None
    """Masks as shares, 0 to 1, on the cutout's pixels; NaN where most of a pixel was uncertain or is beyond."""
    misplaced_light: Mapping[str, float]
    """By band: share of a star's light that lies in other pixels than the look has it."""
    noise_added: Mapping[str, float]
    """By band: standard deviation of what was added, a pixel, in the cutout's unit. 0: as noisy as the look already."""


def homogenise(
    cutout: Cutout,
    look: Look,
    *,
    fraction: Float[np.ndarray, "class y x"] | None = None,
    source: Look | None = None,
    stretch: Stretch = Stretch(),  # noqa: B008  (frozen)
    shrink: float = 1.0,
    image_size: int | None = None,
    seed: int = 0,
    misplaced: float = MISPLACED,
) -> Homogenised:
    """A galaxy as the survey of `look` would have seen it, with its masks. Middle stays middle.

    Parameters
    ----------
    cutout
        Linear flux, or a picture, which becomes light of unknown zero point first (see `stretch`).
    fraction
        Masks on the cutout's pixels: share of people, 0 to 1; NaN is uncertain. Each new pixel has the mean over the
        part of its area that is certain.
    source
        Look of the survey that the cutout is from, for the seeing and pixel scale that it lacks itself.
    stretch
        How the cutout was drawn, if it is a picture.
    shrink
        How many times smaller the galaxy is seen. Other than 1, the result has no WCS: it is nowhere on the sky.
    image_size
        Side of the new square; by default the look's, or else as many whole pixels as fit. Pixels beyond are NaN.
    seed
        For the noise, which depends on this, the galaxy's id and nothing else.
    misplaced
        How badly the seeing may be matched (see `Homogenised.misplaced_light`).

    Raises
    ------
    ValueError
        If pixel scale or PSF are unknown, the mask has other pixels, or the cutout's seeing is too wide for the look.
    """
    linear = cutout if cutout.has_linear_flux else light_of_picture(cutout, stretch)
    scale = _pixel_scale(linear, source)
    _check(linear, fraction, shrink)
    step = look.pixel_scale_arcsec * shrink / scale
    size = image_size or look.image_size
    shape = (size, size) if size else pixels_that_fit(linear.image_shape, step)
    planes = [
        _seen(linear, k, shape, step, _matched(linear, band, source, scale, look, shrink, misplaced))
        for k, band in enumerate(linear.bands)
    ]
    added = {band: _noise_to_add(plane, linear.unit, look) for band, plane in zip(linear.bands, planes, strict=True)}
    noise = _noise(seed, linear.object_id, (len(planes), *shape))
    spread = np.asarray([added[band] for band in linear.bands])[:, None, None]
    seen = replace(
        linear,
        flux=np.stack([plane.flux for plane in planes]) + spread * noise,
        variance=None if linear.variance is None else np.stack([plane.variance for plane in planes]) + spread**2,
        mask_planes={name: resample_share(plane, shape, step) > 1e-6 for name, plane in linear.mask_planes.items()},
        wcs=_placed(linear, shape, step) if shrink == 1 else None,
        pixel_scale_arcsec=look.pixel_scale_arcsec,
        psf={band: plane.psf for band, plane in zip(linear.bands, planes, strict=True)},
    )
    return Homogenised(
        cutout=seen,
        fraction=None if fraction is None else _resampled_fraction(fraction, shape, step),
        misplaced_light={band: plane.misplaced for band, plane in zip(linear.bands, planes, strict=True)},
        noise_added=added,
    )


def shrink_to(radius_arcsec: float, look: Look, radius_pixels: float) -> float:
    """How many times smaller a galaxy of some radius must be seen to have `radius_pixels` in a look."""
    if not (radius_arcsec > 0 and radius_pixels > 0):
        raise ValueError(f"radii of {radius_arcsec:g} arcsec and {radius_pixels:g} pixels, expected numbers above 0")
    return radius_arcsec / (radius_pixels * look.pixel_scale_arcsec)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Kernel:
    """What matches the seeing of one band, on the old pixels."""

    psf: np.ndarray
    """What a star looks like afterwards."""
    pixels: np.ndarray
    misplaced: float


@dataclass(frozen=True, kw_only=True, eq=False)
class _Plane:
    """One band, seen anew and without added noise."""

    flux: np.ndarray
    variance: Any
    psf: np.ndarray
    misplaced: float


def _pixel_scale(cutout: Cutout, source: Look | None) -> float:
    if cutout.pixel_scale_arcsec is not None:
        return cutout.pixel_scale_arcsec
    if source is None:
        raise ValueError(
            f"{cutout.object_id}: its pixel scale is unknown; read it with pixel_scale_arcsec=…, or give source, the "
            f"look of its survey"
        )
    return source.pixel_scale_arcsec


def _check(cutout: Cutout, fraction: np.ndarray | None, shrink: float) -> None:
    if not (np.isfinite(shrink) and shrink > 0):
        raise ValueError(f"{cutout.object_id}: seen {shrink} times smaller, expected a number above 0")
    if fraction is not None and fraction.shape[-2:] != cutout.image_shape:
        (y, x), (height, width) = fraction.shape[-2:], cutout.image_shape
        raise ValueError(
            f"{cutout.object_id}: masks of {y} × {x} pixels, its image has {height} × {width}; give the masks that "
            f"were drawn on it"
        )
    if shrink == 1 and cutout.wcs is not None and cutout.wcs.has_distortion:
        raise ValueError(
            f"{cutout.object_id}: its WCS has distortions, which do not survive new pixels; give it a plain one, or "
            f"none"
        )


def _matched(
    cutout: Cutout, band: str, source: Look | None, scale: float, look: Look, shrink: float, misplaced: float
) -> _Kernel:
    """The kernel that takes a band's seeing to the look's."""
    if band in cutout.psf:
        kernel = _kernel(cutout.psf[band], look, scale / shrink)
    elif source is not None:
        kernel = _kernel_of_surveys(source, scale, look, scale / shrink)
    else:
        raise ValueError(
            f"{cutout.object_id}: its PSF in band {band} is unknown; read it with psf=FILE, or give source, the look "
            f"of its survey"
        )
    if kernel.misplaced > misplaced:
        raise ValueError(
            f"{cutout.object_id}: in band {band} {kernel.misplaced:.0%} of a star's light would lie where {look.name} "
            f"has none, as its seeing is too wide for that; expected at most {misplaced:.0%}: see it smaller than "
            f"shrink={shrink:g}, or give a larger misplaced"
        )
    return kernel


def _kernel(psf: np.ndarray, look: Look, seen_scale: float) -> _Kernel:
    """From a PSF to a look's, on pixels that the look would see `seen_scale` arcsec wide."""
    wanted = psf_on(look, seen_scale)
    pixels = matching_kernel(psf, wanted)
    after = convolved_psf(psf, pixels)
    return _Kernel(psf=after, pixels=pixels, misplaced=misplaced_light(after, wanted))


@functools.lru_cache(maxsize=16)
def _kernel_of_surveys(source: Look, scale: float, look: Look, seen_scale: float) -> _Kernel:
    """The same for all galaxies of a survey that are seen as much smaller."""
    return _kernel(psf_on(source, scale), look, seen_scale)


def _seen(cutout: Cutout, k: int, shape: tuple[int, int], step: float, kernel: _Kernel) -> _Plane:
    """One band through the new seeing on the new pixels; NaN where a pixel sticks out or mostly has no data."""
    known = np.isfinite(cutout.flux[k])
    good = known.copy()
    for name in NOT_SKY:
        if name in cutout.mask_planes:
            good &= ~cutout.mask_planes[name][k]
    flux = resample_flux(convolve(_filled(cutout.flux[k], good), kernel.pixels), shape, step)
    inside = resample_share(np.ones(known.shape), shape, step) > 1 - 1e-6  # what sticks out lacks light
    some = resample_share(known, shape, step) >= 0.5
    side = int(len(kernel.psf) / step) | 1
    star = resample_flux(kernel.psf, (side, side), step)
    return _Plane(
        flux=np.where(inside & some, flux, np.nan),
        variance=None if cutout.variance is None else _variance(cutout.variance[k], good, kernel.pixels, shape, step),
        psf=star / star.sum(),
        misplaced=kernel.misplaced,
    )


def _variance(
    variance: np.ndarray, good: np.ndarray, kernel: np.ndarray, shape: tuple[int, int], step: float
) -> Float64[np.ndarray, "y x"]:
    """Variance of each new pixel; NaN where most of it is unknown.

    A new pixel is a weighted sum of old ones, so its variance is the old one's mean under the squared weights, times
    their sum. Noise of neighbouring new pixels is correlated, and no image of variances can say so.
    """
    known = good & np.isfinite(variance) & (variance > 0)
    level = convolve(_filled(variance, known), kernel**2 / (kernel**2).sum())
    gain = _noise_gain(kernel, variance.shape, shape, step)
    unknown = resample_share(known, shape, step) < 0.5
    covered = np.maximum(resample_share(np.ones(variance.shape), shape, step), 1e-6)
    return np.where(unknown, np.nan, gain * resample_share(level, shape, step) / covered)


def _noise_gain(kernel: np.ndarray, old: tuple[int, int], new: tuple[int, int], step: float) -> float:
    """Variance of a new pixel in units of the old ones': the sum of squared weights of all that enters it."""
    from scipy.signal import fftconvolve

    rows, columns = (pixel_response(old[axis], new[axis], step) for axis in (0, 1))
    squares = [
        np.square(fftconvolve(np.outer(_trimmed(row), _trimmed(column)), kernel)).sum()
        for row, column in zip(rows, columns, strict=False)
    ]
    return float(np.mean(squares))


def _trimmed(weights: np.ndarray) -> np.ndarray:
    """A line of weights without the zeros at its ends."""
    some = np.flatnonzero(np.abs(weights) > 1e-6)
    return weights[some[0] : some[-1] + 1]


def _filled(image: np.ndarray, good: Bool[np.ndarray, "y x"]) -> Float64[np.ndarray, "y x"]:
    """An image whose bad pixels hold the mean of good ones around, near ones first; all zero if there are none."""
    from scipy.ndimage import gaussian_filter

    filled = np.where(good, image, 0.0).astype(np.float64)
    left, width = ~good, 1.5
    while left.any() and good.any() and width < 4 * max(image.shape):
        number = gaussian_filter(good.astype(np.float64), width, mode="constant")
        light = gaussian_filter(np.where(good, image, 0.0).astype(np.float64), width, mode="constant")
        reached = left & (number > 0.02)
        filled[reached] = light[reached] / number[reached]
        left, width = left & ~reached, 2 * width
    return filled


def _noise_to_add(plane: _Plane, unit: str, look: Look) -> float:
    """Standard deviation of the noise that brings a band's sky to the look's depth."""
    known = None if plane.variance is None else plane.variance[np.isfinite(plane.variance)]
    variance = float(np.median(known)) if known is not None and known.size else pixel_noise(plane.flux) ** 2
    wanted = look.noise_njy
    if unit != "nJy":
        core = core_brightness(plane.flux) - float(np.nan_to_num(sky_level(plane.flux)[0]))
        wanted = None if look.core_to_noise is None else max(core, 0.0) / look.core_to_noise
    return 0.0 if wanted is None else float(np.sqrt(max(wanted**2 - variance, 0.0)))


def _noise(seed: int, object_id: str, shape: tuple[int, ...]) -> Float64[np.ndarray, "band y x"]:
    number = int.from_bytes(hashlib.sha256(object_id.encode()).digest()[:8], "big")
    return np.random.default_rng([seed, number]).standard_normal(shape)


def _resampled_fraction(fraction: np.ndarray, shape: tuple[int, int], step: float) -> Float32[np.ndarray, "class y x"]:
    """Masks on the new pixels: the mean over what is certain of each; NaN where that is less than half."""
    certain = np.isfinite(fraction).astype(np.float64)
    area = resample_share(certain, shape, step)
    mean = resample_share(np.nan_to_num(fraction), shape, step) / np.where(area > 0, area, 1)
    return np.where(area < 0.5, np.nan, np.clip(mean, 0, 1)).astype(np.float32)


def _placed(cutout: Cutout, shape: tuple[int, int], step: float) -> Any:
    """The WCS of the new pixels."""
    if cutout.wcs is None:
        return None
    wcs = cutout.wcs.celestial.deepcopy()
    old, new = np.asarray(cutout.image_shape[::-1]), np.asarray(shape[::-1])
    wcs.wcs.crpix = (wcs.wcs.crpix - 0.5 - old / 2) / step + new / 2 + 0.5
    if wcs.wcs.has_cd():
        wcs.wcs.cd = wcs.wcs.cd * step
    else:
        wcs.wcs.cdelt = wcs.wcs.cdelt * step
    wcs.wcs.set()
    wcs.array_shape = shape
    return wcs
