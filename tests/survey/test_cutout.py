import subprocess
import sys

import numpy as np
import pytest

from flaxgal.survey.cutout import Cutout


def cutout(**changes) -> Cutout:
    values = {
        "object_id": "NGC 1300",
        "flux": np.arange(3 * 4 * 5, dtype=np.float32).reshape(3, 4, 5),
        "bands": ("g", "r", "i"),
        "unit": "nJy",
    }
    return Cutout(**values | changes)


def test_pixel_scale_and_place_come_from_the_wcs(make_wcs):
    made = cutout(wcs=make_wcs(ra=10.0, dec=-5.0, scale=0.262, centre=(3.0, 2.5)))
    assert made.pixel_scale_arcsec == pytest.approx(0.262)
    assert (made.ra_deg, made.dec_deg) == pytest.approx((10.0, -5.0))


def test_what_is_given_wins_over_the_wcs(make_wcs):
    made = cutout(wcs=make_wcs(), pixel_scale_arcsec=0.5, ra_deg=1.0, dec_deg=2.0)
    assert (made.pixel_scale_arcsec, made.ra_deg, made.dec_deg) == (0.5, 1.0, 2.0)


def test_a_long_id_keeps_every_digit():
    assert cutout(object_id="43153636545412345").object_id == "43153636545412345"


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"object_id": ""}, "object_id is ''"),
        ({"object_id": "a/b"}, "object_id is 'a/b'"),
        ({"object_id": ".."}, "object_id is '..'"),
        ({"flux": np.zeros((4, 5), np.float32)}, r"flux has shape \(4, 5\); wanted \(band, y, x\)"),
        ({"flux": np.zeros((3, 0, 5), np.float32)}, "at least one pixel"),
        ({"bands": ("g", "r")}, "for 3 images"),
        ({"bands": ("g", "r", "r")}, "one different name"),
        ({"bands": ("g", "r", "i i")}, "names without spaces"),
        ({"unit": "Jy"}, "unit is 'Jy'; wanted one of nJy, count, picture"),
        ({"variance": np.ones((3, 5, 4), np.float32)}, r"variance has shape \(3, 5, 4\); wanted \(3, 4, 5\)"),
        ({"mask_planes": {"SAT": np.zeros((4, 5), bool)}}, "mask plane SAT has shape"),
        ({"mask_planes": {"SAT": np.zeros((3, 4, 5), np.uint8)}}, "holds uint8; wanted True and False"),
        ({"mask_planes": {"sat urated": np.zeros((3, 4, 5), bool)}}, "upper case"),
        ({"psf": {"z": np.ones((5, 5), np.float32)}}, "psf 'z'"),
        ({"pixel_scale_arcsec": 0.0}, "pixel_scale_arcsec is 0.0"),
        ({"ra_deg": float("nan"), "dec_deg": 0.0}, "ra_deg is nan"),
        ({"ra_deg": 1.0, "dec_deg": 91.0}, "dec_deg is 91.0"),
        ({"ra_deg": 1.0}, "one of ra_deg and dec_deg is missing"),
    ],
)
def test_a_cutout_that_contradicts_itself_is_refused(changes, sentence):
    with pytest.raises(ValueError, match=sentence):
        cutout(**changes)


def test_a_number_is_no_object_id():
    # Without the types that the tests check: the library meets ids from tables read without care.
    code = (
        "import numpy as np; from flaxgal.survey.cutout import Cutout\n"
        "try: Cutout(object_id=4.3e16, flux=np.ones((1, 2, 2)), bands=('g',), unit='nJy')\n"
        "except ValueError as error: print(error)"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "of type float; wanted text" in answer


def test_pixels_cannot_be_written_through_a_cutout():
    mine = np.zeros((1, 2, 2), np.float32)
    made = cutout(flux=mine, bands=("g",))
    with pytest.raises(ValueError, match="read-only"):
        made.flux[0, 0, 0] = 1
    mine[0, 0, 0] = 1  # the caller's own array stays the caller's


def test_big_endian_double_pixels_become_native_floats():
    assert cutout(flux=np.ones((3, 4, 5), ">f8")).flux.dtype == np.dtype("=f4")


def test_select_reorders_everything_that_has_a_band():
    planes = {"SAT": np.arange(60).reshape(3, 4, 5) % 7 == 0}
    full = cutout(variance=np.arange(60.0).reshape(3, 4, 5), mask_planes=planes, psf={"g": np.ones((3, 3), np.float32)})
    part = full.select(("i", "g"))
    assert part.bands == ("i", "g")
    for which in (lambda one: one.flux, lambda one: one.variance, lambda one: one.mask_planes["SAT"]):
        np.testing.assert_array_equal(which(part), which(full)[[2, 0]])
    assert list(part.psf) == ["g"]
    assert full.select(("r",)).psf == {}


def test_a_missing_band_is_named_with_those_there_are():
    with pytest.raises(
        ValueError,
        match="NGC 1300: bands found are g r i, wanted r z; build with --bands g r i or grey, use a run trained",
    ):
        cutout().select(("r", "z"))


def test_the_hash_changes_with_any_pixel_and_not_with_the_name():
    variance = np.ones((3, 4, 5), np.float32)
    one = cutout(variance=variance)
    other = variance.copy()
    other[2, 3, 4] = 2
    assert cutout(variance=variance, object_id="other", survey="HSC").sha256 == one.sha256
    hashes = {
        one.sha256,
        cutout().sha256,
        cutout(variance=other).sha256,
        cutout(unit="count").sha256,
        cutout(bands=("g", "r", "z")).sha256,
        cutout(mask_planes={"SAT": np.zeros((3, 4, 5), bool)}).sha256,
        cutout(psf={"g": np.ones((3, 3), np.float32)}).sha256,
    }
    assert len(hashes) == 7
