"""Estate → the mesh's routes: which name leads to which service."""

from __future__ import annotations

from dataclasses import dataclass

from phoenix.derive.names import service_names
from phoenix.estate import Estate


@dataclass(frozen=True)
class Route:
    """A name that the mesh serves. `backend` is a URL; None means the mesh's own dashboard."""

    service: str
    hosts: tuple[str, ...]
    backend: str | None
    server_name: str
    health: str

    @property
    def name(self) -> str:
        """The name that the route is known by."""
        return self.hosts[0]


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
            found.append(Route(name, hosts, backend, hosts[0], health))
    return tuple(sorted(found, key=lambda route: route.service))
