"""Small made-up FITS files in the layouts of real surveys."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

MakeWcs = Callable[..., WCS]


def tangent_wcs(ra=150.1, dec=2.2, scale=0.168, centre=(20.0, 20.0), crpix_shift=(0.0, 0.0)) -> WCS:
    """North up, east left; (ra, dec) at pixel `centre` (x, y), counted from 1."""
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval = [ra, dec]
    wcs.wcs.crpix = [centre[0] + crpix_shift[0], centre[1] + crpix_shift[1]]
    wcs.wcs.cdelt = [-scale / 3600, scale / 3600]
    wcs.wcs.set()
    return wcs


def galaxy(shape=(40, 40), sky=0.0, noise=0.02, seed=0) -> np.ndarray:
    """An exponential disc in noise."""
    y, x = np.indices(shape)
    radius = np.hypot(y - shape[0] / 2, x - shape[1] / 2)
    light = 20 * np.exp(-radius / 4) + sky + np.random.default_rng(seed).normal(0, noise, shape)
    return light.astype(np.float32)


def write_coadd(path: Path, *, band="HSC-R", bits=None, wcs=None, image=None, mask=None, exttype=True) -> Path:
    """A coadd file as HSC's cutout service gives it."""
    image = galaxy() if image is None else image
    mask = np.zeros(image.shape, np.int32) if mask is None else mask
    header = (wcs or tangent_wcs()).to_header()
    primary = fits.PrimaryHDU()
    primary.header["FILTER"] = band
    primary.header["FLUXMAG0"] = 10 ** (0.4 * 27.0)
    hdus = [primary]
    for kind, data in (("IMAGE", image), ("MASK", mask), ("VARIANCE", np.full(image.shape, 4e-4, np.float32))):
        hdu = fits.ImageHDU(data, header)
        if exttype:
            hdu.header["EXTTYPE"] = kind
        if kind == "MASK":
            for name, bit in (bits or {"BAD": 0, "SAT": 1}).items():
                hdu.header[f"HIERARCH MP_{name}"] = bit
        hdus.append(hdu)
    fits.HDUList(hdus).writeto(path)
    return path


@pytest.fixture
def image_file(tmp_path: Path) -> Callable[..., Path]:
    """Writes a plain FITS image with the given cards."""

    def write(name="galaxy.fits", data=None, wcs=None, **cards) -> Path:
        header = wcs.to_header() if wcs is not None else fits.Header()
        header.update(cards)
        fits.PrimaryHDU(galaxy() if data is None else data, header).writeto(tmp_path / name)
        return tmp_path / name

    return write


@pytest.fixture
def coadd_file(tmp_path: Path) -> Callable[..., Path]:
    """Writes an HSC coadd file."""
    return lambda name="cutout-HSC-R-9071.fits", **what: write_coadd(tmp_path / name, **what)


@pytest.fixture
def make_wcs() -> MakeWcs:
    return tangent_wcs


@pytest.fixture
def make_galaxy() -> Callable[..., np.ndarray]:
    return galaxy
