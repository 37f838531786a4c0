"""A catalogue as one HTML page that opens in any browser: picture, mask, polar view and numbers of each galaxy.

The page needs nothing beside itself. It sorts by any column and finds galaxies by words and conditions; of thousands of
galaxies only those in view are drawn, and pictures stay text until then.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from flaxgal.figures.thumbnails import HEIGHT, POLAR_WIDTH, SPIRAL_COLOURS, WIDTH
from flaxgal.measure.flags import FLAG_MEANINGS, flag_names
from flaxgal.survey.atomic import replaced_when_whole

if TYPE_CHECKING:
    from astropy.table import Table

__all__ = ["write_gallery"]

BATCH = 64
"""Galaxies whose pictures are decoded together."""
DIGITS = 6
PLACES = {"ra_deg": 6, "dec_deg": 6, "ra": 6, "dec": 6}
"""Decimals of columns that need more: of positions in degrees, 4 milliarcseconds."""
LINE_HEIGHT = 18
NO_PICTURE = "-"
PLACE = "<!-- thumbnails -->\n"

Line = Sequence[tuple[str, str, str]]
"""(label, column, column of its error or "") for each number of a line below a galaxy's picture."""


def write_gallery(
    table: Table,
    pictures: Iterable[bytes | None],
    path: Path,
    *,
    title: str,
    lines: Sequence[Line] = (),
    arms: Sequence[Sequence[int]] = (),
    sort: str = "object_id",
) -> Path:
    """Write the page, whole or not at all, holding one batch of pictures in memory at a time.

    Parameters
    ----------
    table : one row a galaxy; a column object_id, and whatever else is to be seen, sorted by and looked for.
    pictures : the JPEG of each row, or None where there is none.
    lines : what stands below each picture; numbers of columns that the table has not are left out.
    arms : the numbers, from 1, of the arms whose spirals each picture shows; for its legend.
    sort : the column that the page is sorted by at first.

    Raises
    ------
    ValueError
        If the table has no galaxy, no such column, or not as many rows as there are pictures.
    """
    if not len(table) or sort not in table.colnames or "object_id" not in table.colnames:
        raise ValueError(
            f"{path.name}: a gallery needs galaxies with the columns object_id and {sort}; found {len(table)} with "
            f"{', '.join(table.colnames[:8])}"
        )
    lines = [[entry for entry in line if entry[1] in table.colnames] for line in lines]
    lines = [line for line in lines if line]
    page = Path(__file__).with_suffix(".html").read_text(encoding="utf-8")
    before, after = page.split(PLACE)
    said = {
        "title": title,
        "rows": len(table),
        "batch": BATCH,
        "sort": sort,
        "lines": lines,
        "card_width": WIDTH + 18,
        "card_height": HEIGHT + 44 + LINE_HEIGHT * (len(lines) + 2),  # flags take two lines
        "sky_share": HEIGHT / WIDTH,
        "polar_share": POLAR_WIDTH / WIDTH,
        "arms": arms,
        "arm_colours": ["#{:02x}{:02x}{:02x}".format(*colour) for colour in SPIRAL_COLOURS],
        "flags": {flag_names(flag): meaning for flag, meaning in FLAG_MEANINGS.items()},
        "columns": [_column(table[name], name) for name in table.colnames],
    }
    with replaced_when_whole(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        file.write(before)
        number = _write_pictures(pictures, file.write)
        if number != len(table):
            raise ValueError(f"{path.name}: {number} pictures for {len(table)} galaxies; give one, or None, for each")
        file.write(after.replace(">{}<", f">{_json(said)}<", 1))
    return path


def _write_pictures(pictures: Iterable[bytes | None], write: Callable[[str], Any]) -> int:
    """Batches of base64 lines as blocks that a browser leaves alone; how many pictures there were."""
    number = 0
    for number, picture in enumerate(pictures, start=1):
        if number % BATCH == 1:
            write(f'<script type="text/plain" id="thumbs-{(number - 1) // BATCH}">\n')
        write((base64.b64encode(picture).decode() if picture else NO_PICTURE) + "\n")
        if number % BATCH == 0:
            write("</script>\n")
    if number % BATCH:
        write("</script>\n")
    return number


def _column(column: Any, name: str) -> dict[str, Any]:
    """A column as the page reads it: numbers rounded to what is worth reading, null where there is none."""
    values = np.ma.asarray(getattr(column, "value", column))
    text = values.dtype.kind not in "iuf"
    places = PLACES.get(name.lower())
    missing = np.ma.getmaskarray(values)
    return {
        "name": name,
        "text": text,
        "places": places,
        "unit": str(column.unit or "") if hasattr(column, "unit") else "",
        "description": column.info.description or "",
        "values": [
            None if gone else _plain(value, text, places) for value, gone in zip(values.data, missing, strict=True)
        ],
    }


def _plain(value: Any, text: bool, places: int | None) -> Any:
    if text and isinstance(value, bool | np.bool_):
        return "true" if value else "false"
    if text:
        return value.decode() if isinstance(value, bytes) else str(value)
    number = value.item()
    if isinstance(number, float):
        rounded = f"{number:.{DIGITS}g}" if places is None else f"{number:.{places}f}"
        return float(rounded) if math.isfinite(number) else None
    return number if abs(number) < 2**53 else str(number)


def _json(value: Any) -> str:
    """JSON that can stand inside an HTML page, whatever names the galaxies have."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
