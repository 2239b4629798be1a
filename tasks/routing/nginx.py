"""Nginx: the edge, which ends TLS for clients and verifies the mesh; and the door of mutual TLS before an agent."""

from __future__ import annotations

from nornir.core.task import Result, Task

from phoenix.converge import Command, Daemon, Directory, Exclusive, File, Resource, Unit
from phoenix.converge.files import SYSTEMD
from phoenix.derive.certificates import certificates, leaves_of, server_leaf
from phoenix.derive.flows import MESH_EDGE_PORT, clients
from phoenix.derive.routes import Route, managers, routes
from phoenix.estate import Guest
from phoenix.run import Run
from phoenix.tasks.support.converging import BUNDLE_FILE, converge, render
from phoenix.tasks.trust.readers import NGINX_ANCHORS

CONFIG = "/etc/nginx/conf.d/phoenix.conf"
RELOAD = "/usr/local/lib/phoenix/reload-nginx"
DROP_IN = f"{SYSTEMD}/nginx.service.d"
READ = f"/bin/cp {BUNDLE_FILE} {NGINX_ANCHORS}"
"""What Nginx is about to read can be seen, so that it is told of another bundle, and only of that."""
TLS = {
    "ciphers": "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305",
    "curves": "X25519:prime256v1:secp384r1",
}
"""Mozilla's intermediate profile, for keys on elliptic curves."""


def configure_nginx(task: Task, run: Run, *, dry_run: bool | None = None) -> Result:
    """Bring Nginx to what the estate's routes, or its mutual TLS, say."""
    return converge(task, *nginx_resources(task, run), dry_run=dry_run)


def nginx_resources(task: Task, run: Run) -> tuple[Resource, ...]:
    """Everything that Nginx needs on a host; nothing on a host without a listener for it."""
    guest = run.estate.host(task.host.name)
    assert isinstance(guest, Guest)  # noqa: S101  # the stage runs on guests
    if guest.has("nginx"):
        return _daemon(
            task,
            (80, 443),
            _edge(task, run),
            "curl -fsS -o /dev/null -w %{http_code} http://127.0.0.1:80/ | grep -q 301",
        )
    agents = [name for name, service in guest.services.items() if service.tls == "mutual"]
    if not agents:
        return ()
    text = "\n".join(_door(task, run, guest, name) for name in agents)
    ports = tuple(guest.services[name].port for name in agents)
    return _daemon(task, ports, text, f"ss -Hltn 'sport = :{ports[0]}' | grep -q .")


def _daemon(task: Task, ports: tuple[int, ...], config: str, probe: str) -> tuple[Resource, ...]:
    """Nginx with its configuration, and with a way of reloading that loses no connection."""
    known = "systemctl show --property=ExecStartPre,ExecReload nginx.service"
    ours = f"{known} | grep -cF -e 'argv[]={READ} ;' -e 'argv[]={RELOAD} ;'"
    return (
        Directory("/etc/nginx/conf.d"),
        File(RELOAD, render(task, "nginx/reload.sh.j2", ports=ports, read=READ), mode="0755"),
        Directory(DROP_IN),
        File(f"{DROP_IN}/phoenix.conf", f"[Service]\nExecStartPre=-{READ}\nExecReload=\nExecReload={RELOAD}\n"),
        Command("reloading of nginx.service", ours, "2", "systemctl daemon-reload"),
        Daemon(
            Unit("nginx.service"),
            files=(
                File(CONFIG, config),
                Exclusive("/etc/nginx/conf.d/*.conf", (CONFIG,)),
                Exclusive("/etc/nginx/sites-enabled/*", ()),
            ),
            check="nginx -t",
            probe=probe,
        ),
    )


def _edge(task: Task, run: Run) -> str:
    estate = run.estate
    guest = estate.guest_with("nginx")
    leaf = next(leaf for leaf in leaves_of(estate, guest.name) if leaf.name == "internal_traefik_proxy")
    return render(
        task,
        "nginx/gateway.conf.j2",
        names=_names(routes(estate)),
        managers=managers(estate),
        mesh=estate.guest_with("traefik").address,
        mesh_port=MESH_EDGE_PORT,
        leaf=leaf,
        bundle=BUNDLE_FILE,
        zone=estate.zone,
        **TLS,
        status_ports=[service.port for service in guest.services.values() if service.expose],
        status_clients=[estate.guest_with("traefik").address, estate.hypervisor_of(guest).address],
    )


def _names(every: tuple[Route, ...]) -> dict[str, list[str]]:
    """The names of the routes by what the edge must do for them."""
    found: dict[str, list[str]] = {"web": [], "dashboard": [], "grpc": []}
    for route in every:
        kind = "dashboard" if route.backend is None else "grpc" if route.grpc else "web"
        found[kind] += route.hosts
    return found


def _door(task: Task, run: Run, guest: Guest, name: str) -> str:
    estate, service = run.estate, guest.services[name]
    allowed = clients(estate, service.clients)
    shown = [leaf.dns[0] for leaf in certificates(estate) if leaf.name == f"{name}-client" and leaf.host in allowed]
    published = guest.containers[name].ports[0] if name in guest.containers else f"127.0.0.1:{service.port}"
    backend = published.split(":")[-2]
    return render(
        task,
        "nginx/agent.conf.j2",
        service=name,
        address=guest.address,
        port=service.port,
        leaf=server_leaf(estate, name),
        bundle=BUNDLE_FILE,
        clients=shown,
        backend_port=backend,
        **TLS,
    )
