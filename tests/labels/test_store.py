import json
import shutil
import subprocess
import sys
import time

import numpy as np
import pytest

from flaxgal.labels.index import Index
from flaxgal.labels.records import FIELDS, line_of
from flaxgal.labels.revisions import Revision
from flaxgal.labels.store import Galaxy, Store, is_store
from flaxgal.survey.cutout import Cutout


def a_cutout(object_id="g1", *, seed=0, survey="HSC", shape=(10, 12)):
    flux = np.random.default_rng(seed).normal(size=(1, *shape)).astype(np.float32)
    return Cutout(object_id=object_id, flux=flux, bands=("i",), unit="nJy", survey=survey, ra_deg=150.0, dec_deg=2.0)


def a_revision(cutout, *, marked=True, annotator="anna", **changes):
    mask = np.zeros(cutout.image_shape, np.uint8)
    mask[2:4] = marked
    given = {"annotator": annotator, "origin": "drawn", "cutout_sha256": cutout.sha256, "mask": mask}
    return Revision(object_id=cutout.object_id, **(given | changes))


@pytest.fixture
def store(tmp_path):
    return Store.create(tmp_path / "labels")


def everything(store):
    """All files of a store but its derived index, with their content."""
    files = [path for path in store.path.rglob("*") if path.is_file() and "index" not in path.parts]
    return {path.relative_to(store.path).as_posix(): path.read_bytes() for path in files}


def test_a_galaxy_and_its_revisions_come_back_as_they_went_in(store):
    cutout = a_cutout()
    assert store.add(cutout) == "g1"
    first = store.commit(a_revision(cutout))
    second = store.commit(a_revision(cutout, annotator="bo", parent=first.revision_id))
    for opened in (store, Store.open(store.path)):
        np.testing.assert_array_equal(opened.cutout("g1").flux, cutout.flux)
        assert opened.cutout("g1").sha256 == cutout.sha256
        assert [revision.annotator for revision in opened.revisions("g1")] == ["anna", "bo"]
        assert opened.latest("g1").parent == first.revision_id
        assert opened.latest("g1").revision_id == second.revision_id
        np.testing.assert_array_equal(opened.revision(first.revision_id).mask, a_revision(cutout).mask)


def test_the_latest_revision_is_the_youngest_in_whatever_order_they_arrive(store):
    """Two laptops are merged: files come in the order of their hashes, or of the merging."""
    cutout = a_cutout()
    store.add(cutout)
    for day in (5, 2, 9, 1, 7, 3):
        store.commit(a_revision(cutout, annotator=f"day {day}", created_utc=f"2026-01-0{day}T00:00:00.000000"))
    for opened in (store, Store.open(store.path)):
        assert opened.latest("g1").annotator == "day 9"
        assert [line.provenance.annotator[4:] for line in opened.history("g1")] == list("123579")


def test_nothing_already_written_ever_changes(store):
    cutout = a_cutout()
    store.add(cutout)
    store.commit(a_revision(cutout))
    before = everything(store)
    store.add(a_cutout())
    store.add(a_cutout("g2", seed=2))
    store.commit(a_revision(cutout, annotator="bo"))
    after = everything(store)
    assert len(after) == len(before) + 2
    assert {name: after[name] for name in before} == before


def test_other_pixels_under_a_known_id_are_refused(store):
    store.add(a_cutout())
    with pytest.raises(ValueError, match="g1: the store has another cutout under this id"):
        store.add(a_cutout(seed=1))
    assert len(store.galaxies()) == 1


def test_unlabelled_differs_from_known_to_have_no_arms(store):
    looked_at, unseen = a_cutout("smooth"), a_cutout("unseen", seed=1)
    store.add(looked_at)
    store.add(unseen)
    store.commit(a_revision(looked_at, marked=False))
    assert store.latest("unseen") is None
    assert store.latest("smooth").marked_pixels == 0
    status = store.status()
    assert (status.galaxies, status.labelled, status.without_marks, status.unlabelled) == (2, 1, 1, 1)


def test_status_counts_by_survey_annotator_and_origin(store):
    for number, survey in enumerate(["HSC", "HSC", "GZ3D"]):
        store.add(a_cutout(f"g{number}", seed=number, survey=survey))
    cutout = store.cutout("g0")
    store.commit(a_revision(cutout))
    store.commit(a_revision(cutout, annotator="bo", origin="corrected"))
    status = Store.open(store.path).status()
    assert status.galaxies_by_survey == {"HSC": 2, "GZ3D": 1}
    assert status.labelled_by_survey == {"HSC": 1}
    assert status.revisions_by_annotator == {"anna": 1, "bo": 1}
    assert status.revisions_by_origin == {"drawn": 1, "corrected": 1}
    assert dict(status.items())["unlabelled"] == 2


def test_the_index_is_derived_and_may_be_lost_torn_or_stale(store):
    cutout = a_cutout()
    store.add(cutout)
    store.commit(a_revision(cutout, annotator="Zoë", details={"seconds": 3}))
    expected = (dict(store.galaxies()), store.history())
    index = store.path / "index"
    for damage in (
        lambda: shutil.rmtree(index),
        lambda: (index / "revisions.lines").write_bytes((index / "revisions.lines").read_bytes()[:-9]),
        lambda: (index / "galaxies.lines").open("a").write('{"file": "galaxies/00/gone.0.fits"}\n[]\nnot json\n'),
    ):
        damage()
        opened = Store.open(store.path)
        assert (dict(opened.galaxies()), opened.history()) == expected


def test_index_lines_of_another_version_are_derived_again(store):
    cutout = a_cutout()
    store.add(cutout)
    store.commit(a_revision(cutout))
    expected = (dict(store.galaxies()), store.history())
    for kind in ("galaxies", "revisions"):
        index = store.path / "index" / f"{kind}.lines"
        name, *values = json.loads(index.read_text()[10:])
        for fields, line in (((*FIELDS[kind], "field_of_the_future"), [*values, 1]), ((), [])):
            Index(index, fields).replace({name: line})
            opened = Store.open(store.path)
            assert (dict(opened.galaxies()), opened.history()) == expected
        size = index.stat().st_size
        Store.open(store.path)
        assert index.stat().st_size == size  # the line that was derived is understood the next time


def test_a_galaxy_whose_file_is_gone_or_changed_is_named(store):
    store.add(a_cutout())
    path = next((store.path / "galaxies").rglob("g1.*.fits"))
    content = path.read_bytes()
    path.unlink()
    with pytest.raises(ValueError, match=r"g1\..*\.fits: cannot be read \(No such file or directory\); restore it"):
        store.cutout("g1")
    path.write_bytes(content.replace(b"HSC", b"DES", 1))
    shutil.rmtree(store.path / "index")
    opened = Store.open(store.path)
    assert list(opened.galaxies()) == []
    assert "its content no longer fits its name" in opened.status().damaged[0]


def test_two_stores_merge_by_putting_their_files_together(store, tmp_path):
    other = Store.create(tmp_path / "laptop")
    cutout = a_cutout()
    for one, name in ((store, "anna"), (other, "bo")):
        one.add(cutout)
        one.commit(a_revision(cutout, annotator=name))
    other.add(a_cutout("g2", seed=2))
    for kind in ("galaxies", "revisions"):
        shutil.copytree(other.path / kind, store.path / kind, dirs_exist_ok=True)
    merged = Store.open(store.path)
    assert list(merged.galaxies()) == ["g1", "g2"]
    assert [line.provenance.annotator for line in merged.history("g1")] == ["anna", "bo"]


def test_two_processes_committing_at_once_lose_nothing(store):
    cutout = a_cutout()
    store.add(cutout)
    code = (
        "import sys, numpy as np\n"
        "from flaxgal.labels.store import Store; from flaxgal.labels.revisions import Revision\n"
        "store = Store.open(sys.argv[1]); cutout = store.cutout('g1')\n"
        "for k in range(15):\n"
        "    mask = np.zeros(cutout.image_shape, np.uint8); mask[0, k % 12] = 1\n"
        "    store.commit(Revision(object_id='g1', mask=mask, annotator=sys.argv[2], origin='drawn', "
        "cutout_sha256=cutout.sha256))\n"
    )
    people = ["anna", "bo"]
    running = [subprocess.Popen([sys.executable, "-c", code, str(store.path), name]) for name in people]
    assert [process.wait() for process in running] == [0, 0]
    store.refresh()
    assert store.status().revisions_by_annotator == {"anna": 15, "bo": 15}
    assert store.status().damaged == ()


def test_a_process_killed_while_writing_leaves_a_store_that_opens(store):
    store.add(a_cutout())
    code = (
        "import sys, numpy as np; from flaxgal.labels.store import Store; from flaxgal.survey.cutout import Cutout\n"
        "store = Store.open(sys.argv[1])\n"
        "for k in range(10_000):\n"
        "    flux = np.full((1, 64, 64), k + 1, np.float32)\n"
        "    store.add(Cutout(object_id=f'k{k}', flux=flux, bands=('i',), unit='nJy'))\n"
        "    print(k, flush=True)\n"
    )
    for delay in (0.05, 0.11, 0.2):
        process = subprocess.Popen([sys.executable, "-c", code, str(store.path)], stdout=subprocess.PIPE)
        assert process.stdout.readline()
        time.sleep(delay)
        process.kill()
        process.wait()
        opened = Store.open(store.path)
        assert opened.status().damaged == ()
        for object_id in opened.galaxies():
            opened.cutout(object_id)
    assert len(opened.galaxies()) > 1


def test_a_damaged_file_is_named_and_the_rest_still_serves(store):
    for number in range(2):
        cutout = a_cutout(f"g{number}", seed=number)
        store.add(cutout)
        store.commit(a_revision(cutout))
    broken = next((store.path / "revisions").rglob("g0.*.fits.gz"))
    broken.write_bytes(broken.read_bytes()[:-20] + bytes(20))
    with pytest.raises(ValueError, match=r"g0\..*damaged"):
        store.latest("g0")
    shutil.rmtree(store.path / "index")
    opened = Store.open(store.path)
    assert len(opened.damaged) == 1
    assert broken.name in opened.status().damaged[0]
    assert opened.latest("g1").annotator == "anna"
    cutout_file = next((store.path / "galaxies").rglob("g1.*.fits"))
    cutout_file.write_bytes(cutout_file.read_bytes()[:-1] + b"x")
    with pytest.raises(ValueError, match="damaged"):
        opened.cutout("g1")


def test_an_image_that_nobody_could_read_back_is_not_taken_in(store):
    dark = Cutout(object_id="dark", flux=np.zeros((1, 8, 8), np.float32), bands=("i",), unit="nJy")
    with pytest.raises(ValueError, match="every pixel is zero"):
        store.add(dark)
    assert everything(store).keys() == {"store.json"}


@pytest.mark.parametrize("object_id", ["J1000+0215 (b)", "é" * 120, "..x", "a:b*c?"])
def test_any_id_a_cutout_may_have_makes_a_file_name(store, object_id):
    cutout = a_cutout(object_id)
    store.add(cutout)
    store.commit(a_revision(cutout))
    shutil.rmtree(store.path / "index")
    opened = Store.open(store.path)
    assert list(opened.galaxies()) == [object_id]
    assert opened.latest(object_id).object_id == object_id


def test_marks_that_do_not_fit_the_galaxy_are_refused_and_nothing_is_written(store):
    cutout = a_cutout()
    store.add(cutout)
    before = everything(store)
    with pytest.raises(ValueError, match="the mask has 3 × 4 pixels, its image 10 × 12"):
        store.commit(a_revision(cutout, mask=np.zeros((3, 4), np.uint8)))
    with pytest.raises(ValueError, match="drawn on other pixels"):
        store.commit(a_revision(cutout, cutout_sha256="0" * 64))
    with pytest.raises(ValueError, match="no galaxy 'g9'"):
        store.commit(a_revision(a_cutout("g9")))
    assert everything(store) == before


def test_folders_that_are_no_store_or_a_newer_one_are_refused_in_a_sentence(tmp_path, store):
    with pytest.raises(ValueError, match="no label store here"):
        Store.open(tmp_path)
    with pytest.raises(ValueError, match="there is a label store already"):
        Store.create(store.path)
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").write_bytes(b"cat")
    with pytest.raises(ValueError, match="expected an empty or a new folder"):
        Store.create(tmp_path / "photos")
    about = json.loads((store.path / "store.json").read_text())
    (store.path / "store.json").write_text(json.dumps(about | {"format": 2}))
    with pytest.raises(ValueError, match=r"layout 2, this flaxgal knows 1; install a newer flaxgal"):
        Store.open(store.path)
    (store.path / "store.json").write_text("{")
    with pytest.raises(ValueError, match=r"store\.json: damaged"):
        Store.open(store.path)
    assert is_store(store.path)
    assert not is_store(tmp_path)


def test_the_listing_of_a_large_store_opens_no_files(store, monkeypatch):
    """76,635 galaxies open in seconds: here 2,000 with an index, none of which could be opened if it were tried."""
    lines = {}
    about = {"survey": "HSC", "ra_deg": 1.0, "dec_deg": 2.0, "bands": ("i",), "unit": "nJy", "image_shape": (64, 64)}
    for number in range(2000):
        name = f"galaxies/{number % 256:02x}/g{number}.{number:020x}.fits"
        (store.path / name).parent.mkdir(parents=True, exist_ok=True)
        (store.path / name).touch()
        lines[name] = line_of("galaxies", Galaxy(object_id=f"g{number}", cutout_sha256="0", **about))
    Index(store.path / "index" / "galaxies.lines", FIELDS["galaxies"]).append(lines)
    opened = Store.open(store.path)
    assert len(opened.galaxies()) == 2000
    assert opened.status().damaged == ()
