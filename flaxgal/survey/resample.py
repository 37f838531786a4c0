"""Images brought to pixels of another size: light keeps its sum, a share of area keeps its mean.

Both are products with one matrix an axis. The frames' middles coincide, and rows stay rows: nothing is rotated, so
that no projection library is needed.
"""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Float, Float64, Shaped

__all__ = ["pixel_response", "pixels_that_fit", "resample_flux", "resample_share"]


def pixels_that_fit(image_shape: tuple[int, int], step: float) -> tuple[int, int]:
    """How many whole pixels, `step` old ones wide, fit in a frame (y, x); at least one."""
    y, x = (max(1, int(side / step + 1e-6)) for side in image_shape)
    return y, x


def resample_flux(
    image: Float[np.ndarray, "*batch y x"], new_shape: tuple[int, int], step: float
) -> Float64[np.ndarray, "*batch v u"]:
    """The light that falls in each of `new_shape` pixels, each `step` old ones wide; none comes from beyond the frame.

    Along each axis the light summed up to every pixel edge is known exactly. A cubic spline through these sums says
    what it is at the new edges, and differences are the new pixels: light inside the new frame is conserved to
    rounding, and enlarged images are smooth.
    """
    return _through(image, new_shape, step, _flux_weights)


def resample_share(
    share: Shaped[np.ndarray, "*batch y x"], new_shape: tuple[int, int], step: float
) -> Float64[np.ndarray, "*batch v u"]:
    """The mean of a map over the area of each new pixel. What lies beyond the old frame counts as 0."""
    return _through(share, new_shape, step, _area_weights)


def pixel_response(old: int, new: int, step: float) -> Float64[np.ndarray, "some {old}"]:
    """Weights with which old pixels of a line enter each of up to four new ones in its middle."""
    middle = max(0, new // 2 - 2)
    return _flux_weights(old, new, step)[middle : middle + 4].toarray()


def _through(
    image: np.ndarray, new_shape: tuple[int, int], step: float, weights: Callable[[int, int, float], Any]
) -> Float64[np.ndarray, "*batch v u"]:
    if not (np.isfinite(step) and step > 0):
        raise ValueError(f"new pixels {step} old ones wide, expected a number above 0")
    rows = weights(image.shape[-2], new_shape[0], step)
    columns = weights(image.shape[-1], new_shape[1], step)
    images = image.reshape(-1, *image.shape[-2:]).astype(np.float64)
    new = [(columns @ (rows @ one).T).T for one in images]
    return np.stack(new).reshape(*image.shape[:-2], *new_shape)


def _edges(old: int, new: int, step: float) -> np.ndarray:
    """Edges of the new pixels, counted in old ones from the old frame's first edge."""
    return old / 2 + (np.arange(new + 1) - new / 2) * step


@functools.lru_cache(maxsize=64)
def _area_weights(old: int, new: int, step: float) -> Any:
    """Share of each new pixel that each old one covers, as a sparse matrix (new, old)."""
    edges, cells = _edges(old, new, step), np.arange(old)
    overlap = np.minimum(edges[1:, None], cells + 1) - np.maximum(edges[:-1, None], cells)
    return _sparse(np.maximum(overlap, 0) / step)


@functools.lru_cache(maxsize=64)
def _flux_weights(old: int, new: int, step: float) -> Any:
    """Share of each old pixel's light that each new one receives: sparse, columns sum to 1 inside the new frame."""
    if old < 3:
        return _area_weights(old, new, step) * step
    from scipy.interpolate import CubicSpline

    summed = np.tri(old + 1, old, -1)  # light up to each old edge, for light in one pixel at a time
    edges = np.clip(_edges(old, new, step), 0, old)
    return _sparse(np.diff(CubicSpline(np.arange(old + 1), summed, bc_type="natural")(edges), axis=0))


def _sparse(weights: np.ndarray) -> Any:
    """A matrix without its zeros; what is left of the spline twenty pixels away is one of them."""
    from scipy.sparse import csr_array

    return csr_array(np.where(np.abs(weights) > 1e-12, weights, 0.0))
