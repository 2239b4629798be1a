"""The running lab for the tests of its API: proxmoxer for requests, other tools for observing their effects."""

from __future__ import annotations

import os
import subprocess
import sys
import time
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
    """Accepts only the access file's certificate."""

    def __init__(self, fingerprint: str) -> None:
        self.fingerprint = fingerprint
        super().__init__()

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        """Create connections that check the fingerprint."""
        super().init_poolmanager(*args, assert_fingerprint=self.fingerprint, **options)


@dataclass(frozen=True)
class Lab:
    """A running lab: its API with the deploy token, and root access to its hypervisor."""

    api: Any

    @property
    def node(self) -> Any:
        """The API's resource of the node."""
        return self.api.nodes("phoenix")

    def finish(self, upid: str) -> str:
        """Wait for a task and return its exit status."""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            status = self.node.tasks(upid).status.get()
            if status["status"] == "stopped":
                return str(status["exitstatus"])
            time.sleep(0.02)
        pytest.fail(f"{upid} did not end")

    def root(self, *argv: str, check: bool = True) -> str:
        """Run a program as root on the hypervisor; return its output."""
        command = [sys.executable, str(ROOT / "runbooks/lab.py"), "exec", "pve", "--", *argv]
        done = subprocess.run(command, capture_output=True, text=True, timeout=90, check=False)
        if check and done.returncode:
            pytest.fail(f"{argv}: {done.returncode}: {done.stderr}")
        return (done.stdout + done.stderr).strip()

    def inside(self, vmid: int, script: str, *, check: bool = True) -> str:
        """Run a shell script as root in a guest; return its output."""
        return self.root("lxc-attach", "-n", str(vmid), "--clear-env", "--", "sh", "-c", script, check=check)

    def make_container(self, vmid: int, address: str, **more: Any) -> None:
        """Create a container for a test."""
        net = f"name=eth0,bridge=vmbr0,firewall=1,hwaddr=52:54:00:77:00:{vmid % 256:02X},ip={address}/24,gw=10.0.0.1"
        config = {"hostname": f"test{vmid}", "unprivileged": 1, "features": "nesting=1", "net0": net, **more}
        config.setdefault("rootfs", "quickOS-lxc-disks:4")
        assert self.finish(self.node.lxc.post(vmid=vmid, ostemplate=TEMPLATE, **config)) == "OK"

    def remove(self, vmid: int) -> None:
        """Destroy a guest if it exists."""
        for kind, guests in (("lxc", self.node.lxc), ("qemu", self.node.qemu)):
            if any(int(guest["vmid"]) == vmid for guest in guests.get()):
                if guests(vmid).status.current.get()["status"] == "running":
                    self.finish(guests(vmid).status.stop.post())
                assert self.finish(guests(vmid).delete()) == "OK", kind


def open_lab() -> Lab:
    """Return the running lab, from its access file."""
    access = YAML(typ="safe").load(LAB / "access.yaml")["pve"]["api"]
    user, _, token = access["token_id"].partition("!")
    host, _, port = access["url"].removeprefix("https://").partition(":")
    options = {"token_name": token, "token_value": access["token_secret"], "verify_ssl": False, "timeout": 60}
    api = ProxmoxAPI(host, port=int(port), user=user, **options)
    api._store["session"].mount("https://", _Pinned(access["fingerprint"]))
    return Lab(api)
