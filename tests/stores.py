"""Cutouts, masks and stores to try label stores on."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from flaxgal.labels.revisions import Revision
from flaxgal.labels.store import Store
from flaxgal.survey.cutout import Cutout


def a_cutout(object_id="g1", *, seed=0, survey="HSC", shape=(10, 12)):
    flux = np.random.default_rng(seed).normal(size=(1, *shape)).astype(np.float32)
    return Cutout(object_id=object_id, flux=flux, bands=("i",), unit="nJy", survey=survey, ra_deg=150.0, dec_deg=2.0)


def a_revision(cutout, *, marked=True, annotator="anna", **changes):
    mask = np.zeros(cutout.image_shape, np.uint8)
    mask[2:4] = marked
    given = {"annotator": annotator, "origin": "drawn", "cutout_sha256": cutout.sha256, "mask": mask}
    return Revision(object_id=cutout.object_id, **(given | changes))


def files_of(store: Store) -> dict[str, bytes]:
    """All files of a store but its derived index and store.json, with their content."""
    files = [path for path in store.path.rglob("*") if path.is_file() and "index" not in path.parts]
    return {path.relative_to(store.path).as_posix(): path.read_bytes() for path in files if path.name != "store.json"}


def at_once(calls: Sequence[tuple[str, str, tuple[str | int, ...]]]) -> list[int]:
    """Run functions of test modules in processes of their own, all at the same time; their exit statuses.

    A call is (path of the module, name of the function, arguments). New processes, not forks: a test process that has
    run JAX cannot be forked safely, and may be too large to be forked at all.
    """
    code = (
        "import ast, importlib, sys; sys.path[:0] = sys.argv[1:3]; "
        "getattr(importlib.import_module(sys.argv[3]), sys.argv[4])(*ast.literal_eval(sys.argv[5]))"
    )
    running = []
    for module, name, arguments in calls:
        path = Path(module)
        where = [str(path.parent), str(Path(__file__).parent), path.stem, name, repr(arguments)]
        running.append(subprocess.Popen([sys.executable, "-c", code, *where]))
    return [process.wait() for process in running]
