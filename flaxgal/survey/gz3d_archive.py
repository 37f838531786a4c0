"""What SDSS's archive has of Galaxy Zoo: 3D: a table of its galaxies, and one file for each of them."""

import math
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from astropy.table import Table

from flaxgal.survey.download import Download
from flaxgal.survey.gz3d import Gz3dGalaxy, object_id_in
from flaxgal.survey.opening import kind_of, naming_damage, opened_fits
from flaxgal.survey.places import SAME_ARCSEC, arcsec_apart

__all__ = [
    "ARCHIVE",
    "Subject",
    "check_subject",
    "metadata_download",
    "read_subjects",
    "select_subjects",
    "subject_download",
]

ARCHIVE = "https://data.sdss.org/sas/dr17/manga/morphology/galaxyzoo3d/v4_0_0/"
METADATA = "gz3d_metadata.fits"
_MOST_BYTES = 50_000_000
"""A galaxy's file has about 350,000 bytes, the table some ten million."""


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A row of the archive's table: a picture that was shown, and how Galaxy Zoo 2 had voted on its galaxy."""

    object_id: str
    file_name: str
    """As the table has it: `1-304336_127_14724446.fits`."""
    manga_id: str
    ra_deg: float
    dec_deg: float
    total_votes: int
    spiral_votes: int
    bar_votes: int

    @property
    def spiral_share(self) -> float:
        """Of those who classified the galaxy, the share that saw spiral arms; NaN where nobody did."""
        return self.spiral_votes / self.total_votes if self.total_votes > 0 else math.nan

    @property
    def bar_share(self) -> float:
        """The share that saw a bar."""
        return self.bar_votes / self.total_votes if self.total_votes > 0 else math.nan


def read_subjects(path: Path | str) -> list[Subject]:
    """Every galaxy in the archive's table, in its order; a picture that is listed twice comes once.

    Raises
    ------
    ValueError
        If the file is damaged, or lacks one of the columns.
    """
    path = Path(path)
    if kind_of(path) != "FITS":
        raise ValueError(f"{path}: found a picture; wanted the table {METADATA} of Galaxy Zoo: 3D")
    with opened_fits(path) as hdus, naming_damage(path):
        tables = [hdu for hdu in hdus[1:] if getattr(hdu, "columns", None) is not None]
        if not tables:
            raise ValueError(f"{path}: found no table; wanted {METADATA} of Galaxy Zoo: 3D: fetch it again")
        table = Table.read(tables[0])
        names = {str(name).lower(): name for name in table.colnames}
        wanted = ("file_name", "mangaid", "ra", "dec", "gz_total_classifications", "gz_spiral_votes", "gz_bar_votes")
        if missing := [name for name in wanted if name not in names]:
            raise ValueError(f"{path}: found no column {', '.join(missing)}; wanted {METADATA} of Galaxy Zoo: 3D")
        columns = [table[names[name]] for name in wanted]
        subjects = [_subject(*row) for row in zip(*columns, strict=True)]
    return list({subject.file_name: subject for subject in subjects if subject.file_name}.values())


def select_subjects(
    subjects: Iterable[Subject],
    *,
    spiral_share: float | None = 0.2,
    bar_share: float | None = None,
    object_ids: Collection[str] | None = None,
) -> list[Subject]:
    """The galaxies that are wanted. Volunteers were asked to draw arms, or bars, where a share above 0.2 had seen them.

    Parameters
    ----------
    spiral_share, bar_share
        More than this share of Galaxy Zoo 2's votes; None takes all, also galaxies that nobody voted on.
    object_ids
        Only these, whatever their votes: ids, or MaNGA ids, of which one galaxy may have several pictures.
    """
    if object_ids is not None:
        named = set(object_ids)
        return [subject for subject in subjects if {subject.object_id, subject.manga_id} & named]

    def wanted(subject: Subject) -> bool:
        return (spiral_share is None or subject.spiral_share > spiral_share) and (
            bar_share is None or subject.bar_share > bar_share
        )

    return [subject for subject in subjects if wanted(subject)]


def metadata_download(folder: Path, archive: str = ARCHIVE) -> Download:
    """The table of all galaxies."""
    return Download(
        url=f"{archive.rstrip('/')}/{METADATA}", path=folder / METADATA, accept=read_subjects, most_bytes=_MOST_BYTES
    )


def subject_download(
    subject: Subject, folder: Path, accept: Callable[[Path], object], archive: str = ARCHIVE
) -> Download:
    """A galaxy's file."""
    name = f"gz3d_{subject.file_name.removeprefix('gz3d_')}.gz"
    return Download(url=f"{archive.rstrip('/')}/{name}", path=folder / name, accept=accept, most_bytes=_MOST_BYTES)


def check_subject(galaxy: Gz3dGalaxy, subject: Subject) -> None:
    """Refuse a file that holds another galaxy than its name says.

    Raises
    ------
    ValueError
        If its MaNGA id differs, or it lies elsewhere on the sky.
    """
    if galaxy.manga_id != subject.manga_id:
        raise ValueError(
            f"{subject.object_id}: the file holds MaNGA's {galaxy.manga_id or 'galaxy without a name'}; wanted "
            f"{subject.manga_id}"
        )
    ra, dec = galaxy.cutout.ra_deg, galaxy.cutout.dec_deg
    apart = math.nan if ra is None or dec is None else arcsec_apart(ra, dec, subject.ra_deg, subject.dec_deg)
    if not apart <= SAME_ARCSEC:
        raise ValueError(
            f"{subject.object_id}: the file's picture lies {apart:.0f} arcsec from ({subject.ra_deg:.5f}, "
            f"{subject.dec_deg:.5f}); wanted {SAME_ARCSEC:g} or less"
        )


def _subject(*row: Any) -> Subject:
    name, manga_id, ra, dec, *votes = row
    file_name, manga_id = _text(name), _text(manga_id)
    total, spiral, bar = (int(np.ma.filled(vote, 0)) for vote in votes)
    return Subject(
        object_id=object_id_in(file_name, ""),
        file_name=file_name,
        manga_id=manga_id,
        ra_deg=float(ra),
        dec_deg=float(dec),
        total_votes=total,
        spiral_votes=spiral,
        bar_votes=bar,
    )


def _text(value: Any) -> str:
    return (value.decode() if isinstance(value, bytes) else str(value)).strip()
