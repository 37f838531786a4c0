"""The rows of a catalogue on disk while a long call measures; see `flaxgal.measure.row_journal`."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import typing
from collections.abc import Callable, Iterator, Mapping
from enum import IntFlag
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from flaxgal.measure.record import Measurement
from flaxgal.measure.row_journal import Line, RowJournal
from flaxgal.survey.prediction import CLAIM

__all__ = ["Line", "MeasureJournal", "from_json", "to_json"]


class MeasureJournal(RowJournal):
    """The rows measured so far towards one catalogue.

    Parameters
    ----------
    path : the catalogue that is to be written; the journal lies beside it, as PATH.partial.jsonl.
    masks : the folder of predictions.

    Raises
    ------
    ValueError
        If the journal that is there was begun with other masks, predictions or another flaxgal, or is in use.
    """

    def __init__(self, path: Path, *, masks: Path) -> None:
        super().__init__(path, origin=_origin(masks), check=from_json, command="flaxgal measure")

    def rows(self) -> Iterator[Measurement]:
        """The rows of this call, in its order."""
        for line in self.lines():
            yield from_json(line.row)

    def _in_words(self, name: str, found: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
        if name in ("predictions", "fields"):
            return f"measured with {'other predictions' if name == 'predictions' else 'another version of flaxgal'}"
        return f"measured with {found.get(name)}, now it is {wanted[name]}"


def _origin(masks: Path) -> dict[str, Any]:
    """What rows must have in common to stand in one catalogue."""
    from flaxgal import __version__

    claim = masks / CLAIM
    return {
        "software": f"flaxgal {__version__}",
        "fields": sorted(_fields_of(Measurement)),
        "masks": os.fspath(masks.resolve()),
        "predictions": claim.read_text(encoding="utf-8") if claim.exists() else None,
    }


def to_json(measurement: Measurement) -> str:
    """One line of JSON that holds every digit; a number that is missing is the word NaN, or left out if it may be."""
    return json.dumps(_plain(measurement))


def _plain(value: Any) -> Any:
    """Records as dictionaries, without the numbers that are missing by default."""
    if dataclasses.is_dataclass(value):
        return {
            name: _plain(part)
            for name in _defaults(type(value))
            if not _left_out(type(value), name, part := getattr(value, name))
        }
    if isinstance(value, dict):
        return {name: _plain(part) for name, part in value.items()}
    if isinstance(value, tuple):
        return [_plain(part) for part in value]
    return value


def _left_out(kind: type, name: str, value: Any) -> bool:
    return isinstance(value, float) and math.isnan(value) and _defaults(kind)[name]


@lru_cache
def _defaults(kind: type) -> dict[str, bool]:
    """The fields of a record, and whether each is NaN unless something else is said."""
    return {
        known.name: isinstance(known.default, float) and math.isnan(known.default) for known in dataclasses.fields(kind)
    }


def from_json(line: str) -> Measurement:
    """The very row that `to_json` wrote.

    Raises
    ------
    ValueError
        If the line is not whole.
    """
    said = json.loads(line)
    try:
        return _decoder(Measurement)(said)
    except (TypeError, KeyError, AttributeError) as error:
        raise ValueError(
            f"found no row of a catalogue in {line[:80]!r} ({error}); expected what to_json writes"
        ) from None


@lru_cache
def _decoder(kind: Any) -> Callable[[Any], Any]:
    """What makes a value of a type from what JSON has of it."""
    if dataclasses.is_dataclass(kind):
        parts = {name: _decoder(hint) for name, hint in typing.get_type_hints(kind).items()}
        return partial(_record, kind, parts)
    origin, inside = typing.get_origin(kind), typing.get_args(kind)
    if origin is dict:
        of = _decoder(inside[1])
        return lambda values: {name: of(value) for name, value in values.items()}
    if origin is tuple:
        of = _decoder(inside[0])
        return lambda values: tuple(map(of, values))
    if isinstance(kind, type) and issubclass(kind, IntFlag):
        return kind
    return _same


def _record(kind: Any, parts: dict[str, Callable[[Any], Any]], said: dict[str, Any]) -> Any:
    return kind(**{name: parts[name](value) for name, value in said.items()})


def _same(value: Any) -> Any:
    return value


def _fields_of(kind: Any) -> Iterator[str]:
    """The names of a record's fields and of those of the records in it: what a journal's rows are made of."""
    for name, hint in typing.get_type_hints(kind).items():
        yield f"{kind.__name__}.{name}"
        for part in (hint, *typing.get_args(hint)):
            if dataclasses.is_dataclass(part):
                yield from _fields_of(part)
