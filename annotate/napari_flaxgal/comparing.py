"""Two revisions side by side in the viewer: paging through a galaxy's history, picking, and blinded comparisons."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from napari_flaxgal.review import Review
from napari_flaxgal.session import Session
from napari_flaxgal.telling import told

if TYPE_CHECKING:
    from napari_flaxgal.workbench import Workbench

__all__ = ["Comparison"]


class Comparison:
    """Review in place of drawing, for as long as it is on."""

    def __init__(self, bench: Workbench) -> None:
        self.bench = bench
        self.review_of: Review | None = None
        self._was_visible = True

    @property
    def is_on(self) -> bool:
        """Whether two masks are shown in place of the drawing."""
        return self.review_of is not None

    def review(self) -> None:
        """Two revisions of this galaxy side by side, or back to drawing."""
        if self.review_of is not None:
            self.end()
        else:
            self._begin(Review.of_galaxy)

    def blind_comparison(self) -> None:
        """Judge pairs of masks of all galaxies without knowing whose they are, or stop doing so."""
        if self.review_of is not None:
            self.end()
        else:
            self._begin(Review.blind)

    @told
    def next_pair(self) -> None:
        """The next two revisions."""
        self._page(1)

    @told
    def previous_pair(self) -> None:
        """The two revisions before."""
        self._page(-1)

    def pick_left(self) -> None:
        """The left mask is better."""
        self._pick("left")

    def pick_right(self) -> None:
        """The right mask is better."""
        self._pick("right")

    def pick_neither(self) -> None:
        """Neither mask is better."""
        self._pick("neither")

    @told
    def _begin(self, start: Callable[[Session], Review]) -> None:
        if self.bench.session.blind_repeat:
            raise ValueError("this galaxy is drawn a second time without a look at the first: commit it, then compare")
        self.review_of = start(self.bench.session)
        self.bench.tracer.turn(False)
        self._was_visible = self.bench.drawing.visible
        self.bench.drawing.visible = self.bench.guesses.contours.visible = False
        self.show()

    @told
    def end(self) -> None:
        """Go back to drawing."""
        review, self.review_of = self.review_of, None
        if review is not None:
            review.take_away(self.bench.viewer)
            self.bench.viewer.canvas.overlays.text.text = self.bench.cursor
        self.bench.picture.visible = True
        self.bench.drawing.visible = self.bench.guesses.contours.visible = self._was_visible
        self.bench.viewer.layers.selection.active = self.bench.drawing
        self.bench.fit()

    def _page(self, step: int) -> None:
        if self.review_of is not None:
            self.review_of.page(step)
            self.show()

    @told
    def _pick(self, which: str) -> None:
        review = self.review_of
        if review is None:
            return
        if not review.is_blind and self.bench.session.is_changed:
            raise ValueError("your own drawing of this galaxy is not committed: commit it or throw it away, then pick")
        self.bench.saved = review.judge(which)
        if review.is_over:
            self.end()
            self.bench.show_drawing()
        else:
            self.show()

    def show(self) -> None:
        """The pair, as the bench's looks have it."""
        if self.review_of is not None:
            self.bench.picture.visible = False
            self.review_of.show(self.bench.viewer, self.bench.looks)
            self.bench.fit()
