"""Whether a disc can be seen: on galaxies drawn by formula, on mocks, and on frames that hold none."""

import math

import numpy as np
import pytest
from scipy import ndimage

from flaxgal.measure.disc import central_galaxy, has_visible_disc
from flaxgal.survey.cutout import Cutout


def draw(*, profile="disc", radius=9.0, axis_ratio=0.8, brightness=40.0, size=64, seed=0, sky=0.0, noise=1.0):
    """A galaxy of this half-light radius and mean brightness within it, in units of the noise, blurred by seeing."""
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    angle = math.radians(35)
    along, across = x * math.cos(angle) + y * math.sin(angle), y * math.cos(angle) - x * math.sin(angle)
    distance = np.hypot(along, across / axis_ratio) / radius
    light = np.exp(-1.678 * distance) if profile == "disc" else np.exp(-7.669 * (distance + 0.02) ** 0.25)
    light = ndimage.gaussian_filter(light, 1.5)
    light *= brightness / light[distance < 1].mean()
    flux = light + sky + noise * np.random.default_rng(seed).normal(size=light.shape)
    return Cutout(object_id="g", flux=flux[None].astype(np.float32), bands=("i",), unit="nJy")


@pytest.mark.parametrize("seed", range(5))
def test_a_resolved_bright_tilted_disc_is_visible_whatever_the_sky(seed):
    for choices in ({}, {"sky": 1000.0}, {"axis_ratio": 0.6}, {"radius": 6.0}, {"brightness": 20.0}):
        assert has_visible_disc(draw(seed=seed, **choices)), choices


@pytest.mark.parametrize("seed", range(5))
def test_what_shows_no_disc_is_told_from_one(seed):
    for choices in (
        {"profile": "elliptical"},
        {"axis_ratio": 0.15},
        {"radius": 1.0},
        {"brightness": 1.0},
    ):
        assert not has_visible_disc(draw(seed=seed, **choices)), choices


def test_shape_and_size_of_a_disc_are_recovered():
    found = central_galaxy(draw(radius=10.0, axis_ratio=0.7, size=96, brightness=100.0))
    assert found.half_light_radius_pixels == pytest.approx(10, rel=0.06)
    assert found.axis_ratio == pytest.approx(0.7, abs=0.06)
    assert found.concentration == pytest.approx(2.32, abs=0.15)  # of an exponential


def test_turning_mirroring_and_enlarging_a_galaxy_changes_nothing():
    cutout = draw()
    expected = central_galaxy(cutout)
    for turn in (lambda image: np.rot90(image, 1, (1, 2)), lambda image: image[:, :, ::-1]):
        turned = central_galaxy(Cutout(object_id="g", flux=turn(cutout.flux), bands=("i",), unit="nJy"))
        assert turned.half_light_radius_pixels == pytest.approx(expected.half_light_radius_pixels, rel=0.02)
        assert turned.axis_ratio == pytest.approx(expected.axis_ratio, rel=0.02)
    for times in (3, 7):
        large = np.kron(cutout.flux, np.ones((1, times, times), np.float32))[:, :-1]  # no multiple of the blocks
        found = central_galaxy(Cutout(object_id="g", flux=large, bands=("i",), unit="nJy"))
        assert found.half_light_radius_pixels == pytest.approx(times * expected.half_light_radius_pixels, rel=0.1)
        assert found.light.shape == large.shape[1:]


def test_the_light_is_the_galaxys_own_and_not_its_neighbours():
    cutout = draw(axis_ratio=1.0, radius=6.0)
    y, x = np.mgrid[:64, :64]
    star = 3000 * np.exp(-((y - 55) ** 2 + (x - 52) ** 2) / 5)
    crowded = central_galaxy(
        Cutout(object_id="g", flux=cutout.flux + star[None].astype(np.float32), bands=("i",), unit="nJy")
    )
    alone = central_galaxy(cutout)
    assert crowded.light[50:60, 47:57].max() == 0
    assert crowded.light.sum() == pytest.approx(alone.light.sum(), rel=0.1)
    assert alone.light.min() == 0
    far = np.hypot(y - 31.5, x - 31.5) > 25
    assert alone.light[far].sum() < 0.02 * alone.light.sum()


def test_a_picture_of_a_disc_is_one_too():
    light = draw(noise=0.0).flux[0]
    grey = np.rint(255 * (light / light.max()) ** (1 / 2.2))
    picture = Cutout(object_id="p", flux=grey[None].astype(np.float32), bands=("grey",), unit="picture")
    assert has_visible_disc(picture)
    assert central_galaxy(picture).half_light_radius_pixels == pytest.approx(9, rel=0.15)


@pytest.mark.parametrize("kind", ["noise", "dark", "empty", "half empty", "one pixel", "negative", "tiny"])
def test_frames_without_a_galaxy_have_no_disc_and_stop_nobody(kind):
    noise = np.random.default_rng(3).normal(size=(1, 48, 40)).astype(np.float32)
    flux = {
        "noise": noise,
        "dark": np.zeros_like(noise),
        "empty": np.full_like(noise, np.nan),
        "half empty": np.where(np.arange(40) < 20, noise, np.float32(np.nan)),
        "one pixel": np.where(noise == noise[0, 24, 20], np.float32(1e4), noise),
        "negative": noise - 1e6,
        "tiny": noise[:, :2, :1],
    }[kind]
    cutout = Cutout(object_id="g", flux=flux, bands=("i",), unit="nJy")
    assert not has_visible_disc(cutout)
    assert central_galaxy(cutout).light.shape == flux.shape[1:]


def test_spirals_among_mock_galaxies_have_visible_discs_and_ellipticals_have_none():
    """A hundred mocks; the shares and how they were found are in `has_visible_disc`."""
    import jax

    from flaxgal.config import MockConfig
    from flaxgal.mock.cutouts import mock_cutouts, truth_table
    from flaxgal.mock.galaxy import render

    config = MockConfig(class_fractions=(0.5, 0.0, 0.5), max_inclination_deg=50.0)
    mocks = render(config, jax.random.key(4), 128)
    truth = truth_table(config, mocks)
    seen = np.array([has_visible_disc(cutout) for cutout in mock_cutouts(config, mocks)])
    kind, arms = np.array(truth["kind"]).astype(str), np.array(truth["arm_mask_pixels"]) > 0
    assert seen[(kind == "Sp") & arms].mean() > 0.7
    assert seen[kind == "E"].mean() < 0.2
