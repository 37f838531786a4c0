"""The files of a label store: what they are called, which folder they lie in, and how one is read and kept.

A file's name ends in the hash of its content, and its folder is a hash of the galaxy's id. So a damaged file can be
told, a file that is kept never changes, and stores are merged by putting their files together.
"""

import hashlib
import json
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

from flaxgal.survey.atomic import sync_folder, write_durably
from flaxgal.survey.opening import STORE_FILE

__all__ = [
    "ENDINGS",
    "FLAT",
    "LAYOUT",
    "NotSavedError",
    "about_store",
    "checked",
    "fits_name",
    "hash_in",
    "is_kept",
    "is_place",
    "is_shard",
    "is_store",
    "keep",
    "kept_files",
    "name_of",
    "quoted",
    "shard_of",
    "understood_about",
]

LAYOUT = 1
"""Version of how a store's folders are laid out, as its store.json says."""
ENDINGS = {
    "galaxies": ".fits",
    "revisions": ".fits.gz",
    "notes": ".json",
    "rankings": ".ecsv",
    "splits": ".jsonl",
}
"""Kinds of files that are kept, each in a folder of its own, and how their names end."""
FLAT = ("rankings", "splits")
"""Kinds whose files are about many galaxies, and lie in their folder side by side."""

_SHARD = re.compile(r"[0-9a-f]{2}")
_NAMES = {kind: re.compile(rf"[^./][^/]*\.([0-9a-f]{{20}}){re.escape(ending)}") for kind, ending in ENDINGS.items()}


class NotSavedError(OSError):
    """Something could not be kept: no space, no permission, a failing disk. Nothing in the store has changed."""


def is_store(path: Path | str) -> bool:
    """Whether a folder is a label store."""
    return (Path(path) / STORE_FILE).is_file()


def about_store(path: Path) -> dict[str, Any]:
    """What store.json says: its layout and the store's own id.

    Raises
    ------
    ValueError
        If there is no store, or it was written by a newer flaxgal.
    """
    if not is_store(path):
        raise ValueError(f"{path}: no label store here (no store.json); start one with: flaxgal store add {path} …")
    return understood_about((path / STORE_FILE).read_bytes(), path)


def understood_about(content: bytes, path: Path) -> dict[str, Any]:
    """The content of the store.json of the store or bundle `path`, if this flaxgal knows its layout."""
    try:
        about = json.loads(content)
        layout, _ = int(about["format"]), str(about["store_id"])
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path / STORE_FILE}: damaged ({error}); restore it from a copy") from None
    if layout > LAYOUT:
        raise ValueError(
            f"{path}: a label store of layout {layout}, this flaxgal knows {LAYOUT}; install a newer flaxgal"
        )
    return about


def name_of(kind: str, object_id: str, content: bytes) -> str:
    """Where a file belongs, relative to the store. For a file about many galaxies, `object_id` is its name."""
    file = f"{quoted(object_id)[:80]}.{_hashed(content)}{ENDINGS[kind]}"
    return f"{kind}/{file}" if kind in FLAT else f"{kind}/{shard_of(object_id)}/{file}"


def quoted(name: str) -> str:
    """An id, or a name of a person, as part of a file's name: readable, and never that of a hidden file."""
    return re.sub(r"^\.", "%2E", quote(name, safe="+ ").replace(" ", "_"))


def shard_of(object_id: str) -> str:
    """The folder, among 256, of everything about a galaxy."""
    return hashlib.sha256(object_id.encode()).hexdigest()[:2]


def hash_in(name: str) -> str:
    """The hash that ends a file's name; empty if there is none."""
    file = name.rpartition("/")[2]
    found = (pattern.fullmatch(file) for pattern in _NAMES.values())
    return next((match[1] for match in found if match), "")


def is_kept(name: str, kind: str) -> bool:
    """Whether a file, by its name without folders, is of a kind, and not one that somebody is writing."""
    return _NAMES[kind].fullmatch(name) is not None


def is_place(name: str) -> bool:
    """Whether a name, relative to a store, is one that a kept file can have."""
    kind, *folders = name.split("/")[:-1] or [""]
    good_folders = not folders if kind in FLAT else len(folders) == 1 and is_shard(folders[0])
    return kind in ENDINGS and good_folders and is_kept(name.rpartition("/")[2], kind)


def is_shard(name: str) -> bool:
    """Whether a folder's name is one of the 256."""
    return bool(_SHARD.fullmatch(name))


def kept_files(store: Path, kind: str) -> Iterator[str]:
    """Names of the files of a kind, relative to the store, in order."""
    folder = store / kind
    if not folder.is_dir():
        return
    names = sorted(os.listdir(folder))  # noqa: PTH208 (no Path for each of 76,635 files)
    if kind in FLAT:
        yield from (f"{kind}/{name}" for name in names if is_kept(name, kind))
        return
    for shard in names:
        if is_shard(shard) and (folder / shard).is_dir():
            files = sorted(os.listdir(folder / shard))  # noqa: PTH208
            yield from (f"{kind}/{shard}/{name}" for name in files if is_kept(name, kind))


def checked(path: Path) -> bytes:
    """A file's content, if it is what its name says.

    Raises
    ------
    ValueError
        If it is missing or damaged.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ValueError(f"{path}: cannot be read ({error.strerror}); restore it from a copy") from None
    if not fits_name(content, path.name):
        raise ValueError(f"{path.name}: damaged (its content no longer fits its name); restore it from a copy")
    return content


def fits_name(content: bytes, name: str) -> bool:
    """Whether a file holds what its name says."""
    return _hashed(content) == hash_in(name)


def keep(store: Path, kind: str, object_id: str, content: bytes, check: Callable[[Path], object] | None = None) -> str:
    """Write a file under the name that its content gives it; the name, relative to the store, is returned.

    When this returns, the file and the folders on the way are on the disk. A file that is there already is compared.

    Raises
    ------
    NotSavedError
        If it cannot be written.
    """
    name = name_of(kind, object_id, content)
    path = store / name
    try:
        if not (path.exists() and path.read_bytes() == content):  # a damaged file is restored: its name says by what
            write_durably(path, content, check=check)
        for folder in (path.parent, *path.parent.parents):  # another process may have made them a moment ago
            sync_folder(folder)
            if folder == store:
                break
    except OSError as error:
        reason = error.strerror.lower() if error.strerror else str(error)
        raise NotSavedError(
            f"{object_id}: not saved in {store} ({reason}); nothing there has changed: make room or have the folder "
            f"opened for you, and save again"
        ) from error
    return name


def _hashed(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:20]
