"""As seen on the sky: no mirror images, whatever the order of rows and axes."""

import numpy as np
import pytest
from astropy.wcs import WCS

from flaxgal.survey.cutout import Cutout
from flaxgal.survey.seen import as_seen, is_mirror_image

SKY = np.arange(1, 31).reshape(5, 6)
"""North up, east to the left, the top first."""


def a_wcs(east: int, north: int, *, turn_deg: float = 0.0, latitude_first: bool = False) -> WCS:
    """East and north: the steps in right ascension along x and in declination along y, before a turn."""
    wcs = WCS(naxis=2)
    names, angle = ["RA---TAN", "DEC--TAN"], np.radians(turn_deg)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    matrix = np.diag([east, north]) @ turn / 3600
    wcs.wcs.ctype = names[::-1] if latitude_first else names
    wcs.wcs.cd = matrix[::-1] if latitude_first else matrix
    wcs.wcs.crval = [3.0, 150.0] if latitude_first else [150.0, 3.0]
    wcs.wcs.crpix = [3.5, 3.0]
    wcs.wcs.set()
    return wcs


def a_cutout(pixels, first_row, wcs=None) -> Cutout:
    return Cutout(object_id="a", flux=pixels[None], bands=("r",), unit="nJy", wcs=wcs, first_row=first_row)


@pytest.mark.parametrize(
    ("pixels", "first_row", "wcs"),
    [
        (SKY[::-1], "bottom", None),
        (SKY, "top", None),
        (SKY[::-1], "bottom", a_wcs(-1, 1)),
        (SKY[::-1], "bottom", a_wcs(-1, 1, latitude_first=True)),
        (SKY[::-1, ::-1], "bottom", a_wcs(1, 1)),
        (SKY[::-1, ::-1], "bottom", a_wcs(1, 1, latitude_first=True)),
        (SKY, "top", a_wcs(-1, -1)),
        (SKY[:, ::-1], "top", a_wcs(1, -1)),
    ],
)
def test_one_sky_is_seen_whatever_the_order_of_rows_columns_and_axes(pixels, first_row, wcs):
    cutout = a_cutout(pixels, first_row, wcs)
    np.testing.assert_array_equal(as_seen(cutout, pixels[..., None])[..., 0], SKY)


def test_a_file_upside_down_is_seen_turned_and_not_mirrored():
    upside_down = a_cutout(SKY, "bottom", a_wcs(-1, -1))
    np.testing.assert_array_equal(as_seen(upside_down, SKY), SKY[::-1, ::-1])


@pytest.mark.parametrize("turn_deg", range(0, 360, 30))
def test_turning_the_camera_makes_no_mirror_image(turn_deg):
    for first_row in ("bottom", "top"):
        assert is_mirror_image(first_row, a_wcs(-1, 1, turn_deg=turn_deg)) == (first_row == "top")
        assert is_mirror_image(first_row, a_wcs(1, 1, turn_deg=turn_deg)) == (first_row == "bottom")
