"""The model of the hypervisor: fakepve with real guests attached, and how a guest's true state gets into it."""

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
    """FakePve, its guests and its filter."""

    real: GuestRuntime
    filter: Enforcer
    firewall_files: FirewallFiles
    model_file: Path
    root_keys: dict[int, str]

    @staticmethod
    def kind(guest: Any) -> str:
        """``vm`` or ``lxc``."""
        return "vm" if hasattr(guest, "qmpstatus") else "lxc"

    def spec(self, guest: Any) -> GuestSpec:
        """The guest as its present configuration describes it."""
        return parse(guest.vmid, self.kind(guest), guest.config)

    def all_guests(self) -> list[Any]:
        """Containers and VMs."""
        return [*self.cts, *self.vms]

    def save(self) -> None:
        """Remember the model, and write the files that a node has of it."""
        self.firewall_files.store(self._fw())
        saved_state.save(self.model_file, saved_state.dump(self))

    def see(self, guest: Any, *, running: bool) -> None:
        """Put into the model what really runs."""
        status = "running" if running else "stopped"
        if guest.status != status or (running and guest.started_at is None):
            guest.started_at = time.time() if running else None
        guest.status = status
        pid = self.real.pids.get(guest.vmid) if running else None
        guest.pid = pid
        if self.kind(guest) == "vm":
            guest.qmpstatus = status
        guest.stats = {"pid": pid, "cpu": 0, "mem": self.real.memory(guest.vmid)} if pid else {}
