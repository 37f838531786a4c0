"""The commands `flaxgal fetch …`: galaxies and what people marked on them, from the archives into a label store."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro
from tyro.conf import Positional, arg

from flaxgal.cli_words import already, closing, say
from flaxgal.progress import bars

if TYPE_CHECKING:
    from flaxgal.survey.download import Standing

__all__ = ["fetch_commands"]

SECONDS_A_LINE = 30.0
"""Between two lines that say how far a fetch is, where no bar can be drawn."""

Catalogue = Annotated[Positional[Path], arg(metavar="CATALOGUE")]


def fetch_commands() -> Any:
    """All of them, to be put under the name `fetch`."""
    app = tyro.extras.SubcommandApp()
    app.command(name="hsc")(fetch_hsc)
    app.command(name="gz3d")(fetch_gz3d)
    app.command(name="nair-abraham")(fetch_nair_abraham)
    app.command(name="folder")(fetch_folder)
    return app


def fetch_hsc(
    catalogue: Catalogue,
    *,
    store: Path,
    bands: tuple[str, ...] = ("g", "r", "i"),
    size_arcsec: float = 60.0,
    radius_column: str = "",
    radii: float = 8.0,
    release: str = "pdr3",
    rerun: str = "",
    kind: str = "coadd/bg",
    psf: bool = True,
    rows_per_request: int = 200,
    id_column: str = "",
    ra_column: str = "",
    dec_column: str = "",
    address: str = "",
) -> int:
    """Fetch a catalogue's galaxies from Subaru HSC-SSP: image, mask, variance and point-spread function.

    Example: flaxgal fetch hsc spirals.fits --store labels/

    The account is read from FLAXGAL_HSC_USER and FLAXGAL_HSC_PASSWORD, from ~/.netrc or from the keyring. The same
    command again fetches only what is missing.

    Args:
        catalogue: Table of galaxies in any format that astropy reads, with ids and positions.
        store: The label store's folder; made when it is not there.
        bands: Such as g r i z y.
        size_arcsec: Side of the cutouts; with --radius-column of those galaxies that have no radius.
        radius_column: Column with each galaxy's radius; the side is then --radii of them.
        radii: How many radii the side is.
        release: Such as pdr3.
        rerun: Such as pdr3_wide, pdr3_dud or pdr3_dud_rev; RELEASE_wide when not given.
        kind: coadd/bg keeps the outskirts, coadd has a local sky removed.
        psf: Fetch point-spread functions, too.
        rows_per_request: Files asked for at once, at most 990; 1 asks for each by itself.
        id_column: Column with the ids, when it has no usual name.
        ra_column: Column with right ascensions, likewise.
        dec_column: Column with declinations, likewise.
        address: Another server than HSC's own.
    """
    from flaxgal.fetch import fetch_hsc as fetch
    from flaxgal.survey.catalog import Size
    from flaxgal.survey.hsc_archive import HscArchive

    where: dict[str, Any] = {"address": address} if address else {}
    size = Size(arcsec=size_arcsec, column=radius_column, radii=radii)
    return _follow(
        fetch(
            catalogue,
            store,
            size=size,
            bands=bands,
            archive=HscArchive(release=release, rerun=rerun, kind=kind, **where),
            psf=psf,
            rows_per_request=rows_per_request,
            id_column=id_column,
            ra_column=ra_column,
            dec_column=dec_column,
        ),
        store,
    )


def fetch_gz3d(
    *,
    store: Path,
    spiral_share: float | None = 0.2,
    bar_share: float | None = None,
    galaxies: tuple[str, ...] = (),
    by_person: bool = False,
    files: Path | None = None,
    keep_files: bool = False,
    address: str = "",
) -> int:
    """Fetch galaxies of Galaxy Zoo: 3D with the arms and bars that people drew on them.

    Example: flaxgal fetch gz3d --store labels/ --spiral-share 0.2

    Args:
        store: The label store's folder; made when it is not there.
        spiral_share: Galaxies of which more than this share of people said that they are spirals (0.2: the seed's cut);
            None takes all, also those that nobody voted on.
        bar_share: Likewise for bars.
        galaxies: Only these, by their ids or MaNGA ids, whatever share they have.
        by_person: Each person's drawing as a revision of its own, in place of one of everybody's shares.
        files: Folder for the archive's files; what lies there is not asked for again.
        keep_files: Leave the files in that folder.
        address: Another server than SDSS's own.
    """
    from flaxgal.fetch_gz3d import fetch_gz3d as fetch
    from flaxgal.labels.store import Store

    where: dict[str, Any] = {"archive": address} if address else {}
    events = fetch(
        Store.open_or_create(store),
        files=files,
        spiral_share=spiral_share,
        bar_share=bar_share,
        object_ids=set(galaxies) or None,
        by_person=by_person,
        keep_files=keep_files,
        **where,
    )
    return _follow(events, store)


def fetch_nair_abraham(
    catalogue: Annotated[Positional[Path | None], arg(metavar="[CATALOGUE]")] = None,
    *,
    store: Path,
    table: Path | None = None,
    classes: tuple[str, ...] = ("E", "S0", "Sp"),
    size_arcsec: float = 40.0,
    bands: tuple[str, ...] = ("u", "g", "r", "i", "z"),
    keep_files: bool = False,
    address: str = "",
    fields_address: str = "",
    catalogue_address: str = "",
) -> int:
    """Fetch Nair & Abraham's (2010) galaxies from SDSS in five bands, and write their classes into a table.

    Example: flaxgal fetch nair-abraham --store galaxies/ --classes E S0 Sp

    Args:
        catalogue: Their catalogue as a file; fetched from CDS when not given.
        store: The label store's folder; made when it is not there.
        table: Where to write T-types and classes; STORE-morphology.ecsv when not given.
        classes: Some of E, S0 and Sp.
        size_arcsec: Side of the cutouts.
        bands: Some of u g r i z.
        keep_files: Leave the survey's frames (3 MB each) in the store's folder.
        address: Another server for frames than SDSS's own.
        fields_address: Another service for the fields of galaxies than SkyServer.
        catalogue_address: Another service for the catalogue than that of CDS.
    """
    from flaxgal.fetch_sdss import fetch_nair_abraham as fetch
    from flaxgal.labels.store import Store
    from flaxgal.survey.nair_abraham import read_morphologies

    if catalogue is not None:
        read_morphologies(catalogue)  # a mistyped name leaves no empty store
    addresses = {"archive": address, "service": fields_address, "vizier": catalogue_address}
    where: dict[str, Any] = {name: value for name, value in addresses.items() if value}
    events = fetch(
        Store.open_or_create(store),
        catalogue=catalogue,
        table=table,
        classes=classes,
        size_arcsec=size_arcsec,
        bands=bands,
        keep_files=keep_files,
        **where,
    )
    return _follow(events, store)


def fetch_folder(
    folder: Annotated[Positional[Path], arg(metavar="FOLDER")],
    *,
    store: Path,
    annotator: str = "unknown",
    survey: str = "",
    pixel_scale_arcsec: float | None = None,
    table: Path | None = None,
    text_size: int = 64,
) -> int:
    """Bring data sets in a folder into a store: images with masks, or text tables (.dat) with classes or masks.

    Example: flaxgal fetch folder seed/ --store labels/ --annotator roe

    Args:
        folder: Folder with folders images and masks in it, or with tables such as nam_images_train.dat.
        store: The label store's folder; made when it is not there.
        annotator: Who drew the masks.
        survey: Where the images are from.
        pixel_scale_arcsec: Arcseconds a pixel, when the files do not say.
        table: Where to write the classes of text tables; STORE-morphology.ecsv when not given.
        text_size: Width in pixels of the pictures in text tables with masks.
    """
    from flaxgal.fetch_folder import import_folder
    from flaxgal.labels.pairs import ImportedPair
    from flaxgal.labels.store import Store
    from flaxgal.progress import track
    from flaxgal.survey.cutout import Unreadable

    if not folder.is_dir():
        raise ValueError(f"{folder}: no such folder")
    items = import_folder(
        folder,
        Store.open_or_create(store),
        annotator=annotator,
        survey=survey or None,
        pixel_scale_arcsec=pixel_scale_arcsec,
        table=table,
        text_size=text_size,
    )
    new, known, classed, left_out = 0, 0, 0, []
    for item in track(items, "galaxies"):
        if isinstance(item, Unreadable):
            left_out.append(item)
        elif isinstance(item, ImportedPair) and not item.is_new:
            known += 1
        else:
            new += 1
            classed += isinstance(item, str)
    if classed:
        say(f"classes of {classed} galaxies: {table or f'{store}-morphology.ecsv'}, for flaxgal build --morphology")
    return closing(f"{new} galaxies in {store}{already(known)}", new + known, left_out)


def _follow(events: Iterable[Any], store: Path) -> int:
    """Draw how far a fetch is, and say at the end what came and what did not, also when an archive went down."""
    from flaxgal.survey.download import Failed, Kept

    fetched, kept, failed, total = 0, 0, [], 0
    status = 0
    try:
        with _shown() as show:
            for event in events:
                if isinstance(event, Failed):
                    failed.append(event.reason)
                elif isinstance(event, Kept):
                    kept += 1
                else:
                    fetched += 1
                total = event.standing.total or event.standing.done
                show(event.standing)
    finally:
        if total or sys.exc_info()[0] is None:
            status = closing(f"{fetched} galaxies fetched into {store}{already(kept)}", fetched + kept, failed)
        if missing := total - fetched - kept:
            say(f"{missing} of {total} galaxies are missing; the same command asks for them again")
    return status


@contextmanager
def _shown() -> Iterator[Callable[[Standing], None]]:
    """A function that shows how far a fetch is: a bar on a terminal; in a pipe or a log file, a line now and then."""
    with bars() as bar:
        last = time.monotonic()

        def show(standing: Standing) -> None:
            nonlocal last
            note = f"{standing.bytes_per_second / 1e6:.1f} MB/s"
            if standing.seconds_left is not None:
                note += f", {timedelta(seconds=round(standing.seconds_left))} left"
            bar("galaxies", standing.done, standing.total, note)
            if not sys.stderr.isatty() and time.monotonic() - last >= SECONDS_A_LINE:
                last = time.monotonic()
                say(f"galaxies {standing.done}/{standing.total or '?'}, {note}")

        yield show
