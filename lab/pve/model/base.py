"""The hypervisor's model: fakepve with a guest runtime and a packet filter attached. The API's classes extend it."""

import time
from pathlib import Path
from typing import Any

from phoenix.lab.pve.fake import FakePve
from phoenix.lab.pve.guests.runtime import GuestRuntime
from phoenix.lab.pve.guests.spec import GuestSpec, parse
from phoenix.lab.pve.model import saved_state
from phoenix.lab.pve.packet_filter.enforcer import Enforcer
from phoenix.lab.pve.packet_filter.files import FirewallFiles


class PveModel(FakePve):  # type: ignore[misc]  # fakepve ships no types
    """FakePve with its guest runtime, packet filter and saved state."""

    runtime: GuestRuntime
    filter: Enforcer
    firewall_files: FirewallFiles
    model_file: Path
    root_keys: dict[int, str]

    @staticmethod
    def kind(guest: Any) -> str:
        """Return a guest's kind, ``vm`` or ``lxc``."""
        return "vm" if hasattr(guest, "qmpstatus") else "lxc"

    def spec(self, guest: Any) -> GuestSpec:
        """Return a guest's specification, parsed from its current configuration."""
        return parse(guest.vmid, self.kind(guest), guest.config)

    def all_guests(self) -> list[Any]:
        """Return all containers and VMs."""
        return [*self.cts, *self.vms]

    def save(self) -> None:
        """Save the model and write the firewall's files."""
        self.firewall_files.store(self._fw())
        saved_state.save(self.model_file, saved_state.dump(self))

    def update_status(self, guest: Any, *, running: bool) -> None:
        """Set a guest's status, process id, start time and memory use in the model."""
        status = "running" if running else "stopped"
        if guest.status != status or (running and guest.started_at is None):
            guest.started_at = time.time() if running else None
        guest.status = status
        pid = self.runtime.pids.get(guest.vmid) if running else None
        guest.pid = pid
        if self.kind(guest) == "vm":
            guest.qmpstatus = status
        guest.stats = {"pid": pid, "cpu": 0, "mem": self.runtime.memory(guest.vmid)} if pid else {}
