"""Galaxy Zoo: 3D into a label store: pictures, and people's votes on arms and bars as revisions."""

from collections.abc import Collection, Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from flaxgal.fetch import FETCHING, alone
from flaxgal.labels.revisions import Revision, utc_now
from flaxgal.labels.store import Store
from flaxgal.survey.answers import Politeness
from flaxgal.survey.download import Event, Failed, counted, download, fetch, in_parallel
from flaxgal.survey.gz3d import Drawing, Gz3dGalaxy, read_gz3d
from flaxgal.survey.gz3d_archive import (
    ARCHIVE,
    Subject,
    check_subject,
    metadata_download,
    read_subjects,
    select_subjects,
    subject_download,
)
from flaxgal.survey.http import Client
from flaxgal.survey.prediction import CLASS_CODES

__all__ = ["VOTES", "fetch_gz3d", "import_gz3d", "revisions_by_person", "votes_revision"]

VOTES = "GZ3D volunteers"
"""The annotator of shares of people."""
PERSON = "GZ3D volunteer "
"""The annotator of one person's drawing, before the number of the classification."""


def fetch_gz3d(
    store: Store,
    *,
    files: Path | str | None = None,
    spiral_share: float | None = 0.2,
    bar_share: float | None = None,
    object_ids: Collection[str] | None = None,
    by_person: bool = False,
    keep_files: bool = False,
    archive: str = ARCHIVE,
    politeness: Politeness | None = None,
) -> Iterator[Event]:
    """Fetch galaxies of Galaxy Zoo: 3D with their votes; an event, of the `Subject`, for each.

    The votes come as one revision by `VOTES`, the share of people that marked each pixel; or each person's drawing as a
    revision of its own, for consensus and agreement. Both in one store would count everybody twice, so it is one or the
    other. Revisions carry the time when people drew, so that what anybody drew later stays the latest.

    A galaxy that is in the store with its votes is not asked for again. A name in `object_ids` that the archive's table
    does not have comes as `Failed`, of the name.

    Parameters
    ----------
    files
        Folder for the archive's table, and for galaxies' files while they come; files that lie there are not asked
        for. By default a hidden one in the store.
    spiral_share, bar_share, object_ids
        Which galaxies: see `select_subjects`.
    by_person
        Each person's drawing as a revision.
    keep_files
        Leave galaxies' files in the folder; otherwise each is deleted when the store has what it holds.

    Raises
    ------
    ValueError
        If the store has votes of the other kind, or no galaxy is selected, or the table cannot be had, or another
        process is fetching into the store.
    OSError
        As `download` raises it.
    """
    _check_kind(store, by_person)
    files = Path(files or store.path / FETCHING)
    table = metadata_download(files, archive)
    for event in download([table], politeness=politeness):
        if isinstance(event, Failed):
            raise ValueError(event.reason)
    subjects = select_subjects(
        read_subjects(table.path), spiral_share=spiral_share, bar_share=bar_share, object_ids=object_ids
    )
    unknown = _unknown(object_ids or (), subjects, table.path)
    if not subjects and not unknown:
        raise ValueError(f"{table.path}: no galaxy is selected; ask for a smaller share of votes, or name galaxies")

    def work(subject: Subject) -> int | None:
        if _has_votes(store, subject.object_id, by_person):
            return None
        return _fetch_one(client, store, subject, files, archive, by_person=by_person, keep_file=keep_files)

    with alone(store.path / FETCHING), Client(politeness) as client:
        made = in_parallel(work, subjects, threads=client.politeness.connections)
        total = len(subjects) + len(unknown)
        yield from counted(chain(unknown, made), politeness=client.politeness, total=total)


def import_gz3d(store: Store, galaxy: Gz3dGalaxy, *, by_person: bool = False, source: str = "") -> int:
    """Put a galaxy and its votes into a store; how many revisions are new.

    Raises
    ------
    ValueError
        If nobody was asked to draw on it: a revision would say that there is nothing.
    """
    if not galaxy.classes:
        raise ValueError(f"{galaxy.object_id}: nobody was asked to draw arms or a bar on this galaxy; leave it out")
    revisions = revisions_by_person(galaxy, source=source) if by_person else [votes_revision(galaxy, source=source)]
    store.add(galaxy.cutout)
    there = {line.provenance.annotator for line in store.history(galaxy.object_id)}
    new = [revision for revision in revisions if revision.annotator not in there]
    for revision in new:
        store.commit(revision)
    return len(new)


def votes_revision(galaxy: Gz3dGalaxy, *, source: str = "") -> Revision:
    """The share of people that marked each pixel, of every class that people were asked about."""
    times = [drawing.created_utc for people in galaxy.drawings.values() for drawing in people]
    people = {name: galaxy.people(name) for name in galaxy.classes}
    return Revision(
        object_id=galaxy.object_id,
        annotator=VOTES,
        origin="imported",
        source=source,
        cutout_sha256=galaxy.cutout.sha256,
        classes=galaxy.classes,
        fraction=np.stack([galaxy.share(name) for name in galaxy.classes]),
        details={"people": people, "left_out": len(galaxy.left_out)},
        created_utc=max(times) or utc_now(),
    )


def revisions_by_person(galaxy: Gz3dGalaxy, *, source: str = "") -> list[Revision]:
    """One revision a person, of the classes that this person was asked about; an empty mask for who saw none."""
    people: dict[str, dict[str, Drawing]] = {}
    for name, drawings in galaxy.drawings.items():
        for drawing in drawings:
            people.setdefault(drawing.classification_id, {})[name] = drawing
    shape = galaxy.cutout.image_shape
    return [
        Revision(
            object_id=galaxy.object_id,
            annotator=f"{PERSON}{who}",
            origin="imported",
            source=source,
            cutout_sha256=galaxy.cutout.sha256,
            classes=tuple(drawn),
            details={"people": len(people)},
            **_pixels({name: drawing.pixels(shape) for name, drawing in drawn.items()}),
            created_utc=max(drawing.created_utc for drawing in drawn.values()) or utc_now(),
        )
        for who, drawn in people.items()
    ]


def _fetch_one(
    client: Client, store: Store, subject: Subject, files: Path, archive: str, *, by_person: bool, keep_file: bool
) -> int | None:
    """Fetch a galaxy's file if it is not there, and put what it holds into the store; the bytes that came."""
    read: dict[str, Gz3dGalaxy] = {}

    def accept(path: Path) -> None:
        galaxy = read_gz3d(path, object_id=subject.object_id)
        check_subject(galaxy, subject)
        read["galaxy"] = galaxy

    wanted = subject_download(subject, files, accept, archive)
    size = fetch(client, wanted)
    import_gz3d(store, read["galaxy"], by_person=by_person, source=wanted.name)
    if not keep_file and (size is not None or files.name == FETCHING):  # a file that was there else is the user's
        wanted.path.unlink(missing_ok=True)
    return size


def _unknown(
    object_ids: Collection[str], subjects: Collection[Subject], table: Path
) -> list[tuple[str, None, ValueError]]:
    """Names that no galaxy has, each with what to say of it, as `counted` takes them."""
    there = {name for subject in subjects for name in (subject.object_id, subject.manga_id)}
    said = "no galaxy of Galaxy Zoo: 3D has this name in {}; give an id such as 1-304336_127_14724446, or a MaNGA id"
    return [(name, None, ValueError(f"{name}: {said.format(table.name)}")) for name in object_ids if name not in there]


def _has_votes(store: Store, object_id: str, by_person: bool) -> bool:
    if object_id not in store:
        return False
    lines = [line.provenance for line in store.history(object_id)]
    if not by_person:
        return any(line.annotator == VOTES for line in lines)
    people = {line.annotator: line.details["people"] for line in lines if line.annotator.startswith(PERSON)}
    return bool(people) and len(people) >= next(iter(people.values()))


def _check_kind(store: Store, by_person: bool) -> None:
    """Refuse a store that holds these people's votes in the other form."""
    for line in store.history():
        annotator = line.provenance.annotator
        if annotator == VOTES if by_person else annotator.startswith(PERSON):
            found, wanted = ("shares of people", "drawings") if by_person else ("drawings", "shares of people")
            raise ValueError(
                f"{store.path}: the store has Galaxy Zoo: 3D's votes as {found} ({line.object_id}); the same people's "
                f"{wanted} would count them twice: fetch into another store"
            )


def _pixels(marked: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """A class map; or, where one person's arm and bar overlap, which a class map cannot say, fractions of 0 and 1."""
    if sum(pixels.astype(int) for pixels in marked.values()).max() > 1:  # type: ignore[union-attr]
        return {"fraction": np.stack(list(marked.values())).astype(np.float32)}
    mask = np.zeros(next(iter(marked.values())).shape, np.uint8)
    for name, pixels in marked.items():
        mask[pixels] = CLASS_CODES[name]
    return {"mask": mask}
