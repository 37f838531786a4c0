"""Predictions on disk: nothing lost, names safe, damage named."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from flaxgal.survey.prediction import (
    Prediction,
    find_predictions,
    prediction_path,
    read_prediction,
    write_prediction,
)

ODD_IDS = [
    "42",
    "36411448540268123",
    "NGC 1300",
    "a/b\\c:d*?",
    "../../etc/passwd",
    ".hidden",
    "..",
    "Größe ★",
    "100%",
    "100%25",
    " spaces at the end  ",
    "x" * 400,
    "x" * 399 + "y",
    "",
]


def sky() -> WCS:
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval = [150.123456789, 2.2]
    wcs.wcs.crpix = [10.5, 8.0]
    wcs.wcs.cd = np.array([[-4.6e-5, 1e-6], [1e-6, 4.6e-5]])
    return wcs


def prediction(object_id: str = "42", **changes) -> Prediction:
    probability = np.random.default_rng(1).random((2, 12, 20)).astype(np.float32)
    probability[:, :2] = np.nan
    fields = {
        "object_id": object_id, "survey": "HSC", "probability": probability, "classes": ("arm", "bar"),
        "threshold": 0.55, "run": "runs/first try", "wcs": sky(), "first_row": "top",
    }  # fmt: skip
    return Prediction(**{**fields, **changes})


@pytest.mark.parametrize("object_id", ODD_IDS)
def test_a_prediction_comes_back_as_it_was_written_whatever_its_id(tmp_path, object_id):
    wrote = prediction(object_id)
    path = write_prediction(wrote, tmp_path)
    back = read_prediction(path)
    assert path.parent == tmp_path
    assert path == prediction_path(object_id, tmp_path)
    assert (back.object_id, back.survey, back.classes, back.threshold, back.run, back.first_row) == (
        wrote.object_id, wrote.survey, wrote.classes, wrote.threshold, wrote.run, wrote.first_row,
    )  # fmt: skip
    np.testing.assert_array_equal(back.probability, wrote.probability)
    corners = [[0, 0], [19, 11]]
    np.testing.assert_array_equal(back.wcs.all_pix2world(corners, 0), wrote.wcs.all_pix2world(corners, 0))


@pytest.mark.parametrize("known", [None, (0.3, 0.75)])
def test_the_range_of_thresholds_comes_back_if_it_is_known(tmp_path, known):
    assert read_prediction(write_prediction(prediction(threshold_range=known), tmp_path)).threshold_range == known


def test_different_ids_never_share_a_file(tmp_path):
    paths = {prediction_path(object_id, tmp_path) for object_id in ODD_IDS}
    assert len(paths) == len(ODD_IDS)
    for object_id in ODD_IDS:
        write_prediction(prediction(object_id), tmp_path)
    assert sorted(read_prediction(path).object_id for path in find_predictions(tmp_path)) == sorted(ODD_IDS)


def test_a_picture_without_a_sky_position_comes_back_without_one(tmp_path):
    assert read_prediction(write_prediction(prediction(wcs=None), tmp_path)).wcs is None


@pytest.mark.parametrize(("wcs", "first_row"), [(sky(), "bottom"), (None, "top")])
def test_a_file_from_before_the_order_of_rows_was_kept_is_read(tmp_path, wcs, first_row):
    path = write_prediction(prediction(wcs=wcs), tmp_path)
    fits.delval(path, "FIRSTROW")
    assert read_prediction(path).first_row == first_row


@pytest.mark.parametrize("length", range(20, 80))
def test_no_name_is_too_long_for_its_card(tmp_path, length):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        write_prediction(prediction(f"it's {'x' * length}", run="r" * length), tmp_path)


def test_pixels_of_unknown_probability_are_not_arm():
    assert not prediction().arm_mask[:2].any()
    assert not prediction().class_map[:2].any()


def test_the_mask_image_holds_the_most_probable_class_above_the_threshold(tmp_path):
    probability = np.array([[[0.9, 0.6, 0.4]], [[0.1, 0.7, 0.45]]], np.float32)
    path = write_prediction(prediction(probability=probability, threshold=0.5), tmp_path)
    np.testing.assert_array_equal(fits.getdata(path, "MASK"), [[1, 2, 0]])


def test_the_file_opens_as_images_on_the_sky_in_other_programs(tmp_path):
    with fits.open(write_prediction(prediction(), tmp_path)) as hdus:
        hdus.verify("exception")
        assert [hdu.name for hdu in hdus] == ["PRIMARY", "PROB", "MASK"]
        assert WCS(hdus["MASK"].header).has_celestial
        assert hdus[0].header["OBJECT"] == "42"


def test_maps_and_class_names_must_agree():
    with pytest.raises(ValueError, match="one map a class"):
        prediction(classes=("arm",))


def test_a_prediction_without_arms_says_what_it_has():
    with pytest.raises(ValueError, match="has the classes bar and no arm"):
        _ = prediction(probability=np.zeros((1, 3, 3), np.float32), classes=("bar",)).arm_mask


def test_damaged_missing_and_foreign_files_are_named(tmp_path):
    path = write_prediction(prediction(), tmp_path)
    path.write_bytes(path.read_bytes()[:4000])
    foreign = tmp_path / "image.fits"
    fits.writeto(foreign, np.zeros((4, 4)))
    text = tmp_path / "text.fits"
    text.write_text("not a FITS file")
    for broken in (path, foreign, text, tmp_path / "none.fits"):
        with pytest.raises(ValueError, match=broken.name):
            read_prediction(broken)


def test_a_writer_that_dies_leaves_the_old_file_whole(tmp_path, monkeypatch):
    path = write_prediction(prediction(), tmp_path)
    before = path.read_bytes()

    def die(*_, **__):
        raise OSError("disc full")

    monkeypatch.setattr(fits.HDUList, "writeto", die)
    with pytest.raises(OSError, match="disc full"):
        write_prediction(prediction(threshold=0.9), tmp_path)
    assert path.read_bytes() == before
    assert [found.name for found in tmp_path.iterdir()] == [path.name]


def test_a_folder_without_predictions_is_refused_by_name(tmp_path):
    with pytest.raises(ValueError, match="no file named"):
        find_predictions(tmp_path)
    with pytest.raises(ValueError, match="no such folder"):
        find_predictions(tmp_path / "nowhere")
