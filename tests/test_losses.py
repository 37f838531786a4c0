"""Losses: analytic limits, gradients against finite differences, left-out pixels, extreme logits."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from flaxgal.config import LossConfig
from flaxgal.losses import bce, focal, soft_dice, total_loss

LOSSES = [bce, soft_dice, focal]
EVERYTHING = LossConfig(bce=1.0, dice=0.7, focal=0.3)


def random_batch(seed=0, shape=(3, 6, 5, 2), soft=False):
    random = np.random.default_rng(seed)
    target = random.uniform(size=shape) if soft else (random.uniform(size=shape) < 0.3)
    return (
        jnp.asarray(random.normal(0, 2, shape), jnp.float32),
        jnp.asarray(target, jnp.float32),
        jnp.asarray(random.uniform(0.2, 1.0, shape[:3]), jnp.float32),
    )


def perfect_logits(target):
    return jnp.where(target > 0.5, 50.0, -50.0)


@pytest.mark.parametrize("loss", LOSSES)
def test_a_perfect_prediction_costs_nothing(loss):
    _, target, weight = random_batch()
    assert loss(perfect_logits(target), target, weight) < 1e-6


def test_a_prediction_of_the_opposite_has_dice_loss_one():
    _, target, weight = random_batch(shape=(2, 40, 40, 1))
    np.testing.assert_allclose(soft_dice(-perfect_logits(target), target, weight), 1.0, atol=2e-3)


def test_dice_of_a_known_overlap_is_what_the_formula_says():
    target = jnp.zeros((1, 4, 4, 1)).at[0, :2].set(1.0)  # 8 pixels
    logits = perfect_logits(jnp.zeros((1, 4, 4, 1)).at[0, 1:3].set(1.0))  # 8 pixels, 4 of them right
    np.testing.assert_allclose(soft_dice(logits, target, jnp.ones((1, 4, 4))), 1 - (2 * 4 + 1) / (16 + 1), rtol=1e-6)


def test_cross_entropy_of_an_undecided_network_is_the_logarithm_of_two():
    _, target, weight = random_batch(soft=True)
    np.testing.assert_allclose(bce(jnp.zeros_like(target), target, weight), np.log(2.0), rtol=1e-6)


def test_focal_loss_with_gamma_zero_is_the_cross_entropy():
    logits, target, weight = random_batch(soft=True)
    np.testing.assert_allclose(focal(logits, target, weight, 0.0), bce(logits, target, weight), rtol=1e-6)


def test_focal_loss_of_hard_targets_is_that_of_lin_et_al_2017():
    logits, target, weight = random_batch()
    right = np.where(target > 0.5, jax.nn.sigmoid(logits), 1 - jax.nn.sigmoid(logits)).astype(float)
    expected = np.average(-((1 - right) ** 2) * np.log(right), weights=np.broadcast_to(weight[..., None], right.shape))
    np.testing.assert_allclose(focal(logits, target, weight, 2.0), expected, rtol=1e-5)


@pytest.mark.parametrize("loss", LOSSES)
def test_soft_targets_are_met_where_the_probability_is_the_fraction_of_people(loss):
    _, target, weight = random_batch(soft=True)
    target = jnp.clip(target, 0.05, 0.95)
    met = jnp.log(target / (1 - target))
    gradient = jax.grad(loss)(met, target, weight)
    np.testing.assert_allclose(gradient, 0.0, atol=1e-6)
    assert loss(met, target, weight) < loss(met + 0.5, target, weight)
    assert loss(met, target, weight) < loss(met - 0.5, target, weight)


@pytest.mark.parametrize("loss", LOSSES)
def test_pixels_of_weight_zero_have_no_influence_at_all(loss):
    logits, target, weight = random_batch()
    weight = weight.at[:, 2:4, 1:3].set(0.0)
    out = weight == 0
    value, gradient = jax.value_and_grad(loss)(logits, target, weight)
    other_logits = jnp.where(out[..., None], 37.0, logits)
    other_target = jnp.where(out[..., None], 1.0 - target, target)
    assert loss(other_logits, other_target, weight) == value
    assert np.all(np.asarray(gradient)[np.asarray(out)] == 0.0)


@pytest.mark.parametrize("loss", LOSSES)
def test_a_galaxy_left_out_as_a_whole_changes_nothing(loss):
    logits, target, weight = random_batch()
    without = loss(logits[:2], target[:2], weight[:2])
    np.testing.assert_allclose(loss(logits, target, weight.at[2].set(0.0)), without, rtol=1e-6)


@pytest.mark.parametrize("loss", LOSSES)
def test_a_batch_that_is_left_out_costs_nothing_and_pulls_nowhere(loss):
    logits, target, weight = random_batch()
    value, gradient = jax.value_and_grad(loss)(logits, target, weight * 0)
    assert value == 0.0
    assert np.all(gradient == 0.0)


@pytest.mark.parametrize("sign", [-50.0, 50.0])
@pytest.mark.parametrize("loss", LOSSES)
def test_extreme_logits_give_finite_losses_and_gradients(loss, sign):
    _, target, weight = random_batch()
    value, gradient = jax.value_and_grad(loss)(jnp.full_like(target, sign), target, weight)
    assert np.isfinite(value)
    assert np.all(np.isfinite(gradient))


def test_cross_entropy_of_a_confident_mistake_is_its_logit():
    target = jnp.ones((1, 2, 2, 1))
    np.testing.assert_allclose(bce(-50.0 * target, target, jnp.ones((1, 2, 2))), 50.0, rtol=1e-6)


@pytest.mark.parametrize("loss", LOSSES)
def test_gradients_agree_with_finite_differences(loss):
    logits, target, weight = random_batch(soft=True)
    direction = jnp.asarray(np.random.default_rng(1).normal(size=logits.shape), jnp.float32)
    step = 3e-2
    along = (loss(logits + step * direction, target, weight) - loss(logits - step * direction, target, weight)) / (
        2 * step
    )
    np.testing.assert_allclose(jnp.vdot(jax.grad(loss)(logits, target, weight), direction), along, rtol=5e-3, atol=1e-4)


def test_the_total_is_the_weighted_sum_of_its_terms():
    batch = random_batch()
    expected = bce(*batch) + 0.7 * soft_dice(*batch) + 0.3 * focal(*batch, EVERYTHING.focal_gamma)
    np.testing.assert_allclose(total_loss(*batch, EVERYTHING), expected, rtol=1e-6)


def test_two_classes_with_the_same_maps_cost_as_much_as_one():
    logits, target, weight = random_batch(shape=(2, 5, 5, 1))
    twice = total_loss(jnp.tile(logits, 2), jnp.tile(target, 2), weight, EVERYTHING)
    np.testing.assert_allclose(twice, total_loss(logits, target, weight, EVERYTHING), rtol=1e-6)
