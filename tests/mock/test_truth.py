"""The arm mask lies where the arms are, winds as they do, and is empty where there are none to see."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

PITCHES_DEG = np.arange(-45.0, 45.25, 0.25)
PITCHES_DEG = PITCHES_DEG[np.abs(PITCHES_DEG) > 5]


def deprojected(mask: np.ndarray, galaxy) -> tuple[np.ndarray, np.ndarray]:
    """ln R and θ, in the plane of a plain disc, of the pixels of a mask."""
    y, x = np.nonzero(mask)
    middle = (mask.shape[0] - 1) / 2
    x, y = x - middle - float(galaxy.offset_x), y - middle - float(galaxy.offset_y)
    turn = float(galaxy.disc.angle)
    along, across = x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)
    across = across / float(galaxy.disc.axis_ratio)
    return np.log(np.hypot(along, across)), np.arctan2(across, along)


def fitted_pitch_deg(mask: np.ndarray, galaxy, arms: int) -> float:
    """Pitch of the logarithmic spirals that gather most of the mask: positive for Z-wise, negative for S-wise."""
    log_radius, angle = deprojected(mask, galaxy)
    phase = arms * (angle[None] - log_radius[None] / np.tan(np.deg2rad(PITCHES_DEG))[:, None])
    return PITCHES_DEG[np.argmax(np.abs(np.exp(1j * phase).sum(1)))]


def test_the_mask_winds_at_the_pitch_angle_and_in_the_sense_of_the_arms(observe, spirals):
    mocks = observe(spirals)
    error = []
    for k in range(len(mocks.kind)):
        galaxy = jax.tree.map(lambda leaf, k=k: leaf[k], spirals)
        assert mocks.arm_mask[k].sum() > 50
        truth = float(mocks.pitch_angle_deg[k] * mocks.chirality[k])
        error.append(abs(fitted_pitch_deg(np.asarray(mocks.arm_mask[k]), galaxy, 2) - truth))
    assert np.median(error) < 1.0
    assert np.max(error) < 4.0


def test_z_wise_arms_turn_counterclockwise_outwards_on_the_sky(observe, spirals):
    """Face-on, from the array alone: x to the right, y up."""
    face_on = replace(spirals, disc=replace(spirals.disc, axis_ratio=jnp.ones_like(spirals.disc.axis_ratio)))
    mocks = observe(face_on)
    for k in range(len(mocks.kind)):
        galaxy = jax.tree.map(lambda leaf, k=k: leaf[k], face_on)
        assert np.sign(fitted_pitch_deg(np.asarray(mocks.arm_mask[k]), galaxy, 2)) == int(mocks.chirality[k])


def test_galaxies_without_arms_have_an_empty_mask_and_no_arm_light(observe, galaxies):
    armless = replace(
        galaxies,
        kind=jnp.ones_like(galaxies.kind),
        arms=replace(
            galaxies.arms,
            count=jnp.zeros_like(galaxies.arms.count),
            contrast=jnp.zeros_like(galaxies.arms.contrast),
            clump_share=jnp.zeros_like(galaxies.arms.clump_share),
        ),
    )
    mocks = observe(armless)
    assert not np.asarray(mocks.arm_mask).any()
    assert float(jnp.abs(mocks.arm_excess_flux / mocks.total_flux).max()) < 1e-5
    assert np.isnan(np.asarray(mocks.pitch_angle_deg)).all()
    assert float(mocks.arm_flux.sum()) == 0


def test_ellipticals_and_lenticulars_of_the_population_have_no_arms(observe, galaxies):
    mocks = observe(galaxies)
    smooth = np.asarray(mocks.kind) < 2
    assert smooth.any()
    assert not np.asarray(mocks.arm_mask)[smooth].any()
    assert not np.asarray(mocks.chirality)[smooth].any()
    assert (np.asarray(mocks.arm_count)[~smooth] >= 1).all()


def test_arms_drowned_in_noise_are_not_in_the_mask(observe, spirals):
    drowned = observe(replace(spirals, signal_to_noise=jnp.full_like(spirals.signal_to_noise, 2.0)))
    assert not np.asarray(drowned.arm_mask).any()


def test_the_mask_covers_the_brightest_part_of_the_arms(observe, spirals):
    """In a face-on disc without dust or bulge, arm pixels are brighter than others at the same radius."""
    zero = jnp.zeros_like(spirals.fwhm)
    plain = replace(
        spirals,
        nucleus=zero,
        bulge=replace(spirals.bulge, share=zero),
        bar=replace(spirals.bar, share=zero),
        disc=replace(spirals.disc, axis_ratio=zero + 1, ring=zero, texture=zero),
        arms=replace(spirals.arms, dust=zero, clump_share=jnp.zeros_like(spirals.arms.clump_share)),
    )
    mocks = observe(plain)
    light, mask = np.asarray(mocks.flux).sum(1), np.asarray(mocks.arm_mask)
    for k in range(len(light)):
        axis = np.arange(64) - 31.5
        radius = np.hypot(axis[None] - float(plain.offset_x[k]), axis[:, None] - float(plain.offset_y[k]))
        rings = [(radius >= r) & (radius < r + 1) for r in range(4, 28)]
        pairs = [
            (light[k][ring & mask[k]].mean(), light[k][ring & ~mask[k]].mean())
            for ring in rings
            if 5 < (ring & mask[k]).sum() < 0.8 * ring.sum()
        ]
        assert np.mean([inside > outside for inside, outside in pairs]) > 0.9


@pytest.mark.parametrize("edge", [0, -1])
def test_masks_are_not_cut_into_by_the_frame_in_small_galaxies(observe, galaxies, edge):
    mocks = observe(galaxies)
    small = np.asarray(mocks.effective_radius_pixels) < 9
    assert not np.asarray(mocks.arm_mask)[small][:, edge].any()
