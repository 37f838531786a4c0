"""Parts of a U-Net, in formulations that XLA runs fast on a CPU as well as on an accelerator.

Every module is a plain pytree of float32 weights: no random keys and no running statistics are stored, so `jax.jit`,
`jax.grad` and `optax.apply_updates` take it as it is. Images are (n, y, x, channel).
"""

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, UInt32

__all__ = [
    "Convolution",
    "Dense",
    "Downsample",
    "GroupNorm",
    "PlainBlock",
    "PlainDown",
    "PlainUp",
    "PooledDown",
    "ResidualBlock",
    "ResidualDown",
    "ResidualUp",
    "Upsample",
    "convolve",
    "depth_to_space",
    "dropout",
    "max_pool",
    "mix_channels",
    "on_images",
    "space_to_depth",
]

Image = Float[Array, "n y x channel"]
Key = jax.Array | None

he_normal = nnx.initializers.he_normal()
lecun_normal = nnx.initializers.lecun_normal()


def convolve(image: Image, kernel: Float[Array, "ky kx channel out"], padding: str = "SAME") -> Array:
    """Convolution in the image's own precision: "SAME" pads with zeros and keeps the size, "VALID" sees no borders."""
    layout = ("NHWC", "HWIO", "NHWC")
    return jax.lax.conv_general_dilated(image, kernel.astype(image.dtype), (1, 1), padding, dimension_numbers=layout)


def max_pool(image: Image) -> Float[Array, "n y/2 x/2 channel"]:
    """The brightest of each 2 × 2 pixels, as the maximum of four strided slices (a third of `nnx.max_pool`'s time)."""
    top, bottom = image[:, 0::2], image[:, 1::2]
    rows = jnp.maximum(top, bottom)
    return jnp.maximum(rows[:, :, 0::2], rows[:, :, 1::2])


def space_to_depth(image: Image, factor: int = 2) -> Float[Array, "n yy xx out"]:
    """Each `factor` × `factor` pixels side by side in the channels, in the order (row, column, channel)."""
    n, y, x, channel = image.shape
    rows, columns = y // factor, x // factor
    blocks = image.reshape(n, rows, factor, columns, factor, channel).transpose(0, 1, 3, 2, 4, 5)
    return blocks.reshape(n, rows, columns, factor**2 * channel)


def depth_to_space(image: Image) -> Float[Array, "n 2*y 2*x channel/4"]:
    """The inverse of `space_to_depth`."""
    n, y, x, channel = image.shape
    blocks = image.reshape(n, y, x, 2, 2, channel // 4).transpose(0, 1, 3, 2, 4, 5)
    return blocks.reshape(n, 2 * y, 2 * x, channel // 4)


def dropout(image: Float[Array, "*shape"], rate: float, key: Key) -> Float[Array, "*shape"]:
    """The image or features with a share `rate` set to zero and the rest scaled up; unchanged when key is None."""
    if key is None or rate == 0.0:
        return image
    kept = _hashed_pixels(key, image.shape) >= jnp.uint32(round(rate * 2**32))
    return jnp.where(kept, image / (1.0 - rate), jnp.zeros((), image.dtype))


def _hashed_pixels(key: jax.Array, shape: tuple[int, ...]) -> UInt32[Array, "..."]:
    """32 random bits for each value of an image: its number, mixed with the key by Wellons' "lowbias32" hash (2018).

    JAX's own generator, good enough for cryptography, took 10 % of a training step on a CPU; this takes nothing that
    can be measured, since XLA computes it on the fly. It is the same on every device and for every sharding.
    """
    number = jnp.zeros((1,) * len(shape), jnp.uint32)
    for axis, length in enumerate(shape):
        along = tuple(length if other == axis else 1 for other in range(len(shape)))
        number = number * jnp.uint32(length) + jax.lax.broadcasted_iota(jnp.uint32, along, axis)
    first, second = jax.random.bits(key, (2,), jnp.uint32)
    mixed = number ^ first
    mixed = (mixed ^ (mixed >> 16)) * jnp.uint32(0x7FEB352D)
    mixed = ((mixed ^ (mixed >> 15)) + second) * jnp.uint32(0x846CA68B)
    return mixed ^ (mixed >> 16)


def mix_channels(image: Image, kernel: Float[Array, "channel out"]) -> Float[Array, "n y x out"]:
    """The matrix product of each pixel's channels with the kernel, in the image's own precision.

    Written as one product of two matrices: given `image @ kernel`, XLA on a CPU transposes the whole image for the
    gradient by the kernel, which made upsampling take twice as long.
    """
    pixels = image.reshape(-1, image.shape[-1]) @ kernel.astype(image.dtype)
    return pixels.reshape(*image.shape[:-1], kernel.shape[-1])


class Convolution(nnx.Module):
    """A convolution with bias, of one image or of several that stand for their concatenation along the channels.

    The parts of a concatenation are convolved one by one with their share of the kernel and added up, which gives the
    same numbers without writing the concatenation to memory.
    """

    def __init__(
        self, channels: int, out: int, *, size: int = 3, padding: str = "SAME", init=he_normal, rngs: nnx.Rngs
    ):
        self.kernel = nnx.Param(init(rngs.params(), (size, size, channels, out), jnp.float32))
        self.bias = nnx.Param(jnp.zeros(out, jnp.float32))
        self.padding = padding

    def __call__(self, *images: Float[Array, "n y x _"]) -> Float[Array, "n yy xx out"]:
        """The sum of the parts' convolutions, and the bias."""
        first, total = 0, on_images(self.bias[...], images[0])
        for image in images:
            last = first + image.shape[-1]
            total = total + convolve(image, self.kernel[:, :, first:last], self.padding)
            first = last
        return total


class Upsample(nnx.Module):
    """Twice the size by a transposed 2 × 2 convolution with stride 2: a matrix product and a depth-to-space."""

    def __init__(self, channels: int, out: int, *, init=lecun_normal, rngs: nnx.Rngs):
        self.kernel = nnx.Param(init(rngs.params(), (channels, 4 * out), jnp.float32))
        self.bias = nnx.Param(jnp.zeros(out, jnp.float32))

    def __call__(self, image: Image) -> Float[Array, "n 2*y 2*x out"]:
        """The image at twice the size."""
        pixels = mix_channels(image, self.kernel[...])
        return depth_to_space(pixels + on_images(jnp.tile(self.bias[...], 4), image))


class Downsample(nnx.Module):
    """`factor` times smaller by a convolution that strides by its own size: a space-to-depth and a matrix product."""

    def __init__(self, channels: int, out: int, *, factor: int = 2, init=lecun_normal, rngs: nnx.Rngs):
        self.kernel = nnx.Param(init(rngs.params(), (factor**2 * channels, out), jnp.float32))
        self.bias = nnx.Param(jnp.zeros(out, jnp.float32))
        self.factor = factor

    def __call__(self, image: Image) -> Float[Array, "n yy xx out"]:
        """The image, `factor` times smaller on each side."""
        return mix_channels(space_to_depth(image, self.factor), self.kernel[...]) + on_images(self.bias[...], image)


class Dense(nnx.Module):
    """A matrix product and a bias for each galaxy's features."""

    def __init__(self, features: int, out: int, *, init=he_normal, rngs: nnx.Rngs):
        self.kernel = nnx.Param(init(rngs.params(), (features, out), jnp.float32))
        self.bias = nnx.Param(jnp.zeros(out, jnp.float32))

    def __call__(self, features: Float[Array, "n feature"]) -> Float[Array, "n out"]:
        """Features of the next layer."""
        return features @ self.kernel[...] + self.bias[...][None]


class GroupNorm(nnx.Module):
    """Group normalisation (Wu & He 2018): zero mean and unit variance over the pixels and channels of each group.

    The moments are taken a channel at a time in one pass over the image, in float32, and the whole normalisation is
    then one multiplication and one addition a pixel.
    """

    def __init__(self, channels: int, *, group_width: int = 8, epsilon: float = 1e-5):
        self.scale = nnx.Param(jnp.ones(channels, jnp.float32))
        self.bias = nnx.Param(jnp.zeros(channels, jnp.float32))
        self.groups = max(1, channels // group_width)
        if channels % self.groups:  # a width that is no multiple of 8: as many groups as go into it
            self.groups = next(groups for groups in range(self.groups, 0, -1) if channels % groups == 0)
        self.epsilon = epsilon

    def __call__(self, image: Image) -> Image:
        """The image, normalised."""
        wide = image.astype(jnp.float32)
        mean = self._over_groups(jnp.mean(wide, axis=(1, 2)))
        square = self._over_groups(jnp.mean(wide * wide, axis=(1, 2)))
        variance = jnp.maximum(square - mean * mean, 0.0)
        factor = self.scale[...][None] * jax.lax.rsqrt(variance + self.epsilon)
        offset = self.bias[...][None] - mean * factor
        return (wide * factor[:, None, None] + offset[:, None, None]).astype(image.dtype)

    def _over_groups(self, moments: Float[Array, "n channel"]) -> Float[Array, "n channel"]:
        """Each channel's moment replaced by the mean of its group's."""
        n, channel = moments.shape
        grouped = moments.reshape(n, self.groups, channel // self.groups)
        return jnp.broadcast_to(jnp.mean(grouped, axis=2, keepdims=True), grouped.shape).reshape(n, channel)


class PlainBlock(nnx.Module):
    """Two 3 × 3 convolutions with ReLU, and dropout between them: the seed's block."""

    def __init__(self, channels: int, out: int, *, rate: float, rngs: nnx.Rngs):
        self.first = Convolution(channels, out, rngs=rngs)
        self.second = Convolution(out, out, rngs=rngs)
        self.rate = rate

    def __call__(self, *images: Float[Array, "n y x _"], key: Key = None) -> Float[Array, "n y x out"]:
        """Features of one image, or of several that stand for their concatenation."""
        image = dropout(jax.nn.relu(self.first(*images)), self.rate, key)
        return jax.nn.relu(self.second(image))


class ResidualBlock(nnx.Module):
    """The image plus two convolutions of it, each after GroupNorm and ReLU (He et al. 2016, pre-activation)."""

    def __init__(self, channels: int, *, rate: float, rngs: nnx.Rngs):
        self.first_norm = GroupNorm(channels)
        self.first = Convolution(channels, channels, rngs=rngs)
        self.second_norm = GroupNorm(channels)
        self.second = Convolution(channels, channels, init=nnx.initializers.zeros_init(), rngs=rngs)
        self.rate = rate

    def __call__(self, image: Image, *, key: Key = None) -> Image:
        """The image and what the block adds to it."""
        change = self.first(jax.nn.relu(self.first_norm(image)))
        change = dropout(jax.nn.relu(self.second_norm(change)), self.rate, key)
        return image + self.second(change)


class PlainDown(nnx.Module):
    """A level on the way down, the seed's way: max-pooling (not at the finest level), then a plain block."""

    def __init__(self, channels: int, out: int, *, finest: bool, rate: float, rngs: nnx.Rngs):
        self.block = PlainBlock(channels, out, rate=rate, rngs=rngs)
        self.finest = finest

    def __call__(self, image: Image, *, key: Key = None) -> Array:
        """Features at this level."""
        return self.block(image if self.finest else max_pool(image), key=key)


class PooledDown(nnx.Module):
    """A level on the way down, Cavanagh's way: convolutions that see no borders, with ReLU, then max-pooling."""

    def __init__(self, channels: int, out: int, *, sizes: tuple[int, ...], rate: float, rngs: nnx.Rngs):
        inputs = (channels, *(out for _ in sizes[1:]))
        self.convolutions = nnx.List(
            Convolution(channel, out, size=size, padding="VALID", rngs=rngs)
            for channel, size in zip(inputs, sizes, strict=True)
        )
        self.rate = rate

    def __call__(self, image: Image, *, key: Key = None) -> Array:
        """Features at this level."""
        for convolution in self.convolutions:
            image = jax.nn.relu(convolution(image))
        _, y, x, _ = image.shape
        return dropout(max_pool(image[:, : y // 2 * 2, : x // 2 * 2]), self.rate, key)


class PlainUp(nnx.Module):
    """A level on the way up, the seed's way: upsampled, joined with the same level of the way down, a plain block."""

    def __init__(self, channels: int, out: int, *, rate: float, rngs: nnx.Rngs):
        self.upsample = Upsample(channels, out, rngs=rngs)
        self.block = PlainBlock(2 * out, out, rate=rate, rngs=rngs)

    def __call__(self, image: Image, skip: Float[Array, "n 2*y 2*x out"], *, key: Key = None) -> Array:
        """Features at this level, from those of the coarser one and of the way down."""
        return self.block(self.upsample(image), skip, key=key)


class ResidualDown(nnx.Module):
    """A level on the way down: `factor` times smaller (a 3 × 3 convolution where that is 1), then residual blocks."""

    def __init__(self, channels: int, out: int, *, factor: int, blocks: int, rate: float, rngs: nnx.Rngs):
        if factor == 1:
            self.entry = Convolution(channels, out, init=lecun_normal, rngs=rngs)
        else:
            self.entry = Downsample(channels, out, factor=factor, rngs=rngs)
        self.blocks = nnx.List(ResidualBlock(out, rate=rate, rngs=rngs) for _ in range(blocks))

    def __call__(self, image: Image, *, key: Key = None) -> Array:
        """Features at this level."""
        return _in_turn(self.blocks, self.entry(image), key)


class ResidualUp(nnx.Module):
    """A level on the way up: upsampled, added to the same level of the way down, residual blocks."""

    def __init__(self, channels: int, out: int, *, blocks: int, rate: float, rngs: nnx.Rngs):
        self.upsample = Upsample(channels, out, rngs=rngs)
        self.blocks = nnx.List(ResidualBlock(out, rate=rate, rngs=rngs) for _ in range(blocks))

    def __call__(self, image: Image, skip: Float[Array, "n 2*y 2*x out"], *, key: Key = None) -> Array:
        """Features at this level, from those of the coarser one and of the way down."""
        return _in_turn(self.blocks, self.upsample(image) + skip, key)


def on_images(values: Float[Array, "channel"], image: Array) -> Float[Array, "1 1 1 channel"]:
    """One value a channel, ready to meet images of the same precision."""
    return values.astype(image.dtype)[None, None, None]


def _in_turn(blocks, image: Image, key: Key) -> Array:
    """The image after each of the blocks, one after another, each with its own share of the randomness."""
    for number, block in enumerate(blocks):
        image = block(image, key=None if key is None else jax.random.fold_in(key, number))
    return image
