"""Catalogues in the formats and with the names that surveys use: ids keep every digit, what is missing is said."""

import numpy as np
import pytest
from astropy import units
from astropy.table import MaskedColumn, Table

from flaxgal.survey.catalog import Place, Size, object_ids, places, positions_deg, read_table, values_of
from flaxgal.survey.cutout import Unreadable

IDS = [40158992189641871, 43158605146783243, 7]
RA, DEC = [218.874090265527, 29.914641234567, 359.9999], [-2.17422463704376, -3.1798, 41.2]


def tadaki(**more) -> Table:
    """A table with the columns of Tadaki et al. (2020)."""
    return Table({"object_id": IDS, "ra": RA, "dec": DEC, "i_cmodel_mag": [18.1, 19.5, -99.0], **more})


@pytest.mark.parametrize("name", ["t.fits", "t.ecsv", "t.csv", "t.parquet", "t.vot", "t.txt", "t.csv.gz"])
def test_ids_and_positions_are_the_same_in_every_format(tmp_path, name):
    way = {"txt": {"format": "ascii.basic"}, "vot": {"format": "votable"}, "gz": {"format": "csv"}}
    tadaki().write(tmp_path / name, **way.get(name.rpartition(".")[2], {}))
    table = read_table(tmp_path / name)
    assert object_ids(table) == [str(one) for one in IDS]
    np.testing.assert_allclose(positions_deg(table), np.transpose([RA, DEC]), rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", ["objID", "Name", "ID", "object_id"])
def test_ids_in_text_files_keep_zeros_and_digits_under_any_known_name(tmp_path, name):
    long = "587722981741363294587"  # more than 64 bits hold
    (tmp_path / "t.csv").write_text(f"{name},ra,dec\n00401,1.5,2\n{long},2,3\n")
    assert object_ids(read_table(tmp_path / "t.csv")) == ["00401", long]


def test_an_id_column_of_another_name_is_named_by_the_user(tmp_path):
    (tmp_path / "t.csv").write_text("ra,dec,PGC\n1.5,2,00012\n")
    table = read_table(tmp_path / "t.csv", id_column="PGC")
    assert object_ids(table, "PGC") == ["00012"]
    with pytest.raises(
        ValueError, match=r"my\.csv: no column of ids among ra, dec, PGC; name one of them by --id-column"
    ):
        object_ids(table, name="my.csv")


def test_a_column_that_is_not_there_is_named_by_what_the_command_line_has_or_renamed():
    table = Table({"nm": ["a"], "d": [1.0]})
    with pytest.raises(ValueError, match="no column of ids among nm, d; rename the one that holds them to object_id"):
        object_ids(table, option="")
    with pytest.raises(ValueError, match="no column of right ascensions among nm, d; name one of them by --ra-column"):
        positions_deg(table)
    with pytest.raises(ValueError, match="no column dekl among nm, d; name one of them by --dec-column"):
        positions_deg(table, "d", "dekl")
    with pytest.raises(ValueError, match="no column r among nm, d; name one of them by --radius-column"):
        places(table, Size(column="r"), id_column="nm", ra="d", dec="d")
    with pytest.raises(ValueError, match="no column r among nm, d; check its name"):
        values_of(table, "r")


def test_ids_that_were_floats_are_refused_when_digits_are_lost():
    with pytest.raises(ValueError, match="object_id holds floats, which lose the last digits of 64-bit ids"):
        object_ids(Table({"object_id": np.array(IDS, float)}))
    assert object_ids(Table({"object_id": [12.0, 7.0]})) == ["12", "7"]


@pytest.mark.parametrize("name", ["t.csv", "t.dat"])
@pytest.mark.parametrize("number", ["1.0e17", "4.0158992189641e16", "40158992189641001.0", "1E+17"])
def test_ids_that_a_text_table_has_as_floats_are_refused(tmp_path, name, number):
    apart = "," if name.endswith("csv") else " "
    lines = [["objid", "ra", "dec"], [number, "1.5", "2"], ["17", "2", "3"]]
    (tmp_path / name).write_text("".join(f"{apart.join(line)}\n" for line in lines))
    with pytest.raises(ValueError, match="objid holds floats, which lose the last digits of 64-bit ids"):
        object_ids(read_table(tmp_path / name))


@pytest.mark.parametrize("ids", [["1.10", "1.1"], ["12e4", "a3f2"], ["007", "7.0"]])
def test_ids_of_digits_and_letters_are_text(tmp_path, ids):
    (tmp_path / "t.csv").write_text("".join(f"{line}\n" for line in ["objid,ra,dec", *(f"{one},1.5,2" for one in ids)]))
    assert object_ids(read_table(tmp_path / "t.csv")) == ids


@pytest.mark.parametrize(
    ("ra", "dec"), [("RAJ2000", "DEJ2000"), ("RA", "DEC"), ("ra_deg", "dec_deg"), ("RAdeg", "DEdeg"), ("_RA", "_DE")]
)
def test_positions_are_found_under_the_names_that_catalogues_use(ra, dec):
    np.testing.assert_allclose(positions_deg(Table({ra: RA, dec: DEC})), np.transpose([RA, DEC]))


def test_hours_and_sexagesimal_text_become_degrees():
    hours = Table({"ra": [1.5] * units.hourangle, "dec": [-3.0] * units.deg})
    np.testing.assert_allclose(positions_deg(hours), [[22.5, -3]])
    text = Table({"ra": ["01:30:00", "1h30m0s", "22.5", "?"], "dec": ["-03:00:00", "-3d00m00s", "-3.0", "?"]})
    np.testing.assert_allclose(positions_deg(text), [[22.5, -3]] * 3 + [[np.nan, np.nan]])


def test_a_missing_number_is_nan_however_it_is_written():
    column = MaskedColumn([1.0, -99.0, -999.0, 2.0, np.nan, np.inf], mask=[False] * 3 + [True] + [False] * 2)
    np.testing.assert_array_equal(values_of(Table({"r": column}), "r"), [1] + [np.nan] * 5)


def test_a_radius_is_taken_in_the_unit_of_its_column():
    table = Table({"r": [0.5] * units.arcmin})
    assert values_of(table, "r", "arcsec") == [30]
    with pytest.raises(ValueError, match="t: r is in kg; wanted something that becomes arcsec"):
        values_of(Table({"r": [0.5] * units.kg}), "r", "arcsec", name="t")


def test_rows_become_places_with_their_size():
    assert places(tadaki(), Size(arcsec=40.0))[0] == Place(
        object_id="40158992189641871", ra_deg=RA[0], dec_deg=DEC[0], size_arcsec=40.0
    )
    size = Size(column="r", radii=8.0, arcsec=0.0, smallest_arcsec=20.0, largest_arcsec=100.0)
    rows = places(tadaki(r=[5.0, 0.1, 90.0]), size)
    assert [row.size_arcsec for row in rows] == [40, 20, 100]


def test_a_row_that_cannot_be_fetched_says_why():
    table = Table(
        {
            "object_id": ["a", "a", "", "b/c", "d", "e", "f"],
            "ra": [1.0, 2, 3, 4, -99, 361, 7],
            "dec": [1.0, 2, 3, 4, 5, 6, 7],
            "r": [5.0, 5, 5, 5, 5, 5, -99],
        }
    )
    first, *rest = places(table, Size(column="r", arcsec=0.0))
    assert isinstance(first, Place)
    assert all(isinstance(row, Unreadable) for row in rest)
    assert [row.reason for row in rest] == [
        "a: the id comes 2 times, and the first row counts; keep one row a galaxy",
        "row 3: the row has no id; wanted one",
        "b/c: the id holds a slash or an unprintable character; wanted text that can be a file's name",
        "d: the row has no position in degrees; wanted a right ascension and a declination",
        "e: the row has no position in degrees; wanted a right ascension and a declination",
        "f: r is missing; give a size in arcsec for such galaxies",
    ]


def test_a_missing_radius_may_have_a_size_instead():
    assert places(tadaki(r=[-99.0] * 3), Size(column="r", arcsec=33.0))[0].size_arcsec == 33


@pytest.mark.parametrize(("name", "content"), [("t.fits", b"no table"), ("t.vot", b"<html></html>")])
def test_a_file_without_a_table_is_refused_in_a_sentence(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=rf"^{name}: no table that astropy reads \(.*\); save it as"):
        read_table(tmp_path / name)


def test_a_table_without_rows_and_a_missing_file_are_refused(tmp_path):
    (tmp_path / "t.csv").write_text("object_id,ra,dec\n")
    with pytest.raises(ValueError, match="without rows"):
        read_table(tmp_path / "t.csv")
    with pytest.raises(ValueError, match="no such file; wanted a table of galaxies"):
        read_table(tmp_path / "nothing.csv")


@pytest.mark.parametrize("wrong", [{"arcsec": 0.0}, {"arcsec": 1e4}, {"radii": -1.0}, {"smallest_arcsec": 500.0}])
def test_a_size_that_cannot_be_is_refused(wrong):
    with pytest.raises(ValueError, match="size: "):
        Size(**wrong)


def test_a_catalogue_without_any_position_is_refused():
    with pytest.raises(ValueError, match="no row has a position in ra and dec; wanted degrees"):
        positions_deg(Table({"ra": [-99.0], "dec": [-99.0]}))


def test_a_real_catalogue_of_classes_is_read(real_data):
    (path,) = [path for path in (real_data / "gz1").glob("*.csv") if "subset" in path.name]
    table = read_table(path)
    assert len(set(object_ids(table, table.colnames[0]))) == len(table)
