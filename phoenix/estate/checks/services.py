"""Checks across services and Docker containers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from phoenix.conventions import CA_PORT, HTTP_PORT, HTTPS_PORT, MESH_EDGE_PORT, MESH_PING_PORT
from phoenix.estate.document import Location
from phoenix.estate.key_locations import Sources
from phoenix.estate.model import Container, Estate, Guest, Service
from phoenix.estate.problems import Problems, is_secret, nearest

OWN_PORTS = {
    "step_ca": (CA_PORT,),
    "traefik": (HTTP_PORT, HTTPS_PORT, MESH_EDGE_PORT),
    "nginx": (HTTP_PORT, HTTPS_PORT),
}
"""Ports on which a guest listens because of its role."""
NOT_ALLOWED = "looks like a secret, which is not allowed in the inventory: let the container read a file of its guest"
CLIENT_WORDS = ("lan", "management")
"""Words that a service's `clients` may contain besides hosts and groups."""
CLIENT = f"a client is the name of a host or of a group, or one of {', '.join(CLIENT_WORDS)}; an address is not"


def services(estate: Estate, sources: Sources, exists: set[str]) -> Problems:
    """Check that ports are unique, options are compatible, and clients exist."""
    groups = {group for group in sources.groups.data if estate.members(group)}
    templates = {template.name for template in estate.templates}
    known = (exists - templates) | groups | set(CLIENT_WORDS)
    for guest in estate.guests:
        ports = Counter(service.port for service in guest.services.values())
        for name, service in guest.services.items():
            path = ("services", name)
            for key, message in _service_problems(service, guest):
                yield sources.problem(guest.name, (*path, key), message)
            if ports[service.port] > 1:
                message = f"port {service.port} belongs to {ports[service.port]} services of this guest"
                yield sources.problem(guest.name, (*path, "port"), message)
            for index, client in enumerate(service.clients):
                if client in templates:
                    message = f"{client!r} is a template, which never runs: it cannot be a client"
                    yield sources.problem(guest.name, (*path, "clients", index), message)
                elif client in sources.groups.data and client not in known:
                    message = f"the group {client!r} has no host that runs: name another client"
                    yield sources.problem(guest.name, (*path, "clients", index), message)
                elif client not in known:
                    message = f"unknown client {client!r}; {nearest(client, known, CLIENT)}"
                    yield sources.problem(guest.name, (*path, "clients", index), message)


def _service_problems(service: Service, guest: Guest) -> Iterator[tuple[str, str]]:
    for role, own in OWN_PORTS.items():
        if guest.has(role) and service.port in own:
            yield "port", f"the role {role!r} itself listens on {service.port}; choose another port"
    if guest.has("traefik") and service.expose and service.port != MESH_PING_PORT:
        yield "port", f"the mesh can expose only its dashboard, which listens on {MESH_PING_PORT}"
    if service.expose and service.scheme == "tcp":
        yield "scheme", "a tcp service cannot be exposed, because routes are HTTP; use 'clients' instead"
    if service.expose and service.tls == "mutual":
        yield "tls", "an exposed service cannot require client certificates, because the mesh has none"
    if service.tls and service.scheme != "https":
        yield "tls", f"requires the scheme https, not {service.scheme}"
    if service.tls == "mutual" and not service.clients:
        yield "tls", "mutual TLS requires 'clients': name those that may connect"
    if (service.tls or (service.expose and service.scheme == "https")) and not guest.has("step_cli"):
        yield "scheme", "the certificate is issued on the guest itself: add the group 'step_cli'"


def containers(estate: Estate, sources: Sources) -> Problems:
    """Check that Docker containers are pinned, hold no secrets, and publish only ports of services."""
    for guest in estate.guests:
        if guest.containers and not guest.has("docker"):
            yield sources.problem(guest.name, ("containers",), "requires the group 'docker': add it")
        for name, container in guest.containers.items():
            for path, message in _container_problems(guest, name, container):
                yield sources.problem(guest.name, ("containers", name, *path), message)


def _container_problems(guest: Guest, name: str, container: Container) -> Iterator[tuple[Location, str]]:
    if ":" not in container.image or container.image.endswith(":latest"):
        yield ("image",), f"{container.image} has no fixed tag or digest: pin one, so that every run deploys the same"
    ports = {service.port for service in guest.services.values()}
    mutual = name in guest.services and guest.services[name].tls == "mutual"
    for index, published in enumerate(container.ports):
        local = published.startswith("127.")
        port = int(published.split(":")[-2] if ":" in published else published)
        if mutual and not local:
            yield ("ports", index), f"{name!r} requires client certificates: publish its container to 127.0.0.1 only"
        elif not local and port not in ports:
            yield ("ports", index), f"publishes {port}, which is the port of no service of this guest"
    if mutual and not container.ports:
        yield (), f"{name!r} requires client certificates: publish its container's port to 127.0.0.1 only"
    for variable, value in container.environment.items():
        if is_secret(variable) and value:
            yield ("environment", variable), f"{variable} {NOT_ALLOWED}"
    for index, word in enumerate(container.command):
        option, separator, _ = word.partition("=")
        if separator and is_secret(option):
            yield ("command", index), f"{option} {NOT_ALLOWED}"
