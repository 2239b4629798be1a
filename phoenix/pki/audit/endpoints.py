"""Estate → the TLS ports that an audit connects to, and the certificate that each should present."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from phoenix.conventions import CA_PORT, HTTPS_PORT, PROXMOX_PORT, WEB_CERTIFICATE_UNIT
from phoenix.derive.certificates import Leaf, certificates, leaves_of
from phoenix.derive.routes import routes
from phoenix.estate import Estate

CA_ENDPOINT = "authority"


@dataclass(frozen=True)
class TlsEndpoint:
    """A port that presents a certificate; `name` is that of the leaf or the route, or CA_ENDPOINT."""

    name: str
    host: str
    address: str
    server_name: str


def endpoints_of(estate: Estate, host: str) -> tuple[TlsEndpoint, ...]:
    """The ports of a host that present certificates from files, and the CA's own port."""
    return tuple(endpoint for endpoint in _endpoints(estate) if endpoint.host == host)


def web_leaves(estate: Estate) -> tuple[Leaf, ...]:
    """The leaves of hypervisors' web servers."""
    return tuple(leaf for leaf in certificates(estate) if leaf.reload and leaf.reload[1] == WEB_CERTIFICATE_UNIT)


def _endpoints(estate: Estate) -> Iterator[TlsEndpoint]:
    authority, mesh, served = estate.guest_with("step_ca"), estate.guest_with("traefik"), routes(estate)
    yield TlsEndpoint(CA_ENDPOINT, authority.name, f"{authority.address}:{CA_PORT}", estate.fqdn("ca"))
    for route in served:
        yield TlsEndpoint(route.name, mesh.name, f"{mesh.address}:{HTTPS_PORT}", route.name)
    for leaf in web_leaves(estate):
        yield TlsEndpoint(leaf.name, leaf.host, f"{leaf.ips[0]}:{PROXMOX_PORT}", leaf.dns[0])
    for guest in estate.guests:
        for leaf in leaves_of(estate, guest.name):
            if leaf.name in guest.services and leaf.usage == "server":
                port = guest.services[leaf.name].port
                yield TlsEndpoint(leaf.name, guest.name, f"{guest.address}:{port}", leaf.dns[0])
            elif leaf.dns[0].startswith("*.") and served:
                yield TlsEndpoint(leaf.name, guest.name, f"{guest.address}:{HTTPS_PORT}", served[0].name)
