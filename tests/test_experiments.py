"""Every experiment file can be read: it says its command, and its configs can be kept as JSON."""

import ast
import runpy
from pathlib import Path

import pytest

from flaxgal.config import MockConfig, RunConfig, from_json, run_from_json, to_json

FILES = sorted((Path(__file__).parents[1] / "experiments").glob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_an_experiment_says_its_command_and_its_config_survives_json(path: Path) -> None:
    assert "Command:" in (ast.get_docstring(ast.parse(path.read_text())) or "")
    found = [value for value in runpy.run_path(str(path)).values() if isinstance(value, (RunConfig, MockConfig))]
    assert found
    for config in found:
        text = to_json(config)
        assert (run_from_json(text) if isinstance(config, RunConfig) else from_json(MockConfig, text)) == config
