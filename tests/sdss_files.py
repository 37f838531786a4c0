"""Made-up SDSS frames in the archive's layout: small, of known light and noise, each band with a WCS of its own."""

import bz2
import io

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS

from flaxgal.survey.sdss import BANDS, Field

FIELD = Field(run=3704, camcol=3, field=91)
SHAPE = (140, 180)
CENTRE = 150.0, 2.0
SKY_COUNTS = 120.0
CALIBRATION = 0.005
"""Nanomaggies a count."""
GAIN, DARK = 4.72, 1.3225
"""Of camera column 3 in r."""


def frame_wcs(band, centre=CENTRE) -> WCS:
    """Scans run along right ascension: rows of a frame are columns of the sky. Bands lie some pixels apart."""
    number = BANDS.index(band)
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval = centre
    wcs.wcs.crpix = [SHAPE[1] / 2 + 0.31 * (number - 2), SHAPE[0] / 2 - 1.73 * (number - 2)]
    turned = np.deg2rad(0.02 * (number - 2))
    scan = np.array([[0, 1], [1, 0]]) @ [[np.cos(turned), -np.sin(turned)], [np.sin(turned), np.cos(turned)]]
    wcs.wcs.cd = scan * 0.396 / 3600
    return wcs


def light(band, galaxies, wcs) -> np.ndarray:
    """Round Gaussians: (ra, dec, flux in nanomaggies), 3 pixels wide."""
    y, x = np.indices(SHAPE)
    image = np.zeros(SHAPE)
    for ra, dec, flux in galaxies:
        at_x, at_y = wcs.all_world2pix(ra, dec, 0)
        image += flux * np.exp(-((x - at_x) ** 2 + (y - at_y) ** 2) / 18) / (18 * np.pi)
    return image * (1 + BANDS.index(band))


def frame_hdus(band, galaxies=(), *, field=FIELD, centre=CENTRE, noise_seed=None) -> fits.HDUList:
    """A frame's HDUs. With a seed, counts have the noise of electrons and of the amplifier."""
    wcs = frame_wcs(band, centre)
    image = light(band, galaxies, wcs)
    # The sky rises along the rows, on a grid eight times coarser.
    allsky = SKY_COUNTS + np.arange(SHAPE[0] // 8 + 1)[:, None] * np.ones(SHAPE[1] // 8 + 1)
    columns, rows = np.arange(SHAPE[1]) / 8, np.arange(SHAPE[0]) / 8
    if noise_seed is not None:
        random = np.random.default_rng(noise_seed)
        counts = image / CALIBRATION + SKY_COUNTS + rows[:, None]
        noisy = random.poisson(counts * GAIN) / GAIN + random.normal(0, DARK**0.5, SHAPE)
        image = (noisy - SKY_COUNTS - rows[:, None]) * CALIBRATION
    header = wcs.to_header()
    header.update(
        {"RUN": field.run, "CAMCOL": field.camcol, "FRAME": field.field, "FILTER": band, "BUNIT": "nanomaggy"}
    )
    shapes = [f"({allsky.shape[1]},{allsky.shape[0]})", "", ""]
    kinds = [f"{allsky.size}E", f"{len(columns)}E", f"{len(rows)}E"]
    arrays = [allsky[None], columns[None], rows[None]]
    sky = fits.BinTableHDU.from_columns(
        [
            fits.Column(name, kind, dim=shape or None, array=array.astype(np.float32))
            for name, kind, shape, array in zip(["ALLSKY", "XINTERP", "YINTERP"], kinds, shapes, arrays, strict=True)
        ]
    )
    calibration = fits.ImageHDU(np.full(SHAPE[1], CALIBRATION, np.float32))
    return fits.HDUList([fits.PrimaryHDU(image.astype(np.float32), header), calibration, sky])


def frame_bytes(*args, **kwargs) -> bytes:
    """A frame as the archive has it, packed with bzip2."""
    file = io.BytesIO()
    frame_hdus(*args, **kwargs).writeto(file)
    return bz2.compress(file.getvalue(), 1)
