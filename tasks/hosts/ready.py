"""Wait until a guest that was just started is ready for changes, with a limit and a reason."""

from __future__ import annotations

import time

from phoenix.connections.proxmox import ApiError
from phoenix.connections.ssh import ConnectionFailedError
from phoenix.errors import TaskFailedError
from phoenix.estate import Guest
from phoenix.run import Run

READY_SECONDS = 180.0
CONTAINER = """
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
end=$(($(date +%s) + {limit}))
while [ "$(date +%s)" -lt $end ]; do
  state=$(timeout 5 lxc-attach -n {vmid} -- systemctl is-system-running 2>/dev/null </dev/null)
  case $state in running|degraded) exit 0 ;; esac
  sleep 0.1
done
echo "systemd in it says: ${{state:-nothing}}"
exit 1
"""
CLOUD_INIT = """
if command -v cloud-init >/dev/null; then timeout 170 cloud-init status --wait >/dev/null; fi
timeout 170 systemctl is-system-running --wait || true
"""


def wait_until_ready(run: Run, guest: Guest) -> None:
    """Return when the guest's systemd is up; TaskFailedError after READY_SECONDS, with the last state."""
    if guest.kind == "lxc":
        script = CONTAINER.format(limit=int(READY_SECONDS), vmid=guest.vmid)
        done = run.session(guest.hypervisor).run(script, READY_SECONDS + 10)
        if done.status:
            raise TaskFailedError(f"did not come up within {READY_SECONDS:.0f} s: {done.out.strip()}")
        return
    deadline, reason = time.monotonic() + READY_SECONDS, ""
    while time.monotonic() < deadline:
        try:
            run.session(guest.name).run(CLOUD_INIT, READY_SECONDS)
        except (ConnectionFailedError, ApiError) as error:
            reason = str(error)
            time.sleep(0.3)
        else:
            return
    raise TaskFailedError(f"did not come up within {READY_SECONDS:.0f} s: {reason}")
