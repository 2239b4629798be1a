"""Runs programs inside the hypervisor with a time limit; an error names the program and the reason."""

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass


class CommandError(Exception):
    """A program failed, could not be run, or exceeded its time limit."""


@dataclass(frozen=True)
class CommandResult:
    """A program's exit code and output."""

    code: int
    out: bytes
    err: bytes


def run(*argv: str, feed: bytes | None = None, limit: float = 60, check: bool = True) -> CommandResult:
    """Run a program; raise CommandError after ``limit`` seconds or, with ``check``, for an exit code other than 0."""
    try:
        done = subprocess.run(argv, capture_output=True, timeout=limit, input=feed or b"", check=False)
    except subprocess.TimeoutExpired:
        raise CommandError(f"command '{_shown(argv)}' failed: got timeout after {limit:g} s") from None
    except OSError as error:
        raise CommandError(f"command '{_shown(argv)}' failed: {error}") from None
    if check and done.returncode:
        text = done.stderr.decode(errors="replace").strip()[-400:]
        raise CommandError(f"command '{_shown(argv)}' failed: exit code {done.returncode}: {text}")
    return CommandResult(done.returncode, done.stdout, done.stderr)


def _shown(argv: Sequence[str]) -> str:
    return " ".join(argv)[:200]
