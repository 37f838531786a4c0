from dataclasses import fields

import hypothesis.extra.numpy as arrays
import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS, Sip
from hypothesis import given, settings
from hypothesis import strategies as st

from flaxgal.survey.cutout import FIRST_ROWS, UNITS, Cutout, read_cutout, write_cutout

FLOATS = st.floats(width=32, allow_nan=True, allow_infinity=True)
TEXT = st.text(st.characters(exclude_categories=("C", "Z"), exclude_characters="/\\,"), min_size=1, max_size=90)
DEGREES = st.tuples(st.floats(0, 360), st.floats(-90, 90))


@st.composite
def wcses(draw) -> WCS:
    wcs = WCS(naxis=2)
    kind = draw(st.sampled_from(["TAN", "SIN", "TAN-SIP"]))
    wcs.wcs.ctype = [f"RA---{kind}", f"DEC--{kind}"]
    wcs.wcs.crval = draw(st.tuples(st.floats(0, 359), st.floats(-80, 80)))
    wcs.wcs.crpix = draw(st.tuples(st.floats(-5e4, 5e4), st.floats(-5e4, 5e4)))
    scale, angle = draw(st.floats(1e-6, 1e-3)), draw(st.floats(0, 2 * np.pi))
    matrix = scale * np.array([[-np.cos(angle), np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    if draw(st.booleans()):
        wcs.wcs.cd = matrix
    else:
        wcs.wcs.pc, wcs.wcs.cdelt = matrix / scale, [scale, scale]
    if kind == "TAN-SIP":
        bend = np.zeros((3, 3))
        bend[0, 2], bend[1, 1] = draw(st.tuples(st.floats(-1e-5, 1e-5), st.floats(-1e-5, 1e-5)))
        wcs.sip = Sip(bend, bend.T.copy(), None, None, wcs.wcs.crpix)
    wcs.wcs.set()
    return wcs


@st.composite
def cutouts(draw) -> Cutout:
    bands = draw(
        st.lists(TEXT.filter(lambda text: not any(c.isspace() for c in text)), min_size=1, max_size=3, unique=True)
    )
    shape = (len(bands), *draw(st.tuples(st.integers(1, 5), st.integers(1, 6))))
    image = arrays.arrays(np.float32, shape, elements=FLOATS)
    plane = arrays.arrays(bool, shape)
    names = draw(st.lists(st.from_regex(r"[A-Z0-9_]{1,40}", fullmatch=True), max_size=4, unique=True))
    ra, dec = draw(st.none() | DEGREES) or (None, None)
    flux = draw(image)
    flux[0, 0, 0] = 1  # an image without light is refused by the reader
    return Cutout(
        object_id=draw(TEXT),
        flux=flux,
        bands=tuple(bands),
        unit=draw(st.sampled_from(UNITS)),
        variance=draw(st.none() | image),
        mask_planes={name: draw(plane) for name in names},
        wcs=draw(st.none() | wcses()),
        pixel_scale_arcsec=draw(st.none() | st.floats(1e-3, 1e3)),
        psf={
            band: draw(arrays.arrays(np.float32, (3, 5), elements=FLOATS)) for band in bands[:2] if draw(st.booleans())
        },
        survey=draw(st.just("") | TEXT),
        ra_deg=ra,
        dec_deg=dec,
        first_row=draw(st.sampled_from(FIRST_ROWS)),
    )


def assert_same(found: Cutout, wanted: Cutout) -> None:
    assert found.sha256 == wanted.sha256  # every pixel of every image, NaN and infinity included
    for name in ("object_id", "bands", "unit", "survey", "pixel_scale_arcsec", "ra_deg", "dec_deg", "first_row"):
        assert getattr(found, name) == getattr(wanted, name), name
    assert list(found.mask_planes) == list(wanted.mask_planes)
    assert (found.wcs is None) == (wanted.wcs is None)
    if wanted.wcs is not None:
        pixels = np.array([[0.0, 0.0], [7.0, 3.0], [-100.0, 250.0]])
        np.testing.assert_array_equal(found.wcs.all_pix2world(pixels, 0), wanted.wcs.all_pix2world(pixels, 0))


@settings(max_examples=30, deadline=None)
@given(wanted=cutouts())
def test_writing_and_reading_back_loses_nothing(wanted, tmp_path_factory):
    path = tmp_path_factory.mktemp("round") / "trip.fits"
    write_cutout(wanted, path)
    assert_same(read_cutout(path), wanted)


@pytest.mark.parametrize(
    "text", ["Möbius", "銀河", "O'Neill 'A'", "it''s", "50%", "a&b", "T" * 300, "1e5", "True", "'"]
)
def test_any_name_survives(tmp_path, text):
    write_cutout(one(survey=text), tmp_path / "a.fits")
    assert read_cutout(tmp_path / "a.fits").survey == text


def test_every_field_of_a_cutout_is_compared_above():
    assert {field.name for field in fields(Cutout)} == {
        *("object_id", "flux", "bands", "unit", "variance", "mask_planes", "wcs", "pixel_scale_arcsec"),
        *("psf", "survey", "ra_deg", "dec_deg", "first_row"),
    }


def one(**more) -> Cutout:
    return Cutout(object_id="a", flux=np.ones((1, 3, 4), np.float32), bands=("g",), unit="nJy", **more)


def test_a_hundred_mask_planes_survive(tmp_path):
    rng = np.random.default_rng(3)
    wanted = one(mask_planes={f"PLANE{number}": rng.random((1, 3, 4)) < 0.5 for number in range(100)})
    write_cutout(wanted, tmp_path / "a.fits")
    assert_same(read_cutout(tmp_path / "a.fits"), wanted)
    with fits.open(tmp_path / "a.fits") as hdus:
        assert [hdu.ver for hdu in hdus if hdu.name == "MASK"] == [1, 2, 3, 4]


@pytest.mark.parametrize(("unit", "first_row"), [("nJy", "bottom"), ("picture", "top")])
def test_a_file_from_before_the_order_of_rows_was_kept_is_read(tmp_path, unit, first_row):
    write_cutout(
        Cutout(object_id="a", flux=np.ones((1, 3, 4), np.float32), bands=("g",), unit=unit), tmp_path / "a.fits"
    )
    fits.delval(tmp_path / "a.fits", "FIRSTROW")
    assert read_cutout(tmp_path / "a.fits").first_row == first_row


def test_the_same_cutout_makes_the_same_bytes(tmp_path):
    for name in ("a.fits", "b.fits"):
        write_cutout(one(), tmp_path / name)
    assert (tmp_path / "a.fits").read_bytes() == (tmp_path / "b.fits").read_bytes()


def test_other_programs_find_image_position_and_unit(tmp_path, make_wcs):
    write_cutout(one(wcs=make_wcs()), tmp_path / "a.fits")
    with fits.open(tmp_path / "a.fits") as hdus:
        hdus.verify("exception")
        assert hdus["IMAGE"].header["BUNIT"] == "nJy"
        assert WCS(hdus["IMAGE"].header, naxis=2).wcs.crval == pytest.approx([150.1, 2.2])


def test_a_write_that_dies_leaves_the_old_file_whole_and_no_scraps(tmp_path, monkeypatch):
    path = tmp_path / "a.fits"
    write_cutout(one(), path)
    before = path.read_bytes()

    def dies(self, path, **how):
        path.write_bytes(b"SIMPLE  =")
        raise OSError("disk full")

    monkeypatch.setattr(fits.HDUList, "writeto", dies)
    with pytest.raises(OSError, match="disk full"):
        write_cutout(one(survey="HSC"), path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_of_a_later_format_asks_for_an_update(tmp_path):
    write_cutout(one(), tmp_path / "a.fits")
    fits.setval(tmp_path / "a.fits", "FLAXGAL", value=2)
    with pytest.raises(
        ValueError, match=r"a\.fits: a flaxgal cutout of format 2, but this version reads 1; update flaxgal"
    ):
        read_cutout(tmp_path / "a.fits")


def test_a_file_without_one_of_its_cards_is_refused(tmp_path):
    write_cutout(one(), tmp_path / "a.fits")
    fits.delval(tmp_path / "a.fits", "OBJECT")
    with pytest.raises(ValueError, match=r"a\.fits: a flaxgal cutout without .*OBJECT"):
        read_cutout(tmp_path / "a.fits")


def test_overrides_win_over_the_file(tmp_path):
    write_cutout(one(survey="HSC", pixel_scale_arcsec=0.2), tmp_path / "a.fits")
    read = read_cutout(tmp_path / "a.fits", object_id="b", survey="mock", bands=("r",), pixel_scale_arcsec=0.3)
    assert (read.object_id, read.survey, read.bands, read.pixel_scale_arcsec) == ("b", "mock", ("r",), 0.3)
