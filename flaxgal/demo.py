"""The whole main job on mock galaxies, in one folder: what `make demo` runs, and a tour of the library.

Mock galaxies → dataset snapshot → training → FITS cutouts of mocks never seen → arm maps → a table of arm flux ratios,
with masks and ratios compared with the truth.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from astropy.table import Table, join
from jaxtyping import Bool

from flaxgal.config import DataConfig, MockConfig, TrainConfig
from flaxgal.datasets.builders import build_snapshot
from flaxgal.datasets.mocks import mock_examples
from flaxgal.figures import arms_found, learning_curves, prediction_panels, ratio_scatter, save
from flaxgal.labels.verify import untracked
from flaxgal.masks import Predicted
from flaxgal.measure.catalogue import to_table, write_catalogue
from flaxgal.measure.flux import Measurement
from flaxgal.measuring import measure_galaxies
from flaxgal.metrics import bootstrap_interval, confusion, dice
from flaxgal.mock.cutouts import write_mock_cutouts
from flaxgal.predict import predict
from flaxgal.runlog import read_records
from flaxgal.survey.cutout import Cutout, read_cutout, read_cutouts
from flaxgal.survey.display import lupton_rgb
from flaxgal.survey.prediction import Prediction, prediction_path, read_prediction
from flaxgal.train import train

__all__ = ["DemoResult", "Track", "run_demo"]

MARK = "made-by-flaxgal-demo"
"""An empty file that says a folder was made by the demo and may be made anew by it."""
BAND = "i"
"""The band whose flux ratios are compared with the truth."""


Track = Callable[[Iterable[Any], str, int], Iterable[Any]]
"""Passes items through, and shows under a name how many of a total have gone by."""


@dataclass(frozen=True)
class DemoResult:
    """What the demo found on mock spirals that the network had never seen, and where everything is."""

    catalogue: Table
    """Measured and true flux ratios, one row a galaxy."""
    galaxies: int
    """How many of them have arms, and count below."""
    dice: float
    """Mean Dice of the arm masks."""
    dice_interval: tuple[float, float]
    """95 % of bootstrap means over galaxies."""
    ratio_error: float
    """Median |measured − true| arm flux ratio in i."""
    ratio_bias: float
    """Median of measured − true."""
    files: dict[str, Path]

    def report(self) -> str:
        """The first rows of the table, the scores, and where everything is, as text."""
        shown = self.catalogue[
            "object_id", "kind", f"flux_ratio_{BAND}", f"flux_ratio_error_{BAND}", f"true_flux_ratio_{BAND}", "dice"
        ][:12]
        for name in shown.colnames[2:]:
            shown[name].info.format = ".3f"
        low, high = self.dice_interval
        lines = [
            *shown.pformat(show_unit=False, max_lines=-1, max_width=-1),
            "",
            f"{self.galaxies} mock galaxies with arms, none of them seen in training:",
            f"  arm Dice                    {self.dice:.3f}  [{low:.3f}, {high:.3f}]",
            f"  |flux ratio - truth|, {BAND}     {self.ratio_error:.3f} (median; bias {self.ratio_bias:+.3f})",
            "",
            *(f"{name:>20s}  {path}" for name, path in self.files.items()),
        ]
        return "\n".join(lines)


def run_demo(
    out: Path, *, galaxies: int, steps: int, test_galaxies: int, seed: int = 0, track: Track = untracked
) -> DemoResult:
    """Run the main job in the folder `out`, which an earlier demo may have made.

    Raises
    ------
    ValueError
        If `out` is there already and was not made by the demo.
    """
    _clear(out)
    population = MockConfig()
    examples = track(mock_examples(population, number=galaxies, seed=seed), "mock galaxies", galaxies)
    snapshot = build_snapshot(
        examples, out / "snapshots", bands=("grey",), classes=("arm",), image_size=population.image_size, name="mocks"
    )
    config = TrainConfig(
        name="demo",
        seed=seed,
        steps=steps,
        data=DataConfig(snapshots=(str(snapshot),)),
        evaluate_every=max(1, steps // 4),
    )
    _exhaust(track(train(config, out / "run"), "training", steps))
    unseen = write_mock_cutouts(out / "galaxies", population, number=test_galaxies, seed=seed + 1)
    _exhaust(track(unseen, "galaxies never seen", test_galaxies))
    _exhaust(track(predict(out / "run", [out / "galaxies"], out / "maps"), "arm maps", test_galaxies))
    found = measure_galaxies(read_cutouts([out / "galaxies"]), Predicted(out / "maps"))
    measured = track(found, "flux ratios", test_galaxies)
    catalogue = to_table([row for row in measured if isinstance(row, Measurement)])
    for ending in ("ecsv", "parquet"):
        write_catalogue(catalogue, out / f"arms.{ending}")
    return _compare(out, catalogue)


def _clear(out: Path) -> None:
    """An empty folder for the demo; only what a demo made is removed."""
    if out.exists() and any(out.iterdir()) and not (out / MARK).exists():
        raise ValueError(f"{out}: this folder was not made by the demo; choose another with --out")
    for folder in ("snapshots", "run", "galaxies", "maps", "figures"):
        shutil.rmtree(out / folder, ignore_errors=True)
    out.mkdir(parents=True, exist_ok=True)
    (out / MARK).touch()


def _exhaust(items: Iterable[Any]) -> None:
    for _ in items:
        pass


def _compare(out: Path, catalogue: Table) -> DemoResult:
    """The measured galaxies beside the truth, in numbers and figures; spirals with a mask alone count."""
    truth = Table.read(out / "galaxies" / "truth.ecsv")
    with np.load(out / "galaxies" / "truth_masks.npz") as masks:
        true_masks = dict(zip(masks["object_id"].tolist(), masks["arm"], strict=True))
    truth.rename_column(f"flux_ratio_{BAND}", f"true_flux_ratio_{BAND}")
    wanted = ["object_id", "kind", "arm_count", f"true_flux_ratio_{BAND}", "arm_mask_pixels", "signal_to_noise"]
    truth["object_id"].info.description = catalogue["object_id"].info.description
    both = join(catalogue, truth[wanted], keys="object_id")
    both["dice"] = _dices(both["object_id"], true_masks, out / "maps")
    spirals = both[both["arm_mask_pixels"] > 0]
    error = np.asarray(spirals[f"flux_ratio_{BAND}"] - spirals[f"true_flux_ratio_{BAND}"])
    return DemoResult(
        catalogue=both,
        galaxies=len(spirals),
        dice=float(np.mean(spirals["dice"])),
        dice_interval=bootstrap_interval(np.asarray(spirals["dice"])),
        ratio_error=float(np.nanmedian(np.abs(error))),
        ratio_bias=float(np.nanmedian(error)),
        files=_draw(out, spirals, true_masks),
    )


def _dices(object_ids: Iterable[str], truth: dict[str, Bool[np.ndarray, "y x"]], maps: Path) -> np.ndarray:
    """Dice of each galaxy's arm mask against the truth."""
    found = [(read_prediction(prediction_path(str(name), maps)).arm_mask, truth[str(name)]) for name in object_ids]
    return dice(confusion(np.stack([one for one, _ in found]), np.stack([one for _, one in found])))


def _draw(out: Path, spirals: Table, truth: dict[str, Bool[np.ndarray, "y x"]]) -> dict[str, Path]:
    """Write the figures; where they and everything else are, by name."""
    places = np.linspace(0, len(spirals) - 1, min(6, len(spirals))).astype(int)
    from_good_to_bad = spirals[np.argsort(-spirals["dice"])][places]
    with_most_arm = spirals[np.argsort(-spirals["arm_mask_pixels"])][:7]
    drawn = {
        "arms": _arms_figure(out, with_most_arm, truth),
        "panels": _panels_figure(out, from_good_to_bad, truth),
        "flux_ratios": ratio_scatter(
            np.asarray(spirals[f"true_flux_ratio_{BAND}"]),
            np.asarray(spirals[f"flux_ratio_{BAND}"]),
            error=np.asarray(spirals[f"flux_ratio_error_{BAND}"]),
            band=BAND,
        ),
        "learning_curves": learning_curves(read_records(out / "run")),
    }
    saved = {f"figures/{name}": save(figure, out / "figures" / f"{name}.png") for name, figure in drawn.items()}
    return saved | {"table": out / "arms.ecsv", "arm maps": out / "maps", "run": out / "run"}


def _arms_figure(out: Path, galaxies: Table, truth: dict[str, Bool[np.ndarray, "y x"]]) -> Any:
    """Galaxies in colour, with the arms that were found and the true ones outlined."""
    cutouts, maps = _shown(out, galaxies)
    return arms_found(
        [lupton_rgb(cutout) for cutout in cutouts],
        [prediction.arm_mask for prediction in maps],
        truth=[truth[cutout.object_id] for cutout in cutouts],
        notes=[f"{row[f'flux_ratio_{BAND}']:.2f} of the light" for row in galaxies],
        pixel_scale_arcsec=cutouts[0].pixel_scale_arcsec,
    )


def _panels_figure(out: Path, galaxies: Table, truth: dict[str, Bool[np.ndarray, "y x"]]) -> Any:
    """Image, truth and probability of some galaxies, one below the other."""
    cutouts, maps = _shown(out, galaxies)
    ratios = zip(galaxies[f"flux_ratio_{BAND}"], galaxies[f"true_flux_ratio_{BAND}"], strict=True)
    return prediction_panels(
        [lupton_rgb(cutout) for cutout in cutouts],
        [prediction.arm_probability for prediction in maps],
        threshold=maps[0].threshold,
        truth=[truth[cutout.object_id] for cutout in cutouts],
        dice=list(galaxies["dice"]),
        names=[cutout.object_id for cutout in cutouts],
        notes=[f"flux ratio {measured:.2f}, true {true:.2f}" for measured, true in ratios],
        pixel_scale_arcsec=cutouts[0].pixel_scale_arcsec,
    )


def _shown(out: Path, galaxies: Table) -> tuple[list[Cutout], list[Prediction]]:
    """Cutouts and predictions of some rows of the table."""
    names = [str(name) for name in galaxies["object_id"]]
    cutouts = [read_cutout(out / "galaxies" / f"{name}.fits") for name in names]
    return cutouts, [read_prediction(prediction_path(name, out / "maps")) for name in names]
