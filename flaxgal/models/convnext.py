"""ConvNeXt (Liu et al. 2022), version 1 with the patch stem: the encoder that Zoobot's published weights are of.

Layer by layer the network of timm's convnext_atto, femto, pico, nano, tiny, small, base and large; only the formulation
of the depthwise convolution and the order of numbers in the kernels are ours. `flaxgal.transfer` brings weights over.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from flaxgal.models.blocks import Downsample, Image, Key, dropout, mix_channels, on_images

__all__ = ["ConvNextBlock", "ConvNextDown", "LayerNorm", "convnext_levels", "depthwise"]

STEM, KERNEL, EXPANSION = 4, 7, 4
GAMMA = 1e-6  # of an untrained network: a block changes next to nothing
small_normal = nnx.initializers.truncated_normal(0.02)


def convnext_levels(
    bands: int, widths: tuple[int, ...], *, blocks: tuple[int, ...], rates: tuple[float, ...], rngs: nnx.Rngs
) -> list[nnx.Module]:
    """Levels of ConvNeXt blocks: the finest 4 times smaller than the picture, each other half the one before."""
    levels = enumerate(zip((bands, *widths[:-1]), widths, blocks, rates, strict=True))
    return [
        ConvNextDown(channels, out, finest=level == 0, blocks=count, rate=rate, rngs=rngs)
        for level, (channels, out, count, rate) in levels
    ]


class LayerNorm(nnx.Module):
    """Zero mean and unit variance over the channels of each pixel (Ba, Kiros & Hinton 2016), in float32."""

    def __init__(self, channels: int, *, epsilon: float = 1e-6):
        self.scale = nnx.Param(jnp.ones(channels, jnp.float32))
        self.bias = nnx.Param(jnp.zeros(channels, jnp.float32))
        self.epsilon = epsilon

    def __call__(self, image: Float[Array, "*pixels channel"]) -> Float[Array, "*pixels channel"]:
        """The pixels, or features, normalised."""
        wide = image.astype(jnp.float32)
        centred = wide - jnp.mean(wide, axis=-1, keepdims=True)
        variance = jnp.mean(jnp.square(centred), axis=-1, keepdims=True)
        each = (1,) * (image.ndim - 1)
        scale, bias = self.scale[...].reshape(*each, -1), self.bias[...].reshape(*each, -1)
        return (centred * jax.lax.rsqrt(variance + self.epsilon) * scale + bias).astype(image.dtype)


class ConvNextBlock(nnx.Module):
    """The image plus `gamma` times a depthwise 7 × 7 convolution, LayerNorm, four times the channels, GELU, and back.

    While training, all that the block adds to a galaxy is left out at the rate given: stochastic depth (Huang et al.
    2016).
    """

    def __init__(self, channels: int, *, rate: float, rngs: nnx.Rngs):
        wide = EXPANSION * channels
        self.depthwise = nnx.Param(small_normal(rngs.params(), (KERNEL, KERNEL, channels), jnp.float32))
        self.depthwise_bias = nnx.Param(jnp.zeros(channels, jnp.float32))
        self.norm = LayerNorm(channels)
        self.expand = nnx.Param(small_normal(rngs.params(), (channels, wide), jnp.float32))
        self.expand_bias = nnx.Param(jnp.zeros(wide, jnp.float32))
        self.contract = nnx.Param(small_normal(rngs.params(), (wide, channels), jnp.float32))
        self.contract_bias = nnx.Param(jnp.zeros(channels, jnp.float32))
        self.gamma = nnx.Param(jnp.full(channels, GAMMA, jnp.float32))
        self.rate = rate

    def __call__(self, image: Image, *, key: Key = None) -> Image:
        """The image and what the block adds to it."""
        change = depthwise(image, self.depthwise[...].astype(image.dtype)) + on_images(self.depthwise_bias[...], image)
        change = mix_channels(self.norm(change), self.expand[...]) + on_images(self.expand_bias[...], image)
        change = mix_channels(jax.nn.gelu(change, approximate=False), self.contract[...])
        change = (change + on_images(self.contract_bias[...], image)) * on_images(self.gamma[...], image)
        kept = dropout(jnp.ones((image.shape[0], 1, 1, 1), image.dtype), self.rate, key)
        return image + kept * change


class ConvNextDown(nnx.Module):
    """A level on the way down: patches of 4 × 4 at the finest level, else half the size; then ConvNeXt blocks."""

    def __init__(self, channels: int, out: int, *, finest: bool, blocks: int, rate: float, rngs: nnx.Rngs):
        self.entry = Downsample(channels, out, factor=STEM if finest else 2, init=small_normal, rngs=rngs)
        self.norm = LayerNorm(out if finest else channels)
        self.blocks = nnx.List(ConvNextBlock(out, rate=rate, rngs=rngs) for _ in range(blocks))
        self.finest = finest

    def __call__(self, image: Image, *, key: Key = None) -> Array:
        """Features at this level."""
        image = self.enter(image)
        for number, block in enumerate(self.blocks):
            image = block(image, key=None if key is None else jax.random.fold_in(key, number))
        return image

    def enter(self, image: Image) -> Array:
        """The smaller image that the blocks begin with: normalised after the stem, but before any other entry."""
        return self.norm(self.entry(image)) if self.finest else self.entry(self.norm(image))


@jax.custom_vjp
def depthwise(image: Image, kernel: Float[Array, "ky kx channel"]) -> Image:
    """Each channel of a zero-padded image convolved with its own kernel.

    The sum of the image's 49 shifts, each times its weights, takes XLA on a CPU a tenth of the time of its grouped
    convolution. Differentiated by XLA it would take as long as that, so its gradients are written down: the image's is
    the same sum with the kernel turned, the kernel's a sum of products for each shift, a row of them at a time.
    """
    padded, (y, x) = _padded(image, kernel), image.shape[1:3]
    return sum(
        padded[:, row : row + y, column : column + x] * kernel[row, column][None, None, None]
        for row in range(kernel.shape[0])
        for column in range(kernel.shape[1])
    )  # pyright: ignore[reportReturnType]


def _depthwise_forward(image, kernel):
    return depthwise(image, kernel), (image, kernel)


def _depthwise_backward(known, gradient):
    image, kernel = known
    padded = _padded(image, kernel)

    def of_row(row):
        shifted = (jax.lax.dynamic_slice(padded, (0, row, column, 0), image.shape) for column in range(kernel.shape[1]))
        return jnp.stack([jnp.sum(shift * gradient, axis=(0, 1, 2), dtype=jnp.float32) for shift in shifted])

    by_kernel = jax.lax.map(of_row, jnp.arange(kernel.shape[0])).astype(kernel.dtype)
    return depthwise(gradient, kernel[::-1, ::-1]), by_kernel


depthwise.defvjp(_depthwise_forward, _depthwise_backward)


def _padded(image: Image, kernel: Float[Array, "ky kx channel"]) -> Array:
    """The image with as much zero around it as the kernel reaches."""
    rows, columns = kernel.shape[0] // 2, kernel.shape[1] // 2
    return jnp.pad(image, ((0, 0), (rows, rows), (columns, columns), (0, 0)))
