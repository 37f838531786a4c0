"""Finding cutouts among files and folders, and reading each with the reader that its content asks for."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from flaxgal.survey import fits_format
from flaxgal.survey.cutout import Cutout, PathLike, Unreadable


def read_one(path: PathLike | Sequence[PathLike], **given: Any) -> Cutout:
    from astropy.io import fits

    path = Path(path)
    if path.suffix == ".fits":
        with fits.open(path) as hdus:
            return fits_format.read(hdus, path.name, given)
    from PIL import Image

    pixels = np.asarray(Image.open(path).convert("L"), np.float32)[None]
    return Cutout(
        object_id=given["object_id"] or path.stem,
        flux=pixels,
        bands=("grey",),
        unit="picture",
        pixel_scale_arcsec=given["pixel_scale_arcsec"],
        survey=given["survey"] or "",
    )


def find(inputs):
    inputs = [inputs] if isinstance(inputs, str | Path) else inputs
    return [(p,) for i in map(Path, inputs) for p in (sorted(i.iterdir()) if i.is_dir() else [i])]


def read_many(inputs, **overrides: Any) -> Iterator[Cutout | Unreadable]:
    for (path,) in find(inputs):
        yield read_one(
            path, **({"object_id": None, "survey": None, "bands": None, "pixel_scale_arcsec": None} | overrides)
        )
