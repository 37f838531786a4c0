"""What a catalogue of arms says: how flux ratios are distributed, and how they go with other quantities."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from flaxgal.figures.drawing import BEST, INK, LINE, QUIET, empty_figure, styled
from flaxgal.measure.relations import Relation, why_none

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["distribution", "relation_figure"]

POINTS_BEFORE_DENSITY = 3000
"""More galaxies than this are drawn as a density, fewer as points."""


@styled
def distribution(values: Float[np.ndarray, " galaxy"], *, name: str, notes: Sequence[str] = ()) -> Figure:
    """How many galaxies have which arm flux ratio, with median and the range that holds 68 % of them.

    `notes` are lines more, on who is among them.

    Raises
    ------
    ValueError
        If no value is a number.
    """
    known = values[np.isfinite(values)]
    if not len(known):
        raise ValueError(f"{name}: no galaxy has a number there; nothing to draw")
    low, middle, high = np.quantile(known, [0.16, 0.5, 0.84])
    edge = np.quantile(known, [0.005, 0.995])
    shown = known[(known >= edge[0]) & (known <= edge[1])] if len(known) >= 200 else known
    figure = empty_figure(6.4, 4.2)
    panel = figure.subplots()
    panel.hist(shown, bins=min(60, max(8, round(len(shown) ** 0.5))), color=LINE, alpha=0.85)
    panel.axvspan(low, high, color=QUIET, alpha=0.15, lw=0)
    panel.axvline(middle, color=BEST, lw=1.6)
    panel.set(xlabel=name, ylabel="galaxies")
    lines = [
        f"{len(known)} galaxies",
        f"mean {known.mean():.3f}, median {middle:.3f}",
        f"68 %: {low:.3f} to {high:.3f}",
    ]
    lines += [f"{len(values) - len(known)} without a number"] if len(known) < len(values) else []
    lines += [f"{len(known) - len(shown)} beyond the picture"] if len(shown) < len(known) else []
    lines += notes
    panel.text(0.97, 0.97, "\n".join(lines), ha="right", va="top", transform=panel.transAxes)
    panel.set_ylim(0, panel.get_ylim()[1] * (1.1 + 0.07 * len(lines)))  # room for the words
    return figure


@styled
def relation_figure(relation: Relation, *, name: str, notes: Sequence[str] = ()) -> Figure:
    """A column against a quantity: galaxies, means in bins with their errors, the three coefficients, and `notes`.

    Raises
    ------
    ValueError
        If no galaxy passed the cuts.
    """
    if not len(relation.x):
        cuts = ", ".join(f"{number} {why}" for why, number in relation.left_out.items())
        raise ValueError(f"{name} against {relation.quantity.name}: no galaxy is left after the cuts ({cuts})")
    figure = empty_figure(6.6, 5.0)
    panel = figure.subplots()
    _galaxies(panel, relation)
    bins = relation.bins
    if len(bins.x):
        reach = np.abs([bins.x - bins.low, bins.high - bins.x])
        mean = {"fmt": "o", "ms": 5, "mec": "white", "mew": 0.5, "color": BEST, "elinewidth": 1.4, "zorder": 3}
        panel.errorbar(bins.x, bins.mean, yerr=bins.error, xerr=reach, label="mean in bins", **mean)
        panel.legend(loc="upper left")
    panel.set(xlabel=f"{relation.quantity.label}, from {' and '.join(relation.made_of)}", ylabel=name)
    lines = [why_none(relation.x, relation.y) or f"{len(relation.x)} galaxies"]
    for coefficient, found in relation.correlations.items():
        if np.isfinite(found.value):
            lines.append(f"{coefficient.capitalize()} {found.value:+.3f} [{found.low:+.3f}, {found.high:+.3f}]")
    lines += notes
    panel.text(0.98, 0.97, "\n".join(lines), ha="right", va="top", color=INK, transform=panel.transAxes)
    low, high = panel.get_ylim()
    panel.set_ylim(low, high + (0.05 + 0.045 * len(lines)) * (high - low))  # room for the words
    return figure


def _galaxies(panel: Axes, relation: Relation) -> None:
    """Points, or the density of many."""
    if len(relation.x) > POINTS_BEFORE_DENSITY:
        panel.hexbin(relation.x, relation.y, gridsize=60, cmap="Blues", bins="log", mincnt=1, linewidths=0)
    else:
        panel.plot(relation.x, relation.y, ".", color=LINE, ms=4, alpha=0.5, mec="none")
