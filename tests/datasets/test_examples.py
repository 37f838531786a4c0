import math

import numpy as np
import pytest

from flaxgal.datasets.examples import example_from_arrays, examples_from_store, store_provenance
from flaxgal.datasets.splits import split_of
from flaxgal.labels.revisions import UNCERTAIN, Revision
from flaxgal.labels.store import Store
from flaxgal.survey.cutout import Cutout, Unreadable


def a_cutout(object_id, *, shape=(32, 32), bands=("i",), planes=(), ra_deg=150.0):
    flux = 1 + np.random.default_rng(len(object_id)).random((len(bands), *shape)).astype(np.float32)
    masked = np.zeros(flux.shape, bool)
    masked[:, :4] = True
    return Cutout(
        object_id=object_id,
        flux=flux,
        bands=bands,
        unit="nJy",
        survey="HSC",
        ra_deg=ra_deg,
        dec_deg=2.0,
        mask_planes=dict.fromkeys(planes, masked),
    )


def labelled(store, cutout, mask=None, **changes):
    store.add(cutout)
    if mask is None:
        mask = np.zeros(cutout.image_shape, np.uint8)
        mask[8:12] = 1
    given = {"annotator": "anna", "origin": "drawn", "mask": mask, "cutout_sha256": cutout.sha256}
    return store.commit(Revision(object_id=cutout.object_id, **(given | changes)))


def built(store, *, bands=("grey",), classes=("arm",), image_size=32, **options):
    return list(examples_from_store(store, bands=bands, classes=classes, image_size=image_size, **options))


@pytest.fixture
def store(tmp_path):
    return Store.create(tmp_path / "labels")


def test_the_latest_revision_of_each_labelled_galaxy_becomes_an_example(store):
    cutout = a_cutout("g1")
    labelled(store, cutout)
    last = labelled(store, cutout, mask=np.ones((32, 32), np.uint8), annotator="bo")
    store.add(a_cutout("unlabelled"))
    (example,) = built(store)
    assert example.object_id == "g1"
    assert example.revision == last.revision_id
    assert (example.target == 255).all()
    assert (example.weight == 255).all()
    assert example.image.shape == (32, 32, 1)
    assert example.split == split_of("g1", 150.0, 2.0)
    counts = {"labelled": 1, "unlabelled": 1}
    assert store_provenance(store) == {"store_id": store.store_id, "labels": "latest"} | counts


def test_shrinking_a_mask_keeps_its_area_as_fractions(store):
    mask = np.zeros((48, 48), np.uint8)
    mask[10:17, 5:22] = 1
    labelled(store, a_cutout("g1", shape=(48, 48)), mask=mask)
    (example,) = built(store, image_size=20)
    assert example.target.sum() / 255 / 20**2 == pytest.approx(mask.mean(), rel=0.01)
    assert 0 < np.mean((example.target > 0) & (example.target < 255)) < 0.2


def test_padding_counts_nothing(store):
    labelled(store, a_cutout("g1", shape=(32, 16)))
    (example,) = built(store)
    assert (example.weight[:, 8:24] == 255).all()
    assert example.weight[:, :8].max() == example.weight[:, 24:].max() == 0
    assert example.image[:, :8].max() == example.target[:, :8].max() == 0


def test_uncertain_and_dead_pixels_count_nothing_but_saturated_ones_do(store):
    mask = np.zeros((32, 32), np.uint8)
    mask[20:24] = UNCERTAIN
    labelled(store, a_cutout("dead", planes=("NO_DATA", "SAT")), mask=mask)
    labelled(store, a_cutout("saturated", planes=("SAT",)), mask=mask)
    dead, saturated = built(store)
    assert dead.weight[:4].max() == dead.weight[20:24].max() == 0
    assert dead.weight[4:20].min() == 255
    assert saturated.weight[:4].min() == 255


def test_an_uncertain_neighbour_does_not_water_down_a_mark():
    """Two pixels become one: half of it is arm, the other half left out. What counts of it is all arm."""
    target = np.array([[1.0, 0.0], [1.0, 0.0]])[..., None]
    weight = np.array([[1.0, 0.0], [1.0, 0.0]])
    example = example_from_arrays(np.zeros((2, 2, 1), np.uint8), target, weight, object_id="x", image_size=1)
    assert example.target.item() == 255
    assert example.weight.item() == 128


def test_soft_votes_stay_soft(store):
    fraction = np.full((1, 32, 32), 0.4, np.float32)
    cutout = a_cutout("g1")
    labelled(store, cutout, mask=None)
    store.commit(
        Revision(
            object_id="g1", annotator="volunteers", origin="imported", fraction=fraction, cutout_sha256=cutout.sha256
        )
    )
    (example,) = built(store)
    assert (example.target == 102).all()


def test_several_classes_are_planes_in_the_order_asked_for(store):
    mask = np.zeros((32, 32), np.uint8)
    mask[:3], mask[10:20] = 1, 2
    labelled(store, a_cutout("g1"), mask=mask, classes=("arm", "bar"))
    (example,) = built(store, classes=("bar", "arm"))
    assert (example.target[..., 0].sum() // 255, example.target[..., 1].sum() // 255) == (320, 96)


def test_a_galaxy_that_cannot_serve_is_left_out_with_a_reason_and_the_rest_goes_on(store):
    labelled(store, a_cutout("arms-only", bands=("g", "r")))
    labelled(store, a_cutout("i-band-only"), classes=("arm", "bar"))
    labelled(store, a_cutout("fine", bands=("g", "r", "i")), classes=("arm", "bar"))
    results = {getattr(item, "name", "ok"): item for item in built(store, bands=("g", "r"), classes=("arm", "bar"))}
    assert isinstance(results["arms-only"], Unreadable)
    assert "marked arm, not bar" in results["arms-only"].reason
    assert "bands found are i, wanted g r" in results["i-band-only"].reason
    assert results["ok"].object_id == "fine"


def test_splits_may_be_chosen_by_hand(store):
    for number in range(3):
        labelled(store, a_cutout(f"g{number}", ra_deg=150.0 + number / 1000))
    assert [item.split for item in built(store, splits={"g1": "validation"})] == ["train", "validation", "train"]


def test_arrays_without_a_position_are_split_by_id():
    picture, target = np.zeros((8, 8, 1), np.uint8), np.zeros((8, 8, 1))
    example = example_from_arrays(picture, target, object_id="galaxy-7", image_size=8)
    assert example.split == split_of("galaxy-7") == "test"
    assert math.isnan(example.ra_deg)
    with pytest.raises(ValueError, match="give both on one pixel grid"):
        example_from_arrays(picture, np.zeros((9, 8, 1)), object_id="x", image_size=8)
