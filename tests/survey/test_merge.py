import numpy as np
import pytest

from flaxgal.survey.cutout import Cutout, read_cutout
from flaxgal.survey.merge import merged, position_name

SKY = np.random.default_rng(2).normal(size=(60, 60)).astype(np.float32)


@pytest.fixture
def frame(make_wcs):
    """A window of one sky, in one band: y, x of its first pixel, and its shape."""

    def make(band, start=(10, 10), shape=(30, 30), fraction=0.0, scale=0.168, **more) -> Cutout:
        window = SKY[start[0] : start[0] + shape[0], start[1] : start[1] + shape[1]]
        wcs = make_wcs(scale=scale, centre=(30.0 - start[1] + fraction, 30.0 - start[0]))
        values = {"object_id": f"HSC-{band}", "flux": window[None], "bands": (band,), "unit": "nJy", "wcs": wcs}
        return Cutout(**values | more)

    return make


def test_bands_are_put_in_the_order_of_wavelength(frame):
    assert merged([frame("i"), frame("g"), frame("r")], object_id="a").bands == ("g", "r", "i")


def test_unknown_bands_stay_in_the_order_given(frame):
    assert merged([frame("NB921"), frame("g")], object_id="a").bands == ("NB921", "g")


@pytest.mark.parametrize("start", [(10, 10), (12, 7), (3, 20), (25, 39)])
def test_shifted_frames_are_cut_to_the_sky_they_share(frame, start):
    made = merged([frame("g"), frame("r", start=start)], object_id="a")
    np.testing.assert_array_equal(made.flux[0], made.flux[1])  # the same sky in both bands
    assert made.image_shape == tuple(30 - abs(there - 10) for there in start)
    # The cut frame still knows where it is.
    top = np.argwhere(made.flux[0][0, 0] == SKY)[0]
    expected = frame("g", start=(0, 0)).wcs.wcs_pix2world([[top[1], top[0]]], 0)
    np.testing.assert_allclose(made.wcs.wcs_pix2world([[0, 0]], 0), expected, atol=1e-9)


def test_masks_variances_and_psfs_come_along(frame):
    plane = np.zeros((1, 30, 30), bool)
    plane[0, 4, 5] = True
    with_all = frame(
        "g", variance=np.ones((1, 30, 30)), mask_planes={"SAT": plane}, psf={"g": np.ones((3, 3), np.float32)}
    )
    made = merged([with_all, frame("r", start=(8, 10))], object_id="a")
    assert np.argwhere(made.mask_planes["SAT"]).tolist() == [[0, 4, 5]]
    assert made.variance is not None
    assert (made.variance[0] == 1).all()
    assert np.isnan(made.variance[1]).all()
    assert list(made.psf) == ["g"]


def test_a_band_that_comes_twice_is_refused(frame):
    with pytest.raises(ValueError, match="HSC-g, HSC-g: found band g more than once; give one file for each band"):
        merged([frame("g"), frame("g")], object_id="a")


def test_frames_shifted_by_half_a_pixel_are_refused(frame):
    with pytest.raises(ValueError, match=r"differ by 0\.50 pixels .*resample"):
        merged([frame("g"), frame("r", fraction=0.5)], object_id="a")


def test_frames_of_another_scale_are_refused(frame):
    with pytest.raises(ValueError, match="their pixel grids differ"):
        merged([frame("g"), frame("r", scale=0.2)], object_id="a")


def test_frames_of_different_places_are_refused(frame, make_wcs):
    with pytest.raises(ValueError, match="show different parts of the sky"):
        merged([frame("g"), frame("r", wcs=make_wcs(ra=150.2))], object_id="a")
    with pytest.raises(ValueError, match="show different parts of the sky"):
        merged([frame("g"), frame("r", wcs=make_wcs(ra=330.0, dec=-2.0))], object_id="a")  # behind the tangent plane


def test_fluxes_of_different_units_are_refused(frame):
    with pytest.raises(ValueError, match="found fluxes in count and nJy; wanted one unit"):
        merged([frame("g"), frame("r", unit="count")], object_id="a")


def test_images_without_position_need_one_size(frame):
    assert merged([frame("g", wcs=None), frame("r", wcs=None)], object_id="a").flux.shape == (2, 30, 30)
    with pytest.raises(ValueError, match="without sky positions"):
        merged([frame("g", wcs=None), frame("r", wcs=None, shape=(30, 31))], object_id="a")


def test_files_of_several_bands_are_read_as_one_galaxy(coadd_file, make_wcs, make_galaxy):
    files = [
        coadd_file("cutout-HSC-R-9071.fits", band="HSC-R"),
        coadd_file("cutout-HSC-G-9071.fits", band="HSC-G", wcs=make_wcs(crpix_shift=(0, -2)), image=make_galaxy()[2:]),
    ]
    read = read_cutout(files)
    assert (read.object_id, read.bands, read.flux.shape) == ("cutout-9071", ("g", "r"), (2, 38, 40))
    np.testing.assert_array_equal(read.flux[0], read.flux[1])


@pytest.mark.parametrize(
    ("place", "name"),
    [
        ((29.91433, -3.17986), "J015939.43-031047.4"),
        ((0.0, 0.0), "J000000.00+000000.0"),
        ((359.999999, 89.99), "J235959.99+895924.0"),
    ],
)
def test_a_galaxy_is_named_by_its_place_truncated(place, name):
    assert position_name(*place) == name
