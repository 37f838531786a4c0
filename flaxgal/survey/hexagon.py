"""The hexagon in Galaxy Zoo: 3D's pictures: MaNGA's field of view, drawn as a thin magenta line. It is not sky.

The line is found by its colour and its shape, not assumed where a bundle's size says, since the picture makers' scale
is not the bundle's. A network that sees it learns "hexagon", not "arm"; a flux that counts it is wrong.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Shaped

__all__ = ["Hexagon", "filled_in", "find_hexagon"]

_DIRECTIONS = np.deg2rad(np.arange(7) * 60)
"""Of the corners: one to the left, one to the right, two edges level, as MaNGA's bundles lie in all these pictures."""
_SAMPLES = 24
"""Places on each edge where the colour is looked at."""
_SMALLEST, _MOST_SHIFT = 45.0, 8.0
"""Pixels. The radius of the smallest bundle, of 19 fibres, is about 55; the middle is where the picture's is."""
_MAGENTA = 6.0
"""How much more red and blue than green, in 8-bit levels, is more than what JPEG makes of a grey sky."""
_HALF_WIDTH = 4.0
"""Pixels to both sides of the line: it is about 4 wide, and JPEG smears its colour."""


@dataclass(frozen=True, kw_only=True)
class Hexagon:
    """Where the line runs: a regular hexagon that stands on an edge."""

    centre: tuple[float, float]
    """(y, x) in pixels."""
    radius: float
    """From the centre to a corner, in pixels."""

    def pixels(self, image_shape: tuple[int, int]) -> Bool[np.ndarray, "y x"]:
        """Pixels that the line covers or colours."""
        y, x = np.indices(image_shape, np.float64)
        y, x = np.abs(y - self.centre[0]), np.abs(x - self.centre[1])
        # A regular hexagon is where the largest of the distances to its three pairs of edges is constant.
        apothem = np.maximum(y, (np.sqrt(3) * x + y) / 2)
        return np.abs(apothem - self.radius * np.sqrt(3) / 2) <= _HALF_WIDTH


def find_hexagon(picture: Shaped[np.ndarray, "colour y x"]) -> Hexagon | None:
    """The hexagon in a picture of red, green and blue, 0 to 255; None if there is none.

    It is the hexagon about the middle along which the colour is most magenta, taken at the edge where it is least so:
    a magenta star on one edge makes no hexagon. Where nothing is found, nothing was drawn, or too faintly to see.
    """
    from scipy import ndimage

    red, green, blue = np.asarray(picture[:3], np.float64)
    magenta = np.minimum(red, blue) - green
    magenta = ndimage.uniform_filter(magenta, 3) - ndimage.uniform_filter(magenta, 21)  # a line, not a patch
    middle = (picture.shape[1] - 1) / 2, (picture.shape[2] - 1) / 2
    largest = min(middle) * 2 / np.sqrt(3)
    radii = np.arange(_SMALLEST, largest)
    if not len(radii):
        return None
    rough = float(radii[np.argmax(_edges(magenta, middle, radii).sum(axis=1))])
    best = _best(magenta, middle, rough, step=2.0, reach=_MOST_SHIFT)
    best = _best(magenta, best.centre, best.radius, step=0.5, reach=2.0)
    edges = _edges(magenta, best.centre, np.array([best.radius]))[0]
    # One edge may be lost in a bright star.
    return best if np.sort(edges)[1] >= _MAGENTA else None


def filled_in(images: Float[np.ndarray, "band y x"], holes: Bool[np.ndarray, "y x"]) -> Float[np.ndarray, "band y x"]:
    """The images with what is seen around a hole in place of what is in it: means weighted by nearness.

    Pixels are rounded to whole levels, so that every machine makes the same picture. Where nothing but hole is near,
    the pixels stay.
    """
    from scipy import ndimage

    known = (~holes).astype(np.float64)
    near = ndimage.gaussian_filter(known, _HALF_WIDTH)
    light = ndimage.gaussian_filter(np.asarray(images, np.float64) * known, (0, _HALF_WIDTH, _HALF_WIDTH))
    return np.where(holes & (near > 1e-3), np.rint(light / np.maximum(near, 1e-3)), images).astype(images.dtype)


def _best(magenta: np.ndarray, centre: tuple[float, float], radius: float, *, step: float, reach: float) -> Hexagon:
    """The most magenta hexagon among those near by."""
    shifts = np.arange(-reach, reach + step / 2, step)
    radii = radius + shifts
    found = (0.0, Hexagon(centre=centre, radius=radius))
    for y in centre[0] + shifts:
        for x in centre[1] + shifts:
            sums = _edges(magenta, (y, x), radii).sum(axis=1)
            if sums.max() > found[0]:
                found = (sums.max(), Hexagon(centre=(float(y), float(x)), radius=float(radii[sums.argmax()])))
    return found[1]


def _edges(magenta: np.ndarray, centre: tuple[float, float], radii: np.ndarray) -> Float[np.ndarray, "radius 6"]:
    """Median colour along each of the six edges, for each radius."""
    from scipy import ndimage

    corners = np.stack([np.sin(_DIRECTIONS), np.cos(_DIRECTIONS)])
    along = (np.arange(_SAMPLES) + 0.5) / _SAMPLES
    unit = corners[:, :-1, None] * (1 - along) + corners[:, 1:, None] * along
    places = np.asarray(centre)[:, None, None, None] + unit[:, None] * radii[:, None, None]
    seen = ndimage.map_coordinates(magenta, places.reshape(2, -1), order=1, mode="nearest")
    return np.median(seen.reshape(len(radii), 6, _SAMPLES), axis=2)
