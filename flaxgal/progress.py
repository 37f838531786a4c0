"""Progress on a terminal: one bar for each long task, drawn on standard error; nothing in a pipe."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["bars", "silent", "standing", "track"]


def standing(progress: Any) -> str:
    """Training loss, score of the validation galaxies and speed, as far as they are known."""
    known = {
        "loss": (progress.loss, ".3f"),
        progress.measure.word: (progress.score, ".3f"),
        "images/s": (progress.images_per_second, ".0f"),
    }
    return "  ".join(f"{name} {value:{form}}" for name, (value, form) in known.items() if value is not None)


def silent(name: str, done: int, total: int | None, note: str = "") -> None:
    """Draw nothing: standard error is no terminal."""


@contextmanager
def bars() -> Iterator[Any]:
    """A function show(name, done, total, note) that keeps one bar a name on a terminal; `silent` in a pipe."""
    if not sys.stderr.isatty():
        yield silent
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(20), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, TextColumn("{task.fields[note]}"), console=Console(stderr=True)) as bars:
        known: dict[str, Any] = {}

        def show(name: str, done: int, total: int | None, note: str = "") -> None:
            if name not in known:
                known[name] = bars.add_task(name, total=total, note=note)
            bars.update(known[name], completed=done, total=total, note=note)

        yield show


def track(items: Iterable[Any], name: str, total: int | None = None) -> Iterator[Any]:
    """The items, counted on a progress bar; a training run's Progress says itself how far it is."""
    with bars() as show:
        for done, item in enumerate(items, start=1):
            show(name, getattr(item, "step", done), total, standing(item) if hasattr(item, "step") else "")
            yield item
