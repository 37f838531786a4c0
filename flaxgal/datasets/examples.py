"""What a model eats: one galaxy's picture, what should come out, and which of its pixels count."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8

from flaxgal.datasets.looking import in_look, look_named
from flaxgal.datasets.placing import place_galaxies
from flaxgal.datasets.policies import check_policy, chosen_revisions, target_of
from flaxgal.datasets.splits import Split, split_of
from flaxgal.labels.store import Store
from flaxgal.survey.cutout import Unreadable
from flaxgal.survey.display import fit_frame, to_picture
from flaxgal.survey.homogenise import NOT_SKY

__all__ = [
    "Example",
    "example_from_arrays",
    "example_of",
    "examples_from_store",
    "store_provenance",
]


@dataclass(frozen=True, kw_only=True, eq=False)
class Example:
    """What a model eats: one galaxy's picture, what should come out, and which pixels count."""

    object_id: str
    survey: str
    image: UInt8[np.ndarray, "y x band"]
    """8-bit brightness, as `flaxgal.survey.display.to_picture` makes it."""
    target: UInt8[np.ndarray, "y x class"]
    """Share of people who marked the pixel: 255 is everybody."""
    weight: UInt8[np.ndarray, "y x"]
    """Share of the pixel that counts: 255 all of it; 0 is left out (padding, no data, uncertain)."""
    split: str
    """train, validation or test."""
    ra_deg: float = math.nan
    dec_deg: float = math.nan
    """Position (ICRS); NaN when unknown."""
    revision: str = ""
    """Ids of the revisions that the target is made of, separated by commas; empty for mocks."""
    truth: Mapping[str, float] = field(default_factory=dict)
    """Further columns that are known exactly (mocks): flux_ratio_r, pitch_angle_deg …"""
    bands: tuple[str, ...] = ()
    """Names of the image's channels; empty: those of the snapshot."""


def example_from_arrays(
    picture: UInt8[np.ndarray, "y x band"],
    target: Float[np.ndarray, "_ _ class"],
    weight: Float[np.ndarray, "y x"] | None = None,
    *,
    object_id: str,
    image_size: int,
    survey: str = "",
    split: str | None = None,
    ra_deg: float | None = None,
    dec_deg: float | None = None,
    revision: str = "",
    truth: Mapping[str, float] | None = None,
) -> Example:
    """A picture and its target fitted into the square that models take.

    Targets (0 to 1) and weights are resampled as shares of area in the very frame of the picture. A pixel's target is
    the mean over the part of it that counts; padding counts nothing. `split` is by sky position unless it is given.
    """
    if target.shape[:2] != picture.shape[:2]:
        raise ValueError(
            f"{object_id}: target of {target.shape[0]} × {target.shape[1]} pixels for a picture of "
            f"{picture.shape[0]} × {picture.shape[1]}; give both on one pixel grid"
        )
    counts = np.ones(picture.shape[:2], np.float32) if weight is None else weight.astype(np.float32)
    image, _ = fit_frame(picture, image_size)
    fitted, _ = fit_frame(np.dstack([target * counts[..., None], counts]).astype(np.float32), image_size)
    share = np.clip(fitted[..., -1], 0, 1)
    mean = fitted[..., :-1] / np.where(share > 0, share, 1)[..., None]
    return Example(
        object_id=object_id,
        survey=survey,
        image=image.astype(np.uint8),
        target=_eight_bits(mean),
        weight=_eight_bits(share),
        split=split or split_of(object_id, ra_deg, dec_deg),
        ra_deg=math.nan if ra_deg is None else ra_deg,
        dec_deg=math.nan if dec_deg is None else dec_deg,
        revision=revision,
        truth=dict(truth or {}),
    )


def examples_from_store(
    store: Store,
    *,
    bands: Sequence[str],
    classes: Sequence[str],
    image_size: int,
    splits: Mapping[str, Split] | None = None,
    labels: str = "latest",
    agree_with: Sequence[Path | str] = (),
    surveys: Sequence[str] = (),
    look: str = "",
) -> Iterator[Example | Unreadable]:
    """Every galaxy that the policy `labels` finds labelled, in the order of the ids, one at a time.

    Galaxies that nobody has labelled are passed over; `store_provenance` counts them. The policy decides what the
    target is, never the split: that goes by sky position, and is written down in the store (`datasets.placing`).

    Parameters
    ----------
    splits
        Galaxies whose split is chosen by hand (a fold of a cross-validation), and written down nowhere. What is
        within 2 arcsec of one goes with it.
    labels
        Whose marks count: see `flaxgal.datasets.policies`.
    agree_with
        Snapshots of other stores, whose galaxies keep the split they have there.
    surveys
        Galaxies of these surveys only; empty: of all.
    look
        Make the others look as this survey (HSC, SDSS, GZ3D) would have seen them; empty: as they come.

    Yields
    ------
    Example | Unreadable
        A galaxy; or one that was left out (a band that it has not, a class not looked for, a damaged file …), and why.

    Raises
    ------
    ValueError
        If there is no such policy, no such annotator, or no such look.
    NotSavedError
        If galaxies are new and their splits cannot be written down in the store.
    """
    check_policy(store, labels)
    if look:
        look_named(look)
    for object_id, split in place_galaxies(store, by_hand=splits, agree_with=agree_with).items():
        if surveys and store.galaxy(object_id).survey not in surveys:
            continue
        try:
            chosen = chosen_revisions(store, object_id, labels)
            if chosen:
                if split is None:
                    raise ValueError(
                        f"{object_id}: within 2 arcsec of galaxies that stand in different splits; it can go into none "
                        f"without telling one of another, and is left out"
                    )
                yield example_of(
                    store,
                    object_id,
                    chosen,
                    labels=labels,
                    bands=bands,
                    classes=classes,
                    image_size=image_size,
                    split=split,
                    look=look,
                )
        except ValueError as error:
            yield Unreadable(object_id, str(error))


def example_of(
    store: Store,
    object_id: str,
    revisions: Sequence[str],
    *,
    labels: str,
    bands: Sequence[str],
    classes: Sequence[str],
    image_size: int,
    split: str | None = None,
    look: str = "",
) -> Example:
    """A galaxy with the target that a policy makes of the revisions of these ids.

    Raises
    ------
    ValueError
        If a file cannot be read, or the galaxy lacks a band or a class.
    """
    cutout = store.cutout(object_id)
    target = target_of([store.revision(name) for name in revisions], classes, labels)
    has_light = np.isfinite(cutout.flux).any(axis=0)
    for plane in NOT_SKY:  # they are left out of the loss
        if plane in cutout.mask_planes:
            has_light &= ~cutout.mask_planes[plane].any(axis=0)
    share, weight = target.share, target.weight * has_light
    if look:
        cutout, share, weight = in_look(cutout, share, weight, look_named(look))
    return example_from_arrays(
        to_picture(cutout, bands),
        np.moveaxis(share, 0, -1),
        weight,
        object_id=cutout.object_id,
        image_size=image_size,
        survey=cutout.survey,
        split=split,
        ra_deg=cutout.ra_deg,
        dec_deg=cutout.dec_deg,
        revision=",".join(target.revisions),
    )


def store_provenance(store: Store, labels: str = "latest", look: str = "") -> dict[str, Any]:
    """What a snapshot built from a store by a policy records of it, besides the ids of all revisions."""
    status = store.status()
    return {
        "store_id": store.store_id,
        "labels": labels,
        "labelled": status.labelled,
        "unlabelled": status.unlabelled,
    } | ({"look": look} if look else {})


def _eight_bits(share: np.ndarray) -> np.ndarray:
    return np.rint(255 * np.clip(share, 0, 1)).astype(np.uint8)
