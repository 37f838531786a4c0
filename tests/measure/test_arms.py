"""Arms told apart and measured, against spirals whose truth is a formula and mocks whose truth is exact."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from astropy.wcs import WCS
from spirals import pieces, spiral_mask

from flaxgal.measure.arms import arm_crest, measure_arms
from flaxgal.measure.flags import Flag
from flaxgal.measure.flux import measure_cutout
from flaxgal.measure.geometry import Ellipse, disc_plane

ROUND = Ellipse((63.5, 63.5), 1.0, 0.0)
INCLINED = Ellipse((63.5, 63.5), 0.6, 35.0)


def sky(handedness: int) -> WCS:
    """North up; east to the left for +1, to the right for −1."""
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.cdelt = [-handedness * 1e-4, 1e-4]
    wcs.wcs.set()
    return wcs


@pytest.mark.parametrize("pitch", [8.0, 12.0, 18.0, 25.0, 35.0, 45.0])
@pytest.mark.parametrize("ellipse", [ROUND, INCLINED])
@pytest.mark.parametrize("sense", [1, -1])
def test_the_pitch_angle_of_a_logarithmic_spiral_is_found_to_0_3_degrees(pitch, ellipse, sense):
    found = measure_arms(spiral_mask(pitch, sense=sense, ellipse=ellipse, width=3.0), ellipse)
    assert found.number_of_arms == 2
    assert found.chirality == ("Z" if sense > 0 else "S")
    assert found.pitch_angle_deg == pytest.approx(pitch, abs=0.3)
    for arm in found.arms:
        assert arm.width_pixels == pytest.approx(3.0, abs=0.3)
        assert arm.length_pixels == pytest.approx(40.0 / np.sin(np.radians(pitch)), rel=0.06)


@pytest.mark.parametrize("arms", [1, 2, 3, 4])
def test_arms_are_counted_also_when_they_wind_more_than_once_and_touch_at_the_middle(arms):
    mask = spiral_mask(13.0, arms=arms, radii=(5.0, 55.0), width=3.5)
    y, x = np.indices(mask.shape) - 63.5
    assert measure_arms(mask | (np.hypot(y, x) < 6.5), ROUND).number_of_arms == arms


def test_a_broken_arm_is_one_arm():
    mask = pieces(spiral_mask(18.0, width=4.0), gap=(18.0, 24.0))
    found = measure_arms(mask, ROUND)
    assert found.number_of_arms == 2
    assert found.pitch_angle_deg == pytest.approx(18.0, abs=0.3)
    assert min(found.arms[0].widths_pixels) < 0.5 * max(found.arms[0].widths_pixels)


def test_arms_are_ordered_by_length_and_labelled_in_that_order():
    long, short = spiral_mask(20.0, arms=1), spiral_mask(20.0, arms=1, radii=(8.0, 25.0), turn_deg=200.0)
    found = measure_arms(long | short, ROUND)
    assert [arm.length_pixels for arm in found.arms] == sorted((a.length_pixels for a in found.arms), reverse=True)
    assert (found.labels[long] == 1).mean() > 0.97
    assert (found.labels[short] == 2).mean() > 0.97
    assert [arm.area_pixels for arm in found.arms] == [int((found.labels == k).sum()) for k in (1, 2)]
    assert found.arms[1].outer_radius_pixels == pytest.approx(25.0, rel=0.05)
    assert found.arms[1].inner_radius_pixels == pytest.approx(8.0, rel=0.08)


def test_turning_the_galaxy_changes_no_pitch_angle_and_mirroring_it_turns_the_chirality():
    mask = spiral_mask(22.0, ellipse=INCLINED)
    straight = measure_arms(mask, INCLINED)
    turned = measure_arms(np.rot90(mask), Ellipse(INCLINED.centre, 0.6, (35.0 - 90.0) % 180.0))
    mirrored = measure_arms(mask[:, ::-1], Ellipse(INCLINED.centre, 0.6, 180.0 - 35.0))
    for other in (turned, mirrored):
        assert other.number_of_arms == straight.number_of_arms
        assert other.pitch_angle_deg == pytest.approx(straight.pitch_angle_deg, abs=0.01)
    assert (straight.chirality, turned.chirality, mirrored.chirality) == ("Z", "Z", "S")


def test_a_galaxy_seen_with_finer_pixels_has_the_same_pitch_angle_and_longer_arms():
    near = measure_arms(spiral_mask(20.0, size=256, radii=(16.0, 96.0), width=8.0), Ellipse((127.5, 127.5), 1.0, 0.0))
    far = measure_arms(spiral_mask(20.0), ROUND)
    assert near.pitch_angle_deg == pytest.approx(far.pitch_angle_deg, abs=0.1)
    assert near.arms[0].length_pixels == pytest.approx(2 * far.arms[0].length_pixels, rel=0.02)


SEEN = {
    ("bottom", None): "Z",
    ("bottom", 1): "Z",
    ("bottom", -1): "S",
    ("top", None): "S",
    ("top", 1): "Z",
    ("top", -1): "S",
}
"""How a spiral whose azimuth grows outwards, x to the right and y up, winds on the sky: by first row and WCS."""


@pytest.mark.parametrize(("first_row", "hand"), SEEN)
def test_the_chirality_is_that_of_the_sky_whichever_way_the_array_shows_it(first_row, hand):
    wcs = None if hand is None else sky(hand)
    assert measure_arms(spiral_mask(20.0), ROUND, first_row=first_row, wcs=wcs).chirality == SEEN[first_row, hand]


@pytest.mark.parametrize(("first_row", "hand"), SEEN)
def test_mask_and_light_of_a_cutout_agree_how_it_winds_on_the_sky(spiral, first_row, hand):
    drawn = spiral(1, size=96, scale_length=9.0)
    cutout = replace(drawn.cutout, first_row=first_row, wcs=None if hand is None else sky(hand))
    row = measure_cutout(cutout, drawn.arm_mask)
    assert {row.chirality, row.fourier.chirality, *(arm.chirality for arm in row.arms)} == {SEEN[first_row, hand]}


def test_one_galaxy_in_files_of_either_order_of_rows_is_one_row(spiral):
    drawn = spiral(1, size=96, scale_length=9.0)
    flipped = replace(
        drawn.cutout, flux=drawn.cutout.flux[:, ::-1], variance=drawn.cutout.variance[:, ::-1], first_row="top"
    )
    below, above = measure_cutout(drawn.cutout, drawn.arm_mask), measure_cutout(flipped, drawn.arm_mask[::-1])
    assert above.chirality == below.chirality == "Z"
    assert above.number_of_arms == below.number_of_arms == 2
    assert above.pitch_angle_deg == pytest.approx(below.pitch_angle_deg, abs=0.05)


@pytest.mark.parametrize("first_row", ["bottom", "top"])
def test_the_crest_of_an_arm_runs_along_its_pixels(first_row):
    mask = spiral_mask(20.0, ellipse=INCLINED, width=4.0)
    found = measure_arms(mask, INCLINED, first_row=first_row)
    for number, arm in enumerate(found.arms, start=1):
        y, x = (np.rint(place).astype(int) for place in arm_crest(arm, INCLINED, first_row=first_row))
        assert (found.labels[y, x] == number).mean() > 0.97


def test_a_wrong_axis_ratio_within_its_error_moves_the_pitch_angle_by_no_more_than_the_error_says():
    mask = spiral_mask(22.0, ellipse=INCLINED)
    for wrong in (0.53, 0.67):
        found = measure_arms(mask, Ellipse(INCLINED.centre, wrong, 35.0, axis_ratio_error=0.07))
        assert 0.05 < abs(found.pitch_angle_deg - 22.0) < 1.5 * found.pitch_angle_error_deg < 9.0


NOTHING = {
    "an empty mask": np.zeros((64, 64), bool),
    "everything": np.ones((64, 64), bool),
    "one pixel": np.pad(np.ones((1, 1), bool), (40, 23)),
    "a ring": np.abs(np.hypot(*(np.indices((64, 64)) - 31.5)) - 20) < 2,
    "a ring that is not round": np.abs(
        np.hypot((np.indices((64, 64))[0] - 31.5) / 0.8, np.indices((64, 64))[1] - 31.5) - 20
    )
    < 2,
    "a disc": np.hypot(*(np.indices((64, 64)) - 31.5)) < 15,
    "a ring with a break": (np.abs(np.hypot(*(np.indices((64, 64)) - 31.5)) - 20) < 2) & (np.indices((64, 64))[1] < 48),
}


@pytest.mark.parametrize("name", NOTHING)
def test_a_mask_that_shows_no_winding_gives_no_arms_and_says_so(name):
    found = measure_arms(NOTHING[name], Ellipse((31.5, 31.5), 0.9, 20.0, axis_ratio_error=0.05))
    assert found.arms == ()
    assert found.chirality == "-"
    assert np.isnan([found.pitch_angle_deg, found.pitch_angle_error_deg]).all()
    assert not found.labels.any()
    assert (Flag.WINDING_UNCERTAIN in found.flags) == NOTHING[name].any()


def patch(y: float, x: float, radius: float = 4.0) -> np.ndarray:
    """A round patch of pixels."""
    return np.hypot(np.indices((64, 64))[0] - y, np.indices((64, 64))[1] - x) < radius


PARTS = {
    "a patch": (patch(31.5, 48.0), 1),
    "two patches": (patch(31.5, 46.0) | patch(31.5, 15.0, 3.0), 2),
    "three patches": (patch(31.5, 48.0) | patch(17.5, 23.5) | patch(45.5, 23.5), 3),
    "a patch and a crumb": (patch(31.5, 46.0) | patch(31.5, 15.0, 1.2), 1),
    "both halves of a spoke": (np.abs(np.indices((64, 64))[0] - 31.5) < 2, 2),
}


@pytest.mark.parametrize("name", PARTS)
def test_parts_of_a_mask_that_may_wind_either_way_are_counted_and_given_no_winding(name):
    mask, number = PARTS[name]
    found = measure_arms(mask, Ellipse((31.5, 31.5), 1.0, 0.0, axis_ratio_error=0.05))
    assert found.number_of_arms == number
    assert Flag.WINDING_UNCERTAIN in found.flags
    assert {found.chirality, *(arm.chirality for arm in found.arms)} == {"-"}
    assert np.isnan([found.pitch_angle_deg, *(arm.pitch_angle_deg for arm in found.arms)]).all()
    assert [arm.area_pixels for arm in found.arms] == [int((found.labels == k + 1).sum()) for k in range(number)]
    assert [arm.area_pixels for arm in found.arms] == sorted((arm.area_pixels for arm in found.arms), reverse=True)


def test_a_part_that_may_wind_either_way_has_its_radii():
    arm = measure_arms(patch(31.5, 48.0), Ellipse((31.5, 31.5), 1.0, 0.0)).arms[0]
    assert (arm.inner_radius_pixels, arm.outer_radius_pixels) == pytest.approx((13.0, 20.0), abs=1.0)


def test_an_edge_on_disc_or_one_without_a_centre_has_no_arms():
    mask = spiral_mask(20.0)
    edge_on = measure_arms(mask, Ellipse((63.5, 63.5), 0.2, 0.0))
    assert edge_on.arms == ()
    assert Flag.EDGE_ON in edge_on.flags
    assert measure_arms(mask, Ellipse((np.nan, np.nan), 0.8, 0.0)).arms == ()


def test_a_galaxy_whose_centre_lies_beyond_the_frame_gives_finite_numbers():
    mask = spiral_mask(20.0)[:, 75:]
    found = measure_arms(mask, Ellipse((63.5, -11.5), 1.0, 0.0))
    assert found.chirality == "Z"
    assert found.pitch_angle_deg == pytest.approx(20.0, abs=1.0)


def test_most_of_the_length_decides_the_chirality_and_only_those_arms_the_pitch_angle():
    leading = spiral_mask(30.0, arms=1, sense=-1, radii=(8.0, 18.0), turn_deg=180.0)
    found = measure_arms(spiral_mask(15.0, arms=1) | leading, ROUND)
    assert found.chirality == "Z"
    assert found.pitch_angle_deg == pytest.approx(15.0, abs=1.5)


def test_disc_plane_undoes_the_inclination():
    radius, azimuth = disc_plane(Ellipse((10.0, 20.0), 0.5, 90.0), np.array([14.0, 10.0]), np.array([20.0, 22.0]))
    np.testing.assert_allclose(radius, [4.0, 4.0])
    np.testing.assert_allclose(azimuth, [0.0, -np.pi / 2], atol=1e-12)
