"""The steps that a chain consists of: what a packet must be, what becomes of it, and which rule says so."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from phoenix.pve.firewall.model.intervals import Intervals

Action = Literal["ACCEPT", "DROP", "REJECT"]
Special = Literal["", "broadcast", "not-syn"]


@dataclass(frozen=True)
class Origin:
    """Where a step comes from: a level (`cluster`, a node's name, `guest 103`) and what of it.

    `position` is the rule's in its list, None for what Proxmox adds; `part` says which rule of a group, or what was
    added; `comment` is the rule's own.
    """

    level: str
    position: int | None = None
    part: str = ""
    comment: str = ""

    def __str__(self) -> str:
        rule = "" if self.position is None else f", rule {self.position}"
        part = f", {self.part}" if self.part else ""
        return f"{self.level}{rule}{part}" + (f" ({self.comment})" if self.comment else "")


@dataclass(frozen=True)
class Match:
    """What a packet must be; an empty field does not matter. An address set of None does not matter either."""

    proto: str = ""
    dport: Intervals = ()
    sport: Intervals = ()
    icmp: str = ""
    source: Intervals | None = None
    dest: Intervals | None = None
    not_source: Intervals | None = None
    not_mac: str = ""
    special: Special = ""

    @cached_property
    def service(self) -> Match:
        """The same without its addresses."""
        return Match(self.proto, self.dport, self.sport, self.icmp, special=self.special)


@dataclass(frozen=True)
class Step:
    """One step: the first whose match fits decides."""

    match: Match
    action: Action
    origin: Origin
