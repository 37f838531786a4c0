"""What a model says about one galaxy: a probability map for each class, kept as FITS with the image's own WCS.

`predict` writes these files; `measure` and the annotation tool read them, and need no JAX to do so.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

import numpy as np
from jaxtyping import Bool, Float32, UInt8

from flaxgal.survey.atomic import replaced_when_whole
from flaxgal.survey.cutout import FirstRow

if TYPE_CHECKING:
    from astropy.io import fits

__all__ = [
    "CLAIM",
    "CLASS_CODES",
    "Prediction",
    "find_predictions",
    "is_of_predictions",
    "prediction_path",
    "read_prediction",
    "write_prediction",
]

CLASS_CODES = {"arm": 1, "bar": 2}
"""Value of each class in a class map (a prediction's MASK image, a mask that somebody drew); 0 is background."""

CLAIM = "predictions.json"
"""What `flaxgal predict` writes beside its maps: which run, with which choices, made them."""
ENDING = ".arms.fits"
_PRINTABLE = "".join(map(chr, range(32, 127))).replace("%", "")
_LONGEST_NAME = 150
_ROOM_ON_A_CARD = 80 - len("KEYWORD = '' / ")


@dataclass(frozen=True, eq=False)
class Prediction:
    """A model's probability maps for one galaxy, on the pixels of the image they were made from."""

    object_id: str
    survey: str
    probability: Float32[np.ndarray, "class y x"]
    """Probability (0 to 1) that a pixel is of each class; NaN where the model had no picture."""
    classes: tuple[str, ...]
    threshold: float
    """A pixel belongs to a class when its probability is above this."""
    run: str
    """Which run folder's weights made it."""
    wcs: Any = None
    """The image's `astropy.wcs.WCS`, or None."""
    first_row: FirstRow = field(default="bottom", kw_only=True)
    """The image's `Cutout.first_row`."""
    cutout_sha256: str = field(default="", kw_only=True)
    """The image's `Cutout.sha256`: which pixels the maps were made from; empty when that is not known."""
    threshold_range: tuple[float, float] | None = field(default=None, kw_only=True)
    """Thresholds of masks one sigma too generous and one too strict, the lower first; None when not known."""

    def __post_init__(self) -> None:
        shape = self.probability.shape
        if len(shape) != 3 or shape[0] != len(self.classes):
            raise ValueError(
                f"{self.object_id}: probability of shape {shape} for the classes {' '.join(self.classes)}; "
                f"expected (class, y, x) with one map a class"
            )

    @property
    def image_shape(self) -> tuple[int, int]:
        """(y, x) of the image it was made from."""
        return self.probability.shape[1], self.probability.shape[2]

    @property
    def arm_probability(self) -> Float32[np.ndarray, "y x"]:
        """The map of the class arm."""
        if "arm" not in self.classes:
            raise ValueError(
                f"{self.object_id}: the prediction by {self.run} has the classes {' '.join(self.classes)} and no arm; "
                f"use a run that was trained on arms"
            )
        return self.probability[self.classes.index("arm")]

    @property
    def arm_mask(self) -> Bool[np.ndarray, "y x"]:
        """True where a pixel is arm."""
        return self.arm_probability > self.threshold

    @property
    def class_map(self) -> UInt8[np.ndarray, "y x"]:
        """The most probable class above the threshold at each pixel, as `CLASS_CODES`; 0 where there is none."""
        codes = np.array([CLASS_CODES[name] for name in self.classes], np.uint8)
        filled = np.nan_to_num(self.probability, nan=-1.0)
        best = codes[filled.argmax(axis=0)]
        return np.where(filled.max(axis=0) > self.threshold, best, 0).astype(np.uint8)


def prediction_path(object_id: str, folder: str | os.PathLike[str]) -> Path:
    """Where the prediction for a galaxy is kept: a name safe on any file system, different for different ids.

    Characters that file systems dislike are written as %XX, as in web addresses; a very long id is cut and closed with
    its hash. The true id is in the file's header.
    """
    name = quote(object_id, safe="+=,@ ")
    if name.startswith(".") or name.endswith(" ") or not name:
        name = name.replace(".", "%2E").replace(" ", "%20") or "%"
    if len(name) > _LONGEST_NAME:
        name = f"{name[:_LONGEST_NAME]}-{hashlib.sha256(object_id.encode()).hexdigest()[:16]}"
    return Path(folder) / f"{name}{ENDING}"


def find_predictions(folder: str | os.PathLike[str]) -> list[Path]:
    """The prediction files in a folder, sorted by name.

    Raises
    ------
    ValueError
        If there is no such folder, or no prediction in it.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise ValueError(f"{folder}: no such folder; expected the one that flaxgal predict wrote with --out")
    found = sorted(path for path in folder.iterdir() if path.name.endswith(ENDING))
    if not found:
        raise ValueError(f"{folder}: no file named *{ENDING} in it; expected the folder that flaxgal predict wrote")
    return found


def is_of_predictions(folder: str | os.PathLike[str]) -> bool:
    """Whether flaxgal predict wrote to this folder."""
    return (Path(folder) / CLAIM).exists() or any(path.name.endswith(ENDING) for path in Path(folder).iterdir())


def write_prediction(prediction: Prediction, folder: str | os.PathLike[str]) -> Path:
    """Write FOLDER/<object_id>.arms.fits whole or not at all, and return its path.

    HDU PROB holds the probability (class, y, x), HDU MASK the class map (y, x); both carry the image's WCS.
    """
    from astropy.io import fits

    from flaxgal.survey.fits_format import wcs_header

    path = prediction_path(prediction.object_id, folder)
    sky = wcs_header(prediction.wcs)
    maps = fits.ImageHDU(np.asarray(prediction.probability, np.float32), sky.copy(), name="PROB")
    for number, name in enumerate(prediction.classes, start=1):
        maps.header[f"CLASS{number}"] = (name, f"class of plane {number}")
    mask = fits.ImageHDU(prediction.class_map, sky.copy(), name="MASK")
    for name in prediction.classes:
        mask.header[f"MV_{name.upper()}"] = (CLASS_CODES[name], f"pixel value of {name}; 0 is background")
    with replaced_when_whole(path) as temporary:
        fits.HDUList([_primary(prediction), maps, mask]).writeto(temporary, checksum=True)
    return path


def read_prediction(path: str | os.PathLike[str], *, wcs: bool = True) -> Prediction:
    """The prediction that `write_prediction` wrote; without its `wcs`, if that is not wanted, in half the time.

    Raises
    ------
    ValueError
        If the file is missing, damaged, or no prediction; the sentence names it.
    """
    from astropy.io import fits

    path = Path(path)
    try:
        with fits.open(path, memmap=False) as hdus:
            head, maps = hdus[0].header, hdus["PROB"]
            probability = np.ascontiguousarray(maps.data, dtype=np.float32)
            header = maps.header.copy()
        has_sky = "CTYPE1" in header
        return Prediction(
            object_id=_from_card(head["OBJECT"]),
            survey=_from_card(head["SURVEY"]),
            probability=probability,
            classes=tuple(header[f"CLASS{number}"] for number in range(1, header["NAXIS3"] + 1)),
            threshold=float(head["THRESH"]),
            run=_from_card(head["RUN"]),
            wcs=_sky(header) if wcs and has_sky else None,
            first_row=head.get("FIRSTROW", "bottom" if has_sky else "top"),  # files up to 0.1 lack the card
            cutout_sha256=head.get("CUTSHA", ""),
            threshold_range=(float(head["THRESHLO"]), float(head["THRESHHI"])) if "THRESHLO" in head else None,
        )
    except FileNotFoundError:
        raise ValueError(f"{path}: no such file; run flaxgal predict first, or give the folder it wrote to") from None
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"{path}: found no prediction in it ({error}); expected a FITS file written by flaxgal predict, with the "
            f"HDUs PROB and MASK: delete it and run predict again"
        ) from None


def _primary(prediction: Prediction) -> fits.PrimaryHDU:
    from astropy.io import fits

    from flaxgal import __version__

    hdu = fits.PrimaryHDU()
    hdu.header["FLAXGAL"] = (__version__, "version that wrote this file")
    _put_text(hdu.header, "OBJECT", prediction.object_id, "galaxy; %XX stands for a character")
    _put_text(hdu.header, "RUN", prediction.run, "run whose weights made it")
    hdu.header["THRESH"] = (prediction.threshold, "arm where the probability is above this")
    if prediction.threshold_range is not None:
        generous, strict = prediction.threshold_range
        hdu.header["THRESHLO"] = (generous, "of masks one sigma too generous")
        hdu.header["THRESHHI"] = (strict, "of masks one sigma too strict")
    _put_text(hdu.header, "SURVEY", prediction.survey, "where the image is from")
    if prediction.cutout_sha256:
        hdu.header["CUTSHA"] = prediction.cutout_sha256
    hdu.header["FIRSTROW"] = (prediction.first_row, "where the first row lies in the picture")
    return hdu


def _put_text(header: fits.Header, key: str, text: str, comment: str) -> None:
    """Set a card, with its comment if there is room for it: astropy warns of one that it has to cut."""
    value = _to_card(text)
    header[key] = (value, comment) if len(value) + value.count("'") + len(comment) <= _ROOM_ON_A_CARD else value


def _to_card(text: str) -> str:
    """Text as a FITS card can hold it: characters outside printable ASCII, and spaces at the end, become %XX."""
    encoded = quote(text, safe=_PRINTABLE)
    kept = encoded.rstrip(" ")
    return kept + "%20" * (len(encoded) - len(kept))


def _from_card(text: Any) -> str:
    return unquote(str(text))


def _sky(header: fits.Header) -> Any:
    from astropy.wcs import WCS

    return WCS(header, naxis=2)
