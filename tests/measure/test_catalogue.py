"""The catalogue on disk and the batch that makes it: nothing lost, nothing stops it."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from astropy import units as u
from astropy.table import Table

from flaxgal.measure.catalogue import (
    BAND_COLUMNS,
    check_format,
    measure_galaxies,
    read_catalogue,
    to_table,
    write_catalogue,
)
from flaxgal.measure.flags import Flag
from flaxgal.measure.flux import BandFlux, Measurement, measure_cutout
from flaxgal.survey.cutout import Cutout, Unreadable
from flaxgal.survey.prediction import Prediction, prediction_path, write_prediction


@pytest.fixture
def rows(spiral) -> list[Measurement]:
    """A galaxy in nJy whose id is a large number with a nought in front, and a picture."""
    drawn = spiral(0)
    galaxy = dataclasses.replace(drawn.cutout, object_id="0036411448540268123", ra_deg=150.123456789, dec_deg=2.2)
    picture = Cutout(
        object_id="7", flux=np.full((1, 8, 8), 3, np.float32), bands=("grey",), unit="picture", survey="GZ3D"
    )
    mask = np.eye(8, dtype=bool)
    return [
        measure_cutout(galaxy, drawn.arm_mask.astype(np.float32), threshold=0.5, run="runs/one"),
        measure_cutout(picture, mask),
    ]


@pytest.mark.parametrize("ending", ["ecsv", "parquet"])
def test_numbers_units_descriptions_and_origin_survive(tmp_path, rows, ending):
    table = to_table(rows)
    back = read_catalogue(write_catalogue(table, tmp_path / f"arms.{ending}"))
    assert back.colnames == table.colnames
    assert list(back["object_id"]) == ["0036411448540268123", "7"]
    for name in table.colnames:
        assert back[name].unit == table[name].unit
        assert back[name].description == table[name].description
        if table[name].dtype.kind in "fi":
            assert back[name].dtype == table[name].dtype
            np.testing.assert_array_equal(np.asarray(back[name]), np.asarray(table[name]))
        else:
            assert [str(value) for value in back[name]] == list(table[name])
    assert back.meta == table.meta
    assert back["total_flux_r"].unit == u.nJy


def test_every_column_has_a_description_and_every_flag_a_meaning(rows):
    table = to_table(rows)
    assert all(table[name].description for name in table.colnames)
    assert set(table.meta["flags"]) == {int(flag) for flag in Flag}
    assert table.meta["software"].startswith("flaxgal ")
    assert table.meta["runs"] == ["runs/one"]
    assert table.meta["thresholds"] == [0.5]


def test_every_number_of_a_band_has_a_column():
    assert {field.name for field in dataclasses.fields(BandFlux)} == set(BAND_COLUMNS)


def test_a_picture_has_the_gamma_estimate_alone_and_a_galaxy_in_flux_has_none(rows):
    table = to_table(rows)
    assert np.isnan(table["flux_ratio_gamma22"][0])
    assert table["flux_ratio_gamma22"][1] == pytest.approx(1 / 8)
    assert np.isnan(table["flux_ratio_r"][1])
    assert "picture" in table["flag_names"][1].split()


def test_a_missing_band_is_nan(spiral):
    both = [spiral(0).cutout, spiral(1).cutout.select(["r"])]
    table = to_table(measure_cutout(cutout, spiral(0).arm_mask) for cutout in both)
    assert np.isfinite(table["flux_ratio_r"]).all()
    assert np.isnan(table["flux_ratio_g"]).tolist() == [False, True]


def test_fluxes_of_unknown_zero_point_are_not_called_njy(spiral):
    cutout = spiral(0).cutout
    counts = dataclasses.replace(cutout, unit="count")
    assert to_table([measure_cutout(counts, spiral(0).arm_mask)])["total_flux_r"].unit is None
    mixed = to_table(measure_cutout(one, spiral(0).arm_mask) for one in (cutout, counts))
    assert mixed["total_flux_r"].unit is None
    assert list(mixed["unit"]) == ["nJy", "count"]


@pytest.mark.parametrize("ending", ["ecsv", "parquet"])
def test_a_catalogue_of_nothing_is_still_a_table(tmp_path, ending):
    back = read_catalogue(write_catalogue(to_table([]), tmp_path / f"none.{ending}"))
    assert len(back) == 0
    assert "flux_ratio_gamma22" in back.colnames


def test_a_name_that_no_catalogue_can_have_is_refused_before_any_work(tmp_path):
    for name in ("arms.ecsv", "arms.parquet"):
        check_format(tmp_path / name)
    for name, found in (("arms.csv", ".csv"), ("arms", "no ending")):
        with pytest.raises(ValueError, match=f"{name}: a catalogue's name ends in .ecsv or .parquet, found {found}"):
            check_format(tmp_path / name)


def test_other_endings_missing_and_damaged_files_are_refused_by_name(tmp_path, rows):
    with pytest.raises(ValueError, match=r"arms\.csv: a catalogue's name ends in"):
        write_catalogue(to_table(rows), tmp_path / "arms.csv")
    with pytest.raises(ValueError, match=r"none\.ecsv: no such file"):
        read_catalogue(tmp_path / "none.ecsv")
    for ending in ("ecsv", "parquet"):
        broken = tmp_path / f"broken.{ending}"
        broken.write_bytes(b"\x00\x01not a table")
        with pytest.raises(ValueError, match=f"broken.{ending}: found no catalogue"):
            read_catalogue(broken)


def test_a_writer_that_dies_leaves_the_old_catalogue_whole(tmp_path, rows, monkeypatch):
    path = write_catalogue(to_table(rows), tmp_path / "arms.ecsv")
    before = path.read_bytes()

    def die(*_, **__):
        raise OSError("disc full")

    monkeypatch.setattr(Table, "write", die)
    with pytest.raises(OSError, match="disc full"):
        write_catalogue(to_table(rows[:1]), path)
    assert path.read_bytes() == before
    assert [found.name for found in tmp_path.iterdir()] == ["arms.ecsv"]


def predict_all(cutouts: list[Cutout], masks: list[np.ndarray], folder) -> None:
    for cutout, mask in zip(cutouts, masks, strict=True):
        probability = mask.astype(np.float32)[None]
        write_prediction(
            Prediction(cutout.object_id, cutout.survey, probability, ("arm",), 0.5, "runs/one", cutout.wcs), folder
        )


def test_a_batch_goes_on_past_galaxies_that_cannot_be_measured(tmp_path, spiral):
    drawn = [spiral(number) for number in range(4)]
    cutouts = [one.cutout for one in drawn]
    masks = [drawn[0].arm_mask, drawn[1].arm_mask[:32], drawn[2].arm_mask, drawn[3].arm_mask]
    predict_all(cutouts, masks, tmp_path)
    prediction_path("drawn-2", tmp_path).unlink()
    unreadable = Unreadable("broken.fits", "broken.fits: not a FITS file")
    results = list(measure_galaxies([*cutouts[:3], unreadable, cutouts[3]], tmp_path))
    assert [type(result).__name__ for result in results] == [
        "Measurement", "Unreadable", "Unreadable", "Unreadable", "Measurement",
    ]  # fmt: skip
    assert "has 32 × 64 pixels and the image of drawn-1 64 × 64" in results[1].reason
    assert "no drawn-2.arms.fits in" in results[2].reason
    assert results[3] == unreadable
    direct = measure_cutout(cutouts[3], drawn[3].arm_mask)
    assert results[4].bands == direct.bands
    assert (results[4].run, results[4].threshold) == ("runs/one", 0.5)


def test_a_folder_that_is_not_there_is_refused_before_any_work(tmp_path, spiral):
    with pytest.raises(ValueError, match="no such folder"):
        next(measure_galaxies([spiral(0).cutout], tmp_path / "nowhere"))
