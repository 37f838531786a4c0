"""The label store: a folder of galaxies and of what people marked on them. Nothing in it is ever overwritten.

    STORE/store.json                                   layout version, the store's own id
    STORE/galaxies/3f/<id>.<hash>.fits                 cutouts
    STORE/revisions/3f/<id>.<hash>.fits.gz             masks with their provenance
    STORE/notes/3f/<id>.<hash>.json                    flagged, skipped, compared …
    STORE/rankings/<name>.<hash>.ecsv                  how useful a label of each galaxy would be
    STORE/index/galaxies.jsonl, revisions.jsonl …      derived: may be deleted at any time

A file's name ends in the hash of its content, and the folder (3f) is a hash of the galaxy's id: a damaged file can be
told, two stores are merged by putting their files together, and all files of one galaxy are found without an index.
The names in the folders are the truth; the index only saves opening the files.
"""

import dataclasses
import gzip
import hashlib
import io
import json
import os
import re
import tempfile
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

from flaxgal.labels.notes import Note, note_from_json, note_to_json
from flaxgal.labels.revisions import (
    Provenance,
    Revision,
    provenance_from_header,
    revision_from_fits,
    revision_to_fits,
    utc_now,
)
from flaxgal.survey.atomic import write_durably
from flaxgal.survey.cutout import Cutout, read_cutout, write_cutout

__all__ = ["Galaxy", "Store", "StoreStatus", "StoredRevision", "is_store"]

_FORMAT = 1
_ENDINGS = {"galaxies": ".fits", "revisions": ".fits.gz", "notes": ".json", "rankings": ".ecsv"}


@dataclass(frozen=True, kw_only=True)
class Galaxy:
    """A line of the store's listing: what there is to know of a galaxy without opening its cutout."""

    object_id: str
    survey: str
    ra_deg: float | None
    dec_deg: float | None
    bands: tuple[str, ...]
    unit: str
    image_shape: tuple[int, int]
    cutout_sha256: str


@dataclass(frozen=True, kw_only=True)
class StoredRevision:
    """A line of the store's listing: who marked what, without the pixels."""

    provenance: Provenance
    marked_pixels: int
    """0 for a galaxy that somebody says has no arms."""

    @property
    def revision_id(self) -> str:
        """Hash of the revision's file."""
        return self.provenance.revision_id


@dataclass(frozen=True, kw_only=True)
class StoreStatus:
    """What a store holds, counted over galaxies (by their latest revision) unless a name says otherwise."""

    galaxies: int
    labelled: int
    without_marks: int
    """Labelled, and said to have no arms: not the same as unlabelled."""
    revisions: int
    galaxies_by_survey: Mapping[str, int]
    labelled_by_survey: Mapping[str, int]
    revisions_by_annotator: Mapping[str, int]
    revisions_by_origin: Mapping[str, int]
    damaged: tuple[str, ...] = ()
    """One sentence for each file that could not be read."""

    @property
    def unlabelled(self) -> int:
        """Galaxies that nobody has said anything about."""
        return self.galaxies - self.labelled

    def items(self) -> Iterator[tuple[str, int]]:
        """Every count with the words to print before it."""
        yield "galaxies", self.galaxies
        yield "labelled", self.labelled
        yield "of these without arms", self.without_marks
        yield "unlabelled", self.unlabelled
        for survey, number in self.galaxies_by_survey.items():
            yield f"galaxies of {survey or 'unknown survey'}", number
            yield "of these labelled", self.labelled_by_survey.get(survey, 0)
        yield "revisions", self.revisions
        for annotator, number in self.revisions_by_annotator.items():
            yield f"by {annotator}", number
        for origin, number in self.revisions_by_origin.items():
            yield origin, number
        yield "damaged files", len(self.damaged)


def is_store(path: Path | str) -> bool:
    """Whether a folder is a label store."""
    return (Path(path) / "store.json").is_file()


class Store:
    """The owner of a store's folder. Open one with `Store.open`, start one with `Store.create`.

    Other processes may add to the same folder at the same time; `refresh` shows what they added.
    """

    def __init__(self, path: Path, store_id: str) -> None:
        self.path = path
        self.store_id = store_id
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
        path.mkdir(parents=True, exist_ok=True)
        about = {"flaxgal": "label store", "format": _FORMAT, "store_id": uuid.uuid4().hex, "created_utc": utc_now()}
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
        if not is_store(path):
            raise ValueError(f"{path}: no label store here (no store.json); start one with: flaxgal store add {path} …")
        try:
            about = json.loads((path / "store.json").read_text())
            layout, store_id = about["format"], about["store_id"]
        except (json.JSONDecodeError, KeyError, TypeError) as error:
            raise ValueError(f"{path / 'store.json'}: damaged ({error}); restore it from a copy") from None
        if layout > _FORMAT:
            raise ValueError(
                f"{path}: a label store of layout {layout}, this flaxgal knows {_FORMAT}; install a newer flaxgal"
            )
        return cls(path, store_id)

    def refresh(self) -> None:
        """Look again at what the folder holds; only files that the index does not know are opened."""
        self.damaged: dict[str, str] = {}
        galaxies: dict[str, Galaxy] = self._listing("galaxies", _galaxy_line, _galaxy)
        revisions: dict[str, StoredRevision] = self._listing("revisions", _revision_line, _stored_revision)
        self._galaxies: dict[str, Galaxy] = {}
        self._cutout_files: dict[str, str] = {}
        for name, galaxy in galaxies.items():
            self._remember_galaxy(name, galaxy)
        self._revisions: dict[str, list[StoredRevision]] = {}
        self._revision_files: dict[str, str] = {}
        for name, stored in revisions.items():
            self._remember_revision(name, stored)
        self._notes: dict[str, Note] = self._listing("notes", _note_line, lambda line: Note(**line))

    def galaxies(self) -> Mapping[str, Galaxy]:
        """Every galaxy by its id, in the order of the ids; no cutout is opened."""
        return MappingProxyType(dict(sorted(self._galaxies.items())))

    def add(self, cutout: Cutout) -> str:
        """Keep a galaxy; its id is returned. The same galaxy again changes nothing.

        Raises
        ------
        ValueError
            If other pixels are kept under this id: masks drawn on the old ones would no longer fit.
        """
        kept = self._galaxies.get(cutout.object_id)
        if kept is not None:
            if kept.cutout_sha256 == cutout.sha256:
                return cutout.object_id
            raise ValueError(
                f"{cutout.object_id}: the store has another cutout under this id ({kept.image_shape[0]} × "
                f"{kept.image_shape[1]} pixels, bands {' '.join(kept.bands)}); give this one another id"
            )
        with tempfile.TemporaryDirectory(dir=self.path, prefix=".writing-") as folder:
            path = Path(folder) / "cutout.fits"
            write_cutout(cutout, path)
            if read_cutout(path).sha256 != cutout.sha256:  # an image without light is refused here
                raise OSError(f"{path}: what was read back differs from what was written; is the disk failing?")
            content = path.read_bytes()
        name = self._keep("galaxies", cutout.object_id, content)
        galaxy = Galaxy(**_galaxy_fields(cutout))
        self._note("galaxies", name, dataclasses.asdict(galaxy))
        self._remember_galaxy(name, galaxy)
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
        _whole(path)
        return read_cutout(path)

    def commit(self, revision: Revision) -> Revision:
        """Keep a revision for ever; it is returned with its `revision_id`.

        The file is on the disk, and was read back and compared, when this returns.

        Raises
        ------
        ValueError
            If the galaxy is unknown, or the mask was drawn on other pixels or has another size than the galaxy's.
        """
        self._must_have(revision.object_id)
        galaxy = self._galaxies[revision.object_id]
        if revision.image_shape != galaxy.image_shape:
            (y, x), (height, width) = revision.image_shape, galaxy.image_shape
            raise ValueError(
                f"{revision.object_id}: the mask has {y} × {x} pixels, its image {height} × {width}; "
                f"draw the mask on this image, or give the image it was drawn on"
            )
        if revision.cutout_sha256 != galaxy.cutout_sha256:
            raise ValueError(
                f"{revision.object_id}: the mask was drawn on other pixels than the store has of this galaxy; "
                f"open the galaxy from this store and draw again, or add those pixels under another id"
            )
        content = revision_to_fits(revision, self.cutout(revision.object_id).wcs)
        name = self._keep("revisions", revision.object_id, content)
        stored = _as_stored(revision, _content_hash(name))
        if stored.revision_id not in self._revision_files:
            self._note("revisions", name, _stored_fields(stored))
            self._remember_revision(name, stored)
        return dataclasses.replace(revision, revision_id=stored.revision_id)

    def history(self, object_id: str | None = None) -> list[StoredRevision]:
        """Revisions of one galaxy, or of all, oldest first, without their pixels."""
        if object_id is not None:
            self._must_have(object_id)
            return list(self._revisions.get(object_id, ()))
        return [stored for galaxy in sorted(self._revisions) for stored in self._revisions[galaxy]]

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
        return revision_from_fits(_whole(path), path=path, revision_id=revision_id)

    def revisions(self, object_id: str) -> list[Revision]:
        """Everything anybody said about a galaxy, oldest first."""
        return [self.revision(stored.revision_id) for stored in self.history(object_id)]

    def latest(self, object_id: str) -> Revision | None:
        """What was said last about a galaxy; None if nobody has looked at it."""
        history = self.history(object_id)
        return self.revision(history[-1].revision_id) if history else None

    def status(self) -> StoreStatus:
        """What the store holds, counted."""
        latest = {name: history[-1] for name, history in self._revisions.items() if name in self._galaxies}
        history = self.history()
        return StoreStatus(
            galaxies=len(self._galaxies),
            labelled=len(latest),
            without_marks=sum(stored.marked_pixels == 0 for stored in latest.values()),
            revisions=len(history),
            galaxies_by_survey=_counted(galaxy.survey for galaxy in self._galaxies.values()),
            labelled_by_survey=_counted(self._galaxies[name].survey for name in latest),
            revisions_by_annotator=_counted(stored.provenance.annotator for stored in history),
            revisions_by_origin=_counted(stored.provenance.origin for stored in history),
            damaged=tuple(self.damaged.values()),
        )

    def note(self, note: Note) -> Note:
        """Keep a remark on a galaxy for ever; it is returned with its `note_id`.

        Raises
        ------
        ValueError
            If the galaxy is unknown.
        """
        self._must_have(note.object_id)
        name = self._keep("notes", note.object_id, note_to_json(note))
        kept = dataclasses.replace(note, note_id=_content_hash(name))
        if name not in self._notes:
            self._note("notes", name, dataclasses.asdict(kept))
            self._notes[name] = kept
        return kept

    def notes(self, object_id: str | None = None, kind: str | None = None) -> list[Note]:
        """Remarks on one galaxy or on all, of one kind or of all, oldest first."""
        found = [
            note for note in self._notes.values() if object_id in (None, note.object_id) and kind in (None, note.kind)
        ]
        return sorted(found, key=lambda note: (note.created_utc, note.note_id))

    def keep_ranking(self, name: str, content: bytes) -> Path:
        """Keep a table of which galaxies are worth a label, as an ECSV file; its path is returned."""
        return self.path / self._keep("rankings", name, content)

    def rankings(self) -> list[Path]:
        """Every ranking that is kept, in the order of the names."""
        folder = self.path / "rankings"
        return (
            sorted(path for path in folder.glob("*.ecsv") if not path.name.startswith(".")) if folder.is_dir() else []
        )

    def _must_have(self, object_id: str) -> None:
        if object_id not in self._galaxies:
            raise ValueError(f"{self.path}: no galaxy {object_id!r} in this store; add its cutout first")

    def _remember_galaxy(self, name: str, galaxy: Galaxy) -> None:
        # Two merged stores may hold one galaxy as two files: the first name wins, on every machine.
        if galaxy.object_id not in self._galaxies:
            self._galaxies[galaxy.object_id] = galaxy
            self._cutout_files[galaxy.object_id] = name

    def _remember_revision(self, name: str, stored: StoredRevision) -> None:
        history = self._revisions.setdefault(stored.provenance.object_id, [])
        history.append(stored)
        history.sort(key=lambda item: (item.provenance.created_utc, item.revision_id))
        self._revision_files[stored.revision_id] = name

    def _keep(self, kind: str, object_id: str, content: bytes) -> str:
        """Write a file under the name that its content gives it; the name, relative to the store, is returned."""
        shard = hashlib.sha256(object_id.encode()).hexdigest()[:2]
        readable = re.sub(r"^\.", "%2E", quote(object_id, safe="+ ").replace(" ", "_"))  # no hidden files
        file = f"{readable[:80]}.{hashlib.sha256(content).hexdigest()[:20]}{_ENDINGS[kind]}"
        if kind == "rankings":
            path = self.path / kind / file
        else:
            path = self.path / kind / shard / file
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            write_durably(path, content)
        if path.read_bytes() != content:
            raise OSError(f"{path}: what was read back differs from what was written; is the disk failing?")
        return path.relative_to(self.path).as_posix()

    def _listing(self, kind: str, read_line: Any, understand: Any) -> dict[str, Any]:
        """What the index says of every file of a kind, by file name; files without a line are opened and noted."""
        known = dict(_index_lines(self.path / "index" / f"{kind}.jsonl", understand))
        found = {}
        for name in sorted(_files(self.path, kind)):
            if name not in known:
                try:
                    line = read_line(self.path / name)
                except (ValueError, OSError) as error:
                    self.damaged[name] = str(error)
                    continue
                self._note(kind, name, line)
                known[name] = understand(line)
            found[name] = known[name]
        return found

    def _note(self, kind: str, name: str, line: dict[str, Any]) -> None:
        """Append to the index; a store that cannot be written to is still read, only more slowly."""
        text = json.dumps({"file": name} | line) + "\n"
        try:
            (self.path / "index").mkdir(exist_ok=True)
            with (self.path / "index" / f"{kind}.jsonl").open("ab") as file:
                file.write(text.encode())  # one write, appended: two processes do not mix their lines
        except OSError:
            return


def _files(store: Path, kind: str) -> Iterator[str]:
    """Names of the files of a kind, relative to the store."""
    if not (store / kind).is_dir():
        return
    with os.scandir(store / kind) as shards:
        folders = [shard.name for shard in shards if shard.is_dir()]
    for folder in folders:
        with os.scandir(store / kind / folder) as files:
            names = [file.name for file in files]
        yield from (f"{kind}/{folder}/{name}" for name in names if _is_kept(name, kind))


def _is_kept(name: str, kind: str) -> bool:
    """Whether a file is of a kind, and not one that somebody is writing."""
    return name.endswith(_ENDINGS[kind]) and not name.startswith(".")


def _index_lines(path: Path, understand: Any) -> Iterator[tuple[str, Any]]:
    """What the lines of an index say, by file name.

    A line that is torn (a process died while writing it), or was written by another version of flaxgal with other
    fields, is passed over: its file is opened again, unless another line of the same file is understood.
    """
    if not path.exists():
        return
    with path.open("rb") as file:
        for text in file:
            try:
                line = json.loads(text)
                name, about = line.pop("file"), understand(line)
            except (ValueError, KeyError, IndexError, AttributeError, TypeError):
                continue
            yield name, about


def _content_hash(name: str) -> str:
    """The hash that ends a file's name."""
    stem = Path(name).name.removesuffix(".gz")
    return stem[: stem.rfind(".")].rsplit(".", 1)[-1]


def _whole(path: Path) -> bytes:
    """A file's content, if it is what its name says."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ValueError(f"{path}: cannot be read ({error.strerror}); restore it from a copy") from None
    if not hashlib.sha256(content).hexdigest().startswith(_content_hash(path.name)):
        raise ValueError(f"{path.name}: damaged (its content no longer fits its name); restore it from a copy")
    return content


def _galaxy_fields(cutout: Cutout) -> dict[str, Any]:
    names = ("object_id", "survey", "ra_deg", "dec_deg", "bands", "unit", "image_shape")
    return {name: getattr(cutout, name) for name in names} | {"cutout_sha256": cutout.sha256}


def _galaxy_line(path: Path) -> dict[str, Any]:
    _whole(path)
    return _galaxy_fields(read_cutout(path))


def _note_line(path: Path) -> dict[str, Any]:
    return dataclasses.asdict(note_from_json(_whole(path), path=path, note_id=_content_hash(path.name)))


def _galaxy(line: dict[str, Any]) -> Galaxy:
    shape = line["image_shape"]
    return Galaxy(**(line | {"bands": tuple(line["bands"]), "image_shape": (shape[0], shape[1])}))


def _as_stored(revision: Revision, revision_id: str) -> StoredRevision:
    values: dict[str, Any] = {item.name: getattr(revision, item.name) for item in dataclasses.fields(Provenance)}
    values["revision_id"] = revision_id
    return StoredRevision(provenance=Provenance(**values), marked_pixels=revision.marked_pixels)


def _stored_fields(stored: StoredRevision) -> dict[str, Any]:
    values = {item.name: getattr(stored.provenance, item.name) for item in dataclasses.fields(Provenance)}
    plain = {name: dict(values[name]) for name in ("details", "tool_counts")}
    return values | plain | {"marked_pixels": stored.marked_pixels}


def _stored_revision(line: dict[str, Any]) -> StoredRevision:
    values = {name: value for name, value in line.items() if name != "marked_pixels"}
    values["classes"] = tuple(values["classes"])
    return StoredRevision(provenance=Provenance(**values), marked_pixels=line["marked_pixels"])


def _revision_line(path: Path) -> dict[str, Any]:
    from astropy.io import fits

    try:
        header = fits.Header.fromfile(io.BytesIO(gzip.decompress(_whole(path))))
    except (OSError, EOFError) as error:
        raise ValueError(f"{path.name}: expected a revision as gzipped FITS, found a damaged file ({error})") from None
    provenance = provenance_from_header(header, path=path, revision_id=_content_hash(path.name))
    return _stored_fields(StoredRevision(provenance=provenance, marked_pixels=header["NMARKED"]))


def _counted(names: Iterable[str]) -> Mapping[str, int]:
    """How often each name occurs, most frequent first."""
    return dict(Counter(names).most_common())
