"""The commands between labels and models: freeze labels for training, say how people agree, rank what to label next."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from tyro.conf import arg

from flaxgal.cli_words import StoreFolder, closing, say, say_left_out
from flaxgal.progress import track

__all__ = ["build", "rank", "say_classes", "store_agreement"]


def build(
    store: StoreFolder,
    *,
    out: Path,
    labels: str = "latest",
    bands: tuple[str, ...] = (),
    classes: tuple[str, ...] = (),
    image_size: int | None = None,
    version: str | None = None,
    like: Path | None = None,
    agree_with: tuple[Path, ...] = (),
    surveys: tuple[str, ...] = (),
    look: Literal["", "HSC", "SDSS", "GZ3D"] = "",
    morphology: Annotated[Path | None, arg(metavar="TABLE")] = None,
    id_column: str = "",
    column: str = "",
    vocabulary: str = "",
    leave_out: tuple[str, ...] = (),
    crop: float = 1.0,
    fold: int = 0,
    folds: int = 0,
) -> int:
    """Freeze the labels of a store into a versioned dataset snapshot (TFDS, array_record).

    Example: flaxgal build labels/ --out snapshots/ --labels consensus

    Galaxies with classes: flaxgal build pictures/ --out snapshots/ --morphology zoo.csv --column NAME --vocabulary
    galaxy_zoo_1 --crop 0.3

    Args:
        store: The label store's folder; with --morphology a folder of pictures or cutouts will do.
        out: Folder of data sets; the snapshot goes into OUT/spiral_arms/VERSION.
        labels: Whose marks count: latest, consensus (mean of every annotator's latest), staple, or annotator:NAME.
        bands: Bands of the pictures, or grey (as when not given): one picture made of whatever bands there are.
        classes: Classes of the masks: arm (as when not given), or arm and bar.
        image_size: Pixels on a side that every galaxy is fitted to; 64 when not given.
        version: Such as 1.0.0; the next free one when not given.
        like: A snapshot to build again, bit for bit, from the revisions that it names, whatever was added since.
        agree_with: Snapshots of other galaxies: what is in one of them, too, goes into the split that it has there.
        surveys: Galaxies of these surveys only, such as HSC GZ3D; all when not given. Of masks.
        look: Make galaxies of other surveys look as this one would have seen them. Of masks.
        morphology: Galaxies and their classes in place of masks, for `flaxgal train morphology` and the like: a table
            of ids and T-types or classes. The snapshot goes into OUT/galaxy_morphology/VERSION.
        id_column: Of that table, where its name does not say that it holds the ids.
        column: Of that table, where its name does not say what it holds; with --vocabulary.
        vocabulary: In whose words the column is: morphology, spiral (yes or no), winding, t_type, galaxy_zoo_1 or
            efigi_rotation.
        leave_out: Words of the column whose galaxies are left out, such as Spiral_Edge.
        crop: Share of each picture's side that is kept, about its centre; of pictures with classes.
        fold: Which fold is the test split, counted from 0; of snapshots with classes.
        folds: Number of folds for a cross-validation; the usual splits when not given.
    """
    from flaxgal.datasets.rebuild import rebuild_snapshot
    from flaxgal.labels.store import Store

    masks = {"--classes": classes, "--labels": labels if labels != "latest" else "", "--surveys": surveys}
    masks |= {"--look": look}
    if morphology is not None:
        if given := [name for name, value in (masks | {"--like": like}).items() if value]:
            raise ValueError(f"{', '.join(given)}: of snapshots with masks only; leave out that or --morphology")
        kind = {"bands": bands or ("grey",), "image_size": image_size or 64, "crop": crop}
        words = {"id_column": id_column, "column": column, "vocabulary": vocabulary, "leave_out": leave_out}
        return _build_classes(store, morphology, out, version, agree_with, kind, words, (fold, folds))
    of_classes = {"--id-column": id_column, "--column": column, "--vocabulary": vocabulary}
    of_classes |= {"--leave-out": leave_out, "--fold": fold, "--folds": folds}
    if given := [name for name, value in of_classes.items() if value] + ["--crop"] * (crop != 1):
        raise ValueError(f"{', '.join(given)}: of snapshots with classes only; name their table by --morphology")
    opened = Store.open(store)
    if like is None:
        kind = {"bands": bands or ("grey",), "classes": classes or ("arm",), "image_size": image_size or 64}
        choices = {"labels": labels, "agree_with": agree_with, "surveys": surveys, "look": look}
        return _build(opened, out, version, kind, choices)
    _decided_by(f"--like {like}", masks | {"--bands": bands, "--image-size": image_size, "--agree-with": agree_with})
    print(rebuild_snapshot(opened, like, out, version=version, track=track))
    return 0


def _decided_by(option: str, others: dict[str, Any]) -> None:
    """Refuse options that another one leaves no room for."""
    given = [name for name, value in others.items() if value]
    if given:
        raise ValueError(f"{option} decides {', '.join(sorted(given))} already; leave out what it decides")


def _build(store: Any, out: Path, version: str | None, kind: dict[str, Any], choices: dict[str, Any]) -> int:
    from flaxgal.datasets.builders import build_snapshot
    from flaxgal.datasets.examples import examples_from_store, store_provenance
    from flaxgal.datasets.policies import check_policy

    check_policy(store, choices["labels"])
    provenance = store_provenance(store, choices["labels"], choices["look"])
    examples = examples_from_store(store, **kind, **choices)
    return _written(
        examples,
        lambda taken: build_snapshot(taken, out, version=version, provenance=provenance, **kind),
        len(store.galaxies()),
        store.status().damaged,
    )


def _build_classes(
    source: Path,
    path: Path,
    out: Path,
    version: str | None,
    agree_with: tuple[Path, ...],
    kind: dict[str, Any],
    words: dict[str, Any],
    fold: tuple[int, int],
) -> int:
    from flaxgal.datasets.class_sources import classes_from_files, classes_from_store
    from flaxgal.datasets.morphology import build_class_snapshot
    from flaxgal.datasets.splits import fold_rule
    from flaxgal.labels.store import Store, is_store
    from flaxgal.survey.class_tables import read_class_table
    from flaxgal.survey.cutout import find_cutouts

    if not source.exists():
        raise ValueError(f"{source}: no such folder; give a label store, or a folder of pictures or cutouts")
    if fold[0] and not fold[1]:
        raise ValueError(f"--fold {fold[0]} of how many? say so by --folds, or leave it out for the usual splits")
    if fold[1]:
        _decided_by(f"--folds {fold[1]}", {"--agree-with": agree_with})
    table = read_class_table(path, **words)
    rule = fold_rule(*fold) if fold[1] else None
    provenance: dict[str, Any] = {"crop": kind["crop"]} | ({"fold": fold[0], "folds": fold[1]} if rule else {})
    if is_store(source):
        store = Store.open(source)
        provenance |= {"store_id": store.store_id}
        examples = classes_from_store(store, table, agree_with=agree_with, rule=rule, **kind)
        number, damaged = len(store.galaxies()), store.status().damaged
    else:
        examples = classes_from_files([source], table, agree_with=agree_with, rule=rule, **kind)
        number, damaged = len(find_cutouts([source])), ()
    written: list[Path] = []

    def write(taken: Iterator[Any]) -> Path:
        written.append(
            build_class_snapshot(
                taken,
                out,
                bands=kind["bands"],
                image_size=kind["image_size"],
                version=version,
                crop=kind["crop"],
                table=table,
                provenance=provenance,
            )
        )
        return written[0]

    status = _written(examples, write, number, damaged)
    if written:
        say_classes(written[0])
    return status


def say_classes(folder: Path) -> None:
    """Say how many galaxies of each class a snapshot has, and what else is to be known of it."""
    from flaxgal.datasets.builders import open_snapshot
    from flaxgal.datasets.morphology import balance_table, class_balance, mixed_bands, mixed_sizes, table_remarks

    snapshot = open_snapshot(folder)
    balances = [balance_table(schema, class_balance(snapshot, schema)) for schema in snapshot.schemas]
    mixed = (mixed_sizes(snapshot), mixed_bands(snapshot))
    for sentence in filter(None, (*balances, *mixed, *table_remarks(snapshot))):
        say(sentence)


def _written(
    examples: Iterator[Any], write: Callable[[Iterator[Any]], Path], number: int, damaged: Sequence[str]
) -> int:
    """Build a snapshot with progress, and say what was left out of it: what galaxies have in common, once."""
    from flaxgal.survey.cutout import Unreadable

    left_out: list[Unreadable | str] = [*damaged]

    def taken() -> Iterator[Any]:
        for item in track(examples, "galaxies", number):
            if isinstance(item, Unreadable):
                left_out.append(item)
            yield item

    written = None
    try:
        written = write(taken())
        print(written)
    except ValueError as error:
        if not left_out:
            raise
        print(f"no snapshot written: {error}")
    say_left_out(left_out)
    return 0 if written else 1


def rank(
    store: StoreFolder, *, model: Annotated[Path, arg(metavar="RUN")], orientations: Literal[1, 2, 4, 8] = 8
) -> int:
    """Rank a store's unlabelled galaxies by how much a model would learn from each: most useful first.

    Example: flaxgal rank labels/ --model runs/arms

    The ranking is a table in the store, by which `flaxgal annotate` can order its queue.

    Args:
        store: The label store's folder.
        model: Folder of the run that is asked.
        orientations: Over how many quarter turns and mirror images of a picture the answer is averaged.
    """
    from flaxgal.labels.ranking import RankedGalaxy, Ranking
    from flaxgal.labels.store import Store
    from flaxgal.rank import rank as rank_all
    from flaxgal.rank import unlabelled
    from flaxgal.survey.cutout import Unreadable

    opened = Store.open(store)
    done, left_out, kept = 0, [], None
    for item in track(rank_all(model, opened, orientations=orientations), "galaxies ranked", len(unlabelled(opened))):
        if isinstance(item, Unreadable):
            left_out.append(item)
        elif isinstance(item, Ranking):
            kept = item
        elif isinstance(item, RankedGalaxy):
            done += 1
    where = f"ranking {kept.ranking_id} in {store}" if kept else "no ranking written"
    return closing(f"{done} galaxies ranked: {where}", done, left_out)


def store_agreement(store: StoreFolder, *, out: Path | None = None, threshold: float = 0.7) -> int:
    """How well the annotators of a store agree with each other, and each with himself in blind repeats.

    Example: flaxgal store agreement labels/ --out agreement.ecsv

    Args:
        store: The label store's folder.
        out: Table to write, a row for each two masks that were compared, as .ecsv.
        threshold: A galaxy is disputed when two masks of it have a Dice below this.
    """
    from flaxgal.labels.agreement import Pair, agreement, agreement_table, by_annotator, by_galaxy
    from flaxgal.labels.store import Store
    from flaxgal.survey.atomic import replaced_when_whole

    if out is not None and out.suffix != ".ecsv":
        raise ValueError(f"{out}: a table of agreement ends in .ecsv, found {out.suffix or 'no ending'}")
    found = list(track(agreement(Store.open(store)), "pairs"))
    pairs = [item for item in found if isinstance(item, Pair)]
    left_out = [item for item in found if not isinstance(item, Pair)]
    summaries = by_annotator(pairs)
    if summaries:
        heads = ("galaxies", "pairs", "Dice", "kappa", "independent", "Dice", "repeats", "own Dice", "own kappa")
        print(f"{'':>16s}" + "".join(f"{head:>12s}" for head in heads))
    for row in summaries:
        first = (row.galaxies, row.pairs, row.dice, row.kappa, row.independent_pairs, row.independent_dice)
        values = (*first, row.repeats, row.self_dice, row.self_kappa)
        print(f"{row.annotator:>16s}" + "".join(f"{_number(value):>12s}" for value in values))
    galaxies = by_galaxy(pairs)
    disputed = sorted((row.lowest_dice, row.object_id) for row in galaxies if row.lowest_dice < threshold)
    for dice, object_id in disputed:
        print(f"disputed: {object_id}, Dice {dice:.2f}")
    if out is not None:
        with replaced_when_whole(out) as temporary:
            agreement_table(pairs).write(temporary, format="ascii.ecsv")
    compared = f"{len(galaxies)} galaxies with several annotators, {len(disputed)} of them disputed"
    if not pairs:
        compared = "no galaxy has masks by two annotators, or a blind repeat: nothing to compare"
    return closing(f"{compared}{f': {out}' if out else ''}", int(bool(pairs) or not left_out), left_out)


def _number(value: int | float) -> str:
    """A count or a score as a table shows it; a dash where there is none."""
    if isinstance(value, int):
        return str(value)
    return "-" if math.isnan(value) else f"{value:.3f}"
