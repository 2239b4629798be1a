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
    ClosedInterval,
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

SPECIAL_NETWORKS = (
    ("0.0.0.0", "0.255.255.255", "this network, RFC 1122"),  # noqa: S104  # compared, never bound
    ("10.0.0.0", "10.255.255.255", "private, RFC 1918"),
    ("100.64.0.0", "100.127.255.255", "carrier-grade NAT, RFC 6598"),
    ("127.0.0.0", "127.255.255.255", "loopback, RFC 1122"),
    ("169.254.0.0", "169.254.255.255", "link-local, RFC 3927"),
    ("172.16.0.0", "172.31.255.255", "private, RFC 1918"),
    ("192.0.0.0", "192.0.0.255", "protocol assignments, RFC 6890"),
    ("192.0.2.0", "192.0.2.255", "documentation, RFC 5737"),
    ("192.168.0.0", "192.168.255.255", "private, RFC 1918"),
    ("198.18.0.0", "198.19.255.255", "benchmarks, RFC 2544"),
    ("198.51.100.0", "198.51.100.255", "documentation, RFC 5737"),
    ("203.0.113.0", "203.0.113.255", "documentation, RFC 5737"),
    ("224.0.0.0", "255.255.255.255", "multicast, RFC 5771, and reserved, RFC 1112"),
)
"""The first and last address of each network that is not the Internet, and why."""
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
    if isinstance(host, Guest):
        addresses: tuple[int, ...] = (address_to_int(host.address),)
        return EndPermissions(host.vmid, host.name, addresses, (*inbound, *essential), (*outbound, *essential))
    addresses = tuple(map(address_to_int, (host.address, host.guest_resolver, *host.also)))
    inbound += [*_of_management(estate), Permission(RuleMatch("igmp"), ANY_V4)]
    everything = (Permission(RuleMatch(), ANY_V4),)
    return EndPermissions(host.name, host.name, addresses, (*inbound, *essential), everything)


def _of_flow(estate: Estate, flow: Flow, party: str) -> Iterator[Permission]:
    peers = _sources(estate, flow) if party == flow.source else addresses_of(estate, party, flow.at)
    if flow.protocol == "icmp":
        yield Permission(RuleMatch("icmp", icmp="echo-request"), peers, flow)
    for span in flow.spans:
        yield Permission(RuleMatch(flow.protocol, (span,)), peers, flow)


def _sources(estate: Estate, flow: Flow) -> Intervals:
    """The addresses from which a flow comes: a node reaches guests from its address in their network, if any."""
    node = estate.by_name.get(flow.source)
    if not isinstance(node, Hypervisor) or isinstance(estate.by_name.get(flow.dest), Hypervisor):
        return addresses_of(estate, flow.source, flow.at)
    low, high = parse_network(str(estate.settings.network.subnet))
    own = [address_to_int(address) for address in (node.address, *node.also)]
    address = next((one for one in own if low <= one <= high), own[0])
    return ((address, address),)


def _of_management(estate: Estate) -> Iterator[Permission]:
    """What Proxmox opens by itself: to management, and to a node's own address. Nodes of a cluster have flows."""
    managers = addresses_of(estate, "management")
    alone = address_to_int(estate.hypervisors[0].address if len(estate.hypervisors) == 1 else "127.0.0.1")
    peers = union((*managers, (alone, alone)))
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
            return _internet(subnet)
        case "management":
            return union(parse_network(str(managers)) for managers in net.management)
        case "upstream":
            return union((address_to_int(server), address_to_int(server)) for server in net.upstream_dns)
    host = estate.host(party)
    assert isinstance(host, Guest | Hypervisor)  # noqa: S101  # templates take part in no flow
    address = address_to_int(host.guest_resolver if isinstance(host, Hypervisor) and at == "resolver" else host.address)
    return ((address, address),)


def _internet(subnet: ClosedInterval) -> Intervals:
    """All addresses that are neither in the estate's network nor in one that is not the Internet."""
    rest = subtract(ANY_V4, subnet)
    for first, last, _ in SPECIAL_NETWORKS:
        rest = subtract(rest, (address_to_int(first), address_to_int(last)))
    return rest
