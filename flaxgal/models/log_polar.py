"""A galaxy unrolled about its centre: the logarithm of the radius against azimuth, where arms are straight lines.

Turning a galaxy moves this picture sideways, magnifying it moves it down, and a logarithmic spiral of whatever
orientation and size is a line whose slope is its pitch angle: to the left for S, to the right for Z. A convolution that
has learnt one such line has learnt them all, which a thousand labelled galaxies are enough for; on the sky's own pixels
the same number was not (experiments/LOG.md).
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

__all__ = ["COLUMNS", "EXTRA_CHANNELS", "ROWS", "log_polar"]

ROWS = 24
"""Radii, the last one at the picture's edge. A step of ln r is a step of azimuth, so that slopes are pitch angles."""
TURN = 64
"""Azimuths in a whole turn."""
OVERLAP = 16
"""Azimuths shown a second time at the end, so that an arm is cut nowhere."""
COLUMNS = TURN + OVERLAP
EXTRA_CHANNELS = 2
"""Beside the picture's own: how each radius differs from its mean, and each place from the azimuths around it."""
RING_SOFTNESS, NEAR_SOFTNESS = 0.05, 0.08
"""Light, in units of the picture's full range, below which a difference counts as small, whatever its share."""
RING_GAIN, NEAR_GAIN = 2.0, 6.0
NEAR_STEPS = 3.0
"""Standard deviation, in steps of ln r and of azimuth, of what is around a place."""


def log_polar(image: Float[Array, "n y x band"]) -> Float[Array, "n row column channel"]:
    """Pictures of any size unrolled about their middle, innermost radius first, azimuth counter-clockwise from +x.

    The channels are those of the picture, doubled; the grey picture's difference from its mean at the same radius; and
    its difference from a Gaussian around it; both as shares of the light there, squashed to ±1. Interpolated linearly.
    """
    _, height, width, _ = image.shape
    radius = (min(height, width) / 2 - 1) * np.exp((np.arange(ROWS) - (ROWS - 1)) * 2 * np.pi / TURN)
    azimuth = np.arange(TURN) * 2 * np.pi / TURN
    y = (height - 1) / 2 - radius[:, None] * np.sin(azimuth)  # the first row is the picture's top
    x = (width - 1) / 2 + radius[:, None] * np.cos(azimuth)
    unrolled = _at(image, y, x)
    grey = unrolled.mean(axis=-1, keepdims=True)
    ring = grey.mean(axis=2, keepdims=True)
    near = _around(grey)
    differs = jnp.tanh(RING_GAIN * (grey - ring) / (ring + RING_SOFTNESS))
    stands_out = jnp.tanh(NEAR_GAIN * (grey - near) / (near + NEAR_SOFTNESS))
    whole = jnp.concatenate([2 * unrolled, differs, stands_out], axis=-1)
    return jnp.concatenate([whole, whole[:, :, :OVERLAP]], axis=2)


def _at(image: Float[Array, "n y x band"], y: np.ndarray, x: np.ndarray) -> Float[Array, "n row column band"]:
    """Bilinear interpolation of every picture at the same places, all of them inside."""
    number, height, width, bands = image.shape
    top = np.clip(np.floor(y).astype(int), 0, max(height - 2, 0))
    left = np.clip(np.floor(x).astype(int), 0, max(width - 2, 0))
    down, right = np.clip(y - top, 0, 1), np.clip(x - left, 0, 1)
    pixels = image.reshape(number, height * width, bands)

    def corner(below: int, beside: int, share: np.ndarray) -> jax.Array:
        place = np.minimum(top + below, height - 1) * width + np.minimum(left + beside, width - 1)
        return pixels[:, place.ravel()] * jnp.asarray(share.ravel()[None, :, None], image.dtype)

    total = corner(0, 0, (1 - down) * (1 - right)) + corner(0, 1, (1 - down) * right)
    total = total + corner(1, 0, down * (1 - right)) + corner(1, 1, down * right)
    return total.reshape(number, *y.shape, bands)


def _around(grey: Float[Array, "n row column 1"]) -> Float[Array, "n row column 1"]:
    """A Gaussian mean around each place, that goes round the turn; the outermost and innermost rows go on beyond."""
    reach = round(2.5 * NEAR_STEPS)
    taps = np.exp(-0.5 * (np.arange(-reach, reach + 1) / NEAR_STEPS) ** 2)
    taps = (taps / taps.sum()).tolist()
    for axis, way in ((1, "edge"), (2, "wrap")):
        margin = [(reach, reach) if a == axis else (0, 0) for a in range(4)]
        padded = jnp.pad(grey, margin, mode=way)
        side = grey.shape[axis]
        total = jnp.zeros_like(grey)
        for k, tap in enumerate(taps):
            total = total + tap * jax.lax.slice_in_dim(padded, k, k + side, axis=axis)
        grey = total
    return grey
