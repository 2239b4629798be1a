"""Routes for tests of the proof: one of a program on `wiki`, with edge `nginx-gateway` and mesh `traefik`."""

from __future__ import annotations

from phoenix.derive.route_probes import BackendListener, RouteProbe
from phoenix.derive.routes import Route

NAME = "wiki.lab.test"
EDGE = BackendListener("nginx-gateway", "10.0.0.153", 443, "pve")
MESH = BackendListener("traefik", "10.0.0.12", 443, "pve")
SERVICE = BackendListener("wiki", "10.0.0.60", 8000, "pve")


def route(scheme: str = "http", health: str = "/") -> Route:
    """The route of the service."""
    return Route("wiki", (NAME,), f"{scheme}://10.0.0.60:8000", NAME, health, checked=health != "/")


def probe(
    *, checked: bool = False, external: bool = False, starts: bool = False, dashboard: bool = False
) -> RouteProbe:
    """The probe of the route."""
    backend = None if dashboard else SERVICE
    return RouteProbe(NAME, route(), (EDGE, MESH), backend, checked=checked, external=external, starts=starts)
