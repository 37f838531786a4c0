"""`python -m napari_flaxgal STORE`, which `flaxgal annotate STORE` becomes: a napari window ready to draw in."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import tyro
from tyro.conf import Positional, arg

from flaxgal.compiled import keep_compiled
from flaxgal.labels.annotating import AnnotateConfig, login_name
from flaxgal.labels.scores import last_run
from flaxgal.labels.store import is_store

__all__ = ["main", "open_store"]

OPENED = AnnotateConfig()


def main(arguments: Sequence[str], *, wait: Callable[[], Any] | None = None) -> int:
    """Open the window of a command line and `wait` until it is closed (napari's own loop); the exit status."""

    def annotate(
        store: Annotated[Positional[Path], arg(metavar="STORE")],
        *,
        config: Annotated[AnnotateConfig, arg(name="")] = OPENED,
    ) -> int:
        """Draw and correct arm masks in napari.

        Args:
            store: The label store's folder.
            config: How it is opened.
        """
        viewer = open_store(store, config)
        if wait is None:
            import napari

            napari.run()
        else:
            wait()
        del viewer
        return 0

    try:
        return tyro.cli(annotate, prog="flaxgal annotate", args=arguments)
    except (ValueError, OSError) as error:
        sys.stderr.write(f"flaxgal: {error}\n")
        return 2


def open_store(store: Path, config: AnnotateConfig = OPENED) -> Any:
    """The napari viewer with a label store open in it, as `flaxgal annotate` opens it.

    Raises
    ------
    ValueError
        If there is no store or no such run, or this computer cannot show a window.
    """
    if not is_store(store):
        raise ValueError(f"{store}: no label store here (no store.json); start one with: flaxgal store add {store} …")
    model = last_run(store) if config.model is None else config.model
    if model is not None and not (model / "config.json").is_file():
        raise ValueError(f"{model}: not a run folder (no config.json in it); give a folder that `flaxgal train` made")
    annotator = config.annotator.strip() or login_name()
    if not annotator:
        raise ValueError("this computer does not say who is logged in; say who draws: --annotator NAME")
    check_screen()
    keep_compiled()
    try:
        from napari_flaxgal.widget import open_window
    except ImportError as error:  # qtpy's own error is one, too
        raise ValueError(
            f"napari cannot open a window ({error}); install it with: pip install 'flaxgal[annotate]', and on Debian "
            f"what .ci/window_packages.sh names"
        ) from None
    return open_window(
        store=store,
        annotator=annotator,
        model=model,
        order=config.queue_order,
        show=config.show,
        catalogue=config.catalogue,
        repeats=config.repeats,
        classes=config.classes,
    )


def check_screen() -> None:
    """Refuse in a sentence where Qt would end the program without one.

    Raises
    ------
    ValueError
        If there is no screen to show a window on.
    """
    screens = ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")  # the last: somebody knows what he is doing
    if sys.platform.startswith("linux") and not any(os.environ.get(name) for name in screens):
        raise ValueError(
            "there is no screen to open a window on (DISPLAY is not set); log in with one, or through ssh -X"
        )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
