"""Several people's masks of one galaxy made into one soft mask: their mean, or STAPLE's estimate of the truth.

Each annotator has one vote, his latest revision, however many people stand behind it. Two rules hold for both:

- An annotator votes on a class only if he looked for it.
- Where an annotator was *uncertain* he has no vote: the share is that among the others, and the pixel's weight is the
  share of annotators who decided. One of three unsure: the mean of the other two, at weight 2/3. All unsure: the share
  is NaN and the weight 0, so that the loss leaves the pixel out, as it does for one person's uncertain pixels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float32, Float64, Int8

from flaxgal.labels.revisions import Revision

if TYPE_CHECKING:
    from flaxgal.labels.store import Store, StoredRevision

__all__ = ["UNDECIDED", "Consensus", "Staple", "latest_of_each", "mean_of", "staple", "staple_of", "votes_of"]

UNDECIDED = -1
"""A vote that was not cast."""
HALF = 0.5
"""STAPLE takes yes or no: a share of people (imported votes) is a yes from here on."""
_FIRST_GUESS = 0.99999
"""Sensitivity and specificity that STAPLE starts from, as in its paper: everybody is nearly always right."""
_SMALLEST = 1e-9
_TOLERANCE = 1e-9
_MOST_ROUNDS = 5000


@dataclass(frozen=True, kw_only=True, eq=False)
class Consensus:
    """What several annotators say about a galaxy together."""

    classes: tuple[str, ...]
    share: Float32[np.ndarray, "class y x"]
    """Share of the annotators who marked the pixel, or the probability that it is of the class; NaN: nobody decided."""
    weight: Float32[np.ndarray, "*pixels"]
    """Share of the annotators who decided about the pixel; where classes differ, the smallest."""
    revisions: tuple[str, ...]
    """Ids of the revisions it is made of."""
    performance: Mapping[str, Mapping[str, tuple[float, float]]] = field(default_factory=dict)
    """Of STAPLE: by class, then by annotator, sensitivity and specificity."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Staple:
    """STAPLE's answer for votes on one class."""

    probability: Float64[np.ndarray, "*pixels"]
    """That the pixel is truly of the class; NaN where nobody voted."""
    sensitivity: tuple[float, ...]
    """Of each rater: the share of true pixels that he marks; NaN when no pixel seems true."""
    specificity: tuple[float, ...]
    """Of each rater: the share of the other pixels that he leaves out."""
    rounds: int
    """How many rounds it took until nothing moved."""


def latest_of_each(store: Store, object_id: str) -> list[StoredRevision]:
    """The latest revision of every annotator of a galaxy, in the order of the annotators' names."""
    latest = {stored.provenance.annotator: stored for stored in store.history(object_id)}  # oldest first: the last wins
    return [latest[name] for name in sorted(latest)]


def mean_of(revisions: Sequence[Revision], classes: Sequence[str]) -> Consensus:
    """The share of annotators who marked each pixel, one revision an annotator.

    Shares of people (imported votes) enter as they are: one annotator's vote between no and yes.

    Raises
    ------
    ValueError
        If nobody looked for one of the classes, or the masks have different sizes.
    """
    shares, weights = [], []
    for name in classes:
        voters = _voters(revisions, name)
        decided = np.stack([voter.weight() for voter in voters])
        votes = np.stack([voter.target([name])[0] for voter in voters])
        cast = decided.sum(axis=0)
        with np.errstate(invalid="ignore"):
            shares.append((votes * decided).sum(axis=0) / cast)
        weights.append(cast / len(voters))
    return Consensus(
        classes=tuple(classes),
        share=np.stack(shares).astype(np.float32),
        weight=np.min(weights, axis=0).astype(np.float32),
        revisions=_contributing(revisions, classes),
    )


def staple_of(revisions: Sequence[Revision], classes: Sequence[str]) -> Consensus:
    """The probability of each pixel by STAPLE, which weighs each annotator by how reliable he seems on this galaxy.

    It takes three annotators to tell who of them errs: with two, which of them is believed hangs on little, and the
    mean is the honest choice. One alone is believed.

    Raises
    ------
    ValueError
        If nobody looked for one of the classes, or the masks have different sizes.
    """
    shares, weights, performance = [], [], {}
    for name in classes:
        voters = _voters(revisions, name)
        votes = np.stack([votes_of(voter, name) for voter in voters])
        found = staple(votes)
        shares.append(found.probability)
        weights.append((votes != UNDECIDED).mean(axis=0))
        both = zip(found.sensitivity, found.specificity, strict=True)
        performance[name] = {voter.annotator: pair for voter, pair in zip(voters, both, strict=True)}
    return Consensus(
        classes=tuple(classes),
        share=np.stack(shares).astype(np.float32),
        weight=np.min(weights, axis=0).astype(np.float32),
        revisions=_contributing(revisions, classes),
        performance=performance,
    )


def staple(votes: Int8[np.ndarray, "rater ..."]) -> Staple:
    """Simultaneous Truth And Performance Level Estimation of a binary mask, with how well each rater did.

    Source: Warfield, Zou & Wells 2004, IEEE Transactions on Medical Imaging 23, 903.

    Expectation maximisation with rater j's sensitivity p_j and specificity q_j, pixel i's probability W_i, and votes
    D_ij (0, 1, or -1 for no vote; products and sums run over votes that were cast):

        W_i = γ Π_j p_j^D (1 − p_j)^(1−D) / [ that + (1 − γ) Π_j q_j^(1−D) (1 − q_j)^D ]
        p_j = Σ_i D_ij W_i / Σ_i W_i,   q_j = Σ_i (1 − D_ij)(1 − W_i) / Σ_i (1 − W_i)

    Without a Markov random field. The prior γ starts, as in the paper, as the share of yes among all votes. The paper
    leaves it there, which takes every false alarm for truth: with arms on 4 % of a frame and one careless rater,
    sensitivities of 0.95 came out as 0.69. Here γ is maximised with the rest (Dawid & Skene 1979, Applied Statistics
    28, 20): γ = mean of W_i, after each round.

    Pixels with the same votes have the same W, so the rounds run over the few patterns of votes that occur.
    """
    raters = len(votes)
    flat = votes.reshape(raters, -1)
    seen = (flat != UNDECIDED).any(axis=0)
    pattern, where, number = np.unique(flat[:, seen], axis=1, return_inverse=True, return_counts=True)
    yes, no = (pattern == 1).astype(float), (pattern == 0).astype(float)
    ballots = float(((yes + no) @ number).sum())
    prior = float((yes @ number).sum()) / ballots if ballots else 0.0
    truth, rounds = yes[0], 0
    if raters > 1 and prior in (0.0, 1.0):
        truth = np.full(number.size, prior)
    elif raters > 1:
        truth, rounds = _maximised(yes, no, number, prior)
    sensitivity, specificity = _performance(yes, no, number, truth)
    probability = np.full(flat.shape[1], np.nan)
    probability[seen] = truth[where.ravel()]
    return Staple(
        probability=probability.reshape(votes.shape[1:]),
        sensitivity=tuple(sensitivity.tolist()),
        specificity=tuple(specificity.tolist()),
        rounds=rounds,
    )


def _maximised(yes: np.ndarray, no: np.ndarray, number: np.ndarray, prior: float) -> tuple[np.ndarray, int]:
    """The truth of each pattern of votes when nothing moves any more, and the rounds that took."""
    found = np.full((2, len(yes)), _FIRST_GUESS)
    truth = _truth(yes, no, found, prior)
    for rounds in range(1, _MOST_ROUNDS):
        before, found = found, np.nan_to_num(_performance(yes, no, number, truth), nan=_FIRST_GUESS)
        truth = _truth(yes, no, found, float((number * truth).sum() / number.sum()))
        if np.abs(found - before).max() < _TOLERANCE:
            return truth, rounds
    return truth, _MOST_ROUNDS


def _truth(yes: np.ndarray, no: np.ndarray, performance: np.ndarray, prior: float) -> np.ndarray:
    """W of each pattern of votes: the step of expectation, in logarithms."""
    p, q, known = (np.clip(value, _SMALLEST, 1 - _SMALLEST) for value in (*performance, prior))
    if_true = np.log(known) + np.log(p) @ yes + np.log1p(-p) @ no
    if_not = np.log1p(-known) + np.log1p(-q) @ yes + np.log(q) @ no
    return 1 / (1 + np.exp(np.clip(if_not - if_true, -700, 700)))


def _performance(yes: np.ndarray, no: np.ndarray, number: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Sensitivity and specificity of each rater: the step of maximisation; NaN where there is nothing to tell by."""
    true, other = number * truth, number * (1 - truth)
    with np.errstate(invalid="ignore"):
        return np.stack([(yes @ true) / ((yes + no) @ true), (no @ other) / ((yes + no) @ other)])


def _voters(revisions: Sequence[Revision], name: str) -> list[Revision]:
    """The revisions of those who looked for a class."""
    voters = [revision for revision in revisions if name in revision.classes]
    if not voters:
        who = ", ".join(f"{revision.annotator} marked {' and '.join(revision.classes)}" for revision in revisions)
        galaxy = revisions[0].object_id if revisions else "a galaxy"
        raise ValueError(
            f"{galaxy}: nobody looked for {name} ({who or 'no revision'}); "
            f"ask for other classes, or have the galaxy labelled again"
        )
    shapes = {voter.image_shape for voter in voters}
    if len(shapes) > 1:
        found = " and ".join(f"{height} × {width}" for height, width in sorted(shapes))
        raise ValueError(f"{voters[0].object_id}: masks of {found} pixels; give masks of one image")
    return voters


def votes_of(revision: Revision, name: str) -> Int8[np.ndarray, "y x"]:
    """Yes (1), no (0) or undecided (-1) about each pixel being of a class that the annotator looked for."""
    yes = revision.target([name])[0] >= HALF
    return np.where(revision.weight() > 0, yes, UNDECIDED).astype(np.int8)


def _contributing(revisions: Sequence[Revision], classes: Sequence[str]) -> tuple[str, ...]:
    """Ids of the revisions that have a vote on any of the classes."""
    return tuple(revision.revision_id for revision in revisions if set(classes) & set(revision.classes))
