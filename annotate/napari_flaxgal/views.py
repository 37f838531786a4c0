"""Ways of looking at a galaxy: on the sky, without its smooth light, or with the disc unrolled to ln r against azimuth.

A view says which 8-bit picture is shown, on which grid, and how marks travel between that grid and the sky's pixels,
so that whatever is drawn in any view lands on the sky. No napari, no Qt.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8

from flaxgal.survey.cutout import Cutout
from flaxgal.survey.display import lupton_rgb, one_band
from flaxgal.survey.prediction import Prediction
from napari_flaxgal.tools import PolarFrame, arm_contrast, frame_of, residual, residual_limits, ridge_strength

__all__ = ["COLOUR", "Looks", "View"]

COLOUR = "colour"
CONTRAST = 0.4
"""Arms that are so much brighter than the smooth light are white in the polar view."""


@dataclass(frozen=True)
class Looks:
    """What an annotator has chosen to see; kept from galaxy to galaxy."""

    residual: bool = False
    """What is left when the smooth light is subtracted, in place of the light; in the polar view as a share of it."""
    polar: bool = False
    """The disc unrolled, in place of the sky."""
    band: str = COLOUR
    stretch: float = 0.0
    """From -1 (the core) to 1 (the faint outskirts)."""


class View:
    """One galaxy as it can be looked at; what is slow to compute is computed once.

    Threads may share it: one that asks for what another is computing waits for that.
    """

    def __init__(self, cutout: Cutout) -> None:
        self.cutout = cutout
        self._known: dict[str, Any] = {}
        self._locks = {name: threading.RLock() for name in ("frame", "residual", "contrast", "ridge", "picture")}
        self._pictured: tuple[Looks, PolarFrame | None] | None = None

    @property
    def bands(self) -> tuple[str, ...]:
        """What `Looks.band` may be: colour first, unless there is but one band."""
        return (COLOUR, *self.cutout.bands) if len(self.cutout.bands) > 1 else self.cutout.bands

    @property
    def frame(self) -> PolarFrame:
        """The disc's plane, from the galaxy's own light until somebody says otherwise."""
        return self._once("frame", frame_of)

    @frame.setter
    def frame(self, frame: PolarFrame) -> None:
        self._known["frame"] = frame

    @property
    def residual(self) -> Float[np.ndarray, "y x"]:
        """What is left of the light when a smooth model is taken away, in sigma of the sky."""
        return self._once("residual", residual)

    @property
    def contrast(self) -> Float[np.ndarray, "y x"]:
        """The residual as a share of the smooth light, which shows outer arms as well as inner ones."""
        return self._once("contrast", arm_contrast)

    @property
    def ridge(self) -> Float[np.ndarray, "y x"]:
        """How much of a ridge of light each pixel is, 0 to 1."""
        return self._once("ridge", ridge_strength)

    def picture(self, looks: Looks) -> UInt8[np.ndarray, "row column 3"]:
        """The picture of a view, on the view's own grid; the last one is kept."""
        band = looks.band if looks.band in self.bands else self.bands[0]
        with self._locks["picture"]:
            wanted = (replace(looks, band=band), self.frame if looks.polar else None)
            if wanted != self._pictured:
                self._known["picture"] = self._drawn(*wanted)
                self._pictured = wanted
            return self._known["picture"]

    def _drawn(self, looks: Looks, frame: PolarFrame | None) -> UInt8[np.ndarray, "row column 3"]:
        if looks.residual and looks.polar:
            picture = _grey(self.contrast, -CONTRAST, CONTRAST, looks.stretch)
        elif looks.residual:
            picture = _grey(self.residual, *residual_limits(self.residual), looks.stretch)
        elif looks.band == COLOUR:
            picture = lupton_rgb(self.cutout, stretch=looks.stretch)
        else:
            picture = one_band(self.cutout, looks.band, stretch=looks.stretch)
        if frame is not None:
            picture = frame.to_polar(picture)
        return picture if picture.ndim == 3 else np.repeat(picture[..., None], 3, axis=-1)

    def _once(self, name: str, compute: Callable[[Cutout], Any]) -> Any:
        """What was computed before under a name, or is computed now."""
        if name not in self._known:
            with self._locks[name]:
                if name not in self._known:
                    self._known[name] = compute(self.cutout)
        return self._known[name]

    def mask(self, sky_mask: UInt8[np.ndarray, "y x"], looks: Looks) -> UInt8[np.ndarray, "row column"]:
        """A mask of the sky's pixels on a view's grid, as a new array."""
        return self.frame.mask_to_polar(sky_mask) if looks.polar else sky_mask.copy()

    def prediction(self, prediction: Prediction, looks: Looks) -> Prediction:
        """A model's maps on a view's grid."""
        if not looks.polar:
            return prediction
        maps = np.stack([self.frame.to_polar(probability) for probability in prediction.probability])
        return replace(prediction, probability=maps.astype(np.float32))

    def drawn(
        self, sky_mask: np.ndarray, before: np.ndarray, after: np.ndarray, looks: Looks
    ) -> UInt8[np.ndarray, "y x"]:
        """The sky's mask after a view's mask was changed from `before` to `after`."""
        return self.frame.paint_sky(sky_mask, before, after) if looks.polar else after.copy()

    def to_sky(self, points: Any, looks: Looks) -> Float[np.ndarray, "n 2"]:
        """(y, x) on the sky's pixels of points on a view's grid."""
        points = np.atleast_2d(np.asarray(points, float))
        return self.frame.sky_of(points) if looks.polar else points

    def from_sky(self, points: Any, looks: Looks) -> Float[np.ndarray, "n 2"]:
        """The inverse of `to_sky`; points of a curve stay in order where its azimuth passes a turn."""
        points = np.atleast_2d(np.asarray(points, float))
        return self.frame.polar_path_of(points) if looks.polar else points

    def scale(self, looks: Looks) -> tuple[float, float]:
        """Sides of a grid cell in `unit`; negative where rows go up."""
        if looks.polar:
            return (-1.0, 1.0)
        size = self.cutout.pixel_scale_arcsec or 1.0
        return (-size, size) if self.cutout.first_row == "bottom" else (size, size)

    def unit(self, looks: Looks) -> str:
        """Of `scale`."""
        return "arcsec" if not looks.polar and self.cutout.pixel_scale_arcsec else "pixel"

    def where(self, point: Any, looks: Looks) -> str:
        """The place of a point of a view's grid: sky coordinates where they are known, and pixels."""
        ((y, x),) = self.to_sky(point, looks)
        if not np.isfinite([y, x]).all():
            return ""
        pixel = f"x {x:.1f}  y {y:.1f}"
        if self.cutout.wcs is None:
            return pixel
        ra, dec = self.cutout.wcs.wcs_pix2world(x, y, 0)
        return f"{_sexagesimal(float(ra) / 15, 2)}  {_sexagesimal(float(dec), 1, signed=True)}   {pixel}"


def _grey(image: np.ndarray, black: float, white: float, stretch: float) -> UInt8[np.ndarray, "y x"]:
    """From black to white at a stretch of 0; a higher one shows fainter light, and what is below zero as darker."""
    share = (np.nan_to_num(image) * 10.0**stretch - black) / (white - black)
    return np.rint(255 * np.clip(share, 0, 1)).astype(np.uint8)


def _sexagesimal(value: float, decimals: int, *, signed: bool = False) -> str:
    """Hours or degrees as 10:00:28.61."""
    width = 3 + decimals
    total = round(abs(value) * 3600, decimals)
    minutes, seconds = divmod(total, 60)
    hours, minutes = divmod(int(minutes), 60)
    sign = ("-" if value < 0 else "+") if signed else ""
    return f"{sign}{hours:02d}:{minutes:02d}:{seconds:0{width}.{decimals}f}"
