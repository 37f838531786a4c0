"""Mock galaxies as training examples: seen as any other galaxy, with the exact truth as the target."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import jax
import numpy as np

from flaxgal.config import MockConfig
from flaxgal.datasets.examples import Example
from flaxgal.datasets.morphology import ClassExample, build_class_snapshot
from flaxgal.datasets.splits import split_of
from flaxgal.labels.verify import untracked
from flaxgal.mock.cutouts import mock_id, mock_labels, mock_position
from flaxgal.mock.galaxy import Mocks, render
from flaxgal.survey.display import to_pictures

if TYPE_CHECKING:
    from jaxtyping import UInt8

__all__ = ["build_mock_classes", "mock_class_examples", "mock_examples"]

CHUNK = 1000


def mock_examples(
    config: MockConfig,
    *,
    number: int,
    seed: int = 0,
    bands: Sequence[str] = ("grey",),
    classes: Sequence[str] = ("arm",),
) -> Iterator[Example]:
    """`number` mock galaxies as examples, in flat memory; the truth (flux ratios, pitch angle …) comes with each.

    Raises
    ------
    ValueError
        If a class is neither arm nor bar, or `bands` are neither grey nor among the mocks' own.
    """
    if number < 1:
        raise ValueError(f"{number} mock galaxies asked for; ask for at least 1")
    unknown = sorted(set(classes) - {"arm", "bar"})
    if unknown:
        raise ValueError(f"mock galaxies have no class {', '.join(unknown)}; choose from arm, bar")
    for first in range(0, number, CHUNK):
        mocks = jax.device_get(render(config, jax.random.key(seed), min(CHUNK, number - first), first=first))
        pictures = to_pictures(mocks.flux, config.bands, tuple(bands))
        masks = np.stack([mocks.arm_mask if name == "arm" else mocks.bar_mask for name in classes], axis=-1)
        for k, truth in enumerate(_truths(mocks, config.bands)):
            yield _example(f"{seed}", first + k, pictures[k], masks[k], truth)


def mock_class_examples(
    config: MockConfig, *, number: int, seed: int = 0, bands: Sequence[str] = ("grey",)
) -> Iterator[ClassExample]:
    """`number` mock galaxies with their classes, in flat memory, as seen on the sky; the truth comes with each.

    Classes are those of `flaxgal.mock.cutouts.mock_labels`.

    Raises
    ------
    ValueError
        If `bands` are neither grey nor among the mocks' own.
    """
    if number < 1:
        raise ValueError(f"{number} mock galaxies asked for; ask for at least 1")
    for first in range(0, number, CHUNK):
        mocks = jax.device_get(render(config, jax.random.key(seed), min(CHUNK, number - first), first=first))
        pictures = to_pictures(mocks.flux, config.bands, tuple(bands))[:, ::-1]  # y runs up, and the top comes first
        labels = mock_labels(mocks)
        for k, truth in enumerate(_truths(mocks, config.bands)):
            object_id = mock_id(f"{seed}", first + k)
            ra_deg, dec_deg = mock_position(f"{seed}", first + k)
            yield ClassExample(
                object_id=object_id,
                survey="mock",
                image=np.ascontiguousarray(pictures[k]),
                labels=labels[k],
                split=split_of(object_id, ra_deg, dec_deg),
                ra_deg=ra_deg,
                dec_deg=dec_deg,
                truth=truth,
            )


def build_mock_classes(
    out_dir: Path | str,
    config: MockConfig,
    *,
    number: int,
    seed: int = 0,
    bands: Sequence[str] = ("grey",),
    balanced: bool = True,
    track: Callable[..., Iterable[ClassExample]] = untracked,
) -> Path:
    """Write a snapshot OUT_DIR/mock_classes/VERSION of mock galaxies with classes.

    Balanced: as many E as S0 as Sp, whatever the config says. `track(items, name, total)` draws progress.
    """
    if balanced:
        config = config.balanced()
    examples = mock_class_examples(config, number=number, seed=seed, bands=bands)
    return build_class_snapshot(
        track(examples, "mock galaxies", number),
        out_dir,
        bands=bands,
        image_size=config.image_size,
        name="mock_classes",
        provenance={"mocks": asdict(config), "number": number, "seed": seed},
    )


def _example(
    population: str, index: int, picture: UInt8[np.ndarray, "y x band"], mask: np.ndarray, truth: Mapping[str, float]
) -> Example:
    object_id = mock_id(population, index)
    ra_deg, dec_deg = mock_position(population, index)
    return Example(
        object_id=object_id,
        survey="mock",
        image=picture,
        target=mask.astype(np.uint8) * np.uint8(255),
        weight=np.full(picture.shape[:2], 255, np.uint8),
        split=split_of(object_id, ra_deg, dec_deg),
        ra_deg=ra_deg,
        dec_deg=dec_deg,
        truth=truth,
    )


def _truths(mocks: Mocks, bands: Sequence[str]) -> Iterator[dict[str, float]]:
    """The numbers that are exactly known of each mock."""
    for k in range(len(mocks.kind)):
        ratios = {f"flux_ratio_{band}": float(mocks.flux_ratio[k, b]) for b, band in enumerate(bands)}
        yield ratios | {
            "kind": float(mocks.kind[k]),
            "arm_count": float(mocks.arm_count[k]),
            "chirality": float(mocks.chirality[k]),
            "pitch_angle_deg": float(mocks.pitch_angle_deg[k]),
            "inclination_deg": float(mocks.inclination_deg[k]),
            "effective_radius_pixels": float(mocks.effective_radius_pixels[k]),
            "signal_to_noise": float(mocks.signal_to_noise[k]),
        }
