"""From stores, and from files and a table, to galaxies with classes: the same picture by every way."""

from dataclasses import replace

import jax
import numpy as np
import pytest
from astropy.table import Table
from astropy.wcs import WCS
from PIL import Image

from flaxgal.config import MockConfig
from flaxgal.datasets.class_sources import class_picture, classes_from_files, classes_from_store
from flaxgal.datasets.mocks import mock_class_examples
from flaxgal.datasets.morphology import build_class_snapshot
from flaxgal.datasets.splits import SPLITS, fold_rule, split_of
from flaxgal.labels.store import Store
from flaxgal.mock.cutouts import mock_cutouts
from flaxgal.mock.galaxy import render
from flaxgal.survey.class_tables import ClassTable, read_class_table
from flaxgal.survey.cutout import Cutout, Unreadable, read_cutout, write_cutout
from flaxgal.survey.display import to_picture
from flaxgal.survey.schemas import Labels

SPIRALS = MockConfig(image_size=32, class_fractions=(0.0, 0.0, 1.0), effective_radius_pixels=(8.0, 9.0))
KIND = {"bands": ("grey",), "image_size": 32}


def the_mocks(number=4):
    return list(mock_cutouts(SPIRALS, render(SPIRALS, jax.random.key(3), number)))


def a_table(**labels):
    return ClassTable(name="table.csv", vocabularies=("morphology",), labels=labels)


def picture_file(path, size=24, bands=1, seed=0):
    pixels = np.random.default_rng(seed).integers(1, 255, (size, size, bands), np.uint8)
    Image.fromarray(pixels[..., 0] if bands == 1 else pixels).save(path)
    return pixels


def test_a_z_wise_mock_is_the_same_picture_by_every_way(tmp_path):
    wanted = [example.image for example in mock_class_examples(SPIRALS, number=4, seed=3)]
    for cutout, seen in zip(the_mocks(), wanted, strict=True):
        mirrored_wcs = cutout.wcs.deepcopy()
        mirrored_wcs.wcs.cdelt = [-mirrored_wcs.wcs.cdelt[0], mirrored_wcs.wcs.cdelt[1]]
        mirrored_wcs.wcs.set()
        write_cutout(cutout, tmp_path / "usual.fits")
        write_cutout(replace(cutout, flux=cutout.flux[..., ::-1], wcs=mirrored_wcs), tmp_path / "mirrored.fits")
        Image.fromarray(to_picture(cutout)[::-1, :, 0]).save(tmp_path / "picture.png")
        for name in ("usual.fits", "mirrored.fits", "picture.png"):
            found = class_picture(read_cutout(tmp_path / name), ("grey",), 32).astype(int)
            assert np.abs(found - seen).max() <= 1, name  # sums over a mirrored array may round otherwise
            assert np.abs(found[:, ::-1] - seen).max() > 50


def test_a_store_gives_its_galaxies_with_what_a_table_says(tmp_path):
    store = Store.create(tmp_path / "labels")
    for cutout in the_mocks():
        store.add(cutout)
    names = list(store.galaxies())
    table = a_table(**{names[0]: Labels(morphology="E"), names[2]: Labels(winding="Z")})
    first, second, *others = classes_from_store(store, table, **KIND)
    assert [(one.name, one.reason) for one in others] == [
        (name, f"{name}: no row in table.csv") for name in (names[1], names[3])
    ]
    assert (first.object_id, first.labels.morphology, first.survey) == (names[0], "E", "mock")
    assert (second.object_id, second.labels.label("spiral")) == (names[2], "spiral")
    np.testing.assert_array_equal(first.image, class_picture(store.cutout(names[0]), ("grey",), 32))
    with pytest.raises(
        ValueError,
        match=r"table.csv: tells the class of no galaxy in .*labels; it has classes of other, and there are mock-",
    ):
        list(classes_from_store(store, a_table(other=Labels(morphology="E")), **KIND))


def test_a_galaxy_that_lacks_a_band_is_left_out_and_the_others_go_on(tmp_path):
    store = Store.create(tmp_path / "labels")
    for name, bands in (("a", ("r",)), ("b", ("g", "r"))):
        flux = 1 + np.random.default_rng(0).random((len(bands), 20, 20))
        store.add(Cutout(object_id=name, flux=flux, bands=bands, unit="nJy"))
    table = a_table(a=Labels(morphology="E"), b=Labels(morphology="E"))
    first, second = classes_from_store(store, table, bands=("g",), image_size=16)
    assert isinstance(first, Unreadable)
    assert "bands found are r" in first.reason
    assert second.object_id == "b"


def test_pictures_and_a_table_will_do_without_a_store(tmp_path):
    pixels = {
        name: picture_file(tmp_path / f"{name}.png", seed=seed)
        for seed, name in enumerate(("001", "002", "003", "004"))
    }
    (tmp_path / "classes.csv").write_text("OBJID,NAME\n001,Spiral_CW\n002,Elliptical\n004,Merger\n009,Elliptical\n")
    table = read_class_table(tmp_path / "classes.csv", column="NAME", vocabulary="galaxy_zoo_1")
    first, second, *others = classes_from_files([tmp_path], table, bands=("grey",), image_size=24)
    assert [one.reason for one in others] == ["003: no row in classes.csv", "004: class not known: NAME Merger"]
    assert [first.labels.winding, second.labels.winding] == ["Z", "none"]
    np.testing.assert_array_equal(first.image, pixels["001"])
    with pytest.raises(ValueError, match=r"no galaxy in .*003.png; it has classes of 001, 002, 009, and there are 003"):
        list(classes_from_files([tmp_path / "003.png"], table, bands=("grey",), image_size=24))


def test_a_table_of_files_names_is_answered_with_the_ids_that_their_headers_say(tmp_path):
    write_cutout(the_mocks(1)[0], tmp_path / "a.fits")
    sentence = r"it has classes of a, and there are mock-0-000000: .* a cutout's what its header says"
    with pytest.raises(ValueError, match=sentence):
        list(classes_from_files([tmp_path], a_table(a=Labels(morphology="E")), **KIND))


def test_pictures_of_other_bands_are_left_out_and_other_sizes_are_fitted(tmp_path):
    for name, size, bands in (("grey", 24, 1), ("large", 48, 3), ("small", 12, 3)):
        picture_file(tmp_path / f"{name}.png", size, bands)
    table = a_table(**dict.fromkeys(("grey", "large", "small"), Labels(morphology="E")))
    first, *others = classes_from_files([tmp_path], table, bands=("red", "green", "blue"), image_size=24)
    assert isinstance(first, Unreadable)
    assert "bands found are grey, wanted red green blue" in first.reason
    assert [one.image.shape for one in others] == [(24, 24, 3)] * 2


def test_a_crop_keeps_the_middle(tmp_path):
    pixels = picture_file(tmp_path / "a.png", 40)
    table = a_table(a=Labels(morphology="E"))
    (example,) = classes_from_files([tmp_path / "a.png"], table, bands=("grey",), image_size=20, crop=0.5)
    np.testing.assert_array_equal(example.image, pixels[10:30, 10:30])
    for crop in (0.0, 1.5):
        with pytest.raises(ValueError, match="the share of the frame to keep, above 0 and up to 1"):
            list(classes_from_files([tmp_path / "a.png"], table, bands=("grey",), image_size=20, crop=crop))


def test_twins_on_the_sky_go_into_one_split_in_every_fold(tmp_path):
    rng = np.random.default_rng(0)
    rows = []
    for number in range(12):
        ra, dec = rng.uniform(0, 360), rng.uniform(-60, 60)
        for twin, shift in (("a", 0.0), ("b", 1 / 3600)):
            rows.append((f"{number:02d}{twin}", ra, dec + shift, "E"))
            picture_file(tmp_path / f"{number:02d}{twin}.png", 8, seed=number)
    Table(rows=rows, names=["id", "ra", "dec", "morphology"]).write(tmp_path / "classes.ecsv")
    table = read_class_table(tmp_path / "classes.ecsv")
    tested = []
    for fold in range(3):
        examples = classes_from_files([tmp_path], table, bands=("grey",), image_size=8, rule=fold_rule(fold, 3))
        split_of = {example.object_id: example.split for example in examples}
        assert len(split_of) == 24
        assert all(split_of[f"{number:02d}a"] == split_of[f"{number:02d}b"] for number in range(12))
        tested += [name for name, split in split_of.items() if split == "test"]
    assert sorted(tested) == sorted(name for name, *_ in rows)  # each once


def at(path, ra_deg, dec_deg):
    """A file of light with a WCS that says where it is."""
    wcs = WCS(naxis=2)
    wcs.wcs.ctype, wcs.wcs.crval, wcs.wcs.crpix = ["RA---TAN", "DEC--TAN"], [ra_deg, dec_deg], [4.5, 4.5]
    wcs.wcs.cdelt = [-1e-4, 1e-4]
    light = np.random.default_rng(0).random((1, 8, 8)).astype(np.float32)
    write_cutout(Cutout(object_id=path.name.split(".")[0], flux=light, bands=("i",), unit="nJy", wcs=wcs), path)


def across_an_edge():
    """Two positions 1 arcsec apart, with the edge of a cell of sky that is in another split between them."""
    step = 1 / 3600
    for row in range(900, 1700):
        south, north = row * 0.1 - 90 - step / 2, row * 0.1 - 90 + step / 2
        if split_of("", 10.0, south) != split_of("", 10.0, north):
            return (10.0, south), (10.0, north)
    raise AssertionError("no such edge")


def test_twins_whose_own_files_say_where_they_are_go_into_one_split_too(tmp_path):
    one, other = across_an_edge()
    at(tmp_path / "a.fits", *one)
    at(tmp_path / "b.fits", *other)
    table = a_table(a=Labels(morphology="E"), b=Labels(morphology="E"))
    first, second = classes_from_files([tmp_path], table, bands=("grey",), image_size=8)
    assert first.split == second.split == split_of("a", *one)
    assert (first.ra_deg, first.dec_deg) == pytest.approx(one)


def test_galaxies_of_another_snapshot_keep_its_split(tmp_path):
    at(tmp_path / "there.fits", 10.0, 5.0)
    at(tmp_path / "here.fits", 10.0, 5.0 + 1 / 3600)
    picture_file(tmp_path / "named.png", 8)
    usual, named = split_of("", 10.0, 5.0), split_of("named")
    others = {
        "there": next(one for one in SPLITS if one != usual),
        "named": next(one for one in SPLITS if one != named),
    }
    kind = {"bands": ("grey",), "image_size": 8}
    table = a_table(**dict.fromkeys(others, Labels(morphology="E")))
    examples = classes_from_files([tmp_path], table, **kind)
    there = [one if isinstance(one, Unreadable) else replace(one, split=others[one.object_id]) for one in examples]
    snapshot = build_class_snapshot(there, tmp_path / "sets", **kind)
    table = a_table(**dict.fromkeys(("here", "named"), Labels(morphology="E")))
    examples = classes_from_files([tmp_path], table, agree_with=[snapshot], **kind)
    found = {one.object_id: one.split for one in examples if not isinstance(one, Unreadable)}
    assert found == {"here": others["there"], "named": others["named"]}


def test_folds_of_a_store_change_nothing_that_it_has_written_down(tmp_path):
    store = Store.create(tmp_path / "labels")
    for cutout in the_mocks():
        store.add(cutout)
    table = a_table(**dict.fromkeys(store.galaxies(), Labels(morphology="Sp")))
    usual = {one.object_id: one.split for one in classes_from_store(store, table, **KIND)}
    tested = [
        one.object_id
        for fold in range(4)
        for one in classes_from_store(store, table, **KIND, rule=fold_rule(fold, 4))
        if one.split == "test"
    ]
    assert sorted(tested) == sorted(usual)
    assert {one.object_id: one.split for one in classes_from_store(store, table, **KIND)} == usual
