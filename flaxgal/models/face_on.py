"""Galaxies as if seen from above: the nucleus put in the picture's middle, the outline of the light made round.

A tilted disc has two bright ends at each radius as a two-armed spiral has, and a network must learn to tell them
apart; made round, a smooth galaxy is the same at every azimuth and what differs is arms, bars and dust.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

__all__ = ["face_on", "outline"]

SMOOTHING = (1 / 16, 4 / 16, 6 / 16, 4 / 16, 1 / 16)
"""Taken along both axes before the nucleus is looked for and moments are taken."""
NUCLEUS_WITHIN = 1 / 12
"""Farthest that the nucleus is from the middle, along either axis, as a share of the side."""
RADIUS = 0.31
"""Of the ellipse whose light counts, as a share of the side: the geometric mean of its axes."""
FAINTEST = 0.02
"""Light over the sky, in units of the picture's full range, that is not counted: noise has a shape too."""
LEAST_AXIS_RATIO = 0.22
ROUNDS = 8


def face_on(image: Float[Array, "n y x band"]) -> Float[Array, "n y x band"]:
    """Pictures of galaxies, each moved and stretched so that its light is centred and round; areas are kept.

    All bands are stretched alike, and as no picture is mirrored, arms wind as they did. Interpolated linearly;
    what lies outside is as the nearest edge. A picture without light is returned as it is.
    """
    number, height, width, bands = image.shape
    centre, stretch = jax.lax.stop_gradient(outline(image.mean(axis=-1)))
    dy, dx = _pixels(height, width) - jnp.asarray([height - 1, width - 1])[:, None, None, None] / 2
    y, x = (_each(centre[:, i]) + _each(stretch[:, i, 0]) * dy + _each(stretch[:, i, 1]) * dx for i in (0, 1))
    y, x = jnp.clip(y, 0, height - 1), jnp.clip(x, 0, width - 1)
    top, left = jnp.floor(y).astype(int), jnp.floor(x).astype(int)
    down, right = (y - top)[..., None], (x - left)[..., None]
    pixels = image.reshape(number, height * width, bands)

    def corner(below: int, beside: int) -> jax.Array:
        place = jnp.minimum(top + below, height - 1) * width + jnp.minimum(left + beside, width - 1)
        return jax.vmap(lambda picture, index: picture[index])(pixels, place)

    upper = (1 - right) * corner(0, 0) + right * corner(0, 1)
    lower = (1 - right) * corner(1, 0) + right * corner(1, 1)
    return (1 - down) * upper + down * lower


def outline(light: Float[Array, "n y x"]) -> tuple[Float[Array, "n 2"], Float[Array, "n 2 2"]]:
    """The nucleus (y, x) of each galaxy in pixels, and the stretch that makes of a circle an ellipse of its shape.

    The stretch takes (y, x) offsets of the round galaxy to those of the picture; it is symmetric with determinant 1.
    The nucleus is the brightest place near the middle. The ellipse is that of the second moments of the light within an
    ellipse of the same shape, in rounds that begin with a circle.
    """
    number, height, width = light.shape
    side = min(height, width)
    edge = jnp.concatenate([light[:, 0], light[:, -1], light[:, :, 0], light[:, :, -1]], axis=1)
    smooth = _smoothed(light) - _each(jnp.median(edge, axis=1))
    y, x = _pixels(height, width)
    off_centre = jnp.maximum(jnp.abs(y - (height - 1) / 2), jnp.abs(x - (width - 1) / 2))
    near = jnp.where(off_centre <= max(NUCLEUS_WITHIN * side, 1.0), smooth, -jnp.inf)
    # Of equally bright places the middle one, so that a picture without light is centred already.
    near = jnp.where(near >= near.max(axis=(1, 2), keepdims=True), -off_centre, -jnp.inf)
    nucleus = (near >= near.max(axis=(1, 2), keepdims=True)).astype(jnp.float32)
    centre = jnp.stack([(nucleus * axis).sum(axis=(1, 2)) / nucleus.sum(axis=(1, 2)) for axis in (y, x)], axis=-1)
    dy, dx = y - _each(centre[:, 0]), x - _each(centre[:, 1])
    counted = jnp.maximum(smooth - FAINTEST, 0.0)

    yy, xx, yx = jnp.ones(number), jnp.ones(number), jnp.zeros(number)
    for _ in range(ROUNDS):
        within = dy * dy * _each(xx) - 2 * dy * dx * _each(yx) + dx * dx * _each(yy) < (RADIUS * side) ** 2
        moments = ((counted * within * product).sum(axis=(1, 2)) for product in (dy * dy, dx * dx, dy * dx))
        yy, xx, yx = _of_unit_area(*moments)
    # The square root of a symmetric 2 by 2 matrix M of determinant 1 is (M + 1) / sqrt(trace M + 2).
    root = jnp.stack([jnp.stack([yy + 1, yx], axis=-1), jnp.stack([yx, xx + 1], axis=-1)], axis=1)
    return centre, root / _each(jnp.sqrt(yy + xx + 2))


def _pixels(height: int, width: int) -> Float[Array, "2 1 y x"]:
    """Each pixel's y and x."""
    return jnp.asarray(np.indices((height, width))[:, None], jnp.float32)


def _each(number: Float[Array, " n"]) -> Float[Array, "n 1 1"]:
    """A number of each picture, to be taken with all its pixels."""
    return number[:, None, None]


def _smoothed(light: Float[Array, "n y x"]) -> Float[Array, "n y x"]:
    reach = len(SMOOTHING) // 2
    for axis in (1, 2):
        side = light.shape[axis]
        padded = jnp.pad(light, [(reach, reach) if a == axis else (0, 0) for a in range(3)], mode="edge")
        shifted = (jax.lax.slice_in_dim(padded, k, k + side, axis=axis) for k in range(len(SMOOTHING)))
        light = jnp.asarray(sum(tap * one for tap, one in zip(SMOOTHING, shifted, strict=True)))
    return light


def _of_unit_area(
    yy: Float[Array, " n"], xx: Float[Array, " n"], yx: Float[Array, " n"]
) -> tuple[Float[Array, " n"], Float[Array, " n"], Float[Array, " n"]]:
    """Second moments (yy, xx, yx) of the same shape with determinant 1; a circle's where there is no light."""
    trace = yy + xx
    lit = trace > 0
    half = jnp.where(lit, trace, 1.0) / 2
    stretched, skewed = jnp.where(lit, (yy - xx) / 2, 0.0) / half, jnp.where(lit, yx, 0.0) / half
    size = jnp.hypot(stretched, skewed)
    most = (1 - LEAST_AXIS_RATIO**2) / (1 + LEAST_AXIS_RATIO**2)
    share = jnp.minimum(1.0, most / jnp.maximum(size, 1e-6))
    stretched, skewed = share * stretched, share * skewed
    area = jnp.sqrt(1 - stretched**2 - skewed**2)
    return (1 + stretched) / area, (1 - stretched) / area, skewed / area
