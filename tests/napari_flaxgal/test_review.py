"""Masks of one galaxy side by side: whose a picked mask is afterwards, which pairs are worth judging, who is better."""

import numpy as np
import pytest
from stores import a_cutout, a_revision

from flaxgal.labels.drawing import decided_by_hand
from flaxgal.labels.notes import Note
from flaxgal.labels.store import Store
from napari_flaxgal.review import Pair, Review, pairs_to_judge, preferences
from napari_flaxgal.session import Session


@pytest.fixture
def store(tmp_path):
    store = Store.create(tmp_path / "labels")
    for number in range(3):
        store.add(a_cutout(f"g{number}", seed=number))
    return store


def draw(store, annotator, rows, object_id="g0", **about):
    cutout = store.cutout(object_id)
    mask = np.zeros(cutout.image_shape, np.uint8)
    mask[list(rows)] = about.pop("value", 1)
    return store.commit(a_revision(cutout, annotator=annotator, mask=mask, **about))


def judged(store, better, worse, *, equal=False, blind=True):
    pair = [better.revision_id, worse.revision_id]
    details = {"better": "" if equal else pair[0], "worse": "" if equal else pair[1], "shown": pair, "blind": blind}
    store.note(Note(object_id=better.object_id, annotator="dora", kind="compared", details=details))


@pytest.mark.parametrize(
    ("origin", "model_run", "kept"),
    [
        ("accepted", "runs/one", ("runs/one", 0.4)),
        ("corrected", "runs/one", ("", None)),
        ("drawn", "", ("", None)),
        ("accepted", "", ("", None)),
    ],
)
def test_a_picked_mask_is_a_models_own_only_if_it_was_before(store, origin, model_run, kept):
    """A corrected guess that was picked counted as the model's: the next guess replaced what was drawn by hand."""
    about = {"origin": origin, "model_run": model_run, "model_threshold": 0.4 if model_run else None}
    older, newer = draw(store, "anna", [2], **about), draw(store, "bo", [5])
    session = Session(store, "cy")
    Review(session, [Pair("g0", newer.revision_id, older.revision_id)], blind=False).judge("right")
    session.close()
    picked = store.latest("g0")
    assert (picked.origin, picked.parent, picked.annotator) == ("accepted", older.revision_id, "cy")
    assert (picked.model_run, picked.model_threshold) == kept
    assert decided_by_hand(picked).all() == (not kept[0])


def test_only_pairs_that_differ_are_judged(store):
    """Not those of one mask: no arms twice, or a guess that two people took as it was."""
    draw(store, "anna", [2, 3], "g0", origin="accepted", model_run="runs/one")
    draw(store, "bo", [2, 3], "g0", origin="accepted", model_run="runs/one")
    draw(store, "cy", [2, 4], "g0")
    draw(store, "anna", [], "g1")
    draw(store, "bo", [], "g1")
    draw(store, "anna", [2], "g2")
    draw(store, "bo", [2, 3], "g2")
    whose = {line.revision_id: line.provenance.annotator for line in store.history()}
    pairs = {(pair.object_id, *sorted((whose[pair.left], whose[pair.right]))) for pair in pairs_to_judge(store, "dora")}
    assert pairs == {("g0", "anna", "cy"), ("g0", "bo", "cy"), ("g2", "anna", "bo")}


def test_preferences_count_people_and_models_in_blind_comparisons(store):
    guess = draw(store, "anna", [2], origin="accepted", model_run="runs/one")
    hand = draw(store, "bo", [3])
    corrected = draw(store, "anna", [4], "g1", origin="corrected", model_run="runs/one")
    other = draw(store, "bo", [5], "g1")
    judged(store, hand, guess)
    judged(store, corrected, other)
    judged(store, corrected, other, equal=True)
    judged(store, guess, hand, blind=False)
    assert preferences(store) == {"anna": (1, 0, 1), "bo": (1, 1, 1), "model runs/one": (0, 1, 0)}


def test_preferences_look_only_at_galaxies_that_were_compared(store, monkeypatch):
    judged(store, draw(store, "anna", [2]), draw(store, "bo", [3]))
    asked = []
    history = Store.history
    monkeypatch.setattr(Store, "history", lambda self, name=None: asked.append(name) or history(self, name))
    assert preferences(store) == {"anna": (1, 0, 0), "bo": (0, 1, 0)}
    assert asked == ["g0"]
