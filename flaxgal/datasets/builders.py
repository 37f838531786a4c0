"""Dataset snapshots: labelled galaxies as a versioned TFDS data set, frozen, so that a run can cite what it saw.

Written as array_record, the one format of TFDS that is written and read without TensorFlow. A snapshot is the folder
OUT/NAME/VERSION, which `tfds.builder_from_directory` opens; `README.md` in it is the data set's card, `revisions.jsonl`
says which revisions of each galaxy went in, `provenance.json` everything else that it was made from. The same examples
give the same bytes.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from flaxgal.datasets.examples import Example
from flaxgal.datasets.snapshot_files import (
    degrees_feature,
    next_version,
    numbers_in,
    pixels_feature,
    raw_records,
    record_of,
    snapshot_under_way,
    text_in,
    tfds_module,
    versions_in,
)
from flaxgal.survey.cutout import Unreadable

__all__ = ["Snapshot", "build_snapshot", "next_version", "open_snapshot", "read_examples"]

NAME = "spiral_arms"
_DESCRIPTION = "Galaxies and masks of their spiral arms, for training and testing segmentation models."
_TRUTH = "truth/"


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """What a dataset snapshot says about itself."""

    folder: Path
    name: str
    version: str
    bands: tuple[str, ...]
    classes: tuple[str, ...]
    image_size: int
    sizes: Mapping[str, int]
    """Galaxies in each split that has any."""


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
    with snapshot_under_way(out_dir, name, version) as (writer, final):
        for item in examples:
            if isinstance(item, Unreadable):
                writer.leave_out(item)
            elif not writer.came_twice(item.object_id):
                truth = sorted(item.truth) if truth is None else truth
                _check(item, bands, classes, image_size, truth)
                writer.keep(
                    _record(item),
                    object_id=item.object_id,
                    survey=item.survey,
                    split=item.split,
                    ra_deg=item.ra_deg,
                    dec_deg=item.dec_deg,
                    about={"revision": item.revision},
                )
        writer.close(
            features=_features(bands, classes, image_size, truth or []),
            metadata={"bands": bands, "classes": classes, "image_size": image_size},
            description=description,
            citation=citation,
            provenance=provenance or {},
        )
    return final


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
    if "bands" not in metadata or "classes" not in metadata:
        raise ValueError(f"{folder}: a TFDS data set, but none that `flaxgal build` wrote (it names no bands)")
    return Snapshot(
        folder=folder,
        name=about.name,
        version=str(about.version),
        bands=tuple(metadata["bands"]),
        classes=tuple(metadata["classes"]),
        image_size=int(metadata["image_size"]),
        sizes={split: info.num_examples for split, info in about.splits.items() if info.num_examples},
    )


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
            truth={
                key.removeprefix(_TRUTH): columns[key].float_list.value[0] for key in columns if key.startswith(_TRUTH)
            },
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
    known = {
        f"{_TRUTH}{name}": features.Scalar(np.float32, doc=f"{name} of the mock galaxy, known exactly")
        for name in truth
    }
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
            **known,
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
        floats={_TRUTH + name: value for name, value in example.truth.items()},
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
