"""flaxgal's records as napari layer data, and layers as masks again: tuples of array, options and kind, without Qt.

Rows stay in the order of the record, so that what is drawn on a layer fits the galaxy's arrays pixel by pixel. Images
whose `first_row` is the bottom of the picture (FITS) are turned the right way up by a negative scale along y, which
moves no pixel in its array. Layers are in arcseconds where a WCS says how large a pixel is, so that a scale bar tells
true and a prediction or a mask, which carries its galaxy's WCS, lies on its galaxy; in pixels where there is none.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import UInt8

from flaxgal.labels.drawing import MASK_VALUES, mask_of
from flaxgal.labels.revisions import Revision
from flaxgal.survey.cutout import Cutout, FirstRow, wcs_pixel_scale_arcsec
from flaxgal.survey.display import lupton_rgb, one_band, sky_level
from flaxgal.survey.prediction import Prediction

__all__ = [
    "LayerData",
    "bad_pixel_layer",
    "class_colours",
    "cutout_layers",
    "first_row_of",
    "mask_in_layer",
    "mask_layer",
    "prediction_layers",
    "revision_layers",
]

LayerData = tuple[Any, dict[str, Any], str]
"""(array, options of the layer, "image" or "labels")."""

FAINTEST_SIGMA, BRIGHTEST_SIGMA = -2.0, 30.0
"""Contrast limits of a band in linear flux, in sigma of its sky: an outer disc shows, a core saturates."""


def cutout_layers(cutout: Cutout) -> list[LayerData]:
    """A galaxy as layers: hidden, each band in linear flux and the bad pixels; on top the display picture.

    The metadata of the picture and of the bad pixels hold the cutout itself under "cutout".
    """
    several = len(cutout.bands) > 1
    picture = lupton_rgb(cutout) if several else one_band(cutout, cutout.bands[0])
    shown = {
        "name": cutout.object_id,
        "rgb": several,
        "metadata": {"cutout": cutout},
        **_placed(cutout.first_row, cutout.wcs),
    }
    bands = [_band_layer(cutout, number) for number in range(len(cutout.bands))] if cutout.has_linear_flux else []
    return [*bands, *bad_pixel_layer(cutout), (picture, shown, "image")]


def bad_pixel_layer(cutout: Cutout) -> list[LayerData]:
    """The pixels that a survey's mask planes speak against, hidden, one colour a plane; nothing where all are good."""
    if not cutout.mask_planes and np.isfinite(cutout.flux).any(axis=0).all():
        return []
    from napari_flaxgal.colours import bad_pixel_colormap, bad_pixels

    shown = bad_pixels(cutout)
    options = {
        "name": f"{cutout.object_id} bad pixels",
        "colormap": bad_pixel_colormap(),
        "opacity": 0.5,
        "visible": False,
        "metadata": {"cutout": cutout},
        **_placed(cutout.first_row, cutout.wcs),
    }
    return [(shown, options, "labels")] if shown.any() else []


def prediction_layers(prediction: Prediction) -> list[LayerData]:
    """A prediction as layers: the probability of each class, hidden, and the map of classes above the threshold.

    The class map's metadata holds the prediction itself under "prediction".
    """
    place = _placed(prediction.first_row, prediction.wcs)
    maps: list[LayerData] = [
        (
            probability,
            {
                "name": f"{prediction.object_id} {name} probability",
                "colormap": "magma",
                "contrast_limits": (0.0, 1.0),
                "blending": "additive",
                "visible": False,
                **place,
            },
            "image",
        )
        for name, probability in zip(prediction.classes, prediction.probability, strict=True)
    ]
    classes = {
        "name": f"{prediction.object_id} {' '.join(prediction.classes)}",
        "metadata": {"prediction": prediction},
        **class_colours(),
        **place,
    }
    return [*maps, (prediction.class_map, classes, "labels")]


def mask_layer(
    mask: UInt8[np.ndarray, "y x"],
    *,
    name: str = "marks",
    cutout: Cutout | None = None,
    first_row: FirstRow = "bottom",
    wcs: Any = None,
    metadata: dict[str, Any] | None = None,
) -> LayerData:
    """A class map (0 background, 1 arm, 2 bar, 255 uncertain) as a labels layer, on its galaxy where that is given."""
    if cutout is not None:
        if mask.shape != cutout.image_shape:
            (y, x), (height, width) = mask.shape, cutout.image_shape
            raise ValueError(
                f"{cutout.object_id}: the mask has {y} × {x} pixels, its image {height} × {width}; "
                f"open the image that the mask was drawn on"
            )
        first_row, wcs = cutout.first_row, cutout.wcs
    about = ({"cutout": cutout} if cutout is not None else {}) | (metadata or {})
    return mask, {"name": name, "metadata": about, **class_colours(), **_placed(first_row, wcs)}, "labels"


def revision_layers(revision: Revision, cutout: Cutout | None = None, *, wcs: Any = None) -> list[LayerData]:
    """What somebody said about a galaxy, on the galaxy itself where that is given.

    Soft votes are shown as one map of the share of people a class, hidden, under the class map of what half of them
    marked. The class map's metadata holds the revision under "revision".
    """
    first_row = cutout.first_row if cutout is not None else "bottom"
    wcs = cutout.wcs if cutout is not None else wcs
    who = f"{revision.object_id} by {revision.annotator}"
    shares: list[LayerData] = []
    if revision.fraction is not None:
        shares = [
            (
                share,
                {
                    "name": f"{who}: share for {name}",
                    "colormap": "magma",
                    "contrast_limits": (0.0, 1.0),
                    "blending": "additive",
                    "visible": False,
                    **_placed(first_row, wcs),
                },
                "image",
            )
            for name, share in zip(revision.classes, revision.fraction, strict=True)
        ]
    marks = mask_layer(
        mask_of(revision), name=who, cutout=cutout, first_row=first_row, wcs=wcs, metadata={"revision": revision}
    )
    galaxy = cutout_layers(cutout) if cutout is not None else []
    return [*galaxy, *shares, marks]


def mask_in_layer(data: Any, *, name: str = "marks") -> UInt8[np.ndarray, "y x"]:
    """The class map that a labels layer's array holds, in the type and with the values that a revision has.

    Raises
    ------
    ValueError
        If it is no image (y, x) of whole numbers, or holds other values than 0, 1, 2 and 255.
    """
    mask = np.asarray(data)
    if mask.ndim != 2 or mask.dtype.kind not in "iub":
        raise ValueError(f"{name}: labels of shape {mask.shape} and type {mask.dtype}; wanted whole numbers (y, x)")
    strange = np.setdiff1d(mask, MASK_VALUES)
    if strange.size:
        raise ValueError(
            f"{name}: labels {', '.join(map(str, strange[:5].tolist()))}; a galaxy's mask has 0 background, 1 arm, "
            f"2 bar and 255 uncertain: paint with these, or save as .png or .fits"
        )
    return mask.astype(np.uint8)


def first_row_of(options: dict[str, Any]) -> FirstRow:
    """Where the first row of a layer lies, as `_placed` put it: the inverse of it."""
    scale = options.get("scale")
    return "top" if scale is None or np.asarray(scale)[-2] > 0 else "bottom"


def _band_layer(cutout: Cutout, number: int) -> LayerData:
    flux = cutout.flux[number]
    sky, noise = map(float, np.nan_to_num(sky_level(flux)))
    options = {
        "name": f"{cutout.object_id} {cutout.bands[number]} ({cutout.unit})",
        "colormap": "gray",
        "contrast_limits": (sky + FAINTEST_SIGMA * noise, sky + BRIGHTEST_SIGMA * noise + (noise == 0)),
        "visible": False,
        **_placed(cutout.first_row, cutout.wcs),
    }
    return flux, options, "image"


def class_colours() -> dict[str, Any]:
    """Options that give each class its colour in a labels layer."""
    from napari_flaxgal.colours import class_colormap

    return {"colormap": class_colormap(), "opacity": 0.5}


def _placed(first_row: FirstRow, wcs: Any) -> dict[str, Any]:
    """Scale and units of a layer."""
    size = 1.0 if wcs is None else wcs_pixel_scale_arcsec(wcs)
    unit = "pixel" if wcs is None else "arcsec"
    return {"scale": (-size if first_row == "bottom" else size, size), "units": (unit, unit)}
