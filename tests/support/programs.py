"""A directory that a program of the product takes for its host: stand-ins first on PATH, and paths moved into it."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from phoenix.connections.shell import wrap_script

SYSTEM = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class ProgramHost:
    """Runs programs in a directory, and notes how they call the stand-ins."""

    def __init__(self, here: Path) -> None:
        self.here = here
        self.bin = here / "bin"
        self.bin.mkdir()
        (here / "run").mkdir()

    def stand_in(self, name: str, body: str = "") -> None:
        """Put a shell script in the place of a command; each call is noted with its arguments."""
        note = f'printf "%s\\n" "{name} $*" >>"$HERE/calls"'
        (self.bin / name).write_text(f"#!/bin/sh\n{note}\n{body}\n")
        (self.bin / name).chmod(0o755)

    @property
    def calls(self) -> list[str]:
        """The calls of stand-ins so far, with paths as the program wrote them."""
        file = self.here / "calls"
        return file.read_text().replace(str(self.here), "").splitlines() if file.exists() else []

    def run(self, text: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a script as a shell of the host does: by standard input."""
        return self._run(["/bin/sh", "-s"], wrap_script(self._moved(text)).decode(), environment)

    def execute(self, text: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a program as the host does that has it in a file."""
        file = self.here / "program"
        file.write_text(self._moved(text))
        return self._run(["/bin/sh", str(file), *arguments], "", environment)

    def _moved(self, text: str) -> str:
        text = re.sub(r"export PATH=\S+", f"export PATH={self.bin}:{SYSTEM}", text)
        return text.replace("/run/phoenix", f"{self.here}/run/phoenix")

    def _run(self, command: list[str], given: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
        variables = {"PATH": f"{self.bin}:{SYSTEM}", "HERE": str(self.here), **environment}
        return subprocess.run(
            command, input=given, env=variables, capture_output=True, text=True, check=False, timeout=30
        )
