import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS
from hypothesis import given, settings
from hypothesis import strategies as st

from flaxgal.labels.revisions import Revision, revision_from_fits, revision_to_fits


def a_mask():
    mask = np.zeros((6, 8), np.uint8)
    mask[1, 2:5], mask[3, 3], mask[5, 7] = 1, 2, 255
    return mask


def a_revision(**changes):
    given = {
        "object_id": "J0123+45",
        "mask": a_mask(),
        "classes": ("arm", "bar"),
        "annotator": "anna",
        "origin": "corrected",
        "source": "runs/arms",
        "parent": "0123abcd",
        "cutout_sha256": "f" * 64,
        "active_seconds": 0.1 + 0.2,
        "tool_counts": {"brush": 3, "undo": 1},
        "model_run": "runs/arms",
        "model_threshold": 0.4,
        "served_by": "random seed 0",
        "blind_repeat": True,
        "drawing": "77aa",
        "details": {"verdict": "good"},
    }
    return Revision(**(given | changes))


def a_wcs():
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval, wcs.wcs.crpix, wcs.wcs.cdelt = [150.1, 2.2], [4.0, 3.0], [-0.168 / 3600, 0.168 / 3600]
    return wcs


def there_and_back(revision, path):
    return revision_from_fits(revision_to_fits(revision), path=path / "x.fits.gz")


def test_a_revision_survives_its_file_with_every_word_of_its_provenance(tmp_path):
    revision = a_revision(annotator="Zoë \\ 'Ω'", object_id="NGC 1232 µ", source="line\nbreak " + "long " * 60)
    back = there_and_back(revision, tmp_path)
    np.testing.assert_array_equal(back.mask, revision.mask)
    for name in Revision.__dataclass_fields__:
        if name != "mask":
            assert getattr(back, name) == getattr(revision, name), name


@given(words=st.lists(st.text(st.characters() | st.sampled_from("&' \\x"), max_size=180), min_size=3, max_size=3))
@settings(max_examples=150, deadline=None)
def test_whatever_people_write_comes_back_to_the_letter(words):
    source, model_run, remark = words
    revision = a_revision(source=source, model_run=model_run, details={"remark": remark, remark: 1})
    back = revision_from_fits(revision_to_fits(revision), path=Path("x.fits.gz"))
    assert (back.source, back.model_run, back.details) == (source, model_run, {"remark": remark, remark: 1})


@given(seconds=st.floats(0, 1e9), threshold=st.floats(0, 1))
@settings(max_examples=100, deadline=None)
def test_numbers_come_back_to_the_last_digit(seconds, threshold):
    revision = a_revision(active_seconds=seconds, model_threshold=threshold)
    back = revision_from_fits(revision_to_fits(revision), path=Path("x.fits.gz"))
    assert (back.active_seconds, back.model_threshold) == (seconds, threshold)


def test_soft_votes_keep_their_fractions_and_where_nobody_looked(tmp_path):
    fraction = np.random.default_rng(0).random((1, 5, 7), np.float32)
    fraction[0, 0, 0] = np.nan
    back = there_and_back(a_revision(mask=None, fraction=fraction, classes=("arm",)), tmp_path)
    np.testing.assert_array_equal(back.fraction, fraction)
    assert back.weight()[0, 0] == 0
    assert back.weight().sum() == 34
    assert back.target(["arm"])[0, 0, 0] == 0
    assert back.marked_pixels == 34


def test_the_file_carries_the_cutouts_wcs_and_opens_as_an_image(tmp_path):
    path = tmp_path / "mask.fits.gz"
    path.write_bytes(revision_to_fits(a_revision(), a_wcs()))
    with fits.open(path) as hdus:
        np.testing.assert_array_equal(hdus[0].data, a_mask())
        sky = WCS(hdus[0].header).pixel_to_world(0, 0)
        assert hdus[0].header["ANNOTATR"] == "anna"
    assert sky.separation(a_wcs().pixel_to_world(0, 0)).arcsec < 1e-6


def test_each_class_is_its_own_target_and_uncertain_pixels_have_no_weight():
    revision = a_revision()
    bar, arm = revision.target(["bar", "arm"])
    assert (arm.sum(), bar.sum()) == (3, 1)
    assert revision.weight().sum() == 47
    assert revision.weight()[5, 7] == 0
    assert revision.marked_pixels == 4


def test_a_class_that_was_not_looked_for_is_unknown_and_not_absent():
    arms_only = a_revision(mask=np.zeros((6, 8), np.uint8), classes=("arm",))
    with pytest.raises(ValueError, match="anna marked arm, not bar"):
        arms_only.target(["arm", "bar"])


def test_the_same_revision_gives_the_same_bytes_in_another_process():
    code = (
        "import hashlib, numpy as np; from flaxgal.labels.revisions import *; "
        "r = Revision(object_id='a', mask=np.eye(9, dtype=np.uint8), annotator='b', origin='drawn', "
        "cutout_sha256='c', created_utc='2026-01-01T00:00:00'); print(hashlib.sha256(revision_to_fits(r)).hexdigest())"
    )
    runs = [subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout for _ in range(2)]
    assert runs[0] == runs[1]
    assert len(runs[0].strip()) == 64


def test_a_revision_of_layout_1_is_read_with_nothing_known_of_how_it_was_drawn(tmp_path):
    """As the first flaxgal wrote it; a copy of one of its files is kept beside this test."""
    path = Path(__file__).with_name("revision_layout_1.fits.gz")
    old = revision_from_fits(path.read_bytes(), path=path)
    np.testing.assert_array_equal(old.mask, a_mask())
    assert (old.annotator, old.parent, old.details) == ("Zoë", "0123abcd", {"seconds": 12.5})
    assert (old.active_seconds, old.tool_counts, old.model_threshold, old.blind_repeat) == (0.0, {}, None, False)
    assert (old.model_run, old.served_by, old.drawing) == ("", "", "")
    assert there_and_back(old, tmp_path).created_utc == old.created_utc


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"origin": "guessed"}, "origin 'guessed', expected one of drawn"),
        ({"annotator": " "}, "without an annotator"),
        ({"active_seconds": -1.0}, r"-1\.0 seconds of active work"),
        ({"active_seconds": float("nan")}, "nan seconds of active work"),
        ({"model_threshold": 1.5}, r"model threshold 1\.5, expected a probability"),
        ({"tool_counts": {"brush": -2}}, "tool counts brush -2"),
        ({"classes": ("arm", "ring")}, "classes arm, ring, expected some of arm, bar"),
        ({"mask": None}, "a mask or a fraction"),
        ({"mask": np.full((4, 4), 7, np.uint8)}, r"mask values \[7\]"),
        ({"classes": ("arm",)}, r"mask values \[2\]"),
        ({"mask": None, "fraction": np.full((2, 4, 4), 3, np.float32)}, "fractions from 3 to 3, expected 0 to 1"),
        ({"mask": None, "fraction": np.zeros((1, 4, 4), np.float32)}, r"shape \(1, 4, 4\)"),
    ],
)
def test_what_is_no_revision_is_refused_in_a_sentence_that_names_the_galaxy(changes, sentence):
    with pytest.raises(ValueError, match=sentence) as caught:
        a_revision(**changes)
    assert "J0123+45" in str(caught.value)


def test_damaged_and_foreign_and_newer_files_are_named(tmp_path):
    path = tmp_path / "bad.fits.gz"
    content = revision_to_fits(a_revision())
    with pytest.raises(ValueError, match=r"bad\.fits\.gz: .* damaged"):
        revision_from_fits(content[: len(content) // 2], path=path)
    with pytest.raises(ValueError, match=r"bad\.fits\.gz: .* damaged"):
        revision_from_fits(b"<html>please log in</html>", path=path)
    import gzip
    import io

    foreign = io.BytesIO()
    fits.PrimaryHDU(a_mask()).writeto(foreign)
    with pytest.raises(ValueError, match="no revision of flaxgal's"):
        revision_from_fits(gzip.compress(foreign.getvalue()), path=path)
    newer = gzip.compress(
        gzip.decompress(content).replace(b"FLXFMT  =                    2", b"FLXFMT  =                    3")
    )
    with pytest.raises(ValueError, match="layout 3, this flaxgal knows 2"):
        revision_from_fits(newer, path=path)
