"""Every figure the project draws. Arrays and tables come in, a matplotlib `Figure` goes out; `save` writes it whole.

Colours are Okabe & Ito's (2008), which people with any colour vision tell apart. Figures are made as objects, not
through pyplot: nothing needs a screen, and no setting of the caller's matplotlib is changed.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import numpy as np
from jaxtyping import Bool, Float, UInt8

from flaxgal.survey.atomic import replaced_when_whole

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["arms_found", "from_best_to_worst", "learning_curves", "prediction_panels", "ratio_scatter", "save"]

FOUND = "#56B4E9"
"""Sky blue, which shows on galaxies of any colour: what the model found."""
TRUTH = "#E69F00"
"""Orange: what is true, or what a person drew."""
BEST = "#D55E00"
LINE = "#0072B2"
"""Darker blue, for lines and points on white."""
INK = "#333333"
QUIET = "#8C8C8C"
DOTS_PER_INCH = 150
STYLE = {
    "font.size": 11,
    "axes.titlesize": 12,
    "axes.edgecolor": QUIET,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": INK,
    "ytick.color": INK,
    "text.color": INK,
    "legend.frameon": False,
    "figure.facecolor": "white",
}

Draw = TypeVar("Draw", bound=Callable[..., Any])
Picture = UInt8[np.ndarray, "y x"] | UInt8[np.ndarray, "y x 1"] | UInt8[np.ndarray, "y x 3"]


def _styled(draw: Draw) -> Draw:
    """A function that draws in the house's style, whatever style the caller has set."""

    @functools.wraps(draw)
    def drawn(*args: Any, **kwargs: Any) -> Any:
        from matplotlib import rc_context, rcParams, rcParamsDefault

        with rc_context():
            cast(Any, rcParams).update(
                {name: rcParamsDefault[name] for name in rcParamsDefault if not name.startswith("backend")}
            )
            cast(Any, rcParams).update(STYLE)
            return draw(*args, **kwargs)

    return cast(Draw, drawn)


@_styled
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
    number = _same_length("galaxy", pictures, probability, truth, names, notes, dice)
    truths = list(truth) if truth is not None else [None] * number
    scales = _each(pixel_scale_arcsec, number)
    with_truth = any(mask is not None for mask in truths)
    columns = 3 if with_truth else 2
    lines = 1 + (dice is not None and notes is not None)
    figure = _figure(2.6 * columns + 0.2, (2.55 + 0.2 * lines) * number + 0.8)
    axes = figure.subplots(number, columns, squeeze=False)
    for index, row in enumerate(axes):
        picture, mask = pictures[index], truths[index]
        arms = probability[index] > threshold
        for panel in row:
            _show(panel, picture, row_zero_at)
        if with_truth:
            _show_truth(row[1], mask)
        _tint(row[-1], np.nan_to_num(probability[index]), FOUND, 0.55)
        _outline(row[-1], arms, FOUND)
        _scale_bar(row[0], scales[index])
        score = [] if dice is None or np.isnan(dice[index]) else [f"Dice {dice[index]:.2f}"]
        _say(row[0], names[index] if names is not None else "")
        _say(row[-1], "\n".join(score + ([notes[index]] if notes is not None else [])))
    headings = ("image", "true arms", "arms found") if with_truth else ("image", "arms found")
    for panel, heading in zip(axes[0], headings, strict=True):
        panel.set_title(heading)
    _legend(figure, [(TRUTH, "true arms")] * with_truth + [(FOUND, f"arms found (probability > {threshold:g})")])
    return figure


@_styled
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
    number = _same_length("galaxy", pictures, arms, truth, notes)
    figure = _figure(2.1 * number, 5.0)
    figure.set_facecolor("#0B0D12")
    axes = figure.subplots(2, number, squeeze=False)
    for index in range(number):
        above, below = axes[0, index], axes[1, index]
        for panel in (above, below):
            _show(panel, pictures[index], row_zero_at)
        if truth is not None:
            _outline(below, truth[index], "white", dashed=True)
        _outline(below, arms[index], FOUND)
        if notes is not None:
            below.set_xlabel(notes[index], color="white", fontsize=11, labelpad=6)
    _scale_bar(axes[0, 0], pixel_scale_arcsec)
    shown = [(FOUND, "arms found")] + ([("white", "true arms")] if truth is not None else [])
    _legend(figure, shown, colour="white", dashed={"true arms"})
    return figure


@_styled
def learning_curves(records: Sequence[Mapping[str, Any]], *, title: str = "") -> Figure:
    """Training loss and validation Dice against step, from the lines of a run's metrics.jsonl.

    A record without one of the numbers, or with null, leaves no point.

    Raises
    ------
    ValueError
        If no record holds a loss.
    """
    loss = _curve(records, "loss")
    if not len(loss):
        raise ValueError("learning curves: found no loss in the run's records; train for at least one step first")
    looks = {name: _curve(records, name) for name in ("validation_loss", "validation_dice")}
    figure = _figure(7.0, 5.2)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(1, 1))
    above.plot(*loss.T, color=QUIET, lw=1.4, label="training")
    if len(looks["validation_loss"]):
        above.plot(*looks["validation_loss"].T, color=LINE, lw=2, marker="o", ms=4, label="validation")
        above.legend()
    above.set_ylabel("loss")
    above.set_title(title, loc="left")
    dice = looks["validation_dice"]
    below.set_ylabel("validation Dice, arms")
    below.set_xlabel("step")
    below.set_ylim(0, 1)
    if len(dice):
        best = dice[dice[:, 1].argmax()]
        below.plot(*dice.T, color=LINE, lw=2, marker="o", ms=4)
        below.plot(*best, color=BEST, marker="*", ms=15, ls="none", label=f"best: {best[1]:.3f} at step {best[0]:.0f}")
        below.legend(loc="lower right")
    else:
        below.text(0.5, 0.5, "no look at the validation split yet", ha="center", transform=below.transAxes)
    for panel in (above, below):
        panel.grid(alpha=0.25, lw=0.6)
    return figure


@_styled
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
    _same_length("galaxy", true, measured, error)
    good = np.isfinite(true) & np.isfinite(measured)
    if not good.any():
        raise ValueError("flux ratios: found no galaxy with both a true and a measured ratio; nothing to draw")
    x, y = np.asarray(true)[good], np.asarray(measured)[good]
    bars = None if error is None else np.nan_to_num(np.asarray(error)[good])
    difference = y - x
    figure = _figure(5.6, 6.4)
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


def save(figure: Figure, path: str | os.PathLike[str]) -> Path:
    """Write a figure as PNG, PDF or SVG, by the file's ending, whole or not at all; returns the path."""
    path = Path(path)
    with replaced_when_whole(path) as temporary:
        figure.savefig(temporary, dpi=DOTS_PER_INCH, facecolor=figure.get_facecolor())
    return path


def _figure(width: float, height: float) -> Figure:
    """An empty figure of so many inches."""
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    return Figure(figsize=(width, height), layout=ConstrainedLayoutEngine(w_pad=0.06, h_pad=0.06))


def _same_length(noun: str, *lists: Any) -> int:
    """How many items each list has that is not None."""
    numbers = {len(items) for items in lists if items is not None}
    if len(numbers) != 1 or 0 in numbers:
        raise ValueError(
            f"a figure needs one entry a {noun} in each list, and at least one {noun}; found {sorted(numbers)}"
        )
    return numbers.pop()


def _each(value: Any, number: int) -> list:
    """One value for each of `number` items: the given list, or the same value again and again."""
    return list(value) if isinstance(value, (list, tuple, np.ndarray)) else [value] * number


def _show(panel: Axes, picture: np.ndarray, row_zero_at: str) -> None:
    """Put a picture into a panel without axes around it."""
    grey = picture.ndim == 2 or picture.shape[-1] == 1
    image = picture[..., 0] if picture.ndim == 3 and grey else picture
    panel.imshow(
        image,
        cmap="gray" if grey else None,
        vmin=0,
        vmax=255,
        origin="lower" if row_zero_at == "bottom" else "upper",
        interpolation="nearest",
    )
    panel.set(xticks=[], yticks=[])
    for spine in panel.spines.values():
        spine.set_visible(False)


def _show_truth(panel: Axes, mask: np.ndarray | None) -> None:
    """Lay the true arms over the picture of a panel."""
    if mask is None:
        panel.images[0].set_visible(False)
        panel.text(0.5, 0.5, "no truth", ha="center", color=QUIET, transform=panel.transAxes)
        return
    _tint(panel, mask.astype(float), TRUTH, 0.35)
    _outline(panel, mask, TRUTH)


def _say(panel: Axes, text: str) -> None:
    """Write a line or two below a panel."""
    panel.set_xlabel(text, loc="left", fontsize=10, labelpad=3)


def _halo() -> list:
    """A dark rim around letters and lines that lie on a picture."""
    from matplotlib.patheffects import withStroke

    return [withStroke(linewidth=2.2, foreground="black", alpha=0.6)]


def _tint(panel: Axes, strength: np.ndarray, colour: str, most: float) -> None:
    """A colour over a panel's picture, as opaque as `strength` (0 to 1) says, at `most` where it is 1."""
    from matplotlib.colors import to_rgb

    layer = np.empty((*strength.shape, 4))
    layer[..., :3] = to_rgb(colour)
    layer[..., 3] = most * np.clip(strength, 0, 1)
    panel.imshow(layer, origin=panel.images[0].origin, interpolation="nearest")


def _outline(panel: Axes, mask: np.ndarray, colour: str, *, dashed: bool = False) -> None:
    """Draw the edge of a mask along its pixels' borders, over a dark line that shows on bright ground."""
    if not mask.any() or mask.all():
        return
    padded = np.pad(mask, 1).astype(float)
    y, x = np.arange(padded.shape[0]) - 1, np.arange(padded.shape[1]) - 1
    limits = panel.get_xlim(), panel.get_ylim()
    panel.contour(x, y, padded, [0.5], colors="black", linewidths=2.6, alpha=0.45)
    panel.contour(x, y, padded, [0.5], colors=colour, linewidths=1.5, linestyles="--" if dashed else "-")
    panel.set_xlim(limits[0])
    panel.set_ylim(limits[1])


def _scale_bar(panel: Axes, pixel_scale_arcsec: float | None) -> None:
    """A bar of a round number of arcsec in the lower left corner, about a quarter of the picture long."""
    if pixel_scale_arcsec is None or not np.isfinite(pixel_scale_arcsec):
        return
    width = abs(np.diff(panel.get_xlim())[0]) * pixel_scale_arcsec
    power = 10.0 ** np.floor(np.log10(0.3 * width))
    length = max(step * power for step in (1, 2, 5) if step * power <= 0.3 * width)
    share = length / width
    bar = {"transform": panel.transAxes, "color": "white", "solid_capstyle": "butt", "path_effects": _halo()}
    panel.plot([0.05, 0.05 + share], [0.06, 0.06], lw=2.5, **bar)
    panel.text(
        0.05 + share / 2, 0.085, f"{length:g}″", color="white", ha="center", va="bottom", transform=panel.transAxes
    )


def _legend(
    figure: Figure, entries: Sequence[tuple[str, str]], *, colour: str = INK, dashed: set[str] | frozenset = frozenset()
) -> None:
    """Name the colours below the panels."""
    from matplotlib.lines import Line2D

    lines = [Line2D([], [], color=shade, lw=2.2, ls="--" if text in dashed else "-") for shade, text in entries]
    texts = [text for _, text in entries]
    figure.legend(lines, texts, loc="outside lower center", ncols=len(entries), labelcolor=colour)


def _curve(records: Sequence[Mapping[str, Any]], name: str) -> np.ndarray:
    """(point, 2): step and value of each record that holds a finite value."""
    points = [(record["step"], record[name]) for record in records if record.get(name) is not None]
    curve = np.array(points, float).reshape(-1, 2)
    return curve[np.isfinite(curve[:, 1])]
