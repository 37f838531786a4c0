import hashlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from flaxgal.datasets.builders import build_snapshot, next_version, open_snapshot, read_examples
from flaxgal.datasets.examples import Example
from flaxgal.survey.cutout import Unreadable

SIZE = 8


def an_example(number, *, split="train", **changes):
    rng = np.random.default_rng(number)
    given = {
        "object_id": f"g{number}",
        "survey": "mock",
        "image": rng.integers(0, 255, (SIZE, SIZE, 2)).astype(np.uint8),
        "target": rng.integers(0, 255, (SIZE, SIZE, 1)).astype(np.uint8),
        "weight": np.full((SIZE, SIZE), 255, np.uint8),
        "split": split,
        "ra_deg": 150.123456789,
        "dec_deg": -2.987654321,
        "revision": f"revision-{number}",
        "truth": {"flux_ratio_r": number / 10},
    }
    return Example(**(given | changes))


def build(folder, examples, **options):
    wanted = {"bands": ("g", "r"), "classes": ("arm",), "image_size": SIZE}
    return build_snapshot(examples, folder, **(wanted | options))


def some_examples():
    return [an_example(0), an_example(1, split="test"), an_example(2), an_example(3, split="validation")]


def test_tfds_opens_the_folder_and_gives_every_column_back(tmp_path):
    import tensorflow_datasets as tfds

    folder = build(tmp_path, some_examples(), description="Some galaxies.", citation="@misc{x}")
    assert folder == tmp_path / "spiral_arms" / "1.0.0"
    builder = tfds.builder_from_directory(folder)
    assert (builder.info.description, builder.info.citation) == ("Some galaxies.", "@misc{x}")
    assert {split: info.num_examples for split, info in builder.info.splits.items()} == {
        "train": 2,
        "validation": 1,
        "test": 1,
    }
    second, expected = builder.as_data_source("train")[1], an_example(2)
    assert second["object_id"].decode() == "g2"
    assert second["ra_deg"].item() == expected.ra_deg
    assert second["truth/flux_ratio_r"] == pytest.approx(0.2)
    for name in ("image", "target", "weight"):
        np.testing.assert_array_equal(second[name], getattr(expected, name))


def test_every_column_is_documented(tmp_path):
    import tensorflow_datasets as tfds

    features = tfds.builder_from_directory(build(tmp_path, some_examples())).info.features
    assert all(feature.doc.desc for feature in features.values())
    assert "g, r" in features["image"].doc.desc


def test_our_own_reader_agrees_with_tfds(tmp_path):
    snapshot = open_snapshot(build(tmp_path, some_examples()))
    (back,) = read_examples(snapshot, "train", [1])
    for name in Example.__dataclass_fields__:
        expected = ("g", "r") if name == "bands" else getattr(an_example(2), name)
        if name == "truth":
            expected = {"flux_ratio_r": pytest.approx(0.2)}
        assert np.array_equal(getattr(back, name), expected) or getattr(back, name) == expected, name
    assert (snapshot.bands, snapshot.classes, snapshot.image_size) == (("g", "r"), ("arm",), SIZE)
    assert snapshot.sizes == {"train": 2, "validation": 1, "test": 1}


def test_building_and_reading_import_neither_tensorflow_nor_jax():
    code = """
import sys, tempfile, numpy as np
from flaxgal.datasets.builders import *
from flaxgal.datasets.examples import Example
square = np.zeros((8, 8), np.uint8)
cube = square[..., None]
example = Example(object_id="a", survey="", image=cube, target=cube, weight=square, split="train")
with tempfile.TemporaryDirectory() as folder:
    made = build_snapshot([example], folder, bands=("grey",), classes=("arm",), image_size=8)
    list(read_examples(open_snapshot(made), "train", [0]))
    import tensorflow_datasets as tfds
    tfds.builder_from_directory(made).as_data_source("train")[0]
print([name for name in ("tensorflow", "jax") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout == "[]\n", done.stderr


def test_the_same_examples_give_the_same_bytes_in_another_process(tmp_path):
    def bytes_of(folder):
        return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}

    code = (
        "import sys, pathlib; sys.path.insert(0, sys.argv[1]); import test_builders as t; "
        "t.build(pathlib.Path(sys.argv[2]), t.some_examples())"
    )
    here = build(tmp_path / "a", some_examples())
    arguments = [sys.executable, "-c", code, str(Path(__file__).parent), str(tmp_path / "b")]
    subprocess.run(arguments, check=True, capture_output=True)
    assert bytes_of(here) == bytes_of(tmp_path / "b" / "spiral_arms" / "1.0.0")


def test_which_revision_went_in_is_recorded_beside(tmp_path):
    left_out = Unreadable("g9", "g9: no light")
    folder = build(tmp_path, [*some_examples(), left_out], provenance={"store_id": "abc"})
    lines = [json.loads(line) for line in (folder / "revisions.jsonl").read_text().splitlines()]
    place = {"ra_deg": 150.123456789, "dec_deg": -2.987654321}
    assert lines[1] == {"object_id": "g1", "split": "test", "revision": "revision-1"} | place
    provenance = json.loads((folder / "provenance.json").read_text())
    assert provenance["store_id"] == "abc"
    assert provenance["galaxies"] == {"train": 2, "validation": 1, "test": 1}
    assert provenance["left_out"] == 1
    assert "g9: no light" in (folder / "left_out.jsonl").read_text()


def test_a_galaxy_that_comes_twice_is_kept_once(tmp_path):
    folder = build(tmp_path, [an_example(0), an_example(0), an_example(1)])
    assert open_snapshot(folder).sizes == {"train": 2}
    assert "came twice" in (folder / "left_out.jsonl").read_text()


def test_a_build_that_dies_leaves_nothing_under_the_final_name(tmp_path):
    def dying():
        yield an_example(0)
        raise RuntimeError("disk full")

    with pytest.raises(RuntimeError, match="disk full"):
        build(tmp_path, dying())
    assert list(tmp_path.iterdir()) == []
    assert build(tmp_path, some_examples()).name == "1.0.0"


def test_a_version_is_never_overwritten_and_the_next_is_chosen(tmp_path):
    first = build(tmp_path, some_examples())
    before = {path.name: path.read_bytes() for path in first.iterdir()}
    with pytest.raises(ValueError, match="never overwritten"):
        build(tmp_path, [an_example(5)], version="1.0.0")
    assert {path.name: path.read_bytes() for path in first.iterdir()} == before
    assert build(tmp_path, [an_example(5)]).name == "1.0.1"
    for version in ("1.9.0", "1.10.0"):
        assert build(tmp_path, [an_example(5)], version=version).name == version
    assert next_version(tmp_path / "spiral_arms") == "1.10.1"
    assert open_snapshot(tmp_path / "spiral_arms").version == "1.10.0"


def test_more_than_one_file_a_split_is_read_as_one(tmp_path, monkeypatch):
    monkeypatch.setattr("flaxgal.datasets.snapshot_files.EXAMPLES_A_SHARD", 3)
    snapshot = open_snapshot(build(tmp_path, [an_example(number) for number in range(8)]))
    assert len(list(snapshot.folder.glob("*.array_record-*"))) == 3
    assert [example.object_id for example in read_examples(snapshot, "train", [7, 0, 5])] == ["g7", "g0", "g5"]


@pytest.mark.parametrize(
    ("examples", "options", "sentence"),
    [
        ([], {}, "no galaxy to build a snapshot from"),
        ([an_example(0)], {"bands": ("g",)}, r"g0: image, target and weight of shapes \(\(8, 8, 2\)"),
        ([an_example(0, bands=("r", "g"))], {}, "expected .* for bands g r"),
        ([an_example(0, split="holdout")], {}, "g0: split 'holdout', expected one of train"),
        ([an_example(0)], {"version": "new"}, "version 'new', expected three numbers"),
        ([an_example(0), an_example(1, truth={})], {}, "g1: truth columns none, expected flux_ratio_r"),
    ],
)
def test_what_does_not_fit_is_refused_and_leaves_nothing(tmp_path, examples, options, sentence):
    with pytest.raises(ValueError, match=sentence):
        build(tmp_path, examples, **options)
    assert list(tmp_path.glob("*/*")) == []


def test_a_folder_without_a_snapshot_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"no dataset snapshot here \(no dataset_info\.json\)"):
        open_snapshot(tmp_path)


@pytest.mark.parametrize("size", [0, -3])
def test_a_size_of_no_pixels_is_refused_and_leaves_nothing(size: int, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="1 pixel or more"):
        build_snapshot([], tmp_path / "sets", bands=("grey",), classes=("arm",), image_size=size)
    assert not (tmp_path / "sets").exists()


def test_a_card_and_a_citation_come_with_the_galaxies(tmp_path):
    import tensorflow_datasets as tfds

    folder = build(tmp_path, [an_example(0, survey="HSC"), an_example(1, survey="GZ3D", split="test")])
    text = (folder / "README.md").read_text()
    assert "2 galaxies: 1 train, 1 test. By survey: " in text
    assert "| `target` | 8 × 8 × 1 | uint8 | Share of people who marked the pixel as arm; 255 is everybody |" in text
    assert "Third data release of the Hyper Suprime-Cam" in text
    assert "Galaxy Zoo: 3D" in tfds.builder_from_directory(folder).info.citation
