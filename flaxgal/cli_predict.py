"""`flaxgal predict`: a trained run on galaxies, as maps of arms or as a table of classes, or from classes to maps."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from tyro.conf import arg

from flaxgal.cli_words import Flat, Inputs, RunFolder, already, closing, counted, say, say_other_crop, say_passed_over
from flaxgal.config import PredictConfig, TrainConfig
from flaxgal.config.trust import TrustConfig

if TYPE_CHECKING:
    from flaxgal.predict_classes import Told

__all__ = ["predict"]

APPLIED = PredictConfig()
TRUSTED = TrustConfig()


def predict(
    run: RunFolder,
    inputs: Inputs,
    *,
    out: Path,
    catalogue: Annotated[Path | None, arg(metavar="TABLE")] = None,
    id_column: str = "",
    then_segment: Annotated[Path | None, arg(metavar="RUN")] = None,
    maps: Path | None = None,
    least_probability: float | None = None,
    crop: float | None = None,
    dask: str = "",
    trust: Annotated[TrustConfig, Flat] = TRUSTED,
    config: Annotated[PredictConfig, Flat] = APPLIED,
) -> int:
    """Apply a trained run: arm probability and mask as FITS with the input's WCS, or a table of classes.

    Example: flaxgal predict runs/arms cutouts/ --out maps/

    From a catalogue to the masks of its spirals: flaxgal predict runs/morphology cutouts/ --catalogue galaxies.ecsv
    --out classes.parquet --then-segment runs/arms --maps maps/

    Args:
        run: Folder of a trained run; what it learnt decides what is written.
        inputs: Cutout files, folders, label stores or dataset snapshots.
        out: Folder of the maps, or of a run on classes a table: .ecsv, .parquet, .fits or .vot. What is there already
            is kept, so the same command goes on where it stopped.
        catalogue: Of a run on classes: a table whose galaxies, by their ids, get the classes beside its own columns;
            the result goes to OUT, and the table stays as it is.
        id_column: Its column of ids, where its name does not say so.
        then_segment: Folder of a run on arms, to segment the galaxies with that are spirals.
        maps: Folder of their maps.
        least_probability: Of being a spiral, for a galaxy to be segmented; when not given, its class decides.
        crop: Share of each picture's side that a run on classes is shown, about its centre; as in training when not
            given. A snapshot's pictures are as they were built.
        dask: Address of a Dask scheduler (tcp://HOST:8786) whose workers do it instead, on a disk that all share.
        trust: Which answers of a run on classes are marked as not to be trusted.
        config: How the run is applied.
    """
    from flaxgal.runlog import read_config

    of_classes: dict[str, Any] = {
        "--catalogue": catalogue,
        "--id-column": id_column,
        "--then-segment": then_segment,
        "--maps": maps,
        "--least-probability": least_probability,
        "--crop": crop,
        **_chosen(trust),
    }
    say_passed_over(inputs)
    if isinstance(read_config(run), TrainConfig):
        if given := [name for name, value in of_classes.items() if value not in (None, "")]:
            raise ValueError(
                f"{run}: this run finds arms, and {', '.join(given)} are of runs that tell classes; leave them out, or "
                f"give a run trained on classes first"
            )
        return _segment(run, inputs, out, dask, config)
    _check_options(of_classes, then_segment, maps, dask, config)
    from flaxgal.predict_classes import ClassChoices, claimed_run, held_crops, predict_classes, segment_spirals

    arms = None if then_segment is None or maps is None else claimed_run(then_segment, maps, config)
    choices = ClassChoices(orientations=config.orientations, batch_size=config.batch_size, crop=crop, trust=trust)
    found = predict_classes(run, inputs, out, choices=choices, catalogue=catalogue, id_column=id_column, dask=dask)
    for snapshot in held_crops(inputs):
        say_other_crop(run, snapshot)
    told, status = _classify(found, inputs, catalogue)
    if told is None or arms is None or maps is None:
        return status
    spirals, segmented = segment_spirals(
        arms, told, inputs, maps, config=config, least_probability=least_probability, id_column=id_column
    )
    if spirals:
        status = _report_maps(segmented, len(spirals), maps, "spirals segmented")
    else:
        say(f"none of the {told.tally.galaxies} galaxies with a class in {out} is a spiral: nothing to segment")
    _say_other_maps(maps, spirals)
    return status


def _chosen(trust: TrustConfig) -> dict[str, float]:
    """The limits that are not what they are when nothing is said, by their options."""
    limits, usual = asdict(trust), asdict(TRUSTED)
    return {f"--{name.replace('_', '-')}": value for name, value in limits.items() if value != usual[name]}


def _check_options(
    of_classes: dict[str, Any], then_segment: Path | None, maps: Path | None, dask: str, config: PredictConfig
) -> None:
    if (then_segment is None) != (maps is None):
        raise ValueError("--then-segment RUN and --maps FOLDER go together: give both, or neither")
    if of_classes["--id-column"] and of_classes["--catalogue"] is None:
        raise ValueError("--id-column names a catalogue's column of ids: give it by --catalogue, or leave this out")
    least = of_classes["--least-probability"]
    if least is not None and not 0 <= least <= 1:
        raise ValueError(f"least_probability is {least:g}; wanted a probability from 0 to 1")
    if then_segment is not None:
        if dask:
            raise ValueError("--dask and --then-segment do not go together: classify on the cluster first, then here")
        return
    of_arms = {"--threshold": config.threshold is not None, "--native": config.native}
    of_arms["--least-probability"] = of_classes["--least-probability"] is not None
    if given := [name for name, value in of_arms.items() if value]:
        raise ValueError(f"{', '.join(given)}: of maps, which only --then-segment makes of a run that tells classes")


def _segment(run: Path, inputs: tuple[Path, ...], out: Path, dask: str, config: PredictConfig) -> int:
    from flaxgal.inputs import number_of
    from flaxgal.predict import predict as predict_all
    from flaxgal.predict_on_cluster import predict_on_cluster

    if dask:
        found = predict_on_cluster(run, inputs, out, address=dask, config=config)
    else:
        found = predict_all(run, inputs, out, config=config)
    return _report_maps(found, number_of(inputs), out, "galaxies segmented")


def _report_maps(found: Any, number: int, out: Path, words: str) -> int:
    from flaxgal.predict import Kept

    counts = counted(found, words, number, kept=Kept)
    summary = f"{counts.done - counts.kept} {words}{already(counts.kept)}: {out}"
    return closing(summary, counts.done, counts.left_out)


def _say_other_maps(maps: Path, spirals: set[str]) -> None:
    from flaxgal.predict_classes import maps_of_others

    if others := maps_of_others(maps, spirals):
        say(
            f"{maps} also holds {len(others)} maps of galaxies that are not among the spirals chosen now, such as "
            f"{others[0].name}; flaxgal measure would measure them, too: delete them, or give an empty folder as --maps"
        )


def _classify(found: Any, inputs: tuple[Path, ...], catalogue: Path | None) -> tuple[Told | None, int]:
    """The table, if any galaxy could be classified, and the exit status."""
    from flaxgal.inputs import number_of
    from flaxgal.predict_classes import Told
    from flaxgal.row_by_row import Kept

    counts = counted(found, "galaxies classified", number_of(inputs), kept=Kept, last=Told)
    if (told := counts.last) is None:
        return None, closing("0 galaxies classified: no table written", 0, counts.left_out)
    _say_doubts(told, catalogue)
    return told, closing(_summary(told, counts.kept, catalogue), told.tally.classified, counts.left_out)


def _summary(told: Told, kept: int, catalogue: Path | None) -> str:
    tally = told.tally
    each = ", ".join(f"{tally.by_class[name]} {name}" for name in told.schema.classes if tally.by_class[name])
    known = already(tally.classified if told.was_there else kept)
    some = f", {tally.galaxies} of them in {catalogue}" if tally.unmatched else ""
    return f"{tally.classified} galaxies classified{known}{some} ({each}): {told.path}"


def _say_doubts(told: Told, catalogue: Path | None) -> None:
    tally = told.tally
    if tally.unmatched:
        say(f"{tally.unmatched} classified galaxies have no row in {catalogue} and are not in {told.path}")
    if tally.unclassified:
        say(f"{tally.unclassified} galaxies of {catalogue} have no image here: their classes are empty")
    if tally.do_not_trust:
        reasons = ", ".join(f"{number} {words}" for words, number in tally.doubts.items())
        say(f"{tally.do_not_trust} of {tally.galaxies} answers are not to be trusted: {reasons}")
