"""The command line: parse, call, draw progress. Everything it does can be done from Python with the same names.

Progress is drawn on standard error when that is a terminal; in a pipe only results are printed. A mistake of the user's
is answered by one sentence and exit status 2; a batch in which nothing worked ends with exit status 1.
"""

from __future__ import annotations

import runpy
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro
from tyro.conf import Positional, arg

from flaxgal.config import MockConfig, PredictConfig, TrainConfig

if TYPE_CHECKING:
    from flaxgal.survey.cutout import Unreadable

Flat = arg(name="")
Inputs = Annotated[Positional[tuple[Path, ...]], arg(metavar="INPUT [INPUT ...]")]
RunFolder = Annotated[Positional[Path], arg(metavar="RUN")]
StoreFolder = Annotated[Positional[Path], arg(metavar="STORE")]


def main() -> None:
    """The command `flaxgal`."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit status."""
    try:
        default, arguments = _experiment(arguments)
        return _application(default).cli(
            prog="flaxgal", description="Find the spiral arms of galaxies and measure them.", args=arguments
        )
    except (ValueError, OSError) as error:
        _say(f"flaxgal: {error}")
        return 2
    except KeyboardInterrupt:
        _say("flaxgal: stopped. What was written is whole; the same command goes on from there.")
        return 130


def demo(
    *, out: Path = Path("demo"), galaxies: int = 4000, steps: int = 400, test_galaxies: int = 200, seed: int = 0
) -> int:
    """The whole main job on mock galaxies: train, segment, measure, compare with the truth.

    Example: flaxgal demo

    Args:
        out: Folder for everything it makes.
        galaxies: How many mock galaxies to train and validate on.
        steps: Training steps.
        test_galaxies: How many galaxies that were never trained on to segment and measure.
        seed: Another number makes other galaxies and another network.
    """
    from flaxgal.demo import run_demo

    with _progress() as show:
        report = ""
        for stage in run_demo(out, galaxies=galaxies, steps=steps, test_galaxies=test_galaxies, seed=seed):
            show(stage.name, stage.done, stage.total, stage.note)
            report = stage.report
    print(report)
    return 0


def mock(
    out: Annotated[Positional[Path], arg(metavar="OUT")],
    *,
    number: int = 10000,
    seed: int = 0,
    form: Literal["snapshot", "cutouts"] = "snapshot",
    config: Annotated[MockConfig, Flat] = MockConfig(),
) -> int:
    """Render mock galaxies with exact truth: a dataset snapshot to train on, or FITS cutouts to try things on.

    Example: flaxgal mock snapshots/mocks --number 10000

    Args:
        out: Folder to write.
        number: How many galaxies.
        seed: Another number makes other galaxies.
        form: A dataset snapshot of grey pictures, or one FITS cutout a galaxy with a table of the truth.
        config: The population.
    """
    from flaxgal.mock.snapshot import write_mock_cutouts, write_mock_snapshot

    write = write_mock_snapshot if form == "snapshot" else write_mock_cutouts
    with _progress() as show:
        for done in write(out, config, number=number, seed=seed):
            show("mock galaxies", done, number, "")
    print(out)
    return 0


def store_add(store: StoreFolder, inputs: Inputs, *, survey: str = "", pixel_scale_arcsec: float | None = None) -> int:
    """Add galaxies to a label store, which is made when it is not there.

    Example: flaxgal store add labels/ cutouts/*.fits --survey HSC

    Args:
        store: The label store's folder.
        inputs: Cutout files or folders of them.
        survey: Where they are from, when the files do not say.
        pixel_scale_arcsec: Arcseconds a pixel, when the files do not say.
    """
    from flaxgal.labels.store import Store
    from flaxgal.survey.cutout import Unreadable, read_cutouts

    labels = Store.open_or_create(store)
    added, left_out = 0, []
    overrides: dict[str, Any] = {"survey": survey or None, "pixel_scale_arcsec": pixel_scale_arcsec}
    for item in _counted(read_cutouts(inputs, **overrides), "galaxies added"):
        if isinstance(item, Unreadable):
            left_out.append(item)
            continue
        try:
            labels.add(item)
            added += 1
        except ValueError as error:
            left_out.append(Unreadable(Path(item.object_id), str(error)))
    return _closing(f"{added} galaxies added to {store}", added, left_out)


def store_import(
    store: StoreFolder,
    *,
    images: Path,
    masks: Path,
    annotator: str = "unknown",
    survey: str = "",
    pixel_scale_arcsec: float | None = None,
) -> int:
    """Import pairs of pictures into a label store: an image, and the mask of its arms under the same file name.

    Example: flaxgal store import labels/ --images pictures/ --masks masks/ --annotator anna

    Args:
        store: The label store's folder; made when it is not there.
        images: Folder of images.
        masks: Folder of masks, each named as its image.
        annotator: Who drew them.
        survey: Where the images are from.
        pixel_scale_arcsec: Arcseconds a pixel, when the files do not say.
    """
    from flaxgal.labels.store import Store
    from flaxgal.survey.cutout import Unreadable

    raise NotImplementedError((Store, Unreadable, images, masks, annotator, survey, pixel_scale_arcsec, store))


def store_status(store: StoreFolder) -> int:
    """How many galaxies a label store holds, and who labelled how many.

    Example: flaxgal store status labels/

    Args:
        store: The label store's folder.
    """
    from flaxgal.labels.store import Store

    for name, count in Store.open(store).status().items():
        print(f"{name:>24s}  {count}")
    return 0


def build(
    store: StoreFolder,
    *,
    out: Path,
    bands: tuple[str, ...] = ("grey",),
    classes: tuple[str, ...] = ("arm",),
    image_size: int = 64,
    version: str | None = None,
) -> int:
    """Freeze the newest labels of a store into a versioned dataset snapshot (TFDS, array_record).

    Example: flaxgal build labels/ --out snapshots/

    Args:
        store: The label store's folder.
        out: Folder of data sets; the snapshot goes into OUT/spiral_arms/VERSION.
        bands: Bands of the pictures, or grey: one picture made of whatever bands there are.
        classes: Classes of the masks: arm, or arm and bar.
        image_size: Pixels on a side that every galaxy is fitted to.
        version: Such as 1.0.0; the next free one when not given.
    """
    raise NotImplementedError((store, out, bands, classes, image_size, version))


def evaluate(
    run: RunFolder,
    snapshot: Annotated[Positional[Path], arg(metavar="SNAPSHOT")],
    *,
    split: str = "test",
) -> int:
    """Score a run on a snapshot: Dice, IoU, precision and recall of the arms, with intervals over galaxies.

    Example: flaxgal evaluate runs/arms snapshots/spiral_arms/1.0.0

    Args:
        run: Folder of a trained run.
        snapshot: Folder of a dataset snapshot.
        split: train, validation or test.
    """
    raise NotImplementedError((run, snapshot, split))


def predict(run: RunFolder, inputs: Inputs, *, out: Path, config: Annotated[PredictConfig, Flat] = PredictConfig()) -> int:
    """Segment galaxies with a trained run: arm probability and mask as FITS with the input's WCS.

    Example: flaxgal predict runs/arms cutouts/ --out maps/

    Args:
        run: Folder of a trained run.
        inputs: Cutout files, folders, label stores or dataset snapshots.
        out: Folder of the maps; what is there already is kept, so the same command goes on where it stopped.
        config: How the run is applied.
    """
    from flaxgal.predict import Kept
    from flaxgal.predict import predict as predict_all
    from flaxgal.survey.cutout import Unreadable

    done, kept, left_out = 0, 0, []
    for item in _counted(predict_all(run, inputs, out, config=config), "galaxies segmented"):
        if isinstance(item, Unreadable):
            left_out.append(item)
        elif isinstance(item, Kept):
            kept += 1
        else:
            done += 1
    already = f", {kept} there already" if kept else ""
    return _closing(f"{done} galaxies segmented{already}: {out}", done + kept, left_out)


def measure(inputs: Inputs, *, masks: Path, out: Path = Path("arms")) -> int:
    """Measure arm flux ratios: arm flux ÷ total flux in each band, with errors and flags.

    Example: flaxgal measure cutouts/ --masks maps/ --out arms.ecsv

    Args:
        inputs: Cutout files, folders or label stores.
        masks: Folder that `flaxgal predict` wrote.
        out: Table to write: .ecsv or .parquet; both when it has no ending.
    """
    raise NotImplementedError((inputs, masks, out))


def _experiment(arguments: Sequence[str]) -> tuple[TrainConfig, list[str]]:
    """The config of the experiment file after `train`, and the arguments without it."""
    if len(arguments) < 2 or arguments[0] != "train" or not arguments[1].endswith(".py"):
        return TrainConfig(), list(arguments)
    path = Path(arguments[1])
    if not path.is_file():
        raise ValueError(f"{path}: no such file; give an experiment file that defines `config = TrainConfig(...)`")
    config = runpy.run_path(str(path)).get("config")
    if not isinstance(config, TrainConfig):
        raise ValueError(f"{path}: defines no `config`; expected `config = TrainConfig(...)` in it")
    return config, ["train", *arguments[2:]]


def _application(default: TrainConfig) -> Any:
    """All commands; `default` is what `train` starts from."""

    def train(
        *, run: Path | None = None, resume: bool = False, config: Annotated[TrainConfig, Flat] = default
    ) -> int:
        """Train a U-Net on dataset snapshots. An experiment file may come first; any field of it can be overridden.

        Example: flaxgal train experiments/mocks.py --data.snapshots snapshots/spiral_arms/1.0.0 --steps 2000

        Args:
            run: Run folder; runs/NAME when not given.
            resume: Go on with a run that was stopped.
            config: What to train, on what, how long.
        """
        return _train(run or Path("runs") / config.name, config, resume=resume)

    app, store = tyro.extras.SubcommandApp(), tyro.extras.SubcommandApp()
    store.command(store_add, name="add")
    store.command(store_import, name="import")
    store.command(store_status, name="status")
    app.command(demo)
    app.command(mock)
    app.command(store, name="store")
    for command in (build, train, evaluate, predict, measure):
        app.command(command)
    return app


def _train(folder: Path, config: TrainConfig, *, resume: bool) -> int:
    raise NotImplementedError((folder, config, resume))


@contextmanager
def _progress() -> Iterator[Any]:
    """A function show(name, done, total, note) that keeps a bar a name on a terminal, and is silent in a pipe."""
    if not sys.stderr.isatty():
        yield lambda *_: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, TextColumn("{task.fields[note]}"), console=Console(stderr=True)) as bars:
        known: dict[str, Any] = {}

        def show(name: str, done: int, total: int | None, note: str) -> None:
            if name not in known:
                known[name] = bars.add_task(name, total=total, note=note)
            bars.update(known[name], completed=done, total=total, note=note)

        yield show


def _counted(items: Iterable[Any], name: str) -> Iterator[Any]:
    """The items, counted on a progress bar."""
    with _progress() as show:
        for done, item in enumerate(items, start=1):
            show(name, done, None, "")
            yield item


def _closing(summary: str, worked: int, left_out: Sequence[Unreadable]) -> int:
    """Print what was done and list what was left out; the exit status, 1 only if nothing worked."""
    print(summary)
    for item in left_out:
        _say(f"left out: {item.reason}")
    if left_out:
        _say(f"{len(left_out)} left out")
    return 0 if worked else 1


def _say(sentence: str) -> None:
    print(sentence, file=sys.stderr)
