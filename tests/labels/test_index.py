import gc
import json
import os
import time
from pathlib import Path

import pytest
from stores import at_once

from flaxgal.labels import index as index_module
from flaxgal.labels.index import Index, Listing, without_garbage_collection

FIELDS = ("object_id", "survey")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "index" / "galaxies.lines"


def known(path, fields=FIELDS):
    index = Index(path, fields)
    index.catch_up()
    return {name: index.pop(name) for name in index.names()}


def test_what_was_written_is_read_and_later_only_what_is_new(path):
    index = Index(path, FIELDS)
    index.append({"a": ["g1", "HSC"]})
    index.catch_up()
    assert index.pop("a") == ["g1", "HSC"]
    Index(path, FIELDS).append({"b": ["g2", "GZ3D"], "c": ["Zoë", ""]})
    index.catch_up()
    assert index.names() == ["b", "c"]
    assert index.pop("c") == ["Zoë", ""]
    assert index.pop("c") is None


@pytest.mark.parametrize("kept", range(1, 45, 4))
def test_a_torn_line_is_passed_over_and_swallows_no_other(path, kept):
    Index(path, FIELDS).append({"a": ["g1", "HSC"]})
    whole = path.read_bytes()
    path.write_bytes(whole + whole.strip()[:kept])
    Index(path, FIELDS).append({"b": ["g2", "HSC"]})
    assert known(path) == {"a": ["g1", "HSC"], "b": ["g2", "HSC"]}


def test_lines_that_two_machines_wrote_over_each_other_are_passed_over(path):
    """A network disk does not append in one piece: here one line ends in another's, and is JSON all the same."""
    Index(path, FIELDS).append({"a": ["g1", "HSC"], "b": ["g2", "HSC"]})
    lines = path.read_bytes().split()
    path.write_bytes(path.read_bytes().replace(b'["b","g2"', b'["b","g7"') + bytes(300))
    assert known(path) == {"a": ["g1", "HSC"]}
    assert len(lines) == 4


def test_lines_of_other_fields_are_passed_over(path):
    Index(path, (*FIELDS, "new")).append({"a": ["g1", "HSC", 1]})
    Index(path, FIELDS).append({"b": ["g2", "HSC"]})
    assert known(path) == {"b": ["g2", "HSC"]}


def test_an_index_that_was_made_anew_is_read_from_its_start(path):
    index = Index(path, FIELDS)
    index.append({"a": ["g1", "HSC"], "b": ["g2", "HSC"]})
    index.catch_up()
    Index(path, FIELDS).replace({"c": ["g3", "HSC"]})
    index.catch_up()
    assert index.pop("c") == ["g3", "HSC"]


def append_many(path, start):
    index = Index(Path(path), FIELDS)
    for number in range(200):
        index.append({f"{start} {number}": ["g" * 200, "HSC"]})


def test_processes_that_append_at_once_lose_no_line(path):
    assert at_once([(__file__, "append_many", (str(path), name)) for name in "abc"]) == [0] * 3
    assert len(known(path)) == 600


def test_an_index_that_cannot_be_written_is_no_error(tmp_path):
    (tmp_path / "index").write_text("a file where the folder should be")
    Index(tmp_path / "index" / "galaxies.lines", FIELDS).append({"a": ["g1", "HSC"]})


NAME = "g{}.0123456789abcdef0123.fits"


def put(store, shard, number):
    (store / "galaxies" / shard).mkdir(parents=True, exist_ok=True)
    (store / "galaxies" / shard / NAME.format(number)).touch()
    return f"galaxies/{shard}/{NAME.format(number)}"


def test_a_listing_says_what_is_new_and_what_is_gone(tmp_path):
    listing = Listing(tmp_path, "galaxies")
    assert listing.look() == (set(), set())
    first, second = put(tmp_path, "0a", 1), put(tmp_path, "ff", 2)
    put(tmp_path, "not a shard", 3)
    (tmp_path / "galaxies" / "0a" / f".writing-{NAME.format(4)}").touch()
    (tmp_path / "galaxies" / "0a" / "notes.txt").touch()
    assert listing.look() == ({first, second}, set())
    assert listing.look() == (set(), set())
    (tmp_path / first).unlink()
    third = put(tmp_path, "ff", 5)
    assert listing.look("ff") == ({third}, set())
    assert listing.look() == (set(), {first})


def test_a_folder_whose_clock_stands_still_is_looked_at_until_it_must_have_moved(tmp_path, monkeypatch):
    """Two files of one tick of the file system's clock leave one time: the second must be seen all the same."""
    listing = Listing(tmp_path, "galaxies")
    put(tmp_path, "0a", 1)
    folder = tmp_path / "galaxies" / "0a"
    os.utime(folder, ns=(10**18, 10**18))
    listing.look()
    second = put(tmp_path, "0a", 2)
    os.utime(folder, ns=(10**18, 10**18))
    assert listing.look() == ({second}, set())
    later = time.monotonic() + 10
    monkeypatch.setattr(index_module.time, "monotonic", lambda: later)
    listing.look()
    monkeypatch.setattr(index_module.os, "listdir", lambda path: pytest.fail("listed") if "0a" in str(path) else ["0a"])
    assert listing.look() == (set(), set())


def test_garbage_collection_is_on_again_afterwards():
    with without_garbage_collection():
        assert not gc.isenabled()
    assert gc.isenabled()
    with pytest.raises(ValueError, match="x"), without_garbage_collection():
        raise ValueError("x")
    assert gc.isenabled()


def test_a_line_is_a_checksum_and_json(path):
    Index(path, FIELDS).append({"a": ["g1", "HSC"]})
    (line,) = path.read_text().split("\n")[1:-1]
    assert json.loads(line[9:]) == ["a", "g1", "HSC"]
