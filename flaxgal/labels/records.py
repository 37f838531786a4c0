"""What there is to know of a store's files without their pixels, and the lines in which the index remembers it."""

import dataclasses
import io
import operator
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from flaxgal.labels.files import ENDINGS, checked, hash_in
from flaxgal.labels.notes import Note, note_from_json
from flaxgal.labels.revisions import Provenance, Revision, provenance_from_header, unpacked
from flaxgal.survey.cutout import Cutout, read_cutout

__all__ = [
    "FIELDS",
    "Galaxy",
    "Record",
    "StoredRevision",
    "check_drawn_on",
    "galaxy_of",
    "in_order",
    "line_of",
    "opened",
    "record_of",
    "stored_of",
]


@dataclass(frozen=True, kw_only=True)
class Galaxy:
    """A line of the store's listing: what there is to know of a galaxy without opening its cutout."""

    object_id: str
    survey: str
    ra_deg: float | None
    dec_deg: float | None
    bands: tuple[str, ...]
    unit: str
    image_shape: tuple[int, int]
    cutout_sha256: str


@dataclass(frozen=True, kw_only=True)
class StoredRevision:
    """A line of the store's listing: who marked what, without the pixels."""

    provenance: Provenance
    marked_pixels: int
    """0 for a galaxy that somebody says has no arms."""

    @property
    def revision_id(self) -> str:
        """Hash of the revision's file."""
        return self.provenance.revision_id

    @property
    def object_id(self) -> str:
        """The galaxy."""
        return self.provenance.object_id


Record = Galaxy | StoredRevision | Note
_T = TypeVar("_T")


def _names(record: type, *without: str) -> tuple[str, ...]:
    return tuple(field.name for field in dataclasses.fields(record) if field.name not in without)


_PROVENANCE = _names(Provenance, "revision_id")
FIELDS: dict[str, tuple[str, ...]] = {
    "galaxies": _names(Galaxy),
    "revisions": (*_PROVENANCE, "marked_pixels"),
    "notes": _names(Note, "note_id"),
}
"""What a line of the index holds, by kind of file, after the file's name."""
_GET = {kind: operator.attrgetter(*names) for kind, names in FIELDS.items() if kind != "revisions"}
_GET_PROVENANCE = operator.attrgetter(*_PROVENANCE)
_PLACE = {kind: {name: place for place, name in enumerate(names)} for kind, names in FIELDS.items()}


def galaxy_of(cutout: Cutout) -> Galaxy:
    """What the listing says of a cutout."""
    names = ("object_id", "survey", "ra_deg", "dec_deg", "bands", "unit", "image_shape")
    return Galaxy(**{name: getattr(cutout, name) for name in names}, cutout_sha256=cutout.sha256)


def stored_of(revision: Revision, revision_id: str) -> StoredRevision:
    """What the listing says of a revision."""
    values: dict[str, Any] = {name: getattr(revision, name) for name in _PROVENANCE}
    values["revision_id"] = revision_id
    return StoredRevision(provenance=Provenance(**values), marked_pixels=revision.marked_pixels)


def check_drawn_on(revision: Revision, galaxy: Galaxy) -> None:
    """Refuse a mask that does not lie on a galaxy's pixels.

    Raises
    ------
    ValueError
        If it was drawn on other pixels, or has another size.
    """
    if revision.image_shape != galaxy.image_shape:
        (y, x), (height, width) = revision.image_shape, galaxy.image_shape
        raise ValueError(
            f"{revision.object_id}: the mask has {y} × {x} pixels, its image {height} × {width}; "
            f"draw the mask on this image, or give the image it was drawn on"
        )
    if revision.cutout_sha256 != galaxy.cutout_sha256:
        raise ValueError(
            f"{revision.object_id}: the mask was drawn on other pixels than the store has of this galaxy; "
            f"open the galaxy from this store and draw again, or add those pixels under another id"
        )


def in_order(lines: Sequence[StoredRevision]) -> list[StoredRevision]:
    """Revisions of one galaxy, oldest first: by the time they were committed, but never before their parents.

    The clocks of two machines differ: a correction may claim to be older than what it corrects.
    """
    by_id = {line.revision_id: line for line in lines}
    places: dict[str, tuple[str, int]] = {}
    for line in lines:
        chain: dict[str, StoredRevision] = {}
        ancestor: StoredRevision | None = line
        while ancestor is not None and ancestor.revision_id not in places and ancestor.revision_id not in chain:
            chain[ancestor.revision_id] = ancestor
            ancestor = by_id.get(ancestor.provenance.parent)
        for revision_id, child in reversed(chain.items()):
            time, depth = places.get(child.provenance.parent, ("", 0))
            own = child.provenance.created_utc
            places[revision_id] = (own, 0) if own > time else (time, depth + 1)
    return sorted(lines, key=lambda line: (*places[line.revision_id], line.revision_id))


def opened(kind: str, path: Path) -> Record:
    """What the listing says of a file, from the file itself, whose content is checked against its name.

    Raises
    ------
    ValueError
        If it is missing, damaged, or not of this kind.
    """
    return {"galaxies": _open_galaxy, "revisions": _open_revision, "notes": _open_note}[kind](path)


def line_of(kind: str, record: Any) -> list[Any]:
    """What the index remembers of a record, as JSON can hold it, in the order of `FIELDS`."""
    if kind == "revisions":
        values = [*_GET_PROVENANCE(record.provenance), record.marked_pixels]
    else:
        values = list(_GET[kind](record))
    for name in ("details", "tool_counts"):
        if name in _PLACE[kind]:
            values[_PLACE[kind][name]] = dict(values[_PLACE[kind][name]])
    return values


def record_of(kind: str, name: str, line: Sequence[Any]) -> Any:
    """The record that `line_of` wrote down for the file `name`.

    Its values were checked when the file was opened, and the line has a checksum: making 76,635 records without
    checking them again is ten times faster.
    """
    if kind == "galaxies":
        galaxy = _made(Galaxy, FIELDS[kind], line)
        galaxy.__dict__["bands"] = tuple(galaxy.bands)
        galaxy.__dict__["image_shape"] = tuple(galaxy.image_shape)
        return galaxy
    if kind == "notes":
        note = _made(Note, FIELDS[kind], line)
        note.__dict__["note_id"] = _hash_in(name, kind)
        return note
    provenance = _made(Provenance, _PROVENANCE, line)
    provenance.__dict__["classes"] = tuple(provenance.classes)
    provenance.__dict__["revision_id"] = _hash_in(name, kind)
    stored = object.__new__(StoredRevision)
    stored.__dict__["provenance"], stored.__dict__["marked_pixels"] = provenance, line[-1]
    return stored


def _hash_in(name: str, kind: str) -> str:
    """The hash in a name that is known to have one."""
    end = len(name) - len(ENDINGS[kind])
    return name[end - 20 : end]


def _made(record: type[_T], names: Sequence[str], values: Sequence[Any]) -> _T:
    made = object.__new__(record)
    made.__dict__.update(zip(names, values, strict=False))
    return made


def _open_galaxy(path: Path) -> Galaxy:
    checked(path)
    return galaxy_of(read_cutout(path))


def _open_revision(path: Path) -> StoredRevision:
    from astropy.io import fits

    try:
        header = fits.Header.fromfile(io.BytesIO(unpacked(checked(path))))
        provenance = provenance_from_header(header, path=path, revision_id=hash_in(path.name))
        return StoredRevision(provenance=provenance, marked_pixels=int(header["NMARKED"]))
    except (OSError, EOFError, KeyError, TypeError) as error:
        raise ValueError(f"{path.name}: expected a revision as gzipped FITS, found a damaged file ({error})") from None


def _open_note(path: Path) -> Note:
    return note_from_json(checked(path), path=path, note_id=hash_in(path.name))
