"""The names that `import flaxgal` offers, and what offering them costs."""

import subprocess
import sys

import pytest

import flaxgal

# What takes time to import and is not needed to read a galaxy or to answer --help.
HEAVY = "jax flax optax orbax grain tensorflow tensorflow_datasets matplotlib skimage photutils napari"


def modules_after(code: str) -> set[str]:
    """The top-level modules that a fresh Python has imported once it has run `code`."""
    report = f"{code}\nimport sys; print('MODULES', *{{name.partition('.')[0] for name in sys.modules}})"
    output = subprocess.run([sys.executable, "-c", report], capture_output=True, text=True, check=True).stdout
    return set(output.rpartition("MODULES")[2].split())


@pytest.mark.parametrize("name", flaxgal.__all__)
def test_every_public_name_resolves_and_is_listed(name):
    assert getattr(flaxgal, name).__name__ == name
    assert name in dir(flaxgal)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'Galaxy'"):
        flaxgal.Galaxy  # noqa: B018


def test_the_lazy_names_are_those_in_all():
    assert sorted(flaxgal._HOME) == sorted(flaxgal.__all__)


def test_importing_flaxgal_imports_nothing_else():
    assert not modules_after("import flaxgal") & {*HEAVY.split(), "numpy", "astropy"}


@pytest.mark.parametrize("module", ["flaxgal.config", "flaxgal.survey.cutout", "flaxgal.labels.store"])
def test_reading_galaxies_and_labels_imports_nothing_heavy(module):
    assert not modules_after(f"import {module}") & set(HEAVY.split())


def test_measuring_imports_no_jax():
    assert not modules_after("import flaxgal.measure.catalogue, flaxgal.measure.flux") & {"jax", "flax"}


@pytest.mark.parametrize("arguments", [["--help"], ["train", "--help"], ["predict", "--help"]])
def test_help_imports_nothing_heavy(arguments):
    code = (
        f"import sys; sys.argv = ['flaxgal', *{arguments}]\n"
        "from flaxgal.cli import main\n"
        "try: main()\n"
        "except SystemExit as end: assert not end.code"
    )
    assert not modules_after(code) & set(HEAVY.split())
