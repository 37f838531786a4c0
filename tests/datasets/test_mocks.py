"""Mock galaxies as training examples: the truth that comes with them is that of the rendered galaxies."""

from pathlib import Path

import jax
import numpy as np
import pytest

from flaxgal.config import MockConfig
from flaxgal.datasets.builders import open_snapshot
from flaxgal.datasets.mocks import build_mock_classes, mock_class_examples, mock_examples
from flaxgal.datasets.morphology import class_balance
from flaxgal.mock.galaxy import render
from flaxgal.mock.t_types import bulge_share_of_t_type
from flaxgal.survey.display import to_pictures
from flaxgal.survey.schemas import SCHEMAS

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


def test_mocks_with_classes_are_as_seen_on_the_sky_and_say_what_can_be_seen() -> None:
    mocks = jax.device_get(render(CONFIG, jax.random.key(5), 32))
    pictures = to_pictures(mocks.flux, CONFIG.bands, ("i",))
    examples = list(mock_class_examples(CONFIG, number=32, seed=5, bands=("i",)))
    for k, example in enumerate(examples):
        np.testing.assert_array_equal(example.image, pictures[k][::-1])  # north is up, and the top comes first
        assert example.labels.morphology == ("E", "S0", "Sp")[mocks.kind[k]]
        sense = {0: "none", 1: "Z", -1: "S"}[int(mocks.chirality[k])]
        assert example.labels.winding == (sense if sense == "none" or mocks.arm_mask[k].any() else "")
        bulge = float(bulge_share_of_t_type(np.array(example.labels.t_type)))
        assert SCHEMAS["morphology"].class_of(example.labels.t_type, "t_type") == example.labels.morphology
        assert example.labels.morphology != "Sp" or bulge == pytest.approx(float(mocks.bulge_share[k]), abs=0.06)
        assert example.truth["signal_to_noise"] == pytest.approx(float(mocks.signal_to_noise[k]))
        assert {"inclination_deg", "chirality", "kind"} <= set(example.truth)
    assert {example.labels.winding for example in examples} == {"S", "Z", "none", ""}
    assert {example.split for example in examples} <= {"train", "validation", "test"}


def test_a_balanced_snapshot_of_mocks_has_as_many_of_each_class(tmp_path: Path) -> None:
    folder = build_mock_classes(tmp_path, CONFIG, number=32, seed=1, bands=("i",))
    assert folder.parent.name == "mock_classes"
    balance = class_balance(open_snapshot(folder), SCHEMAS["morphology"])
    numbers = [sum(counts[name] for counts in balance.values()) for name in ("E", "S0", "Sp")]
    assert sum(numbers) == 32
    assert min(numbers) >= 5
    as_said = build_mock_classes(tmp_path, CONFIG, number=32, seed=1, bands=("i",), balanced=False)
    balance = class_balance(open_snapshot(as_said), SCHEMAS["morphology"])
    assert sum(counts["Sp"] for counts in balance.values()) > 20
    with pytest.raises(ValueError, match="at least 1"):
        next(mock_class_examples(CONFIG, number=0))
