"""The whole classifier: golden parameter counts, any size, any bands, symmetries, randomness, what it refuses."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx
from networks import CLASSIFIERS, logits_of, make, pictures, shaken

from flaxgal.checkpoint import leaves_by_path
from flaxgal.config import CONVNEXT_SIZES, DEFAULT_CLASSIFIER, SEED_CLASSIFIER, ClassifierConfig, UNetConfig
from flaxgal.models.classifier import Classifier, class_logits
from flaxgal.models.unet import UNet, parameter_count

SMALL, SMALL_C2, SMALL_CONVNEXT, POLAR, RINGED = CLASSIFIERS.values()
BOTH = pytest.mark.parametrize("config", [SMALL, SMALL_C2], ids=["residual", "c2"])
ALL = pytest.mark.parametrize("config", CLASSIFIERS.values(), ids=CLASSIFIERS)


def convnext(size):
    widths, blocks = CONVNEXT_SIZES[size]
    return ClassifierConfig(bands=("g", "r", "i"), network="convnext", stem=4, widths=widths, blocks=blocks)


# The ConvNeXts' counts are timm's own for three classes.
@pytest.mark.parametrize(
    ("config", "count"),
    [
        (SEED_CLASSIFIER, 820_291),
        (DEFAULT_CLASSIFIER, 728_131),
        (dataclasses.replace(DEFAULT_CLASSIFIER, bands=tuple("grizy")), 728_707),
        (dataclasses.replace(DEFAULT_CLASSIFIER, stem=2), 728_051),
        (dataclasses.replace(DEFAULT_CLASSIFIER, stem=4), 728_243),
        (convnext("atto"), 3_375_483),
        (convnext("nano"), 14_954_483),
        (convnext("base"), 87_569_539),
    ],
)
def test_the_number_of_weights_is_the_golden_one(config, count):
    assert parameter_count(nnx.eval_shape(lambda: Classifier(config, 3, nnx.Rngs(params=0)))) == count


def test_the_seed_counts_what_its_layers_add_up_to():
    """Of 64 pixels the 7 × 7 leaves 58, pooled 29; the two 5 × 5 leave 25 and 21, pooled 10; the 3 × 3 8, pooled 4."""
    convolutions = (49 * 32 + 32) + (25 * 32 * 64 + 64) + (25 * 64 * 64 + 64) + (9 * 64 * 128 + 128)
    dense = (4 * 4 * 128 + 1) * 256 + (256 + 1) * 256 + (256 + 1) * 3
    assert parameter_count(nnx.eval_shape(lambda: Classifier(SEED_CLASSIFIER, 3, nnx.Rngs(params=0)))) == (
        convolutions + dense
    )


@ALL
def test_gradients_and_updates_work_on_the_module_itself(config):
    model, image, wanted = make(config), pictures(config, 4), jnp.asarray([0, 1, 2, 0])
    optimizer = optax.adam(1e-2)

    @jax.jit
    def step(model, state):
        def loss(model):
            logits = model(image, key=jax.random.key(1))
            return optax.softmax_cross_entropy_with_integer_labels(logits, wanted).mean()

        value, gradient = jax.value_and_grad(loss)(model)
        updates, state = optimizer.update(gradient, state, model)
        return optax.apply_updates(model, updates), state, value

    state, losses = optimizer.init(model), []
    for _ in range(12):
        model, state, value = step(model, state)
        losses.append(float(value))
    assert losses[-1] < 0.8 * losses[0]
    assert step._cache_size() == 1


@BOTH
def test_an_untrained_network_finds_every_class_as_likely(config):
    np.testing.assert_array_equal(class_logits(make(config), pictures(config)), np.zeros((2, 3)))


@ALL
@pytest.mark.parametrize("outputs", [1, 3, 15])
def test_there_is_a_float32_logit_for_each_output(config, outputs):
    model = make(dataclasses.replace(config, dtype="bfloat16"), outputs=outputs)
    logits = jax.eval_shape(model, pictures(config, 5))
    assert logits.shape == (5, outputs)
    assert logits.dtype == jnp.float32


@BOTH
def test_the_logits_are_a_linear_function_of_the_features(config):
    model, image = shaken(config), pictures(config)
    features = model.features(image)
    assert features.dtype == jnp.float32
    head = leaves_by_path(model.head)
    expected = features @ head["kernel/value"] + head["bias/value"][None]
    np.testing.assert_allclose(logits_of(model, image), expected, atol=1e-5)


@pytest.mark.parametrize("bands", [("grey",), ("g", "r"), ("g", "r", "i", "z"), ("g", "r", "i", "z", "y")])
@pytest.mark.parametrize("stem", [1, 2, 4])
def test_a_network_for_one_to_five_bands_reads_all_of_them(bands, stem):
    config = dataclasses.replace(SMALL, bands=bands, stem=stem)
    model, image = shaken(config), pictures(config)
    seen = logits_of(model, image)
    for band in range(len(bands)):
        assert not np.allclose(logits_of(model, image.at[..., band].multiply(0.5)), seen, atol=1e-6)


@pytest.mark.parametrize(("y", "x"), [(1, 1), (7, 30), (16, 16), (33, 17)])
@pytest.mark.parametrize(
    "config", [dataclasses.replace(SMALL, stem=4), SMALL_CONVNEXT, POLAR], ids=["residual", "convnext", "log_polar"]
)
def test_networks_but_the_seeds_take_pictures_of_any_size(config, y, x):
    logits = logits_of(shaken(config), jnp.full((2, y, x, 1), 0.5))
    assert logits.shape == (2, 3)
    assert np.all(np.isfinite(logits))


def test_a_picture_of_odd_size_is_seen_as_if_sky_had_been_put_around_it():
    model, image = shaken(SMALL), pictures(dataclasses.replace(SMALL, image_size=15))
    around = jnp.pad(image, ((0, 0), (0, 1), (0, 1), (0, 0)))
    np.testing.assert_allclose(logits_of(model, image), logits_of(model, around), atol=1e-6)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"bands": ()}, "bands is .*give 1 to 5 bands"),
        ({"bands": tuple("ugrizy")}, "1 to 5 bands"),
        ({"head_dropout": 1.0}, "head_dropout is 1.0"),
        ({"dense": (0,)}, "dense is"),
        ({"blocks": (1, 2)}, "blocks has 2 values for the 4 levels"),
        ({"network": "c2"}, "a c2 network has three levels"),
        ({"network": "convnext"}, "stem is 1: give 4 to a convnext network"),
    ],
)
def test_a_network_that_cannot_be_built_is_refused_by_its_config(wrong, sentence):
    with pytest.raises(ValueError, match=sentence):
        ClassifierConfig(**wrong)


def test_the_seed_is_refused_pictures_too_small_for_its_poolings():
    dataclasses.replace(SEED_CLASSIFIER, image_size=38)
    with pytest.raises(ValueError, match="image_size is 37: give 38 pixels or more to a c2 network"):
        dataclasses.replace(SEED_CLASSIFIER, image_size=37)


def test_the_seed_takes_pictures_of_no_other_size():
    with pytest.raises(ValueError, match=r"for pictures of 40 × 40 pixels takes no others, found 16 × 40"):
        make(SMALL_C2)(jnp.zeros((1, 16, 40, 1)))


def test_pictures_with_other_bands_are_refused():
    with pytest.raises(ValueError, match=r"made for 1 band\(s\) \(grey\), the pictures have 3"):
        make(SMALL)(jnp.zeros((1, 16, 16, 3)))


@pytest.mark.parametrize("block", ["residual", "convnext"])
def test_the_way_down_of_a_unet_serves_a_classifier_and_back(block):
    """The same leaves by path and shape, and with them the same features of a picture at every level."""
    same = {"bands": ("g", "r"), "widths": (8, 12), "blocks": (1,), "dropout": (0.0,), "image_size": 16}
    unet = UNet(UNetConfig(block=block, **same), nnx.Rngs(params=1))
    stem = {"residual": 1, "convnext": 4}[block]
    classifier = Classifier(ClassifierConfig(network=block, stem=stem, **same), 3, nnx.Rngs(params=2))
    theirs, ours = leaves_by_path(unet), leaves_by_path(classifier)
    encoder = {name for name in ours if name.startswith("down/")}
    assert encoder == {name for name in theirs if name.startswith("down/")}
    moved = jax.tree_util.tree_map_with_path(
        lambda path, leaf: theirs.get(name, leaf) if (name := name_of(path)).startswith("down/") else leaf, classifier
    )
    image = pictures(unet.config)
    mine, theirs_now = image, image
    for down, other in zip(moved.down, unet.down, strict=True):
        mine, theirs_now = down(mine), other(theirs_now)
        np.testing.assert_array_equal(mine, theirs_now)


def name_of(path):
    return jax.tree_util.keystr(path, simple=True, separator="/")
