"""What the fields of a config must fit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flaxgal.config.networks import ClassifierConfig, UNetConfig


def require(fits: bool, name: str, found: Any, wanted: str) -> None:
    """Raise a ValueError about the field `name` unless it `fits`."""
    if not fits:
        raise ValueError(f"{name} is {found}: give {wanted}")


def require_one_a_level(name: str, values: tuple[Any, ...], widths: tuple[int, ...]) -> None:
    """Raise a ValueError unless `values` has a value for each level of `widths`, or one for all of them."""
    if len(values) not in (1, len(widths)):
        raise ValueError(
            f"{name} has {len(values)} values for the {len(widths)} levels of widths {widths}: "
            f"give one a level, or one for all"
        )


def require_levels(config: UNetConfig | ClassifierConfig) -> None:
    """Raise a ValueError unless widths, blocks and dropout describe the levels of a network."""
    widths = config.widths
    require(len(widths) > 0 and min(widths) >= 1, "widths", widths, "1 channel or more for each level")
    require_one_a_level("blocks", config.blocks, widths)
    require_one_a_level("dropout", config.dropout, widths)
    require(min(config.blocks) >= 0, "blocks", config.blocks, "0 or more for each level")
    require(all(0 <= rate < 1 for rate in config.dropout), "dropout", config.dropout, "rates from 0 to below 1")


def are_shares(values: tuple[float, ...], *, within: float = 1e-6) -> bool:
    """Whether the values are 0 or more and sum to 1."""
    return all(value >= 0 for value in values) and abs(sum(values) - 1) <= within
