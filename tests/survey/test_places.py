"""Distances of near positions agree with astropy's, wherever on the sky they are."""

import astropy.units as u
import pytest
from astropy.coordinates import SkyCoord

from flaxgal.survey.places import arcsec_apart


@pytest.mark.parametrize("here", [(150.0, 2.0), (0.0001, -60.0), (359.9999, 80.0), (180.0, -89.0)])
@pytest.mark.parametrize("north", [0.0, 1.5, -20.0])
def test_a_distance_agrees_with_astropys_also_where_right_ascension_begins_anew(here, north):
    there = SkyCoord(*here, unit="deg").spherical_offsets_by(3 * u.arcsec, north * u.arcsec)
    found = arcsec_apart(there.ra.deg, there.dec.deg, *here)
    assert found == pytest.approx(SkyCoord(*here, unit="deg").separation(there).arcsec, rel=0.01)
