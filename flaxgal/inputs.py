"""Galaxies from whatever a user names: files, folders of files, a label store, a dataset snapshot."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from flaxgal.survey.cutout import Cutout, Unreadable, read_cutouts

__all__ = ["cutouts_from"]


def cutouts_from(inputs: Sequence[Path], *, pixel_scale_arcsec: float | None = None) -> Iterator[Cutout | Unreadable]:
    """Every galaxy of `inputs`, one at a time, in the order given; what cannot be read comes as `Unreadable`.

    A snapshot's galaxies come as pictures: that is what it holds.
    """
    files = []
    for path in map(Path, inputs):
        if _is_store(path):
            yield from _from_store(path)
        elif _is_snapshot(path):
            yield from _from_snapshot(path)
        else:
            files.append(path)
    if files:
        yield from read_cutouts(files, pixel_scale_arcsec=pixel_scale_arcsec)


def _is_store(path: Path) -> bool:
    from flaxgal.labels.store import is_store

    return is_store(path)


def _is_snapshot(path: Path) -> bool:
    return (path / "dataset_info.json").exists()


def _from_store(path: Path) -> Iterator[Cutout | Unreadable]:
    from flaxgal.labels.store import Store

    store = Store.open(path)
    for object_id in store.galaxies():
        try:
            yield store.cutout(object_id)
        except ValueError as error:
            yield Unreadable(path, str(error))


def _from_snapshot(path: Path) -> Iterator[Cutout]:
    from flaxgal.datasets.loader import iterate_examples

    for example in iterate_examples(path):
        yield Cutout(
            object_id=example.object_id,
            flux=np.moveaxis(example.image, -1, 0).astype(np.float32),
            bands=example.bands,
            unit="picture",
            survey=example.survey,
        )
