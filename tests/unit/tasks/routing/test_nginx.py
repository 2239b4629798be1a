"""Nginx as the edge, and as the door of mutual TLS before an agent."""

from __future__ import annotations

import pytest

from phoenix.converge import Resource
from phoenix.estate import Estate, Service
from phoenix.tasks.routing.nginx import nginx_resources
from tests.support.converged import Drift, SimulatedHost, drifted, migrated
from tests.support.estates import estate, guest
from tests.support.inventories import example
from tests.support.runs import planning_run, with_host, without_guest

CONFIG = "/etc/nginx/conf.d/phoenix.conf"
RELOAD = "/usr/local/lib/phoenix/reload-nginx"
DROP_IN = "/etc/systemd/system/nginx.service.d"
STARTED = [
    "create directory /etc/nginx/conf.d",
    f"create file {RELOAD}",
    f"create directory {DROP_IN}",
    f"create file {DROP_IN}/phoenix.conf",
    "update reloading of nginx.service",
    f"create file {CONFIG}",
    "enable unit nginx.service",
    "start unit nginx.service",
]
MUTUAL = Service(port=9001, scheme="https", tls="mutual", clients=("mesh",))
SMALL = estate(
    guest("door", 20, "lxc", "portainer_agent", services={"door": MUTUAL}),
    guest("app", 21, "lxc", services={"web": Service(port=8000, expose=True)}),
    guest("own", 22, "lxc", "portainer_agent", services={"own": Service(port=8443, scheme="https", tls="server")}),
)


def nginx(of: Estate, name: str) -> tuple[Resource, ...]:
    """What Nginx needs on a host of an estate."""
    return nginx_resources(planning_run(of), of.guest(name))


@pytest.mark.parametrize(
    ("of", "name", "changes"),
    [
        (example(), "nginx-gateway", STARTED),
        (example(), "drphoenix", STARTED),
        (SMALL, "edge", STARTED),
        (SMALL, "door", STARTED),
        (SMALL, "app", []),
        (SMALL, "own", []),
        (example(), "portainer", []),
    ],
)
def test_empty_host(of: Estate, name: str, changes: list[str]) -> None:
    """The edge and each door need the daemon; a host without mutual TLS needs none."""
    assert SimulatedHost().plan(nginx(of, name)) == changes


@pytest.mark.parametrize("name", ["edge", "door"])
@pytest.mark.parametrize(
    ("kind", "subject", "changes"),
    [
        ("edit", CONFIG, [f"update file {CONFIG}", "reload unit nginx.service"]),
        (
            "add",
            "/etc/nginx/conf.d/own.conf",
            ["remove file /etc/nginx/conf.d/own.conf", "reload unit nginx.service"],
        ),
        (
            "add",
            "/etc/nginx/sites-enabled/default",
            ["remove file /etc/nginx/sites-enabled/default", "reload unit nginx.service"],
        ),
        ("add", "/etc/nginx/sites-available/default", []),
        ("edit", RELOAD, [f"update file {RELOAD}"]),
        ("remove", f"{DROP_IN}/phoenix.conf", [f"create file {DROP_IN}/phoenix.conf"]),
        ("answer", "reloading of nginx.service", ["update reloading of nginx.service"]),
        ("stop", "nginx.service", ["start unit nginx.service"]),
        ("disable", "nginx.service", ["enable unit nginx.service"]),
    ],
)
def test_drift(name: str, kind: Drift, subject: str, changes: list[str]) -> None:
    """Each drift is corrected alone, and only another configuration reloads the daemon."""
    assert drifted(nginx(SMALL, name), kind, subject) == changes


@pytest.mark.parametrize(
    ("name", "after", "changes"),
    [
        ("edge", without_guest(SMALL, "app"), ["update file {0}", "reload unit nginx.service"]),
        ("edge", without_guest(SMALL, "door"), []),
        (
            "door",
            with_host(SMALL, "door", services={"door": MUTUAL.model_copy(update={"clients": ("mesh", "edge")})}),
            ["update file {0}", "reload unit nginx.service"],
        ),
        (
            "door",
            with_host(SMALL, "door", services={"door": MUTUAL.model_copy(update={"port": 9003})}),
            ["update file {1}", "update file {0}", "reload unit nginx.service"],
        ),
        ("door", without_guest(SMALL, "app"), []),
    ],
)
def test_other_services(name: str, after: Estate, changes: list[str]) -> None:
    """A route that is removed leaves the edge; a door follows its service's clients and port."""
    expected = [change.format(CONFIG, RELOAD) for change in changes]
    assert migrated(nginx(SMALL, name), nginx(after, name)) == expected
