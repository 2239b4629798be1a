"""Which addresses answer in the node's networks, although no guest of the inventory has them yet. Pure.

Source: `ip neigh` (ip-neighbour(8)), after an ARP request for each address.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address

NEIGHBOR_LINE = re.compile(r"^(\S+) dev (\S+) lladdr (\S+)", re.MULTILINE)


@dataclass(frozen=True)
class Neighbor:
    """A machine that answers for an address: its MAC address, and the node's interface to it."""

    address: IPv4Address
    link: str
    mac: str


def read_neighbors(text: str) -> dict[IPv4Address, Neighbor]:
    """Read the output of `hosts/answering.sh`, by address."""
    return {
        IPv4Address(match[1]): Neighbor(IPv4Address(match[1]), match[2], match[3].upper())
        for match in NEIGHBOR_LINE.finditer(text)
    }


def taken_addresses(
    where: str, wanted: Mapping[IPv4Address, str], neighbors: Mapping[IPv4Address, Neighbor]
) -> Iterator[str]:
    """Name the addresses of guests to be created at which another machine answers; `wanted` are their names."""
    for address, name in wanted.items():
        if neighbor := neighbors.get(address):
            yield (
                f"{where}: {address} ({name}) is in use: the MAC address {neighbor.mac} answers for it on "
                f"{neighbor.link}, and {name} does not exist yet: give {name} another address, or the other machine"
            )
