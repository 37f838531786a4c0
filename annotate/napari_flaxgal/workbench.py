"""An annotation session shown in a napari viewer: layers, strokes, traces and guesses. Runs on a headless ViewerModel.

The session owns the drawing; the viewer shows it. Each stroke on the drawing's layer is handed to the session, which
journals it, and whatever changes the drawing otherwise (a guess, a trace, undo, another galaxy) is shown from there.
"""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from napari.layers import Image, Labels, Points, Shapes
from napari.utils.notifications import show_error, show_info, show_warning
from psygnal import Signal

from flaxgal.labels.revisions import UNCERTAIN
from flaxgal.survey.prediction import CLASS_CODES, Prediction
from napari_flaxgal.colours import bad_pixel_colormap, bad_pixels, class_colormap
from napari_flaxgal.keys import ACTIONS, NAPARI_TOOLS
from napari_flaxgal.review import Review
from napari_flaxgal.session import EndOfQueue, Session
from napari_flaxgal.tools import Trace, ridge_path, ridge_strength, snap
from napari_flaxgal.views import Looks, View

__all__ = ["Workbench", "at_once"]

Later = Callable[[Callable[[], Any], Callable[[Any], None], Callable[[Exception], None]], None]
"""Do something slow, then hand its result, or its error, to one of two functions on the viewer's thread."""

TOOLS = {"paint": "brush", "erase": "eraser", "fill": "fill", "polygon": "polygon"}
STRETCH_STEP, THRESHOLD_STEP = 0.1, 0.05
POINT_SCREEN_PIXELS, GRAB_SCREEN_PIXELS = 11, 9.0
"""How near to a point of the trace a click must be to take hold of it."""
HANDLE_COLOUR = "#ffd92f"
"""Of the handle that sets a traced arm's width."""
SNAP_ARCSEC, SNAP_PIXELS = 1.0, 5.0
"""How far a click jumps to the ridge of an arm."""


def at_once(work: Callable[[], Any], done: Callable[[Any], None], failed: Callable[[Exception], None]) -> None:
    """A `Later` that does not wait: for tests and scripts without a window."""
    try:
        result = work()
    except Exception as error:  # whatever went wrong in a worker is told to the person, not lost in a thread
        failed(error)
    else:
        done(result)


def told(method: Callable[..., Any]) -> Callable[..., Any]:
    """A mistake or a full disk becomes a notification, and the window goes on."""

    @functools.wraps(method)
    def careful(self: Workbench, *arguments: Any) -> Any:
        try:
            return method(self, *arguments)
        except EndOfQueue as end:
            show_info(str(end))
        except (ValueError, OSError) as error:
            show_error(str(error))
        finally:
            self.changed.emit()
        return None

    return careful


class Workbench:
    """The owner of flaxgal's layers in a viewer. Every method named in `keys.ACTIONS` is one key press.

    Parameters
    ----------
    viewer
        A `napari.Viewer`, or a `napari.components.ViewerModel` when there is no window.
    session
        Who draws what; it opens the first galaxy at once.
    proposer
        Anything with `propose(cutout) -> Prediction`, or None.
    later
        How slow work is done without stopping the viewer.
    """

    changed = Signal()
    """Something that the dock shows is different now."""
    asked = Signal(str)
    """The dock alone can do this: "jump", "show_keys", "retrain"."""
    _last: weakref.ref[Workbench] | None = None

    def __init__(self, viewer: Any, session: Session, *, proposer: Any = None, later: Later = at_once) -> None:
        self.viewer, self.session, self.proposer, self.later = viewer, session, proposer, later
        self.looks = Looks()
        self.prediction: Prediction | None = None
        self.threshold = 0.5
        self.snap = True
        self.tracing = False
        self.is_proposing = False
        self.guess_at_once = False
        """Whether a guess is made for each galaxy that nobody has drawn on, as soon as it is opened."""
        self.saved = ""
        """The last thing that was saved, in words."""
        self.cursor = ""
        """Where on the sky the mouse is."""
        self.reviewing: Review | None = None
        self._ridge: np.ndarray | None = None
        self._shown_mask = np.zeros((1, 1), np.uint8)
        self._grid: tuple[tuple[float, float], str] | None = None
        self._make_layers()
        self._bind_keys()
        viewer.mouse_move_callbacks.append(self._mouse_moved)
        viewer.mouse_drag_callbacks.append(self._mouse_dragged)
        self._open(session.start)
        Workbench._last = weakref.ref(self)

    @classmethod
    def last(cls) -> Workbench | None:
        """The workbench that was made last and is still open: what menus act on."""
        return cls._last() if cls._last is not None else None

    def press(self, name: str) -> None:
        """Do the action of a name, as its key does."""
        self.session.touch()
        getattr(self, name)()

    # Galaxies

    def next_galaxy(self) -> None:
        """Go to the next galaxy of the queue."""
        self._open(self.session.next)

    def previous_galaxy(self) -> None:
        """Go back to the galaxy before."""
        self._open(self.session.previous)

    def skip(self) -> None:
        """Go on, and note that this galaxy was skipped."""
        self._open(self.session.skip)

    def open(self, object_id: str) -> None:
        """Go to a galaxy by its id."""
        self._open(lambda: self.session.open(object_id.strip()))

    @told
    def set_queue(self, **choices: Any) -> None:
        """Another order, or other galaxies: what `Session.set_queue` takes."""
        self.session.set_queue(**choices)

    @told
    def flag(self) -> None:
        """Mark this galaxy for a second look, or take the mark away."""
        (self.session.unflag if self.session.is_flagged else self.session.flag)()

    def jump(self) -> None:
        """Have the dock ask for an id."""
        self.asked.emit("jump")

    def show_keys(self) -> None:
        """Have the dock show the list of keys."""
        self.asked.emit("show_keys")

    def retrain(self) -> None:
        """Have the dock start or stop training."""
        self.asked.emit("retrain")

    def commit(self) -> None:
        """Save the drawing as a revision, then go to the next galaxy."""
        self._commit("")

    def commit_no_arms(self) -> None:
        """Save that this galaxy has no arms, then go to the next one."""
        if self.session.mask.any():
            show_warning(
                f"{self.session.object_id}: there are marks on this galaxy; erase them or throw them away "
                f"[Shift-K] before you say that it has no arms"
            )
            return
        self._commit("no arms")

    @told
    def discard(self) -> None:
        """Give the drawing up."""
        self.session.discard()
        self.prediction = None
        self._set_tracing(False)
        self._show_drawing()
        self._show_contours()

    # Seeing

    def look(self, **choices: Any) -> None:
        """Change what is seen: any fields of `Looks`."""
        before, self.looks = self.looks, replace(self.looks, **choices)
        self._show_picture()
        if before.view != self.looks.view:
            self._show_all()
        self.changed.emit()

    def next_band(self) -> None:
        """Colour, then each band, then colour again."""
        bands = self.view.bands
        now = bands.index(self.looks.band) if self.looks.band in bands else 0
        self.look(band=bands[(now + 1) % len(bands)])

    def fainter(self) -> None:
        """Stretch towards the outskirts."""
        self.look(stretch=min(1.0, round(self.looks.stretch + STRETCH_STEP, 3)))

    def brighter(self) -> None:
        """Stretch towards the core."""
        self.look(stretch=max(-1.0, round(self.looks.stretch - STRETCH_STEP, 3)))

    def show_residual(self) -> None:
        """The light without its smooth part, or the sky again."""
        self.look(view="sky" if self.looks.view == "residual" else "residual")

    def show_polar(self) -> None:
        """The disc unrolled, or the sky again."""
        self.look(view="sky" if self.looks.view == "polar" else "polar")

    def incline(self, **changes: float) -> None:
        """Another axis ratio or position angle of the disc's plane for the polar view: fields of `PolarFrame`."""
        self.view.frame = replace(self.view.frame, **changes)
        if self.looks.view == "polar":
            self._show_picture()
            self._show_all()

    def fit(self) -> None:
        """Show the whole picture, as large as the window allows."""
        self.viewer.fit_to_view(margin=0.02)

    def toggle_bad_pixels(self) -> None:
        """Show or hide what the survey's mask planes say."""
        self.bad_pixels.visible = not self.bad_pixels.visible

    def toggle_drawing(self) -> None:
        """Hide all marks, to see the galaxy, or show them again."""
        visible = not self.drawing.visible
        for layer in (self.drawing, self.contours):
            layer.visible = visible

    # Drawing

    def hold(self, tool: str) -> None:
        """Take one of napari's tools for the drawing: paint, erase, polygon, fill, pan_zoom."""
        if self.tracing:
            self._set_tracing(False)
        self.drawing.mode = tool
        self.changed.emit()

    def choose_arm(self) -> None:
        """Draw spiral arm."""
        self._choose(CLASS_CODES["arm"])

    def choose_bar(self) -> None:
        """Draw bar."""
        self._choose(CLASS_CODES["bar"])

    def choose_uncertain(self) -> None:
        """Draw what is left out of training."""
        self._choose(UNCERTAIN)

    @told
    def undo(self) -> None:
        """Take back the last change, in whatever view it was made; while an arm is traced, its last point."""
        if self.tracing:
            self.remove_trace_point()
            return
        self.session.undo()
        self._show_drawing()

    @told
    def redo(self) -> None:
        """Do again what was taken back."""
        self.session.redo()
        self._show_drawing()

    def trace(self) -> None:
        """Begin to trace an arm, or stop tracing; a trace that was begun is kept until it is laid or cancelled."""
        self._set_tracing(not self.tracing)

    def toggle_snap(self) -> None:
        """Whether clicks jump to the ridge of light."""
        self.snap = not self.snap
        self.changed.emit()

    @told
    def commit_trace(self) -> None:
        """Draw the traced arm with its width."""
        trace = self.session.trace
        if trace is None or len(trace.points) < 2:
            raise ValueError("an arm needs at least two points: click along its ridge, then lay it with Enter")
        mask = self.session.mask
        mask[trace.mask(mask.shape)] = trace.class_code
        self.session.record(mask, "tracer")
        self._set_trace(None)
        self._show_drawing()

    @told
    def cancel_trace(self) -> None:
        """Forget the traced arm."""
        self._set_trace(None)
        self._set_tracing(False)

    @told
    def remove_trace_point(self) -> None:
        """Take back the last point."""
        trace = self.session.trace
        if trace is not None:
            self._set_trace(replace(trace, points=trace.points[:-1]) if len(trace.points) > 1 else None)

    @told
    def follow_ridge(self) -> None:
        """Further points along the ridge of light between those of the trace."""
        trace = self.session.trace
        if trace is None or len(trace.points) < 2:
            raise ValueError("a ridge is followed from point to point: click at least two along the arm first")
        self._set_trace(replace(trace, points=ridge_path(trace.points, self.ridge)))

    def wider_trace(self) -> None:
        """Widen the traced arm by a pixel."""
        self._widen(1.0)

    def narrower_trace(self) -> None:
        """Narrow the traced arm by a pixel."""
        self._widen(-1.0)

    # The model's guess

    def propose(self) -> None:
        """Ask the model for a guess, off the viewer's thread; it fills in where nobody has drawn by hand."""
        if self.proposer is None:
            show_warning("No model to guess with: start with --model RUN, or train one from the Progress page")
            return
        if self.is_proposing:
            return
        cutout = self.session.cutout
        self.is_proposing = True
        self.changed.emit()
        self.later(lambda: self.proposer.propose(cutout), self._proposed, self._not_proposed)

    def set_threshold(self, threshold: float) -> None:
        """The probability above which the guess is arm; the guess is drawn anew, hand-drawn pixels stay."""
        self.threshold = float(np.clip(threshold, 0.02, 0.98))
        if self.prediction is not None:
            self._draw_proposal()
        self.changed.emit()

    def raise_threshold(self) -> None:
        """Less of the guess."""
        self.set_threshold(round(self.threshold + THRESHOLD_STEP, 3))

    def lower_threshold(self) -> None:
        """More of the guess."""
        self.set_threshold(round(self.threshold - THRESHOLD_STEP, 3))

    @told
    def discard_proposal(self) -> None:
        """Take the guess out; what was drawn by hand stays."""
        self.session.discard_proposal()
        self.prediction = None
        self._show_drawing()
        self._show_contours()

    # Review

    def review(self) -> None:
        """Two revisions of this galaxy side by side, or back to drawing."""
        if self.reviewing is not None:
            self._end_review()
        else:
            self._begin_review(Review.of_galaxy)

    def blind_comparison(self) -> None:
        """Judge pairs of masks of all galaxies without knowing whose they are, or stop doing so."""
        if self.reviewing is not None:
            self._end_review()
        else:
            self._begin_review(Review.blind)

    @told
    def next_pair(self) -> None:
        """The next two revisions."""
        self._page(1)

    @told
    def previous_pair(self) -> None:
        """The two revisions before."""
        self._page(-1)

    def pick_left(self) -> None:
        """The left mask is better."""
        self._pick("left")

    def pick_right(self) -> None:
        """The right mask is better."""
        self._pick("right")

    def pick_neither(self) -> None:
        """Neither mask is better."""
        self._pick("neither")

    # Layers

    def _make_layers(self) -> None:
        """All layers from the bottom up; they stay, and get new arrays with each galaxy."""
        empty = np.zeros((1, 1), np.uint8)
        self.picture = Image(np.zeros((1, 1, 3), np.uint8), name="galaxy", rgb=True)
        self.bad_pixels = Labels(
            empty.copy(), name="bad pixels", opacity=0.5, visible=False, colormap=bad_pixel_colormap()
        )
        self.drawing = Labels(empty.copy(), name="drawing", opacity=0.45, colormap=class_colormap())
        self.preview = Labels(empty.copy(), name="traced arm", opacity=0.35, colormap=class_colormap(), visible=False)
        self.contours = Shapes(None, ndim=2, name="guess", edge_color="#ffd92f", face_color="transparent")
        self.points = Points(
            np.zeros((0, 2)), name="trace", size=1, face_color="white", border_color="black", visible=False
        )
        self.points.canvas_size_limits = (POINT_SCREEN_PIXELS, POINT_SCREEN_PIXELS)
        self.points.mouse_pan = False
        for layer in (self.picture, self.bad_pixels, self.contours, self.preview, self.drawing, self.points):
            self.viewer.add_layer(layer)
        self.bad_pixels.editable = self.preview.editable = False
        self.drawing.events.paint.connect(self._painted)
        self.drawing.events.labels_update.connect(self._painted_late)
        self.drawing.brush_size = 5
        self.drawing.mode = "paint"
        self.drawing.selected_label = CLASS_CODES["arm"]
        self.viewer.layers.selection.active = self.drawing
        self.viewer.canvas.overlays.scale_bar.visible = True
        self.viewer.canvas.overlays.text.visible = True

    def _bind_keys(self) -> None:
        for row in ACTIONS:
            target = self.viewer if row.where == "anywhere" else self.points
            target.bind_key(row.key, _presses(self, row.name), overwrite=True)
        for tool, keys in NAPARI_TOOLS.items():  # or the points of a trace would take them for tools of their own
            for key in keys:
                self.points.bind_key(key, _named(tool, functools.partial(self.hold, tool)), overwrite=True)
        for name, key in (("undo", "Control-Z"), ("redo", "Control-Shift-Z")):
            self.drawing.bind_key(key, _presses(self, name), overwrite=True)

    @told
    def _open(self, going: Callable[[], Any]) -> None:
        """Go to a galaxy and show it."""
        if self.reviewing is not None:
            self._end_review()
        opened = going()
        session = self.session
        self.view = View(session.cutout)
        self.prediction, self._ridge = None, None
        if self.looks.band not in self.view.bands:
            self.looks = replace(self.looks, band=self.view.bands[0])
        self._show_picture()
        self._show_all()
        self._set_tracing(session.trace is not None)
        for sentence in opened.sentences:
            show_warning(sentence)
        if opened.recovered:
            show_info(f"{session.object_id}: your unfinished drawing is back")
        if self.guess_at_once and self.proposer is not None and not session.mask.any():
            self.propose()

    @told
    def _commit(self, verdict: str) -> None:
        if self.session.trace is not None:
            self.commit_trace()
        self.session.record(self._sky_mask(), "other")  # whatever a layer's own tools did without telling
        revision = self.session.commit(verdict=verdict)
        self.saved = f"Saved {revision.object_id} as {revision.revision_id[:8]}, read back and compared"
        self.next_galaxy()

    def _show_picture(self) -> None:
        looks = self.looks
        self.picture.data = self.view.picture(looks)
        grid = (self.view.scale(looks), self.view.unit(looks))
        if grid != self._grid:  # setting it costs napari as much as all the rest of a galaxy
            self._grid = grid
            for layer in (self.picture, self.bad_pixels, self.drawing, self.preview, self.contours, self.points):
                layer.scale, layer.units = grid[0], (grid[1],) * 2
            self.drawing.brush_size = self.drawing.brush_size  # or its outline is drawn at the scale of before
            self.viewer.canvas.overlays.scale_bar.visible = grid[1] == "arcsec"
        self.picture.name = self.session.object_id

    def _show_all(self) -> None:
        """Everything that lies on the picture."""
        self._show_drawing()
        self.bad_pixels.data = self.view.mask(bad_pixels(self.session.cutout), self.looks)
        self._show_contours()
        self._show_trace()
        self.fit()

    def _show_drawing(self) -> None:
        mask = self.view.mask(self.session.mask, self.looks)
        self._shown_mask = mask.copy()
        self.drawing.data = mask

    def _show_contours(self) -> None:
        """The outlines of the guess: at the threshold, and fainter at half of it."""
        from napari_flaxgal.propose import contours

        if len(self.contours.data):
            self.contours.data = []
        if self.prediction is None:
            return
        for level, width, colour in ((self.threshold, 0.6, "#ffd92f"), (self.threshold / 2, 0.3, "#ffd92f80")):
            lines = contours(self.view.prediction(self.prediction, self.looks), level)
            if lines:
                self.contours.add_paths(lines, edge_width=width, edge_color=colour)

    # Strokes

    def _sky_mask(self) -> np.ndarray:
        """The drawing's layer brought to the sky's pixels."""
        return self.view.drawn(self.session.mask, self._shown_mask, np.asarray(self.drawing.data), self.looks)

    @told
    def _painted(self, _: Any = None) -> None:
        """A stroke is finished: journal it. `paint` comes before the pixels change for some of napari's tools."""
        mask = self._sky_mask()
        self._stroke_is_late = bool((mask == self.session.mask).all())
        if self._stroke_is_late:
            return
        try:
            self.session.record(mask, TOOLS.get(str(self.drawing.mode), "other"))
        finally:  # a stroke that cannot be written is kept in memory, and one that means nothing is taken back
            if self.looks.view == "polar" or (mask != self.session.mask).any():
                self._show_drawing()
            self._shown_mask = np.array(self.drawing.data, copy=True)

    _stroke_is_late = False

    def _painted_late(self, _: Any = None) -> None:
        if self._stroke_is_late:
            self._painted()

    def _choose(self, code: int) -> None:
        self.drawing.selected_label = code
        trace = self.session.trace
        if trace is not None:
            self._set_trace(replace(trace, class_code=code))
        if str(self.drawing.mode) in ("erase", "pan_zoom"):
            self.drawing.mode = "paint"
        self.changed.emit()

    # The tracer

    def _set_tracing(self, tracing: bool) -> None:
        self.tracing = tracing
        if self.points.visible != tracing:
            self.points.visible = self.preview.visible = tracing
            self.viewer.layers.selection.active = self.points if tracing else self.drawing
        self._show_trace()
        self.changed.emit()

    def _set_trace(self, trace: Trace | None, *, journal: bool = True) -> None:
        """Show another trace; while the mouse still moves it is not journalled."""
        if journal:
            self.session.set_trace(trace)
        self._trace_shown = trace
        self._show_trace(trace)

    def _show_trace(self, trace: Trace | None = None) -> None:
        trace = trace or self.session.trace
        if trace is None or not self.tracing:
            if len(self.points.data):
                self.points.data = np.zeros((0, 2))
            if self.preview.data.any() or self.tracing:
                self.preview.data = np.zeros_like(self._shown_mask)
            return
        points = [self.view.from_sky(trace.points, self.looks)]
        if len(trace.points) > 1:
            points.append(self.view.from_sky(trace.width_handle(), self.looks))
            area = trace.mask(self.session.cutout.image_shape).astype(np.uint8) * np.uint8(trace.class_code)
            self.preview.data = self.view.mask(area, self.looks)
        else:
            self.preview.data = np.zeros_like(self._shown_mask)
        self.points.data = np.concatenate(points)
        self.points.face_color = ["white"] * len(trace.points) + [HANDLE_COLOUR] * (len(points) - 1)

    def _widen(self, pixels: float) -> None:
        trace = self.session.trace
        if trace is not None:
            self._set_trace(replace(trace, width_pixels=max(1.0, trace.width_pixels + pixels)))

    def _mouse_dragged(self, viewer: Any, event: Any) -> Any:
        """While tracing: take hold of a point or of the width's handle and drag it, or lay a new point."""
        self.session.touch()
        if not self.tracing or self.reviewing is not None or event.button != 1:
            return
        trace, held = self.session.trace, None
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
                now = self.view.to_sky(self.points.world_to_data(event.position)[-2:], self.looks)[0]
                self._set_trace(_dragged(trace, held, now), journal=False)
            yield
        if held is None:
            if not moved or trace is None:
                self._add_trace_point(place)
        elif moved:
            self._set_trace(self._trace_shown)

    @told
    def _add_trace_point(self, place: np.ndarray) -> None:
        point = self.view.to_sky(place, self.looks)[0]
        height, width = self.session.cutout.image_shape
        if not (-0.5 <= point[0] <= height - 0.5 and -0.5 <= point[1] <= width - 0.5):
            return
        if self.snap:
            scale = self.session.cutout.pixel_scale_arcsec
            reach = float(np.clip(SNAP_ARCSEC / scale, 2.0, 12.0)) if scale else SNAP_PIXELS
            point = np.array(snap((point[0], point[1]), self.ridge, reach))
        trace = self.session.trace
        if trace is None:
            width_pixels = max(2.0, float(self.drawing.brush_size))
            trace = Trace(np.array([point]), width_pixels, int(self.drawing.selected_label))
        else:
            trace = replace(trace, points=np.vstack([trace.points, point]))
        self._set_trace(trace)

    @property
    def ridge(self) -> np.ndarray:
        """How much of a ridge each pixel is, worked out when it is first asked for."""
        if self._ridge is None:
            self._ridge = ridge_strength(self.session.cutout)
        return self._ridge

    # Guesses

    @told
    def _proposed(self, prediction: Prediction) -> None:
        self.is_proposing = False
        if prediction.cutout_sha256 != self.session.cutout.sha256:
            return  # the galaxy it was made for is no longer the one that is open
        self.prediction, self.threshold = prediction, prediction.threshold
        self._draw_proposal()

    @told
    def _not_proposed(self, error: Exception) -> None:
        self.is_proposing = False
        raise ValueError(f"No guess: {error}") from error

    @told
    def _draw_proposal(self) -> None:
        prediction = replace(self.prediction, threshold=self.threshold)  # type: ignore[type-var]
        self.session.propose(prediction.class_map, prediction.run, self.threshold)
        self._show_drawing()
        self._show_contours()

    # Review

    @told
    def _begin_review(self, start: Callable[[Session], Review]) -> None:
        self._set_tracing(False)
        self.reviewing = start(self.session)
        self.drawing.visible = self.contours.visible = False
        self._show_pair()

    @told
    def _end_review(self) -> None:
        review, self.reviewing = self.reviewing, None
        if review is not None:
            review.take_away(self.viewer)
        self.drawing.visible = self.contours.visible = self.picture.visible = True
        self.viewer.layers.selection.active = self.drawing
        self.fit()

    def _page(self, step: int) -> None:
        if self.reviewing is not None:
            self.reviewing.page(step)
            self._show_pair()

    @told
    def _pick(self, which: str) -> None:
        review = self.reviewing
        if review is None:
            return
        self.saved = review.judge(which)
        if review.is_over:
            self._end_review()
            self._show_drawing()
        else:
            self._show_pair()

    def _show_pair(self) -> None:
        if self.reviewing is not None:
            self.picture.visible = False
            self.reviewing.show(self.viewer, self.looks)
            self.fit()

    # The mouse

    def _mouse_moved(self, viewer: Any, event: Any) -> None:
        self.session.touch()
        if self.reviewing is not None:
            return
        place = np.asarray(self.picture.world_to_data(event.position))[-2:]
        self.cursor = self.view.where(place, self.looks)
        viewer.canvas.overlays.text.text = self.cursor


def _presses(workbench: Workbench, name: str) -> Callable[[Any], None]:
    """What a key does."""
    return _named(name, functools.partial(workbench.press, name))


def _named(name: str, act: Callable[[], None]) -> Callable[[Any], None]:
    """What a key does, as a function with a name, which napari asks for."""

    def press(_: Any = None) -> None:
        act()

    press.__name__ = name
    return press


def _dragged(trace: Trace, held: int, place: np.ndarray) -> Trace:
    """The trace with one of its points, or its width's handle (which comes last), moved."""
    if held == len(trace.points):
        return trace.with_width_handle((place[0], place[1]))
    points = trace.points.copy()
    points[held] = place
    return replace(trace, points=points)
