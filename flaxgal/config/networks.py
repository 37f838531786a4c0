"""The networks: what goes in, what comes out, how deep and how wide."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from flaxgal.config.checks import require, require_levels


class _OfLevels:
    """What a network of several levels says of each, where one value may stand for all."""

    widths: tuple[int, ...]
    blocks: tuple[int, ...]
    dropout: tuple[float, ...]

    @property
    def level_blocks(self) -> tuple[int, ...]:
        """`blocks` with one number a level."""
        return self.blocks if len(self.blocks) == len(self.widths) else self.blocks * len(self.widths)

    @property
    def level_dropout(self) -> tuple[float, ...]:
        """`dropout` with one rate a level."""
        return self.dropout if len(self.dropout) == len(self.widths) else self.dropout * len(self.widths)


@dataclass(frozen=True, kw_only=True)
class UNetConfig(_OfLevels):
    """A U-Net (Ronneberger, Fischer & Brox 2015): what goes in, what comes out, how deep and how wide."""

    image_size: int = 64
    """Pixels on a side while training; any size can be predicted."""
    bands: tuple[str, ...] = ("grey",)
    """Names of the input channels. "grey" is one picture made of whatever bands there are."""
    classes: tuple[str, ...] = ("arm",)
    """One output map a class: arm, or arm and bar."""
    widths: tuple[int, ...] = (16, 32, 64, 128)
    """Channels at each level, finest first; the depth is their number."""
    block: Literal["residual", "plain", "convnext"] = "residual"
    """residual: convolutions after GroupNorm, added to what came in; plain: the seed's two convolutions with ReLU;
    convnext: a ConvNeXt (Liu et al. 2022) on the way down, whose finest level is 4 times smaller than the picture."""
    blocks: tuple[int, ...] = (0, 1, 1, 2)
    """Residual blocks at each level, on the way down and again on the way up; one number stands for every level.
    A plain network has one block at each, a convnext one these ConvNeXt blocks down and one residual block up."""
    dropout: tuple[float, ...] = (0.0, 0.0, 0.0, 0.1)
    """Dropout rate at each level; one number stands for every level. Of ConvNeXt blocks it leaves out whole ones."""
    initial_probability: float = 0.08
    """What an untrained network answers on average: near the share of arm pixels, so that training starts calm."""
    dtype: Literal["float32", "bfloat16"] = "float32"
    """Arithmetic of the convolutions; weights, normalisation and logits stay float32."""

    def __post_init__(self) -> None:
        require(self.image_size >= 1, "image_size", self.image_size, "1 pixel or more")
        require(len(self.bands) > 0, "bands", self.bands, "at least one band, or grey")
        require(
            set(self.classes) in ({"arm"}, {"arm", "bar"}) and len(set(self.classes)) == len(self.classes),
            "classes",
            self.classes,
            "arm, or arm and bar",
        )
        require_levels(self)
        if self.block == "plain" and set(self.blocks) != {1}:
            raise ValueError(f"a plain U-Net has one block a level, blocks is {self.blocks}: give blocks 1")
        if self.image_size % self.size_multiple:
            raise ValueError(
                f"pictures of {self.image_size} pixels cannot be halved {self.halvings} times: "
                f"give an image_size that is a multiple of {self.size_multiple}, or fewer widths"
            )
        probability = self.initial_probability
        require(0 < probability < 1, "initial_probability", probability, "a number between 0 and 1")

    @property
    def halvings(self) -> int:
        """How often a picture is halved on the way down to the coarsest level."""
        return len(self.widths) - 1 + (2 if self.block == "convnext" else 0)

    @property
    def size_multiple(self) -> int:
        """What the sides of a picture must be multiples of."""
        return 2**self.halvings


SEED_UNET = UNetConfig(
    widths=(16, 32, 64, 128, 256),
    block="plain",
    blocks=(1,),
    dropout=(0.1, 0.1, 0.2, 0.2, 0.3),
    initial_probability=0.5,
)
"""The seed's network, for comparison."""
DEFAULT_UNET = UNetConfig()


CONVNEXT_SIZES = {
    "atto": ((40, 80, 160, 320), (2, 2, 6, 2)),
    "femto": ((48, 96, 192, 384), (2, 2, 6, 2)),
    "pico": ((64, 128, 256, 512), (2, 2, 6, 2)),
    "nano": ((80, 160, 320, 640), (2, 2, 8, 2)),
    "tiny": ((96, 192, 384, 768), (3, 3, 9, 3)),
    "small": ((96, 192, 384, 768), (3, 3, 27, 3)),
    "base": ((128, 256, 512, 1024), (3, 3, 27, 3)),
    "large": ((192, 384, 768, 1536), (3, 3, 27, 3)),
}
"""Widths and blocks of the ConvNeXts that have a name."""


@dataclass(frozen=True, kw_only=True)
class ClassifierConfig(_OfLevels):
    """A network that says of a whole picture what galaxy it shows: what goes in, how deep and how wide."""

    image_size: int = 64
    """Pixels on a side while training. A residual network takes pictures of any size, the seed's only these."""
    bands: tuple[str, ...] = ("grey",)
    """Names of the input channels, 1 to 5. "grey" is one picture made of whatever bands there are."""
    network: Literal["residual", "c2", "convnext"] = "residual"
    """residual: the U-Net's way down, then the mean over the picture; c2: the seed's; convnext: Liu et al. 2022."""
    view: Literal["sky", "log_polar"] = "sky"
    """sky: the pictures' own pixels; log_polar: unrolled about their middle, where arms are straight lines."""
    face_on: bool = False
    """Whether each galaxy is centred and made round before it is looked at, whatever its tilt: inclined discs are then
    not taken for spirals, and arms are the same from all sides. Its nucleus is to be within a twelfth of the side of
    the middle, also after augment.shift."""
    azimuths: int = 64
    """Places in a turn of a log-polar view: about as many as a picture has pixels on a side."""
    rows: int = 24
    """Radii of a log-polar view, the last at the picture's edge and each a step of azimuth beyond the one before, 10 %
    for 64: 24 begin 3 pixels from the middle of a picture of 64, 40 at less than one."""
    rings: tuple[int, ...] = ()
    """Widths of dense layers that read mean, scatter and Fourier amplitudes of each ring of a log-polar view, beside
    what convolutions find: profiles tell E from S0. Empty: none."""
    widths: tuple[int, ...] = (16, 32, 64, 128)
    """Channels at each level, finest first; the depth is their number."""
    blocks: tuple[int, ...] = (0, 1, 1, 2)
    """Blocks at each level; one number stands for every level. The c2 network has none to choose."""
    stem: Literal[1, 2, 4] = 1
    """How many times smaller than the picture the finest level is: 1 like the U-Net, 2 or 4 for less work.
    A convnext network's is 4."""
    dropout: tuple[float, ...] = (0.0, 0.0, 0.0, 0.1)
    """Dropout rate at each level; one number stands for every level. Of ConvNeXt blocks it leaves out whole ones."""
    head_dropout: float = 0.2
    """Dropout rate of what the levels found in the whole picture, before the dense layers."""
    dense: tuple[int, ...] = ()
    """Widths of dense layers between that and the logits."""
    dtype: Literal["float32", "bfloat16"] = "float32"
    """Arithmetic of the convolutions; weights, normalisation, dense layers and logits stay float32."""

    def __post_init__(self) -> None:
        require(self.image_size >= 1, "image_size", self.image_size, "1 pixel or more")
        require(1 <= len(self.bands) <= 5, "bands", self.bands, "1 to 5 bands, or grey")
        require_levels(self)
        require(self.rows >= 2, "rows", self.rows, "2 radii or more")
        require(self.azimuths >= 4 and self.azimuths % 4 == 0, "azimuths", self.azimuths, "a multiple of 4")
        require(all(width >= 1 for width in self.rings), "rings", self.rings, "1 or more for each dense layer")
        if self.rings:
            require(self.view == "log_polar", "view", self.view, "log_polar to a network with rings")
        require(self.stem in (1, 2, 4), "stem", self.stem, "1, 2 or 4")
        require(0 <= self.head_dropout < 1, "head_dropout", self.head_dropout, "a rate from 0 to below 1")
        require(all(width >= 1 for width in self.dense), "dense", self.dense, "1 or more for each dense layer")
        if self.network == "convnext":
            require(self.stem == 4, "stem", self.stem, "4 to a convnext network")
        if self.network != "c2":
            return
        require(self.view == "sky", "view", self.view, "sky to a c2 network")
        if len(self.widths) != 3 or self.blocks != (1,) or self.stem != 1:
            raise ValueError(
                f"a c2 network has three levels with a fixed number of convolutions, found widths {self.widths}, "
                f"blocks {self.blocks}, stem {self.stem}: give three widths, blocks 1 and stem 1"
            )
        require(self.image_size >= 38, "image_size", self.image_size, "38 pixels or more to a c2 network")

    @property
    def size_multiple(self) -> int:
        """What the sides of a picture are padded to multiples of."""
        return self.stem * 2 ** (len(self.widths) - 1)


SEED_CLASSIFIER = ClassifierConfig(
    network="c2", widths=(32, 64, 128), blocks=(1,), dropout=(0.0,), head_dropout=0.5, dense=(256, 256)
)
"""The seed's network, for comparison: C2 of Cavanagh, Bekki & Groves (2021, MNRAS 506, 659)."""
DEFAULT_CLASSIFIER = ClassifierConfig()
