import numpy as np
import pytest

from flaxgal.survey.cutout import Cutout
from flaxgal.survey.picture_light import Stretch, light_of_picture, picture_of_light

COLOURS = ("red", "green", "blue")


def some_light(bands=("g", "r", "i"), **changes):
    y, x = np.indices((32, 32)) - 15.5
    disc = np.exp(-np.hypot(y, x) / 6)
    flux = np.stack([disc * share for share in (0.6, 1.0, 1.4)])[: len(bands)]
    return Cutout(object_id="a", flux=flux, bands=bands, unit="count", **changes)


@pytest.mark.parametrize("contrast", [3.0, 16.0, 300.0])
def test_light_comes_back_from_its_picture_within_the_rounding(contrast):
    light, stretch = some_light(), Stretch(contrast=contrast, black=4.0)
    picture = picture_of_light(light, 20.0, stretch)
    assert (picture.unit, picture.bands) == ("picture", COLOURS)
    back = light_of_picture(picture, stretch)
    expected = light.flux[::-1] / 20.0 * contrast
    mean, white = expected.mean(0), np.arcsinh(contrast)
    step = (np.sqrt(1 + mean**2) * white + mean * white / np.arcsinh(mean)) / 251  # light in one step of 8 bits
    assert np.abs((back.flux - expected) / step).max() < 1
    assert back.flux.sum() == pytest.approx(expected.sum(), rel=0.01)


def test_red_green_and_blue_are_the_bands_from_long_to_short_wavelength():
    picture = picture_of_light(some_light(), 2.0)
    red, green, blue = picture.flux[:, 15, 15]
    assert red > green > blue


def test_one_band_is_drawn_in_grey():
    assert picture_of_light(some_light(("r",)), 1.0).bands == ("grey",)


def test_a_pixel_too_bright_keeps_its_hue_and_is_marked_when_light_is_sought():
    picture = picture_of_light(some_light(), 0.2)
    red, green, blue = picture.flux[:, 15, 15]
    assert red == 255
    assert green / red == pytest.approx(1.0 / 1.4, abs=0.01)
    assert blue / red == pytest.approx(0.6 / 1.4, abs=0.01)
    back = light_of_picture(picture)
    assert back.mask_planes["SAT"][:, 15, 15].all()
    assert not back.mask_planes["SAT"][:, 0, 0].any()


def test_an_asinh_picture_is_made_linear():
    """Two pixels, one twice as bright: their light is in that ratio though their brightness is not."""
    picture = picture_of_light(some_light(("r",)), 1.0)
    back = light_of_picture(picture).flux[0]
    brightness = picture.flux[0]
    near, far = (15, 15), (15, 24)
    truth = some_light(("r",)).flux[0]
    assert back[near] / back[far] == pytest.approx(truth[near] / truth[far], rel=0.05)
    assert brightness[near] / brightness[far] < 0.7 * truth[near] / truth[far]


def test_what_is_no_picture_or_has_two_bands_is_refused():
    with pytest.raises(ValueError, match=r"linear flux \(count\), expected a picture"):
        light_of_picture(some_light())
    with pytest.raises(ValueError, match="bands g r, expected linear flux in one band or in three"):
        picture_of_light(some_light(("g", "r")), 1.0)


@pytest.mark.parametrize("wrong", [{"contrast": 0.0}, {"black": 255.0}, {"contrast": float("nan")}])
def test_an_impossible_stretch_is_refused(wrong):
    with pytest.raises(ValueError, match="expected a contrast above 0"):
        Stretch(**wrong)
