import gzip
import shutil

import numpy as np
import pytest
from astropy.io import fits

from flaxgal.survey.cutout import read_cutout
from flaxgal.survey.headers import band_in_name, name_without_band


def counts_to(path):
    """Unit, and nJy a count."""
    read = read_cutout(path)
    with fits.open(path) as hdus:
        return read.unit, float(np.median(read.flux[0] / hdus[0].data))


@pytest.mark.parametrize(
    ("cards", "unit", "factor"),
    [
        ({}, "count", 1),
        ({"BUNIT": "adu"}, "count", 1),
        ({"BUNIT": "nanomaggy"}, "nJy", 3631),
        ({"BUNIT": "nJy"}, "nJy", 1),
        ({"BUNIT": "uJy/pixel"}, "nJy", 1e3),
        ({"BUNIT": "mJy"}, "nJy", 1e6),
        ({"BUNIT": "mjy/pixel"}, "nJy", 1e6),
        ({"BUNIT": "MJy"}, "nJy", 1e15),
        ({"BUNIT": "MJy/pixel"}, "nJy", 1e15),
        ({"BUNIT": "MJy/sr", "FLUXMAG0": 3631e9}, "count", 1),  # no pixel scale: brightness, but of what area?
        ({"FLUXMAG0": 3631e9}, "nJy", 1),
        ({"MAGZERO": 25.0}, "nJy", 3631e9 * 1e-10),
        ({"ZP": 22.5}, "nJy", 3631),
        ({"ZP": 0.0}, "count", 1),  # a zero that means "unknown"
        ({"BANDS": "r", "BAND0": "r", "IMAGEW": 40.0}, "nJy", 3631),  # Legacy Surveys
    ],
)
def test_fluxes_come_in_nanojansky_where_the_header_has_a_zero_point(image_file, cards, unit, factor):
    assert counts_to(image_file(**cards)) == (unit, pytest.approx(factor, rel=1e-5))


@pytest.mark.parametrize(
    ("text", "njy"),
    [("MJy/sr", 1e15), ("MJy sr-1", 1e15), ("MJy.sr**-1", 1e15), ("mJy / sr", 1e6), ("Jy sr^-1", 1e9)],
)
def test_surface_brightness_becomes_flux_per_pixel(image_file, make_wcs, text, njy):
    unit, factor = counts_to(image_file(wcs=make_wcs(scale=1.0), BUNIT=text))
    assert unit == "nJy"
    assert factor == pytest.approx(njy / 206264.806**2, rel=1e-4)


@pytest.mark.parametrize("layout", ["PC and CDELT", "CD"])
def test_the_pixel_scale_is_read_from_either_matrix(image_file, make_wcs, layout):
    wcs = make_wcs(scale=0.396)
    path = image_file(wcs=wcs)
    if layout == "CD":
        with fits.open(path, mode="update") as hdus:
            for axis in (1, 2):
                hdus[0].header[f"CD{axis}_{axis}"] = hdus[0].header.pop(f"CDELT{axis}")
                hdus[0].header.remove(f"PC{axis}_{axis}", ignore_missing=True)
    assert read_cutout(path).pixel_scale_arcsec == pytest.approx(0.396, rel=1e-6)


def test_an_image_without_sky_position_takes_the_pixel_scale_that_is_given(image_file):
    path = image_file()
    assert read_cutout(path).wcs is None
    assert read_cutout(path).pixel_scale_arcsec is None
    assert read_cutout(path, pixel_scale_arcsec=0.2).pixel_scale_arcsec == 0.2


def test_the_first_row_of_the_file_stays_the_first_row(image_file):
    data = np.arange(12, dtype=np.float32).reshape(3, 4)
    np.testing.assert_array_equal(read_cutout(image_file(data=data)).flux[0], data)


def test_header_positions_are_believed_only_inside_the_frame(image_file, make_wcs):
    wcs = make_wcs(ra=150.1, dec=2.2)
    inside = read_cutout(image_file("a.fits", wcs=wcs, RA=150.1001, DEC=2.2001))
    assert (inside.ra_deg, inside.dec_deg) == (150.1001, 2.2001)
    pointing = read_cutout(image_file("b.fits", wcs=wcs, RA=151.0, DEC=2.0))
    assert (pointing.ra_deg, pointing.dec_deg) == pytest.approx((150.1, 2.2), abs=1e-4)


@pytest.mark.parametrize(
    ("cards", "bands"),
    [
        ({"BAND0": "g", "BAND1": "r", "BAND2": "z"}, ("g", "r", "z")),
        ({"FILTER1": "g", "FILTER2": "r", "FILTER3": "i"}, ("g", "r", "i")),
        ({"BANDS": "grz"}, ("g", "r", "z")),
        ({"FILTERS": "F115W, F200W F444W"}, ("F115W", "F200W", "F444W")),
        ({}, ("band0", "band1", "band2")),
    ],
)
def test_planes_of_a_cube_are_named_by_its_cards(image_file, make_galaxy, cards, bands):
    cube = np.stack([make_galaxy() * factor for factor in (1, 2, 3)])
    read = read_cutout(image_file(data=cube, **cards))
    assert read.bands == bands
    np.testing.assert_array_equal(read.flux, cube)


def test_band_names_can_be_given(image_file, make_galaxy):
    path = image_file(data=np.stack([make_galaxy()] * 3))
    assert read_cutout(path, bands=("g", "r", "i")).bands == ("g", "r", "i")
    with pytest.raises(ValueError, match=r"galaxy\.fits: found 3 bands, but 2 names \(g r\); give 3 names"):
        read_cutout(path, bands=("g", "r"))


def test_axes_of_one_pixel_are_dropped(image_file, make_galaxy):
    assert read_cutout(image_file(data=make_galaxy()[None, None])).flux.shape == (1, 40, 40)


def test_a_colour_picture_in_fits_is_a_picture(image_file):
    data = np.random.default_rng(0).integers(0, 255, (8, 9, 3)).astype(np.uint8)
    read = read_cutout(image_file(data=data))
    assert read.unit == "picture"
    assert read.bands == ("red", "green", "blue")
    np.testing.assert_array_equal(read.flux, data.transpose(2, 0, 1))


@pytest.mark.parametrize("name", ["a.fits.gz", "a.fits.fz", "no_ending"])
def test_a_compressed_image_is_read_by_content_not_by_name(tmp_path, make_galaxy, make_wcs, name):
    data = np.round(make_galaxy() * 100).astype(np.int32)
    path = tmp_path / name
    if name.endswith("fz"):
        fits.HDUList([fits.PrimaryHDU(), fits.CompImageHDU(data, make_wcs().to_header())]).writeto(path)
    else:
        fits.PrimaryHDU(data, make_wcs().to_header()).writeto(tmp_path / "plain.fits")
        with (tmp_path / "plain.fits").open("rb") as plain, gzip.open(path, "wb") as packed:
            shutil.copyfileobj(plain, packed)
    read = read_cutout(path)
    np.testing.assert_array_equal(read.flux[0], data)
    assert read.pixel_scale_arcsec == pytest.approx(0.168)
    assert read.object_id == name.split(".")[0]


def test_an_empty_image_gives_way_to_the_next_one(tmp_path, make_galaxy, make_wcs):
    """GALFIT writes an empty primary HDU, then the galaxy, its model, and what is left over."""
    galaxy, empty = make_galaxy(), np.zeros((40, 40), np.float32)
    images = [fits.ImageHDU(image, make_wcs().to_header()) for image in (galaxy, galaxy * 2, galaxy * 3)]
    fits.HDUList([fits.PrimaryHDU(empty), *images]).writeto(tmp_path / "a.fits")
    read = read_cutout(tmp_path / "a.fits")
    np.testing.assert_array_equal(read.flux[0], galaxy)
    assert read.pixel_scale_arcsec == pytest.approx(0.168)


def test_noise_is_not_taken_for_an_empty_image(tmp_path):
    image, noise = np.zeros((5, 6), np.float32), np.ones((5, 6), np.float32)
    fits.HDUList([fits.PrimaryHDU(image), fits.ImageHDU(noise, name="ERR")]).writeto(tmp_path / "a.fits")
    with pytest.raises(ValueError, match=r"a\.fits: every pixel is zero"):
        read_cutout(tmp_path / "a.fits")


@pytest.mark.parametrize(
    ("name", "value", "variance"), [("VARIANCE", 4.0, 4.0), ("ERR", 3.0, 9.0), ("IVAR", 0.25, 4.0)]
)
def test_noise_images_become_variances_in_the_unit_of_the_flux(tmp_path, make_galaxy, name, value, variance):
    header = fits.Header({"BUNIT": "nanomaggy"})
    hdus = [fits.PrimaryHDU(), fits.ImageHDU(make_galaxy(), header), fits.ImageHDU(np.full((40, 40), value), name=name)]
    fits.HDUList(hdus).writeto(tmp_path / "a.fits")
    read = read_cutout(tmp_path / "a.fits")
    assert read.variance is not None
    np.testing.assert_allclose(read.variance, variance * 3631**2, rtol=1e-6)


def test_nan_pixels_stay_nan(image_file, make_galaxy):
    data = make_galaxy()
    data[5, 6] = np.nan
    read = read_cutout(image_file(data=data))
    assert np.argwhere(np.isnan(read.flux)).tolist() == [[0, 5, 6]]


@pytest.mark.parametrize(
    ("name", "band", "rest"),
    [
        ("cutout-HSC-R-9071-s18a_wide.fits", "r", "cutout-9071-s18a_wide"),
        ("calexp-HSC-I2-9813-4,5.fits.gz", "i", "calexp-9813-4,5"),
        ("r-band.fits", "r", ""),
        ("NGC1300_g.fits", "g", "NGC1300"),
        ("z_NGC1300.fits", "z", "NGC1300"),
        ("1237655463239155886.fits", None, "1237655463239155886"),
        ("spiral-galaxy.fits", None, "spiral-galaxy"),
        ("image.r.fits", "r", "image"),
    ],
)
def test_a_band_in_a_file_name_is_found_and_taken_out(name, band, rest):
    assert (band_in_name(name), name_without_band(name)) == (band, rest)
