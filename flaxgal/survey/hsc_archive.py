"""HSC-SSP's cutout and PSF services: what to ask them, one file at a time or by lists, and whether what came is right.

One file: GET with the position, half the side, the filter and the rerun. Many: POST of a list, one row a file, at most
1,000 rows; the answer is a tar whose files' names begin with the row's line number in the list (the first row's is 2).
A position without images has no file in the tar.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote, urlsplit

import numpy as np

from flaxgal.survey.answers import Answer, BrokenError, NotThereError, RefusedError
from flaxgal.survey.catalog import Place
from flaxgal.survey.cutout import Cutout, read_cutout, wcs_centre_deg
from flaxgal.survey.download import Download, fetch, is_there, named, write_accepted
from flaxgal.survey.hsc import read_psf
from flaxgal.survey.http import Ask, Client
from flaxgal.survey.tar import files_in_tar

__all__ = ["KINDS", "MOST_ROWS", "HscArchive", "Piece", "check_cutout", "fetch_list", "fetch_piece", "pieces_of"]

KINDS = ("coadd/bg", "coadd")
"""With the sky around large galaxies kept, as fluxes need it; or with a local sky removed, which clips outskirts."""

MOST_ROWS = 990
"""Rows of one list: the service takes 1,000."""

PIXEL_ARCSEC = 0.168
SLACK_PIXELS = 2.5
"""Frames are cut at whole pixels, and the service and flaxgal may round differently."""
BYTES_PER_PIXEL = 12
"""Image, mask and variance."""
TABLES_BYTES = 2**26
"""What else a file may hold: headers, and the archives of PSFs and inputs that some releases add."""

What = Literal["cutout", "psf"]


@dataclass(frozen=True, kw_only=True)
class HscArchive:
    """Which images of HSC-SSP are asked for, and where."""

    release: str = "pdr3"
    rerun: str = ""
    """Such as pdr3_wide, pdr3_dud or pdr3_dud_rev; empty: RELEASE_wide."""
    kind: str = "coadd/bg"
    """One of `KINDS`."""
    address: str = "https://hsc-release.mtk.nao.ac.jp"

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"HSC images of the kind {self.kind!r}; wanted one of {', '.join(KINDS)}")
        for name, value in (("release", self.release), ("rerun", self.rerun or "_")):
            if not re.fullmatch(r"\w+", value):
                raise ValueError(f"HSC {name} {value!r}; wanted letters, digits and underscores, such as pdr3")
        Ask(url=self.address)
        object.__setattr__(self, "rerun", self.rerun or f"{self.release}_wide")

    @property
    def host(self) -> str:
        """The server's name, which logins are for."""
        return urlsplit(self.address).hostname or ""

    def url(self, what: What) -> str:
        """The address of a service."""
        service = {"cutout": f"das_cutout/{self.release}/cgi-bin/cutout", "psf": f"psf/{self.release}/cgi/getpsf"}
        return f"{self.address.rstrip('/')}/{service[what]}"


@dataclass(frozen=True, kw_only=True)
class Piece:
    """One file that is wanted of a galaxy: its cutout in one band, or the point-spread function there."""

    what: What
    place: Place
    band: str
    path: Path
    archive: HscArchive

    @property
    def label(self) -> str:
        """What sentences call it."""
        return f"{self.place.object_id} {filter_of(self.band)}{' psf' if self.what == 'psf' else ''}"

    @property
    def most_bytes(self) -> int:
        """More than an honest file has."""
        side = self.place.size_arcsec / PIXEL_ARCSEC + 2 * SLACK_PIXELS
        return TABLES_BYTES + int(BYTES_PER_PIXEL * side**2)

    @property
    def params(self) -> dict[str, str]:
        """The question about it, by the service's own words."""
        where = {"ra": f"{self.place.ra_deg:.9f}", "dec": f"{self.place.dec_deg:.9f}"}
        band = {"filter": filter_of(self.band), "rerun": self.archive.rerun}
        if self.what == "psf":
            return where | band | {"type": "coadd", "centered": "true"}
        half = f"{self.place.size_arcsec / 2:.3f}arcsec"
        parts = dict.fromkeys(("image", "mask", "variance"), "on")
        return where | {"sw": half, "sh": half, "type": self.archive.kind} | parts | band

    def download(self) -> Download:
        """The same as one file to fetch."""
        blank = {"tract": "", "patch": ""} if self.what == "psf" else {"tract": ""}
        return Download(
            url=self.archive.url(self.what),
            path=self.path,
            accept=self.accept,
            params=self.params | blank,
            most_bytes=self.most_bytes,
            label=self.label,
        )

    def accept(self, path: Path) -> None:
        """Raise ValueError unless a file is this piece."""
        if self.what == "psf":
            read_psf(path)
        else:
            check_cutout(read_cutout(path), self.place, self.band)


def filter_of(band: str) -> str:
    """HSC's name of a band: HSC-I for i; narrow bands keep theirs (NB0816)."""
    return f"HSC-{band.upper()}" if re.fullmatch("[grizy]", band) else band


def pieces_of(
    place: Place, bands: Sequence[str], folder: Path, archive: HscArchive, *, psf: bool = True
) -> tuple[Piece, ...]:
    """The files that make up a galaxy, all in a folder of its own; other questions lead to other folders."""
    asked = repr((astuple(archive), place.ra_deg, place.dec_deg, place.size_arcsec))
    readable = re.sub(r"^\.", "%2E", quote(place.object_id, safe="+"))[:80]
    whole_id = hashlib.sha256(f"{place.object_id} {asked}".encode()).hexdigest()[:16]
    own = folder / f"{readable}.{whole_id}"
    kinds: tuple[What, ...] = ("cutout", "psf") if psf else ("cutout",)
    return tuple(
        Piece(what=what, place=place, band=band, archive=archive, path=own / f"{what}-{filter_of(band)}.fits")
        for what in kinds
        for band in bands
    )


def check_cutout(cutout: Cutout, place: Place, band: str) -> None:
    """Raise ValueError unless this is the coadd of this band around this place.

    The frame must hold the place and reach no further from it than half the side that was asked for; it may be smaller,
    as at the edges of the survey.
    """
    if cutout.bands != (band,):
        raise ValueError(f"found an image in {' '.join(cutout.bands)}; wanted {filter_of(band)}")
    if cutout.variance is None or not cutout.mask_planes or cutout.unit != "nJy":
        raise ValueError("found an image without its mask, variance or zero point; wanted a coadd of HSC")
    if cutout.wcs is None or cutout.pixel_scale_arcsec is None:
        raise ValueError("found an image without a place on the sky (WCS); wanted a coadd of HSC")
    here = np.array(cutout.wcs.celestial.all_world2pix(place.ra_deg, place.dec_deg, 0, quiet=True), float)
    size = np.array(cutout.image_shape[::-1])
    before, after = here + 0.5, size - 0.5 - here  # from the frame's edges to the place
    reach = place.size_arcsec / 2 / cutout.pixel_scale_arcsec + SLACK_PIXELS
    if not (np.concatenate([before, after]) >= 0).all() or max(before.max(), after.max()) > reach:
        ra, dec = wcs_centre_deg(cutout.wcs, cutout.image_shape)
        side = size.max() * cutout.pixel_scale_arcsec
        raise ValueError(
            f"found another place of the sky ({side:.1f}″ around {ra:.5f} {dec:+.5f}); wanted {place.size_arcsec:.1f}″ "
            f"around {place.ra_deg:.5f} {place.dec_deg:+.5f}"
        )


def fetch_piece(client: Client, piece: Piece) -> int:
    """Fetch one file unless it is there; the number of bytes that came. Raises as `fetch` does."""
    return fetch(client, piece.download()) or 0


def fetch_list(client: Client, pieces: Sequence[Piece]) -> tuple[int, dict[Piece, Exception]]:
    """Fetch files of one kind by one list; the number of bytes that came, and why those did not come that did not.

    Files that are there are not asked for. When the answer breaks off, the next try asks for the rest.

    Raises
    ------
    StoppedError
        As `Client.ask` does.
    """
    basket = _Basket(pieces)
    if not basket.left:
        return 0, {}
    one = pieces[0]
    if len({(piece.what, piece.archive) for piece in pieces}) > 1 or len(pieces) > MOST_ROWS:
        raise ValueError(f"{len(pieces)} files in one list; wanted at most {MOST_ROWS} of one kind")
    fault: ValueError | BrokenError | None = None
    try:
        client.ask(lambda: basket.ask(one), basket.take)
    except (ValueError, BrokenError) as error:
        fault = error
    none_there = f"{one.archive.host}: no images there in {one.archive.rerun}"
    faults: dict[Piece, Exception] = {piece: NotThereError(f"{piece.label}: {none_there}") for piece in basket.absent}
    for piece in basket.left:
        reason = basket.wrong.get(piece) or fault
        if reason is not None:
            faults[piece] = named(piece.label, reason)
    return basket.size, faults


class _Basket:
    """The files of one list: those still to be asked for, those that came wrong, those that the archive has not."""

    def __init__(self, pieces: Iterable[Piece]) -> None:
        self.left = [piece for piece in pieces if not is_there(piece.download())]
        self.wrong: dict[Piece, ValueError] = {}
        self.absent: list[Piece] = []
        self.size = 0
        self._sent: list[Piece] = []

    def ask(self, one: Piece) -> Ask:
        """The question for all that is left."""
        self._sent = list(self.left)
        return Ask(
            url=one.archive.url(one.what),
            params={"bulk": "on"} if one.what == "psf" else {},
            files={"list": _rows(self._sent)},
            most_bytes=2**20 + sum(piece.most_bytes for piece in self._sent),
        )

    def take(self, answer: Answer) -> None:
        """Keep every file that is right; a tar that came whole also says which files there are none of."""
        tracts: dict[Piece, int] = {}
        came: set[Piece] = set()
        largest = max(piece.most_bytes for piece in self._sent)
        try:
            for name, content in files_in_tar(answer, most_files=4 * len(self._sent), most_bytes=largest):
                piece, tract = self._row_of(name)
                came.add(piece)
                # Where tracts overlap there is a file of each: the same tract for every band.
                if tract < tracts.get(piece, tract + 1) and self._keep(piece, content):
                    tracts[piece] = tract
            while answer.read():
                pass  # what fills the tar up to its block
        except BrokenError:
            if self.left:
                raise
        self.absent += [piece for piece in self.left if piece not in came]
        self.left = [piece for piece in self.left if piece in came]
        if self.left:
            raise self.wrong[self.left[0]]

    def _keep(self, piece: Piece, content: Any) -> bool:
        try:
            self.size += write_accepted(content, piece.download())
        except ValueError as error:
            self.wrong[piece] = error
            return False
        if piece in self.left:
            self.left.remove(piece)
        return True

    def _row_of(self, name: str) -> tuple[Piece, int]:
        """The row that a file of the tar belongs to, and its tract."""
        line = re.match(r"(\d{1,4})-", name)
        number = int(line[1]) - 2 if line else -1
        if not 0 <= number < len(self._sent):
            raise RefusedError("the tar holds a file that belongs to no row of the list; wanted its line number first")
        tract = re.search(r"-(?:HSC-[A-Z]\d?|NB\d+|IB\d+)-(\d+)-", name)
        return self._sent[number], int(tract[1]) if tract else 0


def _rows(pieces: Sequence[Piece]) -> bytes:
    """A list as the services read it: the names of the columns, then a row a file."""
    names = list(pieces[0].params)
    if pieces[0].what == "cutout":
        on = {"on": "true"}
        rows = [[on.get(value, value) for value in piece.params.values()] for piece in pieces]
    else:
        rows = [list(piece.params.values()) for piece in pieces]
    return "".join(f"{line}\n" for line in [f"#? {' '.join(names)}", *map(" ".join, rows)]).encode()
