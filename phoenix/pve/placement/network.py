"""The node's own name and addresses, and its bridges, compared with the inventory. Pure.

Source: `ip -o` (ip-address(8), ip-link(8)); uname(1), from which Proxmox VE takes the name of a node.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Interface

from phoenix.estate import Hypervisor
from phoenix.estate.model import Network

ADDRESS_LINE = re.compile(r"^\d+:\s+(\S+)\s+inet\s+(\S+)", re.MULTILINE)
LINK_LINE = re.compile(r"^\d+:\s+([^\s:@]+)(?:@\S+)?:\s+<([^>]*)>", re.MULTILINE)
FIREWALL_BRIDGE = re.compile(r"fwbr\d+i\d+")
"""Bridges of Proxmox VE's firewall: one for each filtered interface of a guest."""
HOST_PREFIX = 32


@dataclass(frozen=True)
class NodeNetwork:
    """A node's name, its IPv4 addresses with their interfaces, and its bridges with whether they are up."""

    name: str
    addresses: tuple[tuple[str, IPv4Interface], ...]
    bridges: dict[str, bool]


def read_node_network(name: str, addresses: str, bridges: str) -> NodeNetwork:
    """Read the outputs of `uname -n`, `ip -4 -o address` and `ip -o link show type bridge`."""
    links = {match[1]: "UP" in match[2].split(",") for match in LINK_LINE.finditer(bridges)}
    return NodeNetwork(
        name.strip().partition(".")[0],
        tuple((match[1], IPv4Interface(match[2])) for match in ADDRESS_LINE.finditer(addresses)),
        {link: is_up for link, is_up in links.items() if not FIREWALL_BRIDGE.fullmatch(link)},
    )


def network_problems(hypervisor: Hypervisor, network: Network, node: NodeNetwork) -> Iterator[str]:
    """Compare a node with its entry in the inventory."""
    if node.name.lower() != hypervisor.node.lower():
        yield (
            f"{hypervisor.name}: its SSH connection leads to the node {node.name!r}, and `node` is "
            f"{hypervisor.node!r}: correct `node`, or `ssh` in the access file"
        )
    if hypervisor.address not in {interface.ip for _, interface in node.addresses}:
        have = _listed(str(interface.ip) for _, interface in node.addresses if not interface.ip.is_loopback)
        yield (
            f"{hypervisor.name}: {hypervisor.address} is not an address of the node, which has {have}: "
            "correct `hostname`"
        )
    yield from _bridge_problems(hypervisor, network, node)


def _bridge_problems(hypervisor: Hypervisor, network: Network, node: NodeNetwork) -> Iterator[str]:
    bridge, where = hypervisor.bridge, hypervisor.name
    if bridge not in node.bridges:
        yield f"{where}: the node has no bridge {bridge!r}, it has {_listed(node.bridges)}: correct `bridge`"
        return
    if not node.bridges[bridge]:
        yield f"{where}: the bridge {bridge} is down: `ifup {bridge}` on the node starts it, `auto {bridge}` at boot"
    for link, interface in node.addresses:
        if interface.network.prefixlen == HOST_PREFIX or interface.ip not in network.subnet:
            continue
        if link != bridge and link in node.bridges:
            yield (
                f"{where}: the network {network.subnet} is on {link} ({interface}), and not on `bridge` {bridge}: "
                "correct `bridge`"
            )
        elif link == bridge and interface.network != network.subnet:
            yield (
                f"{where}: {bridge} has the address {interface}, whose network is not `subnet` {network.subnet}: "
                "correct `subnet`, or the node's address"
            )


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "none"
