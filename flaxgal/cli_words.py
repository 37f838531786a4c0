"""What several commands share: how their arguments are named, and how they say what they did."""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from tyro.conf import Positional, arg

from flaxgal.progress import track

if TYPE_CHECKING:
    from flaxgal.survey.cutout import Unreadable

__all__ = [
    "Counts",
    "Flat",
    "Inputs",
    "RunFolder",
    "StoreFolder",
    "already",
    "closing",
    "counted",
    "say",
    "say_left_out",
    "say_other_crop",
    "say_passed_over",
]

Flat = arg(name="")
Inputs = Annotated[Positional[tuple[Path, ...]], arg(metavar="INPUT [INPUT ...]")]
RunFolder = Annotated[Positional[Path], arg(metavar="RUN")]
StoreFolder = Annotated[Positional[Path], arg(metavar="STORE")]


@dataclass(frozen=True)
class Counts:
    """What became of the galaxies of one call."""

    done: int
    """With those that were done before."""
    kept: int
    left_out: list[Unreadable]
    last: Any = None
    """What the call said at its end, if it did."""


def counted(found: Iterable[Any], words: str, total: int, *, kept: type, last: type | tuple[()] = ()) -> Counts:
    """Follow a call galaxy by galaxy on a progress bar that says `words`.

    Parameters
    ----------
    kept : what the call says of a galaxy that was done before.
    last : what it says at its end.
    """
    from flaxgal.survey.cutout import Unreadable

    done, before, left_out, end = 0, 0, [], None
    for item in track(found, words, total):
        if isinstance(item, Unreadable):
            left_out.append(item)
        elif isinstance(item, last):
            end = item
        else:
            done += 1
            before += isinstance(item, kept)
    return Counts(done, before, left_out, end)


def closing(summary: str, worked: int, left_out: Sequence[Unreadable | str]) -> int:
    """Print what was done and list what was left out; the exit status, 1 only if nothing worked."""
    print(summary)
    say_left_out(left_out)
    return 0 if worked else 1


def say_left_out(left_out: Sequence[Unreadable | str], what: str = "left out", *, most: int | None = None) -> None:
    """List galaxies that were left out, with what several of them have in common but once, and sentences.

    Parameters
    ----------
    what : other than that they were left out.
    most : reasons that are said, where more would hide what else is said.
    """
    names: defaultdict[str, list[str]] = defaultdict(list)
    for item in left_out:
        if isinstance(item, str):
            names[item].append("")
        else:
            names[item.reason_alone].append(item.name)
    said = list(names.items())[:most]
    for reason, those in said:
        say(f"{what}: {_of_galaxies(those, reason)}")
    if more := len(names) - len(said):
        say(f"{what}: … and for {more} more reasons")
    if left_out:
        say(f"{len(left_out)} {what}")


def _of_galaxies(names: Sequence[str], reason: str) -> str:
    """Why galaxies are left out: of one by its name, of several by the number and the name of the first."""
    if len(names) > 1:
        return f"{len(names)} galaxies, such as {names[0]}: {reason}"
    return reason if names[0] in reason else f"{names[0]}: {reason}"


def say_passed_over(inputs: Sequence[Path]) -> None:
    """Say which images in folders are not taken as their names are those of masks or point-spread functions."""
    from flaxgal.survey.reading import passed_over

    if found := passed_over(inputs):
        say(
            f"{len(found)} files passed over, as they are named like masks or point-spread functions, such as "
            f"{found[0]}; one that is a galaxy's image is taken if it is given by its own name"
        )


def say_other_crop(run: Path, snapshot: Path) -> None:
    """Galaxies that fill more or less of a picture than in training may be told apart worse, and nothing shows it."""
    from flaxgal.datasets.builders import open_snapshot
    from flaxgal.runlog import snapshots_seen

    trained = {float(one["crop"]) for one in snapshots_seen(run) if "crop" in one}  # an older flaxgal did not say it
    here = open_snapshot(snapshot).crop
    if trained and here not in trained:
        there = " or ".join(f"{one:g}" for one in sorted(trained))
        say(
            f"{snapshot}: pictures show {here:g} of their frames' sides, those that the run was trained on {there}; "
            f"unless galaxies fill both alike, build it again with that --crop"
        )


def already(known: int) -> str:
    """How many were there before, if any were."""
    return f", {known} there already" if known else ""


def say(sentence: str) -> None:
    """Say something that is no result: on standard error."""
    print(sentence, file=sys.stderr)
