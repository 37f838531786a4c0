"""The catalogue on disk: nothing lost, whatever the format."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from astropy import units as u
from astropy.io import fits
from astropy.table import Column, Table
from pyarrow import parquet

from flaxgal.measure.arms import Arm
from flaxgal.measure.catalogue import (
    arms_path,
    check_format,
    check_joined,
    read_catalogue,
    to_arms_table,
    to_table,
    write_catalogue,
    write_rows,
)
from flaxgal.measure.columns import ARM_COLUMNS, BAND_COLUMNS, COLOUR_COLUMNS, GALAXY_COLUMNS, OTHER_COLUMNS, WIDTHS
from flaxgal.measure.flags import Flag
from flaxgal.measure.flux import measure_cutout
from flaxgal.measure.formats import FORMATS
from flaxgal.measure.joining import Joined
from flaxgal.measure.record import BandFlux, Colour, Measurement
from flaxgal.survey.cutout import Cutout

ARMS = (
    Arm(
        pitch_angle_deg=17.25, chirality="Z", length_pixels=40.5, widths_pixels=(1.0, 2.0, 3.0, 4.0, 5.0), area_pixels=9
    ),
    Arm(pitch_angle_deg=21.0, chirality="S", length_pixels=20.0, widths_pixels=(1.5, 2.5)),
)


@pytest.fixture
def rows(spiral) -> list[Measurement]:
    """A galaxy in nJy whose id is a large number with a nought in front, and a picture."""
    drawn = spiral(0)
    galaxy = dataclasses.replace(drawn.cutout, object_id="0036411448540268123", ra_deg=150.123456789, dec_deg=2.2)
    picture = Cutout(
        object_id="7 é%41 <&>", flux=np.full((1, 8, 8), 3, np.float32), bands=("grey",), unit="picture", survey="GZ3D"
    )
    mask = np.eye(8, dtype=bool)
    measured = measure_cutout(galaxy, drawn.arm_mask.astype(np.float32), threshold=0.5, run="runs/one")
    colour = {"g-r": Colour(total_mag=0.1, arm_mag=-0.2)}
    return [dataclasses.replace(measured, arms=ARMS, colours=colour), measure_cutout(picture, mask)]


def same_values(column, other) -> bool:
    """Equal in every digit; NaN is NaN."""
    return np.array_equal(np.asarray(column), np.asarray(other), equal_nan=column.dtype.kind == "f")


def assert_same(back: Table, table: Table) -> None:
    assert back.colnames == table.colnames
    for name in table.colnames:
        assert back[name].unit == table[name].unit
        assert back[name].description == table[name].description
        assert back[name].dtype.kind == table[name].dtype.kind, name
        assert table[name].dtype.kind == "U" or back[name].dtype == table[name].dtype, name
        assert same_values(back[name], table[name]), name
    assert back.meta == table.meta


@pytest.mark.parametrize("ending", FORMATS)
def test_numbers_units_descriptions_and_origin_survive(tmp_path, rows, ending):
    table = to_table(rows)
    back = read_catalogue(write_catalogue(table, tmp_path / f"arms{ending}"))
    assert_same(back, table)
    assert list(back["object_id"]) == ["0036411448540268123", "7 é%41 <&>"]
    assert back["total_flux_r"].unit == u.nJy
    arms = to_arms_table(rows)
    assert_same(read_catalogue(write_catalogue(arms, tmp_path / f"each{ending}")), arms)


@pytest.mark.parametrize("ending", FORMATS)
def test_astropy_by_itself_gives_units_descriptions_and_what_the_flags_mean(tmp_path, rows, ending):
    table = to_table(rows)
    back = Table.read(write_catalogue(table, tmp_path / f"arms{ending}"), format={".vot": "votable"}.get(ending))
    for name in table.colnames:
        assert back[name].unit == table[name].unit
        assert " ".join(back[name].description.split()) == table[name].description
    assert "tiny_mask" in str(back.meta)
    assert "runs/one" in str(back.meta)


def test_parquet_says_units_and_descriptions_to_readers_without_astropy(tmp_path, rows):
    schema = parquet.read_schema(write_catalogue(to_table(rows), tmp_path / "arms.parquet"))
    field = schema.field("total_flux_r")
    assert field.metadata[b"unit"] == b"nJy"
    assert field.metadata[b"description"].startswith(b"light within two Petrosian radii")
    assert b"flux_ratio_r" in schema.metadata[b"table_meta_yaml"]
    assert str(schema.field("object_id").type) == "string"


def test_a_column_of_fits_says_what_it_is_in_a_card_of_its_own(tmp_path, rows):
    header = fits.getheader(write_catalogue(to_table(rows), tmp_path / "arms.fits"), 1)
    number = next(key[5:] for key, value in header.items() if key.startswith("TTYPE") and value == "flux_ratio_r")
    assert header[f"TCOMM{number}"] == "light of the spiral arms / light of the galaxy (r band)"
    with fits.open(tmp_path / "arms.fits") as hdus:
        hdus.verify("exception")


@pytest.mark.parametrize("ending", FORMATS)
def test_rows_written_piece_by_piece_are_those_of_the_whole_table(tmp_path, rows, ending, monkeypatch):
    many = [dataclasses.replace(rows[k % 2], object_id=f"g{'é' * (k % 4)}{k}", arm_pixels=k) for k in range(11)]
    monkeypatch.setattr("flaxgal.measure.catalogue.PIECE", 3)
    path = tmp_path / f"arms{ending}"
    contents, _ = write_rows(lambda: iter(many), [path])
    whole, arms = to_table(many), to_arms_table(many)
    assert (contents.galaxies, contents.arms) == (11, len(arms)) == (11, 12)
    for found, wanted in ((read_catalogue(path), whole), (read_catalogue(arms_path(path)), arms)):
        wanted.meta["created_utc"] = found.meta["created_utc"]
        assert_same(found, wanted)


def test_the_table_of_arms_has_a_row_an_arm_by_the_galaxys_id(rows):
    arms = to_arms_table(rows)
    assert list(arms["object_id"]) == ["0036411448540268123"] * 2
    assert list(arms["arm"]) == [1, 2]
    assert list(arms["chirality"]) == ["Z", "S"]
    assert list(arms["width_2_pixels"]) == [2.0, 2.5]
    assert np.isnan(arms["width_3_pixels"]).tolist() == [False, True]
    assert list(to_table(rows)["number_of_arms"]) == [2, 0]


def test_lengths_stand_in_arcsec_too_where_the_pixel_scale_is_known(rows):
    table, arms = to_table(rows), to_arms_table(rows)
    scale = rows[0].pixel_scale_arcsec
    radius = table["half_light_radius_arcsec"]
    assert radius[0] == pytest.approx(rows[0].half_light_radius_pixels * scale)
    assert np.isnan(radius[1])
    assert (radius.unit, radius.description) == (u.arcsec, table["half_light_radius_pixels"].description)
    assert arms["length_arcsec"][0] == pytest.approx(40.5 * scale)
    assert arms["width_2_arcsec"][1] == pytest.approx(2.5 * scale)
    assert not {"arm_arcsec", "area_arcsec"} & {*table.colnames, *arms.colnames}, "of areas there is none"


def test_every_column_has_a_description_and_every_flag_a_meaning(rows):
    table = to_table(rows)
    assert all(table[name].description for name in table.colnames)
    assert set(table.meta["flags"]) == {int(flag) for flag in Flag}
    assert table.meta["software"].startswith("flaxgal ")
    assert table.meta["runs"] == ["runs/one"]
    assert table.meta["thresholds"] == [0.5]


def test_what_is_missing_without_a_flag_is_explained_by_its_description(spiral):
    """The aperture of this galaxy fills the image, so that nothing can be said of light outside it."""
    drawn = spiral(1, scale_length=9.0, axis_ratio=0.95)
    place = {"ra_deg": 150.0, "dec_deg": 2.0}
    table = to_table([measure_cutout(dataclasses.replace(drawn.cutout, **place), drawn.arm_mask)])
    assert table["flag_names"][0] == "sky_uncertain not_psf_matched"
    missing = [name for name in table.colnames if table[name].dtype.kind == "f" and np.isnan(table[name][0])]
    assert {"growth_r", "threshold", "flux_ratio_mask_error_r"} <= set(missing)
    assert [name for name in missing if "missing" not in table[name].description] == []


def names(record: type) -> set[str]:
    return {field.name for field in dataclasses.fields(record)}


def test_every_number_of_a_record_has_a_column():
    assert names(BandFlux) == set(BAND_COLUMNS)
    assert names(Colour) == set(COLOUR_COLUMNS)
    widths = {f"width_{part + 1}_pixels" for part in range(WIDTHS)}
    assert names(Arm) - {"widths_pixels"} == set(ARM_COLUMNS) - widths
    galaxy = set(GALAXY_COLUMNS | OTHER_COLUMNS)
    assert names(Measurement) - {"bands", "colours", "arms", "fourier"} <= galaxy


def test_a_picture_has_the_gamma_estimate_alone_and_a_galaxy_in_flux_beside_its_own(rows):
    table = to_table(rows)
    assert 0 < table["flux_ratio_gamma22"][0] < 1
    assert np.isfinite(table["flux_ratio_r"][0])
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


@pytest.mark.parametrize("ending", FORMATS)
def test_a_catalogue_of_nothing_is_still_a_table(tmp_path, ending):
    back = read_catalogue(write_catalogue(to_table([]), tmp_path / f"none{ending}"))
    assert len(back) == 0
    assert "flux_ratio_gamma22" in back.colnames


def test_a_name_that_no_catalogue_can_have_is_refused_before_any_work(tmp_path):
    for name in ("arms.ecsv", "arms.parquet", "arms.fits", "arms.vot"):
        check_format(tmp_path / name)
    for name, found in (("arms.csv", ".csv"), ("arms", "no ending")):
        wanted = f"{name}: a catalogue's name ends in .ecsv, .parquet, .fits or .vot, found {found}"
        with pytest.raises(ValueError, match=wanted):
            check_format(tmp_path / name)


def with_columns(number: int) -> Joined:
    """A table of that many columns, to join."""
    return Joined("theirs.csv", {f"c{k}": Column([0.5], f"c{k}") for k in range(number)}, {"7": 0}, {})


@pytest.mark.parametrize("number", [801, 950, 1005])
def test_more_columns_than_a_file_has_room_for_are_refused_before_any_work(tmp_path, number):
    """950 fit in FITS by themselves, and the catalogue's own made them too many once every galaxy was measured."""
    check_joined(with_columns(number), [tmp_path / "arms.parquet"])
    with pytest.raises(ValueError, match=f"has {number} columns to join, and a .fits file has room for 800 beside"):
        check_joined(with_columns(number), [tmp_path / "arms.parquet", tmp_path / "arms.fits"])


def test_as_many_joined_columns_as_there_is_room_for_are_written_beside_those_of_six_bands(tmp_path, rows):
    joined = with_columns(800)
    check_joined(joined, [tmp_path / "arms.fits"])
    pairs = ("u-g", "g-r", "r-i", "i-z", "z-y")
    six = dataclasses.replace(
        rows[0], bands=dict.fromkeys("ugrizy", BandFlux()), colours=dict.fromkeys(pairs, Colour())
    )
    write_rows(lambda: [six], [tmp_path / "arms.fits"], joined=joined)
    assert len(read_catalogue(tmp_path / "arms.fits").colnames) == 999


def test_more_columns_than_fits_can_have_are_counted_when_a_table_is_written(tmp_path, rows):
    with pytest.raises(ValueError, match=r"a \.fits file has 999 columns at most, found 10\d\d; leave some out"):
        write_rows(lambda: rows, [tmp_path / "arms.fits"], joined=with_columns(950))
    assert not list(tmp_path.iterdir())


def test_columns_that_fail_only_together_are_refused_with_the_reason(tmp_path, monkeypatch):
    def read(path):
        table = Table.read(path)
        return table if len(table.colnames) == 1 else table[table.colnames[::-1]]

    monkeypatch.setattr("flaxgal.measure.catalogue.read_whole", read)
    with pytest.raises(ValueError, match=r"cannot have its columns \(they come back under other names\); leave"):
        check_joined(with_columns(2), [tmp_path / "arms.fits"])


def test_a_full_disk_is_not_taken_for_a_bad_name(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("flaxgal.measure.catalogue.write_pieces", full)
    with pytest.raises(OSError, match="No space left on device"):
        check_joined(with_columns(2), [tmp_path / "arms.fits"])


def test_other_endings_missing_and_damaged_files_are_refused_by_name(tmp_path, rows):
    with pytest.raises(ValueError, match=r"arms\.csv: a catalogue's name ends in"):
        write_catalogue(to_table(rows), tmp_path / "arms.csv")
    with pytest.raises(ValueError, match=r"none\.ecsv: no such file"):
        read_catalogue(tmp_path / "none.ecsv")
    for ending in FORMATS:
        broken = tmp_path / f"broken{ending}"
        broken.write_bytes(b"\x00\x01not a table")
        with pytest.raises(ValueError, match=f"broken{ending}: found no catalogue"):
            read_catalogue(broken)


def test_a_writer_that_dies_leaves_the_old_catalogue_whole(tmp_path, rows, monkeypatch):
    path = write_catalogue(to_table(rows), tmp_path / "arms.ecsv")
    before = path.read_bytes()

    def die(*_, **__):
        raise OSError("disc full")

    monkeypatch.setattr("flaxgal.measure.formats._ecsv", die)
    with pytest.raises(OSError, match="disc full"):
        write_catalogue(to_table(rows[:1]), path)
    assert path.read_bytes() == before
    assert [found.name for found in tmp_path.iterdir()] == ["arms.ecsv"]
