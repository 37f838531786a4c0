"""Scores agree with hand-counted masks, with slow twins, and with each other."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from flaxgal.metrics import Confusion, bootstrap_interval, confusion, dice, iou, precision, recall

masks = hnp.arrays(bool, (2, 3, 4))


def counts(true_positive, false_positive, false_negative):
    return Confusion(*(np.asarray([float(count)]) for count in (true_positive, false_positive, false_negative)))


def test_known_counts_give_known_scores():
    some = counts(6, 2, 4)
    assert dice(some) == pytest.approx(12 / 18)
    assert iou(some) == pytest.approx(0.5)
    assert precision(some) == pytest.approx(0.75)
    assert recall(some) == pytest.approx(0.6)


def test_pixels_are_counted_galaxy_by_galaxy():
    truth = np.zeros((2, 4, 4), bool)
    predicted = np.zeros((2, 4, 4), bool)
    truth[0, 1, :3] = True
    predicted[0, 1, 1:] = True
    predicted[1, 0, 0] = True
    found = confusion(predicted, truth)
    assert found.true_positive.tolist() == [2, 0]
    assert found.false_positive.tolist() == [1, 1]
    assert found.false_negative.tolist() == [1, 0]
    pooled = found.pooled()
    assert (pooled.true_positive[0], pooled.false_positive[0], pooled.false_negative[0]) == (2, 2, 1)
    assert found.of(np.array([False, True])).false_positive.tolist() == [1]


def test_galaxies_without_arms_score_one_unless_arms_are_invented():
    for score in (dice, iou, precision, recall):
        assert score(counts(0, 0, 0)) == 1
        assert score(counts(0, 5, 0)) == 0
        assert score(counts(0, 0, 5)) == 0


@given(masks, masks, hnp.arrays(np.float32, (2, 3, 4), elements=st.sampled_from([0.0, 0.5, 1.0])))
def test_counts_agree_with_a_loop_over_pixels(predicted, truth, weight):
    found = confusion(predicted, truth, weight)
    for n in range(2):
        slow = {"tp": 0.0, "fp": 0.0, "fn": 0.0}
        for p, t, w in zip(predicted[n].flat, truth[n].flat, weight[n].flat, strict=True):
            name = {(True, True): "tp", (True, False): "fp", (False, True): "fn"}.get((bool(p), bool(t)))
            if name:
                slow[name] += w
        assert [found.true_positive[n], found.false_positive[n], found.false_negative[n]] == list(slow.values())


@given(masks, masks)
def test_scores_agree_with_sets_of_pixels(predicted, truth):
    found = confusion(predicted, truth)
    for n in range(2):
        a, b = set(np.flatnonzero(predicted[n])), set(np.flatnonzero(truth[n]))
        assert iou(found)[n] == (len(a & b) / len(a | b) if a | b else 1)
        assert dice(found)[n] == (2 * len(a & b) / (len(a) + len(b)) if a or b else 1)


@given(masks, masks)
def test_dice_and_iou_rank_alike_and_swapping_masks_swaps_precision_and_recall(predicted, truth):
    found, swapped = confusion(predicted, truth), confusion(truth, predicted)
    np.testing.assert_allclose(dice(found), 2 * iou(found) / (1 + iou(found)))
    np.testing.assert_allclose(precision(found), recall(swapped))
    np.testing.assert_allclose(dice(found), dice(swapped))


def test_left_out_pixels_have_no_influence():
    random = np.random.default_rng(0)
    truth, predicted = random.random((2, 3, 8, 8)) < 0.3
    weight = (random.random((3, 8, 8)) < 0.5).astype(np.float32)
    spoilt = predicted ^ (weight == 0)
    for name in ("true_positive", "false_positive", "false_negative"):
        np.testing.assert_array_equal(
            getattr(confusion(predicted, truth, weight), name), getattr(confusion(spoilt, truth, weight), name)
        )


def test_bootstrap_interval_of_a_mean_is_that_of_the_central_limit():
    values = np.random.default_rng(1).normal(0.6, 0.1, 400)
    low, high = bootstrap_interval(values, seed=3, level=0.95)
    assert (low + high) / 2 == pytest.approx(values.mean(), abs=0.001)
    assert high - low == pytest.approx(2 * 1.96 * 0.1 / 20, rel=0.1)


def test_bootstrap_interval_is_repeatable_and_says_nan_without_galaxies():
    values = np.array([0.1, 0.5, 0.9, np.nan])
    assert bootstrap_interval(values, seed=1) == bootstrap_interval(values, seed=1)
    assert bootstrap_interval(np.array([0.25])) == (0.25, 0.25)
    assert np.isnan(bootstrap_interval(np.array([]))).all()


def test_bootstrap_interval_is_the_same_however_many_galaxies_are_drawn_at_once(monkeypatch):
    values = np.random.default_rng(2).random(37)
    drawn = values[np.random.default_rng(5).integers(37, size=(2000, 37))].mean(axis=1)
    for at_once in (1, 37 * 7, 2**22):
        monkeypatch.setattr("flaxgal.metrics.DRAWN_AT_ONCE", at_once)
        assert bootstrap_interval(values, seed=5) == tuple(np.quantile(drawn, [0.025, 0.975]))
