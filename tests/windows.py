"""Real mouse and key events for a napari window, given in pixels of a layer: what a hand on the mouse would do.

Events go in where Qt takes them from the window system, so that whatever stands between the mouse and the mask (Qt,
vispy, napari, flaxgal) has its say. Points are (y, x) in the pixels of a layer, (0, 0) being the middle of the first.
"""

import time
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

__all__ = ["click", "drag", "draw_stroke", "hover", "key", "settle", "to_canvas", "until"]

Point = tuple[float, float]
FEWEST_MS = 12
"""vispy passes over mouse moves that come faster than one in 10 ms."""
STEP_PIXELS = 6
"""Canvas pixels between two positions of the mouse on its way, as a hand would be seen by Qt."""


def click(viewer: Any, point: Point, *, layer: Any = None, button: str = "left", modifiers: str = "", twice=False):
    """Press and release a mouse button over a pixel; `twice` for a double click."""
    hover(viewer, point, layer=layer, modifiers=modifiers)
    for action in ("press", "release", "double", "release")[: 4 if twice else 2]:
        _mouse(viewer, action, point, layer, button, modifiers)


def drag(viewer: Any, points: Sequence[Point], *, layer: Any = None, button: str = "left", modifiers: str = ""):
    """Press at the first point, move through all of them in small steps, and let go at the last."""
    hover(viewer, points[0], layer=layer, modifiers=modifiers)
    _mouse(viewer, "press", points[0], layer, button, modifiers)
    for here, there in pairwise(points):
        for point in _between(viewer, here, there, layer):
            _mouse(viewer, "move", point, layer, button, modifiers)
    _mouse(viewer, "release", points[-1], layer, button, modifiers)


def hover(viewer: Any, point: Point, *, layer: Any = None, modifiers: str = "") -> None:
    """Move the mouse to a pixel with no button down."""
    _mouse(viewer, "move", point, layer, "", modifiers)


def draw_stroke(viewer: Any, layer: Any, points: Sequence[Point]) -> None:
    """Drag over a Labels layer with whatever brush it has."""
    viewer.layers.selection.active = layer
    drag(viewer, points, layer=layer)


def key(viewer: Any, keys: str, *, widget: Any = None) -> None:
    """Press and release keys written as Qt writes them ("Ctrl+Z", "B", "Space"), on the canvas or on a `widget`."""
    from qtpy.QtCore import Qt
    from qtpy.QtGui import QKeySequence
    from qtpy.QtTest import QTest

    target = _canvas(viewer) if widget is None else widget
    target.setFocus()
    settle()
    pressed = QKeySequence(keys)[0]
    QTest.keyClick(target, Qt.Key(pressed.key()), pressed.keyboardModifiers())
    settle()


def until(happened: Callable[[], Any], what: str = "", *, seconds: float = 60.0) -> None:
    """Let the window work until something has happened; an AssertionError that says `what` when it does not."""
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, f"waited {seconds:g} s in vain for {what or happened}"
        settle(10)


def settle(milliseconds: int = FEWEST_MS) -> None:
    """Let the window do what it has to do, for so long at least."""
    from qtpy.QtWidgets import QApplication

    # Not QTest's own waiting: vispy replaces it by one that keeps a core busy.
    end = time.monotonic() + milliseconds / 1000
    QApplication.processEvents()
    while time.monotonic() < end:
        time.sleep(0.001)
        QApplication.processEvents()


def to_canvas(viewer: Any, point: Point, layer: Any = None) -> tuple[float, float]:
    """(x, y) on the canvas of a layer's pixel (of the selected layer's, when none is named)."""
    layer = viewer.layers.selection.active if layer is None else layer
    displayed = list(viewer.dims.displayed)
    inside = list(layer.world_to_data(viewer.dims.point))[-layer.ndim :]
    inside[-2:] = point
    world = list(layer.data_to_world(inside))
    shown = [world[axis - (viewer.dims.ndim - len(world))] for axis in displayed]
    view = _vispy(viewer).view
    x, y = (view.transform * view.scene.transform).map(shown[::-1])[:2]
    return float(x), float(y)


def _between(viewer: Any, here: Point, there: Point, layer: Any) -> list[Point]:
    """Points on the way from here to there, the last of them there."""
    (x0, y0), (x1, y1) = to_canvas(viewer, here, layer), to_canvas(viewer, there, layer)
    steps = max(1, round(max(abs(x1 - x0), abs(y1 - y0)) / STEP_PIXELS))
    shares = [step / steps for step in range(1, steps + 1)]
    return [(here[0] + share * (there[0] - here[0]), here[1] + share * (there[1] - here[1])) for share in shares]


def _mouse(viewer: Any, action: str, point: Point, layer: Any, button: str, modifiers: str) -> None:
    """One event of the mouse on the canvas."""
    from qtpy.QtCore import QEvent, QPointF, Qt
    from qtpy.QtGui import QMouseEvent
    from qtpy.QtTest import QTest
    from qtpy.QtWidgets import QApplication

    settle()
    canvas = _canvas(viewer)
    place = QPointF(*to_canvas(viewer, point, layer))
    assert canvas.rect().contains(place.toPoint()), f"{point} lies at {place.toPoint()}, outside the canvas"
    chosen = getattr(Qt.MouseButton, f"{button.capitalize()}Button") if button else Qt.MouseButton.NoButton
    held = Qt.KeyboardModifier.NoModifier
    for name in filter(None, modifiers.split("+")):
        held |= getattr(Qt.KeyboardModifier, f"{'Control' if name == 'Ctrl' else name}Modifier")
    if action == "press":
        QTest.mousePress(canvas, chosen, held, place.toPoint())
    elif action == "release":
        QTest.mouseRelease(canvas, chosen, held, place.toPoint())
    elif action == "double":
        QTest.mouseDClick(canvas, chosen, held, place.toPoint())
    else:  # QTest's own moves are moves of the cursor, which forget that a button is down
        moved = QMouseEvent(
            QEvent.Type.MouseMove, place, QPointF(canvas.mapToGlobal(place)), Qt.MouseButton.NoButton, chosen, held
        )
        QApplication.sendEvent(canvas, moved)
    settle()


def _vispy(viewer: Any) -> Any:
    return viewer.window._qt_viewer.canvas


def _canvas(viewer: Any) -> Any:
    """The Qt widget that takes the mouse over the picture."""
    return _vispy(viewer).native
