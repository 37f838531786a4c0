"""Pictures as text tables (.dat): Cavanagh, Bekki & Groves 2021, MNRAS 506, 659, and the segmentation sets after them.

A table is numbers with spaces or ends of lines between them, in any arrangement: a line a picture, a line a row, or a
line a pixel; picture after picture, each row by row from the top. Beside it lies a table of labels (one number a
picture: 1 E, 2 S0, 3 Sp) or of masks (pictures of the same size, 0 or 1, or 255).

    nam_images_train.dat  nam_labels_train.dat         50 by 50 pixels
    tadaki_images.dat     tadaki_masks.dat             64 by 64
    set_2_orig.dat        set_2_segmentation.dat       64 by 64

Tables of hundreds of megabytes are read picture by picture.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from flaxgal.survey.cutout import Cutout, Unreadable
from flaxgal.survey.headers import stem_of

__all__ = ["LABELS", "TextPicture", "partner_of", "read_labelled_pictures", "read_labels", "read_masked_pictures"]

LABELS = {1: "E", 2: "S0", 3: "Sp"}
_WANTED = "wanted 1 E, 2 S0 or 3 Sp"
_PARTNERS = {
    "labels": (("_images", "_labels"), ("images_", "labels_")),
    "masks": (("_images", "_masks"), ("_orig", "_segmentation"), ("images", "masks")),
}
"""What in a name stands for the pictures, and what for what lies beside them."""


@dataclass(frozen=True, kw_only=True, eq=False)
class TextPicture:
    """A picture of a table, with what was said of it."""

    cutout: Cutout
    morphology: str = ""
    """E, S0 or Sp."""
    arm_share: Float32[np.ndarray, "y x"] | None = None
    """0 no arm, 1 arm; None where only the class is known."""


def partner_of(images: Path, what: str) -> Path | None:
    """The table of labels, or of masks, that lies beside a table of pictures; None if there is none."""
    for pictures, others in _PARTNERS[what]:
        if pictures in images.name:
            path = images.with_name(images.name.replace(pictures, others, 1))
            if path != images and path.is_file():
                return path
    return None


def read_labelled_pictures(
    images: Path | str, labels: Path | str, *, id_prefix: str = ""
) -> Iterator[TextPicture | Unreadable]:
    """Pictures with their classes, one at a time; of a picture whose label is none of 1, 2 and 3, that it is left out.

    An id is `id_prefix`, the table's name and a number from 0.

    Raises
    ------
    ValueError
        If the tables do not fit together, or hold something else than numbers.
    """
    images = Path(images)
    told, about = read_labels(labels), _look_through(images)
    for number, pixels in enumerate(_pictures(images, about, len(told))):
        cutout, label = _cutout(images, about, number, pixels, id_prefix), told[number]
        if label in LABELS:
            yield TextPicture(cutout=cutout, morphology=LABELS[int(label)])
        else:
            yield Unreadable(cutout.object_id, f"{cutout.object_id}: label {label:g}; {_WANTED}")


def read_masked_pictures(
    images: Path | str, masks: Path | str, *, size: int = 64, id_prefix: str = ""
) -> Iterator[TextPicture]:
    """Pictures of `size` by `size` pixels with their masks, one at a time.

    Raises
    ------
    ValueError
        If the tables do not fit together, or hold something else than numbers.
    """
    images, masks = Path(images), Path(masks)
    about, marks = _look_through(images), _look_through(masks)
    if about.numbers != marks.numbers or about.numbers % size**2 or not about.numbers:
        raise ValueError(
            f"{images.name}: {about.numbers} numbers, and {marks.numbers} in {masks.name}; wanted as many in both, "
            f"{size} × {size} a picture: say how many pixels wide the pictures are"
        )
    if not 0 <= marks.low <= marks.high <= 255:
        raise ValueError(f"{masks.name}: values from {marks.low:g} to {marks.high:g}; wanted 0 and 1, or 0 to 255")
    full = 1.0 if marks.high <= 1 else 255.0
    number_of = about.numbers // size**2
    pairs = zip(_pictures(images, about, number_of), _pictures(masks, marks, number_of), strict=True)
    for number, (pixels, marked) in enumerate(pairs):
        share = (marked / full).astype(np.float32)
        yield TextPicture(cutout=_cutout(images, about, number, pixels, id_prefix), arm_share=share)


def read_labels(path: Path | str) -> list[float]:
    """The label of each picture.

    Raises
    ------
    ValueError
        If there is none, or none of them is 1, 2 or 3.
    """
    path = Path(path)
    labels = list(_numbers(path))
    if not labels:
        raise ValueError(f"{path.name}: no labels; wanted one number a picture")
    if not LABELS.keys() & set(labels):
        some = ", ".join(f"{label:g}" for label in list(dict.fromkeys(labels))[:3])
        raise ValueError(f"{path.name}: no label is known among {some}; {_WANTED}")
    return labels


@dataclass(frozen=True, kw_only=True)
class _About:
    """What a table holds, found by looking through all of it: one dark picture alone does not tell the scale."""

    numbers: int
    low: float
    high: float


def _look_through(path: Path) -> _About:
    numbers, low, high = 0, math.inf, -math.inf
    for line in _lines(path):
        if len(line):
            numbers, low, high = numbers + len(line), min(low, float(line.min())), max(high, float(line.max()))
    if numbers and not (math.isfinite(low) and math.isfinite(high)):
        raise ValueError(f"{path.name}: holds undefined pixels (nan, inf); is the table whole?")
    return _About(numbers=numbers, low=low, high=high)


def _pictures(path: Path, about: _About, number: int) -> Iterator[Float32[np.ndarray, "y x"]]:
    """Square pictures in a table that holds so many of them."""
    side = math.isqrt(about.numbers // number)
    if about.numbers != number * side**2 or not about.numbers:
        raise ValueError(
            f"{path.name}: {about.numbers} numbers for {number} pictures; wanted that many square pictures: is the "
            f"table whole, and are its labels those of these pictures?"
        )
    return _cut(path, side)


def _cut(path: Path, side: int) -> Iterator[Float32[np.ndarray, "y x"]]:
    pixels = np.empty(side**2, np.float32)
    have = 0
    for line in _lines(path):
        while len(line):
            some = line[: side**2 - have]
            pixels[have : have + len(some)] = some
            have, line = have + len(some), line[len(some) :]
            if have == side**2:
                yield pixels.reshape(side, side).copy()
                have = 0


def _cutout(path: Path, about: _About, number: int, pixels: Float32[np.ndarray, "y x"], prefix: str) -> Cutout:
    """A picture of 8-bit levels; of fractions of white, scaled to that; of anything else, counts."""
    is_picture = 0 <= about.low <= about.high <= 255
    return Cutout(
        object_id=f"{prefix}{stem_of(path.name).removesuffix('.dat')}-{number:05d}",
        flux=(pixels * np.float32(255 if about.high <= 1 else 1) if is_picture else pixels)[None],
        bands=("grey",),
        unit="picture" if is_picture else "count",
        survey="SDSS" if path.name.startswith("nam_") else "",
        first_row="top",
    )


def _numbers(path: Path) -> Iterator[float]:
    for line in _lines(path):
        yield from line.tolist()


def _lines(path: Path) -> Iterator[Float32[np.ndarray, " n"]]:
    """The numbers of a table, some at a time: those of one line, or of many short ones."""
    try:
        with path.open("rb") as table:
            while lines := table.readlines(2**20):
                try:
                    yield np.array(b" ".join(lines).split(), np.float64).astype(np.float32)
                except ValueError as error:
                    raise ValueError(f"{path.name}: holds something else than numbers ({error})") from None
    except OSError as error:
        raise ValueError(f"{path}: cannot be read ({error.strerror}); check the name") from None
