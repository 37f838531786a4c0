"""Buttons, sliders and boxes as all pages have them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from qtpy.QtCore import Qt
from qtpy.QtOpenGLWidgets import QOpenGLWidget
from qtpy.QtWidgets import (
    QDoubleSpinBox,
    QGridLayout,
    QGroupBox,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QSlider,
    QWidget,
)

from napari_flaxgal.keys import NAPARI_TOOLS, action
from napari_flaxgal.workbench import Workbench

__all__ = [
    "action_button",
    "cut",
    "group_box",
    "quiet",
    "scrolling",
    "slider",
    "spin",
    "to_the_picture",
    "tool_button",
    "without_keys",
]


def action_button(workbench: Workbench, name: str, *, checkable: bool = False) -> QPushButton:
    """The button of an action."""
    row = action(name)
    button = QPushButton(row.title)
    button.setToolTip(row.tooltip)
    button.setCheckable(checkable)
    button.setFocusPolicy(Qt.FocusPolicy.NoFocus)  # keys stay with the picture
    button.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
    button.clicked.connect(lambda _=False: workbench.press(name))
    return button


def tool_button(workbench: Workbench, tool: str, words: str) -> QPushButton:
    """The button of one of napari's own tools."""
    button = QPushButton(words)
    button.setToolTip(f"napari's {words.lower()} tool [{', '.join(NAPARI_TOOLS[tool])}]")
    button.setCheckable(True)
    button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    button.clicked.connect(lambda _=False: workbench.hold(tool))
    return button


def group_box(title: str) -> tuple[QGroupBox, QGridLayout]:
    """A titled box, and the grid in it."""
    box = QGroupBox(title)
    grid = QGridLayout(box)
    grid.setContentsMargins(6, 6, 6, 6)
    return box, grid


def slider(low: int, high: int) -> QSlider:
    """A horizontal slider that leaves the keys to the picture."""
    slider = QSlider(Qt.Orientation.Horizontal)
    slider.setRange(low, high)
    slider.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    return slider


def spin(low: float, high: float, step: float) -> QDoubleSpinBox:
    """A field for a number."""
    spin = QDoubleSpinBox()
    spin.setRange(low, high)
    spin.setSingleStep(step)
    spin.setKeyboardTracking(False)
    spin.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
    spin.editingFinished.connect(lambda: to_the_picture(spin))
    return spin


def without_keys(*widgets: QWidget) -> None:
    """Leave the keyboard to the picture: these are for the mouse alone."""
    for widget in widgets:
        widget.setFocusPolicy(Qt.FocusPolicy.NoFocus)


def to_the_picture(widget: QWidget) -> None:
    """Give the keyboard back when something was typed."""
    widget.clearFocus()
    canvas = widget.window().findChild(QOpenGLWidget)
    if canvas is not None:
        canvas.setFocus()


def scrolling(page: QWidget) -> QScrollArea:
    """A page that scrolls when the window is low."""
    area = QScrollArea()
    area.setWidgetResizable(True)
    area.setWidget(page)
    area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    return area


def cut(text: str, length: int) -> str:
    """Text that fits."""
    return text if len(text) <= length else f"{text[: length - 1]}…"


@contextlib.contextmanager
def quiet(*widgets: QWidget) -> Iterator[None]:
    """Change what widgets show without their telling anybody."""
    before = [widget.blockSignals(True) for widget in widgets]
    try:
        yield
    finally:
        for widget, blocked in zip(widgets, before, strict=True):
            widget.blockSignals(blocked)
