"""T-types and classes from catalogues as people have them."""

import re

import numpy as np
import pytest
from astropy.table import MaskedColumn, Table
from galaxies import morphologies_in

from flaxgal.survey.nair_abraham import (
    Morphology,
    morphology_class,
    read_morphologies,
    write_classes,
    write_morphologies,
)
from flaxgal.survey.sdss import Field
from flaxgal.survey.skyserver import MOST_ROWS, crossid_params, nearest_field, read_crossid


@pytest.mark.parametrize(
    ("t_type", "name"),
    [(-5, "E"), (-3, "S0"), (-2, "S0"), (0, "S0"), *((number, "Sp") for number in range(1, 10)), (10, ""), (99, "")],
)
def test_classes_of_nair_and_abrahams_t_types(t_type, name):
    assert morphology_class(t_type) == name


@pytest.mark.parametrize(
    ("t_type", "name"), [(-6, "E"), (-4, "E"), (3.4, "Sp"), (0.6, "Sp"), (float("nan"), ""), (-7, "")]
)
def test_classes_of_other_catalogues_t_types(t_type, name):
    assert morphology_class(t_type) == name


def cds_table():
    """Columns as CDS serves them."""
    return Table(
        {
            "_RAJ2000": [150.0, 151.5, 152.25],
            "_DEJ2000": [2.0, -1.5, 0.25],
            "SDSS": ["J100000.00+020000.0", "J100600.00-013000.0", "J100900.00+001500.0"],
            "TT": MaskedColumn([-5, 4, 99], mask=[False, False, False]),
            "Bar": [0, 2, 0],
        }
    )


@pytest.mark.parametrize("name", ["a.vot", "a.fits", "a.csv", "a.ecsv"])
def test_the_catalogue_is_read_in_any_format(tmp_path, name):
    cds_table().write(tmp_path / name, **({"format": "votable"} if name.endswith("vot") else {}))
    one, two, three = read_morphologies(tmp_path / name)
    assert one == Morphology(object_id="J100000.00+020000.0", ra_deg=150.0, dec_deg=2.0, t_type=-5.0)
    assert (one.morphology, two.morphology, three.morphology) == ("E", "Sp", "")
    assert np.isnan(three.t_type)


def test_the_field_is_known_from_columns_or_from_an_objid(tmp_path):
    table = cds_table()
    table["run"], table["camcol"], table["field"] = [1904, 1739, 94], [3, 3, 9], [163, 315, 1]
    table.write(tmp_path / "a.fits")
    fields = [galaxy.field for galaxy in read_morphologies(tmp_path / "a.fits")]
    assert fields == [Field(run=1904, camcol=3, field=163), Field(run=1739, camcol=3, field=315), None]
    table = cds_table()
    table["objID"] = np.array([1237653651835781245, 587725552272736439, 0])  # the second is of DR7
    table.write(tmp_path / "b.fits")
    fields = [galaxy.field for galaxy in read_morphologies(tmp_path / "b.fits")]
    assert fields == [Field(run=1904, camcol=3, field=163), None, None]


def test_rows_without_a_place_and_second_rows_are_left_out(tmp_path):
    table = cds_table()
    table["_RAJ2000"][1] = np.nan
    table["SDSS"][2] = table["SDSS"][0]
    table.write(tmp_path / "a.fits")
    assert [galaxy.t_type for galaxy in read_morphologies(tmp_path / "a.fits")] == [-5.0]


def test_a_catalogue_without_t_types_is_refused(tmp_path):
    table = cds_table()
    table.remove_column("TT")
    table.write(tmp_path / "a.fits")
    with pytest.raises(ValueError, match=r"a\.fits: found no T-type among the columns _RAJ2000.*rename"):
        read_morphologies(tmp_path / "a.fits")


def test_what_is_written_is_read_again(tmp_path):
    galaxies = [
        Morphology(object_id="007", ra_deg=1.5, dec_deg=-2.0, t_type=5.0),
        Morphology(object_id="008", ra_deg=359.0, dec_deg=80.0, t_type=float("nan")),
    ]
    write_morphologies(galaxies, tmp_path / "a.ecsv")
    again = read_morphologies(tmp_path / "a.ecsv")
    assert again[0] == galaxies[0]
    assert again[1].object_id == "008"
    assert np.isnan(again[1].t_type)
    assert Table.read(tmp_path / "a.ecsv")["morphology"].tolist()[0] == "Sp"


def one_galaxy(name="a", t_type=5.0, ra=1.5):
    return Morphology(object_id=name, ra_deg=ra, dec_deg=-2.0, t_type=t_type)


def test_galaxies_that_a_table_has_stay_when_others_are_written_into_it(tmp_path):
    write_morphologies([one_galaxy("0071"), one_galaxy("b", float("nan"))], tmp_path / "a.ecsv")
    write_morphologies([one_galaxy("c", -5.0), one_galaxy("b", -2.0)], tmp_path / "a.ecsv")
    assert read_morphologies(tmp_path / "a.ecsv") == [one_galaxy("0071"), one_galaxy("b", -2.0), one_galaxy("c", -5.0)]
    assert morphologies_in(tmp_path / "a.ecsv") == {"0071": "Sp", "b": "S0", "c": "E"}


def test_classes_of_other_galaxies_leave_positions_and_t_types_where_they_are(tmp_path):
    write_morphologies([one_galaxy()], tmp_path / "a.ecsv")
    write_classes({"a": "Sp", "long name": "S0"}, tmp_path / "a.ecsv")
    assert read_morphologies(tmp_path / "a.ecsv") == [one_galaxy()]
    assert morphologies_in(tmp_path / "a.ecsv") == {"a": "Sp", "long name": "S0"}
    write_morphologies([one_galaxy("long name", 0.0)], tmp_path / "a.ecsv")
    assert read_morphologies(tmp_path / "a.ecsv") == [one_galaxy(), one_galaxy("long name", 0.0)]


def test_columns_that_somebody_added_to_a_table_stay(tmp_path):
    write_classes({"a": "E"}, tmp_path / "a.ecsv")
    table = Table.read(tmp_path / "a.ecsv")
    table["remark"] = ["a bar, seen edge-on"]
    table["seen"] = [3]
    table.write(tmp_path / "a.ecsv", overwrite=True)
    write_classes({"a": "E", "b": "Sp"}, tmp_path / "a.ecsv")
    table = Table.read(tmp_path / "a.ecsv")
    assert table["remark"].tolist() == ["a bar, seen edge-on", None]
    assert table["seen"].tolist() == [3, None]


@pytest.mark.parametrize(
    ("write", "said"),
    [
        (lambda path: write_classes({"b": "E", "a": "S0"}, path), "a has morphology Sp there and S0 here"),
        (lambda path: write_morphologies([one_galaxy(t_type=4.0)], path), r"a has t_type 5\.0 there and 4\.0 here"),
        (lambda path: write_morphologies([one_galaxy(ra=1.6)], path), r"a has ra_deg 1\.5 there and 1\.6 here"),
    ],
)
def test_what_contradicts_a_table_is_refused_and_the_table_stays(tmp_path, write, said):
    write_morphologies([one_galaxy()], tmp_path / "a.ecsv")
    before = (tmp_path / "a.ecsv").read_bytes()
    with pytest.raises(ValueError, match=rf"a\.ecsv: {said}; correct it there, or write into another table"):
        write(tmp_path / "a.ecsv")
    assert (tmp_path / "a.ecsv").read_bytes() == before


def test_a_file_that_is_no_table_of_classes_is_not_written_over(tmp_path):
    (tmp_path / "a.ecsv").write_text("my notes\n")
    with pytest.raises(ValueError, match=r"a\.ecsv: no table that astropy reads"):
        write_classes({"a": "E"}, tmp_path / "a.ecsv")


def test_efigis_types_are_read(real_data):
    """EFIGI's table names its columns otherwise; the mapping of its T-types is that of this module."""
    lines = (real_data / "efigi" / "EFIGI_attributes.txt").read_text().splitlines()
    types = [float(line.split()[1]) for line in lines if re.match(r"PGC\d", line)]
    classes = [morphology_class(number) for number in types]
    assert len(classes) == 4458
    assert {name: classes.count(name) for name in set(classes)}.keys() == {"E", "S0", "Sp", ""}
    assert classes.count("Sp") > 2500


ANSWER = """#Table1
objID,ra,dec,run,rerun,camcol,field
1237653651835781245,150.0003,2.0001,1904,301,3,163
1237652943176138868,359.99995,0,1739,301,3,315
"""


def test_skyservers_answer_tells_the_field_next_to_each_galaxy(tmp_path):
    (tmp_path / "a.csv").write_text(ANSWER)
    found = read_crossid(tmp_path / "a.csv")
    assert found[0].objid == "1237653651835781245"
    assert nearest_field(found, 150.0, 2.0) == Field(run=1904, camcol=3, field=163)
    assert nearest_field(found, 0.0001, 0.0) == Field(run=1739, camcol=3, field=315)  # across 0 h
    assert nearest_field(found, 150.01, 2.0) is None
    assert nearest_field([], 150.0, 2.0) is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("<html><body>busy</body></html>", "found no table of SDSS objects but '<html>"),
        ('[{"Error Message": "timeout"}]', "found no table"),
        ("", "but 'nothing'"),
        (ANSWER[:-12], "cut short"),
    ],
)
def test_what_is_no_answer_of_skyservers_is_refused(tmp_path, text, said):
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(ValueError, match=said):
        read_crossid(tmp_path / "a.csv")


def test_skyserver_is_asked_for_few_positions_at_a_time():
    params = crossid_params([(150.0, 2.0), (0.5, -1.25)])
    assert params["paste"] == "name ra dec\ng0 150.000000 2.000000\ng1 0.500000 -1.250000"
    assert float(params["radius"]) == pytest.approx(0.05)
    with pytest.raises(ValueError, match="41 positions"):
        crossid_params([(1.0, 1.0)] * (MOST_ROWS + 1))
