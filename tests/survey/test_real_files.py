"""Files of real surveys, given by --real-data: what flaxgal reads agrees with what astropy and the surveys say."""

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS
from PIL import Image

from flaxgal.survey.cutout import Cutout, find_cutouts, read_cutout, read_cutouts, write_cutout
from flaxgal.survey.display import fit_frame, lupton_rgb, to_picture

COADD = "hsc/cutout-HSC-R-9071-s18a_wide-181211-014627.fits"


@pytest.mark.parametrize(
    ("folder", "scale", "number"),
    [("hsc", 0.168, 3), ("decals", 0.262, 2), ("sdss_spirals/sdss_fits", 0.396, 25), ("gz3d", 0.099, 2)],
)
def test_every_fits_file_of_a_survey_is_read_at_its_pixel_scale(real_data, folder, scale, number):
    files = [path for group in find_cutouts(real_data / folder) for path in [group] if ".fits" in path[0].name]
    read = [read_cutout(group) for group in files]
    assert len(read) == number
    for cutout in read:
        assert cutout.pixel_scale_arcsec == pytest.approx(scale, rel=1e-6)


def test_every_picture_is_read_as_pillow_reads_it(real_data):
    files = sorted((real_data / "panels" / "images").iterdir()) + sorted((real_data / "gz1" / "images").iterdir())[:5]
    for path in files:
        wanted = np.asarray(Image.open(path))
        wanted = wanted[None] if wanted.ndim == 2 else wanted.transpose(2, 0, 1)
        np.testing.assert_array_equal(read_cutout(path).flux, wanted)


def test_an_hsc_coadd_has_its_mask_planes_variance_and_zero_point(real_data):
    read = read_cutout(real_data / COADD)
    with fits.open(real_data / COADD) as hdus:
        counts, variance = hdus[1].data, hdus[3].data
        planes = {key[3:] for key in hdus[2].header if key.startswith("MP_")}
        bit = hdus[2].header["MP_DETECTED"]
        detected = (hdus[2].data.astype(np.int64) >> bit & 1).astype(bool)
    njy = 10 ** (0.4 * (31.4 - 27.0))
    assert (read.bands, read.unit, read.survey) == (("r",), "nJy", "HSC")
    assert set(read.mask_planes) == planes
    np.testing.assert_array_equal(read.mask_planes["DETECTED"][0], detected)
    np.testing.assert_allclose(read.flux[0], counts * njy, rtol=1e-3)
    assert read.variance is not None
    np.testing.assert_allclose(read.variance[0], variance * njy**2, rtol=2e-3)


def test_hsc_bands_of_one_galaxy_are_merged(real_data):
    (group,) = [group for group in find_cutouts(real_data / "hsc") if len(group) > 1]
    read = read_cutout(group)
    assert read.bands == ("g", "r", "i")
    for plane, band in zip(read.flux, read.bands, strict=True):
        np.testing.assert_array_equal(plane, fits.getdata(real_data / "hsc" / f"{band}-band.fits"))


def test_an_hsc_psf_comes_with_its_image(real_data):
    psf = next((real_data / "hsc").glob("psf-*9071*.fits"))
    image = read_cutout(real_data / COADD, psf=psf).psf["r"]
    assert image.sum() == pytest.approx(1, abs=1e-5)
    peak = np.unravel_index(image.argmax(), image.shape)
    assert np.abs(np.subtract(peak, np.array(image.shape) // 2)).max() <= 1


@pytest.mark.parametrize("name", [COADD, "hsc/r-band.fits", "hsc/Cut_HSC.fits", "decals/example_a.fits"])
def test_sky_positions_agree_with_astropy(real_data, name):
    read = read_cutout(real_data / name)
    with fits.open(real_data / name) as hdus:
        wcs = WCS(hdus[1 if name == COADD else 0].header, naxis=2)
    pixels = np.array([[0.0, 0.0], [30.0, 17.0]])
    np.testing.assert_allclose(read.wcs.all_pix2world(pixels, 0), wcs.all_pix2world(pixels, 0), rtol=0, atol=1e-10)


def test_legacy_survey_cubes_are_nanomaggies_of_three_bands(real_data):
    read = read_cutout(real_data / "decals" / "example_a.fits")
    assert (read.bands, read.unit, read.survey) == (("g", "r", "z"), "nJy", "DECaLS")
    np.testing.assert_allclose(read.flux, fits.getdata(real_data / "decals" / "example_a.fits") * 3631, rtol=1e-5)


def test_sdss_images_name_band_survey_and_galaxy(real_data):
    for read in read_cutouts(real_data / "sdss_spirals" / "sdss_fits"):
        assert isinstance(read, Cutout)
        assert (read.bands, read.unit, read.survey) == (("r",), "count", "SDSS")
        assert len(read.object_id) == 19


def test_a_gz3d_file_gives_its_colour_picture(real_data):
    path = next((real_data / "gz3d").glob("*.fits.gz"))
    read = read_cutout(path)
    assert (read.bands, read.unit) == (("red", "green", "blue"), "picture")
    hexagon = read.mask_planes["HEXAGON"][0]
    assert 0.01 < hexagon.mean() < 0.04
    np.testing.assert_array_equal(read.flux.transpose(1, 2, 0)[~hexagon], fits.getdata(path, 0)[~hexagon])


def test_a_gz3d_file_has_north_in_its_first_row(real_data):
    read = read_cutout(next((real_data / "gz3d").glob("*.fits.gz")))
    _, dec = read.wcs.all_pix2world([[262, 0], [262, 524]], 0).T
    assert read.first_row == "top"
    assert dec[0] > dec[1]


@pytest.mark.parametrize("name", [COADD, "hsc/Cut_HSC.fits", "decals/example_b.fits"])
def test_real_cutouts_survive_flaxgals_own_file(real_data, tmp_path, name):
    read = read_cutout(real_data / name)
    write_cutout(read, tmp_path / "a.fits")
    again = read_cutout(tmp_path / "a.fits")
    assert again.sha256 == read.sha256
    assert (again.ra_deg, again.dec_deg, again.pixel_scale_arcsec) == (
        read.ra_deg,
        read.dec_deg,
        read.pixel_scale_arcsec,
    )
    corner = np.array([[0.0, 0.0]])
    np.testing.assert_array_equal(again.wcs.all_pix2world(corner, 0), read.wcs.all_pix2world(corner, 0))


def test_pictures_of_real_fluxes_look_like_published_hsc_pictures(real_data):
    wanted = [np.asarray(Image.open(path)) for path in sorted((real_data / "panels" / "images").glob("hsc-*.png"))]
    cutouts = [read_cutout(real_data / "hsc" / f"{band}-band.fits") for band in "gri"]
    made = [to_picture(cutout, cutout.bands)[201:265, 201:265, 0] for cutout in cutouts]
    for cutout in read_cutouts(real_data / "sdss_spirals" / "sdss_fits"):
        assert isinstance(cutout, Cutout)
        made.append(to_picture(cutout)[..., 0])
    levels = (25, 50, 75, 90, 95, 99)
    ours, theirs = (np.median([np.percentile(picture, levels) for picture in some], axis=0) for some in (made, wanted))
    assert np.abs(ours - theirs).max() < 30, (ours, theirs)
    assert min(picture.max() for picture in made) == 255


def test_every_real_file_makes_a_picture_and_a_colour_picture(real_data):
    for group in find_cutouts([real_data / folder for folder in ("hsc", "decals", "sdss_spirals/sdss_fits")]):
        cutout = read_cutout(group)
        fitted, frame = fit_frame(to_picture(cutout), 64)
        assert fitted.max() > 100
        assert frame.to_native(fitted.astype(np.float32)).shape[:2] == cutout.image_shape
        assert lupton_rgb(cutout).shape == (*cutout.image_shape, 3)


def test_the_galaxy_in_what_galfit_wrote_is_read(real_data):
    files = sorted((real_data / "sdss_spirals" / "galfit").glob("*_galfit_out.fits"))
    assert files
    for path in files:
        np.testing.assert_array_equal(read_cutout(path).flux[0], fits.getdata(path, 1).astype(np.float32))
