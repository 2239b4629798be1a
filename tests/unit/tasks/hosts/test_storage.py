"""Datasets, directories and exports of a hypervisor."""

from __future__ import annotations

import pytest

from phoenix.converge import File, Observation, Resource
from phoenix.errors import TaskFailedError
from phoenix.estate import Dataset, Estate
from phoenix.tasks.hosts.storage import prepare_storage, storage_resources
from phoenix.tasks.support.mounts import behind_mount
from tests.support.converged import Drift, SimulatedHost, drifted, migrated
from tests.support.inventories import example
from tests.support.runs import planning_run, with_host, without_guest
from tests.support.sessions import SimulatedSession

LXC, VM = "/mnt/pve/quickOS/lxc-persistent-data", "/quickOS/vm-persistent-data"
DIRECTORIES = [
    *(f"create directory {LXC}/{path}" for path in ("103", "103/ssl", "101", "101/logs", "101/ssl")),
    *(f"create directory {VM}/{vmid}" for vmid in (1001, 1002)),
]
EXPORTS = "/etc/exports.d/phoenix.exports"
NO_VMS = without_guest(without_guest(example(), "drphoenix"), "portainer")
PLAIN = with_host(example(), "pve", datasets={"quickOS/lxc-persistent-data": Dataset(mountpoint=LXC)})


class ForgetfulSession(SimulatedSession):
    """A session that notes whether its observation was dropped."""

    is_forgotten = False

    def forget(self) -> None:
        """Note it."""
        self.is_forgotten = True


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
                "create dataset quickOS/vm-persistent-data",
                *DIRECTORIES,
                f"create file {EXPORTS}",
            ],
        ),
        (storage(NO_VMS)[2:], DIRECTORIES[:5]),
        (storage(PLAIN)[:2], ["create dataset quickOS/lxc-persistent-data", DIRECTORIES[0]]),
        (storage(example(), "step-ca"), DIRECTORIES[:2]),
        (storage(with_host(example(), "nginx-gateway", vmid=1031), "step-ca"), DIRECTORIES[:2]),
        (
            storage(example(), "drphoenix", "traefik"),
            [DIRECTORIES[-1], "install packages nfs-kernel-server", f"create file {EXPORTS}"],
        ),
        (storage(example(), "traefik"), []),
    ],
)
def test_empty_host(resources: tuple[Resource, ...], changes: list[str]) -> None:
    """Datasets come before directories and exports; a run on guests alone prepares only their directories."""
    assert SimulatedHost().plan(resources) == changes


@pytest.mark.parametrize(
    ("kind", "subject", "changes"),
    [
        ("answer", f"owner of {LXC}/103/ssl", [f"update directory {LXC}/103/ssl"]),
        ("edit", EXPORTS, [f"update file {EXPORTS}"]),
        ("remove", EXPORTS, [f"create file {EXPORTS}"]),
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


DATASET = "dataset quickOS/lxc-persistent-data"
DECLARED = f"mountpoint={LXC}\nquota=10G\nrecordsize=128K\n"
OTHER = f"mountpoint={LXC}\nquota=20G\nrecordsize=128K\n"


@pytest.mark.parametrize(
    ("answer", "changes"),
    [
        ("", [f"create {DATASET}"]),
        (f"internal.thinkheads.ai\n{DECLARED}", []),
        (f"-\n{DECLARED}", []),
        (f"internal.thinkheads.ai\n{OTHER}", [f"update {DATASET}"]),
    ],
)
def test_dataset(answer: str, changes: list[str]) -> None:
    """A dataset of the estate is created and corrected; another's is used if it is as declared."""
    host = SimulatedHost().converge(storage(example()))
    host.outputs[DATASET] = answer
    assert host.plan(storage(example())) == changes


@pytest.mark.parametrize("owner", ["-", "another.estate"])
def test_foreign_dataset(owner: str) -> None:
    """A dataset that differs and is not the estate's is refused with the difference and how to hand it over."""
    host = SimulatedHost().converge(storage(example()))
    host.outputs[DATASET] = f"{owner}\n{OTHER}"
    with pytest.raises(TaskFailedError) as refused:
        host.plan(storage(example()))
    assert "differs (-quota=20G; +quota=10G)" in str(refused.value)
    assert str(refused.value).endswith("zfs set phoenix:estate=internal.thinkheads.ai quickOS/lxc-persistent-data")


def test_export_of_one_machine() -> None:
    """A run on one machine writes its line of the exports file, and leaves those of others as they are."""
    host = SimulatedHost().converge(storage(without_guest(example(), "drphoenix")))
    theirs = f"{VM}/77 10.0.0.77(ro)\n".encode()
    host.paths[EXPORTS].content += theirs
    alone = storage(example(), "drphoenix")
    assert f"update file {EXPORTS}" in host.plan(alone)
    host.converge(alone)
    text = host.paths[EXPORTS].content
    assert (theirs in text, b"/1001 " in text, b"/1002 " in text) == (True, True, True)


def test_mounts_that_are_wrong() -> None:
    """A mount whose directory has another owner is noted until it is corrected, so that it is not compared inside."""
    run = planning_run(example())
    host = SimulatedHost().converge(storage(example()))
    host.outputs[f"owner of {LXC}/101/ssl"] = "0:0 750\n"
    pve, guest = example().hypervisor("pve"), example().guest("nginx-gateway")
    sessions = {name: ForgetfulSession(name, host) for name in ("pve", "nginx-gateway")}
    run._sessions |= sessions
    inside = behind_mount(run, guest, "/etc/nginx/ssl/internal.key", File("/etc/nginx/ssl/internal.key", "text"))
    assert inside.changes(Observation())
    plan = prepare_storage.plan(run, pve)
    assert (run.wrong_mounts, inside.changes(Observation())) == ({("nginx-gateway", "/etc/nginx/ssl")}, ())
    prepare_storage.apply(run, pve, plan)
    assert (run.wrong_mounts, bool(inside.changes(Observation()))) == (set(), True)
    assert sessions["nginx-gateway"].is_forgotten
