"""Cutouts from SDSS frames: light kept, bands laid on one another, noise as the electrons make it."""

import bz2
import dataclasses
import tracemalloc

import numpy as np
import pytest
from astropy.io import fits
from sdss_files import CENTRE, FIELD, SHAPE, frame_bytes, frame_hdus

from flaxgal.survey.cutout import read_cutout, write_cutout
from flaxgal.survey.sdss import BANDS, Field, cutout_from_frames, field_in_objid, frame_url, read_frame

RA, DEC = CENTRE


def frames(tmp_path, bands=BANDS, galaxies=((RA, DEC, 50.0),), **more):
    made = {}
    for band in bands:
        path = tmp_path / f"{band}.fits.bz2"
        path.write_bytes(frame_bytes(band, galaxies, **more))
        made[band] = read_frame(path, FIELD, band)
    return made


def cut(some, size_arcsec=32.0, **where):
    where = {"object_id": "a", "ra_deg": RA, "dec_deg": DEC} | where
    return cutout_from_frames(some, size_arcsec=size_arcsec, **where)


def test_the_field_is_in_the_bits_of_an_objid():
    # A row of SDSS's own documentation of cross-identification.
    assert field_in_objid("1237653651835781245") == Field(run=1904, camcol=3, field=163, rerun=301)
    assert field_in_objid(1237652943176138868) == Field(run=1739, camcol=3, field=315)


def test_the_archive_has_a_frame_under_its_numbers():
    wanted = "301/1904/3/frame-r-001904-3-0163.fits.bz2"
    assert frame_url(Field(run=1904, camcol=3, field=163), "r").endswith(f"/eboss/photoObj/frames/{wanted}")
    assert frame_url(Field(run=1904, camcol=3, field=163), "r", "http://a/b/") == f"http://a/b/{wanted}"


def test_a_field_that_cannot_be_is_refused():
    with pytest.raises(ValueError, match="no field of SDSS"):
        field_in_objid(12345)


def test_light_is_kept_to_a_thousandth_in_every_band(tmp_path):
    cutout = cut(frames(tmp_path))
    assert cutout.unit == "nJy"
    assert cutout.bands == tuple("ugriz")
    wanted = 50.0 * (1 + np.arange(5)) * 3631.0
    np.testing.assert_allclose(cutout.flux.sum((1, 2)), wanted, rtol=1e-3)


def test_the_bands_lie_on_one_another_to_a_fiftieth_of_a_pixel(tmp_path):
    cutout = cut(frames(tmp_path))
    y, x = np.indices(cutout.image_shape)
    middles = [((y * image).sum() / image.sum(), (x * image).sum() / image.sum()) for image in cutout.flux]
    assert np.abs(np.array(middles) - middles[2]).max() < 0.02


def test_the_wcs_says_where_the_galaxy_is(tmp_path):
    place = RA + 0.001, DEC - 0.0012
    cutout = cut(frames(tmp_path, galaxies=((*place, 50.0),)), ra_deg=place[0], dec_deg=place[1])
    x, y = cutout.wcs.all_world2pix(*place, 0)
    peak = np.unravel_index(cutout.flux[2].argmax(), cutout.image_shape)
    assert abs(peak[0] - y) <= 0.5
    assert abs(peak[1] - x) <= 0.5
    middle = (np.array(cutout.image_shape) - 1) / 2
    assert np.abs(np.array([y, x]) - middle).max() <= 0.51
    assert cutout.pixel_scale_arcsec == pytest.approx(0.396, rel=1e-6)
    assert (cutout.ra_deg, cutout.dec_deg) == place


def test_pixels_of_the_middle_band_are_the_frames_own(tmp_path):
    some = frames(tmp_path, noise_seed=3)
    cutout = cut(some)
    x, y = cutout.wcs.all_pix2world(0, 0, 0)
    left, bottom = (int(np.rint(value)) for value in some["r"].wcs.all_world2pix(x, y, 0))
    height, width = cutout.image_shape
    np.testing.assert_allclose(
        cutout.flux[2], some["r"].image[bottom : bottom + height, left : left + width] * 3631.0, rtol=1e-5
    )


def test_the_variance_is_that_of_electrons_and_amplifier(tmp_path):
    images = []
    for seed in range(40):
        (frame,) = frames(tmp_path, "r", galaxies=((RA, DEC, 400.0),), noise_seed=seed).values()
        images.append(frame.image)
    found = np.var(images, axis=0, ddof=1)
    quiet = frames(tmp_path, "r", galaxies=((RA, DEC, 400.0),))["r"]
    told = quiet.variance(slice(None), slice(None))
    assert found.mean() == pytest.approx(told.mean(), rel=0.01)
    peak = quiet.image > 0.5 * quiet.image.max()
    assert found[peak].mean() == pytest.approx(told[peak].mean(), rel=0.1)
    assert told[peak].mean() > 2 * np.median(told)  # the galaxy's own electrons are in it
    assert told[-20:].mean() > told[:20].mean()  # and the sky rises along the rows


def test_early_runs_have_their_own_electronics(tmp_path):
    frame = frames(tmp_path, "r", galaxies=())["r"]

    def at(run, camcol, band):
        field = Field(run=run, camcol=camcol, field=1)
        return dataclasses.replace(frame, field=field, band=band).variance(slice(0, 1), slice(0, 1)).item()

    assert at(1050, 2, "u") > at(1200, 2, "u")  # gain 1.595 and 1.825
    assert at(1200, 4, "z") < at(2000, 4, "z")  # dark variance 9.61 and 12.6
    assert at(1200, 1, "g") == at(2000, 1, "g")


def test_beyond_the_field_there_is_no_data_and_the_cutout_says_so(tmp_path):
    some = frames(tmp_path)
    x, y = 5, SHAPE[0] - 6
    ra, dec = (float(value) for value in some["r"].wcs.all_pix2world(x, y, 0))
    cutout = cut(some, ra_deg=ra, dec_deg=dec, size_arcsec=20.0)
    missing = cutout.mask_planes["NO_DATA"]
    np.testing.assert_array_equal(np.isnan(cutout.flux), missing)
    np.testing.assert_array_equal(np.isnan(cutout.variance), missing)
    assert 0.3 < missing[2].mean() < 0.8
    assert np.isfinite(cutout.flux[2][~missing[2]]).all()


def test_a_galaxy_outside_the_field_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"a: \(150\.5.*lies outside the frame of run 3704, camera column 3, field 91"):
        cut(frames(tmp_path, "r"), ra_deg=RA + 0.5)


def test_the_cutout_survives_flaxgals_own_file(tmp_path):
    cutout = cut(frames(tmp_path, "gri"))
    write_cutout(cutout, tmp_path / "a.fits")
    assert read_cutout(tmp_path / "a.fits").sha256 == cutout.sha256


@pytest.mark.parametrize(
    ("band", "field", "said"),
    [("g", FIELD, "FILTER r; wanted g"), ("r", Field(run=3704, camcol=3, field=92), "FRAME 91; wanted 92")],
)
def test_the_frame_of_another_field_is_refused(tmp_path, band, field, said):
    (tmp_path / "a.fits.bz2").write_bytes(frame_bytes("r"))
    with pytest.raises(ValueError, match=said):
        read_frame(tmp_path / "a.fits.bz2", field, band)


def test_what_is_no_whole_frame_is_refused(tmp_path):
    whole, path = frame_bytes("r"), tmp_path / "a.fits"
    plain = bz2.decompress(whole)
    few = fits.HDUList(frame_hdus("r")[:1])
    few.writeto(tmp_path / "few.fits")
    for content in (
        b"",
        b"<html></html>",
        whole[:-500],
        plain[: len(plain) // 2],
        (tmp_path / "few.fits").read_bytes(),
    ):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"a\.fits: no whole frame of SDSS"):
            read_frame(path, FIELD, "r")
    path.write_bytes(plain)
    assert read_frame(path, FIELD, "r").image.shape == SHAPE


@pytest.mark.parametrize("card", ["RUN", "CAMCOL", "FRAME", "FILTER"])
def test_a_damaged_card_is_told_as_a_damaged_frame(tmp_path, card):
    plain = bytearray(bz2.decompress(frame_bytes("r")))
    at = plain.index(f"{card:<8}=".encode())
    plain[at + 9 : at + 40] = b" 3 x '7" + b" " * 24
    (tmp_path / "a.fits").write_bytes(plain)
    with pytest.raises(ValueError, match=r"a\.fits: "):
        read_frame(tmp_path / "a.fits", FIELD, "r")


def test_a_small_file_that_unpacks_without_end_is_refused(tmp_path):
    (tmp_path / "a.fits.bz2").write_bytes(bz2.compress(bytes(300_000_000), 9))
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=r"no whole frame of SDSS \(it unpacks to more than 50000000 bytes\)"):
            read_frame(tmp_path / "a.fits.bz2", FIELD, "r")
        assert tracemalloc.get_traced_memory()[1] < 250_000_000
    finally:
        tracemalloc.stop()
