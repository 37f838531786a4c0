"""The demo: the whole main job in one folder."""

from pathlib import Path

import numpy as np
import pytest

from flaxgal.demo import run_demo
from flaxgal.measure.catalogue import read_catalogue


@pytest.mark.long
def test_the_demo_leaves_a_table_maps_and_figures_and_reports_what_they_say(tmp_path: Path) -> None:
    result = run_demo(tmp_path / "demo", galaxies=300, steps=4, test_galaxies=12, seed=3)
    table = read_catalogue(tmp_path / "demo" / "arms.parquet")
    assert len(table) == len(result.catalogue) == 12
    spirals = result.catalogue[result.catalogue["arm_mask_pixels"] > 0]
    assert result.galaxies == len(spirals)
    assert result.dice == pytest.approx(np.mean(spirals["dice"]))
    error = np.abs(spirals["flux_ratio_i"] - spirals["true_flux_ratio_i"])
    assert result.ratio_error == pytest.approx(np.nanmedian(error))
    for path in result.files.values():
        assert path.exists()
        assert str(path) in result.report()
    again = run_demo(tmp_path / "demo", galaxies=300, steps=4, test_galaxies=12, seed=3)
    assert again.dice == pytest.approx(result.dice)  # made anew, and the same


def test_the_demo_touches_no_folder_that_it_did_not_make(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "precious.txt").write_text("mine")
    with pytest.raises(ValueError, match="not made by the demo"):
        run_demo(tmp_path, galaxies=10, steps=1, test_galaxies=2)
    assert (tmp_path / "run" / "precious.txt").read_text() == "mine"
