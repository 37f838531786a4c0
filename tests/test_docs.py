"""Every command in docs/ runs as it is written there, with smaller numbers."""

import re
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import save_file

from flaxgal.cli import run
from flaxgal.labels.revisions import Revision
from flaxgal.labels.store import Store
from flaxgal.measure.flags import FLAG_MEANINGS, flag_names

DOCS = Path(__file__).parents[1] / "docs"
CONVNEXT = Path(__file__).parent / "models" / "convnext_reference.npz"
"""Holds the weights of a tiny ConvNeXt under timm's names."""
TINY = "--model.widths 4 8 --model.blocks 1 --model.dropout 0.0"
SMALLER = {
    "train morphology --run runs/morphology": f"train morphology --run runs/morphology {TINY}",
    "train --run runs/arms": f"train --run runs/arms {TINY}",
    "--orientations 8": "--orientations 2",
    "--task classes --number 8000": "--task classes --number 120",
    "--model.widths 80 160 320 640 --model.blocks 2 2 8 2": "--model.widths 4 6 8 10 --model.blocks 1 1 2 1",
    "--least-probability 0.5": "--least-probability 0.0",
    "--number 8000": "--number 60",
    "--form cutouts --number 100": "--form cutouts --number 4",
    "flaxgal figures": "flaxgal figures --resamples 5",
    "--steps 600": "--steps 2 --data.batch-size 4",
    "--steps 200 --opt": "--steps 2 --data.batch-size 4 --opt",
    "--steps 200": "--steps 2",
}


def commands(page: Path) -> list[list[str]]:
    lines = [
        line for block in re.findall(r"```sh\n(.*?)```", page.read_text(), re.DOTALL) for line in block.splitlines()
    ]
    for full, small in SMALLER.items():
        lines = [line.replace(full, small) for line in lines]
    return [shlex.split(line) for line in lines if line.startswith("flaxgal ")]


def label_most(store: Path) -> None:
    """What two people at the window would have left."""
    labels = Store.open(store)
    for object_id in list(labels.galaxies())[:-2]:
        cutout = labels.cutout(object_id)
        mask = np.zeros(cutout.image_shape, np.uint8)
        mask[20:30, 20:40] = 1
        for annotator, marks in (("anna", mask), ("ben", mask[::-1])):
            labels.commit(
                Revision(
                    object_id=object_id,
                    annotator=annotator,
                    origin="drawn",
                    cutout_sha256=cutout.sha256,
                    mask=np.ascontiguousarray(marks),
                )
            )


def follow(command: list[str], opened: list[list[str]]) -> None:
    """Run a command of a page; one that opens a window only becomes the window's own command line."""
    if command[1] == "annotate":
        with pytest.raises(SystemExit):
            run(command[1:])
        assert opened[-1][1:3] == ["-m", "napari_flaxgal"]
        assert Path(opened[-1][3]) == Path(command[2])
    else:
        assert run(command[1:]) == 0, command
    if command[1:3] == ["store", "add"]:
        label_most(Path(command[3]))


@pytest.mark.long
@pytest.mark.parametrize("page", sorted(DOCS.glob("*.md")), ids=lambda page: page.stem)
def test_every_command_of_a_page_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[list[str]] = []

    def in_its_place(_: str, arguments: list[str]) -> None:
        opened.append(arguments)
        raise SystemExit

    monkeypatch.setattr("os.execv", in_its_place)
    monkeypatch.setattr("flaxgal.cli_fetch._follow", lambda _events, _store: 0)  # nothing is asked of real archives
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    for folder in ("pictures", "masks"):
        Path(folder).mkdir()
        for k in range(12):
            pixels = rng.integers(0, 200, (64, 64)) if folder == "pictures" else 255 * (rng.random((64, 64)) > 0.9)
            Image.fromarray(pixels.astype(np.uint8)).save(Path(folder) / f"galaxy-{k}.png")
    Path("galaxies.csv").write_text(
        "object_id,morphology,z\n" + "".join(f"galaxy-{k},{('E', 'S0', 'Sp')[k % 3]},0.1\n" for k in range(12))
    )
    save_file(
        {name.removeprefix("weights/"): values for name, values in np.load(CONVNEXT).items() if "weights/" in name},
        "model.safetensors",
    )
    shutil.copytree("pictures", "seed/images")
    shutil.copytree("masks", "seed/masks")
    found = commands(page)
    assert found
    if not any(command[1:3] == ["mock", "cutouts/"] for command in found):  # that page makes its own, and only its own
        assert run(["mock", "cutouts", "--form", "cutouts", "--number", "8"]) == 0
    for command in found:
        follow(command, opened)
    if page.stem == "from-pictures-to-fluxes":
        assert Path("arms.ecsv").exists()
        assert Path("arms.parquet").exists()


def test_the_page_on_measuring_says_what_every_flag_means():
    page = (DOCS / "measuring-arms.md").read_text()
    rows = [f"| `{flag_names(flag)}` | {meaning} |" for flag, meaning in FLAG_MEANINGS.items()]
    assert [row for row in rows if row not in page] == []
