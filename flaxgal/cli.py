"""The command line: parse, call, draw progress. Everything it does can be done from Python with the same names.

Progress is drawn on standard error when that is a terminal; in a pipe only results are printed. A mistake of the user's
is answered by one sentence and exit status 2; a batch in which nothing worked ends with exit status 1.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro
from tyro.conf import Positional, arg

from flaxgal.cli_annotate import annotate, retrain
from flaxgal.cli_evaluate import evaluate
from flaxgal.cli_fetch import fetch_commands
from flaxgal.cli_figures import figures
from flaxgal.cli_labels import build, rank, say_classes
from flaxgal.cli_measure import measure
from flaxgal.cli_predict import predict
from flaxgal.cli_store import store_commands
from flaxgal.cli_train import ChoiceError, experiment, in_plain_words, train_command
from flaxgal.cli_transfer import convert
from flaxgal.cli_words import say
from flaxgal.compiled import keep_compiled
from flaxgal.config import ClassifyConfig, MockConfig, TrainConfig
from flaxgal.progress import track

POPULATION = MockConfig()


def main() -> None:
    """The command `flaxgal`. What XLA compiles is kept for the next call, in the user's cache folder."""
    keep_compiled()
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit status."""
    try:
        default, arguments = experiment(arguments)
        return _application(default).cli(
            prog="flaxgal",
            description="Find the spiral arms of galaxies and measure them.",
            args=arguments,
            registry=in_plain_words(),
        )
    except BrokenPipeError:
        # Whoever reads our output has seen enough, as `| head` does; Python must not try to write the rest at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (ChoiceError, ValueError) as error:
        say(f"flaxgal: {error}")
        return 2
    except OSError as error:
        say(f"flaxgal: {_of_the_system(error)}")
        return 2
    except KeyboardInterrupt:
        say(
            "flaxgal: stopped; nothing is left half written. predict, measure, rank and store go on with the same "
            "command, train with --resume; mock, build, retrain and demo begin anew."
        )
        return 130


def _of_the_system(error: OSError) -> str:
    """What the operating system says of a file, without its number; a sentence of our own as it is."""
    if error.filename is None or error.strerror is None:
        return str(error)
    if isinstance(error, FileExistsError | NotADirectoryError):
        return f"{error.filename}: found a file; wanted a folder there: give another name, or move the file away"
    return f"{error.filename}: {error.strerror.lower()}"


def demo(
    *, out: Path = Path("demo"), galaxies: int = 4000, steps: int = 500, test_galaxies: int = 200, seed: int = 0
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

    result = run_demo(out, galaxies=galaxies, steps=steps, test_galaxies=test_galaxies, seed=seed, track=track)
    print(result.report())
    return 0


def mock(
    out: Annotated[Positional[Path], arg(metavar="OUT")],
    *,
    number: int = 10000,
    seed: int = 0,
    form: Literal["snapshot", "cutouts"] = "snapshot",
    task: Literal["arms", "classes"] = "arms",
    balanced: bool = True,
    bands: tuple[str, ...] = ("grey",),
    classes: tuple[str, ...] = ("arm",),
    config: Annotated[MockConfig, arg(name="mock")] = POPULATION,
) -> int:
    """Render mock galaxies with exact truth: a dataset snapshot to train on, or FITS cutouts to try things on.

    Example: flaxgal mock snapshots/ --number 10000

    Args:
        out: Folder to write to; a snapshot goes into OUT/mocks/VERSION, one of classes into OUT/mock_classes/VERSION.
        number: How many galaxies.
        seed: Another number makes other galaxies.
        form: A dataset snapshot of pictures, or one FITS cutout a galaxy with a table of the truth.
        task: What they are for: arms, a snapshot with their masks; or classes, for `flaxgal train morphology` and the
            like.
        balanced: For classes as many E as S0 as Sp, whatever --mock.class-fractions says.
        bands: Of a snapshot's pictures: grey, or some of --mock.bands.
        classes: Of a snapshot's masks: arm, or arm and bar.
        config: The population.
    """
    if form == "cutouts":
        from flaxgal.mock.cutouts import write_mock_cutouts

        if given := ["--bands"] * (bands != ("grey",)) + ["--classes"] * (classes != ("arm",)):
            raise ValueError(f"{', '.join(given)}: of snapshots only; cutouts have every band and the whole truth")
        _check_no_others(out, number, seed)
        population = config.balanced() if task == "classes" and balanced else config
        for _ in track(write_mock_cutouts(out, population, number=number, seed=seed), "mock galaxies", number):
            pass
        print(out)
        return 0
    from flaxgal.datasets.builders import build_snapshot
    from flaxgal.datasets.mocks import build_mock_classes, mock_examples

    if task == "classes":
        made = build_mock_classes(out, config, number=number, seed=seed, bands=bands, balanced=balanced, track=track)
        print(made)
        say_classes(made)
        return 0
    snapshot = build_snapshot(
        track(mock_examples(config, number=number, seed=seed, bands=bands, classes=classes), "mock galaxies", number),
        out,
        name="mocks",
        bands=bands,
        classes=classes,
        image_size=config.image_size,
        provenance={"mocks": asdict(config), "number": number, "seed": seed},
    )
    print(snapshot)
    return 0


def _check_no_others(folder: Path, number: int, seed: int) -> None:
    """Refuse a folder with cutouts that would be no part of the mocks to write, and not in their table."""
    from flaxgal.mock.cutouts import mock_id

    mine = {f"{mock_id(str(seed), index)}.fits" for index in range(number)}
    if others := sorted({path.name for path in folder.glob("*.fits")} - mine):
        raise ValueError(f"{folder}: holds {len(others)} other cutouts, such as {others[0]}; name a new folder")


def _application(default: TrainConfig | ClassifyConfig) -> Any:
    """All commands; `default` is what `train` starts from."""
    app = tyro.extras.SubcommandApp()
    app.command(demo)
    app.command(mock)
    app.command(fetch_commands(), name="fetch")
    app.command(store_commands(), name="store")
    for command in (build, train_command(default), evaluate, predict, measure, figures, rank, annotate, retrain):
        app.command(command)
    app.command(convert)
    return app
