"""Thresholds of arm masks: those that make masks of the true size, on probability maps whose truth is known exactly."""

import numpy as np
import pytest

from flaxgal.survey.mask_thresholds import (
    LEAST_GALAXIES,
    MaskThresholds,
    find_mask_thresholds,
    read_mask_thresholds,
    size_matching_threshold,
    write_mask_thresholds,
)

FOUND = MaskThresholds(threshold=0.6, generous=0.3, strict=0.8, galaxies=50)


def falling(side: int = 20) -> np.ndarray:
    """A map whose probabilities are all different: 1 − 1/n, 1 − 2/n … in an order that tells nothing."""
    number = side * side
    return np.random.default_rng(0).permutation(1 - np.arange(1, number + 1) / number).reshape(side, side)


@pytest.mark.parametrize("pixels", [1, 40, 200, 399, 400])
def test_a_mask_above_its_own_threshold_is_as_large_as_the_true_one(pixels):
    truth = np.zeros((20, 20), bool)
    truth.reshape(-1)[:pixels] = True
    own = size_matching_threshold(falling(), truth)
    assert (falling() > own).sum() == min(pixels, 399)  # the least probable pixel has probability 0
    assert own == pytest.approx(max(0, 1 - (pixels + 0.5) / 400), abs=1.5e-3)


def test_pixels_that_do_not_count_do_not_move_the_threshold():
    truth = np.zeros((20, 20), bool)
    truth[:4] = True
    weight = np.full((20, 20), 255, np.uint8)
    own = size_matching_threshold(falling(), truth, weight)
    weight[10:] = 0
    probability = falling()
    seen = size_matching_threshold(probability, truth, weight)
    assert (probability[:10] > seen).sum() == 80
    probability[10:], truth[10:] = np.nan, True
    assert size_matching_threshold(probability, truth, weight) == seen != own


def test_a_galaxy_without_arms_asks_for_no_threshold():
    assert np.isnan(size_matching_threshold(falling(), np.zeros((20, 20), bool)))


def drawn(number: int, seed: int, *, side: int = 24, generous: float = 0.0, apart: float = 0.8):
    """Maps of a network that is as strict with each galaxy as chance has it, and masks of the true size.

    A pixel is arm where its score is above 0; the network's log-odds are the score, off by a number a galaxy that is
    Gaussian about `generous` with the standard deviation `apart`: the galaxy's own threshold in log-odds.
    """
    random = np.random.default_rng(seed)
    score = random.normal(-1.5, 2.0, (number, side, side))
    own = random.normal(generous, apart, number)
    return 1 / (1 + np.exp(-(score + own[:, None, None]))), score > 0, np.full(score.shape, 255, np.uint8), own


def test_the_thresholds_found_are_the_median_and_one_sigma_either_side_of_what_galaxies_ask_for():
    probability, truth, weight, _ = drawn(4000, seed=1, generous=0.7)
    found = find_mask_thresholds(probability, truth, weight)
    assert found is not None
    odds = [np.log(p / (1 - p)) for p in (found.generous, found.threshold, found.strict)]
    assert odds == pytest.approx([0.7 - 0.8, 0.7, 0.7 + 0.8], abs=0.06)
    assert found.galaxies == 4000


@pytest.mark.parametrize("generous", [-1.0, 0.0, 1.5])
def test_sizes_of_other_galaxies_have_no_bias_and_lie_within_one_sigma_for_two_thirds(generous):
    found = find_mask_thresholds(*drawn(3000, seed=2, generous=generous, side=20)[:3])
    assert found is not None
    probability, truth, _, _ = drawn(3000, seed=3, generous=generous, side=20)
    light = np.random.default_rng(4).gamma(3.0, size=truth.shape)

    def share(mask: np.ndarray) -> np.ndarray:
        """Of the light."""
        return (light * mask).sum((1, 2)) / light.sum((1, 2))

    difference = share(probability > found.threshold) - share(truth)
    error = (share(probability > found.generous) - share(probability > found.strict)) / 2
    naive = share(probability > 0.5) - share(truth)
    assert abs(np.median(difference)) < 0.01
    assert abs(np.median(naive)) > 0.05 or generous == 0
    assert 0.62 < (np.abs(difference) < error).mean() < 0.74


def test_galaxies_without_arms_are_passed_over_and_too_few_galaxies_find_nothing():
    probability, truth, weight, _ = drawn(LEAST_GALAXIES + 10, seed=5)
    full = find_mask_thresholds(probability[10:], truth[10:], weight[10:])
    truth[:10] = False
    assert find_mask_thresholds(probability, truth, weight) == full
    truth[10] = False
    assert find_mask_thresholds(probability, truth, weight) is None


def test_probabilities_of_nothing_but_certainty_leave_thresholds_between_0_and_1():
    probability = np.zeros((LEAST_GALAXIES, 8, 8), np.float32)
    probability[:, :4] = 1.0
    for rows in (2, 4, 6):
        truth = np.zeros(probability.shape, bool)
        truth[:, :rows] = True
        found = find_mask_thresholds(probability, truth, np.ones(truth.shape))
        assert found is not None
        assert 0 < found.generous <= found.threshold <= found.strict < 1


def test_a_range_moves_with_its_threshold():
    assert FOUND.range_about(0.6) == pytest.approx((0.3, 0.8))
    generous, strict = FOUND.range_about(0.4)
    assert generous / (1 - generous) == pytest.approx((3 / 7) / (9 / 4))  # odds of 0.4 are 4/9 of those of 0.6
    assert strict / (1 - strict) == pytest.approx(4 / (9 / 4))


def test_a_run_folder_keeps_what_was_found_with_its_weights(tmp_path):
    assert read_mask_thresholds(tmp_path, 7) is None
    write_mask_thresholds(tmp_path, 7, FOUND)
    assert read_mask_thresholds(tmp_path, 7) == FOUND
    assert read_mask_thresholds(tmp_path, 8) is None
    write_mask_thresholds(tmp_path, 7, None)
    assert read_mask_thresholds(tmp_path, 7) is None


@pytest.mark.parametrize("text", ["", "[]", '{"step": 7, "threshold": 0.5}', '{"threshold": 0.5}'])
def test_a_damaged_file_is_said_to_be_damaged(tmp_path, text):
    (tmp_path / "mask_thresholds.json").write_text(text)
    with pytest.raises(ValueError, match=r"mask_thresholds\.json: damaged .*resume the run"):
        read_mask_thresholds(tmp_path, 7)


def test_thresholds_in_the_wrong_order_are_refused(tmp_path):
    write_mask_thresholds(tmp_path, 7, MaskThresholds(threshold=0.2, generous=0.3, strict=0.8, galaxies=50))
    with pytest.raises(ValueError, match=r"generous 0\.3, threshold 0\.2, strict 0\.8"):
        read_mask_thresholds(tmp_path, 7)
