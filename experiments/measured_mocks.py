"""How well arms are measured on mock galaxies of HSC's depth and seeing, with true masks or a network's.

Command:  python experiments/measured_mocks.py --out runs/true_masks --image-size 64 --number 2400
          python experiments/measured_mocks.py --out runs/true_masks --image-size 128 --bands g r i z y --number 640
          flaxgal mock snapshots/ --number 8000
          flaxgal train --data.snapshots snapshots/mocks/1.0.0 --run runs/arms --steps 2400
          python experiments/measured_mocks.py --out runs/its_masks --image-size 64 --number 2400 --masks-of runs/arms
Result:   true masks, 64 and 128 pixels: flux ratios of 1,751 and 511 spirals, bias -0.0003 and 0.0000, standard
          deviation 0.008 and 0.006, inside 1 sigma 68 and 68 %; pitch angles 2.19 and 1.69 degrees, chirality right in
          98.5 and 99.4 %, arms counted right in 82.9 and 88.8 %; without a mask 3.8 and 3.4 degrees, 98.0 and 98.6 %.
          The network's masks, 64 pixels: bias +0.002, median error 0.048, inside 1 sigma 64 %; 3.0 degrees, 98.7 and
          69 %. By S/N and inclination: docs/measuring-arms.md.
Hardware: two cores of an AMD EPYC, shared: two minutes for 64 pixels, three for 128.

Arms count as visible when the mask has at least 10 pixels of theirs, and a tenth of all; pitch angles, chirality and
counts are scored below 60 degrees of inclination, and by themselves above. Half-light radii are 6.5 to 22 pixels,
and 9 to 40 in frames of 128. OUT gets galaxies-SIZE.ecsv, a row a galaxy and band, and scores-SIZE.json.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import jax
import numpy as np
import tyro
from astropy.table import Table

from flaxgal.checkpoint import Run, load_run
from flaxgal.config import MockConfig, PredictConfig
from flaxgal.measure.flux import measure_cutout
from flaxgal.measure.record import Measurement
from flaxgal.metrics import confusion, dice
from flaxgal.mock.cutouts import mock_cutouts
from flaxgal.mock.galaxy import Mocks, drawn, render
from flaxgal.mock.truth import nearest_arm
from flaxgal.predict import predict_cutouts
from flaxgal.survey.cutout import Cutout
from flaxgal.survey.prediction import Prediction

population = MockConfig()
BATCH = 128
SIGNAL_TO_NOISE = (50.0, 200.0, 700.0, np.inf)
INCLINATION_DEG = (0.0, 35.0, 60.0, 90.0)


def main(
    *,
    out: Path,
    image_size: int = 64,
    bands: tuple[str, ...] = ("g", "r", "i"),
    number: int = 800,
    seed: int = 4077,
    masks_of: Path | None = None,
) -> None:
    """Measure the spirals with a visible true mask among so many mocks, and score what was found.

    The masks are the true ones, or those of the run folder `masks_of`.
    """
    config = replace(population, image_size=image_size, bands=bands)
    if image_size == 128:
        config = replace(config, effective_radius_pixels=(9.0, 40.0))
    out.mkdir(parents=True, exist_ok=True)
    run = None if masks_of is None else load_run(masks_of)
    galaxies = Table(list(_rows(config, jax.random.key(seed), number, run)))
    galaxies.write(out / f"galaxies-{image_size}.ecsv", overwrite=True)
    masks = "true" if run is None else f"{run.name}, step {run.step}, {run.mask_thresholds}"
    found = {"seed": seed, "image_size": image_size, "bands": bands, "masks": masks} | _scores(galaxies)
    text = json.dumps(found, indent=2)
    (out / f"scores-{image_size}.json").write_text(text + "\n")
    print(text)


def _rows(config: MockConfig, key: jax.Array, number: int, run: Run | None) -> Iterator[dict]:
    """A row for each galaxy with a mask and each band: what is true, what was found, and its error."""
    nearest = jax.jit(lambda k: nearest_arm(config, drawn(config, key, k)))
    for first in range(0, number, BATCH):
        mocks = jax.device_get(render(config, key, min(BATCH, number - first), first=first))
        for k, cutout in enumerate(mock_cutouts(config, mocks, first=first)):
            mask = mocks.arm_mask[k]
            if mask.any():
                row, overlap = _measured(cutout, mask, run)
                count = _visible(mask, np.asarray(nearest(first + k)))
                for band in range(len(config.bands)):
                    yield _row(mocks, k, band, row, count) | {"dice": overlap}


def _measured(cutout: Cutout, mask: np.ndarray, run: Run | None) -> tuple[Measurement, float]:
    """What is measured with the true mask, or with the run's and how well that overlaps the true one."""
    if run is None:
        return measure_cutout(cutout, mask), 1.0
    (found,) = predict_cutouts(run, [cutout], config=PredictConfig(batch_size=1))
    if not isinstance(found, Prediction):
        raise SystemExit(
            f"{run.name} cannot draw masks of these mocks; give it bands and sizes it was trained on: {found}"
        )
    row = measure_cutout(
        cutout, found.arm_probability, threshold=found.threshold, threshold_range=found.threshold_range
    )
    return row, float(dice(confusion(found.arm_mask[None], mask[None]))[0])


def _visible(mask: np.ndarray, nearest: np.ndarray) -> int:
    pixels = np.bincount(nearest[mask])
    return int(((pixels >= 10) & (pixels >= 0.1 * mask.sum())).sum())


def _row(mocks: Mocks, k: int, band: int, row: Measurement, count: int) -> dict:
    light = list(row.bands.values())[band]
    return {
        "object_id": row.object_id,
        "band": list(row.bands)[band],
        "signal_to_noise": float(mocks.signal_to_noise[k]),
        "inclination_deg": float(mocks.inclination_deg[k]),
        "true_flux_ratio": float(mocks.flux_ratio[k, band]),
        "flux_ratio": light.flux_ratio,
        "flux_ratio_error": light.flux_ratio_error,
        "true_pitch_angle_deg": float(mocks.pitch_angle_deg[k]),
        "pitch_angle_deg": row.pitch_angle_deg,
        "pitch_angle_error_deg": row.pitch_angle_error_deg,
        "true_chirality": "Z" if mocks.chirality[k] > 0 else "S",
        "chirality": row.chirality,
        "visible_arms": count,
        "number_of_arms": row.number_of_arms,
        "fourier_pitch_angle_deg": row.fourier.pitch_angle_deg,
        "fourier_chirality": row.fourier.chirality,
        "true_bulge_share": float(
            mocks.bulge_share[k] * (1 - mocks.arm_excess_flux[k, band] / mocks.total_flux[k, band])
        ),
        "bulge_share": light.bulge_flux / light.total_flux,
        "bulge_share_error": light.bulge_flux_error / light.total_flux,
        "flags": row.flags.value,
    }


def _scores(galaxies: Table) -> dict:
    """Of light by S/N, each band a number of its own; of arms by S/N and inclination, a galaxy a number."""
    reference = sorted(set(galaxies["band"]), key="grizy".index)[-2]
    once = galaxies[galaxies["band"] == reference]
    face_on = once[once["inclination_deg"] < 60]
    return {
        "dice": round(float(once["dice"].mean()), 3),
        "flux_ratio": {"all": _light(galaxies)}
        | _binned(galaxies, "signal_to_noise", SIGNAL_TO_NOISE, _light)
        | _binned(galaxies, "inclination_deg", INCLINATION_DEG, _light),
        "bulge_share": _bulges(once),
        "arms": {"below 60 deg": _arms(face_on)}
        | _binned(once, "inclination_deg", INCLINATION_DEG, _arms)
        | _binned(face_on, "signal_to_noise", SIGNAL_TO_NOISE, _arms),
    }


def _binned(rows: Table, name: str, edges: tuple[float, ...], score) -> dict:
    pairs = pairwise(edges)
    return {f"{name} {low:g}-{high:g}": score(rows[(rows[name] >= low) & (rows[name] < high)]) for low, high in pairs}


def _light(rows: Table) -> dict:
    off = rows["flux_ratio"] - rows["true_flux_ratio"]
    known = np.isfinite(off)
    off, error = np.asarray(off[known]), np.asarray(rows["flux_ratio_error"][known])
    sigmas = (np.abs(off) / error)[np.isfinite(error)]  # none is given where a network finds no arms at all
    return {
        "galaxies": len(set(rows["object_id"])),
        "not_measured": len(set(rows["object_id"][~known])),
        "median_bias": round(float(np.median(off)), 4),
        "standard_deviation": round(float(off.std()), 4),
        "median_error": round(float(np.median(np.abs(off))), 4),
        "without_error": off.size - sigmas.size,
        "inside_1_sigma": round(float((sigmas < 1).mean()), 3),
        "inside_2_sigma": round(float((sigmas < 2).mean()), 3),
        "median_error_bar": round(float(np.nanmedian(error)), 3),
    }


def _bulges(rows: Table) -> dict:
    known = np.isfinite(rows["bulge_share"])
    truth, found, error = (
        np.asarray(rows[f"{name}"][known]) for name in ("true_bulge_share", "bulge_share", "bulge_share_error")
    )
    return {
        "galaxies": int(known.sum()),
        "correlation": round(float(np.corrcoef(truth, found)[0, 1]), 3),
        "median_bias": round(float(np.median(found - truth)), 3),
        "standard_deviation": round(float((found - truth).std()), 3),
        "inside_1_sigma": round(float((np.abs(found - truth) < error).mean()), 3),
    }


def _arms(rows: Table) -> dict:
    off = np.abs(rows["pitch_angle_deg"] - rows["true_pitch_angle_deg"])
    inside = off < rows["pitch_angle_error_deg"]
    return {
        "galaxies": len(rows),
        **_spirals(rows),
        "pitch_angle_inside_1_sigma": round(float(inside[np.isfinite(off)].mean()), 3),
        "arms_counted_right": round(float((rows["number_of_arms"] == rows["visible_arms"]).mean()), 3),
        "fourier": _spirals(rows, "fourier_"),
    }


def _spirals(rows: Table, kind: str = "") -> dict:
    """How well galaxies' pitch angles and chiralities are found, of those that are given one."""
    off = rows[f"{kind}pitch_angle_deg"] - rows["true_pitch_angle_deg"]
    off, wound = np.asarray(off[np.isfinite(off)]), rows[f"{kind}chirality"] != "-"
    return {
        "pitch_angle_given": off.size,
        "pitch_angle_median_error_deg": round(float(np.median(np.abs(off))), 2),
        "pitch_angle_median_bias_deg": round(float(np.median(off)), 2),
        "chirality_given": int(wound.sum()),
        "chirality_right": round(float((rows[f"{kind}chirality"] == rows["true_chirality"])[wound].mean()), 4),
    }


if __name__ == "__main__":
    tyro.cli(main)
