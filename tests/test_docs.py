"""Every command in docs/ runs as it is written there, with smaller numbers."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from flaxgal.cli import run

DOCS = Path(__file__).parents[1] / "docs"
SMALLER = {
    "--number 8000": "--number 60",
    "--steps 600": "--steps 2 --data.batch-size 4",
    "--steps 200": "--steps 2 --data.batch-size 4",
}


def commands(page: Path) -> list[list[str]]:
    lines = [
        line for block in re.findall(r"```sh\n(.*?)```", page.read_text(), re.DOTALL) for line in block.splitlines()
    ]
    for full, small in SMALLER.items():
        lines = [line.replace(full, small) for line in lines]
    return [shlex.split(line) for line in lines if line.startswith("flaxgal ")]


@pytest.mark.long
@pytest.mark.parametrize("page", sorted(DOCS.glob("*.md")), ids=lambda page: page.stem)
def test_every_command_of_a_page_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    for folder in ("pictures", "masks"):
        Path(folder).mkdir()
        for k in range(12):
            pixels = rng.integers(0, 200, (64, 64)) if folder == "pictures" else 255 * (rng.random((64, 64)) > 0.9)
            Image.fromarray(pixels.astype(np.uint8)).save(Path(folder) / f"galaxy-{k}.png")
    assert run(["mock", "cutouts", "--form", "cutouts", "--number", "4"]) == 0
    found = commands(page)
    assert found
    for command in found:
        assert run(command[1:]) == 0, command
    if page.stem == "from-pictures-to-fluxes":
        assert Path("arms.ecsv").exists()
        assert Path("arms.parquet").exists()
