"""`lab.py exec`: runs a command in a machine of the lab and passes through its streams, exit status and signals."""

from __future__ import annotations

import difflib
import json
import os
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from phoenix.lab.errors import LabError
from phoenix.lab.machine.container import OuterContainer
from phoenix.lab.machine.namespaces import die_with_parent, enter, namespace_of
from phoenix.lab.places import INSIDE_CLIENT

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from phoenix.lab.places import LabPlaces

ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "USER": "root",
    "LOGNAME": "root",
    "SHELL": "/bin/bash",
    "LANG": "C.UTF-8",
    "TERM": "dumb",
}
FORWARDED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
NOT_FOUND, NOT_RUNNABLE, BY_SIGNAL = 127, 126, 128
NOT_RUNNING = "the lab is not running; start it with: phoenix lab up"
MACHINES = ("pve", "client", "internet", "operator")
"""The machines that every lab has in addition to the estate's guests."""


class UnknownHostError(LabError):
    """The lab has no machine of this name."""


def guests(places: LabPlaces) -> dict[str, str]:
    """Return the guests' VM ids by name, from the API server's saved model."""
    model = places.state / "model.json"
    if not model.is_file():
        return {}
    return {guest["name"]: vmid for vmid, guest in json.loads(model.read_text())["guests"].items()}


def entry_to(places: LabPlaces, host: str) -> Callable[[], None]:
    """Return a function that moves the calling process into a host's namespaces.

    Raises UnknownHostError if the lab has no such host, LabError if it does not run.
    """
    vmids = guests(places)
    if host not in MACHINES and host not in vmids:
        matches = difflib.get_close_matches(host, [*MACHINES, *vmids], n=3, cutoff=0.3)
        hint = f" (did you mean {' or '.join(matches)}?)" if matches else ""
        hosts = ", ".join([*MACHINES, *sorted(vmids)])
        raise UnknownHostError(f"the lab has no host {host!r}{hint}; its hosts are {hosts}")
    hypervisor = OuterContainer(places).pid
    if hypervisor is None:
        raise LabError(NOT_RUNNING)
    process = Path(f"/proc/{hypervisor}")
    if host == "pve":
        return lambda: enter(process)
    if host in ("internet", "operator"):
        return lambda: enter(process, namespace_of(host, hypervisor))
    lxcpath = str(INSIDE_CLIENT / "lxc") if host == "client" else "/var/lib/lxc"
    inner = _init_of(vmids.get(host, host), lxcpath, process)
    if inner is None:
        raise LabError(f"{host} is not running in the lab; `lab.py up` starts the client, a deployment starts guests")
    return lambda: enter(process / "root" / "proc" / str(inner))


def hypervisor_run(places: LabPlaces, command: Sequence[str], *, limit: float = 10) -> bytes:
    """Return a command's standard output in the hypervisor; its exit status is ignored."""
    pid = OuterContainer(places).pid
    if pid is None:
        raise LabError(NOT_RUNNING)
    return _nsenter(pid, command, limit)


def _nsenter(pid: int, command: Sequence[str], limit: float) -> bytes:
    try:
        return subprocess.run(
            ["nsenter", f"--target={pid}", "--all", "--", *command],
            capture_output=True, check=False, timeout=limit, stdin=subprocess.DEVNULL, env=ENVIRONMENT,
        ).stdout  # fmt: skip
    except subprocess.TimeoutExpired:
        raise LabError(f"`{' '.join(command)}` in the hypervisor did not finish within {limit:g} s") from None


def _init_of(name: str, lxcpath: str, hypervisor: Path) -> int | None:
    """Return the process id of a nested container's init in the hypervisor's pid namespace, or None."""
    pid = _nsenter(int(hypervisor.name), ["lxc-info", "-P", lxcpath, "-n", name, "-pH"], limit=10)
    return int(pid) if pid.strip().isdigit() else None


def execute(places: LabPlaces, host: str, command: Sequence[str]) -> int:
    """Run a command in a host and wait for it; return its exit status, or 128 + the signal that killed it."""
    enter_host = entry_to(places, host)
    entering = os.fork()
    if entering == 0:
        _enter_and_run(enter_host, command)
    return _wait(entering)


def _enter_and_run(enter_host: Callable[[], None], command: Sequence[str]) -> NoReturn:
    """In the child: enter the namespaces, fork again (setns(2) changes the pid namespace of children), exec."""
    die_with_parent()
    try:
        enter_host()
    except OSError as error:
        _say(f"lab exec: cannot enter: {error}")
        os._exit(1)
    child = os.fork()
    if child == 0:
        _become(command)
    os._exit(_wait(child))


def _become(command: Sequence[str]) -> NoReturn:
    for number in FORWARDED:
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # Python ignores SIGPIPE, and a child inherits that
    os.setgroups([])
    os.setgid(0)
    os.setuid(0)
    die_with_parent()  # the command ends with a killed `exec`
    try:
        os.execvpe(command[0], list(command), ENVIRONMENT)  # noqa: S606 - the operator's own command
    except FileNotFoundError:
        _say(f"{command[0]}: command not found")
        os._exit(NOT_FOUND)
    except OSError as error:
        _say(f"{command[0]}: {error.strerror}")
        os._exit(NOT_RUNNABLE)


def _say(message: str) -> None:
    os.write(2, message.encode() + b"\n")


def _wait(child: int) -> int:
    """Wait for the child and forward signals to it; return its exit status in the shell's convention."""

    def forward(number: int, _frame: object) -> None:
        try:
            os.kill(child, number)
        except ProcessLookupError:
            return

    from_terminal = any(os.isatty(fd) for fd in (0, 1, 2))  # a terminal signals the whole process group itself
    for number in FORWARDED:
        at_terminal = from_terminal and number in (signal.SIGINT, signal.SIGQUIT)
        signal.signal(number, signal.SIG_IGN if at_terminal else forward)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else BY_SIGNAL - code
