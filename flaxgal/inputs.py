"""Galaxies from whatever a user names: files, folders of files, a label store, a dataset snapshot."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from flaxgal.survey.cutout import Cutout, Unreadable, find_cutouts, read_cutouts

if TYPE_CHECKING:
    from flaxgal.labels.store import Store

__all__ = ["cutouts_from", "number_of"]


def cutouts_from(inputs: Sequence[Path], *, pixel_scale_arcsec: float | None = None) -> Iterator[Cutout | Unreadable]:
    """Every galaxy of `inputs`, one at a time; what cannot be read comes as `Unreadable`.

    Label stores and snapshots come first, then files that are named themselves, then folders of files, each in the
    order given. An id comes once: a second galaxy of it, in whatever input, is `Unreadable`, as outputs are named by
    id. A snapshot's galaxies come as pictures: that is what it holds.

    Raises
    ------
    ValueError
        If a label store or a snapshot cannot be opened at all.
    """
    taken: dict[str, str] = {}
    for source, item in _from_all(inputs, pixel_scale_arcsec):
        if isinstance(item, Cutout) and item.object_id in taken:
            yield Unreadable(
                item.object_id,
                f"{item.object_id}: found this id in {source}, and before in {taken[item.object_id]}; wanted one id a "
                f"galaxy: leave one of the two out, or give them different ids",
            )
            continue
        if isinstance(item, Cutout):
            taken[item.object_id] = source
        yield item


def number_of(inputs: Sequence[Path]) -> int:
    """How many galaxies `cutouts_from` gives, told from names and listings without opening an image."""
    files, number = [], 0
    for path in map(Path, inputs):
        if _is_store(path):
            number += len(_store(path).galaxies())
        elif _is_snapshot(path):
            number += sum(_sizes(path))
        else:
            files.append(path)
    return number + len(find_cutouts(files))


def _from_all(inputs: Sequence[Path], pixel_scale_arcsec: float | None) -> Iterator[tuple[str, Cutout | Unreadable]]:
    """Every galaxy, with words for where it is from."""
    files = []
    for path in map(Path, inputs):
        if _is_store(path):
            yield from ((str(path), item) for item in _from_store(path))
        elif _is_snapshot(path):
            yield from ((str(path), item) for item in _from_snapshot(path))
        else:
            files.append(path)
    if files:
        named = str(files[0]) if len(files) == 1 else "the files and folders"
        yield from ((named, item) for item in read_cutouts(files, pixel_scale_arcsec=pixel_scale_arcsec))


def _is_store(path: Path) -> bool:
    from flaxgal.labels.store import is_store

    return is_store(path)


def _is_snapshot(path: Path) -> bool:
    """Whether a folder is a snapshot, or holds the versions of one."""
    return (path / "dataset_info.json").exists() or any(path.glob("[0-9]*.[0-9]*.[0-9]*/dataset_info.json"))


def _from_store(path: Path) -> Iterator[Cutout | Unreadable]:
    store = _store(path)
    for object_id in store.galaxies():
        try:
            yield store.cutout(object_id)
        except ValueError as error:
            yield Unreadable(object_id, f"{object_id} in {path}: {error}")


def _from_snapshot(path: Path) -> Iterator[Cutout]:
    from flaxgal.datasets.loader import iterate_examples

    for example in iterate_examples(path):
        yield Cutout(
            object_id=example.object_id,
            flux=np.moveaxis(example.image, -1, 0).astype(np.float32),
            bands=example.bands,
            unit="picture",
            survey=example.survey,
            ra_deg=_known(example.ra_deg),
            dec_deg=_known(example.dec_deg),
            first_row="top",  # a snapshot does not keep the order of rows
        )


def _store(path: Path) -> Store:
    from flaxgal.labels.store import Store

    return Store.open(path)


def _sizes(path: Path) -> Iterable[int]:
    from flaxgal.datasets.builders import open_snapshot

    return open_snapshot(path).sizes.values()


def _known(degrees: float) -> float | None:
    return None if math.isnan(degrees) else degrees
