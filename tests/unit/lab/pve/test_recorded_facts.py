"""Single facts recorded at the real Proxmox VE 8.4 node, repeated at the lab; ids are those of facts.json."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fakepve", reason="the lab's extra is not installed")

from phoenix.lab.pve.api.server import LabPve
from tests.support.lab_pve import Client, make, serving
from tests.support.recorded_situation import situation
from tests.support.recordings import facts, sessions
from tests.support.replay import arrange

CT, VM = "/nodes/phoenix/lxc/914", "/nodes/phoenix/qemu/1002"
FACTS = facts()


@pytest.fixture
def pve(tmp_path: Path) -> LabPve:
    """Return a server with the containers and the VM of the recordings, all running."""
    server = make(tmp_path)
    arrange(server, situation(next(session for session in sessions() if session.run == "vmip")))
    server.report_statistics()
    return server


@pytest.fixture
def client(pve: LabPve) -> Iterator[Client]:
    """Serve, and return a client."""
    with serving(pve) as running:
        yield running


def stopped(client: Client) -> None:
    """Stop container 914."""
    assert client.done("POST", f"{CT}/status/stop") == "OK"


def protected(client: Client) -> None:
    """Protect container 914."""
    client.call("PUT", f"{CT}/config", protection=1)


def locked(client: Client) -> None:
    """Lock container 914 as a backup does."""
    client.pve.snapshot_lock(914, "backup")


def unchanged(_client: Client) -> None:
    """Leave the guests running."""


REFUSALS: dict[str, tuple[Any, str, str, dict[str, Any]]] = {
    "destroy-running": (unchanged, "DELETE", f"{CT}?purge=1", {}),
    "destroy-protected": (protected, "DELETE", f"{CT}?purge=1", {}),
    "put-locked": (locked, "PUT", f"{CT}/config", {"cores": 6}),
    "start-running": (unchanged, "POST", f"{CT}/status/start", {}),
    "stop-stopped": (stopped, "POST", f"{CT}/status/stop", {}),
    "reboot-stopped": (stopped, "POST", f"{CT}/status/reboot", {}),
    "clone-to-missing-storage": (
        unchanged,
        "POST",
        "/nodes/phoenix/lxc/901/clone",
        {"newid": 950, "full": 1, "storage": "nosuch"},
    ),
    "create-on-wrong-content": (
        unchanged,
        "POST",
        "/nodes/phoenix/lxc",
        {
            "vmid": 950,
            "ostemplate": "local:vztmpl/ubuntu-24.04-standard_24.04-2_amd64.tar.zst",
            "rootfs": "quickOS-vm-disks:1",
            "unprivileged": 1,
        },
    ),
    "hotplug-missing-bridge": (
        unchanged,
        "PUT",
        f"{CT}/config",
        {"net0": "name=eth0,bridge=vmbr9,firewall=1,hwaddr=52:54:00:67:89:B5,ip=10.0.0.155/24,gw=10.0.0.1"},
    ),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_refusals(name: str, client: Client) -> None:
    """A refused request gets the recorded status and body, and changes nothing."""
    prepare, method, path, fields = REFUSALS[name]
    prepare(client)
    before = client.call("GET", f"{CT}/config")
    status, _, body = client.send(method, path, fields)
    assert (status, body["data"]) == (FACTS[name]["status"], None)
    assert {"data": None, **body} == {"message": body["message"], **FACTS[name]["body"]}
    assert client.call("GET", f"{CT}/config") == before


def test_clone_locks_its_template(client: Client) -> None:
    """While a template is cloned, another clone is refused, and the lists show both locks."""
    client.pve.time_scale = 0.2
    clone = "/nodes/phoenix/lxc/900/clone"
    first = client.call("POST", clone, newid=950, full=1, storage="quickOS-lxc-disks", hostname="one")
    second = client.send("POST", clone, {"newid": 951, "full": 1, "storage": "quickOS-lxc-disks", "hostname": "two"})
    fact = FACTS["clone-locks-source"]
    assert second == (fact["status"], fact["reason"], fact["body"])
    expected = {900: "disk", 950: "create"}
    for path in ("/nodes/phoenix/lxc", "/cluster/resources?type=vm"):
        assert {entry["vmid"]: entry["lock"] for entry in client.call("GET", path) if "lock" in entry} == expected
    assert client.finish(first) == "OK"
    assert not [entry for entry in client.call("GET", "/nodes/phoenix/lxc") if "lock" in entry]


def test_clone_to_wrong_content_fails_in_its_task(client: Client) -> None:
    """A clone to a storage without `rootdir` is accepted, and its task fails with the recorded words."""
    fields = {"newid": 950, "full": 1, "storage": "local"}
    assert client.done("POST", "/nodes/phoenix/lxc/901/clone", **fields) == FACTS["clone-to-wrong-content"]["task"]
    assert 950 not in [entry["vmid"] for entry in client.call("GET", "/nodes/phoenix/lxc")]


def listed(client: Client, vmid: int) -> dict[str, Any]:
    """Return a guest of the cluster's list."""
    entries = client.call("GET", "/cluster/resources?type=vm")
    return next(entry for entry in entries if entry["vmid"] == vmid)


def test_resources_are_late(client: Client) -> None:
    """The cluster's list says what pvestatd last reported; the list of the node and the status are right at once."""
    stopped(client)
    node = {entry["vmid"]: entry["status"] for entry in client.call("GET", "/nodes/phoenix/lxc")}
    assert (listed(client, 914)["status"], node[914]) == ("running", "stopped")
    assert client.call("GET", f"{CT}/status/current")["status"] == "stopped"
    client.pve.report_statistics()
    assert listed(client, 914)["status"] == "stopped"


def test_lists_have_the_fields_of_this_release(client: Client) -> None:
    """Lists carry tags, template and lock, and none of the figures that came with Proxmox VE 9."""
    client.pve.snapshot_lock(914, "backup")
    for kind, vmid in (("lxc", 914), ("qemu", 1002)):
        listed_by_id = {entry["vmid"]: entry for entry in client.call("GET", f"/nodes/phoenix/{kind}")}
        current = client.call("GET", f"/nodes/phoenix/{kind}/{vmid}/status/current")
        for entry in (*listed_by_id.values(), current):
            assert not [key for key in entry if key.startswith("pressure") or key == "memhost"]
        assert "phoenix" in listed_by_id[vmid]["tags"]
    containers = {entry["vmid"]: entry for entry in client.call("GET", "/nodes/phoenix/lxc")}
    assert (containers[914]["lock"], containers[900]["template"]) == ("backup", 1)


def test_new_guest_is_unknown_until_it_is_reported(client: Client) -> None:
    """A guest that pvestatd has not reported has neither name nor status."""
    client.done("POST", "/nodes/phoenix/lxc/900/clone", newid=950, full=1, storage="quickOS-lxc-disks")
    unknown = FACTS["resources-without-pvestatd"]["GET /cluster/resources?type=vm"]
    assert listed(client, 950) == {**unknown, "id": "lxc/950", "vmid": 950}
    client.pve.report_statistics()
    assert listed(client, 950)["status"] == "stopped"


def test_resources_without_pvestatd(client: Client) -> None:
    """While pvestatd does not report, guests have neither name nor status, and the node no figures."""
    client.pve.statistics_off.touch()
    assert listed(client, 101) == FACTS["resources-without-pvestatd"]["GET /cluster/resources?type=vm"]
    assert "cpu" not in client.call("GET", "/nodes")[0]
    assert client.call("GET", "/nodes/phoenix/lxc")[0]["name"]


def test_cloud_init_options_are_never_pending(client: Client, tmp_path: Path) -> None:
    """They change at once; the drive's values stay in a section of their own until the guest starts."""
    fact = FACTS["vm-cloudinit-not-pending"]
    assert client.call("PUT", f"{VM}/config", ipconfig0="ip=10.0.0.103/24,gw=10.0.0.1") is None
    assert not [entry for entry in client.call("GET", f"{VM}/pending") if "pending" in entry]
    before, after = fact["config_after"].split("\n\n")
    text = (tmp_path / "etc-pve/nodes/phoenix/qemu-server/1002.conf").read_text()
    assert before in text.splitlines()
    assert text.endswith(f"\n\n{after}\n")
    vm = client.pve.find("phoenix", 1002)
    assert client.pve.spec(vm).nics[0].address == "10.0.0.102/24"
    assert client.done("POST", f"{VM}/status/reboot") == "OK"
    assert client.pve.spec(vm).nics[0].address == "10.0.0.103/24"
    assert "special" not in (tmp_path / "etc-pve/nodes/phoenix/qemu-server/1002.conf").read_text()


def test_pending_value_is_reverted_by_the_present_one(client: Client) -> None:
    """Setting the present value of a pending option leaves nothing pending."""
    client.call("PUT", f"{CT}/config", nameserver="1.1.1.1")
    assert [entry["pending"] for entry in client.call("GET", f"{CT}/pending") if "pending" in entry] == ["1.1.1.1"]
    client.call("PUT", f"{CT}/config", nameserver="10.0.0.53")
    assert not [entry for entry in client.call("GET", f"{CT}/pending") if "pending" in entry]


def test_template_of_a_container_is_no_task(client: Client) -> None:
    """A container is a template when the answer comes; a VM's conversion is a task."""
    stopped(client)
    assert client.send("POST", f"{CT}/template", {})[2] == FACTS["template-is-synchronous-for-lxc"]["body"]
    assert client.call("GET", f"{CT}/config")["rootfs"].startswith("quickOS-lxc-disks:914/base-914-disk-0")
    assert client.done("POST", f"{VM}/status/stop") == "OK"
    assert client.done("POST", f"{VM}/template") == "OK"


def test_import_from_a_storage_that_does_not_list_the_file(client: Client) -> None:
    """Without content type `import`, the image is not listed, but a VM can be created from it."""
    client.pve.storages["local"]["content"] = "vztmpl,iso,backup"
    client.pve.storages["local"]["volumes"]["import/x.qcow2"] = {
        "content": "import",
        "format": "qcow2",
        "size": 1 << 30,
        "ctime": 0,
    }
    content = client.call("GET", "/nodes/phoenix/storage/local/content")
    assert "local:import/x.qcow2" not in [entry["volid"] for entry in content]
    disk = "quickOS-vm-disks:0,import-from=local:import/x.qcow2"
    assert client.done("POST", "/nodes/phoenix/qemu", vmid=950, scsi0=disk) == "OK"
