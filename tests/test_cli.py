"""The command line as a user meets it: what it says, what it exits with, and the whole way from pictures to a table."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table
from PIL import Image

from flaxgal.cli import run
from flaxgal.measure.catalogue import read_catalogue
from flaxgal.survey.cutout import Cutout, write_cutout

TINY = ["--model.image-size", "16", "--model.widths", "4", "8", "--model.blocks", "1", "--model.dropout", "0.0"]
COMMANDS = [
    "demo",
    "mock",
    "store add",
    "store import",
    "store status",
    "store agreement",
    "store verify",
    "store merge",
    "store bundle",
    "store reindex",
    "build",
    "train",
    "evaluate",
    "predict",
    "measure",
    "rank",
    "annotate",
    "retrain",
]


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_every_command_shows_an_example(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        run([*command.split(), "--help"])
    assert end.value.code == 0
    assert f"Example: flaxgal {command}" in " ".join(capsys.readouterr().out.split())


def pictures(folder: Path, number: int = 40) -> tuple[Path, Path]:
    """Images of a bright bar on noise, with the bar as the mask: something that a tiny network can learn."""
    rng = np.random.default_rng(0)
    images, masks = folder / "images", folder / "masks"
    images.mkdir()
    masks.mkdir()
    for k in range(number):
        row = rng.integers(2, 14)
        mask = np.zeros((16, 16), np.uint8)
        mask[row - 1 : row + 1, 3:13] = 255
        image = np.clip(mask * 0.6 + rng.normal(30, 10, (16, 16)), 0, 255).astype(np.uint8)
        Image.fromarray(image).save(images / f"galaxy-{k:02d}.png")
        Image.fromarray(mask).save(masks / f"galaxy-{k:02d}.png")
    return images, masks


def test_pictures_and_masks_become_a_store_a_snapshot_a_run_maps_and_a_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images, masks = pictures(tmp_path)
    store, run_folder = tmp_path / "labels", tmp_path / "run"
    assert run(["store", "import", str(store), "--images", str(images), "--masks", str(masks)]) == 0
    assert "40 pairs imported" in capsys.readouterr().out
    assert run(["store", "status", str(store)]) == 0
    assert "40" in capsys.readouterr().out

    assert run(["build", str(store), "--out", str(tmp_path / "sets"), "--image-size", "16"]) == 0
    snapshot = capsys.readouterr().out.strip()
    assert snapshot == str(tmp_path / "sets" / "spiral_arms" / "1.0.0")

    train = ["train", "--run", str(run_folder), "--data.snapshots", snapshot, "--data.batch-size", "8", *TINY]
    assert run([*train, "--steps", "6", "--evaluate-every", "3"]) == 0
    assert (run_folder / "figures" / "learning_curves.png").exists()
    capsys.readouterr()

    assert run(["evaluate", str(run_folder), snapshot]) == 0
    assert "Dice" in capsys.readouterr().out

    maps, table = tmp_path / "maps", tmp_path / "arms"
    assert run(["predict", str(run_folder), str(images), "--out", str(maps)]) == 0
    assert run(["measure", str(images), "--masks", str(maps), "--out", str(table)]) == 0
    ecsv, parquet = read_catalogue(table.with_suffix(".ecsv")), read_catalogue(table.with_suffix(".parquet"))
    assert list(ecsv["object_id"]) == list(parquet["object_id"]) == [f"galaxy-{k:02d}" for k in range(40)]
    assert np.isfinite(ecsv["flux_ratio_gamma22"]).all()
    assert "flux_ratio_grey" not in ecsv.colnames  # a picture has no linear flux


def test_a_batch_goes_on_past_bad_files_and_fails_only_if_nothing_worked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    light = np.random.default_rng(0).normal(5, 1, (1, 16, 16)).astype(np.float32)
    write_cutout(Cutout(object_id="good", flux=light, bands=("i",), unit="nJy", survey="HSC"), tmp_path / "good.fits")
    (tmp_path / "bad.fits").write_bytes(b"this is no FITS file")
    assert run(["store", "add", str(tmp_path / "labels"), str(tmp_path / "good.fits"), str(tmp_path / "bad.fits")]) == 0
    said = capsys.readouterr()
    assert "1 galaxies added" in said.out
    assert "bad.fits" in said.err
    assert run(["store", "add", str(tmp_path / "labels2"), str(tmp_path / "bad.fits")]) == 1


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["predict", "no-run", "x.png", "--out", "maps"], "no-run"),
        (["build", "no-store", "--out", "sets"], "no-store"),
        (["train", "--data.snapshots", "no-snapshot", "--run", "r"], "no-snapshot"),
        (["train", "no-experiment.py"], "no-experiment.py"),
        (["measure", "x.png", "--masks", "no-maps"], "no-maps"),
        (["evaluate", "no-run", "no-snapshot"], "no-run"),
    ],
)
def test_a_mistake_is_answered_by_one_sentence_that_names_it(
    arguments: list[str],
    named: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(arguments) == 2
    said = capsys.readouterr().err.strip()
    assert said.startswith("flaxgal: ")
    assert named in said
    assert "Traceback" not in said
    assert "\n" not in said


def test_an_experiment_file_is_the_default_and_the_command_line_overrides_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine.py").write_text(
        "from flaxgal.config import TrainConfig\nconfig = TrainConfig(name='mine', steps=123, seed=9)\n"
    )
    with pytest.raises(SystemExit):
        run(["train", str(tmp_path / "mine.py"), "--help"])
    shown = " ".join(capsys.readouterr().out.split())
    assert "--steps INT" in shown
    assert "(default: 123)" in shown
    (tmp_path / "wrong.py").write_text("config = 3\n")
    assert run(["train", str(tmp_path / "wrong.py")]) == 2


def test_mock_cutouts_are_of_the_population_that_is_asked_for_and_alone_in_their_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    of_spirals = ["--mock.class-fractions", "0", "0", "1", "--mock.image-size", "32", "--number", "12"]
    mock = ["mock", str(tmp_path / "m"), "--form", "cutouts", *of_spirals]
    assert run(mock) == run([*mock, "--task", "classes", "--no-balanced"]) == 0  # again, in the same place
    assert set(Table.read(tmp_path / "m" / "truth.ecsv")["kind"]) == {"Sp"}
    assert run([*mock, "--task", "classes"]) == 0
    assert set(Table.read(tmp_path / "m" / "truth.ecsv")["kind"]) == {"E", "S0", "Sp"}
    capsys.readouterr()
    assert run([*mock, "--seed", "1"]) == 2
    assert "m: holds 12 other cutouts, such as mock-0-000000.fits; name a new folder" in capsys.readouterr().err
    assert len(list((tmp_path / "m").glob("*.fits"))) == 12
    assert run([*mock, "--bands", "g", "--classes", "arm", "bar"]) == 2
    assert "--bands, --classes: of snapshots only" in capsys.readouterr().err


def test_nothing_but_results_is_printed_in_a_pipe(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "flaxgal", "mock", str(tmp_path / "m"), "--number", "3", "--form", "cutouts"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(tmp_path / "m")
    assert done.stderr == ""
    assert len(list((tmp_path / "m").glob("mock-*.fits"))) == 3
