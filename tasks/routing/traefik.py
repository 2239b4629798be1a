"""The mesh: Traefik with one file a route; it gets its certificates from the authority by ACME."""

from __future__ import annotations

from nornir.core.task import Result, Task

from phoenix.converge import Daemon, Directory, Exclusive, File, Made, Resource, Unit, User
from phoenix.derive.authority import ca_url
from phoenix.derive.routes import Route, managers, routes
from phoenix.run import Run
from phoenix.tasks.routing.mesh_certificates import CONFIG, DYNAMIC, STORAGE, UNIT, MeshCertificates
from phoenix.tasks.support.converging import BUNDLE_FILE, converge, render
from phoenix.tasks.trust.readers import MESH_ANCHORS

HOLD = "/usr/local/lib/phoenix/mesh-hold"
HOLD_SECONDS = 30
USER, USER_ID = "traefik", 801


def configure_traefik(task: Task, run: Run, *, dry_run: bool | None = None) -> Result:
    """Bring the mesh to what the estate's routes say."""
    return converge(task, *traefik_resources(task, run), dry_run=dry_run)


def traefik_resources(task: Task, run: Run) -> tuple[Resource, ...]:
    """Everything that the mesh's guest should have."""
    estate = run.estate
    values = {"ca_url": ca_url(estate), "bundle": BUNDLE_FILE, "dynamic": DYNAMIC, "storage": STORAGE}
    static = render(
        task,
        "traefik/traefik.yml.j2",
        edge=estate.guest_with("nginx").address,
        email=f"admin@{estate.zone}",
        anchors=MESH_ANCHORS,
        leaf_hours=estate.settings.ca.mesh.hours,
        **values,
    )
    hold = render(task, "traefik/hold.sh.j2", seconds=HOLD_SECONDS, config=CONFIG, user=USER, **values)
    unit = render(task, "traefik/traefik.service.j2", hold=HOLD, bundle=BUNDLE_FILE, anchors=MESH_ANCHORS)
    files = (
        File(f"{DYNAMIC}/_mesh.yml", render(task, "traefik/mesh.yml.j2")),
        *(File(f"{DYNAMIC}/{route.service}.yml", _route(task, run, route)) for route in routes(estate)),
    )
    return (
        User(USER, USER_ID, "/etc/traefik"),
        Directory("/etc/traefik"),
        Directory(DYNAMIC),
        Made(STORAGE, "true", owner=f"{USER}:{USER}"),
        File(HOLD, hold, mode="0755"),
        Daemon(
            Unit(UNIT, unit),
            files=(File(CONFIG, static),),
            watched=(*files, Exclusive(f"{DYNAMIC}/*", tuple(file.path for file in files))),
            probe="curl -fsS http://127.0.0.1:8080/ping",
            on_change="restart",
        ),
        MeshCertificates(run),
    )


def _route(task: Task, run: Run, route: Route) -> str:
    rule = " || ".join(f"Host(`{name}`)" for name in route.hosts)
    if route.backend is None:
        allowed = [str(network) for network in managers(run.estate)]
        return render(task, "traefik/dashboard.yml.j2", route=route, rule=rule, managers=allowed)
    anchors = run.authority.bundle.fingerprints if run.authority and route.verified else ()
    return render(task, "traefik/route.yml.j2", route=route, rule=rule, bundle=BUNDLE_FILE, anchors=anchors)
