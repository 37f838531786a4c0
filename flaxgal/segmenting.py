"""Learning where the arms are: what a step makes small, and what a look at the validation split counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Float32, Key

from flaxgal import metrics
from flaxgal.checkpoint import Run, load_run
from flaxgal.config import TrainConfig
from flaxgal.datasets.augment import augment
from flaxgal.datasets.feed import Feed, padded_batches, pixels_of
from flaxgal.datasets.stacked import ClassExamples, Examples
from flaxgal.losses import total_loss
from flaxgal.models.unet import predict_batch
from flaxgal.survey.mask_thresholds import DEFAULT_THRESHOLD, find_mask_thresholds, write_mask_thresholds
from flaxgal.training_journal import DICE, Measure

__all__ = ["Segmenting", "arm_class", "predict_arms"]

Batch = tuple[Float[Array, "n y x band"], Float[Array, "n y x class"], Float[Array, "n y x"]]


@dataclass(frozen=True)
class Segmenting:
    """A map of arm probability for each picture; a look counts pixels."""

    config: TrainConfig

    @property
    def measure(self) -> Measure:
        """Mean Dice of the arms."""
        return DICE

    def settled(self, feed: Feed) -> TrainConfig:
        """The config as it is."""
        del feed
        return self.config

    def augment(
        self,
        key: Key[Array, ""],
        image: Float[Array, "n y x band"],
        target: Float[Array, "n y x class"],
        weight: Float[Array, "n y x"],
    ) -> Batch:
        """The same galaxies, seen otherwise: picture, target and weight move together."""
        return augment(key, image, target, weight, self.config.augment)

    def loss(
        self,
        logits: Float[Array, "n y x class"],
        target: Float[Array, "n y x class"],
        weight: Float[Array, "n y x"],
    ) -> Float[Array, ""]:
        """What training makes small."""
        return total_loss(logits, target, weight, self.config.loss)

    def look(
        self,
        logits: Float[Array, "n y x class"],
        target: Float[Array, "n y x class"],
        weight: Float[Array, "n y x"],
    ) -> dict[str, Float[Array, " n"]]:
        """Loss, and counts of arm pixels at the run's threshold, of each galaxy; pixels of weight 0 do not count.

        Truth is arm where at least half of the people marked the pixel.
        """
        loss = jax.vmap(lambda x, t, w: self.loss(x[None], t[None], w[None]))(logits, target, weight)
        arm = arm_class(self.config.model.classes)
        threshold = DEFAULT_THRESHOLD if self.config.threshold is None else self.config.threshold
        predicted = jax.nn.sigmoid(logits[..., arm]) > threshold
        truth = target[..., arm] >= 0.5
        return {
            "loss": loss,
            "true_positive": (weight * (predicted & truth)).sum((1, 2)),
            "false_positive": (weight * (predicted & ~truth)).sum((1, 2)),
            "false_negative": (weight * (~predicted & truth)).sum((1, 2)),
        }

    def scores(self, looked: Mapping[str, np.ndarray]) -> dict[str, float]:
        """Loss, mean Dice per galaxy and pooled Dice of the arm class, of what `look` found of all galaxies."""
        counts = metrics.Confusion(
            **{name: looked[name] for name in ("true_positive", "false_positive", "false_negative")}
        )
        return {
            "validation_loss": float(looked["loss"].mean()),
            "validation_dice": float(metrics.dice(counts).mean()),
            "validation_dice_pooled": float(metrics.dice(counts.pooled())[0]),
        }

    def conclude(self, folder: Path, feed: Feed, validation: Examples | ClassExamples | None) -> None:
        """Find the thresholds that make masks as large as the true ones, with the weights that were kept."""
        del feed
        run = load_run(folder)
        if isinstance(validation, Examples) and run.mask_thresholds is None:
            probability = predict_arms(run, validation, self.config.data.batch_size)
            truth = validation.target[..., arm_class(self.config.model.classes)] >= 127.5
            write_mask_thresholds(folder, run.step, find_mask_thresholds(probability, truth, validation.weight))


def predict_arms(run: Run, galaxies: Examples, batch_size: int) -> Float32[np.ndarray, "n y x"]:
    """The probability of arm at each pixel of each galaxy."""
    arm, parts = arm_class(run.config.model.classes), []
    for batch, real in padded_batches(pixels_of(galaxies), min(batch_size, len(galaxies))):
        image = jnp.asarray(batch.image.astype(np.float32) / np.float32(255))
        parts.append(np.asarray(predict_batch(run.model, image)[:real, ..., arm]))
    return np.concatenate(parts)


def arm_class(classes: Sequence[str]) -> int:
    """Which output map is the arms: what is scored and what decides about best and last."""
    return list(classes).index("arm")
