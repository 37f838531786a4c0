"""Calibrated probabilities are found to be so, others by as much as they are wrong."""

import numpy as np
import pytest

from flaxgal.reliability import brier_score, calibration_error, errors_by_chance, log_loss, reliability


def calibrated(number, *, classes=3, seed=0):
    """Probabilities, and true classes drawn from them."""
    random = np.random.default_rng(seed)
    probability = random.dirichlet(np.full(classes, 0.4), size=number)
    truth = (random.random((number, 1)) > np.cumsum(probability, axis=1)[:, :-1]).sum(axis=1)
    return truth, probability


def test_probabilities_that_the_truth_is_drawn_from_have_an_error_near_zero():
    truth, probability = calibrated(40000)
    found = reliability(truth, probability)
    assert calibration_error(found) < 0.01
    full = found.galaxies > 1000
    np.testing.assert_allclose(found.accuracy[full], found.confidence[full], atol=0.04)


def test_the_error_of_the_overconfident_is_by_how_much_they_are():
    truth = np.arange(1000) % 4 == 0  # a quarter is of class 1
    probability = np.tile([0.95, 0.05], (1000, 1))
    found = reliability(truth.astype(int), probability)
    assert calibration_error(found) == pytest.approx(0.2)
    assert found.galaxies[14] == 1000
    assert found.accuracy[14] == pytest.approx(0.75)
    assert np.isnan(found.accuracy[:14]).all()


def test_bins_agree_with_a_loop_over_galaxies():
    truth, probability = calibrated(500, classes=2, seed=3)
    probability[:3] = [[1.0, 0.0], [0.5, 0.5], [0.6, 0.4]]  # on edges: each bin is without its lower one
    found = reliability(truth, probability, bins=10)
    error = 0.0
    for k in range(10):
        low, high = found.edges[k], found.edges[k + 1]
        inside = [n for n, p in enumerate(probability) if low < p.max() <= high]
        assert found.galaxies[k] == len(inside)
        if inside:
            right = np.mean([probability[n].argmax() == truth[n] for n in inside])
            sure = np.mean([probability[n].max() for n in inside])
            assert (found.accuracy[k], found.confidence[k]) == (pytest.approx(right), pytest.approx(sure))
            error += len(inside) / 500 * abs(right - sure)
    assert calibration_error(found) == pytest.approx(error)


@pytest.mark.parametrize("number", [50, 500])
def test_the_error_by_chance_is_what_calibrated_probabilities_show(number):
    errors = [calibration_error(reliability(*calibrated(number, seed=k))) for k in range(60)]
    by_chance = errors_by_chance(calibrated(number)[1])
    assert by_chance.mean() == pytest.approx(np.mean(errors), rel=0.2)
    assert np.quantile(by_chance, [0.1, 0.9]) == pytest.approx(np.quantile(errors, [0.1, 0.9]), rel=0.3)


def test_brier_score_and_log_loss_are_those_worked_out_by_hand():
    truth, probability = np.array([0, 1]), np.array([[0.8, 0.2], [0.6, 0.4]])
    assert brier_score(truth, probability) == pytest.approx((2 * 0.2**2 + 2 * 0.6**2) / 2)
    assert log_loss(truth, probability) == pytest.approx(-(np.log(0.8) + np.log(0.4)) / 2)
    assert log_loss(np.array([1]), np.array([[1.0, 0.0]])) == np.inf


def test_without_a_galaxy_nothing_is_said():
    truth, probability = np.empty(0, int), np.empty((0, 3))
    found = reliability(truth, probability)
    assert found.galaxies.sum() == 0
    for number in (
        calibration_error(found),
        *errors_by_chance(probability),
        brier_score(truth, probability),
        log_loss(truth, probability),
    ):
        assert np.isnan(number)
