"""`lab.py exec` runs a command in a machine of the lab as if it were started there."""

from __future__ import annotations

import os
import signal

import pytest

from tests.support.waiting import until
from tests.system.host.own import OwnLab

pytestmark = pytest.mark.timeout(300)
HOSTS = ("pve", "client", "internet", "operator")


@pytest.mark.parametrize("host", HOSTS)
def test_streams_are_unchanged(running_lab: OwnLab, host: str) -> None:
    """A megabyte of random bytes passes through stdin and stdout unchanged, and stderr is separate."""
    data = os.urandom(1 << 20)
    done = running_lab.run("exec", host, "--", "sh", "-c", "cat; echo aside >&2", data=data, limit=60)
    assert done.stdout == data
    assert done.stderr == b"aside\n"


@pytest.mark.parametrize(
    ("command", "status"),
    [
        (["true"], 0),
        (["sh", "-c", "exit 7"], 7),
        (["no-such-program"], 127),
        (["/etc/passwd"], 126),
        (["sh", "-c", "kill -TERM $$"], 128 + signal.SIGTERM),
    ],
)
def test_exit_status(running_lab: OwnLab, command: list[str], status: int) -> None:
    """The exit status of `exec` is the command's, in the shell's convention."""
    assert running_lab.run("exec", "client", "--", *command, limit=30).returncode == status


def test_arguments_are_unchanged(running_lab: OwnLab) -> None:
    """Arguments are not interpreted by a shell, and options after `--` belong to the command."""
    words = ["a b", "$HOME", "--help", "*", ""]
    shown = running_lab.inside("client", "printf", "%s|", *words)
    assert shown == "".join(f"{word}|" for word in words)


def test_client_is_a_machine_of_its_own(running_lab: OwnLab) -> None:
    """The client has its own address, files and resolver, and tools to observe the estate."""
    assert running_lab.inside("client", "hostname").strip() == "client"
    assert "10.0.0.50/24" in running_lab.inside("client", "ip", "-brief", "address")
    assert "nameserver 10.0.0.13" in running_lab.inside("client", "cat", "/etc/resolv.conf")
    running_lab.inside("client", "sh", "-c", "command -v curl openssl dig && ! command -v lxc-start")


def test_signal_is_passed_on(running_lab: OwnLab) -> None:
    """A signal to `exec` is forwarded to the command, and `exec` returns the command's status."""
    script = 'trap "exit 9" TERM; echo ready; while :; do sleep 0.05; done'
    with running_lab.start("exec", "client", "--", "sh", "-c", script) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        process.terminate()
        assert process.wait(timeout=10) == 9


def test_killed_exec_leaves_nothing_running(running_lab: OwnLab) -> None:
    """A command ends when its `exec` is killed."""
    with running_lab.start("exec", "client", "--", "sh", "-c", "echo ready; exec sleep 4321") as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.kill()
        process.communicate(timeout=10)
    until(lambda: "4321" not in running_lab.inside("client", "ps", "-eo", "args"))


def test_unknown_host(running_lab: OwnLab) -> None:
    """An unknown host gives status 2 and a message with similar names."""
    done = running_lab.run("exec", "clinet", "--", "true")
    assert done.returncode == 2
    assert b"did you mean client" in done.stderr
