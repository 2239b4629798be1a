"""A guest whose creation, change or start fails: what was changed until then is in the outcome."""

from __future__ import annotations

from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any, cast

import pytest

from phoenix.connections.proxmox import ApiError
from phoenix.connections.ssh import Completed
from phoenix.connections.waits import Waits
from phoenix.converge import PartialFailureError, Plan
from phoenix.derive.guests import options
from phoenix.derive.ownership import owner_tag
from phoenix.errors import TaskFailedError
from phoenix.estate import Estate, Guest, Mount, Template
from phoenix.pve.guests import GuestStatus
from phoenix.pve.marker import write_marker
from phoenix.run import Run
from phoenix.run.context import Consent
from phoenix.tasks.firewall.apply import new_guest_changes
from phoenix.tasks.hosts.guest import apply_guest, plan_guest
from phoenix.tasks.hosts.guest_options import marker_of
from phoenix.tasks.hosts.removal import apply_destruction, plan_destruction, plan_prune
from tests.support.estates import estate, guest
from tests.support.firewall_api import FirewallApi
from tests.support.runs import planning_run

APP = guest("app", 20, "lxc", mounts=(Mount(source="data", target="/data"),))
SMALL = estate(APP)
BASE = "nodes/node/lxc/120"
NEW = {"rootfs": "pool:vm-120-disk-0,size=16G", "unprivileged": 1, "mp0": "/lxc/120/data,mp=/data"}
CREATED = ["create guest 120 app", *(f"{one.verb} {one.resource}" for one in new_guest_changes(SMALL, APP))]


class Api(FirewallApi):
    """An API in which the requests to one path fail."""

    def __init__(self, fails: str, error: str, config: dict[str, Any]) -> None:
        super().__init__({f"{BASE}/pending": [{"key": key, "value": value} for key, value in config.items()]})
        self._fails, self._error = fails, error
        self.sent: list[tuple[str, dict[str, object]]] = []

    def run(self, method: str, path: str, _limit: float, **values: object) -> None:
        """A request that starts a job."""
        self.sent.append((path, values))
        self._count(f"{method} {path}")

    def _count(self, request: str) -> None:
        self.writes.append(request)
        if request.endswith(self._fails):
            raise ApiError(self._error)


class Bench:
    """A run whose one guest exists with a configuration, or does not exist."""

    def __init__(
        self, fails: str, config: dict[str, Any] | None, status: str = "running", pct: int = 0, error: str = "no"
    ) -> None:
        self.api = Api(fails, error, config or {})
        self.scripts: list[str] = []
        shell = SimpleNamespace(run=lambda script, _limit: self._script(script, pct))
        links: Any = SimpleNamespace(
            api=lambda _name: self.api, shell=lambda _name: shell, forget=lambda _name: None, waits=Waits()
        )
        self.run: Run = planning_run(SMALL, links=links)
        if config is not None:
            tags = ("phoenix", owner_tag(SMALL, APP.vmid))
            self.run.guests.learn([GuestStatus(APP.vmid, APP.name, "lxc", status, tags, "node")])

    def _script(self, script: str, status: int) -> Completed:
        self.scripts.append(script)
        return Completed(status if "pct set" in script else 0, "", "no such directory")

    def apply(self) -> Plan:
        """Plan the guest, and apply the plan."""
        return apply_guest(self.run, APP, plan_guest(self.run, APP))


def declared(**edits: str) -> dict[str, Any]:
    """The configuration of the guest as declared, with edits."""
    return {**NEW, **options(SMALL, APP), "description": write_marker("", marker_of(SMALL, APP)), **edits}


def summary(changes: Any) -> list[str]:
    """Verbs and titles."""
    return [f"{change.verb} {change.resource}" for change in changes]


FIREWALL = CREATED[1:]
UPDATE, START, RESTART = "update guest 120 app", "start guest 120 app", "restart guest 120 app"


@pytest.mark.parametrize(
    ("fails", "config", "status", "pct", "made"),
    [
        ("nodes/node/lxc", None, "", 0, CREATED),
        ("status/start", None, "", 0, [*CREATED, START]),
        ("-", None, "", 1, CREATED),
        (f"put {BASE}/config", declared(cores="7"), "running", 0, [UPDATE]),
        ("resize", declared(rootfs="pool:x,size=8G"), "running", 0, [UPDATE]),
        ("-", declared(mp0="/lxc/120/other,mp=/data"), "running", 1, [UPDATE]),
        ("status/reboot", declared(nameserver="1.1.1.1"), "running", 0, [UPDATE, RESTART]),
        (f"put {BASE}/config", declared(cores="7"), "stopped", 0, [UPDATE, *FIREWALL]),
        ("status/start", declared(cores="7"), "stopped", 0, [UPDATE, *FIREWALL, START]),
    ],
)
def test_changes_before_a_failure(
    fails: str, config: dict[str, Any] | None, status: str, pct: int, made: list[str]
) -> None:
    """A failure tells what was begun; a guest that could not be changed is not started."""
    bench = Bench(fails, config, status, pct)
    with pytest.raises(PartialFailureError) as failure:
        bench.apply()
    assert summary(failure.value.changes) == made
    assert any("status/start" in write for write in bench.api.writes) == (made[-1] == START)


@pytest.mark.parametrize(
    ("config", "status", "made"),
    [
        (None, "", [*CREATED, START]),
        (declared(nameserver="1.1.1.1"), "running", [UPDATE, RESTART]),
        (declared(cores="7"), "stopped", [UPDATE, *FIREWALL, START]),
    ],
)
def test_changes_without_a_failure(config: dict[str, Any] | None, status: str, made: list[str]) -> None:
    """The outcome is the plan, with the restart that pending settings need; the guest runs."""
    bench = Bench("-", config, status)
    assert summary(bench.apply().changes) == made
    assert bench.run.guests.is_running(APP.vmid)


def test_no_start_without_the_firewall() -> None:
    """A guest whose creation stopped before its firewall is started only after the firewall is complete."""
    bench = Bench("-", declared(), "stopped")
    bench.apply()
    start = bench.api.writes.index(f"post {BASE}/status/start")
    walls = [n for n, write in enumerate(bench.api.writes) if "/firewall/" in write]
    assert walls
    assert max(walls) < start


def test_start_by_another() -> None:
    """A guest that was started meanwhile is no failure."""
    bench = Bench("status/start", declared(), "stopped", error="CT 120 already running")
    assert summary(bench.apply().changes) == [*FIREWALL, START]


@pytest.mark.parametrize(
    ("config", "status", "writes"),
    [
        (None, "", []),
        (declared(), "stopped", [f"delete {BASE}"]),
        (declared(), "running", [f"post {BASE}/status/stop", f"delete {BASE}"]),
    ],
)
def test_destruction(config: dict[str, Any] | None, status: str, writes: list[str]) -> None:
    """A guest is stopped if it runs, removed, and forgotten."""
    bench = Bench("-", config, status)
    machine: Guest = APP
    plan = plan_destruction(bench.run, machine)
    assert bool(plan.changes) == bool(writes)
    if plan.changes:
        assert apply_destruction(bench.run, machine, plan) == plan
    assert bench.api.writes == writes
    assert APP.vmid not in bench.run.guests
    if config is not None:
        assert bench.api.sent[-1] == (BASE, {"purge": 1})


@pytest.mark.parametrize(
    ("edits", "reason"),
    [
        ({"protection": "1"}, "guest 120 app is protected: unset `protection`"),
        ({"mp7": "pool:vm-120-disk-3,mp=/media"}, r"volumes that Phoenix did not create.*mp7 \(pool:vm-120-disk-3\)"),
        ({"unused0": "pool:vm-120-disk-4"}, r"unused0 \(pool:vm-120-disk-4\); detach or move"),
        ({"description": "theirs", "tags": "theirs"}, "is not of this estate"),
    ],
)
@pytest.mark.parametrize("prunes", [True, False])
def test_removal_is_refused(edits: dict[str, str], reason: str, *, prunes: bool) -> None:
    """A guest that must not be removed is refused before it is stopped, by destroy and by prune."""
    bench = Bench("-", declared(**edits), "running")
    if "tags" in edits:
        bench.run.guests.learn([GuestStatus(APP.vmid, "theirs", "lxc", "running", ("theirs",), "node")])
    bench.run.consent = Consent(pruned=frozenset({APP.vmid}))
    bench.run.estate = estate() if prunes else SMALL
    if prunes and "tags" in edits:
        assert plan_prune(bench.run, SMALL.hypervisors[0]).changes == ()
        return
    with pytest.raises(TaskFailedError, match=reason):
        plan_prune(bench.run, SMALL.hypervisors[0]) if prunes else plan_destruction(bench.run, APP)
    assert bench.api.writes == []


def test_volume_that_waits_for_its_removal() -> None:
    """A volume that a running guest gives up at its next start is still there, and keeps the guest."""
    bench = Bench("-", declared(), "running")
    entry = {"key": "mp7", "value": "pool:vm-120-disk-3,mp=/media", "delete": 1}
    bench.api.configs = {f"{BASE}/pending": [*bench.api.configs[f"{BASE}/pending"], entry]}
    with pytest.raises(TaskFailedError, match="mp7"):
        plan_destruction(bench.run, APP)


def test_failed_removal() -> None:
    """A removal that fails is in the outcome as begun."""
    bench = Bench(BASE, declared(), "running")
    plan = plan_destruction(bench.run, APP)
    with pytest.raises(PartialFailureError) as failure:
        apply_destruction(bench.run, APP, plan)
    assert summary(failure.value.changes) == ["remove guest 120 app"]
    assert APP.vmid in bench.run.guests


def test_clone_of_another_node() -> None:
    """A clone of another node's template takes its turn at that template, and names the node that it is for."""
    values = {"groups": (), "kind": "lxc", "storage": "pool", "ostemplate": "local:x/y"}
    base = Template(name="base", vmid=900, hypervisor="other", **values)
    node, clone = SMALL.hypervisors[0], APP.model_copy(update={"clone_of": "base", "ostemplate": None, "mounts": ()})
    two = (node, node.model_copy(update={"name": "other", "node": "elsewhere"}))
    wanted = Estate(settings=SMALL.settings, hypervisors=two, guests=(*SMALL.guests[:3], clone), templates=(base,))
    bench, turns = Bench("-", None), []
    bench.api.configs = {**bench.api.configs, f"{BASE}/pending": [], "nodes/elsewhere/qemu": []}
    bench.api.configs |= {"nodes/elsewhere/lxc": [{"vmid": 900, "name": "base", "status": "stopped"}]}

    def turn(*key: object) -> Any:
        turns.append(key)
        return nullcontext()

    cast("Any", bench.run.links).clone_queue = turn
    bench.run.estate = wanted
    apply_guest(bench.run, clone, plan_guest(bench.run, clone))
    path, fields = next(sent for sent in bench.api.sent if sent[0].endswith("/clone"))
    assert (path, fields["target"]) == ("nodes/elsewhere/lxc/900/clone", "node")
    assert turns == [("other", 900)]
