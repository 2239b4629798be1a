"""Nginx: the edge, which terminates TLS for clients and verifies the mesh; and mutual TLS in front of an agent."""

from __future__ import annotations

from phoenix.conventions import (
    BUNDLE,
    EDGE_ANCHORS,
    EDGE_UNIT,
    HTTP_PORT,
    HTTPS_PORT,
    MESH_EDGE_PORT,
    PROGRAMS,
    SYSTEMD,
)
from phoenix.converge import MADE, Command, Daemon, Directory, File, Leftovers, ManagedGlob, Resource, Unit
from phoenix.derive.certificates import certificates, edge_leaf, server_leaf
from phoenix.derive.flows import clients
from phoenix.derive.routes import Route, dashboard_networks, routes
from phoenix.estate import Guest
from phoenix.run import Converge, Run
from phoenix.templating import render, shell_program

CONFIG = "/etc/nginx/conf.d/phoenix.conf"
RELOAD = f"{PROGRAMS}/reload-nginx"
DROP_IN = f"{SYSTEMD}/{EDGE_UNIT}.d"
READ = f"/bin/cp {BUNDLE} {EDGE_ANCHORS}"
"""Copies the bundle that Nginx is about to read, so that a reload follows exactly when the bundle differs."""
TLS = {
    "ciphers": "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305",
    "curves": "X25519:prime256v1:secp384r1",
}
"""Mozilla's intermediate TLS profile for elliptic-curve keys."""


def nginx_resources(run: Run, guest: Guest) -> tuple[Resource, ...]:
    """Nginx on a host; empty on a host without a listener for it."""
    if guest.has("nginx"):
        return _daemon(
            (HTTP_PORT, HTTPS_PORT),
            _edge(run),
            f"curl -fsS -o /dev/null -w %{{http_code}} http://127.0.0.1:{HTTP_PORT}/ | grep -q 301",
        )
    agents = [name for name, service in guest.services.items() if service.tls == "mutual"]
    if not agents:
        return nginx_leftovers()
    text = "\n".join(_door(run, guest, name) for name in agents)
    ports = tuple(guest.services[name].port for name in agents)
    return _daemon(ports, text, f"ss -Hltn 'sport = :{ports[0]}' | grep -q .")


def nginx_leftovers() -> tuple[Resource, ...]:
    """Nothing of Phoenix on a host without a listener: an Nginx that it configured is stopped, and stays installed."""
    return (
        Leftovers(CONFIG, MADE, stops=EDGE_UNIT),
        Leftovers(f"{DROP_IN}/phoenix.conf", RELOAD),
        Leftovers(RELOAD, MADE),
    )


def _daemon(ports: tuple[int, ...], config: str, probe: str) -> tuple[Resource, ...]:
    """Nginx with its configuration, and a reload program that loses no connection."""
    known = f"systemctl show --property=ExecStartPre,ExecReload {EDGE_UNIT}"
    ours = f"{known} | grep -cF -e 'argv[]={READ} ;' -e 'argv[]={RELOAD} ;'"
    values = {"bundle": BUNDLE, "anchors": EDGE_ANCHORS}
    return (
        Directory("/etc/nginx/conf.d"),
        File(RELOAD, shell_program("nginx/reload.sh", "holding/hold.sh", ports=ports, **values), mode="0755"),
        Directory(DROP_IN),
        File(f"{DROP_IN}/phoenix.conf", f"[Service]\nExecStartPre=-{READ}\nExecReload=\nExecReload={RELOAD}\n"),
        Command(f"reloading of {EDGE_UNIT}", ours, "2", "systemctl daemon-reload"),
        Daemon(
            Unit(EDGE_UNIT),
            files=(
                File(CONFIG, config),
                ManagedGlob("/etc/nginx/conf.d/*.conf", (CONFIG,)),
                ManagedGlob("/etc/nginx/sites-enabled/*", ()),
            ),
            check="nginx -t",
            probe=probe,
        ),
    )


def _edge(run: Run) -> str:
    estate = run.estate
    guest = estate.guest_with("nginx")
    leaf = edge_leaf(estate)
    return render(
        "nginx/gateway.conf.j2",
        names=_names(routes(estate)),
        managers=dashboard_networks(estate),
        mesh=estate.guest_with("traefik").address,
        mesh_port=MESH_EDGE_PORT,
        leaf=leaf,
        bundle=BUNDLE,
        zone=estate.zone,
        **TLS,
        status_ports=[service.port for service in guest.services.values() if service.expose],
        status_clients=[estate.guest_with("traefik").address, estate.inner_address(estate.hypervisor_of(guest))],
    )


def _names(every: tuple[Route, ...]) -> dict[str, list[str]]:
    """Group the names of routes by the edge's treatment: web, dashboard, grpc."""
    found: dict[str, list[str]] = {"web": [], "dashboard": [], "grpc": []}
    for route in every:
        kind = "dashboard" if route.backend is None else "grpc" if route.grpc else "web"
        found[kind] += route.hosts
    return found


def _door(run: Run, guest: Guest, name: str) -> str:
    estate, service = run.estate, guest.services[name]
    allowed = clients(estate, service.clients)
    shown = [leaf.dns[0] for leaf in certificates(estate) if leaf.name == f"{name}-client" and leaf.host in allowed]
    published = guest.containers[name].ports[0] if name in guest.containers else f"127.0.0.1:{service.port}"
    backend = published.split(":")[-2]
    return render(
        "nginx/agent.conf.j2",
        service=name,
        address=guest.address,
        port=service.port,
        leaf=server_leaf(estate, name),
        bundle=BUNDLE,
        clients=shown,
        backend_port=backend,
        **TLS,
    )


configure_nginx = Converge("configure_nginx", nginx_resources)
"""Bring Nginx to the estate's routes, or to its mutual TLS."""
