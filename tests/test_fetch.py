"""Galaxies from HSC's services into a label store: all bands and their PSFs, whatever happens on the way."""

import dataclasses
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from archives import FAULTS, Archive, archive
from astropy.table import Table
from hsc_services import Services

from flaxgal.fetch import fetch_hsc, fetch_hsc_places
from flaxgal.labels.store import Store
from flaxgal.survey.answers import LoginError, Politeness, StoppedError
from flaxgal.survey.catalog import Place, Size
from flaxgal.survey.cutout import Unreadable
from flaxgal.survey.download import Failed, Fetched, Kept
from flaxgal.survey.hsc_archive import HscArchive
from flaxgal.survey.login import Login

QUICK = Politeness(first_wait_seconds=0.01, longest_wait_seconds=0.05, stall_seconds=0.5, tries=8)
ACCOUNT = ("astronomer@local", "secret word")
LOGIN = Login(host="127.0.0.1", user=ACCOUNT[0], password=ACCOUNT[1], source="the test")
BOTH_WAYS = pytest.mark.parametrize("rows", [1, 50], ids=["one by one", "by lists"])


def sky(number: int, size: float = 5.0, dec: float = -1.0) -> list[Place]:
    return [
        Place(object_id=f"40158992189641{n:03d}", ra_deg=150 + n / 100, dec_deg=dec + n / 500, size_arcsec=size)
        for n in range(number)
    ]


def fetched(server: Archive, store: Store, places, rows: int, bands=("g", "r"), **more):
    given = {"archive": HscArchive(address=server.url), "login": LOGIN, "politeness": QUICK} | more
    return list(fetch_hsc_places(places, store, bands=bands, rows_per_request=rows, **given))


def left_over(store: Store) -> list[str]:
    return sorted(str(path.relative_to(store.path)) for path in (store.path / ".fetching").rglob("*") if path.is_file())


@pytest.fixture
def store(tmp_path) -> Store:
    return Store.create(tmp_path / "store")


@BOTH_WAYS
def test_galaxies_come_with_all_bands_variance_planes_and_psf(store, rows):
    places = sky(5)
    with archive(Services(), login=ACCOUNT) as server:
        events = fetched(server, store, places, rows, bands=("i", "g", "r"))
    assert all(isinstance(event, Fetched) for event in events)
    assert events[-1].standing.fetched == events[-1].standing.total == 5
    for place in places:
        cutout = store.cutout(place.object_id)
        assert (cutout.bands, cutout.unit, cutout.survey) == (("g", "r", "i"), "nJy", "HSC")
        assert set(cutout.mask_planes) == {"BAD", "SAT"}
        assert {band: image.shape for band, image in cutout.psf.items()} == dict.fromkeys("gri", (43, 41))
        assert cutout.variance is not None
        assert (cutout.ra_deg, cutout.dec_deg) == (place.ra_deg, place.dec_deg)
        x, y = cutout.wcs.world_to_pixel_values(place.ra_deg, place.dec_deg)
        assert max(abs(x - cutout.image_shape[1] / 2), abs(y - cutout.image_shape[0] / 2)) < 1
        assert cutout.image_shape[0] * 0.168 == pytest.approx(5, abs=0.2)
    assert left_over(store) == [".fetching/lock"]


def test_a_list_asks_for_many_galaxies_at_once(store):
    with archive(Services(), login=ACCOUNT) as server:
        fetched(server, store, sky(12), rows=8)  # four galaxies in two bands a list
        assert Counter(asked.path for asked in server.asked) == {
            "/das_cutout/pdr3/cgi-bin/cutout": 3,
            "/psf/pdr3/cgi/getpsf": 3,
        }
        assert all(asked.method == "POST" for asked in server.asked)


@BOTH_WAYS
def test_a_second_call_asks_for_nothing(store, rows):
    services = Services()
    with archive(services, login=ACCOUNT) as server:
        fetched(server, store, sky(3), rows)
        before = len(server.asked)
        again = fetched(server, store, sky(4), rows)
        assert {type(event) for event in again[:3]} == {Kept}
        assert isinstance(again[3], Fetched)
        assert max(Counter(services.served).values()) == 1
        assert len(server.asked) > before


@BOTH_WAYS
def test_only_the_files_that_are_missing_are_asked_for(store, rows):
    services = Services()
    broken = Politeness(tries=1, failures_in_a_row=1000)
    with archive(services, login=ACCOUNT, fault=lambda asked: "500" if "psf" in asked.path else None) as server:
        events = fetched(server, store, sky(3), rows, politeness=broken)
        assert all(isinstance(event, Failed) for event in events)
        server.fault = lambda asked: None
        events = fetched(server, store, sky(3), rows)
    assert all(isinstance(event, Fetched) for event in events)
    assert {number for (what, *_), number in Counter(services.served).items() if what == "cutout"} == {1}


@BOTH_WAYS
@pytest.mark.parametrize("fault", FAULTS)
def test_every_fault_that_passes_ends_in_a_complete_store(store, rows, fault):
    met: set[str] = set()

    def first_time(asked):
        known = asked.key in met
        met.add(asked.key)
        return None if known else fault

    patient = Politeness(first_wait_seconds=0.01, stall_seconds=0.3)
    with archive(Services(), login=ACCOUNT, fault=first_time) as server:
        events = fetched(server, store, sky(3), rows, politeness=patient)
    assert [event.reason for event in events if isinstance(event, Failed)] == []
    assert set(store.galaxies()) == {place.object_id for place in sky(3)}


@BOTH_WAYS
def test_another_galaxy_is_never_taken_for_the_one_that_was_asked_for(store, rows):
    wrong = sky(3)[1]
    services = Services(shift_arcsec=lambda row: 3.0 if row["ra"] == f"{wrong.ra_deg:.9f}" else 0.0)
    with archive(services, login=ACCOUNT) as server:
        events = fetched(server, store, sky(3), rows)
    (failed,) = [event for event in events if isinstance(event, Failed)]
    assert failed.download == wrong
    assert failed.reason == (
        f"{wrong.object_id} HSC-G: found another place of the sky (5.0″ around 150.01001 -0.99716); wanted 5.0″ around "
        f"150.01000 -0.99800"
    )
    assert set(store.galaxies()) == {place.object_id for place in sky(3)} - {wrong.object_id}


@BOTH_WAYS
def test_a_place_without_images_is_told_and_asked_for_once(store, rows):
    outside = sky(1, dec=-70.0)
    inside = [Place(object_id="inside", ra_deg=1.0, dec_deg=2.0, size_arcsec=5.0)]
    with archive(Services(), login=ACCOUNT) as server:
        events = fetched(server, store, outside + inside, rows)
        assert sum(str(outside[0].ra_deg) in asked.key for asked in server.asked) == 1
    reasons = {event.download.object_id: getattr(event, "reason", "") for event in events}
    assert reasons["inside"] == ""
    assert reasons[outside[0].object_id].startswith(f"{outside[0].object_id} HSC-G: 127.0.0.1: ")
    assert "there" in reasons[outside[0].object_id]


@BOTH_WAYS
def test_a_refused_account_stops_at_once_and_is_not_shown(store, rows):
    with archive(Services(), login=("other", "words")) as server, pytest.raises(LoginError) as caught:
        fetched(server, store, sky(50), rows)
    assert len(server.asked) <= QUICK.connections
    assert ACCOUNT[0] not in str(caught.value)
    assert ACCOUNT[1] not in str(caught.value)
    assert not any(ACCOUNT[1].encode() in path.read_bytes() for path in store.path.rglob("*") if path.is_file())


def sometimes(seed: int):
    """A tenth of the questions meet a fault, never the same one twice in a row for sure."""
    rng, lock = random.Random(seed), threading.Lock()

    def fault(asked):
        with lock:
            return rng.choice(FAULTS) if rng.random() < 0.1 else None

    return fault


@pytest.mark.parametrize(
    ("rows", "galaxies"),
    [pytest.param(1, 200, marks=pytest.mark.long), (1, 20), (10, 20)],
    ids=["1,000 cutouts one by one", "100 cutouts one by one", "100 cutouts by lists"],
)
def test_cutouts_through_10_per_cent_faults_arrive_complete(store, rows, galaxies):
    places = sky(galaxies, size=3.0)
    patient = Politeness(first_wait_seconds=0.01, longest_wait_seconds=0.05, stall_seconds=0.3, tries=8)
    with archive(Services(), login=ACCOUNT, fault=sometimes(7)) as server:
        events = fetched(server, store, places, rows, bands="grizy", politeness=patient)
    assert [event.reason for event in events if isinstance(event, Failed)] == []
    assert set(store.galaxies()) == {place.object_id for place in places}
    assert all(set(galaxy.bands) == set("grizy") for galaxy in store.galaxies().values())
    assert not store.status().damaged


FETCH = """
import sys
from pathlib import Path
from flaxgal.fetch import fetch_hsc
from flaxgal.survey.answers import Politeness
from flaxgal.survey.catalog import Size
from flaxgal.survey.hsc_archive import HscArchive
catalogue, store, address, rows = sys.argv[1:]
for event in fetch_hsc(
    Path(catalogue), Path(store), size=Size(arcsec=4.0), bands=("g", "r"), rows_per_request=int(rows),
    archive=HscArchive(address=address), politeness=Politeness(connections=2),
):
    print(type(event).__name__, event.download.object_id, flush=True)
"""


@pytest.mark.parametrize("rows", [1, 8], ids=["one by one", "by lists"])
def test_a_killed_fetch_goes_on_without_asking_twice(tmp_path, rows):
    places = sky(24, size=4.0)
    columns = {"object_id": [p.object_id for p in places], "ra": [p.ra_deg for p in places]}
    Table(columns | {"dec": [p.dec_deg for p in places]}).write(tmp_path / "t.fits")
    services, account = Services(), {"FLAXGAL_HSC_USER": ACCOUNT[0], "FLAXGAL_HSC_PASSWORD": ACCOUNT[1]}

    def answer(asked):
        time.sleep(0.02)
        return services(asked)

    with archive(answer, login=ACCOUNT) as server:
        command = [sys.executable, "-c", FETCH, tmp_path / "t.fits", tmp_path / "store", server.url, str(rows)]
        settings = {"env": os.environ | account, "stdout": subprocess.PIPE, "text": True}
        for _ in range(2):
            with subprocess.Popen([str(part) for part in command], **settings) as process:
                new = 0
                while new < 6:
                    new += process.stdout.readline().startswith("Fetched")
                process.send_signal(signal.SIGKILL)
        done = subprocess.run([str(part) for part in command], check=True, **settings)
    last = dict(reversed(line.split()) for line in done.stdout.splitlines())
    assert set(last) == {place.object_id for place in places}
    assert list(last.values()).count("Kept") >= 12
    assert set(Store.open(tmp_path / "store").galaxies()) == set(last)
    # Asked for twice is only what was on its way when the process died, twice: two questions of so many files.
    twice = sum(number - 1 for number in Counter(services.served).values())
    assert twice <= 2 * 2 * rows


def test_a_catalogue_becomes_a_store_with_the_account_of_the_environment(tmp_path, monkeypatch):
    Table({"object_id": ["a", "b", "b"], "ra": [1.0, 2.0, 3.0], "dec": [1.0, 2, 3], "r": [0.5, 1.0, 1.0]}).write(
        tmp_path / "t.csv"
    )
    monkeypatch.setenv("FLAXGAL_HSC_USER", ACCOUNT[0])
    monkeypatch.setenv("FLAXGAL_HSC_PASSWORD", ACCOUNT[1])
    size = Size(column="r", radii=8.0, smallest_arcsec=4.0)
    with archive(Services(), login=ACCOUNT) as server:
        here = HscArchive(address=server.url)
        events = list(fetch_hsc(tmp_path / "t.csv", tmp_path / "s", size=size, archive=here, politeness=QUICK))
    store = Store.open(tmp_path / "s")
    shapes = {name: galaxy.image_shape[0] * 0.168 for name, galaxy in store.galaxies().items()}
    assert shapes == {"a": pytest.approx(4, abs=0.2), "b": pytest.approx(8, abs=0.2)}
    (failed,) = [event for event in events if isinstance(event, Failed)]
    assert failed.reason == "b: the id comes 2 times, and the first row counts; keep one row a galaxy"
    assert isinstance(failed.download, Unreadable)


def test_without_an_account_nothing_is_asked(tmp_path, monkeypatch):
    Table({"object_id": ["a"], "ra": [1.0], "dec": [1.0]}).write(tmp_path / "t.csv")
    monkeypatch.setenv("NETRC", str(tmp_path / "none"))
    for name in ("FLAXGAL_HSC_USER", "FLAXGAL_HSC_PASSWORD"):
        monkeypatch.delenv(name, raising=False)
    with archive(Services(), login=ACCOUNT) as server:
        words = r"no account; set FLAXGAL_HSC_USER and FLAXGAL_HSC_PASSWORD, or add it to ~/\.netrc"
        with pytest.raises(LoginError, match=words):
            list(fetch_hsc(tmp_path / "t.csv", tmp_path / "s", archive=HscArchive(address=server.url)))
        assert not server.asked
    assert not (tmp_path / "s").exists()


def moved(place: Place, **changes) -> list[Place]:
    return [dataclasses.replace(place, **changes)]


@pytest.mark.parametrize(
    ("had", "places", "wanted", "said"),
    [
        ({"bands": ("g",)}, sky(1), {"bands": ("g", "i")}, "the store has it in g, without i;"),
        ({"psf": False}, sky(1), {}, "the store has it without point-spread functions in g r;"),
        ({}, sky(1, size=20.0), {}, "the store has it 5.0″ wide, not 20.0″;"),
        ({}, sky(1, size=4.0), {}, "the store has it 5.0″ wide, not 4.0″;"),
        ({}, moved(sky(1)[0], ra_deg=150.001), {}, "the store has it 3.6″ away from 150.00100 -1.00000;"),
        ({}, moved(sky(1)[0], dec_deg=-1.001, size_arcsec=9.0), {}, "away from 150.00000 -1.00100, 5.0″ wide, not"),
    ],
    ids=["bands", "psf", "larger", "smaller", "moved", "moved and larger"],
)
def test_a_galaxy_that_the_store_has_otherwise_is_told_and_not_asked_for(store, had, places, wanted, said):
    with archive(Services(), login=ACCOUNT) as server:
        fetched(server, store, sky(1), 10, **had)
        before = len(server.asked)
        (event,) = fetched(server, store, places, 10, **wanted)
        assert len(server.asked) == before
    assert isinstance(event, Failed)
    assert event.reason.startswith("40158992189641000: the store has it ")
    assert said in event.reason
    assert event.reason.endswith(
        "; nothing in a store is replaced: fetch into another store, or give the galaxy another id"
    )


def test_a_galaxy_at_the_edge_of_the_survey_is_kept_though_it_is_smaller(store):
    place = sky(1, size=20.0)[0]
    with archive(Services(), login=ACCOUNT) as server:
        fetched(server, store, [place], 10)
        whole = store.cutout(place.object_id)
        left = {name: getattr(whole, name)[:, :, 40:] for name in ("flux", "variance")}
        planes = {name: plane[:, :, 40:] for name, plane in whole.mask_planes.items()}
        wcs = whole.wcs.deepcopy()
        wcs.wcs.crpix -= [40, 0]
        store.add(dataclasses.replace(whole, object_id="edge", wcs=wcs, mask_planes=planes, **left))
        (event,) = fetched(server, store, moved(place, object_id="edge"), 10)
    assert isinstance(event, Kept)


def test_a_list_that_the_server_cannot_serve_does_not_end_the_download(store):
    """One question that fails is one failure, however many galaxies were on its list."""
    careful = Politeness(tries=2, first_wait_seconds=0.01, failures_in_a_row=2, connections=1)
    poison = f"{sky(9)[4].ra_deg:.9f}".encode()
    with archive(
        Services(),
        login=ACCOUNT,
        fault=lambda asked: "500" if poison in b"".join(asked.files.values()) else None,
    ) as server:
        events = fetched(server, store, sky(9), rows=6, politeness=careful)
    assert sum(isinstance(event, Failed) for event in events) == 3
    assert sum(isinstance(event, Fetched) for event in events) == 6
    assert all(
        event.reason.startswith(event.download.object_id) and "HTTP 500" in event.reason
        for event in events
        if isinstance(event, Failed)
    )


def test_a_server_that_is_down_ends_the_download(store):
    careful = Politeness(tries=1, failures_in_a_row=3, connections=1)
    with (
        archive(Services(), fault=lambda asked: "503") as server,
        pytest.raises(StoppedError, match="what came is kept"),
    ):
        fetched(server, store, sky(60), rows=2, politeness=careful)


def test_two_fetches_into_one_store_do_not_run_at_the_same_time(store):
    with archive(Services(), login=ACCOUNT) as server:
        here = {"archive": HscArchive(address=server.url), "login": LOGIN, "politeness": QUICK}
        first = fetch_hsc_places(sky(3), store, **here)
        next(first)
        with pytest.raises(ValueError, match="another flaxgal fetch is running into this store"):
            list(fetch_hsc_places(sky(3), store, **here))
        list(first)
        assert len(list(fetch_hsc_places(sky(3), store, **here))) == 3


@pytest.mark.parametrize("wrong", [{"bands": ()}, {"bands": ("g", "g")}, {"rows_per_request": 1001}])
def test_a_question_that_cannot_be_asked_is_refused_before_anything_is_asked(store, wrong):
    with pytest.raises(ValueError, match="wanted"):
        list(fetch_hsc_places(sky(1), store, login=LOGIN, **wrong))


def test_cutouts_are_the_archives_own_pixels(store):
    with archive(Services(), login=ACCOUNT) as server:
        fetched(server, store, sky(1), rows=1, bands=("g",))
    cutout = store.cutout(sky(1)[0].object_id)
    y, x = np.unravel_index(cutout.flux[0].argmax(), cutout.image_shape)
    assert abs(y - cutout.image_shape[0] / 2) <= 1
    assert cutout.flux[0, y, x] == pytest.approx(20 * 10 ** (0.4 * (31.4 - 27)), rel=0.3)


def test_a_folder_of_half_a_galaxy_does_not_disturb_the_store(tmp_path, store):
    with archive(Services(), login=ACCOUNT, fault=lambda asked: "500" if "psf" in asked.path else None) as server:
        fetched(server, store, sky(2), rows=1, politeness=Politeness(tries=1))
    assert len(left_over(store)) > 1
    assert not Store.open(store.path).galaxies()
    assert not Store.open(store.path).status().damaged
    assert Path(tmp_path / "store" / ".fetching").is_dir()
