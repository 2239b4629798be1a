"""Runs programs with a time limit that includes their children; `stop` ends all of them."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Protocol

from phoenix.artifacts.errors import ArtifactError

TAIL = 1500  # characters of a program's standard error in a message


class RunProgram(Protocol):
    """Runs programs and returns their output; tests pass their own."""

    def __call__(self, *command: str, limit: float, environment: Mapping[str, str] | None = None) -> str:
        """Run a program to its end, or end it at the limit."""

    def stop(self) -> None:
        """End the running programs; refuse to start another."""


class ProgramRunner:
    """Runs programs on this machine. Thread-safe; `stop` serves Ctrl-C."""

    def __init__(self) -> None:
        self._alive: set[int] = set()
        self._stopped = False
        self._lock = threading.Lock()

    def __call__(self, *command: str, limit: float, environment: Mapping[str, str] | None = None) -> str:
        """Run a program to its end, or end it with its children at the limit."""
        with self._start(command, {**os.environ, **(environment or {})}) as process:
            try:
                out, err = process.communicate(timeout=limit)
            except subprocess.TimeoutExpired:
                raise ArtifactError(f"{_short(command)} was ended after {limit:.0f} s") from None
            finally:
                # A remaining compiler would write into a folder that is being removed.
                with self._lock:
                    self._alive.discard(process.pid)
                    _kill(process.pid)
        if process.returncode:
            raise ArtifactError(f"{_short(command)} failed ({process.returncode}): {err.strip()[-TAIL:]}")
        return out

    def stop(self) -> None:
        """End the running programs with their children; refuse to start another."""
        with self._lock:
            self._stopped = True
            for group in self._alive:
                _kill(group)

    def _start(self, command: Sequence[str], environment: Mapping[str, str]) -> subprocess.Popen[str]:
        with self._lock:
            if self._stopped:
                raise ArtifactError(f"{_short(command)} was not started: stopping")
            try:
                process = subprocess.Popen(
                    command,
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    text=True,
                    start_new_session=True,
                )
            except OSError as error:
                raise ArtifactError(f"{command[0]} could not be started: {error.strerror}") from error
            self._alive.add(process.pid)
            return process


def _kill(group: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)


def _short(command: Sequence[str]) -> str:
    return " ".join(command[:6])
