"""A mask while somebody draws it: what is marked, which of it by hand, and every step back and forth. No files here.

A pixel is *by hand* once a person decided it: a stroke changed it, or somebody decided it in the revision that the
drawing started from (`decided_by_hand`). A model's proposal fills the other pixels only, and so does its successor at
another threshold. Taking a stroke back gives its pixels back to the proposal.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Int32, UInt8

from flaxgal.labels.revisions import UNCERTAIN, Revision, utc_now
from flaxgal.survey.prediction import CLASS_CODES

__all__ = ["MASK_VALUES", "Drawing", "OpenTrace", "Proposal", "decided_by_hand", "mask_of"]

MASK_VALUES = (0, *CLASS_CODES.values(), UNCERTAIN)
"""What a pixel can be: background, one of the classes, undecided."""
STEPS_KEPT = 100
"""How many steps can be taken back."""


@dataclass(frozen=True, eq=False)
class Proposal:
    """A model's mask that was taken as a starting point."""

    run: str
    """The run whose weights made it."""
    threshold: float
    """Probability above which a pixel was marked."""
    class_map: UInt8[np.ndarray, "y x"]
    """What the model would mark, over the whole picture."""
    pixels: Bool[np.ndarray, "y x"]
    """Where the mask is the model's: pixels that nobody has decided by hand."""


@dataclass(frozen=True)
class OpenTrace:
    """An arm that is being traced and is not in the mask yet."""

    points: tuple[tuple[float, float], ...]
    """Clicks along the ridge, (y, x) in pixels."""
    width_pixels: float
    class_code: int = CLASS_CODES["arm"]


@dataclass(frozen=True, eq=False, kw_only=True)
class _Step:
    """One change of a drawing, in both directions; pixels by their place in the flattened mask."""

    tool: str
    where: Int32[np.ndarray, " pixel"]
    before: UInt8[np.ndarray, " pixel"]
    after: UInt8[np.ndarray, " pixel"]
    hand_before: Bool[np.ndarray, " pixel"]
    hand_after: Bool[np.ndarray, " pixel"]
    proposal_before: Proposal | None
    proposal_after: Proposal | None

    @property
    def inverse(self) -> _Step:
        return _Step(
            tool="undo",
            where=self.where,
            before=self.after,
            after=self.before,
            hand_before=self.hand_after,
            hand_after=self.hand_before,
            proposal_before=self.proposal_after,
            proposal_after=self.proposal_before,
        )

    def leads_where(self, other: _Step) -> bool:
        """Whether both steps, from one state, end in the same state."""
        return (
            np.array_equal(self.where, other.where)
            and np.array_equal(self.after, other.after)
            and np.array_equal(self.hand_after, other.hand_after)
            and same_proposal(self.proposal_after, other.proposal_after)
        )


@dataclass(eq=False, kw_only=True)
class Drawing:
    """One person's work on one galaxy between opening and committing it.

    Raises
    ------
    ValueError
        From `draw` and `propose`, when a mask has another shape than the galaxy or values that mean nothing; the
        drawing is then as it was.
    """

    object_id: str
    annotator: str
    cutout_sha256: str
    start_mask: UInt8[np.ndarray, "y x"]
    """What the galaxy was opened with."""
    start_hand: Bool[np.ndarray, "y x"]
    """Which of that a person had decided before."""
    classes: tuple[str, ...] = tuple(CLASS_CODES)
    parent: str = ""
    """Revision that `start_mask` is of; empty when it started from nothing."""
    served_by: str = ""
    blind_repeat: bool = False
    drawing: str = field(default_factory=lambda: uuid.uuid4().hex)
    """Its own id: a drawing is committed once, also when the process dies in between."""
    started_utc: str = field(default_factory=utc_now)
    trace: OpenTrace | None = None
    proposal: Proposal | None = None
    active_seconds: float = 0.0
    tool_counts: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.mask = self.start_mask.copy()
        self.by_hand = self.start_hand.copy()
        self._done: list[_Step] = []
        self._undone: list[_Step] = []

    @property
    def is_changed(self) -> bool:
        """Whether anything is here that the mask it started from has not."""
        return self.proposal is not None or self.trace is not None or not np.array_equal(self.mask, self.start_mask)

    @property
    def origin(self) -> str:
        """How a revision of it was made, as `revisions.ORIGINS` has it.

        `drawn` began with an empty picture. What began with a proposal or with a revision is `accepted` while the
        mask is that very starting point, else `corrected`; a proposal around what somebody had decided is neither
        one's own, and `corrected`.
        """
        if self.proposal is None and not self.parent:
            return "drawn"
        if self.proposal is not None and self.start_hand.any():
            return "corrected"
        begun = self.start_mask if self.proposal is None else self.proposal.class_map
        return "accepted" if np.array_equal(self.mask, begun) else "corrected"

    @property
    def classes_marked(self) -> tuple[str, ...]:
        """The classes that were looked for: those asked for, and any other that the mask holds."""
        return tuple(name for name, code in CLASS_CODES.items() if name in self.classes or (self.mask == code).any())

    def draw(self, mask: np.ndarray, tool: str, *, touched: np.ndarray | None = None) -> bool:
        """Take what a tool made of the mask; True if it changed anything.

        `touched` adds pixels that the tool went over without changing them. "undo" and "redo" that lead back to a
        known state restore also whose the pixels were; otherwise they are edits like any other.
        """
        mask = self._checked(mask)
        known = self._known_step(tool)
        if known is not None:
            there, by_hand, proposal = self._after(known)
            if np.array_equal(there, mask):
                return self.go_to(there, by_hand, proposal, tool)
        by_hand = self.by_hand | (mask != self.mask)
        if touched is not None:
            by_hand |= touched
        return self.go_to(mask, by_hand, self.proposal, tool)

    def propose(self, class_map: np.ndarray, run: str, threshold: float) -> bool:
        """Fill every pixel that nobody decided by hand with a model's mask, in place of an earlier proposal.

        Of the model's classes only those asked for are taken. Where every pixel is decided, nothing is proposed.
        """
        class_map = self._checked(class_map)
        if self.by_hand.all():
            return False
        asked = [0, *(CLASS_CODES[name] for name in self.classes)]
        class_map = np.where(np.isin(class_map, asked), class_map, 0).astype(np.uint8)
        proposal = Proposal(run, float(threshold), class_map, ~self.by_hand)
        return self.go_to(np.where(self.by_hand, self.mask, class_map), self.by_hand, proposal, "propose")

    def discard_proposal(self) -> bool:
        """Give the proposal's pixels back to the mask that the drawing started from."""
        mask = np.where(self.by_hand, self.mask, self.start_mask)
        return self.go_to(mask, self.by_hand, None, "discard proposal")

    def start_again(self) -> bool:
        """Go back to the mask that the drawing started from, without proposal or trace; a step like any other."""
        self.trace = None
        return self.go_to(self.start_mask, self.start_hand, None, "throw away")

    def undo(self) -> bool:
        """Take the last step back: a stroke, or a proposal. False if there is none."""
        return self._walk("undo")

    def redo(self) -> bool:
        """Take the last step that was undone once more. False if there is none."""
        return self._walk("redo")

    def go_to(self, mask: np.ndarray, by_hand: np.ndarray, proposal: Proposal | None, tool: str) -> bool:
        """Change to another state and remember the step there; False if it is this very state."""
        step = self._step_to(mask, by_hand, proposal, tool)
        if not step.where.size and same_proposal(proposal, self.proposal):
            return False
        if tool == "undo" and self._done and step.leads_where(self._done[-1].inverse):
            self._undone.append(self._done.pop())
        elif tool == "redo" and self._undone and step.leads_where(self._undone[-1]):
            self._done.append(self._undone.pop())
        else:
            if tool == "propose" and self._done and self._done[-1].tool == "propose":
                self._apply(self._done.pop().inverse)  # a slider that was dragged is one step
                step = self._step_to(mask, by_hand, proposal, tool)
            self._done = [*self._done, step][-STEPS_KEPT:]
            self._undone.clear()
        self._apply(step)
        self.tool_counts[tool] = self.tool_counts.get(tool, 0) + 1
        return True

    def _walk(self, tool: str) -> bool:
        step = self._known_step(tool)
        return step is not None and self.go_to(*self._after(step), tool)

    def _known_step(self, tool: str) -> _Step | None:
        if tool == "undo" and self._done:
            return self._done[-1].inverse
        return self._undone[-1] if tool == "redo" and self._undone else None

    def _after(self, step: _Step) -> tuple[np.ndarray, np.ndarray, Proposal | None]:
        mask, by_hand = self.mask.copy(), self.by_hand.copy()
        mask.flat[step.where], by_hand.flat[step.where] = step.after, step.hand_after
        return mask, by_hand, step.proposal_after

    def _apply(self, step: _Step) -> None:
        self.mask, self.by_hand, self.proposal = self._after(step)

    def _step_to(self, mask: np.ndarray, by_hand: np.ndarray, proposal: Proposal | None, tool: str) -> _Step:
        where = np.flatnonzero((mask != self.mask) | (by_hand != self.by_hand)).astype(np.int32)
        return _Step(
            tool=tool,
            where=where,
            before=self.mask.ravel()[where],
            after=mask.ravel()[where],
            hand_before=self.by_hand.ravel()[where],
            hand_after=by_hand.ravel()[where],
            proposal_before=self.proposal,
            proposal_after=proposal,
        )

    def _checked(self, mask: np.ndarray) -> np.ndarray:
        """The mask as uint8, if it can be one of this galaxy."""
        mask = np.asarray(mask)
        if mask.shape != self.start_mask.shape:
            raise ValueError(
                f"{self.object_id}: a mask of {_by(mask.shape)} pixels for an image of "
                f"{_by(self.start_mask.shape)}; draw on this galaxy's own image"
            )
        strange = mask[~np.isin(mask, MASK_VALUES)]
        if strange.size:
            known = ", ".join(f"{code} {name}" for name, code in CLASS_CODES.items())
            raise ValueError(
                f"{self.object_id}: label {_listed(np.unique(strange)[:5].tolist())} means nothing here; "
                f"draw with 0 background, {known} or {UNCERTAIN} uncertain"
            )
        return mask.astype(np.uint8)


def same_proposal(one: Proposal | None, other: Proposal | None) -> bool:
    """Whether two proposals are the same model's same mask."""
    if one is None or other is None:
        return one is other
    return (one.run, one.threshold) == (other.run, other.threshold) and np.array_equal(one.class_map, other.class_map)


def mask_of(revision: Revision) -> UInt8[np.ndarray, "y x"]:
    """A revision as a mask to go on from; of a vote, what at least half of the people marked, NaN being uncertain."""
    if revision.mask is not None:
        return revision.mask.astype(np.uint8)
    fraction = np.asarray(revision.fraction)
    codes = np.array([CLASS_CODES[name] for name in revision.classes], np.uint8)
    share = np.nan_to_num(fraction, nan=-1.0)
    mask = np.where(share.max(axis=0) >= 0.5, codes[share.argmax(axis=0)], 0).astype(np.uint8)
    mask[~np.isfinite(fraction).all(axis=0)] = UNCERTAIN
    return mask


def decided_by_hand(revision: Revision) -> Bool[np.ndarray, "y x"]:
    """The pixels of a revision that a proposal must not change.

    Who committed a picture decided all of it, background too; of a model's own mask nobody decided a pixel, and of an
    imported one only the marks are known to be anybody's.
    """
    if revision.origin == "imported":
        return mask_of(revision) != 0
    return np.full(revision.image_shape, not revision.is_models_own)


def _by(shape: Iterable[int]) -> str:
    return " × ".join(map(str, shape))


def _listed(values: Iterable[object]) -> str:
    return ", ".join(map(str, values))
