"""Sérsic and Moffat profiles against GalSim and against the analytic growth of light."""

import galsim
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special

from flaxgal.mock.profiles import elliptical_radius, moffat, moffat_pixels, sersic, sersic_b, sersic_pixels
from flaxgal.mock.seeing import frame, psf_spectrum, shift_spectrum

SIZE = 64
SHAPES = [(0.6, 8.0, 0.5), (1.0, 6.0, 0.3), (2.5, 4.0, 0.8), (4.0, 2.0, 0.6)]
"""Sérsic index, effective radius in pixels, axis ratio."""


def galsim_sersic(n: float, effective_radius: float, axis_ratio: float, angle: float) -> galsim.GSObject:
    round_galaxy = galsim.Sersic(n=n, half_light_radius=effective_radius * axis_ratio**0.5)
    return round_galaxy.shear(q=axis_ratio, beta=angle * galsim.radians)


@pytest.mark.parametrize("n", [0.5, 1.0, 2.0, 4.0, 6.0])
def test_b_makes_the_effective_radius_hold_half_the_light(n):
    assert scipy.special.gammainc(2 * n, float(sersic_b(n))) == pytest.approx(0.5, abs=2e-4)


@pytest.mark.parametrize(("n", "effective_radius", "axis_ratio"), SHAPES)
def test_sersic_surface_brightness_is_galsims(n, effective_radius, axis_ratio):
    x, y = jnp.asarray([0.5, 3.0, -6.0, 2.0]), jnp.asarray([0.2, -4.0, 1.0, 15.0])
    radius = elliptical_radius(x, y, axis_ratio=axis_ratio, angle=0.7)
    ours = sersic(radius, effective_radius=effective_radius, n=n, axis_ratio=axis_ratio)
    reference = galsim_sersic(n, effective_radius, axis_ratio, 0.7)
    theirs = [reference.xValue(float(a), float(b)) for a, b in zip(x, y, strict=True)]
    np.testing.assert_allclose(ours, theirs, rtol=1e-3)


@pytest.mark.parametrize(("n", "effective_radius"), [(1.0, 2.0), (2.5, 1.5), (4.0, 1.2)])
def test_light_in_pixels_around_a_cusp_is_its_growth_curve(n, effective_radius):
    image = sersic_pixels(101, effective_radius=effective_radius, n=n, axis_ratio=1.0, angle=0.0)
    axis = jnp.arange(101.0) - 50
    inside = axis[:, None] ** 2 + axis[None] ** 2 <= 30.5**2
    radius = np.sqrt(float(inside.sum()) / np.pi)
    expected = scipy.special.gammainc(2 * n, float(sersic_b(n)) * (radius / effective_radius) ** (1 / n))
    assert float(jnp.sum(image * inside)) == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize(("fwhm", "beta"), [(2.1, 2.5), (3.5, 3.0), (5.0, 4.5)])
def test_moffat_is_galsims_in_brightness_and_in_pixels(fwhm, beta):
    reference = galsim.Moffat(beta=beta, fwhm=fwhm)
    x = jnp.asarray([0.0, 1.0, 4.0, 12.0])
    theirs = [reference.xValue(float(a), 1.5) for a in x]
    np.testing.assert_allclose(moffat(x, jnp.full_like(x, 1.5), fwhm=fwhm, beta=beta), theirs, rtol=1e-3)
    pixels = reference.drawImage(nx=33, ny=33, scale=1.0).array
    np.testing.assert_allclose(moffat_pixels(33, fwhm=fwhm, beta=beta), pixels, atol=1e-3 * pixels.max())


def test_a_star_holds_all_its_light():
    assert float(moffat_pixels(401, fwhm=3.5, beta=3.5).sum()) == pytest.approx(1.0, abs=1e-4)


@pytest.mark.parametrize(("n", "effective_radius", "axis_ratio"), SHAPES)
def test_a_sersic_galaxy_seen_through_moffat_seeing_is_galsims(n, effective_radius, axis_ratio):
    wide = sersic_pixels(96, effective_radius=effective_radius, n=n, axis_ratio=axis_ratio, angle=0.7)
    spectrum = jnp.fft.rfft2(wide) * psf_spectrum(SIZE, fwhm=3.5, beta=3.0) * shift_spectrum(SIZE, 1.3, -2.2)
    ours = np.asarray(frame(jnp.fft.irfft2(spectrum), SIZE))
    galaxy = galsim.Convolve(galsim_sersic(n, effective_radius, axis_ratio, 0.7), galsim.Moffat(beta=3.0, fwhm=3.5))
    theirs = galaxy.shift(1.3, -2.2).drawImage(nx=SIZE, ny=SIZE, scale=1.0).array
    np.testing.assert_allclose(ours, theirs, atol=2.5e-3 * theirs.max())
    assert ours.sum() == pytest.approx(theirs.sum(), rel=1e-3)


def test_profiles_have_finite_gradients_even_at_the_centre():
    def light(shape):
        image = sersic_pixels(15, effective_radius=shape[0], n=shape[1], axis_ratio=shape[2], angle=shape[3])
        return jnp.sum(image[6:9, 6:9]) + jnp.sum(moffat_pixels(15, fwhm=shape[0], beta=shape[1] + 1.5)[7])

    assert np.isfinite(jax.jit(jax.grad(light))(jnp.asarray([2.0, 3.0, 0.6, 0.4]))).all()
