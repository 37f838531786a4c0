import galsim
import numpy as np
import pytest

from flaxgal.survey.psf_matching import convolve, convolved_psf, matching_kernel, misplaced_light, moffat_psf


def star(profile, size, pixel=1.0):
    return profile.drawImage(nx=size, ny=size, scale=pixel).array.astype(float)


def gaussian(sigma, size=61):
    return star(galsim.Gaussian(sigma=sigma), size)


def width(image):
    """Standard deviation of the light along one axis."""
    x = np.arange(image.shape[1]) - (image.shape[1] - 1) / 2
    return np.sqrt((image * x**2).sum() / image.sum())


def test_a_moffat_function_agrees_with_galsims():
    ours = moffat_psf(4.2, beta=2.8, size=41)
    theirs = star(galsim.Moffat(beta=2.8, fwhm=4.2), 41)
    assert misplaced_light(ours, theirs) < 2e-3
    assert ours.sum() == pytest.approx(1)


@pytest.mark.parametrize(("narrow", "wide"), [(1.5, 2.5), (2.0, 2.2), (1.2, 5.0)])
def test_two_gaussians_are_matched_by_a_third(narrow, wide):
    kernel = matching_kernel(gaussian(narrow), gaussian(wide))
    assert width(kernel) == pytest.approx(np.sqrt(wide**2 - narrow**2), rel=0.02)
    assert kernel.sum() == pytest.approx(1, abs=1e-12)
    assert misplaced_light(convolved_psf(gaussian(narrow), kernel), gaussian(wide)) < 3e-3


@pytest.mark.parametrize(("fwhm", "wanted"), [(3.3, 6.0), (3.57, 7.74), (13.1, 17.0)])
def test_two_moffat_functions_are_matched(fwhm, wanted):
    narrow, wide = moffat_psf(fwhm, beta=3.5), moffat_psf(wanted, beta=2.5)
    after = convolved_psf(narrow, matching_kernel(narrow, wide))
    assert misplaced_light(narrow, wide) > 0.15
    assert misplaced_light(after, wide) < 0.002


def test_a_sharper_seeing_is_not_pretended():
    wide, narrow = moffat_psf(6.0), moffat_psf(3.0)
    kernel = matching_kernel(wide, narrow)
    assert misplaced_light(convolved_psf(wide, kernel), narrow) > 0.1
    assert (kernel**2).sum() < 20  # an unregularised ratio has a noise gain of millions


def test_a_psf_off_its_middle_moves_no_star():
    off = star(galsim.Moffat(beta=3, fwhm=4).shift(0.7, -0.4), 41)
    kernel = matching_kernel(off, moffat_psf(7.0))
    y, x = np.indices(kernel.shape) - (len(kernel) - 1) / 2
    near = np.hypot(y, x) < 8
    assert abs((kernel * x)[near].sum()) < 0.05
    assert abs((kernel * y)[near].sum()) < 0.05


def test_convolution_loses_no_light_at_the_edges_and_keeps_an_even_sky():
    image = np.random.default_rng(0).random((30, 40))
    image[0, 0] = 100
    kernel = moffat_psf(5.0, size=21)
    assert convolve(image, kernel).sum() == pytest.approx(image.sum(), rel=1e-9)
    np.testing.assert_allclose(convolve(np.full((12, 9), 7.0), kernel), 7.0)


def test_light_moved_by_a_whole_pixel_is_misplaced_light():
    assert misplaced_light(gaussian(2.0), gaussian(2.0)) < 1e-12
    assert misplaced_light(gaussian(2.0, 41), gaussian(2.0, 61)) < 1e-6
    assert misplaced_light(gaussian(0.3), gaussian(8.0)) > 0.9


@pytest.mark.parametrize(("fwhm", "beta"), [(0.0, 3.0), (-1.0, 3.0), (np.nan, 3.0), (3.0, 1.0)])
def test_an_impossible_seeing_is_refused(fwhm, beta):
    with pytest.raises(ValueError, match="expected above 0 and above 1"):
        moffat_psf(fwhm, beta=beta)


def test_a_psf_without_light_is_refused():
    with pytest.raises(ValueError, match="sums to 0, expected an image of a star"):
        matching_kernel(np.zeros((5, 5)), moffat_psf(3.0))
