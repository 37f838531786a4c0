"""Whether a label store is whole: every file is what its name says, nothing that is named is missing, nothing strange.

It looks and changes nothing. Everything it finds is named with what to do about it.
"""

import functools
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flaxgal.labels.files import ENDINGS, FLAT, about_store, checked, hash_in, is_kept, is_shard, kept_files, name_of
from flaxgal.labels.index import Index
from flaxgal.labels.records import FIELDS, Galaxy, line_of, opened, record_of
from flaxgal.survey.opening import STORE_FILE

__all__ = ["FINDINGS", "Finding", "reindex", "untracked", "verify"]

FINDINGS = ("damaged", "missing", "foreign")
"""Not what its name says; named somewhere and not there; nothing that flaxgal put there, or not in its place."""

_FOLDERS = {*ENDINGS, "index", "open", "training"}


@dataclass(frozen=True, kw_only=True)
class Finding:
    """Something that is not right with a file of a store."""

    path: Path
    kind: str
    """One of `FINDINGS`."""
    sentence: str
    """What is wrong, and what to do."""


@dataclass
class _Seen:
    """What the files of a store turned out to be, by kind and name."""

    records: dict[str, dict[str, Any]] = field(default_factory=lambda: {kind: {} for kind in FIELDS})
    names: dict[str, list[str]] = field(default_factory=dict)

    @functools.cached_property
    def galaxies(self) -> dict[str, Galaxy]:
        """The galaxies by id, as the store uses them: of two files of one, that of the first name."""
        records = sorted(self.records["galaxies"].items(), reverse=True)
        return {galaxy.object_id: galaxy for _, galaxy in records}

    @functools.cached_property
    def revision_ids(self) -> set[str]:
        """Every revision that has a file, be it damaged: it is named for that already."""
        return set(map(hash_in, self.names["revisions"]))

    @functools.cached_property
    def starts(self) -> set[str]:
        """What the names of galaxies' files start with, be they damaged."""
        return {name.rsplit(".", 2)[0] for name in self.names["galaxies"]}

    def lacks(self, object_id: str) -> bool:
        """Whether a galaxy has no file at all."""
        return object_id not in self.galaxies and _start(object_id) not in self.starts


def untracked(items: Iterable[Any], name: str, total: int | None = None) -> Iterable[Any]:  # noqa: ARG001
    """The items, without drawing any progress: in place of `flaxgal.progress.track`."""
    return items


def verify(store: Path | str, *, track: Callable[..., Iterable[Any]] = untracked) -> Iterator[Finding]:
    """Check every file of a store, and yield what is not right.

    Parameters
    ----------
    track
        Draws progress: `flaxgal.progress.track`, or anything else that is called with items, a name and their number.

    Raises
    ------
    ValueError
        If there is no such folder, or the store was written by a newer flaxgal.
    """
    store = Path(store)
    if not store.is_dir():
        raise ValueError(f"{store}: no such folder; wanted a label store")
    yield from _about(store)
    yield from _strangers(store)
    seen = _Seen()
    for kind in ENDINGS:
        seen.names[kind] = list(kept_files(store, kind))
        yield from _contents(store, kind, seen, track)
    yield from _two_cutouts(store, seen)
    yield from _what_revisions_name(store, seen)
    yield from _what_notes_name(store, seen)


def reindex(store: Path | str, *, track: Callable[..., Iterable[Any]] = untracked) -> Iterator[Finding]:
    """Make the index of a store anew by opening every file; the files that cannot be read are yielded.

    The index is written when the last has been yielded.

    Raises
    ------
    ValueError
        If there is no store.
    """
    store = Path(store)
    about_store(store)
    for kind, fields in FIELDS.items():
        names, lines = list(kept_files(store, kind)), {}
        for name in track(names, f"{kind} read", len(names)):
            try:
                lines[name] = line_of(kind, opened(kind, store / name))
            except ValueError as error:
                yield Finding(path=store / name, kind="damaged", sentence=str(error))
        Index(store / "index" / f"{kind}.lines", fields).replace(lines)


def _about(store: Path) -> Iterator[Finding]:
    path = store / STORE_FILE
    if not path.is_file():
        sentence = f"{path}: missing; restore it from a copy of this store, or from any other store"
        yield Finding(path=path, kind="missing", sentence=sentence)
        return
    try:
        about_store(store)
    except ValueError as error:
        if "newer flaxgal" in str(error):
            raise
        yield Finding(path=path, kind="damaged", sentence=str(error))


def _strangers(store: Path) -> Iterator[Finding]:
    """Whatever lies in the store and is no file of flaxgal's, or not where flaxgal puts it."""
    for name in sorted(os.listdir(store)):  # noqa: PTH208
        if name not in _FOLDERS | {STORE_FILE} or (name in _FOLDERS and not (store / name).is_dir()):
            yield _foreign(store / name)
    for kind in ENDINGS:
        folder = store / kind
        for name in sorted(os.listdir(folder)) if folder.is_dir() else ():  # noqa: PTH208
            if kind in FLAT:
                if not is_kept(name, kind):
                    yield _foreign(folder / name)
            elif is_shard(name) and (folder / name).is_dir():
                files = sorted(os.listdir(folder / name))  # noqa: PTH208
                yield from (_foreign(folder / name / file) for file in files if not is_kept(file, kind))
            else:
                yield _foreign(folder / name)


def _foreign(path: Path) -> Finding:
    if path.name.startswith(".writing-"):
        what = "left by a process that died, unless one is writing just now; delete it when nobody is working here"
    else:
        what = "no file of flaxgal's; move it out of the store, nothing here needs it"
    return Finding(path=path, kind="foreign", sentence=f"{path}: {what}")


def _contents(store: Path, kind: str, seen: _Seen, track: Callable[..., Iterable[Any]]) -> Iterator[Finding]:
    """Damaged files, files under a wrong name, and files that the index knows and that are gone."""
    index = Index(store / "index" / f"{kind}.lines", FIELDS.get(kind, ()))
    index.catch_up()
    for name in track(seen.names[kind], f"{kind} checked", len(seen.names[kind])):
        line = index.pop(name)
        if line is not None:
            seen.records[kind][name] = record_of(kind, name, line)
        try:
            content = checked(store / name)
            if line is None and kind in FIELDS:
                seen.records[kind][name] = opened(kind, store / name)
        except ValueError:
            yield _damaged(store, name)
            continue
        if kind in FIELDS:
            expected = name_of(kind, seen.records[kind][name].object_id, content)
            if expected != name:
                sentence = f"{store / name}: not under the name that flaxgal gave it; move it to {store / expected}"
                yield Finding(path=store / name, kind="foreign", sentence=sentence)
    for name in index.names():
        sentence = (
            f"{store / name}: missing, though the index knows it; merge a copy of this store that has it, or, if it "
            f"was taken away on purpose, run flaxgal store reindex {store}"
        )
        yield Finding(path=store / name, kind="missing", sentence=sentence)


def _damaged(store: Path, name: str) -> Finding:
    sentence = (
        f"{store / name}: damaged, its content no longer fits its name; delete it, and merge a copy of this store that "
        f"has it whole: flaxgal store merge {store} COPY"
    )
    return Finding(path=store / name, kind="damaged", sentence=sentence)


def _two_cutouts(store: Path, seen: _Seen) -> Iterator[Finding]:
    """Cutouts that contradict the one that the store uses: that of the first name."""
    first: dict[str, tuple[str, str]] = {}
    for name, galaxy in sorted(seen.records["galaxies"].items()):
        used, sha256 = first.setdefault(galaxy.object_id, (name, galaxy.cutout_sha256))
        if sha256 != galaxy.cutout_sha256:
            sentence = (
                f"{store / name}: other pixels than {used}, which the store uses for {galaxy.object_id}; move one of "
                f"the two into a store of its own, with the revisions that were drawn on it"
            )
            yield Finding(path=store / name, kind="foreign", sentence=sentence)


def _what_revisions_name(store: Path, seen: _Seen) -> Iterator[Finding]:
    """Revisions whose parent, or whose galaxy as they saw it, is not there."""
    for name, line in seen.records["revisions"].items():
        about = line.provenance
        if about.parent and about.parent not in seen.revision_ids:
            yield _missing(store, name, f"the revision {about.parent}, from which it was made,")
        galaxy = seen.galaxies.get(about.object_id)
        if seen.lacks(about.object_id):
            yield _missing(store, name, f"the cutout of its galaxy {about.object_id}")
        elif galaxy is not None and galaxy.cutout_sha256 != about.cutout_sha256:
            yield _missing(
                store, name, f"the cutout that it was drawn on (the {about.object_id} here has other pixels)"
            )


def _what_notes_name(store: Path, seen: _Seen) -> Iterator[Finding]:
    """Notes whose galaxy, or a revision that they compare, is not there."""
    for name, note in seen.records["notes"].items():
        if seen.lacks(note.object_id):
            yield _missing(store, name, f"the cutout of its galaxy {note.object_id}")
        for revision_id in note.details.get("shown", ()) if note.kind == "compared" else ():
            if revision_id not in seen.revision_ids:
                yield _missing(store, name, f"the revision {revision_id}, which it compares,")


def _start(object_id: str) -> str:
    return name_of("galaxies", object_id, b"").rsplit(".", 2)[0]


def _missing(store: Path, name: str, what: str) -> Finding:
    sentence = f"{store / name}: {what} is missing; merge a copy of this store that has it"
    return Finding(path=store / name, kind="missing", sentence=sentence)
