"""Claims about weights on disk: bit for bit, atomic, and clear about what is missing."""

import os
import signal
import subprocess
import sys
import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from flaxgal import runlog
from flaxgal.checkpoint import load_run, prune, restore, save, steps_saved
from flaxgal.config import TrainConfig, UNetConfig
from flaxgal.models.unet import UNet

MODEL = UNetConfig(image_size=16, widths=(4, 8), block="plain", blocks=(1,), dropout=(0.0,))


def tree(seed=0):
    random = np.random.default_rng(seed)
    return {
        "weights": [jnp.asarray(random.normal(size=shape), jnp.float32) for shape in ((3, 4), (), (1, 2))],
        "count": jnp.asarray(seed, jnp.int32),
    }


def same(one, other):
    return all(
        np.asarray(a).tobytes() == np.asarray(b).tobytes() and a.dtype == b.dtype
        for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True)
    )


def test_arrays_come_back_bit_for_bit(tmp_path):
    before = tree(3)
    save(tmp_path, "last", 12, before)
    after, step = restore(tmp_path, "last", before)
    assert step == 12
    assert same(before, after)


def test_the_newest_checkpoint_is_restored_by_number_not_by_name(tmp_path):
    for step in (999_999, 1_000_000):
        save(tmp_path, "last", step, tree(step % 7))
    after, step = restore(tmp_path, "last", tree())
    assert step == 1_000_000
    assert same(after, tree(1_000_000 % 7))


def test_pruning_keeps_the_newest_and_removes_what_was_left_unfinished(tmp_path):
    for step in (1, 2, 3):
        save(tmp_path, "best", step, tree(step))
    (tmp_path / "checkpoints/best/000004.orbax-checkpoint-tmp").mkdir()
    prune(tmp_path, "best", beyond=2)
    assert steps_saved(tmp_path, "best") == [1, 2]
    prune(tmp_path, "best", keep=1)
    assert [entry.name for entry in (tmp_path / "checkpoints/best").iterdir()] == ["000002"]


def test_a_folder_without_a_checkpoint_is_named(tmp_path):
    runlog.open_run(tmp_path / "run", TrainConfig(model=MODEL))
    with pytest.raises(ValueError, match=r"run has no checkpoint .*flaxgal train --resume"):
        load_run(tmp_path / "run")


@pytest.mark.parametrize("found", ["nothing", "something else"])
def test_a_folder_that_is_no_run_is_named(tmp_path, found):
    if found == "something else":
        (tmp_path / "run").mkdir()
    with pytest.raises(ValueError, match=r"run: not a run folder .*runs/NAME"):
        load_run(tmp_path / "run")


def test_a_run_is_loaded_with_its_best_averaged_weights_and_else_with_its_last(tmp_path):
    config = TrainConfig(model=MODEL)
    runlog.open_run(tmp_path, config)
    best, last = (UNet(MODEL, nnx.Rngs(params=seed)) for seed in (1, 2))
    save(tmp_path, "last", 20, {"model": best, "optimizer": (), "average": last})
    assert same(load_run(tmp_path).model, last)
    save(tmp_path, "best", 10, {"average": best})
    run = load_run(tmp_path)
    assert (run.step, run.name, run.config) == (10, tmp_path.name, config)
    assert same(run.model, best)
    image = jnp.ones((1, 16, 16, 1))
    np.testing.assert_array_equal(run.model(image), best(image))


def test_a_checkpoint_of_another_network_is_refused_with_the_array_named(tmp_path):
    runlog.open_run(tmp_path, TrainConfig(model=MODEL))
    wider = UNetConfig(image_size=16, widths=(4, 12), block="plain", blocks=(1,), dropout=(0.0,))
    save(tmp_path, "best", 1, {"average": UNet(wider, nnx.Rngs(params=0))})
    with pytest.raises(ValueError, match=r"average/down/1/.* has shape .*12.* asks for .*8"):
        load_run(tmp_path)
    save(tmp_path, "best", 2, {"something": jnp.zeros(2)})
    with pytest.raises(ValueError, match=r"holds no average/.*another network"):
        load_run(tmp_path)


def test_a_damaged_checkpoint_is_named(tmp_path):
    path = save(tmp_path, "last", 5, tree())
    for file in path.rglob("*"):
        if file.is_file():
            file.write_bytes(b"damaged")
    with pytest.raises(ValueError, match=r"000005: not a readable checkpoint"):
        restore(tmp_path, "last", tree())


SAVES_FOR_EVER = """
import sys
from pathlib import Path
import numpy as np
from flaxgal.checkpoint import prune, save
random = np.random.default_rng(0)
for step in range(1, 1000):
    big = {f"array/{k}": step + random.random((1000, 1000), np.float32) / 4 for k in range(8)}
    print("saving", step, flush=True)
    save(Path(sys.argv[1]), "last", step, big)
    prune(Path(sys.argv[1]), "last", keep=1)
"""


def test_a_run_killed_in_the_middle_of_saving_leaves_the_checkpoint_before(tmp_path):
    child = subprocess.Popen([sys.executable, "-c", SAVES_FOR_EVER, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    home, unfinished = tmp_path / "checkpoints/last", []
    try:
        for line in child.stdout:
            if line == "saving 2\n":
                break
        deadline = time.monotonic() + 60
        while not unfinished and time.monotonic() < deadline:
            unfinished = [entry.name for entry in home.iterdir() if not entry.name.isdigit()]
    finally:
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
    assert unfinished, "the run was not caught while it saved"
    step = steps_saved(tmp_path, "last")[-1]
    like = {f"array/{k}": jnp.zeros((1000, 1000)) for k in range(8)}
    arrays, restored = restore(tmp_path, "last", like)
    assert restored == step
    assert all((np.floor(array) == step).all() for array in arrays.values())
    prune(tmp_path, "last")
    assert [entry.name for entry in home.iterdir()] == [f"{step:06d}"]
