"""Train, validation or test: decided by where a galaxy is on the sky, so that adding data moves nobody.

The sky is cut into cells of about 6 by 6 arcmin and each cell goes to one split by a hash of its number (`split_of`).
Two surveys' positions of one galaxy, and galaxies so close that their cutouts overlap, then land on one side, unless a
cell edge runs between them. For positions d apart that happens with probability 4 d / (π · 6 arcmin), and in a third of
those cases the neighbouring cell belongs to another split: 1 pair in 840 for d = 1 arcsec.

`split_together` closes that gap: what lies within 2 arcsec is one galaxy, and goes where the first of it went. For
this it is told what has been placed before.
"""

import hashlib
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from flaxgal.survey.places import SAME_ARCSEC

__all__ = [
    "CELL_ARCMIN",
    "SPLITS",
    "Placed",
    "Position",
    "Split",
    "chosen_by_hand",
    "fold_rule",
    "sky_cell",
    "split_of",
    "split_together",
    "torn_pairs",
]

Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = get_args(Split)
Rule = Callable[[str, float | None, float | None], Split]
"""What puts a galaxy into a split by its id and position, such as `split_of`."""

CELL_ARCMIN = 6.0
"""Height of a cell, and its width as near as a whole number of cells in a circle of declination allows."""
_TRAIN, _VALIDATION = 0.8, 0.1
_SCHEME = "flaxgal split 1"


@dataclass(frozen=True, kw_only=True)
class Position:
    """A galaxy and where it is; None or NaN where that is unknown."""

    object_id: str
    ra_deg: float | None = None
    dec_deg: float | None = None


@dataclass(frozen=True, kw_only=True)
class Placed(Position):
    """A galaxy that has a split, and keeps it."""

    split: Split


def split_of(object_id: str, ra_deg: float | None = None, dec_deg: float | None = None) -> Split:
    """The split of a galaxy: 80 % train, 10 % validation, 10 % test.

    Decided by the cell of sky that holds it, or by its id where the position is unknown (None or NaN). The answer
    depends on nothing else, and is the same on every machine and in every version of Python.
    """
    share = _hashed(_SCHEME, object_id, ra_deg, dec_deg)
    if share < _TRAIN:
        return "train"
    return "validation" if share < _TRAIN + _VALIDATION else "test"


def fold_rule(fold: int, folds: int) -> Rule:
    """A rule like `split_of` for one round of a cross-validation: fold `fold` (0 is the first) of `folds` is the test.

    Of the rest an eighth validates. Over all rounds each galaxy is tested once.

    Raises
    ------
    ValueError
        If there are fewer than two folds, or no such fold.
    """
    if folds < 2 or not 0 <= fold < folds:
        raise ValueError(f"fold {fold} of {folds}; wanted two folds or more, and one of them, counted from 0")

    def split(object_id: str, ra_deg: float | None = None, dec_deg: float | None = None) -> Split:
        if int(folds * _hashed(f"{_SCHEME} folds", object_id, ra_deg, dec_deg)) == fold:
            return "test"
        return "validation" if _hashed(f"{_SCHEME} rest {fold}", object_id, ra_deg, dec_deg) < 1 / 8 else "train"

    return split


def _hashed(scheme: str, object_id: str, ra_deg: float | None, dec_deg: float | None) -> float:
    """A number from 0 to below 1 that the cell of sky decides, or the id where the position is unknown."""
    if not _is_known(ra_deg) or not _is_known(dec_deg):
        key = f"{scheme} id {object_id}"
    else:
        row, column = sky_cell(ra_deg, dec_deg)  # type: ignore[arg-type]
        key = f"{scheme} cell {row} {column}"
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big") / 2**64


def sky_cell(ra_deg: float, dec_deg: float) -> tuple[int, int]:
    """Row (in declination, from the south pole) and column (in right ascension) of the cell that holds a position.

    Raises
    ------
    ValueError
        If the declination is beyond a pole.
    """
    if not -90 <= dec_deg <= 90:
        raise ValueError(
            f"declination {dec_deg:g} deg, expected -90 to 90; are right ascension and declination swapped?"
        )
    height_deg = CELL_ARCMIN / 60
    rows = round(180 / height_deg)
    row = min(int((dec_deg + 90) / height_deg), rows - 1)
    middle_deg = (row + 0.5) * height_deg - 90
    columns = max(1, round(360 * math.cos(math.radians(middle_deg)) / height_deg))
    return row, min(int(ra_deg % 360 / 360 * columns), columns - 1)


def split_together(
    galaxies: Sequence[Position], placed: Iterable[Placed] = (), *, rule: Rule | None = None
) -> list[Placed | None]:
    """The split of each galaxy, the same for all that are one galaxy on the sky.

    A galaxy placed before keeps its split, by its id. Another one goes where the galaxy within 2 arcsec of it is that
    was placed before, or else, in a group of new ones linked by such distances, where `split_of` puts the one whose id
    comes first; so the order of `galaxies` does not matter. A new galaxy between two that were placed apart before,
    within 2 arcsec of both, can go nowhere without telling one split of another: its answer is None.

    Parameters
    ----------
    placed
        What has been placed before, oldest first: of several under one id, the first counts.
    rule
        What decides in place of `split_of`.
    """
    before: dict[str, Placed] = {}
    for item in placed:
        before.setdefault(item.object_id, item)
    for item in galaxies:  # one that had no position when it was placed
        if item.object_id in before and not _is_known(before[item.object_id].ra_deg):
            before[item.object_id] = _placed(item, before[item.object_id].split)
    known: dict[str, Placed | None] = dict(before)
    new = sorted({item.object_id: item for item in galaxies if item.object_id not in before}.values(), key=_by_id)
    near = _neighbours([*before.values(), *new])
    for group in _groups(new, near):
        ours = [other for item in group for other in near.get(item.object_id, ()) if other in before]
        if not ours:
            first = _placed(group[0], (rule or split_of)(group[0].object_id, group[0].ra_deg, group[0].dec_deg))
            known |= {item.object_id: _placed(item, first.split) for item in group}
        elif len({before[other].split for other in ours}) == 1:
            known |= {item.object_id: _placed(item, before[ours[0]].split) for item in group}
        else:
            known |= _between(group, near, before)
    return [known[item.object_id] for item in galaxies]


def chosen_by_hand(
    galaxies: Sequence[Position], splits: Mapping[str, Split | None], chosen: Mapping[str, Split]
) -> dict[str, Split | None]:
    """Splits by id after some were chosen by hand; who is one galaxy with a chosen one goes with it.

    None for one that is within 2 arcsec of two that were chosen apart.
    """
    near = _neighbours(galaxies) if chosen else {}
    found: dict[str, Split | None] = dict(splits)
    found.update((name, split) for name, split in chosen.items() if name in splits)
    for name, others in near.items():
        beside: set[Split] = {chosen[other] for other in others if other in chosen}
        if beside and name not in chosen:
            found[name] = beside.pop() if len(beside) == 1 else None
    return found


def torn_pairs(placed: Sequence[Placed]) -> list[tuple[Placed, Placed]]:
    """Pairs that are one galaxy, by id or within 2 arcsec, and stand in different splits: what must not be."""
    by_place = [(placed[a], placed[b]) for a, b in _pairs(placed)]
    first: dict[str, Placed] = {}
    by_id = [(first.setdefault(item.object_id, item), item) for item in placed]
    return [(a, b) for a, b in [*by_id, *by_place] if a.split != b.split]


def _between(group: list[Position], near: dict[str, list[str]], before: dict[str, Placed]) -> dict[str, Placed | None]:
    """The members of a group whose neighbours were placed apart: each where all its neighbours are, or nowhere."""
    known, left = dict(before), list(group)
    while True:
        for item in left:
            around: set[Split] = {known[other].split for other in near[item.object_id] if other in known}
            if len(around) == 1:
                known[item.object_id] = _placed(item, around.pop())
                left.remove(item)
                break
        else:
            return {item.object_id: known.get(item.object_id) for item in group}


def _groups(new: list[Position], near: dict[str, list[str]]) -> Iterator[list[Position]]:
    """New galaxies that are linked, through new ones, by distances of a galaxy to itself; in the order of ids."""
    by_id = {item.object_id: item for item in new}
    seen: set[str] = set()
    for item in new:
        if item.object_id in seen:
            continue
        group, ahead = [], [item.object_id]
        seen.add(item.object_id)
        while ahead:
            name = ahead.pop()
            group.append(by_id[name])
            linked = [other for other in near.get(name, ()) if other in by_id and other not in seen]
            seen.update(linked)
            ahead += linked
        yield sorted(group, key=_by_id)


def _neighbours(galaxies: Sequence[Position]) -> dict[str, list[str]]:
    """Ids within 2 arcsec of each galaxy that has any."""
    near: dict[str, list[str]] = {}
    for a, b in _pairs(galaxies):
        one, other = galaxies[a].object_id, galaxies[b].object_id
        near.setdefault(one, []).append(other)
        near.setdefault(other, []).append(one)
    return near


def _pairs(galaxies: Sequence[Position]) -> Iterator[tuple[int, int]]:
    """Numbers of galaxies within 2 arcsec of each other."""
    import numpy as np
    from scipy.spatial import cKDTree

    numbers = [k for k, item in enumerate(galaxies) if _is_known(item.ra_deg) and _is_known(item.dec_deg)]
    ra, dec = (np.radians([getattr(galaxies[k], name) for k in numbers]) for name in ("ra_deg", "dec_deg"))
    points = np.stack([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)], axis=-1)
    chord = 2 * math.sin(math.radians(SAME_ARCSEC / 3600) / 2)
    pairs = cKDTree(points).query_pairs(chord, output_type="ndarray") if len(points) > 1 else []
    yield from ((numbers[a], numbers[b]) for a, b in pairs)


def _placed(item: Position, split: Split) -> Placed:
    return Placed(object_id=item.object_id, ra_deg=item.ra_deg, dec_deg=item.dec_deg, split=split)


def _by_id(item: Position) -> str:
    return item.object_id


def _is_known(degrees: Any) -> bool:
    return degrees is not None and not math.isnan(degrees)
