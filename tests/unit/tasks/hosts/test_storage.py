"""Datasets, directories and exports of a hypervisor."""

from __future__ import annotations

import pytest

from phoenix.converge import Resource
from phoenix.estate import Dataset, Estate
from phoenix.tasks.hosts.storage import storage_resources
from tests.support.converged import Drift, SimulatedHost, drifted, migrated
from tests.support.inventories import example
from tests.support.runs import planning_run, with_host, without_guest

LXC, VM = "/mnt/pve/quickOS/lxc-persistent-data", "/quickOS/vm-persistent-data"
DIRECTORIES = [
    *(f"create directory {LXC}/{path}" for path in ("103", "103/ssl", "101", "101/logs", "101/ssl")),
    *(f"create directory {VM}/{vmid}" for vmid in (1001, 1002)),
]
EXPORTS = "/etc/exports.d/phoenix.exports"
NO_VMS = without_guest(without_guest(example(), "drphoenix"), "portainer")
PLAIN = with_host(example(), "pve", datasets={"quickOS/lxc-persistent-data": Dataset(mountpoint=LXC)})


def storage(estate: Estate, *targets: str) -> tuple[Resource, ...]:
    """The storage of an estate's hypervisor, in a run on some hosts or on all."""
    run = planning_run(estate, targets=frozenset(targets) if targets else None)
    return storage_resources(run, estate.hypervisor("pve"))


@pytest.mark.parametrize(
    ("resources", "changes"),
    [
        (
            storage(example()),
            [
                "create dataset quickOS/lxc-persistent-data",
                "update properties of quickOS/lxc-persistent-data",
                "create dataset quickOS/vm-persistent-data",
                "update properties of quickOS/vm-persistent-data",
                *DIRECTORIES,
                "create directory /etc/exports.d",
                f"create file {EXPORTS}",
            ],
        ),
        (storage(NO_VMS)[4:], DIRECTORIES[:5]),
        (storage(PLAIN)[:2], ["create dataset quickOS/lxc-persistent-data", DIRECTORIES[0]]),
        (storage(example(), "step-ca"), DIRECTORIES[:2]),
        (storage(with_host(example(), "nginx-gateway", vmid=1031), "step-ca"), DIRECTORIES[:2]),
        (storage(example(), "drphoenix", "traefik"), DIRECTORIES[-1:]),
        (storage(example(), "traefik"), []),
    ],
)
def test_empty_host(resources: tuple[Resource, ...], changes: list[str]) -> None:
    """Datasets come before directories and exports; a run on guests alone prepares only their directories."""
    assert SimulatedHost().plan(resources) == changes


@pytest.mark.parametrize(
    ("kind", "subject", "changes"),
    [
        ("answer", "dataset quickOS/lxc-persistent-data", ["create dataset quickOS/lxc-persistent-data"]),
        ("answer", "properties of quickOS/vm-persistent-data", ["update properties of quickOS/vm-persistent-data"]),
        ("answer", f"owner of {LXC}/103/ssl", [f"update directory {LXC}/103/ssl"]),
        ("edit", EXPORTS, [f"update file {EXPORTS}"]),
        ("remove", EXPORTS, [f"create file {EXPORTS}"]),
        ("remove", "/etc/exports.d", ["create directory /etc/exports.d"]),
    ],
)
def test_drift(kind: Drift, subject: str, changes: list[str]) -> None:
    """Each drift of the storage is corrected alone."""
    assert drifted(storage(example()), kind, subject) == changes


@pytest.mark.parametrize(
    ("after", "changes"),
    [
        (without_guest(example(), "drphoenix"), [f"update file {EXPORTS}"]),
        (NO_VMS, [f"remove file {EXPORTS}"]),
        (without_guest(example(), "granite-3b"), []),
    ],
)
def test_removed_guest(after: Estate, changes: list[str]) -> None:
    """A guest that is removed loses its export; its directories stay."""
    assert migrated(storage(example()), storage(after)) == changes


def test_exports_are_loaded() -> None:
    """The kernel's table is made again after the exports file was written or removed."""
    for before, after in ((NO_VMS, example()), (example(), NO_VMS)):
        host = SimulatedHost().converge(storage(before))
        seen = host.observe(storage(after))
        scripts = [change.script for resource in storage(after) for change in resource.changes(seen)]
        assert scripts[-1] == "exportfs -ra"
