"""What the flows of an estate allow, end by end: the other side of the proof, made without a rule in mind."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from phoenix.derive.flows import Flow, FlowAddress, flows_by_host
from phoenix.estate import Estate, Guest, Hypervisor
from phoenix.pve.firewall.model.evaluate import End
from phoenix.pve.firewall.model.intervals import ANY_V4, Intervals, contains, network, number, union, without
from phoenix.pve.firewall.model.lookup import ports
from phoenix.pve.firewall.model.match import Match
from phoenix.pve.firewall.proof.partition import Service

PROXMOX = ("5900:5999", "3128", "60000:60050", "22", "8006")
"""Proxmox itself opens these to whoever may manage it: consoles, SPICE, migration, SSH and the API."""


@dataclass(frozen=True)
class Allowed:
    """One permission of an end: what may be asked, whose addresses are at the other side, and the flow that says so."""

    match: Match
    peers: Intervals
    flow: Flow | None = None


@dataclass(frozen=True)
class Judged:
    """An end that filters: its name and addresses, and all that it may be asked and may ask for."""

    end: End
    name: str
    addresses: tuple[int, ...]
    inbound: tuple[Allowed, ...]
    outbound: tuple[Allowed, ...]


def declared(estate: Estate) -> tuple[Judged, ...]:
    """Every hypervisor and every guest."""
    return tuple(judged(estate, host) for host in estate.live())


def judged(estate: Estate, host: Guest | Hypervisor) -> Judged:
    """All that one host may be asked and may ask for."""
    own = flows_by_host(estate).get(host.name, ())
    inbound = [allowed for flow in own if flow.dest == host.name for allowed in _allowed(estate, flow, flow.source)]
    outbound = [allowed for flow in own if flow.source == host.name for allowed in _allowed(estate, flow, flow.dest)]
    vital = [Allowed(Match("icmp", icmp=kind), ANY_V4) for kind in ("fragmentation-needed", "time-exceeded")]
    addresses = (number(host.address),)
    if isinstance(host, Guest):
        return Judged(host.vmid, host.name, addresses, (*inbound, *vital), (*outbound, *vital))
    resolver = number(host.guest_resolver)
    inbound += [*_of_proxmox(estate), Allowed(Match("igmp"), ANY_V4)]
    free = (Allowed(Match(), ANY_V4),)
    return Judged(host.name, host.name, (*addresses, resolver), (*inbound, *vital), free)


def _allowed(estate: Estate, flow: Flow, party: str) -> Iterator[Allowed]:
    peers = addresses_of(estate, party, flow.at)
    if flow.protocol == "icmp":
        yield Allowed(Match("icmp", icmp="echo-request"), peers, flow)
    for port in flow.ports:
        yield Allowed(Match(flow.protocol, ((port, port),)), peers, flow)


def _of_proxmox(estate: Estate) -> Iterator[Allowed]:
    managers = addresses_of(estate, "management")
    peers = union((*managers, *addresses_of(estate, estate.hypervisors[0].name)))
    yield from (Allowed(Match("tcp", ports(port)), peers) for port in PROXMOX)


def permissions(said: Iterable[Allowed], peer: int, service: Service) -> Iterator[Allowed]:
    """Those of an end's permissions that let it and an address use a service."""
    for one in said:
        if service.is_in(one.match) and contains(one.peers, peer):
            yield one


def addresses_of(estate: Estate, party: str, at: FlowAddress = "host") -> Intervals:
    """The addresses of a party; a hypervisor answers guests' questions for names at an address of its own."""
    net = estate.settings.network
    subnet = network(str(net.subnet))
    match party:
        case "any":
            return ANY_V4
        case "lan":
            return (subnet,)
        case "internet":
            return without(ANY_V4, subnet)
        case "management":
            return union(network(str(managers)) for managers in net.management)
        case "upstream":
            return union((number(server), number(server)) for server in net.upstream_dns)
    host = estate.host(party)
    assert isinstance(host, Guest | Hypervisor)  # noqa: S101  # templates take part in no flow
    address = number(host.guest_resolver if isinstance(host, Hypervisor) and at == "resolver" else host.address)
    return ((address, address),)
