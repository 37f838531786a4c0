"""How much a model would learn from each galaxy that nobody has labelled: a table in the store that the queue sorts by.

`flaxgal rank` writes it (`flaxgal.rank` computes it); this file only knows how it is kept. A ranking is an ECSV table
STORE/rankings/<name>.<hash>.ecsv that astropy and TOPCAT open, immutable like everything in a store.
"""

from __future__ import annotations

import dataclasses
import io
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from flaxgal.labels.files import checked, hash_in
from flaxgal.labels.revisions import utc_now

if TYPE_CHECKING:
    from flaxgal.labels.store import Store

__all__ = ["RankedGalaxy", "Ranking", "keep_ranking", "newest_ranking", "ranking_from_ecsv", "ranking_to_ecsv"]

_KIND = "flaxgal ranking"
_COLUMNS = {
    "object_id": "name of the galaxy in its survey, as text",
    "usefulness": "mean predictive entropy of the arms over the galaxy's own light; NaN where it could not be computed",
    "visible_disc": "1: a disc is resolved and bright enough to show arms, 0: it is not, -1: nobody could tell",
    "own_light_pixels": "pixels of the galaxy's own light, over which the mean was taken",
}


@dataclass(frozen=True, kw_only=True)
class RankedGalaxy:
    """What a model says about one galaxy that nobody has labelled."""

    object_id: str
    usefulness: float = math.nan
    """In bits, 0 (sure of every pixel) to 1 (a coin for every pixel); NaN where it could not be computed."""
    visible_disc: bool | None = None
    """Whether a disc can be seen that is large and bright enough to show arms; None where nobody could tell."""
    own_light_pixels: int = 0
    """Pixels of the galaxy's own light, over which the mean was taken."""


@dataclass(frozen=True, kw_only=True)
class Ranking:
    """What one model says about the galaxies that nobody had labelled when it was asked."""

    run: str
    """Name of the run whose weights were asked."""
    weights_sha256: str
    """Hash of those weights: tells two runs of one name apart."""
    orientations: int = 8
    """Over how many quarter turns and mirror images of each picture the probability was averaged."""
    created_utc: str = field(default_factory=utc_now)
    rows: Mapping[str, RankedGalaxy] = field(default_factory=dict)
    """By object_id."""
    ranking_id: str = ""
    """Hash of the table's file, given by the store when it is kept; empty before."""

    @property
    def usefulness(self) -> dict[str, float]:
        """Usefulness by object_id, where it is known."""
        return {name: row.usefulness for name, row in self.rows.items() if not math.isnan(row.usefulness)}


def ranking_to_ecsv(ranking: Ranking) -> bytes:
    """The ranking as an ECSV table, most useful first, with units, descriptions and where it comes from."""
    from astropy.table import Column, Table

    rows = sorted(ranking.rows.values(), key=_most_useful_first)
    discs = [-1 if row.visible_disc is None else int(row.visible_disc) for row in rows]
    values = {
        "object_id": np.array([row.object_id for row in rows], dtype=str),
        "usefulness": np.array([row.usefulness for row in rows], dtype=np.float64),
        "visible_disc": np.array(discs, dtype=np.int8),
        "own_light_pixels": np.array([row.own_light_pixels for row in rows], dtype=np.int32),
    }
    units = {"usefulness": "bit", "own_light_pixels": "pix"}
    table = Table({name: Column(values[name], unit=units.get(name), description=_COLUMNS[name]) for name in _COLUMNS})
    table.meta = {
        "kind": _KIND,
        "run": ranking.run,
        "weights_sha256": ranking.weights_sha256,
        "orientations": ranking.orientations,
        "created_utc": ranking.created_utc,
    }
    text = io.StringIO()
    table.write(text, format="ascii.ecsv")
    return text.getvalue().encode()


def ranking_from_ecsv(content: bytes, *, path: Path) -> Ranking:
    """The ranking that `ranking_to_ecsv` wrote; `path` gives it its id and is named in errors.

    Raises
    ------
    ValueError
        If the content is damaged, or no ranking.
    """
    from astropy.table import Table

    try:
        table: Any = Table.read(content.decode(), format="ascii.ecsv", fill_values=[])
        about = table.meta
        if about.get("kind") != _KIND:
            raise ValueError("it says nothing of being a ranking")
        columns = [table[name].tolist() for name in _COLUMNS]
        rows = {
            str(name): RankedGalaxy(
                object_id=str(name),
                usefulness=float(usefulness),
                visible_disc=None if disc < 0 else bool(disc),
                own_light_pixels=int(pixels),
            )
            for name, usefulness, disc, pixels in zip(*columns, strict=True)
        }
        origin = {name: about[name] for name in ("run", "weights_sha256", "orientations", "created_utc")}
    except Exception as error:  # astropy raises whatever its parsers meet
        raise ValueError(
            f"{path.name}: found no ranking in it ({error}); expected a table that flaxgal rank wrote: remove it from "
            f"{path.parent} and rank again"
        ) from None
    return Ranking(**origin, rows=rows, ranking_id=hash_in(path.name))


def keep_ranking(store: Store, ranking: Ranking) -> Ranking:
    """Write a ranking into a store; it is returned with its `ranking_id`."""
    # To the microsecond and first in the name: names in order are rankings in order of time.
    when = re.sub(r"\D", "", ranking.created_utc)[:20]
    path = store.keep_ranking(f"{when}-{ranking.run}", ranking_to_ecsv(ranking))
    return dataclasses.replace(ranking, ranking_id=hash_in(path.name))


def newest_ranking(store: Store) -> Ranking | None:
    """The ranking that was made last, or None if there is none.

    Raises
    ------
    ValueError
        If its file is damaged.
    """
    paths = sorted(store.rankings(), key=lambda path: path.name)
    return ranking_from_ecsv(checked(paths[-1]), path=paths[-1]) if paths else None


def _most_useful_first(row: RankedGalaxy) -> tuple[bool, float, str]:
    unknown = math.isnan(row.usefulness)
    return unknown, 0.0 if unknown else -row.usefulness, row.object_id
