"""How a label store is opened to draw in it: the options of `flaxgal annotate`, which the plugin's own start shares."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from flaxgal.labels.queue import Order

__all__ = ["AnnotateConfig"]


@dataclass(frozen=True, kw_only=True)
class AnnotateConfig:
    """How a label store is opened to draw in it."""

    model: Path | None = None
    """Run folder whose masks are proposed; when not given, what `flaxgal retrain` trained last on this store, if
    anything."""
    annotator: str = ""
    """Who draws; the login name when not given."""
    order: Literal["id", "random", "discs", "column", "usefulness"] = "id"
    """By id; at random; at random among galaxies with a visible disc; by a column of the catalogue; most useful first,
    as `flaxgal rank` found."""
    seed: int = 0
    """Of the random orders: another number gives another order."""
    column: str = ""
    """Column of the catalogue, for the order column."""
    descending: bool = False
    """Largest first, in the orders id and column."""
    show: Literal["all", "unlabelled", "disputed", "flagged", "mine"] = "unlabelled"
    """Which galaxies: all; those nobody labelled; those annotators disagree on; those flagged; those I labelled."""
    catalogue: Path | None = None
    """Table of the galaxies with a column object_id, for the order column."""
    repeats: float = 0.0
    """Chance that a galaxy is one I labelled before, shown without what I drew: how well I agree with myself."""

    def __post_init__(self) -> None:
        if not 0 <= self.repeats <= 1:
            raise ValueError(f"repeats is {self.repeats}: give a chance from 0 to 1")
        if self.order == "column" and self.catalogue is None:
            raise ValueError("the order column needs a catalogue: give --catalogue FILE, a table with object_id in it")
        _ = self.queue_order  # an order that cannot be is refused here, before a window opens

    @property
    def queue_order(self) -> Order:
        """The order, as queues take it."""
        return Order(name=self.order, seed=self.seed, column=self.column, descending=self.descending)

    def arguments(self) -> list[str]:
        """The options of a command line that say what differs from the defaults."""
        given: list[str] = []
        for item in dataclasses.fields(self):
            value = getattr(self, item.name)
            if value != item.default:
                given += [f"--{item.name}"] if value is True else [f"--{item.name}", str(value)]
        return given
