"""One image size for all: a picture fitted into the square that a model takes, and its maps brought back."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32, Shaped

__all__ = ["Frame", "fit_frame"]


@dataclass(frozen=True, eq=False)
class Frame:
    """How `fit_frame` placed a picture (y, x) in a square of `size` pixels, and the way back."""

    image_shape: tuple[int, int]
    size: int

    @property
    def side(self) -> int:
        """Side in the picture's own pixels of the square that holds it."""
        return max(self.image_shape)

    @property
    def offset(self) -> tuple[int, int]:
        """Rows and columns of padding before the picture's first pixel."""
        y, x = self.image_shape
        return (self.side - y) // 2, (self.side - x) // 2

    @property
    def valid(self) -> Float32[np.ndarray, "size size"]:
        """Share of each pixel of the square that the picture covers, 0 to 1."""
        ones = np.ones((*self.image_shape, 1), np.float32)
        return fit_frame(ones, self.size)[0][..., 0].astype(np.float32)

    def to_native(self, maps: Float[np.ndarray, "size size k"]) -> Float32[np.ndarray, "y x k"]:
        """Maps on the square brought back to the picture's pixels."""
        matrix = _resampling(self.size, self.side)
        square = np.einsum("ai,ijk,bj->abk", matrix, np.asarray(maps, np.float32), matrix, optimize=True)
        (top, left), (y, x) = self.offset, self.image_shape
        return square[top : top + y, left : left + x].astype(np.float32)


def fit_frame(
    picture: Shaped[np.ndarray, "y x channel"], size: int
) -> tuple[Shaped[np.ndarray, "size size channel"], Frame]:
    """A picture (y, x, channel) padded with sky (0) to a square and resampled to `size` × `size` pixels.

    Shrinking averages areas, so that the mean is kept; enlarging interpolates linearly. The number type is kept.
    """
    frame = Frame((picture.shape[0], picture.shape[1]), size)
    (top, left), (y, x) = frame.offset, frame.image_shape
    square = np.zeros((frame.side, frame.side, picture.shape[2]), picture.dtype)
    square[top : top + y, left : left + x] = picture
    if frame.side == size:
        return square, frame
    matrix = _resampling(frame.side, size)
    fitted = np.einsum("ai,ijk,bj->abk", matrix, square.astype(np.float32), matrix, optimize=True)
    if np.issubdtype(picture.dtype, np.integer):
        fitted = np.rint(fitted)
    return fitted.astype(picture.dtype), frame


def _resampling(old: int, new: int) -> Float32[np.ndarray, "new old"]:
    """Matrix that takes `old` samples of a line to `new`: rows sum to one."""
    if new <= old:
        edges = np.linspace(0, old, new + 1)
        starts, ends = edges[:-1, None], edges[1:, None]
        cells = np.arange(old)[None]
        shares = np.clip(np.minimum(ends, cells + 1) - np.maximum(starts, cells), 0, None)
        return (shares / shares.sum(1, keepdims=True)).astype(np.float32)
    centres = np.clip((np.arange(new) + 0.5) * old / new - 0.5, 0, old - 1)
    lower = np.minimum(np.floor(centres).astype(int), max(old - 2, 0))
    share = centres - lower
    matrix = np.zeros((new, old), np.float32)
    matrix[np.arange(new), lower] += 1 - share
    matrix[np.arange(new), np.minimum(lower + 1, old - 1)] += share
    return matrix
