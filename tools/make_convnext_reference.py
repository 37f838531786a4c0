"""Write what timm's ConvNeXt makes of a picture, layer by layer: tests/models/convnext_reference.npz.

Run where PyTorch and timm are, which the tests do without:

    python tools/make_convnext_reference.py

Every weight of a narrow ConvNeXt is drawn at random, those too that begin as zeros or ones, so that a mistake in any of
them shows.
"""

from pathlib import Path

import numpy as np
import timm
import torch
from timm.models.convnext import ConvNeXt

OUT = Path(__file__).parents[1] / "tests" / "models" / "convnext_reference.npz"


def random_weights(network: torch.nn.Module, *, seed: int) -> None:
    """Draw every weight from a normal distribution that keeps the picture's contrast about constant."""
    random = np.random.default_rng(seed)
    with torch.no_grad():
        for name, weight in network.named_parameters():
            into = max(1, weight[0].numel()) if weight.ndim > 1 else 1
            drawn = random.normal(size=tuple(weight.shape)) / np.sqrt(into) * (1.0 if weight.ndim > 1 else 0.3)
            centre = 1.0 if name.endswith(("norm.weight", "stem.1.weight", "downsample.0.weight")) else 0.0
            weight.copy_(torch.as_tensor(centre + drawn))


def layers(network: torch.nn.Module, image: torch.Tensor) -> dict[str, torch.Tensor]:
    """What comes out of the stem, of each stage, of pooling and norm, and of the head."""
    found = {"stem": network.stem(image)}
    passing = found["stem"]
    for number, stage in enumerate(network.stages):
        passing = found[f"stage_{number}"] = stage(passing)
    found["pooled"] = network.forward_head(passing, pre_logits=True)
    found["logits"] = network.forward_head(passing)
    return found


def main() -> None:
    """Write the file."""
    network = ConvNeXt(in_chans=3, num_classes=5, depths=(1, 1, 2, 1), dims=(4, 6, 8, 10)).eval()
    random_weights(network, seed=0)
    picture = np.random.default_rng(1).integers(0, 256, (1, 64, 64, 3), dtype=np.uint8)
    with torch.no_grad():
        image = torch.as_tensor(picture.astype(np.float32) / 255).permute(0, 3, 1, 2)
        found = layers(network, image)
    weights = {f"weights/{name}": value.numpy() for name, value in network.state_dict().items()}
    outputs = {
        f"outputs/{name}": value.permute(0, 2, 3, 1).numpy() if value.ndim == 4 else value.numpy()
        for name, value in found.items()
    }
    np.savez_compressed(OUT, picture=picture, timm=timm.__version__, torch=torch.__version__, **weights, **outputs)


if __name__ == "__main__":
    main()
