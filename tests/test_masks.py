"""Masks to measure with, whoever made them: maps of a network, drawings in a store, masks in files."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.io import fits
from measured import a_galaxy, counted, predict_for
from PIL import Image
from stores import a_revision

from flaxgal.cli import run
from flaxgal.labels.store import Store
from flaxgal.masks import Drawn, InFiles, Predicted, masks_from
from flaxgal.measure.catalogue import read_catalogue
from flaxgal.measure.flux import Measurement, measure_cutout
from flaxgal.measuring import measure, measure_galaxies
from flaxgal.survey.cutout import Cutout, Unreadable, write_cutout
from flaxgal.survey.prediction import Prediction, prediction_path, write_prediction


def arms(shape=(24, 24)) -> np.ndarray:
    """Nothing that looks alike when turned or mirrored."""
    mask = np.zeros(shape, bool)
    mask[12:16, 4:20] = True
    mask[16:19, 4:7] = True
    return mask


def drawn(store: Store, number: int, mask: np.ndarray, annotator: str = "anna") -> Cutout:
    galaxy = a_galaxy(number)
    store.add(galaxy)
    store.commit(a_revision(galaxy, annotator=annotator, mask=mask.astype(np.uint8)))
    return galaxy


def measured(galaxy: Cutout, masks) -> Measurement:
    (row,) = measure_galaxies([galaxy], masks)
    assert isinstance(row, Measurement), row
    return row


def reason(galaxy: Cutout, masks) -> str:
    (row,) = measure_galaxies([galaxy], masks)
    assert isinstance(row, Unreadable)
    return row.reason


def same_light(row: Measurement, other: Measurement) -> bool:
    return repr(row.bands) == repr(other.bands)  # NaN is NaN


# Maps of a network


def a_map(galaxy: Cutout, folder, probability: np.ndarray, **more) -> Predicted:
    write_prediction(
        Prediction(galaxy.object_id, "mock", probability.astype(np.float32)[None], ("arm",), 0.4, "runs/one", **more),
        folder,
    )
    return Predicted(folder)


def test_a_map_is_measured_with_its_own_threshold_and_the_range_about_it(tmp_path):
    galaxy, rising = a_galaxy(0), np.clip(0.9 * arms() + 0.05, 0, 1) * np.linspace(0, 1, 24)
    row = measured(galaxy, a_map(galaxy, tmp_path, rising, threshold_range=(0.2, 0.7)))
    direct = measure_cutout(galaxy, rising.astype(np.float32), threshold=0.4, threshold_range=(0.2, 0.7))
    assert (row.run, row.threshold) == ("runs/one", 0.4)
    assert same_light(row, direct)
    assert not same_light(row, measure_cutout(galaxy, rising.astype(np.float32), threshold=0.4))


def test_a_batch_goes_on_past_galaxies_that_cannot_be_measured(tmp_path):
    galaxies = [a_galaxy(number) for number in range(5)]
    for galaxy in galaxies[2:]:
        a_map(galaxy, tmp_path, arms())
    a_map(galaxies[1], tmp_path, arms((32, 24)))
    a_map(galaxies[2], tmp_path, arms(), cutout_sha256="of other pixels")
    prediction_path("g003", tmp_path).unlink()
    broken = Unreadable("broken.fits", "broken.fits: not a FITS file")
    results = list(measure_galaxies([broken, *galaxies[1:]], Predicted(tmp_path)))
    assert [type(result).__name__ for result in results] == [*4 * ["Unreadable"], "Measurement"]
    assert results[0] == broken
    assert "has 32 × 24 pixels and the image of g001 24 × 24" in results[1].reason
    assert "made from other pixels than the image of g002 has now" in results[2].reason
    assert "g003: no map of it in" in results[3].reason


# Drawings in a label store


def test_what_one_person_drew_is_measured_as_the_mask_it_is(tmp_path):
    store = Store.create(tmp_path / "labels")
    mask = arms().astype(np.uint8)
    mask[0, :5] = 255  # not sure
    galaxy = drawn(store, 0, mask)
    masks = masks_from(store.path)
    assert isinstance(masks, Drawn)
    row = measured(galaxy, masks)
    assert row.run == "anna"
    assert np.isnan(row.threshold)
    assert same_light(row, measure_cutout(galaxy, arms()))


def test_people_who_do_not_agree_make_a_soft_mask_whose_error_says_so(tmp_path):
    store = Store.create(tmp_path / "labels")
    more = arms()
    more[5:9, 4:20] = True
    for annotator, mask in (("anna", arms()), ("bo", arms()), ("cy", more)):
        galaxy = drawn(store, 0, mask, annotator)
    agreed, alone = measured(galaxy, masks_from(store.path)), measured(galaxy, masks_from(store.path, "annotator:anna"))
    assert (agreed.run, alone.run) == ("anna, bo, cy", "anna")
    assert agreed.bands["i"].flux_ratio == alone.bands["i"].flux_ratio
    assert agreed.bands["i"].flux_ratio_mask_error > 0.01
    assert agreed.bands["i"].flux_ratio_error > alone.bands["i"].flux_ratio_error


def test_galaxies_that_nobody_drew_on_are_left_out_by_name(tmp_path):
    store = Store.create(tmp_path / "labels")
    drawn(store, 0, arms())
    store.add(a_galaxy(1))
    assert "g001: no mask in" in reason(a_galaxy(1), masks_from(store.path))
    assert "g002: no mask in" in reason(a_galaxy(2), masks_from(store.path))
    galaxy = a_galaxy(0)
    brighter = Cutout(object_id="g000", flux=2 * galaxy.flux, bands=("i",), unit="nJy")
    assert "drawn on other pixels than this image has" in reason(brighter, masks_from(store.path))


def test_a_stopped_call_measures_again_what_was_drawn_anew_or_is_asked_of_somebody_else(tmp_path):
    store = Store.create(tmp_path / "labels")
    for number in range(3):
        drawn(store, number, arms())
    drawn(store, 2, ~arms(), "bo")

    def stopped_after(number: int, **labels) -> dict[str, int]:
        going, items = measure([store.path], store.path, [tmp_path / "arms.ecsv"], workers=1, **labels), []
        for item in going:
            items.append(item)
            if len(items) == number:
                going.close()
        return counted(items)

    assert stopped_after(3) == {"Done": 3}
    drawn(store, 0, ~arms())
    assert stopped_after(3) == {"Done": 1, "Kept": 2}
    assert stopped_after(9, labels="latest") == {"Done": 3, "Written": 1}
    table = read_catalogue(tmp_path / "arms.ecsv")
    assert list(table["run"]) == ["anna", "anna", "bo"]
    assert (table["flux_ratio_i"][[0, 2]] > table["flux_ratio_i"][1]).all()


# Masks in files


@pytest.mark.parametrize("name", ["g000.png", "g000_mask.png", "g000.fits", "g000.fits.gz", "g000.tif"])
def test_masks_in_files_lie_on_their_galaxies(tmp_path, name):
    (tmp_path / "masks").mkdir()
    shown = 255 * arms().astype(np.uint8)
    if ".fits" in name:
        fits.PrimaryHDU(shown).writeto(tmp_path / "masks" / name)
    else:
        Image.fromarray(shown[::-1]).save(tmp_path / "masks" / name)  # a picture's first row is its top
    masks = masks_from(tmp_path / "masks")
    assert isinstance(masks, InFiles)
    assert same_light(measured(a_galaxy(0), masks), measure_cutout(a_galaxy(0), arms()))
    assert "g001: found no file of that name" in reason(a_galaxy(1), masks)


def test_a_fits_mask_of_a_picture_has_its_rows_as_fits_has_them(tmp_path):
    """As `flaxgal store import` reads it."""
    for folder in ("images", "masks"):
        (tmp_path / folder).mkdir()
    Image.fromarray(np.uint8(255 * np.random.default_rng(0).random((24, 24)))).save(tmp_path / "images" / "g.png")
    fits.PrimaryHDU(np.uint8(arms())).writeto(tmp_path / "masks" / "g.fits")
    list(measure([tmp_path / "images"], tmp_path / "masks", [tmp_path / "arms.ecsv"], workers=1))
    table = read_catalogue(tmp_path / "arms.ecsv")
    galaxy = Cutout(
        object_id="g", flux=np.float32(np.asarray(Image.open(tmp_path / "images" / "g.png")))[None], bands=("grey",),
        unit="picture", first_row="top",
    )  # fmt: skip
    assert table["flux_ratio_gamma22"][0] == measure_cutout(galaxy, arms()[::-1]).flux_ratio_gamma22


@pytest.mark.parametrize("ending", ["ecsv", "parquet", "fits", "vot"])
def test_catalogues_of_two_folders_of_masks_can_be_told_apart(tmp_path, monkeypatch, ending):
    monkeypatch.chdir(tmp_path)
    write_cutout(a_galaxy(0), tmp_path / "images" / "g000.fits")
    for folder in ("anna's", "bo's"):
        (tmp_path / folder).mkdir()
        fits.PrimaryHDU(np.uint8(arms())).writeto(tmp_path / folder / "g000.fits")
        out = f"{folder[:2]}.{ending}"
        assert run(["measure", "images", "--masks", folder, "--out", out, "--workers", "1"]) == 0
        for table in (read_catalogue(out), read_catalogue(f"{folder[:2]}-arms.{ending}")):
            assert table.meta["masks"] == folder


def test_the_metadata_say_whose_drawings_of_a_store_were_asked_for(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    drawn(Store.create(tmp_path / "labels"), 0, arms())
    options = ["--masks", "labels", "--labels", "annotator:anna", "--out", "arms.ecsv", "--workers", "1"]
    assert run(["measure", "labels", *options]) == 0
    assert read_catalogue("arms.ecsv").meta["masks"] == "labels (annotator:anna)"


def test_an_image_is_not_taken_for_its_own_mask(tmp_path):
    light = np.random.default_rng(0).random((24, 24))
    for folder in ("images", "masks"):
        (tmp_path / folder).mkdir()
    Image.fromarray(np.uint8(255 * light)).save(tmp_path / "images" / "g.png")
    (tmp_path / "masks" / "g.png").symlink_to(tmp_path / "images" / "g.png")
    for folder in (tmp_path / "images", tmp_path / "masks"):
        (left_out,) = measure([tmp_path / "images"], folder, [tmp_path / "arms.ecsv"], workers=1)
        assert isinstance(left_out, Unreadable)
        assert f"what {folder} has of this name is the image itself; wanted a mask" in left_out.reason_alone


def test_a_mask_that_is_added_is_seen_by_the_next_call(tmp_path):
    (tmp_path / "masks").mkdir()
    fits.PrimaryHDU(np.uint8(arms())).writeto(tmp_path / "masks" / "g000.fits")
    assert "found no file" in reason(a_galaxy(1), masks_from(tmp_path / "masks"))
    fits.PrimaryHDU(np.uint8(arms())).writeto(tmp_path / "masks" / "g001.fits")
    measured(a_galaxy(1), masks_from(tmp_path / "masks"))
    fits.PrimaryHDU(np.uint8(arms())).writeto(tmp_path / "masks" / "g001.fits.gz")
    assert "found g001.fits and g001.fits.gz" in reason(a_galaxy(1), masks_from(tmp_path / "masks"))


# Which of these a folder is


def test_a_folder_of_predictions_is_one_also_before_the_first_map(tmp_path):
    (tmp_path / "predictions.json").write_text("{}")
    assert masks_from(tmp_path) == Predicted(tmp_path)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--masks", "nowhere"], "nowhere: no such folder"),
        (["--masks", "nothing"], "nothing: no image in this folder; wanted the maps that flaxgal predict wrote"),
        (["--masks", "labels", "--labels", "annotator:bo"], "nothing is labelled by 'bo', only by anna"),
        (["--masks", "labels", "--labels", "best"], "labels 'best', expected one of latest, consensus"),
        (
            ["--masks", "maps", "--labels", "latest"],
            "--labels says whose masks of a label store count, and maps is none",
        ),
    ],
)
def test_a_mistake_is_one_sentence_before_any_work(tmp_path, monkeypatch, capsys, options, sentence):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "nothing").mkdir()
    store = Store.create(tmp_path / "labels")
    write_cutout(drawn(store, 0, arms()), tmp_path / "images" / "g000.fits")
    predict_for(a_galaxy(0), tmp_path / "maps")
    assert run(["measure", "images", *options]) == 2
    said = capsys.readouterr().err.strip()
    assert sentence in said
    assert said.count("\n") == 0
