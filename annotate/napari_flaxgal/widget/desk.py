"""A session's controls: the heading, the pages under it, and what ties them to the workbench."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from napari.qt.threading import create_worker
from napari.utils.notifications import show_error
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QGridLayout, QLabel, QLineEdit, QScrollArea, QTabWidget, QTextBrowser, QVBoxLayout, QWidget

from napari_flaxgal.keys import action, help_lines
from napari_flaxgal.propose import Proposer
from napari_flaxgal.session import Session
from napari_flaxgal.widget.draw_page import DrawPage
from napari_flaxgal.widget.parts import action_button, cut, scrolling, to_the_picture, without_keys
from napari_flaxgal.widget.progress_page import ProgressPage, TrainingPanel
from napari_flaxgal.widget.queue_page import SHOWN_WORDS, QueuePage
from napari_flaxgal.widget.review_page import ReviewPage
from napari_flaxgal.workbench import Workbench

__all__ = ["Desk", "Heading"]

DRAW, PROGRESS = 0, 3
"""Places of pages among the tabs."""


class Desk(QWidget):
    """A session's controls."""

    def __init__(self, viewer: Any, session: Session, model: Path | None) -> None:
        super().__init__()
        self.workbench = Workbench(viewer, session, later=in_a_thread)
        self.training = TrainingPanel(self.workbench, model, self.load_model)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        self.heading = Heading(self.workbench)
        column.addWidget(self.heading)
        self.tabs = QTabWidget()
        self.draw, self.queue = DrawPage(self.workbench), QueuePage(self.workbench)
        self.review, self.progress = ReviewPage(self.workbench), ProgressPage(self.workbench, self.training)
        self.keys = _help()
        for page, words in (
            (self.draw, "Draw"),
            (self.queue, "Queue"),
            (self.review, "Review"),
            (self.progress, "Progress"),
            (self.keys, "Keys"),
        ):
            self.tabs.addTab(scrolling(page) if page is not self.keys else page, words)
        column.addWidget(self.tabs)
        without_keys(self.tabs, self.tabs.tabBar())
        self.workbench.changed.connect(self.refresh)
        self.workbench.asked.connect(self._asked)
        self.tabs.currentChanged.connect(lambda _: self.refresh())
        if model is not None:
            self.load_model(model)
        self.refresh()

    def load_model(self, run: Path) -> None:
        """Load a run in the background and have it guess from then on."""
        self.draw.model.setText(f"loading {run.name} …")
        shape = self.workbench.session.cutout.image_shape

        def load() -> Proposer:
            proposer = Proposer.load(run)
            proposer.warm_up(shape)
            return proposer

        in_a_thread(load, self._loaded, self._not_loaded)

    def leave(self, *, even_if_lost: bool = False) -> None:
        """Keep where the annotator is. A training goes on by itself: its run guesses the next time.

        Raises
        ------
        OSError
            If strokes are in memory only; nothing is left then, unless `even_if_lost`.
        """
        self.workbench.session.close(even_if_lost=even_if_lost)
        self.training.timer.stop()

    def refresh(self) -> None:
        """Show what is."""
        self.heading.refresh()
        page = self.tabs.currentWidget()
        shown: Any = page.widget() if isinstance(page, QScrollArea) else page
        if shown is not self.keys:
            shown.refresh()

    def _loaded(self, proposer: Proposer) -> None:
        self.workbench.guesses.proposer = proposer
        self.training.model = proposer.folder
        self.refresh()
        if self.workbench.guesses.at_once and not self.workbench.session.mask.any():
            self.workbench.guesses.propose()

    def _not_loaded(self, error: Exception) -> None:
        self.draw.model.setText("no model")
        show_error(str(error))

    def _asked(self, what: str) -> None:
        if what == "jump":
            self.heading.jump.setFocus()
            self.heading.jump.selectAll()
        elif what == "show_keys":
            here = self.tabs.currentWidget() is self.keys
            self.tabs.setCurrentIndex(DRAW if here else self.tabs.indexOf(self.keys))
        elif what == "retrain":
            self.tabs.setCurrentIndex(PROGRESS)
            self.training.toggle()


class Heading(QWidget):
    """Which galaxy this is, and the way on."""

    def __init__(self, workbench: Workbench) -> None:
        super().__init__()
        self.workbench = workbench
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        self.galaxy, self.standing, self.saved = QLabel(), QLabel(), QLabel()
        self.galaxy.setStyleSheet("font-size: 13pt; font-weight: bold;")
        self.galaxy.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.saved.setWordWrap(True)
        self.jump = QLineEdit()
        self.jump.setPlaceholderText("go to id …")
        self.jump.setToolTip(action("jump").tooltip)
        self.jump.returnPressed.connect(self._jump)
        grid.addWidget(self.galaxy, 0, 0, 1, 4)
        grid.addWidget(self.standing, 1, 0, 1, 4)
        commit = action_button(workbench, "commit")
        commit.setStyleSheet("font-weight: bold; background: #2a6f4e; color: white;")
        for place, button in enumerate(
            (action_button(workbench, "previous_galaxy"), action_button(workbench, "next_galaxy"))
        ):
            grid.addWidget(button, 2, place)
        grid.addWidget(commit, 2, 2, 1, 2)
        self.flag = action_button(workbench, "flag", checkable=True)
        for place, button in enumerate(
            (
                action_button(workbench, "skip"),
                self.flag,
                action_button(workbench, "commit_no_arms"),
                action_button(workbench, "discard"),
            )
        ):
            grid.addWidget(button, 3, place)
        grid.addWidget(self.jump, 4, 0, 1, 4)
        grid.addWidget(self.saved, 5, 0, 1, 4)

    def refresh(self) -> None:
        """The galaxy that is open now."""
        session = self.workbench.session
        self.galaxy.setText(cut(session.object_id, 30))
        self.galaxy.setToolTip(session.object_id)
        place = self.workbench.place
        among = f"{len(session.queue):,} galaxies ({SHOWN_WORDS[session.queue.show]})"
        standing = f"{place + 1:,} of {among}" if place is not None else f"not among the {among}"
        who = dict.fromkeys(line.provenance.annotator for line in session.store.history(session.object_id))
        said = f"labelled by {', '.join(who)}" if who and not session.blind_repeat else ""
        drawn = "● not committed" if session.is_changed else ""
        self.standing.setText("\n".join([standing, "   ".join(filter(None, (said, drawn)))]))
        self.flag.setChecked(session.is_flagged)
        self.saved.setText(session.trouble or self.workbench.saved)
        self.saved.setStyleSheet("color: #ff6b6b; font-weight: bold;" if session.trouble else "")

    def _jump(self) -> None:
        self.workbench.open(self.jump.text())
        self.jump.clear()
        to_the_picture(self.jump)


def in_a_thread(work: Any, done: Any, failed: Any) -> None:
    """`workbench.Later` for a window: work in a thread of Qt's, the answer on the window's own."""
    create_worker(work, _connect={"returned": done, "errored": failed})


def _help() -> QTextBrowser:
    """The list of keys."""
    browser = QTextBrowser()
    rows, before = [], ""
    for group, key, sentence in help_lines():
        if group != before:
            rows.append(f"<tr><td colspan=2><h4>{group}</h4></td></tr>")
            before = group
        rows.append(f"<tr><td><b>{key}</b>&nbsp;&nbsp;</td><td>{sentence}</td></tr>")
    browser.setHtml(f"<table>{''.join(rows)}</table>")
    return browser
