"""One line of an audit: what was found, or should have been, and what is to be said about it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

Level = Literal["red", "yellow", "note"]
RANKS: dict[Level, int] = {"red": 0, "yellow": 1, "note": 2}


@dataclass(frozen=True)
class Flag:
    """Something to be said about a row: of what sort, how grave, and in words."""

    kind: str
    text: str
    level: Level


@dataclass(frozen=True)
class Row:
    """One certificate, private key, store or host.

    `role` is the leaf's name, the route's service, or one of: anchor, intermediate, authority, copy, system, stranger.
    `public` is the SHA-256 of the public key and `fingerprint` that of the certificate, in hexadecimal.
    """

    host: str
    path: str
    kind: str
    role: str
    subject: str = "-"
    names: tuple[str, ...] = ()
    issuer: str = "-"
    readers: tuple[str, ...] = ()
    ends: datetime | None = None
    days_left: float | None = None
    key: str = "-"
    owner: str = "-"
    mode: str = "-"
    public: str | None = None
    fingerprint: str | None = None
    flags: tuple[Flag, ...] = ()

    @property
    def rank(self) -> int:
        """0 for red, 1 for yellow, 2 for a row that is as it should be."""
        return min((RANKS[flag.level] for flag in self.flags), default=RANKS["note"])

    @property
    def is_red(self) -> bool:
        """Tell whether a person must see to it."""
        return self.rank == 0


def red(kind: str, text: str) -> Flag:
    """Something that a person must see to."""
    return Flag(kind, text, "red")


def yellow(kind: str, text: str) -> Flag:
    """Something that a person should know."""
    return Flag(kind, text, "yellow")


def note(kind: str, text: str) -> Flag:
    """Something worth saying."""
    return Flag(kind, text, "note")
