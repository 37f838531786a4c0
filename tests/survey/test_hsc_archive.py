"""What HSC's services are asked, and which files are taken for what was asked for."""

import io
import random
import tarfile
from dataclasses import replace

import pytest
from archives import Reply, archive
from astropy.io import fits
from hsc_services import Services, coadd_bytes, psf_bytes

from flaxgal.survey.answers import NotThereError, Politeness, RefusedError
from flaxgal.survey.catalog import Place
from flaxgal.survey.cutout import read_cutout
from flaxgal.survey.hsc_archive import HscArchive, check_cutout, fetch_list, fetch_piece, pieces_of
from flaxgal.survey.http import Client

PLACE = Place(object_id="40158992189641871", ra_deg=218.874090265527, dec_deg=-2.17422463704376, size_arcsec=20.0)
QUICK = Politeness(first_wait_seconds=0.01, longest_wait_seconds=0.02, tries=3)


def pieces(folder, server, places=(PLACE,), bands=("g", "r"), psf=False):
    here = HscArchive(address=server.url)
    return [piece for place in places for piece in pieces_of(place, bands, folder, here, psf=psf)]


def near(number: int) -> list[Place]:
    return [replace(PLACE, object_id=f"g{n}", dec_deg=PLACE.dec_deg + n / 60) for n in range(number)]


def test_the_question_is_in_the_services_own_words(tmp_path):
    cutout, psf = pieces_of(PLACE, ("i",), tmp_path, HscArchive())
    assert cutout.download().url == "https://hsc-release.mtk.nao.ac.jp/das_cutout/pdr3/cgi-bin/cutout"
    assert cutout.download().params == {
        "ra": "218.874090266",
        "dec": "-2.174224637",
        "sw": "10.000arcsec",  # half the side
        "sh": "10.000arcsec",
        "type": "coadd/bg",
        "image": "on",
        "mask": "on",
        "variance": "on",
        "filter": "HSC-I",
        "rerun": "pdr3_wide",
        "tract": "",
    }
    assert psf.download().url == "https://hsc-release.mtk.nao.ac.jp/psf/pdr3/cgi/getpsf"
    assert psf.download().params == {
        "ra": "218.874090266",
        "dec": "-2.174224637",
        "filter": "HSC-I",
        "rerun": "pdr3_wide",
        "type": "coadd",
        "centered": "true",
        "tract": "",
        "patch": "",
    }


def test_other_releases_and_reruns_are_other_questions_in_other_folders(tmp_path):
    archives = [HscArchive(), HscArchive(rerun="pdr3_dud_rev"), HscArchive(release="pdr2"), HscArchive(kind="coadd")]
    made = [pieces_of(PLACE, ("i",), tmp_path, one, psf=False)[0] for one in archives]
    made.append(pieces_of(replace(PLACE, size_arcsec=21.0), ("i",), tmp_path, HscArchive(), psf=False)[0])
    assert len({piece.path for piece in made}) == 5
    assert made[2].archive.rerun == "pdr2_wide"
    assert "pdr2" in made[2].download().url


@pytest.mark.parametrize(
    "wrong", [{"kind": "warp"}, {"release": "pdr3/../x"}, {"rerun": "a b"}, {"address": "ftp://archive.invalid"}]
)
def test_an_archive_that_cannot_be_is_refused(wrong):
    with pytest.raises(ValueError, match="wanted"):
        HscArchive(**wrong)


def test_a_list_is_as_the_service_reads_it(tmp_path):
    with archive(Services()) as server, Client(QUICK) as client:
        fetch_list(client, pieces(tmp_path, server))
        (asked,) = server.asked
    assert (asked.method, dict(asked.params)) == ("POST", {})
    assert asked.files["list"].decode().splitlines() == [
        "#? ra dec sw sh type image mask variance filter rerun",
        "218.874090266 -2.174224637 10.000arcsec 10.000arcsec coadd/bg true true true HSC-G pdr3_wide",
        "218.874090266 -2.174224637 10.000arcsec 10.000arcsec coadd/bg true true true HSC-R pdr3_wide",
    ]


def test_a_list_longer_than_the_service_takes_is_not_sent(tmp_path):
    with archive(Services()) as server, Client(QUICK) as client:
        many = pieces(tmp_path, server, near(991), bands=("g",))
        with pytest.raises(ValueError, match="991 files in one list; wanted at most 990"):
            fetch_list(client, many)
        assert not server.asked


def test_the_next_try_asks_only_for_what_did_not_come(tmp_path):
    with archive(Services(), fault=lambda asked: "truncated" if asked.number == 0 else None) as server:
        wanted = pieces(tmp_path, server, near(10))
        with Client(QUICK) as client:
            assert fetch_list(client, wanted)[1] == {}
        rows = [len(asked.files["list"].splitlines()) - 1 for asked in server.asked]
    assert rows[0] == 20
    assert 5 <= rows[1] <= 15
    assert all(piece.path.is_file() for piece in wanted)


def test_a_file_that_is_wrong_is_asked_for_again_and_the_others_are_not(tmp_path):
    turned = []

    def first_time_elsewhere(row):
        if row["dec"].startswith("-2.157") and row["filter"] == "HSC-G" and len(turned) < 2:
            turned.append(row)
            return 30.0
        return 0.0

    with archive(Services(shift_arcsec=first_time_elsewhere)) as server, Client(QUICK) as client:
        assert fetch_list(client, pieces(tmp_path, server, near(3)))[1] == {}
        assert [len(asked.files["list"].splitlines()) - 1 for asked in server.asked] == [6, 1, 1]


@pytest.mark.parametrize("seed", range(3))
def test_where_tracts_overlap_every_band_comes_from_the_same(tmp_path, seed):
    def shuffled(made):
        random.Random(seed).shuffle(made)
        return made

    with archive(Services(tracts=(9814, 9813, 9815), members=shuffled)) as server, Client(QUICK) as client:
        wanted = pieces(tmp_path, server, near(3), bands="gri")
        assert fetch_list(client, wanted)[1] == {}
        assert len(server.asked) == 1
    assert {fits.getval(piece.path, "TRACT") for piece in wanted} == {9813}


def test_what_the_archive_does_not_have_is_told_apart_from_what_is_wrong(tmp_path):
    outside = replace(PLACE, object_id="outside", dec_deg=-80.0)
    wrong = near(2)[1]
    services = Services(shift_arcsec=lambda row: 30.0 if row["dec"] == f"{wrong.dec_deg:.9f}" else 0.0)
    with archive(services) as server, Client(QUICK) as client:
        _, faults = fetch_list(client, pieces(tmp_path, server, [outside, *near(2)], bands=("g",)))
        assert [len(asked.files["list"].splitlines()) - 1 for asked in server.asked] == [3, 1, 1]
    reasons = {piece.place.object_id: fault for piece, fault in faults.items()}
    assert set(reasons) == {"outside", "g1"}
    assert isinstance(reasons["outside"], NotThereError)
    assert str(reasons["outside"]) == "outside HSC-G: 127.0.0.1: no images there in pdr3_wide"
    assert str(reasons["g1"]).startswith("g1 HSC-G: found another place of the sky")


def with_member(name="arch/2-x.fits", **more):
    def add(made):
        member = tarfile.TarInfo(name)
        for key, value in more.items():
            setattr(member, key, value)
        return [*made[:1], (member, b"evil"), *made[1:]]

    return add


@pytest.mark.parametrize(
    ("members", "words"),
    [
        (with_member("../../evil.fits"), "leads out of its folder"),
        (with_member("/tmp/flaxgal-evil.fits"), "leads out of its folder"),
        (with_member(type=tarfile.SYMTYPE, linkname="/etc/passwd"), "a link"),
        (with_member(type=tarfile.FIFOTYPE), "a device"),
        (lambda made: [made[0], made[0], *made[1:]], "one name twice"),
        (with_member("arch/77-cutout-HSC-G-9813-pdr3_wide.fits"), "belongs to no row"),
        (with_member("arch/readme.txt"), "belongs to no row"),
    ],
)
def test_an_evil_tar_is_refused_and_writes_nothing_elsewhere(tmp_path, members, words):
    folder = tmp_path / "a" / "b"
    with archive(Services(members=members)) as server, Client(QUICK) as client:
        wanted = pieces(folder, server)
        _, faults = fetch_list(client, wanted)
    assert wanted[1] in faults
    assert words in str(faults[wanted[1]])
    written = {path for path in tmp_path.rglob("*") if path.is_file()}
    assert written <= {piece.path for piece in wanted}
    assert all(not path.is_symlink() for path in tmp_path.rglob("*"))


def test_a_file_larger_than_a_cutout_can_be_is_refused(tmp_path):
    def bloated(made):
        return [(member, content + bytes(2**26 + 2**20)) for member, content in made[:1]]

    with archive(Services(members=bloated)) as server, Client(QUICK) as client:
        (fault,) = fetch_list(client, pieces(tmp_path, server, bands=("g",)))[1].values()
        assert len(server.asked) == 1
    assert isinstance(fault, RefusedError)
    assert "bytes; wanted at most" in str(fault)


def cutout_of(tmp_path, content: bytes):
    (tmp_path / "cutout.fits").write_bytes(content)
    return read_cutout(tmp_path / "cutout.fits")


def test_the_cutout_of_a_place_is_taken_for_it(tmp_path):
    check_cutout(cutout_of(tmp_path, coadd_bytes(PLACE.ra_deg, PLACE.dec_deg, 20, "HSC-I")), PLACE, "i")


@pytest.mark.parametrize(("north", "east"), [(1.0, 0), (-1, 0), (0, 1), (0, -1), (0, 3600 * 90)])
def test_a_cutout_an_arcsecond_away_is_another_galaxys(tmp_path, north, east):
    ra, dec = PLACE.ra_deg + east / 3600, PLACE.dec_deg + north / 3600
    with pytest.raises(ValueError, match=r"found another place of the sky \(20\..″ around .*\); wanted 20\.0″ around"):
        check_cutout(cutout_of(tmp_path, coadd_bytes(ra, dec, 20, "HSC-I")), PLACE, "i")


def test_a_cutout_at_the_edge_of_the_survey_may_be_smaller(tmp_path):
    whole = fits.open(io.BytesIO(coadd_bytes(PLACE.ra_deg, PLACE.dec_deg, 20, "HSC-I")))
    for hdu in whole[1:]:
        hdu.data = hdu.data[:, :75]
    whole.writeto(tmp_path / "edge.fits")
    check_cutout(read_cutout(tmp_path / "edge.fits"), PLACE, "i")
    for hdu in whole[1:]:
        hdu.data = hdu.data[:, :55]  # beyond the galaxy's own place
    whole.writeto(tmp_path / "beyond.fits")
    with pytest.raises(ValueError, match="another place"):
        check_cutout(read_cutout(tmp_path / "beyond.fits"), PLACE, "i")


def test_a_cutout_in_another_band_is_refused(tmp_path):
    with pytest.raises(ValueError, match="found an image in g; wanted HSC-I"):
        check_cutout(cutout_of(tmp_path, coadd_bytes(PLACE.ra_deg, PLACE.dec_deg, 20, "HSC-G")), PLACE, "i")


def test_an_image_without_mask_and_variance_is_refused(tmp_path):
    hdus = fits.open(io.BytesIO(coadd_bytes(PLACE.ra_deg, PLACE.dec_deg, 20, "HSC-I")))
    header = hdus[1].header + fits.Header({"FILTER": "HSC-I", "FLUXMAG0": 10**10.8})
    fits.PrimaryHDU(hdus[1].data, header).writeto(tmp_path / "lone.fits")
    with pytest.raises(ValueError, match="without its mask, variance or zero point"):
        check_cutout(read_cutout(tmp_path / "lone.fits"), PLACE, "i")


@pytest.mark.parametrize("content", [psf_bytes(), b"", b"no FITS"])
def test_a_file_that_is_no_cutout_never_gets_its_name(tmp_path, content):
    with archive(lambda asked: Reply(body=content)) as server, Client(QUICK) as client:
        (piece,) = pieces(tmp_path, server, bands=("i",))
        with pytest.raises(ValueError, match="40158992189641871 HSC-I: "):
            fetch_piece(client, piece)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_real_coadd_is_taken_for_its_own_place_and_no_other(real_data):
    cutout = read_cutout(real_data / "hsc" / "cutout-HSC-R-9071-s18a_wide-181211-014627.fits")
    side = max(cutout.image_shape) * cutout.pixel_scale_arcsec
    own = Place(object_id="x", ra_deg=cutout.ra_deg, dec_deg=cutout.dec_deg, size_arcsec=side)
    check_cutout(cutout, own, "r")
    with pytest.raises(ValueError, match="another place"):
        check_cutout(cutout, replace(own, dec_deg=own.dec_deg + 2 / 3600), "r")
