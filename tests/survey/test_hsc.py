import numpy as np
import pytest
from astropy.io import fits

from flaxgal.survey.cutout import read_cutout


def test_fluxes_are_nanojansky_and_variances_their_square(coadd_file, make_galaxy):
    read = read_cutout(coadd_file())
    # AB magnitude 31.4 is 1 nJy (to 0.1 %), and one count has magnitude 27.
    njy_per_count = 10 ** (0.4 * (31.4 - 27.0))
    assert read.unit == "nJy"
    assert read.survey == "HSC"
    np.testing.assert_allclose(read.flux[0], make_galaxy() * njy_per_count, rtol=2e-3)
    assert read.variance is not None
    np.testing.assert_allclose(read.variance, 4e-4 * njy_per_count**2, rtol=4e-3)


def test_bits_are_read_by_the_names_in_the_header(coadd_file):
    mask = np.zeros((40, 40), np.int32)
    mask[3, 5] = 1 << 9
    read = read_cutout(coadd_file(bits={"CR": 0, "BRIGHT_OBJECT": 9, "SAT": 4}, mask=mask))
    assert list(read.mask_planes) == ["CR", "SAT", "BRIGHT_OBJECT"]
    assert np.argwhere(read.mask_planes["BRIGHT_OBJECT"]).tolist() == [[0, 3, 5]]
    assert not read.mask_planes["SAT"].any()


@pytest.mark.parametrize(
    ("card", "band"), [("HSC-R", "r"), ("r2", "r"), ("HSC-I2", "i"), ("y", "y"), ("NB0921", "NB0921")]
)
def test_the_filter_card_names_the_band(coadd_file, card, band):
    assert read_cutout(coadd_file(band=card)).bands == (band,)


def test_a_coadd_without_exttype_is_known_by_its_mask_cards(coadd_file):
    read = read_cutout(coadd_file(exttype=False))
    assert read.variance is not None
    assert set(read.mask_planes) == {"BAD", "SAT"}


def test_a_mask_of_another_size_is_refused(coadd_file):
    path = coadd_file(mask=np.zeros((39, 40), np.int32))
    with pytest.raises(
        ValueError, match=r"cutout-HSC-R-9071\.fits: found a mask of \(39, 40\) pixels for an image of \(40, 40\)"
    ):
        read_cutout(path)


def test_a_point_spread_function_comes_with_its_cutout(coadd_file, tmp_path):
    fits.PrimaryHDU(np.full((43, 41), 2.0)).writeto(tmp_path / "psf-calexp-HSC-R.fits")
    psf = read_cutout(coadd_file(), psf=tmp_path / "psf-calexp-HSC-R.fits").psf["r"]
    assert psf.shape == (43, 41)
    assert psf.sum() == pytest.approx(1)


def test_an_empty_point_spread_function_is_refused(coadd_file, tmp_path):
    fits.PrimaryHDU(np.zeros((43, 41))).writeto(tmp_path / "psf.fits")
    with pytest.raises(ValueError, match=r"psf\.fits: found no point-spread function"):
        read_cutout(coadd_file(), psf=tmp_path / "psf.fits")


@pytest.mark.parametrize("lost", ["IMAGE", "MASK", "VARIANCE"])
def test_a_coadd_without_one_of_its_parts_is_refused(coadd_file, lost):
    path = coadd_file()
    with fits.open(path) as hdus:
        kept = fits.HDUList([hdu.copy() for hdu in hdus if hdu.header.get("EXTTYPE") != lost])
    kept.writeto(path, overwrite=True)
    with pytest.raises(ValueError, match=rf"9071\.fits: found an HSC coadd without its {lost}; .* fetch it again"):
        read_cutout(path)


@pytest.mark.parametrize("cards", [{}, {"EXTTYPE": "IMAGE"}, {"EXTNAME": "IMAGE"}])
def test_a_lone_image_is_no_coadd(image_file, cards):
    read = read_cutout(image_file(FILTER="HSC-R", FLUXMAG0=10**10.8, **cards))
    assert (read.bands, read.variance, dict(read.mask_planes)) == (("r",), None, {})
