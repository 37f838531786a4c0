"""Galaxies with classes on their way into a snapshot: from a label store or from files, and a table of classes."""

import contextlib
import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from flaxgal.datasets.morphology import ClassExample
from flaxgal.datasets.placing import place_galaxies, placed_in_snapshot
from flaxgal.datasets.splits import Position, Rule, split_together
from flaxgal.labels.store import Store
from flaxgal.survey.class_tables import ClassTable
from flaxgal.survey.cutout import Cutout, Unreadable, find_cutouts, read_cutout, read_cutouts
from flaxgal.survey.display import fit_frame, to_picture
from flaxgal.survey.schemas import Labels
from flaxgal.survey.seen import as_seen

__all__ = ["class_picture", "classes_from_files", "classes_from_store"]

_PICTURES = (".png", ".jpg", ".jpeg", ".tif", ".tiff")
_TORN = "within 2 arcsec of galaxies that stand in different splits; it is left out"


def classes_from_store(
    store: Store,
    table: ClassTable,
    *,
    bands: Sequence[str],
    image_size: int,
    crop: float = 1.0,
    rule: Rule | None = None,
    agree_with: Sequence[Path | str] = (),
) -> Iterator[ClassExample | Unreadable]:
    """Every galaxy of a store that a table tells something of, one at a time; then why the others are left out.

    Parameters
    ----------
    bands
        Bands of the pictures, or grey.
    crop
        Share of the frame's side that is kept around its centre.
    rule
        What puts galaxies into splits for this once (see `flaxgal.datasets.splits.fold_rule`); the splits that the
        store has written down when left out.
    agree_with
        Snapshots of other stores, whose galaxies keep the split they have there.

    Raises
    ------
    ValueError
        If the table tells of no galaxy in the store.
    """
    _check_crop(crop)
    known = [object_id for object_id in store.galaxies() if object_id in table.labels]
    others = [object_id for object_id in store.galaxies() if object_id not in table.labels]
    if others and not known:
        raise ValueError(_strangers(table, others, str(store.path)))
    placed = place_galaxies(store, agree_with=agree_with)
    if rule is not None:
        everyone = [
            Position(object_id=galaxy.object_id, ra_deg=galaxy.ra_deg, dec_deg=galaxy.dec_deg)
            for galaxy in store.galaxies().values()
        ]
        anew = split_together(everyone, rule=rule)
        placed = {galaxy.object_id: one and one.split for galaxy, one in zip(everyone, anew, strict=True)}
    for object_id in known:
        split = placed[object_id]
        if split is None:
            yield Unreadable(object_id, f"{object_id}: {_TORN}")
            continue
        try:
            cutout = store.cutout(object_id)
            yield _example(cutout, table.labels[object_id], split, bands, image_size, crop)
        except ValueError as error:
            yield Unreadable(object_id, str(error))
    yield from (_unlabelled(table, object_id) for object_id in others)


def classes_from_files(
    inputs: Sequence[Path],
    table: ClassTable,
    *,
    bands: Sequence[str],
    image_size: int,
    crop: float = 1.0,
    rule: Rule | None = None,
    survey: str = "",
    agree_with: Sequence[Path | str] = (),
) -> Iterator[ClassExample | Unreadable]:
    """Every picture or cutout among files that a table tells something of, one at a time; then why others are left out.

    The id in the table is the one that `read_cutout` finds: what a FITS file's header says, else the file's name
    without its endings. Splits go by the table's positions, where it has none by
    the files' own, and without either by ids; FITS files are read twice for it. Options as those of
    `classes_from_store`.

    Raises
    ------
    ValueError
        If the table tells of none of the files, or a folder of `agree_with` is no snapshot that says positions.
    """
    _check_crop(crop)
    before = [item for folder in agree_with for item in placed_in_snapshot(folder)]
    where = {**_own_positions(inputs), **table.positions}
    everyone = [Position(object_id=name, ra_deg=ra, dec_deg=dec) for name, (ra, dec) in where.items()]
    everyone += [Position(object_id=name) for name in table.labels if name not in where]
    together = split_together(everyone, before, rule=rule)
    placed = {one.object_id: found and found.split for one, found in zip(everyone, together, strict=True)}
    met, others = 0, []
    for cutout in read_cutouts(inputs, survey=survey or None):
        if isinstance(cutout, Unreadable):
            yield cutout
            continue
        name = cutout.object_id
        if name not in table.labels:
            others.append(name)
            continue
        met += 1
        if (split := placed[name]) is None:
            yield Unreadable(name, f"{name}: {_TORN}")
            continue
        try:
            yield _example(cutout, table.labels[name], split, bands, image_size, crop, where.get(name))
        except ValueError as error:
            yield Unreadable(name, str(error))
    if others and not met:
        raise ValueError(_strangers(table, others, ", ".join(map(str, inputs))))
    yield from (_unlabelled(table, name) for name in others)


def class_picture(
    cutout: Cutout, bands: Sequence[str], image_size: int, crop: float = 1.0
) -> UInt8[np.ndarray, "{image_size} {image_size} band"]:
    """What a classifier sees of a galaxy: its picture as seen on the sky, cropped about the centre, in the square.

    Raises
    ------
    ValueError
        If the cutout lacks a band or has no light in it.
    """
    picture = as_seen(cutout, to_picture(cutout, bands))
    y, x = (max(1, round(crop * side)) for side in picture.shape[:2])
    top, left = (picture.shape[0] - y) // 2, (picture.shape[1] - x) // 2
    return fit_frame(picture[top : top + y, left : left + x], image_size)[0]


def _own_positions(inputs: Sequence[Path]) -> dict[str, tuple[float, float]]:
    """Where files say that their galaxies are, in degrees, by id; pictures say nothing of it, and are not opened."""
    found: dict[str, tuple[float, float]] = {}
    for paths in find_cutouts(inputs):
        if all(path.suffix.lower() in _PICTURES for path in paths):
            continue
        with contextlib.suppress(ValueError):  # said when the file's turn comes
            cutout = read_cutout(paths)
            if cutout.ra_deg is not None and cutout.dec_deg is not None:
                found.setdefault(cutout.object_id, (cutout.ra_deg, cutout.dec_deg))
    return found


def _unlabelled(table: ClassTable, object_id: str) -> Unreadable:
    why = table.untold.get(object_id, f"no row in {table.name}")
    return Unreadable(object_id, f"{object_id}: {why}")


def _strangers(table: ClassTable, others: Sequence[str], where: str) -> str:
    """A sentence on a table of other galaxies than there are, or of other names for them."""
    told, there = (", ".join(names) for names in (list(table.labels)[:3], others[:3]))
    return (
        f"{table.name}: tells the class of no galaxy in {where}; it has classes of {told}, and there are {there}: a "
        f"picture's id is its file's name without endings, a cutout's what its header says"
    )


def _check_crop(crop: float) -> None:
    if not 0 < crop <= 1:
        raise ValueError(f"crop is {crop:g}; wanted the share of the frame to keep, above 0 and up to 1")


def _example(
    cutout: Cutout,
    labels: Labels,
    split: str,
    bands: Sequence[str],
    image_size: int,
    crop: float,
    place: tuple[float, float] | None = None,
) -> ClassExample:
    ra, dec = place or (cutout.ra_deg, cutout.dec_deg)
    return ClassExample(
        object_id=cutout.object_id,
        survey=cutout.survey,
        image=class_picture(cutout, bands, image_size, crop),
        labels=labels,
        split=split,
        ra_deg=math.nan if ra is None else ra,
        dec_deg=math.nan if dec is None else dec,
        picture_shape=cutout.image_shape,
        picture_bands=cutout.bands,
    )
