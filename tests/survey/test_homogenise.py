import dataclasses
from collections.abc import Mapping

import galsim
import numpy as np
import pytest
from astropy.coordinates import SkyCoord

from flaxgal.survey.cutout import Cutout
from flaxgal.survey.homogenise import homogenise, shrink_to
from flaxgal.survey.looks import GZ3D, HSC, SDSS, Look, core_brightness, look_of, pixel_noise, psf_on
from flaxgal.survey.psf_matching import misplaced_light
from flaxgal.survey.sky import sky_level

SILENT_HSC = dataclasses.replace(HSC, noise_njy=None, core_to_noise=None, image_size=None)
SILENT_SDSS = dataclasses.replace(SDSS, noise_njy=None, core_to_noise=None)


def spiral_like(half_light_arcsec):
    """A disc, a bulge and two blobs off its middle, in arcsec."""
    r = half_light_arcsec
    disc = galsim.Exponential(half_light_radius=r, flux=1000).shear(g1=0.2, g2=0.1)
    bulge = galsim.Gaussian(half_light_radius=0.2 * r, flux=200)
    blobs = galsim.Gaussian(half_light_radius=0.15 * r, flux=60)
    return disc + bulge + blobs.shift(0.9 * r, 0.3 * r) + blobs.shift(-0.9 * r, -0.3 * r)


def seen_by(look, galaxy, size, **changes):
    """GalSim's own picture of a galaxy through a look's seeing, without noise."""
    seeing = galsim.Moffat(beta=look.psf_beta, fwhm=look.psf_fwhm_arcsec, trunc=6 * look.psf_fwhm_arcsec)
    seen = galsim.Convolve(galaxy, seeing).drawImage(nx=size, ny=size, scale=look.pixel_scale_arcsec)
    star = seeing.drawImage(nx=61, ny=61, scale=look.pixel_scale_arcsec)
    given = {
        "object_id": "a",
        "flux": seen.array[None],
        "bands": ("r",),
        "unit": "nJy",
        "pixel_scale_arcsec": look.pixel_scale_arcsec,
        "psf": {"r": star.array},
    }
    return Cutout(**(given | changes))


@pytest.mark.parametrize(("source", "target", "shrink"), [(SDSS, HSC, 2.5), (SDSS, HSC, 3.17), (HSC, SDSS, 1.0)])
def test_a_galaxy_looks_as_if_the_other_survey_had_seen_it(source, target, shrink):
    """Against GalSim drawing the same galaxy through the other survey's seeing: 1 % of the brightest pixel."""
    target = dataclasses.replace(target, noise_njy=None, image_size=None)
    galaxy = spiral_like(4.0 if shrink > 1 else 1.5)
    found = homogenise(seen_by(source, galaxy, 160), target, shrink=shrink).cutout
    size = found.image_shape[0]
    truth = seen_by(target, galaxy.dilate(1 / shrink), size).flux[0]
    assert np.abs(found.flux[0] - truth).max() < 0.01 * truth.max()
    assert found.flux.sum() == pytest.approx(truth.sum(), rel=1e-3)


@pytest.mark.parametrize("shrink", [2.2, 2.5, 4.1, 7.0])
def test_flux_is_conserved_to_a_thousandth(shrink):
    cutout = seen_by(SDSS, spiral_like(3.0), 151)
    after = homogenise(cutout, SILENT_HSC, shrink=shrink).cutout
    assert after.flux.sum(dtype=float) == pytest.approx(cutout.flux.sum(dtype=float), rel=1e-3)


@pytest.mark.parametrize("look", [SILENT_SDSS, dataclasses.replace(GZ3D, core_to_noise=None, image_size=None)])
def test_flux_is_conserved_the_other_way_round(look):
    cutout = seen_by(HSC, spiral_like(1.0), 150)
    after = homogenise(cutout, look).cutout
    assert after.flux.sum(dtype=float) == pytest.approx(cutout.flux.sum(dtype=float), rel=1e-3)
    assert after.pixel_scale_arcsec == look.pixel_scale_arcsec


def test_a_star_comes_out_as_the_looks_psf():
    point = galsim.Gaussian(sigma=1e-3, flux=5000)
    found = homogenise(seen_by(SDSS, point, 101), SILENT_HSC, shrink=2.6)
    star = found.cutout.flux[0]
    assert misplaced_light(star, psf_on(SILENT_HSC, 0.168)) < 0.01
    assert misplaced_light(found.cutout.psf["r"], psf_on(SILENT_HSC, 0.168)) < 0.01
    assert found.misplaced_light["r"] < 0.01


def test_a_seeing_too_wide_for_the_look_is_refused_unless_one_says_how_bad_it_may_be():
    cutout = seen_by(SDSS, spiral_like(3.0), 101)
    with pytest.raises(ValueError, match=r"a: in band r \d+% of a star's light .* than shrink=1, or give a larger"):
        homogenise(cutout, SILENT_HSC)
    found = homogenise(cutout, SILENT_HSC, misplaced=0.6)
    assert found.misplaced_light["r"] > 0.05
    assert found.cutout.flux.sum(dtype=float) == pytest.approx(cutout.flux.sum(dtype=float), rel=1e-3)


def noisy_sky(look, size, spread, number=1, seed=0, **changes):
    noise = np.random.default_rng(seed).normal(0, spread, (number, size, size)).astype(np.float32)
    bands = tuple(f"b{k}" for k in range(number))
    changes = {"variance": np.full_like(noise, spread**2)} | changes
    return Cutout(
        object_id=changes.pop("object_id", "sky"),
        flux=noise,
        bands=bands,
        unit=changes.pop("unit", "nJy"),
        pixel_scale_arcsec=look.pixel_scale_arcsec,
        psf=dict.fromkeys(bands, psf_on(look, look.pixel_scale_arcsec)),
        **changes,
    )


@pytest.mark.parametrize(("source", "target", "shrink"), [(SDSS, SILENT_HSC, 2.5), (HSC, SILENT_SDSS, 1.0)])
def test_the_variance_says_how_noisy_the_new_pixels_are(source, target, shrink):
    """Against the scatter of twelve skies: within 5 %."""
    after = homogenise(noisy_sky(source, 200, 3.0, 12), target, shrink=shrink).cutout
    middle = (slice(None), slice(10, -10), slice(10, -10))
    assert after.flux[middle].std() == pytest.approx(np.sqrt(after.variance[middle].mean()), rel=0.05)


def test_noise_is_added_up_to_the_depth_of_the_look():
    after = homogenise(noisy_sky(HSC, 200, 3.0, 3), SDSS)
    for band, flux, variance in zip(after.cutout.bands, after.cutout.flux, after.cutout.variance, strict=True):
        assert flux.std() == pytest.approx(108, rel=0.05)
        assert np.sqrt(np.median(variance)) == pytest.approx(108, rel=1e-4)
        assert 100 < after.noise_added[band] < 108


def test_depth_is_reached_without_a_variance_too():
    after = homogenise(noisy_sky(HSC, 200, 3.0, variance=None), SDSS).cutout
    assert after.variance is None
    assert float(sky_level(after.flux)[1][0]) == pytest.approx(108, rel=0.05)


def test_a_galaxy_that_fills_the_frame_is_not_taken_for_noise():
    """As in Galaxy Zoo: 3D: no pixel of empty sky, and a picture smoother than HSC's."""
    cutout = seen_by(GZ3D, galsim.Exponential(half_light_radius=14.0, flux=1e6), 525, unit="count")
    after = homogenise(cutout, HSC, shrink=4.8)
    sky = float(sky_level(after.cutout.flux)[0][0])
    assert (core_brightness(after.cutout.flux[0]) - sky) / pixel_noise(after.cutout.flux[0]) == pytest.approx(
        150, rel=0.1
    )


def test_noise_is_told_from_smooth_light():
    y, x = np.indices((80, 80)) - 39.5
    disc = 500 * np.exp(-np.hypot(y, x) / 15)
    noise = np.random.default_rng(0).normal(0, 2.0, disc.shape)
    assert pixel_noise(disc + noise) == pytest.approx(2.0, rel=0.06)
    assert pixel_noise(disc) < 0.1
    assert pixel_noise(np.full((9, 9), np.nan)) == 0


def test_an_image_noisier_than_the_look_is_left_as_it_is_and_says_so():
    after = homogenise(noisy_sky(SDSS, 120, 4000.0), HSC, shrink=2.5)
    assert after.noise_added == {"b0": 0.0}
    assert np.sqrt(np.nanmedian(after.cutout.variance)) > HSC.noise_njy


def test_without_a_zero_point_the_depth_is_the_cores_brightness_over_the_noise():
    cutout = seen_by(HSC, spiral_like(1.0), 120, unit="count")
    after = homogenise(cutout, SDSS).cutout
    flux = after.flux[0]
    sky = np.concatenate([flux[:6].ravel(), flux[-6:].ravel()])
    assert core_brightness(flux) / sky.std() == pytest.approx(SDSS.core_to_noise, rel=0.15)


def test_noise_depends_on_seed_and_galaxy_only():
    cutout, other = noisy_sky(HSC, 60, 3.0), noisy_sky(HSC, 60, 3.0, object_id="other")
    first = homogenise(cutout, SDSS, seed=1).cutout.flux
    np.testing.assert_array_equal(first, homogenise(cutout, SDSS, seed=1).cutout.flux)
    assert not np.allclose(first, homogenise(cutout, SDSS, seed=2).cutout.flux)
    assert not np.allclose(first, homogenise(other, SDSS, seed=1).cutout.flux)


def test_masks_go_with_their_pixels_as_shares_of_area():
    cutout = seen_by(SDSS, spiral_like(3.0), 100)
    fraction = np.zeros((1, 100, 100), np.float32)
    fraction[0, 40:60, 40:65] = 0.6
    after = homogenise(cutout, SILENT_HSC, fraction=fraction, shrink=2.5).fraction
    step = 0.168 * 2.5 / 0.396
    assert after.shape == (1, 94, 94)
    assert after.sum() * step**2 == pytest.approx(fraction.sum(), rel=1e-5)
    assert after.max() == pytest.approx(0.6)
    middle = (after.shape[2] - 1) / 2
    x = (after[0].sum(0) * (np.arange(after.shape[2]) - middle)).sum() / after.sum() * step
    assert x == pytest.approx(2.5, abs=0.01)  # mean of 40 … 64 is 52, the old middle 49.5


def test_uncertain_pixels_stay_uncertain_and_dilute_nothing():
    cutout = seen_by(SDSS, spiral_like(3.0), 100)
    fraction = np.ones((1, 100, 100), np.float32)
    fraction[0, :, :50] = np.nan
    after = homogenise(cutout, SILENT_HSC, fraction=fraction, shrink=5.0).fraction[0]
    assert np.isnan(after[:, 0]).all()
    np.testing.assert_allclose(after[np.isfinite(after)], 1)
    assert np.isfinite(after).mean() == pytest.approx(0.5, abs=0.03)


def test_the_wcs_points_to_the_same_sky(make_wcs):
    cutout = seen_by(HSC, spiral_like(1.0), 80, wcs=make_wcs(centre=(31.0, 44.0)))
    after = homogenise(cutout, SILENT_SDSS).cutout
    pixel_scale = after.pixel_scale_arcsec
    assert pixel_scale == 0.396
    shift = np.array([30.0, 43.0]) - 39.5  # from the old frame's middle
    x, y = np.asarray(after.image_shape[::-1]) / 2 - 0.5 + shift * 0.168 / 0.396
    there = SkyCoord(*after.wcs.wcs_pix2world(x, y, 0), unit="deg")
    assert there.separation(SkyCoord(150.1, 2.2, unit="deg")).arcsec < 1e-3


def test_a_galaxy_moved_away_keeps_its_place_for_the_split_but_no_wcs(make_wcs):
    cutout = seen_by(SDSS, spiral_like(3.0), 80, wcs=make_wcs(scale=0.396, centre=(40.5, 40.5)))
    after = homogenise(cutout, SILENT_HSC, shrink=3.0).cutout
    assert after.wcs is None
    assert (after.ra_deg, after.dec_deg) == (cutout.ra_deg, cutout.dec_deg)


def test_a_drawn_hexagon_leaves_no_line_in_the_light():
    cutout = seen_by(SDSS, spiral_like(3.0), 100)
    flux, line = cutout.flux.copy(), np.zeros((1, 100, 100), bool)
    line[0, 20:22, 10:90] = True
    flux[line] = 500.0
    drawn = dataclasses.replace(cutout, flux=flux, mask_planes={"HEXAGON": line})
    clean = homogenise(cutout, SILENT_HSC, shrink=3.0).cutout
    after = homogenise(drawn, SILENT_HSC, shrink=3.0).cutout
    assert np.abs(after.flux - clean.flux).max() < 0.02 * clean.flux.max()
    assert after.mask_planes["HEXAGON"][0, 15, 10:68].all()  # row 20 is 30 above the old middle: 23.6 of 78 new ones
    assert not after.mask_planes["HEXAGON"][0, 18:].any()


def test_a_region_without_data_stays_without_and_spoils_nothing_around():
    cutout = seen_by(SDSS, spiral_like(3.0), 100)
    flux = cutout.flux.copy()
    flux[:, :30, :30] = np.nan
    after = homogenise(dataclasses.replace(cutout, flux=flux), SILENT_HSC, shrink=3.0).cutout
    missing = np.isnan(after.flux[0])
    assert missing[:22, :22].all()
    assert not missing[25:].any()


def test_a_frame_larger_than_the_image_has_no_data_beyond():
    after = homogenise(seen_by(SDSS, spiral_like(3.0), 60), SILENT_HSC, shrink=4.0, image_size=64).cutout
    assert after.image_shape == (64, 64)
    assert np.isnan(after.flux[0, 0]).all()
    assert np.isfinite(after.flux[0, 32]).sum() == 34  # 60 × 0.396 / (4 × 0.168) = 35.4


def test_a_picture_becomes_light_first():
    y, x = np.indices((128, 128)) - 63.5
    grey = 255 * np.arcsinh(16 * np.exp(-np.hypot(y, x) / 14)) / np.arcsinh(16)
    picture = Cutout(object_id="p", flux=np.rint(grey)[None], bands=("grey",), unit="picture", survey="GZ3D")
    after = homogenise(picture, HSC, source=GZ3D, shrink=4.0, image_size=None).cutout
    assert (after.unit, after.survey, after.image_shape) == ("count", "GZ3D", (64, 64))
    assert after.has_linear_flux


def test_the_galaxy_gets_the_size_asked_for():
    shrink = shrink_to(12.0, HSC, 15.0)
    cutout = seen_by(SDSS, galsim.Exponential(half_light_radius=12.0, flux=1.0), 401)
    flux = homogenise(cutout, SILENT_HSC, shrink=shrink).cutout.flux[0].astype(float)
    y, x = np.indices(flux.shape) - (flux.shape[0] - 1) / 2
    within = flux[np.hypot(y, x) < 15.0].sum() / flux.sum()
    assert within == pytest.approx(0.5, abs=0.015)


def test_the_look_of_a_real_image_is_copied():
    real = noisy_sky(HSC, 100, 5.0)
    look = look_of(real)
    assert (look.pixel_scale_arcsec, look.noise_njy, look.image_size) == (0.168, pytest.approx(5.0), 100)
    assert look.psf_fwhm_arcsec == pytest.approx(0.6, abs=0.1)
    after = homogenise(seen_by(SDSS, spiral_like(3.0), 300), look, shrink=3.0)
    assert after.cutout.image_shape == (100, 100)
    assert after.noise_added["r"] > 0


@pytest.mark.parametrize(
    ("changes", "options", "sentence"),
    [
        ({"psf": {}}, {}, "its PSF in band r is unknown; read it with psf=FILE, or give source"),
        ({"pixel_scale_arcsec": None}, {}, "its pixel scale is unknown"),
        ({}, {"fraction": np.zeros((1, 9, 9), np.float32)}, "masks of 9 × 9 pixels, its image has 40 × 40"),
        ({}, {"shrink": 0.0}, "seen 0.0 times smaller, expected a number above 0"),
    ],
)
def test_what_cannot_be_homogenised_is_refused_in_one_sentence(changes: Mapping, options: Mapping, sentence: str):
    with pytest.raises(ValueError, match=sentence):
        homogenise(seen_by(HSC, spiral_like(0.5), 40, **changes), SILENT_SDSS, **options)


def test_an_impossible_look_is_refused():
    with pytest.raises(ValueError, match="look x: noise_njy is 0"):
        Look(name="x", pixel_scale_arcsec=0.2, psf_fwhm_arcsec=0.7, noise_njy=0.0)
