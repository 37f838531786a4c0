"""A labels layer saved from napari is a file that flaxgal and others read the right way up."""

import gzip
import io

import numpy as np
import pytest
from astropy.io import fits
from marked import SHAPE, galaxy, revision, sky_wcs
from npe2 import PluginManager, PluginManifest, io_utils
from PIL import Image
from stores import files_of

from flaxgal.labels.revisions import revision_from_fits
from flaxgal.labels.store import Store
from flaxgal.survey.cutout import read_cutout, write_cutout
from napari_flaxgal.layers import mask_layer, revision_layers
from napari_flaxgal.reader import get_reader
from napari_flaxgal.writer import write_labels


def test_a_mask_on_a_galaxy_is_saved_as_a_revision_with_the_wcs(tmp_path):
    cutout = galaxy()
    path = tmp_path / "mine.fits.gz"
    data, options, _ = mask_layer(revision().mask, cutout=cutout)
    assert write_labels(str(path), data, options) == [str(path)]
    kept = revision_from_fits(path.read_bytes(), path=path)
    np.testing.assert_array_equal(kept.mask, revision().mask)
    assert (kept.object_id, kept.origin, kept.cutout_sha256) == ("galaxy 1", "drawn", cutout.sha256)
    assert kept.classes == ("arm", "bar")
    assert kept.annotator
    header = fits.Header.fromfile(io.BytesIO(gzip.decompress(path.read_bytes())))
    assert header["CRVAL1"] == 150.0


def test_a_revision_that_was_opened_and_saved_names_its_parent_and_annotator(tmp_path):
    before = revision(revision_id="abc")
    data, options, _ = revision_layers(before, galaxy())[-1]
    write_labels(str(tmp_path / "again.fits.gz"), data, options)
    kept = revision_from_fits((tmp_path / "again.fits.gz").read_bytes(), path=tmp_path)
    assert (kept.annotator, kept.parent) == ("anna", "abc")


def test_what_was_saved_opens_again_as_it_was(tmp_path):
    path = tmp_path / "mine.fits.gz"
    data, options, _ = mask_layer(revision().mask, cutout=galaxy())
    write_labels(str(path), data, options)
    again, shown, kind = get_reader(str(path))(str(path))[-1]
    np.testing.assert_array_equal(again, data)
    np.testing.assert_allclose(shown["scale"], options["scale"])
    assert kind == "labels"


@pytest.mark.parametrize("ending", [".fits", ".fits.gz"])
@pytest.mark.parametrize("first_row", ["bottom", "top"])
def test_plain_fits_has_the_bottom_of_the_picture_first(tmp_path, ending, first_row):
    labels = np.zeros(SHAPE, np.int32)
    labels[0, 5] = 700
    _, options, _ = mask_layer(np.zeros(SHAPE, np.uint8), first_row=first_row)
    write_labels(str(tmp_path / f"mask{ending}"), labels, options)
    pixels = fits.getdata(tmp_path / f"mask{ending}")
    assert np.argwhere(pixels == 700).tolist() == [[0 if first_row == "bottom" else 23, 5]]


def test_plain_fits_of_a_mask_on_a_galaxy_has_its_wcs_and_fits_its_rows(tmp_path):
    data, options, _ = mask_layer(revision().mask, cutout=galaxy())
    write_labels(str(tmp_path / "mask.fits"), data, options)
    np.testing.assert_array_equal(fits.getdata(tmp_path / "mask.fits"), revision().mask)
    assert fits.getheader(tmp_path / "mask.fits")["CDELT2"] == sky_wcs().wcs.cdelt[1]


@pytest.mark.parametrize("first_row", ["bottom", "top"])
def test_a_png_has_the_top_of_the_picture_first(tmp_path, first_row):
    data, options, _ = mask_layer(revision().mask, first_row=first_row)
    write_labels(str(tmp_path / "mask.png"), data, options)
    pixels = np.asarray(Image.open(tmp_path / "mask.png"))
    np.testing.assert_array_equal(pixels, data if first_row == "top" else data[::-1])


@pytest.mark.parametrize("ending", [".png", ".fits"])
def test_a_saved_mask_comes_into_a_store_on_the_right_rows(tmp_path, ending):
    """The way round by `flaxgal store import`: an image and a mask file of the same name."""
    from flaxgal.labels.pairs import import_pairs

    for folder in ("images", "masks"):
        (tmp_path / folder).mkdir()
    cutout = galaxy()
    write_cutout(cutout, tmp_path / "images" / "one.fits")
    arms = np.where(revision().mask == 1, 1, 0).astype(np.uint8)
    data, options, _ = mask_layer(arms, cutout=cutout)
    write_labels(str(tmp_path / "masks" / f"one{ending}"), data, options)
    store = Store.create(tmp_path / "store")
    [pair] = import_pairs(store, tmp_path / "images", tmp_path / "masks", annotator="anna")
    np.testing.assert_array_equal(store.revision(pair.revision_id).mask, arms)


@pytest.mark.parametrize(
    ("name", "labels", "sentence"),
    [
        ("mask.jpg", np.zeros(SHAPE, np.uint8), "choose one of these endings"),
        ("mask.png", np.full(SHAPE, 300), "a PNG holds 0 to 255"),
        ("mask.fits", np.zeros((2, *SHAPE), np.uint8), "wanted one image"),
        ("mask.fits.gz", np.full(SHAPE, 9), "labels 9"),
        ("mask.fits.gz", np.zeros((4, 4), np.uint8), "the layer has 4 × 4 pixels, its galaxy galaxy 1 24 × 32"),
    ],
)
def test_what_cannot_be_saved_is_refused_and_leaves_no_file(tmp_path, name, labels, sentence):
    _, options, _ = mask_layer(revision().mask, cutout=galaxy())
    with pytest.raises(ValueError, match=sentence):
        write_labels(str(tmp_path / name), labels, options)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("through", ["itself", "a link"])
@pytest.mark.parametrize("ending", [".fits.gz", ".fits", ".png"])
def test_nothing_is_saved_inside_a_store_whose_files_never_change(tmp_path, ending, through):
    """File > Save onto a revision that was opened from a store replaced it: its name no longer fitted its content."""
    store = Store.create(tmp_path / "labels")
    store.add(galaxy())
    kept = store.commit(revision(cutout_sha256=galaxy().sha256))
    (path,) = (store.path / "revisions").rglob("*.fits.gz")
    onto = path if ending == ".fits.gz" else path.with_name(f"mask{ending}")
    if through == "a link":
        onto = tmp_path / f"link{ending}"
        onto.symlink_to(path)
    before = files_of(store)
    data, options, _ = mask_layer(np.zeros(SHAPE, np.uint8), cutout=galaxy())
    with pytest.raises(
        ValueError, match=r"in the label store .*labels, whose files never change: .* save it elsewhere"
    ):
        write_labels(str(onto), data, options)
    assert files_of(store) == before
    np.testing.assert_array_equal(store.revision(kept.revision_id).mask, revision().mask)


def test_a_revision_of_nobody_is_refused_in_a_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr("getpass.getuser", lambda: (_ for _ in ()).throw(OSError("no user")))
    data, options, _ = mask_layer(revision().mask, cutout=galaxy())
    with pytest.raises(ValueError, match=r"does not say who is logged in, .* draw in flaxgal's dock, or save as .fits"):
        write_labels(str(tmp_path / "mask.fits.gz"), data, options)


def test_napari_finds_the_writer_for_each_ending(tmp_path, monkeypatch):
    import napari_flaxgal

    manager = PluginManager()
    manager.register(PluginManifest.from_file(napari_flaxgal.__path__[0] + "/napari.yaml"))
    monkeypatch.setattr(PluginManager, "instance", lambda: manager)
    layer = mask_layer(revision().mask, cutout=galaxy())
    for ending in (".fits.gz", ".fits", ".png"):
        path = str(tmp_path / f"mask{ending}")
        written = io_utils._write(path, layer_data=[layer], plugin_name="flaxgal", _pm=manager)
        assert written == [path]
    np.testing.assert_array_equal(read_cutout(tmp_path / "mask.png").flux[0], revision().mask[::-1])
