"""Programs of nodes and guests: containers, datasets, resolvers, routes; what they call is a stand-in."""

from __future__ import annotations

from pathlib import Path

import pytest

from phoenix.connections.fanout import run_in_containers
from phoenix.connections.shell import NodeShell
from phoenix.connections.ssh import Completed
from phoenix.templating import program, shell_program
from tests.support.programs import ProgramHost

PVE = "# --- BEGIN PVE ---\nsearch lab.test\nnameserver 10.0.0.53\n# --- END PVE ---\n"


class Node(NodeShell):
    """A node whose scripts run in a directory."""

    def __init__(self, host: ProgramHost) -> None:
        self.host = host

    def run(self, script: str, limit: float = 120.0) -> Completed:
        """Run a script here."""
        assert limit > 0
        done = self.host.run(script)
        return Completed(done.returncode, done.stdout, done.stderr)


def test_containers(host: ProgramHost) -> None:
    """Each container runs its own script; output, errors and status come back."""
    host.stand_in("lxc-attach", 'shift 4; exec "$@"')
    hello = "printf 'it'\\''s %s\\n' \"$((1 + 1))\"\n"
    assert run_in_containers(Node(host), {101: hello, 102: "echo out; echo err >&2; exit 3", 103: hello}, 20) == {
        101: Completed(0, "it's 2\n", ""),
        102: Completed(3, "out\n", "err\n"),
        103: Completed(0, "it's 2\n", ""),
    }
    assert min(host.calls) == "lxc-attach -n 101 --clear-env -- /bin/sh -s"
    assert list((host.here / "run").iterdir()) == []


def test_container_without_status(host: ProgramHost) -> None:
    """A container whose script was killed with everything around it is left out."""
    host.stand_in("lxc-attach", 'kill "$(cut -d" " -f4 /proc/$PPID/stat)"')
    assert run_in_containers(Node(host), {104: "echo lost"}, 20) == {}


@pytest.mark.parametrize(
    ("states", "status", "says"), [(["starting", "degraded"], 0, ""), (["starting"], 1, "starting"), ([], 1, "nothing")]
)
def test_container_is_ready(host: ProgramHost, states: list[str], status: int, says: str) -> None:
    """A container is waited for until systemd has come up in it, and its last state is told if that takes too long."""
    for number, state in enumerate(states):
        (host.here / f"state{number}").write_text(f"{state}\n")
    last = len(states) - 1
    host.stand_in(
        "lxc-attach",
        f'n=$(($(wc -l <"$HERE/calls") - 1)); [ $n -le {last} ] || n={last}; cat "$HERE/state$n" 2>/dev/null',
    )
    done = host.run(shell_program("guests/container-ready.sh", vmid=103, limit=1 if status else 20))
    assert (done.returncode, done.stdout) == (status, f"systemd in it says: {says}\n" if status else "")
    assert host.calls[0] == "lxc-attach -n 103 -- systemctl is-system-running"


def test_machine_is_ready(host: ProgramHost) -> None:
    """A machine is waited for, whatever its state is then."""
    host.stand_in("systemctl", "exit 1")
    host.stand_in("cloud-init")
    assert host.run(program("guests/machine-ready.sh")).returncode == 0
    assert host.calls == ["cloud-init status --wait", "systemctl is-system-running --wait"]


def test_missing_commands(host: ProgramHost) -> None:
    """Only commands that are not there are printed."""
    done = host.run(shell_program("hosts/missing-commands.sh", commands=("sh", "no-such-command", "cat")))
    assert done.stdout == "no-such-command\n"


DATASET = {
    "name": "tank/guests",
    "owner": "phoenix:estate=lab.test",
    "properties": "mountpoint=/guests\ncompression=zstd\nphoenix:note=two words",
}
SETTINGS = "mountpoint=/guests", "compression=zstd", "phoenix:note=two words", "phoenix:estate=lab.test"


@pytest.mark.parametrize(
    ("function", "call"),
    [("make", f"create -p {' '.join(f'-o {one}' for one in SETTINGS)}"), ("correct", f"set {' '.join(SETTINGS)}")],
)
def test_dataset(host: ProgramHost, function: str, call: str) -> None:
    """A dataset is created or corrected with its properties and its owner."""
    host.stand_in("zfs")
    assert host.run(f"({shell_program('zfs/dataset.sh', **DATASET)}{function})").returncode == 0
    assert host.calls == [f"zfs {call} tank/guests"]


ZFS = r"""
case $* in
  *"-s local"*) [ -e "$HERE/there" ] || exit 1; [ ! -e "$HERE/owned" ] || echo lab.test ;;
  *) printf 'phoenix:note\ttwo words\nmountpoint\t/guests\ncompression\tlz4\n' ;;
esac
"""
LZ4 = "compression=lz4\nmountpoint=/guests\nphoenix:note=two words\n"


@pytest.mark.parametrize(
    ("there", "shown"), [((), ""), (("there",), f"-\n{LZ4}"), (("there", "owned"), f"lab.test\n{LZ4}")]
)
def test_dataset_is_shown(host: ProgramHost, there: tuple[str, ...], shown: str) -> None:
    """A dataset is shown with its owner, if it has one of its own, and the declared properties."""
    host.stand_in("zfs", ZFS)
    for name in there:
        (host.here / name).touch()
    assert host.run(f"({shell_program('zfs/dataset.sh', **DATASET)}show)").stdout == shown
    asked = "zfs get -H -o property,value mountpoint,compression,phoenix:note tank/guests"
    assert (asked in host.calls) == bool(there)


@pytest.mark.parametrize("stub", [True, False])
def test_resolver(host: ProgramHost, stub: bool) -> None:  # noqa: FBT001 - a value of the table
    """Settings are read where they count, and written as Proxmox does."""
    file, resolved = host.here / "resolv.conf", host.here / "resolved.conf"
    file.write_text("# comment\nnameserver 192.0.2.1\n\n")
    resolved.write_text("; comment\nnameserver 192.0.2.2\n")
    if stub:
        host.stand_in("readlink", "echo /run/systemd/resolve/stub-resolv.conf")
    values = {"file": str(file), "resolved": str(resolved), "lines": "search lab.test\nnameserver 10.0.0.53"}
    functions = shell_program("dns/resolver.sh", **values)
    assert host.run(f"{functions}read_resolver").stdout == f"nameserver 192.0.2.{2 if stub else 1}\n"
    assert host.run(f"{functions}write_resolver").returncode == 0
    assert (file.read_text(), sorted(path.name for path in host.here.glob("resolv.conf*"))) == (PVE, ["resolv.conf"])


CURL = r"""
code=200
case "$*" in *https://bad.*) code=502 ;; *https://grpc.*) [ "${*%--http2*}" != "$*" ] || code=415 ;; esac
printf %s "$code"
"""


def test_routes(host: ProgramHost) -> None:
    """Routes that answer are silent; one that does not is printed with its address and last status after the limit."""
    host.stand_in("curl", CURL)
    routes = [
        "good.lab.test 10.0.0.11 /health?x=1&y=2 2.. web",
        "bad.lab.test 10.0.0.12 / [23]..|40[135] web",
        "odd.lab.test 10.0.0.11 / [23]..|40[135]|50[234] web",
        "grpc.lab.test 10.0.0.12 / 2.. grpc",
    ]
    done = host.run(shell_program("proof/routes.sh", limit=1, anchors="/anchors.crt", routes="\n".join(routes)))
    assert done.stdout == "bad.lab.test by 10.0.0.12: 502\n"
    (good,) = [call for call in host.calls if "good.lab.test" in call]
    assert good.endswith("--cacert /anchors.crt --connect-to ::10.0.0.11:443 https://good.lab.test/health?x=1&y=2")


def test_no_routes(host: ProgramHost) -> None:
    """Without routes nothing is asked."""
    host.stand_in("curl")
    done = host.run(shell_program("proof/routes.sh", limit=1, anchors="/anchors.crt", routes=""))
    assert (done.stdout, done.stderr, host.calls) == ("", "", [])


def test_state_of_units_and_ports_is_scanned(host: ProgramHost, tmp_path: Path) -> None:
    """The scan asks for every unit and every port that it is given, and comes to its end."""
    states = r"Id=a.service\nActiveState=failed\nResult=exit-code\n\nId=b.timer\nActiveState=active\nResult=success\n"
    host.stand_in("systemctl", f"printf '{states}'")
    host.stand_in("timeout", 'echo "$*" >>"$HERE/asked"')
    (tmp_path / "root").mkdir()
    values = {"roots": str(tmp_path / "root"), "skipped": "", "xdev": "-xdev", "units": "a.service b.timer"}
    endpoints = "web 10.0.0.11:443 web.lab.test\ndoor 10.0.0.12:9001 door.lab.test"
    done = host.run(shell_program("audit/scan.sh", store_size=20, endpoints=endpoints, **values))
    lines = done.stdout.splitlines()
    assert sorted(lines[:-1]) == [
        "@served||door",
        "@served||web",
        "@unit|active|success|b.timer",
        "@unit|failed|exit-code|a.service",
    ]
    assert (lines[-1], done.stderr) == ("@end", "")
    assert "6 openssl s_client -connect 10.0.0.12:9001 -servername door.lab.test" in (host.here / "asked").read_text()
