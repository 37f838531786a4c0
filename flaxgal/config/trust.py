"""Which answers of a classifier are too unsure to be trusted."""

from __future__ import annotations

from dataclasses import dataclass

from flaxgal.config.checks import require


@dataclass(frozen=True, kw_only=True)
class TrustConfig:
    """When a classifier is unsure of a galaxy: each limit alone makes it so."""

    least_sure: float = 0.6
    """A class whose probability is less is not to be trusted. T-types, whose classes lie close together, go by
    --most-spread instead."""
    most_spread: float = 2.0
    """A T-type whose standard deviation is more is not to be trusted."""
    most_entropy: float = 0.8
    """Classes with more are not to be trusted: 0 is sure, 1 all classes equally likely."""

    def __post_init__(self) -> None:
        require(0 <= self.least_sure <= 1, "least_sure", self.least_sure, "a probability from 0 to 1")
        require(self.most_spread >= 0, "most_spread", self.most_spread, "0 T-types or more")
        require(0 <= self.most_entropy <= 1, "most_entropy", self.most_entropy, "a number from 0 to 1")
