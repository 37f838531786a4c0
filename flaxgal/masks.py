"""Arm masks from whatever a user names: a folder of predictions, a label store, a folder of masks in files."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float

from flaxgal.datasets.policies import check_policy, chosen_revisions, target_of
from flaxgal.inputs import stamp_of
from flaxgal.labels.pairs import mask_for
from flaxgal.labels.store import Store, is_store
from flaxgal.survey.cutout import Cutout
from flaxgal.survey.headers import stem_of
from flaxgal.survey.prediction import CLASS_CODES, is_of_predictions, prediction_path, read_prediction
from flaxgal.survey.reading import IMAGE_ENDINGS

__all__ = ["ArmMask", "Drawn", "InFiles", "Masks", "Predicted", "masks_from"]


@dataclass(frozen=True, eq=False)
class ArmMask:
    """Which pixels of a galaxy are arm, as a network or people have it."""

    arms: Bool[np.ndarray, "y x"] | Float[np.ndarray, "y x"]
    """True = arm; or how probable arm is, or which share of people marked it."""
    threshold: float = 0.5
    threshold_range: tuple[float, float] | None = None
    """As in `flaxgal.survey.prediction.Prediction`."""
    by: str = ""
    """The run, or the people; empty when the file does not say."""


@dataclass(frozen=True)
class Predicted:
    """Maps that `flaxgal predict` wrote."""

    folder: Path

    def stamp(self, object_id: str) -> str:
        """What changes when the mask of a galaxy changes."""
        return stamp_of(prediction_path(object_id, self.folder))

    def of(self, cutout: Cutout, _image: Path | None = None) -> ArmMask:
        """The mask of a galaxy.

        Raises
        ------
        ValueError
            If there is none for it, or it is damaged, or was made from other pixels.
        """
        path = prediction_path(cutout.object_id, self.folder)
        if not path.exists():
            raise ValueError(
                f"{cutout.object_id}: no map of it in {self.folder}; run flaxgal predict on it with --out {self.folder}"
            )
        found = read_prediction(path, wcs=False)
        if found.image_shape != cutout.image_shape:
            raise ValueError(
                f"{path}: its map has {_size(found.image_shape)} pixels and the image of {cutout.object_id} "
                f"{_size(cutout.image_shape)}; run flaxgal predict on this very image"
            )
        if found.cutout_sha256 and found.cutout_sha256 != cutout.sha256:
            raise ValueError(
                f"{path}: its map was made from other pixels than the image of {cutout.object_id} has now; run flaxgal "
                f"predict on this very image"
            )
        return ArmMask(found.arm_probability, found.threshold, found.threshold_range, found.run)


@dataclass(frozen=True)
class Drawn:
    """What people drew, in a label store."""

    folder: Path
    labels: str
    """Whose word counts: see `flaxgal.datasets.policies`."""
    revisions: int
    """How many the store had when the call began: for another number another process opens it anew."""

    def stamp(self, object_id: str) -> str:
        """What changes when the mask of a galaxy changes."""
        return " ".join([self.labels, *self._chosen(object_id)])

    def of(self, cutout: Cutout, _image: Path | None = None) -> ArmMask:
        """The mask of a galaxy, soft where several people are heard that do not agree. Raises as `Predicted.of`."""
        revisions = list(map(_opened(self).revision, self._chosen(cutout.object_id)))
        if not revisions:
            whose = "" if ":" not in self.labels else f" by {self.labels.partition(':')[2]}"
            raise ValueError(
                f"{cutout.object_id}: no mask{whose} in {self.folder}; draw one with flaxgal annotate {self.folder}"
            )
        if any(revision.cutout_sha256 != cutout.sha256 for revision in revisions):
            raise ValueError(
                f"{cutout.object_id}: its mask in {self.folder} was drawn on other pixels than this image has; measure "
                f"the store's own galaxies: flaxgal measure {self.folder}"
            )
        share = target_of(revisions, ["arm"], self.labels).share[0]
        is_agreed = np.isin(share, (0, 1)).all()
        return ArmMask(share > 0 if is_agreed else share, by=", ".join(one.annotator for one in revisions))

    def _chosen(self, object_id: str) -> list[str]:
        store = _opened(self)
        return chosen_revisions(store, object_id, self.labels) if object_id in store else []


@dataclass(frozen=True)
class InFiles:
    """Masks as pictures or FITS images, named as the galaxies are (n1232.png or n1232_mask.png for n1232)."""

    folder: Path

    def stamp(self, object_id: str) -> str:
        """What changes when the mask of a galaxy changes."""
        return stamp_of(*self._files(object_id))

    def of(self, cutout: Cutout, image: Path | None = None) -> ArmMask:
        """The mask of a galaxy, whose image is in the file `image`. Raises as `Predicted.of`."""
        files = self._files(cutout.object_id)
        if len(files) != 1:
            found = " and ".join(path.name for path in files) or "no file of that name"
            raise ValueError(f"{cutout.object_id}: found {found} in {self.folder}; wanted one mask, under its id")
        (path,) = files
        if image is not None and path.samefile(image):
            raise ValueError(
                f"{cutout.object_id}: what {self.folder} has of this name is the image itself; wanted a mask of its "
                f"arms: give the folder of masks"
            )
        pixels = mask_for(cutout, path, image=image)
        if pixels.fraction is None:
            return ArmMask(pixels.mask == CLASS_CODES["arm"])
        return ArmMask(pixels.fraction[pixels.classes.index("arm")])

    def _files(self, object_id: str) -> list[Path]:
        known = _files_in(self.folder)
        return known.get(object_id) or known.get(f"{object_id}_mask", [])


Masks = Predicted | Drawn | InFiles
"""Where the masks of many galaxies can be read, in this process or in another that sees the same disk."""


def masks_from(folder: Path, labels: str = "") -> Masks:
    """The masks of a folder, of whichever kind they are; `labels` is for a label store, consensus if not given.

    Raises
    ------
    ValueError
        If there is no such folder, or nothing in it that could be masks, or nobody in the store whom `labels` names.
    """
    if not folder.is_dir():
        raise ValueError(f"{folder}: no such folder; expected the one that flaxgal predict wrote with --out")
    if is_store(folder):
        store = Store.open(folder)
        check_policy(store, labels := labels or "consensus")
        return Drawn(folder, labels, len(store.history()))
    if labels:
        raise ValueError(f"--labels says whose masks of a label store count, and {folder} is none; leave it out")
    if is_of_predictions(folder):
        return Predicted(folder)
    if not _files_in(folder):
        raise ValueError(
            f"{folder}: no image in this folder; wanted the maps that flaxgal predict wrote, a label store, or masks "
            f"as PNG or FITS files named like the galaxies"
        )
    return InFiles(folder)


@lru_cache(maxsize=4)
def _opened(masks: Drawn) -> Store:
    return Store.open(masks.folder)


def _files_in(folder: Path) -> Mapping[str, list[Path]]:
    """Image files by their names without endings, listed anew when the folder has changed."""
    return _listed(folder, folder.stat().st_mtime_ns)


@lru_cache(maxsize=4)
def _listed(folder: Path, _changed_ns: int) -> Mapping[str, list[Path]]:
    files: defaultdict[str, list[Path]] = defaultdict(list)
    for path in sorted(folder.iterdir()):
        if IMAGE_ENDINGS.search(path.name):
            files[stem_of(path.name)].append(path)
    return files


def _size(shape: tuple[int, ...]) -> str:
    return f"{shape[0]} × {shape[1]}"
