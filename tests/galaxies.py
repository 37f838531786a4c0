"""Stores of mock galaxies, and a model that always guesses the same, for the tests of drawing."""

import time
from pathlib import Path

import numpy as np

from flaxgal.labels.store import Store
from flaxgal.survey.prediction import Prediction


def mock_store(path: Path, *, number: int, size: int, seed: int = 3) -> Store:
    """A new label store of mock galaxies."""
    import jax

    from flaxgal.config import MockConfig
    from flaxgal.mock.cutouts import mock_cutouts
    from flaxgal.mock.galaxy import render

    config = MockConfig(image_size=size)
    store = Store.create(path)
    for cutout in mock_cutouts(config, render(config, jax.random.key(seed), number)):
        store.add(cutout)
    return store


def morphologies_in(table: Path) -> dict[str, str]:
    """The class of each galaxy in a table of classes."""
    from flaxgal.survey.class_tables import read_class_table

    return {object_id: labels.morphology for object_id, labels in read_class_table(table).labels.items()}


class Guess:
    """A model that marks a band across the picture, more probably in its upper half."""

    name = "band"

    def __init__(self, seconds: float = 0.0) -> None:
        self.seconds = seconds

    def propose(self, cutout) -> Prediction:
        time.sleep(self.seconds)
        probability = np.zeros((1, *cutout.image_shape), np.float32)
        probability[0, 20:40] = 0.6
        probability[0, 30:40] = 0.9
        return Prediction(
            object_id=cutout.object_id,
            survey=cutout.survey,
            probability=probability,
            classes=("arm",),
            threshold=0.5,
            run="band",
            cutout_sha256=cutout.sha256,
        )
