"""Data sets as people keep them in folders, into a label store."""

from pathlib import Path

import numpy as np
import pytest
from galaxies import morphologies_in
from PIL import Image

from flaxgal.fetch_folder import find_sets, import_folder
from flaxgal.labels.pairs import ImportedPair
from flaxgal.labels.store import Store
from flaxgal.survey.cutout import Unreadable

RANDOM = np.random.default_rng(0)


def picture(path: Path, values=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray((RANDOM.integers(1, 256, (8, 8)) if values is None else values).astype(np.uint8)).save(path)


def text(path: Path, values):
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savetxt(path, np.asarray(values, float).ravel(), fmt="%1.4f")


@pytest.fixture
def seed(tmp_path):
    """What the project before this one kept under data/."""
    data = tmp_path / "data"
    arm = np.tri(8) * 255
    for name in ("1", "2"):
        picture(data / "hsc" / "images" / f"{name}.jpg")
        picture(data / "hsc" / "masks" / f"{name}.tif", arm)
        picture(data / "galaxyzoo3d" / "rescaled_img" / f"1-100{name}_19_1470000{name}.png")
        picture(data / "galaxyzoo3d" / "bin_msk" / f"1-100{name}_19_1470000{name}.png", arm / 255)
        picture(data / "galaxyzoo3d" / "orig_img" / f"1-100{name}_19_1470000{name}.png")
        picture(data / "galaxyzoo3d" / "orig_msk" / f"1-100{name}_19_1470000{name}.png", np.tri(8) * 4 + 1)
    text(data / "nam_images_train.dat", RANDOM.integers(1, 256, (3, 5, 5)))
    text(data / "nam_labels_train.dat", [1, 3, 2])
    text(data / "set_2_orig.dat", RANDOM.integers(1, 256, (2, 8, 8)))
    text(data / "set_2_segmentation.dat", [np.tri(8), np.zeros((8, 8))])
    return data


def run(folder, tmp_path, **more):
    store = Store.open_or_create(tmp_path / "labels")
    return store, list(import_folder(folder, store, annotator="roe", text_size=8, **more))


def test_the_seeds_folder_comes_whole(seed, tmp_path):
    store, found = run(seed, tmp_path)
    assert set(store.galaxies()) == {
        "hsc-1",
        "hsc-2",
        "galaxyzoo3d-1-1001_19_14700001",
        "galaxyzoo3d-1-1002_19_14700002",
        "nam_images_train-00000",
        "nam_images_train-00001",
        "nam_images_train-00002",
        "set_2_orig-00000",
        "set_2_orig-00001",
    }
    assert store.status().labelled == 6
    np.testing.assert_array_equal(store.latest("galaxyzoo3d-1-1001_19_14700001").mask, np.tri(8))
    np.testing.assert_array_equal(store.latest("set_2_orig-00000").mask, np.tri(8))
    assert store.latest("set_2_orig-00001").marked_pixels == 0
    assert store.latest("hsc-1").annotator == "roe"
    (passed_over,) = [one for one in found if isinstance(one, Unreadable)]
    assert passed_over.reason.endswith("orig_img: passed over; rescaled_img holds the same galaxies")
    classes = morphologies_in(tmp_path / "labels-morphology.ecsv")
    assert classes == {f"nam_images_train-0000{number}": name for number, name in enumerate(("E", "Sp", "S0"))}


def test_a_second_import_adds_nothing(seed, tmp_path):
    run(seed, tmp_path)
    store, found = run(seed, tmp_path)
    assert store.status().revisions == 6
    assert not any(one.is_new for one in found if isinstance(one, ImportedPair))


def test_one_data_set_keeps_its_names(seed, tmp_path):
    store, _ = run(seed / "galaxyzoo3d", tmp_path)
    assert set(store.galaxies()) == {"1-1001_19_14700001", "1-1002_19_14700002"}


def test_masks_that_count_outlines_are_refused_one_by_one(seed, tmp_path):
    for path in (seed / "galaxyzoo3d" / "bin_msk").iterdir():
        path.unlink()
    (seed / "galaxyzoo3d" / "bin_msk").rmdir()
    store, found = run(seed / "galaxyzoo3d", tmp_path)
    assert len(found) == 2
    assert all("are no fractions of 255" in one.reason for one in found)
    assert not store.galaxies()


def test_masks_with_soft_edges_in_a_text_table_are_shares(tmp_path):
    text(tmp_path / "data" / "a_images.dat", RANDOM.integers(1, 256, (1, 8, 8)))
    text(tmp_path / "data" / "a_masks.dat", np.tri(8) * 0.5)
    store, _ = run(tmp_path / "data", tmp_path)
    np.testing.assert_array_equal(store.latest("a_images-00000").fraction[0], np.tri(8) * 0.5)


def test_a_table_that_does_not_fit_is_told_and_the_others_come(seed, tmp_path):
    text(seed / "nam_labels_train.dat", [1, 3])
    store, found = run(seed, tmp_path)
    assert any("75 numbers for 2 pictures" in one.reason for one in found if isinstance(one, Unreadable))
    assert "set_2_orig-00001" in store
    assert not (tmp_path / "labels-morphology.ecsv").exists()


def test_a_picture_of_an_unknown_label_is_left_out_and_the_others_of_its_table_come(seed, tmp_path):
    text(seed / "nam_labels_train.dat", [1, 99, 2])
    store, found = run(seed, tmp_path)
    lost = [one for one in found if isinstance(one, Unreadable) and one.name.startswith("nam_")]
    assert [one.reason for one in lost] == ["nam_images_train-00001: label 99; wanted 1 E, 2 S0 or 3 Sp"]
    assert "nam_images_train-00001" not in store
    classes = {"nam_images_train-00000": "E", "nam_images_train-00002": "S0"}
    assert morphologies_in(tmp_path / "labels-morphology.ecsv") == classes


def test_a_black_picture_is_left_out(tmp_path):
    text(tmp_path / "data" / "a_images.dat", [np.zeros((4, 4)), np.ones((4, 4))])
    text(tmp_path / "data" / "a_labels.dat", [1, 3])
    store, found = run(tmp_path / "data", tmp_path)
    assert "every pixel is zero" in found[0].reason
    assert morphologies_in(tmp_path / "labels-morphology.ecsv") == {"a_images-00001": "Sp"}
    assert list(store.galaxies()) == ["a_images-00001"]


def test_stores_and_hidden_folders_are_not_walked_into(seed, tmp_path):
    run(seed, seed)  # a store among the data
    picture(seed / ".cache" / "images" / "x.png")
    picture(seed / ".cache" / "masks" / "x.png")
    assert len(find_sets(seed)[0]) == 4


@pytest.mark.parametrize(("name", "said"), [("none", "no such folder"), ("empty", "found no data set")])
def test_a_folder_without_a_data_set_is_told(tmp_path, name, said):
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=said):
        run(tmp_path / name, tmp_path)
