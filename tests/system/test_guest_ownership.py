"""Guests of others stay as they are, those of the estate follow the inventory, those that left it can be removed."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system import bench
from tests.system.edited import inventory
from tests.system.pve_api import open_lab
from tests.system.test_prediction import changes

pytestmark = [pytest.mark.usefixtures("estate"), pytest.mark.timeout(400)]
LEAVING = "llamacpp:\n  hostname"
STRAY = """stray:
  hostname: 10.0.0.199
  groups: [lxc, trusted_ca]
  data: {vmid: 999, clone_of: copy-base, depends_on: [step-ca]}

"""
TEMPLATES = "# Templates\n"
NIC = "name=eth0,bridge=vmbr0,firewall=1,ip=10.0.0.198/24,gw=10.0.0.1"


def without(folder: Path, name: str) -> Path:
    """The example without one guest."""
    copy = inventory(folder)
    hosts = (copy / "hosts.yaml").read_text("utf-8")
    start = hosts.index(f"{name}:\n  hostname")
    end = hosts.index(TEMPLATES, start)
    (copy / "hosts.yaml").write_text(hosts[:start] + hosts[end:], "utf-8")
    return copy


@pytest.fixture
def restored() -> Iterator[None]:
    """Deploy the example again, without what the test left."""
    yield
    again = bench.deploy("--prune", "--yes")
    assert again.status == 0, again.output


@pytest.mark.usefixtures("restored")
def test_changed_addresses(tmp_path: Path) -> None:
    """A container and a machine get new addresses in one run, as the plan says; names and routes follow."""
    moved = inventory(
        tmp_path, ("hostname: 10.0.0.155", "hostname: 10.0.0.156"), ("hostname: 10.0.0.102", "hostname: 10.0.0.104")
    )
    planned = bench.deploy("--inventory", str(moved), "--dry-run")
    made = bench.deploy("--inventory", str(moved))
    assert made.status == 0, made.output
    started, reloaded = (("drphoenix", "unit nginx.service", verb) for verb in ("start", "reload"))
    assert changes(made) - changes(planned) == Counter([started])  # its old settings name an address that is gone
    assert changes(planned) - changes(made) == Counter([reloaded])
    assert "10.0.0.156/24" in bench.sh("ollama", "ip -brief address show eth0")
    assert "10.0.0.104/24" in bench.sh("drphoenix", "ip -brief address show eth0")
    assert bench.fetch("qdrant", "/readyz")[0] == 0
    again = bench.deploy("--inventory", str(moved))
    assert (again.status, again.changes) == (0, []), again.output


@pytest.mark.usefixtures("restored")
def test_removed_guest(tmp_path: Path) -> None:
    """A guest that left the inventory is listed and closed, and runs until it is pruned; then only its data stays."""
    left = without(tmp_path, "llamacpp")
    bench.sh("pve", "mkdir -p /mnt/pve/quickOS/lxc-persistent-data/917/x")
    closed = bench.deploy("--inventory", str(left))
    assert closed.status == 0, closed.output
    assert "guest 917 llamacpp (lxc, running): no longer declared" in closed.output
    assert bench.inside("llamacpp", "true")[0] == 0
    file = bench.sh("pve", "cat /etc/pve/firewall/917.fw")
    assert "policy_out: DROP" in file
    assert "ACCEPT" not in file  # inbound, DROP is the default
    planned = bench.deploy("--inventory", str(left), "--prune", "--dry-run")
    pruned = bench.deploy("--inventory", str(left), "--prune", "--yes")
    assert changes(planned) == changes(pruned)
    assert pruned.changes == [("pve", "guest 917 llamacpp")]
    assert 917 not in {int(one["vmid"]) for one in open_lab().node.lxc.get()}
    assert bench.sh("pve", "ls -d /mnt/pve/quickOS/lxc-persistent-data/917/x").strip()
    assert bench.deploy("--inventory", str(left)).changes == []


@pytest.mark.usefixtures("restored")
def test_guest_of_another_owner(tmp_path: Path) -> None:
    """A recycled id is refused by deploy and destroy; adopted as its plan says, the guest follows the inventory."""
    lab = open_lab()
    values = {"vmid": 999, "hostname": "theirs", "rootfs": "quickOS-lxc-disks:1", "unprivileged": 1, "tags": "phoenix"}
    template = "local:vztmpl/ubuntu-24.04-standard_24.04-2_amd64.tar.zst"
    assert lab.finish(lab.node.lxc.post(ostemplate=template, net0=NIC, features="nesting=1", **values)) == "OK"
    before = lab.node.lxc("999").config.get()
    wanted = inventory(tmp_path, (TEMPLATES, STRAY + TEMPLATES))
    refused = bench.deploy("--inventory", str(wanted), "--target", "stray")
    assert refused.status == 1
    assert "vmid 999 is not of this estate: lxc 'theirs', stopped" in refused.output
    command = (sys.executable, "runbooks/destroy.py", "--lab", "--inventory", str(wanted), "--target", "stray", "--yes")
    status, output = bench.run(*command)
    assert status == 1
    assert "is not of this estate" in output
    assert lab.node.lxc("999").config.get() == before
    only = ("--inventory", str(wanted), "--target", "stray", "--adopt", "stray")
    planned = bench.deploy(*only, "--dry-run", "--diff")
    assert "adopt guest 999 stray: lxc 'theirs'" in planned.output
    made = bench.deploy(*only)
    assert made.status == 0, made.output
    assert lab.node.lxc("999").config.get()["hostname"] == "stray"
    again = bench.deploy("--inventory", str(wanted), "--target", "stray")
    assert (again.status, again.changes) == (0, []), again.output


def test_clones_have_keys_of_their_own() -> None:
    """No two guests, and no guest and its template, have the same SSH host key."""
    script = "cat /etc/ssh/ssh_host_ed25519_key.pub 2>/dev/null | cut -d' ' -f2"
    keys = [key for name in bench.GUESTS if (key := bench.sh(name, script).strip())]
    assert len(keys) == len(set(keys))
    assert len(keys) > 2
