"""Claims about mock galaxies' T-types: they follow the mean bulges of real galaxies, within their class."""

import numpy as np
import pytest

from flaxgal.mock.t_types import bulge_share_of_t_type, mock_t_types
from flaxgal.survey.schemas import SCHEMAS

SPIRAL = 2


def test_an_elliptical_is_all_bulge_and_later_types_have_less_and_less():
    shares = bulge_share_of_t_type(np.arange(-5, 11))
    assert shares[0] == 1
    assert (np.diff(shares) < 0).all()
    # Means of Simien & de Vaucouleurs' galaxies: S0 0.57, Sb 0.24, Sc 0.09, to two digits.
    assert shares[[3, 8, 10]] == pytest.approx([0.57, 0.24, 0.094], abs=0.005)


def test_a_spiral_with_the_mean_bulge_of_a_type_is_of_that_type():
    types = np.arange(1, 10)
    found = mock_t_types(np.full(9, SPIRAL), bulge_share_of_t_type(types))
    np.testing.assert_array_equal(found, types)


def test_t_types_never_contradict_the_class():
    kind, share = (array.ravel() for array in np.meshgrid([0, 1, 2], np.linspace(0.001, 1, 200)))
    morphology = SCHEMAS["morphology"]
    found = [morphology.class_of(number, "t_type") for number in mock_t_types(kind, share).tolist()]
    assert found == [morphology.classes[k] for k in kind]
