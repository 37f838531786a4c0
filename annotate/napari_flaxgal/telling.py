"""How what goes wrong, and what takes long, reaches the person at the window."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from napari.utils.notifications import show_error, show_info

from napari_flaxgal.session import EndOfQueue

__all__ = ["Later", "at_once", "told"]

Later = Callable[[Callable[[], Any], Callable[[Any], None], Callable[[Exception], None]], None]
"""Do something slow, then hand its result, or its error, to one of two functions on the viewer's thread."""


def at_once(work: Callable[[], Any], done: Callable[[Any], None], failed: Callable[[Exception], None]) -> None:
    """A `Later` that does not wait: for tests and scripts without a window."""
    try:
        result = work()
    except Exception as error:  # whatever went wrong in a worker is told to the person, not lost in a thread
        failed(error)
    else:
        done(result)


def told(method: Callable[..., Any]) -> Callable[..., Any]:
    """A mistake or a full disk becomes a notification, and the window goes on.

    For methods of the workbench and of its parts, which know it as `bench`.
    """

    @functools.wraps(method)
    def careful(self: Any, *arguments: Any, **choices: Any) -> Any:
        try:
            return method(self, *arguments, **choices)
        except EndOfQueue as end:
            show_info(str(end))
        except (ValueError, OSError) as error:
            show_error(str(error))
        finally:
            getattr(self, "bench", self).changed.emit()
        return None

    return careful
