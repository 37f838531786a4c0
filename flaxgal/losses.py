"""How wrong a map of logits is, as one number that training makes small.

Logits and targets are (n, y, x, class). A target is 0 or 1, or the fraction of people who marked the pixel: each loss
is smallest where the probability equals that fraction. `weight` is (n, y, x), 0 for pixels that are left out: those
have no influence at all.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from flaxgal.config import LossConfig

__all__ = ["bce", "focal", "soft_dice", "total_loss"]

Maps = Float[Array, "n y x class"]
Weight = Float[Array, "n y x"]
Loss = Float[Array, ""]

DICE_SMOOTHING_PIXELS = 1.0
"""Added above and below in Dice, so that a galaxy without arms gives 0 / 0 → no loss, and a few pixels little."""


def bce(logits: Maps, target: Maps, weight: Weight) -> Loss:
    """Binary cross-entropy in nats, averaged over pixels and classes."""
    return _weighted_mean(_cross_entropy(logits, target), weight)


def focal(logits: Maps, target: Maps, weight: Weight, gamma: float = 2.0) -> Loss:
    """Cross-entropy that counts easy pixels less, averaged over pixels and classes.

    Each pixel's cross-entropy is multiplied by |target − probability|^gamma (Li et al. 2020, "Generalized focal loss",
    eq. 3), which for targets of 0 or 1 is the focal loss of Lin et al. (2017, eq. 4); gamma 0 is the cross-entropy.
    """
    miss = jnp.abs(target - jax.nn.sigmoid(logits))
    return _weighted_mean(miss**gamma * _cross_entropy(logits, target), weight)


def soft_dice(logits: Maps, target: Maps, weight: Weight) -> Loss:
    """One minus the Dice coefficient of the probabilities, for each galaxy and class, then averaged.

    1 − 2 Σ p t / (Σ p² + Σ t²) (Milletari et al. 2016, "V-Net", sec. 3): with the squares it is 0 when p = t, for soft
    targets too. Galaxies without a single pixel of weight do not enter the average.
    """
    probability = jax.nn.sigmoid(logits)
    overlap = _sum_over_pixels(probability * target, weight)
    size = _sum_over_pixels(probability**2 + target**2, weight)
    dice = (2.0 * overlap + DICE_SMOOTHING_PIXELS) / (size + DICE_SMOOTHING_PIXELS)
    counts = jnp.any(weight > 0, axis=(1, 2)).astype(dice.dtype)[:, None]
    return jnp.sum((1.0 - dice) * counts) / jnp.maximum(jnp.sum(counts) * dice.shape[1], 1.0)


def total_loss(logits: Maps, target: Maps, weight: Weight, config: LossConfig) -> Loss:
    """The sum of the losses that the config gives a weight to; a loss of weight 0 is not computed."""
    total = jnp.zeros((), logits.dtype)
    if config.bce:
        total += config.bce * bce(logits, target, weight)
    if config.dice:
        total += config.dice * soft_dice(logits, target, weight)
    if config.focal:
        total += config.focal * focal(logits, target, weight, config.focal_gamma)
    return total


def _cross_entropy(logits: Maps, target: Maps) -> Maps:
    """Cross-entropy of each pixel, from the logits themselves: exact and finite for logits of any size."""
    return jnp.maximum(logits, 0.0) - logits * target + jnp.log1p(jnp.exp(-jnp.abs(logits)))


def _sum_over_pixels(values: Maps, weight: Weight) -> Float[Array, "n class"]:
    """Weighted sum over each galaxy's pixels."""
    return jnp.sum(values * weight[..., None], axis=(1, 2))


def _weighted_mean(values: Maps, weight: Weight) -> Loss:
    """Weighted mean over pixels, galaxies and classes; 0 when nothing has weight."""
    total = jnp.sum(weight) * values.shape[-1]
    return jnp.sum(values * weight[..., None]) / jnp.where(total > 0, total, 1.0)
