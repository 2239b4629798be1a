"""Whether names, services and containers agree with each other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from phoenix.conventions import CA_PORT, HTTP_PORT, HTTPS_PORT, MESH_EDGE_PORT, MESH_PING_PORT
from phoenix.estate.document import Location
from phoenix.estate.model import Container, Estate, Guest, Service
from phoenix.estate.problems import Found, is_secret, nearest
from phoenix.estate.sources import Sources

OWN_PORTS = {
    "step_ca": (CA_PORT,),
    "traefik": (HTTP_PORT, HTTPS_PORT, MESH_EDGE_PORT),
    "nginx": (HTTP_PORT, HTTPS_PORT),
}
"""What listens on a guest because of its role."""
ANYONE = ("lan", "management")
"""Words that a service's `clients` may name besides hosts and groups."""


def names(estate: Estate, sources: Sources) -> Found:
    """Names that two hosts claim, names outside every zone, services of the same name."""
    owners: dict[str, str] = {}
    zones = (estate.zone, *estate.settings.alias_zones)
    for host, name, path in _claims(estate):
        if owners.setdefault(name, host) != host:
            yield sources.problem(host, path, f"the name {name} already belongs to {owners[name]}")
        if not name.endswith(tuple(f".{zone}" for zone in zones)):
            message = f"{name} is in no declared zone ({', '.join(zones)}); add its zone to alias_zones"
            yield sources.problem(host, path, message)
    for label in estate.settings.records:
        if estate.fqdn(label) in owners:
            message = f"the name {estate.fqdn(label)} already belongs to {owners[estate.fqdn(label)]}"
            yield sources.setting(("records", label), message)
    known = Counter(name for guest in estate.guests for name in guest.services)
    for guest in estate.guests:
        for name in guest.services:
            if known[name] > 1:
                yield sources.problem(guest.name, ("services", name), f"{known[name]} guests have a service {name!r}")


def _claims(estate: Estate) -> Iterator[tuple[str, str, Location]]:
    """Every name with the host that claims it and the key it is claimed by."""
    for hypervisor in estate.hypervisors:
        yield hypervisor.name, estate.fqdn(hypervisor.node), ("node",)
    for guest in estate.guests:
        for name, path in _claimed(estate, guest):
            yield guest.name, name, path


def _claimed(estate: Estate, guest: Guest) -> Iterator[tuple[str, tuple[str | int, ...]]]:
    yield estate.fqdn(guest.name), ()
    if guest.has("step_ca"):
        yield estate.fqdn("ca"), ()
    for label in guest.aliases:
        yield estate.fqdn(label), ("aliases",)
    for label in guest.records:
        yield estate.fqdn(label), ("records", label)
    for name, service in guest.services.items():
        if service.expose or service.tls:
            yield estate.fqdn(name), ("services", name)
        for alias in service.aliases:
            yield alias, ("services", name, "aliases")


def services(estate: Estate, sources: Sources, exists: set[str]) -> Found:
    """Ports are unique, options fit together, clients exist."""
    groups = {group for group in sources.groups.data if estate.members(group)}
    templates = {template.name for template in estate.templates}
    parties = (exists - templates) | groups | set(ANYONE)
    for guest in estate.guests:
        ports = Counter(service.port for service in guest.services.values())
        for name, service in guest.services.items():
            path = ("services", name)
            for key, message in _wrong_with(service, guest):
                yield sources.problem(guest.name, (*path, key), message)
            if ports[service.port] > 1:
                message = f"port {service.port} belongs to {ports[service.port]} services of this guest"
                yield sources.problem(guest.name, (*path, "port"), message)
            for index, client in enumerate(service.clients):
                if client in templates:
                    message = f"{client!r} is a template, which never runs: it cannot be a client"
                    yield sources.problem(guest.name, (*path, "clients", index), message)
                elif client in sources.groups.data and client not in parties:
                    message = f"nobody who runs is in the group {client!r}: who is the client?"
                    yield sources.problem(guest.name, (*path, "clients", index), message)
                elif client not in parties:
                    message = f"unknown client {client!r}; {nearest(client, parties)}"
                    yield sources.problem(guest.name, (*path, "clients", index), message)


def _wrong_with(service: Service, guest: Guest) -> Iterator[tuple[str, str]]:
    for role, own in OWN_PORTS.items():
        if guest.has(role) and service.port in own:
            yield "port", f"{service.port} is where the role {role!r} itself listens; choose another"
    if guest.has("traefik") and service.expose and service.port != MESH_PING_PORT:
        yield "port", f"the mesh can expose its dashboard only, which is on {MESH_PING_PORT}"
    if service.expose and service.scheme == "tcp":
        yield "scheme", "a tcp service cannot be exposed: routes are HTTP; use clients instead"
    if service.expose and service.tls == "mutual":
        yield "tls", "an exposed service cannot demand client certificates: the mesh has none"
    if service.tls and service.scheme != "https":
        yield "tls", f"needs scheme https, not {service.scheme}"
    if service.tls == "mutual" and not service.clients:
        yield "tls", "mutual needs clients: who may connect?"
    if (service.tls or (service.expose and service.scheme == "https")) and not guest.has("step_cli"):
        yield "scheme", "a certificate is issued on the guest itself: add the group 'step_cli'"


def containers(estate: Estate, sources: Sources) -> Found:
    """Containers are pinned, hold no secrets, and publish only ports of services."""
    for guest in estate.guests:
        if guest.containers and not guest.has("docker"):
            yield sources.problem(guest.name, ("containers",), "needs the group 'docker'")
        for name, container in guest.containers.items():
            for path, message in _wrong_with_container(guest, name, container):
                yield sources.problem(guest.name, ("containers", name, *path), message)


def _wrong_with_container(guest: Guest, name: str, container: Container) -> Iterator[tuple[Location, str]]:
    if ":" not in container.image or container.image.endswith(":latest"):
        yield ("image",), f"{container.image} has no fixed tag or digest: pin one, so that every deploy runs the same"
    ports = {service.port for service in guest.services.values()}
    hidden = name in guest.services and guest.services[name].tls == "mutual"
    for index, published in enumerate(container.ports):
        inside = published.startswith("127.")
        port = int(published.split(":")[-2] if ":" in published else published)
        if hidden and not inside:
            yield ("ports", index), f"{name!r} demands client certificates: publish its container to 127.0.0.1 only"
        elif not inside and port not in ports:
            yield ("ports", index), f"publishes {port}, which is the port of no service of this guest"
    if hidden and not container.ports:
        yield (), f"{name!r} demands client certificates: publish its container's port, to 127.0.0.1 only"
    for variable, value in container.environment.items():
        if is_secret(variable) and value:
            message = (
                "looks like a secret, which may not stand in the inventory: give the container a file of its guest"
            )
            yield ("environment", variable), message
    for index, word in enumerate(container.command):
        option, given, _ = word.partition("=")
        if given and is_secret(option):
            message = f"{option} looks like a secret, which may not stand in the inventory: give it a file of the guest"
            yield ("command", index), message
