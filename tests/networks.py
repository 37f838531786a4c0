"""Small networks of every kind, and pictures for them."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from flaxgal.config import SEED_CLASSIFIER, ClassifierConfig, UNetConfig
from flaxgal.models.classifier import Classifier
from flaxgal.models.unet import UNet

UNETS = {
    "residual": UNetConfig(image_size=16, widths=(8, 16), blocks=(1,), dropout=(0.2,)),
    "plain": UNetConfig(image_size=16, widths=(4, 6), block="plain", blocks=(1,), dropout=(0.2,)),
    "convnext": UNetConfig(image_size=16, widths=(8, 12), block="convnext", blocks=(1,), dropout=(0.2,)),
}
_RESIDUAL = ClassifierConfig(image_size=16, widths=(8, 16), blocks=(1,), dropout=(0.2,))
_POLAR = dataclasses.replace(_RESIDUAL, view="log_polar", stem=2)
CLASSIFIERS = {
    "residual": _RESIDUAL,
    "c2": dataclasses.replace(SEED_CLASSIFIER, image_size=40, widths=(4, 6, 8), dense=(12, 10)),
    "convnext": ClassifierConfig(
        image_size=16, widths=(8, 12), network="convnext", stem=4, blocks=(1,), dropout=(0.2,)
    ),
    "log_polar": _POLAR,
    "rings": dataclasses.replace(_POLAR, rows=30, rings=(8, 4)),
}


@functools.cache
def make(config, seed=0, outputs=3):
    """The network that a config describes; a classifier's of so many outputs."""
    rngs = nnx.Rngs(params=seed)
    return UNet(config, rngs) if isinstance(config, UNetConfig) else Classifier(config, outputs, rngs)


def shaken(config, seed=0):
    """A network whose weights are all random, the zero ones too, as they are after some training."""
    leaves, shape = jax.tree.flatten(make(config))
    random = np.random.default_rng(seed)
    return jax.tree.unflatten(
        shape, [leaf + jnp.asarray(random.normal(0, 0.1, leaf.shape), leaf.dtype) for leaf in leaves]
    )


@jax.jit
def logits_of(model, image, key=None):
    return model(image, key=key)


def pictures(config, n=2, seed=0):
    """Pictures of the config's size and bands, all noise."""
    shape = (n, config.image_size, config.image_size, len(config.bands))
    return jnp.asarray(np.random.default_rng(seed).uniform(size=shape), jnp.float32)
