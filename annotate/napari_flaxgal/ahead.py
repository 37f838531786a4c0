"""The next galaxies loaded and drawn ahead in a thread, so that changing galaxy waits for no disk and no sum."""

from __future__ import annotations

import contextlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from flaxgal.survey.cutout import Cutout
from napari_flaxgal.views import Looks, View

__all__ = ["LoadedAhead", "LoadedCutout"]

KEPT = 12
"""Cutouts held in memory, with what was drawn of them: at 512 × 512 pixels in five bands about 20 MB each."""


@dataclass(frozen=True)
class LoadedCutout:
    """A cutout with what takes a while to compute of it."""

    cutout: Cutout
    sha256: str
    view: View
    """Computed as it is asked for; `LoadedAhead.prepare` asks first."""


class LoadedAhead:
    """The owner of a thread that loads cutouts before they are asked for, and draws them.

    Parameters
    ----------
    load : gives a galaxy's cutout, or raises; called from two threads.

    Attributes
    ----------
    looks : how galaxies are drawn ahead.
    """

    def __init__(self, load: Callable[[str], Cutout]) -> None:
        self._load, self.looks = load, Looks()
        self._kept: OrderedDict[str, Future[LoadedCutout]] = OrderedDict()
        self._kept_lock = threading.Lock()
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="flaxgal-ahead")
        self._wish = 0

    def get(self, object_id: str) -> LoadedCutout:
        """A galaxy's cutout. What `load` raises is raised here, and it is tried anew the next time."""
        future, mine = self._future(object_id)
        if not mine:
            try:
                return future.result()
            except Exception:  # it failed for the other thread; find out whether it still does
                self._failed(object_id, future)
                future, mine = self._future(object_id)
                if not mine:
                    return future.result()
        try:
            cutout = self._load(object_id)
            future.set_result(LoadedCutout(cutout, cutout.sha256, View(cutout)))
        except BaseException as error:
            self._failed(object_id, future)
            future.set_exception(error)
        return future.result()

    def forget(self, object_id: str) -> None:
        """Load a galaxy anew when it is asked for the next time."""
        with self._kept_lock:
            self._kept.pop(object_id, None)

    def prepare(self, coming: Callable[[], Iterable[str]]) -> None:
        """Load and draw the galaxies that `coming` names, in the thread; an earlier wish is dropped.

        First the pictures of all of them, which whoever goes on waits for, then the ridges for the tracer. Errors wait
        for `get`, or for whoever looks at the galaxy.
        """
        self._wish += 1
        self._thread.submit(self._prepare, self._wish, coming)

    def close(self) -> None:
        """End the thread after the cutout that it is reading, or the picture that it is drawing."""
        self._wish += 1
        self._thread.shutdown(wait=True, cancel_futures=True)

    def _prepare(self, wish: int, coming: Callable[[], Iterable[str]]) -> None:
        ready: list[View] = []
        for name in coming() if wish == self._wish else ():
            with contextlib.suppress(ValueError, OSError):
                view = self.get(name).view
                view.picture(self.looks)
                ready.append(view)
            if wish != self._wish:
                return
        for view in ready:
            if wish == self._wish:
                _ = view.ridge

    def _future(self, object_id: str) -> tuple[Future[LoadedCutout], bool]:
        """The result that is there or being made, and whether the caller must make it."""
        with self._kept_lock:
            found = self._kept.get(object_id)
            future = found if found is not None else Future()
            self._kept[object_id] = future
            self._kept.move_to_end(object_id)
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return future, found is None

    def _failed(self, object_id: str, future: Future[LoadedCutout]) -> None:
        with self._kept_lock:
            if self._kept.get(object_id) is future:
                del self._kept[object_id]
