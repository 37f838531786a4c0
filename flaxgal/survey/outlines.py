"""Which pixels a hand-drawn outline encloses, however often it crosses itself."""

from collections.abc import Iterable, Sequence

import numpy as np
from jaxtyping import Bool, Int32

__all__ = ["Outline", "enclosed", "winding_number"]

Outline = Sequence[Sequence[float | int]]
"""Corners (x, y) in pixels, in the order they were drawn; closed from the last to the first."""


def enclosed(outlines: Iterable[Outline], image_shape: tuple[int, int]) -> Bool[np.ndarray, "y x"]:
    """Pixels that at least one of a person's outlines encloses: their union, so that none counts twice.

    Each outline is read by the rule of the non-zero winding number. A figure of eight then encloses both its loops, and
    where a hand went round twice the area is enclosed, not cut out (as counting crossings, odd or even, would have it).
    So an outline that crosses itself needs no repair. An outline of fewer than three corners encloses nothing.
    """
    inside = np.zeros(image_shape, bool)
    for outline in outlines:
        inside |= winding_number(outline, image_shape) != 0
    return inside


def winding_number(outline: Outline, image_shape: tuple[int, int]) -> Int32[np.ndarray, "y x"]:
    """How many times an outline runs round the centre of each pixel, one way minus the other; (0, 0) is a centre.

    Each edge that crosses the line y = row, downwards +1 and upwards -1, counts for the pixels to its right. An edge
    owns its upper end and not its lower one, so a corner that lies on a row counts once; a pixel's centre that lies on
    an edge is left of it or right of it, never both.
    """
    height, width = image_shape
    crossings = np.zeros((height, width + 1), np.int32)
    corners = np.asarray(outline, np.float64)
    if corners.ndim != 2 or len(corners) < 3:
        return crossings[:, :width]
    x0, y0 = corners.T[:2]
    x1, y1 = np.roll(x0, -1), np.roll(y0, -1)
    down = y1 > y0
    top, bottom = np.where(down, y0, y1), np.where(down, y1, y0)
    first = np.clip(np.ceil(top), 0, height).astype(np.int64)
    last = np.clip(np.ceil(bottom), 0, height).astype(np.int64)  # rows first, first + 1, ... last - 1
    number = np.maximum(last - first, 0)
    edge = np.repeat(np.arange(len(corners)), number)
    row = first[edge] + np.arange(len(edge)) - np.repeat(np.cumsum(number) - number, number)
    slope = (x1 - x0)[edge] / (y1 - y0)[edge]
    column = np.ceil(np.clip(x0[edge] + (row - y0[edge]) * slope, -1, width)).astype(np.int64)
    np.add.at(crossings, (row, np.clip(column, 0, width)), np.where(down[edge], 1, -1))
    return np.cumsum(crossings, axis=1, dtype=np.int32)[:, :width]
