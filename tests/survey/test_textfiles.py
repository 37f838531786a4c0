"""Text tables of pictures, however their lines are broken."""

import numpy as np
import pytest

from flaxgal.survey.textfiles import partner_of, read_labelled_pictures, read_labels, read_masked_pictures

PIXELS = np.random.default_rng(0).integers(0, 256, (7, 6, 6))


def write(path, pixels, columns):
    np.savetxt(path, np.asarray(pixels, float).reshape(-1, columns), fmt="%1.4f")
    return path


@pytest.mark.parametrize("columns", [36, 6, 1])  # a line a picture, a row, a pixel
def test_pictures_come_with_their_classes_however_the_lines_are_broken(tmp_path, columns):
    write(tmp_path / "nam_images_train.dat", PIXELS, columns)
    (tmp_path / "nam_labels_train.dat").write_text("1\n2\n3\n3\n2\n1\n1\n")
    found = list(read_labelled_pictures(tmp_path / "nam_images_train.dat", tmp_path / "nam_labels_train.dat"))
    assert [one.morphology for one in found] == ["E", "S0", "Sp", "Sp", "S0", "E", "E"]
    np.testing.assert_array_equal(np.stack([one.cutout.flux[0] for one in found]), PIXELS)
    first = found[0].cutout
    assert (first.object_id, first.unit, first.bands, first.first_row) == (
        "nam_images_train-00000",
        "picture",
        ("grey",),
        "top",
    )
    assert first.survey == "SDSS"


def test_fractions_of_white_are_levels_of_the_whole_table(tmp_path):
    pixels = PIXELS / 255
    pixels[3] *= 0.001
    write(tmp_path / "a_images.dat", pixels, 36)
    (tmp_path / "a_labels.dat").write_text("1 " * 7)
    found = list(read_labelled_pictures(tmp_path / "a_images.dat", tmp_path / "a_labels.dat"))
    np.testing.assert_allclose(found[0].cutout.flux[0], PIXELS[0], atol=0.02)
    assert found[3].cutout.flux.max() < 1


def test_a_dark_picture_among_8_bit_ones_stays_dark(tmp_path):
    pixels = PIXELS.copy()
    pixels[3] = PIXELS[3] > 128
    write(tmp_path / "a_images.dat", pixels, 36)
    (tmp_path / "a_labels.dat").write_text("1 " * 7)
    found = list(read_labelled_pictures(tmp_path / "a_images.dat", tmp_path / "a_labels.dat"))
    assert found[3].cutout.flux.max() == 1


def test_what_is_no_8_bit_picture_is_counts(tmp_path):
    write(tmp_path / "a_images.dat", PIXELS - 50.5, 36)
    (tmp_path / "a_labels.dat").write_text("1 " * 7)
    (first, *_) = read_labelled_pictures(tmp_path / "a_images.dat", tmp_path / "a_labels.dat")
    assert first.cutout.unit == "count"


@pytest.mark.parametrize("white", [1, 255])
def test_pictures_come_with_their_masks(tmp_path, white):
    masks = np.where(PIXELS > 100, white, 0)
    write(tmp_path / "set_2_orig.dat", PIXELS, 1)
    write(tmp_path / "set_2_segmentation.dat", masks, 1)
    found = list(read_masked_pictures(tmp_path / "set_2_orig.dat", tmp_path / "set_2_segmentation.dat", size=6))
    np.testing.assert_array_equal(np.stack([one.arm_share for one in found]), PIXELS > 100)
    np.testing.assert_array_equal(np.stack([one.cutout.flux[0] for one in found]), PIXELS)


def test_tables_find_each_other_by_name(tmp_path):
    pairs = [
        ("nam_images_train.dat", "nam_labels_train.dat", "labels"),
        ("tadaki_images.dat", "tadaki_masks.dat", "masks"),
        ("set_2_orig.dat", "set_2_segmentation.dat", "masks"),
    ]
    for images, other, what in pairs:
        assert partner_of(tmp_path / images, what) is None
        (tmp_path / images).touch()
        (tmp_path / other).touch()
        assert partner_of(tmp_path / images, what) == tmp_path / other
    assert partner_of(tmp_path / "nam_labels_train.dat", "labels") is None


@pytest.mark.parametrize(
    ("images", "labels", "said"),
    [
        (PIXELS, "1 2 3", "252 numbers for 3 pictures"),
        (PIXELS.ravel()[:-1], "1 " * 7, "251 numbers for 7 pictures; wanted that many square pictures"),
        (PIXELS, "4 99 4 4 4 4 4", "no label is known among 4, 99; wanted 1 E, 2 S0 or 3 Sp"),
        (PIXELS, "", "no labels"),
        (np.where(PIXELS > 254, np.nan, PIXELS), "1 " * 7, "holds undefined pixels"),
    ],
)
def test_tables_that_do_not_fit_are_refused(tmp_path, images, labels, said):
    write(tmp_path / "a_images.dat", images, 1)
    (tmp_path / "a_labels.dat").write_text(labels)
    with pytest.raises(ValueError, match=said):
        list(read_labelled_pictures(tmp_path / "a_images.dat", tmp_path / "a_labels.dat"))


def test_masks_of_another_size_or_scale_are_refused(tmp_path):
    images, masks = write(tmp_path / "a_images.dat", PIXELS, 1), tmp_path / "a_masks.dat"
    write(masks, PIXELS[:-1] > 9, 1)
    with pytest.raises(ValueError, match=r"252 numbers, and 216 in a_masks\.dat; wanted as many"):
        list(read_masked_pictures(images, masks, size=6))
    write(masks, PIXELS > 9, 1)
    with pytest.raises(ValueError, match="64 × 64 a picture"):
        list(read_masked_pictures(images, masks))
    write(masks, PIXELS * 10, 1)
    with pytest.raises(ValueError, match="wanted 0 and 1, or 0 to 255"):
        list(read_masked_pictures(images, masks, size=6))


def test_words_and_missing_files_are_refused(tmp_path):
    (tmp_path / "a.dat").write_text("1 2 three")
    with pytest.raises(ValueError, match=r"a\.dat: holds something else than numbers"):
        read_labels(tmp_path / "a.dat")
    with pytest.raises(ValueError, match="cannot be read"):
        read_labels(tmp_path / "none.dat")
