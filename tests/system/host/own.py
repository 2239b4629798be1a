"""Runs runbooks/lab.py for a lab in its own directory, as an operator would."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass

from phoenix.lab.places import LabPlaces
from tests.support.places import ROOT

LIMIT = 280


@dataclass(frozen=True)
class OwnLab:
    """A lab in its own directory, controlled by its command line."""

    places: LabPlaces

    def start(self, *words: str) -> subprocess.Popen[bytes]:
        """Start `runbooks/lab.py` with these arguments."""
        return subprocess.Popen(
            [sys.executable, "runbooks/lab.py", *words],
            cwd=ROOT,
            env={**os.environ, "PHOENIX_LAB": str(self.places.lab)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def run(self, *words: str, data: bytes = b"", limit: float = LIMIT) -> subprocess.CompletedProcess[bytes]:
        """Run `runbooks/lab.py` with these arguments to its end."""
        with self.start(*words) as process:
            try:
                out, err = process.communicate(data, timeout=limit)
            finally:
                process.kill()
        return subprocess.CompletedProcess(words, process.returncode, out, err)

    def inside(self, host: str, *command: str) -> str:
        """Run a command in a host of the lab that must succeed; return its output."""
        done = self.run("exec", host, "--", *command, limit=60)
        assert done.returncode == 0, (command, done.stdout, done.stderr)
        return done.stdout.decode()

    def up(self) -> None:
        """Bring the lab up."""
        done = self.run("up")
        assert done.returncode == 0, done.stderr.decode()
