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
from napari.layers import Image, Labels
from napari.utils.notifications import show_info, show_warning
from psygnal import Signal

from flaxgal.labels.queue import Order
from flaxgal.labels.revisions import UNCERTAIN
from flaxgal.survey.prediction import CLASS_CODES
from napari_flaxgal.colours import bad_pixel_colormap, bad_pixel_name, bad_pixels, class_colormap
from napari_flaxgal.comparing import Comparison
from napari_flaxgal.guessing import Guesses
from napari_flaxgal.keys import ACTIONS, NAPARI_TOOLS, action
from napari_flaxgal.session import EndOfQueue, Session
from napari_flaxgal.telling import Later, at_once, told
from napari_flaxgal.tracing import Tracer
from napari_flaxgal.views import Looks

__all__ = ["Workbench"]

TOOLS = {"paint": "brush", "erase": "eraser", "fill": "fill", "polygon": "polygon"}
STRETCH_STEP = 0.1
WHILE_COMPARING = {row.name for row in ACTIONS if row.group in ("Review", "Progress")} | {
    "next_band",
    "fainter",
    "brighter",
    "show_residual",
}
"""Actions that make sense while two masks are compared."""
CLASSES = {"arm": CLASS_CODES["arm"], "bar": CLASS_CODES["bar"], "uncertain": UNCERTAIN}


class Workbench:
    """The owner of flaxgal's layers in a viewer; tracer, guesses and comparison are its parts.

    Every name in `keys.ACTIONS` is a method of it or of one of its parts, and one key press.

    Raises
    ------
    ValueError
        If the store has no galaxy that can be opened.

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
        self.viewer, self.session, self.later = viewer, session, later
        self.looks = Looks()
        self.tracer, self.guesses, self.comparison = Tracer(self), Guesses(self, proposer), Comparison(self)
        self.saved = ""
        """The last thing that was saved, in words."""
        self.cursor = ""
        """Where on the sky the mouse is."""
        self._shown_mask = np.zeros((1, 1), np.uint8)
        self._stroke_is_late = False
        self._grid: tuple[tuple[float, float], str] | None = None
        opened = self._first()
        self._make_layers()
        self._bind_keys()
        viewer.mouse_move_callbacks.append(self._mouse_moved)
        viewer.mouse_drag_callbacks.append(self.tracer.mouse_dragged)
        self._open(lambda: opened)
        Workbench._last = weakref.ref(self)

    @classmethod
    def last(cls) -> Workbench | None:
        """The workbench that was made last and is still open: what menus act on."""
        return cls._last() if cls._last is not None else None

    def press(self, name: str) -> None:
        """Do the action of a name, as its key does."""
        self.session.touch()
        if self.comparison.is_on and name not in WHILE_COMPARING:
            show_info("Two masks are being compared: drawing waits. Go back to it first [Shift-E]")
            return
        owner = action(name).owner
        getattr(getattr(self, owner) if owner else self, name)()

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
        """Go to a galaxy by its id, or by a part of it that no other galaxy has."""
        self._open(lambda: self.session.open(self._meant(object_id.strip())))

    @property
    def place(self) -> int | None:
        """How many galaxies of the queue come before this one; None when it is not among them."""
        try:
            return self.session.queue.position(self.session.object_id)
        except ValueError:  # it was added after the queue was made
            return None

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
        if self.session.mask.any() or self.session.trace is not None:
            show_warning(
                f"{self.session.object_id}: there are marks on this galaxy; erase them or throw them away "
                f"[Shift-K] before you say that it has no arms"
            )
            return
        self._commit("no arms")

    @told
    def discard(self) -> None:
        """Give the drawing up; undo brings it back."""
        self.session.discard()
        self.tracer.turn(False)
        self.show_drawing()
        self.guesses.forget()

    # Seeing

    def look(self, **choices: Any) -> None:
        """Change what is seen: any fields of `Looks`."""
        before, self.looks = self.looks, replace(self.looks, **choices)
        if self.comparison.is_on:
            self.comparison.show()
        self._show_picture()
        if before.polar != self.looks.polar:
            self._show_all()
        self.session.look_ahead(self.looks)
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
        """The light without its smooth part, or with it again."""
        self.look(residual=not self.looks.residual)

    def show_polar(self) -> None:
        """The disc unrolled, its smooth light taken away at first, or the sky again."""
        polar = not self.looks.polar
        self.look(polar=polar, residual=polar)

    def incline(self, **changes: float) -> None:
        """Another axis ratio or position angle of the disc's plane for the polar view: fields of `PolarFrame`."""
        self.view.frame = replace(self.view.frame, **changes)
        if self.looks.polar:
            self._show_picture()
            self._show_all()

    def fit(self) -> None:
        """Show the whole picture, as large as the window allows."""
        self.viewer.fit_to_view(margin=0.02)

    def toggle_bad_pixels(self) -> None:
        """Show or hide what the survey's mask planes say."""
        self.bad_pixels.visible = not self.bad_pixels.visible
        self.changed.emit()

    def toggle_drawing(self) -> None:
        """Hide all marks, to see the galaxy, or show them again."""
        visible = not self.drawing.visible
        for layer in (self.drawing, self.guesses.contours):
            layer.visible = visible
        self.changed.emit()

    # Drawing

    def hold(self, tool: str) -> None:
        """Take one of napari's tools for the drawing: paint, erase, polygon, fill, pan_zoom."""
        if self.tracer.is_on:
            self.tracer.turn(False)
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
        if self.tracer.is_on and self.tracer.take_back():
            return
        self.session.undo()
        self.show_drawing()

    @told
    def redo(self) -> None:
        """Do again what was taken back."""
        self.session.redo()
        self.show_drawing()

    # Layers

    def _make_layers(self) -> None:
        """All layers from the bottom up; they stay, and get new arrays with each galaxy."""
        empty = np.zeros((1, 1), np.uint8)
        self.picture = Image(np.zeros((1, 1, 3), np.uint8), name="galaxy", rgb=True)
        self.bad_pixels = Labels(
            empty.copy(), name="bad pixels", opacity=0.5, visible=False, colormap=bad_pixel_colormap()
        )
        self.drawing = Labels(empty.copy(), name="drawing", opacity=0.45, colormap=class_colormap())
        for layer in self._layers:
            self.viewer.add_layer(layer)
        self.bad_pixels.editable = False
        self.drawing.events.paint.connect(self._painted)
        self.drawing.events.labels_update.connect(self._painted_late)
        self.drawing.brush_size = 5
        self.drawing.mode = "paint"
        self.drawing.selected_label = CLASS_CODES["arm"]
        self.viewer.layers.selection.active = self.drawing
        self.viewer.canvas.overlays.scale_bar.visible = True
        self.viewer.canvas.overlays.text.visible = True

    @property
    def _layers(self) -> tuple[Any, ...]:
        """From the bottom up."""
        tracer = self.tracer
        return self.picture, self.bad_pixels, self.guesses.contours, tracer.preview, self.drawing, tracer.points

    def _bind_keys(self) -> None:
        for row in ACTIONS:
            target = self.viewer if row.where == "anywhere" else self.tracer.points
            target.bind_key(row.key, _presses(self, row.name), overwrite=True)
        for tool, keys in NAPARI_TOOLS.items():  # or the points of a trace would take them for tools of their own
            for key in keys:
                self.tracer.points.bind_key(key, _named(tool, functools.partial(self.hold, tool)), overwrite=True)
        for key, step in (("M", 1), ("=", 1), ("-", -1)):
            self.drawing.bind_key(key, _named("class", functools.partial(self._step_class, step)), overwrite=True)
        for name, key in (("undo", "Control-Z"), ("redo", "Control-Shift-Z")):
            self.drawing.bind_key(key, _presses(self, name), overwrite=True)

    def _first(self) -> Any:
        """Where the annotator stopped; in a pile that is done, the first galaxy of all."""
        try:
            return self.session.start()
        except EndOfQueue as end:
            if not self.session.store.galaxies():
                path = self.session.store.path
                raise ValueError(f"{path}: no galaxy in this store; add some: flaxgal store add {path} …") from None
            show_info(f"{end}; all galaxies are shown in its place")
            self.session.set_queue(order=Order(), show="all")
        try:
            return self.session.start()
        except EndOfQueue as end:
            raise ValueError(str(end)) from None

    def _meant(self, words: str) -> str:
        """The galaxy whose id somebody typed, or a part of it."""
        galaxies = self.session.store.galaxies()
        if words in galaxies:
            return words
        found = [object_id for object_id in galaxies if words and words in object_id]
        if len(found) != 1:
            several = f"{len(found)} galaxies with {words!r} in their ids, such as {found[0]}" if found else ""
            raise ValueError(several or f"no galaxy {words!r} in this store; type an id, or a part of one")
        return found[0]

    @told
    def _open(self, going: Callable[[], Any]) -> None:
        """Go to a galaxy and show it."""
        if self.comparison.is_on:
            self.comparison.end()
        opened = going()
        session = self.session
        self.view = session.view
        if self.looks.band not in self.view.bands:
            self.looks = replace(self.looks, band=self.view.bands[0])
        self._show_picture()
        self._show_all()
        self.tracer.begin_galaxy()
        for sentence in opened.sentences:
            show_warning(sentence)
        if opened.recovered:
            self.saved = f"Your unfinished drawing of {session.object_id} is back"
        self.guesses.begin_galaxy()

    @told
    def _commit(self, verdict: str) -> None:
        if self.session.trace is not None:
            self.tracer.lay()
        self.session.record(self._sky_mask(), "other")  # whatever a layer's own tools did without telling
        if not verdict and not self.session.parent and not self.session.mask.any():
            raise ValueError(
                f"{self.session.object_id}: nothing is drawn; if the galaxy has no arms say so [Shift-W], or go on "
                f"without saying anything [N]"
            )
        revision = self.session.commit(verdict=verdict)
        self.saved = f"Saved {revision.object_id} as {revision.revision_id[:8]}, read back and compared"
        self.next_galaxy()

    def _show_picture(self) -> None:
        looks = self.looks
        self.picture.data = self.view.picture(looks)
        grid = (self.view.scale(looks), self.view.unit(looks))
        if grid != self._grid:  # setting it costs napari as much as all the rest of a galaxy
            self._grid = grid
            for layer in self._layers:
                layer.scale, layer.units = grid[0], (grid[1],) * 2
            self.drawing.brush_size = self.drawing.brush_size  # or its outline is drawn at the scale of before
            self.viewer.canvas.overlays.scale_bar.visible = grid[1] == "arcsec"
        self.picture.name = self.session.object_id

    def _show_all(self) -> None:
        """Everything that lies on the picture."""
        self.show_drawing()
        self.bad_pixels.data = self.view.mask(bad_pixels(self.session.cutout), self.looks)
        self.guesses.show()
        self.tracer.show()
        self.fit()

    def show_drawing(self) -> None:
        """The session's drawing, on the view's grid."""
        mask = self.view.mask(self.session.mask, self.looks)
        self._shown_mask = mask.copy()
        self.drawing.data = mask

    # Strokes

    def _sky_mask(self) -> np.ndarray:
        """The drawing's layer brought to the sky's pixels."""
        return self.view.drawn(self.session.mask, self._shown_mask, np.asarray(self.drawing.data), self.looks)

    @told
    def _painted(self, _: Any = None) -> None:
        """A stroke is finished: journal it, or wait for `_painted_late` if no pixel has changed yet."""
        mask = self._sky_mask()
        self._stroke_is_late = bool((mask == self.session.mask).all())
        if self._stroke_is_late:
            return
        try:
            self.session.record(mask, TOOLS.get(str(self.drawing.mode), "other"))
        finally:  # a stroke that cannot be written is kept in memory, and one that means nothing is taken back
            if self.looks.polar or (mask != self.session.mask).any():
                self.show_drawing()
            self._shown_mask = np.array(self.drawing.data, copy=True)

    def _painted_late(self, _: Any = None) -> None:
        """The layer is drawn anew: the polygon tool says `paint` before it changes pixels and this after it."""
        if self._stroke_is_late:
            self._painted()

    def _step_class(self, step: int) -> None:
        """The next or previous class: napari's keys for labels would go on to numbers that mean nothing."""
        codes = list(CLASSES.values())
        now = codes.index(self.drawing.selected_label) if self.drawing.selected_label in codes else -1
        self._choose(codes[(now + step) % len(codes)])

    def _choose(self, code: int) -> None:
        self.drawing.selected_label = code
        trace = self.session.trace
        if trace is not None:
            self.tracer.set(replace(trace, class_code=code))
        if str(self.drawing.mode) in ("erase", "pan_zoom"):
            self.drawing.mode = "paint"
        self.changed.emit()

    # The mouse

    def _mouse_moved(self, viewer: Any, event: Any) -> None:
        self.session.touch()
        if self.comparison.is_on:
            return
        place = np.asarray(self.picture.world_to_data(event.position))[-2:]
        self.cursor = " ".join(filter(None, (self._bad_at(place), self.view.where(place, self.looks))))
        viewer.canvas.overlays.text.text = self.cursor

    def _bad_at(self, place: np.ndarray) -> str:
        """What the survey says of a pixel, while bad pixels are shown."""
        value = self.bad_pixels.get_value(place) if self.bad_pixels.visible else None
        return bad_pixel_name(int(value)) if value else ""


def _presses(workbench: Workbench, name: str) -> Callable[[Any], None]:
    """What a key does."""
    return _named(name, functools.partial(workbench.press, name))


def _named(name: str, act: Callable[[], None]) -> Callable[[Any], None]:
    """What a key does, as a function with a name, which napari asks for."""

    def press(_: Any = None) -> None:
        act()

    press.__name__ = name
    return press
