"""A small galaxy on the sky and what somebody marked on it, for tests of layers and files."""

import numpy as np
from astropy.wcs import WCS

from flaxgal.labels.revisions import Revision
from flaxgal.survey.cutout import Cutout

SHAPE = (24, 32)


def sky_wcs():
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval, wcs.wcs.crpix = [150.0, 2.0], [16.5, 12.5]
    wcs.wcs.cdelt = [-0.168 / 3600, 0.168 / 3600]
    wcs.wcs.set()
    return wcs


def galaxy(**changes):
    flux = np.random.default_rng(0).normal(0, 1, (3, *SHAPE)).astype(np.float32)
    flux[:, 10:14, 12:20] += 100
    known = {"object_id": "galaxy 1", "flux": flux, "bands": ("g", "r", "i"), "unit": "nJy", "wcs": sky_wcs()}
    return Cutout(**(known | changes))


def revision(**changes):
    mask = np.zeros(SHAPE, np.uint8)
    mask[3:6, 4:9], mask[10, 10], mask[20, :3] = 1, 2, 255
    known = {"object_id": "galaxy 1", "annotator": "anna", "origin": "drawn", "cutout_sha256": "0"}
    return Revision(**(known | {"classes": ("arm", "bar"), "mask": mask} | changes))
