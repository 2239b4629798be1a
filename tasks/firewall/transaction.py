"""A change of the firewall that rolls back by itself: the hypervisor keeps the old files, and a timer restores them.

Only a confirmation over a new connection stops the timer. If the controller dies or the change cuts it off, the old
firewall returns. Two controllers take turns.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable

from phoenix.connections.shell import Shell
from phoenix.connections.ssh import ConnectionFailedError
from phoenix.conventions import FIREWALL_STATE, SYSTEMD
from phoenix.errors import TaskFailedError
from phoenix.pve.firewall.plan.level import FirewallLevel
from phoenix.templating import shell_program

PATIENCE = 150
"""Seconds to wait for another run's transaction: it is confirmed or rolled back before that."""
LEAST, PER_WRITE = 90, 0.3
"""The timer's delay in seconds: a base, and an addition per write."""
KEPT = {
    "state": FIREWALL_STATE,
    "lock": f"{FIREWALL_STATE}.lock",
    "unit": "phoenix-firewall-rollback",
    "unit_files": SYSTEMD,
}
"""Values of both programs: where the node keeps the old files, and the timer that restores them."""


class Transaction:
    """One change on one hypervisor, identified by a token."""

    def __init__(self, hypervisor: str, node: str, levels: Iterable[FirewallLevel]) -> None:
        self._hypervisor = hypervisor
        self._token = secrets.token_hex(8)
        self._files = tuple(_file(level, node) for level in levels)

    def begin(self, shell: Shell, writes: int) -> None:
        """Save the present files and start the timer; a further call saves them again."""
        self._run(shell, "begin", PATIENCE + 30, seconds=int(LEAST + PER_WRITE * writes))

    def settle(self, shell: Shell) -> None:
        """Wait until the configuration is in force."""
        self._run(shell, "settled", 40)

    def confirm(self, shell: Shell) -> None:
        """Stop the timer and keep the change."""
        self._run(shell, "confirm", 30)

    def undo(self, shell: Shell) -> bool:
        """Restore the saved files now; returns false if that fails, and then the timer restores them."""
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


def _file(level: FirewallLevel, node: str) -> str:
    """The configuration file of a level (Administration Guide, "Proxmox VE Firewall", "Configuration Files")."""
    if level.kind == "cluster":
        return "/etc/pve/firewall/cluster.fw"
    return f"/etc/pve/nodes/{node}/host.fw" if level.kind == "node" else f"/etc/pve/firewall/{level.vmid}.fw"
