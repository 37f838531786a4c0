from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from PIL import Image

from flaxgal.labels.pairs import ImportedPair, import_pairs, understand_mask
from flaxgal.labels.store import Store
from flaxgal.survey.cutout import Cutout, Unreadable, read_cutout, write_cutout


@pytest.fixture
def folders(tmp_path):
    for name in ("images", "masks"):
        (tmp_path / name).mkdir()
    return tmp_path


def a_picture(folder, stem, *, shape=(12, 10), ending="png", seed=0):
    pixels = np.random.default_rng(seed).integers(1, 200, shape).astype(np.uint8)
    Image.fromarray(pixels).save(folder / "images" / f"{stem}.{ending}")
    return pixels


def a_mask(folder, name, *, shape=(12, 10), value=255):
    pixels = np.zeros(shape, np.uint8)
    pixels[:3, 2:6] = value
    Image.fromarray(pixels).save(folder / "masks" / name)
    return pixels


def imported(folder, annotator="anna", **options):
    store = Store.open_or_create(folder / "labels")
    return store, list(import_pairs(store, folder / "images", folder / "masks", annotator=annotator, **options))


def test_pairs_of_one_name_become_galaxies_with_a_revision(folders):
    for number in range(3):
        a_picture(folders, f"g{number}", seed=number)
    mask = a_mask(folders, "g0.png")
    a_mask(folders, "g1_mask.tif")
    a_mask(folders, "g2.png", value=0)
    store, results = imported(folders, survey="HSC", pixel_scale_arcsec=0.168)
    assert [item.object_id for item in results] == ["g0", "g1", "g2"]
    np.testing.assert_array_equal(store.latest("g0").mask, mask > 0)
    assert store.latest("g0").origin == "imported"
    assert store.latest("g0").source == "g0.png"
    assert store.latest("g2").marked_pixels == 0
    assert store.cutout("g1").survey == "HSC"
    assert store.cutout("g1").pixel_scale_arcsec == 0.168


def test_importing_again_adds_only_what_changed(folders):
    for number in range(2):
        a_picture(folders, f"g{number}", seed=number)
        a_mask(folders, f"g{number}.png")
    imported(folders)
    a_mask(folders, "g1.png", value=0)
    store, results = imported(folders)
    assert [item.is_new for item in results] == [False, True]
    assert [len(store.history(name)) for name in store.galaxies()] == [1, 2]
    assert imported(folders, annotator="bo")[1][0].is_new


def test_what_does_not_fit_is_left_out_in_a_sentence_and_the_rest_goes_on(folders):
    a_picture(folders, "good")
    a_mask(folders, "good.png")
    a_picture(folders, "lonely")
    a_mask(folders, "orphan.png")
    a_picture(folders, "small")
    a_mask(folders, "small.png", shape=(4, 5))
    a_picture(folders, "twice")
    a_picture(folders, "twice", ending="tif")
    a_mask(folders, "twice.png")
    a_picture(folders, "broken")
    (folders / "masks" / "broken.png").write_bytes(b"not a picture")
    a_picture(folders, "coloured")
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (12, 10, 3)).astype(np.uint8)).save(
        folders / "masks" / "coloured.png"
    )
    store, results = imported(folders)
    reasons = {Path(item.name).name: item.reason for item in results if isinstance(item, Unreadable)}
    assert list(store.galaxies()) == ["good"]
    assert [item.object_id for item in results if isinstance(item, ImportedPair)] == ["good"]
    for name, sentence in {
        "lonely.png": "lonely.png: an image without its mask",
        "orphan.png": "orphan.png: a mask without its image",
        "small.png": "small.png: 4 × 5 pixels, but its image small.png has 12 × 10",
        "twice.png": "twice.png and twice.tif: 2 images of one name",
        "broken.png": "broken.png: found no FITS file and no picture (it starts with 'not a pi')",
        "coloured.png": "coloured.png: a mask in colours",
    }.items():
        assert sentence in reasons.pop(name)
    assert reasons == {}


def test_other_pixels_under_an_id_in_the_store_are_left_out(folders):
    a_picture(folders, "g0")
    a_mask(folders, "g0.png")
    imported(folders)
    a_picture(folders, "g0", seed=5)
    assert "has another cutout under this id" in imported(folders)[1][0].reason


def test_a_picture_of_a_mask_is_turned_over_for_a_fits_image(folders):
    """FITS counts rows from the bottom of the sky picture, PNG from its top."""
    flux = np.random.default_rng(0).normal(size=(1, 12, 10)).astype(np.float32)
    write_cutout(Cutout(object_id="g0", flux=flux, bands=("r",), unit="nJy"), folders / "images" / "g0.fits")
    mask = a_mask(folders, "g0.png")
    store, _ = imported(folders)
    np.testing.assert_array_equal(store.latest("g0").mask, (mask > 0)[::-1])


def test_a_picture_of_a_mask_fits_a_picture_that_was_saved_as_fits(folders):
    """`write_cutout` of a PNG keeps its rows from the top down, and says so."""
    a_picture(folders, "g0")
    picture = read_cutout(folders / "images" / "g0.png")
    (folders / "images" / "g0.png").unlink()
    write_cutout(picture, folders / "images" / "g0.fits")
    mask = a_mask(folders, "g0.png")
    store, _ = imported(folders)
    np.testing.assert_array_equal(store.latest("g0").mask, mask > 0)


def test_a_fits_mask_fits_a_fits_image_as_it_is(folders):
    flux = np.random.default_rng(0).normal(size=(1, 12, 10)).astype(np.float32)
    fits.writeto(folders / "images" / "g0.fits", flux[0])
    mask = np.zeros((12, 10), np.int16)
    mask[:3] = 1
    fits.writeto(folders / "masks" / "g0.fits.gz", mask)
    store, results = imported(folders)
    assert isinstance(results[0], ImportedPair), results[0].reason
    np.testing.assert_array_equal(store.latest("g0").mask, mask)


@pytest.mark.parametrize("mode", ["1", "P", "RGB", "RGBA", "I;16"])
def test_every_way_to_save_a_two_valued_mask_means_the_same(folders, mode):
    a_picture(folders, "g0")
    marked = np.zeros((12, 10), bool)
    marked[2:5] = True
    grey = Image.fromarray(marked.astype(np.uint8) * 255)
    if mode == "I;16":
        grey = Image.fromarray(marked.astype(np.uint16) * 65535)
    elif mode == "P":
        grey = Image.fromarray(marked.astype(np.uint8), "P")
        grey.putpalette([0, 0, 0, 255, 0, 0])
    else:
        grey = grey.convert(mode)
    grey.save(folders / "masks" / "g0.png")
    store, results = imported(folders)
    assert isinstance(results[0], ImportedPair), results[0].reason
    np.testing.assert_array_equal(store.latest("g0").mask, marked)


def test_two_values_are_a_mask_whatever_they_are():
    for value in (1, 2, 100, 255):
        pixels = understand_mask(np.array([[0, value]], np.uint8), name="m.png")
        assert pixels.mask.tolist() == [[0, 1]]


def test_a_class_map_keeps_bar_and_uncertain():
    pixels = understand_mask(np.array([[0, 1, 2, 255]], np.uint8), name="m.png")
    assert pixels.classes == ("arm", "bar")
    assert pixels.mask.tolist() == [[0, 1, 2, 255]]


@pytest.mark.parametrize(
    "levels", [np.array([[0, 51, 255]], np.uint8), np.array([[0, 13107, 65535]], np.uint16), np.array([[0, 0.2, 1.0]])]
)
def test_grey_levels_are_the_fraction_of_people(levels):
    pixels = understand_mask(levels, name="m.png")
    assert pixels.fraction[0, 0].tolist() == pytest.approx([0, 0.2, 1.0])


def test_vote_counts_are_not_taken_for_fractions():
    with pytest.raises(ValueError, match="grey levels from 0 to 7 are no fractions of 255"):
        understand_mask(np.array([[0, 3, 7]], np.uint8), name="m.png")
    with pytest.raises(ValueError, match="negative or undefined"):
        understand_mask(np.array([[0, -1, 7]], np.int16), name="m.fits")


def test_a_folder_that_does_not_exist_is_said(folders):
    with pytest.raises(ValueError, match="no such folder of masks"):
        list(import_pairs(Store.create(folders / "x"), folders / "images", folders / "nowhere", annotator="anna"))
