"""Estate → the mesh's routes: the names of each exposed service and its backend."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Network

from phoenix.derive.names import service_names
from phoenix.estate import Estate


@dataclass(frozen=True)
class Route:
    """An exposed service, as served by the mesh. `backend` is a URL; None means the mesh's own dashboard.

    `health` is the path, or for gRPC the method, of the health check. With `checked`, the mesh itself performs it,
    because the inventory declares it.
    """

    service: str
    hosts: tuple[str, ...]
    backend: str | None
    server_name: str
    health: str
    checked: bool

    @property
    def name(self) -> str:
        """The first host name, which identifies the route."""
        return self.hosts[0]

    @property
    def grpc(self) -> bool:
        """Report whether the route is for gRPC: HTTP/2 from end to end, without TLS to the backend."""
        return self.backend is not None and self.backend.startswith("h2c:")

    @property
    def verified(self) -> bool:
        """Report whether the backend presents a certificate of the CA, which the mesh verifies."""
        return self.backend is not None and self.backend.startswith("https:")


def routes(estate: Estate) -> tuple[Route, ...]:
    """Derive one route for each exposed service, sorted by service."""
    derived = []
    for guest in estate.guests:
        for name, service in guest.services.items():
            if not service.expose:
                continue
            hosts = service_names(estate, name)
            backend = None if guest.has("traefik") else f"{service.scheme}://{guest.address}:{service.port}"
            health = service.health if backend else "/dashboard/"
            checked = backend is not None and "health" in service.model_fields_set
            derived.append(Route(name, hosts, backend, hosts[0], health, checked))
    return tuple(sorted(derived, key=lambda route: route.service))


def dashboard_networks(estate: Estate) -> tuple[IPv4Network, ...]:
    """The networks that may open the mesh's dashboard: the management networks, and the hypervisors for their proof."""
    nodes = (IPv4Network(estate.inner_address(hypervisor)) for hypervisor in estate.hypervisors)
    return (*estate.settings.network.management, *nodes)
