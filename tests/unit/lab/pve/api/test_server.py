"""The API server with fakes for guests and filter: privileges, refusals, failures and saved state."""

import asyncio
import http.client
import json
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote, urlencode

import pytest

pytest.importorskip("fakepve", reason="the lab's extra is not installed")

from fakepve import FakePve, schema  # type: ignore[import-untyped]
from fakepve.certs import make_cert  # type: ignore[import-untyped]

from phoenix.lab.pve.api.implemented import IMPLEMENTED
from phoenix.lab.pve.api.server import LabPve
from phoenix.lab.pve.command import CommandError
from phoenix.lab.pve.role import ROLE, TOKEN

HOOKS = (
    "task",
    "allowed",
    "resolve",
    "_authenticate",
    "_build_app",
    "_agent_call",
    "_apply_config",
    "_check_lock",
    "_config_get",
    "_ct_powerdown",
    "_find_ct",
    "_fw",
    "_lxc_create",
    "_lxc_interfaces",
    "_node_stats",
    "_nodes",
    "_powerdown",
    "_qm_check_drive",
    "_qm_new_drive",
    "_qm_volume",
    "_update_config",
    "_version",
    "_vm",
    "_volumes",
)
CREATE = {
    "vmid": 103,
    "ostemplate": "local:vztmpl/ubuntu-24.04-standard_24.04-2_amd64.tar.zst",
    "rootfs": "quickOS-lxc-disks:4",
    "hostname": "ca",
    "unprivileged": 1,
    "net0": "name=eth0,bridge=vmbr0,ip=10.0.0.10/24",
}


class FakeRuntime:
    """Fakes the guest runtime: a started guest is alive; `fails` names a step that fails."""

    def __init__(self) -> None:
        self.pids: dict[int, int] = {}
        self.fails = ""

    def __getattr__(self, step: str) -> Any:
        """Return a fake of any step of a guest's life."""

        def act(subject: Any, *_: Any, **__: Any) -> Any:
            vmid = subject if isinstance(subject, int) else subject.vmid
            if step == self.fails:
                raise CommandError(f"{step} does not work today")
            if step == "start":
                self.pids[vmid] = 4711
            elif step in ("stop", "shutdown", "destroy"):
                self.pids.pop(vmid, None)
            return vmid in self.pids if step == "alive" else 0 if step == "memory" else True

        return act


class FakeFilter:
    """A packet filter without effects."""

    def wake(self, **_: Any) -> None:
        """Ignore the signal."""

    async def apply(self) -> None:
        """Apply no rules."""


class Client:
    """Calls a running server with the deploy token."""

    def __init__(self, pve: LabPve) -> None:
        self.pve = pve

    def call(self, method: str, path: str, **fields: Any) -> Any:
        """Return the data of a response, or its (status, reason) if it is not 200."""
        context = ssl._create_unverified_context()
        connection = http.client.HTTPSConnection("127.0.0.1", self.pve.port, context=context, timeout=20)
        headers = {"Authorization": f"PVEAPIToken={TOKEN}=s3cret", "Content-Type": "application/x-www-form-urlencoded"}
        connection.request(method, "/api2/json" + path, urlencode(fields) or None, headers)
        answer = connection.getresponse()
        body = json.loads(answer.read())
        connection.close()
        return body["data"] if answer.status == 200 else (answer.status, answer.reason)

    def finish(self, upid: str) -> str:
        """Wait for a task and return its exit status."""
        while True:
            status = self.call("GET", f"/nodes/phoenix/tasks/{quote(upid, safe='')}/status")
            if status["status"] == "stopped":
                return str(status["exitstatus"])

    def done(self, method: str, path: str, **fields: Any) -> str:
        """Return the exit status of the task that a request starts."""
        return self.finish(self.call(method, path, **fields))


def make(directory: Path) -> LabPve:
    """Return a server with a fake guest runtime and packet filter."""
    if not (directory / "api.crt").exists():
        make_cert(str(directory), "api", hosts=("127.0.0.1",))
        certificate = next(p for p in directory.iterdir() if p.suffix in (".crt", ".pem"))
        certificate.rename(directory / "api.crt")
        next(p for p in directory.iterdir() if p.suffix == ".key").rename(directory / "api.key")
        (directory / "api.json").write_text(json.dumps({"root_password": "r00t", "token_secret": "s3cret"}))
    pve = LabPve(directory, "127.0.0.1", 0)
    pve.runtime, pve.filter = cast("Any", FakeRuntime()), cast("Any", FakeFilter())
    return pve


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    """Run a server in a thread and return a client of it."""
    monkeypatch.setattr("phoenix.lab.pve.guests.rootfs.CONTAINERS", tmp_path / "ct")
    pve, loop = make(tmp_path), asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    started = asyncio.run_coroutine_threadsafe(pve.start(str(tmp_path / "api.crt"), str(tmp_path / "api.key")), loop)
    started.result(20)
    yield Client(pve)
    asyncio.run_coroutine_threadsafe(pve.stop(), loop).result(20)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(20)
    loop.close()


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
    assert client.done("POST", "/nodes/phoenix/lxc", **CREATE) == "create does not work today"
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
