"""Several images of one galaxy, one band each, put together on one pixel grid by their sky positions."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from astropy.wcs import NoConvergence

from flaxgal.survey.cutout import Cutout

__all__ = ["merged", "position_name"]

BLUE_TO_RED = "ugrizy"
SMALLEST_SHIFT = 0.05
"""Pixels by which grids may disagree and count as one: half of it moves a tenth of a per cent of the light."""


def merged(cutouts: Sequence[Cutout], *, object_id: str) -> Cutout:
    """One cutout with all bands; in the order u g r i z y if they are some of these, else in the order given.

    Frames that are shifted by whole pixels are cut to their overlap. Where a band has no variance, it is NaN, and where
    it lacks a mask plane, that is False. Images without WCS must have the same shape.

    Raises
    ------
    ValueError
        If a band comes twice, units or the order of rows differ, or the grids do not agree to a twentieth of a pixel.
    """
    cutouts = sorted(cutouts, key=lambda cutout: _rank(cutout.bands[0])) if _all_known(cutouts) else list(cutouts)
    bands = tuple(band for cutout in cutouts for band in cutout.bands)
    twice = sorted({band for band in bands if bands.count(band) > 1})
    if twice:
        raise ValueError(f"{_names(cutouts)}: found band {' '.join(twice)} more than once; give one file for each band")
    units = sorted({cutout.unit for cutout in cutouts})
    if len(units) > 1:
        raise ValueError(
            f"{_names(cutouts)}: found fluxes in {' and '.join(units)}; wanted one unit in all bands: add the "
            f"zero point (FLUXMAG0 or MAGZERO) to the headers that lack it"
        )
    if len({cutout.first_row for cutout in cutouts}) > 1:
        raise ValueError(
            f"{_names(cutouts)}: found first rows at the bottom and at the top of the picture; give all bands as FITS, "
            f"or all as pictures"
        )
    first = cutouts[0]
    starts = np.array([_offset(first, other) for other in cutouts])  # of each frame's first pixel, on the first's grid
    ends = starts + [cutout.image_shape for cutout in cutouts]
    low, high = starts.max(0), ends.min(0)
    if (high <= low).any():
        raise _elsewhere(cutouts)
    parts = [_crop(cutout, low - start, high - low) for cutout, start in zip(cutouts, starts, strict=True)]
    return _stacked(parts, bands, object_id)


def position_name(ra_deg: float, dec_deg: float) -> str:
    """Name of a galaxy by its place, as J015939.44-031047.3 (truncated, as the IAU asks)."""
    seconds = int(ra_deg % 360 * 240 * 100)
    arcsec = int(abs(dec_deg) * 3600 * 10)
    time = f"{seconds // 360000:02d}{seconds // 6000 % 60:02d}{seconds // 100 % 60:02d}.{seconds % 100:02d}"
    angle = f"{arcsec // 36000:02d}{arcsec // 600 % 60:02d}{arcsec // 10 % 60:02d}.{arcsec % 10}"
    return f"J{time}{'-' if dec_deg < 0 else '+'}{angle}"


def _rank(band: str) -> int:
    return BLUE_TO_RED.index(band)


def _all_known(cutouts: Sequence[Cutout]) -> bool:
    return all(len(cutout.bands[0]) == 1 and cutout.bands[0] in BLUE_TO_RED for cutout in cutouts)


def _names(cutouts: Sequence[Cutout]) -> str:
    return ", ".join(cutout.object_id for cutout in cutouts)


def _elsewhere(cutouts: Sequence[Cutout]) -> ValueError:
    return ValueError(f"{_names(cutouts)}: the frames show different parts of the sky; give files of one galaxy")


def _offset(first: Cutout, other: Cutout) -> tuple[int, int]:
    """(y, x) on the first frame's grid of the other's first pixel."""
    if first is other:
        return 0, 0
    if first.wcs is None or other.wcs is None:
        if first.image_shape != other.image_shape:
            raise ValueError(
                f"{_names([first, other])}: found images of {first.image_shape} and {other.image_shape} pixels without "
                f"sky positions (WCS) to match them by; wanted a WCS in each, or one size"
            )
        return 0, 0
    y, x = other.image_shape
    corners = np.array([(0, 0), (x - 1, 0), (0, y - 1), (x - 1, y - 1)], float)
    try:
        shift = first.wcs.all_world2pix(other.wcs.all_pix2world(corners, 0), 0) - corners
    except NoConvergence:  # a distortion that is not defined so far away
        shift = np.full_like(corners, np.nan)
    if not np.isfinite(shift).all():
        raise _elsewhere([first, other])
    whole = np.rint(shift.mean(0))
    if (np.abs(whole) >= np.maximum(first.image_shape, other.image_shape)[::-1]).any():
        raise _elsewhere([first, other])
    worst = float(np.abs(shift - whole).max())
    if worst > SMALLEST_SHIFT:
        raise ValueError(
            f"{_names([first, other])}: their pixel grids differ by {worst:.2f} pixels after a shift by whole pixels; "
            f"wanted one grid: resample them to it first (for example with the reproject package)"
        )
    return int(whole[1]), int(whole[0])


def _crop(cutout: Cutout, start: Any, shape: Any) -> Cutout:
    """The part of a cutout that begins at pixel (y, x) and has that many rows and columns."""
    window = (slice(None), slice(start[0], start[0] + shape[0]), slice(start[1], start[1] + shape[1]))
    return replace(
        cutout,
        flux=cutout.flux[window],
        variance=None if cutout.variance is None else cutout.variance[window],
        mask_planes={name: plane[window] for name, plane in cutout.mask_planes.items()},
        wcs=None if cutout.wcs is None else cutout.wcs.celestial.slice(window[1:]),
    )


def _stacked(parts: Sequence[Cutout], bands: tuple[str, ...], object_id: str) -> Cutout:
    first = parts[0]
    planes = dict.fromkeys(name for part in parts for name in part.mask_planes)
    variance = None
    if any(part.variance is not None for part in parts):
        variance = np.concatenate(
            [np.full_like(part.flux, np.nan) if part.variance is None else part.variance for part in parts]
        )
    return replace(
        first,
        object_id=object_id,
        flux=np.concatenate([part.flux for part in parts]),
        bands=bands,
        variance=variance,
        mask_planes={
            name: np.concatenate([part.mask_planes.get(name, np.zeros(part.flux.shape, bool)) for part in parts])
            for name in planes
        },
        psf={band: image for part in parts for band, image in part.psf.items()},
    )
