"""Arms of known light added to images of real galaxies, and drawn ones, must be found again."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy import ndimage

from flaxgal.measure.flags import Flag
from flaxgal.measure.flux import measure_cutout
from flaxgal.measure.record import Measurement
from flaxgal.survey.cutout import Cutout, read_cutout


def two_arms(
    shape: tuple[int, int], centre: tuple[float, float], *, scale: float, axis_ratio: float, angle_deg: float
) -> tuple[np.ndarray, np.ndarray]:
    """Light of two logarithmic arms, blurred, that sums to one, and where it is above a tenth of its crest."""
    y, x = np.indices(shape) - np.reshape(centre, (2, 1, 1))
    turn = np.radians(angle_deg)
    along, across = x * np.cos(turn) + y * np.sin(turn), (y * np.cos(turn) - x * np.sin(turn)) / axis_ratio
    radius, azimuth = np.hypot(along, across), np.arctan2(across, along)
    phase = 2 * (azimuth - np.log(np.maximum(radius, 0.5) / scale) / np.tan(np.radians(20.0)))
    reach = 1 / (1 + np.exp(-(radius - scale) / 0.7)) / (1 + np.exp((radius - 3.0 * scale) / 1.0))
    arms = ndimage.gaussian_filter(
        np.exp(-radius / (1.5 * scale)) * reach * np.exp(-np.square(np.sin(phase / 2)) / 0.1), 1.5
    )
    return arms / arms.sum(), arms > 0.1 * arms.max()


def square_around(cutout: Cutout, y: int, x: int, half: int) -> Cutout:
    """A piece of a large image."""
    cut = np.s_[..., y - half : y + half, x - half : x + half]
    return dataclasses.replace(
        cutout,
        flux=cutout.flux[cut],
        variance=None if cutout.variance is None else cutout.variance[cut],
        mask_planes={name: plane[cut] for name, plane in cutout.mask_planes.items()},
        wcs=None,
        psf={},
    )


def recovered(cutout: Cutout, *, share: float, scale: float, angle_deg: float) -> np.ndarray:
    """Measured light of arms that hold a share of the galaxy's light ÷ the light that was added, band by band."""
    return with_arms(cutout, share=share, scale=scale, angle_deg=angle_deg)[0]


def with_arms(
    cutout: Cutout, *, share: float, scale: float, angle_deg: float
) -> tuple[np.ndarray, Measurement, Measurement]:
    """Recovered ÷ added light in each band, and the rows under the arms' mask of the galaxy without and with them.

    What the galaxy itself has inside the mask is measured before, and taken off.
    """
    before = measure_cutout(cutout, np.zeros(cutout.image_shape, bool))
    centre, axis_ratio = (before.centre_y, before.centre_x), max(before.axis_ratio, 0.5)
    arms, mask = two_arms(cutout.image_shape, centre, scale=scale, axis_ratio=axis_ratio, angle_deg=angle_deg)
    total = np.array([band.total_flux for band in before.bands.values()])
    added = share * total[:, None, None] * arms
    without = measure_cutout(cutout, mask)
    after = measure_cutout(dataclasses.replace(cutout, flux=cutout.flux + added.astype(np.float32)), mask)
    own, found = (np.array([band.arm_flux for band in row.bands.values()]) for row in (without, after))
    return (found - own) / added[:, mask].sum(axis=1), without, after


def early_type_galaxy(real_data) -> Cutout:
    """A real galaxy without arms in g, r, i; ten pixels from its nucleus lies a companion with 3 % of its light."""
    galaxy = read_cutout([real_data / "hsc" / f"{band}-band.fits" for band in "gri"])
    return square_around(galaxy, galaxy.image_shape[0] // 2, galaxy.image_shape[1] // 2, 64)


SCALES, ANGLES = (4.0, 6.0, 9.0, 12.0), (0, 40, 80, 120, 160)
SWALLOWED = (0.3, 6.0, 40)
"""Share, scale and angle of the arms that pass right over the companion, which then is a knot of theirs."""


@pytest.mark.parametrize("share", [0.1, 0.3])
def test_arms_added_to_a_real_early_type_galaxy_are_recovered_within_5_percent(real_data, share):
    """From arms at the core to arms in the outskirts, at all angles, in three bands."""
    galaxy = early_type_galaxy(real_data)
    runs = [(share, scale, angle) for scale in SCALES for angle in ANGLES]
    ratios = np.array(
        [recovered(galaxy, share=run[0], scale=run[1], angle_deg=run[2]) for run in runs if run != SWALLOWED]
    )
    assert abs(np.median(ratios) - 1) < 0.005
    assert np.abs(ratios - 1).max() < 0.05


def test_a_companion_that_an_added_arm_passes_over_is_counted_as_the_arms_and_flagged(real_data):
    """One image cannot tell it from a knot of young stars: arm and companion are recovered, 10 % too much."""
    share, scale, angle = SWALLOWED
    ratios, without, after = with_arms(early_type_galaxy(real_data), share=share, scale=scale, angle_deg=angle)
    assert (np.abs(ratios - 1.10) < 0.02).all()
    assert Flag.BRIGHT_KNOT in after.flags
    assert Flag.BRIGHT_KNOT not in without.flags
    assert without.others_share > 0.01 > after.others_share


def test_a_star_in_the_arm_mask_is_flagged_and_a_smooth_arm_is_not(spiral):
    drawn = spiral(4, size=80, signal_to_noise=1000.0)
    y, x = np.argwhere(drawn.arm_mask)[drawn.arm_mask.sum() // 3]
    star = np.exp(-0.5 * (np.square(np.indices((80, 80)) - np.reshape((y, x), (2, 1, 1))).sum(axis=0)) / 1.5**2)
    star *= 0.1 * drawn.arm_flux[1] / star.sum()
    starred = dataclasses.replace(drawn.cutout, flux=drawn.cutout.flux + star.astype(np.float32))
    assert Flag.BRIGHT_KNOT in measure_cutout(starred, drawn.arm_mask).flags
    assert Flag.BRIGHT_KNOT not in measure_cutout(drawn.cutout, drawn.arm_mask).flags


def brightest(field: Cutout, *, number: int, half: int) -> list[tuple[int, int]]:
    """(y, x) of the brightest objects of a large image that are `half` a square away from its edges."""
    smooth = ndimage.gaussian_filter(np.nan_to_num(field.flux[0]), 3.0)
    labels, objects = ndimage.label(smooth > 6.0)
    numbers = np.arange(1, objects + 1)
    peaks = ndimage.maximum_position(smooth, labels, numbers)
    order = np.argsort(-ndimage.sum(smooth, labels, numbers))
    places = [peaks[k] for k in order]
    inside = [place for place in places if all(half <= place[k] < smooth.shape[k] - half for k in (0, 1))]
    return [(int(y), int(x)) for y, x in inside[:number]]


def test_arms_added_to_the_brightest_galaxies_of_a_real_coadd_are_recovered_within_5_percent(real_data):
    field = read_cutout(real_data / "hsc" / "cutout-HSC-R-9071-s18a_wide-181211-014627.fits")
    places = brightest(field, number=8, half=40)
    pieces = [square_around(field, y, x, 40) for y, x in places]
    ratios = np.array([recovered(piece, share=0.5, scale=5.0, angle_deg=30.0)[0] for piece in pieces])
    assert len(ratios) == 8
    assert abs(np.median(ratios) - 1) < 0.01
    assert np.abs(ratios - 1).max() < 0.05


def test_arms_added_to_a_drawn_galaxy_are_recovered_within_5_percent(spiral):
    """The same, where no real image is at hand: a smooth disc, three depths."""
    for seed, depth in enumerate((100.0, 300.0, 1000.0)):
        smooth = spiral(seed, arm_contrast=1e-6, signal_to_noise=depth, size=80).cutout
        ratios = recovered(smooth, share=0.3, scale=6.0, angle_deg=30.0)
        assert np.abs(ratios - 1).max() < 0.05
