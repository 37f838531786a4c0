"""Colours from bands of unlike seeing."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from flaxgal.measure.flags import Flag
from flaxgal.measure.flux import measure_cutout
from flaxgal.survey.cutout import Cutout
from flaxgal.survey.psf_matching import convolve, moffat_psf


def grand_design(size: int = 96) -> tuple[np.ndarray, np.ndarray]:
    """Disc and two narrow arms before seeing, and the arm mask."""
    y, x = np.indices((size, size)) - (size - 1) / 2
    radius, azimuth = np.hypot(y, x), np.arctan2(y, x)
    disc = np.exp(-radius / 8.0)
    phase = 2 * (azimuth - np.log(np.maximum(radius, 0.5) / 8.0) / np.tan(np.radians(20.0)))
    arms = 3.0 * disc * np.exp(-np.square(np.sin(phase / 2)) / 0.03) * (radius > 6) * (radius < 26)
    return disc + arms, arms > 1.0 * disc


def of_one_colour(*, psf: bool = True, unit: str = "nJy", noise: float = 0.01) -> tuple[Cutout, np.ndarray]:
    """The same galaxy in g and r, 0.7 mag apart everywhere, g seen through half as sharp a PSF again."""
    light, mask = grand_design()
    psfs = {"g": moffat_psf(5.5, size=41), "r": moffat_psf(2.5, size=41)}
    rng = np.random.default_rng(6)
    flux = np.stack([convolve(light * share, psfs[band]) for band, share in (("g", 10**-0.28), ("r", 1.0))]) * 100
    flux += rng.normal(0, noise, flux.shape)
    cutout = Cutout(
        object_id="drawn", flux=flux.astype(np.float32), bands=("g", "r"), unit=unit,
        variance=np.full(flux.shape, noise**2, np.float32), pixel_scale_arcsec=0.168, psf=psfs if psf else {},
    )  # fmt: skip
    return cutout, mask


def test_a_galaxy_of_one_colour_has_it_in_its_arms_too_once_bands_are_of_one_seeing():
    row = measure_cutout(*of_one_colour())
    colour = row.colours["g-r"]
    assert row.psf_matched
    assert Flag.NOT_PSF_MATCHED not in row.flags
    assert colour.total_mag == pytest.approx(0.7, abs=0.01)
    assert colour.arm_mag == pytest.approx(0.7, abs=0.02)
    assert colour.interarm_mag == pytest.approx(0.7, abs=0.02)


def test_without_psfs_the_seeing_is_seen_as_a_colour_of_the_arms_and_a_flag_says_so():
    row = measure_cutout(*of_one_colour(psf=False))
    colour = row.colours["g-r"]
    assert not row.psf_matched
    assert Flag.NOT_PSF_MATCHED in row.flags
    assert colour.arm_mag - colour.interarm_mag > 0.1
    assert colour.total_mag == pytest.approx(0.7, abs=0.02)


@pytest.mark.parametrize("broken", [np.zeros((9, 9)), np.full((9, 9), np.nan)])
def test_a_psf_without_light_is_no_psf(broken):
    cutout, mask = of_one_colour()
    spoilt = dataclasses.replace(cutout, psf={**cutout.psf, "g": broken.astype(np.float32)})
    row = measure_cutout(spoilt, mask)
    assert not row.psf_matched
    assert Flag.NOT_PSF_MATCHED in row.flags


def test_light_of_unknown_zero_point_has_no_colour():
    row = measure_cutout(*of_one_colour(unit="count"))
    assert row.colours == {}


def test_a_band_without_light_has_no_colour():
    cutout, mask = of_one_colour()
    flux = cutout.flux.copy()
    flux[0] = np.random.default_rng(0).normal(0, 0.01, flux[0].shape)
    colour = measure_cutout(dataclasses.replace(cutout, flux=flux), mask).colours.get("g-r")
    assert colour is None or np.isnan(dataclasses.astuple(colour)).all()


def test_one_band_needs_no_matching():
    cutout, mask = of_one_colour(psf=False)
    row = measure_cutout(cutout.select(["r"]), mask)
    assert row.colours == {}
    assert Flag.NOT_PSF_MATCHED not in row.flags
