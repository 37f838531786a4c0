"""Revisions side by side, and the blinded comparison."""

from __future__ import annotations

from qtpy.QtWidgets import QHBoxLayout, QLabel, QTextBrowser, QVBoxLayout, QWidget

from napari_flaxgal.review import preferences
from napari_flaxgal.session import Session
from napari_flaxgal.widget.parts import action_button
from napari_flaxgal.workbench import Workbench

__all__ = ["ReviewPage"]


class ReviewPage(QWidget):
    """Revisions side by side, and the blinded comparison."""

    def __init__(self, workbench: Workbench) -> None:
        super().__init__()
        self.workbench = workbench
        column = QVBoxLayout(self)
        self.words = QLabel()
        self.words.setWordWrap(True)
        self.review = action_button(workbench, "review", checkable=True)
        self.blind = action_button(workbench, "blind_comparison", checkable=True)
        self.history = QTextBrowser()
        self.history.setMinimumHeight(180)
        self.results = QLabel()
        self.results.setWordWrap(True)
        for widgets in (
            (self.review, self.blind),
            (action_button(workbench, "previous_pair"), action_button(workbench, "next_pair")),
            tuple(action_button(workbench, name) for name in ("pick_left", "pick_neither", "pick_right")),
        ):
            row = QHBoxLayout()
            for widget in widgets:
                row.addWidget(widget)
            column.addLayout(row)
        for widget in (self.words, QLabel("Revisions of this galaxy"), self.history, self.results):
            column.addWidget(widget)
        column.addStretch()

    def refresh(self) -> None:
        """What is compared, the galaxy's history, and how the blinded comparisons stand."""
        bench = self.workbench
        review = bench.comparison.review_of
        self.review.setChecked(review is not None and not review.is_blind)
        self.blind.setChecked(review is not None and review.is_blind)
        self.words.setText(review.words if review else "")
        if review is not None and review.is_blind:
            self.history.setPlainText("hidden during a blind comparison")
        elif bench.session.blind_repeat:
            self.history.setPlainText("hidden while you draw without it")
        else:
            self.history.setPlainText("\n".join(_history(bench.session)) or "none yet")
        standing = preferences(bench.session.store)
        self.results.setText(
            "Blind comparisons (better, worse, equal):\n"
            + "\n".join(f"{name}: {better}, {worse}, {equal}" for name, (better, worse, equal) in standing.items())
            if standing
            else ""
        )


def _history(session: Session) -> list[str]:
    """The revisions of the galaxy that is open, newest first."""
    return [
        f"{said.created_utc[:16].replace('T', ' ')}  {said.annotator}  {said.origin}  "
        f"{said.active_seconds:.0f} s  {said.revision_id[:8]}"
        for said in (line.provenance for line in reversed(session.store.history(session.object_id)))
    ]
