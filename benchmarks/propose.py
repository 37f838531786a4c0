"""How long an annotator waits for a model's guess: `.venv/bin/python benchmarks/propose.py` (two minutes on two cores).

Weights are random, which costs the same as trained ones. Each case has a fresh process. `load s` imports JAX and reads
the weights, `warm up s` compiles, with nothing kept from earlier runs; both happen while the window is already in use.
Then a guess at one galaxy after the other, each in milliseconds: what an annotator waits for after the key.
"""

import argparse
import json
import multiprocessing
import os
import statistics
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from importlib.metadata import version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "annotate"), str(ROOT), str(ROOT / "benchmarks")]

import numpy as np  # noqa: E402
from machine import describe  # noqa: E402

SIDES = (256, 512)
CASES = {
    # name: size that the run was trained at, on the cutout's own pixels, orientations
    "frame of 64": (64, False, 1),
    "frame of 64, 8 orientations": (64, False, 8),
    "native, trained at 64": (64, True, 1),
    "frame of 256": (256, False, 1),
}


def make_run(folder: Path, image_size: int) -> Path:
    """A run as training leaves it, with random weights."""
    from flax import nnx

    from flaxgal import checkpoint
    from flaxgal.config import TrainConfig, UNetConfig, to_json
    from flaxgal.models.unet import UNet

    run = folder / f"at-{image_size}"
    if not run.exists():
        config = TrainConfig(name=run.name, model=UNetConfig(image_size=image_size))
        run.mkdir()
        (run / "config.json").write_text(to_json(config))
        checkpoint.save(run, "last", 1, {"average": UNet(config.model, nnx.Rngs(params=0))})
    return run


def galaxies(number: int, side: int) -> list:
    """Discs on noise in three bands, of `side` × `side` pixels."""
    from flaxgal.survey.cutout import Cutout

    y, x = np.mgrid[:side, :side] - side / 2
    found = []
    for k in range(number):
        random = np.random.default_rng([side, k])
        light = 50 * np.exp(-np.hypot(x, y) / (side / 10)) + random.normal(size=(3, side, side))
        found.append(Cutout(object_id=f"g{k}", flux=light.astype(np.float32), bands=("g", "r", "i"), unit="nJy"))
    return found


def apart(function: Any, *arguments: Any) -> Any:
    """What a function returns in a process of its own, which has imported nothing yet."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def measure(run: Path, name: str, side: int, number: int) -> dict:
    """One row: seconds of loading and warming up, milliseconds of `number` guesses."""
    os.environ["JAX_ENABLE_COMPILATION_CACHE"] = "false"
    from napari_flaxgal.propose import Proposer, contours

    _, native, orientations = CASES[name]
    seen = galaxies(number, side)
    start = time.perf_counter()
    proposer = Proposer.load(run, native=native, orientations=orientations)
    loaded = time.perf_counter()
    proposer.warm_up((side, side))
    warm = time.perf_counter()
    guesses, outlines = [], []
    for galaxy in seen:
        began = time.perf_counter()
        prediction = proposer.propose(galaxy)
        guessed = time.perf_counter()
        contours(prediction)
        guesses.append(1e3 * (guessed - began))
        outlines.append(1e3 * (time.perf_counter() - guessed))
    return {
        "case": name,
        "side": side,
        "load_s": loaded - start,
        "warm_up_s": warm - loaded,
        "guess_ms": {"median": statistics.median(guesses), "max": max(guesses)},
        "contours_ms": {"median": statistics.median(outlines), "max": max(outlines)},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--number", type=int, default=20, help="guesses in each case")
    parser.add_argument("--sides", type=int, nargs="+", default=SIDES, help="sides of the cutouts, pixels")
    parser.add_argument("--out", type=Path, help="also write the numbers to this JSON file")
    options = parser.parse_args()
    about, rows = describe(), []
    print(f"{'case':>28s}  side  load s  warm up s  guess ms   (max)  contours ms")
    with tempfile.TemporaryDirectory() as folder:
        for side in options.sides:
            for name in CASES:
                run = apart(make_run, Path(folder), CASES[name][0])
                row = apart(measure, run, name, side, options.number)
                rows.append(row)
                guess, outline = row["guess_ms"], row["contours_ms"]
                print(f"{name:>28s} {side:5d} {row['load_s']:7.2f} {row['warm_up_s']:10.2f}", end=" ")
                print(f"{guess['median']:9.1f} {guess['max']:7.1f} {outline['median']:12.1f}", flush=True)
    if options.out:
        about["jax"] = version("jax")
        options.out.write_text(json.dumps({"machine": about, "rows": rows}, indent=2) + "\n")


if __name__ == "__main__":
    main()
