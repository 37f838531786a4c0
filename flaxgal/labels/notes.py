"""Short remarks on galaxies that are no masks: flagged, skipped, compared. Immutable small files, merged by union."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flaxgal.labels.revisions import utc_now

if TYPE_CHECKING:
    from flaxgal.labels.store import Store

__all__ = ["KINDS", "Note", "answering", "flagged", "note_from_json", "note_to_json"]

KINDS = ("flagged", "unflagged", "skipped", "compared")
"""A second look is wanted; it is no longer; passed over without a mask; two masks compared without knowing whose they
are, with details {"better": revision id or "", "worse": revision id or "", "shown": [left id, right id]}."""

_FORMAT = 1


@dataclass(frozen=True, kw_only=True)
class Note:
    """What one person remarked on one galaxy."""

    object_id: str
    annotator: str
    kind: str
    """One of `KINDS`."""
    created_utc: str = field(default_factory=utc_now)
    details: Mapping[str, Any] = field(default_factory=dict)
    """Anything that belongs to it, as JSON can hold it: a reason, the revisions that were compared …"""
    note_id: str = ""
    """Hash of the file, given by the store when it is kept."""

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"{self.object_id}: a note of kind {self.kind!r}, expected one of {', '.join(KINDS)}")
        if not self.annotator.strip():
            raise ValueError(f"{self.object_id}: a note without an annotator; say whose it is (--annotator NAME)")


def note_to_json(note: Note) -> bytes:
    """The note as the bytes of its file; the same note gives the same bytes."""
    about = {
        "flaxgal": "note",
        "format": _FORMAT,
        "object_id": note.object_id,
        "annotator": note.annotator,
        "kind": note.kind,
        "created_utc": note.created_utc,
        "details": dict(note.details),
    }
    return (json.dumps(about, indent=1, sort_keys=True) + "\n").encode()


def note_from_json(content: bytes, *, path: Path, note_id: str = "") -> Note:
    """The note that `note_to_json` wrote; `path` is named in errors only.

    Raises
    ------
    ValueError
        If the content is no note, or one of a layout newer than this version of flaxgal knows.
    """
    try:
        about = json.loads(content)
        kind, layout = about.pop("flaxgal"), about.pop("format")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"{path.name}: expected a note of flaxgal's, found something else ({error})") from None
    if kind != "note" or layout > _FORMAT:
        raise ValueError(
            f"{path.name}: a {kind} of layout {layout}, expected a note of layout {_FORMAT}; get a newer flaxgal"
        )
    try:
        words = {name: str(value) for name, value in about.items() if name != "details"}
        return Note(**words, details=dict(about["details"]), note_id=note_id)
    except (TypeError, KeyError) as error:
        raise ValueError(f"{path.name}: a note with missing or strange fields ({error})") from None


def answering(note: Note, flags: Iterable[Note]) -> Note:
    """A note that takes flags down, with the ids of those that its annotator saw.

    So the flags stay down also if they were set on a machine whose clock is ahead.
    """
    return replace(note, details={**note.details, "answers": [flag.note_id for flag in flags]})


def flagged(store: "Store", object_id: str | None = None) -> dict[str, Note]:
    """Galaxies that anybody flagged and nobody unflagged since, by id, with the note that flagged them.

    Of all galaxies, or of one.
    """
    notes = store.notes(object_id)
    answered = {flag for note in notes if note.kind == "unflagged" for flag in note.details.get("answers", ())}
    last: dict[str, Note] = {}
    for note in notes:
        if note.kind == "flagged" and note.note_id not in answered:
            last[note.object_id] = note
        elif note.kind == "unflagged":
            last.pop(note.object_id, None)
    return last
