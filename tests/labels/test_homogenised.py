import dataclasses

import numpy as np
import pytest

from flaxgal.labels.homogenised import homogenise_labelled
from flaxgal.labels.revisions import UNCERTAIN, Revision
from flaxgal.labels.store import Store
from flaxgal.survey.cutout import Cutout
from flaxgal.survey.looks import HSC, SDSS


def a_labelled_galaxy():
    y, x = np.indices((100, 100)) - 49.5
    flux = 3000 * np.exp(-np.hypot(y, x) / 12) + np.random.default_rng(0).normal(0, 100, (100, 100))
    cutout = Cutout(
        object_id="a", flux=flux[None], bands=("r",), unit="nJy", pixel_scale_arcsec=0.396, ra_deg=10.0, dec_deg=2.0
    )
    mask = np.zeros((100, 100), np.uint8)
    mask[30:50, 20:60] = 1
    mask[60:70] = 2
    mask[80:] = UNCERTAIN
    revision = Revision(
        object_id="a",
        annotator="ann",
        origin="drawn",
        cutout_sha256=cutout.sha256,
        classes=("arm", "bar"),
        mask=mask,
        revision_id="abc",
    )
    return cutout, revision


def test_marks_follow_their_galaxy_into_another_look_and_into_a_store(tmp_path):
    cutout, drawn = a_labelled_galaxy()
    seen, marks = homogenise_labelled(cutout, drawn, HSC, source=SDSS, shrink=2.5)
    assert seen.image_shape == marks.image_shape == (64, 64)
    assert (marks.parent, marks.annotator, marks.classes) == ("abc", "ann", ("arm", "bar"))
    assert (marks.details["look"], marks.details["shrink"]) == ("HSC", 2.5)
    step = 0.168 * 2.5 / 0.396
    assert marks.target(["arm"]).sum() * step**2 == pytest.approx(20 * 40, rel=0.01)
    assert marks.weight()[32] == pytest.approx(1)
    assert not marks.weight()[63].any()
    store = Store.create(tmp_path / "store")
    store.add(seen)
    assert np.array_equal(store.revision(store.commit(marks).revision_id).fraction, marks.fraction, equal_nan=True)


def test_marks_on_other_pixels_are_refused():
    cutout, drawn = a_labelled_galaxy()
    with pytest.raises(ValueError, match="a: the mask was drawn on other pixels"):
        homogenise_labelled(cutout, dataclasses.replace(drawn, cutout_sha256="other"), HSC, source=SDSS, shrink=2.5)
