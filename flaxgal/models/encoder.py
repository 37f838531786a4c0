"""The way down of a network: what the U-Net and the classifier share, so that the weights of one serve the other.

An encoder is the attribute `down` of a network, a list of levels, finest first. Its weights are the leaves of the
network whose path begins with `down/`; two networks whose bands, widths, blocks and stem agree have the same ones.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from flaxgal.models.blocks import PlainDown, PooledDown, ResidualDown

__all__ = ["endless_keys", "pad_around", "plain_levels", "pooled_levels", "residual_levels"]

C2_KERNELS = ((7,), (5, 5), (3,))


def residual_levels(
    bands: int,
    widths: tuple[int, ...],
    *,
    blocks: tuple[int, ...],
    rates: tuple[float, ...],
    stem: int,
    rngs: nnx.Rngs,
) -> list[nnx.Module]:
    """Levels of residual blocks: the finest `stem` times smaller than the picture, each other half the one before."""
    factors = (stem, *(2 for _ in widths[1:]))
    levels = zip((bands, *widths[:-1]), widths, factors, blocks, rates, strict=True)
    return [
        ResidualDown(channels, out, factor=factor, blocks=count, rate=rate, rngs=rngs)
        for channels, out, factor, count, rate in levels
    ]


def plain_levels(bands: int, widths: tuple[int, ...], *, rates: tuple[float, ...], rngs: nnx.Rngs) -> list[nnx.Module]:
    """The levels of the seed's U-Net: the finest at the picture's size, each other half of the one before."""
    levels = zip((bands, *widths[:-1]), widths, rates, strict=True)
    return [
        PlainDown(channels, out, finest=level == 0, rate=rate, rngs=rngs)
        for level, (channels, out, rate) in enumerate(levels)
    ]


def pooled_levels(bands: int, widths: tuple[int, ...], *, rates: tuple[float, ...], rngs: nnx.Rngs) -> list[nnx.Module]:
    """The levels of the seed's classifier, C2: one convolution of 7 × 7, two of 5 × 5, one of 3 × 3."""
    levels = zip((bands, *widths[:-1]), widths, C2_KERNELS, rates, strict=True)
    return [PooledDown(channels, out, sizes=sizes, rate=rate, rngs=rngs) for channels, out, sizes, rate in levels]


def endless_keys(key: jax.Array | None):
    """Independent keys made from one, without end; None for ever when there is none."""
    number = 0
    while True:
        yield None if key is None else jax.random.fold_in(key, number)
        number += 1


def pad_around(image: Float[Array, "n y x band"], multiple: int) -> Float[Array, "n yy xx band"]:
    """Pictures with sky (zeros) added on all sides until both sides are multiples of `multiple`."""
    _, y, x, _ = image.shape
    rows, columns = -y % multiple, -x % multiple
    around = ((0, 0), (rows // 2, rows - rows // 2), (columns // 2, columns - columns // 2), (0, 0))
    return jnp.pad(image, around)
