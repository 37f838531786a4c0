"""The commands `flaxgal store …` as a user meets them."""

import pytest
from stores import a_cutout, a_revision, files_of

from flaxgal.cli import run
from flaxgal.labels.store import Store


@pytest.fixture
def store(tmp_path):
    store = Store.create(tmp_path / "laptop")
    store.add(a_cutout())
    store.commit(a_revision(a_cutout()))
    return store


def said(capsys):
    captured = capsys.readouterr()
    return captured.out, captured.err


def test_a_store_goes_to_another_machine_in_one_file_and_comes_back(store, tmp_path, capsys):
    assert run(["store", "bundle", str(store.path), str(tmp_path / "laptop.tar")]) == 0
    assert run(["store", "merge", str(tmp_path / "cluster"), str(tmp_path / "laptop.tar")]) == 0
    assert "1 galaxies, 1 revisions, 0 notes, 0 rankings and 0 split tables came in\n" in said(capsys)[0]
    cluster = Store.open(tmp_path / "cluster")
    assert files_of(cluster) == files_of(store)
    cluster.commit(a_revision(a_cutout(), annotator="bo"))
    assert run(["store", "bundle", str(cluster.path), str(tmp_path / "back.tar"), "--no-galaxies"]) == 0
    assert run(["store", "merge", str(store.path), str(tmp_path / "back.tar"), str(tmp_path / "laptop.tar")]) == 0
    assert "0 galaxies, 1 revisions, 0 notes, 0 rankings and 0 split tables came in, 1 there already" in said(capsys)[0]
    assert files_of(Store.open(store.path)) == files_of(cluster)


def test_a_merge_counts_the_split_tables_it_brings(store, tmp_path, capsys):
    store.keep_splits(b'{"object_id": "g1", "split": "train"}\n')
    assert run(["store", "merge", str(tmp_path / "cluster"), str(store.path)]) == 0
    assert "0 notes, 0 rankings and 1 split tables came in\n" in said(capsys)[0]


def test_an_empty_store_merges_without_complaint(store, tmp_path):
    Store.create(tmp_path / "empty")
    assert run(["store", "merge", str(store.path), str(tmp_path / "empty")]) == 0


def test_verify_says_whole_or_which_file_is_not(store, capsys):
    assert run(["store", "verify", str(store.path)]) == 0
    assert said(capsys) == (f"{store.path}: whole\n", "")
    path = next(store.path.glob("revisions/*/*"))
    path.write_bytes(b"x")
    (store.path / "cat.jpg").write_bytes(b"cat")
    assert run(["store", "verify", str(store.path)]) == 1
    out, err = said(capsys)
    assert out == f"{store.path}: 1 damaged, 1 foreign\n"
    assert f"damaged: {path}: damaged, its content no longer fits its name; delete it" in err
    assert f"foreign: {store.path / 'cat.jpg'}: no file of flaxgal's" in err


def test_the_index_is_made_anew(store, capsys):
    (store.path / "index" / "galaxies.lines").write_text("nonsense")
    assert run(["store", "reindex", str(store.path)]) == 0
    assert said(capsys)[0] == f"{store.path}: 1 galaxies, 1 revisions, 0 notes in the index\n"


@pytest.mark.parametrize("command", ["verify", "reindex"])
def test_a_folder_that_is_no_store_is_said(tmp_path, capsys, command):
    assert run(["store", command, str(tmp_path / "nowhere")]) == 2
    assert "nowhere: no " in said(capsys)[1]


def test_a_merge_of_what_is_no_store_makes_none(tmp_path, capsys):
    (tmp_path / "photo.jpg").write_bytes(b"jpg")
    assert run(["store", "merge", str(tmp_path / "new"), str(tmp_path / "photo.jpg")]) == 2
    assert "photo.jpg: no label store and no bundle" in said(capsys)[1]
    assert not (tmp_path / "new").exists()


def test_what_a_merge_leaves_out_is_listed(store, tmp_path, capsys):
    other = Store.create(tmp_path / "other")
    other.add(a_cutout(seed=7))
    assert run(["store", "merge", str(store.path), str(other.path)]) == 1
    assert "left out: g1: " in said(capsys)[1]
