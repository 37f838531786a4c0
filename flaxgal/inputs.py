"""Galaxies from whatever a user names: files, folders of files, a label store, a dataset snapshot."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from flaxgal.survey.cutout import Cutout, Unreadable, find_cutouts, read_cutout
from flaxgal.survey.headers import name_without_band, stem_of

if TYPE_CHECKING:
    from flaxgal.labels.store import Store

__all__ = [
    "Files",
    "Held",
    "Source",
    "Stored",
    "a_second",
    "cutouts_from",
    "is_snapshot",
    "number_of",
    "read_once",
    "sources_from",
    "stamp_of",
]


@dataclass(frozen=True)
class Files:
    """A galaxy in a file, or in one file a band."""

    paths: tuple[Path, ...]
    pixel_scale_arcsec: float | None = None

    @property
    def name(self) -> str:
        """Where it is from, for a sentence."""
        return str(self.paths[0])

    @property
    def expected_id(self) -> str:
        """What the galaxy is called, as far as that is told without opening the files."""
        return (stem_of if len(self.paths) == 1 else name_without_band)(self.paths[0].name)

    @property
    def stamp(self) -> str:
        """What changes when the galaxy's files change."""
        return stamp_of(*self.paths)

    def read(self) -> Cutout | Unreadable:
        """The galaxy, or why it cannot be read."""
        try:
            return read_cutout(self.paths, pixel_scale_arcsec=self.pixel_scale_arcsec)
        except ValueError as error:
            return Unreadable(self.name, str(error))


@dataclass(frozen=True)
class Stored:
    """A galaxy of a label store."""

    store: Path
    object_id: str
    cutout_sha256: str

    @property
    def name(self) -> str:
        """Where it is from, for a sentence."""
        return str(self.store)

    @property
    def expected_id(self) -> str:
        """What the galaxy is called."""
        return self.object_id

    @property
    def stamp(self) -> str:
        """What changes when the galaxy's pixels change."""
        return f"{self.cutout_sha256}-{self.object_id}"

    def read(self) -> Cutout | Unreadable:
        """The galaxy, or why it cannot be read."""
        try:
            store = _opened(self.store.absolute())
            if self.object_id not in store:
                store.refresh()
            return store.cutout(self.object_id)
        except ValueError as error:
            return Unreadable(self.object_id, f"{self.object_id} in {self.store}: {error}")


@dataclass(frozen=True, eq=False)
class Held:
    """A galaxy that is in memory: an example of a dataset snapshot."""

    fields: dict[str, Any]
    """Of its `Cutout`, which itself cannot be sent to another process."""
    name: str

    @property
    def expected_id(self) -> str:
        """What the galaxy is called."""
        return self.fields["object_id"]

    @property
    def stamp(self) -> str:
        """What changes when the galaxy's pixels change."""
        cutout = self.read()
        return f"{cutout.sha256}-{cutout.object_id}"

    def read(self) -> Cutout:
        """The galaxy."""
        return Cutout(**self.fields)


Source = Files | Stored | Held
"""Where a galaxy can be read, now or later, in this process or in another that sees the same disk."""


def sources_from(inputs: Sequence[Path], *, pixel_scale_arcsec: float | None = None) -> Iterator[Source]:
    """Where each galaxy of `inputs` can be read; files are not opened.

    Label stores and snapshots come first, then files that are named themselves, then folders of files, each in the
    order given.

    Raises
    ------
    ValueError
        If a label store or a snapshot cannot be opened at all.
    """
    files = []
    for path in map(Path, inputs):
        if _is_store(path):
            for object_id, galaxy in _store(path).galaxies().items():
                yield Stored(path, object_id, galaxy.cutout_sha256)
        elif is_snapshot(path):
            yield from (Held(fields, str(path)) for fields in _from_snapshot(path))
        else:
            files.append(path)
    yield from (Files(paths, pixel_scale_arcsec) for paths in find_cutouts(files))


def cutouts_from(inputs: Sequence[Path], *, pixel_scale_arcsec: float | None = None) -> Iterator[Cutout | Unreadable]:
    """Every galaxy of `inputs`, one at a time, in the order of `sources_from`; what cannot be read is `Unreadable`.

    An id comes once: a second galaxy of it, in whatever input, is `Unreadable`, as outputs are named by id. A
    snapshot's galaxies come as pictures: that is what it holds.

    Raises
    ------
    ValueError
        If a label store or a snapshot cannot be opened at all.
    """
    yield from read_once(sources_from(inputs, pixel_scale_arcsec=pixel_scale_arcsec), {})


def read_once(sources: Iterable[Source], taken: dict[str, Source]) -> Iterator[Cutout | Unreadable]:
    """The galaxies of some sources; one whose id is among `taken` is `Unreadable`, any other is put there."""
    for source in sources:
        item = source.read()
        if isinstance(item, Cutout) and taken.setdefault(item.object_id, source) is not source:
            yield a_second(item.object_id, source.name, taken[item.object_id].name)
        else:
            yield item


def a_second(object_id: str, found: str, before: str) -> Unreadable:
    """A galaxy that cannot be taken, as its id was taken before."""
    return Unreadable(
        object_id,
        f"{object_id}: found this id in {found}, and before in {before}; wanted one id a galaxy: leave one of the two "
        f"out, or give them different ids",
    )


def stamp_of(*paths: Path) -> str:
    """A short text that changes when one of some files is written again, told without reading them."""
    digest = hashlib.blake2b(digest_size=12)
    for path in paths:
        about = path.stat() if path.exists() else None
        digest.update(repr((str(path.resolve()), about and (about.st_size, about.st_mtime_ns))).encode())
    return digest.hexdigest()


def number_of(inputs: Sequence[Path]) -> int:
    """How many galaxies `cutouts_from` gives, told from names and listings without opening an image."""
    files, number = [], 0
    for path in map(Path, inputs):
        if _is_store(path):
            number += len(_store(path).galaxies())
        elif is_snapshot(path):
            number += sum(_sizes(path))
        else:
            files.append(path)
    return number + len(find_cutouts(files))


def is_snapshot(path: Path) -> bool:
    """Whether a folder is a snapshot, or holds the versions of one."""
    return (path / "dataset_info.json").exists() or any(path.glob("[0-9]*.[0-9]*.[0-9]*/dataset_info.json"))


def _is_store(path: Path) -> bool:
    from flaxgal.labels.store import is_store

    return is_store(path)


def _from_snapshot(path: Path) -> Iterator[dict[str, Any]]:
    from flaxgal.datasets.builders import open_snapshot
    from flaxgal.datasets.loader import iterate_class_examples, iterate_examples

    snapshot = open_snapshot(path)
    # Galaxies with classes are as seen on the sky, the top first; a snapshot of masks does not keep the order of rows.
    for example in iterate_class_examples(path) if snapshot.schemas else iterate_examples(path):
        yield {
            "object_id": example.object_id,
            "flux": np.moveaxis(example.image, -1, 0).astype(np.float32),
            "bands": snapshot.bands,
            "unit": "picture",
            "survey": example.survey,
            "ra_deg": _known(example.ra_deg),
            "dec_deg": _known(example.dec_deg),
            "first_row": "top",
        }


def _store(path: Path) -> Store:
    from flaxgal.labels.store import Store

    return Store.open(path)


_opened = lru_cache(maxsize=4)(_store)
"""A store as it was when this process first opened it: opening one of 100,000 galaxies takes a second."""


def _sizes(path: Path) -> Iterable[int]:
    from flaxgal.datasets.builders import open_snapshot

    return open_snapshot(path).sizes.values()


def _known(degrees: float) -> float | None:
    return None if math.isnan(degrees) else degrees
