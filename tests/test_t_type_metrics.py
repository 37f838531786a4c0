"""Differences of T-types are summed up as they would be by hand."""

import numpy as np
import pytest

from flaxgal.t_type_metrics import t_type_scores


def test_known_differences_give_known_scores():
    found = t_type_scores(np.array([0.0, 1.4, -2.0, 3.0, np.nan]))
    assert found["mae"][0] == pytest.approx(6.4 / 4)
    assert found["bias"][0] == pytest.approx(0.6)
    assert found["scatter"][0] == pytest.approx(np.std([0.0, 1.4, -2.0, 3.0]))
    assert found["within_1"][0] == 0.5  # 1.4 rounds to one step
    assert found["within_2"][0] == 0.75
    for value, low, high in found.values():
        assert low <= value <= high


def test_a_shift_is_bias_and_no_scatter():
    found = t_type_scores(np.full(10, 0.7))
    assert found["bias"] == pytest.approx([0.7, 0.7, 0.7])
    assert found["scatter"][0] == pytest.approx(0)
    value, low, high = found["within_1"]
    assert (value, high) == (1, 1)
    assert low < 0.8  # ten right of ten do not say that all will be


def test_one_galaxy_has_no_scatter_and_none_has_nothing():
    assert np.isnan(t_type_scores(np.array([0.5]))["scatter"]).all()
    for differences in (np.empty(0), np.array([np.nan])):
        for score in t_type_scores(differences).values():
            assert np.isnan(score).all()
