"""How wrong a classifier's logits are, as one number that training makes small.

Logits and targets are (n, output), from `LabelSchema.target`; `weight` is (n,), how much each galaxy counts: 0 for one
that is left out, which has no influence at all. Losses are weighted means over galaxies, in nats.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

__all__ = ["class_cross_entropy", "galaxy_weights", "ordinal"]

Rows = Float[Array, "n output"]
Weight = Float[Array, " n"]


def class_cross_entropy(
    logits: Rows, target: Rows, weight: Weight, *, label_smoothing: float = 0.0
) -> Float[Array, ""]:
    """Softmax cross-entropy, −Σ t log p: smallest where the probabilities are the target, which may be soft.

    With label smoothing ε a target t becomes (1 − ε) t + ε / K for K classes (Szegedy et al. 2016, CVPR, sec. 7).
    """
    target = (1 - label_smoothing) * target + label_smoothing / target.shape[-1]
    return _weighted_mean(-jnp.sum(target * jax.nn.log_softmax(logits), axis=-1), weight)


def ordinal(logits: Rows, target: Rows, weight: Weight, *, label_smoothing: float = 0.0) -> Float[Array, ""]:
    """Of ordered classes: a binary cross-entropy for each step, "is it beyond this one?", averaged over steps.

    Frank & Hall (2001, ECML) made K − 1 such questions of K classes; Niu et al. (2016, CVPR, eq. 2) have one network
    answer them. Label smoothing draws each answer to one half.
    """
    target = (1 - label_smoothing) * target + label_smoothing / 2
    # From the logits themselves: exact and finite for logits of any size. Not by |logits|, whose slope at 0, where a
    # network begins, would keep steps that no galaxy is beyond at one half for ever.
    each = jax.nn.softplus(logits) - logits * target
    return _weighted_mean(jnp.mean(each, axis=-1), weight)


def galaxy_weights(target: Rows, class_weights: Float[Array, " class"], *, ordered: bool) -> Weight:
    """How much each galaxy counts by its class: the classes' weights, in the shares of its target."""
    if not ordered:
        return jnp.sum(target * class_weights[None], axis=-1)
    return class_weights[0] + jnp.sum(target * jnp.diff(class_weights)[None], axis=-1)


def _weighted_mean(each: Float[Array, " n"], weight: Weight) -> Float[Array, ""]:
    """0 when nothing has weight."""
    total = jnp.sum(weight)
    return jnp.sum(each * weight) / jnp.where(total > 0, total, 1.0)
