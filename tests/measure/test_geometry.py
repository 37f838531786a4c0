"""Radii of galaxies, against profiles whose truth is a formula."""

from __future__ import annotations

import numpy as np
import pytest

from flaxgal.measure.geometry import Ellipse, elliptical_radius, half_light_radius, radial_profile

HALF_LIGHT_OF_EXPONENTIAL = 1.6783469900166605
"""In scale lengths: the root of (1 + x) e^-x = 1/2."""


@pytest.mark.parametrize("truth", [3.36, 5.54, 6.71])
@pytest.mark.parametrize("axis_ratio", [0.5, 1.0])
def test_the_half_light_radius_of_an_exponential_disc_is_found_between_pixels(truth, axis_ratio):
    radius = elliptical_radius(Ellipse((64.0, 64.0), axis_ratio, 30.0), (129, 129))
    ring = np.rint(radius).astype(int)
    disc = np.exp(-radius * HALF_LIGHT_OF_EXPONENTIAL / truth)
    profile = radial_profile(disc, ring, np.ones(ring.shape, bool), int(ring.max()) + 1)
    assert half_light_radius(profile, axis_ratio) == pytest.approx(truth, abs=0.15)


def test_the_half_light_radius_of_one_pixel_or_of_no_light_is_one_pixel():
    ring = np.rint(elliptical_radius(Ellipse((8.0, 8.0), 1.0, 0.0), (17, 17))).astype(int)
    for light in (ring == 0, np.zeros(ring.shape), -np.ones(ring.shape)):
        profile = radial_profile(light.astype(float), ring, np.ones(ring.shape, bool), int(ring.max()) + 1)
        assert half_light_radius(profile, 1.0) == 1.0
