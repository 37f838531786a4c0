"""Whose marks become the target: what each policy takes, what is recorded, and that a cited snapshot comes back."""

import json
import shutil

import numpy as np
import pytest

from flaxgal.datasets.builders import build_snapshot, open_snapshot, read_examples
from flaxgal.datasets.examples import examples_from_store, store_provenance
from flaxgal.datasets.rebuild import read_recipe, rebuild_snapshot
from flaxgal.labels.consensus import staple
from flaxgal.labels.revisions import UNCERTAIN, Revision
from flaxgal.labels.store import Store
from flaxgal.survey.cutout import Cutout, Unreadable

SIZE = 12
KIND = {"bands": ("grey",), "classes": ("arm",), "image_size": SIZE}
PEOPLE = ("anna", "bo", "cy")


def rows(first, last):
    """A mask with the rows from first up to before last marked."""
    mask = np.zeros((SIZE, SIZE), np.uint8)
    mask[first:last] = 1
    return mask


def add(store, object_id):
    rng = np.random.default_rng(list(object_id.encode()))
    flux = 1 + rng.random((1, SIZE, SIZE)).astype(np.float32)
    place = {"ra_deg": float(rng.uniform(0, 360)), "dec_deg": float(rng.uniform(-60, 60))}
    store.add(Cutout(object_id=object_id, flux=flux, bands=("i",), unit="nJy", survey="HSC", **place))


def draw(store, object_id, annotator, mask, **changes):
    given = {"origin": "drawn", "cutout_sha256": store.galaxies()[object_id].cutout_sha256}
    return store.commit(Revision(object_id=object_id, annotator=annotator, mask=mask, **(given | changes)))


@pytest.fixture(scope="module")
def made_store(tmp_path_factory):
    """Thirty galaxies: three people labelled every third, anna and bo others, the last ones nobody."""
    store = Store.create(tmp_path_factory.mktemp("made") / "labels")
    for number in range(30):
        add(store, f"g{number:02d}")
        for person in range((3, 2, 1)[number % 3] if number < 27 else 0):
            draw(store, f"g{number:02d}", PEOPLE[person], rows(2 + person, 7))
    return store.path


@pytest.fixture
def store(made_store, tmp_path):
    """A copy of the made store, which a test may change."""
    return Store.open(shutil.copytree(made_store, tmp_path / "labels"))


def by_id(store, **options):
    return {item.object_id: item for item in examples_from_store(store, **KIND, **options)}


def build(store, out, labels="latest", **options):
    examples = examples_from_store(store, **KIND, labels=labels)
    return build_snapshot(examples, out, **KIND, provenance=store_provenance(store, labels), **options)


def bytes_of(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def records(folder):
    snapshot = open_snapshot(folder)
    found = {}
    for split, number in snapshot.sizes.items():
        for example in read_examples(snapshot, split, range(number)):
            arrays = (example.image.tobytes(), example.target.tobytes(), example.weight.tobytes())
            found[example.object_id] = (split, example.revision, *arrays)
    return found


def test_each_policy_takes_whom_it_says(store):
    targets = {labels: by_id(store, labels=labels) for labels in ("latest", "annotator:bo", "consensus", "staple")}
    assert {labels: len(found) for labels, found in targets.items()} == {
        "latest": 27,
        "annotator:bo": 18,
        "consensus": 27,
        "staple": 27,
    }
    column = {labels: found["g00"].target[:, 0, 0].tolist() for labels, found in targets.items()}
    assert column["latest"] == [0] * 4 + [255] * 3 + [0] * 5  # cy's, the last
    assert column["annotator:bo"] == [0] * 3 + [255] * 4 + [0] * 5
    assert column["consensus"] == [0, 0, 85, 170, 255, 255, 255] + [0] * 5
    votes = np.stack([rows(2 + person, 7).astype(np.int8) for person in range(3)])
    np.testing.assert_array_equal(targets["staple"]["g00"].target[..., 0], np.rint(255 * staple(votes).probability))
    # One annotator's mask is the same under every policy.
    assert len({targets[labels]["g02"].target.tobytes() for labels in ("latest", "consensus", "staple")}) == 1


def test_every_example_names_the_revisions_it_is_made_of(store):
    latest = {line.revision_id: line.provenance.annotator for line in store.history("g00")}
    revision = {labels: by_id(store, labels=labels)["g00"].revision for labels in ("latest", "consensus", "staple")}
    assert latest[revision["latest"]] == "cy"
    assert [latest[name] for name in revision["consensus"].split(",")] == ["anna", "bo", "cy"]
    assert revision["staple"] == revision["consensus"]


def test_the_policy_and_all_ids_are_recorded_beside_the_data(store, tmp_path):
    folder = build(store, tmp_path / "sets", "consensus")
    provenance = json.loads((folder / "provenance.json").read_text())
    assert (provenance["labels"], provenance["store_id"], provenance["labelled"]) == ("consensus", store.store_id, 27)
    lines = [json.loads(line) for line in (folder / "revisions.jsonl").read_text().splitlines()]
    named = {name for line in lines for name in line["revision"].split(",")}
    assert named == {line.revision_id for line in store.history()}


def test_where_some_are_uncertain_the_others_decide_and_the_pixel_counts_less(store):
    """Rows: 0 all sure of none; 1 one of three unsure; 2 two unsure, the third says arm; 3 nobody is sure."""
    add(store, "unsure")
    for person, name in enumerate(PEOPLE):
        mask = rows(0, 0)
        mask[1] = UNCERTAIN if person == 0 else 1
        mask[2] = UNCERTAIN if person < 2 else 1
        mask[3] = UNCERTAIN
        draw(store, "unsure", name, mask)
    for labels in ("consensus", "staple"):
        found = by_id(store, labels=labels)["unsure"]
        assert found.weight[:5, 0].tolist() == [255, 170, 85, 0, 255]
        assert found.target[:5, 0, 0].tolist() == [0, 255, 255, 0, 0]
    # One person's uncertain pixels are left out altogether, as before.
    assert by_id(store, labels="annotator:anna")["unsure"].weight[:5, 0].tolist() == [255, 0, 0, 0, 255]


def test_held_out_galaxies_stay_held_out_whoever_labels_and_however(store):
    before = {name: item.split for name, item in by_id(store).items()}
    assert set(before.values()) == {"train", "validation", "test"}
    for labels in ("consensus", "staple", "annotator:anna"):
        assert {name: item.split for name, item in by_id(store, labels=labels).items()} == before
    for name in store.galaxies():
        draw(store, name, "di", rows(0, 3))
    after = {name: item.split for name, item in by_id(store, labels="consensus").items()}
    assert {name: after[name] for name in before} == before


def test_only_a_class_that_nobody_looked_for_leaves_a_galaxy_out(store):
    for name in ("both", "arm-only"):
        add(store, name)
        draw(store, name, "anna", rows(1, 2))
    mask = rows(1, 2)
    mask[6] = 2
    draw(store, "both", "bo", mask, classes=("arm", "bar"))
    kind = KIND | {"classes": ("arm", "bar"), "labels": "consensus"}
    found = {getattr(item, "name", None) or item.object_id: item for item in examples_from_store(store, **kind)}
    assert isinstance(found["arm-only"], Unreadable)
    assert "nobody looked for bar (anna marked arm)" in found["arm-only"].reason
    assert found["both"].target[6, 0].tolist() == [0, 255]
    assert found["both"].revision.count(",") == 1


def test_policies_that_cannot_be_followed_are_refused_at_once(store):
    with pytest.raises(ValueError, match="labels 'newest', expected one of latest, consensus, staple, annotator:NAME"):
        by_id(store, labels="newest")
    with pytest.raises(ValueError, match="expected one of"):
        by_id(store, labels="annotator")
    with pytest.raises(ValueError, match="nothing is labelled by 'ana', only by anna, bo, cy"):
        by_id(store, labels="annotator:ana")


@pytest.mark.parametrize("labels", ["latest", "consensus", "staple", "annotator:bo"])
def test_a_snapshot_built_twice_from_one_store_is_the_same_bit_for_bit(store, tmp_path, labels):
    assert bytes_of(build(store, tmp_path / "a", labels)) == bytes_of(
        build(Store.open(store.path), tmp_path / "b", labels)
    )


@pytest.mark.parametrize("labels", ["latest", "consensus", "staple", "annotator:bo"])
def test_a_cited_snapshot_is_rebuilt_bit_for_bit_after_more_was_labelled(store, tmp_path, labels):
    add(store, "left-out")
    path = next((store.path / "galaxies").rglob("left-out*"))
    content = path.read_bytes()
    draw(store, "left-out", "bo", rows(0, 1))
    path.write_bytes(b"damaged")
    cited = build(store, tmp_path / "sets", labels, version="2.3.4", description="Ours.", citation="@misc{x}")
    assert "left-out" in (cited / "left_out.jsonl").read_text()
    path.write_bytes(content)
    for name in store.galaxies():
        draw(store, name, "anna", rows(5, 9))
        draw(store, name, "bo", rows(6, 9))
        draw(store, name, "di", rows(7, 9))
    add(store, "g99")
    draw(store, "g99", "bo", rows(0, 4))
    now = build(store, tmp_path / "now", labels, version="2.3.4")
    assert records(now) != records(cited)
    again = rebuild_snapshot(Store.open(store.path), cited, tmp_path / "again")
    assert again == tmp_path / "again" / "spiral_arms" / "2.3.4"
    assert bytes_of(again) == bytes_of(cited)
    with pytest.raises(ValueError, match="never overwritten"):
        rebuild_snapshot(store, cited, tmp_path / "sets")
    assert bytes_of(rebuild_snapshot(store, again, tmp_path / "thrice")) == bytes_of(cited)


def test_splits_that_were_chosen_by_hand_are_rebuilt_too(store, tmp_path):
    examples = examples_from_store(store, **KIND, splits={"g00": "test", "g01": "validation"})
    cited = build_snapshot(examples, tmp_path / "sets", **KIND, provenance=store_provenance(store))
    assert bytes_of(rebuild_snapshot(store, cited, tmp_path / "again")) == bytes_of(cited)


@pytest.mark.parametrize("labels", ["latest", "consensus"])
def test_the_next_snapshot_differs_exactly_by_the_new_revisions(store, tmp_path, labels):
    first = records(build(store, tmp_path, labels))
    corrected = draw(store, "g04", "anna", rows(1, 9), origin="corrected")
    new = draw(store, "g28", "cy", rows(3, 6))
    second = records(build(store, tmp_path, labels))
    changed = {name for name in second if second[name] != first.get(name)}
    assert changed == {"g04", "g28"}
    assert first.keys() <= second.keys()
    before = {name for _, revisions, *_ in first.values() for name in revisions.split(",")}
    after = {name for _, revisions, *_ in second.values() for name in revisions.split(",")}
    assert after - before == {corrected.revision_id, new.revision_id}
    assert second["g04"][0] == first["g04"][0]


def test_a_store_that_lacks_a_revision_cannot_rebuild_until_it_is_merged(store, tmp_path):
    cited = build(store, tmp_path / "sets", "consensus")
    laptop = Store.create(tmp_path / "laptop")
    for name in store.galaxies():
        laptop.add(store.cutout(name))
    with pytest.raises(ValueError, match=r"lacks 54 of the revisions .* flaxgal store merge"):
        rebuild_snapshot(laptop, cited, tmp_path / "again")
    shutil.copytree(store.path / "revisions", laptop.path / "revisions", dirs_exist_ok=True)
    assert bytes_of(rebuild_snapshot(Store.open(laptop.path), cited, tmp_path / "again")) == bytes_of(cited)


def test_a_damaged_revision_stops_a_rebuild_instead_of_being_left_out(store, tmp_path):
    cited = build(store, tmp_path / "sets")
    next((store.path / "revisions").rglob("g02.*")).write_bytes(b"damaged")
    with pytest.raises(ValueError, match=r"g02\..*damaged"):
        rebuild_snapshot(Store.open(store.path), cited, tmp_path / "again")
    assert not (tmp_path / "again" / "spiral_arms" / "1.0.0").exists()


def test_snapshots_of_mocks_are_not_rebuilt_from_a_store(store, tmp_path):
    examples = list(examples_from_store(store, **KIND))[:2]
    mocks = build_snapshot([type(item)(**(vars(item) | {"revision": ""})) for item in examples], tmp_path, **KIND)
    with pytest.raises(ValueError, match="was not made of a label store's revisions"):
        read_recipe(mocks)
