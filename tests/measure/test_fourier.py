"""Azimuthal Fourier amplitudes and spirals without a mask, against light drawn by formula."""

from __future__ import annotations

import numpy as np
import pytest

from flaxgal.measure.fourier import Fourier, measure_fourier
from flaxgal.measure.geometry import Ellipse, disc_plane

ELLIPSE = Ellipse((48.0, 47.0), 0.7, 25.0)
SPAN = {"inner_radius_pixels": 9.0, "outer_radius_pixels": 36.0}
EVERYWHERE = np.ones((96, 96), bool)


def wave(mode: int, pitch_deg: float, *, amplitude: float = 0.3, sense: int = 1, bar: float = 0.0) -> np.ndarray:
    """An exponential disc times 1 + amplitude · cos(m (θ − cot p · ln r)), and a bar of two and of no arms' phase."""
    radius, azimuth = disc_plane(ELLIPSE, *(axis.astype(float) for axis in np.indices((96, 96))))
    phase = azimuth - sense * np.log(np.maximum(radius, 1.0)) / np.tan(np.radians(pitch_deg))
    return 100 * np.exp(-radius / 12) * (1 + amplitude * np.cos(mode * phase) + bar * np.cos(2 * azimuth))


@pytest.mark.parametrize("mode", [1, 2, 3, 4])
@pytest.mark.parametrize("sense", [1, -1])
def test_number_pitch_angle_way_and_amplitude_of_a_wave_are_found(mode, sense):
    found = measure_fourier(wave(mode, 20.0, sense=sense), EVERYWHERE, ELLIPSE, **SPAN)
    assert found.arm_number == mode
    assert found.pitch_angle_deg == pytest.approx(20.0, abs=1.5)
    assert found.chirality == ("Z" if sense > 0 else "S")
    assert found.amplitudes[mode - 1] == pytest.approx(0.3, abs=0.03)  # pixels smooth short waves
    assert max(a for m, a in enumerate(found.amplitudes, start=1) if m != mode) < 0.03


@pytest.mark.parametrize("pitch_deg", [10.0, 22.0, 35.0])
def test_a_bar_neither_hides_a_spiral_nor_pulls_its_pitch_angle(pitch_deg):
    found = measure_fourier(wave(2, pitch_deg, amplitude=0.2, bar=0.2), EVERYWHERE, ELLIPSE, **SPAN)
    assert (found.arm_number, found.chirality) == (2, "Z")
    assert found.pitch_angle_deg == pytest.approx(pitch_deg, abs=1.0)


def test_a_disc_whose_shape_is_slightly_wrong_keeps_the_pitch_angle():
    flat, turned = Ellipse(ELLIPSE.centre, 0.64, 25.0), Ellipse(ELLIPSE.centre, 0.7, 32.0)
    for wrong in (flat, turned):
        assert measure_fourier(wave(2, 25.0), EVERYWHERE, wrong, **SPAN).pitch_angle_deg == pytest.approx(25.0, abs=3.0)


def test_the_first_row_at_the_top_turns_the_chirality():
    assert measure_fourier(wave(2, 20.0), EVERYWHERE, ELLIPSE, first_row="top", **SPAN).chirality == "S"


def test_noise_alone_adds_nothing_to_the_amplitudes():
    light = wave(2, 20.0, amplitude=0.0) + np.random.default_rng(0).normal(0, 4.0, (96, 96))
    assert max(measure_fourier(light, EVERYWHERE, ELLIPSE, **SPAN).amplitudes) < 0.05


def test_brighter_light_has_the_same_amplitudes_and_stripes_of_gaps_hardly_change_them():
    light, striped = wave(2, 20.0), EVERYWHERE.copy()
    striped[:, ::11] = False
    whole = measure_fourier(light, EVERYWHERE, ELLIPSE, **SPAN)
    assert measure_fourier(7 * light, EVERYWHERE, ELLIPSE, **SPAN).amplitudes == pytest.approx(whole.amplitudes)
    gaps = measure_fourier(np.where(striped, light, np.nan), striped, ELLIPSE, **SPAN)
    assert gaps.amplitudes == pytest.approx(whole.amplitudes, abs=0.05)
    assert (gaps.arm_number, gaps.chirality) == (2, "Z")


@pytest.mark.parametrize("name", ["no light", "negative light", "nothing seen", "no radius", "no centre"])
def test_without_light_or_a_place_nothing_is_measured(name):
    light = {"no light": np.zeros((96, 96)), "negative light": -wave(2, 20.0)}.get(name, wave(2, 20.0))
    good = EVERYWHERE & (name != "nothing seen")
    span = SPAN | ({"outer_radius_pixels": np.nan} if name == "no radius" else {})
    ellipse = Ellipse((np.nan, np.nan), 1.0, 0.0) if name == "no centre" else ELLIPSE
    found = measure_fourier(light, good, ellipse, **span)
    assert found.arm_number == 0
    assert found.chirality == "-"
    assert np.isnan([*found.amplitudes, found.pitch_angle_deg]).all()
    assert found.amplitudes == pytest.approx(Fourier().amplitudes, nan_ok=True)


def test_a_wave_that_may_wind_either_way_has_no_pitch_angle():
    found = measure_fourier(wave(2, 20.0) + wave(2, -20.0), EVERYWHERE, ELLIPSE, **SPAN)
    assert (found.arm_number, found.chirality) == (2, "-")
    assert np.isnan(found.pitch_angle_deg)
    assert np.isfinite(found.amplitudes).all()
