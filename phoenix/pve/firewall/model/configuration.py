"""A firewall as Proxmox VE lists it: scopes of options, rules, aliases and sets, and the interfaces they filter.

Source: Proxmox VE Administration Guide, chapter "Proxmox VE Firewall"; spellings are those of the API.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Direction = Literal["in", "out"]
Backend = Literal["iptables", "nftables"]
Listed = Mapping[str, Any]
"""A rule as the API lists it: type, action, enable, and whatever it restricts."""


@dataclass(frozen=True)
class Entry:
    """A member of an IP set; with `nomatch` it is left out of the set."""

    cidr: str
    nomatch: bool = False


@dataclass(frozen=True)
class Scope:
    """One level of the firewall: the cluster, a node or a guest. Rules are in the API's order, position 0 first."""

    options: Mapping[str, Any] = field(default_factory=dict)
    rules: tuple[Listed, ...] = ()
    aliases: Mapping[str, str] = field(default_factory=dict)
    ipsets: Mapping[str, tuple[Entry, ...]] = field(default_factory=dict)

    def is_on(self, name: str, *, default: bool) -> bool:
        """Read an option that is a switch."""
        return truth(self.options.get(name), default=default)


@dataclass(frozen=True)
class Nic:
    """A guest's interface: its number (`net0` is 0), addresses, MAC and whether its packets are filtered."""

    index: int
    addresses: tuple[str, ...]
    mac: str = ""
    firewall: bool = True


@dataclass(frozen=True)
class GuestScope:
    """A guest's level, with its interfaces."""

    scope: Scope
    nics: tuple[Nic, ...]


@dataclass(frozen=True)
class Firewall:
    """All of it. `local_network` is what a node takes for its own where no alias of that name says otherwise."""

    cluster: Scope
    local_network: str
    groups: Mapping[str, tuple[Listed, ...]] = field(default_factory=dict)
    nodes: Mapping[str, Scope] = field(default_factory=dict)
    guests: Mapping[int, GuestScope] = field(default_factory=dict)
    backend: Backend = "iptables"


def truth(value: object, *, default: bool = False) -> bool:
    """Read a switch as the API spells it; what is not there is as by default."""
    if value is None:
        return default
    return str(value).strip().lower() in ("1", "on", "yes", "true")
