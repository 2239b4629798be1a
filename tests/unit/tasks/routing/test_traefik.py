"""The mesh: Traefik's program state, one file a route, and its certificates."""

from __future__ import annotations

import pytest

from phoenix.converge import Resource
from phoenix.estate import Estate, Service
from phoenix.pki.bundle import SeenAuthority
from phoenix.tasks.routing.mesh_certificates import mesh_certificate_resources
from phoenix.tasks.routing.traefik import traefik_resources
from tests.support.converged import Drift, SimulatedHost, drifted, migrated
from tests.support.estate_ca import AUTHORITY, ROTATING
from tests.support.estates import estate, guest
from tests.support.inventories import example
from tests.support.runs import planning_run, with_host, without_guest

DYNAMIC, NAMES = "/etc/traefik/dynamic", "/etc/traefik/names"
CERTIFICATES = "certificates of the mesh"
HTTP, TLS = Service(port=8000, expose=True), Service(port=8443, scheme="https", expose=True)
SMALL = estate(guest("app", 20, "lxc", services={"web": HTTP, "safe": TLS}))


def mesh(of: Estate, authority: SeenAuthority | None = AUTHORITY) -> tuple[Resource, ...]:
    """What the mesh's guest of an estate should have."""
    return traefik_resources(planning_run(of, authority), of.guest_with("traefik"))


def started(*routes: str) -> list[str]:
    """The daemon with its routes, on a host that has none of it."""
    return [
        "create user traefik",
        "create directory /etc/traefik",
        f"create directory {DYNAMIC}",
        "create file /etc/traefik/acme.json",
        "create file /usr/local/lib/phoenix/mesh-hold",
        "create file /etc/traefik/traefik.yml",
        f"create file {NAMES}",
        f"create file {DYNAMIC}/_mesh.yml",
        *(f"create file {DYNAMIC}/{name}.yml" for name in routes),
        "create file /etc/systemd/system/traefik.service",
        "enable unit traefik.service",
        "start unit traefik.service",
    ]


@pytest.mark.parametrize(
    ("of", "changes"),
    [
        (estate(), started()),
        (SMALL, [*started("safe", "web"), f"issue {CERTIFICATES}"]),
        (
            example(),
            [
                *started(
                    "granite-3b",
                    "granite-embedding",
                    "llamacpp",
                    "nginx",
                    "ollama",
                    "portainer",
                    "qdrant",
                    "qdrant-grpc",
                    "thinkheads-ai",
                    "traefik",
                ),
                f"issue {CERTIFICATES}",
            ],
        ),
    ],
)
def test_empty_host(of: Estate, changes: list[str]) -> None:
    """User, directories and storage come before the daemon, and the daemon before its certificates."""
    assert SimulatedHost().plan(mesh(of)) == changes


@pytest.mark.parametrize(
    ("kind", "subject", "changes"),
    [
        ("answer", "user traefik", ["create user traefik"]),
        ("chmod", "/etc/traefik/acme.json", ["update file /etc/traefik/acme.json"]),
        ("edit", "/usr/local/lib/phoenix/mesh-hold", ["update file /usr/local/lib/phoenix/mesh-hold"]),
        ("edit", "/etc/traefik/traefik.yml", ["update file /etc/traefik/traefik.yml", "restart unit traefik.service"]),
        ("edit", f"{DYNAMIC}/web.yml", [f"update file {DYNAMIC}/web.yml"]),
        ("remove", f"{DYNAMIC}/_mesh.yml", [f"create file {DYNAMIC}/_mesh.yml"]),
        ("add", f"{DYNAMIC}/own.yml", [f"remove file {DYNAMIC}/own.yml"]),
        ("stop", "traefik.service", ["start unit traefik.service"]),
        ("disable", "traefik.service", ["enable unit traefik.service"]),
        (
            "edit",
            "/etc/systemd/system/traefik.service",
            ["update file /etc/systemd/system/traefik.service", "restart unit traefik.service"],
        ),
    ],
)
def test_drift(kind: Drift, subject: str, changes: list[str]) -> None:
    """A route is read without a restart; only its own settings restart the daemon."""
    assert drifted(mesh(SMALL), kind, subject) == changes


def test_lost_certificates() -> None:
    """A storage without certificates is filled; Traefik runs and has had the routes, so it is restarted first."""
    assert drifted(mesh(SMALL), "answer", "mesh certificates") == [
        "restart unit traefik.service",
        f"issue {CERTIFICATES}",
    ]


@pytest.mark.parametrize(
    ("after", "changes"),
    [
        (
            without_guest(SMALL, "app"),
            ["update file {2}", "remove file {0}/safe.yml", "remove file {0}/web.yml", "remove {1}"],
        ),
        (
            with_host(SMALL, "app", services={"web": HTTP}),
            ["update file {2}", "remove file {0}/safe.yml", "remove {1}"],
        ),
        (
            with_host(SMALL, "app", services={"web": HTTP, "safe": Service(port=8443, scheme="https")}),
            ["update file {2}", "remove file {0}/safe.yml", "remove {1}"],
        ),
        (
            with_host(SMALL, "app", services={"web": Service(port=8001, expose=True), "safe": TLS}),
            ["update file {0}/web.yml"],
        ),
        (
            with_host(SMALL, "app", services={"web": HTTP, "safe": TLS, "new": HTTP}),
            ["update file {2}", "create file {0}/new.yml", "issue {1}"],
        ),
    ],
)
def test_other_services(after: Estate, changes: list[str]) -> None:
    """A service that is no longer exposed loses its route and its certificate; a new one gets both."""
    assert migrated(mesh(SMALL), mesh(after)) == [change.format(DYNAMIC, CERTIFICATES, NAMES) for change in changes]


def test_rotated_root() -> None:
    """During a rotation of the root only routes to TLS backends change, because they name the trusted anchors."""
    assert migrated(mesh(SMALL), mesh(SMALL, ROTATING)) == [f"update file {DYNAMIC}/safe.yml"]


@pytest.mark.parametrize(("of", "changes"), [(SMALL, [f"issue {CERTIFICATES}"]), (estate(), [])])
def test_certificates_alone(of: Estate, changes: list[str]) -> None:
    """The task that renews the mesh's certificates compares no other resource."""
    resources = mesh_certificate_resources(planning_run(of, AUTHORITY), of.guest_with("traefik"))
    assert SimulatedHost().plan(resources) == changes
    assert SimulatedHost().converge(resources).plan(resources) == []
