"""Everything an annotator can do, in one table: its key, its button's words and what they mean.

The buttons and their tooltips, the key bindings, the help panel and the plugin's manifest are all made from it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["ACTIONS", "NAPARI_KEYS", "NAPARI_TOOLS", "Action", "action", "help_lines"]

Where = Literal["anywhere", "tracing"]


@dataclass(frozen=True, kw_only=True)
class Action:
    """One thing an annotator can do."""

    name: str
    """Of the method that does it, of `Workbench` or of its part `owner`."""
    key: str
    """In napari's spelling."""
    title: str
    """On the button."""
    tip: str
    """What it does, in a sentence."""
    group: str
    where: Where = "anywhere"
    """Whether the key always works, or only while an arm is being traced."""

    @property
    def owner(self) -> str:
        """The part of the workbench whose method it is; empty for the workbench itself."""
        return {"Tracing": "tracer", "Model": "guesses", "Review": "comparison"}.get(self.group, "")

    @property
    def tooltip(self) -> str:
        """The sentence and the key."""
        return f"{self.tip} [{self.key}]"


ACTIONS = tuple(
    Action(name=name, key=key, title=title, tip=tip, group=group)
    for group, rows in {
        "Galaxies": (
            ("commit", "W", "Commit", "Save the drawing as a revision and go to the next galaxy"),
            ("commit_no_arms", "Shift-W", "No arms", "Save that this galaxy has no arms and go to the next one"),
            ("next_galaxy", "N", "Next", "Go to the next galaxy; an unfinished drawing waits where it is"),
            ("previous_galaxy", "Shift-N", "Previous", "Go back to the galaxy before"),
            ("skip", "K", "Skip", "Go on and note that you skipped this galaxy"),
            ("flag", "J", "Flag", "Mark this galaxy for a second look, or take the mark away"),
            ("jump", "Shift-J", "Jump", "Go to the galaxy whose id you type"),
            ("discard", "Shift-K", "Throw away", "Go back to what was committed last; undo brings the drawing back"),
        ),
        "Seeing": (
            ("next_band", "U", "Band", "Show the colour picture, then each band by itself"),
            ("fainter", "Up", "Fainter", "Stretch towards the faint outskirts"),
            ("brighter", "Down", "Brighter", "Stretch towards the bright core"),
            ("show_residual", "Shift-R", "Residual", "Show what is left when smooth light is subtracted, or go back"),
            ("show_polar", "Shift-Y", "Polar", "Show ln r against azimuth in the disc's plane, or go back"),
            ("toggle_bad_pixels", "Shift-B", "Bad pixels", "Show or hide the pixels that the survey calls bad"),
            ("toggle_drawing", "H", "Hide drawing", "Hide or show everything drawn"),
        ),
        "Drawing": (
            ("choose_arm", "8", "Arm", "Draw spiral arms"),
            ("choose_bar", "9", "Bar", "Draw the bar"),
            ("choose_uncertain", "0", "Uncertain", "Draw pixels that you would not decide: training leaves them out"),
            ("undo", "Control-Z", "Undo", "Take back the last stroke, trace or guess"),
            ("redo", "Control-Shift-Z", "Redo", "Do again what was taken back"),
        ),
        "Tracing": (
            ("trace", "Q", "Trace arm", "Click along an arm's ridge to lay a smooth arm; drag points and the width"),
            ("toggle_snap", "Shift-Q", "Snap", "Have clicks jump to the nearest ridge of light, or not"),
        ),
        "Model": (
            ("propose", "G", "Guess", "Fill in the model's guess wherever you have not drawn by hand"),
            ("discard_proposal", "Shift-G", "Discard guess", "Take the model's guess out again"),
            (
                "toggle_at_once",
                "Shift-T",
                "At once",
                "Guess as soon as a galaxy without marks is opened, or not",
            ),
            ("raise_threshold", ".", "Less", "Raise the probability above which the guess is arm"),
            ("lower_threshold", ",", "More", "Lower the probability above which the guess is arm"),
        ),
        "Review": (
            ("review", "Shift-E", "Compare", "Show two revisions of this galaxy side by side, or go back to drawing"),
            ("next_pair", "PageDown", "Next pair", "Show the next two revisions of this galaxy"),
            ("previous_pair", "PageUp", "Previous pair", "Show the two revisions before"),
            ("pick_left", "Control-1", "Pick left", "The left mask is the better one"),
            ("pick_right", "Control-2", "Pick right", "The right mask is the better one"),
            ("pick_neither", "Control-3", "As good", "The two masks are equally good"),
            ("blind_comparison", "Shift-D", "Blind test", "Judge pairs of masks without knowing whose they are"),
        ),
        "Progress": (
            (
                "retrain",
                "Control-Shift-R",
                "Retrain",
                "Build a snapshot of all labels and train on it in the background",
            ),
            ("show_keys", "Shift-H", "Keys", "Show or hide the list of keys"),
        ),
    }.items()
    for name, key, title, tip in rows
) + tuple(
    Action(name=name, key=key, title=title, tip=tip, group="Tracing", where="tracing")
    for name, key, title, tip in (
        ("commit_trace", "Enter", "Lay arm", "Draw the traced arm"),
        ("cancel_trace", "Escape", "Cancel", "Forget the traced arm"),
        ("remove_trace_point", "Control-Z", "Remove point", "Take back the last point of the trace"),
        ("follow_ridge", "Shift-F", "Follow ridge", "Lay further points along the ridge between those you clicked"),
        ("wider_trace", "]", "Wider", "Make the traced arm wider"),
        ("narrower_trace", "[", "Narrower", "Make the traced arm narrower"),
    )
)

NAPARI_KEYS = (
    ("2", "brush (P)"),
    ("1", "eraser (E)"),
    ("3", "polygon: click the corners, Enter closes it"),
    ("4", "fill (F)"),
    ("6", "move the picture (Z); so does holding Space"),
    ("[  ]", "smaller or larger brush"),
    ("B", "draw over background alone, so that a bar stays when an arm is painted across it"),
)
"""napari's own keys that help while drawing."""


NAPARI_TOOLS = {
    "paint": ("2", "P"),
    "erase": ("1", "E"),
    "polygon": ("3",),
    "fill": ("4", "F"),
    "pan_zoom": ("6", "Z"),
}
"""napari's tools for a drawing, and its keys for them."""


def action(name: str) -> Action:
    """The row of a name."""
    return next(row for row in ACTIONS if row.name == name)


def help_lines() -> list[tuple[str, str, str]]:
    """(group, key, sentence) for the help panel, napari's own drawing keys with them."""
    lines = [(row.group, row.key, row.tip) for row in ACTIONS]
    place = max(number for number, line in enumerate(lines) if line[0] == "Drawing") + 1
    lines[place:place] = [("Drawing", key, f"napari's {words}") for key, words in NAPARI_KEYS]
    return sorted(lines, key=lambda line: [row.group for row in ACTIONS].index(line[0]))
