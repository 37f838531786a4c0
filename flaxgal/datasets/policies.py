"""Whose marks become a galaxy's target: the latest revision, one annotator's, or what several say together.

    latest            what was said last, by whomever
    annotator:NAME    what NAME said last; galaxies he did not label are passed over
    consensus         mean over the latest revision of each annotator
    staple            the same revisions, each annotator weighed by how reliable he seems on the galaxy

A galaxy labelled by one annotator has his mask under every policy that takes him. How uncertain pixels count is said
in `flaxgal.labels.consensus`: the uncertain have no vote, and the pixel's weight is the share of those who decided.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32

from flaxgal.labels.consensus import latest_of_each, mean_of, staple_of
from flaxgal.labels.revisions import Revision
from flaxgal.labels.store import Store

__all__ = ["POLICIES", "Target", "check_policy", "chosen_revisions", "target_of"]

POLICIES = ("latest", "consensus", "staple", "annotator:NAME")
_ANNOTATOR = "annotator:"


@dataclass(frozen=True, kw_only=True, eq=False)
class Target:
    """What a model should say about a galaxy, on the galaxy's own pixels."""

    share: Float32[np.ndarray, "class y x"]
    """0 to 1."""
    weight: Float32[np.ndarray, "y x"]
    """How much the pixel counts, 0 to 1."""
    revisions: tuple[str, ...]
    """Ids of the revisions it is made of."""


def check_policy(store: Store, labels: str) -> None:
    """Refuse a policy that is none, or an annotator whom nobody knows.

    Raises
    ------
    ValueError
        If it cannot be followed.
    """
    if labels.startswith(_ANNOTATOR):
        name = labels.removeprefix(_ANNOTATOR)
        known = sorted({stored.provenance.annotator for stored in store.history()})
        if name not in known:
            raise ValueError(
                f"{store.path}: nothing is labelled by {name!r}, only by {', '.join(known) or 'nobody'}; correct the "
                f"name after {_ANNOTATOR}"
            )
    elif labels not in POLICIES or labels == POLICIES[-1]:
        raise ValueError(f"labels {labels!r}, expected one of {', '.join(POLICIES)}")


def chosen_revisions(store: Store, object_id: str, labels: str) -> list[str]:
    """Ids of the revisions of a galaxy that a policy takes; none where it passes the galaxy over."""
    history = store.history(object_id)
    if labels.startswith(_ANNOTATOR):
        history = [line for line in history if line.provenance.annotator == labels.removeprefix(_ANNOTATOR)]
    if labels in ("consensus", "staple"):
        history = latest_of_each(store, object_id)
        return [line.revision_id for line in history]
    return [line.revision_id for line in history[-1:]]


def target_of(revisions: Sequence[Revision], classes: Sequence[str], labels: str) -> Target:
    """The target that a policy makes of the revisions it took.

    Raises
    ------
    ValueError
        If a class was not looked for.
    """
    if labels in ("consensus", "staple"):
        found = (staple_of if labels == "staple" else mean_of)(revisions, classes)
        return Target(share=np.nan_to_num(found.share, nan=0.0), weight=found.weight, revisions=found.revisions)
    (revision,) = revisions
    return Target(share=revision.target(classes), weight=revision.weight(), revisions=(revision.revision_id,))
