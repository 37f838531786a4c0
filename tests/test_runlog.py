"""Claims about the run folder: it tells everything, and nobody's run is written over."""

import dataclasses
import json
import re
import socket

import numpy as np
import pytest

from flaxgal.config import DataConfig, OptimizerConfig, TrainConfig, to_json
from flaxgal.environment import environment
from flaxgal.runlog import (
    append_record,
    forget_after,
    open_run,
    read_config,
    read_crop,
    read_records,
)

CONFIG = TrainConfig(name="one", steps=10)


def test_a_config_comes_back_as_it_was(tmp_path):
    open_run(tmp_path / "run", CONFIG)
    assert read_config(tmp_path / "run") == CONFIG


def test_the_environment_tells_versions_devices_commit_and_data_but_not_whose_machine(tmp_path):
    open_run(tmp_path / "run", CONFIG, snapshots=[{"name": "arms", "version": "1.2.0"}])
    (start,) = json.loads((tmp_path / "run/environment.json").read_text())
    assert start["packages"]["jax"]
    assert start["device"]["count"] >= 1
    assert start["snapshots"] == [{"name": "arms", "version": "1.2.0"}]
    assert {"flaxgal", "python", "git_commit", "command", "started_utc"} <= start.keys()
    assert socket.gethostname() not in json.dumps(environment())


def test_a_folder_with_a_run_is_refused_and_resume_is_named(tmp_path):
    open_run(tmp_path / "run", CONFIG)
    with pytest.raises(ValueError, match=r"already holds a run: go on with it by --resume, or choose another name"):
        open_run(tmp_path / "run", CONFIG)


def test_a_folder_with_something_else_is_not_touched(tmp_path):
    (tmp_path / "thesis.tex").write_text("chapter")
    for resume in (False, True):
        with pytest.raises(ValueError, match="is not a run folder"):
            open_run(tmp_path, CONFIG, resume=resume)
    assert [entry.name for entry in tmp_path.iterdir()] == ["thesis.tex"]


def test_resuming_may_lengthen_a_run_but_not_change_what_it_is(tmp_path):
    open_run(tmp_path / "run", CONFIG)
    open_run(tmp_path / "run", dataclasses.replace(CONFIG, steps=20, patience=3), resume=True)
    assert read_config(tmp_path / "run").steps == 20
    other = dataclasses.replace(CONFIG, seed=1, optimizer=OptimizerConfig(learning_rate=0.5))
    with pytest.raises(ValueError, match=r"trained with seed 0, not 1 \(and 1 other .*optimizer.learning_rate"):
        open_run(tmp_path / "run", other, resume=True)


def seen(version="1.0.0", **sizes):
    return [{"name": "arms", "version": version, "sizes": sizes or {"train": 30, "validation": 4}}]


def test_resuming_on_a_newer_version_in_the_same_folder_is_refused_until_the_old_one_is_named(tmp_path):
    run, versions = tmp_path / "run", tmp_path / "arms"
    (versions / "1.0.0").mkdir(parents=True)
    config = dataclasses.replace(CONFIG, data=DataConfig(snapshots=(str(versions),)))
    open_run(run, config, snapshots=seen())
    open_run(run, config, resume=True, snapshots=seen())
    sentence = (
        f"{run} was trained on arms 1.0.0 (30 train, 4 validation), and {versions} is now arms 1.0.1 (40 train): "
        f"give --data.snapshots with {versions / '1.0.0'} in place of {versions}, or choose another name for a new run"
    )
    with pytest.raises(ValueError, match=re.escape(sentence)):
        open_run(run, config, resume=True, snapshots=seen("1.0.1", train=40))
    named = dataclasses.replace(CONFIG, data=DataConfig(snapshots=(str(versions / "1.0.0"),)))
    open_run(run, named, resume=True, snapshots=seen())
    assert read_config(run) == named
    other = dataclasses.replace(CONFIG, data=DataConfig(snapshots=(str(versions / "1.0.1"),)))
    with pytest.raises(ValueError, match=r"was trained with data\.snapshots"):
        open_run(run, other, resume=True, snapshots=seen("1.0.1"))


def test_resuming_on_a_version_that_was_built_again_is_refused(tmp_path):
    config = dataclasses.replace(CONFIG, data=DataConfig(snapshots=("arms/1.0.0",)))
    open_run(tmp_path / "run", config, snapshots=seen())
    with pytest.raises(ValueError, match=r"is now arms 1\.0\.0 \(31 train\): give the folder of that version"):
        open_run(tmp_path / "run", config, resume=True, snapshots=seen(train=31))


def test_a_config_of_another_version_is_named(tmp_path):
    open_run(tmp_path / "run", CONFIG)
    (tmp_path / "run/config.json").write_text(to_json(CONFIG).replace('"seed"', '"sed"'))
    with pytest.raises(ValueError, match=r"config.json: TrainConfig has no field sed"):
        read_config(tmp_path / "run")


def test_records_are_kept_up_to_the_step_that_is_gone_on_from(tmp_path):
    for step in (1, 2, 3):
        append_record(tmp_path, {"step": step, "loss": np.float32(0.5), "bad": float("nan")})
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"step": 4, "lo')  # a run that died while it wrote
    assert [record["step"] for record in forget_after(tmp_path, 2)] == [1, 2]
    append_record(tmp_path, {"step": 3})
    assert read_records(tmp_path) == [
        {"step": 1, "loss": 0.5, "bad": None},
        {"step": 2, "loss": 0.5, "bad": None},
        {"step": 3},
    ]


def cropped(*shares):
    return [{"name": "galaxies", "version": "1.0.0", "sizes": {"train": 9}, "crop": share} for share in shares]


def test_a_run_knows_how_much_of_each_frame_its_pictures_showed(tmp_path):
    for name, snapshots, crop in (("one", cropped(0.3, 0.3), 0.3), ("new", [], 1.0)):
        open_run(tmp_path / name, CONFIG, snapshots=snapshots)
        assert read_crop(tmp_path / name) == crop
    open_run(tmp_path / "old", CONFIG, snapshots=seen())
    with pytest.raises(ValueError, match=r"old: was trained by an older flaxgal, .* say so by --crop"):
        read_crop(tmp_path / "old")
    open_run(tmp_path / "mixed", CONFIG, snapshots=cropped(1.0, 0.3))
    with pytest.raises(ValueError, match=r"mixed: .* show 0\.3, 1 of their frames' sides; say by --crop"):
        read_crop(tmp_path / "mixed")
