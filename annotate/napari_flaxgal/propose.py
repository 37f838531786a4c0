"""A model's guess at a galaxy's arms, as a mask to start from. The only file of the plugin that imports JAX.

`Proposer.load` takes seconds (JAX, the weights) and so does the first guess at a picture of a new size (compilation):
call both from a worker thread, `load` and then `warm_up`; afterwards a guess is a matter of tenths of a second.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from flaxgal.compiled import keep_compiled
from flaxgal.config import PredictConfig
from flaxgal.survey.cutout import Cutout, Unreadable
from flaxgal.survey.prediction import Prediction

__all__ = ["Proposer", "contours"]


@dataclass(frozen=True, eq=False)
class Proposer:
    """A trained run that guesses at one galaxy at a time. Made by `Proposer.load`."""

    folder: Path
    """The run's folder."""
    name: str
    """Its name, as predictions and revisions record it."""
    classes: tuple[str, ...]
    """What it marks: arm, or arm and bar."""
    bands: tuple[str, ...]
    """What it looks at; "grey" is whatever bands there are."""
    threshold: float
    """The run's own: a pixel is marked where the probability is above it."""
    _predict: Callable[[Cutout], Prediction | Unreadable]

    @classmethod
    def load(cls, run_folder: Path | str, *, native: bool = False, orientations: int = 1) -> Proposer:
        """The run in a folder, ready to guess. Imports JAX: call it from a worker thread.

        Parameters
        ----------
        native
            Guess on the cutout's own pixels in place of a frame of the size that the run was trained at.
        orientations
            Average over so many quarter turns and mirror images: 1, 2, 4 or 8, each as slow as one guess.

        Raises
        ------
        ValueError
            If the folder is no run folder, or has no checkpoint.
        """
        keep_compiled()
        # JAX would take most of a GPU's memory for itself, and none would be left to train on in another process.
        os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
        from flaxgal.checkpoint import load_run
        from flaxgal.predict import predict_cutouts

        run = load_run(run_folder)
        config = PredictConfig(native=native, orientations=orientations, batch_size=1)

        def predict(cutout: Cutout) -> Prediction | Unreadable:
            (found,) = predict_cutouts(run, [cutout], config=config)
            return found  # type: ignore[return-value]

        return cls(
            folder=Path(run_folder),
            name=run.name,
            classes=run.config.model.classes,
            bands=run.config.model.bands,
            threshold=run.threshold,
            _predict=predict,
        )

    def propose(self, cutout: Cutout) -> Prediction:
        """What the run makes of a galaxy: probability maps on the cutout's own pixels.

        Raises
        ------
        ValueError
            If the run was trained on other bands than the galaxy has, or there is no light in its picture.
        """
        found = self._predict(cutout)
        if isinstance(found, Unreadable):
            raise ValueError(found.reason)
        return found

    def warm_up(self, shape: tuple[int, int]) -> None:
        """Compile what guesses at cutouts of (y, x) pixels need, on a picture of noise; later ones come at once."""
        bands = ("i",) if self.bands == ("grey",) else self.bands
        noise = np.random.default_rng(0).normal(0, 1, (len(bands), *shape)).astype(np.float32)
        self.propose(Cutout(object_id="noise", flux=noise, bands=bands, unit="nJy"))


def contours(
    prediction: Prediction, threshold: float | None = None, *, class_name: str = "arm"
) -> list[Float[np.ndarray, "point 2"]]:
    """Closed paths (y, x in pixels) around where a class is more probable than the threshold, the longest first.

    Pixels without data count as probability 0, as does what lies beyond the edge. No path where the run has no such
    class.
    """
    if class_name not in prediction.classes:
        return []
    from skimage.measure import find_contours

    probability = prediction.probability[prediction.classes.index(class_name)]
    level = prediction.threshold if threshold is None else threshold
    paths = find_contours(np.pad(np.nan_to_num(probability, nan=0.0), 1), level)
    return sorted((path - 1.0 for path in paths), key=len, reverse=True)
