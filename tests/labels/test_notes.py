import json

import pytest
from stores import a_cutout

from flaxgal.labels.notes import KINDS, Note, flagged, note_from_json, note_to_json
from flaxgal.labels.store import Store


@pytest.fixture
def store(tmp_path):
    store = Store.create(tmp_path / "labels")
    for number in range(3):
        store.add(a_cutout(f"g{number}", seed=number))
    return store


def a_note(object_id="g0", kind="flagged", annotator="anna", **changes):
    return Note(object_id=object_id, kind=kind, annotator=annotator, **changes)


def test_notes_come_back_oldest_first_by_galaxy_and_kind(store):
    kept = [store.note(a_note(f"g{number % 2}", KINDS[number])) for number in range(4)]
    for opened in (store, Store.open(store.path)):
        assert opened.notes() == kept
        assert opened.notes("g1") == kept[1::2]
        assert opened.notes(kind="skipped") == [kept[2]]
        assert opened.notes("g1", "skipped") == []
    assert all(len(note.note_id) == 20 for note in kept)


def test_a_note_survives_its_file(tmp_path):
    note = a_note("é" * 100, "compared", "Zoë", details={"better": "a", "worse": "", "shown": ["a", "b"]})
    assert note_from_json(note_to_json(note), path=tmp_path) == note


def test_the_same_note_twice_is_one(store):
    note = a_note(created_utc="2026-01-01T00:00:00.000000")
    assert store.note(note) == store.note(note)
    assert len(Store.open(store.path).notes()) == 1


def test_a_galaxy_is_flagged_until_anybody_takes_the_flag_down(store):
    store.note(a_note("g0"))
    store.note(a_note("g1"))
    store.note(a_note("g1", "skipped"))
    store.note(a_note("g0", "unflagged", "bo"))
    assert list(flagged(store)) == ["g1"]
    assert list(flagged(store, "g1")) == ["g1"]
    assert flagged(store, "g0") == {}
    again = store.note(a_note("g0", annotator="bo"))
    assert flagged(store)["g0"] == again


def test_a_flag_that_was_taken_down_stays_down_though_it_was_set_by_a_fast_clock(store):
    store.note(a_note("g0", created_utc="2099-01-01T00:00:00.000000"))
    store.note(a_note("g0", "unflagged", "bo"))
    assert flagged(store) == {}


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"kind": "starred"}, "g0: a note of kind 'starred', expected one of flagged"),
        ({"annotator": ""}, "g0: a note without an annotator"),
    ],
)
def test_what_is_no_note_is_refused_in_a_sentence(changes, sentence):
    with pytest.raises(ValueError, match=sentence):
        a_note(**changes)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"\x00\xff", r"n\.json: expected a note of flaxgal's"),
        (b"[]", r"n\.json: expected a note of flaxgal's"),
        (b'{"flaxgal": "note", "format": 9}', "layout 9, expected a note of layout 1; get a newer flaxgal"),
        (b'{"flaxgal": "note", "format": 1, "object_id": "g"}', "missing or strange fields"),
        (b'{"flaxgal": "note", "format": 1, "details": 3}', "missing or strange fields"),
    ],
)
def test_a_file_that_is_no_note_is_named(tmp_path, content, sentence):
    with pytest.raises(ValueError, match=sentence):
        note_from_json(content, path=tmp_path / "n.json")


def test_a_note_on_an_unknown_galaxy_is_refused(store):
    with pytest.raises(ValueError, match="no galaxy 'g9'"):
        store.note(a_note("g9"))


def test_rankings_are_kept_side_by_side(store):
    first = store.keep_ranking("usefulness", b"# %ECSV 1.0\n1")
    second = store.keep_ranking("usefulness", b"# %ECSV 1.0\n2")
    assert store.keep_ranking("usefulness", b"# %ECSV 1.0\n2") == second
    assert store.rankings() == sorted([first, second])
    assert first.parent == store.path / "rankings"
    assert json.dumps(first.read_text())


def test_a_store_without_rankings_has_none(store):
    assert store.rankings() == []
