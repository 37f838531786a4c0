"""Which galaxy next: the order in which a store's galaxies are offered, and which of them are offered at all.

A queue is made once and does not change while somebody walks it: what was committed a minute ago is still behind him.
Random orders are decided galaxy by galaxy from the seed and the id, so that adding galaxies changes the order of none
that were there, and two people with one seed walk the same way.
"""

from __future__ import annotations

import bisect
import hashlib
import math
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flaxgal.labels.ranking import Ranking

if TYPE_CHECKING:
    from flaxgal.labels.store import Store

__all__ = ["ORDERS", "SHOWS", "Order", "Queue", "make_queue", "read_catalogue_columns"]

ORDERS = ("id", "random", "discs", "column", "usefulness")
"""By id; at random; at random among galaxies with a visible disc; by a catalogue's column; most useful first."""
SHOWS = ("all", "unlabelled", "disputed", "flagged", "mine")
"""Every galaxy; those nobody labelled; those annotators disagree on; those somebody flagged; those I labelled."""

MISSING = -99
"""What catalogues write for a number they do not have."""


@dataclass(frozen=True, kw_only=True)
class Order:
    """In what order galaxies are offered."""

    name: str = "id"
    """One of `ORDERS`."""
    seed: int = 0
    """Of the random orders: another number gives another order."""
    column: str = ""
    """Of the order "column": a column of the catalogue."""
    descending: bool = False
    """Of the orders "id" and "column": the largest first."""

    def __post_init__(self) -> None:
        if self.name not in ORDERS:
            raise ValueError(f"order {self.name!r}, expected one of {', '.join(ORDERS)}")
        if (self.name == "column") != bool(self.column):
            raise ValueError(
                f"order {self.name!r} with column {self.column!r}; name a column of the catalogue for the order "
                f"column, and for no other"
            )
        if self.descending and self.name not in ("id", "column"):
            raise ValueError(f"order {self.name!r} has one direction only; leave descending out")

    @property
    def label(self) -> str:
        """The order in words, as revisions record it; `Queue.served_by` adds what else decided."""
        if self.name in ("random", "discs"):
            return f"{self.name} seed {self.seed}"
        words = [self.name, self.column] if self.column else [self.name]
        return " ".join([*words, "descending"] if self.descending else words)


class Queue:
    """Galaxies in the order they are offered. Make one with `make_queue`.

    Attributes
    ----------
    ids : the galaxies that are shown, in order; in the order "discs" also those whose disc nobody has looked for yet.
    order, show : what it was made with.
    """

    def __init__(
        self,
        everything: Iterable[str],
        shown: Collection[str] | None,
        *,
        order: Order,
        show: str,
        ranking_id: str = "",
        unseen: Collection[str] = (),
    ) -> None:
        """A queue of the galaxies `everything`, in order, of which those in `shown` are served; None: all.

        `unseen` are those that must be looked at before they are served.
        """
        every = tuple(everything)
        self._place = {name: place for place, name in enumerate(every)}
        self.ids = every if shown is None else tuple(name for name in every if name in shown)
        self._places = [self._place[name] for name in self.ids]
        self._unseen = frozenset(unseen)
        self.order, self.show, self.ranking_id = order, show, ranking_id

    @property
    def served_by(self) -> str:
        """What a revision records of how its galaxy came up: such as "random seed 0 among unlabelled"."""
        ranking = f" {self.ranking_id}" if self.ranking_id else ""
        return f"{self.order.label}{ranking} among {self.show}"

    @property
    def needs_accept(self) -> bool:
        """Whether `after` and `before` must be told which galaxies show a disc."""
        return bool(self._unseen)

    def __len__(self) -> int:
        return len(self.ids)

    def position(self, object_id: str) -> int | None:
        """How many galaxies are offered before this one; None when it is not among those shown."""
        at = bisect.bisect_left(self._places, self._place_of(object_id))
        return at if at < len(self.ids) and self.ids[at] == object_id else None

    def after(self, object_id: str = "", accept: Callable[[str], bool] | None = None) -> str | None:
        """The next galaxy behind this one, or the first of all for ""; None at the end.

        The galaxy need not be among those shown: one that was just labelled still has its place in the order.

        Parameters
        ----------
        accept : told an id, whether the galaxy shows a disc (`measure.disc.has_visible_disc` of its cutout). It is
            asked in the order "discs" only, and only of galaxies of which no ranking says it.

        Raises
        ------
        ValueError
            If the store has no such galaxy, or `accept` is needed and not given.
        """
        start = bisect.bisect_right(self._places, self._place_of(object_id)) if object_id else 0
        return self._first(range(start, len(self.ids)), accept)

    def before(self, object_id: str = "", accept: Callable[[str], bool] | None = None) -> str | None:
        """The galaxy before this one, or the last of all for ""; None at the beginning. See `after`."""
        end = bisect.bisect_left(self._places, self._place_of(object_id)) if object_id else len(self.ids)
        return self._first(reversed(range(end)), accept)

    def _first(self, places: Iterable[int], accept: Callable[[str], bool] | None) -> str | None:
        if self.needs_accept and accept is None:
            raise ValueError(
                "the order discs must be told which galaxies show a disc where no ranking says it; pass accept, or "
                "run flaxgal rank first"
            )
        served = (self.ids[place] for place in places)
        return next((name for name in served if name not in self._unseen or (accept and accept(name))), None)

    def _place_of(self, object_id: str) -> int:
        if object_id not in self._place:
            raise ValueError(f"no galaxy {object_id!r} in this queue's store; refresh the store, or correct the id")
        return self._place[object_id]


def make_queue(
    store: Store,
    order: Order,
    show: str = "unlabelled",
    *,
    annotator: str = "",
    catalogue: Mapping[str, Mapping[str, float]] | None = None,
    ranking: Ranking | None = None,
    disputes: Collection[str] | None = None,
) -> Queue:
    """The galaxies of a store in an order.

    Parameters
    ----------
    order : galaxies of one value, or without one, come by id; those without one come last.
    show : one of `SHOWS`.
    annotator : who "mine" is.
    catalogue : numbers of galaxies by column, then by object_id: what `read_catalogue_columns` gives.
    ranking : what "usefulness" sorts by, and where "discs" sees which galaxies show one (`newest_ranking`).
    disputes : ids that annotators disagree on; worked out by `agreement.disputed` when left out.

    Raises
    ------
    ValueError
        If the order or the filter needs something that is not given.
    """
    every = _ordered(list(store.galaxies()), order, catalogue, ranking)
    shown = _shown(store, show, annotator, disputes)
    asked = ranking if order.name in ("discs", "usefulness") else None
    unseen: Collection[str] = ()
    if order.name == "discs":
        discs = _known_discs(ranking)
        shown = {name for name in every if discs.get(name, True) and (shown is None or name in shown)}
        unseen = shown - discs.keys()
    ranking_id = asked.ranking_id if asked else ""
    return Queue(every, shown, order=order, show=show, ranking_id=ranking_id, unseen=unseen)


def read_catalogue_columns(path: Path | str) -> dict[str, dict[str, float]]:
    """The numbers of a catalogue by column, then by object_id, from any table that astropy reads.

    Missing numbers (masked, NaN, infinite or −99) are left out, and so are columns without numbers.

    Raises
    ------
    ValueError
        If the file holds no table, no column object_id, the same id twice, or ids that lost digits as floats.
    """
    import numpy as np

    path = Path(path)
    table = _read_table(path)
    if "object_id" not in table.colnames:
        raise ValueError(
            f"{path.name}: no column object_id, found {', '.join(table.colnames[:8])}; rename the column of ids"
        )
    ids = _ids(table["object_id"], path)
    columns = {}
    for name in table.colnames:
        column = table[name]
        if name == "object_id" or column.dtype.kind not in "iufb" or column.ndim != 1:
            continue
        values = np.ma.filled(np.ma.asarray(column).astype(np.float64), np.nan)
        known = np.isfinite(values) & (values != MISSING)
        columns[name] = {ids[at]: float(values[at]) for at in np.flatnonzero(known)}
    return columns


def _ordered(
    ids: list[str],
    order: Order,
    catalogue: Mapping[str, Mapping[str, float]] | None,
    ranking: Ranking | None,
) -> list[str]:
    """Every id, in order."""
    if order.name == "id":
        return sorted(ids, reverse=order.descending)
    if order.name in ("random", "discs"):
        return _shuffled(ids, order.seed)
    if order.name == "usefulness":
        if ranking is None:
            raise ValueError(
                "the order usefulness needs a ranking and the store has none; run flaxgal rank STORE --model RUN, or "
                "take the order random"
            )
        return _by_value(ids, ranking.usefulness, descending=True)
    if catalogue is None or order.column not in catalogue:
        found = ", ".join(sorted(catalogue)[:12]) if catalogue else "no catalogue"
        raise ValueError(
            f"the order by column {order.column!r} needs a catalogue with it, found {found}; give one by --catalogue"
        )
    return _by_value(ids, catalogue[order.column], descending=order.descending)


def _shuffled(ids: Iterable[str], seed: int) -> list[str]:
    """The ids in a random order in which each id's place is by a hash of its own."""
    start = hashlib.blake2b(f"flaxgal order {seed} ".encode(), digest_size=8)

    def hashed(name: str) -> tuple[bytes, str]:
        one = start.copy()
        one.update(name.encode())
        return one.digest(), name

    return [name for _, name in sorted(map(hashed, ids))]


def _by_value(ids: Iterable[str], values: Mapping[str, float], *, descending: bool) -> list[str]:
    """The ids by their values, those without one last; equal ones by id."""
    sign = -1.0 if descending else 1.0
    known, unknown = [], []
    for name in ids:
        value = values.get(name, math.nan)
        if math.isnan(value) or value == MISSING:
            unknown.append(name)
        else:
            known.append((sign * value, name))
    return [name for _, name in sorted(known)] + sorted(unknown)


def _shown(store: Store, show: str, annotator: str, disputes: Collection[str] | None) -> Collection[str] | None:
    """The ids that a filter lets through; None for all."""
    if show == "all":
        return None
    if show == "unlabelled":
        return store.galaxies().keys() - store.labelled()
    if show == "disputed":
        from flaxgal.labels.agreement import disputed

        return set(disputed(store) if disputes is None else disputes)
    if show == "flagged":
        from flaxgal.labels.notes import flagged

        return set(flagged(store))
    if show == "mine":
        if not annotator:
            raise ValueError("the filter mine needs to know who you are; give --annotator NAME")
        own = (stored.provenance for stored in store.history())
        return {provenance.object_id for provenance in own if provenance.annotator == annotator}
    raise ValueError(f"show {show!r}, expected one of {', '.join(SHOWS)}")


def _known_discs(ranking: Ranking | None) -> dict[str, bool]:
    """Which galaxies show a disc, as far as a ranking says; empty when it says nothing."""
    rows = ranking.rows.values() if ranking else ()
    return {row.object_id: row.visible_disc for row in rows if row.visible_disc is not None}


def _read_table(path: Path) -> Any:
    from astropy.table import Table

    if not path.is_file():
        raise ValueError(f"{path}: no such file; expected a table with a column object_id")
    ending = Path(path.name.removesuffix(".gz")).suffix
    way: dict[str, Any] = {}
    if ending not in (".ecsv", ".fits", ".fit", ".parquet", ".vot", ".votable", ".xml", ".h5", ".hdf5"):
        # As a number an id loses its leading zeros.
        way = {"format": "ascii.csv" if ending == ".csv" else "ascii", "converters": {"object_id": str}}
    try:
        return Table.read(path, **way)
    except Exception as error:  # each reader of astropy's raises its own kinds
        reason = str(error).strip().partition("\n")[0]
        raise ValueError(f"{path.name}: no table that astropy reads ({reason}); save it as ECSV, FITS or CSV") from None


def _ids(column: Any, path: Path) -> list[str]:
    """Ids as text; refused where they were numbers that cannot hold them, or come twice."""
    if column.dtype.kind == "f":
        raise ValueError(
            f"{path.name}: object_id holds floats, which lose the last digits of 64-bit ids; save that column as text "
            f"or as integers"
        )
    ids = [(value.decode() if isinstance(value, bytes) else str(value)).strip() for value in column.tolist()]
    name, rows = Counter(ids).most_common(1)[0] if ids else ("", 1)
    if rows > 1:
        raise ValueError(f"{path.name}: object_id {name!r} comes {rows} times; keep one row a galaxy")
    return ids
