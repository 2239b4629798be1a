"""The firewall's configuration as the Proxmox VE API lists it: the model's input.

Source: Proxmox VE Administration Guide, chapter "Proxmox VE Firewall"; keys and values are spelled as in the API.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

TrafficDirection = Literal["in", "out"]
FirewallBackend = Literal["iptables", "nftables"]
ListedRule = Mapping[str, Any]
"""A rule as the API lists it: type, action, enable, and the fields that restrict it."""


@dataclass(frozen=True)
class IpSetEntry:
    """A member of an IP set; `nomatch` excludes it from the set."""

    cidr: str
    nomatch: bool = False


@dataclass(frozen=True)
class LevelConfig:
    """The configuration of one level: cluster, node or guest. Rules are in the API's order, position 0 first."""

    options: Mapping[str, Any] = field(default_factory=dict)
    rules: tuple[ListedRule, ...] = ()
    aliases: Mapping[str, str] = field(default_factory=dict)
    ipsets: Mapping[str, tuple[IpSetEntry, ...]] = field(default_factory=dict)

    def is_on(self, name: str, *, default: bool) -> bool:
        """Read a boolean option."""
        return parse_bool(self.options.get(name), default=default)


@dataclass(frozen=True)
class FirewallNic:
    """A guest's network interface: its index (`net0` is 0), addresses, MAC and the flag that filters it."""

    index: int
    addresses: tuple[str, ...]
    mac: str = ""
    firewall: bool = True


@dataclass(frozen=True)
class GuestLevel:
    """A guest's configuration and the interfaces that it filters."""

    config: LevelConfig
    nics: tuple[FirewallNic, ...]


@dataclass(frozen=True)
class Firewall:
    """The configuration of all levels.

    `local_network` is the node's connected network in CIDR notation; an alias of that name overrides it.
    """

    cluster: LevelConfig
    local_network: str
    groups: Mapping[str, tuple[ListedRule, ...]] = field(default_factory=dict)
    nodes: Mapping[str, LevelConfig] = field(default_factory=dict)
    guests: Mapping[int, GuestLevel] = field(default_factory=dict)
    backend: FirewallBackend = "iptables"


def parse_bool(value: object, *, default: bool = False) -> bool:
    """Read a boolean in one of the API's spellings; an absent value has the default."""
    if value is None:
        return default
    return str(value).strip().lower() in ("1", "on", "yes", "true")
