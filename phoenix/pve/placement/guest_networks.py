"""The MAC and IP addresses of every guest of a node's cluster, compared with those of the inventory. Pure.

Source: the guests' files below /etc/pve/nodes (pct.conf(5), qm.conf(5)), which all nodes of a cluster share.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Interface

from phoenix.derive.guests import mac_of
from phoenix.estate import Estate, Hypervisor
from phoenix.pve.guests import GuestKind
from phoenix.pve.properties import ADDRESSES, parse

GUEST_LINE = re.compile(r"^guest ([^/]+)/([^/]+)/(\d+)\.conf$")
OWNER_LINE = re.compile(r"^#.*<!-- phoenix owner=([a-z0-9-]+)")
"""A line of the description; a configuration file has it as a comment, with few characters encoded."""
DIRECTORIES: dict[str, GuestKind] = {"lxc": "lxc", "qemu-server": "vm"}
NAME_KEYS = ("hostname", "name")
DESTROY = {"lxc": "pct", "vm": "qm"}


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


@dataclass(frozen=True)
class AddressConflict:
    """A MAC or IP address of the inventory that another guest has; `owner` is what the inventory gives it to."""

    value: str
    owner: str
    holder: ConfiguredGuest

    def __str__(self) -> str:
        word = "MAC address" if ":" in self.value else "address"
        return (
            f"{self.value} ({self.owner}) is the {word} of {self.holder}: give {self.owner} another one, or change or "
            f"remove that guest (`{DESTROY[self.holder.kind]} config {self.holder.vmid}` shows it)"
        )


def read_guest_networks(text: str) -> tuple[ConfiguredGuest, ...]:
    """Read the output of `hosts/guest-networks.sh`."""
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


def address_conflicts(
    estate: Estate,
    hypervisor: Hypervisor,
    configured: Iterable[ConfiguredGuest],
    targets: frozenset[str],
    existing: frozenset[int],
) -> Iterator[AddressConflict]:
    """Find the addresses of targeted guests, and of the node, that other guests of its cluster have.

    `existing` are the vmids on the node: where the inventory names no MAC address, such a guest keeps its own. A
    targeted guest that has the address of another one only until this run gives it its own is no conflict.
    """
    guests = [guest for guest in configured if not guest.is_template]
    nodes = {guest.node for guest in guests} | {hypervisor.node}
    moving = {g.vmid: g.address for g in estate.guests if g.name in targets}
    for guest in estate.guests:
        is_here = guest.hypervisor == hypervisor.name
        if guest.name not in targets or (not is_here and estate.hypervisor_of(guest).node in nodes):
            continue
        mac = guest.mac or ("" if guest.vmid in existing else mac_of(guest.vmid))
        for holder in guests:
            if is_here and holder.vmid == guest.vmid:
                continue
            if mac.upper() in holder.macs:
                yield AddressConflict(mac.upper(), guest.name, holder)
            if guest.address in holder.addresses and moving.get(holder.vmid, guest.address) == guest.address:
                yield AddressConflict(str(guest.address), guest.name, holder)
    for address, key in ((hypervisor.address, "hostname"), (hypervisor.guest_resolver, "guest_resolver")):
        for holder in guests:
            if address in holder.addresses:
                yield AddressConflict(str(address), f"`{key}` of {hypervisor.name}", holder)


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
