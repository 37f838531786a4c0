"""The files of a dataset snapshot, of whatever galaxies: a versioned TFDS data set that appears whole or not at all.

    OUT/NAME/1.0.0/dataset_info.json, features.json     what `tfds.builder_from_directory` opens
    OUT/NAME/1.0.0/NAME-train.array_record-00000 …      the galaxies
    OUT/NAME/1.0.0/README.md                            the data set's card, for a stranger
    OUT/NAME/1.0.0/revisions.jsonl, left_out.jsonl      which galaxies went in, and which did not and why
    OUT/NAME/1.0.0/provenance.json                      everything else that it was made from

array_record is the one format of TFDS that is written and read without TensorFlow. The same galaxies give the same
bytes.
"""

import contextlib
import functools
import json
import math
import os
import re
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from flaxgal import __version__
from flaxgal.datasets.cards import ROWS_AS_IN_FILES, card, citations
from flaxgal.datasets.splits import SPLITS
from flaxgal.survey.atomic import sync
from flaxgal.survey.cutout import Unreadable

__all__ = [
    "SnapshotWriter",
    "degrees_feature",
    "next_version",
    "numbers_in",
    "pixels_feature",
    "raw_records",
    "record_of",
    "snapshot_under_way",
    "text_in",
    "tfds_module",
    "truth_features",
    "truth_floats",
    "truth_in",
    "versions_in",
    "write_snapshot",
]

EXAMPLES_A_SHARD = 4096
_TRUTH = "truth/"
_LINES_AT_ONCE = 1000


class SnapshotWriter:
    """A snapshot under way in a folder that nobody else knows of; `snapshot_under_way` makes it."""

    def __init__(self, folder: Path, name: str, version: str) -> None:
        self.folder, self.name, self.version = folder, name, version
        self.surveys: Counter[str] = Counter()
        self.left_out: Counter[str] = Counter()
        """Galaxies by the reason why they do not go in, without their names."""
        self.names: set[str] = set()
        """Of all galaxies that came, be they in or left out."""
        self._shards: dict[str, _Shards] = {}
        self._seen: set[str] = set()
        self._lines: dict[str, list[str]] = {}

    def keep(self, galaxy: Any, record: bytes, about: Mapping[str, Any]) -> None:
        """Take an example, of whatever kind; `about` goes into revisions.jsonl with its id, split and position."""
        object_id, split = galaxy.object_id, galaxy.split
        if split not in SPLITS:
            raise ValueError(f"{object_id}: split {split!r}, expected one of {', '.join(SPLITS)}")
        if split not in self._shards:
            self._shards[split] = _Shards(self.folder, self.name, split)
        self._shards[split].write(record)
        self._seen.add(object_id)
        self.names.add(object_id)
        self.surveys[galaxy.survey] += 1
        place = {"ra_deg": _or_none(galaxy.ra_deg), "dec_deg": _or_none(galaxy.dec_deg)}
        self._log("revisions.jsonl", {"object_id": object_id, "split": split, **about, **place})

    def leave_out(self, item: Unreadable) -> None:
        """Note a galaxy that does not go in."""
        self.left_out[item.reason_alone] += 1
        self.names.add(item.name)
        self._log("left_out.jsonl", {"object_id": item.name, "reason": item.reason})

    def came_twice(self, object_id: str) -> bool:
        """Whether a galaxy of this id is in already; a second one is then noted as left out."""
        if object_id in self._seen:
            reason = f"{object_id}: this galaxy came twice; the first is kept, give the other one another id"
            self.leave_out(Unreadable(object_id, reason))
        return object_id in self._seen

    def close(
        self,
        *,
        features: Any,
        metadata: Mapping[str, Any],
        description: str,
        citation: str,
        provenance: Mapping[str, Any],
        notes: str = "",
        orientation: str = ROWS_AS_IN_FILES,
    ) -> None:
        """Write everything that says what this is; `notes` and `orientation` (of the pictures) go into the card.

        Raises
        ------
        ValueError
            If no galaxy came.
        """
        if not self._shards:
            nothing = "no galaxy to build a snapshot from"
            if number := self.left_out.total():
                raise ValueError(f"{nothing} ({number} left out)")
            raise ValueError(f"{nothing}; label some first, or see what `flaxgal store status` says")
        self._flush()
        for shards in self._shards.values():
            shards.close()
        citation = citation or citations(self.surveys)
        sizes = {split: sum(self._shards[split].lengths) for split in SPLITS if split in self._shards}
        self._describe(features, dict(metadata), description, citation)
        about = {
            "software": f"flaxgal {__version__}",
            **metadata,
            "galaxies": sizes,
            "left_out": self.left_out.total(),
            **provenance,
        }
        (self.folder / "provenance.json").write_text(json.dumps(about, indent=2) + "\n")
        (self.folder / "README.md").write_text(
            card(
                name=self.name,
                version=self.version,
                description=description,
                sizes=sizes,
                surveys=self.surveys,
                left_out=self.left_out,
                columns=[(name, *_in_words(feature)) for name, feature in features.items()],
                citation=citation,
                look=provenance.get("look", ""),
                twins_together="store_id" in provenance,
                notes=notes,
                orientation=orientation,
            )
        )

    def _log(self, file: str, line: Mapping[str, Any]) -> None:
        self._lines.setdefault(file, []).append(json.dumps(line) + "\n")
        if len(self._lines[file]) == _LINES_AT_ONCE:
            self._flush()

    def _flush(self) -> None:
        for file, lines in self._lines.items():
            with (self.folder / file).open("a") as log:
                log.writelines(lines)
        self._lines.clear()

    def _describe(self, features: Any, metadata: dict[str, Any], description: str, citation: str) -> None:
        """The metadata by which TFDS opens the folder."""
        core = tfds_module().core
        about = core.DatasetInfo(
            builder=core.dataset_info.DatasetIdentity(
                name=self.name, version=core.Version(self.version), data_dir=self.folder, module_name=__name__
            ),
            features=features,
            description=description,
            citation=citation,
            metadata=core.MetadataDict(**{name: _as_list(value) for name, value in metadata.items()}),
        )
        about.set_file_format("array_record")
        about.set_splits(
            core.splits.SplitDict([self._shards[split].info() for split in SPLITS if split in self._shards])
        )
        about.write_to_directory(self.folder)


@contextlib.contextmanager
def snapshot_under_way(out_dir: Path | str, name: str, version: str | None) -> Iterator[tuple[SnapshotWriter, Path]]:
    """A writer, and the folder that appears when the block ends well; nothing is left when it does not.

    Raises
    ------
    ValueError
        If the version is none, or exists already.
    """
    home = Path(out_dir) / name
    version = next_version(home) if version is None else version
    final = home / version
    if not re.fullmatch(r"\d+\.\d+\.\d+", version):
        raise ValueError(f"version {version!r}, expected three numbers such as 1.0.0")
    if final.exists():
        raise ValueError(f"{final}: this snapshot exists and is never overwritten; give a higher version, or none")
    new = [folder for folder in (home, *home.parents) if not folder.exists()]
    home.mkdir(parents=True, exist_ok=True)
    under_way = Path(tempfile.mkdtemp(dir=home, prefix=f".building-{version}-"))
    try:
        under_way.chmod(0o755)  # mkdtemp's folders are for the owner only: nobody else on a cluster could read them
        yield SnapshotWriter(under_way, name, version), final
        _publish(under_way, final)
    finally:
        shutil.rmtree(under_way, ignore_errors=True)
        for folder in new:  # the innermost first; one that holds anything stays
            with contextlib.suppress(OSError):
                folder.rmdir()


def write_snapshot(
    galaxies: Iterable[Any],
    out_dir: Path | str,
    *,
    name: str,
    version: str | None,
    take: Callable[[Any], tuple[bytes, Mapping[str, Any]]],
    closing: Callable[[SnapshotWriter], Mapping[str, Any]],
) -> Path:
    """Write galaxies as they come into a new snapshot, OUT_DIR/NAME/VERSION; memory stays flat.

    Parameters
    ----------
    galaxies
        Each an example with id, survey, split and position, or `Unreadable` where one is left out. One that comes twice
        is kept once.
    take
        A galaxy's record, and what stands of it in revisions.jsonl; raises ValueError if it does not fit the others.
    closing
        Called when all are written: the arguments of `SnapshotWriter.close`.
    """
    with snapshot_under_way(out_dir, name, version) as (writer, final):
        for item in galaxies:
            if isinstance(item, Unreadable):
                writer.leave_out(item)
            elif not writer.came_twice(item.object_id):
                writer.keep(item, *take(item))
        writer.close(**closing(writer))
    return final


def next_version(home: Path) -> str:
    """The patch version after the newest snapshot in a data set's folder; 1.0.0 if there is none."""
    versions = versions_in(home)
    if not versions:
        return "1.0.0"
    major, minor, patch = versions[-1]
    return f"{major}.{minor}.{patch + 1}"


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
        if self.lengths[-1] == EXAMPLES_A_SHARD:
            self.close()

    def close(self) -> None:
        if self.writer is not None:
            self.writer.close()
            self.writer = None

    def info(self) -> Any:
        tfds = tfds_module()
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


def pixels_feature(shape: tuple[int, ...], description: str) -> Any:
    """A column of 8-bit pixels."""
    # Raw bytes: as a list of integers TFDS is many times slower, and Image knows one, three or four bands only.
    features = tfds_module().features
    return features.Tensor(
        shape=shape,
        dtype=np.uint8,
        encoding=features.Encoding.BYTES,
        doc=features.Documentation(desc=description, value_range="0 to 255"),
    )


def degrees_feature(description: str) -> Any:
    """A column with an angle in degrees."""
    # As bytes: TFDS writes every float column as float32, which is 0.1 arcsec of right ascension.
    features = tfds_module().features
    doc = features.Documentation(desc=description)
    return features.Tensor(shape=(1,), dtype=np.float64, encoding=features.Encoding.BYTES, doc=doc)


def record_of(
    *,
    texts: Mapping[str, str],
    arrays: Mapping[str, np.ndarray],
    degrees: Mapping[str, float],
    floats: Mapping[str, float],
    integers: Mapping[str, int] | None = None,
) -> bytes:
    """A galaxy as TFDS would serialise it."""
    from tensorflow_datasets.proto import tf_example_pb2, tf_feature_pb2

    feature, listed = tf_feature_pb2.Feature, tf_feature_pb2.BytesList
    values = (
        {name: text.encode() for name, text in texts.items()}
        | {name: array.tobytes() for name, array in arrays.items()}
        | {name: np.float64(value).tobytes() for name, value in degrees.items()}
    )
    columns = {name: feature(bytes_list=listed(value=[value])) for name, value in values.items()}
    for name, value in floats.items():
        columns[name] = feature(float_list=tf_feature_pb2.FloatList(value=[value]))
    for name, value in (integers or {}).items():
        columns[name] = feature(int64_list=tf_feature_pb2.Int64List(value=[value]))
    record = tf_example_pb2.Example(features=tf_feature_pb2.Features(feature=columns))
    # Protobuf writes maps in an order that differs between processes unless it is asked not to.
    return record.SerializeToString(deterministic=True)


def raw_records(folder: Path, split: str, numbers: Sequence[int]) -> Iterator[Any]:
    """The columns of galaxies of a split by their numbers, as protobuf has them; see `text_in` and `numbers_in`.

    `as_data_source` gives the same arrays at four times the price.
    """
    from tensorflow_datasets.proto import tf_example_pb2

    source = _raw_source(folder, split, (folder / "dataset_info.json").stat().st_mtime_ns)
    for record in source.__getitems__([int(number) for number in numbers]):
        yield tf_example_pb2.Example.FromString(record).features.feature


@functools.lru_cache(maxsize=32)
def _raw_source(folder: Path, split: str, written: int) -> Any:
    """The records of a split, not yet parsed; kept open, as opening takes longer than reading a batch."""
    del written  # part of the key: a folder may be deleted and built again
    tfds = tfds_module()
    raw = tfds.decode.DeserializeMethod.RAW_BYTES
    return tfds.builder_from_directory(folder).as_data_source(split, deserialize_method=raw)


def text_in(columns: Any, name: str) -> str:
    """A column of text of one galaxy."""
    return columns[name].bytes_list.value[0].decode()


def numbers_in(columns: Any, name: str, dtype: Any = np.uint8) -> np.ndarray:
    """A column of one galaxy that is kept as bytes."""
    return np.frombuffer(columns[name].bytes_list.value[0], dtype)


def truth_features(names: Iterable[str]) -> dict[str, Any]:
    """Columns of numbers that are known exactly of mock galaxies."""
    scalar = tfds_module().features.Scalar
    return {_TRUTH + name: scalar(np.float32, doc=f"{name} of the mock galaxy, known exactly") for name in names}


def truth_floats(truth: Mapping[str, float]) -> dict[str, float]:
    """The same columns of one galaxy, for `record_of`."""
    return {_TRUTH + name: value for name, value in truth.items()}


def truth_in(columns: Any) -> dict[str, float]:
    """The same columns of one galaxy, read."""
    return {key.removeprefix(_TRUTH): columns[key].float_list.value[0] for key in columns if key.startswith(_TRUTH)}


def _in_words(feature: Any) -> tuple[str, str, str]:
    """Shape, type and meaning of a column."""
    shape = " × ".join(map(str, feature.shape)) or "one value"
    kind = np.dtype(feature.np_dtype)
    return shape, "text" if kind == np.object_ else kind.name, feature.doc.desc


def _or_none(degrees: float) -> float | None:
    return None if math.isnan(degrees) else degrees


def _as_list(value: Any) -> Any:
    return list(value) if isinstance(value, Sequence) and not isinstance(value, str) else value


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


def versions_in(home: Path) -> list[tuple[int, ...]]:
    """Versions of a data set that are complete, oldest first."""
    if not home.is_dir():
        return []
    names = [re.fullmatch(r"(\d+)\.(\d+)\.(\d+)", path.name) for path in home.iterdir()]
    return sorted(tuple(map(int, name.groups())) for name in names if name)


def tfds_module() -> Any:
    """TFDS, imported when it is first needed: it takes more than a second."""
    import tensorflow_datasets

    return tensorflow_datasets
