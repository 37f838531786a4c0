"""The table of actions: every key does one thing, and none takes a key that napari already has."""

import pytest
from app_model.types import KeyBinding
from napari.components import ViewerModel
from napari.layers import Image, Labels, Points, Shapes
from napari.settings import get_settings
from npe2 import PluginManifest

from napari_flaxgal.comparing import Comparison
from napari_flaxgal.guessing import Guesses
from napari_flaxgal.keys import ACTIONS, help_lines
from napari_flaxgal.tracing import Tracer
from napari_flaxgal.workbench import Workbench

SHARED = {"Ctrl+Z": ("undo", "remove_trace_point"), "Ctrl+Shift+Z": ("redo",)}
"""Keys that mean the same in napari."""


def spelled(key: str) -> str:
    return str(KeyBinding.from_str(key.replace("Control", "Ctrl").replace("-", "+") if len(key) > 1 else key))


def napari_keys(*kinds) -> set[str]:
    """Keys of napari's own: of the viewer, of its menus, and of layers of some kinds."""
    from napari._app_model import get_app_model

    named = [kind.__name__.lower() for kind in kinds]
    found = {spelled(str(key)) for kind in (ViewerModel, *kinds) for key in kind.class_keymap}
    for name, keys in get_settings().shortcuts.shortcuts.items():
        layer = next((kind for kind in ("labels", "points", "shapes", "image") if f"_{kind}_" in name), "")
        if not layer or layer in named:
            found |= {spelled(str(key)) for key in keys}
    found |= {str(item.keybinding) for item in get_app_model().keybindings}
    assert "Ctrl+Shift+P" in found  # the table of menus is filled by a window only
    return found


def test_keys_that_always_work_clash_with_none_of_napari_s(window):
    theirs = napari_keys(Labels, Points, Shapes, Image)
    mine = {spelled(row.key): row.name for row in ACTIONS if row.where == "anywhere"}
    assert {key: name for key, name in mine.items() if key in theirs and name not in SHARED.get(key, ())} == {}


def test_keys_for_tracing_clash_with_none_that_napari_has_on_points(window):
    theirs = napari_keys(Points)
    mine = {spelled(row.key): row.name for row in ACTIONS if row.where == "tracing"}
    allowed = {"Enter", "Escape"}  # napari's settings list them for polygons and shapes, which are not active then
    clashes = {key: name for key, name in mine.items() if key in theirs - allowed and name not in SHARED.get(key, ())}
    assert {key for key in clashes if key not in ("[", "]")} == set()


@pytest.mark.parametrize("where", ["anywhere", "tracing"])
def test_no_key_means_two_things(where):
    keys = [spelled(row.key) for row in ACTIONS if row.where == where]
    assert len(keys) == len(set(keys))


@pytest.mark.parametrize("row", ACTIONS, ids=lambda row: row.name)
def test_every_action_is_a_method_with_a_sentence_and_its_key_in_the_tooltip(row):
    owners = {"": Workbench, "tracer": Tracer, "guesses": Guesses, "comparison": Comparison}
    assert callable(getattr(owners[row.owner], row.name))
    assert row.key in row.tooltip
    assert len(row.tip.split()) >= 3


def test_the_help_panel_names_every_key_and_napari_s_drawing_keys():
    listed = {key for _, key, _ in help_lines()}
    assert {row.key for row in ACTIONS} <= listed
    assert any("brush" in words for _, _, words in help_lines())


def test_the_manifest_has_a_command_and_a_key_for_every_action():
    manifest = PluginManifest.from_distribution("flaxgal").contributions
    commands = {command.id.removeprefix("flaxgal."): command for command in manifest.commands}
    bound = {item.command.removeprefix("flaxgal."): item.key for item in manifest.keybindings}
    for row in ACTIONS:
        assert commands[row.name].title == f"{row.title}: {row.tip}"
        assert commands[row.name].python_name == f"napari_flaxgal.commands:{row.name}"
    assert bound == {row.name: spelled(row.key) for row in ACTIONS if row.where == "anywhere"}
