"""Floating-point operations of a U-Net, counted from its shape: 2 for each multiplication and addition of a weight.

Only convolutions are counted (99 % of the work); normalisation, ReLU, pooling, loss and optimiser are not.
"""

from flaxgal.config import UNetConfig

__all__ = ["forward_flops", "step_flops"]


def forward_flops(config: UNetConfig) -> int:
    """Operations of one picture's way through the network."""
    return sum(_convolutions(config))


def step_flops(config: UNetConfig) -> int:
    """Operations of one picture in a training step: the way forward, and twice that for the gradients by weights and by
    features, but for the first layer, whose input needs no gradient.
    """
    return 3 * forward_flops(config) - _first(config)


def _first(config: UNetConfig) -> int:
    return 2 * config.image_size**2 * 9 * len(config.bands) * config.widths[0]


def _convolutions(config: UNetConfig):
    """Operations of each convolution."""
    plain = config.block == "plain"
    area = [(config.image_size // 2**level) ** 2 for level in range(len(config.widths))]
    yield _first(config)
    for level, width in enumerate(config.widths):
        same = 2 * area[level] * 9 * width * width
        coarsest = level == len(config.widths) - 1
        if level:
            finer = config.widths[level - 1]
            yield 2 * area[level] * (9 if plain else 4) * finer * width  # on the way down
            yield 2 * area[level] * 4 * width * finer  # on the way up: 2 × 2 outputs for each pixel
        if plain:
            yield same if coarsest else same + 3 * same  # down: one more; up: one of two halves, and one more
        else:
            yield 2 * config.level_blocks[level] * same * (1 if coarsest else 2)
    yield 2 * area[0] * (1 if plain else 9) * config.widths[0] * len(config.classes)
