"""Galaxies with T-types into a label store: cutouts from SDSS frames in five bands, and a table of their classes."""

import hashlib
from collections.abc import Iterator, Sequence, Set
from dataclasses import replace
from pathlib import Path

from flaxgal.fetch import FETCHING, alone, fault_of_kept
from flaxgal.labels.store import Store
from flaxgal.survey import nair_abraham, sdss, skyserver
from flaxgal.survey.answers import Politeness
from flaxgal.survey.download import Download, Event, Failed, counted, download, fetch, in_parallel, named
from flaxgal.survey.http import Client
from flaxgal.survey.nair_abraham import Morphology, catalogue_download, read_morphologies, write_morphologies
from flaxgal.survey.sdss import BANDS, Field, Frame, cutout_from_frames, frame_name, frame_url, read_frame

__all__ = ["fetch_nair_abraham", "fetch_sdss"]

_MOST_FRAME_BYTES = 100_000_000
_MOST_ANSWER_BYTES = 10_000_000
_SKYSERVER_QUESTIONS_A_SECOND = 0.8
"""It allows sixty a minute."""

Outcome = tuple[Morphology, int | None, BaseException | None]


def fetch_nair_abraham(
    store: Store,
    *,
    catalogue: Path | str | None = None,
    table: Path | str | None = None,
    classes: Sequence[str] = nair_abraham.CLASSES,
    size_arcsec: float = 40.0,
    bands: Sequence[str] = BANDS,
    keep_files: bool = False,
    vizier: str = nair_abraham.SERVICE,
    service: str = skyserver.SERVICE,
    archive: str = sdss.ARCHIVE,
    politeness: Politeness | None = None,
) -> Iterator[Event]:
    """Fetch the galaxies of Nair & Abraham 2010 in the classes E, S0 and Sp; an event, of the `Morphology`, for each.

    Parameters
    ----------
    catalogue
        The catalogue as a file: from CDS, or any table with ids, positions and T-types. Fetched from CDS if None.
    table
        Where to write ids, positions, T-types and classes (ECSV); by default STORE-morphology.ecsv, beside the store.
    classes
        Which of E, S0 and Sp.

    The rest as in `fetch_sdss`.

    Raises
    ------
    ValueError
        If the catalogue cannot be had or understood, or holds no galaxy of these classes.
    OSError
        As `download` raises it.
    """
    if catalogue is None:
        wanted = catalogue_download(store.path / FETCHING, vizier)
        for event in download([wanted], politeness=politeness):
            if isinstance(event, Failed):
                raise ValueError(event.reason)
        catalogue = wanted.path
    if unknown := [name for name in classes if name not in nair_abraham.CLASSES]:
        raise ValueError(f"classes {' '.join(unknown)}; wanted some of {' '.join(nair_abraham.CLASSES)}")
    galaxies = [galaxy for galaxy in read_morphologies(catalogue) if galaxy.morphology in classes]
    if not galaxies:
        raise ValueError(f"{catalogue}: no galaxy of the classes {' '.join(classes)}; is it the right catalogue?")
    write_morphologies(galaxies, Path(table or f"{store.path}-morphology.ecsv"))
    yield from fetch_sdss(
        store,
        galaxies,
        size_arcsec=size_arcsec,
        bands=bands,
        keep_files=keep_files,
        service=service,
        archive=archive,
        politeness=politeness,
    )


def fetch_sdss(
    store: Store,
    galaxies: Sequence[Morphology],
    *,
    size_arcsec: float = 40.0,
    bands: Sequence[str] = BANDS,
    keep_files: bool = False,
    service: str = skyserver.SERVICE,
    archive: str = sdss.ARCHIVE,
    politeness: Politeness | None = None,
) -> Iterator[Event]:
    """Fetch cutouts of galaxies from SDSS frames into a store; an event, of the galaxy, for each.

    The frames of a field come once for all galaxies in it. SkyServer is asked for the fields of galaxies whose
    catalogue does not tell them, forty at a time; its answers are kept. A galaxy that is in the store is not asked for
    again; `Failed` says where it is there in other bands, of another size or at another place.

    Parameters
    ----------
    size_arcsec
        Side of the cutouts.
    bands
        Some of u g r i z.
    keep_files
        Leave frames (3 MB each) in STORE/.fetching; otherwise a field's are deleted when its galaxies are in the store.

    Raises
    ------
    ValueError
        If a band or the size is none, or another process is fetching into the store.
    OSError
        As `download` raises it.
    """
    if not bands or set(bands) - set(BANDS) or len(set(bands)) < len(bands):
        raise ValueError(f"bands {' '.join(bands) or 'none'}; wanted some of {' '.join(BANDS)}, each once")
    if not 1 <= size_arcsec <= 500:
        raise ValueError(f"cutouts of {size_arcsec} arcsec; wanted 1 to 500: a frame is 590 arcsec wide")
    bands = [band for band in BANDS if band in bands]
    folder = store.path / FETCHING
    politeness = politeness or Politeness()
    one_at_a_time = replace(politeness, connections=1, most_per_second=_slower(politeness))

    def cut(work: tuple[Field, Sequence[Morphology]]) -> list[Outcome]:
        field, some = work
        return _from_field(client, store, field, some, folder, archive, bands, size_arcsec, keep_files=keep_files)

    def different(galaxy: Morphology) -> ValueError | None:
        return fault_of_kept(
            store,
            galaxy.object_id,
            at=(galaxy.ra_deg, galaxy.dec_deg),
            size_arcsec=size_arcsec,
            bands=bands,
            pixel_arcsec=sdss.PIXEL_ARCSEC,
        )

    def outcomes() -> Iterator[Outcome]:
        missing = {galaxy.object_id for galaxy in galaxies if galaxy.object_id not in store}
        yield from ((galaxy, None, different(galaxy)) for galaxy in galaxies if galaxy.object_id not in missing)
        located: dict[Field, list[Morphology]] = {}
        incomplete: set[Field | None] = set()
        with Client(one_at_a_time) as asker:
            for galaxy, field, error in _located(asker, galaxies, missing, folder, service):
                if field is None:
                    incomplete.add(None)
                    yield galaxy, None, error
                else:
                    located.setdefault(field, []).append(galaxy)
        for (field, some), results, error in in_parallel(cut, located.items(), threads=politeness.connections):
            if results is None or any(fault is not None for *_, fault in results):
                incomplete.add(field)
            yield from results or ((galaxy, None, error) for galaxy in some[:1])
        if not keep_files and None not in incomplete:  # nobody knows which frames galaxies without a field wait for
            _clear_frames(folder, [field for field in incomplete if field is not None])

    with alone(folder), Client(politeness) as client:
        yield from counted(outcomes(), politeness=politeness, total=len(galaxies))


def _clear_frames(folder: Path, but: Sequence[Field]) -> None:
    """Delete frames that a killed process left after the last galaxy on them had come."""
    needed = {frame_name(field, band) for field in but for band in BANDS}
    for path in folder.glob("frame-*.fits.bz2"):
        if path.name not in needed:
            path.unlink(missing_ok=True)


def _slower(politeness: Politeness) -> float:
    return min(politeness.most_per_second or _SKYSERVER_QUESTIONS_A_SECOND, _SKYSERVER_QUESTIONS_A_SECOND)


def _located(
    client: Client, galaxies: Sequence[Morphology], missing: Set[str], folder: Path, service: str
) -> Iterator[tuple[Morphology, Field | None, BaseException | None]]:
    """The field of each galaxy that is missing, or why there is none.

    Questions are made of the whole list, so that they are the same, and answered already, when some galaxies have come.
    """
    told = [galaxy for galaxy in galaxies if galaxy.field is not None and galaxy.object_id in missing]
    yield from ((galaxy, galaxy.field, None) for galaxy in told)
    unknown = [galaxy for galaxy in galaxies if galaxy.field is None]
    for start in range(0, len(unknown), skyserver.MOST_ROWS):
        batch = unknown[start : start + skyserver.MOST_ROWS]
        some = [galaxy for galaxy in batch if galaxy.object_id in missing]
        if not some:
            continue
        params = skyserver.crossid_params([(galaxy.ra_deg, galaxy.dec_deg) for galaxy in batch])
        name = hashlib.sha256(params["paste"].encode()).hexdigest()[:20]
        answer = Download(
            url=service,
            params=params,
            path=folder / f"fields-{name}.csv",
            accept=skyserver.read_crossid,
            most_bytes=_MOST_ANSWER_BYTES,
        )
        try:
            came = fetch(client, answer)
            found = skyserver.read_crossid(answer.path)
        except (ValueError, OSError) as error:
            yield from ((galaxy, None, named(galaxy.object_id, error)) for galaxy in some)
            continue
        lacking = [one for one in some if skyserver.nearest_field(found, one.ra_deg, one.dec_deg) is None]
        fault: Exception | None = None
        if lacking and came is None:  # SkyServer may know more by now than when this answer came
            again = replace(answer, path=answer.path.with_suffix(".again.csv"))
            try:
                again.path.unlink(missing_ok=True)
                fetch(client, again)
                found = skyserver.read_crossid(again.path)
                again.path.replace(answer.path)
            except (ValueError, OSError) as error:
                fault = error
        for galaxy in some:
            field = skyserver.nearest_field(found, galaxy.ra_deg, galaxy.dec_deg)
            yield (
                galaxy,
                field,
                named(galaxy.object_id, fault)
                if fault is not None
                else ValueError(
                    f"{galaxy.object_id}: SDSS has no object within {skyserver.RADIUS_ARCSEC:g} arcsec of "
                    f"({galaxy.ra_deg:.5f}, {galaxy.dec_deg:.5f}); check the position, or give run, camcol and "
                    f"field in the catalogue"
                ),
            )


def _from_field(
    client: Client,
    store: Store,
    field: Field,
    galaxies: Sequence[Morphology],
    folder: Path,
    archive: str,
    bands: Sequence[str],
    size_arcsec: float,
    *,
    keep_files: bool,
) -> list[Outcome]:
    """Fetch a field's frames and put its galaxies into the store; the bytes that came count for the first."""
    frames: dict[str, Frame] = {}
    size = 0
    paths = {band: folder / frame_name(field, band) for band in bands}
    for band, path in paths.items():

        def accept(file: Path, band: str = band) -> None:
            frames[band] = read_frame(file, field, band)

        wanted = Download(url=frame_url(field, band, archive), path=path, accept=accept, most_bytes=_MOST_FRAME_BYTES)
        try:
            size += fetch(client, wanted) or 0
        except (ValueError, OSError) as error:
            return [(galaxy, None, named(galaxy.object_id, error)) for galaxy in galaxies]
    results: list[Outcome] = []
    for galaxy in galaxies:
        try:
            store.add(
                cutout_from_frames(
                    frames,
                    object_id=galaxy.object_id,
                    ra_deg=galaxy.ra_deg,
                    dec_deg=galaxy.dec_deg,
                    size_arcsec=size_arcsec,
                )
            )
        except ValueError as error:
            results.append((galaxy, None, error))
            continue
        results.append((galaxy, size, None))
        size = 0
    if not keep_files:
        for path in paths.values():
            path.unlink(missing_ok=True)
    return results
