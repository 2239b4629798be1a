"""Entering the lab: the namespaces of the hypervisor and of its guests, by way of /proc."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import socket
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ALL = ("user", "mnt", "uts", "ipc", "pid", "net", "cgroup")
NEWNET = 0x40000000
PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


def setns(fd: int, kind: int = 0) -> None:
    """Move the calling thread into a namespace."""
    if _libc.setns(fd, kind):
        number = ctypes.get_errno()
        raise OSError(number, f"setns: {os.strerror(number)}")


def die_with_parent() -> None:
    """Have this process killed when its parent dies."""
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def namespace_of(machine: str, hypervisor: int) -> Path:
    """The network namespace of `operator` or `internet`, seen from here through the hypervisor's root."""
    return Path(f"/proc/{hypervisor}/root/run/netns/{machine}")


@contextlib.contextmanager
def network(path: Path) -> Iterator[None]:
    """Sockets made inside this block belong to that network namespace. Nothing may be awaited in it."""
    home = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        there = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            setns(there, NEWNET)
            try:
                yield
            finally:
                setns(home, NEWNET)
        finally:
            os.close(there)
    finally:
        os.close(home)


def socket_in(path: Path) -> socket.socket:
    """A TCP socket that belongs to that network namespace."""
    with network(path):
        return socket.socket(socket.AF_INET, socket.SOCK_STREAM)


def enter(process: Path, net: Path | None = None) -> None:
    """Move this process into all namespaces of another, given as its directory in some /proc.

    The pid namespace takes effect for children only: fork next.
    """
    own = Path("/proc/self/ns")
    opened = []
    for kind in ALL:
        path = net if kind == "net" and net else process / "ns" / kind
        # Joining one's own is refused for some kinds, and an old kernel lacks others.
        if (own / kind).exists() and not path.samefile(own / kind):
            opened.append(os.open(path, os.O_RDONLY | os.O_CLOEXEC))
    for fd in opened:
        setns(fd)
        os.close(fd)
    os.chdir("/")
