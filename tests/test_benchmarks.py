"""The benchmark's arithmetic, and that it runs where a framework is missing."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from flaxgal.config import DEFAULT_UNET, SEED_UNET, UNetConfig
from flaxgal.models.unet import UNet

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


def benchmark_file(name):
    spec = importlib.util.spec_from_file_location(f"benchmark_{name}", BENCHMARKS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def products(jaxpr):
    """Multiplications and additions of all convolutions and matrix products in a traced function."""
    total = 0
    for equation in jaxpr.eqns:
        inner = equation.params.get("jaxpr")
        total += products(getattr(inner, "jaxpr", inner)) if inner is not None else 0
        if equation.primitive.name == "conv_general_dilated":
            kernel = equation.invars[1].aval.shape
            total += 2 * np.prod(equation.outvars[0].aval.shape) * np.prod(kernel[:-1])
        elif equation.primitive.name == "dot_general":
            (contracted, _), _ = equation.params["dimension_numbers"]
            depth = np.prod([equation.invars[0].aval.shape[axis] for axis in contracted])
            total += 2 * np.prod(equation.outvars[0].aval.shape) * depth
    return int(total)


@pytest.mark.parametrize("config", [SEED_UNET, DEFAULT_UNET, UNetConfig(bands=("g", "r", "i"), classes=("arm", "bar"))])
def test_operations_counted_by_hand_are_those_of_the_traced_network(config):
    flops = benchmark_file("flops")
    model = nnx.eval_shape(lambda: UNet(config, nnx.Rngs(params=0)))
    image = jax.ShapeDtypeStruct((1, 64, 64, len(config.bands)), jnp.float32)
    traced = jax.make_jaxpr(lambda model, image: model(image))(model, image)
    assert flops.forward_flops(config) == products(traced.jaxpr)


def test_ratios_are_to_the_fastest_rival_at_the_same_network_batch_and_task():
    unet = benchmark_file("unet")

    def row(framework, task, batch, median):
        same = {"network": "seed", "dtype": "float32", "flop_per_s": 5.0}
        return same | {"framework": framework, "task": task, "batch": batch, "median_ms": median}

    rows = [
        row("jax", "train", 16, 30.0),
        row("keras", "train", 16, 20.0),
        row("torch", "train", 16, 15.0),
        row("torch", "train", 256, 1.0),
        row("jax", "train+augment", 16, 45.0),
        row("jax", "predict", 16, 1.0),
    ]
    ratios = [row.get("time_over_fastest_rival") for row in unet.with_ratios(rows, {"float32": 10.0})]
    assert ratios == [2.0, None, None, None, 3.0, None]
    assert rows[0]["share_of_peak"] == 0.5


@pytest.mark.long
def test_a_missing_framework_is_named_and_the_others_go_on(tmp_path):
    out = tmp_path / "result.json"
    options = ["--frameworks", "jax", "keras", "--networks", "default", "--batches", "1", "--seconds", "0"]
    command = [sys.executable, str(BENCHMARKS / "unet.py"), *options, "--out", str(out)]
    if importlib.util.find_spec("keras"):
        pytest.skip("Keras is installed here")
    run = subprocess.run(command, capture_output=True, text=True, check=True, timeout=500)
    assert "keras: left out (ModuleNotFoundError" in run.stderr
    result = json.loads(out.read_text())
    assert [row["task"] for row in result["rows"]] == ["train", "train+augment", "predict"]
    assert all(row["framework"] == "jax" and row["median_ms"] > 0 for row in result["rows"])
    assert str(Path.home()) not in out.read_text()


@pytest.mark.long
def test_building_ten_times_the_galaxies_takes_hardly_more_memory(tmp_path):
    out = tmp_path / "result.json"
    command = [
        sys.executable,
        str(BENCHMARKS / "feeding.py"),
        "--build",
        "1000",
        "10000",
        "--networks",
        "--out",
        str(out),
    ]
    subprocess.run(command, capture_output=True, check=True, timeout=500)
    few, many = json.loads(out.read_text())["builds"]
    assert (few["galaxies"], many["galaxies"]) == (1_000, 10_000)
    assert many["peak_mib"] - few["peak_mib"] < 9_000 * 12_288 / 2**20 / 3  # their pixels alone are 105 MiB
