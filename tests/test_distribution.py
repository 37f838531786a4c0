"""The files that make the project installable agree with each other."""

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions, requires
from pathlib import Path

import pytest

import flaxgal

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
LOCK = (ROOT / "requirements.lock").read_text()


def distribution(requirement: str) -> str:
    """The name at the start of a requirement, as package indexes normalise it."""
    return re.sub(r"[-_.]+", "-", re.match(r"[\w.-]+", requirement)[0].lower())


PINNED = {distribution(line) for line in LOCK.splitlines() if re.match(r"[\w.-]+==", line)}
EXTRAS = [
    requirement
    for extra in PROJECT["optional-dependencies"].values()
    for requirement in extra
    if distribution(requirement) != "flaxgal"  # an extra may name another one: flaxgal[annotate]
]


CORE = {distribution(requirement) for requirement in PROJECT["dependencies"]}
NEEDED_TO_CONVERT = {"safetensors", "torch"}  # imported by flaxgal convert alone, when it is given such a file
NEEDED_FOR_A_CLUSTER = {"distributed"}  # imported by flaxgal.distribute alone, when it is given --dask
# astropy reads and writes Parquet with the first two, photutils parts blended sources with the last
NEEDED_THROUGH_ANOTHER = {"pandas", "pyarrow", "scikit-image"}


def imported(folder: Path) -> set[str]:
    """The distributions of others that the files of a folder import."""
    names = set()
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names.add(node.module.partition(".")[0])
    owners = packages_distributions()
    outside = names - set(sys.stdlib_module_names) - {"flaxgal", "napari_flaxgal"}
    # Many distributions put something under a shared name: orbax belongs to whichever of them is declared.
    declared = {name: {distribution(owner) for owner in owners.get(name, [name])} for name in outside}
    return {min(owners & CORE or owners) for owners in declared.values()}


def test_the_core_dependencies_are_what_the_library_imports():
    assert (imported(ROOT / "flaxgal") | NEEDED_THROUGH_ANOTHER) - NEEDED_TO_CONVERT - NEEDED_FOR_A_CLUSTER == CORE


def test_the_plugin_imports_only_core_dependencies_and_what_napari_itself_needs():
    with_napari = {distribution(needed) for needed in requires("napari") if "extra ==" not in needed}
    assert {"qtpy", "scikit-image"} <= with_napari
    assert imported(ROOT / "annotate") <= CORE | {"napari"} | with_napari


def test_no_qt_binding_is_needed_but_by_those_who_have_the_window():
    needing = [name for name, needed in PROJECT["optional-dependencies"].items() if "pyside6" in " ".join(needed)]
    assert needing == ["annotate"]
    assert not any("pyside6" in requirement for requirement in PROJECT["dependencies"])


@pytest.mark.parametrize("requirement", [*PROJECT["dependencies"], *EXTRAS])
def test_the_lock_pins_every_dependency(requirement):
    assert distribution(requirement) in PINNED


def test_the_lock_has_exact_versions_and_no_address():
    pins = [line for line in LOCK.splitlines() if line and not line.startswith("#")]
    assert all(re.match(r"[\w.-]+==[\w.]+(\s|$)", line) for line in pins)
    assert not re.search(r"://|--|/(home|work|root|tmp|opt)/", LOCK)


def test_the_lock_keeps_jax_0_10_for_python_3_11_and_has_a_newer_one_beyond():
    versions = dict(re.findall(r"^jax==([\d.]+) ; python_full_version (<|>=) '3\.12'", LOCK, re.M))
    older, newer = (next(version for version, side in versions.items() if side == sign) for sign in ("<", ">="))
    assert older.startswith("0.10.")
    assert tuple(map(int, newer.split(".")[:2])) > (0, 10)


def test_the_version_is_the_same_everywhere():
    assert re.search(r"^version: (\S+)$", (ROOT / "CITATION.cff").read_text(), re.M)[1] == flaxgal.__version__
    assert re.search(r"^## \[([\d.]+)\]", (ROOT / "CHANGELOG.md").read_text(), re.M)[1] == flaxgal.__version__
