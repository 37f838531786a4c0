"""The residual of a smooth galaxy is noise; that of a spiral shows its arms."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from flaxgal.measure.sources import find_sources
from flaxgal.survey.cutout import Cutout
from flaxgal.survey.display import grey
from napari_flaxgal.tools import frame_of, galaxy_light, light, residual, residual_limits


def in_noise_units(cutout):
    """The residual in units of each pixel's own noise, which is above the sky's where the galaxy is bright."""
    sky = np.median(cutout.variance, axis=(1, 2), keepdims=True)
    photons = np.average(cutout.variance / sky, axis=0)
    return residual(cutout) / np.sqrt(photons)


def test_the_residual_of_a_galaxy_without_arms_is_noise(armless):
    for cutout in armless:
        left = in_noise_units(cutout)
        y, x = np.indices(left.shape)
        centre = galaxy_light(cutout).disc.centre
        outside_core = np.hypot(y - centre[0], x - centre[1]) > 8  # S/N 3000: a core of 1000 sigma never fits
        assert 1.4826 * np.median(np.abs(left)) == pytest.approx(1.0, abs=0.15)
        assert left[outside_core].std() < 1.3
        assert abs(left[outside_core].mean()) < 0.15


def test_the_residual_of_a_spiral_shows_its_arms(spirals):
    for spiral in spirals:
        left = residual(spiral.cutout)
        arm = ndimage.binary_dilation(spiral.arm_mask, iterations=4)
        assert np.median(left[spiral.arm_mask]) > 10.0
        y, x = np.indices(left.shape)
        between = ~arm & (np.hypot(y - spiral.centre[0], x - spiral.centre[1]) < 20)
        assert np.median(left[between]) < 0.0
        far = np.hypot(y - spiral.centre[0], x - spiral.centre[1]) > 58
        assert left[far].std() == pytest.approx(1.0, abs=0.2)


def test_the_residual_does_not_depend_on_unit_or_sky(spirals):
    cutout = spirals[0].cutout
    other = replace(cutout, flux=(cutout.flux * 37 + 1000).astype(np.float32), unit="count", variance=None)
    np.testing.assert_allclose(residual(other), residual(cutout), atol=0.3, rtol=0.02)


def test_a_pixel_without_data_has_no_residual_and_spoils_no_other(spirals):
    cutout = spirals[0].cutout
    flux = cutout.flux.copy()
    flux[:, 70, 40] = np.nan
    planes = {"NO_DATA": np.zeros(flux.shape, bool)}
    planes["NO_DATA"][:, 20:24, 90:94] = True
    left = residual(replace(cutout, flux=flux, mask_planes=planes))
    assert np.isnan(left).sum() == 17
    known = np.isfinite(left)
    change = np.abs(left - residual(cutout))[known]
    assert change.mean() < 0.3
    assert np.mean(change > 3.0) < 0.005  # in the core, where a shape a little different tells


def test_a_star_on_the_disc_leaves_no_ring_behind(spirals):
    cutout = spirals[1].cutout
    y, x = np.indices(cutout.image_shape)
    star = 400 * np.sqrt(cutout.variance.min()) * np.exp(-0.5 * (np.hypot(y - 64, x - 84) / 1.5) ** 2)
    left = residual(replace(cutout, flux=(cutout.flux + star).astype(np.float32)))
    away = np.hypot(y - 64, x - 84) > 9
    assert np.abs(left - residual(cutout))[away].mean() < 1.0


@pytest.mark.parametrize("first_row", ["top", "bottom"])
def test_a_picture_without_linear_flux_has_a_residual_and_a_frame(spirals, first_row):
    spiral = spirals[2]
    picture = Cutout(
        object_id="png",
        flux=grey(spiral.cutout)[None].astype(np.float32),
        bands=("grey",),
        unit="picture",
        first_row=first_row,
    )
    left = residual(picture)
    assert np.nanmean(left[spiral.arm_mask]) > 3 * np.nanmean(left[~spiral.arm_mask])
    assert np.hypot(*np.subtract(frame_of(picture).centre, spiral.centre)) < 1.0


@pytest.mark.parametrize(
    "flux",
    [
        np.zeros((1, 24, 30)),
        np.full((1, 24, 30), np.nan),
        np.random.default_rng(0).normal(0, 1, (2, 24, 30)),
        -np.ones((1, 24, 30)),
        np.eye(24)[None] * 1e6,
        np.ones((1, 1, 1)),
        np.pad(np.full((1, 1, 1), 500.0), ((0, 0), (12, 11), (15, 14))),
    ],
)
def test_a_frame_without_a_galaxy_can_still_be_looked_at(flux):
    cutout = Cutout(object_id="empty", flux=flux.astype(np.float32), bands=("g", "r")[: len(flux)], unit="count")
    left = residual(cutout)
    assert left.shape == cutout.image_shape
    frame = frame_of(cutout)
    assert frame.to_polar(left).shape == frame.shape
    low, high = residual_limits(left)
    assert low < 0 < high


def test_contrast_limits_are_symmetric_and_wide_enough_for_noise():
    noise = np.random.default_rng(0).normal(0, 1, (50, 50)).astype(np.float32)
    assert residual_limits(noise) == (-4.0, 4.0)
    low, high = residual_limits(20 * noise)
    assert -low == high == pytest.approx(46.5, rel=0.1)


def test_a_line_across_the_galaxy_leaves_the_rest_as_it_was(spirals):
    """A satellite's trail, or the hexagon that Galaxy Zoo: 3D draws: a few pixels of every ring."""
    cutout = spirals[3].cutout
    flux = cutout.flux.copy()
    flux[:, 84] += 60 * np.sqrt(cutout.variance.min())
    change = np.abs(residual(replace(cutout, flux=flux)) - residual(cutout))
    assert np.quantile(np.delete(change, 84, axis=0), 0.9) < 2.0


def test_the_search_for_stars_is_bounded_on_large_pictures(monkeypatch):
    searched = []

    def search(light_of_frame, arms):
        searched.append(light_of_frame.shape)
        return find_sources(light_of_frame, arms)

    monkeypatch.setattr(light, "find_sources", search)
    noise = np.random.default_rng(0).normal(100, 5, (1, 423, 500)).astype(np.float32)
    assert galaxy_light(Cutout(object_id="noise", flux=noise, bands=("grey",), unit="picture")).image.shape == (
        423,
        500,
    )
    assert max(searched[0]) <= 160


def test_a_star_beside_an_enlarged_galaxy_is_not_taken_for_its_light():
    """Pictures for people are enlarged: stars in them are many pixels wide, and the noise is smooth."""
    rng = np.random.default_rng(4)
    y, x = np.indices((96, 96), dtype=float)
    galaxy = 150 * np.exp(-np.hypot((x - 48) / 9, (y - 48) / 5))
    stars = sum(200 * np.exp(-0.5 * np.square(np.hypot(x - a, y - b) / 1.3)) for a, b in ((66, 60), (30, 70), (52, 24)))
    small = 10 + galaxy + stars + rng.normal(0, 2, (96, 96))
    picture = np.clip(ndimage.zoom(small, 4, order=1), 0, 255).astype(np.float32)[None]
    light = galaxy_light(Cutout(object_id="large", flux=picture, bands=("grey",), unit="picture", first_row="top"))
    assert light.disc.axis_ratio == pytest.approx(5 / 9, abs=0.08)
    assert not light.own[60 * 4, 66 * 4]
    assert not light.own[70 * 4, 30 * 4]
    assert light.own[48 * 4, 48 * 4]
