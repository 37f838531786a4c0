"""The journal of rows: a call that is killed goes on where it was, and no row is another's."""

from __future__ import annotations

import dataclasses
import json
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from flaxgal.measure import catalogue
from flaxgal.measure.catalogue import measure_galaxies
from flaxgal.measure.flags import Flag
from flaxgal.measure.flux import BandFlux, Measurement, measure_cutout
from flaxgal.measure.journal import MeasureJournal, from_json, to_json
from flaxgal.survey.cutout import Cutout, read_cutout, write_cutout
from flaxgal.survey.prediction import Prediction, write_prediction

UGLY = Measurement(
    object_id="0036411448540268123 \u2028\n é", survey="HSC", ra_deg=150.123456789012345, dec_deg=-0.0, unit="nJy",
    run="runs/one", threshold=float(np.float32(0.1)), flags=Flag.FAINT | Flag.TINY_MASK,
    bands={"g": BandFlux(total_flux=0.1 + 0.2, arm_flux=5e-324, sky=1e300), "r": BandFlux()},
)  # fmt: skip


def same(row: object, other: object) -> bool:
    """Equal in every digit; NaN is NaN."""
    return repr(row) == repr(other)


@pytest.fixture
def masks(tmp_path) -> Path:
    """A folder of predictions, still empty, that says what makes them."""
    folder = tmp_path / "maps"
    folder.mkdir()
    (folder / "predictions.json").write_text(json.dumps({"run": "runs/one", "threshold": 0.5}))
    return folder


def test_a_row_comes_back_from_json_with_every_digit_and_every_nan(spiral):
    galaxy = measure_cutout(spiral(0).cutout, spiral(0).arm_mask)
    picture = measure_cutout(
        Cutout(object_id="7", flux=np.full((1, 8, 8), 3, np.float32), bands=("grey",), unit="picture"), np.eye(8) > 0
    )
    for row in (UGLY, galaxy, picture):
        back = from_json(to_json(row))
        assert same(back, row)
        assert isinstance(back.flags, Flag)
        assert "\n" not in to_json(row)


@pytest.mark.parametrize("line", ["", "{", "3", "{}", '{"object_id": "a"}', '{"bands": {"g": 3}}'])
def test_a_line_that_is_no_row_is_refused(line):
    with pytest.raises(ValueError):  # noqa: PT011 - json has words of its own for some of them
        from_json(line)


def test_rows_are_read_back_in_the_next_call_and_gone_once_removed(tmp_path, masks):
    out = tmp_path / "new" / "arms.ecsv"
    journal = MeasureJournal(out, masks=masks)
    assert journal.measured == {}
    assert not out.parent.exists()
    for row in (UGLY, dataclasses.replace(UGLY, object_id="other")):
        journal.add(row)
    again = MeasureJournal(out, masks=masks)
    assert again.path.name == "arms.ecsv.partial.jsonl"
    assert list(again.measured) == [UGLY.object_id, "other"]
    assert same(again.measured[UGLY.object_id], UGLY)
    size = again.path.stat().st_size
    again.add(again.measured["other"])
    assert again.path.stat().st_size == size
    again.remove()
    again.remove()
    assert list(out.parent.iterdir()) == []


@pytest.mark.parametrize("tail", [b'{"object_id": "cut', b"{}\n", b"\x00\x00\xff\n", to_json(UGLY).encode()])
def test_a_torn_last_line_is_dropped_and_the_next_row_stands_on_its_own(tmp_path, masks, tail):
    journal = MeasureJournal(tmp_path / "arms.ecsv", masks=masks)
    journal.add(dataclasses.replace(UGLY, object_id="first"))
    with journal.path.open("ab") as file:
        file.write(tail)
    again = MeasureJournal(tmp_path / "arms.ecsv", masks=masks)
    assert list(again.measured) == ["first"]
    again.add(dataclasses.replace(UGLY, object_id="next"))
    assert list(MeasureJournal(tmp_path / "arms.ecsv", masks=masks).measured) == ["first", "next"]


def test_a_journal_of_other_masks_or_other_predictions_is_begun_anew(tmp_path, masks):
    out, elsewhere = tmp_path / "arms.ecsv", tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "predictions.json").write_text((masks / "predictions.json").read_text())
    MeasureJournal(out, masks=masks).add(UGLY)
    assert MeasureJournal(out, masks=elsewhere).measured == {}
    assert list(MeasureJournal(out, masks=masks).measured) == [UGLY.object_id], "to look at it loses nothing"
    (masks / "predictions.json").write_text(json.dumps({"run": "runs/two", "threshold": 0.5}))
    journal = MeasureJournal(out, masks=masks)
    assert journal.measured == {}
    journal.add(dataclasses.replace(UGLY, object_id="new"))
    assert list(MeasureJournal(out, masks=masks).measured) == ["new"]


@pytest.mark.parametrize("content", [b"", b"{", b"not a journal\n", b"\xff\xfe\n"])
def test_a_file_that_is_no_journal_is_begun_anew(tmp_path, masks, content):
    MeasureJournal(tmp_path / "arms.ecsv", masks=masks).path.write_bytes(content)
    journal = MeasureJournal(tmp_path / "arms.ecsv", masks=masks)
    assert journal.measured == {}
    journal.add(UGLY)
    assert list(MeasureJournal(tmp_path / "arms.ecsv", masks=masks).measured) == [UGLY.object_id]


def write_maps(spirals: list, folder: Path) -> None:
    for drawn in spirals:
        probability = drawn.arm_mask.astype(np.float32)[None]
        write_prediction(Prediction(drawn.cutout.object_id, "drawn", probability, ("arm",), 0.5, "runs/one"), folder)


def test_an_earlier_row_is_not_taken_for_an_image_of_the_same_name_in_other_bands_or_units(tmp_path, spiral):
    drawn = spiral(0)
    write_maps([drawn], tmp_path)
    earlier = {"drawn-0": dataclasses.replace(measure_cutout(drawn.cutout, drawn.arm_mask), run="earlier")}
    for cutout, run in (
        (drawn.cutout, "earlier"),
        (drawn.cutout.select(["r"]), "runs/one"),
        (dataclasses.replace(drawn.cutout, unit="count"), "runs/one"),
    ):
        (row,) = measure_galaxies([cutout], tmp_path, measured=earlier)
        assert isinstance(row, Measurement)
        assert (row.run, tuple(row.bands)) == (run, cutout.bands)


NIGHT = """
import os, signal, sys
from pathlib import Path
from flaxgal.measure.catalogue import MeasureJournal, measure_galaxies
from flaxgal.survey.cutout import read_cutout

images, masks, out = map(Path, sys.argv[1:])
cutouts = map(read_cutout, sorted(images.iterdir()))
journal = MeasureJournal(out, masks=masks)
for number, row in enumerate(measure_galaxies(cutouts, masks, measured=journal.measured), start=1):
    journal.add(row)
    if number == 3:
        os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_call_that_is_killed_loses_no_galaxy_it_had_measured(tmp_path, masks, spiral, monkeypatch):
    drawn = [spiral(number) for number in range(5)]
    images, out = tmp_path / "images", tmp_path / "arms.ecsv"
    for one in drawn:
        write_cutout(one.cutout, images / f"{one.cutout.object_id}.fits")
    cutouts = [read_cutout(path) for path in sorted(images.iterdir())]
    write_maps(drawn, masks)
    killed = subprocess.run([sys.executable, "-c", NIGHT, images, masks, out], check=False, timeout=120)
    assert killed.returncode == -signal.SIGKILL

    journal, looked_at = MeasureJournal(out, masks=masks), []
    assert list(journal.measured) == ["drawn-0", "drawn-1", "drawn-2"]
    whole = list(measure_galaxies(cutouts, masks))

    def counted(cutout, *arguments, **choices):
        looked_at.append(cutout.object_id)
        return measure_cutout(cutout, *arguments, **choices)

    monkeypatch.setattr(catalogue, "measure_cutout", counted)
    rows = list(measure_galaxies(cutouts, masks, measured=journal.measured))
    assert looked_at == ["drawn-3", "drawn-4"]
    assert all(same(row, wanted) for row, wanted in zip(rows, whole, strict=True))
