"""One image size for all: a picture fitted into the square that a model takes, and its maps brought back."""

import functools
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32, Shaped

__all__ = ["Frame", "fit_frame"]


@dataclass(frozen=True)
class Frame:
    """How `fit_frame` placed a picture (y, x) in a square of `size` pixels, and the way back."""

    image_shape: tuple[int, int]
    size: int

    @property
    def side(self) -> int:
        """Side, in the picture's own pixels, of the square that just holds it."""
        return max(self.image_shape)

    @property
    def offset(self) -> tuple[int, int]:
        """Rows and columns of padding before the picture's first pixel."""
        y, x = self.image_shape
        return (self.side - y) // 2, (self.side - x) // 2

    def to_native(self, maps: Float[np.ndarray, "size size k"]) -> Float32[np.ndarray, "y x k"]:
        """Maps on the square brought back to the picture's pixels."""
        square = _resampled(np.asarray(maps, np.float32), self.side)
        (top, left), (y, x) = self.offset, self.image_shape
        return square[top : top + y, left : left + x]


def fit_frame(picture: Shaped[np.ndarray, "y x k"], size: int) -> tuple[Shaped[np.ndarray, "{size} {size} k"], Frame]:
    """A picture (y, x, channel) padded with sky (0) to a square and resampled to `size` × `size` pixels.

    Shrinking averages areas, which keeps the mean; enlarging interpolates linearly. The number type is kept; integers
    are rounded.
    """
    frame = Frame((picture.shape[0], picture.shape[1]), size)
    (top, left), (y, x) = frame.offset, frame.image_shape
    square = np.zeros((frame.side, frame.side, picture.shape[2]), picture.dtype)
    square[top : top + y, left : left + x] = picture
    if frame.side == size:
        return square, frame
    fitted = _resampled(square.astype(np.float32), size)
    return (np.rint(fitted) if picture.dtype.kind in "iu" else fitted).astype(picture.dtype), frame


def _resampled(square: np.ndarray, size: int) -> Float32[np.ndarray, "size size k"]:
    """A square (side, side, k) on another number of pixels."""
    if len(square) == size:
        return square
    matrix = _weights(len(square), size)
    return np.tensordot(np.tensordot(matrix, square, (1, 0)), matrix, (1, 1)).transpose(0, 2, 1)


@functools.lru_cache(maxsize=32)
def _weights(old: int, new: int) -> Float32[np.ndarray, "{new} {old}"]:
    """Matrix that takes `old` samples of a line to `new`; its rows sum to one."""
    if new <= old:
        edges = np.arange(new + 1) * old / new
        cells = np.arange(old)
        overlap = np.minimum(edges[1:, None], cells + 1) - np.maximum(edges[:-1, None], cells)
        return (np.maximum(overlap, 0) * new / old).astype(np.float32)
    places = np.clip((np.arange(new) + 0.5) * old / new - 0.5, 0, old - 1)  # of new centres, counted in old pixels
    distance = np.abs(places[:, None] - np.arange(old))
    return np.maximum(1 - distance, 0).astype(np.float32)
