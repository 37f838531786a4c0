"""Encoders that others have trained: published ConvNeXt weights in, a folder that `encoder_from` takes out.

    ENCODER/checkpoints/best/000000    the weights of the way down, as a run keeps them (`flaxgal.checkpoint`)
    ENCODER/encoder.json               of which file they are, of what shape, and how its channels became bands

Weights come as safetensors or as a PyTorch state dict under the names that timm gives them, as those of Zoobot do
(Walmsley et al. 2023): of convnext_atto to convnext_large, the plain ConvNeXts of version 1. PyTorch is imported to
read its own files and for nothing else.

Our pictures are in 0..1 after a stretch, in as many bands as there are. Published weights were trained on pictures in
0..1 of three channels (Zoobot: colour composites, or one grey channel), sometimes minus a mean and over a deviation:
`mean` and `std` in the config.json beside the weights say which, and `without_normalisation` has the encoder do it.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import jax
import numpy as np

from flaxgal import checkpoint
from flaxgal.config import CONVNEXT_SIZES
from flaxgal.survey.atomic import replaced_when_whole

__all__ = ["Channels", "Encoder", "convert", "convnext_encoder", "for_bands", "read_weights", "without_normalisation"]

ENCODER = "encoder.json"
FORMATS = (".safetensors", ".pt", ".pth", ".ckpt", ".bin")
CITE = (
    "These weights are the work of others: keep their licence, and cite them. Zoobot: Walmsley et al. 2023, Journal of "
    "Open Source Software 8, 5312; ConvNeXt: Liu et al. 2022, CVPR; timm: Wightman 2019."
)
STEM = "stem.0.weight"
LEFT_ALONE = ("head.fc.weight", "head.fc.bias")  # somebody else's classes

Weights = dict[str, np.ndarray]
Channels = Literal["same", "shared"]


@dataclass(frozen=True, eq=False)
class Encoder:
    """The way down of a ConvNeXt, as a network of ours with these widths and blocks holds it."""

    widths: tuple[int, ...]
    blocks: tuple[int, ...]
    leaves: Weights
    """By path, as `flaxgal.checkpoint.leaves_by_path` names them: all of `down/`, and `norm/` where there is one."""
    left_alone: tuple[str, ...] = ()
    """Weights of the file that belong to no encoder."""

    @property
    def size(self) -> str:
        """The name of this size, or nothing for one without."""
        return next((name for name, size in CONVNEXT_SIZES.items() if size == (self.widths, self.blocks)), "")

    @property
    def bands(self) -> int:
        """Channels of the pictures that it takes."""
        return self.leaves["down/0/entry/kernel/value"].shape[0] // 16


def convert(
    source: Path | str,
    out: Path | str,
    *,
    bands: int = 0,
    channels: Channels = "same",
    means: tuple[float, ...] = (),
    deviations: tuple[float, ...] = (),
) -> Encoder:
    """Write the encoder in a file of published weights to a folder of its own.

    Parameters
    ----------
    source : Path or str
        .safetensors, or a PyTorch state dict or Lightning checkpoint (.pt, .pth, .ckpt, .bin).
    out : Path or str
        Folder to make.
    bands : int
        Channels of the pictures to come; 0: as many as the weights are for.
    channels : "same" or "shared"
        same: band after band takes the place of channel after channel; shared: see `for_bands`.
    means, deviations : tuple of float, one a channel
        What was subtracted from pictures in 0..1 when the weights were trained, and what they were divided by after.
        The encoder then does that itself, since our pictures stay in 0..1.

    Raises
    ------
    ValueError
        If the folder is there already, the file is none of these, or it holds no plain ConvNeXt or not all of one.
    """
    source, out = Path(source), Path(out)
    if out.exists():
        raise ValueError(f"{out} exists already: give --out a name that is free")
    encoder = convnext_encoder(read_weights(source), source.name)
    if means or deviations:
        encoder = without_normalisation(encoder, means, deviations)
    encoder = for_bands(encoder, bands or encoder.bands, channels)
    about = {
        "source": source.name,
        "sha256": hashlib.sha256(source.read_bytes()).hexdigest(),
        "network": "convnext",
        "size": encoder.size,
        "widths": encoder.widths,
        "blocks": encoder.blocks,
        "bands": encoder.bands,
        "channels": channels,
        "means": means,
        "deviations": deviations,
        "left_alone": encoder.left_alone,
        "cite": CITE,
    }
    checkpoint.save(out, "best", 0, {"average": jax.tree.map(jax.numpy.asarray, encoder.leaves)})
    with replaced_when_whole(out / ENCODER) as temporary:
        temporary.write_text(json.dumps(about, indent=2) + "\n")
    return encoder


def read_weights(path: Path | str) -> Weights:
    """The named arrays of a safetensors or PyTorch file, in float32.

    Raises
    ------
    ValueError
        If there is no such file, it is of neither kind or damaged, or what reads its kind is not installed.
    """
    path = Path(path)
    if path.suffix not in FORMATS:
        raise ValueError(f"{path}: its name ends in none of {', '.join(FORMATS)}: give a file of weights")
    if not path.is_file():
        raise ValueError(f"{path}: no such file")
    found = _read_safetensors(path) if path.suffix == ".safetensors" else _read_torch(path)
    return {name: np.asarray(array, np.float32) for name, array in found.items()}


def _read_safetensors(path: Path) -> Weights:
    try:
        from safetensors.numpy import load_file
    except ImportError:
        raise ValueError(f"{path}: reading it needs safetensors: pip install 'flaxgal[transfer]'") from None
    try:
        return load_file(path)
    except Exception as error:  # safetensors and NumPy raise whatever they like for damaged files
        raise ValueError(
            f"{path}: not a readable safetensors file ({type(error).__name__}: {error}); download it again"
        ) from error


def _read_torch(path: Path) -> Weights:
    """The state dict in a PyTorch file, or in a Lightning checkpoint; nothing else in it is run."""
    try:
        import torch  # pyright: ignore[reportMissingImports]
    except ImportError:
        raise ValueError(
            f"{path}: reading it needs PyTorch, though nothing else here does: pip install torch, "
            f"or have the weights as .safetensors"
        ) from None
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise ValueError(
            f"{path}: not a PyTorch file of weights alone ({type(error).__name__}); where you trust it, save its "
            f"state_dict() to a file of its own with torch.save and convert that"
        ) from error
    found = found.get("state_dict", found) if isinstance(found, dict) else {}
    arrays = {name: value for name, value in found.items() if isinstance(value, torch.Tensor)}
    if not arrays:
        raise ValueError(f"{path}: holds no state dict: save the model's state_dict(), not the model")
    return {name: tensor.to(torch.float32).numpy() for name, tensor in arrays.items()}


def convnext_encoder(weights: Weights, name: str = "the file") -> Encoder:
    """The encoder among weights under timm's names, whatever prefix they share; every one of them accounted for.

    Raises
    ------
    ValueError
        If they are of no ConvNeXt, of one with parts we have not, or some are missing, left over, of another shape or
        no numbers.
    """
    prefixes = [key.removesuffix(STEM) for key in weights if key.endswith(STEM)]
    if len(prefixes) != 1:
        raise ValueError(
            f"{name}: {'several networks' if prefixes else 'no ConvNeXt under the names that timm gives'} "
            f"({len(prefixes)} weights are called {STEM}): give the weights of one ConvNeXt as timm saves it"
        )
    prefix = prefixes[0]
    inside = {key.removeprefix(prefix): value for key, value in weights.items() if key.startswith(prefix)}
    outside = [key for key in weights if not key.startswith(prefix)]
    _refuse_other_kinds(inside, name)
    _refuse_damaged(inside, name)
    widths, blocks = _shape(inside)
    leaves, wrong, wanted = {}, [], set()
    for theirs, ours, shape, ordered in _leaves(inside[STEM].shape[1], widths, blocks):
        wanted.add(theirs)
        if theirs not in inside:
            if not theirs.startswith("head."):
                wrong.append(f"{theirs} is missing")
        elif _sides(inside[theirs].shape) != _sides(shape):
            wrong.append(f"{theirs} has shape {inside[theirs].shape} instead of {shape}")
        else:
            leaves[ours] = np.ascontiguousarray(ordered(inside[theirs].reshape(shape)), np.float32)
    left_over = sorted(inside.keys() - wanted - set(LEFT_ALONE))
    wrong += [f"{theirs} is left over" for theirs in left_over]
    if wrong:
        more = f"; and {len(wrong) - 5} more like these" if len(wrong) > 5 else ""
        raise ValueError(
            f"{name}: not all of a ConvNeXt of widths {widths} and blocks {blocks}: {'; '.join(wrong[:5])}{more}"
        )
    return Encoder(widths, blocks, leaves, (*sorted(set(inside) & set(LEFT_ALONE)), *sorted(outside)))


def without_normalisation(encoder: Encoder, means: tuple[float, ...], deviations: tuple[float, ...]) -> Encoder:
    """The encoder that makes of a picture x what the given one makes of (x − means) ÷ deviations, channel by channel.

    Raises
    ------
    ValueError
        If there is not one mean and one deviation above 0 for each channel.
    """
    found = encoder.bands
    if len(means) != found or len(deviations) != found or min(deviations) <= 0:
        raise ValueError(
            f"means are {means} and deviations {deviations}: give one for each of the {found} channels that the "
            f"weights are for, deviations above 0"
        )
    kernel, bias = _stem(encoder)
    kernel = kernel / np.asarray(deviations)[:, None]
    bias = bias - np.einsum("pco,c->o", kernel, np.asarray(means))
    return _with_stem(encoder, kernel, bias)


def for_bands(encoder: Encoder, bands: int, channels: Channels) -> Encoder:
    """The encoder for pictures of so many bands.

    Shared, every band is seen with the same kernel, the sum of all channels' divided by the number of bands: a galaxy
    that looks alike in all bands gives the answer that it gives in grey to the weights as they were.

    Raises
    ------
    ValueError
        If the bands are to be the channels and are not as many.
    """
    if channels == "same":
        if bands != encoder.bands:
            raise ValueError(
                f"the weights are for {encoder.bands} channels, the pictures have {bands} band(s): give --channels "
                f"shared to see every band with the sum of the channels' kernels"
            )
        return encoder
    kernel, bias = _stem(encoder)
    shared = np.sum(kernel, axis=1, keepdims=True) / bands
    return _with_stem(encoder, np.repeat(shared, bands, axis=1), bias)


def _stem(encoder: Encoder) -> tuple[np.ndarray, np.ndarray]:
    """Kernel (pixel of a patch, channel, out) and bias of the stem, in double precision."""
    kernel, bias = encoder.leaves["down/0/entry/kernel/value"], encoder.leaves["down/0/entry/bias/value"]
    return kernel.reshape(16, encoder.bands, -1).astype(np.float64), bias.astype(np.float64)


def _with_stem(encoder: Encoder, kernel: np.ndarray, bias: np.ndarray) -> Encoder:
    changed = {
        "down/0/entry/kernel/value": kernel.reshape(-1, kernel.shape[-1]).astype(np.float32),
        "down/0/entry/bias/value": bias.astype(np.float32),
    }
    return dataclasses.replace(encoder, leaves=encoder.leaves | changed)


def _refuse_other_kinds(weights: Weights, name: str) -> None:
    """Raises ValueError for the relatives of a plain ConvNeXt, which have parts that ours has not."""
    signs = {
        "a ConvNeXt V2": any(".grn." in key for key in weights),
        "a ConvNeXt with an overlapping stem (timm's _ols)": weights[STEM].shape[2:] != (4, 4),
        "a ConvNeXt with RMS norms (timm's _rms)": "stem.1.weight" in weights and "stem.1.bias" not in weights,
        "a ConvNeXt normalised before pooling (timm's _hnf)": any(key.startswith("norm_pre.") for key in weights),
        "a ConvNeXt with a hidden layer in its head (timm's _mlp)": any(".pre_logits." in key for key in weights),
    }
    for kind, found in signs.items():
        if found:
            raise ValueError(f"{name}: {kind}: give weights of timm's convnext_{', convnext_'.join(CONVNEXT_SIZES)}")


def _refuse_damaged(weights: Weights, name: str) -> None:
    """Raises ValueError for weights that are NaN or infinite, which training would lay at the learning rate's door."""
    broken = sorted(key for key, values in weights.items() if not np.isfinite(values).all())
    if broken:
        more = f" and {len(broken) - 1} more" if len(broken) > 1 else ""
        raise ValueError(f"{name}: NaN or infinite weights in {broken[0]}{more}: download the file again")


def _shape(weights: Weights) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Width and number of blocks of each stage, from the names and shapes that are there."""
    numbers = [key.split(".") for key in weights if key.startswith("stages.")]
    stages = 1 + max((int(parts[1]) for parts in numbers if parts[1].isdigit()), default=0)
    counts = [1] * stages
    for parts in numbers:
        if len(parts) > 3 and parts[2] == "blocks" and parts[1].isdigit() and parts[3].isdigit():
            counts[int(parts[1])] = max(counts[int(parts[1])], int(parts[3]) + 1)
    widths = [weights[STEM].shape[0]]
    for stage in range(1, stages):
        bias = weights.get(f"stages.{stage}.downsample.1.bias")
        widths.append(2 * widths[-1] if bias is None else bias.shape[0])
    return tuple(widths), tuple(counts)


def _leaves(channels: int, widths: tuple[int, ...], blocks: tuple[int, ...]) -> Iterator[tuple[str, str, Any, Any]]:
    """Name in timm, path in ours, shape in timm and the change of order, for every weight of a ConvNeXt."""

    def same(array: np.ndarray) -> np.ndarray:
        return array

    def patch(array: np.ndarray) -> np.ndarray:
        return array.transpose(2, 3, 1, 0).reshape(-1, array.shape[0])

    def dense(name: str, path: str, out: int, into: int, suffix: str = "") -> Iterator[tuple[str, str, Any, Any]]:
        yield f"{name}.weight", f"{path}/value", (out, into), np.transpose
        yield f"{name}.bias", f"{path}{suffix}/value", (out,), same

    def norm(name: str, path: str, width: int) -> Iterator[tuple[str, str, Any, Any]]:
        yield f"{name}.weight", f"{path}/scale/value", (width,), same
        yield f"{name}.bias", f"{path}/bias/value", (width,), same

    before = (channels, *widths[:-1])
    for stage, (into, width, count) in enumerate(zip(before, widths, blocks, strict=True)):
        name, path = f"stages.{stage}", f"down/{stage}"
        entry, side = ("stem.0", 4) if stage == 0 else (f"{name}.downsample.1", 2)
        yield f"{entry}.weight", f"{path}/entry/kernel/value", (width, into, side, side), patch
        yield f"{entry}.bias", f"{path}/entry/bias/value", (width,), same
        normed, over = ("stem.1", width) if stage == 0 else (f"{name}.downsample.0", into)
        yield from norm(normed, f"{path}/norm", over)
        for number in range(count):
            block, ours = f"{name}.blocks.{number}", f"{path}/blocks/{number}"
            yield f"{block}.conv_dw.weight", f"{ours}/depthwise/value", (width, 7, 7), _channels_last
            yield f"{block}.conv_dw.bias", f"{ours}/depthwise_bias/value", (width,), same
            yield from norm(f"{block}.norm", f"{ours}/norm", width)
            yield from dense(f"{block}.mlp.fc1", f"{ours}/expand", 4 * width, width, "_bias")
            yield from dense(f"{block}.mlp.fc2", f"{ours}/contract", width, 4 * width, "_bias")
            yield f"{block}.gamma", f"{ours}/gamma/value", (width,), same
    yield from norm("head.norm", "norm", widths[-1])


def _sides(shape: tuple[int, ...]) -> tuple[int, ...]:
    """A shape without the axes of length 1, by which timm's variants differ."""
    return tuple(side for side in shape if side != 1)


def _channels_last(array: np.ndarray) -> np.ndarray:
    return array.transpose(1, 2, 0)
