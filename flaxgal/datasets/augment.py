"""Augmentation on the device: one composed geometric change and one resampling, then what telescopes differ in.

Everything here is a pure function of a key, made to be traced inside the jitted training step.
"""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Key

from flaxgal.config import AugmentConfig

__all__ = ["augment", "augment_pictures", "blur", "draw_geometry", "resample"]


def augment(
    key: Key[Array, ""],
    image: Float[Array, "n y x band"],
    target: Float[Array, "n y x class"],
    weight: Float[Array, "n y x"],
    config: AugmentConfig,
) -> tuple[Float[Array, "n y x band"], Float[Array, "n y x class"], Float[Array, "n y x"]]:
    """The same galaxies as another night, another telescope or a mirror might have shown them.

    Every galaxy gets its own rotation, flip, zoom and shift, composed into one map, so that picture, target and
    weight are interpolated once, together. The picture alone is then blurred, stretched, dimmed, given noise and
    clipped to 0..1 as an 8-bit picture is. A config that changes nothing returns its input exactly.

    Parameters
    ----------
    image
        Pictures in 0..1, sky near 0.
    target
        Class maps or the fraction of people who marked a pixel, 0..1; moved, never brightened. A pixel's new target is
        the mean over what counts of the pixels it comes from: beside the frame's edge, an arm does not fade to half.
    weight
        0 where a pixel does not count.

    Returns
    -------
    image, target, weight
        Of the same shapes. Pixels that come from outside the frame have image, target and weight 0.
    """
    geometry_key, picture_key = jax.random.split(key)
    inside = jnp.ones_like(weight)[..., None]
    if _moves(config):
        number, height, width, bands = image.shape
        matrix, shift = draw_geometry(geometry_key, number, (height, width), config)
        counted = weight[..., None]
        stack = resample(jnp.concatenate([image, target * counted, counted, inside], axis=-1), matrix, shift)
        image, target, counted, inside = jnp.split(stack, (bands, stack.shape[-1] - 2, stack.shape[-1] - 1), axis=-1)
        target, weight = target / jnp.where(counted > 0, counted, 1.0), counted[..., 0]
    return _retouch(picture_key, image, inside, config), target, weight


def augment_pictures(
    key: Key[Array, ""], image: Float[Array, "n y x band"], config: AugmentConfig
) -> tuple[Float[Array, "n y x band"], Bool[Array, " n"]]:
    """The pictures that `augment` makes with the same key, and which of them are mirror images.

    In a mirror image an S-wise galaxy is a Z-wise one, so whoever says which it is must be told.
    """
    geometry_key, picture_key = jax.random.split(key)
    inside, mirrored = jnp.ones_like(image[..., :1]), jnp.zeros(len(image), bool)
    if _moves(config):
        matrix, shift = draw_geometry(geometry_key, len(image), (image.shape[1], image.shape[2]), config)
        stack = resample(jnp.concatenate([image, inside], axis=-1), matrix, shift)
        image, inside = stack[..., :-1], stack[..., -1:]
        mirrored = matrix[:, 0, 0] * matrix[:, 1, 1] < matrix[:, 0, 1] * matrix[:, 1, 0]
    return _retouch(picture_key, image, inside, config), mirrored


def _moves(config: AugmentConfig) -> bool:
    """Whether any galaxy can end up in another place than it was."""
    return config.rotate or config.flip or config.zoom != (1.0, 1.0) or config.shift > 0


def draw_geometry(
    key: Key[Array, ""], number: int, image_shape: tuple[int, int], config: AugmentConfig
) -> tuple[Float[Array, "n 2 2"], Float[Array, "n 2"]]:
    """Random maps for `resample`: rotation, flip and zoom as a matrix, the shift in pixels (y, x)."""
    angle, side, zoom, *shift = jnp.moveaxis(jax.random.uniform(key, (number, 5)), 1, 0)
    angle = (2 * math.pi if config.rotate else 0.0) * angle
    mirror = jnp.where(side < (0.5 if config.flip else 0.0), -1.0, 1.0)
    reach = 2 * config.shift * jnp.asarray([image_shape], jnp.float32)
    return inverse_matrix(angle, mirror, _between(config.zoom, zoom)), reach * (jnp.stack(shift, axis=1) - 0.5)


def inverse_matrix(
    angle_rad: Float[Array, " n"], mirror: Float[Array, " n"], zoom: Float[Array, " n"]
) -> Float[Array, "n 2 2"]:
    """The matrix from (y, x) offsets in the new picture to (y, x) offsets in the old one.

    The old picture is turned by `angle_rad` in the sense of `numpy.rot90`, then its x axis is reversed where `mirror`
    is -1 (which turns an S-wise galaxy into a Z-wise one), then it is magnified by `zoom`.
    """
    cosine, sine = jnp.cos(angle_rad), jnp.sin(angle_rad)
    rows = jnp.stack([cosine, mirror * sine]), jnp.stack([-sine, mirror * cosine])
    return jnp.moveaxis(jnp.stack(rows), -1, 0) / zoom[:, None, None]


def resample(
    stack: Float[Array, "n y x channel"], matrix: Float[Array, "n 2 2"], shift: Float[Array, "n 2"]
) -> Float[Array, "n y x channel"]:
    """Bilinear interpolation of each picture at `matrix @ (pixel - centre - shift) + centre`, zero beyond the frame.

    The same as `scipy.ndimage.affine_transform(order=1, mode="grid-constant")`, all channels in one pass of four
    gathers. The gathers are batched over pictures, so that a batch split over devices needs no communication.
    """
    number, height, width, _ = stack.shape
    y, x = jnp.meshgrid(jnp.arange(height) - (height - 1) / 2, jnp.arange(width) - (width - 1) / 2, indexing="ij")
    y, x = y.reshape(1, -1) - shift[:, :1], x.reshape(1, -1) - shift[:, 1:]
    # By hand, in float32: a matrix product may run in lower precision on accelerators, which would move the pixels.
    source_y = matrix[:, 0, :1] * y + matrix[:, 0, 1:] * x + (height - 1) / 2
    source_x = matrix[:, 1, :1] * y + matrix[:, 1, 1:] * x + (width - 1) / 2
    source_y, source_x = jnp.clip(source_y, -1.0, height), jnp.clip(source_x, -1.0, width)
    corner_y, corner_x = jnp.floor(source_y), jnp.floor(source_x)
    down, right = (source_y - corner_y)[..., None], (source_x - corner_x)[..., None]

    row = width + 3  # one pixel of nothing before each axis and two after it
    padded = jnp.pad(stack, ((0, 0), (1, 2), (1, 2), (0, 0))).reshape(number, row * (height + 3), -1)
    first = ((corner_y + 1) * row + corner_x + 1).astype(jnp.int32)

    def neighbour(step: int) -> jax.Array:
        return jax.vmap(lambda pixels, index: pixels[index])(padded, first + step)

    upper = (1 - right) * neighbour(0) + right * neighbour(1)
    lower = (1 - right) * neighbour(row) + right * neighbour(row + 1)
    return ((1 - down) * upper + down * lower).reshape(stack.shape)


def blur(
    image: Float[Array, "n y x band"], sigma_pixels: Float[Array, " n"], radius: int
) -> Float[Array, "n y x band"]:
    """Each picture convolved with its own round Gaussian, cut at `radius` pixels; edges are repeated outwards."""
    steps = jnp.arange(-radius, radius + 1)[None, :]
    taps = jnp.exp(-0.5 * (steps / jnp.maximum(sigma_pixels, 1e-3)[:, None]) ** 2)
    taps = (taps / taps.sum(-1, keepdims=True))[..., None, None, None]
    for axis in (1, 2):
        margin = [(radius, radius) if a == axis else (0, 0) for a in range(4)]
        padded = jnp.pad(image, margin, mode="edge")
        size = image.shape[axis]
        image = sum(  # pyright: ignore[reportAssignmentType]
            taps[:, k] * jax.lax.slice_in_dim(padded, k, k + size, axis=axis) for k in range(2 * radius + 1)
        )
    return image


def _retouch(
    key: Key[Array, ""], image: Float[Array, "n y x band"], inside: Float[Array, "n y x 1"], config: AugmentConfig
) -> Float[Array, "n y x band"]:
    """Seeing, stretch, exposure, sky level and noise; then clipped as 8-bit pictures are, sky and noise included."""
    draw_key, noise_key = jax.random.split(key)
    softness, gamma, brightness, sky, noise = jax.random.uniform(draw_key, (5, len(image), 1, 1, 1))
    if config.blur_pixels > 0:
        image = blur(image, config.blur_pixels * softness[:, 0, 0, 0], radius=math.ceil(2.5 * config.blur_pixels))
    if config.gamma != (1.0, 1.0):
        image = image ** _between(config.gamma, gamma)
    image = image * _between(config.brightness, brightness)
    if config.sky > 0:
        image = image + inside * config.sky * (2 * sky - 1)
    if config.noise > 0:
        image = image + inside * config.noise * noise * jax.random.normal(noise_key, image.shape)
    return jnp.clip(image, 0.0, 1.0)


def _between(limits: tuple[float, float], share: jax.Array) -> jax.Array:
    """From the first limit to the second in equal ratios, for shares from 0 to 1; exactly 1 where both limits are."""
    low, high = (math.log(limit) for limit in limits)
    return jnp.exp(low + (high - low) * share)
