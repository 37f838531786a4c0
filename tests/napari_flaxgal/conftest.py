"""A real napari window on a screen that only this test process sees (Xvfb), driven by `windows.py`."""

import gc
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest


@pytest.fixture(scope="session")
def display() -> Iterator[str]:
    """The name of a screen of 1600 × 1000 pixels that is this process' own, with Qt already on it.

    The server ends when its last window does (-terminate), so that a test process that is killed leaves none behind.
    """
    if sys.platform != "linux":
        pytest.skip("the window's tests run on Linux, under Xvfb")
    if shutil.which("Xvfb") is None:
        pytest.fail("Xvfb, a screen for napari, is not installed; run .ci/window_packages.sh screen")
    heard, said = os.pipe()
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(said), "-screen", "0", "1600x1000x24", "-nolisten", "tcp", "-terminate"],
        pass_fds=[said],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(said)
    with os.fdopen(heard) as answer:
        number = answer.readline().strip()
    if not number:
        pytest.fail("Xvfb ended before it had a screen; try it by hand: Xvfb -displayfd 1")
    before = {name: os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")}
    os.environ |= {"DISPLAY": f":{number}", "QT_QPA_PLATFORM": "xcb", "LIBGL_ALWAYS_SOFTWARE": "1"}
    os.environ.pop("WAYLAND_DISPLAY", None)
    from qtpy.QtWidgets import QApplication

    application = QApplication.instance() or QApplication(["flaxgal"])
    yield os.environ["DISPLAY"]
    application.closeAllWindows()
    server.terminate()
    server.wait(timeout=10)
    for name, value in before.items():
        os.environ.pop(name, None) if value is None else os.environ.__setitem__(name, value)


@pytest.fixture
def open_window(display: str) -> Iterator[Callable[..., Any]]:
    """A function that opens a napari window, `napari.Viewer(**options)`; all of them are closed after the test."""
    import napari
    from napari._qt.qt_viewer import QtViewer
    from windows import settle, until

    opened = []

    def opens(**options: Any) -> Any:
        viewer = napari.Viewer(show_welcome_screen=False, **options)
        viewer.window._qt_window.resize(1000, 700)
        viewer.window._qt_window.activateWindow()
        opened.append(viewer)
        until(viewer.window._qt_window.isActiveWindow, "the window to have the keyboard")
        settle(50)
        return viewer

    yield opens
    for viewer in opened:
        viewer.close()
    opened.clear()
    settle(50)
    gc.collect()
    QtViewer._instances.clear()


@pytest.fixture
def window(open_window: Callable[..., Any]) -> Any:
    """An empty napari window: the viewer, `.window` being what is seen of it."""
    return open_window()
