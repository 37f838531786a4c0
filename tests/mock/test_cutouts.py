"""Mock galaxies leave as cutouts that read back, and with a truth table that says what it holds."""

import jax
import numpy as np
import pytest
from astropy import units
from astropy.coordinates import SkyCoord
from astropy.table import Table

from flaxgal.config import MockConfig
from flaxgal.mock.cutouts import mock_cutouts, mock_labels, mock_position, truth_table, write_mock_cutouts
from flaxgal.mock.galaxy import render
from flaxgal.survey.class_tables import read_class_table
from flaxgal.survey.cutout import Cutout, read_cutouts

CONFIG = MockConfig()


@pytest.fixture(scope="module")
def mocks():
    return render(CONFIG, jax.random.key(3), 8)


def test_a_mock_cutout_holds_calibrated_light_on_the_sky(mocks):
    cutout = next(mock_cutouts(CONFIG, mocks, first=123))
    assert cutout.object_id == "mock-0-000123"
    assert (cutout.unit, cutout.survey, cutout.bands) == ("nJy", "mock", ("g", "r", "i"))
    assert cutout.pixel_scale_arcsec == pytest.approx(0.168)
    np.testing.assert_array_equal(cutout.flux, mocks.flux[0])
    np.testing.assert_array_equal(cutout.variance, mocks.variance[0])
    ra_deg, dec_deg = cutout.wcs.pixel_to_world_values(31.5, 31.5)
    assert (float(ra_deg), float(dec_deg)) == pytest.approx((cutout.ra_deg, cutout.dec_deg))


def test_north_is_up_and_east_to_the_left(mocks):
    wcs = next(mock_cutouts(CONFIG, mocks)).wcs
    middle, up, left = (
        SkyCoord(*wcs.pixel_to_world_values(x, y), unit="deg") for x, y in ((31, 31), (31, 41), (21, 31))
    )
    assert middle.position_angle(up).wrap_at(180 * units.deg).deg == pytest.approx(0, abs=0.1)
    assert middle.position_angle(left).deg == pytest.approx(90, abs=0.1)


def test_positions_are_apart_within_and_between_populations():
    places = [mock_position(population, k) for population in ("0", "1") for k in range(500)]
    sky = SkyCoord(places, unit="deg")
    _, nearest, _ = sky.match_to_catalog_sky(sky, nthneighbor=2)
    assert nearest.arcmin.min() > 1


def test_the_truth_table_has_units_descriptions_and_the_truth(mocks):
    table = truth_table(CONFIG, mocks)
    assert all(column.description for column in table.columns.values())
    assert table["total_flux_r"].unit == units.nJy
    assert table["pitch_angle_deg"].unit == units.deg
    assert set(table["kind"]) <= {"E", "S0", "Sp"}
    np.testing.assert_allclose(table["flux_ratio_i"], table["arm_flux_i"] / table["total_flux_i"], rtol=1e-6)


def test_written_mocks_read_back_with_their_truth(tmp_path, mocks):
    assert list(write_mock_cutouts(tmp_path, CONFIG, number=8, seed=3)) == list(range(1, 9))
    cutouts = list(read_cutouts(tmp_path))
    assert all(isinstance(cutout, Cutout) for cutout in cutouts)
    table = Table.read(tmp_path / "truth.ecsv")
    told = read_class_table(tmp_path / "truth.ecsv")
    assert told.labels == dict(zip(table["object_id"], mock_labels(mocks), strict=True))
    masks = np.load(tmp_path / "truth_masks.npz")
    assert [cutout.object_id for cutout in cutouts] == list(table["object_id"]) == list(masks["object_id"])
    np.testing.assert_array_equal(np.stack([cutout.flux for cutout in cutouts]), mocks.flux)
    np.testing.assert_array_equal(masks["arm"], mocks.arm_mask)
