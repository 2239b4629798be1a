"""Running a command inside a machine of the lab, with its streams, exit status and signals passed through."""

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
OWN = ("pve", "client", "internet", "operator")


class UnknownHostError(LabError):
    """No machine of the lab has this name."""


def guests(places: LabPlaces) -> dict[str, str]:
    """The guests' ids by their names, as the hypervisor's API remembers them."""
    model = places.state / "model.json"
    if not model.is_file():
        return {}
    return {guest["name"]: vmid for vmid, guest in json.loads(model.read_text())["guests"].items()}


def door(places: LabPlaces, host: str) -> Callable[[], None]:
    """The way into a host: a function that moves the calling process there."""
    known = guests(places)
    if host not in OWN and host not in known:
        near = difflib.get_close_matches(host, [*OWN, *known], n=3, cutoff=0.3)
        meant = f" (did you mean {' or '.join(near)}?)" if near else ""
        there = ", ".join([*OWN, *sorted(known)])
        raise UnknownHostError(f"the lab has no host {host!r}{meant}; it has {there}")
    hypervisor = OuterContainer(places).pid
    if hypervisor is None:
        raise LabError("the lab is not running; start it with: python runbooks/lab.py up")
    process = Path(f"/proc/{hypervisor}")
    if host == "pve":
        return lambda: enter(process)
    if host in ("internet", "operator"):
        return lambda: enter(process, namespace_of(host, hypervisor))
    lxcpath = str(INSIDE_CLIENT / "lxc") if host == "client" else "/var/lib/lxc"
    inner = _init_of(known.get(host, host), lxcpath, process)
    if inner is None:
        raise LabError(f"{host} is not running in the lab")
    return lambda: enter(process / "root" / "proc" / str(inner))


def hypervisor_run(places: LabPlaces, command: Sequence[str], *, limit: float = 10) -> bytes:
    """What a command inside the hypervisor wrote, whatever its exit status."""
    pid = OuterContainer(places).pid
    if pid is None:
        raise LabError("the lab is not running; start it with: python runbooks/lab.py up")
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
    """The process id, as the hypervisor counts, of a nested container's init."""
    said = _nsenter(int(hypervisor.name), ["lxc-info", "-P", lxcpath, "-n", name, "-pH"], limit=10)
    return int(said) if said.strip().isdigit() else None


def execute(places: LabPlaces, host: str, command: Sequence[str]) -> int:
    """Run the command in the host and wait for it; its exit status, or 128 + the signal that ended it."""
    way_in = door(places, host)
    entering = os.fork()
    if entering == 0:
        _enter_and_run(way_in, command)
    return _wait(entering)


def _enter_and_run(way_in: Callable[[], None], command: Sequence[str]) -> NoReturn:
    """In a child of ours: enter, fork once more for the pid namespace, become the command."""
    die_with_parent()
    try:
        way_in()
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
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # Python ignores it, and children would inherit that
    os.setgroups([])
    os.setgid(0)
    os.setuid(0)
    die_with_parent()  # a killed `exec` leaves nothing running
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
    """Wait for the child, passing on what signals we are sent."""

    def forward(number: int, _frame: object) -> None:
        try:
            os.kill(child, number)
        except ProcessLookupError:
            return

    from_terminal = any(os.isatty(fd) for fd in (0, 1, 2))  # which sends its own to all of us
    for number in FORWARDED:
        at_terminal = from_terminal and number in (signal.SIGINT, signal.SIGQUIT)
        signal.signal(number, signal.SIG_IGN if at_terminal else forward)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else BY_SIGNAL - code
