"""The position angle on the sky, against matrices written down, astropy's own trigonometry, and a drawn disc."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.wcs import WCS
from astropy.wcs.utils import pixel_to_skycoord

from flaxgal.measure.catalogue import to_table
from flaxgal.measure.flux import measure_cutout
from flaxgal.measure.geometry import sky_position_angle_deg

SCALE = 0.168 / 3600
ANGLES = np.arange(0.0, 180.0, 15.0)
CENTRE = (31.0, 15.0)
"""(y, x) of the reference pixel, counted from 0."""


def sky(matrix: np.ndarray, *, dec: float = 2.0, kind: str = "cd", ctype=("RA---TAN", "DEC--TAN")) -> WCS:
    """A WCS whose reference pixel is `CENTRE` and whose matrix turns (x, y) steps into steps (east, north)."""
    wcs = WCS(naxis=2)
    wcs.wcs.ctype, wcs.wcs.crpix = list(ctype), [CENTRE[1] + 1, CENTRE[0] + 1]
    wcs.wcs.crval = [dec, 150.0] if ctype[0].startswith("DEC") else [150.0, dec]
    if kind == "cd":
        wcs.wcs.cd = SCALE * matrix
    else:
        wcs.wcs.cdelt, wcs.wcs.pc = [-SCALE, SCALE], np.diag([-1.0, 1.0]) @ matrix
    wcs.wcs.set()
    return wcs


def turned(angle_deg: float, *, mirrored: bool = False, flipped: bool = False) -> np.ndarray:
    """East to the left and north up, then turned; mirrored: east to the right; flipped: the first row at the top."""
    c, s = np.cos(np.radians(angle_deg)), np.sin(np.radians(angle_deg))
    standard = np.diag([1.0 if mirrored else -1.0, -1.0 if flipped else 1.0])
    return standard @ np.array([[c, -s], [s, c]])


def apart(one: float, other: float) -> float:
    """Angle between two axes, in degrees."""
    return abs((one - other + 90) % 180 - 90)


def test_with_north_up_and_east_left_the_y_axis_is_at_0_and_the_x_axis_at_90():
    wcs = sky(turned(0.0))
    for on_grid, on_sky in ((90.0, 0.0), (0.0, 90.0), (45.0, 135.0), (135.0, 45.0), (100.0, 10.0)):
        assert sky_position_angle_deg(on_grid, CENTRE, wcs) == pytest.approx(on_sky, abs=1e-6)


@pytest.mark.parametrize("kind", ["cd", "pc"])
@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("flipped", [False, True])
@pytest.mark.parametrize("turn", [0.0, 37.0, 90.0, 211.0])
def test_a_turned_or_mirrored_frame_turns_the_angle_as_its_matrix_says(kind, mirrored, flipped, turn):
    matrix = turned(turn, mirrored=mirrored, flipped=flipped)
    for angle in ANGLES:
        east, north = matrix @ [np.cos(np.radians(angle)), np.sin(np.radians(angle))]
        found = sky_position_angle_deg(angle, CENTRE, sky(matrix, kind=kind))
        assert 0 <= found < 180
        assert apart(found, np.degrees(np.arctan2(east, north))) < 1e-6


def test_pixels_that_are_not_square_bend_the_angle():
    matrix = np.diag([-2.0, 1.0])
    assert sky_position_angle_deg(135.0, CENTRE, sky(matrix)) == pytest.approx(np.degrees(np.arctan2(2, 1)), abs=1e-6)


def test_declination_as_the_first_axis_changes_nothing():
    plain = sky(turned(20.0))
    swapped = sky(turned(20.0)[::-1], ctype=("DEC--TAN", "RA---TAN"))
    for angle in ANGLES:
        assert (
            apart(sky_position_angle_deg(angle, CENTRE, swapped), sky_position_angle_deg(angle, CENTRE, plain)) < 1e-6
        )


@pytest.mark.parametrize("ctype", [("RA---TAN", "DEC--TAN"), ("RA---SIN", "DEC--SIN"), ("GLON-TAN", "GLAT-TAN")])
@pytest.mark.parametrize("dec", [-89.99, -30.0, 60.0, 89.999])
def test_anywhere_on_the_sky_and_in_the_frame_it_is_what_astropy_finds(ctype, dec):
    wcs = sky(turned(63.0, mirrored=True), dec=dec, ctype=ctype)
    for place, angle in (((3.0, 70.0), 20.0), ((90.0, 5.0), 133.0)):
        step = np.array([0.0, 0.5])
        x, y = place[1] + step * np.cos(np.radians(angle)), place[0] + step * np.sin(np.radians(angle))
        points: SkyCoord = pixel_to_skycoord(x, y, wcs).icrs
        truth = points[0].position_angle(points[1]).deg
        assert apart(sky_position_angle_deg(angle, place, wcs), truth) < 1e-5


def test_without_a_place_on_the_sky_there_is_no_angle():
    assert np.isnan(sky_position_angle_deg(20.0, CENTRE, None))
    assert np.isnan(sky_position_angle_deg(20.0, CENTRE, WCS(naxis=2)))
    assert np.isnan(sky_position_angle_deg(20.0, (1e7, 1e7), sky(turned(0.0), ctype=("RA---SIN", "DEC--SIN"))))


def test_the_catalogue_has_it_for_a_drawn_disc_however_the_sky_lies_on_the_grid(spiral):
    drawn = spiral(2, angle_deg=30.0, axis_ratio=0.5)
    for mirrored, turn in ((False, 0.0), (True, 0.0), (False, 70.0), (True, 130.0)):
        matrix = turned(turn, mirrored=mirrored)
        row = measure_cutout(dataclasses.replace(drawn.cutout, wcs=sky(matrix)), drawn.arm_mask)
        east, north = matrix @ [np.cos(np.radians(30.0)), np.sin(np.radians(30.0))]
        assert apart(row.position_angle_sky_deg, np.degrees(np.arctan2(east, north))) < 5.0
    table = to_table([row, measure_cutout(drawn.cutout, drawn.arm_mask)])
    assert str(table["position_angle_sky_deg"].unit) == "deg"
    assert np.isnan(table["position_angle_sky_deg"]).tolist() == [False, True]
    assert np.isfinite(table["position_angle_deg"]).all()
