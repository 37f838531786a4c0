"""flaxgal's networks in JAX: a bare training step and prediction, as `unet.py` times them."""

import functools

import jax
import jax.numpy as jnp
import optax
from flax import nnx

from flaxgal.config import AugmentConfig, UNetConfig
from flaxgal.losses import bce
from flaxgal.models.unet import UNet, parameter_count

__all__ = ["Rival"]

STEPS_PER_SCAN = 20


class Rival:
    """JAX, as the worker of `unet.py` talks to it."""

    def __init__(self):
        self.device = jax.devices()[0]

    def describe(self) -> dict:
        name = "cpu" if self.device.platform == "cpu" else self.device.device_kind
        return {"jax": jax.__version__, "optax": optax.__version__, "device": name}

    def arrays(self, config: UNetConfig, batch: int):
        shape = (batch, config.image_size, config.image_size)
        keys = jax.random.split(jax.random.key(1))
        image = jax.random.uniform(keys[0], (*shape, len(config.bands)))
        target = (jax.random.uniform(keys[1], (*shape, len(config.classes))) < 0.1).astype(jnp.float32)
        return image, target, jnp.ones(shape)

    def train(self, config: UNetConfig, batch: int, *, augment: bool, scan: bool):
        if scan and self.device.platform == "cpu":
            return None  # XLA's loops on a CPU run convolutions without their fast path: experiments/LOG.md
        model = UNet(config, nnx.Rngs(params=0))
        optimizer = optax.adam(1e-3)
        data = self.arrays(config, batch)

        def step(state, key, data):
            model, moments = state
            image, target, weight = _augmented(key, *data) if augment else data
            loss, gradient = jax.value_and_grad(lambda model: bce(model(image, key=key), target, weight))(model)
            updates, moments = optimizer.update(gradient, moments, model)
            return (optax.apply_updates(model, updates), moments), loss

        @functools.partial(jax.jit, donate_argnums=0)
        def one_step(state, number, data):
            return step(state, jax.random.fold_in(jax.random.key(0), number), data)

        @functools.partial(jax.jit, donate_argnums=0)
        def many_steps(state, number, data):
            keys = jax.random.split(jax.random.fold_in(jax.random.key(0), number), STEPS_PER_SCAN)
            return jax.lax.scan(lambda state, key: step(state, key, data), state, keys)

        state = jax.device_put((model, optimizer.init(model)))
        dispatch, stride = (many_steps, STEPS_PER_SCAN) if scan else (one_step, 1)

        def run(steps):
            nonlocal state
            for number in range(0, steps, stride):
                state, loss = dispatch(state, number, data)
            jax.block_until_ready((state, loss))

        return run, parameter_count(model)

    def predict(self, config: UNetConfig, batch: int):
        model = UNet(config, nnx.Rngs(params=0))
        image, _, _ = self.arrays(config, batch)
        probability = jax.jit(lambda model, image: jax.nn.sigmoid(model(image)))

        def run(steps):
            for _ in range(steps):
                answer = probability(model, image)
            jax.block_until_ready(answer)

        return run, parameter_count(model)

    def matmul(self, dtype: str, size: int):
        a, b = (jax.random.uniform(jax.random.key(seed), (size, size)).astype(dtype) for seed in (0, 1))
        multiply = jax.jit(jnp.matmul)

        def run(steps):
            for _ in range(steps):
                answer = multiply(a, b)
            jax.block_until_ready(answer)

        return run, 0


def _augmented(key, image, target, weight):
    from flaxgal.datasets.augment import augment

    return augment(jax.random.fold_in(key, 1), image, target, weight, AugmentConfig())
