"""Claims about `flaxgal train`: a word says what to learn, and a classifier says what it learns from."""

import dataclasses

import pytest
from class_toys import SIZE, class_snapshot, toy_class
from toys import toy_example, toy_snapshot

from flaxgal.cli import run
from flaxgal.cli_train import experiment
from flaxgal.config import CLASSIFIERS, SEED_CLASSIFIER, ClassifyConfig, TrainConfig
from flaxgal.datasets.builders import build_snapshot
from flaxgal.datasets.morphology import build_class_snapshot
from flaxgal.runlog import read_config
from flaxgal.survey.schemas import Labels


@pytest.mark.parametrize("task", CLASSIFIERS)
def test_the_name_of_a_task_stands_for_its_classifier(task):
    config, arguments = experiment(["train", task, "--steps", "9"])
    assert (config.task, config.name, arguments) == (task, task, ["train", "--steps", "9"])


@pytest.mark.parametrize("task", CLASSIFIERS)
def test_c2_before_a_task_stands_for_the_seeds_network(task):
    config, arguments = experiment(["train", f"c2-{task}", "--steps", "9"])
    assert (config.task, config.name, arguments) == (task, f"c2-{task}", ["train", "--steps", "9"])
    assert config.model == SEED_CLASSIFIER
    assert config.optimizer.learning_rate == 1e-4


def test_a_word_that_is_no_task_is_answered_by_those_there_are(capsys):
    assert run(["train", "morphologie", "--steps", "9"]) == 2
    said = capsys.readouterr().err.strip()
    assert said.startswith("flaxgal: morphologie: nothing to train; give arms, morphology, spiral, winding, t_type, ")
    assert "\n" not in said


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ("--data.snapshots a --data.shares 0.5 0.5", "data.shares has 2 numbers for 1 snapshots: give one a snapshot"),
        ("--model.network c2", "view is log_polar: give sky to a c2 network"),
        ("--steps 0", "steps is 0: give 1 or more"),
    ],
)
def test_a_choice_that_a_config_refuses_is_answered_by_its_sentence_alone(options, sentence, capsys):
    assert run(["train", "winding", *options.split()]) == 2
    assert capsys.readouterr().err == f"flaxgal: {sentence}\n"


def test_groups_of_options_keep_what_is_said_of_them(capsys):
    with pytest.raises(SystemExit):
        run(["train", "winding", "--help"])
    said = " ".join(capsys.readouterr().out.replace("│", "").split())
    assert "Which dataset snapshots are trained on, and in what shares." in said


def test_without_a_word_or_with_arms_it_is_arms():
    assert experiment(["train", "--steps", "9"]) == (TrainConfig(), ["train", "--steps", "9"])
    assert experiment(["train", "arms"]) == (TrainConfig(), ["train"])
    assert experiment(["predict", "winding"]) == (TrainConfig(), ["predict", "winding"])


def test_an_experiment_file_may_define_a_classifier(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text("from flaxgal.config import ClassifyConfig\nconfig = ClassifyConfig(task='spiral', seed=4)\n")
    assert experiment(["train", str(path)])[0] == ClassifyConfig(task="spiral", seed=4)


SMALLEST = f"--model.image-size {SIZE} --model.widths 4 8 --model.dropout 0 --data.batch-size 4 --steps 1"


def test_training_without_galaxies_to_validate_on_says_what_will_be_missing(tmp_path, capsys):
    alone = (dataclasses.replace(toy_class(k), split="train") for k in range(20))
    alone = build_class_snapshot(alone, tmp_path, bands=("grey",), image_size=SIZE, name="alone")
    unknown = class_snapshot(tmp_path, 40, windings=["S", "Z", "none", "", ""] * 8, name="unknown")
    held = class_snapshot(tmp_path, 40, name="held")
    sentence = (
        "no galaxy of known winding is in a validation split: the last weights are kept, not the best, no temperature "
        "is fitted, and predict will trust no answer; add galaxies until some fall into it, or build with other splits "
        "(--fold K --folds N)\n"
    )
    for snapshot, said in ((alone, True), (unknown, True), (held, False)):
        choices = [*SMALLEST.split(), "--model.blocks", "0", "--run", str(tmp_path / f"run-{snapshot.parent.name}")]
        assert run(["train", "winding", "--data.snapshots", str(snapshot), *choices]) == 0
        assert (sentence in capsys.readouterr().err) == said
        assert (tmp_path / f"run-{snapshot.parent.name}/calibration.json").exists() != said


def test_t_types_that_no_training_galaxy_has_are_said_to_be_hardly_ever_answered(tmp_path, capsys):
    few = class_snapshot(tmp_path, 90, name="few")
    labels = (Labels(winding="S", t_type=float(k // 5 % 16 - 5)) for k in range(80))
    all_types = (dataclasses.replace(toy_class(k), labels=one) for k, one in enumerate(labels))
    full = build_class_snapshot(all_types, tmp_path, bands=("grey",), image_size=SIZE, name="full")
    for snapshot, task, said in ((few, "t_type", True), (full, "t_type", False), (few, "spiral", False)):
        choices = [*SMALLEST.split(), "--model.blocks", "0", "--run", str(tmp_path / f"{task}-{snapshot.parent.name}")]
        assert run(["train", task, "--data.snapshots", str(snapshot), *choices]) == 0
        sentence = "no training galaxy has t_type -4, -3, -2, -1, 0, 7, 8, 9, 10: the run will hardly ever answer so,"
        assert (sentence in (err := capsys.readouterr().err)) == said
        assert ("no training galaxy" in err) == said


def test_training_on_arms_without_galaxies_to_validate_on_says_so_too(tmp_path, capsys):
    kind = {"bands": ("grey",), "classes": ("arm",), "image_size": 16}
    alone = (dataclasses.replace(toy_example(k), split="train") for k in range(8))
    alone = build_snapshot(alone, tmp_path, name="alone", **kind)
    sentence = (
        "no galaxy is in a validation split: the last weights are kept, not the best, and its masks are cut at 0.5;"
    )
    for snapshot, options, said in (
        (alone, [], sentence),
        (alone, ["--threshold", "0.3"], sentence.replace(", and its masks are cut at 0.5", "")),
        (toy_snapshot(tmp_path), [], ""),
    ):
        choices = [*SMALLEST.split(), "--model.blocks", "0", *options, "--run", str(tmp_path / f"run-{len(said)}")]
        assert run(["train", "--data.snapshots", str(snapshot), *choices]) == 0
        err = capsys.readouterr().err
        assert said in err if said else "validation split" not in err


def test_a_classifier_is_trained_and_says_which_galaxies_from(tmp_path, capsys):
    snapshot = class_snapshot(tmp_path, 40, windings=[("S", "Z", "none", "")[k // 5 % 4] for k in range(40)])
    choices = f"--model.image-size {SIZE} --model.widths 4 8 --model.blocks 0 --model.dropout 0 --data.batch-size 4"
    choices += f" --loss.class-weights 1 1 2 --steps 2 --run {tmp_path / 'r'}"
    assert run(["train", "winding", "--data.snapshots", str(snapshot), *choices.split()]) == 0
    said = capsys.readouterr().out
    assert "training galaxies by winding: 6 S, 6 Z, 6 none; 6 left out, whose winding is not known" in said
    assert "step 2/2" in said
    assert "balanced accuracy 0." in said
    assert read_config(tmp_path / "r").loss.class_weights == (1.0, 1.0, 2.0)
    assert (tmp_path / "r/figures/learning_curves.png").exists()
