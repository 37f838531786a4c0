"""Claims about evaluating classifiers: table, summary and figures agree, and nothing that was learnt from is scored."""

import dataclasses
import json
import re

import jax
import numpy as np
import pytest
from astropy.table import Table
from class_toys import SIZE, class_config, class_snapshot, toy_class
from flax import nnx
from toys import toy_config, toy_snapshot

from flaxgal import runlog
from flaxgal.calibration import Calibration, Familiar, write_calibration
from flaxgal.checkpoint import load_classifier, save
from flaxgal.class_summary import class_numbers, probability_columns
from flaxgal.cli import run as command_line
from flaxgal.datasets.builders import open_snapshot
from flaxgal.datasets.loader import load_classes
from flaxgal.datasets.morphology import build_class_snapshot
from flaxgal.evaluate import evaluate
from flaxgal.evaluate_classes import evaluate_classes, score_classes
from flaxgal.models.classifier import Classifier
from flaxgal.models.networks import new_network
from flaxgal.survey.schemas import SCHEMAS

WINDING, T_TYPE = SCHEMAS["winding"], SCHEMAS["t_type"]


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory):
    return class_snapshot(tmp_path_factory.mktemp("snapshots"), name="curls")


def guess(folder, config, *, temperature=None, spoilt=False):
    """A run that was never trained, with a last layer that says something."""
    about = [open_snapshot(path) for path in config.data.snapshots]
    seen = [{"name": one.name, "version": one.version, "sizes": dict(one.sizes), "crop": one.crop} for one in about]
    runlog.open_run(folder, config, snapshots=seen)
    model = new_network(config, nnx.Rngs(params=0))
    if isinstance(model, Classifier):
        model.head.kernel[...] = 4 * jax.random.normal(jax.random.key(1), model.head.kernel.shape)
        model.head.bias[...] += float("nan") if spoilt else 0.0
    save(folder, "best", 7, {"average": model})
    if temperature is not None:
        familiar = Familiar(means=np.zeros((1, 1)), precision=np.eye(1))
        write_calibration(folder, Calibration(7, temperature, familiar, np.arange(4.0)))
    return folder


@pytest.fixture(scope="module")
def run(snapshot, tmp_path_factory):
    return guess(tmp_path_factory.mktemp("runs") / "guess", class_config(snapshot), temperature=2.0)


def test_table_and_summary_on_disk_agree_with_each_other_and_with_the_labels(run, snapshot):
    found = evaluate_classes(run, snapshot, batch_size=5)
    table = Table.read(found.path, format="ascii.ecsv")
    summary = json.loads(found.path.with_suffix(".json").read_text())
    assert summary == found.summary
    assert (summary["run"], summary["task"], summary["step"], table.meta["split"]) == ("guess", "winding", 7, "test")
    galaxies = load_classes(snapshot, "test", schema="winding")
    assert table["truth"].tolist() == galaxies.label("winding").tolist()
    assert len(table) == summary["all"]["galaxies"] == 18
    probability = np.stack([table[name] for name in ("p_S", "p_Z", "p_none")], axis=1)
    np.testing.assert_allclose(probability.sum(axis=1), 1)
    assert table["found"].tolist() == [WINDING.classes[k] for k in probability.argmax(axis=1)]
    np.testing.assert_allclose(table["confidence"], probability.max(axis=1))
    assert summary["all"]["accuracy"]["value"] == pytest.approx(np.mean(table["truth"] == table["found"]))
    assert not list((run / "evaluation").glob(".*"))


def test_nothing_that_was_scored_otherwise_is_written_over(run, snapshot, tmp_path):
    other = class_snapshot(tmp_path, windings=["S", "Z", "none"] * 30, name="curls")
    assert open_snapshot(other).version == open_snapshot(snapshot).version
    scored = [(snapshot, 1), (snapshot, 8), (other, 1)]
    found = [evaluate_classes(run, one, orientations=number, out=tmp_path / "scores") for one, number in scored]
    assert len({one.path for one in found}) == 3
    for one in found:
        assert json.loads(one.path.with_suffix(".json").read_text()) == one.summary
    assert evaluate_classes(run, snapshot, out=tmp_path / "scores").path == found[0].path


def test_the_runs_temperature_divides_the_logits(run, snapshot, tmp_path):
    found = evaluate_classes(run, snapshot)
    assert found.summary["calibration"]["temperature"] == 2.0
    after = np.stack([found.galaxies[name] for name in probability_columns(WINDING)], axis=1)
    again = np.sqrt(found.uncalibrated)
    np.testing.assert_allclose(after, again / again.sum(axis=1, keepdims=True), rtol=1e-5)
    plain = evaluate_classes(guess(tmp_path / "plain", class_config(snapshot)), snapshot)
    assert plain.summary["calibration"]["temperature"] is None
    np.testing.assert_array_equal(plain.uncalibrated[:, 0], plain.galaxies["p_S"])


def test_a_temperature_of_other_weights_divides_nothing(snapshot, tmp_path):
    stale = guess(tmp_path / "stale", class_config(snapshot), temperature=2.0)
    save(stale, "best", 8, {"average": load_classifier(stale).model})
    found = evaluate_classes(stale, snapshot)
    assert (found.summary["step"], found.summary["calibration"]["temperature"]) == (8, None)
    np.testing.assert_array_equal(found.uncalibrated[:, 0], found.galaxies["p_S"])


def test_over_all_orientations_mirrored_galaxies_get_mirrored_answers(run, tmp_path):
    examples = [toy_class(5 * k + 4) for k in range(12)]
    swap = {"S": "Z", "Z": "S", "none": "none"}
    mirrored = [
        dataclasses.replace(
            one, image=one.image[:, ::-1], labels=dataclasses.replace(one.labels, winding=swap[one.labels.winding])
        )
        for one in examples
    ]
    first, second = (
        build_class_snapshot(items, tmp_path, bands=("grey",), image_size=SIZE, name=name)
        for name, items in (("seen", examples), ("mirrored", mirrored))
    )
    tables = [evaluate_classes(run, one, orientations=8, out=tmp_path).galaxies for one in (first, second)]
    np.testing.assert_allclose(tables[0]["p_S"], tables[1]["p_Z"], atol=1e-6)
    assert tables[0]["right"].tolist() == tables[1]["right"].tolist()


def test_galaxies_of_unknown_class_are_left_out_and_counted(run, tmp_path, capsys):
    some = class_snapshot(tmp_path, windings=["S", "", "Z", "none", ""] * 6, name="some")
    # every fifth galaxy is in test: all of unknown class
    with pytest.raises(ValueError, match="winding"):
        evaluate_classes(run, some)
    few = class_snapshot(tmp_path, windings=[("S", "Z", "none", "")[k // 5 % 4] for k in range(40)], name="few")
    assert evaluate_classes(run, few, out=tmp_path).summary["left_out"] == 2
    assert command_line(["evaluate", str(run), str(few)]) == 0
    assert "2 galaxies of split test left out: their winding is not known" in capsys.readouterr().err


def test_a_split_of_one_class_is_scored_as_far_as_it_can_be_told(run, tmp_path, capsys):
    alone = class_snapshot(tmp_path, 15, windings=["Z"] * 15, name="alone")
    found = evaluate_classes(run, alone)
    assert found.summary["all"]["balanced_accuracy"]["value"] is None
    assert found.summary["all"]["accuracy"]["value"] is not None
    assert command_line(["evaluate", str(run), str(alone)]) == 0
    said = capsys.readouterr().out
    assert "no galaxy is S or none" in said
    assert "nan" not in said


def test_pictures_cropped_otherwise_than_in_training_are_said_to_be(run, snapshot, tmp_path, capsys):
    examples = (dataclasses.replace(toy_class(k), object_id=f"other-{k}") for k in range(60))
    close = build_class_snapshot(examples, tmp_path, bands=("grey",), image_size=SIZE, name="close", crop=0.5)
    assert command_line(["evaluate", str(run), str(close)]) == 0
    said = capsys.readouterr().err
    assert "close/1.0.0: pictures show 0.5 of their frames' sides, those that the run was trained on 1;" in said
    assert command_line(["evaluate", str(run), str(snapshot)]) == 0
    assert "frames' sides" not in capsys.readouterr().err


def test_galaxies_that_were_trained_on_are_refused(snapshot, run, tmp_path):
    moved = [dataclasses.replace(toy_class(k), split="test") for k in range(10)]
    again = build_class_snapshot(moved, tmp_path, bands=("grey",), image_size=SIZE, name="again")
    with pytest.raises(ValueError, match=r"toy-0 is in split test of .* was trained on in"):
        evaluate_classes(run, again)


def test_galaxies_that_the_run_was_validated_on_are_counted_and_said_to_be(snapshot, run, tmp_path, capsys):
    taken = [
        dataclasses.replace(toy_class(5 * k + 3 + k // 4), split="test") for k in range(6)
    ]  # 4 validated, 2 tested
    mixed = build_class_snapshot(taken, tmp_path, bands=("grey",), image_size=SIZE, name="mixed")
    numbers = {}
    for where, split in ((snapshot, "test"), (snapshot, "train"), (snapshot, "validation"), (mixed, "test")):
        found = evaluate_classes(run, where, split)
        assert json.loads(found.path.with_suffix(".json").read_text())["chosen_on"] == found.summary["chosen_on"]
        numbers[where, split] = found.summary["chosen_on"]
    assert list(numbers.values()) == [0, 0, 18, 4]
    assert command_line(["evaluate", str(run), str(snapshot)]) == 0
    assert "optimistic" not in capsys.readouterr().err
    assert command_line(["evaluate", str(run), str(mixed)]) == 0
    sentence = (
        "the run's checkpoint, temperature and outlier threshold were chosen on 4 of these 6 galaxies, which it "
        "validates on: accuracy and calibration error are optimistic; score it on a test split without them\n"
    )
    assert sentence in capsys.readouterr().err


def test_galaxies_that_a_run_it_began_with_was_validated_on_did_not_choose_its_checkpoint(snapshot, tmp_path):
    first = guess(tmp_path / "first", class_config(snapshot))
    others = (dataclasses.replace(toy_class(k), object_id=f"other-{k}") for k in range(30))
    other = build_class_snapshot(others, tmp_path, bands=("grey",), image_size=SIZE, name="others")
    later = guess(tmp_path / "later", class_config(other, start_from=str(first)))
    assert evaluate_classes(first, snapshot, "validation").summary["chosen_on"] == 18
    assert evaluate_classes(later, snapshot, "validation").summary["chosen_on"] == 0


def test_answers_that_are_no_numbers_are_refused(snapshot, tmp_path):
    broken = guess(tmp_path / "broken", class_config(snapshot), spoilt=True)
    with pytest.raises(ValueError, match=r"run broken: answers with no number to 18 of 18 galaxies, such as toy-4"):
        evaluate_classes(broken, snapshot)
    assert not (broken / "evaluation").exists()


def test_runs_and_snapshots_of_another_kind_are_refused(run, snapshot, tmp_path):
    arms = toy_snapshot(tmp_path)
    finder = guess(tmp_path / "arms", toy_config(arms))
    with pytest.raises(ValueError, match="finds arms and tells no classes"):
        evaluate_classes(finder, snapshot)
    with pytest.raises(ValueError, match="tells winding and finds no arms"):
        evaluate(run, arms)
    with pytest.raises(ValueError, match="toy"):
        evaluate_classes(run, arms)
    assert command_line(["evaluate", str(finder), str(arms), "--orientations", "8"]) == 2


def test_the_command_prints_tables_and_draws_every_figure(run, snapshot, capsys):
    assert command_line(["evaluate", str(run), str(snapshot), "--orientations", "2"]) == 0
    said = capsys.readouterr().out
    for expected in ("balanced (95 %)", "ROC area", "calibration error", "temperature 2.00", "toy"):
        assert expected in said
    assert re.search(r"temperature 2.00 0.\d{3}; chance alone would make 0.\d{3} \(95 %: 0.\d{3} to 0.\d{3}\)", said)
    stem = "curls-1.0.0-*-test-orientations-2"
    (table,) = (run / "evaluation").glob(f"{stem}.ecsv")
    drawn = {path.name.removeprefix(f"{table.stem}-") for path in (run / "figures").glob(f"{stem}-*")}
    names = ("confusion-matrix", "roc-curves", "reliability", "by-group", "worst-mistakes")
    assert drawn == {f"{name}.png" for name in names}


def test_t_types_are_scored_by_how_far_off_they_are(snapshot, tmp_path, capsys):
    run = guess(tmp_path / "types", class_config(snapshot, task="t_type"))
    found = evaluate_classes(run, snapshot)
    table = found.galaxies
    numbers = np.stack([table[name] for name in probability_columns(T_TYPE)], axis=1) @ np.arange(-5.0, 11.0)
    np.testing.assert_allclose(table["t_type_found"], numbers)
    np.testing.assert_allclose(table["difference"], numbers - load_classes(snapshot, "test", schema="t_type").t_type)
    assert found.summary["all"]["mae"]["value"] == pytest.approx(np.abs(table["difference"]).mean())
    nearest = [T_TYPE.classes[int(np.rint(number)) + 5] for number in numbers]
    assert table["found"].tolist() == nearest
    assert command_line(["evaluate", str(run), str(snapshot)]) == 0
    said = capsys.readouterr().out
    for expected in ("within 1 (95 %)", "no temperature was fitted", "t-types.png", "Sp, Irr"):
        assert expected in said
    accuracy = np.mean(table["broad_truth"] == table["broad_found"])
    assert re.search(rf"in broad classes galaxies +accuracy \(95 %\).*\n +all +18 +{accuracy:.3f} \[", said)


def test_what_is_known_exactly_of_mocks_is_in_the_table_and_divides_the_galaxies(run, tmp_path):
    examples = [
        dataclasses.replace(toy_class(5 * k + 4), truth={"signal_to_noise": 40.0 * 2**k, "inclination_deg": 10.0 * k})
        for k in range(9)
    ]
    mocks = build_class_snapshot(examples, tmp_path, bands=("grey",), image_size=SIZE, name="mocks")
    found = evaluate_classes(run, mocks, out=tmp_path)
    np.testing.assert_allclose(found.galaxies["signal_to_noise"], 40.0 * 2 ** np.arange(9))
    assert next(iter(found.summary["by_signal_to_noise"])) == "under 50"
    assert sum(part["galaxies"] for part in found.summary["by_inclination"].values()) == 9


def test_a_galaxy_s_row_is_made_of_its_own_probabilities(snapshot):
    galaxies = load_classes(snapshot, "test", schema="winding")
    certain = np.eye(3)[[WINDING.classes.index(name) for name in galaxies.label("winding")]]
    table = score_classes(galaxies, certain, WINDING)
    truth, found = class_numbers(table, WINDING)
    np.testing.assert_array_equal(truth, found)
    assert table["right"].all()
    assert (score_classes(galaxies, certain[:, [1, 2, 0]], WINDING)["right"] == False).all()  # noqa: E712
