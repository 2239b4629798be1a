"""The API server with fakes for guests and filter: privileges, refusals, failures and saved state."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

pytest.importorskip("fakepve", reason="the lab's extra is not installed")

from fakepve import FakePve, schema  # type: ignore[import-untyped]

from phoenix.lab.pve.api.implemented import IMPLEMENTED
from phoenix.lab.pve.role import ROLE
from tests.support.lab_pve import Client, make, serving

HOOKS = (
    "task",
    "allowed",
    "resolve",
    "_agent_call",
    "_apply_config",
    "_authenticate",
    "_build_app",
    "_check_lock",
    "_check_rule",
    "_complete",
    "_config_get",
    "_ct_powerdown",
    "_find_ct",
    "_fw",
    "_lxc_create",
    "_lxc_interfaces",
    "_lxc_template",
    "_node_stats",
    "_nodes",
    "_permissions",
    "_powerdown",
    "_qm_check_drive",
    "_qm_new_drive",
    "_qm_volume",
    "_resources",
    "_status",
    "_update_config",
    "_version",
    "_vm",
    "_vm_usage",
    "_volume_name",
    "_volumes",
    "ct_resources",
    "start",
)
CREATE = {
    "vmid": 103,
    "ostemplate": "local:vztmpl/ubuntu-24.04-standard_24.04-2_amd64.tar.zst",
    "rootfs": "quickOS-lxc-disks:4",
    "hostname": "ca",
    "unprivileged": 1,
    "net0": "name=eth0,bridge=vmbr0,ip=10.0.0.10/24",
}


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    """Run a server in a thread and return a client of it."""
    monkeypatch.setattr("phoenix.lab.pve.guests.rootfs.CONTAINERS", tmp_path / "ct")
    with serving(make(tmp_path)) as running:
        yield running


def test_hooks_exist() -> None:
    """The installed fakepve has every method that the lab overrides or calls."""
    assert [name for name in HOOKS if not hasattr(FakePve, name)] == []


def test_implemented_endpoints_are_in_the_schema() -> None:
    """Every implemented endpoint is in Proxmox's API schema."""
    paths = schema.load().paths
    assert [(m, p) for m, p in sorted(IMPLEMENTED) if m not in paths.get(p, {})] == []


def test_unimplemented_is_501(client: Client) -> None:
    """An endpoint or parameter that the lab does not implement gets 501, whether the schema has it or not."""
    for method, path in (("GET", "/cluster/ha/resources"), ("POST", "/nodes/phoenix/vzdump"), ("GET", "/no/such")):
        assert client.call(method, path)[0] == 501
    assert client.call("POST", "/nodes/phoenix/lxc", **CREATE, password="secret")[0] == 501


def test_token_holds_the_role_and_no_more(client: Client) -> None:
    """The token has exactly its role's privileges; operations that need root@pam are refused."""
    assert set(client.call("GET", "/access/permissions")["/"]) == ROLE
    status, reason = client.call("POST", "/nodes/phoenix/lxc", **CREATE, mp0="/host,mp=/x")
    assert (status, "only allowed for root@pam" in reason) == (403, True)
    assert client.call("POST", "/nodes/phoenix/lxc", **CREATE, features="keyctl=1")[0] == 403


def test_life_of_a_container(client: Client) -> None:
    """Create, start, shut down and destroy succeed, and the status follows the runtime."""
    one = "/nodes/phoenix/lxc/103"
    assert client.done("POST", "/nodes/phoenix/lxc", **CREATE) == "OK"
    assert client.done("POST", f"{one}/status/start") == "OK"
    assert client.call("GET", f"{one}/status/current")["status"] == "running"
    assert client.done("POST", f"{one}/status/shutdown") == "OK"
    assert client.done("DELETE", one) == "OK"
    assert client.call("GET", "/nodes/phoenix/lxc") == []


def test_failure_of_the_runtime_ends_the_task_with_its_reason(client: Client) -> None:
    """A failed creation leaves no guest, a failed start leaves it stopped, and both tasks end with the reason."""
    runtime = cast("Any", client.pve.runtime)
    runtime.fails = "create"
    assert client.done("POST", "/nodes/phoenix/lxc", **CREATE) == "unable to create CT 103 - create does not work today"
    assert client.call("GET", "/nodes/phoenix/lxc") == []
    runtime.fails = "start"
    client.done("POST", "/nodes/phoenix/lxc", **CREATE)
    assert client.done("POST", "/nodes/phoenix/lxc/103/status/start") == "start does not work today"
    assert client.call("GET", "/nodes/phoenix/lxc/103/status/current")["status"] == "stopped"


def test_failed_hot_plug_changes_nothing(client: Client) -> None:
    """A change that cannot be applied to a running guest is refused, and the configuration is unchanged."""
    client.done("POST", "/nodes/phoenix/lxc", **CREATE)
    client.done("POST", "/nodes/phoenix/lxc/103/status/start")
    before = client.call("GET", "/nodes/phoenix/lxc/103/config")
    cast("Any", client.pve.runtime).fails = "reconfigure"
    assert client.call("PUT", "/nodes/phoenix/lxc/103/config", hostname="other")[0] == 400
    assert client.call("GET", "/nodes/phoenix/lxc/103/config") == before


def test_model_survives_a_restart(client: Client, tmp_path: Path) -> None:
    """Guests, firewall and tasks are restored from JSON; the runtime determines the guests' status."""
    client.done("POST", "/nodes/phoenix/lxc", **CREATE)
    upid = client.call("POST", "/nodes/phoenix/lxc/103/status/start")
    client.finish(upid)
    client.call("POST", "/nodes/phoenix/lxc/103/firewall/rules", type="in", action="ACCEPT", enable=1)
    again = make(tmp_path)
    asyncio.run(again.recover())
    assert [(ct.vmid, ct.status, ct.config["hostname"]) for ct in again.cts] == [(103, "stopped", "ca")]
    assert again._fw()["guests"][103]["rules"][0]["action"] == "ACCEPT"
    assert again.tasks[upid]["exitstatus"] == "OK"
    saved = json.loads((tmp_path / "model.json").read_text())["guests"]["103"]
    assert (saved["name"], saved["kind"]) == ("ca", "lxc")


def test_disk_imported_and_grown(client: Client) -> None:
    """A VM's disk that is imported from an image has its size, and can grow but not shrink."""
    disk = "quickOS-vm-disks:0,import-from=local:import/noble-server-cloudimg-amd64.qcow2"
    assert client.done("POST", "/nodes/phoenix/qemu", vmid=900, scsi0=disk) == "OK"
    assert client.call("GET", "/nodes/phoenix/qemu/900/config")["scsi0"].endswith("size=3584M")
    grow = ("PUT", "/nodes/phoenix/qemu/900/resize")
    assert client.done(*grow, disk="scsi0", size="+512M") == "OK"
    assert client.call("GET", "/nodes/phoenix/qemu/900/config")["scsi0"].endswith("size=4G")
    assert client.done(*grow, disk="scsi0", size="1G") == "shrinking disks is not supported"
    assert client.call("POST", "/nodes/phoenix/qemu", vmid=901, scsi0=disk.replace("noble", "nimble"))[0] == 500
