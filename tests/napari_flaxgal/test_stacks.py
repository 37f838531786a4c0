"""A folder or a store of galaxies of many sizes is one stack with a slider."""

import numpy as np
import pytest
from marked import galaxy, revision
from napari.components import ViewerModel
from napari.layers import Layer

from flaxgal.labels.store import Store
from flaxgal.survey.cutout import write_cutout
from flaxgal.survey.display import lupton_rgb
from napari_flaxgal.layers import mask_layer
from napari_flaxgal.reader import get_reader


def open_folder(path):
    return get_reader(str(path))(str(path))


@pytest.fixture
def galaxies():
    small = np.zeros((3, 10, 12), np.float32)
    small[:, 0, 3] = 50
    return [galaxy(), galaxy(object_id="galaxy 2", flux=small, wcs=None)]


def test_a_folder_of_galaxies_of_many_sizes_is_one_stack(tmp_path, galaxies):
    for cutout in galaxies:
        write_cutout(cutout, tmp_path / f"{cutout.object_id}.fits")
    [(stack, options, kind)] = open_folder(tmp_path)
    assert (stack.shape, kind, options["rgb"]) == ((2, 24, 32, 3), "image", True)
    assert options["metadata"]["object_ids"] == ("galaxy 1", "galaxy 2")
    pictures = np.asarray(stack)
    np.testing.assert_array_equal(pictures[0], lupton_rgb(galaxies[0])[::-1])
    np.testing.assert_array_equal(pictures[1, 7:17, 10:22], lupton_rgb(galaxies[1])[::-1])
    assert pictures[1, :7].max() == 0
    viewer = ViewerModel()
    viewer.add_layer(Layer.create(stack, options, kind))
    assert viewer.dims.nsteps[0] == 2


def test_a_damaged_file_is_left_out_with_its_name(tmp_path, galaxies):
    write_cutout(galaxies[0], tmp_path / "one.fits")
    (tmp_path / "two.fits").write_bytes(b"SIMPLE  = nonsense")
    with pytest.warns(UserWarning, match=r"two\.fits"):
        [(stack, _, _)] = open_folder(tmp_path)
    assert len(stack) == 1


def test_a_folder_of_damaged_files_only_is_refused(tmp_path):
    (tmp_path / "two.fits").write_bytes(b"SIMPLE  = nonsense")
    with (
        pytest.warns(UserWarning, match=r"two\.fits"),
        pytest.raises(ValueError, match="no galaxy that can be read among 1 files"),
    ):
        open_folder(tmp_path)


def test_a_folder_without_images_is_left_to_other_plugins(tmp_path):
    assert get_reader(str(tmp_path)) is None
    (tmp_path / "notes.txt").write_text("nothing")
    assert get_reader(str(tmp_path)) is None


def test_a_store_is_a_stack_of_galaxies_and_of_their_latest_masks(tmp_path, galaxies):
    store = Store.create(tmp_path / "store")
    for cutout in galaxies:
        store.add(cutout)
    store.commit(revision(cutout_sha256=galaxies[0].sha256))
    (pictures, _, _), (marks, options, kind) = open_folder(tmp_path / "store")
    assert (pictures.shape, marks.shape, kind) == ((2, 24, 32, 3), (2, 24, 32), "labels")
    np.testing.assert_array_equal(np.asarray(marks[0]), revision().mask[::-1])
    assert not np.asarray(marks[1]).any()
    ViewerModel().add_layer(Layer.create(marks, options, kind))


def test_a_store_without_galaxies_says_how_to_add_some(tmp_path):
    Store.create(tmp_path / "store")
    with pytest.raises(ValueError, match="without galaxies; add some: flaxgal store add"):
        open_folder(tmp_path / "store")


def test_a_revision_in_a_store_opens_on_its_galaxy_and_elsewhere_alone(tmp_path, galaxies):
    store = Store.create(tmp_path / "store")
    store.add(galaxies[0])
    store.commit(revision(cutout_sha256=galaxies[0].sha256))
    [path] = (tmp_path / "store" / "revisions").glob("*/*.fits.gz")
    *below, (data, options, _) = open_folder(path)
    np.testing.assert_array_equal(data, revision().mask)
    assert options["metadata"]["cutout"].object_id == "galaxy 1"
    assert len(below) == 4
    elsewhere = tmp_path / "copy.fits.gz"
    elsewhere.write_bytes(path.read_bytes())
    [(alone, placed, _)] = open_folder(elsewhere)
    np.testing.assert_array_equal(alone, data)
    np.testing.assert_allclose(placed["scale"], mask_layer(data, cutout=galaxies[0])[1]["scale"])
