import json

import numpy as np
import pytest

from flaxgal.config import DataConfig, TrainConfig
from flaxgal.datasets.builders import build_snapshot
from flaxgal.datasets.examples import examples_from_store
from flaxgal.datasets.feed import open_snapshots
from flaxgal.datasets.placing import check_apart, in_validation, place_galaxies, placed_before, placed_in_snapshot
from flaxgal.datasets.splits import split_of
from flaxgal.labels.exchange import merge
from flaxgal.labels.files import NotSavedError
from flaxgal.labels.revisions import Revision
from flaxgal.labels.store import Store
from flaxgal.labels.verify import verify
from flaxgal.survey.cutout import Cutout, Unreadable

KIND = {"bands": ("grey",), "classes": ("arm",), "image_size": 8}
OTHER = {"train": "test", "test": "validation", "validation": "train"}


def a_torn_edge(below, above):
    """A declination where 0.5 arcsec south is in one split and 0.5 north in another."""
    for tenth in range(1, 600):
        dec = tenth / 10
        if (split_of("", 150.0, dec - 0.5 / 3600), split_of("", 150.0, dec + 0.5 / 3600)) == (below, above):
            return dec
    raise AssertionError("no such edge")


def add(store, object_id, ra_deg, dec_deg, survey="HSC"):
    """A labelled galaxy somewhere."""
    rng = np.random.default_rng(list(object_id.encode()))
    cutout = Cutout(
        object_id=object_id,
        flux=1 + rng.random((1, 8, 8)),
        bands=("r",),
        unit="nJy",
        survey=survey,
        ra_deg=ra_deg,
        dec_deg=dec_deg,
    )
    store.add(cutout)
    mask = np.zeros((8, 8), np.uint8)
    store.commit(Revision(object_id=object_id, annotator="a", origin="drawn", cutout_sha256=cutout.sha256, mask=mask))


def build(store, out, **options):
    return build_snapshot(examples_from_store(store, **KIND, **options), out, **KIND)


def in_snapshot(folder):
    return {item.object_id: item.split for item in placed_in_snapshot(folder)}


@pytest.fixture
def store(tmp_path):
    return Store.create(tmp_path / "labels")


def test_a_twin_of_a_later_download_goes_where_the_first_snapshot_has_its_galaxy(store, tmp_path):
    """Across a cell edge, under a name that comes first, with every other galaxy left where it was."""
    dec = a_torn_edge("test", "train")
    add(store, "HSC-1", 150.0, dec + 0.5 / 3600)
    add(store, "HSC-2", 20.0, 3.03)
    first = in_snapshot(build(store, tmp_path / "sets"))
    add(store, "GZ3D-1", 150.0, dec - 0.5 / 3600, survey="GZ3D")
    second = in_snapshot(build(store, tmp_path / "sets"))
    assert first["HSC-1"] == "train"
    assert second == first | {"GZ3D-1": "train"}
    assert second == in_snapshot(build(Store.open(store.path), tmp_path / "elsewhere"))


def test_without_the_first_build_the_twin_of_the_first_name_decides(store, tmp_path):
    """What the test above would find if nothing were written down."""
    dec = a_torn_edge("test", "train")
    add(store, "HSC-1", 150.0, dec + 0.5 / 3600)
    add(store, "GZ3D-1", 150.0, dec - 0.5 / 3600)
    assert in_snapshot(build(store, tmp_path)) == {"GZ3D-1": "test", "HSC-1": "test"}


def test_splits_are_written_down_once(store):
    add(store, "a", 10.0, 3.03)
    place_galaxies(store)
    place_galaxies(store)
    assert len(store.splits()) == 1
    add(store, "b", 11.0, 3.03)
    placed = place_galaxies(store)
    assert [item.object_id for item in placed_before(store)] == ["a", "b"]
    assert placed == {item.object_id: item.split for item in placed_before(store)}
    assert list(verify(store.path)) == []


def test_what_is_written_down_counts_whatever_the_rule_says(store):
    add(store, "a", 10.0, 3.03)
    split = OTHER[split_of("a", 10.0, 3.03)]
    line = {"object_id": "a", "split": split, "ra_deg": 10.0, "dec_deg": 3.03}
    store.keep_splits(json.dumps(line).encode())
    assert place_galaxies(store) == {"a": split}


def test_merged_stores_know_what_both_have_placed(store, tmp_path):
    dec = a_torn_edge("test", "train")
    other = Store.create(tmp_path / "other")
    add(other, "z", 150.0, dec + 0.5 / 3600)
    assert place_galaxies(other) == {"z": "train"}
    add(store, "a", 150.0, dec - 0.5 / 3600)
    assert merge(store, other.path).splits == 1
    assert place_galaxies(store) == {"z": "train", "a": "train"}
    assert merge(store, other.path).new == 0


def test_a_merge_leaves_out_what_is_no_table_of_splits(store, tmp_path):
    other = Store.create(tmp_path / "other")
    other.keep_splits(b"<html>\n")
    other.keep_splits(b'["object_id"]\n')
    merged = merge(store, other.path)
    assert (merged.new, len(merged.refused)) == (0, 2)
    assert "no table of splits" in merged.refused[0]


def test_a_damaged_table_stops_the_build(store, tmp_path):
    add(store, "a", 10.0, 3.03)
    place_galaxies(store)
    (path,) = store.splits()
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(ValueError, match="damaged"):
        build(store, tmp_path / "sets")


@pytest.mark.parametrize("line", ['{"object_id": "a", "split": "holdout"}', '{"split": "train"}', "[1]", "{"])
def test_a_table_that_makes_no_sense_is_named(store, line):
    add(store, "a", 10.0, 3.03)
    store.keep_splits(line.encode())
    with pytest.raises(ValueError, match=r"splits/.*jsonl: (damaged, no table of splits|split 'holdout', expected)"):
        place_galaxies(store)


def test_a_galaxy_between_two_splits_is_left_out_and_says_why(store, tmp_path):
    dec = a_torn_edge("test", "train")
    add(store, "a", 150.0, dec - 1.5 / 3600)
    add(store, "c", 150.0, dec + 1.5 / 3600)
    place_galaxies(store)
    add(store, "b", 150.0, dec)
    found = list(examples_from_store(store, **KIND))
    assert [item.split for item in found if not isinstance(item, Unreadable)] == ["test", "train"]
    (left_out,) = [item for item in found if isinstance(item, Unreadable)]
    assert left_out.name == "b"
    assert "within 2 arcsec of galaxies that stand in different splits" in left_out.reason


def test_what_is_chosen_by_hand_takes_its_twin_along_and_is_not_written_down(store):
    add(store, "a", 10.0, 3.03)
    add(store, "twin", 10.0, 3.03 + 1 / 3600)
    add(store, "far", 11.0, 3.03)
    before = place_galaxies(store)
    by_hand = OTHER[before["a"]]
    found = {item.object_id: item.split for item in examples_from_store(store, **KIND, splits={"a": by_hand})}
    assert found == before | {"a": by_hand, "twin": by_hand}
    assert place_galaxies(store) == before


def test_between_two_chosen_apart_by_hand_there_is_no_place(store):
    for name, north in (("a", -1.5), ("b", 0.0), ("c", 1.5)):
        add(store, name, 10.0, 3.03 + north / 3600)
    placed = place_galaxies(store, by_hand={"a": "train", "c": "test"})
    assert placed == {"a": "train", "b": None, "c": "test"}


def test_two_surveys_in_two_stores_agree_when_asked_to(store, tmp_path):
    dec = a_torn_edge("test", "train")
    add(store, "HSC-1", 150.0, dec + 0.5 / 3600)
    hsc = build(store, tmp_path / "hsc")
    other = Store.create(tmp_path / "other")
    add(other, "GZ3D-1", 150.0, dec - 0.5 / 3600)
    gz3d = build(other, tmp_path / "gz3d", agree_with=[hsc])
    assert in_snapshot(gz3d) == {"GZ3D-1": "train"}
    check_apart([hsc, gz3d])
    assert place_galaxies(other) == {"GZ3D-1": "train"}  # and it stays so


def test_training_on_snapshots_that_tear_a_galaxy_is_refused(store, tmp_path):
    dec = a_torn_edge("test", "train")
    add(store, "HSC-1", 150.0, dec + 0.5 / 3600)
    other = Store.create(tmp_path / "other")
    add(other, "GZ3D-1", 150.0, dec - 0.5 / 3600)
    torn = (str(build(store, tmp_path / "hsc")), str(build(other, tmp_path / "gz3d")))
    with pytest.raises(ValueError, match=r"HSC-1 is in split train of .*hsc.* GZ3D-1, in split test .* --agree-with"):
        open_snapshots(TrainConfig(data=DataConfig(snapshots=torn)))
    assert len(open_snapshots(TrainConfig(data=DataConfig(snapshots=torn[:1])))) == 1


def test_a_folder_that_is_no_snapshot_cannot_be_agreed_with(store, tmp_path):
    with pytest.raises(ValueError, match=r"no dataset snapshot here \(no revisions\.jsonl\)"):
        place_galaxies(store, agree_with=[tmp_path])
    (tmp_path / "revisions.jsonl").write_text('{"object_id": "a", "split": "train", "revision": ""}\n')
    with pytest.raises(ValueError, match="says no positions, it is of an older flaxgal"):
        place_galaxies(store, agree_with=[tmp_path])


def test_a_store_that_cannot_be_written_to_says_so(store):
    add(store, "a", 10.0, 3.03)
    (store.path / "splits").write_text("in the way")
    with pytest.raises(NotSavedError, match="not saved in"):
        place_galaxies(store)


def a_list(folder, *galaxies):
    """The galaxies that a snapshot lists, as (id, split, declination)."""
    folder.mkdir()
    lines = [
        dict(zip(("object_id", "split", "ra_deg", "dec_deg"), (*one[:2], 150.0, one[2]), strict=True))
        for one in galaxies
    ]
    (folder / "revisions.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


def test_galaxies_of_a_validation_split_are_known_by_id_or_place_in_whatever_split_they_are_now(tmp_path):
    seen = a_list(tmp_path / "seen", ("a", "validation", 2.0), ("b", "validation", 3.0), ("c", "train", 4.0))
    again = a_list(
        tmp_path / "again",
        ("a", "test", 20.0),
        ("twin", "test", 3.0 + 1 / 3600),
        ("c", "test", 4.0),
        ("a", "train", 2.0),
    )
    assert in_validation(again, "test", [seen]) == {"a", "twin"}
    assert in_validation(again, "train", [seen]) == {"a"}
    assert in_validation(seen, "validation", [seen]) == {"a", "b"}
    assert in_validation(seen, "train", [seen]) == set()
    assert in_validation(seen, "validation", []) == in_validation(tmp_path, "test", []) == set()


def test_whether_galaxies_were_validated_on_is_not_known_where_a_snapshot_does_not_list_its_own(tmp_path):
    seen = a_list(tmp_path / "seen", ("a", "validation", 2.0))
    assert in_validation(seen, "validation", [seen, tmp_path]) is None
    assert in_validation(tmp_path, "test", [seen]) is None
