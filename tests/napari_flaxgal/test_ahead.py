"""That galaxies are drawn before they are asked for, once, whichever thread asks."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from flaxgal.survey.cutout import Cutout
from napari_flaxgal import views
from napari_flaxgal.ahead import KEPT, LoadedAhead
from napari_flaxgal.views import Looks, View


def galaxy(object_id="g"):
    y, x = np.indices((64, 64)) - 31.5
    flux = 100 * np.exp(-np.hypot(y, x) / 8)[None] + np.random.default_rng(0).normal(size=(2, 64, 64))
    return Cutout(object_id=object_id, flux=flux.astype(np.float32), bands=("g", "r"), unit="nJy")


@pytest.fixture
def ahead():
    thread = LoadedAhead(galaxy)
    yield thread
    thread.close()


def counted(monkeypatch, name):
    calls, compute = [], getattr(views, name)

    def count(cutout):
        calls.append((cutout.object_id, threading.current_thread().name))
        time.sleep(0.05)
        return compute(cutout)

    monkeypatch.setattr(views, name, count)
    return calls


def wait_for(ready):
    end = time.monotonic() + 20
    while not ready():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("looks", "name"),
    [
        (Looks(residual=True), "residual"),
        (Looks(polar=True, residual=True), "arm_contrast"),
        (Looks(polar=True), "frame_of"),
        (Looks(), "ridge_strength"),
    ],
)
def test_what_a_view_needs_is_computed_in_the_thread_and_not_again_when_the_galaxy_is_opened(
    ahead, monkeypatch, looks, name
):
    calls = counted(monkeypatch, name)
    ahead.looks = looks
    ahead.prepare(lambda: ["a", "b"])
    wait_for(lambda: len(calls) == 2)
    view = ahead.get("b").view
    view.picture(looks)
    _ = view.ridge
    assert [object_id for object_id, _ in calls] == ["a", "b"]
    assert all(thread.startswith("flaxgal-ahead") for _, thread in calls)


def test_threads_that_ask_at_once_get_one_picture(monkeypatch):
    calls, view = counted(monkeypatch, "residual"), View(galaxy())
    with ThreadPoolExecutor(4) as threads:
        pictures = list(threads.map(lambda _: view.picture(Looks(residual=True)), range(4)))
    assert len(calls) == 1
    assert all(picture is pictures[0] for picture in pictures)


def test_another_band_stretch_or_plane_is_another_picture():
    view = View(galaxy())
    polar = view.picture(Looks(polar=True))
    view.frame = views.replace(view.frame, axis_ratio=0.4)
    assert not np.array_equal(view.picture(Looks(polar=True)), polar)
    colour = view.picture(Looks())
    assert not np.array_equal(view.picture(Looks(stretch=0.5)), colour)
    np.testing.assert_array_equal(view.picture(Looks(band="none")), colour)


def test_memory_is_bounded_however_far_somebody_walks(ahead):
    for number in range(3 * KEPT):
        ahead.get(str(number))
    assert len(ahead._kept) == KEPT
