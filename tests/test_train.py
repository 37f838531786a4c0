"""Claims about training: one step for any devices, once compiled; and a run that can be killed and gone on with."""

import dataclasses
import itertools
import json
import logging

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType
from toys import toy_config, toy_snapshot

from flaxgal import checkpoint, runlog
from flaxgal import train as training
from flaxgal.config import DataConfig, OptimizerConfig, TrainConfig, UNetConfig
from flaxgal.datasets.feed import Pixels, open_snapshots, read_validation, training_feed
from flaxgal.train import device_mesh, eval_step, learning_rate, new_state, score, train, train_step


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory):
    return toy_snapshot(tmp_path_factory.mktemp("snapshots"))


@pytest.fixture(scope="module")
def config(snapshot):
    return toy_config(snapshot)


def weights_of(folder, kind="last"):
    arrays, step = checkpoint.read_arrays(folder, kind)
    return step, arrays


@pytest.fixture(scope="module")
def learnt(snapshot, tmp_path_factory):
    """A run of 60 steps: its config, its folder, what it yielded, and what JAX said it compiled."""
    config = toy_config(snapshot, steps=60, evaluate_every=30)
    folder = tmp_path_factory.mktemp("runs") / "learnt"
    said = Said()
    logging.getLogger("jax").addHandler(said)
    with jax.log_compiles():
        seen = list(train(config, folder))
    logging.getLogger("jax").removeHandler(said)
    return config, folder, seen, said.messages


class Said(logging.Handler):
    """Keeps what was logged."""

    def __init__(self):
        super().__init__()
        self.messages = []

    def emit(self, record):
        self.messages.append(record.getMessage())


def test_a_run_learns_to_find_bars_and_leaves_everything_in_its_folder(learnt):
    config, folder, seen, _ = learnt
    assert seen[0].step == 0
    assert seen[-1].step == seen[-1].steps == 60
    assert seen[-1].validation_dice > 0.8
    assert seen[-1].seconds_left == 0
    assert seen[-1].images_per_second > 0
    assert runlog.read_config(folder) == config
    records = runlog.read_records(folder)
    assert [record["step"] for record in records] == [10, 20, 30, 40, 50, 60]
    assert [record["step"] for record in records if "validation_dice" in record] == [30, 60]
    assert records[-1]["loss"] < 0.5 * records[0]["loss"]
    assert checkpoint.steps_saved(folder, "last") == [60]


def test_steps_compile_once(learnt):
    for name in ("train_step", "eval_step"):
        compiled = [message for message in learnt[-1] if f"XLA compilation of jit({name})" in message]
        assert len(compiled) == 1, name


def test_training_two_steps_and_resuming_to_four_is_training_four(config, straight, tmp_path):
    run = tmp_path / "stopped"
    until_second = itertools.takewhile(lambda progress: not progress.looked, train(config, run))
    assert [progress.step for progress in until_second][-1] < 2
    assert checkpoint.steps_saved(run, "last") == [2]

    resumed = list(train(config, run, resume=True))
    assert (resumed[0].step, resumed[-1].step) == (2, 4)
    for kind in ("last", "best"):
        (step, one), (other_step, other) = weights_of(straight, kind), weights_of(run, kind)
        assert step == other_step
        assert one.keys() == other.keys()
        for name in one:
            np.testing.assert_array_equal(one[name], other[name], err_msg=name)
    losses = [[record["loss"] for record in runlog.read_records(folder)] for folder in (straight, run)]
    assert losses[0] == losses[1]
    assert len(json.loads((run / "environment.json").read_text())) == 2


def test_resuming_a_finished_run_changes_nothing(config, straight):
    before = (straight / "metrics.jsonl").read_text()
    assert [progress.step for progress in train(config, straight, resume=True)] == [4]
    assert (straight / "metrics.jsonl").read_text() == before


def test_a_folder_that_holds_a_run_is_not_trained_over(config, straight):
    with pytest.raises(ValueError, match=r"already holds a run.*--resume"):
        next(train(config, straight))


def test_resuming_with_other_choices_names_them(config, straight):
    with pytest.raises(ValueError, match=r"was trained with seed 0, not 5"):
        next(train(dataclasses.replace(config, seed=5), straight, resume=True))


def test_resuming_goes_on_with_the_version_it_began_with_or_not_at_all(tmp_path):
    versions = toy_snapshot(tmp_path).parent
    config, run = toy_config(versions), tmp_path / "run"
    for progress in train(config, run):
        if progress.looked:
            break
    toy_snapshot(tmp_path, 50)
    with pytest.raises(ValueError, match=r"trained on toy 1\.0\.0 .* is now toy 1\.0\.1 .*give --data\.snapshots"):
        next(train(config, run, resume=True))
    assert len(json.loads((run / "environment.json").read_text())) == 1
    *_, last = train(toy_config(versions / "1.0.0"), run, resume=True)
    assert last.step == 4


def mesh_of(number):
    return jax.make_mesh((number,), ("data",), axis_types=(AxisType.Auto,), devices=jax.devices()[:number])


def test_a_run_can_start_from_the_weights_of_another(config, straight, tmp_path):
    other = checkpoint.load_run(straight).model
    fresh = new_state(dataclasses.replace(config, start_from=str(straight)), device_mesh(config.data.batch_size))
    for ours, theirs in zip(jax.tree.leaves(fresh.model), jax.tree.leaves(other), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert int(fresh.step) == 0
    wider = dataclasses.replace(
        config, start_from=str(straight), model=dataclasses.replace(config.model, widths=(6, 8))
    )
    with pytest.raises(ValueError, match="shape"):
        list(train(wider, tmp_path / "wider"))


def test_two_devices_train_as_one_does(config):
    assert jax.device_count() >= 2
    found = []
    for number in (1, 2):
        mesh = mesh_of(number)
        feed = training_feed(config, open_snapshots(config), mesh)
        state, reports = new_state(config, mesh), []
        for _, picks in feed.dispatches(0):
            state, report = train_step(state, feed.resident, picks, config=config, mesh=mesh)
            reports.append([float(report["loss"][0]), float(report["gradient_norm"][0])])
        found.append((reports, jax.tree.leaves(state.average)))
        assert all(leaf.sharding.is_fully_replicated for leaf in jax.tree.leaves(state.model))
    np.testing.assert_allclose(found[0][0], found[1][0], rtol=1e-4)
    for one, two in zip(found[0][1], found[1][1], strict=True):
        np.testing.assert_allclose(one, two, atol=2e-4)


def test_each_device_works_on_its_part_of_the_batch_alone(config):
    mesh = mesh_of(2)
    feed = training_feed(config, open_snapshots(config), mesh)
    state, (_, picks) = new_state(config, mesh), next(feed.dispatches(0))
    program = train_step.lower(state, feed.resident, picks, config=config, mesh=mesh).compile().as_text()
    assert "all-reduce" in program
    assert "all-gather" not in program
    assert "all-to-all" not in program


def test_several_steps_in_one_call_are_those_steps_one_by_one(config, straight, tmp_path):
    list(train(dataclasses.replace(config, steps_per_dispatch=2), tmp_path / "scanned"))
    one, several = (runlog.read_records(folder) for folder in (straight, tmp_path / "scanned"))
    assert [record["step"] for record in several] == [2, 4]
    np.testing.assert_allclose([r["loss"] for r in one], [r["loss"] for r in several], rtol=1e-4)
    np.testing.assert_allclose([r["learning_rate"] for r in one], [r["learning_rate"] for r in several], rtol=1e-6)


def test_streaming_trains_on_the_same_batches(config, straight, tmp_path):
    streamed = dataclasses.replace(config, data=dataclasses.replace(config.data, resident_gigabytes=0.0))
    list(train(streamed, tmp_path / "streamed"))
    one, other = (runlog.read_records(folder) for folder in (straight, tmp_path / "streamed"))
    np.testing.assert_allclose([r["loss"] for r in one], [r["loss"] for r in other], rtol=1e-5)


def fake_step(state, resident, picks, *, config, mesh):
    """A step that takes no time and learns nothing."""
    ones = np.ones(1)
    step = state.step + 1
    loss = np.nan if int(step) == 3 else 1.0
    return dataclasses.replace(state, step=step), {"loss": ones * loss, "gradient_norm": ones, "learning_rate": ones}


def test_a_loss_that_is_no_number_stops_the_run_and_keeps_the_checkpoint_before(config, tmp_path, monkeypatch):
    monkeypatch.setattr(training, "train_step", fake_step)
    with pytest.raises(ValueError, match=r"run: the loss .* at step 3; checkpoints .* are kept.*learning-rate"):
        list(train(config, tmp_path / "run"))
    assert checkpoint.steps_saved(tmp_path / "run", "last") == [2]


def test_a_run_stops_when_validation_has_not_improved_for_its_patience(snapshot, tmp_path, monkeypatch):
    config = toy_config(snapshot, steps=40, patience=2)
    dices = iter([0.3, 0.5, 0.4, 0.5, 0.6])
    monkeypatch.setattr(training, "score", lambda *_: {"validation_dice": next(dices)})
    monkeypatch.setattr(training, "train_step", lambda *a, **k: (*fake_step(*a, **k)[:1], good_report()))
    *_, last = train(config, tmp_path / "run")
    assert last.stopped_early
    assert (last.step, last.best_dice, last.validation_dice) == (8, 0.5, 0.5)
    assert checkpoint.steps_saved(tmp_path / "run", "best") == [4]
    assert checkpoint.steps_saved(tmp_path / "run", "last") == [8]
    again = list(train(config, tmp_path / "run", resume=True))
    assert again[-1].stopped_early
    assert again[-1].step == 8


def good_report():
    return {"loss": np.ones(1), "gradient_norm": np.ones(1), "learning_rate": np.ones(1)}


def test_a_run_killed_between_its_two_checkpoints_goes_on_from_the_older(config, straight, tmp_path, monkeypatch):
    run, save = tmp_path / "killed", checkpoint.save

    def dies_before_last_of_step_4(folder, kind, step, tree):
        if (kind, step) == ("last", 4):
            raise KeyboardInterrupt
        return save(folder, kind, step, tree)

    dices = iter([0.3, 0.5, 0.2])
    monkeypatch.setattr(training, "score", lambda *_: {"validation_dice": next(dices)})
    monkeypatch.setattr(checkpoint, "save", dies_before_last_of_step_4)
    with pytest.raises(KeyboardInterrupt):
        list(train(config, run))
    monkeypatch.setattr(checkpoint, "save", save)
    assert checkpoint.steps_saved(run, "best") == [2, 4]
    assert checkpoint.steps_saved(run, "last") == [2]
    _, *seen = train(config, run, resume=True)
    assert (seen[-1].best_dice, seen[-1].validation_dice) == (0.3, 0.2)
    assert checkpoint.steps_saved(run, "best") == [2]
    assert checkpoint.steps_saved(run, "last") == [4]
    assert [record["step"] for record in runlog.read_records(run)] == [2, 4]
    for name, value in weights_of(straight)[1].items():
        np.testing.assert_array_equal(value, weights_of(run)[1][name])


def test_validation_scores_do_not_depend_on_the_batch_size(config):
    galaxies = read_validation(config, open_snapshots(config))
    state = new_state(config, device_mesh(8))
    scores = []
    for batch_size in (4, 6, 8):
        other = dataclasses.replace(config, data=dataclasses.replace(config.data, batch_size=batch_size))
        scores.append(list(score(state.average, galaxies, other, device_mesh(batch_size)).values()))
    np.testing.assert_allclose(scores[0], scores[1], rtol=1e-5)
    np.testing.assert_allclose(scores[0], scores[2], rtol=1e-5)


def test_counts_of_a_look_agree_with_numpy(config):
    galaxies = read_validation(config, open_snapshots(config))
    model = new_state(config, device_mesh(8)).average
    batch = Pixels(galaxies.image, galaxies.target, galaxies.weight // 255 * (galaxies.image[..., 0] > 15) * 255)
    found = eval_step(model, batch, config=config)
    probability = jax.nn.sigmoid(model(jnp.asarray(batch.image, jnp.float32) / 255))[..., 0]
    predicted, truth, counts = np.asarray(probability) > 0.5, batch.target[..., 0] == 255, batch.weight > 0
    np.testing.assert_allclose(found["true_positive"], (predicted & truth & counts).sum((1, 2)))
    np.testing.assert_allclose(found["false_positive"], (predicted & ~truth & counts).sum((1, 2)))
    np.testing.assert_allclose(found["false_negative"], (~predicted & truth & counts).sum((1, 2)))


def test_a_batch_that_devices_cannot_share_is_refused():
    with pytest.raises(ValueError, match=r"batch_size 7 cannot be split evenly over 2 devices: give a multiple of 2"):
        device_mesh(7)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"data": DataConfig()}, "no data to train on: give snapshots"),
        ({"model": UNetConfig(image_size=32, widths=(4, 8), blocks=(1,), dropout=(0.0,))}, "16 pixels"),
        ({"model": UNetConfig(image_size=16, bands=("g",), widths=(4, 8), blocks=(1,), dropout=(0.0,))}, "bands grey"),
    ],
)
def test_data_that_do_not_fit_are_refused_before_a_run_folder_is_made(config, tmp_path, changes, sentence):
    with pytest.raises(ValueError, match=sentence):
        next(train(dataclasses.replace(config, **changes), tmp_path / "run"))
    assert not (tmp_path / "run").exists()


def test_the_average_of_weights_is_the_bias_corrected_exponential_one():
    weights = np.random.default_rng(0).random(6).astype(np.float32)
    average = jnp.asarray(9.0)
    for step, weight in enumerate(weights):
        average = training.moving_average(average, jnp.asarray(weight), jnp.asarray(step), 0.8)
        shares = 0.8 ** np.arange(step, -1, -1)
        assert float(average) == pytest.approx(np.average(weights[: step + 1], weights=shares), rel=1e-5)
    assert float(training.moving_average(average, jnp.asarray(3.0), jnp.asarray(7), 0.0)) == 3.0


def test_the_learning_rate_warms_up_to_its_peak_and_ends_near_zero():
    config = TrainConfig(steps=100, optimizer=OptimizerConfig(learning_rate=0.5, warmup_steps=10))
    rates = [float(learning_rate(config)(step)) for step in range(100)]
    assert 0 < rates[0] < 0.1
    assert np.argmax(rates) == 10
    assert rates[10] == pytest.approx(0.5)
    assert rates[-1] < 0.001
    short = dataclasses.replace(config, steps=1)
    assert float(learning_rate(short)(0)) > 0


def test_bfloat16_keeps_weights_and_loss_in_float32(config):
    half = dataclasses.replace(config, model=dataclasses.replace(config.model, dtype="bfloat16"))
    mesh = mesh_of(1)
    feed = training_feed(half, open_snapshots(half), mesh)
    state, (_, picks) = new_state(half, mesh), next(feed.dispatches(0))
    program = train_step.lower(state, feed.resident, picks, config=half, mesh=mesh)
    assert "bf16" in program.as_text()
    after, report = program.out_info
    assert report["loss"].dtype == jnp.float32
    assert {leaf.dtype for leaf in jax.tree.leaves((after.model, after.average))} == {jnp.dtype("float32")}
