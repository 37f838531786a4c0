"""The journal of rows: a call that is killed goes on where it was, and no row is another's."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from flaxgal.measure.arms import Arm
from flaxgal.measure.flags import Flag
from flaxgal.measure.flux import measure_cutout
from flaxgal.measure.fourier import Fourier
from flaxgal.measure.journal import Line, MeasureJournal, from_json, to_json
from flaxgal.measure.record import BandFlux, Colour, Measurement
from flaxgal.survey.cutout import Cutout

UGLY = Measurement(
    object_id="0036411448540268123 \u2028\n\t é", survey="HSC", ra_deg=150.123456789012345, dec_deg=-0.0, unit="nJy",
    run="runs/one", threshold=float(np.float32(0.1)), flags=Flag.FAINT | Flag.TINY_MASK,
    bands={"g": BandFlux(total_flux=0.1 + 0.2, arm_flux=5e-324, sky=1e300), "r": BandFlux()},
    colours={"g-r": Colour(arm_mag=0.1)}, psf_matched=True, chirality="S",
    arms=(Arm(pitch_angle_deg=1 / 3, widths_pixels=(1.0, float("nan"))), Arm()),
    fourier=Fourier(amplitudes=(0.1, float("nan"), 0.0, 0.2, 0.3, 1e-12), arm_number=2),
)  # fmt: skip


def same(row: object, other: object) -> bool:
    """Equal in every digit; NaN is NaN."""
    return repr(row) == repr(other)


def line(row: Measurement = UGLY, **changes) -> Line:
    known = {"object_id": row.object_id, "source": "f\t\n", "image_stamp": f"i{row.object_id}", "map_stamp": "m"}
    return Line(**(known | changes), row=to_json(row))


def named(name: str) -> Line:
    return line(dataclasses.replace(UGLY, object_id=name))


def known(path: Path, masks: Path, *names: str) -> list[str]:
    """Which of some galaxies the journal of an earlier call has."""
    journal = MeasureJournal(path, masks=masks)
    journal.close()
    return [name for name in names if f"i{name}" in journal]


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


@pytest.mark.parametrize("content", ["", "{", "3", "{}", '{"object_id": "a"}', '{"bands": {"g": 3}}', '{"arms": 3}'])
def test_a_line_that_is_no_row_is_refused(content):
    with pytest.raises(ValueError):  # noqa: PT011 - json has words of its own for some of them
        from_json(content)


def test_rows_are_read_back_in_the_next_call_and_gone_once_removed(tmp_path, masks):
    out = tmp_path / "new" / "arms.ecsv"
    journal = MeasureJournal(out, masks=masks)
    for one in (line(), named("other")):
        journal.add(one)
    assert same(next(iter(journal.rows())), UGLY)
    journal.close()
    again = MeasureJournal(out, masks=masks)
    assert again.path.name == "arms.ecsv.partial.jsonl"
    assert len(again) == 0
    assert again.earlier(f"i{UGLY.object_id}") == line()
    size = again.path.stat().st_size
    again.keep(again.earlier("iother"))
    again.keep(again.earlier(f"i{UGLY.object_id}"))
    assert again.path.stat().st_size == size
    assert [row.object_id for row in again.rows()] == ["other", UGLY.object_id], "in the order of this call"
    again.remove()
    assert list(out.parent.iterdir()) == []


def test_a_galaxy_that_is_measured_again_has_its_new_row(tmp_path, masks):
    out = tmp_path / "arms.ecsv"
    journal = MeasureJournal(out, masks=masks)
    journal.add(line())
    journal.add(line(dataclasses.replace(UGLY, arm_pixels=7)))
    assert [row.arm_pixels for row in journal.rows()] == [7]
    journal.close()
    assert from_json(MeasureJournal(out, masks=masks).earlier(f"i{UGLY.object_id}").row).arm_pixels == 7


TORN = [b'["cut', b"{}\n", b"[1]\t{}\n", b"\x00\x00\xff\n", b'["a", "b", "c", "d"]\t' + to_json(UGLY).encode()]


@pytest.mark.parametrize("tail", TORN)
def test_a_torn_last_line_is_dropped_and_the_next_row_stands_on_its_own(tmp_path, masks, tail):
    out = tmp_path / "arms.ecsv"
    journal = MeasureJournal(out, masks=masks)
    journal.add(named("first"))
    journal.close()
    with journal.path.open("ab") as file:
        file.write(tail)
    again = MeasureJournal(out, masks=masks)
    assert "ifirst" in again
    again.add(named("next"))
    again.close()
    assert known(out, masks, "first", "next", "d") == ["first", "next"]


def test_a_journal_of_other_masks_or_predictions_is_refused_and_kept(tmp_path, masks):
    out, elsewhere = tmp_path / "arms.ecsv", tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "predictions.json").write_text((masks / "predictions.json").read_text())
    journal = MeasureJournal(out, masks=masks)
    journal.add(named("a"))
    journal.close()
    with pytest.raises(ValueError, match=r"holds rows that were measured with .*maps, now it is .*elsewhere; finish"):
        MeasureJournal(out, masks=elsewhere)
    (masks / "predictions.json").write_text(json.dumps({"run": "runs/two", "threshold": 0.5}))
    with pytest.raises(ValueError, match="holds rows that were measured with other predictions; finish that call"):
        MeasureJournal(out, masks=masks)
    (masks / "predictions.json").write_text(json.dumps({"run": "runs/one", "threshold": 0.5}))
    assert known(out, masks, "a") == ["a"]


@pytest.mark.parametrize("tail", [b"", b'["a", "half a li'])
def test_a_journal_of_other_masks_without_a_row_holds_nothing_that_could_be_mixed(tmp_path, masks, tail):
    """A call that failed before its first galaxy left one, and the next call with other masks was refused."""
    out, elsewhere = tmp_path / "arms.ecsv", tmp_path / "elsewhere"
    MeasureJournal(out, masks=elsewhere).close()
    with (tmp_path / "arms.ecsv.partial.jsonl").open("ab") as file:
        file.write(tail)
    journal = MeasureJournal(out, masks=masks)
    journal.add(named("a"))
    journal.close()
    assert known(out, masks, "a") == ["a"]
    with pytest.raises(ValueError, match="holds rows that were measured with"):
        MeasureJournal(out, masks=elsewhere)


@pytest.mark.parametrize("content", [b"", b"{", b'{"software": "fl'])
def test_a_journal_that_was_killed_in_its_first_line_is_begun_anew(tmp_path, masks, content):
    out = tmp_path / "arms.ecsv"
    (tmp_path / "arms.ecsv.partial.jsonl").write_bytes(content)
    journal = MeasureJournal(out, masks=masks)
    journal.add(named("a"))
    journal.close()
    assert known(out, masks, "a") == ["a"]


@pytest.mark.parametrize(
    "content", [b"somebody's diary\n", b"\xff\xfe\n", b"[1, 2]\n", b"3\n", b'{"diary": "of somebody"}\n', b"{}\n"]
)
def test_a_file_that_is_no_journal_is_left_alone(tmp_path, masks, content):
    path = tmp_path / "arms.ecsv.partial.jsonl"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="is no journal of flaxgal measure"):
        MeasureJournal(tmp_path / "arms.ecsv", masks=masks)
    assert path.read_bytes() == content


def test_two_calls_do_not_write_the_same_catalogue_at_a_time(tmp_path, masks):
    first = MeasureJournal(tmp_path / "arms.ecsv", masks=masks)
    with pytest.raises(ValueError, match="another flaxgal measure is writing it"):
        MeasureJournal(tmp_path / "arms.ecsv", masks=masks)
    first.close()
    MeasureJournal(tmp_path / "arms.ecsv", masks=masks).remove()


FULL = """
import resource, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[3])
from test_journal import MeasureJournal, named
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
journal = MeasureJournal(Path(sys.argv[1]), masks=Path(sys.argv[2]))
room = journal.path.stat().st_size + 5000
resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))
for number in range(100):
    try:
        journal.add(named(str(number)))
    except OSError as error:
        print(number, error)
        break
journal.close()
assert journal.path.read_bytes().endswith(b"\\n")
"""


def test_a_full_disk_is_said_in_one_sentence_and_loses_no_row(tmp_path, masks):
    out = tmp_path / "arms.ecsv"
    command = [sys.executable, "-c", FULL, out, masks, Path(__file__).parent]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    number, _, sentence = done.stdout.partition(" ")
    assert f"the {number} galaxies in it are kept: make room and run the same command again" in sentence
    names = [str(one) for one in range(int(number))]
    assert int(number) > 2
    assert known(out, masks, *names, number) == names
