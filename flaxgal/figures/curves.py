"""Numbers against numbers: how a run learnt, and measured flux ratios against true ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float

from flaxgal.figures.drawing import BEST, LINE, QUIET, empty_figure, same_length, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["learning_curves", "ratio_scatter"]


_SCORES = {
    "validation_dice": ("validation Dice, arms", True),
    "validation_balanced_accuracy": ("validation balanced accuracy", True),
    "validation_mean_error": ("validation mean error, steps", False),
}
"""Scores that runs are judged by, what to call them, and whether more is better."""


@styled
def learning_curves(records: Sequence[Mapping[str, Any]], *, title: str = "") -> Figure:
    """Training loss and the validation galaxies' score against step, from the lines of a run's metrics.jsonl.

    A record without one of the numbers, or with null, leaves no point.

    Raises
    ------
    ValueError
        If no record holds a loss.
    """
    loss = _curve(records, "loss")
    if not len(loss):
        raise ValueError("learning curves: found no loss in the run's records; train for at least one step first")
    looked = _curve(records, "validation_loss")
    score, (name, rises) = next(
        ((curve, about) for key, about in _SCORES.items() if len(curve := _curve(records, key))),
        (np.empty((0, 2)), _SCORES["validation_dice"]),
    )
    figure = empty_figure(7.0, 5.2)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(1, 1))
    above.plot(*loss.T, color=QUIET, lw=1.4, label="training")
    if len(looked):
        above.plot(*looked.T, color=LINE, lw=2, marker="o", ms=4, label="validation")
        above.legend()
    above.set_ylabel("loss")
    above.set_title(title, loc="left")
    below.set_ylabel(name)
    below.set_xlabel("step")
    below.set_ylim(0, 1.25 * score[:, 1].max() or 1.0 if len(score) and not rises else 1)
    if len(score):
        best = score[score[:, 1].argmax() if rises else score[:, 1].argmin()]
        below.plot(*score.T, color=LINE, lw=2, marker="o", ms=4)
        below.plot(*best, color=BEST, marker="*", ms=15, ls="none", label=f"best: {best[1]:.3f} at step {best[0]:.0f}")
        below.legend(loc="lower right" if rises else "upper right")
    else:
        below.text(0.5, 0.5, "no look at the validation split yet", ha="center", transform=below.transAxes)
    for panel in (above, below):
        panel.grid(alpha=0.25, lw=0.6)
    return figure


@styled
def ratio_scatter(
    true: Float[np.ndarray, " galaxy"],
    measured: Float[np.ndarray, " galaxy"],
    *,
    error: Float[np.ndarray, " galaxy"] | None = None,
    band: str = "",
    mask_name: str = "the model's masks",
) -> Figure:
    """Measured arm flux ratios against true ones, with the line of equality, and the difference below.

    Galaxies whose ratio is not a number are left out and counted in the corner.

    Raises
    ------
    ValueError
        If no galaxy has both ratios, or the lists are of different lengths.
    """
    same_length("galaxy", true, measured, error)
    good = np.isfinite(true) & np.isfinite(measured)
    if not good.any():
        raise ValueError("flux ratios: found no galaxy with both a true and a measured ratio; nothing to draw")
    x, y = np.asarray(true)[good], np.asarray(measured)[good]
    bars = None if error is None else np.nan_to_num(np.asarray(error)[good])
    difference = y - x
    figure = empty_figure(5.6, 6.4)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    top = max(0.1, 1.08 * float(max(x.max(), y.max())))
    above.plot([0, top], [0, top], color=QUIET, lw=1, zorder=1)
    below.axhline(0, color=QUIET, lw=1, zorder=1)
    points = {"fmt": "o", "ms": 5, "mec": "white", "mew": 0.4, "color": LINE, "ecolor": LINE, "elinewidth": 0.8}
    above.errorbar(x, y, bars, **points)
    below.errorbar(x, difference, bars, **points)
    in_band = f", {band} band" if band else ""
    above.set_title(f"Arm light / total light{in_band}, {mask_name}", loc="left")
    above.set(xlim=(-0.03 * top, top), ylim=(min(-0.03 * top, 1.3 * float(y.min())), top), ylabel="measured")
    below.set(xlabel="true", ylabel="measured − true")
    reach = 1.15 * float(np.abs(difference).max()) or 0.01
    below.set_ylim(-reach, reach)
    spread = float(np.percentile(np.abs(difference - np.median(difference)), 68.27))
    lines = [f"{good.sum()} galaxies", f"median difference {np.median(difference):+.3f}", f"68 % within ± {spread:.3f}"]
    lines += [f"{(~good).sum()} without a ratio"] if (~good).any() else []
    above.text(0.04, 0.96, "\n".join(lines), va="top", transform=above.transAxes, linespacing=1.5)
    figure.align_ylabels()
    return figure


def _curve(records: Sequence[Mapping[str, Any]], name: str) -> np.ndarray:
    """(point, 2): step and value of each record that holds a finite value."""
    points = [(record["step"], record[name]) for record in records if record.get(name) is not None]
    curve = np.array(points, float).reshape(-1, 2)
    return curve[np.isfinite(curve[:, 1])]
