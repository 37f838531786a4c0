"""The arm tracer in a viewer: clicks along a ridge become a smooth arm with a width, editable until it is laid."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Labels, Points

from napari_flaxgal.colours import class_colormap
from napari_flaxgal.telling import told
from napari_flaxgal.tools import Trace, ridge_path, snap

if TYPE_CHECKING:
    from napari_flaxgal.workbench import Workbench

__all__ = ["Tracer"]

POINT_SCREEN_PIXELS, GRAB_SCREEN_PIXELS = 11, 9.0
"""Size of a point on the screen, and how near to its middle a click takes hold of it."""
HANDLE_COLOUR = "#ffd92f"
"""Of the handle that sets the width."""
SNAP_ARCSEC, SNAP_PIXELS = 1.0, 5.0
"""How far a click jumps to the ridge of an arm."""


class Tracer:
    """The owner of a trace's layers. The trace itself is the session's, which journals it."""

    def __init__(self, bench: Workbench) -> None:
        self.bench = bench
        self.is_on = False
        self.snap = True
        """Whether clicks jump to the ridge of light."""
        self._cancelled: Trace | None = None
        self._trace_shown: Trace | None = None
        self.preview = Labels(
            np.zeros((1, 1), np.uint8), name="traced arm", opacity=0.35, colormap=class_colormap(), visible=False
        )
        self.preview.editable = False
        self.points = Points(
            np.zeros((0, 2)),
            name="trace",
            size=1,
            face_color="white",
            border_width=0.02,
            border_color="black",
            visible=False,
        )
        self.points.canvas_size_limits = (POINT_SCREEN_PIXELS, POINT_SCREEN_PIXELS)
        self.points.mouse_pan = False

    def begin_galaxy(self) -> None:
        """Forget the galaxy before; a trace that was left open on this one is back."""
        self._cancelled = None
        self.turn(self.bench.session.trace is not None)

    def trace(self) -> None:
        """Begin to trace an arm, or stop tracing; a trace that was begun is kept until it is laid or cancelled."""
        self.turn(not self.is_on)

    def toggle_snap(self) -> None:
        """Whether clicks jump to the ridge of light."""
        self.snap = not self.snap
        self.bench.changed.emit()

    @told
    def commit_trace(self) -> None:
        """Draw the traced arm with its width."""
        self.lay()

    def lay(self) -> None:
        """Make the trace a part of the drawing.

        Raises
        ------
        ValueError
            If it has fewer than two points.
        """
        trace = self.bench.session.trace
        if trace is None or len(trace.points) < 2:
            raise ValueError("an arm needs at least two points: click along its ridge, then lay it with Enter")
        mask = self.bench.session.mask
        area = trace.mask(mask.shape)
        mask[area] = trace.class_code
        self.bench.session.record(mask, "tracer", touched=area)
        self.set(None)
        self.bench.show_drawing()

    @told
    def cancel_trace(self) -> None:
        """Forget the traced arm, which undo brings back; without one, put the tracer away."""
        self._cancelled = self.bench.session.trace
        self.set(None)
        if self._cancelled is None:
            self.turn(False)

    def take_back(self) -> bool:
        """Take back the last point, or the cancelling of a trace; False if there is neither."""
        if self.bench.session.trace is not None:
            self.remove_trace_point()
        elif self._cancelled is not None:
            self.set(self._cancelled)
        else:
            return False
        return True

    @told
    def remove_trace_point(self) -> None:
        """Take back the last point."""
        trace = self.bench.session.trace
        if trace is not None:
            self.set(replace(trace, points=trace.points[:-1]) if len(trace.points) > 1 else None)

    @told
    def follow_ridge(self) -> None:
        """Further points along the ridge of light between those of the trace."""
        trace = self.bench.session.trace
        if trace is None or len(trace.points) < 2:
            raise ValueError("a ridge is followed from point to point: click at least two along the arm first")
        self.set(replace(trace, points=ridge_path(trace.points, self.bench.view.ridge)))

    def wider_trace(self) -> None:
        """Widen the traced arm by a pixel."""
        self._widen(1.0)

    def narrower_trace(self) -> None:
        """Narrow the traced arm by a pixel."""
        self._widen(-1.0)

    def turn(self, tracing: bool) -> None:
        """Put the tracer in the hand, or the drawing's own tools."""
        self.is_on = tracing
        if self.points.visible != tracing:
            self.points.visible = self.preview.visible = tracing
            self.bench.viewer.layers.selection.active = self.points if tracing else self.bench.drawing
        self.show()
        self.bench.changed.emit()

    def set(self, trace: Trace | None, *, journal: bool = True) -> None:
        """Show another trace; while the mouse still moves it is not journalled."""
        if journal:
            self.bench.session.set_trace(trace)
        if trace is not None:
            self._cancelled = None
        self._trace_shown = trace
        self.show(trace)

    def show(self, trace: Trace | None = None) -> None:
        """The points and the area of a trace; of the session's own when none is given."""
        trace = trace or self.bench.session.trace
        if trace is None or not self.is_on:
            if len(self.points.data):
                self.points.data = np.zeros((0, 2))
            if self.preview.data.any() or self.is_on:
                self.preview.data = np.zeros_like(self.bench.drawing.data)
            return
        points = [self.bench.view.from_sky(trace.points, self.bench.looks)]
        if len(trace.points) > 1:
            points.append(self.bench.view.from_sky(trace.width_handle(), self.bench.looks))
            area = trace.mask(self.bench.session.cutout.image_shape).astype(np.uint8) * np.uint8(trace.class_code)
            self.preview.data = self.bench.view.mask(area, self.bench.looks)
        else:
            self.preview.data = np.zeros_like(self.bench.drawing.data)
        self.points.data = np.concatenate(points)
        self.points.face_color = ["white"] * len(trace.points) + [HANDLE_COLOUR] * (len(points) - 1)

    def _widen(self, pixels: float) -> None:
        trace = self.bench.session.trace
        if trace is not None:
            self.set(replace(trace, width_pixels=max(1.0, trace.width_pixels + pixels)))

    def mouse_dragged(self, viewer: Any, event: Any) -> Any:
        """While tracing: take hold of a point or of the width's handle and drag it, or lay a new point."""
        self.bench.session.touch()
        if not self.is_on or self.bench.comparison.is_on or event.button != 1:
            return
        trace, held = self.bench.session.trace, None
        place = np.asarray(self.points.world_to_data(event.position))[-2:]
        if len(self.points.data):
            size = abs(self.points.scale[-1])
            apart = np.hypot(*(self.points.data - place).T) * size * viewer.scene.camera.zoom
            held = int(apart.argmin()) if apart.min() <= GRAB_SCREEN_PIXELS else None
        moved = False
        yield
        while event.type == "mouse_move":
            moved = True
            if held is not None and trace is not None:
                now = self.bench.view.to_sky(self.points.world_to_data(event.position)[-2:], self.bench.looks)[0]
                self.set(_dragged(trace, held, now), journal=False)
            yield
        if held is None:
            if not moved or trace is None:
                self.add_point(place)
        elif moved:
            self.set(self._trace_shown)

    @told
    def add_point(self, place: np.ndarray) -> None:
        """A further point of the trace, at a place of the view's grid; on the ridge beside it when clicks snap."""
        point = self.bench.view.to_sky(place, self.bench.looks)[0]
        height, width = self.bench.session.cutout.image_shape
        if not (-0.5 <= point[0] <= height - 0.5 and -0.5 <= point[1] <= width - 0.5):
            return
        if self.snap:
            scale = self.bench.session.cutout.pixel_scale_arcsec
            reach = float(np.clip(SNAP_ARCSEC / scale, 2.0, 12.0)) if scale else SNAP_PIXELS
            point = np.array(snap((point[0], point[1]), self.bench.view.ridge, reach))
        trace = self.bench.session.trace
        if trace is None:
            width_pixels = max(2.0, float(self.bench.drawing.brush_size))
            trace = Trace(np.array([point]), width_pixels, int(self.bench.drawing.selected_label))
        else:
            trace = replace(trace, points=np.vstack([trace.points, point]))
        self.set(trace)


def _dragged(trace: Trace, held: int, place: np.ndarray) -> Trace:
    """The trace with one of its points, or its width's handle (which comes last), moved."""
    if held == len(trace.points):
        return trace.with_width_handle((place[0], place[1]))
    points = trace.points.copy()
    points[held] = place
    return replace(trace, points=points)
