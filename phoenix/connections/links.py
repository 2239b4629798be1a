"""Every connection of a run: each is opened once, shared by all threads, and closed with the others."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, suppress
from ipaddress import IPv4Address
from typing import Any

from phoenix.connections.access import HypervisorAccess
from phoenix.connections.guest_address import current_addresses
from phoenix.connections.proxmox import ApiError, ProxmoxClient
from phoenix.connections.shell import ContainerShell, MachineShell, NodeShell, Shell
from phoenix.connections.ssh import ConnectionFailedError, SshLink, connect, handshake
from phoenix.connections.waits import TurnQueue, Waits
from phoenix.conventions import SSH_PORT
from phoenix.estate import Estate, Guest, Hypervisor

MAX_CONNECTING = 8
HOST_KEY_FILE = "/etc/ssh/ssh_host_ed25519_key.pub"
CLONE_QUEUE_SECONDS = 3600.0
"""How long a clone waits for the clones of the same template before it."""


class Links:
    """The connections of one run to one estate."""

    def __init__(self, estate: Estate, access: Mapping[str, HypervisorAccess]) -> None:
        self.estate = estate
        self.waits = Waits()
        self._access = access
        self._clones = TurnQueue(self.waits)
        self._lock = threading.Lock()
        self._locks: dict[str, threading.Lock] = {}
        self._pending: dict[str, Future[SshLink]] = {}
        self._nodes: dict[str, SshLink] = {}
        self._machines: dict[str, SshLink] = {}
        self._elsewhere: set[str] = set()
        self._apis = {name: ProxmoxClient(entry.api, name, self.waits) for name, entry in access.items()}

    def reconnected(self) -> Links:
        """Create separate connections to the same estate; none of them is open yet."""
        return Links(self.estate, self._access)

    def begin(self, hypervisors: Iterable[str]) -> None:
        """Start to connect to hypervisors. The first use of a connection waits for it, or raises its error."""
        pool = ThreadPoolExecutor(MAX_CONNECTING)
        for name in hypervisors:
            self._pending[name] = pool.submit(connect, self._access[name].ssh, name)
        pool.shutdown(wait=False)

    def api(self, hypervisor: str) -> ProxmoxClient:
        """Return the API client of a hypervisor."""
        return self._apis[hypervisor]

    def clone_queue(
        self, hypervisor: str, vmid: int, limit: float = CLONE_QUEUE_SECONDS
    ) -> AbstractContextManager[None]:
        """Hold the turn to clone a template during a block: Proxmox VE locks a template while it is cloned.

        `vmid` is that of the template. WaitExpiredError if the clones before take longer than `limit` seconds.
        """
        return self._clones.turn((hypervisor, vmid), f"earlier clones of template {vmid}", limit)

    def public_key(self, hypervisor: str) -> str:
        """Read the controller's public key, which virtual machines of the hypervisor must accept."""
        path = self._access[hypervisor].ssh.key_file
        try:
            return path.with_name(path.name + ".pub").read_text("utf-8").strip()
        except OSError as error:
            raise ConnectionFailedError(f"the public key of {path} cannot be read: {error}") from None

    def node(self, hypervisor: str) -> NodeShell:
        """Open a root shell on a hypervisor."""
        return NodeShell(self._node(hypervisor))

    def shell(self, name: str) -> Shell:
        """Open a root shell on a host; ConnectionFailedError if it is not reachable, KeyError if it does not exist."""
        host = self.estate.host(name)
        if isinstance(host, Hypervisor):
            return self.node(name)
        if isinstance(host, Guest) and host.kind == "vm":
            return MachineShell(self._machine(host))
        return ContainerShell(self._node(host.hypervisor), host.vmid, name)

    def is_elsewhere(self, guest: Guest) -> bool:
        """Report whether a connected virtual machine answered at another address than the declared one."""
        return guest.name in self._elsewhere

    def forget(self, name: str) -> None:
        """Drop the connection of a virtual machine, because the machine was restarted."""
        with self._lock:
            link = self._machines.pop(name, None)
            self._elsewhere.discard(name)
        if link:
            link.close()

    def close(self) -> None:
        """Close every connection, those of virtual machines first; a pending one is closed as soon as it is open."""
        while self._pending:
            self._pending.popitem()[1].add_done_callback(_close)
        for link in (*self._machines.values(), *self._nodes.values()):
            link.close()
        for api in self._apis.values():
            api.close()

    def _node(self, name: str) -> SshLink:
        return self._once(self._nodes, name, lambda: self._connect(name))

    def _connect(self, name: str) -> SshLink:
        pending = self._pending.pop(name, None)
        return pending.result() if pending else connect(self._access[name].ssh, name)

    def _machine(self, guest: Guest) -> SshLink:
        return self._once(self._machines, guest.name, lambda: self._jump(guest))

    def _jump(self, guest: Guest) -> SshLink:
        """Connect to a machine at its declared address, or else where it is now."""
        node, key = self._node(guest.hypervisor), self._host_key(guest)
        try:
            return self._jump_over(node, guest, guest.address, key)
        except ConnectionFailedError as error:
            for address in self._other_addresses(guest):
                with suppress(ConnectionFailedError):
                    link = self._jump_over(node, guest, address, key)
                    self._elsewhere.add(guest.name)
                    return link
            raise error from None

    def _jump_over(self, node: SshLink, guest: Guest, address: IPv4Address, key: str) -> SshLink:
        where = f"{guest.name} ({address}:{SSH_PORT} over {guest.hypervisor})"
        key_file = self._access[guest.hypervisor].ssh.key_file
        return handshake(node.tunnel(str(address), SSH_PORT), where, guest.user, key_file, key)

    def _other_addresses(self, guest: Guest) -> tuple[IPv4Address, ...]:
        with suppress(ApiError):
            return current_addresses(self.api(guest.hypervisor), self.estate, guest)
        return ()

    def _host_key(self, guest: Guest) -> str:
        """Read a machine's host key through its guest agent, over the hypervisor's pinned API connection."""
        node = self.estate.hypervisor_of(guest).node
        path = f"nodes/{node}/qemu/{guest.vmid}/agent/file-read"
        try:
            answer: Any = self.api(guest.hypervisor).get(path, file=HOST_KEY_FILE)
        except ApiError as error:
            raise ConnectionFailedError(f"{guest.name}: its host key cannot be read by the agent: {error}") from None
        content = answer.get("content") if isinstance(answer, Mapping) else None
        key = " ".join(str(content or "").split()[:2])
        if not key or key in {entry.ssh.host_key for entry in self._access.values()}:
            what = "the host key of a node" if key else "no host key"
            raise ConnectionFailedError(f"{guest.name}: its agent reports {what} as its own")
        return key

    def _once(self, links: dict[str, SshLink], name: str, make: Callable[[], SshLink]) -> SshLink:
        with self._lock:
            lock = self._locks.setdefault(name, threading.Lock())
        with lock:
            link = links.get(name)
            if link is None or not link.alive:
                link = links[name] = make()
            return link


def _close(pending: Future[SshLink]) -> None:
    if not pending.exception():
        pending.result().close()
