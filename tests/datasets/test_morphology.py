import json
import math

import numpy as np
import pytest

from flaxgal.datasets.builders import open_snapshot
from flaxgal.datasets.loader import load_split
from flaxgal.datasets.morphology import (
    MorphologyExample,
    build_morphology_snapshot,
    morphologies_from_store,
    read_morphology_examples,
)
from flaxgal.labels.store import Store
from flaxgal.survey.cutout import Cutout, Unreadable
from flaxgal.survey.nair_abraham import Morphology, write_classes, write_morphologies

BANDS = ("u", "g", "r", "i", "z")
KIND = {"bands": BANDS, "image_size": 16}
T_TYPES = {"e": -5.0, "s0": -2.0, "sp": 4.0, "irr": 10.0}


@pytest.fixture
def store(tmp_path):
    """Five-band cutouts of one galaxy of each kind, and one that no expert has seen."""
    store = Store.create(tmp_path / "sdss")
    for number, name in enumerate([*T_TYPES, "unseen"]):
        flux = 1 + np.random.default_rng(number).random((5, 20, 20))
        store.add(
            Cutout(
                object_id=name,
                flux=flux,
                bands=BANDS,
                unit="nJy",
                survey="SDSS",
                ra_deg=150.0 + number,
                dec_deg=3.03,
            )
        )
    return store


@pytest.fixture
def table(tmp_path):
    galaxies = [
        Morphology(object_id=name, ra_deg=150.0 + number, dec_deg=3.03, t_type=t_type)
        for number, (name, t_type) in enumerate(T_TYPES.items())
    ]
    write_morphologies(galaxies, tmp_path / "classes.ecsv")
    return tmp_path / "classes.ecsv"


def build(store, table, out, **options):
    return build_morphology_snapshot(morphologies_from_store(store, table, **KIND), out, **KIND, **options)


def test_galaxies_and_classes_become_a_tfds_data_set(store, table, tmp_path):
    import tensorflow_datasets as tfds

    folder = build(store, table, tmp_path / "sets")
    assert folder == tmp_path / "sets" / "galaxy_morphology" / "1.0.0"
    builder = tfds.builder_from_directory(folder)
    assert builder.info.features["label"].names == ["E", "S0", "Sp"]
    found = {
        row["object_id"].decode(): (int(row["label"]), float(row["t_type"]), row["image"].shape)
        for split in builder.info.splits
        for row in builder.as_data_source(split)
    }
    shape = (16, 16, 5)
    assert found == {"e": (0, -5.0, shape), "s0": (1, -2.0, shape), "sp": (2, 4.0, shape)}
    assert "Nair, P. B." in builder.info.citation
    assert "Seventeenth Data Release" in builder.info.citation
    assert all(feature.doc.desc for feature in builder.info.features.values())


def test_our_own_reader_gives_back_what_was_written(store, table, tmp_path):
    examples = {item.object_id: item for item in morphologies_from_store(store, table, **KIND)}
    snapshot = open_snapshot(build(store, table, tmp_path))
    for split, size in snapshot.sizes.items():
        for back in read_morphology_examples(snapshot, split, range(size)):
            for name in MorphologyExample.__dataclass_fields__:
                np.testing.assert_array_equal(getattr(back, name), getattr(examples[back.object_id], name))
    lines = [json.loads(line) for line in (snapshot.folder / "revisions.jsonl").read_text().splitlines()]
    assert [(line["object_id"], line["morphology"]) for line in lines] == [("e", "E"), ("s0", "S0"), ("sp", "Sp")]


def test_the_card_explains_the_classes_to_a_stranger(store, table, tmp_path):
    text = (build(store, table, tmp_path) / "README.md").read_text()
    assert "| `label` | one value | int64 | 0 E, 1 S0 (T-type -3 to 0), 2 Sp (1 to 9)" in text
    assert "| `image` | 16 × 16 × 5 | uint8 |" in text
    assert "| `object_id` | one value | text | Name of the galaxy in its survey |" in text
    assert "3 galaxies" in text
    assert "\n\n\n" not in text


def test_classes_without_t_types_will_do(store, tmp_path):
    write_classes({"e": "E", "sp": "Sp"}, tmp_path / "labels.ecsv")
    found = list(morphologies_from_store(store, tmp_path / "labels.ecsv", **KIND))
    assert [(item.object_id, item.morphology) for item in found] == [("e", "E"), ("sp", "Sp")]
    assert all(math.isnan(item.t_type) for item in found)


def test_a_galaxy_that_lacks_a_band_is_left_out_and_the_others_go_on(store, table, tmp_path):
    flux = 1 + np.random.default_rng(0).random((1, 20, 20))
    store.add(Cutout(object_id="a", flux=flux, bands=("r",), unit="nJy"))
    galaxies = [Morphology(object_id=name, ra_deg=1.0, dec_deg=1.0, t_type=1.0) for name in ("a", "sp")]
    write_morphologies(galaxies, tmp_path / "more.ecsv")
    first, second = morphologies_from_store(store, tmp_path / "more.ecsv", **KIND)
    assert isinstance(first, Unreadable)
    assert "bands found are r" in first.reason
    assert second.object_id == "sp"


def test_a_table_of_other_galaxies_is_refused(store, tmp_path):
    write_classes({"other": "E"}, tmp_path / "labels.ecsv")
    with pytest.raises(ValueError, match=r"tells the class of no galaxy in .*sdss; is it the table of another store"):
        list(morphologies_from_store(store, tmp_path / "labels.ecsv", **KIND))


def test_training_arms_on_classes_is_refused(store, table, tmp_path):
    folder = build(store, table, tmp_path)
    (split, *_) = open_snapshot(folder).sizes
    with pytest.raises(ValueError, match=r"classes E S0 Sp, 16 pixels, but wanted are .* classes arm"):
        load_split(folder, split, classes=("arm",))


def test_the_same_galaxies_give_the_same_bytes(store, table, tmp_path):
    one, two = (build(store, table, tmp_path / name) for name in "ab")
    assert {path.name: path.read_bytes() for path in one.iterdir()} == {
        path.name: path.read_bytes() for path in two.iterdir()
    }


def test_a_wrong_class_is_refused_and_leaves_nothing(tmp_path):
    wrong = MorphologyExample(
        object_id="a", survey="", image=np.zeros((16, 16, 5), np.uint8), morphology="Irr", split="train"
    )
    with pytest.raises(ValueError, match="a: class 'Irr', expected one of E, S0, Sp"):
        build_morphology_snapshot([wrong], tmp_path, **KIND)
    assert list(tmp_path.glob("*/*")) == []
