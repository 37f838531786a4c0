"""What napari's menus and command palette can call: every action of `keys.ACTIONS`, on the desk that is open.

`napari.yaml` names them `napari_flaxgal.commands:<action>`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from napari_flaxgal.keys import ACTIONS

__all__ = ["open_dock"]


def open_dock(viewer: Any = None) -> None:
    """Open flaxgal's dock in a napari window."""
    import napari

    viewer = viewer or napari.current_viewer()
    viewer.window.add_plugin_dock_widget("flaxgal", "Annotate spiral arms")


def __getattr__(name: str) -> Callable[[], None]:
    if any(row.name == name for row in ACTIONS):
        return partial(_act, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _act(name: str) -> None:
    from napari_flaxgal.workbench import Workbench

    workbench = Workbench.last()
    if workbench is None:
        from napari.utils.notifications import show_info

        show_info("Open a label store first: Plugins > flaxgal, or flaxgal annotate STORE")
        return
    workbench.press(name)
