import warnings

import numpy as np
import pytest
from astropy.stats import sigma_clipped_stats

from flaxgal.survey.sky import FEW, sky_level


@pytest.mark.parametrize("level", [0.0, 1100.0, -5.0])
@pytest.mark.parametrize("shape", [(3, 4), (17, 31), (64, 64)])
def test_agrees_with_astropy(level, shape):
    rng = np.random.default_rng(7)
    image = (level + 3 * rng.normal(size=shape)).astype(np.float32)
    image[:2, :2] += 300
    image[-1, 0] = np.nan
    _, median, deviation = sigma_clipped_stats(image, mask=np.isnan(image), sigma=3, maxiters=20)
    assert sky_level(image) == (pytest.approx(median, rel=1e-5), pytest.approx(deviation, rel=1e-3))


def test_each_image_of_a_batch_is_on_its_own(monkeypatch):
    monkeypatch.setattr("flaxgal.survey.sky.PIXELS_AT_ONCE", 500)  # several rounds
    rng = np.random.default_rng(8)
    images = rng.normal(rng.normal(size=(4, 3, 1, 1)), 1, (4, 3, 16, 16)).astype(np.float32)
    level, spread = sky_level(images)
    assert level.shape == (4, 3)
    for number in np.ndindex(4, 3):
        assert (level[number], spread[number]) == sky_level(images[number])


def test_many_images_at_once_have_the_very_skies_that_each_has_alone():
    rng = np.random.default_rng(9)
    images = (5 + rng.normal(size=(2 * FEW, 12, 9))).astype(np.float32)
    images[:, :4, :4] += rng.exponential(30, (2 * FEW, 4, 4)).astype(np.float32)
    images[::3, 0, 0], images[7] = np.nan, np.inf
    together = np.stack(sky_level(images))
    assert np.array_equal(together, np.stack([sky_level(image) for image in images], axis=1), equal_nan=True)


@pytest.mark.parametrize("number", [1, FEW + 1])
def test_a_pixel_at_exactly_three_standard_deviations_counts(number):
    pixels = np.zeros((number, 3, 6), np.float32)
    pixels[:, 0, 0], pixels[:, 2, 5] = -3, 3  # with 16 zeros: a standard deviation of 1
    level, spread = sky_level(pixels)
    assert (level == 0).all()
    assert (spread == 1).all()


def test_the_sky_under_a_galaxy_is_found(make_galaxy):
    level, spread = sky_level(make_galaxy((120, 120), sky=3.0, noise=0.5))
    assert level == pytest.approx(3.0, abs=0.05)
    assert spread == pytest.approx(0.5, rel=0.1)


def test_brightness_scales_and_offsets_come_through(make_galaxy):
    image = make_galaxy(noise=0.5)
    level, spread = sky_level(image)
    other_level, other_spread = sky_level(image * 50 + 1000)
    assert other_level == pytest.approx(level * 50 + 1000, rel=1e-4)
    assert other_spread == pytest.approx(spread * 50, rel=1e-2)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_an_image_without_a_finite_pixel_has_no_sky(value):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        level, spread = sky_level(np.full((2, 3, 3), value, np.float32))
    assert np.isnan(level).all()
    assert np.isnan(spread).all()


def test_one_pixel_is_its_own_sky():
    assert sky_level(np.full((1, 1), 4.0, np.float32)) == (4.0, 0.0)


def test_no_images_have_no_skies():
    assert sky_level(np.zeros((0, 5, 5), np.float32))[0].shape == (0,)
