"""Running a program with a time limit that its children obey too."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Protocol

from phoenix.artifacts.errors import ArtifactError

TAIL = 1500  # characters of a program's complaint that are worth showing


class Run(Protocol):
    """Runs a program and returns what it printed; tests put their own here."""

    def __call__(self, *command: str, limit: float, environment: Mapping[str, str] | None = None) -> str:
        """Run to the end or to the limit."""


def run(*command: str, limit: float, environment: Mapping[str, str] | None = None) -> str:
    """Run a program to its end, or end it and its children at the limit."""
    env = {**os.environ, **(environment or {})}
    try:
        process = subprocess.Popen(
            command,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
    except OSError as error:
        raise ArtifactError(f"{command[0]} could not be started: {error.strerror}") from error
    with process:
        try:
            out, err = process.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            raise ArtifactError(f"{_short(command)} was ended after {limit:.0f} s") from None
        finally:
            # Also on Ctrl-C: a compiler left behind would go on writing into a folder that is being removed.
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
    if process.returncode:
        raise ArtifactError(f"{_short(command)} failed ({process.returncode}): {err.strip()[-TAIL:]}")
    return out


def _short(command: Sequence[str]) -> str:
    return " ".join(command[:6])
