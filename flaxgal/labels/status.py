"""What a label store holds, counted: how far the work is, and whose it is."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from flaxgal.labels.records import Galaxy, StoredRevision

__all__ = ["StoreStatus", "count"]


@dataclass(frozen=True, kw_only=True)
class StoreStatus:
    """What a store holds, counted over galaxies (by their latest revision) unless a name says otherwise."""

    galaxies: int
    labelled: int
    without_marks: int
    """Labelled, and said to have no arms: not the same as unlabelled."""
    revisions: int
    galaxies_by_survey: Mapping[str, int]
    labelled_by_survey: Mapping[str, int]
    revisions_by_annotator: Mapping[str, int]
    revisions_by_origin: Mapping[str, int]
    damaged: tuple[str, ...] = ()
    """One sentence for each file that could not be read."""

    @property
    def unlabelled(self) -> int:
        """Galaxies that nobody has said anything about."""
        return self.galaxies - self.labelled

    def items(self) -> Iterator[tuple[str, int]]:
        """Every count with the words to print before it."""
        yield "galaxies", self.galaxies
        yield "labelled", self.labelled
        yield "of these without arms", self.without_marks
        yield "unlabelled", self.unlabelled
        for survey, number in self.galaxies_by_survey.items():
            yield f"galaxies of {survey or 'unknown survey'}", number
            yield "of these labelled", self.labelled_by_survey.get(survey, 0)
        yield "revisions", self.revisions
        for annotator, number in self.revisions_by_annotator.items():
            yield f"by {annotator}", number
        for origin, number in self.revisions_by_origin.items():
            yield origin, number
        yield "damaged files", len(self.damaged)


def count(
    galaxies: Mapping[str, Galaxy], history: Sequence[StoredRevision], damaged: Iterable[str] = ()
) -> StoreStatus:
    """The counts of a store's galaxies and of all their revisions, oldest first for each galaxy."""
    latest = {stored.object_id: stored for stored in history}
    return StoreStatus(
        galaxies=len(galaxies),
        labelled=len(latest),
        without_marks=sum(stored.marked_pixels == 0 for stored in latest.values()),
        revisions=len(history),
        galaxies_by_survey=_counted(galaxy.survey for galaxy in galaxies.values()),
        labelled_by_survey=_counted(galaxies[name].survey for name in latest),
        revisions_by_annotator=_counted(stored.provenance.annotator for stored in history),
        revisions_by_origin=_counted(stored.provenance.origin for stored in history),
        damaged=tuple(damaged),
    )


def _counted(names: Iterable[str]) -> Mapping[str, int]:
    """How often each name occurs, most frequent first."""
    return dict(Counter(names).most_common())
