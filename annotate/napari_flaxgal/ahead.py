"""The next galaxies loaded ahead in a thread, so that changing galaxy does not wait for the disk."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from flaxgal.survey.cutout import Cutout

__all__ = ["LoadedAhead", "LoadedCutout"]

KEPT = 12
"""Cutouts held in memory."""


@dataclass(frozen=True)
class LoadedCutout:
    """A cutout with the hash of its pixels, which takes a while to compute."""

    cutout: Cutout
    sha256: str


class LoadedAhead:
    """The owner of a thread that loads cutouts before they are asked for.

    Parameters
    ----------
    load : gives a galaxy's cutout, or raises; called from two threads.
    """

    def __init__(self, load: Callable[[str], Cutout]) -> None:
        self._load = load
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
            future.set_result(LoadedCutout(cutout, cutout.sha256))
        except BaseException as error:
            self._failed(object_id, future)
            future.set_exception(error)
        return future.result()

    def forget(self, object_id: str) -> None:
        """Load a galaxy anew when it is asked for the next time."""
        with self._kept_lock:
            self._kept.pop(object_id, None)

    def prepare(self, coming: Callable[[], Iterable[str]]) -> None:
        """Load the galaxies that `coming` names, in the thread; an earlier wish is dropped. Errors wait for `get`."""
        self._wish += 1
        self._thread.submit(self._prepare, self._wish, coming)

    def close(self) -> None:
        """End the thread after the cutout it is reading."""
        self._wish += 1
        self._thread.shutdown(wait=True, cancel_futures=True)

    def _prepare(self, wish: int, coming: Callable[[], Iterable[str]]) -> None:
        names: Iterator[str] = iter(coming())
        while wish == self._wish:
            try:
                self.get(next(names))
            except StopIteration:
                return
            except (ValueError, OSError):
                continue

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
