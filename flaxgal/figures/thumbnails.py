"""One galaxy as a small picture: as the sky shows it with its arm mask, and unrolled with the spirals that were fitted.

Left, the galaxy in colour with the mask's outline. Right, its disc seen face-on and unrolled: azimuth from left to
right over one turn, from the major axis on, ln r upwards. There a logarithmic spiral is a straight line. Each radius is
shown against its own mean, so that arms stand out of a disc that fades. Both show the sky as people see it and not its
mirror image.
"""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool, Float, UInt8

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["HEIGHT", "WIDTH", "Spiral", "jpeg", "thumbnail", "unrolled"]

HEIGHT = 128
"""Of the whole picture, and the width of its left half."""
POLAR_WIDTH = 180
"""Two degrees a pixel."""
GAP = 4
WIDTH = HEIGHT + GAP + POLAR_WIDTH
INNERMOST = 0.08
"""The polar view begins at this share of its outer radius."""
MASK_COLOUR = (86, 180, 233)
SPIRAL_COLOURS = ((230, 159, 0), (0, 158, 115), (204, 121, 167), (240, 228, 66))
"""Okabe & Ito's, the longest arm first; more arms go round again."""
QUALITY = 82


@dataclass(frozen=True, kw_only=True)
class Spiral:
    """A fitted arm on the pixel grid: ln r = ln inner + tan(pitch) · winding · (azimuth − azimuth of the inner end)."""

    pitch_angle_deg: float
    inner_radius: float
    outer_radius: float
    azimuth_deg: float
    """Of the inner end, in the disc plane, from the major axis, as from +x towards +y."""
    winding: int
    """+1: azimuth grows outwards on the pixel grid; -1: it shrinks."""


def thumbnail(
    picture: UInt8[np.ndarray, "y x 3"],
    light: Float[np.ndarray, "y x"],
    mask: Bool[np.ndarray, "y x"],
    *,
    centre: tuple[float, float],
    axis_ratio: float,
    position_angle_deg: float,
    radius: float,
    spirals: Sequence[Spiral] = (),
    reverse: tuple[bool, bool] = (True, False),
) -> Image:
    """Draw both halves.

    Parameters
    ----------
    picture : the galaxy in colour.
    light : the image that is unrolled, sky near 0.
    mask : True = arm.
    centre : (y, x) of the galaxy in pixels; NaN leaves the polar half dark.
    position_angle_deg : of the major axis, from +x towards +y.
    radius : semi-major axis, in pixels, that the pictures reach.
    reverse : whether rows and columns have to be reversed for the array to show the sky, first row on top.
    """
    from PIL import Image

    whole = Image.new("RGB", (WIDTH, HEIGHT))
    whole.paste(_as_seen(picture, mask, centre, radius, reverse), (0, 0))
    if np.isfinite([*centre, axis_ratio, position_angle_deg, radius]).all():
        shape = {"centre": centre, "axis_ratio": axis_ratio, "position_angle_deg": position_angle_deg}
        polar = _with_spirals(unrolled(light, **shape, radius=radius), radius, spirals)
        # One reversal makes azimuth, which the array counts from +x to +y, run counter-clockwise on the screen.
        both_or_none = reverse[0] == reverse[1]
        whole.paste(polar.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if both_or_none else polar, (HEIGHT + GAP, 0))
    return whole


def jpeg(image: Image) -> bytes:
    """The picture as a JPEG file."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=QUALITY, optimize=True)
    return buffer.getvalue()


def unrolled(
    light: Float[np.ndarray, "y x"],
    *,
    centre: tuple[float, float],
    axis_ratio: float,
    position_angle_deg: float,
    radius: float,
) -> UInt8[np.ndarray, "lnr azimuth"]:
    """The disc face-on, unrolled, each radius against its own mean and scatter; the first row is the outermost."""
    from scipy.ndimage import map_coordinates

    azimuth = np.radians(np.arange(POLAR_WIDTH) * 360 / POLAR_WIDTH)
    r = radius * np.exp(np.log(INNERMOST) * np.linspace(0, 1, HEIGHT))[:, None]
    along, across = r * np.cos(azimuth), axis_ratio * r * np.sin(azimuth)
    turn = math.radians(position_angle_deg)
    x = centre[1] + along * math.cos(turn) - across * math.sin(turn)
    y = centre[0] + along * math.sin(turn) + across * math.cos(turn)
    values = map_coordinates(np.nan_to_num(light), [y, x], order=1, cval=np.nan)
    with np.errstate(invalid="ignore"):
        seen = np.isfinite(values)
        number = np.maximum(seen.sum(axis=1, keepdims=True), 1)
        change = np.where(seen, values, 0.0) - np.where(seen, values, 0.0).sum(axis=1, keepdims=True) / number
        spread = np.sqrt(np.where(seen, change**2, 0.0).sum(axis=1, keepdims=True) / number)
    # Rows of faint light are mostly noise: all rows share the scatter's trend, not each its own wiggle.
    spread = np.maximum(spread, 0.25 * np.median(spread))
    scaled = np.divide(change, 2.5 * spread, out=np.zeros_like(change), where=spread > 0)
    return np.where(seen, np.clip(96 + 127 * scaled, 0, 255), 0).astype(np.uint8)


def _as_seen(
    picture: np.ndarray, mask: np.ndarray, centre: tuple[float, float], radius: float, reverse: tuple[bool, bool]
) -> Image:
    """The picture about the galaxy with the mask's outline, the right way up."""
    from PIL import Image

    height, width = mask.shape
    known = np.isfinite([*centre, radius]).all()
    reach = min(1.25 * radius, max(mask.shape) / 2) if known else max(mask.shape) / 2
    middle = centre if known else ((height - 1) / 2, (width - 1) / 2)
    box = (middle[1] - reach + 0.5, middle[0] - reach + 0.5, middle[1] + reach + 0.5, middle[0] + reach + 0.5)
    size = (HEIGHT, HEIGHT)
    way = Image.Transform.EXTENT
    shown = np.asarray(Image.fromarray(picture).transform(size, way, box, Image.Resampling.BICUBIC)).copy()
    inside = np.asarray(Image.fromarray(mask.astype(np.uint8) * 255).transform(size, way, box)) > 127
    shown[_edge(inside)] = MASK_COLOUR
    rows, columns = (-1 if turned else 1 for turned in reverse)
    return Image.fromarray(np.ascontiguousarray(shown[::rows, ::columns]))


def _edge(mask: np.ndarray) -> np.ndarray:
    """True on pixels of a mask that touch one outside it."""
    padded = np.pad(mask, 1)
    core = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    return mask & ~core


def _with_spirals(polar: np.ndarray, radius: float, spirals: Sequence[Spiral]) -> Image:
    """The polar view in grey with a line for each fitted arm."""
    from PIL import Image, ImageDraw

    image = Image.fromarray(np.repeat(polar[..., None], 3, axis=2))
    pen = ImageDraw.Draw(image)
    for number, spiral in enumerate(spirals):
        for line in _lines(spiral, radius):
            pen.line(line, fill=SPIRAL_COLOURS[number % len(SPIRAL_COLOURS)], width=2)
    return image


def _lines(spiral: Spiral, radius: float) -> list[list[tuple[float, float]]]:
    """A spiral as lines in the polar view, cut where it passes from one end of the turn to the other."""
    if not np.isfinite([spiral.pitch_angle_deg, spiral.inner_radius, spiral.outer_radius, spiral.azimuth_deg]).all():
        return []
    low, high = max(spiral.inner_radius, 1e-3), max(spiral.outer_radius, spiral.inner_radius, 1e-3)
    ln_r = np.linspace(math.log(low), math.log(high), 60)
    slope = max(math.tan(math.radians(spiral.pitch_angle_deg)), 1e-3)
    azimuth = spiral.azimuth_deg + spiral.winding * np.degrees(ln_r - ln_r[0]) / slope
    column = (azimuth % 360) * POLAR_WIDTH / 360
    row = (math.log(radius) - ln_r) / -math.log(INNERMOST) * (HEIGHT - 1)
    ends = np.flatnonzero(np.abs(np.diff(column)) > POLAR_WIDTH / 2) + 1
    parts = np.split(np.stack([column, row], axis=1), ends)
    return [list(map(tuple, part.tolist())) for part in parts if len(part) > 1]
