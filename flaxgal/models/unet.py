"""A U-Net (Ronneberger, Fischer & Brox 2015): pictures of galaxies in, a map of logits for each class out."""

import itertools
import math

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from flaxgal.config import UNetConfig
from flaxgal.models.blocks import Convolution, GroupNorm, PlainUp, ResidualDown, ResidualUp
from flaxgal.models.convnext import convnext_levels
from flaxgal.models.encoder import endless_keys, plain_levels, residual_levels

__all__ = ["UNet", "pad_to_multiple", "parameter_count", "predict_batch"]


class UNet(nnx.Module):
    """Where the arms are in each picture, as logits: `jax.nn.sigmoid` makes probabilities of them.

    The module is a pytree of float32 weights and nothing else, so that `jax.jit`, `jax.grad` and
    `optax.apply_updates` work on it directly. Its way down, `down`, is that of `Classifier`: with the same bands,
    widths and blocks the leaves below `down/` of either serve the other. A ConvNeXt's levels begin at a quarter of the
    picture's size; `fine` is what the way up is given at half the size and at the whole.

    Parameters
    ----------
    config : UNetConfig
        Shape and arithmetic of the network.
    rngs : flax.nnx.Rngs
        Source of the initial weights, `nnx.Rngs(params=seed)`; not kept.
    """

    def __init__(self, config: UNetConfig, rngs: nnx.Rngs):
        self.config = config
        widths, rates, blocks = config.widths, config.level_dropout, config.level_blocks
        bands = len(config.bands)
        coarser_first = list(reversed(range(len(widths) - 1)))
        finest, fine = widths[0], []
        if config.block == "plain":
            down = plain_levels(bands, widths, rates=rates, rngs=rngs)
            up = [PlainUp(widths[level + 1], widths[level], rate=rates[level], rngs=rngs) for level in coarser_first]
        elif config.block == "convnext":
            down = convnext_levels(bands, widths, blocks=blocks, rates=rates, rngs=rngs)
            finest = _finer(_finer(widths[0]))
            fine = [
                ResidualDown(bands, width, factor=factor, blocks=0, rate=0.0, rngs=rngs)
                for width, factor in ((finest, 1), (_finer(widths[0]), 2))
            ]
            upward = [*reversed(widths), _finer(widths[0]), finest]
            up = [
                ResidualUp(channels, out, blocks=1, rate=0.0, rngs=rngs) for channels, out in itertools.pairwise(upward)
            ]
        else:
            down = residual_levels(bands, widths, blocks=blocks, rates=rates, stem=1, rngs=rngs)
            up = [
                ResidualUp(widths[level + 1], widths[level], blocks=blocks[level], rate=rates[level], rngs=rngs)
                for level in coarser_first
            ]
        self.down, self.up, self.fine = nnx.List(down), nnx.List(up), nnx.List(fine)
        self.head = _Head(config, finest, rngs)

    def __call__(
        self, image: Float[Array, "n y x band"], *, key: jax.Array | None = None
    ) -> Float[Array, "n y x class"]:
        """Logits of each class at each pixel, float32.

        Parameters
        ----------
        image : array, (n, y, x, band)
            Pictures in 0..1; y and x are multiples of `config.size_multiple` (`pad_to_multiple` makes them so).
        key : jax.Array, optional
            Random key for dropout, while training; without it the network is deterministic.

        Raises
        ------
        ValueError
            If the bands are not those of the config in number, or a side is not such a multiple.
        """
        self._check(image.shape)
        keys = endless_keys(key)
        image = image.astype(self.config.dtype)
        levels = [fine(image) for fine in self.fine]
        for down in self.down:
            image = down(image, key=next(keys))
            levels.append(image)
        image = levels.pop()
        for up in self.up:
            image = up(image, levels.pop(), key=next(keys))
        return self.head(image)

    def _check(self, shape: tuple[int, ...]) -> None:
        """Raises ValueError for pictures this network cannot take."""
        _, y, x, band = shape
        multiple = self.config.size_multiple
        if band != len(self.config.bands):
            raise ValueError(
                f"the network was made for {len(self.config.bands)} band(s) ({' '.join(self.config.bands)}), the "
                f"pictures have {band}: choose those bands when the pictures are made, or another network"
            )
        if y % multiple or x % multiple:
            raise ValueError(
                f"pictures of {y} × {x} pixels cannot be halved {self.config.halvings} times: the sides must be "
                f"multiples of {multiple}; pad them with flaxgal.models.unet.pad_to_multiple"
            )


@jax.jit
def predict_batch(model: UNet, image: Float[Array, "n y x band"]) -> Float[Array, "n y x class"]:
    """Probability of each class at each pixel, for pictures in 0..1 whose sides the network can halve."""
    return jax.nn.sigmoid(model(image))


class _Head(nnx.Module):
    """The last layer: features to logits, in float32, starting out at `config.initial_probability` everywhere."""

    def __init__(self, config: UNetConfig, width: int, rngs: nnx.Rngs):
        plain = config.block == "plain"
        self.norm = None if plain else GroupNorm(width)
        self.convolution = Convolution(
            width,
            len(config.classes),
            size=1 if plain else 3,
            init=nnx.initializers.lecun_normal(),
            rngs=rngs,
        )
        odds = config.initial_probability / (1.0 - config.initial_probability)
        self.convolution.bias[...] += math.log(odds)

    def __call__(self, image: Float[Array, "n y x channel"]) -> Float[Array, "n y x class"]:
        image = image.astype(jnp.float32)
        return self.convolution(image if self.norm is None else jax.nn.relu(self.norm(image)))


def _finer(width: int) -> int:
    """Channels at twice the size: half as many, in whole groups of 8."""
    return 8 * max(1, -(-width // 16))


def parameter_count(model: nnx.Module) -> int:
    """Number of weights that training adjusts."""
    return sum(leaf.size for leaf in jax.tree.leaves(model))


def pad_to_multiple(image: Float[Array, "n y x band"], multiple: int) -> Float[Array, "n yy xx band"]:
    """Pictures with sky (zeros) added after the last row and column until both sides are multiples of `multiple`."""
    _, y, x, _ = image.shape
    return jnp.pad(image, ((0, 0), (0, -y % multiple), (0, -x % multiple), (0, 0)))
