"""Saves a labels layer: File > Save Selected Layer, or a script.

`.fits.gz` is a revision, flaxgal's own record of a mask with the galaxy's WCS and who drew it from what, where the
layer knows its galaxy; else the same pixels as plain FITS. `.fits` is plain FITS with the WCS, `.png` an 8-bit picture.
Files of a store are never written here: the dock's Commit does that.
"""

from __future__ import annotations

import gzip
import io
from pathlib import Path
from typing import Any

import numpy as np

from flaxgal.labels.annotating import login_name
from flaxgal.labels.files import is_store
from flaxgal.labels.revisions import ORIGINS, Revision, revision_to_fits
from flaxgal.survey.atomic import write_durably
from flaxgal.survey.cutout import Cutout
from flaxgal.survey.prediction import CLASS_CODES
from napari_flaxgal.layers import first_row_of, mask_in_layer

__all__ = ["write_labels"]


def write_labels(path: str, data: Any, options: dict[str, Any]) -> list[str]:
    """Write one labels layer to a file whose ending says how; the file's name in a list, as napari wants it.

    PNG has the top of the picture in its first row and FITS the bottom, whichever way the layer has it, so that other
    programs show the mask the right way up on its image. A revision keeps the rows of its galaxy.

    Raises
    ------
    ValueError
        If the ending is none of these, the labels are none that it can hold, or the file would lie in a label store.
    """
    _must_lie_outside_stores(path)
    name = path.lower()
    cutout = options.get("metadata", {}).get("cutout")
    if name.endswith(".png"):
        content = _png(path, data, options)
    elif name.endswith(".fits.gz"):
        whole = _revision(path, data, options, cutout) if cutout is not None else None
        content = whole or gzip.compress(_fits(path, data, options), mtime=0)
    elif name.endswith(".fits"):
        content = _fits(path, data, options)
    else:
        raise ValueError(f"{path}: masks are saved as .fits.gz, .fits or .png; choose one of these endings")
    write_durably(Path(path), content)
    return [path]


def _must_lie_outside_stores(path: str) -> None:
    store = next((folder for folder in Path(path).resolve().parents if is_store(folder)), None)
    if store is not None:
        raise ValueError(
            f"{path}: lies in the label store {store}, whose files never change: commit in flaxgal's dock, or save it "
            f"elsewhere"
        )


def _revision(path: str, data: Any, options: dict[str, Any], cutout: Cutout) -> bytes:
    mask = mask_in_layer(data, name=Path(path).name)
    if mask.shape != cutout.image_shape:
        raise ValueError(
            f"{path}: the layer has {mask.shape[0]} × {mask.shape[1]} pixels, its galaxy {cutout.object_id} "
            f"{cutout.image_shape[0]} × {cutout.image_shape[1]}; save it as .fits or .png"
        )
    before = options["metadata"].get("revision")
    annotator = before.annotator if before is not None else login_name()
    if not annotator:
        raise ValueError(
            f"{path}: this computer does not say who is logged in, and a revision names its annotator; draw in "
            f"flaxgal's dock, or save as .fits"
        )
    classes = tuple(name for name, code in CLASS_CODES.items() if name == "arm" or (mask == code).any())
    revision = Revision(
        object_id=cutout.object_id,
        annotator=annotator,
        origin=ORIGINS[0],
        source=f"napari layer {options.get('name', '')}".strip(),
        parent=before.revision_id if before is not None else "",
        cutout_sha256=cutout.sha256,
        classes=tuple(dict.fromkeys([*(before.classes if before is not None else ()), *classes])),
        mask=mask,
    )
    return revision_to_fits(revision, cutout.wcs)


def _fits(path: str, data: Any, options: dict[str, Any]) -> bytes:
    from astropy.io import fits

    from flaxgal.survey.fits_format import wcs_header

    labels = _whole_numbers(path, data)
    cutout = options.get("metadata", {}).get("cutout")
    header = wcs_header(cutout.wcs if cutout is not None else None)
    pixels = labels if first_row_of(options) == "bottom" else labels[::-1]
    file = io.BytesIO()
    kind = np.uint8 if labels.min(initial=0) >= 0 and labels.max(initial=0) <= 255 else np.int32
    fits.PrimaryHDU(np.ascontiguousarray(pixels).astype(kind), header).writeto(file)
    return file.getvalue()


def _png(path: str, data: Any, options: dict[str, Any]) -> bytes:
    from PIL import Image

    labels = _whole_numbers(path, data)
    if labels.min(initial=0) < 0 or labels.max(initial=0) > 255:
        raise ValueError(f"{path}: labels up to {labels.max()}; a PNG holds 0 to 255: save as .fits")
    file = io.BytesIO()
    pixels = labels if first_row_of(options) == "top" else labels[::-1]
    Image.fromarray(np.ascontiguousarray(pixels).astype(np.uint8)).save(file, "PNG")
    return file.getvalue()


def _whole_numbers(path: str, data: Any) -> np.ndarray:
    labels = np.asarray(data)
    if labels.ndim != 2 or labels.dtype.kind not in "iub":
        raise ValueError(
            f"{path}: labels of shape {labels.shape}; wanted one image (y, x): save one slice of the stack"
        )
    return labels
