"""Cutouts and predictions become napari layers through the plugin's manifest; no napari and no Qt needed."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from npe2 import PluginManager, PluginManifest, io_utils

import napari_flaxgal
from flaxgal.survey.cutout import Cutout, write_cutout
from flaxgal.survey.prediction import Prediction, write_prediction

MANIFEST = Path(napari_flaxgal.__file__).with_name("napari.yaml")


@pytest.fixture
def plugin(monkeypatch):
    """A plugin manager that knows flaxgal and nothing else."""
    manager = PluginManager()
    manager.register(PluginManifest.from_file(MANIFEST))
    monkeypatch.setattr(PluginManager, "instance", lambda: manager)
    return manager


@pytest.fixture
def galaxy():
    """Three bands in nJy; the brightest pixel is at y 3, x 9, near the bottom of the sky."""
    flux = np.random.default_rng(0).normal(0, 1, (3, 24, 32)).astype(np.float32)
    flux[:, 3, 9] = 500
    return Cutout(object_id="galaxy 1", flux=flux, bands=("g", "r", "i"), unit="nJy", pixel_scale_arcsec=0.168)


def read(path, plugin):
    return io_utils._read([str(path)], stack=False, plugin_name="flaxgal", _pm=plugin)


def test_the_manifest_is_valid():
    subprocess.run([sys.executable, "-m", "npe2", "validate", str(MANIFEST)], check=True, capture_output=True)


def test_the_installed_distribution_offers_the_manifest():
    assert PluginManifest.from_distribution("flaxgal").contributions.readers


def test_a_fits_cutout_opens_as_a_colour_picture_over_its_bands(plugin, galaxy, tmp_path):
    write_cutout(galaxy, tmp_path / "galaxy.fits")
    *bands, (picture, options, kind) = read(tmp_path / "galaxy.fits", plugin)
    assert [layer[1]["name"] for layer in bands] == [f"galaxy 1 {band} (nJy)" for band in "gri"]
    assert not any(layer[1]["visible"] for layer in bands)
    np.testing.assert_array_equal([layer[0] for layer in bands], galaxy.flux)
    assert (picture.shape, picture.dtype, kind) == ((24, 32, 3), np.uint8, "image")
    assert options["rgb"]
    assert options["metadata"]["cutout"].object_id == "galaxy 1"


def test_fits_rows_are_shown_from_the_bottom_up_and_keep_their_order(plugin, galaxy, tmp_path):
    write_cutout(galaxy, tmp_path / "galaxy.fits")
    layers = read(tmp_path / "galaxy.fits", plugin)
    assert {layer[1]["scale"] for layer in layers} == {(-1.0, 1.0)}
    assert np.unravel_index(layers[-1][0].sum(-1).argmax(), (24, 32)) == (3, 9)


def test_a_band_is_shown_from_below_its_sky_to_well_above_it(plugin, galaxy, tmp_path):
    write_cutout(galaxy, tmp_path / "galaxy.fits")
    low, high = read(tmp_path / "galaxy.fits", plugin)[0][1]["contrast_limits"]
    assert -4 < low < -1
    assert 20 < high < 40


def test_an_8_bit_picture_opens_as_it_is_from_the_top_down(plugin, tmp_path):
    from PIL import Image

    pixels = np.arange(24 * 32, dtype=np.uint16).reshape(24, 32) % 251
    Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / "spiral.png")
    [(picture, options, kind)] = read(tmp_path / "spiral.png", plugin)
    np.testing.assert_array_equal(picture, pixels)
    assert (options["name"], options["scale"], options["rgb"], kind) == ("spiral", (1.0, 1.0), False, "image")


def test_a_prediction_opens_as_probability_and_class_map(plugin, tmp_path):
    probability = np.zeros((2, 24, 32), np.float32)
    probability[0, 3:6, 9] = 0.9
    probability[1, 8, 9] = 0.8
    prediction = Prediction("galaxy 1", "HSC", probability, ("arm", "bar"), 0.5, "runs/arms")
    path = write_prediction(prediction, tmp_path)
    *maps, (classes, options, kind) = read(path, plugin)
    np.testing.assert_array_equal([layer[0] for layer in maps], probability)
    assert kind == "labels"
    assert np.bincount(classes.ravel()).tolist() == [24 * 32 - 4, 3, 1]
    assert options["metadata"]["prediction"].run == "runs/arms"


@pytest.mark.parametrize("first_row", ["bottom", "top"])
def test_a_prediction_lies_on_its_galaxy_also_without_a_wcs(plugin, galaxy, tmp_path, first_row):
    galaxy = replace(galaxy, first_row=first_row)
    assert galaxy.wcs is None
    write_cutout(galaxy, tmp_path / "galaxy.fits")
    probability = np.zeros((1, 24, 32), np.float32)
    prediction = Prediction("galaxy 1", "", probability, ("arm",), 0.5, "runs/arms", first_row=galaxy.first_row)
    path = write_prediction(prediction, tmp_path)
    layers = [*read(tmp_path / "galaxy.fits", plugin), *read(path, plugin)]
    assert {layer[1]["scale"] for layer in layers} == {(-1.0, 1.0) if first_row == "bottom" else (1.0, 1.0)}


def test_a_file_without_an_image_is_refused_with_its_name(plugin, tmp_path):
    (tmp_path / "notes.fits").write_text("no FITS")
    with pytest.raises(ValueError, match=r"notes\.fits"):
        read(tmp_path / "notes.fits", plugin)


def test_the_plugin_imports_neither_napari_nor_qt_nor_jax():
    code = "import napari_flaxgal.reader, sys; print(*{name.partition('.')[0] for name in sys.modules})"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"napari", "qtpy", "PySide6", "PyQt6", "jax", "flax"} & set(loaded)
