"""Retraining beside the window: a process that is started, asked, stopped, and that fails in words."""

import os
import stat
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from flax import nnx
from toys import toy_config

from flaxgal import checkpoint
from flaxgal.config import to_json
from flaxgal.datasets.splits import split_of
from flaxgal.labels.revisions import Revision
from flaxgal.labels.store import Store
from flaxgal.models.unet import UNet
from flaxgal.survey.cutout import Cutout
from napari_flaxgal.training import PHASES, Training, read_scores

SAYS_AND_WAITS = """
import json, sys, time
print("a warning of somebody's on standard output")
print(json.dumps({"phase": "building", "fraction": 0.05, "note": "3 of 9", "run": None}), flush=True)
sys.stdout.write('{"phase": "training", "fraction": 0.5, "no'); sys.stdout.flush()
while not os.path.exists(GO): time.sleep(0.01)
sys.stdout.write('te": "loss 0.3", "run": null}' + chr(10)); sys.stdout.flush()
time.sleep(600)
"""


def ends(running: Training, *, seconds: float = 120) -> list[tuple[str, float, str]]:
    """What it says until it has ended, without repetitions."""
    seen, end = [running.poll()], time.monotonic() + seconds
    while running.is_running:
        assert time.monotonic() < end, seen[-1]
        time.sleep(0.02)
        if running.poll() != seen[-1]:
            seen.append(running.poll())
    return seen


@pytest.fixture
def pretended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A function that has `python -m flaxgal …` be a program of a few lines."""

    def pretend(program: str) -> Path:
        go, path = tmp_path / "go", tmp_path / "python"
        path.write_text(f"#!{sys.executable}\nimport os\nGO = {str(go)!r}\nSTORE = {str(tmp_path)!r}\n{program}")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setattr("napari_flaxgal.training.sys.executable", str(path))
        return go

    return pretend


def test_it_says_what_the_process_said_last_and_waits_for_the_rest_of_half_a_line(tmp_path, pretended):
    go, running = pretended(SAYS_AND_WAITS), Training(tmp_path)
    assert running.poll() == ("not started", 0.0, "")
    running.start()
    try:
        while running.poll()[0] == "starting":
            time.sleep(0.01)
        time.sleep(0.1)
        assert running.poll() == ("building", 0.05, "3 of 9")
        go.touch()
        while running.poll()[0] == "building":
            time.sleep(0.01)
        assert running.poll() == ("training", 0.5, "loss 0.3")
        with pytest.raises(ValueError, match="the training is training"):
            running.result()
    finally:
        running.stop()
    assert running.poll() == ("stopped", 0.5, "loss 0.3")
    assert not running.is_running
    with pytest.raises(ValueError, match="stopped"):
        running.result()


def test_stopping_ends_the_process_and_a_second_stop_does_nothing(tmp_path, pretended):
    pretended(f"open(STORE + '/pid', 'w').write(str(os.getpid())); {SAYS_AND_WAITS}")
    running = Training(tmp_path)
    running.stop()
    running.start()
    running.start()
    while running.poll()[0] == "starting":
        time.sleep(0.01)
    number = int((tmp_path / "pid").read_text())
    running.stop()
    running.stop()
    with pytest.raises(ProcessLookupError):
        os.kill(number, 0)
    with pytest.raises(ValueError, match="make another"):
        running.start()


def test_a_process_that_dies_without_a_word_has_failed(tmp_path, pretended):
    pretended("os.kill(os.getpid(), 9)")
    running = Training(tmp_path)
    running.start()
    assert ends(running)[-1] == ("failed", 0.0, "flaxgal retrain ended with exit status -9")


def test_a_process_that_ends_well_but_never_said_it_was_done_has_failed(tmp_path, pretended):
    pretended("print('{}')")
    running = Training(tmp_path)
    running.start()
    assert ends(running)[-1][0] == "failed"


def test_the_process_stands_back_for_the_window_and_shares_the_gpu(tmp_path, pretended):
    pretended(
        "import json, time\ntime.sleep(0.3)\n"
        "note = f'{os.nice(0)} {os.environ.get(\"XLA_PYTHON_CLIENT_PREALLOCATE\")}'\n"
        "print(json.dumps({'phase': 'done', 'fraction': 1.0, 'note': note, 'run': STORE}))"
    )
    running = Training(tmp_path)
    running.start()
    phase, fraction, note = ends(running)[-1]
    assert (phase, fraction) == ("done", 1.0)
    nice, shared = note.split()
    assert int(nice) == min(19, os.nice(0) + 10)
    assert shared == "false"
    assert running.result() == tmp_path


def test_a_mistake_is_told_in_flaxgals_own_sentence(tmp_path):
    running = Training(tmp_path / "no-store")
    running.start()
    phase, _, note = ends(running)[-1]
    assert phase == "failed"
    assert note.startswith(str(tmp_path / "no-store"))
    assert "no label store here" in note


def small_store(folder: Path) -> Store:
    store = Store.create(folder)
    names = [f"galaxy-{k}" for k in range(60)]
    chosen = [name for name in names if split_of(name) == "train"][:10]
    chosen += [name for name in names if split_of(name) == "test"][:3]
    for k, name in enumerate(chosen):
        mask = np.zeros((16, 16), np.uint8)
        mask[4:6, 3 + k % 5 : 12] = 1
        light = (40 * mask + np.random.default_rng(k).normal(0, 1, mask.shape)).astype(np.float32)
        cutout = Cutout(object_id=name, flux=light[None], bands=("i",), unit="nJy")
        store.add(cutout)
        marks = {"object_id": name, "annotator": "anna", "origin": "drawn", "cutout_sha256": cutout.sha256}
        store.commit(Revision(**marks, mask=mask))
    return store


def test_a_store_is_trained_on_in_another_process_and_the_new_run_can_be_used(tmp_path):
    store, first = small_store(tmp_path / "labels"), tmp_path / "first"
    first.mkdir()
    config = toy_config(tmp_path / "any")
    (first / "config.json").write_text(to_json(config))
    checkpoint.save(first, "last", 1, {"average": UNet(config.model, nnx.Rngs(params=0))})
    running = Training(store.path, first, options=("--steps", "3"))
    running.start()
    seen = ends(running, seconds=300)
    phases = [phase for phase, _, _ in seen]
    assert phases == sorted(phases, key=PHASES.index)
    assert phases[-1] == "done", seen[-1]
    (score,) = read_scores(store.path)
    assert running.result() == store.path / "training" / "runs" / score["run"]
    assert checkpoint.load_run(running.result()).config.start_from == str(first)
    assert (score["train_galaxies"], score["held_out_galaxies"], score["previous_run"]) == (10, 3, "first")
