"""Every stretch from flux to brightness: what people look at and what 8-bit models see.

A model trained on 8-bit pictures works on FITS images because both reach it through `to_picture`.
NumPy only; functions of arrays work over any leading axes. NaN is a pixel without data and is drawn as sky.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Float32, UInt8

from flaxgal.survey.cutout import Cutout
from flaxgal.survey.frame import Frame, fit_frame

__all__ = ["GREY", "Frame", "asinh", "fit_frame", "grey", "lupton_rgb", "sky_level", "to_picture", "to_pictures"]

GREY = ("grey",)
"""The one-channel picture made of whatever bands there are."""


def sky_level(
    image: Float[np.ndarray, "*batch y x"], *, clip: float = 3.0, rounds: int = 8
) -> tuple[Float32[np.ndarray, "*batch"], Float32[np.ndarray, "*batch"]]:
    """Median and standard deviation of the sky of each image, by clipping at `clip` sigma around the median.

    NaN pixels do not count. An image without any finite pixel has the level NaN.
    """
    values = np.asarray(image, np.float32).reshape(*image.shape[:-2], -1)
    values = np.where(np.isfinite(values), values, np.nan)
    for _ in range(rounds):
        middle, spread = _middle_and_spread(values)
        outside = np.abs(values - middle[..., None]) > clip * spread[..., None]
        if not outside.any():
            break
        values = np.where(outside, np.nan, values)
    middle, spread = _middle_and_spread(values)
    return middle, spread


def _middle_and_spread(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # all-NaN rows are answered by NaN
        return np.nanmedian(values, -1), np.nanstd(values, -1)


def asinh(
    flux: Float[np.ndarray, "*batch y x"], *, sky: np.ndarray, softening: np.ndarray, white: np.ndarray
) -> Float32[np.ndarray, "*batch y x"]:
    """Brightness 0 to 1: linear below `softening`, logarithmic above (Lupton, Gunn & Szalay 1999).

    asinh((flux - sky) / softening) / asinh((white - sky) / softening), cut to 0..1. NaN becomes 0.
    """
    sky, softening, white = (np.asarray(value, np.float32)[..., None, None] for value in (sky, softening, white))
    stretched = np.arcsinh((np.asarray(flux, np.float32) - sky) / softening) / np.arcsinh((white - sky) / softening)
    return np.clip(np.nan_to_num(stretched, nan=0.0), 0.0, 1.0).astype(np.float32)


def to_picture(cutout: Cutout, bands: Sequence[str] = GREY) -> UInt8[np.ndarray, "y x channel"]:
    """What a model sees: 8-bit brightness, one channel a name in `bands`.

    ("grey",) is one picture made of whatever bands the cutout has. Pictures pass through as they are.

    Raises
    ------
    ValueError
        If the cutout lacks a band, or has no light in it.
    """
    try:
        return to_pictures(cutout.flux[None], cutout.bands, bands, linear=cutout.has_linear_flux)[0]
    except ValueError as error:
        raise ValueError(f"{cutout.object_id}: {error}") from None


def to_pictures(
    flux: Float32[np.ndarray, "n band y x"],
    bands_in: Sequence[str],
    bands_out: Sequence[str] = GREY,
    *,
    linear: bool = True,
) -> UInt8[np.ndarray, "n y x channel"]:
    """`to_picture` of many images of one size at once."""
    channels = _channels(flux, tuple(bands_in), tuple(bands_out), linear)
    if not linear:
        return np.clip(np.rint(np.nan_to_num(channels)), 0, 255).astype(np.uint8).transpose(0, 2, 3, 1)
    sky, noise = sky_level(channels)
    peak = np.nanmax(channels, (-2, -1))
    stretched = asinh(channels, sky=sky, softening=3 * noise, white=peak)
    return np.rint(255 * stretched).astype(np.uint8).transpose(0, 2, 3, 1)


def _channels(flux: np.ndarray, bands_in: tuple[str, ...], bands_out: tuple[str, ...], linear: bool) -> np.ndarray:
    if bands_out == GREY and bands_in != GREY:
        if bands_in == ("red", "green", "blue"):
            return np.tensordot(flux, np.array([0.299, 0.587, 0.114], np.float32), (1, 0))[:, None]
        return flux.mean(1, keepdims=True)
    if any(band not in bands_in for band in bands_out):
        raise ValueError(
            f"bands found are {' '.join(bands_in)}, wanted {' '.join(bands_out)}; choose among those found"
        )
    return flux[:, [bands_in.index(band) for band in bands_out]]


def grey(cutout: Cutout) -> UInt8[np.ndarray, "y x"]:
    """One 8-bit picture of all bands."""
    return to_picture(cutout, GREY)[..., 0]


def lupton_rgb(
    cutout: Cutout, bands: Sequence[str] | None = None, *, stretch: float = 5.0, softening: float = 8.0
) -> UInt8[np.ndarray, "y x 3"]:
    """A colour picture (Lupton et al. 2004): hue is the ratio of the fluxes, brightness the asinh of their mean.

    `bands` are red, green, blue: by default the three reddest, or the same band three times when there are fewer.
    """
    names = tuple(bands) if bands is not None else _red_green_blue(cutout.bands)
    flux = cutout.select(tuple(dict.fromkeys(names))).flux
    flux = np.stack([flux[list(dict.fromkeys(names)).index(name)] for name in names])
    if not cutout.has_linear_flux:
        return np.clip(np.rint(np.nan_to_num(flux)), 0, 255).astype(np.uint8).transpose(1, 2, 0)
    sky, noise = sky_level(flux)
    unit = float(np.mean(noise)) or 1.0
    light = np.clip(np.nan_to_num((flux - sky[:, None, None]) / unit), 0, None)
    mean = light.mean(0)
    factor = np.arcsinh(softening * mean / stretch / 10) / softening / np.where(mean > 0, mean, 1)
    colour = light * factor
    colour /= np.maximum(colour.max(0), 1)
    return np.rint(255 * np.clip(colour, 0, 1)).astype(np.uint8).transpose(1, 2, 0)


def _red_green_blue(bands: tuple[str, ...]) -> tuple[str, str, str]:
    if len(bands) < 3:
        return (bands[-1], bands[len(bands) // 2], bands[0])
    if bands[:3] == ("red", "green", "blue"):
        return ("red", "green", "blue")
    return (bands[2], bands[1], bands[0])
