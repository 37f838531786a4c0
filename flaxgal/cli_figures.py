"""The command that shows what a catalogue says: distributions, relations, and a page of all galaxies."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
from tyro.conf import Positional, arg

from flaxgal.cli_gallery import make_gallery
from flaxgal.cli_words import say
from flaxgal.progress import track

if TYPE_CHECKING:
    from astropy.table import Table

    from flaxgal.measure.relations import Relation

__all__ = ["figures"]

_RATIO = re.compile(r"flux_ratio_(?!(?:mask_)?error_|gamma22$).+")
"""The flux ratio of a band, whatever characters its name has."""
_RELATIONS, _PAGE = "relations.ecsv", "gallery.html"
_FEW = 6
"""Files from an earlier call that are named."""
_NO_ARMS = "no_arms"
_UNTRUE = ("mask_everything", "no_galaxy", "negative_light", _NO_ARMS)
"""Flags whose galaxies say nothing about arms at large; without arms the ratio is 0 by definition."""


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

    _check_choices(inputs, masks, labels, gallery=gallery, resamples=resamples)
    outlines = None if masks is None else masks_from(masks, labels)
    table = read_catalogue(catalogue)
    _check_flags(leave_out)
    if outlines is not None and "object_id" not in table.colnames:
        raise ValueError(
            f"{catalogue}: has no object_id, by which galaxies of the gallery are found; leave out --inputs"
        )
    chosen = list(columns) or _ratios(table)
    _check_columns(table, chosen, catalogue)
    beside = arms_path(catalogue)
    spirals = read_catalogue(arms or beside) if arms or beside.exists() else None
    if outlines is not None and spirals is None:
        say(f"{beside}: no such file; without the table of arms, --arms, the page shows no fitted spirals")
    out.mkdir(parents=True, exist_ok=True)
    before = _times(out, table.colnames)
    _statistics(table, chosen, out, leave_out=leave_out, resamples=resamples, seed=seed)
    if outlines is not None:
        page = out / _PAGE
        make_gallery(table, inputs, outlines, spirals, page, most=gallery, ratios=_ratios(table))
        print(f"a page of the galaxies, for any browser: {page}")
    after = _times(out, table.colnames)
    _say_older(out, [name for name, time in before.items() if after.get(name) == time])
    return 0


def _times(out: Path, columns: Sequence[str]) -> dict[str, int]:
    """When each file was written that this command may have left in the folder, going by its name: in ns."""
    from flaxgal.measure.relations import QUANTITIES

    ends = "|".join(quantity.name for quantity in QUANTITIES)
    known = "|".join(map(re.escape, map(_as_file, columns)))
    names = re.compile(rf"(?:{known}|flux_ratio_.+)(?:-(?:{ends}))?\.png|{re.escape(_RELATIONS)}|{re.escape(_PAGE)}")
    return {path.name: path.stat().st_mtime_ns for path in sorted(out.iterdir()) if names.fullmatch(path.name)}


def _say_older(out: Path, names: Sequence[str]) -> None:
    """Say which files are not of this call: nothing is removed, as a folder may gather the figures of several."""
    if names:
        listed = ", ".join(sorted(names, key=lambda name: name.endswith(".png"))[:_FEW])
        more = f" and {len(names) - _FEW} more" if len(names) > _FEW else ""
        say(f"{out}: {listed}{more} are from an earlier call; delete what is out of date, or choose another --out")


def _check_choices(inputs: Sequence[Path], masks: Path | None, labels: str, *, gallery: int, resamples: int) -> None:
    if labels and masks is None:
        raise ValueError("--labels says whose masks of a label store the gallery shows; give --masks, or leave it out")
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
        path = out / _RELATIONS
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
    from flaxgal.measure.relations import QUANTITIES, relate, remarks, why_none

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
            if reason := why_none(relation.x, relation.y):
                say(f"{column} against {quantity.name}: {reason}")
            yield relation
    if missing:
        say(
            f"the catalogue tells no {', '.join(sorted(missing))}; flaxgal measure --join TABLE brings such columns in "
            f"(photoz_best, sfr, stellar_mass)"
        )


def _print_relations(table: Table) -> None:
    """The coefficients that there are."""
    rows = [row for row in table if math.isfinite(row["value"])]
    if not rows:
        return
    print(f"{'':16s} {'against':9s} {'galaxies':>8s} {'':9s} {'value':>7s} {'95 % interval':>18s} {'the seed':>9s}")
    for row in rows:
        seed = f"{row['seed']:9.3f}" if math.isfinite(row["seed"]) else f"{'–':>9s}"
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
