"""Galaxies with classes in memory and streamed; only those whose class is known."""

import numpy as np
import pytest

from flaxgal.datasets.loader import (
    galaxies_with_classes,
    iterate_class_examples,
    iterate_examples,
    load_classes,
    load_split,
    stream_batches,
)
from flaxgal.datasets.morphology import ClassExample, build_class_snapshot
from flaxgal.datasets.stacked import concatenate
from flaxgal.survey.schemas import SCHEMAS, Labels

SIZE = 4
KINDS = ("E", "", "Sp", "Sp", "S0", "Sp", "Sp", "Sp")


def a_snapshot(folder, number, *, prefix, truth=()):
    def examples():
        for k in range(number):
            yield ClassExample(
                object_id=f"{prefix}{k}",
                survey="mock",
                image=np.full((SIZE, SIZE, 1), k, np.uint8),
                labels=Labels(morphology=KINDS[k % len(KINDS)], winding="Z" if k % 2 else "", t_type=float(k % 5)),
                split="test" if k % 10 == 9 else "train",
                truth=dict.fromkeys(truth, k / 10),
            )

    return build_class_snapshot(examples(), folder, bands=("grey",), image_size=SIZE, name=prefix)


@pytest.fixture(scope="module")
def snapshots(tmp_path_factory):
    folder = tmp_path_factory.mktemp("classes")
    return a_snapshot(folder, 40, prefix="a"), a_snapshot(folder, 20, prefix="b", truth=["signal_to_noise"])


def ids(batches):
    return [batch.object_id.tolist() for batch in batches]


def test_without_a_schema_every_galaxy_is_loaded_and_with_one_the_known(snapshots):
    everyone = load_classes(snapshots[0], "train", bands=("grey",), image_size=SIZE)
    assert len(everyone) == 36
    known = load_classes(snapshots[0], "train", schema="morphology")
    wanted = [name for name, kind in zip(everyone.object_id, everyone.morphology, strict=True) if kind]
    assert known.object_id.tolist() == wanted
    np.testing.assert_array_equal(known.image[:, 0, 0, 0], [int(name[1:]) for name in wanted])
    assert [one.object_id for one in iterate_class_examples(snapshots[0], "train")] == everyone.object_id.tolist()
    assert len(list(iterate_class_examples(snapshots[0]))) == 40


@pytest.mark.parametrize("schema", SCHEMAS.values(), ids=SCHEMAS)
def test_targets_are_those_of_the_schema_and_unknown_galaxies_weigh_nothing(schema, snapshots):
    galaxies = load_classes(snapshots[0], "train")
    target, weight = galaxies.target(schema), galaxies.weight(schema)
    assert target.shape == (36, schema.outputs)
    for label, answer, counts in zip(galaxies.label(schema.name), target, weight, strict=True):
        assert counts == (255 if label else 0)
        np.testing.assert_array_equal(answer, 255 * schema.target(label) if label else 0)
    known = load_classes(snapshots[0], "train", schema=schema.name)
    assert (known.weight(schema) == 255).all()
    assert len(known) == (weight > 0).sum()


def test_snapshots_are_joined_and_unknown_truth_is_nan(snapshots):
    joined = concatenate([load_classes(folder, "train") for folder in snapshots])
    assert len(joined) == 36 + 18
    assert np.isnan(joined.truth["signal_to_noise"][:36]).all()
    assert joined.truth["signal_to_noise"][37] == pytest.approx(0.1)
    assert joined.t_type.dtype == np.float64


@pytest.mark.parametrize("balance", [False, True])
@pytest.mark.parametrize("shares", [(), (0.25, 0.75)])
def test_streamed_batches_hold_known_classes_balanced_if_asked_for(balance, shares, snapshots):
    way = {"seed": 5, "shares": shares, "balance": balance}
    training = [galaxies_with_classes(folder, "train", schema="morphology") for folder in snapshots]
    batches = list(stream_batches(training, 6, steps=8, **way))
    labels = np.stack([batch.morphology for batch in batches])
    assert (labels != "").all()
    for batch in batches:
        np.testing.assert_array_equal(batch.image[:, 0, 0, 0], [int(name[1:]) for name in batch.object_id])
    counts = {name: int((labels == name).sum()) for name in ("E", "S0", "Sp")}
    if balance:
        assert all(abs(number - 16) <= 2 for number in counts.values())
    else:
        assert counts["Sp"] > 24
    resumed = stream_batches(training, 6, steps=3, first_step=5, **way)
    assert ids(resumed) == ids(batches)[5:]


def test_hosts_share_every_batch_between_them(snapshots):
    way = {"seed": 1, "steps": 3}
    training = [galaxies_with_classes(snapshots[0], "train", schema="winding")]
    whole = ids(stream_batches(training, 8, **way))
    halves = [ids(stream_batches(training, 8, **way, process_index=k, process_count=2)) for k in (0, 1)]
    assert [first + second for first, second in zip(*halves, strict=True)] == whole


def test_wrong_snapshots_are_refused_in_one_sentence(snapshots, tmp_path):
    with pytest.raises(ValueError, match=r"wanted are bands g, 4 pixels; .* by --model\.bands grey$"):
        load_classes(snapshots[0], "train", bands=("g",))
    with pytest.raises(ValueError, match="no galaxies in split 'validation', found train, test"):
        load_classes(snapshots[0], "validation")
    with pytest.raises(ValueError, match="holds classes of galaxies, and no masks"):
        load_split(snapshots[0], "train")
    with pytest.raises(ValueError, match="label schema 'bars'; wanted one of"):
        load_classes(snapshots[0], "train", schema="bars")
    pixels = np.zeros((SIZE, SIZE, 1), np.uint8)
    blank = ClassExample(object_id="a", survey="", image=pixels, labels=Labels(), split="train")
    folder = build_class_snapshot([blank], tmp_path, bands=("grey",), image_size=SIZE)
    with pytest.raises(ValueError, match="no galaxy in split train has a known winding; build from a table"):
        load_classes(folder, "train", schema="winding")


def test_masks_are_no_classes(tmp_path):
    from flaxgal.datasets.builders import build_snapshot
    from flaxgal.datasets.examples import Example

    pixels = np.zeros((SIZE, SIZE), np.uint8)
    arms = Example(
        object_id="a", survey="", image=pixels[..., None], target=pixels[..., None], weight=pixels, split="train"
    )
    folder = build_snapshot([arms], tmp_path, bands=("grey",), classes=("arm",), image_size=SIZE)
    with pytest.raises(ValueError, match="holds masks of arms, and no classes of galaxies; build one with classes"):
        load_classes(folder, "train")
    assert len(list(iterate_examples(folder))) == 1
