"""A closed connection → what to declare to open it, and where in the inventory; or why no declaration opens it."""

from __future__ import annotations

from dataclasses import dataclass

from phoenix.conventions import CA_PORT, HTTPS_PORT, NFS_PORT, PROXMOX_PORT, SSH_PORT
from phoenix.derive.flows import clients
from phoenix.estate import Estate, Guest, Hypervisor, Service
from phoenix.estate.checks.services import OWN_PORTS
from phoenix.pve.firewall.model.intervals import contains, parse_network
from phoenix.pve.firewall.proof.permissions import addresses_of
from phoenix.pve.firewall.proof.traffic_classes import TrafficClass
from phoenix.pve.firewall.query.endpoints import QueryEndpoint


@dataclass(frozen=True)
class Advice:
    """What to do, or why no declaration opens the connection (`opens` is false).

    `origin` is the place in the inventory that it is about, in the form of a flow's origin.
    """

    text: str
    origin: tuple[str, ...] = ()
    opens: bool = True


def advice(estate: Estate, source: QueryEndpoint, dest: QueryEndpoint, traffic: TrafficClass) -> Advice:
    """Find the declaration that permits a connection."""
    if traffic.icmp:
        return _impossible("ping is permitted between hosts and the estate's own network only")
    if dest.host is None:
        return _outward(estate, source, dest, traffic)
    if isinstance(dest.host, Hypervisor):
        return _to_hypervisor(source, dest.host, traffic)
    if traffic.proto != "tcp":
        return _impossible("services of guests are reached over TCP only")
    return _to_guest(estate, source, dest.host, traffic.dport)


def _impossible(reason: str, origin: tuple[str, ...] = ()) -> Advice:
    return Advice(reason, origin, opens=False)


def _outward(estate: Estate, source: QueryEndpoint, dest: QueryEndpoint, traffic: TrafficClass) -> Advice:
    subnet = (parse_network(str(estate.settings.network.subnet)),)
    if any(contains(subnet, low) for low, _ in dest.addresses):
        return _impossible(f"{source.name} may connect only to hosts of the estate and beyond its network")
    internet = addresses_of(estate, "internet")
    if not any(contains(internet, low) for low, _ in dest.addresses):
        return _impossible(f"{dest.name} is in a private or special network, and `egress` opens the Internet only")
    entry = f"{{protocol: {traffic.proto}, ports: [{traffic.dport}], purpose: …}}"
    return Advice(f"add {entry} to `egress`, which opens it to every guest", ("", "egress"))


def _to_hypervisor(source: QueryEndpoint, hypervisor: Hypervisor, traffic: TrafficClass) -> Advice:
    if isinstance(source.host, Guest):
        if traffic == TrafficClass("tcp", NFS_PORT) and source.host.kind == "vm":
            return Advice("give the machine a `persistent_storage`", (source.name, "persistent_storage"))
    elif source.host is None and traffic in (TrafficClass("tcp", SSH_PORT), TrafficClass("tcp", PROXMOX_PORT)):
        return Advice("add its address to `management`", ("", "network", "management"))
    if isinstance(source.host, Hypervisor):
        return _impossible("nodes reach each other only in one cluster, and on the ports that it needs")
    return _impossible(f"{hypervisor.name} serves only management, and names and storage to its guests")


def _to_guest(estate: Estate, source: QueryEndpoint, guest: Guest, port: int) -> Advice:
    if guest.has("step_ca") and port == CA_PORT and source.host:
        return Advice(f"add `trusted_ca` to the groups of {source.name}", (source.name, "groups"))
    if any(guest.has(role) and port in own for role, own in OWN_PORTS.items()):
        return _to_role(estate, source, guest)
    name = next((name for name, service in guest.services.items() if service.port == port), None)
    if name is None:
        entry = f"{{port: {port}, clients: [{client_name(estate, source) or '…'}]}}"
        return Advice(f"no service is declared there: add NAME: {entry} to `services`", (guest.name, "services"))
    return _to_service(estate, source, guest, name)


def _to_role(estate: Estate, source: QueryEndpoint, guest: Guest) -> Advice:
    edge, mesh = estate.guest_with("nginx"), estate.guest_with("traefik")
    if guest in (edge, mesh) and isinstance(source.host, Guest):
        by_name = f"it then connects to {mesh.name} by the service's name, on {HTTPS_PORT}"
        return Advice(f"add {source.name} to `clients` of an exposed service: {by_name}")
    if guest is mesh:
        return _impossible(f"exposed services are reached at {edge.name}")
    return _impossible(f"that port of {guest.name} is for hosts of the estate")


def _to_service(estate: Estate, source: QueryEndpoint, guest: Guest, name: str) -> Advice:
    service, mesh, origin = guest.services[name], estate.guest_with("traefik"), (guest.name, "services", name)
    by_name = f"connects to {mesh.name} by the name {estate.fqdn(name)} on {HTTPS_PORT}"
    through_mesh = service.expose and isinstance(source.host, Guest) and source.host is not mesh
    client = client_name(estate, source)
    if through_mesh and client in clients(estate, service.clients):
        return _impossible(f"{client} is a client of {name} already, and {by_name}", origin)
    if client is None:
        return _impossible(f"{source.name} cannot be a client; {_at_the_edge(estate, name, service)}", origin)
    instead = f": it then {by_name}, not to {guest.name}" if through_mesh else ""
    return Advice(f"add {client} to `clients` of the service {name}{instead}", origin)


def _at_the_edge(estate: Estate, name: str, service: Service) -> str:
    edge = estate.guest_with("nginx").name
    if service.expose:
        return f"{name} is exposed and reached at {edge}"
    if service.scheme == "tcp" or service.tls == "mutual":
        return f"clients of {name} are hosts, groups, lan or management"
    return f"expose {name} to reach it at {edge}"


def client_name(estate: Estate, source: QueryEndpoint) -> str | None:
    """How `clients` of a service names an endpoint: a host or a word; None for addresses outside the network."""
    if source.host:
        return source.host.name
    low = source.addresses[0][0]
    if any(contains((parse_network(str(net)),), low) for net in estate.settings.network.management):
        return "management"
    return "lan" if contains((parse_network(str(estate.settings.network.subnet)),), low) else None
