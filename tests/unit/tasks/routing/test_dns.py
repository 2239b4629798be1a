"""Both DNS views of a hypervisor, the resolver of a guest, and that of the node."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from phoenix.connections.ssh import Completed
from phoenix.converge import Plan, Resource
from phoenix.estate import Estate, Service
from phoenix.tasks.routing.dns import (
    apply_node_resolver,
    dns_resources,
    plan_node_resolver,
    resolver_resources,
)
from tests.support.converged import Drift, SimulatedHost, drifted, migrated
from tests.support.estates import estate, guest
from tests.support.inventories import example
from tests.support.runs import planning_run, with_host, without_guest

FOLDER = "/etc/phoenix/dns"
UNITS = "/etc/systemd/system"
WATCH = "/usr/local/lib/phoenix/watch-dns"
SMALL = estate(guest("app", 20, "lxc", services={"web": Service(port=8000, expose=True)}))


def views(of: Estate) -> tuple[Resource, ...]:
    """What names need on the hypervisor of an estate."""
    return dns_resources(planning_run(of), of.hypervisor("pve"))


def started(unit: str) -> list[str]:
    """A unit of ours that is written and started."""
    return [f"create file {UNITS}/{unit}", f"enable unit {unit}", f"start unit {unit}"]


@pytest.mark.parametrize("of", [SMALL, example()])
def test_empty_host(of: Estate) -> None:
    """Each view has its own configuration, names and server, and one program watches both."""
    assert SimulatedHost().plan(views(of)) == [
        f"create directory {FOLDER}",
        f"create file {FOLDER}/lan.conf",
        f"create file {FOLDER}/lan-hosts",
        *started("phoenix-dns-lan.service"),
        f"create file {FOLDER}/guest.conf",
        f"create file {FOLDER}/guest-hosts",
        *started("phoenix-dns-guest.service"),
        f"create file {WATCH}",
        *started("phoenix-dns-watch.service"),
    ]


@pytest.mark.parametrize(
    ("kind", "subject", "changes"),
    [
        ("edit", f"{FOLDER}/lan.conf", [f"update file {FOLDER}/lan.conf", "restart unit phoenix-dns-lan.service"]),
        ("edit", f"{FOLDER}/lan-hosts", [f"update file {FOLDER}/lan-hosts", "reload unit phoenix-dns-lan.service"]),
        (
            "remove",
            f"{FOLDER}/guest-hosts",
            [f"create file {FOLDER}/guest-hosts", "reload unit phoenix-dns-guest.service"],
        ),
        ("stop", "phoenix-dns-guest.service", ["start unit phoenix-dns-guest.service"]),
        ("disable", "phoenix-dns-lan.service", ["enable unit phoenix-dns-lan.service"]),
        (
            "edit",
            f"{UNITS}/phoenix-dns-lan.service",
            [f"update file {UNITS}/phoenix-dns-lan.service", "restart unit phoenix-dns-lan.service"],
        ),
        ("edit", WATCH, [f"update file {WATCH}", "restart unit phoenix-dns-watch.service"]),
    ],
)
def test_drift(kind: Drift, subject: str, changes: list[str]) -> None:
    """Names are reread without a restart; only another configuration restarts a view."""
    assert drifted(views(SMALL), kind, subject) == changes


@pytest.mark.parametrize(
    ("after", "changed"),
    [
        (without_guest(SMALL, "app"), ("lan", "guest")),
        (with_host(SMALL, "app", services={}), ("lan", "guest")),
        (with_host(SMALL, "app", aliases=("other",)), ("lan", "guest")),
        (with_host(SMALL, "app", services={"web": Service(port=8001, expose=True)}), ()),
        (with_host(SMALL, "app", memory=4096), ()),
    ],
)
def test_other_names(after: Estate, changed: tuple[str, ...]) -> None:
    """A name that comes or goes is reread by both views; other edits leave them alone."""
    assert migrated(views(SMALL), views(after)) == [
        change
        for view in changed
        for change in (f"update file {FOLDER}/{view}-hosts", f"reload unit phoenix-dns-{view}.service")
    ]


def resolver(of: Estate, name: str) -> tuple[Resource, ...]:
    """What a guest of an estate should ask for names."""
    return resolver_resources(planning_run(of), of.guest(name))


def test_resolver_of_a_guest() -> None:
    """A guest asks the guest view, an edit of its resolver is undone, and another view is written."""
    title = "resolver /etc/resolv.conf"
    moved = with_host(SMALL, "pve", guest_resolver=SMALL.hypervisor("pve").address)
    assert SimulatedHost().plan(resolver(SMALL, "app")) == [f"update {title}"]
    assert drifted(resolver(SMALL, "app"), "answer", title) == [f"update {title}"]
    assert migrated(resolver(SMALL, "app"), resolver(moved, "app")) == [f"update {title}"]
    assert migrated(resolver(SMALL, "app"), resolver(SMALL, "mesh")) == []


class NodeApi:
    """The part of the API with a node's resolver."""

    def __init__(self, **values: str) -> None:
        self.values = values
        self.paths: list[str] = []

    def get(self, path: str) -> dict[str, str]:
        """The resolver."""
        self.paths.append(path)
        return self.values

    def put(self, path: str, **values: str) -> None:
        """Another resolver."""
        self.paths.append(path)
        self.values = values


WANTED = {"search": "lab.test", "dns1": "10.0.0.3", "dns2": "10.0.0.2"}


@pytest.mark.parametrize(
    ("values", "lines"),
    [
        (WANTED, []),
        ({**WANTED, "dns3": ""}, []),
        ({**WANTED, "search": "Lab.Test."}, []),
        (
            {**WANTED, "dns1": "10.0.0.2", "dns2": "10.0.0.3"},
            ["-dns1 10.0.0.2", "-dns2 10.0.0.3", "+dns1 10.0.0.3", "+dns2 10.0.0.2"],
        ),
        ({}, ["+dns1 10.0.0.3", "+dns2 10.0.0.2", "+search lab.test"]),
        ({**WANTED, "dns1": "8.8.8.8"}, ["-dns1 8.8.8.8", "+dns1 10.0.0.3"]),
        ({**WANTED, "dns3": "8.8.8.8"}, ["-dns3 8.8.8.8"]),
        ({**WANTED, "search": "other"}, ["-search other", "+search lab.test"]),
    ],
)
def test_resolver_of_the_node(values: dict[str, str], lines: list[str]) -> None:
    """The node asks the guest view first and the LAN view next; its plan shows the lines that differ."""
    api = NodeApi(**values)
    links: Any = SimpleNamespace(api=lambda _name: api)
    run, node = planning_run(SMALL, links=links), SMALL.hypervisor("pve")
    plan = plan_node_resolver(run, node)
    assert [str(change) for change in plan.changes] == (["update resolver /etc/resolv.conf"] if lines else [])
    shown = [line for change in plan.changes for line in change.diff.splitlines()[2:] if line[0] in "+-"]
    assert shown == lines
    if plan.changes:
        assert apply_node_resolver(run, node, plan) == plan
        assert plan_node_resolver(run, node) == Plan()
        assert api.values.items() >= WANTED.items()
    assert set(api.paths) == {"nodes/node/dns"}


@pytest.mark.parametrize(
    ("followed", "changes"),
    [
        ("search lab.test\nnameserver 10.0.0.3\nnameserver 10.0.0.2\n", 0),
        ("search lab.test\nnameserver 10.0.0.3\n", 1),
        ("nameserver 100.100.100.100\n", 1),
    ],
)
def test_node_with_tailscale(followed: str, changes: int) -> None:
    """A node that asks Tailscale's server is as wanted if that server follows the wanted settings."""
    api = NodeApi(search="lab.test tail1.ts.net", dns1="100.100.100.100")
    shell = SimpleNamespace(run=lambda _script: Completed(0, followed, ""))
    links: Any = SimpleNamespace(api=lambda _name: api, shell=lambda _name: shell)
    plan = plan_node_resolver(planning_run(SMALL, links=links), SMALL.hypervisor("pve"))
    assert len(plan.changes) == changes
