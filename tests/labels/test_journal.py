"""The journal of strokes: what was drawn is on the disk, whatever happens to the process, the file or the disk."""

import errno
import os
import shutil
import subprocess
import time

import numpy as np
import pytest

from flaxgal.labels.drawing import Drawing, OpenTrace
from flaxgal.labels.journal import DrawingJournal, NotJournalled, annotator_folder, open_drawings

SHAPE = (24, 32)


def a_drawing(object_id="g1", *, shape=SHAPE, annotator="anna", **about):
    start = {"start_mask": np.zeros(shape, np.uint8), "start_hand": np.zeros(shape, bool)}
    return Drawing(object_id=object_id, annotator=annotator, cutout_sha256="c0ffee", **(start | about))


def a_map(drawing, *, seed=0):
    return np.random.default_rng(seed).integers(0, 3, drawing.mask.shape).astype(np.uint8)


def stroke(drawing, number, value=1):
    """A short line of the brush, another for each number."""
    mask = drawing.mask.copy()
    row, column = number % mask.shape[0], (7 * number) % (mask.shape[1] - 4)
    mask[row, column : column + 4] = value
    drawing.draw(mask, "brush")


def begin(store, drawing, strokes=3):
    stroke(drawing, 0)
    journal = DrawingJournal.start(store, drawing, "brush")
    for number in range(1, strokes):
        stroke(drawing, number)
        assert journal.write(drawing, "brush")
    return journal


def assert_same(one, other):
    np.testing.assert_array_equal(one.mask, other.mask)
    np.testing.assert_array_equal(one.by_hand, other.by_hand)
    for name in ("object_id", "annotator", "cutout_sha256", "classes", "parent", "served_by", "blind_repeat", "drawing",
                 "started_utc", "trace", "tool_counts", "active_seconds", "origin", "is_changed"):  # fmt: skip
        assert getattr(one, name) == getattr(other, name), name
    assert (one.proposal is None) == (other.proposal is None)
    if one.proposal is not None:
        assert (one.proposal.run, one.proposal.threshold) == (other.proposal.run, other.proposal.threshold)
        np.testing.assert_array_equal(one.proposal.class_map, other.proposal.class_map)


def resumed(path):
    journal, drawing = DrawingJournal.resume(path)
    journal.close()
    return drawing


def test_a_drawing_comes_back_stroke_for_stroke_with_everything_about_it(tmp_path):
    start = np.zeros(SHAPE, np.uint8)
    start[-3:] = 1
    about = {"parent": "f00", "served_by": "random seed 0", "blind_repeat": True, "classes": ("arm",)}
    drawing = a_drawing("g 1é", start_mask=start, start_hand=start > 0, **about)
    journal = begin(tmp_path, drawing)
    drawing.propose(a_map(drawing), "runs/one", 0.4)
    journal.write(drawing, "propose")
    stroke(drawing, 9, value=255)
    drawing.active_seconds = 12.345
    journal.write(drawing, "brush")
    drawing.trace = OpenTrace(((1.5, 2.25), (3.0, 4.0)), 5.5, 2)
    journal.write(drawing)
    journal.close()
    again = resumed(journal.path)
    assert_same(again, drawing)
    np.testing.assert_array_equal(again.start_mask, start)


def test_undo_and_redo_go_on_after_a_drawing_was_recovered(tmp_path):
    drawing = a_drawing()
    journal = begin(tmp_path, drawing, strokes=4)
    drawing.undo()
    journal.write(drawing, "undo")
    journal.close()
    again = resumed(journal.path)
    for step in (Drawing.redo, Drawing.undo, Drawing.undo, Drawing.undo, Drawing.undo):
        assert step(again) == step(drawing)
        np.testing.assert_array_equal(again.mask, drawing.mask)
        np.testing.assert_array_equal(again.by_hand, drawing.by_hand)
    assert not again.mask.any()
    assert not again.undo()


def test_nothing_new_writes_nothing(tmp_path):
    drawing = a_drawing()
    journal = begin(tmp_path, drawing)
    size = journal.path.stat().st_size
    assert not journal.write(drawing, "brush")
    assert journal.path.stat().st_size == size


def test_cut_anywhere_a_journal_loses_the_strokes_behind_the_cut_and_goes_on(tmp_path):
    """What a crash, or a power cut, leaves: the file up to some byte."""
    drawing = a_drawing()
    states = []
    stroke(drawing, 0)
    journal = DrawingJournal.start(tmp_path, drawing, "brush")
    ends = [journal.path.stat().st_size]
    states.append(drawing.mask.copy())
    for number in range(1, 5):
        stroke(drawing, number)
        journal.write(drawing, "brush")
        ends.append(journal.path.stat().st_size)
        states.append(drawing.mask.copy())
    journal.close()
    content = journal.path.read_bytes()
    for cut in range(ends[0], len(content) + 1):
        journal.path.write_bytes(content[:cut])
        going_on, again = DrawingJournal.resume(journal.path)
        whole = max(number for number, end in enumerate(ends) if end <= cut)
        np.testing.assert_array_equal(again.mask, states[whole])
        assert going_on.damaged_lines == 0
        if cut % 7 == 0:
            stroke(again, 11)
            going_on.write(again, "brush")
            going_on.close()
            assert_same(resumed(journal.path), again)
        going_on.close()


def test_a_damaged_line_costs_its_own_stroke_only(tmp_path):
    drawing = a_drawing()
    journal = begin(tmp_path, drawing, strokes=5)
    journal.close()
    lines = journal.path.read_bytes().splitlines(keepends=True)
    lines[3] = lines[3].replace(b'"pixels":"', b'"pixels":"A')
    journal.path.write_bytes(b"".join(lines))
    going_on, again = DrawingJournal.resume(journal.path)
    assert going_on.damaged_lines == 1
    expected = drawing.mask.copy()
    lost = a_drawing()
    stroke(lost, 2)
    expected[lost.mask > 0] = 0
    np.testing.assert_array_equal(again.mask, expected)
    stroke(again, 12)
    going_on.write(again, "brush")
    going_on.close()
    assert_same(resumed(journal.path), again)
    assert len(journal.path.read_bytes().splitlines()) == len(lines) + 1


def test_a_journal_without_a_first_line_or_of_a_newer_flaxgal_is_refused_and_kept(tmp_path):
    journal = begin(tmp_path, a_drawing())
    journal.close()
    whole = journal.path.read_bytes()
    journal.path.write_bytes(whole[5:])
    with pytest.raises(ValueError, match="first line is damaged"):
        DrawingJournal.resume(journal.path)
    assert journal.path.read_bytes() == whole[5:]
    assert open_drawings(tmp_path, "anna") == []
    newer = a_drawing("g2")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("flaxgal.labels.journal_lines._FORMAT", 2)
        begin(tmp_path, newer).close()
    (found,) = open_drawings(tmp_path, "anna")
    with pytest.raises(ValueError, match="layout 2, this flaxgal knows 1; get a newer flaxgal"):
        DrawingJournal.resume(found.path)


def test_two_windows_do_not_draw_in_one_journal(tmp_path):
    drawing = a_drawing()
    journal = begin(tmp_path, drawing)
    with pytest.raises(BlockingIOError):
        DrawingJournal.resume(journal.path)
    journal.close()
    assert_same(resumed(journal.path), drawing)


def test_a_journal_that_goes_while_another_window_opens_it_is_not_recovered(tmp_path, monkeypatch):
    journal = begin(tmp_path, a_drawing())
    lock = os.fstat

    def discarded_first(descriptor):
        journal.discard()
        return lock(descriptor)

    journal.close()
    monkeypatch.setattr("flaxgal.labels.journal.os.fstat", discarded_first)
    with pytest.raises(FileNotFoundError):
        DrawingJournal.resume(journal.path)


def test_open_drawings_are_an_annotators_own_the_youngest_first(tmp_path):
    for name, annotator in (("g1", "anna"), ("g1", "Bo Ek/é"), ("g*", "anna"), ("g1.x", "anna")):
        begin(tmp_path, a_drawing(name, annotator=annotator)).close()
        time.sleep(0.01)
    assert [found.object_id for found in open_drawings(tmp_path, "anna")] == ["g1.x", "g*", "g1"]
    assert [found.object_id for found in open_drawings(tmp_path, "anna", "g1")] == ["g1"]
    assert [found.object_id for found in open_drawings(tmp_path, "anna", "g*")] == ["g*"]
    assert [found.annotator for found in open_drawings(tmp_path, "Bo Ek/é")] == ["Bo Ek/é"]
    assert open_drawings(tmp_path, "nobody") == []
    assert not list((tmp_path / "open").rglob(".*"))


def test_ids_too_long_for_a_file_name_stay_apart(tmp_path):
    one, other = "a" * 300, "a" * 299 + "b"
    for name in (one, other):
        begin(tmp_path, a_drawing(name)).close()
    assert [found.object_id for found in open_drawings(tmp_path, "anna", other)] == [other]


def test_a_discarded_journal_is_gone_and_one_set_aside_is_kept_but_not_offered(tmp_path):
    gone, aside = begin(tmp_path, a_drawing()), begin(tmp_path, a_drawing())
    gone.discard()
    kept = aside.set_aside()
    assert open_drawings(tmp_path, "anna") == []
    assert kept.read_bytes()
    assert kept.parent.parent == annotator_folder(tmp_path, "anna")


def test_strokes_of_a_full_disk_are_written_with_the_first_that_fits(tmp_path, monkeypatch):
    drawing = a_drawing()
    journal = begin(tmp_path, drawing)
    before, size = journal.path.read_bytes(), journal.path.stat().st_size
    write = os.write

    def half_then_full(descriptor, line):
        if os.fstat(descriptor).st_size == size:
            return write(descriptor, line[:20])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", half_then_full)
    for number in (5, 6):
        stroke(drawing, number)
        with pytest.raises(NotJournalled, match="g1: what you draw cannot be kept on the disk"):
            journal.write(drawing, "brush")
        assert journal.path.read_bytes() == before
    monkeypatch.undo()
    stroke(drawing, 7)
    assert journal.write(drawing, "brush")
    journal.close()
    assert_same(resumed(journal.path), drawing)


def test_a_journal_that_cannot_be_begun_leaves_nothing_behind_and_can_be_begun_later(tmp_path, monkeypatch):
    drawing = a_drawing()
    stroke(drawing, 0)

    def full(descriptor, line):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(NotJournalled) as caught:
        DrawingJournal.start(tmp_path, drawing)
    assert caught.value.errno == errno.ENOSPC
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
    monkeypatch.undo()
    journal = DrawingJournal.start(tmp_path, drawing)
    journal.close()
    assert_same(resumed(journal.path), drawing)


@pytest.fixture
def small_disk(tmp_path):
    """A disk of its own of 300 kB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", str(folder)]
    if os.geteuid() or not shutil.which("mount") or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("needs the right to mount a small disk")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_disk_that_is_really_full_loses_nothing_that_was_on_it(small_disk):
    drawing = a_drawing(shape=(128, 128))
    rng = np.random.default_rng(0)
    journal, kept, refused = None, drawing.mask, 0
    for _ in range(200):
        drawing.draw(rng.integers(0, 3, drawing.mask.shape).astype(np.uint8), "fill")
        try:
            journal = journal or DrawingJournal.start(small_disk, drawing, "fill")
            journal.write(drawing, "fill")
            kept = drawing.mask
        except NotJournalled:
            refused += 1
            if refused == 3:
                break
    assert refused == 3
    assert journal is not None
    journal.close()
    again, found = DrawingJournal.resume(journal.path)
    np.testing.assert_array_equal(found.mask, kept)
    (small_disk / "room").mkdir()
    subprocess.run(["mount", "-o", "remount,size=2m", str(small_disk)], check=True)
    assert again.write(drawing, "fill")
    again.close()
    np.testing.assert_array_equal(resumed(journal.path).mask, drawing.mask)


def test_a_read_only_store_lets_a_drawing_be_seen_and_goes_on_when_it_can_be_written(small_disk):
    drawing = a_drawing()
    journal = begin(small_disk, drawing)
    journal.close()
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    going_on, again = DrawingJournal.resume(journal.path)
    assert_same(again, drawing)
    stroke(again, 8)
    with pytest.raises(NotJournalled, match="Read-only file system"):
        going_on.write(again, "brush")
    with pytest.raises(NotJournalled):
        DrawingJournal.start(small_disk, a_drawing("g2"))
    subprocess.run(["mount", "-o", "remount,rw", str(small_disk)], check=True)
    assert going_on.write(again, "brush")
    with pytest.raises(BlockingIOError):
        DrawingJournal.resume(journal.path)
    going_on.close()
    assert_same(resumed(journal.path), again)
