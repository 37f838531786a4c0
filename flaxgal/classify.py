"""What a trained classifier says of pictures of galaxies: the probability of each class.

A galaxy is the same galaxy after a quarter turn, and in a mirror its arms wind the other way: what a network says of
the turned and mirrored picture, S and Z swapped where it was mirrored, is one more opinion on the galaxy.
"""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Float32, Float64, UInt8

from flaxgal.models.classifier import Classifier, class_logits
from flaxgal.survey.schemas import LabelSchema

__all__ = ["expected_number", "oriented_logits", "probabilities"]

BATCH_SIZE = 64


def oriented_logits(
    model: Classifier,
    pictures: UInt8[np.ndarray, "n y x band"],
    schema: LabelSchema,
    *,
    orientations: int = 1,
    batch_size: int = BATCH_SIZE,
) -> Float32[np.ndarray, "orientation n output"]:
    """Logits of the first `orientations` of each picture's eight quarter turns and mirror images.

    Those of a mirror image are put where they belong in the picture itself: S and Z are swapped back.
    """
    if not len(pictures):
        return np.empty((orientations, 0, schema.outputs), np.float32)
    unswapped, found = list(schema.mirrored_outputs), []
    for turn in range(orientations):
        mirrored = pictures[:, :, ::-1] if turn % 2 else pictures
        logits = _logits(model, np.rot90(mirrored, turn // 2, axes=(1, 2)), batch_size)
        found.append(logits[:, unswapped] if turn % 2 else logits)
    return np.stack(found)


def probabilities(
    logits: Float[np.ndarray, "orientation n output"], schema: LabelSchema, *, temperature: float = 1.0
) -> Float64[np.ndarray, "n class"]:
    """The probability of each class, the mean over orientations; each galaxy's sum to 1.

    Logits are divided by the temperature first (Guo et al. 2017). The outputs of ordered classes are chances to be
    beyond each step (Niu et al. 2016); where a chance is higher than one before it, it is taken to be as low.
    """
    scaled = logits.astype(np.float64) / temperature
    if schema.ordered:
        beyond = np.minimum.accumulate(1 / (1 + np.exp(-np.clip(scaled, -700, 700))), axis=-1)
        steps = np.pad(beyond, ((0, 0), (0, 0), (1, 1)), constant_values=((0, 0), (0, 0), (1, 0)))
        return (steps[..., :-1] - steps[..., 1:]).mean(axis=0)  # and not -diff, which makes -0 of 0
    odds = np.exp(scaled - scaled.max(axis=-1, keepdims=True))
    return (odds / odds.sum(axis=-1, keepdims=True)).mean(axis=0)


def expected_number(probability: Float[np.ndarray, "n class"], schema: LabelSchema) -> Float64[np.ndarray, " n"]:
    """The mean of the numbers that ordered classes name, by their probability: a T-type with a fraction."""
    return probability.astype(np.float64) @ np.asarray(schema.numbers)


def _logits(model: Classifier, pictures: np.ndarray, batch_size: int) -> Float32[np.ndarray, "n output"]:
    """Batch by batch; the last is filled up with empty sky, so that nothing is compiled again."""
    parts = []
    for start in range(0, len(pictures), batch_size):
        batch = pictures[start : start + batch_size]
        short = min(batch_size, len(pictures)) - len(batch)
        filled = np.pad(batch, ((0, short), (0, 0), (0, 0), (0, 0)))
        image = jnp.asarray(filled.astype(np.float32) / np.float32(255))
        parts.append(np.asarray(class_logits(model, image))[: len(batch)])
    return np.concatenate(parts)
