"""A person at a real window: mouse strokes and key presses, and what lies on the disk afterwards."""

import numpy as np
import pytest
from galaxies import Guess, mock_store
from windows import click, drag, key, settle, until

from flaxgal.labels.store import Store
from napari_flaxgal.widget import open_window as open_desk
from napari_flaxgal.workbench import Workbench


@pytest.fixture
def desk(window, tmp_path):
    """A store of mocks open in a window: (viewer, workbench, store)."""
    store = mock_store(tmp_path / "labels", number=5, size=64)
    open_desk(store=store.path, annotator="anna", viewer=window)
    bench = Workbench.last()
    settle(100)
    yield window, bench, store
    bench.session.close(even_if_lost=True)


def test_what_is_drawn_undone_and_committed_by_hand_is_the_revision_on_the_disk(desk):
    viewer, bench, store = desk
    first = bench.session.object_id
    drag(viewer, [(20, 15), (26, 30), (20, 45)], layer=bench.drawing)
    kept = np.array(bench.drawing.data)
    assert kept.any()
    drag(viewer, [(50, 10), (50, 50)], layer=bench.drawing)
    assert (np.array(bench.drawing.data) != kept).any()
    key(viewer, "Ctrl+Z")
    key(viewer, "9")
    drag(viewer, [(32, 28), (32, 36)], layer=bench.drawing)
    drawn = np.array(bench.drawing.data)
    assert set(np.unique(drawn)) == {0, 1, 2}
    key(viewer, "W")
    assert bench.session.object_id != first
    fresh = Store.open(store.path).latest(first)
    assert np.array_equal(fresh.mask, drawn)
    assert fresh.annotator == "anna"
    assert fresh.origin == "drawn"
    assert fresh.tool_counts["brush"] == 3
    assert fresh.tool_counts["undo"] == 1
    assert fresh.active_seconds > 0
    assert fresh.served_by.startswith("id")
    key(viewer, "Shift+N")
    assert bench.session.object_id == first
    assert np.array_equal(bench.drawing.data, drawn)


def test_the_buttons_do_what_the_keys_do(desk):
    viewer, bench, store = desk
    from qtpy.QtWidgets import QPushButton

    first = bench.session.object_id
    drag(viewer, [(20, 15), (26, 30)], layer=bench.drawing)
    buttons = {button.text(): button for button in viewer.window._qt_window.findChildren(QPushButton)}
    buttons["Commit"].click()
    settle()
    assert Store.open(store.path).latest(first) is not None
    buttons["Previous"].click()
    settle()
    assert bench.session.object_id == first


def test_an_arm_is_traced_with_clicks_dragged_by_a_point_and_widened_by_its_handle(desk):
    viewer, bench, _ = desk
    bench.tracer.snap = False
    key(viewer, "Q")
    for point in [(20, 15), (28, 30), (20, 45)]:
        click(viewer, point, layer=bench.tracer.points)
    assert len(bench.session.trace.points) == 3
    assert np.allclose(bench.session.trace.points, [(20, 15), (28, 30), (20, 45)], atol=0.3)
    drag(viewer, [(20, 45), (26, 50)], layer=bench.tracer.points)
    assert np.allclose(bench.session.trace.points[-1], (26, 50), atol=0.3)
    width = bench.session.trace.width_pixels
    y, x = bench.session.trace.width_handle()
    middle = bench.session.trace.path()
    away = np.array([y, x]) - middle[np.hypot(*(middle - (y, x)).T).argmin()]
    drag(viewer, [(y, x), tuple(np.array([y, x]) + 1.5 * away)], layer=bench.tracer.points)
    assert bench.session.trace.width_pixels > 1.5 * width
    seen = np.array(bench.tracer.preview.data)
    key(viewer, "Return")
    assert np.array_equal(bench.session.mask, seen)


def test_a_stroke_in_the_polar_view_lands_on_the_sky(desk):
    viewer, bench, _ = desk
    key(viewer, "Shift+Y")
    rows, columns = bench.drawing.data.shape
    bench.drawing.brush_size = 6
    drag(viewer, [(rows // 2, columns // 6), (rows // 2, columns // 3)], layer=bench.drawing)
    key(viewer, "Shift+Y")
    assert bench.drawing.data.shape == bench.session.cutout.image_shape
    assert bench.drawing.data.any()
    assert np.array_equal(bench.drawing.data, bench.session.mask)


def test_one_key_brings_the_model_s_guess_while_the_window_stays_alive(desk):
    viewer, bench, store = desk
    drag(viewer, [(10, 10), (25, 30)], layer=bench.drawing)
    by_hand = bench.session.mask
    bench.guesses.proposer = Guess(seconds=0.3)
    first = bench.session.object_id
    key(viewer, "G")
    assert bench.guesses.is_running
    until(lambda: not bench.guesses.is_running, "the guess")
    mask = bench.session.mask
    assert (mask[by_hand > 0] == by_hand[by_hand > 0]).all()
    assert (mask[32:40] == 1).all()
    key(viewer, "W")
    assert store_latest(store, first).origin == "corrected"


def store_latest(store, object_id):
    return Store.open(store.path).latest(object_id)


def test_a_guess_that_fails_is_a_sentence_and_the_drawing_stays(desk):
    from napari.utils.notifications import notification_manager

    viewer, bench, _ = desk
    drag(viewer, [(25, 10), (25, 30)], layer=bench.drawing)
    drawn = bench.session.mask

    class Broken:
        name = "broken"

        def propose(self, cutout):
            raise ValueError(f"{cutout.object_id}: trained on bands g r i, found z")

    bench.guesses.proposer = Broken()
    notification_manager.records.clear()
    key(viewer, "G")
    until(lambda: not bench.guesses.is_running, "the answer")
    assert any("trained on bands" in record.message for record in notification_manager.records)
    assert np.array_equal(bench.session.mask, drawn)


def test_closing_the_window_keeps_the_drawing_for_the_next_time(open_window, tmp_path):
    store = mock_store(tmp_path / "labels", number=3, size=64)
    viewer = open_window()
    open_desk(store=store.path, annotator="anna", viewer=viewer)
    bench = Workbench.last()
    bench.next_galaxy()
    here = bench.session.object_id
    drag(viewer, [(20, 15), (26, 30)], layer=bench.drawing)
    drawn = bench.session.mask
    viewer.close()
    settle(100)
    other = open_window()
    open_desk(store=store.path, annotator="anna", viewer=other)
    again = Workbench.last()
    assert again.session.object_id == here
    assert np.array_equal(again.drawing.data, drawn)
    again.session.close()


def test_the_plugin_s_own_menu_opens_a_dock_that_asks_for_a_store(window, tmp_path):
    from qtpy.QtWidgets import QPushButton

    from napari_flaxgal.widget import StoreChooser

    store = mock_store(tmp_path / "labels", number=2, size=64)
    _, dock = window.window.add_plugin_dock_widget("flaxgal", "Annotate spiral arms")
    chooser = dock.findChild(StoreChooser)
    chooser.store.setText(str(store.path))
    chooser.annotator.setText("ben")
    next(button for button in chooser.findChildren(QPushButton) if button.text() == "Open").click()
    settle()
    bench = Workbench.last()
    assert bench.session.annotator == "ben"
    assert bench.session.object_id
    bench.session.close()


def test_the_queue_is_a_list_that_shows_where_one_is_and_goes_where_one_clicks(desk):
    viewer, bench, _ = desk
    from napari_flaxgal.widget.queue_page import QueuePage

    page = viewer.window._qt_window.findChild(QueuePage)
    page.refresh()
    assert page.list.model().rowCount() == 5
    page.list.clicked.emit(page.list.model().index(3, 0))
    assert bench.session.object_id == bench.session.queue.ids[3]
    page.refresh()
    assert page.list.currentIndex().row() == 3


def test_keys_go_to_the_picture_also_after_clicks_in_the_dock(desk):
    viewer, bench, _ = desk
    from qtpy.QtCore import Qt
    from qtpy.QtTest import QTest

    from napari_flaxgal.widget.draw_page import DrawPage
    from napari_flaxgal.widget.queue_page import QueuePage

    key(viewer, "8")
    page = viewer.window._qt_window.findChild(QueuePage)
    page.refresh()
    for clicked in (page.list.viewport(), viewer.window._qt_window.findChild(DrawPage).band):
        QTest.mouseClick(clicked, Qt.MouseButton.LeftButton)
        QTest.keyClick(clicked, Qt.Key.Key_Escape)  # shuts the box again
        settle(50)
        here = bench.session.object_id
        focused = viewer.window._qt_window.focusWidget()
        QTest.keyClick(focused, Qt.Key.Key_N)
        settle(50)
        assert bench.session.object_id != here


def test_a_galaxy_that_somebody_added_meanwhile_can_be_jumped_to(desk, tmp_path):
    _, bench, store = desk
    more = mock_store(tmp_path / "more", number=6, size=64)
    added = list(more.galaxies())[-1]
    Store.open(store.path).add(more.cutout(added))
    bench.session.store.refresh()
    bench.open(added)
    assert bench.session.object_id == added
    bench.changed.emit()


def test_an_annotator_of_a_finished_pile_finds_it_open(open_window, tmp_path):
    store = mock_store(tmp_path / "labels", number=2, size=64)
    viewer = open_window()
    open_desk(store=store.path, annotator="anna", viewer=viewer)
    bench = Workbench.last()
    for _ in range(2):
        drag(viewer, [(20, 15), (26, 30)], layer=bench.drawing)
        key(viewer, "W")
    viewer.close()
    settle(100)
    other = open_window()
    open_desk(store=store.path, annotator="anna", viewer=other)
    assert Workbench.last().session.queue.show == "all"
    Workbench.last().session.close()
