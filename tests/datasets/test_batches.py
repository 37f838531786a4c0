"""Batches in which every class comes equally often."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flaxgal.datasets.batches import balanced_batches, index_batches

quick = settings(max_examples=40, deadline=None)
SNAPSHOTS = st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=30), min_size=1, max_size=3)


@quick
@given(
    kinds=SNAPSHOTS,
    batch_size=st.integers(1, 24),
    seed=st.integers(0, 99),
    start=st.integers(0, 9),
    equal=st.booleans(),
)
def test_a_balanced_batch_does_not_depend_on_where_one_started(kinds, batch_size, seed, start, equal):
    classes = [np.array(one, np.int32) for one in kinds]
    shares = [1 / len(kinds)] * len(kinds) if equal else []
    whole = balanced_batches(classes, batch_size, shares=shares, seed=7, first_step=0, steps=start + 4)
    later = balanced_batches(classes, batch_size, shares=shares, seed=7, first_step=start, steps=4)
    np.testing.assert_array_equal(whole[start:], later)
    assert 0 <= whole.min() <= whole.max() < sum(map(len, classes))


@quick
@given(numbers=st.lists(st.integers(1, 40), min_size=2, max_size=4), batch_size=st.integers(1, 32))
def test_every_class_has_its_part_of_each_batch_to_less_than_one_example(numbers, batch_size):
    classes = np.random.default_rng(0).permutation(np.repeat(np.arange(len(numbers)), numbers)).astype(np.int32)
    drawn = classes[balanced_batches([classes], batch_size, seed=0, first_step=0, steps=100)]
    counts = np.stack([(drawn == kind).sum(1) for kind in range(len(numbers))])
    assert (np.abs(counts - batch_size / len(numbers)) < 1).all()
    np.testing.assert_allclose(counts.mean(1), batch_size / len(numbers), atol=0.1)


def test_of_a_class_every_galaxy_comes_once_before_any_comes_twice():
    classes = np.array([0] * 5 + [1] * 50, np.int32)
    rare = balanced_batches([classes], 10, seed=0, first_step=0, steps=4).ravel()
    rare = rare[rare < 5]
    for start in range(0, len(rare) - 4, 5):
        assert sorted(rare[start : start + 5]) == list(range(5))


def test_a_snapshots_share_is_divided_among_the_classes_it_has():
    classes = [np.array([0, 0, 0, 1], np.int32), np.array([2] * 6, np.int32)]
    drawn = balanced_batches(classes, 8, shares=[0.5, 0.5], seed=0, first_step=0, steps=50)
    kinds = np.concatenate(classes)[drawn]
    assert [(kinds == kind).sum(1).tolist() for kind in range(3)] == [[2] * 50, [2] * 50, [4] * 50]
    with pytest.raises(ValueError, match="give one a snapshot, summing to 1"):
        balanced_batches(classes, 8, shares=[1.0], seed=0, first_step=0, steps=1)


def test_one_class_alone_is_an_ordinary_pile():
    classes = np.zeros(10, np.int32)
    balanced = balanced_batches([classes], 4, seed=3, first_step=0, steps=5)
    np.testing.assert_array_equal(balanced, index_batches([10], 4, shares=[1.0], seed=3, first_step=0, steps=5))
