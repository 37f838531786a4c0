"""Which split each galaxy of a label store is in: decided once, written down in the store, and kept for ever.

What has been written down decides where a later download of the same galaxy goes, also by another survey under
another id and another position (`flaxgal.datasets.splits.split_together`). The tables travel with the store when it is
merged or bundled.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from flaxgal.datasets.splits import SPLITS, Placed, Position, Split, chosen_by_hand, split_together, torn_pairs
from flaxgal.labels.files import checked
from flaxgal.labels.store import Store

__all__ = ["check_apart", "check_unseen", "in_validation", "place_galaxies", "placed_before", "placed_in_snapshot"]


def place_galaxies(
    store: Store, *, by_hand: Mapping[str, Split] | None = None, agree_with: Sequence[Path | str] = ()
) -> dict[str, Split | None]:
    """The split of every galaxy of a store, labelled or not; new ones are written down in the store.

    None for a galaxy that would stand in two splits at once (see `split_together`).

    Parameters
    ----------
    by_hand
        Galaxies whose split is chosen for this once; what is one galaxy with them goes with them. Not written down.
    agree_with
        Snapshots of other stores: what is one galaxy with one of theirs goes where theirs is, if it is new here.

    Raises
    ------
    ValueError
        If a table in the store is damaged, or a folder of `agree_with` is no snapshot that says positions.
    NotSavedError
        If galaxies are new and the store cannot be written to.
    """
    before = placed_before(store)
    elsewhere = [item for folder in agree_with for item in placed_in_snapshot(folder)]
    galaxies = [
        Position(object_id=galaxy.object_id, ra_deg=galaxy.ra_deg, dec_deg=galaxy.dec_deg)
        for galaxy in store.galaxies().values()
    ]
    known = {item.object_id for item in before}
    placed = split_together(galaxies, [*before, *elsewhere])
    new = [item for item in placed if item is not None and item.object_id not in known]
    if new:
        store.keep_splits("".join(_line(item) + "\n" for item in new).encode())
    found = dict(zip((galaxy.object_id for galaxy in galaxies), placed, strict=True))
    return chosen_by_hand(galaxies, {name: item and item.split for name, item in found.items()}, by_hand or {})


def placed_before(store: Store) -> list[Placed]:
    """Every galaxy that a store has put into a split, oldest first.

    Raises
    ------
    ValueError
        If a table is damaged.
    """
    return [item for path in store.splits() for item in _read(checked(path), path)]


def placed_in_snapshot(folder: Path | str) -> list[Placed]:
    """The galaxies of a snapshot, where they are and in which split.

    Raises
    ------
    ValueError
        If the folder holds no snapshot, or one of before positions were written beside it.
    """
    path = Path(folder) / "revisions.jsonl"
    if not path.is_file():
        raise ValueError(f"{folder}: no dataset snapshot here (no revisions.jsonl); name the folder of a version")
    with path.open() as lines:
        if '"ra_deg"' not in lines.readline():
            raise ValueError(f"{path}: says no positions, it is of an older flaxgal; build the snapshot again")
    return _read(path.read_bytes(), path)


def check_apart(folders: Sequence[Path | str]) -> None:
    """Refuse snapshots of which one tests on what another trains on.

    Snapshots of an older flaxgal, which say no positions, are compared by ids alone.

    Raises
    ------
    ValueError
        If a galaxy stands in different splits of two of them.
    """
    paths = [Path(folder) / "revisions.jsonl" for folder in folders]
    placed = [(item, path.parent) for path in paths if path.is_file() for item in _read(path.read_bytes(), path)]
    torn = torn_pairs([item for item, _ in placed]) if len(paths) > 1 else []
    if not torn:
        return
    home = {id(item): folder for item, folder in placed}
    one, other = torn[0]
    more = f", and {len(torn) - 1} more" if len(torn) > 1 else ""
    raise ValueError(
        f"{one.object_id} is in split {one.split} of {home[id(one)]}, and the same galaxy, {other.object_id}, in split "
        f"{other.split} of {home[id(other)]}{more}: a model would be tested on what it was trained on; build one of "
        f"them again with --agree-with the other"
    )


def check_unseen(folder: Path, split: str, trained_on: Sequence[Path]) -> list[Path]:
    """Refuse to test on a split of a snapshot if galaxies in it stand in the training split of one trained on.

    Snapshots are compared as `check_apart` does it. Returns those that cannot be, as they do not list their galaxies.

    Raises
    ------
    ValueError
        If a galaxy, by its id or within 2 arcsec, is in both.
    """
    others = [other for other in trained_on if other.resolve() != folder.resolve()]
    if split == "train" or not others:  # who asks for training galaxies, wants to see how well they were learnt
        return []
    tested = _listed(folder)
    if tested is None:
        return others
    tested = [item for item in tested if item.split == split]
    unknown = []
    for other in others:
        if (listed := _listed(other)) is None:
            unknown.append(other)
            continue
        torn = torn_pairs([*tested, *(item for item in listed if item.split == "train")])
        if torn:
            known = {id(item) for item in tested}
            one, twin = torn[0] if id(torn[0][0]) in known else torn[0][::-1]
            more = f", and {len(torn) - 1} more" if len(torn) > 1 else ""
            raise ValueError(
                f"{one.object_id} is in split {split} of {folder}, and the same galaxy, {twin.object_id}, was trained "
                f"on in {other}{more}: the run would be tested on what it knows; build the first again with "
                f"--agree-with {other}, or choose another run"
            )
    return unknown


def in_validation(folder: Path, split: str, trained_on: Sequence[Path]) -> set[str] | None:
    """Ids of a split's galaxies that stand, by id or within 2 arcsec, in the validation split of one trained on.

    None where it cannot be told, as one of the snapshots does not list its galaxies.
    """
    if not trained_on:
        return set()
    lists = [listed for one in (folder, *trained_on) if (listed := _listed(one)) is not None]
    if len(lists) < 1 + len(trained_on):
        return None
    tested = [replace(item, split="test") for item in lists[0] if item.split == split]
    held = [item for listed in lists[1:] for item in listed if item.split == "validation"]
    return {item.object_id for item, _ in torn_pairs([*tested, *held])}  # the tested one of a pair comes first


def _listed(folder: Path) -> list[Placed] | None:
    """The galaxies of a snapshot; None if it does not list them."""
    path = folder / "revisions.jsonl"
    return _read(path.read_bytes(), path) if path.is_file() else None


def _line(item: Placed) -> str:
    return json.dumps(
        {"object_id": item.object_id, "split": item.split, "ra_deg": item.ra_deg, "dec_deg": item.dec_deg}
    )


def _read(content: bytes, path: Path) -> list[Placed]:
    try:
        placed = [_placed(json.loads(line)) for line in content.splitlines()]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path}: damaged, no table of splits ({error}); restore it from a copy") from None
    if strange := {item.split for item in placed} - set(SPLITS):
        raise ValueError(f"{path}: split {min(strange)!r}, expected one of {', '.join(SPLITS)}")
    return placed


def _placed(line: Mapping[str, Any]) -> Placed:
    return Placed(
        object_id=line["object_id"], split=line["split"], ra_deg=line.get("ra_deg"), dec_deg=line.get("dec_deg")
    )
