"""Estate → leaves: every certificate that is issued by a one-time token, and its files.

The mesh's certificates are not among them: it obtains them by ACME (RFC 8555) for the names of its routes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal

from phoenix.conventions import (
    EDGE_TLS_DIRECTORY,
    EDGE_UNIT,
    REGISTRATION_UNIT,
    TLS_DIRECTORY,
    WEB_CERTIFICATE_UNIT,
    container_unit,
)
from phoenix.derive.flows import clients as flow_clients
from phoenix.derive.names import is_covered, service_names
from phoenix.estate import DEFAULT_VALIDITY, Estate, Guest, Hypervisor, Validity

Usage = Literal["server", "client"]


@dataclass(frozen=True)
class Leaf:
    """One certificate of a host: its subject, its files, their owner and mode, and the action after a change.

    `dns` and `ips` are the complete subject alternative names; the first of `dns` is the common name. `usage` is the
    extended key usage: a `server` leaf is valid for clients, too, because step renews it with itself; a `client` leaf
    is not valid for servers. `owner` is `user:group`, `key_mode` is octal, `key_type` is a name of openssl and step.
    `reload` is a verb of systemctl and the unit to which it is applied after a change.
    """

    name: str
    host: str
    dns: tuple[str, ...]
    ips: tuple[str, ...]
    certificate: str
    key: str
    usage: Usage = "server"
    validity: Validity = DEFAULT_VALIDITY
    owner: str = "root:root"
    key_mode: str = "0600"
    key_type: str = "EC P-256"
    reload: tuple[str, str] | None = None

    @property
    def directory(self) -> str:
        """The directory of the certificate."""
        return str(PurePosixPath(self.certificate).parent)


def certificates(estate: Estate) -> tuple[Leaf, ...]:
    """Derive every leaf that the estate needs, sorted by host and name."""
    leaves = [
        edge_leaf(estate),
        *(web_leaf(estate, hypervisor) for hypervisor in estate.hypervisors if hypervisor.web_certificate),
        *(leaf for guest in estate.guests for leaf in _of_services(estate, guest)),
    ]
    return tuple(sorted(leaves, key=lambda leaf: (leaf.host, leaf.name)))


def leaves_of(estate: Estate, host: str) -> tuple[Leaf, ...]:
    """The leaves of one host."""
    return tuple(leaf for leaf in certificates(estate) if leaf.host == host)


def server_leaf(estate: Estate, service: str) -> Leaf:
    """The leaf that a service presents; StopIteration if it has none."""
    return next(leaf for leaf in certificates(estate) if leaf.name == service)


def client_leaf(estate: Estate, service: str, client: str) -> Leaf:
    """The leaf that a client presents to a service with mutual TLS; StopIteration if it has none."""
    return next(leaf for leaf in leaves_of(estate, client) if leaf.name == f"{service}-client")


def web_leaf(estate: Estate, hypervisor: Hypervisor) -> Leaf:
    """The leaf of a hypervisor's web server; its name has an underscore, as no service's name has."""
    name = f"{hypervisor.name}_web"
    return Leaf(
        name=name,
        host=hypervisor.name,
        dns=(estate.fqdn(hypervisor.node),),
        ips=(str(hypervisor.address),),
        certificate=f"{TLS_DIRECTORY}/{name}.crt",
        key=f"{TLS_DIRECTORY}/{name}.key",
        validity=estate.settings.ca.leaf,
        reload=("start", WEB_CERTIFICATE_UNIT),
    )


def edge_leaf(estate: Estate) -> Leaf:
    """The leaf that the edge presents to clients: a wildcard for the zone, and the aliases that it does not cover."""
    zone = (f"*.{estate.zone}", estate.zone)
    aliases = tuple(
        alias
        for guest in estate.guests
        for service in guest.services.values()
        if service.expose
        for alias in service.aliases
        if not is_covered(alias, zone)
    )
    return Leaf(
        name="internal_traefik_proxy",
        host=estate.guest_with("nginx").name,
        dns=(*zone, *aliases),
        ips=(),
        certificate=f"{EDGE_TLS_DIRECTORY}/internal_traefik_proxy.crt",
        key=f"{EDGE_TLS_DIRECTORY}/internal_traefik_proxy.key",
        validity=estate.settings.ca.edge or estate.settings.ca.leaf,
        reload=("reload", EDGE_UNIT),
    )


def _of_services(estate: Estate, guest: Guest) -> Iterator[Leaf]:
    for name, service in guest.services.items():
        validity = service.certificate or estate.settings.ca.leaf
        if service.scheme == "https":
            certificate, key = _server_files(guest, name)
            yield Leaf(
                name=name,
                host=guest.name,
                dns=service_names(estate, name),
                ips=(str(guest.address), "127.0.0.1"),
                certificate=certificate,
                key=key,
                validity=validity,
                reload=_reload(guest, name),
            )
        if service.tls == "mutual":
            yield from (_client(estate, client, name, validity) for client in _client_guests(estate, service.clients))


def _client(estate: Estate, client: Guest, service: str, validity: Validity) -> Leaf:
    certificate, key = _client_files(estate, client, service)
    dns = (estate.fqdn(f"{client.name}-client"),)
    reload = ("start", REGISTRATION_UNIT) if client.has("portainer") else None
    return Leaf(f"{service}-client", client.name, dns, (), certificate, key, "client", validity, reload=reload)


def _mutual(estate: Estate) -> Iterator[tuple[str, tuple[Guest, ...]]]:
    """Yield the services with mutual TLS, each with its client guests."""
    for guest in estate.guests:
        for name, service in guest.services.items():
            if service.tls == "mutual":
                yield name, tuple(_client_guests(estate, service.clients))


def _client_guests(estate: Estate, clients: tuple[str, ...]) -> Iterator[Guest]:
    """Yield the guests among the clients; a hypervisor only probes and presents no certificate."""
    names = flow_clients(estate, clients)
    yield from (guest for guest in estate.guests if guest.name in names)


def _server_files(guest: Guest, service: str) -> tuple[str, str]:
    if guest.has("portainer") and guest.persistent_storage:
        directory = f"{guest.persistent_storage}/portainer/certs"
        return f"{directory}/cert.pem", f"{directory}/key.pem"
    if guest.has("portainer_agent") and guest.persistent_storage:
        directory = f"{guest.persistent_storage}/certs"
    else:
        directory = TLS_DIRECTORY
    return f"{directory}/{service}.crt", f"{directory}/{service}.key"


def _client_files(estate: Estate, client: Guest, service: str) -> tuple[str, str]:
    if client.has("portainer") and client.persistent_storage:
        first = next(name for name, clients in _mutual(estate) if client in clients)
        name = "portainer-server-client" if service == first else f"{service}-client"
        stem = f"{client.persistent_storage}/portainer/certs/{name}"
    else:
        stem = f"{TLS_DIRECTORY}/{service}-client"
    return f"{stem}.crt", f"{stem}.key"


def _reload(guest: Guest, service: str) -> tuple[str, str] | None:
    if service in guest.containers and guest.services[service].tls != "mutual":
        return "restart", container_unit(service)
    return ("reload", EDGE_UNIT) if guest.services[service].tls == "mutual" else None
