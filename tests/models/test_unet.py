"""The whole U-Net: golden parameter counts, shapes, symmetries, randomness, what it refuses."""

import dataclasses
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx
from networks import UNETS, logits_of, make, shaken

from flaxgal.config import CONVNEXT_SIZES, DEFAULT_UNET, SEED_UNET, UNetConfig
from flaxgal.models.unet import UNet, pad_to_multiple, parameter_count

SMALL, SMALL_PLAIN, SMALL_CONVNEXT = UNETS.values()
WIDTHS, BLOCKS = CONVNEXT_SIZES["atto"]
ATTO = UNetConfig(bands=("g", "r", "i"), block="convnext", widths=WIDTHS, blocks=BLOCKS)
BOTH = pytest.mark.parametrize("config", [SMALL, SMALL_PLAIN], ids=["residual", "plain"])
ALL = pytest.mark.parametrize("config", [SMALL, SMALL_PLAIN, SMALL_CONVNEXT], ids=["residual", "plain", "convnext"])


def picture(n=2, size=16, band=1, seed=0):
    return jnp.asarray(np.random.default_rng(seed).uniform(size=(n, size, size, band)), jnp.float32)


# The seed's count is Keras' own for this network: 1,941,105 with three bands, the popular nucleus U-Net.
@pytest.mark.parametrize(
    ("config", "count"),
    [
        (SEED_UNET, 1_940_817),
        (dataclasses.replace(SEED_UNET, bands=("g", "r", "i")), 1_941_105),
        (DEFAULT_UNET, 863_521),
        (dataclasses.replace(DEFAULT_UNET, classes=("arm", "bar")), 863_666),
        (dataclasses.replace(DEFAULT_UNET, bands=("g", "r", "i")), 863_809),
        (ATTO, 4_271_009),
    ],
)
def test_the_number_of_weights_is_the_golden_one(config, count):
    assert parameter_count(nnx.eval_shape(lambda: UNet(config, nnx.Rngs(params=0)))) == count


def test_the_seed_counts_what_its_layers_add_up_to():
    widths = (1, *SEED_UNET.widths)
    down = sum(9 * a * b + b + 9 * b * b + b for a, b in itertools.pairwise(widths))
    up = sum(4 * b * a + a + 9 * 2 * a * a + a + 9 * a * a + a for a, b in itertools.pairwise(widths[1:]))
    assert parameter_count(nnx.eval_shape(lambda: UNet(SEED_UNET, nnx.Rngs(params=0)))) == down + up + 16 + 1


@ALL
def test_gradients_and_updates_work_on_the_module_itself(config):
    model, image = make(config), picture()
    optimizer = optax.adam(1e-2)

    @jax.jit
    def step(model, state):
        def loss(model):
            return jnp.mean(jnp.square(model(image, key=jax.random.key(1)) - 1.0))

        value, gradient = jax.value_and_grad(loss)(model)
        updates, state = optimizer.update(gradient, state, model)
        return optax.apply_updates(model, updates), state, value

    state = optimizer.init(model)
    losses = []
    for _ in range(5):
        model, state, value = step(model, state)
        losses.append(float(value))
    assert losses[-1] < 0.8 * losses[0]
    assert step._cache_size() == 1


def test_a_plain_network_moves_with_the_galaxy():
    """A shift by the size multiple moves the logits alike, where the picture's border is out of sight."""
    model, empty = shaken(SMALL_PLAIN), jnp.zeros((1, 96, 96, 1))
    shift, here = SMALL_PLAIN.size_multiple, slice(40, 56)
    image = empty.at[:, here, here].set(picture(1, 16))
    seen, moved = logits_of(model, image), logits_of(model, jnp.roll(image, (shift, -2 * shift), (1, 2)))
    inside = slice(36, 60)
    expected = jnp.roll(seen, (shift, -2 * shift), (1, 2))[:, inside, inside]
    np.testing.assert_allclose(moved[:, inside, inside], expected, atol=2e-5)
    assert float(expected.std()) > 0.01


@BOTH
def test_mirrored_kernels_give_the_mirrored_answer(config):
    """No layer prefers left to right: mirroring every kernel mirrors the logits of a mirrored picture."""
    model, image = shaken(config), picture()
    mirrored = mirror_kernels(model)
    seen = logits_of(mirrored, image[:, :, ::-1])[:, :, ::-1]
    np.testing.assert_allclose(seen, logits_of(model, image), atol=5e-5)


def mirror_kernels(model):
    """The network with each of its kernels mirrored in x."""

    def mirror(path, leaf):
        name = jax.tree_util.keystr(path)
        if leaf.ndim == 4:
            return leaf[:, ::-1]
        if leaf.ndim == 2 and "upsample" in name:
            return leaf.reshape(leaf.shape[0], 2, 2, -1)[:, :, ::-1].reshape(leaf.shape)
        if leaf.ndim == 2:
            return leaf.reshape(2, 2, -1, leaf.shape[1])[:, ::-1].reshape(leaf.shape)
        return leaf

    return jax.tree_util.tree_map_with_path(mirror, model)


@BOTH
def test_the_brightness_of_one_pixel_is_felt_across_the_picture(config):
    """The coarsest level sees far: with enough levels a galaxy's arm is judged by the whole galaxy."""
    config = dataclasses.replace(config, image_size=64, widths=(*config.widths, 8, 8))
    model, image = shaken(config), picture(1, 64)
    change = logits_of(model, image.at[0, 32, 32].add(1.0)) - logits_of(model, image)
    felt = np.flatnonzero(np.abs(change[0, 32, :, 0]) > 0)
    assert felt[0] <= 32 - 24
    assert felt[-1] >= 32 + 24


def test_the_default_starts_out_at_its_prior():
    probability = jax.nn.sigmoid(logits_of(make(DEFAULT_UNET), picture(4, 64)))
    assert 0.05 < float(probability.mean()) < 0.13
    assert float(probability.max()) < 0.6


@ALL
@pytest.mark.parametrize("bands", [("grey",), ("g", "r", "i")])
@pytest.mark.parametrize("classes", [("arm",), ("arm", "bar")])
def test_there_is_a_map_of_float32_for_each_class(config, bands, classes):
    config = dataclasses.replace(config, bands=bands, classes=classes, dtype="bfloat16")
    logits = jax.eval_shape(make(config), picture(3, 16, len(bands)))
    assert logits.shape == (3, 16, 16, len(classes))
    assert logits.dtype == jnp.float32


@pytest.mark.parametrize(("y", "x"), [(16, 16), (13, 18), (1, 1), (61, 32)])
def test_pictures_of_any_size_are_padded_with_sky_after_the_last_row_and_column(y, x):
    image = jnp.asarray(np.random.default_rng(0).uniform(size=(2, y, x, 1)), jnp.float32)
    padded = pad_to_multiple(image, SMALL.size_multiple)
    assert padded.shape[1] % SMALL.size_multiple == padded.shape[2] % SMALL.size_multiple == 0
    assert padded.shape[1] - y < SMALL.size_multiple
    np.testing.assert_array_equal(padded[:, :y, :x], image)
    assert float(padded.sum()) == pytest.approx(float(image.sum()), rel=1e-6)
    assert jax.eval_shape(make(SMALL), padded).shape == (*padded.shape[:3], 1)


def test_a_picture_that_cannot_be_halved_is_refused_with_what_to_do():
    with pytest.raises(ValueError, match=r"18 × 15 pixels .* multiples of 2; pad them"):
        make(SMALL)(jnp.zeros((1, 18, 15, 1)))


def test_pictures_with_other_bands_are_refused():
    with pytest.raises(ValueError, match=r"made for 1 band\(s\) \(grey\), the pictures have 3"):
        make(SMALL)(jnp.zeros((1, 16, 16, 3)))


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"dropout": (0.1, 0.2)}, "dropout has 2 values for the 4 levels"),
        ({"blocks": (1, 2, 3)}, "blocks has 3 values for the 4 levels"),
        ({"block": "plain"}, "a plain U-Net has one block a level"),
        ({"image_size": 60}, "60 pixels cannot be halved 3 times"),
        ({"image_size": 48, "block": "convnext"}, "48 pixels cannot be halved 5 times"),
        ({"initial_probability": 0.0}, "initial_probability is 0.0"),
    ],
)
def test_a_network_that_cannot_be_built_is_refused_by_its_config(wrong, sentence):
    with pytest.raises(ValueError, match=sentence):
        UNetConfig(**wrong)
