"""Tables of classes: columns and vocabularies, what is left out and counted, and sentences on what is missing."""

import re
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
    dont_know = "class not known: NAME DontKnow"
    assert found.untold == {"3": dont_know, "4": "class not known: NAME Merger", "5": dont_know}
    assert (found.positions, found.vocabularies, found.remarks) == ({}, ("galaxy_zoo_1",), ())


def test_codes_that_are_not_wanted_are_left_out_and_said(tmp_path):
    path = written(tmp_path, "ID,NAME\na,Spiral_Edge\nb,Spiral_CW\nc,Spiral_Edge\n")
    found = read_class_table(path, **ZOO, leave_out=("Spiral_Edge",))
    assert (list(found.labels), found.remarks) == (["b"], ())
    assert found.untold == dict.fromkeys("ac", "to be left out: NAME Spiral_Edge")
    misspelt = read_class_table(path, **ZOO, leave_out=("Spiral_Egde",))
    assert (len(misspelt.labels), misspelt.untold) == (3, {})
    assert misspelt.remarks == ("no galaxy is Spiral_Egde, which was to be left out",)


def test_unknown_t_types_are_left_out_and_said(tmp_path):
    types = {"object_id": ["a", "b", "c", "d"], "TT": np.ma.masked_values([-5.0, 99.0, 3.0, -1e9], -1e9)}
    Table(types).write(tmp_path / "t.ecsv")
    found = read_class_table(tmp_path / "t.ecsv")
    assert {name: labels.t_type for name, labels in found.labels.items()} == {"a": -5.0, "c": 3.0}
    assert found.untold == {"b": "class not known: TT 99", "d": "class not known: no TT"}


@pytest.mark.parametrize("ending", ["csv", "fits"])
def test_a_cell_that_is_no_number_is_left_out_and_the_others_of_its_column_are_read(ending, tmp_path):
    types = ["-5", "3", "-2.0", "N/A", "unknown", "nan", "--", "-99", ""]
    Table({"id": [f"g{number}" for number in range(9)], "TT": types}).write(tmp_path / f"t.{ending}")
    found = read_class_table(tmp_path / f"t.{ending}")
    assert {name: labels.t_type for name, labels in found.labels.items()} == {"g0": -5.0, "g1": 3.0, "g2": -2.0}
    reasons = ["TT N/A", "TT unknown", "no TT", "TT --", "no TT", "no TT"]
    assert list(found.untold.values()) == [f"class not known: {reason}" for reason in reasons]


def test_what_no_column_tells_is_said_of_each_by_its_name(tmp_path):
    path = written(tmp_path, "id,morphology,t_type\na,,99\nb,E,\nc,,\n,E,\na,,99\n")
    found = read_class_table(path)
    assert list(found.labels) == ["b"]
    assert found.untold == {
        "a": "class not known: no morphology, t_type 99",
        "c": "class not known: no morphology, no t_type",
    }
    assert found.remarks == ("1 rows have no id",)


def test_a_galaxy_that_one_of_its_rows_tells_of_is_known(tmp_path):
    found = read_class_table(written(tmp_path, "id,t_type\na,99\na,5\na,99\n"))
    assert (list(found.labels), found.untold) == (["a"], {})


def test_a_column_of_spirals_or_not_is_known_by_its_name_and_the_words_that_were_wanted_are_said(tmp_path):
    found = read_class_table(written(tmp_path, "id,spiral,note\na,1,0\nb,0,1\nd,,0\n"))
    assert {name: labels.label("spiral") for name, labels in found.labels.items()} == {"a": "spiral", "b": "not spiral"}
    assert (found.untold, found.remarks) == ({"d": "class not known: no spiral"}, ())
    numbers = {"id": ["a", "b", "c"], "spiral": [1.0, np.nan, 0.0], "uncertain": [0.0, 0.0, np.nan]}
    Table(numbers).write(tmp_path / "t.ecsv")
    found = read_class_table(tmp_path / "t.ecsv")
    assert (list(found.labels), list(found.untold), found.remarks) == (["a", "c"], ["b"], ())
    path = written(tmp_path, "id,morphology,winding,TT\na,E,,\nb,spiral,cw,99\n")
    wanted = "morphology spiral (wanted E, S0 or Sp), winding cw (wanted S, Z or none), TT 99"
    assert read_class_table(path).untold == {"b": f"class not known: {wanted}"}


def test_shares_of_votes_for_a_spiral_are_not_taken_for_yes_and_no_unless_they_are_named(tmp_path):
    votes = [(5, 0.8), (5, 0.0), (-5, 0.1), (-5, 1), (5, 1), (0, 1), (9, 0)]
    rows = "".join(f"g{number},{t_type},{share}\n" for number, (t_type, share) in enumerate(votes))
    found = read_class_table(written(tmp_path, f"id,t_type,spiral\n{rows}"))
    assert [labels.t_type for labels in found.labels.values()] == [t_type for t_type, _ in votes]
    assert (found.untold, found.vocabularies) == ({}, ("t_type",))
    named = "--column spiral --vocabulary spiral"
    unread = f"column spiral was not read, as it holds 0.8 (wanted yes or no); to read it all the same: {named}"
    assert found.remarks == (unread,)
    alone = written(tmp_path, "id,spiral\na,1\nb,0.8\nc,0\nd,\n")
    with pytest.raises(ValueError, match=f"found no classes among the columns id, spiral; name .*{re.escape(unread)}"):
        read_class_table(alone)
    chosen = read_class_table(alone, column="spiral", vocabulary="spiral")
    assert (list(chosen.labels), chosen.remarks) == (["a", "c"], ())
    assert chosen.untold == {"b": "class not known: spiral 0.8 (wanted yes or no)", "d": "class not known: no spiral"}


def test_what_galaxy_zoo_is_uncertain_of_is_not_told_to_be_no_spiral(tmp_path):
    rows = "1,1,0,0\n2,0,1,0\n3,0,0,1\n"
    found = read_class_table(written(tmp_path, f"OBJID,SPIRAL,ELLIPTICAL,UNCERTAIN\n{rows}"))
    assert {name: labels.label("spiral") for name, labels in found.labels.items()} == {"1": "spiral", "2": "not spiral"}
    assert found.untold == {"3": "class not known: SPIRAL uncertain (wanted yes or no)"}


def test_a_galaxy_of_which_a_share_of_people_is_uncertain_is_not_told_to_be_no_spiral_either(tmp_path):
    found = read_class_table(written(tmp_path, "id,spiral,uncertain\na,0,0.2\nb,0,0.0\nc,1,\nd,1,1.0\n"))
    assert list(found.labels) == ["b", "c"]
    assert found.untold == dict.fromkeys("ad", "class not known: spiral uncertain (wanted yes or no)")


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
    assert found.untold == {"PGC3": "class not known: T 11, Arm_Rotation -1"}


def test_the_real_table_of_efigi_is_read_whole(real_data):
    found = read_class_table(real_data / "efigi" / "EFIGI_attributes.txt")
    kinds = Counter(labels.morphology for labels in found.labels.values())
    assert (kinds["E"], kinds["S0"], kinds["Sp"]) == (289, 733, 3119)
    assert found.labels["PGC0047404"].winding == "S"  # M 51
    assert len(found.labels) + len(found.untold) == 4458


def test_a_galaxy_whose_rows_contradict_each_other_is_left_out(tmp_path):
    path = written(tmp_path, "id,morphology\na,E\na,Sp\nb,S0\nb,S0\n")
    found = read_class_table(path)
    assert list(found.labels) == ["b"]
    assert found.untold == {"a": "its rows contradict each other"}


def test_a_galaxy_whose_columns_contradict_each_other_is_left_out_whatever_other_rows_say(tmp_path):
    rows = "a,E,5\nb,Sp,5\nc,S0,9.4\nc,S0,-1\nd,irr,5\ne,E,99\n"
    found = read_class_table(written(tmp_path, f"id,morphology,TT\n{rows}"))
    assert list(found.labels) == ["b", "d", "e"]
    assert found.untold == {
        "a": "morphology E and t_type 5 contradict each other",
        "c": "morphology S0 and t_type 9.4 contradict each other",
    }


@pytest.mark.parametrize(
    ("text", "options", "sentence"),
    [
        ("id,class\na,E\n", {}, "found no classes among the columns id, class; name the column and its vocabulary"),
        (
            "id,NAME\na,E\n",
            {"column": "CLASS", "vocabulary": "morphology"},
            "no column CLASS among id, NAME; name one of them by --column",
        ),
        ("id,NAME\na,E\n", {"column": "NAME"}, "a column is named, but no vocabulary"),
        ("id,NAME\na,E\n", {"vocabulary": "morphology"}, "a vocabulary is named, but no column"),
        ("id,NAME\na,E\n", {"column": "NAME", "vocabulary": "hubble"}, "vocabulary 'hubble'; wanted one of morphology"),
        (
            "id,NAME\na,blob\nb,smudge\n",
            ZOO,
            r"no galaxy \(class not known: NAME blob; class not known: NAME smudge\); read",
        ),
        ("id,t_type\na,99\n", {}, r"tells the class of no galaxy \(class not known: t_type 99\)"),
        ("x,morphology\n1.5,E\n", {}, "no column of ids among x, morphology; name one of them by --id-column"),
        ("id,t_type\na,early\nb,early\nc,late\n", {}, "t_type holds text, such as early, late; wanted numbers"),
    ],
)
def test_what_a_table_lacks_is_said_in_one_sentence(text, options, sentence, tmp_path):
    with pytest.raises(ValueError, match=sentence):
        read_class_table(written(tmp_path, text), **options)


def test_real_classes_of_galaxy_zoo_are_counted(real_data):
    found = read_class_table(real_data / "gz1" / "subset.csv", **ZOO)
    senses = Counter(labels.winding for labels in found.labels.values())
    assert senses == {"none": 500, "Z": 414, "S": 436, "": 300}
    assert Counter(found.untold.values()) == {"class not known: NAME DontKnow": 30, "class not known: NAME Merger": 60}
