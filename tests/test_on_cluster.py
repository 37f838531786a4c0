"""On a Dask cluster the same galaxies give the same rows and the same maps as in one process."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table
from flax import nnx
from measured import a_galaxy, counted, predict_for, same_tables

from flaxgal import checkpoint
from flaxgal.cli import run
from flaxgal.config import ClassifierConfig, ClassifyConfig, TrainConfig, UNetConfig, to_json
from flaxgal.distribute import on_cluster
from flaxgal.measuring import measure
from flaxgal.models.classifier import Classifier
from flaxgal.models.unet import UNet
from flaxgal.predict import predict
from flaxgal.runlog import open_run
from flaxgal.survey.cutout import write_cutout
from flaxgal.survey.prediction import find_predictions, read_prediction

distributed = pytest.importorskip("distributed")
pytestmark = [pytest.mark.long, pytest.mark.filterwarnings("ignore:::(distributed|tornado)")]


@pytest.fixture(scope="module")
def cluster():
    """Two worker processes on this machine."""
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as local:
        yield local.scheduler_address


def a_run(folder: Path) -> Path:
    """A run folder as training leaves it."""
    model = UNetConfig(image_size=16, widths=(4, 8), blocks=(1,), dropout=(0.0,))
    folder.mkdir()
    (folder / "config.json").write_text(to_json(TrainConfig(name="tiny", model=model)))
    checkpoint.save(folder.absolute(), "best", 7, {"average": UNet(model, nnx.Rngs(params=3))})
    return folder


def galaxies(folder: Path, number: int = 20) -> Path:
    for one in range(number):
        write_cutout(a_galaxy(one), folder / f"{one:03d}.fits")
    (folder / "zz.fits").write_bytes(b"SIMPLE  = damaged")
    write_cutout(a_galaxy(0), folder / "zzz.fits")  # an id for the second time
    return folder


def test_measuring_on_a_cluster_gives_the_rows_of_one_process(cluster, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    images = galaxies(Path("images"))
    for one in range(20):
        predict_for(a_galaxy(one), Path("maps"))
    here = list(measure([images], Path("maps"), [Path("here.parquet")], workers=1))
    there = list(measure([images], Path("maps"), [Path("there.parquet")], dask=cluster))
    assert counted(here) == counted(there) == {"Done": 20, "Unreadable": 2, "Written": 1}
    assert same_tables(Path("here.parquet"), Path("there.parquet"))
    assert same_tables(Path("here-arms.parquet"), Path("there-arms.parquet"))


def test_segmenting_on_a_cluster_gives_the_maps_of_one_process(cluster, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    images, toy = galaxies(Path("images")), a_run(Path("run"))
    here = list(predict(toy, [images], Path("here")))
    command = ["predict", str(toy), str(images), "--out", "there", "--dask", cluster, "--batch-size", "5"]
    assert run(command) == 0
    said = capsys.readouterr()
    assert "20 galaxies segmented" in said.out
    assert "2 left out" in said.err
    assert counted(here) == {"Predicted": 20, "Unreadable": 2}
    for one, other in zip(find_predictions("here"), find_predictions("there"), strict=True):
        assert one.name == other.name
        np.testing.assert_array_equal(read_prediction(one).probability, read_prediction(other).probability)
    assert run(command) == 0
    assert "20 there already" in capsys.readouterr().out


def test_classifying_on_a_cluster_gives_the_table_of_one_process(cluster, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    images = galaxies(Path("images"))
    config = ClassifyConfig(
        task="winding", model=ClassifierConfig(image_size=16, widths=(4, 8), blocks=(1,), dropout=(0.0,))
    )
    open_run(Path("run"), config)
    model = Classifier(config.model, 3, nnx.Rngs(params=3))
    model.head.kernel[...] = np.random.default_rng(0).normal(size=(8, 3)).astype(np.float32)
    checkpoint.save(Path("run").absolute(), "best", 7, {"average": model})
    command = ["predict", "run", "images", "--batch-size", "5", "--orientations", "2", "--out"]
    assert run([*command, "here.ecsv"]) == 0
    assert run([*command, "there.ecsv", "--dask", cluster]) == 0
    assert "20 galaxies classified" in capsys.readouterr().out
    here, there = Table.read("here.ecsv"), Table.read("there.ecsv")
    assert here.colnames == there.colnames
    assert all(str(here[name].tolist()) == str(there[name].tolist()) for name in here.colnames)
    assert list(images.parent.glob("*.partial.jsonl")) == []


def test_a_folder_that_the_workers_do_not_see_is_said_before_any_work(cluster, tmp_path):
    with pytest.raises(ValueError, match=r"sees no .*nowhere; wanted a disk that all machines share"):
        list(on_cluster(len, [[1]], address=cluster, folders=[tmp_path / "nowhere"]))


def test_a_cluster_whose_workers_are_gone_ends_the_call_with_a_sentence(monkeypatch):
    monkeypatch.setattr("flaxgal.distribute.PATIENCE_S", 5)
    monkeypatch.setattr("flaxgal.distribute.WITHOUT_WORKERS_S", 5)
    with distributed.LocalCluster(n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None) as local:
        done = on_cluster(int, map(str, range(20)), address=local.scheduler_address)
        assert next(done) == 0
        local.scale(0)
        with pytest.raises(ValueError, match="all workers of the cluster are gone; start new ones"):
            list(done)
        with pytest.raises(ValueError, match="the cluster has no workers; start some with dask worker"):
            list(on_cluster(int, ["1"], address=local.scheduler_address))


def test_a_mistake_of_the_task_comes_back_as_it_is(cluster):
    assert list(on_cluster(int, ["3", "4"], address=cluster)) == [3, 4]
    with pytest.raises(ValueError, match="invalid literal for int"):
        list(on_cluster(int, ["3", "x"], address=cluster))
