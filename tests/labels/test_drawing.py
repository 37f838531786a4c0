"""A mask while it is drawn: whose each pixel is, and where undo leads."""

import numpy as np
import pytest

from flaxgal.labels.drawing import Drawing, decided_by_hand, mask_of
from flaxgal.labels.revisions import Revision

SHAPE = (8, 10)


def a_drawing(start=None, **about):
    start = np.zeros(SHAPE, np.uint8) if start is None else start
    given = {"object_id": "g1", "annotator": "anna", "cutout_sha256": "c0ffee", "start_hand": start > 0}
    return Drawing(start_mask=start, **(given | about))


def painted(drawing, rows, value=1):
    mask = drawing.mask.copy()
    mask[rows] = value
    return mask


def full(value):
    return np.full(SHAPE, value, np.uint8)


def a_revision(**about):
    given = {"object_id": "g1", "annotator": "anna", "origin": "drawn", "cutout_sha256": "c0ffee"}
    return Revision(**(given | about))


def test_a_proposal_never_changes_what_was_drawn_by_hand():
    drawing = a_drawing()
    drawing.draw(painted(drawing, [0], 255), "brush")
    drawing.draw(painted(drawing, [1]), "brush")
    drawing.draw(painted(drawing, [1], 0), "eraser")
    drawing.propose(full(1), "runs/one", 0.5)
    assert (drawing.mask[0] == 255).all()
    assert (drawing.mask[1] == 0).all()
    assert (drawing.mask[2:] == 1).all()
    assert drawing.proposal.pixels[2:].all()
    assert not drawing.proposal.pixels[:2].any()


def test_pixels_a_tool_went_over_without_changing_them_are_by_hand_too():
    drawing = a_drawing()
    drawing.propose(full(1), "runs/one", 0.5)
    over = np.zeros(SHAPE, bool)
    over[3] = True
    assert drawing.draw(drawing.mask, "brush", touched=over)
    drawing.propose(full(0), "runs/one", 0.9)
    np.testing.assert_array_equal(drawing.mask.any(axis=1), over.any(axis=1))


def test_another_threshold_replaces_the_proposal_and_is_one_step_with_it():
    drawing = a_drawing()
    drawing.draw(painted(drawing, [0], 2), "brush")
    for threshold, value in ((0.3, 1), (0.4, 0), (0.5, 1)):
        drawing.propose(full(value), "runs/one", threshold)
    assert drawing.proposal.threshold == 0.5
    assert (drawing.mask[1:] == 1).all()
    drawing.undo()
    assert drawing.proposal is None
    assert not drawing.mask[1:].any()
    drawing.redo()
    assert drawing.proposal.threshold == 0.5


def test_a_stroke_taken_back_gives_its_pixels_back_to_the_proposal():
    """A fill that went everywhere and was undone must not leave a picture which no proposal can fill."""
    for take_back in (Drawing.undo, lambda drawing: drawing.draw(full(0), "undo")):
        drawing = a_drawing()
        drawing.draw(full(1), "fill")
        assert take_back(drawing)
        assert not drawing.by_hand.any()
        drawing.propose(full(2), "runs/one", 0.5)
        assert (drawing.mask == 2).all()


def test_undo_of_a_viewer_that_leads_elsewhere_is_an_edit_like_any_other():
    drawing = a_drawing()
    drawing.draw(painted(drawing, [0]), "brush")
    drawing.draw(painted(drawing, [1]), "brush")
    assert drawing.draw(full(0), "undo")
    assert drawing.by_hand[:2].all()
    drawing.undo()
    assert drawing.mask[:2].all()


def test_undo_and_redo_walk_every_step_and_a_new_stroke_ends_what_could_be_redone():
    drawing = a_drawing()
    states = [drawing.mask.copy()]
    for row in range(4):
        drawing.draw(painted(drawing, [row]), "brush")
        states.append(drawing.mask.copy())
    for state in states[-2::-1]:
        assert drawing.undo()
        np.testing.assert_array_equal(drawing.mask, state)
    assert not drawing.undo()
    for state in states[1:3]:
        assert drawing.redo()
        np.testing.assert_array_equal(drawing.mask, state)
    drawing.draw(painted(drawing, [6]), "brush")
    assert not drawing.redo()
    assert drawing.tool_counts == {"brush": 5, "undo": 4, "redo": 2}


def test_discarding_a_proposal_leaves_the_hand_drawn_pixels_and_the_mask_begun_with():
    start = full(0)
    start[7] = 1
    drawing = a_drawing(start, parent="f00")
    drawing.propose(full(2), "runs/one", 0.5)
    drawing.draw(painted(drawing, [0], 1), "brush")
    drawing.discard_proposal()
    assert (drawing.mask[[0, 7]] == 1).all()
    assert not drawing.mask[1:7].any()
    assert drawing.proposal is None


def test_only_classes_asked_for_are_taken_from_a_proposal():
    drawing = a_drawing(classes=("arm",))
    drawing.propose(full(2), "runs/one", 0.5)
    assert not drawing.mask.any()
    assert drawing.classes_marked == ("arm",)
    drawing.draw(painted(drawing, [0], 2), "brush")
    assert drawing.classes_marked == ("arm", "bar")


@pytest.mark.parametrize(
    ("parent", "acts", "origin"),
    [
        ("", [], "drawn"),
        ("", ["stroke"], "drawn"),
        ("", ["propose"], "accepted"),
        ("", ["propose", "stroke"], "corrected"),
        ("", ["propose", "stroke", "undo"], "accepted"),
        ("", ["stroke", "propose"], "corrected"),
        ("", ["propose", "discard_proposal", "stroke"], "drawn"),
        ("f00", [], "accepted"),
        ("f00", ["stroke"], "corrected"),
        ("f00", ["propose"], "corrected"),  # partly another's marks: no model's own
        ("f00", ["propose", "stroke"], "corrected"),
    ],
)
def test_the_origin_says_what_happened(parent, acts, origin):
    start = full(0)
    start[7] = bool(parent)
    drawing = a_drawing(start, parent=parent)
    for act in acts:
        match act:
            case "stroke":
                drawing.draw(painted(drawing, [0], 2), "brush")
            case "propose":
                drawing.propose(full(1), "runs/one", 0.5)
            case _:
                assert getattr(drawing, act)()
    assert drawing.origin == origin


@pytest.mark.parametrize(
    ("mask", "sentence"),
    [
        (np.zeros((3, 3), np.uint8), "g1: a mask of 3 × 3 pixels for an image of 8 × 10"),
        (np.full(SHAPE, 3), "g1: label 3 means nothing here; draw with 0 background, 1 arm, 2 bar or 255 uncertain"),
        (np.full(SHAPE, 257), "label 257 means nothing"),
        (np.full(SHAPE, -1), "label -1 means nothing"),
    ],
)
def test_a_mask_that_cannot_be_this_galaxys_is_refused_and_changes_nothing(mask, sentence):
    drawing = a_drawing()
    drawing.draw(painted(drawing, [0]), "brush")
    before = drawing.mask.copy()
    for act in (lambda: drawing.draw(mask, "brush"), lambda: drawing.propose(mask, "runs/one", 0.5)):
        with pytest.raises(ValueError, match=sentence):
            act()
    np.testing.assert_array_equal(drawing.mask, before)
    assert drawing.tool_counts == {"brush": 1}


def test_a_vote_is_gone_on_with_where_half_of_the_people_marked():
    fraction = np.zeros((2, *SHAPE), np.float32)
    fraction[0, 0], fraction[0, 1], fraction[1, 1], fraction[1, 2] = 0.5, 0.6, 0.7, 0.49
    fraction[0, 3] = np.nan
    mask = mask_of(a_revision(origin="imported", classes=("arm", "bar"), fraction=fraction))
    assert mask[:5, 0].tolist() == [1, 2, 0, 255, 0]


@pytest.mark.parametrize(
    ("origin", "model_run", "decided"),
    [
        ("drawn", "", "every pixel"),
        ("corrected", "", "every pixel"),
        ("corrected", "runs/one", "every pixel"),
        ("accepted", "", "every pixel"),
        ("accepted", "runs/one", "none"),
        ("imported", "", "the marked"),
    ],
)
def test_who_committed_a_picture_decided_all_of_it_its_background_too(origin, model_run, decided):
    """What was erased and committed came back with the next guess while only marks counted as decided."""
    marks = full(0)
    marks[2], marks[3] = 1, 255
    by_hand = decided_by_hand(a_revision(mask=marks, origin=origin, model_run=model_run))
    np.testing.assert_array_equal(by_hand, {"every pixel": full(1), "none": full(0), "the marked": marks}[decided] > 0)


def test_a_guess_that_finds_every_pixel_decided_is_none():
    """A drawing committed after it would count as the model's own, and the next guess would replace it."""
    start = full(0)
    start[7] = 1
    drawing = a_drawing(start, start_hand=full(1) > 0, parent="f00")
    assert not drawing.propose(full(2), "runs/one", 0.5)
    assert drawing.proposal is None
    assert not drawing.is_changed
    np.testing.assert_array_equal(drawing.mask, start)
