"""Run a program with a time limit; what fails says which program and why."""

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass


class CommandFailed(Exception):  # noqa: N818 - reads as what happened
    """A program ended badly or took too long."""


@dataclass(frozen=True)
class CommandResult:
    """What a program left behind."""

    code: int
    out: bytes
    err: bytes


def run(*argv: str, feed: bytes | None = None, limit: float = 60, check: bool = True) -> CommandResult:
    """Run a program to its end, at most ``limit`` seconds."""
    try:
        done = subprocess.run(argv, capture_output=True, timeout=limit, input=feed or b"", check=False)
    except subprocess.TimeoutExpired:
        raise CommandFailed(f"command '{_shown(argv)}' failed: got timeout after {limit:g} s") from None
    except OSError as error:
        raise CommandFailed(f"command '{_shown(argv)}' failed: {error}") from None
    if check and done.returncode:
        text = done.stderr.decode(errors="replace").strip()[-400:]
        raise CommandFailed(f"command '{_shown(argv)}' failed: exit code {done.returncode}: {text}")
    return CommandResult(done.returncode, done.stdout, done.stderr)


def _shown(argv: Sequence[str]) -> str:
    return " ".join(argv)[:200]
