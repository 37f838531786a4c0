"""The lines of a drawing's journal: what a stroke is on the disk, and how a drawing is made from its lines again.

Each line is the CRC-32 of its JSON, a space and the JSON. The first says whose drawing of which galaxy it is and holds
the mask it started from; each further one holds the pixels that changed and whose they are now, the tool, seconds and
tool counts so far, and the proposal and the arm being traced where these changed.
"""

from __future__ import annotations

import base64
import dataclasses
import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from flaxgal import __version__
from flaxgal.labels.drawing import Drawing, OpenTrace, Proposal, same_proposal

__all__ = ["Written", "as_line", "begun", "difference", "header", "replayed", "understood"]

_FORMAT = 1
_HEADER = (
    "object_id", "annotator", "cutout_sha256", "classes", "parent", "served_by", "blind_repeat", "drawing",
    "started_utc",
)  # fmt: skip


class Written:
    """What a journal holds of a drawing: the drawing as it was at the last line."""

    def __init__(self, drawing: Drawing) -> None:
        self.mask, self.by_hand = drawing.mask.copy(), drawing.by_hand.copy()
        self.proposal, self.trace = drawing.proposal, drawing.trace
        self.tool_counts, self.active_seconds = dict(drawing.tool_counts), drawing.active_seconds


def difference(drawing: Drawing, written: Written, tool: str) -> dict[str, Any] | None:
    """One line's content: all that a drawing has and its journal has not; None if that is nothing."""
    entry: dict[str, Any] = {}
    where = np.flatnonzero((drawing.mask != written.mask) | (drawing.by_hand != written.by_hand))
    if where.size:
        pixels = np.diff(where, prepend=0).astype("<i4").tobytes()
        pixels += drawing.mask.ravel()[where].tobytes() + drawing.by_hand.ravel()[where].tobytes()
        entry |= {"changed": int(where.size), "pixels": _packed(pixels)}
    if not same_proposal(drawing.proposal, written.proposal):
        entry["proposal"] = _proposal_fields(drawing.proposal)
    if drawing.trace != written.trace:
        entry["trace"] = None if drawing.trace is None else dataclasses.asdict(drawing.trace)
    counted = drawing.tool_counts != written.tool_counts
    if not entry and not counted and drawing.active_seconds < written.active_seconds + 1:
        return None
    return entry | {"tool": tool, "seconds": round(drawing.active_seconds, 3), "tools": drawing.tool_counts}


def begun(drawing: Drawing) -> Drawing:
    """A drawing before its first stroke, as the first line keeps it."""
    same: dict[str, Any] = {name: getattr(drawing, name) for name in (*_HEADER, "start_mask", "start_hand")}
    return Drawing(**same)


def _packed(content: bytes) -> str:
    return base64.b64encode(zlib.compress(content, 1)).decode()


def _unpacked(text: str, size: int) -> bytes:
    content = zlib.decompress(base64.b64decode(text, validate=True))
    if len(content) != size:
        raise ValueError(f"{len(content)} bytes, expected {size}")
    return content


def as_line(entry: dict[str, Any]) -> bytes:
    """A line as it stands in the file."""
    text = json.dumps(entry, separators=(",", ":")).encode()
    return b"%08x " % zlib.crc32(text) + text + b"\n"


def understood(line: bytes) -> dict[str, Any] | None:
    """What a line says, if it is whole."""
    crc, _, text = line.removesuffix(b"\n").partition(b" ")
    if not line.endswith(b"\n") or crc != b"%08x" % zlib.crc32(text):
        return None
    return json.loads(text)


def header(drawing: Drawing) -> dict[str, Any]:
    """The content of the first line."""
    values = {"flaxgal": "drawing", "format": _FORMAT, "software": f"flaxgal {__version__}"}
    values |= {name: getattr(drawing, name) for name in _HEADER}
    start = drawing.start_mask.tobytes() + drawing.start_hand.tobytes()
    return values | {"shape": list(drawing.start_mask.shape), "start": _packed(start)}


def replayed(content: bytes, path: Path) -> tuple[Drawing, int, int]:
    """The drawing that a journal holds, where its last whole line ends, and how many lines before that are damaged."""
    first, *lines = content.splitlines(keepends=True) or [b""]
    try:
        drawing = _from_header(understood(first) or {}, path)
    except (KeyError, TypeError, json.JSONDecodeError, zlib.error) as error:
        raise ValueError(
            f"{path.name}: expected the journal of a drawing, its first line is damaged ({error}); restore the file "
            f"from a copy, or remove it"
        ) from None
    position = end = len(first)
    damaged = passed_over = 0
    for line in lines:
        position += len(line)
        try:
            entry = understood(line)
            if entry is not None:
                _replay(drawing, entry)
        except (KeyError, TypeError, ValueError, IndexError, zlib.error):
            entry = None
        if entry is None:
            passed_over += 1
        else:
            end, damaged = position, passed_over
    return drawing, end, damaged


def _from_header(values: dict[str, Any], path: Path) -> Drawing:
    if values["format"] > _FORMAT:
        raise ValueError(
            f"{path.name}: a drawing of layout {values['format']}, this flaxgal knows {_FORMAT}; get a newer flaxgal"
        )
    shape = tuple(values["shape"])
    start = np.frombuffer(_unpacked(values["start"], 2 * int(np.prod(shape))), np.uint8).reshape(2, *shape)
    about: dict[str, Any] = {name: values[name] for name in _HEADER} | {"classes": tuple(values["classes"])}
    return Drawing(**about, start_mask=start[0].copy(), start_hand=start[1].astype(bool))


def _replay(drawing: Drawing, entry: dict[str, Any]) -> None:
    """Take one line of a journal, whole or not at all."""
    mask, by_hand, proposal = drawing.mask.copy(), drawing.by_hand.copy(), drawing.proposal
    if entry.get("changed"):
        number = entry["changed"]
        pixels = _unpacked(entry["pixels"], 6 * number)
        where = np.cumsum(np.frombuffer(pixels, "<i4", number), dtype=np.int64)
        mask.flat[where] = np.frombuffer(pixels, np.uint8, number, 4 * number)
        by_hand.flat[where] = np.frombuffer(pixels, np.uint8, number, 5 * number) != 0
    if "proposal" in entry:
        proposal = _proposal(entry["proposal"], ~by_hand)
    trace, tools, seconds = _trace(entry), dict(entry["tools"]), float(entry["seconds"])
    drawing.go_to(mask, by_hand, proposal, entry["tool"])
    if "trace" in entry:
        drawing.trace = trace
    drawing.tool_counts, drawing.active_seconds = tools, seconds


def _proposal_fields(proposal: Proposal | None) -> dict[str, Any] | None:
    if proposal is None:
        return None
    return {"run": proposal.run, "threshold": proposal.threshold, "map": _packed(proposal.class_map.tobytes())}


def _proposal(fields: dict[str, Any] | None, pixels: np.ndarray) -> Proposal | None:
    if fields is None:
        return None
    class_map = np.frombuffer(_unpacked(fields["map"], pixels.size), np.uint8).reshape(pixels.shape)
    return Proposal(fields["run"], fields["threshold"], class_map, pixels)


def _trace(entry: dict[str, Any]) -> OpenTrace | None:
    fields = entry.get("trace")
    if fields is None:
        return None
    points = tuple((float(y), float(x)) for y, x in fields["points"])
    return OpenTrace(points, float(fields["width_pixels"]), int(fields["class_code"]))
