"""Is training ever kept waiting for galaxies, and does building a large snapshot fill the memory?

    .venv/bin/python benchmarks/feeding.py        # four minutes on two cores

Galaxies are generated: 64 × 64 pixels, one band, noise, which does not compress. Each measurement has a fresh process.
"""

import argparse
import dataclasses
import json
import multiprocessing
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from importlib.metadata import version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

import numpy as np  # noqa: E402
from machine import describe  # noqa: E402

SIDE = 64
KINDS = {"bands": ("grey",), "classes": ("arm",), "image_size": SIDE}
BLOCK = 20
"""Steps of one of the two ways that are timed before it is the other's turn."""
SETTLE = 12
"""Steps before them that are not timed: what was read ahead during the other's turn (8 batches) is used up."""


def galaxies(number: int, *, split: str = "") -> Iterator[Any]:
    """Generated galaxies over the sky, one at a time; all of one split if it is named."""
    from flaxgal.datasets.examples import Example
    from flaxgal.datasets.splits import split_of

    for k in range(number):
        random = np.random.default_rng(k)
        pixels = random.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
        ra_deg, dec_deg = float(random.uniform(0, 360)), float(random.uniform(-7, 7))
        yield Example(
            object_id=f"{36_000_000_000_000_000 + k}",
            survey="generated",
            image=pixels[..., :1],
            target=pixels[..., 1:2],
            weight=pixels[..., 2],
            split=split or split_of("", ra_deg, dec_deg),
            ra_deg=ra_deg,
            dec_deg=dec_deg,
            revision=f"{k:020x}",
        )


def built(number: int) -> dict:
    """Seconds and peak memory of building a snapshot, which is thrown away."""
    from flaxgal.datasets.builders import build_snapshot

    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        build_snapshot(galaxies(number), folder, **KINDS)
        seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
    return {"galaxies": number, "seconds": seconds, "peak_mib": peak}


def fed(number: int, steps: int, batch_size: int, network: str) -> dict:
    """What part of a training step is spent waiting for galaxies that come from the disk."""
    import jax

    from flaxgal.config import DEFAULT_UNET, SEED_UNET, DataConfig, TrainConfig
    from flaxgal.datasets.builders import build_snapshot, open_snapshot
    from flaxgal.datasets.feed import training_feed
    from flaxgal.train import device_mesh, new_state

    mesh = device_mesh(batch_size)
    with tempfile.TemporaryDirectory() as folder:
        snapshot = open_snapshot(build_snapshot(galaxies(number, split="train"), folder, **KINDS))
        streaming = TrainConfig(
            steps=10 * (steps + SETTLE + BLOCK),
            evaluate_every=1000,
            model={"default": DEFAULT_UNET, "seed": SEED_UNET}[network],
            data=DataConfig(snapshots=(str(snapshot.folder),), batch_size=batch_size, resident_gigabytes=0),
        )
        resident = dataclasses.replace(streaming, data=dataclasses.replace(streaming.data, resident_gigabytes=2.0))
        ways = {
            name: (config, training_feed(config, [snapshot], mesh), new_state(config, mesh))
            for name, config in (("streamed", streaming), ("resident", resident))
        }
        loops = {name: _steps(*way, mesh=mesh) for name, way in ways.items()}
        for loop in loops.values():
            next(loop)  # compiles
        times: dict[str, list[tuple[float, float]]] = {name: [] for name in loops}
        while len(times["resident"]) < steps:
            for name, loop in loops.items():
                times[name] += [next(loop) for _ in range(SETTLE + BLOCK)][SETTLE:]
    waits = sum(wait for wait, _ in times["streamed"])
    return {
        "network": network,
        "galaxies": number,
        "batch": batch_size,
        "steps": len(times["streamed"]),
        "backend": jax.default_backend(),
        "wait_share": waits / sum(sum(pair) for pair in times["streamed"]),
        **{f"{name}_step_ms": 1e3 * statistics.median(map(sum, pairs)) for name, pairs in times.items()},
    }


def _steps(config: Any, feed: Any, state: Any, *, mesh: Any) -> Iterator[tuple[float, float]]:
    """Train, and say of each call how many seconds it waited for its galaxies and how many it computed."""
    import jax

    from flaxgal.train import train_step

    batches = feed.dispatches(0)
    while True:
        start = time.perf_counter()
        _, picks = next(batches)
        jax.block_until_ready(picks)
        arrived = time.perf_counter()
        state, report = train_step(state, feed.resident, picks, config=config, mesh=mesh)
        jax.block_until_ready((state, report))
        yield arrived - start, time.perf_counter() - arrived


def apart(function: Any, *arguments: Any) -> Any:
    """What a function returns in a process of its own, which has imported nothing yet."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=int, nargs="*", default=[7_663, 76_635], help="galaxies in snapshots built")
    parser.add_argument("--galaxies", type=int, default=10_000, help="galaxies that are streamed")
    parser.add_argument("--steps", type=int, default=100, help="training steps that are timed")
    parser.add_argument("--batches", type=int, nargs="+", default=[16, 32], help="galaxies in a batch")
    parser.add_argument("--networks", nargs="*", default=["default", "seed"], choices=["default", "seed"])
    parser.add_argument("--out", type=Path, help="also write the numbers to this JSON file")
    options = parser.parse_args()
    about = describe() | {"jax": version("jax"), "grain": version("grain")}
    builds, feeds = [], []
    for number in options.build:
        builds.append(apart(built, number))
        print("built {galaxies:,} galaxies in {seconds:.0f} s, peak memory {peak_mib:.0f} MiB".format(**builds[-1]))
    for network in options.networks:
        for batch in options.batches:
            row = apart(fed, options.galaxies, options.steps, batch, network)
            feeds.append(row)
            print(
                "{network} network, {batch} a batch, on {backend}: waited {wait_share:.2%} of the time; a step takes "
                "{streamed_step_ms:.1f} ms streamed, {resident_step_ms:.1f} ms resident".format(**row),
                flush=True,
            )
    if options.out:
        options.out.write_text(json.dumps({"machine": about, "builds": builds, "feeds": feeds}, indent=2) + "\n")


if __name__ == "__main__":
    main()
