"""What a process runs on: versions, devices and the commit of the code."""

from __future__ import annotations

import importlib.metadata
import platform
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jax

import flaxgal

__all__ = ["environment"]

PACKAGES = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "grain", "numpy")


def environment(snapshots: Sequence[Mapping[str, Any]] = ()) -> dict[str, Any]:
    """What this process runs on: versions, devices, commit, command line. No host name, no user name."""
    devices = jax.devices()
    return {
        "started_utc": datetime.now(UTC).isoformat(timespec="seconds"),
        "flaxgal": flaxgal.__version__,
        "git_commit": _commit(Path(__file__).parent),
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in PACKAGES},
        "device": {"platform": devices[0].platform, "kind": devices[0].device_kind, "count": len(devices)},
        "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
        "snapshots": [dict(snapshot) for snapshot in snapshots],
    }


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _commit(folder: Path) -> str | None:
    """The commit of the checkout that this code runs from, with "+changes" when it was edited since."""
    git, here = ["git", "-C", str(folder)], Path(__file__).name
    try:
        commit = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, timeout=10, check=True)
        # a repository that merely surrounds an installed package says nothing about it
        subprocess.run([*git, "ls-files", "--error-unmatch", here], capture_output=True, timeout=10, check=True)
        edited = subprocess.run([*git, "diff", "--quiet", "HEAD", "--", "."], timeout=10, check=False).returncode
    except (OSError, subprocess.SubprocessError):
        return None
    return commit.stdout.strip() + ("+changes" if edited else "")
