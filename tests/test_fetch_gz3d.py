"""Galaxy Zoo: 3D from an archive on this computer into a label store."""

import dataclasses
import gzip
import io
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter

import numpy as np
import pytest
from archives import FAULTS, Reply, archive
from astropy.table import Table
from gz3d_files import gz3d_bytes, square, write_gz3d

from flaxgal.cli import run as command_line
from flaxgal.datasets.examples import examples_from_store
from flaxgal.fetch_gz3d import VOTES, fetch_gz3d, import_gz3d, revisions_by_person, votes_revision
from flaxgal.labels.agreement import compare
from flaxgal.labels.consensus import mean_of
from flaxgal.labels.revisions import utc_now
from flaxgal.labels.store import Store
from flaxgal.survey.answers import Politeness, StoppedError
from flaxgal.survey.download import Failed, Fetched, Kept
from flaxgal.survey.gz3d import read_gz3d

QUICK = Politeness(first_wait_seconds=0.01, longest_wait_seconds=0.05, stall_seconds=0.5, connect_seconds=1.0)
FOLDER = "/sas/dr17/manga/morphology/galaxyzoo3d/v4_0_0"
ARMS = {11: [square(40, 50, 30), square(50, 50, 30)], 12: [square(50, 60, 20)], 13: []}
BARS = {21: [square(95, 95, 10)], 22: []}


def galaxy_name(number):
    return f"1-{1000 + number}_19_{14700000 + number}"


def table_bytes(numbers, spiral=30, votes=40):
    """The archive's table; `file_name` is padded with spaces, as there."""
    spirals = spiral if isinstance(spiral, list) else [spiral] * len(numbers)
    table = Table(
        {
            "MANGAID": [f"1-{1000 + number}" for number in numbers],
            "ra": np.array([10.0 + number for number in numbers]),
            "dec": np.array([-1.0 + 0.01 * number for number in numbers]),
            "GZ_total_classifications": np.broadcast_to(votes, len(numbers)).astype(np.int16),
            "GZ_spiral_votes": np.array(spirals, np.int16),
            "GZ_bar_votes": np.full(len(numbers), 5, np.int16),
            "file_name": [f"{galaxy_name(number)}.fits  " for number in numbers],
        }
    )
    file = io.BytesIO()
    table.write(file, format="fits")
    return file.getvalue()


def galaxy_bytes(number, arms=None, bars=None, **more):
    where = {"ra": 10.0 + number, "dec": -1.0 + 0.01 * number, "manga_id": f"1-{1000 + number}"} | more
    return gz3d_bytes(ARMS if arms is None else arms, BARS if bars is None else bars, **where)


def repacked(packed, old, new):
    """A gzipped file with some of its bytes exchanged."""
    whole = gzip.decompress(packed)
    assert old in whole
    return gzip.compress(whole.replace(old, new), compresslevel=1)


def galaxy_path(number):
    return f"{FOLDER}/gz3d_{galaxy_name(number)}.fits.gz"


def served(numbers, **more):
    return {f"{FOLDER}/gz3d_metadata.fits": table_bytes(numbers)} | {
        galaxy_path(number): galaxy_bytes(number, **more) for number in numbers
    }


def run(server, tmp_path, **more):
    store = Store.open_or_create(tmp_path / "labels")
    more = {"files": tmp_path / "files", "politeness": QUICK} | more
    return store, list(fetch_gz3d(store, archive=f"{server.url}{FOLDER}/", **more))


def test_galaxies_come_with_the_share_of_people_who_marked_each_pixel(tmp_path):
    with archive(served([1, 2])) as server:
        store, events = run(server, tmp_path)
    assert [type(event) for event in events] == [Fetched, Fetched]
    assert events[-1].standing.total == 2
    assert set(store.galaxies()) == {galaxy_name(1), galaxy_name(2)}
    votes = store.latest(galaxy_name(1))
    assert votes.annotator == VOTES
    assert votes.classes == ("arm", "bar")
    assert votes.details["people"] == {"arm": 3, "bar": 2}
    assert votes.fraction[0, 65, 55] == pytest.approx(2 / 3)
    assert votes.fraction[1, 100, 100] == pytest.approx(1 / 2)
    assert votes.source == f"gz3d_{galaxy_name(1)}.fits.gz"


def test_a_second_run_asks_for_nothing(tmp_path):
    with archive(served([1, 2, 3])) as server:
        run(server, tmp_path)
        before = len(server.asked)
        _, events = run(server, tmp_path)
        assert len(server.asked) == before
    assert [type(event) for event in events] == [Kept] * 3


def test_galaxies_files_are_deleted_when_the_store_has_them_unless_they_are_wanted(tmp_path):
    with archive(served([1])) as server:
        run(server, tmp_path)
        assert [path.name for path in (tmp_path / "files").iterdir()] == ["gz3d_metadata.fits"]
        (tmp_path / "b").mkdir()
        run(server, tmp_path / "b", keep_files=True)
    assert len(list((tmp_path / "b" / "files").glob("gz3d_1-*.fits.gz"))) == 1


def test_a_file_that_the_user_has_is_not_asked_for_and_stays(tmp_path):
    (tmp_path / "files").mkdir()
    name = f"gz3d_{galaxy_name(1)}.fits.gz"
    (tmp_path / "files" / name).write_bytes(galaxy_bytes(1))
    with archive(served([1, 2])) as server:
        store, events = run(server, tmp_path)
        assert galaxy_path(1) not in [asked.path for asked in server.asked]
    assert Counter(map(type, events)) == {Kept: 1, Fetched: 1}
    assert len(store.galaxies()) == 2
    assert (tmp_path / "files" / name).exists()


def test_the_seeds_cut_takes_galaxies_that_more_than_a_fifth_called_spiral(tmp_path):
    files = served([1, 2, 3]) | {f"{FOLDER}/gz3d_metadata.fits": table_bytes([1, 2, 3], spiral=[8, 9, 0])}
    with archive(files) as server:
        store, _ = run(server, tmp_path)
        assert set(store.galaxies()) == {galaxy_name(2)}  # 8 of 40 is a fifth, not more
        store, _ = run(server, tmp_path, spiral_share=None, object_ids=[galaxy_name(3)])
        assert galaxy_name(3) in store
        store, _ = run(server, tmp_path, spiral_share=None, object_ids=["1-1001"])
        assert galaxy_name(1) in store


def test_a_galaxy_that_is_named_comes_whatever_its_votes_and_a_name_that_nobody_has_is_said(tmp_path):
    files = served([1, 2]) | {f"{FOLDER}/gz3d_metadata.fits": table_bytes([1, 2], spiral=[1, 0])}
    with archive(files) as server:
        store, events = run(server, tmp_path, object_ids=["1-1001", "1-9999", "1-8888"])
        assert set(store.galaxies()) == {galaxy_name(1)}
        assert [event.reason.split(";")[0] for event in events if isinstance(event, Failed)] == [
            f"{name}: no galaxy of Galaxy Zoo: 3D has this name in gz3d_metadata.fits" for name in ("1-9999", "1-8888")
        ]
        assert (events[-1].standing.done, events[-1].standing.total) == (3, 3)


def test_the_command_line_can_leave_the_cut_out(tmp_path):
    files = served([1, 2]) | {f"{FOLDER}/gz3d_metadata.fits": table_bytes([1, 2], votes=[0, 40], spiral=[0, 1])}
    with archive(files) as server:
        words = ["fetch", "gz3d", "--store", str(tmp_path / "labels"), "--address", server.url + FOLDER]
        assert command_line([*words, "--spiral-share", "None"]) == 0
    assert set(Store.open(tmp_path / "labels").galaxies()) == {galaxy_name(1), galaxy_name(2)}


def test_a_selection_of_nothing_is_said(tmp_path):
    with archive(served([1])) as server, pytest.raises(ValueError, match="no galaxy is selected"):
        run(server, tmp_path, spiral_share=0.9)


def test_a_table_that_is_none_is_said(tmp_path):
    with (
        archive({f"{FOLDER}/gz3d_metadata.fits": galaxy_bytes(1)}) as server,
        pytest.raises(ValueError, match="found no column file_name"),
    ):
        run(server, tmp_path)
    assert not (tmp_path / "files" / "gz3d_metadata.fits").exists()


def test_a_damaged_table_is_said(tmp_path):
    damaged = table_bytes([1]).replace(b"TFORM2  =", b"TXORM2  =")
    with (
        archive({f"{FOLDER}/gz3d_metadata.fits": damaged}) as server,
        pytest.raises(ValueError, match=r"gz3d_metadata\.fits: damaged or cut short"),
    ):
        run(server, tmp_path)


def test_each_persons_drawing_can_be_a_revision_and_their_mean_is_the_share(tmp_path):
    with archive(served([1])) as server:
        store, _ = run(server, tmp_path, by_person=True)
        before = len(server.asked)
        _, events = run(server, tmp_path, by_person=True)
        assert [type(event) for event in events] == [Kept]
        assert len(server.asked) == before
    drawn = store.revisions(galaxy_name(1))
    assert sorted(revision.annotator for revision in drawn) == [f"GZ3D volunteer {who}" for who in (11, 12, 13, 21, 22)]
    galaxy = read_gz3d(write_gz3d(tmp_path, ARMS, BARS))
    for name in ("arm", "bar"):
        np.testing.assert_allclose(mean_of(drawn, [name]).share[0], galaxy.share(name), atol=1e-6)
    one, two = (next(one for one in drawn if one.annotator.endswith(str(who))) for who in (11, 12))
    assert compare(one, two, "arm").dice == pytest.approx(2 * 400 / (1200 + 400))


def test_a_person_who_saw_no_arm_says_so_and_says_nothing_of_bars(tmp_path):
    galaxy = read_gz3d(write_gz3d(tmp_path, ARMS, BARS))
    none = next(one for one in revisions_by_person(galaxy) if one.annotator.endswith(" 13"))
    assert none.classes == ("arm",)
    assert none.marked_pixels == 0


def test_an_arm_and_a_bar_of_one_person_may_overlap(tmp_path):
    both = {5: [square(40, 50, 30)]}
    (one,) = revisions_by_person(read_gz3d(write_gz3d(tmp_path, both, {5: [square(60, 50, 30)]})))
    assert one.classes == ("arm", "bar")
    assert one.target(["arm", "bar"]).sum() == 1800
    (other,) = revisions_by_person(read_gz3d(write_gz3d(tmp_path, both, {5: [square(80, 50, 30)]})))
    assert set(np.unique(other.mask)) == {0, 1, 2}


def test_votes_do_not_outdate_what_somebody_drew(tmp_path):
    galaxy = read_gz3d(write_gz3d(tmp_path, ARMS))
    assert votes_revision(galaxy).created_utc == "2018-02-03T04:05:02.000000"  # when the last of them drew
    store = Store.create(tmp_path / "labels")
    import_gz3d(store, galaxy)
    mine = votes_revision(galaxy)
    store.commit(dataclasses.replace(mine, annotator="ada", created_utc=utc_now()))
    assert import_gz3d(store, galaxy) == 0
    assert store.latest(galaxy.object_id).annotator == "ada"


@pytest.mark.parametrize("first", [True, False])
def test_the_same_people_are_not_counted_twice(tmp_path, first):
    with archive(served([1])) as server:
        run(server, tmp_path, by_person=first)
        with pytest.raises(ValueError, match="would count them twice: fetch into another store"):
            run(server, tmp_path, by_person=not first)


def test_a_galaxy_on_which_nobody_was_asked_to_draw_is_left_out(tmp_path):
    with archive(served([1], arms={}, bars={})) as server:
        store, (event,) = run(server, tmp_path)
    assert isinstance(event, Failed)
    assert "nobody was asked to draw" in event.reason
    assert not store.galaxies()


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"manga_id": "1-77"}, "the file holds MaNGA's 1-77; wanted 1-1001"),
        ({"ra": 12.0}, r"the file's picture lies \d+ arcsec from \(11\.0"),
    ],
)
def test_a_file_of_another_galaxy_is_refused(tmp_path, wrong, said):
    with archive(served([1]) | {galaxy_path(1): galaxy_bytes(1, **wrong)}) as server:
        store, (event,) = run(server, tmp_path)
    assert isinstance(event, Failed)
    assert re.search(said, event.reason)
    assert not store.galaxies()
    assert [path.name for path in (tmp_path / "files").iterdir()] == ["gz3d_metadata.fits"]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"<html><body>Please log in</body></html>", "page"),
        (b"", "found an empty file"),
        (b"GIF89a not at all", "found a GIF picture"),
        (galaxy_bytes(1)[:-3000], "damaged or cut short"),
        (repacked(galaxy_bytes(1), b"TFORM2  =", b"TXORM2  ="), "damaged or cut short"),
        (repacked(galaxy_bytes(1), b"'MANGAID ", b"'MANGA   "), "found no column MANGAID in HDU 5"),
    ],
)
def test_what_is_no_galaxy_is_never_taken_for_one(tmp_path, body, said):
    with archive(served([1]) | {galaxy_path(1): body}) as server:
        store, (event,) = run(server, tmp_path, politeness=Politeness(tries=2, first_wait_seconds=0.01))
    assert isinstance(event, Failed)
    assert re.search(said, event.reason), event.reason
    assert not store.galaxies()
    assert [path.name for path in (tmp_path / "files").iterdir()] == ["gz3d_metadata.fits"]


def test_a_galaxy_that_the_archive_lacks_does_not_stop_the_others(tmp_path):
    files = served([1, 2, 3])
    del files[galaxy_path(2)]
    with archive(files) as server:
        store, events = run(server, tmp_path)
    assert Counter(map(type, events)) == {Fetched: 2, Failed: 1}
    assert set(store.galaxies()) == {galaxy_name(1), galaxy_name(3)}


def test_every_galaxy_comes_through_an_archive_with_faults(tmp_path):
    numbers = range(24)

    def fault(asked):
        return FAULTS[asked.number % len(FAULTS)] if asked.number % 4 == 1 else None

    with archive(served(numbers), fault=fault) as server:
        store, events = run(server, tmp_path)
    assert [event for event in events if isinstance(event, Failed)] == []
    assert len(store.galaxies()) == 24
    assert store.status().labelled == 24
    assert store.damaged == {}


def test_an_archive_that_dies_half_way_leaves_whole_galaxies_and_the_rest_comes_later(tmp_path):
    numbers = range(12)
    files = served(numbers)

    def fault(asked):
        return "503" if asked.number > 5 else None

    hurried = Politeness(tries=2, first_wait_seconds=0.01, failures_in_a_row=3)
    with archive(files, fault=fault) as server, pytest.raises(StoppedError, match="what came is kept"):
        run(server, tmp_path, politeness=hurried)
    store = Store.open(tmp_path / "labels")
    there = {line.object_id for line in store.history()}
    assert 0 < len(there) < 12
    with archive(files) as server:
        store, _ = run(server, tmp_path)
        assert not there & {asked.path.split("gz3d_")[-1].removesuffix(".fits.gz") for asked in server.asked}
    assert len(store.galaxies()) == store.status().labelled == 12


SCRIPT = """
import sys
from flaxgal.fetch_gz3d import fetch_gz3d
from flaxgal.labels.store import Store
from flaxgal.survey.answers import Politeness
store = Store.open_or_create(sys.argv[1])
for _ in fetch_gz3d(store, files=sys.argv[2], archive=sys.argv[3], politeness=Politeness(connections=2)):
    pass
"""


def test_after_kill_9_the_same_command_goes_on_and_asks_for_nothing_it_had(tmp_path):
    files = served(range(16))

    def answer(asked):
        time.sleep(0.03)
        return Reply(body=files[asked.path])

    with archive(answer) as server:
        command = [sys.executable, "-c", SCRIPT, tmp_path / "labels", tmp_path / "files", server.url + FOLDER]
        process = subprocess.Popen(command)
        while len(server.asked) < 7 and process.poll() is None:
            time.sleep(0.005)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        there = set(Store.open(tmp_path / "labels").galaxies())
        assert 0 < len(there) < 16
        before = len(server.asked)
        labelled = {line.object_id for line in Store.open(tmp_path / "labels").history()}
        store, events = run(server, tmp_path)
        again = {asked.path for asked in server.asked[before:]}
    assert not again & {f"{FOLDER}/gz3d_{name}.fits.gz" for name in labelled}
    assert f"{FOLDER}/gz3d_metadata.fits" not in again
    assert len(store.galaxies()) == store.status().labelled == len(events) == 16
    assert store.status().revisions == 16
    assert store.damaged == {}


def test_the_hexagon_counts_nothing_in_training(tmp_path):
    store = Store.create(tmp_path / "labels")
    galaxy = read_gz3d(write_gz3d(tmp_path, ARMS))
    import_gz3d(store, galaxy)
    (example,) = examples_from_store(store, bands=("red", "green", "blue"), classes=("arm",), image_size=200)
    np.testing.assert_array_equal(example.weight == 0, galaxy.cutout.mask_planes["HEXAGON"][0])
    assert example.target[65, 55, 0] == round(255 * 2 / 3)


def test_two_processes_do_not_fetch_into_one_store_at_once(tmp_path):
    with archive(served([1, 2])) as server:
        store = Store.create(tmp_path / "labels")
        events = fetch_gz3d(store, archive=server.url + FOLDER, politeness=QUICK)
        next(events)
        with pytest.raises(ValueError, match="another flaxgal fetch is running into this store"):
            next(fetch_gz3d(store, archive=server.url + FOLDER, politeness=QUICK))
        assert len(list(events)) == 1
    assert sorted(path.name for path in (tmp_path / "labels" / ".fetching").iterdir()) == ["gz3d_metadata.fits", "lock"]
    assert len(store.galaxies()) == 2
