"""Wait until a guest that was just started is ready for changes, with a limit and a reason."""

from __future__ import annotations

import time

from phoenix.connections.proxmox import ApiError
from phoenix.connections.ssh import ConnectionFailedError
from phoenix.connections.waits import Wait
from phoenix.errors import TaskFailedError
from phoenix.estate import Guest
from phoenix.run import Run
from phoenix.templating import shell_program

READY_SECONDS = 300.0
GRACE_SECONDS = 10.0
PAUSE = 0.3


def wait_until_ready(run: Run, guest: Guest) -> None:
    """Return when the guest's systemd is up; TaskFailedError after READY_SECONDS, with the last state."""
    wait_for = _wait_for_container if guest.kind == "lxc" else _wait_for_machine
    with run.links.waits.waiting(f"systemd in {guest.name}", READY_SECONDS, guest.name) as wait:
        reason = wait_for(run, guest, wait)
    if reason:
        raise TaskFailedError(f"did not come up within {READY_SECONDS:.0f} s: {reason}")


def _wait_for_container(run: Run, guest: Guest, wait: Wait) -> str:
    """Wait on the node; return the last state if the container does not come up."""
    script = shell_program("guests/container-ready.sh", vmid=guest.vmid, limit=int(wait.limit))
    done = run.session(guest.hypervisor).run(script, wait.limit + GRACE_SECONDS)
    return (done.out.strip() or "its node gives no reason") if done.status else ""


def _wait_for_machine(run: Run, guest: Guest, wait: Wait) -> str:
    """Wait in the machine, as soon as it can be connected to; return the last error if it does not come up."""
    reason = "no connection"
    while not wait.is_expired:
        limit = int(wait.remaining)
        try:
            script = shell_program("guests/machine-ready.sh", limit=limit)
            run.session(guest.name).run(script, limit + GRACE_SECONDS)
        except (ConnectionFailedError, ApiError) as error:
            reason = str(error)
            time.sleep(PAUSE)
        else:
            return ""
    return reason
