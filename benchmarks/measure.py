"""How many galaxies a second a core are measured, where the time goes, and whether cost and memory grow evenly.

    python benchmarks/measure.py [--galaxies 100] [--scaling 1000 10000] [--out FILE]

Mock spirals of 128 × 128 pixels in five bands are measured with their true masks: CPU seconds of one process, files and
all, beside the minute a galaxy that SpArcFiRe takes (Davis & Hayes 2014, ApJ 790, 87), and a profile by functions. For
the scaling, copies of a few small galaxies under many ids go through `flaxgal measure` in a process of its own, whose
CPU seconds and largest memory are taken.
"""

import argparse
import cProfile
import dataclasses
import json
import os
import pstats
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from flaxgal.measure.flux import measure_cutout
from flaxgal.measuring import measure
from flaxgal.survey.cutout import read_cutout, write_cutout
from flaxgal.survey.prediction import Prediction, prediction_path, read_prediction, write_prediction

sys.path.insert(0, str(Path(__file__).parent))
from machine import describe

SPARCFIRE_S = 60.0
KINDS = 20
"""Small galaxies that the scaling makes copies of."""

SCALED = """
import json, re, sys, time
from pathlib import Path
from flaxgal.measuring import measure
from flaxgal.row_by_row import Done
start = time.process_time()
images, masks, out = map(Path, sys.argv[1:])
done = sum(isinstance(item, Done) for item in measure([images], masks, [out], workers=1))
# Not getrusage: what a process is started from counts there too.
peak = int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) / 1024
print(json.dumps({"galaxies": done, "cpu_s": time.process_time() - start, "peak_mib": peak}))
"""


def mocks(folder: Path, number: int, *, size: int, bands: str) -> tuple[Path, Path]:
    """Folders of mock galaxies and of their true masks as predictions."""
    from flaxgal.config import MockConfig
    from flaxgal.mock.cutouts import write_mock_cutouts

    images, masks = folder / "images", folder / "maps"
    config = dataclasses.replace(MockConfig(), image_size=size, bands=tuple(bands))
    for _ in write_mock_cutouts(images, config, number=number, seed=1):
        pass
    with np.load(images / "truth_masks.npz") as found:
        truth = dict(zip(found["object_id"].tolist(), found["arm"], strict=True))
    for path in sorted(images.glob("*.fits")):
        cutout = read_cutout(path)
        probability = 0.9 * truth[cutout.object_id].astype(np.float32)[None]
        write_prediction(a_map(cutout, probability), masks)
    return images, masks


def a_map(cutout, probability) -> Prediction:
    return Prediction(
        cutout.object_id, "mock", probability, ("arm",), 0.5, "truth", cutout.wcs, cutout_sha256=cutout.sha256
    )


def speed(folder: Path, number: int) -> dict:
    """CPU seconds a galaxy with all its files, those of the measurement alone, and the functions that take most."""
    images, masks = mocks(folder, number, size=128, bands="grizy")
    for _ in measure([min(images.glob("*.fits"))], masks, [folder / "first.parquet"], workers=1):
        pass  # so that imports are not counted
    start = time.process_time()
    for _ in measure([images], masks, [folder / "arms.parquet"], workers=1):
        pass
    whole = (time.process_time() - start) / number
    cutouts = [read_cutout(path) for path in sorted(images.glob("*.fits"))]
    maps = [read_prediction(prediction_path(cutout.object_id, masks)).arm_probability for cutout in cutouts]
    profile = cProfile.Profile()
    start = time.process_time()
    for cutout, probability in zip(cutouts, maps, strict=True):
        measure_cutout(cutout, probability)
    alone = (time.process_time() - start) / number
    profile.enable()
    for cutout, probability in zip(cutouts, maps, strict=True):
        measure_cutout(cutout, probability)
    profile.disable()
    return {
        "galaxies": number,
        "cpu_ms_a_galaxy_with_files": round(1000 * whole, 2),
        "cpu_ms_a_galaxy_measured": round(1000 * alone, 2),
        "galaxies_a_second_a_core": round(1 / whole, 1),
        "times_sparcfire": round(SPARCFIRE_S / whole),
        "profile": profiled(profile),
    }


def profiled(profile: cProfile.Profile) -> dict[str, float]:
    """Share of the time within each function of flaxgal.measure, with what it calls, for those above 2 %."""
    stats = pstats.Stats(profile)
    whole = sum(own for _, _, own, _, _ in stats.stats.values())
    shares = {
        f"{Path(file).stem}.{name}": round(inside / whole, 3)
        for (file, _, name), (_, _, _, inside, _) in stats.stats.items()
        if "flaxgal/measure/" in file and not name.startswith("<") and inside > 0.02 * whole
    }
    return dict(sorted(shares.items(), key=lambda one: -one[1]))


def scaling(folder: Path, number: int) -> dict:
    """What `flaxgal measure` takes for so many galaxies of 32 × 32 pixels in one band."""
    images, maps = copies(folder, number)
    command = [sys.executable, "-c", SCALED, str(images), str(maps), str(folder / "arms.parquet")]
    found = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    return found | {"cpu_ms_a_galaxy": round(1000 * found["cpu_s"] / number, 2)}


def copies(folder: Path, number: int) -> tuple[Path, Path]:
    """Folders of so many copies of `KINDS` small galaxies, each with an id of its own, and of their maps.

    An image is written as the bytes of its kind with another id; its map is a hard link to that of its kind, which
    takes no room on the disk.
    """
    few, _ = mocks(folder / "few", KINDS, size=32, bands="i")
    images, maps = folder / "images", folder / "maps"
    written, drawn = [], []
    arms = np.asarray(np.hypot(*np.mgrid[-16:16, -16:16]) < 8, np.float32)[None]
    for path in sorted(few.glob("*.fits")):
        cutout = dataclasses.replace(read_cutout(path), object_id=an_id(0), psf={})
        write_cutout(cutout, path)
        written.append(path.read_bytes())
        drawn.append(write_prediction(a_map(cutout, arms), folder / "kinds" / path.stem))
    for one in range(number):
        path = images / f"{one % 1000:03d}" / f"{one:07d}.fits"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(written[one % KINDS].replace(an_id(0).encode(), an_id(one).encode()))
        map_path = prediction_path(an_id(one), maps)
        map_path.parent.mkdir(parents=True, exist_ok=True)
        os.link(drawn[one % KINDS], map_path)
    return images, maps


def an_id(number: int) -> str:
    return f"galaxy-{number:07d}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--galaxies", type=int, default=100, help="mock galaxies of 128 × 128 pixels in five bands")
    parser.add_argument("--scaling", type=int, nargs="*", default=[1000, 10000], help="numbers of small galaxies")
    parser.add_argument("--out", type=Path, help="where the numbers go as JSON")
    options = parser.parse_args()
    result = {"machine": describe(), "scaling": []}
    with tempfile.TemporaryDirectory(prefix="flaxgal-measure-") as folder:
        result["speed"] = speed(Path(folder), options.galaxies)
    print(json.dumps(result["speed"], indent=2), flush=True)
    save(result, options.out)
    for number in options.scaling:
        with tempfile.TemporaryDirectory(prefix="flaxgal-measure-") as folder:
            result["scaling"].append(scaling(Path(folder), number))
        print(json.dumps(result["scaling"][-1]), flush=True)
        save(result, options.out)


def save(result: dict, out: Path | None) -> None:
    """Write what is known so far, so that a call that is stopped loses no number."""
    if out:
        out.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
