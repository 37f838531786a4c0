"""Learning to tell galaxies apart: what a step makes small, and what a look at the validation split counts."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from flaxgal.calibration import (
    Calibration,
    calibration_of,
    familiar_features,
    fit_temperature,
    write_calibration,
)
from flaxgal.checkpoint import load_classifier
from flaxgal.class_losses import class_cross_entropy, galaxy_weights, ordinal
from flaxgal.class_metrics import accuracy, balanced_accuracy, class_confusion
from flaxgal.classify import oriented_logits
from flaxgal.config import ClassifyConfig
from flaxgal.datasets.augment import augment_pictures
from flaxgal.datasets.feed import Feed, Pixels, padded_batches, pixels_for, unpack
from flaxgal.datasets.stacked import ClassExamples, Examples
from flaxgal.models.classifier import Classifier, class_features
from flaxgal.survey.schemas import LabelSchema, schema_named
from flaxgal.training_journal import Measure

__all__ = ["BALANCED_ACCURACY", "MEAN_ERROR", "Classifying", "weighed"]

BALANCED_ACCURACY = Measure("validation_balanced_accuracy", "balanced accuracy")
MEAN_ERROR = Measure("validation_mean_error", "mean error", rises=False)
"""Of ordered classes: how many steps off, on average."""

FAMILIAR_GALAXIES = 8192
"""Training galaxies, at most, that those to classify are compared with."""

AVERAGED = (2, 4, 8)
"""Orientations whose mean gets a temperature of its own."""

Batch = tuple[Float[Array, "n y x band"], Float[Array, "n output"], Float[Array, " n"]]


@dataclass(frozen=True)
class Classifying:
    """Logits for each galaxy in the outputs of a label schema; a look counts galaxies."""

    config: ClassifyConfig

    @property
    def schema(self) -> LabelSchema:
        """The classes."""
        return schema_named(self.config.task)

    @property
    def measure(self) -> Measure:
        """Balanced accuracy, or of ordered classes the mean error."""
        return MEAN_ERROR if self.schema.ordered else BALANCED_ACCURACY

    def settled(self, feed: Feed) -> ClassifyConfig:
        """The config with the weights of the classes as numbers."""
        return weighed(self.config, feed.class_counts())

    def augment(
        self,
        key: Key[Array, ""],
        image: Float[Array, "n y x band"],
        target: Float[Array, "n output"],
        weight: Float[Array, " n"],
    ) -> Batch:
        """The same galaxies, seen otherwise; in a mirror image, an S-wise one is to be called Z-wise."""
        image, mirrored = augment_pictures(key, image, self.config.augment)
        reflected = target[:, jnp.asarray(self.schema.mirrored_outputs)]
        return image, jnp.where(mirrored[:, None], reflected, target), weight

    def loss(
        self, logits: Float[Array, "n output"], target: Float[Array, "n output"], weight: Float[Array, " n"]
    ) -> Float[Array, ""]:
        """What training makes small: ordinal for ordered classes, else softmax cross-entropy."""
        chosen, schema = self.config.loss, self.schema
        if not isinstance(chosen.class_weights, str):
            weights = jnp.asarray(chosen.class_weights, jnp.float32)
            weight = weight * galaxy_weights(target, weights, ordered=schema.ordered)
        cost = ordinal if schema.ordered else class_cross_entropy
        return cost(logits, target, weight, label_smoothing=chosen.label_smoothing)

    def look(
        self, logits: Float[Array, "n output"], target: Float[Array, "n output"], weight: Float[Array, " n"]
    ) -> dict[str, Array]:
        """Loss of each galaxy, and the numbers of the class that it is of and of the one that it was found to be of."""
        loss = jax.vmap(lambda x, t, w: self.loss(x[None], t[None], w[None]))(logits, target, weight)
        if self.schema.ordered:
            truth, found = (target >= 0.5).sum(-1), (logits > 0).sum(-1)
        else:
            truth, found = target.argmax(-1), logits.argmax(-1)
        return {"loss": loss, "truth": truth, "found": found}

    def scores(self, looked: Mapping[str, np.ndarray]) -> dict[str, float]:
        """Loss and accuracies, or of ordered classes the mean error in steps, of what `look` found of all galaxies."""
        truth, found = (looked[name].astype(int) for name in ("truth", "found"))
        loss = {"validation_loss": float(looked["loss"].mean())}
        if self.schema.ordered:
            return loss | {MEAN_ERROR.name: float(np.abs(truth - found).mean())}
        matrix = class_confusion(truth, found, len(self.schema.classes))
        return loss | {
            "validation_accuracy": float(accuracy(matrix)),
            BALANCED_ACCURACY.name: float(balanced_accuracy(matrix)),
        }

    def conclude(self, folder: Path, feed: Feed, validation: Examples | ClassExamples | None) -> None:
        """Find how far the answers of the weights that were kept can be trusted, unless it is known already."""
        run = load_classifier(folder)
        if validation is None or calibration_of(folder, run.step) is not None:
            return
        batch_size = self.config.data.batch_size
        seen = [_found(run.model, batch, len(batch.image)) for batch in feed.first_galaxies(FAMILIAR_GALAXIES)]
        held_out = pixels_for(self.config, validation)
        checked = [_found(run.model, batch, real) for batch, real in padded_batches(held_out, batch_size)]
        features, _, target = map(np.concatenate, zip(*seen, strict=True))
        familiar = familiar_features(features, _class_numbers(target, self.schema))
        features, _, target = map(np.concatenate, zip(*checked, strict=True))
        seen_from = oriented_logits(run.model, validation.image, run.schema, orientations=max(AVERAGED))
        one, *several = (
            fit_temperature(seen_from[:number], target, ordered=self.schema.ordered) for number in (1, *AVERAGED)
        )
        calibration = Calibration(
            step=run.step,
            temperature=one,
            familiar=familiar,
            validation_distance=np.sort(familiar.distance(features)),
            averaged=dict(zip(AVERAGED, several, strict=True)),
        )
        write_calibration(folder, calibration)


def weighed(config: ClassifyConfig, counts: Sequence[int]) -> ClassifyConfig:
    """The config with the weight of each class as a number, where it asks for balanced ones.

    A class of n of N galaxies counts N / (K n) for each, so that the mean over galaxies is 1. Where mirror images are
    trained on, S and Z are shown equally often, whatever their numbers; and where batches are balanced, all classes.

    Raises
    ------
    ValueError
        If there are not as many weights as classes.
    """
    schema, weights = schema_named(config.task), config.loss.class_weights
    if not isinstance(weights, str) and len(weights) != len(schema.classes):
        raise ValueError(
            f"loss.class_weights has {len(weights)} numbers for the {len(schema.classes)} classes of {schema.name} "
            f"({', '.join(schema.classes)}): give one a class"
        )
    if weights != "balanced":
        return config
    shown = np.asarray(counts, np.float64)
    if config.data.balance:
        shown = (shown > 0).astype(np.float64)
    if config.augment.flip:
        shown = (shown + shown[list(schema.mirrored)]) / 2
    present = shown > 0
    each = np.where(present, shown.sum() / (present.sum() * np.where(present, shown, 1.0)), 1.0)
    loss = dataclasses.replace(config.loss, class_weights=tuple(each.tolist()))
    return dataclasses.replace(config, loss=loss)


def _class_numbers(target: np.ndarray, schema: LabelSchema) -> np.ndarray:
    """The number of each galaxy's class, of its target."""
    return (target >= 0.5).sum(axis=-1) if schema.ordered else target.argmax(axis=-1)


def _found(model: Classifier, batch: Pixels, real: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features, logits and targets of the first galaxies of a batch, without augmentation."""
    image, target, _ = unpack(batch)
    features, logits = class_features(model, image)
    return np.asarray(features)[:real], np.asarray(logits)[:real], np.asarray(target)[:real]
