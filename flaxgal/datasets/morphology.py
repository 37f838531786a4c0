"""Galaxies and what people call them, as a dataset snapshot for classifiers: `galaxy_morphology`.

A TFDS data set like that of the arms (`flaxgal.datasets.builders`), with labels in place of masks. It keeps what is
known of each galaxy in every label schema (`flaxgal.survey.schemas`), so that one snapshot serves several tasks, and
its pictures are as seen on the sky (`flaxgal.survey.seen`), so that S- and Z-wise spirals can be told apart.
"""

import functools
import json
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from flaxgal.datasets.builders import Snapshot
from flaxgal.datasets.cards import LABELS, citations
from flaxgal.datasets.snapshot_files import (
    SnapshotWriter,
    degrees_feature,
    numbers_in,
    pixels_feature,
    raw_records,
    record_of,
    text_in,
    tfds_module,
    truth_features,
    truth_floats,
    truth_in,
    write_snapshot,
)
from flaxgal.datasets.splits import SPLITS
from flaxgal.survey.class_tables import ClassTable
from flaxgal.survey.cutout import Unreadable
from flaxgal.survey.schemas import SCHEMAS, Labels, LabelSchema

__all__ = [
    "Balance",
    "ClassExample",
    "balance_table",
    "build_class_snapshot",
    "check_classes",
    "class_balance",
    "labels_of_split",
    "mixed_bands",
    "mixed_sizes",
    "read_class_examples",
    "table_remarks",
]

NAME = "galaxy_morphology"
_DESCRIPTION = "Galaxies and their visual class, for training and testing classifiers."
_ORIENTATION = "they are as seen on the sky: the first row is the top, and no picture is a mirror image"

Balance = Mapping[str, Mapping[str, int]]
"""Galaxies by split and class; under the class "" those of which the class is not known."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ClassExample:
    """One galaxy's picture and what is known of its class."""

    object_id: str
    survey: str
    image: UInt8[np.ndarray, "y x band"]
    """8-bit brightness, as `flaxgal.survey.display.to_picture` makes it, as seen on the sky: the first row is its top,
    and it is no mirror image."""
    labels: Labels
    split: str
    """train, validation or test."""
    ra_deg: float = math.nan
    dec_deg: float = math.nan
    """Position (ICRS); NaN when unknown."""
    truth: Mapping[str, float] = field(default_factory=dict)
    """Further columns that are known exactly (mocks): signal_to_noise, inclination_deg …"""
    picture_shape: tuple[int, int] | None = None
    """(y, x) in pixels of the picture that it was made from, where one is known; a snapshot counts them."""
    picture_bands: tuple[str, ...] = ()
    """Bands of that picture, likewise."""


def build_class_snapshot(
    examples: Iterable[ClassExample | Unreadable],
    out_dir: Path | str,
    *,
    bands: Sequence[str],
    image_size: int,
    name: str = NAME,
    version: str | None = None,
    description: str = _DESCRIPTION,
    citation: str = "",
    table: ClassTable | None = None,
    crop: float = 1.0,
    provenance: Mapping[str, Any] | None = None,
) -> Path:
    """Write galaxies as they come into a new snapshot OUT_DIR/NAME/VERSION, which appears when it is complete.

    Arguments and errors as those of `flaxgal.datasets.builders.build_snapshot`; `table` is what told the classes, if
    one did, and `crop` the share of each frame's side that the pictures show, about its centre: what galaxies to
    classify have to be cropped to as well. The card counts the galaxies of each class in each split, and those of the
    table that have no picture.
    """
    if image_size < 1:
        raise ValueError(f"image size {image_size}, expected 1 pixel or more")
    wanted = (image_size, image_size, len(bands))
    truth: list[str] | None = None
    known: dict[str, Counter[tuple[str, str]]] = {name: Counter() for name in SCHEMAS}
    shapes: Counter[str] = Counter()
    from_bands: Counter[str] = Counter()

    def take(example: ClassExample) -> tuple[bytes, dict[str, Any]]:
        nonlocal truth
        truth = sorted(example.truth) if truth is None else truth
        _check(example, wanted, truth)
        for schema, counts in known.items():
            counts[example.split, example.labels.label(schema)] += 1
        if example.picture_shape is not None:
            shapes[" × ".join(map(str, example.picture_shape))] += 1
        if example.picture_bands:
            from_bands[" ".join(example.picture_bands)] += 1
        return _record(example), _line(example.labels)

    def closing(writer: SnapshotWriter) -> dict[str, Any]:
        told = {} if table is None else _about_table(table, writer.names)
        balances = {schema: _by_split(SCHEMAS[schema], counts) for schema, counts in known.items()}
        return {
            "features": _features(tuple(bands), image_size, truth or []),
            "metadata": {
                "bands": tuple(bands),
                "image_size": image_size,
                "seen": "sky",
                "crop": crop,
                "schemas": [schema.to_dict() for schema in SCHEMAS.values()],
            },
            "description": description,
            "citation": citation or "\n".join(filter(None, (citations(writer.surveys), _labellers(table)))),
            "provenance": {
                "schemas": list(SCHEMAS),
                "balance": balances,
                "picture_sizes": dict(shapes),
                "picture_bands": dict(from_bands),
                **told,
                **(provenance or {}),
            },
            "notes": "\n".join(
                filter(
                    None,
                    (
                        *(balance_table(schema, balances[schema.name]) for schema in SCHEMAS.values()),
                        *(f"{remark}." for remark in told.get("table_remarks", ())),
                    ),
                )
            ),
            "orientation": _ORIENTATION,
        }

    return write_snapshot(examples, out_dir, name=name, version=version, take=take, closing=closing)


def read_class_examples(snapshot: Snapshot, split: str, numbers: Sequence[int]) -> Iterator[ClassExample]:
    """Examples of a split by their numbers (0 is the first), in the order asked for."""
    size = snapshot.image_size
    for columns in raw_records(snapshot.folder, split, numbers):
        yield ClassExample(
            object_id=text_in(columns, "object_id"),
            survey=text_in(columns, "survey"),
            image=numbers_in(columns, "image").reshape(size, size, len(snapshot.bands)),
            labels=Labels(
                morphology=text_in(columns, "morphology"),
                winding=text_in(columns, "winding"),
                t_type=float(columns["t_type"].float_list.value[0]),
            ),
            split=split,
            ra_deg=float(numbers_in(columns, "ra_deg", np.float64)[0]),
            dec_deg=float(numbers_in(columns, "dec_deg", np.float64)[0]),
            truth=truth_in(columns),
        )


def labels_of_split(snapshot: Snapshot, split: str, schema: LabelSchema) -> tuple[str, ...]:
    """Each galaxy's class in a schema, in the order of the split, empty where it is not known; no picture is read.

    Raises
    ------
    ValueError
        If the snapshot has masks and not classes.
    """
    if schema.name not in {one.name for one in snapshot.schemas}:
        told = f"it tells {', '.join(one.name for one in snapshot.schemas)}" if snapshot.schemas else "it has masks"
        raise ValueError(
            f"{snapshot.folder}: tells no {schema.name} of its galaxies ({told}); build one with classes: flaxgal "
            f"build STORE --morphology TABLE"
        )
    path = snapshot.folder / "revisions.jsonl"
    labels = _lines(path, path.stat().st_mtime_ns)
    return tuple(one.label(schema.name) for where, one in labels if where == split)


def class_balance(snapshot: Snapshot, schema: LabelSchema) -> dict[str, dict[str, int]]:
    """Galaxies by split and class; under the class "" those that are left out, as their class is not known."""
    counts = Counter((split, label) for split in snapshot.sizes for label in labels_of_split(snapshot, split, schema))
    return _by_split(schema, counts)


def check_classes(snapshots: Sequence[Snapshot], schema: LabelSchema) -> None:
    """Refuse snapshots from which the classes of a schema cannot be learnt and checked.

    Raises
    ------
    ValueError
        If all training galaxies are of one class; or a class has none in the training split, or none in a validation
        split that has others. Of ordered classes some may be missing.
    """
    total: Counter[tuple[str, str]] = Counter()
    for snapshot in snapshots:
        for split, counts in class_balance(snapshot, schema).items():
            total.update({(split, label): number for label, number in counts.items() if label})
    named = ", ".join(str(snapshot.folder) for snapshot in snapshots)
    having = {split: [name for name in schema.classes if total[split, name]] for split in SPLITS}
    if not having["train"]:
        raise ValueError(
            f"{named}: no galaxy in split train has a known {schema.name}; build from a table that tells it"
        )
    if len(having["train"]) == 1:
        raise ValueError(
            f"{named}: every galaxy in split train is {having['train'][0]}, which teaches no difference; add galaxies "
            f"that are {' or '.join(name for name in schema.classes if name not in having['train'])}"
        )
    for split in ("train", "validation"):
        missing = [name for name in schema.classes if name not in having[split]]
        if missing and having[split] and not schema.ordered:
            raise ValueError(
                f"{named}: no galaxy in split {split} is {' or '.join(missing)}; add such galaxies, or build with "
                f"other splits (--fold K --folds N)"
            )


def mixed_sizes(snapshot: Snapshot) -> str:
    """A sentence on the pictures that a snapshot was made from, if they were of several sizes; else nothing."""
    if len(sizes := _pictures(snapshot, "picture_sizes")) < 2:
        return ""
    return (
        f"pictures of {len(sizes)} sizes, {_most(sizes)}, were all fitted to {snapshot.image_size} × "
        f"{snapshot.image_size}: unless each shows a galaxy to the same extent, cut them to one scale first"
    )


def mixed_bands(snapshot: Snapshot) -> str:
    """A sentence on the pictures that a grey snapshot was made from, if they were in several sets of bands."""
    bands = _pictures(snapshot, "picture_bands")
    if len(bands) < 2 or snapshot.bands != ("grey",):
        return ""
    return (
        f"pictures in {len(bands)} sets of bands, {_most(bands)}, were all made grey: a class that goes with its "
        f"source is then learnt from the bands; take pictures in the same bands, or every class in each"
    )


def _pictures(snapshot: Snapshot, what: str) -> dict[str, int]:
    """How many pictures a snapshot was made from, of each kind; nothing where an older flaxgal did not count them."""
    return json.loads((snapshot.folder / "provenance.json").read_text()).get(what, {})


def _most(counts: Mapping[str, int]) -> str:
    most = sorted(counts, key=lambda name: counts[name], reverse=True)
    return ", ".join(f"{name} ({counts[name]:,})" for name in most[:3]) + (" …" if len(most) > 3 else "")


def table_remarks(snapshot: Snapshot) -> tuple[str, ...]:
    """Sentences on the table that told the classes of a snapshot: what there is in it that did not go in."""
    return tuple(json.loads((snapshot.folder / "provenance.json").read_text()).get("table_remarks", ()))


def balance_table(schema: LabelSchema, balance: Balance) -> str:
    """Galaxies of each class in each split, as a table in Markdown; nothing if no class is known of any."""
    if not any(number for counts in balance.values() for label, number in counts.items() if label):
        return ""
    heads = [*schema.classes, "not known"]
    rows = [[schema.name, *heads], ["---"] * (len(heads) + 1)]
    rows += [[split, *(f"{counts[name]:,}" for name in (*schema.classes, ""))] for split, counts in balance.items()]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _about_table(table: ClassTable, pictured: Set[str]) -> dict[str, Any]:
    """What a snapshot's provenance says of a table, of whose galaxies some came with a picture."""
    missing = sum(name not in pictured for names in (table.labels, table.untold) for name in names)
    unpictured = [f"{missing:,} galaxies have no readable picture here"] if missing else []
    return {
        "table": table.name,
        "vocabularies": list(table.vocabularies),
        "table_remarks": [f"{table.name}: {remark}" for remark in (*unpictured, *table.remarks)],
    }


def _labellers(table: ClassTable | None) -> str:
    """BibTeX of who made the labels of a table."""
    return "" if table is None else next((LABELS[one] for one in LABELS if one in table.vocabularies), "")


def _by_split(schema: LabelSchema, counts: Mapping[tuple[str, str], int]) -> dict[str, dict[str, int]]:
    splits = [split for split in SPLITS if any(where == split for where, _ in counts)]
    return {split: {name: counts.get((split, name), 0) for name in (*schema.classes, "")} for split in splits}


def _line(labels: Labels) -> dict[str, Any]:
    """What revisions.jsonl says of a galaxy."""
    t_type = None if math.isnan(labels.t_type) else labels.t_type
    return {"morphology": labels.morphology, "winding": labels.winding, "t_type": t_type}


@functools.lru_cache(maxsize=16)
def _lines(path: Path, written: int) -> tuple[tuple[str, Labels], ...]:
    """Split and labels of each galaxy, in the order of revisions.jsonl."""
    del written  # part of the key: a folder may be deleted and built again
    lines = map(json.loads, path.read_text().splitlines())
    return tuple(
        (
            line["split"],
            Labels(
                morphology=line["morphology"],
                winding=line["winding"],
                t_type=math.nan if line["t_type"] is None else line["t_type"],
            ),
        )
        for line in lines
    )


def _check(example: ClassExample, wanted: tuple[int, int, int], truth: Sequence[str]) -> None:
    who = example.object_id
    if example.image.shape != wanted:
        raise ValueError(f"{who}: image of shape {example.image.shape}, expected {wanted}")
    for schema in ("morphology", "winding"):
        label = getattr(example.labels, schema)
        if label not in ("", *SCHEMAS[schema].classes):
            raise ValueError(f"{who}: {schema} {label!r}, expected one of {', '.join(SCHEMAS[schema].classes)}")
    if sorted(example.truth) != truth:
        found, expected = (", ".join(names) or "none" for names in (sorted(example.truth), truth))
        raise ValueError(f"{who}: truth columns {found}, expected {expected} as of the first galaxy")


def _features(bands: tuple[str, ...], size: int, truth: Sequence[str]) -> Any:
    """The columns of a snapshot, as TFDS documents them."""
    features = tfds_module().features
    return features.FeaturesDict(
        {
            "object_id": features.Text(doc="Name of the galaxy in its survey"),
            "survey": features.Text(doc="Survey that the picture is from; empty when unknown"),
            "image": pixels_feature(
                (size, size, len(bands)), f"Picture as seen on the sky, 8-bit brightness in bands {', '.join(bands)}"
            ),
            "morphology": features.Text(doc="E, S0 (T-type -3 to 0) or Sp (1 to 9); empty when not known"),
            "winding": features.Text(
                doc="S, Z (arms turn anticlockwise on the way out) or none, as seen on the sky; empty when not known"
            ),
            "t_type": features.Scalar(np.float32, doc="T-type, -5 to 10; NaN when not known"),
            "ra_deg": degrees_feature("Right ascension (ICRS) in degrees; NaN when unknown"),
            "dec_deg": degrees_feature("Declination (ICRS) in degrees; NaN when unknown"),
            **truth_features(truth),
        }
    )


def _record(example: ClassExample) -> bytes:
    labels = example.labels
    return record_of(
        texts={
            "object_id": example.object_id,
            "survey": example.survey,
            "morphology": labels.morphology,
            "winding": labels.winding,
        },
        arrays={"image": example.image},
        degrees={"ra_deg": example.ra_deg, "dec_deg": example.dec_deg},
        floats={"t_type": labels.t_type, **truth_floats(example.truth)},
    )
