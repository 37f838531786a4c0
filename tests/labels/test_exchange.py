import io
import json
import os
import shutil
import subprocess
import tarfile
import time

import numpy as np
import pytest
from stores import a_cutout, a_revision, files_of

from flaxgal.labels.exchange import bundle, is_bundle, merge
from flaxgal.labels.notes import Note, flagged
from flaxgal.labels.store import NotSavedError, Store
from flaxgal.labels.verify import verify
from flaxgal.survey.cutout import Cutout


def a_store(path, annotator, galaxies, *, seed=0):
    """A store of galaxies that all have a revision, a correction of it and a flag by one annotator."""
    store = Store.create(path)
    for number in galaxies:
        cutout = a_cutout(f"g{number}", seed=number + seed)
        store.add(cutout)
        first = store.commit(a_revision(cutout, annotator=annotator))
        store.commit(a_revision(cutout, annotator=annotator, parent=first.revision_id, marked=number % 2 == 0))
        store.note(Note(object_id=cutout.object_id, annotator=annotator, kind="flagged"))
    store.keep_ranking(f"by {annotator}", b"# %ECSV 1.0\n" + annotator.encode())
    return store


@pytest.fixture
def anna(tmp_path):
    return a_store(tmp_path / "anna", "anna", [0, 1, 2])


@pytest.fixture
def bo(tmp_path):
    return a_store(tmp_path / "bo", "bo", [1, 2, 3, 4])


def numbers(merged):
    return merged.galaxies, merged.revisions, merged.notes, merged.rankings, merged.already, merged.refused


def copied(store, path):
    shutil.copytree(store.path, path)
    return Store.open(path)


def test_a_merge_is_the_union_and_says_what_it_took(anna, bo):
    before = files_of(anna)
    assert numbers(merge(anna, bo.path)) == (2, 8, 4, 1, 2, ())
    assert files_of(anna) == before | files_of(bo)
    for opened in (anna, Store.open(anna.path)):
        assert list(opened.galaxies()) == ["g0", "g1", "g2", "g3", "g4"]
        assert opened.status().revisions_by_annotator == {"bo": 8, "anna": 6}
        assert list(flagged(opened)) == list(opened.galaxies())
        assert opened.latest("g1").annotator == "bo"
    assert list(verify(anna.path)) == []


def test_merging_again_changes_nothing_and_the_order_of_merges_does_not_matter(anna, bo, tmp_path):
    one, other = copied(anna, tmp_path / "one"), copied(bo, tmp_path / "other")
    merge(one, bo.path)
    merge(other, anna.path)
    assert files_of(one) == files_of(other)
    again = merge(one, anna.path)
    assert (again.new, again.already, again.refused) == (0, len(files_of(anna)), ())
    assert merge(one, one.path).new == 0
    assert files_of(one) == files_of(other)
    assert [line.revision_id for line in one.history()] == [line.revision_id for line in other.history()]


def test_what_contradicts_stays_outside_in_one_sentence_and_the_rest_comes_in(anna, tmp_path):
    """On the other laptop g1 is another galaxy."""
    other = a_store(tmp_path / "other", "bo", [1], seed=50)
    other.add(a_cutout("g8", seed=8))
    other.commit(a_revision(a_cutout("g8", seed=8)))
    before = files_of(anna)
    merged = merge(anna, other.path)
    assert numbers(merged)[:5] == (1, 1, 0, 1, 0)
    (sentence,) = merged.refused
    assert "g1: " in sentence
    assert "has another cutout under this id; it was left out with 1 note and 2 revisions: give one" in sentence
    assert before.items() <= files_of(anna).items()
    assert list(verify(anna.path)) == []


def test_one_galaxy_in_two_files_is_one_galaxy(anna, tmp_path):
    """The pixels are the same, and a header is not: the survey was written differently."""
    other = Store.create(tmp_path / "other")
    cutout = a_cutout("g1", seed=1, survey="Subaru")
    other.add(cutout)
    other.commit(a_revision(cutout, annotator="bo"))
    one, two = copied(anna, tmp_path / "one"), copied(other, tmp_path / "two")
    merge(one, other.path)
    merge(two, anna.path)
    assert files_of(one) == files_of(two)
    for store in (one, two, Store.open(one.path)):
        assert len(store.history("g1")) == 3
        assert store.galaxies()["g1"].survey == Store.open(two.path).galaxies()["g1"].survey
    assert list(verify(one.path)) == []


def test_damaged_files_are_left_out_and_named(anna, bo):
    newest = bo.history("g1")[-1].revision_id  # of which no other revision was made
    for pattern in ("galaxies/*/g3.*", f"revisions/*/g1.{newest}.*", "notes/*/g2.*", "rankings/*"):
        path = next(bo.path.glob(pattern))
        path.write_bytes(path.read_bytes()[:-3] + b"xyz")
    merged = merge(anna, bo.path)
    assert sum("damaged (its content no longer fits its name)" in sentence for sentence in merged.refused) == 4
    homeless = [sentence for sentence in merged.refused if sentence.startswith("g3: a galaxy that")]
    assert len(homeless) == 1
    assert "left out with 1 note and 2 revisions: merge a bundle with galaxies" in homeless[0]
    assert list(verify(anna.path)) == []


def test_a_copy_restores_what_was_damaged_and_deleted(anna, tmp_path):
    copy = copied(anna, tmp_path / "copy")
    before = files_of(anna)
    for pattern in ("galaxies/*/g1.*", "revisions/*/g2.*"):
        next(anna.path.glob(pattern)).unlink()
    assert merge(anna, copy.path).new == 2
    assert files_of(anna) == before
    path = next(anna.path.glob("revisions/*/g2.*"))
    path.write_bytes(b"")
    shutil.rmtree(anna.path / "index")
    assert merge(Store.open(anna.path), copy.path).new == 1
    assert files_of(anna) == before


def test_a_bundle_carries_a_store_in_one_file(anna, bo, tmp_path):
    path = bundle(bo, tmp_path / "out" / "bo.tar")
    assert is_bundle(path)
    merge(anna, path)
    one = copied(anna, tmp_path / "one")
    assert merge(one, bo.path).new == 0
    fresh = Store.create(tmp_path / "fresh")
    assert merge(fresh, path).refused == ()
    assert files_of(fresh) == files_of(bo)


def test_a_bundle_of_one_store_is_one_to_the_last_bit(bo, tmp_path):
    first = bundle(bo, tmp_path / "first.tar").read_bytes()
    time.sleep(1.1)
    os.utime(next(bo.path.glob("revisions/*/*")))
    assert bundle(copied(bo, tmp_path / "copy"), tmp_path / "second.tar").read_bytes() == first


def test_a_bundle_without_galaxies_goes_back_to_where_they_are(anna, bo, tmp_path):
    path = bundle(bo, tmp_path / "small.tar", with_galaxies=False)
    assert path.stat().st_size < bundle(bo, tmp_path / "large.tar").stat().st_size / 1.3
    merged = merge(anna, path)
    assert numbers(merged)[:5] == (0, 4, 2, 1, 0)
    assert [sentence.partition(":")[0] for sentence in merged.refused] == ["g3", "g4"]
    assert "a galaxy that" in merged.refused[0]


def test_a_bundle_with_names_that_are_long_and_strange(tmp_path):
    store = Store.create(tmp_path / "labels")
    for object_id in ("é" * 100, "..x", "a b(c)"):
        store.add(a_cutout(object_id))
        store.commit(a_revision(a_cutout(object_id)))
    fresh = Store.create(tmp_path / "fresh")
    assert merge(fresh, bundle(store, tmp_path / "b.tar")).refused == ()
    assert files_of(fresh) == files_of(store)


def rewritten(path, change):
    """A bundle with its members changed: `change` is called with the tar to write, each member and its content."""
    with tarfile.open(path) as old:
        members = [(member, old.extractfile(member).read()) for member in old]
    new = path.with_name("rewritten.tar")
    with tarfile.open(new, "w") as tar:
        for member, content in members:
            change(tar, member, content)
    return new


def put(tar, name, content=b"", **attributes):
    member = tarfile.TarInfo(name)
    member.size = len(content)
    for key, value in attributes.items():
        setattr(member, key, value)
    tar.addfile(member, io.BytesIO(content))


@pytest.mark.parametrize(
    ("name", "attributes"),
    [
        ("/etc/passwd", {}),
        ("../outside.fits", {}),
        ("galaxies/../../outside.fits", {}),
        ("galaxies/3f/../g.0123456789abcdef0123.fits", {}),
        ("galaxies/3f/g1.0123456789abcdef0123.fits", {"type": tarfile.SYMTYPE, "linkname": "/etc/passwd"}),
        ("galaxies/3f/g1.0123456789abcdef0123.fits", {"type": tarfile.LNKTYPE, "linkname": "bundle.json"}),
        ("galaxies/3f/g1.0123456789abcdef0123.fits", {"type": tarfile.FIFOTYPE}),
        ("galaxies/3f", {"type": tarfile.DIRTYPE}),
        ("index/galaxies.lines", {}),
        ("open/anna/x.journal", {}),
    ],
)
def test_a_bundle_with_what_none_has_is_not_opened_at_all(anna, bo, tmp_path, name, attributes):
    evil = rewritten(bundle(bo, tmp_path / "b.tar"), lambda tar, member, content: put(tar, member.name, content))
    with tarfile.open(evil, "a") as tar:
        put(tar, name, **attributes)
    before = files_of(anna)
    outside = sorted(tmp_path.iterdir())
    with pytest.raises(ValueError, match=r"rewritten\.tar: no bundle that flaxgal wrote \(it holds .*\); nothing was"):
        merge(anna, evil)
    assert files_of(anna) == before
    assert sorted(tmp_path.iterdir()) == outside


def test_what_does_not_hold_what_its_name_says_is_left_out_of_a_bundle(anna, bo, tmp_path):
    def change(tar, member, content):
        put(tar, member.name, content[:-1] + b"~" if "/g3." in member.name else content)

    before = files_of(anna)
    merged = merge(anna, rewritten(bundle(bo, tmp_path / "b.tar"), change))
    assert sum("damaged in the bundle" in sentence for sentence in merged.refused) == 4
    assert merged.galaxies == 1
    assert before.items() <= files_of(anna).items()
    assert list(verify(anna.path)) == []


def test_files_that_fit_their_names_and_are_something_else_are_left_out(anna, tmp_path):
    """Whoever makes a file can make a name for it."""
    import gzip

    from flaxgal.labels.files import name_of

    other = Store.create(tmp_path / "other")
    contents = {
        "galaxies": [b"<html>", b""],
        "revisions": [b"no gzip", gzip.compress(b"no FITS"), gzip.compress(bytes(2**20))],
        "notes": [b"{", b'{"flaxgal": "note", "format": 1, "object_id": 3, "details": 4}', b"[[[" * 9999],
        "rankings": [b"<html>"],
    }
    for kind, several in contents.items():
        for content in several:
            path = other.path / name_of(kind, "g1", content)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    before = files_of(anna)
    for source in (other.path, bundle(other, tmp_path / "b.tar")):
        merged = merge(anna, source)
        assert (merged.new, len(merged.refused)) == (0, 9), merged.refused
        assert files_of(anna) == before


def test_a_mask_that_unpacks_to_more_than_any_mask_is_left_out(anna, tmp_path, monkeypatch):
    import gzip

    from flaxgal.labels import revisions
    from flaxgal.labels.files import name_of

    monkeypatch.setattr(revisions, "_MOST_BYTES", 2**20)
    other = Store.create(tmp_path / "other")
    content = gzip.compress(bytes(2**24))
    path = other.path / name_of("revisions", "g1", content)
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    assert "more than 1048576 bytes when unpacked" in merge(anna, other.path).refused[0]


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9, 0.99])
def test_a_bundle_that_was_cut_short_gives_what_is_whole_and_says_so(anna, bo, tmp_path, share):
    path = bundle(bo, tmp_path / "b.tar")
    content = path.read_bytes()
    used = content.rstrip(b"\0")
    path.write_bytes(used[: int(share * len(used))])
    merged = merge(anna, path)
    assert any("cut short" in sentence for sentence in merged.refused)
    assert {finding.kind for finding in verify(anna.path)} <= {"missing"}  # a correction came without its parent
    path.write_bytes(content)
    merge(anna, path)
    assert files_of(bo).items() <= files_of(anna).items()
    assert list(verify(anna.path)) == []


def test_what_is_neither_store_nor_bundle_or_is_newer_is_refused(anna, bo, tmp_path):
    (tmp_path / "photo.jpg").write_bytes(b"jpg")
    for path in (tmp_path / "photo.jpg", tmp_path / "nowhere", tmp_path):
        with pytest.raises(ValueError, match="no label store and no bundle"):
            merge(anna, path)

    def newer(tar, member, content):
        if member.name == "bundle.json":
            content = json.dumps(json.loads(content) | {"format": 9}).encode()
        put(tar, member.name, content)

    with pytest.raises(ValueError, match="layout 9, this flaxgal knows 1; install a newer flaxgal"):
        merge(anna, rewritten(bundle(bo, tmp_path / "b.tar"), newer))
    about = json.loads((bo.path / "store.json").read_text())
    (bo.path / "store.json").write_text(json.dumps(about | {"format": 2}))
    with pytest.raises(ValueError, match="layout 2, this flaxgal knows 1"):
        merge(anna, bo.path)


def test_a_bundle_takes_the_place_of_a_bundle_and_of_nothing_else(anna, tmp_path):
    path = bundle(anna, tmp_path / "b.tar")
    anna.add(a_cutout("g7", seed=7))
    assert bundle(anna, path).stat().st_size > 0
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(ValueError, match="is there and no bundle of flaxgal's; choose another name"):
        bundle(anna, tmp_path / "thesis.tex")
    with pytest.raises(ValueError, match="lies in the store itself"):
        bundle(anna, anna.path / "b.tar")
    assert (tmp_path / "thesis.tex").read_text() == "years of work"


def test_a_bundle_of_a_damaged_store_is_not_written(anna, tmp_path):
    path = next(anna.path.glob("galaxies/*/g1.*"))
    path.write_bytes(b"x")
    with pytest.raises(ValueError, match=r"g1\..*damaged"):
        bundle(anna, tmp_path / "b.tar")
    assert not [path for path in tmp_path.iterdir() if "b.tar" in path.name or path.name.startswith(".")]


def test_a_bundle_on_a_full_disk_is_not_there(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)]
    if os.getuid() != 0 or subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("needs to mount a disk of 1 MB (tmpfs), which only root may")
    try:
        store = Store.create(tmp_path / "labels")
        flux = np.random.default_rng(0).normal(size=(1, 600, 600)).astype(np.float32)
        store.add(Cutout(object_id="large", flux=flux, bands=("i",), unit="nJy"))
        with pytest.raises(NotSavedError, match=r"b\.tar: not written \(No space left on device\)"):
            bundle(store, disk / "b.tar")
        assert list(disk.iterdir()) == []
        small = Store.create(disk / "labels")
        with pytest.raises(NotSavedError, match="no space left on device"):
            merge(small, store.path)
        assert list(verify(small.path)) == []
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


def test_a_store_is_merged_while_others_work_in_it(anna, bo, tmp_path):
    open_before = Store.open(anna.path)
    merge(anna, bo.path)
    open_before.commit(a_revision(open_before.cutout("g4"), annotator="chi"))
    assert open_before.refresh() >= {"g3"}
    assert open_before.status().revisions == 15
    assert merge(anna, open_before.path).refused == ()
