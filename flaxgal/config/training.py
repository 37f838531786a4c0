"""What training chooses beside the network, a whole training run, and how a run is applied."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

from flaxgal.config.checks import are_shares, require
from flaxgal.config.networks import DEFAULT_CLASSIFIER, DEFAULT_UNET, ClassifierConfig, UNetConfig


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
            require(0 < low <= high, f"augment.{name}", (low, high), "(low, high) with 0 < low <= high")
        for name in ("shift", "sky", "noise", "blur_pixels"):
            require(getattr(self, name) >= 0, f"augment.{name}", getattr(self, name), "0 (off) or more")


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
            require(0 <= getattr(self, name) < math.inf, f"loss.{name}", getattr(self, name), "0 or more")
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
            require(fits, "loss.class_weights", weights, "balanced, none, or a number above 0 for each class")
        smoothing = self.label_smoothing
        require(0 <= smoothing < 1, "loss.label_smoothing", smoothing, "a share from 0 (off) to below 1")


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
            require(getattr(self, name) > 0, f"optimizer.{name}", getattr(self, name), "a number above 0")
        for name in ("warmup_steps", "weight_decay"):
            require(getattr(self, name) >= 0, f"optimizer.{name}", getattr(self, name), "0 (off) or more")
        decay = self.average_decay
        require(0 <= decay < 1, "optimizer.average_decay", decay, "a number from 0 (off) to below 1")


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
        require(self.batch_size >= 1, "data.batch_size", self.batch_size, "1 galaxy or more")
        require(self.resident_gigabytes >= 0, "data.resident_gigabytes", self.resident_gigabytes, "0 or more")
        if not self.shares:
            return
        require(are_shares(self.shares), "data.shares", self.shares, "shares of 0 or more that sum to 1")
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
            require(0 < self.threshold < 1, "threshold", self.threshold, "a probability between 0 and 1")
        require(self.orientations in (1, 2, 4, 8), "orientations", self.orientations, "1, 2, 4 or 8")
        require(self.batch_size >= 1, "batch_size", self.batch_size, "1 galaxy or more")


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
            require(getattr(self, name) >= 1, name, getattr(self, name), "1 or more")
        for name in ("patience", "steps_per_dispatch"):
            require(getattr(self, name) >= 0, name, getattr(self, name), "0 or more")
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
    threshold: float | None = None
    """Probability above which a pixel is arm. When not given, the one that makes masks of validation galaxies as large
    as the true ones, found when training ends; until then, and without enough such galaxies, 0.5."""
    model: UNetConfig = DEFAULT_UNET
    loss: LossConfig = field(default_factory=LossConfig)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.threshold is not None:
            require(0 < self.threshold < 1, "threshold", self.threshold, "a probability between 0 and 1")
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
