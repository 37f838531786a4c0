import numpy as np
import pytest

from flaxgal.datasets.builders import build_snapshot, open_snapshot, read_examples
from flaxgal.datasets.examples import examples_from_store, store_provenance
from flaxgal.datasets.looking import in_look, look_named
from flaxgal.datasets.rebuild import rebuild_snapshot
from flaxgal.labels.revisions import Revision
from flaxgal.labels.store import Store
from flaxgal.survey.cutout import Cutout, Unreadable
from flaxgal.survey.looks import HSC

KIND = {"bands": ("grey",), "classes": ("arm",), "image_size": 64}


def a_picture(object_id, survey, side, number):
    """A disc as Galaxy Zoo: 3D or HSC would draw it, with one arm-like block marked."""
    y, x = np.indices((side, side)) - (side - 1) / 2
    grey = 250 * np.arcsinh(16 * np.exp(-np.hypot(y, x) / (side / 8))) / np.arcsinh(16)
    flux = np.clip(np.rint(grey + np.random.default_rng(number).normal(4, 2, grey.shape)), 0, 255)
    scale = {"GZ3D": 0.099, "HSC": 0.168}.get(survey)
    return Cutout(
        object_id=object_id,
        flux=flux[None],
        bands=("grey",),
        unit="picture",
        survey=survey,
        pixel_scale_arcsec=scale,
        ra_deg=10.0 * number,
        dec_deg=3.03,
    )


@pytest.fixture
def store(tmp_path):
    """A galaxy each of GZ3D, HSC and a survey whose seeing nobody knows."""
    store = Store.create(tmp_path / "labels")
    for number, (survey, side) in enumerate({"GZ3D": 260, "HSC": 64, "other": 64}.items()):
        cutout = a_picture(survey.lower(), survey, side, number)
        mask = np.zeros((side, side), np.uint8)
        mask[side // 4 : side // 2] = 1
        store.add(cutout)
        given = {"origin": "drawn", "cutout_sha256": cutout.sha256, "mask": mask}
        store.commit(Revision(object_id=cutout.object_id, annotator="anna", **given))
    return store


def by_id(store, **options):
    return {
        getattr(item, "object_id", None) or item.name: item for item in examples_from_store(store, **KIND, **options)
    }


def test_galaxies_of_other_surveys_come_in_the_look_and_its_own_as_they_are(store):
    plain, seen = by_id(store), by_id(store, look="HSC")
    np.testing.assert_array_equal(seen["hsc"].image, plain["hsc"].image)
    np.testing.assert_array_equal(seen["hsc"].target, plain["hsc"].target)
    assert not np.array_equal(seen["gz3d"].image, plain["gz3d"].image)
    assert isinstance(seen["other"], Unreadable)
    assert "give source, the look of its survey" in seen["other"].reason


def test_marks_and_weights_come_along(store):
    seen, plain = by_id(store, look="HSC")["gz3d"], by_id(store)["gz3d"]
    assert seen.target.mean() == pytest.approx(plain.target.mean(), rel=0.05)
    assert seen.target[20, 32, 0] == 255
    assert seen.target[40, 32, 0] == 0
    assert (seen.weight[2:-2, 2:-2] == 255).all()


def test_uncertain_pixels_dilute_no_mark():
    cutout = a_picture("a", "GZ3D", 260, 0)
    share, weight = np.ones((1, 260, 260), np.float32), np.ones((260, 260), np.float32)
    weight[:130] = 0.25
    _, seen, counts = in_look(cutout, share, weight, HSC)
    np.testing.assert_allclose(seen[0][counts > 0], 1, atol=1e-5)
    assert counts[10, 32] == pytest.approx(0.25, abs=1e-5)


def test_a_snapshot_in_a_look_is_built_again_bit_for_bit(store, tmp_path):
    examples = examples_from_store(store, **KIND, look="HSC")
    first = build_snapshot(examples, tmp_path / "a", **KIND, provenance=store_provenance(store, look="HSC"))
    again = rebuild_snapshot(store, first, tmp_path / "b")
    for path in first.iterdir():
        assert path.read_bytes() == (again / path.name).read_bytes(), path.name
    snapshot = open_snapshot(first)
    names = [
        item.object_id for split, size in snapshot.sizes.items() for item in read_examples(snapshot, split, range(size))
    ]
    assert sorted(names) == ["gz3d", "hsc"]


def test_one_survey_alone_can_be_asked_for(store):
    assert list(by_id(store, surveys=["GZ3D"])) == ["gz3d"]
    assert list(by_id(store, surveys=["GZ3D", "HSC"])) == ["gz3d", "hsc"]


def test_an_unknown_look_is_refused(store):
    with pytest.raises(ValueError, match="look 'Euclid', expected one of HSC, SDSS, GZ3D"):
        list(examples_from_store(store, **KIND, look="Euclid"))
    assert look_named("HSC") is HSC
