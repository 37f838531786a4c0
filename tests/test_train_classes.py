"""Claims about training classifiers: the same loop, mirror images that swap S and Z, and what is left in the folder."""

import dataclasses
import itertools
import json
import logging

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from class_toys import SIZE, class_config, class_snapshot, toy_class
from flax import nnx
from toys import toy_config, toy_snapshot

from flaxgal import checkpoint, runlog
from flaxgal.calibration import fit_temperature, read_calibration
from flaxgal.checkpoint import load_classifier, load_run, with_encoder
from flaxgal.classify import oriented_logits
from flaxgal.classifying import Classifying, weighed
from flaxgal.cli import run
from flaxgal.config import AugmentConfig, ClassifierConfig, ClassLossConfig, DataConfig, OptimizerConfig, UNetConfig
from flaxgal.datasets.augment import augment_pictures
from flaxgal.datasets.feed import open_snapshots, read_validation, training_feed
from flaxgal.datasets.loader import load_classes
from flaxgal.datasets.morphology import build_class_snapshot
from flaxgal.evaluate_classes import evaluate_classes
from flaxgal.models.networks import new_network
from flaxgal.train import device_mesh, new_state, score, train

NO_CHANGE = AugmentConfig(
    rotate=False,
    flip=False,
    zoom=(1.0, 1.0),
    shift=0.0,
    brightness=(1.0, 1.0),
    gamma=(1.0, 1.0),
    sky=0.0,
    noise=0.0,
    blur_pixels=0.0,
)


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory):
    return class_snapshot(tmp_path_factory.mktemp("snapshots"))


@pytest.fixture(scope="module")
def config(snapshot):
    return class_config(snapshot)


@pytest.fixture(scope="module")
def learnt(snapshot, tmp_path_factory):
    """A run that learnt to tell S, Z and none apart: its config, its folder, and what it yielded."""
    config = class_config(
        snapshot,
        steps=150,
        evaluate_every=50,
        model=ClassifierConfig(image_size=SIZE, widths=(8, 16), blocks=(1,), dropout=(0.0,), head_dropout=0.0),
        optimizer=OptimizerConfig(learning_rate=2e-2, warmup_steps=2, average_decay=0.9),
    )
    folder = tmp_path_factory.mktemp("runs") / "learnt"
    return config, folder, list(train(config, folder))


def test_a_classifier_learns_which_way_letters_wind_and_leaves_everything_in_its_folder(learnt):
    config, folder, seen = learnt
    assert seen[-1].measure.word == "balanced accuracy"
    assert seen[-1].best_score > 0.9
    assert seen[-1].validation_dice is None
    assert runlog.read_config(folder) == config
    assert runlog.read_schema(folder).classes == ("S", "Z", "none")
    looks = [record for record in runlog.read_records(folder) if "validation_accuracy" in record]
    assert [record["step"] for record in looks] == [50, 100, 150]
    assert {"validation_loss", "validation_balanced_accuracy"} <= looks[0].keys()
    (about,) = runlog.snapshots_seen(folder)
    assert about["classes"]["train"] == {"S": 18, "Z": 18, "none": 18, "": 0}


def test_when_training_ends_the_temperature_and_the_training_galaxies_features_are_kept(learnt):
    _, folder, _ = learnt
    run, found = load_classifier(folder), read_calibration(folder)
    assert found.step == run.step
    assert found.familiar.means.shape == (3, 16)
    assert len(found.validation_distance) == 18
    image = np.stack([toy_class(number, winding="S").image for number in range(6)]) / np.float32(255)
    noise = np.random.default_rng(0).random((6, SIZE, SIZE, 1), np.float32)
    seen, strange = (found.familiar.distance(np.asarray(run.model.features(jnp.asarray(x)))) for x in (image, noise))
    assert np.median(strange) > found.outlier_threshold > np.median(seen)


def test_the_temperature_is_fitted_on_as_many_orientations_as_are_averaged(learnt, snapshot):
    _, folder, _ = learnt
    run, found = load_classifier(folder), read_calibration(folder)
    held_out = load_classes(snapshot, "validation", schema="winding")
    logits = oriented_logits(run.model, held_out.image, run.schema, orientations=8)
    for number in (1, 2, 4, 8):
        wanted = fit_temperature(logits[:number], held_out.target(run.schema) / np.float32(255))
        assert found.temperature_of(number) == pytest.approx(wanted, rel=1e-3)


def test_steps_compile_once(config, tmp_path, caplog):
    logging.getLogger("jax").addHandler(caplog.handler)
    with jax.log_compiles():
        list(train(dataclasses.replace(config, seed=5), tmp_path / "run"))
    logging.getLogger("jax").removeHandler(caplog.handler)
    for name in ("train_step", "eval_step"):
        said = {record for record in caplog.records if f"XLA compilation of jit({name})" in record.getMessage()}
        assert len(said) == 1, name


def test_training_two_steps_and_resuming_to_four_is_training_four(config, straight, tmp_path):
    run = tmp_path / "stopped"
    list(itertools.takewhile(lambda progress: not progress.looked, train(config, run)))
    assert checkpoint.steps_saved(run, "last") == [2]
    assert read_calibration(run) is None
    resumed = list(train(config, run, resume=True))
    assert (resumed[0].step, resumed[-1].step) == (2, 4)
    for kind in ("last", "best"):
        (one, step), (other, other_step) = (checkpoint.read_arrays(folder, kind) for folder in (straight, run))
        assert step == other_step
        for name in one:
            np.testing.assert_array_equal(one[name], other[name], err_msg=name)
    assert read_calibration(run).temperature == read_calibration(straight).temperature


def test_resuming_a_finished_run_makes_a_calibration_that_is_missing(config, straight):
    before = read_calibration(straight)
    (straight / "calibration.json").unlink()
    list(train(config, straight, resume=True))
    assert read_calibration(straight).temperature == before.temperature


def test_streaming_trains_on_the_same_batches(config, straight, tmp_path):
    streamed = dataclasses.replace(config, data=dataclasses.replace(config.data, resident_gigabytes=0.0))
    list(train(streamed, tmp_path / "streamed"))
    one, other = (runlog.read_records(folder) for folder in (straight, tmp_path / "streamed"))
    np.testing.assert_allclose([r["loss"] for r in one], [r["loss"] for r in other], rtol=1e-5)


def test_pictures_are_told_to_be_mirror_images_where_they_are():
    image = jnp.asarray(np.random.default_rng(0).random((64, 8, 8, 1)), jnp.float32)
    flipped, mirrored = augment_pictures(jax.random.key(1), image, dataclasses.replace(NO_CHANGE, flip=True))
    assert 16 < mirrored.sum() < 48
    expected = jnp.where(mirrored[:, None, None, None], image[:, :, ::-1], image)
    np.testing.assert_allclose(flipped, expected, atol=1e-6)
    _, turned = augment_pictures(jax.random.key(1), image, dataclasses.replace(NO_CHANGE, rotate=True))
    assert not turned.any()
    same, still = augment_pictures(jax.random.key(1), image, NO_CHANGE)
    np.testing.assert_array_equal(same, image)
    assert not still.any()


def test_a_mirrored_s_is_trained_as_a_z(config):
    flips = dataclasses.replace(config, augment=dataclasses.replace(NO_CHANGE, flip=True))
    image = jnp.asarray(np.stack([toy_class(k, winding="S").image for k in range(32)]), jnp.float32) / 255
    target = jnp.tile(jnp.asarray([[1.0, 0.0, 0.0]]), (32, 1))
    seen, called, _ = Classifying(flips).augment(jax.random.key(0), image, target, jnp.ones(32))
    mirrored = np.asarray(abs(seen - image[:, :, ::-1]).max((1, 2, 3)) < 1e-5)
    assert 4 < mirrored.sum() < 28
    np.testing.assert_array_equal(np.asarray(called)[mirrored], np.tile([0, 1, 0], (mirrored.sum(), 1)))
    np.testing.assert_array_equal(np.asarray(called)[~mirrored], np.tile([1, 0, 0], ((~mirrored).sum(), 1)))
    steps = jnp.asarray(np.random.default_rng(0).random((32, 15)), jnp.float32)
    t_type = Classifying(dataclasses.replace(flips, task="t_type")).augment(
        jax.random.key(0), image, steps, jnp.ones(32)
    )
    np.testing.assert_array_equal(t_type[1], steps)


def test_a_network_that_is_not_told_of_mirrors_cannot_learn_the_winding(learnt, tmp_path, monkeypatch):
    def untold(key, image, config):
        image, mirrored = augment_pictures(key, image, config)
        return image, jnp.zeros_like(mirrored)

    monkeypatch.setattr("flaxgal.classifying.augment_pictures", untold)
    config = dataclasses.replace(learnt[0], seed=1)  # another seed: the step is compiled anew
    *_, last = train(config, tmp_path / "untold")
    told = runlog.read_records(learnt[1])[-1]["loss"]
    assert last.loss > 0.4 > told  # (2/3) ln 2 = 0.46 where S and Z are anyone's guess


def test_t_types_are_learnt_as_ordered_numbers_and_the_smallest_error_is_the_best(snapshot, tmp_path):
    *_, last = train(class_config(snapshot, task="t_type", steps=8, evaluate_every=4), tmp_path / "run")
    assert last.measure.word == "mean error"
    looks = [r["validation_mean_error"] for r in runlog.read_records(tmp_path / "run") if "validation_loss" in r]
    assert last.best_score == min(looks)
    assert load_classifier(tmp_path / "run").model(jnp.zeros((1, SIZE, SIZE, 1))).shape == (1, 15)
    assert read_calibration(tmp_path / "run").temperature > 0


def test_scores_of_a_look_agree_with_numpy_and_not_with_the_batch_size(config, straight):
    galaxies, model = read_validation(config, open_snapshots(config)), load_classifier(straight).model
    logits = np.asarray(model(jnp.asarray(galaxies.image, jnp.float32) / 255), np.float64)
    truth = np.array([["S", "Z", "none"].index(name) for name in galaxies.winding])
    right = logits.argmax(1) == truth
    loss = -(logits - np.log(np.exp(logits).sum(1, keepdims=True)))[np.arange(len(truth)), truth].mean()
    expected = [loss, right.mean(), np.mean([right[truth == k].mean() for k in range(3)])]
    for size in (4, 8):
        other = dataclasses.replace(config, data=dataclasses.replace(config.data, batch_size=size))
        np.testing.assert_allclose(list(score(model, galaxies, other, device_mesh(size)).values()), expected, rtol=1e-4)


def weights_of(config, *counts, **changes):
    return weighed(dataclasses.replace(config, **changes), counts).loss.class_weights


def test_balanced_weights_make_every_class_count_as_much(config):
    still = {"augment": NO_CHANGE}
    assert weights_of(config, 10, 20, 30, **still) == pytest.approx((2.0, 1.0, 2 / 3))
    assert weights_of(config, 10, 30, 40) == pytest.approx((80 / 60, 80 / 60, 80 / 120))  # mirrors show 20 S, 20 Z
    balance = dataclasses.replace(config.data, balance=True)
    assert weights_of(config, 10, 20, 30, data=balance) == pytest.approx((1.0, 1.0, 1.0))
    assert weights_of(config, 10, 20, 30, loss=ClassLossConfig(class_weights="none")) == "none"
    own = ClassLossConfig(class_weights=(1.0, 2.0, 3.0))
    assert weights_of(config, 10, 20, 30, loss=own) == (1.0, 2.0, 3.0)
    with pytest.raises(ValueError, match=r"class_weights has 2 numbers for the 3 classes of winding \(S, Z, none\)"):
        weights_of(config, 10, 20, 30, loss=ClassLossConfig(class_weights=(1.0, 2.0)))


def test_class_weights_scale_what_each_class_costs(config):
    chosen = dataclasses.replace(config, loss=ClassLossConfig(class_weights=(1.0, 3.0, 1.0)))
    logits, target = jnp.asarray([[1.0, 0.0, 0.0]] * 2), jnp.eye(3)[:2]
    each = -np.asarray(jax.nn.log_softmax(logits))[[0, 1], [0, 1]]
    loss = Classifying(chosen).loss(logits, target, jnp.ones(2))
    np.testing.assert_allclose(loss, (each[0] + 3 * each[1]) / 4, rtol=1e-6)


def test_balanced_batches_hold_every_class_equally_often(tmp_path):
    rare = class_snapshot(tmp_path, 60, windings=["S"] * 20 + ["none"] * 30 + ["Z"] * 10)
    config = class_config(rare, data=DataConfig(snapshots=(str(rare),), batch_size=6, balance=True))
    mesh = device_mesh(6)
    feed = training_feed(config, open_snapshots(config), mesh)
    assert feed.class_counts() == (12, 6, 18)
    for _, picks in feed.dispatches(0):
        np.testing.assert_array_equal(np.asarray(feed.resident.target)[np.asarray(picks[0])].sum(0), [510, 510, 510])


def test_galaxies_whose_class_is_not_known_are_left_out_and_counted(tmp_path):
    windings = [("S", "Z", "none", "")[k // 5 % 4] for k in range(80)]
    some = class_snapshot(tmp_path, 80, windings=windings)
    config = class_config(some, steps=2)
    list(train(config, tmp_path / "run"))
    (about,) = runlog.snapshots_seen(tmp_path / "run")
    assert about["classes"]["train"] == {"S": 12, "Z": 12, "none": 12, "": 12}
    assert len(training_feed(config, open_snapshots(config), device_mesh(8)).resident.image) == 36
    assert len(read_validation(config, open_snapshots(config))) == 12


@pytest.mark.parametrize(
    ("windings", "sentence"),
    [
        (["S"] * 20, r"every galaxy in split train is S, which teaches no difference"),
        (["S", "Z"] * 10, r"no galaxy in split train is none"),
        ([""] * 20, r"no galaxy in split train has a known winding"),
        (["S"] * 5 + ["Z"] * 5 + ["none"] * 3 + ["S"] * 7, r"no galaxy in split validation is none"),
    ],
)
def test_data_that_cannot_teach_the_classes_are_refused_before_a_run_folder_is_made(tmp_path, windings, sentence):
    config = class_config(class_snapshot(tmp_path, windings=windings))
    with pytest.raises(ValueError, match=sentence):
        next(train(config, tmp_path / "run"))
    assert not (tmp_path / "run").exists()


def test_masks_teach_no_classes_and_classes_no_masks(snapshot, tmp_path):
    with pytest.raises(ValueError, match="tells no winding of its galaxies"):
        next(train(class_config(toy_snapshot(tmp_path)), tmp_path / "run"))
    with pytest.raises(ValueError, match=r"no masks|classes"):
        next(train(toy_config(snapshot), tmp_path / "run"))


def test_a_galaxy_in_training_here_and_in_validation_there_is_refused(tmp_path):
    examples = [toy_class(k) for k in range(30)]
    moved = [dataclasses.replace(one, split="train" if one.split == "validation" else "test") for one in examples]
    folders = [
        build_class_snapshot(rows, tmp_path, bands=("grey",), image_size=SIZE, name=name)
        for name, rows in (("one", examples), ("two", moved))
    ]
    with pytest.raises(ValueError, match=r"toy-\d+ is in split .*tested on what it was trained on"):
        next(train(class_config(folders[0], data=DataConfig(snapshots=tuple(map(str, folders)))), tmp_path / "run"))


def test_snapshots_that_are_cropped_unequally_are_said_to_be(snapshot, config, tmp_path, capsys):
    examples = (dataclasses.replace(toy_class(k), object_id=f"other-{k}") for k in range(60))
    close = build_class_snapshot(examples, tmp_path, bands=("grey",), image_size=SIZE, name="close", crop=0.34)
    tiny = [
        "--model.widths",
        "4",
        "6",
        "--model.blocks",
        "1",
        "--model.image-size",
        str(SIZE),
        "--steps",
        "1",
        "--data.batch-size",
        "8",
    ]
    for name, snapshots in (("both", (snapshot, close)), ("one", (snapshot,))):
        command = ["train", "winding", "--run", str(tmp_path / name), "--data.snapshots", *map(str, snapshots), *tiny]
        assert run(command) == 0
        said = capsys.readouterr().err
        assert ("sides, those of letters 1.0.0 1, those of close 1.0.0 0.34: unless" in said) == (name == "both")


def test_a_run_of_one_kind_is_not_taken_for_the_other(straight, tmp_path):
    with pytest.raises(ValueError, match="this run tells winding and finds no arms"):
        load_run(straight)
    runlog.open_run(tmp_path / "arms", toy_config(tmp_path))
    with pytest.raises(ValueError, match="this run finds arms and tells no classes"):
        load_classifier(tmp_path / "arms")


def test_a_classifier_can_start_from_all_the_weights_of_another(config, straight, tmp_path):
    other = checkpoint.load_weights(straight, dataclasses.replace(config, task="morphology"))[0]
    for ours, theirs in zip(jax.tree.leaves(other), jax.tree.leaves(load_classifier(straight).model), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_starting_from_a_run_with_other_outputs_is_refused_with_the_option_that_takes_what_fits(config, tmp_path):
    arms, winding = toy_config(tmp_path), config
    runs = {"arms": arms, "winding": winding}
    for name, one in runs.items():
        runlog.open_run(tmp_path / name, one)
    t_type = dataclasses.replace(config, task="t_type")
    numbers = "3 numbers a galaxy"
    for name, wanted, there, here in (
        ("arms", winding, "maps of arm", numbers),
        ("winding", arms, numbers, "maps of arm"),
        ("winding", t_type, numbers, "15 numbers a galaxy"),
    ):
        begun = dataclasses.replace(wanted, start_from=str(tmp_path / name))
        with pytest.raises(ValueError, match=rf"answers with {there}, the one to train with {here}.* --encoder-from"):
            new_state(begun, device_mesh(8))


def test_the_way_down_is_taken_from_a_u_net_and_the_rest_begins_at_random(tmp_path):
    unet = UNetConfig(image_size=SIZE, widths=(4, 8), blocks=(1,), dropout=(0.1,))
    arms = toy_config(toy_snapshot(tmp_path), model=unet, steps=1)
    list(train(arms, tmp_path / "arms"))
    config = class_config(tmp_path)
    fresh = new_network(config, nnx.Rngs(params=0))
    taken = checkpoint.leaves_by_path(with_encoder(fresh, tmp_path / "arms"))
    theirs = checkpoint.leaves_by_path(load_run(tmp_path / "arms").model)
    assert any(name.startswith("down/") for name in taken)
    for name, leaf in checkpoint.leaves_by_path(fresh).items():
        np.testing.assert_array_equal(taken[name], theirs[name] if name.startswith("down/") else leaf, err_msg=name)
    shapes = r"there has (down/\S+) of shape \(8,\), that of the network to train has \1 of shape \(12,\);"
    missing = r"there has no (down/2/\S+), that of the network to train has \1 of shape"
    for changes, named in (({"widths": (4, 12)}, shapes), ({"widths": (4, 8, 8)}, missing)):
        other = dataclasses.replace(config, model=dataclasses.replace(config.model, **changes))
        with pytest.raises(ValueError, match=rf"{named}.*choose the same bands"):
            with_encoder(new_network(other, nnx.Rngs(params=0)), tmp_path / "arms")
    rounding, unrolled = (
        new_network(dataclasses.replace(config, model=dataclasses.replace(config.model, **changes)), nnx.Rngs(params=0))
        for changes in ({"face_on": True}, {"view": "log_polar"})
    )
    assert checkpoint.leaves_by_path(with_encoder(rounding, tmp_path / "arms")).keys() == taken.keys()
    with pytest.raises(ValueError, match=r"--model\.view sky"):
        with_encoder(unrolled, tmp_path / "arms")
    assert [name for name, _ in runlog.trained_on(tmp_path / "arms")] == ["toy 1.0.0"]


def test_training_on_a_u_net_s_way_down_ends_in_a_run_that_is_scored(snapshot, tmp_path):
    arms = toy_config(tmp_path, model=UNetConfig(image_size=SIZE, widths=(4, 8), blocks=(1,), dropout=(0.1,)))
    runlog.open_run(tmp_path / "arms", arms)
    checkpoint.save(tmp_path / "arms", "best", 1, {"average": new_network(arms, nnx.Rngs(params=9))})
    hardly = OptimizerConfig(learning_rate=1e-8, warmup_steps=0, weight_decay=0.0)  # weights stay where they began
    list(
        train(class_config(snapshot, steps=1, optimizer=hardly, encoder_from=str(tmp_path / "arms")), tmp_path / "run")
    )
    ours = checkpoint.leaves_by_path(load_classifier(tmp_path / "run").model)
    theirs = checkpoint.leaves_by_path(load_run(tmp_path / "arms").model)
    for name in (name for name in ours if name.startswith("down/")):
        np.testing.assert_allclose(ours[name], theirs[name], atol=1e-6, err_msg=name)
    assert evaluate_classes(tmp_path / "run", snapshot).summary["not_compared"] == [str(tmp_path)]


def test_what_an_encoder_was_trained_on_counts_as_trained_on(config, straight, tmp_path):
    later = dataclasses.replace(config, encoder_from=str(straight))
    runlog.open_run(tmp_path / "run", later)
    assert "letters 1.0.0" in [name for name, _ in runlog.trained_on(tmp_path / "run")]
    foreign = dataclasses.replace(config, encoder_from=str(tmp_path / "zoobot"))
    runlog.open_run(tmp_path / "foreign", foreign)
    assert runlog.trained_on(tmp_path / "foreign")[-1] == (f"what {tmp_path / 'zoobot'} was trained on", None)


def test_a_damaged_schema_is_named(straight, tmp_path):
    runlog.open_run(tmp_path / "run", runlog.read_config(straight))
    assert json.loads((tmp_path / "run/schema.json").read_text())["mirrored"] == [1, 0, 2]
    (tmp_path / "run/schema.json").write_text("{}")
    with pytest.raises(ValueError, match=r"schema\.json: damaged"):
        load_classifier(tmp_path / "run")
