"""Label stores brought together: the union of two, and a store as one file that travels.

What comes in may come from anybody: every file is checked by its hash and read as what it claims to be before it is
taken, and lies afterwards under the name that its own content gives it.
"""

import contextlib
import io
import json
import tarfile
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from flaxgal.labels.files import (
    ENDINGS,
    NotSavedError,
    about_store,
    checked,
    fits_name,
    is_place,
    is_store,
    kept_files,
    name_of,
    understood_about,
)
from flaxgal.labels.notes import Note, note_from_json
from flaxgal.labels.records import Galaxy, check_drawn_on, galaxy_of
from flaxgal.labels.revisions import Revision, revision_from_fits
from flaxgal.labels.store import Store
from flaxgal.labels.verify import untracked
from flaxgal.survey.atomic import make_folder, replaced_when_whole, sync, sync_folder
from flaxgal.survey.cutout import Cutout, read_cutout

__all__ = ["Merged", "bundle", "is_bundle", "merge", "must_be_mergeable"]

_ABOUT = "bundle.json"
"""First file of a bundle: whose it is, and how many files of each kind follow."""
_MOST_BYTES = 2**32
"""Of one file in a bundle."""


@dataclass(frozen=True, kw_only=True)
class Merged:
    """What a merge brought in, in numbers of files."""

    galaxies: int = 0
    revisions: int = 0
    notes: int = 0
    rankings: int = 0
    splits: int = 0
    already: int = 0
    """Files that were there."""
    refused: tuple[str, ...] = ()
    """A sentence for what was left out, and why."""

    @property
    def new(self) -> int:
        """Files that were not there before."""
        return self.galaxies + self.revisions + self.notes + self.rankings + self.splits


def merge(into: Store, other: Path | str, *, track: Callable[..., Iterable[Any]] = untracked) -> Merged:
    """Bring everything of another store, or of a bundle, into a store; nothing that is there changes.

    It may be repeated, and be stopped and repeated: files that are there are passed over. The order of merges does not
    matter. Drawings that nobody committed yet, and what was trained, stay where they are.

    Parameters
    ----------
    other
        Folder of a store, or a file that `bundle` wrote.
    track
        Draws progress, as `flaxgal.progress.track` does.

    Raises
    ------
    ValueError
        If `other` is neither, or was written by a newer flaxgal.
    NotSavedError
        If the store cannot be written to; what was merged until then stays.
    """
    into.refresh()
    with _opened(Path(other)) as source:
        merging = _Merging(into, source)
        for kind in ENDINGS:
            names = source.names[kind]
            for name in track(names, f"{kind} merged", len(names)):
                merging.take(kind, name)
        return merging.result()


def bundle(
    store: Store,
    path: Path | str,
    *,
    with_galaxies: bool = True,
    track: Callable[..., Iterable[Any]] = untracked,
) -> Path:
    """Write a store as one file, for `merge` on another machine; the file is there whole or not at all.

    The same store gives the same bytes. Without galaxies it is small, and good for whoever has the cutouts already.

    Raises
    ------
    ValueError
        If a file of the store is damaged, or `path` is something else than a bundle, or lies in the store.
    NotSavedError
        If it cannot be written.
    """
    path = Path(path)
    if store.path.resolve() in path.resolve().parents:
        raise ValueError(f"{path}: lies in the store itself; choose a place outside {store.path}")
    if path.exists() and not is_bundle(path):
        raise ValueError(f"{path}: is there and no bundle of flaxgal's; choose another name, it would be overwritten")
    kinds = [kind for kind in ENDINGS if with_galaxies or kind != "galaxies"]
    names = {kind: list(kept_files(store.path, kind)) for kind in kinds}
    about = about_store(store.path) | {"files": {kind: len(files) for kind, files in names.items()}}
    every = [name for files in names.values() for name in files]
    try:
        make_folder(path.parent.resolve())
        with replaced_when_whole(path) as temporary:
            with tarfile.open(temporary, "w", format=tarfile.PAX_FORMAT) as tar:
                _put(tar, _ABOUT, (json.dumps(about, indent=1, sort_keys=True) + "\n").encode())
                for name in track(every, "files bundled", len(every)):
                    _put(tar, name, checked(store.path / name))
            sync(temporary)
        sync_folder(path.parent)
    except OSError as error:
        raise NotSavedError(
            f"{path}: not written ({error.strerror or error}); make room or choose another place"
        ) from error
    return path


def is_bundle(path: Path | str) -> bool:
    """Whether a file is one that `bundle` wrote."""
    try:
        with tarfile.open(path, "r:") as tar:
            first = tar.next()
            return first is not None and first.name == _ABOUT
    except (OSError, tarfile.TarError):
        return False


def _put(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    """Add a file without anything of the day, the user or the machine."""
    member = tarfile.TarInfo(name)
    member.size, member.mode = len(content), 0o644
    tar.addfile(member, io.BytesIO(content))


@dataclass
class _Source:
    """A store or a bundle to take files from."""

    path: Path
    names: dict[str, list[str]]
    read: Callable[[str], bytes]
    """The content of a file, checked against its name."""
    complaints: list[str] = field(default_factory=list)


def must_be_mergeable(path: Path) -> None:
    """Refuse what is neither a store nor a bundle.

    Raises
    ------
    ValueError
        If it is neither.
    """
    if not is_store(path) and not is_bundle(path):
        raise ValueError(f"{path}: no label store and no bundle; wanted a folder with store.json, or what bundle wrote")


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[_Source]:
    must_be_mergeable(path)
    if is_store(path):
        about_store(path)
        names = {kind: list(kept_files(path, kind)) for kind in ENDINGS}
        yield _Source(path, names, lambda name: checked(path / name))
    else:
        with tarfile.open(path, "r:") as tar:
            yield _bundled(path, tar)


def _bundled(path: Path, tar: tarfile.TarFile) -> _Source:
    """The files of a bundle, which may have been written by anybody, or cut short on its way."""
    members: dict[str, tarfile.TarInfo] = {}
    with contextlib.suppress(tarfile.TarError, OSError):  # cut short: what there is of it is whole, or will be refused
        while (member := tar.next()) is not None:
            if not _is_expected(member):
                raise ValueError(
                    f"{path}: no bundle that flaxgal wrote (it holds {member.name!r}); nothing was taken from it"
                )
            members[member.name] = member
    about = understood_about(_content(tar, members.pop(_ABOUT)), path)
    names = {kind: sorted(name for name in members if name.startswith(f"{kind}/")) for kind in ENDINGS}
    source = _Source(path, names, lambda name: _checked_member(tar, members[name]))
    promised = about.get("files")
    promised = sum(promised.values()) if isinstance(promised, dict) else None
    if promised != len(members):
        source.complaints.append(
            f"{path.name}: cut short or damaged, {len(members)} of {promised} files are there and were looked at; copy "
            f"the bundle again and merge once more"
        )
    return source


def _is_expected(member: tarfile.TarInfo) -> bool:
    """Whether a bundle may hold this: a plain file of sane size, in a place where a store has files."""
    is_plain = member.type in (tarfile.REGTYPE, tarfile.AREGTYPE) and not member.sparse
    return is_plain and 0 <= member.size < _MOST_BYTES and (member.name == _ABOUT or is_place(member.name))


def _content(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    try:
        file = tar.extractfile(member)
        return file.read() if file else b""
    except (tarfile.TarError, OSError) as error:
        raise ValueError(f"{member.name}: cut short or damaged in the bundle ({error})") from None


def _checked_member(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    content = _content(tar, member)
    if not fits_name(content, member.name):
        raise ValueError(f"{member.name}: damaged in the bundle (its content does not fit its name); bundle anew")
    return content


class _Merging:
    """One merge: what was taken so far, and what was left out."""

    def __init__(self, into: Store, source: _Source) -> None:
        self.into, self.source = into, source
        self._taken: Counter[str] = Counter()
        self._refused: list[str] = []
        self._contradicted: dict[str, Counter[str]] = {}
        self._homeless: dict[str, Counter[str]] = {}

    def take(self, kind: str, name: str) -> None:
        """Take a file, unless it is there; leave it out with a sentence if it is not what it claims to be."""
        if self.into.has_file(name):
            self._taken["already"] += 1
            return
        read = {
            "galaxies": self._galaxy,
            "revisions": self._revision,
            "notes": self._note,
            "rankings": self._ranking,
            "splits": self._splits,
        }[kind]
        try:
            content = self.source.read(name)
            object_id, record = read(name, content)
        except ValueError as error:
            self._refused.append(str(error))
            return
        if record is None:
            return
        if self.into.has_file(name_of(kind, object_id, content)):
            self._taken["already"] += 1
            return
        self.into.take(kind, object_id, record, content)
        self._taken[kind] += 1

    def result(self) -> Merged:
        """What was done, with the files of a galaxy that were left out together in one sentence."""
        refused = list(self.source.complaints)
        for object_id, counts in sorted(self._contradicted.items()):
            refused.append(
                f"{object_id}: {self.source.path} has another cutout under this id; it was left out{_with(counts)}: "
                f"give one of the two galaxies another id"
            )
        for object_id, counts in sorted(self._homeless.items()):
            refused.append(
                f"{object_id}: a galaxy that {self.into.path} has not; left out{_with(counts)}: merge a bundle with "
                f"galaxies, or add its cutout, and merge again"
            )
        return Merged(**self._taken, refused=(*refused, *self._refused))

    def _galaxy(self, name: str, content: bytes) -> tuple[str, Galaxy | None]:
        galaxy = galaxy_of(_cutout(name, content))
        object_id = galaxy.object_id
        if object_id in self.into and self.into.galaxy(object_id).cutout_sha256 != galaxy.cutout_sha256:
            self._contradicted.setdefault(object_id, Counter())
            return object_id, None
        return object_id, galaxy

    def _revision(self, name: str, content: bytes) -> tuple[str, Revision | None]:
        revision = revision_from_fits(content, path=Path(name))
        if not self._has_galaxy(revision.object_id, "revisions"):
            return revision.object_id, None
        galaxy = self.into.galaxy(revision.object_id)
        if revision.cutout_sha256 != galaxy.cutout_sha256:
            self._contradicted.setdefault(revision.object_id, Counter())["revisions"] += 1
            return revision.object_id, None
        check_drawn_on(revision, galaxy)
        return revision.object_id, revision

    def _note(self, name: str, content: bytes) -> tuple[str, Note | None]:
        note = note_from_json(content, path=Path(name))
        return note.object_id, note if self._has_galaxy(note.object_id, "notes") else None

    def _ranking(self, name: str, content: bytes) -> tuple[str, bytes]:
        if not content.startswith(b"# %ECSV"):
            raise ValueError(f"{name}: no ranking (not a table in ECSV); left out")
        return unquote(Path(name).name.rsplit(".", 2)[0]), content

    def _splits(self, name: str, content: bytes) -> tuple[str, bytes]:
        try:
            good = all({"object_id", "split"} <= json.loads(line).keys() for line in content.splitlines())
        except (ValueError, AttributeError, RecursionError):
            good = False
        if not good:
            raise ValueError(f"{name}: no table of splits (not JSON lines with object_id and split); left out")
        return unquote(Path(name).name.rsplit(".", 2)[0]), content

    def _has_galaxy(self, object_id: str, kind: str) -> bool:
        """Whether what is said about a galaxy can be taken; it is counted if not."""
        contradicted = self._contradicted.get(object_id)
        if contradicted is not None:
            # The same id, another galaxy: what was said about it there would be said about something else here.
            if kind == "notes":
                contradicted[kind] += 1
                return False
        elif object_id not in self.into:
            self._homeless.setdefault(object_id, Counter())[kind] += 1
            return False
        return True


def _cutout(name: str, content: bytes) -> Cutout:
    """The cutout in the bytes of a file."""
    with tempfile.TemporaryDirectory(prefix="flaxgal-merge-") as folder:
        path = Path(folder) / Path(name).name
        path.write_bytes(content)
        return read_cutout(path)


def _with(counts: Counter[str]) -> str:
    """The number of files of each kind, in words."""
    words = [f"{number} {kind if number > 1 else kind[:-1]}" for kind, number in sorted(counts.items())]
    return f" with {' and '.join(words)}" if words else ""
