"""Wait until a guest that was just started is ready for changes, with a limit and a reason."""

from __future__ import annotations

import time

from phoenix.connections.proxmox import ApiError
from phoenix.connections.ssh import ConnectionFailedError
from phoenix.errors import TaskFailedError
from phoenix.estate import Guest
from phoenix.run import Run
from phoenix.templating import program, shell_program

READY_SECONDS = 180.0


def wait_until_ready(run: Run, guest: Guest) -> None:
    """Return when the guest's systemd is up; TaskFailedError after READY_SECONDS, with the last state."""
    if guest.kind == "lxc":
        script = shell_program("guests/container-ready.sh", vmid=guest.vmid, limit=int(READY_SECONDS))
        done = run.session(guest.hypervisor).run(script, READY_SECONDS + 10)
        if done.status:
            raise TaskFailedError(f"did not come up within {READY_SECONDS:.0f} s: {done.out.strip()}")
        return
    deadline, reason = time.monotonic() + READY_SECONDS, ""
    while time.monotonic() < deadline:
        try:
            run.session(guest.name).run(program("guests/machine-ready.sh"), READY_SECONDS)
        except (ConnectionFailedError, ApiError) as error:
            reason = str(error)
            time.sleep(0.3)
        else:
            return
    raise TaskFailedError(f"did not come up within {READY_SECONDS:.0f} s: {reason}")
