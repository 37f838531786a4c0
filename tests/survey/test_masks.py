import numpy as np
import pytest
from astropy.io import fits

from flaxgal.survey.masks import bits_of, planes_of


def test_the_same_bit_means_what_each_header_says():
    bits = np.array([[0b01, 0b10]], np.int32)
    first = fits.Header({"MP_SAT": 0, "MP_CR": 1})
    second = fits.Header({"MP_SAT": 1, "MP_CR": 0})
    np.testing.assert_array_equal(planes_of(bits, first)["SAT"], [[True, False]])
    np.testing.assert_array_equal(planes_of(bits, second)["SAT"], [[False, True]])


def test_the_highest_plane_of_an_image_is_kept():
    planes = [np.eye(2, dtype=bool)] * 31
    header = fits.Header({f"MP_P{bit}": bit for bit in range(31)})
    np.testing.assert_array_equal(planes_of(bits_of(planes), header)["P30"], np.eye(2))


def test_the_sign_bit_of_a_mask_is_a_plane_too():
    bits = np.array([[-(2**31), 0]], np.int32)
    np.testing.assert_array_equal(planes_of(bits, fits.Header({"MP_TOP": 31}))["TOP"], [[True, False]])


def test_a_blank_mask_pixel_sets_no_plane():
    np.testing.assert_array_equal(
        planes_of(np.array([[np.nan, 1.0]]), fits.Header({"MP_BAD": 0}))["BAD"], [[False, True]]
    )


def test_more_planes_than_bits_are_refused():
    with pytest.raises(ValueError, match="32 mask planes for one integer image; wanted at most 31"):
        bits_of([np.zeros((1, 1), bool)] * 32)
