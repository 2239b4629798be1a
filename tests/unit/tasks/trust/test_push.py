"""Trust on a host: the bundle, the system's store, and the programs that have read another one."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

import pytest

from phoenix.converge import Resource
from phoenix.estate import Container, Estate, Guest, Hypervisor
from phoenix.pki.bundle import Bundle, SeenAuthority
from phoenix.tasks.trust.push import trust_resources
from phoenix.tasks.trust.system_store import SystemStore
from tests.support.converged import Drift, Entry, SimulatedHost, drifted, migrated
from tests.support.estate_ca import AUTHORITY, OTHER_ROOT, ROTATING
from tests.support.estates import estate, guest
from tests.support.runs import planning_run, with_host, without_group

BUNDLE = "/etc/phoenix/phoenix_ca_bundle.crt"
ANCHORS = "/usr/local/share/ca-certificates"
ANCHOR = f"{ANCHORS}/phoenix_ca.crt"
SECOND = f"{ANCHORS}/{SystemStore(ROTATING.bundle).names[1]}.crt"
STORE = "trust store /etc/ssl/certs"
IMAGE = Container(image="registry.lab.test/app:1")
SMALL = estate(guest("app", 20, "vm", "trusted_ca", "docker", kind="vm"), guest("plain", 21, "lxc"))
REGISTRY = with_host(SMALL, "app", containers={"app": IMAGE})
REPLACED = replace(AUTHORITY, bundle=Bundle((OTHER_ROOT,)))
NEW = ["create directory /etc/phoenix", f"create file {BUNDLE}", f"create file {ANCHOR}", f"update {STORE}"]


def trust(name: str, of: Estate = SMALL, authority: SeenAuthority | None = AUTHORITY) -> tuple[Resource, ...]:
    """What trust means on a host of an estate."""
    return trust_resources(planning_run(of, authority), cast("Hypervisor | Guest", of.host(name)))


@pytest.mark.parametrize(
    ("name", "of", "authority", "changes"),
    [
        ("pve", SMALL, AUTHORITY, NEW),
        ("edge", SMALL, AUTHORITY, NEW),
        ("app", SMALL, AUTHORITY, NEW),
        ("app", REGISTRY, AUTHORITY, [*NEW, "create file /etc/docker/certs.d/registry.lab.test/ca.crt"]),
        ("edge", REGISTRY, AUTHORITY, NEW),
        ("edge", SMALL, ROTATING, [*NEW[:3], f"create file {SECOND}", NEW[3]]),
        ("edge", SMALL, None, []),
        ("plain", SMALL, AUTHORITY, []),
        ("plain", SMALL, None, []),
        ("ca", SMALL, AUTHORITY, []),
    ],
)
def test_empty_host(name: str, of: Estate, authority: SeenAuthority | None, changes: list[str]) -> None:
    """A host of trusted_ca gets the bundle and every anchor; another host, or one before there is a root, nothing."""
    assert SimulatedHost().plan(trust(name, of, authority)) == changes


@pytest.mark.parametrize(
    ("kind", "subject", "changes"),
    [
        ("edit", BUNDLE, [f"update file {BUNDLE}"]),
        ("chmod", BUNDLE, [f"update file {BUNDLE}"]),
        ("remove", ANCHOR, [f"create file {ANCHOR}", f"update {STORE}"]),
        ("edit", ANCHOR, [f"update file {ANCHOR}", f"update {STORE}"]),
        ("chown", "/etc/phoenix", ["update directory /etc/phoenix"]),
        ("answer", "system store of phoenix_ca", [f"update {STORE}"]),
        ("add", "/var/lib/phoenix/begun/trust", [f"update {STORE}"]),
        ("add", f"{ANCHORS}/own.crt", []),
    ],
)
def test_drift(kind: Drift, subject: str, changes: list[str]) -> None:
    """Bundle, anchors and store are corrected; anchors of others stay; an interrupted change is completed."""
    assert drifted(trust("edge"), kind, subject) == changes


@pytest.mark.parametrize(
    ("readers", "authority", "restarted"),
    [
        ("", ROTATING, []),
        ("docker.service", AUTHORITY, []),
        ("docker.service", ROTATING, ["restart unit docker.service"]),
        ("nginx.service", ROTATING, ["reload unit nginx.service"]),
        ("traefik.service", ROTATING, ["restart unit traefik.service"]),
        ("phoenix-register-agents.service", ROTATING, ["start unit phoenix-register-agents.service"]),
        (
            "traefik.service docker.service nginx.service",
            ROTATING,
            ["restart unit docker.service", "reload unit nginx.service", "restart unit traefik.service"],
        ),
    ],
)
def test_readers(readers: str, authority: SeenAuthority, restarted: list[str]) -> None:
    """Programs that run and have read the old anchors are reloaded or restarted, in order, after the store."""
    host = SimulatedHost().converge(trust("edge"))
    host.outputs["readers of anchors"] = readers
    plan = host.plan(trust("edge", authority=authority))
    assert plan[len(plan) - len(restarted) :] == restarted
    assert [change for change in plan if " unit " in change] == restarted


@pytest.mark.parametrize(
    ("loaded", "changes"),
    [(AUTHORITY.bundle.pem, []), (REPLACED.bundle.pem, ["reload unit nginx.service"])],
)
def test_loaded_bundle(loaded: str, changes: list[str]) -> None:
    """A daemon that has loaded another bundle than the host's is reloaded, although no file differs."""
    host = SimulatedHost().converge(trust("edge"))
    host.outputs["readers of anchors"] = "nginx.service"
    host.paths["/run/nginx-anchors.crt"] = Entry(loaded.encode())
    assert host.plan(trust("edge")) == changes


@pytest.mark.parametrize(
    ("before", "after", "stale", "changes"),
    [
        (AUTHORITY, ROTATING, 0, ["update file {bundle}", "create file {second}", "update {store}"]),
        (ROTATING, AUTHORITY, 1, ["update file {bundle}", "remove file {second}", "update {store}"]),
        (AUTHORITY, REPLACED, 0, ["update file {bundle}", "update file {anchor}", "update {store}"]),
    ],
)
def test_other_anchors(before: SeenAuthority, after: SeenAuthority, stale: int, changes: list[str]) -> None:
    """A new anchor is added beside the first one; a withdrawn one, which the store answers is stale, is removed."""
    host = SimulatedHost().converge(trust("edge", authority=before))
    (subject,) = (probe.subject for probe in SystemStore(after.bundle).probes() if probe.kind == "command")
    host.outputs[subject] = f"stale {SystemStore(before.bundle).names[1]}" if stale else ""
    places = {"bundle": BUNDLE, "anchor": ANCHOR, "second": SECOND, "store": STORE}
    assert host.plan(trust("edge", authority=after)) == [change.format(**places) for change in changes]


def test_leaving_trusted_ca() -> None:
    """A host that leaves trusted_ca loses the bundle and the anchors that its store still has."""
    after = trust("edge", without_group(SMALL, "edge", "trusted_ca"))
    host = SimulatedHost().converge(trust("edge"))
    (subject,) = (probe.subject for probe in SystemStore(Bundle(())).probes() if probe.kind == "command")
    host.outputs[subject] = "stale phoenix_ca"
    assert host.plan(after) == [f"remove file {BUNDLE}", f"remove file {ANCHOR}", f"update {STORE}"]
    assert host.converge(after).plan(after) == []


def test_interrupted_removal() -> None:
    """The anchors that an interrupted change was to remove are named by its mark, and are removed."""
    host = SimulatedHost().converge(trust("edge"))
    host.paths["/var/lib/phoenix/begun/trust"] = Entry(b"phoenix_ca_12345678\n")
    assert host.plan(trust("edge")) == [f"remove file {ANCHORS}/phoenix_ca_12345678.crt", f"update {STORE}"]


def test_registry_leaves() -> None:
    """The anchor of a registry of the estate goes with the last image that comes from it."""
    file = "/etc/docker/certs.d/registry.lab.test/ca.crt"
    assert migrated(trust("app", REGISTRY), trust("app")) == [f"remove file {file}"]
    assert drifted(trust("app", REGISTRY), "edit", file) == [f"update file {file}"]
