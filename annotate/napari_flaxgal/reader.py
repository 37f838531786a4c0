"""Opens flaxgal's files in napari: File > Open, drag and drop, or `napari --plugin flaxgal FILE`.

Galaxies, predictions, masks that somebody drew, folders of galaxies and label stores: the content tells which it is.
"""

from __future__ import annotations

import gzip
import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from flaxgal.labels.revisions import revision_from_fits
from flaxgal.labels.store import Store, is_store
from flaxgal.survey.cutout import Cutout, find_cutouts, read_cutout
from flaxgal.survey.headers import celestial_wcs
from flaxgal.survey.prediction import ENDING, read_prediction
from napari_flaxgal.layers import LayerData, cutout_layers, prediction_layers, revision_layers

__all__ = ["get_reader", "read_cutout_layers", "read_folder_layers", "read_prediction_layers", "read_revision_layers"]

Paths = str | Sequence[str]

REVISION_CARD = b"FLAXGAL = 'revision'"
FIRST_BYTES = 2880


def get_reader(path: Paths) -> Callable[[Paths], list[LayerData]] | None:
    """The function that reads what is at a path; a list of several files is one galaxy with a band in each.

    None for a folder without galaxies, which some other plugin may know.
    """
    if not isinstance(path, str):
        return read_cutout_layers
    if Path(path).is_dir():
        return read_folder_layers if is_store(path) or _has_images(Path(path)) else None
    if path.endswith(ENDING):
        return read_prediction_layers
    return read_revision_layers if _is_revision(Path(path)) else read_cutout_layers


def read_cutout_layers(path: Paths) -> list[LayerData]:
    """One galaxy from one file, or from several with one band each."""
    return cutout_layers(read_cutout(path))


def read_prediction_layers(path: Paths) -> list[LayerData]:
    """What `flaxgal predict` wrote for one galaxy."""
    return prediction_layers(read_prediction(Path(str(path))))


def read_revision_layers(path: Paths) -> list[LayerData]:
    """What somebody drew, with the galaxy under it where the file lies in the label store that holds the galaxy."""
    file = Path(str(path))
    content = file.read_bytes()
    packed = content if content.startswith(b"\x1f\x8b") else gzip.compress(content)
    revision = revision_from_fits(packed, path=file)
    return revision_layers(revision, _galaxy_of(file, revision.object_id), wcs=_wcs_of(packed, file))


def read_folder_layers(path: Paths) -> list[LayerData]:
    """A label store, or a folder of galaxies, as a stack with a slider."""
    from napari_flaxgal.stacks import folder_layers, store_layers

    return store_layers(str(path)) if is_store(str(path)) else folder_layers(str(path))


def _is_revision(path: Path) -> bool:
    """Whether a file begins as a revision does; what cannot be opened at all is left for the reader of cutouts."""
    try:
        with path.open("rb") as file:
            packed = file.read(2) == b"\x1f\x8b"
        with gzip.open(path) if packed else path.open("rb") as file:
            return REVISION_CARD in file.read(FIRST_BYTES * 20)
    except (OSError, EOFError):
        return False


def _has_images(folder: Path) -> bool:
    """A folder without any image stands for itself in the list."""
    return any(not path.is_dir() for paths in find_cutouts(folder) for path in paths)


def _galaxy_of(path: Path, object_id: str) -> Cutout | None:
    """The galaxy of a revision in STORE/revisions/3f/; None where the file lies elsewhere."""
    kind = path.resolve().parent.parent
    if kind.name != "revisions" or not is_store(kind.parent):
        return None
    store = Store.open(kind.parent)
    return store.cutout(object_id) if object_id in store.galaxies() else None


def _wcs_of(packed: bytes, path: Path) -> Any:
    from astropy.io import fits

    return celestial_wcs(fits.Header.fromfile(io.BytesIO(gzip.decompress(packed))), path.name)
