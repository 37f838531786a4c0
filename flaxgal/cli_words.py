"""What several commands share: how their arguments are named, and how they say what they did."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

__all__ = ["Flat", "Inputs", "RunFolder", "StoreFolder", "already", "closing", "say"]

Flat = arg(name="")
Inputs = Annotated[Positional[tuple[Path, ...]], arg(metavar="INPUT [INPUT ...]")]
RunFolder = Annotated[Positional[Path], arg(metavar="RUN")]
StoreFolder = Annotated[Positional[Path], arg(metavar="STORE")]


def closing(summary: str, worked: int, left_out: Sequence[str]) -> int:
    """Print what was done and list what was left out; the exit status, 1 only if nothing worked."""
    print(summary)
    for reason in left_out:
        say(f"left out: {reason}")
    if left_out:
        say(f"{len(left_out)} left out")
    return 0 if worked else 1


def already(known: int) -> str:
    """How many were there before, if any were."""
    return f", {known} there already" if known else ""


def say(sentence: str) -> None:
    """Say something that is no result: on standard error."""
    print(sentence, file=sys.stderr)
