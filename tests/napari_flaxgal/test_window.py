"""That the events of `windows.py` are those of a hand: napari's own brush, keys and buttons take them."""

import numpy as np
import pytest
from windows import click, drag, draw_stroke, hover, key, to_canvas, until


@pytest.fixture
def labels(window):
    """An empty mask of 64 × 48 pixels, with a brush of 5 pixels in the hand, over a picture."""
    window.add_image(np.zeros((64, 48), np.float32), contrast_limits=(0, 1))
    layer = window.add_labels(np.zeros((64, 48), np.uint8), name="mask")
    layer.brush_size, layer.mode, layer.selected_label = 5, "paint", 1
    window.reset_view()
    return layer


def test_a_stroke_of_the_mouse_paints_the_pixels_it_goes_over_and_no_others(window, labels):
    draw_stroke(window, labels, [(20, 10), (20, 35)])
    painted = labels.data == 1
    assert painted[18:23, 10:36].all()
    assert not painted[:17].any()
    assert not painted[24:].any()
    assert not painted[:, :7].any()
    assert not painted[:, 39:].any()


def test_a_stroke_round_a_corner_goes_through_the_corner(window, labels):
    drag(window, [(10, 10), (40, 10), (40, 30)], layer=labels)
    assert labels.data[[10, 25, 40, 40], [10, 10, 10, 30]].all()
    assert not labels.data[25, 20]


def test_the_mask_is_painted_where_it_was_meant_when_the_picture_is_scaled_turned_over_and_zoomed(window, labels):
    for layer in window.layers:
        layer.scale = (-0.168, 0.168)
    window.reset_view()
    getattr(window, "scene", window).camera.zoom *= 0.7
    click(window, (50, 12), layer=labels)
    y, x = np.nonzero(labels.data)
    assert (y.mean(), x.mean()) == pytest.approx((50, 12), abs=0.5)


def test_ctrl_z_takes_a_stroke_back_and_keys_change_the_tool(window, labels):
    draw_stroke(window, labels, [(20, 10), (20, 35)])
    key(window, "Ctrl+Z")
    assert not labels.data.any()
    key(window, "1")
    assert labels.mode == "erase"


def test_single_clicks_stay_single_and_a_double_click_closes_a_polygon(window, labels):
    window.layers.selection.active = labels
    labels.mode = "polygon"
    for corner in [(10, 10), (10, 40), (50, 40)]:
        click(window, corner)
    assert not labels.data.any()
    click(window, (50, 10), twice=True)
    assert labels.data[12:49, 12:39].all()
    assert not labels.data[:9].any()


def test_the_cursor_is_where_the_mouse_is(window, labels):
    window.layers.selection.active = labels
    hover(window, (31, 7))
    until(lambda: np.allclose(window.cursor.position, (31, 7), atol=0.2), "the cursor to arrive")


def test_a_point_outside_the_canvas_is_a_mistake_of_the_test(window, labels):
    _, y = to_canvas(window, (-500, 0), labels)
    assert y < 0
    with pytest.raises(AssertionError, match="outside the canvas"):
        click(window, (-500, 0), layer=labels)


@pytest.mark.parametrize("time", ["first", "second"])
def test_every_test_gets_an_empty_window(window, time):
    assert not window.layers
    window.add_image(np.zeros((8, 8)))
