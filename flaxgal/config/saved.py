"""Configs as JSON, and back."""

from __future__ import annotations

import dataclasses
import json
import typing
from typing import Any, TypeVar

from flaxgal.config.training import ClassifyConfig, RunConfig, TrainConfig

Config = TypeVar("Config")


def to_json(config: Any) -> str:
    """A config as indented JSON."""
    return json.dumps(dataclasses.asdict(config), indent=2) + "\n"


def from_json(kind: type[Config], text: str) -> Config:
    """The config of class `kind` that `to_json` wrote.

    A field that the text lacks, as an older flaxgal had no such choice, takes its default: a choice that is added must
    have for its default what was done before there was a choice.

    Raises
    ------
    ValueError
        If the text is not JSON, or names a field that `kind` has not (a run of another version).
    """
    return _build(kind, _content(kind, text))


def run_from_json(text: str) -> TrainConfig | ClassifyConfig:
    """The config of a run, on arms or on classes, that `to_json` wrote; errors as those of `from_json`."""
    content = _content(RunConfig, text)
    return _build(ClassifyConfig if "task" in content else TrainConfig, content)


def _content(kind: type, text: str) -> dict[str, Any]:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"expected a {kind.__name__} as JSON, found text that is not JSON ({error})") from None


def _build(kind: Any, value: Any) -> Any:
    """`value`, as JSON gives it, in the type that the annotation `kind` asks for."""
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        hints = typing.get_type_hints(kind)
        unknown = sorted(set(value) - set(hints))
        if unknown:
            raise ValueError(
                f"{kind.__name__} has no field {', '.join(unknown)}; the config was written by another version of "
                f"flaxgal: remove the field or use that version"
            )
        return kind(**{name: _build(hints[name], item) for name, item in value.items()})
    return tuple(value) if isinstance(value, list) else value
