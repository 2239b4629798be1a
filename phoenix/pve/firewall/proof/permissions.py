"""An estate's flows → what each end may send and receive: the second reading of the flows, made without rules.

The proof compares it with the rules that `derive/firewall.py` makes, so the two share no code (ADR 16).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from phoenix.derive.flows import Flow, FlowAddress, flows_by_host
from phoenix.estate import Estate, Guest, Hypervisor
from phoenix.pve.firewall.model.evaluate import PacketEnd
from phoenix.pve.firewall.model.intervals import (
    ANY_V4,
    Intervals,
    address_to_int,
    contains,
    parse_network,
    subtract,
    union,
)
from phoenix.pve.firewall.model.lookup import parse_ports
from phoenix.pve.firewall.model.match import RuleMatch
from phoenix.pve.firewall.proof.traffic_classes import TrafficClass

PROXMOX_PORTS = ("5900:5999", "3128", "60000:60050", "22", "8006")
"""The ports that Proxmox opens to management: consoles, SPICE, migration, SSH and the API."""
ESSENTIAL_ICMP = ("fragmentation-needed", "time-exceeded")


@dataclass(frozen=True)
class Permission:
    """Traffic that an end may receive or send, the addresses at the other end, and the flow it follows from, if any."""

    match: RuleMatch
    peers: Intervals
    flow: Flow | None = None


@dataclass(frozen=True)
class EndPermissions:
    """An end that filters: its id, name and addresses, and everything that it may receive and send."""

    end: PacketEnd
    name: str
    addresses: tuple[int, ...]
    inbound: tuple[Permission, ...]
    outbound: tuple[Permission, ...]


def estate_permissions(estate: Estate) -> tuple[EndPermissions, ...]:
    """The permissions of every hypervisor and guest."""
    return tuple(host_permissions(estate, host) for host in estate.live())


def host_permissions(estate: Estate, host: Guest | Hypervisor) -> EndPermissions:
    """The permissions of one host."""
    flows = flows_by_host(estate).get(host.name, ())
    inbound = [one for flow in flows if flow.dest == host.name for one in _of_flow(estate, flow, flow.source)]
    outbound = [one for flow in flows if flow.source == host.name for one in _of_flow(estate, flow, flow.dest)]
    essential = [Permission(RuleMatch("icmp", icmp=kind), ANY_V4) for kind in ESSENTIAL_ICMP]
    addresses = (address_to_int(host.address),)
    if isinstance(host, Guest):
        return EndPermissions(host.vmid, host.name, addresses, (*inbound, *essential), (*outbound, *essential))
    resolver = address_to_int(host.guest_resolver)
    inbound += [*_of_management(estate), Permission(RuleMatch("igmp"), ANY_V4)]
    everything = (Permission(RuleMatch(), ANY_V4),)
    return EndPermissions(host.name, host.name, (*addresses, resolver), (*inbound, *essential), everything)


def _of_flow(estate: Estate, flow: Flow, party: str) -> Iterator[Permission]:
    peers = addresses_of(estate, party, flow.at)
    if flow.protocol == "icmp":
        yield Permission(RuleMatch("icmp", icmp="echo-request"), peers, flow)
    for port in flow.ports:
        yield Permission(RuleMatch(flow.protocol, ((port, port),)), peers, flow)


def _of_management(estate: Estate) -> Iterator[Permission]:
    managers = addresses_of(estate, "management")
    peers = union((*managers, *addresses_of(estate, estate.hypervisors[0].name)))
    yield from (Permission(RuleMatch("tcp", parse_ports(port)), peers) for port in PROXMOX_PORTS)


def matching_permissions(permissions: Iterable[Permission], peer: int, traffic: TrafficClass) -> Iterator[Permission]:
    """Select the permissions that cover traffic with a peer's address."""
    return (one for one in permissions if traffic.is_in(one.match) and contains(one.peers, peer))


def addresses_of(estate: Estate, party: str, at: FlowAddress = "host") -> Intervals:
    """The addresses of a party of a flow; `at` selects one of a hypervisor's two."""
    net = estate.settings.network
    subnet = parse_network(str(net.subnet))
    match party:
        case "any":
            return ANY_V4
        case "lan":
            return (subnet,)
        case "internet":
            return subtract(ANY_V4, subnet)
        case "management":
            return union(parse_network(str(managers)) for managers in net.management)
        case "upstream":
            return union((address_to_int(server), address_to_int(server)) for server in net.upstream_dns)
    host = estate.host(party)
    assert isinstance(host, Guest | Hypervisor)  # noqa: S101  # templates take part in no flow
    address = address_to_int(host.guest_resolver if isinstance(host, Hypervisor) and at == "resolver" else host.address)
    return ((address, address),)
