"""Estate → DNS records: one answer per name and view.

The *LAN view* is what machines outside see: services behind the edge answer with the edge's address. The *guest
view* is what guests and the hypervisor see: the same names answer with the mesh's.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network
from typing import Literal

from phoenix.estate import Estate, Guest, Hypervisor

Source = Literal["zone", "vm", "container"]
View = Literal["lan", "guest"]
VIEWS: tuple[View, ...] = ("lan", "guest")


@dataclass(frozen=True, order=True)
class Record:
    """One name with its address in each view, and which of the three sources it comes from.

    `purpose` says why there is such a name; `origin` is where the inventory says so: a host, or nothing for the whole
    estate, and the keys below it.
    """

    name: str
    lan: IPv4Address
    guest: IPv4Address
    source: Source
    purpose: str = field(default="", compare=False)
    origin: tuple[str, ...] = field(default=(), compare=False)

    def address(self, view: View) -> IPv4Address:
        """Give the one answer of a view."""
        return self.lan if view == "lan" else self.guest


def records(estate: Estate) -> tuple[Record, ...]:
    """Every record of the estate, sorted by name; a service's name wins over that of its host."""
    found: dict[str, Record] = {}
    for record in (*_zone(estate), *(r for guest in estate.guests for r in _of_guest(estate, guest))):
        found.setdefault(record.name, record)
    return tuple(sorted(found.values()))


def pointers(estate: Estate, view: View) -> dict[IPv4Address, Record]:
    """The one name that each address leads back to in a view (RFC 1912, section 2.1).

    A machine's own name comes before every other; an address that is no machine's has its first name.
    """
    machines = {host.address: estate.fqdn(_label(host)) for host in estate.live()}
    found: dict[IPv4Address, Record] = {}
    for record in records(estate):
        address = record.address(view)
        if address not in found or record.name == machines.get(address):
            found[address] = record
    return found


def own_zones(estate: Estate) -> tuple[str, ...]:
    """The zones that are answered here alone: of the estate, of its older names, and of its addresses backwards."""
    return (estate.zone, *estate.settings.alias_zones, *reverse_zones(estate.settings.network.subnet))


def in_reading_order(estate: Estate, view: View) -> tuple[Record, ...]:
    """Every record; of those with one address in a view the first is its name backwards."""
    first = frozenset(pointers(estate, view).values())
    return tuple(sorted(records(estate), key=lambda record: (record not in first, record)))


def reverse_zones(network: IPv4Network) -> tuple[str, ...]:
    """The zones below in-addr.arpa that make up a network, as few as whole octets allow (RFC 1035, section 3.5)."""
    length = next(octets for octets in (8, 16, 24, 32) if octets >= network.prefixlen)
    parts = network.subnets(new_prefix=length)
    return tuple(reverse_name(part.network_address, length // 8) for part in parts)


def reverse_name(address: IPv4Address, octets: int = 4) -> str:
    """The name below in-addr.arpa of an address, or of the network of its first octets."""
    return ".".join([*reversed(str(address).split(".")[:octets]), "in-addr.arpa"])


def service_names(estate: Estate, name: str) -> tuple[str, ...]:
    """Every name of a service: its own in the zone, then its aliases."""
    service = next(guest.services[name] for guest in estate.guests if name in guest.services)
    return (estate.fqdn(name), *service.aliases)


def _zone(estate: Estate) -> Iterator[Record]:
    for hypervisor in estate.hypervisors:
        address, origin = hypervisor.address, (hypervisor.name, "node")
        yield Record(estate.fqdn(hypervisor.node), address, address, "zone", "hypervisor", origin)
    for label, address in estate.settings.records.items():
        yield Record(estate.fqdn(label), address, address, "zone", "further name of the zone", ("", "records", label))


def _label(host: Guest | Hypervisor) -> str:
    return host.node if isinstance(host, Hypervisor) else host.name


def _of_guest(estate: Estate, guest: Guest) -> Iterator[Record]:
    source: Source = "vm" if guest.kind == "vm" else "container"
    edge, mesh = estate.guest_with("nginx").address, estate.guest_with("traefik").address
    for name, service in guest.services.items():
        origin = (guest.name, "services", name)
        for full in service_names(estate, name):
            if service.expose:
                yield Record(full, edge, mesh, source, "exposed service: outside the edge, inside the mesh", origin)
            elif service.tls or full in service.aliases:
                yield Record(full, guest.address, guest.address, source, "service that is asked directly", origin)
    for label, (purpose, *path) in _own_names(guest).items():
        yield Record(estate.fqdn(label), guest.address, guest.address, source, purpose, (guest.name, *path))
    for label, address in guest.records.items():
        origin = (guest.name, "records", label)
        yield Record(estate.fqdn(label), address, address, source, f"further name that {guest.name} declares", origin)


def _own_names(guest: Guest) -> dict[str, tuple[str, ...]]:
    """The labels of a guest itself, each with its purpose and the key that says so."""
    further = (f"further name of {guest.name}", "aliases")
    # The authority's own certificate and every client say this name.
    always = {"ca": ("the authority, always asked directly", "groups")} if guest.has("step_ca") else {}
    return {**dict.fromkeys(guest.aliases, further), **always, guest.name: ("guest",)}
