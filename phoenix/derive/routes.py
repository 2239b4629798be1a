"""Estate → the mesh's routes: which name leads to which service."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Network

from phoenix.derive.names import service_names
from phoenix.estate import Estate


@dataclass(frozen=True)
class Route:
    """A name that the mesh serves. `backend` is a URL; None means the mesh's own dashboard.

    `health` is a page that a good backend answers, for gRPC a method; the mesh asks for it if the inventory says so.
    """

    service: str
    hosts: tuple[str, ...]
    backend: str | None
    server_name: str
    health: str
    checked: bool

    @property
    def name(self) -> str:
        """The name that the route is known by."""
        return self.hosts[0]

    @property
    def grpc(self) -> bool:
        """Tell whether gRPC is spoken: over HTTP/2 from end to end, without TLS at the backend."""
        return self.backend is not None and self.backend.startswith("h2c:")

    @property
    def verified(self) -> bool:
        """Tell whether the backend shows a certificate of the authority."""
        return self.backend is not None and self.backend.startswith("https:")


def routes(estate: Estate) -> tuple[Route, ...]:
    """Every exposed service as a route, sorted by service."""
    found = []
    for guest in estate.guests:
        for name, service in guest.services.items():
            if not service.expose:
                continue
            hosts = service_names(estate, name)
            backend = None if guest.has("traefik") else f"{service.scheme}://{guest.address}:{service.port}"
            health = service.health if backend else "/dashboard/"
            checked = backend is not None and "health" in service.model_fields_set
            found.append(Route(name, hosts, backend, hosts[0], health, checked))
    return tuple(sorted(found, key=lambda route: route.service))


def managers(estate: Estate) -> tuple[IPv4Network, ...]:
    """Who may see the mesh's dashboard: the operators' networks, and the hypervisors, which prove every route."""
    nodes = (IPv4Network(hypervisor.address) for hypervisor in estate.hypervisors)
    return (*estate.settings.network.management, *nodes)
