"""Every stretch from flux to brightness: what people look at and what 8-bit models see.

A model trained on 8-bit pictures works on FITS images because both reach it through `to_picture`. Its stretch is
tuned to the look of published HSC-SSP pictures of spirals (i band, 64 × 64): sky mostly black, core white, disc in
between. NumPy only; functions of arrays work over leading axes. NaN is a pixel without data and is drawn black.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32, UInt8

from flaxgal.survey.cutout import Cutout, missing_bands
from flaxgal.survey.frame import Frame, fit_frame
from flaxgal.survey.remembered import remembered
from flaxgal.survey.sky import sky_level

__all__ = [
    "GREY",
    "Frame",
    "asinh",
    "fit_frame",
    "grey",
    "lupton_rgb",
    "one_band",
    "sky_level",
    "to_picture",
    "to_pictures",
]

GREY = ("grey",)
"""The one-channel picture made of whatever bands there are."""

RGB = ("red", "green", "blue")
LUMINANCE = (0.299, 0.587, 0.114)
"""Shares of red, green and blue in a grey picture (ITU-R BT.601, as Pillow has it)."""

COLOUR_BALANCE = (0.86, 1.0, 1.37)
"""What the bands shown red, green and blue are multiplied by: as SDSS's pictures weigh i, r and g."""

CONTRAST = 16.0
"""How far below the core's brightness the stretch goes over from logarithmic to linear.

16 puts the percentiles 50, 75, 90, 95, 99 of 27 SDSS and HSC galaxies at 12, 34, 63, 109, 185; 31 HSC pictures of other
galaxies, stretched by their makers, have 10, 39, 80, 107, 175.
"""

PIXELS_AT_ONCE = 2**22
"""Many images are drawn in batches of about this many pixels, which bounds the memory."""

SPAN, GAMMA_SPAN = 8.0, 2.0
"""What a stretch of 1 divides softening and white by at most, and the gamma that it brightens an 8-bit picture with."""

BLACK_BELOW_SKY = 0.4
"""Black, in standard deviations of the sky below its level: two thirds of the sky's pixels show some noise."""


def asinh(
    flux: Float[np.ndarray, "*batch y x"],
    *,
    black: Float[np.ndarray, "#*batch"] | float,
    softening: Float[np.ndarray, "#*batch"] | float,
    white: Float[np.ndarray, "#*batch"] | float,
) -> Float32[np.ndarray, "*batch y x"]:
    """Brightness from 0 at `black` to 1 at `white`: linear far below `softening`, logarithmic far above.

    asinh((flux - black) / softening) / asinh((white - black) / softening), cut to 0..1 (Lupton, Gunn & Szalay 1999).
    All in the unit of flux, one value an image. NaN becomes 0.
    """
    black, softening, white = (np.asarray(value, np.float32)[..., None, None] for value in (black, softening, white))
    stretched = np.asarray(flux, np.float32) - black
    stretched /= softening
    np.arcsinh(stretched, out=stretched)
    stretched /= np.arcsinh((white - black) / softening)
    return np.clip(np.nan_to_num(stretched, copy=False, nan=0.0), 0.0, 1.0, out=stretched)


def to_picture(cutout: Cutout, bands: Sequence[str] = GREY) -> UInt8[np.ndarray, "y x channel"]:
    """What a model sees: 8-bit brightness, one channel a name in `bands`.

    ("grey",) is one picture made of whatever bands the cutout has; ("red", "green", "blue") of flux in bands of other
    names is a colour picture as surveys publish them. Pictures pass through as they are.

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
    """`to_picture` of many images of one size at once; `linear` says that pixels are flux, not a picture already."""
    batch = max(1, PIXELS_AT_ONCE // max(1, int(np.prod(flux.shape[1:]))))
    bands_in, bands_out = tuple(bands_in), tuple(bands_out)
    coloured = linear and bands_out == RGB and bands_in != RGB
    draw = _coloured if coloured else _stretched if linear else _rounded
    wanted = _red_green_blue(bands_in) if coloured else bands_out
    channels = [
        draw(_channels(flux[start : start + batch], bands_in, wanted, linear))
        for start in range(0, max(1, len(flux)), batch)
    ]
    return np.concatenate(channels).transpose(0, 2, 3, 1)


def _rounded(channels: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(np.nan_to_num(channels)), 0, 255).astype(np.uint8)


def _stretched(channels: np.ndarray) -> np.ndarray:
    sky, noise = sky_level(channels)
    white = _core_brightness(channels, sky)
    dark = ~(white > sky)
    if dark.any():
        raise ValueError(
            f"no light above the sky (every pixel is {sky[dark][0]:g} or empty); wanted an image of a galaxy: leave it "
            f"out, fetch it again, or take another band"
        )
    black = sky - np.minimum(BLACK_BELOW_SKY * noise, (white - sky) / CONTRAST)
    return np.rint(255 * asinh(channels, black=black, softening=(white - black) / CONTRAST, white=white)).astype(
        np.uint8
    )


def _coloured(channels: np.ndarray) -> np.ndarray:
    """Red, green and blue with one stretch, of their mean: hue is the ratio of the fluxes (Lupton et al. 2004, eq. 2).

    A pixel too bright for the screen keeps its hue.
    """
    sky, _ = sky_level(channels)
    light = np.maximum(np.nan_to_num(channels - sky[..., None, None]), 0)
    light *= np.asarray(COLOUR_BALANCE, np.float32)[:, None, None]
    mean = light.mean(axis=-3, keepdims=True)
    brightness = _stretched(mean).astype(np.float32) / 255
    colours = light * (brightness / np.where(mean > 0, mean, 1))
    return np.rint(255 * colours / np.maximum(colours.max(axis=-3, keepdims=True), 1)).astype(np.uint8)


def _core_brightness(channels: np.ndarray, sky: np.ndarray) -> np.ndarray:
    """The brightest 3 × 3 pixels on average in the middle half of each frame, where the galaxy is.

    A neighbour near the edge or one hot pixel must not turn the galaxy dark. Where the middle holds nothing, the
    brightest pixel of the frame.
    """
    filled = np.where(np.isfinite(channels), channels, np.nan_to_num(sky)[..., None, None])
    y, x = filled.shape[-2:]
    middle = filled[..., y // 4 : y - y // 4, x // 4 : x - x // 4]
    around = np.pad(middle, [(0, 0)] * (middle.ndim - 2) + [(1, 1), (1, 1)], mode="edge")
    rows = around[..., :-2, :] + around[..., 1:-1, :] + around[..., 2:, :]
    core = ((rows[..., :-2] + rows[..., 1:-1] + rows[..., 2:]) / 9).max((-2, -1))
    return np.where(core > sky, core, filled.max((-2, -1)))


def _channels(flux: np.ndarray, bands_in: tuple[str, ...], bands_out: tuple[str, ...], linear: bool) -> np.ndarray:
    """(n, channel, y, x): the bands asked for, or all of them made into one."""
    if bands_out == GREY and bands_in != GREY:
        if linear:
            return _mean_in_noise_units(flux)
        shares = LUMINANCE if bands_in == RGB else np.full(len(bands_in), 1 / len(bands_in))
        return np.einsum("nbyx,b->nyx", flux, np.asarray(shares, np.float32))[:, None]
    if any(band not in bands_in for band in bands_out) or not bands_out:
        raise ValueError(missing_bands(bands_in, bands_out))
    return flux[:, [bands_in.index(band) for band in bands_out]]


def _mean_in_noise_units(flux: np.ndarray) -> np.ndarray:
    """(n, 1, y, x): mean over the bands of flux above the sky divided by the sky's noise.

    A band without noise counts as if it had that of the least noisy other band. A pixel without data in some bands is
    the mean of the others.
    """
    if flux.shape[1] == 1:
        return flux
    every = 2 if flux.shape[-2] * flux.shape[-1] >= 4096 else 1  # a quarter of the pixels tells the noise well enough
    sky, noise = sky_level(flux[..., ::every, ::every])
    least = np.where(noise > 0, noise, np.inf).min(1, keepdims=True)
    unit = np.where(noise > 0, noise, np.where(np.isfinite(least), least, 1))[..., None, None]
    scaled = (flux - np.nan_to_num(sky)[..., None, None]) / unit
    present = np.isfinite(scaled)
    number = present.sum(1, keepdims=True, dtype=np.float32)
    with np.errstate(invalid="ignore"):
        return np.where(present, scaled, 0).sum(1, keepdims=True, dtype=np.float32) / np.where(
            number > 0, number, np.nan
        )


def grey(cutout: Cutout) -> UInt8[np.ndarray, "y x"]:
    """One 8-bit picture of all bands, as `to_picture` gives it."""
    return to_picture(cutout, GREY)[..., 0]


def lupton_rgb(
    cutout: Cutout, bands: Sequence[str] | None = None, *, stretch: float | int = 0.0
) -> UInt8[np.ndarray, "y x 3"]:
    """A colour picture for people, in the manner of Lupton et al. (2004): hue is the ratio of the bands' fluxes.

    Brightness is the asinh of the brightest band, not of their mean, so that no pixel is too bright for the screen
    and cores keep their colour. Each band is divided by the square root of its sky's noise: half way between the
    galaxy's own colours and noise without colour.

    Parameters
    ----------
    cutout
        Any bands; one band gives a grey picture. At stretch 0 pictures pass through.
    bands
        Three names for red, green, blue, from long to short wavelength; by default the last, the middle and the first
        of up to three bands.
    stretch
        From -1, only the core, to 1, the faint outskirts with a core that is white; 0 shows both.
    """
    red_green_blue = tuple(bands) if bands is not None else _red_green_blue(cutout.bands)
    if not cutout.has_linear_flux:
        return _with_gamma(_picture_channels(cutout, red_green_blue), stretch).transpose(1, 2, 0)
    colours = _light(cutout, red_green_blue)
    brightness = _brightness(colours, stretch)
    colour = colours.light * (brightness / np.where(colours.brightest > 0, colours.brightest, 1))
    return np.rint(255 * colour).astype(np.uint8).transpose(1, 2, 0)


def one_band(cutout: Cutout, band: str, *, stretch: float | int = 0.0) -> UInt8[np.ndarray, "y x"]:
    """A grey picture of one band for people, with the stretch of `lupton_rgb`."""
    if not cutout.has_linear_flux:
        return _with_gamma(_picture_channels(cutout, (band,)), stretch)[0]
    return np.rint(255 * _brightness(_light(cutout, (band,)), stretch)).astype(np.uint8)


def _picture_channels(cutout: Cutout, bands: tuple[str, ...]) -> UInt8[np.ndarray, "channel y x"]:
    chosen = cutout.select(tuple(dict.fromkeys(bands)))
    return _rounded(chosen.flux[[chosen.bands.index(band) for band in bands]])


def _with_gamma(picture: UInt8[np.ndarray, "channel y x"], stretch: float | int) -> UInt8[np.ndarray, "channel y x"]:
    """A picture that its maker has stretched already, made brighter or darker between its own black and white."""
    levels = np.linspace(0, 1, 256) ** (GAMMA_SPAN ** -_checked_stretch(stretch))
    return np.rint(255 * levels).astype(np.uint8)[picture]


@dataclass(frozen=True, eq=False)
class _Light:
    """Light above the sky, channel by channel, ready to be stretched."""

    light: Float32[np.ndarray, "channel y x"]
    brightest: Float32[np.ndarray, "y x"]
    white: float
    noise: float


@remembered(4)  # while somebody drags the slider only the stretch changes
def _light(cutout: Cutout, bands: tuple[str, ...]) -> _Light:
    chosen = cutout.select(tuple(dict.fromkeys(bands)))
    flux = chosen.flux[[chosen.bands.index(band) for band in bands]]
    sky, noise = np.nan_to_num(sky_level(flux))
    share = np.sqrt(max(noise.max(), 1e-30) / np.where(noise > 0, noise, max(noise.max(), 1e-30)))
    light = np.maximum(np.nan_to_num(flux - sky[:, None, None]), 0) * share[:, None, None]
    brightest = light.max(0)
    white = float(_core_brightness(brightest, np.zeros(()))) or 1.0
    return _Light(light, brightest, white, float(noise.max()))


def _brightness(light: _Light, stretch: float | int) -> Float32[np.ndarray, "y x"]:
    """0 to 1: towards stretch -1 linear up to the core, towards 1 steep from the noise up with bright light white."""
    stretch = _checked_stretch(stretch)
    # People see the faint outskirts, too.
    softening = float(np.clip(4 * light.noise, light.white / 2000, light.white / CONTRAST))
    # The sky's noise may become visible, and must not become white.
    faint_softening = min(softening, max(softening / SPAN, 1.5 * light.noise))
    faint_white = min(light.white, max(light.white / SPAN, 20 * light.noise))
    if stretch > 0:
        white = light.white * (faint_white / light.white) ** stretch
        softening *= (faint_softening / softening) ** stretch
    else:
        white = light.white
        softening *= SPAN**-stretch
    return asinh(light.brightest, black=0.0, softening=softening, white=white)


def _checked_stretch(stretch: float | int) -> float:
    if not -1 <= stretch <= 1:
        raise ValueError(f"stretch is {stretch}; wanted a number from -1 (the core) to 1 (the faint outskirts)")
    return float(stretch)


def _red_green_blue(bands: tuple[str, ...]) -> tuple[str, str, str]:
    if bands == RGB:
        return RGB
    some = bands[:3]
    return some[-1], some[len(some) // 2], some[0]
