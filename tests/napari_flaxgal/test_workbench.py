"""A session in a viewer without a window: what is drawn in any view is what the session has, and what commit writes."""

import shutil

import numpy as np
import pytest
from galaxies import Guess, mock_store
from napari.components import ViewerModel
from napari.utils.notifications import notification_manager

from flaxgal.labels.store import Store
from napari_flaxgal.session import Session
from napari_flaxgal.workbench import Workbench

SIZE = 64


@pytest.fixture(scope="module")
def full(tmp_path_factory):
    """A store of four mock galaxies, to be copied."""
    return mock_store(tmp_path_factory.mktemp("workbench") / "labels", number=4, size=SIZE).path


@pytest.fixture
def store(tmp_path, full):
    return Store.open(shutil.copytree(full, tmp_path / "labels"))


@pytest.fixture
def bench(store):
    bench = Workbench(ViewerModel(), Session(store, "anna"))
    yield bench
    bench.session.close(even_if_lost=True)


@pytest.fixture(autouse=True)
def told():
    """What the person was told during a test, as one text."""
    notification_manager.records.clear()
    yield lambda: "\n".join(record.message for record in notification_manager.records)
    notification_manager.records.clear()


def paint(bench, row=10, columns=(10, 30)):
    """A stroke as napari's brush makes it."""
    layer = bench.drawing
    with layer.block_history():
        for column in range(*columns):
            layer.paint((row, column), layer.selected_label)


def test_a_galaxy_opens_in_colour_on_the_sky_s_own_scale_with_the_drawing_s_layer_in_hand(bench):
    assert bench.picture.data.shape == (SIZE, SIZE, 3)
    scale = bench.session.cutout.pixel_scale_arcsec
    assert np.allclose(np.abs(bench.drawing.scale), scale)
    assert {str(unit) for unit in bench.picture.units} == {"arcsecond"}
    assert bench.viewer.layers.selection.active is bench.drawing
    assert bench.drawing.mode == "paint"


def test_a_stroke_of_the_brush_is_the_session_s_mask(bench):
    paint(bench)
    assert np.array_equal(bench.session.mask, bench.drawing.data)
    assert bench.session.mask.any()
    assert bench.session.is_changed


def test_a_polygon_and_a_fill_are_journalled_too(bench):
    bench.drawing.mode = "polygon"
    bench.drawing.paint_polygon([(5, 5), (5, 30), (30, 30), (30, 5)], 1)
    polygon = bench.session.mask
    assert polygon[10, 10] == 1
    assert np.array_equal(polygon, bench.drawing.data)
    bench.drawing.mode = "fill"
    bench.drawing.fill((10, 10), 2)
    assert bench.session.mask[10, 10] == 2
    assert np.array_equal(bench.session.mask, bench.drawing.data)


def test_undo_and_redo_go_through_all_tools_in_one_order(bench):
    states = [bench.session.mask]
    for act in (lambda: paint(bench), lambda: bench.choose_bar() or paint(bench, row=40), lambda: guess(bench)):
        act()
        states.append(bench.session.mask)
    for state in reversed(states[:-1]):
        bench.undo()
        assert np.array_equal(bench.session.mask, state)
        assert np.array_equal(bench.drawing.data, state)
    for state in states[1:]:
        bench.redo()
        assert np.array_equal(bench.drawing.data, state)


def guess(bench):
    bench.guesses.proposer = Guess()
    bench.guesses.propose()


def test_a_guess_fills_in_what_was_not_drawn_by_hand_and_nothing_else(bench):
    bench.choose_bar()
    paint(bench, row=32)
    drawn = bench.session.mask
    guess(bench)
    mask = bench.session.mask
    assert (mask[drawn > 0] == 2).all()
    assert (mask[20:40][drawn[20:40] == 0] == 1).all()
    assert len(bench.guesses.contours.data) > 0


def test_a_pixel_that_was_erased_by_hand_is_not_filled_in_again_by_another_threshold(bench):
    guess(bench)
    bench.drawing.selected_label = 0
    paint(bench, row=35)
    erased = bench.session.mask[35] == 0
    assert erased.any()
    bench.guesses.set_threshold(0.3)
    assert (bench.session.mask[35][erased] == 0).all()
    bench.guesses.set_threshold(0.8)
    assert not bench.session.mask[22].any()
    assert (bench.session.mask[35][erased] == 0).all()


def test_a_guess_that_comes_after_the_galaxy_was_left_is_not_drawn_on_the_next(bench):
    waiting = []
    bench.later = lambda work, done, failed: waiting.append((work, done))
    bench.guesses.proposer = Guess()
    bench.guesses.propose()
    work, done = waiting[0]
    prediction = work()
    bench.next_galaxy()
    done(prediction)
    assert not bench.session.mask.any()
    assert not bench.guesses.is_running


def test_discarding_the_guess_leaves_what_was_drawn_by_hand(bench):
    paint(bench)
    drawn = bench.session.mask
    guess(bench)
    bench.guesses.discard_proposal()
    assert np.array_equal(bench.session.mask, drawn)
    assert not bench.guesses.contours.data


def test_commit_writes_what_is_seen_and_opens_the_next_galaxy(bench, store):
    paint(bench)
    first, drawn = bench.session.object_id, bench.session.mask
    bench.commit()
    assert np.array_equal(store.latest(first).mask, drawn)
    assert store.latest(first).origin == "drawn"
    assert bench.session.object_id != first
    assert not bench.drawing.data.any()
    assert "read back" in bench.saved


def test_a_guess_committed_as_it_is_is_accepted_and_one_that_was_touched_is_corrected(bench, store):
    first = bench.session.object_id
    guess(bench)
    bench.commit()
    second = bench.session.object_id
    guess(bench)
    paint(bench)
    bench.commit()
    assert [store.latest(name).origin for name in (first, second)] == ["accepted", "corrected"]
    assert store.latest(second).model_run == "band"
    assert store.latest(second).model_threshold == 0.5


def test_no_arms_is_said_of_an_empty_drawing_only(bench, store, told):
    first = bench.session.object_id
    paint(bench)
    bench.commit_no_arms()
    assert bench.session.object_id == first
    assert "marks" in told()
    bench.undo()
    bench.commit_no_arms()
    assert store.latest(first).marked_pixels == 0
    assert store.latest(first).details["verdict"] == "no arms"


@pytest.mark.parametrize("view", ["residual", "polar"])
def test_a_stroke_in_another_view_lands_on_the_sky(bench, view):
    bench.look(**{view: True})
    rows = bench.drawing.data.shape[0]
    bench.drawing.brush_size = 8
    paint(bench, row=rows // 2, columns=(20, 60))
    mask = bench.session.mask
    assert mask.shape == (SIZE, SIZE)
    assert mask.any()
    if view == "polar":
        place = bench.view.frame.sky_of(np.array([[rows // 2, 40.0]]))[0]
        y, x = np.rint(place).astype(int)
        assert mask[y - 1 : y + 2, x - 1 : x + 2].any()
    bench.look(residual=False, polar=False)
    assert np.array_equal(bench.drawing.data, mask)


def test_undo_in_the_sky_takes_back_what_was_drawn_in_the_polar_view(bench):
    bench.look(polar=True)
    bench.drawing.brush_size = 8
    paint(bench, row=bench.drawing.data.shape[0] // 2, columns=(20, 60))
    bench.look(polar=False)
    bench.undo()
    assert not bench.session.mask.any()
    assert not bench.drawing.data.any()


def test_going_to_and_fro_between_views_changes_nothing(bench):
    paint(bench, row=30)
    mask = bench.session.mask
    for polar, residual in ((True, False), (True, True), (False, True), (True, True), (False, False)):
        bench.look(polar=polar, residual=residual)
    assert np.array_equal(bench.session.mask, mask)
    assert np.array_equal(bench.drawing.data, mask)


def lay_points(bench, points):
    bench.tracer.snap = False
    for point in points:
        bench.tracer.add_point(np.array(point, float))


def test_a_traced_arm_is_drawn_when_it_is_laid_and_not_before(bench):
    bench.tracer.trace()
    lay_points(bench, [(20, 20), (25, 30), (20, 40)])
    assert not bench.session.mask.any()
    seen = bench.tracer.preview.data.copy()
    assert seen.any()
    bench.tracer.commit_trace()
    assert np.array_equal(bench.session.mask, seen)
    assert bench.session.trace is None
    bench.tracer.trace()
    bench.undo()
    assert not bench.session.mask.any()


def test_a_trace_can_be_edited_widened_taken_back_and_cancelled(bench):
    bench.tracer.trace()
    lay_points(bench, [(20, 20), (25, 30), (20, 40)])
    before = bench.tracer.preview.data.sum()
    bench.tracer.wider_trace()
    bench.tracer.wider_trace()
    assert bench.tracer.preview.data.sum() > before
    bench.undo()
    assert len(bench.session.trace.points) == 2
    bench.tracer.cancel_trace()
    assert bench.session.trace is None
    bench.undo()
    assert len(bench.session.trace.points) == 2
    bench.tracer.cancel_trace()
    bench.tracer.cancel_trace()
    assert not bench.tracer.is_on
    assert bench.viewer.layers.selection.active is bench.drawing


def test_an_arm_being_traced_waits_while_another_galaxy_is_looked_at(bench):
    first = bench.session.object_id
    bench.tracer.trace()
    lay_points(bench, [(20, 20), (25, 30)])
    bench.next_galaxy()
    assert bench.session.trace is None
    assert not bench.tracer.is_on
    bench.open(first)
    assert len(bench.session.trace.points) == 2
    assert bench.tracer.is_on


def test_points_of_a_trace_laid_in_the_polar_view_are_points_on_the_sky(bench):
    bench.look(polar=True)
    bench.tracer.trace()
    rows = bench.drawing.data.shape[0]
    wanted = np.array([[rows / 2, 30.0], [rows / 2, 50.0]])
    lay_points(bench, wanted)
    assert np.allclose(bench.session.trace.points, bench.view.frame.sky_of(wanted))
    assert np.allclose(bench.tracer.points.data[:2], wanted)


def test_a_mistake_is_a_sentence_and_the_galaxy_stays(bench, told):
    here = bench.session.object_id
    bench.open("no-such-galaxy")
    assert "no-such-galaxy" in told()
    assert bench.session.object_id == here


def test_the_end_of_the_queue_is_said_and_nothing_is_lost(bench, told):
    for _ in range(6):
        bench.next_galaxy()
    assert "queue ends" in told()
    assert bench.session.object_id


def test_an_unfinished_drawing_is_back_in_the_next_session_with_its_undo(bench, store):
    paint(bench)
    drawn, here = bench.session.mask, bench.session.object_id
    bench.session.close()
    again = Workbench(ViewerModel(), Session(store, "anna"))
    assert again.session.object_id == here
    assert np.array_equal(again.drawing.data, drawn)
    again.undo()
    assert not again.session.mask.any()
    again.session.close()


def test_two_people_s_revisions_lie_side_by_side_and_the_one_picked_is_the_latest(bench, store):
    here = bench.session.object_id
    paint(bench, row=10)
    bench.commit()
    other = Workbench(ViewerModel(), Session(store, "ben"))
    other.open(here)
    paint(other, row=40)
    other.commit()
    bench.open(here)
    bench.comparison.review()
    masks = [layer for layer in bench.viewer.layers if layer.name.endswith("mask")]
    assert len(masks) == 2
    assert masks[0].translate[1] != masks[1].translate[1]
    older = bench.comparison.review_of.pair.right
    bench.comparison.pick_right()
    assert bench.comparison.review_of is None
    latest = store.latest(here)
    assert latest.parent == older
    assert latest.origin == "accepted"
    assert latest.annotator == "anna"
    assert np.array_equal(latest.mask, store.revision(older).mask)
    assert np.array_equal(bench.drawing.data, latest.mask)
    other.session.close()


def test_a_blind_comparison_names_nobody_and_keeps_its_result(bench, store):
    here = bench.session.object_id
    for name, row in (("anna", 10), ("ben", 40)):
        work = Workbench(ViewerModel(), Session(store, name))
        work.open(here)
        paint(work, row=row)
        work.commit()
        work.session.close()
    before = len(store.history(here))
    bench.comparison.blind_comparison()
    assert "anna" not in bench.viewer.canvas.overlays.text.text
    assert "ben" not in bench.viewer.canvas.overlays.text.text
    pair = bench.comparison.review_of.pair
    bench.comparison.pick_left()
    (note,) = store.notes(here, kind="compared")
    assert note.details["better"] == pair.left
    assert note.details["worse"] == pair.right
    assert len(store.history(here)) == before
    assert bench.comparison.review_of is None


def test_the_cursor_is_told_in_sky_coordinates(bench):
    from astropy.coordinates import SkyCoord

    ra, dec, *_ = bench.view.where((10.3, 40.2), bench.looks).split()
    told = SkyCoord(ra, dec, unit=("hourangle", "deg"))
    assert told.separation(bench.session.cutout.wcs.pixel_to_world(40.2, 10.3)).arcsec < 0.12


def test_a_pile_that_is_done_opens_on_all_its_galaxies(store, told):
    session = Session(store, "anna")
    work = Workbench(ViewerModel(), session)
    while not told():
        paint(work)
        work.commit()
    session.close()
    again = Workbench(ViewerModel(), Session(store, "anna"))
    assert again.session.object_id
    assert again.session.queue.show == "all"
    again.session.close()


def test_a_store_without_galaxies_is_refused_in_a_sentence_and_leaves_no_layers(tmp_path):
    viewer = ViewerModel()
    with pytest.raises(ValueError, match="no galaxy in this store; add some"):
        Workbench(viewer, Session(Store.create(tmp_path / "empty"), "anna"))
    assert not viewer.layers


def test_committing_an_untouched_picture_says_nothing_of_it(bench, store, told):
    here = bench.session.object_id
    bench.commit()
    assert bench.session.object_id == here
    assert not store.history(here)
    assert "nothing is drawn" in told()


def test_no_arms_is_not_said_of_a_galaxy_on_which_an_arm_is_being_traced(bench, store, told):
    here = bench.session.object_id
    bench.tracer.trace()
    lay_points(bench, [(20, 20), (25, 30)])
    bench.commit_no_arms()
    assert not store.history(here)
    assert "marks" in told()


def test_a_trace_of_one_point_stops_a_commit_with_one_sentence(bench, store):
    here = bench.session.object_id
    bench.tracer.trace()
    lay_points(bench, [(20, 20)])
    notification_manager.records.clear()
    bench.commit()
    assert len(notification_manager.records) == 1
    assert not store.history(here)


def test_undo_takes_back_a_laid_arm_also_while_the_tracer_is_in_the_hand(bench):
    bench.tracer.trace()
    lay_points(bench, [(20, 20), (25, 30), (20, 40)])
    bench.tracer.commit_trace()
    assert bench.session.mask.any()
    bench.undo()
    assert not bench.session.mask.any()


def test_throwing_a_drawing_away_can_be_undone(bench):
    paint(bench)
    drawn = bench.session.mask
    bench.discard()
    assert not bench.drawing.data.any()
    bench.undo()
    assert np.array_equal(bench.session.mask, drawn)
    assert np.array_equal(bench.drawing.data, drawn)


def committed_by(store, name, object_id, row):
    work = Workbench(ViewerModel(), Session(Store.open(store.path), name))
    work.open(object_id)
    paint(work, row=row)
    work.commit()
    work.session.close()


def test_nothing_is_drawn_or_committed_behind_a_comparison(bench, store, told):
    here = bench.session.object_id
    committed_by(store, "ben", here, 40)
    store.refresh()
    bench.open(here)
    bench.press("review")
    assert bench.comparison.is_on
    before = len(store.history())
    bench.guesses.proposer = Guess()
    for name in ("commit", "propose", "undo", "discard"):
        bench.press(name)
    assert len(store.history()) == before
    assert bench.comparison.is_on
    assert "drawing waits" in told()
    bench.press("review")
    assert not bench.comparison.is_on


def test_a_pick_waits_until_one_s_own_drawing_is_committed_or_thrown_away(bench, store, told):
    here = bench.session.object_id
    committed_by(store, "ben", here, 40)
    committed_by(store, "cy", here, 45)
    store.refresh()
    bench.open(here)
    paint(bench)
    bench.press("review")
    before = len(store.history(here))
    bench.press("pick_right")
    assert len(store.history(here)) == before
    assert "not committed" in told()


def test_a_blind_repeat_shows_nobody_s_masks(store, told):
    first = Workbench(ViewerModel(), Session(store, "anna"))
    here = first.session.object_id
    paint(first)
    first.commit()
    first.session.close()
    again = Workbench(ViewerModel(), Session(store, "anna", repeats=1.0))
    again.next_galaxy()
    assert again.session.object_id == here
    assert again.session.blind_repeat
    assert not again.drawing.data.any()
    again.press("review")
    assert not again.comparison.is_on
    assert "second time" in told()
    again.session.close()


def test_a_guess_that_was_asked_for_while_another_ran_is_made_when_its_turn_comes(bench):
    waiting = []
    bench.later = lambda work, done, failed: waiting.append((work, done))
    bench.guesses.proposer = Guess()
    bench.guesses.propose()
    bench.next_galaxy()
    bench.guesses.propose()
    work, done = waiting.pop(0)
    done(Guess().propose(bench.session.store.cutout(bench.session.queue.ids[0])))
    assert not bench.session.mask.any()
    work, done = waiting.pop(0)
    done(work())
    assert bench.session.mask.any()


def test_a_threshold_once_chosen_is_that_of_the_next_guess_too(bench):
    guess(bench)
    bench.guesses.set_threshold(0.8)
    bench.next_galaxy()
    guess(bench)
    assert bench.guesses.threshold == 0.8
    assert not bench.session.mask[22].any()
    assert bench.session.mask[35].any()


def test_part_of_an_id_is_enough_to_jump_if_no_other_galaxy_has_it(bench, told):
    bench.open("000003")
    assert bench.session.object_id.endswith("000003")
    bench.open("mock")
    assert bench.session.object_id.endswith("000003")
    assert "4 galaxies with 'mock'" in told()


def test_napari_s_keys_for_labels_go_through_the_classes_and_no_further(bench):
    seen = []
    for _ in range(4):
        seen.append(bench.drawing.selected_label)
        bench._step_class(1)
    assert seen == [1, 2, 255, 1]
