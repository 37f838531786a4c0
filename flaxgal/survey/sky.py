"""How bright and how noisy the empty sky of an image is."""

from collections.abc import Callable
from typing import Literal

import numpy as np
from jaxtyping import Float, Float32

__all__ = ["sky_level"]

PIXELS_AT_ONCE = 2**22
"""Images are worked through in batches of about this many pixels, so that a survey does not fill the memory."""
FEW = 40
"""Up to so many rows are searched faster one by one than all at once."""


def sky_level(
    image: Float[np.ndarray, "*batch y x"], *, clip: float = 3.0, rounds: int = 20
) -> tuple[Float32[np.ndarray, "*batch"], Float32[np.ndarray, "*batch"]]:
    """Median and standard deviation of the sky of each image, by sigma clipping around the median.

    Pixels further than `clip` standard deviations from the median are put aside until none is, or `rounds` times.
    Agrees with `astropy.stats.sigma_clipped_stats`, and takes many small images at once. Where a galaxy covers most
    of the frame its faint outskirts count as sky.

    Not-finite pixels do not count. An image without any finite pixel has NaN for both.
    """
    pixels = np.asarray(image, np.float32).reshape(-1, image.shape[-2] * image.shape[-1])
    step = max(1, PIXELS_AT_ONCE // max(1, pixels.shape[1]))
    found = [_clipped(pixels[start : start + step], clip, rounds) for start in range(0, len(pixels), step)]
    level, spread = np.concatenate(found, axis=1) if found else np.zeros((2, 0))
    shape = image.shape[:-2]
    return level.reshape(shape).astype(np.float32), spread.reshape(shape).astype(np.float32)


def _clipped(pixels: np.ndarray, clip: float, rounds: int) -> np.ndarray:
    """(2, n): median and spread of each row.

    In a sorted row the pixels that are kept lie side by side, so that a median is a look-up and a standard deviation
    the difference of two running sums.
    """
    rows = np.sort(np.where(np.isfinite(pixels), pixels, np.nan), axis=1).astype(np.float64)  # NaN goes last
    number = np.sum(~np.isnan(rows), axis=1)
    every = np.arange(len(rows))
    start, end = np.zeros_like(number), number
    # Sums of squares about a value near the median: about zero they would cancel for sky that is far from it.
    centre = rows[every, np.maximum(number - 1, 0) // 2]
    away = rows - centre[:, None]
    away[np.isnan(away)] = 0.0
    sums, squares = np.zeros((2, len(rows), rows.shape[1] + 1))
    np.cumsum(away, axis=1, out=sums[:, 1:])
    np.cumsum(np.square(away, out=away), axis=1, out=squares[:, 1:])
    for _ in range(rounds + 1):
        kept = np.maximum(end - start, 1)
        low, high = start + (kept - 1) // 2, start + kept // 2
        level = (rows[every, low] + rows[every, high]) / 2
        mean = (sums[every, end] - sums[every, start]) / kept
        variance = (squares[every, end] - squares[every, start]) / kept - mean**2
        spread = np.sqrt(np.maximum(variance, 0))
        new_start = np.maximum(start, _first_at_least(rows, level - clip * spread, number))
        new_end = np.minimum(end, _first_above(rows, level + clip * spread, number))
        if np.array_equal(new_start, start) and np.array_equal(new_end, end):
            break
        start, end = new_start, new_end
    return np.where(number > 0, [level, spread], np.nan)


def _first_at_least(rows: np.ndarray, bound: np.ndarray, number: np.ndarray) -> np.ndarray:
    """Index in each sorted row of its first value that is not below the bound."""
    if len(rows) <= FEW:
        return _one_by_one(rows, bound, number, "left")
    return _together(rows, number, lambda values: values < bound)


def _first_above(rows: np.ndarray, bound: np.ndarray, number: np.ndarray) -> np.ndarray:
    """Index in each sorted row of its first value above the bound."""
    if len(rows) <= FEW:
        return _one_by_one(rows, bound, number, "right")
    return _together(rows, number, lambda values: values <= bound)


def _one_by_one(rows: np.ndarray, bound: np.ndarray, number: np.ndarray, side: Literal["left", "right"]) -> np.ndarray:
    found = [row[:end].searchsorted(value, side) for row, value, end in zip(rows, bound, number, strict=True)]
    return np.array(found, dtype=number.dtype)


def _together(rows: np.ndarray, number: np.ndarray, goes_on: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Binary search in all rows at once for the first of `number` values at which `goes_on` no longer holds."""
    low, high = np.zeros_like(number), number.copy()
    every = np.arange(len(rows))
    for _ in range(int(rows.shape[1]).bit_length()):
        middle = (low + high) // 2
        further = (low < high) & goes_on(rows[every, np.minimum(middle, rows.shape[1] - 1)])
        low = np.where(further, middle + 1, low)
        high = np.where(further, high, middle)
    return low
