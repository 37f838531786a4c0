"""Every choice a run can make, as frozen dataclasses that survive a round trip through JSON.

An experiment file makes one `TrainConfig` (arms) or `ClassifyConfig` (classes); the command line can override any
field of it; the run folder keeps it.
"""

from __future__ import annotations

import dataclasses
import json
import math
import typing
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

__all__ = [
    "CLASSIFIERS",
    "CONVNEXT_SIZES",
    "DEFAULT_CLASSIFIER",
    "DEFAULT_UNET",
    "SEED_CLASSIFIER",
    "SEED_UNET",
    "AugmentConfig",
    "ClassLossConfig",
    "ClassifierConfig",
    "ClassifyConfig",
    "DataConfig",
    "LossConfig",
    "MockConfig",
    "OptimizerConfig",
    "PredictConfig",
    "RunConfig",
    "TaskName",
    "TrainConfig",
    "UNetConfig",
    "from_json",
    "run_from_json",
    "to_json",
]

Config = TypeVar("Config")


def _require(fits: bool, name: str, found: Any, wanted: str) -> None:
    """Raise a ValueError about the field `name` unless it `fits`."""
    if not fits:
        raise ValueError(f"{name} is {found}: give {wanted}")


def _require_one_a_level(name: str, values: tuple[Any, ...], widths: tuple[int, ...]) -> None:
    """Raise a ValueError unless `values` has a value for each level of `widths`, or one for all of them."""
    if len(values) not in (1, len(widths)):
        raise ValueError(
            f"{name} has {len(values)} values for the {len(widths)} levels of widths {widths}: "
            f"give one a level, or one for all"
        )


def _require_levels(config: UNetConfig | ClassifierConfig) -> None:
    """Raise a ValueError unless widths, blocks and dropout describe the levels of a network."""
    widths = config.widths
    _require(len(widths) > 0 and min(widths) >= 1, "widths", widths, "1 channel or more for each level")
    _require_one_a_level("blocks", config.blocks, widths)
    _require_one_a_level("dropout", config.dropout, widths)
    _require(min(config.blocks) >= 0, "blocks", config.blocks, "0 or more for each level")
    _require(all(0 <= rate < 1 for rate in config.dropout), "dropout", config.dropout, "rates from 0 to below 1")


def _are_shares(values: tuple[float, ...], *, within: float = 1e-6) -> bool:
    return all(value >= 0 for value in values) and abs(sum(values) - 1) <= within


@dataclass(frozen=True, kw_only=True)
class MockConfig:
    """The population that mock galaxies are drawn from. Ranges are (low, high)."""

    image_size: int = 64
    """Pixels on a side."""
    bands: tuple[str, ...] = ("g", "r", "i")
    """From g, r, i, z, y."""
    pixel_scale_arcsec: float = 0.168
    """HSC's coadds by default."""
    effective_radius_pixels: tuple[float, float] = (6.5, 22.0)
    """Half-light radius along the major axis, drawn uniformly in the logarithm."""
    signal_to_noise: tuple[float, float] = (100.0, 3000.0)
    """S/N of the light within the half-light ellipse in the last band but one, drawn uniformly in the logarithm."""
    seeing_fwhm_arcsec: tuple[float, float] = (0.35, 0.85)
    """Full width at half maximum of the Moffat point-spread function."""
    moffat_beta: tuple[float, float] = (2.5, 4.5)
    """Exponent of the Moffat function: small means broad wings."""
    max_inclination_deg: float = 75.0
    class_fractions: tuple[float, float, float] = (0.1, 0.1, 0.8)
    """Shares of E, S0 and Sp."""
    arm_count_fractions: tuple[float, float, float, float] = (0.06, 0.7, 0.14, 0.1)
    """Shares of spirals with 1, 2, 3 and 4 arms."""
    pitch_angle_deg: tuple[float, float] = (8.0, 38.0)
    """Of the arms at their middle radius."""
    arm_contrast: tuple[float, float] = (0.5, 4.0)
    """Crest of an arm over the disc below it at the arm's middle radius, before seeing; uniform in the logarithm."""
    flocculence: tuple[float, float] = (0.0, 1.0)
    """0: smooth, symmetric, logarithmic arms (grand design); 1: wavy, patchy, unequal ones (flocculent)."""
    bar_fraction: float = 0.45
    """Share of discs with a bar."""
    max_offset_pixels: float = 3.0
    """Largest distance of the galaxy from the picture's centre, along x and along y."""
    neighbour_rate: float = 0.35
    """Chance that each of four possible neighbours (stars and galaxies) is there."""
    mask_width: float = 1.0
    """Width of the arm mask, in units of the full width at half maximum of the arm after seeing."""
    mask_contrast: float = 0.05
    """Least height of an arm over its surroundings, as a share of the light there, for it to be in the mask."""
    mask_signal_to_noise: float = 0.5
    """Least height of an arm over its surroundings, in units of the noise of one pixel (all bands together)."""
    mask_pixels: int = 24
    """An arm mask with fewer pixels than this is empty: nobody would draw it."""

    def __post_init__(self) -> None:
        _require(self.image_size >= 1, "mock image_size", self.image_size, "1 pixel or more")
        for name in ("pixel_scale_arcsec", "mask_width"):
            _require(0 < getattr(self, name) < math.inf, f"mock {name}", getattr(self, name), "a number above 0")
        for name in ("max_offset_pixels", "mask_contrast", "mask_signal_to_noise", "mask_pixels"):
            _require(0 <= getattr(self, name) < math.inf, f"mock {name}", getattr(self, name), "0 or more")
        for name in ("effective_radius_pixels", "signal_to_noise", "seeing_fwhm_arcsec", "arm_contrast"):
            low, high = getattr(self, name)
            _require(0 < low <= high < math.inf, f"mock {name}", (low, high), "(low, high) with 0 < low <= high")
        for name, least, most in (("moffat_beta", 1.0, math.inf), ("pitch_angle_deg", 0.0, 90.0)):
            low, high = getattr(self, name)
            wanted = f"(low, high) with {least} < low <= high < {most}"
            _require(least < low <= high < most, f"mock {name}", (low, high), wanted)
        low, high = self.flocculence
        _require(0 <= low <= high <= 1, "mock flocculence", (low, high), "(low, high) with 0 <= low <= high <= 1")
        inclination = self.max_inclination_deg
        _require(0 <= inclination <= 90, "mock max_inclination_deg", inclination, "degrees from 0 to 90")
        for name in ("bar_fraction", "neighbour_rate"):
            _require(0 <= getattr(self, name) <= 1, f"mock {name}", getattr(self, name), "a share from 0 to 1")
        for name in ("class_fractions", "arm_count_fractions"):
            shares = getattr(self, name)
            _require(_are_shares(shares, within=1e-3), f"mock {name}", shares, "shares of 0 or more that sum to 1")


@dataclass(frozen=True, kw_only=True)
class UNetConfig:
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
        _require(self.image_size >= 1, "image_size", self.image_size, "1 pixel or more")
        _require(len(self.bands) > 0, "bands", self.bands, "at least one band, or grey")
        _require(
            set(self.classes) in ({"arm"}, {"arm", "bar"}) and len(set(self.classes)) == len(self.classes),
            "classes",
            self.classes,
            "arm, or arm and bar",
        )
        _require_levels(self)
        if self.block == "plain" and set(self.blocks) != {1}:
            raise ValueError(f"a plain U-Net has one block a level, blocks is {self.blocks}: give blocks 1")
        if self.image_size % self.size_multiple:
            raise ValueError(
                f"pictures of {self.image_size} pixels cannot be halved {self.halvings} times: "
                f"give an image_size that is a multiple of {self.size_multiple}, or fewer widths"
            )
        probability = self.initial_probability
        _require(0 < probability < 1, "initial_probability", probability, "a number between 0 and 1")

    @property
    def halvings(self) -> int:
        """How often a picture is halved on the way down to the coarsest level."""
        return len(self.widths) - 1 + (2 if self.block == "convnext" else 0)

    @property
    def size_multiple(self) -> int:
        """What the sides of a picture must be multiples of."""
        return 2**self.halvings

    @property
    def level_blocks(self) -> tuple[int, ...]:
        """`blocks` with one number a level."""
        return self.blocks if len(self.blocks) == len(self.widths) else self.blocks * len(self.widths)

    @property
    def level_dropout(self) -> tuple[float, ...]:
        """`dropout` with one rate a level."""
        return self.dropout if len(self.dropout) == len(self.widths) else self.dropout * len(self.widths)


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
class ClassifierConfig:
    """A network that says of a whole picture what galaxy it shows: what goes in, how deep and how wide."""

    image_size: int = 64
    """Pixels on a side while training. A residual network takes pictures of any size, the seed's only these."""
    bands: tuple[str, ...] = ("grey",)
    """Names of the input channels, 1 to 5. "grey" is one picture made of whatever bands there are."""
    network: Literal["residual", "c2", "convnext"] = "residual"
    """residual: the U-Net's way down, then the mean over the picture; c2: the seed's; convnext: Liu et al. 2022."""
    view: Literal["sky", "log_polar"] = "sky"
    """sky: the pictures' own pixels; log_polar: unrolled about their middle, where arms are straight lines."""
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
        _require(self.image_size >= 1, "image_size", self.image_size, "1 pixel or more")
        _require(1 <= len(self.bands) <= 5, "bands", self.bands, "1 to 5 bands, or grey")
        _require_levels(self)
        _require(self.rows >= 2, "rows", self.rows, "2 radii or more")
        _require(self.azimuths >= 4 and self.azimuths % 4 == 0, "azimuths", self.azimuths, "a multiple of 4")
        _require(all(width >= 1 for width in self.rings), "rings", self.rings, "1 or more for each dense layer")
        if self.rings:
            _require(self.view == "log_polar", "view", self.view, "log_polar to a network with rings")
        _require(self.stem in (1, 2, 4), "stem", self.stem, "1, 2 or 4")
        _require(0 <= self.head_dropout < 1, "head_dropout", self.head_dropout, "a rate from 0 to below 1")
        _require(all(width >= 1 for width in self.dense), "dense", self.dense, "1 or more for each dense layer")
        if self.network == "convnext":
            _require(self.stem == 4, "stem", self.stem, "4 to a convnext network")
        if self.network != "c2":
            return
        _require(self.view == "sky", "view", self.view, "sky to a c2 network")
        if len(self.widths) != 3 or self.blocks != (1,) or self.stem != 1:
            raise ValueError(
                f"a c2 network has three levels with a fixed number of convolutions, found widths {self.widths}, "
                f"blocks {self.blocks}, stem {self.stem}: give three widths, blocks 1 and stem 1"
            )
        _require(self.image_size >= 38, "image_size", self.image_size, "38 pixels or more to a c2 network")

    @property
    def size_multiple(self) -> int:
        """What the sides of a picture are padded to multiples of."""
        return self.stem * 2 ** (len(self.widths) - 1)

    @property
    def level_blocks(self) -> tuple[int, ...]:
        """`blocks` with one number a level."""
        return self.blocks if len(self.blocks) == len(self.widths) else self.blocks * len(self.widths)

    @property
    def level_dropout(self) -> tuple[float, ...]:
        """`dropout` with one rate a level."""
        return self.dropout if len(self.dropout) == len(self.widths) else self.dropout * len(self.widths)


SEED_CLASSIFIER = ClassifierConfig(
    network="c2", widths=(32, 64, 128), blocks=(1,), dropout=(0.0,), head_dropout=0.5, dense=(256, 256)
)
"""The seed's network, for comparison: C2 of Cavanagh, Bekki & Groves (2021, MNRAS 506, 659)."""
DEFAULT_CLASSIFIER = ClassifierConfig()


@dataclass(frozen=True, kw_only=True)
class AugmentConfig:
    """What a training picture may go through inside the jitted step. A mirror image reverses chirality."""

    rotate: bool = True
    """By any angle."""
    flip: bool = True
    zoom: tuple[float, float] = (0.8, 1.25)
    """Magnification, drawn uniformly in the logarithm."""
    shift: float = 0.1
    """Largest shift, as a share of the image's side."""
    brightness: tuple[float, float] = (0.8, 1.25)
    """Factor on the picture, drawn uniformly in the logarithm."""
    gamma: tuple[float, float] = (0.8, 1.25)
    """Power of the picture, drawn uniformly in the logarithm: other people's stretches."""
    sky: float = 0.02
    """Largest shift of the sky level, up or down, in units of the picture's full range; cut at 0, as in 8 bits."""
    noise: float = 0.03
    """Largest standard deviation of added Gaussian noise, in units of the picture's full range."""
    blur_pixels: float = 0.8
    """Largest standard deviation of a Gaussian blur."""

    def __post_init__(self) -> None:
        for name in ("zoom", "brightness", "gamma"):
            low, high = getattr(self, name)
            _require(0 < low <= high, f"augment.{name}", (low, high), "(low, high) with 0 < low <= high")
        for name in ("shift", "sky", "noise", "blur_pixels"):
            _require(getattr(self, name) >= 0, f"augment.{name}", getattr(self, name), "0 (off) or more")


@dataclass(frozen=True, kw_only=True)
class LossConfig:
    """Weights of the loss terms; each is averaged over pixels that are not left out."""

    bce: float = 1.0
    """Binary cross-entropy; targets may be soft (the fraction of people who marked the pixel)."""
    dice: float = 1.0
    """Soft Dice (Milletari et al. 2016)."""
    focal: float = 0.0
    """Focal loss (Lin et al. 2017)."""
    focal_gamma: float = 2.0

    def __post_init__(self) -> None:
        for name in ("bce", "dice", "focal", "focal_gamma"):
            _require(0 <= getattr(self, name) < math.inf, f"loss.{name}", getattr(self, name), "0 or more")
        if self.bce + self.dice + self.focal == 0:
            raise ValueError("loss.bce, loss.dice and loss.focal are all 0, which teaches nothing: give one a weight")


@dataclass(frozen=True, kw_only=True)
class ClassLossConfig:
    """What a wrong class costs: softmax cross-entropy, or for ordered classes one cross-entropy a step (ordinal)."""

    class_weights: Literal["balanced", "none"] | tuple[float, ...] = "balanced"
    """How much a galaxy of each class counts: by the inverse of how often its class is shown (balanced), all the same
    (none), or numbers in the order of the classes."""
    label_smoothing: float = 0.0
    """Share of each target that is spread evenly over the classes (Szegedy et al. 2016, sec. 7)."""

    def __post_init__(self) -> None:
        weights = self.class_weights
        if not isinstance(weights, str):
            fits = len(weights) > 1 and all(0 < weight < math.inf for weight in weights)
            _require(fits, "loss.class_weights", weights, "balanced, none, or a number above 0 for each class")
        smoothing = self.label_smoothing
        _require(0 <= smoothing < 1, "loss.label_smoothing", smoothing, "a share from 0 (off) to below 1")


@dataclass(frozen=True, kw_only=True)
class OptimizerConfig:
    """AdamW with linear warm-up, cosine decay, and a moving average of the weights."""

    learning_rate: float = 2e-3
    warmup_steps: int = 50
    weight_decay: float = 1e-4
    clip_norm: float = 1.0
    average_decay: float = 0.99
    """Decay per step of the moving average of weights that is evaluated and saved; 0 turns it off."""

    def __post_init__(self) -> None:
        for name in ("learning_rate", "clip_norm"):
            _require(getattr(self, name) > 0, f"optimizer.{name}", getattr(self, name), "a number above 0")
        for name in ("warmup_steps", "weight_decay"):
            _require(getattr(self, name) >= 0, f"optimizer.{name}", getattr(self, name), "0 (off) or more")
        decay = self.average_decay
        _require(0 <= decay < 1, "optimizer.average_decay", decay, "a number from 0 (off) to below 1")


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """Which dataset snapshots are trained on, and in what shares."""

    snapshots: tuple[str, ...] = ()
    """Folders written by `flaxgal build` (or `flaxgal mock`)."""
    shares: tuple[float, ...] = ()
    """Share of each snapshot in every batch, summing to 1; empty: by number of galaxies."""
    batch_size: int = 32
    resident_gigabytes: float = 2.0
    """Data sets up to this size live on the device; larger ones stream."""
    balance: bool = False
    """Fill every batch with as many galaxies of each class, however rare it is. For classifiers."""

    def __post_init__(self) -> None:
        _require(self.batch_size >= 1, "data.batch_size", self.batch_size, "1 galaxy or more")
        _require(self.resident_gigabytes >= 0, "data.resident_gigabytes", self.resident_gigabytes, "0 or more")
        if not self.shares:
            return
        _require(_are_shares(self.shares), "data.shares", self.shares, "shares of 0 or more that sum to 1")
        if self.snapshots and len(self.shares) != len(self.snapshots):  # an experiment may leave the snapshots open
            raise ValueError(
                f"data.shares has {len(self.shares)} numbers for {len(self.snapshots)} snapshots: give one a snapshot"
            )


@dataclass(frozen=True, kw_only=True)
class PredictConfig:
    """How a trained run is applied."""

    threshold: float | None = None
    """Probability above which a pixel is arm; the run's own when not given."""
    orientations: int = 1
    """How many of the picture's eight quarter turns and mirror images are averaged: 1, 2, 4 or 8."""
    native: bool = False
    """Run over the input's own pixels instead of a frame of the training size."""
    batch_size: int = 64

    def __post_init__(self) -> None:
        if self.threshold is not None:
            _require(0 < self.threshold < 1, "threshold", self.threshold, "a probability between 0 and 1")
        _require(self.orientations in (1, 2, 4, 8), "orientations", self.orientations, "1, 2, 4 or 8")
        _require(self.batch_size >= 1, "batch_size", self.batch_size, "1 galaxy or more")


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """What every training run chooses, whatever it learns."""

    name: str
    """The run folder is `runs/NAME` unless --run says otherwise."""
    seed: int = 0
    start_from: str = ""
    """Run folder whose averaged weights training begins with; empty: random weights."""
    encoder_from: str = ""
    """Folder that the weights of the way down (`down/...`) are taken from: a run, of arms or of classes, or what
    `flaxgal convert` wrote. The rest begins at random; empty: all of it."""
    steps: int = 600
    """The learning rate falls to 0 over all of them. A finished run that is resumed with more steps goes on in the
    middle of the longer fall: its rate jumps up from 0."""
    evaluate_every: int = 100
    """Steps between looks at the validation split."""
    patience: int = 0
    """Stop after this many looks without a better validation score; 0 never stops early."""
    steps_per_dispatch: int = 0
    """Steps run by one call on resident data; 0 chooses 1 on a CPU and 20 elsewhere."""
    data: DataConfig = field(default_factory=DataConfig)
    model: UNetConfig | ClassifierConfig
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)

    def __post_init__(self) -> None:
        for name in ("steps", "evaluate_every"):
            _require(getattr(self, name) >= 1, name, getattr(self, name), "1 or more")
        for name in ("patience", "steps_per_dispatch"):
            _require(getattr(self, name) >= 0, name, getattr(self, name), "0 or more")
        if self.start_from and self.encoder_from:
            raise ValueError(
                f"start_from is {self.start_from} and encoder_from {self.encoder_from}: give one of them, as the first "
                f"brings an encoder too"
            )


@dataclass(frozen=True, kw_only=True)
class TrainConfig(RunConfig):
    """One run that learns where the arms are."""

    name: str = "arms"
    """The run folder is `runs/NAME` unless --run says otherwise."""
    threshold: float = 0.5
    """Probability above which a pixel is arm."""
    model: UNetConfig = DEFAULT_UNET
    loss: LossConfig = field(default_factory=LossConfig)

    def __post_init__(self) -> None:
        super().__post_init__()
        _require(0 < self.threshold < 1, "threshold", self.threshold, "a probability between 0 and 1")
        if self.data.balance:
            raise ValueError("data.balance is on, which is for classes: give --data.no-balance to find arms")


TaskName = Literal["morphology", "spiral", "winding", "t_type"]


@dataclass(frozen=True, kw_only=True)
class ClassifyConfig(RunConfig):
    """One run that learns to tell galaxies apart."""

    task: TaskName
    """What is asked of each galaxy: E, S0 or Sp; spiral or not; which way its arms wind; or its T-type."""
    name: str = "classes"
    """The run folder is `runs/NAME` unless --run says otherwise."""
    model: ClassifierConfig = DEFAULT_CLASSIFIER
    loss: ClassLossConfig = field(default_factory=ClassLossConfig)


_UNROLLED = ClassifierConfig(
    view="log_polar", widths=(24, 48, 96), blocks=(1,), stem=2, dropout=(0.0,), head_dropout=0.3
)
_WITH_RINGS = dataclasses.replace(_UNROLLED, rows=40, rings=(128, 64))
_LIGHTLY = AugmentConfig(zoom=(0.85, 1.18), shift=0.02, gamma=(1.0, 1.0), noise=0.0, blur_pixels=0.0)
_HARDLY = dataclasses.replace(_LIGHTLY, brightness=(0.9, 1.1), sky=0.01)  # profiles are to stay what they are
_FAST = OptimizerConfig(learning_rate=3e-3, weight_decay=1e-2)
_PROFILES = ClassifyConfig(
    task="morphology",
    name="morphology",
    steps=5000,
    evaluate_every=500,
    model=_WITH_RINGS,
    augment=_HARDLY,
    optimizer=_FAST,
)
CLASSIFIERS = {
    "morphology": _PROFILES,
    "spiral": dataclasses.replace(_PROFILES, task="spiral", name="spiral"),
    "winding": ClassifyConfig(
        task="winding",
        name="winding",
        steps=1400,
        evaluate_every=350,
        model=_UNROLLED,
        augment=_LIGHTLY,
        optimizer=dataclasses.replace(_FAST, average_decay=0.995),
    ),
    "t_type": dataclasses.replace(_PROFILES, task="t_type", name="t_type", loss=ClassLossConfig(class_weights="none")),
}
"""What `flaxgal train TASK` starts from: morphology as in experiments/morphology.py, winding as in experiments/gz1.py;
spiral and t_type like morphology, untried."""


def to_json(config: Any) -> str:
    """A config as indented JSON."""
    return json.dumps(dataclasses.asdict(config), indent=2) + "\n"


def from_json(kind: type[Config], text: str) -> Config:
    """The config of class `kind` that `to_json` wrote.

    Raises
    ------
    ValueError
        If the text is not JSON, or names a field that `kind` has not (a run of another version).
    """
    return _build(kind, _content(kind, text))


def run_from_json(text: str) -> TrainConfig | ClassifyConfig:
    """The config of a run, on arms or on classes, that `to_json` wrote; errors as those of `from_json`."""
    content = _content(RunConfig, text)
    return _build(ClassifyConfig if "task" in content else TrainConfig, content)


def _content(kind: type, text: str) -> dict[str, Any]:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"expected a {kind.__name__} as JSON, found text that is not JSON ({error})") from None


def _build(kind: Any, value: Any) -> Any:
    """`value`, as JSON gives it, in the type that the annotation `kind` asks for."""
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        hints = typing.get_type_hints(kind)
        unknown = sorted(set(value) - set(hints))
        if unknown:
            raise ValueError(
                f"{kind.__name__} has no field {', '.join(unknown)}; the config was written by another version of "
                f"flaxgal: remove the field or use that version"
            )
        return kind(**{name: _build(hints[name], item) for name, item in value.items()})
    return tuple(value) if isinstance(value, list) else value
