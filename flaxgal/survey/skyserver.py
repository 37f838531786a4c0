"""SkyServer's cross-identification: which SDSS field holds each galaxy of a list."""

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from flaxgal.survey.places import arcsec_apart
from flaxgal.survey.sdss import Field

__all__ = ["MOST_ROWS", "SERVICE", "Found", "crossid_params", "nearest_field", "read_crossid"]

SERVICE = "https://skyserver.sdss.org/dr17/SkyServerWS/SearchTools/CrossIdSearch"
MOST_ROWS = 40
"""Positions a question: they are sent in the address, whose length servers limit."""
RADIUS_ARCSEC = 3.0

_QUERY = (
    "SELECT p.objID, p.ra, p.dec, p.run, p.rerun, p.camcol, p.field FROM #upload u JOIN #x x ON x.up_id = u.up_id "
    "JOIN PhotoObjAll p ON p.objID = x.objID ORDER BY x.up_id"
)


@dataclass(frozen=True, kw_only=True)
class Found:
    """An object of SDSS and the field that it was measured in."""

    objid: str
    ra_deg: float
    dec_deg: float
    field: Field


def crossid_params(places: Sequence[tuple[float, float]]) -> Mapping[str, str]:
    """The question for the nearest primary object to each position (right ascension, declination in degrees).

    Raises
    ------
    ValueError
        If there are more positions than one question takes.
    """
    if len(places) > MOST_ROWS:
        raise ValueError(f"{len(places)} positions in a question to SkyServer; wanted at most {MOST_ROWS}")
    lines = "\n".join(f"g{number} {ra:.6f} {dec:.6f}" for number, (ra, dec) in enumerate(places))
    return {
        "searchtool": "CrossID",
        "searchType": "photo",
        "photoScope": "nearPrim",
        "photoUpType": "ra-dec",
        "radius": f"{RADIUS_ARCSEC / 60:.4f}",  # in arcmin
        "firstcol": "1",
        "paste": f"name ra dec\n{lines}",
        "uquery": _QUERY,
        "format": "csv",
    }


def read_crossid(path: Path | str) -> list[Found]:
    """The objects in an answer.

    Raises
    ------
    ValueError
        If it is no table of them: SkyServer tells of its errors in other formats.
    """
    path = Path(path)
    lines = [line for line in path.read_bytes().decode("utf-8", "replace").splitlines() if line.strip()]
    rows = csv.DictReader(io.StringIO("\n".join(line for line in lines if not line.startswith("#"))))
    names = {name.strip().lower(): name for name in rows.fieldnames or ()}
    wanted = ("objid", "ra", "dec", "run", "rerun", "camcol", "field")
    if any(name not in names for name in wanted):
        start = (lines or ["nothing"])[0][:80]
        raise ValueError(f"{path}: found no table of SDSS objects but {start!r}; ask again later")
    try:
        return [_found({name: row[names[name]] for name in wanted}) for row in rows]
    except (TypeError, ValueError, AttributeError) as error:
        raise ValueError(f"{path}: found a table of SDSS objects that is cut short ({error}); ask again") from None


def nearest_field(found: Sequence[Found], ra_deg: float, dec_deg: float) -> Field | None:
    """The field of the object next to a position; None if none is near."""
    apart = [(arcsec_apart(one.ra_deg, one.dec_deg, ra_deg, dec_deg), number) for number, one in enumerate(found)]
    distance, number = min(apart, default=(math.inf, 0))
    return found[number].field if distance <= RADIUS_ARCSEC else None


def _found(row: Mapping[str, str]) -> Found:
    run, rerun, camcol, field = (int(row[name]) for name in ("run", "rerun", "camcol", "field"))
    return Found(
        objid=row["objid"].strip(),
        ra_deg=float(row["ra"]),
        dec_deg=float(row["dec"]),
        field=Field(run=run, rerun=rerun, camcol=camcol, field=field),
    )
