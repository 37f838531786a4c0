import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from flaxgal.datasets.builders import build_snapshot
from flaxgal.datasets.examples import examples_from_store
from flaxgal.datasets.loader import load_split
from flaxgal.labels.pairs import ImportedPair, import_pairs
from flaxgal.labels.revisions import Revision
from flaxgal.labels.store import Store
from flaxgal.survey.cutout import Unreadable, read_cutout


def test_labelled_panels_become_a_snapshot_with_folds_chosen_by_hand(real_data, tmp_path):
    panels = real_data / "panels"
    store = Store.create(tmp_path / "labels")
    results = list(import_pairs(store, panels / "images", panels / "masks", annotator="makers"))
    with (panels / "panels.csv").open() as file:
        rows = {row["id"]: row for row in csv.DictReader(file)}
    unlabelled = {name for name, row in rows.items() if row["role"] == "unlabelled"}
    assert {Path(item.name).stem for item in results if isinstance(item, Unreadable)} == unlabelled
    assert sum(isinstance(item, ImportedPair) for item in results) == len(rows) - len(unlabelled)

    splits = {name: "test" if row["fold"] == "0" else "train" for name, row in rows.items()}
    examples = examples_from_store(store, bands=("grey",), classes=("arm",), image_size=64, splits=splits)
    folder = build_snapshot(examples, tmp_path, bands=("grey",), classes=("arm",), image_size=64)
    held_out = load_split(folder, "test")
    assert set(held_out.object_id) == {name for name in store.galaxies() if splits[name] == "test"}
    for name, image, target in zip(held_out.object_id, held_out.image, held_out.target, strict=True):
        np.testing.assert_array_equal(image[..., 0], np.asarray(Image.open(panels / "images" / f"{name}.png")))
        drawn = np.asarray(Image.open(panels / "masks" / f"{name}.png"))
        np.testing.assert_array_equal(target[..., 0] > 127, drawn > 127)


@pytest.mark.parametrize("bands", [("grey",), ("r",)])
def test_an_hsc_coadd_goes_through_the_store_into_an_example(real_data, tmp_path, bands):
    path = next((real_data / "hsc").glob("cutout-HSC-R-9071-*.fits"))
    cutout = read_cutout(path, bands=["r"])
    store = Store.create(tmp_path / "labels")
    store.add(cutout)
    mask = np.zeros(cutout.image_shape, np.uint8)
    mask[200:240, 180:300] = 1
    store.commit(
        Revision(object_id=cutout.object_id, mask=mask, annotator="anna", origin="drawn", cutout_sha256=cutout.sha256)
    )
    (example,) = examples_from_store(store, bands=bands, classes=("arm",), image_size=64)
    assert isinstance(example.object_id, str)
    scale = (64 / max(cutout.image_shape)) ** 2
    assert example.target.sum() / 255 == pytest.approx(mask.sum() * scale, rel=0.05)
    assert example.image.max() > 100
    assert np.isfinite([example.ra_deg, example.dec_deg]).all()
