"""What a benchmark ran on, in words, without names of hosts or folders."""

import datetime as dt
import os
import platform
import subprocess
from pathlib import Path

__all__ = ["describe"]


def describe() -> dict:
    """Processor, cores, memory, Python, commit of this checkout and how busy the machine was."""
    return {
        "date_utc": dt.datetime.now(dt.UTC).strftime("%Y-%m-%d %H:%M"),
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "python": platform.python_version(),
        "system": platform.system(),
        "commit": _commit(),
        "load_average_before": round(os.getloadavg()[0], 2),
    }


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if not cpuinfo.exists():
        return platform.processor()
    fields = dict(line.split(":", 1) for line in cpuinfo.read_text().splitlines() if ":" in line)
    fields = {name.strip(): value.strip() for name, value in fields.items()}
    vectors = [name for name in ("avx2", "avx512f", "amx_tile") if name in fields.get("flags", "").split()]
    return f"{fields.get('model name', platform.processor())} ({' '.join(vectors)})"


def _commit() -> str:
    """The checkout's commit, with a + when files differ from it; empty outside a checkout."""
    git = ["git", "-C", str(Path(__file__).resolve().parent)]
    try:
        commit = subprocess.run([*git, "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True)
        changed = subprocess.run([*git, "status", "--porcelain", "-uno"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return commit.stdout.strip() + ("+" if changed.stdout.strip() else "")
