"""Data sets of this field that lie in a folder, into a label store: pictures with masks, and text tables.

    images/ masks/                      pictures and masks of one name (JPEG, PNG, TIFF, FITS)
    rescaled_img/ bin_msk/              64 by 64 pictures and masks made of Galaxy Zoo: 3D
    orig_img/ orig_msk/                 the same in full size; masks that count outlines are refused one by one
    *_images*.dat *_labels*.dat         text tables of pictures and classes (survey.textfiles)
    *_images*.dat *_masks*.dat, *_orig.dat *_segmentation.dat

Any number of them may lie in the folder and the folders in it.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from flaxgal.labels.pairs import ImportedPair, commit_once, import_pairs
from flaxgal.labels.revisions import Revision
from flaxgal.labels.store import Store
from flaxgal.survey.cutout import Unreadable
from flaxgal.survey.nair_abraham import write_classes
from flaxgal.survey.opening import STORE_FILE
from flaxgal.survey.prediction import CLASS_CODES
from flaxgal.survey.textfiles import partner_of, read_labelled_pictures, read_masked_pictures

__all__ = ["Labelled", "find_sets", "import_folder"]

PAIRS = (
    ("images", "masks"),
    ("image", "mask"),
    ("img", "msk"),
    ("imgs", "msks"),
    ("rescaled_img", "bin_msk"),
    ("orig_img", "orig_msk"),
)
"""Folders of pictures and of masks; the later ones of one place hold the same galaxies as the earlier."""

Labelled = ImportedPair | str
"""A galaxy with a mask; or the id of one of which only the class is known."""


def import_folder(
    folder: Path | str,
    store: Store,
    *,
    annotator: str,
    survey: str | None = None,
    pixel_scale_arcsec: float | None = None,
    table: Path | str | None = None,
    text_size: int = 64,
) -> Iterator[Labelled | Unreadable]:
    """Bring every data set in a folder into the store, a galaxy at a time; a second import adds nothing.

    Ids are file names without endings, or a text table's name and a number; before them stand the names of the folders
    between `folder` and the data set. Classes of text tables go into a table beside the store.

    Parameters
    ----------
    annotator
        Who drew the masks.
    table
        Where to write ids and classes (ECSV); by default STORE-morphology.ecsv, beside the store.
    text_size
        Width in pixels of pictures in text tables with masks.

    Raises
    ------
    ValueError
        If the folder does not exist or holds no data set.
    """
    folder = Path(folder)
    sets, passed_over = find_sets(folder)
    if not sets:
        raise ValueError(
            f"{folder}: found no data set; wanted folders images and masks, or tables such as nam_images_train.dat and "
            f"nam_labels_train.dat"
        )
    yield from (Unreadable(str(path), f"{path}: passed over; {reason}") for path, reason in passed_over)
    classes: dict[str, str] = {}
    for images, others, what in sets:
        between = images.parent.relative_to(folder).parts
        prefix = "".join(f"{name}-" for name in between)
        if what == "pairs":
            yield from import_pairs(
                store,
                images,
                others,
                annotator=annotator,
                survey=survey,
                pixel_scale_arcsec=pixel_scale_arcsec,
                id_prefix=prefix,
            )
            continue
        try:
            if what == "labels":
                yield from _with_classes(store, images, others, prefix, classes)
            else:
                yield from _with_masks(store, images, others, prefix, annotator, text_size)
        except ValueError as error:
            yield Unreadable(str(images), str(error))
    if classes:
        write_classes(classes, Path(table or f"{store.path}-morphology.ecsv"))


def find_sets(folder: Path) -> tuple[list[tuple[Path, Path, str]], list[tuple[Path, str]]]:
    """Data sets at and below a folder: pictures, what lies beside them, and "pairs", "labels" or "masks".

    Also what is passed over, and why.

    Raises
    ------
    ValueError
        If there is no such folder.
    """
    if not folder.is_dir():
        raise ValueError(f"{folder}: no such folder; wanted one with a data set in it")
    sets: list[tuple[Path, Path, str]] = []
    passed_over: list[tuple[Path, str]] = []
    for here, below, files in os.walk(folder):
        if STORE_FILE in files:
            below.clear()
            continue
        below[:] = sorted(name for name in below if not name.startswith("."))
        pairs = [(Path(here, images), Path(here, masks)) for images, masks in PAIRS if {images, masks} <= set(below)]
        sets += [(*pair, "pairs") for pair in pairs[:1]]
        passed_over += [(images, f"{pairs[0][0].name} holds the same galaxies") for images, _ in pairs[1:]]
        for path in (Path(here, name) for name in sorted(files) if name.endswith(".dat")):
            sets += [
                (path, other, what) for what in ("labels", "masks") if (other := partner_of(path, what)) is not None
            ]
    return sets, passed_over


def _with_classes(
    store: Store, images: Path, labels: Path, prefix: str, classes: dict[str, str]
) -> Iterator[Labelled | Unreadable]:
    for picture in read_labelled_pictures(images, labels, id_prefix=prefix):
        if isinstance(picture, Unreadable):
            yield picture
            continue
        object_id = picture.cutout.object_id
        try:
            store.add(picture.cutout)
        except ValueError as error:  # a picture without light, or another one under this id
            yield Unreadable(object_id, str(error))
            continue
        classes[object_id] = picture.morphology
        yield object_id


def _with_masks(
    store: Store, images: Path, masks: Path, prefix: str, annotator: str, size: int
) -> Iterator[Labelled | Unreadable]:
    for picture in read_masked_pictures(images, masks, size=size, id_prefix=prefix):
        share = np.asarray(picture.arm_share)
        is_mask = bool(np.isin(share, (0, 1)).all())
        try:
            store.add(picture.cutout)
            yield commit_once(
                store,
                Revision(
                    object_id=picture.cutout.object_id,
                    annotator=annotator,
                    origin="imported",
                    source=masks.name,
                    cutout_sha256=picture.cutout.sha256,
                    mask=(share * CLASS_CODES["arm"]).astype(np.uint8) if is_mask else None,
                    fraction=None if is_mask else share[None],
                ),
            )
        except ValueError as error:
            yield Unreadable(picture.cutout.object_id, str(error))
