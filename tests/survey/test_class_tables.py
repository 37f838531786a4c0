"""Tables of classes: columns and vocabularies, what is left out and counted, and sentences on what is missing."""

from collections import Counter

import numpy as np
import pytest
from astropy.table import Table

from flaxgal.survey.class_tables import read_class_table
from flaxgal.survey.nair_abraham import Morphology, write_classes, write_morphologies
from flaxgal.survey.schemas import Labels

ZOO = {"column": "NAME", "vocabulary": "galaxy_zoo_1"}


def written(tmp_path, text, name="table.csv"):
    (tmp_path / name).write_text(text)
    return tmp_path / name


def test_words_of_galaxy_zoo_become_labels_and_ids_stay_text(tmp_path):
    rows = "587722981733826738,1,Spiral_CW\n0012,0,Elliptical\n3,4,DontKnow\n4,5,Merger\n5,4,DontKnow\n"
    found = read_class_table(written(tmp_path, f"OBJID,CLASS,NAME\n{rows}"), **ZOO)
    assert set(found.labels) == {"587722981733826738", "0012"}
    assert found.labels["0012"].winding == "none"
    assert found.labels["587722981733826738"].winding == "Z"
    assert (found.untold, found.positions, found.vocabularies) == ({"DontKnow": 2, "Merger": 1}, {}, ("galaxy_zoo_1",))


def test_codes_that_are_not_wanted_are_left_out_and_counted(tmp_path):
    path = written(tmp_path, "ID,NAME\na,Spiral_Edge\nb,Spiral_CW\nc,Spiral_Edge\n")
    found = read_class_table(path, **ZOO, leave_out=("Spiral_Edge",))
    assert (list(found.labels), found.untold) == (["b"], {"Spiral_Edge": 2})
    misspelt = read_class_table(path, **ZOO, leave_out=("Spiral_Egde",))
    assert (len(misspelt.labels), misspelt.untold) == (3, {"Spiral_Egde": 0})


def test_unknown_t_types_are_left_out_and_counted(tmp_path):
    types = {"object_id": ["a", "b", "c", "d"], "TT": np.ma.masked_values([-5.0, 99.0, 3.0, -1e9], -1e9)}
    Table(types).write(tmp_path / "t.ecsv")
    found = read_class_table(tmp_path / "t.ecsv")
    assert {name: labels.t_type for name, labels in found.labels.items()} == {"a": -5.0, "c": 3.0}
    assert found.untold == {"99": 1, "nothing": 1}


def test_what_we_write_of_experts_classes_is_read_with_positions(tmp_path):
    galaxies = [Morphology(object_id="a", ra_deg=150.0, dec_deg=3.0, t_type=1.0)]
    write_morphologies(galaxies, tmp_path / "a.ecsv")
    write_classes({"b": "S0"}, tmp_path / "a.ecsv")
    found = read_class_table(tmp_path / "a.ecsv")
    assert found.labels["a"] == Labels(morphology="Sp", winding="", t_type=1.0)
    assert (found.labels["b"].morphology, found.labels["b"].winding) == ("S0", "none")
    assert found.positions == {"a": (150.0, 3.0)}


def test_efigis_table_tells_types_and_senses(tmp_path):
    heads = "# Notes\n#\nPGCname   T T_inf   Arm_Rotation Arm_Rotation_inf\n"
    rows = "PGC1   3 2   1 1\nPGC2  -5 -5   0.5 0\nPGC3 11 11 -1 -1\n"
    found = read_class_table(written(tmp_path, heads + rows, "EFIGI_attributes.txt"))
    assert found.labels["PGC1"] == Labels(morphology="Sp", winding="Z", t_type=3.0)
    assert found.labels["PGC2"] == Labels(morphology="E", winding="none", t_type=-5.0)
    assert found.untold == {"11 -1": 1}


def test_the_real_table_of_efigi_is_read_whole(real_data):
    found = read_class_table(real_data / "efigi" / "EFIGI_attributes.txt")
    kinds = Counter(labels.morphology for labels in found.labels.values())
    assert (kinds["E"], kinds["S0"], kinds["Sp"]) == (289, 733, 3119)
    assert found.labels["PGC0047404"].winding == "S"  # M 51
    assert len(found.labels) + sum(found.untold.values()) == 4458


def test_a_galaxy_whose_rows_contradict_each_other_is_left_out(tmp_path):
    path = written(tmp_path, "id,morphology\na,E\na,Sp\nb,S0\nb,S0\n")
    found = read_class_table(path)
    assert list(found.labels) == ["b"]
    assert found.untold == {"rows that contradict each other": 1}


@pytest.mark.parametrize(
    ("text", "options", "sentence"),
    [
        ("id,class\na,E\n", {}, "found no classes among the columns id, class; name the column and its vocabulary"),
        ("id,NAME\na,E\n", {"column": "CLASS", "vocabulary": "morphology"}, "no column CLASS among id, NAME"),
        ("id,NAME\na,E\n", {"column": "NAME"}, "a column is named, but no vocabulary"),
        ("id,NAME\na,E\n", {"vocabulary": "morphology"}, "a vocabulary is named, but no column"),
        ("id,NAME\na,E\n", {"column": "NAME", "vocabulary": "hubble"}, "vocabulary 'hubble'; wanted one of morphology"),
        ("id,NAME\na,blob\nb,smudge\n", ZOO, "tells the class of no galaxy; column NAME holds blob, smudge"),
        ("id,t_type\na,99\n", {}, "tells the class of no galaxy; column t_type holds 99"),
        ("x,morphology\n1.5,E\n", {}, "no column of ids among x, morphology"),
        ("id,t_type\na,early\n", {}, "t_type holds text; wanted numbers"),
    ],
)
def test_what_a_table_lacks_is_said_in_one_sentence(text, options, sentence, tmp_path):
    with pytest.raises(ValueError, match=sentence):
        read_class_table(written(tmp_path, text), **options)


def test_real_classes_of_galaxy_zoo_are_counted(real_data):
    found = read_class_table(real_data / "gz1" / "subset.csv", **ZOO)
    senses = Counter(labels.winding for labels in found.labels.values())
    assert senses == {"none": 500, "Z": 414, "S": 436, "": 300}
    assert found.untold == {"DontKnow": 30, "Merger": 60}
