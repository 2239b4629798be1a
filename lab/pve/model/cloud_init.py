"""Cloud-init options of a VM: they change at once and are never pending, but the guest reads them when it starts. Pure.

Source: qemu-server, PVE/QemuServer.pm `vmconfig_hotplug_pending`. Recorded: fact `vm-cloudinit-not-pending`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

_OPTIONS = re.compile(r"ci\w+|sshkeys|nameserver|searchdomain|ipconfig\d+")


@dataclass
class CloudInit:
    """The former values of changed options, None for one that was not set."""

    on_drive: dict[str, Any] = field(default_factory=dict)
    """Values on the drive: the section ``[special:cloudinit]`` of the configuration."""
    started_with: dict[str, Any] = field(default_factory=dict)
    """Values that the running guest read from the drive."""

    def change(self, config: dict[str, Any], pending: dict[str, Any]) -> None:
        """Move pending changes of cloud-init options to the configuration."""
        for key in [key for key in pending if _OPTIONS.fullmatch(key)]:
            value = pending.pop(key)
            for former in (self.on_drive, self.started_with):
                if former.setdefault(key, config.get(key)) == value:
                    del former[key]
            config[key] = value
            if value is None:
                del config[key]

    def active(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """Return a configuration with the options that the running guest read."""
        return {key: value for key, value in {**config, **self.started_with}.items() if value is not None}
