"""What is the galaxy's light and what is another's."""

from __future__ import annotations

import numpy as np
import pytest

from flaxgal.measure.sources import find_sources


def disc(size: int = 81, scale: float = 7.0, height: float = 200.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A round disc in units of its noise, and the y and x of its pixels."""
    y, x = np.indices((size, size)) - size // 2
    noise = np.random.default_rng(0).normal(size=(size, size))
    return height * np.exp(-np.hypot(y, x) / scale) + noise, y, x


def star(y: np.ndarray, x: np.ndarray, at: tuple[int, int], height: float) -> np.ndarray:
    return height * np.exp(-((y - at[0]) ** 2 + (x - at[1]) ** 2) / (2 * 1.6**2))


@pytest.mark.parametrize("at", [(0, 9), (12, 0), (-8, -8), (20, 5), (30, -25)])
def test_a_star_on_or_beside_a_galaxy_is_found_with_its_wings(at):
    image, y, x = disc()
    light = star(y, x, at, 120.0)
    found = find_sources(image + light, np.zeros(image.shape, bool))
    assert light[found.others].sum() > 0.95 * light.sum()
    assert (found.others & (np.hypot(y, x) < 25)).sum() < 400


def test_a_smooth_galaxy_hides_nobody():
    image, y, x = disc()
    assert not find_sources(image, np.zeros(image.shape, bool)).others[np.hypot(y, x) < 30].any()


def test_an_arm_is_no_star_whether_it_is_drawn_or_not():
    image, y, x = disc()
    radius, azimuth = np.hypot(y, x), np.arctan2(y, x)
    phase = 2 * (azimuth - np.log(np.maximum(radius, 0.5) / 7.0) / np.tan(np.radians(20.0)))
    ridge = np.exp(-np.square(np.sin(phase / 2)) / 0.15) * (radius > 6) * (radius < 24)
    arms = 200.0 * np.exp(-radius / 7.0) * ridge
    for mask in (ridge > 0.4, np.zeros(image.shape, bool)):
        assert not find_sources(image + arms, mask).others[radius < 22].any()


def test_a_knot_in_an_arm_is_spared_and_the_same_knot_off_the_arm_is_not():
    image, y, x = disc()
    at = (0, 12)
    height = 1.5 * 200.0 * np.exp(-12 / 7.0)
    mask = np.hypot(y - at[0], x - at[1]) < 5
    assert not find_sources(image + star(y, x, at, height), mask).others[mask].any()
    assert find_sources(image + star(y, x, at, height), np.zeros(image.shape, bool)).others[mask].any()


def test_a_galaxy_that_touches_another_is_parted_from_it():
    image, y, x = disc()
    other = 150.0 * np.exp(-np.hypot(y - 22, x - 4) / 3.0)
    found = find_sources(image + other, np.zeros(image.shape, bool))
    assert other[found.others].sum() > 0.85 * other.sum()
    assert found.peak == pytest.approx((40, 40), abs=1)


def test_an_empty_image_has_neither_galaxy_nor_others():
    for image in (np.zeros((40, 40)), np.random.default_rng(1).normal(size=(40, 40)), -np.ones((40, 40))):
        found = find_sources(image, np.zeros(image.shape, bool))
        assert not found.found


def test_in_pure_noise_no_galaxy_is_found_be_it_where_noise_is_smoothed_least():
    """At the frame's edge and corners, where an object once was found in every tenth frame."""
    frames = (np.random.default_rng([11, seed]).normal(size=(64, 64)) for seed in range(100))
    found = [find_sources(frame, np.zeros(frame.shape, bool)) for frame in frames]
    assert not any(one.found or one.uncertain for one in found)


@pytest.mark.parametrize("at", [(32, 32), (20, 60), (0, 32), (5, 5)])
def test_a_faint_galaxy_is_found_at_the_edge_as_in_the_middle(at):
    y, x = np.indices((64, 64)) - np.reshape(at, (2, 1, 1))
    for seed in range(20):
        noise = np.random.default_rng([12, seed]).normal(size=(64, 64))
        assert find_sources(noise + 4.0 * np.exp(-np.hypot(y, x) / 3.0), np.zeros((64, 64), bool)).found
