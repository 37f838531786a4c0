import hypothesis.extra.numpy as arrays
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flaxgal.survey.frame import Frame, fit_frame

SIDES = st.integers(1, 40)
quick = settings(max_examples=50, deadline=None)


@st.composite
def pictures(draw) -> np.ndarray:
    shape = (draw(SIDES), draw(SIDES), draw(st.integers(1, 3)))
    return draw(arrays.arrays(np.float32, shape, elements=st.floats(0, 255, width=32)))


@quick
@given(picture=pictures(), size=SIDES)
def test_shrinking_keeps_the_light(picture, size):
    side = max(picture.shape[:2])
    if size <= side:
        fitted, _ = fit_frame(picture, size)
        np.testing.assert_allclose(fitted.sum((0, 1)) * (side / size) ** 2, picture.sum((0, 1)), rtol=1e-4, atol=1e-2)


@quick
@given(picture=pictures(), size=SIDES)
def test_maps_come_back_in_the_shape_of_the_picture(picture, size):
    fitted, frame = fit_frame(picture, size)
    assert fitted.shape == (size, size, picture.shape[2])
    assert frame.to_native(fitted).shape == picture.shape


@quick
@given(shape=st.tuples(SIDES, SIDES), size=SIDES, level=st.floats(0.125, 100, width=32))
def test_an_even_map_stays_even_there_and_back(shape, size, level):
    frame = Frame(shape, size)
    native = frame.to_native(np.full((size, size, 1), level, np.float32))
    np.testing.assert_allclose(native, level, rtol=1e-5)


@quick
@given(picture=pictures())
def test_a_square_of_the_right_size_passes_untouched(picture):
    square = picture[: min(picture.shape[:2]), : min(picture.shape[:2])]
    fitted, frame = fit_frame(square, len(square))
    np.testing.assert_array_equal(fitted, square)
    np.testing.assert_array_equal(frame.to_native(fitted), square)


def test_shrinking_by_two_is_the_mean_of_four_pixels():
    picture = np.arange(16.0, dtype=np.float32).reshape(4, 4, 1)
    np.testing.assert_allclose(fit_frame(picture, 2)[0][..., 0], [[2.5, 4.5], [10.5, 12.5]])


def test_a_bright_spot_stays_where_it_is():
    y, x = np.indices((48, 30))
    picture = np.exp(-((y - 30) ** 2 + (x - 11) ** 2) / 20)[..., None].astype(np.float32)
    for size in (16, 31, 64, 97):
        fitted, frame = fit_frame(picture, size)
        back = frame.to_native(fitted)[..., 0]
        assert (back * y).sum() / back.sum() == pytest.approx(30, abs=0.05)
        assert (back * x).sum() / back.sum() == pytest.approx(11, abs=0.05)


def test_eight_bit_pictures_stay_eight_bit():
    picture = np.full((10, 8, 1), 255, np.uint8)
    fitted, _ = fit_frame(picture, 5)
    assert fitted.dtype == np.uint8
    assert fitted.max() == 255
