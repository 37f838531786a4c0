"""How far the pile is, and whether the model learns from it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from napari.utils.notifications import show_error, show_info
from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import QGroupBox, QLabel, QProgressBar, QVBoxLayout, QWidget

from napari_flaxgal.keys import action
from napari_flaxgal.training import Training, read_scores
from napari_flaxgal.widget.parts import action_button
from napari_flaxgal.workbench import Workbench

__all__ = ["ProgressPage", "TrainingPanel"]

POLL_MILLISECONDS = 500


class ProgressPage(QWidget):
    """How far the pile is, and whether the model learns from it."""

    def __init__(self, workbench: Workbench, training: TrainingPanel) -> None:
        super().__init__()
        self.workbench = workbench
        column = QVBoxLayout(self)
        self.bar, self.words = QProgressBar(), QLabel()
        self.bar.setToolTip("Galaxies that somebody labelled, of all in the store")
        self.words.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        for widget in (self.bar, self.words, training):
            column.addWidget(widget)
        column.addStretch()

    def refresh(self) -> None:
        """Counts of the store as it is now."""
        progress = self.workbench.session.progress()
        self.bar.setRange(0, max(1, progress.galaxies))
        self.bar.setValue(progress.labelled)
        self.bar.setFormat(f"{progress.labelled:,} of {progress.galaxies:,} labelled")
        lines = [f"{name}: {number:,} galaxies" for name, number in progress.by_annotator.items()]
        if progress.median_seconds is not None:
            lines.append(f"your median: {progress.median_seconds:.0f} s of work a galaxy")
        self.words.setText("\n".join(lines) or "nobody has labelled a galaxy yet")


class TrainingPanel(QGroupBox):
    """Retraining in the background, and the scores it reached so far.

    `use` is given the run folder when one is trained.
    """

    def __init__(self, workbench: Workbench, model: Path | None, use: Callable[[Path], None]) -> None:
        super().__init__("Model")
        self.workbench, self.model, self.use = workbench, model, use
        self.running: Training | None = None
        column = QVBoxLayout(self)
        self.button = action_button(workbench, "retrain")
        self.bar, self.note, self.scores = QProgressBar(), QLabel(), QLabel()
        self.bar.setRange(0, 1000)
        self.note.setWordWrap(True)
        self.scores.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        for widget in (self.button, self.bar, self.note, self.scores):
            column.addWidget(widget)
        self.bar.setVisible(False)
        self.timer = QTimer(self)
        self.timer.setInterval(POLL_MILLISECONDS)
        self.timer.timeout.connect(self._poll)
        self._show_scores()

    def toggle(self) -> None:
        """Start training on the labels of now, or stop it."""
        if self.running is not None:
            self.stop()
            return
        self.running = Training(self.workbench.session.store.path, self.model)
        self.running.start()
        self.button.setText("Stop training")
        self.bar.setVisible(True)
        self.timer.start()

    def stop(self) -> None:
        """Stop training, if it runs; what it has done so far is left in its folder."""
        self.timer.stop()
        if self.running is not None:
            self.running.stop()
            self._finished("stopped")

    def _poll(self) -> None:
        if self.running is None:
            return
        phase, fraction, note = self.running.poll()
        self.bar.setValue(round(1000 * fraction))
        self.note.setText(f"{phase}: {note}" if note else phase)
        if phase == "failed":
            show_error(note)
            self._finished(note)
        elif phase == "done":
            run = self.running.result()
            self._finished(f"{run.name} guesses now")
            show_info(f"Trained: {run.name} guesses from now on")
            self.use(run)

    def _finished(self, note: str) -> None:
        self.timer.stop()
        self.running = None
        self.button.setText(action("retrain").title)
        self.bar.setVisible(False)
        self.note.setText(note)
        self._show_scores()

    def _show_scores(self) -> None:
        scores = read_scores(self.workbench.session.store.path)
        lines = [
            f"{score['labels']:>6,} labels   Dice {score['dice']:.3f} [{score['low']:.3f}, {score['high']:.3f}]"
            for score in scores[-8:]
        ]
        self.scores.setText("held-out score:\n" + "\n".join(lines) if lines else "")
