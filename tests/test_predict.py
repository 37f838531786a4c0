"""Prediction over files, folders and snapshots: what is written, what is kept, what is left out."""

import json
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from astropy.wcs import WCS
from flax import nnx

from flaxgal import checkpoint
from flaxgal.checkpoint import Run, load_run
from flaxgal.config import PredictConfig, TrainConfig, UNetConfig, to_json
from flaxgal.datasets.builders import build_snapshot
from flaxgal.datasets.examples import example_from_arrays
from flaxgal.models.unet import UNet, predict_batch
from flaxgal.predict import Kept, Predicted, average_over_orientations, predict, predict_cutouts
from flaxgal.survey.cutout import Cutout, Unreadable, write_cutout
from flaxgal.survey.prediction import Prediction, prediction_path, read_prediction

MODEL = UNetConfig(image_size=16, widths=(4, 8), blocks=(1,), dropout=(0.0,))


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder as training leaves it, with weights that make a map of some contrast."""
    folder = tmp_path_factory.mktemp("runs") / "tiny"
    folder.mkdir()
    (folder / "config.json").write_text(to_json(TrainConfig(name="tiny", model=MODEL, threshold=0.3)))
    checkpoint.save(folder, "best", 7, {"average": UNet(MODEL, nnx.Rngs(params=3))})
    return folder


def galaxy(object_id: str, *, side: int = 16, bands: tuple[str, ...] = ("i",), seed: int = 0) -> Cutout:
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side] - side / 2
    light = 50 * np.exp(-np.hypot(x, y) / 3) + rng.normal(size=(len(bands), side, side))
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval, wcs.wcs.crpix, wcs.wcs.cdelt = [150.0 + seed, 2.0], [side / 2, side / 2], [-4.67e-5, 4.67e-5]
    return Cutout(object_id=object_id, flux=light.astype(np.float32), bands=bands, unit="nJy", wcs=wcs, survey="HSC")


def folder_of(cutouts: list[Cutout], folder: Path) -> Path:
    for cutout in cutouts:
        write_cutout(cutout, folder / f"{cutout.object_id}.fits")
    return folder


def test_every_galaxy_gets_a_file_with_its_own_wcs_and_the_runs_threshold(run_folder: Path, tmp_path: Path) -> None:
    galaxies = folder_of([galaxy(f"g{k}", seed=k) for k in range(3)], tmp_path / "in")
    done = list(predict(run_folder, [galaxies], tmp_path / "out"))
    assert [type(item) for item in done] == [Predicted] * 3
    for k in range(3):
        found = read_prediction(prediction_path(f"g{k}", tmp_path / "out"))
        assert (found.object_id, found.survey, found.run, found.classes) == (f"g{k}", "HSC", "tiny", ("arm",))
        assert found.threshold == pytest.approx(0.3)
        assert found.wcs.wcs.crval[0] == pytest.approx(150.0 + k)
        assert found.image_shape == (16, 16)


def test_a_second_call_keeps_what_is_there_and_does_the_rest(run_folder: Path, tmp_path: Path) -> None:
    galaxies = folder_of([galaxy(f"g{k}", seed=k) for k in range(3)], tmp_path / "in")
    list(predict(run_folder, [galaxies], tmp_path / "out"))
    before = prediction_path("g0", tmp_path / "out").stat().st_mtime_ns
    prediction_path("g1", tmp_path / "out").unlink()
    again = {item.object_id: type(item) for item in predict(run_folder, [galaxies], tmp_path / "out")}
    assert again == {"g0": Kept, "g1": Predicted, "g2": Kept}
    assert prediction_path("g0", tmp_path / "out").stat().st_mtime_ns == before


def test_a_folder_of_other_predictions_is_not_added_to(run_folder: Path, tmp_path: Path) -> None:
    galaxies = folder_of([galaxy("g0")], tmp_path / "in")
    list(predict(run_folder, [galaxies], tmp_path / "out"))
    with pytest.raises(ValueError, match="choose another --out"):
        list(predict(run_folder, [galaxies], tmp_path / "out", config=PredictConfig(threshold=0.9)))


def test_a_galaxy_whose_pixels_changed_is_done_again(run_folder: Path, tmp_path: Path) -> None:
    folder_of([galaxy("g0", seed=0), galaxy("g1", seed=1)], tmp_path / "in")
    list(predict(run_folder, [tmp_path / "in"], tmp_path / "out"))
    brighter = galaxy("g0", seed=5)
    write_cutout(brighter, tmp_path / "in" / "g0.fits")
    again = {item.object_id: type(item) for item in predict(run_folder, [tmp_path / "in"], tmp_path / "out")}
    assert again == {"g0": Predicted, "g1": Kept}
    assert read_prediction(prediction_path("g0", tmp_path / "out")).cutout_sha256 == brighter.sha256


def test_pixels_without_data_have_no_probability(run_folder: Path) -> None:
    flux = galaxy("g0").flux.copy()
    flux[:, 4:6] = np.nan
    holed = Cutout(object_id="g0", flux=flux, bands=("i",), unit="nJy", survey="HSC")
    (found,) = predict_cutouts(load_run(run_folder), [holed])
    assert isinstance(found, Prediction)
    assert np.isnan(found.probability[:, 4:6]).all()
    assert np.isfinite(np.delete(found.probability, [4, 5], axis=1)).all()


def test_another_run_of_the_same_name_and_length_is_told_apart(run_folder: Path, tmp_path: Path) -> None:
    galaxies = folder_of([galaxy("g0")], tmp_path / "in")
    list(predict(run_folder, [galaxies], tmp_path / "out"))
    twin = tmp_path / "elsewhere" / "tiny"
    twin.mkdir(parents=True)
    (twin / "config.json").write_text((run_folder / "config.json").read_text())
    checkpoint.save(twin, "best", 7, {"average": UNet(MODEL, nnx.Rngs(params=4))})
    with pytest.raises(ValueError, match="weights_sha256"):
        list(predict(twin, [galaxies], tmp_path / "out"))


def test_batching_does_not_change_a_prediction(run_folder: Path) -> None:
    run = load_run(run_folder)
    galaxies = [galaxy(f"g{k}", seed=k, side=16 if k % 2 else 24) for k in range(5)]
    alone = [next(iter(predict_cutouts(run, [one], config=PredictConfig(batch_size=1)))) for one in galaxies]
    together = {p.object_id: p for p in predict_cutouts(run, galaxies, config=PredictConfig(batch_size=4))}
    for one in alone:
        assert isinstance(one, Prediction)
        np.testing.assert_allclose(together[one.object_id].probability, one.probability, atol=1e-6)


def test_native_maps_have_the_inputs_pixels_and_equal_the_networks_own_output(run_folder: Path) -> None:
    run = load_run(run_folder)
    cutout = galaxy("big", side=32)
    from flaxgal.survey.display import to_picture

    (found,) = predict_cutouts(run, [cutout], config=PredictConfig(native=True))
    picture = to_picture(cutout)[None].astype(np.float32) / 255
    expected = np.asarray(predict_batch(run.model, jnp.asarray(picture)))[0, ..., 0]
    assert isinstance(found, Prediction)
    np.testing.assert_allclose(found.probability[0], expected, atol=1e-6)
    (odd,) = predict_cutouts(run, [galaxy("odd", side=19)], config=PredictConfig(native=True))
    assert isinstance(odd, Prediction)
    assert odd.image_shape == (19, 19)


def test_the_mean_over_eight_orientations_turns_with_the_galaxy(run_folder: Path) -> None:
    model = load_run(run_folder).model
    image = np.random.default_rng(0).random((2, 16, 16, 1), dtype=np.float32)
    upright = average_over_orientations(model, image, 8)
    turned = average_over_orientations(model, np.rot90(image, axes=(1, 2)), 8)
    mirrored = average_over_orientations(model, image[:, :, ::-1], 8)
    np.testing.assert_allclose(turned, np.rot90(upright, axes=(1, 2)), atol=1e-5)
    np.testing.assert_allclose(mirrored, upright[:, :, ::-1], atol=1e-5)
    single = average_over_orientations(model, image, 1)
    assert np.abs(single - upright).max() > 1e-4  # the network itself does not turn: the average did something


def test_a_galaxy_without_the_runs_bands_is_left_out_and_the_rest_go_on(tmp_path: Path) -> None:
    config = TrainConfig(model=UNetConfig(image_size=16, widths=(4, 8), blocks=(1,), dropout=(0.0,), bands=("g", "i")))
    run = Run(name="two", config=config, model=UNet(config.model, nnx.Rngs(params=0)), step=1)
    found = list(predict_cutouts(run, [galaxy("one"), galaxy("two", bands=("g", "i"))]))
    left_out = [item for item in found if isinstance(item, Unreadable)]
    assert len(left_out) == 1
    assert "one" in left_out[0].reason
    assert "g i" in left_out[0].reason
    assert [item.object_id for item in found if isinstance(item, Prediction)] == ["two"]


def test_the_galaxies_of_a_snapshot_can_be_predicted(run_folder: Path, tmp_path: Path) -> None:
    picture = np.arange(256, dtype=np.uint8).reshape(16, 16, 1)
    example = example_from_arrays(picture, np.zeros((16, 16, 1), np.float32), object_id="a", image_size=16)
    snapshot = build_snapshot([example], tmp_path / "sets", bands=("grey",), classes=("arm",), image_size=16)
    done = list(predict(run_folder, [snapshot], tmp_path / "out"))
    assert [type(item) for item in done] == [Predicted]
    expected = predict_batch(load_run(run_folder).model, jnp.asarray(picture[None].astype(np.float32) / 255))
    found = read_prediction(prediction_path("a", tmp_path / "out"))
    np.testing.assert_allclose(found.probability[0], np.asarray(expected)[0, ..., 0], atol=1e-6)


def test_the_folder_says_which_run_made_it(run_folder: Path, tmp_path: Path) -> None:
    list(predict(run_folder, [folder_of([galaxy("g0")], tmp_path / "in")], tmp_path / "out"))
    claim = json.loads((tmp_path / "out" / "predictions.json").read_text())
    assert claim["run"] == "tiny"
    assert claim["step"] == 7
    assert claim["threshold"] == pytest.approx(0.3)


def test_a_run_folder_without_a_checkpoint_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="empty"):
        list(predict(tmp_path / "empty", [tmp_path], tmp_path / "out"))
    assert not (tmp_path / "out").exists()
