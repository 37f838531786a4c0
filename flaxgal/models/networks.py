"""The network that a run's config asks for."""

from flax import nnx

from flaxgal.config import ClassifyConfig, RunConfig, TrainConfig
from flaxgal.models.classifier import Classifier
from flaxgal.models.unet import UNet
from flaxgal.survey.schemas import schema_named

__all__ = ["new_network"]


def new_network(config: RunConfig, rngs: nnx.Rngs) -> UNet | Classifier:
    """A network with random weights: it maps arms, or answers in the outputs of the task's label schema.

    Raises
    ------
    TypeError
        If there is no network for this kind of config.
    """
    if isinstance(config, TrainConfig):
        return UNet(config.model, rngs)
    if isinstance(config, ClassifyConfig):
        return Classifier(config.model, schema_named(config.task).outputs, rngs)
    raise TypeError(f"no network for a {type(config).__name__}")
