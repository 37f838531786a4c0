"""Who may import whom. The tables are the rule; the rest of this file only reads the source and compares."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import flaxgal

ROOT = Path(__file__).parents[1]

# A room (or several that may import each other) and what else of flaxgal it may import: only what stands above it.
# Longer names win: datasets.loader is not datasets.
_SNAPSHOTS = (
    "datasets.splits datasets.placing datasets.policies datasets.looking datasets.examples datasets.cards "
    "datasets.snapshot_files datasets.builders datasets.morphology datasets.class_sources datasets.rebuild "
    "datasets.batches"
)
_BATCHES = "datasets.loader datasets.stacked datasets.augment datasets.feed"
_NETWORKS = "losses class_losses metrics checkpoint runlog environment training_journal"
_CLASS_SCORES = "class_metrics class_summary cross_validation reliability t_type_metrics"
MAY_IMPORT = {
    "config": "",
    "progress compiled": "",
    "survey": "config",
    "labels": "config survey",
    "datasets": "",
    _SNAPSHOTS: "config survey labels",
    "mock": "config survey",  # survey: mock galaxies leave as cutouts
    "datasets.mocks": f"config survey labels mock {_SNAPSHOTS}",
    "models": "config survey",
    _NETWORKS: "config survey models",
    _CLASS_SCORES: "metrics survey",
    "classify": "config survey models",
    _BATCHES: f"config survey {_SNAPSHOTS}",
    "fetch fetch_gz3d fetch_sdss fetch_folder": "config survey labels",
    "transfer": "config survey models checkpoint",
    "inputs": f"config survey labels {_SNAPSHOTS} {_BATCHES}",
    "calibration": "survey",
    "tasks segmenting classifying": (
        f"config survey models calibration classify {_SNAPSHOTS} {_NETWORKS} {_CLASS_SCORES} {_BATCHES}"
    ),
    "train evaluate evaluate_classes predict predict_on_cluster": (
        f"config survey labels mock datasets.mocks models inputs distribute calibration tasks segmenting classifying "
        f"classify "
        f"{_SNAPSHOTS} {_NETWORKS} {_CLASS_SCORES} {_BATCHES}"
    ),
    "measure": "config survey",
    "class_answers class_catalogue": f"config survey measure {_CLASS_SCORES}",
    "predict_classes": (
        f"config survey models inputs distribute measure row_by_row calibration classify predict "
        f"class_answers class_catalogue "
        f"{_SNAPSHOTS} {_NETWORKS} {_BATCHES}"
    ),
    "distribute": "",
    "row_by_row": "survey inputs measure",
    "masks": f"survey labels inputs {_SNAPSHOTS}",
    "measuring": f"config survey labels inputs masks distribute measure row_by_row {_SNAPSHOTS} {_BATCHES}",
    "figures": f"config survey measure {_CLASS_SCORES}",
    "rank": "config survey labels measure checkpoint predict",
    "retrain": (f"config progress survey labels models train evaluate {_SNAPSHOTS} {_NETWORKS}"),
    (
        "cli cli_annotate cli_evaluate cli_fetch cli_figures cli_gallery cli_labels cli_measure cli_predict cli_store "
        "cli_train cli_transfer cli_words demo "
        "__main__"
    ): (
        "config progress compiled survey labels mock datasets.mocks models inputs masks distribute measuring "
        "row_by_row train evaluate predict predict_on_cluster predict_classes rank retrain transfer "
        f"evaluate_classes classify {_CLASS_SCORES} "
        f"fetch fetch_gz3d fetch_sdss fetch_folder measure figures {_SNAPSHOTS} {_NETWORKS} {_BATCHES}"
    ),
    "napari_flaxgal": "config survey labels measure",
    "napari_flaxgal.samples": "config survey labels measure napari_flaxgal mock",
    "napari_flaxgal.propose": "compiled config survey labels measure napari_flaxgal checkpoint predict",
    (
        "napari_flaxgal.widget napari_flaxgal.workbench napari_flaxgal.tracing napari_flaxgal.guessing "
        "napari_flaxgal.comparing napari_flaxgal.commands"
    ): ("config survey labels measure napari_flaxgal napari_flaxgal.propose"),
    "napari_flaxgal.__main__": "compiled config survey labels measure napari_flaxgal napari_flaxgal.widget",
}

# Packages of others, and the only files that may import them.
ONLY_IN = {
    "jax jaxlib flax optax orbax": (
        f"mock datasets.mocks models {_NETWORKS} {_BATCHES} tasks segmenting classifying classify train evaluate "
        "evaluate_classes predict predict_classes transfer cli demo "
        "napari_flaxgal.propose napari_flaxgal.samples"
    ),
    "distributed": "distribute",
    "grain": "datasets.loader",
    "tensorflow_datasets array_record": "datasets.snapshot_files",
    "matplotlib": "figures",
    "napari": "napari_flaxgal",
    "qtpy PySide6 PyQt6 PyQt5 superqt": "napari_flaxgal.widget",
    "torch safetensors": "transfer",  # only to read files of published weights
    "tensorflow keras": "",
}

# Outside the two packages: what nothing in a folder may import.
NEVER_IMPORT = {
    "tests": "experiments tensorflow torch keras",
    "experiments": "experiments tensorflow torch keras",
    "benchmarks": "experiments",
}

LIBRARY = {
    ".".join(path.relative_to(base).with_suffix("").parts): path
    for base, package in ((ROOT, "flaxgal"), (ROOT / "annotate", "napari_flaxgal"))
    for path in sorted((base / package).rglob("*.py"))
    if path != ROOT / "flaxgal" / "__init__.py"  # offers names of every room, and imports none of them by itself
}
OUTSIDE = [(folder, path) for folder in NEVER_IMPORT for path in sorted((ROOT / folder).rglob("*.py"))]


def imports(source: str, module: str) -> Iterator[str]:
    """Every dotted name that a file imports, wherever in the file, absolute."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = module.split(".")[: -node.level] if node.level else []
            start = ".".join([*base, *([node.module] if node.module else [])])
            for alias in node.names:
                home = f"{flaxgal._HOME[alias.name]}." if start == "flaxgal" and alias.name in flaxgal._HOME else ""
                yield f"{start}.{home}{alias.name}"


def room_of(name: str, rooms: set[str]) -> str | None:
    """The longest of `rooms` that a dotted name lies in."""
    name = name.removeprefix("flaxgal.")
    inside = [room for room in rooms if name == room or name.startswith(f"{room}.")]
    return max(inside, key=len, default=None)


def violations(module: str, source: str) -> Iterator[str]:
    """Sentences on the imports of a file that break a table."""
    rooms = {room for row in MAY_IMPORT for room in row.split()}
    mine = room_of(module, rooms)
    if mine is None:
        yield f"{module} stands in no row of MAY_IMPORT; say there which rooms it may import"
        return
    allowed = {
        room for row, others in MAY_IMPORT.items() if mine in row.split() for room in [*row.split(), *others.split()]
    }
    for name in imports(source, module):
        top = name.partition(".")[0]
        if top == "experiments":
            yield f"{module} imports {name}; nothing imports experiments"
        elif top in ("flaxgal", "napari_flaxgal"):
            theirs = room_of(name, rooms)
            if theirs is not None and theirs not in allowed:
                yield f"{module} imports {name}; {mine} may import only {', '.join(sorted(allowed))}"
        for packages, where in ONLY_IN.items():
            if top in packages.split() and room_of(module, set(where.split())) is None:
                yield f"{module} imports {top}, which only {where or 'benchmarks'} may"


@pytest.mark.parametrize("module", LIBRARY)
def test_every_import_runs_one_way(module):
    assert not list(violations(module, LIBRARY[module].read_text()))


@pytest.mark.parametrize(("folder", "path"), OUTSIDE, ids=[str(path.relative_to(ROOT)) for _, path in OUTSIDE])
def test_nothing_outside_the_library_imports_what_its_folder_must_not(folder, path):
    forbidden = NEVER_IMPORT[folder].split()
    assert not [name for name in imports(path.read_text(), folder) if name.partition(".")[0] in forbidden]


@pytest.mark.parametrize("room", [room for row in MAY_IMPORT for room in row.split()])
def test_a_room_imports_only_rooms_above_it(room):
    """The table itself has no way back up: following it from any room never returns to that room."""
    rows = {name: (row.split(), others.split()) for row, others in MAY_IMPORT.items() for name in row.split()}
    same, ahead = rows[room]
    seen: set[str] = set()
    while ahead:
        step = ahead.pop()
        if step not in seen:
            seen.add(step)
            ahead.extend(rows[step][1])
    assert not seen & set(same)


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("flaxgal.survey.cutout", "import jax.numpy as jnp"),
        ("flaxgal.survey.cutout", "def read():\n    from flaxgal.labels import store"),
        ("flaxgal.survey.cutout", "from ..models import unet"),
        ("flaxgal.survey.cutout", "from flaxgal import UNet"),
        ("flaxgal.labels.store", "import flax.nnx"),
        ("flaxgal.measure.flux", "from orbax import checkpoint"),
        ("flaxgal.measure.flux", "from flaxgal.predict import predict"),
        ("flaxgal.train", "import grain"),
        ("flaxgal.datasets.loader", "import tensorflow_datasets as tfds"),
        ("flaxgal.datasets.builders", "from flaxgal.datasets.loader import load_split"),
        ("flaxgal.models.unet", "import torch"),
        ("flaxgal.cli", "from napari_flaxgal import reader"),
        ("flaxgal.cli", "from experiments import first"),
        ("flaxgal.evaluate", "import matplotlib.pyplot as plt"),
        ("flaxgal.unplanned", ""),
        ("napari_flaxgal.layers", "from qtpy.QtWidgets import QWidget"),
        ("napari_flaxgal.layers", "from flaxgal.predict import predict"),
    ],
)
def test_a_wrong_import_is_found(module, source):
    assert len(list(violations(module, source))) == 1


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("flaxgal.survey.cutout", "from flaxgal import __version__\nfrom flaxgal.survey.display import asinh"),
        ("flaxgal.datasets.loader", "import grain\nfrom flaxgal.datasets.builders import open_snapshot"),
        ("flaxgal.mock.cutouts", "from flaxgal.survey.cutout import Cutout"),
        ("flaxgal.predict", "from flaxgal.evaluate import predict_batch\nimport jax"),
        (
            "napari_flaxgal.propose",
            "from flaxgal.predict import predict\nfrom napari_flaxgal.layers import cutout_layers",
        ),
        ("napari_flaxgal.widget", "from qtpy.QtWidgets import QWidget"),
    ],
)
def test_a_right_import_is_not_complained_of(module, source):
    assert not list(violations(module, source))
