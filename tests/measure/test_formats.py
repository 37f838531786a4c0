"""Tables on disk, against what astropy makes of them."""

import numpy as np
import pytest
from astropy import units
from astropy.table import Column, Table
from pyarrow import parquet

from flaxgal.measure.formats import FORMATS, empty_like, read_whole, write_pieces


def test_a_parquet_table_says_of_itself_what_astropys_own_does(tmp_path):
    table = Table(
        [
            Column(np.array(["a", "longest"]), "object_id", description="Galaxy"),
            Column(np.array([b"x", b"yz"]), "tile"),
            Column(np.array([1.5, np.nan], np.float32), "flux_r", unit=units.nJy, description="Light"),
            Column(np.array([1, 2]), "number"),
            Column(np.array([True, False]), "psf_matched"),
        ],
        meta={"flags": {"1": "no_galaxy"}},
    )
    empty = empty_like(table)
    write_pieces(empty, [table], tmp_path / "ours.parquet")
    empty.write(tmp_path / "theirs.parquet")
    ours, theirs = (parquet.read_schema(tmp_path / name) for name in ("ours.parquet", "theirs.parquet"))
    assert ours.metadata == theirs.metadata
    assert ours.equals(theirs)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("unit", ["dex(solMass)", "mag(AB)", "3 solMass", "km / s"])
def test_a_unit_that_fits_has_no_word_for_stands_in_the_description_and_comes_back(tmp_path, unit):
    table = Table([Column([10.5, 11.0], "stellar_mass", unit=unit, description="of stars")])
    write_pieces(empty_like(table), [table], tmp_path / "masses.fits")
    back = read_whole(tmp_path / "masses.fits")["stellar_mass"]
    assert (back.unit, back.description) == (units.Unit(unit), "of stars")
    by_astropy = Table.read(tmp_path / "masses.fits")["stellar_mass"]
    assert by_astropy.unit == back.unit or by_astropy.description == f"of stars [unit: {back.unit}]"


@pytest.mark.parametrize("ending", FORMATS)
@pytest.mark.parametrize(
    "said",
    [
        "/home/anna/Überblick über Spiralgalaxien/Vorhersagen vom März/Läufe/maps",
        "/home/花子/渦巻銀河の腕を探す研究/二〇二四年三月の予測/すべての銀河の画像と地図/最後の版/maps (多数決)",
        "/home/anna/" + "all the spirals of the survey/" * 9 + "maps",
        "/home/anna/" + "spirals\\of\\" * 20,
        "maps\\",
        "x" * 63 + "\\",
        "two lines,\n\n  and a third " + "é " * 70,
    ],
    ids=["german", "japanese", "long", "backslashes", "last", "last on a card", "lines"],
)
def test_metadata_come_back_however_long_and_in_any_script(tmp_path, ending, said):
    table = Table({"z": [0.5]}, meta={"masks": said, "runs": [said, "one"], "flags": {7: said}, "galaxies": 1})
    write_pieces(empty_like(table), [table], tmp_path / f"t{ending}")
    assert read_whole(tmp_path / f"t{ending}").meta == table.meta
