"""The order in which galaxies are offered, and which of them."""

from types import SimpleNamespace

import numpy as np
import pytest
from astropy.table import MaskedColumn, Table

from flaxgal.labels.notes import Note
from flaxgal.labels.queue import ORDERS, Order, make_queue, read_catalogue_columns
from flaxgal.labels.ranking import RankedGalaxy, Ranking
from flaxgal.labels.revisions import Revision
from flaxgal.labels.store import Store
from flaxgal.survey.cutout import Cutout


def a_cutout(object_id):
    flux = np.random.default_rng(sum(map(ord, object_id))).normal(size=(1, 8, 8)).astype(np.float32)
    return Cutout(object_id=object_id, flux=flux, bands=("i",), unit="nJy")


def label(store, object_id, annotator="anna"):
    cutout = store.cutout(object_id)
    mask = np.ones(cutout.image_shape, np.uint8)
    given = {"annotator": annotator, "origin": "drawn", "cutout_sha256": cutout.sha256, "mask": mask}
    return store.commit(Revision(object_id=object_id, **given))


@pytest.fixture
def store(tmp_path):
    """Galaxies a to h, of which anna labelled c, bo f."""
    store = Store.create(tmp_path / "labels")
    for name in "abcdefgh":
        store.add(a_cutout(name))
    label(store, "c")
    label(store, "f", "bo")
    return store


def a_ranking(**usefulness):
    rows = {name: RankedGalaxy(object_id=name, usefulness=value) for name, value in usefulness.items()}
    return Ranking(run="tiny", weights_sha256="0" * 64, rows=rows, ranking_id="7a7a")


def walked(queue, accept=None):
    """What somebody sees who presses next until the end."""
    seen, name = [], queue.after("", accept)
    while name is not None:
        seen.append(name)
        name = queue.after(name, accept)
    return seen


def walked_back(queue, accept=None):
    seen, name = [], queue.before("", accept)
    while name is not None:
        seen.append(name)
        name = queue.before(name, accept)
    return seen


def test_only_what_the_filter_asks_for_is_shown(store):
    shown = {
        show: "".join(make_queue(store, Order(), show, annotator="anna", disputes=["b", "f"]).ids)
        for show in ("all", "unlabelled", "disputed", "mine")
    }
    assert shown == {"all": "abcdefgh", "unlabelled": "abdegh", "disputed": "bf", "mine": "c"}


def test_a_galaxy_is_flagged_until_somebody_takes_the_flag_away(store):
    for name, annotator, kind in (("b", "anna", "flagged"), ("d", "bo", "flagged"), ("d", "anna", "unflagged")):
        store.note(Note(object_id=name, annotator=annotator, kind=kind))
    assert make_queue(store, Order(), "flagged").ids == ("b",)


def test_next_and_previous_walk_the_same_way_to_and_fro(store):
    for order in (Order(), Order(descending=True), Order(name="random", seed=3)):
        queue = make_queue(store, order)
        assert walked(queue) == list(queue.ids) == walked_back(queue)[::-1]
        assert [queue.position(name) for name in queue.ids] == list(range(6))


def test_a_galaxy_that_was_just_labelled_keeps_its_place(store):
    """A queue made again after a commit goes on behind the galaxy, and a galaxy that is not shown has neighbours."""
    for order in (Order(), Order(name="random", seed=1)):
        before = make_queue(store, order)
        here, following = before.ids[2], before.ids[3]
        label(store, here)
        again = make_queue(store, order)
        assert here not in again.ids
        assert again.position(here) is None
        assert again.after(here) == following
        assert again.before(here) == before.ids[1]


def test_a_random_order_is_that_of_its_seed_and_new_galaxies_move_nobody(store):
    queue = make_queue(store, Order(name="random", seed=5), "all")
    assert make_queue(Store.open(store.path), Order(name="random", seed=5), "all").ids == queue.ids
    assert make_queue(store, Order(name="random", seed=6), "all").ids != queue.ids
    for number in range(20):
        store.add(a_cutout(f"new-{number}"))
    later = make_queue(store, Order(name="random", seed=5), "all").ids
    assert tuple(name for name in later if not name.startswith("new")) == queue.ids
    assert later[:8] != queue.ids


def test_a_random_order_favours_no_place():
    """Over 400 seeds, each of five galaxies is first about as often as any other (chi-square of 4 degrees < 18.5)."""
    names = [f"3841{number}" for number in range(5)]
    store = SimpleNamespace(galaxies=lambda: dict.fromkeys(names), labelled=set)
    first = [make_queue(store, Order(name="random", seed=seed), "all").ids[0] for seed in range(400)]
    counts = np.array([first.count(name) for name in names])
    assert ((counts - 80) ** 2 / 80).sum() < 18.5


def test_galaxies_without_a_number_come_last_whichever_way_a_column_is_sorted(store):
    catalogue = {"z": {"a": 0.3, "b": -99.0, "d": 0.1, "e": float("nan"), "g": 0.2, "c": 0.0}}
    up = make_queue(store, Order(name="column", column="z"), "all", catalogue=catalogue)
    down = make_queue(store, Order(name="column", column="z", descending=True), "all", catalogue=catalogue)
    assert "".join(up.ids) == "cdga" + "befh"
    assert "".join(down.ids) == "agdc" + "befh"


def test_the_most_useful_galaxy_comes_first_and_the_revision_can_say_which_ranking_said_so(store):
    queue = make_queue(store, Order(name="usefulness"), ranking=a_ranking(a=0.2, b=0.9, g=0.5, d=float("nan")))
    assert "".join(queue.ids) == "bga" + "deh"
    assert queue.served_by == "usefulness 7a7a among unlabelled"


def test_discs_is_the_random_order_with_the_others_left_out(store):
    random = make_queue(store, Order(name="random", seed=2)).ids
    queue = make_queue(store, Order(name="discs", seed=2))
    assert queue.needs_accept
    asked = []

    def accept(name):
        asked.append(name)
        return name in "abg"

    assert walked(queue, accept) == [name for name in random if name in "abg"] == walked_back(queue, accept)[::-1]
    assert set(asked) == set(random)
    assert queue.served_by == "discs seed 2 among unlabelled"


def test_a_ranking_tells_the_discs_and_only_the_others_are_looked_at(store):
    rows = {name: RankedGalaxy(object_id=name, visible_disc=name in "ad") for name in "abde"}
    ranking = Ranking(run="tiny", weights_sha256="", rows=rows, ranking_id="7a7a")
    queue = make_queue(store, Order(name="discs"), ranking=ranking)
    assert set(queue.ids) == set("adgh")
    asked = []
    assert set(walked(queue, lambda name: asked.append(name) or name == "g")) == set("adg")
    assert set(asked) == {"g", "h"}
    everything = {name: RankedGalaxy(object_id=name, visible_disc=name in "ab") for name in "abcdefgh"}
    known = make_queue(store, Order(name="discs"), ranking=Ranking(run="tiny", weights_sha256="", rows=everything))
    assert not known.needs_accept
    assert set(walked(known)) == set("ab")


def test_labels_of_all_orders_differ():
    orders = [
        *(Order(name=name) for name in ORDERS if name != "column"),
        Order(descending=True),
        Order(name="random", seed=1),
        Order(name="column", column="z"),
        Order(name="column", column="z", descending=True),
    ]
    assert len({order.label for order in orders}) == len(orders)
    assert Order(name="random").label == "random seed 0"


def test_what_a_queue_lacks_is_said_in_a_sentence(store):
    with pytest.raises(ValueError, match="order 'best', expected one of id, random"):
        Order(name="best")
    with pytest.raises(ValueError, match="name a column of the catalogue"):
        Order(name="column")
    with pytest.raises(ValueError, match="one direction only"):
        Order(name="random", descending=True)
    with pytest.raises(ValueError, match="run flaxgal rank STORE"):
        make_queue(store, Order(name="usefulness"))
    with pytest.raises(ValueError, match="found no catalogue; give one by --catalogue"):
        make_queue(store, Order(name="column", column="z"))
    with pytest.raises(ValueError, match="column 'z' needs a catalogue with it, found sfr"):
        make_queue(store, Order(name="column", column="z"), catalogue={"sfr": {}})
    with pytest.raises(ValueError, match="who you are"):
        make_queue(store, Order(), "mine")
    with pytest.raises(ValueError, match="show 'mien', expected one of all, unlabelled"):
        make_queue(store, Order(), "mien")
    with pytest.raises(ValueError, match="must be told which galaxies show a disc"):
        make_queue(store, Order(name="discs")).after("a")
    with pytest.raises(ValueError, match="no galaxy 'z' in this queue"):
        make_queue(store, Order()).after("z")


def test_an_empty_queue_has_no_next(store):
    queue = make_queue(store, Order(), "disputed", disputes=[])
    assert len(queue) == 0
    assert {queue.after(), queue.before(), queue.after("a"), queue.before("a")} == {None}


def a_catalogue():
    z = MaskedColumn([0.1, -99.0, 0.3, 0.4], mask=[False, False, True, False])
    names = ["0041234567890123457", "a", "b", "c"]
    return Table({"object_id": names, "z": z, "spin": [1, -99, 3, 4], "class": ["S", "Z", "S", "S"]})


@pytest.mark.parametrize("ending", ["fits", "ecsv", "csv", "parquet", "txt", "vot"])
def test_a_catalogue_of_any_format_gives_its_numbers_by_ids_as_text(tmp_path, ending):
    table, path = a_catalogue(), tmp_path / f"catalogue.{ending}"
    formats = {"ecsv": "ascii.ecsv", "txt": "ascii.basic", "vot": "votable"}
    table.write(path, format=formats.get(ending, ending))
    columns = read_catalogue_columns(path)
    assert columns == {
        "z": {"0041234567890123457": 0.1, "c": 0.4},
        "spin": {"0041234567890123457": 1, "b": 3, "c": 4},
    }


def test_64_bit_ids_keep_every_digit_and_floats_are_refused(tmp_path):
    Table({"object_id": np.array([43158176442382597, 43158176442382599]), "z": [0.1, 0.2]}).write(tmp_path / "a.fits")
    assert set(read_catalogue_columns(tmp_path / "a.fits")["z"]) == {"43158176442382597", "43158176442382599"}
    Table({"object_id": np.array([4.3e16, 4.4e16]), "z": [0.1, 0.2]}).write(tmp_path / "b.fits")
    with pytest.raises(ValueError, match=r"b\.fits: object_id holds floats"):
        read_catalogue_columns(tmp_path / "b.fits")


def test_tables_that_cannot_serve_are_refused_in_a_sentence(tmp_path):
    with pytest.raises(ValueError, match=r"none\.csv: no such file"):
        read_catalogue_columns(tmp_path / "none.csv")
    Table({"id": ["a"], "z": [0.1]}).write(tmp_path / "a.csv")
    with pytest.raises(ValueError, match=r"a\.csv: no column object_id, found id, z"):
        read_catalogue_columns(tmp_path / "a.csv")
    Table({"object_id": ["a", "b", "a"], "z": [0.1, 0.2, 0.3]}).write(tmp_path / "b.csv")
    with pytest.raises(ValueError, match=r"b\.csv: object_id 'a' comes 2 times"):
        read_catalogue_columns(tmp_path / "b.csv")
    (tmp_path / "c.fits").write_bytes(b"SIMPLE  = nothing")
    with pytest.raises(ValueError, match=r"c\.fits: no table that astropy reads"):
        read_catalogue_columns(tmp_path / "c.fits")


@pytest.mark.parametrize("name", ORDERS)
def test_the_queue_of_76635_galaxies_holds_those_without_a_mask(name):
    names = [f"{43158176442382597 + 7919 * number}" for number in range(76_635)]
    store = SimpleNamespace(galaxies=lambda: dict.fromkeys(names), labelled=lambda: set(names[::3]))
    rows = {one: RankedGalaxy(object_id=one, usefulness=number % 977 / 977) for number, one in enumerate(names)}
    catalogue = {"z": {one: number % 313 / 100 for number, one in enumerate(names)}}
    order = Order(name=name, column="z" if name == "column" else "")
    queue = make_queue(store, order, catalogue=catalogue, ranking=Ranking(run="", weights_sha256="", rows=rows))
    second = queue.after(queue.after("", lambda name: True), lambda name: True)
    assert second in set(names) - store.labelled()
    assert len(queue) == 51_090
