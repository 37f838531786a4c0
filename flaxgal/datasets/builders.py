"""Dataset snapshots: labelled galaxies as a versioned TFDS data set, frozen, so that a run can cite what it saw.

Written as array_record, the one format of TFDS that is written and read without TensorFlow. A snapshot is the folder
OUT/NAME/VERSION, which `tfds.builder_from_directory` opens; `revisions.jsonl` in it says which revisions of each galaxy
went in, `provenance.json` everything else that it was made from. The same examples give the same bytes.
"""

import functools
import json
import math
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from flaxgal import __version__
from flaxgal.datasets.examples import Example
from flaxgal.datasets.splits import SPLITS
from flaxgal.survey.atomic import sync
from flaxgal.survey.cutout import Unreadable

__all__ = ["Snapshot", "build_snapshot", "next_version", "open_snapshot", "read_examples"]

NAME = "spiral_arms"
_EXAMPLES_A_SHARD = 4096
_LINES_AT_ONCE = 1000
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
    home = Path(out_dir) / name
    version = next_version(home) if version is None else version
    final = home / version
    if image_size < 1:
        raise ValueError(f"image size {image_size}, expected 1 pixel or more")
    if not re.fullmatch(r"\d+\.\d+\.\d+", version):
        raise ValueError(f"version {version!r}, expected three numbers such as 1.0.0")
    if final.exists():
        raise ValueError(f"{final}: this snapshot exists and is never overwritten; give a higher version, or none")
    home.mkdir(parents=True, exist_ok=True)
    under_way = Path(tempfile.mkdtemp(dir=home, prefix=f".building-{version}-"))
    try:
        under_way.chmod(0o755)  # mkdtemp's folders are for the owner only: nobody else on a cluster could read them
        writer = _SnapshotWriter(under_way, name, version, tuple(bands), tuple(classes), image_size)
        for item in examples:
            writer.take(item)
        writer.close(description=description, citation=citation, provenance=dict(provenance or {}))
        _publish(under_way, final)
    finally:
        shutil.rmtree(under_way, ignore_errors=True)
    return final


def next_version(home: Path) -> str:
    """The patch version after the newest snapshot in a data set's folder; 1.0.0 if there is none."""
    versions = _versions(home)
    if not versions:
        return "1.0.0"
    major, minor, patch = versions[-1]
    return f"{major}.{minor}.{patch + 1}"


def open_snapshot(folder: Path | str) -> Snapshot:
    """The snapshot in a folder; in a folder of several versions, the newest.

    Raises
    ------
    ValueError
        If the folder holds no snapshot of flaxgal's.
    """
    folder = _version_folder(Path(folder))
    about = _tfds().builder_from_directory(folder).info
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
    """Examples of a split by their numbers (0 is the first), in the order asked for.

    Parses the records itself: `as_data_source` gives the same arrays at four times the price.
    """
    from tensorflow_datasets.proto import tf_example_pb2

    source = _raw_source(snapshot.folder, split, (snapshot.folder / "dataset_info.json").stat().st_mtime_ns)
    size, bands, classes = snapshot.image_size, len(snapshot.bands), len(snapshot.classes)
    for record in source.__getitems__([int(number) for number in numbers]):
        columns = tf_example_pb2.Example.FromString(record).features.feature
        yield Example(
            object_id=_text(columns, "object_id"),
            survey=_text(columns, "survey"),
            image=_numbers(columns, "image").reshape(size, size, bands),
            target=_numbers(columns, "target").reshape(size, size, classes),
            weight=_numbers(columns, "weight").reshape(size, size),
            split=split,
            ra_deg=float(_numbers(columns, "ra_deg", np.float64)[0]),
            dec_deg=float(_numbers(columns, "dec_deg", np.float64)[0]),
            revision=_text(columns, "revision"),
            truth={
                key.removeprefix(_TRUTH): columns[key].float_list.value[0] for key in columns if key.startswith(_TRUTH)
            },
            bands=snapshot.bands,
        )


class _SnapshotWriter:
    """A snapshot under way in a folder that nobody else knows of."""

    def __init__(
        self,
        folder: Path,
        name: str,
        version: str,
        bands: tuple[str, ...],
        classes: tuple[str, ...],
        image_size: int,
    ) -> None:
        self.folder, self.name, self.version = folder, name, version
        self.bands, self.classes, self.image_size = bands, classes, image_size
        self.features: Any = None
        self.truth: list[str] = []
        self.shards: dict[str, _Shards] = {}
        self.seen: set[str] = set()
        self.lines: dict[str, list[str]] = {}
        self.left_out = 0

    def take(self, item: Example | Unreadable) -> None:
        if isinstance(item, Example) and item.object_id in self.seen:
            reason = f"{item.object_id}: this galaxy came twice; the first is kept, give the other one another id"
            item = Unreadable(item.object_id, reason)
        if isinstance(item, Unreadable):
            self.left_out += 1
            self._log("left_out.jsonl", {"object_id": item.name, "reason": item.reason})
            return
        self._check(item)
        if self.features is None:
            self.truth = sorted(item.truth)
            self.features = _features(self.bands, self.classes, self.image_size, self.truth)
        if sorted(item.truth) != self.truth:
            found, wanted = (", ".join(names) or "none" for names in (sorted(item.truth), self.truth))
            raise ValueError(f"{item.object_id}: truth columns {found}, expected {wanted} as of the first galaxy")
        if item.split not in self.shards:
            self.shards[item.split] = _Shards(self.folder, self.name, item.split)
        self.shards[item.split].write(_record(item))
        self.seen.add(item.object_id)
        place = {
            name: None if math.isnan(degrees) else degrees
            for name, degrees in (("ra_deg", item.ra_deg), ("dec_deg", item.dec_deg))
        }
        about = {"object_id": item.object_id, "split": item.split, "revision": item.revision}
        self._log("revisions.jsonl", about | place)

    def close(self, *, description: str, citation: str, provenance: dict[str, Any]) -> None:
        if not self.shards:
            raise ValueError(
                f"no galaxy to build a snapshot from ({self.left_out} left out); label some first, or see what "
                f"`flaxgal store status` says"
            )
        self._flush()
        for shards in self.shards.values():
            shards.close()
        self._describe(description, citation)
        provenance = {
            "software": f"flaxgal {__version__}",
            "bands": self.bands,
            "classes": self.classes,
            "image_size": self.image_size,
            "galaxies": {split: sum(self.shards[split].lengths) for split in SPLITS if split in self.shards},
            "left_out": self.left_out,
        } | provenance
        (self.folder / "provenance.json").write_text(json.dumps(provenance, indent=2) + "\n")

    def _check(self, example: Example) -> None:
        size = self.image_size
        wanted = ((size, size, len(self.bands)), (size, size, len(self.classes)), (size, size))
        found = (example.image.shape, example.target.shape, example.weight.shape)
        if found != wanted or example.bands not in ((), self.bands):
            raise ValueError(
                f"{example.object_id}: image, target and weight of shapes {found}, expected {wanted} for bands "
                f"{' '.join(self.bands)} and classes {' '.join(self.classes)} at {size} pixels"
            )
        if example.split not in SPLITS:
            raise ValueError(f"{example.object_id}: split {example.split!r}, expected one of {', '.join(SPLITS)}")

    def _log(self, file: str, line: dict[str, Any]) -> None:
        self.lines.setdefault(file, []).append(json.dumps(line) + "\n")
        if len(self.lines[file]) == _LINES_AT_ONCE:
            self._flush()

    def _flush(self) -> None:
        for file, lines in self.lines.items():
            with (self.folder / file).open("a") as log:
                log.writelines(lines)
        self.lines.clear()

    def _describe(self, description: str, citation: str) -> None:
        """The metadata by which TFDS opens the folder."""
        tfds = _tfds()
        about = tfds.core.DatasetInfo(
            builder=tfds.core.dataset_info.DatasetIdentity(
                name=self.name, version=tfds.core.Version(self.version), data_dir=self.folder, module_name=__name__
            ),
            features=self.features,
            description=description,
            citation=citation,
            metadata=tfds.core.MetadataDict(
                bands=list(self.bands), classes=list(self.classes), image_size=self.image_size
            ),
        )
        about.set_file_format("array_record")
        about.set_splits(
            tfds.core.splits.SplitDict([self.shards[split].info() for split in SPLITS if split in self.shards])
        )
        about.write_to_directory(self.folder)


class _Shards:
    """The array_record files of one split."""

    def __init__(self, folder: Path, name: str, split: str) -> None:
        self.folder, self.name, self.split = folder, name, split
        self.lengths: list[int] = []
        self.bytes = 0
        self.writer: Any = None

    def write(self, record: bytes) -> None:
        from array_record.python.array_record_module import ArrayRecordWriter

        if self.writer is None:
            path = self.folder / f"{self.name}-{self.split}.array_record-{len(self.lengths):05d}"
            self.writer = ArrayRecordWriter(os.fspath(path), "group_size:1")
            self.lengths.append(0)
        self.writer.write(record)
        self.lengths[-1] += 1
        self.bytes += len(record)
        if self.lengths[-1] == _EXAMPLES_A_SHARD:
            self.close()

    def close(self) -> None:
        if self.writer is not None:
            self.writer.close()
            self.writer = None

    def info(self) -> Any:
        tfds = _tfds()
        template = tfds.core.naming.ShardedFileTemplate(
            dataset_name=self.name,
            data_dir=self.folder,
            split=self.split,
            filetype_suffix="array_record",
            template="{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_INDEX}",
        )
        return tfds.core.splits.SplitInfo(
            name=self.split, shard_lengths=self.lengths, num_bytes=self.bytes, filename_template=template
        )


def _features(bands: Sequence[str], classes: Sequence[str], size: int, truth: Sequence[str]) -> Any:
    """The columns of a snapshot, as TFDS documents them."""
    features = _tfds().features

    def pixels(shape: tuple[int, ...], description: str) -> Any:
        # Raw bytes: as a list of integers TFDS is many times slower, and Image knows one, three or four bands only.
        return features.Tensor(
            shape=shape,
            dtype=np.uint8,
            encoding=features.Encoding.BYTES,
            doc=features.Documentation(desc=description, value_range="0 to 255"),
        )

    def degrees(description: str) -> Any:
        # As bytes: TFDS writes every float column as float32, which is 0.1 arcsec of right ascension.
        doc = features.Documentation(desc=description)
        return features.Tensor(shape=(1,), dtype=np.float64, encoding=features.Encoding.BYTES, doc=doc)

    known = {
        f"{_TRUTH}{name}": features.Scalar(np.float32, doc=f"{name} of the mock galaxy, known exactly")
        for name in truth
    }
    return features.FeaturesDict(
        {
            "object_id": features.Text(doc="Name of the galaxy in its survey"),
            "survey": features.Text(doc="Survey that the picture is from; empty when unknown"),
            "image": pixels((size, size, len(bands)), f"Picture, 8-bit brightness in bands {', '.join(bands)}"),
            "target": pixels(
                (size, size, len(classes)),
                f"Share of people who marked the pixel as {', '.join(classes)}; 255 is everybody",
            ),
            "weight": pixels((size, size), "Share of the pixel that counts; 0 is padding, no data or uncertain"),
            "ra_deg": degrees("Right ascension (ICRS) in degrees; NaN when unknown"),
            "dec_deg": degrees("Declination (ICRS) in degrees; NaN when unknown"),
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
    from tensorflow_datasets.proto import tf_example_pb2, tf_feature_pb2

    feature, listed = tf_feature_pb2.Feature, tf_feature_pb2.BytesList
    texts = {name: getattr(example, name).encode() for name in ("object_id", "survey", "revision")}
    arrays = {name: getattr(example, name).tobytes() for name in ("image", "target", "weight")}
    places = {name: np.float64(getattr(example, name)).tobytes() for name in ("ra_deg", "dec_deg")}
    columns = {name: feature(bytes_list=listed(value=[value])) for name, value in (texts | arrays | places).items()}
    for name, value in example.truth.items():
        columns[_TRUTH + name] = feature(float_list=tf_feature_pb2.FloatList(value=[value]))
    record = tf_example_pb2.Example(features=tf_feature_pb2.Features(feature=columns))
    # Protobuf writes maps in an order that differs between processes unless it is asked not to.
    return record.SerializeToString(deterministic=True)


def _publish(under_way: Path, final: Path) -> None:
    """Give a complete folder its name, after all of it is on the disk."""
    for path in under_way.iterdir():
        sync(path)
    try:
        under_way.rename(final)
    except OSError:
        if final.exists():
            raise ValueError(f"{final}: another process wrote this version meanwhile; build again") from None
        raise


@functools.lru_cache(maxsize=32)
def _raw_source(folder: Path, split: str, written: int) -> Any:
    """The records of a split, not yet parsed; kept open, as opening takes longer than reading a batch."""
    del written  # part of the key: a folder may be deleted and built again
    tfds = _tfds()
    raw = tfds.decode.DeserializeMethod.RAW_BYTES
    return tfds.builder_from_directory(folder).as_data_source(split, deserialize_method=raw)


def _text(columns: Any, name: str) -> str:
    return columns[name].bytes_list.value[0].decode()


def _numbers(columns: Any, name: str, dtype: Any = np.uint8) -> np.ndarray:
    return np.frombuffer(columns[name].bytes_list.value[0], dtype)


def _versions(home: Path) -> list[tuple[int, ...]]:
    """Versions of a data set that are complete, oldest first."""
    if not home.is_dir():
        return []
    names = [re.fullmatch(r"(\d+)\.(\d+)\.(\d+)", path.name) for path in home.iterdir()]
    return sorted(tuple(map(int, name.groups())) for name in names if name)


def _version_folder(folder: Path) -> Path:
    versions = _versions(folder)
    if versions and not (folder / "dataset_info.json").exists():
        folder = folder / ".".join(map(str, versions[-1]))
    if not (folder / "dataset_info.json").is_file():
        raise ValueError(
            f"{folder}: no dataset snapshot here (no dataset_info.json); make one with `flaxgal build`, or name the "
            f"folder of a version, such as {folder / '1.0.0'}"
        )
    return folder


def _tfds() -> Any:
    """TFDS, imported when it is first needed: it takes more than a second."""
    import tensorflow_datasets

    return tensorflow_datasets
