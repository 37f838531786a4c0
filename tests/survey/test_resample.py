import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flaxgal.survey.resample import pixels_that_fit, resample_flux, resample_share


def gaussian_pixels(shape, sigma, pixel):
    """A round Gaussian of unit light at the frame's middle, integrated over pixels of a width: exact."""
    from scipy.special import erf

    def line(number):
        edges = (np.arange(number + 1) - number / 2) * pixel
        return np.diff(erf(edges / sigma / np.sqrt(2))) / 2

    return np.outer(line(shape[0]), line(shape[1]))


@settings(deadline=None)  # the first call imports scipy
@given(y=st.integers(3, 40), x=st.integers(3, 40), step=st.floats(0.2, 6), seed=st.integers(0, 99))
def test_light_is_conserved_in_a_frame_that_holds_all_of_the_old_one(y, x, step, seed):
    image = np.random.default_rng(seed).normal(1, 1, (y, x))
    new = (int(np.ceil(y / step)) + 2, int(np.ceil(x / step)) + 2)
    assert resample_flux(image, new, step).sum() == pytest.approx(image.sum(), rel=1e-9, abs=1e-9)


@settings(deadline=None)  # the first call imports scipy
@given(y=st.integers(1, 30), x=st.integers(1, 30), step=st.floats(0.2, 6))
def test_a_mask_that_covers_all_covers_all_and_shares_stay_between_0_and_1(y, x, step):
    share = resample_share(np.ones((y, x)), pixels_that_fit((y, x), step), step)
    if step <= min(y, x):
        np.testing.assert_allclose(share, 1)
    assert share.max() <= 1 + 1e-12


def test_pixels_of_the_same_size_keep_every_value():
    image = np.random.default_rng(0).normal(size=(2, 9, 12))
    np.testing.assert_allclose(resample_flux(image, (9, 12), 1.0), image, atol=1e-12)
    np.testing.assert_allclose(resample_flux(image, (5, 6), 1.0), image[:, 2:7, 3:9], atol=1e-12)


@pytest.mark.parametrize("step", [0.424, 1 / 3, 1.7, 2.3571])
def test_a_star_lands_where_its_light_would_have_fallen(step):
    """Against the integral over the new pixels: within 0.5 % of the brightest pixel, also half a pixel off."""
    old = gaussian_pixels((60, 61), 2.0 * max(1, step) ** 0.5, 1.0)
    new = pixels_that_fit(old.shape, step)
    truth = gaussian_pixels(new, 2.0 * max(1, step) ** 0.5, step)
    assert np.abs(resample_flux(old, new, step) - truth).max() < 0.005 * truth.max()


def test_a_share_is_the_mean_over_the_area_of_a_pixel():
    """Against 1,000 points a side of each new pixel."""
    mask = (np.random.default_rng(1).random((12, 12)) > 0.5).astype(float)
    step, new = 2.6, 4
    places = 6 + (np.arange(new * 1000) + 0.5) / 1000 * step - new / 2 * step
    points = mask[places.astype(int)][:, places.astype(int)]
    expected = points.reshape(new, 1000, new, 1000).mean((1, 3))
    np.testing.assert_allclose(resample_share(mask, (new, new), step), expected, atol=1e-3)


def test_masks_are_not_taken_from_the_nearest_pixel():
    mask = np.zeros((8, 8))
    mask[:, 3] = 1
    np.testing.assert_allclose(resample_share(mask, (2, 2), 4.0), [[0.25, 0], [0.25, 0]])


def test_beyond_the_old_frame_there_is_no_light():
    assert resample_flux(np.ones((4, 4)), (8, 8), 1.0)[:2].sum() == 0
    assert resample_share(np.ones((4, 4)), (8, 8), 1.0)[:2].sum() == 0


@pytest.mark.parametrize("step", [0.0, -1.0, np.nan])
def test_pixels_of_no_size_are_refused(step):
    with pytest.raises(ValueError, match="expected a number above 0"):
        resample_flux(np.ones((4, 4)), (2, 2), step)
