"""A connection that is closed → what one would declare to open it, and where; or why nothing opens it."""

from __future__ import annotations

from dataclasses import dataclass

from phoenix.conventions import CA_PORT, HTTPS_PORT, NFS_PORT, PROXMOX_PORT, SSH_PORT
from phoenix.derive.flows import clients
from phoenix.estate import Estate, Guest, Hypervisor
from phoenix.estate import Service as Offered
from phoenix.estate.checks.services import OWN_PORTS
from phoenix.pve.firewall.model.intervals import contains, network
from phoenix.pve.firewall.proof.partition import Service
from phoenix.pve.firewall.query.endpoints import Party


@dataclass(frozen=True)
class Advice:
    """What to do, or why nothing opens it, and where in the inventory that is said, spelt as a flow's origin."""

    text: str
    origin: tuple[str, ...] = ()


def advice(estate: Estate, source: Party, dest: Party, service: Service) -> Advice:
    """What would let one end ask the other."""
    if service.icmp:
        return Advice("nothing opens it: only the estate's own network may ping, and be pinged")
    if dest.host is None:
        return _outward(estate, source, dest, service)
    if isinstance(dest.host, Hypervisor):
        return _to_hypervisor(source, dest.host, service)
    if service.proto != "tcp":
        return Advice("nothing opens it: services of guests are asked over TCP only")
    return _to_guest(estate, source, dest.host, service.dport)


def _outward(estate: Estate, source: Party, dest: Party, service: Service) -> Advice:
    subnet = (network(str(estate.settings.network.subnet)),)
    if any(contains(subnet, low) for low, _ in dest.addresses):
        return Advice(f"nothing opens it: {source.name} asks hosts of the estate only, and what is beyond its network")
    entry = f"{{protocol: {service.proto}, ports: [{service.dport}], purpose: …}}"
    return Advice(f"add {entry} to `egress`, which opens it to every guest", ("", "egress"))


def _to_hypervisor(source: Party, hypervisor: Hypervisor, service: Service) -> Advice:
    if isinstance(source.host, Guest):
        if service == Service("tcp", NFS_PORT) and source.host.kind == "vm":
            return Advice("give the machine a `persistent_storage`", (source.name, "persistent_storage"))
    elif service in (Service("tcp", SSH_PORT), Service("tcp", PROXMOX_PORT)):
        return Advice("add its address to `management`", ("", "network", "management"))
    return Advice(
        f"nothing opens it: {hypervisor.name} answers those who manage it, and its guests for names and storage"
    )


def _to_guest(estate: Estate, source: Party, guest: Guest, port: int) -> Advice:
    if guest.has("step_ca") and port == CA_PORT and source.host:
        return Advice(f"add `trusted_ca` to the groups of {source.name}", (source.name, "groups"))
    if any(guest.has(role) and port in own for role, own in OWN_PORTS.items()):
        return _to_role(estate, source, guest)
    name = next((name for name, service in guest.services.items() if service.port == port), None)
    if name is None:
        entry = f"{{port: {port}, clients: [{client(estate, source) or '…'}]}}"
        return Advice(f"no service is declared there: add NAME: {entry} to `services`", (guest.name, "services"))
    return _to_service(estate, source, guest, name)


def _to_role(estate: Estate, source: Party, guest: Guest) -> Advice:
    edge, mesh = estate.guest_with("nginx"), estate.guest_with("traefik")
    if guest in (edge, mesh) and isinstance(source.host, Guest):
        text = f"add {source.name} to `clients` of an exposed service: it then asks {mesh.name} for it by name"
        return Advice(f"{text}, on {HTTPS_PORT}")
    if guest is mesh:
        return Advice(f"nothing opens it: what is exposed is asked for at {edge.name}")
    return Advice(f"nothing opens it: that port of {guest.name} is for hosts of the estate")


def _to_service(estate: Estate, source: Party, guest: Guest, name: str) -> Advice:
    service, mesh, origin = guest.services[name], estate.guest_with("traefik"), (guest.name, "services", name)
    by_name = f"asks {mesh.name} for {estate.fqdn(name)} on {HTTPS_PORT}"
    through_mesh = service.expose and isinstance(source.host, Guest) and source.host is not mesh
    word = client(estate, source)
    if through_mesh and word in clients(estate, service.clients):
        return Advice(f"nothing opens it: {word} is a client of {name} already, and {by_name}", origin)
    if word is None:
        return Advice(f"nothing opens it to {source.name} itself: {_at_the_edge(estate, name, service)}", origin)
    then = f": it then {by_name}, not {guest.name} itself" if through_mesh else ""
    return Advice(f"add {word} to `clients` of the service {name}{then}", origin)


def _at_the_edge(estate: Estate, name: str, service: Offered) -> str:
    edge = estate.guest_with("nginx").name
    if service.expose:
        return f"{name} is exposed, and asked for at {edge}"
    if service.scheme == "tcp" or service.tls == "mutual":
        return f"clients of {name} are hosts, groups, lan or management"
    return f"expose {name}, and {edge} is asked for it"


def client(estate: Estate, source: Party) -> str | None:
    """What `clients` of a service may say to mean an end: a host, or a word for a network; the world has none."""
    if source.host:
        return source.host.name
    low = source.addresses[0][0]
    if any(contains((network(str(net)),), low) for net in estate.settings.network.management):
        return "management"
    return "lan" if contains((network(str(estate.settings.network.subnet)),), low) else None
