"""Enters the namespaces of the hypervisor and its guests through /proc (setns(2))."""

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
    """Move the calling thread into a namespace; raise OSError if the kernel refuses."""
    if _libc.setns(fd, kind):
        number = ctypes.get_errno()
        raise OSError(number, f"setns: {os.strerror(number)}")


def die_with_parent() -> None:
    """Make the kernel kill this process when its parent dies (prctl(2), PR_SET_PDEATHSIG)."""
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def namespace_of(machine: str, hypervisor: int) -> Path:
    """Return the path of the network namespace of `operator` or `internet`, through the hypervisor's root."""
    return Path(f"/proc/{hypervisor}/root/run/netns/{machine}")


@contextlib.contextmanager
def network(path: Path) -> Iterator[None]:
    """Create sockets of a network namespace inside this block. Do not await in it: the thread is in that namespace."""
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
    """Return a TCP socket of a network namespace."""
    with network(path):
        return socket.socket(socket.AF_INET, socket.SOCK_STREAM)


def enter(process: Path, net: Path | None = None) -> None:
    """Move this process into all namespaces of another, given by its /proc directory.

    The pid namespace applies only to children: fork next.
    """
    own = Path("/proc/self/ns")
    opened = []
    for kind in ALL:
        path = net if kind == "net" and net else process / "ns" / kind
        # setns(2) refuses the process's own namespace for some kinds; older kernels lack other kinds.
        if (own / kind).exists() and not path.samefile(own / kind):
            opened.append(os.open(path, os.O_RDONLY | os.O_CLOEXEC))
    for fd in opened:
        setns(fd)
        os.close(fd)
    os.chdir("/")
