"""What galaxy a picture shows: pictures in, a logit for each class out."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from flaxgal.config import ClassifierConfig
from flaxgal.models.blocks import Dense, GroupNorm, dropout
from flaxgal.models.convnext import LayerNorm, convnext_levels
from flaxgal.models.encoder import endless_keys, pad_around, pooled_levels, residual_levels
from flaxgal.models.face_on import face_on
from flaxgal.models.log_polar import EXTRA_CHANNELS, log_polar, ring_measures, ring_number

__all__ = ["Classifier", "class_features", "class_logits"]


class Classifier(nnx.Module):
    """Which of several classes each galaxy is of, as logits; what makes probabilities of them is the task's to say.

    The module is a pytree of float32 weights and nothing else, like `UNet`, and its `down` is the same list of modules:
    the leaves below `down/` of either serve the other.

    Of the seed's network, C2 of Cavanagh, Bekki & Groves (2021, MNRAS 506, 659), kernels, poolings and dense layers are
    given. What is left open is taken as Keras does it when told nothing: convolutions that see no borders (so the
    pictures' size is part of the network), and dropout once, of one half, before the dense layers.

    Parameters
    ----------
    config : ClassifierConfig
        Shape and arithmetic of the network.
    outputs : int
        How many logits: classes, or thresholds of an ordered type.
    rngs : flax.nnx.Rngs
        Source of the initial weights, `nnx.Rngs(params=seed)`; not kept.
    """

    def __init__(self, config: ClassifierConfig, outputs: int, rngs: nnx.Rngs):
        self.config = config
        widths, rates = config.widths, config.level_dropout
        bands = len(config.bands) + (EXTRA_CHANNELS if config.view == "log_polar" else 0)
        if config.network == "c2":
            down = pooled_levels(bands, widths, rates=rates, rngs=rngs)
            self.norm = None
            found = _pooled_side(config.image_size) ** 2 * widths[-1]
        elif config.network == "convnext":
            down = convnext_levels(bands, widths, blocks=config.level_blocks, rates=rates, rngs=rngs)
            self.norm = LayerNorm(widths[-1])
            found = widths[-1]
        else:
            down = residual_levels(bands, widths, blocks=config.level_blocks, rates=rates, stem=config.stem, rngs=rngs)
            self.norm = GroupNorm(widths[-1])
            found = widths[-1]
        self.down = nnx.List(down)
        read = (ring_number(config.rows, bands), *config.rings)
        self.rings = nnx.List(Dense(a, b, rngs=rngs) for a, b in zip(read[:-1], config.rings, strict=True))
        inputs = (found + (config.rings[-1] if config.rings else 0), *config.dense)
        self.dense = nnx.List(Dense(a, b, rngs=rngs) for a, b in zip(inputs[:-1], config.dense, strict=True))
        # Zeros: before it has learned anything, a network finds every class as likely as the others.
        self.head = Dense(inputs[-1], outputs, init=nnx.initializers.zeros_init(), rngs=rngs)

    def __call__(self, image: Float[Array, "n y x band"], *, key: jax.Array | None = None) -> Float[Array, "n output"]:
        """Logits of each galaxy, float32.

        Parameters
        ----------
        image : array, (n, y, x, band)
            Pictures in 0..1, of any size (c2: of `config.image_size`); sky is put around them where it must be.
        key : jax.Array, optional
            Random key for dropout, while training; without it the network is deterministic.

        Raises
        ------
        ValueError
            If the bands are not those of the config in number, or the network cannot take this size.
        """
        return self.head(self.features(image, key=key))

    def features(self, image: Float[Array, "n y x band"], *, key: jax.Array | None = None) -> Float[Array, "n feature"]:
        """What the network found in each picture, float32: the logits are a linear function of it."""
        self._check(image.shape)
        keys = endless_keys(key)
        if self.config.face_on:
            image = face_on(image.astype(jnp.float32))
        if self.config.view == "log_polar":
            image = log_polar(image.astype(jnp.float32), rows=self.config.rows, azimuths=self.config.azimuths)
        unrolled = image
        image = image.astype(self.config.dtype)
        if self.config.network != "c2":
            image = pad_around(image, self.config.size_multiple)
        for down in self.down:
            image = down(image, key=next(keys))
        features = dropout(self._gather(image.astype(jnp.float32)), self.config.head_dropout, next(keys))
        if self.config.rings:
            features = jnp.concatenate([features, self._read_rings(unrolled)], axis=-1)
        for dense in self.dense:
            features = jax.nn.relu(dense(features))
        return features

    def _gather(self, image: Float[Array, "n y x channel"]) -> Float[Array, "n feature"]:
        """One vector a galaxy: the mean of each channel over the picture, or in a c2 network all its pixels."""
        if self.norm is None:
            return image.reshape(image.shape[0], -1)
        if self.config.network == "convnext":
            return self.norm(jnp.mean(image, axis=(1, 2)))
        return jnp.mean(jax.nn.relu(self.norm(image)), axis=(1, 2))

    def _read_rings(self, unrolled: Float[Array, "n row column channel"]) -> Float[Array, "n feature"]:
        """What follows from how bright and how even each ring is: convolutions see shapes, and hardly how bright."""
        read = ring_measures(unrolled)
        for dense in self.rings:
            read = jax.nn.relu(dense(read))
        return read

    def _check(self, shape: tuple[int, ...]) -> None:
        """Raises ValueError for pictures this network cannot take."""
        _, y, x, band = shape
        size = self.config.image_size
        if band != len(self.config.bands):
            raise ValueError(
                f"the network was made for {len(self.config.bands)} band(s) ({' '.join(self.config.bands)}), the "
                f"pictures have {band}: choose those bands when the pictures are made, or another network"
            )
        if self.config.network == "c2" and (y, x) != (size, size):
            raise ValueError(
                f"a c2 network for pictures of {size} × {size} pixels takes no others, found {y} × {x}: "
                f"resample the pictures, or train a residual network, which takes any size"
            )


@jax.jit
def class_features(
    model: Classifier, image: Float[Array, "n y x band"]
) -> tuple[Float[Array, "n feature"], Float[Array, "n output"]]:
    """Features and logits of each galaxy, for pictures in 0..1: the one are how the other came about."""
    features = model.features(image)
    return features, model.head(features)


@jax.jit
def class_logits(model: Classifier, image: Float[Array, "n y x band"]) -> Float[Array, "n output"]:
    """Logits of each galaxy, for pictures in 0..1."""
    return model(image)


def _pooled_side(side: int) -> int:
    """Pixels on a side of what the three levels of a c2 network leave of a picture."""
    return (((side - 6) // 2 - 8) // 2 - 2) // 2
