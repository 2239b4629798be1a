"""The lab's lifecycle: `up`, `status` and `down`, also after its parts or `up` itself were killed."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import stat
import subprocess
import time
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from phoenix.lab.machine.container import OuterContainer
from phoenix.lab.places import LabPlaces
from tests.system.host.own import OwnLab

pytestmark = pytest.mark.timeout(300)


def find_traces(places: LabPlaces) -> list[str]:
    """Return a lab's control groups, processes, mounts and files on this machine, found without the lab's code."""
    groups = [str(path) for pattern in ("*", "*/*") for path in Path("/sys/fs/cgroup").glob(pattern)]
    traces = [path for path in groups if places.name in path]
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            mounts = (process / "mountinfo").read_text()
        except OSError:
            continue
        if f"{places.lab} " in command or f"{places.lab}/" in command or f"{places.lab}/" in mounts:
            traces.append(command)
    return traces + [str(path) for path in places.lab.parent.glob(f"{places.lab.name}*")]


def access(lab: OwnLab) -> dict[str, dict[str, str]]:
    """Return the access file's entry for the hypervisor."""
    entry: dict[str, dict[str, str]] = YAML(typ="safe").load(lab.places.access.read_text())["pve"]
    return entry


def api_fingerprint(lab: OwnLab) -> str:
    """Return the fingerprint of the API's certificate at the forwarded port, by openssl."""
    address = access(lab)["api"]["url"].removeprefix("https://")
    shown = subprocess.run(
        ["openssl", "s_client", "-connect", address], input=b"", capture_output=True, check=False, timeout=20
    ).stdout
    printed = subprocess.run(
        ["openssl", "x509", "-noout", "-fingerprint", "-sha256"],
        input=shown, capture_output=True, check=False, timeout=20,
    ).stdout  # fmt: skip
    return printed.decode().strip().rpartition("=")[2]


def test_up_twice(running_lab: OwnLab) -> None:
    """`up` on a running lab changes nothing and reports that."""
    before = OuterContainer(running_lab.places).pid
    done = running_lab.run("up")
    assert done.returncode == 0
    assert b"is up already" in done.stderr
    assert OuterContainer(running_lab.places).pid == before


def test_status(running_lab: OwnLab) -> None:
    """`status` on a running lab lists its parts and exits with 0."""
    done = running_lab.run("status")
    assert done.returncode == 0
    assert {line.split()[0] for line in done.stdout.decode().splitlines()} >= {"hypervisor", "client", "forwarder"}


def test_machine_sees_nothing_of_the_network(running_lab: OwnLab) -> None:
    """This machine's network namespace has no address, route or bridge of the lab."""
    assert running_lab.inside("pve", "ip", "-brief", "address", "show", "vmbr0").split()[2] == "10.0.0.13/24"
    for words in (["address"], ["route", "show", "table", "all"], ["link"]):
        shown = subprocess.run(["ip", *words], capture_output=True, check=True, timeout=10).stdout.decode()
        assert not re.search(r"\b10\.0\.0\.|vmbr0|lab-client|fwbr", shown)


def test_access_file(running_lab: OwnLab) -> None:
    """The access file is private, and its pins match the API's certificate and the SSH host key."""
    assert stat.S_IMODE(running_lab.places.access.stat().st_mode) == 0o600
    entry = access(running_lab)
    assert api_fingerprint(running_lab) == entry["api"]["fingerprint"]
    scan = ["ssh-keyscan", "-t", "ed25519", "-p", str(entry["ssh"]["port"]), "127.0.0.1"]
    keys = subprocess.run(scan, capture_output=True, check=True, timeout=30).stdout.decode()
    assert entry["ssh"]["host_key"] in keys


def test_controller_connects_as_operator(running_lab: OwnLab) -> None:
    """The controller's key logs in as root, and the connection comes from the operator's address."""
    ssh = access(running_lab)["ssh"]
    options = ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "BatchMode=yes"]
    argv = ["ssh", *options, "-i", ssh["key_file"], "-p", str(ssh["port"]), "root@127.0.0.1"]
    done = subprocess.run([*argv, 'echo "$SSH_CLIENT"'], capture_output=True, check=False, timeout=30)
    assert done.stdout.decode().split()[0] == "10.0.0.20", done.stderr


def test_killed_hypervisor_is_healed(running_lab: OwnLab) -> None:
    """After the hypervisor is killed, `up` restarts it with the same keys and files."""
    pins = running_lab.places.access.read_text()
    running_lab.inside("pve", "touch", "/root/kept")
    os.kill(OuterContainer(running_lab.places).pid or 0, signal.SIGKILL)
    running_lab.up()
    assert running_lab.places.access.read_text() == pins
    running_lab.inside("pve", "test", "-e", "/root/kept")
    running_lab.inside("client", "true")


def test_forwarder_detects_a_killed_hypervisor(running_lab: OwnLab) -> None:
    """A connection to a killed hypervisor is closed within seconds, although it sends no FIN."""
    address = ("127.0.0.1", int(access(running_lab)["ssh"]["port"]))
    with socket.create_connection(address, timeout=30) as connection:
        assert connection.recv(100).startswith(b"SSH-")
        os.kill(OuterContainer(running_lab.places).pid or 0, signal.SIGKILL)
        assert connection.recv(100) == b""


def test_reboot_from_inside(running_lab: OwnLab) -> None:
    """After a reboot from inside, the hypervisor's services run and the forwarder connects to them."""
    init_start = ("exec", "pve", "--", "cut", "-d", " ", "-f", "22", "/proc/1/stat")  # start time of init: proc(5)
    before = running_lab.run(*init_start).stdout
    running_lab.run("exec", "pve", "--", "systemctl", "reboot", limit=30)
    end = time.monotonic() + 60
    while time.monotonic() < end:
        done = running_lab.run(*init_start)
        if done.returncode == 0 and done.stdout != before and not running_lab.run("status").returncode:
            break
        time.sleep(0.2)
    assert api_fingerprint(running_lab) == access(running_lab)["api"]["fingerprint"]


def test_stopped_part_is_started(running_lab: OwnLab) -> None:
    """`status` fails for a lab with a stopped part, and the next `up` starts that part."""
    running_lab.inside("pve", "systemctl", "stop", "phoenix-lab-internet")
    assert running_lab.run("status").returncode == 1
    running_lab.up()
    assert running_lab.run("status").returncode == 0


@pytest.mark.parametrize("moment", [0.4, 0.7, 1.0, 1.4, 2.0])
def test_killed_up_leaves_nothing_after_down(own_lab: OwnLab, moment: float) -> None:
    """After an `up` that was killed at any moment, `down` leaves no trace on the machine."""
    own_lab.run("down")
    with own_lab.start("up") as process:
        time.sleep(moment)
        process.kill()
        process.communicate(timeout=30)
    done = own_lab.run("down")
    assert done.returncode == 0, done.stderr
    assert find_traces(own_lab.places) == []


def test_killed_up_is_completed(own_lab: OwnLab) -> None:
    """The next `up` completes a killed one."""
    own_lab.run("down")
    with own_lab.start("up") as process:
        time.sleep(1)
        process.kill()
        process.communicate(timeout=30)
    own_lab.up()
    assert own_lab.run("status").returncode == 0


def test_down_twice(running_lab: OwnLab) -> None:
    """`down` leaves no trace, and a second `down` reports that there is nothing to do."""
    assert running_lab.run("down").returncode == 0
    assert find_traces(running_lab.places) == []
    done = running_lab.run("down")
    assert (done.returncode, b"nothing to do" in done.stderr) == (0, True)
    assert running_lab.run("status").returncode == 1


def test_external_workloads_are_passed_on(running_lab: OwnLab) -> None:
    """The hypervisor has the table of external workloads for which it runs stand-ins."""
    table = json.loads(running_lab.inside("pve", "cat", "/var/lib/lab/state/workloads.json"))
    assert table["914"] == [{"port": 11434, "protocol": "http"}]
