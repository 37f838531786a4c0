"""HSC-SSP's cutout and PSF services on this computer: their addresses, parameters, lists and tars, on made-up sky."""

import functools
import io
import re
import tarfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from archives import Asked, Reply
from astropy.io import fits

SCALE = 0.168
MOST_ROWS = 1000
WITHOUT_IMAGES_BELOW = -60.0
"""Declination: the survey has no images south of it."""
CUTOUT = ("ra", "dec", "sw", "sh", "type", "image", "mask", "variance", "filter", "rerun")
PSF = ("ra", "dec", "filter", "rerun", "type", "centered")


@dataclass(kw_only=True)
class Services:
    """Answers like the survey's server; `shift_arcsec` moves the sky of some cutouts, `tracts` says which overlap."""

    rerun: str = "pdr3_wide"
    shift_arcsec: Callable[[Mapping[str, str]], float] = lambda row: 0.0
    tracts: tuple[int, ...] = (9813,)
    members: Callable[[list[tuple[tarfile.TarInfo, bytes]]], list[tuple[tarfile.TarInfo, bytes]]] = lambda made: made
    served: list[tuple[str, str, str, str]] = field(default_factory=list)
    """(service, ra, dec, filter) of every file that was sent, in order."""

    def __call__(self, asked: Asked) -> Reply:
        service = {"/das_cutout/pdr3/cgi-bin/cutout": "cutout", "/psf/pdr3/cgi/getpsf": "psf"}.get(asked.path)
        if service is None:
            return Reply(state=404)
        if asked.method == "GET":
            return self.one(service, asked.params)
        if service == "psf" and asked.params.get("bulk") != "on":
            return Reply(state=400)
        return self.many(service, asked.files.get("list", b"").decode())

    def one(self, service: str, row: Mapping[str, str]) -> Reply:
        if not self.understood(service, row, yes="on"):
            return Reply(state=400)
        if float(row["dec"]) < WITHOUT_IMAGES_BELOW:
            return Reply(state=404)
        return Reply(body=self.file(service, row), headers={"Content-Type": "image/fits"})

    def many(self, service: str, text: str) -> Reply:
        first, *lines = text.splitlines()
        names = first.removeprefix("#?").split()
        rows = [dict(zip(names, line.split(), strict=True)) for line in lines]
        if not first.startswith("#?") or len(lines) > MOST_ROWS or not rows:
            return Reply(state=400)
        if not all(self.understood(service, row, yes="true") for row in rows):
            return Reply(state=400)
        made = [
            (_member(service, number, row, tract), self.file(service, row, tract))
            for number, row in enumerate(rows, start=2)
            if float(row["dec"]) >= WITHOUT_IMAGES_BELOW
            for tract in self.tracts
        ]
        return Reply(body=_tar(self.members(made)), headers={"Content-Type": "application/x-tar"})

    def understood(self, service: str, row: Mapping[str, str], yes: str) -> bool:
        needed = CUTOUT if service == "cutout" else PSF
        if any(not row.get(name) for name in needed) or row["rerun"] != self.rerun:
            return False
        if service == "psf":
            return (row["type"], row["centered"]) == ("coadd", "true")
        halves = all(re.fullmatch(r"\d+(\.\d+)?arcsec", row[name]) for name in ("sw", "sh"))
        whole = all(row[name] == yes for name in ("image", "mask", "variance"))
        return halves and whole and row["type"] == "coadd/bg" and row["filter"].startswith("HSC-")

    def file(self, service: str, row: Mapping[str, str], tract: int = 0) -> bytes:
        self.served.append((service, row["ra"], row["dec"], row["filter"]))
        if service == "psf":
            return psf_bytes()
        size = 2 * float(row["sw"].removesuffix("arcsec"))
        dec = float(row["dec"]) + self.shift_arcsec(row) / 3600
        return coadd_bytes(float(row["ra"]), dec, size, row["filter"], tract)


def coadd_bytes(ra: float, dec: float, size_arcsec: float, band: str, tract: int = 0) -> bytes:
    """A coadd file around a place; its tract stands in its header."""
    template = _template(int(size_arcsec / SCALE) + 1, band)
    for name, value in (("CRVAL1", ra), ("CRVAL2", dec), ("TRACT", tract)):
        card = b"%-8s=" % name.encode()
        template = re.sub(card + b".{71}", card + b" %20.12f%50s" % (value, b""), template)
    return template


@functools.cache
def _template(side: int, band: str) -> bytes:
    y, x = np.indices((side, side))
    radius = np.hypot(y - side / 2, x - side / 2)
    image = (20 * np.exp(-radius / 4) + np.random.default_rng(0).normal(0, 0.02, radius.shape)).astype(np.float32)
    cards = {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 0.5, "CRVAL2": 0.5}
    cards |= {"CRPIX1": side / 2 + 0.7, "CRPIX2": side / 2 + 0.3, "CD1_1": -SCALE / 3600, "CD2_2": SCALE / 3600}
    primary = fits.PrimaryHDU()
    primary.header["FILTER"] = band
    primary.header["TRACT"] = 0.5
    primary.header["FLUXMAG0"] = 10 ** (0.4 * 27.0)
    hdus = [primary]
    mask, variance = np.zeros(image.shape, np.int32), np.full(image.shape, 4e-4, np.float32)
    for kind, data in (("IMAGE", image), ("MASK", mask), ("VARIANCE", variance)):
        hdu = fits.ImageHDU(data)
        hdu.header.update(cards | {"EXTTYPE": kind})
        if kind == "MASK":
            hdu.header.update({"MP_BAD": 0, "MP_SAT": 1})
        hdus.append(hdu)
    return _bytes_of(hdus)


@functools.cache
def psf_bytes() -> bytes:
    y, x = np.indices((43, 41))
    return _bytes_of([fits.PrimaryHDU(np.exp(-(np.hypot(y - 21, x - 20) ** 2) / 8))])


def _bytes_of(hdus) -> bytes:
    file = io.BytesIO()
    fits.HDUList(hdus).writeto(file)
    return file.getvalue()


def _member(service: str, number: int, row: Mapping[str, str], tract: int) -> tarfile.TarInfo:
    name = f"{number}-cutout-{row['filter']}-{tract}-{row['rerun']}.fits"
    if service == "psf":
        place = f"{float(row['ra']):.5f}-{float(row['dec']):.5f}"
        name = f"{number}-psf-calexp-{row['rerun']}-{row['filter']}-{tract}-4,4-{place}.fits"
    return tarfile.TarInfo(f"arch-261122-120000/{name}")


def _tar(members: list[tuple[tarfile.TarInfo, bytes]]) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as tar:
        for member, content in members:
            if member.type in (tarfile.REGTYPE, tarfile.AREGTYPE):
                member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return file.getvalue()
