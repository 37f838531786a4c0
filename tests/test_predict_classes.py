"""Claims about telling galaxies apart: what stands in the table, what is not to be trusted, what a kill leaves."""

import dataclasses
import json
import math
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from astropy.table import MaskedColumn, Table
from astropy.wcs import WCS
from class_toys import SIZE, letter, toy_class
from flax import nnx
from PIL import Image

from flaxgal import checkpoint, class_catalogue
from flaxgal.calibration import Calibration, familiar_features, write_calibration
from flaxgal.checkpoint import load_classifier
from flaxgal.class_answers import ClassRow, Doubt
from flaxgal.class_catalogue import spiral_classes, spirals_in
from flaxgal.classify import oriented_logits, probabilities
from flaxgal.cli import run
from flaxgal.config import ClassifierConfig, ClassifyConfig, PredictConfig, TrainConfig, UNetConfig, to_json
from flaxgal.config.trust import TrustConfig
from flaxgal.datasets.builders import build_snapshot, open_snapshot
from flaxgal.datasets.class_sources import class_picture, classes_from_files
from flaxgal.datasets.examples import example_from_arrays
from flaxgal.datasets.feed import about_snapshot
from flaxgal.datasets.morphology import build_class_snapshot
from flaxgal.inputs import cutouts_from
from flaxgal.measure.formats import FORMATS, read_whole
from flaxgal.models.classifier import Classifier, class_features
from flaxgal.models.unet import UNet
from flaxgal.predict import predict
from flaxgal.predict_classes import ClassChoices, Told, predict_classes
from flaxgal.row_by_row import Done, Kept
from flaxgal.runlog import open_run
from flaxgal.survey.class_tables import read_class_table
from flaxgal.survey.cutout import Cutout, Unreadable, write_cutout
from flaxgal.survey.prediction import find_predictions
from flaxgal.survey.schemas import SCHEMAS

SMALL = ClassifierConfig(image_size=SIZE, widths=(4, 8), blocks=(1,), dropout=(0.0,))
ARMS = UNetConfig(image_size=SIZE, widths=(4, 8), blocks=(1,), dropout=(0.0,))
STEP, TEMPERATURE, OF_EIGHT, CROP = 7, 1.7, 1.3, 0.5


def classifier_run(
    folder: Path, task: str = "winding", *, calibrated: bool = True, sure: float = 0.5, seed: int = 1, snapshots=None
) -> Path:
    """A run folder as training leaves it, of a network that says something else of every picture."""
    config = ClassifyConfig(task=task, name=folder.name, model=SMALL)
    letters = {"name": "letters", "version": "1.0.0", "sizes": {}, "crop": CROP}
    open_run(folder, config, snapshots=snapshots or [letters])
    model = Classifier(SMALL, SCHEMAS[task].outputs, nnx.Rngs(params=0))
    pictures = np.stack([letter("SZ"[k % 2], np.random.default_rng([9, k])) for k in range(60)])
    features = np.asarray(class_features(model, pictures.astype(np.float32) / 255)[0])
    kernel = sure * np.random.default_rng(seed).normal(size=model.head.kernel.shape) / features.std(0)[:, None]
    model.head.kernel[...] = kernel.astype(np.float32)
    model.head.bias[...] = (-features.mean(0) @ kernel).astype(np.float32)
    checkpoint.save(folder, "best", STEP, {"average": model})
    if calibrated:
        familiar = familiar_features(features[:40], np.arange(40) % 2)
        distance = np.sort(familiar.distance(features[40:]))
        write_calibration(folder, Calibration(STEP, TEMPERATURE, familiar, distance, {8: OF_EIGHT}))
    return folder


@pytest.fixture(scope="module")
def winding(tmp_path_factory):
    return classifier_run(tmp_path_factory.mktemp("runs") / "winding")


@pytest.fixture(scope="module")
def arms(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "arms"
    folder.mkdir()
    (folder / "config.json").write_text(to_json(TrainConfig(name="arms", model=ARMS, threshold=0.3)))
    checkpoint.save(folder, "best", 3, {"average": UNet(ARMS, nnx.Rngs(params=3))})
    return folder


def framed(picture: np.ndarray) -> np.ndarray:
    """A picture with as much again around it, which a crop of one half takes off."""
    return np.pad(picture[..., 0], SIZE // 2, constant_values=25)


def pictures(folder: Path, number: int = 10) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for k in range(number):
        Image.fromarray(framed(letter("SZ"[k % 2], np.random.default_rng([5, k])))).save(folder / f"g{k:02d}.png")
    return folder


@pytest.fixture(scope="module")
def galaxies(tmp_path_factory):
    return pictures(tmp_path_factory.mktemp("galaxies") / "pictures")


def classify(run_folder, inputs, out, **options) -> tuple[Table, list]:
    found = list(predict_classes(run_folder, [inputs] if isinstance(inputs, Path) else inputs, out, **options))
    return read_whole(out), found


def chances(table: Table, names=("p_S", "p_Z", "p_none")) -> np.ndarray:
    return np.stack([table[name] for name in names], axis=1)


def test_a_row_is_what_the_network_says_at_the_runs_temperature_and_crop(winding, galaxies, tmp_path):
    table, found = classify(winding, galaxies, tmp_path / "out.ecsv", choices=ClassChoices(orientations=8))
    assert [type(one) for one in found] == [Done] * 10 + [Told]
    network = load_classifier(winding)
    seen = np.stack([class_picture(one, ("grey",), SIZE, CROP) for one in cutouts_from([galaxies])])
    logits = oriented_logits(network.model, seen, network.schema, orientations=8)
    expected = probabilities(logits, network.schema, temperature=OF_EIGHT)
    np.testing.assert_allclose(chances(table), expected, atol=1e-5)
    np.testing.assert_allclose(table["entropy"], -(expected * np.log(expected)).sum(1) / np.log(3), atol=1e-5)
    assert list(table["class"]) == [network.schema.classes[k] for k in expected.argmax(1)]
    assert list(table["object_id"]) == [f"g{k:02d}" for k in range(10)]
    assert np.ptp(expected, axis=0).max() > 0.05  # galaxies differ
    alone, _ = classify(winding, galaxies, tmp_path / "b.ecsv", choices=ClassChoices(orientations=8, batch_size=3))
    np.testing.assert_allclose(chances(alone), expected, atol=1e-5)
    once, _ = classify(winding, galaxies, tmp_path / "c.ecsv")
    expected = probabilities(logits[:1], network.schema, temperature=TEMPERATURE)
    np.testing.assert_allclose(chances(once), expected, atol=1e-5)


def the_sky(folder: Path) -> Path:
    """Galaxies as FITS, from the bottom up, one of them mirrored by its WCS; and pictures, from the top."""
    pictures(folder, 30)
    for k in range(30, 34):
        wcs = WCS(naxis=2)
        wcs.wcs.ctype, wcs.wcs.crval, wcs.wcs.crpix = ["RA---TAN", "DEC--TAN"], [150.0 + k, 2.0], [16, 16]
        wcs.wcs.cdelt = [4.7e-5 if k % 2 else -4.7e-5, 4.7e-5]
        light = framed(letter("S", np.random.default_rng([5, k])))[None].astype(np.float32)
        one = Cutout(object_id=f"g{k}", flux=light, bands=("i",), unit="nJy", wcs=wcs, survey="HSC")
        write_cutout(one, folder / f"g{k}.fits")
    return folder


def test_a_galaxys_file_and_its_row_in_the_snapshot_get_the_same_answer(tmp_path):
    sky, table = the_sky(tmp_path / "sky"), tmp_path / "windings.csv"
    table.write_text("object_id,winding\n" + "".join(f"g{k:02d},{'SZ'[k % 2]}\n" for k in range(34)))
    kind = {"bands": ("grey",), "image_size": SIZE, "crop": CROP}
    rows = classes_from_files([sky], read_class_table(table), **kind)
    snapshot = build_class_snapshot(rows, tmp_path / "sets", **kind)
    config = ClassifyConfig(task="winding", model=SMALL)
    classifier_run(tmp_path / "run", snapshots=[about_snapshot(config, open_snapshot(snapshot))])
    from_files, _ = classify(tmp_path / "run", sky, tmp_path / "a.parquet")
    from_snapshot, _ = classify(tmp_path / "run", snapshot, tmp_path / "b.parquet")
    assert from_files.meta["crop"] == CROP
    assert len(from_files) == 34
    from_files.sort("object_id")
    from_snapshot.sort("object_id")
    np.testing.assert_array_equal(chances(from_files), chances(from_snapshot))
    np.testing.assert_array_equal(from_files["outlier_distance"], from_snapshot["outlier_distance"])
    whole, _ = classify(tmp_path / "run", sky, tmp_path / "c.parquet", choices=ClassChoices(crop=1.0))
    whole.sort("object_id")
    assert np.abs(chances(whole) - chances(from_files)).max() > 1e-3


def a_snapshot(out: Path, crop: float) -> Path:
    """Letters whose pictures show that share of their frames' sides."""
    return build_class_snapshot(
        (toy_class(k) for k in range(4)), out, bands=("grey",), image_size=SIZE, name=f"crop-{crop:g}", crop=crop
    )


def test_a_snapshot_of_another_crop_is_told_as_it_is_and_said_to_be(winding, galaxies, tmp_path, capsys):
    close, whole = a_snapshot(tmp_path, CROP), a_snapshot(tmp_path, 1.0)
    said = {}
    for snapshot in (close, whole):
        command = ["predict", str(winding), str(snapshot), "--out", str(tmp_path / f"{snapshot.parent.name}.ecsv")]
        assert run(command) == 0
        said[snapshot] = capsys.readouterr().err
    sentence = f"{whole}: pictures show 1 of their frames' sides, those that the run was trained on 0.5; unless"
    assert sentence in said[whole]
    assert "frames' sides" not in said[close]
    shown = [read_whole(tmp_path / f"crop-{crop}.ecsv").meta["crop"] for crop in ("0.5", "1")]
    assert shown == [0.5, 1.0]
    both, _ = classify(winding, [galaxies, close], tmp_path / "both.ecsv")
    assert (len(both), both.meta["crop"]) == (14, CROP)
    for inputs in ([galaxies, whole], [close, whole]):
        with pytest.raises(ValueError, match=r"unequal shares of .* sides, .*1 in .*crop-1.*: give each kind its own"):
            classify(winding, inputs, tmp_path / "mixed.ecsv")


def test_a_snapshot_needs_no_crop_of_training_and_cannot_be_cropped_again(tmp_path):
    letters = {"name": "letters", "version": "1.0.0", "sizes": {}}
    old = classifier_run(tmp_path / "old", snapshots=[letters])
    snapshot = a_snapshot(tmp_path, 1.0)
    table, _ = classify(old, snapshot, tmp_path / "out.ecsv")
    assert table.meta["crop"] == 1.0
    with pytest.raises(ValueError, match=r"--crop 0.5: the pictures of .*crop-1.*, a snapshot, were cropped when"):
        classify(old, snapshot, tmp_path / "other.ecsv", choices=ClassChoices(crop=0.5))


def test_galaxies_unlike_those_of_training_are_not_to_be_trusted(winding, galaxies, tmp_path):
    noise = pictures(tmp_path / "sky", 4)
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (32, 32), np.uint8)).save(noise / "noise.png")
    anything = ClassChoices(trust=TrustConfig(most_entropy=1.0, least_sure=0.0))
    table, _ = classify(winding, noise, tmp_path / "out.ecsv", choices=anything)
    threshold = table.meta["outlier_threshold"]
    flags = dict(zip(table["object_id"], table["trust_flags"], strict=True))
    assert flags["noise"] == Doubt.UNLIKE
    np.testing.assert_array_equal(table["trust_flags"] == Doubt.UNLIKE, table["outlier_distance"] > threshold)
    np.testing.assert_allclose(table["outlier_ratio"], table["outlier_distance"] / threshold, rtol=1e-6)
    row = table[table["object_id"] == "noise"][0]
    assert row["do_not_trust"]
    assert row["trust_reasons"] == "unlike the training galaxies"
    assert not table["do_not_trust"].all()
    trusted = table[~table["do_not_trust"]]
    assert set(trusted["trust_reasons"]) == {""}


def test_a_run_that_cannot_decide_is_unsure_and_one_that_can_is_not(tmp_path, galaxies):
    undecided = classifier_run(tmp_path / "undecided", sure=0.0)
    table, _ = classify(undecided, galaxies, tmp_path / "a.ecsv")
    np.testing.assert_allclose(chances(table), 1 / 3, atol=1e-7)
    np.testing.assert_allclose(table["entropy"], 1.0, atol=1e-6)
    assert (np.asarray(table["trust_flags"]) & Doubt.UNSURE).all()
    sure = classifier_run(tmp_path / "sure", sure=4000.0)
    table, _ = classify(sure, galaxies, tmp_path / "b.ecsv")
    assert not (np.asarray(table["trust_flags"]) & Doubt.UNSURE).any()
    assert table["entropy"].max() < 0.1


def test_a_run_without_calibration_of_its_weights_is_not_to_be_trusted(tmp_path, galaxies):
    bare = classifier_run(tmp_path / "bare", calibrated=False)
    stale = classifier_run(tmp_path / "stale")
    checkpoint.save(stale, "best", STEP + 1, {"average": load_classifier(stale).model})
    for folder in (bare, stale):
        table, _ = classify(folder, galaxies, tmp_path / f"{folder.name}.fits")
        assert (np.asarray(table["trust_flags"]) & Doubt.UNCALIBRATED).all()
        assert np.isnan(table["outlier_distance"]).all()
        assert (table.meta["temperature"], table.meta["outlier_threshold"]) == ("none", "none")
        assert table["do_not_trust"].all()
    calibrated, _ = classify(classifier_run(tmp_path / "good"), galaxies, tmp_path / "good.fits")
    p, q = chances(table).astype(float) ** (1 / TEMPERATURE), chances(calibrated)
    np.testing.assert_allclose(p / p.sum(1, keepdims=True), q, atol=1e-5)


@pytest.mark.parametrize("ending", FORMATS)
def test_every_format_keeps_rows_units_descriptions_and_whose_answers_they_are(winding, galaxies, tmp_path, ending):
    table, (*_, told) = classify(winding, galaxies, tmp_path / f"out{ending}")
    twin, _ = classify(winding, galaxies, tmp_path / "twin.ecsv")
    assert table.colnames == twin.colnames
    for name in table.colnames:
        assert list(map(str, table[name])) == list(map(str, twin[name])), name
        assert table[name].description
    assert str(table["ra_deg"].unit) == "deg"
    assert table["do_not_trust"].dtype.kind == "b"
    assert table.meta == twin.meta | {"created_utc": table.meta["created_utc"]}
    assert table.meta["run"] == "winding"
    assert table.meta["step"] == STEP
    assert table.meta["temperature"] == TEMPERATURE
    assert len(table.meta["weights_sha256"]) == 64
    assert table.meta["trust_flags"][1].startswith("unsure: ")
    assert told.tally.galaxies == 10


def test_t_types_come_with_their_mean_and_spread(tmp_path, galaxies):
    t_types = classifier_run(tmp_path / "t_type", "t_type")
    table, _ = classify(t_types, galaxies, tmp_path / "out.parquet")
    names = [f"p_{number}" for number in range(-5, 11)]
    chance, numbers = chances(table, names).astype(float), np.arange(-5, 11)
    mean = chance @ numbers
    np.testing.assert_allclose(table["t_type"], mean, atol=1e-4)
    np.testing.assert_allclose(table["t_type_spread"], np.sqrt(chance @ numbers**2 - mean**2), atol=1e-3)
    assert list(table["class"]) == [str(number) for number in np.rint(mean).astype(int)]


def test_what_cannot_be_read_is_said_and_the_rest_done_whatever_its_size(winding, tmp_path):
    folder = pictures(tmp_path / "in", 3)
    Image.fromarray(np.full((45, 60), 30, np.uint8)).save(folder / "g50.png")
    (folder / "g99.png").write_bytes(b"no picture")
    (folder / "deeper").mkdir()
    Image.fromarray(framed(letter("S", np.random.default_rng(1)))).save(folder / "deeper" / "g00.png")
    table, found = classify(winding, [folder, folder / "deeper"], tmp_path / "out.ecsv")
    assert list(table["object_id"]) == ["g00", "g01", "g02", "g50"]
    said = " ".join(one.reason for one in found if isinstance(one, Unreadable))
    assert "g99.png" in said
    assert "one id a galaxy" in said


def test_a_galaxy_without_the_runs_bands_is_left_out(tmp_path, galaxies):
    folder = tmp_path / "gri"
    model = dataclasses.replace(SMALL, bands=("g", "r"))
    open_run(folder, ClassifyConfig(task="spiral", model=model))
    checkpoint.save(folder, "best", 1, {"average": Classifier(model, 2, nnx.Rngs(params=0))})
    found = list(predict_classes(folder, [galaxies], tmp_path / "out.ecsv"))
    assert {type(one) for one in found} == {Unreadable}
    assert "wanted g r" in found[0].reason
    assert not list(tmp_path.glob("out*"))
    assert run(["predict", str(folder), str(galaxies), "--out", str(tmp_path / "out.ecsv")]) == 1


KILLED = """
import os, signal, sys
from pathlib import Path
from flaxgal.predict_classes import ClassChoices, predict_classes
from flaxgal.row_by_row import Done
done = 0
run, galaxies, out = map(Path, sys.argv[1:])
for one in predict_classes(run, [galaxies], out, choices=ClassChoices(batch_size=2)):
    done += isinstance(one, Done)
    if done == 5:
        os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_call_goes_on_and_ends_with_the_same_table(winding, galaxies, tmp_path):
    out = tmp_path / "out.ecsv"
    killed = subprocess.run([sys.executable, "-c", KILLED, winding, galaxies, out], capture_output=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    assert [path.name for path in tmp_path.iterdir()] == ["out.ecsv.partial.jsonl"]
    table, found = classify(winding, galaxies, out, choices=ClassChoices(batch_size=2))
    assert [type(one) for one in found] == [Kept] * 5 + [Done] * 5 + [Told]
    straight, _ = classify(winding, galaxies, tmp_path / "straight.ecsv", choices=ClassChoices(batch_size=2))
    assert list(table["object_id"]) == list(straight["object_id"])
    np.testing.assert_allclose(chances(table), chances(straight), atol=1e-6)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.ecsv", "straight.ecsv"]


def test_a_call_that_was_stopped_is_not_gone_on_with_by_another_run(winding, galaxies, tmp_path):
    out = tmp_path / "out.ecsv"
    stopped = predict_classes(winding, [galaxies], out, choices=ClassChoices(batch_size=2))
    next(stopped)
    stopped.close()
    other = classifier_run(tmp_path / "other", seed=2)
    with pytest.raises(ValueError, match=r"partial.jsonl: holds rows that were made with run winding, now it is other"):
        list(predict_classes(other, [galaxies], out))
    _, found = classify(winding, galaxies, out, choices=ClassChoices(trust=TrustConfig(most_entropy=0.5)))
    assert isinstance(found[0], Kept)


def test_a_finished_table_is_kept_until_there_are_other_galaxies(winding, tmp_path):
    folder, out = pictures(tmp_path / "in", 4), tmp_path / "out.parquet"
    _, (*_, first) = classify(winding, folder, out)
    stamp = out.stat().st_mtime_ns
    _, (again,) = classify(winding, folder, out)
    assert again.was_there
    assert again.tally == first.tally
    assert out.stat().st_mtime_ns == stamp
    pictures(folder, 5)
    table, found = classify(winding, folder, out)
    assert len(table) == 5
    assert not found[-1].was_there


def test_a_table_of_another_run_and_a_file_that_is_none_are_not_written_over(winding, galaxies, tmp_path):
    out = tmp_path / "out.ecsv"
    classify(winding, galaxies, out)
    before = out.read_bytes()
    with pytest.raises(ValueError, match=r"out.ecsv: holds classes told with .*'orientations': 1.*choose another"):
        classify(winding, galaxies, out, choices=ClassChoices(orientations=8))
    twin = classifier_run(tmp_path / "twin" / "winding", seed=5)
    with pytest.raises(ValueError, match="weights_sha256"):
        classify(twin, galaxies, out)
    assert out.read_bytes() == before
    mine = tmp_path / "mine.ecsv"
    Table({"a": [1]}).write(mine)
    with pytest.raises(ValueError, match="no table that flaxgal predict wrote"):
        classify(winding, galaxies, mine)
    with pytest.raises(ValueError, match="is the catalogue itself"):
        classify(winding, galaxies, mine, catalogue=mine)
    assert list(Table.read(mine)["a"]) == [1]


def a_catalogue(path: Path) -> Table:
    """Three of the galaxies, the last first, one twice, and two that are not there; an id too long for a float."""
    table = Table(
        {
            "object_id": ["g03", "36411448540268123", "g01", "g01", "g00", ""],
            "count": MaskedColumn([1, 2, 3, 4, 5, -99], mask=[0, 1, 0, 0, 0, 0]),
            "class": ["star", "é", "", "b", "c", "d"],
            "z": np.array([0.1, np.nan, -99, 0.4, 0.5, 0.6], np.float32),
        }
    )
    table["z"].unit, table["z"].description = "km/s", "speed"
    table.meta.update({"run": "mine", "note": "kept"})
    table.write(path)
    return table


@pytest.mark.parametrize("ending", FORMATS)
def test_a_given_catalogue_loses_nothing_and_gets_the_classes_by_id(winding, galaxies, tmp_path, ending, monkeypatch):
    monkeypatch.setattr(class_catalogue, "PIECE", 3)  # one galaxy stands at the end of a piece and again in the next
    given, path = a_catalogue(tmp_path / "given.ecsv"), tmp_path / "given.ecsv"
    before = path.read_bytes()
    table, (*_, told) = classify(winding, galaxies, tmp_path / f"out{ending}", catalogue=path)
    alone, _ = classify(winding, galaxies, tmp_path / "alone.ecsv")
    assert path.read_bytes() == before
    tally = told.tally
    assert (tally.classified, tally.unmatched, tally.unclassified, tally.galaxies) == (10, 7, 2, 3)
    assert list(table["object_id"]) == list(given["object_id"])
    assert list(table["class"]) == list(given["class"])
    np.testing.assert_array_equal(table["z"], given["z"])
    assert (str(table["z"].unit), table["z"].description) == ("km / s", "speed")
    np.testing.assert_array_equal(table["count"], [1, np.nan, 3, 4, 5, -99])
    assert table.meta["note"] == "kept"
    assert table.meta["catalogue_1_run"] == "mine"
    answers = {row["object_id"]: row for row in alone}
    for row in table:
        mine = answers.get(row["object_id"])
        if mine is None:
            assert np.isnan(row["winding_p_S"])
            assert row["winding_class"] == ""
            assert row["winding_trust_flags"] == Doubt.UNCLASSIFIED
            assert row["winding_do_not_trust"]
        else:
            names = set(alone.colnames) - {"object_id", "survey", "ra_deg", "dec_deg"}
            assert {str(row[f"winding_{name}"]) == str(mine[name]) for name in names} == {True}
    (kept,) = predict_classes(winding, [galaxies], tmp_path / f"out{ending}", catalogue=path)
    assert kept.was_there
    assert kept.tally == told.tally


def test_a_catalogue_that_has_classes_of_a_run_gets_those_of_another_beside_them(winding, galaxies, tmp_path):
    first, _ = classify(winding, galaxies, tmp_path / "first.fits")
    spirals = classifier_run(tmp_path / "spiral", "spiral")
    both, _ = classify(spirals, galaxies, tmp_path / "both.fits", catalogue=tmp_path / "first.fits")
    np.testing.assert_array_equal(both["p_Z"], first["p_Z"])
    assert both.meta["catalogue_1_run"] == "winding"
    assert set(both["spiral_class"]) <= {"spiral", "not spiral"}
    third, _ = classify(spirals, galaxies, tmp_path / "third.fits", catalogue=tmp_path / "both.fits")
    np.testing.assert_array_equal(third["spiral_2_p_spiral"], both["spiral_p_spiral"])


def test_columns_that_no_table_of_ours_can_hold_are_refused_before_the_work(winding, galaxies, tmp_path):
    path = tmp_path / "given.fits"
    Table({"object_id": ["g00"], "fluxes": [[1.0, 2.0]]}).write(path)
    with pytest.raises(ValueError, match=r"given.fits: column fluxes holds neither numbers nor text, one a row"):
        list(predict_classes(winding, [galaxies], tmp_path / "out.ecsv", catalogue=path))
    assert not (tmp_path / "out.ecsv").exists()


def test_which_classes_are_spirals_follows_from_the_schema():
    assert {name: spiral_classes(schema) for name, schema in SCHEMAS.items()} == {
        "morphology": ("Sp",),
        "spiral": ("spiral",),
        "winding": ("S", "Z"),
        "t_type": tuple(map(str, range(1, 10))),
    }


@pytest.mark.parametrize("task", SCHEMAS)
def test_spirals_are_chosen_by_class_or_by_probability(task, galaxies, tmp_path):
    folder = classifier_run(tmp_path / task, task, seed=3)
    table, _ = classify(folder, galaxies, tmp_path / "out.ecsv")
    schema = SCHEMAS[task]
    by_class = spirals_in(tmp_path / "out.ecsv", schema, least_probability=None)
    of_spirals = np.isin(table["class"], spiral_classes(schema))
    assert by_class == set(table["object_id"][of_spirals])
    names = [f"p_{name}" for name in spiral_classes(schema)]
    chance = chances(table, names).sum(axis=1)
    middle = float(np.median(chance))
    by_chance = spirals_in(tmp_path / "out.ecsv", schema, least_probability=middle)
    assert by_chance == set(table["object_id"][chance.astype(float) >= middle])
    assert 0 < len(by_chance) < 10


def files_in(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_one_command_goes_from_a_catalogue_to_the_masks_of_its_spirals(winding, arms, galaxies, tmp_path, capsys):
    a_catalogue(tmp_path / "given.ecsv")
    out, maps = tmp_path / "classes.parquet", tmp_path / "maps"
    command = ["predict", str(winding), str(galaxies), "--out", str(out), "--catalogue", str(tmp_path / "given.ecsv")]
    command += ["--then-segment", str(arms), "--maps", str(maps), "--least-probability", "0.2", "--orientations", "2"]
    assert run(command) == 0
    said = capsys.readouterr()
    table = read_whole(out)
    chance = chances(table, ("winding_p_S", "winding_p_Z")).sum(axis=1)
    spirals = sorted(set(table["object_id"][chance >= 0.2]))
    assert f"{len(spirals)} spirals segmented: {maps}" in said.out
    assert f"10 galaxies classified, 3 of them in {tmp_path / 'given.ecsv'} (" in said.out
    assert "7 classified galaxies have no row in" in said.err
    assert "2 galaxies of" in said.err
    only = [galaxies / f"{name}.png" for name in spirals]
    list(predict(arms, only, tmp_path / "direct", config=PredictConfig(orientations=2)))
    assert spirals
    assert [path.name for path in find_predictions(maps)] == [f"{name}.arms.fits" for name in spirals]
    for path in find_predictions(maps):
        mine, theirs = (np.asarray(_maps(folder / path.name)) for folder in (maps, tmp_path / "direct"))
        np.testing.assert_allclose(mine, theirs, atol=1e-6)
    before = files_in(maps)
    find_predictions(maps)[0].unlink()
    assert run(command) == 0
    again = capsys.readouterr()
    assert "10 galaxies classified, 10 there already, 3 of them in" in again.out
    assert again.err == said.err
    assert f"1 spirals segmented{f', {len(spirals) - 1} there already' if len(spirals) > 1 else ''}" in again.out
    assert files_in(maps).keys() == before.keys()


def _maps(path: Path) -> np.ndarray:
    from flaxgal.survey.prediction import read_prediction

    return read_prediction(path).probability


def test_no_spirals_is_no_mistake(arms, galaxies, tmp_path, capsys):
    folder = classifier_run(tmp_path / "spiral", "spiral")
    command = ["predict", str(folder), str(galaxies), "--out", str(tmp_path / "out.ecsv"), "--then-segment", str(arms)]
    assert run([*command, "--maps", str(tmp_path / "maps"), "--least-probability", "1"]) == 0
    said = capsys.readouterr().err
    assert f"none of the 10 galaxies with a class in {tmp_path / 'out.ecsv'} is a spiral: nothing to segment" in said


def test_maps_of_galaxies_that_are_no_longer_spirals_are_kept_and_counted(winding, arms, galaxies, tmp_path, capsys):
    maps = tmp_path / "maps"
    command = ["predict", str(winding), str(galaxies), "--out", str(tmp_path / "out.ecsv"), "--maps", str(maps)]
    command += ["--then-segment", str(arms), "--least-probability"]
    assert run([*command, "0"]) == 0
    assert "also holds" not in capsys.readouterr().err
    table = read_whole(tmp_path / "out.ecsv")
    chance = chances(table, ("p_S", "p_Z")).sum(axis=1)
    least = float(np.sort(chance)[3:5].mean())
    fewer = sorted(table["object_id"][chance < least])
    assert run([*command, str(least)]) == 0
    said = capsys.readouterr().err
    assert (
        f"{maps} also holds 4 maps of galaxies that are not among the spirals chosen now, such as {fewer[0]}." in said
    )
    assert "delete them, or give an empty folder as --maps" in said
    assert run([*command, "1"]) == 0
    assert f"{maps} also holds 10 maps" in capsys.readouterr().err
    assert len(find_predictions(maps)) == 10


def test_which_way_a_spiral_winds_is_not_told_of_pictures_that_may_be_upside_down(winding, tmp_path):
    picture, mask = letter("S", np.random.default_rng(0)), np.zeros((16, 16, 1), np.float32)
    example = example_from_arrays(picture, mask, object_id="a", image_size=16)
    masks = build_snapshot([example], tmp_path / "sets", bands=("grey",), classes=("arm",), image_size=16)
    with pytest.raises(ValueError, match=r"a snapshot of masks, .*: winding cannot be told from it"):
        list(predict_classes(winding, [masks], tmp_path / "out.ecsv"))
    spirals = classifier_run(tmp_path / "spiral", "spiral")
    table, _ = classify(spirals, masks, tmp_path / "out.ecsv")
    assert list(table["object_id"]) == ["a"]


MISTAKES = {
    "a run on arms first": (
        ["ARMS", "--catalogue", "x.csv", "--crop", "0.5"],
        "finds arms, and --catalogue, --crop are",
    ),
    "a classifier to segment": (["WINDING", "--then-segment", "WINDING", "--maps", "m"], "finds no arms"),
    "no maps": (["WINDING", "--then-segment", "ARMS"], "--then-segment RUN and --maps FOLDER go together"),
    "maps alone": (["WINDING", "--maps", "m"], "--then-segment RUN and --maps FOLDER go together"),
    "options of maps": (["WINDING", "--threshold", "0.4", "--native"], "--threshold, --native: of maps"),
    "least alone": (["WINDING", "--least-probability", "0.4"], "--least-probability: of maps"),
    "least too much": (["WINDING", "--least-probability", "4"], "least_probability is 4; wanted a probability"),
    "dask too": (["WINDING", "--then-segment", "ARMS", "--maps", "m", "--dask", "tcp://x:1"], "do not go together"),
    "crop": (["WINDING", "--crop", "3"], "crop is 3; wanted the share"),
    "entropy": (["WINDING", "--most-entropy", "3"], "most_entropy is 3.0: give a number from 0 to 1"),
    "sureness": (["WINDING", "--least-sure", "60"], "least_sure is 60.0: give a probability from 0 to 1"),
    "spread": (["WINDING", "--most-spread", "-1"], "most_spread is -1.0: give 0 T-types or more"),
    "limits to a run on arms": (["ARMS", "--least-sure", "0.5"], "finds arms, and --least-sure are"),
    "a catalogue without ids": (["WINDING", "--catalogue", "noids.csv"], "noids.csv: no column of ids among z, w"),
    "no such id column": (["WINDING", "--catalogue", "noids.csv", "--id-column", "q"], "noids.csv: no column q among"),
    "an id column of no catalogue": (
        ["WINDING", "--id-column", "q"],
        "--id-column names a catalogue's column of ids: give it by --catalogue, or leave this out",
    ),
    "no catalogue": (["WINDING", "--catalogue", "none.csv"], "none.csv: no such file"),
    "a catalogue of others": (
        ["WINDING", "--catalogue", "others.csv"],
        "others.csv: has none of the galaxies: its ids are like M 31 or M 51, those of the images like g00 or g01; ",
    ),
    "a catalogue of no ids": (["WINDING", "--catalogue", "empty.csv"], "of the galaxies: it has no ids, those of"),
    "no table's name": (["WINDING", "--out", "classes.txt"], "classes.txt: a catalogue's name ends in"),
    "a folder": (["WINDING", "--out", "folder.ecsv"], "folder.ecsv: found a folder; wanted the name of a table"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_answered_by_one_sentence_before_any_work(
    mistake, winding, arms, galaxies, tmp_path, capsys, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    Path("noids.csv").write_text("z,w\n0.1,0.2\n")
    Path("others.csv").write_text("object_id,z\nM 51,0.1\nM 31,0.2\nNGC 1,0.3\n")
    Path("empty.csv").write_text('object_id,z\n"",0.1\n')
    Path("folder.ecsv").mkdir()
    words, sentence = MISTAKES[mistake]
    named = {"ARMS": str(arms), "WINDING": str(winding)}
    first, *rest = [named.get(word, word) for word in words]
    out = [] if "--out" in rest else ["--out", "out.ecsv"]
    assert run(["predict", first, str(galaxies), *out, *rest]) == 2
    said = capsys.readouterr().err.strip()
    assert sentence in said
    assert "\n" not in said
    assert not Path("out.ecsv").exists()


def test_a_row_comes_back_from_json_and_half_of_one_is_refused():
    row = ClassRow("é\n", "HSC", 0.1 + 0.2, math.nan, (1 / 3, 2 / 3), 5e-324)
    assert repr(ClassRow.from_json(row.to_json())) == repr(row)
    for content in ("", "{", "3", "{}", json.dumps({"object_id": "a"}), row.to_json()[:-3]):
        with pytest.raises(ValueError):  # noqa: PT011 - json has words of its own for some of them
            ClassRow.from_json(content)


def test_a_network_that_answers_no_number_is_named(tmp_path, galaxies):
    folder = classifier_run(tmp_path / "astray", sure=math.nan, calibrated=False)
    with pytest.raises(ValueError, match="run astray: answers with no number to galaxies such as g00"):
        list(predict_classes(folder, [galaxies], tmp_path / "out.ecsv"))
