"""An annotation session without a window: which galaxy, what is drawn, and what commit means."""

import errno
import gc
import json
import os
import shutil
import subprocess
import sys
import threading
import time
import weakref
from pathlib import Path

import numpy as np
import pytest

from flaxgal.labels.journal import DrawingJournal, open_drawings
from flaxgal.labels.queue import Order
from flaxgal.labels.revisions import Revision
from flaxgal.labels.store import Store
from flaxgal.survey.cutout import Cutout
from napari_flaxgal.ahead import KEPT
from napari_flaxgal.session import EndOfQueue, NotJournalled, Session
from napari_flaxgal.standing import Standing, progress
from napari_flaxgal.tools import Trace
from napari_flaxgal.views import Looks

SHAPE = (20, 24)
NAMES = ("g1", "g2", "g3", "g4")


def a_cutout(object_id, *, seed=0, shape=SHAPE):
    flux = np.random.default_rng(seed).normal(size=(1, *shape)).astype(np.float32)
    return Cutout(object_id=object_id, flux=flux, bands=("i",), unit="nJy", survey="HSC")


def a_revision(store, object_id, *, value=1, rows=(2, 4), annotator="bo", **changes):
    mask = np.zeros(SHAPE, np.uint8)
    mask[slice(*rows)] = value
    about = {"annotator": annotator, "origin": "drawn", "cutout_sha256": store.cutout(object_id).sha256, "mask": mask}
    return Revision(object_id=object_id, **(about | changes))


@pytest.fixture
def store(tmp_path):
    store = Store.create(tmp_path / "labels")
    for number, name in enumerate(NAMES):
        store.add(a_cutout(name, seed=number))
    return store


class Clock:
    """Time that passes when it is told to."""

    now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def sessions():
    """Starts sessions, and ends them."""
    begun = []

    def begin(store, annotator="anna", **options):
        begun.append(Session(store, annotator, **options))
        return begun[-1]

    yield begin
    for session in begun:
        session.close(even_if_lost=True)


def crash(session):
    """What is left of a session whose process was killed: nothing but what is on the disk."""
    session._work._journal.close()


def draw(session, rows, value=1, tool="brush"):
    mask = session.mask
    mask[rows] = value
    return session.record(mask, tool)


def full(value):
    return np.full(SHAPE, value, np.uint8)


def test_what_was_drawn_is_what_the_store_has_after_commit(store, sessions):
    clock = Clock()
    session = sessions(store, order=Order(name="random", seed=3), clock=clock)
    opened = session.start()
    assert (opened.mask == 0).all()
    draw(session, [3])
    clock.now += 5
    draw(session, [4], 255, "polygon")
    session.undo()
    session.redo()
    clock.now += 7.25
    revision = session.commit(verdict="two arms")
    kept = Store.open(store.path).latest(opened.object_id)
    assert kept is not None
    np.testing.assert_array_equal(kept.mask, session.mask)
    assert (kept.mask[3] == 1).all()
    assert (kept.mask[4] == 255).all()
    assert kept.revision_id == revision.revision_id == session.parent
    assert (kept.annotator, kept.origin, kept.parent, kept.details) == ("anna", "drawn", "", {"verdict": "two arms"})
    assert kept.tool_counts == {"brush": 1, "polygon": 1, "undo": 1, "redo": 1}
    assert kept.active_seconds == 12.2
    assert kept.served_by == "random seed 3 among unlabelled"
    assert open_drawings(store.path, "anna") == []
    assert not session.is_changed


def ids_from(session):
    """What the queue serves from its beginning, in order."""
    served = [session.next().object_id]
    while True:
        try:
            served.append(session.next().object_id)
        except EndOfQueue:
            return served


# Moving


def test_galaxies_come_in_order_and_back(store, sessions):
    session = sessions(store)
    assert session.object_id == ""
    assert [session.start().object_id, session.next().object_id, session.next().object_id] == ["g1", "g2", "g3"]
    assert [session.previous().object_id, session.previous().object_id] == ["g2", "g1"]
    with pytest.raises(
        EndOfQueue, match=r"The queue ends here \(unlabelled galaxies, order id\); choose another order"
    ):
        session.previous()
    assert session.object_id == "g1"
    assert ids_from(session) == ["g2", "g3", "g4"]
    assert session.object_id == "g4"


def test_after_a_jump_the_queue_goes_on_from_there_and_back_comes_back(store, sessions):
    session = sessions(store)
    session.start()
    session.open("g3")
    draw(session, [0])
    assert session.commit().served_by == "jump"
    assert session.previous().object_id == "g1"
    assert session.open("g3").parent
    assert session.next().object_id == "g4"


def test_a_galaxy_that_is_not_there_leaves_the_open_one_open(store, sessions):
    session = sessions(store)
    session.start()
    draw(session, [5])
    with pytest.raises(ValueError, match="no galaxy 'g9' in this store"):
        session.open("g9")
    assert session.object_id == "g1"
    draw(session, [6])
    crash(session)
    assert sessions(store).start().mask[5:7].all()


def test_what_was_labelled_meanwhile_is_not_served_but_can_be_gone_back_to(store, sessions):
    session = sessions(store)
    session.start()
    draw(session, [0])
    session.commit()
    store.commit(a_revision(store, "g2"))
    assert session.next().object_id == "g3"
    assert session.previous().object_id == "g1"
    assert session.parent


def test_a_session_starts_where_the_last_one_stopped(store, sessions):
    order = Order(name="random", seed=1)
    session = sessions(store, order=order)
    session.start()
    second = session.next().object_id
    session.close()
    again = sessions(Store.open(store.path), order=order)
    assert again.start().object_id == second
    draw(again, [1])
    assert again.commit().served_by == "random seed 1 among unlabelled"
    again.close()
    third = sessions(Store.open(store.path), order=order).start().object_id
    assert third == again.queue.after(second)
    assert sessions(store, "bo", order=order).start().object_id == again.queue.ids[0]


def test_a_session_starts_on_an_open_drawing_even_if_a_colleague_labelled_it_overnight(store, sessions):
    session = sessions(store)
    session.start()
    session.next()
    draw(session, [4])
    session.close()
    bo = store.commit(a_revision(store, "g2"))
    again = sessions(store)
    opened = again.start()
    assert (opened.object_id, opened.recovered) == ("g2", True)
    assert opened.mask[4].all()
    assert not opened.mask[2:4].any()
    assert "older than the latest revision, by bo; both are kept" in opened.sentences[0]
    assert again.commit().parent == ""
    assert store.history("g2")[0].revision_id == bo.revision_id


def test_a_lost_or_damaged_position_starts_at_the_first(store, sessions):
    session = sessions(store)
    session.start()
    session.next()
    session.close()
    (store.path / "open" / "anna" / "position.json").write_text('{"object_id": "g2"')
    assert sessions(store).start().object_id == "g1"


def test_the_end_of_the_queue_is_said_and_a_finished_queue_has_no_start(store, sessions):
    for name in NAMES:
        store.commit(a_revision(store, name))
    session = sessions(store)
    with pytest.raises(EndOfQueue):
        session.start()
    assert session.object_id == ""
    with pytest.raises(ValueError, match="no galaxy is open"):
        _ = session.mask
    session.set_queue(show="all")
    assert session.start().object_id == "g1"


def damage(store, object_id):
    (path,) = (store.path / "galaxies").rglob(f"{object_id}.*.fits")
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(bytes(content))


def test_a_damaged_galaxy_is_passed_over_with_a_sentence(store, sessions):
    damage(store, "g2")
    session = sessions(store)
    session.start()
    opened = session.next()
    assert opened.object_id == "g3"
    assert any("damaged" in sentence for sentence in opened.sentences)
    with pytest.raises(ValueError, match="damaged"):
        session.open("g2")
    assert session.object_id == "g3"
    assert session.previous().object_id == "g1"


def test_a_queue_of_damaged_galaxies_ends_with_the_sentences(store, sessions):
    for name in NAMES:
        damage(store, name)
    with pytest.raises(EndOfQueue, match=r"g1.*damaged.*g4.*damaged.*The queue ends here"):
        sessions(store).start()


def test_a_galaxy_that_could_not_be_read_ahead_is_tried_again_when_it_is_its_turn(store, sessions, monkeypatch):
    read, failed = Store.cutout, []

    def fails_once(self, object_id):
        if object_id == "g2" and not failed:
            failed.append(object_id)
            raise OSError("the network disk is away for a moment")
        return read(self, object_id)

    monkeypatch.setattr(Store, "cutout", fails_once)
    session = sessions(store)
    session.start()
    while not failed:
        pass
    assert session.next().object_id == "g2"


def test_the_next_galaxies_are_read_before_they_are_asked_for(store, sessions, monkeypatch):
    read, names = Store.cutout, []

    def noted(self, object_id):
        names.append((object_id, threading.current_thread() is threading.main_thread()))
        return read(self, object_id)

    monkeypatch.setattr(Store, "cutout", noted)
    session = sessions(store)
    session.start()
    end = time.monotonic() + 60
    while len(names) < 4 and time.monotonic() < end:
        time.sleep(0.02)
    assert names == [("g1", True), ("g2", False), ("g3", False), ("g4", False)]
    session.next()
    session.next()
    assert len(names) == 4


def test_discs_are_told_apart_while_the_queue_is_walked(store, sessions, monkeypatch):
    disc = pytest.importorskip("flaxgal.measure.disc")
    known = ("g2", "g4")
    monkeypatch.setattr(disc, "has_visible_disc", lambda cutout: cutout.object_id in known, raising=False)
    session = sessions(store, order=Order(name="discs"))
    served = [session.start().object_id, *ids_from(session)]
    assert sorted(served) == ["g2", "g4"]


def test_skipping_and_flagging_are_noted(store, sessions):
    session = sessions(store)
    session.start()
    session.flag("a ring?")
    assert session.is_flagged
    assert session.skip().object_id == "g2"
    assert not session.is_flagged
    assert [(note.kind, note.object_id) for note in store.notes()] == [("flagged", "g1"), ("skipped", "g1")]
    assert store.notes("g1", "flagged")[0].details == {"reason": "a ring?"}
    bo = sessions(store, "bo", show="flagged")
    assert bo.start().object_id == "g1"
    assert bo.is_flagged
    bo.unflag()
    assert not bo.is_flagged
    assert not sessions(store).open("g1").sentences


def test_a_queue_that_cannot_be_made_leaves_the_old_one(store, sessions):
    session = sessions(store)
    session.start()
    queue = session.queue
    with pytest.raises(ValueError, match="needs a ranking"):
        session.set_queue(order=Order(name="usefulness"))
    assert session.queue is queue
    assert session.set_queue(order=Order(descending=True)) is session.queue
    assert session.object_id == "g1"
    with pytest.raises(EndOfQueue):
        session.next()


# What a galaxy opens with


def test_a_galaxy_opens_with_its_latest_revision_which_is_the_parent(store, sessions):
    store.commit(a_revision(store, "g1", rows=(0, 1)))
    latest = store.commit(a_revision(store, "g1", value=255))
    session = sessions(store, show="all")
    opened = session.start()
    np.testing.assert_array_equal(opened.mask, latest.mask)
    assert (opened.parent, opened.recovered, session.is_changed) == (latest.revision_id, False, False)
    draw(session, [9])
    revision = session.commit()
    assert (revision.parent, revision.origin) == (latest.revision_id, "corrected")


def test_taking_over_somebodys_revision_unchanged_is_accepting_it(store, sessions):
    latest = store.commit(a_revision(store, "g1"))
    session = sessions(store, show="all")
    session.start()
    revision = session.commit()
    assert (revision.annotator, revision.origin, revision.parent) == ("anna", "accepted", latest.revision_id)


def test_votes_open_as_what_half_of_the_people_marked(store, sessions):
    fraction = np.zeros((1, *SHAPE), np.float32)
    fraction[0, 0], fraction[0, 1], fraction[0, 2] = 0.5, 0.4, np.nan
    votes = {"mask": None, "fraction": fraction, "origin": "imported", "classes": ("arm",)}
    store.commit(a_revision(store, "g1", **votes))
    mask = sessions(store, show="all").start().mask
    assert mask[:4, 0].tolist() == [1, 0, 255, 0]


def test_a_latest_revision_that_cannot_be_read_gives_way_to_the_one_before(store, sessions):
    older = store.commit(a_revision(store, "g1", rows=(0, 1)))
    newer = store.commit(a_revision(store, "g1"))
    (path,) = (store.path / "revisions").rglob(f"*{newer.revision_id}*")
    path.write_bytes(path.read_bytes()[:-5])
    opened = sessions(store, show="all").start()
    assert opened.parent == older.revision_id
    assert any("damaged" in sentence for sentence in opened.sentences)


def test_a_blind_repeat_shows_nothing_of_the_first_time(store, sessions):
    first = sessions(store)
    first.start()
    draw(first, [7])
    first.commit()
    first.close()
    session = sessions(store, repeats=1.0)
    session.open("g3")
    opened = session.next()
    assert (opened.object_id, opened.blind_repeat, opened.parent) == ("g1", True, "")
    assert not opened.mask.any()
    assert not session.by_hand.any()
    session.open("g4")
    assert not session.previous().mask.any()
    draw(session, [8])
    session.close()
    again = sessions(store)
    assert again.open("g1").blind_repeat
    revision = again.commit()
    assert (revision.blind_repeat, revision.parent, revision.origin) == (True, "", "drawn")
    assert revision.served_by == "blind repeat"
    assert again.open("g1").mask[8].all()


def test_the_queue_goes_on_after_a_repeat_where_it_was(store, sessions):
    store.commit(a_revision(store, "g4", annotator="anna"))
    session = sessions(store, repeats=1.0)
    session.start()
    assert session.next().object_id == "g4"
    assert session.next().object_id == "g2"


# Nothing is lost


def test_every_stroke_is_back_after_a_crash_and_can_be_undone(store, sessions):
    session = sessions(store)
    session.start()
    draw(session, [1])
    draw(session, [2], 255)
    mask, by_hand = session.mask, session.by_hand
    crash(session)
    again = sessions(Store.open(store.path))
    opened = again.start()
    assert opened.recovered
    assert again.recovered
    np.testing.assert_array_equal(opened.mask, mask)
    np.testing.assert_array_equal(again.by_hand, by_hand)
    assert not again.undo()[2].any()
    assert not again.undo().any()
    assert not again.undo().any()
    again.redo()
    revision = again.commit()
    assert revision.tool_counts == {"brush": 2, "undo": 2, "redo": 1}


def test_a_drawing_left_open_is_back_when_its_galaxy_is(store, sessions):
    session = sessions(store)
    session.start()
    draw(session, [1])
    session.next()
    assert not session.mask.any()
    assert session.unfinished == ["g1"]
    opened = session.previous()
    assert opened.recovered
    assert opened.mask[1].all()
    assert session.unfinished == []


def test_looking_at_galaxies_and_undoing_everything_leaves_no_open_drawings(store, sessions):
    session = sessions(store)
    session.start()
    session.next()
    draw(session, [1])
    session.undo()
    session.next()
    assert open_drawings(store.path, "anna") == []


def test_an_arm_being_traced_is_back_and_must_be_settled_before_commit(store, sessions):
    session = sessions(store)
    session.start()
    session.set_trace(Trace(np.array([[1.5, 2.0], [3.0, 9.25]]), 4.5, 2))
    crash(session)
    again = sessions(store)
    assert again.start().recovered
    trace = again.trace
    assert trace is not None
    assert (trace.points.tolist(), trace.width_pixels, trace.class_code) == ([[1.5, 2.0], [3.0, 9.25]], 4.5, 2)
    assert again.is_changed
    with pytest.raises(ValueError, match="an arm is being traced"):
        again.commit()
    again.set_trace(None)
    again.commit()
    assert again.trace is None


def test_a_drawing_committed_just_before_a_crash_is_not_committed_twice(store, sessions, monkeypatch):
    """Killed between the revision's file and the end of the journal."""
    session = sessions(store)
    session.start()
    draw(session, [3])
    with monkeypatch.context() as patch:
        patch.setattr(DrawingJournal, "discard", DrawingJournal.close)
        kept = session.commit()
    assert len(open_drawings(store.path, "anna")) == 1
    again = sessions(Store.open(store.path))
    opened = again.open("g1")
    assert (opened.recovered, opened.parent) == (False, kept.revision_id)
    assert open_drawings(store.path, "anna") == []
    assert len(again.store.history("g1")) == 1


def test_strokes_after_a_commit_that_did_not_report_back_are_kept(store, sessions, monkeypatch):
    """The revision was written but the disk failed while it was read back; the annotator drew on, then a crash."""
    session = sessions(store)
    session.start()
    draw(session, [3])
    commit = Store.commit

    def fails_at_last(self, revision):
        commit(self, revision)
        raise OSError("what was read back differs from what was written; is the disk failing?")

    monkeypatch.setattr(Store, "commit", fails_at_last)
    with pytest.raises(OSError, match=r"is the disk failing.*The drawing stays open; it is on the disk, every stroke"):
        session.commit()
    monkeypatch.undo()
    assert session.is_changed
    draw(session, [4])
    crash(session)
    again = sessions(Store.open(store.path))
    assert again.open("g1").mask[3:5].all()
    again.commit()
    assert again.store.latest("g1").mask[3:5].all()
    assert len(again.store.history("g1")) == 2


def test_committing_again_what_was_written_but_not_reported_writes_it_once(store, sessions, monkeypatch):
    session = sessions(store)
    session.start()
    draw(session, [3])
    commit = Store.commit
    monkeypatch.setattr(Store, "commit", lambda self, revision: commit(self, revision) and 1 / 0)
    with pytest.raises(ZeroDivisionError):
        session.commit()
    monkeypatch.undo()
    session.commit()
    assert len(store.history("g1")) == 1
    assert not session.is_changed


def test_a_drawing_on_other_pixels_is_kept_aside_with_a_sentence(tmp_path, store, sessions):
    session = sessions(store)
    session.start()
    draw(session, [3])
    session.close()
    shutil.rmtree(store.path / "galaxies")
    shutil.rmtree(store.path / "index")
    other = Store.open(store.path)
    other.add(a_cutout("g1", seed=99))
    again = sessions(other)
    opened = again.start()
    assert not opened.recovered
    assert not opened.mask.any()
    (sentence,) = opened.sentences
    assert "was made on other pixels than the store has now; it is kept as " in sentence
    journal, drawing = DrawingJournal.resume(Path(sentence.partition("kept as ")[2]))
    journal.close()
    assert drawing.mask[3].all()
    assert not again.open("g1").sentences


def test_pixels_exchanged_under_an_open_drawing_are_told_at_commit_and_the_drawing_is_kept_aside(store, sessions):
    session = sessions(store)
    session.start()
    draw(session, [3])
    (path,) = (store.path / "galaxies").rglob("g1.*.fits")
    path.unlink()
    store.refresh()
    store.add(a_cutout("g1", seed=99))
    with pytest.raises(ValueError, match="g1: the mask was drawn on other pixels than the store has"):
        session.commit()
    assert session.mask[3].all()
    opened = session.open("g1")
    assert not opened.mask.any()
    assert "was made on other pixels than the store has now; it is kept as " in opened.sentences[0]
    np.testing.assert_array_equal(opened.cutout.flux, a_cutout("g1", seed=99).flux)
    draw(session, [4])
    session.commit()


def test_two_windows_of_one_annotator_draw_two_drawings_and_both_are_committed(store, sessions):
    one, other = sessions(store), sessions(Store.open(store.path))
    one.start()
    draw(one, [1])
    opened = other.start()
    assert not opened.recovered
    assert "is open in another window" in opened.sentences[0]
    draw(other, [2])
    crash(one)
    crash(other)
    third = sessions(Store.open(store.path))
    assert third.open("g1").mask[2].all()
    third.commit()
    opened = third.open("g1")
    assert opened.mask[1].all()
    third.commit()
    assert len(third.store.history("g1")) == 2
    assert open_drawings(store.path, "anna") == []


def test_a_colleagues_newer_revision_does_not_touch_what_is_being_drawn(store, sessions):
    """Two people on one galaxy: both masks are kept, and each says what it was made from."""
    first = store.commit(a_revision(store, "g1", rows=(0, 1)))
    anna, bo = sessions(store, show="all"), sessions(Store.open(store.path), "bo", show="all")
    anna.start()
    draw(anna, [10])
    bo.start()
    draw(bo, [12])
    bos = bo.commit()
    anna.refresh()
    assert len(store.history("g1")) == 2
    draw(anna, [11])
    mine = anna.commit()
    assert mine.parent == bos.parent == first.revision_id
    assert mine.mask is not None
    assert mine.mask[10:12].all()
    assert not mine.mask[12].any()
    assert store.latest("g1").revision_id == mine.revision_id
    assert bo.store.revision(bos.revision_id).mask[12].all()


def full_disk(*arguments, **options):
    raise OSError(errno.ENOSPC, "No space left on device")


def test_on_a_full_disk_strokes_stay_in_memory_and_are_said_once(store, sessions, monkeypatch):
    session = sessions(store)
    session.start()
    with monkeypatch.context() as patch:
        patch.setattr("flaxgal.labels.journal.os.write", full_disk)
        with pytest.raises(NotJournalled, match=r"^g1: what you draw cannot be kept on the disk \(No space left"):
            draw(session, [1])
        assert draw(session, [2])
        session.propose(full(2), "runs/one", 0.5)
        assert session.mask[1:3].all()
        assert session.trouble
        for leave in (session.next, session.close, lambda: session.open("g3")):
            with pytest.raises(NotJournalled, match="Before you leave g1, commit the drawing or throw it away"):
                leave()
        assert session.object_id == "g1"
    assert draw(session, [4])
    assert not session.trouble
    mask = session.mask
    crash(session)
    again = sessions(store).start()
    assert again.recovered
    np.testing.assert_array_equal(again.mask, mask)


def test_trouble_that_comes_again_is_said_again(store, sessions, monkeypatch):
    session = sessions(store)
    session.start()
    for row in (1, 2):
        with monkeypatch.context() as patch:
            patch.setattr("flaxgal.labels.journal.os.write", full_disk)
            with pytest.raises(NotJournalled):
                draw(session, [row])
        draw(session, [row + 10])


def test_a_drawing_in_memory_only_can_be_thrown_away_to_go_on(store, sessions, monkeypatch):
    session = sessions(store)
    session.start()
    monkeypatch.setattr("flaxgal.labels.journal.os.write", full_disk)
    with pytest.raises(NotJournalled):
        draw(session, [1])
    assert not session.discard().any()
    assert session.next().object_id == "g2"


def test_a_full_disk_at_commit_keeps_the_drawing_and_damages_nothing(store, sessions, monkeypatch):
    session = sessions(store)
    session.start()
    draw(session, [1])
    with monkeypatch.context() as patch:
        patch.setattr("flaxgal.labels.files.write_durably", full_disk)
        with pytest.raises(OSError, match=r"g1: not saved .*no space left on device.*The drawing stays open"):
            session.commit()
    assert session.is_changed
    assert Store.open(store.path).latest("g1") is None
    crash(session)
    again = sessions(store)
    assert again.start().mask[1].all()
    assert again.commit().mask is not None


@pytest.fixture
def read_only(store):
    """The store's folder as a disk that cannot be written to."""
    places = [["mount", "--bind", str(store.path), str(store.path)]]
    if os.geteuid() or not shutil.which("mount") or subprocess.run(places[0], capture_output=True).returncode:
        pytest.skip("needs the right to mount a folder read-only")
    subprocess.run(["mount", "-o", "remount,bind,ro", str(store.path)], check=True)
    yield store.path
    subprocess.run(["umount", "--lazy", str(store.path)], check=True)


def test_a_read_only_store_can_be_looked_at(read_only, sessions):
    session = sessions(Store.open(read_only))
    session.start()
    assert session.skip().object_id == "g2"
    with pytest.raises(OSError, match="read-only file system"):
        session.flag()
    with pytest.raises(NotJournalled, match=r"g2: what you draw cannot be kept on the disk \(Read-only"):
        draw(session, [1])
    draw(session, [2])
    with pytest.raises(OSError, match=r"g2: not saved .*read-only file system.*in this window's memory only"):
        session.commit()
    session.undo()
    session.undo()
    assert session.next().object_id == "g3"


def test_200_kills_at_random_moments_cost_at_most_one_stroke_each_and_no_revision(tmp_path):
    """`killed.py` says how it is told; `wrong` lists galaxies that opened with neither the last mask nor the next."""
    store = Store.create(tmp_path / "labels")
    for number in range(6):
        store.add(a_cutout(f"g{number}", seed=number, shape=(96, 96)))
    script = [sys.executable, str(Path(__file__).with_name("killed.py")), str(store.path), "200", "1"]
    run = subprocess.run(script, capture_output=True, text=True, timeout=580, check=False)
    assert not run.returncode, run.stderr
    result = json.loads(run.stdout)
    counts = result["counts"]
    for trouble in ("wrong", "damaged", "lost revisions", "committed twice"):
        assert result[trouble] == [], trouble
    assert counts["begun"] > 500
    assert counts["killed after begun"] > 5
    assert counts["killed after committing"] > 5
    assert counts["committed"] > 50


# Drawing


def test_a_proposal_fills_what_nobody_decided_and_hand_edits_stay(store, sessions):
    store.commit(a_revision(store, "g1", value=255, origin="imported"))
    session = sessions(store, show="all")
    session.start()
    draw(session, [9])
    mask = session.propose(full(2), "runs/one", 0.4)
    assert (mask[2:4] == 255).all()
    assert (mask[9] == 1).all()
    proposal = session.proposal
    assert proposal is not None
    assert (proposal.run, proposal.threshold) == ("runs/one", 0.4)
    np.testing.assert_array_equal(proposal.pixels, mask == 2)
    draw(session, [12], 0, "eraser")
    mask = session.propose(full(1), "runs/one", 0.6)
    assert not mask[12].any()
    assert (mask[2:4] == 255).all()
    assert not session.proposal.pixels[12].any()
    crash(session)
    again = sessions(store, show="all")
    np.testing.assert_array_equal(again.start().mask, mask)
    revision = again.commit()
    assert (revision.origin, revision.model_run, revision.model_threshold) == ("corrected", "runs/one", 0.6)


def test_a_proposal_taken_as_it_is_is_accepted_and_a_discarded_one_leaves_no_trace(store, sessions):
    session = sessions(store)
    session.start()
    session.propose(full(1), "runs/one", 0.4)
    revision = session.commit()
    assert (revision.origin, revision.model_run, revision.parent) == ("accepted", "runs/one", "")
    session.next()
    session.propose(full(1), "runs/one", 0.4)
    draw(session, [3], 2)
    mask = session.discard_proposal()
    assert (mask[3] == 2).all()
    assert np.delete(mask, 3, axis=0).max() == 0
    revision = session.commit()
    assert (revision.origin, revision.model_run, revision.model_threshold) == ("drawn", "", None)
    assert revision.tool_counts["propose"] == 1


def test_what_was_erased_and_committed_stays_erased_when_a_model_guesses_again(store, sessions):
    session = sessions(store, show="all")
    session.start()
    session.propose(full(1), "runs/one", 0.4)
    draw(session, [3], 0, "eraser")
    committed = session.commit()
    for _ in ("at once", "on another day"):
        np.testing.assert_array_equal(session.propose(full(1), "runs/one", 0.4), committed.mask)
        session.close()
        session = sessions(store, show="all")
        session.start()


def test_a_models_own_marks_may_be_replaced_by_a_better_models(store, sessions):
    session = sessions(store, show="all")
    session.start()
    session.propose(full(1), "runs/old", 0.4)
    session.commit()
    assert not session.propose(full(0), "runs/new", 0.4).any()


def test_a_mask_that_means_nothing_is_refused_and_the_drawing_stays(store, sessions):
    session = sessions(store)
    session.start()
    draw(session, [3])
    with pytest.raises(ValueError, match="g1: label 7 means nothing here"):
        draw(session, [4], 7)
    with pytest.raises(ValueError, match="g1: a mask of 5 × 5 pixels for an image of 20 × 24"):
        session.record(np.zeros((5, 5), np.uint8), "brush")
    assert session.mask.sum() == SHAPE[1]


def test_nothing_changed_is_no_stroke(store, sessions):
    session = sessions(store)
    session.start()
    assert not session.record(session.mask, "brush")
    assert open_drawings(store.path, "anna") == []
    assert session.commit().tool_counts == {}


def test_what_is_given_out_is_a_copy(store, sessions):
    session = sessions(store)
    mask = session.start().mask
    mask[:] = 1
    session.mask[:] = 1
    session.by_hand[:] = True
    assert not session.mask.any()
    assert not session.by_hand.any()
    draw(session, [0])
    committed = session.commit()
    draw(session, [1])
    assert committed.mask is not None
    assert not committed.mask[1].any()


def test_pauses_are_no_work(store, sessions):
    clock = Clock()
    session = sessions(store, clock=clock)
    session.start()
    for pause in (10, 31, 20, 3600, 30):
        clock.now += pause
        session.touch()
    assert session.active_seconds == 60
    draw(session, [0])
    crash(session)
    clock.now += 5
    again = sessions(store, clock=clock)
    again.start()
    clock.now += 2.5
    assert again.commit().active_seconds == 62.5
    assert again.active_seconds == 0


def test_throwing_a_drawing_away_goes_back_to_what_it_began_with(store, sessions):
    first = store.commit(a_revision(store, "g1"))
    session = sessions(store, show="all")
    session.start()
    draw(session, [9])
    np.testing.assert_array_equal(session.discard(), first.mask)
    assert session.undo()[9].any()
    np.testing.assert_array_equal(session.discard(), first.mask)
    here = session.object_id
    session.next()
    assert open_drawings(store.path, "anna") == []
    session.open(here)
    draw(session, [10])
    revision = session.commit()
    assert revision.mask is not None
    assert not revision.mask[9].any()
    assert revision.parent == first.revision_id


def test_progress_counts_galaxies_by_annotator_and_the_seconds_they_took(store, sessions):
    clock = Clock()
    session = sessions(store, clock=clock)
    session.start()
    assert session.progress().median_seconds is None
    for seconds in (3, 20, 10):
        clock.now += seconds
        session.commit()
        if seconds != 10:
            session.next()
    session.commit()
    store.commit(a_revision(store, "g1"))
    session._standing.changed()
    progress = session.progress()
    assert (progress.galaxies, progress.labelled, progress.mine) == (4, 3, 3)
    assert progress.by_annotator == {"anna": 3, "bo": 1}
    assert progress.median_seconds == 10


def test_a_store_that_takes_long_to_count_is_not_counted_at_every_look(store, monkeypatch):
    counted = []

    def slowly(*about):
        counted.append(time.sleep(0.06))
        return progress(*about)

    monkeypatch.setattr("napari_flaxgal.standing.progress", slowly)
    standing = Standing(store, "anna")
    for _ in range(5):
        standing.changed()
        assert standing.progress().galaxies == 4
    assert len(counted) == 1


def test_a_long_session_holds_the_cutouts_of_a_few_galaxies_only(tmp_path, sessions):
    store = Store.create(tmp_path / "many")
    for number in range(30):
        store.add(a_cutout(f"g{number:02d}", seed=number))
    session = sessions(store)
    cutouts = []
    for number in range(30):
        opened = session.next() if number else session.start()
        cutouts.append(weakref.ref(opened.cutout))
        if number < 8:  # looked at closely, and left behind
            session.view.picture(Looks(residual=True, polar=True))
            assert session.view.ridge.shape == SHAPE
    del opened
    session._walk._ahead.close()
    gc.collect()
    assert sum(cutout() is not None for cutout in cutouts) <= KEPT


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"annotator": " "}, "a session without an annotator"),
        ({"repeats": 1.5}, "repeats 1.5, expected a probability"),
        ({"order": Order(name="column", column="z")}, "needs a catalogue"),
        ({"show": "some"}, "expected one of all, unlabelled"),
    ],
)
def test_a_session_that_cannot_be_says_why(store, options, sentence):
    with pytest.raises(ValueError, match=sentence):
        Session(store, **({"annotator": "anna"} | options))
