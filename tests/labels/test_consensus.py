"""Several people's masks made into one: against counted votes, against truth that raters blur, against a slow twin."""

import math

import numpy as np
import pytest

from flaxgal.labels.consensus import UNDECIDED, latest_of_each, mean_of, staple, staple_of
from flaxgal.labels.revisions import Revision
from flaxgal.labels.store import Store
from flaxgal.survey.cutout import Cutout

SHAPE = (3, 4)


def a_revision(annotator, mask, *, classes=("arm",), **changes):
    given = {"origin": "drawn", "cutout_sha256": "0" * 64, "revision_id": f"id-of-{annotator}"}
    given |= {"mask": np.array(mask, np.uint8)} | changes
    return Revision(object_id="g1", annotator=annotator, classes=classes, **given)


def row(*values):
    """A mask of one row of pixels."""
    return np.array([values], np.uint8)


# The mean


def test_the_mean_is_the_share_of_annotators_who_marked_the_pixel():
    masks = [row(1, 1, 1, 0), row(1, 1, 0, 0), row(1, 0, 0, 0)]
    found = mean_of([a_revision(name, mask) for name, mask in zip("abc", masks, strict=True)], ["arm"])
    np.testing.assert_allclose(found.share[0, 0], [1, 2 / 3, 1 / 3, 0], rtol=1e-6)
    assert (found.weight == 1).all()
    assert found.revisions == ("id-of-a", "id-of-b", "id-of-c")


def test_who_is_uncertain_has_no_vote_and_lowers_the_weight():
    """Columns: all sure; one of three unsure; two unsure; nobody sure, where no target exists."""
    masks = [row(1, 255, 255, 255), row(0, 1, 255, 255), row(0, 0, 1, 255)]
    for combine in (mean_of, staple_of):
        found = combine([a_revision(name, mask) for name, mask in zip("abc", masks, strict=True)], ["arm"])
        np.testing.assert_allclose(found.weight[0], [1, 2 / 3, 1 / 3, 0], rtol=1e-6)
        assert np.isnan(found.share[0, 0, 3])
        assert np.isfinite(found.share[0, 0, :3]).all()
    mean = mean_of([a_revision(name, mask) for name, mask in zip("abc", masks, strict=True)], ["arm"])
    np.testing.assert_allclose(mean.share[0, 0, :3], [1 / 3, 1 / 2, 1], rtol=1e-6)


def test_only_who_looked_for_a_class_votes_on_it():
    bar_too = a_revision("a", row(1, 2, 0, 0), classes=("arm", "bar"))
    arm_only = a_revision("b", row(1, 1, 0, 255))
    found = mean_of([bar_too, arm_only], ["bar", "arm"])
    np.testing.assert_allclose(found.share[:, 0], [[0, 1, 0, 0], [1, 0.5, 0, 0]])
    np.testing.assert_allclose(found.weight[0], [1, 1, 1, 0.5])
    only_bar = mean_of([bar_too, arm_only], ["bar"])
    assert only_bar.revisions == ("id-of-a",)
    for combine in (mean_of, staple_of):
        with pytest.raises(ValueError, match=r"g1: nobody looked for bar \(b marked arm\)"):
            combine([arm_only], ["bar"])


def test_imported_votes_enter_the_mean_as_they_are_and_staple_by_majority():
    fraction = np.array([[[0.2, 0.5, 0.8, np.nan]]], np.float32)
    votes = Revision(
        object_id="g1", annotator="volunteers", origin="imported", cutout_sha256="0" * 64, fraction=fraction
    )
    anna = a_revision("anna", row(1, 1, 1, 1))
    np.testing.assert_allclose(mean_of([anna, votes], ["arm"]).share[0, 0], [0.6, 0.75, 0.9, 1], rtol=1e-6)
    np.testing.assert_array_equal(staple_of([votes], ["arm"]).share[0, 0], [0, 1, 1, np.nan])


def test_votes_that_are_unknown_for_one_class_count_for_none():
    """A pixel has one weight for all classes: unknown for the bar, it is unknown for the arm too."""
    fraction = np.array([[[0.8, 0.8]], [[0.1, np.nan]]], np.float32)
    given = {"origin": "imported", "cutout_sha256": "0" * 64, "classes": ("arm", "bar")}
    votes = Revision(object_id="g1", annotator="volunteers", fraction=fraction, **given)
    found = mean_of([votes, a_revision("anna", row(0, 0))], ["arm"])
    np.testing.assert_allclose(found.share[0, 0], [0.4, 0])
    np.testing.assert_allclose(found.weight[0], [1, 0.5])


def test_masks_of_two_images_are_refused():
    with pytest.raises(ValueError, match="masks of 1 × 4 and 3 × 4 pixels"):
        mean_of([a_revision("a", row(0, 0, 0, 0)), a_revision("b", np.zeros(SHAPE))], ["arm"])


# STAPLE


def slow_staple(votes, rounds):
    """The equations, pixel by pixel and rater by rater; where there is no vote there is no factor and no term."""
    raters, pixels = votes.shape
    p, q = [0.99999] * raters, [0.99999] * raters
    cast = [(j, i) for j in range(raters) for i in range(pixels) if votes[j, i] >= 0]
    prior = sum(int(votes[j, i]) for j, i in cast) / len(cast)
    truth = [0.0] * pixels
    for remaining in range(rounds, -1, -1):
        for i in range(pixels):
            a, b = prior, 1 - prior
            for j in range(raters):
                if votes[j, i] == 1:
                    a, b = a * p[j], b * (1 - q[j])
                elif votes[j, i] == 0:
                    a, b = a * (1 - p[j]), b * q[j]
            truth[i] = a / (a + b)
        for j in range(raters):
            mine = [i for i in range(pixels) if votes[j, i] >= 0]
            p[j] = sum(truth[i] for i in mine if votes[j, i] == 1) / sum(truth[i] for i in mine)
            q[j] = sum(1 - truth[i] for i in mine if votes[j, i] == 0) / sum(1 - truth[i] for i in mine)
        prior = sum(truth) / pixels if remaining else prior
    return truth, p, q


def simulated(truth, sensitivity, specificity, *, seed, unsure=0.0):
    """Votes of raters who mark a true pixel with their sensitivity and leave another out with their specificity."""
    rng = np.random.default_rng(seed)
    votes = []
    for p, q in zip(sensitivity, specificity, strict=True):
        draw = rng.random(truth.shape)
        vote = np.where(truth, draw < p, draw > q).astype(np.int8)
        votes.append(np.where(rng.random(truth.shape) < unsure, np.int8(UNDECIDED), vote))
    return np.stack(votes)


def an_arm(size=96):
    """A logarithmic spiral a few pixels wide: 4 % of the frame."""
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    radius, angle = np.hypot(y, x), np.arctan2(y, x)
    phase = np.abs(np.angle(np.exp(1j * (angle - 3 * np.log(np.maximum(radius, 1))))))
    return (phase * radius < 5) & (radius > 6) & (radius < 0.45 * size)


SENSITIVITY, SPECIFICITY = (0.95, 0.80, 0.60, 0.90), (0.99, 0.95, 0.97, 0.80)


@pytest.mark.parametrize("unsure", [0.0, 0.2])
def test_staple_recovers_how_well_each_rater_does(unsure):
    """1,500 true pixels: a sensitivity drawn on them scatters by 0.013 itself."""
    truth = np.kron(an_arm(), np.ones((2, 2), bool))
    for seed in range(5):
        found = staple(simulated(truth, SENSITIVITY, SPECIFICITY, seed=seed, unsure=unsure))
        np.testing.assert_allclose(found.sensitivity, SENSITIVITY, atol=0.05)
        np.testing.assert_allclose(found.specificity, SPECIFICITY, atol=0.01)
        assert found.rounds < 200


def test_staple_is_nearer_the_truth_than_the_mean_when_raters_differ():
    truth = an_arm()
    votes = simulated(truth, (0.97, 0.7, 0.7, 0.7), (0.995, 0.9, 0.9, 0.9), seed=2)
    found = staple(votes).probability
    wrong = ((found > 0.5) != truth).mean()
    assert wrong < 0.5 * ((votes.mean(axis=0) >= 0.5) != truth).mean()
    sure = found[np.abs(found - 0.5) > 0.4]
    assert len(sure) > 0.9 * found.size  # and it says so


@pytest.mark.parametrize("seed", range(6))
def test_staple_agrees_with_a_slow_twin_by_the_papers_equations(seed):
    rng = np.random.default_rng([40, seed])
    raters = int(rng.integers(2, 6))
    truth = rng.random(60) < 0.3
    votes = simulated(truth, rng.uniform(0.6, 0.95, raters), rng.uniform(0.7, 0.99, raters), seed=seed, unsure=0.15)
    votes[:, 7] = UNDECIDED
    found = staple(votes)
    seen = (votes >= 0).any(axis=0)
    expected, p, q = slow_staple(votes[:, seen], found.rounds)
    np.testing.assert_allclose(found.probability[seen], expected, atol=1e-6)
    np.testing.assert_allclose(found.sensitivity, p, atol=1e-6)
    np.testing.assert_allclose(found.specificity, q, atol=1e-6)
    assert math.isnan(found.probability[7])


def test_order_of_pixels_and_of_raters_does_not_matter():
    votes = simulated(an_arm(32), SENSITIVITY, SPECIFICITY, seed=4, unsure=0.1)
    found, turned = staple(votes), staple(votes[:, ::-1, ::-1])
    np.testing.assert_allclose(turned.probability[::-1, ::-1], found.probability, atol=1e-9)
    others = staple(votes[::-1])
    np.testing.assert_allclose(others.probability, found.probability, atol=1e-9)
    np.testing.assert_allclose(others.sensitivity[::-1], found.sensitivity, atol=1e-9)


def test_staple_of_people_who_agree_is_what_they_say():
    arm = an_arm(24)
    found = staple(np.stack([arm.astype(np.int8)] * 3))
    np.testing.assert_allclose(found.probability, arm, atol=1e-6)
    np.testing.assert_allclose([*found.sensitivity, *found.specificity], 1, atol=1e-6)


def test_one_rater_alone_is_believed():
    arm = an_arm(24)
    np.testing.assert_array_equal(staple(arm.astype(np.int8)[None]).probability, arm)


@pytest.mark.parametrize("value", [0, 1])
def test_a_galaxy_that_all_call_smooth_or_all_arm_stays_so(value):
    votes = np.full((3, 4, 5), value, np.int8)
    votes[0, 0, 0] = UNDECIDED
    found = staple(votes)
    assert (found.probability == value).all()
    assert math.isnan(found.sensitivity[0]) == (value == 0)
    assert found.specificity[0] == 1 if value == 0 else math.isnan(found.specificity[0])


def test_nobody_decided_anything():
    found = staple(np.full((2, 3, 3), UNDECIDED, np.int8))
    assert np.isnan(found.probability).all()


def test_one_who_marks_nothing_does_not_stop_the_others():
    truth = an_arm(48)
    votes = simulated(truth, (0.9, 0.9, 0.0), (0.98, 0.98, 1.0), seed=3)
    found = staple(votes)
    assert found.sensitivity[2] < 0.01
    assert ((found.probability > 0.5) == truth).mean() > 0.97


def test_staple_of_revisions_names_each_annotators_performance():
    truth = an_arm(48)
    votes = simulated(truth, SENSITIVITY[:3], SPECIFICITY[:3], seed=6)
    revisions = [a_revision(name, vote) for name, vote in zip(("anna", "bo", "cy"), votes, strict=True)]
    found = staple_of(revisions, ["arm"])
    np.testing.assert_allclose(found.share[0], staple(votes).probability, atol=1e-6)
    assert found.performance["arm"]["anna"][0] > found.performance["arm"]["cy"][0]


# Which revisions


def test_each_annotator_is_heard_once_by_his_last_word(tmp_path):
    store = Store.create(tmp_path / "labels")
    flux = np.random.default_rng(0).normal(size=(1, *SHAPE)).astype(np.float32)
    cutout = Cutout(object_id="g1", flux=flux, bands=("i",), unit="nJy")
    store.add(cutout)
    days = [("bo", 1), ("anna", 2), ("bo", 3), ("anna", 4), ("cy", 2)]
    for name, day in days:
        given = {"created_utc": f"2026-01-0{day}T00:00:00.000000", "cutout_sha256": cutout.sha256, "revision_id": ""}
        store.commit(a_revision(name, np.zeros(SHAPE), **given))
    latest = latest_of_each(store, "g1")
    assert [(line.provenance.annotator, line.provenance.created_utc[9]) for line in latest] == [
        ("anna", "4"),
        ("bo", "3"),
        ("cy", "2"),
    ]
