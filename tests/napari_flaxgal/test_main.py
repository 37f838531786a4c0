"""`flaxgal annotate`: the options reach the window, mistakes are answered in one sentence before one opens."""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from windows import settle

import flaxgal.cli
from flaxgal.labels.queue import Order
from flaxgal.labels.scores import append_score, runs_folder
from flaxgal.labels.store import Store
from flaxgal.survey.cutout import Cutout
from napari_flaxgal.__main__ import main


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A store of three galaxies."""
    made = Store.create(tmp_path / "labels")
    for k in range(3):
        light = np.random.default_rng(k).normal(5, 1, (3, 32, 32)).astype(np.float32)
        made.add(Cutout(object_id=f"g{k}", flux=light, bands=("g", "r", "i"), unit="nJy", pixel_scale_arcsec=0.168))
    return made.path


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[dict]:
    """What `open_window` was asked for; no window opens."""
    asked: list[dict] = []
    widget = SimpleNamespace(open_window=lambda **options: asked.append(options))
    monkeypatch.setitem(sys.modules, "napari_flaxgal.widget", widget)
    monkeypatch.setenv("DISPLAY", ":0")
    return asked


def run_folder(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    return folder


def no_wait() -> None:
    """In place of napari's loop."""


def test_every_option_reaches_the_window(store, opened, tmp_path):
    model = run_folder(tmp_path / "run")
    options = f"--model {model} --annotator anna --order column --column mag --descending --show all --repeats 0.2"
    assert main([str(store), *options.split(), "--classes", "arm", "--catalogue", "a table.fits"], wait=no_wait) == 0
    assert opened == [
        {
            "store": store,
            "annotator": "anna",
            "model": model,
            "order": Order(name="column", column="mag", descending=True),
            "show": "all",
            "catalogue": Path("a table.fits"),
            "repeats": 0.2,
            "classes": ("arm",),
        }
    ]


def test_who_is_logged_in_draws_unless_somebody_else_is_named(store, opened, monkeypatch):
    monkeypatch.setenv("LOGNAME", "vera")
    assert main([str(store)], wait=no_wait) == 0
    assert opened[0]["annotator"] == "vera"
    assert opened[0]["order"] == Order()


def test_the_run_that_was_retrained_last_guesses_unless_another_is_named(store, opened, tmp_path):
    main([str(store)], wait=no_wait)
    trained = run_folder(runs_folder(store) / "retrained")
    append_score(store, {"run": "retrained", "dice": 0.5})
    main([str(store)], wait=no_wait)
    other = run_folder(tmp_path / "other")
    main([str(store), "--model", str(other)], wait=no_wait)
    assert [asked["model"] for asked in opened] == [None, trained, other]


def no_login(monkeypatch):
    monkeypatch.setattr("getpass.getuser", lambda: (_ for _ in ()).throw(KeyError("uid not found: 1234")))


def no_screen(monkeypatch):
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        monkeypatch.delenv(name, raising=False)


def no_napari(monkeypatch):
    monkeypatch.setitem(sys.modules, "napari_flaxgal.widget", None)


def nothing(monkeypatch):
    pass


@pytest.mark.parametrize(
    ("lacks", "options", "named"),
    [
        (nothing, ["--model", "no-run"], "no-run: not a run folder"),
        (nothing, ["--repeats", "2"], "a chance from 0 to 1"),
        (nothing, ["--order", "column"], "--catalogue"),
        (no_login, [], "--annotator NAME"),
        (no_screen, [], "there is no screen"),
        (no_napari, [], "pip install 'flaxgal[annotate]'"),
    ],
)
def test_a_mistake_is_answered_by_one_sentence(lacks, options, named, store, opened, monkeypatch, capsys):
    lacks(monkeypatch)
    assert main([str(store), *options], wait=no_wait) == 2
    said = capsys.readouterr().err.strip()
    assert said.startswith("flaxgal: ")
    assert named in said
    assert "\n" not in said
    assert opened == []


def test_a_folder_that_is_no_store_is_refused_and_not_made_one(tmp_path, opened, capsys):
    assert main([str(tmp_path / "no-store")], wait=no_wait) == 2
    assert "no label store here" in capsys.readouterr().err
    assert not (tmp_path / "no-store").exists()


def test_the_command_becomes_the_plugins_program_with_the_same_options(store, opened, monkeypatch):
    replaced: list[list[str]] = []
    monkeypatch.setattr(os, "execv", lambda program, arguments: replaced.append([program, *arguments]) or sys.exit(0))
    options = ["--annotator", "Zoë B", "--order", "random", "--seed", "3", "--show", "flagged"]
    with pytest.raises(SystemExit):
        flaxgal.cli.run(["annotate", str(store), *options])
    (program, name, *arguments) = replaced[0]
    assert (program, name, arguments[:2]) == (sys.executable, sys.executable, ["-m", "napari_flaxgal"])
    main(arguments[2:], wait=no_wait)
    main([str(store), *options], wait=no_wait)
    assert opened[0] == opened[1]
    assert opened[0]["annotator"] == "Zoë B"


def test_without_a_screen_the_command_itself_says_so_at_once(store):
    without = {name: value for name, value in os.environ.items() if not name.endswith("DISPLAY") and name[:3] != "QT_"}
    command = [sys.executable, "-m", "flaxgal", "annotate", str(store)]
    done = subprocess.run(command, capture_output=True, text=True, env=without, timeout=120, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("flaxgal: there is no screen")
    assert len(done.stderr.splitlines()) == 1


def test_without_the_plugin_the_command_says_what_to_install(store, monkeypatch, capsys):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert flaxgal.cli.run(["annotate", str(store)]) == 2
    assert "pip install 'flaxgal[annotate]'" in capsys.readouterr().err


def test_the_window_opens_on_the_first_galaxy_with_the_dock_beside_it(store, display):
    import napari

    seen = {}

    def look() -> None:
        settle(200)
        viewer = napari.current_viewer()
        seen["visible"] = viewer.window._qt_window.isVisible()
        seen["docks"] = list(viewer.window.dock_widgets)
        seen["shapes"] = {layer.data.shape[:2] for layer in viewer.layers if layer.ndim == 2 and len(layer.data)}
        viewer.close()

    assert main([str(store), "--annotator", "anna"], wait=look) == 0
    assert seen["visible"]
    assert any("flaxgal" in name for name in seen["docks"])
    assert (32, 32) in seen["shapes"]
