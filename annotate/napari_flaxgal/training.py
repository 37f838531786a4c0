"""Retraining beside the window: `flaxgal retrain` as a process of its own, asked now and then how it stands. No Qt.

A process and not a thread: training takes all cores for minutes, and JAX cannot be stopped from outside.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from flaxgal.labels.scores import read_scores

__all__ = ["Training", "read_scores"]

PHASES = ("not started", "starting", "building", "training", "scoring", "done", "failed", "stopped")
"""What `Training.poll` says; building, training and scoring are `flaxgal retrain`'s own, and come with a note."""
NICE = 10
"""How far training stands back for the window, which is wanted now."""
SECONDS_TO_STOP = 5.0


class Training:
    """One retraining on a store's labels. The owner of its process: stop it, or poll it until it is done or failed.

    Parameters
    ----------
    store_path
        The label store's folder.
    model
        Run to go on from; None for what was retrained last on this store, or a new network.
    options
        More options for `flaxgal retrain`, such as ("--steps", "200").
    """

    def __init__(self, store_path: Path | str, model: Path | None = None, *, options: tuple[str, ...] = ()) -> None:
        self.store_path, self.model, self.options = Path(store_path), model, options
        self._process: subprocess.Popen[bytes] | None = None
        self._said: Any = None
        self._complaint: Any = None
        self._half, self._read_to = b"", 0
        self._last: dict[str, Any] = {}
        self._ended = ""

    @property
    def is_running(self) -> bool:
        """Whether there is a process to wait for."""
        return self._process is not None and not self._ended

    def start(self) -> None:
        """Start the process; a second call does nothing while it runs.

        Raises
        ------
        ValueError
            If it was started before and has ended: one object is one training.
        """
        if self._ended:
            raise ValueError("this training has ended; make another one")
        if self._process is not None:
            return
        model = [] if self.model is None else ["--model", str(self.model)]
        command = [sys.executable, "-m", "flaxgal", "retrain", str(self.store_path), "--json", *model, *self.options]
        # Files and not pipes: nobody has to read while it trains, and it cannot come to a halt at a full pipe.
        self._said, self._complaint = (tempfile.TemporaryFile() for _ in range(2))  # noqa: SIM115 (see _end)
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=self._said,
            stderr=self._complaint,
            env=os.environ | {"XLA_PYTHON_CLIENT_PREALLOCATE": "false"},  # the proposer is on the same GPU
        )
        with contextlib.suppress(AttributeError, OSError):  # no such thing on Windows, or it is over already
            os.setpriority(os.PRIO_PROCESS, self._process.pid, os.getpriority(os.PRIO_PROCESS, 0) + NICE)

    def poll(self) -> tuple[str, float, str]:
        """How it stands: one of `PHASES`, the share of the whole that is done, and words. Takes no time."""
        if self._process is None:
            return "not started", 0.0, ""
        if not self._ended:
            status = self._process.poll()
            self._read()
            if status is not None:
                self._end("done" if status == 0 and self._last.get("phase") == "done" else "failed", status)
        fraction = float(self._last.get("fraction", 0.0))
        return self._ended or self._last.get("phase", "starting"), fraction, str(self._last.get("note", ""))

    def result(self) -> Path:
        """The folder of the trained run.

        Raises
        ------
        ValueError
            If it is not done, or was stopped or failed.
        """
        phase, _, note = self.poll()
        if phase != "done":
            raise ValueError(f"there is no new run: the training is {phase}{f' ({note})' if note else ''}")
        return Path(self._last["run"])

    def stop(self) -> None:
        """End the process, if it runs. What it trained so far is left in its folder, and scored nowhere."""
        if self._process is None or self._ended:
            return
        self._process.terminate()
        try:
            self._process.wait(SECONDS_TO_STOP)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._read()
        self._end("stopped", self._process.returncode)

    def _read(self) -> None:
        """Take in the lines that were said since the last time; a half line waits for its other half."""
        # At a place of its own: the file's position is the child's, which goes on writing there.
        more = os.pread(self._said.fileno(), os.fstat(self._said.fileno()).st_size - self._read_to, self._read_to)
        self._read_to += len(more)
        *lines, self._half = (self._half + more).split(b"\n")
        for line in lines:
            with contextlib.suppress(json.JSONDecodeError):
                said = json.loads(line)
                self._last = said if isinstance(said, dict) else self._last

    def _end(self, phase: str, status: int) -> None:
        """Note how it ended, and in a failure what the process said last."""
        self._ended = phase
        if phase == "failed":
            self._last["note"] = self._complaints() or f"flaxgal retrain ended with exit status {status}"
        for file in (self._said, self._complaint):
            file.close()

    def _complaints(self) -> str:
        """The last line of standard error, without the name of the program."""
        size = os.fstat(self._complaint.fileno()).st_size
        text = os.pread(self._complaint.fileno(), min(size, 20000), max(0, size - 20000)).decode(errors="replace")
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        return lines[-1].removeprefix("flaxgal: ") if lines else ""
