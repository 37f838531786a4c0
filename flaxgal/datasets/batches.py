"""Which galaxies make up batch k: a pure function of (how many there are, seed, k), so that resuming needs no state."""

import functools
import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Int32

__all__ = ["balanced_batches", "index_batches"]


def index_batches(
    sizes: Sequence[int],
    batch_size: int,
    *,
    shares: Sequence[float] = (),
    seed: int,
    first_step: int,
    steps: int,
) -> Int32[np.ndarray, "step batch"]:
    """Which examples make up batches first_step … first_step + steps − 1, as numbers into the concatenated snapshots.

    Without shares, all snapshots are one pile, shuffled anew each epoch: every example comes once before any comes
    twice. With shares, each snapshot is such a pile of its own, and batch k takes its share from each, exact to less
    than one example a batch and exact in the long run.

    Parameters
    ----------
    sizes
        Examples in each snapshot.
    shares
        Share of each snapshot in every batch, summing to 1.

    Raises
    ------
    ValueError
        If shares are not one positive-or-zero number a snapshot summing to 1, or a share is of an empty snapshot.
    """
    if not shares:
        return _rows([(sum(sizes), 0)], np.full((steps, 1), batch_size), np.array([first_step * batch_size]), seed)
    _check_shares(sizes, shares)
    counts = _counts(shares, batch_size, first_step + steps)
    offsets = np.concatenate([[0], np.cumsum(sizes)])[:-1]
    piles = list(zip(sizes, offsets.tolist(), strict=True))
    return _rows(piles, counts[first_step:], counts[:first_step].sum(axis=0), seed)


def balanced_batches(
    classes: Sequence[Int32[np.ndarray, " _"]],
    batch_size: int,
    *,
    shares: Sequence[float] = (),
    seed: int,
    first_step: int,
    steps: int,
) -> Int32[np.ndarray, "step batch"]:
    """The same as `index_batches`, with every class equally often in the batches, exact to less than one example.

    A class of few galaxies comes round sooner. With shares, each snapshot's share is divided among the classes that it
    has.

    Parameters
    ----------
    classes
        Each snapshot's examples by the number of their class.
    """
    if shares:
        _check_shares([len(one) for one in classes], shares)
    offsets = np.concatenate([[0], np.cumsum([len(one) for one in classes])])
    members, parts = [], []
    together = [np.concatenate(classes)] if not shares else classes
    for snapshot, numbers in enumerate(together):
        kinds = np.unique(numbers)
        members += [np.flatnonzero(numbers == kind) + offsets[snapshot] for kind in kinds]
        parts += [(shares[snapshot] if shares else 1.0) / len(kinds)] * len(kinds)
    sizes = [len(one) for one in members]
    batches = index_batches(sizes, batch_size, shares=parts, seed=seed, first_step=first_step, steps=steps)
    return np.concatenate(members).astype(np.int32)[batches]


def _rows(
    piles: Sequence[tuple[int, int]], counts: np.ndarray, taken_before: np.ndarray, seed: int
) -> Int32[np.ndarray, "step batch"]:
    """Batches that take counts[step, pile] examples from each endless shuffled pile (size, offset)."""
    rows = np.empty((len(counts), int(counts[0].sum()) if len(counts) else 0), np.int32)
    ends = np.cumsum(counts, axis=1)
    for pile, (size, offset) in enumerate(piles):
        drawn = _draw(size, seed, pile, int(taken_before[pile]), int(counts[:, pile].sum())) + offset
        step = np.repeat(np.arange(len(counts)), counts[:, pile])
        first = np.cumsum(counts[:, pile]) - counts[:, pile]
        column = np.arange(len(drawn)) - first[step] + (ends[:, pile] - counts[:, pile])[step]
        rows[step, column] = drawn
    return rows


def _draw(size: int, seed: int, pile: int, start: int, number: int) -> Int32[np.ndarray, " number"]:
    """Examples start … start + number − 1 of a pile that is shuffled anew each epoch."""
    if number == 0:
        return np.empty(0, np.int32)
    epochs = range(start // size, (start + number - 1) // size + 1)
    drawn = np.concatenate([_epoch(size, seed, pile, epoch) for epoch in epochs])
    return drawn[start - epochs[0] * size :][:number]


@functools.lru_cache(maxsize=16)
def _epoch(size: int, seed: int, pile: int, epoch: int) -> Int32[np.ndarray, " size"]:
    """The order of a pile in an epoch."""
    order = np.random.default_rng([seed, pile, epoch]).permutation(size).astype(np.int32)
    order.flags.writeable = False
    return order


def _counts(shares: Sequence[float], batch_size: int, steps: int) -> np.ndarray:
    """Examples from each snapshot in batches 0 … steps − 1 (step, snapshot): floor or ceiling of share × batch size.

    The places left over by the floors go round by systematic sampling: the fractions are laid end to end on a circle,
    and marks one apart, turned by the golden section from batch to batch, pick who gets one more.
    """
    wanted = np.asarray(shares, np.float64) / math.fsum(shares) * batch_size
    wanted = np.where(np.abs(wanted - np.rint(wanted)) < 1e-9 * batch_size, np.rint(wanted), wanted)
    floors = np.floor(wanted).astype(np.int64)
    left_over = batch_size - int(floors.sum())
    counts = np.tile(floors, (steps, 1))
    if left_over:
        edges = np.cumsum(wanted - floors)
        edges *= left_over / edges[-1]
        turn = (np.arange(steps, dtype=np.uint64) * np.uint64(2654435769) % np.uint64(2**32)) / 2**32
        marks = turn[:, None] + np.arange(left_over)
        chosen = np.minimum(np.searchsorted(edges, marks, side="right"), len(floors) - 1)
        np.add.at(counts, (np.arange(steps)[:, None], chosen), 1)
    return counts


def _check_shares(sizes: Sequence[int], shares: Sequence[float]) -> None:
    if len(shares) != len(sizes) or min(shares) < 0 or abs(sum(shares) - 1) > 1e-6:
        raise ValueError(f"shares {tuple(shares)} for {len(sizes)} snapshots; give one a snapshot, summing to 1")
    if any(share > 0 and size == 0 for share, size in zip(shares, sizes, strict=True)):
        raise ValueError(f"shares {tuple(shares)} of snapshots with {tuple(sizes)} galaxies; one of them is empty")
