"""Votes of Galaxy Zoo: 3D are people, of all the people who looked."""

import json

import gz3d_files
import numpy as np
import pytest
from astropy.io import fits
from gz3d_files import NAME, SIDE, gz3d_hdus, square, write_gz3d

from flaxgal.survey.cutout import read_cutout
from flaxgal.survey.gz3d import object_id_in, read_gz3d


def test_a_share_is_of_everybody_who_looked(tmp_path):
    arms = {1: [square(40, 50, 20)], 2: [square(40, 50, 10)], 3: [], 4: [[[7, 7]]]}
    galaxy = read_gz3d(write_gz3d(tmp_path, arms))
    share = galaxy.share("arm")
    assert galaxy.people("arm") == 4  # one saw no arm, one only clicked
    assert share[55, 45] == 0.5
    assert share[65, 55] == 0.25
    assert share.sum() == pytest.approx((400 + 100) / 4)


def test_a_person_who_drew_a_place_twice_has_one_vote_there(tmp_path):
    arms = {1: [square(40, 50, 20), square(50, 50, 20)], 2: [], 3: [square(45, 55, 5)] * 3}
    share = read_gz3d(write_gz3d(tmp_path, arms)).share("arm")
    assert share.max() == pytest.approx(2 / 3)
    assert share[60, 55] == pytest.approx(1 / 3)


def test_an_outline_that_crosses_itself_counts(tmp_path):
    eight = [[40, 40], [80, 80], [80, 40], [40, 80]]
    share = read_gz3d(write_gz3d(tmp_path, {1: [eight]})).share("arm")
    assert share[60, 45] == 1
    assert share[60, 75] == 1


def test_rows_of_one_classification_are_one_person(tmp_path):
    path = write_gz3d(tmp_path, {1: [square(40, 50, 20)], 2: []})
    with fits.open(path) as hdus:
        hdus[9].data["classification_id"] = 5
        hdus.writeto(tmp_path / "again.fits")
    assert read_gz3d(tmp_path / "again.fits").people("arm") == 1


def test_bars_have_votes_of_their_own(tmp_path):
    galaxy = read_gz3d(write_gz3d(tmp_path, {1: []}, {7: [square(90, 90, 10)], 8: []}))
    assert galaxy.classes == ("arm", "bar")
    assert galaxy.people("bar") == 2
    assert galaxy.share("bar")[95, 95] == 0.5
    assert not galaxy.share("arm").any()


def test_what_nobody_was_asked_about_is_unknown_not_absent(tmp_path):
    galaxy = read_gz3d(write_gz3d(tmp_path, {1: []}))
    assert galaxy.classes == ("arm",)


def test_a_drawing_tells_who_drew_it_and_when(tmp_path):
    one, two = read_gz3d(write_gz3d(tmp_path, {88488726: [square(1, 1, 3)], 2: []})).drawings["arm"]
    assert one.classification_id == "88488726"
    assert one.created_utc == "2018-02-03T04:05:00.000000"
    assert one.pixels((SIDE, SIDE)).sum() == 9
    assert two.outlines == ()


def test_a_cell_that_cannot_be_read_leaves_its_person_out_of_the_count(tmp_path):
    galaxy = read_gz3d(write_gz3d(tmp_path, {1: [square(40, 50, 20)], 2: "[[[1, 2], [3", 3: '{"x": 1}'}))
    assert galaxy.people("arm") == 1
    assert galaxy.share("arm").max() == 1
    assert len(galaxy.left_out) == 2
    assert "classification 2" in galaxy.left_out[0]


def test_corners_without_numbers_are_passed_over(tmp_path):
    outline = square(40, 50, 20)
    text = json.dumps([[*outline[:2], [None, 3], [float("nan"), 4], *outline[2:]]])
    assert read_gz3d(write_gz3d(tmp_path, {1: text})).share("arm").sum() == 400


def test_the_counts_of_the_survey_are_not_used(tmp_path):
    assert read_gz3d(write_gz3d(tmp_path, {1: []})).share("arm").max() == 0  # HDU 3 says 77


def test_centre_and_stars_are_shares_of_those_who_were_asked(tmp_path):
    galaxy = read_gz3d(write_gz3d(tmp_path, {1: []}, asked_for_points=12, star_votes=30))
    assert galaxy.centre_share[100, 100] == pytest.approx(9 / 12)
    assert galaxy.star_share.max() == 1  # 30 marks of 12 people
    assert galaxy.cutout.mask_planes["STAR"][0].sum() == 100
    assert galaxy.cutout.mask_planes["CENTRE"][2].sum() == 16


def test_where_nobody_marked_points_they_are_unknown(tmp_path):
    galaxy = read_gz3d(write_gz3d(tmp_path, {1: []}, asked_for_points=0))
    assert galaxy.star_share is None
    assert set(galaxy.cutout.mask_planes) == {"HEXAGON"}


def test_the_cutout_is_the_picture_without_its_hexagon(tmp_path):
    galaxy = read_gz3d(write_gz3d(tmp_path, {1: []}))
    cutout, hexagon = galaxy.cutout, galaxy.cutout.mask_planes["HEXAGON"]
    assert (cutout.object_id, cutout.survey, cutout.unit) == (NAME, "GZ3D", "picture")
    assert cutout.bands == ("red", "green", "blue")
    assert 0.01 < hexagon.mean() < 0.15
    np.testing.assert_array_equal(cutout.flux[~hexagon], galaxy.picture[~hexagon])
    assert (cutout.flux[hexagon] != galaxy.picture[hexagon]).mean() > 0.4


def test_the_cutout_lies_where_the_archive_says(tmp_path):
    cutout = read_gz3d(write_gz3d(tmp_path, {1: []}, ra=10.5, dec=-3.25)).cutout
    assert (cutout.ra_deg, cutout.dec_deg) == (10.5, -3.25)
    assert cutout.pixel_scale_arcsec == pytest.approx(0.099)
    assert cutout.first_row == "top"  # declination falls with the row


def test_any_reader_of_cutouts_reads_the_file(tmp_path):
    path = write_gz3d(tmp_path, {1: []})
    assert read_cutout(path).sha256 == read_gz3d(path).cutout.sha256
    assert read_cutout(path, object_id="mine").object_id == "mine"


def test_a_galaxy_without_a_name_that_tells_is_called_by_its_manga_id(tmp_path):
    assert object_id_in("gz3d_1-304336_127_14724446.fits.gz") == "1-304336_127_14724446"
    assert object_id_in("mine.fits", "1-304336") == "1-304336"
    assert object_id_in("mine.fits.gz") == "mine"


def test_a_file_of_another_kind_is_refused_in_a_sentence(tmp_path):
    fits.PrimaryHDU(np.ones((9, 9))).writeto(tmp_path / "a.fits")
    with pytest.raises(ValueError, match=r"a\.fits: found no file of Galaxy Zoo: 3D.*fetch it again"):
        read_gz3d(tmp_path / "a.fits")


def test_a_picture_of_another_kind_is_refused(tmp_path):
    hdus = gz3d_hdus({1: []})
    hdus[0].data = hdus[0].data.astype(np.float32)
    hdus.writeto(tmp_path / "a.fits")
    with pytest.raises(ValueError, match="wanted 8-bit red, green and blue"):
        read_gz3d(tmp_path / "a.fits")


def test_a_truncated_file_is_refused(tmp_path):
    path = write_gz3d(tmp_path, {1: []})
    path.write_bytes(path.read_bytes()[:-4000])
    with pytest.raises(ValueError, match="damaged or cut short"):
        read_gz3d(path)


@pytest.mark.parametrize(("number", "column"), [(5, "ra"), (5, "MANGAID"), (9, "time_stamp"), (10, "bar_paths")])
def test_a_file_that_lacks_a_column_is_refused_in_a_sentence(tmp_path, number, column):
    hdus = gz3d_hdus({1: []}, {2: []})
    hdus[number].columns[column].name = "other"
    hdus.writeto(tmp_path / "a.fits")
    said = rf"a\.fits: found no column {column} in HDU {number}; wanted a file of Galaxy Zoo: 3D: fetch it again"
    with pytest.raises(ValueError, match=said):
        read_gz3d(tmp_path / "a.fits")
    with pytest.raises(ValueError, match=said):
        read_cutout(tmp_path / "a.fits")


def test_bytes_damaged_anywhere_never_raise_anything_but_a_sentence_with_the_files_name(tmp_path, monkeypatch):
    monkeypatch.setattr(gz3d_files, "SIDE", 40)
    path, random, refused = tmp_path / f"gz3d_{NAME}.fits", np.random.default_rng(0), 0
    image = gz3d_files.picture(hexagon_radius=14)
    gz3d_hdus({11: [square(4, 5, 6)], 13: []}, {21: [square(9, 9, 5)]}, image=image).writeto(path)
    whole = path.read_bytes()
    with fits.open(path) as hdus:
        places = [(hdus.fileinfo(number)["hdrLoc"], hdus.fileinfo(number)["datLoc"]) for number in range(11)]
    headers = [place for start, end in places for place in range(start, end) if whole[place] not in b"\0 "]
    tables = [place for number in (5, 9, 10) for place in range(places[number][1], places[number][1] + 100)]
    for number in range(150):
        damaged = bytearray(whole)
        for place in random.choice(tables if number % 4 == 0 else headers, 2):
            damaged[place] = random.integers(256) if number % 3 == 0 else random.integers(32, 127)
        path.write_bytes(damaged)
        try:
            galaxy = read_gz3d(path)
            for name in galaxy.classes:
                galaxy.share(name)
        except ValueError as error:
            assert str(path) in str(error)  # noqa: PT017
            refused += 1
    assert 15 < refused < 150


def test_real_volunteers_outlines_make_a_share_of_fifteen_people(real_data):
    galaxy = read_gz3d(next((real_data / "gz3d").glob("*14724446*.fits.gz")))
    assert galaxy.object_id == "1-304336_127_14724446"
    assert galaxy.people("arm") == 15
    votes = galaxy.share("arm") * 15
    np.testing.assert_allclose(votes, np.rint(votes), atol=1e-5)
    assert votes.max() == pytest.approx(13)  # HDU 3, which drops outlines that cross themselves, has at most 5
    assert galaxy.left_out == ()
