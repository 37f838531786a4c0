"""What holds of every network, be it a U-Net or a classifier."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from networks import CLASSIFIERS, UNETS, logits_of, make, pictures, shaken

EVERY = pytest.mark.parametrize(
    "config",
    [*UNETS.values(), *CLASSIFIERS.values()],
    ids=[*(f"unet-{name}" for name in UNETS), *(f"classifier-{name}" for name in CLASSIFIERS)],
)


@EVERY
def test_every_weight_has_a_gradient(config):
    model, image = shaken(config), pictures(config, 4)
    gradient = jax.jit(jax.grad(lambda model: jnp.sum(model(image) ** 2)))(model)
    for path, leaf in jax.tree.leaves_with_path(gradient):
        assert np.any(leaf != 0), jax.tree_util.keystr(path)


@EVERY
def test_a_network_holds_float32_weights_and_nothing_else(config):
    leaves = jax.tree.leaves(make(dataclasses.replace(config, dtype="bfloat16")))
    assert {leaf.dtype for leaf in leaves} == {jnp.dtype("float32")}


@EVERY
def test_the_network_is_deterministic_without_a_key_and_random_with_one(config):
    model, image = shaken(config), pictures(config)
    np.testing.assert_array_equal(logits_of(model, image), logits_of(model, image))
    one, same, other = (logits_of(model, image, jax.random.key(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)


@EVERY
def test_equal_seeds_make_equal_weights_and_others_do_not(config):
    fresh = make.__wrapped__  # kept ones would be equal for being one and the same
    one, same, other = (jax.tree.leaves(fresh(config, seed)) for seed in (3, 3, 4))
    for a, b in zip(one, same, strict=True):
        np.testing.assert_array_equal(a, b)
    assert any(not np.array_equal(a, b) for a, b in zip(one, other, strict=True))


@EVERY
def test_galaxies_in_a_batch_do_not_see_each_other(config):
    model, image = shaken(config), pictures(config, 3)
    np.testing.assert_allclose(logits_of(model, image)[1:2], logits_of(model, image[1:2]), atol=2e-5)


@EVERY
def test_bfloat16_is_close_to_float32(config):
    model, image = shaken(config), pictures(config)
    narrow = make(dataclasses.replace(config, dtype="bfloat16"))
    narrow = jax.tree.unflatten(jax.tree.structure(narrow), jax.tree.leaves(model))
    exact = logits_of(model, image)
    np.testing.assert_allclose(logits_of(narrow, image), exact, atol=0.1 * float(jnp.abs(exact).max()))
