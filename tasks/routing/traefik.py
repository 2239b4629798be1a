"""The mesh: Traefik with one file per route; it obtains certificates from the CA by ACME."""

from __future__ import annotations

from phoenix.conventions import (
    BUNDLE,
    HTTP_PORT,
    HTTPS_PORT,
    MESH_ANCHORS,
    MESH_CONFIG,
    MESH_DIRECTORY,
    MESH_EDGE_PORT,
    MESH_PING_PORT,
    MESH_ROUTES,
    MESH_STORAGE,
    MESH_UNIT,
    PROGRAMS,
    SYSTEMD,
)
from phoenix.converge import MADE, Daemon, Directory, File, GeneratedFile, Leftovers, ManagedGlob, Resource, Unit, User
from phoenix.derive.authority import ca_url
from phoenix.derive.routes import Route, dashboard_networks, routes
from phoenix.estate import Estate, Guest
from phoenix.run import Converge, Run
from phoenix.tasks.routing.mesh_certificates import MeshCertificates
from phoenix.templating import render, shell_program

HOLD = f"{PROGRAMS}/mesh-hold"
HOLD_SECONDS = 30
NAMES = f"{MESH_DIRECTORY}/names"
"""The names whose certificates the mesh waits for at its start, one a line."""
USER, USER_ID = "traefik", 801


def traefik_resources(run: Run, _mesh: Guest) -> tuple[Resource, ...]:
    """Traefik on the mesh's guest: user, configuration, routes, unit, certificates."""
    estate = run.estate
    static = render(
        "traefik/traefik.yml.j2",
        edge=estate.guest_with("nginx").address,
        email=f"admin@{estate.zone}",
        anchors=MESH_ANCHORS,
        ping_port=MESH_PING_PORT,
        edge_port=MESH_EDGE_PORT,
        leaf_hours=estate.settings.ca.mesh.hours,
        ca_url=ca_url(estate),
        dynamic=MESH_ROUTES,
        storage=MESH_STORAGE,
    )
    unit = render("traefik/traefik.service.j2", hold=HOLD, bundle=BUNDLE, anchors=MESH_ANCHORS)
    route_files = {
        route.name: File(f"{MESH_ROUTES}/{route.service}.yml", _route(run, route)) for route in routes(estate)
    }
    names = File(NAMES, "".join(f"{route.name}\n" for route in routes(estate)), mark=estate.zone)
    files = (File(f"{MESH_ROUTES}/_mesh.yml", render("traefik/mesh.yml.j2")), *route_files.values())
    return (
        User(USER, USER_ID, MESH_DIRECTORY),
        Directory(MESH_DIRECTORY),
        Directory(MESH_ROUTES),
        GeneratedFile(MESH_STORAGE, "true", owner=f"{USER}:{USER}"),
        File(HOLD, _hold(estate), mode="0755"),
        Daemon(
            Unit(MESH_UNIT, unit),
            files=(File(MESH_CONFIG, static),),
            watched=(names, *files, ManagedGlob(f"{MESH_ROUTES}/*", tuple(file.path for file in files))),
            probe=f"curl -fsS http://127.0.0.1:{MESH_PING_PORT}/ping",
            on_change="restart",
        ),
        MeshCertificates(estate, run.known_authority, route_files=route_files),
    )


def mesh_leftovers() -> tuple[Resource, ...]:
    """Nothing of Phoenix that runs on a host that is no longer the mesh; routes and certificates stay, unused."""
    return (
        Leftovers(f"{SYSTEMD}/{MESH_UNIT}", "Description=Mesh of the estate"),
        Leftovers(MESH_CONFIG, MADE),
        Leftovers(HOLD, MADE),
    )


def _hold(estate: Estate) -> str:
    """The program that starts and stops the mesh without a failed request."""
    return shell_program(
        "traefik/hold.sh",
        "holding/hold.sh",
        storage=MESH_STORAGE,
        config=MESH_CONFIG,
        user=USER,
        names=NAMES,
        bundle=BUNDLE,
        ca_url=ca_url(estate),
        seconds=HOLD_SECONDS,
        ports=(HTTP_PORT, HTTPS_PORT, MESH_EDGE_PORT),
        port=MESH_EDGE_PORT,
        challenge_port=HTTP_PORT,
        ping_port=MESH_PING_PORT,
    )


def _route(run: Run, route: Route) -> str:
    rule = " || ".join(f"Host(`{name}`)" for name in route.hosts)
    if route.backend is None:
        allowed = [str(network) for network in dashboard_networks(run.estate)]
        return render("traefik/dashboard.yml.j2", route=route, rule=rule, managers=allowed)
    authority = run.known_authority
    anchors = authority.bundle.fingerprints if authority and route.verified else ()
    return render("traefik/route.yml.j2", route=route, rule=rule, bundle=BUNDLE, anchors=anchors)


configure_traefik = Converge("configure_traefik", traefik_resources)
"""Bring the mesh to the estate's routes."""
