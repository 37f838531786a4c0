"""What every test stands on: JAX on two CPU devices, strict about ranks; shapes checked; real galaxies if given."""

import os
from collections import Counter
from pathlib import Path

import pytest

# Before JAX is imported, and in the environment, so that the command lines which tests start have them too.
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("JAX_NUMPY_RANK_PROMOTION", "raise")
os.environ["XLA_FLAGS"] = f"--xla_force_host_platform_device_count=2 {os.environ.get('XLA_FLAGS', '')}"
os.environ.setdefault("MPLBACKEND", "agg")
os.environ["NAPARI_CONFIG"] = ""  # napari's settings are neither read nor written: a user's own do not change a test
# Compiled functions are kept from test to test and from run to run: making and differentiating one U-Net takes 13 s of
# compilation without it, 2 s with it.
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(Path(__file__).parents[1] / ".cache" / "jax"))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")

from jaxtyping import install_import_hook

# The shapes and types in signatures are checked at every call, here and nowhere else.
install_import_hook(["flaxgal", "napari_flaxgal"], "beartype.beartype")

# No test cuts the power, and tens of thousands of files would be waited for: a test's own process syncs nothing. That
# the right files are synced is told by watching the calls; the command lines that tests start sync in earnest.
os.fsync = os.fdatasync = lambda descriptor: None


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--real-data",
        type=Path,
        metavar="DIR",
        help="a folder of real galaxies; tests that need one are skipped without",
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with long tests first, then those with many, lest one process be left with a long file at the end."""
    long = {item.path for item in items if item.get_closest_marker("long")}
    number = Counter(item.path for item in items)
    items.sort(key=lambda item: (item.path not in long, -number[item.path]))


@pytest.fixture(scope="session")
def real_data(request: pytest.FixtureRequest) -> Path:
    """The folder of real galaxies."""
    folder = request.config.getoption("--real-data")
    if folder is None:
        pytest.skip("needs real galaxies: give their folder by --real-data=DIR (make test REAL_DATA=DIR)")
    if not folder.is_dir():
        pytest.fail(f"--real-data {folder}: no such folder")
    return folder.resolve()


@pytest.fixture(scope="module")
def straight(config, tmp_path_factory) -> Path:
    """The folder of a run that nothing disturbed, of the config that the tests' own module has."""
    from flaxgal.train import train

    folder = tmp_path_factory.mktemp("runs") / "straight"
    list(train(config, folder))
    return folder
