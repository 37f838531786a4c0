"""Arm flux, total flux and their ratio, against light whose truth is known."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from flaxgal.measure.flags import FLAG_MEANINGS, Flag, flag_names
from flaxgal.measure.flux import Measurement, measure_cutout
from flaxgal.survey.cutout import Cutout, read_cutout
from flaxgal.survey.display import to_picture


def picture_of(flux: np.ndarray, **fields) -> Cutout:
    """A cutout in linear flux of one band, or of several named 0, 1, ..."""
    flux = np.asarray(flux, np.float32)
    flux = flux if flux.ndim == 3 else flux[None]
    known = {"object_id": "drawn", "unit": "nJy", "bands": tuple(str(number) for number in range(len(flux)))}
    return Cutout(flux=flux, **{**known, **fields})


def ratios(row: Measurement) -> np.ndarray:
    return np.array([band.flux_ratio for band in row.bands.values()])


def uniform_disc(size: int = 65, radius: float = 20.0) -> tuple[np.ndarray, np.ndarray]:
    """A disc of brightness 1 on a dark sky, and the distance of each pixel from its centre."""
    y, x = np.mgrid[:size, :size] - size // 2
    distance = np.hypot(y, x)
    return (distance <= radius).astype(float), distance


def test_the_ratio_of_a_uniform_disc_is_the_ratio_of_areas():
    disc, distance = uniform_disc()
    for outer in (5, 10, 15):
        row = measure_cutout(picture_of(disc), distance <= outer)
        assert ratios(row)[0] == pytest.approx((distance <= outer).sum() / disc.sum(), abs=1e-5)
        assert row.bands["0"].total_flux == pytest.approx(disc.sum(), rel=1e-5)


def test_with_the_true_mask_the_ratio_is_unbiased_and_its_errors_are_fair(spiral):
    """60 spirals of S/N 50 to 500 in three bands, neighbours on a third: no bias beyond 0.003, scatter below 0.015."""
    differences, errors = [], []
    for seed in range(60):
        rng = np.random.default_rng([3, seed])
        drawn = spiral(
            seed,
            scale_length=rng.uniform(3, 8),
            axis_ratio=rng.uniform(0.35, 1.0),
            angle_deg=rng.uniform(0, 180),
            signal_to_noise=10 ** rng.uniform(1.7, 2.7),
            neighbours=int(seed % 3 == 0),
        )
        row = measure_cutout(drawn.cutout, drawn.arm_mask)
        differences.append(ratios(row) - drawn.flux_ratio)
        errors.append([band.flux_ratio_error for band in row.bands.values()])
    differences, errors = np.array(differences), np.array(errors)
    assert abs(np.median(differences)) < 0.003
    assert differences.std() < 0.015
    assert 0.55 < (np.abs(differences) < errors).mean() < 0.85


def test_errors_of_an_analytic_disc_hold_about_68_percent_of_truths():
    """300 draws of one exponential disc with known noise; a fit of the sky may only make errors too large."""
    y, x = np.mgrid[:65, :65] - 32.0
    distance = np.hypot(y, x)
    disc = np.exp(-distance / 4.0)
    arm = (distance <= 10) & (distance > 5)
    truth, sigma = disc[arm].sum() / disc.sum(), 0.03
    variance = np.full((1, 65, 65), sigma**2, np.float32)
    rng = np.random.default_rng(8)
    rows = [
        measure_cutout(picture_of(disc + rng.normal(0, sigma, disc.shape), variance=variance), arm).bands["0"]
        for _ in range(300)
    ]
    pull = np.array([(row.flux_ratio - truth) / row.flux_ratio_error for row in rows])
    assert 0.60 < (np.abs(pull) < 1).mean() < 0.80
    assert abs(np.mean(pull)) < 0.3


def turned(cutout: Cutout, turn) -> Cutout:
    return dataclasses.replace(cutout, flux=turn(cutout.flux), variance=turn(cutout.variance), wcs=None)


@pytest.mark.parametrize(
    "turn",
    [
        lambda image: np.rot90(image, 1, (-2, -1)).copy(),
        lambda image: image[..., ::-1].copy(),
        lambda image: image[..., ::-1, :].copy(),
        lambda image: np.swapaxes(image, -1, -2).copy(),
    ],
    ids=["quarter turn", "mirror in x", "mirror in y", "transpose"],
)
def test_turning_the_sky_does_not_change_the_ratio(spiral, turn):
    drawn = spiral(4, neighbours=2, stars=1)
    before = measure_cutout(drawn.cutout, drawn.arm_mask)
    after = measure_cutout(turned(drawn.cutout, turn), turn(drawn.arm_mask))
    np.testing.assert_allclose(ratios(after), ratios(before), atol=2e-3)
    assert after.axis_ratio == pytest.approx(before.axis_ratio, abs=1e-6)


def test_a_brighter_galaxy_has_the_same_ratio_and_the_same_relative_error(spiral):
    drawn = spiral(1)
    brighter = dataclasses.replace(
        drawn.cutout, flux=drawn.cutout.flux * 1000, variance=drawn.cutout.variance * np.float32(1e6)
    )
    before, after = measure_cutout(drawn.cutout, drawn.arm_mask), measure_cutout(brighter, drawn.arm_mask)
    np.testing.assert_allclose(ratios(after), ratios(before), rtol=1e-4)
    assert after.bands["r"].flux_ratio_error == pytest.approx(before.bands["r"].flux_ratio_error, rel=1e-3)
    assert after.bands["r"].total_flux == pytest.approx(1000 * before.bands["r"].total_flux, rel=1e-4)


@pytest.mark.parametrize("sky", [-300.0, 5000.0])
def test_a_constant_sky_is_taken_off_whatever_its_level(spiral, sky):
    drawn = spiral(2)
    lifted = dataclasses.replace(drawn.cutout, flux=drawn.cutout.flux + np.float32(sky))
    before, after = measure_cutout(drawn.cutout, drawn.arm_mask), measure_cutout(lifted, drawn.arm_mask)
    np.testing.assert_allclose(ratios(after), ratios(before), atol=1e-4)
    assert after.bands["r"].sky - before.bands["r"].sky == pytest.approx(sky, abs=0.5)


def test_a_star_beside_the_galaxy_or_on_it_is_not_counted():
    disc, distance = uniform_disc(radius=14)
    y, x = np.indices(disc.shape)
    arm = (distance < 10) & (distance > 5)
    galaxy = np.exp(-distance / 6)
    truth = galaxy[arm].sum() / galaxy.sum()
    for place in ((32, 57), (32, 44)):
        star = 3.0 * np.exp(-((y - place[0]) ** 2 + (x - place[1]) ** 2) / 8.0)
        row = measure_cutout(picture_of(galaxy + star), arm)
        assert ratios(row)[0] == pytest.approx(truth, abs=0.015)
        assert row.others_share > 0


def test_pixels_without_data_are_filled_in_from_the_same_radius(spiral):
    drawn = spiral(6, axis_ratio=1.0)
    flux = drawn.cutout.flux.copy()
    flux[:, 20:23, :] = np.nan
    row = measure_cutout(dataclasses.replace(drawn.cutout, flux=flux), drawn.arm_mask)
    np.testing.assert_allclose(ratios(row), drawn.flux_ratio, atol=0.02)
    assert row.flags & Flag.MISSING_PIXELS


@pytest.mark.parametrize("columns", [8, 16, 24])
def test_a_band_that_misses_a_part_of_the_galaxy_still_has_its_flux(spiral, columns):
    for seed in range(6):
        drawn = spiral(seed, scale_length=5.0)
        flux = drawn.cutout.flux.copy()
        flux[2, :, :columns] = np.nan
        row = measure_cutout(dataclasses.replace(drawn.cutout, flux=flux), drawn.arm_mask)
        band = row.bands["i"]
        assert abs(band.total_flux - drawn.total_flux[2]) < 3 * band.total_flux_error
        assert band.total_flux_error < 0.08 * band.total_flux
        assert band.flux_ratio == pytest.approx(drawn.flux_ratio[2], abs=0.02)
        assert Flag.MISSING_PIXELS in row.flags
        assert Flag.MISSING_BAND not in row.flags


def half_hidden(flux: np.ndarray) -> np.ndarray:
    return np.where(np.indices(flux.shape)[2] < 42, np.nan, flux)


def centre_hidden(flux: np.ndarray) -> np.ndarray:
    return np.where(_near_centre(flux, 4), np.nan, flux)


@pytest.mark.parametrize("hide", [half_hidden, centre_hidden])
def test_a_band_that_misses_half_of_the_galaxy_or_its_centre_has_no_numbers_and_the_others_keep_theirs(spiral, hide):
    """Filled in, the half-hidden band of seed 0 had 46,000 ± 300 for a truth of 100,400."""
    for seed in range(6):
        drawn = spiral(seed, scale_length=5.0)
        flux = np.concatenate([drawn.cutout.flux[:2], hide(drawn.cutout.flux[2:])])
        row = measure_cutout(dataclasses.replace(drawn.cutout, flux=flux), drawn.arm_mask)
        assert np.isnan(dataclasses.astuple(row.bands["i"])).all()
        assert Flag.MISSING_BAND in row.flags
        measured = [row.bands[band].total_flux for band in "gr"]
        np.testing.assert_allclose(measured, drawn.total_flux[:2], rtol=0.06)
        np.testing.assert_allclose(ratios(row)[:2], drawn.flux_ratio[:2], atol=0.02)


def test_bad_pixels_of_a_mask_plane_are_left_out(spiral):
    drawn = spiral(6)
    flux, bad = drawn.cutout.flux.copy(), np.zeros(drawn.cutout.flux.shape, bool)
    bad[:, 30:32, 40:44] = True
    flux[bad] = 1e6
    marked = dataclasses.replace(drawn.cutout, flux=flux, mask_planes={"BAD": bad})
    np.testing.assert_allclose(ratios(measure_cutout(marked, drawn.arm_mask)), drawn.flux_ratio, atol=0.02)


def test_a_saturated_core_is_flagged(spiral):
    drawn = spiral(6)
    saturated = np.zeros(drawn.cutout.flux.shape, bool)
    saturated[:, 31:33, 31:33] = True
    row = measure_cutout(dataclasses.replace(drawn.cutout, mask_planes={"SAT": saturated}), drawn.arm_mask)
    assert row.flags & Flag.SATURATED


def test_without_variance_errors_stay_empty_and_the_flag_says_so(spiral):
    drawn = spiral(3)
    for variance in (None, np.zeros_like(drawn.cutout.variance), np.full_like(drawn.cutout.variance, np.nan)):
        row = measure_cutout(dataclasses.replace(drawn.cutout, variance=variance), drawn.arm_mask)
        assert row.flags & Flag.NO_VARIANCE
        for band in row.bands.values():
            assert np.isnan([band.flux_ratio_error, band.arm_flux_error, band.total_flux_error]).all()
            assert np.isfinite([band.flux_ratio, band.arm_flux, band.total_flux]).all()


def test_an_empty_mask_is_a_ratio_of_nought_with_a_flag(spiral):
    drawn = spiral(3)
    row = measure_cutout(drawn.cutout, np.zeros((64, 64), bool))
    assert (ratios(row) == 0).all()
    assert row.flags & Flag.NO_ARMS


def test_a_mask_of_everything_is_a_ratio_of_one_with_a_flag(spiral):
    drawn = spiral(3)
    row = measure_cutout(drawn.cutout, np.ones((64, 64), bool))
    np.testing.assert_allclose(ratios(row), 1.0)
    assert row.flags & Flag.MASK_EVERYTHING
    assert row.flags & Flag.MASK_TOUCHES_EDGE


def test_a_mask_of_one_pixel_is_flagged_as_tiny(spiral):
    drawn = spiral(3)
    mask = np.zeros((64, 64), bool)
    mask[25, 30] = True
    row = measure_cutout(drawn.cutout, mask)
    assert 0 < ratios(row)[1] < 0.02
    assert row.flags & Flag.TINY_MASK


def test_a_mask_far_from_a_small_galaxy_is_not_counted_and_flagged():
    y, x = np.mgrid[:128, :128] - 64.0
    mask = np.zeros((128, 128), bool)
    mask[5:20, 5:20] = True
    row = measure_cutout(picture_of(np.exp(-np.hypot(y, x) / 3)), mask)
    assert ratios(row)[0] == 0
    assert row.flags & Flag.MASK_OUTSIDE_GALAXY


def test_probability_is_cut_above_the_threshold(spiral):
    drawn = spiral(3)
    probability = np.where(drawn.arm_mask, 0.7, 0.2).astype(np.float32)
    probability[0, :] = np.nan
    row = measure_cutout(drawn.cutout, probability, threshold=0.5, run="runs/one")
    np.testing.assert_array_equal(ratios(row), ratios(measure_cutout(drawn.cutout, drawn.arm_mask)))
    assert (row.threshold, row.run) == (0.5, "runs/one")
    assert measure_cutout(drawn.cutout, probability, threshold=0.7).flags & Flag.NO_ARMS


def test_a_mask_of_another_size_is_refused_by_name(spiral):
    with pytest.raises(ValueError, match="drawn-0: the arm mask has 32 × 32 pixels and the image 64 × 64"):
        measure_cutout(spiral(0).cutout, np.zeros((32, 32), bool))


def test_a_picture_gets_the_gamma_estimate_and_no_linear_flux():
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 255, (1, 40, 40)).astype(np.float32)
    mask = rng.random((40, 40)) > 0.7
    row = measure_cutout(picture_of(pixels, unit="picture", bands=("grey",)), mask)
    expected = (pixels[0][mask].astype(float) ** 2.2).sum() / (pixels[0].astype(float) ** 2.2).sum()
    assert row.flux_ratio_gamma22 == pytest.approx(expected, rel=1e-6)
    assert row.bands == {}
    assert row.flags & Flag.PICTURE


def test_the_gamma_estimate_of_linear_flux_is_that_of_its_picture(spiral):
    drawn = spiral(0)
    light = (to_picture(drawn.cutout)[..., 0] / 255.0) ** 2.2
    found = measure_cutout(drawn.cutout, drawn.arm_mask).flux_ratio_gamma22
    assert found == pytest.approx(light[drawn.arm_mask].sum() / light.sum(), rel=1e-6)


def test_a_picture_of_a_spiral_has_its_shape_and_its_arms(spiral):
    drawn = spiral(0)
    pixels = to_picture(drawn.cutout).transpose(2, 0, 1).astype(np.float32)
    row = measure_cutout(picture_of(pixels, unit="picture", bands=("grey",)), drawn.arm_mask)
    truth = measure_cutout(drawn.cutout, drawn.arm_mask)
    assert row.flags & Flag.PICTURE
    assert row.bands == {}
    assert abs(row.centre_x - truth.centre_x) < 1
    assert abs(row.axis_ratio - truth.axis_ratio) < 0.15
    assert len(row.arms) == len(truth.arms)
    assert row.chirality == truth.chirality


def test_a_galaxy_far_off_the_centre_is_measured_about_its_own_nucleus(spiral):
    cutout, mask = spiral(0).cutout, spiral(0).arm_mask
    plain = measure_cutout(cutout, mask)
    shift = round(0.16 * min(cutout.image_shape))
    rows = [(shift, 0), (0, 0)]
    moved = np.pad(cutout.flux, [(0, 0), *rows], mode="edge")[:, : cutout.image_shape[0]]
    variance = np.pad(cutout.variance, [(0, 0), *rows], mode="edge")[:, : cutout.image_shape[0]]
    row = measure_cutout(
        dataclasses.replace(cutout, flux=moved, variance=variance, wcs=None),
        np.pad(mask, rows)[: cutout.image_shape[0]],
    )
    assert abs(row.centre_y - plain.centre_y - shift) < 1.5
    assert abs(row.centre_x - plain.centre_x) < 1.5


PATHOLOGICAL = {
    "one bright pixel": lambda flux: _pixel(flux, 1e6),
    "all zero": np.zeros_like,
    "all the same": np.ones_like,
    "all negative": lambda flux: -np.abs(flux) - 10,
    "negative galaxy": lambda flux: -flux,
    "all NaN": lambda flux: np.full_like(flux, np.nan),
    "one band NaN": lambda flux: np.concatenate([np.full_like(flux[:1], np.nan), flux[1:]]),
    "one band of six pixels": lambda flux: np.concatenate([_six_pixels(flux[:1]), flux[1:]]),
    "one band without centre": lambda flux: np.concatenate([centre_hidden(flux[:1]), flux[1:]]),
    "one band zero": lambda flux: np.concatenate([np.zeros_like(flux[:1]), flux[1:]]),
    "NaN stripes": lambda flux: np.where(np.indices(flux.shape)[1] % 4 == 0, np.nan, flux),
    "NaN centre": lambda flux: np.where(_near_centre(flux, 6), np.nan, flux),
    "NaN border": lambda flux: np.where(_near_centre(flux, 25), flux, np.nan),
    "one good pixel": lambda flux: np.where(_near_centre(flux, 1), flux, np.nan),
    "infinite pixel": lambda flux: flux + _pixel(flux, np.inf),
    "pure noise": lambda flux: np.random.default_rng(0).normal(size=flux.shape),
    "cut by the edge": lambda flux: np.roll(flux, 30, axis=2),
    "tiny frame": lambda flux: flux[:, 28:35, 28:35],
    "one row": lambda flux: flux[:, 32:33],
    "one pixel": lambda flux: flux[:, 32:33, 32:33],
}


def _pixel(flux: np.ndarray, value: float) -> np.ndarray:
    image = np.zeros_like(flux)
    image[:, 32, 32] = value
    return image


def _six_pixels(flux: np.ndarray) -> np.ndarray:
    """Two rows of three pixels on the border; no ring has enough of them for a sky."""
    image = np.full_like(flux, np.nan)
    image[:, :2, 30:33] = flux[:, :2, 30:33]
    return image


def _near_centre(flux: np.ndarray, radius: float) -> np.ndarray:
    y, x = np.indices(flux.shape)[1:] - 31.5
    return np.hypot(y, x) <= radius


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", PATHOLOGICAL)
def test_a_strange_image_gives_a_row_and_no_number_that_only_looks_fine(spiral, name):
    drawn = spiral(5)
    flux = PATHOLOGICAL[name](drawn.cutout.flux).astype(np.float32)
    mask = drawn.arm_mask if flux.shape[1:] == (64, 64) else np.ones(flux.shape[1:], bool)
    for variance in (None, np.ones_like(flux)):
        row = measure_cutout(picture_of(flux, variance=variance), mask)
        for band in row.bands.values():
            given = np.array(dataclasses.astuple(band))
            assert not np.isinf(given).any()
            assert np.isnan(band.flux_ratio) or band.total_flux > 0
        if name != "infinite pixel":
            assert row.flags & ~Flag.NO_VARIANCE, f"nothing is wrong with {name}?"


@pytest.mark.parametrize("name", ["one band NaN", "one band zero", "one band of six pixels", "one band without centre"])
def test_a_band_that_is_missing_takes_no_other_band_with_it(spiral, name):
    flux = PATHOLOGICAL[name](spiral(5).cutout.flux).astype(np.float32)
    row = measure_cutout(picture_of(flux, variance=np.ones_like(flux)), spiral(5).arm_mask)
    assert Flag.MISSING_BAND in row.flags
    assert np.isnan(ratios(row)).tolist() == [True, False, False]


@pytest.mark.parametrize("name", ["all zero", "all the same", "all NaN", "pure noise", "negative galaxy"])
def test_where_there_is_no_galaxy_there_is_no_ratio(spiral, name):
    flux = PATHOLOGICAL[name](spiral(5).cutout.flux).astype(np.float32)
    row = measure_cutout(picture_of(flux, variance=np.ones_like(flux)), spiral(5).arm_mask)
    assert np.isnan(ratios(row)).all()
    assert row.flags & Flag.NO_GALAXY


def test_flags_have_distinct_bits_names_and_meanings():
    assert set(FLAG_MEANINGS) == set(Flag)
    assert all(flag.value.bit_count() == 1 for flag in Flag)
    assert flag_names(Flag.NO_ARMS | Flag.PICTURE) == "no_arms picture"
    assert flag_names(0) == ""


def test_a_real_hsc_early_type_and_a_real_cube_go_through(real_data):
    colours = read_cutout([real_data / "hsc" / f"{band}-band.fits" for band in "gri"])
    cube = read_cutout(real_data / "decals" / "example_b.fits")
    for cutout in (colours, cube):
        height, width = cutout.image_shape
        y, x = np.indices(cutout.image_shape)
        ring = np.abs(np.hypot(y - height / 2, x - width / 2) - 12) < 4
        row = measure_cutout(cutout, ring)
        assert not row.flags & Flag.NO_GALAXY
        assert ((ratios(row) > 0.02) & (ratios(row) < 0.7)).all()
        assert row.flags & Flag.NO_VARIANCE


def test_the_galaxy_at_the_centre_of_a_real_coadd_is_measured_and_no_brighter_star(real_data):
    cutout = read_cutout(real_data / "hsc" / "cutout-HSC-R-9071-s18a_wide-181211-014627.fits")
    mask = np.zeros(cutout.image_shape, bool)
    mask[235:242, 220:235] = True
    row = measure_cutout(cutout, mask)
    assert (row.centre_y, row.centre_x) == pytest.approx((248.4, 227.7), abs=2)
    assert row.flags == Flag(0)
    mask[225:240, 150:170] = True
    assert measure_cutout(cutout, mask).flags & Flag.MASK_OUTSIDE_GALAXY
