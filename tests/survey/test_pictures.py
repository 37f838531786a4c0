import numpy as np
import pytest
from PIL import Image

from flaxgal.survey.cutout import read_cutout

RNG = np.random.default_rng(5)
GREY = RNG.integers(0, 256, (6, 8)).astype(np.uint8)
COLOUR = RNG.integers(0, 256, (6, 8, 3)).astype(np.uint8)


def read(tmp_path, picture: Image.Image, name="a.png", **how):
    picture.save(tmp_path / name)
    return read_cutout(tmp_path / name, **how)


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_grey_pixels_come_as_they_are_top_row_first(tmp_path, name):
    found = read(tmp_path, Image.fromarray(GREY), name)
    assert (found.unit, found.bands, found.has_linear_flux) == ("picture", ("grey",), False)
    np.testing.assert_array_equal(found.flux[0], GREY)


def test_colours_come_as_three_bands(tmp_path):
    found = read(tmp_path, Image.fromarray(COLOUR))
    assert found.bands == ("red", "green", "blue")
    np.testing.assert_array_equal(found.flux, COLOUR.transpose(2, 0, 1))


def test_a_jpeg_is_read(tmp_path):
    assert read(tmp_path, Image.fromarray(COLOUR), "a.jpeg").flux.shape == (3, 6, 8)


def test_transparency_is_dropped(tmp_path):
    seen = np.dstack([COLOUR, np.zeros((6, 8), np.uint8)])
    np.testing.assert_array_equal(read(tmp_path, Image.fromarray(seen)).flux, COLOUR.transpose(2, 0, 1))
    half = Image.fromarray(np.dstack([GREY, np.full((6, 8), 7, np.uint8)]))
    np.testing.assert_array_equal(read(tmp_path, half).flux[0], GREY)


def test_palettes_are_expanded(tmp_path):
    colour = Image.fromarray(COLOUR).quantize(16)
    np.testing.assert_array_equal(read(tmp_path, colour).flux, np.asarray(colour.convert("RGB")).transpose(2, 0, 1))
    np.testing.assert_array_equal(read(tmp_path, Image.fromarray(GREY).convert("P"), "b.png").flux[0], GREY)


def test_sixteen_bits_are_scaled_to_eight_without_rounding(tmp_path):
    deep = np.array([[0, 257, 65535, 128]], np.uint16)
    for name in ("a.png", "a.tif"):
        np.testing.assert_allclose(read(tmp_path, Image.fromarray(deep), name).flux[0], [[0, 1, 255, 128 / 257]])


def test_black_and_white_is_0_and_255(tmp_path):
    found = read(tmp_path, Image.fromarray(GREY > 100))
    assert set(np.unique(found.flux)) == {0, 255}


def test_a_floating_point_picture_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"a\.tif: found a picture of floating point numbers.*save flux as FITS"):
        read(tmp_path, Image.fromarray(GREY.astype(np.float32)), "a.tif")


def test_several_pictures_in_one_file_are_refused(tmp_path):
    Image.fromarray(GREY).save(tmp_path / "a.tif", save_all=True, append_images=[Image.fromarray(GREY)])
    with pytest.raises(ValueError, match=r"a\.tif: found several pictures"):
        read_cutout(tmp_path / "a.tif")


def test_a_truncated_picture_is_refused(tmp_path):
    noise = RNG.integers(0, 256, (200, 200, 3)).astype(np.uint8)
    for name in ("a.png", "a.jpg", "a.tif"):
        Image.fromarray(noise).save(tmp_path / name)
        whole = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(whole[: len(whole) // 2])
        with pytest.raises(ValueError, match=rf"{name}: damaged, cut short or too large"):
            read_cutout(tmp_path / name)


def test_a_black_picture_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"a\.png: every pixel is zero"):
        read(tmp_path, Image.fromarray(np.zeros((4, 4), np.uint8)))


def test_names_survey_and_scale_can_be_given(tmp_path):
    given = {"object_id": "M 51", "survey": "SDSS", "bands": ("i", "r", "g"), "pixel_scale_arcsec": 0.396}
    found = read(tmp_path, Image.fromarray(COLOUR), **given)
    assert {name: getattr(found, name) for name in given} == given
    with pytest.raises(ValueError, match=r"a\.png: found 3 bands, but 1 names"):
        read_cutout(tmp_path / "a.png", bands=("r",))


def test_the_id_is_the_name_without_endings(tmp_path):
    assert read(tmp_path, Image.fromarray(GREY), "J1234.5+67.8.PNG").object_id == "J1234.5+67.8"
