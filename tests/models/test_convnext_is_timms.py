"""Our ConvNeXt with weights converted from timm's names gives timm's outputs at every layer.

The reference is timm's own, kept in a small file by tools/make_convnext_reference.py, since the tests have no PyTorch.
"""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from flaxgal.config import ClassifierConfig
from flaxgal.models.classifier import Classifier
from flaxgal.transfer import convnext_encoder

REFERENCE = np.load(Path(__file__).with_name("convnext_reference.npz"))
WEIGHTS = {name.removeprefix("weights/"): REFERENCE[name] for name in REFERENCE.files if name.startswith("weights/")}
LAYERS = [name.removeprefix("outputs/") for name in REFERENCE.files if name.startswith("outputs/")]


@pytest.fixture(scope="module")
def ours():
    """What our network makes of the same picture, by layer."""
    encoder = convnext_encoder(WEIGHTS)
    head = {"head/kernel/value": WEIGHTS["head.fc.weight"].T, "head/bias/value": WEIGHTS["head.fc.bias"]}
    config = ClassifierConfig(
        bands=("g", "r", "i"), network="convnext", stem=4, widths=encoder.widths, blocks=encoder.blocks, dropout=(0.0,)
    )
    leaves = encoder.leaves | head
    model = jax.tree_util.tree_map_with_path(
        lambda path, _: jnp.asarray(leaves.pop(jax.tree_util.keystr(path, simple=True, separator="/"))),
        nnx.eval_shape(lambda: Classifier(config, 5, nnx.Rngs(params=0))),
    )
    assert not leaves  # every weight has found its place
    image = jnp.asarray(REFERENCE["picture"], jnp.float32) / 255

    @jax.jit
    def layers(model, image):
        found, passing = {"stem": model.down[0].enter(image)}, image
        for number, down in enumerate(model.down):
            passing = found[f"stage_{number}"] = down(passing)
        return found | {"pooled": model.features(image), "logits": model(image)}

    return layers(model, image)


@pytest.mark.parametrize("layer", LAYERS)
def test_each_layer_gives_what_timms_does(ours, layer):
    theirs = REFERENCE[f"outputs/{layer}"]
    assert float(np.abs(theirs).mean()) > 0.1  # there is something to agree on
    np.testing.assert_allclose(ours[layer], theirs, atol=1e-4, rtol=0)


def test_the_reference_has_every_kind_of_layer_and_no_weight_that_could_hide_a_mistake():
    assert LAYERS == ["stem", "stage_0", "stage_1", "stage_2", "stage_3", "pooled", "logits"]
    for name, weight in WEIGHTS.items():
        assert np.ptp(weight) > 0.01, name
