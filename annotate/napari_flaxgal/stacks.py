"""Many galaxies as one stack of pictures with a slider, read from the disk when the slider gets to them."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Shaped, UInt8

from flaxgal.labels.drawing import mask_of
from flaxgal.labels.store import Store
from flaxgal.survey.cutout import Cutout, FirstRow, Unreadable, find_cutouts, read_cutout
from flaxgal.survey.display import lupton_rgb
from napari_flaxgal.layers import LayerData, class_colours

__all__ = ["folder_layers", "store_layers"]

MOST_FILES = 1000
"""Of a folder: each has to be opened once to know its size. A store of any size opens at once."""


def folder_layers(folder: Path | str) -> list[LayerData]:
    """The galaxies in a folder as one stack, each in the middle of its slice; `metadata["object_ids"]` names them.

    A file that cannot be read is left out with a warning.

    Raises
    ------
    ValueError
        If there is no galaxy in the folder.
    """
    files = find_cutouts(folder)
    ids, shapes, places = [], [], []
    for paths in files[:MOST_FILES]:
        cutout = _readable(paths)
        if isinstance(cutout, Unreadable):
            warnings.warn(cutout.reason, stacklevel=2)
            continue
        ids.append(cutout.object_id)
        shapes.append(cutout.image_shape)
        places.append(paths)
    if not ids:
        raise ValueError(f"{folder}: no galaxy that can be read among {len(files)} files; open one to see why")
    if len(files) > MOST_FILES:
        warnings.warn(
            f"{folder}: the first {MOST_FILES} of {len(files)} galaxies; make a label store of them to see all: "
            f"flaxgal store add STORE {folder}",
            stacklevel=2,
        )
    pictures = [lambda paths=paths: _picture(read_cutout(list(paths))) for paths in places]
    return [_pictures(Path(folder).name, ids, pictures, shapes)]


def store_layers(folder: Path | str) -> list[LayerData]:
    """A label store to look through: a stack of its galaxies in the order of their ids, and of their latest masks.

    To draw in it open flaxgal's dock.

    Raises
    ------
    ValueError
        If the store holds no galaxy.
    """
    store = Store.open(folder)
    galaxies = store.galaxies()
    if not galaxies:
        raise ValueError(f"{folder}: a label store without galaxies; add some: flaxgal store add {folder} FILES")
    ids, shapes = list(galaxies), [galaxy.image_shape for galaxy in galaxies.values()]
    pictures = [lambda name=name: _picture(store.cutout(name)) for name in ids]
    marks = [lambda name=name: _marks(store, name) for name in ids]
    options = {"name": "latest marks", "metadata": {"object_ids": tuple(ids)}, **class_colours()}
    return [_pictures(Path(folder).name, ids, pictures, shapes), (_stack(marks, shapes, ()), options, "labels")]


def _pictures(
    name: str, ids: Sequence[str], pictures: Sequence[Callable[[], np.ndarray]], shapes: Sequence[tuple[int, int]]
) -> LayerData:
    options = {
        "name": f"{name} ({len(ids)} galaxies)",
        "rgb": True,
        "metadata": {"object_ids": tuple(ids)},
    }
    return _stack(pictures, shapes, (3,)), options, "image"


def _stack(
    slices: Sequence[Callable[[], np.ndarray]], shapes: Sequence[tuple[int, int]], channels: tuple[int, ...]
) -> Any:
    """A dask array (n, y, x, *channels) whose slices are made when they are asked for."""
    import dask.array

    height, width = np.max(shapes, axis=0).tolist()
    shape = (1, height, width, *channels)

    def made(block_id: tuple[int, ...] | None = None) -> UInt8[np.ndarray, ...]:
        return _in_the_middle(slices[block_id[0] if block_id else 0](), (height, width))[None]

    # One function for all slices: a graph of tens of thousands of galaxies is made in well under a second.
    chunks = ((1,) * len(slices), *((size,) for size in shape[1:]))
    empty = np.zeros((0,) * len(shape), np.uint8)
    return dask.array.map_blocks(made, chunks=chunks, dtype=np.uint8, meta=empty)


def _in_the_middle(image: Shaped[np.ndarray, "y x *channel"], size: tuple[int, int]) -> Shaped[np.ndarray, ...]:
    """An image padded with 0 to a larger size."""
    padded = np.zeros((*size, *image.shape[2:]), image.dtype)
    top, left = ((outer - inner) // 2 for outer, inner in zip(size, image.shape[:2], strict=True))
    padded[top : top + image.shape[0], left : left + image.shape[1]] = image
    return padded


def _readable(paths: tuple[Path, ...]) -> Cutout | Unreadable:
    try:
        return read_cutout(list(paths))
    except (ValueError, OSError) as error:
        return Unreadable(paths[0].name, str(error))


def _picture(cutout: Cutout) -> UInt8[np.ndarray, "y x 3"]:
    return _from_the_top(lupton_rgb(cutout), cutout.first_row)


def _marks(store: Store, object_id: str) -> UInt8[np.ndarray, "y x"]:
    revision = store.latest(object_id)
    cutout_row = store.cutout(object_id).first_row
    if revision is None:
        return np.zeros(store.galaxies()[object_id].image_shape, np.uint8)
    return _from_the_top(mask_of(revision), cutout_row)


def _from_the_top(image: Shaped[np.ndarray, "y x *channel"], first_row: FirstRow) -> Shaped[np.ndarray, ...]:
    """Slices of one stack share their scale, so they are turned the right way up in their arrays."""
    return image[::-1] if first_row == "bottom" else image
