"""From a survey's archive into a label store: galaxies of a catalogue, each with all its bands or not at all.

Files lie in STORE/.fetching until a galaxy has all of its own; then they become one cutout in the store and go. So a
call that was killed goes on where it was: what the store has, and what lies there, is not asked for again.
"""

from __future__ import annotations

import contextlib
import fcntl
import math
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from flaxgal.labels.store import Store
from flaxgal.survey.answers import BrokenError, LoginError, Politeness
from flaxgal.survey.catalog import Place, Size, places, read_table
from flaxgal.survey.cutout import Cutout, Unreadable, read_cutout
from flaxgal.survey.download import Event, counted, in_parallel
from flaxgal.survey.hsc_archive import (
    MOST_ROWS,
    PIXEL_ARCSEC,
    SLACK_PIXELS,
    HscArchive,
    Piece,
    fetch_list,
    fetch_piece,
    pieces_of,
)
from flaxgal.survey.http import Client
from flaxgal.survey.login import Login, find_login

__all__ = ["FETCHING", "HSC_POLITENESS", "alone", "fault_of_kept", "fetch_hsc", "fetch_hsc_places"]

HSC_POLITENESS = Politeness(connections=4, tries=5, first_wait_seconds=10.0, stall_seconds=300.0)
"""As the survey's own client: four connections, and waits that grow from ten seconds to minutes."""

FETCHING = ".fetching"
"""Folder in a store for what comes, until it is in the store."""

APART_ARCSEC = 2.0
"""A galaxy of the store that lies farther from where it is wanted is another, or was cut elsewhere."""

Row = Place | Unreadable
Outcome = tuple[Row, int | None, BaseException | None]
"""A galaxy; the bytes that came, None if it was there; what went wrong."""


def fetch_hsc(
    catalogue: Path,
    store: Path,
    *,
    size: Size | None = None,
    bands: Sequence[str] = ("g", "r", "i"),
    archive: HscArchive | None = None,
    psf: bool = True,
    rows_per_request: int = 200,
    id_column: str = "",
    ra_column: str = "",
    dec_column: str = "",
    politeness: Politeness = HSC_POLITENESS,
) -> Iterator[Event]:
    """Fetch the galaxies of a catalogue from HSC-SSP into a label store, which is started when there is none.

    The events' `download` is the galaxy: a `Place`, or an `Unreadable` for a row that says too little. The account is
    found by `find_login` (FLAXGAL_HSC_USER and FLAXGAL_HSC_PASSWORD, ~/.netrc, keyring). For the rest see
    `fetch_hsc_places`.

    Raises
    ------
    ValueError
        If the catalogue cannot be understood.
    LoginError
        If there is no account, or it is refused.
    StoppedError
        If the archive seems to be down. What came is kept.
    """
    archive = archive or HscArchive()
    table = read_table(catalogue, id_column=id_column)
    rows = places(table, size or Size(), id_column=id_column, ra=ra_column, dec=dec_column, name=Path(catalogue).name)
    login = find_login(archive.host, "FLAXGAL_HSC")
    if login is None:
        raise LoginError(
            f"{archive.host}: no account; set FLAXGAL_HSC_USER and FLAXGAL_HSC_PASSWORD, or add it to ~/.netrc (an "
            f"account is free: {archive.address})"
        )
    yield from fetch_hsc_places(
        rows,
        Store.open_or_create(store),
        bands=bands,
        archive=archive,
        psf=psf,
        rows_per_request=rows_per_request,
        login=login,
        politeness=politeness,
    )


def fetch_hsc_places(
    rows: Sequence[Row],
    store: Store,
    *,
    bands: Sequence[str] = ("g", "r", "i"),
    archive: HscArchive | None = None,
    psf: bool = True,
    rows_per_request: int = 200,
    login: Login | None = None,
    politeness: Politeness = HSC_POLITENESS,
) -> Iterator[Event]:
    """Fetch galaxies from HSC-SSP into a label store; an event for each as soon as it is there, or given up.

    A galaxy that the store has is kept as it is; `Failed` says where it is not the one that is wanted: in other bands,
    without point-spread functions, of another size or at another place.

    Parameters
    ----------
    psf
        Also the point-spread function at each galaxy's place, in each band; a galaxy without is given up.
    rows_per_request
        Files that are asked for by one list; 1: each file by a question of its own.
    """
    archive = archive or HscArchive()
    if not bands or len(set(bands)) < len(bands):
        raise ValueError(f"bands {' '.join(bands) or 'none'}; wanted one or more, each once, such as g r i")
    if not 1 <= rows_per_request <= MOST_ROWS:
        raise ValueError(f"{rows_per_request} rows a request; wanted 1 to {MOST_ROWS}")
    folder = store.path / FETCHING

    def pieces(place: Place) -> tuple[Piece, ...]:
        return pieces_of(place, tuple(bands), folder, archive, psf=psf)

    with alone(folder), Client(politeness, login) as client:
        outcomes = _outcomes(rows, store, client, pieces, rows_per_request)
        yield from counted(outcomes, politeness=politeness, total=len(rows))


def _outcomes(
    rows: Sequence[Row],
    store: Store,
    client: Client,
    pieces: Callable[[Place], tuple[Piece, ...]],
    rows_per_request: int,
) -> Iterator[Outcome]:
    """First what needs no question, then the rest as it comes."""
    missing: list[Place] = []
    for row in rows:
        if isinstance(row, Unreadable):
            yield row, None, ValueError(row.reason)
        elif row.object_id in store:
            yield row, None, _fault_of_kept(row, store, pieces(row))
        else:
            missing.append(row)
    bands = sum(piece.what == "cutout" for piece in pieces(missing[0])) if missing else 1
    batch = max(1, rows_per_request // bands)
    batches = (missing[start : start + batch] for start in range(0, len(missing), batch))

    def work(some: Sequence[Place]) -> dict[Place, int | Exception]:
        return _fetched(client, [pieces(place) for place in some], one_by_one=rows_per_request == 1)

    for some, sizes, error in in_parallel(work, batches, threads=client.politeness.connections):
        if sizes is None:
            yield some[0], None, error
            continue
        for place, size in sizes.items():
            if isinstance(size, int):
                yield _added(place, size, pieces(place), store)
            else:
                yield place, None, size


def _fetched(
    client: Client, galaxies: Sequence[tuple[Piece, ...]], *, one_by_one: bool
) -> dict[Place, int | Exception]:
    """Have the files of some galaxies on the disk; the bytes of each galaxy, or why some of its files did not come."""
    faults: dict[Place, Exception] = {}
    if one_by_one:
        for pieces in galaxies:
            try:
                for piece in pieces:
                    fetch_piece(client, piece)
            except (ValueError, BrokenError) as error:
                faults[pieces[0].place] = error
    else:
        for what in ("cutout", "psf"):
            wanted = [piece for pieces in galaxies for piece in pieces if piece.what == what]
            for start in range(0, len(wanted), MOST_ROWS):
                some = [piece for piece in wanted[start : start + MOST_ROWS] if piece.place not in faults]
                for piece, fault in fetch_list(client, some)[1].items():
                    faults.setdefault(piece.place, fault)
    return {
        pieces[0].place: faults.get(pieces[0].place) or sum(piece.path.stat().st_size for piece in pieces)
        for pieces in galaxies
    }


def _added(place: Place, size: int, pieces: Sequence[Piece], store: Store) -> Outcome:
    """Put a galaxy whose files are all there into the store, and clear them away, also if they do not fit together."""
    fault = None
    try:
        store.add(_cutout(place, pieces))
    except ValueError as error:
        named = str(error) if str(error).startswith(place.object_id) else f"{place.object_id}: {error}"
        fault = ValueError(named)
    _clear(pieces)
    return place, size, fault


def _cutout(place: Place, pieces: Sequence[Piece]) -> Cutout:
    """The files of a galaxy as one cutout, at its place in the catalogue."""
    images = [piece.path for piece in pieces if piece.what == "cutout"]
    psf = {piece.band: piece.path for piece in pieces if piece.what == "psf"}
    cutout = read_cutout(images, object_id=place.object_id, survey="HSC", psf=psf or None)
    return replace(cutout, ra_deg=place.ra_deg, dec_deg=place.dec_deg)


def _fault_of_kept(place: Place, store: Store, pieces: Sequence[Piece]) -> ValueError | None:
    """What keeps the store's galaxy of this id from being the one that is wanted."""
    _clear(pieces)
    return fault_of_kept(
        store,
        place.object_id,
        at=(place.ra_deg, place.dec_deg),
        size_arcsec=place.size_arcsec,
        bands=[piece.band for piece in pieces if piece.what == "cutout"],
        psf_in=[piece.band for piece in pieces if piece.what == "psf"],
        pixel_arcsec=PIXEL_ARCSEC,
    )


def fault_of_kept(
    store: Store,
    object_id: str,
    *,
    at: tuple[float, float],
    size_arcsec: float,
    bands: Sequence[str],
    psf_in: Sequence[str] = (),
    pixel_arcsec: float,
) -> ValueError | None:
    """How the store's galaxy of an id differs from the one that is wanted; None if it is that one.

    Its cutout is opened only if point-spread functions are wanted, or if its size is another: at the edges of a survey
    it may be smaller, but reaches as far as was asked for on one side.
    """
    kept = store.galaxy(object_id)
    faults: list[str] = []
    if lacking := [band for band in bands if band not in kept.bands]:
        faults.append(f"in {' '.join(kept.bands)}, without {' '.join(lacking)}")
    if kept.ra_deg is not None and kept.dec_deg is not None:
        distance = _arcsec_apart((kept.ra_deg, kept.dec_deg), at)
        if distance > APART_ARCSEC:
            faults.append(f"{distance:.1f}″ away from {at[0]:.5f} {at[1]:+.5f}")
    of_size = abs(max(kept.image_shape) - size_arcsec / pixel_arcsec) <= SLACK_PIXELS
    if psf_in or not of_size:
        try:
            cutout = store.cutout(object_id)
        except ValueError as error:
            return ValueError(f"{object_id}: {error}")
        if not of_size and not _reaches(cutout, size_arcsec):
            side = max(cutout.image_shape) * (cutout.pixel_scale_arcsec or math.nan)
            faults.append(f"{side:.1f}″ wide, not {size_arcsec:.1f}″")
        if without := [band for band in psf_in if band not in cutout.psf and band not in lacking]:
            faults.append(f"without point-spread functions in {' '.join(without)}")
    if not faults:
        return None
    return ValueError(
        f"{object_id}: the store has it {', '.join(faults)}; nothing in a store is replaced: fetch into another store, "
        f"or give the galaxy another id"
    )


def _reaches(cutout: Cutout, size_arcsec: float) -> bool:
    """Whether a cutout's farthest side lies half of this size from its galaxy."""
    if cutout.wcs is None or cutout.pixel_scale_arcsec is None or cutout.ra_deg is None:
        return False
    x, y = (float(one) for one in cutout.wcs.celestial.all_world2pix(cutout.ra_deg, cutout.dec_deg, 0, quiet=True))
    height, width = cutout.image_shape
    farthest = max(x + 0.5, y + 0.5, width - 0.5 - x, height - 0.5 - y)
    return abs(farthest - size_arcsec / 2 / cutout.pixel_scale_arcsec) <= SLACK_PIXELS


def _arcsec_apart(one: tuple[float, float], other: tuple[float, float]) -> float:
    """Between two near places (right ascension, declination in degrees)."""
    east = ((one[0] - other[0] + 180) % 360 - 180) * math.cos(math.radians(other[1]))
    return 3600 * math.hypot(east, one[1] - other[1])


def _clear(pieces: Sequence[Piece]) -> None:
    shutil.rmtree(pieces[0].path.parent, ignore_errors=True)


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Keep a second process from fetching into the same folder meanwhile: each would clear away the other's files."""
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("ab") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ValueError(
                f"{folder.parent}: another flaxgal fetch is running into this store; wait for it, or take another store"
            ) from None
        except OSError:  # a file system without locks
            pass
        yield
