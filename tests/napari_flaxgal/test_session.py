"""An annotation session without a window: which galaxy, what is drawn, and what commit means."""

import numpy as np
import pytest

from flaxgal.labels.journal import open_drawings
from flaxgal.labels.queue import Order
from flaxgal.labels.revisions import Revision
from flaxgal.labels.store import Store
from flaxgal.survey.cutout import Cutout
from napari_flaxgal.session import EndOfQueue, NotJournalled, Session
from napari_flaxgal.tools import Trace

SHAPE = (20, 24)
NAMES = ("g1", "g2", "g3", "g4")


def a_cutout(object_id, *, seed=0):
    flux = np.random.default_rng(seed).normal(size=(1, *SHAPE)).astype(np.float32)
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
    session._journal.close()


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
