"""How well people agree: against numbers worked out by hand, over who is compared with whom."""

import itertools
import math
import shutil

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flaxgal.labels import agreement as agreements
from flaxgal.labels.agreement import (
    Pair,
    agreement,
    agreement_table,
    by_annotator,
    by_galaxy,
    compare,
    disputed,
    similarity,
)
from flaxgal.labels.queue import Order, make_queue
from flaxgal.labels.revisions import Revision
from flaxgal.labels.store import Store
from flaxgal.survey.cutout import Cutout, Unreadable

SHAPE = (4, 5)
clock = itertools.count(10)


@pytest.fixture
def store(tmp_path):
    store = Store.create(tmp_path / "labels")
    for number in range(3):
        flux = np.random.default_rng(number).normal(size=(1, *SHAPE)).astype(np.float32)
        store.add(Cutout(object_id=f"g{number}", flux=flux, bands=("i",), unit="nJy"))
    return store


def mask_of(pixels, value=1):
    """The first `pixels` pixels marked."""
    mask = np.zeros(SHAPE, np.uint8)
    mask.flat[:pixels] = value
    return mask


def draw(store, annotator, mask, object_id="g0", **changes):
    given = {
        "origin": "drawn",
        "cutout_sha256": store.galaxies()[object_id].cutout_sha256,
        "created_utc": f"2026-01-01T00:00:{next(clock):09.6f}",
    }
    return store.commit(Revision(object_id=object_id, annotator=annotator, mask=mask, **(given | changes)))


def test_kappa_and_dice_of_fifty_pixels_by_hand():
    """20 both, 5 and 10 one only, 15 neither: p_o = 0.7, p_e = 0.5 · 0.6 + 0.5 · 0.4 = 0.5, so kappa = 0.4."""
    one = np.array([True] * 25 + [False] * 25)
    other = np.array([True] * 20 + [False] * 5 + [True] * 10 + [False] * 15)
    found = similarity(one, other)
    assert found.kappa == pytest.approx(0.4)
    assert found.dice == pytest.approx(40 / 55)
    assert found.pixels == 50


@pytest.mark.parametrize(
    ("one", "other", "dice", "kappa"),
    [
        ("1100", "1100", 1, 1),
        ("1100", "0011", 0, -1),
        ("1010", "1100", 0.5, 0),  # as chance has it
        ("0000", "0000", 1, math.nan),
        ("1111", "1111", 1, math.nan),
        ("0000", "1000", 0, 0),
    ],
)
def test_limits_of_kappa_and_dice(one, other, dice, kappa):
    found = similarity(*(np.array([letter == "1" for letter in text]) for text in (one, other)))
    assert found.dice == pytest.approx(dice)
    assert found.kappa == pytest.approx(kappa, nan_ok=True)


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=60))
def test_neither_who_comes_first_nor_the_order_of_pixels_matters(pixels):
    one, other = (np.array(values) for values in zip(*pixels, strict=True))
    found, swapped, turned = similarity(one, other), similarity(other, one), similarity(one[::-1], other[::-1])
    assert (found.dice, swapped.pixels) == (swapped.dice, found.pixels) == (turned.dice, turned.pixels)
    assert found.kappa == pytest.approx(swapped.kappa, nan_ok=True)
    assert math.isnan(found.kappa) or -1 <= found.kappa <= 1


def test_pixels_that_either_was_uncertain_about_do_not_count(store):
    one, other = mask_of(6), mask_of(6)
    one.flat[5], other.flat[6] = 255, 255
    other.flat[7] = 1
    found = compare(draw(store, "anna", one), draw(store, "bo", other), "arm")
    assert found.pixels == 18
    assert found.dice == pytest.approx(2 * 5 / (5 + 6))
    nothing = compare(draw(store, "anna", mask_of(20, 255)), draw(store, "bo", other), "arm")
    assert math.isnan(nothing.dice)
    assert nothing.pixels == 0


def test_everybody_is_compared_with_everybody_by_their_last_word(store):
    draw(store, "anna", mask_of(1))
    draw(store, "bo", mask_of(8))
    anna = draw(store, "anna", mask_of(4))
    draw(store, "cy", mask_of(0))
    draw(store, "anna", mask_of(4), "g1")
    pairs = list(agreement(store))
    assert {(pair.annotators, round(pair.dice, 4)) for pair in pairs} == {
        (("anna", "bo"), round(8 / 12, 4)),
        (("anna", "cy"), 0.0),
        (("bo", "cy"), 0.0),
    }
    assert pairs[0].revisions[0] == anna.revision_id
    (galaxy,) = by_galaxy(pairs)
    assert (galaxy.object_id, galaxy.annotators, galaxy.pairs, galaxy.lowest_dice) == ("g0", 3, 3, 0.0)
    assert galaxy.dice == pytest.approx(8 / 36)


def test_only_classes_that_both_looked_for_are_compared(store):
    both = ("arm", "bar")
    draw(store, "anna", mask_of(4, 2), classes=both)
    draw(store, "bo", mask_of(4))
    draw(store, "cy", mask_of(3, 2), classes=both)
    found = {(pair.annotators, pair.class_name): pair.dice for pair in agreement(store)}
    assert found == {
        (("anna", "bo"), "arm"): 0.0,
        (("anna", "cy"), "arm"): 1.0,
        (("anna", "cy"), "bar"): pytest.approx(6 / 7),
        (("bo", "cy"), "arm"): 0.0,
    }


def test_a_blind_repeat_is_compared_with_what_its_annotator_drew_before(store):
    first = draw(store, "anna", mask_of(4))
    repeat = draw(store, "anna", mask_of(6), blind_repeat=True)
    draw(store, "anna", mask_of(7), parent=repeat.revision_id)  # a correction that saw the repeat is none
    draw(store, "bo", mask_of(7))
    pairs = list(agreement(store))
    own = [pair for pair in pairs if pair.is_repeat]
    assert [pair.revisions for pair in own] == [(first.revision_id, repeat.revision_id)]
    anna, bo = by_annotator(pairs)
    assert (anna.annotator, anna.repeats, anna.pairs, anna.dice) == ("anna", 1, 1, 1.0)
    assert anna.self_dice == pytest.approx(8 / 10)
    assert (bo.repeats, bo.pairs) == (0, 1)
    assert math.isnan(bo.self_dice)


def test_masks_made_from_one_another_are_not_independent(store):
    first = draw(store, "anna", mask_of(4))
    draw(store, "bo", mask_of(5), origin="corrected", parent=first.revision_id)
    draw(store, "cy", mask_of(3))
    draw(store, "di", mask_of(4), origin="corrected", model_run="arms-3")
    draw(store, "ed", mask_of(4), origin="accepted", model_run="arms-3")
    found = {pair.annotators: pair.independent for pair in agreement(store)}
    assert {pair for pair, independent in found.items() if not independent} == {("anna", "bo"), ("di", "ed")}
    anna = by_annotator(pair for pair in agreement(store) if isinstance(pair, Pair))[0]
    assert (anna.pairs, anna.independent_pairs) == (4, 3)
    assert anna.independent_dice == pytest.approx((6 / 7 + 1 + 1) / 3)


def test_galaxies_that_annotators_disagree_on_are_disputed(store):
    for object_id, other in (("g0", 4), ("g1", 5), ("g2", 16)):
        draw(store, "anna", mask_of(4), object_id)
        draw(store, "bo", mask_of(other), object_id)
    assert disputed(store) == {"g2": pytest.approx(8 / 20)}
    assert set(disputed(store, 0.95)) == {"g1", "g2"}
    assert make_queue(store, Order(), "disputed").ids == ("g2",)


def test_what_was_compared_once_is_not_opened_again(store, monkeypatch):
    draw(store, "anna", mask_of(4))
    draw(store, "bo", mask_of(7))
    first = list(agreement(store))
    with (store.path / "index" / "agreement.jsonl").open("a") as file:
        file.write('["torn')
    monkeypatch.setattr(agreements, "compare", lambda *pair: pytest.fail("compared again"))
    assert list(agreement(Store.open(store.path))) == first
    monkeypatch.undo()
    draw(store, "bo", mask_of(4))
    assert next(iter(agreement(store))).dice == 1
    shutil.rmtree(store.path / "index")  # derived: it may go at any time
    assert next(iter(agreement(Store.open(store.path)))).dice == 1


def test_a_damaged_revision_is_named_and_the_rest_goes_on(store):
    for object_id in ("g0", "g1"):
        draw(store, "anna", mask_of(4), object_id)
        draw(store, "bo", mask_of(4), object_id)
    path = next((store.path / "revisions").rglob("g0.*"))
    path.write_bytes(b"damaged")
    bad, good = agreement(store)
    assert isinstance(bad, Unreadable)
    assert path.name in bad.reason
    assert (good.object_id, good.dice) == ("g1", 1)
    assert disputed(store) == {}


def test_the_table_says_who_agrees_with_whom_on_what(store, tmp_path):
    from astropy.table import Table

    draw(store, "anna", mask_of(0))
    draw(store, "Zoë", mask_of(0))
    agreement_table(agreement(store)).write(tmp_path / "agreement.ecsv")
    (row,) = Table.read(tmp_path / "agreement.ecsv")
    assert (row["object_id"], row["class"], row["annotator_1"], row["annotator_2"]) == ("g0", "arm", "Zoë", "anna")
    assert (row["dice"], row["pixels"]) == (1, 20)
    assert np.isnan(row["kappa"])
    assert bool(row["independent"])
    assert not row["blind_repeat"]
    assert len(agreement_table([])) == 0
