"""Which galaxies, in which order, and the list of them."""

from __future__ import annotations

from typing import Any

from napari.utils.notifications import show_error
from qtpy.QtCore import QAbstractListModel, QModelIndex, Qt
from qtpy.QtWidgets import (
    QAbstractItemView,
    QCheckBox,
    QComboBox,
    QFormLayout,
    QListView,
    QSpinBox,
    QWidget,
)

from flaxgal.labels.queue import ORDERS, SHOWS, Order
from napari_flaxgal.session import Session
from napari_flaxgal.widget.parts import quiet, to_the_picture, without_keys
from napari_flaxgal.workbench import Workbench

__all__ = ["SHOWN_WORDS", "QueueModel", "QueuePage"]

SHOWN_WORDS = {
    "all": "all galaxies",
    "unlabelled": "not labelled yet",
    "disputed": "disputed",
    "flagged": "flagged",
    "mine": "labelled by me",
}
ORDER_WORDS = {
    "id": "by id",
    "random": "random",
    "discs": "random, visible discs",
    "column": "catalogue column",
    "usefulness": "most useful first",
}


class QueuePage(QWidget):
    """Which galaxies, in which order, and the list of them."""

    def __init__(self, workbench: Workbench) -> None:
        super().__init__()
        self.workbench = workbench
        form = QFormLayout(self)
        self.show_box, self.order_box, self.column = QComboBox(), QComboBox(), QComboBox()
        self.seed = QSpinBox()
        self.seed.setRange(0, 2**31 - 1)
        for box, words, tip in (
            (self.show_box, [SHOWN_WORDS[name] for name in SHOWS], "Which galaxies are in the queue"),
            (self.order_box, [ORDER_WORDS[name] for name in ORDERS], "In which order they come; revisions record it"),
        ):
            box.addItems(words)
            box.setToolTip(tip)
        self.column.addItems(sorted(workbench.session.catalogue or {}))
        self.column.setToolTip("Column of the catalogue to sort by (--catalogue FILE)")
        self.seed.setToolTip("Another number gives another random order")
        self.descending = QCheckBox("largest first")
        self.descending.setToolTip("Turn the order by id or by column round")
        self.seed.setKeyboardTracking(False)
        self.seed.editingFinished.connect(lambda: to_the_picture(self.seed))
        for changed in (self.show_box.activated, self.order_box.activated, self.column.activated):
            changed.connect(lambda _: self._apply())
        self.seed.valueChanged.connect(lambda _: self._apply())
        self.descending.toggled.connect(lambda _: self._apply())
        self.list = QListView()
        self.list.setUniformItemSizes(True)
        self.list.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.list.setMinimumHeight(260)
        self.list.setToolTip("Click a galaxy to go to it")
        self.list.clicked.connect(lambda index: workbench.open(index.data(Qt.ItemDataRole.UserRole)))
        for words, field in (
            ("Show", self.show_box),
            ("Order", self.order_box),
            ("Column", self.column),
            ("Seed", self.seed),
            ("", self.descending),
        ):
            form.addRow(words, field)
        form.addRow(self.list)
        self._listed: Any = None
        without_keys(self.show_box, self.order_box, self.column, self.descending, self.list)

    def refresh(self) -> None:
        """The queue as it is; the list is made again only when the queue is another one."""
        session = self.workbench.session
        if self._listed is not session.queue:
            self._listed = session.queue
            with quiet(self.show_box, self.order_box, self.seed):
                self.show_box.setCurrentIndex(SHOWS.index(session.queue.show))
                self.order_box.setCurrentIndex(ORDERS.index(session.queue.order.name))
                self.seed.setValue(session.queue.order.seed)
            self._model = QueueModel(session, self)
            self.list.setModel(self._model)
        self._model.unfinished = frozenset(session.unfinished)
        place = self.workbench.place
        if place is not None:
            index = self.list.model().index(place, 0)
            self.list.setCurrentIndex(index)
            self.list.scrollTo(index, QAbstractItemView.ScrollHint.PositionAtCenter)
        self.list.viewport().update()

    def _apply(self) -> None:
        name = ORDERS[self.order_box.currentIndex()]
        turns, sorts = name in ("id", "column"), name == "column"
        try:
            order = Order(
                name=name,
                seed=self.seed.value(),
                column=self.column.currentText() if sorts else "",
                descending=self.descending.isChecked() if turns else False,
            )
        except ValueError as error:
            show_error(str(error))
            return
        self.workbench.set_queue(order=order, show=SHOWS[self.show_box.currentIndex()])


class QueueModel(QAbstractListModel):
    """The queue's ids with what is known of each; made on demand, so that 76,635 of them scroll."""

    def __init__(self, session: Session, parent: QWidget) -> None:
        super().__init__(parent)
        self.session, self.ids = session, session.queue.ids
        self.unfinished: frozenset[str] = frozenset()
        """Galaxies on which a drawing waits."""

    def rowCount(self, parent: QModelIndex = QModelIndex()) -> int:  # noqa: B008, N802 (Qt's names)
        """How many galaxies."""
        return 0 if parent.isValid() else len(self.ids)

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """One row."""
        object_id = self.ids[index.row()]
        if role == Qt.ItemDataRole.UserRole:
            return object_id
        if role == Qt.ItemDataRole.DisplayRole:
            number = len(self.session.store.history(object_id))
            revisions = f"{number} revision{'s' * (number > 1)}" if number else ""
            waiting = "● unfinished drawing" if object_id in self.unfinished else ""
            return "   ".join(filter(None, (object_id, revisions, waiting)))
        return None
