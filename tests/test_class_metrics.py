"""Scores of classes agree with counts by hand and with slow twins; what cannot be told is NaN."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from flaxgal import class_metrics
from flaxgal.class_metrics import (
    accuracy,
    area_interval,
    balanced_accuracy,
    class_confusion,
    f1_by_class,
    intervals,
    macro_f1,
    mean_interval,
    precision_by_class,
    recall_by_class,
    roc_curve,
    row_normalised,
    share_interval,
)

BY_HAND = np.array([[8, 1, 1], [2, 5, 3], [0, 0, 20]])
"""10 E, 10 S0, 20 Sp; 10, 6 and 24 found."""
labels = hnp.arrays(np.int64, 30, elements=st.integers(0, 2))


def test_scores_of_a_matrix_are_those_worked_out_by_hand():
    assert accuracy(BY_HAND) == pytest.approx(33 / 40)
    assert recall_by_class(BY_HAND) == pytest.approx([0.8, 0.5, 1.0])
    assert precision_by_class(BY_HAND) == pytest.approx([0.8, 5 / 6, 20 / 24])
    assert f1_by_class(BY_HAND) == pytest.approx([0.8, 10 / 16, 40 / 44])
    assert balanced_accuracy(BY_HAND) == pytest.approx(2.3 / 3)
    assert macro_f1(BY_HAND) == pytest.approx((0.8 + 10 / 16 + 40 / 44) / 3)
    np.testing.assert_allclose(row_normalised(BY_HAND)[1], [0.2, 0.5, 0.3])


@given(labels, labels)
def test_a_confusion_matrix_is_a_count_of_pairs(truth, found):
    matrix = class_confusion(truth, found, 3)
    for t, f in itertools.product(range(3), repeat=2):
        assert matrix[t, f] == sum(a == t and b == f for a, b in zip(truth, found, strict=True))


@given(labels, labels)
def test_scores_agree_with_sets_of_galaxies(truth, found):
    matrix = class_confusion(truth, found, 3)
    f1 = []
    for number in range(3):
        true, claimed = set(np.flatnonzero(truth == number)), set(np.flatnonzero(found == number))
        recall, precision = recall_by_class(matrix)[number], precision_by_class(matrix)[number]
        assert recall == pytest.approx(len(true & claimed) / len(true) if true else np.nan, nan_ok=True)
        assert precision == pytest.approx(len(true & claimed) / len(claimed) if claimed else np.nan, nan_ok=True)
        harmonic = 2 * precision * recall / (precision + recall) if true & claimed else 0.0
        f1.append(harmonic if true else np.nan)
    assert accuracy(matrix) == pytest.approx(np.mean(truth == found))
    assert f1_by_class(matrix) == pytest.approx(f1, nan_ok=True)
    assert macro_f1(matrix) == pytest.approx(np.mean(f1), nan_ok=True)


def test_the_order_of_classes_does_not_matter():
    order = [2, 0, 1]
    turned = BY_HAND[np.ix_(order, order)]
    np.testing.assert_allclose(f1_by_class(turned), f1_by_class(BY_HAND)[order])
    for score in (accuracy, balanced_accuracy, macro_f1):
        assert score(turned) == pytest.approx(score(BY_HAND))


def test_a_class_without_a_galaxy_leaves_no_mean_over_classes():
    missing = BY_HAND.copy()
    missing[0] = 0
    assert np.isnan(recall_by_class(missing)[0])
    assert np.isnan(f1_by_class(missing)[0])
    assert precision_by_class(missing)[0] == 0  # two were found to be of it, and none is
    assert np.isnan(balanced_accuracy(missing))
    assert np.isnan(macro_f1(missing))
    assert accuracy(missing) == pytest.approx(25 / 30)
    found = intervals(missing)
    for name in ("balanced_accuracy", "macro_f1"):
        assert np.isnan(found[name]).all()
    assert np.isnan(found["recall"][0]).tolist() == [True, False, False]


def test_one_class_alone_gets_no_balanced_accuracy_and_no_curve():
    matrix = class_confusion(np.zeros(5, int), np.zeros(5, int), 2)
    assert accuracy(matrix) == 1
    assert np.isnan(balanced_accuracy(matrix))
    assert np.isnan(precision_by_class(matrix)[1])
    assert roc_curve(np.linspace(0, 1, 5), np.ones(5, bool)) is None
    assert np.isnan(area_interval(np.linspace(0, 1, 5), np.zeros(5, bool))).all()


def test_no_galaxy_at_all_gives_nan_throughout():
    matrix = class_confusion(np.empty(0, int), np.empty(0, int), 3)
    for name, score in class_metrics.SCORES.items():
        assert np.isnan(score(matrix)).all()
        assert np.isnan(intervals(matrix)[name]).all()
    assert roc_curve(np.empty(0), np.empty(0, bool)) is None
    assert np.isnan(area_interval(np.empty(0), np.empty(0, bool))).all()


def test_numbers_of_no_class_are_refused():
    with pytest.raises(ValueError, match="found: class numbers from 0 to 3, expected 0 to 2"):
        class_confusion(np.array([0, 1]), np.array([0, 3]), 3)
    with pytest.raises(ValueError, match="truth: class numbers from -1"):
        class_confusion(np.array([-1, 1]), np.array([0, 2]), 3)


def pairs_in_order(score, positive):
    """The area by its meaning: over all pairs of a galaxy of the class and one that is not, ties counted half."""
    pairs = list(itertools.product(score[positive], score[~positive]))
    return sum(1.0 if a > b else 0.5 if a == b else 0.0 for a, b in pairs) / len(pairs)


@given(hnp.arrays(np.int64, 25, elements=st.integers(0, 6)), hnp.arrays(bool, 25))
def test_the_area_is_the_chance_that_a_pair_is_in_order(score, positive):
    curve = roc_curve(score / 7, positive)
    if positive.all() or not positive.any():
        assert curve is None
    else:
        assert curve.area == pytest.approx(pairs_in_order(score, positive))


@given(hnp.arrays(np.int64, 12, elements=st.integers(0, 5)))
def test_each_point_of_a_curve_is_the_rates_above_its_threshold(score):
    positive = np.arange(12) % 3 == 0
    curve = roc_curve(score.astype(float), positive)
    assert (curve.false_positive_rate[0], curve.true_positive_rate[0]) == (0, 0)
    assert (curve.false_positive_rate[-1], curve.true_positive_rate[-1]) == (1, 1)
    assert set(curve.threshold[1:]) == set(score.astype(float))
    for false, true, threshold in zip(
        curve.false_positive_rate, curve.true_positive_rate, curve.threshold, strict=True
    ):
        assert true == pytest.approx(np.mean(score[positive] >= threshold))
        assert false == pytest.approx(np.mean(score[~positive] >= threshold))


def test_areas_of_perfect_useless_and_inverted_scores():
    positive = np.arange(40) % 2 == 0
    assert roc_curve(positive.astype(float), positive).area == 1
    assert roc_curve(np.full(40, 0.3), positive).area == 0.5
    assert roc_curve(1.0 - positive, positive).area == 0


def test_the_area_of_two_normal_distributions_is_known():
    random = np.random.default_rng(0)
    positive = np.arange(4000) % 2 == 0
    score = random.normal(size=4000) + positive  # area Φ(1/√2) = 0.7602
    low, high = area_interval(score, positive, resamples=200)
    assert roc_curve(score, positive).area == pytest.approx(0.7602, abs=0.02)
    assert low < 0.7602 < high
    assert high - low == pytest.approx(4 * 0.0075, rel=0.25)  # Hanley & McNeil 1982


def test_the_interval_of_an_area_is_that_of_galaxies_drawn_one_by_one(monkeypatch):
    random = np.random.default_rng(1)
    positive, score = random.random(30) < 0.4, random.integers(0, 8, 30).astype(float)
    drawn = np.random.default_rng(3).multinomial(30, np.full(30, 1 / 30), size=100)
    areas = [roc_curve(np.repeat(score, counts), np.repeat(positive, counts)).area for counts in drawn]
    monkeypatch.setattr(class_metrics, "DRAWN_AT_ONCE", 30 * 7)
    assert area_interval(score, positive, seed=3, resamples=100) == pytest.approx(np.quantile(areas, [0.025, 0.975]))


def test_scores_that_are_nan_are_refused():
    with pytest.raises(ValueError, match="1 of 3 scores are NaN"):
        roc_curve(np.array([0.1, np.nan, 0.3]), np.array([True, False, True]))


def test_intervals_of_a_matrix_are_those_of_galaxies_drawn_again():
    matrix = 10 * BY_HAND + 3
    truth, found = (np.repeat(index.ravel(), matrix.ravel()) for index in np.indices(matrix.shape))
    random = np.random.default_rng(0)
    picks = random.integers(len(truth), size=(2000, len(truth)))
    drawn = np.stack([class_confusion(truth[pick], found[pick], 3) for pick in picks])
    for name, (low, high) in intervals(matrix).items():
        score = class_metrics.SCORES[name]
        ends = np.quantile(score(drawn), [0.025, 0.975], axis=0)
        width = ends[1] - ends[0]
        np.testing.assert_allclose(low, ends[0], atol=0.15 * width.max())
        np.testing.assert_allclose(high, ends[1], atol=0.15 * width.max())
        assert ((low < score(matrix)) & (score(matrix) < high)).all()


def test_no_mistake_seen_is_not_taken_for_no_mistake_ever():
    for many in (5, 50, 500):
        for low, high in intervals(np.diag([many, many])).values():
            np.testing.assert_allclose(high, 1.0)
            assert (low < 1).all()
            assert (low > 1 - 6 / many).all()


@settings(max_examples=10, deadline=None)
@given(st.sampled_from([0.5, 0.9, 0.97]), st.sampled_from([(30, 40), (100, 60)]))
def test_intervals_hold_the_truth_about_as_often_as_they_say(share, galaxies):
    random = np.random.default_rng([int(100 * share), *galaxies])
    right = random.binomial(galaxies, share, size=(150, 2))
    held = []
    for first, second in right:
        found = intervals(
            np.array([[first, galaxies[0] - first], [galaxies[1] - second, second]]), seed=1, resamples=400
        )
        held.append([found[name][0] <= share <= found[name][1] for name in ("accuracy", "balanced_accuracy")])
    assert (np.mean(held, axis=0) > 0.9).all()


def test_a_share_has_wilsons_interval():
    low, high = share_interval(np.array([10, 0, 0]), np.array([20, 20, 0]))
    assert (low[0], high[0]) == pytest.approx((0.2993, 0.7007), abs=1e-4)  # Newcombe 1998 gives such examples
    assert (low[1], high[1]) == pytest.approx((0.0, 0.1611), abs=1e-4)
    assert np.isnan([low[2], high[2]]).all()


def test_the_mean_of_equal_shares_is_known_better_than_each():
    shares = np.full(4, 0.5)
    low, high = mean_interval(shares, (shares - 0.2, shares + 0.1))
    assert (low, high) == pytest.approx((0.4, 0.55))
