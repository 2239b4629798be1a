"""Guests and their firewall, made on a Proxmox API of the test's own: every request is one that Proxmox understands."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import pytest

pytest.importorskip("fakepve", reason="the lab's extra is not installed")

from phoenix.connections.links import Links
from phoenix.connections.ssh import Completed
from phoenix.connections.waits import Waits
from phoenix.estate import Estate
from phoenix.run import Stage, Step, hypervisors
from phoenix.run.record import RunRecord
from phoenix.run.runner import Runner
from phoenix.run.start import Scope, begin
from phoenix.runbooks.deploy import deployment
from phoenix.tasks.firewall import apply
from phoenix.tasks.firewall.apply import apply_firewall, prepare_cluster_sets
from phoenix.tasks.hosts.guest import create_guest
from phoenix.tasks.support.guests import list_guests
from tests.support.inventories import example
from tests.support.pve_schema_server import OLDER, ORACLES, Recorder, Server, complaints, specification


class NoShell:
    """A shell to which everything succeeds; what it was told is kept."""

    def __init__(self, told: list[str]) -> None:
        self.told = told

    def run(self, script: str, limit: float = 120.0) -> Completed:
        """Note the script; `pct set` is what only root may do."""
        assert limit > 0
        self.told.append(script)
        return Completed(0, "", "")


class Bench:
    """A run of the example estate on an empty node."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.client = Recorder(server.access(), "pve")
        self.told: list[str] = []
        self.waits = Waits()

    def take(self, *stages: Stage, dry_run: bool = False, stopped: tuple[int, ...] = ()) -> RunRecord:
        """Take stages, with what exists as preflight would have learned it, and that some are stopped."""
        estate, record = example(), RunRecord()
        scope = Scope(frozenset(host.name for host in estate.hosts()), dry_run=dry_run, workers=4)
        nornir, run = begin(Links(estate, {}), {}, scope)
        run.links = cast("Links", self)
        run.guests.learn(list_guests(self.client, "phoenix"))
        for machine in (*estate.guests, *estate.templates):
            if machine.vmid in stopped:
                run.guests.note(machine, "stopped")
        Runner(nornir, run, record, lambda _host, _task: None).take(stages)
        return record

    def reconnected(self) -> Bench:
        """New connections are the same ones."""
        return self

    def api(self, _hypervisor: str) -> Recorder:
        """The one client."""
        return self.client

    def shell(self, _name: str) -> NoShell:
        """A shell to whatever."""
        return NoShell(self.told)

    def public_key(self, _hypervisor: str) -> str:
        """The controller's key."""
        return "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGJ1+/= phoenix"

    def forget(self, _name: str) -> None:
        """Nothing is held."""

    def close(self) -> None:
        """Nothing is held."""


def building(estate: Estate) -> tuple[Stage, ...]:
    """The stages of a deployment that make sets, templates and guests, and the firewall at its end."""
    made = [
        Stage(stage.name, tuple(step for step in stage.steps if step.task is create_guest))
        for stage in deployment(estate)
        if any(step.task is create_guest for step in stage.steps)
    ]
    sets = Stage("sets", (Step(prepare_cluster_sets, hypervisors),))
    wall = Stage("firewall", (Step(apply_firewall, hypervisors),))
    return (sets, *made, wall)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """The example estate, rehearsed and then made once."""
    server = Server(tmp_path_factory.mktemp("api"))
    made = Bench(server)
    patch = pytest.MonkeyPatch()
    patch.setattr(apply, "try_present", lambda *_: [])  # these guests send no packets
    rehearsed = made.take(*building(example()), dry_run=True)
    assert made.client.writes == []
    record = made.take(*building(example()))
    errors = [task.error for tasks in record.hosts.values() for task in tasks if task.error]
    assert errors == []
    assert record.changed > 100
    assert rehearsed.changed == record.changed
    yield made
    patch.undo()
    made.client.close()
    server.stop()


@pytest.mark.parametrize("release", ["newest", *OLDER])
def test_every_request_is_valid(bench: Bench, release: str) -> None:
    """Each request of the way from nothing to a filtered estate fits the API of the release."""
    if release != "newest" and not (ORACLES / release).exists():
        pytest.skip(f"{ORACLES / release} is not on this machine")
    spec = specification(release)
    assert len(bench.client.sent) > 200
    assert [text for request in bench.client.sent for text in complaints(spec, *request)] == []


def test_guests_are_as_declared(bench: Bench) -> None:
    """Every guest runs with its size, address and network card; templates are templates."""
    found = {int(one["vmid"]): one for one in bench.client.get("cluster/resources", type="vm")}
    assert set(found) == {machine.vmid for machine in (*example().guests, *example().templates)}
    for guest in example().guests:
        kind = "qemu" if guest.kind == "vm" else "lxc"
        config = bench.client.get(f"nodes/phoenix/{kind}/{guest.vmid}/config")
        assert found[guest.vmid]["status"] == "running"
        assert int(config["memory"]) == guest.memory
        assert f"{guest.address}/24" in config["net0" if kind == "lxc" else "ipconfig0"]
        assert "firewall=1" in config["net0"]
        assert "phoenix" in config["tags"]
    assert all(found[template.vmid].get("template") for template in example().templates)


def test_containers_are_unprivileged(bench: Bench) -> None:
    """No container that was made is privileged."""
    for guest in example().guests:
        if guest.kind == "lxc":
            assert int(bench.client.get(f"nodes/phoenix/lxc/{guest.vmid}/config")["unprivileged"]) == 1


def test_no_guest_starts_unfiltered(bench: Bench) -> None:
    """A guest is started only after its rules and policies were written."""
    for guest in example().guests:
        base = f"/nodes/phoenix/{'qemu' if guest.kind == 'vm' else 'lxc'}/{guest.vmid}"
        own = [
            (method, path.removeprefix(base)) for method, path, _ in bench.client.writes if path.startswith(f"{base}/")
        ]
        start = own.index(("POST", "/status/start"))
        assert own.index(("PUT", "/firewall/options")) < start
        assert max(n for n, request in enumerate(own) if request == ("POST", "/firewall/rules")) < start


def test_rules_are_enabled(bench: Bench) -> None:
    """No rule is sent without the switch that Proxmox would leave off."""
    rules = [given for _, path, given in bench.client.writes if path.endswith("/firewall/rules")]
    assert rules
    assert {rule["enable"] for rule in rules} == {"1"}


def test_bind_mounts_go_the_other_way(bench: Bench) -> None:
    """What only root may do is never asked of the API."""
    assert not [given for _, _, given in bench.client.writes if any(key.startswith("mp") for key in given)]
    said = "\n".join(bench.told)
    assert "pct set 103 -mp0 /mnt/pve/quickOS/lxc-persistent-data/103/ssl,mp=/etc/step-ca/ssl" in said


def test_again(bench: Bench) -> None:
    """The same once more changes nothing; this API knows neither bind mounts nor the size of an imported disk."""
    before = len(bench.client.writes)
    record = bench.take(*building(example()))
    changes = [str(change) for tasks in record.hosts.values() for task in tasks for change in task.changes]
    assert [change for change in changes if ": mp" not in change and "disk grows" not in change] == []
    assert {path.rpartition("/")[2] for _, path, _ in bench.client.writes[before:]} <= {"resize"}


def test_a_guest_that_was_started_meanwhile(bench: Bench) -> None:
    """A guest that was stopped when it was looked at, and has been started since, is no failure."""
    record = bench.take(*building(example()), stopped=(102, 1001))
    assert record.failed == []


def test_edits_are_undone(bench: Bench) -> None:
    """A deleted rule, a foreign one, a switched-off policy and another memory are seen and put right."""
    base = "nodes/phoenix/lxc/102"
    rules = bench.client.get(f"{base}/firewall/rules")
    bench.client.delete(f"{base}/firewall/rules/{rules[-1]['pos']}")
    bench.client.post(f"{base}/firewall/rules", type="in", action="ACCEPT", enable=1, proto="tcp", dport="22")
    bench.client.put(f"{base}/firewall/options", policy_in="ACCEPT")
    bench.client.put(f"{base}/config", cores=7)
    record = bench.take(*building(example()))
    changes = [c.verb for host in ("traefik", "pve") for task in record.hosts[host] for c in task.changes]
    assert changes == ["update", "create", "update", "update", "remove"]
    reasons = [c.reason for host in ("traefik", "pve") for task in record.hosts[host] for c in task.changes]
    assert "cores is '7', should be '2'" in reasons[0]
    assert "policy_in is ACCEPT, should be DROP" in reasons[3]
    listed = [rule["comment"] for rule in bench.client.get(f"{base}/firewall/rules")]
    assert sorted(listed) == sorted(rule["comment"] for rule in rules)
