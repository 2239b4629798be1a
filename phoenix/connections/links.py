"""Every connection of a run, each made once, shared by all threads, closed together."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from phoenix.connections.access import HypervisorAccess
from phoenix.connections.proxmox import ApiError, ProxmoxClient
from phoenix.connections.shell import ContainerShell, MachineShell, NodeShell, Shell
from phoenix.connections.ssh import ConnectionFailedError, SshLink, connect, handshake
from phoenix.conventions import SSH_PORT
from phoenix.estate import Estate, Guest, Hypervisor

AT_ONCE = 8
HOST_KEY_FILE = "/etc/ssh/ssh_host_ed25519_key.pub"


class Links:
    """The connections of one run to one estate."""

    def __init__(self, estate: Estate, access: Mapping[str, HypervisorAccess]) -> None:
        self.estate = estate
        self._access = access
        self._lock = threading.Lock()
        self._locks: dict[str, threading.Lock] = {}
        self._begun: dict[str, Future[SshLink]] = {}
        self._nodes: dict[str, SshLink] = {}
        self._machines: dict[str, SshLink] = {}
        self._apis = {name: ProxmoxClient(entry.api, name) for name, entry in access.items()}

    def reconnected(self) -> Links:
        """Connections of their own to the same estate, none of them made yet."""
        return Links(self.estate, self._access)

    def begin(self, hypervisors: Iterable[str]) -> None:
        """Start to connect to hypervisors; whoever first asks for one waits for it, or is told why it failed."""
        pool = ThreadPoolExecutor(AT_ONCE)
        for name in hypervisors:
            self._begun[name] = pool.submit(connect, self._access[name].ssh, name)
        pool.shutdown(wait=False)

    def api(self, hypervisor: str) -> ProxmoxClient:
        """The API of a hypervisor."""
        return self._apis[hypervisor]

    def public_key(self, hypervisor: str) -> str:
        """The public half of the controller's key, which virtual machines of the hypervisor must accept."""
        path = self._access[hypervisor].ssh.key_file
        try:
            return path.with_name(path.name + ".pub").read_text("utf-8").strip()
        except OSError as error:
            raise ConnectionFailedError(f"the public key of {path} cannot be read: {error}") from None

    def node(self, hypervisor: str) -> NodeShell:
        """A root shell on a hypervisor."""
        return NodeShell(self._node(hypervisor))

    def shell(self, name: str) -> Shell:
        """Root on a host, by the way that fits its kind."""
        host = self.estate.host(name)
        if isinstance(host, Hypervisor):
            return self.node(name)
        if isinstance(host, Guest) and host.kind == "vm":
            return MachineShell(self._machine(host))
        return ContainerShell(self._node(host.hypervisor), host.vmid, name)

    def forget(self, name: str) -> None:
        """Drop a virtual machine's connection, because the machine was started anew."""
        with self._lock:
            link = self._machines.pop(name, None)
        if link:
            link.close()

    def close(self) -> None:
        """End every connection, virtual machines first; one that has only begun, as soon as it is made."""
        while self._begun:
            self._begun.popitem()[1].add_done_callback(_end)
        for link in (*self._machines.values(), *self._nodes.values()):
            link.close()
        for api in self._apis.values():
            api.close()

    def _node(self, name: str) -> SshLink:
        return self._once(self._nodes, name, lambda: self._connect(name))

    def _connect(self, name: str) -> SshLink:
        begun = self._begun.pop(name, None)
        return begun.result() if begun else connect(self._access[name].ssh, name)

    def _machine(self, guest: Guest) -> SshLink:
        return self._once(self._machines, guest.name, lambda: self._jump(guest))

    def _jump(self, guest: Guest) -> SshLink:
        node, ssh = self._node(guest.hypervisor), self._access[guest.hypervisor].ssh
        key = self._host_key(guest)
        channel = node.tunnel(str(guest.address), SSH_PORT)
        return handshake(
            channel,
            f"{guest.name} ({guest.address}:{SSH_PORT} over {guest.hypervisor})",
            guest.user,
            ssh.key_file,
            key,
        )

    def _host_key(self, guest: Guest) -> str:
        """Learn a machine's host key from its guest agent, over the hypervisor's pinned lane."""
        node = self.estate.hypervisor_of(guest).node
        path = f"nodes/{node}/qemu/{guest.vmid}/agent/file-read"
        try:
            answer: Any = self.api(guest.hypervisor).get(path, file=HOST_KEY_FILE)
        except ApiError as error:
            raise ConnectionFailedError(f"{guest.name}: its host key cannot be learned: {error}") from None
        return " ".join(str(answer["content"]).split()[:2])

    def _once(self, made: dict[str, SshLink], name: str, make: Callable[[], SshLink]) -> SshLink:
        with self._lock:
            lock = self._locks.setdefault(name, threading.Lock())
        with lock:
            link = made.get(name)
            if link is None or not link.alive:
                link = made[name] = make()
            return link


def _end(begun: Future[SshLink]) -> None:
    if not begun.exception():
        begun.result().close()
