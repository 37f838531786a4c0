"""Dataset snapshots: labelled galaxies as a versioned TFDS data set, frozen, so that a run can cite what it saw.

Written as array_record, the one format of TFDS that is written and read without TensorFlow. A snapshot is the folder
OUT/NAME/VERSION, which `tfds.builder_from_directory` opens; `README.md` in it is the data set's card, `revisions.jsonl`
says which revisions of each galaxy went in, `provenance.json` everything else that it was made from. The same examples
give the same bytes.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from flaxgal.datasets.examples import Example
from flaxgal.datasets.snapshot_files import (
    SnapshotWriter,
    degrees_feature,
    next_version,
    numbers_in,
    pixels_feature,
    raw_records,
    record_of,
    text_in,
    tfds_module,
    truth_features,
    truth_floats,
    truth_in,
    versions_in,
    write_snapshot,
)
from flaxgal.survey.cutout import Unreadable
from flaxgal.survey.schemas import LabelSchema

__all__ = ["Snapshot", "build_snapshot", "next_version", "open_snapshot", "read_examples"]

NAME = "spiral_arms"
_DESCRIPTION = "Galaxies and masks of their spiral arms, for training and testing segmentation models."


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """What a dataset snapshot says about itself."""

    folder: Path
    name: str
    version: str
    bands: tuple[str, ...]
    classes: tuple[str, ...]
    """Of the masks; none in a snapshot for classifying."""
    image_size: int
    sizes: Mapping[str, int]
    """Galaxies in each split that has any."""
    schemas: tuple[LabelSchema, ...] = ()
    """Label schemas of a snapshot for classifying (`flaxgal.datasets.morphology`), whose pictures are as seen on the
    sky; none in one of masks."""
    crop: float = 1.0
    """Share of each frame's side that its pictures show, about the centre; of a snapshot for classifying."""


def build_snapshot(
    examples: Iterable[Example | Unreadable],
    out_dir: Path | str,
    *,
    bands: Sequence[str],
    classes: Sequence[str],
    image_size: int,
    name: str = NAME,
    version: str | None = None,
    description: str = _DESCRIPTION,
    citation: str = "",
    provenance: Mapping[str, Any] | None = None,
) -> Path:
    """Write examples as they come (memory stays flat) into a new snapshot; its folder OUT_DIR/NAME/VERSION is returned.

    The folder appears when it is complete: a run that dies leaves nothing under that name.

    Parameters
    ----------
    version
        "major.minor.patch"; the patch after the newest one there is when left out, 1.0.0 the first time.
    provenance
        What else to record beside the data: the store's id, the mocks' config.

    Raises
    ------
    ValueError
        If the version exists already, no example came, or an example does not fit bands, classes and image size.
    """
    if image_size < 1:
        raise ValueError(f"image size {image_size}, expected 1 pixel or more")
    bands, classes = tuple(bands), tuple(classes)
    truth: list[str] | None = None

    def take(example: Example) -> tuple[bytes, dict[str, Any]]:
        nonlocal truth
        truth = sorted(example.truth) if truth is None else truth
        _check(example, bands, classes, image_size, truth)
        return _record(example), {"revision": example.revision}

    def closing(_: SnapshotWriter) -> dict[str, Any]:
        return {
            "features": _features(bands, classes, image_size, truth or []),
            "metadata": {"bands": bands, "classes": classes, "image_size": image_size},
            "description": description,
            "citation": citation,
            "provenance": provenance or {},
        }

    return write_snapshot(examples, out_dir, name=name, version=version, take=take, closing=closing)


def open_snapshot(folder: Path | str) -> Snapshot:
    """The snapshot in a folder; in a folder of several versions, the newest.

    Raises
    ------
    ValueError
        If the folder holds no snapshot of flaxgal's.
    """
    folder = _version_folder(Path(folder))
    about = tfds_module().builder_from_directory(folder).info
    metadata = about.metadata or {}
    if "bands" not in metadata or not {"classes", "schemas"} & set(metadata):
        raise ValueError(f"{folder}: a TFDS data set, but none that `flaxgal build` wrote (it names no bands)")
    if "label" in about.features:
        raise ValueError(
            f"{folder}: classes as an older flaxgal wrote them, with pictures in the order of their files and not as "
            f"seen on the sky; build the snapshot again"
        )
    return Snapshot(
        folder=folder,
        name=about.name,
        version=str(about.version),
        bands=tuple(metadata["bands"]),
        classes=tuple(metadata.get("classes", ())),
        image_size=int(metadata["image_size"]),
        sizes={split: info.num_examples for split, info in about.splits.items() if info.num_examples},
        schemas=tuple(map(LabelSchema.from_dict, metadata.get("schemas", ()))),
        crop=float(metadata["crop"] if "crop" in metadata else _provenance(folder).get("crop", 1.0)),
    )


def _provenance(folder: Path) -> dict[str, Any]:
    """What stands beside the data, where an older flaxgal wrote down the crop; empty where nothing does."""
    path = folder / "provenance.json"
    return json.loads(path.read_text()) if path.is_file() else {}


def read_examples(snapshot: Snapshot, split: str, numbers: Sequence[int]) -> Iterator[Example]:
    """Examples of a split by their numbers (0 is the first), in the order asked for."""
    size, bands, classes = snapshot.image_size, len(snapshot.bands), len(snapshot.classes)
    for columns in raw_records(snapshot.folder, split, numbers):
        yield Example(
            object_id=text_in(columns, "object_id"),
            survey=text_in(columns, "survey"),
            image=numbers_in(columns, "image").reshape(size, size, bands),
            target=numbers_in(columns, "target").reshape(size, size, classes),
            weight=numbers_in(columns, "weight").reshape(size, size),
            split=split,
            ra_deg=float(numbers_in(columns, "ra_deg", np.float64)[0]),
            dec_deg=float(numbers_in(columns, "dec_deg", np.float64)[0]),
            revision=text_in(columns, "revision"),
            truth=truth_in(columns),
            bands=snapshot.bands,
        )


def _check(example: Example, bands: tuple[str, ...], classes: tuple[str, ...], size: int, truth: Sequence[str]) -> None:
    wanted = ((size, size, len(bands)), (size, size, len(classes)), (size, size))
    found = (example.image.shape, example.target.shape, example.weight.shape)
    if found != wanted or example.bands not in ((), bands):
        raise ValueError(
            f"{example.object_id}: image, target and weight of shapes {found}, expected {wanted} for bands "
            f"{' '.join(bands)} and classes {' '.join(classes)} at {size} pixels"
        )
    if sorted(example.truth) != truth:
        found, wanted = (", ".join(names) or "none" for names in (sorted(example.truth), truth))
        raise ValueError(f"{example.object_id}: truth columns {found}, expected {wanted} as of the first galaxy")


def _features(bands: Sequence[str], classes: Sequence[str], size: int, truth: Sequence[str]) -> Any:
    """The columns of a snapshot, as TFDS documents them."""
    features = tfds_module().features
    return features.FeaturesDict(
        {
            "object_id": features.Text(doc="Name of the galaxy in its survey"),
            "survey": features.Text(doc="Survey that the picture is from; empty when unknown"),
            "image": pixels_feature((size, size, len(bands)), f"Picture, 8-bit brightness in bands {', '.join(bands)}"),
            "target": pixels_feature(
                (size, size, len(classes)),
                f"Share of people who marked the pixel as {', '.join(classes)}; 255 is everybody",
            ),
            "weight": pixels_feature(
                (size, size), "Share of the pixel that counts; 0 is padding, no data or uncertain"
            ),
            "ra_deg": degrees_feature("Right ascension (ICRS) in degrees; NaN when unknown"),
            "dec_deg": degrees_feature("Declination (ICRS) in degrees; NaN when unknown"),
            "revision": features.Text(
                doc="Ids of the label store's revisions that the target is made of, comma between"
            ),
            **truth_features(truth),
        }
    )


def _record(example: Example) -> bytes:
    """An example as the bytes that TFDS reads, always the same for the same example.

    TFDS's own serialiser gives the same columns at five times the price; a test reads ours with TFDS.
    """
    return record_of(
        texts={name: getattr(example, name) for name in ("object_id", "survey", "revision")},
        arrays={name: getattr(example, name) for name in ("image", "target", "weight")},
        degrees={name: getattr(example, name) for name in ("ra_deg", "dec_deg")},
        floats=truth_floats(example.truth),
    )


def _version_folder(folder: Path) -> Path:
    versions = versions_in(folder)
    if versions and not (folder / "dataset_info.json").exists():
        folder = folder / ".".join(map(str, versions[-1]))
    if not (folder / "dataset_info.json").is_file():
        raise ValueError(
            f"{folder}: no dataset snapshot here (no dataset_info.json); make one with `flaxgal build`, or name the "
            f"folder of a version, such as {folder / '1.0.0'}"
        )
    return folder
