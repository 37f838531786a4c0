"""`flaxgal train`: arms, or one of the classifying tasks; from the defaults or from an experiment file."""

from __future__ import annotations

import functools
import runpy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

from tyro.constructors import ConstructorRegistry, StructConstructorSpec, StructTypeInfo

from flaxgal.cli_words import Flat, say
from flaxgal.config import CLASSIFIERS, ClassifyConfig, TrainConfig
from flaxgal.config.classifiers import SEED_CLASSIFIERS
from flaxgal.progress import bars, silent, standing

__all__ = ["ChoiceError", "experiment", "in_plain_words", "train_command"]

Experiment = TrainConfig | ClassifyConfig
PRESETS: dict[str, Experiment] = {"arms": TrainConfig(), **CLASSIFIERS, **SEED_CLASSIFIERS}
"""What the word after `train` stands for."""


def experiment(arguments: Sequence[str]) -> tuple[Experiment, list[str]]:
    """The config that the word after `train` stands for, a task or an experiment file; and the arguments without it.

    Raises
    ------
    ValueError
        If the word is none of the tasks, or there is no such file, or it defines no config.
    """
    word = arguments[1] if len(arguments) > 1 and arguments[0] == "train" else ""
    rest = [*arguments[:1], *arguments[2:]]
    if not word or word.startswith("-"):
        return PRESETS["arms"], list(arguments)
    if word in PRESETS:
        return PRESETS[word], rest
    if not word.endswith(".py"):
        raise ValueError(f"{word}: nothing to train; give {', '.join(PRESETS)}, or an experiment file that ends in .py")
    path = Path(word)
    if not path.is_file():
        raise ValueError(f"{path}: no such file; give an experiment file that defines `config = TrainConfig(...)`")
    config = runpy.run_path(str(path)).get("config")
    if not isinstance(config, TrainConfig | ClassifyConfig):
        raise ValueError(
            f"{path}: defines no `config`; expected `config = TrainConfig(...)` or `ClassifyConfig(...)` in it"
        )
    return config, rest


def train_command(default: Experiment) -> Callable[..., int]:
    """The command `train`, with the options of the kind of config that it starts from."""

    def train(*, run: Path | None = None, resume: bool = False, config: Annotated[Any, Flat] = default) -> int:
        """Train on dataset snapshots: a U-Net that finds arms, or a classifier.

        What to learn may come first: arms (when nothing is said), morphology, spiral, winding or t_type, whose options
        `flaxgal train winding --help` shows; c2-morphology and so on, the same with the network C2 of Cavanagh, Bekki &
        Groves (2021), for comparison; or an experiment file. Any field can be overridden.

        Example: flaxgal train winding --data.snapshots snapshots/galaxy_morphology/1.0.0 --steps 2000

        Args:
            run: Run folder; runs/NAME when not given.
            resume: Go on with a run that was stopped.
            config: What to train, on what, how long.
        """
        return _train(run or Path("runs") / config.name, config, resume=resume)

    train.__annotations__["config"] = Annotated[type(default), Flat]
    return train


class ChoiceError(Exception):
    """What a config refuses, in its own words: of a ValueError tyro would say in a box where in flaxgal it arose."""


def in_plain_words() -> ConstructorRegistry:
    """Have tyro make configs as it is used to, but leave what they refuse as a `ChoiceError`."""
    registry, asked = ConstructorRegistry(), []

    @registry.struct_rule
    def config_of(info: StructTypeInfo) -> StructConstructorSpec | None:
        if asked or not info.type.__module__.startswith("flaxgal.config"):
            return None  # by tyro's own rules, which are asked for below
        asked.append(info)
        found = ConstructorRegistry.get_struct_spec(info)
        asked.clear()
        if not isinstance(found, StructConstructorSpec):
            return None
        return replace(found, instantiate=_refusing(found.instantiate))

    return registry


def _refusing(make: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(make)
    def made(**fields: Any) -> Any:
        try:
            return make(**fields)
        except ValueError as error:
            raise ChoiceError(*error.args) from error

    return made


def _train(folder: Path, config: Experiment, *, resume: bool) -> int:
    """Train with a progress bar on a terminal, and a line for each look at the validation split in a pipe."""
    from flaxgal.figures import learning_curves, save
    from flaxgal.runlog import read_records
    from flaxgal.train import train

    with bars() as show:
        for number, progress in enumerate(train(config, folder, resume=resume)):
            if not number:
                _say_what_is_learnt_from(folder, config)
            show("training", progress.step, progress.steps, standing(progress))
            if progress.looked and show is silent:
                print(f"step {progress.step}/{progress.steps}  {standing(progress)}", flush=True)
    save(learning_curves(read_records(folder)), folder / "figures" / "learning_curves.png")
    print(folder)
    return 0


def _say_what_is_learnt_from(folder: Path, config: Experiment) -> None:
    """Print what a classifier is trained on, and say what the snapshots of any run lack."""
    from flaxgal.runlog import snapshots_seen

    seen = snapshots_seen(folder)
    if isinstance(config, TrainConfig):
        lacks = [_no_validation_of_arms(seen, config)]
    else:
        print(_galaxies_of_each_class(seen, config), flush=True)
        lacks = [_mixed_crops(seen), _untaught(seen, config), _no_validation_of_classes(seen, config)]
    for sentence in filter(None, lacks):
        say(sentence)


def _no_validation_of_arms(seen: Sequence[Mapping[str, Any]], config: TrainConfig) -> str:
    """A sentence on a run that no galaxy is held out for; nothing if one is."""
    if any("validation" in one["sizes"] for one in seen):
        return ""
    cut = ", and its masks are cut at 0.5" if config.threshold is None else ""
    return (
        f"no galaxy is in a validation split: the last weights are kept, not the best{cut}; label more galaxies until "
        f"some fall into it, or add a snapshot that has some"
    )


def _no_validation_of_classes(seen: Sequence[Mapping[str, Any]], config: ClassifyConfig) -> str:
    """As `_no_validation_of_arms`, of galaxies whose class is known."""
    if any(_counted(seen, "validation").values()):
        return ""
    return (
        f"no galaxy of known {config.task} is in a validation split: the last weights are kept, not the best, no "
        f"temperature is fitted, and predict will trust no answer; add galaxies until some fall into it, or build with "
        f"other splits (--fold K --folds N)"
    )


def _mixed_crops(seen: Sequence[Mapping[str, Any]]) -> str:
    """A sentence on snapshots whose pictures show unequal shares of their frames, if they do; else nothing."""
    if len({one["crop"] for one in seen if "crop" in one}) < 2:
        return ""
    listed = ", ".join(f"those of {one['name']} {one['version']} {one['crop']:g}" for one in seen)
    return (
        f"pictures show unequal shares of their frames' sides, {listed}: unless galaxies fill them alike, build the "
        f"snapshots again with one --crop; predict will ask for a --crop to show its galaxies in"
    )


def _untaught(seen: Sequence[Mapping[str, Any]], config: ClassifyConfig) -> str:
    """A sentence on ordered classes without training galaxies, if there are any; others are refused without."""
    from flaxgal.survey.schemas import schema_named

    missing = [label for label, number in _counted(seen, "train").items() if not number]
    if not missing or not schema_named(config.task).ordered:
        return ""
    return (
        f"no training galaxy has {config.task} {', '.join(missing)}: the run will hardly ever answer so, and such "
        f"galaxies will come out as the nearest that it has seen; add some to have them found"
    )


def _galaxies_of_each_class(seen: Sequence[Mapping[str, Any]], config: ClassifyConfig) -> str:
    """The training galaxies in words, and how many galaxies are left out."""
    each = ", ".join(f"{number} {label}" for label, number in _counted(seen, "train").items())
    unknown = sum(snapshot["classes"].get("train", {}).get("", 0) for snapshot in seen)
    left_out = f"; {unknown} left out, whose {config.task} is not known" if unknown else ""
    return f"training galaxies by {config.task}: {each}{left_out}"


def _counted(seen: Sequence[Mapping[str, Any]], split: str) -> dict[str, int]:
    """Galaxies of each class in a split of all snapshots; without those whose class is not known."""
    counts: dict[str, int] = {}
    for snapshot in seen:
        for label, number in snapshot["classes"].get(split, {}).items():
            counts[label] = counts.get(label, 0) + number
    counts.pop("", None)
    return counts
