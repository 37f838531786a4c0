import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flaxgal.datasets.batches import index_batches
from flaxgal.datasets.builders import build_snapshot
from flaxgal.datasets.examples import Example
from flaxgal.datasets.loader import galaxies_with_masks, iterate_examples, load_split, stream_batches
from flaxgal.datasets.stacked import concatenate

SIZE = 4


def a_snapshot(folder, number, *, prefix="g", truth=()):
    def examples():
        for k in range(number):
            pixels = np.full((SIZE, SIZE), k % 256, np.uint8)
            split = "test" if k % 10 == 9 else "train"
            yield Example(
                object_id=f"{prefix}{k}",
                survey="mock",
                image=pixels[..., None],
                target=pixels[..., None],
                weight=pixels,
                split=split,
                truth=dict.fromkeys(truth, k / 10),
            )

    return build_snapshot(examples(), folder, bands=("grey",), classes=("arm",), image_size=SIZE, name=prefix)


def training(*folders):
    return [galaxies_with_masks(folder, "train") for folder in folders]


@pytest.fixture(scope="module")
def snapshots(tmp_path_factory):
    folder = tmp_path_factory.mktemp("snapshots")
    return a_snapshot(folder, 40, prefix="a"), a_snapshot(folder, 20, prefix="b", truth=["flux_ratio_r"])


def ids(batches):
    return [batch.object_id.tolist() for batch in batches]


def test_a_split_is_loaded_whole_and_in_order(snapshots):
    examples = load_split(snapshots[0], "train", bands=("grey",), classes=("arm",), image_size=SIZE)
    assert len(examples) == 36
    assert examples.image.shape == (36, SIZE, SIZE, 1)
    assert examples.object_id[8:10].tolist() == ["a8", "a10"]
    np.testing.assert_array_equal(examples.image[:, 0, 0, 0], [int(name[1:]) for name in examples.object_id])
    assert [example.object_id for example in iterate_examples(snapshots[0], "train")] == examples.object_id.tolist()
    assert len(list(iterate_examples(snapshots[0]))) == 40


def test_snapshots_are_joined_and_unknown_truth_is_nan(snapshots):
    joined = concatenate([load_split(folder, "train") for folder in snapshots])
    assert len(joined) == 36 + 18
    assert np.isnan(joined.truth["flux_ratio_r"][:36]).all()
    assert joined.truth["flux_ratio_r"][36:39] == pytest.approx([0, 0.1, 0.2])


@settings(max_examples=40, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 40), min_size=1, max_size=4),
    batch_size=st.integers(1, 30),
    seed=st.integers(0, 99),
    start=st.integers(0, 30),
    equal=st.booleans(),
)
def test_batch_k_does_not_depend_on_where_one_started(sizes, batch_size, seed, start, equal):
    shares = [1 / len(sizes)] * len(sizes) if equal else []
    given = {"sizes": sizes, "batch_size": batch_size, "shares": shares, "seed": seed}
    whole = index_batches(**given, first_step=0, steps=start + 5)
    resumed = index_batches(**given, first_step=start, steps=5)
    np.testing.assert_array_equal(whole[start:], resumed)
    assert whole.shape == (start + 5, batch_size)
    assert whole.min() >= 0
    assert whole.max() < sum(sizes)


@settings(max_examples=40, deadline=None)
@given(size=st.integers(1, 60), batch_size=st.integers(1, 30), epochs=st.integers(1, 3))
def test_every_example_comes_once_an_epoch(size, batch_size, epochs):
    steps = -(-size * epochs // batch_size)
    order = index_batches([size], batch_size, seed=3, first_step=0, steps=steps).ravel()
    for epoch in range(epochs):
        assert sorted(order[epoch * size : (epoch + 1) * size]) == list(range(size))


def test_epochs_and_seeds_come_in_different_orders():
    first, second = index_batches([50], 50, seed=0, first_step=0, steps=2)
    (other,) = index_batches([50], 50, seed=1, first_step=0, steps=1)
    assert not np.array_equal(first, second)
    assert not np.array_equal(first, other)


@settings(max_examples=60, deadline=None)
@given(parts=st.lists(st.integers(0, 20), min_size=1, max_size=5).filter(sum), batch_size=st.integers(1, 64))
def test_every_batch_has_its_share_of_each_snapshot_to_less_than_one_example(parts, batch_size):
    shares = np.array(parts) / sum(parts)
    sizes = [100] * len(parts)
    batches = index_batches(sizes, batch_size, shares=shares.tolist(), seed=0, first_step=0, steps=200)
    counts = np.stack([(batches // 100 == pile).sum(axis=1) for pile in range(len(parts))], axis=1)
    assert (np.abs(counts - shares * batch_size) < 1).all()
    assert np.abs(counts.mean(axis=0) - shares * batch_size).max() < 0.05


def test_with_shares_each_snapshot_still_comes_once_before_any_of_it_comes_twice():
    batches = index_batches([7, 30], 5, shares=[0.3, 0.7], seed=0, first_step=0, steps=14)
    small = batches[batches < 7]
    for start in range(0, len(small) - 6, 7):
        assert sorted(small[start : start + 7]) == list(range(7))


def test_batches_never_move_between_versions():
    """Golden values: a change here makes a resumed run see other galaxies than it would have."""
    assert index_batches([10], 4, seed=0, first_step=0, steps=2).tolist() == GOLDEN


GOLDEN = [[4, 6, 2, 7], [3, 5, 9, 0]]


def test_streamed_batches_are_the_batches_of_the_index(snapshots):
    joined = concatenate([load_split(folder, "train") for folder in snapshots])
    for shares in ((), (0.25, 0.75)):
        index = index_batches([36, 18], 6, shares=shares, seed=5, first_step=0, steps=9)
        streamed = list(stream_batches(training(*snapshots), 6, seed=5, steps=9, shares=shares))
        assert ids(streamed) == joined.object_id[index].tolist()
        np.testing.assert_array_equal(streamed[3].image, joined.image[index[3]])


def test_a_resumed_stream_goes_on_where_the_other_stopped(snapshots):
    whole = ids(itertools.islice(stream_batches(training(snapshots[0]), 8, seed=1), 12))
    resumed = ids(itertools.islice(stream_batches(training(snapshots[0]), 8, seed=1, first_step=7), 5))
    assert whole[7:] == resumed


def test_hosts_share_every_batch_between_them(snapshots):
    whole = ids(stream_batches(training(snapshots[0]), 8, seed=1, steps=3))
    halves = [
        ids(stream_batches(training(snapshots[0]), 8, seed=1, steps=3, process_index=host, process_count=2))
        for host in range(2)
    ]
    assert [first + second for first, second in zip(*halves, strict=True)] == whole
    with pytest.raises(ValueError, match="batch of 8 for 3 hosts; take a multiple of 3"):
        stream_batches(training(snapshots[0]), 8, seed=1, process_count=3)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"bands": ("g",)}, r"grey, classes arm, 4 pixels, but wanted are bands g, .* holds, by --model\.bands grey$"),
        ({"classes": ("arm", "bar")}, r"wanted are bands grey, classes arm bar, 4 pixels; .* by --model\.classes arm$"),
        ({"image_size": 64}, r"wanted are bands grey, classes arm, 64 pixels; .* by --model\.image-size 4$"),
        ({"bands": ("g",), "image_size": 64}, r"by --model\.bands grey --model.image-size 4$"),
    ],
)
def test_a_snapshot_of_other_pictures_is_refused(snapshots, options, sentence):
    with pytest.raises(ValueError, match=sentence):
        load_split(snapshots[0], "train", **options)


def test_an_empty_split_and_a_folder_without_a_snapshot_are_named(snapshots, tmp_path):
    with pytest.raises(ValueError, match="no galaxies in split 'validation', found train, test"):
        load_split(snapshots[0], "validation")
    with pytest.raises(ValueError, match="no dataset snapshot here"):
        load_split(tmp_path, "train")


def test_shares_that_do_not_fit_are_refused():
    for shares in ((0.5,), (0.5, 0.6), (-0.5, 1.5)):
        with pytest.raises(ValueError, match="give one a snapshot, summing to 1"):
            index_batches([3, 4], 2, shares=shares, seed=0, first_step=0, steps=1)
    with pytest.raises(ValueError, match="one of them is empty"):
        index_batches([3, 0], 2, shares=(0.5, 0.5), seed=0, first_step=0, steps=1)
