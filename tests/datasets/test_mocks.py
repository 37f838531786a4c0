"""Mock galaxies as training examples: the truth that comes with them is that of the rendered galaxies."""

import jax
import numpy as np
import pytest

from flaxgal.config import MockConfig
from flaxgal.datasets.mocks import mock_examples
from flaxgal.mock.galaxy import render
from flaxgal.survey.display import to_pictures

CONFIG = MockConfig(image_size=32, bands=("g", "i"), effective_radius_pixels=(4.0, 8.0))


def test_examples_are_the_rendered_galaxies_with_their_masks_and_truth() -> None:
    examples = list(mock_examples(CONFIG, number=4, seed=5, bands=("i",), classes=("arm", "bar")))
    mocks = jax.device_get(render(CONFIG, jax.random.key(5), 4))
    pictures = to_pictures(mocks.flux, CONFIG.bands, ("i",))
    for k, example in enumerate(examples):
        np.testing.assert_array_equal(example.image, pictures[k])
        np.testing.assert_array_equal(example.target[..., 0] == 255, mocks.arm_mask[k])
        np.testing.assert_array_equal(example.target[..., 1] == 255, mocks.bar_mask[k])
        assert (example.weight == 255).all()
        assert example.truth["flux_ratio_i"] == pytest.approx(float(mocks.flux_ratio[k, 1]))
    assert len({example.object_id for example in examples}) == 4
    assert len({(example.ra_deg, example.dec_deg) for example in examples}) == 4


def test_a_population_is_the_same_however_many_are_asked_for() -> None:
    few, more = (list(mock_examples(CONFIG, number=number, seed=5)) for number in (2, 3))
    for one, other in zip(few, more, strict=False):
        assert one.object_id == other.object_id
        assert (np.abs(one.image.astype(int) - other.image.astype(int)) <= 1).all()


@pytest.mark.parametrize(("choices", "named"), [({"classes": ("ring",)}, "ring"), ({"number": 0}, "at least 1")])
def test_impossible_mocks_are_refused_by_name(choices: dict, named: str) -> None:
    with pytest.raises(ValueError, match=named):
        next(mock_examples(CONFIG, **{"number": 2, **choices}))
