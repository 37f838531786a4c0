"""The parts of a ConvNeXt against their slow twins. Against timm: test_convnext_is_timms.py."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from flaxgal.models.convnext import ConvNextBlock, LayerNorm, depthwise


def random_image(*shape, seed=0):
    return jnp.asarray(np.random.default_rng(seed).normal(size=shape), jnp.float32)


def grouped_convolution(image, kernel):
    return jax.lax.conv_general_dilated(
        image,
        kernel[:, :, None],
        (1, 1),
        "SAME",
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        feature_group_count=image.shape[-1],
    )


@pytest.mark.parametrize(("y", "x", "size"), [(8, 6, 7), (2, 1, 7), (5, 9, 3)])
def test_the_depthwise_convolution_and_its_gradients_are_those_of_a_grouped_one(y, x, size):
    image, kernel, direction = random_image(2, y, x, 5), random_image(size, size, 5), random_image(2, y, x, 5, seed=1)

    def value_and_gradients(function):
        def along(image, kernel):
            value = function(image, kernel)
            return jnp.vdot(value, direction), value

        gradients, value = jax.jit(jax.grad(along, (0, 1), has_aux=True))(image, kernel)
        return value, *gradients

    for fast, slow in zip(value_and_gradients(depthwise), value_and_gradients(grouped_convolution), strict=True):
        np.testing.assert_allclose(fast, slow, atol=2e-5, rtol=1e-4)


def test_layer_norm_is_the_plain_one():
    module, plain = LayerNorm(12), nnx.LayerNorm(12, epsilon=1e-6, use_fast_variance=False, rngs=nnx.Rngs(0))
    scale, bias, image = random_image(12), random_image(12, seed=1), 3.0 * random_image(2, 4, 5, 12) + 7.0
    for each in (module, plain):
        each.scale[...], each.bias[...] = scale, bias
    with jax.numpy_rank_promotion("allow"):
        expected = plain(image)
    np.testing.assert_allclose(module(image), expected, atol=1e-5)
    np.testing.assert_allclose(module(image[:, 0, 0]), expected[:, 0, 0], atol=1e-5)


def block_of(rate):
    block = ConvNextBlock(8, rate=rate, rngs=nnx.Rngs(params=0))
    block.gamma[...] += 1.0
    return block


def test_an_untrained_block_changes_next_to_nothing():
    image = random_image(2, 8, 8, 8)
    block = ConvNextBlock(8, rate=0.0, rngs=nnx.Rngs(params=0))
    np.testing.assert_allclose(block(image), image, atol=1e-5)
    assert not np.allclose(block_of(0.0)(image), image, atol=1e-3)


def test_a_block_is_left_out_of_whole_galaxies_at_the_rate_asked_for():
    image, block = random_image(400, 2, 2, 8), block_of(0.25)
    change = np.asarray(block(image, key=jax.random.key(0)) - image)
    left_out = np.all(change == 0, axis=(1, 2, 3))
    assert 0.15 < left_out.mean() < 0.35
    whole = np.asarray(block(image) - image)
    np.testing.assert_allclose(change[~left_out], whole[~left_out] / 0.75, atol=1e-5)
