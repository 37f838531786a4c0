"""How a label store is opened to draw in it: the options of `flaxgal annotate`, which the plugin's own start shares."""

import dataclasses
import getpass
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from flaxgal.labels.queue import Order

__all__ = ["AnnotateConfig", "login_name"]


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

    classes: tuple[Literal["arm", "bar"], ...] = ("arm", "bar")
    """What I look for: a mask without a bar says that there is none only if bars were looked for."""

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
                values = [] if value is True else map(str, value) if isinstance(value, tuple) else [str(value)]
                given += [f"--{item.name}", *values]
        return given


def login_name() -> str:
    """Who is logged in; empty where the system does not know (a container without users, say)."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return ""
