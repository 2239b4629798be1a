"""Compiled rules: what a packet must match, the action, and the rule's origin. Chains consist of these."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from phoenix.pve.firewall.model.intervals import Intervals

RuleAction = Literal["ACCEPT", "DROP", "REJECT"]
SpecialPacket = Literal["", "broadcast", "not-syn"]
LevelId = int | str
"""A level of the firewall: a guest's id, a node's name, or `cluster`."""


@dataclass(frozen=True)
class RuleOrigin:
    """The place of a rule: its level and where in the level.

    `position` is the index in the level's list, None for rules that Proxmox adds. `part` names the rule of a security
    group or the built-in rule. `comment` is the rule's own.
    """

    level: LevelId
    position: int | None = None
    part: str = ""
    comment: str = ""

    def __str__(self) -> str:
        level = f"guest {self.level}" if isinstance(self.level, int) else self.level
        rule = "" if self.position is None else f", rule {self.position}"
        part = f", {self.part}" if self.part else ""
        return f"{level}{rule}{part}" + (f" ({self.comment})" if self.comment else "")


@dataclass(frozen=True)
class RuleMatch:
    """What a packet must match. Empty fields and address sets of None match every packet."""

    proto: str = ""
    dport: Intervals = ()
    sport: Intervals = ()
    icmp: str = ""
    source: Intervals | None = None
    dest: Intervals | None = None
    not_source: Intervals | None = None
    not_mac: str = ""
    special: SpecialPacket = ""

    @cached_property
    def without_addresses(self) -> RuleMatch:
        """The match on protocol, ports and ICMP type alone."""
        return RuleMatch(self.proto, self.dport, self.sport, self.icmp, special=self.special)


@dataclass(frozen=True)
class ChainRule:
    """One rule of a chain; the first that matches decides."""

    match: RuleMatch
    action: RuleAction
    origin: RuleOrigin
