"""The firewall's transaction on a node and its connection attempts; systemctl, nsenter and lxc-info are stand-ins."""

from __future__ import annotations

import os
import socket
import subprocess
from pathlib import Path

import pytest

from phoenix.templating import program, shell_program
from tests.support.programs import ProgramHost
from tests.support.waiting import until

UNIT = "phoenix-firewall-rollback"


@pytest.fixture
def node(host: ProgramHost) -> ProgramHost:
    """A node with one file of its firewall, whose timers stay active."""
    for folder in ("pve", "units"):
        (host.here / folder).mkdir()
    (host.here / "pve/cluster.fw").write_text("before\n")
    host.stand_in("systemctl", 'case "$1" in is-active) cat "$HERE/timer" 2>/dev/null || echo active ;; esac')
    host.stand_in("logger")
    host.stand_in("sleep")
    return host


def transaction(node: ProgramHost, action: str, token: str = "mine", patience: int = 150) -> str:
    """One call of the program."""
    state = node.here / "lib/firewall"
    values = {"state": str(state), "lock": f"{state}.lock", "unit": UNIT, "unit_files": str(node.here / "units")}
    files = f"{node.here}/pve/cluster.fw {node.here}/pve/102.fw"
    restore = shell_program("firewall/restore.sh", **values)
    return shell_program(
        "firewall/transaction.sh", action=action, token=token, files=files, seconds=90, patience=patience,
        restore_program=restore, **values,
    )  # fmt: skip


def texts(node: ProgramHost) -> dict[str, str]:
    """The firewall's files."""
    return {path.name: path.read_text() for path in (node.here / "pve").iterdir()}


def change(node: ProgramHost) -> None:
    """Edit a file and make another one."""
    (node.here / "pve/cluster.fw").write_text("after\n")
    (node.here / "pve/102.fw").write_text("new\n")


def remains(node: ProgramHost) -> list[str]:
    """What of the transaction is on the node."""
    return sorted(path.name for folder in ("lib", "units") for path in (node.here / folder).iterdir())


def test_confirmed(node: ProgramHost) -> None:
    """A confirmed change stays, and leaves only its lock file."""
    assert node.run(transaction(node, "begin")).returncode == 0
    assert "OnActiveSec=90" in (node.here / f"units/{UNIT}.timer").read_text()
    assert f"systemctl restart {UNIT}.timer" in node.calls
    change(node)
    assert node.run(transaction(node, "confirm")).returncode == 0
    assert texts(node) == {"cluster.fw": "after\n", "102.fw": "new\n"}
    assert remains(node) == ["firewall.lock"]


@pytest.mark.parametrize("by", ["controller", "timer"])
def test_restored(node: ProgramHost, by: str) -> None:
    """The controller, or the timer's program, puts files back as they were, removes new ones, and removes itself."""
    node.run(transaction(node, "begin"))
    change(node)
    state = node.here / "lib/firewall/restore"
    done = node.run(transaction(node, "restore") if by == "controller" else f"sh {state}")
    assert (done.returncode, texts(node)) == (0, {"cluster.fw": "before\n"})
    assert remains(node) == ["firewall.lock"]
    late = node.run(transaction(node, "confirm"))
    assert (late.returncode, late.stdout) == (76, "it is too late: the firewall was put back as it was\n")


def test_file_that_cannot_be_restored(node: ProgramHost) -> None:
    """If a file cannot be put back, the old files are kept and the program fails."""
    node.run(transaction(node, "begin"))
    change(node)
    (node.here / "pve/cluster.fw.phoenix").mkdir()
    assert node.run(transaction(node, "restore")).returncode == 1
    assert (node.here / "lib/firewall/token").exists()


def test_turns(node: ProgramHost) -> None:
    """A change waits for another one and gives up in time; one whose timer is gone is undone first."""
    node.run(transaction(node, "begin", "theirs"))
    change(node)
    busy = node.run(transaction(node, "begin", patience=1))
    assert (busy.returncode, "another run has been changing the firewall since" in busy.stdout) == (75, True)
    assert texts(node)["cluster.fw"] == "after\n"
    (node.here / "timer").write_text("inactive\n")
    assert node.run(transaction(node, "begin")).returncode == 0
    assert texts(node) == {"cluster.fw": "before\n"}
    assert (node.here / "lib/firewall/token").read_text() == "mine\n"


def test_settled(node: ProgramHost) -> None:
    """The program waits until Proxmox has nothing pending."""
    node.stand_in("pve-firewall", 'echo x >>"$HERE/asked"; [ "$(wc -l <"$HERE/asked")" -gt 2 ] || echo pending changes')
    assert node.run(transaction(node, "settled")).returncode == 0
    assert node.calls.count("pve-firewall status") == 3


def test_attempts(host: ProgramHost) -> None:
    """Attempts are made from the host itself and in containers' networks; each result stands behind its host's name."""
    host.stand_in("lxc-info", "echo 42")
    host.stand_in("nsenter", 'shift 3; exec "$@"')
    with socket.socket() as listener, socket.socket() as closed:
        for one in (listener, closed):
            one.bind(("127.0.0.1", 0))
        listener.listen()
        there, absent = listener.getsockname()[1], closed.getsockname()[1]
        attempts = [f"pve tcp 127.0.0.1 {there}", f"web tcp 127.0.0.1 {there}", f"web tcp 127.0.0.1 {absent}"]
        values = {"hosts": "pve= web=104 silent=105", "attempts": "\n".join(attempts)}
        perl = program("firewall/attempts.pl")
        done = host.run(shell_program("firewall/attempts.sh", program=perl, limit=2, at_once=400, **values))
    results = zip(attempts, ("open", "open", "refused"), strict=True)
    assert sorted(done.stdout.splitlines()) == sorted(f"{attempt} {result}" for attempt, result in results)
    entered = [call for call in host.calls if call.startswith("nsenter")]
    assert entered == ["nsenter -t 42 -n perl try.pl 2 400"] * 2
    assert list((host.here / "run").iterdir()) == []


AS_ROOT = pytest.mark.skipif(os.getuid() != 0, reason="observes packets, which requires root")


@AS_ROOT
@pytest.mark.parametrize("where", ["interface", "socket"])
def test_arrivals(host: ProgramHost, where: str) -> None:
    """Observers report opened connections by protocol, addresses and port, whether anything listens or not."""
    host.stand_in("lxc-info", "echo 42")
    host.stand_in("nsenter", 'shift 3; exec "$@"')
    values = {"program": program("firewall/arrivals.pl"), "seconds": "20", "ports": "53 123"}
    hosts = f"here={where} web=104"
    began = host.run(shell_program("firewall/arrivals.sh", action="start", folder="", hosts=hosts, **values))
    assert began.returncode == 0, began.stderr
    with socket.socket() as listener, socket.socket(type=socket.SOCK_DGRAM) as udp:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)) as one:
            one.sendall(b"x" * 100_000)
        for closed in (53, 124):
            udp.sendto(b"x", ("127.0.0.2", closed))
        udp.sendto(b"x", ("127.0.0.2", 123))
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.3", port))
    folder = began.stdout.strip().removeprefix(str(host.here))
    done = host.run(shell_program("firewall/arrivals.sh", action="collect", folder=folder, hosts="", **values))
    seen = [line for line in done.stdout.splitlines() if line.startswith("here ")]
    assert {line for line in seen if line.endswith((f" {port}", " 53", " 123", " 124")) and " 127.0.0." in line} == {
        f"here tcp 127.0.0.1 127.0.0.1 {port}",
        f"here tcp 127.0.0.1 127.0.0.3 {port}",
        "here udp 127.0.0.1 127.0.0.2 53",
        "here udp 127.0.0.1 127.0.0.2 123",
    }
    assert {"here ready", "here complete", "web ready", "web complete"} <= {*done.stdout.splitlines()}
    assert list((host.here / "run").iterdir()) == []
    assert subprocess.run(["/usr/bin/pgrep", "-f", folder], check=False, capture_output=True).stdout == b""


def test_observer_that_ends_too_early(host: ProgramHost) -> None:
    """What an observer saw is not called complete if its time ended before it was collected."""
    values = {"program": program("firewall/arrivals.pl"), "seconds": "1", "ports": "", "hosts": "here=socket"}
    folder = host.run(shell_program("firewall/arrivals.sh", action="start", folder="", **values)).stdout.strip()
    observer = Path("/proc", Path(folder, "pid.here").read_text().strip())
    until(lambda: not observer.exists(), 4)
    folder = folder.removeprefix(str(host.here))
    done = host.run(shell_program("firewall/arrivals.sh", action="collect", folder=folder, **values))
    assert "here ready" in done.stdout.splitlines()
    assert "here complete" not in done.stdout.splitlines()


def test_observer_that_cannot_start(host: ProgramHost) -> None:
    """A host that cannot be observed has no lines, and does not hold up the others."""
    host.stand_in("perl", "exit 1")
    values = {"program": "", "seconds": "20", "ports": "", "hosts": "here=socket"}
    folder = host.run(shell_program("firewall/arrivals.sh", action="start", folder="", **values)).stdout.strip()
    folder = folder.removeprefix(str(host.here))
    done = host.run(shell_program("firewall/arrivals.sh", action="collect", folder=folder, **values))
    assert (done.returncode, done.stdout, list((host.here / "run").iterdir())) == (0, "", [])
