"""How the user started Phoenix, so that hints name commands in the same form: `phoenix NAME` or a runbook's file."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path


def command(name: str, *arguments: str) -> str:
    """Write a command line of Phoenix that the user can run."""
    if not _started_a_runbook():
        return shlex.join(("phoenix", name, *arguments))
    python = "python" if "VIRTUAL_ENV" in os.environ else ".venv/bin/python"
    return shlex.join((python, f"runbooks/{name}.py", *arguments))


def program(name: str) -> str:
    """Name a command as its usage line shows it."""
    return f"{name}.py" if _started_a_runbook() else f"phoenix {name}"


def _started_a_runbook() -> bool:
    script = Path(sys.argv[0])
    is_runbook = script.suffix == ".py" and script.stem != "__main__"
    return is_runbook and script.absolute().parent.name == "runbooks"
