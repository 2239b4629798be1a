"""The running lab as the tests of its API see it: proxmoxer for what is asked, other tools for what is so."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from proxmoxer import ProxmoxAPI
from requests.adapters import HTTPAdapter
from ruamel.yaml import YAML

from tests.support.places import ROOT

LAB = Path(os.environ.get("PHOENIX_LAB", "/var/lib/phoenix-lab"))
TEMPLATE = "local:vztmpl/ubuntu-24.04-standard_24.04-2_amd64.tar.zst"
IMAGE = "local:import/noble-server-cloudimg-amd64.qcow2"


class _Pinned(HTTPAdapter):
    """Accepts the one certificate of the access file."""

    def __init__(self, fingerprint: str) -> None:
        self.fingerprint = fingerprint
        super().__init__()

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        """Make connections that check the fingerprint."""
        super().init_poolmanager(*args, assert_fingerprint=self.fingerprint, **options)


@dataclass(frozen=True)
class Lab:
    """A running lab: its API by token, and root on its hypervisor."""

    api: Any

    @property
    def node(self) -> Any:
        """The hypervisor's part of the API."""
        return self.api.nodes("phoenix")

    def finish(self, upid: str) -> str:
        """Wait for a task; how it ended."""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            status = self.node.tasks(upid).status.get()
            if status["status"] == "stopped":
                return str(status["exitstatus"])
            time.sleep(0.02)
        pytest.fail(f"{upid} did not end")

    def root(self, *argv: str, check: bool = True) -> str:
        """What a program says that root runs on the hypervisor."""
        command = [sys.executable, str(ROOT / "runbooks/lab.py"), "exec", "pve", "--", *argv]
        done = subprocess.run(command, capture_output=True, text=True, timeout=90, check=False)
        if check and done.returncode:
            pytest.fail(f"{argv}: {done.returncode}: {done.stderr}")
        return (done.stdout + done.stderr).strip()

    def inside(self, vmid: int, script: str, *, check: bool = True) -> str:
        """What a shell script says that root of a guest runs."""
        return self.root("lxc-attach", "-n", str(vmid), "--clear-env", "--", "sh", "-c", script, check=check)

    def make_container(self, vmid: int, address: str, **more: Any) -> None:
        """Create a container of a test's own."""
        net = f"name=eth0,bridge=vmbr0,firewall=1,hwaddr=52:54:00:77:00:{vmid % 256:02X},ip={address}/24,gw=10.0.0.1"
        given = {"hostname": f"test{vmid}", "unprivileged": 1, "features": "nesting=1", "net0": net, **more}
        given.setdefault("rootfs", "quickOS-lxc-disks:4")
        assert self.finish(self.node.lxc.post(vmid=vmid, ostemplate=TEMPLATE, **given)) == "OK"

    def remove(self, vmid: int) -> None:
        """Destroy a guest if it is there."""
        for kind, guests in (("lxc", self.node.lxc), ("qemu", self.node.qemu)):
            if any(int(guest["vmid"]) == vmid for guest in guests.get()):
                if guests(vmid).status.current.get()["status"] == "running":
                    self.finish(guests(vmid).status.stop.post())
                assert self.finish(guests(vmid).delete()) == "OK", kind


def open_lab() -> Lab:
    """The running lab, by what its access file says."""
    access = YAML(typ="safe").load(LAB / "access.yaml")["pve"]["api"]
    user, _, token = access["token_id"].partition("!")
    host, _, port = access["url"].removeprefix("https://").partition(":")
    options = {"token_name": token, "token_value": access["token_secret"], "verify_ssl": False, "timeout": 60}
    api = ProxmoxAPI(host, port=int(port), user=user, **options)
    api._store["session"].mount("https://", _Pinned(access["fingerprint"]))
    return Lab(api)


def until(met: Callable[[], object], limit: float = 10) -> None:
    """Poll until a condition holds."""
    deadline = time.monotonic() + limit
    while not met():
        if time.monotonic() > deadline:
            pytest.fail("did not become true in time")
        time.sleep(0.05)
