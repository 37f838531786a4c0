"""From a picture back to light, and from light to a picture, through the stretch that colour pictures are made with.

Lupton et al. (2004, PASP 116, 133): with I the mean of the three bands, each is drawn as its share of I times
asinh(I / softening) / asinh(contrast), where contrast = white / softening. What is undone is exact but for the rounding
to 8 bits, for pixels that are not white.
"""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from flaxgal.survey.cutout import Cutout

__all__ = ["SATURATED", "Stretch", "light_of_picture", "picture_of_light"]

SATURATED = "SAT"
"""Mask plane of pixels so bright that the picture has lost how bright they are."""
_WHITE = 255.0
_COLOURS = {1: ("grey",), 3: ("red", "green", "blue")}


@dataclass(frozen=True, kw_only=True)
class Stretch:
    """How a picture was drawn from light."""

    contrast: float = 16.0
    """White over softening: how far below white it goes over from logarithmic to linear."""
    black: float = 0.0
    """Picture value, 0 to 255, of no light."""

    def __post_init__(self) -> None:
        if not (np.isfinite(self.contrast) and self.contrast > 0 and 0 <= self.black < _WHITE):
            raise ValueError(f"{self}: expected a contrast above 0 and black from 0 to below 255")


def light_of_picture(cutout: Cutout, stretch: Stretch = Stretch()) -> Cutout:
    """A picture's light, as far as 8 bits tell it: linear, of unknown zero point, softening = 1.

    Pixels that are white in some channel are in the mask plane SAT; what they held is at least what is given.

    Raises
    ------
    ValueError
        If the cutout holds linear flux already.
    """
    if cutout.has_linear_flux:
        raise ValueError(f"{cutout.object_id}: its pixels are linear flux ({cutout.unit}), expected a picture")
    drawn = (cutout.flux.astype(np.float64) - stretch.black) / (_WHITE - stretch.black)
    brightness = drawn.mean(0, keepdims=True)
    light = np.sinh(brightness * np.arcsinh(stretch.contrast))
    share = np.divide(drawn, brightness, out=np.ones_like(drawn), where=np.abs(brightness) > 1e-6)
    white = np.broadcast_to((cutout.flux >= _WHITE - 0.5).any(0), cutout.flux.shape)
    planes = dict(cutout.mask_planes)
    planes[SATURATED] = planes[SATURATED] | white if SATURATED in planes else white
    return replace(cutout, flux=light * share, unit="count", mask_planes=planes)


def picture_of_light(cutout: Cutout, white: float, stretch: Stretch = Stretch()) -> Cutout:
    """The picture that a survey would have drawn: one band in grey, or three (blue to red) in colour.

    Parameters
    ----------
    white
        Flux, as the mean of the bands, that is drawn white; the inverse of `light_of_picture` takes the contrast.

    Raises
    ------
    ValueError
        If the cutout is a picture already, or has neither one band nor three.
    """
    if not cutout.has_linear_flux or len(cutout.bands) not in _COLOURS:
        raise ValueError(
            f"{cutout.object_id}: {cutout.unit} in bands {' '.join(cutout.bands)}, expected linear flux in one band "
            f"or in three; choose them with cutout.select"
        )
    colours = _COLOURS[len(cutout.bands)]
    order = slice(None) if cutout.bands == colours else slice(None, None, -1)
    light = cutout.flux[order].astype(np.float64)
    drawn = _drawn(light, white, stretch)
    return replace(
        cutout,
        flux=np.rint(stretch.black + (_WHITE - stretch.black) * drawn),
        bands=colours,
        unit="picture",
        variance=None,
        psf=dict(zip(colours, [cutout.psf[band] for band in cutout.bands][order], strict=True))
        if set(cutout.psf) == set(cutout.bands)
        else {},
        mask_planes={name: plane[order] for name, plane in cutout.mask_planes.items()},
    )


def _drawn(light: np.ndarray, white: float, stretch: Stretch) -> Float[np.ndarray, "band y x"]:
    """Brightness from 0 to 1 in each colour; a pixel too bright in one keeps its hue."""
    mean = np.nan_to_num(light.mean(0, keepdims=True))
    brightness = np.arcsinh(mean / white * stretch.contrast) / np.arcsinh(stretch.contrast)
    share = np.divide(np.nan_to_num(light), mean, out=np.ones_like(light), where=np.abs(mean) > 1e-30)
    drawn = share * brightness
    return np.clip(drawn / np.maximum(drawn.max(0, keepdims=True), 1), 0, 1)
