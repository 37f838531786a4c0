"""How well a run tells galaxies apart: confusion, ROC curves, reliability, T-types, and its worst mistakes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float, Int, UInt8

from flaxgal.class_metrics import Curve, row_normalised
from flaxgal.figures.drawing import BEST, FOUND, INK, LINE, QUIET, TRUTH, empty_figure, same_length, say, show, styled
from flaxgal.reliability import Reliability, calibration_error

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "confusion_panel",
    "reliability_diagram",
    "roc_curves",
    "scores_by_group",
    "t_type_scatter",
    "worst_mistakes",
]

COLOURS = (LINE, BEST, "#009E73", "#CC79A7", TRUTH, FOUND)
"""Of classes, in their order; from Okabe & Ito's too."""
MOST_NUMBERS = 8
"""With more classes than this, the cells of a confusion matrix are too small for numbers."""


@styled
def confusion_panel(
    matrix: Int[np.ndarray, "truth found"], classes: Sequence[str], *, of: str = "class", title: str = ""
) -> Figure:
    """The confusion matrix: for each true class, a row, the share found to be of each class, and how many that is.

    The row of a class without a galaxy stays empty.

    Raises
    ------
    ValueError
        If there is not a row and a column for each class.
    """
    number = len(classes)
    if matrix.shape != (number, number):
        raise ValueError(f"confusion matrix of shape {matrix.shape} for {number} classes; give a row and column each")
    share = row_normalised(matrix)
    figure = empty_figure(*(1.9 + min(1.15 * number, 6.0),) * 2)
    panel = figure.subplots()
    panel.imshow(np.nan_to_num(share), cmap="Blues", vmin=0, vmax=1)
    for truth, found in np.ndindex(number, number) if number <= MOST_NUMBERS else ():
        told = np.isfinite(share[truth, found])
        text = f"{100 * share[truth, found]:.1f} %\n{matrix[truth, found]}" if told else "–"
        panel.text(found, truth, text, ha="center", va="center", color="white" if share[truth, found] > 0.6 else INK)
    panel.set_xticks(range(number), classes)
    panel.set_yticks(range(number), classes)
    panel.set(xlabel=f"{of} found", ylabel=f"true {of}")
    panel.set_title(title or f"{matrix.sum()} galaxies, {100 * np.trace(matrix) / max(matrix.sum(), 1):.1f} % right")
    panel.tick_params(length=0)
    for spine in panel.spines.values():
        spine.set_visible(False)
    return figure


@styled
def roc_curves(curves: Mapping[str, Curve | None], areas: Mapping[str, Sequence[float]] | None = None) -> Figure:
    """One ROC curve a class, that class against the rest, with the area below each.

    Parameters
    ----------
    curves
        By class; None where there are no galaxies on both sides, which is said in the legend.
    areas
        Area, lower and upper end of its interval, by class.
    """
    figure = empty_figure(5.6, 5.6)
    panel = figure.subplots()
    panel.plot([0, 1], [0, 1], color=QUIET, lw=1, ls=":")
    for (name, curve), colour in zip(curves.items(), _colours(len(curves)), strict=True):
        if curve is None:
            panel.plot([], [], color=colour, label=f"{name}: not told, for lack of galaxies")
            continue
        area = f"{name}: area {curve.area:.4f}"
        if areas is not None and name in areas:
            area += " [{1:.4f}, {2:.4f}]".format(*areas[name])
        panel.plot(curve.false_positive_rate, curve.true_positive_rate, color=colour, lw=2, label=area)
    panel.set(xlabel="false positive rate", ylabel="true positive rate", aspect="equal")
    panel.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01))
    panel.grid(alpha=0.25, lw=0.6)
    panel.legend(loc="lower right")
    return figure


@styled
def reliability_diagram(found: Mapping[str, Reliability], *, by_chance: float = float("nan")) -> Figure:
    """How often galaxies of each confidence are right, side by side as by name, above how many galaxies those are.

    `by_chance` is the calibration error that perfectly calibrated probabilities would show on as many galaxies.
    """
    number = same_length("reliability", list(found))
    figure = empty_figure(4.2 * number + 0.4, 5.4)
    axes = figure.subplots(2, number, sharex=True, sharey="row", squeeze=False, height_ratios=(3, 1))
    for (name, bins), above, below in zip(found.items(), axes[0], axes[1], strict=True):
        full = bins.galaxies > 0
        width, centre = np.diff(bins.edges), (bins.edges[1:] + bins.edges[:-1]) / 2
        above.plot([0, 1], [0, 1], color=QUIET, lw=1, ls=":")
        above.bar(centre[full], bins.accuracy[full], width=0.92 * width[full], color=FOUND, alpha=0.55)
        above.plot(bins.confidence[full], bins.accuracy[full], color=LINE, marker="o", ms=4, lw=1.4)
        lines = [name, f"calibration error {calibration_error(bins):.3f}"]
        lines += [f"chance alone would make {by_chance:.3f}"] if np.isfinite(by_chance) else []
        above.set_title("\n".join(lines), loc="left", linespacing=1.4)  # above, as the curve may pass anywhere
        below.bar(centre, bins.galaxies, width=0.92 * width, color=QUIET)
        below.set_xlabel("confidence")
    axes[0, 0].set(ylabel="share that is right", xlim=(0, 1), ylim=(0, 1.02))
    axes[1, 0].set_ylabel("galaxies")
    figure.align_ylabels()
    return figure


@styled
def t_type_scatter(true: Float[np.ndarray, " galaxy"], found: Float[np.ndarray, " galaxy"]) -> Figure:
    """T-types found against true ones, which are whole: each galaxy moved aside a little, and the median of each type.

    Galaxies without one of the two are left out and counted in the corner.

    Raises
    ------
    ValueError
        If no galaxy has both.
    """
    same_length("galaxy", true, found)
    good = np.isfinite(true) & np.isfinite(found)
    if not good.any():
        raise ValueError("T-types: found no galaxy with both a true T-type and one that was found; nothing to draw")
    x, y = np.asarray(true, float)[good], np.asarray(found, float)[good]
    figure = empty_figure(5.6, 5.6)
    panel = figure.subplots()
    ends = min(x.min(), y.min()) - 0.7, max(x.max(), y.max()) + 0.7
    aside = np.random.default_rng(0).uniform(-0.3, 0.3, len(x))
    panel.plot(ends, ends, color=QUIET, lw=1, ls=":")
    panel.plot(x + aside, y, ls="none", marker="o", ms=3, mec="none", color=FOUND, alpha=0.5)
    types = np.unique(x)
    panel.plot(types, [np.median(y[x == one]) for one in types], color=LINE, marker="o", ms=5, lw=1.4, label="median")
    lines = [f"{good.sum()} galaxies", f"mean |difference| {np.abs(y - x).mean():.2f}"]
    lines += [f"{(~good).sum()} without a T-type"] if (~good).any() else []
    panel.text(0.04, 0.96, "\n".join(lines), va="top", transform=panel.transAxes, linespacing=1.5)
    panel.set(xlabel="true T-type", ylabel="T-type found", xlim=ends, ylim=ends, aspect="equal")
    panel.legend(loc="lower right")
    return figure


@styled
def scores_by_group(groups: Mapping[str, Mapping[str, Mapping[str, Any]]], *, score: str, label: str) -> Figure:
    """A score with its interval, for each group of galaxies of each division: `groups[division][group][score]`.

    A group's record holds `galaxies`, and of the score `value`, `low` and `high`; None leaves no point.

    Raises
    ------
    ValueError
        If there is no group.
    """
    same_length("division", groups)
    figure = empty_figure(1.0 + sum(0.6 + 0.75 * len(parts) for parts in groups.values()), 3.8)
    widths = [len(parts) + 1 for parts in groups.values()]
    axes = figure.subplots(1, len(groups), sharey=True, squeeze=False, width_ratios=widths)
    for (division, parts), panel in zip(groups.items(), axes[0], strict=True):
        for place, record in enumerate(parts.values()):
            value, low, high = (record[score][name] for name in ("value", "low", "high"))
            if value is not None:
                panel.errorbar(
                    place, value, [[value - low], [high - value]], fmt="o", color=LINE, ms=6, elinewidth=1.6, capsize=3
                )
        names = [f"{name}\n{record['galaxies']}" for name, record in parts.items()]
        panel.set_xticks(range(len(names)), names, fontsize=9)
        panel.set(xlim=(-0.6, len(names) - 0.4), title=division)
        panel.grid(alpha=0.25, lw=0.6, axis="y")
    axes[0, 0].set_ylabel(label)
    return figure


@styled
def worst_mistakes(
    pictures: UInt8[np.ndarray, "n y x band"],
    *,
    names: Sequence[str],
    notes: Sequence[str],
    columns: int = 6,
    row_zero_at: str = "top",
) -> Figure:
    """A gallery of galaxies that were taken for something else, in the order given, a note below each.

    Three bands are shown in colour, otherwise the first.

    Raises
    ------
    ValueError
        If there is no galaxy, or the lists are of different lengths.
    """
    number = same_length("galaxy", pictures, names, notes)
    across = min(columns, number)
    down = -(-number // across)
    figure = empty_figure(2.1 * across, 2.75 * down)
    axes = figure.subplots(down, across, squeeze=False).ravel()
    for panel in axes[number:]:
        panel.set_axis_off()
    for panel, picture, name, note in zip(axes, pictures, names, notes, strict=False):
        show(panel, picture if picture.shape[-1] == 3 else picture[..., :1], row_zero_at)
        say(panel, note)
        _name(panel, name)
    return figure


def _name(panel: Axes, name: str) -> None:
    """A galaxy's name above its picture, small, as survey names are long."""
    panel.set_title(name, loc="left", fontsize=7, color=QUIET, pad=3)


def _colours(number: int) -> list[str]:
    return [COLOURS[k % len(COLOURS)] for k in range(number)]
