"""Downloads from an archive on this computer: what comes is whole, or a sentence says why not; nothing comes twice."""

import gzip
import itertools
import os
import random
import re
import threading
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from types import SimpleNamespace

import pytest
from archives import FAULTS, Reply, archive, first_tries

from flaxgal.survey import download as downloading
from flaxgal.survey.answers import LoginError, NotThereError, Politeness, RefusedError, StoppedError
from flaxgal.survey.download import Download, Failed, Fetched, Kept, download, fetch
from flaxgal.survey.http import Ask, Client
from flaxgal.survey.login import Login

CONTENT = b"SIMPLE  =" + bytes(range(256)) * 40
QUICK = Politeness(first_wait_seconds=0.01, longest_wait_seconds=0.05, stall_seconds=0.3, connect_seconds=1.0)
SECRET = Login(host="127.0.0.1", user="astronomer@local", password="pass:wörd/1", source="FLAXGAL_X_USER")


def like_the_content(path: Path) -> None:
    if path.read_bytes() != CONTENT:
        raise ValueError(f"{path}: found something else; wanted the content")


def wanted(server, folder: Path, name="one.fits", **more) -> Download:
    return Download(url=f"{server.url}/{name}", path=folder / name, accept=more.pop("accept", like_the_content), **more)


def files_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def test_a_file_that_comes_has_its_content_and_its_name(tmp_path):
    with archive({"/one.fits": CONTENT}) as server:
        (event,) = download([wanted(server, tmp_path / "new" / "folder")], politeness=QUICK)
    assert isinstance(event, Fetched)
    assert (event.size_bytes, event.standing.fetched, event.standing.total) == (len(CONTENT), 1, 1)
    assert files_in(tmp_path / "new" / "folder") == ["one.fits"]
    assert (tmp_path / "new" / "folder" / "one.fits").read_bytes() == CONTENT


@pytest.mark.parametrize("fault", [*FAULTS, "silently truncated", "drip"])
def test_a_fault_that_passes_is_asked_again(tmp_path, fault):
    with archive({"/one.fits": CONTENT}, fault=first_tries([fault])) as server:
        (event,) = download([wanted(server, tmp_path)], politeness=QUICK)
        assert len(server.asked) == 2
    assert isinstance(event, Fetched)
    assert files_in(tmp_path) == ["one.fits"]
    assert (tmp_path / "one.fits").read_bytes() == CONTENT


@pytest.mark.parametrize("fault", [*FAULTS, "silently truncated"])
def test_a_fault_that_stays_is_told_in_a_sentence_and_leaves_no_file(tmp_path, fault):
    few = Politeness(tries=2, first_wait_seconds=0.01, stall_seconds=0.2)
    with archive({"/one.fits": CONTENT}, fault=lambda asked: fault) as server:
        (event,) = download([wanted(server, tmp_path)], politeness=few)
        assert len(server.asked) == 2
    assert isinstance(event, Failed)
    assert event.reason.startswith("one.fits: ")
    assert "\n" not in event.reason
    assert ".writing" not in event.reason
    assert str(tmp_path) not in event.reason
    assert files_in(tmp_path) == []


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("503", r"HTTP 503 \(asked 2 times\); try again later"),
        ("truncated", "the answer was cut short"),
        ("cut chunks", "the answer was cut short"),
        ("reset", "the connection broke off"),
        ("mending", "a web page came from 127.0.0.1 instead of a file"),
        ("stall", "no answer within 0.2 s"),
        ("half stall", "no answer within 0.2 s"),
        ("drip", r"only \d+ bytes came in"),
        ("garbage", "one.fits: found something else"),
    ],
)
def test_the_sentence_says_what_happened(tmp_path, fault, words):
    few = Politeness(tries=2, first_wait_seconds=0.01, stall_seconds=0.2)
    with archive({"/one.fits": CONTENT}, fault=lambda asked: fault) as server:
        (event,) = download([wanted(server, tmp_path)], politeness=few)
    assert re.search(words, event.reason)


def test_a_file_that_is_not_there_is_asked_for_once(tmp_path):
    with archive({}) as server, Client(QUICK) as client:
        with pytest.raises(NotThereError, match=r"^one\.fits: 127\.0\.0\.1: .* has nothing there \(HTTP 404\)"):
            fetch(client, wanted(server, tmp_path))
        assert len(server.asked) == 1


def test_a_question_that_the_archive_does_not_understand_is_asked_once(tmp_path):
    with archive(lambda asked: Reply(state=400)) as server, Client(QUICK) as client:
        with pytest.raises(RefusedError, match="HTTP 400"):
            fetch(client, wanted(server, tmp_path))
        assert len(server.asked) == 1


def test_content_that_stays_wrong_is_refused_after_the_last_try(tmp_path):
    with archive({"/one.fits": b"SIMPLE but another galaxy"}) as server:
        (event,) = download([wanted(server, tmp_path)], politeness=QUICK)
        assert len(server.asked) == QUICK.tries
    assert event.reason == "one.fits: found something else; wanted the content"


def test_1000_files_through_10_per_cent_faults_arrive_complete(tmp_path):
    rng, lock = random.Random(3), threading.Lock()

    def fault(asked):
        with lock:
            return rng.choice([*FAULTS, "silently truncated"]) if rng.random() < 0.1 else None

    names = [f"{number}.fits" for number in range(1000)]
    patient = Politeness(first_wait_seconds=0.01, longest_wait_seconds=0.05, stall_seconds=0.3, tries=8)
    with archive({f"/{name}": CONTENT for name in names}, fault=fault) as server:
        events = list(download([wanted(server, tmp_path, name) for name in names], politeness=patient))
        assert len(server.asked) > 1050
    assert all(isinstance(event, Fetched) for event in events)
    assert files_in(tmp_path) == sorted(names)
    assert all(path.read_bytes() == CONTENT for path in tmp_path.iterdir())


def test_what_is_there_is_not_asked_for_again(tmp_path):
    (tmp_path / "one.fits").write_bytes(CONTENT)
    with archive({"/one.fits": CONTENT, "/two.fits": CONTENT}) as server:
        events = list(download([wanted(server, tmp_path, name) for name in ("one.fits", "two.fits")], politeness=QUICK))
        assert [asked.path for asked in server.asked] == ["/two.fits"]
    assert {type(event) for event in events} == {Kept, Fetched}
    assert (events[-1].standing.kept, events[-1].standing.fetched, events[-1].standing.done) == (1, 1, 2)


def test_what_is_there_and_damaged_is_replaced(tmp_path):
    (tmp_path / "one.fits").write_bytes(CONTENT[:-1])
    with archive({"/one.fits": CONTENT}) as server:
        (event,) = download([wanted(server, tmp_path)], politeness=QUICK)
    assert isinstance(event, Fetched)
    assert (tmp_path / "one.fits").read_bytes() == CONTENT


def test_an_old_file_stays_when_no_better_one_comes(tmp_path):
    (tmp_path / "one.fits").write_bytes(b"old")
    with archive({}) as server:
        (event,) = download([wanted(server, tmp_path)], politeness=QUICK)
    assert isinstance(event, Failed)
    assert (tmp_path / "one.fits").read_bytes() == b"old"


def test_an_empty_file_is_no_file(tmp_path):
    with archive({"/one.fits": b""}) as server:
        (event,) = download([Download(url=f"{server.url}/one.fits", path=tmp_path / "one.fits")], politeness=QUICK)
    assert event.reason == "one.fits: an empty file"
    assert files_in(tmp_path) == []


@pytest.mark.parametrize("by_date", [False, True])
def test_the_archive_says_when_to_ask_again(tmp_path, by_date):
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=2), usegmt=True) if by_date else "1"
    start = time.monotonic()
    patient = Politeness(first_wait_seconds=0.001)
    with archive({"/one.fits": CONTENT}, fault=first_tries(["429"]), retry_after=later) as server:
        (event,) = download([wanted(server, tmp_path)], politeness=patient)
    assert isinstance(event, Fetched)
    assert 0.9 < time.monotonic() - start < 20


def test_when_the_archive_asks_one_to_wait_all_wait(tmp_path):
    patient = Politeness(first_wait_seconds=0.001, connections=3)
    times: dict[int, float] = {}

    def fault(asked):
        times[asked.number] = time.monotonic()
        return "429" if asked.number == 0 else None

    def slow(asked):
        time.sleep(0.04)
        return Reply(body=CONTENT)

    names = [f"{number}.fits" for number in range(40)]
    with archive(slow, fault=fault, retry_after="1") as server:
        events = list(download([wanted(server, tmp_path, name) for name in names], politeness=patient))
    assert all(isinstance(event, Fetched) for event in events)
    assert times[40] - times[0] > 0.9
    assert sum(0.5 < moment - times[0] < 0.8 for moment in times.values()) == 0


def test_a_wait_longer_than_ones_own_is_kept_to_if_the_archive_asks_for_it(tmp_path):
    impatient = Politeness(first_wait_seconds=0.001, longest_wait_seconds=0.01)
    start = time.monotonic()
    with archive({"/one.fits": CONTENT}, fault=first_tries(["503"]), retry_after="1") as server:
        (event,) = download([wanted(server, tmp_path)], politeness=impatient)
    assert isinstance(event, Fetched)
    assert time.monotonic() - start > 0.9


def test_a_wait_of_a_day_ends_the_download_in_a_sentence(tmp_path):
    asks = pytest.raises(StoppedError, match=r"the archive asks to wait 24\.0 h; run the command again after that")
    with archive({"/one.fits": CONTENT}, fault=lambda asked: "503", retry_after="86400") as server, asks:
        list(download([wanted(server, tmp_path)], politeness=QUICK))
    assert len(server.asked) == 1


def test_a_forbidden_file_without_a_login_fails_alone(tmp_path):
    forbidden = {"fault": lambda asked: "403" if asked.path == "/one.fits" else None}
    with archive({"/one.fits": CONTENT, "/two.fits": CONTENT}, **forbidden) as server:
        names = ("one.fits", "two.fits")
        events = download([wanted(server, tmp_path, name) for name in names], politeness=QUICK)
        by_name = {event.download.name: event for event in events}
        assert by_name["one.fits"].reason == (
            "one.fits: 127.0.0.1: the archive does not give this out (HTTP 403); it may be private, or moved"
        )
        assert isinstance(by_name["two.fits"], Fetched)
        elsewhere = Login(host="elsewhere", user="somebody", password="else", source="the test")
        (event,) = download([wanted(server, tmp_path, "one.fits")], politeness=QUICK, login=elsewhere)
        assert isinstance(event, Failed)
        with pytest.raises(LoginError, match=r"the login from FLAXGAL_X_USER was not accepted \(HTTP 403\)"):
            list(download([wanted(server, tmp_path, "one.fits")], politeness=QUICK, login=SECRET))


def test_waits_double_up_to_the_longest_and_are_never_alike():
    politeness = Politeness(first_wait_seconds=2.0, longest_wait_seconds=60.0)
    waits = [[politeness.wait_before(number) for _ in range(200)] for number in range(1, 10)]
    for number, some in enumerate(waits):
        full = min(60, 2 * 2**number * 4 / 3)
        assert full / 2 <= min(some) < max(some) <= full
        assert len(set(some)) > 100


def test_a_refused_login_stops_everything_at_once_and_is_not_shown(tmp_path, capfd):
    names = [f"{number}.fits" for number in range(100)]
    with archive({f"/{name}": CONTENT for name in names}, login=("somebody", "else")) as server:
        with pytest.raises(LoginError) as caught:
            list(download([wanted(server, tmp_path, name) for name in names], politeness=QUICK, login=SECRET))
        assert len(server.asked) <= QUICK.connections
    assert str(caught.value) == (
        "127.0.0.1: the login from FLAXGAL_X_USER was not accepted (HTTP 401); correct it there, and check that the "
        "account may read this"
    )
    shown = str(caught.getrepr(style="long", showlocals=True)) + "".join(capfd.readouterr())
    assert SECRET.password not in shown
    assert SECRET.user not in shown
    assert files_in(tmp_path) == []


def test_after_a_refused_login_no_thread_asks_for_anything(tmp_path):
    with archive({"/one.fits": CONTENT}, login=("somebody", "else")) as server, Client(QUICK, SECRET) as client:
        reasons = []
        for _ in range(3):
            with pytest.raises(LoginError) as caught:
                fetch(client, wanted(server, tmp_path))
            reasons.append(str(caught.value))
        assert len(set(reasons)) == len(server.asked) == 1


def test_an_archive_that_wants_a_login_says_so(tmp_path):
    asks = pytest.raises(LoginError, match=r"the archive asks for a login \(HTTP 401\); give one")
    with archive({"/one.fits": CONTENT}, login=("somebody", "else")) as server, asks:
        list(download([wanted(server, tmp_path)], politeness=QUICK))


def test_a_page_that_asks_for_a_password_stops_everything(tmp_path):
    with archive({"/one.fits": CONTENT}, fault=lambda asked: "login page") as server:
        with pytest.raises(LoginError, match="a page that asks for a password came instead of the file"):
            list(download([wanted(server, tmp_path)], politeness=QUICK))
        assert len(server.asked) == 1
    assert files_in(tmp_path) == []


def test_a_login_reaches_its_archive_whatever_letters_it_has(tmp_path):
    with archive({"/one.fits": CONTENT}, login=(SECRET.user, SECRET.password)) as server:
        (event,) = download([wanted(server, tmp_path)], politeness=QUICK, login=SECRET)
    assert isinstance(event, Fetched)


def test_a_login_goes_along_to_no_other_host(tmp_path, monkeypatch):
    (tmp_path / "netrc").write_text("machine localhost login other password secret\ndefault login any password thing\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    with archive({"/one.fits": CONTENT}, host="localhost") as other:
        elsewhere = Reply(state=302, headers={"Location": f"{other.url}/one.fits"})
        with archive(lambda asked: elsewhere, login=(SECRET.user, SECRET.password)) as server:
            (event,) = download([wanted(server, tmp_path)], politeness=QUICK, login=SECRET)
            assert "Authorization" in server.asked[0].headers
        assert "Authorization" not in other.asked[0].headers
        list(download([wanted(other, tmp_path / "b")], politeness=QUICK, login=SECRET))
        assert "Authorization" not in other.asked[1].headers
    assert isinstance(event, Fetched)


def test_a_login_is_not_sent_where_others_can_read_it():
    far = Login(host="archive.invalid", user="a", password="b")
    with Client(QUICK, far) as client, pytest.raises(StoppedError, match="wanted https://"):
        client.ask(Ask(url="http://archive.invalid/one.fits"), lambda answer: answer.read())


def test_an_address_with_a_login_in_it_is_refused_without_showing_it():
    with pytest.raises(ValueError, match="the address holds a login") as caught:
        Ask(url="https://me:secret@archive.invalid/one.fits")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("url", ["one.fits", "file:///etc/passwd", "ftp://archive.invalid/one"])
def test_an_address_that_is_none_is_refused(url):
    with pytest.raises(ValueError, match="wanted a web address"):
        Ask(url=url)


def test_redirects_without_end_are_refused(tmp_path):
    with archive(lambda asked: Reply(state=302, headers={"Location": "/again"})) as server:
        (event,) = download([wanted(server, tmp_path)], politeness=QUICK)
    assert "from one address to the next without end" in event.reason


def test_no_more_connections_than_allowed(tmp_path):
    names = [f"{number}.fits" for number in range(30)]

    def slow(asked):
        time.sleep(0.01)
        return Reply(body=CONTENT)

    with archive(slow) as server:
        few = Politeness(connections=3)
        assert len(list(download([wanted(server, tmp_path, name) for name in names], politeness=few))) == 30
        assert server.most_at_once == 3


def test_no_more_questions_a_second_than_allowed(tmp_path):
    names = [f"{number}.fits" for number in range(6)]
    with archive({f"/{name}": CONTENT for name in names}) as server:
        start = time.monotonic()
        list(download([wanted(server, tmp_path, name) for name in names], politeness=Politeness(most_per_second=10.0)))
        assert time.monotonic() - start > 0.48


def test_an_archive_that_is_down_ends_the_download_early(tmp_path):
    names = [f"{number}.fits" for number in range(1000)]
    impatient = Politeness(tries=1, failures_in_a_row=5)
    with archive({}, fault=lambda asked: "503") as server:
        with pytest.raises(StoppedError, match=r"5 downloads in a row failed, the last so: .*HTTP 503"):
            list(download([wanted(server, tmp_path, name) for name in names], politeness=impatient))
        assert len(server.asked) < 20


def test_files_that_are_not_there_do_not_end_the_download(tmp_path):
    names = [f"{number}.fits" for number in range(20)]
    impatient = Politeness(tries=1, failures_in_a_row=5)
    with archive({}) as server:
        events = list(download([wanted(server, tmp_path, name) for name in names], politeness=impatient))
    assert len(events) == 20


def test_downloads_are_made_only_as_they_are_needed(tmp_path):
    made = []

    def endless(server):
        for number in itertools.count():
            made.append(number)
            yield wanted(server, tmp_path, f"{number}.fits")

    with archive(lambda asked: Reply(body=CONTENT)) as server:
        events = download(endless(server), politeness=QUICK)
        some = list(itertools.islice(events, 20))
        events.close()
    assert len(made) < 20 + 3 * QUICK.connections
    assert some[-1].standing.seconds_left is None


def test_who_leaves_early_waits_for_nobody(tmp_path):
    slow = Politeness(stall_seconds=60.0, connections=2)
    faults = first_tries({0: "half stall", 2: "stall"})
    with archive(lambda asked: Reply(body=CONTENT), fault=faults) as server:
        events = download((wanted(server, tmp_path, f"{n}.fits") for n in range(9)), politeness=slow)
        next(events)
        start = time.monotonic()
        events.close()
        assert time.monotonic() - start < 20
        deadline = time.monotonic() + 20
        while [name for name in files_in(tmp_path) if name.startswith(".")] and time.monotonic() < deadline:
            time.sleep(0.05)
    assert not [name for name in files_in(tmp_path) if name.startswith(".")]


def test_a_packed_file_stays_packed_whatever_the_archive_declares(tmp_path):
    packed = gzip.compress(CONTENT)
    reply = Reply(body=packed, headers={"Content-Encoding": "gzip"})
    with archive(lambda asked: reply) as server:
        jobs = [wanted(server, tmp_path, "one.fits.gz", accept=downloading.anything), wanted(server, tmp_path)]
        assert all(isinstance(event, Fetched) for event in download(jobs, politeness=QUICK))
    assert (tmp_path / "one.fits.gz").read_bytes() == packed
    assert (tmp_path / "one.fits").read_bytes() == CONTENT


def test_an_answer_longer_than_wanted_is_refused(tmp_path):
    with archive(lambda asked: Reply(body=itertools.repeat(b"x" * 10_000))) as server:
        (event,) = download([wanted(server, tmp_path, most_bytes=100_000)], politeness=QUICK)
    assert "more than 100000 bytes came" in event.reason
    assert files_in(tmp_path) == []


def test_a_form_and_parameters_reach_the_archive(tmp_path):
    with archive(lambda asked: Reply(body=CONTENT)) as server:
        job = wanted(server, tmp_path, params={"ra": "1.5", "tract": ""}, files={"list": b"#? ra dec\n1 2\n"})
        list(download([job], politeness=QUICK))
        (asked,) = server.asked
    assert (asked.method, dict(asked.params)) == ("POST", {"ra": "1.5", "tract": ""})
    assert dict(asked.files) == {"list": b"#? ra dec\n1 2\n"}
    assert asked.headers["User-Agent"].startswith("flaxgal/")


def test_a_disk_that_cannot_be_written_to_ends_the_download(tmp_path):
    (tmp_path / "folder").write_bytes(b"a file where a folder should be")
    with archive({"/one.fits": CONTENT}) as server, pytest.raises(OSError, match="folder"):
        list(download([wanted(server, tmp_path / "folder")], politeness=QUICK))


def test_what_a_killed_process_left_is_cleared_away_after_a_day(tmp_path):
    for name, hours in (("old", 30), ("new", 1)):
        (tmp_path / f".writing-{name}.fits").write_bytes(b"half")
        moment = time.time() - hours * 3600
        os.utime(tmp_path / f".writing-{name}.fits", (moment, moment))
    with archive({"/one.fits": CONTENT}) as server:
        list(download([wanted(server, tmp_path)], politeness=QUICK))
    assert files_in(tmp_path) == [".writing-new.fits", "one.fits"]


def test_the_time_left_counts_only_what_must_be_asked_for():
    standing = downloading.Standing(fetched=10, kept=500, failed=0, total=520, size_bytes=1000, seconds=5.0)
    assert standing.per_second == 2
    assert standing.bytes_per_second == 200
    assert standing.seconds_left == pytest.approx(5)


def test_the_time_counts_from_the_last_file_that_was_there_before(monkeypatch):
    clock = SimpleNamespace(now=100.0)
    monkeypatch.setattr(downloading.time, "monotonic", lambda: clock.now)

    def made():
        for number in range(3):
            clock.now += 10
            yield f"kept {number}", None, None
        for name, seconds in (("came", 1), ("came, too", 4)):
            clock.now += seconds
            yield name, 1000, None

    *_, first, last = downloading.counted(made(), politeness=QUICK, total=5)
    assert (first.standing.seconds, last.standing.seconds) == (1, 5)


def test_threads_end_when_the_work_is_done():
    before = threading.active_count()
    assert sorted(made for _, made, _ in downloading.in_parallel(lambda n: n * n, range(50), threads=4)) == [
        n * n for n in range(50)
    ]
    deadline = time.monotonic() + 20
    while threading.active_count() > before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert threading.active_count() <= before


def test_a_client_that_is_stopped_asks_nothing_more():
    with archive({"/one.fits": CONTENT}) as server:
        with Client(QUICK) as client:
            pass
        with pytest.raises(StoppedError):
            client.ask(Ask(url=f"{server.url}/one.fits"), lambda answer: answer.read())
        assert not server.asked
