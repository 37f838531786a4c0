"""Galaxies with their arms: what a model found beside what is true."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Bool, Float, UInt8

from flaxgal.figures.drawing import (
    FOUND,
    QUIET,
    TRUTH,
    empty_figure,
    legend,
    outline,
    same_length,
    say,
    scale_bar,
    show,
    styled,
    tint,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["arms_found", "from_best_to_worst", "prediction_panels"]

Picture = UInt8[np.ndarray, "y x"] | UInt8[np.ndarray, "y x 1"] | UInt8[np.ndarray, "y x 3"]


@styled
def prediction_panels(
    pictures: Sequence[Picture],
    probability: Sequence[Float[np.ndarray, "y x"]],
    *,
    threshold: float,
    truth: Sequence[Bool[np.ndarray, "y x"] | None] | None = None,
    names: Sequence[str] | None = None,
    notes: Sequence[str] | None = None,
    dice: Sequence[float] | None = None,
    pixel_scale_arcsec: Sequence[float | None] | float | None = None,
    row_zero_at: str = "bottom",
) -> Figure:
    """Galaxies one below the other: image | truth | model's probability with its arms outlined.

    Parameters
    ----------
    pictures : 8-bit grey or colour, as `survey.display` makes them.
    probability : arm probability of each pixel.
    threshold : the arms' outline is where the probability is above this.
    truth : true or drawn arm masks; the column is left out without any, a panel stays empty where it is None.
    names, notes : a short title and a line of numbers for each galaxy.
    dice : score of each galaxy, written above its note; NaN is left out.
    pixel_scale_arcsec : for a scale bar; one number, or one a galaxy.
    row_zero_at : "bottom" as in FITS images, "top" as in PNG and JPEG.

    Raises
    ------
    ValueError
        If there is no galaxy, or the lists are of different lengths.
    """
    number = same_length("galaxy", pictures, probability, truth, names, notes, dice)
    truths = list(truth) if truth is not None else [None] * number
    scales = _each(pixel_scale_arcsec, number)
    with_truth = any(mask is not None for mask in truths)
    columns = 3 if with_truth else 2
    lines = 1 + (dice is not None and notes is not None)
    figure = empty_figure(2.6 * columns + 0.2, (2.55 + 0.2 * lines) * number + 0.8)
    axes = figure.subplots(number, columns, squeeze=False)
    for index, row in enumerate(axes):
        picture, mask = pictures[index], truths[index]
        arms = probability[index] > threshold
        for panel in row:
            show(panel, picture, row_zero_at)
        if with_truth:
            _show_truth(row[1], mask)
        tint(row[-1], np.nan_to_num(probability[index]), FOUND, 0.55)
        outline(row[-1], arms, FOUND)
        scale_bar(row[0], scales[index])
        score = [] if dice is None or np.isnan(dice[index]) else [f"Dice {dice[index]:.2f}"]
        say(row[0], names[index] if names is not None else "")
        say(row[-1], "\n".join(score + ([notes[index]] if notes is not None else [])))
    headings = ("image", "true arms", "arms found") if with_truth else ("image", "arms found")
    for panel, heading in zip(axes[0], headings, strict=True):
        panel.set_title(heading)
    legend(figure, [(TRUTH, "true arms")] * with_truth + [(FOUND, f"arms found (probability > {threshold:g})")])
    return figure


@styled
def from_best_to_worst(
    pictures: UInt8[np.ndarray, "n y x band"],
    probability: Float[np.ndarray, "n y x"],
    truth: Bool[np.ndarray, "n y x"],
    *,
    dice: Sequence[float],
    names: Sequence[str],
    threshold: float,
    number: int = 8,
) -> Figure:
    """`prediction_panels` of some of many scored galaxies, evenly spread from the highest Dice to the lowest.

    Three bands are shown in colour, otherwise the first.
    """
    order = np.argsort(-np.asarray(dice, float), kind="stable")
    chosen = order[np.unique(np.linspace(0, len(order) - 1, number).astype(int))]
    shown = pictures[chosen] if pictures.shape[-1] == 3 else pictures[chosen][..., :1]
    return prediction_panels(
        list(shown),
        list(probability[chosen]),
        threshold=threshold,
        truth=list(truth[chosen]),
        dice=[float(dice[k]) for k in chosen],
        names=[str(names[k]) for k in chosen],
    )


def arms_found(
    pictures: Sequence[Picture],
    arms: Sequence[Bool[np.ndarray, "y x"]],
    *,
    truth: Sequence[Bool[np.ndarray, "y x"]] | None = None,
    notes: Sequence[str] | None = None,
    pixel_scale_arcsec: float | None = None,
    row_zero_at: str = "bottom",
) -> Figure:
    """Galaxies side by side, each as it is seen and, below, with the arms that were found and the true ones outlined.

    Raises
    ------
    ValueError
        If there is no galaxy, or the lists are of different lengths.
    """
    number = same_length("galaxy", pictures, arms, truth, notes)
    figure = empty_figure(2.1 * number, 5.0)
    figure.set_facecolor("#0B0D12")
    axes = figure.subplots(2, number, squeeze=False)
    for index in range(number):
        above, below = axes[0, index], axes[1, index]
        for panel in (above, below):
            show(panel, pictures[index], row_zero_at)
        if truth is not None:
            outline(below, truth[index], "white", dashed=True)
        outline(below, arms[index], FOUND)
        if notes is not None:
            below.set_xlabel(notes[index], color="white", fontsize=11, labelpad=6)
    scale_bar(axes[0, 0], pixel_scale_arcsec)
    shown = [(FOUND, "arms found")] + ([("white", "true arms")] if truth is not None else [])
    legend(figure, shown, colour="white", dashed={"true arms"})
    return figure


def _each(value: Any, number: int) -> list:
    """One value for each of `number` items: the given list, or the same value again and again."""
    return list(value) if isinstance(value, (list, tuple, np.ndarray)) else [value] * number


def _show_truth(panel: Axes, mask: np.ndarray | None) -> None:
    """Lay the true arms over the picture of a panel."""
    if mask is None:
        panel.images[0].set_visible(False)
        panel.text(0.5, 0.5, "no truth", ha="center", color=QUIET, transform=panel.transAxes)
        return
    tint(panel, mask.astype(float), TRUTH, 0.35)
    outline(panel, mask, TRUTH)
