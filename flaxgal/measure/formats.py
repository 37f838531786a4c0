"""Tables on disk as ECSV, Parquet, FITS and VOTable, piece by piece: a table of any length takes the memory of a piece.

In each format astropy writes a table without rows, with all units, descriptions and metadata; the rows of the pieces go
into it one after the other. `astropy.table.Table.read` gives units and descriptions back from all four, and the
metadata as far as the format has a place for it; `read_whole` gives all of it.
"""

from __future__ import annotations

import io
import json
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

import numpy as np

if TYPE_CHECKING:
    from astropy.table import Table

__all__ = ["FORMATS", "MOST_COLUMNS", "check_format", "empty_like", "fits_text", "read_whole", "write_pieces"]

_PRINTABLE = "".join(map(chr, range(32, 127))).replace("%", "")
_BEGIN, _END = "--BEGIN-FLAXGAL-METADATA--", "--END-FLAXGAL-METADATA--"
_UNIT = re.compile(r"(.*?) ?\[unit: (.+)\]")
"""A description in FITS that says the unit, too."""
_CARD = 70
"""Characters of metadata on one COMMENT card of FITS; a backslash after them says that the line goes on."""
_BLOCK = 2880

MOST_COLUMNS = {".fits": 999}
"""Of one table, where a format has a limit: the cards of FITS have three digits for a column's number."""


def check_format(path: Path) -> None:
    """Refuse the name of a table that cannot be written, before the work and not after it.

    Raises
    ------
    ValueError
        If the ending is none of `FORMATS`.
    """
    if path.suffix not in FORMATS:
        *first, last = FORMATS
        raise ValueError(
            f"{path}: a catalogue's name ends in {', '.join(first)} or {last}, found {path.suffix or 'no ending'}"
        )


def fits_text(text: str) -> str:
    """Text as FITS can hold it, printable ASCII: any other character, and %, become %XX, as in web addresses."""
    return quote(text, safe=_PRINTABLE)


def empty_like(table: Table) -> Table:
    """The columns of a table without its rows, those of text wide enough for its rows in every format."""
    empty = table[:0]
    for name in table.colnames:
        if table[name].dtype.kind == "U":
            width = max((len(fits_text(text)) for text in table[name].tolist()), default=1)
            empty.replace_column(name, _as(table[name], np.array([], dtype=f"U{max(width, 1)}")))
    return empty


def write_pieces(empty: Table, pieces: Iterable[Table], path: Path) -> None:
    """Write a table to `path`, in the format that its ending names.

    Parameters
    ----------
    empty : the table's columns, with units and descriptions, and its metadata; no rows.
    pieces : tables with these very columns.

    Raises
    ------
    ValueError
        If the format cannot have that many columns.
    """
    found, most = len(empty.colnames), MOST_COLUMNS.get(path.suffix)
    if most is not None and found > most:
        raise ValueError(
            f"a {path.suffix} file has {most} columns at most, found {found}; leave some out, or choose another ending"
        )
    FORMATS[path.suffix][0](empty, pieces, path)


def read_whole(path: Path) -> Table:
    """The table that `write_pieces` wrote, with its metadata; text is text and a missing number NaN."""
    table = FORMATS[path.suffix][1](path)
    for name in table.colnames:
        column = table[name]
        if column.dtype.kind == "S":
            texts = [unquote(text) for text in _texts(column)]
            table.replace_column(name, _as(column, np.array(texts, dtype=str)))
        elif hasattr(column, "mask") and column.dtype.kind in "fU":
            table.replace_column(name, _as(column, column.filled("" if column.dtype.kind == "U" else np.nan)))
        elif not column.dtype.isnative:
            table.replace_column(name, _as(column, column.astype(column.dtype.newbyteorder("="))))
    return table


def _as(column: Any, values: Any) -> Any:
    """Values with the name, unit and description of a column."""
    from astropy.table import Column

    data = np.asarray(values)
    native = data.astype(data.dtype.newbyteorder("="), copy=False)
    return Column(native, name=column.name, unit=column.unit, description=column.description)


def _texts(column: Any) -> list[str]:
    """A column of bytes as text."""
    data = column.filled(b"") if hasattr(column, "mask") else column
    return [bytes(value).decode("ascii") for value in np.asarray(data)]


def _write_ecsv(empty: Table, pieces: Iterable[Table], path: Path) -> None:
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.write(_ecsv(empty))
        for piece in pieces:
            bare = piece.copy(copy_data=False)
            bare.meta.clear()
            lines = io.StringIO(_ecsv(bare))
            for line in lines:
                if not line.startswith("#"):
                    break  # the names of the columns; rows follow
            file.writelines(lines)


def _ecsv(table: Table) -> str:
    text = io.StringIO()
    table.write(text, format="ascii.ecsv")
    return text.getvalue().replace("\r\n", "\n")


def _read_ecsv(path: Path) -> Table:
    from astropy.table import Table

    return Table.read(path, format="ascii.ecsv")


def _write_parquet(empty: Table, pieces: Iterable[Table], path: Path) -> None:
    """A row group a piece; units and descriptions stand in each field's metadata too, for readers without astropy."""
    import pyarrow as pa
    from pyarrow import parquet

    schema = _schema(empty)
    with parquet.ParquetWriter(path, schema) as writer:
        for piece in pieces:
            arrays = [pa.array(np.asarray(piece[field.name]), field.type) for field in schema]
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema))


def _schema(empty: Table) -> Any:
    """The very one that astropy writes, which looks at all columns for each of them and takes five times as long."""
    import pyarrow as pa
    from astropy.table.meta import get_yaml_from_table

    metadata = {
        f"table::len::{name}": str(empty[name].dtype.itemsize // (4 if empty[name].dtype.kind == "U" else 1))
        for name in empty.colnames
        if empty[name].dtype.kind in "US"
    }
    fields = []
    for name in empty.colnames:
        column = empty[name]
        said = {"unit": str(column.unit) if column.unit else "", "description": column.description or ""}
        fields.append(
            pa.field(
                name, pa.from_numpy_dtype(column.dtype.type), metadata={key: text for key, text in said.items() if text}
            )
        )
    return pa.schema(fields, metadata=metadata | {"table_meta_yaml": "\n".join(get_yaml_from_table(empty))})


def _read_parquet(path: Path) -> Table:
    from astropy.table import Table

    return Table.read(path, format="parquet")


def _write_fits(empty: Table, pieces: Iterable[Table], path: Path) -> None:
    from astropy.io import fits

    widths = {name: empty[name].dtype.itemsize // 4 for name in empty.colnames if empty[name].dtype.kind == "U"}
    with fits.open(io.BytesIO(_fits(empty, widths, _to_comments(empty.meta)))) as hdus:
        header = hdus[1].header
        for number, name in enumerate(empty.colnames, start=1):
            header[f"TCOMM{number}"] = _in_fits(empty[name])[0]
        head, header, size = hdus[0].header.tostring().encode("ascii"), header.copy(), header["NAXIS1"]
    rows = 0
    with path.open("wb") as file:
        file.write(head + header.tostring().encode("ascii"))
        for piece in pieces:
            content = _fits(piece, widths)
            with fits.open(io.BytesIO(content)) as hdus:
                place = hdus.fileinfo(1)["datLoc"]
            file.write(content[place : place + size * len(piece)])
            rows += len(piece)
        file.write(bytes(-(rows * size) % _BLOCK))
        header["NAXIS2"] = rows
        file.seek(len(head))
        file.write(header.tostring().encode("ascii"))


def _fits(table: Table, widths: dict[str, int], comments: Sequence[str] = ()) -> bytes:
    """A FITS file of a table, with `comments` for its metadata, and text as wide as `widths` says."""
    plain = table.copy(copy_data=False)
    plain.meta.clear()
    if comments:
        plain.meta["comments"] = list(comments)
    for name, width in widths.items():
        texts = [fits_text(text) for text in plain[name].tolist()]
        plain.replace_column(name, _as(plain[name], np.array(texts, dtype=f"S{width}")))
    for name in plain.colnames:
        plain[name].description, plain[name].unit = _in_fits(plain[name])
    content = io.BytesIO()
    plain.write(content, format="fits")
    return content.getvalue()


def _in_fits(column: Any) -> tuple[str, Any]:
    """Description and unit; of a unit that FITS has no word for, as of logarithms, the description says it."""
    description, unit = _ascii(column.description or ""), column.unit
    if unit is None or _is_of_fits(unit):
        return description, unit
    return f"{description} [unit: {_ascii(unit.to_string())}]".strip(), None


def _is_of_fits(unit: Any) -> bool:
    try:
        return unit.to_string("fits").isascii()
    except ValueError:
        return False


def _ascii(text: str) -> str:
    return " ".join(text.split()).encode("ascii", "backslashreplace").decode("ascii")


def _to_comments(meta: dict[str, Any]) -> list[str]:
    """Metadata as lines of YAML that COMMENT cards can hold.

    YAML breaks long lines by backslashes of its own, which reading took for ours: here it breaks none. After a line
    that ends in a backslash itself there is an empty one, which reading joins to it.
    """
    from astropy.io.misc import yaml

    lines = []
    for line in yaml.dump(dict(meta), width=sys.maxsize, allow_unicode=False).splitlines():
        parts = [line[k : k + _CARD] for k in range(0, len(line), _CARD)]
        if not line or line.endswith("\\"):
            parts.append("")
        lines += [f"{part}\\" for part in parts[:-1]] + parts[-1:]
    return [_BEGIN, *lines, _END]


def _from_comments(comments: list[str]) -> dict[str, Any]:
    from astropy.io.misc import yaml

    lines = comments[comments.index(_BEGIN) + 1 : comments.index(_END)]
    return yaml.load("\n".join(lines).replace("\\\n", ""))


def _read_fits(path: Path) -> Table:
    from astropy.table import Table
    from astropy.units import Unit

    table = Table.read(path, format="fits", hdu=1)
    for column in table.itercols():
        if said := _UNIT.fullmatch(column.description or ""):
            column.description, column.unit = said[1], Unit(said[2], parse_strict="silent")
    table.meta = _from_comments(table.meta["comments"]) if _BEGIN in table.meta.get("comments", []) else {}
    return table


def _write_votable(empty: Table, pieces: Iterable[Table], path: Path) -> None:
    """The metadata is an INFO for each entry, and one text for people to read."""
    from astropy.io.votable.tree import Info

    file = _votable(empty)
    table = file.get_first_table()
    table.description = "\n".join(f"{name}: {_in_words(about)}" for name, about in empty.meta.items())
    for name, about in empty.meta.items():
        value = json.dumps({"pairs": list(about.items())} if isinstance(about, dict) else about)
        file.resources[0].infos.append(Info(name=f"flaxgal.{name}", value=value))
    start, end = _xml(file).split("</TABLE>")
    with path.open("w", encoding="utf-8") as out:
        out.write(f"{start.rstrip()}\n   <DATA>\n    <TABLEDATA>\n")
        for piece in pieces:
            if len(piece):
                inside = _xml(_votable(piece)).split("<TABLEDATA>\n")[1]
                out.write(inside.split("    </TABLEDATA>")[0])
        out.write(f"    </TABLEDATA>\n   </DATA>\n  </TABLE>{end}")


def _votable(table: Table) -> Any:
    from astropy.io.votable import from_table

    plain = table.copy(copy_data=False)
    plain.meta.clear()
    return from_table(plain)


def _xml(file: Any) -> str:
    content = io.BytesIO()
    file.to_xml(content)
    return content.getvalue().decode()


def _in_words(about: Any) -> str:
    if isinstance(about, dict):
        return "; ".join(f"{name} {value}" for name, value in about.items())
    return ", ".join(map(str, about)) if isinstance(about, list) else str(about)


def _read_votable(path: Path) -> Table:
    from astropy.io.votable import parse

    file = parse(path)
    table = file.get_first_table().to_table(use_names_over_ids=True)
    infos = {info.name: json.loads(info.value) for info in file.resources[0].infos if info.name.startswith("flaxgal.")}
    table.meta = {
        name.removeprefix("flaxgal."): dict(value["pairs"]) if isinstance(value, dict) else value
        for name, value in infos.items()
    }
    for name in table.colnames:
        table[name].description = " ".join((table[name].description or "").split())
    return table


FORMATS: dict[str, tuple[Callable[[Table, Iterable[Table], Path], None], Callable[[Path], Table]]] = {
    ".ecsv": (_write_ecsv, _read_ecsv),
    ".parquet": (_write_parquet, _read_parquet),
    ".fits": (_write_fits, _read_fits),
    ".vot": (_write_votable, _read_votable),
}
"""By a file's ending: how a table is written, and how it is read back."""
