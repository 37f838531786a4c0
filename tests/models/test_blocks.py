"""Each fast formulation against its slow twin, the plain one."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from flaxgal.models.blocks import (
    Convolution,
    Downsample,
    GroupNorm,
    PlainBlock,
    ResidualBlock,
    Upsample,
    depth_to_space,
    dropout,
    max_pool,
    space_to_depth,
)


def random_image(*shape, seed=0, dtype=jnp.float32):
    return jnp.asarray(np.random.default_rng(seed).normal(size=shape), dtype)


def rngs(seed=0):
    return nnx.Rngs(params=seed)


def with_weights(module, *weights):
    """The module as a function of an image and of the weights named, in the order given."""

    def apply(image, *values):
        path_leaves, shape = jax.tree.flatten_with_path(module)
        names = [jax.tree_util.keystr(path) for path, _ in path_leaves]
        chosen = [next(value for name, value in zip(weights, values, strict=True) if f".{name}" in n) for n in names]
        return jax.tree.unflatten(shape, chosen)(image)

    return apply


def assert_same_values_and_gradients(fast, slow, *arguments, atol=2e-5):
    """The two functions agree, and so do their gradients by every argument along a random direction."""
    direction = random_image(*jax.eval_shape(slow, *arguments).shape, seed=9)

    def value_and_gradients(function):
        def along(*arguments):
            value = function(*arguments)
            return jnp.vdot(value, direction), value

        gradients, value = jax.jit(jax.grad(along, tuple(range(len(arguments))), has_aux=True))(*arguments)
        return value, *gradients

    for one, other in zip(value_and_gradients(fast), value_and_gradients(slow), strict=True):
        np.testing.assert_allclose(one, other, atol=atol, rtol=1e-4)


def test_max_pool_is_the_plain_one():
    image = random_image(2, 8, 6, 5)
    assert_same_values_and_gradients(max_pool, lambda i: nnx.max_pool(i, (2, 2), (2, 2)), image)


def test_convolution_is_the_plain_one():
    module, plain = Convolution(5, 7, rngs=rngs()), nnx.Conv(5, 7, (3, 3), rngs=rngs())
    fast, slow = with_weights(module, "kernel", "bias"), with_weights(plain, "kernel", "bias")
    assert_same_values_and_gradients(fast, slow, random_image(2, 8, 6, 5), module.kernel[...], random_image(7))


def test_convolution_of_two_halves_is_that_of_their_concatenation():
    module = Convolution(8, 6, rngs=rngs())
    module.bias[...] = random_image(6)
    up, skip = random_image(2, 8, 6, 5), random_image(2, 8, 6, 3, seed=1)
    assert_same_values_and_gradients(module, lambda up, skip: module(jnp.concatenate([up, skip], axis=-1)), up, skip)


def test_upsample_is_the_plain_transposed_convolution():
    module, plain = Upsample(5, 3, rngs=rngs()), nnx.ConvTranspose(5, 3, (2, 2), strides=(2, 2), rngs=rngs())
    slow = with_weights(plain, "kernel", "bias")

    def slow_with_our_kernel(image, kernel, bias):
        return slow(image, kernel.reshape(5, 2, 2, 3).transpose(1, 2, 0, 3)[::-1, ::-1], bias)

    fast = with_weights(module, "kernel", "bias")
    image, bias = random_image(2, 4, 6, 5), random_image(3)
    assert_same_values_and_gradients(fast, slow_with_our_kernel, image, module.kernel[...], bias)


def test_downsample_is_the_plain_strided_convolution():
    module, plain = Downsample(5, 3, rngs=rngs()), nnx.Conv(5, 3, (2, 2), strides=(2, 2), rngs=rngs())
    slow = with_weights(plain, "kernel", "bias")

    def slow_with_our_kernel(image, kernel, bias):
        return slow(image, kernel.reshape(2, 2, 5, 3), bias)

    fast = with_weights(module, "kernel", "bias")
    image, bias = random_image(2, 4, 6, 5), random_image(3)
    assert_same_values_and_gradients(fast, slow_with_our_kernel, image, module.kernel[...], bias)


def test_depth_to_space_undoes_space_to_depth():
    image = random_image(2, 4, 6, 3)
    np.testing.assert_array_equal(depth_to_space(space_to_depth(image)), image)
    np.testing.assert_array_equal(space_to_depth(image)[0, 1, 2, 6:9], image[0, 3, 4])  # second row, first column


@pytest.mark.parametrize("channels", [8, 16, 24])
def test_group_norm_is_the_plain_one(channels):
    module, plain = GroupNorm(channels), nnx.GroupNorm(channels, num_groups=channels // 8, epsilon=1e-5, rngs=rngs())

    fast, slow = with_weights(module, "scale", "bias"), with_weights(plain, "scale", "bias")
    image = 3.0 * random_image(2, 6, 4, channels) + 1.0
    assert_same_values_and_gradients(fast, slow, image, random_image(channels), random_image(channels, seed=2))


def test_group_norm_takes_out_the_brightness_and_contrast_of_a_picture():
    image, module = random_image(2, 16, 16, 8), GroupNorm(8)
    np.testing.assert_allclose(module(5.0 * image + 3.0), module(image), atol=1e-3)


def test_group_norm_of_an_empty_picture_is_finite():
    image, module = jnp.zeros((1, 4, 4, 8)), GroupNorm(8)
    assert np.all(module(image) == 0.0)
    assert np.all(np.isfinite(jax.grad(lambda i: module(i).sum())(image)))


def test_group_norm_in_bfloat16_takes_its_moments_in_float32():
    image = (random_image(1, 64, 64, 8) + 20.0).astype(jnp.bfloat16)
    module = GroupNorm(8)
    result = module(image)
    assert result.dtype == jnp.bfloat16
    np.testing.assert_allclose(result.astype(jnp.float32), module(image.astype(jnp.float32)), atol=0.03)


def test_an_untrained_residual_block_changes_nothing():
    image = random_image(1, 8, 8, 16)
    np.testing.assert_array_equal(ResidualBlock(16, rate=0.5, rngs=rngs())(image, key=jax.random.key(0)), image)


def test_dropout_keeps_the_mean_and_drops_the_share_asked_for():
    dropped = dropout(jnp.ones((4, 64, 64, 16)), 0.2, jax.random.key(0))
    assert abs(float(jnp.mean(dropped == 0)) - 0.2) < 0.005
    assert abs(float(dropped.mean()) - 1.0) < 0.01


def test_what_is_dropped_depends_on_neither_its_neighbours_nor_the_next_key():
    """Correlation of the dropped pixels along each axis, and between keys, is that of chance: 1 / sqrt(262144)."""
    image = jnp.ones((4, 64, 64, 16))
    steps = [jax.random.fold_in(jax.random.key(0), step) for step in range(6)]
    dropped = [np.asarray(dropout(image, 0.5, key) == 0).astype(float) - 0.5 for key in steps]
    for one, other in itertools.combinations(dropped, 2):
        assert abs((one * other).mean()) < 5 * 0.25 / 512
    for axis in range(4):
        for distance in (1, 2):
            moved = np.roll(dropped[0], distance, axis)
            assert abs((dropped[0] * moved).mean()) < 5 * 0.25 / 512
    for axis in itertools.combinations(range(4), 2):  # no whole row, column or channel is dropped more than others
        means = dropped[0].mean(axis)
        np.testing.assert_allclose(means.std(), 0.5 * np.sqrt(means.size / image.size), rtol=0.35)


def test_dropout_without_a_key_changes_nothing():
    image = random_image(1, 4, 4, 8)
    assert dropout(image, 0.5, None) is image


def test_a_plain_block_drops_only_when_given_a_key():
    block, image = PlainBlock(1, 8, rate=0.5, rngs=rngs()), random_image(1, 8, 8, 1)
    np.testing.assert_array_equal(block(image), block(image))
    assert not np.array_equal(block(image), block(image, key=jax.random.key(0)))
