"""Locks of Proxmox VE: how its texts name them, and the wait until they are released.

Proxmox reports a lock only by text, with status 500, as the result of a task, or on the standard error of `pct`.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable

from phoenix.connections.waits import Waits

LOCK_SECONDS = 600.0
LOCK_PAUSE = 0.5

LOCK_TEXTS: tuple[tuple[re.Pattern[str], str], ...] = (
    # PVE::AbstractConfig::check_lock; recorded as `clone-locks-source` and `put-locked`.
    (re.compile(r"\b(?:CT|VM) is locked \(([\w-]+)\)"), "lock ({})"),
    # PVE::Tools::lock_file_full, from lock_config of a guest and from storages.
    (re.compile(r"can't lock file '([^']+)'"), "lock file {}"),
    # PVE::Cluster::cfs_lock, for files and storages that the nodes of a cluster share.
    (re.compile(r"cfs-lock(?:ed)? '([^']+)'.*got lock request timeout"), "cluster lock {}"),
)
"""Texts that report a lock which another task holds, before anything was changed, and what to call it."""


def lock_in(text: str) -> str:
    """Name the lock that a message of Proxmox reports; an empty string if it reports none."""
    for pattern, name in LOCK_TEXTS:
        if match := pattern.search(text):
            return name.format(match[1])
    return ""


def repeat_while_locked(waits: Waits, subject: str, attempt: Callable[[], str], limit: float = LOCK_SECONDS) -> bool:
    """Make an attempt, and repeat it while it returns the name of a lock; return whether it succeeded in time.

    `limit` is in seconds from the first attempt that met a lock. `subject` says whose lock it is.
    """
    lock = attempt()
    if not lock:
        return True
    with waits.waiting(f"the {lock} of {subject}", limit) as wait:
        while not wait.is_expired:
            time.sleep(LOCK_PAUSE)
            if not attempt():
                return True
    return False


def how_to_unlock(subject: str, limit: float) -> str:
    """Say what to do about a lock that was not released within `limit` seconds."""
    return (
        f"it was not released within {limit:.0f} s: wait for the task of {subject} that holds it, which the node's "
        "task list shows; if none runs, `pct unlock` or `qm unlock` with the guest's id removes the lock"
    )
