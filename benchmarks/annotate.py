"""What an annotator waits for: a stroke that goes to the disk, and the next galaxy.

    .venv/bin/python benchmarks/annotate.py [--folder DIR] [--pixels 512] [--strokes 300] [--galaxies 30]

Measured in a new folder in DIR: the disk under it is part of the result. Strokes are lines of the brush, a fill of the
whole picture, a proposal and its undoing; cutouts are as large as HSC's in five bands with variance.
"""

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
from machine import describe

from flaxgal.labels.drawing import Drawing
from flaxgal.labels.journal import DrawingJournal
from flaxgal.labels.store import Store
from flaxgal.survey.cutout import Cutout
from napari_flaxgal.session import Session


def milliseconds(act):
    started = time.perf_counter()
    act()
    return 1000 * (time.perf_counter() - started)


def strokes(folder, pixels, number):
    """Time of one stroke from the viewer's mask to the disk, by kind."""
    nothing = np.zeros((pixels, pixels), np.uint8)
    about = {"object_id": "galaxy", "annotator": "anna", "cutout_sha256": "0" * 64}
    drawing = Drawing(start_mask=nothing, start_hand=nothing > 0, **about)
    journal = DrawingJournal.start(folder, drawing)
    dice = np.random.default_rng(0)
    times = {"brush": [], "fill": [], "propose": [], "undo": []}
    for _ in range(number):
        line, filled, guess = drawing.mask.copy(), nothing + np.uint8(1), nothing.copy()
        y, x = dice.integers(0, pixels - 40, 2)
        line[y : y + 5, x : x + 40] = 1 + line[y, x] % 2
        guess[y:, x:] = 1
        for tool, act in (
            ("brush", lambda line=line: drawing.draw(line, "brush")),
            ("fill", lambda filled=filled: drawing.draw(filled, "fill")),
            ("undo", drawing.undo),
            ("propose", lambda guess=guess: drawing.propose(guess, "run", float(dice.random()))),
        ):
            times[tool].append(milliseconds(lambda tool=tool, act=act: act() and journal.write(drawing, tool)))
    journal.close()
    resume = milliseconds(lambda: DrawingJournal.resume(journal.path)[0].close())
    result = {tool: spread(values) for tool, values in times.items()}
    return result | {"resume": spread([resume]), "megabytes": round(journal.path.stat().st_size / 1e6, 2)}


def galaxies(folder, pixels, number):
    """Time to the next galaxy while its annotator draws for a moment, and of a commit."""
    store = Store.create(folder / "labels")
    dice = np.random.default_rng(0)
    for place in range(number):
        flux = dice.normal(size=(5, pixels, pixels)).astype(np.float32)
        store.add(Cutout(object_id=f"{place:05d}", flux=flux, variance=flux**2, bands=tuple("grizy"), unit="nJy"))
    session = Session(Store.open(store.path), "anna")
    times = {"first": [milliseconds(session.start)], "commit": [], "next": [], "back": []}
    for _ in range(number - 1):
        mask = session.mask
        mask[dice.integers(pixels)] = 1
        session.record(mask, "brush")
        time.sleep(0.5)
        times["commit"].append(milliseconds(session.commit))
        times["next"].append(milliseconds(session.next))
    for _ in range(3):
        times["back"].append(milliseconds(session.previous))
    session.close()
    return {name: spread(values) for name, values in times.items()}


def spread(values):
    return {"median_ms": round(statistics.median(values), 2), "most_ms": round(max(values), 2)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path())
    parser.add_argument("--pixels", type=int, default=512)
    parser.add_argument("--strokes", type=int, default=300)
    parser.add_argument("--galaxies", type=int, default=30)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.folder, prefix=".benchmark-") as name:
        machine, folder = describe(), Path(name)
        result = {
            "machine": machine,
            "pixels": given.pixels,
            "strokes": strokes(folder, given.pixels, given.strokes),
            "galaxies": galaxies(folder, given.pixels, given.galaxies),
        }
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
