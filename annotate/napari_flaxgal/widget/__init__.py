"""The dock beside the picture. The only folder that imports Qt, and only through qtpy.

Every button calls a method of `Workbench` that a key calls too (`keys.ACTIONS`); nothing is decided here.
"""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Any

import napari
from napari.utils.notifications import show_error
from qtpy.QtCore import QEvent, Qt, QTimer
from qtpy.QtWidgets import (
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLineEdit,
    QMessageBox,
    QPushButton,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from flaxgal.labels.annotating import login_name
from flaxgal.labels.queue import Order, read_catalogue_columns
from flaxgal.labels.scores import last_run
from flaxgal.labels.store import Store
from napari_flaxgal.session import Session
from napari_flaxgal.widget.desk import Desk

__all__ = ["AnnotationDock", "open_window"]

DOCK_WIDTH = 380
BROWSE_KEYS = {"Store": "Alt+1", "Model": "Alt+2"}
"""Before a store is open."""


def open_window(
    *,
    store: Path | str,
    annotator: str,
    model: Path | str | None = None,
    order: Order | None = None,
    show: str = "unlabelled",
    catalogue: Path | None = None,
    repeats: float = 0.0,
    classes: tuple[str, ...] = ("arm", "bar"),
    viewer: Any = None,
) -> Any:
    """A napari window ready to annotate: the store's queue open where this annotator stopped.

    Raises
    ------
    ValueError
        If there is no store, or nothing in it that is asked for.
    """
    columns = read_catalogue_columns(catalogue) if catalogue else None
    opened = Store.open(store)
    gc.freeze()  # to look through a large store's listing for garbage would stop the window for a second
    session = Session(
        opened, annotator, order=order or Order(), show=show, catalogue=columns, repeats=repeats, classes=classes
    )
    viewer = viewer or napari.Viewer(title=f"flaxgal: {opened.path}")
    dock = AnnotationDock(viewer, session=session, model=Path(model) if model else None)
    beside = viewer.window.add_dock_widget(dock, name="flaxgal", area="right", add_vertical_stretch=False)
    viewer.window._qt_window.resizeDocks([beside], [DOCK_WIDTH], Qt.Orientation.Horizontal)
    for napari_dock in (viewer.window._qt_viewer.dockLayerList, viewer.window._qt_viewer.dockLayerControls):
        napari_dock.setVisible(False)  # the room is the galaxy's; napari's Window menu brings them back
    if dock.desk is not None:
        QTimer.singleShot(0, dock.desk.workbench.fit)  # the canvas has its size only now
    return viewer


class AnnotationDock(QWidget):
    """Everything beside the picture. Without a session (opened from napari's menu) it asks for a store first."""

    def __init__(
        self, napari_viewer: napari.Viewer, *, session: Session | None = None, model: Path | None = None
    ) -> None:
        super().__init__()
        self.viewer = napari_viewer
        self.pages = QStackedWidget()
        column = QVBoxLayout(self)
        column.setContentsMargins(4, 4, 4, 4)
        column.addWidget(self.pages)
        self.desk: Desk | None = None
        if session is None:
            self.pages.addWidget(StoreChooser(self))
        else:
            self.begin(session, model)

    def begin(self, session: Session, model: Path | None = None) -> None:
        """Show a session's desk."""
        self.desk = Desk(self.viewer, session, model)
        self.viewer.window._qt_window.installEventFilter(self)
        self.pages.addWidget(self.desk)
        self.pages.setCurrentWidget(self.desk)

    def eventFilter(self, watched: Any, event: Any) -> bool:  # noqa: N802 (Qt's name)
        """When the window closes, leave the session in order, or stay if strokes would be lost and somebody minds."""
        if event.type() == QEvent.Type.Close and self.desk is not None:
            try:
                self.desk.leave()
            except OSError as error:
                if not self._may_lose(str(error)):
                    event.ignore()
                    return True
                self.desk.leave(even_if_lost=True)
            self.desk = None
        return super().eventFilter(watched, event)

    def _may_lose(self, why: str) -> bool:
        buttons = QMessageBox.StandardButton
        words = f"{why}\n\nClose all the same, and lose these strokes?"
        return QMessageBox.question(self, "flaxgal", words, buttons.Yes | buttons.No) == buttons.Yes


class StoreChooser(QWidget):
    """Asks which store to work in, as whom, with which model."""

    def __init__(self, dock: AnnotationDock) -> None:
        super().__init__()
        self.dock = dock
        self.store, self.annotator, self.model = QLineEdit(), QLineEdit(login_name()), QLineEdit()
        self.store.setPlaceholderText("folder of a label store")
        self.model.setPlaceholderText("run folder, if a model is to guess")
        form = QFormLayout(self)
        for words, field, folder, tip in (
            ("Store", self.store, True, "Folder of the label store"),
            ("Annotator", self.annotator, False, "Whose marks these are"),
            ("Model", self.model, True, "Run folder of the model that guesses; empty: what was retrained last here"),
        ):
            row = QHBoxLayout()
            row.addWidget(field)
            if folder:
                browse = QPushButton("…")
                browse.setShortcut(BROWSE_KEYS[words])
                browse.setToolTip(f"Choose the {words.lower()}'s folder [{BROWSE_KEYS[words]}]")
                browse.clicked.connect(lambda _=False, field=field: self._browse(field))
                row.addWidget(browse)
            form.addRow(words, row)
            field.setToolTip(f"{tip} [Enter opens]")
            field.returnPressed.connect(self._start)
        start = QPushButton("Open")
        start.setToolTip("Open the store where you stopped [Enter]")
        start.clicked.connect(self._start)
        form.addRow(start)

    def _browse(self, field: QLineEdit) -> None:
        chosen = QFileDialog.getExistingDirectory(self, "Choose a folder", field.text())
        if chosen:
            field.setText(chosen)

    def _start(self) -> None:
        try:
            session = Session(Store.open(self.store.text().strip()), self.annotator.text())
            model = self.model.text().strip()
            self.dock.begin(session, Path(model) if model else last_run(session.store.path))
        except (ValueError, OSError) as error:
            show_error(str(error))
