"""Apertures against formulas, and against photutils' own Kron radius."""

from __future__ import annotations

import numpy as np
import pytest

from flaxgal.measure.aperture import kron_radius
from flaxgal.measure.flags import Flag
from flaxgal.measure.flux import measure_cutout
from flaxgal.measure.geometry import Ellipse, elliptical_radius, radial_profile
from flaxgal.survey.cutout import Cutout


def profile_of(image: np.ndarray, axis_ratio: float, angle_deg: float = 0.0):
    middle = tuple((np.array(image.shape) - 1) / 2)
    ring = np.rint(elliptical_radius(Ellipse(middle, axis_ratio, angle_deg), image.shape)).astype(int)
    return radial_profile(image, ring, np.ones(ring.shape, bool), int(ring.max()) + 1)


def exponential(size: int, scale: float, axis_ratio: float, angle_deg: float = 0.0) -> np.ndarray:
    middle = ((size - 1) / 2, (size - 1) / 2)
    return np.exp(-elliptical_radius(Ellipse(middle, axis_ratio, angle_deg), (size, size)) / scale)


@pytest.mark.parametrize("axis_ratio", [0.5, 1.0])
@pytest.mark.parametrize("scale", [3.0, 5.0])
def test_the_kron_radius_of_an_exponential_disc_is_twice_its_scale_length(scale, axis_ratio):
    """∫ r² e^(−r/h) dr / ∫ r e^(−r/h) dr = 2 h (Kron 1980)."""
    profile = profile_of(exponential(151, scale, axis_ratio), axis_ratio)
    assert kron_radius(profile, axis_ratio, within=75.0) == pytest.approx(2 * scale, rel=0.02)


def test_the_kron_radius_agrees_with_that_of_photutils():
    from photutils.segmentation import SegmentationImage, SourceCatalog

    image = exponential(151, 5.0, 0.6, 30.0)
    # Their least radius, 1.4 times the semi-axis, is for faint sources and would be reached here.
    source = SourceCatalog(image, SegmentationImage((image > 0.001).astype(int)), kron_params=(2.5, 0.1, 0.0))
    theirs = float(source.kron_radius[0].value * source.semimajor_axis[0].value)
    ours = kron_radius(profile_of(image, 0.6, 30.0), 0.6, within=60.0)
    assert ours == pytest.approx(theirs, rel=0.05)


def test_no_light_has_no_kron_radius():
    for image in (np.zeros((21, 21)), -np.ones((21, 21))):
        assert np.isnan(kron_radius(profile_of(image, 1.0), 1.0, within=10.0))


def seen(image: np.ndarray, noise: float = 1e-4, **fields) -> Cutout:
    flux = image + np.random.default_rng(1).normal(0, noise, image.shape)
    variance = np.full((1, *image.shape), noise**2, np.float32)
    return Cutout(
        object_id="drawn", flux=flux[None].astype(np.float32), bands=("r",), unit="nJy", variance=variance, **fields
    )


def test_petrosian_and_kron_apertures_hold_an_exponential_disc():
    disc = exponential(101, 5.0, 0.7, 20.0)
    row = measure_cutout(seen(disc), np.zeros(disc.shape, bool))
    assert row.bands["r"].total_flux == pytest.approx(disc.sum(), rel=0.01)
    assert row.bands["r"].kron_flux == pytest.approx(disc.sum(), rel=0.06)
    assert row.bands["r"].kron_flux < row.bands["r"].total_flux
    assert abs(row.bands["r"].growth) < 0.01
    assert Flag.GROWING not in row.flags


def test_a_halo_beyond_the_aperture_is_seen_in_the_curve_of_growth():
    """The halo is a plateau with an edge, which no fit of the sky takes for sky."""
    radius = elliptical_radius(Ellipse((100.0, 100.0), 1.0, 0.0), (201, 201))
    disc = np.exp(-radius / 5.0) + 0.002 * (radius < 60)
    row = measure_cutout(seen(disc), np.zeros(disc.shape, bool))
    assert row.bands["r"].growth > 0.02
    assert Flag.GROWING in row.flags


@pytest.mark.parametrize(("axis_ratio", "flagged"), [(0.12, True), (0.6, False)])
def test_a_galaxy_seen_edge_on_is_flagged(axis_ratio, flagged):
    disc = exponential(81, 7.0, axis_ratio)
    assert (Flag.EDGE_ON in measure_cutout(seen(disc), np.zeros(disc.shape, bool)).flags) is flagged


@pytest.mark.parametrize("offset", [0.0, 0.25, 0.5])
@pytest.mark.parametrize("axis_ratio", [0.15, 0.2, 0.25, 0.3, 0.35])
def test_an_inclined_disc_has_its_light_wherever_between_pixels_its_centre_is(axis_ratio, offset):
    """Seen at 0.5, no pixel lies on the innermost ellipses of such a disc; nothing is hidden all the same."""
    radius = elliptical_radius(Ellipse((31.0 + offset, 31.0 + offset), axis_ratio, 0.0), (64, 64))
    disc, arm = np.exp(-radius / 6.0), (radius > 5) & (radius < 10) & (np.indices(radius.shape)[1] > 31)
    row = measure_cutout(seen(disc, noise=0.01), arm)
    assert Flag.MISSING_BAND not in row.flags
    assert row.bands["r"].total_flux == pytest.approx(disc.sum(), rel=0.05)
    assert row.bands["r"].flux_ratio == pytest.approx(disc[arm].sum() / disc.sum(), abs=0.02)
    assert 0 < row.bands["r"].flux_ratio_error < 0.02
    assert np.isfinite(row.bands["r"].arm_contrast)
