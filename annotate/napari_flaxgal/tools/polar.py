"""The polar view: a disc seen face-on and unrolled, ln r against azimuth; what is drawn there lands on the sky.

A logarithmic spiral is a straight line in this view, and as `frame_of` makes its cells square in (ln r, azimuth), the
line rises by the arm's pitch angle as the eye sees it.

Azimuth runs from the major axis over one turn and goes on for another half (`OVERLAP`): every place in the first half
turn is shown twice, at both ends of the picture, so that an arm that winds through less than half a turn is whole
somewhere. Painting either copy paints the sky.

A pixel of the sky belongs to the cell in which its centre lies. Cells are so small that hardly two pixels share one, so
a mask that goes into the view and back is the same mask.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float32, Int, Shaped

from flaxgal.measure.geometry import elliptical_radius
from flaxgal.survey.cutout import Cutout
from napari_flaxgal.tools.light import galaxy_light

__all__ = ["OVERLAP", "PolarFrame", "frame_of"]

OVERLAP = 0.5
"""Share of a turn that is shown a second time at the right end of the picture."""
CELL_PIXELS = 0.7
"""Side of the outermost cells in pixels of the sky: two pixels' centres do not fit into one (0.7 √2 < 1)."""
MOST_COLUMNS = 1600
"""A turn of very large galaxies is not cut finer than this; two pixels may then share a cell, and are painted alike."""
INNERMOST = 0.06
"""The view begins at this share of its outer radius: further in, ln r has room for ever and a galaxy has no arms."""
BEYOND = 1.3
"""The view ends at this many times the galaxy's extent, or at the corner of the frame."""


@dataclass(frozen=True)
class PolarFrame:
    """How a galaxy's disc is unrolled. Turn and tilt it with `dataclasses.replace`."""

    centre: tuple[float, float]
    """(y, x) in pixels of the sky; the first pixel's centre is (0, 0)."""
    axis_ratio: float
    """Of the disc on the sky, minor over major: 1 face-on."""
    position_angle: float
    """Of the major axis, in degrees from +x towards +y on the pixel grid; azimuth 0 is there."""
    r_min: float
    r_max: float
    """Radii in the plane of the disc, in pixels, at the first row's inner and the last row's outer edge."""
    shape: tuple[int, int]
    """(rows, columns) of the polar picture: ln r grows with the row, azimuth with the column, over 1.5 turns."""

    def __post_init__(self) -> None:
        for name, good, wanted in (
            ("axis_ratio", 0.05 <= self.axis_ratio <= 1.0, "a number from 0.05 to 1"),
            ("position_angle", math.isfinite(self.position_angle), "an angle in degrees"),
            ("r_min", 0.0 < self.r_min < self.r_max < math.inf, f"pixels above 0 and below r_max = {self.r_max}"),
            ("centre", all(map(math.isfinite, self.centre)), "(y, x) in pixels"),
            ("shape", min(self.shape) >= 2, "at least 2 rows and 2 columns"),
        ):
            if not good:
                raise ValueError(f"polar view: {name} is {getattr(self, name)}; wanted {wanted}")

    @property
    def turn(self) -> int:
        """Columns of one whole turn of azimuth; the columns from here on repeat the first ones."""
        return max(1, round(self.shape[1] / (1 + OVERLAP)))

    @property
    def row_step(self) -> float:
        """Ln r from one row to the next."""
        return math.log(self.r_max / self.r_min) / self.shape[0]

    @property
    def column_step(self) -> float:
        """Azimuth from one column to the next, in radians."""
        return 2 * math.pi / self.turn

    def pitch_angle_deg(self, rows: float, columns: float) -> float:
        """The pitch angle of an arm that rises by so many rows over so many columns; negative where it falls."""
        return math.degrees(math.atan2(rows * self.row_step, columns * self.column_step))

    def sky_of(self, points: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, "n 2"]:
        """Where points (row, column) of the polar picture are on the sky, (y, x) in pixels."""
        radius = self.r_min * np.exp((points[:, 0] + 0.5) * self.row_step)
        azimuth = (points[:, 1] + 0.5) * self.column_step
        along, across = radius * np.cos(azimuth), radius * np.sin(azimuth) * self.axis_ratio
        cos, sin = math.cos(math.radians(self.position_angle)), math.sin(math.radians(self.position_angle))
        return np.stack(
            [self.centre[0] + along * sin + across * cos, self.centre[1] + along * cos - across * sin], axis=1
        )

    def polar_of(self, points: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, "n 2"]:
        """Where points (y, x) of the sky are in the polar picture, (row, column), each within the first turn."""
        dy, dx = points[:, 0] - self.centre[0], points[:, 1] - self.centre[1]
        cos, sin = math.cos(math.radians(self.position_angle)), math.sin(math.radians(self.position_angle))
        along, across = dx * cos + dy * sin, (dy * cos - dx * sin) / self.axis_ratio
        radius = np.maximum(np.hypot(along, across), 1e-6)
        azimuth = np.arctan2(across, along) % (2 * math.pi)
        return np.stack([np.log(radius / self.r_min) / self.row_step - 0.5, azimuth / self.column_step - 0.5], axis=1)

    def polar_path_of(self, points: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, "n 2"]:
        """Points along a curve on the sky as one curve in the picture: its azimuth goes on, also past a turn."""
        polar = self.polar_of(points)
        polar[:, 1] = np.unwrap(polar[:, 1], period=self.turn)
        return polar

    def to_polar(self, image: Shaped[np.ndarray, "y x *channel"], order: int = 1) -> Shaped[np.ndarray, "r a *channel"]:
        """An image of the sky in the polar view: one channel, or a colour picture.

        `order` is 1, linear between pixels, or 0, the nearest pixel. Beyond the frame numbers are NaN, whole numbers 0.
        """
        if order not in (0, 1):
            raise ValueError(f"polar view: order is {order}; wanted 1 (linear) or 0 (the nearest pixel)")
        grid = _grid(self, (image.shape[0], image.shape[1]))
        flat = image.reshape(image.shape[0] * image.shape[1], -1)
        channels = [_taken(flat[:, channel], grid, order) for channel in range(flat.shape[1])]
        polar = channels[0] if image.ndim == 2 else np.stack(channels, axis=-1)
        polar[grid.outside] = np.nan if polar.dtype.kind == "f" else 0
        return polar

    def mask_to_polar(self, mask: Shaped[np.ndarray, "y x"]) -> Shaped[np.ndarray, "r a"]:
        """A mask in the polar view: each cell has the value of the pixel that belongs to it, or else of the nearest."""
        polar = self.to_polar(mask, order=0)
        row, column, there = _cells(self, (mask.shape[0], mask.shape[1]))
        values = mask[there]
        polar[row[there], column[there]] = values
        again = column[there] + self.turn
        shown = again < self.shape[1]
        polar[row[there][shown], again[shown]] = values[shown]
        return polar

    def paint_sky(
        self,
        sky_mask: Shaped[np.ndarray, "y x"],
        before_polar: Shaped[np.ndarray, "r a"],
        after_polar: Shaped[np.ndarray, "r a"],
    ) -> Shaped[np.ndarray, "y x"]:
        """The mask on the sky after a stroke in the polar view that made `after_polar` of `before_polar`.

        Exactly those pixels take their cell's new value whose cell changed, in either copy; nothing else changes. A
        stroke so thin that it holds no pixel's centre paints the pixels it runs through.
        """
        changed = before_polar != after_polar
        painted = sky_mask.copy()
        if not changed.any():
            return painted
        row, column, there = _cells(self, (sky_mask.shape[0], sky_mask.shape[1]))
        hit = False
        for copy in (self.turn, 0):  # the first turn has the last word
            shown = there & (column + copy < self.shape[1])
            at = row[shown], column[shown] + copy
            pixels = np.flatnonzero(shown)[changed[at]]
            painted.flat[pixels] = after_polar[at][changed[at]]
            hit |= bool(pixels.size)
        if not hit:
            y, x = (np.rint(place[changed]).astype(int) for place in _places(self))
            inside = (y >= 0) & (x >= 0) & (y < sky_mask.shape[0]) & (x < sky_mask.shape[1])
            painted[y[inside], x[inside]] = after_polar[changed][inside]
        return painted


def frame_of(cutout: Cutout) -> PolarFrame:
    """The polar view that fits a galaxy: its centre, the shape of its outer disc, and as far out as it is seen."""
    light = galaxy_light(cutout)
    corner = float(elliptical_radius(light.disc, cutout.image_shape)[[0, 0, -1, -1], [0, -1, 0, -1]].max())
    r_max = max(8.0, min(BEYOND * light.extent, corner))
    r_min = max(0.5, INNERMOST * r_max)
    turn = min(MOST_COLUMNS, math.ceil(2 * math.pi * r_max / CELL_PIXELS))
    rows = math.ceil(math.log(r_max / r_min) * turn / (2 * math.pi))
    return PolarFrame(
        centre=light.disc.centre,
        axis_ratio=light.disc.axis_ratio,
        position_angle=light.disc.position_angle_deg,
        r_min=r_min,
        r_max=r_min * math.exp(rows * 2 * math.pi / turn),  # square cells
        shape=(rows, turn + round(OVERLAP * turn)),
    )


def _places(frame: PolarFrame) -> tuple[Float32[np.ndarray, "r a"], Float32[np.ndarray, "r a"]]:
    """Y and x on the sky of every cell's centre, to a thousandth of a pixel."""
    rows, columns = (np.arange(size, dtype=float) for size in frame.shape)
    far = frame.sky_of(np.stack([np.full_like(columns, -0.5), columns], axis=1)) - frame.centre  # at r_min
    radius = np.exp((rows + 0.5) * frame.row_step).astype(np.float32)[:, None]
    y, x = (radius * far[:, axis].astype(np.float32) + np.float32(frame.centre[axis]) for axis in (0, 1))
    return y, x


@dataclass(frozen=True, eq=False)
class _Grid:
    """Where on an image of a certain size the cells' centres lie."""

    outside: Bool[np.ndarray, "r a"]
    corner: Int[np.ndarray, "r a"]
    """Number of the pixel below and left of a cell's centre."""
    right: int
    up: int
    """Steps in numbers to the pixels right of and above that one."""
    part_y: Float[np.ndarray, "r a"]
    part_x: Float[np.ndarray, "r a"]

    @property
    def nearest(self) -> Int[np.ndarray, "r a"]:
        """Number of the pixel in which a cell's centre lies."""
        return self.corner + (self.part_y > 0.5) * np.int32(self.up) + (self.part_x > 0.5) * np.int32(self.right)


@functools.lru_cache(maxsize=5)  # this galaxy's, the one's before and of those that come; up to 25 MB each
def _grid(frame: PolarFrame, sky_shape: tuple[int, int]) -> _Grid:
    y, x = _places(frame)
    height, width = sky_shape
    outside = ~((y >= -0.5) & (x >= -0.5) & (y <= height - 0.5) & (x <= width - 0.5))
    # Half a pixel beyond the outermost centres their value goes on.
    y, x = np.clip(y, 0, height - 1), np.clip(x, 0, width - 1)
    low_y, low_x = (np.minimum(place.astype(np.int32), max(0, size - 2)) for place, size in ((y, height), (x, width)))
    return _Grid(
        outside=outside,
        corner=low_y * width + low_x,
        right=min(1, width - 1),
        up=width if height > 1 else 0,
        part_y=y - low_y.astype(np.float32),
        part_x=x - low_x.astype(np.float32),
    )


def _taken(values: Shaped[np.ndarray, " pixel"], grid: _Grid, order: int) -> Shaped[np.ndarray, "r a"]:
    """One channel at the cells' centres: the nearest pixel (0), or bilinear interpolation (1)."""
    if order == 0:
        return values[grid.nearest]
    corner, part_x, whole = grid.corner, grid.part_x, values.astype(np.float32)
    lower = whole[corner] * (1 - part_x) + whole[corner + grid.right] * part_x
    corner = corner + grid.up
    upper = whole[corner] * (1 - part_x) + whole[corner + grid.right] * part_x
    lower += grid.part_y * (upper - lower)
    return (np.rint(lower) if values.dtype.kind in "iub" else lower).astype(values.dtype)


@functools.lru_cache(maxsize=5)
def _cells(
    frame: PolarFrame, sky_shape: tuple[int, int]
) -> tuple[Int[np.ndarray, "y x"], Int[np.ndarray, "y x"], Bool[np.ndarray, "y x"]]:
    """For every pixel of the sky the row and the column (first turn) of its cell, and whether the view shows it."""
    points = frame.polar_of(np.indices(sky_shape, dtype=float).reshape(2, -1).T)
    row, column = np.floor(points + 0.5).astype(int).T
    column %= frame.turn
    there = (row >= 0) & (row < frame.shape[0])
    return row.reshape(sky_shape), column.reshape(sky_shape), there.reshape(sky_shape)
