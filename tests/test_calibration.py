"""Claims about calibration: known temperatures and distances are found again, and the run folder keeps them."""

import json

import numpy as np
import pytest

from flaxgal.calibration import (
    Calibration,
    Familiar,
    familiar_features,
    fit_temperature,
    mean_loss,
    read_calibration,
    write_calibration,
)
from flaxgal.classify import probabilities
from flaxgal.survey.schemas import SCHEMAS


def calibrated(number, outputs, *, ordered, seed=0):
    """Logits, and truth drawn with the very probabilities that they say."""
    random = np.random.default_rng(seed)
    logits = random.normal(0, 2, (number, outputs))
    if ordered:
        return logits, (random.random(logits.shape) < 1 / (1 + np.exp(-logits))).astype(np.float32)
    gumbel = -np.log(-np.log(random.random(logits.shape)))
    return logits, np.eye(outputs, dtype=np.float32)[(logits + gumbel).argmax(1)]


@pytest.mark.parametrize("ordered", [False, True])
@pytest.mark.parametrize("temperature", [0.4, 1.0, 3.0])
def test_the_temperature_of_overconfident_logits_is_found_again(ordered, temperature):
    logits, target = calibrated(20_000, 3, ordered=ordered)
    assert fit_temperature(temperature * logits, target, ordered=ordered) == pytest.approx(temperature, rel=0.03)


@pytest.mark.parametrize("ordered", [False, True])
def test_no_other_temperature_is_more_likely(ordered):
    logits, target = calibrated(300, 4, ordered=ordered)
    best = fit_temperature(logits, target, ordered=ordered)
    losses = [mean_loss(logits / (best * factor), target, ordered=ordered) for factor in (0.98, 1.0, 1.02)]
    assert np.argmin(losses) == 1


@pytest.mark.parametrize("ordered", [False, True])
def test_an_average_over_orientations_gets_the_temperature_that_makes_the_average_most_likely(ordered):
    schema = SCHEMAS["t_type" if ordered else "morphology"]
    logits, target = calibrated(400, schema.outputs, ordered=ordered)
    seen_from = 3 * logits + np.random.default_rng(1).normal(0, 3, (8, *logits.shape))
    best = fit_temperature(seen_from, target, ordered=ordered)

    def minus_log_likelihood(temperature):
        if ordered:
            chance = (1 / (1 + np.exp(-seen_from / temperature))).mean(axis=0)
            return -np.log(np.where(target > 0, chance, 1 - chance)).mean()
        chance = probabilities(seen_from, schema, temperature=temperature)
        return -np.log((target * chance).sum(axis=1)).mean()

    losses = [minus_log_likelihood(best * factor) for factor in (0.95, 1.0, 1.05)]
    assert np.argmin(losses) == 1
    assert mean_loss(seen_from / best, target, ordered=ordered) == pytest.approx(losses[1])
    assert best < 0.9 * fit_temperature(seen_from[0], target, ordered=ordered)  # a mean is less sure than each


def test_the_best_temperature_of_a_network_that_is_right_in_three_of_four_is_known():
    logits = np.tile([2.0, 0.0], (4, 1))
    target = np.eye(2)[[0, 0, 0, 1]]
    assert fit_temperature(logits, target) == pytest.approx(2 / np.log(3), rel=1e-4)  # 1 / (1 + exp(-2 / T)) = 3/4


@pytest.mark.parametrize("logits", [5 * np.eye(3), np.zeros((3, 3)), -5 * np.eye(3)])
def test_a_likelihood_without_a_maximum_leaves_probabilities_as_they_are(logits):
    assert fit_temperature(logits, np.eye(3)) == 1.0


def test_galaxies_of_known_gaussians_are_at_their_mahalanobis_distances():
    random = np.random.default_rng(0)
    spread = np.array([[2.0, 0.0], [1.0, 0.5]])
    labels = random.integers(0, 2, 50_000)
    centres = np.array([[0.0, 0.0], [30.0, -10.0]])
    familiar = familiar_features(centres[labels] + random.normal(size=(50_000, 2)) @ spread.T, labels)
    np.testing.assert_allclose(familiar.means, centres, atol=0.05)
    directions = np.array([[1.0, 0.0], [0.0, 1.0], [0.6, -0.8]])
    for centre in centres:
        distance = familiar.distance(centre + 4 * directions @ spread.T)
        np.testing.assert_allclose(distance, 4, rtol=0.02)


def test_the_covariance_is_drawn_towards_a_round_one_as_ledoit_and_wolf_say():
    random = np.random.default_rng(1)
    features = random.normal(size=(12, 5)) * [1, 2, 3, 4, 5]
    offset = features - features.mean(0)
    covariance = offset.T @ offset / 12
    scale = np.trace(covariance) / 5
    apart = np.linalg.norm(covariance - scale * np.eye(5)) ** 2
    noise = sum(np.linalg.norm(np.outer(row, row) - covariance) ** 2 for row in offset) / 12**2
    share = noise / apart
    assert 0 < share < 1
    expected = np.linalg.inv((1 - share) * covariance + share * scale * np.eye(5))
    np.testing.assert_allclose(familiar_features(features, np.zeros(12, int)).precision, expected)


def test_fewer_galaxies_than_features_and_features_that_never_vary_give_finite_distances():
    random = np.random.default_rng(2)
    features = np.concatenate([random.normal(size=(6, 20)), np.ones((6, 3))], axis=1).astype(np.float32)
    for labels in (np.zeros(6, int), np.arange(6)):
        distance = familiar_features(features, labels).distance(features + 1)
        assert np.all(np.isfinite(distance))
        assert np.all(distance > 0)
    assert familiar_features(features, np.arange(6)).distance(features).max() == 0  # each galaxy its own class's mean


def test_the_run_folder_keeps_it(tmp_path):
    assert read_calibration(tmp_path) is None
    distance = np.linspace(0, 10, 201)
    familiar = Familiar(means=np.eye(2, 3), precision=np.eye(3))
    kept = Calibration(step=40, temperature=1.7, familiar=familiar, validation_distance=distance, averaged={8: 1.2})
    assert kept.outlier_threshold == pytest.approx(9.95)
    write_calibration(tmp_path, kept)
    found = read_calibration(tmp_path)
    assert (found.step, found.temperature, found.outlier_threshold) == (40, 1.7, kept.outlier_threshold)
    assert [found.temperature_of(number) for number in (1, 2, 8)] == [1.7, 1.7, 1.2]
    np.testing.assert_array_equal(found.familiar.means, familiar.means)
    np.testing.assert_array_equal(found.familiar.precision, familiar.precision)
    (tmp_path / "trust.npz").write_bytes(b"damaged")
    with pytest.raises(ValueError, match=r"damaged .*--resume"):
        read_calibration(tmp_path)


def test_a_calibration_of_before_there_were_several_temperatures_has_one_for_all(tmp_path):
    familiar = Familiar(means=np.eye(2, 3), precision=np.eye(3))
    kept = Calibration(step=1, temperature=1.7, familiar=familiar, validation_distance=np.ones(3), averaged={8: 1.2})
    write_calibration(tmp_path, kept)
    said = json.loads((tmp_path / "calibration.json").read_text())
    del said["averaged_temperatures"]
    (tmp_path / "calibration.json").write_text(json.dumps(said))
    assert [read_calibration(tmp_path).temperature_of(number) for number in (1, 8)] == [1.7, 1.7]


def test_files_of_different_weights_are_refused(tmp_path):
    familiar = Familiar(means=np.eye(2, 3), precision=np.eye(3))
    for step in (10, 20):
        kept = Calibration(step=step, temperature=1.0, familiar=familiar, validation_distance=np.ones(3))
        write_calibration(tmp_path, kept)
        if step == 10:
            before = (tmp_path / "trust.npz").read_bytes()
    (tmp_path / "trust.npz").write_bytes(before)
    with pytest.raises(ValueError, match="of different steps"):
        read_calibration(tmp_path)
