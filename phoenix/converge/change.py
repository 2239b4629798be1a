"""One difference between desired and observed, and the shell that removes it."""

from __future__ import annotations

from dataclasses import dataclass, field
from difflib import unified_diff
from pathlib import Path
from typing import Literal

Verb = Literal[
    "create", "update", "remove", "install", "start", "stop", "enable", "reload", "restart", "issue", "renew"
]


@dataclass(frozen=True)
class Upload:
    """A file of the controller that goes to a host: `source` is gzip-compressed, `mtime` in seconds since the epoch."""

    source: Path
    path: str
    mode: str
    mtime: int


@dataclass(frozen=True)
class Change:
    """What differs and what is done about it; `script` is POSIX shell run as root on the host."""

    resource: str
    verb: Verb
    reason: str = ""
    diff: str = ""
    script: str = field(default="", repr=False)
    upload: Upload | None = field(default=None, repr=False)
    guard: bool = False
    """A guard changes nothing itself: it checks, or puts back what the changes before it did."""

    def __str__(self) -> str:
        return f"{self.verb} {self.resource}" + (f": {self.reason}" if self.reason else "")


def text_diff(path: str, before: str | None, after: str | None) -> str:
    """Show how a text changes, as a unified diff; None means that there is no such file."""
    lines = unified_diff(
        (before or "").splitlines(),
        (after or "").splitlines(),
        path if before is not None else "/dev/null",
        path if after is not None else "/dev/null",
        lineterm="",
        n=2,
    )
    return "\n".join(lines)
