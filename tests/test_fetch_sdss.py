"""Nair & Abraham's galaxies: catalogue from CDS, fields from SkyServer, frames from SDSS, all on this computer."""

import io
import os
import signal
import subprocess
import sys
import time
from collections import Counter

import numpy as np
import pytest
from archives import FAULTS, Reply, archive
from astropy.io.votable import from_table, writeto
from astropy.table import Table
from sdss_files import frame_bytes

from flaxgal.fetch_sdss import fetch_nair_abraham, fetch_sdss
from flaxgal.labels.store import Store
from flaxgal.survey.answers import Politeness, StoppedError
from flaxgal.survey.download import Failed, Fetched, Kept
from flaxgal.survey.nair_abraham import Morphology, read_morphologies
from flaxgal.survey.sdss import Field

QUICK = Politeness(first_wait_seconds=0.01, longest_wait_seconds=0.05, stall_seconds=0.5, connect_seconds=1.0)
FRAMES, VIZIER, SKYSERVER = "/sas/dr17/eboss/photoObj/frames", "/viz-bin/votable", "/SkyServerWS/CrossIdSearch"
GALAXIES = {
    "J100000.00+020000.0": (150.0, 2.0, -5, 1),
    "J100000.72+020003.6": (150.003, 2.001, 4, 1),
    "J100000.00+030000.0": (150.0, 3.0, -2, 2),
    "J100000.00+040000.0": (150.0, 4.0, 99, 3),
    "J100000.00+050000.0": (150.0, 5.0, 10, 4),
}
"""Name to right ascension, declination, T-type and number of the field, which is centred on (150, 1 + number)."""


def field(number):
    return Field(run=3700 + number, camcol=3, field=number)


def table(galaxies=GALAXIES, **columns):
    ra, dec, types, _ = zip(*galaxies.values(), strict=True)
    return Table({"SDSS": list(galaxies), "_RAJ2000": ra, "_DEJ2000": dec, "TT": np.array(types, np.int16)} | columns)


def votable(made):
    content = io.BytesIO()
    writeto(from_table(made), content)
    return content.getvalue()


class Sky:
    """Everything that the three services answer, over one server."""

    def __init__(self, galaxies=GALAXIES):
        self.galaxies = galaxies
        self.bodies = {VIZIER: votable(table(galaxies))}
        self.slow = 0.0
        for number in {number for *_, number in galaxies.values()}:
            where, lights = field(number), [(ra, dec, 40.0) for ra, dec, _, n in galaxies.values() if n == number]
            for band in "ugriz":
                name = f"frame-{band}-{where.run:06d}-3-{where.field:04d}.fits.bz2"
                content = frame_bytes(band, lights, field=where, centre=(150.0, 1.0 + number))
                self.bodies[f"{FRAMES}/301/{where.run}/3/{name}"] = content

    def __call__(self, asked):
        time.sleep(self.slow)
        if asked.path == SKYSERVER:
            return Reply(body=self.fields(asked.params["paste"]).encode(), headers={"Content-Type": "text/plain"})
        return Reply(body=self.bodies[asked.path]) if asked.path in self.bodies else Reply(state=404)

    def fields(self, paste):
        rows = ["#Table1", "objID,ra,dec,run,rerun,camcol,field"]
        for line in paste.splitlines()[1:]:
            ra, dec = (float(text) for text in line.split()[1:])
            for right, up, _, number in self.galaxies.values():
                if abs(right - ra) < 5e-4 and abs(up - dec) < 5e-4:
                    rows.append(f"1237653651835781245,{right},{up},{field(number).run},301,3,{number}")
        return "\n".join(rows) + "\n"


def run(server, tmp_path, **more):
    store = Store.open_or_create(tmp_path / "labels")
    where = {"vizier": server.url + VIZIER, "service": server.url + SKYSERVER, "archive": server.url + FRAMES}
    return store, list(fetch_nair_abraham(store, politeness=QUICK, size_arcsec=16.0, **where, **more))


def test_galaxies_come_in_five_bands_with_a_table_of_their_classes(tmp_path):
    with archive(Sky()) as server:
        store, events = run(server, tmp_path)
        (asked,) = [one for one in server.asked if one.path == VIZIER]
        assert asked.params["-source"] == "J/ApJS/186/427/table2"
        assert asked.params["-out.max"] == "unlimited"
    assert [type(event) for event in events] == [Fetched] * 3
    assert events[-1].standing.total == 3
    assert set(store.galaxies()) == {name for name, (_, _, t, _) in GALAXIES.items() if t in (-5, 4, -2)}
    cutout = store.cutout("J100000.72+020003.6")
    assert (cutout.bands, cutout.unit, cutout.survey) == (tuple("ugriz"), "nJy", "SDSS")
    assert (cutout.ra_deg, cutout.dec_deg) == (150.003, 2.001)
    y, x = np.array(cutout.image_shape) // 2
    assert cutout.flux[2, y - 1 : y + 2, x - 1 : x + 2].max() == cutout.flux[2].max()
    classes = {galaxy.object_id: galaxy.morphology for galaxy in read_morphologies(tmp_path / "labels-morphology.ecsv")}
    assert classes == {"J100000.00+020000.0": "E", "J100000.72+020003.6": "Sp", "J100000.00+030000.0": "S0"}


def test_the_frames_of_a_field_come_once_for_all_its_galaxies_and_go(tmp_path):
    with archive(Sky()) as server:
        store, _ = run(server, tmp_path)
        frames = Counter(asked.path for asked in server.asked if asked.path.startswith(FRAMES))
    assert len(frames) == 10  # two fields in five bands
    assert set(frames.values()) == {1}
    assert not list((store.path / ".fetching").glob("frame-*"))


def test_a_second_run_asks_for_nothing(tmp_path):
    with archive(Sky()) as server:
        run(server, tmp_path)
        before = len(server.asked)
        _, events = run(server, tmp_path)
        assert len(server.asked) == before
    assert [type(event) for event in events] == [Kept] * 3


def test_a_catalogue_of_ones_own_that_tells_the_fields_asks_only_for_frames(tmp_path):
    numbers = [number for *_, number in GALAXIES.values()]
    table(run=[3700 + number for number in numbers], camcol=[3] * len(numbers), field=numbers).write(
        tmp_path / "mine.fits"
    )
    with archive(Sky()) as server:
        store, _ = run(server, tmp_path, catalogue=tmp_path / "mine.fits", classes=("Sp",), table=tmp_path / "t.ecsv")
        assert all(asked.path.startswith(FRAMES) for asked in server.asked)
    assert set(store.galaxies()) == {"J100000.72+020003.6"}
    assert len(read_morphologies(tmp_path / "t.ecsv")) == 1


def test_few_bands_can_be_had(tmp_path):
    with archive(Sky()) as server:
        store, _ = run(server, tmp_path, bands=("i", "g"))
        assert not [asked for asked in server.asked if "frame-r" in asked.path]
    assert store.cutout("J100000.00+020000.0").bands == ("g", "i")


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"bands": ("g", "Y")}, "bands g Y; wanted some of u g r i z"),
        ({"classes": ("Irr",)}, "classes Irr; wanted some of E S0 Sp"),
    ],
)
def test_what_cannot_be_had_is_said(tmp_path, wrong, said):
    with archive(Sky()) as server, pytest.raises(ValueError, match=said):
        run(server, tmp_path, **wrong)


def test_a_galaxy_that_sdss_has_not_is_told_and_the_others_come(tmp_path):
    sky = Sky()
    sky.bodies[VIZIER] = votable(table(GALAXIES | {"nowhere": (10.0, 20.0, 3, 1)}))
    with archive(sky) as server:
        store, events = run(server, tmp_path)
    (failed,) = [event for event in events if isinstance(event, Failed)]
    assert "nowhere: SDSS has no object within 3 arcsec of (10.00000, 20.00000)" in failed.reason
    assert len(store.galaxies()) == 3


def test_a_frame_that_the_archive_lacks_leaves_out_its_galaxies_only(tmp_path):
    sky = Sky()
    del sky.bodies[f"{FRAMES}/301/3701/3/frame-z-003701-3-0001.fits.bz2"]
    with archive(sky) as server:
        store, events = run(server, tmp_path)
        assert Counter(map(type, events)) == {Failed: 2, Fetched: 1}
        assert set(store.galaxies()) == {"J100000.00+030000.0"}
        _, events = run(server, tmp_path, bands="gri")
    assert Counter(map(type, events)) == {Fetched: 2, Kept: 1}


def test_the_frame_of_another_field_is_never_cut(tmp_path):
    sky = Sky()
    right, wrong = (f"{FRAMES}/301/{3700 + n}/3/frame-g-00{3700 + n}-3-000{n}.fits.bz2" for n in (1, 2))
    sky.bodies[right] = sky.bodies[wrong]
    with archive(sky) as server:
        store, events = run(server, tmp_path)
    assert set(store.galaxies()) == {"J100000.00+030000.0"}
    assert any(
        "found a frame with RUN 3702; wanted 3701" in event.reason for event in events if isinstance(event, Failed)
    )


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"<html><body>CDS is down</body></html>", "page"),
        (b'<?xml version="1.0"?><VOTABLE><INFO name="QUERY_STATUS" value="OVERFLOW"/></VOTABLE>', "left rows out"),
        (votable(table())[:-400], "no table that astropy reads"),
        (b"name,ra\na,1\n", "found no VOTable"),
    ],
)
def test_a_catalogue_that_is_none_is_said(tmp_path, body, said):
    sky = Sky()
    sky.bodies[VIZIER] = body
    with archive(sky) as server, pytest.raises(ValueError, match=said):
        run(server, tmp_path)
    assert not list((tmp_path / "labels" / ".fetching").glob("*.vot"))


def test_a_skyserver_that_answers_something_else_is_told(tmp_path):
    sky = Sky()
    sky.fields = lambda paste: '[{"Error Message": "timed out"}]'
    with archive(sky) as server:
        store, events = run(server, tmp_path)
    assert len(events) == 3
    assert all("found no table of SDSS objects" in event.reason for event in events)
    assert not store.galaxies()


def test_every_galaxy_comes_through_services_with_faults(tmp_path):
    def fault(asked):
        return FAULTS[asked.number % len(FAULTS)] if asked.number % 3 == 1 else None

    with archive(Sky(), fault=fault) as server:
        store, events = run(server, tmp_path)
    assert [event for event in events if isinstance(event, Failed)] == []
    assert len(store.galaxies()) == 3
    assert store.damaged == {}


SCRIPT = """
import sys
from flaxgal.fetch_sdss import fetch_nair_abraham
from flaxgal.labels.store import Store
from flaxgal.survey.answers import Politeness
store = Store.open_or_create(sys.argv[1])
for _ in fetch_nair_abraham(
    store, size_arcsec=16.0, vizier=sys.argv[2], service=sys.argv[3], archive=sys.argv[4],
    politeness=Politeness(connections=2),
):
    pass
"""


def test_after_kill_9_the_same_command_asks_for_nothing_it_had(tmp_path):
    galaxies = {f"galaxy {number}": (150.0, 1.0 + number, 4, number) for number in range(1, 9)}
    sky = Sky(galaxies)
    sky.slow = 0.02
    with archive(sky) as server:
        where = [server.url + path for path in (VIZIER, SKYSERVER, FRAMES)]
        process = subprocess.Popen([sys.executable, "-c", SCRIPT, tmp_path / "labels", *where])
        while len(server.asked) < 22 and process.poll() is None:
            time.sleep(0.005)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        there = set(Store.open(tmp_path / "labels").galaxies())
        assert 0 < len(there) < 8
        whole = {path.name for path in (tmp_path / "labels" / ".fetching").glob("frame-*")}
        before = len(server.asked)
        store, events = run(server, tmp_path)
        again = {asked.path for asked in server.asked[before:]}
    assert not {VIZIER, SKYSERVER} & again
    assert not whole & {path.rpartition("/")[2] for path in again}
    assert not {f"/{field(galaxies[name][3]).run}/" in path for name in there for path in again} - {False}
    assert len(store.galaxies()) == len(events) == 8


def test_any_list_of_galaxies_can_be_cut_from_sdss(tmp_path):
    store = Store.create(tmp_path / "labels")
    mine = [Morphology(object_id="mine", ra_deg=150.0, dec_deg=2.0, t_type=float("nan"), field=field(1))]
    with archive(Sky()) as server:
        (event,) = fetch_sdss(store, mine, archive=server.url + FRAMES, politeness=QUICK, size_arcsec=10.0)
    assert isinstance(event, Fetched)
    assert store.cutout("mine").image_shape == (25, 25)


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ({"bands": "ugriz"}, "the store has it in g r i, without u z;"),
        ({"size_arcsec": 40.0}, "the store has it 15.8″ wide, not 40.0″;"),
        ({"at": (150.0, 2.001)}, "the store has it 3.6″ away from 150.00000 +2.00100;"),
    ],
)
def test_a_galaxy_that_the_store_has_otherwise_is_told_and_not_asked_for(tmp_path, wanted, said):
    store = Store.create(tmp_path / "labels")

    def fetched(at=(150.0, 2.0), **more):
        galaxy = Morphology(object_id="mine", ra_deg=at[0], dec_deg=at[1], t_type=float("nan"), field=field(1))
        asked = {"size_arcsec": 16.0, "bands": "gri"} | more
        return list(fetch_sdss(store, [galaxy], archive=server.url + FRAMES, politeness=QUICK, **asked))

    with archive(Sky()) as server:
        assert isinstance(fetched()[0], Fetched)
        assert isinstance(fetched()[0], Kept)
        before = len(server.asked)
        (event,) = fetched(**wanted)
        assert len(server.asked) == before
    assert isinstance(event, Failed)
    assert event.reason.startswith(f"mine: {said}")
    assert event.reason.endswith("fetch into another store, or give the galaxy another id")


def test_every_galaxy_is_named_whatever_fails_and_an_archive_that_is_down_ends_the_download(tmp_path):
    once = Politeness(tries=1, failures_in_a_row=2, connections=1)
    with archive(Sky(), fault=lambda asked: "500" if asked.path.startswith(FRAMES) else None) as server:
        store = Store.create(tmp_path / "labels")
        where = {"vizier": server.url + VIZIER, "service": server.url + SKYSERVER, "archive": server.url + FRAMES}
        events = []
        with pytest.raises(StoppedError, match="2 downloads in a row failed"):
            events.extend(fetch_nair_abraham(store, politeness=once, **where))
        for event in fetch_nair_abraham(store, politeness=Politeness(tries=1), **where):
            assert event.reason.startswith(f"{event.download.object_id}: frame-u-")


def test_skyserver_is_asked_again_for_a_galaxy_that_its_answer_lacked(tmp_path):
    sky = Sky()
    whole = sky.fields
    sky.fields = lambda paste: "\n".join(whole(paste).splitlines()[:-1]) + "\n"
    with archive(sky) as server:
        _, events = run(server, tmp_path)
        assert Counter(map(type, events)) == {Fetched: 2, Failed: 1}
        server.fault = lambda asked: "500" if asked.path == SKYSERVER else None
        (failed,) = [event for event in run(server, tmp_path)[1] if isinstance(event, Failed)]
        assert "HTTP 500" in failed.reason
        server.fault = lambda asked: None
        sky.fields = whole
        assert Counter(map(type, run(server, tmp_path)[1])) == {Fetched: 1, Kept: 2}
        before = len(server.asked)
        run(server, tmp_path)
        assert len(server.asked) == before


def test_frames_that_a_killed_process_left_go_once_their_galaxies_are_in(tmp_path):
    with archive(Sky()) as server:
        store, _ = run(server, tmp_path, keep_files=True)
        assert len(list((store.path / ".fetching").glob("frame-*"))) == 10
        run(server, tmp_path, keep_files=True)
        assert len(list((store.path / ".fetching").glob("frame-*"))) == 10
        run(server, tmp_path)  # as after a kill between the last galaxy of a field and its frames
        assert not list((store.path / ".fetching").glob("frame-*"))


def test_frames_of_a_field_that_is_not_complete_stay(tmp_path):
    sky = Sky()
    del sky.bodies[f"{FRAMES}/301/3701/3/frame-z-003701-3-0001.fits.bz2"]
    with archive(sky) as server:
        store, _ = run(server, tmp_path)
    names = {path.name[:17] for path in (store.path / ".fetching").glob("frame-*")}
    assert names == {f"frame-{band}-003701-3-" for band in "ugri"}
