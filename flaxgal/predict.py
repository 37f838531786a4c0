"""Segment galaxies with a trained run: files, folders, a label store or a dataset snapshot in, arm maps out.

A galaxy is seen exactly as it was in training: the picture made by `survey.display.to_picture`, fitted into a frame of
the run's image size by `survey.display.fit_frame`; the maps are brought back to the pixels of the input. With `native`
the network runs over the input's own pixels instead, whatever their number.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, UInt8

from flaxgal.checkpoint import ClassifierRun, Run, leaves_by_path, load_run
from flaxgal.config import PredictConfig
from flaxgal.inputs import cutouts_from
from flaxgal.models.unet import UNet, pad_to_multiple, predict_batch
from flaxgal.survey.atomic import replaced_when_whole
from flaxgal.survey.cutout import Cutout, Unreadable
from flaxgal.survey.display import fit_frame, to_picture
from flaxgal.survey.prediction import CLAIM, Prediction, prediction_path, read_prediction, write_prediction

__all__ = [
    "Kept",
    "Predicted",
    "average_over_orientations",
    "claim",
    "predict",
    "predict_cutouts",
    "predict_into",
    "weights_sha256",
]


@dataclass(frozen=True)
class Predicted:
    """A galaxy whose maps were written to `path`."""

    object_id: str
    path: Path


@dataclass(frozen=True)
class Kept:
    """A galaxy whose maps were in `path` already, from an earlier call."""

    object_id: str
    path: Path


def predict(
    run_folder: Path, inputs: Sequence[Path], out: Path, *, config: PredictConfig | None = None
) -> Iterator[Predicted | Kept | Unreadable]:
    """Write the arm maps of every galaxy of `inputs` to `out`, a file each, and say what became of each galaxy.

    A galaxy whose file is there already, made from the very same pixels, is kept as it is, so the same call goes on
    where it was stopped. One that cannot be read, or has other bands than the run was trained on, comes as
    `Unreadable`, and the rest goes on.

    Raises
    ------
    ValueError
        If the run has no checkpoint, or `out` holds predictions of another run or made with other choices.
    """
    run = load_run(run_folder)
    config = config or PredictConfig()
    claim(out, run, config)
    yield from predict_into(out, run, cutouts_from(inputs), config=config)


def predict_into(
    out: Path, run: Run, cutouts: Iterable[Cutout | Unreadable], *, config: PredictConfig
) -> Iterator[Predicted | Kept | Unreadable]:
    """Write the maps of some galaxies to a folder that was claimed for this run and these choices."""

    def remaining() -> Iterator[Cutout | Unreadable | Kept]:
        for item in cutouts:
            if isinstance(item, Cutout) and _is_there(item, path := prediction_path(item.object_id, out)):
                yield Kept(item.object_id, path)
            else:
                yield item

    for item in predict_cutouts(run, remaining(), config=config):
        yield Predicted(item.object_id, write_prediction(item, out)) if isinstance(item, Prediction) else item


def predict_cutouts(
    run: Run, cutouts: Iterable[Cutout | Unreadable | Kept], *, config: PredictConfig | None = None
) -> Iterator[Prediction | Unreadable | Kept]:
    """The prediction for every cutout, batched by picture size; anything else passes through."""
    config = config or PredictConfig()
    waiting: dict[tuple[int, ...], list[_Framed]] = {}
    for item in cutouts:
        if not isinstance(item, Cutout):
            yield item
            continue
        try:
            framed = _frame(item, run, config)
        except ValueError as error:
            yield Unreadable(item.object_id, str(error))
            continue
        group = waiting.setdefault(framed.picture.shape, [])
        group.append(framed)
        if len(group) == _batch_size(framed.picture, run, config):
            yield from _run_batch(run, waiting.pop(framed.picture.shape), config)
    for group in waiting.values():
        yield from _run_batch(run, group, config)


def average_over_orientations(
    model: UNet, image: Float[np.ndarray, "n y x band"], number: int
) -> Float[np.ndarray, "n y x class"]:
    """Mean probability over the first `number` of the picture's eight quarter turns and mirror images, turned back."""
    seen = []
    for turn in range(number):
        mirrored = image[:, :, ::-1] if turn % 2 else image
        turned = jnp.asarray(np.rot90(mirrored, turn // 2, axes=(1, 2)))
        maps = np.rot90(np.asarray(predict_batch(model, turned)), -(turn // 2), axes=(1, 2))
        seen.append(maps[:, :, ::-1] if turn % 2 else maps)
    return np.mean(seen, axis=0)


@dataclass(frozen=True)
class _Framed:
    """One galaxy as the network sees it, and how to bring its maps back to the galaxy's own pixels."""

    cutout: Cutout
    picture: UInt8[np.ndarray, "y x band"]
    to_native: Callable[[Float[np.ndarray, "y x class"]], Float[np.ndarray, "height width class"]]


def _frame(cutout: Cutout, run: Run, config: PredictConfig) -> _Framed:
    picture = to_picture(cutout, run.config.model.bands)
    if not config.native:
        framed, frame = fit_frame(picture, run.config.model.image_size)
        return _Framed(cutout, framed, frame.to_native)
    height, width = picture.shape[:2]
    # Up to multiples of the training size, so that a folder of many sizes compiles a few programs and not hundreds.
    padded = pad_to_multiple(jnp.asarray(picture[None], jnp.float32), run.config.model.image_size)[0]
    return _Framed(cutout, np.asarray(padded, np.uint8), lambda maps: maps[:height, :width])


def _run_batch(run: Run, group: list[_Framed], config: PredictConfig) -> Iterator[Prediction]:
    """Predictions for galaxies of one picture size; a short batch is filled up, so that nothing is compiled again."""
    pictures = np.stack([framed.picture for framed in group]).astype(np.float32) / 255
    short = _batch_size(pictures[0], run, config) - len(group)
    pictures = np.pad(pictures, ((0, short), (0, 0), (0, 0), (0, 0)))
    maps = average_over_orientations(run.model, pictures, config.orientations)
    threshold = _threshold(run, config)
    for framed, probability in zip(group, maps, strict=False):
        native = np.moveaxis(framed.to_native(probability), -1, 0).astype(np.float32)
        native[:, ~np.isfinite(framed.cutout.flux).any(axis=0)] = np.nan
        yield Prediction(
            object_id=framed.cutout.object_id,
            survey=framed.cutout.survey,
            probability=native,
            classes=run.config.model.classes,
            threshold=threshold,
            threshold_range=run.threshold_range(threshold),
            run=run.name,
            wcs=framed.cutout.wcs,
            first_row=framed.cutout.first_row,
            cutout_sha256=framed.cutout.sha256,
        )


def _batch_size(picture: np.ndarray, run: Run, config: PredictConfig) -> int:
    """As many pictures as have the pixels of `config.batch_size` pictures of the training size."""
    pixels = config.batch_size * run.config.model.image_size**2
    return max(1, min(config.batch_size, pixels // (picture.shape[0] * picture.shape[1])))


def _is_there(cutout: Cutout, path: Path) -> bool:
    """Whether the maps of these very pixels are in `path`; a damaged file is none."""
    try:
        return path.exists() and read_prediction(path).cutout_sha256 == cutout.sha256
    except ValueError:
        return False


def _threshold(run: Run, config: PredictConfig) -> float:
    """The threshold asked for, or the run's own."""
    return run.threshold if config.threshold is None else config.threshold


def claim(out: Path, run: Run, config: PredictConfig) -> None:
    """Mark `out` as the predictions of these weights with these choices, or refuse a folder that holds others."""
    threshold = _threshold(run, config)
    choices = asdict(config) | {"threshold": threshold}
    if run.mask_thresholds is not None:
        choices["threshold_range"] = list(run.mask_thresholds.range_about(threshold))
    choices |= {"run": run.name, "step": run.step, "weights_sha256": weights_sha256(run)}
    choices.pop("batch_size")
    path = out / CLAIM
    if path.exists():
        held = json.loads(path.read_text())
        if held != choices:
            different = sorted(name for name in choices if held.get(name) != choices[name])
            found, wanted = ({name: said.get(name) for name in different} for said in (held, choices))
            raise ValueError(f"{out}: holds predictions made with {found}, wanted are {wanted}; choose another --out")
        return
    with replaced_when_whole(path) as temporary:
        temporary.write_text(json.dumps(choices, indent=2) + "\n")


def weights_sha256(run: Run | ClassifierRun) -> str:
    """What tells two runs apart that share a name and a number of steps."""
    digest = hashlib.sha256()
    for name, leaf in sorted(leaves_by_path(run.model).items()):
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(leaf).tobytes())
    return digest.hexdigest()
