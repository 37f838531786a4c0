"""That the benchmark of measuring runs: what it measures is said in benchmarks/README.md."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARK = Path(__file__).parents[1] / "benchmarks" / "measure.py"


@pytest.mark.long
def test_the_benchmark_of_measuring_says_speed_profile_and_scaling(tmp_path):
    options = ["--galaxies", "2", "--scaling", "5", "--out", str(tmp_path / "out.json")]
    subprocess.run([sys.executable, str(BENCHMARK), *options], capture_output=True, text=True, check=True, timeout=300)
    found = json.loads((tmp_path / "out.json").read_text())
    assert found["speed"]["galaxies_a_second_a_core"] > 0
    assert "flux.measure_cutout" in found["speed"]["profile"]
    assert found["scaling"][0]["galaxies"] == 5
    assert 50 < found["scaling"][0]["peak_mib"] < 2000
