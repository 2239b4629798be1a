"""Guests and their firewall, made on a Proxmox API of the test's own: every request is one that Proxmox understands."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

pytest.importorskip("fakepve", reason="the lab's extra is not installed")

from phoenix.tasks.firewall import apply
from tests.support.inventories import example
from tests.support.model_node import ModelNode, building
from tests.support.pve_schema_server import OLDER, ORACLES, Server, complaints, specification


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModelNode]:
    """The example estate, rehearsed and then made once."""
    server = Server(tmp_path_factory.mktemp("api"))
    made = ModelNode(server, "phoenix")
    patch = pytest.MonkeyPatch()
    patch.setattr(apply, "try_present", lambda *_: [])  # these guests send no packets
    rehearsed = made.take(example(), building, dry_run=True)
    assert made.client.writes == []
    record = made.take(example(), building)
    errors = [task.error for tasks in record.hosts.values() for task in tasks if task.error]
    assert errors == []
    assert record.changed > 100
    assert rehearsed.changed == record.changed
    yield made
    patch.undo()
    made.client.close()
    server.stop()


@pytest.mark.parametrize("release", ["newest", *OLDER])
def test_every_request_is_valid(bench: ModelNode, release: str) -> None:
    """Each request of the way from nothing to a filtered estate fits the API of the release."""
    if release != "newest" and not (ORACLES / release).exists():
        pytest.skip(f"{ORACLES / release} is not on this machine")
    spec = specification(release)
    assert len(bench.client.sent) > 200
    assert [text for request in bench.client.sent for text in complaints(spec, *request)] == []


def test_guests_are_as_declared(bench: ModelNode) -> None:
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


def test_containers_are_unprivileged(bench: ModelNode) -> None:
    """No container that was made is privileged."""
    for guest in example().guests:
        if guest.kind == "lxc":
            assert int(bench.client.get(f"nodes/phoenix/lxc/{guest.vmid}/config")["unprivileged"]) == 1


def test_no_guest_starts_unfiltered(bench: ModelNode) -> None:
    """A guest is started only after its rules and policies were written."""
    for guest in example().guests:
        base = f"/nodes/phoenix/{'qemu' if guest.kind == 'vm' else 'lxc'}/{guest.vmid}"
        own = [
            (method, path.removeprefix(base)) for method, path, _ in bench.client.writes if path.startswith(f"{base}/")
        ]
        start = own.index(("POST", "/status/start"))
        assert own.index(("PUT", "/firewall/options")) < start
        assert max(n for n, request in enumerate(own) if request == ("POST", "/firewall/rules")) < start


def test_rules_are_enabled(bench: ModelNode) -> None:
    """No rule is sent without the switch that Proxmox would leave off."""
    rules = [given for _, path, given in bench.client.writes if path.endswith("/firewall/rules")]
    assert rules
    assert {rule["enable"] for rule in rules} == {"1"}


def test_bind_mounts_go_the_other_way(bench: ModelNode) -> None:
    """What only root may do is never asked of the API."""
    assert not [given for _, _, given in bench.client.writes if any(key.startswith("mp") for key in given)]
    said = "\n".join(bench.scripts)
    assert "pct set 103 -mp0 /mnt/pve/quickOS/lxc-persistent-data/103/ssl,mp=/etc/step-ca/ssl" in said


def test_again(bench: ModelNode) -> None:
    """The same once more changes nothing; this API does not know the size of an imported disk."""
    before = len(bench.client.writes)
    record = bench.take(example(), building)
    changes = [str(change) for tasks in record.hosts.values() for task in tasks for change in task.changes]
    assert [change for change in changes if "disk grows" not in change] == []
    assert {path.rpartition("/")[2] for _, path, _ in bench.client.writes[before:]} <= {"resize"}


def test_a_guest_that_was_started_meanwhile(bench: ModelNode) -> None:
    """A guest that was stopped when it was looked at, and has been started since, is no failure."""
    record = bench.take(example(), building, stopped=frozenset({102, 1001}))
    assert record.failed == []


def test_edits_are_undone(bench: ModelNode) -> None:
    """A deleted rule, a foreign one, a switched-off policy and another memory are seen and put right."""
    base = "nodes/phoenix/lxc/102"
    rules = bench.client.get(f"{base}/firewall/rules")
    bench.client.delete(f"{base}/firewall/rules/{rules[-1]['pos']}")
    bench.client.post(f"{base}/firewall/rules", type="in", action="ACCEPT", enable=1, proto="tcp", dport="22")
    bench.client.put(f"{base}/firewall/options", policy_in="ACCEPT")
    bench.client.put(f"{base}/config", cores=7)
    record = bench.take(example(), building)
    changes = [c.verb for host in ("traefik", "pve") for task in record.hosts[host] for c in task.changes]
    assert changes == ["update", "create", "update", "update", "remove"]
    reasons = [c.reason for host in ("traefik", "pve") for task in record.hosts[host] for c in task.changes]
    assert "cores is '7', should be '2'" in reasons[0]
    assert "policy_in is ACCEPT, should be DROP" in reasons[3]
    listed = [rule["comment"] for rule in bench.client.get(f"{base}/firewall/rules")]
    assert sorted(listed) == sorted(rule["comment"] for rule in rules)
