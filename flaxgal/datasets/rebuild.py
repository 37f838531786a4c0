"""A snapshot that somebody cites, built again bit for bit from the label store, whatever was added to it since."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flaxgal.datasets.builders import Snapshot, build_snapshot, open_snapshot
from flaxgal.datasets.examples import Example, example_of
from flaxgal.labels.store import Store
from flaxgal.labels.verify import untracked
from flaxgal.survey.cutout import Unreadable

__all__ = ["Recipe", "examples_like", "read_recipe", "rebuild_snapshot"]

_WRITTEN_ANEW = ("software", "bands", "classes", "image_size", "galaxies", "left_out")
"""What `build_snapshot` says itself in provenance.json; the rest is what it was told."""


@dataclass(frozen=True, kw_only=True)
class Ingredient:
    """A galaxy of a snapshot."""

    object_id: str
    split: str
    revisions: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Everything that a snapshot says of how it was made."""

    snapshot: Snapshot
    labels: str
    """The policy by which several revisions became one target."""
    look: str
    """The survey that the galaxies were made to look like; empty: none."""
    galaxies: tuple[Ingredient, ...]
    left_out: tuple[Unreadable, ...]
    provenance: dict[str, Any]
    description: str
    citation: str


def read_recipe(folder: Path | str) -> Recipe:
    """How the snapshot in a folder was made.

    Raises
    ------
    ValueError
        If there is none, or it is of mocks or arrays and not of a label store's revisions.
    """
    snapshot = open_snapshot(folder)
    if snapshot.schemas:
        raise ValueError(
            f"{snapshot.folder}: this snapshot has classes in place of masks; build it again as it was made the first "
            f"time (its provenance.json says how)"
        )
    provenance = json.loads((snapshot.folder / "provenance.json").read_text())
    about = json.loads((snapshot.folder / "dataset_info.json").read_text())
    galaxies = tuple(
        Ingredient(
            object_id=line["object_id"],
            split=line["split"],
            revisions=tuple(filter(None, line["revision"].split(","))),
        )
        for line in _lines(snapshot.folder / "revisions.jsonl")
    )
    if not all(galaxy.revisions for galaxy in galaxies):
        raise ValueError(
            f"{snapshot.folder}: this snapshot was not made of a label store's revisions; build it again as it was "
            f"made the first time (its provenance.json says how)"
        )
    return Recipe(
        snapshot=snapshot,
        labels=provenance.get("labels", "latest"),
        look=provenance.get("look", ""),
        galaxies=galaxies,
        left_out=tuple(
            Unreadable(line["object_id"], line["reason"]) for line in _lines(snapshot.folder / "left_out.jsonl")
        ),
        provenance={name: value for name, value in provenance.items() if name not in _WRITTEN_ANEW},
        description=about.get("description", ""),
        citation=about.get("citation", ""),
    )


def examples_like(store: Store, recipe: Recipe) -> Iterator[Example | Unreadable]:
    """The very examples of a snapshot, from the revisions that it names; what it left out is left out again.

    Raises
    ------
    ValueError
        If the store lacks one of the revisions, or a file of a galaxy cannot be read.
    """
    known = {stored.revision_id for stored in store.history()}
    missing = [(one.object_id, name) for one in recipe.galaxies for name in one.revisions if name not in known]
    if missing:
        object_id, name = missing[0]
        raise ValueError(
            f"{store.path}: lacks {len(missing)} of the revisions that {recipe.snapshot.folder} is made of, {name} of "
            f"{object_id} for one; merge the store that has them into this one: flaxgal store merge"
        )
    snapshot = recipe.snapshot
    for one in recipe.galaxies:
        yield example_of(
            store,
            one.object_id,
            one.revisions,
            labels=recipe.labels,
            look=recipe.look,
            bands=snapshot.bands,
            classes=snapshot.classes,
            image_size=snapshot.image_size,
            split=one.split,
        )
    yield from recipe.left_out


def rebuild_snapshot(
    store: Store,
    like: Path | str,
    out_dir: Path | str,
    *,
    version: str | None = None,
    track: Callable[..., Iterable[Any]] = untracked,
) -> Path:
    """Write a snapshot again from the revisions that it names, and return the new folder.

    It is the same bit for bit, unless it is given another version or this flaxgal is of another version. What was
    added to the store since does not enter. `track(items, name, total)` draws progress.
    """
    recipe = read_recipe(like)
    snapshot = recipe.snapshot
    return build_snapshot(
        track(examples_like(store, recipe), "galaxies", len(recipe.galaxies) + len(recipe.left_out)),
        out_dir,
        bands=snapshot.bands,
        classes=snapshot.classes,
        image_size=snapshot.image_size,
        name=snapshot.name,
        version=version or snapshot.version,
        description=recipe.description,
        citation=recipe.citation,
        provenance=recipe.provenance,
    )


def _lines(path: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
