"""The command `flaxgal convert`: encoders that others have trained."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, arg

__all__ = ["convert"]


def convert(
    weights: Annotated[Positional[Path], arg(metavar="WEIGHTS")],
    *,
    out: Path,
    bands: int = 0,
    channels: Literal["same", "shared"] = "same",
    means: tuple[float, ...] = (),
    deviations: tuple[float, ...] = (),
) -> int:
    """Make published ConvNeXt weights, Zoobot's for one, the beginning of a run: an encoder for --encoder-from.

    Example: flaxgal convert model.safetensors --out zoobot/

    Args:
        weights: A file of weights with timm's names: .safetensors, or PyTorch's .pt, .pth, .ckpt or .bin.
        out: Folder to make for the encoder.
        bands: Of the pictures to come; 0: as many as the weights have channels.
        channels: same: the bands are the channels, in order; shared: every band is seen with the sum of their kernels.
        means: What was subtracted from each channel of pictures in 0..1 when the weights were trained.
        deviations: What each channel was divided by after that.
    """
    from flaxgal import transfer

    encoder = transfer.convert(weights, out, bands=bands, channels=channels, means=means, deviations=deviations)
    widths, blocks = (" ".join(map(str, numbers)) for numbers in (encoder.widths, encoder.blocks))
    named = f" ({encoder.size})" if encoder.size else ""
    print(f"{out}: a ConvNeXt{named} for {encoder.bands} band(s)")
    if encoder.left_alone:
        print(f"left out, as no part of an encoder: {' '.join(encoder.left_alone)}")
    names = " ".join(f"BAND{number}" for number in range(1, encoder.bands + 1)) if encoder.bands > 1 else "grey"
    made = f"--encoder-from {out} --model.widths {widths} --model.blocks {blocks} --model.bands {names}"
    print(f"train classes on it: {made} --model.network convnext --model.view sky --model.rings --model.stem 4")
    print(f"train arms on it: {made} --model.block convnext")
    if encoder.bands > 1:
        print(
            f"pictures must have {encoder.bands} bands: give the snapshot's for {names}, in the order of the weights' "
            f"channels (as red green blue); for grey pictures convert the file with --bands 1 --channels shared"
        )
    print(transfer.CITE)
    return 0
