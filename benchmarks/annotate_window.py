"""What an annotator waits for in the real window: galaxies in each view, strokes, traces, a large store.

    .venv/bin/python benchmarks/annotate_window.py [--sizes 256 512] [--galaxies 8] [--store 76635] [--out FILE]

A napari window on a screen in memory (Xvfb), opened as `flaxgal annotate` opens it. Each number is from the key or the
mouse until the window has drawn the answer: wall-clock and CPU seconds, all threads counted. Before the next galaxy an
annotator looks for `--pause` seconds, in which the thread that looks ahead works.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.append(str(Path(__file__).parents[1] / "tests"))
from machine import describe
from store import make_store
from windows import settle

from flaxgal.labels.store import Store
from flaxgal.survey.cutout import Cutout

TESTS = Path(__file__).parents[1] / "tests"
HASTY = 5
VIEWS = {"sky": {}, "residual": {"residual": True}, "polar": {"polar": True, "residual": True}}


def spiral(number, pixels):
    """Two noisy arms in five bands with variance, as large as the frame: the slowest kind of galaxy."""
    dice = np.random.default_rng(number)
    y, x = np.indices((pixels, pixels)) - pixels / 2 + dice.uniform(-2, 2, (2, 1, 1))
    radius = np.hypot(x, y / dice.uniform(0.6, 0.9)) * 512 / pixels
    arms = 1 + 0.4 * np.cos(2 * np.arctan2(y, x) - 4 * np.log(radius + 1))
    light = np.stack([shine * 100 * np.exp(-radius / 60) * arms for shine in (0.5, 0.8, 1.0, 1.1, 1.2)])
    flux = (light + dice.normal(size=light.shape)).astype(np.float32)
    variance = np.ones_like(flux)
    return Cutout(object_id=f"{number:05d}", flux=flux, variance=variance, bands=tuple("grizy"), unit="nJy")


def drawn():
    """Let the window draw what has changed."""
    from qtpy.QtWidgets import QApplication

    for _ in range(3):
        QApplication.processEvents()


def seconds(act):
    wall, cpu, own = time.perf_counter(), time.process_time(), time.thread_time()
    act()
    drawn()
    return time.perf_counter() - wall, time.process_time() - cpu, time.thread_time() - own


def spread(times):
    wall, cpu, own = zip(*times, strict=True)
    return {
        "median_s": round(statistics.median(wall), 3),
        "most_s": round(max(wall), 3),
        "median_cpu_s": round(statistics.median(cpu), 3),
        "median_cpu_of_window_s": round(statistics.median(own), 3),
    }


def at_size(folder, pixels, galaxies, pause):
    from napari_flaxgal.widget import open_window

    store = Store.create(folder / f"labels-{pixels}")
    for number in range((galaxies + HASTY) * len(VIEWS) + 2):
        store.add(spiral(number, pixels))
    found = {}
    viewer = None

    def open_it():
        nonlocal viewer
        viewer = open_window(store=store.path, annotator="anna")

    found["open"] = spread([seconds(open_it)])
    bench = viewer.window._qt_viewer.window().findChild(_dock()).desk.workbench
    settle(1000)
    for name, looks in VIEWS.items():
        bench.look(residual=False, polar=False)
        found[f"{name}, turned to"] = spread([seconds(lambda looks=looks: bench.look(**looks))])
        times = []
        for _ in range(galaxies):
            settle(round(1000 * pause))
            times.append(seconds(lambda: bench.press("next_galaxy")))
        found[f"{name}, next galaxy"] = spread(times)
        settle(round(1000 * pause))
        times = [seconds(lambda: bench.press("next_galaxy")) for _ in range(HASTY)]
        found[f"{name}, next galaxy, {HASTY} without a pause"] = spread(times)
        settle(round(1000 * pause))
    bench.look(residual=False, polar=False)
    settle(round(1000 * pause))
    times = []
    for number in range(10):
        start = (pixels // 4, pixels // 4 + 4 * number)
        times.append(seconds(lambda start=start: _stroke(bench, start)))
    found["stroke"] = spread(times)
    bench.tracer.turn(True)
    middle = np.array([pixels / 2, pixels / 2 + pixels / 8])
    found["first point of a trace"] = spread([seconds(lambda: bench.tracer.add_point(middle))])
    viewer.close()
    settle(200)
    return found


def _dock():
    from napari_flaxgal.widget import AnnotationDock

    return AnnotationDock


def _stroke(bench, start):
    """What napari does at the end of a brush's way, from the first pixel to the journal."""
    bench.drawing.paint(start, 1)
    bench.drawing.paint((start[0] + 20, start[1] + 3), 1)
    bench.drawing.events.paint(value=[])


OPEN = """
import json, sys, time
said = {}
def mark(name, wall, cpu): said[name] = [round(time.perf_counter() - wall, 3), round(time.process_time() - cpu, 3)]
begin = time.perf_counter(), time.process_time()
sys.path[:0] = [sys.argv[2]]
from windows import settle
from napari_flaxgal.widget import AnnotationDock, open_window
from qtpy.QtWidgets import QApplication
mark("import", *begin)
now = time.perf_counter(), time.process_time()
viewer = open_window(store=sys.argv[1], annotator="anna", show="all")
for _ in range(3): QApplication.processEvents()
mark("open_window", *now)
desk = viewer.window._qt_viewer.window().findChild(AnnotationDock).desk
now = time.perf_counter(), time.process_time()
desk.tabs.setCurrentIndex(1)
for _ in range(3): QApplication.processEvents()
mark("queue page", *now)
rows = desk.queue.list.model().rowCount()
now = time.perf_counter(), time.process_time()
for at in range(100):
    desk.queue.list.scrollTo(desk.queue.list.model().index(at * (rows // 100), 0))
    QApplication.processEvents()
mark("scrolling to 100 places", *now)
now = time.perf_counter(), time.process_time()
desk.tabs.setCurrentIndex(3)
QApplication.processEvents()
mark("progress page", *now)
said["rows"] = rows
viewer.close()
print(json.dumps(said))
"""


def large_store(folder, galaxies):
    """Opening a store of many galaxies with a revision each, in fresh processes: [wall, CPU] seconds."""
    path = folder / "large"
    make_store(path, galaxies, 1.0).add(spiral(0, 256))  # which comes first: all others but one are empty files
    runs = []
    for _ in range(3):
        done = subprocess.run(
            [sys.executable, "-c", OPEN, str(path), str(TESTS)],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            sys.exit(done.stderr)
        runs.append(json.loads(done.stdout.splitlines()[-1]))
    return runs


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="*", default=[256, 512])
    parser.add_argument("--galaxies", type=int, default=8)
    parser.add_argument("--pause", type=float, default=3.0)
    parser.add_argument("--store", type=int, default=76_635, help="0: leave the large store out")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    if "FLAXGAL_SCREEN" not in os.environ:  # again, on a screen of its own
        os.environ |= {"FLAXGAL_SCREEN": "1", "LIBGL_ALWAYS_SOFTWARE": "1", "QT_QPA_PLATFORM": "xcb"}
        screen = ["xvfb-run", "-a", "-s", "-screen 0 1600x1000x24"]
        os.execvp(screen[0], [*screen, sys.executable, *sys.argv])
    result = {"machine": describe(), "pause_s": given.pause}
    with tempfile.TemporaryDirectory(prefix="flaxgal-window-") as name:
        folder = Path(name)
        if given.store:
            result["large store"] = {"galaxies": given.store, "wall_and_cpu_s": large_store(folder, given.store)}
        for pixels in given.sizes:
            result[f"{pixels} pixels"] = at_size(folder, pixels, given.galaxies, given.pause)
    print(json.dumps(result, indent=1))
    if given.out:
        given.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
