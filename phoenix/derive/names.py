"""Estate → DNS records: one address for each name and view.

The *LAN view* is for machines outside the estate: exposed services resolve to the edge. The *guest view* is for guests
and the hypervisor: the same names resolve to the mesh.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network
from typing import Literal

from phoenix.derive.flows import upstream_guests
from phoenix.estate import Estate, Guest, Hypervisor
from phoenix.estate.domains import domain_of

Source = Literal["zone", "vm", "container"]
View = Literal["lan", "guest"]
VIEWS: tuple[View, ...] = ("lan", "guest")


@dataclass(frozen=True, order=True)
class DnsRecord:
    """One name with its address in each view, and its source: the zone, a virtual machine or a container.

    `purpose` explains the name. `origin` is the declaring entry of the inventory: a host, or an empty string for the
    whole estate, and the keys below it.
    """

    name: str
    lan: IPv4Address
    guest: IPv4Address
    source: Source
    purpose: str = field(default="", compare=False)
    origin: tuple[str, ...] = field(default=(), compare=False)

    def address(self, view: View) -> IPv4Address:
        """Return the address in a view."""
        return self.lan if view == "lan" else self.guest


def records(estate: Estate) -> tuple[DnsRecord, ...]:
    """Derive every record of the estate, sorted by name; a service's name takes precedence over that of its host."""
    by_name: dict[str, DnsRecord] = {}
    for record in (*_zone(estate), *(r for guest in estate.guests for r in _of_guest(estate, guest))):
        by_name.setdefault(record.name, record)
    return tuple(sorted(by_name.values()))


def ptr_records(estate: Estate, view: View) -> dict[IPv4Address, DnsRecord]:
    """Derive the one reverse name (PTR) of each address in a view (RFC 1912, section 2.1).

    A machine's own name takes precedence; an address that belongs to no machine has its first name.
    """
    machines = {host.address: estate.fqdn(_label(host)) for host in estate.live()}
    by_address: dict[IPv4Address, DnsRecord] = {}
    for record in records(estate):
        address = record.address(view)
        if address not in by_address or record.name == machines.get(address):
            by_address[address] = record
    return by_address


def own_zones(estate: Estate) -> tuple[str, ...]:
    """The zones of the estate, its alias zones, and the reverse zones of its subnet; `forward` may except domains."""
    return (*estate.zones, *reverse_zones(estate.settings.network.subnet))


def private_answers(estate: Estate) -> tuple[str, ...] | None:
    """The domains whose names upstream servers may answer with private addresses; None stands for all domains.

    A guest of the estate that is an upstream server may give any answer: it answers for other networks of the estate,
    and a filter answers blocked names with addresses that are not global.
    """
    network = estate.settings.network
    if "*" in network.private_answers or upstream_guests(estate):
        return None
    return network.private_answers


def answered_zones(estate: Estate) -> tuple[str, ...]:
    """The domains whose queries never leave the estate: its zones, and names that it declares in forwarded domains.

    The latter keep queries for other types of a declared name, such as AAAA, from being forwarded.
    """
    forwarded = estate.settings.forward
    own = (
        record.name for record in records(estate) if domain_of(record.name, (*forwarded, *estate.zones)) in forwarded
    )
    return (*(zone for zone in own_zones(estate) if zone not in forwarded), *own)


def ptr_records_first(estate: Estate, view: View) -> tuple[DnsRecord, ...]:
    """Sort every record for a hosts file: the first record of each address in a view has its reverse name (PTR)."""
    first = frozenset(ptr_records(estate, view).values())
    return tuple(sorted(records(estate), key=lambda record: (record not in first, record)))


def reverse_zones(network: IPv4Network) -> tuple[str, ...]:
    """The zones below in-addr.arpa that cover a network, as few as whole octets allow (RFC 1035, section 3.5)."""
    length = next(octets for octets in (8, 16, 24, 32) if octets >= network.prefixlen)
    parts = network.subnets(new_prefix=length)
    return tuple(reverse_name(part.network_address, length // 8) for part in parts)


def reverse_name(address: IPv4Address, octets: int = 4) -> str:
    """The name below in-addr.arpa of an address, or of the network of its first 1 to 4 octets."""
    return ".".join([*reversed(str(address).split(".")[:octets]), "in-addr.arpa"])


def service_names(estate: Estate, name: str) -> tuple[str, ...]:
    """Every name of a service: its name in the zone, then its aliases."""
    service = next(guest.services[name] for guest in estate.guests if name in guest.services)
    return (estate.fqdn(name), *service.aliases)


def is_covered(name: str, names: Collection[str]) -> bool:
    """Report whether certificate names cover a name: itself, or a wildcard for its first label (RFC 6125, 6.4.3)."""
    first, _, parent = name.partition(".")
    return name in names or (first != "*" and f"*.{parent}" in names)


def _zone(estate: Estate) -> Iterator[DnsRecord]:
    for hypervisor in estate.hypervisors:
        address, origin = hypervisor.address, (hypervisor.name, "node")
        yield DnsRecord(estate.fqdn(hypervisor.node), address, address, "zone", "hypervisor", origin)
    for label, address in estate.settings.records.items():
        path = ("", "records", label)
        yield DnsRecord(estate.record_name(label), address, address, "zone", "additional record of the zone", path)


def _label(host: Guest | Hypervisor) -> str:
    return host.node if isinstance(host, Hypervisor) else host.name


def _of_guest(estate: Estate, guest: Guest) -> Iterator[DnsRecord]:
    source: Source = "vm" if guest.kind == "vm" else "container"
    edge, mesh = estate.guest_with("nginx").address, estate.guest_with("traefik").address
    for name, service in guest.services.items():
        origin = (guest.name, "services", name)
        for full in service_names(estate, name):
            if service.expose:
                yield DnsRecord(full, edge, mesh, source, "exposed service: the edge outside, the mesh inside", origin)
            else:
                yield DnsRecord(full, guest.address, guest.address, source, "service with direct clients", origin)
    for label, (purpose, *path) in _own_names(guest).items():
        yield DnsRecord(estate.fqdn(label), guest.address, guest.address, source, purpose, (guest.name, *path))
    for label, address in guest.records.items():
        origin = (guest.name, "records", label)
        yield DnsRecord(
            estate.record_name(label), address, address, source, f"additional record of {guest.name}", origin
        )


def _own_names(guest: Guest) -> dict[str, tuple[str, ...]]:
    """The labels of a guest itself, each with its purpose and the key that declares it."""
    alias = (f"alias of {guest.name}", "aliases")
    # The CA's own certificate and every client use this name.
    ca = {"ca": ("the CA, always connected to directly", "groups")} if guest.has("step_ca") else {}
    return {**dict.fromkeys(guest.aliases, alias), **ca, guest.name: ("guest",)}
