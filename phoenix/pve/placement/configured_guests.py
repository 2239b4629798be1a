"""Every guest of a node's cluster as it is configured: its addresses, and the options that preflight compares. Pure.

Source: the guests' files below /etc/pve/nodes (pct.conf(5), qm.conf(5)), which all nodes of a cluster share.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Interface

from phoenix.pve.guests import GuestKind
from phoenix.pve.properties import ADDRESSES, parse

GUEST_LINE = re.compile(r"^guest ([^/]+)/([^/]+)/(\d+)\.conf$")
OWNER_LINE = re.compile(r"^#.*<!-- phoenix owner=([a-z0-9-]+)")
"""A line of the description; a configuration file has it as a comment, with few characters encoded."""
DIRECTORIES: dict[str, GuestKind] = {"lxc": "lxc", "qemu-server": "vm"}
NAME_KEYS = ("hostname", "name")


@dataclass
class ConfiguredGuest:
    """A guest with a configuration, its addresses and listed options there, and the owner that its note names."""

    vmid: int
    node: str
    kind: GuestKind
    name: str = ""
    is_template: bool = False
    macs: set[str] = field(default_factory=set)
    addresses: set[IPv4Address] = field(default_factory=set)
    options: dict[str, str] = field(default_factory=dict)
    owner: str = ""

    def __str__(self) -> str:
        return f"guest {self.vmid} {self.name}".rstrip() + f" on {self.node}"


def read_configured_guests(text: str) -> tuple[ConfiguredGuest, ...]:
    """Read the output of `hosts/guest-configs.sh`."""
    guests: list[ConfiguredGuest] = []
    for line in text.splitlines():
        if match := GUEST_LINE.match(line):
            kind = DIRECTORIES.get(match[2])
            if kind:
                guests.append(ConfiguredGuest(int(match[3]), match[1], kind))
        elif guests and (note := OWNER_LINE.match(line)):
            guests[-1].owner = note[1]
        elif guests:
            key, _, value = line.partition(":")
            _read_option(guests[-1], key, value.strip())
    return tuple(guests)


def _read_option(guest: ConfiguredGuest, key: str, value: str) -> None:
    guest.options[key] = value
    if key in NAME_KEYS:
        guest.name = value
    elif key == "template":
        guest.is_template = value == "1"
    elif key.startswith(("net", "ipconfig")):
        properties = parse(value)
        guest.macs |= {properties[key].upper() for key in ADDRESSES if properties.get(key)}
        guest.addresses |= set(_addresses(properties.get("ip", "")))


def _addresses(text: str) -> Iterator[IPv4Address]:
    """Read an address with its prefix; `dhcp` and `manual` are none."""
    try:
        yield IPv4Interface(text).ip
    except ValueError:
        return
