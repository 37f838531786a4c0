"""What one person said about one galaxy: an immutable mask with its provenance, as a FITS file that DS9 opens.

A class map holds 0 background, 1 spiral arm, 2 bar, 255 uncertain (left out of the loss). A galaxy known to have no
arms has a revision whose mask is empty; a galaxy nobody has looked at has no revision.
"""

import dataclasses
import gzip
import io
import json
import math
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float32, UInt8

from flaxgal import __version__
from flaxgal.survey.prediction import CLASS_CODES

if TYPE_CHECKING:
    from astropy.io import fits
    from astropy.wcs import WCS

__all__ = [
    "ORIGINS",
    "UNCERTAIN",
    "Provenance",
    "Revision",
    "provenance_from_header",
    "revision_from_fits",
    "revision_to_fits",
    "same_pixels",
    "same_revision",
    "unpacked",
    "utc_now",
]

UNCERTAIN = 255
"""Value of pixels that the annotator would not decide."""
ORIGINS = ("drawn", "accepted", "corrected", "imported")
"""Drawn by hand; a model's guess, or somebody's revision (`parent`), accepted as it was; such a guess or revision
corrected; brought in from elsewhere."""

_FORMAT = 2
"""Layout 2 has cards of its own for how a mask was drawn; files of layout 1 lack them and are read as before."""
_MOST_BYTES = 2**30
"""Of an unpacked revision: the shares of two classes on 11,000 × 11,000 pixels."""
_CARDS = {
    "object_id": ("OBJECT", "galaxy"),
    "annotator": ("ANNOTATR", "who says so"),
    "created_utc": ("DATE", "when it was committed (UTC)"),
    "origin": ("MADE", " | ".join(ORIGINS)),
    "source": ("SOURCE", "what it was made from"),
    "parent": ("PARENT", "revision it was made from"),
    "cutout_sha256": ("CUTSHA", "hash of the pixels it was drawn on"),
    "software": ("CREATOR", "what wrote it"),
}
_CARDS_SINCE_2 = {
    "model_run": ("MODELRUN", "run that proposed a mask"),
    "served_by": ("SERVEDBY", "order that served the galaxy"),
    "drawing": ("DRAWING", "journal it was drawn in"),
}


def utc_now() -> str:
    """The time now, as revisions write it: ISO 8601 in UTC with microseconds, so that text order is time order."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """Who marked which galaxy, when, how and from what."""

    object_id: str
    annotator: str
    origin: str
    """One of `ORIGINS`."""
    cutout_sha256: str
    """`Cutout.sha256` of the cutout it was drawn on."""
    classes: tuple[str, ...] = ("arm",)
    """Classes the annotator looked for: a class that is not named here is unknown, not absent."""
    created_utc: str = field(default_factory=utc_now)
    source: str = ""
    """File it came from."""
    parent: str = ""
    """`revision_id` of the revision it was made from; empty for a first one."""
    active_seconds: float = 0.0
    """Seconds of work on it, pauses left out."""
    tool_counts: Mapping[str, int] = field(default_factory=dict)
    """How often each tool was used: {"brush": 12, "tracer": 2, "undo": 3}."""
    model_run: str = ""
    """Training run whose model proposed a mask; empty if none did."""
    model_threshold: float | None = None
    """Arm probability from which on that proposal said arm."""
    served_by: str = ""
    """The order in which the galaxy was served ("random seed 0", "usefulness …", "jump"): to compare orders later."""
    blind_repeat: bool = False
    """Drawn a second time by the same annotator, who was not shown the first."""
    drawing: str = ""
    """Id of the journal it was drawn in: one drawing is committed once, also after a crash."""
    software: str = f"flaxgal {__version__}"
    details: Mapping[str, Any] = field(default_factory=dict)
    """Anything else worth keeping, as JSON can hold it: a verdict, a remark …"""
    revision_id: str = ""
    """Hash of the file, given by the store when it is committed."""

    def __post_init__(self) -> None:
        if self.origin not in ORIGINS:
            raise ValueError(f"{self.object_id}: origin {self.origin!r}, expected one of {', '.join(ORIGINS)}")
        if not self.annotator.strip():
            raise ValueError(f"{self.object_id}: a revision without an annotator; say whose it is (--annotator NAME)")
        unknown = [name for name in self.classes if name not in CLASS_CODES]
        if unknown or not self.classes:
            raise ValueError(
                f"{self.object_id}: classes {', '.join(self.classes) or 'none'}, expected some of "
                f"{', '.join(CLASS_CODES)}"
            )
        _check_work(self.object_id, self.active_seconds, self.tool_counts, self.model_threshold)

    @property
    def is_models_own(self) -> bool:
        """Whether it is a model's guess, accepted as it was."""
        return self.origin == "accepted" and bool(self.model_run)


@dataclass(frozen=True, kw_only=True, eq=False)
class Revision(Provenance):
    """One person's marks on one galaxy: a class map, or the fraction of people who marked each pixel."""

    mask: UInt8[np.ndarray, "y x"] | None = None
    """Class map: 0 background, 1 arm, 2 bar, 255 uncertain."""
    fraction: Float32[np.ndarray, "class y x"] | None = None
    """In place of `mask`, for soft votes: share of people, 0 to 1, in the order of `classes`; NaN is uncertain."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if (self.mask is None) == (self.fraction is None):
            raise ValueError(f"{self.object_id}: a revision holds a mask or a fraction, and only one of the two")
        if self.mask is not None:
            _check_class_map(self.object_id, self.mask, self.classes)
        if self.fraction is not None:
            _check_fraction(self.object_id, self.fraction, self.classes)

    @property
    def image_shape(self) -> tuple[int, int]:
        """Height and width in pixels."""
        pixels = self.mask if self.mask is not None else self.fraction
        height, width = pixels.shape[-2:]  # type: ignore[union-attr]
        return height, width

    @property
    def marked_pixels(self) -> int:
        """Pixels that somebody counts as part of a class; 0 for a galaxy known to have none."""
        return int((self.target(self.classes) > 0).any(axis=0).sum())

    def target(self, classes: Sequence[str]) -> Float32[np.ndarray, "class y x"]:
        """Each class as the fraction of people who marked the pixel: 0 or 1 for one person's mask.

        Raises
        ------
        ValueError
            If the annotator was not asked for one of the classes.
        """
        missing = [name for name in classes if name not in self.classes]
        if missing:
            raise ValueError(
                f"{self.object_id}: {self.annotator} marked {', '.join(self.classes)}, not {', '.join(missing)}; "
                f"ask for {', '.join(self.classes)} only, or have the galaxy labelled again"
            )
        if self.mask is not None:
            return np.stack([self.mask == CLASS_CODES[name] for name in classes]).astype(np.float32)
        chosen = self.fraction[[self.classes.index(name) for name in classes]]  # type: ignore[index]
        return np.nan_to_num(chosen, nan=0.0)

    def weight(self) -> Float32[np.ndarray, "y x"]:
        """1 where the marks count, 0 where the annotator was uncertain."""
        if self.mask is not None:
            return (self.mask != UNCERTAIN).astype(np.float32)
        return np.isfinite(self.fraction).all(axis=0).astype(np.float32)  # type: ignore[arg-type]


def _check_work(object_id: str, seconds: float, counts: Mapping[str, int], threshold: float | None) -> None:
    if not (math.isfinite(seconds) and seconds >= 0):
        raise ValueError(f"{object_id}: {seconds} seconds of active work, expected 0 or more")
    if threshold is not None and not 0 <= threshold <= 1:
        raise ValueError(f"{object_id}: model threshold {threshold}, expected a probability from 0 to 1")
    negative = [f"{tool} {count}" for tool, count in counts.items() if count < 0]
    if negative:
        raise ValueError(f"{object_id}: tool counts {', '.join(negative)}, expected 0 or more")


def _check_class_map(object_id: str, mask: np.ndarray, classes: Sequence[str]) -> None:
    allowed = [0, *(CLASS_CODES[name] for name in classes), UNCERTAIN]
    strange = np.setdiff1d(mask, allowed)
    if mask.ndim != 2 or mask.dtype != np.uint8:
        raise ValueError(f"{object_id}: mask of {mask.ndim} dimensions and type {mask.dtype}, expected uint8 (y, x)")
    if strange.size:
        raise ValueError(
            f"{object_id}: mask values {strange[:5].tolist()}, expected {allowed} for classes {', '.join(classes)}"
        )


def _check_fraction(object_id: str, fraction: np.ndarray, classes: Sequence[str]) -> None:
    if fraction.ndim != 3 or len(fraction) != len(classes) or fraction.dtype != np.float32:
        raise ValueError(
            f"{object_id}: fraction of shape {fraction.shape} and type {fraction.dtype}, expected float32 "
            f"({len(classes)}, y, x) for classes {', '.join(classes)}"
        )
    if ((fraction < 0) | (fraction > 1)).any():
        low, high = np.nanmin(fraction), np.nanmax(fraction)
        raise ValueError(f"{object_id}: fractions from {low:g} to {high:g}, expected 0 to 1: shares of people")


def revision_to_fits(revision: Revision, wcs: "WCS | None" = None) -> bytes:
    """The revision as the bytes of a gzipped FITS file: pixels in the primary HDU, provenance in its cards."""
    from astropy.io import fits

    from flaxgal.survey.fits_format import put_card, wcs_header

    pixels = revision.mask if revision.mask is not None else revision.fraction
    header = wcs_header(wcs)
    header["FLAXGAL"] = ("revision", "kind of flaxgal file")
    header["FLXFMT"] = (_FORMAT, "version of this layout")
    for name, (card, comment) in (_CARDS | _CARDS_SINCE_2).items():
        text = _ascii(getattr(revision, name))
        header[card] = (text, comment) if len(text) + len(comment) < 60 else text  # what does not fit warns
    header["CLASSES"] = (",".join(revision.classes), "classes the annotator looked for")
    header["NMARKED"] = (revision.marked_pixels, "pixels that belong to a class")
    put_card(header, "ACTIVE", float(revision.active_seconds), "[s] active work")
    header["TOOLS"] = _json(revision.tool_counts)
    if revision.model_threshold is not None:
        put_card(header, "MODELTHR", float(revision.model_threshold), "threshold of the proposal")
    header["BLINDREP"] = (revision.blind_repeat, "drawn again without seeing the first")
    header["DETAILS"] = _json(revision.details)
    header["COMMENT"] = (
        "0 background, 1 spiral arm, 2 bar, 255 uncertain"
        if revision.mask is not None
        else "fraction of people who marked the pixel; one plane a class, in the order of CLASSES"
    )
    file = io.BytesIO()
    fits.PrimaryHDU(pixels, header).writeto(file)
    return gzip.compress(file.getvalue(), compresslevel=6, mtime=0)


def revision_from_fits(content: bytes, *, path: Path, revision_id: str = "") -> Revision:
    """The revision that `revision_to_fits` wrote; `path` is named in errors only.

    Raises
    ------
    ValueError
        If the content is damaged, no revision, or of a layout newer than this version of flaxgal knows.
    """
    from astropy.io import fits

    try:
        with fits.open(io.BytesIO(unpacked(content)), memmap=False) as hdus:
            header, pixels = hdus[0].header, hdus[0].data  # type: ignore[attr-defined]
    except Exception as error:  # astropy raises many kinds for damaged headers
        raise ValueError(f"{path.name}: expected a revision as gzipped FITS, found a damaged file ({error})") from None
    provenance = provenance_from_header(header, path=path, revision_id=revision_id)
    if pixels is None:
        raise ValueError(f"{path.name}: a revision without pixels; the file is damaged, restore it from a copy")
    pixels = np.ascontiguousarray(pixels, dtype=pixels.dtype.newbyteorder("="))
    values: dict[str, Any] = {item.name: getattr(provenance, item.name) for item in dataclasses.fields(Provenance)}
    values["mask" if pixels.ndim == 2 else "fraction"] = pixels
    return Revision(**values)


def unpacked(content: bytes) -> bytes:
    """What is in a gzipped file, which may come from anybody.

    Raises
    ------
    OSError, EOFError
        If it is damaged, or larger than any mask.
    """
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(content)) as file:
            found = file.read(_MOST_BYTES + 1)
    except zlib.error as error:
        raise OSError(str(error)) from None
    if len(found) > _MOST_BYTES:
        raise OSError(f"more than {_MOST_BYTES} bytes when unpacked")
    return found


def same_revision(one: Revision, other: Revision) -> bool:
    """Whether two revisions agree in every pixel and every word; the ids that the store gives do not count."""
    words = [item.name for item in dataclasses.fields(Provenance) if item.name != "revision_id"]
    if any(_as_kept(getattr(one, name)) != _as_kept(getattr(other, name)) for name in words):
        return False
    return same_pixels(one, other)


def same_pixels(one: Revision, other: Revision) -> bool:
    """Whether two revisions mark the same, whoever says so."""
    pixels = [(one.mask, other.mask), (one.fraction, other.fraction)]
    return all(a is b if a is None or b is None else np.array_equal(a, b, equal_nan=True) for a, b in pixels)


def _as_kept(value: Any) -> Any:
    """A value as a file holds it: what JSON does not tell apart (tuple and list) is the same."""
    return json.dumps(dict(value), sort_keys=True) if isinstance(value, Mapping) else value


def provenance_from_header(header: "fits.Header", *, path: Path, revision_id: str = "") -> Provenance:
    """The provenance in a revision's cards; `path` is named in errors only."""
    if header.get("FLAXGAL") != "revision":
        raise ValueError(f"{path.name}: no revision of flaxgal's (no card FLAXGAL = 'revision')")
    if header.get("FLXFMT", 0) > _FORMAT:
        raise ValueError(
            f"{path.name}: a revision of layout {header['FLXFMT']}, this flaxgal knows {_FORMAT}; get a newer flaxgal"
        )
    try:
        return Provenance(**_cards_understood(header), revision_id=revision_id)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path.name}: a revision with damaged cards ({error}); restore it from a copy") from None


def _cards_understood(header: "fits.Header") -> dict[str, Any]:
    values: dict[str, Any] = {name: _text(header[card]) for name, (card, _) in _CARDS.items()}
    values["classes"] = tuple(header["CLASSES"].split(","))
    values["details"] = dict(json.loads(header["DETAILS"]))
    if header["FLXFMT"] >= 2:
        values |= {name: _text(header[card]) for name, (card, _) in _CARDS_SINCE_2.items()}
        threshold = header.get("MODELTHR")
        values |= {
            "active_seconds": float(header["ACTIVE"]),
            "tool_counts": dict(json.loads(header["TOOLS"])),
            "model_threshold": None if threshold is None else float(threshold),
            "blind_repeat": bool(header["BLINDREP"]),
        }
    return values


def _json(values: Mapping[str, Any]) -> str:
    return json.dumps(dict(values), sort_keys=True).replace("&", "\\u0026")  # see _ascii


def _ascii(text: str) -> str:
    """Text as FITS cards can hold it: an ë becomes an escape sequence, and so does a space that FITS would drop.

    So does an &, by which a long text says that it goes on in the next card: astropy drops some of them.
    """
    escaped = text.encode("unicode_escape").decode("ascii").replace("&", "\\x26")
    kept = escaped.rstrip(" ")
    return kept + "\\x20" * (len(escaped) - len(kept))


def _text(card: str) -> str:
    """The inverse of `_ascii`."""
    return card.encode("ascii").decode("unicode_escape")
