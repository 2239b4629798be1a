"""The hypervisor's model: fakepve with a guest runtime and a packet filter attached. The API's classes extend it."""

import time
from collections.abc import Mapping, MutableMapping
from pathlib import Path
from typing import Any

from phoenix.lab.pve.fake import FakePve
from phoenix.lab.pve.guests.runtime import GuestRuntime
from phoenix.lab.pve.guests.spec import GuestSpec, parse
from phoenix.lab.pve.model import config_files, saved_state
from phoenix.lab.pve.model.cloud_init import CloudInit
from phoenix.lab.pve.packet_filter.enforcer import Enforcer
from phoenix.lab.pve.packet_filter.files import FirewallFiles
from phoenix.lab.pve.role import NODE


class PveModel(FakePve):  # type: ignore[misc]  # fakepve ships no types
    """FakePve with its guest runtime, packet filter and saved state."""

    runtime: GuestRuntime
    filter: Enforcer
    firewall_files: FirewallFiles
    model_file: Path
    root_keys: dict[int, str]
    cloud_init: MutableMapping[int, CloudInit]
    """By vmid; without effect for containers."""

    @staticmethod
    def kind(guest: Any) -> str:
        """Return a guest's kind, ``vm`` or ``lxc``."""
        return "vm" if hasattr(guest, "qmpstatus") else "lxc"

    def spec(self, guest: Any) -> GuestSpec:
        """Return a guest's specification, parsed from the configuration that it runs with or would start with."""
        return self._parse(guest, guest.config)

    def _parse(self, guest: Any, config: Mapping[str, Any]) -> GuestSpec:
        return parse(guest.vmid, self.kind(guest), self.cloud_init[guest.vmid].active(config))

    def all_guests(self) -> list[Any]:
        """Return all containers and VMs."""
        return [*self.cts, *self.vms]

    def save(self) -> None:
        """Save the model and write the files of firewall and guests."""
        self.firewall_files.store(self._fw())
        config_files.store(
            self.firewall_files.root, NODE, {self._file_of(guest): self._text_of(guest) for guest in self.all_guests()}
        )
        saved_state.save(self.model_file, saved_state.dump(self))

    def _file_of(self, guest: Any) -> tuple[str, int]:
        return self.kind(guest), guest.vmid

    def _text_of(self, guest: Any) -> str:
        kind, vmid = self._file_of(guest)
        return config_files.dump(kind, guest.config, guest.pending, self.cloud_init.get(vmid) or CloudInit())

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
