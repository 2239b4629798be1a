"""Which addresses answer in the node's networks, although the guests that will get them do not have them yet. Pure.

Source: `ip neigh` (ip-neighbour(8)), after an ARP request for each address.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address

from phoenix.pve.placement.network import HOST_PREFIX, NodeNetwork

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
    """Name the addresses that guests will get and at which another machine answers; `wanted` are their names."""
    for address, name in wanted.items():
        if neighbor := neighbors.get(address):
            yield (
                f"{where}: {address} ({name}) is in use: the MAC address {neighbor.mac} answers for it on "
                f"{neighbor.link}, and {name} is not there yet: give {name} another address, or the other machine"
            )


def can_ask(address: IPv4Address, node: NodeNetwork) -> bool:
    """Report whether another machine has to answer for an address, in a network of the node."""
    interfaces = [interface for _, interface in node.addresses if interface.network.prefixlen < HOST_PREFIX]
    return any(address in one.network for one in interfaces) and address not in {one.ip for _, one in node.addresses}


def silent_gateway(where: str, gateway: IPv4Address, neighbors: Mapping[IPv4Address, Neighbor]) -> Iterator[str]:
    """Say so if no machine answers for the gateway of the guests."""
    if gateway not in neighbors:
        yield (
            f"{where}: no machine answers for the gateway {gateway}, so new guests cannot leave their network: correct "
            "`gateway`, or start it"
        )
