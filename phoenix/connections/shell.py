"""A root shell on a host: on the node itself, in a container through the node, or on a virtual machine by a jump."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Protocol

from phoenix.connections.ssh import Completed, SshLink
from phoenix.conventions import STAGED_PROGRAMS
from phoenix.templating import shell_program


class Shell(Protocol):
    """A root shell on one host."""

    def run(self, script: str, limit: float = 120.0) -> Completed:
        """Run a POSIX shell script from standard input; `limit` is in seconds. ConnectionFailedError if it is lost."""

    def upload(self, source: Path, path: str, mode: str, mtime: int) -> Completed:
        """Unpack a gzip file of the controller to a path, atomically; `mode` is octal, `mtime` in Unix seconds."""


def wrap_script(script: str) -> bytes:
    """Wrap a script, so that the shell reads all of it before it runs, and its commands do not read the rest of it."""
    return f"main() {{\n{script}\n}}\nmain </dev/null\n".encode()


def unpack(path: str, mode: str, mtime: int) -> str:
    """Shell that unpacks its standard input to a path."""
    return shell_program("connections/unpack.sh", target=path, mode=mode, mtime=mtime)


class NodeShell:
    """A root shell on the hypervisor itself."""

    def __init__(self, link: SshLink) -> None:
        self.link = link

    def run(self, script: str, limit: float = 120.0) -> Completed:
        """Run a script on the node."""
        return self.link.run("sh -s", wrap_script(script), limit)

    def upload(self, source: Path, path: str, mode: str, mtime: int) -> Completed:
        """Unpack a file on the node."""
        return self.link.run(unpack(path, mode, mtime), source)


class ContainerShell:
    """A root shell in a container, by lxc-attach(1) on its node; the container needs no sshd."""

    def __init__(self, link: SshLink, vmid: int, name: str) -> None:
        self.link = link
        self.name = name
        self._attach = f"lxc-attach -n {vmid} --clear-env --"

    def run(self, script: str, limit: float = 120.0) -> Completed:
        """Run a script in the container."""
        command = f"timeout -k 2 {limit + 5:.0f} {self._attach} /bin/sh -s"
        return self.link.run(command, wrap_script(script), limit, self.name)

    def upload(self, source: Path, path: str, mode: str, mtime: int) -> Completed:
        """Unpack a file in the container; the node keeps the compressed file for the next container."""
        staged = f"{STAGED_PROGRAMS}/{source.parent.name}.gz"
        size = source.stat().st_size
        have = self.link.run(f"stat -c %s {staged} 2>/dev/null || true")
        if have.out.strip() != str(size):
            new = f"{staged}.$$"
            sent = self.link.run(f"mkdir -p {STAGED_PROGRAMS} && cat >{new} && mv -f {new} {staged}", source)
            if sent.status:
                return sent
        command = f"export PATH=/usr/sbin:/usr/bin:/sbin:/bin\n{unpack(path, mode, mtime)}"
        return self.link.run(f"{self._attach} /bin/sh -c {shlex.quote(command)} <{staged}", name=self.name)


class MachineShell:
    """A root shell in a virtual machine, by sudo(8) over an SSH connection through its hypervisor."""

    def __init__(self, link: SshLink) -> None:
        self.link = link

    def run(self, script: str, limit: float = 120.0) -> Completed:
        """Run a script in the machine."""
        return self.link.run("sudo -n /bin/sh -s", wrap_script(script), limit)

    def upload(self, source: Path, path: str, mode: str, mtime: int) -> Completed:
        """Unpack a file in the machine."""
        return self.link.run(f"sudo -n /bin/sh -c {shlex.quote(unpack(path, mode, mtime))}", source)
