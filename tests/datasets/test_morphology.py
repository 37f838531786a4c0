"""Snapshots for classifying: what goes in comes out, for each label schema, counted."""

import json
import math

import numpy as np
import pytest
from astropy.table import Table

from flaxgal.config import MockConfig
from flaxgal.datasets.builders import open_snapshot
from flaxgal.datasets.class_sources import classes_from_store
from flaxgal.datasets.loader import load_split
from flaxgal.datasets.mocks import mock_class_examples
from flaxgal.datasets.morphology import (
    ClassExample,
    balance_table,
    build_class_snapshot,
    check_classes,
    class_balance,
    labels_of_split,
    mixed_bands,
    read_class_examples,
)
from flaxgal.survey.class_tables import read_class_table
from flaxgal.survey.cutout import Cutout
from flaxgal.survey.schemas import SCHEMAS, Labels

BANDS = ("u", "g", "r", "i", "z")
KIND = {"bands": BANDS, "image_size": 16}
T_TYPES = {"e": -5.0, "s0": -2.0, "sp": 4.0, "irr": 10.0}


@pytest.fixture
def store(tmp_path):
    """Five-band cutouts of one galaxy of each kind, and one that no expert has seen."""
    from flaxgal.labels.store import Store

    store = Store.create(tmp_path / "sdss")
    for number, name in enumerate([*T_TYPES, "unseen"]):
        flux = 1 + np.random.default_rng(number).random((5, 20, 20))
        place = {"ra_deg": 150.0 + number, "dec_deg": 3.03}
        store.add(Cutout(object_id=name, flux=flux, bands=BANDS, unit="nJy", survey="SDSS", **place))
    return store


@pytest.fixture
def table(tmp_path):
    rows = {"object_id": list(T_TYPES), "t_type": list(T_TYPES.values())}
    Table(rows).write(tmp_path / "classes.ecsv")
    return read_class_table(tmp_path / "classes.ecsv")


def build(store, table, out, **options):
    return build_class_snapshot(classes_from_store(store, table, **KIND), out, **KIND, **options)


def an_example(name, morphology="E", *, split="train", **changes):
    given = {"survey": "", "image": np.zeros((16, 16, 5), np.uint8), "labels": Labels(morphology=morphology)}
    return ClassExample(object_id=name, split=split, **(given | changes))


def snapshot_of(tmp_path, *examples):
    return open_snapshot(build_class_snapshot(examples, tmp_path, **KIND))


def test_galaxies_and_classes_become_a_tfds_data_set(store, table, tmp_path):
    import tensorflow_datasets as tfds

    folder = build(store, table, tmp_path / "sets")
    assert folder == tmp_path / "sets" / "galaxy_morphology" / "1.0.0"
    builder = tfds.builder_from_directory(folder)
    found = {
        row["object_id"].decode(): (row["morphology"].decode(), row["winding"].decode(), float(row["t_type"]))
        for split in builder.info.splits
        for row in builder.as_data_source(split)
        if row["image"].shape == (16, 16, 5)
    }
    assert found == {
        "e": ("E", "none", -5.0),
        "s0": ("S0", "none", -2.0),
        "sp": ("Sp", "", 4.0),
        "irr": ("", "", 10.0),
    }
    assert "Seventeenth Data Release" in builder.info.citation
    assert all(feature.doc.desc for feature in builder.info.features.values())


def test_our_own_reader_gives_back_what_was_written(tmp_path):
    kind = {"bands": ("grey",), "image_size": 32}
    mocks = MockConfig(image_size=32, class_fractions=(0.3, 0.3, 0.4))
    examples = {item.object_id: item for item in mock_class_examples(mocks, number=30, seed=1)}
    snapshot = open_snapshot(build_class_snapshot(examples.values(), tmp_path, **kind))
    assert (snapshot.classes, snapshot.schemas) == ((), tuple(SCHEMAS.values()))
    assert sum(snapshot.sizes.values()) == 30
    for split, size in snapshot.sizes.items():
        back = list(read_class_examples(snapshot, split, range(size)))
        for one in back:
            wanted = examples[one.object_id]
            np.testing.assert_array_equal(one.image, wanted.image)
            assert {**vars(one), "image": 0, "truth": 0, "labels": 0} == {
                **vars(wanted),
                "image": 0,
                "truth": 0,
                "labels": 0,
            }
            assert repr(one.labels) == repr(wanted.labels)
            assert one.truth == pytest.approx(
                {key: np.float32(value) for key, value in wanted.truth.items()}, nan_ok=True
            )
        for schema in SCHEMAS.values():
            assert list(labels_of_split(snapshot, split, schema)) == [one.labels.label(schema.name) for one in back]


def test_the_crop_of_a_snapshot_that_only_says_it_beside_its_data_is_known(tmp_path):
    folder = build_class_snapshot([an_example("a")], tmp_path, **KIND, provenance={"crop": 0.3}, crop=0.3)
    assert open_snapshot(folder).crop == 0.3
    said = json.loads((folder / "metadata.json").read_text())
    del said["crop"]
    (folder / "metadata.json").write_text(json.dumps(said))
    assert open_snapshot(folder).crop == 0.3


def test_pictures_in_several_sets_of_bands_are_told_only_where_grey_hides_them(tmp_path):
    pixels, sets = np.zeros((16, 16, 1), np.uint8), (("g", "r", "i"), BANDS)
    grey = [an_example(f"{k}", image=pixels, picture_bands=sets[k % 2]) for k in range(3)]
    kind = {"bands": ("grey",), "image_size": 16}
    said = mixed_bands(open_snapshot(build_class_snapshot(grey, tmp_path / "grey", **kind)))
    assert said.startswith("pictures in 2 sets of bands, g r i (2), u g r i z (1), were all made grey")
    assert mixed_bands(snapshot_of(tmp_path, *(an_example(f"{k}", picture_bands=sets[k]) for k in range(2)))) == ""
    assert mixed_bands(open_snapshot(build_class_snapshot(grey[::2], tmp_path / "one", **kind))) == ""


def test_no_galaxy_is_in_two_splits(tmp_path):
    twice = [an_example("a"), an_example("b", split="test"), an_example("a", split="test")]
    snapshot = snapshot_of(tmp_path, *twice)
    lines = [json.loads(line) for line in (snapshot.folder / "revisions.jsonl").read_text().splitlines()]
    assert [(line["object_id"], line["split"]) for line in lines] == [("a", "train"), ("b", "test")]
    assert "came twice" in (snapshot.folder / "left_out.jsonl").read_text()


def test_the_balance_counts_every_class_in_every_split_and_the_unknown(tmp_path):
    snapshot = snapshot_of(
        tmp_path,
        *(an_example(f"e{k}", "E") for k in range(3)),
        an_example("s", "S0", split="test"),
        an_example("u", "", split="test"),
    )
    balance = class_balance(snapshot, SCHEMAS["morphology"])
    assert balance == {"train": {"E": 3, "S0": 0, "Sp": 0, "": 0}, "test": {"E": 0, "S0": 1, "Sp": 0, "": 1}}
    table = balance_table(SCHEMAS["morphology"], balance)
    assert table.splitlines()[0] == "| morphology | E | S0 | Sp | not known |"
    assert "| test | 0 | 1 | 0 | 1 |" in table
    assert table in (snapshot.folder / "README.md").read_text()
    assert json.loads((snapshot.folder / "provenance.json").read_text())["balance"]["morphology"] == balance
    assert balance_table(SCHEMAS["t_type"], class_balance(snapshot, SCHEMAS["t_type"])) == ""


def test_the_card_explains_the_classes_to_a_stranger(store, table, tmp_path):
    text = (build(store, table, tmp_path) / "README.md").read_text()
    assert "| `morphology` | one value | text | E, S0 (T-type -3 to 0) or Sp (1 to 9); empty" in text
    assert "| `image` | 16 × 16 × 5 | uint8 |" in text
    assert "as seen on the sky: the first row is the top" in text
    assert "order that they have in the survey's own files" not in text
    assert "4 galaxies" in text
    assert "\n\n\n" not in text


@pytest.mark.parametrize(
    ("kinds", "sentence"),
    [
        ({"train": ["", ""]}, "no galaxy in split train has a known morphology"),
        ({"train": ["E", "E"]}, "every galaxy in split train is E, which teaches no difference; .* S0 or Sp"),
        ({"train": ["E", "Sp"]}, "no galaxy in split train is S0; add such galaxies"),
        ({"train": ["E", "S0", "Sp"], "validation": ["E", ""]}, "no galaxy in split validation is S0 or Sp"),
    ],
)
def test_data_from_which_classes_cannot_be_learnt_are_refused(kinds, sentence, tmp_path):
    examples = [an_example(f"{split}{k}", kind, split=split) for split in kinds for k, kind in enumerate(kinds[split])]
    with pytest.raises(ValueError, match=sentence):
        check_classes([snapshot_of(tmp_path, *examples)], SCHEMAS["morphology"])


def test_classes_may_be_spread_over_snapshots_and_t_types_may_be_missing(tmp_path):
    one = snapshot_of(tmp_path / "a", an_example("e"), an_example("s0", "S0"))
    two = snapshot_of(tmp_path / "b", an_example("sp", "Sp"), an_example("v", "", split="validation"))
    check_classes([one, two], SCHEMAS["morphology"])
    numbers = [an_example(f"t{t}", "", labels=Labels(t_type=float(t))) for t in (-5, 3)]
    check_classes([snapshot_of(tmp_path / "c", *numbers)], SCHEMAS["t_type"])


def test_training_arms_on_classes_is_refused(store, table, tmp_path):
    folder = build(store, table, tmp_path)
    (split, *_) = open_snapshot(folder).sizes
    with pytest.raises(ValueError, match="holds classes of galaxies, and no masks of their arms"):
        load_split(folder, split, classes=("arm",))


def test_a_snapshot_of_an_older_flaxgal_is_refused_in_one_sentence(tmp_path):
    import tensorflow_datasets as tfds

    from flaxgal.datasets.snapshot_files import record_of, write_snapshot

    def closing(_):
        features = {"label": tfds.features.ClassLabel(names=["E", "S0", "Sp"], doc="class")}
        metadata = {"bands": ("r",), "classes": ("E", "S0", "Sp"), "image_size": 16}
        words = {"description": "", "citation": "", "provenance": {}}
        return {"features": tfds.features.FeaturesDict(features), "metadata": metadata, **words}

    record = record_of(texts={}, arrays={}, degrees={}, floats={}, integers={"label": 0})
    folder = write_snapshot(
        [an_example("a")], tmp_path, name="old", version=None, take=lambda _: (record, {}), closing=closing
    )
    with pytest.raises(ValueError, match=r"classes as an older flaxgal wrote them.*build the snapshot again"):
        open_snapshot(folder)


def test_the_same_galaxies_give_the_same_bytes(store, table, tmp_path):
    one, two = (build(store, table, tmp_path / name) for name in "ab")
    assert {path.name: path.read_bytes() for path in one.iterdir()} == {
        path.name: path.read_bytes() for path in two.iterdir()
    }


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        (an_example("a", "Irr"), "a: morphology 'Irr', expected one of E, S0, Sp"),
        (an_example("a", labels=Labels(winding="CW")), "a: winding 'CW', expected one of S, Z, none"),
        (
            an_example("a", image=np.zeros((8, 8, 5), np.uint8)),
            r"a: image of shape \(8, 8, 5\), expected \(16, 16, 5\)",
        ),
        (an_example("a", split="all"), "a: split 'all', expected one of train"),
    ],
)
def test_an_example_that_does_not_fit_is_refused_and_leaves_nothing(wrong, sentence, tmp_path):
    with pytest.raises(ValueError, match=sentence):
        build_class_snapshot([wrong], tmp_path / "new" / "sets", **KIND)
    assert list(tmp_path.iterdir()) == []


def test_what_was_there_before_stays_when_a_snapshot_fails(tmp_path):
    (tmp_path / "sets").mkdir()
    with pytest.raises(ValueError, match="no galaxy to build a snapshot from"):
        build_class_snapshot([], tmp_path / "sets", **KIND)
    assert list(tmp_path.rglob("*")) == [tmp_path / "sets"]


def test_truth_columns_must_be_those_of_the_first_galaxy(tmp_path):
    examples = [an_example("a"), an_example("b", truth={"kind": 1.0})]
    with pytest.raises(ValueError, match="b: truth columns kind, expected none as of the first galaxy"):
        build_class_snapshot(examples, tmp_path, **KIND)


def test_labels_not_known_are_nothing_not_a_number(tmp_path):
    snapshot = snapshot_of(tmp_path, an_example("a", ""), an_example("b"))
    first, _ = read_class_examples(snapshot, "train", [0, 1])
    assert first.labels.morphology == first.labels.label("spiral") == first.labels.label("t_type") == ""
    assert math.isnan(first.labels.t_type)
