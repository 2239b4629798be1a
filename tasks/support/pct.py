"""`pct` on the node, for what Proxmox VE allows to root only: it waits for locks, as the API connection does."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from phoenix.connections.locks import LOCK_SECONDS, how_to_unlock, lock_in, repeat_while_locked
from phoenix.connections.ssh import Completed
from phoenix.errors import TaskFailedError
from phoenix.run import Run

PCT_SECONDS = 180.0
SEARCH_PATH = "export PATH=/usr/sbin:/usr/bin:/sbin:/bin"


def run_pct(
    run: Run,
    hypervisor: str,
    command: str,
    vmid: int,
    words: Sequence[str] = (),
    *,
    limit: float = PCT_SECONDS,
    lock_limit: float = LOCK_SECONDS,
) -> str:
    """Run `pct COMMAND VMID WORDS` on a hypervisor and return its output; TaskFailedError if it fails.

    `limit` is in seconds for the command itself, `lock_limit` for a lock that another task holds.
    """
    line = shlex.join(("pct", command, str(vmid), *words))
    done = Completed(0, "", "")

    def attempt() -> str:
        nonlocal done
        with run.links.waits.waiting(f"`pct {command} {vmid}`", limit, hypervisor):
            done = run.session(hypervisor).run(f"{SEARCH_PATH}\n{line}", limit)
        return lock_in(done.err) if done.status else ""

    subject = f"CT {vmid}"
    is_free = repeat_while_locked(run.links.waits, subject, attempt, lock_limit)
    if done.status:
        advice = "" if is_free else f"; {how_to_unlock(subject, lock_limit)}"
        raise TaskFailedError(f"{line} failed on {hypervisor}: {done.err.strip()[-300:]}{advice}")
    return done.out
