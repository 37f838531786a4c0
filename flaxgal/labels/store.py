"""The label store: a folder of galaxies and of what people marked on them. Nothing in it is ever overwritten.

    STORE/store.json                                   layout version, the store's own id
    STORE/galaxies/3f/<id>.<hash>.fits                 cutouts
    STORE/revisions/3f/<id>.<hash>.fits.gz             masks with their provenance
    STORE/notes/3f/<id>.<hash>.json                    flagged, skipped, compared …
    STORE/rankings/<name>.<hash>.ecsv                  how useful a label of each galaxy would be
    STORE/splits/<time>.<hash>.jsonl                   which galaxies went to train, validation and test, for ever
    STORE/index/galaxies.lines, revisions.lines …      derived: may be deleted at any time
    STORE/open/<annotator>/                            drawings that are not committed yet; no part of a merge
    STORE/training/                                    what was trained on these labels; no part of a merge

A file's name ends in the hash of its content, and the folder (3f) is a hash of the galaxy's id: a damaged file can be
told, two stores are merged by putting their files together, and all files of one galaxy are found without an index.
The names in the folders are the truth; the index only saves opening the files. So people on one shared folder need no
locks: each adds files of his own.
"""

import contextlib
import dataclasses
import io
import json
import re
import threading
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from flaxgal.labels.files import (
    LAYOUT,
    NotSavedError,
    about_store,
    checked,
    hash_in,
    is_store,
    keep,
    kept_files,
    shard_of,
)
from flaxgal.labels.index import Index, Listing, without_garbage_collection
from flaxgal.labels.notes import Note, answering, note_to_json
from flaxgal.labels.records import (
    FIELDS,
    Galaxy,
    Record,
    StoredRevision,
    check_drawn_on,
    galaxy_of,
    in_order,
    line_of,
    opened,
    record_of,
    stored_of,
)
from flaxgal.labels.revisions import Revision, revision_from_fits, revision_to_fits, same_revision, utc_now
from flaxgal.labels.status import StoreStatus, count
from flaxgal.survey.atomic import write_durably
from flaxgal.survey.cutout import Cutout, read_cutout

__all__ = ["Galaxy", "NotSavedError", "Store", "StoreStatus", "StoredRevision", "is_store"]

_MANY = 500
"""So many files are opened before the index is told what they say, lest it be lost when somebody stops waiting."""


class Store:
    """The owner of a store's folder. Open one with `Store.open`, start one with `Store.create`.

    Other processes, also of other machines, may add to the same folder at the same time; `refresh` shows what they
    added. Threads of one process may share one Store.
    """

    def __init__(self, path: Path, store_id: str) -> None:
        self.path = path
        self.store_id = store_id
        self._lock = threading.RLock()
        self._listings = {kind: Listing(path, kind) for kind in FIELDS}
        self._indexes = {kind: Index(path / "index" / f"{kind}.lines", fields) for kind, fields in FIELDS.items()}
        self._records: dict[str, dict[str, Any]] = {kind: {} for kind in FIELDS}
        self._unreadable: dict[str, tuple[str, tuple[int, int]]] = {}
        self._forget()
        self.refresh()

    @classmethod
    def create(cls, path: Path | str) -> "Store":
        """A new, empty store in a folder that is empty or does not exist yet.

        Raises
        ------
        ValueError
            If the folder holds anything.
        """
        path = Path(path)
        if is_store(path):
            raise ValueError(f"{path}: there is a label store already; open it, or choose another folder")
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise ValueError(f"{path}: expected an empty or a new folder for a label store; choose another name")
        about = {"flaxgal": "label store", "format": LAYOUT, "store_id": uuid.uuid4().hex, "created_utc": utc_now()}
        write_durably(path / "store.json", (json.dumps(about, indent=2) + "\n").encode())
        return cls.open(path)

    @classmethod
    def open_or_create(cls, path: Path | str) -> "Store":
        """The store in a folder, started when there is nothing there yet."""
        return cls.open(path) if is_store(path) else cls.create(path)

    @classmethod
    def open(cls, path: Path | str) -> "Store":
        """The store in a folder.

        Raises
        ------
        ValueError
            If there is none, or it was written by a newer flaxgal.
        """
        path = Path(path)
        return cls(path, about_store(path)["store_id"])

    def refresh(self) -> frozenset[str]:
        """Look again at what the folder holds; the ids of galaxies that something new is known of are returned.

        Cheap: only folders that changed are listed, and only files that the index does not know are opened. What
        another machine adds to a network disk may take as long to show as that disk remembers folders (NFS: up to a
        minute).
        """
        with self._lock:
            return frozenset().union(*(self._look(kind) for kind in FIELDS))

    def galaxies(self) -> Mapping[str, Galaxy]:
        """Every galaxy by its id, in the order of the ids; no cutout is opened."""
        with self._lock:
            if self._by_id is None:
                self._by_id = MappingProxyType(dict(sorted(self._galaxies.items())))
            return self._by_id

    def galaxy(self, object_id: str) -> Galaxy:
        """What there is to know of one galaxy without opening its cutout.

        Raises
        ------
        ValueError
            If the store has no such galaxy.
        """
        self._must_have(object_id)
        return self._galaxies[object_id]

    def __contains__(self, object_id: object) -> bool:
        """Whether the store has a galaxy."""
        return object_id in self._galaxies

    def add(self, cutout: Cutout) -> str:
        """Keep a galaxy; its id is returned. The same galaxy again changes nothing.

        Raises
        ------
        ValueError
            If other pixels are kept under this id: masks drawn on the old ones would no longer fit.
        NotSavedError
            If it cannot be written.
        """
        with self._lock:
            self._look("galaxies", shard_of(cutout.object_id))  # somebody else may have added it since
            known = self._galaxies.get(cutout.object_id)
            if known is not None:
                if known.cutout_sha256 == cutout.sha256:
                    return cutout.object_id
                raise ValueError(
                    f"{cutout.object_id}: the store has another cutout under this id ({known.image_shape[0]} × "
                    f"{known.image_shape[1]} pixels, bands {' '.join(known.bands)}); give this one another id"
                )
            self._keep("galaxies", galaxy_of(cutout), _fits(cutout), _readable_as(cutout))
        return cutout.object_id

    def cutout(self, object_id: str) -> Cutout:
        """The images of a galaxy.

        Raises
        ------
        ValueError
            If the store has no such galaxy, or its file is missing or damaged.
        """
        self._must_have(object_id)
        path = self.path / self._cutout_files[object_id]
        checked(path)
        return read_cutout(path)

    def commit(self, revision: Revision) -> Revision:
        """Keep a revision for ever; it is returned with its `revision_id`.

        When this returns, the file is on the disk, and what was read back from there was compared pixel by pixel.

        Raises
        ------
        ValueError
            If the galaxy is unknown, or the mask was drawn on other pixels or has another size than the galaxy's.
        NotSavedError
            If it cannot be written.
        """
        self._must_have(revision.object_id)
        check_drawn_on(revision, self._galaxies[revision.object_id])
        content = revision_to_fits(revision, self.cutout(revision.object_id).wcs)
        with self._lock:
            name = self._keep("revisions", revision, content, _holds(revision))
        return dataclasses.replace(revision, revision_id=hash_in(name))

    def history(self, object_id: str | None = None) -> list[StoredRevision]:
        """Revisions of one galaxy, or of all, oldest first, without their pixels.

        A revision never comes before the one it was made from, whatever the clocks of two machines say.
        """
        if object_id is not None:
            self._must_have(object_id)
            return self._history(object_id)
        return [stored for name in sorted(self._revisions) for stored in self._history(name)]

    def labelled(self) -> set[str]:
        """The ids of galaxies that have a revision; quicker than to look through `history`."""
        with self._lock:
            return (self._revisions.keys() - self._doubtful) | {name for name in self._doubtful if self._history(name)}

    def revision(self, revision_id: str) -> Revision:
        """A revision with its pixels.

        Raises
        ------
        ValueError
            If there is none of this id, or its file is missing or damaged.
        """
        if revision_id not in self._revision_files:
            raise ValueError(f"{self.path}: no revision {revision_id}; `flaxgal store status` lists what there is")
        path = self.path / self._revision_files[revision_id]
        return revision_from_fits(checked(path), path=path, revision_id=revision_id)

    def revisions(self, object_id: str) -> list[Revision]:
        """Everything anybody said about a galaxy, oldest first."""
        return [self.revision(stored.revision_id) for stored in self.history(object_id)]

    def latest(self, object_id: str) -> Revision | None:
        """What was said last about a galaxy; None if nobody has looked at it."""
        history = self.history(object_id)
        return self.revision(history[-1].revision_id) if history else None

    def note(self, note: Note) -> Note:
        """Keep a remark on a galaxy for ever; it is returned with its `note_id`.

        Raises
        ------
        ValueError
            If the galaxy is unknown.
        NotSavedError
            If it cannot be written.
        """
        self._must_have(note.object_id)
        if note.kind == "unflagged":
            note = answering(note, self.notes(note.object_id, "flagged"))
        with self._lock:
            name = self._keep("notes", note, note_to_json(note))
        return dataclasses.replace(note, note_id=hash_in(name))

    def notes(self, object_id: str | None = None, kind: str | None = None) -> list[Note]:
        """Remarks on one galaxy or on all, of one kind or of all, oldest first."""
        every = list(self._records["notes"].values()) if object_id is None else list(self._notes.get(object_id, ()))
        found = [note for note in every if kind in (None, note.kind)]
        return sorted(found, key=lambda note: (note.created_utc, note.note_id))

    def keep_ranking(self, name: str, content: bytes) -> Path:
        """Keep a table of which galaxies are worth a label, as an ECSV file; its path is returned."""
        return self.path / keep(self.path, "rankings", name, content)

    def rankings(self) -> list[Path]:
        """Every ranking that is kept, in the order of the names."""
        return [self.path / name for name in kept_files(self.path, "rankings")]

    def keep_splits(self, content: bytes) -> Path:
        """Keep a table of galaxies and the split that each was put in, as JSON lines; its path is returned."""
        when = re.sub(r"\D", "", utc_now())  # names in order are then in order of time
        return self.path / keep(self.path, "splits", when, content)

    def splits(self) -> list[Path]:
        """Every table of splits that is kept, oldest first."""
        return [self.path / name for name in kept_files(self.path, "splits")]

    def status(self) -> StoreStatus:
        """What the store holds, counted."""
        return count(self.galaxies(), self.history(), self.damaged.values())

    @property
    def damaged(self) -> dict[str, str]:
        """Files that are left out of everything, each with a sentence that says why."""
        return {name: sentence for name, (sentence, _) in list(self._unreadable.items())} | self._left_out()

    def has_file(self, name: str) -> bool:
        """Whether the store has a readable file of this name, relative to the store."""
        kind = name.partition("/")[0]
        return name in self._records[kind] if kind in self._records else (self.path / name).is_file()

    def take(self, kind: str, object_id: str, about: Galaxy | Revision | Note | bytes, content: bytes) -> str:
        """Keep a file of another store as it is; `exchange.merge` has checked it. Its name is returned."""
        with self._lock:
            return self._keep(kind, about, content) if kind in FIELDS else keep(self.path, kind, object_id, content)

    def _must_have(self, object_id: str) -> None:
        if object_id not in self._galaxies:
            with self._lock:
                self._look("galaxies", shard_of(object_id))
        if object_id not in self._galaxies:
            raise ValueError(f"{self.path}: no galaxy {object_id!r} in this store; add its cutout first")

    def _history(self, object_id: str) -> list[StoredRevision]:
        galaxy = self._galaxies.get(object_id)
        drawn = self._revisions.get(object_id, ())
        own = [line for line in drawn if galaxy and line.provenance.cutout_sha256 == galaxy.cutout_sha256]
        return in_order(own) if len(own) > 1 else own

    def _left_out(self) -> dict[str, str]:
        """Revisions of galaxies that are not here, or are here with other pixels."""
        found = {}
        for object_id, drawn in list(self._revisions.items()):
            galaxy = self._galaxies.get(object_id)
            for line in drawn:
                if galaxy is None or line.provenance.cutout_sha256 != galaxy.cutout_sha256:
                    name = self._revision_files[line.revision_id]
                    reason = "of a galaxy that the store has not" if galaxy is None else "drawn on other pixels"
                    found[name] = (
                        f"{Path(name).name}: {reason}, and left out; add the cutout that {line.provenance.annotator} "
                        f"drew {object_id} on, or merge a store that has it"
                    )
        return found

    def _keep(self, kind: str, about: Any, content: bytes, check: Any = None) -> str:
        """Write a file, put it into the index and remember it."""
        name = keep(self.path, kind, about.object_id, content, check)
        if name not in self._records[kind]:
            record = _known_as(about, hash_in(name))
            self._indexes[kind].append({name: line_of(kind, record)})
            self._listings[kind].add(name)
            self._remember(kind, name, record)
        return name

    def _look(self, kind: str, shard: str | None = None) -> set[str]:
        """Bring what is known of a kind up to date; the ids of galaxies that something new is known of are returned."""
        added, gone = self._listings[kind].look(shard)
        again = self._changed_since(kind) if shard is None else set()
        new = [name for name in sorted(added | again) if name not in self._records[kind] and name not in gone]
        many = without_garbage_collection() if len(new) > _MANY else contextlib.nullcontext()
        with many:
            return self._read_in(kind, new) | self._drop(kind, gone)

    def _read_in(self, kind: str, new: list[str]) -> set[str]:
        """Learn what new files say, from the index or from themselves; the ids of their galaxies are returned."""
        changed: set[str] = set()
        derived: dict[str, list[Any]] = {}
        if new:
            self._indexes[kind].catch_up()
        for name in new:
            if self._unreadable:
                self._unreadable.pop(name, None)
            line = self._indexes[kind].pop(name)
            try:
                record = record_of(kind, name, line) if line else opened(kind, self.path / name)
            except ValueError as error:
                self._unreadable[name] = (str(error), _signature(self.path / name))
                continue
            if line is None:
                derived[name] = line_of(kind, record)
            if len(derived) == _MANY:
                self._indexes[kind].append(derived)
                derived = {}
            self._remember(kind, name, record)
            changed.add(record.object_id)
        self._indexes[kind].append(derived)
        return changed

    def _changed_since(self, kind: str) -> set[str]:
        """Files that could not be read and are others now: somebody restored them."""
        mine = [(name, before) for name, (_, before) in self._unreadable.items() if name.startswith(f"{kind}/")]
        return {name for name, before in mine if _signature(self.path / name) != before}

    def _drop(self, kind: str, gone: set[str]) -> set[str]:
        """Forget files that were taken away; the ids of their galaxies are returned."""
        for name in gone:
            self._unreadable.pop(name, None)
        lost = [self._records[kind].pop(name) for name in gone if name in self._records[kind]]
        if lost:
            self._forget()
            for kind_, records in self._records.items():
                for name in sorted(records):
                    self._remember(kind_, name, records[name])
        return {record.object_id for record in lost}

    def _forget(self) -> None:
        self._galaxies: dict[str, Galaxy] = {}
        self._cutout_files: dict[str, str] = {}
        self._revisions: dict[str, list[StoredRevision]] = {}
        self._revision_files: dict[str, str] = {}
        self._notes: dict[str, list[Note]] = {}
        self._doubtful: set[str] = set()
        """Galaxies with a revision that may have been drawn on other pixels than are here: they are few."""
        self._by_id: Mapping[str, Galaxy] | None = None

    def _remember(self, kind: str, name: str, record: Any) -> None:
        self._records[kind][name] = record
        if kind == "galaxies":
            # Two stores put together may hold one galaxy as two files: the first name wins, on every machine.
            if record.object_id not in self._galaxies or name < self._cutout_files[record.object_id]:
                self._galaxies[record.object_id] = record
                self._cutout_files[record.object_id] = name
                self._by_id = None
                if record.object_id in self._revisions:
                    self._doubtful.add(record.object_id)
        elif kind == "revisions" and record.revision_id not in self._revision_files:
            self._revision_files[record.revision_id] = name
            about = record.provenance
            self._revisions.setdefault(about.object_id, []).append(record)
            galaxy = self._galaxies.get(about.object_id)
            if galaxy is None or galaxy.cutout_sha256 != about.cutout_sha256:
                self._doubtful.add(about.object_id)
        elif kind == "notes":
            self._notes.setdefault(record.object_id, []).append(record)


def _fits(cutout: Cutout) -> bytes:
    """The cutout as the bytes of flaxgal's own FITS file."""
    from flaxgal.survey.fits_format import to_hdus

    content = io.BytesIO()
    to_hdus(cutout).writeto(content, output_verify="ignore")
    return content.getvalue()


def _readable_as(cutout: Cutout) -> Callable[[Path], None]:
    """A check that a file can be read and gives back the cutout: an image without light is refused here."""

    def check(path: Path) -> None:
        try:
            same = read_cutout(path).sha256 == cutout.sha256
        except ValueError as error:
            raise ValueError(str(error).replace(str(path), cutout.object_id).replace(path.name, "its file")) from None
        if not same:
            raise OSError("what was read back differs from what was written")

    return check


def _holds(revision: Revision) -> Callable[[Path], None]:
    """A check that a file holds the very pixels and words of a revision."""

    def check(path: Path) -> None:
        try:
            same = same_revision(revision, revision_from_fits(path.read_bytes(), path=path))
        except ValueError as error:
            raise OSError(f"what was written cannot be read back: {error}") from None
        if not same:
            raise OSError("what was read back differs from what was drawn")

    return check


def _known_as(about: Galaxy | Revision | Note, content_hash: str) -> Record:
    """What the listing says of something that was just kept."""
    if isinstance(about, Revision):
        return stored_of(about, content_hash)
    return dataclasses.replace(about, note_id=content_hash) if isinstance(about, Note) else about


def _signature(path: Path) -> tuple[int, int]:
    """When a file was changed and its size; zeros if it cannot be said."""
    try:
        about = path.stat()
    except OSError:
        return 0, 0
    return about.st_mtime_ns, about.st_size
