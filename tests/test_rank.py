"""Which galaxies a model would learn most from: what the numbers are, what is ranked, and what a killed call leaves."""

import dataclasses
import itertools
import math
from pathlib import Path

import jax
import numpy as np
import pytest
from astropy.table import Table
from flax import nnx

from flaxgal import checkpoint
from flaxgal.config import TrainConfig, UNetConfig, to_json
from flaxgal.labels.queue import Order, make_queue
from flaxgal.labels.ranking import (
    RankedGalaxy,
    Ranking,
    keep_ranking,
    newest_ranking,
    ranking_from_ecsv,
    ranking_to_ecsv,
)
from flaxgal.labels.revisions import Revision
from flaxgal.labels.store import Store
from flaxgal.labels.verify import verify
from flaxgal.measure.disc import central_galaxy
from flaxgal.models.unet import UNet
from flaxgal.predict import PredictConfig, predict_cutouts
from flaxgal.rank import rank, usefulness
from flaxgal.survey.cutout import Cutout, Unreadable

MODEL = UNetConfig(image_size=16, widths=(4, 8), blocks=(1,), dropout=(0.0,))


def a_run(folder: Path, *, seed: int = 3, model: UNetConfig = MODEL) -> Path:
    """A run folder as training leaves it, with weights that make a map of some contrast."""
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(to_json(TrainConfig(name="tiny", model=model)))
    network = UNet(model, nnx.Rngs(params=seed))
    nnx.update(network, jax.tree.map(lambda leaf: 3 * leaf, nnx.state(network)))
    checkpoint.save(folder, "best", 7, {"average": network})
    return folder


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return a_run(tmp_path_factory.mktemp("runs") / "tiny")


def galaxy(number: int, bands: tuple[str, ...] = ("i",)) -> Cutout:
    rng = np.random.default_rng(number)
    y, x = np.mgrid[:24, :24] - 11.5
    light = 60 * np.exp(-np.hypot(x, y / rng.uniform(0.6, 1)) / rng.uniform(2.5, 4)) + rng.normal(size=(24, 24))
    flux = np.stack([light] * len(bands)).astype(np.float32)
    return Cutout(object_id=f"g{number}", flux=flux, bands=bands, unit="nJy")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Five galaxies of which g2 is labelled."""
    store = Store.create(tmp_path / "labels")
    for number in range(5):
        store.add(galaxy(number))
    label(store, "g2")
    return store


def label(store: Store, object_id: str) -> None:
    cutout = store.cutout(object_id)
    mask = np.zeros(cutout.image_shape, np.uint8)
    given = {"annotator": "anna", "origin": "drawn", "cutout_sha256": cutout.sha256, "mask": mask}
    store.commit(Revision(object_id=object_id, **given))


def test_entropy_is_one_bit_where_the_model_tosses_a_coin_and_none_where_it_is_sure() -> None:
    light = np.ones((4, 4))
    for p, bits in ((0.5, 1.0), (0.0, 0.0), (1.0, 0.0), (0.11, 0.4999)):
        assert usefulness(np.full((4, 4), p), light) == pytest.approx(bits, abs=1e-4)
    assert usefulness(np.full((4, 4), 0.2), light) == pytest.approx(usefulness(np.full((4, 4), 0.8), light))


def test_only_the_galaxys_own_light_counts_and_by_its_brightness() -> None:
    probability, light = np.zeros((4, 4)), np.zeros((4, 4))
    probability[0] = 0.5  # doubt where there is no light of the galaxy's
    light[1], light[2] = 3.0, 1.0
    assert usefulness(probability, light) == pytest.approx(0, abs=1e-6)
    probability[2] = 0.5
    assert usefulness(probability, light) == pytest.approx(0.25)
    probability[1] = np.nan  # no picture there
    assert usefulness(probability, light) == pytest.approx(1)
    assert math.isnan(usefulness(probability, np.zeros((4, 4))))


def test_every_unlabelled_galaxy_is_ranked_by_the_entropy_of_the_mean_over_turned_pictures(
    run_folder: Path, store: Store
) -> None:
    *rows, ranking = rank(run_folder, store)
    assert [row.object_id for row in rows] == ["g0", "g1", "g3", "g4"]
    assert isinstance(ranking, Ranking)
    assert list(ranking.rows.values()) == rows
    run, cutout = checkpoint.load_run(run_folder), store.cutout("g3")
    (prediction,) = predict_cutouts(run, [cutout], config=PredictConfig(orientations=8))
    expected = usefulness(prediction.arm_probability, central_galaxy(cutout).light)
    assert ranking.rows["g3"].usefulness == pytest.approx(expected, rel=1e-5)
    assert 0 < expected < 1
    assert len({row.usefulness for row in rows}) == 4


def test_a_turned_galaxy_is_as_useful(run_folder: Path, store: Store) -> None:
    turned = galaxy(0)
    flux = np.ascontiguousarray(np.rot90(turned.flux, 1, (1, 2)))
    store.add(dataclasses.replace(turned, object_id="turned", flux=flux))
    *_, ranking = rank(run_folder, store)
    assert ranking.rows["turned"].usefulness == pytest.approx(ranking.rows["g0"].usefulness, rel=1e-3)


def test_the_ranking_is_a_table_in_the_store_that_the_queue_sorts_by(run_folder: Path, store: Store) -> None:
    *_, ranking = rank(run_folder, store, orientations=2)
    opened = Store.open(store.path)
    assert newest_ranking(opened) == ranking
    (path,) = opened.rankings()
    assert ranking.ranking_id in path.name
    table = Table.read(path)
    assert (table.meta["run"], table.meta["orientations"]) == ("tiny", 2)
    assert str(table["usefulness"].unit) == "bit"
    assert all(table[name].description for name in table.colnames)
    assert list(np.diff(table["usefulness"]) <= 0) == [True] * 3
    queue = make_queue(opened, Order(name="usefulness"), ranking=newest_ranking(opened))
    assert list(queue.ids) == list(table["object_id"])
    assert queue.served_by == f"usefulness {ranking.ranking_id} among unlabelled"
    assert not list((store.path / "index").glob("ranking-*"))  # nothing half done is left


def test_a_killed_call_goes_on_where_it_stopped(
    run_folder: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    *_, expected = rank(run_folder, store)
    (expected_path,) = store.rankings()
    expected_path.unlink()
    started = rank(run_folder, store)
    some = list(itertools.islice(started, 2))
    started.close()
    (partial,) = (store.path / "index").glob("ranking-*")
    assert not list(verify(store.path))
    partial.write_text(partial.read_text() + '{"object_id": "g4", "usef')  # torn
    asked: list[str] = []
    cutout = Store.cutout
    monkeypatch.setattr(Store, "cutout", lambda self, name: asked.append(name) or cutout(self, name))
    *rows, ranking = rank(run_folder, Store.open(store.path))
    assert rows[:2] == some
    assert asked == ["g3", "g4"]
    for name, row in expected.rows.items():
        assert ranking.rows[name].usefulness == pytest.approx(row.usefulness, rel=1e-6)


def test_rows_of_other_weights_are_not_gone_on_with(run_folder: Path, store: Store, tmp_path: Path) -> None:
    next(iter(rank(run_folder, store)))
    *rows, other = rank(a_run(tmp_path / "other" / "tiny", seed=8), store)
    assert len(rows) == 4
    *_, first = rank(run_folder, store)
    assert first.weights_sha256 != other.weights_sha256
    assert first.rows["g0"].usefulness != pytest.approx(other.rows["g0"].usefulness, rel=1e-3)
    assert newest_ranking(store) == first


def test_galaxies_that_cannot_be_ranked_are_named_and_the_rest_goes_on(store: Store, tmp_path: Path) -> None:
    for number in (10, 11):
        store.add(galaxy(number, ("g", "r")))
    damaged = next((store.path / "galaxies").rglob("g10.*"))
    damaged.write_bytes(b"damaged")
    model = dataclasses.replace(MODEL, bands=("g", "r"))
    items = list(rank(a_run(tmp_path / "colour", model=model), store))
    left_out = {item.name: item.reason for item in items if isinstance(item, Unreadable)}
    assert set(left_out) == {"g0", "g1", "g3", "g4", "g10"}
    assert "bands found are i, wanted g r" in left_out["g0"]
    assert damaged.name in left_out["g10"]
    assert list(items[-1].rows) == ["g11"]


def test_a_frame_without_a_galaxy_has_no_usefulness(run_folder: Path, store: Store) -> None:
    noise = np.random.default_rng(1).normal(size=(1, 24, 24)).astype(np.float32)
    store.add(Cutout(object_id="nothing", flux=noise, bands=("i",), unit="nJy"))
    *_, ranking = rank(run_folder, store)
    row = ranking.rows["nothing"]
    assert math.isnan(row.usefulness)
    assert (row.visible_disc, row.own_light_pixels) == (False, 0)
    assert make_queue(store, Order(name="usefulness"), ranking=ranking).ids[-1] == "nothing"


def test_what_cannot_be_ranked_at_all_is_said_in_a_sentence(run_folder: Path, store: Store, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not a run folder"):
        next(iter(rank(tmp_path / "nowhere", store)))
    for name in store.galaxies():
        label(store, name)
    with pytest.raises(ValueError, match="every galaxy is labelled"):
        next(iter(rank(run_folder, store)))
    assert newest_ranking(store) is None


def test_a_ranking_comes_back_from_its_table_as_it_was(store: Store) -> None:
    names = ["00123", "43158176442382597", "Zoë (b)", "x,y", "nan"]
    values = [0.1, 0.123456789012345, math.nan, 1.0, 0.5]
    discs = [True, False, None, True, None]
    rows = {
        name: RankedGalaxy(object_id=name, usefulness=value, visible_disc=disc, own_light_pixels=7)
        for name, value, disc in zip(names, values, discs, strict=True)
    }
    ranking = Ranking(run="arms 3", weights_sha256="ab" * 32, rows=rows)
    kept = keep_ranking(store, ranking)
    back = newest_ranking(store)
    assert back is not None
    assert {name: repr(row) for name, row in back.rows.items()} == {name: repr(row) for name, row in rows.items()}
    assert (back.run, back.created_utc, back.ranking_id) == (ranking.run, ranking.created_utc, kept.ranking_id)
    assert ranking_to_ecsv(back) == ranking_to_ecsv(ranking)
    assert keep_ranking(store, Ranking(run="empty", weights_sha256="")).rows == {}


def test_a_damaged_ranking_is_named(store: Store) -> None:
    keep_ranking(store, Ranking(run="arms", weights_sha256=""))
    (path,) = store.rankings()
    path.write_bytes(path.read_bytes()[:-3] + b"xyz")
    with pytest.raises(ValueError, match="damaged"):
        newest_ranking(store)
    with pytest.raises(ValueError, match=r"a\.b\.ecsv: found no ranking in it"):
        ranking_from_ecsv(b"# %ECSV 1.0\n", path=Path("a.b.ecsv"))
