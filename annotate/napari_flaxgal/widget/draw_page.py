"""Seeing, drawing, tracing and the model's guess."""

from __future__ import annotations

from qtpy.QtGui import QColor, QPixmap
from qtpy.QtWidgets import QComboBox, QHBoxLayout, QLabel, QVBoxLayout, QWidget

from flaxgal.survey.cutout import Cutout
from napari_flaxgal.colours import BAD_PLANES, CLASS_COLOURS
from napari_flaxgal.keys import action
from napari_flaxgal.widget.parts import action_button, group_box, quiet, slider, spin, tool_button, without_keys
from napari_flaxgal.workbench import Workbench

__all__ = ["DrawPage"]

TOOLS = {"paint": "Brush", "erase": "Erase", "polygon": "Polygon", "fill": "Fill", "pan_zoom": "Move"}


class DrawPage(QWidget):
    """Seeing, drawing, tracing and the model's guess."""

    def __init__(self, workbench: Workbench) -> None:
        super().__init__()
        self.workbench = workbench
        column = QVBoxLayout(self)
        column.addWidget(self._seeing())
        column.addWidget(self._drawing())
        column.addWidget(self._guessing())
        column.addStretch()

    def _seeing(self) -> QWidget:
        box, grid = group_box("See")
        self.band = QComboBox()
        self.band.setToolTip(action("next_band").tooltip)
        self.band.activated.connect(lambda _: self.workbench.look(band=self.band.currentText()))
        self.stretch = slider(-100, 100)
        self.stretch.setToolTip(f"Stretch: core to outskirts [{action('brighter').key}, {action('fainter').key}]")
        self.stretch.valueChanged.connect(lambda value: self.workbench.look(stretch=value / 100))
        self.residual = action_button(self.workbench, "show_residual", checkable=True)
        self.polar = action_button(self.workbench, "show_polar", checkable=True)
        self.bad = action_button(self.workbench, "toggle_bad_pixels", checkable=True)
        self.hide_drawing = action_button(self.workbench, "toggle_drawing", checkable=True)
        self.axis_ratio, self.position_angle = spin(0.1, 1.0, 0.02), spin(0.0, 180.0, 2.0)
        self.axis_ratio.setToolTip("Axis ratio of the disc, by which the polar view is deprojected")
        self.position_angle.setToolTip("Angle of the disc's major axis from the picture's x axis, in degrees")
        self.axis_ratio.valueChanged.connect(lambda value: self.workbench.incline(axis_ratio=value))
        self.position_angle.valueChanged.connect(lambda value: self.workbench.incline(position_angle=value))
        grid.addWidget(QLabel("Band"), 0, 0)
        grid.addWidget(self.band, 0, 1)
        grid.addWidget(QLabel("Stretch"), 1, 0)
        grid.addWidget(self.stretch, 1, 1, 1, 3)
        for place, button in enumerate((self.residual, self.polar, self.bad, self.hide_drawing)):
            grid.addWidget(button, 2, place)
        self.plane = QWidget()
        row = QHBoxLayout(self.plane)
        row.setContentsMargins(0, 0, 0, 0)
        for words, field in (("b/a", self.axis_ratio), ("angle", self.position_angle)):
            row.addWidget(QLabel(words))
            row.addWidget(field)
        grid.addWidget(self.plane, 3, 0, 1, 4)
        self.legend = QLabel()
        self.legend.setWordWrap(True)
        grid.addWidget(self.legend, 4, 0, 1, 4)
        without_keys(self.band)
        return box

    def _drawing(self) -> QWidget:
        box, grid = group_box("Draw")
        self.classes = {}
        for place, (name, code) in enumerate((("arm", 1), ("bar", 2), ("uncertain", 255))):
            button = action_button(self.workbench, f"choose_{name}", checkable=True)
            swatch = QPixmap(14, 14)
            swatch.fill(QColor(CLASS_COLOURS[code]))
            button.setIcon(swatch)
            self.classes[code] = button
            grid.addWidget(button, 0, place)
        self.tools = {}
        row = QHBoxLayout()
        for tool, words in TOOLS.items():
            self.tools[tool] = tool_button(self.workbench, tool, words)
            row.addWidget(self.tools[tool])
        grid.addLayout(row, 1, 0, 1, 3)
        self.brush = slider(1, 60)
        self.brush.setToolTip("Size of the brush in pixels [ [ and ] ]")
        self.brush.valueChanged.connect(lambda value: setattr(self.workbench.drawing, "brush_size", value))
        for event in (self.workbench.drawing.events.brush_size, self.workbench.drawing.events.mode):
            event.connect(lambda _: self.refresh())
        grid.addWidget(QLabel("Brush"), 2, 0)
        grid.addWidget(self.brush, 2, 1, 1, 2)
        self.trace = action_button(self.workbench, "trace", checkable=True)
        self.snap = action_button(self.workbench, "toggle_snap", checkable=True)
        for place, button in enumerate((self.trace, self.snap, action_button(self.workbench, "commit_trace"))):
            grid.addWidget(button, 3, place)
        grid.addWidget(action_button(self.workbench, "undo"), 4, 0)
        grid.addWidget(action_button(self.workbench, "redo"), 4, 1)
        grid.addWidget(action_button(self.workbench, "cancel_trace"), 4, 2)
        return box

    def _guessing(self) -> QWidget:
        box, grid = group_box("Model's guess")
        self.model = QLabel("no model")
        self.model.setWordWrap(True)
        self.guess = action_button(self.workbench, "propose")
        self.threshold = slider(2, 98)
        self.threshold.setToolTip(
            f"Probability above which the guess is arm "
            f"[{action('lower_threshold').key} and {action('raise_threshold').key}]"
        )
        self.threshold.valueChanged.connect(lambda value: self.workbench.guesses.set_threshold(value / 100))
        self.threshold_words = QLabel()
        self.at_once = action_button(self.workbench, "toggle_at_once", checkable=True)
        grid.addWidget(self.model, 0, 0, 1, 3)
        grid.addWidget(self.guess, 1, 0)
        grid.addWidget(action_button(self.workbench, "discard_proposal"), 1, 1)
        grid.addWidget(self.at_once, 1, 2)
        grid.addWidget(self.threshold_words, 2, 0)
        grid.addWidget(self.threshold, 2, 1, 1, 2)
        return box

    def refresh(self) -> None:
        """Show the state of the workbench without acting on it again."""
        bench = self.workbench
        with quiet(self.band, self.stretch, self.threshold, self.brush, self.axis_ratio, self.position_angle):
            bands = [self.band.itemText(number) for number in range(self.band.count())]
            if bands != list(bench.view.bands):
                self.band.clear()
                self.band.addItems(bench.view.bands)
            self.band.setCurrentText(bench.looks.band)
            self.stretch.setValue(round(100 * bench.looks.stretch))
            self.threshold.setValue(round(100 * bench.guesses.threshold))
            self.brush.setValue(int(bench.drawing.brush_size))
            if bench.looks.polar:
                self.axis_ratio.setValue(bench.view.frame.axis_ratio)
                self.position_angle.setValue(bench.view.frame.position_angle)
        self.plane.setVisible(bench.looks.polar)
        self.legend.setText(_legend(bench.session.cutout))
        self.legend.setVisible(bench.bad_pixels.visible)
        self.at_once.setChecked(bench.guesses.at_once)
        self.residual.setChecked(bench.looks.residual)
        self.polar.setChecked(bench.looks.polar)
        self.bad.setChecked(bench.bad_pixels.visible)
        self.hide_drawing.setChecked(not bench.drawing.visible)
        for code, button in self.classes.items():
            button.setChecked(code == bench.drawing.selected_label)
        for tool, button in self.tools.items():
            button.setChecked(not bench.tracer.is_on and str(bench.drawing.mode) == tool)
        self.trace.setChecked(bench.tracer.is_on)
        self.snap.setChecked(bench.tracer.snap)
        self.threshold_words.setText(f"threshold {bench.guesses.threshold:.2f}")
        self.threshold.setEnabled(bench.guesses.prediction is not None)
        self.guess.setEnabled(bench.guesses.proposer is not None and not bench.guesses.is_running)
        if bench.guesses.proposer is not None:
            self.model.setText(bench.guesses.proposer.name + (" is guessing …" if bench.guesses.is_running else ""))


def _legend(cutout: Cutout) -> str:
    """The mask planes that are set somewhere in the picture, each after a square of its colour."""
    found = [name for name in BAD_PLANES if name in cutout.mask_planes and cutout.mask_planes[name].any()]
    squares = [f'<span style="color: {BAD_PLANES[name]}">■</span> {name}' for name in found]
    return " &nbsp; ".join(squares) or "no bad pixel in this picture"
