"""Our pitch angle and chirality of the longest arm beside SpArcFiRe's (Davis & Hayes 2014), on real SDSS galaxies.

SpArcFiRe gives a negative pitch angle to an arc that it calls Z-wise and a positive one to an S-wise one. It shows the
first row of a FITS image at the top, where it is the bottom of the sky: what it calls Z-wise here winds S-wise on the
sky, and the letters are swapped before anything is compared (how that was found stands in LOG.md). Our arms are
measured twice: on the mask of a network raised on mock galaxies, which is our whole measurement, and on SpArcFiRe's own
clusters of pixels where they are there, which leaves only the difference between two ways to fit the same pixels.

Command:  flaxgal mock snapshots/ --number 8000
          flaxgal train --data.snapshots snapshots/mocks/1.0.0 --run runs/mocks --steps 2400
          python experiments/sparcfire.py SDSS runs/mocks --out runs/sparcfire
Result:   of 35 galaxies our masks give 18 a chirality, 14 of them SpArcFiRe's, with pitch angles that differ by 8.7
          degrees in the median (our own errors: 4 to 30); its clusters give 14, 9 alike, 8.4 degrees apart; Fourier,
          without a mask, 29, 20 alike, 8.5 degrees apart. Of the 10 clearer spirals 6 of 8 wind alike by our masks and
          8 of 9 by Fourier. The outliers are explained in LOG.md.
Hardware: two cores of an AMD EPYC, shared; a minute. SpArcFiRe itself says it took 26 to 440 s a galaxy.

SDSS holds sdss_fits/NAME.fits with SpArcFiRe's sparcfire_out/galaxy.csv and sparcfire_out/NAME/NAME-K_clusMask-
reprojected.png, and galfit/NAME.fits with NAME.csv. OUT gets sparcfire.csv and sparcfire.png.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro

from flaxgal.checkpoint import load_run
from flaxgal.config import DataConfig, TrainConfig
from flaxgal.measure.arms import ArmSet, measure_arms
from flaxgal.measure.flags import flag_names
from flaxgal.measure.flux import measure_cutout
from flaxgal.measure.geometry import Ellipse
from flaxgal.measure.record import Measurement
from flaxgal.predict import predict_cutouts
from flaxgal.survey.cutout import Cutout, read_cutout

config = TrainConfig(name="mocks", steps=600, data=DataConfig(snapshots=("snapshots/mocks",)))
"""Of the network that makes the masks: that of mocks.py."""


@dataclass(frozen=True)
class Rival:
    """What SpArcFiRe says of a galaxy, and where its files are."""

    name: str
    image: Path
    clusters: Path | None
    pitch_angle_deg: float
    """Of the longest arc, without its sign."""
    chirality: str
    """Of the longest arc, on the sky."""
    axis_ratio: float


def main(data: tyro.conf.Positional[Path], run: tyro.conf.Positional[Path], *, out: Path) -> None:
    """Measure every galaxy, print and write a table, and draw the scatter plot."""
    rivals = _rivals(data)
    trained = load_run(run)
    cutouts = [read_cutout(rival.image, object_id=rival.name, survey="SDSS") for rival in rivals]
    maps = {found.object_id: found for found in predict_cutouts(trained, cutouts)}
    rows = []
    print(
        f"{'galaxy':20} {'SpArcFiRe':>12} {'ours':>16} {'on its clusters':>16} {'Fourier':>10}   q: its, ours   flags"
    )
    for rival, cutout in zip(rivals, cutouts, strict=True):
        found = maps[rival.name]
        row = measure_cutout(cutout, found.probability[0], threshold=found.threshold)
        same = _on_clusters(rival, row, cutout)
        rows.append(_compared(rival, row, same))
        print(_line(rows[-1]))
    out.mkdir(parents=True, exist_ok=True)
    with (out / "sparcfire.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    for whose in ("ours", "clusters", "fourier"):
        print(_summary(rows, whose))
    _draw(rows, out / "sparcfire.png")


def _rivals(data: Path) -> list[Rival]:
    """Every galaxy that has an image and an answer of SpArcFiRe's."""
    tables = [data / "sparcfire_out" / "galaxy.csv", *sorted((data / "galfit").glob("*[0-9].csv"))]
    found = []
    for table in tables:
        with table.open() as file:
            lines = list(csv.DictReader(file, skipinitialspace=True))
        for line in lines:
            name = line["name"]
            whole = table.parent.name == "sparcfire_out"
            image = (data / "sdss_fits" if whole else data / "galfit") / f"{name}.fits"
            clusters = data / "sparcfire_out" / name / f"{name}-K_clusMask-reprojected.png"
            if image.exists() and line["fit_state"] == "OK":
                pitch = float(line["pa_longest"])
                sense = {"Z": "S", "S": "Z"}[line["chirality_longestArc"][0]]
                here = clusters if clusters.exists() else None
                found.append(Rival(name, image, here, abs(pitch), sense, float(line["diskAxisRatio"])))
    return found


def _on_clusters(rival: Rival, row: Measurement, cutout: Cutout) -> ArmSet | None:
    """Our fit to the pixels that SpArcFiRe holds for arms."""
    if rival.clusters is None or not np.isfinite(row.centre_y):
        return None
    import matplotlib.pyplot as plt

    picture = plt.imread(rival.clusters)[..., :3]
    mask = (picture.max(axis=-1) > 0) & (np.ptp(picture, axis=-1) > 0.05)  # clusters are coloured
    if mask.shape != cutout.image_shape:
        return None
    ellipse = Ellipse((row.centre_y, row.centre_x), row.axis_ratio, row.position_angle_deg)
    return measure_arms(mask, ellipse, first_row=cutout.first_row, wcs=cutout.wcs)


def _compared(rival: Rival, row: Measurement, same: ArmSet | None) -> dict[str, str | float | int]:
    """One line of the table."""
    longest = row.arms[0] if row.arms else None
    other = same.arms[0] if same is not None and same.arms else None
    return {
        "name": rival.name,
        "sparcfire_pitch_angle_deg": rival.pitch_angle_deg,
        "sparcfire_chirality": rival.chirality,
        "sparcfire_axis_ratio": rival.axis_ratio,
        "ours_pitch_angle_deg": longest.pitch_angle_deg if longest else float("nan"),
        "ours_pitch_angle_error_deg": longest.pitch_angle_error_deg if longest else float("nan"),
        "ours_chirality": longest.chirality if longest else "-",
        "clusters_pitch_angle_deg": other.pitch_angle_deg if other else float("nan"),
        "clusters_pitch_angle_error_deg": other.pitch_angle_error_deg if other else float("nan"),
        "clusters_chirality": other.chirality if other else "-",
        "fourier_pitch_angle_deg": row.fourier.pitch_angle_deg,
        "fourier_chirality": row.fourier.chirality,
        "axis_ratio": row.axis_ratio,
        "number_of_arms": row.number_of_arms,
        "flag_names": flag_names(row.flags),
    }


def _line(row: dict) -> str:
    one = lambda whose: f"{row[f'{whose}_pitch_angle_deg']:6.1f} {row[f'{whose}_chirality']}"  # noqa: E731
    return (
        f"{row['name']:20} {one('sparcfire'):>12} {one('ours'):>9} ±{row['ours_pitch_angle_error_deg']:5.1f} "
        f"{one('clusters'):>16} {one('fourier'):>10}   {row['sparcfire_axis_ratio']:.2f} {row['axis_ratio']:.2f}"
        f"   {row['flag_names']}"
    )


def _summary(rows: list[dict], whose: str) -> str:
    both = [row for row in rows if row[f"{whose}_chirality"] != "-"]
    agree = [row for row in both if row[f"{whose}_chirality"] == row["sparcfire_chirality"]]
    off = [abs(row[f"{whose}_pitch_angle_deg"] - row["sparcfire_pitch_angle_deg"]) for row in agree]
    middle = f"{np.median(off):.1f} degrees (n = {len(off)})" if off else "unknown"
    return (
        f"{whose}: {len(both)} of {len(rows)} measured, {len(agree)} wind alike; those differ in the median by {middle}"
    )


def _draw(rows: list[dict], path: Path) -> None:
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(5, 5), layout="constrained")
    for whose, colour in (("ours", "tab:blue"), ("clusters", "tab:orange")):
        for alike, marker in ((True, "o"), (False, "x")):
            chosen = [
                row
                for row in rows
                if row[f"{whose}_chirality"] != "-"
                and (row[f"{whose}_chirality"] == row["sparcfire_chirality"]) == alike
            ]
            label = f"{'our masks' if whose == 'ours' else 'its clusters'}, {'same' if alike else 'other'} way"
            x, y = ([row[f"{who}_pitch_angle_deg"] for row in chosen] for who in ("sparcfire", whose))
            error = [row[f"{whose}_pitch_angle_error_deg"] for row in chosen]
            axes.errorbar(x, y, yerr=error, fmt=marker, color=colour, elinewidth=0.8, label=label)
    axes.plot([0, 60], [0, 60], "k-", linewidth=0.5)
    axes.set(xlabel="SpArcFiRe: pitch angle of the longest arc (deg)", ylabel="flaxgal: of the longest arm (deg)")
    axes.legend(loc="lower right")
    figure.savefig(path, dpi=150)


if __name__ == "__main__":
    tyro.cli(main)
