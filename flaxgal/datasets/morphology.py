"""Galaxies and what an expert calls them, E, S0 or Sp, as a dataset snapshot for classifiers: `galaxy_morphology`.

A TFDS data set like that of the arms (`flaxgal.datasets.builders`), of a label store's cutouts and a table of classes.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from flaxgal.datasets.builders import Snapshot
from flaxgal.datasets.cards import NAIR_ABRAHAM, citations
from flaxgal.datasets.placing import place_galaxies
from flaxgal.datasets.snapshot_files import (
    degrees_feature,
    numbers_in,
    pixels_feature,
    raw_records,
    record_of,
    snapshot_under_way,
    text_in,
    tfds_module,
)
from flaxgal.labels.store import Store
from flaxgal.survey.catalog import read_table
from flaxgal.survey.cutout import Unreadable
from flaxgal.survey.display import fit_frame, to_picture
from flaxgal.survey.nair_abraham import CLASSES, read_classes, read_morphologies

__all__ = ["MorphologyExample", "build_morphology_snapshot", "morphologies_from_store", "read_morphology_examples"]

NAME = "galaxy_morphology"
_DESCRIPTION = "Galaxies and their visual class (elliptical, lenticular, spiral), for training and testing classifiers."


@dataclass(frozen=True, kw_only=True, eq=False)
class MorphologyExample:
    """One galaxy's picture and its class."""

    object_id: str
    survey: str
    image: UInt8[np.ndarray, "y x band"]
    """8-bit brightness, as `flaxgal.survey.display.to_picture` makes it."""
    morphology: str
    """E, S0 or Sp."""
    split: str
    """train, validation or test."""
    t_type: float = math.nan
    """The expert's T-type; NaN when only the class is known."""
    ra_deg: float = math.nan
    dec_deg: float = math.nan
    """Position (ICRS); NaN when unknown."""


def morphologies_from_store(
    store: Store,
    table: Path | str,
    *,
    bands: Sequence[str],
    image_size: int,
    agree_with: Sequence[Path | str] = (),
) -> Iterator[MorphologyExample | Unreadable]:
    """Every galaxy of a store that a table gives a class, in the order of the ids, one at a time.

    Parameters
    ----------
    table
        Ids and classes or T-types, as `flaxgal fetch nair-abraham` leaves beside the store.
    bands
        Bands of the pictures, or grey.
    agree_with
        Snapshots of other stores, whose galaxies keep the split they have there.

    Raises
    ------
    ValueError
        If the table tells no class, or none of a galaxy in the store.
    """
    classes, t_types = read_classes(table), _t_types(table)
    if not any(object_id in classes for object_id in store.galaxies()):
        raise ValueError(f"{table}: tells the class of no galaxy in {store.path}; is it the table of another store?")
    placed = place_galaxies(store, agree_with=agree_with)
    for object_id in store.galaxies():
        if object_id not in classes:
            continue
        split = placed[object_id]
        if split is None:
            reason = f"{object_id}: within 2 arcsec of galaxies that stand in different splits; it is left out"
            yield Unreadable(object_id, reason)
            continue
        try:
            cutout = store.cutout(object_id)
            image, _ = fit_frame(to_picture(cutout, bands), image_size)
        except ValueError as error:
            yield Unreadable(object_id, str(error))
            continue
        yield MorphologyExample(
            object_id=object_id,
            survey=cutout.survey,
            image=image,
            morphology=classes[object_id],
            split=split,
            t_type=t_types.get(object_id, math.nan),
            ra_deg=math.nan if cutout.ra_deg is None else cutout.ra_deg,
            dec_deg=math.nan if cutout.dec_deg is None else cutout.dec_deg,
        )


def build_morphology_snapshot(
    examples: Iterable[MorphologyExample | Unreadable],
    out_dir: Path | str,
    *,
    bands: Sequence[str],
    image_size: int,
    name: str = NAME,
    version: str | None = None,
    description: str = _DESCRIPTION,
    citation: str = "",
    provenance: Mapping[str, Any] | None = None,
) -> Path:
    """Write galaxies as they come into a new snapshot OUT_DIR/NAME/VERSION, which appears when it is complete.

    Arguments and errors as those of `flaxgal.datasets.builders.build_snapshot`.
    """
    if image_size < 1:
        raise ValueError(f"image size {image_size}, expected 1 pixel or more")
    wanted = (image_size, image_size, len(bands))
    with snapshot_under_way(out_dir, name, version) as (writer, final):
        for item in examples:
            if isinstance(item, Unreadable):
                writer.leave_out(item)
            elif not writer.came_twice(item.object_id):
                _check(item, wanted)
                writer.keep(
                    _record(item),
                    object_id=item.object_id,
                    survey=item.survey,
                    split=item.split,
                    ra_deg=item.ra_deg,
                    dec_deg=item.dec_deg,
                    about={"morphology": item.morphology},
                )
        writer.close(
            features=_features(tuple(bands), image_size),
            metadata={"bands": tuple(bands), "classes": CLASSES, "image_size": image_size},
            description=description,
            citation=citation or "\n".join(filter(None, (citations(writer.surveys), NAIR_ABRAHAM))),
            provenance=provenance or {},
        )
    return final


def read_morphology_examples(snapshot: Snapshot, split: str, numbers: Sequence[int]) -> Iterator[MorphologyExample]:
    """Examples of a split by their numbers (0 is the first), in the order asked for."""
    size = snapshot.image_size
    for columns in raw_records(snapshot.folder, split, numbers):
        yield MorphologyExample(
            object_id=text_in(columns, "object_id"),
            survey=text_in(columns, "survey"),
            image=numbers_in(columns, "image").reshape(size, size, len(snapshot.bands)),
            morphology=CLASSES[columns["label"].int64_list.value[0]],
            split=split,
            t_type=float(columns["t_type"].float_list.value[0]),
            ra_deg=float(numbers_in(columns, "ra_deg", np.float64)[0]),
            dec_deg=float(numbers_in(columns, "dec_deg", np.float64)[0]),
        )


def _t_types(table: Path | str) -> dict[str, float]:
    """T-types by id, of a table that has any."""
    names = read_table(Path(table)).colnames
    if "morphology" in names and "t_type" not in names:
        return {}
    return {galaxy.object_id: galaxy.t_type for galaxy in read_morphologies(table)}


def _check(example: MorphologyExample, wanted: tuple[int, int, int]) -> None:
    if example.image.shape != wanted:
        raise ValueError(f"{example.object_id}: image of shape {example.image.shape}, expected {wanted}")
    if example.morphology not in CLASSES:
        raise ValueError(f"{example.object_id}: class {example.morphology!r}, expected one of {', '.join(CLASSES)}")


def _features(bands: tuple[str, ...], size: int) -> Any:
    """The columns of a snapshot, as TFDS documents them."""
    features = tfds_module().features
    return features.FeaturesDict(
        {
            "object_id": features.Text(doc="Name of the galaxy in its survey"),
            "survey": features.Text(doc="Survey that the picture is from; empty when unknown"),
            "image": pixels_feature((size, size, len(bands)), f"Picture, 8-bit brightness in bands {', '.join(bands)}"),
            "label": features.ClassLabel(
                names=list(CLASSES), doc="0 E, 1 S0 (T-type -3 to 0), 2 Sp (1 to 9), as Nair & Abraham 2010 have them"
            ),
            "t_type": features.Scalar(np.float32, doc="T-type; NaN when only the class is known"),
            "ra_deg": degrees_feature("Right ascension (ICRS) in degrees; NaN when unknown"),
            "dec_deg": degrees_feature("Declination (ICRS) in degrees; NaN when unknown"),
        }
    )


def _record(example: MorphologyExample) -> bytes:
    return record_of(
        texts={"object_id": example.object_id, "survey": example.survey},
        arrays={"image": example.image},
        degrees={"ra_deg": example.ra_deg, "dec_deg": example.dec_deg},
        floats={"t_type": example.t_type},
        integers={"label": CLASSES.index(example.morphology)},
    )
