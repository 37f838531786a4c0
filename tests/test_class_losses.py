"""Claims about the losses of classes: known values, slow twins, soft targets, galaxies that do not count."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from flaxgal.class_losses import class_cross_entropy, galaxy_weights, ordinal
from flaxgal.survey.schemas import SCHEMAS

LOSSES = [class_cross_entropy, ordinal]


def batch(loss, *, number=7, outputs=3, seed=0):
    """Logits, hard targets and weights of a few galaxies."""
    random = np.random.default_rng(seed)
    classes = random.integers(0, outputs + (loss is ordinal), number)
    places = np.arange(outputs)
    target = places < classes[:, None] if loss is ordinal else places == classes[:, None]
    return (
        jnp.asarray(random.normal(0, 2, (number, outputs)), jnp.float32),
        jnp.asarray(target, jnp.float32),
        jnp.asarray(random.uniform(0.2, 1.0, number), jnp.float32),
    )


def test_an_undecided_network_loses_the_logarithm_of_how_many_answers_there_are():
    logits, target, weight = batch(class_cross_entropy)
    np.testing.assert_allclose(class_cross_entropy(0 * logits, target, weight), np.log(3), rtol=1e-6)
    np.testing.assert_allclose(ordinal(0 * logits, *batch(ordinal)[1:]), np.log(2), rtol=1e-6)


@pytest.mark.parametrize("loss", LOSSES)
def test_a_confident_right_answer_costs_nothing_and_a_wrong_one_its_logits(loss):
    _, target, weight = batch(loss)
    right = 100 * (target - 0.5)
    assert loss(right, target, weight) < 1e-6
    one, other = jnp.eye(3)[:1], jnp.eye(3)[1:2]
    wrong = (jnp.zeros((1, 3)), jnp.ones((1, 3))) if loss is ordinal else (one, other)
    value = loss(100 * (wrong[0] - 0.5), wrong[1], jnp.ones(1))
    np.testing.assert_allclose(value, 50.0 if loss is ordinal else 100.0, rtol=1e-6)


def test_cross_entropy_is_minus_the_logarithm_of_the_right_class_s_probability():
    logits, target, weight = batch(class_cross_entropy)
    probability = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    right = [row[k] for row, k in zip(probability, np.argmax(target, -1), strict=True)]
    expected = np.average(-np.log(right), weights=weight)
    np.testing.assert_allclose(class_cross_entropy(logits, target, weight), expected, rtol=1e-6)


def test_ordinal_loss_is_that_of_frank_and_hall_s_questions_one_by_one():
    logits, target, weight = batch(ordinal)
    yes = 1 / (1 + np.exp(-np.asarray(logits, np.float64)))
    each = -np.where(target > 0.5, np.log(yes), np.log(1 - yes)).mean(-1)
    np.testing.assert_allclose(ordinal(logits, target, weight), np.average(each, weights=weight), rtol=1e-6)


def test_an_undecided_network_is_drawn_away_from_one_half_by_every_answer():
    target = jnp.asarray([[1.0, 1.0, 0.0]])
    slope = jax.grad(ordinal)(jnp.zeros((1, 3)), target, jnp.ones(1))
    np.testing.assert_allclose(slope, (0.5 - target) / 3, rtol=1e-6)
    slope = jax.grad(class_cross_entropy)(jnp.zeros((1, 3)), jnp.eye(3)[:1], jnp.ones(1))
    np.testing.assert_allclose(slope, 1 / 3 - np.eye(3)[:1], rtol=1e-6)


def test_ordinal_loss_grows_with_each_step_that_the_answer_is_off():
    schema = SCHEMAS["t_type"]
    truth = jnp.asarray(schema.target("0"))[None]
    answers = [jnp.asarray(8 * (schema.target(str(number)) - 0.5))[None] for number in (0, 1, 3, 9)]
    costs = [float(ordinal(answer, truth, jnp.ones(1))) for answer in answers]
    assert costs == sorted(costs)
    np.testing.assert_allclose(np.diff(costs), np.array([1, 2, 6]) * 4 / schema.outputs, rtol=1e-5)


@pytest.mark.parametrize("loss", LOSSES)
def test_soft_targets_are_met_by_probabilities_that_equal_them(loss):
    random = np.random.default_rng(1)
    target = random.uniform(0.1, 0.9, (4, 3))
    target = target if loss is ordinal else target / target.sum(-1, keepdims=True)
    met = np.log(target / (1 - target)) if loss is ordinal else np.log(target)
    weight = jnp.ones(4)
    gradient = jax.grad(loss)(jnp.asarray(met, jnp.float32), jnp.asarray(target, jnp.float32), weight)
    np.testing.assert_allclose(gradient, 0, atol=1e-6)


@pytest.mark.parametrize(("loss", "even"), [(class_cross_entropy, 1 / 3), (ordinal, 1 / 2)])
def test_label_smoothing_is_the_loss_of_targets_mixed_with_even_ones(loss, even):
    logits, target, weight = batch(loss)
    mixed = loss(logits, 0.9 * target + 0.1 * even, weight)
    np.testing.assert_allclose(loss(logits, target, weight, label_smoothing=0.1), mixed, rtol=1e-6)


@pytest.mark.parametrize("loss", LOSSES)
def test_galaxies_of_weight_zero_have_no_influence_at_all(loss):
    logits, target, weight = batch(loss)
    weight = weight.at[2].set(0.0)
    value, gradient = jax.value_and_grad(loss)(logits, target, weight)
    assert loss(logits.at[2].set(37.0), target.at[2].set(1.0), weight) == value
    assert np.all(np.asarray(gradient)[2] == 0)
    value, gradient = jax.value_and_grad(loss)(logits, target, 0 * weight)
    assert value == 0
    assert np.all(gradient == 0)


@pytest.mark.parametrize("loss", LOSSES)
def test_a_galaxy_of_weight_two_counts_as_two(loss):
    logits, target, _ = batch(loss, number=3)
    twice = jnp.asarray([0, 0, 1, 2])
    expected = loss(logits[twice], target[twice], jnp.ones(4))
    np.testing.assert_allclose(loss(logits, target, jnp.asarray([2.0, 1.0, 1.0])), expected, rtol=1e-6)


@pytest.mark.parametrize("name", ["winding", "t_type"])
def test_a_galaxy_counts_as_much_as_its_class(name):
    schema = SCHEMAS[name]
    weights = np.random.default_rng(2).uniform(0.1, 3, len(schema.classes)).astype(np.float32)
    target = jnp.asarray(np.stack([schema.target(label) for label in schema.classes]))
    np.testing.assert_allclose(galaxy_weights(target, jnp.asarray(weights), ordered=schema.ordered), weights, rtol=1e-5)


@pytest.mark.parametrize("sign", [-80.0, 80.0])
@pytest.mark.parametrize("loss", LOSSES)
def test_extreme_logits_give_finite_losses_and_gradients(loss, sign):
    _, target, weight = batch(loss)
    logits = sign * jnp.ones_like(target).at[:, 0].set(-1)
    value, gradient = jax.value_and_grad(loss)(logits, target, weight)
    assert np.isfinite(value)
    assert np.all(np.isfinite(gradient))
