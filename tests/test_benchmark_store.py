"""That the store's benchmark runs: what it measures is said in benchmarks/README.md."""

import json
import subprocess
import sys
from pathlib import Path

BENCHMARK = Path(__file__).parents[1] / "benchmarks" / "store.py"


def test_the_stores_benchmark_runs_and_says_how_long_opening_took(tmp_path):
    options = ["--galaxies", "40", "--revisions", "1.5", "--repeats", "1", "--out", str(tmp_path / "out.json")]
    done = subprocess.run([sys.executable, str(BENCHMARK), *options], capture_output=True, text=True, check=True)
    assert "40 galaxies, 1.5 revisions each" in done.stdout
    times = json.loads((tmp_path / "out.json").read_text())["seconds_cpu_wall"]
    assert {"open", "refresh", "status", "commit"} <= times.keys()
    assert all(0 <= seconds < 60 for pair in times.values() for seconds in pair)
