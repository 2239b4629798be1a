"""One finding of an audit: a certificate, key, store or host, with its flags."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Literal

Severity = Literal["red", "yellow", "note"]
RANKS: dict[Severity, int] = {"red": 0, "yellow": 1, "note": 2}
FindingKind = Literal["certificate", "key", "store", "file", "host"]
FlagKind = Literal[
    "anchor", "due", "duplicate", "encrypted", "expired", "missing", "renewal failed", "root key", "served", "store",
    "stranger", "unasked", "unreadable", "weak", "world-readable", "writable", "wrong",
]  # fmt: skip


class CommonRole(StrEnum):
    """The roles that belong to no single leaf or route; the values are those of JSON and CSV."""

    ANCHOR = "anchor"
    INTERMEDIATE = "intermediate"
    AUTHORITY = "authority"
    COPY = "copy"
    SYSTEM = "system"
    EXTERNAL = "external"
    UNMANAGED = "stranger"
    NONE = "-"


@dataclass(frozen=True)
class Flag:
    """A remark on a finding: its kind, its text for a person, and its severity."""

    kind: FlagKind
    text: str
    severity: Severity


@dataclass(frozen=True)
class Finding:
    """One certificate, private key, store, unreadable file or host.

    `role` is a CommonRole, the name of a leaf, or the service of a route. `public` is the SHA-256 of the public key and
    `fingerprint` that of the certificate, in hexadecimal.
    """

    host: str
    path: str
    kind: FindingKind
    role: str = CommonRole.NONE
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
        """The rank of the worst flag: 0 for red, 1 for yellow, 2 for notes or none."""
        return min((RANKS[flag.severity] for flag in self.flags), default=RANKS["note"])

    @property
    def is_red(self) -> bool:
        """Tell whether an operator must act."""
        return self.rank == RANKS["red"]


def red(kind: FlagKind, text: str) -> Flag:
    """A fault that an operator must correct."""
    return Flag(kind, text, "red")


def yellow(kind: FlagKind, text: str) -> Flag:
    """A condition that an operator should know."""
    return Flag(kind, text, "yellow")


def note(kind: FlagKind, text: str) -> Flag:
    """A fact that needs no action."""
    return Flag(kind, text, "note")
