"""The model's guess in a viewer: asked for off the viewer's thread, outlined, and filled in where nobody has drawn."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Shapes
from napari.utils.notifications import show_info, show_warning

from flaxgal.survey.prediction import Prediction
from napari_flaxgal.propose import contours
from napari_flaxgal.telling import told

if TYPE_CHECKING:
    from napari_flaxgal.workbench import Workbench

__all__ = ["Guesses"]

THRESHOLD_STEP = 0.05
OUTLINE, FAINT_OUTLINE = "#ffd92f", "#ffd92f80"


class Guesses:
    """What a model makes of the galaxy that is open. The owner of the outlines' layer."""

    def __init__(self, bench: Workbench, proposer: Any) -> None:
        self.bench, self.proposer = bench, proposer
        self.prediction: Prediction | None = None
        self.threshold = 0.5
        self._chosen_threshold: float | None = None
        self.is_running = False
        self._is_wanted = False
        self.at_once = False
        """Whether a guess is made for each galaxy that nobody has drawn on, as soon as it is opened."""
        self.contours = Shapes(None, ndim=2, name="guess", edge_color=OUTLINE, face_color="transparent")

    def begin_galaxy(self) -> None:
        """Forget the galaxy before, and guess if that is wanted."""
        self.forget()
        if self.at_once and self.proposer is not None and not self.bench.session.mask.any():
            self.propose()

    def forget(self) -> None:
        """Take the outlines away."""
        self.prediction = None
        self.show()

    def propose(self) -> None:
        """Ask the model for a guess, off the viewer's thread; it fills in where nobody has drawn by hand."""
        if self.proposer is None:
            show_warning("No model to guess with: start with --model RUN, or train one from the Progress page")
            return
        if self.is_running:
            self._is_wanted = True  # for the galaxy before, perhaps: this one's turn comes when that answer is here
            return
        cutout = self.bench.session.cutout
        self.is_running = True
        self.bench.changed.emit()
        self.bench.later(lambda: self.proposer.propose(cutout), self._proposed, self._not_proposed)

    def toggle_at_once(self) -> None:
        """Guess for each galaxy that nobody has drawn on as soon as it is opened, or only when asked."""
        self.at_once = not self.at_once
        self.bench.changed.emit()
        if self.at_once and self.proposer is not None and not self.bench.session.mask.any():
            self.propose()

    def set_threshold(self, threshold: float) -> None:
        """The probability above which the guess is arm; the guess is drawn anew, hand-drawn pixels stay."""
        self.threshold = self._chosen_threshold = float(np.clip(threshold, 0.02, 0.98))
        if self.prediction is not None:
            self._draw_proposal()
        self.bench.changed.emit()

    def raise_threshold(self) -> None:
        """Less of the guess."""
        self.set_threshold(round(self.threshold + THRESHOLD_STEP, 3))

    def lower_threshold(self) -> None:
        """More of the guess."""
        self.set_threshold(round(self.threshold - THRESHOLD_STEP, 3))

    @told
    def discard_proposal(self) -> None:
        """Take the guess out; what was drawn by hand stays."""
        self.bench.session.discard_proposal()
        self.bench.show_drawing()
        self.forget()

    def show(self) -> None:
        """The outlines of the guess: at the threshold, and fainter at half of it."""
        if len(self.contours.data):
            self.contours.data = []
        if self.prediction is None:
            return
        for level, width, colour in ((self.threshold, 0.6, OUTLINE), (self.threshold / 2, 0.3, FAINT_OUTLINE)):
            lines = contours(self.bench.view.prediction(self.prediction, self.bench.looks), level)
            if lines:
                self.contours.add_paths(lines, edge_width=width, edge_color=colour)

    @told
    def _proposed(self, prediction: Prediction) -> None:
        wanted, self.is_running, self._is_wanted = self._is_wanted, False, False
        if prediction.cutout_sha256 != self.bench.session.cutout.sha256:
            if wanted:  # the galaxy it was made for is no longer the one that is open
                self.propose()
            return
        self.prediction = prediction
        self.threshold = prediction.threshold if self._chosen_threshold is None else self._chosen_threshold
        self._draw_proposal()
        if self.bench.session.by_hand.all():
            show_info(f"{prediction.object_id}: all was decided by hand; the guess is outlined, nothing changes")

    @told
    def _not_proposed(self, error: Exception) -> None:
        self.is_running = self._is_wanted = False
        raise ValueError(f"No guess: {error}") from error

    @told
    def _draw_proposal(self) -> None:
        prediction = replace(self.prediction, threshold=self.threshold)  # type: ignore[type-var]
        self.bench.session.propose(prediction.class_map, prediction.run, self.threshold)
        self.bench.show_drawing()
        self.show()
