"""MaNGA's hexagon is found where it was drawn, and nowhere else."""

import numpy as np
import pytest
from gz3d_files import SIDE, picture

from flaxgal.survey.hexagon import filled_in, find_hexagon


def planes(image):
    return image.transpose(2, 0, 1)


@pytest.mark.parametrize("radius", [50.0, 70.0, 83.5, 95.0])
def test_the_hexagon_is_found_to_a_pixel(radius):
    found = find_hexagon(planes(picture(radius)))
    assert found is not None
    assert abs(found.radius - radius) <= 1
    assert np.hypot(found.centre[0] - (SIDE - 1) / 2, found.centre[1] - (SIDE - 1) / 2) <= 1


def test_its_pixels_cover_all_of_the_line_and_little_else():
    with_line, without = picture(70.0).astype(int), picture(None).astype(int)
    line = abs(with_line - without).sum(axis=2) > 20
    found = find_hexagon(planes(picture(70.0))).pixels((SIDE, SIDE))
    assert (line & ~found).sum() == 0
    assert found.sum() < 4 * line.sum()


@pytest.mark.parametrize("seed", range(5))
def test_a_picture_without_a_hexagon_has_none(seed):
    assert find_hexagon(planes(picture(None, seed))) is None


def test_a_magenta_patch_is_no_hexagon():
    image = picture(None)
    image[60:140, 20:180] = [120, 40, 120]
    assert find_hexagon(planes(image)) is None


def test_a_hexagon_of_which_one_edge_lies_under_a_star_is_found():
    image = picture(70.0)
    image[SIDE // 2 - 70 : SIDE // 2 - 50, 40:160] = 250
    assert abs(find_hexagon(planes(image)).radius - 70) <= 1


def test_a_picture_too_small_for_a_bundle_has_none():
    assert find_hexagon(np.full((3, 60, 60), 9, np.uint8)) is None


def test_filled_in_pixels_look_like_the_sky_beside_them():
    image, sky = planes(picture(70.0)).astype(np.float32), planes(picture(None)).astype(np.float32)
    line = find_hexagon(image).pixels((SIDE, SIDE))
    filled = filled_in(image, line)
    np.testing.assert_array_equal(filled[:, ~line], image[:, ~line])
    assert abs(filled - sky)[:, line].mean() < 0.05 * abs(image - sky)[:, line].mean() + 2.5  # 2: the sky's noise
    assert find_hexagon(filled) is None
    np.testing.assert_array_equal(filled, np.rint(filled))


def test_where_all_is_hole_pixels_stay():
    image = np.full((3, 30, 30), 7, np.float32)
    np.testing.assert_array_equal(filled_in(image, np.ones((30, 30), bool)), image)
