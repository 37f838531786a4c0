"""A network's answers become probabilities, whichever way up the galaxy is seen."""

from dataclasses import replace

import jax
import numpy as np
import pytest
from flax import nnx

from flaxgal.classify import expected_number, oriented_logits, probabilities
from flaxgal.config import DEFAULT_CLASSIFIER
from flaxgal.models.classifier import Classifier, class_logits
from flaxgal.survey.schemas import SCHEMAS

WINDING, T_TYPE, MORPHOLOGY = SCHEMAS["winding"], SCHEMAS["t_type"], SCHEMAS["morphology"]
SMALL = replace(DEFAULT_CLASSIFIER, image_size=16, widths=(4, 8), blocks=(1,), dropout=(0.0,))


def untrained(schema):
    """A network that was never trained, with a last layer that says something."""
    found = Classifier(SMALL, schema.outputs, nnx.Rngs(params=0))
    found.head.kernel[...] = jax.random.normal(jax.random.key(1), found.head.kernel.shape)
    return found


@pytest.fixture(scope="module")
def model():
    return untrained(WINDING)


@pytest.fixture(scope="module")
def pictures():
    return np.random.default_rng(0).integers(0, 255, (5, 16, 16, 1), dtype=np.uint8)


def test_one_orientation_is_what_the_network_says_whatever_the_batches(model, pictures):
    plain = np.asarray(class_logits(model, pictures.astype(np.float32) / 255))
    for batch_size in (2, 5, 64):
        found = oriented_logits(model, pictures, WINDING, batch_size=batch_size)
        np.testing.assert_allclose(found[0], plain, atol=1e-5)
    softmax = np.exp(plain) / np.exp(plain).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(probabilities(found, WINDING), softmax, rtol=1e-5)


def test_over_all_orientations_a_mirrored_galaxy_winds_the_other_way_exactly(model, pictures):
    seen = probabilities(oriented_logits(model, pictures, WINDING, orientations=8), WINDING)
    mirrored = probabilities(oriented_logits(model, pictures[:, :, ::-1], WINDING, orientations=8), WINDING)
    np.testing.assert_allclose(mirrored, seen[:, [1, 0, 2]], atol=1e-6)
    assert np.abs(seen[:, 0] - seen[:, 1]).max() > 1e-3
    turned = np.rot90(pictures, axes=(1, 2))
    again = probabilities(oriented_logits(model, turned, WINDING, orientations=8), WINDING)
    np.testing.assert_allclose(again, seen, atol=1e-6)


def test_two_orientations_are_the_picture_and_its_mirror_image(model, pictures):
    found = oriented_logits(model, pictures, WINDING, orientations=2)
    mirrored = oriented_logits(model, pictures[:, :, ::-1], WINDING)
    np.testing.assert_allclose(found[1], mirrored[0][:, [1, 0, 2]], atol=1e-5)


def test_classes_that_a_mirror_leaves_alone_are_not_swapped(pictures):
    symmetric = (pictures // 2) + (pictures[:, :, ::-1] // 2)
    found = oriented_logits(untrained(MORPHOLOGY), symmetric, MORPHOLOGY, orientations=2)
    np.testing.assert_allclose(found[0], found[1], atol=1e-5)
    assert np.ptp(found[0], axis=1).min() > 1e-3


def test_no_picture_gives_no_probability(model, pictures):
    found = oriented_logits(model, pictures[:0], WINDING, orientations=4)
    assert probabilities(found, WINDING).shape == (0, 3)


def test_a_high_temperature_makes_unsure_and_changes_no_order():
    logits = np.array([[[3.0, 1.0, -2.0]]], np.float32)
    sure, unsure = (probabilities(logits, MORPHOLOGY, temperature=t)[0] for t in (1.0, 4.0))
    assert sure.max() > unsure.max()
    assert (np.argsort(sure) == np.argsort(unsure)).all()
    np.testing.assert_allclose(probabilities(logits, MORPHOLOGY, temperature=1e6), 1 / 3, atol=1e-5)


def test_ordered_outputs_become_probabilities_of_each_number():
    sure = np.where(np.arange(15) < 8, 40.0, -40.0)[None, None].astype(np.float32)  # beyond eight steps: T = 3
    found = probabilities(sure, T_TYPE)
    assert found.shape == (1, 16)
    assert T_TYPE.classes[found[0].argmax()] == "3"
    assert expected_number(found, T_TYPE) == pytest.approx([3.0])
    np.testing.assert_allclose(expected_number(probabilities(0 * sure, T_TYPE), T_TYPE), 2.5)


def test_ordered_outputs_that_contradict_each_other_still_give_probabilities():
    logits = np.random.default_rng(0).normal(0, 400, (3, 20, 15)).astype(np.float32)
    found = probabilities(logits, T_TYPE)
    assert (found >= 0).all()
    np.testing.assert_allclose(found.sum(axis=1), 1)
    rising = np.log(np.array([0.5, 0.9, 0.2] + 12 * [0.1]) / (1 - np.array([0.5, 0.9, 0.2] + 12 * [0.1])))
    kept = probabilities(rising[None, None].astype(np.float32), T_TYPE)[0]
    np.testing.assert_allclose(kept[:4], [0.5, 0.0, 0.3, 0.1], atol=1e-6)
    assert not np.signbit(found).any()  # tables would say -0.0
