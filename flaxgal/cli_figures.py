"""The command that shows what a catalogue says: distributions, relations, and a page of all galaxies."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from tyro.conf import Positional, arg

from flaxgal.cli_words import say
from flaxgal.progress import track

if TYPE_CHECKING:
    from astropy.table import Table

    from flaxgal.figures.thumbnails import Spiral
    from flaxgal.inputs import Source
    from flaxgal.masks import Masks
    from flaxgal.measure.relations import Relation
    from flaxgal.survey.cutout import Cutout, Unreadable

__all__ = ["figures"]

_RATIO = re.compile(r"flux_ratio_(?!(?:mask_)?error_|gamma22$).+")
"""The flux ratio of a band, whatever characters its name has."""
_NO_ARMS = "no_arms"
_UNTRUE = ("mask_everything", "no_galaxy", "negative_light", _NO_ARMS)
"""Flags whose galaxies say nothing about arms at large; without arms the ratio is 0 by definition."""
_FEW = 20
"""Reasons that are said; more would hide what else is said."""


def figures(
    catalogue: Annotated[Positional[Path], arg(metavar="CATALOGUE")],
    *,
    out: Path = Path("figures"),
    columns: tuple[str, ...] = (),
    leave_out: tuple[str, ...] = _UNTRUE,
    inputs: tuple[Path, ...] = (),
    masks: Path | None = None,
    labels: str = "",
    arms: Path | None = None,
    gallery: int = 5000,
    resamples: int = 500,
    seed: int = 0,
) -> int:
    """Draw what a catalogue says: flux ratios against redshift and star formation, and a page of all galaxies.

    Example: flaxgal figures arms.parquet --out figures/ --inputs cutouts/ --masks maps/

    Args:
        catalogue: Table that `flaxgal measure` wrote; with --join it holds redshifts and star-formation rates.
        out: Folder of the figures, of relations.ecsv and of gallery.html.
        columns: Columns to draw; every band's flux_ratio when not given, or the estimate made of pictures.
        leave_out: Galaxies with any of these flags do not enter the statistics; they stay in the gallery. Without
            no_arms among them, galaxies whose mask is empty count with a ratio of 0.
        inputs: The cutouts that were measured; with --masks they make the gallery.
        masks: Folder that `flaxgal predict` wrote, or other masks that `flaxgal measure` takes.
        labels: Whose masks of a label store: consensus (when not given), latest, staple or annotator:NAME.
        arms: The table of arms; beside the catalogue when not given.
        gallery: Most galaxies on the page; of more, every second, third … is shown.
        resamples: Bootstrap resamples behind each interval.
        seed: Of the bootstrap.
    """
    from flaxgal.masks import masks_from
    from flaxgal.measure.catalogue import arms_path, read_catalogue

    _check_choices(inputs, masks, gallery=gallery, resamples=resamples)
    outlines = None if masks is None else masks_from(masks, labels)
    table = read_catalogue(catalogue)
    _check_flags(leave_out)
    chosen = list(columns) or _ratios(table)
    _check_columns(table, chosen, catalogue)
    beside = arms_path(catalogue)
    spirals = read_catalogue(arms or beside) if arms or beside.exists() else None
    out.mkdir(parents=True, exist_ok=True)
    _statistics(table, chosen, out, leave_out=leave_out, resamples=resamples, seed=seed)
    if outlines is not None:
        page = _gallery(table, inputs, outlines, spirals, out / "gallery.html", most=gallery)
        print(f"a page of the galaxies, for any browser: {page}")
    return 0


def _check_choices(inputs: Sequence[Path], masks: Path | None, *, gallery: int, resamples: int) -> None:
    if bool(inputs) != (masks is not None):
        raise ValueError("the gallery needs both --inputs (the cutouts) and --masks (what predict wrote); give both")
    if gallery < 1:
        raise ValueError(f"--gallery {gallery}; give 1 galaxy or more, or leave --inputs out for none")
    if resamples < 2:
        raise ValueError(f"--resamples {resamples}; give 2 or more, and some hundreds for intervals to rely on")
    for path in inputs:
        if not path.exists():
            raise ValueError(f"{path}: no such file or folder; expected the cutouts that were measured")


def _check_flags(names: Sequence[str]) -> None:
    from flaxgal.measure.flags import Flag

    known = [str(flag.name).lower() for flag in Flag]
    if unknown := [name for name in names if name not in known]:
        raise ValueError(f"--leave-out {' '.join(unknown)}: no such flag; wanted some of {', '.join(known)}")


def _check_columns(table: Table, columns: Sequence[str], catalogue: Path) -> None:
    if not columns:
        raise ValueError(
            f"{catalogue}: found no flux ratio among {', '.join(table.colnames[:8])}; give the table of galaxies that "
            f"flaxgal measure wrote (arms.parquet, not arms-arms.parquet), or name columns with --columns"
        )
    if unknown := [name for name in columns if name not in table.colnames]:
        listed = ", ".join(name for name in table.colnames if name.startswith("flux_ratio"))
        raise ValueError(f"{catalogue}: has no column {', '.join(unknown)}; flux ratios in it: {listed or 'none'}")
    if others := [name for name in columns if table[name].dtype.kind not in "iufb" or table[name].ndim != 1]:
        raise ValueError(f"{catalogue}: has no numbers in {', '.join(others)}; name columns of one number a galaxy")


def _ratios(table: Table) -> list[str]:
    """The flux ratio of every band; of a catalogue of pictures, which has none, the seed's estimate."""
    bands = [name for name in table.colnames if _RATIO.fullmatch(name)]
    return bands or [name for name in table.colnames if name == "flux_ratio_gamma22"]


def _statistics(
    table: Table, columns: Sequence[str], out: Path, *, leave_out: Sequence[str], resamples: int, seed: int
) -> None:
    """Draw distributions and relations, and write the relations' numbers."""
    from flaxgal.measure.relations import relations_table

    kept, cuts, beside = _cut(table, leave_out)
    for sentence in cuts:
        print(sentence)
    drawn = [column for column in columns if _draw_distribution(kept, column, out, beside)]
    relations = list(_relations(kept, drawn, out, beside, resamples=resamples, seed=seed))
    if relations:
        found = relations_table(relations)
        found.meta["cuts"] = [*cuts, *found.meta["cuts"]]
        _print_relations(found)
        path = out / "relations.ecsv"
        found.write(path, format="ascii.ecsv", overwrite=True)
        print(path)


def _cut(table: Table, leave_out: Sequence[str]) -> tuple[Table, list[str], list[str]]:
    """The galaxies that have none of some flags; sentences on how many have not; and a few words, for a figure."""
    having = _flagged(table, {*leave_out, _NO_ARMS})
    kept = ~np.any([np.zeros(len(table), bool), *(having[flag] for flag in leave_out)], axis=0)
    sentences, beside = [], []
    if number := int((~kept).sum()):
        each = ", ".join(f"{having[flag].sum()} {flag}" for flag in leave_out if having[flag].any())
        sentences.append(f"{number} of {len(table)} galaxies left out of the statistics: {each}")
    if number := int((having[_NO_ARMS] & kept).sum()):
        sentences.append(f"{number} of {kept.sum()} galaxies have no arms, and count with a ratio of 0")
        beside.append(f"{number} without arms counted")
    elif number := int(having[_NO_ARMS].sum()):
        beside.append(f"{number} without arms left out")
    return table[kept], sentences, beside


def _draw_distribution(table: Table, column: str, out: Path, notes: Sequence[str]) -> bool:
    """Draw how a column is distributed; whether there was anything to draw."""
    from flaxgal.figures import save
    from flaxgal.figures.catalogue import distribution
    from flaxgal.survey.catalog import values_of

    values = values_of(table, column)
    if not np.isfinite(values).any():
        say(f"{column}: no galaxy has a number there; not drawn")
        return False
    print(save(distribution(values, name=_in_words(column), notes=notes), out / f"{_as_file(column)}.png"))
    return True


def _relations(
    table: Table, columns: Sequence[str], out: Path, notes: Sequence[str], *, resamples: int, seed: int
) -> Iterator[Relation]:
    """Draw each column against each quantity that the table tells, and give what was drawn."""
    from flaxgal.figures import save
    from flaxgal.figures.catalogue import relation_figure
    from flaxgal.measure.relations import QUANTITIES, relate, remarks

    for remark in remarks(table):
        say(remark)
    missing = set()
    pairs = list(product(columns, QUANTITIES))
    for column, quantity in track(pairs, "relations looked at", len(pairs)):
        relation = relate(table, column, quantity, seed=seed, resamples=resamples)
        if relation is None:
            missing.add(quantity.name)
        elif not len(relation.x):
            cuts = ", ".join(f"{number} {why}" for why, number in relation.left_out.items())
            say(f"{column} against {quantity.name}: no galaxy is left after the cuts ({cuts}); not drawn")
        else:
            figure = relation_figure(relation, name=_in_words(column), notes=notes)
            print(save(figure, out / f"{_as_file(column)}-{quantity.name}.png"))
            yield relation
    if missing:
        say(
            f"the catalogue tells no {', '.join(sorted(missing))}; flaxgal measure --join TABLE brings such columns in "
            f"(photoz_best, sfr, stellar_mass)"
        )


def _print_relations(table: Table) -> None:
    print(f"{'':16s} {'against':9s} {'galaxies':>8s} {'':9s} {'value':>7s} {'95 % interval':>18s} {'the seed':>9s}")
    for row in table:
        seed = f"{row['seed']:9.3f}" if math.isfinite(row["seed"]) else " " * 9
        interval = f"[{row['low']:+.3f}, {row['high']:+.3f}]"
        print(
            f"{row['column']:16s} {row['quantity']:9s} {row['galaxies']:8d} {row['coefficient']:9s} "
            f"{row['value']:+7.3f} {interval:>18s} {seed}"
        )


def _flagged(table: Table, flags: Iterable[str]) -> dict[str, np.ndarray]:
    """For each of some flags, True for the galaxies that have it; a table without flags has none that do."""
    known = table["flag_names"] if "flag_names" in table.colnames else [""] * len(table)
    names = [str(text).split() for text in known]
    return {flag: np.array([flag in those for those in names], bool) for flag in flags}


def _as_file(column: str) -> str:
    return column.replace("/", "-")


def _in_words(column: str) -> str:
    band = column.removeprefix("flux_ratio_")
    return f"light of the arms / total light, {band} band" if _RATIO.fullmatch(column) else column


def _label(ratio: str) -> str:
    """What stands before a flux ratio below a galaxy's picture, with its band."""
    return f"arms / total ({ratio.removeprefix('flux_ratio_')})"


def _gallery(table: Table, inputs: Sequence[Path], masks: Masks, arms: Table | None, page: Path, *, most: int) -> Path:
    """Make the page of at most so many galaxies, evenly spread over the catalogue."""
    from flaxgal.figures.gallery import write_gallery
    from flaxgal.survey.cutout import Unreadable

    shown = table[:: max(1, -(-len(table) // most))]
    if len(shown) < len(table):
        say(f"the page shows {len(shown)} of {len(table)} galaxies; --gallery {len(table)} shows all")
    rows = {str(row["object_id"]): row for row in shown}
    others = {str(object_id) for object_id in table["object_id"]} - rows.keys()
    spirals = _arms_of(arms)
    found: dict[str, bytes] = {}
    unreadable, bare = [], []
    for item in track(_seen(inputs, rows, others), "pictures made", len(rows)):
        if isinstance(item, Unreadable):
            unreadable.append(item.reason)
            continue
        cutout, image = item
        mask, reason = _outline(cutout, masks, image)
        bare += [reason] if reason else []
        found[cutout.object_id] = _picture(cutout, rows[cutout.object_id], mask, spirals[cutout.object_id])
    _say_why("of the inputs cannot be read", unreadable)
    _say_why("galaxies have no outline of their arms on the page", bare)
    if without := len(shown) - len(found):
        say(f"{without} galaxies of the catalogue are not among the inputs: they have no picture on the page")
    ratio = _shown_ratio(table)
    lines = (
        ((_label(ratio), ratio, ratio.replace("ratio_", "ratio_error_", 1)), ("z", "photoz_best", "")),
        (("arms", "number_of_arms", ""), ("", "chirality", ""), ("pitch", "pitch_angle_deg", "pitch_angle_error_deg")),
    )
    pictures = (found.get(str(object_id)) for object_id in shown["object_id"])
    arms_shown = [_fitted(spirals[object_id]) for object_id in rows]
    title = f"{len(shown)} galaxies and their arms"
    return write_gallery(shown, pictures, page, title=title, lines=lines, arms=arms_shown)


def _shown_ratio(table: Table) -> str:
    """The flux ratio that most galaxies have; of several, that of r or else i, the first otherwise."""
    from flaxgal.survey.catalog import values_of

    names = [*("flux_ratio_r", "flux_ratio_i"), *_ratios(table)]
    known = [name for name in names if name in table.colnames]
    return max(known, key=lambda name: np.isfinite(values_of(table, name)).sum(), default="")


def _say_why(what: str, reasons: Sequence[str]) -> None:
    """Say how many there are of something, and why the first few."""
    if reasons:
        say(f"{len(reasons)} {what}:")
    for reason in reasons[:_FEW]:
        say(f"  {reason}")
    if more := len(reasons) - len(reasons[:_FEW]):
        say(f"  … and {more} more")


def _seen(
    inputs: Sequence[Path], wanted: Collection[str], others: Collection[str]
) -> Iterator[tuple[Cutout, Path | None] | Unreadable]:
    """The wanted galaxies among the inputs, with their files, and what cannot be read, until all are found.

    A galaxy that is called as one of the others is not read.
    """
    from flaxgal.inputs import Files, sources_from
    from flaxgal.survey.cutout import Unreadable

    missing = set(wanted)
    for source in sources_from(inputs):
        if not missing:
            return
        if _expected_id(source) in others:
            continue
        item = source.read()
        if isinstance(item, Unreadable):
            yield item
        elif item.object_id in missing:
            missing.discard(item.object_id)
            yield item, source.paths[0] if isinstance(source, Files) else None


def _expected_id(source: Source) -> str:
    """What a galaxy is called, as far as that is told without opening its file."""
    from flaxgal.inputs import Files, Stored
    from flaxgal.survey.headers import name_without_band, stem_of

    if isinstance(source, Files):
        return (stem_of if len(source.paths) == 1 else name_without_band)(source.paths[0].name)
    return source.object_id if isinstance(source, Stored) else source.fields["object_id"]


def _outline(cutout: Cutout, masks: Masks, image: Path | None) -> tuple[np.ndarray, str]:
    """The arm mask of a galaxy; an empty one where there is none, and why."""
    try:
        drawn = masks.of(cutout, image)
    except ValueError as error:
        return np.zeros(cutout.image_shape, bool), str(error)
    return np.asarray(drawn.arms > drawn.threshold), ""


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
