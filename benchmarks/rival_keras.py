"""The same networks in Keras 3 on TensorFlow. Times its own steps for `unet.py`."""

import os

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import tensorflow as tf
from keras import layers

from flaxgal.config import UNetConfig

__all__ = ["Rival"]


def convolution(image, out, size=3, **options):
    return layers.Conv2D(out, size, padding="same", **options)(image)


def norm_relu(image):
    return layers.ReLU()(layers.GroupNormalization(max(1, image.shape[-1] // 8), epsilon=1e-5)(image))


def plain_block(image, out, rate):
    image = convolution(image, out, activation="relu", kernel_initializer="he_normal")
    return convolution(layers.Dropout(rate)(image), out, activation="relu", kernel_initializer="he_normal")


def residual_blocks(image, blocks, rate):
    for _ in range(blocks):
        change = convolution(norm_relu(image), image.shape[-1])
        change = layers.Dropout(rate)(norm_relu(change))
        image = layers.Add()([image, convolution(change, image.shape[-1])])
    return image


def plain_unet(config: UNetConfig) -> keras.Model:
    image = picture = keras.Input((config.image_size, config.image_size, len(config.bands)))
    rates, levels = config.level_dropout, []
    for level, width in enumerate(config.widths):
        image = plain_block(layers.MaxPooling2D()(image) if level else image, width, rates[level])
        levels.append(image)
    image = levels.pop()
    for level in reversed(range(len(levels))):
        image = layers.Conv2DTranspose(config.widths[level], 2, strides=2)(image)
        image = plain_block(layers.Concatenate()([image, levels[level]]), config.widths[level], rates[level])
    return keras.Model(picture, convolution(image, len(config.classes), 1, dtype="float32"))


def residual_unet(config: UNetConfig) -> keras.Model:
    image = picture = keras.Input((config.image_size, config.image_size, len(config.bands)))
    rates, blocks, levels = config.level_dropout, config.level_blocks, []
    for level, width in enumerate(config.widths):
        image = layers.Conv2D(width, 2, strides=2)(image) if level else convolution(image, width)
        image = residual_blocks(image, blocks[level], rates[level])
        levels.append(image)
    image = levels.pop()
    for level in reversed(range(len(levels))):
        image = layers.Add()([layers.Conv2DTranspose(config.widths[level], 2, strides=2)(image), levels[level]])
        image = residual_blocks(image, blocks[level], rates[level])
    return keras.Model(picture, convolution(norm_relu(image), len(config.classes), dtype="float32"))


class Rival:
    """Keras 3 on TensorFlow, as the worker of `unet.py` talks to it."""

    def __init__(self):
        self.gpus = tf.config.list_physical_devices("GPU")
        for gpu in self.gpus:
            tf.config.experimental.set_memory_growth(gpu, True)

    def describe(self) -> dict:
        device = tf.config.experimental.get_device_details(self.gpus[0])["device_name"] if self.gpus else "cpu"
        return {"keras": keras.version(), "tensorflow": tf.__version__, "device": device}

    def network(self, config: UNetConfig) -> keras.Model:
        keras.mixed_precision.set_global_policy("mixed_bfloat16" if config.dtype == "bfloat16" else "float32")
        return (plain_unet if config.block == "plain" else residual_unet)(config)

    def arrays(self, config: UNetConfig, batch: int):
        shape = (batch, config.image_size, config.image_size)
        image = tf.random.uniform((*shape, len(config.bands)))
        return image, tf.cast(tf.random.uniform((*shape, len(config.classes))) < 0.1, tf.float32)

    def train(self, config: UNetConfig, batch: int, *, augment: bool, scan: bool):
        if augment or scan:
            return None
        model, optimizer = self.network(config), keras.optimizers.Adam(1e-3)
        image, target = self.arrays(config, batch)
        variables = model.trainable_variables
        optimizer.build(variables)

        @tf.function(jit_compile=bool(self.gpus))  # what Keras' own "auto" chooses
        def step(image, target):
            with tf.GradientTape() as tape:
                logits = model(image, training=True)
                loss = tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(target, logits))
            optimizer.apply(tape.gradient(loss, variables), variables)
            return loss

        def run(steps):
            for _ in range(steps):
                loss = step(image, target)
            loss.numpy()

        return run, model.count_params()

    def predict(self, config: UNetConfig, batch: int):
        model = self.network(config)
        image, _ = self.arrays(config, batch)

        @tf.function(jit_compile=bool(self.gpus))
        def probability(image):
            return tf.sigmoid(model(image, training=False))

        def run(steps):
            for _ in range(steps):
                answer = probability(image)
            answer[0, 0, 0].numpy()

        return run, model.count_params()

    def matmul(self, dtype: str, size: int):
        a, b = (tf.cast(tf.random.uniform((size, size)), dtype) for _ in range(2))
        multiply = tf.function(tf.matmul)

        def run(steps):
            for _ in range(steps):
                answer = multiply(a, b)
            tf.cast(answer[0, 0], tf.float32).numpy()

        return run, 0
