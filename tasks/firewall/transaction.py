"""A change of the firewall that undoes itself: what was is kept on the hypervisor, and a timer there puts it back.

Only a confirmation over a new connection stops the timer. So a controller that dies, or that the change cuts off, ends
in the firewall as it was. Two controllers take turns.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable

from phoenix.connections.shell import Shell
from phoenix.connections.ssh import ConnectionFailedError
from phoenix.conventions import FIREWALL_STATE, SYSTEMD
from phoenix.errors import TaskFailedError
from phoenix.pve.firewall.plan.reconcile import Place
from phoenix.templating import shell_program

PATIENCE = 150
"""Seconds to wait for another run's change to end: it is confirmed or undone before that."""
LEAST, PER_WRITE = 90, 0.3
"""How long the timer waits, in seconds: for a start, and more for each write."""
KEPT = {
    "state": FIREWALL_STATE,
    "lock": f"{FIREWALL_STATE}.lock",
    "unit": "phoenix-firewall-rollback",
    "unit_files": SYSTEMD,
}
"""Values of both programs: where the node keeps the old files, and the timer that restores them."""


class Transaction:
    """One change on one hypervisor, told from others by a token."""

    def __init__(self, hypervisor: str, node: str, places: Iterable[Place]) -> None:
        self._hypervisor = hypervisor
        self._token = secrets.token_hex(8)
        self._files = tuple(_file(place, node) for place in places)

    def begin(self, shell: Shell, writes: int) -> None:
        """Keep what is, and start the timer; a further call keeps what is then."""
        self._run(shell, "begin", PATIENCE + 30, seconds=int(LEAST + PER_WRITE * writes))

    def settle(self, shell: Shell) -> None:
        """Wait until Proxmox has put in force what is configured."""
        self._run(shell, "settled", 40)

    def confirm(self, shell: Shell) -> None:
        """Let the change stay."""
        self._run(shell, "confirm", 30)

    def undo(self, shell: Shell) -> bool:
        """Put back what was, now; tells whether that could be asked for. If not, the timer does it."""
        try:
            self._run(shell, "restore", 40)
        except (ConnectionFailedError, TaskFailedError):
            return False
        return True

    def _run(self, shell: Shell, action: str, limit: float, seconds: int = LEAST) -> None:
        script = shell_program(
            "firewall/transaction.sh",
            action=action,
            token=self._token,
            files=self._files,
            seconds=seconds,
            patience=PATIENCE,
            restore_program=shell_program("firewall/restore.sh", **KEPT),
            **KEPT,
        )
        done = shell.run(script, limit)
        if done.status:
            said = (done.out.strip() or done.err.strip() or f"status {done.status}").splitlines()[-1]
            raise TaskFailedError(f"the firewall of {self._hypervisor}: {said}; run again")


def _file(place: Place, node: str) -> str:
    """Where Proxmox keeps a level (Administration Guide, "Proxmox VE Firewall", "Configuration Files")."""
    if place.kind == "cluster":
        return "/etc/pve/firewall/cluster.fw"
    return f"/etc/pve/nodes/{node}/host.fw" if place.kind == "node" else f"/etc/pve/firewall/{place.vmid}.fw"
