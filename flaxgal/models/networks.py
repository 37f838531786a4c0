"""The network that a run's config asks for."""

from flax import nnx

from flaxgal.config import RunConfig, TrainConfig
from flaxgal.models.unet import UNet

__all__ = ["new_network"]


def new_network(config: RunConfig, rngs: nnx.Rngs) -> UNet:
    """A network with random weights.

    Raises
    ------
    TypeError
        If there is no network for this kind of config.
    """
    if isinstance(config, TrainConfig):
        return UNet(config.model, rngs)
    raise TypeError(f"no network for a {type(config).__name__}")
