"""One difference between desired and observed state, and the shell script that removes it."""

from __future__ import annotations

from dataclasses import dataclass, field
from difflib import unified_diff
from pathlib import Path
from typing import Literal

Verb = Literal[
    "adopt", "create", "update", "remove", "install", "start", "stop", "enable", "reload", "restart", "issue", "renew"
]


@dataclass(frozen=True)
class Upload:
    """A file to send to a host: `source` is gzip-compressed, `mode` is octal, `mtime` is in seconds since the epoch.

    With `keeps`, the file that is there is not Phoenix's, and a copy of it is kept.
    """

    source: Path
    path: str
    mode: str
    mtime: int
    keeps: bool = False


@dataclass(frozen=True)
class Change:
    """A difference and its correction; `script` is POSIX shell that runs as root on the host."""

    resource: str
    verb: Verb
    reason: str = ""
    diff: str = ""
    script: str = field(default="", repr=False)
    upload: Upload | None = field(default=None, repr=False)
    guard: bool = False
    """A guard makes no change of its own: it checks, commits or restores the changes before it."""

    def __str__(self) -> str:
        return f"{self.verb} {self.resource}" + (f": {self.reason}" if self.reason else "")


def text_diff(path: str, before: str | None, after: str | None) -> str:
    """Format a change of a text as a unified diff; None means that the file does not exist."""
    lines = unified_diff(
        (before or "").splitlines(),
        (after or "").splitlines(),
        path if before is not None else "/dev/null",
        path if after is not None else "/dev/null",
        lineterm="",
        n=2,
    )
    return "\n".join(lines)
