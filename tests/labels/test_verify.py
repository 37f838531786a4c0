import json
import shutil

import pytest
from stores import a_cutout, a_revision, files_of

from flaxgal.labels.notes import Note
from flaxgal.labels.store import Store
from flaxgal.labels.verify import reindex, verify


@pytest.fixture
def store(tmp_path):
    """Two galaxies, a correction of a revision, a note that compares the two, and a ranking."""
    store = Store.create(tmp_path / "labels")
    cutout = a_cutout()
    store.add(cutout)
    store.add(a_cutout("g2", seed=2))
    first = store.commit(a_revision(cutout))
    second = store.commit(a_revision(cutout, annotator="bo", parent=first.revision_id))
    shown = [first.revision_id, second.revision_id]
    store.note(Note(object_id="g1", annotator="chi", kind="compared", details={"better": shown[0], "shown": shown}))
    store.keep_ranking("usefulness", b"# %ECSV 1.0\n")
    return store


def found(store):
    return [(finding.kind, finding.path.relative_to(store.path).as_posix()) for finding in verify(store.path)]


def sentences(store):
    return [finding.sentence for finding in verify(store.path)]


def file_of(store, pattern):
    (path,) = store.path.glob(pattern)
    return path


def test_a_whole_store_has_nothing_to_say(store):
    (store.path / "open" / "anna").mkdir(parents=True)
    (store.path / "open" / "anna" / "g1.77.journal").touch()
    (store.path / "training").mkdir()
    before = files_of(store)
    assert found(store) == []
    shutil.rmtree(store.path / "index")
    assert found(store) == []
    assert files_of(store) == before
    assert not (store.path / "index").exists()


@pytest.mark.parametrize("kind", ["galaxies", "revisions", "notes", "rankings"])
@pytest.mark.parametrize("indexed", [True, False])
@pytest.mark.parametrize(
    "damage", [lambda content: content[:-1], lambda content: content[:-1] + b"!", lambda content: b""]
)
def test_a_damaged_file_is_named_and_nothing_else_for_it(store, kind, indexed, damage):
    path = next(path for path in (store.path / kind).rglob("*.*") if path.is_file())
    path.write_bytes(damage(path.read_bytes()))
    if not indexed:
        shutil.rmtree(store.path / "index")
    assert found(store) == [("damaged", path.relative_to(store.path).as_posix())]
    assert "its content no longer fits its name; delete it, and merge a copy" in sentences(store)[0]


def test_a_file_that_the_index_knows_is_missed(store):
    path = file_of(store, "galaxies/*/g2.*")
    path.unlink()
    assert found(store) == [("missing", path.relative_to(store.path).as_posix())]
    assert "though the index knows it" in sentences(store)[0]
    assert list(reindex(store.path)) == []
    assert found(store) == []


def test_what_revisions_and_notes_name_is_missed(store):
    first = store.history("g1")[0].revision_id
    file_of(store, f"revisions/*/*{first}*").unlink()
    shutil.rmtree(store.path / "index")
    assert [sentence.partition(": ")[2] for sentence in sentences(store)] == [
        f"the revision {first}, from which it was made, is missing; merge a copy of this store that has it",
        f"the revision {first}, which it compares, is missing; merge a copy of this store that has it",
    ]
    file_of(store, "galaxies/*/g1.*").unlink()
    lost = [sentence for sentence in sentences(store) if "the cutout of its galaxy g1 is missing" in sentence]
    assert [kind for kind, _ in found(store)] == ["missing"] * 4
    assert len(lost) == 2


def test_strangers_are_named(store):
    shard = next((store.path / "revisions").iterdir())
    strangers = [
        store.path / "holiday.jpg",
        store.path / ".DS_Store",
        store.path / "galaxies" / "readme.txt",
        shard / "g1.fits.gz",
        shard / f".writing-{'0' * 32}.gz",
        store.path / "rankings" / "mine.csv",
    ]
    for path in strangers:
        path.write_bytes(b"x")
    (store.path / "notes" / "subfolder").mkdir()
    kinds = {kind for kind, _ in found(store)}
    assert kinds == {"foreign"}
    names = {name for _, name in found(store)}
    expected = [*strangers, store.path / "notes" / "subfolder"]
    assert names == {path.relative_to(store.path).as_posix() for path in expected}
    assert sum("left by a process that died" in sentence for sentence in sentences(store)) == 1


def test_a_file_under_another_galaxys_name_is_told_where_it_belongs(store):
    path = file_of(store, "galaxies/*/g2.*")
    other = path.parent / path.name.replace("g2", "g7")
    path.rename(other)
    shutil.rmtree(store.path / "index")
    assert found(store) == [("foreign", other.relative_to(store.path).as_posix())]
    assert f"move it to {path}" in sentences(store)[0]


def test_two_galaxies_of_one_id_are_told(store, tmp_path):
    other = Store.create(tmp_path / "laptop")
    other.add(a_cutout(seed=9))
    other.commit(a_revision(a_cutout(seed=9)))
    for kind in ("galaxies", "revisions"):
        shutil.copytree(other.path / kind, store.path / kind, dirs_exist_ok=True)
    assert sorted({kind for kind, _ in found(store)}) == ["foreign", "missing"]
    assert any("which the store uses for g1" in sentence for sentence in sentences(store))
    assert any("the cutout that it was drawn on (the g1 here has other pixels)" in line for line in sentences(store))


def test_store_json_is_part_of_it(store):
    path = store.path / "store.json"
    about = json.loads(path.read_text())
    path.write_text("{")
    assert found(store) == [("damaged", "store.json")]
    path.unlink()
    assert found(store) == [("missing", "store.json")]
    path.write_text(json.dumps(about | {"format": 7}))
    with pytest.raises(ValueError, match="layout 7, this flaxgal knows 1; install a newer flaxgal"):
        found(store)
    with pytest.raises(ValueError, match="no such folder"):
        list(verify(store.path / "nowhere"))


def test_an_index_made_anew_says_what_the_old_one_said(store):
    store.commit(a_revision(a_cutout(), annotator="Zoë"))
    expected = Store.open(store.path)
    before = {
        kind: (store.path / "index" / f"{kind}.lines").read_bytes() for kind in ("galaxies", "revisions", "notes")
    }
    (store.path / "index" / "revisions.lines").write_text("nonsense")
    assert list(reindex(store.path)) == []
    opened = Store.open(store.path)
    assert (opened.history(), dict(opened.galaxies()), opened.notes()) == (
        expected.history(),
        dict(expected.galaxies()),
        expected.notes(),
    )
    for kind, lines in before.items():
        now = (store.path / "index" / f"{kind}.lines").read_bytes()
        assert set(now.splitlines()) == set(lines.splitlines()) - {b""}


def test_files_that_cannot_be_read_are_named_when_the_index_is_made_anew(store):
    path = file_of(store, "galaxies/*/g2.*")
    path.write_bytes(b"x")
    (finding,) = reindex(store.path)
    assert (finding.kind, finding.path) == ("damaged", path)
    assert list(Store.open(store.path).galaxies()) == ["g1"]


def test_an_open_store_sees_an_index_that_was_made_anew(store):
    list(reindex(store.path))
    other = Store.open(store.path)
    other.add(a_cutout("g3", seed=3))
    assert store.refresh() == {"g3"}
