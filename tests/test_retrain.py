"""Retraining on a store's labels: what is trained on, what is held out, what the score says, what is left alone."""

import json
import shutil
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from flax import nnx

from flaxgal import checkpoint
from flaxgal.checkpoint import load_run
from flaxgal.cli import run as command_line
from flaxgal.config import DataConfig, OptimizerConfig, TrainConfig, UNetConfig, to_json
from flaxgal.datasets.builders import open_snapshot
from flaxgal.datasets.splits import split_of
from flaxgal.evaluate import evaluate
from flaxgal.labels.revisions import Revision
from flaxgal.labels.scores import last_run, read_scores, runs_folder, snapshots_folder
from flaxgal.labels.store import Store
from flaxgal.models.unet import UNet
from flaxgal.retrain import PHASES, Retraining, retrain
from flaxgal.runlog import read_config
from flaxgal.survey.cutout import Cutout

SIZE = 16
CONFIG = TrainConfig(
    name="first",
    threshold=0.4,
    patience=3,
    data=DataConfig(batch_size=8),
    model=UNetConfig(image_size=SIZE, widths=(4, 8), blocks=(1,), dropout=(0.0,)),
    optimizer=OptimizerConfig(learning_rate=1e-2, warmup_steps=2, average_decay=0.9),
)


def ids(**wanted: int) -> list[str]:
    """Names of galaxies of which so many fall into each split."""
    found = []
    for split, number in wanted.items():
        names = (f"galaxy-{k}" for k in range(10_000))
        found += [name for name in names if split_of(name) == split][:number]
    return found


def labelled_store(folder: Path, names: list[str], *, bare: Collection[str] = ()) -> Store:
    """Bright bars on noise, each with its bar as the mask: something that a tiny network can learn.

    The `bare` have no bar and an empty mask.
    """
    store = Store.create(folder)
    y, x = np.mgrid[:SIZE, :SIZE] - (SIZE - 1) / 2
    for name in names:
        random = np.random.default_rng(sum(name.encode()))
        angle = random.uniform(0, np.pi)
        bar = (np.abs(np.cos(angle) * y + np.sin(angle) * x) < 2) & (np.hypot(y, x) < 7) & (name not in bare)
        light = (40 * bar + random.normal(0, 1, bar.shape)).astype(np.float32)
        cutout = Cutout(object_id=name, flux=light[None], bands=("i",), unit="nJy")
        store.add(cutout)
        marks = {"object_id": name, "annotator": "anna", "origin": "drawn", "cutout_sha256": cutout.sha256}
        store.commit(Revision(**marks, mask=bar.astype(np.uint8)))
    return store


@pytest.fixture(scope="module")
def first_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that has learned nothing yet, outside of the store."""
    folder = tmp_path_factory.mktemp("elsewhere") / "first"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(to_json(CONFIG))
    checkpoint.save(folder, "last", 1, {"average": UNet(CONFIG.model, nnx.Rngs(params=0))})
    return folder


@pytest.fixture(scope="module")
def made_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return labelled_store(tmp_path_factory.mktemp("made") / "labels", ids(train=24, validation=4, test=6)).path


@pytest.fixture
def store(made_store: Path, tmp_path: Path) -> Store:
    return Store.open(shutil.copytree(made_store, tmp_path / "labels"))


def files_of(folder: Path) -> set[tuple[str, int]]:
    return {(str(path), path.stat().st_mtime_ns) for path in folder.rglob("*") if path.is_file()}


def test_a_run_that_knew_nothing_learns_from_the_labels_and_both_are_scored_on_the_same_held_out_galaxies(
    store: Store, first_run: Path
) -> None:
    before = files_of(first_run)
    *_, done = retrain(store.path, start_from=first_run, steps=80)
    assert files_of(first_run) == before  # it may be somebody else's
    (score,) = read_scores(store.path)
    assert score == done.score
    assert (score["labels"], score["train_galaxies"], score["held_out"], score["held_out_galaxies"]) == (
        34,
        24,
        "test",
        6,
    )
    assert score["run"] == done.run.name
    assert score["previous_run"] == "first"
    assert score["low"] <= score["dice"] <= score["high"]
    assert score["dice"] > score["previous_dice"] + 0.2
    assert 0 < score["gain_low"] <= score["dice"] - score["previous_dice"] <= score["gain_high"]

    snapshot = open_snapshot(snapshots_folder(store.path) / "spiral_arms")
    again = evaluate(done.run, snapshot.folder, "test", out=first_run.parent / "scores").summary["all"]["dice"]
    old = evaluate(first_run, snapshot.folder, "test", out=first_run.parent / "scores").summary["all"]["dice"]
    assert (again["mean"], again["low"], again["high"]) == (score["dice"], score["low"], score["high"])
    assert old["mean"] == score["previous_dice"]
    trained_on = {
        line["object_id"]
        for line in map(json.loads, (snapshot.folder / "revisions.jsonl").read_text().splitlines())
        if line["split"] == "train"
    }
    assert all(split_of(name) == "train" for name in trained_on)


def test_every_phase_is_reported_in_order_and_the_share_never_falls(store: Store, first_run: Path) -> None:
    steps = list(retrain(store.path, start_from=first_run, steps=3))
    assert all(isinstance(step, Retraining) for step in steps)
    assert list(dict.fromkeys(step.phase for step in steps)) == list(PHASES)
    fractions = [step.fraction for step in steps]
    assert fractions == sorted(fractions)
    assert (fractions[0], fractions[-1]) == (0.0, 1.0)
    assert [step.run is not None for step in steps] == [False] * (len(steps) - 1) + [True]


def test_the_new_run_keeps_the_choices_of_the_one_it_goes_on_from(store: Store, first_run: Path) -> None:
    *_, done = retrain(store.path, start_from=first_run, steps=3)
    config = read_config(done.run)
    assert (config.model, config.optimizer, config.threshold) == (CONFIG.model, CONFIG.optimizer, CONFIG.threshold)
    assert (config.name, config.start_from, config.steps) == (done.run.name, str(first_run), 3)
    assert done.run.parent == runs_folder(store.path)
    assert load_run(done.run).name == done.run.name


def test_a_run_that_began_with_another_s_encoder_is_gone_on_from_with_its_own(
    store: Store, first_run: Path, tmp_path: Path
) -> None:
    began = tmp_path / "began"
    shutil.copytree(first_run, began)
    (began / "config.json").write_text(to_json(replace(CONFIG, encoder_from=str(tmp_path / "zoobot"))))
    *_, done = retrain(store.path, start_from=began, steps=2)
    config = read_config(done.run)
    assert (config.start_from, config.encoder_from) == (str(began), "")


def test_the_next_retraining_goes_on_from_the_last_with_a_snapshot_of_the_new_labels(
    store: Store, first_run: Path
) -> None:
    *_, one = retrain(store.path, start_from=first_run, steps=2)
    assert last_run(store.path) == one.run
    known = store.galaxies()
    more = [name for name in ids(train=30) if name not in known]
    labelled_store(store.path.parent / "more", more)
    for name in more:
        other = Store.open(store.path.parent / "more")
        store.add(other.cutout(name))
        store.commit(replace(other.latest(name), revision_id=""))
    *_, two = retrain(store.path, steps=2)
    assert two.run != one.run
    assert read_config(two.run).start_from == str(one.run)
    assert [score["labels"] for score in read_scores(store.path)] == [34, 34 + len(more)]
    assert [score["snapshot"] for score in read_scores(store.path)] == ["spiral_arms/1.0.0", "spiral_arms/1.0.1"]
    assert read_scores(store.path)[1]["previous_run"] == one.run.name


def test_a_retraining_that_was_stopped_halfway_is_not_gone_on_from(store: Store, first_run: Path) -> None:
    for step in retrain(store.path, start_from=first_run, steps=50):
        if step.phase == "training" and step.fraction > 0.3:
            break
    assert len(list(runs_folder(store.path).iterdir())) == 1
    assert last_run(store.path) is None
    assert read_scores(store.path) == []


def test_without_test_galaxies_the_validation_galaxies_are_the_score_and_it_says_so(
    tmp_path: Path, first_run: Path
) -> None:
    store = labelled_store(tmp_path / "few", ids(train=8, validation=3))
    *_, done = retrain(store.path, start_from=first_run, steps=2)
    assert (done.score["held_out"], done.score["held_out_galaxies"]) == ("validation", 3)
    assert "on 3 galaxies held out, all with arms" in done.note


@pytest.mark.parametrize("with_arms", [3, 0])
def test_galaxies_without_arms_do_not_flatter_the_score(tmp_path: Path, first_run: Path, with_arms: int) -> None:
    """Where mask and guess are both empty Dice is 1: ten ellipticals hid that no arm was found."""
    held_out = ids(test=5)
    store = labelled_store(tmp_path / "mixed", [*ids(train=8), *held_out], bare=held_out[with_arms:])
    *_, done = retrain(store.path, start_from=first_run, steps=2)
    assert (done.score["held_out_galaxies"], done.score["held_out_with_arms"]) == (5, with_arms)
    for run, kept in ((done.run, done.score["dice"]), (first_run, done.score["previous_dice"])):
        snapshot = snapshots_folder(store.path) / "spiral_arms"
        galaxies = evaluate(run, snapshot, "test", out=tmp_path / "scores").galaxies
        counted = np.isin(galaxies["object_id"], held_out[:with_arms]) | (with_arms == 0)
        assert kept == pytest.approx(galaxies["dice"][counted].mean())
    words = (
        "on the 3 with arms of 5 galaxies held out" if with_arms else "on 5 galaxies held out, none of them with arms"
    )
    assert words in done.note


def test_without_held_out_galaxies_there_is_a_run_and_no_score(tmp_path: Path, first_run: Path) -> None:
    store = labelled_store(tmp_path / "few", ids(train=8))
    *_, done = retrain(store.path, start_from=first_run, steps=2)
    assert done.score["dice"] is None
    assert "label more" in done.note
    assert last_run(store.path) == done.run
    assert read_scores(store.path) == []


def test_a_galaxy_that_cannot_be_read_is_named_and_the_rest_is_trained_on(store: Store, first_run: Path) -> None:
    name = ids(train=1)[0]
    (path,) = (store.path / "galaxies").rglob(f"{name}.*.fits")
    path.write_bytes(path.read_bytes()[:3000])
    *_, done = retrain(store.path, start_from=first_run, steps=2)
    (reason,) = done.left_out
    assert name in reason
    assert (done.score["train_galaxies"], done.score["left_out"]) == (23, 1)


@pytest.mark.parametrize(
    ("wanted", "sentence"),
    [({}, "label some first"), ({"test": 3}, "held out to score on")],
)
def test_too_few_labels_are_refused_in_words_and_leave_no_run(
    tmp_path: Path, first_run: Path, wanted: dict[str, int], sentence: str
) -> None:
    store = labelled_store(tmp_path / "few", ids(**wanted))
    with pytest.raises(ValueError, match=sentence):
        list(retrain(store.path, start_from=first_run, steps=2))
    assert not runs_folder(store.path).exists()


def test_a_wrong_model_is_refused_before_anything_is_built(store: Store, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not a run folder"):
        list(retrain(store.path, start_from=tmp_path / "nowhere"))
    assert not snapshots_folder(store.path).exists()


def test_two_retrainings_within_a_second_get_folders_of_their_own(store: Store, first_run: Path) -> None:
    from flaxgal.retrain import _new_folder

    folders = {_new_folder(runs_folder(store.path)) for _ in range(4)}
    assert len(folders) == 4
    assert all(folder.is_dir() for folder in folders)


@pytest.mark.parametrize("as_json", [False, True])
def test_the_command_says_how_it_stands_and_ends_with_the_run(
    store: Store, first_run: Path, as_json: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--model", str(first_run), "--steps", "2", *(["--json"] if as_json else [])]
    assert command_line(["retrain", str(store.path), *options]) == 0
    lines = capsys.readouterr().out.splitlines()
    if as_json:
        said = [json.loads(line) for line in lines]
        assert set(said[0]) == {"phase", "fraction", "note", "run"}
        assert Path(said[-1]["run"]) == last_run(store.path)
    else:
        assert [line.partition(":")[0] for line in lines[:-1]] == list(PHASES)
        assert Path(lines[-1]) == last_run(store.path)


def test_a_run_that_knows_held_out_galaxies_is_refused_before_the_training(store: Store, tmp_path: Path) -> None:
    (held_out,) = ids(test=1)
    snapshot = tmp_path / "elsewhere" / "1.0.0"
    snapshot.mkdir(parents=True)
    line = {"object_id": held_out, "split": "train", "ra_deg": None, "dec_deg": None}
    (snapshot / "revisions.jsonl").write_text(json.dumps(line) + "\n")
    config = replace(CONFIG, data=DataConfig(snapshots=(str(snapshot),), batch_size=8))
    (tmp_path / "config.json").write_text(to_json(config))
    with pytest.raises(ValueError, match=rf"{held_out} is in split test of .*trained on in .*choose another run"):
        list(retrain(store.path, start_from=tmp_path, steps=3))
    assert not runs_folder(store.path).exists()
