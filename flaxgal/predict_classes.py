"""Tell galaxies apart with a trained run: whatever images in, a table of class probabilities out, or maps of spirals.

A galaxy is seen exactly as it was in training: as on the sky, its frame cropped as those of the snapshots were that the
run was trained on. Answers go to a journal as they come, so memory does not grow with the galaxies and a call that is
killed loses none.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Iterator, Sequence, Set
from contextlib import closing
from dataclasses import dataclass, field
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, UInt8

from flaxgal.calibration import Calibration, calibration_of
from flaxgal.checkpoint import ClassifierRun, Run, load_classifier, load_run
from flaxgal.class_answers import ClassRow, Tally, Terms
from flaxgal.class_catalogue import UNMATCHED, Catalogue, finished_tally, read_given, spirals_in, write_classes
from flaxgal.classify import oriented_logits, probabilities
from flaxgal.config import PredictConfig
from flaxgal.config.trust import TrustConfig
from flaxgal.datasets.builders import open_snapshot
from flaxgal.datasets.class_sources import class_picture
from flaxgal.distribute import on_cluster
from flaxgal.inputs import Held, Source, cutouts_from, is_snapshot, sources_from, stamp_of
from flaxgal.measure.formats import check_format
from flaxgal.measure.row_journal import Line, RowJournal
from flaxgal.models.classifier import class_features
from flaxgal.predict import Kept as MapKept
from flaxgal.predict import Predicted, claim, predict_into, weights_sha256
from flaxgal.row_by_row import Done, Item, Kept, in_batches, taken, to_do
from flaxgal.runlog import read_crop
from flaxgal.survey.cutout import Cutout, Unreadable
from flaxgal.survey.prediction import ENDING, prediction_path
from flaxgal.survey.schemas import LabelSchema

__all__ = [
    "ClassChoices",
    "Told",
    "claimed_run",
    "held_crops",
    "maps_of_others",
    "predict_classes",
    "segment_spirals",
]


@dataclass(frozen=True, kw_only=True)
class ClassChoices:
    """How a classifier is applied."""

    orientations: int = 1
    """How many of each picture's eight quarter turns and mirror images are averaged: 1, 2, 4 or 8."""
    batch_size: int = 64
    crop: float | None = None
    """Share of each frame's side that is shown, about its centre; as in training when not given. Of a snapshot of
    classes nobody can choose it any more."""
    trust: TrustConfig = field(default_factory=TrustConfig)

    def __post_init__(self) -> None:
        if self.crop is not None and not 0 < self.crop <= 1:
            raise ValueError(f"crop is {self.crop:g}; wanted the share of the frame to show, above 0 and up to 1")


@dataclass(frozen=True, eq=False)
class Told:
    """The table is on disk."""

    path: Path
    schema: LabelSchema
    """What the galaxies were told apart by."""
    tally: Tally
    was_there: bool = False
    """Whether an earlier call had finished it."""


def predict_classes(
    run_folder: Path,
    inputs: Sequence[Path],
    out: Path,
    *,
    choices: ClassChoices | None = None,
    catalogue: Path | None = None,
    id_column: str = "",
    dask: str = "",
) -> Iterator[Done | Kept | Unreadable | Told]:
    """Classify every galaxy of `inputs`, say what became of each, and write the table when all are done.

    The same call goes on where it was stopped; a table that is finished, of the very same galaxies, is kept.

    Parameters
    ----------
    out : the table, .ecsv, .parquet, .fits or .vot.
    catalogue : a table whose columns and rows `out` is to have, with the answers beside them by the galaxies' ids.
    id_column : the column of ids in it, where its name does not say so.
    dask : address of a Dask scheduler whose workers classify, on a disk that all share.

    Raises
    ------
    ValueError
        If the run is no classifier or has no checkpoint, the table cannot be written under its name or is there with
        other answers, the catalogue has no ids or none of the galaxies, or the cluster cannot be used.
    """
    choices = choices or ClassChoices()
    check_format(out)
    if out.is_dir():
        raise ValueError(f"{out}: found a folder; wanted the name of a table")
    if catalogue is not None and out.exists() and out.samefile(catalogue):
        raise ValueError(f"{out}: is the catalogue itself, which stays as it is; choose another --out")
    if dask:
        run_folder, inputs = run_folder.absolute(), [path.absolute() for path in inputs]
    crop = _shown(run_folder, inputs, choices.crop)
    applied = _applied(run_folder, choices, crop)
    terms = _terms(applied, choices)
    given = None if catalogue is None else read_given(catalogue, id_column=id_column)
    _check_handedness(inputs, applied)
    about = {"inputs": _digest(inputs)}
    if given is not None and catalogue is not None:
        about |= {"catalogue": given.name, "catalogue_stamp": stamp_of(catalogue)}
    if (found := finished_tally(out, terms, about, given)) is not None:
        yield Told(out, terms.schema, found, was_there=True)
        return
    if given is not None:
        _check_shared(inputs, given)
    # What is unsure is decided when the table is written.
    origin = {name: value for name, value in terms.said().items() if not hasattr(terms.trust, name)}
    with closing(RowJournal(out, origin=origin, check=ClassRow.from_json, command="flaxgal predict")) as journal:
        batches = in_batches(to_do(sources_from(inputs), journal), choices.batch_size)
        if dask:
            task = partial(_classify_there, run_folder=run_folder, choices=choices, crop=crop)
            done = on_cluster(task, batches, address=dask, folders=[*inputs, run_folder])
        else:
            done = (_classify(batch, applied) for batch in batches)
        yield from taken(done, journal)
        told = _write(out, terms, journal, given, about) if len(journal) else None
        journal.remove()
    if told is not None:
        yield told


def held_crops(inputs: Iterable[Path]) -> dict[Path, float]:
    """The snapshots of classes among some inputs, and the share of their frames' sides that their pictures show."""
    snapshots = {path: open_snapshot(path) for path in inputs if is_snapshot(path)}
    return {path: snapshot.crop for path, snapshot in snapshots.items() if snapshot.schemas}


def claimed_run(run_folder: Path, maps: Path, config: PredictConfig) -> Run:
    """A run that finds arms, and a folder marked as that of its maps.

    Raises
    ------
    ValueError
        If the run tells classes or has no checkpoint, or the folder holds maps of another run or by other choices.
    """
    run = load_run(run_folder)
    claim(maps, run, config)
    return run


def segment_spirals(
    run: Run,
    told: Told,
    inputs: Sequence[Path],
    maps: Path,
    *,
    config: PredictConfig,
    least_probability: float | None = None,
    id_column: str = "",
) -> tuple[set[str], Iterator[Predicted | MapKept | Unreadable]]:
    """Which galaxies of a table are spirals, and what becomes of each whose image is among the inputs.

    Their maps go to the folder that `claimed_run` marked, as `flaxgal.predict.predict` would write them; those that are
    there are kept.

    Parameters
    ----------
    least_probability : of being a spiral; None takes those whose class is one.
    """
    spirals = spirals_in(told.path, told.schema, id_column=id_column, least_probability=least_probability)
    cutouts = (one for one in cutouts_from(inputs) if isinstance(one, Cutout) and one.object_id in spirals)
    return spirals, predict_into(maps, run, cutouts, config=config)


def maps_of_others(maps: Path, object_ids: Set[str]) -> list[Path]:
    """The maps in a folder that are of none of these galaxies, as of those that another choice took."""
    return sorted(set(maps.glob(f"*{ENDING}")) - {prediction_path(one, maps) for one in object_ids})


@dataclass(frozen=True, eq=False)
class _Applied:
    """A classifier with all that is needed to apply it."""

    run: ClassifierRun
    calibration: Calibration | None
    crop: float
    orientations: int
    batch_size: int


@dataclass(frozen=True, eq=False)
class _Seen:
    """One galaxy as the network sees it, and where it comes from."""

    cutout: Cutout
    picture: UInt8[np.ndarray, "y x band"]
    source: str
    stamp: str


def _shown(run_folder: Path, inputs: Sequence[Path], asked: float | None) -> float:
    """The share of each frame's side that the network is shown, which is one and the same in a table.

    Raises
    ------
    ValueError
        If it is chosen of a snapshot's pictures, the inputs show unequal shares, or nobody knows that of training.
    """
    held = held_crops(inputs)
    shown = {str(path): crop for path, crop in held.items()}
    if held and asked is not None:
        raise ValueError(
            f"--crop {asked:g}: the pictures of {next(iter(shown))}, a snapshot, were cropped when it was built; leave "
            f"it out, or give the images that it was built from"
        )
    if not held or set(inputs) - held.keys():
        shown["other inputs"] = read_crop(run_folder) if asked is None else asked
    if len(set(shown.values())) > 1:
        each = ", ".join(f"{crop:g} in {name}" for name, crop in shown.items())
        raise ValueError(f"pictures show unequal shares of their frames' sides, {each}: give each kind its own --out")
    return next(iter(shown.values()))


def _applied(run_folder: Path, choices: ClassChoices, crop: float) -> _Applied:
    run = load_classifier(run_folder)
    return _Applied(run, calibration_of(run_folder, run.step), crop, choices.orientations, choices.batch_size)


def _terms(applied: _Applied, choices: ClassChoices) -> Terms:
    run, calibration = applied.run, applied.calibration
    return Terms(
        run=run.name,
        step=run.step,
        weights_sha256=weights_sha256(run),
        schema=run.schema,
        orientations=choices.orientations,
        crop=applied.crop,
        trust=choices.trust,
        temperature=None if calibration is None else calibration.temperature_of(choices.orientations),
        outlier_threshold=None if calibration is None else calibration.outlier_threshold,
    )


def _check_handedness(inputs: Sequence[Path], applied: _Applied) -> None:
    """Refuse to tell S from Z in pictures of which nobody knows which row is their top."""
    schema = applied.run.schema
    if schema.mirrored == tuple(range(len(schema.classes))):
        return
    for path in inputs:
        if is_snapshot(path) and not open_snapshot(path).schemas:
            raise ValueError(
                f"{path}: a snapshot of masks, which does not keep which way up its pictures are: {schema.name} cannot "
                f"be told from it; give the images or the label store that it was built from"
            )


def _check_shared(inputs: Sequence[Path], given: Catalogue) -> None:
    """Refuse a catalogue that has none of the galaxies; images are read until one is found that it has."""
    known, others = set(given.object_ids) - {""}, []
    for cutout in (source.read() for source in sources_from(inputs)):
        if isinstance(cutout, Unreadable):
            continue
        if cutout.object_id in known:
            return
        others.append(cutout.object_id)
    if others:
        theirs = f"its ids are like {_examples(known)}" if known else "it has no ids"
        raise ValueError(
            f"{given.name}: has none of the galaxies: {theirs}, those of the images like {_examples(others)}; give the "
            f"catalogue's column of such ids by --id-column, or another catalogue"
        )


def _examples(ids: Iterable[str]) -> str:
    return " or ".join(sorted(ids)[:2])


def _digest(inputs: Sequence[Path]) -> str:
    """What changes when any galaxy of the inputs does, or another comes; no file is opened, but snapshots are."""
    digest = hashlib.blake2b(digest_size=12)
    for source in sources_from(inputs):
        digest.update(source.stamp.encode())
    return digest.hexdigest()


def _classify_there(
    items: list[Item], *, run_folder: Path, choices: ClassChoices, crop: float
) -> list[Line | Unreadable | str]:
    """As `_classify`, by a process that loads the run itself, once."""
    return _classify(items, _loaded(run_folder, choices, crop))


_loaded = lru_cache(maxsize=1)(_applied)


def _classify(items: list[Item], applied: _Applied) -> list[Line | Unreadable | str]:
    """The lines of some galaxies, in order; the stamp of one that need not be classified passes through."""
    read = [stamp if source is None else _look(source, stamp, applied) for source, stamp in items]
    rows = iter(_rows([one for one in read if isinstance(one, _Seen)], applied))
    return [
        Line(one.cutout.object_id, one.source, one.stamp, "", next(rows).to_json()) if isinstance(one, _Seen) else one
        for one in read
    ]


def _look(source: Source, stamp: str, applied: _Applied) -> _Seen | Unreadable:
    """A galaxy's picture as the network is to see it."""
    cutout, model = source.read(), applied.run.config.model
    if isinstance(cutout, Unreadable):
        return cutout
    crop = 1.0 if isinstance(source, Held) and _is_finished(source.name) else applied.crop
    try:
        picture = class_picture(cutout, model.bands, model.image_size, crop)
    except ValueError as error:
        return Unreadable(cutout.object_id, str(error))
    return _Seen(cutout, picture, source.name, stamp)


@lru_cache(maxsize=16)
def _is_finished(snapshot: str) -> bool:
    """Whether the pictures of a snapshot are cropped already, as those of galaxies with classes are."""
    return bool(open_snapshot(snapshot).schemas)


def _rows(seen: Sequence[_Seen], applied: _Applied) -> list[ClassRow]:
    """What the network says of some galaxies, at most a batch; it is filled up, so that nothing is compiled again."""
    if not seen:
        return []
    run, known, number = applied.run, applied.calibration, len(seen)
    pictures = np.stack([one.picture for one in seen])
    pictures = np.pad(pictures, ((0, applied.batch_size - number), (0, 0), (0, 0), (0, 0)))
    features, logits = _answers(applied, pictures)
    if not np.isfinite(logits[:, :number]).all():
        raise ValueError(
            f"run {run.name}: answers with no number to galaxies such as {seen[0].cutout.object_id}: training went "
            f"astray; train again with a lower learning rate"
        )
    temperature = 1.0 if known is None else known.temperature_of(applied.orientations)
    chances = probabilities(logits[:, :number], run.schema, temperature=temperature)
    distances = np.full(number, math.nan) if known is None else known.familiar.distance(features[:number])
    return [
        ClassRow(
            object_id=one.cutout.object_id,
            survey=one.cutout.survey,
            ra_deg=_or_nan(one.cutout.ra_deg),
            dec_deg=_or_nan(one.cutout.dec_deg),
            probability=tuple(chance),
            outlier_distance=distance,
        )
        for one, chance, distance in zip(seen, chances.tolist(), distances.tolist(), strict=True)
    ]


def _answers(
    applied: _Applied, pictures: UInt8[np.ndarray, "n y x band"]
) -> tuple[Float[np.ndarray, "n feature"], Float[np.ndarray, "orientation n output"]]:
    """Features of the pictures as they are, and logits in all orientations."""
    model, schema = applied.run.model, applied.run.schema
    features, upright = map(np.asarray, class_features(model, jnp.asarray(pictures.astype(np.float32) / 255)))
    if applied.orientations == 1:
        return features, upright[None]
    logits = oriented_logits(model, pictures, schema, orientations=applied.orientations, batch_size=applied.batch_size)
    return features, logits


def _write(
    out: Path,
    terms: Terms,
    journal: RowJournal,
    given: Catalogue | None,
    about: dict[str, Any],
) -> Told:
    def rows() -> Iterator[ClassRow]:
        return (ClassRow.from_json(line.row) for line in journal.lines())

    def row_of(object_id: str) -> ClassRow | None:
        line = journal.taken(object_id)
        return None if line is None else ClassRow.from_json(line.row)

    if given is not None:
        about = about | {UNMATCHED: len(set(journal.object_ids()) - set(given.object_ids))}
    return Told(out, terms.schema, write_classes(out, terms, rows, row_of, catalogue=given, about=about))


def _or_nan(degrees: float | None) -> float:
    return math.nan if degrees is None else degrees
