"""A model's guess in the plugin: the same maps as `flaxgal predict`, ready when the key is pressed, with outlines."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from flax import nnx

from flaxgal import checkpoint
from flaxgal.checkpoint import load_run
from flaxgal.config import PredictConfig, TrainConfig, UNetConfig, to_json
from flaxgal.models.unet import UNet, predict_batch
from flaxgal.predict import predict_cutouts
from flaxgal.survey.cutout import Cutout
from flaxgal.survey.prediction import Prediction
from napari_flaxgal.propose import Proposer, contours

SIZE = 16


def make_run(folder: Path, **choices) -> Path:
    model = UNetConfig(image_size=SIZE, widths=(4, 8), blocks=(1,), dropout=(0.0,), **choices)
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(to_json(TrainConfig(name="tiny", model=model, threshold=0.3)))
    checkpoint.save(folder, "best", 7, {"average": UNet(model, nnx.Rngs(params=3))})
    return folder


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("propose") / "tiny")


def galaxy(side: int = 40, bands: tuple[str, ...] = ("g", "i"), seed: int = 0) -> Cutout:
    y, x = np.mgrid[:side, :side] - side / 2
    light = 50 * np.exp(-np.hypot(x, y) / 5) + np.random.default_rng(seed).normal(size=(len(bands), side, side))
    return Cutout(object_id=f"galaxy {seed}", flux=light.astype(np.float32), bands=bands, unit="nJy")


def prediction_of(arm: np.ndarray, *, classes: tuple[str, ...] = ("arm",), threshold: float = 0.5) -> Prediction:
    return Prediction(
        object_id="a",
        survey="",
        probability=np.stack([arm] * len(classes)).astype(np.float32),
        classes=classes,
        threshold=threshold,
        run="run",
    )


@pytest.mark.parametrize("choices", [{}, {"native": True}, {"orientations": 4}])
def test_a_guess_is_what_flaxgal_predict_gives(run_folder, choices):
    proposer, cutout = Proposer.load(run_folder, **choices), galaxy()
    (expected,) = predict_cutouts(load_run(run_folder), [cutout], config=PredictConfig(**choices))
    found = proposer.propose(cutout)
    np.testing.assert_allclose(found.probability, expected.probability, atol=1e-6)
    assert found.image_shape == cutout.image_shape
    assert (found.run, found.threshold, found.cutout_sha256) == ("tiny", pytest.approx(0.3), cutout.sha256)


def test_a_proposer_says_which_run_it_is_and_what_it_marks(run_folder):
    proposer = Proposer.load(run_folder)
    assert (proposer.folder, proposer.name, proposer.threshold) == (run_folder, "tiny", pytest.approx(0.3))
    assert (proposer.classes, proposer.bands) == (("arm",), ("grey",))


@pytest.mark.parametrize("native", [False, True])
def test_after_warming_up_a_guess_compiles_nothing(run_folder, native):
    proposer = Proposer.load(run_folder, native=native)
    predict_batch.clear_cache()
    proposer.warm_up((40, 40))
    compiled = predict_batch._cache_size()
    assert compiled == 1
    for seed in range(3):
        proposer.propose(galaxy(seed=seed))
    assert predict_batch._cache_size() == compiled


def test_warming_up_works_for_a_run_with_bands_of_its_own(tmp_path):
    proposer = Proposer.load(make_run(tmp_path / "colours", bands=("g", "r", "i")))
    proposer.warm_up((20, 30))
    assert proposer.propose(galaxy(bands=("g", "r", "i"))).image_shape == (40, 40)


def test_a_galaxy_without_the_runs_bands_is_refused_in_words(tmp_path):
    proposer = Proposer.load(make_run(tmp_path / "colours", bands=("g", "r", "i")))
    with pytest.raises(ValueError, match="galaxy 0") as refusal:
        proposer.propose(galaxy(bands=("g", "i")))
    assert "r" in str(refusal.value)


def test_a_folder_without_a_run_is_refused_in_words(tmp_path):
    with pytest.raises(ValueError, match="not a run folder"):
        Proposer.load(tmp_path)


def test_jax_is_imported_when_a_run_is_loaded_and_not_before():
    said = "import sys, napari_flaxgal.propose; assert not {'jax', 'flax', 'qtpy', 'napari'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", said], check=True)


def test_the_outline_of_a_round_patch_runs_at_the_radius_where_the_probability_is_the_threshold():
    y, x = np.mgrid[:60, :60]
    falling = np.clip(1 - np.hypot(y - 30, x - 25) / 20, 0, 1)  # 0.5 at 10 pixels, 0.25 at 15
    for threshold, radius in ((0.5, 10), (0.25, 15)):
        (path,) = contours(prediction_of(falling), threshold)
        np.testing.assert_allclose(np.hypot(path[:, 0] - 30, path[:, 1] - 25), radius, atol=0.1)
    (own,) = contours(prediction_of(falling, threshold=0.25))
    np.testing.assert_array_equal(own, path)


def test_an_arm_that_leaves_the_picture_is_closed_at_its_edge():
    arm = np.zeros((20, 30))
    arm[5:10, 20:] = 1
    (path,) = contours(prediction_of(arm))
    np.testing.assert_array_equal(path[0], path[-1])
    assert path[:, 1].max() == pytest.approx(29.5)


def test_pixels_without_data_are_outside_of_every_outline():
    arm = np.ones((20, 20))
    arm[:, 10:] = np.nan
    (path,) = contours(prediction_of(arm))
    assert path[:, 1].max() == pytest.approx(9.5)


def test_outlines_come_longest_first_and_only_of_the_class_asked_for():
    arm = np.zeros((40, 40))
    arm[2:5, 2:5], arm[10:30, 10:30] = 1, 1
    small_and_large = contours(prediction_of(arm, classes=("arm", "bar")), class_name="bar")
    assert [len(path) for path in small_and_large] == sorted((len(path) for path in small_and_large), reverse=True)
    assert small_and_large[0][:, 0].max() > 25
    assert contours(prediction_of(arm), class_name="bar") == []
    assert contours(prediction_of(np.zeros((8, 8)))) == []
