import gc
import itertools
import weakref

import numpy as np
import pytest

from flaxgal.survey import display
from flaxgal.survey.cutout import Cutout
from flaxgal.survey.display import asinh, grey, lupton_rgb, one_band, sky_level, to_picture, to_pictures


def cutout(flux, bands=("g", "r", "i"), unit="nJy") -> Cutout:
    return Cutout(object_id="NGC 1300", flux=np.asarray(flux, np.float32), bands=bands, unit=unit)


@pytest.fixture
def galaxies(make_galaxy):
    """(band, y, x), with a soft bias of 1100 as in raw SDSS frames."""
    return np.stack([make_galaxy((64, 64), sky=1100.0, noise=0.2, seed=seed) for seed in range(3)])


def test_asinh_runs_from_black_to_white():
    flux = np.array([[-5.0, 0.0, 1e-3, 2e-3, 100.0, 200.0, np.nan]])
    shown = asinh(flux, black=0.0, softening=1.0, white=100.0)[0]
    assert shown[[0, 1, 4, 5, 6]].tolist() == [0, 0, 1, 1, 0]
    assert shown[3] == pytest.approx(2 * shown[2], rel=1e-4)  # linear below the softening


def test_asinh_is_logarithmic_far_above_the_softening():
    shown = asinh(np.array([[1e3, 1e4, 1e5]]), black=0.0, softening=1.0, white=1e6)[0]
    assert shown[1] - shown[0] == pytest.approx(shown[2] - shown[1], rel=1e-4)


def test_the_sky_is_nearly_black_the_core_white_and_the_disc_between(galaxies):
    picture = to_picture(cutout(galaxies))[..., 0]
    sky = np.concatenate([picture[:8].ravel(), picture[-8:].ravel()])
    assert (sky == 0).mean() > 0.2
    assert np.median(sky) < 25
    assert picture[31:34, 31:34].max() == 255
    assert 20 < np.median(picture[32, 44:48]) < 120  # three scale lengths out


def test_sky_level_and_flux_unit_do_not_show(galaxies):
    first = to_picture(cutout(galaxies)).astype(int)
    other = to_picture(cutout((galaxies - 1100) * 3.6 - 7)).astype(int)
    assert np.abs(first - other).max() <= 1


def test_a_bright_neighbour_at_the_edge_does_not_darken_the_galaxy(galaxies):
    crowded = galaxies.copy()
    crowded[:, 2:6, 2:6] += 1e5
    assert np.abs(to_picture(cutout(crowded)).astype(int) - to_picture(cutout(galaxies)))[10:].max() <= 6


def test_one_hot_pixel_does_not_darken_the_galaxy(galaxies):
    hot = galaxies[:1].copy()
    hot[0, 20, 40] += 60  # three times the core
    shown = to_picture(cutout(hot, bands=("r",))).astype(int) - to_picture(cutout(galaxies[:1], bands=("r",)))
    assert np.abs(np.delete(shown.ravel(), 20 * 64 + 40)).max() <= 20


def test_missing_pixels_are_black(galaxies):
    holes = galaxies.copy()
    holes[:, 30:34, 40:44] = np.nan
    shown = to_picture(cutout(holes))[..., 0]
    assert (shown[30:34, 40:44] == 0).all()
    assert shown.max() == 255


def test_a_pixel_missing_in_one_band_is_drawn_from_the_others(galaxies):
    holes = galaxies.copy()
    holes[0, 32, 32] = np.nan
    assert to_picture(cutout(holes))[32, 32, 0] > 240


def test_a_band_without_data_leaves_the_others(galaxies):
    holes = galaxies.copy()
    holes[0] = np.nan
    wanted = to_picture(cutout(galaxies[1:], bands=("r", "i")))
    np.testing.assert_array_equal(to_picture(cutout(holes)), wanted)


def test_grey_gives_each_band_the_say_that_its_noise_allows(galaxies):
    noisy = galaxies.copy()
    noisy[0] = np.random.default_rng(0).normal(0, 1e4, noisy[0].shape)
    assert np.corrcoef(grey(cutout(noisy)).ravel(), grey(cutout(galaxies)).ravel())[0, 1] > 0.85


def test_named_bands_are_stretched_each_on_its_own(galaxies):
    alone = to_picture(cutout(galaxies[1:2], bands=("r",)), bands=("r",))
    both = to_picture(cutout(galaxies), bands=("i", "r"))
    np.testing.assert_array_equal(both[..., 1:], alone)


def test_pictures_pass_through_as_they_are():
    pixels = np.arange(256, dtype=np.float32).reshape(1, 16, 16)
    made = to_picture(cutout(pixels, bands=("grey",), unit="picture"))
    np.testing.assert_array_equal(made[..., 0], pixels[0])


def test_colour_pictures_turn_grey_as_pillow_does_it():
    from PIL import Image

    pixels = np.random.default_rng(1).integers(0, 256, (3, 16, 16))
    made = to_picture(cutout(pixels, bands=("red", "green", "blue"), unit="picture"))[..., 0]
    pillow = np.asarray(Image.fromarray(pixels.transpose(1, 2, 0).astype(np.uint8)).convert("L"))
    assert np.abs(made.astype(int) - pillow).max() <= 1


@pytest.mark.parametrize("value", [0.0, 17.0, np.nan])
@pytest.mark.parametrize("bands", [("grey",), ("r",)])
def test_an_image_without_light_is_refused(value, bands):
    with pytest.raises(
        ValueError, match=r"^NGC 1300: no light above the sky .*; wanted an image of a galaxy: leave it out"
    ):
        to_picture(cutout(np.full((3, 8, 8), value)), bands)


def test_a_missing_band_is_named_with_those_there_are(galaxies):
    with pytest.raises(
        ValueError, match="NGC 1300: bands found are g r i, wanted z; build with --bands g r i or grey, use a run"
    ):
        to_picture(cutout(galaxies), ("z",))
    grey = Cutout(object_id="a", flux=galaxies[:1], bands=("grey",), unit="picture")
    with pytest.raises(ValueError, match="bands found are grey, wanted r; build with --bands grey, use a run"):
        to_picture(grey, ("r",))


def test_a_batch_looks_as_its_images_do_one_by_one(galaxies, monkeypatch):
    batch = np.stack([galaxies, galaxies[::-1] * 2, galaxies[:, ::-1] + 5])
    alone = [to_pictures(one[None], ("g", "r", "i"))[0] for one in batch]
    np.testing.assert_array_equal(to_pictures(batch, ("g", "r", "i")), alone)
    monkeypatch.setattr(display, "PIXELS_AT_ONCE", 1)
    np.testing.assert_array_equal(to_pictures(batch, ("g", "r", "i")), alone)


def test_no_images_make_no_pictures():
    assert to_pictures(np.zeros((0, 3, 8, 8), np.float32), ("g", "r", "i")).shape == (0, 8, 8, 1)


def test_colour_shows_which_band_is_brighter(galaxies):
    red = galaxies - 1100
    red[2] *= 3
    picture = lupton_rgb(cutout(red)).astype(int)
    assert picture.shape == (64, 64, 3)
    assert picture[32, 36, 0] > picture[32, 36, 2] + 30
    assert picture[32, 32].max() > 200


def test_one_band_makes_a_grey_colour_picture(galaxies):
    picture = lupton_rgb(cutout(galaxies[:1], bands=("r",)))
    np.testing.assert_array_equal(picture[..., 0], picture[..., 2])


@pytest.mark.parametrize("value", [0.0, np.nan])
def test_a_colour_picture_of_nothing_is_black(value):
    assert lupton_rgb(cutout(np.full((3, 8, 8), value))).max() == 0


def test_stretch_0_is_the_middle_and_the_default(galaxies):
    np.testing.assert_array_equal(lupton_rgb(cutout(galaxies)), lupton_rgb(cutout(galaxies), stretch=0))
    picture = cutout(np.arange(64.0).reshape(1, 8, 8) * 4, bands=("grey",), unit="picture")
    np.testing.assert_array_equal(lupton_rgb(picture)[..., 1], picture.flux[0])
    np.testing.assert_array_equal(one_band(picture, "grey"), picture.flux[0])


def test_more_stretch_shows_the_outskirts_and_less_the_core(galaxies):
    """Ever brighter from -1 to 1; at -1 the disc is dark beside the core, at 1 the core is white and the sky is not."""
    shown = [lupton_rgb(cutout(galaxies), stretch=stretch).max(-1).astype(int) for stretch in np.linspace(-1, 1, 9)]
    assert all((brighter >= fainter).all() for fainter, brighter in itertools.pairwise(shown))
    disc = [np.median(picture[32, 44:48]) for picture in shown]
    assert disc[0] < 0.5 * disc[4] < 0.3 * disc[8]
    assert shown[0][31:34, 31:34].max() == 255
    assert (shown[8] == 255).sum() > 3 * (shown[4] == 255).sum()
    assert np.median(shown[8][:6]) < 100


def test_a_band_has_the_stretch_of_the_colour_picture(galaxies):
    one = cutout(galaxies)
    for stretch in (-1, 0.3, 1):
        same = lupton_rgb(one, ("r", "r", "r"), stretch=stretch)
        np.testing.assert_allclose(one_band(one, "r", stretch=stretch), same[..., 0], atol=1)


def test_a_picture_brightens_and_darkens_between_its_own_black_and_white():
    picture = cutout(np.linspace(0, 255, 64).reshape(1, 8, 8), bands=("grey",), unit="picture")
    dark, bright = (one_band(picture, "grey", stretch=stretch).astype(int) for stretch in (-1, 1))
    assert (dark[0, 0], bright[0, 0], dark[-1, -1], bright[-1, -1]) == (0, 0, 255, 255)
    assert dark[4, 0] < 100 < 150 < bright[4, 0]


@pytest.mark.parametrize("draw", [lupton_rgb, lambda galaxy: one_band(galaxy, "i")])
def test_a_galaxy_that_was_drawn_is_not_kept_in_memory(galaxies, draw):
    drawn = cutout(galaxies)
    draw(drawn)
    seen = weakref.ref(drawn)
    del drawn
    gc.collect()
    assert seen() is None


def test_moving_the_slider_looks_for_the_sky_but_once(galaxies, monkeypatch):
    looked = []
    monkeypatch.setattr(display, "sky_level", lambda flux: looked.append(flux) or sky_level(flux))
    shown = cutout(galaxies)
    for stretch in np.linspace(-1, 1, 10):
        lupton_rgb(shown, stretch=stretch)
    assert len(looked) == 1


@pytest.mark.parametrize("value", [0.0, np.nan, -3.0])
def test_nothing_can_be_stretched(value):
    empty = cutout(np.full((3, 8, 8), value))
    for stretch in (-1, 1):
        assert one_band(empty, "g", stretch=stretch).max() == 0


@pytest.mark.parametrize("stretch", [1.5, -2, np.nan])
def test_a_stretch_beyond_the_slider_is_refused(galaxies, stretch):
    with pytest.raises(ValueError, match="wanted a number from -1"):
        lupton_rgb(cutout(galaxies), stretch=stretch)


def test_flux_becomes_a_colour_picture_whose_hue_is_the_ratio_of_the_bands():
    y, x = np.indices((48, 48)) - 23.5
    light = 100 * np.exp(-np.hypot(y, x) / 6)
    flux = np.stack([1.0 * light, 2.0 * light, 3.0 * light]).astype(np.float32)[None]
    picture = to_pictures(flux, ("g", "r", "i"), ("red", "green", "blue"))[0].astype(float)
    bright = picture.min(axis=-1) > 40
    assert bright.sum() > 20
    red, green, blue = picture[bright].T
    np.testing.assert_allclose(red / blue, 3 * 0.86 / 1.37, rtol=0.03)
    np.testing.assert_allclose(green / blue, 2 * 1.0 / 1.37, rtol=0.03)
    assert picture.max() <= 255


def test_a_colour_picture_of_one_band_is_grey_but_for_the_balance_and_a_picture_stays_as_it_is():
    flux = np.random.default_rng(0).normal(0, 1, (1, 1, 32, 32)).astype(np.float32)
    flux[0, 0, 12:20, 12:20] += 50
    picture = to_pictures(flux, ("i",), ("red", "green", "blue"))[0]
    assert picture.shape == (32, 32, 3)
    assert picture[15, 15, 2] > picture[15, 15, 0] > 0
    shown = np.random.default_rng(1).integers(0, 255, (1, 3, 16, 16)).astype(np.float32)
    back = to_pictures(shown, ("red", "green", "blue"), ("red", "green", "blue"), linear=False)
    np.testing.assert_array_equal(back[0], shown[0].transpose(1, 2, 0))
