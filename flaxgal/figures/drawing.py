"""What all figures share: colours, style, the parts of a panel that shows a galaxy, and saving.

Colours are Okabe & Ito's (2008), which people with any colour vision tell apart. Figures are made as objects, not
through pyplot: nothing needs a screen, and no setting of the caller's matplotlib is changed.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import numpy as np

from flaxgal.survey.atomic import replaced_when_whole

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "BEST",
    "FOUND",
    "INK",
    "LINE",
    "QUIET",
    "TRUTH",
    "empty_figure",
    "halo",
    "legend",
    "outline",
    "same_length",
    "save",
    "say",
    "scale_bar",
    "show",
    "styled",
    "tint",
]

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


def styled(draw: Draw) -> Draw:
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


def empty_figure(width: float, height: float) -> Figure:
    """An empty figure of so many inches."""
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    return Figure(figsize=(width, height), layout=ConstrainedLayoutEngine(w_pad=0.06, h_pad=0.06))


def save(figure: Figure, path: str | os.PathLike[str]) -> Path:
    """Write a figure as PNG, PDF or SVG, by the file's ending, whole or not at all; returns the path."""
    path = Path(path)
    with replaced_when_whole(path) as temporary:
        figure.savefig(temporary, dpi=DOTS_PER_INCH, facecolor=figure.get_facecolor())
    return path


def same_length(noun: str, *lists: Any) -> int:
    """How many items each list has that is not None."""
    numbers = {len(items) for items in lists if items is not None}
    if len(numbers) != 1 or 0 in numbers:
        raise ValueError(
            f"a figure needs one entry a {noun} in each list, and at least one {noun}; found {sorted(numbers)}"
        )
    return numbers.pop()


def show(panel: Axes, picture: np.ndarray, row_zero_at: str) -> None:
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


def say(panel: Axes, text: str) -> None:
    """Write a line or two below a panel."""
    panel.set_xlabel(text, loc="left", fontsize=10, labelpad=3)


def halo() -> list:
    """A dark rim around letters and lines that lie on a picture."""
    from matplotlib.patheffects import withStroke

    return [withStroke(linewidth=2.2, foreground="black", alpha=0.6)]


def tint(panel: Axes, strength: np.ndarray, colour: str, most: float) -> None:
    """A colour over a panel's picture, as opaque as `strength` (0 to 1) says, at `most` where it is 1."""
    from matplotlib.colors import to_rgb

    layer = np.empty((*strength.shape, 4))
    layer[..., :3] = to_rgb(colour)
    layer[..., 3] = most * np.clip(strength, 0, 1)
    panel.imshow(layer, origin=panel.images[0].origin, interpolation="nearest")


def outline(panel: Axes, mask: np.ndarray, colour: str, *, dashed: bool = False) -> None:
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


def scale_bar(panel: Axes, pixel_scale_arcsec: float | None) -> None:
    """A bar of a round number of arcsec in the lower left corner, about a quarter of the picture long."""
    if pixel_scale_arcsec is None or not np.isfinite(pixel_scale_arcsec):
        return
    width = abs(np.diff(panel.get_xlim())[0]) * pixel_scale_arcsec
    power = 10.0 ** np.floor(np.log10(0.3 * width))
    length = max(step * power for step in (1, 2, 5) if step * power <= 0.3 * width)
    share = length / width
    bar = {"transform": panel.transAxes, "color": "white", "solid_capstyle": "butt", "path_effects": halo()}
    panel.plot([0.05, 0.05 + share], [0.06, 0.06], lw=2.5, **bar)
    panel.text(
        0.05 + share / 2, 0.085, f"{length:g}″", color="white", ha="center", va="bottom", transform=panel.transAxes
    )


def legend(
    figure: Figure, entries: Sequence[tuple[str, str]], *, colour: str = INK, dashed: set[str] | frozenset = frozenset()
) -> None:
    """Name the colours below the panels."""
    from matplotlib.lines import Line2D

    lines = [Line2D([], [], color=shade, lw=2.2, ls="--" if text in dashed else "-") for shade, text in entries]
    texts = [text for _, text in entries]
    figure.legend(lines, texts, loc="outside lower center", ncols=len(entries), labelcolor=colour)
