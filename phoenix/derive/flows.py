"""Estate → flows: who may open a connection to what. Everything else is closed.

A party is a host's name or one of the words `any`, `lan`, `management`, `internet`, `upstream`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from phoenix.derive.authority import CA_PORT
from phoenix.estate import Estate, Guest

Protocol = Literal["tcp", "udp", "icmp"]

PARTIES = ("any", "lan", "management", "internet", "upstream")
DNS_PROTOCOLS: tuple[Protocol, ...] = ("udp", "tcp")
MESH_EDGE_PORT = 8443
MESH_GUEST_PORT = 443
MESH_CHALLENGE_PORT = 80
MESH_PING_PORT = 8080


@dataclass(frozen=True, order=True)
class Flow:
    """One permission: `source` may connect to `dest` on the ports; ICMP means echo requests."""

    dest: str
    source: str
    protocol: Protocol
    ports: tuple[int, ...]
    purpose: str


def flows(estate: Estate) -> tuple[Flow, ...]:
    """Every flow of the estate, sorted, each once."""
    found = {
        *_entrances(estate),
        *_names(estate),
        *_certificates(estate),
        *_services(estate),
        *_probes(estate),
        *_storage(estate),
        *_egress(estate),
    }
    return tuple(sorted(_first_purpose(found)))


def clients(estate: Estate, names: tuple[str, ...]) -> tuple[str, ...]:
    """The parties that `clients:` of a service stands for: hosts as they are, groups as their members."""
    found: dict[str, None] = {}
    for name in names:
        alone = [name] if name in PARTIES or name in {host.name for host in estate.live()} else []
        found.update(dict.fromkeys([host.name for host in estate.members(name)] or alone))
    return tuple(found)


def _first_purpose(found: set[Flow]) -> Iterator[Flow]:
    seen: set[tuple[str, str, str, tuple[int, ...]]] = set()
    for flow in sorted(found):
        key = (flow.dest, flow.source, flow.protocol, flow.ports)
        if key not in seen:
            seen.add(key)
            yield flow


def _entrances(estate: Estate) -> Iterator[Flow]:
    edge, mesh = estate.guest_with("nginx").name, estate.guest_with("traefik").name
    yield Flow(edge, "any", "tcp", (80, 443), "gateway")
    yield Flow(mesh, edge, "tcp", (MESH_EDGE_PORT,), "hand-off from the edge")
    for hypervisor in estate.hypervisors:
        yield Flow(hypervisor.name, "management", "tcp", (22, 8006), "management")
    for host in estate.live():
        yield Flow(host.name, "lan", "icmp", (), "diagnosis")
    for guest in estate.guests:
        yield Flow("lan", guest.name, "icmp", (), "diagnosis")


def _names(estate: Estate) -> Iterator[Flow]:
    for hypervisor in estate.hypervisors:
        for protocol in DNS_PROTOCOLS:
            yield Flow(hypervisor.name, "lan", protocol, (53,), "names")
            yield Flow("upstream", hypervisor.name, protocol, (53,), "names outside the zone")
    for guest in estate.guests:
        for protocol in DNS_PROTOCOLS:
            yield Flow(guest.hypervisor, guest.name, protocol, (53,), "names")


def _certificates(estate: Estate) -> Iterator[Flow]:
    authority, mesh = estate.guest_with("step_ca"), estate.guest_with("traefik")
    for host in estate.members("trusted_ca"):
        if host is not authority:
            yield Flow(authority.name, host.name, "tcp", (CA_PORT,), "certificates")
    yield Flow(mesh.name, authority.name, "tcp", (MESH_CHALLENGE_PORT,), "ACME challenge")


def _services(estate: Estate) -> Iterator[Flow]:
    mesh = estate.guest_with("traefik").name
    guests = {guest.name for guest in estate.guests}
    for guest in estate.guests:
        for name, service in guest.services.items():
            if service.expose and guest.name != mesh:
                yield Flow(guest.name, mesh, "tcp", (service.port,), f"route to {name}")
            for client in clients(estate, service.clients):
                if client == guest.name:
                    continue
                if service.expose and client in guests and client != mesh:
                    yield Flow(mesh, client, "tcp", (MESH_GUEST_PORT,), "services by name")
                else:
                    yield Flow(guest.name, client, "tcp", (service.port,), f"client of {name}")


def _probes(estate: Estate) -> Iterator[Flow]:
    edge, mesh = estate.guest_with("nginx").name, estate.guest_with("traefik").name
    for guest in estate.guests:
        source = guest.hypervisor
        exposed = sorted(service.port for service in guest.services.values() if service.expose)
        if exposed and guest.name != mesh:
            yield Flow(guest.name, source, "tcp", tuple(exposed), "health probe")
        if guest.kind == "vm":
            yield Flow(guest.name, source, "tcp", (22,), "configuration by jump")
        if guest.name == edge:
            yield Flow(edge, source, "tcp", (80, 443), "health probe")
        if guest.name == mesh:
            ports = (MESH_CHALLENGE_PORT, MESH_GUEST_PORT, MESH_PING_PORT, MESH_EDGE_PORT)
            yield Flow(mesh, source, "tcp", ports, "health probe")


def _storage(estate: Estate) -> Iterator[Flow]:
    for guest in estate.guests:
        if _has_volume(guest):
            yield Flow(guest.hypervisor, guest.name, "tcp", (2049,), "persistent storage (NFSv4)")


def _has_volume(guest: Guest) -> bool:
    return guest.persistent_storage is not None


def _egress(estate: Estate) -> Iterator[Flow]:
    for guest in estate.guests:
        for egress in estate.settings.egress:
            yield Flow("internet", guest.name, egress.protocol, egress.ports, egress.purpose)
