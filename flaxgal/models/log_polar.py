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

__all__ = ["EXTRA_CHANNELS", "OVERLAP", "log_polar", "ring_measures", "ring_number"]

OVERLAP = 4
"""One in so many azimuths is shown a second time at the end, so that an arm is cut nowhere."""
EXTRA_CHANNELS = 2
"""Beside the picture's own: how each radius differs from its mean, and each place from the azimuths around it."""
RING_SOFTNESS, NEAR_SOFTNESS = 0.05, 0.08
"""Light, in units of the picture's full range, below which a difference counts as small, whatever its share."""
RING_GAIN, NEAR_GAIN = 2.0, 6.0
FAINTEST = 0.005
"""Scatter or amplitude of a ring that is as good as none."""
TYPICAL = (-1.85, -2.6, -3.7, -4.4, -4.5)
"""Logarithms of a ring's scatter and of its Fourier amplitudes of orders 1 to 4, on average over mock galaxies."""
ORDERS = 4
NEAR_TURN = 3 / 64
"""Standard deviation, as a share of a turn and as much in ln r, of what is around a place."""


def log_polar(image: Float[Array, "n y x band"], *, rows: int, azimuths: int) -> Float[Array, "n row column channel"]:
    """Pictures of any size unrolled about their middle, innermost radius first, azimuth counter-clockwise from +x.

    The outermost of the `rows` is at the picture's edge. A step of ln r is a step of azimuth, of which a turn has
    `azimuths`, so that slopes are pitch angles. A quarter of the turn is shown a second time.

    The channels are those of the picture, doubled; the grey picture's difference from its mean at the same radius; and
    its difference from a Gaussian around it; both as shares of the light there, squashed to ±1. Interpolated linearly.
    """
    _, height, width, _ = image.shape
    radius = (min(height, width) / 2 - 1) * np.exp((np.arange(rows) - (rows - 1)) * 2 * np.pi / azimuths)
    azimuth = np.arange(azimuths) * 2 * np.pi / azimuths
    y = (height - 1) / 2 - radius[:, None] * np.sin(azimuth)  # the first row is the picture's top
    x = (width - 1) / 2 + radius[:, None] * np.cos(azimuth)
    unrolled = _at(image, y, x)
    grey = unrolled.mean(axis=-1, keepdims=True)
    ring = grey.mean(axis=2, keepdims=True)
    near = _around(grey, NEAR_TURN * azimuths)
    differs = jnp.tanh(RING_GAIN * (grey - ring) / (ring + RING_SOFTNESS))
    stands_out = jnp.tanh(NEAR_GAIN * (grey - near) / (near + NEAR_SOFTNESS))
    whole = jnp.concatenate([2 * unrolled, differs, stands_out], axis=-1)
    return jnp.concatenate([whole, whole[:, :, : azimuths // OVERLAP]], axis=2)


def ring_measures(unrolled: Float[Array, "n row column channel"]) -> Float[Array, "n measure"]:
    """What does not change when a galaxy is turned or mirrored: the light of each ring, and how uneven it is.

    Of each channel of `log_polar`: every ring's mean and its difference from the next ring's, ten times, which steep
    profiles need; and the logarithms of its scatter and of its Fourier amplitudes of orders 1 to 4. All about 0, as a
    dense layer learns from them several times faster than from numbers that are not.
    """
    turn = unrolled.shape[2] * OVERLAP // (OVERLAP + 1)
    ring = unrolled[:, :, :turn]
    mean = ring.mean(axis=2)
    phase = np.outer(np.arange(1, ORDERS + 1), np.arange(turn) * 2 * np.pi / turn)
    cosine, sine = (jnp.einsum("nyxc,mx->nmyc", ring, wave / turn) for wave in (np.cos(phase), np.sin(phase)))
    squares = jnp.concatenate([ring.var(axis=2)[:, None], cosine**2 + sine**2], axis=1)
    uneven = jnp.log(squares + FAINTEST**2) / 2 - jnp.asarray(TYPICAL)[None, :, None, None]
    parts = (mean - 0.6, 10 * jnp.diff(mean, axis=1), uneven)
    return jnp.concatenate([part.reshape(len(part), -1) for part in parts], axis=1)


def ring_number(rows: int, channels: int) -> int:
    """How many measures the rings of a galaxy have."""
    return channels * (2 * rows - 1 + rows * len(TYPICAL))


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


def _around(grey: Float[Array, "n row column 1"], steps: float) -> Float[Array, "n row column 1"]:
    """A Gaussian mean around each place, that goes round the turn; the outermost and innermost rows go on beyond."""
    reach = round(2.5 * steps)
    taps = np.exp(-0.5 * (np.arange(-reach, reach + 1) / steps) ** 2)
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
