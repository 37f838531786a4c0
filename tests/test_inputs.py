"""Whatever a user names gives its galaxies, each id once; what cannot be read is named."""

import math
import pickle
import shutil

import numpy as np
import pytest

from flaxgal.inputs import cutouts_from, sources_from
from flaxgal.labels.store import Store
from flaxgal.survey.cutout import Cutout, Unreadable, write_cutout


def a_galaxy(object_id, seed=0, **more):
    flux = np.random.default_rng(seed).normal(size=(1, 6, 7)).astype(np.float32)
    return Cutout(object_id=object_id, flux=flux, bands=("r",), unit="nJy", **more)


@pytest.fixture
def folder(tmp_path):
    """Galaxies f0 and f1 as files."""
    for number in range(2):
        write_cutout(a_galaxy(f"f{number}", number), tmp_path / "files" / f"f{number}.fits")
    return tmp_path / "files"


@pytest.fixture
def store(tmp_path):
    """Galaxies s0 and s1."""
    kept = Store.create(tmp_path / "labels")
    for number in range(2):
        kept.add(a_galaxy(f"s{number}", number))
    return kept


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory):
    """Galaxies d0, with a position, and d1, without."""
    from flaxgal.datasets.builders import Example, build_snapshot

    blank = {"target": np.zeros((8, 8, 1), np.uint8), "weight": np.full((8, 8), 255, np.uint8)}
    image = np.random.default_rng(0).integers(0, 255, (8, 8, 1)).astype(np.uint8)
    made = [
        Example(
            object_id=f"d{number}", survey="mock", image=image, split="train", ra_deg=ra, dec_deg=dec, revision="",
            truth={}, **blank,
        )
        for number, (ra, dec) in enumerate([(150.1, -2.5), (math.nan, math.nan)])
    ]  # fmt: skip
    return build_snapshot(made, tmp_path_factory.mktemp("snapshots"), bands=("grey",), classes=("arm",), image_size=8)


def ids(inputs):
    return [item.object_id for item in cutouts_from(inputs) if isinstance(item, Cutout)]


def test_stores_come_first_then_files_then_folders(folder, store):
    write_cutout(a_galaxy("alone", 7), folder.parent / "alone.fits")
    assert ids([folder, folder.parent / "alone.fits", store.path]) == ["s0", "s1", "alone", "f0", "f1"]


def test_an_id_in_two_inputs_comes_once(folder, store):
    store.add(a_galaxy("f1", 5))
    items = list(cutouts_from([folder, store.path]))
    assert [item.object_id for item in items if isinstance(item, Cutout)] == ["f1", "s0", "s1", "f0"]
    (left_out,) = [item for item in items if isinstance(item, Unreadable)]
    assert left_out.name == "f1"
    assert left_out.reason == (
        f"f1: found this id in {folder / 'f1.fits'}, and before in {store.path}; wanted one id a galaxy: "
        f"leave one of the two out, or give them different ids"
    )


def test_the_same_store_twice_gives_its_galaxies_once(store):
    assert ids([store.path, store.path]) == ["s0", "s1"]


def test_a_damaged_galaxy_of_a_store_is_named_and_the_rest_goes_on(store):
    next((store.path / "galaxies").rglob("s0.*.fits")).write_bytes(b"SIMPLE  =")
    left_out, fine = cutouts_from([store.path])
    assert isinstance(left_out, Unreadable)
    assert left_out.name == "s0"
    assert left_out.reason.startswith(f"s0 in {store.path}: ")
    assert isinstance(fine, Cutout)


@pytest.mark.parametrize("level", ["version", "versions"])
def test_a_snapshot_gives_pictures_with_their_places(snapshot, level):
    first, second = cutouts_from([snapshot if level == "version" else snapshot.parent])
    assert isinstance(first, Cutout)
    assert isinstance(second, Cutout)
    assert (first.object_id, first.unit, first.first_row) == ("d0", "picture", "top")
    assert (first.ra_deg, first.dec_deg) == (150.1, -2.5)
    assert (second.ra_deg, second.dec_deg) == (None, None)


def test_the_pixel_scale_goes_to_files(folder):
    items = list(cutouts_from([folder], pixel_scale_arcsec=0.2))
    assert [item.pixel_scale_arcsec for item in items if isinstance(item, Cutout)] == [0.2, 0.2]


def test_a_folder_that_holds_a_store_gives_its_own_files_only(folder, store):
    shutil.move(store.path, folder / "labels")
    assert ids([folder]) == ["f0", "f1"]


def test_a_source_read_elsewhere_gives_the_same_galaxy(folder, store, snapshot):
    direct = {item.object_id: item.sha256 for item in cutouts_from([folder, store.path, snapshot])}
    sources = pickle.loads(pickle.dumps(list(sources_from([folder, store.path, snapshot]))))
    assert [source.read().object_id for source in sources] == list(direct) == ["s0", "s1", "d0", "d1", "f0", "f1"]
    assert all(source.read().sha256 == direct[source.read().object_id] for source in sources)


def test_a_galaxy_added_to_a_store_after_it_was_first_read_is_found(store):
    next(sources_from([store.path])).read()
    Store.open(store.path).add(a_galaxy("s2", 2))
    assert [source.read().object_id for source in sources_from([store.path])] == ["s0", "s1", "s2"]


def test_a_stamp_changes_when_the_galaxy_is_written_again(folder, store):
    stamps = [source.stamp for source in sources_from([folder, store.path])]
    assert [source.stamp for source in sources_from([folder, store.path])] == stamps
    assert len(set(stamps)) == 4
    write_cutout(a_galaxy("f0", 9, ra_deg=1.0, dec_deg=1.0), folder / "f0.fits")
    again = [source.stamp for source in sources_from([folder, store.path])]
    assert [one == other for one, other in zip(stamps, again, strict=True)] == [True, True, False, True]
