"""Files that were damaged on the way: each gives a cutout or one sentence, and nothing is lost without a word."""

import bz2
import gzip
import itertools
import re
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from PIL import Image

from flaxgal.survey.cutout import Cutout, Unreadable, read_cutout, read_cutouts, write_cutout

COADD = "hsc/cutout-HSC-R-9071-s18a_wide-181211-014627.fits"
VARIANTS = 60
VALUES = [
    "",
    "T",
    "-1",
    "0",
    "3",
    "9",
    "1.5",
    "1E400",
    "abc",
    "''",
    "'abc'",
    "'é'",
    "999999999",
    "99999999999999999999",
]


@pytest.fixture
def own_file(tmp_path, make_wcs):
    """Writes flaxgal's own file with every kind of HDU."""

    def write(name="own.fits", **more) -> Path:
        flux = np.random.default_rng(1).normal(size=(2, 9, 8))
        given = {
            "variance": np.ones((2, 9, 8)),
            "mask_planes": {"SAT": flux > 1, "CR": flux < -1},
            "psf": {"g": np.ones((3, 3)), "r": np.ones((5, 5))},
            "wcs": make_wcs(),
        }
        cutout = Cutout(object_id="own", flux=flux, bands=("g", "r"), unit="nJy", **(given | more))
        write_cutout(cutout, tmp_path / name)
        return tmp_path / name

    return write


def damaged_fits(whole: bytes, rng: np.random.Generator) -> bytes:
    """A FITS file with one card changed, blanked or renamed, one byte of a header changed, or its end lost."""
    content = bytearray(whole)
    cards = [at for at in range(0, len(whole), 80) if re.match(rb"[A-Z0-9_-]+ *= |END {77}|HIERARCH ", whole[at:])]
    at = int(rng.choice(cards))
    match rng.integers(6):
        case 0 | 1:
            content[at + 10 : at + 80] = str(rng.choice(VALUES)).encode("latin-1").rjust(20).ljust(70)
        case 2:
            content[at : at + 80] = b" " * 80
        case 3:
            content[at : at + 8] = b"DAMAGED "
        case 4:
            content[at + int(rng.integers(80))] = int(rng.integers(256))
        case _:
            del content[int(rng.integers(1, len(whole))) :]
    return bytes(content)


def damaged_picture(whole: bytes, rng: np.random.Generator) -> bytes:
    """A picture with a few bytes changed, of which most lie near one of its ends, or with its end lost."""
    content = bytearray(whole)
    if rng.random() < 0.2:
        del content[int(rng.integers(1, len(whole))) :]
        return bytes(content)
    for _ in range(rng.integers(1, 4)):
        near = int(rng.integers(4, 200))
        at = int(rng.choice([near, -near, rng.integers(len(whole))]))
        content[at] = int(rng.integers(256))
    return bytes(content)


@pytest.mark.parametrize("kind", ["coadd", "coadd.gz", "own", "packed", "png", "tif"])
def test_a_damaged_file_gives_a_cutout_or_one_sentence_that_names_it(
    kind, coadd_file, own_file, make_galaxy, make_wcs, tmp_path
):
    picture = np.random.default_rng(0).integers(0, 256, (20, 20, 3)).astype(np.uint8)
    match kind:
        case "coadd" | "coadd.gz":
            whole = coadd_file().read_bytes()
        case "own":
            whole = own_file().read_bytes()
        case "packed":
            image = fits.CompImageHDU(np.rint(make_galaxy() * 100).astype(np.int32), make_wcs().to_header())
            fits.HDUList([fits.PrimaryHDU(), image]).writeto(tmp_path / "packed.fits")
            whole = (tmp_path / "packed.fits").read_bytes()
        case _:
            Image.fromarray(picture).save(tmp_path / f"whole.{kind}")
            whole = (tmp_path / f"whole.{kind}").read_bytes()
    for seed in range(VARIANTS):
        rng = np.random.default_rng([seed, 7])
        content = damaged_picture(whole, rng) if kind in ("png", "tif") else damaged_fits(whole, rng)
        path = tmp_path / f"damaged-{seed}"
        path.write_bytes(gzip.compress(content, 1) if kind.endswith("gz") else content)
        (read,) = read_cutouts(path)
        if isinstance(read, Unreadable):
            assert read.reason.startswith(f"{path}: ")
            assert "\n" not in read.reason
        else:
            assert np.isfinite(read.flux).any()


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    ("card", "value", "reason"),
    [
        ("BITPIX", None, "BITPIX = nothing"),
        ("BITPIX", 17, "BITPIX = 17"),
        ("NAXIS1", None, "NAXIS1 = nothing"),
        ("NAXIS1", 10**12, "bytes are missing from the data of HDU 0"),
        ("NAXIS", 999999999, "NAXIS = 999999999, more than 8 axes"),
        ("NAXIS2", -40, "axis shorter than nothing"),
        ("NAXIS2", 30, "bytes that are no header after 1 HDUs"),
    ],
)
def test_a_damaged_card_that_says_how_much_data_there_is_is_named_at_once(image_file, card, value, reason):
    path = image_file(data=np.ones((80, 40), np.float32))
    content = path.read_bytes()
    at = content.index(f"{card:8}=".encode())
    new = b" " * 80 if value is None else f"{card:8}= {value:>20}".ljust(80).encode()
    path.write_bytes(content[:at] + new + content[at + 80 :])
    with pytest.raises(ValueError, match=f"damaged or cut short, .*{reason}.*; fetch it again"):
        read_cutout(path)


@pytest.mark.timeout(20)
def test_a_packed_file_with_an_hdu_of_no_kind_does_not_hang(coadd_file):
    """astropy takes the packed size for the size, and goes back to the same HDU for ever."""
    path = coadd_file()
    content = path.read_bytes().replace(b"XTENSION= 'IMAGE   '", b"XTENSION=           abc")
    path.write_bytes(gzip.compress(content))
    with pytest.raises(ValueError, match="damaged or cut short"):
        read_cutout(path)


def ends_of(path) -> list[tuple[int, int]]:
    """Where each HDU's data begin, and where it ends."""
    with fits.open(path) as hdus:
        return [(info["datLoc"], info["datLoc"] + info["datSpan"]) for hdu in hdus if (info := hdu.fileinfo())]


def cuts_of(path) -> list[int]:
    """Lengths that lose an HDU: at the end of each HDU, inside the next one's header, and inside its data."""
    ends = ends_of(path)
    return [
        cut for (_, end), (data, _) in itertools.pairwise(ends) for cut in (end, end + 1, end + 2000, data, data + 20)
    ]


@pytest.mark.parametrize("pack", [bytes, gzip.compress, bz2.compress])
@pytest.mark.parametrize("exttype", [True, False])
def test_a_coadd_cut_between_or_inside_its_hdus_is_refused(coadd_file, pack, exttype):
    path = coadd_file(exttype=exttype)
    cuts, whole = cuts_of(path), path.read_bytes()
    if not exttype:  # a lone image without EXTTYPE is an image like any other
        cuts = [cut for cut in cuts if cut != ends_of(path)[1][1]]
    for cut in cuts:
        path.write_bytes(pack(whole[:cut]))
        with pytest.raises(ValueError, match=r"cut short|found no image"):
            read_cutout(path)
    path.write_bytes(pack(whole))
    assert read_cutout(path).variance is not None


def test_a_real_coadd_cut_at_its_hdus_is_refused(real_data, tmp_path):
    whole = (real_data / COADD).read_bytes()
    path = tmp_path / "cutout-HSC-R.fits"
    for cut in (840960, 842960, 1681920, 1683360, len(whole) - 2880):
        path.write_bytes(whole[:cut])
        with pytest.raises(ValueError, match="cut short"):
            read_cutout(path)


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_flaxgals_own_file_is_read_whole_or_not_at_all(own_file, pack):
    path = own_file()
    cuts, whole = cuts_of(path), path.read_bytes()
    assert len(cuts) == 5 * 5
    for cut in cuts:
        path.write_bytes(pack(whole[:cut]))
        with pytest.raises(ValueError, match=r"cut short|found no image"):
            read_cutout(path)


def test_flaxgals_files_from_before_hdus_were_counted_are_read(own_file):
    path = own_file()
    sha256 = read_cutout(path).sha256
    fits.delval(path, "NHDUS")
    assert read_cutout(path).sha256 == sha256


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress])
@pytest.mark.parametrize("lost", [1, 8, 100])
def test_a_packed_file_without_its_last_bytes_is_refused(own_file, pack, lost):
    path = own_file()
    packed = pack(path.read_bytes())
    path.write_bytes(packed[:-lost])
    with pytest.raises(ValueError, match=r"damaged or cut short|cannot be opened"):
        read_cutout(path)


def test_a_packed_file_with_a_changed_byte_is_refused(own_file):
    path = own_file()
    packed = bytearray(gzip.compress(path.read_bytes(), 0))
    packed[-2000] ^= 1
    path.write_bytes(packed)
    with pytest.raises(ValueError, match=r"damaged or cut short, .*CRC"):
        read_cutout(path)


def test_filling_at_the_end_may_be_missing_or_too_long(image_file):
    path = image_file(data=np.ones((5, 6), np.float32))
    whole = path.read_bytes()
    data = ends_of(path)[0][0]
    for content in (whole[: data + 5 * 6 * 4], whole + bytes(28800)):
        path.write_bytes(content)
        assert read_cutout(path).image_shape == (5, 6)
    path.write_bytes(whole[: data + 5 * 6 * 4 - 1])
    with pytest.raises(ValueError, match="1 bytes are missing from the data of HDU 0"):
        read_cutout(path)


@pytest.mark.parametrize(("card", "value"), [("OBJECT", 7), ("NBANDS", "two"), ("RA", "abc"), ("PIXSCALE", True)])
def test_a_card_of_another_type_in_flaxgals_own_file_is_named(own_file, card, value):
    path = own_file()
    fits.setval(path, card, value=value)
    with pytest.raises(ValueError, match=rf"own\.fits: a flaxgal cutout with the value {value!r} in its card {card}"):
        read_cutout(path)


def test_a_mask_whose_card_gives_no_bit_is_refused(coadd_file):
    with pytest.raises(ValueError, match=r"fits: its card MP_SAT is 'abc'; wanted the number of a bit"):
        read_cutout(coadd_file(bits={"SAT": "abc"}))


def test_files_of_one_name_in_two_folders_are_told_apart(tmp_path, monkeypatch):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "good.fits").write_text("hello world")
    monkeypatch.chdir(tmp_path)
    reasons = [read.reason for read in read_cutouts(["a", "b"]) if isinstance(read, Unreadable)]
    assert [reason.split(": ")[0] for reason in reasons] == ["a/good.fits", "b/good.fits"]
    assert "found no FITS file and no picture (it starts with 'hello wo'); wanted" in reasons[0]
