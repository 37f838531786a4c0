"""How long a label store of Tadaki et al.'s 76,635 spirals takes to open, to refresh and to commit to.

    python benchmarks/store.py [--galaxies 76635] [--revisions 1.0] [--out FILE]

Opening reads names and the index only, so the files of the store that is made here are empty but for one galaxy. Each
number is the median of several fresh processes or calls: CPU seconds, and wall-clock seconds beside them.
"""

import argparse
import hashlib
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from flaxgal.labels.files import name_of
from flaxgal.labels.index import Index
from flaxgal.labels.records import FIELDS, Galaxy, StoredRevision, line_of
from flaxgal.labels.revisions import Provenance, Revision
from flaxgal.labels.store import Store
from flaxgal.survey.cutout import Cutout

sys.path.insert(0, str(Path(__file__).parent))
from machine import describe

OPEN = """
import json, sys, time
from flaxgal.labels.store import Store
def timed(name, call):
    wall, cpu = time.perf_counter(), time.process_time()
    call()
    found[name] = [time.process_time() - cpu, time.perf_counter() - wall]
found = {"import": [time.process_time(), time.process_time()]}
timed("open", lambda: globals().__setitem__("store", Store.open(sys.argv[1])))
timed("list galaxies", lambda: store.galaxies())
timed("list revisions", lambda: store.history())
timed("refresh soon", store.refresh)
time.sleep(3)
timed("refresh, first later", store.refresh)
timed("refresh", store.refresh)
timed("status", store.status)
print(json.dumps(found))
"""


def make_store(path: Path, galaxies: int, revisions_a_galaxy: float) -> Store:
    """A store whose index knows many galaxies and revisions, with empty files under their names, and a real galaxy."""
    store = Store.create(path)
    random = np.random.default_rng(0)
    lines: dict[str, dict[str, list]] = {"galaxies": {}, "revisions": {}}

    def put(kind, object_id, number, record):
        name = name_of(kind, object_id, f"{kind} {object_id} {number}".encode())
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).touch()
        lines[kind][name] = line_of(kind, record)

    for number in range(galaxies):
        object_id = str(36407000000000000 + 7919 * number)
        sha = hashlib.sha256(object_id.encode()).hexdigest()
        ra, dec = random.uniform(0, 360), random.uniform(-5, 45)
        known = {"survey": "HSC", "bands": tuple("grizy"), "unit": "nJy", "image_shape": (256, 256)}
        put("galaxies", object_id, 0, Galaxy(object_id=object_id, ra_deg=ra, dec_deg=dec, cutout_sha256=sha, **known))
        for again in range(int(revisions_a_galaxy * (number + 1)) - int(revisions_a_galaxy * number)):
            provenance = Provenance(
                object_id=object_id,
                annotator=("anna", "bo", "chi")[again % 3],
                origin="corrected",
                cutout_sha256=sha,
                active_seconds=31.25,
                tool_counts={"brush": 12, "eraser": 2, "tracer": 2, "undo": 3},
                model_run="runs/arms",
                model_threshold=0.5,
                served_by="random seed 0",
                drawing=sha[:16],
            )
            put("revisions", object_id, again, StoredRevision(provenance=provenance, marked_pixels=1234))
    (path / "index").mkdir(exist_ok=True)
    for kind, known in lines.items():
        Index(path / "index" / f"{kind}.lines", FIELDS[kind]).replace(known)
    store = Store.open(path)
    flux = random.normal(size=(5, 256, 256)).astype(np.float32)
    store.add(Cutout(object_id="real", flux=flux, variance=np.ones_like(flux), bands=tuple("grizy"), unit="nJy"))
    return store


def median_of_commits(store: Store, number: int = 30) -> list[float]:
    """CPU and wall-clock seconds of committing a mask of 256 × 256 pixels."""
    cutout, times = store.cutout("real"), []
    for count in range(number):
        mask = np.zeros(cutout.image_shape, np.uint8)
        mask[40 : 60 + count, 30:200] = 1
        revision = Revision(object_id="real", annotator="anna", origin="drawn", cutout_sha256=cutout.sha256, mask=mask)
        wall, cpu = time.perf_counter(), time.process_time()
        store.commit(revision)
        times.append((time.process_time() - cpu, time.perf_counter() - wall))
    return [statistics.median(column) for column in zip(*times, strict=True)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--galaxies", type=int, default=76_635)
    parser.add_argument("--revisions", type=float, default=1.0, help="revisions a galaxy")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--out", type=Path, help="where the numbers go as JSON")
    options = parser.parse_args()
    about = describe()
    with tempfile.TemporaryDirectory(prefix="flaxgal-store-") as folder:
        path = Path(folder) / "labels"
        store = make_store(path, options.galaxies, options.revisions)
        runs = []
        for _ in range(options.repeats):
            done = subprocess.run([sys.executable, "-c", OPEN, str(path)], capture_output=True, text=True, check=True)
            runs.append(json.loads(done.stdout))
        result = {
            name: [round(statistics.median(run[name][part] for run in runs), 4) for part in (0, 1)] for name in runs[0]
        }
        result["commit"] = [round(value, 4) for value in median_of_commits(store)]
        sizes = {kind: (path / "index" / f"{kind}.lines").stat().st_size for kind in ("galaxies", "revisions")}
    print(
        f"{options.galaxies} galaxies, {options.revisions:g} revisions each; index {sum(sizes.values()) / 1e6:.0f} MB"
    )
    print(f"{'':>22s} {'CPU s':>8s} {'wall s':>8s}")
    for name, (cpu, wall) in result.items():
        print(f"{name:>22s} {cpu:8.4f} {wall:8.4f}")
    if options.out:
        known = {"galaxies": options.galaxies, "revisions_a_galaxy": options.revisions, "index_bytes": sizes}
        options.out.write_text(json.dumps({"machine": about, **known, "seconds_cpu_wall": result}, indent=2) + "\n")


if __name__ == "__main__":
    main()
