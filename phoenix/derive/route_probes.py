"""Estate → how to prove each route: who asks, at which addresses, and what counts as an answer.

The nodes ask, because flows permit them to: the node of edge and mesh asks there, the node of a service's guest asks
the service itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from phoenix.conventions import HTTPS_PORT
from phoenix.derive.flows import flows_by_host
from phoenix.derive.routes import Route, routes
from phoenix.estate import Estate, Guest
from phoenix.estate.target import hypervisors_of

FEATURES = ("nginx", "traefik", "portainer", "portainer_agent")
"""Groups whose members run a program that Phoenix starts."""


@dataclass(frozen=True)
class BackendListener:
    """A port of a guest, and the node that may connect to it."""

    guest: str
    address: str
    port: int
    node: str

    def __str__(self) -> str:
        return f"{self.address}:{self.port}"


@dataclass(frozen=True)
class RouteProbe:
    """How to prove the route of one name.

    `entries` are edge and mesh; `backend` is the service, None for the mesh's own dashboard. With `checked`, the
    inventory declares a health check. An `external` program is the operator's to run; `starts` says that Phoenix
    starts the program.
    """

    name: str
    route: Route
    entries: tuple[BackendListener, ...]
    backend: BackendListener | None
    checked: bool
    external: bool
    starts: bool

    def accepts(self, status: int) -> bool:
        """Tell whether a status of the application is an answer: 2xx and 3xx for a check, else 1xx to 4xx."""
        return 200 <= status < 400 if self.checked else 100 <= status < 500  # noqa: PLR2004  # classes of RFC 9110


def probes_of(estate: Estate, targets: frozenset[str], node: str) -> tuple[RouteProbe, ...]:
    """The routes that a node proves in a run on the targets.

    All routes concern edge, mesh and hypervisors; any other target proves its own. If a guest's node does not take
    part, another one proves its routes.
    """
    nodes = {host.name for host in estate.hypervisors} & (targets | hypervisors_of(estate, targets))
    edge, mesh = estate.guest_with("nginx"), estate.guest_with("traefik")
    is_every = bool(targets & {edge.name, mesh.name, *(host.name for host in estate.hypervisors)})
    first = mesh.hypervisor if mesh.hypervisor in nodes else min(nodes, default="")
    return tuple(
        probe
        for guest, probe in _probes(estate)
        if (is_every or guest.name in targets) and node == (guest.hypervisor if guest.hypervisor in nodes else first)
    )


def _probes(estate: Estate) -> Iterator[tuple[Guest, RouteProbe]]:
    entries = tuple(_listener(estate, estate.guest_with(group), HTTPS_PORT) for group in ("nginx", "traefik"))
    by_service = {service: guest for guest in estate.guests for service in guest.services}
    for route in routes(estate):
        guest = by_service[route.service]
        port = guest.services[route.service].port
        for name in route.hosts:
            yield (
                guest,
                RouteProbe(
                    name,
                    route,
                    entries,
                    _listener(estate, guest, port) if route.backend else None,
                    checked=route.checked or route.backend is None,
                    external=guest.workload == "external",
                    starts=_starts(guest, port),
                ),
            )


def _listener(estate: Estate, guest: Guest, port: int) -> BackendListener:
    nodes = [host.name for host in estate.hypervisors]
    own = (flow for flow in flows_by_host(estate)[guest.name] if flow.dest == guest.name and port in flow.ports)
    allowed = [flow.source for flow in own if flow.source in nodes]
    node = guest.hypervisor if guest.hypervisor in allowed else next(iter(allowed), guest.hypervisor)
    return BackendListener(guest.name, str(guest.address), port, node)


def _starts(guest: Guest, port: int) -> bool:
    """Tell whether Phoenix starts the program that listens on a port."""
    published = {text.split(":")[-2:][0] for container in guest.containers.values() for text in container.ports}
    return str(port) in published or any(map(guest.has, FEATURES))
