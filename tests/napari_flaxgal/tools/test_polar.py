"""In the polar view arms are straight lines, and what is drawn there lands on exactly its pixels of the sky."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from napari_flaxgal.tools import PolarFrame, frame_of

FRAME = PolarFrame(centre=(30.3, 33.9), axis_ratio=0.6, position_angle=35.0, r_min=3.0, r_max=36.0, shape=(130, 486))
SKY = (64, 70)


def circular(one, other, period=180.0):
    return abs((one - other + period / 2) % period - period / 2)


def test_the_frame_of_a_mock_has_the_centre_and_the_tilt_of_its_disc(spirals):
    for spiral in spirals:
        frame = frame_of(spiral.cutout)
        assert np.hypot(*np.subtract(frame.centre, spiral.centre)) < 0.2
        assert frame.axis_ratio == pytest.approx(spiral.axis_ratio, abs=0.1)
        if spiral.axis_ratio < 0.85:
            assert circular(frame.position_angle, spiral.position_angle_deg) < 10


def test_the_frame_of_a_disc_without_arms_is_exact(armless, spirals):
    for cutout, spiral in zip(armless, spirals, strict=True):
        frame = frame_of(cutout)
        assert frame.axis_ratio == pytest.approx(spiral.axis_ratio, abs=0.02)
        if spiral.axis_ratio < 0.95:
            assert circular(frame.position_angle, spiral.position_angle_deg) < 2


def true_frame(spiral):
    """The view as it would be if the disc's tilt were known."""
    known = {"axis_ratio": spiral.axis_ratio, "position_angle": spiral.position_angle_deg, "centre": spiral.centre}
    return replace(frame_of(spiral.cutout), **known)


def pitch_of(frame, crest):
    """Pitch angle of the line fitted to an arm in the polar view, and the arm's largest distance from the line."""
    polar = frame.polar_path_of(crest)
    slope, start = np.polyfit(polar[:, 1], polar[:, 0], 1)
    bend = np.abs(polar[:, 0] - start - slope * polar[:, 1]).max() / np.ptp(polar[:, 0])
    return frame.pitch_angle_deg(slope, 1.0), bend


def test_an_arm_is_a_straight_line_that_rises_by_its_pitch_angle(spirals):
    """With the true tilt of the disc this is exact, and its sign tells which way the arm winds."""
    for spiral in spirals:
        for crest in spiral.crests:
            pitch, bend = pitch_of(true_frame(spiral), crest)
            assert pitch == pytest.approx(spiral.chirality * spiral.pitch_angle_deg, abs=0.2)
            assert bend < 0.01


def test_with_the_measured_tilt_arms_are_straight_and_rise_by_about_their_pitch_angle(spirals):
    found = [
        (pitch_of(frame_of(spiral.cutout), crest), spiral.chirality * spiral.pitch_angle_deg)
        for spiral in spirals
        for crest in spiral.crests
    ]
    errors = [abs(pitch - true) for (pitch, _), true in found]
    assert np.median(errors) < 1.5
    assert max(errors) < 6.0
    assert max(bend for (_, bend), _ in found) < 0.15


def test_the_arms_in_the_polar_picture_of_a_mask_have_the_true_pitch_angle(spirals):
    """Read off the picture itself: a line through the middles of the largest patch of arm, without its ends."""
    for spiral in spirals:
        frame = true_frame(spiral)
        parts, number = ndimage.label(frame.mask_to_polar(spiral.arm_mask))
        sizes = ndimage.sum_labels(np.ones_like(parts), parts, np.arange(1, number + 1))
        row, column = np.nonzero(parts == 1 + int(np.argmax(sizes)))
        columns = np.unique(column)
        columns = columns[len(columns) // 4 : -(len(columns) // 4)]
        middle = [row[column == c].mean() for c in columns]
        pitch = frame.pitch_angle_deg(np.polyfit(columns, middle, 1)[0], 1.0)
        assert pitch == pytest.approx(spiral.chirality * spiral.pitch_angle_deg, abs=5.0)


def test_cells_are_square_so_that_the_eye_sees_the_true_pitch_angle(spirals):
    frame = frame_of(spirals[0].cutout)
    assert frame.row_step == pytest.approx(frame.column_step, rel=1e-6)
    assert frame.pitch_angle_deg(1.0, 1.0) == pytest.approx(45.0)


def test_places_go_to_the_polar_view_and_back():
    points = np.random.default_rng(0).uniform(0, 60, (200, 2))
    np.testing.assert_allclose(FRAME.sky_of(FRAME.polar_of(points)), points, atol=1e-9)
    columns = FRAME.polar_of(points)[:, 1]
    assert columns.min() >= -0.5
    assert columns.max() < FRAME.turn - 0.5


def test_a_path_over_the_end_of_a_turn_goes_on_without_a_jump():
    circle = FRAME.sky_of(np.stack([np.full(90, 60.0), np.linspace(0, 2.2 * FRAME.turn, 90)], 1))
    columns = FRAME.polar_path_of(circle)[:, 1]
    np.testing.assert_allclose(np.diff(columns), 2.2 * FRAME.turn / 89, rtol=1e-6)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, bool])
def test_the_polar_view_shows_half_a_turn_twice(dtype):
    image = (np.random.default_rng(1).random(SKY) * 200).astype(dtype)
    polar = FRAME.to_polar(image, order=0)
    again = polar.shape[1] - FRAME.turn
    assert again == pytest.approx(0.5 * FRAME.turn, abs=1)
    np.testing.assert_array_equal(polar[:, FRAME.turn :], polar[:, :again])


def test_a_colour_picture_is_unrolled_channel_by_channel():
    picture = np.random.default_rng(2).integers(0, 256, (*SKY, 3), dtype=np.uint8)
    polar = FRAME.to_polar(picture)
    assert (polar.shape, polar.dtype) == ((*FRAME.shape, 3), np.uint8)
    for channel in range(3):
        np.testing.assert_array_equal(polar[..., channel], FRAME.to_polar(picture[..., channel]))


def test_linear_interpolation_gives_a_plane_back_exactly():
    y, x = np.indices(SKY, dtype=np.float32)
    places = FRAME.sky_of(np.indices(FRAME.shape, dtype=float).reshape(2, -1).T).T.reshape(2, *FRAME.shape)
    polar = FRAME.to_polar((2 * y - x).astype(np.float32))
    inside = (places[0] > 0) & (places[0] < SKY[0] - 1) & (places[1] > 0) & (places[1] < SKY[1] - 1)
    np.testing.assert_allclose(polar[inside], (2 * places[0] - places[1])[inside], atol=1e-3)
    assert np.isnan(polar[(places[0] < -1) | (places[1] > SKY[1])]).all()


def test_nothing_drawn_changes_nothing():
    mask = np.random.default_rng(3).integers(0, 3, SKY, dtype=np.uint8)
    polar = FRAME.mask_to_polar(mask)
    np.testing.assert_array_equal(FRAME.paint_sky(mask, polar, polar.copy()), mask)


def test_a_mask_drawn_anew_in_the_polar_view_is_the_same_mask_on_the_sky():
    """Every pixel that the view shows comes back; the others stay as they were."""
    mask = np.random.default_rng(4).integers(0, 3, SKY, dtype=np.uint8)
    empty = np.zeros_like(mask)
    drawn = FRAME.paint_sky(empty, FRAME.mask_to_polar(empty), FRAME.mask_to_polar(mask))
    radius = FRAME.r_min * np.exp(
        (FRAME.polar_of(np.indices(SKY, dtype=float).reshape(2, -1).T)[:, 0] + 0.5) * FRAME.row_step
    ).reshape(SKY)
    shown = (radius >= FRAME.r_min) & (radius < FRAME.r_max)
    assert shown.sum() > 1500
    np.testing.assert_array_equal(drawn, np.where(shown, mask, 0))


@settings(max_examples=60, deadline=None)
@given(
    row=st.integers(0, FRAME.shape[0] - 1),
    column=st.integers(0, FRAME.shape[1] - 1),
    height=st.integers(1, 40),
    width=st.integers(1, 60),
    value=st.sampled_from([0, 1, 2, 255]),
    seed=st.integers(0, 5),
)
def test_painting_cells_changes_exactly_their_pixels(row, column, height, width, value, seed):
    """A rectangle painted in the polar view changes a pixel if and only if its centre lies in a cell that changed."""
    mask = np.random.default_rng(seed).choice(np.array([0, 1, 255], np.uint8), SKY)
    before = FRAME.mask_to_polar(mask)
    after = before.copy()
    after[row : row + height, column : column + width] = value
    painted = FRAME.paint_sky(mask, before, after)
    cell = np.floor(FRAME.polar_of(np.indices(SKY, dtype=float).reshape(2, -1).T) + 0.5).astype(int)
    expected = mask.copy().ravel()
    touched = 0
    for index, (r, c) in enumerate(cell):
        copies = [k for k in (c, c + FRAME.turn) if k < FRAME.shape[1]]
        changed = [after[r, k] for k in copies if 0 <= r < FRAME.shape[0] and after[r, k] != before[r, k]]
        if changed:
            expected[index] = changed[0]
            touched += 1
    if touched:
        np.testing.assert_array_equal(painted.ravel(), expected)
    else:  # too thin for any pixel's centre: only pixels that the stroke runs through
        places = np.rint(FRAME.sky_of(np.argwhere(before != after).astype(float))).astype(int)
        allowed = np.zeros(SKY, bool)
        keep = ((places >= 0) & (places < SKY)).all(1)
        allowed[tuple(places[keep].T)] = True
        assert not (painted != mask)[~allowed].any()
        assert (painted[allowed] == value).all()


def test_in_a_coarse_view_a_cell_shows_the_pixel_that_it_paints():
    """Cells wider than pixels, as in very large galaxies: what counts is a pixel in the cell, not the nearest one."""
    coarse = replace(FRAME, shape=(40, 150))
    mask = np.random.default_rng(6).integers(0, 2, SKY, dtype=np.uint8)
    cell = np.floor(coarse.polar_of(np.indices(SKY, dtype=float).reshape(2, -1).T) + 0.5).astype(int)
    cell[:, 1] %= coarse.turn
    shown = (cell[:, 0] >= 0) & (cell[:, 0] < 40)
    places, first, number = np.unique(cell[shown], axis=0, return_index=True, return_counts=True)
    assert (number == 1).sum() > 300
    for start in (0, coarse.turn):
        alone = (number == 1) & (places[:, 1] + start < 150)
        polar = coarse.mask_to_polar(mask)[places[alone, 0], places[alone, 1] + start]
        np.testing.assert_array_equal(polar, mask.ravel()[shown][first[alone]])


def test_both_copies_of_a_place_paint_the_same_pixels():
    mask = np.zeros(SKY, np.uint8)
    before = FRAME.mask_to_polar(mask)
    results = []
    for left in (20, 20 + FRAME.turn):
        after = before.copy()
        after[60:90, left : left + 30] = 1
        results.append(FRAME.paint_sky(mask, before, after))
    assert results[0].sum() > 20
    np.testing.assert_array_equal(*results)


def test_a_single_cell_paints_at_least_a_pixel_wherever_the_view_shows_the_frame():
    mask = np.zeros(SKY, np.uint8)
    before = FRAME.mask_to_polar(mask)
    for row, column in ((0, 0), (5, 200), (60, 31), (100, 400)):
        after = before.copy()
        after[row, column] = 1
        assert FRAME.paint_sky(mask, before, after).sum() >= 1


def test_the_users_own_tilt_moves_the_cells_and_keeps_the_round_trip():
    mask = np.random.default_rng(5).integers(0, 2, SKY, dtype=np.uint8)
    tilted = replace(FRAME, axis_ratio=0.9, position_angle=120.0, centre=(28.0, 36.0))
    polar = tilted.mask_to_polar(mask)
    assert (polar != FRAME.mask_to_polar(mask)).any()
    empty = np.zeros_like(mask)
    drawn = tilted.paint_sky(empty, np.zeros_like(polar), polar)
    assert drawn.sum() > 300
    assert not (drawn & ~mask.astype(bool)).any()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"axis_ratio": 0.0}, "axis_ratio is 0.0; wanted a number from 0.05 to 1"),
        ({"r_min": 40.0}, "r_min is 40.0; wanted pixels above 0"),
        ({"centre": (float("nan"), 1.0)}, "centre is"),
        ({"shape": (1, 9)}, "at least 2 rows"),
    ],
)
def test_an_impossible_frame_is_refused_in_one_sentence(change, sentence):
    with pytest.raises(ValueError, match=sentence):
        replace(FRAME, **change)
