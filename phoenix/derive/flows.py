"""Estate → flows: the permitted connections. All others are dropped.

An end of a flow is a host's name or one of the words `any`, `lan`, `management`, `internet`, `upstream`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from phoenix.conventions import (
    CA_PORT,
    CEPH_DAEMON_PORTS,
    CEPH_MONITOR_PORTS,
    COROSYNC_PORTS,
    DNS_PORT,
    HTTP_PORT,
    HTTPS_PORT,
    MESH_EDGE_PORT,
    MESH_PING_PORT,
    MIGRATION_PORTS,
    NFS_PORT,
    PROXMOX_PORT,
    SPICE_PORT,
    SSH_PORT,
)
from phoenix.derive.cache import cached_per_estate
from phoenix.estate import Estate, Guest, Hypervisor

Protocol = Literal["tcp", "udp", "icmp"]
FlowAddress = Literal["host", "resolver"]
"""A hypervisor has an address of its own and one at which it resolves names for its guests."""

NETWORK_WORDS = ("any", "lan", "management", "internet", "upstream")
PortRange = tuple[int, int]
"""The first and the last port."""
DNS_PROTOCOLS: tuple[Protocol, ...] = ("udp", "tcp")


@dataclass(frozen=True, order=True)
class Flow:
    """One permission: `source` may connect to `dest` on the ports and ranges of ports; ICMP means echo requests.

    `origin` is the declaring entry of the inventory: a host, or an empty string for the whole estate, and the keys
    below it. `at` selects the address of an end that is a hypervisor.
    """

    dest: str
    source: str
    protocol: Protocol
    ports: tuple[int, ...]
    purpose: str
    origin: tuple[str, ...] = field(default=(), compare=False)
    at: FlowAddress = field(default="host", compare=False)
    ranges: tuple[PortRange, ...] = ()

    @property
    def spans(self) -> tuple[PortRange, ...]:
        """Every port and range as its first and last port."""
        return (*((port, port) for port in self.ports), *self.ranges)


@cached_per_estate
def flows(estate: Estate) -> tuple[Flow, ...]:
    """Derive every flow of the estate, sorted and without duplicates."""
    every = {
        *_entrances(estate),
        *_clusters(estate),
        *_names(estate),
        *_certificates(estate),
        *_services(estate),
        *_probes(estate),
        *_storage(estate),
        *_egress(estate),
    }
    return tuple(_first_purpose(every))


@cached_per_estate
def flows_by_host(estate: Estate) -> Mapping[str, tuple[Flow, ...]]:
    """Group the flows by their ends: each flow is listed at its source and at its destination."""
    by_end: dict[str, list[Flow]] = {}
    for flow in flows(estate):
        for end in dict.fromkeys((flow.dest, flow.source)):
            by_end.setdefault(end, []).append(flow)
    return {end: tuple(own) for end, own in by_end.items()}


def clients(estate: Estate, names: tuple[str, ...]) -> tuple[str, ...]:
    """Expand the `clients` of a service: groups to their members, hosts and words to themselves."""
    ends: dict[str, None] = {}
    for name in names:
        is_one = name in NETWORK_WORDS or isinstance(estate.by_name.get(name), Guest | Hypervisor)
        ends.update(dict.fromkeys([name] if is_one else [host.name for host in estate.members(name)]))
    return tuple(ends)


def _first_purpose(every: set[Flow]) -> Iterator[Flow]:
    """Sort the flows; of those that differ only in purpose, keep the first."""
    seen: set[tuple[str, str, str, tuple[PortRange, ...]]] = set()
    for flow in sorted(every):
        key = (flow.dest, flow.source, flow.protocol, flow.spans)
        if key not in seen:
            seen.add(key)
            yield flow


def _entrances(estate: Estate) -> Iterator[Flow]:
    edge, mesh = estate.guest_with("nginx").name, estate.guest_with("traefik").name
    yield Flow(edge, "any", "tcp", (HTTP_PORT, HTTPS_PORT), "gateway", (edge, "groups"))
    yield Flow(mesh, edge, "tcp", (MESH_EDGE_PORT,), "hand-off from the edge", (mesh, "groups"))
    for hypervisor in estate.hypervisors:
        yield Flow(
            hypervisor.name, "management", "tcp", (SSH_PORT, PROXMOX_PORT), "management", ("", "network", "management")
        )
    for host in estate.live():
        yield Flow(host.name, "lan", "icmp", (), "diagnosis", ("", "network", "subnet"))
    for guest in estate.guests:
        yield Flow("lan", guest.name, "icmp", (), "diagnosis", ("", "network", "subnet"))


def _clusters(estate: Estate) -> Iterator[Flow]:
    """Yield what the nodes of a cluster need of each other; Ceph only between nodes that run it."""
    for node in estate.hypervisors:
        for peer in estate.peers_of(node):
            origin = (node.name, "groups")
            tcp = (SSH_PORT, SPICE_PORT, PROXMOX_PORT)
            yield Flow(node.name, peer.name, "tcp", tcp, "cluster", origin)
            yield Flow(node.name, peer.name, "tcp", (), "migration", origin, ranges=(MIGRATION_PORTS,))
            yield Flow(node.name, peer.name, "udp", (), "corosync", origin, ranges=(COROSYNC_PORTS,))
            if node.ceph and peer.ceph:
                yield Flow(
                    node.name, peer.name, "tcp", CEPH_MONITOR_PORTS, "Ceph", (node.name, "ceph"),
                    ranges=(CEPH_DAEMON_PORTS,),
                )  # fmt: skip


def upstream_guests(estate: Estate) -> tuple[Guest, ...]:
    """Find the guests that are upstream name servers."""
    servers = estate.settings.network.upstream_dns
    return tuple(guest for guest in estate.guests if guest.address in servers)


def _names(estate: Estate) -> Iterator[Flow]:
    own = upstream_guests(estate)
    upstream = [guest.name for guest in own]
    if len(own) < len(set(estate.settings.network.upstream_dns)):
        upstream.append("upstream")
    for hypervisor in estate.hypervisors:
        for protocol in DNS_PROTOCOLS:
            yield Flow(hypervisor.name, "lan", protocol, (DNS_PORT,), "names", ("", "network", "subnet"), at="resolver")
            for server in upstream:
                origin = ("", "network", "upstream_dns")
                yield Flow(server, hypervisor.name, protocol, (DNS_PORT,), "names outside the zone", origin)
    for guest in estate.guests:
        for protocol in DNS_PROTOCOLS:
            yield Flow(guest.hypervisor, guest.name, protocol, (DNS_PORT,), "names", (guest.name,), at="resolver")


def _certificates(estate: Estate) -> Iterator[Flow]:
    authority, mesh = estate.guest_with("step_ca"), estate.guest_with("traefik")
    for host in estate.members("trusted_ca"):
        if host is not authority:
            yield Flow(authority.name, host.name, "tcp", (CA_PORT,), "certificates", (host.name, "groups"))
    yield Flow(mesh.name, authority.name, "tcp", (HTTP_PORT,), "ACME challenge", (mesh.name, "groups"))


def _services(estate: Estate) -> Iterator[Flow]:
    mesh = estate.guest_with("traefik").name
    guests = {guest.name for guest in estate.guests}
    for guest in estate.guests:
        for name, service in guest.services.items():
            origin = (guest.name, "services", name)
            if service.expose and guest.name != mesh:
                yield Flow(guest.name, mesh, "tcp", (service.port,), f"route to {name}", origin)
            for client in clients(estate, service.clients):
                if client == guest.name:
                    continue
                if service.expose and client in guests and client != mesh:
                    yield Flow(mesh, client, "tcp", (HTTPS_PORT,), "services by name", (*origin, "clients"))
                else:
                    yield Flow(guest.name, client, "tcp", (service.port,), f"client of {name}", (*origin, "clients"))


def _probes(estate: Estate) -> Iterator[Flow]:
    edge, mesh = estate.guest_with("nginx").name, estate.guest_with("traefik").name
    for guest in estate.guests:
        source = guest.hypervisor
        exposed = sorted(service.port for service in guest.services.values() if service.expose)
        if exposed and guest.name != mesh:
            yield Flow(guest.name, source, "tcp", tuple(exposed), "health probe", (guest.name, "services"))
        if guest.kind == "vm":
            yield Flow(guest.name, source, "tcp", (SSH_PORT,), "configuration by jump", (guest.name, "groups"))
        if guest.name == edge:
            yield Flow(edge, source, "tcp", (HTTP_PORT, HTTPS_PORT), "health probe", (edge, "groups"))
        if guest.name == mesh:
            ports = (HTTP_PORT, HTTPS_PORT, MESH_PING_PORT, MESH_EDGE_PORT)
            yield Flow(mesh, source, "tcp", ports, "health probe", (mesh, "groups"))


def _storage(estate: Estate) -> Iterator[Flow]:
    for guest in estate.guests:
        if _has_volume(guest):
            origin = (guest.name, "persistent_storage")
            yield Flow(guest.hypervisor, guest.name, "tcp", (NFS_PORT,), "persistent storage (NFSv4)", origin)


def _has_volume(guest: Guest) -> bool:
    return guest.persistent_storage is not None


def _egress(estate: Estate) -> Iterator[Flow]:
    for guest in estate.guests:
        for index, egress in enumerate(estate.settings.egress):
            origin = ("", "egress", str(index))
            yield Flow("internet", guest.name, egress.protocol, egress.ports, egress.purpose, origin)
