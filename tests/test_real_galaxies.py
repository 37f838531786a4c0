"""Real images go the whole way: predict and measure, from the files as their surveys give them."""

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS
from flax import nnx

from flaxgal import checkpoint
from flaxgal.cli import run
from flaxgal.config import TrainConfig, UNetConfig, to_json
from flaxgal.measure.catalogue import read_catalogue
from flaxgal.models.unet import UNet
from flaxgal.survey.prediction import find_predictions, read_prediction


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained network in a run folder: where the arms are does not matter here, that the way is open does."""
    config = TrainConfig(model=UNetConfig(widths=(4, 8), blocks=(1,), dropout=(0.0,)), threshold=0.07)
    folder = tmp_path_factory.mktemp("runs") / "real"
    folder.mkdir()
    (folder / "config.json").write_text(to_json(config))
    checkpoint.save(folder, "best", 1, {"average": UNet(config.model, nnx.Rngs(params=0))})
    return folder


def table_of(run_folder: Path, inputs: list[Path], out: Path):
    """The catalogue of some files, and their predictions by id."""
    named = [str(path) for path in inputs]
    assert run(["predict", str(run_folder), *named, "--out", str(out / "maps")]) == 0
    assert run(["measure", *named, "--masks", str(out / "maps"), "--out", str(out / "arms.ecsv")]) == 0
    predictions = [read_prediction(path) for path in find_predictions(out / "maps")]
    return read_catalogue(out / "arms.ecsv"), {prediction.object_id: prediction for prediction in predictions}


def test_an_hsc_coadd_keeps_its_wcs_and_gets_calibrated_errors(
    real_data: Path, run_folder: Path, tmp_path: Path
) -> None:
    (path,) = (real_data / "hsc").glob("cutout-HSC-R-*.fits")
    table, predictions = table_of(run_folder, [path], tmp_path)
    (prediction,) = predictions.values()
    with fits.open(path) as hdus:
        wcs, shape = WCS(hdus[1].header), hdus[1].data.shape
    assert prediction.image_shape == shape
    for pixel in ((0.0, 0.0), (200.0, 300.0)):
        ours, theirs = prediction.wcs.pixel_to_world(*pixel), wcs.pixel_to_world(*pixel)
        assert ours.separation(theirs).arcsec < 0.0168  # a tenth of a pixel
    assert table["unit"][0] == "nJy"
    assert table["total_flux_error_r"][0] > 0


def test_three_bands_of_one_galaxy_become_one_row(real_data: Path, run_folder: Path, tmp_path: Path) -> None:
    table, _ = table_of(run_folder, [real_data / "hsc" / f"{band}-band.fits" for band in "gri"], tmp_path)
    assert len(table) == 1
    for band in "gri":
        assert table[f"total_flux_{band}"][0] > 0
        assert np.isnan(table[f"flux_ratio_error_{band}"][0]) or table[f"flux_ratio_error_{band}"][0] > 0


def test_sdss_spirals_and_decals_cubes_are_measured_or_flagged(
    real_data: Path, run_folder: Path, tmp_path: Path
) -> None:
    sdss = sorted((real_data / "sdss_spirals" / "sdss_fits").glob("*.fits"))
    decals = sorted((real_data / "decals").glob("example_*.fits"))
    table, predictions = table_of(run_folder, [*sdss, *decals], tmp_path)
    assert len(table) == len(predictions) == len(sdss) + len(decals)
    ratios = [name for name in table.colnames if name.startswith("flux_ratio_") and "error" not in name]
    measured = np.any([np.isfinite(np.asarray(table[name], float)) for name in ratios], axis=0)
    assert (measured | (np.asarray(table["flags"]) != 0)).all()
    assert measured.mean() > 0.8


def test_pictures_give_the_gamma_estimate_and_nothing_linear(real_data: Path, run_folder: Path, tmp_path: Path) -> None:
    table, _ = table_of(run_folder, [real_data / "panels" / "images"], tmp_path)
    assert len(table) == len(list((real_data / "panels" / "images").glob("*.png")))
    assert np.isfinite(table["flux_ratio_gamma22"]).all()
    assert not [name for name in table.colnames if name.startswith("total_flux")]


def test_the_panels_are_imported_built_and_scored(real_data: Path, run_folder: Path, tmp_path: Path) -> None:
    panels, store = real_data / "panels", tmp_path / "labels"
    imported = ["--images", str(panels / "images"), "--masks", str(panels / "masks"), "--annotator", "panels"]
    assert run(["store", "import", str(store), *imported]) == 0
    assert run(["build", str(store), "--out", str(tmp_path / "sets")]) == 0
    assert run(["evaluate", str(run_folder), str(tmp_path / "sets" / "spiral_arms"), "--split", "train"]) == 0
    assert list((run_folder / "figures").glob("spiral_arms-1.0.0-*-train.png"))
