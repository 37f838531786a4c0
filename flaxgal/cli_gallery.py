"""The page of galaxies that `flaxgal figures` makes: pictures of the inputs with their masks and fitted arms."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from flaxgal.cli_words import say, say_left_out
from flaxgal.progress import track

if TYPE_CHECKING:
    from astropy.table import Table

    from flaxgal.figures.thumbnails import Spiral
    from flaxgal.masks import Masks
    from flaxgal.survey.cutout import Cutout, Unreadable

__all__ = ["make_gallery"]

_FEW = 20
"""Reasons that are said; more would hide what else is said."""


def make_gallery(
    table: Table,
    inputs: Sequence[Path],
    masks: Masks,
    arms: Table | None,
    page: Path,
    *,
    most: int,
    ratios: Sequence[str],
) -> None:
    """Make the page of at most so many galaxies, evenly spread over the catalogue.

    Parameters
    ----------
    arms : the catalogue's table of arms, for the spirals that were fitted.
    ratios : columns of flux ratios, one of which stands below each picture.
    """
    from flaxgal.figures.gallery import write_gallery
    from flaxgal.measure.relations import redshift_column
    from flaxgal.survey.cutout import Unreadable

    shown = table[:: max(1, -(-len(table) // most))]
    if len(shown) < len(table):
        say(f"the page shows {len(shown)} of {len(table)} galaxies; --gallery {len(table)} shows all")
    rows = {str(row["object_id"]): row for row in shown}
    others = {str(object_id) for object_id in table["object_id"]} - rows.keys()
    spirals = _arms_of(arms)
    found: dict[str, bytes] = {}
    unreadable, bare, unlike = [], [], []
    for item in track(_seen(inputs, rows, others), "pictures made", len(rows)):
        if isinstance(item, Unreadable):
            unreadable.append(item)
            continue
        cutout, image = item
        mask, reason = _outline(cutout, masks, image)
        row = rows[cutout.object_id]
        here, measured = int(mask.sum()), _number(row, "arm_pixels")
        if reason:
            bare.append(Unreadable(cutout.object_id, reason))
        elif math.isfinite(measured) and here != measured:
            unlike.append((cutout.object_id, here, int(measured)))
        found[cutout.object_id] = _picture(cutout, row, mask, spirals[cutout.object_id])
    say_left_out(unreadable, "cannot be read", most=_FEW)
    say_left_out(bare, "without an outline of the arms on the page", most=_FEW)
    _say_unlike(unlike)
    if without := len(shown) - len(found):
        say(f"{without} galaxies of the catalogue are not among the inputs: they have no picture on the page")
    ratio = _shown_ratio(table, ratios)
    lines = (
        ((_label(ratio), ratio, ratio.replace("ratio_", "ratio_error_", 1)), ("z", redshift_column(table), "")),
        (("arms", "number_of_arms", ""), ("", "chirality", ""), ("pitch", "pitch_angle_deg", "pitch_angle_error_deg")),
    )
    pictures = (found.get(str(object_id)) for object_id in shown["object_id"])
    arms_shown = [_fitted(spirals[object_id]) for object_id in rows]
    title = f"{len(shown)} galaxies and their arms"
    write_gallery(shown, pictures, page, title=title, lines=lines, arms=arms_shown)


def _shown_ratio(table: Table, ratios: Sequence[str]) -> str:
    """The flux ratio that most galaxies have; of several, that of r or else i, the first otherwise."""
    from flaxgal.survey.catalog import values_of

    names = [*("flux_ratio_r", "flux_ratio_i"), *ratios]
    known = [name for name in names if name in table.colnames]
    return max(known, key=lambda name: np.isfinite(values_of(table, name)).sum(), default="")


def _label(ratio: str) -> str:
    """What stands before a flux ratio below a galaxy's picture, with its band."""
    return f"arms / total ({ratio.removeprefix('flux_ratio_')})"


def _seen(
    inputs: Sequence[Path], wanted: Collection[str], others: Collection[str]
) -> Iterator[tuple[Cutout, Path | None] | Unreadable]:
    """The wanted galaxies among the inputs, with their files, and what cannot be read, until all are found.

    Files that are called as the other galaxies are opened last, and only where that leaves some to be found: what a
    file holds may have another id.
    """
    from flaxgal.inputs import Files, sources_from
    from flaxgal.survey.cutout import Unreadable

    missing, later = set(wanted), []
    for source in sources_from(inputs):
        if not missing:
            return
        if source.expected_id in others:
            later += [source] if isinstance(source, Files) else []
        elif isinstance(item := source.read(), Unreadable):
            missing.discard(source.expected_id)
            yield item
        elif item.object_id in missing:
            missing.discard(item.object_id)
            yield item, source.paths[0] if isinstance(source, Files) else None
    if missing and later:
        say(f"{len(missing)} galaxies are in no file of their name: looking for them in {len(later)} others")
    for source in later:
        if not missing:
            return
        item = source.read()
        if not isinstance(item, Unreadable) and item.object_id in missing:
            missing.discard(item.object_id)
            yield item, source.paths[0]


def _outline(cutout: Cutout, masks: Masks, image: Path | None) -> tuple[np.ndarray, str]:
    """The arm mask of a galaxy; an empty one where there is none, and why."""
    try:
        drawn = masks.of(cutout, image)
    except ValueError as error:
        return np.zeros(cutout.image_shape, bool), str(error)
    return np.asarray(drawn.arms > drawn.threshold), ""


def _say_unlike(masks: Sequence[tuple[str, int, int]]) -> None:
    """Say of how many galaxies the mask has another number of pixels than the measured one: (id, pixels, measured)."""
    if masks:
        name, here, measured = masks[0]
        those = f"{len(masks)} galaxies, such as {name}" if len(masks) > 1 else name
        say(
            f"{those}: the mask here has {here} arm pixels, the measured one {measured}; give --masks that were "
            f"measured, or run flaxgal measure again with these"
        )


def _picture(cutout: Cutout, row: Any, mask: np.ndarray, arms: Sequence[Any]) -> bytes:
    """The thumbnail of a galaxy."""
    from flaxgal.figures.thumbnails import jpeg, thumbnail
    from flaxgal.survey.display import lupton_rgb
    from flaxgal.survey.seen import is_mirror_image

    picture = lupton_rgb(cutout)
    reverse = cutout.first_row == "bottom", is_mirror_image(cutout.first_row, cutout.wcs)
    winding = 1 if reverse[0] != reverse[1] else -1
    spirals = [_spiral(arm, winding) for arm in arms]
    reach = [_number(row, "petrosian_radius_pixels"), *(1.1 * spiral.outer_radius for spiral in spirals)]
    known = [radius for radius in reach if math.isfinite(radius)] or [2.0 * _number(row, "half_light_radius_pixels")]
    image = thumbnail(
        picture,
        picture.mean(axis=2),
        mask,
        centre=(_number(row, "centre_y"), _number(row, "centre_x")),
        axis_ratio=_number(row, "axis_ratio"),
        position_angle_deg=_number(row, "position_angle_deg"),
        radius=max(known),
        spirals=spirals,
        reverse=reverse,
    )
    return jpeg(image)


def _arms_of(arms: Table | None) -> Mapping[str, list[Any]]:
    """Rows of the table of arms by galaxy."""
    found: defaultdict[str, list[Any]] = defaultdict(list)
    for row in _rows(arms):
        found[str(row["object_id"])].append(row)
    return found


def _fitted(arms: Sequence[Any]) -> list[int]:
    """The numbers of a galaxy's arms that have a spiral."""
    return [number for number, arm in enumerate(arms, start=1) if math.isfinite(_number(arm, "pitch_angle_deg"))]


def _rows(table: Table | None) -> Iterator[Any]:
    yield from () if table is None else table


def _spiral(arm: Any, winding: int) -> Spiral:
    """A row of the table of arms on the pixel grid, where what is Z-wise on the sky winds by `winding`."""
    from flaxgal.figures.thumbnails import Spiral

    return Spiral(
        pitch_angle_deg=_number(arm, "pitch_angle_deg"),
        inner_radius=_number(arm, "inner_radius_pixels"),
        outer_radius=_number(arm, "outer_radius_pixels"),
        azimuth_deg=_number(arm, "azimuth_deg"),
        winding=winding if str(arm["chirality"]) == "Z" else -winding,
    )


def _number(row: Any, name: str) -> float:
    """A number of a row; NaN where it is missing, or the table has no such column."""
    if name not in row.colnames:
        return math.nan
    value = row[name]
    return math.nan if np.ma.is_masked(value) else float(value)
