"""Rows on disk while a long call measures, so that a call that is killed loses no galaxy it had measured.

OUT.partial.jsonl beside the catalogue OUT: a first line that says what was being measured, then one JSON object a
galaxy. It lives from the first row until the catalogue is written.
"""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path
from typing import Any

from flaxgal.measure.arms import Arm
from flaxgal.measure.flags import Flag
from flaxgal.measure.fourier import Fourier
from flaxgal.measure.record import BandFlux, Colour, Measurement

__all__ = ["MeasureJournal", "from_json", "to_json"]

CLAIM = "predictions.json"
"""What `flaxgal predict` writes beside its maps: which run, with which choices, made them."""


class MeasureJournal:
    """The rows measured so far towards one catalogue, kept on disk one by one.

    A journal that was begun with another folder of masks, other predictions in it or another version of flaxgal is
    not read, and is replaced at the first row. A last line that was cut short is dropped.

    Parameters
    ----------
    path : the catalogue that is to be written; the journal lies beside it, as PATH.partial.jsonl.
    masks : the folder of predictions.

    Attributes
    ----------
    measured : rows of an earlier call, by object_id.
    """

    def __init__(self, path: Path, *, masks: Path) -> None:
        self.path = path.with_name(f"{path.name}.partial.jsonl")
        self.measured: dict[str, Measurement] = {}
        self._origin = _origin(masks)
        self._whole_bytes = self._read() if self.path.exists() else 0
        self._begun = False

    def add(self, measurement: Measurement) -> None:
        """Keep one more row: it is in the file when this returns. A row of `measured` is there already."""
        if self.measured.get(measurement.object_id) is measurement:
            return
        if not self._begun:
            self._begin()
        with self.path.open("ab") as file:
            file.write(to_json(measurement).encode() + b"\n")

    def remove(self) -> None:
        """Delete the file: the catalogue is written."""
        self.path.unlink(missing_ok=True)
        self._whole_bytes, self._begun = 0, False

    def _begin(self) -> None:
        """Cut off what cannot be used, and say at the top what this is."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("ab") as file:
            file.truncate(self._whole_bytes)
        if not self._whole_bytes:
            self.path.write_bytes(json.dumps(self._origin).encode() + b"\n")
        self._begun = True

    def _read(self) -> int:
        """Take the rows up to the first line that is not whole; how many bytes they fill, 0 for another's journal."""
        first, *lines = self.path.read_bytes().splitlines(keepends=True) or [b""]
        if first != json.dumps(self._origin).encode() + b"\n":
            return 0
        size = len(first)
        for line in lines:
            if not line.endswith(b"\n"):
                break
            try:
                row = from_json(line.decode())
            except ValueError:
                break
            self.measured[row.object_id] = row
            size += len(line)
        return size


def _origin(masks: Path) -> dict[str, Any]:
    """What rows must have in common to stand in one catalogue."""
    from flaxgal import __version__

    claim = masks / CLAIM
    return {
        "software": f"flaxgal {__version__}",
        "masks": os.fspath(masks.resolve()),
        "predictions": claim.read_text(encoding="utf-8") if claim.exists() else None,
    }


def to_json(measurement: Measurement) -> str:
    """One line of JSON that holds every digit; a number that is missing is the word NaN."""
    return json.dumps(dataclasses.asdict(measurement))


def from_json(line: str) -> Measurement:
    """The very row that `to_json` wrote.

    Raises
    ------
    ValueError
        If the line is not whole.
    """
    said = json.loads(line)
    try:
        said["bands"] = {band: BandFlux(**light) for band, light in said["bands"].items()}
        said["colours"] = {pair: Colour(**colour) for pair, colour in said["colours"].items()}
        said["arms"] = tuple(Arm(**{**arm, "widths_pixels": tuple(arm["widths_pixels"])}) for arm in said["arms"])
        said["fourier"] = Fourier(**{**said["fourier"], "amplitudes": tuple(said["fourier"]["amplitudes"])})
        said["flags"] = Flag(said["flags"])
        return Measurement(**said)
    except (TypeError, KeyError) as error:
        raise ValueError(
            f"found no row of a catalogue in {line[:80]!r} ({error}); expected what to_json writes"
        ) from None
