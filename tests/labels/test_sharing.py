"""Several people, machines and mishaps at one store."""

import json
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from stores import a_cutout, a_revision, at_once, files_of

from flaxgal.labels import store as store_module
from flaxgal.labels.notes import Note
from flaxgal.labels.store import NotSavedError, Store
from flaxgal.survey import atomic


@pytest.fixture
def store(tmp_path):
    store = Store.create(tmp_path / "labels")
    store.add(a_cutout())
    return store


def mounted(folder: Path, *options: str) -> bool:
    folder.mkdir()
    return subprocess.run(["mount", "-t", "tmpfs", *options, "tmpfs", str(folder)], capture_output=True).returncode == 0


@pytest.fixture
def small_disk(tmp_path):
    """A disk of one megabyte."""
    folder = tmp_path / "disk"
    if os.getuid() != 0 or not mounted(folder, "-o", "size=1m"):
        pytest.skip("needs to mount a disk of 1 MB (tmpfs), which only root may")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_refresh_names_the_galaxies_that_others_said_something_about(store):
    other = Store.open(store.path)
    assert store.refresh() == frozenset()
    other.add(a_cutout("g2", seed=2))
    assert store.refresh() == {"g2"}
    revision = other.commit(a_revision(a_cutout()))
    other.note(Note(object_id="g2", annotator="bo", kind="flagged"))
    assert store.refresh() == {"g1", "g2"}
    assert store.latest("g1").revision_id == revision.revision_id
    assert store.notes("g2")[0].annotator == "bo"
    assert store.refresh() == frozenset()


def test_refresh_opens_no_file_that_another_process_has_put_into_the_index(store, monkeypatch):
    other = Store.open(store.path)
    for number in range(5):
        other.commit(a_revision(a_cutout(), annotator=f"p{number}"))
    monkeypatch.setattr(store_module, "opened", lambda kind, path: pytest.fail(f"{path} was opened"))
    assert store.refresh() == {"g1"}
    assert len(store.history()) == 5


def test_files_that_arrive_without_an_index_are_read_and_put_into_it(store, tmp_path):
    """A folder that is kept the same on two machines by copying files (rsync, a cloud) brings no index lines."""
    other = Store.create(tmp_path / "laptop")
    other.add(a_cutout())
    other.commit(a_revision(a_cutout(), annotator="bo"))
    shutil.copytree(other.path / "revisions", store.path / "revisions")
    assert store.refresh() == {"g1"}
    assert store.latest("g1").annotator == "bo"
    assert "bo" in (store.path / "index" / "revisions.lines").read_text()


def test_files_taken_away_are_forgotten_and_files_restored_are_known_again(store):
    store.commit(a_revision(a_cutout()))
    path = next((store.path / "revisions").rglob("*.fits.gz"))
    content = path.read_bytes()
    path.unlink()
    assert store.refresh() == {"g1"}
    assert store.latest("g1") is None
    path.write_bytes(content[:-5])
    shutil.rmtree(store.path / "index")
    opened = Store.open(store.path)
    assert list(opened.damaged) == [path.relative_to(store.path).as_posix()]
    path.write_bytes(content)
    assert opened.refresh() == {"g1"}
    assert opened.damaged == {}
    assert opened.latest("g1").annotator == "anna"


def test_a_galaxy_that_another_process_added_is_found_without_a_refresh(store):
    Store.open(store.path).add(a_cutout("g2", seed=2))
    store.commit(a_revision(a_cutout("g2", seed=2)))
    Store.open(store.path).add(a_cutout("g3", seed=3))
    with pytest.raises(ValueError, match="g3: the store has another cutout under this id"):
        store.add(a_cutout("g3", seed=4))


def test_a_correction_counts_after_what_it_corrects_whatever_the_clocks_say(store):
    """The second machine's clock is a day behind."""
    cutout = a_cutout()
    first = store.commit(a_revision(cutout, created_utc="2026-01-02T00:00:00.000000"))
    second = store.commit(
        a_revision(cutout, annotator="bo", parent=first.revision_id, created_utc="2026-01-01T00:00:00.000000")
    )
    third = store.commit(
        a_revision(cutout, annotator="chi", parent=second.revision_id, created_utc="2026-01-01T00:00:01.000000")
    )
    between = store.commit(a_revision(cutout, annotator="dee", created_utc="2026-01-01T12:00:00.000000"))
    later = store.commit(a_revision(cutout, annotator="eve", created_utc="2026-01-03T00:00:00.000000"))
    expected = [one.revision_id for one in (between, first, second, third, later)]
    for opened in (store, Store.open(store.path)):
        assert [line.revision_id for line in opened.history("g1")] == expected


def test_two_cutouts_of_one_id_in_one_folder_hide_no_file_and_mix_no_masks(store, tmp_path):
    """Two folders were copied into one, though each has another galaxy of the name g1."""
    other = Store.create(tmp_path / "laptop")
    other.add(a_cutout(seed=5))
    store.commit(a_revision(a_cutout()))
    other.commit(a_revision(a_cutout(seed=5), annotator="bo"))
    for kind in ("galaxies", "revisions"):
        shutil.copytree(other.path / kind, store.path / kind, dirs_exist_ok=True)
    store.refresh()
    for opened in (store, Store.open(store.path)):
        used = opened.cutout("g1").sha256
        assert used == Store.open(store.path).cutout("g1").sha256
        assert [line.provenance.cutout_sha256 for line in opened.history()] == [used]
        assert opened.labelled() == {"g1"}
        (sentence,) = opened.damaged.values()
        assert "drawn on other pixels, and left out; add the cutout that" in sentence


def commit_many(path, name, number):
    store = Store.open(path)
    cutout = store.cutout("g1")
    for count in range(number):
        mask = np.zeros(cutout.image_shape, np.uint8)
        mask[0, count % 12] = 1
        store.commit(a_revision(cutout, annotator=name, mask=mask))
        store.note(Note(object_id="g1", annotator=name, kind="skipped"))
        store.add(a_cutout(f"common {count}", seed=count))


def test_processes_at_one_store_lose_nothing_and_leave_nothing_behind(store):
    names = ["anna", "bo", "chi", "dee"]
    assert at_once([(__file__, "commit_many", (str(store.path), name, 12)) for name in names]) == [0] * 4
    store.refresh()
    assert store.status().revisions_by_annotator == dict.fromkeys(names, 12)
    assert (len(store.notes()), len(store.galaxies()), store.damaged) == (48, 13, {})
    reopened = Store.open(store.path)
    assert (reopened.history(), reopened.notes()) == (store.history(), store.notes())
    assert not list(store.path.rglob(".writing-*"))


def test_threads_may_share_a_store(store):
    from concurrent.futures import ThreadPoolExecutor

    def work(number):
        store.refresh()
        store.commit(a_revision(a_cutout(), annotator=f"p{number}"))
        store.cutout("g1")
        return len(store.history())

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(40)))
    assert len({line.provenance.annotator for line in Store.open(store.path).history()}) == 40


def test_what_everybody_may_write_stays_so_in_new_folders_whatever_the_umask(tmp_path):
    """Two people share a folder of their group: each must be able to write where the other was first."""
    old = os.umask(0o077)
    try:
        (tmp_path / "shared").mkdir()
        (tmp_path / "shared").chmod(0o2770)
        store = Store.create(tmp_path / "shared")
        store.add(a_cutout())
        store.commit(a_revision(a_cutout()))
        for path in (tmp_path / "shared").rglob("*"):
            wanted = 0o770 if path.is_dir() else 0o660
            assert stat.S_IMODE(path.stat().st_mode) & 0o777 == wanted, path
    finally:
        os.umask(old)


def test_a_full_disk_is_said_and_nothing_is_damaged(small_disk):
    store = Store.create(small_disk / "labels")
    cutout = a_cutout(shape=(64, 64))
    store.add(cutout)
    store.commit(a_revision(cutout))
    random = np.random.default_rng(0)

    def fill():
        for number in range(10_000):
            mask = random.integers(0, 2, cutout.image_shape).astype(np.uint8)
            store.commit(a_revision(cutout, annotator=f"p{number}", mask=mask))

    with pytest.raises(NotSavedError, match=r"g1: not saved in .*labels \(no space left on device\); nothing there"):
        fill()
    kept = len(store.history())
    assert kept > 5
    with pytest.raises(NotSavedError, match="no space left on device"):
        store.add(a_cutout("g2", seed=2, shape=(256, 256)))
    for opened in (store, Store.open(store.path)):
        assert (len(opened.history()), opened.damaged, list(opened.galaxies())) == (kept, {}, ["g1"])
        assert all(opened.revision(line.revision_id).marked_pixels for line in opened.history())
    assert not list(store.path.rglob(".writing-*"))
    shutil.rmtree(store.path / "revisions")
    store.refresh()
    store.commit(a_revision(cutout, annotator="again"))
    assert Store.open(store.path).latest("g1").annotator == "again"


def test_a_store_that_may_only_be_read_is_read(tmp_path):
    folder = tmp_path / "disk"
    if os.getuid() != 0 or not mounted(folder):
        pytest.skip("needs to mount a disk, which only root may")
    try:
        store = Store.create(folder / "labels")
        store.add(a_cutout())
        store.commit(a_revision(a_cutout()))
        shutil.rmtree(store.path / "index")
        subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)
        opened = Store.open(store.path)
        assert opened.latest("g1").annotator == "anna"
        assert opened.cutout("g1").sha256 == a_cutout().sha256
        with pytest.raises(NotSavedError, match=r"g1: not saved in .* \(read-only file system\)"):
            opened.commit(a_revision(a_cutout(), annotator="bo"))
        assert len(opened.history()) == 1
        with pytest.raises(OSError, match=r"(?i)read-only file system"):
            Store.create(folder / "new")
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_disk_that_gives_back_other_bytes_is_not_trusted(store, monkeypatch):
    honest = atomic._from_the_disk
    before = files_of(store)
    monkeypatch.setattr(atomic, "_from_the_disk", lambda path: honest(path)[:-1] + b"x")
    with pytest.raises(NotSavedError, match="differs from what was written; is the disk failing"):
        store.commit(a_revision(a_cutout()))
    assert files_of(store) == before
    assert store.history() == []


def test_a_mask_is_compared_pixel_by_pixel_before_it_counts_as_saved(store, monkeypatch):
    """The bytes may be on the disk as they should, and mean something else: here one pixel is lost on the way in."""
    honest = store_module.revision_to_fits

    def careless(revision, wcs):
        mask = revision.mask.copy()
        mask[2, 0] = 0
        return honest(a_revision(a_cutout(), mask=mask, created_utc=revision.created_utc), wcs)

    before = files_of(store)
    monkeypatch.setattr(store_module, "revision_to_fits", careless)
    with pytest.raises(NotSavedError, match="what was read back differs from what was drawn"):
        store.commit(a_revision(a_cutout()))
    assert files_of(store) == before
    assert Store.open(store.path).history() == []


@pytest.mark.parametrize(
    "changes",
    [
        {"details": {"shown": ("a", "b"), "at": 0.1 + 0.2, "deep": {"x": [1, None]}}},
        {"active_seconds": 0.1 + 0.2, "model_threshold": 0.1 + 0.2, "model_run": "runs/é & 'long' " + "&" * 200},
        {"details": {"remark": "&" * 300, "'" * 70: "&'" * 70}},
        {"annotator": "  Zoë  ", "source": "&", "served_by": "'" * 150, "tool_counts": {"brush": 10**6}},
    ],
)
def test_whatever_a_revision_says_can_be_committed(store, changes):
    kept = store.commit(a_revision(a_cutout(), **changes))
    back = Store.open(store.path).revision(kept.revision_id)
    for name, value in changes.items():
        assert json.dumps(getattr(back, name), sort_keys=True) == json.dumps(value, sort_keys=True)


def synced_by(monkeypatch, act):
    """The files and folders that were synced while `act` ran, and the names that appeared, in order."""
    done = []
    honest_sync, honest_replace = atomic.os.fsync, Path.replace

    def fsync(descriptor):
        done.append(("sync", str(Path(f"/proc/self/fd/{descriptor}").readlink())))
        honest_sync(descriptor)

    def replace(self, target):
        done.append(("name", str(target)))
        return honest_replace(self, target)

    monkeypatch.setattr(atomic.os, "fsync", fsync)
    monkeypatch.setattr(Path, "replace", replace)
    act()
    monkeypatch.undo()
    return done


def test_after_a_power_cut_all_that_was_called_saved_is_there(tmp_path, monkeypatch):
    """A file needs its bytes on the disk before its name, then its name, and the names of all new folders above it."""
    stores = []
    done = synced_by(monkeypatch, lambda: stores.append(Store.create(tmp_path / "new" / "labels")))
    store = stores[0]
    synced = [path for what, path in done if what == "sync"]
    assert {str(tmp_path), str(tmp_path / "new"), str(store.path)} <= set(synced)
    for act in (lambda: store.add(a_cutout()), lambda: store.commit(a_revision(a_cutout()))):
        done = synced_by(monkeypatch, act)
        named = next(place for place, (what, _) in enumerate(done) if what == "name")
        path = Path(done[named][1])
        assert any(".writing-" in entry[1] for entry in done[:named] if entry[0] == "sync")
        after = {entry[1] for entry in done[named:] if entry[0] == "sync"}
        assert {str(path.parent), str(path.parent.parent), str(store.path)} <= after


def test_a_network_disk_that_cannot_sync_folders_is_written_to_all_the_same(store, monkeypatch):
    honest = os.fsync

    def fsync(descriptor):
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(22, "Invalid argument")
        honest(descriptor)

    monkeypatch.setattr(atomic.os, "fsync", fsync)
    assert store.commit(a_revision(a_cutout())).revision_id


def test_a_damaged_file_is_restored_by_saving_again_what_it_held(store):
    cutout = a_cutout()
    revision = a_revision(cutout)
    kept = store.commit(revision)
    path = next((store.path / "revisions").rglob("*.fits.gz"))
    path.write_bytes(b"damaged")
    assert store.commit(revision).revision_id == kept.revision_id
    np.testing.assert_array_equal(Store.open(store.path).latest("g1").mask, revision.mask)


def test_an_annotating_process_that_is_killed_at_random_moments_leaves_a_store_that_is_whole(store):
    code = (
        "import sys; sys.path.insert(0, sys.argv[2])\n"
        "from stores import *\n"
        "import os\n"
        "store, cutout = Store.open(sys.argv[1]), a_cutout()\n"
        "print(store.commit(a_revision(cutout)).revision_id, flush=True)\n"
        "for child in range(40):\n"
        "    import time; reader, writer = os.pipe(); pid = os.fork()\n"
        "    if pid == 0:\n"
        "        for k in range(100000):\n"
        "            kept = store.commit(a_revision(cutout, annotator=f'{child} {k}'))\n"
        "            os.write(writer, (kept.revision_id + '\\n').encode())\n"
        "    time.sleep(0.04 + 0.002 * (child * 7 % 40)); os.kill(pid, 9); os.waitpid(pid, 0); os.close(writer)\n"
        "    print(os.read(reader, 10**6).decode(), end=''); os.close(reader)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(store.path), str(Path(__file__).parents[1])],
        capture_output=True,
        text=True,
        check=True,
    )
    said = set(done.stdout.split())
    opened = Store.open(store.path)
    assert len(said) > 10
    assert said <= {line.revision_id for line in opened.history()}
    assert len(opened.history()) <= len(said) + 40  # each may have died between keeping and saying
    assert opened.damaged == {}
    for line in opened.history():
        assert opened.revision(line.revision_id).annotator == line.provenance.annotator
