"""Programs of nodes and guests: containers, datasets, resolvers, routes; what they call is a stand-in."""

from __future__ import annotations

from pathlib import Path

import pytest

from phoenix.connections.fanout import run_in_containers
from phoenix.connections.shell import NodeShell
from phoenix.connections.ssh import Completed
from phoenix.templating import shell_program
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
    assert host.run(shell_program("guests/machine-ready.sh", limit=20)).returncode == 0
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


LINES = "search lab.test\nnameserver 10.0.0.53"
OTHER = "nameserver 192.0.2.9\n"


def resolver_functions(host: ProgramHost, settings: str, resolved: str | None, tailscale: str | None) -> str:
    """The shell functions for a host with these files."""
    values = {name: str(host.here / f"{name}.conf") for name in ("resolv", "resolved", "tailscale")}
    for name, text in (("resolv", settings), ("resolved", resolved), ("tailscale", tailscale)):
        if text is not None:
            (host.here / f"{name}.conf").write_text(text)
    return shell_program("dns/resolver.sh", file=values.pop("resolv"), lines=LINES, **values)


@pytest.mark.parametrize(
    ("settings", "resolved", "tailscale"),
    [
        (PVE, OTHER, OTHER),
        (LINES, None, None),
        ("nameserver 10.0.0.53\nsearch lab.test\n", None, None),
        ("# Generated by NetworkManager\nsearch lab.test\nnameserver 10.0.0.53\noptions edns0 trust-ad\n", None, None),
        ("; dhclient\ndomain other.test\n\tsearch\tLab.Test.\n nameserver  10.0.0.53  # ours\n", None, None),
        ("search lab.test other.test\ndomain lab.test\nsortlist 10.0.0.0\nnameserver 10.0.0.53", None, None),
        ("nameserver 127.0.0.53\noptions edns0\nsearch .\n", PVE, None),
        ("search lab.test tail1.ts.net\nnameserver 100.100.100.100\n", None, PVE),
    ],
    ids=["Proxmox", "plain", "order", "NetworkManager", "spacing", "last search", "systemd-resolved", "Tailscale"],
)
def test_resolver_as_wanted(host: ProgramHost, settings: str, resolved: str | None, tailscale: str | None) -> None:
    """Settings with the wanted meaning are as wanted, whoever wrote them."""
    functions = resolver_functions(host, settings, resolved, tailscale)
    assert host.run(f"{functions}read_resolver").stdout == f"{LINES}\n"


@pytest.mark.parametrize(
    ("settings", "resolved", "tailscale"),
    [
        ("nameserver 10.0.0.53\n", None, None),
        (f"{LINES}\n{OTHER}", None, None),
        (f"{OTHER}{LINES}\n", None, None),
        ("search lab.test other.test\nnameserver 10.0.0.53\n", None, None),
        (f"# {LINES}\nnameserver 10.0.0.54\n", None, None),
        ("search lab.test\nnameserver 127.0.0.53\n", OTHER, None),
        ("search lab.test\nnameserver 127.0.0.53\n", None, None),
        ("search lab.test\nnameserver 100.100.100.100\n", PVE, None),
        ("search lab.test\nnameserver 100.100.100.100\n", None, OTHER),
        ("", None, None),
    ],
)
def test_resolver_that_differs(host: ProgramHost, settings: str, resolved: str | None, tailscale: str | None) -> None:
    """Settings with another meaning differ; they are replaced by a file such as Proxmox writes."""
    functions = resolver_functions(host, settings, resolved, tailscale)
    assert host.run(f"{functions}read_resolver").stdout != f"{LINES}\n"
    assert host.run(f"{functions}write_resolver").returncode == 0
    assert (host.here / "resolv.conf").read_text() == PVE
    assert host.run(f"{functions}read_resolver").stdout == f"{LINES}\n"
    assert [path.name for path in host.here.glob("resolv.conf*")] == ["resolv.conf"]


def test_resolver_of_a_stub(host: ProgramHost) -> None:
    """Where resolv.conf leads to the stub of systemd-resolved, the servers count that it asks."""
    functions = resolver_functions(host, OTHER, PVE, None)
    host.stand_in("readlink", "echo /run/systemd/resolve/stub-resolv.conf")
    assert host.run(f"{functions}read_resolver").stdout == f"{LINES}\n"


def test_state_of_units_and_ports_is_scanned(host: ProgramHost, tmp_path: Path) -> None:
    """The scan asks for every unit and every port that it is given, and comes to its end."""
    states = r"Id=a.service\nActiveState=failed\nResult=exit-code\n\nId=b.timer\nActiveState=active\nResult=success\n"
    host.stand_in("systemctl", f"printf '{states}'")
    host.stand_in("timeout", 'echo "$*" >>"$HERE/asked"; case "$*" in *late.lab.test*) exit 124 ;; esac')
    (tmp_path / "root").mkdir()
    values = {"roots": str(tmp_path / "root"), "skipped": "", "xdev": "-xdev", "units": "a.service b.timer"}
    endpoints = "web 10.0.0.11:443 web.lab.test\ndoor 10.0.0.12:9001 door.lab.test\nlate 10.0.0.13:443 late.lab.test"
    done = host.run(shell_program("audit/scan.sh", store_size=20, endpoints=endpoints, **values))
    lines = done.stdout.splitlines()
    assert sorted(lines[:-1]) == [
        "@served||door",
        "@served||web",
        "@silent|late",
        "@unit|active|success|b.timer",
        "@unit|failed|exit-code|a.service",
    ]
    assert (lines[-1], done.stderr) == ("@end", "")
    assert "6 openssl s_client -connect 10.0.0.12:9001 -servername door.lab.test" in (host.here / "asked").read_text()
