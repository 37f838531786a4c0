import shutil
import time
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from PIL import Image

from flaxgal.labels.revisions import Revision
from flaxgal.labels.store import Store
from flaxgal.survey.cutout import Cutout, Unreadable, find_cutouts, read_cutout, read_cutouts
from flaxgal.survey.reading import passed_over


def touch(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def found_names(folder) -> list[list[str]]:
    return [[str(path.relative_to(folder)) for path in group] for group in find_cutouts([folder])]


def test_predictions_psfs_masks_and_other_files_are_passed_over(tmp_path):
    touch(tmp_path, "a.fits", "b.png", "c.fits.gz", "sub/d.JPG", "sub/e.tiff")
    touch(
        tmp_path, "a.arms.fits", "psf-calexp-HSC-R.fits", "b_mask.png", "mask-b.png", "masks/b.png", ".writing-1.fits"
    )
    touch(tmp_path, "table.csv", "notes.txt", "stamps.npz", ".hidden/f.fits")
    assert found_names(tmp_path) == [["a.fits"], ["b.png"], ["c.fits.gz"], ["sub/d.JPG"], ["sub/e.tiff"]]


@pytest.mark.parametrize("name", ["psf-a.fits", "ngc1_mask.fits", "masks.fits"])
def test_a_file_that_is_named_itself_is_always_taken(tmp_path, name):
    touch(tmp_path, name)
    assert find_cutouts(tmp_path / name) == [(tmp_path / name,)]
    assert passed_over(tmp_path / name) == []


def test_images_passed_over_as_masks_and_psfs_are_known(tmp_path):
    names = ["b_mask.png", "psf-calexp-HSC-R.fits", "sub/ngc1-mask.fits"]
    touch(tmp_path, *names, "a.fits", "mask.txt", "a.arms.fits", ".b_mask.png", "sub/maskless.fits")
    assert [str(path.relative_to(tmp_path)) for path in passed_over([tmp_path])] == names


def test_files_that_differ_in_the_band_only_are_one_galaxy(tmp_path):
    touch(
        tmp_path,
        "g-band.fits",
        "r-band.fits",
        "NGC1_g.fits",
        "NGC1_r.fits",
        "NGC2_g.fits",
        "other.fits",
        "x/NGC2_r.fits",
    )
    assert found_names(tmp_path) == [
        ["NGC1_g.fits", "NGC1_r.fits"],
        ["NGC2_g.fits"],
        ["g-band.fits", "r-band.fits"],
        ["other.fits"],
        ["x/NGC2_r.fits"],
    ]


def test_files_with_other_names_are_matched_by_sky_position(coadd_file, make_wcs, tmp_path):
    for number, ra in enumerate((0.0, 150.1, 359.99)):
        for band in "GRI":
            coadd_file(f"cutout-HSC-{band}-{number}{ord(band)}.fits", band=f"HSC-{band}", wcs=make_wcs(ra=ra))
    groups = find_cutouts(tmp_path)
    assert [len(group) for group in groups] == [3, 3, 3]
    read = list(read_cutouts(tmp_path))
    assert sorted(round(cutout.ra_deg or 0, 3) % 360 for cutout in read if isinstance(cutout, Cutout)) == [
        0,
        150.1,
        359.99,
    ]
    assert len({cutout.object_id for cutout in read if isinstance(cutout, Cutout)}) == 3


def test_positions_match_across_the_zero_of_right_ascension(coadd_file, make_wcs, tmp_path):
    coadd_file("HSC-G-1.fits", wcs=make_wcs(ra=0.0001))
    coadd_file("HSC-R-2.fits", wcs=make_wcs(ra=359.9999))
    coadd_file("HSC-I-3.fits", wcs=make_wcs(ra=0.002))
    assert sorted(len(group) for group in find_cutouts(tmp_path)) == [1, 2]


def test_twenty_thousand_names_are_sorted_into_galaxies_in_seconds(tmp_path, monkeypatch):
    names = [f"{number}-HSC-{band}.fits" for number in range(4000) for band in "GRIZY"]
    monkeypatch.setattr("os.walk", lambda folder: iter([(str(folder), [], names)]))
    start = time.process_time()
    groups = find_cutouts(tmp_path)
    assert time.process_time() - start < 10  # 0.6 s on an idle core
    assert len(groups) == 4000
    assert {len(group) for group in groups} == {5}


def test_a_bad_file_is_reported_and_the_rest_go_on(image_file, tmp_path):
    image_file("a.fits")
    (tmp_path / "b.fits").write_text("this is no image")
    image_file("c.fits")
    read = list(read_cutouts([tmp_path, tmp_path / "gone.fits"]))
    assert [Path(one.name).name if isinstance(one, Unreadable) else one.object_id for one in read] == [
        "gone.fits",
        "a",
        "b.fits",
        "c",
    ]


def test_the_second_galaxy_of_one_id_is_reported(image_file, tmp_path):
    path = image_file("a.fits")
    (tmp_path / "sub").mkdir()
    shutil.copy(path, tmp_path / "sub" / "a.fits")
    first, second = read_cutouts(tmp_path)
    assert isinstance(first, Cutout)
    assert isinstance(second, Unreadable)
    assert "found a second galaxy of the id a" in second.reason
    assert str(path) in second.reason


def test_a_folder_without_images_says_so(tmp_path):
    touch(tmp_path, "table.csv")
    (only,) = read_cutouts(tmp_path)
    assert isinstance(only, Unreadable)
    assert "found a folder without any FITS file or picture" in only.reason


@pytest.fixture
def labelled(tmp_path) -> Store:
    """A label store of one galaxy with one mask."""
    store = Store.create(tmp_path / "labels")
    cutout = Cutout(object_id="kept", flux=np.ones((1, 4, 5), np.float32), bands=("r",), unit="nJy")
    store.add(cutout)
    mask = np.ones((4, 5), np.uint8)
    store.commit(Revision(object_id="kept", annotator="anna", origin="drawn", cutout_sha256=cutout.sha256, mask=mask))
    return store


def test_a_walk_passes_over_label_stores(labelled, image_file, tmp_path):
    image_file("a.fits")
    assert found_names(tmp_path) == [["a.fits"]]
    (only,) = read_cutouts(labelled.path)
    assert isinstance(only, Unreadable)
    assert "found a label store; wanted images" in only.reason
    (kept,) = read_cutouts(labelled.path / "galaxies")
    assert isinstance(kept, Cutout)


def test_a_mask_of_a_label_store_is_no_galaxy(labelled):
    (path,) = (labelled.path / "revisions").rglob("*.fits.gz")
    with pytest.raises(ValueError, match="found a mask of a label store; wanted the image that it was drawn on"):
        read_cutout(path)


def test_files_come_before_folders(image_file, tmp_path):
    (tmp_path / "folder").mkdir()
    in_folder = image_file("folder/a.fits")
    alone = image_file("b.fits")
    assert find_cutouts([tmp_path / "folder", alone]) == [(alone,), (in_folder,)]


def test_an_empty_list_of_files_is_refused():
    with pytest.raises(ValueError, match="no file was given"):
        read_cutout([])


def truncated(path):
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    return path


def html(path):
    path.write_text("<html>404 not found</html>")
    return path


def table(path):
    fits.BinTableHDU.from_columns([fits.Column("a", "E", array=[1.0])]).writeto(path)
    return path


def empty(path):
    path.touch()
    return path


def prediction(path):
    header = fits.Header({"FLAXGAL": "0.1.0"})
    hdus = [fits.PrimaryHDU(header=header), fits.ImageHDU(np.ones((1, 3, 3), np.float32), name="PROB")]
    fits.HDUList(hdus).writeto(path)
    return path


def image_of(value):
    def write(path):
        fits.PrimaryHDU(np.full((5, 6), value, np.float32)).writeto(path)
        return path

    return write


def one_line(path):
    fits.PrimaryHDU(np.ones(9, np.float32)).writeto(path)
    return path


def volume(path):
    fits.PrimaryHDU(np.ones((2, 3, 4, 5), np.float32)).writeto(path)
    return path


def broken_wcs(path):
    cards = {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--XYZ", "CDELT1": 1.0, "CDELT2": 1.0}
    fits.PrimaryHDU(np.ones((5, 6), np.float32), fits.Header(cards)).writeto(path)
    return path


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda path: path, r"found no such file; check the name"),
        (empty, r"a\.fits: found an empty file; fetch it again"),
        (html, r"a\.fits: found a web page or XML; wanted a FITS image or a PNG"),
        (lambda path: truncated(image_of(1.0)(path)), r"a\.fits: damaged or cut short, .*; fetch it again"),
        (table, r"a\.fits: found no image among its 2 HDUs \(BinTableHDU, PrimaryHDU\); wanted"),
        (one_line, r"a\.fits: found no image among its 1 HDUs"),
        (volume, r"a\.fits: found an image with axes \(2, 3, 4, 5\); wanted \(y, x\) or \(band, y, x\): save one"),
        (image_of(np.nan), r"a\.fits: every pixel is NaN; wanted an image with light"),
        (image_of(0.0), r"a\.fits: every pixel is zero; wanted an image with light"),
        (prediction, r"a\.fits: found a prediction of flaxgal; wanted the image that it was made from"),
        (broken_wcs, r"a\.fits: its sky coordinates \(WCS\) cannot be read"),
    ],
)
def test_bad_input_gets_one_sentence(make, sentence, tmp_path):
    with pytest.raises(ValueError, match=sentence) as caught:
        read_cutout(make(tmp_path / "a.fits"))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("part", [0.2, 0.5, 0.9, 0.99])
def test_a_packed_file_cut_short_is_refused(image_file, tmp_path, part):
    path = image_file("a.fits.gz")
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * part)])
    with pytest.raises(ValueError, match=r"a\.fits\.gz: (damaged or cut short|cannot be opened)"):
        read_cutout(path)


@pytest.mark.parametrize("hdu", [1, 2, 3])
def test_a_coadd_cut_short_in_any_hdu_is_refused(coadd_file, hdu):
    path = coadd_file()
    with fits.open(path) as hdus:
        end = hdus[hdu].fileinfo()["datLoc"] + 100
    path.write_bytes(path.read_bytes()[:end])
    with pytest.raises(ValueError, match=r"damaged or cut short"):
        read_cutout(path)


def test_a_picture_named_fits_is_read_as_what_it_is(tmp_path):
    Image.fromarray(np.full((4, 5), 9, np.uint8)).save(tmp_path / "a.fits", format="png")
    assert read_cutout(tmp_path / "a.fits").unit == "picture"
