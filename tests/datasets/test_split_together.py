import math
import time
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flaxgal.datasets.splits import Placed, Position, split_of, split_together, torn_pairs


def a_torn_edge(seed=0):
    """A place where a step of 1 arcsec north leads from one split into another: (ra, dec, split, split)."""
    rng = np.random.default_rng(seed)
    while True:
        ra, dec = rng.uniform(0, 360), round(rng.uniform(-60, 60), 1)
        below, above = split_of("", ra, dec - 0.5 / 3600), split_of("", ra, dec + 0.5 / 3600)
        if below != above:
            return ra, dec, below, above


def at(name, ra, dec, north_arcsec=0.0, east_arcsec=0.0):
    return Position(
        object_id=name,
        ra_deg=ra + east_arcsec / 3600 / math.cos(math.radians(dec)),
        dec_deg=dec + north_arcsec / 3600,
    )


def splits(galaxies, placed=()):
    return [None if item is None else item.split for item in split_together(galaxies, placed)]


def test_one_galaxy_on_two_sides_of_a_cell_edge_lands_in_one_split():
    ra, dec, below, above = a_torn_edge()
    pair = [at("a", ra, dec, -0.5), at("b", ra, dec, 0.5)]
    assert [split_of(item.object_id, item.ra_deg, item.dec_deg) for item in pair] == [below, above]
    assert splits(pair) == [below, below]


def test_a_twin_that_arrives_later_goes_where_the_first_one_is_whatever_their_ids():
    ra, dec, _, above = a_torn_edge()
    first = split_together([at("z", ra, dec, 0.5)])
    assert [item.split for item in first] == [above]
    assert splits([at("a", ra, dec, -0.5), at("z", ra, dec, 0.5)], first) == [above, above]


def test_a_galaxy_that_has_a_split_never_moves():
    ra, dec, below, _ = a_torn_edge()
    other = {"train": "test", "test": "validation", "validation": "train"}[below]
    placed = [Placed(object_id="a", ra_deg=ra, dec_deg=dec - 0.5 / 3600, split=other)]
    assert splits([at("a", ra, dec, -0.5), at("b", ra, dec, 0.5)], placed) == [other, other]
    moved = at("a", ra + 1, dec)  # measured again, elsewhere
    assert splits([moved], placed) == [other]


def test_of_two_records_of_one_galaxy_the_older_counts():
    """Two people may build from one store at the same moment."""
    placed = [Placed(object_id="a", split="train"), Placed(object_id="a", split="test")]
    assert splits([Position(object_id="a")], placed) == ["train"]


def test_two_arcsec_is_one_galaxy_and_three_are_two():
    ra, dec, below, above = a_torn_edge()
    assert splits([at("a", ra, dec, -0.9), at("b", ra, dec, 1.0)]) == [below, below]
    assert splits([at("a", ra, dec, -1.5), at("b", ra, dec, 1.5)]) == [below, above]


def test_a_chain_of_new_galaxies_stays_together():
    ra, dec, below, _ = a_torn_edge()
    chain = [at("a", ra, dec, -1.5), at("c", ra, dec, 1.5), at("b", ra, dec, 0.1)]
    assert splits(chain) == [below] * 3


def test_the_order_in_a_list_does_not_matter():
    ra, dec, _, _ = a_torn_edge()
    pair = [at("a", ra, dec, 0.5), at("b", ra, dec, -0.5)]
    assert splits(pair) == splits(pair[::-1])[::-1]


def test_a_galaxy_between_two_that_were_placed_apart_has_no_place():
    ra, dec, below, above = a_torn_edge()
    placed = split_together([at("a", ra, dec, -1.5), at("c", ra, dec, 1.5)])
    assert [item.split for item in placed] == [below, above]
    arriving = [at("b", ra, dec, 0.0), at("d", ra, dec, -2.5), at("e", ra, dec, 3.0)]
    assert splits(arriving, placed) == [None, below, above]


def test_a_chain_between_two_that_were_placed_apart_is_broken_not_torn():
    ra, dec, below, _ = a_torn_edge()
    placed = split_together([at("a", ra, dec, -2.4), at("z", ra, dec, 2.4)])
    new = split_together([at("m", ra, dec, -0.8), at("n", ra, dec, 0.8)], placed)
    assert [item and item.split for item in new] == [below, None]
    assert torn_pairs([*placed, new[0]]) == []


def test_galaxies_without_a_position_go_by_their_id():
    names = [f"galaxy-{number}" for number in (6, 7, 8, 9)]
    assert splits([Position(object_id=name) for name in names]) == ["train", "test", "validation", "train"]
    assert splits([Position(object_id="galaxy-7", ra_deg=math.nan, dec_deg=math.nan)]) == ["test"]
    placed = [Placed(object_id="galaxy-7", split="train")]
    assert splits([Position(object_id="galaxy-7")], placed) == ["train"]


def test_a_position_that_was_unknown_when_the_galaxy_was_placed_counts_from_now_on():
    ra, dec, _, above = a_torn_edge()
    placed = [Placed(object_id="b", split=above)]
    assert splits([at("a", ra, dec, -0.5), at("b", ra, dec, 0.5)], placed) == [above, above]


@pytest.mark.parametrize("dec", [89.99995, -90.0, 0.0])
def test_the_circle_of_right_ascension_closes_and_the_poles_have_no_hole(dec):
    ra = [0.00001, 359.99999]
    pair = [Position(object_id=name, ra_deg=r, dec_deg=dec) for name, r in zip("ab", ra, strict=True)]
    other = {"train": "test", "test": "train", "validation": "train"}[splits(pair[:1])[0]]
    placed = [Placed(object_id="a", ra_deg=ra[0], dec_deg=dec, split=other)]
    assert splits(pair, placed) == [other, other]


def planted(number, seed=0):
    """Galaxies all over the sky, near cell edges, and for each a twin within 2 arcsec."""
    rng = np.random.default_rng(seed)
    ra = rng.uniform(0, 360, number)
    dec = np.round(np.degrees(np.arcsin(rng.uniform(-0.98, 0.98, number))), 1) + rng.normal(0, 1, number) / 3600
    angle, distance = rng.uniform(0, 2 * np.pi, number), rng.uniform(0, 1.99, number)
    first = [
        Position(object_id=f"HSC{k}", ra_deg=float(r), dec_deg=float(d))
        for k, (r, d) in enumerate(zip(ra, dec, strict=True))
    ]
    second = [
        at(f"GZ3D{k}", item.ra_deg, item.dec_deg, float(north), float(east))
        for k, (item, north, east) in enumerate(
            zip(first, distance * np.sin(angle), distance * np.cos(angle), strict=True)
        )
    ]
    return first, second


def test_a_catalogue_with_planted_duplicates_is_not_torn_at_once_nor_when_they_arrive_later():
    first, second = planted(3_000)
    alone = sum(
        split_of(a.object_id, a.ra_deg, a.dec_deg) != split_of(b.object_id, b.ra_deg, b.dec_deg)
        for a, b in zip(first, second, strict=True)
    )
    assert alone > 150  # the hash of cells alone tears this many of them
    at_once = split_together([*first, *second])
    assert torn_pairs(at_once) == []
    earlier = split_together(first)
    later = split_together([*second, *first], earlier)
    assert [item.split for item in later[3_000:]] == [item.split for item in earlier]  # nobody moved
    assert [item.split for item in later[:3_000]] == [item.split for item in earlier]  # twins followed
    assert torn_pairs(later) == []


def test_the_shares_of_the_splits_stay():
    first, second = planted(6_000, seed=1)
    share = Counter(item.split for item in split_together([*first, *second]))
    assert [share[split] / 12_000 for split in ("train", "validation", "test")] == pytest.approx(
        [0.8, 0.1, 0.1], abs=0.02
    )


def test_torn_pairs_are_found_by_place_and_by_id():
    a = Placed(object_id="a", ra_deg=10.0, dec_deg=0.0, split="train")
    b = Placed(object_id="b", ra_deg=10.0, dec_deg=1.0 / 3600, split="test")
    again = Placed(object_id="a", ra_deg=20.0, dec_deg=0.0, split="validation")
    assert torn_pairs([a, b]) == [(a, b)]
    assert torn_pairs([a, again]) == [(a, again)]


def test_a_large_catalogue_is_placed_within_seconds():
    """76,635 galaxies take 2 s on two cores; with every call type-checked, as under pytest, ten times that."""
    rng = np.random.default_rng(0)
    galaxies = [
        Position(object_id=str(k), ra_deg=float(r), dec_deg=float(d))
        for k, (r, d) in enumerate(rng.uniform([0, -5], [60, 5], (20_000, 2)))
    ]
    start = time.perf_counter()
    assert len(split_together(galaxies, split_together(galaxies[:10_000]))) == 20_000
    assert time.perf_counter() - start < 30


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 8), st.integers(-4, 4), st.booleans()), min_size=1, max_size=12))
def test_in_any_crowd_nobody_moves_and_nothing_new_is_torn(crowd):
    """Crowds of galaxies along a line across a cell edge, arriving in two batches."""
    ra, dec, _, _ = a_torn_edge()
    galaxies = [at(f"{k}", ra, dec, float(north), east * 0.7) for k, (east, north, _) in enumerate(crowd)]
    first = [item for item, (_, _, early) in zip(galaxies, crowd, strict=True) if early]
    earlier = [item for item in split_together(first) if item]
    assert len(earlier) == len(first)
    both = [item for item in split_together(galaxies, earlier) if item]
    assert {item.object_id: item.split for item in earlier}.items() <= {i.object_id: i.split for i in both}.items()
    was_torn = {(a.object_id, b.object_id) for a, b in torn_pairs(earlier)}
    assert {(a.object_id, b.object_id) for a, b in torn_pairs(both)} <= was_torn == set()
