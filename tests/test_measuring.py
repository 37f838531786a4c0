"""The batch that measures: whatever stops it, and over whatever processes it runs, the catalogue is the same."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from astropy.table import Table
from astropy.time import Time
from measured import a_galaxy, counted, predict_for, same_tables

from flaxgal.cli import run
from flaxgal.distribute import in_processes, on_cluster, processes
from flaxgal.labels.store import Store
from flaxgal.measure.catalogue import read_catalogue
from flaxgal.measuring import Written, measure
from flaxgal.row_by_row import Done, Kept
from flaxgal.survey.cutout import Cutout, Unreadable, read_cutout, write_cutout
from flaxgal.survey.prediction import prediction_path

FLAXGAL = [sys.executable, "-m", "flaxgal"]


@pytest.fixture(scope="module")
def made_field(tmp_path_factory) -> Path:
    """A folder with 40 galaxies, three of which cannot be measured, and their maps."""
    folder = tmp_path_factory.mktemp("made")
    images, masks = folder / "images", folder / "maps"
    for number in range(40):
        cutout = a_galaxy(number)
        write_cutout(cutout, images / f"{cutout.object_id}.fits")
        predict_for(cutout, masks)
    (images / "g005.fits").write_bytes(b"SIMPLE  = damaged")
    prediction_path("g006", masks).unlink()
    prediction_path("g007", masks).write_bytes(b"")
    return folder


@pytest.fixture
def field(made_field, tmp_path) -> tuple[Path, Path]:
    """Images and maps of a copy, which a test may change."""
    return tuple(shutil.copytree(made_field / name, tmp_path / name) for name in ("images", "maps"))


@pytest.fixture(scope="module")
def whole(made_field) -> Path:
    """The catalogue that one process makes in one call."""
    items = list(measure([made_field / "images"], made_field / "maps", [made_field / "whole.parquet"], workers=1))
    assert counted(items) == {"Done": 37, "Unreadable": 3, "Written": 1}
    assert [item.object_id for item in items if isinstance(item, Done)] == MEASURED
    return made_field / "whole.parquet"


MEASURED = [f"g{number:03d}" for number in range(40) if number not in (5, 6, 7)]


def test_the_catalogue_does_not_depend_on_the_number_of_processes(field, whole, tmp_path):
    images, masks = field
    items = list(measure([images], masks, [tmp_path / "by-3.parquet"], workers=3))
    assert counted(items) == {"Done": 37, "Unreadable": 3, "Written": 1}
    assert [item.object_id for item in items if isinstance(item, Done)] == MEASURED
    assert list(read_catalogue(tmp_path / "by-3.parquet")["object_id"]) == MEASURED
    assert same_tables(whole, tmp_path / "by-3.parquet")
    assert same_tables(whole.with_name("whole-arms.parquet"), tmp_path / "by-3-arms.parquet")
    assert not [*tmp_path.glob("*.partial.jsonl"), *whole.parent.glob("*.partial.jsonl")]


def test_what_cannot_be_measured_is_named_with_its_reason(field, tmp_path):
    images, masks = field
    reasons = [item.reason for item in measure([images], masks, [tmp_path / "arms.ecsv"], workers=1)
               if isinstance(item, Unreadable)]  # fmt: skip
    assert len(reasons) == 3
    assert "g005.fits" in reasons[0]
    assert reasons[1].startswith("g006: no map of it in")
    assert "g007.arms.fits: found no prediction in it" in reasons[2]


def children_of(process: int) -> set[int]:
    found = set()
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            words = status.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(words[1]) == process:
            found.add(int(status.parent.name))
    return found


def wait_until(true, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.005)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_call_that_is_killed_goes_on_and_ends_with_the_same_catalogue(field, whole, tmp_path, workers):
    images, masks = field
    out = tmp_path / "arms.parquet"
    journal = tmp_path / "arms.parquet.partial.jsonl"
    command = [*FLAXGAL, "measure", str(images), "--masks", str(masks), "--out", str(out), "--workers", workers]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as killed:
        wait_until(lambda: journal.exists() and journal.read_bytes().count(b"\n") > 2)
        children = children_of(killed.pid)
        killed.kill()
    assert killed.returncode == -signal.SIGKILL
    wait_until(lambda: not any(Path(f"/proc/{child}").exists() for child in children))
    assert not out.exists()
    kept = journal.read_bytes().count(b"\n") - 1
    with journal.open("ab") as file:
        file.write(b'["g020", "half a li')
    items = list(measure([images], masks, [out], workers=2))
    assert counted(items)["Kept"] == kept > 0
    assert counted(items).get("Done", 0) == 37 - kept
    assert same_tables(out, whole)


def stopped(images: Path, masks: Path, out: Path, after: int) -> None:
    """A call that ended when it had measured some galaxies."""
    going = measure([images], masks, [out], workers=1)
    for _ in range(after):
        next(going)
    going.close()


def test_a_galaxy_whose_image_or_map_changed_meanwhile_is_measured_again(field, tmp_path):
    images, masks = field
    out = tmp_path / "arms.parquet"
    stopped(images, masks, out, 5)
    cutout = a_galaxy(0)
    write_cutout(Cutout(object_id="g000", flux=2 * cutout.flux, bands=("i",), unit="nJy"), images / "g000.fits")
    predict_for(read_cutout(images / "g000.fits"), masks)
    predict_for(a_galaxy(2), masks, threshold=0.25)
    items = list(measure([images], masks, [out], workers=1))
    assert [item.object_id for item in items if isinstance(item, Kept)] == ["g001", "g003", "g004"]
    table = read_catalogue(out)
    assert list(table["object_id"]) == MEASURED
    assert table["threshold"][2] == 0.25
    assert table["total_flux_i"][0] > 1.5 * table["total_flux_i"][10], "twice the light"


def test_galaxies_of_a_store_go_on_where_they_were_too(tmp_path):
    store = Store.create(tmp_path / "labels")
    for number in range(4):
        store.add(a_galaxy(number))
        predict_for(a_galaxy(number), tmp_path / "maps")
    out = tmp_path / "arms.parquet"
    stopped(store.path, tmp_path / "maps", out, 2)
    items = list(measure([store.path], tmp_path / "maps", [out], workers=1))
    assert counted(items) == {"Kept": 2, "Done": 2, "Written": 1}


def test_an_id_comes_once_whoever_measures_it(field, tmp_path):
    images, masks = field
    write_cutout(a_galaxy(3), tmp_path / "again" / "other-name.fits")
    items = list(measure([images, tmp_path / "again"], masks, [tmp_path / "arms.parquet"], workers=2))
    second = next(item for item in items if isinstance(item, Unreadable) and item.name == "g003")
    assert "other-name.fits, and before in" in second.reason
    assert list(read_catalogue(tmp_path / "arms.parquet")["object_id"]) == MEASURED


def killed_by(number: int) -> int:
    if number == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def test_a_process_that_dies_is_said_in_a_sentence():
    with pytest.raises(ValueError, match="one of 2 processes ended by itself"):
        list(in_processes(killed_by, range(8), workers=2))
    with pytest.raises(ValueError, match="workers is 0"):
        processes(0)


def tadaki(path: Path) -> Path:
    """A table as published: ids as numbers, -99 for what is missing, a column of our own name."""
    table = Table({
        "object_id": np.array([36411448540268123 + k for k in range(3)] + [1]),
        "photoz_best": [0.25, -99.0, 0.5, 0.1],
        "specz_flag": [1, -99, 0, 1],
        "flux_ratio_i": [9.0, 9.0, 9.0, 9.0],
        "class": ["S", "Z", "", "S"],
    })  # fmt: skip
    table["photoz_best"].description = "redshift"
    table["photoz_best"].unit = "km / s"
    table.write(path)
    return path


@pytest.mark.parametrize("ending", ["parquet", "ecsv", "fits", "vot"])
def test_columns_of_a_published_table_stand_beside_ours(tmp_path, ending, capsys):
    masks, images = tmp_path / "maps", tmp_path / "images"
    for number, object_id in enumerate(["36411448540268124", "no-such", "36411448540268123"]):
        known = {name: getattr(a_galaxy(number), name) for name in ("flux", "variance", "bands", "unit")}
        cutout = Cutout(object_id=object_id, **known)
        write_cutout(cutout, images / f"{number}.fits")
        predict_for(cutout, masks)
    out = tmp_path / f"arms.{ending}"
    command = ["measure", str(images), "--masks", str(masks), "--out", str(out), "--workers", "1"]
    assert run([*command, "--join", str(tadaki(tmp_path / "tadaki.fits"))]) == 0
    said = capsys.readouterr().err
    assert "1 galaxies have no row in tadaki.fits, such as no-such; its ids are like 36411448540268123" in said
    table = read_catalogue(out)
    assert np.array_equal(table["photoz_best"], [np.nan, np.nan, 0.25], equal_nan=True)
    assert np.array_equal(table["specz_flag"], [np.nan, np.nan, 1.0], equal_nan=True)
    assert list(table["class"]) == ["Z", "", "S"]
    assert (table["joined_flux_ratio_i"][0], table["photoz_best"].description) == (9.0, "redshift")
    assert str(table["photoz_best"].unit) == "km / s"
    assert np.isfinite(table["flux_ratio_i"]).all()
    assert table.meta["joined"] == "tadaki.fits"


@pytest.mark.parametrize("order", [1, -1])
def test_a_catalogue_can_be_joined_to_the_next_again_and_again(field, tmp_path, order):
    images, masks = field
    join = None
    for out in (tmp_path / f"{name}.ecsv" for name in ("first", "second", "third")):
        list(measure([images], masks, [out], join=join, workers=1))
        table = read_catalogue(out)
        join = tmp_path / f"to-join-{out.name}"
        table[table.colnames[::order]].write(join)
    assert {"flags", "joined_flags", "joined_joined_flags"} <= set(table.colnames)
    assert np.array_equal(table["joined_joined_flags"], table["flags"])


@pytest.mark.parametrize(
    ("ending", "name"),
    [("fits", "Name of é"), ("fits", "a\tb"), ("fits", "x" * 80), ("vot", "two\nlines"), ("ecsv", "two\nlines")],
)
def test_a_joined_column_that_the_output_cannot_have_is_refused_before_any_work(field, tmp_path, ending, name):
    images, masks = field
    Table({"object_id": ["g001", "g002"], "z": [0.1, 0.2], name: [1.0, 2.0]}).write(tmp_path / "theirs.parquet")
    found = measure([images], masks, [tmp_path / f"arms.{ending}"], join=tmp_path / "theirs.parquet", workers=1)
    with pytest.raises(ValueError, match=r"theirs.parquet: a \.\w+ file cannot have columns of the names \['") as error:
        next(found)
    assert repr(name) in str(error.value)
    assert "'z'" not in str(error.value)
    assert not list(tmp_path.glob("arms*"))


def test_a_table_that_has_none_of_the_galaxies_is_refused_before_any_work(field, tmp_path, capsys):
    images, masks = field
    Table({"name": ["G000", "G001"], "ours": ["g002", "g009"], "z": [0.1, 0.2]}).write(tmp_path / "theirs.ecsv")
    command = ["measure", str(images), "--masks", str(masks), "--out", str(tmp_path / "arms.ecsv"), "--workers", "1"]
    assert run([*command, "--join", str(tmp_path / "theirs.ecsv")]) == 2
    assert "its ids are like G000, those of the images like g039; name its column" in capsys.readouterr().err
    assert not list(tmp_path.glob("arms*"))
    assert run([*command, "--id-column", "ours"]) == 2
    assert "--id-column ours is of a table to join; give that table by --join" in capsys.readouterr().err
    assert run([*command, "--join", str(tmp_path / "theirs.ecsv"), "--id-column", "ours"]) == 0
    assert "35 galaxies have no row in theirs.ecsv, such as g000; its ids are like g002" in capsys.readouterr().err
    table = read_catalogue(tmp_path / "arms.ecsv")
    assert list(table["z"][table["object_id"] == "g009"]) == [0.2]
    assert {"name", "ours"} & set(table.colnames) == {"name"}


def test_no_image_is_read_to_see_whether_a_table_has_a_galaxy_that_is_called_as_its_file(field, tmp_path, monkeypatch):
    images, masks = field
    Table({"object_id": ["g039"], "z": [0.1]}).write(tmp_path / "theirs.ecsv")
    monkeypatch.setattr("flaxgal.measuring._measure_batch", lambda batch, masks: [])
    read = []
    monkeypatch.setattr("flaxgal.inputs.read_cutout", lambda paths, **more: read.append(paths))
    assert list(measure([images], masks, [tmp_path / "arms.ecsv"], join=tmp_path / "theirs.ecsv", workers=1)) == []
    assert not read


def test_columns_that_no_table_of_ours_can_hold_are_left_out_by_name(field, tmp_path, capsys):
    images, masks = field
    theirs = Table({"object_id": ["g001", "g002"], "z": [0.1, 0.2], "fit": np.ones((2, 3)), "mode": [1j, 2]})
    theirs["seen"] = Time([50000.0, 51000.0], format="mjd")
    theirs.write(tmp_path / "theirs.ecsv")
    out = tmp_path / "arms.ecsv"
    command = ["measure", str(images), "--masks", str(masks), "--out", str(out), "--workers", "1"]
    assert run([*command, "--join", str(tmp_path / "theirs.ecsv")]) == 0
    said = capsys.readouterr().err
    assert "theirs.ecsv: the column fit holds several numbers a galaxy and is left out" in said
    assert "the column mode holds complex numbers and is left out" in said
    assert "the column seen holds neither numbers nor text and is left out" in said
    assert {"z", "fit", "mode", "seen"} & set(read_catalogue(out).colnames) == {"z"}


def test_a_description_of_two_lines_goes_into_fits(tmp_path, field):
    images, masks = field
    table = Table({"object_id": ["g001", "g002"], "z": [0.1, 0.2]})
    table["z"].description = "redshift,\nof the nucleus"
    table.write(tmp_path / "theirs.parquet")
    list(measure([images], masks, [tmp_path / "arms.fits"], join=tmp_path / "theirs.parquet", workers=1))
    assert read_catalogue(tmp_path / "arms.fits")["z"].description == "redshift, of the nucleus"


def test_parts_are_plain_parquet_of_one_schema_without_galaxies_that_have_no_place(field, tmp_path, monkeypatch):
    images, masks = field
    monkeypatch.setattr("flaxgal.measure.catalogue.PIECE", 5)
    monkeypatch.setattr("flaxgal.measure.parts.ROWS", 10)
    parts = tmp_path / "parts"
    (parts).mkdir()
    (parts / "part-00099.parquet").write_bytes(b"of an earlier call")
    *_, written = measure([images], masks, [tmp_path / "arms.parquet"], workers=1, parts=parts)
    assert isinstance(written, Written)
    assert written.off_the_sky == 1
    found = [pq.read_table(path) for path in sorted(parts.iterdir())]
    assert sum(map(len, found)) == 36
    assert len(found) == 4
    assert all(one.schema.equals(found[0].schema, check_metadata=True) for one in found)
    assert [str(found[0].schema.field(name).type) for name in ("ra_deg", "dec_deg")] == ["double", "double"]
    assert b"pandas" not in found[0].schema.metadata
    assert not any(np.isnan(one["ra_deg"].to_numpy()).any() for one in found)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--masks", "nowhere"], "nowhere: no such folder"),
        (["--out", "a-folder"], "found a folder; wanted the name of a table"),
        (["--out", "arms.csv"], "a catalogue's name ends in"),
        (["--out", "a-file/arms.ecsv"], "flaxgal: a-file: found a file; wanted a folder there"),
        (["--join", "nothing.fits"], "nothing.fits: no such file"),
        (["--parts", "maps"], "wanted an empty folder for the parts"),
        (["--parts", "a-file"], "found a file; wanted a folder for the parts"),
        (["--workers", "-1"], "workers is -1; wanted 1 process or more"),
        (["--dask", "tcp://127.0.0.1:1"], "tcp://127.0.0.1:1: found no Dask scheduler there"),
    ],
)
def test_a_mistake_is_one_sentence_before_any_work(field, tmp_path, monkeypatch, capsys, options, sentence):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("flaxgal.distribute.PATIENCE_S", 1)
    Path("a-folder.ecsv").mkdir()
    Path("a-file").touch()
    options = ["a-folder.ecsv" if option == "a-folder" else option for option in options]
    assert run(["measure", "images", *(["--masks", "maps"] if "--masks" not in options else []), *options]) == 2
    said = capsys.readouterr().err.strip()
    assert sentence in said
    assert said.count("\n") == 0
    assert not Path("arms.ecsv").exists()
    assert "--workers" not in options or not list(Path().glob("*.partial.jsonl"))


@pytest.mark.parametrize("address", ["127.0.0.1", "tcp://127.0.0.1", "http://127.0.0.1:80", "tcp://"])
def test_an_address_that_no_scheduler_can_have_is_refused_before_dask_looks_for_it(address, monkeypatch):
    """Dask's client said so too, was not done with it for 40 s, and printed a traceback then."""
    pytest.importorskip("distributed")
    monkeypatch.setattr("distributed.Client", None)
    with pytest.raises(ValueError, match=rf"^{address}: found no Dask scheduler there \("):
        list(on_cluster(int, ["1"], address=address))
