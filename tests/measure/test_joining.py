"""Columns of another table: which of them come along, and which one holds the galaxies' ids."""

import pytest
from astropy.table import Table

from flaxgal.measure.joining import read_joined


@pytest.mark.parametrize(
    ("own", "named"), [("Ours", "ours"), ("ours", "OURS"), ("Ours", "Ours"), ("Object_ID", ""), ("objID", "")]
)
def test_the_column_of_ids_is_not_joined_however_its_letters_are_written(tmp_path, own, named):
    Table({own: ["g001", "g002"], "z": [0.1, 0.2]}).write(tmp_path / "theirs.ecsv")
    joined = read_joined(tmp_path / "theirs.ecsv", id_column=named)
    assert (list(joined.columns), list(joined.rows)) == (["z"], ["g001", "g002"])


def test_of_two_columns_that_differ_in_case_the_one_that_is_named_holds_the_ids(tmp_path):
    Table({"Ours": ["a", "b"], "ours": ["g001", "g002"], "name": ["x", "y"]}).write(tmp_path / "theirs.ecsv")
    joined = read_joined(tmp_path / "theirs.ecsv", id_column="ours")
    assert (list(joined.columns), list(joined.rows)) == (["Ours", "name"], ["g001", "g002"])
